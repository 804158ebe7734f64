use cli::{Exit, Failure, GlobalArgs, Progress};
use state_backend::{ConnectError, SideName};

use super::roots::{self, Roots};
use crate::args::FailbackArgs;

const SIDE: SideName = SideName::Primary;

pub(crate) async fn run(global: &GlobalArgs, args: &FailbackArgs) -> Result<Exit, Failure> {
    let (settings, env) = super::environment(global).await?;
    let backend = super::connect_with(&settings, &env).await?;
    let roots = Roots::plan(&args.roots, &settings, &env.endpoints(), SIDE).await?;
    let plan = backend.failback_plan(cli::now()).await;
    let plan = plan.ok_or_else(|| super::not_connected(ConnectError::NoDrSide))?;
    let roots = roots.beside_plan(plan.handover());
    let shown = (&plan, plan.handover());
    if let Some(exit) = roots.agree(global, args.dry_run, shown, SIDE, "again from now on")? {
        return Ok(exit);
    }
    let progress = Progress::new();
    let result = backend.failback(&plan.approve(), &progress).await;
    let turn = async |root: &_, terraform: &_, probe: &_, progress: &Progress| {
        backend.turn_root(root, terraform, probe, progress).await
    };
    let turned = roots.turn(result.handover(), &progress, turn).await;
    roots::print_done(global, (&result, result.handover()), SIDE, &turned)
}
