//! Items 1 and 2: the VPC, its subnets across zones, its ways out.

mod acls;

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::{
    ConnectivityType, Filter, NatGateway, NatGatewayState, NetworkAcl, Route, RouteState,
    RouteTable, Subnet, Vpc, VpcEndpoint,
};
use report::finding::{Observation, Severity, Unobserved};
use settings::NatLayout;

use super::Context;
use crate::check::{Answer, Check};
use crate::named;

static VPC: Check = Check {
    id: "vpc-exists",
    item: Some(1),
    severity: Severity::Critical,
    title: "the VPC is available",
    why: "everything else lies in it",
    fix: "terraform apply",
};
static CIDR: Check = Check {
    id: "vpc-cidr",
    item: Some(1),
    severity: Severity::Medium,
    title: "the VPC has the network that is wanted",
    why: "it overlaps with networks that it will be connected with, or has too few addresses",
    fix: "a VPC's network cannot be changed: build it anew, or say in [expect] of infra.toml what is wanted: vpc_cidr",
};
static SUBNETS: Check = Check {
    id: "vpc-subnets",
    item: Some(1),
    severity: Severity::High,
    title: "a public and a private subnet in each of two zones, in this VPC",
    why: "with one zone, losing that zone loses the environment",
    fix: "terraform apply; look at availability_zones of environments/staging",
};
static PRIVATE: Check = Check {
    id: "vpc-private-routes",
    item: Some(1),
    severity: Severity::Critical,
    title: "no private subnet has a route to an internet gateway",
    why: "what lies in it can be reached from the internet",
    fix: "remove the route to igw-… from the route table, then terraform apply",
};
static PUBLIC: Check = Check {
    id: "vpc-public-routes",
    item: Some(1),
    severity: Severity::High,
    title: "each public subnet has a default route to an internet gateway",
    why: "load balancer and NAT gateways answer nobody",
    fix: "terraform apply",
};
static ADDRESSES: Check = Check {
    id: "vpc-public-addresses",
    item: Some(1),
    severity: Severity::Medium,
    title: "no subnet gives what starts in it a public address",
    why: "a machine that nobody meant to be public can be reached from the internet",
    fix: "terraform apply",
};
static DNS: Check = Check {
    id: "vpc-dns",
    item: Some(1),
    severity: Severity::Medium,
    title: "names are resolved and given in the VPC",
    why: "the endpoints of database and Redis are not found",
    fix: "terraform apply",
};
static ACLS: Check = Check {
    id: "vpc-acls",
    item: Some(1),
    severity: Severity::High,
    title: "the network ACL of each subnet lets through what lies in it needs",
    why: "nobody gets through, whatever the security groups say",
    fix: "aws ec2 describe-network-acls, then aws ec2 delete-network-acl-entry for the rule that denies",
};
static ENDPOINTS: Check = Check {
    id: "vpc-endpoints",
    item: Some(1),
    severity: Severity::Low,
    title: "private subnets reach S3 and DynamoDB past the NAT gateways",
    why: "every photo is paid for once more, by the gigabyte",
    fix: "terraform apply",
};
static NAT: Check = Check {
    id: "nat-available",
    item: Some(2),
    severity: Severity::High,
    title: "an available NAT gateway in each zone, in a public subnet",
    why: "tasks of a zone without one cannot pull images or call AWS, or depend on another zone",
    fix: "terraform apply; look at nat_gateways of environments/staging, which wants \"per-az\"",
};
static NAT_ROUTES: Check = Check {
    id: "nat-routed",
    item: Some(2),
    severity: Severity::High,
    title: "each private subnet leaves through the NAT gateway of its own zone",
    why: "tasks cannot call out, or losing another zone cuts them off",
    fix: "terraform apply",
};

pub(super) static CHECKS: &[&Check] = &[
    &VPC,
    &CIDR,
    &SUBNETS,
    &PRIVATE,
    &PUBLIC,
    &ADDRESSES,
    &DNS,
    &ACLS,
    &ENDPOINTS,
    &NAT,
    &NAT_ROUTES,
];

/// What AWS shows of the network.
struct Picture {
    vpc: Observation<Vpc>,
    subnets: Observation<Vec<Subnet>>,
    nat: Observation<Vec<NatGateway>>,
    routes: Observation<Vec<RouteTable>>,
    endpoints: Observation<Vec<VpcEndpoint>>,
    acls: Observation<Vec<NetworkAcl>>,
    /// Whether names are resolved, and given to machines.
    dns: Observation<(bool, bool)>,
}

