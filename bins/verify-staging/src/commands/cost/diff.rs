use cli::{Exit, Failure, GlobalArgs};
use cost::Diff;
use report::Report as _;

use super::{show_charted, source};
use crate::args::cost::DiffArgs;

pub(super) fn run(global: &GlobalArgs, args: &DiffArgs) -> Result<Exit, Failure> {
    let diff = diff(global, args)?;
    let Some(path) = &args.svg else {
        show_charted(global, &diff, &args.pricing)?;
        return Ok(Exit::Fine);
    };
    source::write(path, &diff.to_svg())?;
    if args.pricing.markdown {
        let name = path.display().to_string().replace(' ', "%20");
        let picture = format!("![A month by service, before and after]({name})\n\n");
        cli::print_text(&(picture + &diff.document().to_markdown()));
    } else {
        show_charted(global, &diff, &args.pricing)?;
    }
    Ok(Exit::Fine)
}

fn diff(global: &GlobalArgs, args: &DiffArgs) -> Result<Diff, Failure> {
    let pricing = source::Pricing::new(&args.pricing)?;
    if let [from, to] = *args.regions.as_slice() {
        let stack = source::read(global, args.plan.as_deref(), None, args.pricing.dr_region)?;
        let before = pricing.estimate(&source::moved(&stack, from)?);
        let after = pricing.estimate(&source::moved(&stack, to)?);
        return Ok(Diff::of_regions(&before, &after, from, to));
    }
    let (Some(before), Some(after)) = (&args.before, &args.after) else {
        let error = anyhow::anyhow!("failed to compare: there are not two plans");
        return Err(Failure::new(Exit::Usage, error));
    };
    let read = |path| source::inventory(global, Some(path), &args.pricing);
    Ok(Diff::new(
        &pricing.estimate(&read(before)?),
        &pricing.estimate(&read(after)?),
    ))
}
