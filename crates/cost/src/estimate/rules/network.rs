//! Addresses, load balancers, endpoints, content delivery, traffic.

use rust_decimal::Decimal;
use settings::Region;

use super::super::{Basis, Heading};
use super::{DemandBuilder, made_up};
use crate::inventory::{Attributes, Inventory, Resource};
use crate::prices::{Scope, Service};
use crate::quantity::{HOURS_PER_MONTH, QuantityRange, Scenario, Unit};
use crate::usage::{Usage, UsageSource};

/// Infracost's name for traffic, which Terraform has no resource for.
pub(super) const TRAFFIC: &str = "aws_data_transfer";

/// A load balancer has to be in two zones.
const LEAST_ZONES: usize = 2;

/// What a capacity unit of a type of load balancer contains: new connections a second, active ones a minute, evaluations of
/// rules a second; and 1 GB an hour. <https://aws.amazon.com/elasticloadbalancing/pricing/>
struct CapacityUnit {
    item: &'static str,
    new: Decimal,
    active: Decimal,
    rules: Option<Decimal>,
}

const APPLICATION: CapacityUnit = CapacityUnit {
    item: "alb",
    new: Decimal::from_parts(25, 0, 0, false, 0),
    active: Decimal::from_parts(3_000, 0, 0, false, 0),
    rules: Some(Decimal::ONE_THOUSAND),
};
/// With TCP. TLS has fewer connections in a unit, UDP other ones: a file says then how many of these it comes to.
const NETWORK: CapacityUnit = CapacityUnit {
    item: "nlb",
    new: Decimal::from_parts(800, 0, 0, false, 0),
    active: Decimal::from_parts(100_000, 0, 0, false, 0),
    rules: None,
};
const GATEWAY: CapacityUnit = CapacityUnit {
    item: "glb",
    new: Decimal::from_parts(600, 0, 0, false, 0),
    active: Decimal::from_parts(60_000, 0, 0, false, 0),
    rules: None,
};

/// Its hours, and every byte through it.
pub(super) fn nat_gateway(demand: &mut DemandBuilder<'_>) {
    demand.hourly(Service::Ec2, "nat gateway", Unit::Hour, Decimal::ONE);
    let name = "monthly_data_processed_gb";
    demand.used(Service::Ec2, "nat gateway data", Unit::Gb, name);
}

pub(super) fn public_ipv4(demand: &mut DemandBuilder<'_>, count: Decimal) {
    demand
        .under(Heading::PublicIpv4)
        .hourly(Service::Vpc, "public ipv4", Unit::AddressHour, count);
}

pub(super) fn balancer(demand: &mut DemandBuilder<'_>, attributes: &Attributes) {
    let CapacityUnit {
        item,
        new: new_of,
        active: active_of,
        rules: rules_of,
    } = match attributes.text("load_balancer_type") {
        None | Some("application") => APPLICATION,
        Some("network") => NETWORK,
        Some("gateway") => GATEWAY,
        Some(other) => {
            return demand.problem(format!("load balancers of type {other} have no price here"));
        }
    };
    demand.hourly(Service::Elb, item, Unit::Hour, Decimal::ONE);
    let (new, of_new) = demand.usage_of("new_connections");
    let (active, of_active) = demand.usage_of("active_connections");
    let (bytes, of_bytes) = demand.usage_of("processed_bytes_gb");
    // None by default.
    let (rules, _) = demand.usage_of("rule_evaluations");
    let usage_source = of_new.max(of_active).max(of_bytes);
    // Bytes are those of the month, everything else goes on all the time.
    let units = |scenario: Scenario| {
        let rules = rules_of.map_or(Decimal::ZERO, |of| rules.get(scenario) / of);
        let always = (new.get(scenario) / new_of)
            .max(active.get(scenario) / active_of)
            .max(rules);
        (always * HOURS_PER_MONTH).max(bytes.get(scenario))
    };
    let units = QuantityRange {
        low: units(Scenario::Low),
        expected: units(Scenario::Expected),
        high: units(Scenario::High),
    };
    if let Some(scope) = demand.scope() {
        let item = format!("{item} lcu");
        demand.add(
            scope,
            Service::Elb,
            item,
            Unit::LcuHour,
            Basis::Usage,
            units,
            usage_source,
        );
    }
    let addresses = public_addresses(attributes);
    if addresses > 0 {
        public_ipv4(demand, Decimal::from(addresses));
    }
}

