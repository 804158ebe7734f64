//! Databases on their way: a last snapshot, its copy, the restore in the region that receives, and, on the way back, what is left
//! of the instances of before.

use std::time::Duration;

use aws_env::{RegionAccess, WaiterConfig};
use dr::database::{
    AsOf, At, CopyOptions, CopyPlan, Deletion, EnablePlan, EnableStep, LastCopy, LastSnapshot,
    RdsClients, Refusal, RestoreProgress, RestoreRequest, RestoreWatch, RetireError, Snapshot,
    SnapshotState, Whose, copy, delete_instance, enable, plan_copies, plan_enable, plan_restore,
    recovery_points, release_deletions, start, unpin, wait_last_snapshot,
};
use futures::FutureExt as _;
use jiff::Timestamp;
use serde_json::{Value, json};
use settings::{Database, Region, Settings};

use super::PlannedMove;
use crate::failback::{KnownInstance, Pinned, data_time, names};
use crate::failover::RestoreInputs;
use crate::steps::{inputs, restore, verify};
use crate::{
    Check, Evidence, Host, LossWindow, PlannedStep, StepContext, StepError, StepErrorKind, StepId,
    Store, Verdict,
};

/// Large databases take hours; one that takes longer is looked at by a person, and the run resumed.
pub(crate) const WAITER: WaiterConfig = WaiterConfig {
    deadline: Duration::from_hours(12),
    interval: Duration::from_millis(500),
    max_interval: Duration::from_secs(15),
};
/// A replication that was begun is shown within moments.
const SHOWN: WaiterConfig = WaiterConfig::every(Duration::from_secs(2), Duration::from_secs(120));

pub(in crate::steps) fn retire_failed(error: RetireError) -> StepError {
    let kind = match &error {
        RetireError::Refused(_) => StepErrorKind::Refused,
        RetireError::Ended { .. } => StepErrorKind::Wrong,
        RetireError::Aws(_) | RetireError::Deadline { .. } => StepErrorKind::Unchecked,
    };
    let hint = match &error {
        RetireError::Refused(refusal) => Some(refusal.hint()),
        _ => None,
    };
    let error = StepError::new(kind, error);
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

fn refused(refusal: Refusal) -> StepError {
    let hint = refusal.hint();
    StepError::refused(refusal.to_string()).hint(hint)
}

/// How often it is looked whether a region is still there while something is waited for in it, and for how long it has to be
/// silent: a wait for RDS takes an error of the network for one that passes, for hours.
const LOOK_EVERY: Duration = Duration::from_secs(10);
const SILENT: LossWindow = LossWindow {
    window: Duration::from_secs(10),
    every: Duration::from_secs(5),
};

/// Waits for RDS of a region, unless the run is to stop, or the region is gone.
pub(super) async fn while_there<S: Store, H: Host, T>(
    of: &PlannedMove<'_, S, H>,
    region: &RegionAccess,
    context: &StepContext<'_>,
    work: impl Future<Output = Result<T, StepError>>,
) -> Result<T, StepError> {
    tokio::select! {
        done = work => done,
        () = context.stopped() => Err(StepError::interrupted()),
        lost = lost_region(of, region) => Err(StepError::unchecked(format!("nothing answers: {lost}"))
            .hint("`dr-runbook runs resume` goes on once it serves again")),
    }
}

/// Ends when no service of the region answers any more.
async fn lost_region<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    region: &RegionAccess,
) -> Evidence {
    let clients = region.clients();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let seen = Evidence::gather(&clients, SILENT, of.host());
        let seen = seen.boxed_local().await;
        if seen.verdict() == Verdict::Lost {
            return seen;
        }
    }
}

/// When writers stood still; `None` where the operator has left that out.
pub(super) fn drained_at(context: &StepContext<'_>) -> Option<Timestamp> {
    let drained = context.result(&StepId::new(names::DRAIN))?;
    drained.get("rds")?.as_str()?.parse().ok()
}

fn good(snapshot: Option<Snapshot>) -> Option<Snapshot> {
    snapshot.filter(|snapshot| snapshot.state == SnapshotState::Available)
}

