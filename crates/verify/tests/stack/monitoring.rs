//! Topics, dashboard and alarms, and ways of breaking them.

use crate::Stack;
use crate::mutation::Mutation;
use aws_sdk_cloudwatch::types::{ComparisonOperator, Dimension, StateValue, Statistic};
use futures::FutureExt as _;
use local_aws::stack::monitoring::{
    attribute, cloudwatch, made_up, put_alarm, put_dashboard, set_state, sns, subscribe,
};
use serde_json::{Value, json};

/// Changes the dashboard's body.
async fn edit_dashboard(stack: &Stack, change: impl FnOnce(&mut Value)) {
    let dashboard = stack
        .state
        .one("aws_cloudwatch_dashboard", "module.monitoring");
    let mut body = serde_json::from_str(dashboard.text("dashboard_body")).expect("JSON");
    change(&mut body);
    put_dashboard(stack, &body.to_string()).await;
}

/// Puts an alarm otherwise than terraform.
macro_rules! alarm {
    ($name:literal, $($call:tt)*) => {
        |stack| async move {
            let alarm = stack.state.one("aws_cloudwatch_metric_alarm", $name);
            put_alarm(stack, &alarm).$($call)*.send().await.expect("an alarm");
        }
        .boxed()
    };
}

async fn delete_alarm(stack: &Stack, part: &str) {
    let alarm = stack.state.one("aws_cloudwatch_metric_alarm", part);
    let gone = cloudwatch(stack, &alarm).delete_alarms();
    let gone = gone.alarm_names(alarm.text("alarm_name")).send().await;
    gone.expect("a deletion");
}

const ALARM: &[&str] = &[
    "alarm-exists",
    "alarm-metric",
    "alarm-threshold",
    "alarm-evaluation",
    "alarm-actions",
    "alarm-states",
    "tags-alarms",
];

fn dimension(name: &str, value: &str) -> Option<Vec<Dimension>> {
    Some(vec![Dimension::builder().name(name).value(value).build()])
}

pub(crate) fn mutations() -> Vec<Mutation> {
    [dashboard(), alarms(), topics()]
        .into_iter()
        .flatten()
        .collect()
}

fn dashboard() -> Vec<Mutation> {
    let it = |name, breaks, apply| Mutation {
        name,
        item: Some(11),
        breaks,
        apply,
    };
    vec![
        it(
            "the dashboard is deleted",
            &["dashboard-exists", "dashboard-body", "dashboard-covers"],
            |stack| {
                async move {
                    let dashboard = stack.state.one("aws_cloudwatch_dashboard", "monitoring");
                    let gone = stack.clients.home.cloudwatch.delete_dashboards();
                    let gone = gone.dashboard_names(dashboard.text("dashboard_name"));
                    gone.send().await.expect("a deletion");
                }
                .boxed()
            },
        ),
        it(
            "the dashboard is empty",
            &["dashboard-body", "dashboard-covers"],
            |stack| edit_dashboard(stack, |body| body["widgets"] = json!([])).boxed(),
        ),
        it(
            "the dashboard shows nothing of Redis",
            &["dashboard-covers"],
            |stack| {
                edit_dashboard(stack, |body| {
                    let widgets = body["widgets"].as_array_mut().expect("widgets");
                    widgets.retain(|widget| {
                        widget["properties"]["metrics"][0][0] != "AWS/ElastiCache"
                    });
                })
                .boxed()
            },
        ),
        it(
            "the dashboard shows another database",
            &["dashboard-covers"],
            |stack| {
                edit_dashboard(stack, |body| {
                    body["widgets"][0]["properties"]["metrics"][0][3] = json!("another");
                })
                .boxed()
            },
        ),
        it(
            "the dashboard looks for CloudFront in the stack's region",
            &["dashboard-covers"],
            |stack| {
                edit_dashboard(stack, |body| {
                    for widget in body["widgets"].as_array_mut().expect("widgets") {
                        widget["properties"]["region"] = json!("ca-central-1");
                    }
                })
                .boxed()
            },
        ),
    ]
}

