//! The security groups and their rules.

use crate::Stack;
use crate::mutation::{Mutation, show};
use aws_sdk_ec2::types::{IpPermission, IpRange, Ipv6Range, PrefixListId, UserIdGroupPair};
use futures::FutureExt as _;
use local_aws::stack::groups::permission;
use local_aws::stack::network::id;

/// Who is at the other end of a rule.
enum Peer {
    Four(&'static str),
    Six(&'static str),
    List(&'static str),
    Group(String),
}

fn rule(protocol: &str, ports: Option<(i32, i32)>, peer: Peer) -> IpPermission {
    let rule = IpPermission::builder()
        .ip_protocol(protocol)
        .set_from_port(ports.map(|ports| ports.0))
        .set_to_port(ports.map(|ports| ports.1));
    match peer {
        Peer::Four(cidr) => rule.ip_ranges(IpRange::builder().cidr_ip(cidr).build()),
        Peer::Six(cidr) => rule.ipv6_ranges(Ipv6Range::builder().cidr_ipv6(cidr).build()),
        Peer::List(list) => {
            rule.prefix_list_ids(PrefixListId::builder().prefix_list_id(list).build())
        }
        Peer::Group(group) => {
            rule.user_id_group_pairs(UserIdGroupPair::builder().group_id(group).build())
        }
    }
    .build()
}

async fn takes(stack: &Stack, group: &str, rule: IpPermission) {
    let group = id(stack, group);
    let made = stack.clients.ec2.authorize_security_group_ingress();
    let made = made.group_id(group).ip_permissions(rule).send().await;
    made.expect("a rule");
}

async fn reaches(stack: &Stack, group: &str, rule: IpPermission) {
    let group = id(stack, group);
    let made = stack.clients.ec2.authorize_security_group_egress();
    let made = made.group_id(group).ip_permissions(rule).send().await;
    made.expect("a rule");
}

/// Takes a rule of the state away.
async fn without(stack: &Stack, kind: &str, name: &str) {
    let gone = stack.state.one(kind, name);
    let (group, rule) = (gone.text("security_group_id"), permission(&gone));
    if kind.contains("ingress") {
        let revoked = stack.clients.ec2.revoke_security_group_ingress();
        let revoked = revoked.group_id(group).ip_permissions(rule).send().await;
        revoked.expect("no rule");
    } else {
        let revoked = stack.clients.ec2.revoke_security_group_egress();
        let revoked = revoked.group_id(group).ip_permissions(rule).send().await;
        revoked.expect("no rule");
    }
}

/// A group that terraform does not know, open to everybody.
async fn stranger(stack: &Stack, from: &[&'static str]) {
    let made = stack.clients.ec2.create_security_group();
    let made = made.group_name("by-hand").description("by hand");
    let made = made.vpc_id(id(stack, "vpc_id")).send().await;
    let made = made.expect("a group").group_id.expect("its id");
    let open = stack
        .clients
        .ec2
        .authorize_security_group_ingress()
        .group_id(made);
    let ssh = from
        .iter()
        .map(|from| rule("tcp", Some((22, 22)), Peer::Four(from)));
    let open = open.set_ip_permissions(Some(ssh.collect()));
    open.send().await.expect("a rule");
}

async fn members_talk(stack: &Stack) {
    let default = stack.state.one("aws_default_security_group", "networking");
    let group = default.text("id").to_owned();
    let open = stack
        .clients
        .ec2
        .authorize_security_group_ingress()
        .group_id(&group);
    let open = open.ip_permissions(rule("-1", None, Peer::Group(group)));
    open.send().await.expect("a rule");
}

async fn no_redis_group(stack: &Stack) {
    let gone = stack.clients.ec2.delete_security_group();
    let gone = gone
        .group_id(id(stack, "redis_security_group_id"))
        .send()
        .await;
    gone.expect("no group");
}

/// A group takes from somebody, or reaches, what the guide does not want.
macro_rules! edge {
    ($name:literal, $breaks:literal, $way:ident $group:literal, |$stack:ident| $rule:expr) => {
        Mutation {
            name: $name,
            item: Some(8),
            breaks: &[$breaks],
            apply: |$stack| $way($stack, $group, $rule).boxed(),
        }
    };
}

pub(crate) fn mutations() -> Vec<Mutation> {
    vec![
        edge!("the database takes PostgreSQL from the internet", "groups-rds-ingress", takes "rds_security_group_id", |stack| rule("tcp", Some((5432, 5432)), Peer::Four("0.0.0.0/0"))),
        edge!("the database takes PostgreSQL from a prefix list", "groups-rds-ingress", takes "rds_security_group_id", |stack| rule("tcp", Some((5432, 5432)), Peer::List("pl-0123456789abcdef0"))),
        edge!("the database takes every protocol from the tasks", "groups-rds-ingress", takes "rds_security_group_id", |stack| rule("-1", None, Peer::Group(id(stack, "ecs_tasks_security_group_id")))),
        edge!("the database takes more ports than its own from the tasks", "groups-rds-ingress", takes "rds_security_group_id", |stack| rule("tcp", Some((5432, 5439)), Peer::Group(id(stack, "ecs_tasks_security_group_id")))),
        edge!("the database takes PostgreSQL from the load balancer", "groups-rds-ingress", takes "rds_security_group_id", |stack| rule("tcp", Some((5432, 5432)), Peer::Group(id(stack, "alb_security_group_id")))),
        Mutation {
            name: "the tasks do not reach the database's group any more",
            item: Some(8),
            breaks: &["groups-rds-ingress"],
            apply: |stack| {
                without(
                    stack,
                    "aws_vpc_security_group_ingress_rule",
                    "rds_from_tasks",
                )
                .boxed()
            },
        },
        edge!("the database reaches HTTPS", "groups-rds-egress", reaches "rds_security_group_id", |stack| rule("tcp", Some((443, 443)), Peer::Four("0.0.0.0/0"))),
        edge!("Redis takes its port from every IPv6 address", "groups-redis-ingress", takes "redis_security_group_id", |stack| rule("tcp", Some((6379, 6379)), Peer::Six("::/0"))),
        edge!("Redis takes its port from the VPC's range", "groups-redis-ingress", takes "redis_security_group_id", |stack| rule("tcp", Some((6379, 6379)), Peer::Four("10.0.0.0/16"))),
        edge!("Redis reaches every IPv6 address", "groups-redis-egress", reaches "redis_security_group_id", |stack| rule("-1", None, Peer::Six("::/0"))),
        edge!("the load balancer takes SSH", "groups-alb-ingress", takes "alb_security_group_id", |stack| rule("tcp", Some((22, 22)), Peer::Four("0.0.0.0/0"))),
        Mutation {
            name: "the load balancer does not take HTTPS",
            item: Some(8),
            breaks: &["groups-alb-ingress"],
            apply: |stack| {
                without(
                    stack,
                    "aws_vpc_security_group_ingress_rule",
                    "0.0.0.0/0-443",
                )
                .boxed()
            },
        },
        edge!("the load balancer reaches everything", "groups-alb-egress", reaches "alb_security_group_id", |stack| rule("-1", None, Peer::Four("0.0.0.0/0"))),
        edge!("the tasks take requests past the load balancer", "groups-tasks-ingress", takes "ecs_tasks_security_group_id", |stack| rule("tcp", Some((3000, 3000)), Peer::Four("0.0.0.0/0"))),
        edge!("the tasks reach everything", "groups-tasks-egress", reaches "ecs_tasks_security_group_id", |stack| rule("-1", None, Peer::Four("0.0.0.0/0"))),
        Mutation {
            name: "the tasks do not reach Redis",
            item: Some(8),
            breaks: &["groups-tasks-egress"],
            apply: |stack| {
                without(
                    stack,
                    "aws_vpc_security_group_egress_rule",
                    "tasks_to_redis",
                )
                .boxed()
            },
        },
        edge!("the database takes PostgreSQL from every IPv6 address", "groups-rds-ingress", takes "rds_security_group_id", |stack| rule("tcp", Some((5432, 5432)), Peer::Six("::/0"))),
        edge!("the database answers pings of the tasks", "groups-rds-ingress", takes "rds_security_group_id", |stack| rule("icmp", Some((8, -1)), Peer::Group(id(stack, "ecs_tasks_security_group_id")))),
        edge!("Redis takes its port from the load balancer", "groups-redis-ingress", takes "redis_security_group_id", |stack| rule("tcp", Some((6379, 6379)), Peer::Group(id(stack, "alb_security_group_id")))),
        edge!("Redis reaches HTTPS", "groups-redis-egress", reaches "redis_security_group_id", |stack| rule("tcp", Some((443, 443)), Peer::Four("0.0.0.0/0"))),
        edge!("the tasks take SSH from the VPC", "groups-tasks-ingress", takes "ecs_tasks_security_group_id", |stack| rule("tcp", Some((22, 22)), Peer::Four("10.0.0.0/16"))),
        edge!("the load balancer takes QUIC", "groups-alb-ingress", takes "alb_security_group_id", |stack| rule("udp", Some((443, 443)), Peer::Four("0.0.0.0/0"))),
        edge!("the load balancer reaches the database", "groups-alb-egress", reaches "alb_security_group_id", |stack| rule("tcp", Some((5432, 5432)), Peer::Group(id(stack, "rds_security_group_id")))),
        Mutation {
            name: "members of the default group talk to each other",
            item: Some(8),
            breaks: &["groups-default"],
            apply: |stack| members_talk(stack).boxed(),
        },
        Mutation {
            name: "a group made by hand takes SSH from the internet",
            item: Some(8),
            breaks: &["groups-others"],
            apply: |stack| stranger(stack, &["0.0.0.0/0"]).boxed(),
        },
        Mutation {
            name: "a group made by hand takes SSH from both halves of the internet",
            item: Some(8),
            breaks: &["groups-others"],
            apply: |stack| stranger(stack, &["0.0.0.0/1", "128.0.0.0/1"]).boxed(),
        },
        Mutation {
            name: "the group of Redis is deleted",
            item: Some(8),
            breaks: &[
                "groups-exist",
                "groups-redis-ingress",
                "groups-redis-egress",
                "tags-groups",
            ],
            apply: |stack| no_redis_group(stack).boxed(),
        },
    ]
}

#[tokio::test]
async fn each_way_of_breaking_the_groups_is_noticed() {
    show(mutations()).await;
}
