use super::*;

fn database(values: &Value) -> (&'static str, Value) {
    let mut of = json!({"engine": "postgres", "engine_version": "16.4", "instance_class": "db.t4g.medium", "multi_az": true,
        "storage_type": "gp3", "allocated_storage": 100, "identifier": "main"});
    for (name, value) in values.as_object().unwrap() {
        of[name] = value.clone();
    }
    ("aws_db_instance", of)
}

#[test]
fn extended_support_is_billed_for_every_virtual_cpu_from_the_day_after_standard_support() {
    let hours = |version: &str, class: &str, today: Date| {
        let of = json!({"engine_version": version, "instance_class": class});
        let mut options = options();
        options.today = today;
        let inventory = stack_in("us-east-1", &[database(&of)]);
        let book = PriceBook::builtin().unwrap();
        let estimate = Estimate::new(&inventory, &Usage::default(), &book, options);
        let mut lines = estimate.lines.iter();
        let found = lines.find(|line| line.key.item.starts_with("extended support"));
        let found = found.map(|line| (line.key.item.clone(), line.quantity.expected.to_string()));
        (found, estimate.lower_bound)
    };
    let today = date(2026, 11, 22);
    // Two virtual CPUs in each of two zones for 730 hours.
    let year_1 = Some(("extended support year 1".to_owned(), "2920".to_owned()));
    assert_eq!(
        hours("12.22", "db.t4g.medium", today),
        (year_1.clone(), false)
    );
    assert_eq!(
        hours("13.18", "db.t4g.medium", date(2026, 3, 1)),
        (year_1, false)
    );
    assert_eq!(hours("13.18", "db.t4g.medium", date(2026, 2, 28)).0, None);
    assert_eq!(hours("16.4", "db.t4g.medium", today), (None, false));
    // The third year has no price here, and a version before every known one none at all.
    let year_3 = Some(("extended support year 3".to_owned(), "2920".to_owned()));
    assert_eq!(hours("11.22", "db.t4g.medium", today), (year_3, true));
    assert_eq!(hours("9.6", "db.t4g.medium", today), (None, true));
    assert_eq!(hours("12.22", "db.x2gd.medium", today), (None, true));

    let estimate = estimate(
        &stack_in("us-east-1", &[database(&json!({"engine_version": "12"}))]),
        "",
    );
    // 2,920 × 0.10.
    assert_eq!(
        expected(&estimate, "extended support year 1"),
        usd("292.00")
    );
}

#[test]
fn throughput_of_gp3_beyond_what_is_included_is_a_line() {
    for (size, throughput, more) in [
        (100, 125, None),
        (100, 126, Some("1")),
        (400, 500, None),
        (400, 750, Some("250")),
    ] {
        let of = json!({"allocated_storage": size, "storage_throughput": throughput});
        let estimate = estimate(&stack(&[database(&of)]), "");
        let line = estimate
            .lines
            .iter()
            .find(|line| line.key.item == "throughput gp3 multi-az");
        assert_eq!(
            line.map(|line| line.quantity.expected.to_string())
                .as_deref(),
            more
        );
        assert_eq!(estimate.lower_bound, more.is_some());
    }
}

#[test]
fn replica_takes_its_engine_and_storage_from_its_source() {
    for named in ["main", "arn:aws:rds:ca-central-1:123456789012:db:main"] {
        let replica = json!({"replicate_source_db": named, "instance_class": "db.t4g.medium", "multi_az": true, "identifier": "replica"});
        let both = stack(&[database(&json!({})), ("aws_db_instance", replica.clone())]);
        let both = estimate(&both, "");
        assert!(both.problems.is_empty(), "{:?}", both.problems);
        // 2 × 102.93, 2 × 25.40.
        assert_eq!(
            expected(&both, "instance postgresql db.t4g.medium multi-az"),
            usd("205.86")
        );
        assert_eq!(expected(&both, "storage gp3 multi-az"), usd("50.80"));
        let alone = estimate(&stack(&[("aws_db_instance", replica)]), "");
        assert_eq!(alone.problems.len(), 2, "{:?}", alone.problems);
    }
}

#[test]
fn cache_snapshots_cost_for_every_day_after_the_first() {
    let gb = |days: u32| {
        let usage = "version: 0.1\nresource_type_default_usage:\n  aws_elasticache_cluster: {snapshot_storage_size_gb: 10}\n";
        let of = json!({"engine": "redis", "node_type": "cache.t4g.micro", "num_cache_nodes": 1, "snapshot_retention_limit": days});
        let estimate = estimate(&stack(&[("aws_elasticache_cluster", of)]), usage);
        let mut lines = estimate.lines.iter();
        let found = lines.find(|line| line.key.item == "backup storage");
        found.map(|line| line.quantity.expected.to_string())
    };
    assert_eq!((gb(0), gb(1)), (None, None));
    assert_eq!(gb(7).as_deref(), Some("60"));
}

