//! The plan of a planned failover: both regions serve, and the environment goes to its DR region without losing anything. Up to
//! the cut-over nothing is changed that cannot be taken back, and [`plan_undo`] plans that.

use std::collections::BTreeMap;

use aws_env::Both;
use dr::database::{RdsClients, Whose, last_snapshot_id};
use dr::objects::{BucketPair, Pairing, RunId as ObjectsRunId};
use futures::FutureExt as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use settings::{Database, HookPoint, Settings};

use crate::failback::names;
use crate::failover::{Impossible, secret_steps};
use crate::plan::{Goals, Mode, Plan, ResidencyNotes, RunId, StepId};
use crate::planned::{Planner, SourceInstance, impossible, or_problem, proof, unknown};
use crate::record::Digest;
use crate::steps::consistency::{ConsistencyPlace, Receives};
use crate::steps::hook::HookInputs;
use crate::steps::secrets::SecretInputs;
use crate::{Declared, Host, RunState};

/// What a switchover is planned from.
#[derive(Debug)]
pub struct SwitchoverRequest<'a> {
    /// The environment that is to be moved.
    pub settings: &'a Settings,
    /// Of the settings' file: a run goes on by those that it was planned with.
    pub settings_digest: Digest,
    /// The account of the credentials, as STS of the DR region says.
    pub account: Option<String>,
    /// That both regions serve, and how that is known.
    pub declared: Declared,
    /// What a preflight has found that is not as it should be, or not known, in words.
    pub not_ready: Vec<String>,
    /// Why it goes on although an exception from the residency policy has run out.
    pub despite_residency: Option<String>,
    /// Versions of this software and of what it will run.
    pub versions: BTreeMap<String, String>,
}

/// What is looked at before anything is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReadyInputs {
    pub(crate) not_ready: Vec<String>,
}

/// What the cut-over is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SwitchInputs {
    pub(crate) buckets: Vec<BucketPair>,
    /// What is stopped.
    pub(crate) instances: Vec<SourceInstance>,
    /// What proves that nobody writes.
    pub(crate) proof: Option<HookInputs>,
}

