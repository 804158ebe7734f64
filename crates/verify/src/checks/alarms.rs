//! Item 12: the guide's eight alarms, which are eleven with two nodes of Redis. CloudFront's is in us-east-1.

use std::collections::BTreeMap;

use aws_sdk_cloudwatch::types::{ComparisonOperator, MetricAlarm, StateValue, Statistic};
use report::finding::{Observation, Severity, Unobserved};

use super::Context;
use crate::check::{Answer, Check};

const fn alarm(
    id: &'static str,
    severity: Severity,
    title: &'static str,
    why: &'static str,
    fix: &'static str,
) -> Check {
    Check {
        id,
        item: Some(12),
        severity,
        title,
        why,
        fix,
    }
}

static EXISTS: Check = alarm(
    "alarm-exists",
    Severity::High,
    "the alarm is there",
    "nobody is told",
    "terraform apply",
);
static METRIC: Check = alarm(
    "alarm-metric",
    Severity::High,
    "it watches the right metric of this stack's resource",
    "it never rings, or rings for another stack",
    "terraform apply",
);
static THRESHOLD: Check = alarm(
    "alarm-threshold",
    Severity::Medium,
    "it rings where the guide says",
    "it rings too late, or so often that nobody listens",
    "terraform apply; look at thresholds of modules/monitoring",
);
static EVALUATION: Check = alarm(
    "alarm-evaluation",
    Severity::Medium,
    "it rings within a quarter of an hour, and does not take silence for health",
    "it rings too late, or not at all when there is no data",
    "terraform apply",
);
static ACTIONS: Check = alarm(
    "alarm-actions",
    Severity::High,
    "it tells the topic of its region",
    "it rings, and nobody hears it",
    "terraform apply, or aws cloudwatch enable-alarm-actions",
);
static STATES: Check = alarm(
    "alarm-states",
    Severity::High,
    "it is not ringing",
    "something is wrong right now",
    "look at what the alarm watches",
);

/// All but the first are asked only of an alarm that is there.
pub(super) static CHECKS: &[&Check] =
    &[&EXISTS, &METRIC, &THRESHOLD, &EVALUATION, &ACTIONS, &STATES];

/// Nobody should hear of trouble later than this.
const WITHIN_SECONDS: i32 = 900;

/// Of the connections that the database takes: the guide's "> 80% of max".
const CONNECTIONS_PERCENT: i64 = 80;

/// One of the guide's eight.
struct Kind {
    /// The end of its name; with nodes, the last part of the node's id follows.
    name: &'static str,
    namespace: &'static str,
    metric: &'static str,
    statistic: Statistic,
    comparison: ComparisonOperator,
    /// `None`: a share of the connections that the database takes.
    threshold: Option<f64>,
    of: Of,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Database,
    Nodes,
    Distribution,
}

/// "Monitoring" of the guide, line by line: RDS in bytes, Redis and CloudFront in percent, evictions in keys.
static KINDS: [Kind; 8] = [
    above(
        "rds-cpu",
        "AWS/RDS",
        "CPUUtilization",
        Some(80.0),
        Of::Database,
    ),
    below("rds-free-memory", "FreeableMemory", 536_870_912.0),
    below("rds-free-storage", "FreeStorageSpace", 10_737_418_240.0),
    above(
        "rds-connections",
        "AWS/RDS",
        "DatabaseConnections",
        None,
        Of::Database,
    ),
    above(
        "redis-cpu",
        "AWS/ElastiCache",
        "CPUUtilization",
        Some(75.0),
        Of::Nodes,
    ),
    above(
        "redis-memory",
        "AWS/ElastiCache",
        "DatabaseMemoryUsagePercentage",
        Some(80.0),
        Of::Nodes,
    ),
    Kind {
        name: "redis-evictions",
        namespace: "AWS/ElastiCache",
        metric: "Evictions",
        statistic: Statistic::Sum,
        comparison: ComparisonOperator::GreaterThanThreshold,
        threshold: Some(1000.0),
        of: Of::Nodes,
    },
    above(
        "cloudfront-5xx",
        "AWS/CloudFront",
        "5xxErrorRate",
        Some(5.0),
        Of::Distribution,
    ),
];

const fn above(
    name: &'static str,
    namespace: &'static str,
    metric: &'static str,
    threshold: Option<f64>,
    of: Of,
) -> Kind {
    Kind {
        name,
        namespace,
        metric,
        statistic: Statistic::Average,
        comparison: ComparisonOperator::GreaterThanThreshold,
        threshold,
        of,
    }
}

