use super::*;

/// Of one resource in us-east-1, with its use.
fn one(kind: &str, values: Value, usage: &str) -> Estimate {
    let usage = format!("version: 0.1\nresource_usage:\n  {kind}.x[0]: {{{usage}}}\n");
    estimate(&stack_in("us-east-1", &[(kind, values)]), &usage)
}

#[test]
fn trail_is_billed_for_what_it_records_besides_the_first_copy() {
    let all = "monthly_additional_management_events: 100000, monthly_data_events: 200000, monthly_insight_events: 300000";
    let insights = json!({"insight_selector": [{"insight_type": "ApiCallRateInsight"}]});
    let trail = one("aws_cloudtrail", insights, all);
    assert_eq!(expected(&trail, "management events"), usd("2.00"));
    assert_eq!(expected(&trail, "data events"), usd("0.20"));
    assert_eq!(expected(&trail, "insight events"), usd("1.05"));
    // Management events alone, of which there may be a copy already.
    let plain = estimate(&stack_in("us-east-1", &[("aws_cloudtrail", json!({}))]), "");
    assert_eq!(
        (plain.total.expected, plain.total.high),
        (Usd::ZERO, usd("20.00"))
    );
    let network = json!({"advanced_event_selector": [{"field_selector": [{"field": "eventCategory", "equals": ["NetworkActivity"]}]}]});
    let network = estimate(&stack_in("us-east-1", &[("aws_cloudtrail", network)]), "");
    assert!(network.lower_bound);
}

#[test]
fn rule_of_config_is_billed_by_tiers() {
    let cost = |count: &str| {
        let usage = format!("monthly_rule_evaluations: {count}");
        expected(
            &one("aws_config_config_rule", json!({}), &usage),
            "rule evaluations",
        )
    };
    assert_eq!(cost("99999"), usd("100.00"));
    assert_eq!(cost("100000"), usd("100.00"));
    // The first 100,000 at 0.001, the next 400,000 at 0.0008, then 0.0005.
    assert_eq!(cost("100100"), usd("100.08"));
    assert_eq!(cost("500000"), usd("420.00"));
    assert_eq!(cost("500100"), usd("420.05"));
    let recorder = one(
        "aws_config_configuration_recorder",
        json!({}),
        "monthly_config_items: 1000",
    );
    assert_eq!(expected(&recorder, "configuration items"), usd("3.00"));
    let daily = json!({"recording_mode": [{"recording_frequency": "DAILY"}]});
    assert!(
        one(
            "aws_config_configuration_recorder",
            daily,
            "monthly_config_items: 1"
        )
        .lower_bound
    );
}

#[test]
fn vault_bus_and_registry_are_billed_by_use() {
    let vault = one(
        "aws_backup_vault",
        json!({}),
        "monthly_rds_snapshot_gb: 100, monthly_ebs_snapshot_gb: 100",
    );
    assert_eq!(expected(&vault, "rds snapshot"), usd("9.50"));
    assert_eq!(expected(&vault, "ebs snapshot"), usd("5.50"));
    // What has no price is no zero.
    assert!(
        one(
            "aws_backup_vault",
            json!({}),
            "monthly_dynamodb_backup_gb: 1"
        )
        .lower_bound
    );
    let bus = one(
        "aws_cloudwatch_event_bus",
        json!({}),
        "monthly_custom_events: 2000000, archive_storage_gb: 100",
    );
    assert_eq!(expected(&bus, "custom events"), usd("2.00"));
    assert_eq!(expected(&bus, "archive storage"), usd("2.30"));
    let images = one("aws_ecr_repository", json!({}), "storage_gb: 25");
    assert_eq!(expected(&images, "storage"), usd("2.50"));
    assert_eq!(
        line(&images, "storage").remarks(),
        "price from another tool's test data"
    );
}

