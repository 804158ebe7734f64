//! Copies in countries that the data must not leave for.

use aws_sdk_s3::types::{
    BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration,
    DeleteMarkerReplication, DeleteMarkerReplicationStatus, Destination, ReplicationConfiguration,
    ReplicationRule, ReplicationRuleFilter, ReplicationRuleStatus, VersioningConfiguration,
};
use aws_sdk_secretsmanager::types::ReplicaRegionType;
use futures::FutureExt as _;

use crate::Stack;
use crate::mutation::{ByUnitTest, Mutation, show};
use local_aws::stack::network::id;

/// In no allowed country, and without an exception.
const ABROAD: &str = "us-west-2";

async fn secret(stack: &Stack) {
    let copied = stack.clients.secrets.replicate_secret_to_regions();
    let copied = copied
        .secret_id(id(stack, "redis_credentials_secret_arn"))
        .add_replica_regions(ReplicaRegionType::builder().region(ABROAD).build());
    copied.send().await.expect("a replica");
}

/// Photos replicate to a new bucket abroad.
async fn photos(stack: &Stack) {
    let region = ABROAD.parse().expect("a region");
    let there = stack.env.region(region).s3;
    let place = CreateBucketConfiguration::builder()
        .location_constraint(BucketLocationConstraint::from(ABROAD))
        .build();
    let made = there.create_bucket().bucket("photos-abroad");
    let made = made.create_bucket_configuration(place).send().await;
    made.expect("a bucket");
    let versions = VersioningConfiguration::builder()
        .status(BucketVersioningStatus::Enabled)
        .build();
    let kept = there.put_bucket_versioning().bucket("photos-abroad");
    let kept = kept.versioning_configuration(versions).send().await;
    kept.expect("versions");
    let rule = ReplicationRule::builder()
        .id("abroad")
        .priority(1)
        .status(ReplicationRuleStatus::Enabled)
        .filter(ReplicationRuleFilter::builder().prefix("").build())
        .delete_marker_replication(
            DeleteMarkerReplication::builder()
                .status(DeleteMarkerReplicationStatus::Disabled)
                .build(),
        )
        .destination(
            Destination::builder()
                .bucket("arn:aws:s3:::photos-abroad")
                .build()
                .expect("a destination"),
        )
        .build()
        .expect("a rule");
    let rules = ReplicationConfiguration::builder()
        .role(format!("arn:aws:iam::{}:role/x", crate::ACCOUNT))
        .rules(rule)
        .build()
        .expect("rules");
    let put = stack.clients.home.s3.put_bucket_replication();
    let put = put.bucket(id(stack, "s3_bucket_photos"));
    let put = put.replication_configuration(rules).send().await;
    put.expect("replication");
}

/// A key abroad, under which the database's backups are kept there.
async fn backups(stack: &Stack) {
    let access = stack.env.access(ABROAD.parse().expect("a region"));
    let key = aws_env::client!(aws_sdk_kms, &access)
        .create_key()
        .send()
        .await;
    let key = key.expect("a key").key_metadata.expect("what was made");
    let started = aws_env::client!(aws_sdk_rds, &access)
        .start_db_instance_automated_backups_replication()
        .source_db_instance_arn(id(stack, "db_arn"))
        .kms_key_id(key.arn.expect("an ARN"));
    started.send().await.expect("a replication");
}

pub(crate) fn mutations() -> Vec<Mutation> {
    vec![
        Mutation {
            name: "a secret is replicated to another country",
            item: None,
            breaks: &["residency-secrets"],
            apply: |stack| secret(stack).boxed(),
        },
        Mutation {
            name: "photos are replicated to another country",
            item: None,
            breaks: &["residency-replication"],
            apply: |stack| photos(stack).boxed(),
        },
        Mutation {
            name: "the database's backups are replicated to another country",
            item: None,
            breaks: &["residency-database"],
            apply: |stack| backups(stack).boxed(),
        },
    ]
}

pub(crate) const ELSEWHERE: &[ByUnitTest] = &[
    ByUnitTest {
        name: "an output names a region of another country",
        item: None,
        breaks: &["residency-outputs"],
        test: "an_output_abroad_is_wrong",
    },
    ByUnitTest {
        name: "a bucket lies in another country",
        item: None,
        breaks: &["residency-buckets"],
        test: "a_bucket_abroad_is_wrong",
    },
    ByUnitTest {
        name: "the key has a replica in another country",
        item: None,
        breaks: &["residency-key"],
        test: "a_key_abroad_is_wrong",
    },
];

#[tokio::test]
async fn each_copy_abroad_is_noticed() {
    show(mutations()).await;
}
