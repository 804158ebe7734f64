//! Faults as clients see them.

use std::time::Duration;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType,
    ScalarAttributeType,
};
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use local_aws::{Fault, FaultKind};

use crate::clients::{create_bucket, dynamodb, iam, s3, start_or_return};

#[tokio::test]
async fn each_service_is_throttled_in_its_own_words() {
    let aws = start_or_return!();
    aws.add_fault(Fault::new(FaultKind::SlowDown));
    let error = s3(&aws, "us-east-1")
        .list_buckets()
        .send()
        .await
        .unwrap_err();
    assert_eq!(error.raw_response().unwrap().status().as_u16(), 503);
    assert_eq!(error.code(), Some("SlowDown"));
    let error = dynamodb(&aws, "us-east-1")
        .list_tables()
        .send()
        .await
        .unwrap_err();
    assert_eq!(
        ProvideErrorMetadata::code(&error),
        Some("ThrottlingException")
    );
    let error = iam(&aws).list_roles().send().await.unwrap_err();
    assert_eq!(ProvideErrorMetadata::code(&error), Some("Throttling"));
    // HeadBucket has no body to read a code from.
    let error = s3(&aws, "us-east-1")
        .head_bucket()
        .bucket("b")
        .send()
        .await
        .unwrap_err();
    assert_eq!(error.raw_response().unwrap().status().as_u16(), 503);

    aws.clear_faults();
    aws.add_fault(Fault::new(FaultKind::Denied));
    let error = s3(&aws, "us-east-1")
        .list_buckets()
        .send()
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some("AccessDenied"));
    let error = dynamodb(&aws, "us-east-1")
        .list_tables()
        .send()
        .await
        .unwrap_err();
    assert_eq!(
        ProvideErrorMetadata::code(&error),
        Some("AccessDeniedException")
    );
    assert!(aws.log().iter().all(|entry| entry.fault.is_some()));
}

#[tokio::test]
async fn the_same_requests_meet_the_same_faults() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let aws = start_or_return!();
        aws.add_fault(
            Fault::new(FaultKind::SlowDown)
                .operation("ListBuckets")
                .share(0.3),
        );
        let client = s3(&aws, "us-east-1");
        for _ in 0..60 {
            let _ = client.list_buckets().send().await;
        }
        runs.push(
            aws.log()
                .iter()
                .map(|entry| entry.status)
                .collect::<Vec<_>>(),
        );
    }
    assert_eq!(runs[0], runs[1]);
    let hit = runs[0]
        .iter()
        .filter(|status| **status == Some(503))
        .count();
    assert!((8..30).contains(&hit), "{hit} of 60");
}

#[tokio::test]
async fn a_lost_answer_has_done_its_work_and_a_reset_has_not() {
    let aws = start_or_return!();
    let client = s3(&aws, "us-east-1");
    create_bucket(&client, "us-east-1", "objects").await;
    let put = |key: &str| {
        client
            .put_object()
            .bucket("objects")
            .key(key)
            .body(ByteStream::from_static(b"1"))
            .send()
    };

    aws.add_fault(
        Fault::new(FaultKind::RequestLost)
            .operation("PutObject")
            .times(1),
    );
    put("request-lost").await.unwrap_err();
    aws.add_fault(
        Fault::new(FaultKind::ResponseLost)
            .resource("objects/lost")
            .times(1),
    );
    put("lost").await.unwrap_err();
    aws.add_fault(
        Fault::new(FaultKind::BadGateway)
            .resource("objects/proxied")
            .times(1),
    );
    let proxied = put("proxied").await.unwrap_err();
    let raw = proxied.raw_response().unwrap();
    assert_eq!(raw.status().as_u16(), 502);
    assert!(raw.headers().get("x-amz-request-id").is_none());
    put("fine").await.unwrap();

    let list = client
        .list_objects_v2()
        .bucket("objects")
        .send()
        .await
        .unwrap();
    let keys: Vec<_> = list
        .contents()
        .iter()
        .filter_map(|object| object.key())
        .collect();
    assert_eq!(keys, ["fine", "lost", "proxied"]);
    let seen: Vec<_> = aws
        .log()
        .into_iter()
        .filter(|entry| entry.operation == "PutObject")
        .map(|e| (e.status, e.fault))
        .collect();
    assert_eq!(
        seen,
        [
            (None, Some("request-lost".into())),
            (None, Some("response-lost".into())),
            (Some(502), Some("bad-gateway".into())),
            (Some(200), None)
        ]
    );
    assert!(aws.faults().iter().all(|(_, fault)| fault.times == Some(0)));
}

