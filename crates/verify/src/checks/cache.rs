//! Item 4: Redis.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_elasticache::types::{
    AutomaticFailoverStatus, CacheCluster, MultiAzStatus, ReplicationGroup, TransitEncryptionMode,
};
use report::finding::{Observation, Severity, Unobserved};

use super::{Context, listed};
use crate::check::{Answer, Check};
use crate::named;
use crate::version::is_of;

const fn redis(
    id: &'static str,
    severity: Severity,
    title: &'static str,
    why: &'static str,
    fix: &'static str,
) -> Check {
    Check {
        id,
        item: Some(4),
        severity,
        title,
        why,
        fix,
    }
}

static AVAILABLE: Check = redis(
    "redis-available",
    Severity::Critical,
    "the replication group is there and serves",
    "the application has no cache and no sessions",
    "look at its events: aws elasticache describe-events --source-type replication-group",
);
static NODES: Check = redis(
    "redis-nodes",
    Severity::High,
    "all nodes are available, and not in one zone",
    "losing a node or a zone loses the cache",
    "terraform apply; look at node_count of modules/cache",
);
static MULTI_AZ: Check = redis(
    "redis-multi-az",
    Severity::High,
    "Multi-AZ is on",
    "the replica may land in the zone of the primary, and is lost with it",
    "terraform apply",
);
static FAILOVER: Check = redis(
    "redis-failover",
    Severity::High,
    "automatic failover is on",
    "a dead primary stays dead until somebody acts",
    "terraform apply",
);
static AT_REST: Check = redis(
    "redis-encrypted-at-rest",
    Severity::Critical,
    "encrypted at rest with the stack's key",
    "what is swapped and saved lies open, or under a key that the stack does not control",
    "it cannot be changed: rebuild the replication group from terraform",
);
static IN_TRANSIT: Check = redis(
    "redis-encrypted-in-transit",
    Severity::Critical,
    "TLS, and nothing else",
    "tokens and sessions can travel in the clear",
    "terraform apply; transit_encryption_mode has to be \"required\"",
);
static AUTH: Check = redis(
    "redis-auth",
    Severity::Critical,
    "an AUTH token is wanted",
    "whoever reaches the port reads everything",
    "terraform apply",
);
static SNAPSHOTS: Check = redis(
    "redis-snapshots",
    Severity::Medium,
    "daily snapshots are kept long enough",
    "damage that is noticed late cannot be undone",
    "terraform apply; look at snapshot_retention_days of modules/cache",
);
static VERSION: Check = redis(
    "redis-version",
    Severity::Low,
    "the version that is wanted",
    "the application meets another Redis than the one it was tested with",
    "upgrade, or say in [expect] of infra.toml what is wanted: redis_version",
);
static NODE_TYPE: Check = redis(
    "redis-node-type",
    Severity::Low,
    "the type of nodes that is wanted",
    "they are too small for their load, or cost more than was planned",
    "terraform apply; or say in [expect] of infra.toml what is wanted: redis_node_type",
);
static SUBNETS: Check = redis(
    "redis-subnets",
    Severity::High,
    "in the private subnets, and in no others",
    "it lies, or fails over, where the application or the internet can reach it otherwise than planned",
    "terraform apply; look at the subnet group",
);
static GROUPS: Check = redis(
    "redis-security-groups",
    Severity::Critical,
    "its own security group, and no other",
    "others than the application's tasks can connect, or the tasks cannot",
    "terraform apply",
);

/// All but the first are asked only of a group that is there.
pub(super) static CHECKS: &[&Check] = &[
    &AVAILABLE,
    &NODES,
    &MULTI_AZ,
    &FAILOVER,
    &AT_REST,
    &IN_TRANSIT,
    &AUTH,
    &SNAPSHOTS,
    &VERSION,
    &NODE_TYPE,
    &SUBNETS,
    &GROUPS,
];

/// In these the group serves: a snapshot is being taken.
const SERVES: [&str; 2] = ["available", "snapshotting"];

type Shown = Observation<(bool, String)>;

/// What ElastiCache shows besides the group.
struct Picture {
    nodes: Observation<Vec<CacheCluster>>,
    /// Subnets, by the name of their group.
    subnets: Observation<BTreeMap<String, BTreeSet<String>>>,
}

pub(super) async fn answers(context: Context<'_>) -> Vec<Answer> {
    let (id, group) = match context.located.text("redis_replication_group_id") {
        Ok(id) => (id, named::replication_group(context.clients, id).await),
        Err(unobserved) => ("Redis", Err(unobserved)),
    };
    match group {
        Ok(group) => {
            let picture = observe(context, id).await;
            judge(context, id, &group, &picture)
        }
        Err(unobserved) => super::unseen(CHECKS, id, &unobserved),
    }
}