pub(super) async fn check_snapshot<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    step: &PlannedStep,
) -> Result<Check, StepError> {
    let plan: LastSnapshot = inputs(step)?;
    Ok(
        match good(of.rds_source().snapshot(&plan.snapshot).await?) {
            Some(snapshot) => Check::Done(shown(&snapshot)),
            None => Check::Todo {
                what: format!("take the snapshot {} of {}", plan.snapshot, plan.instance),
                needs_approval: false,
            },
        },
    )
}

pub(super) async fn apply_snapshot<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    step: &PlannedStep,
    context: &StepContext<'_>,
) -> Result<(), StepError> {
    let plan: LastSnapshot = inputs(step)?;
    let site = of.rds_source();
    let work = async {
        let waited = wait_last_snapshot(&site, &plan, WAITER, of.target.observer);
        waited.await.map(drop).map_err(retire_failed)
    };
    while_there(of, of.source(), context, work).await
}

fn shown(snapshot: &Snapshot) -> Value {
    json!({"snapshot": snapshot.id, "arn": snapshot.arn, "data_time": snapshot.data_time})
}

pub(super) async fn verify_snapshot<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    step: &PlannedStep,
) -> Result<Value, StepError> {
    let plan: LastSnapshot = inputs(step)?;
    match good(of.rds_source().snapshot(&plan.snapshot).await?) {
        Some(snapshot) => Ok(shown(&snapshot)),
        None => Err(StepError::wrong(format!(
            "the snapshot {} is gone",
            plan.snapshot
        ))),
    }
}

struct Copying {
    database: Database,
    plan: CopyPlan,
    source: Snapshot,
}

async fn copying<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    step: &PlannedStep,
    context: &StepContext<'_>,
) -> Result<Copying, StepError> {
    let database = of.database(&step.id)?;
    let taken = context.result(&StepId::of(names::SNAPSHOT, database.id.as_ref()));
    let id = taken
        .as_ref()
        .and_then(|taken| taken.get("snapshot")?.as_str());
    let id = id.ok_or_else(|| {
        StepError::refused(format!("no last snapshot of {} was taken", database.id))
    })?;
    let database = of.way(database)?;
    let source = good(of.rds_source().snapshot(id).await?)
        .ok_or_else(|| StepError::wrong(format!("the snapshot {id} is gone")))?;
    let present = of
        .rds_target()
        .snapshots(Some(database.id.as_ref()))
        .await?;
    let regions = (of.source().region(), of.receiving().region());
    let sources = std::slice::from_ref(&source);
    let plan = plan_copies(
        sources,
        &present,
        database.id.as_ref(),
        regions,
        1,
        Some(id),
    );
    let plan = plan.map_err(refused)?;
    Ok(Copying {
        database,
        plan,
        source,
    })
}

pub(super) async fn check_copy<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    step: &PlannedStep,
    context: &StepContext<'_>,
) -> Result<Check, StepError> {
    let copying = copying(of, step, context).await?;
    Ok(match copying.plan.is_done() {
        true => Check::Done(copied(&copying)?),
        false => Check::Todo {
            what: format!("copy {} to {}", copying.source.id, copying.plan.region),
            needs_approval: false,
        },
    })
}

fn copied(copying: &Copying) -> Result<Value, StepError> {
    let step = copying.plan.steps.first();
    let step = step.ok_or_else(|| StepError::wrong("there is nothing to copy"))?;
    Ok(json!({"snapshot": step.target, "data_time": copying.source.data_time}))
}

pub(super) async fn apply_copy<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    step: &PlannedStep,
    context: &StepContext<'_>,
) -> Result<(), StepError> {
    let Copying { database, plan, .. } = copying(of, step, context).await?;
    let options = CopyOptions {
        key: database.kms.as_ref().map(ToString::to_string),
        tags: of.settings.tags.clone(),
        quota: None,
        waiter: WAITER,
    };
    let site = of.rds_target();
    let work = async {
        let copied = copy(&site, &plan, &options, of.target.observer).await?;
        copied.map(drop).map_err(refused)
    };
    while_there(of, of.receiving(), context, work).await
}

pub(super) async fn verify_copy<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    step: &PlannedStep,
    context: &StepContext<'_>,
) -> Result<Value, StepError> {
    let copying = copying(of, step, context).await?;
    match copying.plan.is_done() {
        true => copied(&copying),
        false => Err(StepError::wrong(format!(
            "{} has no good copy in {}",
            copying.source.id, copying.plan.region
        ))
        .hint("resume tries once more, under another name where the copy failed")),
    }
}

