//! The way to a server inside the VPC, and what holds on to a part of a network.

use aws_sdk_ec2::types::{Filter, NetworkAclEntry, RuleAction};
use report::ShellCommand;
use report::finding::{Finding, Observation, Unobserved};

use super::{Context, Diagnosis, unseen};
use crate::internet::{is_internet, ranges};
use crate::named;

/// A server's end of the way.
pub(super) struct Side<'a> {
    pub(super) security: Vec<&'a str>,
    pub(super) subnets: Vec<&'a str>,
    pub(super) port: i32,
}

pub(super) async fn way_in(context: Context<'_>, side: &Side<'_>) -> Vec<Finding> {
    let (rules, routes, acls) = tokio::join!(
        rules(context, side),
        routes(context, side),
        acls(context, side)
    );
    let groups = side.security.join(", ");
    let subnets = side.subnets.join(", ");
    vec![
        Finding::new("security-group", groups, format!("port {} is open to the application", side.port), rules)
            .fix("terraform apply: module.security opens it to the group of the tasks"),
        Finding::new("route", &subnets, "no way from the internet", routes)
            .fix("remove the route to igw-… from the route table, then terraform apply"),
        Finding::new("network-acl", subnets, "the port, and answers to it, are not denied", acls)
            .fix("remove the entry that denies it: aws ec2 delete-network-acl-entry --network-acl-id ID --rule-number N --ingress"),
    ]
}

async fn rules(context: Context<'_>, side: &Side<'_>) -> Observation<(bool, String)> {
    if side.security.is_empty() {
        return Err(Unobserved::because("no security group is known"));
    }
    let call = context
        .clients
        .call("EC2", "DescribeSecurityGroups", side.security.join(", "));
    let ids = Filter::builder()
        .name("group-id")
        .set_values(Some(
            side.security.iter().map(|id| (*id).to_owned()).collect(),
        ))
        .build();
    let found: Result<Vec<_>, _> = context
        .clients
        .ec2
        .describe_security_groups()
        .filters(ids)
        .into_paginator()
        .items()
        .send()
        .collect()
        .await;
    let groups = found.map_err(|error| Unobserved::from(call.failed(error)))?;
    if groups.is_empty() {
        return Err(Unobserved::absent("EC2 knows none of its security groups"));
    }
    let mut from = Vec::new();
    for rule in groups.iter().flat_map(|group| group.ip_permissions()) {
        let all = rule.ip_protocol() == Some("-1");
        let tcp = rule.ip_protocol() == Some("tcp")
            && rule.from_port().is_some_and(|first| first <= side.port)
            && rule.to_port().is_some_and(|last| last >= side.port);
        if !all && !tcp {
            continue;
        }
        from.extend(ranges(rule));
        from.extend(
            rule.user_id_group_pairs()
                .iter()
                .filter_map(|pair| pair.group_id()),
        );
        from.extend(
            rule.prefix_list_ids()
                .iter()
                .filter_map(|list| list.prefix_list_id()),
        );
    }
    if from.is_empty() {
        return Ok((false, "nobody is let in on it".to_owned()));
    }
    let world = is_internet(from.iter().copied());
    Ok((!world, format!("open to {}", from.join(", "))))
}

/// What is associated with the subnets.
fn associated(side: &Side<'_>) -> Observation<Filter> {
    if side.subnets.is_empty() {
        return Err(Unobserved::because("no subnet is known"));
    }
    let subnets = side.subnets.iter().map(|id| (*id).to_owned()).collect();
    Ok(Filter::builder()
        .name("association.subnet-id")
        .set_values(Some(subnets))
        .build())
}

