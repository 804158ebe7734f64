use cli::{Exit, Failure, GlobalArgs, Interrupts, Progress};
use state_backend::{DrBackend, SideName};

use super::roots::{self, Roots};
use crate::args::FailoverArgs;

const SIDE: SideName = SideName::Dr;

pub(crate) async fn run(
    global: &GlobalArgs,
    args: &FailoverArgs,
    interrupts: &Interrupts,
) -> Result<Exit, Failure> {
    let (settings, env) = super::environment(global).await?;
    // From here on nothing can call another region.
    let dr = env.dr_only(settings.regions.dr);
    let backend = DrBackend::connect(&settings, &dr)
        .await
        .map_err(super::not_connected)?;
    let roots = Roots::plan(&args.roots, &settings, &env.endpoints(), SIDE).await?;
    let plan = backend.failover_plan(cli::now()).await;
    let roots = roots.beside_plan(plan.handover());
    let shown = (&plan, plan.handover());
    if let Some(exit) = roots.agree(global, args.dry_run, shown, SIDE, "from now on")? {
        return Ok(exit);
    }
    let progress = Progress::new();
    let result = backend.failover(&plan.approve(), &progress).await;
    let turn = async |root: &_, terraform: &_, holder: &_, progress: &Progress| {
        backend.turn_root(root, terraform, holder, progress).await
    };
    let turned = roots
        .turn(result.handover(), interrupts, &progress, turn)
        .await;
    roots::print_done(global, (&result, result.handover()), SIDE, &turned)
}
