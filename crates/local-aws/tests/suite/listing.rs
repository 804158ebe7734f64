//! Keys in lists are written as S3 writes them, whatever the base is.

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::EncodingType::{self, Url};
use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use local_aws::{Base, Fault, FaultKind, LocalAws};

use crate::clients::{create_bucket, s3, start_or_return};
use crate::strangers::{address, ask};

/// What XML cannot carry, what it escapes, and what URLs do.
const ODD: &str = "odd/\u{1b}[2J \u{1} & +ü\u{fffe}";
const ENCODED: &str = "odd/%1B%5B2J+%01+%26+%2B%C3%BC%EF%BF%BE";

/// A list as it is on the wire.
async fn raw(aws: &LocalAws, query: &str) -> String {
    let scope =
        "authorization: AWS4-HMAC-SHA256 Credential=test/20261122/us-east-1/s3/aws4_request";
    let answer = ask(address(aws), &format!("GET /objects?{query}"), &[scope], "").await;
    assert!(answer.starts_with("http/1.1 200 "), "{query}: {answer}");
    answer
}

async fn keys_are_written_as_s3_does(base: Base) {
    let aws = start_or_return!(base);
    let client = s3(&aws, "us-east-1");
    create_bucket(&client, "us-east-1", "objects").await;
    let versioning = VersioningConfiguration::builder()
        .status(BucketVersioningStatus::Enabled)
        .build();
    let request = client.put_bucket_versioning().bucket("objects");
    let request = request.versioning_configuration(versioning);
    request.send().await.unwrap();
    for key in [ODD, "run books/x", "plain"] {
        let body = ByteStream::from_static(b"1");
        let put = client.put_object().bucket("objects").key(key).body(body);
        put.send().await.unwrap();
        let upload = client.create_multipart_upload().bucket("objects").key(key);
        upload.send().await.unwrap();
    }
    let own = |url: Option<&EncodingType>| assert_eq!(url, Some(&Url));

    let list = client
        .list_objects_v2()
        .bucket("objects")
        .encoding_type(Url);
    let list = list.prefix("odd/").delimiter(" ").start_after("a b");
    let list = list.send().await.unwrap();
    own(list.encoding_type());
    assert_eq!(list.common_prefixes()[0].prefix(), Some("odd/%1B%5B2J+"));
    assert_eq!((list.prefix(), list.delimiter()), (Some("odd/"), Some("+")));
    assert_eq!(list.start_after(), Some("a+b"));
    let list = client
        .list_objects_v2()
        .bucket("objects")
        .encoding_type(Url);
    let keys = list.send().await.unwrap();
    let keys: Vec<_> = keys
        .contents()
        .iter()
        .filter_map(|object| object.key())
        .collect();
    assert_eq!(keys, [ENCODED, "plain", "run+books/x"]);

    let list = client.list_objects().bucket("objects").encoding_type(Url);
    let list = list.marker("a b").max_keys(1).send().await.unwrap();
    own(list.encoding_type());
    assert_eq!(list.contents()[0].key(), Some(ENCODED));
    // moto does not repeat it.
    assert!(list.marker().is_none_or(|marker| marker == "a+b"));

    let list = client.list_object_versions().bucket("objects");
    let list = list.encoding_type(Url).max_keys(1).send().await.unwrap();
    own(list.encoding_type());
    assert_eq!(list.versions()[0].key(), Some(ENCODED));
    assert_eq!(list.next_key_marker(), Some(ENCODED));
    let next = client
        .list_object_versions()
        .bucket("objects")
        .key_marker(ODD);
    let next = next.set_version_id_marker(list.next_version_id_marker);
    let next = next.encoding_type(Url).send().await.unwrap();
    assert_eq!(next.key_marker(), Some(ENCODED));
    assert_eq!(next.versions()[0].key(), Some("plain"));

    let list = client.list_multipart_uploads().bucket("objects");
    let list = list.encoding_type(Url).send().await.unwrap();
    own(list.encoding_type());
    let keys: Vec<_> = list
        .uploads()
        .iter()
        .filter_map(|upload| upload.key())
        .collect();
    // moto has them in the order in which they began.
    let expected = [ENCODED, "plain", "run+books/x"];
    assert!(
        keys.len() == 3 && expected.iter().all(|key| keys.contains(key)),
        "{keys:?}"
    );

    // Without: a reference that no parser of XML 1.0 takes, as S3 writes it.
    for query in ["list-type=2", "", "versions", "uploads"] {
        let answer = raw(&aws, query).await;
        assert!(!answer.contains("encodingtype"), "{query}: {answer}");
        let key = "<key>odd/&#x1b;[2j &#x1; &amp; +ü&#xfffe;</key>";
        assert!(answer.contains(key), "{query}: {answer}");
    }

    let other = EncodingType::from("other");
    let list = client
        .list_objects_v2()
        .bucket("objects")
        .encoding_type(other);
    let refused = list.send().await.unwrap_err();
    assert_eq!(refused.code(), Some("InvalidArgument"));

    // In pages of one, all the same.
    aws.add_fault(Fault::new(FaultKind::Pages).service("s3"));
    let pages = client
        .list_objects_v2()
        .bucket("objects")
        .encoding_type(Url);
    let mut pages = pages.into_paginator().send();
    let mut keys = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.unwrap();
        keys.extend(
            page.contents()
                .iter()
                .filter_map(|object| object.key().map(str::to_owned)),
        );
    }
    assert_eq!(keys, [ENCODED, "plain", "run+books/x"]);
}

#[tokio::test]
async fn keys_are_written_as_s3_does_with_ministack() {
    keys_are_written_as_s3_does(Base::Ministack).await;
}

#[tokio::test]
async fn keys_are_written_as_s3_does_with_moto() {
    keys_are_written_as_s3_does(Base::Moto).await;
}

#[tokio::test]
async fn keys_are_written_as_s3_does_with_localstack() {
    keys_are_written_as_s3_does(Base::Localstack).await;
}