async fn routes(context: Context<'_>, side: &Side<'_>) -> Observation<(bool, String)> {
    let of_subnets = associated(side)?;
    let call = context
        .clients
        .call("EC2", "DescribeRouteTables", side.subnets.join(", "));
    let found: Result<Vec<_>, _> = context
        .clients
        .ec2
        .describe_route_tables()
        .filters(of_subnets)
        .into_paginator()
        .items()
        .send()
        .collect()
        .await;
    let tables = found.map_err(|error| Unobserved::from(call.failed(error)))?;
    if tables.is_empty() {
        return Err(Unobserved::because(
            "its subnets use the main route table, which is not looked at",
        ));
    }
    let open: Vec<&str> = tables
        .iter()
        .flat_map(|table| table.routes())
        .filter_map(|route| route.gateway_id())
        .filter(|gateway| gateway.starts_with("igw-"))
        .collect();
    Ok(match open.is_empty() {
        true => (true, "inside the VPC only".to_owned()),
        false => (false, format!("a route to {}", open.join(", "))),
    })
}

async fn acls(context: Context<'_>, side: &Side<'_>) -> Observation<(bool, String)> {
    let of_subnets = associated(side)?;
    let call = context
        .clients
        .call("EC2", "DescribeNetworkAcls", side.subnets.join(", "));
    let found: Result<Vec<_>, _> = context
        .clients
        .ec2
        .describe_network_acls()
        .filters(of_subnets)
        .into_paginator()
        .items()
        .send()
        .collect()
        .await;
    let acls = found.map_err(|error| Unobserved::from(call.failed(error)))?;
    if acls.is_empty() {
        return Err(Unobserved::because(
            "EC2 shows no network ACL for its subnets",
        ));
    }
    let mut denied = Vec::new();
    for acl in &acls {
        // Answers go to a port that the client chose: 32768 is one that every system may.
        for (egress, port, way) in [(false, side.port, "in"), (true, 32_768, "out")] {
            if let Some(rule) = denies(acl.entries(), egress, port) {
                let id = acl.network_acl_id().unwrap_or("?");
                denied.push(format!("{id} rule {rule} denies port {port} {way}"));
            }
        }
    }
    Ok(match denied.is_empty() {
        true => (true, "allowed".to_owned()),
        false => (false, denied.join("; ")),
    })
}

/// The number of the first entry that covers `port`, if it denies: the lowest number counts. Entries for some
/// addresses only are counted as if they were for the one in question.
fn denies(entries: &[NetworkAclEntry], egress: bool, port: i32) -> Option<i32> {
    let mut covering: Vec<&NetworkAclEntry> = entries
        .iter()
        .filter(|entry| entry.egress() == Some(egress))
        .filter(|entry| {
            let range = entry.port_range();
            let within = range.is_none_or(|range| {
                range.from().is_none_or(|first| first <= port)
                    && range.to().is_none_or(|last| last >= port)
            });
            match entry.protocol() {
                Some("-1") => true,
                Some("6") => within,
                _ => false,
            }
        })
        .collect();
    covering.sort_by_key(|entry| entry.rule_number());
    let first = covering.first()?;
    (first.rule_action() == Some(&RuleAction::Deny))
        .then(|| first.rule_number().unwrap_or_default())
}

pub(super) async fn in_use(context: Context<'_>, ids: &[String]) -> Diagnosis {
    let mut findings = Vec::new();
    if ids.is_empty() {
        let why = Unobserved::because("the error names no vpc-…, subnet-… or sg-…");
        findings.push(unseen("in-use", "a network", why));
    }
    for id in ids {
        findings.push(holders(context, id).await);
    }
    Diagnosis {
        trouble: "dependency-violation",
        meaning: "A part of a network is not deleted while something lies in it. Often that is a network interface \
                  of a load balancer, a function or a task that Terraform does not know, or that is just going.",
        findings,
        next: vec![
            context
                .terraform()
                .words("plan -destroy")
                .comment("what Terraform itself would still remove")
                .into(),
        ],
    }
}

