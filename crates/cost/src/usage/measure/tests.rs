use serde_json::json;

use super::*;

fn state(kind: &str, values: serde_json::Value) -> Inventory {
    let state = json!({"format_version": "1.0", "values": {"root_module": {"resources": [
        {"address": format!("{kind}.x"), "mode": "managed", "type": kind, "name": "x", "values": values}]}}});
    let region = "ca-central-1".parse().ok();
    Inventory::from_terraform(state.to_string().as_bytes(), region, None).unwrap()
}

#[test]
fn statistic_makes_months_of_730_hours_of_all_days() {
    let values: Vec<Decimal> = [1, 2, 3].map(|gb| GIB * Decimal::from(gb)).into();
    // 6 GB in 30 days: 6 × 730 / 720.
    assert_eq!(
        Statistic::MonthlyGb.of(&values, 30),
        Some(Decimal::new(60_833, 4))
    );
    assert_eq!(Statistic::MeanGb.of(&values, 30), Some(Decimal::TWO));
    let rate = [GIB / DAY_SECONDS];
    assert_eq!(
        Statistic::RateToMonthlyGb.of(&rate, 30),
        Some(Decimal::new(304_167, 4))
    );
    assert_eq!(
        Statistic::PerSecond.of(&[DAY_SECONDS * Decimal::TEN], 5),
        Some(Decimal::TWO)
    );
    assert_eq!(Statistic::MonthlySum.of(&[], 30), None);
    assert_eq!(Statistic::MonthlySum.of(&[Decimal::ONE], 0), None);
}

#[test]
fn measures_of_a_distribution_are_in_virginia() {
    let (measures, _) = measures(&state("aws_cloudfront_distribution", json!({"id": "E1"})));
    assert_eq!(measures.len(), 2);
    for measure in measures {
        assert_eq!(measure.region.as_str(), "us-east-1");
        assert_eq!(measure.dimensions[1], ("Region", "Global".to_owned()));
    }
}

#[test]
fn measures_without_a_metric_or_a_name_are_unmeasured() {
    let (measured, missing) =
        measures(&state("aws_nat_gateway", json!({"region": "ca-central-1"})));
    assert!(measured.is_empty());
    assert!(missing[0].why.contains("use a state"), "{missing:?}");
    let (measured, missing) = measures(&state("aws_db_instance", json!({"id": "x"})));
    assert!(measured.is_empty() && missing[0].key == "additional_backup_storage_gb");
}

#[test]
fn measures_have_keys_of_the_usage_file() {
    for (kind, values) in [
        ("aws_nat_gateway", json!({"id": "nat-1"})),
        ("aws_s3_bucket", json!({"bucket": "b"})),
        ("aws_cloudfront_distribution", json!({"id": "E1"})),
        (
            "aws_db_instance_automated_backups_replication",
            json!({"source_db_instance_arn": "arn:aws:rds:ca-central-1:1:db:x"}),
        ),
        ("aws_cloudwatch_log_group", json!({"name": "g"})),
        (
            "aws_flow_log",
            json!({"log_destination": "arn:aws:logs:ca-central-1:1:log-group:g:*"}),
        ),
        ("aws_dynamodb_table", json!({"name": "t"})),
        ("aws_lb", json!({"arn_suffix": "app/x/1"})),
        ("aws_lambda_function", json!({"function_name": "f"})),
        ("aws_sns_topic", json!({"name": "t"})),
        ("aws_sqs_queue", json!({"name": "q"})),
    ] {
        let (found, _) = measures(&state(kind, values));
        assert!(!found.is_empty(), "{kind}");
        let keys = crate::usage_keys();
        // A load balancer of either name has the keys of aws_lb.
        for measure in found {
            let known = keys
                .iter()
                .any(|key| key.kind == kind && key.name == measure.key);
            assert!(known, "{kind} {}", measure.key);
        }
    }
}
