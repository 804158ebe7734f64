use jiff::civil::date;

use super::*;
use crate::testing::stack_in;

fn one(kind: &str, values: Value, keys: &str) -> Estimate {
    let usage = format!("version: 0.1\nresource_type_default_usage:\n  {kind}: {{{keys}}}\n");
    let usage = Usage::parse(&usage).unwrap();
    let book = PriceBook::builtin().unwrap();
    let stack = stack_in("us-east-1", &[(kind, values)]);
    Estimate::new(&stack, &usage, &book, Options::on(date(2026, 11, 22)))
}

fn expected(estimate: &Estimate, item: &str) -> Usd {
    line(estimate, item).usd.unwrap().expected
}

#[test]
fn instance_is_billed_for_its_hours_volumes_metrics_credits_and_address() {
    let values = json!({"instance_type": "t3.medium", "monitoring": true, "associate_public_ip_address": true,
        "root_block_device": [{"volume_type": "gp3", "volume_size": 20, "iops": 3000, "throughput": 125}],
        "ebs_block_device": [{"volume_type": "io1", "volume_size": 40, "iops": 1000}]});
    let keys = "operating_system: linux, monthly_cpu_credit_hrs: 730";
    let all = one("aws_instance", values.clone(), keys);
    // 730 × 0.0416 = 30.368; 7 metrics at 0.30; two virtual CPUs for 730 hours at 0.05; 20 × 0.08; 40 × 0.125; 1,000 × 0.065.
    for (item, dollars) in [
        ("server linux t3.medium", "30.37"),
        ("metric", "2.10"),
        ("server cpu credits", "73.00"),
        ("volume gp3", "1.60"),
        ("volume io1", "5.00"),
        ("volume iops io1", "65.00"),
        ("public ipv4", "3.65"),
    ] {
        assert_eq!(expected(&all, item), usd(dollars), "{item}");
    }
    assert_eq!(all.lines.len(), 7);
    assert!(!all.lower_bound, "{:?}", all.problems);
    // A hundred hours only; an older type whose way to its volumes is billed.
    let old = json!({"instance_type": "r3.xlarge", "ebs_optimized": true, "associate_public_ip_address": false,
        "root_block_device": [{"volume_size": 8}]});
    let hundred = one(
        "aws_instance",
        old,
        "operating_system: linux, monthly_hrs: 100",
    );
    assert_eq!(expected(&hundred, "server linux r3.xlarge"), usd("33.30"));
    assert_eq!(expected(&hundred, "ebs optimized r3.xlarge"), usd("2.00"));
    assert_eq!(expected(&hundred, "volume gp2"), usd("0.80"));
    assert!(!hundred.lower_bound);
    // What is paid for another system has no price, and is no zero.
    let windows = one("aws_instance", values, "operating_system: windows");
    let hours = line(&windows, "server windows t3.medium");
    assert_eq!((hours.usd, hours.missing), (None, Some(Missing::Price)));
}

#[test]
fn instance_is_not_priced_in_full_where_its_image_subnet_template_or_market_decides() {
    let told = |values: Value, keys: &str| {
        let estimate = one("aws_instance", values, keys);
        assert!(estimate.lower_bound);
        let problems = estimate.problems.into_iter().map(|of| of.problem);
        problems.collect::<Vec<_>>().join("; ")
    };
    let bare = told(json!({"instance_type": "t3.medium"}), "monthly_hrs: 730");
    for problem in [
        "costs more than Linux",
        "decided by its subnet",
        "that of its image",
    ] {
        assert!(bare.contains(problem), "{problem}: {bare}");
    }
    let root = json!([{"volume_size": 8}]);
    let linux = "operating_system: linux";
    for (values, problem) in [
        (json!({}), "its instance type is not known"),
        (
            json!({"instance_market_options": [{"market_type": "spot"}]}),
            "spot capacity",
        ),
        (
            json!({"instance_type": "t3.medium", "launch_template": [{"id": "lt-1"}]}),
            "launch template",
        ),
        (
            json!({"instance_type": "t3.medium", "tenancy": "dedicated"}),
            "tenancy dedicated",
        ),
        (
            json!({"instance_type": "t3.medium", "root_block_device": [{"volume_type": "gp3"}]}),
            "size of a volume",
        ),
    ] {
        let mut values = values;
        values["associate_public_ip_address"] = json!(false);
        if values.get("root_block_device").is_none() {
            values["root_block_device"] = root.clone();
        }
        let told = told(values, linux);
        assert!(told.contains(problem), "{problem}: {told}");
        assert!(!told.contains(';'), "{told}");
    }
}