fn retirement(known: &KnownInstance) -> Deletion {
    Deletion {
        instance: known.id.clone(),
        whose: Whose::Known {
            arn: known.arn.clone(),
            resource_id: known.resource_id.clone(),
        },
        last_copy: LastCopy::Snapshot(known.last_snapshot.clone()),
    }
}

/// What the outage left has the name that the restored instance wants. Its data may be of later than what came over: they stay,
/// in a snapshot.
pub(super) async fn check_retire<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    step: &PlannedStep,
) -> Result<Check, StepError> {
    let known: Option<KnownInstance> = inputs(step)?;
    let Some(known) = known else {
        return Ok(Check::NotApplicable(
            "the primary region has no instance of that name".to_owned(),
        ));
    };
    let site = RdsClients::new(&of.both.primary);
    let there = site.instance(&known.id).await?;
    if there.is_none() && good(site.snapshot(&known.last_snapshot).await?).is_some() {
        return Ok(Check::Done(json!({"snapshot": known.last_snapshot})));
    }
    let status = there.map_or_else(|| "gone".to_owned(), |there| there.status);
    Ok(Check::Todo {
        what: format!(
            "delete {} in {}, which is {status}, as {}; what it holds stays in its snapshot {}",
            known.id,
            site.region(),
            known.resource_id,
            known.last_snapshot
        ),
        needs_approval: true,
    })
}

pub(super) async fn apply_retire<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    step: &PlannedStep,
    context: &StepContext<'_>,
) -> Result<(), StepError> {
    let known: Option<KnownInstance> = inputs(step)?;
    let Some(known) = known else {
        return Ok(());
    };
    let site = RdsClients::new(&of.both.primary);
    let deletion = retirement(&known);
    let there = site.instance(&known.id).await?;
    let is_shut = there.is_some_and(|there| {
        there.status == "stopped" && there.options.deletion_protection != Some(false)
    });
    let work = async {
        // After a switchover it is stopped, and RDS takes no protection off a stopped instance.
        if is_shut {
            let (id, whose) = (&known.id, &deletion.whose);
            let started = start(&site, id, whose, WAITER, of.target.observer);
            started.await.map_err(retire_failed)?;
        }
        let deleted = delete_instance(&site, &deletion, WAITER, of.target.observer);
        deleted.await.map_err(retire_failed)
    };
    while_there(of, &of.both.primary, context, work).await
}

pub(super) async fn verify_retire<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    step: &PlannedStep,
) -> Result<Value, StepError> {
    match check_retire(of, step).await? {
        Check::Done(done) => Ok(done),
        _ => Err(StepError::wrong(
            "the instance of before the outage is still there",
        )),
    }
}

/// The step as that of a failover, the way that it goes: with the recovery point that was copied.
async fn turned_restore<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    step: &PlannedStep,
    context: &StepContext<'_>,
) -> Result<PlannedStep, StepError> {
    let database = of.database(&step.id)?;
    let copied = context.result(&StepId::of(names::COPY, database.id.as_ref()));
    let from = copied
        .as_ref()
        .and_then(|copied| copied.get("snapshot")?.as_str());
    let from = from
        .ok_or_else(|| StepError::refused(format!("no snapshot of {} was copied", database.id)))?;
    let database = of.way(database)?;
    let site = of.rds_target();
    let objectives = of.settings.objectives;
    let now = AsOf::Now(of.host().now());
    let found = recovery_points(
        &site,
        &database,
        of.source().region(),
        objectives.rpo_database,
        now,
    );
    let found = found.await?;
    let there = site.instance(database.dr_id.as_ref()).await?;
    // What was written after writers stood still was written by nobody.
    let as_of = match drained_at(context) {
        Some(drained) => AsOf::Moment(drained),
        None => site.at(now),
    };
    let request = RestoreRequest {
        database: &database,
        target: database.dr_id.as_ref(),
        region: site.region(),
        at: At::Latest,
        from: Some(from),
        as_of,
        objectives,
        tags: &of.settings.tags,
    };
    let plan = plan_restore(&request, &found.points, there.as_ref()).map_err(refused)?;
    let arn = found.points.iter().find(|point| point.id == from);
    let arn = arn.map_or_else(String::new, |point| point.arn.clone());
    Ok(PlannedStep {
        inputs: json!(RestoreInputs {
            arn,
            plan,
            unknown: Vec::new(),
        }),
        ..step.clone()
    })
}