#[tokio::test]
async fn nth_loses_exactly_that_request_or_its_response() {
    let aws = start_or_return!();
    let client = s3(&aws, "us-east-1");
    create_bucket(&client, "us-east-1", "objects").await;
    for (kind, name, kept) in [
        (FaultKind::RequestLost, "request-lost", vec!["0", "2"]),
        (
            FaultKind::ResponseLost,
            "response-lost",
            vec!["0", "1", "2"],
        ),
    ] {
        aws.clear_log();
        aws.clear_faults();
        let second = Fault::new(kind)
            .service("s3")
            .operation("PutObject")
            .region("us-east-1");
        aws.add_fault(second.resource(format!("objects/{name}/*")).nth(2));
        let mut failed = Vec::new();
        for key in ["0", "1", "2"] {
            // Neither of these matches, and so neither is counted.
            s3(&aws, "us-east-1").list_buckets().send().await.unwrap();
            let put = |key| client.put_object().bucket("objects").key(key).send();
            put(format!("elsewhere/{key}")).await.unwrap();
            let left = aws.faults()[0].1.times;
            assert_eq!(left, Some(u64::from(failed.is_empty())), "{name} {key}");
            if put(format!("{name}/{key}")).await.is_err() {
                failed.push(key);
            }
        }
        assert_eq!(failed, ["1"], "{name}");
        let list = client
            .list_objects_v2()
            .bucket("objects")
            .prefix(format!("{name}/"));
        let list = list.send().await.unwrap();
        let keys: Vec<_> = list
            .contents()
            .iter()
            .filter_map(|object| object.key())
            .collect();
        let expected: Vec<_> = kept.iter().map(|key| format!("{name}/{key}")).collect();
        assert_eq!(keys, expected);
        let hit: Vec<_> = aws
            .log()
            .into_iter()
            .filter(|entry| entry.fault.is_some())
            .collect();
        assert_eq!(hit.len(), 1, "{hit:?}");
        assert_eq!((hit[0].status, hit[0].fault.as_deref()), (None, Some(name)));
    }
}

#[tokio::test]
async fn a_conditional_write_whose_answer_is_lost_is_refused_the_second_time() {
    let aws = start_or_return!();
    let client = dynamodb(&aws, "ca-central-1");
    client
        .create_table()
        .table_name("locks")
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(
            AttributeDefinition::builder()
                .attribute_name("LockID")
                .attribute_type(ScalarAttributeType::S)
                .build()
                .unwrap(),
        )
        .key_schema(
            KeySchemaElement::builder()
                .attribute_name("LockID")
                .key_type(KeyType::Hash)
                .build()
                .unwrap(),
        )
        .send()
        .await
        .unwrap();
    aws.add_fault(
        Fault::new(FaultKind::ResponseLost)
            .service("dynamodb")
            .operation("PutItem")
            .times(1),
    );
    let put = || {
        client
            .put_item()
            .table_name("locks")
            .item("LockID", AttributeValue::S("a".into()))
            .condition_expression("attribute_not_exists(LockID)")
            .send()
    };
    assert!(
        put().await.unwrap_err().as_service_error().is_none(),
        "the answer is lost"
    );
    assert!(
        put()
            .await
            .unwrap_err()
            .into_service_error()
            .is_conditional_check_failed_exception()
    );
}

#[tokio::test]
async fn latency_holds_one_request_and_not_the_others() {
    let aws = start_or_return!();
    // Longer than any test runs.
    let hour = Duration::from_secs(3600);
    aws.add_fault(
        Fault::new(FaultKind::Latency(hour))
            .operation("ListBuckets")
            .times(1),
    );
    let client = s3(&aws, "us-east-1");
    let slow = tokio::spawn({
        let client = client.clone();
        async move { client.list_buckets().send().await }
    });
    while aws.faults()[0].1.times != Some(0) {
        tokio::task::yield_now().await;
    }
    client.list_buckets().send().await.unwrap();
    assert!(!slow.is_finished());
    slow.abort();
    let entry = loop {
        if let [fast, slow] = &aws.log()[..] {
            assert_eq!((fast.status, fast.fault.as_deref()), (Some(200), None));
            break slow.clone();
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(
        (entry.status, entry.fault.as_deref()),
        (None, Some("latency"))
    );
}
