//! The fault `pages`.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use local_aws::{Base, Fault, FaultKind, LocalAws};

use crate::clients::{create_bucket, s3, start_or_return};

/// A versioned bucket: `a/1` and `b` once, `c` twice and then deleted, and uploads of `p` (two parts) and `q`.
async fn filled(aws: &LocalAws) -> (aws_sdk_s3::Client, String) {
    let client = s3(aws, "us-east-1");
    create_bucket(&client, "us-east-1", "objects").await;
    let on = VersioningConfiguration::builder()
        .status(BucketVersioningStatus::Enabled)
        .build();
    let put = client.put_bucket_versioning().bucket("objects");
    put.versioning_configuration(on).send().await.unwrap();
    for key in ["a/1", "a/2", "b", "c", "c"] {
        let put = client.put_object().bucket("objects").key(key);
        put.send().await.unwrap();
    }
    let delete = client.delete_object().bucket("objects").key("c");
    delete.send().await.unwrap();
    let mut upload = String::new();
    for key in ["q", "p"] {
        let create = client.create_multipart_upload().bucket("objects").key(key);
        upload = create.send().await.unwrap().upload_id.unwrap();
    }
    for number in 1..=2 {
        let part = client.upload_part().bucket("objects").key("p");
        let part = part.upload_id(&upload).part_number(number);
        let body = ByteStream::from(vec![7; 5 << 20]);
        part.body(body).send().await.unwrap();
    }
    (client, upload)
}

/// What a page has, and whether it says that another one follows.
type Page = (Vec<String>, bool);

fn page(items: &[&str], more: bool) -> Page {
    (items.iter().map(|item| (*item).to_owned()).collect(), more)
}

/// One item in each page, after a first one without any.
fn one_by_one(items: &[&str]) -> Vec<Page> {
    let mut pages = vec![page(&[], true)];
    for (index, item) in items.iter().enumerate() {
        pages.push(page(&[item], index + 1 < items.len()));
    }
    pages
}

async fn objects(client: &aws_sdk_s3::Client, delimiter: Option<&str>) -> Vec<Page> {
    let mut pages = Vec::new();
    let mut token = None;
    loop {
        let list = client.list_objects_v2().bucket("objects").max_keys(500);
        let list = list.set_delimiter(delimiter.map(str::to_owned));
        let list = list.set_continuation_token(token).send().await.unwrap();
        let keys = list
            .contents()
            .iter()
            .filter_map(|object| object.key.clone());
        let groups = list
            .common_prefixes()
            .iter()
            .filter_map(|group| group.prefix.clone());
        let items: Vec<String> = keys.chain(groups).collect();
        assert_eq!(list.key_count, i32::try_from(items.len()).ok());
        assert_eq!(list.max_keys, Some(500), "the client's number is repeated");
        pages.push((items, list.is_truncated.unwrap()));
        token = list.next_continuation_token;
        assert_eq!(token.is_some(), pages.last().unwrap().1);
        if token.is_none() {
            return pages;
        }
    }
}

async fn versions(client: &aws_sdk_s3::Client, delimiter: Option<&str>) -> Vec<Page> {
    let mut pages = Vec::new();
    let (mut key, mut version) = (None, None);
    loop {
        let list = client.list_object_versions().bucket("objects");
        let list = list.set_delimiter(delimiter.map(str::to_owned));
        let list = list.set_key_marker(key).set_version_id_marker(version);
        let list = list.send().await.unwrap();
        let mut items: Vec<String> = Vec::new();
        items.extend(
            list.versions()
                .iter()
                .map(|found| found.key.clone().unwrap()),
        );
        let markers = list.delete_markers().iter();
        items.extend(markers.map(|found| format!("{} deleted", found.key().unwrap())));
        let groups = list.common_prefixes().iter();
        items.extend(groups.map(|found| found.prefix.clone().unwrap()));
        pages.push((items, list.is_truncated.unwrap()));
        (key, version) = (list.next_key_marker, list.next_version_id_marker);
        if list.is_truncated != Some(true) {
            return pages;
        }
        assert!(key.is_some() && pages.len() < 20, "{pages:?}");
    }
}

async fn uploads(client: &aws_sdk_s3::Client) -> Vec<Page> {
    let mut pages = Vec::new();
    let (mut key, mut upload) = (None, None);
    loop {
        let list = client.list_multipart_uploads().bucket("objects");
        let list = list.set_key_marker(key).set_upload_id_marker(upload);
        let list = list.send().await.unwrap();
        let items = list
            .uploads()
            .iter()
            .map(|found| found.key.clone().unwrap());
        pages.push((items.collect(), list.is_truncated.unwrap()));
        (key, upload) = (list.next_key_marker, list.next_upload_id_marker);
        if list.is_truncated != Some(true) {
            return pages;
        }
    }
}

