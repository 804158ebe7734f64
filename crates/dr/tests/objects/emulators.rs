//! What objects are promised, on every emulator alike.
#![expect(clippy::print_stderr, reason = "a check that cannot run says so")]

use aws_sdk_s3::types::BucketVersioningStatus;
use dr::objects::{Finding, Mode, PlanOptions, Policy, Refusal, Resolutions, capture, reconcile};
use local_aws::Base;

use crate::batch::copied_by_a_job;
use crate::stage::{Stage, deleting, options};
use crate::traps::put_in_parts;

async fn a_sync_makes_two_buckets_equal_and_parity_says_so(base: Base) {
    let Some(stage) = Stage::on(base).await else {
        return;
    };
    for (key, body) in [("a/1", "one"), ("a/ü & b", "two"), ("c", "")] {
        stage.put_source(key, body.as_bytes()).await;
    }
    put_in_parts(&stage, "big", &[vec![1; 5 << 20], vec![2; 9]]).await;
    stage.put_destination("c", b"stale").await;
    stage.put_destination("only-here", b"kept").await;
    let before = stage.parity(Mode::Auto).await;
    assert_eq!(before.finding, Finding::Different, "{before:?}");

    let (plan, done) = stage.sync("r1", &options()).await;
    assert_eq!(done.copied.objects, 4, "{plan:?}");
    let mut copied = stage.destination().await;
    assert!(copied.remove("only-here").is_some());
    assert_eq!(copied, stage.source().await);
    let after = stage.parity(Mode::Auto).await;
    assert_eq!(after.different.tally.objects, 0, "{after:?}");
    // Nothing is left to do.
    let (_, again) = stage.sync("r2", &options()).await;
    assert_eq!(again.copied.objects, 0);
}

#[tokio::test]
async fn a_sync_makes_two_buckets_equal_with_ministack() {
    a_sync_makes_two_buckets_equal_and_parity_says_so(Base::Ministack).await;
}

#[tokio::test]
async fn a_sync_makes_two_buckets_equal_with_moto() {
    a_sync_makes_two_buckets_equal_and_parity_says_so(Base::Moto).await;
}

#[tokio::test]
async fn a_sync_makes_two_buckets_equal_with_localstack() {
    a_sync_makes_two_buckets_equal_and_parity_says_so(Base::Localstack).await;
}

/// What must not be done, and what puts back what was done.
async fn a_guard_refuses_and_an_undo_puts_back(base: Base) {
    let is_localstack = base == Base::Localstack;
    let Some(stage) = Stage::on(base).await else {
        return;
    };
    let old: &[&str] = match is_localstack {
        true => {
            eprintln!(
                "skipped: LocalStack copies no old version over its object, so that overwriting is not undone"
            );
            &["stray"]
        }
        false => &["a", "b/c", "stray"],
    };
    for key in old {
        stage.put_destination(key, b"old").await;
    }
    let (all, deleted, replaced) = (old.len() as u64, 1, old.len() as u64 - 1);
    let refusals = async |options: &PlanOptions| -> Vec<Refusal> {
        let refused = stage.plan(options).await.approve(&Policy::default());
        refused.unwrap_err().iter().cloned().collect()
    };
    let found = refusals(&deleting()).await;
    assert!(
        found.contains(&Refusal::EmptySource { deleted: all }),
        "{found:?}"
    );
    for (key, body) in [("a", "new"), ("b/c", "newer"), ("created", "")] {
        stage.put_source(key, body.as_bytes()).await;
    }
    let found = refusals(&deleting()).await;
    let mut limits = vec![Refusal::TooManyDeletions { deleted, limit: 0 }];
    if replaced > 1 {
        limits.push(Refusal::TooManyReplacements { replaced, limit: 1 });
    }
    assert_eq!(found, limits);
    let before = stage.destination().await;
    let done = stage.apply("r1", stage.plan(&deleting()).await).await;
    assert!(done.unwrap().is_complete());
    assert_eq!(stage.destination().await, stage.source().await);
    assert_eq!(stage.undo("r1", "r2").await, 4);
    assert_eq!(stage.destination().await, before);
    stage.versioning(BucketVersioningStatus::Suspended).await;
    let found = refusals(&deleting()).await;
    assert!(
        found.contains(&Refusal::NoVersions { deleted, replaced }),
        "{found:?}"
    );
}

/// Home again with what was written in DR.
async fn a_failback_brings_home_what_was_written(base: Base) {
    if base == Base::Localstack {
        eprintln!(
            "skipped: LocalStack lists versions in another order than that of their keys, which no failback takes"
        );
        return;
    }
    let Some(stage) = Stage::on(base).await else {
        return;
    };
    for key in ["edited", "gone", "same"] {
        stage.put_source(key, key.as_bytes()).await;
    }
    stage.sync("r1", &options()).await;
    let directory = tempfile::tempdir().unwrap();
    let manifest = directory.path().join("manifest");
    let time = jiff::Timestamp::UNIX_EPOCH;
    capture(&stage.destination, time, &manifest).await.unwrap();
    stage.put_destination("edited", b"in DR").await;
    stage.put_destination("new in DR", b"in DR").await;
    stage.delete("gone").await;
    let (dr, primary) = (&stage.destination, &stage.source);
    let (options, none) = (deleting(), Resolutions::default());
    let planned = reconcile(dr, primary, &manifest, &options, &none, stage.runs.path());
    let (found, planned) = planned.await.unwrap();
    assert_eq!(found.conflicts.tally.objects, 0, "{found:?}");
    assert!(stage.apply_back("r2", planned).await.is_complete());
    assert_eq!(stage.source().await, stage.destination().await);
}

/// What a job of S3 Batch Operations is to copy. No emulator runs such jobs: what S3 does with a manifest is done here.
async fn a_manifest_lists_what_differs_and_nothing_else(base: Base) {
    let Some(stage) = Stage::on(base).await else {
        return;
    };
    for key in ["old", "same"] {
        stage.put_source(key, b"old").await;
        stage.put_destination(key, b"old").await;
    }
    for key in ["a,\"b\" c+%2B", "old"] {
        stage.put_source(key, b"for a job").await;
    }
    assert_eq!(copied_by_a_job(&stage, "r1").await, 2);
    assert_eq!(stage.source().await, stage.destination().await);
    assert_eq!(stage.parity(Mode::Auto).await.finding, Finding::Same);
}

#[tokio::test]
async fn a_guard_refuses_and_an_undo_puts_back_with_ministack() {
    a_guard_refuses_and_an_undo_puts_back(Base::Ministack).await;
}

#[tokio::test]
async fn a_guard_refuses_and_an_undo_puts_back_with_localstack() {
    a_guard_refuses_and_an_undo_puts_back(Base::Localstack).await;
}

#[tokio::test]
async fn a_failback_brings_home_what_was_written_with_ministack() {
    a_failback_brings_home_what_was_written(Base::Ministack).await;
}

#[tokio::test]
async fn a_failback_brings_home_what_was_written_with_localstack() {
    a_failback_brings_home_what_was_written(Base::Localstack).await;
}

#[tokio::test]
async fn a_manifest_lists_what_differs_and_nothing_else_with_ministack() {
    a_manifest_lists_what_differs_and_nothing_else(Base::Ministack).await;
}

#[tokio::test]
async fn a_manifest_lists_what_differs_and_nothing_else_with_localstack() {
    a_manifest_lists_what_differs_and_nothing_else(Base::Localstack).await;
}
