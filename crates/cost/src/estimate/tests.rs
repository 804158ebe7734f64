use jiff::civil::date;
use report::Report as _;
use serde_json::{Value, json};
use settings::{Region, Settings};

use super::*;
use crate::prices::{Scope, Service};
use crate::testing::{stack, stack_in};

mod account;
mod data;
mod defaults;
mod network;
mod properties;
mod servers;

const GUIDE: &str = include_str!("../../../../examples/berthcare-staging/infra.toml");

fn region(name: &str) -> Region {
    name.parse().unwrap()
}

fn usd(text: &str) -> Usd {
    Usd::new(text.parse().unwrap())
}

fn options() -> Options {
    Options::on(date(2026, 11, 22))
}

fn guide() -> Inventory {
    Inventory::from_settings(&Settings::parse(GUIDE, date(2026, 11, 22)).unwrap())
}

fn estimate(inventory: &Inventory, usage: &str) -> Estimate {
    let usage = Usage::parse(usage).unwrap();
    Estimate::new(inventory, &usage, &PriceBook::builtin().unwrap(), options())
}

fn line<'e>(estimate: &'e Estimate, item: &str) -> &'e Line {
    estimate
        .lines
        .iter()
        .find(|line| line.key.item == item)
        .unwrap_or_else(|| panic!("no line {item}: {:#?}", estimate.lines))
}

fn expected(estimate: &Estimate, item: &str) -> Usd {
    line(estimate, item).usd.unwrap().expected
}

// aws-behaviour: 37
#[test]
fn estimate_of_the_guides_stack_line_by_line() {
    let estimate = estimate(&guide(), "");
    for (item, dollars) in [
        // 730 × 0.141 = 102.93; 100 × 0.254: together 128.33, where the guide has 120.
        ("instance postgresql db.t4g.medium multi-az", "102.93"),
        ("storage gp3 multi-az", "25.40"),
        // 2 × 730 × 0.018, where the guide has 30.
        ("node redis cache.t4g.micro", "26.28"),
        // 2 × 730 × 0.05, where the guide has 65, which is the price of us-east-1.
        ("nat gateway", "73.00"),
        // 100 GB × 0.05, not in the guide.
        ("nat gateway data", "5.00"),
        // 2 × 730 × 0.005, not in the guide.
        ("public ipv4", "7.30"),
        // 100 × 0.025 + 100,000 × 0.0055/1,000 + 1,000,000 × 0.00044/1,000 = 3.49, where the guide has 5.
        ("storage standard", "2.50"),
        ("requests tier 1 standard", "0.55"),
        ("requests tier 2 standard", "0.44"),
        // 100 × 0.085 + 1,000,000 × 0.01/10,000 = 9.50, where the guide has 10.
        ("to internet us", "8.50"),
        ("https requests us", "1.00"),
        // 100 × 0.09 + 2 × 50 × 0.01 = 10.
        ("out to internet", "9.00"),
        ("between zones", "1.00"),
        ("dashboard", "3.00"),
        ("alarm standard", "1.20"),
        ("key", "1.00"),
        ("secret", "1.20"),
    ] {
        let found = estimate
            .lines
            .iter()
            .find(|line| line.key.item == item && line.heading != Heading::Tables)
            .unwrap_or_else(|| panic!("no line {item}"));
        assert_eq!(found.usd.unwrap().expected, usd(dollars), "{item}");
    }
    assert!(!estimate.lower_bound, "{:#?}", estimate.problems);
    let beside = estimate.against_guide();
    assert_eq!(beside.guide, usd("245"));
    let of = |heading: Heading| {
        let row = beside.rows.iter().find(|row| row.heading == heading);
        row.unwrap().usd
    };
    assert_eq!(of(Heading::Rds), usd("128.33"));
    assert_eq!(of(Heading::S3), usd("3.49"));
    assert_eq!(of(Heading::CloudFront), usd("9.50"));
    assert_eq!(of(Heading::DataTransfer), usd("10.00"));
    assert!(beside.left_out > usd("9"));
    let sum: Usd = beside.rows.iter().map(|row| row.usd).sum();
    assert_eq!(sum, estimate.total.expected);
}

