//! Alarms of the metrics, in the DR region: what would be lost is beyond its objective, a preflight fails, a drill is overdue. What is
//! not published is taken for that as well: whoever looks no more, or knows nothing, is told of.

use std::time::Duration;

use aws_env::{DrOnly, Error, RegionClients};
use aws_sdk_cloudwatch::types::{ComparisonOperator, MetricAlarm, Statistic};
use settings::TopicArn;

use super::Measured;
use super::metrics::{DRILL_OVERDUE, NAMESPACE, PREFLIGHT_FAILING, dimensions, named};

/// A period is a multiple of a minute
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html>).
const MINUTE: u64 = 60;
/// What is missing is a breach.
const MISSING: &str = "breaching";
/// Names that one call takes: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html>.
const MOST: usize = 100;

/// What the alarms of a ledger are made with.
#[derive(Debug, Clone, Copy)]
pub struct AlarmRequest<'a> {
    /// For how long a look speaks: one without a later one in so long is missing.
    pub holds: Duration,
    /// Who is told, in the DR region.
    pub topic: &'a TopicArn,
}

/// Why alarms were not made.
#[derive(Debug, thiserror::Error)]
pub enum AlarmsError {
    /// CloudWatch does not answer, or refuses.
    #[error(transparent)]
    Aws(Box<Error>),
    /// Somebody else has taken the name.
    #[error("the alarm {0} is of another metric")]
    Taken(String),
}

impl From<Error> for AlarmsError {
    fn from(error: Error) -> Self {
        Self::Aws(Box::new(error))
    }
}

/// An alarm as it is to be.
struct Wanted<'a> {
    name: String,
    metric: &'static str,
    of: Option<(&'static str, &'a str)>,
    threshold: f64,
}

fn wanted(measured: &Measured) -> Vec<Wanted<'_>> {
    let prefix = format!("{}-dr", measured.environment);
    let series = measured.sample.series.iter().filter_map(|series| {
        let objective = series.measure.objective(measured.objectives)?;
        let (metric, kind) = named(series.measure);
        Some(Wanted {
            name: format!("{prefix}-{metric}-{}", series.of),
            metric,
            of: Some((kind, &series.of)),
            threshold: objective as f64,
        })
    });
    let overdue = [PREFLIGHT_FAILING, DRILL_OVERDUE];
    let overdue = overdue.map(|metric| Wanted {
        name: format!("{prefix}-{metric}"),
        metric,
        of: None,
        threshold: 0.0,
    });
    series.chain(overdue).collect()
}

/// Makes the alarms that are missing, and puts right those that are otherwise; whom they tell besides stays. Returns the names of
/// those that it wrote.
///
/// # Errors
/// When CloudWatch does not answer or refuses, or an alarm of the name is of another metric; those before it are written.
pub async fn keep_alarms(
    dr: &DrOnly,
    measured: &Measured,
    request: AlarmRequest<'_>,
) -> Result<Vec<String>, AlarmsError> {
    let clients = dr.region().clients();
    let wanted = wanted(measured);
    let mut written = Vec::new();
    for wanted in wanted.chunks(MOST) {
        let call = clients.call("CloudWatch", "DescribeAlarms", NAMESPACE);
        let names = wanted.iter().map(|alarm| alarm.name.clone()).collect();
        let describe = clients.cloudwatch.describe_alarms();
        let describe = describe
            .set_alarm_names(Some(names))
            .max_records(MOST as i32);
        let found = describe.send().await.map_err(|error| call.failed(error))?;
        for alarm in wanted {
            let mut there = found.metric_alarms().iter();
            let there = there.find(|there| there.alarm_name() == Some(&alarm.name));
            if put(&clients, (measured, alarm), there, request).await? {
                written.push(alarm.name.clone());
            }
        }
    }
    Ok(written)
}

/// Whether it had to be written.
async fn put(
    clients: &RegionClients,
    (measured, alarm): (&Measured, &Wanted<'_>),
    there: Option<&MetricAlarm>,
    request: AlarmRequest<'_>,
) -> Result<bool, AlarmsError> {
    let mut dimensions = dimensions(&measured.environment, alarm.of);
    let period = request.holds.as_secs().div_ceil(MINUTE).max(1) * MINUTE;
    let period = i32::try_from(period).unwrap_or(i32::MAX);
    let mut actions = vec![request.topic.to_string()];
    if let Some(there) = there {
        let mut found = there.dimensions().to_vec();
        for all in [&mut found, &mut dimensions] {
            all.sort_by(|a, b| a.name().cmp(&b.name()));
        }
        if there.metric_name() != Some(alarm.metric)
            || there.namespace() != Some(NAMESPACE)
            || found != dimensions
        {
            return Err(AlarmsError::Taken(alarm.name.clone()));
        }
        let tells = |actions: &[String]| actions.iter().any(|one| *one == request.topic.as_str());
        let is_as_wanted = there.statistic() == Some(&Statistic::Maximum)
            && there.comparison_operator() == Some(&ComparisonOperator::GreaterThanThreshold)
            && there.threshold() == Some(alarm.threshold)
            && there.period() == Some(period)
            && there.evaluation_periods() == Some(1)
            && there.treat_missing_data() == Some(MISSING)
            && there.actions_enabled() == Some(true)
            && tells(there.alarm_actions());
        if is_as_wanted {
            return Ok(false);
        }
        actions.extend(there.alarm_actions().iter().cloned());
        actions.sort();
        actions.dedup();
    }
    let call = clients.call("CloudWatch", "PutMetricAlarm", alarm.name.clone());
    let put = clients
        .cloudwatch
        .put_metric_alarm()
        .alarm_name(&alarm.name)
        .alarm_description(format!(
            "{} of {}, as `dr-runbook watch` publishes it; nothing published counts as well.",
            alarm.metric, measured.environment
        ))
        .namespace(NAMESPACE)
        .metric_name(alarm.metric)
        .set_dimensions(Some(dimensions))
        .statistic(Statistic::Maximum)
        .comparison_operator(ComparisonOperator::GreaterThanThreshold)
        .threshold(alarm.threshold)
        .period(period)
        .evaluation_periods(1)
        .treat_missing_data(MISSING)
        .actions_enabled(true)
        .set_alarm_actions(Some(actions))
        .set_ok_actions(there.and_then(|there| there.ok_actions.clone()))
        .set_insufficient_data_actions(
            there.and_then(|there| there.insufficient_data_actions.clone()),
        );
    put.send().await.map_err(|error| call.failed(error))?;
    Ok(true)
}
