use std::sync::{Arc, Mutex};

use aws_env::ErrorClass;
use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::error::ErrorMetadata;
use aws_sdk_cloudwatch::operation::get_metric_data::{
    GetMetricDataError, GetMetricDataInput, GetMetricDataOutput,
};
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{MetricDataResult, StatusCode};
use aws_smithy_mocks::{RuleMode, mock, mock_client};
use cost::aws::measure;
use cost::{Inventory, Measurement, Usage, UsageSource};
use jiff::civil::date;
use report::Silent;
use rust_decimal::Decimal;
use serde_json::json;

use crate::region;

const GB: f64 = 1_073_741_824.0;

fn stack() -> Inventory {
    let resource = |kind: &str, values: serde_json::Value| json!({"address": format!("{kind}.x"), "mode": "managed", "type": kind, "name": "x", "values": values});
    let state = json!({"format_version": "1.0", "values": {"root_module": {"resources": [
        resource("aws_nat_gateway", json!({"id": "nat-1"})),
        resource("aws_s3_bucket", json!({"bucket": "photos"})),
        resource("aws_kms_key", json!({})),
        resource("aws_cloudfront_distribution", json!({"id": "E1"})),
    ]}}});
    let region = "ca-central-1".parse().ok();
    Inventory::from_terraform(state.to_string().as_bytes(), region, None).unwrap()
}

async fn run_measure(client: Client) -> Result<Measurement, aws_env::Error> {
    measure(
        |_| client.clone(),
        &stack(),
        30,
        date(2026, 11, 26),
        &Silent,
    )
    .await
}

/// Namespace, metric, dimensions and statistic of each query, with its id.
fn queries(request: &GetMetricDataInput) -> Vec<(String, String)> {
    let queries = request.metric_data_queries().iter();
    queries
        .map(|query| {
            let stat = query.metric_stat().unwrap();
            let metric = stat.metric().unwrap();
            let dimensions: Vec<String> = metric
                .dimensions()
                .iter()
                .map(|d| format!("{}={}", d.name().unwrap(), d.value().unwrap()))
                .collect();
            let text = format!(
                "{} {} {} {} {}",
                metric.namespace().unwrap(),
                metric.metric_name().unwrap(),
                dimensions.join(","),
                stat.stat().unwrap(),
                stat.period().unwrap(),
            );
            (query.id().unwrap().to_owned(), text)
        })
        .collect()
}

fn result(id: &str, values: &[(i64, f64)]) -> MetricDataResult {
    let at = |day: &i64| DateTime::from_secs(1_792_281_600 + day * 86_400);
    MetricDataResult::builder()
        .id(id)
        .set_timestamps(Some(values.iter().map(|(day, _)| at(day)).collect()))
        .set_values(Some(values.iter().map(|(_, value)| *value).collect()))
        .status_code(StatusCode::Complete)
        .build()
}

