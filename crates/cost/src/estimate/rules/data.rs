//! Databases, caches, buckets, tables, and their copies.

use std::borrow::Cow;

use rust_decimal::Decimal;
use serde_json::Value;
use settings::Region;

use super::super::{Basis, Heading};
use super::network::public_ipv4;
use super::{DemandBuilder, support};
use crate::inventory::{Attributes, Inventory, number};
use crate::prices::{Scope, Service};
use crate::quantity::{HOURS_PER_MONTH, HOURS_PER_WEEK, QuantityRange, Unit};
use crate::usage::UsageSource;

/// gp3 storage of PostgreSQL and MySQL includes 3,000 operations a second, and 12,000 from 400 GB on.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Storage.html>
const GP3_STRIPED_FROM_GB: Decimal = Decimal::from_parts(400, 0, 0, false, 0);
const GP3_IOPS: Decimal = Decimal::from_parts(3_000, 0, 0, false, 0);
const GP3_STRIPED_IOPS: Decimal = Decimal::from_parts(12_000, 0, 0, false, 0);

/// Its throughput included, in MiB a second.
const GP3_THROUGHPUT: Decimal = Decimal::from_parts(125, 0, 0, false, 0);
const GP3_STRIPED_THROUGHPUT: Decimal = Decimal::from_parts(500, 0, 0, false, 0);

/// The seconds for which the default of what enhanced monitoring writes holds.
const A_MINUTE: Decimal = Decimal::from_parts(60, 0, 0, false, 0);

/// Backups are kept for so many days at most.
pub(super) const MOST_DAYS: Decimal = Decimal::from_parts(35, 0, 0, false, 0);

/// A cache's backup of one day costs nothing. <https://aws.amazon.com/elasticache/pricing/>
const FREE_SNAPSHOT_DAYS: Decimal = Decimal::ONE;

/// Metrics that S3 publishes for a replication rule: bytes and operations pending, latency, failures. They
/// cost what custom metrics do. <https://docs.aws.amazon.com/AmazonS3/latest/userguide/repl-metrics.html>
const REPLICATION_METRICS: Decimal = Decimal::from_parts(4, 0, 0, false, 0);

/// A replica is of the engine and, unless set otherwise, of the storage of its source.
const OF_THE_SOURCE: &[&str] = &[
    "allocated_storage",
    "engine",
    "engine_version",
    "iops",
    "storage_throughput",
    "storage_type",
];

/// The attributes of a database; what a replica takes from its source is in them where that is in the inventory.
fn with_source<'a>(inventory: &Inventory, attributes: &'a Attributes) -> Cow<'a, Attributes> {
    let Some(named) = attributes.text("replicate_source_db") else {
        return Cow::Borrowed(attributes);
    };
    // The identifier within a region, the ARN from another.
    let identifier = named.rsplit(':').next().unwrap_or(named);
    let mut databases = inventory.of_kind("aws_db_instance");
    let source = databases.find(|of| of.attributes.text("identifier") == Some(identifier));
    let Some(source) = source else {
        return Cow::Borrowed(attributes);
    };
    let mut whole = attributes.clone();
    for name in OF_THE_SOURCE {
        if let (None, Some(value)) = (attributes.value(name), source.attributes.value(name)) {
            whole = whole.with(name, value.clone());
        }
    }
    Cow::Owned(whole)
}

pub(super) fn database(demand: &mut DemandBuilder<'_>, attributes: &Attributes) {
    let attributes = &*with_source(demand.inventory, attributes);
    let multi_az = attributes.flag("multi_az").unwrap_or(false);
    let zones = zones(multi_az);
    match (
        attributes.text("engine").map(engine),
        attributes.text("instance_class"),
    ) {
        (Some(engine), Some(class)) => instance(demand, engine, class, multi_az),
        (None, _) => demand.problem("its engine is not known before it is there"),
        (_, None) => demand.problem("its instance class is not known before it is there"),
    }
    storage(demand, attributes, zones);
    demand.used(
        Service::Rds,
        "backup storage",
        Unit::GbMonth,
        "additional_backup_storage_gb",
    );
    let running = demand.options.database_hours_a_week / HOURS_PER_WEEK;
    support::database(demand, attributes, running);
    if attributes
        .text("instance_class")
        .is_some_and(|class| class.starts_with("db.t"))
    {
        let name = "monthly_cpu_credit_hrs";
        demand.used(Service::Rds, "cpu credits", Unit::VcpuHour, name);
    }
    monitoring(demand, attributes);
    if attributes.flag("publicly_accessible") == Some(true) {
        public_ipv4(demand, Decimal::ONE);
    }
    if attributes.flag("manage_master_user_password") == Some(true) {
        kept_secret(demand);
    }
    insights(demand, attributes);
}