pub(super) async fn answers(context: Context<'_>) -> Vec<Answer> {
    let id = match context.located.text("vpc_id") {
        Ok(id) => id,
        Err(unobserved) => {
            return super::unseen(CHECKS, "VPC", &unobserved);
        }
    };
    let picture = observe(context, id).await;
    judge(context, id, &picture)
}

async fn observe(context: Context<'_>, id: &str) -> Picture {
    let ec2 = &context.clients.ec2;
    let call = |operation| context.clients.call("EC2", operation, id);
    let of_vpc = || Filter::builder().name("vpc-id").values(id).build();
    let vpc = async {
        // By filter: an unknown id is then an empty list, not an error. A page may be empty and not the last.
        let pages = ec2.describe_vpcs().filters(of_vpc());
        let found: Result<Vec<_>, _> = pages.into_paginator().items().send().collect().await;
        found
            .map_err(|error| Unobserved::from(call("DescribeVpcs").failed(error)))?
            .into_iter()
            .find(|vpc| vpc.vpc_id() == Some(id))
            .ok_or_else(|| Unobserved::absent(format!("EC2 knows no VPC {id}")))
    };
    let subnets = async {
        let pages = ec2.describe_subnets().filters(of_vpc());
        let found: Result<Vec<_>, _> = pages.into_paginator().items().send().collect().await;
        found.map_err(|error| Unobserved::from(call("DescribeSubnets").failed(error)))
    };
    let nat = async {
        let pages = ec2.describe_nat_gateways().filter(of_vpc());
        let found: Result<Vec<_>, _> = pages.into_paginator().items().send().collect().await;
        found.map_err(|error| Unobserved::from(call("DescribeNatGateways").failed(error)))
    };
    let routes = async {
        let pages = ec2.describe_route_tables().filters(of_vpc());
        let found: Result<Vec<_>, _> = pages.into_paginator().items().send().collect().await;
        found.map_err(|error| Unobserved::from(call("DescribeRouteTables").failed(error)))
    };
    let endpoints = async {
        let pages = ec2.describe_vpc_endpoints().filters(of_vpc());
        let found: Result<Vec<_>, _> = pages.into_paginator().items().send().collect().await;
        found.map_err(|error| Unobserved::from(call("DescribeVpcEndpoints").failed(error)))
    };
    let acls = async {
        let pages = ec2.describe_network_acls().filters(of_vpc());
        let found: Result<Vec<_>, _> = pages.into_paginator().items().send().collect().await;
        found.map_err(|error| Unobserved::from(call("DescribeNetworkAcls").failed(error)))
    };
    let (vpc, subnets, nat, routes, endpoints, acls, dns) = tokio::join!(
        vpc,
        subnets,
        nat,
        routes,
        endpoints,
        acls,
        named::vpc_dns(context.clients, id)
    );
    Picture {
        vpc,
        subnets,
        nat,
        routes,
        endpoints,
        acls,
        dns,
    }
}

fn judge(context: Context<'_>, id: &str, picture: &Picture) -> Vec<Answer> {
    let vpc = picture.vpc.clone().map(|vpc| {
        let state = vpc
            .state
            .map_or_else(String::new, |state| state.to_string());
        (state == "available", state)
    });
    let mut answers = vec![VPC.answer(id, "available", Some(id.to_owned()), vpc)];
    if picture
        .vpc
        .as_ref()
        .is_err_and(|unobserved| unobserved.absent)
    {
        let others = CHECKS.iter().filter(|check| check.id != VPC.id);
        answers.extend(others.map(|check| check.skipped(id, "the VPC does not exist")));
        return answers;
    }
    let wanted = context.wanted.expect.vpc_cidr.as_str();
    let cidr = picture.vpc.as_ref().map_err(Clone::clone).and_then(|vpc| {
        let found = vpc
            .cidr_block()
            .ok_or_else(|| Unobserved::missing("EC2", "CidrBlock"))?;
        // A second network may have been added to it.
        let more = vpc.cidr_block_association_set().iter();
        let mut all = more.filter_map(|one| one.cidr_block()).chain([found]);
        Ok((all.any(|one| one == wanted), found.to_owned()))
    });
    answers.push(CIDR.answer(id, wanted, None, cidr));
    answers.extend(spread(context, picture));
    answers.extend(ways(context, picture));
    answers.extend(through(context, picture));
    answers.push(nat(context, id, picture));
    let dns = picture.dns.clone().map(|(support, names)| {
        let shown = format!("resolved: {support}, given: {names}");
        (support && names, shown)
    });
    answers.push(DNS.answer(id, "resolved: true, given: true", None, dns));
    answers.push(endpoints(context, id, picture));
    answers
}

