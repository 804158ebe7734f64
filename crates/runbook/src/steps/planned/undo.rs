//! What a switchover has changed that was given up before its cut-over, put back.

use dr::database::start as start_instance;
use dr::objects::{FencePlan, FenceWanted, RunId, apply_fence, plan_fence};
use serde_json::{Value, json};

use super::PlannedMove;
use super::databases::{WAITER, retire_failed, while_there};
use crate::planned::SourceInstance;
use crate::steps::{fence, inputs};
use crate::{Check, Host, PlannedStep, StepContext, StepError, Store};

pub(super) async fn check_start<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    step: &PlannedStep,
) -> Result<Check, StepError> {
    let source: SourceInstance = inputs(step)?;
    let site = of.rds_source();
    let there = site.instance(&source.instance).await?;
    let status = there.map_or_else(|| "gone".to_owned(), |there| there.status);
    Ok(match status.as_str() {
        "available" => Check::Done(json!({"status": status})),
        _ => Check::Todo {
            what: format!("start {}, which is {status}", source.instance),
            needs_approval: false,
        },
    })
}

pub(super) async fn start<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    step: &PlannedStep,
    context: &StepContext<'_>,
) -> Result<(), StepError> {
    let source: SourceInstance = inputs(step)?;
    let site = of.rds_source();
    let (id, whose) = (&source.instance, &source.whose);
    let work = async {
        let started = start_instance(&site, id, whose, WAITER, of.target.observer);
        started.await.map_err(retire_failed)
    };
    while_there(of, of.source(), context, work).await
}

pub(super) async fn verify_start<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    step: &PlannedStep,
) -> Result<Value, StepError> {
    match check_start(of, step).await? {
        Check::Done(done) => Ok(done),
        _ => Err(StepError::wrong("it was started, and does not serve")),
    }
}

async fn fences<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    step: &PlannedStep,
) -> Result<FencePlan, StepError> {
    let switchover: RunId = inputs(step)?;
    let buckets = of.pairing().replicas();
    let wanted = FenceWanted::Unfenced;
    Ok(plan_fence(&of.both.dr_only(), &buckets, &switchover, wanted).await)
}

pub(super) async fn check_unfence<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    step: &PlannedStep,
) -> Result<Check, StepError> {
    let plan = fences(of, step).await?;
    Ok(match plan.holds() {
        true => Check::Done(json!(plan)),
        false => Check::Todo {
            what: "let replicas into the DR buckets again".to_owned(),
            needs_approval: false,
        },
    })
}

pub(super) async fn unfence<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    step: &PlannedStep,
) -> Result<(), StepError> {
    let plan = fences(of, step).await?;
    apply_fence(&of.both.dr_only(), &plan).await;
    Ok(())
}

pub(super) async fn verify_unfence<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    step: &PlannedStep,
) -> Result<Value, StepError> {
    let plan = fences(of, step).await?;
    fence::let_in(&plan)?;
    Ok(json!(plan))
}