/// The secret in which RDS keeps a password.
pub(super) fn kept_secret(demand: &mut DemandBuilder<'_>) {
    let unit = Unit::SecretMonth;
    demand
        .under(Heading::Secrets)
        .fixed(Service::Secrets, "secret", unit, Decimal::ONE);
    demand.under(Heading::Rds);
}

/// Performance Insights of a week are included; what is kept longer is billed by the virtual CPU.
/// <https://aws.amazon.com/rds/performance-insights/pricing/>
fn insights(demand: &mut DemandBuilder<'_>, attributes: &Attributes) {
    const INCLUDED_DAYS: Decimal = Decimal::from_parts(7, 0, 0, false, 0);
    if attributes.flag("performance_insights_enabled") != Some(true) {
        return;
    }
    let days = attributes.number("performance_insights_retention_period");
    if days.is_some_and(|days| days > INCLUDED_DAYS) {
        let class = attributes.text("instance_class").unwrap_or_default();
        match support::virtual_cpus(class) {
            Some(cpus) => {
                let item = format!("performance insights {class}");
                demand.fixed(Service::Rds, item, Unit::VcpuMonth, cpus.into());
            }
            None => demand.problem("Performance Insights of its class have no price here"),
        }
    }
    let name = "monthly_additional_performance_insights_requests";
    demand.used(
        Service::Rds,
        "performance insights api",
        Unit::Request,
        name,
    );
}

/// What is measured within the instance is billed as a log.
pub(super) fn monitoring(demand: &mut DemandBuilder<'_>, attributes: &Attributes) {
    let interval = attributes.number("monitoring_interval").unwrap_or_default();
    if interval.is_zero() {
        return;
    }
    let (mut bytes, usage_source) = demand.usage_of("monthly_enhanced_monitoring_gb");
    if usage_source == UsageSource::Default {
        bytes = bytes.times(A_MINUTE / interval);
    }
    let Some(scope) = demand.scope() else {
        return;
    };
    demand.under(Heading::CloudWatch).add(
        scope,
        Service::CloudWatch,
        "log ingestion".to_owned(),
        Unit::Gb,
        Basis::Usage,
        bytes,
        usage_source,
    );
    demand.under(Heading::Rds);
}

/// The price book's name for an engine.
fn engine(name: &str) -> &str {
    match name {
        "postgres" => "postgresql",
        other => other,
    }
}

fn zones(multi_az: bool) -> &'static str {
    match multi_az {
        true => "multi-az",
        false => "single-az",
    }
}

/// The price book's name for an instance that is paid for by the hour.
pub(crate) fn instance_item(name: &str, class: &str, multi_az: bool) -> String {
    format!("instance {} {class} {}", engine(name), zones(multi_az))
}

fn instance(demand: &mut DemandBuilder<'_>, engine: &str, class: &str, multi_az: bool) {
    let zones = zones(multi_az);
    let word = |name| {
        demand
            .usage
            .word(&demand.resource.address, &demand.resource.kind, name)
    };
    let term = word("reserved_instance_term").map(|term| match term {
        "3_year" => "3yr",
        _ => "1yr",
    });
    let payment = word("reserved_instance_payment_option").unwrap_or("no_upfront");
    let Some(term) = term else {
        let hours = HOURS_PER_MONTH * demand.options.database_hours_a_week / HOURS_PER_WEEK;
        let item = instance_item(engine, class, multi_az);
        demand.fixed(Service::Rds, item, Unit::InstanceHour, hours);
        return;
    };
    // A reservation is paid for whether the instance runs or not.
    let payment = payment.replace('_', "-");
    if payment != "no-upfront" {
        demand.problem("what its reservation costs up front is not in the price book");
    }
    let item = format!("reserved {engine} {class} {zones} {term} {payment}");
    demand.hourly(Service::Rds, item, Unit::InstanceHour, Decimal::ONE);
}