async fn parts(client: &aws_sdk_s3::Client, upload: &str) -> Vec<Page> {
    let list = client.list_parts().bucket("objects").key("p");
    let mut pages = list.upload_id(upload).into_paginator().send();
    let mut found = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.unwrap();
        let numbers = page.parts().iter().filter_map(|part| part.part_number);
        let numbers = numbers.map(|number| number.to_string()).collect();
        found.push((numbers, page.is_truncated.unwrap()));
    }
    found
}

async fn s3_lists_come_in_pages_of_one(base: Base) {
    let aws = start_or_return!(base.clone());
    let (client, upload) = filled(&aws).await;
    let whole_objects = objects(&client, None).await;
    assert_eq!(whole_objects, [page(&["a/1", "a/2", "b"], false)]);
    let whole = client
        .list_objects_v2()
        .bucket("objects")
        .send()
        .await
        .unwrap();
    let keys = ["a/1", "a/2", "b", "c", "c", "c deleted"];
    let mut all = versions(&client, None).await.remove(0).0;
    all.sort();
    assert_eq!(all, keys);

    aws.add_fault(Fault::new(FaultKind::Pages).service("s3"));
    assert_eq!(
        objects(&client, None).await,
        one_by_one(&["a/1", "a/2", "b"])
    );
    assert_eq!(objects(&client, Some("/")).await, one_by_one(&["a/", "b"]));
    // Newest first within a key.
    let history = ["a/1", "a/2", "b", "c deleted", "c", "c"];
    assert_eq!(versions(&client, None).await, one_by_one(&history));
    assert_eq!(parts(&client, &upload).await, one_by_one(&["1", "2"]));
    if base == Base::Ministack {
        let history = ["a/", "b", "c deleted", "c", "c"];
        assert_eq!(versions(&client, Some("/")).await, one_by_one(&history));
        assert_eq!(uploads(&client).await, one_by_one(&["p", "q"]));
        create_bucket(&client, "us-east-1", "another").await;
        let mut pages = client.list_buckets().max_buckets(9).into_paginator().send();
        let mut buckets: Vec<Vec<String>> = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.unwrap();
            buckets.push(
                page.buckets()
                    .iter()
                    .filter_map(|found| found.name.clone())
                    .collect(),
            );
        }
        assert_eq!(
            buckets,
            [
                vec![],
                vec!["another".to_owned()],
                vec!["objects".to_owned()]
            ]
        );
    }
    // AWS has no pages of buckets unless they are asked for.
    let buckets = client.list_buckets().send().await.unwrap();
    assert!(!buckets.buckets().is_empty());
    // An empty list is one page.
    let none = client.list_objects_v2().bucket("objects").prefix("z");
    let none = none.send().await.unwrap();
    assert_eq!((none.key_count, none.is_truncated), (Some(0), Some(false)));

    // Without the fault the rest comes at once.
    aws.clear_faults();
    aws.add_fault(Fault::new(FaultKind::Pages).service("s3").times(1));
    let expected = [page(&[], true), page(&["a/1", "a/2", "b"], false)];
    assert_eq!(objects(&client, None).await, expected);
    assert_eq!(whole.contents().len(), 3);
}

#[tokio::test]
async fn s3_lists_come_in_pages_of_one_with_ministack() {
    s3_lists_come_in_pages_of_one(Base::Ministack).await;
}

#[tokio::test]
async fn s3_lists_come_in_pages_of_one_with_moto() {
    s3_lists_come_in_pages_of_one(Base::Moto).await;
}

#[tokio::test]
async fn s3_lists_come_in_pages_of_one_with_localstack() {
    s3_lists_come_in_pages_of_one(Base::Localstack).await;
}

#[tokio::test]
async fn fault_that_can_do_nothing_is_refused_with_a_reason() {
    let aws = start_or_return!();
    let control = aws.control();
    for (fault, why) in [
        (
            Fault::new(FaultKind::Pages).service("dynamodb"),
            "dynamodb cannot be cut into pages",
        ),
        (
            Fault::new(FaultKind::Pages).service("lambda"),
            "told by method and path",
        ),
        (
            Fault::new(FaultKind::Pages).operation("PutObject"),
            "only List… and Describe…",
        ),
        (
            Fault::new(FaultKind::Propagating(1)).service("rds"),
            "rds shows nothing of propagation",
        ),
        (
            Fault::new(FaultKind::Denied).nth(1).share(0.5),
            "request number 1",
        ),
    ] {
        let error = control.add_fault(&fault).await.unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    assert_eq!(aws.faults(), []);
}
