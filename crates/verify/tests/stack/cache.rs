//! Redis, and ways of breaking it.

use crate::Stack;
use crate::database::another_key;
use crate::mutation::{ByUnitTest, Mutation};
use aws_sdk_elasticache::operation::create_replication_group::builders::CreateReplicationGroupFluentBuilder;
use aws_sdk_elasticache::types::{AuthTokenUpdateStrategyType, TransitEncryptionMode};
use futures::FutureExt as _;
use local_aws::stack::cache::{create, id};

/// A change of the group, at once.
macro_rules! change {
    ($stack:ident, $($call:tt)*) => {{
        let change = $stack.clients.elasticache.modify_replication_group();
        let change = change.replication_group_id(id($stack)).apply_immediately(true);
        change.$($call)*.send().await.expect("a change");
    }};
}

async fn delete(stack: &Stack) {
    let gone = stack.clients.elasticache.delete_replication_group();
    let gone = gone.replication_group_id(id(stack)).send().await;
    gone.expect("a deletion");
}

/// The group is deleted, and made anew in another way.
async fn anew(
    stack: &Stack,
    otherwise: impl FnOnce(CreateReplicationGroupFluentBuilder) -> CreateReplicationGroupFluentBuilder,
) {
    delete(stack).await;
    let made = otherwise(create(stack)).send().await;
    made.expect("a replication group");
}

/// Whatever is asked of every node, or says something of it.
const NODES: &[&str] = &[
    "redis-nodes",
    "dashboard-covers",
    "alarm-exists",
    "alarm-metric",
    "alarm-threshold",
    "alarm-evaluation",
    "alarm-actions",
    "alarm-states",
];

pub(crate) fn mutations() -> Vec<Mutation> {
    let it = |name, breaks, apply| Mutation {
        name,
        item: Some(4),
        breaks,
        apply,
    };
    vec![
        it(
            "Redis is deleted",
            &[
                "redis-available",
                "redis-nodes",
                "redis-multi-az",
                "redis-failover",
                "redis-encrypted-at-rest",
                "redis-encrypted-in-transit",
                "redis-auth",
                "redis-snapshots",
                "redis-version",
                "redis-node-type",
                "redis-subnets",
                "redis-security-groups",
                "tags-cache",
                "tags-logs",
                "dashboard-covers",
                "alarm-exists",
                "alarm-metric",
                "alarm-threshold",
                "alarm-evaluation",
                "alarm-actions",
                "alarm-states",
            ],
            |stack| delete(stack).boxed(),
        ),
        it("Redis has one node", NODES, |stack| {
            async move {
                let fewer = stack.clients.elasticache.decrease_replica_count();
                let fewer = fewer.replication_group_id(id(stack)).new_replica_count(0);
                fewer
                    .apply_immediately(true)
                    .send()
                    .await
                    .expect("a change");
            }
            .boxed()
        }),
        it("Redis has a third node", NODES, |stack| {
            async move {
                let more = stack.clients.elasticache.increase_replica_count();
                let more = more.replication_group_id(id(stack)).new_replica_count(2);
                more.apply_immediately(true).send().await.expect("a change");
            }
            .boxed()
        }),
        it("Multi-AZ of Redis is off", &["redis-multi-az"], |stack| {
            async move { change!(stack, multi_az_enabled(false)) }.boxed()
        }),
        it(
            "automatic failover of Redis is off",
            &["redis-failover"],
            |stack| async move { change!(stack, automatic_failover_enabled(false)) }.boxed(),
        ),
        it(
            "Redis is not encrypted at rest",
            &["redis-encrypted-at-rest"],
            |stack| {
                anew(stack, |create| {
                    create
                        .at_rest_encryption_enabled(false)
                        .set_kms_key_id(None)
                })
                .boxed()
            },
        ),
        it(
            "Redis is encrypted with another key",
            &["redis-encrypted-at-rest"],
            |stack| {
                async move {
                    let key = another_key(stack).await;
                    anew(stack, |create| create.kms_key_id(key)).await;
                }
                .boxed()
            },
        ),
        it(
            "Redis is encrypted with ElastiCache's own key",
            &["redis-encrypted-at-rest"],
            |stack| anew(stack, |create| create.set_kms_key_id(None)).boxed(),
        ),
        it(
            "Redis takes connections without TLS as well",
            &["redis-encrypted-in-transit"],
            |stack| {
                async move {
                    change!(
                        stack,
                        transit_encryption_mode(TransitEncryptionMode::Preferred)
                    );
                }
                .boxed()
            },
        ),
        it(
            "Redis has neither TLS nor a token",
            &["redis-encrypted-in-transit", "redis-auth"],
            |stack| {
                anew(stack, |create| {
                    create
                        .transit_encryption_enabled(false)
                        .set_transit_encryption_mode(None)
                        .set_auth_token(None)
                })
                .boxed()
            },
        ),
        it("Redis wants no token", &["redis-auth"], |stack| {
            async move {
                change!(
                    stack,
                    auth_token_update_strategy(AuthTokenUpdateStrategyType::Delete)
                );
            }
            .boxed()
        }),
        it("Redis keeps no snapshots", &["redis-snapshots"], |stack| {
            async move { change!(stack, snapshot_retention_limit(0)) }.boxed()
        }),
        it(
            "the subnet group of Redis has a public subnet",
            &["redis-subnets"],
            |stack| {
                async move {
                    let group = stack
                        .state
                        .one("aws_elasticache_subnet_group", "module.cache");
                    let public = stack.state.one("aws_subnet", "public[\"0\"]");
                    let mut subnets = group.texts("subnet_ids");
                    subnets.push(public.text("id").to_owned());
                    let change = stack.clients.elasticache.modify_cache_subnet_group();
                    let change = change.cache_subnet_group_name(group.text("name"));
                    let change = change.set_subnet_ids(Some(subnets)).send().await;
                    change.expect("a subnet group");
                }
                .boxed()
            },
        ),
        it(
            "Redis has the load balancer's security group",
            &["redis-security-groups"],
            |stack| {
                async move {
                    let other = stack.state.one("aws_security_group", ".alb");
                    change!(stack, security_group_ids(other.text("id")));
                }
                .boxed()
            },
        ),
    ]
}

/// What the local AWS does not show.
pub(crate) const ELSEWHERE: &[ByUnitTest] = &[
    ByUnitTest {
        name: "a node of Redis is of another version",
        item: Some(4),
        breaks: &["redis-version"],
        test: "nodes_of_another_version_are_noticed",
    },
    ByUnitTest {
        name: "Redis has nodes of another type",
        item: Some(4),
        breaks: &["redis-node-type"],
        test: "nodes_of_another_type_are_noticed",
    },
    ByUnitTest {
        name: "both nodes of Redis are in one zone",
        item: Some(4),
        breaks: &["redis-nodes"],
        test: "two_nodes_in_one_zone_are_lost_together",
    },
];

#[tokio::test]
async fn every_way_of_breaking_redis_is_noticed() {
    crate::mutation::show(mutations()).await;
}
