//! What a run measured: how long it took, and what may be lost.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::RegionLoss;
use crate::consistency::{DatabaseConsistency, consistency};
use crate::failback::names as back;
use crate::failover::{RestoreInputs, names};
use crate::plan::{Goals, ResidencyNotes};
use crate::store::overwrite;
use crate::{
    DrillRecord, Host, JournalSeal, Mode, Plan, RunId, RunState, StepContext, StepError, StepId,
    StepStatus, Store, StoreError,
};

/// When what happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clocks {
    /// When the primary region was lost, as far as anybody knows.
    pub fault: Option<Timestamp>,
    /// When it was first seen that the primary region does not answer.
    #[serde(default)]
    pub detected: Option<Timestamp>,
    /// When that was decided.
    pub declared: Timestamp,
    /// When the first step began.
    pub first_action: Option<Timestamp>,
    /// When each step was settled.
    pub settled: BTreeMap<StepId, Timestamp>,
    /// When everything was verified.
    pub verified: Option<Timestamp>,
}

/// What is lost of a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseLoss {
    /// The instance that serves now.
    pub target: String,
    /// The time of the latest change in it.
    pub data_time: Timestamp,
    /// From there to the fault, in seconds; null where clocks differ.
    pub rpo_seconds: Option<u64>,
    /// Whether it came back.
    pub is_restored: bool,
}

/// A kind of data, besides databases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DataKind {
    /// Objects of the buckets.
    Objects,
    /// Terraform's states.
    States,
}

/// What is lost of a kind of data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindLoss {
    /// How old what is lost can be at most, in seconds; null where nobody could measure it.
    pub rpo_seconds: Option<u64>,
    /// How that is known, or why it is not.
    pub why: String,
}

/// What a run measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunReport {
    /// The run that it is about.
    pub run: RunId,
    /// What it was for.
    pub mode: Mode,
    /// Project and environment.
    pub environment: String,
    /// The account that it was made in.
    pub account: Option<String>,
    /// When what happened.
    pub clocks: Clocks,
    /// By how many seconds, or more, clocks of machines differ that carried the run: no time between two of them is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clocks_differ_seconds: Option<u64>,
    /// From the fault until everything was verified, in seconds; null where the fault's time or the end is not known, or one clock was
    /// behind another.
    pub rto_from_fault_seconds: Option<u64>,
    /// From when it was first seen, in the same way.
    #[serde(default)]
    pub rto_from_detection_seconds: Option<u64>,
    /// From the declaration until everything was verified, in seconds.
    pub rto_from_declaration_seconds: Option<u64>,
    /// On the way back: from when nobody wrote in the DR region any more until the primary region served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writers_stood_still_seconds: Option<u64>,
    /// By whose word data lies in another country.
    #[serde(default, skip_serializing_if = "ResidencyNotes::is_empty")]
    pub residency: ResidencyNotes,
    /// By database.
    pub databases: BTreeMap<String, DatabaseLoss>,
    /// Of what else the environment has.
    #[serde(default)]
    pub kinds: BTreeMap<DataKind, KindLoss>,
    /// Whether rows and objects belong together, by database that was to be asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub consistency: Vec<DatabaseConsistency>,
    /// What had to be achieved.
    pub objectives: Goals,
    /// Whether the times and losses that are known are within the objectives; null where one is not known.
    pub meets_objectives: Option<bool>,
    /// Steps that the operator left out, with their reasons.
    pub skipped: BTreeMap<StepId, String>,
}

