//! What is asked for by its name: one of it, or a reason.

use aws_sdk_elasticache::types::{CacheCluster, ReplicationGroup};
use aws_sdk_rds::types::DbInstance;
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
