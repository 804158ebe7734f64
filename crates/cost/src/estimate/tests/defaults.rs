use super::*;

fn priced(inventory: &Inventory, usage: Usage) -> Estimate {
    let book = PriceBook::builtin().unwrap();
    Estimate::new(inventory, &usage, &book, options())
}

#[test]
fn estimate_without_defaults_knows_only_what_the_file_says() {
    let stack = stack(&[
        ("aws_nat_gateway", json!({})),
        ("aws_s3_bucket", json!({})),
        ("aws_lb", json!({"internal": true})),
        // Kept for a day, so that it costs nothing however large it is.
        (
            "aws_elasticache_cluster",
            json!({"engine": "redis", "node_type": "cache.t4g.micro", "snapshot_retention_limit": 1}),
        ),
    ]);
    let nothing = priced(&stack, Usage::default().without_defaults());
    assert!(nothing.lower_bound);
    assert_eq!(nothing.usage, UsdRange::default());
    // 730 × (0.05 + 0.02475 + 0.018).
    assert_eq!(nothing.total.expected, usd("67.71"));
    let told: Vec<(&str, &str)> = nothing
        .problems
        .iter()
        .map(|of| (of.address.as_str(), of.problem.as_str()))
        .collect();
    let missing = "nobody says how much it is used: ";
    assert_eq!(
        told,
        [
            (
                "aws_nat_gateway.x[0]",
                &*format!("{missing}nat gateway data")
            ),
            (
                "aws_s3_bucket.x[1]",
                &*format!(
                    "{missing}requests tier 1 standard, requests tier 2 standard, storage standard"
                )
            ),
            (
                "aws_data_transfer.ca-central-1",
                &*format!("{missing}between zones, out to internet")
            ),
            ("aws_lb.x[2]", &*format!("{missing}alb lcu")),
        ]
    );

    let all = "version: 0.1
resource_usage:
  aws_data_transfer.ca-central-1: {monthly_intra_region_gb: 0, monthly_outbound_internet_gb: 10}
  aws_nat_gateway.x[0]: {monthly_data_processed_gb: 10}
  aws_s3_bucket.x[1]: {standard: {storage_gb: 1, monthly_tier_1_requests: 0, monthly_tier_2_requests: 0}}
  aws_lb.x[2]: {new_connections: 0, active_connections: 0, processed_bytes_gb: 0}
";
    let usage = || Usage::parse(all).unwrap();
    let whole = priced(&stack, usage().without_defaults());
    assert!(!whole.lower_bound, "{:?}", whole.problems);
    assert_eq!(whole.total, priced(&stack, usage()).total);
}

#[test]
fn quantity_that_is_made_of_several_is_as_sure_as_the_least_of_them() {
    let source = |usage: &str| {
        let usage = format!("version: 0.1\nresource_usage:\n  aws_lb.x[0]: {{{usage}}}\n");
        let usage = Usage::parse(&usage).unwrap();
        let stack = stack(&[("aws_lb", json!({}))]);
        line(&priced(&stack, usage), "alb lcu").usage_source
    };
    assert_eq!(source("new_connections: 1"), Some(UsageSource::Default));
    assert_eq!(
        source("new_connections: 1, active_connections: 1, processed_bytes_gb: 1"),
        Some(UsageSource::File)
    );
}

#[test]
fn estimate_tells_both_totals_whether_allowances_are_taken_off_or_not() {
    let of = |free_tier: bool| {
        let book = PriceBook::builtin().unwrap();
        let options = Options {
            free_tier,
            ..options()
        };
        Estimate::new(&guide(), &Usage::default(), &book, options)
    };
    let (without, with) = (of(false), of(true));
    assert_eq!(without.total, without.without_free_tier);
    assert_eq!(with.total, with.with_free_tier);
    assert_eq!(without.with_free_tier, with.with_free_tier);
    assert_eq!(without.without_free_tier, with.without_free_tier);
    assert!(with.total.expected < without.total.expected);
    for estimate in [without, with] {
        let text = estimate.document().to_markdown();
        assert!(
            text.contains("| Without free allowances | $244.43 | $270.39 |")
                && text.contains("| With free allowances |"),
            "{text}"
        );
    }
}

#[test]
fn estimate_as_it_is_paid_has_its_rate_and_taxes() {
    let rate = Rate::new(
        "CAD".parse().unwrap(),
        "1.3825".parse().unwrap(),
        date(2026, 11, 20),
    );
    let paid = estimate(&guide(), "").paid(rate.ok(), vec!["GST=5".parse().unwrap()]);
    let text = paid.document().to_markdown();
    assert!(
        text.contains("## What is paid, in CAD") && text.contains("| 373.81 CAD |"),
        "{text}"
    );
    let json = serde_json::to_value(&paid).unwrap();
    assert_eq!(json["invoice"]["rate"]["of"], "2026-11-20");
    assert_eq!(json["invoice"]["taxes"][0]["amount"]["expected"], "18.69");
    // Dollars stay what they are.
    assert_eq!(json["total"]["expected"], "270.39");
}