/// One in each zone, unless it is one that the stack holds by itself and is counted there.
fn public_addresses(attributes: &Attributes) -> usize {
    let has_none = attributes.flag("internal") == Some(true)
        || attributes.text("load_balancer_type") == Some("gateway")
        || attributes.text("ip_address_type") == Some("dualstack-without-public-ipv4");
    if has_none {
        return 0;
    }
    let mapped = attributes.list("subnet_mapping");
    let of_the_stack = mapped
        .iter()
        .filter(|mapping| matches!(mapping["allocation_id"].as_str(), Some(id) if !id.is_empty()))
        .count();
    let zones = attributes
        .list("subnets")
        .len()
        .max(mapped.len())
        .max(LEAST_ZONES);
    zones - of_the_stack
}

/// A gateway endpoint costs nothing; an interface endpoint costs in every zone it is in.
pub(super) fn endpoint(demand: &mut DemandBuilder<'_>, attributes: &Attributes) {
    match attributes.text("vpc_endpoint_type").unwrap_or("Gateway") {
        "Gateway" => {}
        "Interface" => {
            let zones = attributes.list("subnet_ids").len();
            if zones == 0 {
                demand.problem("the number of its zones is not known before it is there");
            }
            let zones = Decimal::from(zones.max(1));
            demand.hourly(
                Service::Vpc,
                "interface endpoint",
                Unit::EndpointHour,
                zones,
            );
            demand.used(
                Service::Vpc,
                "interface endpoint data",
                Unit::Gb,
                "monthly_data_processed_gb",
            );
        }
        "GatewayLoadBalancer" => {
            let item = "gateway load balancer endpoint";
            let zones = Decimal::from(attributes.list("subnet_ids").len().max(1));
            demand.hourly(Service::Vpc, item, Unit::EndpointHour, zones);
            let item = "gateway load balancer endpoint data";
            let name = "monthly_data_processed_gb";
            demand.used(Service::Vpc, item, Unit::Gb, name);
        }
        other => demand.problem(format!("endpoints of type {other} are not priced")),
    }
}

/// Prices are those of the edge that answers; the United States, Canada and Mexico have one price.
pub(super) fn distribution(demand: &mut DemandBuilder<'_>) {
    for (name, item, unit) in [
        (
            "monthly_data_transfer_to_internet_gb.us",
            "to internet us",
            Unit::Gb,
        ),
        (
            "monthly_data_transfer_to_internet_gb.canada",
            "to internet us",
            Unit::Gb,
        ),
        (
            "monthly_data_transfer_to_internet_gb.europe",
            "to internet europe",
            Unit::Gb,
        ),
        (
            "monthly_data_transfer_to_origin_gb.us",
            "to origin us",
            Unit::Gb,
        ),
        (
            "monthly_https_requests.us",
            "https requests us",
            Unit::Request,
        ),
        (
            "monthly_https_requests.canada",
            "https requests us",
            Unit::Request,
        ),
        (
            "monthly_http_requests.us",
            "http requests us",
            Unit::Request,
        ),
        (
            "monthly_http_requests.canada",
            "http requests us",
            Unit::Request,
        ),
        (
            "monthly_invalidation_requests",
            "invalidation paths",
            Unit::Path,
        ),
    ] {
        demand.used(Service::CloudFront, item, unit, name);
    }
}

pub(super) fn zone(demand: &mut DemandBuilder<'_>) {
    demand.add(
        Scope::Global,
        Service::Route53,
        "hosted zone".to_owned(),
        Unit::ZoneMonth,
        Basis::Fixed,
        QuantityRange::fixed(Decimal::ONE),
        UsageSource::Default,
    );
}

