//! What those are told of a run who answer for an environment without carrying it: officers for privacy, of security, of the
//! business. Dates and facts from the records, and what the records do not tell; no conclusion from them.

mod abandonment;

use jiff::Timestamp;
use report::finding::Status;
use serde::Serialize;
use serde_json::Value;
use settings::Region;

use crate::drill_record::read_drill;
use crate::facts::{cut_over, failbacks};
use crate::failback::names as back;
use crate::failover::names;
use crate::journal::{self, JournalSeal};
use crate::lease::causes;
use crate::record::{Digest, Outcome};
use crate::{
    DataKind, DatabaseConsistency, KindLoss, MadeIn, Mode, OpenError, OutsideCountry, Purpose,
    RunFacts, RunId, RunState, RunStatus, StepId, StepStatus, Store, Survey,
};

pub use self::abandonment::{Abandonment, PutBack};

/// For how long nobody could work with the environment, as far as the records tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "known")]
pub enum Unavailability {
    /// From then until then.
    Span {
        /// The fault, or when writers were stopped.
        from: Timestamp,
        /// When it served again.
        until: Timestamp,
        /// The time between.
        seconds: u64,
    },
    /// From then on; the end is not in the records of the run.
    Since {
        /// The fault, or when writers were stopped.
        from: Timestamp,
        /// Why the end is not known.
        why: String,
    },
    /// The run stopped nobody.
    NotStopped,
    /// The records do not tell.
    Unknown {
        /// What the records lack that would tell.
        why: String,
    },
}

/// What is lost of a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DatabaseAccount {
    /// Its identifier.
    pub database: String,
    /// The time of the latest change that was brought over; null where nothing was.
    pub data_until: Option<Timestamp>,
    /// Changes of so many seconds before the outage are lost, at most; null where that is not known.
    pub lost_seconds: Option<u64>,
    /// Rows that are lost; null where that is not known, as after every loss of a region.
    pub lost_rows: Option<u64>,
    /// How that is known, or why it is not.
    pub why: String,
}

/// What is lost of a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BucketAccount {
    /// Its name, as the run has it.
    pub bucket: String,
    /// Objects that are lost; null where that is not known, as after every loss of a region.
    pub lost_objects: Option<u64>,
    /// How that is known, or why it is not.
    pub why: String,
}

/// What a region still had that was lost and came back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FoundLater {
    /// The failback that looked.
    pub run: RunId,
    /// When that failback was planned, which is when it looked.
    pub at: Timestamp,
    /// What it found.
    pub survey: Survey,
}

/// What somebody decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// When, by the clock of the machine that recorded it.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// What.
    pub what: String,
    /// Why, where that was said.
    pub why: Option<String>,
}

/// Whether the record that a run leaves is there, and says what its journal says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum RecordCheck {
    /// It is there, and its journal says the same.
    BornOut,
    /// It is there, and its journal does not say the same.
    NotBornOut {
        /// What is wrong.
        why: String,
    },
    /// It is missing, of a run that has written it.
    Missing,
    /// The run has not left one.
    NotLeft {
        /// What the run has not come to, or has left out.
        why: String,
    },
    /// It cannot be read.
    Unread {
        /// What S3 or the system says.
        why: String,
    },
}

impl RecordCheck {
    async fn of(store: &impl Store, state: &RunState) -> Self {
        match read_drill(store, &state.plan.run).await {
            Err(error) => Self::Unread {
                why: causes(&error),
            },
            Ok(Some(found)) => match found.record {
                Ok(_) => Self::BornOut,
                Err(why) => Self::NotBornOut { why },
            },
            Ok(None) => Self::absent(state),
        }
    }

    fn absent(state: &RunState) -> Self {
        let written = state.steps.get(&StepId::new(names::REPORT));
        let why = match (written.map(|step| step.status), &state.status) {
            (Some(StepStatus::Done), _) => return Self::Missing,
            (Some(StepStatus::Skipped), _) => "the step that writes it was left out",
            (_, RunStatus::Abandoned { .. }) => {
                "the run was given up, by a version that left none or where none could be written"
            }
            (_, RunStatus::Finished) => return Self::Missing,
            (_, RunStatus::Open | RunStatus::Stopped { .. }) => "the run is not over",
        };
        Self::NotLeft {
            why: why.to_owned(),
        }
    }
}

/// Where the records are from which all this was derived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecordsAccount {
    /// The folder or the prefix of the bucket with the journal.
    pub journal_place: String,
    /// Names its records: each has the digest of the one before, which was checked.
    pub journal: JournalSeal,
    /// Where the record of what was measured is, or would be.
    pub record_place: String,
    /// Whether it is there, and the journal bears it out.
    pub record: RecordCheck,
}

