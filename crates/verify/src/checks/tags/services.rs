//! Tags of what services name by ARN.

use futures::StreamExt as _;
use futures::future::join_all;
use report::finding::{Observation, Unobserved};

use super::super::Context;
use super::{Tagged, Tags, pairs};

/// Calls of one service under way at once.
const AT_ONCE: usize = 4;

pub(super) async fn key(context: Context<'_>) -> Tagged {
    let arn = context.located.text("kms_key_arn");
    let tags = async {
        let key = arn.clone()?;
        let pages = context.clients.kms.list_resource_tags().key_id(key);
        let found: Result<Vec<_>, _> = pages.into_paginator().items().send().collect().await;
        let call = || context.clients.call("KMS", "ListResourceTags", key);
        let found = found.map_err(|error| Unobserved::from(call().failed(error)))?;
        Ok(pairs(
            found.into_iter().map(|tag| (tag.tag_key, tag.tag_value)),
        ))
    };
    vec![(arn.clone().unwrap_or("key").to_owned(), tags.await)]
}

/// The flow logs' group, those that Redis writes to, and those of RDS, whose names begin with the instance's.
pub(super) async fn logs(context: Context<'_>) -> Tagged {
    let located = context.located;
    let rds = located.text("db_identifier");
    let rds = rds.map(|id| format!("/aws/rds/instance/{id}/"));
    let flow = located.text("flow_log_group_name").map(str::to_owned);
    let redis = match located.texts("redis_log_groups") {
        Ok(groups) => groups
            .into_iter()
            .map(|group| Ok(group.to_owned()))
            .collect(),
        Err(unobserved) => vec![Err(unobserved)],
    };
    let asked = [flow, rds]
        .into_iter()
        .chain(redis)
        .map(|prefix| of_prefix(context, prefix));
    join_all(asked).await.into_iter().flatten().collect()
}

async fn of_prefix(context: Context<'_>, prefix: Observation<String>) -> Tagged {
    let logs = &context.clients.logs;
    let call = |operation, name: &str| context.clients.call("CloudWatch Logs", operation, name);
    let groups = async {
        let prefix = prefix.clone()?;
        let pages = logs.describe_log_groups().log_group_name_prefix(&prefix);
        let found: Result<Vec<_>, _> = pages.into_paginator().items().send().collect().await;
        let call = || call("DescribeLogGroups", &prefix);
        let found = found.map_err(|error| Unobserved::from(call().failed(error)))?;
        if found.is_empty() {
            return Err(Unobserved::absent(format!(
                "there is no log group {prefix}"
            )));
        }
        Ok(found)
    };
    let groups = match groups.await {
        Ok(groups) => groups,
        Err(unobserved) => {
            return vec![(
                prefix.unwrap_or_else(|_| "log group".into()),
                Err(unobserved),
            )];
        }
    };
    let tagged = groups.into_iter().map(async |group| {
        let name = group.log_group_name.unwrap_or_default();
        let tags = async {
            // The form without `:*`, which this call wants.
            let arn = group.arn.unwrap_or_default();
            let arn = arn.strip_suffix(":*").unwrap_or(&arn);
            let answer = logs.list_tags_for_resource().resource_arn(arn).send().await;
            let call = || call("ListTagsForResource", &name);
            let answer = answer.map_err(|error| Unobserved::from(call().failed(error)))?;
            Ok(pairs(answer.tags.unwrap_or_default()))
        };
        let tags = tags.await;
        (name, tags)
    });
    futures::stream::iter(tagged)
        .buffered(AT_ONCE)
        .collect()
        .await
}

/// The roles of the outputs, and those that flow logs and the database's monitoring use.
pub(super) async fn roles(context: Context<'_>) -> Tagged {
    let located = context.located;
    let named = |output: &str| -> Observation<String> {
        let arn = located.text(output)?;
        let name = arn.rsplit('/').next().unwrap_or(arn);
        Ok(name.to_owned())
    };
    let roles: [Observation<String>; 4] = [
        named("ecs_task_execution_role_arn"),
        named("ecs_task_role_arn"),
        named("flow_log_role_arn"),
        named("db_monitoring_role_arn"),
    ];
    let tagged = roles.into_iter().map(async |role| {
        let tags = async {
            let role = role.clone()?;
            let pages = context.clients.iam.list_role_tags().role_name(&role);
            let found: Result<Vec<_>, _> = pages.into_paginator().items().send().collect().await;
            let call = || context.clients.iam_call("ListRoleTags", &role);
            let found = found.map_err(|error| Unobserved::from(call().failed(error)))?;
            Ok(pairs(found.into_iter().map(|tag| (tag.key, tag.value))))
        };
        let tags = tags.await;
        (role.unwrap_or_else(|_| "role".to_owned()), tags)
    });
    futures::stream::iter(tagged)
        .buffered(AT_ONCE)
        .collect()
        .await
}

