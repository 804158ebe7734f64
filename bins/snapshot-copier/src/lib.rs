//! The Lambda function behind `snapshot-copier`: a thin shell over [`dr::database`].
//!
//! Two things call it: RDS, when a snapshot is finished, and a schedule. Both do the same kind of work, none
//! of it waits for a copy to end, and each may happen twice or not at all: RDS promises neither order nor
//! delivery of its events
//! (<https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-cloud-watch-events.html>).

mod configuration;
mod event;
mod log;
mod work;

use aws_env::{AwsEnv, Options};
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::Value;

pub use configuration::{Configuration, ConfigurationError};
pub use event::Event;
pub use work::{Done, Work};

/// Serves invocations until Lambda ends the process. `variable` reads an environment variable.
///
/// # Errors
/// When the configuration is wrong, or Lambda's runtime API does not answer.
pub async fn serve(variable: impl Fn(&str) -> Option<String>) -> Result<(), lambda_runtime::Error> {
    log::begin(variable("AWS_LAMBDA_LOG_FORMAT").as_deref());
    let configuration = Configuration::read(variable)?;
    let env = AwsEnv::load(Options::default()).await?;
    let work = Work::new(&env, configuration);
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| {
        answer(&work, event.payload)
    }))
    .await
}

/// The result as JSON. One that is not as it should be is an error, so that the function's error metric and
/// its alarm see it; its message is the same JSON.
async fn answer(work: &Work, event: Value) -> Result<Value, Diagnostic> {
    let now = jiff::Timestamp::now();
    let done = work.invoke(&event, now).await;
    for one in &done.databases {
        if let Some(seconds) = one.recovery_point_age_seconds {
            log::publish_age(&one.database, seconds, now);
        }
    }
    let failed = |error: serde_json::Error| Diagnostic::from(error.to_string());
    let result = serde_json::to_value(&done).map_err(failed)?;
    // Names and error texts of AWS are in it, and Lambda's console shows it.
    let text = report::escape::json_line(&done).map_err(failed)?;
    if done.is_good() {
        tracing::info!(result = %text, "done");
        return Ok(result);
    }
    tracing::error!(result = %text, "not done");
    Err(Diagnostic {
        error_type: "SnapshotsNotCopied".to_owned(),
        error_message: text,
    })
}
