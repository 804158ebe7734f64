//! The plan of a failback: the primary region serves again and takes the environment back. Everything that could be chosen
//! otherwise later is chosen here, and what the primary region did since it came back is looked at before anything is done.

mod decisions;
mod survey;

use std::collections::BTreeMap;

use aws_env::Both;
use dr::database::{RdsClients, RunName, last_snapshot_id};
use dr::objects::{BucketPair, KeptManifest, ManifestSummary, Pairing, RunId as ObjectsRunId};
use futures::FutureExt as _;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use settings::{Database, Settings};

pub(crate) use self::decisions::{CONFLICTS, undecided_object};
pub use self::decisions::{Decisions, DecisionsError, keep_decisions, read_decisions};
pub use self::survey::{BucketSurvey, DatabaseSurvey, StateSurvey, Survey};

use crate::failover::{Impossible, names as failover_names, secret_steps};
use crate::plan::{Goals, Mode, Plan, PlannedStep, ResidencyNotes, RunId, StepId};
use crate::planned::{Planner, impossible, or_problem, proof, unknown};
use crate::record::Digest;
use crate::steps::consistency::{ConsistencyPlace, Receives};
use crate::steps::hook::HookInputs;
use crate::steps::secrets::SecretInputs;
use crate::{Declared, Host, ObjectRuns, RunState};

/// The names of the steps.
pub(crate) mod names {
    pub(crate) use crate::failover::names::{
        BACKEND, CONSISTENCY, HOOK, MANIFEST, REPORT, RESTORE, SECRET, STATE, TERRAFORM, TRAFFIC,
        VERIFY,
    };

    pub(crate) const PRIMARY: &str = "primary";
    pub(crate) const REGIONS: &str = "regions";
    pub(crate) const STATE_PARITY: &str = "state-parity";
    pub(crate) const START: &str = "start";
    pub(crate) const UNFENCE: &str = "unfence";
    pub(crate) const WRITERS: &str = "writers";
    pub(crate) const OBJECTS: &str = "objects";
    pub(crate) const DRAIN: &str = "drain";
    pub(crate) const SNAPSHOT: &str = "snapshot";
    pub(crate) const COPY: &str = "copy";
    pub(crate) const LAST_OBJECTS: &str = "last-objects";
    pub(crate) const RETIRE: &str = "retire";
    pub(crate) const FORGET: &str = "forget";
    pub(crate) const CUT_OVER: &str = "cut-over";
    pub(crate) const BACKUPS: &str = "backups";
    pub(crate) const STATE_REPLICATION: &str = "state-replication";
    pub(crate) const RELEASE: &str = "release";
    pub(crate) const RETIRE_DR: &str = "retire-dr";
    pub(crate) const SECRET_REPLICA: &str = "secret-replica";
    pub(crate) const BACKEND_DR: &str = "backend-dr";
    pub(crate) const PILOT_LIGHT: &str = "pilot-light";
}

/// What a failback is planned from.
#[derive(Debug)]
pub struct FailbackRequest<'a> {
    /// The environment that is to be brought back.
    pub settings: &'a Settings,
    /// Of the settings' file: a run goes on by those that it was planned with.
    pub settings_digest: Digest,
    /// The account of the credentials, as STS of the DR region says.
    pub account: Option<String>,
    /// That the primary region serves, and how that is known.
    pub declared: Declared,
    /// The run that failed the environment over.
    pub failover: &'a RunState,
    /// Where object runs keep what belongs to them.
    pub objects: &'a ObjectRuns,
    /// What was decided beforehand about objects and states that both regions have written.
    pub decisions: &'a Decisions,
    /// Versions of this software and of what it will run.
    pub versions: BTreeMap<String, String>,
}

/// A bucket that goes back, and what the failover wrote down of its copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ObjectsInputs {
    pub(crate) pair: BucketPair,
    pub(crate) manifest: ManifestSummary,
    /// The run that has written it down.
    pub(crate) failover: ObjectsRunId,
}

/// An instance by what no later one of the same name has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KnownInstance {
    pub(crate) id: String,
    pub(crate) arn: String,
    pub(crate) resource_id: String,
    /// The snapshot that it leaves behind.
    pub(crate) last_snapshot: String,
}

/// What a failover kept, for the step that lets it go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pinned {
    pub(crate) failover: RunName,
    pub(crate) arns: Vec<String>,
}

/// What the cut-over is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CutOverInputs {
    /// The run whose fence goes.
    pub(crate) failover: ObjectsRunId,
    pub(crate) buckets: Vec<ObjectsInputs>,
    /// What proves that nobody writes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) proof: Option<HookInputs>,
}