const fn below(name: &'static str, metric: &'static str, threshold: f64) -> Kind {
    Kind {
        name,
        namespace: "AWS/RDS",
        metric,
        statistic: Statistic::Average,
        comparison: ComparisonOperator::LessThanThreshold,
        threshold: Some(threshold),
        of: Of::Database,
    }
}

/// An alarm that has to be there.
struct Wanted {
    kind: &'static Kind,
    name: String,
    dimensions: Observation<BTreeMap<&'static str, String>>,
}

pub(super) async fn answers(context: Context<'_>) -> Vec<Answer> {
    let wanted = wanted(context);
    let names = |global: bool| -> Vec<String> {
        let of = |alarm: &&Wanted| (alarm.kind.of == Of::Distribution) == global;
        wanted
            .iter()
            .filter(of)
            .map(|alarm| alarm.name.clone())
            .collect()
    };
    let (home, global, connections) = tokio::join!(
        found(context, false, names(false)),
        found(context, true, names(true)),
        super::database::max_connections(context),
    );
    let mut answers = Vec::new();
    for alarm in &wanted {
        let there = if alarm.kind.of == Of::Distribution {
            &global
        } else {
            &home
        };
        let seen = there.as_ref().map_err(Clone::clone).and_then(|alarms| {
            let named = |found: &&MetricAlarm| found.alarm_name() == Some(alarm.name.as_str());
            alarms
                .iter()
                .find(named)
                .ok_or_else(|| Unobserved::absent("CloudWatch knows no alarm of this name"))
        });
        match seen {
            Ok(seen) => answers.extend(judge(context, alarm, seen, &connections)),
            Err(unobserved) => answers.extend(super::unseen(CHECKS, &alarm.name, &unobserved)),
        }
    }
    answers
}

fn wanted(context: Context<'_>) -> Vec<Wanted> {
    let outputs = context.outputs;
    let prefix = &context.wanted.name;
    let mut wanted = Vec::new();
    for kind in &KINDS {
        match kind.of {
            Of::Database => wanted.push(Wanted {
                kind,
                name: format!("{prefix}-{}", kind.name),
                dimensions: outputs
                    .text("db_identifier")
                    .map(|id| BTreeMap::from([("DBInstanceIdentifier", id.to_owned())])),
            }),
            Of::Distribution => wanted.push(Wanted {
                kind,
                name: format!("{prefix}-{}", kind.name),
                dimensions: outputs.text("cloudfront_distribution_id").map(|id| {
                    BTreeMap::from([
                        ("DistributionId", id.to_owned()),
                        ("Region", "Global".to_owned()),
                    ])
                }),
            }),
            Of::Nodes => match super::redis_nodes(context) {
                Ok(nodes) => wanted.extend(nodes.into_iter().map(|node| {
                    let number = node.rsplit('-').next().unwrap_or_default();
                    Wanted {
                        kind,
                        name: format!("{prefix}-{}-{number}", kind.name),
                        dimensions: Ok(BTreeMap::from([("CacheClusterId", node)])),
                    }
                })),
                Err(unobserved) => wanted.push(Wanted {
                    kind,
                    name: format!("{prefix}-{}", kind.name),
                    dimensions: Err(unobserved),
                }),
            },
        }
    }
    wanted
}

/// The alarms of these names, up to 100 as DescribeAlarms takes them.
async fn found(
    context: Context<'_>,
    global: bool,
    names: Vec<String>,
) -> Observation<Vec<MetricAlarm>> {
    let clients = context.clients;
    let (client, call) = if global {
        let call = clients.global_call("CloudWatch", "DescribeAlarms", &context.wanted.name);
        (&clients.global_cloudwatch, call)
    } else {
        let call = clients.call("CloudWatch", "DescribeAlarms", &context.wanted.name);
        (&clients.home.cloudwatch, call)
    };
    let mut pages = client
        .describe_alarms()
        .set_alarm_names(Some(names))
        .into_paginator()
        .send();
    let mut alarms = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| Unobserved::from(call.clone().failed(error)))?;
        alarms.extend(page.metric_alarms.unwrap_or_default());
    }
    Ok(alarms)
}

