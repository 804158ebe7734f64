use cli::{Exit, Failure, GlobalArgs, OutputFormat, Progress};
use state_backend::{Applied, Backend};

use crate::args::ApplyArgs;

pub(crate) async fn run(global: &GlobalArgs, args: &ApplyArgs) -> Result<Exit, Failure> {
    let backend = super::connect(global).await?;
    let plan = backend.plan().await;
    let approved = match plan.approve() {
        Ok(approved) => approved,
        Err(plan) => {
            match global.output {
                OutputFormat::Table => cli::print(global, &plan)?,
                OutputFormat::Json => {
                    super::print_with_canary(global, Applied::refused(&plan), None)?;
                }
            }
            return Ok(Exit::Refused);
        }
    };
    let plan = approved.plan();
    let (pending, unknown) = (plan.pending().count(), plan.unknown().count());
    if pending + unknown > 0 {
        match global.output {
            OutputFormat::Table => cli::print(global, plan)?,
            OutputFormat::Json => cli::tell(plan),
        }
        let also = match unknown {
            0 => String::new(),
            1 => ", and whatever the one that could not be read turns out to need".to_owned(),
            _ => format!(", and whatever the {unknown} that could not be read turn out to need"),
        };
        let changes = match pending {
            1 => "this change".to_owned(),
            more => format!("these {more} changes"),
        };
        cli::confirm(global, &format!("Make {changes}{also}?"))?;
    }
    let progress = Progress::new();
    let applied = backend.apply(&approved, &progress).await;
    let wants_canary = !args.skip_canary
        && applied.is_complete()
        && backend.spec().dr.is_some()
        && (applied.has_changed() || unproven(&backend).await?);
    let canary = match wants_canary {
        true => {
            let timeout = args.canary_options.canary_timeout;
            Some(super::run_canary(&backend, timeout, &progress).await)
        }
        false => None,
    };
    let complete = applied.is_complete();
    super::print_with_canary(global, applied, canary)?;
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