async fn holders(context: Context<'_>, id: &str) -> Finding {
    let filter = match id.split('-').next() {
        Some("vpc") => "vpc-id",
        Some("subnet") => "subnet-id",
        Some("sg") => "group-id",
        Some("eni") => "network-interface-id",
        _ => {
            let why = Unobserved::because("what holds it is not looked at for this kind");
            return unseen("in-use", id, why);
        }
    };
    let call = context.clients.call("EC2", "DescribeNetworkInterfaces", id);
    let found: Result<Vec<_>, _> = context
        .clients
        .ec2
        .describe_network_interfaces()
        .filters(Filter::builder().name(filter).values(id).build())
        .into_paginator()
        .items()
        .send()
        .collect()
        .await;
    let seen = found
        .map_err(|error| Unobserved::from(call.failed(error)))
        .map(|interfaces| {
            let held: Vec<String> = interfaces
                .iter()
                .map(|interface| {
                    let id = interface.network_interface_id().unwrap_or("?");
                    let kind = interface.interface_type().map_or("?", |kind| kind.as_str());
                    let words = interface.description().unwrap_or_default();
                    format!("{id} ({kind}) {words}").trim_end().to_owned()
                })
                .collect();
            match held.is_empty() {
                true => (
                    true,
                    "no network interface lies in it now: run the command again".to_owned(),
                ),
                false => (false, held.join("; ")),
            }
        });
    Finding::new("in-use", id, "nothing lies in it", seen)
        .fix("delete what owns the interface (load balancer, function, task); an interface that nobody owns: aws ec2 delete-network-interface --network-interface-id ID")
}

/// A public instance needs both attributes of its VPC; a private one resolves names with the first.
pub(super) async fn names(context: Context<'_>) -> Diagnosis {
    let mut next = Vec::new();
    let finding = match context.output("vpc_id") {
        None => unseen(
            "vpc-dns",
            "the VPC",
            Unobserved::because("terraform's outputs name no vpc_id"),
        ),
        Some(id) => {
            let seen = named::vpc_dns(context.clients, id)
                .await
                .map(|(support, hostnames)| {
                    for (is_on, option) in [
                        (support, "--enable-dns-support"),
                        (hostnames, "--enable-dns-hostnames"),
                    ] {
                        if !is_on {
                            let modify = ShellCommand::new("aws ec2 modify-vpc-attribute")
                                .option("--vpc-id", id)
                                .words(option)
                                .option("--region", context.region());
                            next.push(modify.into());
                        }
                    }
                    let told = |is_on| if is_on { "on" } else { "off" };
                    (
                        support && hostnames,
                        format!(
                            "resolution is {}, host names are {}",
                            told(support),
                            told(hostnames)
                        ),
                    )
                });
            Finding::new("vpc-dns", id, "DNS resolution and DNS host names", seen)
                .fix("enable_dns_support = true and enable_dns_hostnames = true of the VPC; and is the instance to be public at all? publicly_accessible = false needs no host names")
        }
    };
    Diagnosis {
        trouble: "vpc-dns",
        meaning: "An instance with a public address gets a public name, which its VPC has to be able to give.",
        findings: vec![finding],
        next,
    }
}

