//! The point of no return: nobody writes in the region any more that is left, and the environment is that of the other one.
//!
//! Until the mark is turned the region that is left serves: a database that was stopped is started again, and nothing is lost.

use dr::database::{Whose, allow_deletion, fence as stop};
use dr::objects::{FencePlan, FenceWanted, RunId as ObjectsRunId, apply_fence, plan_fence};
use futures::FutureExt as _;
use serde_json::{Value, json};

use super::databases::{WAITER, is_restored, lost, retire_failed, while_there};
use super::objects::Way;
use super::{PlannedMove, drain, objects, states};
use crate::failback::{CutOverInputs, names};
use crate::planned::SourceInstance;
use crate::steps::hook::HookInputs;
use crate::steps::{Marker, declare, fence, inputs, traffic};
use crate::switchover::SwitchInputs;
use crate::{
    Check, Host, PlannedStep, StepContext, StepError, StepErrorKind, StepId, StepStatus, Store,
};

/// What is decided for it, whichever way it goes.
struct CutOver {
    buckets: Vec<Way>,
    /// What is stopped.
    instances: Vec<SourceInstance>,
    /// Whose statement is to be in the policies of the DR buckets, or not to be there any more.
    fence: (ObjectsRunId, FenceWanted),
    proof: Option<HookInputs>,
}

impl CutOver {
    fn of<S: Store, H: Host>(
        of: &PlannedMove<'_, S, H>,
        step: &PlannedStep,
        context: &StepContext<'_>,
    ) -> Result<Self, StepError> {
        if of.is_back() {
            let inputs: CutOverInputs = inputs(step)?;
            let databases = of.settings.databases.iter();
            let instances = databases.map(|database| SourceInstance {
                database: database.id.to_string(),
                instance: database.dr_id.to_string(),
                whose: Whose::Restored {
                    database: database.id.to_string(),
                },
            });
            return Ok(Self {
                buckets: inputs.buckets.into_iter().map(Way::Back).collect(),
                instances: instances.collect(),
                fence: (inputs.failover, FenceWanted::Unfenced),
                proof: inputs.proof,
            });
        }
        let inputs: SwitchInputs = inputs(step)?;
        let run = context.state().plan.run;
        let run = run.as_str().parse().map_err(StepError::refused)?;
        Ok(Self {
            buckets: inputs.buckets.into_iter().map(Way::Over).collect(),
            instances: inputs.instances,
            fence: (run, FenceWanted::Fenced),
            proof: inputs.proof,
        })
    }
}

async fn replication<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    cut_over: &CutOver,
) -> FencePlan {
    let dr = of.both.dr_only();
    let buckets = of.pairing().replicas();
    let (run, wanted) = &cut_over.fence;
    plan_fence(&dr, &buckets, run, *wanted).await
}

/// Whether replicas are kept out, or let in, as is wanted.
fn is_settled(plan: &FencePlan) -> Result<(), StepError> {
    match plan.wanted {
        FenceWanted::Fenced => fence::kept_out(plan),
        FenceWanted::Unfenced => fence::let_in(plan),
    }
}

/// Whether the mark says already what it is to say.
async fn is_moved<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    context: &StepContext<'_>,
) -> Result<bool, StepError> {
    let marker = Marker::read(of.store()).await?;
    let run = context.state().plan.run;
    let failed_over = !of.is_back();
    Ok(marker.is_some_and(|marker| marker.failed_over == failed_over && marker.run == run))
}

pub(super) async fn check<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    step: &PlannedStep,
    context: &StepContext<'_>,
) -> Result<Check, StepError> {
    let cut_over = CutOver::of(of, step, context)?;
    // Behind the mark the application may write elsewhere: what is proven before it need not hold any more.
    if !is_moved(of, context).await? {
        prove(of, &cut_over, context).boxed_local().await?;
    }
    let instances = cut_over.instances.iter();
    let databases: Vec<&str> = instances.map(|of| of.instance.as_str()).collect();
    let stop = match databases.is_empty() {
        true => String::new(),
        false => format!("stop {}, ", databases.join(", ")),
    };
    let left = left_out(of, &cut_over, context);
    let left = match left.is_empty() {
        true => String::new(),
        false => format!(
            "leave what was written in {} to {}, ",
            of.source().region(),
            left.join(", ")
        ),
    };
    let replicas = match of.is_back() {
        true => "let replication in",
        false => "keep replicas out of the DR buckets",
    };
    let what = format!(
        "{left}{stop}{replicas} and turn {} to {}",
        context.state().plan.environment,
        of.receiving().region()
    );
    Ok(Check::Todo {
        what,
        needs_approval: true,
    })
}

/// Buckets that the operator has not left out.
fn moved<'c>(cut_over: &'c CutOver, context: &StepContext<'_>) -> impl Iterator<Item = &'c Way> {
    let run = context.state();
    cut_over.buckets.iter().filter(move |bucket| {
        let id = StepId::of(names::LAST_OBJECTS, bucket.pair().primary.name.as_ref());
        let step = run.steps.get(&id);
        step.is_none_or(|step| step.status != StepStatus::Skipped)
    })
}

