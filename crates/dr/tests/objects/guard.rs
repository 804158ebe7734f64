//! What must not be done is not done, whoever asks: the guard is in the library, and in its types.

use std::time::Duration;

use aws_sdk_s3::types::BucketVersioningStatus;
use dr::objects::{
    ChangeLimit, ExecuteError, JournalError, ManifestError, Mode, PlanOptions, Policy, Refusal,
    Resolutions, UndoError, UndoRefusal, capture, check_locations, reconcile,
};
use local_aws::{Fault, FaultKind};
use tokio::sync::watch;

use crate::stage::{Stage, approve, deleting, options, pair};

/// Whatever is a number is allowed.
const ALL: Policy<'static> = Policy {
    pairs: &[],
    journals: None,
    max_delete: ChangeLimit::percent(100),
    max_replace: ChangeLimit::percent(100),
    overwrite_unversioned: false,
};

/// Nothing but listings, questions and journals has been asked of S3.
fn assert_unchanged(stage: &Stage) {
    let changes = |entry: &local_aws::LogEntry| {
        entry.operation.starts_with("Delete") || entry.operation == "CopyObject"
    };
    let log = stage.aws.log();
    assert!(!log.iter().any(changes), "{log:?}");
}

// aws-behaviour: 10
#[tokio::test]
async fn approve_of_deletions_under_an_emptied_source_is_refused() {
    let stage = stage!();
    for n in 0..30 {
        stage.put_destination(&format!("k{n}"), b"x").await;
    }
    let planned = stage.plan(&deleting()).await;
    assert_eq!(planned.plan().delete.tally.objects, 30);
    let refused = planned.approve(&ALL).unwrap_err();
    let refused: Vec<_> = refused.iter().collect();
    assert_eq!(refused, [&Refusal::EmptySource { deleted: 30 }]);
    // Planning has changed nothing.
    assert_eq!(stage.destination().await.len(), 30);
    assert_unchanged(&stage);
}

// aws-behaviour: 10
#[tokio::test]
async fn approve_of_a_source_that_was_overwritten_with_junk_is_refused() {
    let stage = stage!();
    for n in 0..30 {
        let key = format!("k{n}");
        stage.put_source(&key, b"junk").await;
        stage.put_destination(&key, b"a photo").await;
    }
    let planned = stage.plan(&options()).await;
    let refused = planned.approve(&Policy::default()).unwrap_err();
    let (replaced, limit) = (30, 3);
    let refused: Vec<_> = refused.iter().collect();
    assert_eq!(refused, [&Refusal::TooManyReplacements { replaced, limit }]);
    assert_unchanged(&stage);
    let allowed = Policy {
        max_replace: ChangeLimit::objects(30),
        ..Policy::default()
    };
    assert!(stage.plan(&options()).await.approve(&allowed).is_ok());
}

// aws-behaviour: 10
#[tokio::test]
async fn approve_of_a_destination_without_versions_is_refused() {
    let stage = stage!();
    stage.versioning(BucketVersioningStatus::Suspended).await;
    stage.put_source("a", b"new").await;
    stage.put_destination("a", b"old").await;
    stage.put_destination("stray", b"old").await;
    let refused = stage.plan(&deleting()).await.approve(&ALL).unwrap_err();
    let (deleted, replaced) = (1, 1);
    let refused: Vec<_> = refused.iter().collect();
    assert_eq!(refused, [&Refusal::NoVersions { deleted, replaced }]);
}

// aws-behaviour: 10
#[tokio::test]
async fn check_locations_of_swapped_buckets_is_refused() {
    let stage = stage!();
    let pairs = [pair()];
    let journals = "journals".parse().unwrap();
    let policy = Policy {
        pairs: &pairs,
        journals: Some(&journals),
        ..Policy::default()
    };
    let refused = check_locations(
        stage.destination.location(),
        stage.source.location(),
        &policy,
    );
    let refused = refused.unwrap_err();
    assert!(matches!(
        refused.iter().next(),
        Some(Refusal::Swapped { .. })
    ));
    assert!(
        check_locations(
            stage.source.location(),
            stage.destination.location(),
            &policy
        )
        .is_ok()
    );
    let folder = "s3://journals/x".parse().unwrap();
    for (from, to) in [
        (stage.source.location(), &folder),
        (&folder, stage.destination.location()),
    ] {
        let refused = check_locations(from, to, &policy).unwrap_err();
        let first = refused.iter().next();
        assert!(matches!(first, Some(Refusal::Journals { bucket }) if bucket == "journals"));
    }
}