fn judge(
    context: Context<'_>,
    wanted: &Wanted,
    alarm: &MetricAlarm,
    connections: &Observation<i64>,
) -> Vec<Answer> {
    let kind = wanted.kind;
    let name = wanted.name.as_str();
    let expected = wanted.dimensions.as_ref().map_or_else(
        |_| kind.metric.to_owned(),
        |dimensions| watched(kind, dimensions),
    );
    let topic = context.outputs.text(if kind.of == Of::Distribution {
        "sns_global_alerts_topic_arn"
    } else {
        "sns_alerts_topic_arn"
    });
    let said = topic.as_ref().ok().map(|topic| (*topic).to_owned());
    let threshold = match kind.threshold {
        Some(threshold) => Ok(threshold),
        None => connections
            .clone()
            .map(|most| decimal(most * CONNECTIONS_PERCENT / 100)),
    };
    let sign = sign(&kind.comparison);
    let limit = match &threshold {
        Ok(threshold) => format!("{sign} {threshold}"),
        Err(_) => format!("{sign} {CONNECTIONS_PERCENT} % of max_connections"),
    };
    vec![
        EXISTS.answer(name, "there", None, Ok((true, "there".to_owned()))),
        METRIC.answer(
            name,
            expected,
            None,
            wanted
                .dimensions
                .as_ref()
                .map_err(Clone::clone)
                .and_then(|dimensions| metric(kind, dimensions, alarm)),
        ),
        match &threshold {
            Err(unobserved) if unobserved.absent => {
                THRESHOLD.skipped(name, "the database does not exist")
            }
            threshold => THRESHOLD.answer(
                name,
                limit,
                None,
                threshold
                    .clone()
                    .and_then(|threshold| rings_at(kind, threshold, alarm)),
            ),
        },
        EVALUATION.answer(
            name,
            format!("within {WITHIN_SECONDS} s, no data is not good"),
            None,
            evaluation(kind, alarm),
        ),
        ACTIONS.answer(
            name,
            "enabled, to the topic",
            said,
            topic.and_then(|topic| actions(topic, alarm)),
        ),
        state(name, alarm),
    ]
}

/// Whole numbers as CloudWatch has them.
fn decimal(number: i64) -> f64 {
    i32::try_from(number).map_or(f64::INFINITY, f64::from)
}

fn sign(comparison: &ComparisonOperator) -> &str {
    match comparison {
        ComparisonOperator::GreaterThanThreshold => ">",
        ComparisonOperator::LessThanThreshold => "<",
        ComparisonOperator::GreaterThanOrEqualToThreshold => ">=",
        ComparisonOperator::LessThanOrEqualToThreshold => "<=",
        other => other.as_str(),
    }
}

fn watched(kind: &Kind, dimensions: &BTreeMap<&'static str, String>) -> String {
    let pairs: Vec<String> = dimensions
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    format!(
        "{} of {} {} {}",
        kind.statistic.as_str(),
        kind.namespace,
        kind.metric,
        pairs.join(" ")
    )
}

fn metric(
    kind: &Kind,
    wanted: &BTreeMap<&'static str, String>,
    alarm: &MetricAlarm,
) -> Observation<(bool, String)> {
    // An alarm on an expression shows neither.
    let namespace = alarm.namespace().unwrap_or("no namespace");
    let name = alarm.metric_name().unwrap_or("no metric");
    let statistic = alarm
        .statistic()
        .map(Statistic::as_str)
        .or(alarm.extended_statistic())
        .unwrap_or("no statistic");
    let found: BTreeMap<&str, &str> = alarm
        .dimensions()
        .iter()
        .filter_map(|dimension| Some((dimension.name()?, dimension.value()?)))
        .collect();
    let same = found.len() == wanted.len()
        && wanted
            .iter()
            .all(|(name, value)| found.get(name) == Some(&value.as_str()));
    let pairs: Vec<String> = found
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    Ok((
        same && namespace == kind.namespace
            && name == kind.metric
            && statistic == kind.statistic.as_str(),
        format!("{statistic} of {namespace} {name} {}", pairs.join(" ")),
    ))
}

fn rings_at(kind: &Kind, wanted: f64, alarm: &MetricAlarm) -> Observation<(bool, String)> {
    let comparison = alarm
        .comparison_operator()
        .ok_or_else(|| Unobserved::missing("CloudWatch", "ComparisonOperator"))?;
    let threshold = alarm
        .threshold
        .ok_or_else(|| Unobserved::missing("CloudWatch", "Threshold"))?;
    // Both are whole numbers.
    let same = (threshold - wanted).abs() < 0.5;
    Ok((
        same && *comparison == kind.comparison,
        format!("{} {threshold}", sign(comparison)),
    ))
}

