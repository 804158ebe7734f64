//! What a month costs before and after a plan.

use anyhow::Context as _;
use cli::{Exit, Failure};
use cost::{
    Diff, Estimate, Increase, Inventory, InventoryError, Options, PriceBook, Scenario, Usage, Usd,
};
use jiff::tz::TimeZone;
use settings::Settings;

use crate::args::plan::LimitArgs;

/// A usage file is never this large.
const MOST_USAGE: u64 = 16 << 20;

/// With what plans are priced.
pub(crate) struct Pricing {
    usage: Usage,
    book: PriceBook,
    options: Options,
    pub(crate) limit: Option<Usd>,
}

/// What a plan holds and costs.
pub(crate) struct Priced {
    /// What it would leave behind.
    pub(crate) after: Inventory,
    pub(crate) diff: Diff,
    /// Against the limit, where there is one.
    pub(crate) increase: Option<Increase>,
}

impl Pricing {
    pub(crate) fn new(args: &LimitArgs) -> Result<Self, Failure> {
        let usage = || -> anyhow::Result<Usage> {
            match &args.usage {
                None => Ok(Usage::default()),
                Some(path) => {
                    let text = cli::read_text(path, MOST_USAGE)?;
                    Usage::parse(&text).with_context(|| format!("failed to use {}", path.display()))
                }
            }
        };
        let book = PriceBook::builtin().context("failed to use the price book");
        let usage_error = |error| Failure::new(Exit::Usage, error);
        Ok(Self {
            usage: usage().map_err(usage_error)?,
            book: book.map_err(usage_error)?,
            options: Options::on(cli::now().to_zoned(TimeZone::UTC).date()),
            limit: args.max_increase,
        })
    }

    /// The cost of what `terraform show -json` wrote of a plan.
    pub(crate) fn price(&self, json: &[u8], settings: &Settings) -> Result<Priced, InventoryError> {
        let regions = settings.regions;
        let after = Inventory::from_terraform(json, None, Some(regions.dr))?;
        let before = Inventory::before_plan(json, &after)?;
        let estimate = |of: &Inventory| Estimate::new(of, &self.usage, &self.book, self.options);
        let diff = Diff::new(&estimate(&before), &estimate(&after));
        let increase = self
            .limit
            .map(|limit| Increase::new(&diff, limit, Scenario::Expected));
        Ok(Priced {
            after,
            diff,
            increase,
        })
    }
}
