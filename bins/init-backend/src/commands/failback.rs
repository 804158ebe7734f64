use cli::{Exit, Failure, GlobalArgs, Progress};
use state_backend::{ConnectError, SideName};

use super::roots::{self, Roots, WithRoots};
use crate::args::FailbackArgs;

pub(crate) async fn run(global: &GlobalArgs, args: &FailbackArgs) -> Result<Exit, Failure> {
    let settings = cli::load_settings(global)?;
    let endpoints = cli::aws_env(Some(&settings)).await?.endpoints();
    let backend = super::connect(global).await?;
    let roots = Roots::plan(&args.roots, &settings, &endpoints, SideName::Primary).await?;
    let plan = backend.failback_plan(cli::now()).await;
    let plan = plan.ok_or_else(|| super::not_connected(ConnectError::NoDrSide))?;
    let roots = roots.beside_plan(plan.handover());
    let planned = plan.handover().planned();
    let hints = super::hints(plan.handover(), SideName::Primary);
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
                "Terraform will work in {region} again from now on. Make these {planned} states ready{}?",
                roots.question()
            ),
        )?;
    }
    let progress = Progress::new();
    let result = backend.failback(&plan.approve(), &progress).await;
    let turn = async |root: &_, terraform: &_, probe: &_, progress: &Progress| {
        backend.turn_root(root, terraform, probe, progress).await
    };
    let roots = roots.turn(result.handover(), &progress, turn).await;
    let exit = super::exit_of(result.handover()).worst(roots::exit_of(&roots));
    let (result, roots) = (&result, &roots);
    let hints = super::hints(result.handover(), SideName::Primary);
    let printed = WithRoots {
        result,
        roots,
        hints,
    };
    cli::print(global, &printed)?;
    Ok(exit)
}
