use std::collections::BTreeSet;

use jiff::civil::date;
use serde_json::{Value, json};

use super::*;
use crate::estimate::{Estimate, Options};
use crate::prices::PriceBook;
use crate::usage::Usage;

/// `aws_lb: access_logs …`, as the provider's schema has it.
const SCHEMA: &str = include_str!("../../../tests/fixtures/attributes.txt");

fn of_schema() -> impl Iterator<Item = (&'static str, BTreeSet<&'static str>)> {
    SCHEMA.lines().filter_map(|line| {
        let (kind, names) = line.split_once(": ")?;
        Some((kind, names.split_whitespace().collect()))
    })
}

fn top(path: &str) -> &str {
    path.split_once('.').map_or(path, |(top, _)| top)
}

#[test]
fn attribute_of_every_type_with_a_rule_is_in_one_class() {
    assert!(TYPES.is_sorted_by_key(|of| of.kind));
    let mut schema = 0;
    for (kind, names) in of_schema().filter(|(kind, _)| !kind.starts_with('#')) {
        let of = type_of(kind).unwrap_or_else(|| panic!("{kind} is in no class"));
        let unpriced: BTreeSet<&str> = of.unpriced.iter().map(|of| top(of.path)).collect();
        let all: Vec<&str> = of
            .priced
            .split_whitespace()
            .chain(of.free.split_whitespace())
            .chain(unpriced)
            .collect();
        let once: BTreeSet<&str> = all.iter().copied().collect();
        assert_eq!(
            once.len(),
            all.len(),
            "{kind} has an attribute in two classes"
        );
        let own: BTreeSet<&str> = names
            .into_iter()
            .filter(|name| !COMMON.contains(name))
            .collect();
        assert_eq!(once, own, "{kind}");
        schema += 1;
    }
    assert_eq!(schema, TYPES.len());
}

fn estimate(kind: &str, values: Value) -> Estimate {
    let plan = json!({"format_version": "1.2", "planned_values": {"root_module": {"resources": [
        {"address": format!("{kind}.x"), "mode": "managed", "type": kind, "name": "x", "values": values}]}}});
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

/// The value at the end of a path, in blocks.
fn at(path: &str, value: &Value) -> Value {
    let mut names = path.rsplit('.');
    let last = names.next().unwrap();
    let inner = json!({last: value});
    names.fold(inner, |inner, name| json!({name: [inner]}))
}

#[test]
fn unpriced_attribute_is_told_unless_it_costs_nothing() {
    for of in TYPES {
        for unpriced in of.unpriced {
            let problems = |value: Value| estimate(of.kind, at(unpriced.path, &value)).problems;
            let without = problems(Value::Null);
            for value in [json!("another"), json!(97)] {
                let with = problems(value);
                assert!(
                    with.len() > without.len(),
                    "{} {}: {with:?}",
                    of.kind,
                    unpriced.path
                );
            }
            let harmless = unpriced.without.iter().map(|text| json!(text));
            for value in harmless.chain([json!(""), json!(false), json!(0), json!([])]) {
                assert_eq!(problems(value), without, "{} {}", of.kind, unpriced.path);
            }
        }
    }
}

/// A type, how a resource of it is set, and another value for each attribute with a price.
type Mutations = (&'static str, Value, Vec<(&'static str, Value)>);

