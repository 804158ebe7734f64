//! What is asked for by its name: one of it, or a reason.

use aws_sdk_elasticache::types::{CacheCluster, ReplicationGroup};
use aws_sdk_rds::types::DbInstance;

use crate::check::{Blind, Seen};
use crate::sites::Sites;

pub(crate) async fn database(sites: &Sites, id: &str) -> Seen<DbInstance> {
    let asked = sites.rds.describe_db_instances().db_instance_identifier(id);
    let found: Result<Vec<_>, _> = asked.into_paginator().items().send().collect().await;
    found
        .map_err(|error| Blind::from(sites.call("RDS", "DescribeDBInstances", id).failed(error)))?
        .into_iter()
        .find(|instance| instance.db_instance_identifier() == Some(id))
        .ok_or_else(|| Blind::because("RDS answers, but not about this instance"))
}

pub(crate) async fn replication_group(sites: &Sites, id: &str) -> Seen<ReplicationGroup> {
    let asked = sites.elasticache.describe_replication_groups();
    let pages = asked.replication_group_id(id).into_paginator().items();
    let found: Result<Vec<_>, _> = pages.send().collect().await;
    let call = || sites.call("ElastiCache", "DescribeReplicationGroups", id);
    found
        .map_err(|error| Blind::from(call().failed(error)))?
        .into_iter()
        .find(|group| group.replication_group_id() == Some(id))
        .ok_or_else(|| Blind::because("ElastiCache answers, but not about this group"))
}

/// A node of a group. What it shows of engine, subnets and parameters holds for all of them.
pub(crate) async fn first_node(sites: &Sites, group: &ReplicationGroup) -> Seen<CacheCluster> {
    let id = group.member_clusters().first();
    let id = id.ok_or_else(|| Blind::because("ElastiCache shows no node of it"))?;
    let asked = sites.elasticache.describe_cache_clusters();
    let pages = asked.cache_cluster_id(id).into_paginator().items();
    let found: Result<Vec<_>, _> = pages.send().collect().await;
    let call = || sites.call("ElastiCache", "DescribeCacheClusters", id);
    found
        .map_err(|error| Blind::from(call().failed(error)))?
        .into_iter()
        .find(|node| node.cache_cluster_id() == Some(id))
        .ok_or_else(|| Blind::because("ElastiCache answers, but not about this node"))
}
