//! What S3 has published in the DR region.

use aws_env::{DrOnly, Error};
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, DimensionFilter, Statistic};
use jiff::Timestamp;

use super::{Backlog, BacklogBy, Oldest, Reading};
use crate::objects::pairing::BucketPair;
use crate::objects::plan::Tally;

const NAMESPACE: &str = "AWS/S3";
/// Seconds that the slowest object took, objects and bytes that wait: published where the replicas go. Failures are
/// published where the objects come from (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/repl-metrics.html>).
const LATENCY: &str = "ReplicationLatency";
const OBJECTS: &str = "OperationsPendingReplication";
const BYTES: &str = "BytesPendingReplication";
/// What was told last before a region was lost is looked for so far back: 1,440 minutes are the most of one answer.
const WINDOW: i64 = 23 * 60 * 60;
const MINUTE: i32 = 60;

/// The backlog of a bucket, without one call to the primary region: what S3 told last in the DR region. It is as of then,
/// which in an outage is before it. What S3 has given up on, and what no rule replicates, is not told there.
pub async fn backlog_by_metrics(dr: &DrOnly, pair: &BucketPair, now: Timestamp) -> Backlog {
    let published = Published { dr, pair, now };
    let mut backlog = Backlog::unknown(
        pair,
        BacklogBy::Metrics,
        now,
        "S3 tells it in the primary region alone",
    );
    let rules = match published.rules().await {
        Ok(rules) if rules.is_empty() => {
            Err("S3 has published nothing about this bucket".to_owned())
        }
        Ok(rules) => Ok(rules),
        Err(error) => Err(error.to_string()),
    };
    let rules = match rules {
        Ok(rules) => rules,
        Err(reason) => {
            backlog.pending = Reading::unknown(reason.clone());
            backlog.oldest = Reading::unknown(reason.clone());
            backlog.lag_seconds = Reading::unknown(reason);
            return backlog;
        }
    };
    let (lag, objects, bytes) = tokio::join!(
        published.last(LATENCY, &rules, u64::max),
        published.last(OBJECTS, &rules, u64::saturating_add),
        published.last(BYTES, &rules, u64::saturating_add),
    );
    backlog.oldest = oldest(&objects, &lag);
    backlog.pending = match (objects, bytes) {
        (
            Reading::Known { value, at },
            Reading::Known {
                value: bytes,
                at: of_bytes,
            },
        ) => Reading::Known {
            value: Tally {
                objects: value,
                bytes,
            },
            at: at.min(of_bytes),
        },
        (Reading::Unknown { reason }, _) | (_, Reading::Unknown { reason }) => {
            Reading::Unknown { reason }
        }
    };
    backlog.lag_seconds = lag;
    backlog
}

/// The slowest object of a minute was written so long before it as it took.
fn oldest(objects: &Reading<u64>, lag: &Reading<u64>) -> Reading<Option<Oldest>> {
    match (objects, lag) {
        (Reading::Known { value: 0, at }, _) => Reading::Known {
            value: None,
            at: *at,
        },
        (Reading::Known { .. }, Reading::Known { value, at }) => {
            let seconds = i64::try_from(*value).unwrap_or(i64::MAX);
            match at.checked_sub(jiff::SignedDuration::from_secs(seconds)) {
                Ok(written) => Reading::Known {
                    value: Some(Oldest { written, key: None }),
                    at: *at,
                },
                Err(_) => Reading::unknown(format!("a lag of {value} s is none")),
            }
        }
        (Reading::Unknown { reason }, _) | (_, Reading::Unknown { reason }) => {
            Reading::unknown(reason.clone())
        }
    }
}

struct Published<'a> {
    dr: &'a DrOnly,
    pair: &'a BucketPair,
    now: Timestamp,
}

