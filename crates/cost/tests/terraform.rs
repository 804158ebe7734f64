//! The Terraform tree of this repository, as far as it can be looked at without Terraform.
#![expect(clippy::unwrap_used, reason = "a test that cannot read the tree fails")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use cost::{Estimate, Inventory, Options, PriceBook, Usage};
use jiff::civil::date;
use serde_json::{Value, json};

fn types(directory: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            types(&path, found);
        } else if path.extension().is_some_and(|of| of == "tf") {
            let text = fs::read_to_string(&path).unwrap();
            let resources = text.lines().filter_map(|line| {
                line.strip_prefix("resource \"")
                    .and_then(|rest| rest.split('"').next())
            });
            found.extend(resources.map(str::to_owned));
        }
    }
}

#[test]
fn is_free_or_priced_is_every_type_of_the_tree() {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../terraform");
    let mut found = BTreeSet::new();
    types(&tree, &mut found);
    assert!(found.contains("aws_db_instance"), "{found:?}");
    let resources: Vec<_> = found
        .iter()
        .map(|kind| json!({"address": format!("{kind}.x"), "mode": "managed", "type": kind, "name": "x"}))
        .collect();
    let plan = json!({"format_version": "1.2", "planned_values": {"root_module": {"resources": resources}}});
    let region = "ca-central-1".parse().ok();
    let inventory = Inventory::from_terraform(plan.to_string().as_bytes(), region, region).unwrap();
    let book = PriceBook::builtin().unwrap();
    let options = Options::on(date(2026, 11, 22));
    let estimate = Estimate::new(&inventory, &Usage::default(), &book, options);
    assert!(estimate.unpriced.is_empty(), "{:?}", estimate.unpriced);
}

/// A plan of a service with a task definition of this size, in ca-central-1.
fn estimate_of_a_service(definitions: &[Value], service: Value) -> Estimate {
    let resource = |kind: &str, name: &str, values: &Value| {
        json!({
            "address": format!("module.application[0].{kind}.{name}"), "mode": "managed", "type": kind, "name": name,
            "values": values,
        })
    };
    let definitions = definitions.iter().enumerate();
    let mut resources: Vec<Value> = definitions
        .map(|(at, values)| resource("aws_ecs_task_definition", &format!("d{at}"), values))
        .collect();
    resources.push(resource("aws_ecs_service", "this", &service));
    resources.push(resource(
        "aws_appautoscaling_target",
        "this",
        &json!({"max_capacity": 6}),
    ));
    let plan = json!({"format_version": "1.2", "planned_values": {"root_module": {"resources": resources}}});
    let region = "ca-central-1".parse().ok();
    let inventory = Inventory::from_terraform(plan.to_string().as_bytes(), region, region).unwrap();
    let book = PriceBook::builtin().unwrap();
    Estimate::new(
        &inventory,
        &Usage::default(),
        &book,
        Options::on(date(2026, 11, 22)),
    )
}

#[test]
fn fargate_costs_its_tasks_by_the_size_in_the_definition_beside_it() {
    let arm = json!({"cpu": "512", "memory": "1024", "runtime_platform": [{"cpu_architecture": "ARM64"}]});
    let service = json!({"launch_type": "FARGATE", "desired_count": 2});
    let estimate = estimate_of_a_service(std::slice::from_ref(&arm), service.clone());
    assert!(estimate.problems.is_empty(), "{:?}", estimate.problems);
    // Two tasks of half a vCPU and 1 GB for 730 hours; six of them at most.
    // 730 × (0.03565 + 2 × 0.00389) = 31.7039, three times that 95.1117.
    let total = estimate.total;
    assert_eq!(total.expected.to_string(), "$31.70");
    assert_eq!(total.high.to_string(), "$95.11");

    // What is not known is told, and never counted as nothing.
    for (definitions, service) in [
        (vec![], service.clone()),
        (vec![arm.clone(), arm.clone()], service.clone()),
        (vec![json!({"memory": "1024"})], service),
        (vec![arm], json!({"launch_type": "EC2"})),
    ] {
        let estimate = estimate_of_a_service(&definitions, service);
        assert_eq!(estimate.problems.len(), 1, "{:?}", estimate.problems);
    }
}

#[test]
fn estimate_of_a_trail_is_a_lower_bound_where_its_events_have_no_price() {
    let plan = json!({"format_version": "1.2", "planned_values": {"root_module": {"resources": [
        {"address": "aws_cloudtrail.x", "mode": "managed", "type": "aws_cloudtrail", "name": "x"}]}}});
    let region = "ca-central-1".parse().ok();
    let inventory = Inventory::from_terraform(plan.to_string().as_bytes(), region, region).unwrap();
    let book = PriceBook::builtin().unwrap();
    let options = Options::on(date(2026, 11, 22));
    let estimate = Estimate::new(&inventory, &Usage::default(), &book, options);
    let items: Vec<_> = estimate
        .lines
        .iter()
        .map(|line| (line.key.item.as_str(), line.usd))
        .collect();
    assert_eq!(items, [("management events", None)]);
    assert!(estimate.lower_bound);
}

/// What has no price in the guide's table is easily forgotten: as much of it is in the stack of the settings as Terraform makes.
#[test]
fn stack_of_the_settings_has_as_many_alarms_and_secrets_as_terraform() {
    let settings = include_str!("../../../examples/berthcare-staging/infra.toml");
    let settings = settings::Settings::parse(settings, date(2026, 11, 22)).unwrap();
    let of_settings = Inventory::from_settings(&settings);
    let applied: Value =
        serde_json::from_str(include_str!("../../local-aws/src/stack/staging.json")).unwrap();
    for kind in [
        "aws_cloudwatch_metric_alarm",
        "aws_secretsmanager_secret",
        "aws_nat_gateway",
        "aws_eip",
        "aws_kms_key",
        "aws_s3_bucket",
    ] {
        let applied = applied["resources"].as_array().unwrap().iter();
        let applied = applied.filter(|of| of["type"] == kind).count();
        assert_eq!(of_settings.of_kind(kind).count(), applied, "{kind}");
    }
}
