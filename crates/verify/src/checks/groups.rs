//! Item 8: the security groups, edge by edge, and the group that AWS gives every VPC.

use std::collections::BTreeSet;

use aws_sdk_ec2::types::{Filter, IpPermission, SecurityGroup};
use report::finding::{Observation, Severity, Unobserved};

use super::Context;
use crate::check::{Answer, Check};
use crate::internet::{is_internet, ranges};

static EXIST: Check = Check {
    id: "groups-exist",
    item: Some(8),
    severity: Severity::Critical,
    title: "the security groups of load balancer, tasks, database and Redis are in the VPC",
    why: "what uses a group that is gone cannot be started",
    fix: "terraform apply",
};
static ALB_IN: Check = Check {
    id: "groups-alb-ingress",
    item: Some(8),
    severity: Severity::High,
    title: "the load balancer takes 80 and 443, and nothing else",
    why: "other ports are open to the internet, or nobody gets in",
    fix: "remove rules that terraform does not know from the group, then terraform apply",
};
static ALB_OUT: Check = Check {
    id: "groups-alb-egress",
    item: Some(8),
    severity: Severity::Medium,
    title: "the load balancer reaches the application's port of the tasks, and nothing else",
    why: "a load balancer that was taken over reaches further, or the tasks get no requests",
    fix: "remove rules that terraform does not know from the group, then terraform apply",
};
static TASKS_IN: Check = Check {
    id: "groups-tasks-ingress",
    item: Some(8),
    severity: Severity::High,
    title: "the tasks take the application's port from the load balancer, and nothing else",
    why: "the application can be reached past the load balancer, or not at all",
    fix: "remove rules that terraform does not know from the group, then terraform apply",
};
static TASKS_OUT: Check = Check {
    id: "groups-tasks-egress",
    item: Some(8),
    severity: Severity::Medium,
    title: "the tasks reach database, Redis and HTTPS, and nothing else",
    why: "data can leave by other ways, or the application cannot work",
    fix: "remove rules that terraform does not know from the group, then terraform apply",
};
static RDS_IN: Check = Check {
    id: "groups-rds-ingress",
    item: Some(8),
    severity: Severity::Critical,
    title: "the database takes its port from the tasks, and nothing else",
    why: "personal health information can be reached by others, or not by the application",
    fix: "remove rules that terraform does not know from the group, then terraform apply",
};
static RDS_OUT: Check = Check {
    id: "groups-rds-egress",
    item: Some(8),
    severity: Severity::Medium,
    title: "the database reaches nothing",
    why: "data can leave from the database itself",
    fix: "remove rules that terraform does not know from the group",
};
static REDIS_IN: Check = Check {
    id: "groups-redis-ingress",
    item: Some(8),
    severity: Severity::Critical,
    title: "Redis takes its port from the tasks, and nothing else",
    why: "sessions can be read by others, or not by the application",
    fix: "remove rules that terraform does not know from the group, then terraform apply",
};
static REDIS_OUT: Check = Check {
    id: "groups-redis-egress",
    item: Some(8),
    severity: Severity::Medium,
    title: "Redis reaches nothing",
    why: "data can leave from Redis itself",
    fix: "remove rules that terraform does not know from the group",
};
static DEFAULT: Check = Check {
    id: "groups-default",
    item: Some(8),
    severity: Severity::Medium,
    title: "the VPC's default group lets nothing through",
    why: "what is started without a group gets this one",
    fix: "remove its rules, then terraform apply",
};
static OTHERS: Check = Check {
    id: "groups-others",
    item: Some(8),
    severity: Severity::High,
    title: "no other group of the VPC takes anything from everywhere",
    why: "what is started with it can be reached from the internet",
    fix: "remove the rule, or the group",
};

pub(super) static CHECKS: &[&Check] = &[
    &EXIST, &ALB_IN, &ALB_OUT, &TASKS_IN, &TASKS_OUT, &RDS_IN, &RDS_OUT, &REDIS_IN, &REDIS_OUT,
    &DEFAULT, &OTHERS,
];

