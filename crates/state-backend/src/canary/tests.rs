//! Answers that no emulator gives on demand.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use aws_sdk_s3::operation::delete_object::DeleteObjectOutput;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::operation::list_object_versions::ListObjectVersionsOutput;
use aws_sdk_s3::operation::put_object::PutObjectOutput;
use aws_sdk_s3::types::{DeleteMarkerEntry, ObjectVersion, ReplicationStatus};
use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
use report::Silent;

use super::*;
use crate::backend::test_support::backend;

const TOKEN: &str = "canary";

fn options(timeout: Duration) -> CanaryOptions {
    CanaryOptions {
        timeout,
        token: TOKEN.to_owned(),
    }
}

/// The primary side answers `statuses` one after the other, the last one for ever.
fn primary(statuses: &'static [ReplicationStatus]) -> aws_sdk_s3::Client {
    let put = mock!(aws_sdk_s3::Client::put_object)
        .then_output(|| PutObjectOutput::builder().version_id("v1").build());
    let seen = std::sync::atomic::AtomicUsize::new(0);
    let head = mock!(aws_sdk_s3::Client::head_object).then_output(move || {
        let n = seen
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed)
            .min(statuses.len() - 1);
        HeadObjectOutput::builder()
            .replication_status(statuses[n].clone())
            .build()
    });
    mock_client!(
        aws_sdk_s3,
        RuleMode::MatchAny,
        [&put, &head, &nothing_listed()]
    )
}

/// The DR side has `body`.
fn dr(body: &'static str) -> aws_sdk_s3::Client {
    let get = mock!(aws_sdk_s3::Client::get_object).then_output(move || {
        GetObjectOutput::builder()
            .body(body.as_bytes().to_vec().into())
            .build()
    });
    mock_client!(aws_sdk_s3, RuleMode::MatchAny, [&get, &nothing_listed()])
}

fn nothing_listed() -> Rule {
    mock!(aws_sdk_s3::Client::list_object_versions)
        .then_output(|| ListObjectVersionsOutput::builder().build())
}

// aws-behaviour: 14
#[tokio::test(start_paused = true)]
async fn pending_is_waited_for() {
    let statuses = &[
        ReplicationStatus::Pending,
        ReplicationStatus::Pending,
        ReplicationStatus::Completed,
    ];
    let backend = backend(primary(statuses), dr(TOKEN)).await;
    let canary = backend
        .canary(&options(Duration::from_secs(900)), &Silent)
        .await
        .unwrap();
    assert_eq!((canary.bytes, canary.version.as_deref()), (6, Some("v1")));
}

#[tokio::test(start_paused = true)]
async fn failed_is_tried_again_until_the_deadline() {
    let backend = backend(primary(&[ReplicationStatus::Failed]), dr(TOKEN)).await;
    let error = backend
        .canary(&options(Duration::from_secs(30)), &Silent)
        .await
        .unwrap_err();
    assert!(matches!(error, CanaryError::Failed), "{error}");
}

#[tokio::test(start_paused = true)]
async fn pending_for_ever_ends_at_the_deadline() {
    let backend = backend(primary(&[ReplicationStatus::Pending]), dr(TOKEN)).await;
    let error = backend
        .canary(&options(Duration::from_secs(900)), &Silent)
        .await
        .unwrap_err();
    let CanaryError::TimedOut { timeout, last } = error else {
        panic!("{error}")
    };
    assert_eq!((timeout.as_secs(), last.as_str()), (900, "PENDING"));
}

#[tokio::test(start_paused = true)]
async fn canary_while_s3_does_not_answer_is_waited_for() {
    let put = mock!(aws_sdk_s3::Client::put_object)
        .then_output(|| PutObjectOutput::builder().version_id("v1").build());
    let head = mock!(aws_sdk_s3::Client::head_object)
        .sequence()
        .http_status(503, None)
        .times(20)
        .output(|| {
            HeadObjectOutput::builder()
                .replication_status(ReplicationStatus::Completed)
                .build()
        })
        .build();
    let primary = mock_client!(
        aws_sdk_s3,
        RuleMode::MatchAny,
        [&put, &head, &nothing_listed()]
    );
    let backend = backend(primary, dr(TOKEN)).await;
    let canary = backend
        .canary(&options(Duration::from_secs(900)), &Silent)
        .await
        .unwrap();
    assert_eq!(canary.bytes, 6);
}

