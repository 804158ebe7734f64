//! Keys, secrets, monitoring, messages, functions.

use rust_decimal::Decimal;

use super::super::{Basis, Heading};
use super::DemandBuilder;
use crate::inventory::{Attributes, number};
use crate::prices::{Scope, Service};
use crate::quantity::{QuantityRange, Scenario, Unit};
use crate::usage::UsageSource;

const MILLISECONDS: Decimal = Decimal::ONE_THOUSAND;

/// A function is billed by the gibibyte of its memory, which is set in mebibytes and is 128 unless set.
const MEBIBYTES: Decimal = Decimal::from_parts(1_024, 0, 0, false, 0);
const DEFAULT_MEMORY: Decimal = Decimal::from_parts(128, 0, 0, false, 0);

/// 10^18 gibibyte-seconds are a million functions of 32 TB for a month.
const MOST_SECONDS: Decimal = Decimal::from_parts(2_808_348_672, 232_830_643, 0, false, 0);

/// Alarms that look more often than once a minute are of high resolution, and cost more.
const MINUTE: Decimal = Decimal::from_parts(60, 0, 0, false, 0);

/// The first and the second rotation of a key's material cost as much as the key does, every later one nothing.
/// <https://aws.amazon.com/kms/pricing/>
const ROTATED: Decimal = Decimal::from_parts(3, 0, 0, false, 0);

pub(super) fn key(demand: &mut DemandBuilder<'_>, attributes: &Attributes) {
    let high = match attributes.flag("enable_key_rotation") {
        Some(true) => ROTATED,
        _ => Decimal::ONE,
    };
    if let Some(scope) = demand.scope() {
        demand.add(
            scope,
            Service::Kms,
            "key".to_owned(),
            Unit::KeyMonth,
            Basis::Fixed,
            QuantityRange {
                high,
                ..QuantityRange::fixed(Decimal::ONE)
            },
            UsageSource::File,
        );
    }
    let spec = attributes
        .text("customer_master_key_spec")
        .or_else(|| attributes.text("key_spec"));
    let item = match spec {
        None | Some("SYMMETRIC_DEFAULT") => "requests",
        Some(spec) if spec.starts_with("HMAC_") => "requests",
        Some("RSA_2048") => "requests rsa-2048",
        Some(_) => "requests asymmetric",
    };
    demand.used(Service::Kms, item, Unit::Request, "monthly_requests");
}

pub(super) fn secret(demand: &mut DemandBuilder<'_>, attributes: &Attributes) {
    demand.fixed(Service::Secrets, "secret", Unit::SecretMonth, Decimal::ONE);
    demand.used(
        Service::Secrets,
        "requests",
        Unit::Request,
        "monthly_requests",
    );
    let replicas = attributes.list("replica").len();
    if replicas > 0 {
        demand.under(Heading::Recovery).add(
            Scope::Global,
            Service::Secrets,
            "replica secret".to_owned(),
            Unit::SecretMonth,
            Basis::Fixed,
            QuantityRange::fixed(Decimal::from(replicas)),
            UsageSource::Default,
        );
    }
}

/// A FIFO topic or queue has prices of its own.
fn requests(attributes: &Attributes, fifo: &str) -> &'static str {
    match attributes.flag(fifo) {
        Some(true) => "requests fifo",
        _ => "requests",
    }
}

pub(super) fn topic(demand: &mut DemandBuilder<'_>, attributes: &Attributes) {
    match attributes.flag("fifo_topic") {
        Some(true) => by_payload(demand, ["requests fifo", "payload fifo"], Unit::Request),
        _ => by_size(demand, Service::Sns, "requests"),
    }
}

/// What goes through a FIFO topic is billed by the message and by its bytes. <https://aws.amazon.com/sns/pricing/>
fn by_payload(demand: &mut DemandBuilder<'_>, [item, payload]: [&str; 2], unit: Unit) {
    const KB_PER_GB: Decimal = Decimal::from_parts(1_000_000, 0, 0, false, 0);
    let (messages, source) = demand.usage_of("monthly_requests");
    let Some(scope) = demand.scope() else {
        return;
    };
    demand.used_in(scope, Service::Sns, item, unit, (messages, source));
    match demand.usage_of("request_size_kb") {
        (size, of_size @ UsageSource::File) if !size.is_zero() => {
            let bytes = messages.times(size.expected / KB_PER_GB);
            let amount = (bytes, source.max(of_size));
            demand.used_in(scope, Service::Sns, payload, Unit::Gb, amount);
        }
        _ => demand.problem("nobody says how large its messages are: request_size_kb"),
    }
}

