//! Replication stands still while a region is down, and catches up in order.

use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, CreateReplicationGroupMemberAction,
    KeySchemaElement, KeyType, ReplicationGroupUpdate, ScalarAttributeType, StreamSpecification,
    StreamViewType,
};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    BucketVersioningStatus, DeleteMarkerReplication, DeleteMarkerReplicationStatus, Destination,
    ReplicationConfiguration, ReplicationRule, ReplicationRuleFilter, ReplicationRuleStatus,
    VersioningConfiguration,
};
use local_aws::{Base, LocalAws, RegionState};

use crate::clients::{create_bucket, dynamodb, s3, start_or_return};

pub(crate) struct Replicated {
    pub(crate) aws: LocalAws,
    pub(crate) primary: aws_sdk_s3::Client,
    pub(crate) dr: aws_sdk_s3::Client,
}

impl Replicated {
    pub(crate) async fn start() -> Option<Self> {
        let aws = crate::clients::start(Base::Ministack).await?;
        create_bucket(&s3(&aws, "ca-central-1"), "ca-central-1", "state").await;
        Some(Self::between(aws).await)
    }

    /// From a bucket that is there already.
    pub(crate) async fn between(aws: LocalAws) -> Self {
        let (primary, dr) = (s3(&aws, "ca-central-1"), s3(&aws, "us-east-1"));
        create_bucket(&dr, "us-east-1", "state-dr").await;
        for (client, bucket) in [(&primary, "state"), (&dr, "state-dr")] {
            let on = VersioningConfiguration::builder()
                .status(BucketVersioningStatus::Enabled)
                .build();
            client
                .put_bucket_versioning()
                .bucket(bucket)
                .versioning_configuration(on)
                .send()
                .await
                .unwrap();
        }
        let markers = DeleteMarkerReplication::builder()
            .status(DeleteMarkerReplicationStatus::Enabled)
            .build();
        let rule = ReplicationRule::builder()
            .id("all")
            .priority(1)
            .status(ReplicationRuleStatus::Enabled)
            .filter(ReplicationRuleFilter::builder().prefix("").build())
            .delete_marker_replication(markers)
            .destination(
                Destination::builder()
                    .bucket("arn:aws:s3:::state-dr")
                    .build()
                    .unwrap(),
            )
            .build()
            .unwrap();
        let configuration = ReplicationConfiguration::builder()
            .role("arn:aws:iam::000000000000:role/replication")
            .rules(rule)
            .build()
            .unwrap();
        let request = primary
            .put_bucket_replication()
            .bucket("state")
            .replication_configuration(configuration);
        request.send().await.unwrap();
        Self { aws, primary, dr }
    }

    async fn put(&self, key: &str, body: &'static str) -> String {
        let body = ByteStream::from_static(body.as_bytes());
        let put = self
            .primary
            .put_object()
            .bucket("state")
            .key(key)
            .tagging("team=a")
            .body(body);
        put.send().await.unwrap().version_id().unwrap().to_owned()
    }

    async fn source_status(&self, key: &str, version: &str) -> String {
        let head = self
            .primary
            .head_object()
            .bucket("state")
            .key(key)
            .version_id(version)
            .send()
            .await
            .unwrap();
        head.replication_status().unwrap().as_str().to_owned()
    }

    /// The object in the DR bucket, or the error's status.
    pub(crate) async fn replica(&self, key: &str) -> Result<String, u16> {
        match self
            .dr
            .get_object()
            .bucket("state-dr")
            .key(key)
            .send()
            .await
        {
            Ok(answer) => {
                Ok(String::from_utf8(answer.body.collect().await.unwrap().to_vec()).unwrap())
            }
            Err(error) => Err(error.raw_response().unwrap().status().as_u16()),
        }
    }
}

