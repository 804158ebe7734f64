//! Aurora: clusters with their storage, instances by the hour or by the capacity unit; proxies before databases.

use rust_decimal::Decimal;

use super::super::Basis;
use super::containers::beside;
use super::{DemandBuilder, data, support};
use crate::inventory::{Attributes, number};
use crate::prices::Service;
use crate::quantity::{HOURS_PER_MONTH, QuantityRange, Scenario, Unit};

const SECONDS_PER_HOUR: Decimal = Decimal::from_parts(3_600, 0, 0, false, 0);

/// What an instance of the class `db.serverless` grows and shrinks by, where its cluster does not say.
const LEAST_UNITS: Decimal = Decimal::from_parts(5, 0, 0, false, 1);
const MOST_UNITS: Decimal = Decimal::from_parts(128, 0, 0, false, 0);

/// A proxy is billed for two virtual CPUs at least. <https://aws.amazon.com/rds/proxy/pricing/>
const LEAST_CPUS: u32 = 2;

/// Backups as large as the cluster are included, and so is the first day of them.
const INCLUDED_DAYS: Decimal = Decimal::ONE;

fn is_aurora(engine: &str) -> bool {
    engine.starts_with("aurora")
}

/// Storage grows by itself, so that only use tells what it costs. <https://aws.amazon.com/rds/aurora/pricing/>
pub(super) fn cluster(demand: &mut DemandBuilder<'_>, attributes: &Attributes) {
    match attributes.text("engine") {
        Some(engine) if is_aurora(engine) => {}
        Some(engine) => {
            return demand.problem(format!("a Multi-AZ cluster of {engine} has no price here"));
        }
        None => return demand.problem("its engine is not known before it is there"),
    }
    if attributes
        .text("engine_mode")
        .is_some_and(|mode| mode != "provisioned")
    {
        demand.problem("capacity of the first Aurora Serverless has no price here");
    }
    let is_optimized = attributes.text("storage_type") == Some("aurora-iopt1");
    let storage = match is_optimized {
        true => "aurora storage io-optimized",
        false => "aurora storage",
    };
    demand.used(Service::Rds, storage, Unit::GbMonth, "storage_gb");
    if !is_optimized {
        requests(demand);
    }
    let days = attributes
        .number("backup_retention_period")
        .unwrap_or(Decimal::ONE);
    let billed = (days.min(data::MOST_DAYS) - INCLUDED_DAYS).max(Decimal::ZERO);
    let (size, source) = demand.usage_of("backup_snapshot_size_gb");
    if let Some(scope) = demand.scope()
        && !billed.is_zero()
    {
        let amount = (size.times(billed), source);
        let item = "aurora backup storage";
        demand.used_in(scope, Service::Rds, item, Unit::GbMonth, amount);
    }
    let name = "snapshot_export_size_gb";
    demand.used(Service::Rds, "snapshot export", Unit::Gb, name);
    if let (Some(engine), Some(version)) =
        (attributes.text("engine"), attributes.text("engine_version"))
        && attributes.text("engine_lifecycle_support") != Some(support::DISABLED)
    {
        support::aurora(demand, engine, version);
    }
    if attributes.flag("manage_master_user_password") == Some(true) {
        data::kept_secret(demand);
    }
}

/// Reads and writes of the storage, of every second of the month.
fn requests(demand: &mut DemandBuilder<'_>) {
    let (writes, of_writes) = demand.usage_of("write_requests_per_sec");
    let (reads, of_reads) = demand.usage_of("read_requests_per_sec");
    let requests = (writes + reads).times(SECONDS_PER_HOUR * HOURS_PER_MONTH);
    if let Some(scope) = demand.scope() {
        let amount = (requests, of_writes.max(of_reads));
        demand.used_in(scope, Service::Rds, "aurora io", Unit::Request, amount);
    }
}

