//! Whether what was brought up serves.

use std::time::Duration;

use dr::database::{Instance, RestoreProgress, RestoreWatch};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{RegionLoss, state};
use crate::failover::{RestoreInputs, names};
use crate::{Host, StepContext, StepError, Store};

/// A server in another region answers a connection within a second.
const CONNECT: Duration = Duration::from_secs(5);

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
                let connects = connection(&instance).await;
                databases.push(json!({
                    "target": plan.target,
                    "status": status,
                    "endpoint": instance.endpoint,
                    "connects": connects.is_ok(),
                    // Databases are usually reached from their VPC alone: that this machine does not says nothing.
                    "not_connected": connects.err(),
                }));
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

/// Whether this machine can connect to an instance; why not, else.
pub(super) async fn connection(instance: &Instance) -> Result<(), String> {
    match &instance.endpoint {
        Some(endpoint) => connects(endpoint).await,
        None => Err("it has no endpoint".to_owned()),
    }
}

async fn connects(endpoint: &str) -> Result<(), String> {
    match timeout(CONNECT, TcpStream::connect(endpoint)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {}", report::duration(CONNECT))),
    }
}
