//! The plan of a failover after the loss of a region. Everything that could be chosen otherwise later is chosen here.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_env::DrOnly;
use dr::database::{
    AsOf, At, Kind, RdsClients, RecoveryPoint, RestorePlan, RestoreRequest, check_restore_target,
    plan_restore, recovery_points,
};
use dr::objects::{PairedBucket, Pairing};
use jiff::Timestamp;
use report::finding::{Finding, Status};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use settings::{Database, HookPoint, Settings};

use crate::lease::causes;
use crate::plan::{Goals, Mode, Plan, PlannedStep, ResidencyNotes, RunId, StepId};
use crate::record::Digest;
use crate::steps::consistency::{ConsistencyPlace, Receives};
use crate::steps::hook::HookInputs;
use crate::steps::secrets::SecretInputs;
use crate::{Declared, Host};

/// What a failover is planned from.
#[derive(Debug)]
pub struct FailoverRequest<'a> {
    /// The environment.
    pub settings: &'a Settings,
    /// Of the settings' file: a run goes on by those that it was planned with.
    pub settings_digest: Digest,
    /// The account of the credentials, as STS of the DR region says.
    pub account: Option<String>,
    /// Which regions are lost, and how that is known.
    pub declared: Declared,
    /// Why it goes on although an exception from the residency policy has run out.
    pub despite_residency: Option<String>,
    /// When the primary region was lost, where somebody knows.
    pub fault: Option<Timestamp>,
    /// Which time databases are restored to.
    pub at: At,
    /// Versions of this software and of what it will run.
    pub versions: BTreeMap<String, String>,
}

/// The recovery point of a database, and what is made of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RestoreInputs {
    /// The ARN of the recovery point.
    pub(crate) arn: String,
    pub(crate) plan: RestorePlan,
    /// What AWS did not tell of the target: whether the restore can be made as planned is not known so far.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) unknown: Vec<String>,
}

/// Why a database cannot be restored, as it was when the run was planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Impossible {
    pub(crate) problem: String,
    pub(crate) hint: Option<String>,
    /// It is not known whether it can: AWS did not say.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_unknown: bool,
}

/// What was seen of the target of each restore while a plan was made, by the database's identifier.
pub(crate) type Targets = BTreeMap<String, Vec<Finding>>;

/// The names of the steps.
pub(crate) mod names {
    pub(crate) const DECLARE: &str = "declare";
    pub(crate) const PIN: &str = "pin";
    pub(crate) const FENCE: &str = "fence";
    pub(crate) const RESTORE: &str = "restore";
    pub(crate) const SECRET: &str = "secret";
    pub(crate) const STATE: &str = "state";
    pub(crate) const BACKEND: &str = "backend";
    pub(crate) const TERRAFORM: &str = "terraform";
    pub(crate) const MANIFEST: &str = "manifest";
    pub(crate) const CONSISTENCY: &str = "consistency";
    pub(crate) const HOOK: &str = "hook";
    pub(crate) const VERIFY: &str = "verify";
    pub(crate) const TRAFFIC: &str = "traffic";
    pub(crate) const REPORT: &str = "report";
}

/// Plans a failover. Looks at the DR region alone and changes nothing. What cannot be done is a step that says so when
/// it is taken: the others go on, and the operator may leave it out.
pub async fn plan_failover(request: FailoverRequest<'_>, dr: &DrOnly, host: &impl Host) -> Plan {
    look_and_plan(request, dr, host).await.0
}

