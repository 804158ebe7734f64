use cli::{Exit, Failure, GlobalArgs, OutputFormat, Progress};
use state_backend::DrBackend;

use crate::args::FailoverArgs;

pub(crate) async fn run(global: &GlobalArgs, args: &FailoverArgs) -> Result<Exit, Failure> {
    let settings = cli::load_settings(global)?;
    cli::residency_notes(&settings);
    let env = cli::aws_env(Some(&settings)).await?;
    // From here on nothing can call another region.
    let dr = env.dr_only(settings.regions.dr);
    let backend = DrBackend::connect(&settings, &dr)
        .await
        .map_err(super::not_connected)?;
    let plan = backend.failover_plan(cli::now()).await;
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
        &format!("Terraform will work in {region} from now on. Make these {planned} states ready?"),
    )?;
    let done = backend.failover(&plan.approve(), &Progress::new()).await;
    cli::print(global, &done)?;
    Ok(super::exit_of(done.handover()))
}