pub(super) fn instance(demand: &mut DemandBuilder<'_>, attributes: &Attributes) {
    let cluster = beside(demand, "aws_rds_cluster").map(|of| of.attributes.clone());
    let of_cluster = |name| cluster.as_ref().and_then(|of| of.text(name));
    let Some(engine) = attributes.text("engine").or(of_cluster("engine")) else {
        return demand.problem("its engine is not known before it is there");
    };
    if !is_aurora(engine) {
        return demand.problem(format!(
            "instances of {engine} in a cluster have no price here"
        ));
    }
    // Instances of a cluster with this storage cost more.
    let kind = match of_cluster("storage_type") {
        Some("aurora-iopt1") => " io-optimized",
        _ => "",
    };
    if cluster.is_none() {
        demand.problem(
            "its cluster is not told apart, so that the class of its storage is not known",
        );
    }
    match attributes.text("instance_class") {
        None => demand.problem("its instance class is not known before it is there"),
        Some("db.serverless") => serverless(demand, cluster.as_ref(), kind),
        Some(class) => {
            let item = format!("{}{kind}", data::instance_item(engine, class, false));
            demand.hourly(Service::Rds, item, Unit::InstanceHour, Decimal::ONE);
            if class.starts_with("db.t") {
                let name = "monthly_cpu_credit_hrs";
                demand.used(Service::Rds, "aurora cpu credits", Unit::VcpuHour, name);
            }
        }
    }
    data::monitoring(demand, attributes);
    if attributes.flag("publicly_accessible") == Some(true) {
        super::network::public_ipv4(demand, Decimal::ONE);
    }
}

/// By the capacity unit, between the bounds that the cluster sets unless a file says how many there are.
fn serverless(demand: &mut DemandBuilder<'_>, cluster: Option<&Attributes>, kind: &str) {
    let (given, source) = demand.usage_of("capacity_units_per_hr");
    let bounds = cluster.and_then(|of| of.list("serverlessv2_scaling_configuration").first());
    let bound =
        |name: &str, unless: Decimal| bounds.and_then(|of| number(&of[name])).unwrap_or(unless);
    let units = match given.is_zero() {
        false => given,
        true => QuantityRange {
            low: bound("min_capacity", LEAST_UNITS),
            expected: bound("min_capacity", LEAST_UNITS),
            high: bound("max_capacity", MOST_UNITS),
        },
    };
    let Some(scope) = demand.scope() else {
        return;
    };
    let item = format!("aurora serverless v2{kind}");
    demand.add(
        scope,
        Service::Rds,
        item,
        Unit::AcuHour,
        Basis::Usage,
        units.times(HOURS_PER_MONTH),
        source,
    );
}

/// By the virtual CPU of the database behind it, which a target beside it names.
pub(super) fn proxy(demand: &mut DemandBuilder<'_>) {
    let target = beside(demand, "aws_db_proxy_target");
    let named = target.and_then(|of| of.attributes.text("db_instance_identifier"));
    let mut databases = demand.inventory.of_kind("aws_db_instance");
    let database = databases.find(|of| of.attributes.text("identifier") == named);
    let class = named
        .and(database)
        .and_then(|of| of.attributes.text("instance_class"));
    let Some(cpus) = class.and_then(support::virtual_cpus) else {
        return demand
            .problem("the database behind it is not told apart, so that its size is not known");
    };
    let cpus = Decimal::from(cpus.max(LEAST_CPUS));
    demand.hourly(Service::Rds, "proxy", Unit::VcpuHour, cpus);
}

/// What is kept, by the hour, and what is asked. <https://aws.amazon.com/elasticache/pricing/>
pub(super) fn serverless_cache(demand: &mut DemandBuilder<'_>, attributes: &Attributes) {
    let Some(engine) = attributes.text("engine") else {
        return demand.problem("its engine is not known before it is there");
    };
    // The least of it is billed even where there is less.
    let limits = attributes.list("cache_usage_limits").first();
    let least = |block: &str| limits.and_then(|of| number(&of[block][0]["minimum"]));
    let least_storage = least("data_storage").unwrap_or(match engine {
        "valkey" => Decimal::from_parts(1, 0, 0, false, 1),
        _ => Decimal::ONE,
    });
    let (storage, of_storage) = demand.usage_of("storage_gb");
    let at_least = |scenario| storage.get(scenario).max(least_storage);
    let storage = QuantityRange {
        low: at_least(Scenario::Low),
        expected: at_least(Scenario::Expected),
        high: at_least(Scenario::High),
    };
    let Some(scope) = demand.scope() else {
        return;
    };
    let amount = (storage.times(HOURS_PER_MONTH), of_storage);
    let item = format!("serverless {engine} storage");
    demand.used_in(scope, Service::ElastiCache, item, Unit::GbHour, amount);
    if least("ecpu_per_second").is_some() {
        demand.problem("the least of its processing units has no price here");
    }
    let item = format!("serverless {engine} ecpu");
    demand.used(Service::ElastiCache, item, Unit::Ecpu, "monthly_ecpus");
}