async fn observe(context: Context<'_>, id: &str) -> Picture {
    let cache = &context.clients.elasticache;
    let call = |operation| context.clients.call("ElastiCache", operation, id);
    // One list of all nodes of the region, of which there are some hundred at most, and not a call for each.
    let pages = cache.describe_cache_clusters();
    let found: Result<Vec<_>, _> = pages.into_paginator().items().send().collect().await;
    let nodes = found
        .map_err(|error| Unobserved::from(call("DescribeCacheClusters").failed(error)))
        .map(|nodes| {
            nodes
                .into_iter()
                .filter(|node| node.replication_group_id() == Some(id))
                .collect::<Vec<_>>()
        });
    let names: Observation<BTreeSet<&str>> = match &nodes {
        Ok(nodes) => Ok(nodes
            .iter()
            .filter_map(CacheCluster::cache_subnet_group_name)
            .collect()),
        Err(unobserved) => Err(unobserved.clone()),
    };
    let subnets = async {
        let mut subnets = BTreeMap::new();
        for name in names? {
            let pages = cache
                .describe_cache_subnet_groups()
                .cache_subnet_group_name(name);
            let found: Result<Vec<_>, _> = pages.into_paginator().items().send().collect().await;
            let found = found.map_err(|error| {
                Unobserved::from(call("DescribeCacheSubnetGroups").failed(error))
            })?;
            let ids = found
                .into_iter()
                .flat_map(|group| group.subnets.unwrap_or_default())
                .filter_map(|subnet| subnet.subnet_identifier)
                .collect();
            subnets.insert(name.to_owned(), ids);
        }
        Ok(subnets)
    };
    let subnets = subnets.await;
    Picture { nodes, subnets }
}

fn judge(
    context: Context<'_>,
    id: &str,
    group: &ReplicationGroup,
    picture: &Picture,
) -> Vec<Answer> {
    let located = context.located;
    let said = |name: &str| located.terraform(name);
    let is = |check: &'static Check, expected: &str, terraform, shown| {
        check.answer(id, expected, terraform, shown)
    };
    let none = || None::<String>;
    let expect = &context.wanted.expect;
    let (wanted, snapshot_days) = (expect.redis_nodes, expect.redis_snapshot_days);
    let subnets = located.texts("private_subnet_ids");
    vec![
        is(
            &AVAILABLE,
            "available",
            said("redis_replication_group_id"),
            status(group),
        ),
        is(
            &NODES,
            &format!("{wanted}, available, in more than one zone"),
            none(),
            nodes(group, picture, wanted),
        ),
        is(&MULTI_AZ, "enabled", none(), multi_az(group)),
        is(&FAILOVER, "enabled", none(), failover(group)),
        is(
            &AT_REST,
            "with the stack's key",
            said("kms_key_arn"),
            located
                .text("kms_key_arn")
                .and_then(|key| at_rest(group, key)),
        ),
        is(&IN_TRANSIT, "required", none(), in_transit(group)),
        is(
            &AUTH,
            "true",
            none(),
            group
                .auth_token_enabled
                .map(|on| (on, on.to_string()))
                .ok_or_else(|| Unobserved::missing("ElastiCache", "AuthTokenEnabled")),
        ),
        is(
            &SNAPSHOTS,
            &format!("at least {snapshot_days} days"),
            none(),
            group
                .snapshot_retention_limit
                .map(|days| (days >= snapshot_days, format!("{days} days")))
                .ok_or_else(|| Unobserved::missing("ElastiCache", "SnapshotRetentionLimit")),
        ),
        is(
            &VERSION,
            &expect.redis_version,
            none(),
            version(picture, &expect.redis_version),
        ),
        is(
            &NODE_TYPE,
            &expect.redis_node_type,
            none(),
            group
                .cache_node_type()
                .map(|kind| (kind == expect.redis_node_type, kind.to_owned()))
                .ok_or_else(|| Unobserved::missing("ElastiCache", "CacheNodeType")),
        ),
        is(
            &SUBNETS,
            "the private subnets",
            said("private_subnet_ids"),
            subnets.and_then(|subnets| in_subnets(picture, subnets)),
        ),
        is(
            &GROUPS,
            "the group of Redis",
            said("redis_security_group_id"),
            located
                .text("redis_security_group_id")
                .and_then(|group| in_group(picture, group)),
        ),
    ]
}

