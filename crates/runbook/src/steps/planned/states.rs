//! Terraform states brought back to the primary region, root modules turned to it, and their replication; in a switchover, that they
//! are the same in both regions.

use std::time::Duration;

use aws_env::{Both, Waiter, WaiterConfig};
use dr::objects::{FencePlan, FenceWanted, PairedBucket, RunId, apply_fence, plan_fence};
use futures::FutureExt as _;
use jiff::Timestamp;
use serde_json::{Value, json};
use settings::Settings;
use state_backend::{
    Backend, FailbackPlan, FailbackRun, Handover, Health, LeftKind, LockHolder, Resolutions,
    RootPlan, SideName, Standing,
};
use terraform::RootModule;

use super::PlannedMove;
use crate::failback::{CONFLICTS, Decisions, KnownInstance, StateSurvey};
use crate::steps::backend::{self, root};
use crate::steps::{RegionLoss, fence, inputs};
use crate::{Check, Host, PlannedStep, StepContext, StepError, Store};

fn resolutions(decisions: &Decisions) -> Result<Resolutions, StepError> {
    let mut resolutions = Resolutions::default();
    for (state, resolution) in decisions.of_states() {
        resolutions
            .choose(state, resolution)
            .map_err(StepError::refused)?;
    }
    Ok(resolutions)
}

/// How the states of both regions stand to each other.
pub(crate) async fn look_at_states(
    settings: &Settings,
    both: &Both,
    decisions: &Decisions,
    now: Timestamp,
) -> Result<Vec<StateSurvey>, StepError> {
    let backend = Backend::connect(settings, both).boxed_local().await;
    let backend = backend.map_err(StepError::unchecked)?;
    let holder = LockHolder {
        who: "dr-runbook".to_owned(),
        time: now,
        token: "survey".to_owned(),
        held: Default::default(),
    };
    let run = FailbackRun {
        holder: &holder,
        has_ended: &|_| false,
        is_stopped: &|| false,
    };
    let resolutions = resolutions(decisions)?;
    let plan = backend.failback_plan(&resolutions, run, now);
    let plan = plan.boxed_local().await.map_err(StepError::refused)?;
    let states = plan.handover().states.iter();
    Ok(states
        .map(|state| StateSurvey {
            state: state.state.object(),
            relation: state
                .relation
                .as_ref()
                .map_or_else(|| "not known".to_owned(), ToString::to_string),
            left: match &state.standing {
                Standing::Left { left } => Some(left.text.clone()),
                Standing::Unknown { problem } => Some(problem.to_string()),
                _ => None,
            },
        })
        .collect())
}

/// The run as its locks tell of it. Each process that carries the run holds locks of its own; those of an earlier one are of
/// no process any more, since the lease was taken from it.
fn holder<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    context: &StepContext<'_>,
    epoch: u64,
) -> LockHolder {
    let run = context.state().plan.run;
    LockHolder {
        token: format!("{run}-{epoch}"),
        ..of.target.holder.clone()
    }
}

struct Planned {
    backend: Backend,
    holder: LockHolder,
    earlier: Vec<String>,
    plan: FailbackPlan,
}

async fn plan<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    context: &StepContext<'_>,
) -> Result<Planned, StepError> {
    let backend = Backend::connect(of.settings, &of.both).boxed_local().await;
    let backend = backend.map_err(StepError::unchecked)?;
    let epoch = context.epoch();
    let holder_now = holder(of, context, epoch);
    let earlier: Vec<String> = (0..epoch)
        .map(|epoch| holder(of, context, epoch).run())
        .collect();
    let run = FailbackRun {
        holder: &holder_now,
        has_ended: &|info| is_of(&earlier, info.failback_run()),
        is_stopped: &|| false,
    };
    let resolutions = resolutions(&of.decisions)?;
    let plan = backend.failback_plan(&resolutions, run, of.host().now());
    let plan = plan.boxed_local().await.map_err(|error| {
        StepError::refused(error).hint("`init-backend failback --dry-run` shows each state")
    })?;
    let problems: Vec<String> = plan
        .handover()
        .problems()
        .map(ToString::to_string)
        .collect();
    if !problems.is_empty() {
        return Err(StepError::unchecked(problems.join("; ")).hint("init-backend status shows it"));
    }
    Ok(Planned {
        backend,
        holder: holder_now,
        earlier,
        plan,
    })
}

