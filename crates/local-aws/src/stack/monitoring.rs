//! Topics, dashboard and alarms.

use super::Resource;
use super::Stack;
use aws_sdk_cloudwatch::operation::put_metric_alarm::builders::PutMetricAlarmFluentBuilder;
use aws_sdk_cloudwatch::types::{
    ComparisonOperator, Dimension, StateValue, Statistic, Tag as AlarmTag,
};
use aws_sdk_sns::types::Tag;

pub(crate) async fn build(stack: &mut Stack) {
    for topic in stack.state.of("aws_sns_topic") {
        let tags = topic.tags().into_iter().map(|(key, value)| {
            let tag = Tag::builder().key(key).value(value);
            tag.build().expect("a tag")
        });
        let sns = sns(stack, &topic);
        let mut create = sns.create_topic().name(topic.text("name"));
        if let Some(key) = topic.maybe("kms_master_key_id") {
            create = create.attributes("KmsMasterKeyId", key);
        }
        let made = create.set_tags(Some(tags.collect())).send().await;
        let made = made.expect("a topic").topic_arn.expect("its ARN");
        stack.state.became(&topic, "arn", made);
    }
    for policy in stack.state.of("aws_sns_topic_policy") {
        let arn = policy.text("arn");
        // A made-up ARN has no name of its own in it.
        let text = policy.text("policy").replace(&made_up(arn), arn);
        attribute(stack, &policy, arn, "Policy", &text).await;
    }
    for subscription in stack.state.of("aws_sns_topic_subscription") {
        let token = subscribe(stack, &subscription).await;
        let confirm = sns(stack, &subscription).confirm_subscription();
        let confirm = confirm.topic_arn(subscription.text("topic_arn"));
        confirm.token(token).send().await.expect("a confirmation");
    }
    let dashboard = stack
        .state
        .one("aws_cloudwatch_dashboard", "module.monitoring");
    put_dashboard(stack, dashboard.text("dashboard_body")).await;
    for alarm in stack.state.of("aws_cloudwatch_metric_alarm") {
        let tags = alarm.tags().into_iter();
        let tags = tags.map(|(key, value)| AlarmTag::builder().key(key).value(value).build());
        let put = put_alarm(stack, &alarm).set_tags(Some(tags.collect()));
        put.send().await.expect("an alarm");
        set_state(stack, &alarm, StateValue::Ok).await;
    }
}

/// What the state has in the place of a topic's ARN: account and name without the service.
pub fn made_up(arn: &str) -> String {
    let parts: Vec<&str> = arn.split(':').collect();
    format!("arn:aws:sns:{}:{}:{}", parts[3], parts[4], parts[5])
}

fn is_global(resource: &Resource) -> bool {
    resource.maybe("region") == Some("us-east-1")
}

/// SNS of a resource's region.
pub fn sns(stack: &Stack, resource: &Resource) -> aws_sdk_sns::Client {
    if is_global(resource) {
        stack.clients.global_sns.clone()
    } else {
        stack.clients.sns.clone()
    }
}

/// CloudWatch of a resource's region.
pub fn cloudwatch(stack: &Stack, resource: &Resource) -> aws_sdk_cloudwatch::Client {
    if is_global(resource) {
        stack.clients.global_cloudwatch.clone()
    } else {
        stack.clients.cloudwatch.clone()
    }
}

/// Sets an attribute of a topic.
pub async fn attribute(stack: &Stack, resource: &Resource, arn: &str, name: &str, value: &str) {
    let set = sns(stack, resource).set_topic_attributes().topic_arn(arn);
    let set = set.attribute_name(name).attribute_value(value).send().await;
    set.expect("an attribute");
}

/// Returns the token that AWS would mail.
pub async fn subscribe(stack: &Stack, subscription: &Resource) -> String {
    let made = sns(stack, subscription)
        .subscribe()
        .topic_arn(subscription.text("topic_arn"))
        .protocol(subscription.text("protocol"))
        .endpoint(subscription.text("endpoint"))
        .return_subscription_arn(true)
        .send()
        .await;
    let arn = made.expect("a subscription").subscription_arn;
    let arn = arn.expect("its ARN");
    arn.rsplit(':').next().expect("a token").to_owned()
}

/// Puts the dashboard.
pub async fn put_dashboard(stack: &Stack, body: &str) {
    let dashboard = stack
        .state
        .one("aws_cloudwatch_dashboard", "module.monitoring");
    let put = stack.clients.cloudwatch.put_dashboard();
    let put = put.dashboard_name(dashboard.text("dashboard_name"));
    put.dashboard_body(body).send().await.expect("a dashboard");
}

/// The alarm as terraform makes it.
pub fn put_alarm(stack: &Stack, alarm: &Resource) -> PutMetricAlarmFluentBuilder {
    let dimensions = alarm.values["dimensions"].as_object().expect("dimensions");
    let dimensions = dimensions.iter().map(|(name, value)| {
        Dimension::builder()
            .name(name)
            .value(value.as_str().expect("a text"))
            .build()
    });
    cloudwatch(stack, alarm)
        .put_metric_alarm()
        .alarm_name(alarm.text("alarm_name"))
        .alarm_description(alarm.text("alarm_description"))
        .namespace(alarm.text("namespace"))
        .metric_name(alarm.text("metric_name"))
        .set_dimensions(Some(dimensions.collect()))
        .statistic(Statistic::from(alarm.text("statistic")))
        .comparison_operator(ComparisonOperator::from(alarm.text("comparison_operator")))
        .threshold(alarm.values["threshold"].as_f64().expect("a number"))
        .period(alarm.number("period"))
        .evaluation_periods(alarm.number("evaluation_periods"))
        .treat_missing_data(alarm.text("treat_missing_data"))
        .set_alarm_actions(Some(alarm.texts("alarm_actions")))
        .set_ok_actions(Some(alarm.texts("ok_actions")))
}

/// Nothing publishes metrics here, so that somebody has to say how it is.
pub async fn set_state(stack: &Stack, alarm: &Resource, state: StateValue) {
    let set = cloudwatch(stack, alarm).set_alarm_state();
    let set = set.alarm_name(alarm.text("alarm_name"));
    let set = set.state_value(state).state_reason("said so").send().await;
    set.expect("a state");
}
