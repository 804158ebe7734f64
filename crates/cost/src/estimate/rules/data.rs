//! Databases, caches, buckets, tables, and their copies.

use rust_decimal::Decimal;
use serde_json::Value;
use settings::Region;

use super::super::{Basis, Heading};
use super::DemandBuilder;
use super::network::public_ipv4;
use crate::inventory::Attributes;
use crate::prices::{Scope, Service};
use crate::quantity::{HOURS_PER_MONTH, HOURS_PER_WEEK, QuantityRange, Unit};

/// gp3 storage of PostgreSQL and MySQL includes 3,000 operations a second, and 12,000 from 400 GB on.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Storage.html>
const GP3_STRIPED_FROM_GB: Decimal = Decimal::from_parts(400, 0, 0, false, 0);
const GP3_IOPS: Decimal = Decimal::from_parts(3_000, 0, 0, false, 0);
const GP3_STRIPED_IOPS: Decimal = Decimal::from_parts(12_000, 0, 0, false, 0);

/// Performance Insights keeps seven days for nothing.
const FREE_INSIGHTS_DAYS: Decimal = Decimal::from_parts(7, 0, 0, false, 0);

/// Metrics that S3 publishes for a replication rule: bytes and operations pending, latency, failures. They
/// cost what custom metrics do. <https://docs.aws.amazon.com/AmazonS3/latest/userguide/repl-metrics.html>
const REPLICATION_METRICS: Decimal = Decimal::from_parts(4, 0, 0, false, 0);

pub(super) fn database(demand: &mut DemandBuilder<'_>, attributes: &Attributes) {
    let zones = if attributes.flag("multi_az").unwrap_or(false) {
        "multi-az"
    } else {
        "single-az"
    };
    match (
        attributes.text("engine").map(engine),
        attributes.text("instance_class"),
    ) {
        (Some(engine), Some(class)) => instance(demand, engine, class, zones),
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
    let insights = attributes
        .number("performance_insights_retention_period")
        .is_some_and(|days| days > FREE_INSIGHTS_DAYS);
    if insights || attributes.text("database_insights_mode") == Some("advanced") {
        demand.problem("the long retention of its performance insights is not priced");
    }
    if attributes.flag("publicly_accessible") == Some(true) {
        public_ipv4(demand, Decimal::ONE);
    }
    if attributes.flag("manage_master_user_password") == Some(true) {
        demand.under(Heading::Secrets).fixed(
            Service::Secrets,
            "secret",
            Unit::SecretMonth,
            Decimal::ONE,
        );
    }
}

/// The price book's name for an engine.
fn engine(name: &str) -> &str {
    match name {
        "postgres" => "postgresql",
        other => other,
    }
}

fn instance(demand: &mut DemandBuilder<'_>, engine: &str, class: &str, zones: &str) {
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
        let item = format!("instance {engine} {class} {zones}");
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
    demand.used(
        Service::ElastiCache,
        "backup storage",
        Unit::GbMonth,
        "snapshot_storage_size_gb",
    );
}

pub(super) fn bucket(demand: &mut DemandBuilder<'_>) {
    for (group, class) in [
        ("standard", "standard"),
        ("standard_infrequent_access", "standard-ia"),
        ("glacier_instant_retrieval", "glacier-ir"),
        ("glacier_flexible_retrieval", "glacier"),
        ("glacier_deep_archive", "deep-archive"),
    ] {
        for (name, item, unit) in [
            ("storage_gb", "storage", Unit::GbMonth),
            ("monthly_tier_1_requests", "requests tier 1", Unit::Request),
            ("monthly_tier_2_requests", "requests tier 2", Unit::Request),
            (
                "monthly_lifecycle_transition_requests",
                "transition",
                Unit::Request,
            ),
            ("monthly_data_retrieval_gb", "retrieval", Unit::Gb),
        ] {
            demand.used(
                Service::S3,
                format!("{item} {class}"),
                unit,
                &format!("{group}.{name}"),
            );
        }
        demand.used(
            Service::S3,
            format!("retrieval {class} standard"),
            Unit::Gb,
            &format!("{group}.monthly_standard_data_retrieval_gb"),
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

pub(super) fn table(demand: &mut DemandBuilder<'_>, attributes: &Attributes) {
    if attributes.text("billing_mode") == Some("PAY_PER_REQUEST") {
        for (item, name) in [
            ("write", "monthly_write_request_units"),
            ("read", "monthly_read_request_units"),
        ] {
            demand.used(Service::DynamoDb, item, Unit::RequestUnit, name);
        }
    } else {
        for (item, name) in [
            ("provisioned write", "write_capacity"),
            ("provisioned read", "read_capacity"),
        ] {
            match attributes.number(name) {
                Some(units) => {
                    demand.hourly(Service::DynamoDb, item, Unit::CapacityUnitHour, units);
                }
                None => demand.problem(format!("its {name} is not known")),
            }
        }
    }
    let storage = "storage standard";
    demand.used(Service::DynamoDb, storage, Unit::GbMonth, "storage_gb");
    let recovery = attributes.list("point_in_time_recovery");
    if recovery.iter().any(|block| block["enabled"] == true) {
        demand.used(
            Service::DynamoDb,
            "pitr",
            Unit::GbMonth,
            "pitr_backup_storage_gb",
        );
    }
    let (writes, writes_source) = demand.usage_of("monthly_write_request_units");
    let (kept, kept_source) = demand.usage_of("storage_gb");
    for replica in attributes.list("replica") {
        let region = replica["region_name"].as_str().map(str::parse::<Region>);
        let Some(Ok(region)) = region else {
            demand.problem("the region of a replica is not known");
            continue;
        };
        let demand = demand.under(Heading::Recovery);
        for (item, unit, amount, usage_source) in [
            ("replicated write", Unit::RequestUnit, writes, writes_source),
            (storage, Unit::GbMonth, kept, kept_source),
        ] {
            demand.add(
                Scope::Region(region),
                Service::DynamoDb,
                item.to_owned(),
                unit,
                Basis::Usage,
                amount,
                usage_source,
            );
        }
    }
}