/// What the failover wrote down of a bucket's copy.
fn manifest(failover: &RunState, pair: &BucketPair) -> Result<ObjectsInputs, Impossible> {
    let step = StepId::of(failover_names::MANIFEST, pair.dr.name.as_ref());
    let kept = failover.result(&step).map(KeptManifest::deserialize);
    let Some(Ok(kept)) = kept else {
        return Err(Impossible {
            problem: format!(
                "run {} has written down nothing of {}: what was deleted since and what never came over look the same",
                failover.plan.run, pair.dr.name
            ),
            hint: Some(
                "`dr-replicate reconcile` takes a manifest that somebody kept; leave the step out then, with --skip"
                    .to_owned(),
            ),
            is_unknown: false,
        });
    };
    Ok(ObjectsInputs {
        pair: pair.clone(),
        manifest: kept.summary,
        failover: failover.plan.run.as_str().parse().map_err(impossible)?,
    })
}

/// Plans a failback. Looks at both regions and changes nothing. What cannot be done is a step that says so when it is
/// taken.
pub async fn plan_failback(request: FailbackRequest<'_>, both: &Both, host: &impl Host) -> Plan {
    let settings = request.settings;
    let planned = host.now();
    let pairing = Pairing::from(settings);
    let run = RunId::new(host);
    let mut planner = Planner::new(run.clone());
    let one = |name: &str| StepId::new(name);
    let buckets = pairing.pairs().iter();
    let buckets: Vec<_> = buckets
        .map(|pair| (pair, manifest(request.failover, pair)))
        .collect();
    let survey = survey::survey(&request, both, &buckets, planned);
    let survey = survey.boxed_local().await;
    planner.add(
        &one(names::PRIMARY),
        "Look whether the primary region serves, and what it did since it came back",
        &[],
        json!(survey),
    );
    let mut brought = vec![one(names::PRIMARY)];
    for (pair, inputs) in &buckets {
        let id = StepId::of(names::OBJECTS, pair.primary.name.as_ref());
        let title = format!(
            "Bring what was written in {} back to {}",
            pair.dr.name, pair.primary.name
        );
        brought.push(id.clone());
        planner.add(
            &id,
            &title,
            &[one(names::PRIMARY)],
            or_problem(inputs.clone()),
        );
    }
    planner.drain(settings, settings.regions.dr, &brought);
    let restored = plan_databases(&mut planner, settings, both);
    let restored = restored.boxed_local().await;
    let mut before_verify = restored.clone();
    let mut before_terraform = restored;
    for (pair, inputs) in &buckets {
        let id = StepId::of(names::LAST_OBJECTS, pair.primary.name.as_ref());
        let title = format!("Bring the last objects of {} back", pair.dr.name);
        before_terraform.push(id.clone());
        planner.add(
            &id,
            &title,
            &[one(names::DRAIN)],
            or_problem(inputs.clone()),
        );
    }
    planner.add(
        &one(names::STATE),
        "Bring every Terraform state back to the primary region",
        &[one(names::DRAIN)],
        Value::Null,
    );
    let failover = request.failover.plan.run.as_str();
    let failover: Result<ObjectsRunId, Impossible> = failover.parse().map_err(impossible);
    planner.add(
        &one(names::STATE_REPLICATION),
        "Let the states be replicated to the DR region again",
        &[one(names::STATE)],
        or_problem(failover.clone()),
    );
    planner.add(
        &one(names::BACKEND),
        "Turn the primary environment's root module to the primary region's state",
        &[one(names::STATE_REPLICATION)],
        Value::Null,
    );
    before_terraform.push(one(names::BACKEND));
    for database in &settings.databases {
        let of = |kind: &str| StepId::of(kind, database.id.as_ref());
        let retired = planner
            .steps
            .iter()
            .find(|step| step.id == of(names::RETIRE));
        let retired = retired.map_or(Value::Null, |step| step.inputs.clone());
        let title = format!("Take {} of before out of Terraform's state", database.id);
        let after = [of(names::RETIRE), one(names::BACKEND)];
        before_terraform.push(of(names::FORGET));
        planner.add(&of(names::FORGET), &title, &after, retired);
    }
    planner.add(
        &one(names::TERRAFORM),
        "Bring the primary environment up with Terraform",
        &before_terraform,
        Value::Null,
    );
    before_verify.push(one(names::TERRAFORM));
    let place = ConsistencyPlace {
        pairing: &pairing,
        receives: Receives::Primary,
        is_earlier: false,
        brought_up: &[one(names::TERRAFORM)],
        listed: (names::LAST_OBJECTS, Receives::Primary),
    };
    before_verify.extend(planner.consistency(settings, &place));
    planner.add(
        &one(names::VERIFY),
        "Verify that what was brought up serves",
        &before_verify,
        Value::Null,
    );
    let cut_over = failover.map(|failover| CutOverInputs {
        failover,
        buckets: buckets
            .iter()
            .filter_map(|(_, inputs)| inputs.clone().ok())
            .collect(),
        proof: proof(settings),
    });
    planner.add(
        &one(names::CUT_OVER),
        "Cut over to the primary region",
        &[one(names::VERIFY)],
        or_problem(cut_over),
    );
    planner.gate("there is no way back from here but another failover");
    let rest = plan_rest(&mut planner, &request, both);
    rest.boxed_local().await;
    let steps = planner.steps;
    Plan {
        run,
        mode: Mode::Failback,
        environment: settings.name(),
        drill: None,
        undoes: None,
        account: request.account,
        primary: settings.regions.primary,
        dr: settings.regions.dr,
        declared: request.declared,
        residency: ResidencyNotes::homewards(settings, planned)
            .since(request.failover.plan.declared.declared),
        fault: None,
        planned,
        operator: host.holder().operator.clone(),
        settings: request.settings_digest,
        versions: request.versions,
        objectives: Goals::from(settings.objectives),
        steps,
    }
}

