//! The log groups, the VPC's flow log, and a record that it has delivered.

use super::Stack;
use super::network::tags;
use aws_sdk_cloudwatchlogs::types::InputLogEvent;
use aws_sdk_ec2::types::{FlowLogsResourceType, LogDestinationType, ResourceType, TrafficType};
use std::collections::HashMap;

pub(crate) async fn build(stack: &mut Stack) {
    let logs = stack.clients.logs.clone();
    for group in stack.state.of("aws_cloudwatch_log_group") {
        let name = group.text("name");
        let tags: HashMap<String, String> = group.tags().into_iter().collect();
        let made = logs.create_log_group().log_group_name(name);
        let made = made
            .kms_key_id(group.text("kms_key_id"))
            .set_tags(Some(tags));
        made.send().await.expect("a log group");
        let kept = logs.put_retention_policy().log_group_name(name);
        let kept = kept.retention_in_days(group.number("retention_in_days"));
        kept.send().await.expect("a retention");
        let region = group.text("region");
        let arn = format!("arn:aws:logs:{region}:{}:log-group:{name}", stack.account);
        stack.state.became(&group, "arn", arn);
    }
    role(stack).await;
    let log = stack.state.one("aws_flow_log", "module.networking");
    let made = stack
        .clients
        .ec2
        .create_flow_logs()
        .resource_type(FlowLogsResourceType::Vpc)
        .resource_ids(log.text("vpc_id"))
        .traffic_type(TrafficType::from(log.text("traffic_type")))
        .log_destination_type(LogDestinationType::CloudWatchLogs)
        .log_destination(log.text("log_destination"))
        .deliver_logs_permission_arn(log.text("iam_role_arn"))
        .max_aggregation_interval(log.number("max_aggregation_interval"))
        .tag_specifications(tags(&log, ResourceType::VpcFlowLog))
        .send()
        .await
        .expect("a flow log")
        .flow_log_ids
        .and_then(|ids| ids.into_iter().next())
        .expect("its id");
    stack.state.became(&log, "id", made);
    record(stack, jiff::Timestamp::now()).await;
}

/// The role that flow logs write with, unless it has been made with the others.
async fn role(stack: &mut Stack) {
    let role = stack.state.one("aws_iam_role", "module.networking");
    let iam = stack.clients.iam.clone();
    if iam
        .get_role()
        .role_name(role.text("name"))
        .send()
        .await
        .is_ok()
    {
        return;
    }
    let tags = role.tags().into_iter().map(|(key, value)| {
        let tag = aws_sdk_iam::types::Tag::builder().key(key).value(value);
        tag.build().expect("a tag")
    });
    let made = iam
        .create_role()
        .role_name(role.text("name"))
        .assume_role_policy_document(role.text("assume_role_policy"))
        .set_tags(Some(tags.collect()))
        .send()
        .await
        .expect("a role");
    stack
        .state
        .became(&role, "arn", made.role.expect("what was made").arn);
}

/// A record of the flow log that was made `at`.
pub async fn record(stack: &Stack, at: jiff::Timestamp) {
    let flow = stack.state.one("aws_cloudwatch_log_group", "networking");
    let (logs, group) = (&stack.clients.logs, flow.text("name"));
    let stream = format!("eni-{}-all", at.as_millisecond());
    let made = logs.create_log_stream().log_group_name(group);
    let made = made.log_stream_name(&stream).send().await;
    made.expect("a stream");
    let event = InputLogEvent::builder()
        .timestamp(at.as_millisecond())
        .message("2 123456789012 eni-0 10.0.0.1 10.0.128.1 443 49152 6 1 40 0 60 ACCEPT OK")
        .build()
        .expect("an event");
    let put = logs.put_log_events().log_group_name(group);
    let put = put.log_stream_name(&stream).log_events(event).send().await;
    put.expect("a record");
}
