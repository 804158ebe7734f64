//! An estimate against a limit.

use report::{Document, Mark, Report};
use serde::Serialize;

use crate::estimate::Estimate;
use crate::money::{Usd, UsdRange};
use crate::quantity::Scenario;

/// Whether an estimate keeps a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The total is the limit or less.
    Within,
    /// The total is more than the limit.
    Over,
    /// What has a price does, but something has none.
    Unknown,
}

/// An estimate against a limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Budget {
    /// At most this much a month.
    pub limit: Usd,
    /// The usage that the limit is for.
    pub scenario: Scenario,
    /// The total that is held against the limit.
    pub usd: Usd,
    /// With little, expected and much usage.
    pub total: UsdRange,
    /// Something has no price, so that it costs more than this.
    pub lower_bound: bool,
    /// Whether it is kept.
    pub verdict: Verdict,
}

impl Budget {
    /// Holds the estimate against `limit` dollars a month.
    pub fn new(estimate: &Estimate, limit: Usd, scenario: Scenario) -> Self {
        let usd = estimate.total.get(scenario);
        let verdict = match usd > limit {
            // A lower bound above the limit is above it all the more.
            true => Verdict::Over,
            false if estimate.lower_bound => Verdict::Unknown,
            false => Verdict::Within,
        };
        Self {
            limit,
            scenario,
            usd,
            total: estimate.total,
            lower_bound: estimate.lower_bound,
            verdict,
        }
    }
}

impl Report for Budget {
    const KIND: &'static str = "cost-budget";

    fn document(&self) -> Document {
        let (mark, verdict) = match self.verdict {
            Verdict::Within => (Mark::Ok, "within"),
            Verdict::Over => (Mark::Wrong, "over"),
            Verdict::Unknown => (Mark::Unknown, "unknown: something has no price"),
        };
        let usage = match self.scenario {
            Scenario::Low => "low",
            Scenario::Expected => "expected",
            Scenario::High => "high",
        };
        let row = vec![
            verdict.to_owned(),
            self.usd.to_string(),
            self.limit.to_string(),
            (self.limit - self.usd).to_string(),
            usage.to_owned(),
        ];
        Document::new().heading("Budget").table(
            ["Verdict", "A month", "Limit", "Left", "Usage"],
            vec![(mark, row)],
        )
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use settings::Settings;

    use super::*;
    use crate::estimate::Options;
    use crate::inventory::Inventory;
    use crate::prices::PriceBook;
    use crate::usage::Usage;

    #[test]
    fn budget_of_a_lower_bound_is_over_or_unknown_and_never_within() {
        let today = date(2026, 11, 22);
        let settings = include_str!("../../../examples/berthcare-staging/infra.toml");
        let inventory = Inventory::from_settings(&Settings::parse(settings, today).unwrap());
        let book = PriceBook::builtin().unwrap();
        let price = |inventory: &Inventory| {
            Estimate::new(inventory, &Usage::default(), &book, Options::on(today))
        };
        let known = price(&inventory);
        let limit = known.total.expected;
        let verdict =
            |estimate: &Estimate, limit, scenario| Budget::new(estimate, limit, scenario).verdict;
        assert_eq!(verdict(&known, limit, Scenario::Expected), Verdict::Within);
        let cent = Usd::new(rust_decimal::Decimal::new(1, 2));
        assert_eq!(
            verdict(&known, limit - cent, Scenario::Expected),
            Verdict::Over
        );
        assert_eq!(verdict(&known, limit, Scenario::High), Verdict::Over);
        let region = inventory.region.unwrap();
        let west = price(&inventory.moved(region, "ca-west-1".parse().unwrap()));
        assert_eq!(verdict(&west, limit, Scenario::Expected), Verdict::Unknown);
        assert_eq!(verdict(&west, cent, Scenario::Expected), Verdict::Over);
    }
}