fn is_of(runs: &[String], run: Option<&str>) -> bool {
    run.is_some_and(|run| runs.iter().any(|earlier| earlier == run))
}

/// States that both regions have written, or one has deleted: a person decides.
fn in_doubt(handover: &Handover) -> Result<(), StepError> {
    let states = handover
        .states
        .iter()
        .filter_map(|state| match &state.standing {
            Standing::Left { left }
                if matches!(
                    left.kind,
                    LeftKind::Moved | LeftKind::Diverged | LeftKind::DeletedIn
                ) =>
            {
                Some(format!("{}: {}", state.state, left.text))
            }
            _ => None,
        });
    let states: Vec<String> = states.collect();
    match states.is_empty() {
        true => Ok(()),
        false => Err(StepError::wrong(states.join("; ")).hint(format!(
            "decide with a line {{\"state\": …, \"keep\": \"dr\"}} (or primary, bring-back, stay-deleted) in a file, and resume \
             with {CONFLICTS}"
        ))),
    }
}

fn told(handover: &Handover) -> Value {
    let states = handover.states.iter().map(|state| {
        let relation = state.relation.as_ref().map(ToString::to_string);
        json!({"state": state.state.object(), "relation": relation})
    });
    let left: Vec<String> = handover.left().map(|left| left.text.clone()).collect();
    json!({"states": states.collect::<Vec<_>>(), "left": left, "bucket": handover.bucket})
}

pub(super) async fn check<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    context: &StepContext<'_>,
) -> Result<Check, StepError> {
    let Planned { plan, .. } = plan(of, context).await?;
    let handover = plan.handover();
    in_doubt(handover)?;
    let left: Vec<String> = handover.left().map(|left| left.text.clone()).collect();
    if handover.planned() == 0 && left.is_empty() {
        return Ok(Check::Done(told(handover)));
    }
    let states = report::counted(handover.planned(), "state");
    let what = match left.is_empty() {
        true => format!("bring {states} back to {}", handover.to),
        false => format!(
            "bring {states} back to {}, and leave: {}",
            handover.to,
            left.join("; ")
        ),
    };
    Ok(Check::Todo {
        what,
        needs_approval: !left.is_empty(),
    })
}

pub(super) async fn apply<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    context: &StepContext<'_>,
) -> Result<(), StepError> {
    let Planned {
        backend,
        holder,
        earlier,
        plan,
    } = plan(of, context).await?;
    in_doubt(plan.handover())?;
    let stop = context.stop();
    let run = FailbackRun {
        holder: &holder,
        has_ended: &|info| is_of(&earlier, info.failback_run()),
        is_stopped: &|| *stop.borrow(),
    };
    backend
        .failback(&plan.approve(), run, of.target.observer)
        .boxed_local()
        .await;
    match *context.stop().borrow() {
        true => Err(StepError::interrupted()),
        false => Ok(()),
    }
}

pub(super) async fn verify<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    context: &StepContext<'_>,
) -> Result<Value, StepError> {
    let Planned { plan, .. } = plan(of, context).await?;
    let handover = plan.handover();
    in_doubt(handover)?;
    match handover.planned() {
        0 => Ok(told(handover)),
        more => Err(StepError::wrong(format!(
            "{} not brought back",
            report::counted(more, "state")
        ))
        .hint("init-backend failback --dry-run shows them")),
    }
}