/// By the month, more outside AWS, and for every option: HTTPS, a string to search for, every ten seconds, latency.
/// <https://aws.amazon.com/route53/pricing/>
pub(super) fn health_check(demand: &mut DemandBuilder<'_>, attributes: &Attributes) {
    let kind = attributes.text("type").unwrap_or_default();
    if !matches!(
        kind,
        "HTTP" | "HTTPS" | "HTTP_STR_MATCH" | "HTTPS_STR_MATCH" | "TCP"
    ) {
        return demand.problem(format!("health checks of type {kind:?} have no price here"));
    }
    let options = [
        kind.starts_with("HTTPS"),
        kind.ends_with("_STR_MATCH"),
        attributes.number("request_interval") == Some(Decimal::TEN),
        attributes.flag("measure_latency") == Some(true),
    ];
    let options = Decimal::from(options.into_iter().filter(|is_set| *is_set).count());
    let word = demand.usage.word(
        &demand.resource.address,
        &demand.resource.kind,
        "endpoint_type",
    );
    let (one, none) = (QuantityRange::fixed(Decimal::ONE), QuantityRange::default());
    // Whether what is asked is in AWS no plan tells.
    let (in_aws, outside, source) = match word {
        Some("non_aws") => (none, one, UsageSource::File),
        Some(_) => (one, none, UsageSource::File),
        None => {
            let (zero, of_one) = (Decimal::ZERO, Decimal::ONE);
            let outside = QuantityRange {
                high: of_one,
                ..none
            };
            (
                QuantityRange { high: zero, ..one },
                outside,
                UsageSource::Default,
            )
        }
    };
    for (place, count) in [("aws", in_aws), ("non-aws", outside)] {
        let scope = Scope::Global;
        let item = format!("health check {place}");
        let amount = (count, source);
        demand.used_in(scope, Service::Route53, item, Unit::CheckMonth, amount);
        let item = format!("health check option {place}");
        let amount = (count.times(options), source);
        demand.used_in(scope, Service::Route53, item, Unit::OptionMonth, amount);
    }
}

/// Traffic as resources: those that the usage file names, and one in the stack's region when something there
/// can send and the file says nothing of it.
pub(super) fn traffic(inventory: &Inventory, usage: &Usage) -> Vec<Resource> {
    let mut traffic: Vec<Resource> = usage
        .addresses(TRAFFIC)
        .filter_map(|address| {
            let region = match usage.word(address, TRAFFIC, "region") {
                // A local zone is in no region whose prices are known.
                Some(region) => region.parse::<Region>().ok(),
                None => Some(inventory.region?),
            };
            Some(made_up(address.to_owned(), TRAFFIC, region))
        })
        .collect();
    if let Some(region) = inventory.region {
        let has_entry = traffic.iter().any(|of| of.region == Some(region));
        let sends = ["aws_nat_gateway", "aws_lb", "aws_alb"]
            .iter()
            .any(|kind| inventory.of_kind(kind).any(|r| r.region == Some(region)));
        if sends && !has_entry {
            traffic.push(made_up(
                format!("{TRAFFIC}.{region}"),
                TRAFFIC,
                Some(region),
            ));
        }
    }
    traffic
}

pub(super) fn traffic_of(demand: &mut DemandBuilder<'_>) {
    let Some(region) = demand.resource.region else {
        return demand.problem("traffic of a local zone has no price here");
    };
    let scope = Scope::Region(region);
    for (name, item, factor) in [
        // Both the zone that sends and the one that receives are billed.
        ("monthly_intra_region_gb", "between zones", Decimal::TWO),
        (
            "monthly_outbound_internet_gb",
            "out to internet",
            Decimal::ONE,
        ),
        (
            "monthly_outbound_other_regions_gb",
            "to other regions",
            Decimal::ONE,
        ),
    ] {
        let (amount, usage_source) = demand.usage_of(name);
        demand.add(
            scope,
            Service::DataTransfer,
            item.to_owned(),
            Unit::Gb,
            Basis::Usage,
            amount.times(factor),
            usage_source,
        );
    }
}
