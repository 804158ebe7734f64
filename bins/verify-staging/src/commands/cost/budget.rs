use cli::{Exit, Failure, GlobalArgs};
use cost::{Budget, Verdict};

use super::{estimate, show_charted};
use crate::args::cost::BudgetArgs;

pub(super) async fn run(global: &GlobalArgs, args: &BudgetArgs) -> Result<Exit, Failure> {
    let estimate = estimate::of(global, &args.estimate).await?;
    let budget = Budget::new(&estimate, args.limit, args.scenario.into());
    show_charted(global, &budget, &args.estimate.pricing)?;
    Ok(match budget.verdict {
        Verdict::Within => Exit::Fine,
        Verdict::Over => Exit::Wrong,
        Verdict::Unknown => Exit::Unchecked,
    })
}
