//! How much dearer a month gets, against a limit.

use serde::Serialize;

use crate::budget::Verdict;
use crate::diff::Diff;
use crate::money::Usd;
use crate::quantity::Scenario;

/// The increase of a month's cost against a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Increase {
    /// At most this much more a month.
    pub limit: Usd,
    /// How much more it is; less is negative.
    pub usd: Usd,
    /// Whether the limit is kept.
    pub verdict: Verdict,
}

impl Increase {
    /// Holds what changes against `limit` dollars a month more, with the usage of `scenario`. Where something has no price, on
    /// either side, nobody knows.
    pub fn new(diff: &Diff, limit: Usd, scenario: Scenario) -> Self {
        let usd = diff.change().get(scenario);
        let verdict = match (diff.uncertain, usd > limit) {
            (true, _) => Verdict::Unknown,
            (false, true) => Verdict::Over,
            (false, false) => Verdict::Within,
        };
        Self {
            limit,
            usd,
            verdict,
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use settings::Settings;

    use super::*;
    use crate::estimate::{Estimate, Options};
    use crate::inventory::Inventory;
    use crate::prices::PriceBook;
    use crate::usage::Usage;

    #[test]
    fn increase_is_over_its_limit_by_a_cent_and_unknown_without_a_price() {
        let today = date(2026, 11, 22);
        let settings = include_str!("../../../examples/berthcare-staging/infra.toml");
        let inventory = Inventory::from_settings(&Settings::parse(settings, today).unwrap());
        let book = PriceBook::builtin().unwrap();
        let price = |inventory: &Inventory| {
            Estimate::new(inventory, &Usage::default(), &book, Options::on(today))
        };
        let nothing = Inventory {
            resources: Vec::new(),
            ..inventory.clone()
        };
        let diff = Diff::new(&price(&nothing), &price(&inventory));
        let all = diff.change().expected;
        let cent = Usd::new(rust_decimal::Decimal::new(1, 2));
        let verdict = |diff: &Diff, limit| Increase::new(diff, limit, Scenario::Expected).verdict;
        assert_eq!(verdict(&diff, all), Verdict::Within);
        assert_eq!(verdict(&diff, all - cent), Verdict::Over);
        let cheaper = Diff::new(&price(&inventory), &price(&nothing));
        assert_eq!(verdict(&cheaper, Usd::ZERO), Verdict::Within);
        let west = inventory.moved(inventory.region.unwrap(), "ca-west-1".parse().unwrap());
        let unknown = Diff::new(&price(&nothing), &price(&west));
        assert_eq!(verdict(&unknown, all), Verdict::Unknown);
    }
}
