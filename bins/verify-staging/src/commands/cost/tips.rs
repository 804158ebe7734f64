use cli::{Exit, Failure, GlobalArgs};
use cost::Tips;

use super::{show_charted, source};
use crate::args::cost::EstimateArgs;

pub(super) async fn run(global: &GlobalArgs, args: &EstimateArgs) -> Result<Exit, Failure> {
    let source::Pricing {
        usage,
        book,
        options,
    } = source::Pricing::new(&args.pricing)?;
    let inventory = source::stack(global, args).await?;
    let tips = Tips::new(&inventory, &usage, &book, options);
    show_charted(global, &tips, &args.pricing)?;
    Ok(Exit::Fine)
}
