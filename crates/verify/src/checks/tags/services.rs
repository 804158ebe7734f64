//! Tags of what services name by ARN.

use futures::StreamExt as _;
use futures::future::join_all;

use super::super::Question;
use super::{Tagged, Tags, pairs};
use crate::check::{Blind, Seen};

/// Calls of one service under way at once.
const AT_ONCE: usize = 4;

pub(super) async fn key(question: Question<'_>) -> Tagged {
    let arn = question.outputs.text("kms_key_arn");
    let tags = async {
        let key = arn.clone()?;
        let pages = question.sites.kms.list_resource_tags().key_id(key);
        let found: Result<Vec<_>, _> = pages.into_paginator().items().send().collect().await;
        let call = || question.sites.call("KMS", "ListResourceTags", key);
        let found = found.map_err(|error| Blind::from(call().failed(error)))?;
        Ok(pairs(
            found.into_iter().map(|tag| (tag.tag_key, tag.tag_value)),
        ))
    };
    vec![(arn.clone().unwrap_or("key").to_owned(), tags.await)]
}

/// The flow logs' group, and those that RDS and ElastiCache write to, whose names begin with theirs.
pub(super) async fn logs(question: Question<'_>) -> Tagged {
    let outputs = question.outputs;
    let group = |prefix: &str, output| Ok(format!("{prefix}{}", outputs.text(output)?));
    let prefixes: [Seen<String>; 3] = [
        group("", "flow_log_group_name"),
        group("/aws/rds/instance/", "db_identifier").map(|name| name + "/"),
        group("/elasticache/", "redis_replication_group_id").map(|name| name + "/"),
    ];
    let asked = prefixes
        .into_iter()
        .map(|prefix| of_prefix(question, prefix));
    join_all(asked).await.into_iter().flatten().collect()
}

