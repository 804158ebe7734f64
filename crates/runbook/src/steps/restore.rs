//! A database restored from the recovery point that was chosen when the run was planned.

use std::time::Duration;

use aws_env::{Waiter, WaiterConfig};
use dr::database::{RestoreError, RestoreProgress, RestoreWatch, begin_restore};
use probe::ServerConnection;
use serde_json::{Value, json};

use super::verify::connection;
use super::{RegionLoss, inputs};
use crate::failover::RestoreInputs;
use crate::{Check, Host, PlannedStep, StepContext, StepError, StepErrorKind, Store};

/// Large databases take hours; one that takes longer is looked at by a person, and the run resumed.
const WAITER: WaiterConfig = WaiterConfig {
    deadline: Duration::from_hours(12),
    interval: Duration::from_millis(500),
    max_interval: Duration::from_secs(15),
};

fn failed(error: RestoreError) -> StepError {
    let kind = match &error {
        RestoreError::Refused(_) => StepErrorKind::Refused,
        RestoreError::Ended { .. } => StepErrorKind::Wrong,
        RestoreError::Aws(_) | RestoreError::Deadline { .. } => StepErrorKind::Unchecked,
    };
    let hint = error.hint();
    let error = StepError::new(kind, error);
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

pub(super) async fn check<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
    step: &PlannedStep,
) -> Result<Check, StepError> {
    let RestoreInputs { plan, .. } = inputs(step)?;
    let site = of.databases();
    if site.instance(&plan.target).await?.is_some()
        && let Ok(RestoreProgress::Ready { .. }) = RestoreWatch::new(&site, &plan).poll().await
    {
        return Ok(Check::Done(verify(of, step).await?));
    }
    let lost = match plan.rpo_seconds {
        Some(seconds) => report::duration(Duration::from_secs(seconds)),
        None => "an unknown part".to_owned(),
    };
    Ok(Check::Todo {
        what: format!(
            "restore {} as {} from {} {}: {lost} of its latest changes are lost",
            plan.database,
            plan.target,
            plan.choice.kind.name(),
            plan.choice.point
        ),
        needs_approval: plan
            .rpo_seconds
            .is_none_or(|lost| lost > plan.rpo_objective_seconds),
    })
}

pub(super) async fn apply<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
    step: &PlannedStep,
    context: &StepContext<'_>,
) -> Result<(), StepError> {
    let RestoreInputs { plan, .. } = inputs(step)?;
    let site = of.databases();
    let begun = begin_restore(&site, &plan, of.host.now())
        .await
        .map_err(failed)?;
    context
        .note(json!({"target": plan.target, "begun": begun}))
        .await?;
    let label = format!("restore {}", plan.target);
    let mut watch = RestoreWatch::new(&site, &plan);
    let mut waiter = Waiter::begin(WAITER);
    loop {
        let progress = watch.poll().await.map_err(failed)?;
        let mut last = progress.to_string();
        if let RestoreProgress::Ready { instance, .. } = &progress {
            match connection(instance).await {
                ServerConnection::Rejected { why } => {
                    last = format!("{last}, and refuses connections: {why}");
                }
                ServerConnection::Accepted | ServerConnection::Untried { .. } => return Ok(()),
            }
        }
        of.observer.waiting(&label, &last);
        let waited = waiter.elapsed();
        let has_time = tokio::select! {
            has_time = waiter.pause() => has_time,
            () = context.stopped() => return Err(StepError::interrupted()),
        };
        if !has_time {
            return Err(failed(RestoreError::Deadline {
                target: plan.target.clone(),
                waited,
                last,
            }));
        }
    }
}

pub(super) async fn verify<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
    step: &PlannedStep,
) -> Result<Value, StepError> {
    let RestoreInputs { plan, .. } = inputs(step)?;
    let site = of.databases();
    let mut watch = RestoreWatch::new(&site, &plan);
    match watch.poll().await.map_err(failed)? {
        RestoreProgress::Ready {
            instance, problem, ..
        } => Ok(json!(watch.restored(&instance, problem, None, false))),
        other => Err(StepError::wrong(format!(
            "{} is {other} again",
            plan.target
        ))),
    }
}