// aws-behaviour: 37
#[test]
fn estimate_of_another_region_has_its_prices_and_unknown_ones_are_not_nothing() {
    let here = region("ca-central-1");
    let us = estimate(&guide().moved(here, region("us-east-1")), "");
    assert_eq!(expected(&us, "nat gateway"), usd("65.70"));
    assert_eq!(
        expected(&us, "instance postgresql db.t4g.medium multi-az"),
        usd("94.17")
    );
    assert!(!us.lower_bound);
    let west = estimate(&guide().moved(here, region("ca-west-1")), "");
    let nat = line(&west, "nat gateway");
    assert_eq!((nat.usd, nat.missing), (None, Some(Missing::Price)));
    assert!(west.lower_bound);
    assert!(west.total.expected < us.total.expected);
    let text = west.document().to_markdown();
    assert!(
        text.contains("≥ $") && text.contains("price missing"),
        "{text}"
    );
}

#[test]
fn line_says_what_its_price_is_worth() {
    let estimate = estimate(&guide(), "");
    let redis = line(&estimate, "node redis cache.t4g.micro");
    assert_eq!(redis.remarks(), "price derived");
    assert_eq!(line(&estimate, "dashboard").remarks(), "price assumed");
    assert_eq!(line(&estimate, "storage gp3 multi-az").remarks(), "");
    assert_eq!(
        line(&estimate, "nat gateway data").remarks(),
        "default usage"
    );
    let mut later = options();
    later.oldest = date(2026, 9, 1);
    let book = PriceBook::builtin().unwrap();
    let later = Estimate::new(&guide(), &Usage::default(), &book, later);
    assert_eq!(line(&later, "nat gateway").remarks(), "price of 2026-08-29");
}

#[test]
fn estimate_rounds_a_line_once_and_resources_add_up_to_it() {
    // 40 × 30 × 0.20/1,000,000 of requests is nothing to a resource and 0.00 to the line.
    let lambda = ("aws_lambda_function", json!({}));
    let stack = stack(&[lambda.clone(), lambda.clone(), lambda]);
    let usage = "version: 0.1\nresource_type_default_usage:\n  aws_lambda_function:\n    monthly_requests: 10000\n    request_duration_ms: 0\n";
    let estimate = estimate(&stack, usage);
    // 3 × 0.002 = 0.006, one cent; rounded by resource it would be nothing.
    assert_eq!(expected(&estimate, "requests"), usd("0.01"));
    let parts: Usd = estimate.resources.iter().map(|of| of.usd.expected).sum();
    assert_eq!(parts.rounded(), usd("0.01"));
    assert_eq!(estimate.resources[0].usd.expected.rounded(), usd("0.00"));
}

#[test]
fn estimate_counts_tiers_and_allowances_over_all_resources() {
    let bucket = ("aws_s3_bucket", json!({}));
    let stack = stack(&[bucket.clone(), bucket]);
    let usage = "version: 0.1\nresource_type_default_usage:\n  aws_s3_bucket:\n    standard:\n      storage_gb: 30000\n";
    let both = estimate(&stack, usage);
    let storage = line(&both, "storage standard");
    // 51,200 × 0.025 + 8,800 × 0.024
    assert_eq!(storage.usd.unwrap().expected, usd("1491.20"));
    assert_eq!(storage.arithmetic(), "51,200 × $0.025 + 8,800 × $0.024");
    let mut free = options();
    free.free_tier = true;
    let book = PriceBook::builtin().unwrap();
    let free = Estimate::new(&guide(), &Usage::default(), &book, free);
    assert_eq!(expected(&free, "out to internet"), Usd::ZERO);
    assert_eq!(expected(&free, "to internet us"), Usd::ZERO);
    // The high usage is beyond the allowance: 900 × 0.09.
    let internet = line(&free, "out to internet").usd.unwrap();
    assert_eq!(internet.high, usd("81.00"));
}