/// That no Terraform has written in the DR region since the states were brought back.
pub(super) async fn prove_drained<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    context: &StepContext<'_>,
) -> Result<(), StepError> {
    let Planned { plan, .. } = plan(of, context).await?;
    let handover = plan.handover();
    in_doubt(handover)?;
    match handover.planned() {
        0 => Ok(()),
        more => Err(StepError::wrong(format!(
            "{} written in the DR region since they were brought back",
            report::counted(more, "state")
        ))
        .hint("`dr-runbook runs abandon` gives the run up; begin another one when nobody applies in the DR region")),
    }
}

pub(super) fn check_root<S: Store, H: Host>(of: &RegionLoss<'_, S, H>) -> Result<Check, StepError> {
    match root(of)? {
        None => Ok(Check::NotApplicable(
            "the settings name no root module (failback.terraform)".to_owned(),
        )),
        Some(_) => backend::check(of),
    }
}

/// Turns a root module to the primary region's state.
pub(super) async fn turn_root<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    view: &RegionLoss<'_, S, H>,
    context: &StepContext<'_>,
) -> Result<(), StepError> {
    let Some(root) = root(view)? else {
        return Ok(());
    };
    let environment = root.terraform.environment();
    let module = RootModule::read(&root.folder, environment).map_err(StepError::wrong)?;
    let plans = RootPlan::all(
        of.settings,
        &root.endpoints,
        SideName::Primary,
        &[module],
        environment,
    );
    let plans = plans.map_err(StepError::refused)?;
    let Planned {
        backend,
        holder,
        plan: states,
        ..
    } = plan(of, context).await?;
    for plan in plans {
        let turned = match plan.approve_after(states.handover(), true) {
            Ok(approved) => {
                backend
                    .turn_root(&approved, &root.terraform, &holder, view.observer)
                    .boxed_local()
                    .await
            }
            Err(stays) => *stays,
        };
        if let Some(failed) = turned.failed {
            return Err(backend::not_turned(failed));
        }
    }
    Ok(())
}

/// A lock that somebody else holds is waited for.
const LOCK_TIMEOUT: Duration = Duration::from_secs(120);

/// Where the state of the primary environment's root module still has the instance that is retired: an `import` block takes
/// nothing over what the state has already.
async fn remembered<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    step: &PlannedStep,
) -> Result<Vec<String>, StepError> {
    let known: Option<KnownInstance> = inputs(step)?;
    let (Some(known), Some(root)) = (known, root(&of.target)?) else {
        return Ok(Vec::new());
    };
    let found = root.terraform.state_find(&known.resource_id).await;
    found.map_err(StepError::wrong)
}

pub(super) async fn check_forget<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    step: &PlannedStep,
) -> Result<Check, StepError> {
    let found = remembered(of, step).await?;
    Ok(match found.is_empty() {
        true => Check::NotApplicable("no state has it".to_owned()),
        false => Check::Todo {
            what: format!("terraform state rm {}", found.join(" ")),
            needs_approval: false,
        },
    })
}

pub(super) async fn forget<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    step: &PlannedStep,
) -> Result<(), StepError> {
    let Some(root) = root(&of.target)? else {
        return Ok(());
    };
    for address in remembered(of, step).await? {
        let removed = root.terraform.state_remove(&address, LOCK_TIMEOUT).await;
        removed.map_err(StepError::wrong)?;
    }
    Ok(())
}

pub(super) async fn verify_forget<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    step: &PlannedStep,
) -> Result<Value, StepError> {
    match remembered(of, step).await?.as_slice() {
        [] => Ok(Value::Null),
        found => Err(StepError::wrong(format!(
            "the state still has {}",
            found.join(", ")
        ))),
    }
}

/// The state's bucket in the DR region, whose fence goes when the states are back: what Terraform writes in the primary region
/// from then on has to reach it.
async fn replication<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    step: &PlannedStep,
) -> Result<FencePlan, StepError> {
    let failover: RunId = inputs(step)?;
    let pairing = of.pairing();
    let buckets: Vec<PairedBucket> = pairing
        .state()
        .map(|pair| pair.dr.clone())
        .into_iter()
        .collect();
    let dr = of.both.dr_only();
    Ok(plan_fence(&dr, &buckets, &failover, FenceWanted::Unfenced).await)
}