fn spread(context: Context<'_>, picture: &Picture) -> Vec<Answer> {
    let located = context.located;
    let mut answers = Vec::new();
    for (kind, output) in [
        ("public", "public_subnet_ids"),
        ("private", "private_subnet_ids"),
    ] {
        let zones = context.wanted.expect.zones;
        let spread = located.texts(output).and_then(|ids| {
            let subnets = picture.subnets.as_ref().map_err(Clone::clone)?;
            let zones_of: BTreeMap<&str, &str> = subnets
                .iter()
                .filter_map(|subnet| Some((subnet.subnet_id()?, subnet.availability_zone()?)))
                .collect();
            let found: BTreeSet<&str> = ids
                .iter()
                .filter_map(|id| zones_of.get(id))
                .copied()
                .collect();
            let missing: Vec<&str> = ids
                .iter()
                .filter(|id| !zones_of.contains_key(*id))
                .copied()
                .collect();
            let mut shown = format!("{} in {}", ids.len() - missing.len(), join(&found));
            if !missing.is_empty() {
                shown.push_str(&format!("; not in the VPC: {}", missing.join(", ")));
            }
            Ok((
                missing.is_empty() && ids.len() == zones && found.len() == zones,
                shown,
            ))
        });
        let expected = format!("{zones}, each in a zone of its own");
        let terraform = listed(context, output);
        answers.push(SUBNETS.answer(format!("{kind} subnets"), expected, terraform, spread));
        for id in located.texts(output).unwrap_or_default() {
            answers.push(addresses(id, picture));
        }
    }
    answers
}

fn addresses(id: &str, picture: &Picture) -> Answer {
    if picture.lacks(id) {
        return ADDRESSES.skipped(id, "the subnet is not in the VPC");
    }
    let given = picture.subnets.as_ref().map_err(Clone::clone);
    let given = given.and_then(|subnets| {
        let subnet = subnets.iter().find(|subnet| subnet.subnet_id() == Some(id));
        let given = subnet.and_then(Subnet::map_public_ip_on_launch);
        let lacks = || Unobserved::because("EC2 does not say whether it gives public addresses");
        let given = given.ok_or_else(lacks)?;
        let shown = if given {
            "gives public addresses"
        } else {
            "gives none"
        };
        Ok((!given, shown.to_owned()))
    });
    ADDRESSES.answer(id, "gives none", None, given)
}

fn listed(context: Context<'_>, output: &str) -> Option<String> {
    context.located.terraform(output)
}

fn ways(context: Context<'_>, picture: &Picture) -> Vec<Answer> {
    let located = context.located;
    let mut answers = Vec::new();
    for subnet in located.texts("private_subnet_ids").unwrap_or_default() {
        if picture.lacks(subnet) {
            let gone = "the subnet is not in the VPC";
            answers.extend([&PRIVATE, &NAT_ROUTES].map(|check| check.skipped(subnet, gone)));
            continue;
        }
        let open = picture.routes_of(subnet).map(|table| {
            let ways: Vec<&str> = table
                .routes()
                .iter()
                .filter_map(|route| route.gateway_id())
                .filter(|gateway| gateway.starts_with("igw-"))
                .collect();
            let shown = if ways.is_empty() {
                "none".to_owned()
            } else {
                ways.join(", ")
            };
            (ways.is_empty(), shown)
        });
        answers.push(PRIVATE.answer(subnet, "no internet gateway", None, open));
        answers.push(NAT_ROUTES.answer(
            subnet,
            match context.wanted.expect.nat {
                NatLayout::PerZone => "the NAT gateway of its zone",
                NatLayout::Single => "a NAT gateway",
            },
            listed(context, "nat_gateway_ids"),
            picture.way_out(subnet, context.wanted.expect.nat),
        ));
    }
    for subnet in located.texts("public_subnet_ids").unwrap_or_default() {
        if picture.lacks(subnet) {
            answers.push(PUBLIC.skipped(subnet, "the subnet is not in the VPC"));
            continue;
        }
        let way = picture.routes_of(subnet).map(|table| {
            let route = default_route(table);
            let way = route.and_then(|route| route.gateway_id());
            let shown = way.unwrap_or("no default route to a gateway");
            if nowhere(route) {
                return (false, format!("{shown}, which is gone"));
            }
            let open = way.is_some_and(|way| way.starts_with("igw-"));
            (open, shown.to_owned())
        });
        answers.push(PUBLIC.answer(subnet, "an internet gateway", None, way));
    }
    answers
}