fn evaluation(kind: &Kind, alarm: &MetricAlarm) -> Observation<(bool, String)> {
    let period = alarm
        .period
        .ok_or_else(|| Unobserved::missing("CloudWatch", "Period"))?;
    let periods = alarm
        .evaluation_periods
        .ok_or_else(|| Unobserved::missing("CloudWatch", "EvaluationPeriods"))?;
    // Left out where nobody chose it.
    // <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html>
    let silence = alarm.treat_missing_data().unwrap_or("missing");
    let patient = period.saturating_mul(periods);
    // No requests, no errors: CloudFront has no data when nobody comes.
    let heard = matches!(silence, "missing" | "breaching")
        || kind.of == Of::Distribution && silence == "notBreaching";
    Ok((
        heard && (1..=WITHIN_SECONDS).contains(&patient),
        format!("{periods} × {period} s, no data: {silence}"),
    ))
}

fn actions(topic: &str, alarm: &MetricAlarm) -> Observation<(bool, String)> {
    let enabled = alarm
        .actions_enabled
        .ok_or_else(|| Unobserved::missing("CloudWatch", "ActionsEnabled"))?;
    let told = alarm.alarm_actions();
    let shown = if told.is_empty() {
        "nobody".to_owned()
    } else {
        told.join(", ")
    };
    let state = if enabled { "enabled" } else { "disabled" };
    Ok((
        enabled && told.iter().any(|action| action == topic),
        format!("{state}, to {shown}"),
    ))
}

/// What rings is wrong; what has no data is not known to be well.
fn state(name: &str, alarm: &MetricAlarm) -> Answer {
    let state = alarm
        .state_value()
        .ok_or_else(|| Unobserved::missing("CloudWatch", "StateValue"));
    let shown = state.and_then(|state| match state {
        StateValue::Ok => Ok((true, "OK".to_owned())),
        StateValue::Alarm => Ok((false, "ALARM".to_owned())),
        other => Err(Unobserved::because(format!("it is in {other}"))),
    });
    STATES.answer(name, "OK", None, shown)
}

#[cfg(test)]
mod tests {
    use report::finding::Status;

    use super::super::asked::Asked;
    use super::*;

    async fn asked() -> Asked {
        Asked::new(&[
            ("db_identifier", "db".into()),
            ("redis_replication_group_id", "app".into()),
            ("cloudfront_distribution_id", "E1".into()),
            ("sns_alerts_topic_arn", "arn:topic".into()),
            ("sns_global_alerts_topic_arn", "arn:global".into()),
        ])
        .await
    }

    #[tokio::test]
    async fn the_eight_alarms_of_the_guide_are_eleven_with_two_nodes() {
        let asked = asked().await;
        let names: Vec<String> = wanted(asked.context())
            .into_iter()
            .map(|alarm| alarm.name)
            .collect();
        assert_eq!(KINDS.len(), 8);
        assert_eq!(names.len(), 11);
        for name in ["rds-cpu", "redis-evictions-002", "cloudfront-5xx"] {
            let name = format!("berthcare-staging-{name}");
            assert!(names.contains(&name), "{name}: {names:?}");
        }
    }

    #[tokio::test]
    async fn what_cloudwatch_does_not_show_is_unknown() {
        let asked = asked().await;
        let empty = MetricAlarm::builder().build();
        let unknown = Err(Unobserved::because("denied"));
        for alarm in wanted(asked.context()) {
            for answer in judge(asked.context(), &alarm, &empty, &unknown) {
                let expected = match answer.check.id {
                    "alarm-exists" => Status::Ok,
                    // CloudWatch leaves them out of an alarm on an expression.
                    "alarm-metric" => Status::Wrong,
                    _ => Status::Unknown,
                };
                assert_eq!(answer.status, expected, "{}", answer.check.id);
            }
        }
    }

    #[test]
    fn no_data_is_unknown_and_never_well() {
        let status = |value| {
            let alarm = MetricAlarm::builder().state_value(value).build();
            state("a", &alarm).status
        };
        assert_eq!(status(StateValue::Ok), Status::Ok);
        assert_eq!(status(StateValue::Alarm), Status::Wrong);
        assert_eq!(status(StateValue::InsufficientData), Status::Unknown);
        assert_eq!(status(StateValue::from("ELSE")), Status::Unknown);
    }
}
