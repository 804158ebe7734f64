use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::Serialize;

use super::{Caveat, Confidence};
use crate::money::Usd;
use crate::quantity::{Unit, as_text};

/// A step of a graduated price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tier {
    /// It begins above this many units a month,
    pub from: Decimal,
    /// and ends with this many; `None` means never.
    pub to: Option<Decimal>,
    /// The price of [`Price::per`] units.
    pub usd: Usd,
    /// When it was read.
    pub as_of: Option<Date>,
    /// How it is known.
    pub confidence: Confidence,
    /// Where it was read.
    pub source: String,
}

impl Tier {
    /// What is to be said about it on a day before which `oldest` counts as old.
    pub fn caveat(&self, oldest: Date) -> Option<Caveat> {
        match (self.confidence, self.as_of) {
            (Confidence::TestData, _) => Some(Caveat::TestData),
            (Confidence::Derived, _) => Some(Caveat::Derived),
            (Confidence::Assumed, _) => Some(Caveat::Assumed),
            (Confidence::Aws | Confidence::Quoted(_), None) => Some(Caveat::Undated),
            (Confidence::Aws | Confidence::Quoted(_), Some(date)) if date < oldest => {
                Some(Caveat::Stale(date))
            }
            (Confidence::Aws | Confidence::Quoted(_), Some(_)) => None,
        }
    }
}

/// A graduated price: every unit costs what the tier says in which it falls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price {
    pub(super) unit: Unit,
    pub(super) per: Decimal,
    /// At least one, in order, the first from zero, each from where the one before ends.
    pub(super) tiers: Vec<Tier>,
    /// It is of the release, since the book of one's own does not have it.
    pub(super) is_fallback: bool,
}

/// A quantity that falls into one tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Portion {
    /// How many units.
    #[serde(serialize_with = "as_text")]
    pub amount: Decimal,
    /// The price of `per` units.
    pub usd: Usd,
    /// As many units as the price is for.
    #[serde(serialize_with = "as_text")]
    pub per: Decimal,
}

impl Portion {
    /// What it costs, exactly.
    pub fn cost(&self) -> Usd {
        Usd::new(self.usd.dollars() * self.amount / self.per)
    }
}

/// What a quantity costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Priced {
    /// By tier, without the tiers that nothing falls into.
    pub portions: Vec<Portion>,
    /// Beyond the last tier that is known: costs more than nothing, but how much is not known.
    pub beyond: Decimal,
    /// What is to be said about the tiers used.
    pub caveats: Vec<Caveat>,
    /// When the oldest of the tiers used was read; `None` where nobody wrote it down for one.
    pub as_of: Option<Date>,
}

impl Priced {
    /// The sum of what is known, exactly.
    pub fn known(&self) -> Usd {
        self.portions.iter().map(Portion::cost).sum()
    }
}

impl Price {
    /// What is counted.
    pub fn unit(&self) -> Unit {
        self.unit
    }

    /// As many units as [`Tier::usd`] is for.
    pub fn per(&self) -> Decimal {
        self.per
    }

    /// Whether it is of the release, since a book of one's own does not have it.
    pub fn is_fallback(&self) -> bool {
        self.is_fallback
    }

    /// The tiers in order, from the first unit of a month on.
    pub fn tiers(&self) -> &[Tier] {
        &self.tiers
    }