async fn of_prefix(question: Question<'_>, prefix: Seen<String>) -> Tagged {
    let logs = &question.sites.logs;
    let call = |operation, name: &str| question.sites.call("CloudWatch Logs", operation, name);
    let groups = async {
        let prefix = prefix.clone()?;
        let pages = logs.describe_log_groups().log_group_name_prefix(&prefix);
        let found: Result<Vec<_>, _> = pages.into_paginator().items().send().collect().await;
        let call = || call("DescribeLogGroups", &prefix);
        let found = found.map_err(|error| Blind::from(call().failed(error)))?;
        if found.is_empty() {
            return Err(Blind::absent(format!("there is no log group {prefix}")));
        }
        Ok(found)
    };
    let groups = match groups.await {
        Ok(groups) => groups,
        Err(blind) => return vec![(prefix.unwrap_or_else(|_| "log group".into()), Err(blind))],
    };
    let tagged = groups.into_iter().map(async |group| {
        let name = group.log_group_name.unwrap_or_default();
        let tags = async {
            // The form without `:*`, which this call wants.
            let arn = group.arn.unwrap_or_default();
            let arn = arn.strip_suffix(":*").unwrap_or(&arn);
            let answer = logs.list_tags_for_resource().resource_arn(arn).send().await;
            let call = || call("ListTagsForResource", &name);
            let answer = answer.map_err(|error| Blind::from(call().failed(error)))?;
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
pub(super) async fn roles(question: Question<'_>) -> Tagged {
    let outputs = question.outputs;
    let named = |output: &str| -> Seen<String> {
        let arn = outputs.text(output)?;
        let name = arn.rsplit('/').next().unwrap_or(arn);
        Ok(name.to_owned())
    };
    let own = |suffix| Ok(format!("{}-{suffix}", question.wanted.name));
    let monitoring = outputs
        .text("db_identifier")
        .map(|id| format!("{id}-monitoring"));
    let roles: [Seen<String>; 4] = [
        named("ecs_task_execution_role_arn"),
        named("ecs_task_role_arn"),
        own("flow-logs"),
        monitoring,
    ];
    let tagged = roles.into_iter().map(async |role| {
        let tags = async {
            let role = role.clone()?;
            let pages = question.sites.iam.list_role_tags().role_name(&role);
            let found: Result<Vec<_>, _> = pages.into_paginator().items().send().collect().await;
            let call = || question.sites.iam_call("ListRoleTags", &role);
            let found = found.map_err(|error| Blind::from(call().failed(error)))?;
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

pub(super) async fn cdn(question: Question<'_>) -> Tagged {
    let id = question.outputs.text("cloudfront_distribution_id");
    let tags = async {
        let partition = question.wanted.region.partition();
        let account = question.account;
        let arn = format!(
            "arn:{partition}:cloudfront::{account}:distribution/{}",
            id.clone()?
        );
        let asked = question.sites.cloudfront.list_tags_for_resource();
        let answer = asked.resource(&arn).send().await;
        let call = || {
            question
                .sites
                .global_call("CloudFront", "ListTagsForResource", &arn)
        };
        let answer = answer.map_err(|error| Blind::from(call().failed(error)))?;
        let lacks = || Blind::because("CloudFront's answer has no tags in it");
        let tags = answer.tags.ok_or_else(lacks)?.items.unwrap_or_default();
        Ok(pairs(tags.into_iter().map(|tag| (tag.key, tag.value))))
    };
    vec![(id.clone().unwrap_or("distribution").to_owned(), tags.await)]
}

/// The topic, and the one of CloudFront's alarms in us-east-1.
pub(super) async fn topics(question: Question<'_>) -> Tagged {
    let sites = question.sites;
    let asked = [
        ("sns_alerts_topic_arn", &sites.sns, false),
        ("sns_global_alerts_topic_arn", &sites.global_sns, true),
    ];
    let tagged = asked.into_iter().map(async |(output, sns, global)| {
        let arn = question.outputs.text(output);
        let tags = async {
            let arn = arn.clone()?;
            let answer = sns.list_tags_for_resource().resource_arn(arn).send().await;
            let answer = answer.map_err(|error| {
                let operation = "ListTagsForResource";
                let call = if global {
                    sites.global_call("SNS", operation, arn)
                } else {
                    sites.call("SNS", operation, arn)
                };
                Blind::from(call.failed(error))
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
pub(super) async fn alarms(question: Question<'_>) -> Tagged {
    let names = match question.outputs.texts("cloudwatch_alarm_names") {
        Ok(names) => names,
        Err(blind) => return vec![("alarms".to_owned(), Err(blind))],
    };
    let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
    let tagged = names.into_iter().map(|name| anywhere(question, name));
    futures::stream::iter(tagged)
        .buffered(AT_ONCE)
        .collect()
        .await
}

async fn anywhere(question: Question<'_>, name: String) -> (String, Seen<Tags>) {
    let tags = match alarm(question, &name, false).await {
        Err(blind) if blind.absent => alarm(question, &name, true).await,
        tags => tags,
    };
    (name, tags)
}

async fn alarm(question: Question<'_>, name: &str, global: bool) -> Seen<Tags> {
    let sites = question.sites;
    let (cloudwatch, region) = if global {
        (&sites.global_cloudwatch, sites.global())
    } else {
        (&sites.home.cloudwatch, question.wanted.region)
    };
    let (partition, account) = (region.partition(), question.account);
    let arn = format!("arn:{partition}:cloudwatch:{region}:{account}:alarm:{name}");
    let answer = cloudwatch
        .list_tags_for_resource()
        .resource_arn(arn)
        .send()
        .await;
    let answer = answer.map_err(|error| {
        let operation = "ListTagsForResource";
        let call = if global {
            sites.global_call("CloudWatch", operation, name)
        } else {
            sites.call("CloudWatch", operation, name)
        };
        Blind::from(call.failed(error))
    })?;
    let tags = answer.tags.unwrap_or_default();
    Ok(pairs(tags.into_iter().map(|tag| (tag.key, tag.value))))
}
