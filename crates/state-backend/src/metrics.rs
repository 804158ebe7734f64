//! How replication does, as CloudWatch tells it.

use std::time::Duration;

use aws_env::Error;
use aws_sdk_cloudwatch::types::{Dimension, Statistic};
use aws_smithy_types::DateTime;
use futures::future::join_all;
use jiff::Timestamp;
use report::{Document, Mark, Report};
use serde::Serialize;

use crate::backend::Backend;
use crate::bucket;
use crate::health::Health;
use crate::problem::Problem;
use crate::reading::{Readings, SideReading};
use crate::spec::{RULE_ID, Side, SideName};

/// What S3 counts as late with replication time control.
pub(crate) const LATE: Duration = Duration::from_secs(15 * 60);
/// The window that is looked at.
const WINDOW: Duration = Duration::from_secs(3600);

/// Seconds that the slowest object of a minute took.
pub(crate) const LATENCY: &str = "ReplicationLatency";
/// What S3 has given up on.
pub(crate) const FAILED: &str = "OperationsFailedReplication";

/// A metric, and who publishes it: latency and what is pending where the replicas go, failures where the objects come
/// from (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/repl-metrics.html>).
struct Published {
    name: &'static str,
    side: SideName,
    statistic: Statistic,
    unit: &'static str,
}

const METRICS: [Published; 4] = [
    Published {
        name: LATENCY,
        side: SideName::Dr,
        statistic: Statistic::Maximum,
        unit: "s",
    },
    Published {
        name: "OperationsPendingReplication",
        side: SideName::Dr,
        statistic: Statistic::Maximum,
        unit: "operations",
    },
    Published {
        name: "BytesPendingReplication",
        side: SideName::Dr,
        statistic: Statistic::Maximum,
        unit: "bytes",
    },
    Published {
        name: FAILED,
        side: SideName::Primary,
        statistic: Statistic::Sum,
        unit: "operations",
    },
];

/// One replication metric over the last hour.
#[derive(Debug, Clone, Serialize)]
pub struct Metric {
    /// The rule that it is of.
    pub rule: String,
    /// CloudWatch's name for it, in the namespace `AWS/S3`.
    pub name: &'static str,
    /// The region that publishes it.
    pub region: settings::Region,
    /// The largest value (of failures: the sum); `None` without data.
    pub value: Option<f64>,
    /// Seconds, bytes or operations.
    pub unit: &'static str,
    /// What the value says of replication.
    pub health: Health,
    /// Why there is no data, if asking failed.
    pub problem: Option<Problem>,
}

/// The replication metrics of the rule.
#[derive(Debug, Clone, Serialize)]
pub struct ReplicationMetrics {
    /// When they were asked for.
    pub time: Timestamp,
    /// Why the bucket's own rules are not known, so that the metrics are those of the rule that `apply` makes.
    pub rules: Option<Problem>,
    /// Each of the four that S3 publishes, for each rule that replicates to the DR bucket.
    pub metrics: Vec<Metric>,
    /// The worst of them; unknown outranks ok.
    pub health: Health,
}

impl Backend {
    /// Asks each metric in the region that publishes it, for every rule that replicates to the DR bucket.
    /// `None` without a DR side. `now` ends the hour that is looked at.
    pub async fn replication_metrics(&self, now: Timestamp) -> Option<ReplicationMetrics> {
        self.replication_metrics_of(&self.readings(), now).await
    }

    pub(crate) async fn replication_metrics_of(
        &self,
        readings: &Readings<'_>,
        now: Timestamp,
    ) -> Option<ReplicationMetrics> {
        let dr = self.spec().dr.as_ref()?;
        let (rules, problem) = match self.rules_to(&readings.primary, dr).await {
            Ok(rules) => (rules, None),
            Err(problem) => (vec![RULE_ID.to_owned()], Some(problem)),
        };
        let of_rules = rules
            .iter()
            .flat_map(|rule| METRICS.iter().map(move |of| self.metric(of, rule, now)));
        let metrics = join_all(of_rules).await;
        let health = metrics.iter().map(|metric| metric.health);
        let health = match problem {
            None => health.collect(),
            Some(_) => health.chain([Health::Unknown]).collect(),
        };
        Some(ReplicationMetrics {
            time: now,
            rules: problem,
            metrics,
            health,
        })
    }

