//! A plan for those who review it.

use cli::Exit;
use cost::{Diff, Increase, InventoryError, Verdict};
use evidence::drift::{Difference, Drift};
use jiff::civil::Date;
use report::{Document, Mark, Report, ShellCommand};
use serde::Serialize;
use settings::{Region, Residency};
use terraform::{PlanReview, PlannedDeployment, ReviewedChange};

use super::super::context::shown;
use super::super::status::with_folder;
use super::cost::Priced;

/// A plan that was made and kept.
#[derive(Debug, Serialize)]
pub(crate) struct Planned {
    #[serde(flatten)]
    pub(crate) planned: PlannedDeployment,
    /// Whether an apply would change something.
    changes: bool,
    /// The counts in words.
    summary: String,
    /// What has changed outside terraform, without secrets.
    outside: Vec<Difference>,
    /// What a month costs before and after; null when the plan cannot be priced.
    cost: Option<Diff>,
    /// Against the limit; null without one.
    increase: Option<Increase>,
    /// Why it cannot be priced.
    unpriced: Option<String>,
    /// Resources in regions where data may not lie.
    abroad: Vec<Abroad>,
    /// What would be destroyed although the settings protect it: it is not applied.
    pub(crate) protected: Vec<String>,
    /// Files that `terraform fmt` would change.
    unformatted: Vec<String>,
}

/// A resource where data may not lie.
#[derive(Debug, Serialize)]
pub(crate) struct Abroad {
    address: String,
    region: Region,
}

impl std::fmt::Display for Abroad {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} would be in {}", self.address, self.region)
    }
}

impl Planned {
    pub(super) fn new(
        planned: PlannedDeployment,
        unformatted: Vec<String>,
        drift: Option<Drift>,
        priced: Result<Priced, InventoryError>,
        protected: Vec<String>,
        residency: &Residency,
        today: Date,
    ) -> Self {
        let outside = drift.into_iter().flat_map(|drift| drift.differences);
        let outside = outside.filter(|one| one.place.starts_with("outside."));
        let (cost, increase, abroad, unpriced) = match priced {
            Ok(priced) => {
                let abroad = abroad(&priced, residency, today);
                (Some(priced.diff), priced.increase, abroad, None)
            }
            Err(error) => (None, None, Vec::new(), Some(chain(&error))),
        };
        Self {
            changes: !planned.review.is_empty(),
            summary: planned.review.summary(),
            outside: outside.collect(),
            cost,
            increase,
            unpriced,
            abroad,
            protected,
            unformatted,
            planned,
        }
    }

    pub(crate) fn has_changes(&self) -> bool {
        self.changes
    }

    /// How the program ends for what is wrong with the plan.
    pub(crate) fn exit(&self) -> Exit {
        let increase = self.increase.map(|increase| match increase.verdict {
            Verdict::Within => Exit::Fine,
            Verdict::Over => Exit::Wrong,
            Verdict::Unknown => Exit::Unchecked,
        });
        let unpriced = self.unpriced.as_ref().map(|_| Exit::Unchecked);
        let abroad = self.abroad.first().map(|_| Exit::Wrong);
        let incomplete = self
            .planned
            .review
            .incomplete
            .first()
            .map(|_| Exit::Unchecked);
        let protected = self.protected.first().map(|_| Exit::Wrong);
        let ends = [increase, unpriced, abroad, incomplete, protected];
        ends.into_iter().flatten().collect()
    }
}

/// An error with its causes, as one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        told = format!("{told}: {cause}");
        source = cause.source();
    }
    told
}

/// What a plan would leave where data may not lie.
pub(crate) fn abroad(priced: &Priced, residency: &Residency, today: Date) -> Vec<Abroad> {
    let resources = priced.after.resources.iter();
    resources
        .filter_map(|resource| {
            let region = resource.region?;
            (!residency.allows(region, today) && !is_global(&resource.kind, region)).then(|| {
                Abroad {
                    address: resource.address.clone(),
                    region,
                }
            })
        })
        .collect()
}

/// What AWS has in us-east-1 whatever the region of the stack, and what holds no data of the application: certificates,
/// alarms and the delivery of logs of CloudFront and Route 53.
fn is_global(kind: &str, region: Region) -> bool {
    let kinds = [
        "aws_acm_certificate",
        "aws_cloudfront_",
        "aws_cloudwatch_log_delivery",
        "aws_cloudwatch_metric_alarm",
        "aws_iam_",
        "aws_kms_",
        "aws_route53_",
        "aws_sns_topic",
    ];
    region.as_str() == "us-east-1" && kinds.iter().any(|of| kind.starts_with(of))
}