#[test]
fn volume_is_billed_for_what_its_type_does_not_include() {
    let of = |values: Value| {
        one(
            "aws_ebs_volume",
            values,
            "monthly_standard_io_requests: 1000000",
        )
    };
    let gp3 = |iops: u32, throughput: u32| {
        of(json!({"type": "gp3", "size": 40, "iops": iops, "throughput": throughput}))
            .total
            .expected
    };
    // 3.20, and 0.005 for each operation beyond 3,000, 0.04 for each MiB a second beyond 125.
    assert_eq!(gp3(3_000, 125), usd("3.20"));
    assert_eq!(gp3(3_001, 125), usd("3.21"));
    assert_eq!(gp3(4_000, 130), usd("8.40"));
    let magnetic = of(json!({"type": "standard", "size": 20}));
    assert_eq!(magnetic.total.expected, usd("1.05"));
    assert_eq!(of(json!({"size": 10})).total.expected, usd("1.00"));
    let io2 = |iops: u32| of(json!({"type": "io2", "size": 30, "iops": iops}));
    assert_eq!(io2(32_000).total.expected, usd("2083.75"));
    assert!(!io2(32_000).lower_bound && io2(32_001).lower_bound);
    assert_eq!(io2(32_001).total.expected, usd("2083.75"));
    for unknown in [json!({"type": "gp3"}), json!({"type": "io1", "size": 10})] {
        assert!(of(unknown).lower_bound);
    }
}

#[test]
fn fifo_topic_is_billed_by_the_message_and_by_its_bytes() {
    let fifo = json!({"fifo_topic": true});
    let topic = one(
        "aws_sns_topic",
        fifo.clone(),
        "monthly_requests: 2000000, request_size_kb: 64",
    );
    assert_eq!(expected(&topic, "requests fifo"), usd("0.60"));
    // 128 GB at 0.017.
    assert_eq!(expected(&topic, "payload fifo"), usd("2.18"));
    assert!(!topic.lower_bound);
    assert!(one("aws_sns_topic", fifo.clone(), "monthly_requests: 2000000").lower_bound);
    let queue = |topic: &str| json!({"protocol": "sqs", "topic_arn": topic});
    let keys = "monthly_requests: 6000000, request_size_kb: 64";
    let of_fifo = one(
        "aws_sns_topic_subscription",
        queue("arn:aws:sns:us-east-1:1:a.fifo"),
        keys,
    );
    assert_eq!(expected(&of_fifo, "notifications fifo"), usd("0.06"));
    // 384 GB at 0.001.
    assert_eq!(expected(&of_fifo, "notification payload fifo"), usd("0.38"));
    let plain = one(
        "aws_sns_topic_subscription",
        queue("arn:aws:sns:us-east-1:1:a"),
        keys,
    );
    assert!(plain.lines.is_empty() && !plain.lower_bound);
    let unknown = json!({"protocol": "sqs"});
    let both = [
        ("aws_sns_topic", fifo),
        ("aws_sns_topic_subscription", unknown.clone()),
    ];
    let problems = crate::testing::price(&stack_in("us-east-1", &both)).problems;
    assert!(
        problems
            .iter()
            .any(|of| of.problem.contains("takes from a FIFO topic"))
    );
    assert!(!one("aws_sns_topic_subscription", unknown, keys).lower_bound);
}

#[test]
fn authority_is_billed_by_the_month_and_by_tiers_of_certificates() {
    let of = |mode: &str, count: u32| {
        let keys = format!("monthly_requests: {count}");
        one(
            "aws_acmpca_certificate_authority",
            json!({"usage_mode": mode}),
            &keys,
        )
        .total
        .expected
    };
    let general = "GENERAL_PURPOSE";
    assert_eq!(of(general, 0), usd("400.00"));
    assert_eq!(of(general, 1_000), usd("1150.00"));
    assert_eq!(of(general, 1_001), usd("1150.35"));
    assert_eq!(of(general, 10_000), usd("4300.00"));
    assert_eq!(of(general, 20_000), usd("4310.00"));
    assert_eq!(of("SHORT_LIVED_CERTIFICATE", 20_001), usd("1210.06"));
}