    /// The IDs of the rules that replicate to the DR bucket, whoever made them.
    async fn rules_to(&self, primary: &SideReading<'_>, dr: &Side) -> Result<Vec<String>, Problem> {
        if let Some(problem) = primary.access.lost {
            return Err(problem.clone());
        }
        let replication = primary.replication().await.map_err(Problem::clone)?;
        let rules = bucket::rules_to(replication, self.spec(), dr);
        Ok(match rules.is_empty() {
            true => vec![RULE_ID.to_owned()],
            false => rules,
        })
    }

    async fn metric(&self, published: &Published, rule: &str, now: Timestamp) -> Metric {
        let asked = match self.lost(published.side) {
            Some(problem) => Err(problem.clone()),
            None => self
                .value(published, rule, now)
                .await
                .map_err(Problem::from),
        };
        let (value, problem) = match asked {
            Ok(value) => (value, None),
            Err(problem) => (None, Some(problem)),
        };
        Metric {
            rule: rule.to_owned(),
            name: published.name,
            region: self.spec().own_side(published.side).region,
            value,
            unit: published.unit,
            health: judge(published.name, value),
            problem,
        }
    }

    async fn value(
        &self,
        published: &Published,
        rule: &str,
        now: Timestamp,
    ) -> Result<Option<f64>, Error> {
        let Published {
            name, statistic, ..
        } = published;
        let clients = self.clients(published.side);
        let spec = self.spec();
        let target = spec.own_side(SideName::Dr);
        let dimension =
            |name: &str, value: &str| Dimension::builder().name(name).value(value).build();
        let end = now.as_second();
        let window = i64::try_from(WINDOW.as_secs()).unwrap_or(i64::MAX);
        let answer = clients
            .cloudwatch
            .get_metric_statistics()
            .namespace("AWS/S3")
            .metric_name(*name)
            .dimensions(dimension("SourceBucket", spec.primary.bucket.as_str()))
            .dimensions(dimension("DestinationBucket", target.bucket.as_str()))
            .dimensions(dimension("RuleId", rule))
            .start_time(DateTime::from_secs(end.saturating_sub(window)))
            .end_time(DateTime::from_secs(end))
            .period(300)
            .statistics(statistic.clone())
            .send()
            .await
            .map_err(|error| {
                clients
                    .call("CloudWatch", "GetMetricStatistics", *name)
                    .failed(error)
            })?;
        let points = answer.datapoints();
        Ok(match statistic {
            Statistic::Sum => points
                .iter()
                .filter_map(|point| point.sum())
                .reduce(|a, b| a + b),
            _ => points
                .iter()
                .filter_map(|point| point.maximum())
                .reduce(f64::max),
        })
    }
}

fn judge(name: &str, value: Option<f64>) -> Health {
    match (name, value) {
        (_, None) => Health::Unknown,
        (LATENCY, Some(seconds)) if seconds > LATE.as_secs_f64() => Health::Degraded,
        (FAILED, Some(failures)) if failures > 0.0 => Health::Degraded,
        _ => Health::Ok,
    }
}

// ---- views --------------------------------------------------------------------------------------

impl Report for ReplicationMetrics {
    const KIND: &'static str = "backend-replication-metrics";

    fn document(&self) -> Document {
        let document = Document::new().heading("Replication").table(
            ["", "Rule", "Metric", "Region", "Last hour"],
            self.metrics.iter().map(Metric::row).collect(),
        );
        match &self.rules {
            None => document,
            Some(problem) => document.text(format!(
                "The bucket's rules could not be read, so these are the metrics of {RULE_ID}: {problem}"
            )),
        }
    }
}

impl Metric {
    pub(crate) fn row(&self) -> (Mark, Vec<String>) {
        let (mark, word) = self.health.shown();
        let value = match (self.value, &self.problem) {
            (Some(value), _) => format!("{value} {}", self.unit),
            (None, Some(problem)) => problem.to_string(),
            (None, None) => "no data".to_owned(),
        };
        let cells = vec![
            word.to_owned(),
            self.rule.clone(),
            self.name.to_owned(),
            self.region.to_string(),
            value,
        ];
        (mark, cells)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // aws-behaviour: 16
    #[test]
    fn judge_without_data_is_unknown() {
        assert_eq!(judge("ReplicationLatency", None), Health::Unknown);
        assert_eq!(judge("ReplicationLatency", Some(900.0)), Health::Ok);
        assert_eq!(judge("ReplicationLatency", Some(901.0)), Health::Degraded);
        assert_eq!(judge("OperationsFailedReplication", Some(0.0)), Health::Ok);
        assert_eq!(
            judge("OperationsFailedReplication", Some(1.0)),
            Health::Degraded
        );
    }
}
