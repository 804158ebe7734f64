use cli::{Exit, Failure, GlobalArgs};
use cost::Diff;

use super::{show, source};
use crate::args::cost::DiffArgs;

pub(super) fn run(global: &GlobalArgs, args: &DiffArgs) -> Result<Exit, Failure> {
    let pricing = source::Pricing::new(&args.pricing)?;
    let read = |path| source::inventory(global, Some(path), &args.pricing);
    let before = pricing.estimate(&read(&args.before)?);
    let after = pricing.estimate(&read(&args.after)?);
    show(global, &Diff::new(&before, &after), args.pricing.markdown)?;
    Ok(Exit::Fine)
}
