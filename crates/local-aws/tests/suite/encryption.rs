//! ETags of objects that are encrypted with a KMS key.

use std::collections::BTreeSet;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    BucketVersioningStatus, CompletedMultipartUpload, CompletedPart, ObjectAttributes,
    ServerSideEncryption, ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration,
    ServerSideEncryptionRule, VersioningConfiguration,
};
use local_aws::{Base, LocalAws};

use crate::clients::{create_bucket, s3, start_or_return};

const KEY: &str = "arn:aws:kms:us-east-1:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab";
/// `md5sum` of `1`.
const MD5: &str = "\"c4ca4238a0b923820dcc509a6f75849b\"";

async fn bucket(aws: &LocalAws, name: &str) -> Client {
    let client = s3(aws, "us-east-1");
    create_bucket(&client, "us-east-1", name).await;
    let on = VersioningConfiguration::builder()
        .status(BucketVersioningStatus::Enabled)
        .build();
    let put = client.put_bucket_versioning().bucket(name);
    put.versioning_configuration(on).send().await.unwrap();
    client
}

/// Every way in which the ETag of an object's current version is shown.
async fn shown(client: &Client, bucket: &str, key: &str) -> BTreeSet<String> {
    let get = client.get_object().bucket(bucket).key(key);
    let head = client.head_object().bucket(bucket).key(key);
    let list = client.list_objects_v2().bucket(bucket).prefix(key);
    let versions = client.list_object_versions().bucket(bucket).prefix(key);
    let version = versions.send().await.unwrap().versions.unwrap().remove(0);
    let of_version = client.head_object().bucket(bucket).key(key);
    let of_version = of_version.version_id(version.version_id.unwrap());
    [
        get.send().await.unwrap().e_tag.unwrap(),
        head.send().await.unwrap().e_tag.unwrap(),
        list.send()
            .await
            .unwrap()
            .contents
            .unwrap()
            .remove(0)
            .e_tag
            .unwrap(),
        version.e_tag.unwrap(),
        of_version.send().await.unwrap().e_tag.unwrap(),
    ]
    .into()
}

fn put(
    client: &Client,
    bucket: &str,
    key: &str,
) -> aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder {
    let put = client.put_object().bucket(bucket).key(key);
    put.body(ByteStream::from_static(b"1"))
}

