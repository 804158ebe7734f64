use cli::{Exit, Failure, GlobalArgs};
use cost::Estimate;

use super::{show_charted, source};
use crate::args::cost::EstimateArgs;

pub(super) async fn run(global: &GlobalArgs, args: &EstimateArgs) -> Result<Exit, Failure> {
    show_charted(global, &of(global, args).await?, &args.pricing)?;
    Ok(Exit::Fine)
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
