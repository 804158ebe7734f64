//! What AWS answers for a while about what was made moments ago.

use aws_sdk_dynamodb::operation::update_continuous_backups::{
    UpdateContinuousBackupsError, UpdateContinuousBackupsOutput,
};
use aws_sdk_s3::error::ErrorMetadata;
use aws_sdk_s3::operation::get_bucket_replication::GetBucketReplicationError;
use aws_sdk_s3::operation::put_bucket_replication::{
    PutBucketReplicationError, PutBucketReplicationOutput,
};
use aws_sdk_s3::operation::put_bucket_versioning::{
    PutBucketVersioningError, PutBucketVersioningOutput,
};
use aws_smithy_mocks::{RuleMode, mock, mock_client};

use super::*;
use crate::backend::test_support::backend;

fn refusal(code: &str, message: &str) -> ErrorMetadata {
    ErrorMetadata::builder().code(code).message(message).build()
}

fn facet(backend: &Backend, kind: Kind, aspect: Aspect) -> Facet {
    let side = backend.spec().own_side(SideName::Primary);
    Facet {
        resource: Resource {
            kind,
            name: side.bucket.to_string(),
            side: SideName::Primary,
            region: side.region,
        },
        aspect,
        wanted: Value::Null,
    }
}

fn nothing() -> aws_sdk_s3::Client {
    mock_client!(aws_sdk_s3, RuleMode::MatchAny, [])
}

/// Changes one facet as [`Backend::apply`] does; returns what was waited for.
async fn changed(backend: &Backend, facet: &Facet) -> Result<Vec<String>, Problem> {
    let waited = std::sync::Mutex::new(Vec::new());
    let progress = |error: &Error| waited.lock().unwrap().push(error.to_string());
    retry(SETTLE, is_under_change, progress, || async {
        Ok(backend.change(facet, true).await?)
    })
    .await?;
    Ok(waited.into_inner().unwrap())
}

#[tokio::test(start_paused = true)]
async fn change_of_a_bucket_that_s3_does_not_know_everywhere_yet_is_waited_for() {
    let put = mock!(aws_sdk_s3::Client::put_bucket_versioning)
        .sequence()
        .error(|| {
            let text = "The specified bucket does not exist";
            PutBucketVersioningError::generic(refusal("NoSuchBucket", text))
        })
        .times(8)
        .output(|| PutBucketVersioningOutput::builder().build())
        .build();
    let s3 = mock_client!(aws_sdk_s3, RuleMode::MatchAny, [&put]);
    let backend = backend(s3, nothing()).await;
    let facet = facet(&backend, Kind::Bucket, Aspect::Versioning);
    let waited = changed(&backend, &facet).await.unwrap();
    assert_eq!(waited.len(), 8);
    assert!(waited[0].contains("NoSuchBucket"), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn change_of_a_bucket_that_is_not_there_ends_at_the_deadline() {
    let put = mock!(aws_sdk_s3::Client::put_bucket_versioning).then_error(|| {
        let text = "The specified bucket does not exist";
        PutBucketVersioningError::generic(refusal("NoSuchBucket", text))
    });
    let s3 = mock_client!(aws_sdk_s3, RuleMode::MatchAny, [&put]);
    let backend = backend(s3, nothing()).await;
    let facet = facet(&backend, Kind::Bucket, Aspect::Versioning);
    let begun = tokio::time::Instant::now();
    let problem = changed(&backend, &facet).await.unwrap_err();
    assert!(problem.error().is_code("NoSuchBucket"), "{problem}");
    assert!(begun.elapsed() <= SETTLE.deadline, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn replication_to_a_bucket_that_s3_does_not_know_yet_is_waited_for_and_another_fault_is_not()
{
    let none = mock!(aws_sdk_s3::Client::get_bucket_replication).then_error(|| {
        let text = "The replication configuration was not found";
        GetBucketReplicationError::generic(refusal("ReplicationConfigurationNotFoundError", text))
    });
    for (message, waits) in [
        ("Destination bucket must exist.", 5),
        ("Destination bucket must have versioning enabled.", 5),
        ("Invalid destination", 0),
    ] {
        let put = mock!(aws_sdk_s3::Client::put_bucket_replication)
            .sequence()
            .error(move || PutBucketReplicationError::generic(refusal("InvalidRequest", message)))
            .times(5)
            .output(|| PutBucketReplicationOutput::builder().build())
            .build();
        let s3 = mock_client!(aws_sdk_s3, RuleMode::MatchAny, [&put, &none]);
        let backend = backend(s3, nothing()).await;
        let facet = facet(&backend, Kind::Bucket, Aspect::Replication);
        let changed = changed(&backend, &facet).await;
        assert_eq!(changed.map_or(0, |waited| waited.len()), waits, "{message}");
    }
}

#[tokio::test(start_paused = true)]
async fn backups_of_a_table_that_is_being_made_ready_are_waited_for() {
    let update = mock!(aws_sdk_dynamodb::Client::update_continuous_backups)
        .sequence()
        .error(|| {
            let text = "Backups are being enabled for the table: locks. Please retry later";
            let code = "ContinuousBackupsUnavailableException";
            UpdateContinuousBackupsError::generic(refusal(code, text))
        })
        .times(12)
        .output(|| UpdateContinuousBackupsOutput::builder().build())
        .build();
    let backend = backend(nothing(), nothing()).await;
    let mut clients = backend.clients(SideName::Primary).clone();
    clients.dynamodb = mock_client!(aws_sdk_dynamodb, RuleMode::MatchAny, [&update]);
    let facet = facet(&backend, Kind::Table, Aspect::PointInTimeRecovery);
    let ended = retry(
        SETTLE_TABLE,
        is_under_change,
        |_| {},
        || async { Ok(table::apply(&clients, backend.spec(), &facet).await?) },
    );
    ended.await.unwrap();
    assert_eq!(update.num_calls(), 13);
}
