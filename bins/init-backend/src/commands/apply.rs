use cli::{Exit, Failure, GlobalArgs, OutputFormat, Progress};
use state_backend::{Backend, Canary, CanaryError};

use super::Proven;
use crate::args::ApplyArgs;

pub(crate) async fn run(global: &GlobalArgs, args: &ApplyArgs) -> Result<Exit, Failure> {
    let backend = super::connect(global).await?;
    let plan = backend.plan().await;
    let refused = plan.refused().next().is_some();
    let (pending, unknown) = (plan.pending().count(), plan.unknown().count());
    if refused {
        cli::print(global, &plan)?;
        return Ok(Exit::Refused);
    }
    if pending + unknown > 0 {
        match global.output {
            OutputFormat::Table => cli::print(global, &plan)?,
            OutputFormat::Json => cli::tell(&plan),
        }
        let also = match unknown {
            0 => String::new(),
            _ => format!(", and whatever the {unknown} that could not be read turn out to need"),
        };
        cli::confirm(global, &format!("Make these {pending} changes{also}?"))?;
    }
    let progress = Progress::new();
    let applied = backend.apply(&plan, &progress).await;
    let fly_now = !args.skip_canary
        && applied.is_complete()
        && backend.spec().dr.is_some()
        && (applied.has_changed() || unproven(&backend).await?);
    let (canary, failure) = if fly_now {
        match fly(&backend, args.canary.canary_timeout, &progress).await {
            Ok(canary) => (Some(canary), None),
            Err(failure) => (None, Some(failure)),
        }
    } else {
        (None, None)
    };
    let complete = applied.is_complete();
    let outcome = Proven {
        result: applied,
        canary,
    };
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

/// Whether an earlier run began a canary that never came through.
async fn unproven(backend: &Backend) -> Result<bool, Failure> {
    backend
        .canary_pending()
        .await
        .map_err(|error| Failure::aws("look for an earlier canary", error))
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
            CanaryError::KeyOfState => Exit::Usage,
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
