//! What is asked for by its name: one of it, or a reason.

use aws_sdk_ec2::types::{AttributeBooleanValue, VpcAttributeName};
use aws_sdk_elasticache::types::{CacheCluster, ReplicationGroup};
use aws_sdk_kms::types::KeyState;
use aws_sdk_rds::types::DbInstance;
use aws_smithy_types::DateTime;
use report::finding::{Observation, Unobserved};

use crate::clients::EnvironmentClients;

pub(crate) async fn database(clients: &EnvironmentClients, id: &str) -> Observation<DbInstance> {
    let asked = clients
        .rds
        .describe_db_instances()
        .db_instance_identifier(id);
    let found: Result<Vec<_>, _> = asked.into_paginator().items().send().collect().await;
    found
        .map_err(|error| {
            Unobserved::from(clients.call("RDS", "DescribeDBInstances", id).failed(error))
        })?
        .into_iter()
        .find(|instance| instance.db_instance_identifier() == Some(id))
        .ok_or_else(|| Unobserved::because("RDS answers, but not about this instance"))
}

pub(crate) async fn replication_group(
    clients: &EnvironmentClients,
    id: &str,
) -> Observation<ReplicationGroup> {
    let asked = clients.elasticache.describe_replication_groups();
    let pages = asked.replication_group_id(id).into_paginator().items();
    let found: Result<Vec<_>, _> = pages.send().collect().await;
    let call = || clients.call("ElastiCache", "DescribeReplicationGroups", id);
    found
        .map_err(|error| Unobserved::from(call().failed(error)))?
        .into_iter()
        .find(|group| group.replication_group_id() == Some(id))
        .ok_or_else(|| Unobserved::because("ElastiCache answers, but not about this group"))
}

/// A node of a group. What it shows of engine, subnets and parameters holds for all of them.
pub(crate) async fn first_node(
    clients: &EnvironmentClients,
    group: &ReplicationGroup,
) -> Observation<CacheCluster> {
    let id = group.member_clusters().first();
    let id = id.ok_or_else(|| Unobserved::because("ElastiCache shows no node of it"))?;
    let asked = clients.elasticache.describe_cache_clusters();
    let pages = asked.cache_cluster_id(id).into_paginator().items();
    let found: Result<Vec<_>, _> = pages.send().collect().await;
    let call = || clients.call("ElastiCache", "DescribeCacheClusters", id);
    found
        .map_err(|error| Unobserved::from(call().failed(error)))?
        .into_iter()
        .find(|node| node.cache_cluster_id() == Some(id))
        .ok_or_else(|| Unobserved::because("ElastiCache answers, but not about this node"))
}

/// Whether a VPC resolves names, and whether it gives some to what is public.
pub(crate) async fn vpc_dns(clients: &EnvironmentClients, id: &str) -> Observation<(bool, bool)> {
    let attribute = async |name: VpcAttributeName| {
        let asked = clients.ec2.describe_vpc_attribute().vpc_id(id);
        let answer = asked.attribute(name).send().await;
        let call = || clients.call("EC2", "DescribeVpcAttribute", id);
        answer.map_err(|error| Unobserved::from(call().failed(error)))
    };
    let support = attribute(VpcAttributeName::EnableDnsSupport);
    let names = attribute(VpcAttributeName::EnableDnsHostnames);
    let (support, names) = tokio::try_join!(support, names)?;
    let on = |value: Option<AttributeBooleanValue>| {
        let lacks = || Unobserved::because("EC2's answer has no such attribute in it");
        value.and_then(|value| value.value).ok_or_else(lacks)
    };
    Ok((
        on(support.enable_dns_support)?,
        on(names.enable_dns_hostnames)?,
    ))
}

/// The state of a key, and the day on which it is deleted where that is decided.
pub(crate) async fn key_state(
    clients: &EnvironmentClients,
    id: &str,
) -> Observation<(KeyState, Option<DateTime>)> {
    let call = clients.call("KMS", "DescribeKey", id);
    let answer = clients.kms.describe_key().key_id(id).send().await;
    let data = answer.map_err(|error| Unobserved::from(call.failed(error)))?;
    let data = data.key_metadata;
    let state = data.as_ref().and_then(|data| data.key_state().cloned());
    let state = state.ok_or_else(|| Unobserved::because("KMS tells no state"))?;
    Ok((state, data.and_then(|data| data.deletion_date)))
}