pub(super) async fn cdn(context: Context<'_>) -> Tagged {
    let id = context.located.text("cloudfront_distribution_id");
    let tags = async {
        let partition = context.wanted.region.partition();
        let account = context.account;
        let arn = format!(
            "arn:{partition}:cloudfront::{account}:distribution/{}",
            id.clone()?
        );
        let asked = context.clients.cloudfront.list_tags_for_resource();
        let answer = asked.resource(&arn).send().await;
        let call = || {
            context
                .clients
                .global_call("CloudFront", "ListTagsForResource", &arn)
        };
        let answer = answer.map_err(|error| Unobserved::from(call().failed(error)))?;
        let lacks = || Unobserved::because("CloudFront's answer has no tags in it");
        let tags = answer.tags.ok_or_else(lacks)?.items.unwrap_or_default();
        Ok(pairs(tags.into_iter().map(|tag| (tag.key, tag.value))))
    };
    vec![(id.clone().unwrap_or("distribution").to_owned(), tags.await)]
}

/// The topic, and the one of CloudFront's alarms in us-east-1.
pub(super) async fn topics(context: Context<'_>) -> Tagged {
    let clients = context.clients;
    let asked = [
        ("sns_alerts_topic_arn", &clients.sns, false),
        ("sns_global_alerts_topic_arn", &clients.global_sns, true),
    ];
    let tagged = asked.into_iter().map(async |(output, sns, global)| {
        let arn = context.located.text(output);
        let tags = async {
            let arn = arn.clone()?;
            let answer = sns.list_tags_for_resource().resource_arn(arn).send().await;
            let answer = answer.map_err(|error| {
                let operation = "ListTagsForResource";
                let call = if global {
                    clients.global_call("SNS", operation, arn)
                } else {
                    clients.call("SNS", operation, arn)
                };
                Unobserved::from(call.failed(error))
            })?;
            let tags = answer.tags.unwrap_or_default();
            Ok(pairs(tags.into_iter().map(|tag| (tag.key, tag.value))))
        };
        let tags = tags.await;
        (arn.unwrap_or(output).to_owned(), tags)
    });
    join_all(tagged).await
}

/// CloudFront's alarms are in us-east-1, the others in the environment's region.
pub(super) async fn alarms(context: Context<'_>) -> Tagged {
    let names = match context.located.texts("cloudwatch_alarm_names") {
        Ok(names) => names,
        Err(unobserved) => return vec![("alarms".to_owned(), Err(unobserved))],
    };
    let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
    let tagged = names.into_iter().map(|name| anywhere(context, name));
    futures::stream::iter(tagged)
        .buffered(AT_ONCE)
        .collect()
        .await
}

async fn anywhere(context: Context<'_>, name: String) -> (String, Observation<Tags>) {
    let tags = match alarm(context, &name, false).await {
        Err(unobserved) if unobserved.absent => alarm(context, &name, true).await,
        tags => tags,
    };
    (name, tags)
}

async fn alarm(context: Context<'_>, name: &str, global: bool) -> Observation<Tags> {
    let clients = context.clients;
    let (cloudwatch, region) = if global {
        (&clients.global_cloudwatch, clients.global())
    } else {
        (&clients.home.cloudwatch, context.wanted.region)
    };
    let (partition, account) = (region.partition(), context.account);
    let arn = format!("arn:{partition}:cloudwatch:{region}:{account}:alarm:{name}");
    let answer = cloudwatch
        .list_tags_for_resource()
        .resource_arn(arn)
        .send()
        .await;
    let answer = answer.map_err(|error| {
        let operation = "ListTagsForResource";
        let call = if global {
            clients.global_call("CloudWatch", operation, name)
        } else {
            clients.call("CloudWatch", operation, name)
        };
        Unobserved::from(call.failed(error))
    })?;
    let tags = answer.tags.unwrap_or_default();
    Ok(pairs(tags.into_iter().map(|tag| (tag.key, tag.value))))
}
