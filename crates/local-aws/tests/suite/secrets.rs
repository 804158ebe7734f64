//! Replicas of secrets.

use std::time::Duration;

use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_secretsmanager::error::ProvideErrorMetadata;
use aws_sdk_secretsmanager::types::ReplicaRegionType;

use crate::clients::{client, start_or_return};

// aws-behaviour: 70
#[tokio::test]
async fn replica_takes_a_value_of_its_own_once_it_is_promoted() {
    let aws = start_or_return!();
    let home = client!(aws_sdk_secretsmanager, aws, "ca-central-1", "test");
    let there = client!(aws_sdk_secretsmanager, aws, "ca-west-1", "test");
    let create = home.create_secret().name("db").secret_string("one");
    create.send().await.unwrap();
    let replicate = async || {
        let replica = ReplicaRegionType::builder().region("ca-west-1").build();
        let replicate = home.replicate_secret_to_regions().secret_id("db");
        let replicate = replicate.add_replica_regions(replica);
        let replicate = replicate.force_overwrite_replica_secret(true);
        replicate.send().await.unwrap();
    };
    replicate().await;
    let put = async || {
        let put = there.put_secret_value().secret_id("db");
        put.secret_string("two").send().await
    };
    let refused = put().await.unwrap_err();
    assert_eq!(refused.code(), Some("InvalidRequestException"));
    let describe = async || {
        let described = there.describe_secret().secret_id("db").send().await;
        let described = described.unwrap();
        (described.arn.unwrap(), described.primary_region)
    };
    let (arn, of) = describe().await;
    assert_eq!(of.as_deref(), Some("ca-central-1"));
    let stop = async || {
        let stop = there.stop_replication_to_replica().secret_id("db");
        stop.send().await
    };
    stop().await.unwrap();
    assert_eq!(describe().await, (arn, None));
    put().await.unwrap();
    let read = home.get_secret_value().secret_id("db").send().await;
    assert_eq!(read.unwrap().secret_string(), Some("one"));
    let refused = stop().await.unwrap_err();
    assert_eq!(refused.code(), Some("InvalidRequestException"));
    // And back: what was promoted is overwritten.
    replicate().await;
    let read = there.get_secret_value().secret_id("db").send().await;
    assert_eq!(read.unwrap().secret_string(), Some("one"));
}