fn status(group: &ReplicationGroup) -> Shown {
    let status = group
        .status()
        .ok_or_else(|| Unobserved::missing("ElastiCache", "Status"))?;
    let shards: Vec<&str> = group
        .node_groups()
        .iter()
        .filter_map(|shard| shard.status())
        .filter(|shard| !SERVES.contains(shard))
        .collect();
    let fine = SERVES.contains(&status) && shards.is_empty();
    let shown = [&[status], &shards[..]].concat().join(", shard ");
    Ok((fine, shown))
}

/// Of every node: an upgrade goes from one to the next.
fn version(picture: &Picture, wanted: &str) -> Shown {
    let nodes = picture.nodes.as_ref().map_err(Clone::clone)?;
    let versions = nodes.iter().map(|node| {
        let version = node.engine_version();
        version.ok_or_else(|| Unobserved::missing("ElastiCache", "EngineVersion"))
    });
    let versions: BTreeSet<&str> = versions.collect::<Observation<_>>()?;
    if versions.is_empty() {
        return Err(Unobserved::because("ElastiCache shows no node of it"));
    }
    let fine = versions.iter().all(|version| is_of(version, wanted));
    Ok((fine, listed(&versions)))
}

fn nodes(group: &ReplicationGroup, picture: &Picture, wanted: usize) -> Shown {
    let nodes = picture.nodes.as_ref().map_err(Clone::clone)?;
    let members: BTreeSet<&str> = group.member_clusters().iter().map(String::as_str).collect();
    let mut zones = BTreeSet::new();
    let mut fine = members.len() == wanted;
    let mut shown = Vec::new();
    for id in members {
        let node = nodes
            .iter()
            .find(|node| node.cache_cluster_id() == Some(id))
            .ok_or_else(|| Unobserved::because(format!("ElastiCache does not list node {id}")))?;
        let zone = node
            .preferred_availability_zone()
            .ok_or_else(|| Unobserved::missing("ElastiCache", "PreferredAvailabilityZone"))?;
        let status = node
            .cache_cluster_status()
            .ok_or_else(|| Unobserved::missing("ElastiCache", "CacheClusterStatus"))?;
        zones.insert(zone);
        fine &= SERVES.contains(&status);
        shown.push(format!("{id} {status} in {zone}"));
    }
    if shown.is_empty() {
        return Err(Unobserved::missing("ElastiCache", "MemberClusters"));
    }
    Ok((fine && (wanted < 2 || zones.len() > 1), shown.join(", ")))
}

fn multi_az(group: &ReplicationGroup) -> Shown {
    let on = group
        .multi_az()
        .ok_or_else(|| Unobserved::missing("ElastiCache", "MultiAZ"))?;
    Ok((*on == MultiAzStatus::Enabled, on.to_string()))
}

fn failover(group: &ReplicationGroup) -> Shown {
    let on = group
        .automatic_failover()
        .ok_or_else(|| Unobserved::missing("ElastiCache", "AutomaticFailover"))?;
    Ok((*on == AutomaticFailoverStatus::Enabled, on.to_string()))
}

fn at_rest(group: &ReplicationGroup, wanted: &str) -> Shown {
    let on = group
        .at_rest_encryption_enabled
        .ok_or_else(|| Unobserved::missing("ElastiCache", "AtRestEncryptionEnabled"))?;
    if !on {
        return Ok((false, "not encrypted".to_owned()));
    }
    // ElastiCache shows no key where it uses its own.
    // <https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/at-rest-encryption.html>
    let key = group.kms_key_id().unwrap_or("with ElastiCache's own key");
    Ok((key == wanted, key.to_owned()))
}

fn in_transit(group: &ReplicationGroup) -> Shown {
    let on = group
        .transit_encryption_enabled
        .ok_or_else(|| Unobserved::missing("ElastiCache", "TransitEncryptionEnabled"))?;
    if !on {
        return Ok((false, "off".to_owned()));
    }
    let mode = group
        .transit_encryption_mode()
        .ok_or_else(|| Unobserved::missing("ElastiCache", "TransitEncryptionMode"))?;
    Ok((*mode == TransitEncryptionMode::Required, mode.to_string()))
}

fn in_subnets(picture: &Picture, wanted: Vec<&str>) -> Shown {
    let groups = picture.subnets.as_ref().map_err(Clone::clone)?;
    let found: BTreeSet<&str> = groups.values().flatten().map(String::as_str).collect();
    if found.is_empty() {
        return Err(Unobserved::missing("ElastiCache", "subnet"));
    }
    let wanted: BTreeSet<&str> = wanted.into_iter().collect();
    let all = groups
        .values()
        .all(|group| group.iter().map(String::as_str).eq(wanted.iter().copied()));
    Ok((all, listed(&found)))
}