#[test]
fn estimate_below_at_and_above_the_edges_of_each_type() {
    let one = |kind: &str, values: Value, usage: &str, item: &str| {
        let usage = format!("version: 0.1\nresource_type_default_usage:\n  {kind}: {{{usage}}}\n");
        expected(&estimate(&stack(&[(kind, values)]), &usage), item)
    };
    let bucket = |gb: &str| {
        one(
            "aws_s3_bucket",
            json!({}),
            &format!("standard: {{storage_gb: {gb}}}"),
            "storage standard",
        )
    };
    assert_eq!(bucket("51199"), usd("1279.98"));
    assert_eq!(bucket("51200"), usd("1280.00"));
    assert_eq!(bucket("51201"), usd("1280.02"));
    let cdn = |gb: &str| {
        let usage = format!("monthly_data_transfer_to_internet_gb: {{us: {gb}}}");
        one(
            "aws_cloudfront_distribution",
            json!({}),
            &usage,
            "to internet us",
        )
    };
    assert_eq!(cdn("10239"), usd("870.32"));
    assert_eq!(cdn("10240"), usd("870.40"));
    assert_eq!(cdn("10241"), usd("870.48"));
    // 10,240 × 0.085 + 40,960 × 0.08 + 1 × 0.06
    assert_eq!(cdn("51201"), usd("4147.26"));
    let database = |values: Value| {
        let inventory = stack_in("us-east-1", &[("aws_db_instance", values)]);
        estimate(&inventory, "")
    };
    let gp3 = |size: u32, iops: u32| {
        database(
            json!({"engine": "postgres", "instance_class": "db.t4g.medium", "storage_type": "gp3",
            "allocated_storage": size, "iops": iops}),
        )
    };
    let iops = |estimate: &Estimate| {
        let line = estimate
            .lines
            .iter()
            .find(|l| l.key.item == "iops gp3 single-az");
        line.map(|line| line.usd.unwrap().expected)
    };
    assert_eq!(iops(&gp3(399, 3_000)), None);
    assert_eq!(iops(&gp3(399, 3_001)), Some(usd("0.02")));
    assert_eq!(iops(&gp3(400, 12_000)), None);
    assert_eq!(iops(&gp3(400, 12_100)), Some(usd("2.00")));
}

#[test]
fn estimate_of_each_type_by_hand() {
    let stack = stack(&[
        (
            "aws_db_instance",
            json!({"engine": "postgres", "instance_class": "db.t4g.small", "multi_az": "true",
            "allocated_storage": 20, "storage_type": "gp3", "publicly_accessible": true, "manage_master_user_password": true}),
        ),
        (
            "aws_elasticache_replication_group",
            json!({"engine": "valkey", "node_type": "cache.t4g.small",
            "num_node_groups": 2, "replicas_per_node_group": 1}),
        ),
        ("aws_lb", json!({"subnets": ["a", "b", "c"]})),
        (
            "aws_vpc_endpoint",
            json!({"vpc_endpoint_type": "Interface", "subnet_ids": ["a", "b"]}),
        ),
        ("aws_vpc_endpoint", json!({"vpc_endpoint_type": "Gateway"})),
        (
            "aws_cloudwatch_metric_alarm",
            json!({"metric_query": [{"metric": []}, {"metric": [{"period": 60}]}, {"metric": [{"period": 60}]}]}),
        ),
        (
            "aws_secretsmanager_secret",
            json!({"replica": [{"region": "us-east-1"}]}),
        ),
        (
            "aws_dynamodb_table",
            json!({"billing_mode": "PAY_PER_REQUEST", "point_in_time_recovery": [{"enabled": true}],
            "replica": [{"region_name": "us-east-1"}]}),
        ),
        ("aws_route53_zone", json!({})),
        ("aws_kms_key", json!({})),
    ]);
    let usage = "version: 0.1
resource_type_default_usage:
  aws_lb: {new_connections: 50, active_connections: 3000, processed_bytes_gb: 1.5}
  aws_vpc_endpoint: {monthly_data_processed_gb: 10}
  aws_dynamodb_table: {monthly_write_request_units: 2000000, monthly_read_request_units: 4000000, storage_gb: 10, pitr_backup_storage_gb: 10}
  aws_kms_key: {monthly_requests: 10000}
";
    let estimate = estimate(&stack, usage);
    for (item, scope, dollars) in [
        (
            "instance postgresql db.t4g.small multi-az",
            "ca-central-1",
            "51.10",
        ),
        ("storage gp3 multi-az", "ca-central-1", "5.08"),
        // Four nodes.
        ("node valkey cache.t4g.small", "ca-central-1", "81.76"),
        ("alb", "ca-central-1", "18.07"),
        // Two units, for 50 connections a second.
        ("alb lcu", "ca-central-1", "12.85"),
        // Three zones and the database.
        ("public ipv4", "ca-central-1", "14.60"),
        ("interface endpoint", "ca-central-1", "16.06"),
        ("interface endpoint data", "ca-central-1", "0.10"),
        ("alarm standard", "ca-central-1", "0.20"),
        // Its own and the one that RDS keeps.
        ("secret", "ca-central-1", "0.80"),
        ("replica secret", "global", "0.40"),
        ("write", "ca-central-1", "1.38"),
        ("read", "ca-central-1", "0.55"),
        ("pitr", "ca-central-1", "2.20"),
        ("replicated write", "us-east-1", "1.25"),
        ("storage standard", "us-east-1", "2.50"),
        ("hosted zone", "global", "0.50"),
        ("key", "ca-central-1", "1.00"),
    ] {
        let line = estimate
            .lines
            .iter()
            .find(|line| line.key.item == item && line.key.scope.to_string() == scope);
        let found = line
            .unwrap_or_else(|| panic!("no line {item}"))
            .usd
            .unwrap();
        assert_eq!(found.expected, usd(dollars), "{item}");
    }
    assert!(estimate.problems.is_empty() && !estimate.lower_bound);
}

