//! SDK clients that speak to a local AWS.

use std::time::Duration;

use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use local_aws::{Base, LocalAws};

/// Starts a local AWS, or ends the calling test with a line that says why it cannot.
macro_rules! start_or_return {
    () => {
        start_or_return!(local_aws::Base::Ministack)
    };
    ($base:expr) => {
        match crate::clients::start($base).await {
            Some(aws) => aws,
            None => return,
        }
    };
}
pub(crate) use start_or_return;

pub(crate) async fn start(base: Base) -> Option<LocalAws> {
    let builder = LocalAws::builder().base(base).seed(7);
    builder.start_or_skip().await.unwrap()
}

macro_rules! client {
    ($sdk:ident, $aws:expr, $region:expr, $account:expr) => {
        $sdk::Client::from_conf(
            $sdk::Config::builder()
                .behavior_version(BehaviorVersion::latest())
                .region(Region::new($region.to_owned()))
                .endpoint_url($aws.endpoint())
                .credentials_provider(Credentials::new($account, "test", None, None, "tests"))
                .http_client(aws_smithy_http_client::Builder::new().build_http())
                .retry_config(RetryConfig::disabled())
                .timeout_config(
                    TimeoutConfig::builder()
                        .connect_timeout(Duration::from_secs(5))
                        .build(),
                )
                .build(),
        )
    };
}

pub(crate) use client;

pub(crate) fn s3(aws: &LocalAws, region: &str) -> aws_sdk_s3::Client {
    s3_of(aws, region, "test")
}

/// As another account: an access key of twelve digits is an account of the emulator.
pub(crate) fn s3_of(aws: &LocalAws, region: &str, account: &str) -> aws_sdk_s3::Client {
    let client = client!(aws_sdk_s3, aws, region, account);
    let config = client.config().to_builder().force_path_style(true).build();
    aws_sdk_s3::Client::from_conf(config)
}

pub(crate) fn dynamodb(aws: &LocalAws, region: &str) -> aws_sdk_dynamodb::Client {
    client!(aws_sdk_dynamodb, aws, region, "test")
}

/// RDS of an instance in another process.
pub(crate) fn rds_at(control: &local_aws::Control, region: &str) -> aws_sdk_rds::Client {
    struct At<'url>(&'url str);
    impl<'url> At<'url> {
        fn endpoint(&self) -> &'url str {
            self.0
        }
    }
    client!(aws_sdk_rds, At(control.url()), region, "test")
}

pub(crate) fn rds(aws: &LocalAws, region: &str) -> aws_sdk_rds::Client {
    client!(aws_sdk_rds, aws, region, "test")
}

pub(crate) fn cloudwatch(aws: &LocalAws, region: &str) -> aws_sdk_cloudwatch::Client {
    client!(aws_sdk_cloudwatch, aws, region, "test")
}

pub(crate) fn ec2(aws: &LocalAws, region: &str) -> aws_sdk_ec2::Client {
    client!(aws_sdk_ec2, aws, region, "test")
}

pub(crate) fn kms(aws: &LocalAws, region: &str) -> aws_sdk_kms::Client {
    client!(aws_sdk_kms, aws, region, "test")
}

pub(crate) fn iam(aws: &LocalAws) -> aws_sdk_iam::Client {
    iam_in(aws, "us-east-1")
}

/// As a client of another region: with an endpoint of its own the SDK signs for that one.
pub(crate) fn iam_in(aws: &LocalAws, region: &str) -> aws_sdk_iam::Client {
    client!(aws_sdk_iam, aws, region, "test")
}

pub(crate) async fn create_bucket(client: &aws_sdk_s3::Client, region: &str, bucket: &str) {
    let mut request = client.create_bucket().bucket(bucket);
    if region != "us-east-1" {
        let location = BucketLocationConstraint::from(region);
        request = request.create_bucket_configuration(
            CreateBucketConfiguration::builder()
                .location_constraint(location)
                .build(),
        );
    }
    request.send().await.unwrap();
}