fn storage(demand: &mut DemandBuilder<'_>, attributes: &Attributes, zones: &str) {
    let iops = attributes.number("iops").unwrap_or_default();
    let kind = attributes
        .text("storage_type")
        .unwrap_or(if iops.is_zero() { "gp2" } else { "io1" });
    let Some(size) = attributes.number("allocated_storage") else {
        demand.problem("the size of its storage is not known before it is there");
        return;
    };
    demand.fixed(
        Service::Rds,
        format!("storage {kind} {zones}"),
        Unit::GbMonth,
        size,
    );
    if kind == "gp3" {
        throughput(demand, attributes, size, zones);
    }
    if kind == "standard" {
        let name = "monthly_standard_io_requests";
        demand.used(Service::Rds, "io standard", Unit::Request, name);
    }
    let included = match kind {
        "gp3" if size >= GP3_STRIPED_FROM_GB => GP3_STRIPED_IOPS,
        "gp3" => GP3_IOPS,
        "io1" | "io2" => Decimal::ZERO,
        _ => iops,
    };
    if iops > included {
        let item = format!("iops {kind} {zones}");
        demand.fixed(Service::Rds, item, Unit::IopsMonth, iops - included);
    }
}

fn throughput(demand: &mut DemandBuilder<'_>, attributes: &Attributes, size: Decimal, zones: &str) {
    let included = if size >= GP3_STRIPED_FROM_GB {
        GP3_STRIPED_THROUGHPUT
    } else {
        GP3_THROUGHPUT
    };
    let more = attributes.number("storage_throughput").unwrap_or_default() - included;
    if more > Decimal::ZERO {
        let item = format!("throughput gp3 {zones}");
        demand.fixed(Service::Rds, item, Unit::ThroughputMonth, more);
    }
}

/// They lie in the resource's region and come from that of the instance.
pub(super) fn replicated_backups(demand: &mut DemandBuilder<'_>, attributes: &Attributes) {
    demand.used(Service::Rds, "backup storage", Unit::GbMonth, "storage_gb");
    let from = attributes
        .text("source_db_instance_arn")
        .and_then(|arn| arn.split(':').nth(3))
        .and_then(|region| region.parse().ok())
        .or(demand.inventory.region);
    match (from, demand.resource.region) {
        (Some(from), Some(to)) => {
            let (amount, usage_source) = demand.usage_of("monthly_data_transferred_gb");
            demand.transfer(from, to, amount, usage_source);
        }
        _ => demand.problem("the region it copies from is not known"),
    }
}

pub(super) fn cache(demand: &mut DemandBuilder<'_>, attributes: &Attributes) {
    let groups = attributes.number("num_node_groups");
    let replicas = attributes
        .number("replicas_per_node_group")
        .unwrap_or_default();
    let nodes = attributes
        .number("num_cache_clusters")
        .or_else(|| attributes.number("num_cache_nodes"))
        .or(groups.map(|groups| groups * (replicas + Decimal::ONE)))
        .unwrap_or(Decimal::ONE);
    let engine = attributes.text("engine").unwrap_or("redis");
    match attributes.text("node_type") {
        Some(class) => demand.hourly(
            Service::ElastiCache,
            format!("node {engine} {class}"),
            Unit::NodeHour,
            nodes,
        ),
        None => demand.problem("its node type is not known before it is there"),
    }
    support::cache(demand, attributes);
    let days = attributes
        .number("snapshot_retention_limit")
        .unwrap_or_default();
    let billed = (days.min(MOST_DAYS) - FREE_SNAPSHOT_DAYS).max(Decimal::ZERO);
    if billed.is_zero() {
        return;
    }
    let (size, usage_source) = demand.usage_of("snapshot_storage_size_gb");
    if let Some(scope) = demand.scope() {
        demand.add(
            scope,
            Service::ElastiCache,
            "backup storage".to_owned(),
            Unit::GbMonth,
            Basis::Usage,
            size.times(billed),
            usage_source,
        );
    }
}

