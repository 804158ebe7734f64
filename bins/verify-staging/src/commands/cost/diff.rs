use cli::{Exit, Failure, GlobalArgs};
use cost::{Budget, Diff, Estimate, Inventory};
use report::Report as _;

use super::{budget, show_charted, source};
use crate::args::cost::DiffArgs;

pub(super) fn run(global: &GlobalArgs, args: &DiffArgs) -> Result<Exit, Failure> {
    let diff = diff(global, args)?;
    if let Some(path) = &args.svg {
        source::write(path, &diff.to_svg())?;
    }
    match &args.svg {
        Some(path) if args.pricing.markdown => {
            let name = path.display().to_string().replace(' ', "%20");
            let picture = format!("![A month by service, before and after]({name})\n\n");
            cli::print_text(&(picture + &diff.document().to_markdown()));
        }
        _ => show_charted(global, &diff, &args.pricing)?,
    }
    Ok(diff.budget.as_ref().map_or(Exit::Fine, budget::exit))
}

type Comparison<'a> = dyn Fn(&Estimate, &Estimate) -> Diff + 'a;

fn diff(global: &GlobalArgs, args: &DiffArgs) -> Result<Diff, Failure> {
    let pricing = source::Pricing::new(&args.pricing)?;
    let policy = budget::policy(&args.limits);
    let compare = |before: &Inventory, after: &Inventory, of: &Comparison<'_>| {
        let (old, new) = (pricing.estimate(before), pricing.estimate(after));
        let diff = of(&old, &new);
        match policy.limits.is_empty() {
            true => diff,
            false => diff.held(Budget::new(&new, after, Some(&old), &policy)),
        }
    };
    if let [from, to] = *args.regions.as_slice() {
        let stack = source::read(global, args.plan.as_deref(), None, args.pricing.dr_region)?;
        let (before, after) = (source::moved(&stack, from)?, source::moved(&stack, to)?);
        return Ok(compare(&before, &after, &|old, new| {
            Diff::of_regions(old, new, from, to)
        }));
    }
    let (Some(before), Some(after)) = (&args.before, &args.after) else {
        let error = anyhow::anyhow!("failed to compare: there are not two plans");
        return Err(Failure::new(Exit::Usage, error));
    };
    let read = |path| source::inventory(global, Some(path), &args.pricing);
    Ok(compare(&read(before)?, &read(after)?, &Diff::new))
}