/// Plans a switchover. Looks at both regions and changes nothing. What cannot be done is a step that says so when it is taken.
pub async fn plan_switchover(
    request: SwitchoverRequest<'_>,
    both: &Both,
    host: &impl Host,
) -> Plan {
    let settings = request.settings;
    let (primary, dr) = (settings.regions.primary, settings.regions.dr);
    let pairing = Pairing::from(settings);
    let mut planner = Planner::new(RunId::new(host));
    let one = |name: &str| StepId::new(name);
    let ready = ReadyInputs {
        not_ready: request.not_ready,
    };
    let title = "Look whether both regions serve, and what the preflight has found";
    planner.add(&one(names::REGIONS), title, &[], json!(ready));
    let mut copied = vec![one(names::REGIONS)];
    for pair in pairing.pairs() {
        let id = StepId::of(names::OBJECTS, pair.primary.name.as_ref());
        let title = format!("Copy what {} lacks of {}", pair.dr.name, pair.primary.name);
        planner.add(&id, &title, &[one(names::REGIONS)], json!(pair));
        copied.push(id);
    }
    planner.drain(settings, primary, &copied);
    let restored = plan_databases(&mut planner, settings, both);
    let mut before_terraform = restored.boxed_local().await;
    let mut before_verify = before_terraform.clone();
    let restored = before_terraform.clone();
    let command = planner.hook(settings, HookPoint::AfterRestore, &restored);
    before_terraform.extend(command);
    for pair in pairing.pairs() {
        let id = StepId::of(names::LAST_OBJECTS, pair.primary.name.as_ref());
        let title = format!("Make {} equal to {}", pair.dr.name, pair.primary.name);
        planner.add(&id, &title, &[one(names::DRAIN)], json!(pair));
        before_terraform.push(id);
    }
    before_terraform.push(one(names::DRAIN));
    let title = "Bring the DR environment up with Terraform";
    planner.add(
        &one(names::TERRAFORM),
        title,
        &before_terraform,
        Value::Null,
    );
    before_verify.push(one(names::TERRAFORM));
    let after = [one(names::TERRAFORM)];
    before_verify.extend(planner.hook(settings, HookPoint::AfterTerraform, &after));
    let brought_up: Vec<_> = before_verify
        .iter()
        .filter(|step| [names::TERRAFORM, names::HOOK].contains(&step.kind()))
        .cloned()
        .collect();
    let place = ConsistencyPlace {
        pairing: &pairing,
        receives: Receives::Dr,
        is_earlier: false,
        brought_up: &brought_up,
        listed: (names::LAST_OBJECTS, Receives::Primary),
    };
    before_verify.extend(planner.consistency(settings, &place));
    let title = "Wait until every Terraform state is the same in both regions";
    planner.add(
        &one(names::STATE_PARITY),
        title,
        &before_verify,
        Value::Null,
    );
    let title = "Verify that what was brought up serves";
    planner.add(&one(names::VERIFY), title, &before_verify, Value::Null);
    let instances = instances(settings, &RdsClients::new(&both.primary)).await;
    let cut_over = instances.map(|instances| SwitchInputs {
        buckets: pairing.pairs().to_vec(),
        instances,
        proof: proof(settings),
    });
    let after = [one(names::VERIFY), one(names::STATE_PARITY)];
    let title = format!("Cut over to {dr}");
    planner.add(&one(names::CUT_OVER), &title, &after, or_problem(cut_over));
    planner.gate("there is no way back from here but a failback");
    plan_rest(&mut planner, settings, &pairing);
    let Planner { run, steps } = planner;
    Plan {
        run,
        mode: Mode::Planned,
        environment: settings.name(),
        drill: None,
        undoes: None,
        account: request.account,
        primary,
        dr,
        declared: request.declared,
        residency: ResidencyNotes::new(settings, request.despite_residency),
        fault: None,
        planned: host.now(),
        operator: host.holder().operator.clone(),
        settings: request.settings_digest,
        versions: request.versions,
        objectives: Goals::from(settings.objectives),
        steps,
    }
}

/// What cannot be done, as it was seen when a switchover was planned, but for steps that are left out: it is mended while everybody
/// can write, and not found out when nobody does.
pub fn not_possible(plan: &Plan, left_out: &[String]) -> Vec<String> {
    let steps = plan.steps.iter();
    let steps = steps.filter(|step| !left_out.contains(&step.id.0));
    let problems = steps.filter_map(|step| {
        let impossible = Impossible::deserialize(&step.inputs).ok()?;
        Some(format!("{}: {}", step.id, impossible.problem))
    });
    problems.collect()
}

/// The way of each database. Returns the steps at whose end they serve.
async fn plan_databases(planner: &mut Planner, settings: &Settings, both: &Both) -> Vec<StepId> {
    let (source, target) = (RdsClients::new(&both.primary), RdsClients::new(&both.dr));
    let mut restored = Vec::new();
    for database in &settings.databases {
        let of = |kind: &str| StepId::of(kind, database.id.as_ref());
        let snapshot = match has_room(database, &target).await {
            Ok(()) => planner.snapshot_of(settings, database, &source).await,
            Err(impossible) => Err(impossible),
        };
        planner.last_snapshot(database, database.id.as_ref(), snapshot, target.region());
        let title = format!("Restore {} as {}", database.id, database.dr_id);
        let inputs = json!({"database": database.id});
        planner.add(&of(names::RESTORE), &title, &[of(names::COPY)], inputs);
        restored.push(of(names::RESTORE));
        // What Terraform starts reads them when it begins.
        let secrets = secret_steps(database, database.dr_id.as_ref(), &of(names::RESTORE));
        restored.extend(secrets.iter().map(|secret| secret.id.clone()));
        planner.steps.extend(secrets);
    }
    restored
}

