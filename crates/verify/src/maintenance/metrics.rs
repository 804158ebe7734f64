//! What CloudWatch measured of the database, Redis and the buckets.

use std::collections::BTreeMap;

use aws_sdk_cloudwatch::types::{
    Dimension, Metric, MetricDataQuery, MetricStat, ScanBy, StatusCode,
};
use jiff::Timestamp;
use report::finding::{Finding, Observation, Unobserved};

use super::{Context, Series, sdk, time};
use crate::named;

const DAY_SECONDS: i32 = 24 * 60 * 60;
/// Days that are looked back.
const DAYS: i64 = 14;
/// Storage that would be used up sooner than this is a matter of this week.
const STORAGE_DAYS: f64 = 30.0;
const GIB: f64 = 1_073_741_824.0;

/// A metric to ask for.
struct Wanted {
    what: &'static str,
    resource: String,
    namespace: &'static str,
    metric: &'static str,
    dimensions: Vec<(&'static str, String)>,
    statistic: &'static str,
    unit: &'static str,
    /// What a value is divided by.
    scale: f64,
}

impl Wanted {
    fn query(&self, id: usize) -> MetricDataQuery {
        let dimensions = self
            .dimensions
            .iter()
            .map(|(name, value)| Dimension::builder().name(*name).value(value).build());
        let metric = Metric::builder()
            .namespace(self.namespace)
            .metric_name(self.metric)
            .set_dimensions(Some(dimensions.collect()))
            .build();
        let stat = MetricStat::builder()
            .metric(metric)
            .period(DAY_SECONDS)
            .stat(self.statistic)
            .build();
        MetricDataQuery::builder()
            .id(format!("m{id}"))
            .metric_stat(stat)
            .return_data(true)
            .build()
    }
}

/// What was answered about a metric: time and value, and what became of the question.
type Answered = (Vec<(Timestamp, f64)>, Option<StatusCode>);

/// The values of each metric, or why it has none.
async fn measure(context: Context<'_>, wanted: &[Wanted]) -> Vec<Observation<Series>> {
    let call = context
        .clients
        .call("CloudWatch", "GetMetricData", context.name());
    let queries = wanted
        .iter()
        .enumerate()
        .map(|(id, wanted)| wanted.query(id));
    let mut pages = context
        .clients
        .home
        .cloudwatch
        .get_metric_data()
        .set_metric_data_queries(Some(queries.collect()))
        .start_time(sdk(context.ago(DAYS)))
        .end_time(sdk(context.at))
        .scan_by(ScanBy::TimestampAscending)
        .into_paginator()
        .send();
    let mut found: BTreeMap<String, Answered> = BTreeMap::new();
    while let Some(page) = pages.next().await {
        let page = match page {
            Ok(page) => page,
            Err(error) => {
                let unobserved = Unobserved::from(call.failed(error));
                return wanted.iter().map(|_| Err(unobserved.clone())).collect();
            }
        };
        for result in page.metric_data_results() {
            let (points, status) = found
                .entry(result.id().unwrap_or_default().to_owned())
                .or_default();
            let times = result.timestamps().iter().map(time);
            let values = result.values().iter().copied();
            points.extend(
                times
                    .zip(values)
                    .filter_map(|(time, value)| Some((time?, value))),
            );
            // Partial data goes on on another page; what the last one says counts.
            *status = result.status_code().cloned();
        }
    }
    wanted
        .iter()
        .enumerate()
        .map(|(id, wanted)| {
            let Some((mut points, status)) = found.remove(&format!("m{id}")) else {
                return Err(Unobserved::because("CloudWatch gave no answer about it"));
            };
            match status {
                None | Some(StatusCode::Complete) => {}
                Some(status) => {
                    return Err(Unobserved::because(format!(
                        "CloudWatch answered {}",
                        status.as_str()
                    )));
                }
            }
            if points.is_empty() {
                return Err(Unobserved::because(format!(
                    "no data of the last {DAYS} days"
                )));
            }
            points.sort_by_key(|(time, _)| *time);
            for (_, value) in &mut points {
                *value /= wanted.scale;
            }
            Ok(Series {
                what: format!(
                    "{} {}, {}",
                    wanted.what,
                    wanted.metric,
                    wanted.statistic.to_lowercase()
                ),
                resource: wanted.resource.clone(),
                unit: wanted.unit,
                points,
            })
        })
        .collect()
}

pub(super) async fn performance(context: Context<'_>) -> (Vec<Finding>, Vec<Series>) {
    let mut wanted = Vec::new();
    let mut findings = Vec::new();
    match context.located.text("db_identifier") {
        Ok(id) => {
            for (metric, statistic, unit, scale) in [
                ("CPUUtilization", "Average", "%", 1.0),
                ("CPUUtilization", "Maximum", "%", 1.0),
                ("FreeableMemory", "Minimum", "GiB", GIB),
                ("FreeStorageSpace", "Minimum", "GiB", GIB),
                ("DatabaseConnections", "Maximum", "", 1.0),
            ] {
                wanted.push(Wanted {
                    what: "RDS",
                    resource: id.to_owned(),
                    namespace: "AWS/RDS",
                    metric,
                    dimensions: vec![("DBInstanceIdentifier", id.to_owned())],
                    statistic,
                    unit,
                    scale,
                });
            }
        }
        Err(unobserved) => findings.push(Finding::new(
            "trend",
            "the database",
            "data",
            Err(unobserved),
        )),
    }
    match nodes(context).await {
        Ok(nodes) => {
            for node in nodes {
                for (metric, statistic, unit) in [
                    ("EngineCPUUtilization", "Maximum", "%"),
                    ("DatabaseMemoryUsagePercentage", "Maximum", "%"),
                    ("Evictions", "Sum", ""),
                    ("CurrConnections", "Maximum", ""),
                ] {
                    wanted.push(Wanted {
                        what: "Redis",
                        resource: node.clone(),
                        namespace: "AWS/ElastiCache",
                        metric,
                        dimensions: vec![("CacheClusterId", node.clone())],
                        statistic,
                        unit,
                        scale: 1.0,
                    });
                }
            }
        }
        Err(unobserved) => findings.push(Finding::new("trend", "Redis", "data", Err(unobserved))),
    }
    let measured = measure(context, &wanted).await;
    let mut series = Vec::new();
    for (wanted, measured) in wanted.iter().zip(measured) {
        let what = format!("{} {}", wanted.metric, wanted.statistic.to_lowercase());
        let resource = format!("{}: {what}", wanted.resource);
        let seen = measured
            .as_ref()
            .map_err(Clone::clone)
            .map(|series| (true, summary(series)));
        findings.push(Finding::new("trend", resource, "data", seen));
        if wanted.metric == "FreeStorageSpace" {
            let lasts = measured.as_ref().map_err(Clone::clone).and_then(lasts);
            findings.push(
                Finding::new(
                    "storage-lasts",
                    &wanted.resource,
                    format!("{STORAGE_DAYS} days at this rate"),
                    lasts,
                )
                .fix(
                    "raise db_max_allocated_storage_gb before it is used up, then terraform apply",
                ),
            );
        }
        series.extend(measured);
    }
    (findings, series)
}

/// The nodes of the replication group, by which CloudWatch knows them.
async fn nodes(context: Context<'_>) -> Observation<Vec<String>> {
    let id = context.located.text("redis_replication_group_id")?;
    let group = named::replication_group(context.clients, id).await?;
    let nodes = group.member_clusters.unwrap_or_default();
    match nodes.is_empty() {
        true => Err(Unobserved::because("ElastiCache shows no node of it")),
        false => Ok(nodes),
    }
}

fn summary(series: &Series) -> String {
    let values: Vec<f64> = series.points.iter().map(|(_, value)| *value).collect();
    let last = values.last().copied().unwrap_or_default();
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let unit = match series.unit {
        "" => String::new(),
        unit => format!(" {unit}"),
    };
    format!(
        "{last:.1}{unit} at last, {least:.1} to {most:.1} over {} days",
        values.len()
    )
}

/// Value a day, by the line through all points with the least squares.
fn slope(points: &[(Timestamp, f64)]) -> Option<f64> {
    let (first, _) = points.first()?;
    let days: Vec<f64> = points
        .iter()
        .map(|(time, _)| time.duration_since(*first).as_secs_f64() / f64::from(DAY_SECONDS))
        .collect();
    let count = points.len() as f64;
    let mean_day = days.iter().sum::<f64>() / count;
    let mean = points.iter().map(|(_, value)| value).sum::<f64>() / count;
    let spread: f64 = days.iter().map(|day| (day - mean_day).powi(2)).sum();
    if spread == 0.0 {
        return None;
    }
    let joint: f64 = days
        .iter()
        .zip(points)
        .map(|(day, (_, value))| (day - mean_day) * (value - mean))
        .sum();
    Some(joint / spread)
}

/// How long the free storage lasts if it goes on like this.
fn lasts(series: &Series) -> Observation<(bool, String)> {
    let last = series.points.last().map(|(_, value)| *value);
    match (slope(&series.points), last) {
        (Some(slope), Some(last)) if slope < 0.0 => {
            let days = last / -slope;
            let shown = format!(
                "{last:.1} GiB free, {:.2} GiB less each day: {days:.0} days",
                -slope
            );
            Ok((days >= STORAGE_DAYS, shown))
        }
        (Some(_), Some(last)) => Ok((
            true,
            format!("{last:.1} GiB free, and it does not get less"),
        )),
        _ => Err(Unobserved::because("one day alone shows no trend")),
    }
}

/// Classes in which the lifecycle rules of the guide keep objects.
const CLASSES: [&str; 3] = ["StandardStorage", "GlacierStorage", "DeepArchiveStorage"];

pub(super) async fn growth(context: Context<'_>) -> (Vec<Finding>, Vec<Series>) {
    let outputs = [
        "s3_bucket_photos",
        "s3_bucket_documents",
        "s3_bucket_signatures",
        "s3_bucket_logs",
    ];
    let mut findings = Vec::new();
    let mut wanted = Vec::new();
    let mut buckets = Vec::new();
    for output in outputs {
        match context.located.text(output) {
            Ok(bucket) => buckets.push(bucket),
            Err(unobserved) => {
                findings.push(Finding::new("growth", output, "data", Err(unobserved)));
            }
        }
    }
    for bucket in &buckets {
        let sizes = CLASSES.map(|class| ("BucketSizeBytes", class, "GiB", GIB));
        for (metric, class, unit, scale) in
            sizes
                .into_iter()
                .chain([("NumberOfObjects", "AllStorageTypes", "", 1.0)])
        {
            wanted.push(Wanted {
                what: class,
                resource: (*bucket).to_owned(),
                namespace: "AWS/S3",
                metric,
                dimensions: vec![
                    ("BucketName", (*bucket).to_owned()),
                    ("StorageType", class.to_owned()),
                ],
                statistic: "Average",
                unit,
                scale,
            });
        }
    }
    let measured = measure(context, &wanted).await;
    for (bucket, of_bucket) in buckets.iter().zip(measured.chunks(CLASSES.len() + 1)) {
        findings.push(Finding::new("growth", *bucket, "data", grown(of_bucket)));
    }
    (findings, measured.into_iter().flatten().collect())
}

/// What a bucket has gained. A class without objects has no data; a bucket without any is unknown.
fn grown(measured: &[Observation<Series>]) -> Observation<(bool, String)> {
    let sizes = &measured[..measured.len().saturating_sub(1)];
    let known: Vec<&Series> = sizes
        .iter()
        .filter_map(|series| series.as_ref().ok())
        .collect();
    if known.is_empty() {
        let why = sizes
            .iter()
            .find_map(|series| series.as_ref().err().cloned());
        return Err(why.unwrap_or_else(|| Unobserved::because("nothing was asked")));
    }
    let total = |point: fn(&Series) -> Option<f64>| {
        known.iter().filter_map(|series| point(series)).sum::<f64>()
    };
    let now = total(|series| series.points.last().map(|(_, value)| *value));
    let then = total(|series| series.points.first().map(|(_, value)| *value));
    let objects = measured.last().and_then(|series| series.as_ref().ok());
    let objects = objects.and_then(|series| series.points.last()).map_or_else(
        || "an unknown number of".to_owned(),
        |(_, value)| format!("{value:.0}"),
    );
    let days = known
        .iter()
        .map(|series| series.points.len())
        .max()
        .unwrap_or_default();
    Ok((
        true,
        format!(
            "{now:.2} GiB in {objects} objects, {:+.2} GiB over {days} days",
            now - then
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(values: &[f64]) -> Series {
        let at = |day: usize| Timestamp::from_second(86_400 * i64::try_from(day).unwrap()).unwrap();
        Series {
            what: "x".into(),
            resource: "x".into(),
            unit: "GiB",
            points: values
                .iter()
                .enumerate()
                .map(|(day, value)| (at(day), *value))
                .collect(),
        }
    }

    #[test]
    fn storage_that_will_be_used_up_is_wrong_and_one_day_is_no_trend() {
        let (right, shown) = lasts(&series(&[50.0, 48.0, 46.0, 44.0])).unwrap();
        assert!(!right && shown.ends_with("22 days"), "{shown}");
        let (right, shown) = lasts(&series(&[50.0, 49.0, 48.0])).unwrap();
        assert!(right && shown.ends_with("48 days"), "{shown}");
        assert!(lasts(&series(&[50.0, 50.0, 51.0])).unwrap().0);
        assert!(lasts(&series(&[50.0])).is_err());
    }

    #[test]
    fn a_bucket_without_data_is_unknown_and_one_class_is_enough() {
        let none = || Err(Unobserved::because("no data"));
        assert!(grown(&[none(), none(), none()]).is_err());
        let (_, shown) =
            grown(&[Ok(series(&[1.0, 3.0])), none(), Ok(series(&[7.0, 9.0]))]).unwrap();
        assert_eq!(shown, "3.00 GiB in 9 objects, +2.00 GiB over 2 days");
    }
}