#[test]
fn capacity_of_a_table_is_that_of_its_indexes_and_replicas_too() {
    let of = json!({"billing_mode": "PROVISIONED", "read_capacity": 5, "write_capacity": 10,
        "global_secondary_index": [{"read_capacity": 1, "write_capacity": 2}, {"read_capacity": 1, "write_capacity": 2}],
        "replica": [{"region_name": "us-east-1", "point_in_time_recovery": true}]});
    let table = estimate(&stack(&[("aws_dynamodb_table", of)]), "");
    let hours = |item: &str, region: &str| {
        let scope = Scope::Region(region.parse().unwrap());
        let mut lines = table.lines.iter();
        let of = lines.find(|line| line.key.item == item && line.key.scope == scope);
        of.map(|line| line.quantity.expected.to_string())
    };
    // 14 and 7 units for 730 hours.
    assert_eq!(
        hours("provisioned write", "ca-central-1").as_deref(),
        Some("10220")
    );
    assert_eq!(
        hours("provisioned read", "ca-central-1").as_deref(),
        Some("5110")
    );
    assert_eq!(
        hours("provisioned replicated write", "us-east-1").as_deref(),
        Some("10220")
    );
    assert_eq!(
        hours("provisioned read", "us-east-1").as_deref(),
        Some("5110")
    );
    assert!(hours("pitr", "us-east-1").is_some() && hours("pitr", "ca-central-1").is_none());

    let unknown = json!({"billing_mode": "PROVISIONED", "read_capacity": 5, "write_capacity": 10, "global_secondary_index": [{"name": "i"}]});
    let estimate = estimate(&stack(&[("aws_dynamodb_table", unknown)]), "");
    assert_eq!(estimate.problems.len(), 2, "{:?}", estimate.problems);
}

#[test]
fn estimate_of_a_reservation_is_paid_whether_it_runs_or_not() {
    let database = |engine: &str| json!({"engine": engine, "instance_class": "db.t3.large", "allocated_storage": 20});
    let usage = |payment: &str| {
        Usage::parse(&format!("version: 0.1\nresource_type_default_usage:\n  aws_db_instance: {{reserved_instance_term: 1_year, reserved_instance_payment_option: {payment}}}\n")).unwrap()
    };
    let book = PriceBook::builtin().unwrap();
    let mut stopped = options();
    stopped.database_hours_a_week = Decimal::from(84);
    let stack = stack_in("us-east-1", &[("aws_db_instance", database("mysql"))]);
    let none = Estimate::new(&stack, &usage("no_upfront"), &book, stopped);
    // 730 × 0.0957
    assert_eq!(
        expected(&none, "reserved mysql db.t3.large single-az 1yr no-upfront"),
        usd("69.86")
    );
    assert!(!none.lower_bound);
    let partial = Estimate::new(&stack, &usage("partial_upfront"), &book, stopped);
    assert!(partial.lower_bound && partial.problems[0].problem.contains("up front"));
    let on_demand = stack_in("us-east-1", &[("aws_db_instance", database("postgres"))]);
    let half = Estimate::new(&on_demand, &Usage::default(), &book, stopped);
    // Half of 730 × 0.145; storage stays.
    assert_eq!(
        expected(&half, "instance postgresql db.t3.large single-az"),
        usd("52.93")
    );
    assert_eq!(expected(&half, "storage gp2 single-az"), usd("2.30"));
}

/// Of one resource, with its use by the name of its type.
fn one(region: &str, kind: &str, values: Value, usage: &str) -> Estimate {
    let usage = format!("version: 0.1\nresource_type_default_usage:\n  {kind}: {{{usage}}}\n");
    estimate(&stack_in(region, &[(kind, values)]), &usage)
}

#[test]
fn performance_insights_beyond_a_week_are_billed_by_the_virtual_cpu() {
    let days = |days: u32, enabled: bool| {
        let of = json!({"instance_class": "db.t3.large", "multi_az": false, "storage_type": "gp2",
            "performance_insights_enabled": enabled, "performance_insights_retention_period": days});
        let estimate = estimate(&stack_in("us-east-1", &[database(&of)]), "");
        let mut lines = estimate.lines.iter();
        let line = lines.find(|line| line.key.item.starts_with("performance insights"));
        line.map(|line| line.usd.unwrap().expected)
    };
    assert_eq!((days(7, true), days(31, false)), (None, None));
    // Two virtual CPUs at 2.95.
    assert_eq!(days(8, true), Some(usd("5.90")));
}