/// The rows of changes, what is destroyed first.
pub(crate) fn changes(review: &PlanReview) -> Vec<(Mark, Vec<String>)> {
    let row = |change: &ReviewedChange| {
        let mark = match change.action.is_destructive() {
            true => Mark::Wrong,
            false => Mark::Plain,
        };
        let why = match change.reasons.is_empty() {
            true => change.attributes.join(", "),
            false => change.reasons.join("; "),
        };
        let from = change.previous_address.as_ref();
        let address = match from {
            Some(from) => format!("{} (was {from})", change.address),
            None => change.address.clone(),
        };
        (mark, vec![change.action.word().to_owned(), address, why])
    };
    review.changes.iter().map(row).collect()
}

impl Report for Planned {
    const KIND: &'static str = "deployment-plan";

    fn document(&self) -> Document {
        let PlannedDeployment {
            id,
            review,
            digest,
            environment,
            root,
            terraform,
            state,
            ..
        } = &self.planned;
        let destroyed = review.destructive().count();
        let mut document =
            Document::new().heading(format!("Plan of {environment}: {}", self.summary));
        if destroyed > 0 {
            let counted = report::counted(destroyed, "resource");
            document = document.text(format!(
                "Destroyed: {counted}. Data in what is destroyed is lost, unless something else keeps it."
            ));
        }
        document = document
            .table(["Action", "Resource", "Why"], changes(review))
            .fact(Mark::Plain, "Deployment", id.as_str())
            .fact(Mark::Plain, "Digest of the plan", digest.as_str())
            .fact(Mark::Plain, "Root module", root.display().to_string())
            .fact(Mark::Plain, "Terraform", terraform.as_str())
            .fact(
                Mark::Plain,
                "Made from",
                state.as_ref().map_or_else(
                    || "no state: nothing is there yet".to_owned(),
                    |state| format!("serial {}", state.serial),
                ),
            );
        if !review.outputs.is_empty() {
            document = document.fact(
                Mark::Plain,
                "Outputs that change",
                review.outputs.join(", "),
            );
        }
        for protected in &self.protected {
            document = document.fact(Mark::Wrong, "Protected by the settings", protected.as_str());
        }
        for why in &review.incomplete {
            document = document.fact(Mark::Unknown, "Not whole", why.as_str());
        }
        document = self.residency(document);
        document = self.drift(document);
        document = self.costs(document);
        if !self.unformatted.is_empty() {
            document = document.text(format!(
                "`terraform fmt` would change {}.",
                self.unformatted.join(", ")
            ));
        }
        if self.changes {
            let apply = with_folder(ShellCommand::new("deploy-staging apply"), &shown(root));
            let apply = apply.option("--digest", digest.as_str());
            document = document.text(format!("`{apply}` applies this plan and no other."));
        }
        document
    }
}

impl Planned {
    fn residency(&self, document: Document) -> Document {
        if self.abroad.is_empty() {
            return document.fact(Mark::Ok, "Residency", "everything lies where data may lie");
        }
        let rows = self.abroad.iter().map(|of| {
            (
                Mark::Wrong,
                vec![
                    of.address.clone(),
                    of.region.to_string(),
                    of.region.country().as_str().to_owned(),
                ],
            )
        });
        document
            .heading("Outside the countries that data may lie in")
            .table(["Resource", "Region", "Country"], rows.collect())
    }

    fn drift(&self, document: Document) -> Document {
        if self.outside.is_empty() {
            return document;
        }
        let rows = self.outside.iter().map(|one| {
            let text = |value: &Option<String>| value.clone().unwrap_or_default();
            let place = one.place.trim_start_matches("outside.").to_owned();
            let cells = vec![
                place,
                one.meaning.clone(),
                text(&one.before),
                text(&one.after),
            ];
            (Mark::Wrong, cells)
        });
        document
            .heading("Changed outside Terraform")
            .table(["Where", "Meaning", "Before", "After"], rows.collect())
    }

    fn costs(&self, mut document: Document) -> Document {
        if let Some(why) = &self.unpriced {
            document = document.fact(Mark::Unknown, "Cost", format!("not known: {why}"));
        }
        if let Some(diff) = &self.cost {
            let (before, after) = (diff.before.expected, diff.after.expected);
            let (mark, told) = match diff.uncertain {
                false if before == after => (Mark::Plain, format!("{after}, as before")),
                false => (Mark::Plain, format!("{before} before, {after} after")),
                true => (
                    Mark::Unknown,
                    format!("{before} before, {after} after, of what has a price"),
                ),
            };
            document = document.fact(mark, "Cost of a month", told);
        }
        if let Some(increase) = self.increase {
            let (mark, word) = match increase.verdict {
                Verdict::Within => (Mark::Ok, "within"),
                Verdict::Over => (Mark::Wrong, "over"),
                Verdict::Unknown => (Mark::Unknown, "not known against"),
            };
            document = document.fact(
                mark,
                "Increase of a month",
                format!("{}, {word} the limit of {}", increase.usd, increase.limit),
            );
        }
        match &self.cost {
            Some(diff) if diff.rows.is_empty() => document,
            Some(diff) => document.append(diff.document()),
            None => document,
        }
    }
}
