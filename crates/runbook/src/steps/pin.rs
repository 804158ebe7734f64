//! Recovery points kept from deletion, since later steps and other runs rely on them.

use dr::database::{hold_deletions, pin};

use super::{RegionLoss, inputs, run_name};
use crate::{Check, Host, PlannedStep, StepContext, StepError, Store};

pub(super) fn check(step: &PlannedStep) -> Result<Check, StepError> {
    let arns: Vec<String> = inputs(step)?;
    let count = arns.len();
    // What carries the tags already gets them once more: that is one call each, and needs no look before.
    Ok(Check::Todo {
        what: format!(
            "tag {count} recovery {}, and hold deletions of copies",
            if count == 1 { "point" } else { "points" }
        ),
        needs_approval: false,
    })
}

pub(super) async fn apply<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
    step: &PlannedStep,
    context: &StepContext<'_>,
) -> Result<(), StepError> {
    let (site, run, now) = (of.databases(), run_name(context)?, of.host.now());
    let arns: Vec<String> = inputs(step)?;
    for arn in arns.iter().filter(|arn| !arn.is_empty()) {
        pin(&site, arn, &run, now).await?;
    }
    let primary = of.settings.regions.primary;
    for database in &of.settings.databases {
        hold_deletions(&site, database, primary, &run, now).await?;
    }
    Ok(())
}
