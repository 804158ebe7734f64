//! Which CloudWatch metrics say how much a resource is used.

mod rules;

use rust_decimal::Decimal;
use serde::Serialize;
use settings::Region;

use crate::inventory::Inventory;
use crate::quantity::{GIB, HOURS_PER_MONTH};
use rules::Collector;

/// What becomes of a metric's days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Statistic {
    /// Everything of the days, made a month of 730 hours.
    MonthlySum,
    /// The same, of bytes, in GB of 2^30.
    MonthlyGb,
    /// The mean of the days.
    Mean,
    /// The mean of the days, of bytes, in GB of 2^30.
    MeanGb,
    /// A rate in bytes a second, made GB of a month.
    RateToMonthlyGb,
    /// Everything of the days, by the second.
    PerSecond,
    /// Everything of the days, by the minute.
    PerMinute,
    /// Everything of the days, of bytes, in GB by the hour.
    GbPerHour,
}

impl Statistic {
    /// Whether CloudWatch is asked for averages, not for sums.
    pub fn is_mean(self) -> bool {
        matches!(self, Self::Mean | Self::MeanGb | Self::RateToMonthlyGb)
    }
}

/// Metrics whose sum is how much of a key a resource uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measure {
    /// The address of the resource, as Terraform writes it.
    pub address: String,
    /// The key of the usage file.
    pub key: &'static str,
    /// Where the metrics are.
    pub region: Region,
    /// As in `AWS/NATGateway`.
    pub namespace: &'static str,
    /// The metrics; they are added.
    pub metrics: &'static [&'static str],
    /// Which resource the metrics are of, as CloudWatch knows it.
    pub dimensions: Vec<(&'static str, String)>,
    /// Values of one more dimension, whose metrics are added.
    pub split: Option<(&'static str, &'static [&'static str])>,
    /// What becomes of the days.
    pub statistic: Statistic,
    /// What the number does not say, for whoever reads the file.
    pub remark: Option<&'static str>,
    /// What it takes to have data, where that is not the rule.
    pub hint: Option<&'static str>,
}

/// A key that no metric says anything about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Unmeasured {
    /// The address of the resource, as Terraform writes it.
    pub address: String,
    /// The key of the usage file.
    pub key: String,
    /// What AWS lacks or the inventory does not say, for the usage file.
    pub why: String,
}

/// What to ask CloudWatch, and what it cannot say.
pub fn measures(inventory: &Inventory) -> (Vec<Measure>, Vec<Unmeasured>) {
    let mut collector = Collector::default();
    for resource in &inventory.resources {
        collector.add(resource, inventory);
    }
    (collector.measures, collector.unmeasured)
}

const DAY_SECONDS: Decimal = Decimal::from_parts(86_400, 0, 0, false, 0);
const DAY_MINUTES: Decimal = Decimal::from_parts(1_440, 0, 0, false, 0);
const DAY_HOURS: Decimal = Decimal::from_parts(24, 0, 0, false, 0);

impl Statistic {
    /// What `days` days, of which some have `values`, are in the unit of the usage file. `None` when there are
    /// none, or a number is out of range.
    pub fn of(self, values: &[Decimal], days: u32) -> Option<Decimal> {
        let count = Decimal::from(values.len());
        if values.is_empty() || days == 0 {
            return None;
        }
        let days = Decimal::from(days);
        let sum = values
            .iter()
            .try_fold(Decimal::ZERO, |sum, value| sum.checked_add(*value))?;
        let month = HOURS_PER_MONTH / DAY_HOURS;
        let amount = match self {
            Self::MonthlySum => sum.checked_mul(month)? / days,
            Self::MonthlyGb => (sum / GIB).checked_mul(month)? / days,
            Self::Mean => sum / count,
            Self::MeanGb => sum / count / GIB,
            Self::RateToMonthlyGb => (sum / count / GIB).checked_mul(DAY_SECONDS * month)?,
            Self::PerSecond => sum / days / DAY_SECONDS,
            Self::PerMinute => sum / days / DAY_MINUTES,
            Self::GbPerHour => sum / GIB / days / DAY_HOURS,
        };
        (amount >= Decimal::ZERO).then(|| amount.round_dp(4).normalize())
    }
}

#[cfg(test)]
mod tests;
