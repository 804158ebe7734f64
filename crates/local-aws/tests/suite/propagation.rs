//! Buckets and tables that were made a moment ago.

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, PointInTimeRecoverySpecification,
    ScalarAttributeType,
};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::{
    BucketVersioningStatus, DeleteMarkerReplication, DeleteMarkerReplicationStatus, Destination,
    ReplicationConfiguration, ReplicationRule, ReplicationRuleFilter, ReplicationRuleStatus,
    VersioningConfiguration,
};
use local_aws::{Fault, FaultKind};

use crate::clients::{create_bucket, dynamodb, s3, start_or_return};

async fn versioned(client: &aws_sdk_s3::Client, bucket: &str) {
    let on = VersioningConfiguration::builder()
        .status(BucketVersioningStatus::Enabled)
        .build();
    let put = client.put_bucket_versioning().bucket(bucket);
    put.versioning_configuration(on).send().await.unwrap();
}

async fn replicate(client: &aws_sdk_s3::Client, from: &str, to: &str) -> Result<(), String> {
    let destination = Destination::builder().bucket(format!("arn:aws:s3:::{to}"));
    let markers =
        DeleteMarkerReplication::builder().status(DeleteMarkerReplicationStatus::Disabled);
    let rule = ReplicationRule::builder()
        .id("all")
        .priority(1)
        .status(ReplicationRuleStatus::Enabled)
        .filter(ReplicationRuleFilter::builder().prefix("").build())
        .delete_marker_replication(markers.build())
        .destination(destination.build().unwrap());
    let configuration = ReplicationConfiguration::builder()
        .role("arn:aws:iam::000000000000:role/replication")
        .rules(rule.build().unwrap());
    let put = client.put_bucket_replication().bucket(from);
    let put = put.replication_configuration(configuration.build().unwrap());
    put.send().await.map(drop).map_err(said)
}

fn said<E: ProvideErrorMetadata>(error: SdkError<E>) -> String {
    let (code, message) = (error.code(), error.message());
    format!(
        "{}: {}",
        code.unwrap_or_default(),
        message.unwrap_or_default()
    )
}

// aws-behaviour: 40
#[tokio::test]
async fn new_bucket_is_not_there_for_its_first_calls() {
    let aws = start_or_return!();
    let (primary, dr) = (s3(&aws, "ca-central-1"), s3(&aws, "us-east-1"));
    create_bucket(&primary, "ca-central-1", "before").await;
    aws.add_fault(Fault::new(FaultKind::Propagating(2)));
    create_bucket(&primary, "ca-central-1", "state").await;
    create_bucket(&dr, "us-east-1", "state-dr").await;
    // What was there before is not young.
    versioned(&primary, "before").await;

    let head = dr
        .head_bucket()
        .bucket("state-dr")
        .send()
        .await
        .unwrap_err();
    assert_eq!(head.raw_response().unwrap().status().as_u16(), 404);
    let tags = dr.get_bucket_tagging().bucket("state-dr").send().await;
    assert_eq!(tags.unwrap_err().code(), Some("NoSuchBucket"));
    // Each has its own count.
    for _ in 0..2 {
        let list = primary.list_objects_v2().bucket("state").send().await;
        assert_eq!(list.unwrap_err().code(), Some("NoSuchBucket"));
    }
    versioned(&primary, "state").await;
    versioned(&dr, "state-dr").await;
    for _ in 0..2 {
        assert_eq!(
            replicate(&primary, "state", "state-dr").await.unwrap_err(),
            "InvalidRequest: Destination bucket must exist."
        );
    }
    replicate(&primary, "state", "state-dr").await.unwrap();
    let hits = aws.log().into_iter().filter(|entry| entry.fault.is_some());
    let hits: Vec<_> = hits.map(|entry| entry.fault.unwrap()).collect();
    assert_eq!(hits, ["propagating"; 6]);

    // One that was deleted and made again is young again.
    dr.delete_bucket().bucket("state-dr").send().await.unwrap();
    create_bucket(&dr, "us-east-1", "state-dr").await;
    dr.head_bucket()
        .bucket("state-dr")
        .send()
        .await
        .unwrap_err();
}

// aws-behaviour: 40
#[tokio::test]
async fn backups_of_a_new_table_are_unavailable_for_the_first_calls() {
    let aws = start_or_return!();
    let client = dynamodb(&aws, "ca-central-1");
    aws.add_fault(Fault::new(FaultKind::Propagating(1)).service("dynamodb"));
    let key = AttributeDefinition::builder()
        .attribute_name("LockID")
        .attribute_type(ScalarAttributeType::S);
    let schema = KeySchemaElement::builder()
        .attribute_name("LockID")
        .key_type(KeyType::Hash);
    let create = client.create_table().table_name("locks");
    let create = create.billing_mode(BillingMode::PayPerRequest);
    let create = create.attribute_definitions(key.build().unwrap());
    create
        .key_schema(schema.build().unwrap())
        .send()
        .await
        .unwrap();
    let enable = || {
        let on = PointInTimeRecoverySpecification::builder().point_in_time_recovery_enabled(true);
        let update = client.update_continuous_backups().table_name("locks");
        update
            .point_in_time_recovery_specification(on.build().unwrap())
            .send()
    };
    client
        .describe_table()
        .table_name("locks")
        .send()
        .await
        .unwrap();
    let error = enable().await.unwrap_err().into_service_error();
    assert!(
        error.is_continuous_backups_unavailable_exception(),
        "{error:?}"
    );
    enable().await.unwrap();
}
