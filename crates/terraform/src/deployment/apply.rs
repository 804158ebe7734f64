use std::future::Future;
use std::time::Duration;

use files::FileError;
use jiff::Timestamp;

use super::records::{
    ApplyIntent, ApplyOutcome, CHILD, Ended, INTENT, OUTCOME, ProgressLog, text, write_diagnostics,
};
use super::{ApprovedDeployment, RecordError};
use crate::child::Finished;
use crate::command::Terraform;
use crate::diagnostic::Diagnostic;
use crate::error::Error;
use crate::event::Event;

/// With what a deployment is applied.
#[derive(Clone, Copy)]
pub struct ApplyContext<'a> {
    /// The terraform of this machine, for the deployment's root module.
    pub terraform: &'a Terraform,
    /// This machine since its last start.
    pub machine: &'a str,
    /// Who applies, as `user@host`.
    pub by: &'a str,
    /// How long a lock that another run holds is waited for.
    pub wait_for_lock: Duration,
    /// The clock.
    pub now: &'a dyn Fn() -> Timestamp,
}

/// Why a deployment was not applied, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Somebody else has begun to apply it.
    #[error("the plan of {id} is being applied, or was")]
    Begun {
        /// The name of its folder, as in [`PlannedDeployment::id`](super::PlannedDeployment::id).
        id: String,
    },
    /// A record cannot be written. Nothing is changed that is not on record.
    #[error("the apply is not recorded")]
    Record(#[from] RecordError),
    /// Terraform failed, or was interrupted. That is on record.
    #[error(transparent)]
    Terraform(#[from] Error),
}

impl ApprovedDeployment {
    /// Applies the plan. That it begins is on record before terraform is started, how it ended before this returns. When
    /// `stop` is ready, terraform is interrupted once, and ends what is under way.
    ///
    /// # Errors
    /// When it was begun already, terraform fails, or a record cannot be written.
    pub async fn apply(
        self,
        context: ApplyContext<'_>,
        stop: impl Future<Output = ()>,
        mut on_event: impl FnMut(&Event),
    ) -> Result<Finished, ApplyError> {
        let Self {
            deployment,
            planned,
        } = self;
        let now = context.now;
        let intent = ApplyIntent {
            at: now(),
            by: context.by.to_owned(),
            machine: context.machine.to_owned(),
        };
        match deployment.write(INTENT, &intent) {
            Err(RecordError::File(FileError::Exists { .. })) => {
                return Err(ApplyError::Begun { id: planned.id });
            }
            other => other?,
        }
        let mut log = ProgressLog::open(&deployment)?;
        let plan = deployment.plan_path();
        let ended = match context.terraform.apply(&plan, context.wait_for_lock).await {
            Ok(running) => {
                // Not on record, it could not be waited for; it is interrupted when this returns.
                deployment.write(CHILD, &running.id())?;
                let finished = running.finish(stop, |event| {
                    log.event(event, now());
                    on_event(event);
                });
                finished.await
            }
            Err(error) => Err(error),
        };
        let (how, diagnostics) = match &ended {
            Ok(_) => (Ended::Done, Vec::new()),
            Err(Error::Interrupted { diagnostics, .. }) => {
                (Ended::Interrupted, diagnostics.clone())
            }
            Err(Error::Failed { diagnostics, .. } | Error::Deaf { diagnostics, .. }) => {
                (Ended::Failed, diagnostics.clone())
            }
            Err(_) => (Ended::Failed, Vec::new()),
        };
        keep(&deployment, &diagnostics);
        deployment.write(
            OUTCOME,
            &ApplyOutcome {
                at: now(),
                ended: how,
                changes: ended.as_ref().ok().and_then(|finished| finished.changes),
            },
        )?;
        // It holds values of variables, and will never be applied again.
        if let Err(error) = deployment.discard_plan() {
            tracing::warn!(%error, "the plan file is still there");
        }
        Ok(ended?)
    }
}

/// What terraform said, for the diagnosis. Where it cannot be kept, how it ended still is.
fn keep(deployment: &super::Deployment, diagnostics: &[Diagnostic]) {
    let text = text(diagnostics);
    if text.is_empty() {
        return;
    }
    if let Err(error) = write_diagnostics(deployment, &text) {
        tracing::warn!(%error, "what terraform said is not kept");
    }
}