#[tokio::test]
async fn approve_of_a_failback_may_go_from_the_copy_to_the_primary_and_a_sync_may_not() {
    let mut stage = stage!();
    stage.put_destination("a", b"written in DR").await;
    let pairs = [pair()];
    let policy = Policy {
        pairs: &pairs,
        ..ALL
    };
    let manifest = stage.runs.path().join("manifest");
    let time = jiff::Timestamp::UNIX_EPOCH;
    capture(&stage.destination, time, &manifest).await.unwrap();
    let (dr, primary) = (stage.destination.clone(), stage.source.clone());
    let options = PlanOptions {
        mode: Mode::Auto,
        ..options()
    };
    let directory = stage.runs.path();
    let none = Resolutions::default();
    let planned = reconcile(&dr, &primary, &manifest, &options, &none, directory).await;
    let (_, planned) = planned.unwrap();
    assert!(planned.approve(&policy).is_ok());
    (stage.source, stage.destination) = (dr, primary);
    let refused = stage.plan(&options).await.approve(&policy).unwrap_err();
    assert!(matches!(
        refused.iter().next(),
        Some(Refusal::Swapped { .. })
    ));
}

#[tokio::test]
async fn apply_where_versions_were_suspended_since_the_approval_is_refused() {
    let stage = stage!();
    stage.put_source("a", b"new").await;
    stage.put_destination("a", b"old").await;
    let planned = stage.plan(&options()).await;
    let approved = planned.approve(&ALL).unwrap();
    stage.versioning(BucketVersioningStatus::Suspended).await;
    let (_keep, stop) = watch::channel(false);
    let done = stage.apply_until("r1", approved, stop).await;
    assert!(
        matches!(done, Err(ExecuteError::Unversioned { .. })),
        "{done:?}"
    );
    assert_eq!(stage.destination().await["a"].body, b"old");
    assert_unchanged(&stage);
}

#[tokio::test]
async fn apply_whose_versions_are_suspended_while_it_copies_deletes_nothing() {
    let stage = stage!();
    stage.put_source("new", b"x").await;
    stage.put_destination("stray", b"x").await;
    let approved = stage.plan(&deleting()).await.approve(&ALL).unwrap();
    let slow = FaultKind::Latency(Duration::from_millis(200));
    let fault = Fault::new(slow).operation("CopyObject");
    stage.aws.add_fault(fault);
    let suspend = async {
        while !stage
            .aws
            .log()
            .iter()
            .any(|entry| entry.operation == "CopyObject")
        {
            tokio::task::yield_now().await;
        }
        stage.versioning(BucketVersioningStatus::Suspended).await;
    };
    let (_keep, stop) = watch::channel(false);
    let (done, ()) = tokio::join!(stage.apply_until("r1", approved, stop), suspend);
    assert!(
        matches!(done, Err(ExecuteError::Unversioned { .. })),
        "{done:?}"
    );
    let there = stage.destination().await;
    assert_eq!(there.keys().collect::<Vec<_>>(), ["new", "stray"]);
}

#[tokio::test]
async fn undo_of_a_run_that_is_under_way_is_refused() {
    let stage = stage!();
    for n in 0..20 {
        stage.put_source(&format!("k{n:02}"), b"x").await;
    }
    let approved = approve(stage.plan(&options()).await);
    let slow = FaultKind::Latency(Duration::from_millis(50));
    stage
        .aws
        .add_fault(Fault::new(slow).operation("CopyObject"));
    let (interrupt, stop) = watch::channel(false);
    let undo = async {
        while !stage
            .aws
            .log()
            .iter()
            .any(|entry| entry.operation == "CopyObject")
        {
            tokio::task::yield_now().await;
        }
        let refused = stage.plan_undo("r1").await.err();
        interrupt.send(true).unwrap();
        refused
    };
    let (done, refused) = tokio::join!(stage.apply_until("r1", approved, stop), undo);
    assert!(
        matches!(
            refused,
            Some(UndoError::Refused(UndoRefusal::UnderWay { .. }))
        ),
        "{refused:?}"
    );
    // Once it has ended it can be undone.
    stage.aws.clear_faults();
    assert_eq!(stage.undo("r1", "r2").await, done.unwrap().copied.objects);
    assert!(stage.destination().await.is_empty());
}