#[tokio::test]
async fn measure_writes_a_usage_file_without_what_has_no_data() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let requests = Arc::clone(&seen);
    let answer = mock!(Client::get_metric_data).then_compute_output(move |request| {
        let asked = queries(request);
        let mut results = Vec::new();
        for (id, text) in &asked {
            let second = request.next_token().is_some();
            if text.contains("BytesInFromSource") {
                // The second page has the rest, and nothing else.
                results.push(result(id, &[(i64::from(second), 3.0 * GB)]));
            } else if !second && text.contains("BytesInFromDestination") {
                results.push(result(id, &[(0, 1.5 * GB)]));
            } else if !second && text.contains("StorageType=StandardStorage") {
                results.push(result(id, &[(0, 10.0 * GB), (1, 20.0 * GB)]));
            } else {
                results.push(result(id, &[]));
            }
        }
        let more = asked.iter().any(|(_, text)| text.contains("NATGateway"))
            && request.next_token().is_none();
        requests.lock().unwrap().push(asked);
        GetMetricDataOutput::builder()
            .set_metric_data_results(Some(results))
            .set_next_token(more.then(|| "2".to_owned()))
            .build()
    });
    let client = mock_client!(aws_sdk_cloudwatch, RuleMode::MatchAny, [&answer]);
    let measured = run_measure(client).await.unwrap();
    // Canada twice, Virginia for the distribution.
    assert_eq!(answer.num_calls(), 3);
    let seen = seen.lock().unwrap();
    let has = |text: &str| seen.iter().flatten().any(|(_, query)| query == text);
    assert!(
        has("AWS/NATGateway BytesInFromSource NatGatewayId=nat-1 Sum 86400"),
        "{seen:?}"
    );
    assert!(has(
        "AWS/S3 BucketSizeBytes BucketName=photos,StorageType=StandardStorage Average 86400"
    ));
    assert!(has(
        "AWS/S3 PutRequests BucketName=photos,FilterId=EntireBucket Sum 86400"
    ));
    assert!(has(
        "AWS/CloudFront Requests DistributionId=E1,Region=Global Sum 86400"
    ));
    let yaml = measured.to_yaml();
    let usage = Usage::parse(&yaml).unwrap();
    // Source 3 and 3, destination 1.5: 7.5 GB in 30 days, × 730 / 720.
    let nat = usage.of(
        "aws_nat_gateway.x",
        "aws_nat_gateway",
        "monthly_data_processed_gb",
    );
    assert_eq!(
        (nat.0.expected, nat.1),
        (Decimal::new(76_042, 4), UsageSource::File)
    );
    let stored = usage.of("aws_s3_bucket.x", "aws_s3_bucket", "standard.storage_gb");
    assert_eq!(stored.0.expected, Decimal::from(15));
    // No data is not zero.
    let requests = usage.of(
        "aws_s3_bucket.x",
        "aws_s3_bucket",
        "standard.monthly_tier_1_requests",
    );
    assert_eq!(
        (requests.0.expected, requests.1),
        (Decimal::from(25_000), UsageSource::Default)
    );
    assert!(
        yaml.contains("# standard.monthly_tier_1_requests: CloudWatch has no data of these days; it takes request metrics"),
        "{yaml}"
    );
    assert!(yaml.contains("# aws_cloudfront_distribution.x:"), "{yaml}");
    assert!(yaml.contains("data on 2 of 30 days"), "{yaml}");
    assert_eq!(measured.period.unwrap().from, date(2026, 10, 27));
}

#[tokio::test]
async fn measure_without_permission_is_an_error_and_not_a_month_of_nothing() {
    let denied = mock!(Client::get_metric_data).then_error(|| {
        GetMetricDataError::generic(ErrorMetadata::builder().code("AccessDenied").build())
    });
    let client = mock_client!(aws_sdk_cloudwatch, RuleMode::MatchAny, [&denied]);
    let error = run_measure(client).await.unwrap_err();
    assert_eq!(
        (error.class, error.call.region),
        (ErrorClass::Denied, region("ca-central-1"))
    );
    // The same for a part of an answer.
    let part = mock!(Client::get_metric_data).then_compute_output(|request| {
        let id = request.metric_data_queries()[0].id().unwrap();
        let result = MetricDataResult::builder()
            .id(id)
            .status_code(StatusCode::Forbidden)
            .build();
        GetMetricDataOutput::builder()
            .metric_data_results(result)
            .build()
    });
    let client = mock_client!(aws_sdk_cloudwatch, RuleMode::MatchAny, [&part]);
    assert_eq!(
        run_measure(client).await.unwrap_err().class,
        ErrorClass::Denied
    );
}

#[tokio::test]
async fn measure_of_an_endless_answer_is_an_error() {
    let endless = mock!(Client::get_metric_data).then_compute_output(|request| {
        let at: u32 = request
            .next_token()
            .map_or(0, |token| token.parse().unwrap());
        GetMetricDataOutput::builder()
            .next_token((at + 1).to_string())
            .build()
    });
    let client = mock_client!(aws_sdk_cloudwatch, RuleMode::MatchAny, [&endless]);
    let error = run_measure(client).await.unwrap_err();
    assert!(error.message.unwrap().contains("more than 50 pages"));
}
