use cli::{Exit, Failure, GlobalArgs, Progress};
use state_backend::{DrBackend, SideName};

use super::roots::{self, Roots, WithRoots};
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
    let endpoints = env.endpoints();
    let roots = Roots::plan(&args.roots, &settings, &endpoints, SideName::Dr).await?;
    let plan = backend.failover_plan(cli::now()).await;
    let roots = roots.beside_plan(plan.handover());
    let planned = plan.handover().planned();
    let hints = super::hints(plan.handover(), SideName::Dr);
    if args.dry_run || planned + roots.len() == 0 {
        roots.print(global, &plan, hints)?;
        return Ok(super::exit_of(plan.handover()).worst(roots.exit()));
    }
    roots.tell(global, &plan, hints)?;
    // Where all of it stays there is nothing to agree to.
    if planned + roots.planned() > 0 {
        let region = plan.handover().to;
        cli::confirm(
            global,
            &format!(
                "Terraform will work in {region} from now on. Make these {planned} states ready{}?",
                roots.question()
            ),
        )?;
    }
    let progress = Progress::new();
    let result = backend.failover(&plan.approve(), &progress).await;
    let turn = async |root: &_, terraform: &_, probe: &_, progress: &Progress| {
        backend.turn_root(root, terraform, probe, progress).await
    };
    let roots = roots.turn(result.handover(), &progress, turn).await;
    let exit = super::exit_of(result.handover()).worst(roots::exit_of(&roots));
    let (result, roots) = (&result, &roots);
    let hints = super::hints(result.handover(), SideName::Dr);
    let printed = WithRoots {
        result,
        roots,
        hints,
    };
    cli::print(global, &printed)?;
    Ok(exit)
}
