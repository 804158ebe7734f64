use cli::{Exit, Failure, GlobalArgs};
use state_backend::Plan;

use crate::args::PlanArgs;

pub(crate) async fn run(global: &GlobalArgs, args: &PlanArgs) -> Result<Exit, Failure> {
    let plan = super::connect(global).await?.plan().await;
    cli::print(global, &plan)?;
    Ok(exit(&plan, args.check))
}

/// What is unknown outranks what is pending: a plan that could not see everything is no plan.
fn exit(plan: &Plan, check: bool) -> Exit {
    if plan.refused().next().is_some() {
        Exit::Refused
    } else if plan.unknown().next().is_some() {
        Exit::Unchecked
    } else if check && plan.pending().next().is_some() {
        Exit::Wrong
    } else {
        Exit::Fine
    }
}
