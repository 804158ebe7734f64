//! The object that turns traffic: a health check of Route 53 reads it, so that no record is changed in the outage.

use serde_json::{Value, json};

use super::RegionLoss;
use crate::store::{S3Store, overwrite};
use crate::{Check, Host, StepContext, StepError, Store};

/// Its key, as `terraform/modules/failover` has it.
pub(crate) const KEY: &str = "failed-over";

fn store<S, H>(of: &RegionLoss<'_, S, H>) -> Option<S3Store> {
    let bucket = of.settings.failover.marker_bucket.as_ref()?;
    Some(S3Store::new(of.dr.region().clients(), bucket.as_str(), ""))
}

fn content(context: &StepContext<'_>) -> Vec<u8> {
    json!({"run": context.state().plan.run, "region": context.state().plan.dr})
        .to_string()
        .into_bytes()
}

pub(super) async fn check<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
    context: &StepContext<'_>,
) -> Result<Check, StepError> {
    let Some(store) = store(of) else {
        return Ok(Check::NotApplicable(
            "the settings name no bucket that says which region serves (failover.marker_bucket)"
                .to_owned(),
        ));
    };
    let there = store.read(KEY).await.map_err(StepError::unchecked)?;
    Ok(
        match there.is_some_and(|there| there.bytes == content(context)) {
            true => Check::Done(json!({"marker": store.place(KEY)})),
            false => Check::Todo {
                what: format!(
                    "turn traffic to {} by {}",
                    of.dr.region().region(),
                    store.place(KEY)
                ),
                needs_approval: false,
            },
        },
    )
}

pub(super) async fn apply<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
    context: &StepContext<'_>,
) -> Result<(), StepError> {
    let Some(store) = store(of) else {
        return Ok(());
    };
    // What it says is for people; that it is there counts, and verifying tells.
    let written = overwrite(&store, KEY, &content(context)).await;
    written.map(|_| ()).map_err(StepError::unchecked)
}

pub(super) async fn verify<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
    context: &StepContext<'_>,
) -> Result<Value, StepError> {
    match check(of, context).await? {
        Check::Done(done) => Ok(done),
        _ => Err(StepError::wrong("the marker was written and is not there")),
    }
}

/// Turns traffic back to the primary region: the object goes.
pub(super) async fn turn_back<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
) -> Result<(), StepError> {
    let Some(bucket) = &of.settings.failover.marker_bucket else {
        return Ok(());
    };
    let clients = of.dr.region().clients();
    let call = clients.call("S3", "DeleteObject", format!("s3://{bucket}/{KEY}"));
    let delete = clients.s3.delete_object().bucket(bucket.as_str()).key(KEY);
    let deleted = delete.send().await.map_err(|error| call.failed(error));
    Ok(deleted.map(drop)?)
}

/// That traffic is the primary region's.
pub(super) async fn is_back<S: Store, H: Host>(of: &RegionLoss<'_, S, H>) -> Result<(), StepError> {
    let Some(store) = store(of) else {
        return Ok(());
    };
    match store.read(KEY).await.map_err(StepError::unchecked)? {
        None => Ok(()),
        Some(_) => Err(StepError::wrong(format!(
            "{} was deleted and is still there",
            store.place(KEY)
        ))),
    }
}
