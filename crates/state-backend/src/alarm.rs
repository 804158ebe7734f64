//! Alarms of the state's replication, each in the region that publishes its metric.

use aws_env::{Call, Error, RegionClients};
use aws_sdk_cloudwatch::types::{ComparisonOperator, Dimension, MetricAlarm, Statistic};
use serde_json::{Value, json};
use settings::AlarmTopics;

use crate::metrics::{FAILED, LATE, LATENCY};
use crate::spec::{Aspect, Facet, Kind, RULE_ID, Resource, Side, Spec};

/// S3 publishes a value a minute while there is traffic; one late value can be a single slow object.
const PERIOD_SECONDS: i32 = 300;
/// No traffic is no fault: a state that nobody writes is replicated.
const WITHOUT_DATA: &str = "notBreaching";

/// The two alarms: states that arrive late, and states that S3 has given up on.
pub(crate) fn wanted(spec: &Spec, dr: &Side, topics: &AlarmTopics) -> Vec<Facet> {
    let bucket = &spec.primary.bucket;
    let alarm = |side: &Side, name: String, wanted: Value| Facet {
        resource: Resource {
            kind: Kind::Alarm,
            name,
            side: side.name,
            region: side.region,
        },
        aspect: Aspect::Exists,
        wanted,
    };
    let definition =
        |metric: &str, statistic: Statistic, threshold: f64, periods: i32, topic: &str| {
            json!({
                "metric": metric,
                "dimensions": dimensions(spec, dr),
                "statistic": statistic.as_str(),
                "threshold": threshold,
                "comparison": ComparisonOperator::GreaterThanThreshold.as_str(),
                "period": PERIOD_SECONDS,
                "periods": periods,
                "withoutData": WITHOUT_DATA,
                "enabled": true,
                "alarmActions": [topic],
                "okActions": [topic],
            })
        };
    let late = definition(
        LATENCY,
        Statistic::Maximum,
        LATE.as_secs_f64(),
        3,
        topics.dr_topic.as_str(),
    );
    let failed = definition(FAILED, Statistic::Sum, 0.0, 1, topics.topic.as_str());
    vec![
        alarm(dr, format!("{bucket}-replication-lag"), late),
        alarm(
            &spec.primary,
            format!("{bucket}-replication-failures"),
            failed,
        ),
    ]
}

fn dimensions(spec: &Spec, dr: &Side) -> Value {
    json!({
        "SourceBucket": spec.primary.bucket,
        "DestinationBucket": dr.bucket,
        "RuleId": RULE_ID,
    })
}

/// The alarm's definition, with actions of others too; `None` when there is none of that name.
pub(crate) async fn observe(
    clients: &RegionClients,
    facet: &Facet,
) -> Result<Option<Value>, Error> {
    Ok(find(clients, facet).await?.as_ref().map(definition))
}

async fn find(clients: &RegionClients, facet: &Facet) -> Result<Option<MetricAlarm>, Error> {
    let name = facet.resource.name.as_str();
    let answer = clients
        .cloudwatch
        .describe_alarms()
        .alarm_names(name)
        .send()
        .await
        .map_err(|error| call(clients, "DescribeAlarms", facet).failed(error))?;
    // A composite alarm of that name is in another list, and is refused by PutMetricAlarm.
    Ok(answer.metric_alarms.into_iter().flatten().next())
}

fn definition(alarm: &MetricAlarm) -> Value {
    let dimensions = alarm.dimensions().iter();
    let dimensions = dimensions
        .filter_map(|dimension| Some((dimension.name()?.to_owned(), json!(dimension.value()?))));
    json!({
        "metric": alarm.metric_name(),
        "dimensions": Value::Object(dimensions.collect()),
        "statistic": alarm.statistic().map(Statistic::as_str),
        "threshold": alarm.threshold(),
        "comparison": alarm.comparison_operator().map(ComparisonOperator::as_str),
        "period": alarm.period(),
        "periods": alarm.evaluation_periods(),
        "withoutData": alarm.treat_missing_data().unwrap_or("missing"),
        "enabled": alarm.actions_enabled().unwrap_or(true),
        "alarmActions": alarm.alarm_actions(),
        "okActions": alarm.ok_actions(),
    })
}

/// Whether the alarm is about another metric than ours: somebody else has taken the name.
pub(crate) fn is_of_another_metric(facet: &Facet, found: &Value) -> bool {
    ["metric", "dimensions"]
        .iter()
        .any(|of| found[of] != facet.wanted[of])
}

/// Whether it is as wanted; whom it tells besides is no matter of ours.
pub(crate) fn is_as_wanted(facet: &Facet, found: &Value) -> bool {
    let Some(wanted) = facet.wanted.as_object() else {
        return false;
    };
    wanted.iter().all(|(name, value)| match value {
        Value::Array(ours) => ours.iter().all(|action| {
            let found = found[name].as_array();
            found.is_some_and(|found| found.contains(action))
        }),
        value => &found[name] == value,
    })
}

/// Makes the alarm, or changes it; the actions of others stay.
pub(crate) async fn apply(
    clients: &RegionClients,
    spec: &Spec,
    facet: &Facet,
) -> Result<(), Error> {
    let found = find(clients, facet).await?;
    let text = |name: &str| facet.wanted[name].as_str().unwrap_or_default().to_owned();
    let count = |name: &str| {
        let value = facet.wanted[name].as_i64();
        value.and_then(|value| i32::try_from(value).ok())
    };
    let actions = |name: &str, there: Option<&[String]>| {
        let mut actions = there.map(<[String]>::to_vec).unwrap_or_default();
        let ours = facet.wanted[name].as_array().into_iter().flatten();
        for action in ours.filter_map(Value::as_str) {
            if !actions.iter().any(|there| there == action) {
                actions.push(action.to_owned());
            }
        }
        actions
    };
    let dimensions = facet.wanted["dimensions"].as_object().into_iter().flatten();
    let dimensions = dimensions.map(|(name, value)| {
        let value = value.as_str().unwrap_or_default();
        Dimension::builder().name(name).value(value).build()
    });
    let what = match facet.wanted["metric"].as_str() {
        Some(FAILED) => "S3 could not replicate them, and does not try again",
        _ => "they reach the DR region late",
    };
    let description = format!("Terraform states of {}: {what}.", spec.primary.bucket);
    let alarm = clients
        .cloudwatch
        .put_metric_alarm()
        .alarm_name(&facet.resource.name)
        .alarm_description(description)
        .namespace("AWS/S3")
        .metric_name(text("metric"))
        .set_dimensions(Some(dimensions.collect()))
        .statistic(Statistic::from(text("statistic").as_str()))
        .set_threshold(facet.wanted["threshold"].as_f64())
        .comparison_operator(ComparisonOperator::from(text("comparison").as_str()))
        .set_period(count("period"))
        .set_evaluation_periods(count("periods"))
        .treat_missing_data(text("withoutData"))
        .actions_enabled(true)
        .set_alarm_actions(Some(actions(
            "alarmActions",
            found.as_ref().map(MetricAlarm::alarm_actions),
        )))
        .set_ok_actions(Some(actions(
            "okActions",
            found.as_ref().map(MetricAlarm::ok_actions),
        )))
        .set_insufficient_data_actions(found.and_then(|alarm| alarm.insufficient_data_actions));
    alarm
        .send()
        .await
        .map(drop)
        .map_err(|error| call(clients, "PutMetricAlarm", facet).failed(error))
}

fn call(clients: &RegionClients, operation: &'static str, facet: &Facet) -> Call {
    clients.call("CloudWatch", operation, facet.resource.to_string())
}
