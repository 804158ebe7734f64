//! What AWS billed beside the estimate.

use std::collections::BTreeMap;

use jiff::civil::Date;
use report::{Document, Mark, Report};
use rust_decimal::Decimal;
use serde::{Serialize, Serializer};

use crate::estimate::Estimate;
use crate::money::{Usd, UsdRange};
use crate::prices::Service;

/// What Cost Explorer calls the services. <https://docs.aws.amazon.com/cost-management/latest/userguide/ce-filtering.html>
const NAMES: &[(&str, Service)] = &[
    ("Amazon Relational Database Service", Service::Rds),
    ("Amazon ElastiCache", Service::ElastiCache),
    ("EC2 - Other", Service::Ec2),
    ("Amazon Virtual Private Cloud", Service::Vpc),
    ("Amazon Simple Storage Service", Service::S3),
    ("Amazon DynamoDB", Service::DynamoDb),
    ("Amazon CloudFront", Service::CloudFront),
    ("AWS Data Transfer", Service::DataTransfer),
    ("AWS Key Management Service", Service::Kms),
    ("AWS Secrets Manager", Service::Secrets),
    ("AmazonCloudWatch", Service::CloudWatch),
    ("Amazon Simple Notification Service", Service::Sns),
    ("Amazon Simple Queue Service", Service::Sqs),
    ("AWS Step Functions", Service::States),
    ("Amazon EventBridge", Service::Events),
    ("CloudWatch Events", Service::Events),
    ("Amazon Elastic Container Service", Service::Ecs),
    ("Amazon Elastic Load Balancing", Service::Elb),
    ("AWS Lambda", Service::Lambda),
    ("Amazon Route 53", Service::Route53),
    ("AWS WAF", Service::Waf),
    ("Amazon EC2 Container Registry (ECR)", Service::Ecr),
    ("AWS CloudTrail", Service::CloudTrail),
    ("AWS Config", Service::Config),
    ("AWS Backup", Service::Backup),
];

/// A part of a bill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Billed {
    /// As Cost Explorer calls it.
    pub service: String,
    /// As in `CAN1-NatGateway-Hours`.
    pub usage_type: String,
    /// Before credits, refunds and taxes; may be negative.
    pub usd: Usd,
}

/// A whole month of a bill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bill {
    /// The first day.
    pub month: Date,
    /// The tags that it was asked for.
    pub tags: Vec<(String, String)>,
    /// By service and usage type.
    pub parts: Vec<Billed>,
    /// AWS may still change it.
    pub provisional: bool,
}

/// A service in both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ActualRow {
    /// As Cost Explorer calls it; traffic of every service but CloudFront is one of its own.
    pub service: String,
    /// Null when the estimate has nothing of it.
    pub estimate: Option<UsdRange>,
    /// Something of it has no price.
    pub lower_bound: bool,
    /// Null when nothing was billed under the tags, which a missing tag does as well as no use.
    pub billed: Option<Usd>,
    /// Billed by expected; null when there is not both, or the estimate is only a lower bound.
    #[serde(serialize_with = "ratio")]
    pub ratio: Option<Decimal>,
}

/// What AWS billed beside the estimate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Actual {
    /// The first day of the month.
    pub month: Date,
    /// The tags that were asked for.
    pub tags: BTreeMap<String, String>,
    /// AWS may still change the bill.
    pub provisional: bool,
    /// By service, dearest first.
    pub rows: Vec<ActualRow>,
    /// All of them.
    pub total: ActualRow,
}