/// Of each type that has attributes with a price.
fn mutations() -> Vec<Mutations> {
    let balancer = || {
        (
            json!({"load_balancer_type": "application", "internal": false, "ip_address_type": "ipv4"}),
            vec![
                ("internal", json!(true)),
                ("ip_address_type", json!("dualstack-without-public-ipv4")),
                ("load_balancer_type", json!("network")),
                ("subnet_mapping", json!([{"allocation_id": "eipalloc-1"}])),
                ("subnets", json!(["a", "b", "c"])),
            ],
        )
    };
    let (alb, of_alb) = balancer();
    let (lb, of_lb) = balancer();
    vec![
        ("aws_alb", alb, of_alb),
        (
            "aws_acmpca_certificate_authority",
            json!({"usage_mode": "GENERAL_PURPOSE"}),
            vec![("usage_mode", json!("SHORT_LIVED_CERTIFICATE"))],
        ),
        (
            "aws_ebs_volume",
            json!({"type": "gp3", "size": 10}),
            vec![
                ("iops", json!(4_000)),
                ("size", json!(11)),
                ("throughput", json!(200)),
                ("type", json!("gp2")),
            ],
        ),
        (
            "aws_instance",
            json!({"instance_type": "r3.xlarge", "associate_public_ip_address": false,
                "root_block_device": [{"volume_size": 8}]}),
            vec![
                ("associate_public_ip_address", json!(true)),
                (
                    "ebs_block_device",
                    json!([{"volume_size": 8, "volume_type": "gp3"}]),
                ),
                ("ebs_optimized", json!(true)),
                ("instance_market_options", json!([{"market_type": "spot"}])),
                ("instance_type", json!("t3.medium")),
                ("monitoring", json!(true)),
                ("root_block_device", json!([{"volume_size": 9}])),
            ],
        ),
        (
            "aws_appautoscaling_policy",
            json!({"policy_type": "StepScaling"}),
            vec![("policy_type", json!("TargetTrackingScaling"))],
        ),
        (
            "aws_cloudtrail",
            json!({}),
            vec![
                (
                    "advanced_event_selector",
                    json!([{"field_selector": [{"field": "eventCategory", "equals": ["Data"]}]}]),
                ),
                (
                    "event_selector",
                    json!([{"include_management_events": true, "data_resource": [{"type": "AWS::S3::Object"}]}]),
                ),
                (
                    "insight_selector",
                    json!([{"insight_type": "ApiCallRateInsight"}]),
                ),
            ],
        ),
        (
            "aws_cloudwatch_log_group",
            json!({"name": "a"}),
            vec![
                ("log_group_class", json!("INFREQUENT_ACCESS")),
                ("name", json!("flow-logs")),
            ],
        ),
        (
            "aws_cloudwatch_metric_alarm",
            json!({"period": 60}),
            vec![
                (
                    "metric_query",
                    json!([{"metric": [{"period": 60}]}, {"metric": [{"period": 60}]}]),
                ),
                ("period", json!(10)),
                ("threshold_metric_id", json!("band")),
            ],
        ),
        (
            "aws_db_instance",
            json!({"engine": "postgres", "engine_version": "12.22", "instance_class": "db.t4g.small", "allocated_storage": 100,
                "storage_type": "gp3", "iops": 3000, "storage_throughput": 125, "multi_az": false,
                "performance_insights_enabled": true, "performance_insights_retention_period": 31}),
            vec![
                ("allocated_storage", json!(200)),
                ("engine", json!("mysql")),
                (
                    "engine_lifecycle_support",
                    json!("open-source-rds-extended-support-disabled"),
                ),
                ("engine_version", json!("16.4")),
                ("instance_class", json!("db.t4g.micro")),
                ("iops", json!(4000)),
                ("manage_master_user_password", json!(true)),
                ("monitoring_interval", json!(60)),
                ("multi_az", json!(true)),
                ("performance_insights_enabled", json!(false)),
                ("performance_insights_retention_period", json!(7)),
                ("publicly_accessible", json!(true)),
                ("storage_throughput", json!(250)),
                ("storage_type", json!("gp2")),
            ],
        ),
        (
            "aws_db_instance_automated_backups_replication",
            json!({}),
            vec![(
                "source_db_instance_arn",
                json!("arn:aws:rds:us-east-1:1:db:a"),
            )],
        ),
        (
            "aws_dynamodb_table",
            json!({"billing_mode": "PROVISIONED", "read_capacity": 5, "write_capacity": 5}),
            vec![
                ("billing_mode", json!("PAY_PER_REQUEST")),
                (
                    "global_secondary_index",
                    json!([{"read_capacity": 5, "write_capacity": 5}]),
                ),
                ("point_in_time_recovery", json!([{"enabled": true}])),
                ("read_capacity", json!(6)),
                ("replica", json!([{"region_name": "us-east-1"}])),
                ("table_class", json!("STANDARD_INFREQUENT_ACCESS")),
                ("write_capacity", json!(6)),
            ],
        ),
        (
            "aws_ecs_cluster",
            json!({}),
            vec![(
                "setting",
                json!([{"name": "containerInsights", "value": "enabled"}]),
            )],
        ),
        (
            "aws_ecs_service",
            json!({"launch_type": "FARGATE", "desired_count": 1}),
            vec![("launch_type", json!("EC2"))],
        ),
        (
            "aws_elasticache_cluster",
            json!({"engine": "redis", "engine_version": "7.1", "node_type": "cache.t4g.micro", "num_cache_nodes": 1}),
            vec![
                ("engine", json!("valkey")),
                ("engine_version", json!("5.0.6")),
                ("node_type", json!("cache.t4g.small")),
                ("num_cache_nodes", json!(2)),
                ("snapshot_retention_limit", json!(3)),
            ],
        ),
        (
            "aws_elasticache_replication_group",
            json!({"engine": "redis", "engine_version": "7.1", "node_type": "cache.t4g.micro"}),
            vec![
                ("engine", json!("valkey")),
                ("engine_version", json!("4.0.10")),
                ("node_type", json!("cache.t4g.small")),
                ("num_cache_clusters", json!(2)),
                ("num_node_groups", json!(2)),
                ("snapshot_retention_limit", json!(3)),
            ],
        ),
        (
            "aws_elasticache_serverless_cache",
            json!({"engine": "valkey"}),
            vec![
                (
                    "cache_usage_limits",
                    json!([{"data_storage": [{"minimum": 5}]}]),
                ),
                ("engine", json!("redis")),
            ],
        ),
        (
            "aws_flow_log",
            json!({}),
            vec![("log_destination_type", json!("s3"))],
        ),
        (
            "aws_kms_key",
            json!({"customer_master_key_spec": "SYMMETRIC_DEFAULT"}),
            vec![
                ("customer_master_key_spec", json!("RSA_4096")),
                ("enable_key_rotation", json!(true)),
            ],
        ),
        (
            "aws_kms_replica_key",
            json!({}),
            vec![("key_spec", json!("RSA_2048"))],
        ),
        (
            "aws_lambda_function",
            json!({"memory_size": 128}),
            vec![
                ("architectures", json!(["arm64"])),
                ("ephemeral_storage", json!([{"size": 1024}])),
                ("memory_size", json!(256)),
            ],
        ),
        ("aws_lb", lb, of_lb),
        (
            "aws_rds_cluster",
            json!({"engine": "aurora-postgresql", "engine_version": "12.22", "backup_retention_period": 1}),
            vec![
                ("backup_retention_period", json!(7)),
                ("engine", json!("mysql")),
                (
                    "engine_lifecycle_support",
                    json!("open-source-rds-extended-support-disabled"),
                ),
                ("engine_mode", json!("serverless")),
                ("engine_version", json!("16.4")),
                ("manage_master_user_password", json!(true)),
                ("storage_type", json!("aurora-iopt1")),
            ],
        ),
        (
            "aws_rds_cluster_instance",
            json!({"engine": "aurora-postgresql", "instance_class": "db.t3.large"}),
            vec![
                ("engine", json!("aurora-mysql")),
                ("instance_class", json!("db.serverless")),
                ("monitoring_interval", json!(60)),
                ("publicly_accessible", json!(true)),
            ],
        ),
        (
            "aws_route53_health_check",
            json!({"type": "HTTP", "request_interval": 30}),
            vec![
                ("measure_latency", json!(true)),
                ("request_interval", json!(10)),
                ("type", json!("HTTPS")),
            ],
        ),
        (
            "aws_s3_bucket_replication_configuration",
            json!({}),
            vec![("rule", json!([{"status": "Enabled", "destination": [{}]}]))],
        ),
        (
            "aws_secretsmanager_secret",
            json!({}),
            vec![("replica", json!([{"region": "us-east-1"}]))],
        ),
        (
            "aws_sfn_state_machine",
            json!({"type": "STANDARD"}),
            vec![("type", json!("EXPRESS"))],
        ),
        (
            "aws_sns_topic",
            json!({}),
            vec![("fifo_topic", json!(true))],
        ),
        (
            "aws_sns_topic_subscription",
            json!({"protocol": "email"}),
            vec![("protocol", json!("lambda"))],
        ),
        (
            "aws_sns_topic_subscription",
            json!({"protocol": "sqs", "topic_arn": "arn:aws:sns:us-east-1:1:a"}),
            vec![("topic_arn", json!("arn:aws:sns:us-east-1:1:a.fifo"))],
        ),
        (
            "aws_sqs_queue",
            json!({}),
            vec![("fifo_queue", json!(true))],
        ),
        (
            "aws_vpc_endpoint",
            json!({"vpc_endpoint_type": "Interface", "subnet_ids": ["a"]}),
            vec![
                ("subnet_ids", json!(["a", "b"])),
                ("vpc_endpoint_type", json!("GatewayLoadBalancer")),
            ],
        ),
        (
            "aws_wafv2_web_acl",
            json!({"scope": "REGIONAL"}),
            vec![
                ("rule", json!([{"name": "a"}])),
                ("rule_json", json!("[]")),
                ("scope", json!("CLOUDFRONT")),
            ],
        ),
    ]
}

