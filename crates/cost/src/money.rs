//! US dollars.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Sub};
use std::str::FromStr;

use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Serialize, Serializer};

use crate::quantity::{QuantityError, Scenario, grouped, parse_number};

/// An exact amount of US dollars.
///
/// There is no way from a float to it:
///
/// ```compile_fail
/// let price: cost::Usd = 0.1_f64.into();
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Usd(Decimal);

impl Usd {
    /// No dollars.
    pub const ZERO: Self = Self(Decimal::ZERO);

    /// That many dollars.
    pub fn new(dollars: Decimal) -> Self {
        Self(dollars)
    }

    /// The number of dollars.
    pub fn dollars(self) -> Decimal {
        self.0
    }

    /// To whole cents, half a cent away from zero, as a bill shows a line.
    #[must_use]
    pub fn rounded(self) -> Self {
        Self(
            self.0
                .round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero),
        )
    }

    /// Every digit, and two after the point at least.
    pub(crate) fn exact(self) -> Decimal {
        let mut dollars = self.0.normalize();
        if dollars.scale() < 2 {
            dollars.rescale(2);
        }
        dollars
    }

    /// `factor` times as much.
    #[must_use]
    pub fn times(self, factor: Decimal) -> Self {
        Self(self.0 * factor)
    }
}

impl fmt::Display for Usd {
    /// `$1,234.50`, to whole cents.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cents = self.rounded().0;
        let sign = if cents.is_sign_negative() && !cents.is_zero() {
            "-"
        } else {
            ""
        };
        f.pad(&format!(
            "{sign}${}",
            grouped(&format!("{:.2}", cents.abs()))
        ))
    }
}

impl FromStr for Usd {
    type Err = QuantityError;

    /// A number of dollars that is not negative, as in `300` or `0.141`.
    fn from_str(text: &str) -> Result<Self, QuantityError> {
        parse_number(text).map(Self)
    }
}

impl Serialize for Usd {
    /// A string, since a JSON number would be read as a float.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.exact())
    }
}

impl Add for Usd {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Sub for Usd {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl AddAssign for Usd {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl Sum for Usd {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

/// Dollars when little, as much as expected, or much is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct UsdRange {
    /// When little is used.
    pub low: Usd,
    /// When as much is used as expected.
    pub expected: Usd,
    /// When much is used.
    pub high: Usd,
}

impl UsdRange {
    /// Each of the three from the scenario.
    pub(crate) fn of(mut amount: impl FnMut(Scenario) -> Usd) -> Self {
        Self {
            low: amount(Scenario::Low),
            expected: amount(Scenario::Expected),
            high: amount(Scenario::High),
        }
    }

    /// The amount of a scenario.
    pub fn get(&self, scenario: Scenario) -> Usd {
        match scenario {
            Scenario::Low => self.low,
            Scenario::Expected => self.expected,
            Scenario::High => self.high,
        }
    }

    /// Each to whole cents.
    #[must_use]
    pub fn rounded(self) -> Self {
        Self::of(|scenario| self.get(scenario).rounded())
    }

    /// Each times `factor`.
    #[must_use]
    pub fn times(self, factor: Decimal) -> Self {
        Self::of(|scenario| self.get(scenario).times(factor))
    }
}

impl Add for UsdRange {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self::of(|scenario| self.get(scenario) + other.get(scenario))
    }
}

impl Sub for UsdRange {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self::of(|scenario| self.get(scenario) - other.get(scenario))
    }
}

impl Sum for UsdRange {
    fn sum<I: Iterator<Item = Self>>(ranges: I) -> Self {
        ranges.fold(Self::default(), Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usd(text: &str) -> Usd {
        Usd::new(text.parse().unwrap())
    }

    #[test]
    fn usd_rounds_half_a_cent_up_and_less_down() {
        assert_eq!(usd("0.005").rounded(), usd("0.01"));
        assert_eq!(usd("0.00499999").rounded(), usd("0.00"));
        assert_eq!(usd("1.015").rounded(), usd("1.02"));
        assert_eq!(usd("-0.005").rounded(), usd("-0.01"));
    }

    #[test]
    fn usd_is_formatted_with_thousands_and_cents() {
        assert_eq!(usd("1234567.5").to_string(), "$1,234,567.50");
        assert_eq!(usd("-3.1").to_string(), "-$3.10");
        assert_eq!(usd("-0.001").to_string(), "$0.00");
        assert_eq!(usd("999").to_string(), "$999.00");
    }

    #[test]
    fn usd_json_keeps_every_digit_in_a_string() {
        assert_eq!(
            serde_json::to_string(&usd("0.0000166667")).unwrap(),
            "\"0.0000166667\""
        );
        assert_eq!(serde_json::to_string(&usd("3")).unwrap(), "\"3.00\"");
    }
}