pub(super) fn queue(demand: &mut DemandBuilder<'_>, attributes: &Attributes) {
    let item = requests(attributes, "fifo_queue");
    by_size(demand, Service::Sqs, item);
}

/// A request is billed once for each 64 KB of it that were begun. <https://aws.amazon.com/sqs/pricing/>
fn by_size(demand: &mut DemandBuilder<'_>, service: Service, item: &str) {
    const CHUNK: Decimal = Decimal::from_parts(64, 0, 0, false, 0);
    /// 1 MiB.
    const MOST_CHUNKS: Decimal = Decimal::from_parts(16, 0, 0, false, 0);
    // In KB; nothing where nobody says it, which is one chunk.
    let (size, _) = demand.usage_of("request_size_kb");
    let chunks = (size.expected / CHUNK).ceil().max(Decimal::ONE);
    if chunks > MOST_CHUNKS {
        return demand.problem("its requests are larger than any request can be");
    }
    let (requests, source) = demand.usage_of("monthly_requests");
    if let Some(scope) = demand.scope() {
        let amount = (requests.times(chunks), source);
        demand.used_in(scope, service, item, Unit::Request, amount);
    }
}

pub(super) fn schedule(demand: &mut DemandBuilder<'_>) {
    let name = "monthly_invocations";
    demand.used(Service::Events, "scheduler", Unit::Request, name);
}

pub(super) fn dashboard(demand: &mut DemandBuilder<'_>) {
    let unit = Unit::DashboardMonth;
    demand.fixed(Service::CloudWatch, "dashboard", unit, Decimal::ONE);
}

pub(super) fn composite_alarm(demand: &mut DemandBuilder<'_>) {
    let unit = Unit::AlarmMonth;
    demand.fixed(Service::CloudWatch, "alarm composite", unit, Decimal::ONE);
}

/// The metric of an anomaly, and both edges of its band: <https://aws.amazon.com/cloudwatch/pricing/>.
const ANOMALY: Decimal = Decimal::from_parts(3, 0, 0, false, 0);

/// Every metric of an alarm counts.
pub(super) fn alarm(demand: &mut DemandBuilder<'_>, attributes: &Attributes) {
    let queries = attributes.list("metric_query");
    let searches = |query: &&serde_json::Value| {
        let expression = query["expression"].as_str().unwrap_or_default();
        let expression = expression.trim_start().to_ascii_uppercase();
        expression.starts_with("SELECT") || expression.contains("SEARCH(")
    };
    if queries.iter().any(|query| searches(&query)) {
        demand.problem("how many metrics its query finds is not known");
    }
    let metrics = queries
        .iter()
        .filter(|query| {
            query["metric"]
                .as_array()
                .is_some_and(|list| !list.is_empty())
        })
        .count()
        .max(1);
    let period = attributes
        .number("period")
        .or_else(|| {
            queries
                .iter()
                .filter_map(|query| query["metric"][0]["period"].as_u64())
                .min()
                .map(Decimal::from)
        })
        .unwrap_or(MINUTE);
    let item = if period < MINUTE {
        "alarm high-resolution"
    } else {
        "alarm standard"
    };
    let edges = match attributes.text("threshold_metric_id") {
        Some(_) => ANOMALY,
        None => Decimal::ONE,
    };
    let metrics = Decimal::from(metrics) * edges;
    demand.fixed(Service::CloudWatch, item, Unit::AlarmMonth, metrics);
}

pub(super) fn log_group(demand: &mut DemandBuilder<'_>, attributes: &Attributes) {
    let class = match attributes.text("log_group_class") {
        None | Some("STANDARD") => "",
        Some("INFREQUENT_ACCESS") => " infrequent-access",
        Some(_) => {
            return demand.problem("log groups of its class have no price here");
        }
    };
    // What flow logs bring in has a price of its own and is asked for with them.
    let flow = attributes
        .text("name")
        .is_some_and(|name| name.contains("flow-log"));
    if !flow {
        demand.used(
            Service::CloudWatch,
            format!("log ingestion{class}"),
            Unit::Gb,
            "monthly_data_ingested_gb",
        );
    }
    demand.used(
        Service::CloudWatch,
        "log storage",
        Unit::GbMonth,
        "storage_gb",
    );
    let name = "monthly_data_scanned_gb";
    demand.used(Service::CloudWatch, "logs insights", Unit::Gb, name);
}