/// What AWS did not say when a failback was planned. A plan is fixed: with that in it a step could never be taken, and there is
/// time to ask again.
pub fn not_known(plan: &Plan) -> Vec<String> {
    let steps = plan.steps.iter();
    let unknown = steps.filter_map(|step| {
        let impossible = Impossible::deserialize(&step.inputs).ok()?;
        let is_unknown = impossible.is_unknown;
        is_unknown.then(|| format!("{}: {}", step.id, impossible.problem))
    });
    unknown.collect()
}

/// The way of each database. Returns the steps at whose end they serve.
async fn plan_databases(planner: &mut Planner, settings: &Settings, both: &Both) -> Vec<StepId> {
    let (primary, dr) = (RdsClients::new(&both.primary), RdsClients::new(&both.dr));
    let mut restored = Vec::new();
    for database in &settings.databases {
        let of = |kind: &str| StepId::of(kind, database.id.as_ref());
        let to = settings.regions.primary;
        let snapshot = match way_back(database) {
            Ok(way) => planner.snapshot_of(settings, &way, &dr).await,
            Err(impossible) => Err(impossible),
        };
        planner.last_snapshot(database, database.dr_id.as_ref(), snapshot, to);
        let left = left_instance(planner, database, &primary).await;
        let title = format!("Make room for {}: what the outage left goes", database.id);
        planner.add(
            &of(names::RETIRE),
            &title,
            &[of(names::COPY)],
            or_problem(left),
        );
        let title = format!("Restore {} in {}", database.id, settings.regions.primary);
        planner.add(
            &of(names::RESTORE),
            &title,
            &[of(names::RETIRE)],
            json!({"database": database.id}),
        );
        restored.push(of(names::RESTORE));
        let secrets = secret_steps(database, database.id.as_ref(), &of(names::RESTORE));
        restored.extend(secrets.iter().map(|secret| secret.id.clone()));
        planner.steps.extend(secrets);
    }
    restored
}

/// A database as it goes back.
fn way_back(database: &Database) -> Result<Database, Impossible> {
    let turned = database.turned().filter(|turned| turned.restore.is_some());
    turned.ok_or_else(|| Impossible {
        problem: format!(
            "the settings do not say what {} gets in the primary region",
            database.id
        ),
        hint: Some("set [databases.failback.restore]".to_owned()),
        is_unknown: false,
    })
}

/// The instance that has the database's name in the primary region, which was lost with it.
async fn left_instance(
    planner: &Planner,
    database: &Database,
    primary: &RdsClients,
) -> Result<Option<KnownInstance>, Impossible> {
    let there = primary.instance(database.id.as_ref()).await;
    let Some(there) = there.map_err(|error| unknown(&error))? else {
        return Ok(None);
    };
    let resource_id = there
        .resource_id
        .ok_or_else(|| impossible(format!("RDS shows no resource ID of {}", database.id)))?;
    Ok(Some(KnownInstance {
        id: there.id,
        arn: there.arn,
        resource_id,
        last_snapshot: last_snapshot_id(database.id.as_ref(), &planner.name()?),
    }))
}

/// What a failover has marked, so that it is kept.
pub(crate) fn pinned(failover: &RunState) -> Result<Pinned, Impossible> {
    let pinned = failover.plan.step(&StepId::new(failover_names::PIN));
    let arns = pinned.and_then(|step| Vec::deserialize(&step.inputs).ok());
    Ok(Pinned {
        failover: failover.plan.run.as_str().parse().map_err(impossible)?,
        arns: arns.unwrap_or_default(),
    })
}

