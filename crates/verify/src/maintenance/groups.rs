//! Security groups: what is open to the world, and what nobody uses.

use std::collections::BTreeSet;

use aws_sdk_ec2::types::{Filter, IpPermission, SecurityGroup};
use report::ShellCommand;
use report::finding::{Finding, Observation, Unobserved};

use super::Context;
use crate::internet::{is_internet, ranges};

/// The outputs that name a group.
const OURS: [&str; 4] = [
    "alb_security_group_id",
    "ecs_tasks_security_group_id",
    "rds_security_group_id",
    "redis_security_group_id",
];
/// What a load balancer may have open.
const PUBLIC: [i32; 2] = [80, 443];

pub(super) async fn review(context: Context<'_>) -> Vec<Finding> {
    let vpc = match context.located.text("vpc_id") {
        Ok(vpc) => vpc,
        Err(unobserved) => {
            return vec![Finding::new(
                "group-rules",
                "the VPC",
                "groups",
                Err(unobserved),
            )];
        }
    };
    let (groups, used) = tokio::join!(groups(context, vpc), used(context, vpc));
    let groups = match groups {
        Ok(groups) if groups.is_empty() => {
            let why = Unobserved::because("EC2 shows no group, and every VPC has one");
            return vec![Finding::new("group-rules", vpc, "groups", Err(why))];
        }
        Ok(groups) => groups,
        Err(unobserved) => {
            return vec![Finding::new("group-rules", vpc, "groups", Err(unobserved))];
        }
    };
    let balancer = context.located.text("alb_security_group_id").ok();
    let ours: Vec<&str> = OURS
        .iter()
        .filter_map(|name| context.located.text(name).ok())
        .collect();
    let mut findings = Vec::new();
    for group in &groups {
        let id = group.group_id().unwrap_or("?");
        let name = format!("{id} {}", group.group_name().unwrap_or_default());
        let open = world(group.ip_permissions(), balancer == Some(id));
        let seen = match open.is_empty() {
            true => (
                true,
                format!(
                    "{} rules, none open to the world",
                    group.ip_permissions().len()
                ),
            ),
            false => (false, format!("open to the world: {}", open.join(", "))),
        };
        findings.push(
            Finding::new(
                "group-rules",
                &name,
                "nothing open to the world but 80 and 443 of the load balancer",
                Ok(seen),
            )
            .fix(format!(
                "{}, then revoke what nobody needs",
                ShellCommand::new("aws ec2 describe-security-group-rules --filters")
                    .joined("Name=group-id,Values=", id)
            )),
        );
        if group.group_name() == Some("default") {
            continue;
        }
        let used = used.as_ref().map_err(Clone::clone).map(|used| {
            let named = groups
                .iter()
                .any(|other| other.group_id() != Some(id) && names(other, id));
            match (used.contains(id), named, ours.contains(&id)) {
                (true, ..) => (true, "by network interfaces".to_owned()),
                (_, true, _) => (true, "by rules of other groups".to_owned()),
                // Terraform keeps it for a server that is still to come.
                (_, _, true) => (true, "by nothing yet, but terraform keeps it".to_owned()),
                _ => (false, "by nothing".to_owned()),
            }
        });
        findings.push(
            Finding::new("group-used", &name, "used", used)
                .fix(ShellCommand::new("aws ec2 delete-security-group").option("--group-id", id)),
        );
    }
    findings
}

async fn groups(context: Context<'_>, vpc: &str) -> Observation<Vec<SecurityGroup>> {
    let call = context.clients.call("EC2", "DescribeSecurityGroups", vpc);
    let found: Result<Vec<_>, _> = context
        .clients
        .ec2
        .describe_security_groups()
        .filters(Filter::builder().name("vpc-id").values(vpc).build())
        .into_paginator()
        .items()
        .send()
        .collect()
        .await;
    found.map_err(|error| call.failed(error).into())
}

/// The groups of all network interfaces.
async fn used(context: Context<'_>, vpc: &str) -> Observation<BTreeSet<String>> {
    let call = context
        .clients
        .call("EC2", "DescribeNetworkInterfaces", vpc);
    let found: Result<Vec<_>, _> = context
        .clients
        .ec2
        .describe_network_interfaces()
        .filters(Filter::builder().name("vpc-id").values(vpc).build())
        .into_paginator()
        .items()
        .send()
        .collect()
        .await;
    let interfaces = found.map_err(|error| Unobserved::from(call.failed(error)))?;
    Ok(interfaces
        .iter()
        .flat_map(|interface| interface.groups())
        .filter_map(|group| group.group_id().map(str::to_owned))
        .collect())
}

/// Whether a rule of `group` names the group `id`.
fn names(group: &SecurityGroup, id: &str) -> bool {
    group
        .ip_permissions()
        .iter()
        .chain(group.ip_permissions_egress())
        .flat_map(|rule| rule.user_id_group_pairs())
        .any(|pair| pair.group_id() == Some(id))
}

/// The rules that let everybody in.
fn world(rules: &[IpPermission], balancer: bool) -> Vec<String> {
    rules
        .iter()
        .filter(|rule| is_internet(ranges(rule)))
        .filter(|rule| {
            let one = rule
                .from_port()
                .filter(|port| rule.to_port() == Some(*port));
            !(balancer && one.is_some_and(|port| PUBLIC.contains(&port)))
        })
        .map(
            |rule| match (rule.ip_protocol(), rule.from_port(), rule.to_port()) {
                (Some("-1"), ..) => "everything".to_owned(),
                (Some(protocol), Some(first), Some(last)) if first == last => {
                    format!("{protocol} {first}")
                }
                (Some(protocol), Some(first), Some(last)) => format!("{protocol} {first}-{last}"),
                _ => "a rule that is not understood".to_owned(),
            },
        )
        .collect()
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::types::{IpRange, Ipv6Range};

    use super::*;

    fn rule(
        protocol: &str,
        ports: Option<(i32, i32)>,
        v4: Option<&str>,
        v6: Option<&str>,
    ) -> IpPermission {
        IpPermission::builder()
            .ip_protocol(protocol)
            .set_from_port(ports.map(|ports| ports.0))
            .set_to_port(ports.map(|ports| ports.1))
            .set_ip_ranges(v4.map(|range| vec![IpRange::builder().cidr_ip(range).build()]))
            .set_ipv6_ranges(v6.map(|range| vec![Ipv6Range::builder().cidr_ipv6(range).build()]))
            .build()
    }

    #[test]
    fn what_is_open_to_the_world_is_told_but_for_the_load_balancer() {
        let world_of = |rule: IpPermission, balancer| world(&[rule], balancer).join("");
        let any = Some("0.0.0.0/0");
        assert_eq!(world_of(rule("tcp", Some((443, 443)), any, None), true), "");
        assert_eq!(
            world_of(rule("tcp", Some((443, 443)), any, None), false),
            "tcp 443"
        );
        assert_eq!(
            world_of(rule("tcp", Some((80, 443)), any, None), true),
            "tcp 80-443"
        );
        assert_eq!(
            world_of(rule("tcp", Some((22, 22)), None, Some("::/0")), true),
            "tcp 22"
        );
        assert_eq!(world_of(rule("-1", None, any, None), true), "everything");
        assert_eq!(
            world_of(
                rule("tcp", Some((22, 22)), Some("10.0.0.0/16"), None),
                false
            ),
            ""
        );
    }
}
