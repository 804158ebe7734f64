//! The VPC and what is in it.

use std::collections::BTreeSet;

use aws_sdk_ec2::types::{Filter, RouteTable, SecurityGroup, Tag};
use report::finding::{Observation, Unobserved};

use super::super::clues::Clues;
use super::super::names::{self, says};
use super::super::{Located, Origin};
use super::{Look, none};
use crate::named;

fn called(tags: &[Tag], name: Option<&str>) -> String {
    let named = tags.iter().filter(|tag| {
        tag.key()
            .is_some_and(|key| ["name", "tier", "type"].contains(&key.to_lowercase().as_str()))
    });
    let named = named.filter_map(|tag| tag.value());
    name.into_iter().chain(named).collect::<Vec<_>>().join(" ")
}

fn pairs(tags: &[Tag]) -> impl Iterator<Item = (&str, &str)> {
    tags.iter()
        .filter_map(|tag| Some((tag.key()?, tag.value()?)))
}

fn of(name: &str, value: &str) -> Filter {
    Filter::builder().name(name).values(value).build()
}

pub(super) async fn vpc(look: Look<'_>, located: &mut Located) {
    const ROLE: &str = "vpc_id";
    if !located.lacks(&[ROLE]) {
        return;
    }
    let pages = look.clients.ec2.describe_vpcs().into_paginator();
    let found: Result<Vec<_>, _> = pages.items().send().collect().await;
    let call = look.clients.call("EC2", "DescribeVpcs", "");
    let all = match found.map_err(|error| Unobserved::from(call.failed(error))) {
        Ok(all) => all,
        Err(unobserved) => return located.lack(ROLE, unobserved),
    };
    let mut clues = Clues::default();
    let own: Vec<_> = all
        .iter()
        .filter(|vpc| vpc.is_default() != Some(true))
        .collect();
    for vpc in &own {
        let Some(id) = vpc.vpc_id() else { continue };
        clues.add_if(own.len() == 1, ROLE, id, 1, "the only one");
        let cidr = vpc.cidr_block() == Some(&look.wanted.expect.vpc_cidr);
        clues.add_if(cidr, ROLE, id, 2, "by its network");
        clues.add_if(
            look.ours.tags(pairs(vpc.tags())),
            ROLE,
            id,
            4,
            "by its tags",
        );
        let name = called(vpc.tags(), None);
        clues.add_if(look.ours.names(&name), ROLE, id, 3, "by its name");
    }
    if let Ok(id) = located.text("db_identifier")
        && let Ok(database) = named::database(look.clients, id).await
        && let Some(vpc) = database.db_subnet_group().and_then(|group| group.vpc_id())
    {
        clues.add(ROLE, vpc, 5, format!("{id} is in it"));
    }
    located.settle(clues, &[ROLE], &none("VPC", look));
}

fn default_route(table: &RouteTable) -> Option<&str> {
    let mut routes = table.routes().iter();
    let route = routes.find(|route| route.destination_cidr_block() == Some("0.0.0.0/0"))?;
    route.gateway_id().or(route.nat_gateway_id())
}

pub(super) async fn subnets(look: Look<'_>, located: &mut Located) {
    const ROLES: [&str; 3] = ["public_subnet_ids", "private_subnet_ids", "nat_gateway_ids"];
    if !located.lacks(&ROLES[..2]) {
        return;
    }
    let Ok(vpc) = located.text("vpc_id").map(str::to_owned) else {
        return lack_as(located, &ROLES[..2], "vpc_id");
    };
    match sorted(look, &vpc, located).await {
        Err(unobserved) => {
            for role in &ROLES[..2] {
                located.lack(role, unobserved.clone());
            }
        }
        Ok((public, private, gateways)) => {
            for (role, ids) in ROLES.into_iter().zip([public, private, gateways]) {
                let how = format!("in {vpc}, by name and use");
                located.set(role, ids, Origin::Aws, how);
            }
        }
    }
}

/// What lies in something that was not found is not found for the same reason.
fn lack_as(located: &mut Located, roles: &[&str], other: &str) {
    if let Err(unobserved) = located.value(other).map(|_| ()) {
        for role in roles {
            located.lack(role, unobserved.clone());
        }
    }
}

type Sorted = (Vec<String>, Vec<String>, Vec<String>);

