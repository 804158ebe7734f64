//! What was measured, as a usage file.

use std::collections::{BTreeMap, BTreeSet};

use jiff::ToSpan as _;
use jiff::civil::Date;
use report::{Document, Mark, Report};
use rust_decimal::Decimal;
use serde::Serialize;

use super::keys::named;
use super::{Unmeasured, usage_keys};
use crate::estimate::trail_records;
use crate::inventory::Inventory;
use crate::quantity::{as_text, format_number};

/// How much of a key a resource used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Measured {
    /// The address of the resource, as Terraform writes it.
    pub address: String,
    /// The key of the usage file.
    pub key: String,
    /// In the unit of the key, by the month where the key says monthly.
    #[serde(serialize_with = "as_text")]
    pub amount: Decimal,
    /// On how many days there was data.
    pub days: usize,
    /// What the number does not say.
    pub remark: Option<String>,
}

/// Whole days in UTC that were measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Period {
    /// The first day.
    pub from: Date,
    /// The last day.
    pub to: Date,
    /// The number of days, both ends among them.
    pub days: u32,
}

impl Period {
    /// So many days before `today`.
    pub fn before(today: Date, days: u32) -> Self {
        Self {
            from: today.saturating_sub(i64::from(days).days()),
            to: today.saturating_sub(1.day()),
            days,
        }
    }
}

/// The usage of some days, as a month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Measurement {
    /// When; null when nothing was measured and these are the defaults.
    pub period: Option<Period>,
    /// What is known.
    pub measured: Vec<Measured>,
    /// What is not, and is left out of the file: nobody says that it is nothing.
    pub unmeasured: Vec<Unmeasured>,
}

impl Measurement {
    /// The defaults of everything that the resources of an inventory can use, to begin a usage file with.
    pub fn of_defaults(inventory: &Inventory) -> Self {
        let keys = inventory.resources.iter().flat_map(|resource| {
            let kind = named(&resource.kind);
            let keys = usage_keys().iter().filter(move |key| {
                let is_taken = || trail_records(&resource.attributes, key.name);
                key.kind == kind && (kind != "aws_cloudtrail" || is_taken())
            });
            keys.map(|key| (resource.address.clone(), key))
        });
        let measured = keys
            .map(|(address, key)| Measured {
                address,
                key: key.name.to_owned(),
                amount: key.default_range().expected,
                days: 0,
                remark: None,
            })
            .collect();
        Self {
            period: None,
            measured,
            unmeasured: Vec::new(),
        }
    }

    /// An `infracost-usage.yml`, which [`crate::Usage::parse`] reads. What is not known stands in comments.
    pub fn to_yaml(&self) -> String {
        let mut out = match self.period {
            Some(Period { from, to, days }) => format!(
                "# Usage from {from} to {to}, {days} days, as a month of 730 hours.\n\
                 # What has no data is left out, so that its default counts.\n"
            ),
            None => "# The defaults: nothing was measured.\n".to_owned(),
        };
        out.push_str("version: 0.1\n");
        if self.measured.is_empty() {
            out.push_str("resource_usage: {}\n");
        } else {
            out.push_str("resource_usage:\n");
        }
        let mut measured: BTreeMap<&str, Vec<&Measured>> = BTreeMap::new();
        for of in &self.measured {
            measured.entry(&of.address).or_default().push(of);
        }
        let mut missing: BTreeMap<&str, Vec<&Unmeasured>> = BTreeMap::new();
        for of in &self.unmeasured {
            missing.entry(&of.address).or_default().push(of);
        }
        let addresses: BTreeSet<&str> = measured.keys().chain(missing.keys()).copied().collect();
        for address in addresses {
            let values = measured.get(address).map_or(&[][..], Vec::as_slice);
            if values.is_empty() {
                out.push_str(&format!("  # {}:\n", one_line(address)));
            } else {
                out.push_str(&format!("  {}:\n", quoted(address)));
            }
            for of in missing.get(address).into_iter().flatten() {
                out.push_str(&format!("    # {}: {}\n", of.key, one_line(&of.why)));
            }
            let mut values = values.to_vec();
            values.sort_by(|a, b| a.key.cmp(&b.key));
            let mut group = None;
            for of in values {
                let (of_group, name) = match of.key.split_once('.') {
                    Some((group, name)) => (Some(group), name),
                    None => (None, of.key.as_str()),
                };
                if let Some(name) = of_group.filter(|_| of_group != group) {
                    out.push_str(&format!("    {name}:\n"));
                }
                group = of_group;
                let indent = if of_group.is_some() { "      " } else { "    " };
                out.push_str(&format!("{indent}{name}: {}", of.amount.normalize()));
                out.push_str(&comment(of, self.period));
            }
        }
        out
    }
}

