//! The log groups, the VPC's flow log, and a record that it has delivered.

use crate::Stack;
use crate::mutation::{ByUnitTest, Mutation, show};
use futures::FutureExt as _;
use local_aws::stack::logs::record;
use local_aws::stack::network::id;
use std::collections::HashMap;

/// The group is made anew without a key, and the flow log goes on writing to it.
async fn plain(stack: &Stack) {
    let (logs, name) = (&stack.clients.logs, id(stack, "flow_log_group_name"));
    let group = stack.state.one("aws_cloudwatch_log_group", "networking");
    let gone = logs.delete_log_group().log_group_name(&name).send().await;
    gone.expect("no group");
    let tags: HashMap<String, String> = group.tags().into_iter().collect();
    let made = logs.create_log_group().log_group_name(&name);
    let made = made.set_tags(Some(tags)).send().await;
    made.expect("a group");
    let kept = logs.put_retention_policy().log_group_name(&name);
    let kept = kept.retention_in_days(group.number("retention_in_days"));
    kept.send().await.expect("a retention");
    record(stack, jiff::Timestamp::now()).await;
}

pub(crate) fn mutations() -> Vec<Mutation> {
    vec![
        Mutation {
            name: "the flow log is deleted",
            item: Some(14),
            breaks: &[
                "flow-logs-active",
                "flow-logs-traffic",
                "flow-logs-destination",
                "flow-logs-delivering",
                "tags-network",
            ],
            apply: |stack| {
                async {
                    let gone = stack.clients.ec2.delete_flow_logs();
                    let gone = gone.flow_log_ids(id(stack, "flow_log_id"));
                    gone.send().await.expect("no flow log");
                }
                .boxed()
            },
        },
        Mutation {
            name: "the flow log's role is deleted",
            item: Some(14),
            breaks: &[
                "flow-logs-delivering",
                "tags-roles",
                "iam-role-exists",
                "iam-trust",
                "iam-actions",
                "iam-resources",
                "iam-managed-policies",
                "iam-permissions",
                "iam-master-secret",
                "iam-destructive",
            ],
            apply: |stack| {
                async {
                    let role = stack.state.one("aws_iam_role", "module.networking");
                    let iam = &stack.clients.iam;
                    let policy = iam
                        .delete_role_policy()
                        .role_name(role.text("name"))
                        .policy_name("write");
                    let _ = policy.send().await;
                    let gone = iam.delete_role().role_name(role.text("name"));
                    gone.send().await.expect("no role");
                }
                .boxed()
            },
        },
        Mutation {
            name: "the flow log's group is deleted",
            item: Some(14),
            breaks: &[
                "flow-logs-group",
                "flow-logs-delivering",
                "flow-logs-recent",
                "flow-logs-retention",
                "flow-logs-encrypted",
                "tags-logs",
            ],
            apply: |stack| {
                async {
                    let (logs, group) = (&stack.clients.logs, id(stack, "flow_log_group_name"));
                    let gone = logs.delete_log_group().log_group_name(group);
                    gone.send().await.expect("no group");
                }
                .boxed()
            },
        },
        Mutation {
            name: "flow logs are kept for a week",
            item: Some(14),
            breaks: &["flow-logs-retention"],
            apply: |stack| {
                async {
                    let (logs, group) = (&stack.clients.logs, id(stack, "flow_log_group_name"));
                    let kept = logs
                        .put_retention_policy()
                        .log_group_name(group)
                        .retention_in_days(7);
                    kept.send().await.expect("a retention");
                }
                .boxed()
            },
        },
        Mutation {
            name: "flow logs are kept for ever",
            item: Some(14),
            breaks: &["flow-logs-retention"],
            apply: |stack| {
                async {
                    let (logs, group) = (&stack.clients.logs, id(stack, "flow_log_group_name"));
                    let kept = logs.delete_retention_policy().log_group_name(group);
                    kept.send().await.expect("no retention");
                }
                .boxed()
            },
        },
        Mutation {
            name: "flow logs are not encrypted with the key",
            item: Some(14),
            breaks: &["flow-logs-encrypted"],
            apply: |stack| plain(stack).boxed(),
        },
        Mutation {
            name: "no record has arrived for a day",
            item: Some(14),
            breaks: &["flow-logs-recent"],
            apply: |stack| {
                async {
                    let (logs, group) = (&stack.clients.logs, id(stack, "flow_log_group_name"));
                    let found = logs
                        .describe_log_streams()
                        .log_group_name(&group)
                        .send()
                        .await;
                    for stream in found.expect("streams").log_streams() {
                        let gone = logs.delete_log_stream().log_group_name(&group);
                        let gone = gone.set_log_stream_name(stream.log_stream_name.clone());
                        gone.send().await.expect("no stream");
                    }
                    record(
                        stack,
                        jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24),
                    )
                    .await;
                }
                .boxed()
            },
        },
    ]
}

pub(crate) const ELSEWHERE: &[ByUnitTest] = &[
    ByUnitTest {
        name: "the flow log records rejected traffic only",
        item: Some(14),
        breaks: &["flow-logs-traffic"],
        test: "each_part_of_a_flow_log_has_its_check",
    },
    ByUnitTest {
        name: "the flow log writes to another group",
        item: Some(14),
        breaks: &["flow-logs-destination"],
        test: "each_part_of_a_flow_log_has_its_check",
    },
];

#[tokio::test]
async fn each_way_of_breaking_the_flow_logs_is_noticed() {
    show(mutations()).await;
}