#[tokio::test(start_paused = true)]
async fn other_bytes_are_an_error_even_when_s3_says_completed() {
    let backend = backend(primary(&[ReplicationStatus::Completed]), dr("altered")).await;
    let error = backend
        .canary(&options(Duration::from_secs(900)), &Silent)
        .await
        .unwrap_err();
    assert!(matches!(error, CanaryError::Altered), "{error}");
}

/// What earlier runs left, listed two at a time, and what is removed of it.
fn leftovers(removed: Arc<Mutex<BTreeSet<String>>>) -> aws_sdk_s3::Client {
    let version = |key: &str, id: &str| ObjectVersion::builder().key(key).version_id(id).build();
    let put = mock!(aws_sdk_s3::Client::put_object)
        .then_output(|| PutObjectOutput::builder().version_id("v9").build());
    let head = mock!(aws_sdk_s3::Client::head_object).then_output(|| {
        HeadObjectOutput::builder()
            .replication_status(ReplicationStatus::Completed)
            .build()
    });
    let first = mock!(aws_sdk_s3::Client::list_object_versions)
        .match_requests(|request| request.version_id_marker().is_none())
        .then_output(move || {
            ListObjectVersionsOutput::builder()
                .versions(version(KEY, "v1"))
                .versions(version(KEY, "v2"))
                .is_truncated(true)
                .next_key_marker(KEY)
                .next_version_id_marker("v2")
                .build()
        });
    let second = mock!(aws_sdk_s3::Client::list_object_versions)
        .match_requests(|request| {
            request.key_marker() == Some(KEY) && request.version_id_marker() == Some("v2")
        })
        .then_output(move || {
            let marker = DeleteMarkerEntry::builder().key(KEY).version_id("m3");
            ListObjectVersionsOutput::builder()
                .delete_markers(marker.build())
                .versions(version(&format!("{KEY}-of-somebody-else"), "v4"))
                .is_truncated(false)
                .build()
        });
    let delete = mock!(aws_sdk_s3::Client::delete_object)
        .match_requests(move |request| {
            assert_eq!(request.key(), Some(KEY));
            let mut removed = removed.lock().unwrap();
            removed.insert(request.version_id().unwrap_or_default().to_owned());
            true
        })
        .then_output(|| DeleteObjectOutput::builder().build());
    mock_client!(
        aws_sdk_s3,
        RuleMode::MatchAny,
        [&put, &head, &first, &second, &delete]
    )
}

#[tokio::test(start_paused = true)]
async fn canary_with_leftovers_on_several_pages_removes_every_one_of_them() {
    let removed = Arc::default();
    let backend = backend(leftovers(Arc::clone(&removed)), dr(TOKEN)).await;
    backend
        .canary(&options(Duration::from_secs(900)), &Silent)
        .await
        .unwrap();
    let removed = removed.lock().unwrap();
    assert_eq!(Vec::from_iter(removed.iter()), ["m3", "v1", "v2"]);
}

#[tokio::test(start_paused = true)]
async fn canary_pending_of_a_list_that_breaks_off_is_an_error() {
    let cut = mock!(aws_sdk_s3::Client::list_object_versions).then_output(|| {
        ListObjectVersionsOutput::builder()
            .is_truncated(true)
            .build()
    });
    let primary = mock_client!(aws_sdk_s3, RuleMode::MatchAny, [&cut]);
    let backend = backend(primary, dr(TOKEN)).await;
    let error = backend.canary_pending().await.unwrap_err();
    assert!(error.to_string().contains("ListObjectVersions"), "{error}");
}
