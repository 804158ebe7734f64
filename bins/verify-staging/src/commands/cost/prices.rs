use cli::{Exit, Failure, GlobalArgs};

use super::source;
use crate::args::cost::{CheckArgs, ShowArgs};

pub(super) fn show(global: &GlobalArgs, args: &ShowArgs) -> Result<Exit, Failure> {
    let book = source::book(args.prices.as_deref())?;
    cli::print(global, &book.list(&args.region, args.service))?;
    Ok(Exit::Fine)
}

pub(super) fn check(global: &GlobalArgs, args: &CheckArgs) -> Result<Exit, Failure> {
    let book = source::book(args.prices.as_deref())?;
    let regions = source::regions(global, &args.region)?;
    let check = book.check(&regions, source::oldest(args.max_price_age));
    cli::print(global, &check)?;
    Ok(if check.is_fine() {
        Exit::Fine
    } else {
        Exit::Wrong
    })
}