// aws-behaviour: 14
#[tokio::test]
async fn replication_waits_for_the_other_region() {
    let Some(pair) = Replicated::start().await else {
        return;
    };
    let version = pair.put("before", "1").await;
    assert_eq!(pair.source_status("before", &version).await, "COMPLETED");
    assert_eq!(pair.replica("before").await, Ok("1".into()));

    pair.aws.set_region("us-east-1", RegionState::Refuse);
    let first = pair.put("k", "1").await;
    let second = pair.put("k", "2").await;
    let dropped = pair.put("dropped", "1").await;
    pair.primary
        .delete_object()
        .bucket("state")
        .key("dropped")
        .version_id(dropped)
        .send()
        .await
        .unwrap();
    pair.primary
        .delete_object()
        .bucket("state")
        .key("before")
        .send()
        .await
        .unwrap();
    for version in [&first, &second] {
        assert_eq!(pair.source_status("k", version).await, "PENDING");
    }

    // The other region is back, but now the source is gone: nothing may come out of it.
    pair.aws.set_region("ca-central-1", RegionState::Refuse);
    pair.aws.set_region("us-east-1", RegionState::Up);
    assert_eq!(pair.replica("k").await, Err(404));
    assert_eq!(pair.replica("before").await, Ok("1".into()));

    pair.aws.set_region("ca-central-1", RegionState::Up);
    for version in [&first, &second] {
        assert_eq!(pair.source_status("k", version).await, "COMPLETED");
    }
    assert_eq!(
        pair.replica("k").await,
        Ok("2".into()),
        "in the order in which they were written"
    );
    assert_eq!(
        pair.replica("before").await,
        Err(404),
        "the delete marker came too"
    );
    assert_eq!(pair.replica("dropped").await, Err(404));
    let tags = pair
        .dr
        .get_object_tagging()
        .bucket("state-dr")
        .key("k")
        .send()
        .await
        .unwrap();
    assert_eq!(tags.tag_set()[0].value(), "a");
    let versions = pair
        .dr
        .list_object_versions()
        .bucket("state-dr")
        .prefix("k")
        .send()
        .await
        .unwrap();
    assert_eq!(versions.versions().len(), 2);
    let replica = pair
        .dr
        .head_object()
        .bucket("state-dr")
        .key("k")
        .send()
        .await
        .unwrap();
    assert_eq!(replica.replication_status().unwrap().as_str(), "REPLICA");
}

// aws-behaviour: 38
// aws-behaviour: 61
#[tokio::test]
async fn replica_keeps_the_version_id_of_its_source() {
    let Some(pair) = Replicated::start().await else {
        return;
    };
    let mut written = vec![pair.put("k", "1").await, pair.put("k", "2").await];
    // Also one that had to wait.
    pair.aws.set_region("us-east-1", RegionState::Refuse);
    written.push(pair.put("k", "3").await);
    pair.aws.set_region("us-east-1", RegionState::Up);
    let versions = |client: &aws_sdk_s3::Client, bucket: &str| {
        let list = client
            .list_object_versions()
            .bucket(bucket)
            .prefix("k")
            .send();
        async move {
            let mut found: Vec<(String, String)> = Vec::new();
            for version in list.await.unwrap().versions() {
                found.push((
                    version.version_id.clone().unwrap(),
                    version.e_tag.clone().unwrap(),
                ));
            }
            found
        }
    };
    let source = versions(&pair.primary, "state").await;
    assert_eq!(versions(&pair.dr, "state-dr").await, source);
    let ids: Vec<&String> = source.iter().rev().map(|(id, _)| id).collect();
    assert_eq!(ids, written.iter().collect::<Vec<_>>());
    for version in &written {
        assert_eq!(pair.source_status("k", version).await, "COMPLETED");
        let head = pair.dr.head_object().bucket("state-dr").key("k");
        let head = head.version_id(version).send().await.unwrap();
        assert_eq!(head.replication_status().unwrap().as_str(), "REPLICA");
        assert_eq!(head.version_id(), Some(version.as_str()));
    }
    // What is written there itself is no replica.
    let put = pair.dr.put_object().bucket("state-dr").key("own");
    let own = put.send().await.unwrap().version_id.unwrap();
    let head = pair
        .dr
        .head_object()
        .bucket("state-dr")
        .key("own")
        .version_id(own);
    assert_eq!(head.send().await.unwrap().replication_status(), None);

    // Under keys the ETags of source and replica never match; the version ID still does.
    let put = pair.primary.put_object().bucket("state").key("keyed");
    let put = put.server_side_encryption(aws_sdk_s3::types::ServerSideEncryption::AwsKms);
    let put = put.ssekms_key_id("arn:aws:kms:ca-central-1:000000000000:key/1");
    let put = put.send().await.unwrap();
    let replica = pair.dr.head_object().bucket("state-dr").key("keyed");
    let replica = replica.send().await.unwrap();
    assert_eq!(replica.version_id(), put.version_id());
    assert_ne!(replica.e_tag(), put.e_tag());
}

impl Replicated {
    async fn deny(&self, actions: &[&str]) {
        let resource = "arn:aws:s3:::state-dr/*";
        // S3 comes over TLS: what many policies have does not keep replicas out.
        let tls = serde_json::json!({"Sid": "Tls", "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": resource,
            "Condition": {"Bool": {"aws:SecureTransport": "false"}}});
        let mut statements = vec![tls];
        if !actions.is_empty() {
            statements.push(serde_json::json!({"Sid": "Fence", "Effect": "Deny", "Principal": "*", "Action": actions,
                "Resource": resource}));
        }
        let policy = serde_json::json!({"Version": "2012-10-17", "Statement": statements});
        let put = self.dr.put_bucket_policy().bucket("state-dr");
        put.policy(policy.to_string()).send().await.unwrap();
    }
}

