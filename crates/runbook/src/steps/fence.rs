//! Replicas of the lost region kept out of the DR buckets.

use dr::objects::{FencePlan, FenceStep, FenceWanted, RunId, apply_fence, plan_fence};
use serde_json::{Value, json};

use super::{RegionLoss, inputs};
use crate::failover::Buckets;
use crate::run::{list_runs, read_run};
use crate::{Check, Host, PlannedStep, StepContext, StepError, Store};

async fn plan<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
    step: &PlannedStep,
    context: &StepContext<'_>,
) -> Result<FencePlan, StepError> {
    let buckets: Buckets = inputs(step)?;
    let run: RunId = context
        .state()
        .plan
        .run
        .as_str()
        .parse()
        .map_err(StepError::refused)?;
    Ok(plan_fence(&of.dr, &buckets, &run, FenceWanted::Fenced).await)
}

pub(super) async fn check<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
    step: &PlannedStep,
    context: &StepContext<'_>,
) -> Result<Check, StepError> {
    let plan = plan(of, step, context).await?;
    let count = plan.buckets.len();
    if count == 0 {
        return Ok(Check::NotApplicable("no bucket is replicated".to_owned()));
    }
    Ok(
        match plan.holds() && followed(of, &plan).await?.is_empty() {
            true => Check::Done(json!(plan)),
            false => Check::Todo {
                what: format!(
                    "deny replication in the {} of {count} {}",
                    if count == 1 { "policy" } else { "policies" },
                    if count == 1 { "bucket" } else { "buckets" },
                ),
                needs_approval: false,
            },
        },
    )
}

pub(super) async fn apply<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
    step: &PlannedStep,
    context: &StepContext<'_>,
) -> Result<(), StepError> {
    let plan = plan(of, step, context).await?;
    let plan = apply_fence(&of.dr, &plan).await;
    // Its own first: between two fences nothing is let in.
    if plan.holds() {
        for earlier in followed(of, &plan).await? {
            apply_fence(&of.dr, &earlier).await;
        }
    }
    Ok(())
}

/// The fences of failovers that were given up and that this one follows, to be taken away: whoever goes back knows of the last
/// one's alone.
async fn followed<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
    plan: &FencePlan,
) -> Result<Vec<FencePlan>, StepError> {
    let mut fences = Vec::new();
    if plan.buckets.iter().all(|fence| fence.others.is_empty()) {
        return Ok(fences);
    }
    let buckets: Buckets = plan
        .buckets
        .iter()
        .map(|fence| fence.bucket.clone())
        .collect();
    let runs = list_runs(&of.store).await.map_err(StepError::unchecked)?;
    for run in runs {
        let (state, _) = read_run(&of.store, &run)
            .await
            .map_err(StepError::unchecked)?;
        if !state.can_be_followed() {
            continue;
        }
        let run: RunId = run.as_str().parse().map_err(StepError::refused)?;
        let fence = plan_fence(&of.dr, &buckets, &run, FenceWanted::Unfenced).await;
        if !fence.holds() {
            fences.push(fence);
        }
    }
    Ok(fences)
}

pub(super) async fn verify<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
    step: &PlannedStep,
    context: &StepContext<'_>,
) -> Result<Value, StepError> {
    let plan = plan(of, step, context).await?;
    kept_out(&plan).map_err(|error| {
        error.hint(
            "a policy that cannot be changed: leave the step out with --skip fence and a reason, and stop replication in \
             the primary region as soon as it is back",
        )
    })?;
    if let Some(left) = followed(of, &plan).await?.first() {
        let_in(left)?;
    }
    Ok(json!(plan))
}

/// That replicas are kept out by the run's own fence.
pub(super) fn kept_out(plan: &FencePlan) -> Result<(), StepError> {
    match plan.holds() {
        true => Ok(()),
        false => Err(StepError::wrong(format!("not fenced: {}", open(plan)))),
    }
}

/// The buckets that are not as wanted.
fn open(plan: &FencePlan) -> String {
    let buckets = plan.buckets.iter();
    let open = buckets.filter(|bucket| bucket.step != FenceStep::None);
    let open = open.map(|bucket| format!("{}: {}", bucket.bucket.name, bucket.step));
    open.collect::<Vec<_>>().join("; ")
}

/// That replicas are let in again, as far as the run's own fence goes.
pub(super) fn let_in(plan: &FencePlan) -> Result<(), StepError> {
    match plan.holds() {
        true => Ok(()),
        false => Err(
            StepError::wrong(format!("the fence is still there: {}", open(plan))).hint(
                "take the statement DrFence… out of the bucket's policy by hand; then resume",
            ),
        ),
    }
}
