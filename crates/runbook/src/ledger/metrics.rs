//! The same for alarms: CloudWatch metrics in the DR region.

use aws_env::{DrOnly, Error};
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, MetricDatum, StandardUnit};

use super::{Measure, Measured};

pub(super) const NAMESPACE: &str = "DrRunbook";
pub(super) const PREFLIGHT_FAILING: &str = "PreflightFailing";
pub(super) const DRILL_OVERDUE: &str = "DrillOverdue";
/// As many as one call takes: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html>.
const MOST: usize = 1000;

/// What somebody has to see to; `None` where nobody knows, which is not published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overdue {
    /// The last preflight found something that is not as it should be, or there was none.
    pub preflight: Option<bool>,
    /// No failover has been practised in this quarter.
    pub drill: Option<bool>,
}

/// Publishes what is known. What is not is left out: an alarm that treats missing data as a breach tells of it.
///
/// # Errors
/// When CloudWatch does not answer or refuses.
pub async fn publish(dr: &DrOnly, measured: &Measured, overdue: Overdue) -> Result<(), Error> {
    let clients = dr.region().clients();
    for data in data(measured, overdue).chunks(MOST) {
        let call = dr.region().call("CloudWatch", "PutMetricData", NAMESPACE);
        let put = clients.cloudwatch.put_metric_data().namespace(NAMESPACE);
        let put = put.set_metric_data(Some(data.to_vec())).send();
        put.await.map_err(|error| call.failed(error))?;
    }
    Ok(())
}

/// The dimensions of a metric: the environment, and what it is of.
pub(super) fn dimensions(environment: &str, of: Option<(&str, &str)>) -> Vec<Dimension> {
    let all = [Some(("Environment", environment)), of]
        .into_iter()
        .flatten();
    let dimension = |(name, value)| Dimension::builder().name(name).value(value).build();
    all.map(dimension).collect()
}

/// What the metric of a measure is called, and the dimension that says of what it is.
pub(super) fn named(measure: Measure) -> (&'static str, &'static str) {
    match measure {
        Measure::OldestUnreplicated => ("OldestUnreplicatedObjectAge", "Bucket"),
        Measure::Backlog => ("ReplicationBacklog", "Bucket"),
        Measure::RecoveryPointAge => ("RecoveryPointAge", "Database"),
        Measure::LatestRestorableAge => ("LatestRestorableAge", "Database"),
        Measure::SerialsBehind => ("StateSerialsBehind", "State"),
    }
}

fn data(measured: &Measured, overdue: Overdue) -> Vec<MetricDatum> {
    let at = DateTime::from_secs(measured.sample.at.as_second());
    let datum = |name: &str, of: Option<(&str, &str)>, value: f64, unit: StandardUnit| {
        let datum = MetricDatum::builder().metric_name(name).timestamp(at);
        let datum = datum.value(value).unit(unit);
        let dimensions = dimensions(&measured.environment, of);
        datum.set_dimensions(Some(dimensions)).build()
    };
    let mut data: Vec<MetricDatum> = Vec::new();
    for (series, value) in measured.sample.pairs() {
        let Some(value) = value else {
            continue;
        };
        let (name, kind) = named(series.measure);
        let unit = match series.measure.is_age() {
            true => StandardUnit::Seconds,
            false => StandardUnit::Count,
        };
        data.push(datum(name, Some((kind, &series.of)), value as f64, unit));
    }
    for (name, found) in [
        (PREFLIGHT_FAILING, overdue.preflight),
        (DRILL_OVERDUE, overdue.drill),
    ] {
        if let Some(found) = found {
            data.push(datum(
                name,
                None,
                f64::from(u8::from(found)),
                StandardUnit::Count,
            ));
        }
    }
    data
}