/// The groups, by the outputs that name them.
const GROUPS: [(&str, &str, &Check, &Check); 4] = [
    ("load balancer", "alb_security_group_id", &ALB_IN, &ALB_OUT),
    (
        "tasks",
        "ecs_tasks_security_group_id",
        &TASKS_IN,
        &TASKS_OUT,
    ),
    ("database", "rds_security_group_id", &RDS_IN, &RDS_OUT),
    ("Redis", "redis_security_group_id", &REDIS_IN, &REDIS_OUT),
];

pub(super) async fn answers(context: Context<'_>) -> Vec<Answer> {
    let groups = match context.located.text("vpc_id") {
        Ok(vpc) => observe(context, vpc).await,
        Err(unobserved) => Err(unobserved),
    };
    judge(context, &groups)
}

/// All groups of the VPC: those of the stack, the default one, and what others have made.
async fn observe(context: Context<'_>, vpc: &str) -> Observation<Vec<SecurityGroup>> {
    let of_vpc = Filter::builder().name("vpc-id").values(vpc).build();
    let pages = context.clients.ec2.describe_security_groups();
    let pages = pages.filters(of_vpc).into_paginator().items().send();
    let found: Result<Vec<_>, _> = pages.collect().await;
    let call = || context.clients.call("EC2", "DescribeSecurityGroups", vpc);
    let found = found.map_err(|error| Unobserved::from(call().failed(error)))?;
    if found.is_empty() {
        // AWS gives every VPC a group that cannot be deleted.
        return Err(Unobserved::because(format!(
            "EC2 shows no security group in {vpc}"
        )));
    }
    Ok(found)
}

fn judge(context: Context<'_>, groups: &Observation<Vec<SecurityGroup>>) -> Vec<Answer> {
    let located = context.located;
    let mut answers = Vec::new();
    for (name, output, ingress, egress) in GROUPS {
        let id = located.text(output);
        let named = id.clone().unwrap_or(name).to_owned();
        let group = id.clone().and_then(|id| {
            let groups = groups.as_ref().map_err(Clone::clone)?;
            let found = groups.iter().find(|group| group.group_id() == Some(id));
            found.ok_or_else(|| Unobserved::absent(format!("the VPC has no group {id}")))
        });
        let terraform = located.terraform(output);
        let shown = group.clone().map(|_| (true, "there".to_owned()));
        let exists = EXIST.answer(format!("{name}: {named}"), "in the VPC", terraform, shown);
        answers.push(exists);
        let (taken, reached) = edges(context, output);
        for (check, expected, way) in [(ingress, taken, Way::In), (egress, reached, Way::Out)] {
            if let Err(unobserved) = &group
                && unobserved.absent
            {
                answers.push(check.skipped(&named, "the group does not exist"));
                continue;
            }
            answers.push(match expected {
                Ok(expected) => {
                    let found = group.clone().and_then(|group| {
                        let found = edges_of(way.rules(group)?);
                        Ok((found == expected, listed(&found)))
                    });
                    check.answer(&named, listed(&expected), None, found)
                }
                Err(unobserved) => check.answer(&named, check.title, None, Err(unobserved)),
            });
        }
    }
    answers.extend(default(groups));
    answers.push(others(context, groups));
    answers
}

/// What a group of the stack takes and reaches, as the guide has it.
fn edges(
    context: Context<'_>,
    output: &str,
) -> (Observation<BTreeSet<String>>, Observation<BTreeSet<String>>) {
    let Context {
        located, wanted, ..
    } = context;
    let group = |output| located.text(output);
    let app = i64::from(wanted.expect.app_port);
    let tasks = || group("ecs_tasks_security_group_id");
    let port = |output| located.number(output);
    let one =
        |port: Observation<i64>, peer: Observation<&str>| Ok(BTreeSet::from([edge(port?, peer?)]));
    let nothing = || Ok(BTreeSet::new());
    match output {
        "alb_security_group_id" => {
            let from = wanted.expect.alb_ingress.iter();
            let open = from.flat_map(|from| [edge(80, from), edge(443, from)]);
            (Ok(open.collect()), one(Ok(app), tasks()))
        }
        "ecs_tasks_security_group_id" => {
            let reached = || {
                Ok(BTreeSet::from([
                    edge(port("db_port")?, group("rds_security_group_id")?),
                    edge(port("redis_port")?, group("redis_security_group_id")?),
                    edge(443, "0.0.0.0/0"),
                ]))
            };
            (one(Ok(app), group("alb_security_group_id")), reached())
        }
        "rds_security_group_id" => (one(port("db_port"), tasks()), nothing()),
        _ => (one(port("redis_port"), tasks()), nothing()),
    }
}