/// What the ACLs of the subnets let through.
fn through(context: Context<'_>, picture: &Picture) -> Vec<Answer> {
    let vpc = picture.vpc.as_ref().map_err(Clone::clone).and_then(|vpc| {
        let range = vpc.cidr_block().and_then(|range| range.parse().ok());
        range.ok_or_else(|| Unobserved::missing("EC2", "CidrBlock"))
    });
    let of = |output| context.located.texts(output).unwrap_or_default();
    let public = of("public_subnet_ids").into_iter();
    let public = public.map(|id| (id, Ok(acls::of_public().to_vec())));
    let private = of("private_subnet_ids").into_iter();
    let private = private.map(|id| (id, vpc.clone().map(|vpc| acls::of_private(vpc).to_vec())));
    let judged = public.chain(private).map(|(id, flows)| {
        if picture.lacks(id) {
            return ACLS.skipped(id, "the subnet is not in the VPC");
        }
        let found = flows.and_then(|flows| {
            let acl = picture.acl_of(id)?;
            let blocked = acls::blocked(acl.entries(), &flows)?;
            let name = acl.network_acl_id().unwrap_or("?");
            Ok(match blocked.is_empty() {
                true => (true, name.to_owned()),
                false => (false, format!("{name} denies {}", blocked.join(", "))),
            })
        });
        ACLS.answer(id, "nothing that is needed is denied", None, found)
    });
    judged.collect()
}

fn nat(context: Context<'_>, id: &str, picture: &Picture) -> Answer {
    let layout = context.wanted.expect.nat;
    let wanted = match layout {
        NatLayout::PerZone => context.wanted.expect.zones,
        NatLayout::Single => 1,
    };
    let nat = context
        .located
        .texts("public_subnet_ids")
        .and_then(|public| {
            let gateways = picture.nat.as_ref().map_err(Clone::clone)?;
            let available: Vec<&NatGateway> = gateways
                .iter()
                .filter(|gateway| gateway.state() == Some(&NatGatewayState::Available))
                // A private one translates between networks, and reaches no internet.
                .filter(|gateway| gateway.connectivity_type() == Some(&ConnectivityType::Public))
                .filter(|gateway| {
                    gateway
                        .subnet_id()
                        .is_some_and(|subnet| public.contains(&subnet))
                })
                .collect();
            let subnets: BTreeSet<&str> = available
                .iter()
                .filter_map(|gateway| gateway.subnet_id())
                .collect();
            let shown = gateways
                .iter()
                .map(|gateway| {
                    let state = gateway.state().map_or("?", NatGatewayState::as_str);
                    format!("{} {state}", gateway.nat_gateway_id().unwrap_or("?"))
                })
                .collect::<Vec<_>>();
            Ok((subnets.len() >= wanted, shown.join(", ")))
        });
    let expected = match layout {
        NatLayout::PerZone => format!("{wanted}, one in each public subnet"),
        NatLayout::Single => "one in a public subnet".to_owned(),
    };
    NAT.answer(id, expected, listed(context, "nat_gateway_ids"), nat)
}

