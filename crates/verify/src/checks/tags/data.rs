//! Tags of what keeps data: buckets, database, Redis, secrets.

use futures::future::join_all;
use report::finding::{Observation, Unobserved};

use super::super::Context;
use super::{Tagged, Tags, pairs};
use crate::named;

pub(super) async fn buckets(context: Context<'_>) -> Tagged {
    let asked = super::super::BUCKETS.into_iter().map(async |output| {
        let bucket = context.located.text(output);
        let tags = async {
            let bucket = bucket.clone()?;
            let answer = context.clients.home.s3.get_bucket_tagging();
            match answer.bucket(bucket).send().await {
                Ok(answer) => {
                    let tags = answer.tag_set.into_iter();
                    Ok(pairs(tags.map(|tag| (tag.key, tag.value))))
                }
                Err(error) => {
                    let call = context.clients.call("S3", "GetBucketTagging", bucket);
                    let error = call.failed(error);
                    // A bucket without tags has no set of tags either.
                    if error.is_code("NoSuchTagSet") {
                        return Ok(Tags::new());
                    }
                    Err(Unobserved::from(error))
                }
            }
        };
        let tags = tags.await;
        (bucket.unwrap_or(output).to_owned(), tags)
    });
    join_all(asked).await
}

/// The instance, its subnet group, and its parameter group unless that is AWS's own.
pub(super) async fn database(context: Context<'_>) -> Tagged {
    let id = context.located.text("db_identifier");
    let seen = async {
        let id = id.clone()?;
        let instance = named::database(context.clients, id).await?;
        let mut named = vec![arn(context, "rds", "db", id)];
        let group = instance.db_subnet_group();
        if let Some(name) = group.and_then(|group| group.db_subnet_group_name()) {
            named.push(arn(context, "rds", "subgrp", name));
        }
        for group in instance.db_parameter_groups() {
            let name = group.db_parameter_group_name().unwrap_or_default();
            if !name.starts_with("default.") {
                named.push(arn(context, "rds", "pg", name));
            }
        }
        Ok(named)
    };
    let named = match seen.await {
        Ok(named) => named,
        Err(unobserved) => {
            return vec![(id.clone().unwrap_or("database").to_owned(), Err(unobserved))];
        }
    };
    let tagged = named.into_iter().map(async |arn| {
        let asked = context.clients.rds.list_tags_for_resource();
        let answer = asked.resource_name(&arn).send().await;
        let tags = match answer {
            Ok(answer) => {
                let tags = answer.tag_list.unwrap_or_default().into_iter();
                Ok(pairs(tags.map(|tag| (tag.key, tag.value))))
            }
            Err(error) => {
                let call = context.clients.call("RDS", "ListTagsForResource", &arn);
                Err(Unobserved::from(call.failed(error)))
            }
        };
        (arn, tags)
    });
    join_all(tagged).await
}

/// The replication group, and the groups that its nodes are in unless they are AWS's own.
pub(super) async fn cache(context: Context<'_>) -> Tagged {
    let id = context.located.text("redis_replication_group_id");
    let named = match id.clone() {
        Ok(id) => cache_names(context, id).await,
        Err(unobserved) => Err(unobserved),
    };
    let named = match named {
        Ok(named) => named,
        Err(unobserved) => return vec![(id.unwrap_or("Redis").to_owned(), Err(unobserved))],
    };
    let tagged = named.into_iter().map(async |arn| {
        let asked = context.clients.elasticache.list_tags_for_resource();
        let answer = asked.resource_name(&arn).send().await;
        let tags = match answer {
            Ok(answer) => {
                let tags = answer.tag_list.unwrap_or_default().into_iter();
                Ok(pairs(tags.map(|tag| (tag.key, tag.value))))
            }
            Err(error) => {
                let clients = context.clients;
                let call = clients.call("ElastiCache", "ListTagsForResource", &arn);
                Err(Unobserved::from(call.failed(error)))
            }
        };
        (arn, tags)
    });
    join_all(tagged).await
}

async fn cache_names(context: Context<'_>, id: &str) -> Observation<Vec<String>> {
    let group = named::replication_group(context.clients, id).await?;
    let node = named::first_node(context.clients, &group).await?;
    let mut named = vec![arn(context, "elasticache", "replicationgroup", id)];
    if let Some(name) = node.cache_subnet_group_name() {
        named.push(arn(context, "elasticache", "subnetgroup", name));
    }
    let group = node.cache_parameter_group();
    if let Some(name) = group.and_then(|group| group.cache_parameter_group_name())
        && !name.starts_with("default.")
    {
        named.push(arn(context, "elasticache", "parametergroup", name));
    }
    Ok(named)
}

/// An ARN of the environment's account and region.
fn arn(context: Context<'_>, service: &str, kind: &str, name: &str) -> String {
    let region = context.wanted.region;
    let (partition, account) = (region.partition(), context.account);
    format!("arn:{partition}:{service}:{region}:{account}:{kind}:{name}")
}

/// The secrets that terraform made; the database's master secret is RDS's.
pub(super) async fn secrets(context: Context<'_>) -> Tagged {
    let outputs = [
        "db_credentials_secret_arn",
        "db_connection_secret_arn",
        "redis_credentials_secret_arn",
    ];
    let asked = outputs.into_iter().map(async |output| {
        let arn = context.located.text(output);
        let tags = async {
            let arn = arn.clone()?;
            let answer = context.clients.secrets.describe_secret();
            let answer = answer.secret_id(arn).send().await;
            let call = || {
                context
                    .clients
                    .call("Secrets Manager", "DescribeSecret", arn)
            };
            let answer = answer.map_err(|error| Unobserved::from(call().failed(error)))?;
            let tags = answer.tags.unwrap_or_default().into_iter();
            Ok(pairs(tags.map(|tag| (tag.key, tag.value))))
        };
        let tags = tags.await;
        (arn.unwrap_or(output).to_owned(), tags)
    });
    join_all(asked).await
}