fn comment(of: &Measured, period: Option<Period>) -> String {
    let mut parts = Vec::new();
    if let Some(Period { days, .. }) = period
        && of.days < days as usize
    {
        parts.push(format!("data on {} of {days} days", of.days));
    }
    parts.extend(of.remark.clone());
    if parts.is_empty() {
        "\n".to_owned()
    } else {
        format!(" # {}\n", one_line(&parts.join("; ")))
    }
}

/// For a comment, which ends with its line.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

/// A key of YAML; addresses hold brackets and quotes.
fn quoted(text: &str) -> String {
    format!("'{}'", one_line(text).replace('\'', "''"))
}

impl Report for Measurement {
    const KIND: &'static str = "usage";

    fn document(&self) -> Document {
        let measured = self
            .measured
            .iter()
            .map(|of| {
                let cells = vec![
                    of.address.clone(),
                    of.key.clone(),
                    format_number(of.amount),
                    self.period.map_or("default".to_owned(), |period| {
                        format!("{} of {}", of.days, period.days)
                    }),
                    of.remark.clone().unwrap_or_default(),
                ];
                (Mark::Plain, cells)
            })
            .collect();
        let unmeasured = self
            .unmeasured
            .iter()
            .map(|of| {
                let cells = vec![of.address.clone(), of.key.clone(), of.why.clone()];
                (Mark::Unknown, cells)
            })
            .collect();
        let title = match self.period {
            Some(Period { from, to, .. }) => format!("Usage from {from} to {to}"),
            None => "The defaults".to_owned(),
        };
        Document::new()
            .heading(title)
            .table(["Resource", "Key", "A month", "Days", "Remarks"], measured)
            .heading("Without data, so that defaults count")
            .table(["Resource", "Key", "Why"], unmeasured)
            .text(format!(
                "{} numbers measured, {} not",
                self.measured.len(),
                self.unmeasured.len()
            ))
    }
}

#[cfg(test)]
mod tests {
    use crate::money::Usd;
    use jiff::civil::date;

    use super::*;
    use crate::usage::{Usage, UsageSource};

    fn of(address: &str, key: &str, amount: i64, days: usize) -> Measured {
        Measured {
            address: address.to_owned(),
            key: key.to_owned(),
            amount: Decimal::new(amount, 1),
            days,
            remark: None,
        }
    }

    fn measurement(measured: Vec<Measured>) -> Measurement {
        Measurement {
            period: Some(Period::before(date(2026, 11, 26), 30)),
            measured,
            unmeasured: vec![Unmeasured {
                address: "aws_kms_key.x".to_owned(),
                key: "monthly_requests".to_owned(),
                why: "AWS publishes\nno metric of it".to_owned(),
            }],
        }
    }