/// Gateway endpoints of both services, with a way to them from each private subnet.
fn endpoints(context: Context<'_>, id: &str, picture: &Picture) -> Answer {
    let private = context.located.texts("private_subnet_ids");
    let seen = private.and_then(|subnets| {
        let found = picture.endpoints.as_ref().map_err(Clone::clone)?;
        let mut missing = Vec::new();
        for service in ["s3", "dynamodb"] {
            let name = format!("com.amazonaws.{}.{service}", context.wanted.region);
            // The state is written in other letters for gateway endpoints than for the others.
            let state = |endpoint: &VpcEndpoint| {
                let state = endpoint.state().map(|state| state.as_str());
                state.is_some_and(|state| state.eq_ignore_ascii_case("available"))
            };
            let there: Vec<&VpcEndpoint> = found
                .iter()
                .filter(|endpoint| endpoint.vpc_id() == Some(id))
                .filter(|endpoint| endpoint.service_name() == Some(&name) && state(endpoint))
                .collect();
            for subnet in subnets.iter().filter(|subnet| !picture.lacks(subnet)) {
                let table = picture
                    .routes_of(subnet)?
                    .route_table_id()
                    .unwrap_or_default();
                let mut tables = there.iter().flat_map(|endpoint| endpoint.route_table_ids());
                if !tables.any(|found| found == table) {
                    missing.push(format!("{service} from {subnet}"));
                }
            }
        }
        let shown = if missing.is_empty() {
            "from each private subnet".to_owned()
        } else {
            format!("not reached: {}", missing.join(", "))
        };
        Ok((missing.is_empty(), shown))
    });
    ENDPOINTS.answer(id, "from each private subnet", None, seen)
}

impl Picture {
    /// Whether EC2 shows the subnets, and this one is not among them.
    fn lacks(&self, subnet: &str) -> bool {
        let is = |found: &Subnet| found.subnet_id() == Some(subnet);
        self.subnets
            .as_ref()
            .is_ok_and(|subnets| !subnets.iter().any(is))
    }

    /// The ACL that counts for a subnet: its own, else the VPC's default one.
    fn acl_of(&self, subnet: &str) -> Observation<&NetworkAcl> {
        let acls = self.acls.as_ref().map_err(Clone::clone)?;
        let own = acls.iter().find(|acl| {
            let mut associations = acl.associations().iter();
            associations.any(|association| association.subnet_id() == Some(subnet))
        });
        let default = || acls.iter().find(|acl| acl.is_default() == Some(true));
        own.or_else(default)
            .ok_or_else(|| Unobserved::because("EC2 shows no network ACL for it"))
    }

    /// The route table that counts for a subnet: its own, else the VPC's main one.
    fn routes_of(&self, subnet: &str) -> Observation<&RouteTable> {
        let tables = self.routes.as_ref().map_err(Clone::clone)?;
        let own = tables.iter().find(|table| {
            table
                .associations()
                .iter()
                .any(|association| association.subnet_id() == Some(subnet))
        });
        let main = || {
            tables.iter().find(|table| {
                table
                    .associations()
                    .iter()
                    .any(|association| association.main() == Some(true))
            })
        };
        own.or_else(main)
            .ok_or_else(|| Unobserved::because("EC2 shows no route table for it"))
    }

    /// Whether the default route of a private subnet is a NAT gateway, of its zone where each has one.
    fn way_out(&self, subnet: &str, layout: NatLayout) -> Observation<(bool, String)> {
        let table = self.routes_of(subnet)?;
        let route = default_route(table);
        let Some(nat) = route.and_then(|route| route.nat_gateway_id()) else {
            return Ok((false, "no default route to a NAT gateway".to_owned()));
        };
        if nowhere(route) {
            return Ok((false, format!("{nat}, which is gone")));
        }
        let subnets = self.subnets.as_ref().map_err(Clone::clone)?;
        let zone = |id: &str| {
            subnets
                .iter()
                .find(|subnet| subnet.subnet_id() == Some(id))
                .and_then(Subnet::availability_zone)
        };
        let gateways = self.nat.as_ref().map_err(Clone::clone)?;
        // One that was deleted is shown for an hour.
        let there = |gateway: &&NatGateway| {
            gateway.nat_gateway_id() == Some(nat)
                && gateway.state() == Some(&NatGatewayState::Available)
        };
        let gateway = gateways.iter().find(there);
        let of = gateway.and_then(NatGateway::subnet_id).and_then(zone);
        let own = zone(subnet);
        let shown = format!(
            "{nat}, available in {}",
            of.unwrap_or("no zone of this VPC")
        );
        let fits = layout == NatLayout::Single || of == own;
        Ok((of.is_some() && fits, shown))
    }
}

