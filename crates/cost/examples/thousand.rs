//! Reads and prices a plan of 1,000 resources, or as many as the first argument says, and tells how long it
//! took and how much memory the process had at most.
//!
//!     cargo run --release -p cost --example thousand
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::error::Error;
use std::fs;
use std::time::Instant;

use cost::{Estimate, Inventory, Options, PriceBook, Usage};
use jiff::civil::date;
use serde_json::{Value, json};

/// Kinds that a staging stack has, each with a policy beside it that is as long as real ones are.
const KINDS: [&str; 8] = [
    "aws_s3_bucket",
    "aws_iam_role",
    "aws_nat_gateway",
    "aws_eip",
    "aws_cloudwatch_metric_alarm",
    "aws_cloudwatch_log_group",
    "aws_db_instance",
    "aws_security_group",
];

fn main() -> Result<(), Box<dyn Error>> {
    let count: usize = match std::env::args().nth(1) {
        Some(count) => count.parse()?,
        None => 1_000,
    };
    let file = std::env::temp_dir().join(format!("cost-plan-{count}.json"));
    if !file.exists() {
        fs::write(&file, plan(count).to_string())?;
        println!("wrote {}; run again to measure", file.display());
        return Ok(());
    }
    let started = Instant::now();
    let json = fs::read(&file)?;
    let inventory = Inventory::from_terraform(&json, None, None)?;
    let book = PriceBook::builtin()?;
    let options = Options::on(date(2026, 11, 22));
    let estimate = Estimate::new(&inventory, &Usage::default(), &book, options);
    let took = started.elapsed();
    println!(
        "{} resources, {} bytes, {} lines, {} a month: {} ms",
        inventory.resources.len(),
        json.len(),
        estimate.lines.len(),
        estimate.total.expected,
        took.as_millis()
    );
    let status = fs::read_to_string("/proc/self/status")?;
    if let Some(peak) = status.lines().find(|line| line.starts_with("VmHWM")) {
        println!("{peak}");
    }
    Ok(())
}

fn plan(count: usize) -> Value {
    let values = |at: usize| {
        json!({
            "engine": "postgres", "instance_class": "db.t4g.medium", "storage_type": "gp3", "allocated_storage": 100,
            "name": format!("resource-{at}"), "policy": "x".repeat(1_500), "tags": {"Project": "p", "Owner": "o"},
        })
    };
    let of = |at: usize| (KINDS[at % KINDS.len()], format!("r{at}"));
    let planned: Vec<Value> = (0..count)
        .map(|at| {
            let (kind, name) = of(at);
            json!({"address": format!("{kind}.{name}"), "mode": "managed", "type": kind, "name": name, "values": values(at)})
        })
        .collect();
    let changes: Vec<Value> = (0..count)
        .map(|at| {
            let (kind, name) = of(at);
            json!({"address": format!("{kind}.{name}"), "type": kind, "change": {"actions": ["create"], "after": values(at)}})
        })
        .collect();
    let configured: Vec<Value> = (0..count)
        .map(|at| {
            let (kind, name) = of(at);
            json!({"address": format!("{kind}.{name}"), "provider_config_key": "aws"})
        })
        .collect();
    json!({
        "format_version": "1.2",
        "planned_values": {"root_module": {"resources": planned}},
        "resource_changes": changes,
        "configuration": {
            "provider_config": {"aws": {"expressions": {"region": {"constant_value": "ca-central-1"}}}},
            "root_module": {"resources": configured},
        },
    })
}