pub(super) fn flow_log(demand: &mut DemandBuilder<'_>, attributes: &Attributes) {
    let item = match attributes.text("log_destination_type") {
        None | Some("cloud-watch-logs") => "vended log ingestion".to_owned(),
        Some(other) => format!("vended log delivery {other}"),
    };
    demand.used(
        Service::CloudWatch,
        item,
        Unit::Gb,
        "monthly_data_ingested_gb",
    );
}

pub(super) fn subscription(demand: &mut DemandBuilder<'_>, attributes: &Attributes) {
    let item = match attributes.text("protocol") {
        Some("email" | "email-json") => "email",
        Some("http" | "https") => "http",
        // Delivery to these is free, but from a FIFO topic.
        Some("lambda" | "sqs") => return of_fifo_topic(demand, attributes),
        Some(other) => other,
        None => return demand.problem("its protocol is not known"),
    }
    .to_owned();
    demand.used(Service::Sns, item, Unit::Notification, "monthly_requests");
}

/// The name of a FIFO topic ends so.
const FIFO: &str = ".fifo";

fn of_fifo_topic(demand: &mut DemandBuilder<'_>, attributes: &Attributes) {
    let is_fifo =
        |topic: &crate::inventory::Resource| topic.attributes.flag("fifo_topic") == Some(true);
    match attributes.text("topic_arn") {
        Some(arn) if arn.ends_with(FIFO) => {
            let items = ["notifications fifo", "notification payload fifo"];
            by_payload(demand, items, Unit::Notification);
        }
        Some(_) => {}
        // Before it is there, its topic may be any that the stack makes.
        None => {
            if demand.inventory.of_kind("aws_sns_topic").any(is_fifo) {
                demand.problem(
                    "whether it takes from a FIFO topic is not known before that is there",
                );
            }
        }
    }
}

pub(super) fn machine(demand: &mut DemandBuilder<'_>, attributes: &Attributes) {
    if attributes.text("type") == Some("EXPRESS") {
        demand.problem("express workflows are not priced");
        return;
    }
    demand.used(
        Service::States,
        "state transitions",
        Unit::Transition,
        "monthly_transitions",
    );
}

pub(super) fn function(demand: &mut DemandBuilder<'_>, attributes: &Attributes) {
    demand.used(
        Service::Lambda,
        "requests",
        Unit::Request,
        "monthly_requests",
    );
    let (requests, of_requests) = demand.usage_of("monthly_requests");
    let (duration, of_duration) = demand.usage_of("request_duration_ms");
    let usage_source = of_requests.max(of_duration);
    let memory = attributes.number("memory_size").unwrap_or(DEFAULT_MEMORY);
    let of = |scenario: Scenario| {
        requests
            .get(scenario)
            .checked_mul(duration.get(scenario) / MILLISECONDS)
            .and_then(|seconds| seconds.checked_mul(memory / MEBIBYTES))
            .filter(|seconds| *seconds <= MOST_SECONDS)
    };
    let (Some(low), Some(expected), Some(high)) = (
        of(Scenario::Low),
        of(Scenario::Expected),
        of(Scenario::High),
    ) else {
        demand.problem("it would run longer than can be billed");
        return;
    };
    let architecture = attributes
        .list("architectures")
        .first()
        .and_then(|name| name.as_str())
        .unwrap_or("x86_64");
    let seconds = QuantityRange {
        low,
        expected,
        high,
    };
    storage_of(demand, attributes, (seconds, usage_source), memory);
    if let Some(scope) = demand.scope() {
        let item = format!("duration {architecture}");
        demand.add(
            scope,
            Service::Lambda,
            item,
            Unit::GbSecond,
            Basis::Usage,
            seconds,
            usage_source,
        );
    }
}

/// Storage of a function beyond what is included, for as long as the function runs.
/// <https://aws.amazon.com/lambda/pricing/>
fn storage_of(
    demand: &mut DemandBuilder<'_>,
    attributes: &Attributes,
    (seconds, source): (QuantityRange, UsageSource),
    memory: Decimal,
) {
    const INCLUDED: Decimal = Decimal::from_parts(512, 0, 0, false, 0);
    let block = attributes.list("ephemeral_storage").first();
    let size = block.and_then(|block| number(&block["size"]));
    let more = size.unwrap_or(INCLUDED) - INCLUDED;
    if more <= Decimal::ZERO || memory.is_zero() {
        return;
    }
    if let Some(scope) = demand.scope() {
        // Seconds are those of the memory, by the gibibyte.
        let amount = (seconds.times(more / memory), source);
        let item = "ephemeral storage";
        demand.used_in(scope, Service::Lambda, item, Unit::GbSecond, amount);
    }
}