/// Of which VPC each of the subnets and security groups is.
pub(super) async fn different(context: Context<'_>, ids: &[String]) -> Diagnosis {
    let of_kind = |kind: &str| -> Vec<String> {
        let of = ids.iter().filter(|id| id.starts_with(kind));
        of.cloned().collect()
    };
    let (mut subnets, mut groups) = (of_kind("subnet-"), of_kind("sg-"));
    let mut findings = Vec::new();
    if subnets.is_empty() && groups.is_empty() {
        // RDS names neither: those that its instance was to get are the outputs'.
        let listed = |name: &str| context.outputs.and_then(|outputs| outputs.texts(name).ok());
        let owned = |names: Option<Vec<&str>>| -> Vec<String> {
            names.into_iter().flatten().map(str::to_owned).collect()
        };
        subnets = owned(listed("private_subnet_ids"));
        groups = owned(
            context
                .output("rds_security_group_id")
                .map(|group| vec![group]),
        );
    }
    let expected = "one VPC for all of them";
    if subnets.is_empty() && groups.is_empty() {
        let unobserved =
            Unobserved::because("neither the error nor terraform names a subnet or group");
        findings.push(unseen("vpc", "subnets and groups", unobserved));
    } else {
        let seen = vpcs(context, subnets, groups).await.map(|found| {
            let mut vpcs: Vec<&str> = found.iter().map(|(_, vpc)| vpc.as_str()).collect();
            vpcs.sort_unstable();
            vpcs.dedup();
            let told: Vec<String> = found
                .iter()
                .map(|(id, vpc)| format!("{id} in {vpc}"))
                .collect();
            (vpcs.len() == 1, told.join(", "))
        });
        findings.push(
            Finding::new("vpc", "subnets and groups", expected, seen)
                .fix("take the subnet group and the security groups of one VPC: after a failover those of the DR region's"),
        );
    }
    Diagnosis {
        trouble: "different-vpcs",
        meaning: "An instance lies in the VPC of its subnet group; its security groups have to be of the same one.",
        findings,
        next: Vec::new(),
    }
}

async fn vpcs(
    context: Context<'_>,
    subnets: Vec<String>,
    groups: Vec<String>,
) -> Observation<Vec<(String, String)>> {
    let by =
        |name: &str, ids: Vec<String>| Filter::builder().name(name).set_values(Some(ids)).build();
    let ec2 = &context.clients.ec2;
    let wanted: Vec<String> = subnets.iter().chain(&groups).cloned().collect();
    let mut found: Vec<(String, String)> = Vec::new();
    if !subnets.is_empty() {
        let call = context
            .clients
            .call("EC2", "DescribeSubnets", subnets.join(", "));
        let asked = ec2.describe_subnets().filters(by("subnet-id", subnets));
        let all: Result<Vec<_>, _> = asked.into_paginator().items().send().collect().await;
        for of in all.map_err(|error| Unobserved::from(call.failed(error)))? {
            found.extend(of.subnet_id.zip(of.vpc_id));
        }
    }
    if !groups.is_empty() {
        let call = context
            .clients
            .call("EC2", "DescribeSecurityGroups", groups.join(", "));
        let asked = ec2
            .describe_security_groups()
            .filters(by("group-id", groups));
        let all: Result<Vec<_>, _> = asked.into_paginator().items().send().collect().await;
        for of in all.map_err(|error| Unobserved::from(call.failed(error)))? {
            found.extend(of.group_id.zip(of.vpc_id));
        }
    }
    found.retain(|(id, _)| wanted.contains(id));
    match found.is_empty() {
        true => Err(Unobserved::absent("EC2 knows none of them in this region")),
        false => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::types::PortRange;

    use super::*;

    fn entry(
        number: i32,
        action: RuleAction,
        egress: bool,
        ports: Option<(i32, i32)>,
    ) -> NetworkAclEntry {
        let range = ports.map(|(first, last)| PortRange::builder().from(first).to(last).build());
        NetworkAclEntry::builder()
            .rule_number(number)
            .rule_action(action)
            .egress(egress)
            .protocol(if ports.is_some() { "6" } else { "-1" })
            .set_port_range(range)
            .build()
    }

    #[test]
    fn the_lowest_entry_that_covers_the_port_counts() {
        let last = entry(32_767, RuleAction::Deny, false, None);
        let allow = entry(100, RuleAction::Allow, false, None);
        let entries = [last.clone(), allow.clone()];
        assert_eq!(denies(&entries, false, 5432), None);
        let deny = entry(50, RuleAction::Deny, false, Some((5000, 6000)));
        let entries = [last.clone(), allow.clone(), deny];
        assert_eq!(denies(&entries, false, 5432), Some(50));
        assert_eq!(denies(&entries, false, 443), None);
        assert_eq!(
            denies(std::slice::from_ref(&last), false, 5432),
            Some(32_767)
        );
        assert_eq!(denies(&[last], true, 5432), None);
    }
}
