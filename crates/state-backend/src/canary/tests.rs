//! Answers that no emulator gives on demand.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use aws_sdk_s3::error::ErrorMetadata;
use aws_sdk_s3::operation::delete_object::{DeleteObjectError, DeleteObjectOutput};
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::operation::list_object_versions::ListObjectVersionsOutput;
use aws_sdk_s3::operation::put_object::PutObjectOutput;
use aws_sdk_s3::types::{DeleteMarkerEntry, ObjectLockMode, ObjectVersion, ReplicationStatus};
use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
use report::Silent;

use super::*;
use crate::backend::test_support::backend;

const TOKEN: &str = "canary";
const NOW: i64 = 1_800_000_000;

/// Of runs that have ended, and of one that goes on.
const ENDED: &str = "init-backend/replication-canary/1799999999-0123456789abcdef";
const UNDER_WAY: &str = "init-backend/replication-canary/1800000300-0123456789abcdef";

fn options(timeout: Duration) -> CanaryOptions {
    CanaryOptions {
        timeout,
        token: TOKEN.to_owned(),
        now: Timestamp::from_second(NOW).unwrap(),
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
    let get = mock!(aws_sdk_s3::Client::get_object)
        .match_requests(|request| {
            request.version_id().is_some() && request.key().is_some_and(|key| key != KEY)
        })
        .then_output(move || {
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
                .versions(version(ENDED, "v2"))
                .versions(version(UNDER_WAY, "v5"))
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
                .versions(version(&format!("{KEY}/notes.txt"), "v6"))
                .is_truncated(false)
                .build()
        });
    let delete = mock!(aws_sdk_s3::Client::delete_object)
        .match_requests(move |request| {
            assert_ne!(request.key(), Some(UNDER_WAY));
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

#[tokio::test(start_paused = true)]
async fn canaries_at_once_have_keys_of_their_own() {
    let keys: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    for token in ["one", "two"] {
        let seen = Arc::clone(&keys);
        let put = mock!(aws_sdk_s3::Client::put_object)
            .match_requests(move |request| {
                let mut keys = seen.lock().unwrap();
                keys.insert(request.key().unwrap_or_default().to_owned())
            })
            .then_output(|| PutObjectOutput::builder().version_id("v1").build());
        let head = completed();
        let primary = mock_client!(
            aws_sdk_s3,
            RuleMode::MatchAny,
            [&put, &head, &nothing_listed()]
        );
        let backend = backend(primary, dr(token)).await;
        let options = CanaryOptions {
            token: token.to_owned(),
            ..options(Duration::from_secs(900))
        };
        let canary = backend.canary(&options, &Silent).await.unwrap();
        // It says when its run ends at the latest.
        assert_eq!(ends(&canary.key), Some(NOW + 900), "{}", canary.key);
    }
    assert_eq!(keys.lock().unwrap().len(), 2);
}

fn completed() -> Rule {
    mock!(aws_sdk_s3::Client::head_object).then_output(|| {
        HeadObjectOutput::builder()
            .replication_status(ReplicationStatus::Completed)
            .build()
    })
}

/// A bucket with a canary that Object Lock holds.
fn held(with: &[&Rule]) -> aws_sdk_s3::Client {
    let key = options(Duration::from_secs(900)).key();
    let list = mock!(aws_sdk_s3::Client::list_object_versions).then_output(move || {
        let version = ObjectVersion::builder().key(&key).version_id("v1").build();
        ListObjectVersionsOutput::builder()
            .versions(version)
            .build()
    });
    let delete = mock!(aws_sdk_s3::Client::delete_object).then_error(|| {
        let code = ErrorMetadata::builder()
            .code("AccessDenied")
            .message("Access Denied because object protected by object lock.");
        DeleteObjectError::generic(code.build())
    });
    let rules: Vec<&Rule> = with.iter().copied().chain([&list, &delete]).collect();
    mock_client!(aws_sdk_s3, RuleMode::MatchAny, rules)
}

#[tokio::test(start_paused = true)]
async fn canary_that_object_lock_holds_is_proven_and_what_stays_is_told() {
    let put = mock!(aws_sdk_s3::Client::put_object)
        .then_output(|| PutObjectOutput::builder().version_id("v1").build());
    let get = mock!(aws_sdk_s3::Client::get_object).then_output(|| {
        GetObjectOutput::builder()
            .body(TOKEN.as_bytes().to_vec().into())
            .build()
    });
    let head = mock!(aws_sdk_s3::Client::head_object).then_output(|| {
        HeadObjectOutput::builder()
            .replication_status(ReplicationStatus::Completed)
            .object_lock_mode(ObjectLockMode::Governance)
            .build()
    });
    let (primary, dr) = (held(&[&put, &head]), held(&[&get]));
    let backend = backend(primary, dr).await;
    let options = options(Duration::from_secs(900));
    let canary = backend.canary(&options, &Silent).await.unwrap();
    let left: Vec<&str> = canary.left.iter().map(|left| left.url.as_str()).collect();
    let [primary, dr] = &left[..] else {
        panic!("{left:?}")
    };
    assert!(
        primary.ends_with(&canary.key) && dr.ends_with(&canary.key),
        "{left:?}"
    );
    let shown = canary.document().to_markdown();
    assert!(
        shown.contains("object lock") && shown.contains(primary),
        "{shown}"
    );
    // It came through: nothing is left to prove.
    assert!(!backend.canary_pending().await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn canary_pending_of_one_that_was_not_replicated_or_not_read_back_is_true() {
    let locked = Some(ObjectLockMode::Governance);
    for (status, lock) in [
        (ReplicationStatus::Pending, locked),
        // Not held: whoever left it has not read it back.
        (ReplicationStatus::Completed, None),
    ] {
        let head = mock!(aws_sdk_s3::Client::head_object).then_output(move || {
            HeadObjectOutput::builder()
                .replication_status(status.clone())
                .set_object_lock_mode(lock.clone())
                .build()
        });
        let backend = backend(held(&[&head]), dr(TOKEN)).await;
        assert!(backend.canary_pending().await.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn canary_that_another_run_has_removed_is_written_again() {
    let put = mock!(aws_sdk_s3::Client::put_object)
        .then_output(|| PutObjectOutput::builder().version_id("v1").build());
    let head = mock!(aws_sdk_s3::Client::head_object)
        .sequence()
        .http_status(404, None)
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
    let options = options(Duration::from_secs(900));
    backend.canary(&options, &Silent).await.unwrap();
    assert_eq!(put.num_calls(), 2);
}
