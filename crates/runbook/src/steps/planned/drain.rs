//! Writers that stand still: by the word of whoever agreed to it, and by a command of the project that proves it.

use futures::FutureExt as _;
use serde_json::{Value, json};

use super::PlannedMove;
use crate::failback::names;
use crate::steps::hook::{self, HookInputs};
use crate::steps::{inputs, look};
use crate::{Check, Host, PlannedStep, StepContext, StepError, StepId, Store};

/// The step as one that runs the command of the proof.
fn proving(step: &PlannedStep, proof: &HookInputs) -> PlannedStep {
    PlannedStep {
        inputs: json!(proof),
        ..step.clone()
    }
}

pub(super) async fn check<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    step: &PlannedStep,
    context: &StepContext<'_>,
) -> Result<Check, StepError> {
    let proof: Option<HookInputs> = inputs(step)?;
    if proof.is_some() {
        return hook::check(of.beside_source(), step, context)
            .boxed_local()
            .await;
    }
    Ok(look(&format!(
        "go on without writers in {}",
        of.source().region()
    )))
}

pub(super) async fn apply<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    step: &PlannedStep,
    context: &StepContext<'_>,
) -> Result<(), StepError> {
    let proof: Option<HookInputs> = inputs(step)?;
    match proof {
        Some(_) => {
            let applied = hook::apply(of.beside_source(), step, context);
            applied.boxed_local().await
        }
        None => Ok(()),
    }
}

/// The time at which writers stood still, by the clock of RDS in the region that is left.
pub(super) async fn verify<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    step: &PlannedStep,
    context: &StepContext<'_>,
) -> Result<Value, StepError> {
    let proof: Option<HookInputs> = inputs(step)?;
    let printed = proof.and_then(|_| hook::printed(context));
    let site = of.rds_source();
    site.instances().await?;
    let now = of.host().now();
    Ok(json!({"at": now, "rds": site.time(now), "printed": printed}))
}

/// Runs the command of the proof in the step that can not be taken back: what it prints has to be what it printed when writers
/// stood still.
pub(super) async fn prove<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    step: &PlannedStep,
    proof: Option<&HookInputs>,
    context: &StepContext<'_>,
) -> Result<(), StepError> {
    let Some(proof) = proof else {
        return Ok(());
    };
    let then = context.result(&StepId::new(names::DRAIN));
    let then = then.and_then(|then| then.get("printed")?.as_str().map(str::to_owned));
    let Some(then) = then else {
        // Somebody has left the step out, with a reason that is on record.
        return Ok(());
    };
    let step = proving(step, proof);
    let view = of.beside_source();
    // Ends what an attempt before has left of it.
    hook::check(view, &step, context).boxed_local().await?;
    hook::apply(view, &step, context).boxed_local().await?;
    let now = hook::printed(context).map(|digest| digest.to_string());
    match now.as_deref() == Some(then.as_str()) {
        true => Ok(()),
        false => Err(StepError::wrong(format!(
            "{} does not print what it printed when writers stood still: something has written in {} since, and the last \
             snapshot lacks it",
            hook::shown(&proof.hook.command),
            of.source().region()
        ))
        .hint("give the run up with `dr-runbook runs abandon`, and begin another one when nothing writes")),
    }
}