#[tokio::test]
async fn capture_to_a_file_that_exists_is_refused_and_one_that_fails_leaves_none() {
    let stage = stage!();
    stage.put_destination("a", b"x").await;
    let manifest = stage.runs.path().join("manifest");
    let time = jiff::Timestamp::UNIX_EPOCH;
    let denied = Fault::new(FaultKind::Denied).operation("ListObject*");
    stage.aws.add_fault(denied);
    let failed = capture(&stage.destination, time, &manifest).await;
    assert!(matches!(failed, Err(ManifestError::List(_))), "{failed:?}");
    assert!(!manifest.exists());
    stage.aws.clear_faults();
    let captured = capture(&stage.destination, time, &manifest).await;
    assert_eq!(captured.unwrap().objects, 1);
    let before = std::fs::read(&manifest).unwrap();
    stage.put_destination("b", b"written since").await;
    let again = capture(&stage.destination, time, &manifest).await;
    assert!(
        matches!(again, Err(ManifestError::Exists { .. })),
        "{again:?}"
    );
    assert_eq!(std::fs::read(&manifest).unwrap(), before);
}

#[tokio::test]
async fn apply_under_the_name_of_an_earlier_run_keeps_that_runs_journal() {
    let stage = stage!();
    stage.put_source("a", b"new").await;
    stage.put_destination("a", b"old").await;
    let (_, done) = stage.sync("r1", &options()).await;
    assert_eq!(done.copied.objects, 1);
    stage.put_source("b", b"x").await;
    let planned = stage.plan(&options()).await;
    let again = stage.apply("r1", planned).await;
    assert!(
        matches!(
            again,
            Err(ExecuteError::Journal(JournalError::RunExists { .. }))
        ),
        "{again:?}"
    );
    // Its journal is whole: what it did can still be undone.
    assert_eq!(stage.undo("r1", "r2").await, 1);
    assert_eq!(stage.destination().await["a"].body, b"old");
}

#[tokio::test]
async fn apply_under_the_name_of_a_run_of_another_machine_keeps_that_runs_journal() {
    let stage = stage!();
    stage.put_source("a", b"new").await;
    stage.put_destination("a", b"old").await;
    stage.sync("r1", &options()).await;
    stage.put_source("b", b"x").await;
    let planned = stage.plan(&options()).await;
    // The other machine's files are not here; the bucket's part of its journal is.
    let theirs = stage.runs.path().join("r1");
    std::fs::rename(&theirs, stage.runs.path().join("kept")).unwrap();
    let again = stage.apply("r1", planned).await;
    assert!(
        matches!(
            again,
            Err(ExecuteError::Journal(JournalError::Taken { .. }))
        ),
        "{again:?}"
    );
    assert!(!stage.destination().await.contains_key("b"));
    std::fs::remove_dir_all(&theirs).unwrap();
    std::fs::rename(stage.runs.path().join("kept"), &theirs).unwrap();
    let replayed = stage.replay("r1", stage.runs.path()).await;
    assert!(!replayed.bucket_differs(), "not a byte of it is another's");
    assert_eq!(stage.undo("r1", "r2").await, 1);
}

#[tokio::test]
async fn apply_whose_journal_is_put_twice_since_an_answer_was_lost_goes_on() {
    let stage = stage!();
    stage.put_source("a", b"new").await;
    let lost = Fault::new(FaultKind::ResponseLost).operation("PutObject");
    let lost = lost.resource("photos-dr/.dr-journal/*").times(1);
    stage.aws.add_fault(lost);
    let (_, done) = stage.sync("r1", &options()).await;
    assert_eq!(done.copied.objects, 1);
}
