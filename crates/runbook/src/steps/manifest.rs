//! What the DR buckets hold at the failover, for the three-way comparison of a failback.

use dr::objects::{PairedBucket, RunId, keep_manifest};
use serde_json::{Value, json};

use super::{RegionLoss, inputs};
use crate::{Check, Host, PlannedStep, StepContext, StepError, Store};

pub(super) fn check<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
    step: &PlannedStep,
) -> Result<Check, StepError> {
    let bucket: PairedBucket = inputs(step)?;
    Ok(match of.pairing().journals() {
        None => Check::NotApplicable("the settings have no bucket for journals".to_owned()),
        Some(journals) => Check::Todo {
            what: format!("list {} into {}", bucket.name, journals.name),
            needs_approval: false,
        },
    })
}

pub(super) async fn apply<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
    step: &PlannedStep,
    context: &StepContext<'_>,
) -> Result<Value, StepError> {
    let bucket: PairedBucket = inputs(step)?;
    let pairing = of.pairing();
    let Some(journals) = pairing.journals() else {
        return Ok(Value::Null);
    };
    let plan = context.state().plan;
    let run: RunId = plan.run.as_str().parse().map_err(StepError::refused)?;
    files::create_secret_folder(&of.folder).map_err(StepError::unchecked)?;
    let path = of.folder.join(format!("manifest-{}.jsonl", bucket.name));
    let kept = keep_manifest(&of.dr, &bucket, journals, &run, plan.planned, &path).await;
    Ok(json!(kept.map_err(StepError::unchecked)?))
}