/// That nothing has the name that the restored instance wants: found out before writers stand still, and not after.
async fn has_room(database: &Database, target: &RdsClients) -> Result<(), Impossible> {
    if database.restore.is_none() {
        return Err(Impossible {
            hint: Some("set [databases.restore]".to_owned()),
            ..impossible(format!(
                "the settings do not say what {} gets in the DR region",
                database.id
            ))
        });
    }
    let there = target.instance(database.dr_id.as_ref()).await;
    match there.map_err(|error| unknown(&error))? {
        None => Ok(()),
        Some(there) => Err(Impossible {
            hint: Some("look what it is, and give it up or rename it first".to_owned()),
            ..impossible(format!(
                "{} has an instance {} already, which is {}",
                target.region(),
                there.id,
                there.status
            ))
        }),
    }
}

/// What is stopped at the cut-over, by what no later instance of the same name has.
async fn instances(
    settings: &Settings,
    source: &RdsClients,
) -> Result<Vec<SourceInstance>, Impossible> {
    let mut instances = Vec::new();
    for database in &settings.databases {
        let there = source.instance(database.id.as_ref()).await;
        let there = there.map_err(|error| unknown(&error))?;
        let resource_id = there
            .as_ref()
            .and_then(|there| Some((there.arn.clone(), there.resource_id.clone()?)));
        let (arn, resource_id) = resource_id.ok_or_else(|| {
            impossible(format!(
                "{} has no instance {}",
                source.region(),
                database.id
            ))
        })?;
        instances.push(SourceInstance {
            database: database.id.to_string(),
            instance: database.id.to_string(),
            whose: Whose::Known { arn, resource_id },
        });
    }
    Ok(instances)
}

/// What comes after the cut-over: as after the loss of the primary region, and without one call to it.
fn plan_rest(planner: &mut Planner, settings: &Settings, pairing: &Pairing) {
    let one = |name: &str| StepId::new(name);
    let cut_over = one(names::CUT_OVER);
    let after = std::slice::from_ref(&cut_over);
    let title = "Make every Terraform state ready in the DR region";
    planner.add(&one(names::STATE), title, after, Value::Null);
    let title = "Turn the DR environment's root module to the DR region's state";
    planner.add(
        &one(names::BACKEND),
        title,
        &[one(names::STATE)],
        Value::Null,
    );
    let mut before_traffic = vec![cut_over.clone()];
    for pair in pairing.pairs() {
        let id = StepId::of(names::MANIFEST, pair.dr.name.as_ref());
        let title = format!("Write down what {} holds, for the failback", pair.dr.name);
        planner.add(&id, &title, after, json!(pair.dr));
        before_traffic.push(id);
    }
    let command = planner.hook(settings, HookPoint::BeforeTraffic, &before_traffic);
    before_traffic.extend(command);
    let title = "Turn traffic to the DR region";
    planner.add(&one(names::TRAFFIC), title, &before_traffic, Value::Null);
    let mut last = vec![one(names::TRAFFIC), one(names::BACKEND)];
    last.extend(planner.hook(settings, HookPoint::AfterTraffic, &[one(names::TRAFFIC)]));
    let title = "Report what was lost, and how long writers stood still";
    planner.add(&one(names::REPORT), title, &last, Value::Null);
}

/// What the undoing of a switchover is planned from.
#[derive(Debug)]
pub struct UndoRequest<'a> {
    /// The environment that stays in its primary region.
    pub settings: &'a Settings,
    /// Of the settings' file: a run goes on by those that it was planned with.
    pub settings_digest: Digest,
    /// The account of the credentials, as STS of the DR region says.
    pub account: Option<String>,
    /// That the primary region serves, and how that is known.
    pub declared: Declared,
    /// The switchover that was given up before its cut-over.
    pub switchover: &'a RunState,
    /// Versions of this software and of what it will run.
    pub versions: BTreeMap<String, String>,
}

