//! How much of something.

use std::fmt;
use std::ops::Add;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::{Serialize, Serializer};
use thiserror::Error;

/// Hours of a month, as AWS bills it.
pub const HOURS_PER_MONTH: Decimal = Decimal::from_parts(730, 0, 0, false, 0);

/// Bytes of what AWS bills as a GB, of storage (<https://aws.amazon.com/s3/pricing/>) as of traffic.
pub(crate) const GIB: Decimal = Decimal::from_parts(1_073_741_824, 0, 0, false, 0);

/// Hours of a week.
pub const HOURS_PER_WEEK: Decimal = Decimal::from_parts(168, 0, 0, false, 0);

/// No account uses more than this of anything in a month (10^15: an exabyte is 10^9 GB), and every product
/// with a price stays exact below it.
const MOST: Decimal = Decimal::from_parts(2_764_472_320, 232_830, 0, false, 0);

macro_rules! units {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// What is counted. Storage and traffic are in GB of 2^30 bytes, as AWS bills them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Unit {
            $($(#[$doc])* $name,)*
        }

        impl Unit {
            const ALL: &'static [Self] = &[$(Self::$name),*];

            /// As the price book writes it.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

units! {
    /// A web ACL for a month.
    AclMonth = "ACL-month",
    /// An Aurora capacity unit for an hour.
    AcuHour = "ACU-hour",
    /// An ElastiCache processing unit.
    Ecpu = "ECPU",
    /// A gibibyte moved.
    Gb = "GB",
    /// A gibibyte kept for an hour.
    GbHour = "GB-hour",
    /// A gibibyte kept for a month.
    GbMonth = "GB-month",
    /// A gibibyte of memory for a second.
    GbSecond = "GB-second",
    /// An operation per second, provisioned for a month.
    IopsMonth = "IOPS-month",
    /// A load balancer capacity unit for an hour.
    LcuHour = "LCU-hour",
    /// A public address for an hour.
    AddressHour = "address-hour",
    /// An alarm, or a metric of one, for a month.
    AlarmMonth = "alarm-month",
    /// A certificate authority for a month.
    AuthorityMonth = "authority-month",
    /// A certificate that is issued.
    Certificate = "certificate",
    /// A health check for a month.
    CheckMonth = "check-month",
    /// An option of a health check for a month.
    OptionMonth = "option-month",
    /// A configuration item that is recorded.
    Item = "item",
    /// An evaluation of a rule.
    Evaluation = "evaluation",
    /// A provisioned capacity unit for an hour.
    CapacityUnitHour = "capacity-unit-hour",
    /// A dashboard for a month.
    DashboardMonth = "dashboard-month",
    /// An interface endpoint in one zone for an hour.
    EndpointHour = "endpoint-hour",
    /// An event that a bus takes in.
    Event = "event",
    /// An hour of what has no unit of its own, as a NAT gateway.
    Hour = "hour",
    /// A database instance for an hour.
    InstanceHour = "instance-hour",
    /// A batch job.
    Job = "job",
    /// A KMS key for a month.
    KeyMonth = "key-month",
    /// A metric asked for.
    Metric = "metric",
    /// A metric for a month.
    MetricMonth = "metric-month",
    /// A cache node for an hour.
    NodeHour = "node-hour",
    /// A message that SNS delivers.
    Notification = "notification",
    /// An object of a batch job, of an inventory, or under monitoring.
    Object = "object",
    /// A path that CloudFront forgets before its time.
    Path = "path",
    /// A call to a service.
    Request = "request",
    /// A DynamoDB request unit.
    RequestUnit = "request-unit",
    /// A rule for a month.
    RuleMonth = "rule-month",
    /// A secret for a month.
    SecretMonth = "secret-month",
    /// A mebibyte a second, provisioned for a month.
    ThroughputMonth = "MiBps-month",
    /// A tag for a month.
    TagMonth = "tag-month",
    /// A state transition.
    Transition = "transition",
    /// A virtual CPU for an hour.
    VcpuHour = "vCPU-hour",
    /// A virtual CPU for a month.
    VcpuMonth = "vCPU-month",
    /// A hosted zone for a month.
    ZoneMonth = "zone-month",
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Unit {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        Self::ALL
            .iter()
            .find(|unit| unit.as_str() == text)
            .copied()
            .ok_or_else(|| QuantityError::Unit(text.to_owned()))
    }
}

impl Serialize for Unit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Why a text or number is no quantity.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum QuantityError {
    /// Less than nothing.
    #[error("{0} is negative")]
    Negative(Decimal),
    /// More than can be.
    #[error("{0} is more than any account uses in a month")]
    TooMuch(Decimal),
    /// Not a number.
    #[error("{0:?} is not a number")]
    NotANumber(String),
    /// Not a unit of the price book.
    #[error("{0:?} is not a unit")]
    Unit(String),
}

/// An amount with its unit: not negative, and at most 10^15.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Quantity {
    #[serde(serialize_with = "as_text")]
    amount: Decimal,
    unit: Unit,
}

impl Quantity {
    /// `amount` of `unit`.
    ///
    /// # Errors
    /// When it is negative or more than any account uses.
    pub fn new(amount: Decimal, unit: Unit) -> Result<Self, QuantityError> {
        if amount < Decimal::ZERO {
            Err(QuantityError::Negative(amount))
        } else if amount > MOST {
            Err(QuantityError::TooMuch(amount))
        } else {
            Ok(Self { amount, unit })
        }
    }

    /// The number without its unit.
    pub fn amount(self) -> Decimal {
        self.amount
    }

    /// What the number counts.
    pub fn unit(self) -> Unit {
        self.unit
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", format_number(self.amount), self.unit)
    }
}

/// A number with commas, at most four digits after the point and no zeros at its end.
pub(crate) fn format_number(number: Decimal) -> String {
    grouped(&number.round_dp(4).normalize().to_string())
}

/// Commas between thousands of a plain decimal number.
pub(crate) fn grouped(number: &str) -> String {
    let (sign, number) = match number.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", number),
    };
    let (whole, rest) = match number.split_once('.') {
        Some((whole, rest)) => (whole, format!(".{rest}")),
        None => (number, String::new()),
    };
    let mut out = String::with_capacity(number.len() + 4);
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    format!("{sign}{out}{rest}")
}

/// Decimals are strings in JSON, since numbers would be read as floats.
pub(crate) fn as_text<S: Serializer>(number: &Decimal, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&number.normalize())
}

