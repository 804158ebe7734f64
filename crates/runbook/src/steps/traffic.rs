//! The object that turns traffic: a health check of Route 53 reads it, so that no record is changed in the outage.

use ::terraform::Outputs;
use serde_json::{Value, json};

use super::RegionLoss;
use crate::lease::causes;
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

/// Whether there is something to turn traffic to, by the outputs of the DR environment, as `terraform/environments/dr` has them.
#[derive(Debug, PartialEq, Eq)]
enum Application {
    /// The environment has none, or says nothing of it.
    Elsewhere,
    Started,
    /// Its cluster, in which no service is.
    Stopped {
        cluster: String,
    },
    Unknown(String),
}

impl Application {
    fn of(outputs: &Outputs) -> Self {
        let text = |name: &str| outputs.0.get(name).and_then(|output| output.value.as_str());
        match (text("ecs_cluster_name"), text("ecs_service_name")) {
            (None, _) => Self::Elsewhere,
            (Some(_), Some(_)) => Self::Started,
            (Some(cluster), None) => Self::Stopped {
                cluster: cluster.to_owned(),
            },
        }
    }

    async fn observe<S: Store, H: Host>(
        of: &RegionLoss<'_, S, H>,
        context: &StepContext<'_>,
    ) -> Result<Self, StepError> {
        let root = match &of.root {
            Ok(None) => return Ok(Self::Elsewhere),
            Ok(Some(root)) => root,
            Err(problem) => return Ok(Self::Unknown(problem.clone())),
        };
        tokio::select! {
            outputs = root.terraform.output() => Ok(match outputs {
                Ok(outputs) => Self::of(&outputs),
                Err(error) => Self::Unknown(causes(&error)),
            }),
            () = context.stopped() => Err(StepError::interrupted()),
        }
    }
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
    if there.is_some_and(|there| there.bytes == content(context)) {
        return Ok(Check::Done(json!({"marker": store.place(KEY)})));
    }
    let region = of.dr.region().region();
    let what = format!("turn traffic to {region} by {}", store.place(KEY));
    // Records of Route 53 do not ask whether anybody answers behind them.
    match Application::observe(of, context).await? {
        Application::Elsewhere | Application::Started => Ok(Check::Todo {
            what,
            needs_approval: false,
        }),
        Application::Stopped { cluster } => Err(StepError::refused(format!(
            "the application does not run in {region}: the outputs of the DR environment name the cluster {cluster} and no service"
        ))
        .hint(
            "set start_application to true in failover.auto.tfvars.json of the root module and in failover.variables of the \
             settings, terraform apply, and resume the run",
        )),
        Application::Unknown(why) => Ok(Check::Todo {
            what: format!("{what}; whether the application runs there is not known: {why}"),
            needs_approval: true,
        }),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn application_of_outputs_is_stopped_where_they_name_a_cluster_without_a_service() {
        let of = |outputs: &str| Application::of(&Outputs::parse(outputs.as_bytes()).unwrap());
        let output = |name: &str, value: &str| {
            format!(r#""{name}": {{"sensitive": false, "value": {value}}}"#)
        };
        let cluster = output("ecs_cluster_name", r#""staging-dr""#);
        let of_both = |service: &str| {
            of(&format!(
                "{{{cluster}, {}}}",
                output("ecs_service_name", service)
            ))
        };
        let stopped = Application::Stopped {
            cluster: "staging-dr".to_owned(),
        };
        assert_eq!(of("{}"), Application::Elsewhere);
        let none = output("ecs_cluster_name", "null");
        assert_eq!(of(&format!("{{{none}}}")), Application::Elsewhere);
        assert_eq!(of(&format!("{{{cluster}}}")), stopped);
        assert_eq!(of_both("null"), stopped);
        assert_eq!(of_both(r#""app""#), Application::Started);
    }
}