/// Dates and facts of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OfficersReport {
    /// The run.
    pub run: RunId,
    /// What it was for.
    pub mode: Mode,
    /// Project and environment.
    pub environment: String,
    /// Where it was made: in an account of AWS, or on an emulator.
    pub made_in: MadeIn,
    /// Whether it was a drill.
    pub purpose: Purpose,
    /// Where the environment runs, unless it is failed over.
    pub primary: Region,
    /// Where it is recovered.
    pub dr: Region,
    /// Where the run is.
    pub end: RunStatus,
    /// When its last record was written.
    pub last_record: Timestamp,
    /// Where things stand, of a move that was given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given_up: Option<Abandonment>,
    /// When this was written.
    pub written: Timestamp,
    /// For how long nobody could work with the environment.
    pub unavailable: Unavailability,
    /// What is lost, by database.
    pub databases: Vec<DatabaseAccount>,
    /// What is lost, by bucket.
    pub buckets: Vec<BucketAccount>,
    /// Whether rows and objects belong together, by database that was to be asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub consistency: Vec<DatabaseConsistency>,
    /// What is lost of Terraform's states; null where the run had none.
    pub states: Option<KindLoss>,
    /// What the lost region still had when it was back, as the last failback saw it; null where none has looked.
    pub found_later: Option<FoundLater>,
    /// Why it is not known whether one has looked.
    pub found_later_not_known: Option<String>,
    /// For how long the environment was in another country, by whose word; null where it was not.
    pub outside_country: Option<OutsideCountry>,
    /// Who decided what, in order.
    pub decisions: Vec<Decision>,
    /// Where the records are.
    pub records: RecordsAccount,
    /// SHA-256 of the other fields as JSON, with sorted keys and no white space.
    pub digest: Digest,
}

/// What is known of the failbacks from where a failover led.
type Failbacks = Result<Vec<RunState>, String>;

impl OfficersReport {
    /// What the records of a run say at `written`, by those of the failbacks that came of it, the newest first.
    pub(crate) fn of(
        state: &RunState,
        failbacks: &Failbacks,
        given_up: Option<Abandonment>,
        records: RecordsAccount,
        written: Timestamp,
    ) -> Self {
        let plan = &state.plan;
        let home = match failbacks {
            Ok(back) => Ok(back.iter().filter_map(cut_over).min()),
            Err(why) => Err(why.clone()),
        };
        let RunFacts {
            report,
            outside_country,
            ..
        } = RunFacts::of(state, written, home);
        let looked = |run: &RunState| {
            Some(FoundLater {
                run: run.plan.run.clone(),
                at: run.plan.planned,
                survey: run.plan.survey()?,
            })
        };
        let (found_later, not_known) = match (plan.mode, failbacks) {
            (Mode::Failback, _) => (looked(state), None),
            (_, Ok(back)) => (back.iter().find_map(looked), None),
            (_, Err(why)) => (None, Some(why.clone())),
        };
        let mut account = Self {
            run: plan.run.clone(),
            mode: plan.mode,
            environment: plan.environment.clone(),
            made_in: MadeIn::of(state),
            purpose: Purpose::of(state),
            primary: plan.primary,
            dr: plan.dr,
            end: state.status.clone(),
            last_record: state.updated,
            written,
            unavailable: unavailability(state, given_up.as_ref()),
            given_up,
            databases: databases(state, &report),
            buckets: buckets(state),
            consistency: report.consistency.clone(),
            states: report.kinds.get(&DataKind::States).cloned(),
            found_later,
            found_later_not_known: not_known,
            outside_country,
            decisions: decisions(state),
            records,
            digest: Digest::of(&[]),
        };
        account.digest = account.digested();
        account
    }

    /// Of all that it says but this.
    fn digested(&self) -> Digest {
        // Texts, numbers and times are always written.
        let mut value = serde_json::to_value(self).unwrap_or_default();
        if let Value::Object(fields) = &mut value {
            fields.remove("digest");
        }
        value.sort_all_objects();
        Digest::of(value.to_string().as_bytes())
    }

    /// Whether its records bear it out: a record that its journal contradicts is wrong, one that is missing or cannot be read
    /// leaves that unknown.
    pub fn verdict(&self) -> Status {
        match &self.records.record {
            RecordCheck::BornOut | RecordCheck::NotLeft { .. } => Status::Ok,
            RecordCheck::NotBornOut { .. } => Status::Wrong,
            RecordCheck::Missing | RecordCheck::Unread { .. } => Status::Unknown,
        }
    }
}

