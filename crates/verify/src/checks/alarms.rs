//! Item 12: the guide's eight alarms, which are eleven with two nodes of Redis. CloudFront's is in us-east-1.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudwatch::types::{ComparisonOperator, MetricAlarm, StateValue, Statistic};
use report::finding::{Observation, Severity, Unobserved};
use settings::AlarmThresholds;

use super::Context;
use super::database::Connections;
use crate::check::{Answer, Check};
use crate::locate::ALARMS_ASTRAY;

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

/// One of the guide's eight.
struct Kind {
    namespace: &'static str,
    metric: &'static str,
    statistic: Statistic,
    comparison: ComparisonOperator,
    threshold: Threshold,
    of: Of,
}

/// Where an alarm rings.
#[derive(Clone, Copy)]
enum Threshold {
    /// At a number of the expectations.
    At(fn(&AlarmThresholds) -> u32),
    /// The same in MiB, where CloudWatch has bytes.
    AtMebibytes(fn(&AlarmThresholds) -> u32),
    /// At a share of the connections that the database takes.
    Connections,
}

impl Threshold {
    /// As CloudWatch has it; `None` where it depends on the database.
    fn number(self, thresholds: &AlarmThresholds) -> Option<f64> {
        match self {
            Self::At(at) => Some(f64::from(at(thresholds))),
            Self::AtMebibytes(at) => Some(f64::from(at(thresholds)) * 1_048_576.0),
            Self::Connections => None,
        }
    }
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
        "AWS/RDS",
        "CPUUtilization",
        Threshold::At(|at| at.rds_cpu),
        Of::Database,
    ),
    below(
        "FreeableMemory",
        Threshold::AtMebibytes(|at| at.rds_free_memory_mib),
    ),
    below(
        "FreeStorageSpace",
        Threshold::AtMebibytes(|at| at.rds_free_storage_mib),
    ),
    above(
        "AWS/RDS",
        "DatabaseConnections",
        Threshold::Connections,
        Of::Database,
    ),
    above(
        "AWS/ElastiCache",
        "CPUUtilization",
        Threshold::At(|at| at.redis_cpu),
        Of::Nodes,
    ),
    above(
        "AWS/ElastiCache",
        "DatabaseMemoryUsagePercentage",
        Threshold::At(|at| at.redis_memory),
        Of::Nodes,
    ),
    Kind {
        namespace: "AWS/ElastiCache",
        metric: "Evictions",
        statistic: Statistic::Sum,
        comparison: ComparisonOperator::GreaterThanThreshold,
        threshold: Threshold::At(|at| at.redis_evictions),
        of: Of::Nodes,
    },
    above(
        "AWS/CloudFront",
        "5xxErrorRate",
        Threshold::At(|at| at.cloudfront_5xx),
        Of::Distribution,
    ),
];

const fn above(
    namespace: &'static str,
    metric: &'static str,
    threshold: Threshold,
    of: Of,
) -> Kind {
    Kind {
        namespace,
        metric,
        statistic: Statistic::Average,
        comparison: ComparisonOperator::GreaterThanThreshold,
        threshold,
        of,
    }
}

const fn below(metric: &'static str, threshold: Threshold) -> Kind {
    Kind {
        namespace: "AWS/RDS",
        metric,
        statistic: Statistic::Average,
        comparison: ComparisonOperator::LessThanThreshold,
        threshold,
        of: Of::Database,
    }
}

/// An alarm that has to be there.
struct Wanted {
    kind: &'static Kind,
    /// What it watches, by the last of its dimensions.
    of: String,
    dimensions: Observation<BTreeMap<&'static str, String>>,
}

impl Wanted {
    /// What it is called while there is none.
    fn words(&self) -> String {
        format!("{} of {}", self.kind.metric, self.of)
    }

