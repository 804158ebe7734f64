//! Conditions on what a copy replaces.

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use local_aws::Base;

use crate::clients::{create_bucket, s3, start_or_return};

async fn copy_has_conditions_on_what_it_replaces(base: Base) {
    let aws = start_or_return!(base);
    let client = s3(&aws, "us-east-1");
    create_bucket(&client, "us-east-1", "objects").await;
    let put = |key: &'static str, body: &'static str| {
        let put = client.put_object().bucket("objects").key(key);
        let put = put.body(ByteStream::from_static(body.as_bytes()));
        async move { put.send().await.unwrap().e_tag.unwrap() }
    };
    put("new", "new").await;
    let other = put("other", "other").await;
    let copy = |key: &str| {
        let copy = client.copy_object().copy_source("objects/new");
        copy.bucket("objects").key(key)
    };
    let body = |key: &'static str| {
        let get = client.get_object().bucket("objects").key(key).send();
        async move {
            let body = get.await.unwrap().body.collect().await.unwrap();
            String::from_utf8(body.to_vec()).unwrap()
        }
    };

    // Only what is not there yet.
    copy("k").if_none_match("*").send().await.unwrap();
    put("k", "of another writer").await;
    let error = copy("k").if_none_match("*").send().await.unwrap_err();
    assert_eq!(error.code(), Some("PreconditionFailed"));
    assert_eq!(error.raw_response().unwrap().status().as_u16(), 412);
    assert_eq!(body("k").await, "of another writer", "nothing was replaced");

    // Only what is as it was seen.
    let seen = put("k", "seen").await;
    let error = copy("k").if_match(&other).send().await.unwrap_err();
    assert_eq!(error.raw_response().unwrap().status().as_u16(), 412);
    assert_eq!(body("k").await, "seen");
    copy("k").if_match(&seen).send().await.unwrap();
    assert_eq!(body("k").await, "new");
    let error = copy("absent").if_match(&seen).send().await.unwrap_err();
    assert_eq!(error.code(), Some("NoSuchKey"));
    assert_eq!(error.raw_response().unwrap().status().as_u16(), 404);

    // Of several that race one wins, and the others are told.
    for round in 0..5 {
        let key = format!("race/{round}");
        let mut racers = tokio::task::JoinSet::new();
        for _ in 0..8 {
            racers.spawn(copy(&key).if_none_match("*").send());
        }
        let results = racers.join_all().await;
        let won = results.iter().filter(|result| result.is_ok()).count();
        assert_eq!(won, 1, "round {round}");
        for error in results.into_iter().filter_map(Result::err) {
            let status = error.raw_response().unwrap().status().as_u16();
            assert!(matches!(status, 409 | 412), "{status}");
        }
    }
}

#[tokio::test]
async fn copy_has_conditions_on_what_it_replaces_with_ministack() {
    copy_has_conditions_on_what_it_replaces(Base::Ministack).await;
}

#[tokio::test]
async fn copy_has_conditions_on_what_it_replaces_with_moto() {
    copy_has_conditions_on_what_it_replaces(Base::Moto).await;
}

#[tokio::test]
async fn copy_has_conditions_on_what_it_replaces_with_localstack() {
    copy_has_conditions_on_what_it_replaces(Base::Localstack).await;
}