/// Dates and facts of a run, from its records and those of the failbacks that came of it.
///
/// # Errors
/// When there is no such run, a record of its journal was changed or is missing, or it cannot be read.
pub async fn read_officers_report(
    store: &impl Store,
    run: &RunId,
    written: Timestamp,
) -> Result<OfficersReport, OpenError> {
    let (records, tail) = journal::read(store, run).await?;
    let state = RunState::replay(&records).ok_or_else(|| OpenError::NoSuchRun {
        run: run.clone(),
        place: store.place("runs/"),
    })?;
    let back = match state.plan.mode {
        Mode::Failback | Mode::Undo | Mode::Commit => Ok(Vec::new()),
        Mode::RegionLoss | Mode::Planned => failbacks(store, &state)
            .await
            .map_err(|error| causes(&error)),
    };
    let records = RecordsAccount {
        journal_place: store.place(&journal::folder(run)),
        journal: JournalSeal::of(tail),
        record_place: store.place(&crate::steps::record_key(run)),
        record: RecordCheck::of(store, &state).await,
    };
    let given_up = Abandonment::of(store, &state).await;
    Ok(OfficersReport::of(
        &state, &back, given_up, records, written,
    ))
}

fn ended(state: &RunState, kind: &str) -> Option<Timestamp> {
    settled(state, &StepId::new(kind))
}

fn settled(state: &RunState, id: &StepId) -> Option<Timestamp> {
    let step = state.steps.get(id)?;
    step.ended.filter(|_| step.status == StepStatus::Done)
}

fn unavailability(state: &RunState, given_up: Option<&Abandonment>) -> Unavailability {
    let plan = &state.plan;
    let traffic = plan.step(&StepId::new(names::TRAFFIC)).is_some();
    let (from, until) = match plan.mode {
        Mode::RegionLoss => {
            let Some(fault) = plan.fault else {
                return Unavailability::Unknown {
                    why: "the records do not say when the region was lost".to_owned(),
                };
            };
            // Nobody finds what serves before traffic is turned to it.
            let verified = ended(state, names::VERIFY);
            let turned = match state.steps.get(&StepId::new(names::TRAFFIC)) {
                Some(step) if step.status == StepStatus::NotApplicable => verified,
                Some(_) => ended(state, names::TRAFFIC).max(verified),
                None => verified,
            };
            (fault, verified.and(turned).filter(|_| is_turned(state)))
        }
        Mode::Planned | Mode::Failback => {
            let drained = state.result(&StepId::new(back::DRAIN));
            let drained = drained.and_then(|drained| drained.get("at")?.as_str()?.parse().ok());
            let Some(drained) = drained else {
                let begun = state.steps.get(&StepId::new(back::DRAIN));
                return match begun {
                    Some(step) if step.attempts > 0 || step.status == StepStatus::Skipped => {
                        Unavailability::Unknown {
                            why: "the records do not say when writers were stopped".to_owned(),
                        }
                    }
                    _ => Unavailability::NotStopped,
                };
            };
            let until = match traffic {
                true => cut_over(state).and(ended(state, names::TRAFFIC)),
                false => cut_over(state),
            };
            (drained, until.or(given_up.and_then(Abandonment::writers)))
        }
        Mode::Commit => return Unavailability::NotStopped,
        Mode::Undo => {
            return Unavailability::Unknown {
                why: "the run that was put back has the time at which writers were stopped"
                    .to_owned(),
            };
        }
    };
    match until {
        Some(until) => Unavailability::Span {
            from,
            until,
            // Two clocks may differ: less than nothing is nothing.
            seconds: u64::try_from(until.duration_since(from).as_secs()).unwrap_or(0),
        },
        None => Unavailability::Since {
            from,
            why: match state.status {
                RunStatus::Abandoned { .. } => {
                    "the run was given up before the environment served again".to_owned()
                }
                RunStatus::Finished => {
                    "a step was left out that would have told when it served again".to_owned()
                }
                _ => "the run has not come so far".to_owned(),
            },
        },
    }
}

/// Whether users find what was brought up, as far as the run turns them to it.
fn is_turned(state: &RunState) -> bool {
    let step = state.steps.get(&StepId::new(names::TRAFFIC));
    step.is_none_or(|step| matches!(step.status, StepStatus::Done | StepStatus::NotApplicable))
}