/// Traffic to the DR region, the promise of fifteen minutes if there is one, a request there for every
/// object, and metrics. What the copies cost to keep is the DR bucket's.
pub(super) fn replication(demand: &mut DemandBuilder<'_>, attributes: &Attributes) {
    let rules: Vec<&Value> = attributes
        .list("rule")
        .iter()
        .filter(|rule| is_enabled(rule))
        .collect();
    let Some(rule) = rules.first() else {
        return;
    };
    let destination = &rule["destination"][0];
    let to = destination["encryption_configuration"][0]["replica_kms_key_id"]
        .as_str()
        .and_then(|arn| arn.split(':').nth(3))
        .and_then(|region| region.parse::<Region>().ok())
        .or(demand.inventory.dr_region);
    let (Some(from), Some(to)) = (demand.resource.region, to) else {
        demand.problem("the region it replicates to is not known; name the DR region");
        return;
    };
    copied_objects(demand, from, to, destination);
    let metered = rules
        .iter()
        .filter(|rule| is_enabled(&rule["destination"][0]["metrics"][0]))
        .count();
    if metered > 0 {
        let metrics = REPLICATION_METRICS * Decimal::from(metered);
        demand.add(
            Scope::Region(to),
            Service::CloudWatch,
            "metric".to_owned(),
            Unit::MetricMonth,
            Basis::Fixed,
            QuantityRange::fixed(metrics),
            demand.usage_of("monthly_replicated_gb").1,
        );
    }
}

fn is_enabled(block: &Value) -> bool {
    block["status"] == "Enabled"
}

/// What every object costs on its way.
fn copied_objects(demand: &mut DemandBuilder<'_>, from: Region, to: Region, destination: &Value) {
    let (bytes, usage_source) = demand.usage_of("monthly_replicated_gb");
    let (objects, objects_source) = demand.usage_of("monthly_replicated_objects");
    if from != to {
        demand.transfer(from, to, bytes, usage_source);
    }
    let mut add = |region, item, unit, amount, usage_source| {
        let scope = Scope::Region(region);
        demand.add(
            scope,
            Service::S3,
            item,
            unit,
            Basis::Usage,
            amount,
            usage_source,
        );
    };
    if is_enabled(&destination["replication_time"][0]) {
        add(from, format!("rtc {to}"), Unit::Gb, bytes, usage_source);
    }
    let class = match destination["storage_class"].as_str() {
        Some("STANDARD_IA") => "standard-ia",
        Some("GLACIER_IR") => "glacier-ir",
        Some("GLACIER") => "glacier",
        Some("DEEP_ARCHIVE") => "deep-archive",
        _ => "standard",
    };
    let item = format!("requests tier 1 {class}");
    add(to, item, Unit::Request, objects, objects_source);
}

/// The price book's name for what a table of a class costs.
fn of_class(item: &str, attributes: &Attributes) -> String {
    match attributes.text("table_class") {
        None | Some("STANDARD") => item.to_owned(),
        Some(_) => format!("{item} standard-ia"),
    }
}