async fn sorted(look: Look<'_>, vpc: &str, located: &Located) -> Observation<Sorted> {
    let ec2 = &look.clients.ec2;
    let call = |operation| look.clients.call("EC2", operation, vpc);
    let pages = ec2.describe_subnets().filters(of("vpc-id", vpc));
    let subnets: Result<Vec<_>, _> = pages.into_paginator().items().send().collect().await;
    let subnets =
        subnets.map_err(|error| Unobserved::from(call("DescribeSubnets").failed(error)))?;
    let pages = ec2.describe_route_tables().filters(of("vpc-id", vpc));
    let tables: Result<Vec<_>, _> = pages.into_paginator().items().send().collect().await;
    let tables =
        tables.map_err(|error| Unobserved::from(call("DescribeRouteTables").failed(error)))?;
    let pages = ec2.describe_nat_gateways().filter(of("vpc-id", vpc));
    let gateways: Result<Vec<_>, _> = pages.into_paginator().items().send().collect().await;
    let gateways =
        gateways.map_err(|error| Unobserved::from(call("DescribeNatGateways").failed(error)))?;
    let mut data = BTreeSet::new();
    if let Ok(id) = located.text("db_identifier")
        && let Ok(database) = named::database(look.clients, id).await
    {
        let group = database.db_subnet_group;
        let subnets = group.and_then(|group| group.subnets).unwrap_or_default();
        data.extend(subnets.into_iter().filter_map(|one| one.subnet_identifier));
    }
    let (mut public, mut private) = (Vec::new(), Vec::new());
    for subnet in &subnets {
        let Some(id) = subnet.subnet_id() else {
            continue;
        };
        let name = called(subnet.tags(), None);
        let mut tables = tables.iter();
        let table = tables.find(|table| {
            let mut of = table.associations().iter();
            of.any(|one| one.subnet_id() == Some(id))
        });
        let to = table.and_then(default_route).unwrap_or_default();
        let has_nat = gateways.iter().any(|one| one.subnet_id() == Some(id));
        let weigh = |clues: [(bool, u32); 3]| -> u32 {
            clues
                .iter()
                .map(|(holds, weight)| if *holds { *weight } else { 0 })
                .sum()
        };
        let open = weigh([
            (says(&name, names::PUBLIC), 4),
            (has_nat, 2),
            (to.starts_with("igw-"), 2),
        ]);
        let closed = weigh([
            (says(&name, names::PRIVATE), 4),
            (data.contains(id), 2),
            (to.starts_with("nat-"), 2),
        ]);
        // Nothing speaks for either: it has no way out.
        if open > closed {
            &mut public
        } else {
            &mut private
        }
        .push(id.to_owned());
    }
    let gateways = gateways.into_iter().filter_map(|one| one.nat_gateway_id);
    Ok((public, private, gateways.collect()))
}

pub(super) async fn groups(look: Look<'_>, located: &mut Located) {
    const ROLES: [&str; 4] = [
        "rds_security_group_id",
        "redis_security_group_id",
        "alb_security_group_id",
        "ecs_tasks_security_group_id",
    ];
    if !located.lacks(&ROLES) {
        return;
    }
    let Ok(vpc) = located.text("vpc_id").map(str::to_owned) else {
        return lack_as(located, &ROLES, "vpc_id");
    };
    let pages = look.clients.ec2.describe_security_groups();
    let pages = pages.filters(of("vpc-id", &vpc)).into_paginator().items();
    let found: Result<Vec<_>, _> = pages.send().collect().await;
    let call = look.clients.call("EC2", "DescribeSecurityGroups", &vpc);
    let all = match found.map_err(|error| Unobserved::from(call.failed(error))) {
        Ok(all) => all,
        Err(unobserved) => return located.settle(Clues::default(), &ROLES, &unobserved),
    };
    let all: Vec<_> = all
        .into_iter()
        .filter(|group| group.group_name() != Some("default"))
        .collect();
    let attached = attached(look, located).await;
    let expect = &look.wanted.expect;
    let mut clues = Clues::default();
    for group in &all {
        let Some(id) = group.group_id() else { continue };
        let name = called(group.tags(), group.group_name());
        for (role, words) in
            ROLES
                .into_iter()
                .zip([names::DATABASE, names::CACHE, names::BALANCER, names::TASKS])
        {
            clues.add_if(says(&name, words), role, id, 4, "by its name");
        }
        for ((role, ids), port) in ROLES
            .into_iter()
            .zip(&attached)
            .zip([expect.db_port, expect.redis_port])
        {
            clues.add_if(ids.contains(id), role, id, 2, "by who has it");
            clues.add_if(takes(group, port), role, id, 2, "by its port");
        }
        clues.add_if(takes(group, 443), ROLES[2], id, 2, "by its port");
        clues.add_if(
            takes(group, expect.app_port),
            ROLES[3],
            id,
            2,
            "by its port",
        );
        let reaches = all.iter().any(|other| {
            takes(other, expect.db_port)
                && other.ip_permissions().iter().any(|rule| {
                    let mut peers = rule.user_id_group_pairs().iter();
                    peers.any(|peer| peer.group_id() == Some(id))
                })
        });
        clues.add_if(reaches, ROLES[3], id, 2, "reaches the database");
    }
    located.settle(clues, &ROLES, &none("security group", look));
}

