use cli::{Exit, Failure, GlobalArgs, OutputFormat, Progress};
use state_backend::ConnectError;

use crate::args::FailbackArgs;

pub(crate) async fn run(global: &GlobalArgs, args: &FailbackArgs) -> Result<Exit, Failure> {
    let backend = super::connect(global).await?;
    let plan = backend.failback_plan(cli::now()).await;
    let plan = plan.ok_or_else(|| super::not_connected(ConnectError::NoDrSide))?;
    let planned = plan.handover().planned();
    if args.dry_run || planned == 0 {
        cli::print(global, &plan)?;
        return Ok(super::exit_of(plan.handover()));
    }
    match global.output {
        OutputFormat::Table => cli::print(global, &plan)?,
        OutputFormat::Json => cli::tell(&plan),
    }
    let region = plan.handover().to;
    cli::confirm(
        global,
        &format!(
            "Terraform will work in {region} again from now on. Make these {planned} states ready?"
        ),
    )?;
    let done = backend.failback(&plan.approve(), &Progress::new()).await;
    cli::print(global, &done)?;
    Ok(super::exit_of(done.handover()))
}