/// Plans to put back what a switchover has changed that was given up: first that writers can go on in the primary region, then
/// what it has made in the DR region. `None` where it has changed nothing.
pub fn plan_undo(request: UndoRequest<'_>, host: &impl Host) -> Option<Plan> {
    let settings = request.settings;
    let switchover = request.switchover;
    let mut planner = Planner::new(RunId::new(host));
    let has_begun = |id: &StepId| {
        let step = switchover.steps.get(id);
        step.is_some_and(|step| step.attempts > 0)
    };
    let one = |name: &str| StepId::new(name);
    let mut before_writers = Vec::new();
    if has_begun(&one(names::CUT_OVER)) {
        before_writers = plan_cut_over_undo(&mut planner, switchover);
    }
    let stop = StepId::of(names::HOOK, HookPoint::StopWriters.name());
    let mut after = before_writers;
    if has_begun(&one(names::DRAIN)) || has_begun(&stop) {
        let started = planner.hook(settings, HookPoint::StartWriters, &after);
        let told = started.unwrap_or_else(|| {
            let title = format!("Tell what writes in {} to go on", switchover.plan.primary);
            planner.add(&one(names::WRITERS), &title, &after, Value::Null);
            one(names::WRITERS)
        });
        after = vec![told];
    }
    let writers = after.clone();
    for database in &settings.databases {
        let of = |kind: &str| StepId::of(kind, database.id.as_ref());
        for secret in &database.secrets {
            let name = secret.name.as_str();
            if has_begun(&StepId::of(names::SECRET, name)) {
                let id = StepId::of(names::SECRET_REPLICA, name);
                let title = format!(
                    "Replicate the secret {name} to {} again",
                    settings.regions.dr
                );
                let inputs = json!(SecretInputs {
                    secret: secret.clone(),
                    instance: database.id.to_string(),
                });
                planner.add(&id, &title, &writers, inputs);
                after.push(id);
            }
        }
        if !has_begun(&of(names::RESTORE)) {
            continue;
        }
        let snapshot = planner.name().map(|run| {
            let last = last_snapshot_id(database.dr_id.as_ref(), &run);
            format!("{last}-unused")
        });
        let title = format!("Give up {}, with a snapshot", database.dr_id);
        planner.add(
            &of(names::RETIRE_DR),
            &title,
            &writers,
            or_problem(snapshot),
        );
        after.push(of(names::RETIRE_DR));
    }
    if has_begun(&one(names::TERRAFORM)) {
        let title = "Bring the DR environment back to the pilot light with Terraform";
        planner.add(&one(names::PILOT_LIGHT), title, &after, Value::Null);
    }
    let Planner { run, steps } = planner;
    (!steps.is_empty()).then(|| Plan {
        run,
        mode: Mode::Undo,
        environment: switchover.plan.environment.clone(),
        drill: None,
        undoes: Some(switchover.plan.run.clone()),
        account: request.account,
        primary: switchover.plan.primary,
        dr: switchover.plan.dr,
        declared: request.declared,
        residency: ResidencyNotes::homewards(settings, host.now()),
        fault: None,
        planned: host.now(),
        operator: host.holder().operator.clone(),
        settings: request.settings_digest,
        versions: request.versions,
        objectives: Goals::from(settings.objectives),
        steps,
    })
}

/// A cut-over that was begun may have stopped databases and fenced buckets.
fn plan_cut_over_undo(planner: &mut Planner, switchover: &RunState) -> Vec<StepId> {
    let cut_over = switchover.plan.step(&StepId::new(names::CUT_OVER));
    let inputs = cut_over.and_then(|step| SwitchInputs::deserialize(&step.inputs).ok());
    let instances = inputs.map_or_else(Vec::new, |inputs| inputs.instances);
    let mut begun = Vec::new();
    for instance in instances {
        let id = StepId::of(names::START, &instance.database);
        let title = format!("Start {} again", instance.instance);
        planner.add(&id, &title, &[], json!(instance));
        begun.push(id);
    }
    let run: Result<ObjectsRunId, Impossible> =
        switchover.plan.run.as_str().parse().map_err(impossible);
    let id = StepId::new(names::UNFENCE);
    let title = "Let replicas into the DR buckets again";
    planner.add(&id, title, &[], or_problem(run));
    begun.push(id);
    begun
}
