//! The guide's table of recorded values, with who has reviewed each.

use report::{Document, Mark, Report};
use serde::Serialize;
use serde_json::Value;

use super::capture::{Capture, Link};
use super::redaction::Redactor;
use super::review::Review;

/// A row of the guide's table "Recording Verification Evidence".
#[derive(Debug, PartialEq, Eq)]
pub struct Item {
    /// As the guide calls it.
    pub title: &'static str,
    /// The output that has its value.
    pub output: &'static str,
    /// The guide's command.
    pub command: &'static str,
}

static ITEMS: [Item; 10] = [
    Item {
        title: "VPC ID",
        output: "vpc_id",
        command: "terraform output -raw vpc_id",
    },
    Item {
        title: "Public subnet IDs",
        output: "public_subnet_ids",
        command: "terraform output public_subnet_ids",
    },
    Item {
        title: "Private subnet IDs",
        output: "private_subnet_ids",
        command: "terraform output private_subnet_ids",
    },
    Item {
        title: "RDS endpoint",
        output: "db_endpoint",
        command: "terraform output -raw db_endpoint",
    },
    Item {
        title: "Redis endpoint",
        output: "redis_endpoint",
        command: "terraform output -raw redis_endpoint",
    },
    Item {
        title: "CloudFront domain",
        output: "cloudfront_domain_name",
        command: "terraform output -raw cloudfront_domain_name",
    },
    Item {
        title: "DB credentials secret ARN",
        output: "db_credentials_secret_arn",
        command: "terraform output -raw db_credentials_secret_arn",
    },
    Item {
        title: "Redis credentials secret ARN",
        output: "redis_credentials_secret_arn",
        command: "terraform output -raw redis_credentials_secret_arn",
    },
    Item {
        title: "CloudWatch dashboard URL",
        output: "cloudwatch_dashboard_url",
        command: "terraform output -raw cloudwatch_dashboard_url",
    },
    Item {
        title: "SNS alerts topic ARN",
        output: "sns_alerts_topic_arn",
        command: "terraform output -raw sns_alerts_topic_arn",
    },
];

/// A word that is none of the items.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no item is called so: a title such as \"VPC ID\", or its output, such as vpc_id")]
pub struct UnknownItem;

impl Item {
    /// All of them, in the guide's order.
    pub fn all() -> &'static [Self] {
        &ITEMS
    }

    /// By its title or the name of its output.
    ///
    /// # Errors
    /// When there is none.
    pub fn find(name: &str) -> Result<&'static Self, UnknownItem> {
        let name = name.trim();
        ITEMS
            .iter()
            .find(|item| item.title.eq_ignore_ascii_case(name) || item.output == name)
            .ok_or(UnknownItem)
    }

    /// Its value in `capture`, in one line.
    pub(super) fn value(&self, capture: &Capture) -> Option<String> {
        let recorded = capture.outputs.get(self.output)?;
        match &recorded.value {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            Value::Array(values) => {
                let text = |value: &Value| match value {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                Some(values.iter().map(text).collect::<Vec<_>>().join(", "))
            }
            other => Some(other.to_string()),
        }
    }
}

/// What a review is worth now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// Somebody has looked at the value that is recorded.
    Signed,
    /// Nobody has.
    Unsigned,
    /// Somebody has looked at another value.
    Outdated,
    /// There is no value to look at.
    Missing,
}

impl Standing {
    fn word(self) -> &'static str {
        match self {
            Self::Signed => "signed",
            Self::Unsigned => "unsigned",
            Self::Outdated => "outdated",
            Self::Missing => "missing",
        }
    }
}

/// A row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The item's title.
    pub item: &'static str,
    /// The guide's command.
    pub command: &'static str,
    /// What the newest capture has.
    pub value: Option<String>,
    /// What its newest review is worth.
    pub standing: Standing,
    /// That review.
    pub review: Option<Review>,
}

/// The guide's table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Log {
    /// The capture that has the values.
    pub capture: Link,
    /// The rows, in the guide's order.
    pub rows: Vec<Row>,
}

impl Log {
    /// From the newest capture and all reviews, the oldest first.
    pub(super) fn new(link: Link, capture: &Capture, reviews: &[Review]) -> Self {
        let redactor = Redactor::for_display(None);
        let rows = ITEMS.iter().map(|item| {
            let value = item.value(capture);
            // The newest of this value, else the newest of all.
            let of_item = || {
                reviews
                    .iter()
                    .rev()
                    .filter(|review| review.output == item.output)
            };
            let current = of_item().find(|review| Some(&review.value) == value.as_ref());
            let review = current.or_else(|| of_item().next());
            let standing = match (&value, current, review) {
                (None, ..) => Standing::Missing,
                (Some(_), Some(_), _) => Standing::Signed,
                (Some(_), None, Some(_)) => Standing::Outdated,
                (Some(_), None, None) => Standing::Unsigned,
            };
            // An older program may have recorded in clear what is known to be a secret now.
            let shown = |text: String| redactor.sentence(&text);
            let review = review.cloned().map(|review| Review {
                value: shown(review.value),
                ..review
            });
            Row {
                item: item.title,
                command: item.command,
                value: value.map(shown),
                standing,
                review,
            }
        });
        Self {
            rows: rows.collect(),
            capture: link,
        }
    }

    /// Whether every row is signed.
    pub fn is_signed(&self) -> bool {
        self.rows.iter().all(|row| row.standing == Standing::Signed)
    }
}

impl Report for Log {
    const KIND: &'static str = "evidence-log";

    fn document(&self) -> Document {
        let count = |standing| {
            self.rows
                .iter()
                .filter(|row| row.standing == standing)
                .count()
        };
        let counts = [
            Standing::Signed,
            Standing::Unsigned,
            Standing::Outdated,
            Standing::Missing,
        ]
        .map(|standing| format!("{} {}", count(standing), standing.word()));
        let rows = self.rows.iter().map(|row| {
            let at = row.review.as_ref().map(|review| review.at.to_string());
            let by = row.review.as_ref().map_or("", |review| review.by.as_str());
            let (mark, who, when) = match row.standing {
                Standing::Signed => (Mark::Ok, by.to_owned(), at),
                Standing::Outdated => {
                    let at = at.unwrap_or_default();
                    let who = format!("outdated: {by} reviewed another value on {at}");
                    (Mark::Wrong, who, None)
                }
                Standing::Unsigned => (Mark::Wrong, "unsigned".to_owned(), None),
                Standing::Missing => (
                    Mark::Unknown,
                    "missing: not in the capture".to_owned(),
                    None,
                ),
            };
            let cells = vec![
                row.item.to_owned(),
                row.command.to_owned(),
                row.value.clone().unwrap_or_default(),
                who,
                when.unwrap_or_default(),
            ];
            (mark, cells)
        });
        Document::new()
            .heading(format!("Verification log: {}", counts.join(", ")))
            .text(format!(
                "Values of {} (SHA-256 {}).",
                self.capture.file, self.capture.sha256
            ))
            .table(
                [
                    "Item",
                    "Command / Source",
                    "Recorded Value",
                    "Verified By",
                    "Timestamp",
                ],
                rows.collect(),
            )
    }
}