/// Priced together with another resource or attribute, each with a test of its own.
const WITH_ANOTHER: &[(&str, &str)] = &[
    ("aws_appautoscaling_target", "max_capacity"),
    ("aws_db_instance", "identifier"),
    ("aws_db_instance", "replicate_source_db"),
    ("aws_ecs_service", "desired_count"),
    ("aws_ecs_task_definition", "cpu"),
    ("aws_ecs_task_definition", "memory"),
    ("aws_ecs_task_definition", "runtime_platform"),
    // What it lets a burstable instance use costs by a key of the usage file.
    ("aws_instance", "credit_specification"),
    (
        "aws_elasticache_replication_group",
        "replicas_per_node_group",
    ),
    ("aws_rds_cluster", "serverlessv2_scaling_configuration"),
];

#[test]
fn priced_attribute_changes_the_estimate() {
    let mut changed: BTreeSet<(&str, &str)> = WITH_ANOTHER.iter().copied().collect();
    for (kind, base, mutations) in mutations() {
        let before = estimate(kind, base.clone());
        for (name, value) in mutations {
            let mut values = base.clone();
            values[name] = value;
            let after = estimate(kind, values);
            assert_ne!(after, before, "{kind} {name}");
            changed.insert((kind, name));
        }
    }
    let priced: BTreeSet<(&str, &str)> = TYPES
        .iter()
        .flat_map(|of| of.priced.split_whitespace().map(|name| (of.kind, name)))
        .collect();
    assert_eq!(changed, priced);
}

#[test]
fn attribute_that_nobody_knows_is_told_once() {
    let values = json!({"name": "a", "one_more_thing": "on", "another_thing": null});
    let notes = estimate("aws_cloudwatch_log_group", values.clone()).notes;
    assert_eq!(
        notes,
        ["whether one_more_thing of aws_cloudwatch_log_group costs anything is not known here"]
    );
    // What has no rule is told as such.
    assert!(estimate("aws_eks_cluster", values).notes.is_empty());
}