/// What comes after the cut-over: the primary region has copies in the DR region again, and the DR region is the pilot light.
async fn plan_rest(planner: &mut Planner, request: &FailbackRequest<'_>, both: &Both) {
    let settings = request.settings;
    let dr = RdsClients::new(&both.dr);
    let one = |name: &str| StepId::new(name);
    let cut_over = [one(names::CUT_OVER)];
    let mut last = Vec::new();
    for database in &settings.databases {
        let of = |kind: &str| StepId::of(kind, database.id.as_ref());
        let was_replicated = match dr.backups().await {
            Ok(backups) => Ok(backups.iter().any(|backup| {
                backup.database == database.id.as_str()
                    && backup.source_region == settings.regions.primary.as_str()
            })),
            Err(error) => Err(unknown(&error)),
        };
        let title = format!(
            "Replicate the backups of {} to {}",
            database.id, settings.regions.dr
        );
        planner.add(
            &of(names::BACKUPS),
            &title,
            &cut_over,
            or_problem(was_replicated),
        );
        let snapshot = planner.name().map(|run| {
            let last = last_snapshot_id(database.dr_id.as_ref(), &run);
            format!("{last}-stopped")
        });
        let title = format!("Give up {}, with a snapshot", database.dr_id);
        planner.add(
            &of(names::RETIRE_DR),
            &title,
            &[of(names::BACKUPS)],
            or_problem(snapshot),
        );
        last.push(of(names::RETIRE_DR));
        for secret in &database.secrets {
            let id = StepId::of(names::SECRET_REPLICA, secret.name.as_str());
            let title = format!(
                "Replicate the secret {} to {} again",
                secret.name, settings.regions.dr
            );
            let inputs = json!(SecretInputs {
                secret: secret.clone(),
                instance: database.id.to_string(),
            });
            planner.add(&id, &title, &cut_over, inputs);
            last.push(id);
        }
    }
    planner.add(
        &one(names::RELEASE),
        "Let copies be deleted again",
        &cut_over,
        or_problem(pinned(request.failover)),
    );
    planner.add(
        &one(names::BACKEND_DR),
        "Turn the DR environment's root module to the primary region's state",
        &cut_over,
        Value::Null,
    );
    last.push(one(names::BACKEND_DR));
    planner.add(
        &one(names::PILOT_LIGHT),
        "Bring the DR environment back to the pilot light with Terraform",
        &last,
        Value::Null,
    );
    planner.add(
        &one(names::REPORT),
        "Report what was lost, and how long writers stood still",
        &[one(names::PILOT_LIGHT), one(names::RELEASE)],
        Value::Null,
    );
}

/// What is left to be done by a person where a failback is given up.
pub fn leftovers(run: &RunState, is_back: bool) -> Vec<String> {
    let plan = &run.plan;
    let has_begun = |step: &PlannedStep| {
        run.steps
            .get(&step.id)
            .is_some_and(|step| step.attempts > 0)
    };
    let mut left = Vec::new();
    if is_back {
        let ended = |step: &&PlannedStep| run.result(&step.id).is_none();
        let after = plan
            .steps
            .iter()
            .skip_while(|step| step.id.kind() != names::CUT_OVER);
        for step in after.skip(1).filter(ended) {
            left.push(format!("not done: {} ({})", step.title, step.id));
        }
        return left;
    }
    for step in plan.steps.iter().filter(|step| has_begun(step)) {
        let thing = step.id.0.split_once('/').map_or("", |(_, thing)| thing);
        match step.id.kind() {
            names::DRAIN => left.push("start what writes in the DR region again".to_owned()),
            names::SNAPSHOT => left.push(format!("the last snapshot of {thing} in {}", plan.dr)),
            names::COPY => left.push(format!("its copy in {}", plan.primary)),
            names::RETIRE => left.push(format!(
                "{thing} of before the outage is gone from {}; its last snapshot is there",
                plan.primary
            )),
            names::RESTORE => left.push(format!(
                "the instance {thing} in {}, which nobody uses; the next failback wants the name",
                plan.primary
            )),
            names::BACKEND => left.push(format!(
                "the primary environment's root module works with the state in {}",
                plan.primary
            )),
            names::SECRET => left.push(format!(
                "the secret {thing} in {} says where the instance there is",
                plan.primary
            )),
            names::CUT_OVER => left.push(format!(
                "the databases in {} may be stopped (`aws rds start-db-instance` starts one) and without deletion protection, \
                 and replication may be let in again: look at the policies of the DR buckets",
                plan.dr
            )),
            _ => {}
        }
    }
    left
}

/// When the data of something were written last, as a step left it.
pub(crate) fn data_time(result: Option<&Value>) -> Option<Timestamp> {
    result?.get("data_time")?.as_str()?.parse().ok()
}