/// What is not moved, since the operator has left it out.
fn left_out<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    cut_over: &CutOver,
    context: &StepContext<'_>,
) -> Vec<String> {
    let pairs = of.settings.buckets.iter();
    let mut left: Vec<String> = pairs
        .filter(|pair| {
            let mut moved = moved(cut_over, context);
            !moved.any(|bucket| bucket.pair().primary.name == pair.name)
        })
        .map(|pair| match of.is_back() {
            true => pair.dr.to_string(),
            false => pair.name.to_string(),
        })
        .collect();
    let databases = of.settings.databases.iter();
    let databases = databases.filter(|database| !is_restored(context, database));
    left.extend(databases.map(|database| match of.is_back() {
        true => database.dr_id.to_string(),
        false => database.id.to_string(),
    }));
    left
}

/// That the region serves which receives, and that nothing was written in the other one since it was copied.
async fn prove<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    cut_over: &CutOver,
    context: &StepContext<'_>,
) -> Result<(), StepError> {
    super::verify_target(of).await?;
    for bucket in moved(cut_over, context) {
        let drained = objects::prove_drained(of, bucket, context).await;
        drained.map_err(|error| match error.kind {
            // What has come since is copied as the rest was: with its approval, and its decisions.
            StepErrorKind::Wrong => {
                let bucket = bucket.pair().primary.name.as_ref();
                error.take_again(StepId::of(names::LAST_OBJECTS, bucket))
            }
            _ => error,
        })?;
    }
    match of.is_back() {
        true => states::prove_drained(of, context).await,
        false => states::verify_parity(of).await.map(drop),
    }
}

pub(super) async fn apply<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    step: &PlannedStep,
    context: &StepContext<'_>,
) -> Result<(), StepError> {
    let cut_over = CutOver::of(of, step, context)?;
    if !is_moved(of, context).await? {
        let proof = drain::prove(of, step, cut_over.proof.as_ref(), context);
        proof.boxed_local().await?;
        let stopped = stop_databases(of, &cut_over, context);
        stopped.boxed_local().await?;
        // Stopped, it takes no transaction; what was written to the buckets until then shows now.
        prove(of, &cut_over, context).boxed_local().await?;
        // Before the first write in the region that receives. Of the primary: what comes to a bucket while a fence is there is
        // never replicated. Of the DR region: no replica may come over it.
        let plan = replication(of, &cut_over).await;
        apply_fence(&of.both.dr_only(), &plan).await;
        is_settled(&replication(of, &cut_over).await)?;
        match of.is_back() {
            true => declare::turn_back(&of.dr, context).await?,
            false => declare::apply(&of.dr, context).await?,
        }
    }
    match of.is_back() {
        true => traffic::turn_back(&of.dr).await,
        // What the DR buckets hold is written down before somebody writes there.
        false => Ok(()),
    }
}

async fn stop_databases<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    cut_over: &CutOver,
    context: &StepContext<'_>,
) -> Result<(), StepError> {
    let site = of.rds_source();
    let observer = of.target.observer;
    for source in &cut_over.instances {
        let (id, whose) = (&source.instance, &source.whose);
        let Some(there) = site.instance(id).await? else {
            continue;
        };
        let before = site.time(of.host().now());
        let work = async {
            // RDS changes nothing of a stopped instance, and the DR region's is to be given up.
            if of.is_back() && there.status != "stopped" {
                let allowed = allow_deletion(&site, id, whose, WAITER, observer);
                allowed.await.map_err(retire_failed)?;
            }
            let stopped = stop(&site, id, whose, WAITER, observer);
            stopped.await.map_err(retire_failed)
        };
        while_there(of, of.source(), context, work).await?;
        let note =
            json!({"stopped": source.database, "loss": lost(context, &source.database, before)});
        context.note(note).await?;
    }
    Ok(())
}

pub(super) async fn verify<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    step: &PlannedStep,
    context: &StepContext<'_>,
) -> Result<Value, StepError> {
    let cut_over = CutOver::of(of, step, context)?;
    if !is_moved(of, context).await? {
        return Err(StepError::wrong(
            "the mark was turned and still says otherwise",
        ));
    }
    if of.is_back() {
        verify_stopped(of, &cut_over).await?;
        traffic::is_back(&of.dr).await?;
    }
    is_settled(&replication(of, &cut_over).await)?;
    // Of several stops the first one counts: after it nothing was written.
    let mut losses = serde_json::Map::new();
    for note in context.notes() {
        if let Some(database) = note.get("stopped").and_then(Value::as_str)
            && let Some(loss) = note.get("loss")
        {
            losses.entry(database.to_owned()).or_insert(loss.clone());
        }
    }
    Ok(json!({"databases": losses, "at": of.host().now()}))
}

/// That what was stopped is. Not of a region that nobody needs any more: behind the mark a switchover goes on without it.
async fn verify_stopped<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    cut_over: &CutOver,
) -> Result<(), StepError> {
    let site = of.rds_source();
    for source in &cut_over.instances {
        let there = site.instance(&source.instance).await?;
        if let Some(there) = there.filter(|there| there.status != "stopped") {
            return Err(StepError::wrong(format!(
                "{} in {} is {}: two databases could be written",
                there.id,
                site.region(),
                there.status
            )));
        }
    }
    Ok(())
}