impl Published<'_> {
    /// The rules that S3 has published figures of. Their names stand in the primary bucket's configuration, which is not
    /// asked.
    async fn rules(&self) -> Result<Vec<String>, Error> {
        let cloudwatch = self.dr.region().clients().cloudwatch;
        let filter =
            |name: &str, value: &str| DimensionFilter::builder().name(name).value(value).build();
        let list = || {
            cloudwatch
                .list_metrics()
                .namespace(NAMESPACE)
                .metric_name(LATENCY)
                .dimensions(filter("SourceBucket", self.pair.primary.name.as_str()))
                .dimensions(filter("DestinationBucket", self.pair.dr.name.as_str()))
        };
        let mut rules = Vec::new();
        let mut next = None;
        loop {
            let page = list().set_next_token(next).send().await.map_err(|error| {
                let call = self.dr.region().call("CloudWatch", "ListMetrics", LATENCY);
                call.failed(error)
            })?;
            for metric in page.metrics() {
                let mut dimensions = metric.dimensions().iter();
                let rule = dimensions.find(|dimension| dimension.name() == Some("RuleId"));
                rules.extend(rule.and_then(|rule| rule.value()).map(str::to_owned));
            }
            next = page.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                break;
            }
        }
        rules.sort();
        rules.dedup();
        Ok(rules)
    }

    /// What all rules told last of a metric, as of the one that is silent longest.
    async fn last(
        &self,
        metric: &str,
        rules: &[String],
        both: fn(u64, u64) -> u64,
    ) -> Reading<u64> {
        let mut all: Option<(u64, Timestamp)> = None;
        for rule in rules {
            let (value, at) = match self.last_of_rule(metric, rule).await {
                Ok(Some(last)) => last,
                Ok(None) => {
                    return Reading::unknown(format!("no data of {metric} for rule {rule}"));
                }
                Err(error) => return Reading::unknown(error.to_string()),
            };
            all = Some(match all {
                None => (value, at),
                Some((before, of_before)) => (both(before, value), of_before.min(at)),
            });
        }
        match all {
            Some((value, at)) => Reading::Known { value, at },
            None => Reading::unknown(format!("no data of {metric}")),
        }
    }

    async fn last_of_rule(
        &self,
        metric: &str,
        rule: &str,
    ) -> Result<Option<(u64, Timestamp)>, Error> {
        let cloudwatch = self.dr.region().clients().cloudwatch;
        let dimension =
            |name: &str, value: &str| Dimension::builder().name(name).value(value).build();
        let end = self.now.as_second();
        let answer = cloudwatch
            .get_metric_statistics()
            .namespace(NAMESPACE)
            .metric_name(metric)
            .dimensions(dimension("SourceBucket", self.pair.primary.name.as_str()))
            .dimensions(dimension("DestinationBucket", self.pair.dr.name.as_str()))
            .dimensions(dimension("RuleId", rule))
            .start_time(DateTime::from_secs(end.saturating_sub(WINDOW)))
            .end_time(DateTime::from_secs(end))
            .period(MINUTE)
            .statistics(Statistic::Maximum)
            .send()
            .await
            .map_err(|error| {
                let call = self
                    .dr
                    .region()
                    .call("CloudWatch", "GetMetricStatistics", metric);
                call.failed(error)
            })?;
        let points = answer.datapoints().iter().filter_map(|point| {
            let at = Timestamp::from_second(point.timestamp()?.secs()).ok()?;
            Some((at, whole(point.maximum()?)?))
        });
        let last = points.max_by_key(|(at, _)| *at);
        Ok(last.map(|(at, value)| (value, at)))
    }
}

/// A figure that is none is no figure; half an object that waits is one.
fn whole(figure: f64) -> Option<u64> {
    /// All whole numbers up to here are exact.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if !(0.0..=EXACT).contains(&figure) {
        return None;
    }
    format!("{:.0}", figure.ceil()).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_of_what_is_no_figure_is_none() {
        for (figure, number) in [
            (0.0, Some(0)),
            (0.2, Some(1)),
            (1200.0, Some(1200)),
            (-1.0, None),
            (f64::NAN, None),
            (f64::INFINITY, None),
            (1e300, None),
        ] {
            assert_eq!(whole(figure), number, "{figure}");
        }
    }

    #[test]
    fn oldest_is_as_old_as_the_lag_and_nobody_where_nothing_waits() {
        let at: Timestamp = "2026-11-30T03:00:00Z".parse().unwrap();
        let known = |value| Reading::Known { value, at };
        let none = Reading::Known { value: None, at };
        assert_eq!(oldest(&known(0), &Reading::unknown("x")), none);
        let waiting = oldest(&known(2), &known(90));
        let oldest_one = waiting.known().unwrap().clone().unwrap();
        assert_eq!(oldest_one.written.to_string(), "2026-11-30T02:58:30Z");
        let unknown = [
            oldest(&known(2), &Reading::unknown("x")),
            oldest(&Reading::unknown("x"), &known(90)),
            oldest(&known(2), &known(u64::MAX)),
        ];
        assert!(unknown.iter().all(|reading| reading.known().is_none()));
    }
}
