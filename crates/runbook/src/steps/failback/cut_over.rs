//! The point of no return: nobody writes in the DR region any more, and the environment is that of the primary region again.
//!
//! Until the mark is turned the DR region serves: a database that was stopped is started again, and nothing is lost.

use dr::database::{Whose, allow_deletion, fence as stop};
use dr::objects::{FencePlan, FenceWanted, apply_fence, plan_fence};
use serde_json::{Value, json};

use super::databases::{WAITER, is_restored, lost, retire_failed, until_stopped};
use super::{Failback, objects, states};
use crate::failback::{CutOverInputs, ObjectsInputs, names};
use crate::steps::{Marker, declare, fence, inputs, traffic};
use crate::{Check, Host, PlannedStep, StepContext, StepError, StepId, StepStatus, Store};

async fn replication<S: Store, H: Host>(
    of: &Failback<'_, S, H>,
    cut_over: &CutOverInputs,
) -> FencePlan {
    let dr = of.both.dr_only();
    let buckets = of.pairing().replicas();
    plan_fence(&dr, &buckets, &cut_over.failover, FenceWanted::Unfenced).await
}

async fn is_back<S: Store, H: Host>(
    of: &Failback<'_, S, H>,
    context: &StepContext<'_>,
) -> Result<bool, StepError> {
    let marker = Marker::read(of.store()).await?;
    let run = context.state().plan.run;
    Ok(marker.is_some_and(|marker| !marker.failed_over && marker.run == run))
}

pub(super) async fn check<S: Store, H: Host>(
    of: &Failback<'_, S, H>,
    step: &PlannedStep,
    context: &StepContext<'_>,
) -> Result<Check, StepError> {
    let cut_over: CutOverInputs = inputs(step)?;
    // Behind the mark the application may write in the primary region: what is proven before it need not hold any more.
    if !is_back(of, context).await? {
        prove(of, &cut_over, context).await?;
    }
    let databases: Vec<&str> = of
        .settings
        .databases
        .iter()
        .map(|database| database.dr_id.as_ref())
        .collect();
    let stop = match databases.is_empty() {
        true => String::new(),
        false => format!("stop {}, ", databases.join(", ")),
    };
    let left = left_out(of, &cut_over, context);
    let left = match left.is_empty() {
        true => String::new(),
        false => format!(
            "leave what was written in the DR region to {}, ",
            left.join(", ")
        ),
    };
    let what = format!(
        "{left}{stop}let replication in and turn {} to {}",
        context.state().plan.environment,
        of.both.primary.region()
    );
    Ok(Check::Todo {
        what,
        needs_approval: true,
    })
}

/// Buckets that the operator has not left out.
fn brought_back<'c>(
    cut_over: &'c CutOverInputs,
    context: &StepContext<'_>,
) -> impl Iterator<Item = &'c ObjectsInputs> {
    let run = context.state();
    cut_over.buckets.iter().filter(move |bucket| {
        let id = StepId::of(names::LAST_OBJECTS, bucket.pair.primary.name.as_ref());
        let step = run.steps.get(&id);
        step.is_none_or(|step| step.status != StepStatus::Skipped)
    })
}

/// What is not brought back, since the operator has left it out.
fn left_out<S: Store, H: Host>(
    of: &Failback<'_, S, H>,
    cut_over: &CutOverInputs,
    context: &StepContext<'_>,
) -> Vec<String> {
    let pairs = of.settings.buckets.iter();
    let mut left: Vec<String> = pairs
        .filter(|pair| {
            let mut brought = brought_back(cut_over, context);
            !brought.any(|bucket| bucket.pair.primary.name == pair.name)
        })
        .map(|pair| pair.dr.to_string())
        .collect();
    let databases = of.settings.databases.iter();
    let databases = databases.filter(|database| !is_restored(context, database));
    left.extend(databases.map(|database| database.dr_id.to_string()));
    left
}

/// That the primary region serves, and that nothing was written in the DR region since it was brought back.
async fn prove<S: Store, H: Host>(
    of: &Failback<'_, S, H>,
    cut_over: &CutOverInputs,
    context: &StepContext<'_>,
) -> Result<(), StepError> {
    super::verify_primary(of).await?;
    for bucket in brought_back(cut_over, context) {
        objects::prove_drained(of, bucket, context).await?;
    }
    states::prove_drained(of, context).await
}

pub(super) async fn apply<S: Store, H: Host>(
    of: &Failback<'_, S, H>,
    step: &PlannedStep,
    context: &StepContext<'_>,
) -> Result<(), StepError> {
    let cut_over: CutOverInputs = inputs(step)?;
    if !is_back(of, context).await? {
        stop_databases(of, context).await?;
        // Stopped, it takes no transaction; what was written to the buckets until then shows now.
        prove(of, &cut_over, context).await?;
        // Before the first write in the primary region: what comes to a bucket while a fence is there is never replicated.
        let plan = replication(of, &cut_over).await;
        apply_fence(&of.both.dr_only(), &plan).await;
        fence::let_in(&replication(of, &cut_over).await)?;
        declare::turn_back(&of.dr, context).await?;
    }
    traffic::turn_back(&of.dr).await
}

async fn stop_databases<S: Store, H: Host>(
    of: &Failback<'_, S, H>,
    context: &StepContext<'_>,
) -> Result<(), StepError> {
    let site = of.rds_dr();
    for database in &of.settings.databases {
        let whose = Whose::Restored {
            database: database.id.to_string(),
        };
        let id: &str = database.dr_id.as_ref();
        let Some(there) = site.instance(id).await? else {
            continue;
        };
        let before = site.time(of.host().now());
        let work = async {
            // RDS changes nothing of a stopped instance, and this one is to be given up.
            if there.status != "stopped" {
                let allowed = allow_deletion(&site, id, &whose, WAITER, of.primary.observer);
                allowed.await.map_err(retire_failed)?;
            }
            let stopped = stop(&site, id, &whose, WAITER, of.primary.observer);
            stopped.await.map_err(retire_failed)
        };
        until_stopped(context, work).await?;
        let note = json!({"stopped": database.id, "loss": lost(context, database, before)});
        context.note(note).await?;
    }
    Ok(())
}

pub(super) async fn verify<S: Store, H: Host>(
    of: &Failback<'_, S, H>,
    step: &PlannedStep,
    context: &StepContext<'_>,
) -> Result<Value, StepError> {
    let cut_over: CutOverInputs = inputs(step)?;
    if !is_back(of, context).await? {
        return Err(StepError::wrong(
            "the mark was turned back and still says otherwise",
        ));
    }
    let site = of.rds_dr();
    for database in &of.settings.databases {
        let there = site.instance(database.dr_id.as_ref()).await?;
        if let Some(there) = there.filter(|there| there.status != "stopped") {
            return Err(StepError::wrong(format!(
                "{} in {} is {}: two databases could be written",
                there.id,
                site.region(),
                there.status
            )));
        }
    }
    fence::let_in(&replication(of, &cut_over).await)?;
    traffic::is_back(&of.dr).await?;
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