/// The same, with what was seen on the way.
pub(crate) async fn look_and_plan(
    request: FailoverRequest<'_>,
    dr: &DrOnly,
    host: &impl Host,
) -> (Plan, Targets) {
    let mut targets = Targets::new();
    let settings = request.settings;
    let pairing = Pairing::from(settings);
    let planned = host.now();
    let looks = request.declared.evidence.iter();
    let first_look = looks.filter_map(|seen| Some(seen.rounds.first()?.at)).min();
    let fault = request.fault.or(first_look);
    // What is lost is counted to the fault where somebody knows it, else to the first look without an answer, by the clock of
    // RDS: data of later cannot be lost with a region that was gone by then.
    let counted = match (request.fault, first_look) {
        (Some(fault), _) => Counted::To(fault),
        (None, look) => Counted::Ago(look.map_or(Duration::ZERO, |look| since(look, planned))),
    };
    let mut steps = vec![
        step(
            names::DECLARE,
            "Declare the failover: mark the environment as failed over",
            &[],
            Value::Null,
        ),
        step(
            names::FENCE,
            "Keep replicas of the lost region out of the DR buckets",
            &[names::DECLARE],
            json!(pairing.replicas()),
        ),
    ];
    // A region that comes back must not deliver over what Terraform and the application write.
    let mut before_terraform = vec![names::BACKEND.to_owned(), names::FENCE.to_owned()];
    if !settings.databases.is_empty() {
        let site = RdsClients::new(dr.region());
        let mut pinned = Vec::new();
        for database in &settings.databases {
            let id = StepId::of(names::RESTORE, database.id.as_ref());
            let (inputs, seen) = restore_inputs(&site, database, &request, counted, planned).await;
            targets.insert(database.id.to_string(), seen);
            let inputs = match inputs {
                Ok(inputs) => {
                    pinned.push(inputs.arn.clone());
                    json!(inputs)
                }
                Err(impossible) => json!(impossible),
            };
            before_terraform.push(id.to_string());
            let title = format!("Restore {} as {}", database.id, database.dr_id);
            steps.push(step(&id.0, &title, &[names::PIN], inputs));
            let secrets = secret_steps(database, database.dr_id.as_ref(), &id);
            // What Terraform starts reads them when it begins.
            before_terraform.extend(secrets.iter().map(|secret| secret.id.to_string()));
            steps.extend(secrets);
        }
        let title = "Keep the recovery points from deletion";
        steps.insert(1, step(names::PIN, title, &[names::DECLARE], json!(pinned)));
    }
    let restored: Vec<&str> = before_terraform[1..].iter().map(String::as_str).collect();
    let command = hook(settings, HookPoint::AfterRestore, &restored);
    before_terraform.extend(command.iter().map(|hook| hook.id.to_string()));
    steps.extend(command);
    steps.push(step(
        names::STATE,
        "Make every Terraform state ready in the DR region",
        &[names::FENCE],
        Value::Null,
    ));
    steps.push(step(
        names::BACKEND,
        "Turn the DR environment's root module to the DR region's state",
        &[names::STATE],
        Value::Null,
    ));
    let before: Vec<&str> = before_terraform.iter().map(String::as_str).collect();
    steps.push(step(
        names::TERRAFORM,
        "Bring the DR environment up with Terraform",
        &before,
        Value::Null,
    ));
    let mut before_verify = vec![names::TERRAFORM.to_owned()];
    let command = hook(settings, HookPoint::AfterTerraform, &[names::TERRAFORM]);
    before_verify.extend(command.iter().map(|hook| hook.id.to_string()));
    steps.extend(command);
    let brought_up: Vec<StepId> = before_verify.iter().map(|id| StepId::new(id)).collect();
    for pair in pairing.pairs() {
        let id = StepId::of(names::MANIFEST, pair.dr.name.as_ref());
        let title = format!("Write down what {} holds, for the failback", pair.dr.name);
        before_verify.push(id.to_string());
        steps.push(step(&id.0, &title, &[names::FENCE], json!(pair.dr)));
    }
    let place = ConsistencyPlace {
        pairing: &pairing,
        receives: Receives::Dr,
        is_earlier: true,
        brought_up: &brought_up,
        listed: (names::MANIFEST, Receives::Dr),
    };
    let consistency = place.steps(settings);
    before_verify.extend(consistency.iter().map(|step| step.id.to_string()));
    steps.extend(consistency);
    let before: Vec<&str> = before_verify.iter().map(String::as_str).collect();
    let title = "Verify that what was brought up serves";
    steps.push(step(names::VERIFY, title, &before, Value::Null));
    let command = hook(settings, HookPoint::BeforeTraffic, &[names::VERIFY]);
    let mut before = vec![names::VERIFY.to_owned()];
    before.extend(command.iter().map(|hook| hook.id.to_string()));
    steps.extend(command);
    let before: Vec<&str> = before.iter().map(String::as_str).collect();
    let title = "Turn traffic to the DR region";
    steps.push(step(names::TRAFFIC, title, &before, Value::Null));
    let command = hook(settings, HookPoint::AfterTraffic, &[names::TRAFFIC]);
    let mut before = vec![names::TRAFFIC.to_owned()];
    before.extend(command.iter().map(|hook| hook.id.to_string()));
    steps.extend(command);
    let before: Vec<&str> = before.iter().map(String::as_str).collect();
    let title = "Report what was lost, and how long it took";
    steps.push(step(names::REPORT, title, &before, Value::Null));
    let plan = Plan {
        run: RunId::new(host),
        mode: Mode::RegionLoss,
        environment: settings.name(),
        drill: None,
        undoes: None,
        account: request.account,
        primary: settings.regions.primary,
        dr: settings.regions.dr,
        declared: request.declared,
        residency: ResidencyNotes::new(settings, request.despite_residency),
        fault,
        planned,
        operator: host.holder().operator.clone(),
        settings: request.settings_digest,
        versions: request.versions,
        objectives: Goals::from(settings.objectives),
        steps,
    };
    (plan, targets)
}

/// The steps of the secrets that say where a database is: they get the address of `instance`, which is there after `after`.
pub(crate) fn secret_steps(
    database: &Database,
    instance: &str,
    after: &StepId,
) -> Vec<PlannedStep> {
    let secrets = database.secrets.iter().map(|secret| {
        let id = StepId::of(names::SECRET, secret.name.as_str());
        let title = format!("Say in the secret {} where {instance} is", secret.name);
        let inputs = json!(SecretInputs {
            secret: secret.clone(),
            instance: instance.to_owned(),
        });
        step(&id.0, &title, &[&after.0], inputs)
    });
    secrets.collect()
}