// aws-behaviour: 12
async fn etag_under_a_key_is_no_md5(base: Base) {
    let aws = start_or_return!(base.clone());
    let client = bucket(&aws, "photos").await;
    bucket(&aws, "photos-dr").await;
    let plain = put(&client, "photos", "plain").send().await.unwrap();
    assert_eq!(plain.e_tag(), Some(MD5));

    let mut seen = BTreeSet::new();
    for (bucket, key) in [("photos", "a"), ("photos", "b"), ("photos-dr", "a")] {
        let put = put(&client, bucket, key).server_side_encryption(ServerSideEncryption::AwsKms);
        let etag = put.ssekms_key_id(KEY).send().await.unwrap().e_tag.unwrap();
        assert_eq!(etag.len(), MD5.len(), "{etag}");
        assert_ne!(etag, MD5);
        // The same everywhere and every time.
        for _ in 0..2 {
            assert_eq!(shown(&client, bucket, key).await, [etag.clone()].into());
        }
        assert!(seen.insert(etag), "equal bytes have ETags of their own");
    }
    let etag = shown(&client, "photos", "a").await.pop_first().unwrap();
    let again = put(&client, "photos", "a").if_match(MD5).send().await;
    assert_eq!(again.unwrap_err().code(), Some("PreconditionFailed"));
    let again = put(&client, "photos", "a").server_side_encryption(ServerSideEncryption::AwsKms);
    let again = again
        .ssekms_key_id(KEY)
        .if_match(&etag)
        .send()
        .await
        .unwrap();
    assert!(
        seen.insert(again.e_tag.unwrap()),
        "another version, another ETag"
    );

    // A copy under a key has one of its own; one without a key has the MD5.
    let copy = || {
        client
            .copy_object()
            .copy_source("photos/a")
            .bucket("photos-dr")
    };
    let keyed = copy()
        .key("copy")
        .server_side_encryption(ServerSideEncryption::AwsKms);
    let keyed = keyed.ssekms_key_id(KEY).send().await.unwrap();
    let keyed = keyed.copy_object_result.unwrap().e_tag.unwrap();
    assert_eq!(
        shown(&client, "photos-dr", "copy").await,
        [keyed.clone()].into()
    );
    assert!(keyed != MD5 && seen.insert(keyed));
    let plain = copy()
        .key("bare")
        .server_side_encryption(ServerSideEncryption::Aes256);
    let plain = plain
        .send()
        .await
        .unwrap()
        .copy_object_result
        .unwrap()
        .e_tag
        .unwrap();
    assert_eq!(plain, MD5);
    assert_eq!(
        shown(&client, "photos-dr", "bare").await,
        [MD5.to_owned()].into()
    );

    // In parts.
    let create = client.create_multipart_upload().bucket("photos").key("big");
    let create = create.server_side_encryption(ServerSideEncryption::AwsKms);
    let upload = create
        .ssekms_key_id(KEY)
        .send()
        .await
        .unwrap()
        .upload_id
        .unwrap();
    let part = client
        .upload_part()
        .bucket("photos")
        .key("big")
        .upload_id(&upload);
    let part = part.part_number(1).body(ByteStream::from_static(b"1"));
    let part = part.send().await.unwrap().e_tag.unwrap();
    assert_ne!(part, MD5, "nor is a part's");
    let parts = CompletedPart::builder().part_number(1).e_tag(part).build();
    let parts = CompletedMultipartUpload::builder().parts(parts).build();
    let complete = client
        .complete_multipart_upload()
        .bucket("photos")
        .key("big");
    let complete = complete.upload_id(&upload).multipart_upload(parts);
    let etag = complete.send().await.unwrap().e_tag.unwrap();
    assert!(etag.ends_with("-1\""), "{etag}");
    assert_eq!(shown(&client, "photos", "big").await, [etag.clone()].into());
    // MD5 of the MD5 of `1`.
    assert_ne!(etag, "\"46d1741e8075da4ac72c71d8130fcb71-1\"");
    assert!(seen.insert(etag));
    let attributes = client.get_object_attributes().bucket("photos").key("a");
    let attributes = attributes.object_attributes(ObjectAttributes::Etag);
    let etag = attributes.send().await.unwrap().e_tag.unwrap();
    assert!(seen.contains(&format!("\"{}\"", etag.trim_matches('"'))));
}

#[tokio::test]
async fn etag_under_a_key_is_no_md5_with_ministack() {
    etag_under_a_key_is_no_md5(Base::Ministack).await;
}

#[tokio::test]
async fn etag_under_a_key_is_no_md5_with_moto() {
    etag_under_a_key_is_no_md5(Base::Moto).await;
}

#[tokio::test]
async fn bucket_default_key_counts_as_well() {
    let aws = start_or_return!();
    let client = bucket(&aws, "photos").await;
    let default = ServerSideEncryptionByDefault::builder()
        .sse_algorithm(ServerSideEncryption::AwsKms)
        .kms_master_key_id(KEY)
        .build()
        .unwrap();
    let rule = ServerSideEncryptionRule::builder().apply_server_side_encryption_by_default(default);
    let configuration = ServerSideEncryptionConfiguration::builder().rules(rule.build());
    let encryption = client.put_bucket_encryption().bucket("photos");
    let encryption =
        encryption.server_side_encryption_configuration(configuration.build().unwrap());
    encryption.send().await.unwrap();
    let etag = put(&client, "photos", "a")
        .send()
        .await
        .unwrap()
        .e_tag
        .unwrap();
    assert_ne!(etag, MD5);
    assert_eq!(shown(&client, "photos", "a").await, [etag].into());
}
