//! Bucket names, homes and owners are as on AWS whatever the base is.

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use local_aws::{Base, RegionState};

use crate::clients::{create_bucket, s3, s3_of, start_or_return};

fn status<T, E>(result: Result<T, SdkError<E>>) -> u16 {
    match result {
        Ok(_) => 200,
        Err(error) => error
            .raw_response()
            .map_or(0, |response| response.status().as_u16()),
    }
}

// aws-behaviour: 18
async fn names_are_as_on_aws(base: Base) {
    let aws = start_or_return!(base);
    let (primary, dr) = (s3(&aws, "ca-central-1"), s3(&aws, "us-east-1"));
    let other = s3_of(&aws, "us-east-1", "111122223333");
    create_bucket(&primary, "ca-central-1", "state-ca").await;
    create_bucket(&dr, "us-east-1", "state-us").await;

    // Another region: 301 with the home in a header, except for GetBucketLocation.
    let error = dr
        .head_bucket()
        .bucket("state-ca")
        .send()
        .await
        .unwrap_err();
    let answer = error.raw_response().unwrap();
    assert_eq!(
        (
            answer.status().as_u16(),
            answer.headers().get("x-amz-bucket-region")
        ),
        (301, Some("ca-central-1"))
    );
    let error = primary
        .list_objects_v2()
        .bucket("state-us")
        .send()
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some("PermanentRedirect"));
    assert_eq!(
        error
            .raw_response()
            .unwrap()
            .headers()
            .get("x-amz-bucket-region"),
        Some("us-east-1")
    );
    let put = |client: &aws_sdk_s3::Client, body: Vec<u8>| {
        client
            .put_object()
            .bucket("state-ca")
            .key("k")
            .body(ByteStream::from(body))
            .send()
    };
    // The body is larger than what sockets hold: the client must get to read the answer all the same.
    assert_eq!(status(put(&dr, vec![1; 32 << 20]).await), 301);
    assert_eq!(status(put(&primary, vec![1]).await), 200);
    let location = dr
        .get_bucket_location()
        .bucket("state-ca")
        .send()
        .await
        .unwrap();
    assert_eq!(
        location.location_constraint(),
        Some(&BucketLocationConstraint::CaCentral1)
    );

    // Made twice by its owner.
    let create = |client: &aws_sdk_s3::Client, bucket: &str, constraint: Option<&str>| {
        let constraint = constraint.map(|region| {
            CreateBucketConfiguration::builder()
                .location_constraint(BucketLocationConstraint::from(region))
                .build()
        });
        let request = client
            .create_bucket()
            .bucket(bucket)
            .set_create_bucket_configuration(constraint);
        async move {
            request
                .send()
                .await
                .map_err(|error| error.code().unwrap_or_default().to_owned())
                .map(drop)
        }
    };
    let refused = |code: &str| Err(code.to_owned());
    let ca = Some("ca-central-1");
    assert_eq!(create(&dr, "state-us", None).await, Ok(()));
    assert_eq!(
        create(&primary, "state-ca", ca).await,
        refused("BucketAlreadyOwnedByYou")
    );
    assert_eq!(
        create(&dr, "state-ca", None).await,
        refused("BucketAlreadyOwnedByYou")
    );
    assert_eq!(
        create(&primary, "state-us", ca).await,
        refused("BucketAlreadyOwnedByYou")
    );
    assert_eq!(
        create(&dr, "new", Some("us-east-1")).await,
        refused("InvalidLocationConstraint")
    );
    assert_eq!(
        create(&primary, "new", None).await,
        refused("IllegalLocationConstraintException")
    );

    // Somebody else's.
    assert_eq!(
        create(&other, "state-us", None).await,
        refused("BucketAlreadyExists")
    );
    assert_eq!(
        create(&other, "state-ca", ca).await,
        refused("BucketAlreadyExists")
    );
    assert_eq!(
        status(other.head_bucket().bucket("state-us").send().await),
        403
    );
    let list = other
        .list_objects_v2()
        .bucket("state-us")
        .send()
        .await
        .unwrap_err();
    assert_eq!(list.code(), Some("AccessDenied"));

    // Gone, its name is free for any region.
    dr.delete_bucket().bucket("state-us").send().await.unwrap();
    create_bucket(&primary, "ca-central-1", "state-us").await;
    assert_eq!(
        status(primary.head_bucket().bucket("state-us").send().await),
        200
    );
}

#[tokio::test]
async fn names_are_as_on_aws_with_ministack() {
    names_are_as_on_aws(Base::Ministack).await;
}

#[tokio::test]
async fn names_are_as_on_aws_with_moto() {
    names_are_as_on_aws(Base::Moto).await;
}

#[tokio::test]
async fn names_are_as_on_aws_with_localstack() {
    names_are_as_on_aws(Base::Localstack).await;
}

#[tokio::test]
async fn nothing_is_copied_out_of_a_region_that_is_down() {
    let aws = start_or_return!();
    let (primary, dr) = (s3(&aws, "ca-central-1"), s3(&aws, "us-east-1"));
    create_bucket(&primary, "ca-central-1", "photos").await;
    create_bucket(&dr, "us-east-1", "photos-dr").await;
    primary
        .put_object()
        .bucket("photos")
        .key("k")
        .body(ByteStream::from_static(b"1"))
        .send()
        .await
        .unwrap();
    let copy = || {
        dr.copy_object()
            .copy_source("photos/k")
            .bucket("photos-dr")
            .key("k")
            .send()
    };
    copy().await.unwrap();
    aws.set_region("ca-central-1", RegionState::Refuse);
    aws.clear_log();
    assert_eq!(copy().await.unwrap_err().code(), Some("ServiceUnavailable"));
    let entry = aws.log().pop().unwrap();
    assert_eq!(
        (entry.status, entry.fault.as_deref()),
        (Some(503), Some("other-region-down"))
    );
    // Nor is a bucket made there by way of another region.
    let there = CreateBucketConfiguration::builder()
        .location_constraint(BucketLocationConstraint::CaCentral1)
        .build();
    let create = dr
        .create_bucket()
        .bucket("late")
        .create_bucket_configuration(there)
        .send()
        .await;
    assert_eq!(status(create), 503);
}
