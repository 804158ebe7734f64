//! What S3 charges for copies between regions, on demand, in US dollars.
//!
//! Figures that public documents quote, none read from AWS: `confidence` says how many do. A region or class
//! that is not here has no known price, and an estimate says so.

use std::fmt;
use std::iter::Sum;
use std::ops::AddAssign;

use serde::{Serialize, Serializer};

/// US dollars, in billionths: money is never a float.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Usd(u128);

impl Usd {
    /// So many billionths of a dollar.
    pub const fn from_nanos(nanos: u128) -> Self {
        Self(nanos)
    }

    /// The price of `quantity` units, of which a price is for `per`; rounded up to a billionth.
    fn times(self, quantity: u64, per: u64) -> Self {
        let total = self.0.saturating_mul(u128::from(quantity));
        Self(total.div_ceil(u128::from(per.max(1))))
    }
}

impl AddAssign for Usd {
    fn add_assign(&mut self, other: Self) {
        self.0 = self.0.saturating_add(other.0);
    }
}

impl Sum for Usd {
    fn sum<I: Iterator<Item = Self>>(sums: I) -> Self {
        sums.fold(Self::default(), |mut total, usd| {
            total += usd;
            total
        })
    }
}

impl fmt::Display for Usd {
    /// In cents, rounded up.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cents = self.0.div_ceil(10_000_000);
        write!(f, "${}.{:02}", cents / 100, cents % 100)
    }
}

impl Serialize for Usd {
    /// All nine places, as text: a number of JSON is a float to many readers.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (dollars, nanos) = (self.0 / 1_000_000_000, self.0 % 1_000_000_000);
        serializer.collect_str(&format_args!("{dollars}.{nanos:09}"))
    }
}

/// What is paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item<'a> {
    /// A PUT, COPY or POST request for a storage class, or a LIST request for STANDARD.
    Request(&'a str),
    /// A gibibyte to another region.
    Transfer(&'a str),
    /// A job of Batch Operations.
    Job,
    /// An object that a job has worked on.
    JobObject,
}

/// A price.
#[derive(Debug)]
pub(super) struct Price {
    region: &'static str,
    item: Item<'static>,
    usd: Usd,
    /// Units that the price is for.
    per: u64,
    /// When the document quoted it.
    pub(super) as_of: &'static str,
    pub(super) confidence: &'static str,
}

const fn price(
    region: &'static str,
    item: Item<'static>,
    nanos: u128,
    per: u64,
    as_of: &'static str,
    confidence: &'static str,
) -> Price {
    Price {
        region,
        item,
        usd: Usd(nanos),
        per,
        as_of,
        confidence,
    }
}

const CENT: u128 = 10_000_000;
const GIB: u64 = 1 << 30;
const ONE: &str = "quoted by 1";
const TWO: &str = "quoted by 2";

static PRICES: [Price; 14] = [
    price(
        "ca-central-1",
        Item::Request("STANDARD"),
        CENT * 55 / 100,
        1_000,
        "2026-08-24",
        TWO,
    ),
    price(
        "us-east-1",
        Item::Request("STANDARD"),
        CENT / 2,
        1_000,
        "2026-09-24",
        ONE,
    ),
    price(
        "us-east-1",
        Item::Request("STANDARD_IA"),
        CENT,
        1_000,
        "2026-09-24",
        ONE,
    ),
    price(
        "us-east-1",
        Item::Request("GLACIER_IR"),
        CENT * 2,
        1_000,
        "2026-09-24",
        ONE,
    ),
    price(
        "us-east-1",
        Item::Request("GLACIER"),
        CENT * 3,
        1_000,
        "2026-09-24",
        ONE,
    ),
    price(
        "ca-central-1",
        Item::Transfer("us-east-1"),
        CENT * 2,
        GIB,
        "2026-10-07",
        ONE,
    ),
    price(
        "ca-central-1",
        Item::Transfer("ca-west-1"),
        CENT * 2,
        GIB,
        "2026-09",
        ONE,
    ),
    price(
        "us-east-1",
        Item::Transfer("ca-central-1"),
        CENT * 2,
        GIB,
        "2026-09-24",
        ONE,
    ),
    price("ca-central-1", Item::Job, CENT * 25, 1, "2026-09", ONE),
    price("us-east-1", Item::Job, CENT * 25, 1, "2026-09-24", ONE),
    price(
        "ca-central-1",
        Item::JobObject,
        CENT * 100,
        1_000_000,
        "2026-09",
        ONE,
    ),
    price(
        "us-east-1",
        Item::JobObject,
        CENT * 100,
        1_000_000,
        "2026-09-24",
        ONE,
    ),
    // Nothing is charged within a region: <https://aws.amazon.com/s3/pricing/>.
    price(
        "ca-central-1",
        Item::Transfer("ca-central-1"),
        0,
        GIB,
        "2026-09",
        ONE,
    ),
    price(
        "us-east-1",
        Item::Transfer("us-east-1"),
        0,
        GIB,
        "2026-09",
        ONE,
    ),
];

impl Price {
    pub(super) fn find(region: &str, item: Item<'_>) -> Option<&'static Self> {
        PRICES
            .iter()
            .find(|price| price.region == region && price.item == item)
    }

    pub(super) fn of(&self, quantity: u64) -> Usd {
        self.usd.times(quantity, self.per)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_exact_and_shown_in_cents_rounded_up() {
        let usd = |nanos| Usd::from_nanos(nanos).to_string();
        assert_eq!(usd(0), "$0.00");
        assert_eq!(usd(1), "$0.01");
        assert_eq!(usd(12_340_000_000), "$12.34");
        assert_eq!(usd(12_340_000_001), "$12.35");
        let json = serde_json::to_string(&Usd::from_nanos(1_000_000_005)).unwrap();
        assert_eq!(json, "\"1.000000005\"");
    }

    #[test]
    fn prices_are_those_of_their_documents() {
        let cost = |region, item, quantity| Price::find(region, item).unwrap().of(quantity);
        let standard = Item::Request("STANDARD");
        assert_eq!(
            cost("ca-central-1", standard, 1_000_000).to_string(),
            "$5.50"
        );
        assert_eq!(cost("us-east-1", standard, 1_000_000).to_string(), "$5.00");
        let out = Item::Transfer("us-east-1");
        assert_eq!(cost("ca-central-1", out, 1_024 * GIB).to_string(), "$20.48");
        assert_eq!(
            cost("us-east-1", Item::JobObject, 2_500_000).to_string(),
            "$2.50"
        );
        assert_eq!(cost("us-east-1", Item::Job, 2).to_string(), "$0.50");
        assert!(Price::find("eu-west-1", standard).is_none());
        assert!(Price::find("ca-central-1", Item::Request("GLACIER")).is_none());
    }
}