/// A number of a usage file or a plan.
pub(crate) fn parse_number(text: &str) -> Result<Decimal, QuantityError> {
    let plain = text.replace('_', "");
    let number = if plain.contains(['e', 'E']) {
        Decimal::from_scientific(&plain)
    } else {
        plain.parse()
    }
    .map_err(|_| QuantityError::NotANumber(text.to_owned()))?;
    Quantity::new(number, Unit::Request).map(Quantity::amount)
}

/// How much is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scenario {
    /// A quiet month.
    Low,
    /// A usual month.
    Expected,
    /// A busy month.
    High,
}

/// How much is used when it is little, as expected, or much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct QuantityRange {
    /// In a quiet month.
    #[serde(serialize_with = "as_text")]
    pub low: Decimal,
    /// In a usual month.
    #[serde(serialize_with = "as_text")]
    pub expected: Decimal,
    /// In a busy month.
    #[serde(serialize_with = "as_text")]
    pub high: Decimal,
}

impl QuantityRange {
    /// Always the same.
    pub fn fixed(amount: Decimal) -> Self {
        Self {
            low: amount,
            expected: amount,
            high: amount,
        }
    }

    /// The amount of a scenario.
    pub fn get(&self, scenario: Scenario) -> Decimal {
        match scenario {
            Scenario::Low => self.low,
            Scenario::Expected => self.expected,
            Scenario::High => self.high,
        }
    }

    /// Each times `factor`.
    #[must_use]
    pub fn times(self, factor: Decimal) -> Self {
        Self {
            low: self.low * factor,
            expected: self.expected * factor,
            high: self.high * factor,
        }
    }

    /// Nothing in any scenario.
    pub fn is_zero(&self) -> bool {
        self.low.is_zero() && self.expected.is_zero() && self.high.is_zero()
    }
}

impl Add for QuantityRange {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            low: self.low + other.low,
            expected: self.expected + other.expected,
            high: self.high + other.high,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantity_that_is_negative_or_endless_is_refused() {
        assert_eq!(MOST, "1000000000000000".parse().unwrap());
        assert!(matches!(
            parse_number("-1"),
            Err(QuantityError::Negative(_))
        ));
        assert!(matches!(
            parse_number("1e16"),
            Err(QuantityError::TooMuch(_))
        ));
        assert!(matches!(
            parse_number("1e400"),
            Err(QuantityError::NotANumber(_))
        ));
        for text in ["", "x", "NaN", ".inf", "0x10"] {
            assert!(
                matches!(parse_number(text), Err(QuantityError::NotANumber(_))),
                "{text}"
            );
        }
        assert_eq!(parse_number("1_000.5").unwrap().to_string(), "1000.5");
    }

    #[test]
    fn unit_is_read_as_it_is_written() {
        for unit in Unit::ALL {
            assert_eq!(unit.as_str().parse(), Ok(*unit));
        }
        assert!("GiB".parse::<Unit>().is_err());
    }
}