pub(super) fn table(demand: &mut DemandBuilder<'_>, attributes: &Attributes) {
    let is_on_demand = attributes.text("billing_mode") == Some("PAY_PER_REQUEST");
    if is_on_demand {
        for (item, name) in [
            ("write", "monthly_write_request_units"),
            ("read", "monthly_read_request_units"),
        ] {
            let item = of_class(item, attributes);
            demand.used(Service::DynamoDb, item, Unit::RequestUnit, name);
        }
    } else {
        for (item, name) in PROVISIONED {
            if let Some(units) = provisioned(demand, attributes, name) {
                let item = of_class(item, attributes);
                demand.hourly(Service::DynamoDb, item, Unit::CapacityUnitHour, units);
            }
        }
    }
    let storage = match attributes.text("table_class") {
        None | Some("STANDARD") => "storage standard",
        Some(_) => "storage standard-ia",
    };
    demand.used(Service::DynamoDb, storage, Unit::GbMonth, "storage_gb");
    for (item, unit, name) in [
        (
            "backup storage",
            Unit::GbMonth,
            "on_demand_backup_storage_gb",
        ),
        ("restore", Unit::Gb, "monthly_data_restored_gb"),
        (
            "streams read",
            Unit::RequestUnit,
            "monthly_streams_read_request_units",
        ),
    ] {
        demand.used(Service::DynamoDb, item, unit, name);
    }
    if is_recoverable(attributes.list("point_in_time_recovery")) {
        demand.used(
            Service::DynamoDb,
            "pitr",
            Unit::GbMonth,
            "pitr_backup_storage_gb",
        );
    }
    for replica in attributes.list("replica") {
        let region = replica["region_name"].as_str().map(str::parse::<Region>);
        let Some(Ok(region)) = region else {
            demand.problem("the region of a replica is not known");
            continue;
        };
        let demand = demand.under(Heading::Recovery);
        copies(demand, attributes, region, storage, replica, is_on_demand);
    }
}

/// What a table reads and writes at most: price and attribute.
const PROVISIONED: [(&str, &str); 2] = [
    ("provisioned write", "write_capacity"),
    ("provisioned read", "read_capacity"),
];

fn is_recoverable(blocks: &[Value]) -> bool {
    blocks.iter().any(|block| block["enabled"] == true)
}

/// The capacity of a table and of its indexes, each of which has its own.
fn provisioned(
    demand: &mut DemandBuilder<'_>,
    attributes: &Attributes,
    name: &str,
) -> Option<Decimal> {
    let indexes = attributes.list("global_secondary_index").iter();
    let all: Option<Decimal> = indexes
        .map(|index| index.get(name).and_then(number))
        .chain([attributes.number(name)])
        .sum();
    if all.is_none() {
        demand.problem(format!("its {name} is not known"));
    }
    all
}

/// What a replica of a table costs in its region.
fn copies(
    demand: &mut DemandBuilder<'_>,
    attributes: &Attributes,
    region: Region,
    storage: &str,
    replica: &Value,
    is_on_demand: bool,
) {
    let of = |demand: &mut DemandBuilder<'_>, item: String, unit, basis, amount, usage_source| {
        let scope = Scope::Region(region);
        demand.add(
            scope,
            Service::DynamoDb,
            item,
            unit,
            basis,
            amount,
            usage_source,
        );
    };
    if is_on_demand {
        let (writes, usage_source) = demand.usage_of("monthly_write_request_units");
        let item = of_class("replicated write", attributes);
        let unit = Unit::RequestUnit;
        of(demand, item, unit, Basis::Usage, writes, usage_source);
    } else {
        for (item, name) in PROVISIONED {
            let Some(units) = provisioned(demand, attributes, name) else {
                continue;
            };
            let item = match name {
                "write_capacity" => "provisioned replicated write",
                _ => item,
            };
            let hours = QuantityRange::fixed(units * HOURS_PER_MONTH);
            let (item, unit) = (of_class(item, attributes), Unit::CapacityUnitHour);
            of(demand, item, unit, Basis::Fixed, hours, UsageSource::File);
        }
    }
    let (kept, usage_source) = demand.usage_of("storage_gb");
    let unit = Unit::GbMonth;
    of(
        demand,
        storage.to_owned(),
        unit,
        Basis::Usage,
        kept,
        usage_source,
    );
    if replica["point_in_time_recovery"] == true {
        let (kept, usage_source) = demand.usage_of("pitr_backup_storage_gb");
        of(
            demand,
            "pitr".to_owned(),
            unit,
            Basis::Usage,
            kept,
            usage_source,
        );
    }
}