#[test]
fn aurora_is_billed_for_storage_requests_backups_and_instances() {
    let cluster = json!({"engine": "aurora-mysql", "engine_version": "8.0.mysql_aurora.3.04.0", "backup_retention_period": 5,
        "serverlessv2_scaling_configuration": [{"min_capacity": 0.5, "max_capacity": 4}]});
    let usage = "storage_gb: 100, write_requests_per_sec: 10, read_requests_per_sec: 10, backup_snapshot_size_gb: 100";
    let of = one("us-east-1", "aws_rds_cluster", cluster.clone(), usage);
    assert_eq!(expected(&of, "aurora storage"), usd("10.00"));
    // 20 a second for 2,628,000 seconds at 0.20 a million.
    assert_eq!(expected(&of, "aurora io"), usd("10.51"));
    // Four days beyond the first.
    assert_eq!(expected(&of, "aurora backup storage"), usd("8.40"));
    let optimized = json!({"engine": "aurora-mysql", "storage_type": "aurora-iopt1"});
    let optimized = one("us-east-1", "aws_rds_cluster", optimized, usage);
    assert!(
        optimized
            .lines
            .iter()
            .all(|line| line.key.item != "aurora io")
    );
    assert!(optimized.lower_bound);

    let instances = |class: &str| {
        let instance = json!({"engine": "aurora-mysql", "instance_class": class});
        let both = [
            ("aws_rds_cluster", cluster.clone()),
            ("aws_rds_cluster_instance", instance),
        ];
        let both = estimate(&stack_in("us-east-1", &both), "");
        assert!(both.problems.is_empty(), "{:?}", both.problems);
        both
    };
    let provisioned = instances("db.t3.medium");
    // 730 × 0.082.
    let item = "instance aurora-mysql db.t3.medium single-az";
    assert_eq!(expected(&provisioned, item), usd("59.86"));
    // 730 × 0.5 × 0.12, and up to four units.
    let serverless = instances("db.serverless");
    let range = line(&serverless, "aurora serverless v2").usd.unwrap();
    assert_eq!((range.expected, range.high), (usd("43.80"), usd("350.40")));
    let alone = json!({"engine": "aurora-mysql", "instance_class": "db.t3.medium"});
    let alone = estimate(
        &stack_in("us-east-1", &[("aws_rds_cluster_instance", alone)]),
        "",
    );
    assert!(alone.lower_bound);
}

#[test]
fn proxy_is_billed_by_the_size_of_the_database_behind_it() {
    let stack = |identifier: &str| {
        let stack = stack(&[
            database(&json!({"instance_class": "db.t4g.large"})),
            ("aws_db_proxy", json!({"name": "p"})),
            (
                "aws_db_proxy_target",
                json!({"db_instance_identifier": identifier}),
            ),
        ]);
        estimate(&stack, "")
    };
    // Two virtual CPUs for 730 hours at 0.016.
    assert_eq!(expected(&stack("main"), "proxy"), usd("23.36"));
    let lost = stack("another").problems;
    assert!(
        lost.iter().any(|of| of.problem.contains("not told apart")),
        "{lost:?}"
    );
}

#[test]
fn serverless_cache_is_billed_for_its_least_storage() {
    let of = |usage: &str, values: Value| {
        one(
            "ca-central-1",
            "aws_elasticache_serverless_cache",
            values,
            usage,
        )
    };
    let valkey = json!({"engine": "valkey"});
    let small = of("storage_gb: 0, monthly_ecpus: 4000000", valkey.clone());
    // 0.1 GB × 730 × 0.092, and 4 × 0.0025.
    assert_eq!(expected(&small, "serverless valkey storage"), usd("6.72"));
    assert_eq!(expected(&small, "serverless valkey ecpu"), usd("0.01"));
    assert_eq!(
        expected(&of("storage_gb: 2", valkey), "serverless valkey storage"),
        usd("134.32")
    );
    let least =
        json!({"engine": "valkey", "cache_usage_limits": [{"data_storage": [{"minimum": 1}]}]});
    assert_eq!(
        expected(&of("storage_gb: 0", least), "serverless valkey storage"),
        usd("67.16")
    );
}

#[test]
fn bucket_is_billed_by_class_also_for_what_is_deleted_early() {
    let usage = "one_zone_infrequent_access: {storage_gb: 100, monthly_tier_1_requests: 10000, monthly_data_retrieval_gb: 10},
    intelligent_tiering: {frequent_access_storage_gb: 100, infrequent_access_storage_gb: 100, monitored_objects: 100000},
    glacier_flexible_retrieval: {storage_gb: 100, early_delete_gb: 50, monthly_expedited_data_retrieval_gb: 10, monthly_expedited_data_retrieval_requests: 100},
    glacier_deep_archive: {monthly_standard_data_retrieval_requests: 1000}";
    let bucket = one("us-east-1", "aws_s3_bucket", json!({}), usage);
    for (item, dollars) in [
        ("storage onezone-ia", "1.00"),
        ("requests tier 1 onezone-ia", "0.10"),
        ("retrieval onezone-ia", "0.10"),
        ("storage intelligent-tiering frequent", "2.30"),
        ("storage intelligent-tiering infrequent", "1.25"),
        ("monitoring intelligent-tiering", "0.25"),
        // 150 GB × 0.0036.
        ("storage glacier", "0.54"),
        ("retrieval glacier expedited", "0.30"),
        ("retrieval requests glacier expedited", "1.00"),
        ("retrieval requests deep-archive standard", "0.10"),
    ] {
        assert_eq!(expected(&bucket, item), usd(dollars), "{item}");
    }
    assert!(!bucket.lower_bound);
}
