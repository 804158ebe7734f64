//! Servers of EC2 and their volumes.

use rust_decimal::Decimal;

use super::super::Heading;
use super::super::demand::DemandBuilder;
use super::network::public_ipv4;
use crate::inventory::{Attributes, number};
use crate::prices::Service;
use crate::quantity::{HOURS_PER_MONTH, Unit};
use crate::usage::UsageSource;

/// Metrics that detailed monitoring of an instance sends.
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/viewing_metrics_with_cloudwatch.html>
const DETAILED_METRICS: Decimal = Decimal::from_parts(7, 0, 0, false, 0);

/// What a gp3 volume includes, of any size. <https://aws.amazon.com/ebs/pricing/>
const INCLUDED_IOPS: Decimal = Decimal::from_parts(3_000, 0, 0, false, 0);
/// In MiB a second.
const INCLUDED_THROUGHPUT: Decimal = Decimal::from_parts(125, 0, 0, false, 0);

/// Above these an io2 volume has prices of its own.
const FIRST_IO2_IOPS: Decimal = Decimal::from_parts(32_000, 0, 0, false, 0);

/// Families whose traffic to their volumes costs by the hour where it has a line of its own; later ones have it for nothing.
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ebs-optimized.html>
const LINE_OF_ITS_OWN: &[&str] = &["c1", "c3", "g2", "i2", "m1", "m2", "m3", "r3"];

pub(super) fn instance(demand: &mut DemandBuilder<'_>, attributes: &Attributes) {
    let is_spot = !attributes.list("instance_market_options").is_empty();
    match (attributes.text("instance_type"), is_spot) {
        (_, true) => demand.problem("the price of spot capacity is not known before it is there"),
        (None, _) => demand.problem("its instance type is not known before it is there"),
        (Some(class), _) => server(demand, class, attributes),
    }
    if attributes.flag("monitoring") == Some(true) {
        let unit = Unit::MetricMonth;
        let service = Service::CloudWatch;
        demand
            .under(Heading::CloudWatch)
            .fixed(service, "metric", unit, DETAILED_METRICS);
    }
    match attributes.flag("associate_public_ip_address") {
        Some(true) => public_ipv4(demand, Decimal::ONE),
        Some(false) => {}
        None => demand.problem("whether it has a public address is decided by its subnet"),
    }
    demand.under(Heading::Compute);
    let root = attributes.list("root_block_device");
    if root.is_empty() {
        demand.problem("the size of its root volume is that of its image");
    }
    for block in root.iter().chain(attributes.list("ebs_block_device")) {
        volume_of(
            demand,
            block["volume_type"].as_str(),
            number(&block["volume_size"]),
            (number(&block["iops"]), number(&block["throughput"])),
        );
    }
}

/// Hours of the instance itself, by what runs on it.
fn server(demand: &mut DemandBuilder<'_>, class: &str, attributes: &Attributes) {
    let (address, kind) = (&demand.resource.address, &demand.resource.kind);
    let system = demand.usage.word(address, kind, "operating_system");
    // Linux costs least: what is paid for more than that is in the image.
    let system = system.map(str::to_owned).unwrap_or_else(|| {
        demand.problem(
            "its image may hold a system that costs more than Linux; the usage file tells by operating_system",
        );
        "linux".to_owned()
    });
    let hours = match demand.usage_of("monthly_hrs") {
        (hours, UsageSource::File) => hours.expected,
        _ => HOURS_PER_MONTH,
    };
    let (service, unit) = (Service::Ec2, Unit::InstanceHour);
    demand.fixed(service, format!("server {system} {class}"), unit, hours);
    let family = class.split('.').next().unwrap_or_default();
    if attributes.flag("ebs_optimized") == Some(true) && LINE_OF_ITS_OWN.contains(&family) {
        demand.fixed(service, format!("ebs optimized {class}"), unit, hours);
    }
    let credits = attributes.list("credit_specification").first();
    let credits = credits.and_then(|block| block["cpu_credits"].as_str());
    // The oldest burstable instances stop at what they have, unless they are told otherwise; later ones go on.
    let is_unlimited = credits.map_or(family != "t2", |of| of == "unlimited");
    if family.starts_with('t') && is_unlimited {
        let (hours, source) = demand.usage_of("monthly_cpu_credit_hrs");
        let cpus = match demand.usage_of("vcpu_count") {
            (count, UsageSource::File) if !count.is_zero() => Some(count.expected),
            _ => super::support::virtual_cpus_of(class).map(Decimal::from),
        };
        match (cpus, demand.scope()) {
            _ if hours.is_zero() && source != UsageSource::Unknown => {}
            (Some(cpus), Some(scope)) => {
                let (item, amount) = ("server cpu credits", (hours.times(cpus), source));
                demand.used_in(scope, service, item, Unit::VcpuHour, amount);
            }
            (None, _) => demand.problem("how many virtual CPUs burst is not known"),
            (_, None) => {}
        }
    }
}

pub(super) fn volume(demand: &mut DemandBuilder<'_>, attributes: &Attributes) {
    volume_of(
        demand,
        attributes.text("type"),
        attributes.number("size"),
        (attributes.number("iops"), attributes.number("throughput")),
    );
    if attributes.text("type") == Some("standard") {
        let (item, name) = ("volume io standard", "monthly_standard_io_requests");
        demand.used(Service::Ec2, item, Unit::Request, name);
    }
}

/// A volume by its size, and by what it is faster than its type includes.
fn volume_of(
    demand: &mut DemandBuilder<'_>,
    kind: Option<&str>,
    size: Option<Decimal>,
    (iops, throughput): (Option<Decimal>, Option<Decimal>),
) {
    // <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVolume.html>
    let kind = kind.filter(|kind| !kind.is_empty()).unwrap_or("gp2");
    match size {
        Some(size) => {
            let item = format!("volume {kind}");
            demand.fixed(Service::Ec2, item, Unit::GbMonth, size);
        }
        None => demand.problem("the size of a volume is not known before it is there"),
    }
    let iops = iops.unwrap_or_default();
    let paid = match kind {
        "gp3" => (iops - INCLUDED_IOPS).max(Decimal::ZERO),
        "io1" => iops,
        "io2" => {
            if iops > FIRST_IO2_IOPS {
                demand.problem("operations of a volume beyond 32,000 a second have no price here");
            }
            iops.min(FIRST_IO2_IOPS)
        }
        _ => Decimal::ZERO,
    };
    if matches!(kind, "io1" | "io2") && iops.is_zero() {
        demand.problem("how fast a volume is, is not known before it is there");
    }
    if paid > Decimal::ZERO {
        let item = format!("volume iops {kind}");
        demand.fixed(Service::Ec2, item, Unit::IopsMonth, paid);
    }
    let more = throughput.unwrap_or_default() - INCLUDED_THROUGHPUT;
    if kind == "gp3" && more > Decimal::ZERO {
        let item = "volume throughput gp3";
        demand.fixed(Service::Ec2, item, Unit::ThroughputMonth, more);
    }
}