pub(super) async fn check_replication<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    step: &PlannedStep,
) -> Result<Check, StepError> {
    let plan = replication(of, step).await?;
    Ok(match plan.holds() {
        true => Check::Done(json!(plan)),
        false => Check::Todo {
            what: "let the states be replicated to the DR region again".to_owned(),
            needs_approval: false,
        },
    })
}

pub(super) async fn apply_replication<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    step: &PlannedStep,
) -> Result<(), StepError> {
    let plan = replication(of, step).await?;
    apply_fence(&of.both.dr_only(), &plan).await;
    Ok(())
}

pub(super) async fn verify_replication<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    step: &PlannedStep,
) -> Result<Value, StepError> {
    let plan = replication(of, step).await?;
    fence::let_in(&plan)?;
    Ok(json!(plan))
}

/// A state is replicated within minutes; what takes longer is looked at by a person.
const REPLICATED: WaiterConfig = WaiterConfig {
    deadline: Duration::from_mins(30),
    interval: Duration::from_millis(500),
    max_interval: Duration::from_secs(15),
};

/// What keeps the states of the two regions from being the same, each in words, and how many are.
async fn differences<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
) -> Result<(Vec<String>, usize), StepError> {
    let backend = Backend::connect(of.settings, &of.both).boxed_local().await;
    let backend = backend.map_err(StepError::unchecked)?;
    let inventory = backend.inventory(of.host().now());
    let (inventory, locks) = tokio::join!(inventory, backend.locks(SideName::Primary));
    let mut found = Vec::new();
    for state in &inventory.states {
        let object = state.state.object();
        match &state.relation {
            None => found.push(format!("{object} has no copy in the DR region")),
            Some(relation) if relation.health() == Health::Unknown => {
                return Err(StepError::unchecked(format!(
                    "how the copies of {object} stand to each other is not known"
                ))
                .hint("init-backend status shows it"));
            }
            Some(relation) if relation.health() != Health::Ok => {
                found.push(format!("{object}: {relation}"));
            }
            Some(_) => {}
        }
    }
    if let Some(unknown) = locks.unknown.first() {
        return Err(StepError::unchecked(unknown.describe()));
    }
    let held = locks.held.iter().filter(|lock| !lock.is_replica);
    found.extend(held.map(|lock| match &lock.info {
        Some(info) => format!(
            "{} is locked: {} by {} ({})",
            lock.state(),
            info.operation,
            info.who,
            info.id
        ),
        None => format!("{} is locked", lock.state()),
    }));
    Ok((found, inventory.states.len()))
}

fn differ(found: &[String]) -> StepError {
    StepError::wrong(found.join("; ")).hint(
        "`init-backend status` shows each; what S3 has never replicated `init-backend backfill` copies; then resume",
    )
}

pub(super) async fn check_parity<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
) -> Result<Check, StepError> {
    Ok(match differences(of).await? {
        (found, count) if found.is_empty() => Check::Done(json!({"states": count})),
        (found, _) => Check::Todo {
            what: format!("wait for {}", found.join("; ")),
            needs_approval: false,
        },
    })
}

pub(super) async fn wait_for_parity<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    context: &StepContext<'_>,
) -> Result<(), StepError> {
    let mut waiter = Waiter::begin(REPLICATED);
    loop {
        let (found, _) = differences(of).await?;
        if found.is_empty() {
            return Ok(());
        }
        let label = "replication of the states";
        of.target.observer.waiting(label, &found.join("; "));
        let has_time = tokio::select! {
            has_time = waiter.pause() => has_time,
            () = context.stopped() => return Err(StepError::interrupted()),
        };
        if !has_time {
            return Err(differ(&found));
        }
    }
}

/// That the states are the same in both regions, and that nobody works with one.
pub(super) async fn verify_parity<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
) -> Result<Value, StepError> {
    match differences(of).await? {
        (found, count) if found.is_empty() => Ok(json!({"states": count})),
        (found, _) => Err(differ(&found)),
    }
}