    /// The answers where it is not known what it would watch, or that there is nothing to watch.
    fn without_resource(&self) -> Vec<Answer> {
        let words = self.words();
        match &self.dimensions {
            Err(unobserved) if !unobserved.absent => super::unseen(CHECKS, &words, unobserved),
            _ => {
                let checks = CHECKS.iter();
                checks
                    .map(|check| check.skipped(&words, "there is nothing to watch"))
                    .collect()
            }
        }
    }

    /// How much an alarm is like this one: nothing where it shares neither metric nor resource.
    fn likeness(&self, alarm: &MetricAlarm, thresholds: &AlarmThresholds) -> Option<u32> {
        let kind = self.kind;
        let wanted = self.dimensions.as_ref().ok();
        let found = dimensions(alarm);
        let metric = alarm.metric_name() == Some(kind.metric);
        let resource = wanted.is_some_and(|wanted| same(wanted, &found));
        if !metric && !resource {
            return None;
        }
        let threshold = alarm.threshold.zip(kind.threshold.number(thresholds));
        let threshold = threshold.is_some_and(|(is, wanted)| is_near(is, wanted));
        let part = self.of.rsplit('-').next().unwrap_or_default();
        let named = alarm.alarm_name().is_some_and(|name| name.ends_with(part));
        let clues = [
            (metric, 4),
            (resource, 4),
            (alarm.namespace() == Some(kind.namespace), 2),
            (alarm.statistic() == Some(&kind.statistic), 1),
            (alarm.comparison_operator() == Some(&kind.comparison), 1),
            (threshold, 1),
            (named, 1),
        ];
        let clues = clues.into_iter().filter(|(holds, _)| *holds);
        Some(clues.map(|(_, weight)| weight).sum())
    }
}

pub(super) async fn answers(context: Context<'_>) -> Vec<Answer> {
    let wanted = wanted(context);
    let (home, global, connections) = tokio::join!(
        found(context, false),
        found(context, true),
        super::database::max_connections(context),
    );
    let mut answers = Vec::new();
    for (there, is_global) in [(&home, false), (&global, true)] {
        let wanted: Vec<&Wanted> = wanted
            .iter()
            .filter(|alarm| (alarm.kind.of == Of::Distribution) == is_global)
            .collect();
        match there {
            Err(unobserved) => {
                for alarm in wanted {
                    answers.extend(super::unseen(CHECKS, &alarm.words(), unobserved));
                }
            }
            Ok(alarms) => {
                let thresholds = &context.wanted.expect.alarms;
                let (known, lost): (Vec<&Wanted>, Vec<&Wanted>) = wanted
                    .into_iter()
                    .partition(|alarm| alarm.dimensions.is_ok());
                for alarm in lost {
                    answers.extend(alarm.without_resource());
                }
                for (alarm, seen) in known.iter().zip(matched(&known, alarms, thresholds)) {
                    answers.extend(match seen {
                        Some(seen) => judge(context, alarm, seen, &connections),
                        None => {
                            let why = Unobserved::absent("no alarm watches this");
                            super::unseen(CHECKS, &alarm.words(), &why)
                        }
                    });
                }
            }
        }
    }
    answers
}

/// For each wanted alarm the one that is most like it. Names say nothing: everybody has others.
fn matched<'a>(
    wanted: &[&Wanted],
    alarms: &'a [MetricAlarm],
    thresholds: &AlarmThresholds,
) -> Vec<Option<&'a MetricAlarm>> {
    let mut pairs: Vec<(u32, usize, usize)> = Vec::new();
    for (place, one) in wanted.iter().enumerate() {
        for (of, alarm) in alarms.iter().enumerate() {
            let likeness = one.likeness(alarm, thresholds);
            pairs.extend(likeness.map(|likeness| (likeness, place, of)));
        }
    }
    pairs.sort_by_key(|(likeness, place, of)| (std::cmp::Reverse(*likeness), *place, *of));
    let mut matched = vec![None; wanted.len()];
    let mut taken = BTreeSet::new();
    for (_, place, of) in pairs {
        if let Some(open @ None) = matched.get_mut(place)
            && taken.insert(of)
        {
            *open = alarms.get(of);
        }
    }
    matched
}

