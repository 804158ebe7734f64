use cli::{Exit, Failure, GlobalArgs};
use cost::Estimate;

use super::{show, source};
use crate::args::cost::EstimateArgs;

pub(super) fn run(global: &GlobalArgs, args: &EstimateArgs) -> Result<Exit, Failure> {
    show(global, &of(global, args)?, args.pricing.markdown)?;
    Ok(Exit::Fine)
}

pub(super) fn against_guide(global: &GlobalArgs, args: &EstimateArgs) -> Result<Exit, Failure> {
    let beside = of(global, args)?.against_guide();
    show(global, &beside, args.pricing.markdown)?;
    Ok(Exit::Fine)
}

pub(super) fn of(global: &GlobalArgs, args: &EstimateArgs) -> Result<Estimate, Failure> {
    let pricing = source::Pricing::new(&args.pricing)?;
    let inventory = source::inventory(global, args.plan.as_deref(), &args.pricing)?;
    Ok(pricing.estimate(&inventory))
}