impl RunReport {
    /// What the records of a run say.
    pub fn of(state: &RunState) -> Self {
        let plan = &state.plan;
        let began = state.steps.values().filter_map(|step| step.began);
        let settled = state.steps.iter().filter(|(_, step)| step.is_settled());
        let settled: BTreeMap<_, _> = settled
            .filter_map(|(id, step)| Some((id.clone(), step.ended?)))
            .collect();
        // A failback is over when it has cut over: before that the DR region serves.
        let last = match plan.mode {
            Mode::RegionLoss => names::VERIFY,
            Mode::Failback | Mode::Undo => back::CUT_OVER,
            Mode::Planned => names::TRAFFIC,
            Mode::Commit => crate::commit::names::COMMIT,
        };
        let last = StepId::new(last);
        let verified = settled.get(&last).copied();
        let is_verified = |id: &StepId| {
            state.steps.get(id).is_some_and(|step| {
                matches!(step.status, StepStatus::Done | StepStatus::NotApplicable)
            })
        };
        let verified = verified.filter(|_| is_verified(&last));
        let since = |from: Timestamp| seconds(state, from, verified?);
        let detected = detected(plan);
        let (from_fault, from_declaration) =
            (plan.fault.and_then(since), since(plan.declared.declared));
        let restores = plan
            .steps
            .iter()
            .filter(|step| step.id.kind() == names::RESTORE);
        let databases: BTreeMap<_, _> = restores
            .filter_map(|step| match plan.mode {
                Mode::RegionLoss => {
                    let RestoreInputs { plan: restore, .. } =
                        RestoreInputs::deserialize(&step.inputs).ok()?;
                    let lost = DatabaseLoss {
                        target: restore.target,
                        data_time: restore.choice.data_time,
                        rpo_seconds: restore.rpo_seconds,
                        is_restored: is_verified(&step.id),
                    };
                    Some((restore.database, lost))
                }
                Mode::Failback | Mode::Planned | Mode::Undo | Mode::Commit => {
                    lost_on_the_way(state, &step.id)
                }
            })
            .collect();
        let objectives = plan.objectives;
        let all = databases.len()
            == state
                .steps
                .keys()
                .filter(|id| id.kind() == names::RESTORE)
                .count();
        // Worst first: what came back too old or not at all, what is not known, what is fine.
        let rpo = databases.values().map(|lost| match lost.rpo_seconds {
            _ if !lost.is_restored => Some(false),
            Some(lost) => Some(lost <= objectives.rpo_database_seconds),
            None => None,
        });
        let still = writers_stood_still(state);
        let rto = match plan.mode {
            Mode::RegionLoss => from_fault.or(from_declaration),
            // Before writers stand still nobody misses anything.
            Mode::Failback | Mode::Planned | Mode::Undo | Mode::Commit => still,
        };
        let rto = rto.map(|rto| rto <= objectives.rto_seconds);
        let whole = match plan.mode {
            // What does not go along is where nobody looks any more.
            Mode::Failback | Mode::Planned | Mode::Undo | Mode::Commit => Some(all),
            Mode::RegionLoss => all.then_some(true),
        };
        let known: Vec<Option<bool>> = rpo.chain([rto, whole]).collect();
        let meets_objectives = if known.contains(&Some(false)) {
            Some(false)
        } else {
            (!known.contains(&None)).then_some(true)
        };
        let skipped = state
            .steps
            .iter()
            .filter_map(|(id, step)| match &step.outcome {
                Some(crate::Outcome::Skipped { reason, .. }) => Some((id.clone(), reason.clone())),
                _ => None,
            });
        Self {
            run: plan.run.clone(),
            mode: plan.mode,
            environment: plan.environment.clone(),
            account: plan.account.clone(),
            clocks: Clocks {
                fault: plan.fault,
                detected,
                declared: plan.declared.declared,
                first_action: began.min(),
                settled,
                verified,
            },
            residency: plan.residency.clone(),
            clocks_differ_seconds: state.clocks_differ_seconds,
            rto_from_fault_seconds: from_fault,
            rto_from_detection_seconds: detected.and_then(since),
            rto_from_declaration_seconds: from_declaration,
            writers_stood_still_seconds: still,
            databases,
            kinds: kinds(state),
            consistency: consistency(state),
            objectives,
            meets_objectives,
            skipped: skipped.collect(),
        }
    }
}

/// The first look at which a service of the primary region did not answer.
fn detected(plan: &Plan) -> Option<Timestamp> {
    if plan.mode != Mode::RegionLoss {
        return None;
    }
    let looks = plan.declared.evidence.iter();
    let looks = looks.filter(|seen| seen.region == plan.primary);
    let silent = looks.flat_map(|seen| &seen.rounds).filter(|round| {
        let mut answers = round.answers.iter();
        answers.any(|answer| !answer.answered)
    });
    silent.map(|round| round.at).min()
}

