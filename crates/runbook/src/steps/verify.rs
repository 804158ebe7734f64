//! Whether what was brought up serves.

use dr::database::{Instance, RestoreProgress, RestoreWatch};
use probe::ServerConnection;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{RegionLoss, state};
use crate::failover::{RestoreInputs, names};
use crate::{Host, StepContext, StepError, Store};

pub(super) async fn verify<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
    context: &StepContext<'_>,
) -> Result<Value, StepError> {
    let run = context.state();
    let site = of.databases();
    let mut databases = Vec::new();
    for step in run
        .plan
        .steps
        .iter()
        .filter(|step| step.id.kind() == names::RESTORE)
    {
        if run.result(&step.id).is_none() {
            continue;
        }
        let RestoreInputs { plan, .. } =
            RestoreInputs::deserialize(&step.inputs).map_err(StepError::refused)?;
        let mut watch = RestoreWatch::new(&site, &plan);
        match watch.poll().await.map_err(StepError::unchecked)? {
            RestoreProgress::Ready {
                status, instance, ..
            } => {
                databases.push(serving(&status, &instance).await?);
            }
            other => {
                return Err(StepError::wrong(format!(
                    "{} does not serve: {other}",
                    plan.target
                )));
            }
        }
    }
    let states = state::verify(of).await?;
    Ok(json!({"databases": databases, "states": states}))
}

/// A database that serves by its status, for the record, with whether its server accepts connections.
///
/// # Errors
/// When it was reached and accepts none.
pub(super) async fn serving(status: &str, instance: &Instance) -> Result<Value, StepError> {
    let connection = connection(instance).await;
    if let ServerConnection::Rejected { why } = &connection {
        let id = &instance.id;
        return Err(StepError::wrong(format!(
            "{id} is {status} and does not accept connections: {why}"
        )));
    }
    Ok(json!({
        "target": instance.id,
        "status": status,
        "endpoint": instance.endpoint,
        "connection": connection,
    }))
}

/// Whether the server of an instance accepts connections, as far as that can be tried from here.
pub(super) async fn connection(instance: &Instance) -> ServerConnection {
    ServerConnection::to(instance.endpoint.as_deref(), instance.engine_name()).await
}
