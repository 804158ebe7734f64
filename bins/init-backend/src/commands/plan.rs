use cli::{Exit, Failure, GlobalArgs};

use crate::args::PlanArgs;

pub(crate) async fn run(global: &GlobalArgs, args: &PlanArgs) -> Result<Exit, Failure> {
    let plan = super::connect(global).await?.plan().await;
    cli::print(global, &plan)?;
    let ends = [
        (plan.refused().next().is_some(), Exit::Refused),
        (args.check && plan.pending().next().is_some(), Exit::Wrong),
        (plan.unknown().next().is_some(), Exit::Unchecked),
    ];
    Ok(ends
        .into_iter()
        .filter(|(holds, _)| *holds)
        .map(|(_, exit)| exit)
        .collect())
}