#[test]
fn estimate_of_replication_is_traffic_promise_requests_and_metrics() {
    let rule = json!([{"status": "Enabled", "destination": [{"storage_class": "STANDARD",
        "replication_time": [{"status": "Enabled"}], "metrics": [{"status": "Enabled"}]}]}]);
    let kind = "aws_s3_bucket_replication_configuration";
    let stack = stack(&[(kind, json!({"rule": rule}))]);
    let usage = format!(
        "version: 0.1\nresource_type_default_usage:\n  {kind}: {{monthly_replicated_gb: 50, monthly_replicated_objects: 100000}}\n"
    );
    let estimate = estimate(&stack, &usage);
    assert_eq!(expected(&estimate, "to us-east-1"), usd("1.00"));
    assert_eq!(expected(&estimate, "rtc us-east-1"), usd("0.75"));
    assert_eq!(line(&estimate, "rtc us-east-1").remarks(), "price derived");
    // A request in the DR region for each object.
    let puts = line(&estimate, "requests tier 1 standard");
    assert_eq!(puts.key.scope, Scope::Region(region("us-east-1")));
    assert_eq!(puts.usd.unwrap().expected, usd("0.50"));
    assert_eq!(expected(&estimate, "metric"), usd("1.20"));
    let mut lost = stack.clone();
    lost.dr_region = None;
    let lost = Estimate::new(
        &lost,
        &Usage::default(),
        &PriceBook::builtin().unwrap(),
        options(),
    );
    assert!(lost.lower_bound && lost.problems[0].problem.contains("name the DR region"));
}