impl Actual {
    /// Puts a bill beside an estimate.
    pub fn new(estimate: &Estimate, bill: Bill) -> Self {
        let mut rows: BTreeMap<String, ActualRow> = BTreeMap::new();
        for line in &estimate.lines {
            let row = entry(&mut rows, name(line.key.service));
            let before = row.estimate.unwrap_or_default();
            row.estimate = Some(before + line.usd.unwrap_or_default());
            row.lower_bound |= line.missing.is_some();
        }
        let mut billed = Usd::ZERO;
        for part in &bill.parts {
            let row = entry(&mut rows, billed_as(part));
            row.billed = Some(row.billed.unwrap_or_default() + part.usd);
            billed += part.usd;
        }
        let mut rows: Vec<ActualRow> = rows.into_values().map(ActualRow::with_ratio).collect();
        let size = |row: &ActualRow| {
            let estimate = row.estimate.unwrap_or_default().expected;
            row.billed.unwrap_or_default().max(estimate)
        };
        rows.sort_by(|a, b| {
            size(b)
                .cmp(&size(a))
                .then_with(|| a.service.cmp(&b.service))
        });
        let total = ActualRow {
            estimate: Some(estimate.total),
            lower_bound: estimate.lower_bound,
            billed: (!bill.parts.is_empty()).then_some(billed),
            ..ActualRow::new("Total")
        };
        Self {
            month: bill.month,
            tags: bill.tags.into_iter().collect(),
            provisional: bill.provisional,
            rows,
            total: total.with_ratio(),
        }
    }

    /// Nothing at all was billed under the tags: most likely they are not cost allocation tags.
    pub fn is_empty(&self) -> bool {
        self.total.billed.is_none()
    }
}

impl ActualRow {
    fn new(service: &str) -> Self {
        Self {
            service: service.to_owned(),
            estimate: None,
            lower_bound: false,
            billed: None,
            ratio: None,
        }
    }

    fn with_ratio(mut self) -> Self {
        if let (Some(estimate), Some(billed), false) =
            (self.estimate, self.billed, self.lower_bound)
            && estimate.expected > Usd::ZERO
        {
            self.ratio = billed.dollars().checked_div(estimate.expected.dollars());
            self.ratio = self.ratio.map(|ratio| ratio.round_dp(2));
        }
        self
    }

    /// Within the estimate's range, outside of it, or not to be said.
    fn mark(&self) -> Mark {
        match (self.estimate, self.billed) {
            (Some(estimate), Some(billed)) if !self.lower_bound => {
                let billed = billed.rounded();
                if (estimate.low..=estimate.high).contains(&billed) {
                    Mark::Ok
                } else {
                    Mark::Wrong
                }
            }
            _ => Mark::Unknown,
        }
    }
}

fn entry<'r>(rows: &'r mut BTreeMap<String, ActualRow>, name: &str) -> &'r mut ActualRow {
    rows.entry(name.to_owned())
        .or_insert_with(|| ActualRow::new(name))
}

fn name(service: Service) -> &'static str {
    NAMES
        .iter()
        .find(|(_, known)| *known == service)
        .map_or(service.code(), |(name, _)| name)
}

/// The row of a part: traffic is billed by the service that it leaves, and priced as one.
fn billed_as(part: &Billed) -> &str {
    let traffic = ["DataTransfer-", "AWS-Out-Bytes", "AWS-In-Bytes"]
        .iter()
        .any(|mark| part.usage_type.contains(mark));
    if traffic && part.service != name(Service::CloudFront) {
        return name(Service::DataTransfer);
    }
    // Two names of one service are one row.
    NAMES
        .iter()
        .find(|(known, _)| *known == part.service)
        .map_or(part.service.as_str(), |(_, service)| name(*service))
}

fn ratio<S: Serializer>(ratio: &Option<Decimal>, serializer: S) -> Result<S::Ok, S::Error> {
    match ratio {
        Some(ratio) => serializer.collect_str(ratio),
        None => serializer.serialize_none(),
    }
}

impl Report for Actual {
    const KIND: &'static str = "cost-actual";