/// Into a group, or out of it.
#[derive(Clone, Copy)]
enum Way {
    In,
    Out,
}

impl Way {
    /// A list that is not in the answer is not an empty one.
    fn rules(self, group: &SecurityGroup) -> Observation<&[IpPermission]> {
        let rules = match self {
            Self::In => group.ip_permissions.as_deref(),
            Self::Out => group.ip_permissions_egress.as_deref(),
        };
        rules.ok_or_else(|| Unobserved::because("EC2's answer has no rules in it"))
    }
}

fn edge(port: i64, peer: &str) -> String {
    format!("tcp {port} {peer}")
}

/// Every edge of the rules: protocol, ports, and whom: a range of either family, a prefix list, a group.
fn edges_of(permissions: &[IpPermission]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for permission in permissions {
        // EC2 leaves the ports out when all are meant.
        let ports = match (permission.from_port(), permission.to_port()) {
            (None | Some(-1), None | Some(-1)) => "all".to_owned(),
            (from, to) if from == to => from.unwrap_or_default().to_string(),
            (from, to) => format!("{}-{}", from.unwrap_or(0), to.unwrap_or(65535)),
        };
        let protocol = match permission.ip_protocol() {
            Some("-1") | None => "all",
            Some(protocol) => protocol,
        };
        let lists = permission.prefix_list_ids().iter();
        let groups = permission.user_id_group_pairs().iter();
        let mut peers: Vec<&str> = ranges(permission)
            .chain(lists.map(|list| list.prefix_list_id().unwrap_or("?")))
            .chain(groups.map(|group| group.group_id().unwrap_or("?")))
            .collect();
        if peers.is_empty() {
            peers.push("?");
        }
        for peer in peers {
            found.insert(format!("{protocol} {ports} {peer}"));
        }
    }
    found
}

fn default(groups: &Observation<Vec<SecurityGroup>>) -> Vec<Answer> {
    let is = |group: &&SecurityGroup| group.group_name() == Some("default");
    let found = groups.as_ref().map_err(Clone::clone).and_then(|groups| {
        let found = groups.iter().find(is);
        found.ok_or_else(|| Unobserved::because("EC2 shows no default group in the VPC"))
    });
    let name = found.clone().ok().and_then(SecurityGroup::group_id);
    let shown = found.and_then(|group| {
        let mut found = edges_of(Way::In.rules(group)?);
        found.extend(edges_of(Way::Out.rules(group)?));
        Ok((found.is_empty(), listed(&found)))
    });
    vec![DEFAULT.answer(name.unwrap_or("default group"), "nothing", None, shown)]
}

fn others(context: Context<'_>, groups: &Observation<Vec<SecurityGroup>>) -> Answer {
    let own: Vec<Observation<&str>> = GROUPS
        .iter()
        .map(|(_, output, ..)| context.located.text(output))
        .collect();
    let resource = context.located.text("vpc_id").unwrap_or("VPC");
    let open = own
        .into_iter()
        .collect::<Observation<Vec<&str>>>()
        .and_then(|own| {
            let groups = groups.as_ref().map_err(Clone::clone)?;
            let open: BTreeSet<String> = groups
                .iter()
                .filter(|group| group.group_name() != Some("default"))
                .filter_map(|group| Some((group.group_id()?, group)))
                .filter(|(id, _)| !own.contains(id))
                .map(|(id, group)| {
                    let mut rules = Way::In.rules(group)?.iter();
                    let open = rules.any(|rule| is_internet(ranges(rule)));
                    let name = group.group_name().unwrap_or("?");
                    Ok(open.then(|| format!("{id} ({name})")))
                })
                .collect::<Observation<Vec<Option<String>>>>()?
                .into_iter()
                .flatten()
                .collect();
            Ok((open.is_empty(), listed(&open)))
        });
    OTHERS.answer(resource, "nothing", None, open)
}

fn listed(words: &BTreeSet<String>) -> String {
    if words.is_empty() {
        return "nothing".to_owned();
    }
    words.iter().cloned().collect::<Vec<_>>().join(", ")
}
