use cli::{Exit, Failure, GlobalArgs};
use cost::{Budget, Inventory, Limit, Policy, Verdict};

use super::{show_charted, source};
use crate::args::cost::{BudgetArgs, LimitArgs};

pub(super) async fn run(global: &GlobalArgs, args: &BudgetArgs) -> Result<Exit, Failure> {
    let pricing = source::Pricing::new(&args.estimate.pricing)?;
    let (inventory, before) = stacks(global, args).await?;
    let policy = policy(&args.limits);
    let before = before.map(|before| pricing.estimate(&before));
    let estimate = pricing.estimate(&inventory);
    let budget = Budget::new(&estimate, &inventory, before.as_ref(), &policy);
    show_charted(global, &budget, &args.estimate.pricing)?;
    Ok(exit(&budget))
}

pub(super) fn exit(budget: &Budget) -> Exit {
    match budget.verdict {
        Verdict::Within => Exit::Fine,
        Verdict::Over => Exit::Wrong,
        Verdict::Unknown => Exit::Unchecked,
    }
}

/// The limits that were given, which may be none.
pub(super) fn policy(args: &LimitArgs) -> Policy {
    let total = args.limit.map(Limit::total);
    let increase = args.increase.map(Limit::increase);
    let others = args.service.iter().chain(&args.tag).cloned();
    Policy {
        limits: total.into_iter().chain(others).chain(increase).collect(),
        scenario: args.scenario.into(),
        allow_lower_bound: args.allow_lower_bound,
    }
}

/// What is priced, and what an increase is measured from, where one is limited.
async fn stacks(
    global: &GlobalArgs,
    args: &BudgetArgs,
) -> Result<(Inventory, Option<Inventory>), Failure> {
    let of = &args.estimate;
    if args.limits.increase.is_none() {
        return Ok((source::stack(global, of).await?, None));
    }
    if let Some(before) = &args.before {
        let before = source::inventory(global, Some(before), &of.pricing)?;
        return Ok((source::stack(global, of).await?, Some(before)));
    }
    let Some(plan) = &of.plan else {
        let error = anyhow::anyhow!("failed to measure the increase: there is nothing before it");
        return Err(Failure::new(Exit::Usage, error)
            .hint("name a plan with --plan, or what to compare with by --before"));
    };
    let (after, before) = source::plan_and_before(global, plan, &of.pricing)?;
    Ok((after, Some(before)))
}