fn alarms() -> Vec<Mutation> {
    let it = |name, breaks, apply| Mutation {
        name,
        item: Some(12),
        breaks,
        apply,
    };
    vec![
        it("an alarm on the database is deleted", ALARM, |stack| {
            delete_alarm(stack, "rds-free-storage").boxed()
        }),
        it("CloudFront's alarm is deleted", ALARM, |stack| {
            delete_alarm(stack, "cloudfront_5xx").boxed()
        }),
        it(
            "CloudFront's alarm is in the stack's region",
            ALARM,
            |stack| {
                async move {
                    delete_alarm(stack, "cloudfront_5xx").await;
                    let alarm = stack
                        .state
                        .one("aws_cloudwatch_metric_alarm", "cloudfront_5xx");
                    let mut here = alarm.clone();
                    here.values
                        .insert("region".to_owned(), json!("ca-central-1"));
                    let put = put_alarm(stack, &here).send().await;
                    put.expect("an alarm");
                }
                .boxed()
            },
        ),
        it(
            "an alarm on Redis watches another node",
            &["alarm-metric"],
            alarm!(
                "redis-cpu-001",
                set_dimensions(dimension("CacheClusterId", "another-001"))
            ),
        ),
        it(
            "an alarm on the database watches another metric",
            &["alarm-metric"],
            alarm!("rds-free-memory", metric_name("SwapUsage")),
        ),
        it(
            "evictions are averaged",
            &["alarm-metric"],
            alarm!("redis-evictions-002", statistic(Statistic::Average)),
        ),
        it(
            "CloudFront's alarm lacks a dimension",
            &["alarm-metric"],
            |stack| {
                async move {
                    let alarm = stack
                        .state
                        .one("aws_cloudwatch_metric_alarm", "cloudfront_5xx");
                    let id = alarm.values["dimensions"]["DistributionId"].as_str();
                    let one = dimension("DistributionId", id.expect("an id"));
                    let put = put_alarm(stack, &alarm).set_dimensions(one).send().await;
                    put.expect("an alarm");
                }
                .boxed()
            },
        ),
        it(
            "an alarm rings later",
            &["alarm-threshold"],
            alarm!("rds-cpu", threshold(99.0)),
        ),
        it(
            "the alarm on connections rings at half of what the guide says",
            &["alarm-threshold"],
            alarm!("rds-connections", threshold(160.0)),
        ),
        it(
            "an alarm rings on the wrong side",
            &["alarm-threshold"],
            alarm!(
                "rds-free-storage",
                comparison_operator(ComparisonOperator::GreaterThanThreshold)
            ),
        ),
        it(
            "an alarm takes an hour to ring",
            &["alarm-evaluation"],
            alarm!("redis-memory-001", evaluation_periods(12)),
        ),
        it(
            "an alarm on the database takes no data for good data",
            &["alarm-evaluation"],
            alarm!("rds-cpu", treat_missing_data("notBreaching")),
        ),
        it(
            "an alarm tells nobody",
            &["alarm-actions"],
            alarm!("rds-free-memory", set_alarm_actions(None)),
        ),
        it(
            "an alarm tells another topic",
            &["alarm-actions"],
            alarm!(
                "redis-memory-002",
                set_alarm_actions(Some(vec![
                    "arn:aws:sns:ca-central-1:123456789012:another".to_owned()
                ]))
            ),
        ),
        it(
            "the actions of an alarm are disabled",
            &["alarm-actions"],
            |stack| {
                async move {
                    let alarm = stack.state.one("aws_cloudwatch_metric_alarm", "rds-cpu");
                    let off = stack.clients.home.cloudwatch.disable_alarm_actions();
                    let off = off.alarm_names(alarm.text("alarm_name")).send().await;
                    off.expect("a change");
                }
                .boxed()
            },
        ),
        it("an alarm rings", &["alarm-states"], |stack| {
            async move {
                let alarm = stack
                    .state
                    .one("aws_cloudwatch_metric_alarm", "rds-free-storage");
                set_state(stack, &alarm, StateValue::Alarm).await;
            }
            .boxed()
        }),
    ]
}

const TOPIC: &[&str] = &[
    "sns-exists",
    "sns-encrypted",
    "sns-subscribed",
    "sns-alarms-publish",
    "sns-nobody-else",
    "tags-topics",
];