fn wanted(context: Context<'_>) -> Vec<Wanted> {
    let located = context.located;
    let mut wanted = Vec::new();
    for kind in &KINDS {
        let (dimension, ids) = match kind.of {
            Of::Database => {
                let id = located.text("db_identifier");
                ("DBInstanceIdentifier", id.map(|id| vec![id.to_owned()]))
            }
            Of::Distribution => {
                let id = located.text("cloudfront_distribution_id");
                ("DistributionId", id.map(|id| vec![id.to_owned()]))
            }
            Of::Nodes => ("CacheClusterId", super::redis_nodes(context)),
        };
        let global = match kind.of {
            Of::Distribution => Some(("Region", "Global".to_owned())),
            Of::Database | Of::Nodes => None,
        };
        match ids {
            Ok(ids) => wanted.extend(ids.into_iter().map(|id| {
                Wanted {
                    kind,
                    of: id.clone(),
                    dimensions: Ok(global
                        .clone()
                        .into_iter()
                        .chain([(dimension, id)])
                        .collect()),
                }
            })),
            Err(unobserved) => wanted.push(Wanted {
                kind,
                of: kind.namespace.to_owned(),
                dimensions: Err(unobserved),
            }),
        }
    }
    wanted
}

/// DescribeAlarms takes so many names.
const MOST_NAMES: usize = 100;

/// The environment's alarms of a region.
async fn found(context: Context<'_>, global: bool) -> Observation<Vec<MetricAlarm>> {
    let clients = context.clients;
    let (client, call) = if global {
        let call = clients.global_call("CloudWatch", "DescribeAlarms", &context.wanted.name);
        (&clients.global_cloudwatch, call)
    } else {
        let call = clients.call("CloudWatch", "DescribeAlarms", &context.wanted.name);
        (&clients.home.cloudwatch, call)
    };
    let mut alarms = Vec::new();
    let mut names = context.located.texts("cloudwatch_alarm_names")?;
    names.extend(context.located.texts(ALARMS_ASTRAY).into_iter().flatten());
    for names in names.chunks(MOST_NAMES) {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        let asked = client.describe_alarms().set_alarm_names(Some(names));
        let mut pages = asked.into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| Unobserved::from(call.clone().failed(error)))?;
            alarms.extend(page.metric_alarms.unwrap_or_default());
        }
    }
    Ok(alarms)
}