#[test]
fn estimate_lists_unknown_types_classes_and_regions_and_never_takes_them_for_free() {
    let stack = stack(&[
        ("aws_eks_cluster", json!({"name": "a"})),
        (
            "aws_db_instance",
            json!({"engine": "postgres", "instance_class": "db.x99.huge", "allocated_storage": 20}),
        ),
        ("aws_elasticache_cluster", json!({"engine": "redis"})),
        ("aws_vpc", json!({})),
    ]);
    let estimate = estimate(&stack, "");
    assert!(estimate.lower_bound);
    assert_eq!(estimate.unpriced[0].kind, "aws_eks_cluster");
    assert_eq!(estimate.free_resources, 1);
    let huge = line(&estimate, "instance postgresql db.x99.huge single-az");
    assert_eq!((huge.usd, huge.missing), (None, Some(Missing::Price)));
    assert_eq!(estimate.problems[0].address, "aws_elasticache_cluster.x[2]");
    let text = estimate.document().to_terminal(None, false);
    for wanted in [
        "aws_eks_cluster.x[0]",
        "db.x99.huge",
        "node type is not known",
        "≥ $",
    ] {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
    let mut nowhere = stack.clone();
    nowhere.resources[1].region = None;
    let nowhere = Estimate::new(
        &nowhere,
        &Usage::default(),
        &PriceBook::builtin().unwrap(),
        options(),
    );
    let unplaced = |of: &Problem| of.problem.starts_with("its region is not known");
    assert!(nowhere.problems.iter().any(unplaced));
}

#[test]
fn estimate_of_a_misspelt_class_names_its_resource_and_the_nearest_class() {
    let database = json!({"engine": "postgres", "instance_class": "db.t4g.mediun", "multi_az": true,
        "storage_type": "gp3", "allocated_storage": 20});
    let misspelt = estimate(&stack(&[("aws_db_instance", database)]), "");
    let of = line(&misspelt, "instance postgresql db.t4g.mediun multi-az");
    assert_eq!(
        of.near.as_deref(),
        Some("did you mean instance postgresql db.t4g.medium multi-az?")
    );
    let text = misspelt.document().to_terminal(None, false);
    let hint = text.lines().find(|line| line.contains("did you mean"));
    assert!(
        hint.is_some_and(|line| line.contains("aws_db_instance.x[0]")),
        "{text}"
    );
    // Right, but nobody quotes its price here.
    let cache = json!({"engine": "redis", "node_type": "cache.r6g.large"});
    let elsewhere = estimate(&stack(&[("aws_elasticache_cluster", cache)]), "");
    let of = line(&elsewhere, "node redis cache.r6g.large");
    assert_eq!(of.near.as_deref(), Some("known in us-east-1"));
}

#[test]
fn estimate_json_holds_money_as_text() {
    let json = serde_json::to_value(estimate(&guide(), "")).unwrap();
    assert!(json["total"]["expected"].is_string());
    fn floats(value: &Value) -> bool {
        match value {
            Value::Number(number) => number.is_f64(),
            Value::Array(values) => values.iter().any(floats),
            Value::Object(values) => values.values().any(floats),
            _ => false,
        }
    }
    assert!(!floats(&json));
}

#[test]
fn service_codes_are_those_of_the_price_book() {
    let key = PriceKey {
        scope: Scope::Global,
        service: Service::Rds,
        item: "x".to_owned(),
    };
    assert_eq!(key.to_string(), "AmazonRDS x in global");
}

#[test]
fn estimate_counts_tiers_over_all_headings() {
    let of = |heading: Heading| Demand {
        address: "a".to_owned(),
        heading,
        key: PriceKey {
            scope: Scope::Region(region("ca-central-1")),
            service: Service::DataTransfer,
            item: "out to internet".to_owned(),
        },
        unit: Unit::Gb,
        basis: Basis::Usage,
        quantity: QuantityRange::fixed(Decimal::from(10_240)),
        usage_source: UsageSource::File,
    };
    let demands = Demands {
        list: vec![of(Heading::DataTransfer), of(Heading::Recovery)],
        ..Demands::default()
    };
    let book = PriceBook::builtin().unwrap();
    let estimate = Estimate::of_demands(demands, &book, options());
    let amounts: Vec<Usd> = estimate
        .lines
        .iter()
        .map(|line| line.usd.unwrap().expected)
        .collect();
    // 10,240 × 0.09, then 10,240 × 0.085.
    assert_eq!(amounts, [usd("921.60"), usd("870.40")]);
}

#[test]
fn alarm_on_an_anomaly_counts_the_edges_of_its_band() {
    let metric = |id: &str| json!({"id": id, "metric": [{"period": 300}]});
    let of = json!({"threshold_metric_id": "band", "metric_query": [{"id": "band", "expression": "ANOMALY_DETECTION_BAND(m)"}, metric("m")]});
    let anomaly = estimate(&stack(&[("aws_cloudwatch_metric_alarm", of)]), "");
    assert_eq!(
        line(&anomaly, "alarm standard")
            .quantity
            .expected
            .to_string(),
        "3"
    );
    let of = json!({"metric_query": [{"id": "q", "expression": " select avg(CPUUtilization) from \"AWS/EC2\""}]});
    let query = estimate(&stack(&[("aws_cloudwatch_metric_alarm", of)]), "");
    assert!(query.lower_bound);
}

#[test]
fn usage_without_a_rule_makes_a_lower_bound_only_where_there_is_some() {
    let of = |number: u32| {
        let usage = format!(
            "version: 0.1\nresource_usage:\n  aws_s3_bucket.x[0]: {{standard: {{monthly_select_data_scanned_gb: {number}}}}}\n"
        );
        let estimate = estimate(&stack(&[("aws_s3_bucket", json!({}))]), &usage);
        assert_eq!(estimate.notes.len(), 1, "{:?}", estimate.notes);
        estimate.lower_bound
    };
    assert!(!of(0) && of(1));
}