    fn document(&self) -> Document {
        let rows = self
            .rows
            .iter()
            .chain([&self.total])
            .map(|row| {
                let (expected, range) = match row.estimate {
                    None => ("not in the estimate".to_owned(), String::new()),
                    Some(usd) => {
                        let [low, expected, high] = crate::estimate::cells(usd, row.lower_bound);
                        (expected, format!("{low} to {high}"))
                    }
                };
                let billed = row
                    .billed
                    .map_or("nothing under the tags".to_owned(), |usd| usd.to_string());
                let ratio = row.ratio.map_or("–".to_owned(), |ratio| ratio.to_string());
                (
                    row.mark(),
                    vec![row.service.clone(), expected, range, billed, ratio],
                )
            })
            .collect();
        let tags: Vec<String> = self
            .tags
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        let mut document = Document::new()
            .heading(format!("Billed in {}, tags {}", self.month.strftime("%Y-%m"), tags.join(", ")))
            .table(["Service", "Estimate", "Range", "Billed", "Ratio"], rows)
            .text(
                "Billed: unblended costs without credits, refunds and taxes. What cannot carry a tag is not in it: \
                 much of the traffic, alarms, dashboards.",
            );
        if self.provisional {
            document = document.text("AWS may still change this month's bill.");
        }
        document
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

    const GUIDE: &str = include_str!("../../../examples/berthcare-staging/infra.toml");

    fn usd(text: &str) -> Usd {
        Usd::new(text.parse().unwrap())
    }

    fn actual(parts: &[(&str, &str, &str)]) -> Actual {
        let settings = Settings::parse(GUIDE, date(2026, 11, 22)).unwrap();
        let estimate = Estimate::new(
            &Inventory::from_settings(&settings),
            &Usage::default(),
            &PriceBook::builtin().unwrap(),
            Options::on(date(2026, 11, 22)),
        );
        let parts = parts.iter().map(|(service, usage_type, dollars)| Billed {
            service: (*service).to_owned(),
            usage_type: (*usage_type).to_owned(),
            usd: usd(dollars),
        });
        let bill = Bill {
            month: date(2026, 10, 1),
            tags: vec![("Project".to_owned(), "berthcare".to_owned())],
            parts: parts.collect(),
            provisional: false,
        };
        Actual::new(&estimate, bill)
    }

    fn row<'a>(actual: &'a Actual, service: &str) -> &'a ActualRow {
        let row = actual.rows.iter().find(|row| row.service == service);
        row.unwrap_or_else(|| panic!("no {service}: {:#?}", actual.rows))
    }

    #[test]
    fn actual_compares_service_by_service() {
        let actual = actual(&[
            (
                "Amazon Relational Database Service",
                "CAN1-Multi-AZUsage:db.t4g.medium",
                "100",
            ),
            (
                "Amazon Relational Database Service",
                "CAN1-RDS:Multi-AZ-GP3-Storage",
                "28.33",
            ),
            ("EC2 - Other", "CAN1-NatGateway-Hours", "156"),
            ("EC2 - Other", "CAN1-DataTransfer-Regional-Bytes", "2.50"),
            (
                "Amazon Simple Storage Service",
                "CAN1-DataTransfer-Out-Bytes",
                "2.50",
            ),
            ("Amazon CloudFront", "CA-DataTransfer-Out-Bytes", "9.50"),
            ("Amazon Textract", "CAN1-Pages", "7"),
        ]);
        // 128.33 was expected.
        let rds = row(&actual, "Amazon Relational Database Service");
        assert_eq!(
            (rds.billed, rds.ratio),
            (Some(usd("128.33")), Some(Decimal::ONE))
        );
        assert_eq!(rds.mark(), Mark::Ok);
        // 78.00 was expected, 73.50 to 123.00.
        let nat = row(&actual, "EC2 - Other");
        assert_eq!((nat.ratio, nat.mark()), (Some(Decimal::TWO), Mark::Wrong));
        // 10.00 was expected: the traffic of all services but CloudFront.
        let traffic = row(&actual, "AWS Data Transfer");
        assert_eq!(traffic.billed, Some(usd("5")));
        assert_eq!(row(&actual, "Amazon CloudFront").billed, Some(usd("9.5")));
        let other = row(&actual, "Amazon Textract");
        assert_eq!(
            (other.estimate, other.ratio, other.mark()),
            (None, None, Mark::Unknown)
        );
        let nothing = row(&actual, "AWS Key Management Service");
        assert_eq!((nothing.billed, nothing.mark()), (None, Mark::Unknown));
        let sum: Usd = actual.rows.iter().filter_map(|row| row.billed).sum();
        assert_eq!(actual.total.billed, Some(sum));
        let text = actual.document().to_terminal(None, false);
        assert!(
            text.contains("Billed in 2026-10") && text.contains("not in the estimate"),
            "{text}"
        );
    }

    #[test]
    fn actual_without_a_bill_is_no_bill_of_nothing() {
        let actual = actual(&[]);
        assert!(actual.is_empty());
        assert_eq!((actual.total.billed, actual.total.ratio), (None, None));
    }
}