/// What is lost of objects and states, of which a run that has only one region cannot know.
fn kinds(state: &RunState) -> BTreeMap<DataKind, KindLoss> {
    let is_done = |id: &StepId| {
        let step = state.steps.get(id);
        step.is_some_and(|step| step.status == StepStatus::Done)
    };
    let (objects, states, is_measured) = match state.plan.mode {
        Mode::RegionLoss => (names::MANIFEST, names::STATE, false),
        Mode::Failback | Mode::Planned | Mode::Undo | Mode::Commit => (
            back::LAST_OBJECTS,
            back::STATE,
            is_done(&StepId::new(back::CUT_OVER)),
        ),
    };
    let of_kind = |kind: &str| -> Option<bool> {
        let mut steps = state.steps.keys().filter(|id| id.kind() == kind).peekable();
        steps.peek()?;
        Some(is_measured && steps.all(is_done))
    };
    let loss = |kind: &str, unknown: &str| {
        Some(match of_kind(kind)? {
            true => KindLoss {
                rpo_seconds: Some(0),
                why: "all of it was brought over, and nothing was written since".to_owned(),
            },
            false => KindLoss {
                rpo_seconds: None,
                why: unknown.to_owned(),
            },
        })
    };
    let unknown = match state.plan.mode {
        Mode::RegionLoss => [
            "what was not replicated yet only the lost region knows; a failback shows what it still has",
            "a state that was written last and not replicated yet is known to the lost region alone",
        ],
        _ => ["it was not brought over to the end"; 2],
    };
    let kinds = [
        (DataKind::Objects, loss(objects, unknown[0])),
        (DataKind::States, loss(states, unknown[1])),
    ];
    kinds
        .into_iter()
        .filter_map(|(kind, loss)| Some((kind, loss?)))
        .collect()
}

/// What a planned move has lost of a database, as its cut-over measured it.
fn lost_on_the_way(state: &RunState, step: &StepId) -> Option<(String, DatabaseLoss)> {
    let (_, database) = step.0.split_once('/')?;
    let restored = state.result(step);
    let choice = restored.and_then(|restored| restored.get("choice"));
    let data_time = crate::failback::data_time(choice)?;
    let cut_over = state.result(&StepId::new(back::CUT_OVER));
    let loss = cut_over.and_then(|cut_over| cut_over.get("databases")?.get(database));
    let lost = DatabaseLoss {
        target: restored?.get("target")?.as_str()?.to_owned(),
        data_time,
        rpo_seconds: loss.and_then(|loss| loss.get("lost_seconds")?.as_u64()),
        is_restored: true,
    };
    Some((database.to_owned(), lost))
}

fn writers_stood_still(state: &RunState) -> Option<u64> {
    let drained = state.result(&StepId::new(back::DRAIN))?.get("at")?;
    let from = drained.as_str()?.parse().ok()?;
    let to = match state.plan.mode {
        // Behind its cut-over somebody writes when traffic is turned.
        Mode::Planned => {
            let traffic = state.steps.get(&StepId::new(names::TRAFFIC))?;
            traffic.ended.filter(|_| traffic.is_settled())?
        }
        _ => {
            let cut_over = state.result(&StepId::new(back::CUT_OVER))?.get("at")?;
            cut_over.as_str()?.parse().ok()?
        }
    };
    seconds(state, from, to)
}

/// What lies between two moments of a run. Where a clock was behind another that is not known: it is no time, and not a short one.
fn seconds(state: &RunState, from: Timestamp, to: Timestamp) -> Option<u64> {
    match state.clocks_differ_seconds {
        Some(_) => None,
        None => u64::try_from(to.duration_since(from).as_secs()).ok(),
    }
}

/// The folder of reports, beside that of the runs.
pub(crate) const FOLDER: &str = "reports/";

/// Where the record of a run is.
pub(crate) fn key(run: &RunId) -> String {
    format!("{FOLDER}{run}.json")
}

/// Writes the record of a run, by the records that `seal` names.
pub(crate) async fn keep(
    store: &impl Store,
    state: &RunState,
    seal: JournalSeal,
) -> Result<(), StoreError> {
    let record = DrillRecord::of(state, seal);
    // Texts, numbers and times are always written.
    let bytes = serde_json::to_vec_pretty(&record).unwrap_or_default();
    // What an earlier attempt wrote may lack what was settled since.
    let written = overwrite(store, &key(&record.measured.run), &bytes).await;
    written.map(drop)
}

pub(super) async fn apply<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
    context: &StepContext<'_>,
) -> Result<(), StepError> {
    let kept = keep(&of.store, &context.state(), context.seal().await).await;
    kept.map_err(StepError::unchecked)
}

pub(super) async fn verify<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
    context: &StepContext<'_>,
) -> Result<Value, StepError> {
    let record = DrillRecord::of(&context.state(), context.seal().await);
    let key = key(&record.measured.run);
    match of.store.read(&key).await.map_err(StepError::unchecked)? {
        Some(there) if serde_json::from_slice(&there.bytes).ok().as_ref() == Some(&record) => {
            Ok(json!(record))
        }
        _ => Err(StepError::wrong(format!(
            "{} is not what was written",
            of.store.place(&key)
        ))),
    }
}
