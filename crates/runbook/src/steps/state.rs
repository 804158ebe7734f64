//! Every Terraform state made ready in the DR region.

use serde_json::{Value, json};
use state_backend::{FailoverPlan, Handover};

use super::RegionLoss;
use crate::{Check, Host, StepError, Store};

async fn plan<S: Store, H: Host>(of: &RegionLoss<'_, S, H>) -> Result<FailoverPlan, StepError> {
    let backend = of.backend().await?;
    let plan = backend.failover_plan(of.host.now()).await;
    let unknown: Vec<String> = plan
        .handover()
        .problems()
        .map(ToString::to_string)
        .collect();
    match unknown.is_empty() {
        true => Ok(plan),
        false => Err(StepError::unchecked(unknown.join("; ")).hint(
            "init-backend status shows it; what cannot be read can be left out with --skip state and a reason",
        )),
    }
}

fn told(handover: &Handover) -> Value {
    let left: Vec<String> = handover.left().map(|left| left.text.clone()).collect();
    json!({
        "states": handover.states.len(),
        "left": left,
        "bucket": handover.bucket,
    })
}

pub(super) async fn check<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
) -> Result<Check, StepError> {
    let plan = plan(of).await?;
    let handover = plan.handover();
    let left: Vec<String> = handover.left().map(|left| left.text.clone()).collect();
    if handover.planned() == 0 && left.is_empty() {
        return Ok(Check::Done(told(handover)));
    }
    let count = handover.planned();
    let states = if count == 1 { "state" } else { "states" };
    let what = match left.is_empty() {
        true => format!("make {count} {states} ready"),
        false => format!(
            "make {count} {states} ready, and leave: {}",
            left.join("; ")
        ),
    };
    Ok(Check::Todo {
        what,
        needs_approval: !left.is_empty(),
    })
}

pub(super) async fn apply<S: Store, H: Host>(of: &RegionLoss<'_, S, H>) -> Result<(), StepError> {
    let backend = of.backend().await?;
    let plan = plan(of).await?;
    backend.failover(&plan.approve(), of.observer).await;
    Ok(())
}

pub(super) async fn verify<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
) -> Result<Value, StepError> {
    let plan = plan(of).await?;
    let handover = plan.handover();
    match handover.planned() {
        0 => Ok(told(handover)),
        more => Err(StepError::wrong(format!("{more} states are not ready"))
            .hint("init-backend failover --dry-run shows them")),
    }
}
