mod actual;
mod budget;
mod diff;
mod estimate;
mod prices;
mod recovery;
mod refresh;
mod source;
mod tips;
mod usage;

use cli::{Exit, Failure, GlobalArgs};
use cost::Charted;
use report::Report;

use crate::args::cost::{CostCommand, PricesCommand, PricingArgs};

pub(super) async fn run(global: &GlobalArgs, command: &CostCommand) -> Result<Exit, Failure> {
    match command {
        CostCommand::Estimate(args) => estimate::run(global, args).await,
        CostCommand::Guide(args) => estimate::against_guide(global, args).await,
        CostCommand::Recovery(args) => recovery::run(global, args).await,
        CostCommand::Tips(args) => tips::run(global, args).await,
        CostCommand::Diff(args) => diff::run(global, args),
        CostCommand::Budget(args) => budget::run(global, args).await,
        CostCommand::Usage(args) => usage::run(global, args).await,
        CostCommand::Actual(args) => actual::run(global, args).await,
        CostCommand::Prices(PricesCommand::Show(args)) => prices::show(global, args),
        CostCommand::Prices(PricesCommand::Check(args)) => prices::check(global, args),
        CostCommand::Prices(PricesCommand::Refresh(args)) => refresh::run(global, args).await,
    }
}

/// As a table, JSON, or Markdown.
fn show<R: Report>(global: &GlobalArgs, result: &R, markdown: bool) -> Result<(), Failure> {
    if markdown {
        cli::print_text(&result.document().to_markdown());
        return Ok(());
    }
    cli::print(global, result)
}

/// As a table, JSON, Markdown, or a page with charts.
fn show_charted<R: Charted>(
    global: &GlobalArgs,
    result: &R,
    pricing: &PricingArgs,
) -> Result<(), Failure> {
    if pricing.html {
        let about = [
            ("Made".to_owned(), source::today().to_string()),
            ("Version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ];
        cli::print_text(&result.to_html(about));
        return Ok(());
    }
    show(global, result, pricing.markdown)
}