fn takes(group: &SecurityGroup, port: u16) -> bool {
    let port = Some(i32::from(port));
    let mut rules = group.ip_permissions().iter();
    rules.any(|rule| rule.from_port() == port && rule.to_port() == port)
}

/// The groups that the database has, and those that Redis has.
async fn attached(look: Look<'_>, located: &Located) -> [BTreeSet<String>; 2] {
    let mut found = [BTreeSet::new(), BTreeSet::new()];
    if let Ok(id) = located.text("db_identifier")
        && let Ok(database) = named::database(look.clients, id).await
    {
        let groups = database.vpc_security_groups.unwrap_or_default();
        found[0].extend(
            groups
                .into_iter()
                .filter_map(|one| one.vpc_security_group_id),
        );
    }
    if let Ok(id) = located.text("redis_replication_group_id")
        && let Ok(group) = named::replication_group(look.clients, id).await
        && let Ok(node) = named::first_node(look.clients, &group).await
    {
        let groups = node.security_groups.unwrap_or_default();
        found[1].extend(groups.into_iter().filter_map(|one| one.security_group_id));
    }
    found
}

pub(super) async fn flow_log(look: Look<'_>, located: &mut Located) {
    const ROLE: &str = "flow_log_id";
    const PROPERTIES: [&str; 2] = ["flow_log_group_name", "flow_log_role_arn"];
    if !located.lacks(&[ROLE, PROPERTIES[0], PROPERTIES[1]]) {
        return;
    }
    let Ok(vpc) = located.text("vpc_id").map(str::to_owned) else {
        return lack_as(located, &[ROLE, PROPERTIES[0]], "vpc_id");
    };
    let pages = look.clients.ec2.describe_flow_logs();
    let pages = pages
        .filter(of("resource-id", &vpc))
        .into_paginator()
        .items();
    let found: Result<Vec<_>, _> = pages.send().collect().await;
    let call = look.clients.call("EC2", "DescribeFlowLogs", &vpc);
    let all = match found.map_err(|error| Unobserved::from(call.failed(error))) {
        Ok(all) => all,
        Err(unobserved) => {
            return located.settle(Clues::default(), &[ROLE, PROPERTIES[0]], &unobserved);
        }
    };
    let mut clues = Clues::default();
    for one in &all {
        let Some(id) = one.flow_log_id() else {
            continue;
        };
        clues.add(ROLE, id, 1, format!("of {vpc}"));
        clues.add_if(
            look.ours.tags(pairs(one.tags())),
            ROLE,
            id,
            2,
            "by its tags",
        );
        let to_logs = one.log_group_name().is_some();
        clues.add_if(to_logs, ROLE, id, 1, "writes to a log group");
    }
    located.settle(clues, &[ROLE], &none("flow log", look));
    let id = located.text(ROLE).map(str::to_owned);
    let one = all
        .iter()
        .find(|one| one.flow_log_id() == id.as_deref().ok());
    if let Some(one) = one {
        let how = format!("of {}", one.flow_log_id().unwrap_or_default());
        let group = one.log_group_name().or_else(|| {
            let (_, name) = one.log_destination()?.split_once(":log-group:")?;
            Some(name.trim_end_matches(":*"))
        });
        if let Some(group) = group {
            located.set(PROPERTIES[0], group, Origin::Aws, &how);
        }
        if let Some(role) = one.deliver_logs_permission_arn() {
            located.set(PROPERTIES[1], role, Origin::Aws, &how);
        }
    }
    located.lack(PROPERTIES[0], none("log group of a flow log", look));
}