pub(super) async fn check_restore<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    step: &PlannedStep,
    context: &StepContext<'_>,
) -> Result<Check, StepError> {
    let step = turned_restore(of, step, context).await?;
    restore::check(&of.target, &step).await
}

pub(super) async fn apply_restore<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    step: &PlannedStep,
    context: &StepContext<'_>,
) -> Result<(), StepError> {
    let step = turned_restore(of, step, context).await?;
    restore::apply(&of.target, &step, context).await
}

pub(super) async fn verify_restore<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    step: &PlannedStep,
    context: &StepContext<'_>,
) -> Result<Value, StepError> {
    let step = turned_restore(of, step, context).await?;
    restore::verify(&of.target, &step).await
}

/// Whether what was restored serves, and the region that receives with it.
pub(super) async fn serves<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    context: &StepContext<'_>,
) -> Result<Value, StepError> {
    let region = super::verify_target(of).await?;
    let site = of.rds_target();
    let mut databases = Vec::new();
    let plan = context.state().plan;
    let restores = plan.steps.iter();
    for step in restores.filter(|step| step.id.kind() == names::RESTORE) {
        if context.result(&step.id).is_none() {
            continue;
        }
        let turned = turned_restore(of, step, context).await?;
        let RestoreInputs { plan, .. } = inputs(&turned)?;
        let mut watch = RestoreWatch::new(&site, &plan);
        match watch.poll().await.map_err(StepError::unchecked)? {
            RestoreProgress::Ready {
                status, instance, ..
            } => {
                databases.push(verify::serving(&status, &instance).await?);
            }
            other => {
                return Err(StepError::wrong(format!(
                    "{} does not serve: {other}",
                    plan.target
                )));
            }
        }
    }
    Ok(json!({"region": region, "databases": databases}))
}

fn regions<S: Store, H: Host>(of: &PlannedMove<'_, S, H>) -> (Region, Region) {
    (of.both.primary.region(), of.both.dr.region())
}

/// The replication of a database's backups to the DR region, where it was replicated before. `None` where it was not.
async fn replication<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    step: &PlannedStep,
) -> Result<Option<EnablePlan>, StepError> {
    let was_replicated: bool = inputs(step)?;
    if !was_replicated {
        return Ok(None);
    }
    let database = of.database(&step.id)?;
    let (primary, dr) = (RdsClients::new(&of.both.primary), of.rds_dr());
    let id = database.id.as_ref();
    let (there, backups) = tokio::try_join!(primary.instance(id), dr.backups())?;
    let plan = plan_enable(database, there.as_ref(), &backups, regions(of));
    let plan = plan.map_err(refused)?;
    Ok(Some(plan))
}

pub(super) async fn check_backups<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    step: &PlannedStep,
) -> Result<Check, StepError> {
    Ok(match replication(of, step).await? {
        None => Check::NotApplicable("its backups were not replicated".to_owned()),
        Some(plan) => match &plan.step {
            EnableStep::Start => Check::Todo {
                what: format!(
                    "replicate the backups of {} to {}",
                    plan.database, plan.region
                ),
                needs_approval: false,
            },
            EnableStep::Unchanged => Check::Done(json!(plan)),
            EnableStep::Differs(how) => {
                return Err(StepError::wrong(format!(
                    "the replicated backups of {} differ: {}",
                    plan.database,
                    how.join(", ")
                )));
            }
        },
    })
}

pub(super) async fn apply_backups<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    step: &PlannedStep,
) -> Result<(), StepError> {
    let Some(plan) = replication(of, step).await? else {
        return Ok(());
    };
    let enabled = enable(&of.rds_dr(), &plan, &of.settings.tags, SHOWN).await?;
    enabled.map_err(refused)
}