fn judge(
    context: Context<'_>,
    wanted: &Wanted,
    alarm: &MetricAlarm,
    connections: &Observation<Connections>,
) -> Vec<Answer> {
    let kind = wanted.kind;
    let name = alarm.alarm_name().unwrap_or("an alarm without a name");
    let expected = wanted.dimensions.as_ref().map_or_else(
        |_| kind.metric.to_owned(),
        |dimensions| watched(kind, dimensions),
    );
    let topic = if kind.of == Of::Distribution {
        "sns_global_alerts_topic_arn"
    } else {
        "sns_alerts_topic_arn"
    };
    let (said, topic) = (
        context.located.terraform(topic),
        context.located.text(topic),
    );
    let thresholds = &context.wanted.expect.alarms;
    let percent = thresholds.rds_connections_percent;
    // From so much to so much.
    let percent_of = i64::from(percent);
    let threshold = match kind.threshold.number(thresholds) {
        Some(number) => Ok((number, number)),
        None => connections.clone().map(|most| {
            let (least, most) = match most {
                Connections::Exactly(most) => (most, most),
                Connections::Between(least, most) => (least, most),
            };
            (
                decimal(least * percent_of / 100),
                decimal(most * percent_of / 100),
            )
        }),
    };
    let sign = sign(&kind.comparison);
    let limit = match &threshold {
        Ok((least, most)) if is_near(*least, *most) => format!("{sign} {least}"),
        Ok((least, most)) => format!("{sign} {least} to {most}"),
        Err(_) => format!("{sign} {percent} % of max_connections"),
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

fn dimensions(alarm: &MetricAlarm) -> BTreeMap<&str, &str> {
    let pairs = alarm.dimensions().iter();
    pairs
        .filter_map(|dimension| Some((dimension.name()?, dimension.value()?)))
        .collect()
}

fn same(wanted: &BTreeMap<&'static str, String>, found: &BTreeMap<&str, &str>) -> bool {
    let mut pairs = wanted.iter();
    found.len() == wanted.len()
        && pairs.all(|(name, value)| found.get(name) == Some(&value.as_str()))
}

/// Both are whole numbers.
fn is_near(threshold: f64, wanted: f64) -> bool {
    (threshold - wanted).abs() < 0.5
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
    let found = dimensions(alarm);
    let same = same(wanted, &found);
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

fn rings_at(
    kind: &Kind,
    (least, most): (f64, f64),
    alarm: &MetricAlarm,
) -> Observation<(bool, String)> {
    let comparison = alarm
        .comparison_operator()
        .ok_or_else(|| Unobserved::missing("CloudWatch", "ComparisonOperator"))?;
    let threshold = alarm
        .threshold
        .ok_or_else(|| Unobserved::missing("CloudWatch", "Threshold"))?;
    let fits = is_near(threshold, least) || threshold >= least && threshold <= most;
    Ok((
        fits && *comparison == kind.comparison,
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
    use aws_sdk_cloudwatch::types::Dimension;
    use report::finding::Status;

    use super::super::asked::Asked;
    use super::*;

    async fn asked() -> Asked {
        Asked::new(&[
            ("db_identifier", "db".into()),
            ("redis_node_ids", serde_json::json!(["app-001", "app-002"])),
            ("cloudfront_distribution_id", "E1".into()),
            ("sns_alerts_topic_arn", "arn:topic".into()),
            ("sns_global_alerts_topic_arn", "arn:global".into()),
        ])
        .await
    }

    #[tokio::test]
    async fn the_eight_alarms_of_the_guide_are_eleven_with_two_nodes() {
        let asked = asked().await;
        let names: Vec<String> = wanted(asked.context()).iter().map(Wanted::words).collect();
        assert_eq!(KINDS.len(), 8);
        assert_eq!(names.len(), 11);
        for name in [
            "CPUUtilization of db",
            "Evictions of app-002",
            "5xxErrorRate of E1",
        ] {
            assert!(names.iter().any(|found| found == name), "{name}: {names:?}");
        }
    }

    #[tokio::test]
    async fn alarms_are_known_by_what_they_watch_whatever_they_are_called() {
        let asked = asked().await;
        let wanted = wanted(asked.context());
        let of_database: Vec<&Wanted> = wanted
            .iter()
            .filter(|alarm| alarm.kind.of == Of::Database)
            .collect();
        let alarm = |name: &str, metric: &str, database: &str| {
            let dimension = Dimension::builder()
                .name("DBInstanceIdentifier")
                .value(database);
            MetricAlarm::builder()
                .alarm_name(name)
                .namespace("AWS/RDS")
                .metric_name(metric)
                .dimensions(dimension.build())
                .build()
        };
        let alarms = [
            alarm("Processor!", "CPUUtilization", "db"),
            // Of another database, and of another metric: the nearest there is, and wrong.
            alarm("Memory!", "FreeableMemory", "other"),
            alarm("Space!", "SwapUsage", "db"),
        ];
        let thresholds = &asked.wanted.expect.alarms;
        let found: Vec<Option<&str>> = matched(&of_database, &alarms, thresholds)
            .into_iter()
            .map(|alarm| alarm.and_then(MetricAlarm::alarm_name))
            .collect();
        assert_eq!(
            found,
            [Some("Processor!"), Some("Memory!"), Some("Space!"), None]
        );
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
