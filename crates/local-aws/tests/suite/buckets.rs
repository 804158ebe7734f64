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

/// What S3 answers to a request that expects an owner: `None` where it is carried out.
async fn refused<T, E>(
    request: impl Future<Output = Result<T, SdkError<E>>>,
) -> Option<(u16, String)>
where
    E: ProvideErrorMetadata,
{
    let error = request.await.err()?;
    let code = error.code().unwrap_or_default().to_owned();
    Some((error.raw_response()?.status().as_u16(), code))
}

async fn expected_owners_are_compared(base: Base, own: &str) {
    let aws = start_or_return!(base);
    let client = s3(&aws, "ca-central-1");
    for bucket in ["photos", "photos-dr"] {
        create_bucket(&client, "ca-central-1", bucket).await;
    }
    let put = |bucket: &str, owner: &str| {
        let request = client.put_object().bucket(bucket).key("k");
        let request = request.body(ByteStream::from_static(b"1"));
        refused(request.expected_bucket_owner(owner).send())
    };
    let other = "999999999999";
    let denied = Some((403, "AccessDenied".to_owned()));
    assert_eq!(put("photos", own).await, None);
    assert_eq!(put("photos", other).await, denied);
    let odd = Some((400, "InvalidBucketOwnerAWSAccountID".to_owned()));
    assert_eq!(put("photos", "me").await, odd);
    assert_eq!(put("none", own).await.unwrap().1, "NoSuchBucket");

    // Every kind of operation: buckets, objects, lists, uploads, several objects at once.
    let bucket = |request: &str| {
        client
            .head_bucket()
            .bucket(request)
            .expected_bucket_owner(other)
            .send()
    };
    assert_eq!(refused(bucket("photos")).await.unwrap().0, 403);
    let get = client.get_object().bucket("photos").key("k");
    assert_eq!(
        refused(get.expected_bucket_owner(other).send()).await,
        denied
    );
    let list = client.list_objects_v2().bucket("photos");
    assert_eq!(
        refused(list.expected_bucket_owner(other).send()).await,
        denied
    );
    let versioning = client.get_bucket_versioning().bucket("photos");
    assert_eq!(
        refused(versioning.expected_bucket_owner(other).send()).await,
        denied
    );
    let upload = client
        .create_multipart_upload()
        .bucket("photos")
        .key("large");
    assert_eq!(
        refused(upload.expected_bucket_owner(other).send()).await,
        denied
    );
    let delete = client.delete_object().bucket("photos").key("k");
    assert_eq!(
        refused(delete.expected_bucket_owner(other).send()).await,
        denied
    );

    // A copy has two buckets.
    let copy = |owner: &str, source_owner: &str| {
        let request = client
            .copy_object()
            .bucket("photos-dr")
            .key("k")
            .copy_source("photos/k");
        let request = request.expected_bucket_owner(owner);
        refused(request.expected_source_bucket_owner(source_owner).send())
    };
    assert_eq!(copy(own, other).await, denied);
    assert_eq!(copy(other, own).await, denied);
    assert_eq!(copy(own, own).await, None);
    let upload = client
        .create_multipart_upload()
        .bucket("photos-dr")
        .key("large");
    let id = upload.send().await.unwrap().upload_id.unwrap();
    let part = client
        .upload_part_copy()
        .bucket("photos-dr")
        .key("large")
        .upload_id(id);
    let part = part.part_number(1).copy_source("photos/k");
    assert_eq!(
        refused(part.expected_source_bucket_owner(other).send()).await,
        denied
    );

    // Somebody else takes the name, and lets everybody in.
    aws.set_bucket_owner("photos-dr", other).unwrap();
    aws.set_bucket_owner("later", other).unwrap();
    assert_eq!(put("photos-dr", own).await, denied);
    assert_eq!(put("photos-dr", other).await, None);
    assert_eq!(copy(own, own).await, denied);
    let without = client.head_object().bucket("photos-dr").key("k");
    without.send().await.unwrap();
    let later = refused(client.create_bucket().bucket("later").send()).await;
    assert_eq!(later, Some((409, "BucketAlreadyExists".to_owned())));
    let wrong = aws.set_bucket_owner("photos", "me").unwrap_err();
    assert_eq!(
        wrong.to_string(),
        "\"me\" is no account: those are twelve digits"
    );

    // Another account's own, made with its key.
    let theirs = s3_of(&aws, "ca-central-1", "111122223333");
    create_bucket(&theirs, "ca-central-1", "theirs").await;
    let head = |owner: &str| {
        refused(
            theirs
                .head_bucket()
                .bucket("theirs")
                .expected_bucket_owner(owner)
                .send(),
        )
    };
    assert_eq!(head("111122223333").await, None);
    assert_eq!(head(own).await.unwrap().0, 403);

    // Wrong in two ways, it is told the region first.
    let elsewhere = s3(&aws, "us-east-1").head_bucket().bucket("photos");
    let elsewhere = refused(elsewhere.expected_bucket_owner(other).send()).await;
    assert_eq!(elsewhere.unwrap().0, 301);
}

#[tokio::test]
async fn expected_owners_are_compared_with_ministack() {
    expected_owners_are_compared(Base::Ministack, "000000000000").await;
}

#[tokio::test]
async fn expected_owners_are_compared_with_moto() {
    expected_owners_are_compared(Base::Moto, "123456789012").await;
}

#[tokio::test]
async fn expected_owners_are_compared_with_localstack() {
    expected_owners_are_compared(Base::Localstack, "000000000000").await;
}
