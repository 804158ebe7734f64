use cli::{Exit, Failure, GlobalArgs, OutputFormat, Progress};
use report::{Document, Report};
use serde::Serialize;
use state_backend::{Applied, Backend, Canary, CanaryError};

use crate::args::ApplyArgs;

/// What `apply` prints.
#[derive(Serialize)]
struct Outcome {
    #[serde(flatten)]
    applied: Applied,
    /// Null when it was skipped, or nothing was changed that it could prove.
    canary: Option<Canary>,
}

impl Report for Outcome {
    fn document(&self) -> Document {
        let document = self.applied.document();
        match &self.canary {
            Some(canary) => canary.document().sections().iter().fold(
                document,
                |document, section| match section {
                    report::Section::Text(text) => document.text(text.clone()),
                    _ => document,
                },
            ),
            None => document,
        }
    }
}

pub(crate) async fn run(global: &GlobalArgs, args: &ApplyArgs) -> Result<Exit, Failure> {
    let backend = super::connect(global).await?;
    let plan = backend.plan().await;
    let refused = plan.refused().next().is_some();
    let pending = plan.pending().count();
    if refused {
        cli::print(global, &plan)?;
        return Ok(Exit::Refused);
    }
    if pending > 0 {
        if global.output == OutputFormat::Table {
            cli::print(global, &plan)?;
        }
        cli::confirm(global, &format!("Make these {pending} changes?"))?;
    }
    let progress = Progress::new();
    let applied = backend.apply(&plan, &progress).await;
    let provable = applied.is_complete() && applied.has_changed() && backend.spec().dr.is_some();
    let (canary, failure) = if provable && !args.skip_canary {
        match fly(&backend, args.canary.canary_timeout, &progress).await {
            Ok(canary) => (Some(canary), None),
            Err(failure) => (None, Some(failure)),
        }
    } else {
        (None, None)
    };
    let complete = applied.is_complete();
    let outcome = Outcome { applied, canary };
    match failure {
        // The error is the one JSON document then.
        Some(failure) if global.output == OutputFormat::Json => return Err(failure),
        Some(failure) => {
            cli::print(global, &outcome)?;
            return Err(failure);
        }
        None => cli::print(global, &outcome)?,
    }
    Ok(if complete {
        Exit::Fine
    } else {
        Exit::Unchecked
    })
}

/// Flies the canary with a token of its own.
pub(super) async fn fly(
    backend: &Backend,
    timeout: std::time::Duration,
    progress: &Progress,
) -> Result<Canary, Failure> {
    let options = state_backend::CanaryOptions {
        timeout,
        token: format!("replication canary {} {}\n", cli::now(), std::process::id()),
    };
    backend.canary(&options, progress).await.map_err(|error| {
        let exit = match &error {
            CanaryError::Failed | CanaryError::Altered => Exit::Wrong,
            CanaryError::Call(_) | CanaryError::TimedOut { .. } | CanaryError::NoDrRegion => {
                Exit::Unchecked
            }
        };
        Failure::new(
            exit,
            anyhow::Error::new(error).context("failed to prove replication"),
        )
        .hint("the backend itself is in place; try `init-backend verify --canary` again later")
    })
}