    #[test]
    fn measurement_yaml_is_a_usage_file_with_defaults_for_what_is_missing() {
        let bucket = "module.s3[\"it's a: key\"].aws_s3_bucket.x";
        let yaml = measurement(vec![
            of("aws_nat_gateway.x[0]", "monthly_data_processed_gb", 123, 30),
            of(bucket, "standard.storage_gb", 5, 12),
            of(bucket, "standard.monthly_tier_1_requests", 70, 30),
        ])
        .to_yaml();
        let usage = Usage::parse(&yaml).unwrap_or_else(|error| panic!("{error}\n{yaml}"));
        let amount = |address: &str, kind, key| {
            let (range, source) = usage.of(address, kind, key);
            (range.expected, source)
        };
        let nat = amount(
            "aws_nat_gateway.x[0]",
            "aws_nat_gateway",
            "monthly_data_processed_gb",
        );
        assert_eq!(nat, (Decimal::new(123, 1), UsageSource::File));
        assert_eq!(
            amount(bucket, "aws_s3_bucket", "standard.storage_gb").0,
            Decimal::new(5, 1)
        );
        assert!(
            yaml.contains("storage_gb: 0.5 # data on 12 of 30 days"),
            "{yaml}"
        );
        let key = amount("aws_kms_key.x", "aws_kms_key", "monthly_requests");
        assert_eq!(key, (Decimal::from(20_000), UsageSource::Default));
        assert!(
            yaml.contains("# monthly_requests: AWS publishes no metric of it"),
            "{yaml}"
        );
    }

    #[test]
    fn defaults_of_every_type_are_a_usage_file_that_says_them() {
        let mut kinds: Vec<&str> = usage_keys().iter().map(|key| key.kind).collect();
        kinds.push("aws_alb");
        kinds.sort_unstable();
        kinds.dedup();
        // Traffic is no resource.
        kinds.retain(|kind| *kind != "aws_data_transfer");
        let stack: Vec<(&str, serde_json::Value)> = kinds
            .iter()
            .map(|kind| {
                let values = serde_json::json!({"instance_type": "t3.medium", "fifo_topic": true, "fifo_queue": true,
                    "protocol": "sqs", "topic_arn": "arn:aws:sns:us-east-1:1:a.fifo", "engine": "postgres",
                    "instance_class": "db.t4g.medium", "allocated_storage": 20, "billing_mode": "PAY_PER_REQUEST"});
                (*kind, values)
            })
            .collect();
        let stack = crate::testing::stack_in("us-east-1", &stack);
        let yaml = Measurement::of_defaults(&stack).to_yaml();
        let usage = Usage::parse(&yaml).unwrap_or_else(|error| panic!("{error}\n{yaml}"));
        assert!(usage.without_rule().is_empty());
        assert!(usage.strangers(&stack).is_empty());
        // What a trail does not record is left out.
        let others = stack.resources.iter();
        for resource in others.filter(|of| of.kind != "aws_cloudtrail") {
            let kind = named(&resource.kind);
            for key in usage_keys().iter().filter(|key| key.kind == kind) {
                let (said, source) = usage.of(&resource.address, &resource.kind, key.name);
                assert_eq!(source, UsageSource::File, "{kind} {}", key.name);
                assert_eq!(
                    said.expected,
                    key.default_range().expected,
                    "{kind} {}",
                    key.name
                );
            }
        }
        let expected = |usage: &Usage| {
            let book = crate::PriceBook::builtin().unwrap();
            let options = crate::Options::on(date(2026, 11, 22));
            let estimate = crate::Estimate::new(&stack, usage, &book, options);
            // What is 0 as expected may be more when much is used, unless a file says that it is 0.
            let lines = estimate.lines.iter();
            let lines = lines.filter(|line| line.usd.is_none_or(|usd| usd.expected != Usd::ZERO));
            let lines = lines.map(|line| (line.key.to_string(), line.usd.map(|usd| usd.expected)));
            (lines.collect::<BTreeMap<_, _>>(), estimate.problems)
        };
        assert_eq!(expected(&usage), expected(&Usage::default()));
    }

    #[test]
    fn measurement_yaml_of_nothing_measured_is_a_usage_file() {
        let yaml = measurement(Vec::new()).to_yaml();
        assert_eq!(Usage::parse(&yaml).unwrap(), Usage::default());
    }
}