async fn change_policy(stack: &Stack, change: impl FnOnce(&mut Value)) {
    let policy = stack.state.one("aws_sns_topic_policy", ".alerts");
    let arn = policy.text("arn");
    let text = policy.text("policy").replace(&made_up(arn), arn);
    let mut value = serde_json::from_str(&text).expect("JSON");
    change(&mut value);
    attribute(stack, &policy, arn, "Policy", &value.to_string()).await;
}

async fn unsubscribe(stack: &Stack, part: &str) {
    let it = stack.state.one("aws_sns_topic_subscription", part);
    let sns = sns(stack, &it);
    let all = sns.list_subscriptions_by_topic();
    let all = all.topic_arn(it.text("topic_arn")).send().await;
    for found in all.expect("subscriptions").subscriptions() {
        let arn = found.subscription_arn().expect("its ARN");
        let gone = sns.unsubscribe().subscription_arn(arn).send().await;
        gone.expect("no subscription");
    }
}

fn topics() -> Vec<Mutation> {
    let it = |name, breaks, apply| Mutation {
        name,
        item: Some(13),
        breaks,
        apply,
    };
    vec![
        it("the topic is deleted", TOPIC, |stack| {
            async move {
                let topic = stack.state.one("aws_sns_topic", ".alerts");
                let gone = sns(stack, &topic).delete_topic();
                let gone = gone.topic_arn(topic.text("arn")).send().await;
                gone.expect("a deletion");
            }
            .boxed()
        }),
        it("the topic is not encrypted", &["sns-encrypted"], |stack| {
            async move {
                let topic = stack.state.one("aws_sns_topic", ".alerts");
                attribute(stack, &topic, topic.text("arn"), "KmsMasterKeyId", "").await;
            }
            .boxed()
        }),
        it(
            "the topic of us-east-1 is encrypted with SNS's own key",
            &["sns-encrypted"],
            |stack| {
                async move {
                    let topic = stack.state.one("aws_sns_topic", ".global");
                    let (arn, key) = (topic.text("arn"), "alias/aws/sns");
                    attribute(stack, &topic, arn, "KmsMasterKeyId", key).await;
                }
                .boxed()
            },
        ),
        it(
            "nobody has confirmed the topic's e-mail",
            &["sns-subscribed"],
            |stack| {
                async move {
                    unsubscribe(stack, ".alerts").await;
                    let it = stack.state.one("aws_sns_topic_subscription", ".alerts");
                    subscribe(stack, &it).await;
                }
                .boxed()
            },
        ),
        it(
            "nobody subscribes to the topic of us-east-1",
            &["sns-subscribed"],
            |stack| unsubscribe(stack, ".global").boxed(),
        ),
        it(
            "the topic's policy lets EventBridge publish, and not CloudWatch",
            &["sns-alarms-publish", "sns-nobody-else"],
            |stack| {
                change_policy(stack, |policy| {
                    let service = &mut policy["Statement"][0]["Principal"]["Service"];
                    *service = json!("events.amazonaws.com");
                })
                .boxed()
            },
        ),
        it(
            "the topic's policy denies everybody",
            &["sns-alarms-publish"],
            |stack| {
                change_policy(stack, |policy| {
                    policy["Statement"][1]
                        .as_object_mut()
                        .expect("fields")
                        .remove("Condition");
                })
                .boxed()
            },
        ),
        it(
            "the topic's policy lets everybody publish",
            &["sns-nobody-else"],
            |stack| {
                change_policy(stack, |policy| {
                    policy["Statement"][0]["Principal"] = json!("*");
                })
                .boxed()
            },
        ),
        it(
            "the topic's policy lets any account's alarms publish",
            &["sns-nobody-else"],
            |stack| {
                change_policy(stack, |policy| {
                    policy["Statement"][0]
                        .as_object_mut()
                        .expect("fields")
                        .remove("Condition");
                })
                .boxed()
            },
        ),
    ]
}

// aws-behaviour: 35
#[tokio::test]
async fn every_way_of_breaking_dashboard_and_alarms_is_noticed() {
    crate::mutation::show(dashboard().into_iter().chain(alarms()).collect()).await;
}

#[tokio::test]
async fn every_way_of_breaking_a_topic_is_noticed() {
    crate::mutation::show(topics()).await;
}