fn databases(state: &RunState, report: &crate::RunReport) -> Vec<DatabaseAccount> {
    let steps = state.plan.steps.iter();
    let restores = steps.filter(|step| step.id.kind() == names::RESTORE);
    let restores = restores.filter_map(|step| Some((step, step.id.0.split_once('/')?.1)));
    let accounts = restores.map(|(step, database)| {
        let lost = report.databases.get(database);
        let restored = lost.filter(|lost| lost.is_restored);
        let seconds = restored.and_then(|lost| lost.rpo_seconds);
        let is_whole = state.plan.mode != Mode::RegionLoss && seconds == Some(0);
        let problem = step.inputs.get("problem").and_then(Value::as_str);
        let why = match (restored, seconds) {
            (None, _) => match problem {
                Some(problem) => format!("it was not brought over: {problem}"),
                None => "it was not brought over by this run".to_owned(),
            },
            _ if is_whole => {
                "writers stood still before its last snapshot was taken".to_owned()
            }
            (Some(_), Some(_)) => "what was written after the last change that came over is lost; which rows of which \
                                   tables that was is in no record"
                .to_owned(),
            (Some(_), None) => {
                "the time of the last change before the outage is not in the records, nor which rows of which tables \
                 are lost"
                    .to_owned()
            }
        };
        DatabaseAccount {
            database: database.to_owned(),
            data_until: restored.map(|lost| lost.data_time),
            lost_seconds: seconds,
            lost_rows: is_whole.then_some(0),
            why,
        }
    });
    accounts.collect()
}

fn buckets(state: &RunState) -> Vec<BucketAccount> {
    let is_moved = state.plan.mode != Mode::RegionLoss;
    let kind = match is_moved {
        true => back::LAST_OBJECTS,
        false => names::MANIFEST,
    };
    let steps = state.plan.steps.iter();
    let steps = steps.filter(|step| step.id.kind() == kind);
    let steps = steps.filter_map(|step| Some((step, step.id.0.split_once('/')?.1)));
    let accounts = steps.map(|(step, bucket)| {
        let status = state.steps.get(&step.id).map(|step| step.status);
        let is_whole = is_moved && status == Some(StepStatus::Done) && cut_over(state).is_some();
        let why = match (is_moved, is_whole) {
            (_, true) => {
                "it was made equal after writers stood still, and nothing was written since"
            }
            (true, false) => "it was not brought over to the end by this run",
            (false, _) => "which objects were not replicated yet only the lost region knows",
        };
        BucketAccount {
            bucket: bucket.to_owned(),
            lost_objects: is_whole.then_some(0),
            why: why.to_owned(),
        }
    });
    accounts.collect()
}

fn decisions(state: &RunState) -> Vec<Decision> {
    let plan = &state.plan;
    let (from, to) = plan.way();
    let what = match plan.mode {
        Mode::RegionLoss => {
            let lost: Vec<String> = plan.declared.lost.iter().map(ToString::to_string).collect();
            format!("declared {} lost", lost.join(", "))
        }
        Mode::Planned => format!("decided to move the environment from {from} to {to}"),
        Mode::Undo => "decided to put back what a planned failover had changed".to_owned(),
        Mode::Commit => format!("decided that the environment stays in {to}, for good"),
        Mode::Failback => format!("decided to bring the environment back from {from} to {to}"),
    };
    let evidence: Vec<String> = plan
        .declared
        .evidence
        .iter()
        .map(ToString::to_string)
        .collect();
    let (by, why) = match &plan.declared.declaration {
        Some(word) => (word.by.clone(), word.reason.clone()),
        None => (plan.operator.clone(), evidence.join("; ")),
    };
    let mut decisions = vec![Decision {
        at: plan.declared.declared,
        by,
        what,
        why: Some(why).filter(|why| !why.is_empty()),
    }];
    if let Some(reason) = &plan.residency.despite {
        decisions.push(Decision {
            at: plan.planned,
            by: plan.operator.clone(),
            what: "went on although an exception from the residency policy had run out".to_owned(),
            why: Some(reason.clone()),
        });
    }
    for (id, step) in &state.steps {
        decisions.extend(step.approvals.iter().map(|given| Decision {
            at: given.at,
            by: given.by.clone(),
            what: match &given.question {
                Some(question) => format!("agreed to {id}: {question}"),
                None => format!("agreed to {id}; the question is not on record"),
            },
            why: given.reason.clone(),
        }));
        if let (Some(Outcome::Skipped { reason, by }), Some(at)) = (&step.outcome, step.ended) {
            decisions.push(Decision {
                at,
                by: by.clone(),
                what: format!("left {id} out"),
                why: Some(reason.clone()),
            });
        }
    }
    if let RunStatus::Abandoned { by, reason } = &state.status {
        decisions.push(Decision {
            at: state.updated,
            by: by.clone(),
            what: "gave the run up".to_owned(),
            why: Some(reason.clone()),
        });
    }
    decisions.sort_by_key(|decision| decision.at);
    decisions
}
