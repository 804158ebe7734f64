use std::sync::{Arc, Mutex};

use aws_env::ErrorClass;
use aws_sdk_costexplorer::Client;
use aws_sdk_costexplorer::error::ErrorMetadata;
use aws_sdk_costexplorer::operation::get_cost_and_usage::{
    GetCostAndUsageError, GetCostAndUsageOutput,
};
use aws_sdk_costexplorer::types::{Group, MetricValue, ResultByTime};
use aws_smithy_mocks::{RuleMode, mock, mock_client};
use cost::aws::{CostQuery, billed};
use jiff::civil::date;

use crate::region;

fn query() -> CostQuery {
    CostQuery {
        month: date(2026, 10, 1),
        tags: vec![
            ("Project".to_owned(), "berthcare".to_owned()),
            ("Environment".to_owned(), "staging".to_owned()),
        ],
    }
}

fn page(service: &str, amount: &str, unit: &str, next: Option<&str>) -> GetCostAndUsageOutput {
    let value = MetricValue::builder().amount(amount).unit(unit).build();
    let group = Group::builder()
        .keys(service)
        .keys("CAN1-Multi-AZUsage:db.t4g.medium")
        .metrics("UnblendedCost", value)
        .build();
    let result = ResultByTime::builder()
        .groups(group)
        .estimated(next.is_none())
        .build();
    GetCostAndUsageOutput::builder()
        .results_by_time(result)
        .set_next_page_token(next.map(str::to_owned))
        .build()
}

#[tokio::test]
async fn billed_filters_a_month_by_tag_and_reads_its_last_page() {
    let asked = Arc::new(Mutex::new(String::new()));
    let seen = Arc::clone(&asked);
    let answers = mock!(Client::get_cost_and_usage)
        .match_requests(move |request| {
            *seen.lock().unwrap() = format!("{:?} {:?}", request.time_period(), request.filter());
            true
        })
        .sequence()
        .output(|| {
            page(
                "Amazon Relational Database Service",
                "102.9300000000",
                "USD",
                Some("2"),
            )
        })
        .output(|| page("AmazonCloudWatch", "1.2E-7", "USD", None))
        .build();
    let client = mock_client!(aws_sdk_costexplorer, [&answers]);
    let bill = billed(&client, region("us-east-1"), query()).await.unwrap();
    assert_eq!(bill.parts.len(), 2);
    assert_eq!(bill.parts[0].usd, "102.93".parse().unwrap());
    assert_eq!(bill.parts[1].usd, "0.00000012".parse().unwrap());
    assert!(bill.provisional);
    let asked = asked.lock().unwrap();
    for part in [
        "2026-10-01",
        "2026-11-01",
        "berthcare",
        "staging",
        "RecordType",
        "Credit",
        "Tax",
    ] {
        assert!(asked.contains(part), "{part}: {asked}");
    }
}

#[tokio::test]
async fn billed_without_permission_in_another_currency_or_without_end_is_an_error() {
    let denied = mock!(Client::get_cost_and_usage).then_error(|| {
        GetCostAndUsageError::generic(
            ErrorMetadata::builder()
                .code("AccessDeniedException")
                .build(),
        )
    });
    let client = mock_client!(aws_sdk_costexplorer, [&denied]);
    let error = billed(&client, region("us-east-1"), query())
        .await
        .unwrap_err();
    assert_eq!(error.class, ErrorClass::Denied);
    let yuan =
        mock!(Client::get_cost_and_usage).then_output(|| page("Amazon S3", "1", "CNY", None));
    let client = mock_client!(aws_sdk_costexplorer, [&yuan]);
    let error = billed(&client, region("us-east-1"), query())
        .await
        .unwrap_err();
    assert!(error.message.unwrap().contains("in CNY"));
    let endless =
        mock!(Client::get_cost_and_usage).then_output(|| page("Amazon S3", "1", "USD", Some("1")));
    let client = mock_client!(aws_sdk_costexplorer, RuleMode::MatchAny, [&endless]);
    let error = billed(&client, region("us-east-1"), query())
        .await
        .unwrap_err();
    assert!(error.message.unwrap().contains("more than 5 pages"));
    assert_eq!(endless.num_calls(), 5);
}