#[test]
fn firewall_is_billed_by_its_list_rules_and_requests() {
    let group = |name: &str| json!({"name": name, "statement": [{"managed_rule_group_statement": [{"vendor_name": "AWS", "name": name}]}]});
    let rules = json!({"scope": "REGIONAL", "rule": [{"name": "a"}, group("AWSManagedRulesCommonRuleSet")]});
    let usage = "version: 0.1\nresource_usage:\n  aws_wafv2_web_acl.x[0]: {monthly_requests: 5000000, rule_group_rules: 3}\n";
    let of = |values: Value| estimate(&stack(&[("aws_wafv2_web_acl", values)]), usage);
    let priced = of(rules);
    assert!(!priced.lower_bound, "{:?}", priced.problems);
    assert_eq!(expected(&priced, "web acl"), usd("5.00"));
    assert_eq!(expected(&priced, "requests"), usd("3.00"));
    // Two rules, and three in a group.
    let rules: Usd = priced
        .lines
        .iter()
        .filter(|line| line.key.item == "rule")
        .map(|line| line.usd.unwrap().expected)
        .sum();
    assert_eq!(rules, usd("5.00"));
    let dearer =
        of(json!({"scope": "REGIONAL", "rule": [group("AWSManagedRulesBotControlRuleSet")]}));
    assert!(dearer.lower_bound);
    let captcha = of(json!({"scope": "REGIONAL", "rule": [{"action": [{"captcha": [{}]}]}]}));
    assert!(captcha.lower_bound);
    // That of a distribution, wherever its provider is.
    let edge = of(json!({"scope": "CLOUDFRONT"}));
    assert_eq!(
        line(&edge, "web acl").key.scope,
        Scope::Region(region("us-east-1"))
    );
}

#[test]
fn certificate_costs_nothing_unless_it_can_be_exported_or_is_private() {
    let of = |values: Value| estimate(&stack(&[("aws_acm_certificate", values)]), "");
    let public = of(json!({"domain_name": "example.com"}));
    assert!(!public.lower_bound && public.total == UsdRange::default());
    for dearer in [
        json!({"options": [{"export": "ENABLED"}]}),
        json!({"certificate_authority_arn": "arn:aws:acm-pca:ca-central-1:1:certificate-authority/a"}),
    ] {
        assert!(of(dearer).lower_bound);
    }
}

#[test]
fn message_is_billed_for_every_64_kilobytes_and_fifo_for_more() {
    let cost = |size: u32, fifo: bool| {
        let usage = format!("monthly_requests: 2000000, request_size_kb: {size}");
        let of = one("aws_sqs_queue", json!({"fifo_queue": fifo}), &usage);
        let mut lines = of.lines.iter();
        lines.find_map(|line| line.usd).unwrap().expected
    };
    assert_eq!(cost(0, false), usd("0.80"));
    assert_eq!(cost(64, false), usd("0.80"));
    assert_eq!(cost(65, false), usd("1.60"));
    assert_eq!(cost(64, true), usd("1.00"));
    let firehose = one(
        "aws_sns_topic_subscription",
        json!({"protocol": "firehose"}),
        "monthly_requests: 10000000",
    );
    assert_eq!(expected(&firehose, "firehose"), usd("1.90"));
}

#[test]
fn function_is_billed_for_storage_beyond_what_is_included() {
    let seconds = |size: u32| {
        let function = json!({"memory_size": 512, "ephemeral_storage": [{"size": size}]});
        let usage = "monthly_requests: 1000000, request_duration_ms: 1000";
        let of = one("aws_lambda_function", function, usage);
        let mut lines = of.lines.iter();
        let line = lines.find(|line| line.key.item == "ephemeral storage");
        line.map(|line| {
            (
                line.quantity.expected.normalize().to_string(),
                line.usd.unwrap().expected,
            )
        })
    };
    assert_eq!(seconds(512), None);
    // A million seconds of 512 MB more: 500,000 GB-seconds.
    assert_eq!(seconds(1024), Some(("500000".to_owned(), usd("0.02"))));
}