/// The step of a command that the settings have for this point.
pub(crate) fn hook(settings: &Settings, point: HookPoint, after: &[&str]) -> Option<PlannedStep> {
    let hook = settings.hooks.get(&point)?.clone();
    let id = StepId::of(names::HOOK, point.name());
    let program = hook.command.first().map_or("", String::as_str);
    let title = format!("Run {program} ({point})");
    let inputs = json!(HookInputs { point, hook });
    Some(step(&id.0, &title, after, inputs))
}

fn step(id: &str, title: &str, after: &[&str], inputs: Value) -> PlannedStep {
    PlannedStep {
        id: StepId::new(id),
        title: title.to_owned(),
        after: after.iter().copied().map(StepId::new).collect(),
        gate: None,
        inputs,
    }
}

/// The moment to which the losses of databases are counted.
#[derive(Debug, Clone, Copy)]
enum Counted {
    /// This one.
    To(Timestamp),
    /// So long before now.
    Ago(Duration),
}

fn since(earlier: Timestamp, later: Timestamp) -> Duration {
    Duration::try_from(later.duration_since(earlier)).unwrap_or_default()
}

async fn restore_inputs(
    site: &RdsClients,
    database: &Database,
    request: &FailoverRequest<'_>,
    counted: Counted,
    planned: Timestamp,
) -> (Result<RestoreInputs, Impossible>, Vec<Finding>) {
    let (arn, plan) = match planned_restore(site, database, request, counted, planned).await {
        Ok(planned) => planned,
        Err(impossible) => return (Err(impossible), Vec::new()),
    };
    let check = check_restore_target(site, &plan).await;
    if check.problems.is_empty() {
        let unknown = check.findings.iter();
        let unknown = unknown.filter(|finding| finding.status == Status::Unknown);
        let unknown = unknown.map(|finding| {
            let reason = finding.reason.as_deref().unwrap_or("not told");
            format!("{} ({}): {reason}", finding.expected, finding.resource)
        });
        let unknown = unknown.collect();
        return (Ok(RestoreInputs { arn, plan, unknown }), check.findings);
    }
    let problems = check.problems.iter().map(ToString::to_string);
    let impossible = Impossible {
        problem: problems.collect::<Vec<_>>().join("; "),
        hint: None,
        is_unknown: false,
    };
    (Err(impossible), check.findings)
}

/// The ARN of the recovery point, and what is made of it.
async fn planned_restore(
    site: &RdsClients,
    database: &Database,
    request: &FailoverRequest<'_>,
    counted: Counted,
    planned: Timestamp,
) -> Result<(String, RestorePlan), Impossible> {
    let settings = request.settings;
    let unknown = |error: aws_env::Error| Impossible {
        problem: causes(&error),
        hint: None,
        is_unknown: true,
    };
    let objectives = settings.objectives;
    let primary = settings.regions.primary;
    let now = AsOf::Now(planned);
    let found = recovery_points(site, database, primary, objectives.rpo_database, now).await;
    let found = found.map_err(unknown)?;
    let now = site.at(now);
    let as_of = match counted {
        Counted::To(fault) => fault,
        Counted::Ago(ago) => now.time().saturating_sub(ago).unwrap_or(planned),
    };
    let there = site.instance(database.dr_id.as_ref()).await;
    let there = there.map_err(unknown)?;
    let wanted = RestoreRequest {
        database,
        target: database.dr_id.as_ref(),
        region: site.region(),
        at: request.at,
        from: None,
        as_of: AsOf::Moment(as_of),
        objectives,
        tags: &settings.tags,
    };
    let plan = plan_restore(&wanted, &found.points, there.as_ref());
    let plan = plan.map_err(|refusal| Impossible {
        problem: refusal.to_string(),
        hint: Some(refusal.hint()),
        is_unknown: false,
    })?;
    let mut plan = plan.with_fixed_time();
    // Data of later than now: a clock is wrong, and no age is known.
    if now.age(plan.choice.data_time).is_none() {
        plan.rpo_seconds = None;
    }
    let arn = arn_of(&found.points, plan.choice.kind, &plan.choice.point);
    Ok((arn, plan))
}

/// The ARN of what a plan has chosen. One that it goes on with may be gone by now, and then there is nothing to keep.
fn arn_of(points: &[RecoveryPoint], kind: Kind, id: &str) -> String {
    let chosen = points
        .iter()
        .find(|point| point.kind == kind && point.id == id);
    chosen.map_or_else(String::new, |point| point.arn.clone())
}

/// The buckets of a step's inputs.
pub(crate) type Buckets = Vec<PairedBucket>;