/// Every node has exactly this group.
fn in_group(picture: &Picture, wanted: &str) -> Shown {
    let nodes = picture.nodes.as_ref().map_err(Clone::clone)?;
    let of = |node: &CacheCluster| -> Vec<String> {
        let groups = node.security_groups().iter();
        groups
            .filter_map(|group| group.security_group_id().map(str::to_owned))
            .collect()
    };
    let groups: Vec<Vec<String>> = nodes.iter().map(of).collect();
    if groups.is_empty() || groups.iter().any(Vec::is_empty) {
        return Err(Unobserved::missing("ElastiCache", "SecurityGroups"));
    }
    let found: BTreeSet<&str> = groups.iter().flatten().map(String::as_str).collect();
    Ok((groups.iter().all(|of| of == &[wanted]), listed(&found)))
}

#[cfg(test)]
mod tests {
    use report::finding::Status;
    use serde_json::json;

    use super::super::asked::Asked;
    use super::*;

    #[tokio::test]
    async fn what_elasticache_does_not_show_is_unknown() {
        let outputs = [
            ("redis_replication_group_id", "app".into()),
            ("kms_key_arn", "arn:k".into()),
            ("private_subnet_ids", json!(["subnet-a"])),
            ("redis_security_group_id", "sg-1".into()),
        ];
        let asked = Asked::new(&outputs).await;
        let empty = ReplicationGroup::builder().build();
        let seen = Picture {
            nodes: Ok(Vec::new()),
            subnets: Ok(BTreeMap::new()),
        };
        let unseen = Picture {
            nodes: Err(Unobserved::because("denied")),
            subnets: Err(Unobserved::because("denied")),
        };
        for picture in [seen, unseen] {
            let answers = judge(asked.context(), "app", &empty, &picture);
            assert_eq!(answers.len(), CHECKS.len());
            for answer in answers {
                assert_eq!(answer.status, Status::Unknown, "{}", answer.check.id);
            }
        }
    }

    #[test]
    fn two_nodes_in_one_zone_are_lost_together() {
        let group = ReplicationGroup::builder()
            .member_clusters("app-001")
            .member_clusters("app-002")
            .build();
        let picture = |zones: [&str; 2], status: &str| {
            let nodes = ["app-001", "app-002"].into_iter().zip(zones);
            let nodes = nodes.map(|(id, zone)| {
                CacheCluster::builder()
                    .cache_cluster_id(id)
                    .cache_cluster_status(status)
                    .preferred_availability_zone(zone)
                    .build()
            });
            Picture {
                nodes: Ok(nodes.collect()),
                subnets: Ok(BTreeMap::new()),
            }
        };
        let fine = |picture| nodes(&group, &picture, 2).unwrap().0;
        assert!(fine(picture(["a", "b"], "available")));
        assert!(!fine(picture(["a", "a"], "available")));
        assert!(!fine(picture(["a", "b"], "rebooting cache cluster nodes")));
    }

    #[test]
    fn nodes_of_another_version_are_noticed() {
        let picture = |versions: &[&str]| {
            let nodes = versions.iter();
            let nodes = nodes.map(|of| CacheCluster::builder().engine_version(*of).build());
            Picture {
                nodes: Ok(nodes.collect()),
                subnets: Ok(BTreeMap::new()),
            }
        };
        let fine = |versions: &[&str]| version(&picture(versions), "7.1").unwrap().0;
        assert!(fine(&["7.1.0", "7.1.0"]));
        assert!(!fine(&["7.1.0", "6.2.6"]));
        assert!(version(&picture(&[]), "7.1").is_err());
    }

    #[tokio::test]
    async fn nodes_of_another_type_are_noticed() {
        let asked = Asked::new(&[("redis_replication_group_id", "app".into())]).await;
        let picture = Picture {
            nodes: Ok(Vec::new()),
            subnets: Ok(BTreeMap::new()),
        };
        let status = |kind: &str| {
            let group = ReplicationGroup::builder().cache_node_type(kind).build();
            let answers = judge(asked.context(), "app", &group, &picture);
            let answer = answers
                .into_iter()
                .find(|answer| answer.check == &NODE_TYPE);
            answer.unwrap().status
        };
        assert_eq!(status("cache.t4g.micro"), Status::Ok);
        assert_eq!(status("cache.t2.micro"), Status::Wrong);
    }
}