    /// What `amount` units cost after `before` others of the same month, with prices from before `oldest`
    /// called old.
    pub fn of(&self, before: Decimal, amount: Decimal, oldest: Date) -> Priced {
        let end = before + amount;
        let mut priced = Priced {
            portions: Vec::new(),
            beyond: Decimal::ZERO,
            caveats: Vec::new(),
            as_of: None,
        };
        let mut known_to = Some(Decimal::ZERO);
        for tier in &self.tiers {
            known_to = tier.to;
            let from = tier.from.max(before);
            let to = tier.to.map_or(end, |to| to.min(end));
            if to > from {
                priced.portions.push(Portion {
                    amount: to - from,
                    usd: tier.usd,
                    per: self.per,
                });
                priced.caveats.extend(tier.caveat(oldest));
                priced.as_of = match priced.portions.len() {
                    1 => tier.as_of,
                    _ => priced.as_of.min(tier.as_of),
                };
            }
        }
        if let Some(known_to) = known_to {
            priced.beyond = (end - known_to.max(before)).max(Decimal::ZERO);
        }
        priced.caveats.sort_unstable();
        priced.caveats.dedup();
        priced
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    const OLDEST: Date = date(2025, 11, 22);

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    fn tier(from: i64, to: Option<i64>, usd: &str, confidence: Confidence) -> Tier {
        Tier {
            from: from.into(),
            to: to.map(Decimal::from),
            usd: Usd::new(decimal(usd)),
            as_of: Some(date(2026, 9, 5)),
            confidence,
            source: String::new(),
        }
    }

    /// Out to the internet from ca-central-1.
    fn internet() -> Price {
        let quoted = Confidence::Quoted(1);
        Price {
            unit: Unit::Gb,
            per: Decimal::ONE,
            tiers: vec![
                tier(0, Some(10_240), "0.09", quoted),
                tier(10_240, Some(51_200), "0.085", quoted),
                tier(51_200, Some(153_600), "0.07", quoted),
                tier(153_600, None, "0.05", quoted),
            ],
            is_fallback: false,
        }
    }

    /// Standard storage of ca-central-1, whose last tier nobody quotes.
    fn storage() -> Price {
        Price {
            unit: Unit::GbMonth,
            per: Decimal::ONE,
            tiers: vec![
                tier(0, Some(51_200), "0.025", Confidence::Quoted(2)),
                tier(51_200, Some(512_000), "0.024", Confidence::Assumed),
            ],
            is_fallback: false,
        }
    }

    fn cost(price: &Price, amount: &str) -> Usd {
        price.of(Decimal::ZERO, decimal(amount), OLDEST).known()
    }

    #[test]
    fn price_below_at_and_above_every_edge() {
        let internet = internet();
        for (amount, usd) in [
            ("0", "0"),
            ("0.5", "0.045"),
            // 10,240 × 0.09 = 921.60
            ("10239", "921.51"),
            ("10240", "921.60"),
            ("10241", "921.685"),
            // + 40,960 × 0.085 = 3,481.60
            ("51199", "4403.115"),
            ("51200", "4403.20"),
            ("51201", "4403.27"),
            // + 102,400 × 0.07 = 7,168.00
            ("153599", "11571.13"),
            ("153600", "11571.20"),
            ("153601", "11571.25"),
            ("1000000", "53891.20"),
        ] {
            assert_eq!(cost(&internet, amount), Usd::new(decimal(usd)), "{amount}");
        }
    }

    #[test]
    fn price_beyond_the_last_known_tier_is_not_free() {
        let storage = storage();
        let at = storage.of(Decimal::ZERO, decimal("512000"), OLDEST);
        // 51,200 × 0.025 + 460,800 × 0.024
        assert_eq!(at.known(), Usd::new(decimal("12339.20")));
        assert_eq!(at.beyond, Decimal::ZERO);
        assert_eq!(at.caveats, [Caveat::Assumed]);
        let above = storage.of(Decimal::ZERO, decimal("512001"), OLDEST);
        assert_eq!(above.known(), at.known());
        assert_eq!(above.beyond, Decimal::ONE);
        let all = storage.of(decimal("600000"), Decimal::TEN, OLDEST);
        assert!(all.portions.is_empty());
        assert_eq!(all.beyond, Decimal::TEN);
        assert!(
            storage
                .of(Decimal::ZERO, decimal("100"), OLDEST)
                .caveats
                .is_empty()
        );
    }

    #[test]
    fn price_that_is_old_says_so() {
        let mut internet = internet();
        internet.tiers[0].as_of = Some(date(2025, 11, 21));
        let priced = internet.of(Decimal::ZERO, Decimal::ONE, OLDEST);
        assert_eq!(priced.caveats, [Caveat::Stale(date(2025, 11, 21))]);
        internet.tiers[0].as_of = None;
        let priced = internet.of(Decimal::ZERO, Decimal::ONE, OLDEST);
        assert_eq!(priced.caveats, [Caveat::Undated]);
    }

    fn amounts() -> impl Strategy<Value = Decimal> {
        (0_u64..400_000_000).prop_map(|thousandths| Decimal::new(thousandths as i64, 3))
    }

    proptest! {
        #[test]
        fn price_of_more_is_never_less(a in amounts(), b in amounts()) {
            let internet = internet();
            let (less, more) = if a < b { (a, b) } else { (b, a) };
            prop_assert!(cost(&internet, &less.to_string()) <= cost(&internet, &more.to_string()));
        }

        #[test]
        fn price_of_parts_is_never_below_the_tiers(a in amounts(), b in amounts()) {
            let internet = internet();
            let apart = cost(&internet, &a.to_string()) + cost(&internet, &b.to_string());
            let together = cost(&internet, &(a + b).to_string());
            prop_assert!(together <= apart, "{together} {apart}");
        }

        #[test]
        fn price_of_parts_does_not_depend_on_their_order(a in amounts(), b in amounts()) {
            let internet = internet();
            let first = internet.of(Decimal::ZERO, a, OLDEST).known();
            let second = internet.of(a, b, OLDEST).known();
            prop_assert_eq!(first + second, cost(&internet, &(a + b).to_string()));
        }
    }
}
