use cli::{Exit, Failure, GlobalArgs};
use cost::{Estimate, Rate};

use super::{show_charted, source};
use crate::args::cost::{EstimateArgs, PaidArgs};

pub(super) async fn run(global: &GlobalArgs, args: &PaidArgs) -> Result<Exit, Failure> {
    let rate = rate(args)?;
    let mut estimate = of(global, &args.estimate).await?;
    if rate.is_some() || !args.tax.is_empty() {
        estimate = estimate.paid(rate, args.tax.clone());
    }
    show_charted(global, &estimate, &args.estimate.pricing)?;
    Ok(Exit::Fine)
}

fn rate(args: &PaidArgs) -> Result<Option<Rate>, Failure> {
    let Some((currency, rate)) = args.currency.zip(args.rate) else {
        return Ok(None);
    };
    let of = args.rate_date.unwrap_or_else(source::today);
    let rate = Rate::new(currency, rate, of).map_err(|error| {
        let error = anyhow::Error::new(error).context("failed to use --rate");
        Failure::new(Exit::Usage, error)
    })?;
    Ok(Some(rate))
}

pub(super) async fn against_guide(
    global: &GlobalArgs,
    args: &EstimateArgs,
) -> Result<Exit, Failure> {
    let beside = of(global, args).await?.against_guide();
    show_charted(global, &beside, &args.pricing)?;
    Ok(Exit::Fine)
}

pub(super) async fn of(global: &GlobalArgs, args: &EstimateArgs) -> Result<Estimate, Failure> {
    let pricing = source::Pricing::new(&args.pricing)?;
    let inventory = source::stack(global, args).await?;
    Ok(pricing.estimate(&inventory))
}
