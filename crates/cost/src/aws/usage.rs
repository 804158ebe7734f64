use std::collections::BTreeMap;

use aws_env::{Call, Error, ErrorClass, pages_up_to};
use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::error::BuildError;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{
    Dimension, Metric, MetricDataQuery, MetricDataResult, MetricStat, StatusCode,
};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use report::{Observer, Outcome};
use rust_decimal::Decimal;
use settings::Region;

use crate::inventory::Inventory;
use crate::usage::{Measure, Measured, Measurement, Period, Unmeasured, measures};

/// GetMetricData takes so many metrics at once.
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html>
const MOST_METRICS: usize = 500;

/// A value a day of 500 metrics over three months fits on one page; more pages than this are not read.
const MOST_PAGES: usize = 50;

const DAY: i32 = 86_400;

/// Asks CloudWatch how much the resources of an inventory used in `days` days before `today`. AWS charges for
/// every metric that is asked for.
///
/// # Errors
/// When a region does not answer or refuses: nothing is known then, which is not the same as nothing used.
pub async fn measure(
    client: impl Fn(Region) -> Client,
    inventory: &Inventory,
    days: u32,
    today: Date,
    observer: &dyn Observer,
) -> Result<Measurement, Error> {
    let (wanted, mut unmeasured) = measures(inventory);
    let period = Period::before(today, days);
    let mut by_region: BTreeMap<Region, Vec<&Measure>> = BTreeMap::new();
    for measure in &wanted {
        by_region.entry(measure.region).or_default().push(measure);
    }
    let mut measured = Vec::new();
    for (region, wanted) in by_region {
        let label = format!("ask CloudWatch in {region}");
        let started = std::time::Instant::now();
        observer.started(&label);
        let found = metric_data(&client(region), region, &wanted, period.from, today).await;
        let outcome = match &found {
            Ok(_) => Outcome::Done,
            Err(_) => Outcome::Failed,
        };
        observer.finished(&label, outcome, started.elapsed());
        for (measure, values) in wanted.into_iter().zip(found?) {
            let values: Vec<Decimal> = values.into_values().collect();
            match measure.statistic.of(&values, days) {
                Some(amount) => measured.push(Measured {
                    address: measure.address.clone(),
                    key: measure.key.to_owned(),
                    amount,
                    days: values.len(),
                    remark: measure.remark.map(str::to_owned),
                }),
                None => {
                    let hint = measure
                        .hint
                        .map_or(String::new(), |hint| format!("; {hint}"));
                    unmeasured.push(Unmeasured {
                        address: measure.address.clone(),
                        key: measure.key.to_owned(),
                        why: format!("CloudWatch has no data of these days{hint}"),
                    });
                }
            }
        }
    }
    unmeasured.sort();
    Ok(Measurement {
        period: Some(period),
        measured,
        unmeasured,
    })
}

/// By second of the epoch, for each measure.
type Days = BTreeMap<i64, Decimal>;

async fn metric_data(
    client: &Client,
    region: Region,
    wanted: &[&Measure],
    from: Date,
    to: Date,
) -> Result<Vec<Days>, Error> {
    let call = || Call {
        region,
        service: "CloudWatch",
        operation: "GetMetricData",
        resource: "the stack".to_owned(),
    };
    let mut queries = Vec::new();
    for (at, measure) in wanted.iter().enumerate() {
        queries.extend(
            queries_of(at, measure)
                .map_err(|error| Error::unexpected(call(), error.to_string()))?,
        );
    }
    let mut found: Vec<Days> = vec![Days::new(); wanted.len()];
    for chunk in queries.chunks(MOST_METRICS) {
        let pages = client
            .get_metric_data()
            .set_metric_data_queries(Some(chunk.to_vec()))
            .start_time(midnight(from))
            .end_time(midnight(to))
            .into_paginator()
            .send();
        for page in pages_up_to(call(), MOST_PAGES, pages).await? {
            for result in page.metric_data_results() {
                add(result, &mut found).map_err(|(class, what)| {
                    let mut error = Error::unexpected(call(), what);
                    error.class = class;
                    error
                })?;
            }
        }
    }
    Ok(found)
}

/// A query for every metric and value of the split, all named after the measure.
fn queries_of(at: usize, measure: &Measure) -> Result<Vec<MetricDataQuery>, BuildError> {
    let dimension = |name: &str, value: &str| Dimension::builder().name(name).value(value).build();
    let plain: Vec<Dimension> = measure
        .dimensions
        .iter()
        .map(|(name, value)| dimension(name, value))
        .collect();
    let splits: Vec<Option<Dimension>> = match measure.split {
        None => vec![None],
        Some((name, values)) => values
            .iter()
            .map(|value| Some(dimension(name, value)))
            .collect(),
    };
    let mut queries = Vec::new();
    for name in measure.metrics {
        for split in &splits {
            let metric = Metric::builder()
                .namespace(measure.namespace)
                .metric_name(*name)
                .set_dimensions(Some(plain.iter().chain(split).cloned().collect()))
                .build();
            let stat = MetricStat::builder()
                .metric(metric)
                .period(DAY)
                .stat(if measure.statistic.is_mean() {
                    "Average"
                } else {
                    "Sum"
                })
                .build();
            let query = MetricDataQuery::builder()
                .id(format!("m{at}_{}", queries.len()))
                .metric_stat(stat)
                .build();
            queries.push(query);
        }
    }
    Ok(queries)
}

/// Adds the days of a metric to those of its measure.
fn add(result: &MetricDataResult, found: &mut [Days]) -> Result<(), (ErrorClass, String)> {
    let id = result.id().unwrap_or_default();
    let says = || {
        let messages = result
            .messages()
            .iter()
            .filter_map(|message| message.value());
        messages.collect::<Vec<_>>().join("; ")
    };
    match result.status_code() {
        None | Some(StatusCode::Complete | StatusCode::PartialData) => {}
        Some(StatusCode::Forbidden) => return Err((ErrorClass::Denied, says())),
        Some(other) => return Err((ErrorClass::Other, format!("{} {}", other.as_str(), says()))),
    }
    let days = id
        .strip_prefix('m')
        .and_then(|id| id.split('_').next())
        .and_then(|at| at.parse::<usize>().ok())
        .and_then(|at| found.get_mut(at))
        .ok_or((
            ErrorClass::Other,
            format!("an answer to {id:?}, which no query has"),
        ))?;
    for (time, value) in result.timestamps().iter().zip(result.values()) {
        let value = Decimal::try_from(*value).map_err(|_| {
            (
                ErrorClass::Other,
                format!("{value} of a metric is no number"),
            )
        })?;
        let day = days.entry(time.secs()).or_default();
        *day = day
            .checked_add(value)
            .ok_or((ErrorClass::Other, "a metric is out of range".to_owned()))?;
    }
    Ok(())
}

fn midnight(date: Date) -> DateTime {
    // Every date that today can be has a midnight in UTC.
    let seconds = date
        .to_zoned(TimeZone::UTC)
        .map_or(0, |zoned| zoned.timestamp().as_second());
    DateTime::from_secs(seconds)
}