pub(super) async fn verify_backups<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    step: &PlannedStep,
) -> Result<Value, StepError> {
    match check_backups(of, step).await? {
        Check::Done(done) => Ok(done),
        _ => Err(StepError::wrong(
            "the replication was begun and is not shown",
        )),
    }
}

/// Takes away what the failover marked: its pins, and the hold on deletions.
pub(super) async fn release<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    step: &PlannedStep,
) -> Result<(), StepError> {
    release_marks(of.settings, &of.both.dr, inputs(step)?).await
}

/// The same, where the settings are those of the failover and nothing leads to the region that was lost.
pub(in crate::steps) async fn release_marks(
    settings: &Settings,
    dr: &RegionAccess,
    Pinned { failover, arns }: Pinned,
) -> Result<(), StepError> {
    let site = RdsClients::new(dr);
    for arn in arns.iter().filter(|arn| !arn.is_empty()) {
        unpin(&site, arn, &failover).await?;
    }
    for database in &settings.databases {
        release_deletions(&site, database, settings.regions.primary, &failover).await?;
    }
    Ok(())
}

/// Whether a database was restored by this run in the region that receives.
pub(super) fn is_restored(context: &StepContext<'_>, database: &Database) -> bool {
    let step = StepId::of(names::RESTORE, database.id.as_ref());
    context.result(&step).is_some()
}

fn deletion(database: &Database, last: String) -> Deletion {
    Deletion {
        instance: database.dr_id.to_string(),
        whose: Whose::Restored {
            database: database.id.to_string(),
        },
        last_copy: LastCopy::Snapshot(last),
    }
}

/// The instance of the DR region is stopped by then. The next failover wants its name, and RDS starts a stopped instance after
/// seven days.
pub(super) async fn check_retire_dr<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    step: &PlannedStep,
    context: &StepContext<'_>,
) -> Result<Check, StepError> {
    let database = of.database(&step.id)?;
    let last: String = inputs(step)?;
    // Of a switchover that is undone nobody has written to it.
    if of.is_back() && !is_restored(context, database) {
        return Err(StepError::refused(format!(
            "{} was not brought back: nothing else has what was written to it",
            database.dr_id
        ))
        .hint("leave this step out with --skip and a reason"));
    }
    let site = of.rds_dr();
    let there = site.instance(database.dr_id.as_ref()).await?;
    if there.is_none() && good(site.snapshot(&last).await?).is_some() {
        return Ok(Check::Done(json!({"snapshot": last})));
    }
    if !of.is_back() && there.is_none() && site.snapshot(&last).await?.is_none() {
        return Ok(Check::NotApplicable("it is not there".to_owned()));
    }
    let status = there.map_or_else(|| "gone".to_owned(), |there| there.status);
    Ok(Check::Todo {
        what: format!(
            "delete {} in {}, which is {status}; what it holds stays in its snapshot {last}",
            database.dr_id,
            site.region()
        ),
        needs_approval: true,
    })
}

pub(super) async fn apply_retire_dr<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    step: &PlannedStep,
    context: &StepContext<'_>,
) -> Result<(), StepError> {
    let last: String = inputs(step)?;
    let deletion = deletion(of.database(&step.id)?, last);
    let site = of.rds_dr();
    let work = async {
        let deleted = delete_instance(&site, &deletion, WAITER, of.target.observer);
        deleted.await.map_err(retire_failed)
    };
    while_there(of, &of.both.dr, context, work).await
}

pub(super) async fn verify_retire_dr<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    step: &PlannedStep,
    context: &StepContext<'_>,
) -> Result<Value, StepError> {
    match check_retire_dr(of, step, context).await? {
        Check::Done(done) => Ok(done),
        _ => Err(StepError::wrong("the instance is still there")),
    }
}

/// What is lost of a database on its way: nothing where nobody wrote since the last snapshot, else what lies between that
/// and `stopped`.
pub(super) fn lost(context: &StepContext<'_>, database: &str, stopped: Timestamp) -> Value {
    let copied = context.result(&StepId::of(names::COPY, database));
    let data_time = data_time(copied.as_ref());
    let until = drained_at(context).unwrap_or(stopped);
    let lost = data_time.and_then(|data| AsOf::Moment(until).age(data));
    json!({"data_time": data_time, "lost_seconds": lost.map(|lost| lost.as_secs())})
}