/// What it led to is gone, or attached no more.
fn nowhere(route: Option<&Route>) -> bool {
    route.and_then(|route| route.state()) == Some(&RouteState::Blackhole)
}

fn default_route(table: &RouteTable) -> Option<&Route> {
    table
        .routes()
        .iter()
        .find(|route| route.destination_cidr_block() == Some("0.0.0.0/0"))
}

fn join(words: &BTreeSet<&str>) -> String {
    if words.is_empty() {
        return "no zone".to_owned();
    }
    words.iter().copied().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::types::{RouteTableAssociation, VpcState};
    use report::finding::Status;
    use serde_json::json;

    use super::super::asked::Asked;
    use super::*;

    fn picture() -> Picture {
        let subnet = Subnet::builder()
            .subnet_id("subnet-1")
            .availability_zone("ca-central-1a");
        let route = Route::builder()
            .destination_cidr_block("0.0.0.0/0")
            .gateway_id("igw-1")
            .state(RouteState::Active);
        let table = RouteTable::builder().routes(route.build()).associations(
            RouteTableAssociation::builder()
                .subnet_id("subnet-1")
                .build(),
        );
        let nat = NatGateway::builder()
            .nat_gateway_id("nat-1")
            .subnet_id("subnet-1")
            .state(NatGatewayState::Available)
            .connectivity_type(ConnectivityType::Public);
        Picture {
            vpc: Ok(Vpc::builder()
                .vpc_id("vpc-1")
                .state(VpcState::Available)
                .build()),
            subnets: Ok(vec![subnet.map_public_ip_on_launch(false).build()]),
            nat: Ok(vec![nat.build()]),
            routes: Ok(vec![table.build()]),
            endpoints: Ok(Vec::new()),
            acls: Ok(Vec::new()),
            dns: Ok((true, true)),
        }
    }

    async fn status(picture: &Picture, check: &Check) -> Vec<Status> {
        let outputs = [
            ("public_subnet_ids", json!(["subnet-1"])),
            ("private_subnet_ids", json!([])),
            ("nat_gateway_ids", json!(["nat-1"])),
        ];
        let mut asked = Asked::new(&outputs).await;
        asked.wanted.expect.zones = 1;
        let answers = judge(asked.context(), "vpc-1", picture).into_iter();
        answers
            .filter(|answer| answer.check.id == check.id)
            .map(|answer| answer.status)
            .collect()
    }

    #[tokio::test]
    async fn a_vpc_that_is_gone_is_told_once() {
        let mut picture = picture();
        assert_eq!(status(&picture, &VPC).await, [Status::Ok]);
        picture.vpc = Err(Unobserved::absent("EC2 knows no VPC vpc-1"));
        assert_eq!(status(&picture, &VPC).await, [Status::Wrong]);
        for check in CHECKS.iter().filter(|check| check.id != VPC.id) {
            assert_eq!(
                status(&picture, check).await,
                [Status::Skipped],
                "{}",
                check.id
            );
        }
    }

    #[tokio::test]
    async fn a_route_that_leads_nowhere_is_no_way() {
        let mut picture = picture();
        assert_eq!(status(&picture, &PUBLIC).await, [Status::Ok]);
        if let Ok(tables) = &mut picture.routes
            && let Some(routes) = &mut tables[0].routes
        {
            routes[0].state = Some(RouteState::Blackhole);
        }
        assert_eq!(status(&picture, &PUBLIC).await, [Status::Wrong]);
    }

    #[tokio::test]
    async fn a_private_nat_gateway_does_not_count() {
        let mut picture = picture();
        assert_eq!(status(&picture, &NAT).await, [Status::Ok]);
        if let Ok(gateways) = &mut picture.nat {
            gateways[0].connectivity_type = Some(ConnectivityType::Private);
        }
        assert_eq!(status(&picture, &NAT).await, [Status::Wrong]);
    }

    #[tokio::test]
    async fn a_vpc_of_another_network_is_noticed() {
        let mut picture = picture();
        for (cidr, expected) in [
            ("10.0.0.0/16", Status::Ok),
            ("192.168.0.0/24", Status::Wrong),
        ] {
            if let Ok(vpc) = &mut picture.vpc {
                vpc.cidr_block = Some(cidr.to_owned());
            }
            assert_eq!(status(&picture, &CIDR).await, [expected], "{cidr}");
        }
    }
}
