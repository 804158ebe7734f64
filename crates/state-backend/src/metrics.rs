//! How replication does, as CloudWatch tells it.

use std::time::Duration;

use aws_env::{Error, RegionClients};
use aws_sdk_cloudwatch::types::{Dimension, Statistic};
use aws_smithy_types::DateTime;
use jiff::Timestamp;
use serde::Serialize;

use crate::backend::Backend;
use crate::problem::Problem;
use crate::spec::{RULE_ID, SideName};

/// What S3 counts as late with replication time control.
const LATE: Duration = Duration::from_secs(15 * 60);
/// The window that is looked at.
const WINDOW: Duration = Duration::from_secs(3600);

/// How something does. No data is [`Health::Unknown`], never [`Health::Ok`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// Data says that all is well.
    Ok,
    /// Data says that it is not.
    Degraded,
    /// There is no data.
    Unknown,
}

/// One replication metric over the last hour.
#[derive(Debug, Clone, Serialize)]
pub struct Metric {
    /// CloudWatch's name.
    pub name: &'static str,
    /// The region that publishes it.
    pub region: settings::Region,
    /// The largest value (of failures: the sum); `None` without data.
    pub value: Option<f64>,
    /// Seconds, bytes or operations.
    pub unit: &'static str,
    /// What it comes to.
    pub health: Health,
    /// Why there is no data, if asking failed.
    pub problem: Option<Problem>,
}

/// The replication metrics of the rule.
#[derive(Debug, Clone, Serialize)]
pub struct ReplicationMetrics {
    /// Each metric.
    pub metrics: Vec<Metric>,
    /// The worst of them; unknown outranks ok.
    pub health: Health,
}

impl Backend {
    /// Asks each metric in the region that publishes it: latency and what is pending where the
    /// replicas go, failures where the objects come from
    /// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/repl-metrics.html>).
    /// `None` without a DR side. `now` ends the hour that is looked at.
    pub async fn replication_metrics(&self, now: Timestamp) -> Option<ReplicationMetrics> {
        self.spec().dr.as_ref()?;
        let wanted = [
            ("ReplicationLatency", SideName::Dr, Statistic::Maximum, "s"),
            (
                "OperationsPendingReplication",
                SideName::Dr,
                Statistic::Maximum,
                "operations",
            ),
            (
                "BytesPendingReplication",
                SideName::Dr,
                Statistic::Maximum,
                "bytes",
            ),
            (
                "OperationsFailedReplication",
                SideName::Primary,
                Statistic::Sum,
                "operations",
            ),
        ];
        let metrics =
            futures::future::join_all(wanted.map(|(name, side, statistic, unit)| async move {
                let clients = self.clients(side);
                let answer = match self.lost(side) {
                    Some(problem) => Err(problem.clone()),
                    None => self
                        .metric(clients, name, statistic, now)
                        .await
                        .map_err(Problem::from),
                };
                let (value, problem) = match answer {
                    Ok(value) => (value, None),
                    Err(problem) => (None, Some(problem)),
                };
                Metric {
                    name,
                    region: clients.region,
                    value,
                    unit,
                    health: judge(name, value),
                    problem,
                }
            }))
            .await;
        let health = metrics
            .iter()
            .map(|metric| metric.health)
            .fold(Health::Ok, worse);
        Some(ReplicationMetrics { metrics, health })
    }

    async fn metric(
        &self,
        clients: &RegionClients,
        name: &'static str,
        statistic: Statistic,
        now: Timestamp,
    ) -> Result<Option<f64>, Error> {
        let spec = self.spec();
        let target = spec.side(SideName::Dr);
        let dimension =
            |name: &str, value: &str| Dimension::builder().name(name).value(value).build();
        let end = now.as_second();
        let window = i64::try_from(WINDOW.as_secs()).unwrap_or(i64::MAX);
        let answer = clients
            .cloudwatch
            .get_metric_statistics()
            .namespace("AWS/S3")
            .metric_name(name)
            .dimensions(dimension("SourceBucket", spec.primary.bucket.as_str()))
            .dimensions(dimension("DestinationBucket", target.bucket.as_str()))
            .dimensions(dimension("RuleId", RULE_ID))
            .start_time(DateTime::from_secs(end.saturating_sub(window)))
            .end_time(DateTime::from_secs(end))
            .period(300)
            .statistics(statistic.clone())
            .send()
            .await
            .map_err(|error| {
                clients
                    .call("CloudWatch", "GetMetricStatistics", name)
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
        ("ReplicationLatency", Some(seconds)) if seconds > LATE.as_secs_f64() => Health::Degraded,
        ("OperationsFailedReplication", Some(failures)) if failures > 0.0 => Health::Degraded,
        _ => Health::Ok,
    }
}

fn worse(a: Health, b: Health) -> Health {
    match (a, b) {
        (Health::Degraded, _) | (_, Health::Degraded) => Health::Degraded,
        (Health::Unknown, _) | (_, Health::Unknown) => Health::Unknown,
        _ => Health::Ok,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // aws-behaviour: 16
    #[test]
    fn no_data_is_unknown() {
        assert_eq!(judge("ReplicationLatency", None), Health::Unknown);
        assert_eq!(judge("ReplicationLatency", Some(900.0)), Health::Ok);
        assert_eq!(judge("ReplicationLatency", Some(901.0)), Health::Degraded);
        assert_eq!(judge("OperationsFailedReplication", Some(0.0)), Health::Ok);
        assert_eq!(
            judge("OperationsFailedReplication", Some(1.0)),
            Health::Degraded
        );
        assert_eq!(worse(Health::Ok, Health::Unknown), Health::Unknown);
        assert_eq!(worse(Health::Unknown, Health::Degraded), Health::Degraded);
    }
}