// aws-behaviour: 39
#[tokio::test]
async fn replica_that_the_destination_denies_never_arrives_and_its_source_has_failed() {
    let Some(pair) = Replicated::start().await else {
        return;
    };
    pair.deny(&[]).await;
    let before = pair.put("before", "1").await;
    assert_eq!(pair.source_status("before", &before).await, "COMPLETED");
    pair.aws.set_region("us-east-1", RegionState::Refuse);
    let late = pair.put("late", "1").await;
    let delete = pair.primary.delete_object().bucket("state").key("before");
    delete.send().await.unwrap();
    assert_eq!(pair.source_status("late", &late).await, "PENDING");

    // The region of the source is gone while the policy is written, and comes back afterwards.
    pair.aws.set_region("ca-central-1", RegionState::Refuse);
    pair.aws.set_region("us-east-1", RegionState::Up);
    let replication = ["s3:ReplicateObject", "s3:ReplicateDelete"];
    pair.deny(&replication).await;
    pair.aws.set_region("ca-central-1", RegionState::Up);
    assert_eq!(pair.source_status("late", &late).await, "FAILED");
    let next = pair.put("next", "1").await;
    assert_eq!(pair.source_status("next", &next).await, "FAILED");
    for key in ["late", "next"] {
        assert_eq!(pair.replica(key).await, Err(404), "{key}");
    }
    assert_eq!(pair.replica("before").await, Ok("1".into()));
    // Who may write there writes.
    let put = pair.dr.put_object().bucket("state-dr").key("own");
    put.send().await.unwrap();

    // What S3 has given up on stays away when it is allowed again.
    pair.deny(&[]).await;
    let last = pair.put("last", "1").await;
    assert_eq!(pair.source_status("last", &last).await, "COMPLETED");
    assert_eq!(pair.source_status("late", &late).await, "FAILED");
    assert_eq!(pair.replica("late").await, Err(404));
    // Of an object with tags, the tags are to be replicated too.
    pair.deny(&["s3:ReplicateTags"]).await;
    let tagged = pair.put("tagged", "1").await;
    assert_eq!(pair.source_status("tagged", &tagged).await, "FAILED");
}

async fn put(client: &aws_sdk_dynamodb::Client, value: &str) {
    let request = client
        .put_item()
        .table_name("locks")
        .item("LockID", AttributeValue::S("k".into()));
    request
        .item("Info", AttributeValue::S(value.into()))
        .send()
        .await
        .unwrap();
}

async fn get(client: &aws_sdk_dynamodb::Client) -> Option<String> {
    let request = client
        .get_item()
        .table_name("locks")
        .key("LockID", AttributeValue::S("k".into()));
    let item = request.send().await.unwrap().item?;
    Some(item["Info"].as_s().unwrap().clone())
}

// aws-behaviour: 25
#[tokio::test]
async fn global_tables_wait_too_and_the_last_writer_wins() {
    let aws = start_or_return!();
    let (primary, dr) = (dynamodb(&aws, "ca-central-1"), dynamodb(&aws, "us-east-1"));
    let key = AttributeDefinition::builder()
        .attribute_name("LockID")
        .attribute_type(ScalarAttributeType::S);
    let schema = KeySchemaElement::builder()
        .attribute_name("LockID")
        .key_type(KeyType::Hash);
    let stream = StreamSpecification::builder()
        .stream_enabled(true)
        .stream_view_type(StreamViewType::NewAndOldImages);
    primary
        .create_table()
        .table_name("locks")
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(key.build().unwrap())
        .key_schema(schema.build().unwrap())
        .stream_specification(stream.build().unwrap())
        .send()
        .await
        .unwrap();
    let replica = CreateReplicationGroupMemberAction::builder()
        .region_name("us-east-1")
        .build()
        .unwrap();
    let update = ReplicationGroupUpdate::builder().create(replica).build();
    primary
        .update_table()
        .table_name("locks")
        .replica_updates(update)
        .send()
        .await
        .unwrap();
    put(&primary, "both up").await;
    assert_eq!(get(&dr).await.as_deref(), Some("both up"));

    aws.set_region("us-east-1", RegionState::Refuse);
    put(&primary, "first").await;
    aws.set_region("ca-central-1", RegionState::Refuse);
    aws.set_region("us-east-1", RegionState::Up);
    assert_eq!(
        get(&dr).await.as_deref(),
        Some("both up"),
        "nothing comes out of a region that is down"
    );
    put(&dr, "second").await;

    aws.set_region("ca-central-1", RegionState::Up);
    for client in [&primary, &dr] {
        assert_eq!(get(client).await.as_deref(), Some("second"));
    }
    put(&primary, "third").await;
    assert_eq!(get(&dr).await.as_deref(), Some("third"));
}
