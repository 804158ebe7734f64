//! Items 1 and 2: the VPC, its subnets across zones, its ways out.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::{Filter, NatGateway, NatGatewayState, RouteTable, Subnet, Vpc};

use super::Question;
use crate::check::{Answer, Blind, Check, Seen, Severity};

static VPC: Check = Check {
    id: "vpc-exists",
    item: Some(1),
    severity: Severity::Critical,
    title: "the VPC is available",
    why: "everything else lies in it",
    fix: "terraform apply",
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

pub(super) static CHECKS: &[&Check] = &[&VPC, &SUBNETS, &PRIVATE, &PUBLIC, &NAT, &NAT_ROUTES];

/// What AWS shows of the network.
struct Picture {
    vpc: Seen<Vpc>,
    subnets: Seen<Vec<Subnet>>,
    nat: Seen<Vec<NatGateway>>,
    routes: Seen<Vec<RouteTable>>,
}

pub(super) async fn answers(question: Question<'_>) -> Vec<Answer> {
    let id = match question.outputs.text("vpc_id") {
        Ok(id) => id,
        Err(blind) => {
            return CHECKS
                .iter()
                .map(|check| check.answer("VPC", check.title, None, Err(blind.clone())))
                .collect();
        }
    };
    let picture = observe(question, id).await;
    judge(question, id, &picture)
}

async fn observe(question: Question<'_>, id: &str) -> Picture {
    let ec2 = &question.sites.ec2;
    let call = |operation| question.sites.call("EC2", operation, id);
    let of_vpc = || Filter::builder().name("vpc-id").values(id).build();
    let vpc = async {
        // By filter: an unknown id is then an empty list, not an error.
        ec2.describe_vpcs()
            .filters(of_vpc())
            .send()
            .await
            .map_err(|error| Blind::from(call("DescribeVpcs").failed(error)))?
            .vpcs
            .unwrap_or_default()
            .into_iter()
            .find(|vpc| vpc.vpc_id() == Some(id))
            .ok_or_else(|| Blind::absent(format!("EC2 knows no VPC {id}")))
    };
    let subnets = async {
        let pages = ec2.describe_subnets().filters(of_vpc());
        let found: Result<Vec<_>, _> = pages.into_paginator().items().send().collect().await;
        found.map_err(|error| Blind::from(call("DescribeSubnets").failed(error)))
    };
    let nat = async {
        let pages = ec2.describe_nat_gateways().filter(of_vpc());
        let found: Result<Vec<_>, _> = pages.into_paginator().items().send().collect().await;
        found.map_err(|error| Blind::from(call("DescribeNatGateways").failed(error)))
    };
    let routes = async {
        let pages = ec2.describe_route_tables().filters(of_vpc());
        let found: Result<Vec<_>, _> = pages.into_paginator().items().send().collect().await;
        found.map_err(|error| Blind::from(call("DescribeRouteTables").failed(error)))
    };
    let (vpc, subnets, nat, routes) = tokio::join!(vpc, subnets, nat, routes);
    Picture {
        vpc,
        subnets,
        nat,
        routes,
    }
}

fn judge(question: Question<'_>, id: &str, picture: &Picture) -> Vec<Answer> {
    let outputs = question.outputs;
    let listed = |name: &str| outputs.texts(name).map(|ids| ids.join(", ")).ok();
    let vpc = picture.vpc.clone().map(|vpc| {
        let state = vpc
            .state
            .map_or_else(String::new, |state| state.to_string());
        (state == "available", state)
    });
    let mut answers = vec![VPC.answer(id, "available", Some(id.to_owned()), vpc)];

    for (kind, output) in [
        ("public", "public_subnet_ids"),
        ("private", "private_subnet_ids"),
    ] {
        let zones = question.wanted.zones;
        let spread = outputs.texts(output).and_then(|ids| {
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
        answers.push(SUBNETS.answer(format!("{kind} subnets"), expected, listed(output), spread));
    }

    for subnet in outputs.texts("private_subnet_ids").unwrap_or_default() {
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
            "the NAT gateway of its zone",
            listed("nat_gateway_ids"),
            picture.way_out(subnet),
        ));
    }
    for subnet in outputs.texts("public_subnet_ids").unwrap_or_default() {
        let way = picture.routes_of(subnet).map(|table| {
            let way = default_route(table).and_then(|route| route.gateway_id());
            let shown = way.unwrap_or("no default route to a gateway").to_owned();
            (way.is_some_and(|way| way.starts_with("igw-")), shown)
        });
        answers.push(PUBLIC.answer(subnet, "an internet gateway", None, way));
    }

    let nat = outputs.texts("public_subnet_ids").and_then(|public| {
        let gateways = picture.nat.as_ref().map_err(Clone::clone)?;
        let available: Vec<&NatGateway> = gateways
            .iter()
            .filter(|gateway| gateway.state() == Some(&NatGatewayState::Available))
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
        Ok((subnets.len() >= question.wanted.zones, shown.join(", ")))
    });
    let expected = format!("{}, one in each public subnet", question.wanted.zones);
    answers.push(NAT.answer(id, expected, listed("nat_gateway_ids"), nat));
    answers
}

impl Picture {
    /// The route table that counts for a subnet: its own, else the VPC's main one.
    fn routes_of(&self, subnet: &str) -> Seen<&RouteTable> {
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
            .ok_or_else(|| Blind::because("EC2 shows no route table for it"))
    }

    /// Whether the default route of a private subnet is a NAT gateway of its zone.
    fn way_out(&self, subnet: &str) -> Seen<(bool, String)> {
        let table = self.routes_of(subnet)?;
        let Some(nat) = default_route(table).and_then(|route| route.nat_gateway_id()) else {
            return Ok((false, "no default route to a NAT gateway".to_owned()));
        };
        let subnets = self.subnets.as_ref().map_err(Clone::clone)?;
        let zone = |id: &str| {
            subnets
                .iter()
                .find(|subnet| subnet.subnet_id() == Some(id))
                .and_then(Subnet::availability_zone)
        };
        let gateways = self.nat.as_ref().map_err(Clone::clone)?;
        let of = gateways
            .iter()
            .find(|gateway| gateway.nat_gateway_id() == Some(nat))
            .and_then(NatGateway::subnet_id)
            .and_then(zone);
        let own = zone(subnet);
        let shown = format!("{nat} of {}", of.unwrap_or("no zone of this VPC"));
        Ok((of.is_some() && of == own, shown))
    }
}

fn default_route(table: &RouteTable) -> Option<&aws_sdk_ec2::types::Route> {
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
