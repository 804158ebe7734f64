use cli::{Exit, Failure, GlobalArgs};
use cost::Recovery;
use rust_decimal::Decimal;

use super::{show_charted, source};
use crate::args::cost::RecoveryArgs;

pub(super) async fn run(global: &GlobalArgs, args: &RecoveryArgs) -> Result<Exit, Failure> {
    let of = &args.estimate;
    let source::Pricing {
        usage,
        book,
        options,
    } = source::Pricing::new(&of.pricing)?;
    let inventory = source::stack(global, of).await?;
    let drill = Decimal::from(args.drill_hours);
    let recovery = Recovery::new(&inventory, &usage, &book, options, drill).map_err(|error| {
        let error = anyhow::anyhow!("failed to {error}");
        Failure::new(Exit::Usage, error).hint("name the regions with --region and --dr-region")
    })?;
    show_charted(global, &recovery, &of.pricing)?;
    Ok(Exit::Fine)
}
