//! Plans that one process makes and another carries out, and runs that go on after they were killed.

use std::path::Path;

use dr::objects::{
    Done, ExecuteError, JournalError, JournalKey, Planned, ReopenError, Run, SpoolError, plan,
    resume,
};
use local_aws::{Fault, FaultKind, Moment};
use tokio::sync::watch;

use crate::keyed::{encrypt_both, put_bare};
use crate::killed::runs_to_its_end;
use crate::stage::{Stage, approve, deleting};

impl Stage {
    async fn plan_in(&self, folder: &Path) -> Planned {
        let (source, destination) = (&self.source, &self.destination);
        let planned = plan(source, destination, &deleting(), folder).await;
        planned.unwrap()
    }

    fn reopen(&self, folder: &Path) -> Planned {
        Planned::reopen(folder, &self.source, &self.destination).unwrap()
    }

    async fn resume(&self, run: &Run, planned: Planned) -> Result<Done, ExecuteError> {
        let (_keep, stop) = watch::channel(false);
        let options = self.options();
        resume(approve(planned), run, &options, stop, &report::Silent).await
    }
}

#[tokio::test]
async fn plan_that_another_process_takes_up_is_the_same_and_looks_again() {
    let stage = stage!();
    for key in ["new", "changed", "raced"] {
        stage.put_source(key, b"source").await;
    }
    for key in ["changed", "raced", "stray", "stray-raced"] {
        stage.put_destination(key, b"before").await;
    }
    let folder = tempfile::tempdir().unwrap();
    let planned = stage.plan_in(folder.path()).await;
    planned.save().unwrap();
    let before = planned.plan().clone();
    drop(planned);
    stage.put_destination("raced", b"of somebody else").await;
    stage
        .put_destination("stray-raced", b"of somebody else")
        .await;
    // Listed by nobody any more: the plan is carried out, not made anew.
    stage.put_source("later", b"x").await;

    let planned = stage.reopen(folder.path());
    assert_eq!(planned.plan(), &before);
    let done = stage.apply("r1", planned).await.unwrap();
    assert_eq!(
        (done.copied.objects, done.conflicts.tally.objects),
        (2, 1),
        "{done:?}"
    );
    assert_eq!(done.skipped_deletions, 2, "{done:?}");
    let there = stage.destination().await;
    assert_eq!(there["raced"].body, b"of somebody else");
    assert_eq!(there["changed"].body, b"source");
    assert!(!there.contains_key("later"));
}

#[tokio::test]
async fn plan_that_was_changed_or_is_for_other_buckets_is_not_taken_up() {
    let stage = stage!();
    stage.put_source("a", b"x").await;
    let folder = tempfile::tempdir().unwrap();
    let (source, destination) = (&stage.source, &stage.destination);
    let reopen = || Planned::reopen(folder.path(), source, destination);
    assert!(matches!(reopen(), Err(ReopenError::File { .. })));
    stage.plan_in(folder.path()).await.save().unwrap();
    reopen().unwrap();
    let swapped = Planned::reopen(folder.path(), destination, source);
    assert!(
        matches!(swapped, Err(ReopenError::OtherBuckets { .. })),
        "{swapped:?}"
    );
    let path = folder.path().join("copies.jsonl");
    let steps = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, steps.replace("\"a\"", "\"b\"")).unwrap();
    assert!(matches!(reopen(), Err(ReopenError::Changed { .. })));
    std::fs::remove_file(&path).unwrap();
    let _: SpoolError = match reopen() {
        Err(ReopenError::Steps(error)) => error,
        other => panic!("{other:?}"),
    };
    std::fs::write(folder.path().join("plan.json"), "{").unwrap();
    assert!(matches!(reopen(), Err(ReopenError::File { .. })));
}

/// Copies, overwriting, and a deletion.
async fn differing(stage: &Stage) {
    for key in ["new", "b/new", "changed"] {
        put_bare(
            &stage.from,
            "photos",
            key,
            format!("source {key}").as_bytes(),
        )
        .await;
    }
    for key in ["changed", "stray"] {
        put_bare(&stage.to, "photos-dr", key, b"before").await;
    }
}

async fn empty(stage: &Stage) {
    for (clients, bucket) in [(&stage.from, "photos"), (&stage.to, "photos-dr")] {
        let list = clients.s3.list_object_versions().bucket(bucket);
        let list = list.send().await.unwrap();
        let versions = list
            .versions()
            .iter()
            .map(|version| (version.key(), version.version_id()));
        let markers = list.delete_markers().iter();
        let markers = markers.map(|marker| (marker.key(), marker.version_id()));
        for (key, version) in versions.chain(markers) {
            let delete = clients.s3.delete_object().bucket(bucket).key(key.unwrap());
            delete.version_id(version.unwrap()).send().await.unwrap();
        }
    }
}

/// Kills a run at each of its requests in turn; it goes on on this machine, or on another one. Returns how often.
async fn killed_at_each_request(keyed: bool, elsewhere: bool) -> Option<u32> {
    let mut stage = Stage::open().await?;
    if keyed {
        encrypt_both(&stage).await;
    }
    let mut kills = 0;
    for moment in Moment::ALL {
        for nth in 1.. {
            empty(&stage).await;
            differing(&stage).await;
            stage.runs = tempfile::tempdir().unwrap();
            let before = stage.destination().await;
            let folder = tempfile::tempdir().unwrap();
            let planned = stage.plan_in(folder.path()).await;
            planned.save().unwrap();
            let plan = planned.plan().clone();
            let name = format!("r-{moment:?}-{nth}");
            let run = stage.run(&name);
            let apply = stage.apply(&name, planned);
            let ended = runs_to_its_end(&stage.aws, (nth, moment), apply).await;
            if elsewhere {
                stage.runs = tempfile::tempdir().unwrap();
            }
            let done = stage.resume(&run, stage.reopen(folder.path())).await;
            assert!(done.is_ok(), "{moment:?} {nth}: {done:?}");
            let done = done.unwrap();
            let what = format!("{moment:?} {nth}: {done:?}");
            assert!(done.is_complete(), "{what}");
            assert_eq!(done.copied, plan.copies(), "{what}");
            assert_eq!(done.deleted, plan.delete.tally, "{what}");
            assert_eq!(stage.destination().await, stage.source().await, "{what}");
            assert_eq!(stage.versions_of("changed").await, 2, "{what}");
            assert_eq!(stage.versions_of("new").await, 1, "{what}");
            assert_eq!(
                stage.undo(&name, &format!("undo-{name}")).await,
                4,
                "{what}"
            );
            assert_eq!(stage.destination().await, before, "{what}");
            if ended {
                break;
            }
            kills += 1;
        }
    }
    Some(kills)
}

impl Stage {
    /// How often an object was written to the destination.
    async fn versions_of(&self, key: &str) -> usize {
        let list = self.to.s3.list_object_versions().bucket("photos-dr");
        let list = list.prefix(key).send().await.unwrap();
        list.versions().len()
    }
}

#[tokio::test]
async fn run_killed_at_any_request_goes_on_here() {
    let Some(kills) = killed_at_each_request(false, false).await else {
        return;
    };
    println!("{kills} kills");
    assert!(kills >= 20, "{kills}");
}

#[tokio::test]
async fn run_killed_at_any_request_goes_on_here_under_kms() {
    let Some(kills) = killed_at_each_request(true, false).await else {
        return;
    };
    println!("{kills} kills");
    assert!(kills >= 20, "{kills}");
}

#[tokio::test]
async fn run_killed_at_any_request_goes_on_on_another_machine_under_kms() {
    let Some(kills) = killed_at_each_request(true, true).await else {
        return;
    };
    println!("{kills} kills");
    assert!(kills >= 20, "{kills}");
}

#[tokio::test]
async fn resume_of_a_run_that_is_another_one_or_under_way_changes_nothing() {
    let stage = stage!();
    differing(&stage).await;
    let folder = tempfile::tempdir().unwrap();
    let planned = stage.plan_in(folder.path()).await;
    planned.save().unwrap();
    // Nothing of it is copied yet.
    let held = Fault::new(FaultKind::Denied).operation("CopyObject");
    let held = stage.aws.add_fault(held);
    let done = stage.apply("r1", planned).await.unwrap();
    assert_eq!(done.failed.tally.objects, 3, "{done:?}");
    stage.aws.remove_fault(held);

    let other = Run {
        command: "reconcile".to_owned(),
        ..stage.run("r1")
    };
    let taken = stage.resume(&other, stage.reopen(folder.path())).await;
    assert!(
        matches!(
            taken,
            Err(ExecuteError::Journal(JournalError::Taken { .. }))
        ),
        "{taken:?}"
    );
    // On another machine, without the key or with another one, the journal in the bucket is nobody's.
    let elsewhere = tempfile::tempdir().unwrap();
    let mut options = stage.options();
    options.runs = elsewhere.path().to_owned();
    options.journal_key = JournalKey::new([2; 32]);
    let (_keep, stop) = watch::channel(false);
    let approved = approve(stage.reopen(folder.path()));
    let taken = resume(approved, &stage.run("r1"), &options, stop, &report::Silent).await;
    assert!(
        matches!(
            taken,
            Err(ExecuteError::Journal(JournalError::Taken { .. }))
        ),
        "{taken:?}"
    );
    // A journal that was changed on this machine does not go on.
    let path = stage.runs.path().join("r1/journal.jsonl");
    let lock = std::fs::File::open(stage.runs.path().join("r1/lock")).unwrap();
    lock.try_lock().unwrap();
    let alive = stage
        .resume(&stage.run("r1"), stage.reopen(folder.path()))
        .await;
    assert!(
        matches!(alive, Err(ExecuteError::Journal(JournalError::File { .. }))),
        "{alive:?}"
    );
    drop(lock);
    let journal = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, journal.replacen("\"create\"", "\"delete\"", 1)).unwrap();
    let taken = stage
        .resume(&stage.run("r1"), stage.reopen(folder.path()))
        .await;
    assert!(
        matches!(
            taken,
            Err(ExecuteError::Journal(JournalError::Taken { .. }))
        ),
        "{taken:?}"
    );
    assert_eq!(stage.destination().await["changed"].body, b"before");

    // Half a line is what a kill leaves.
    std::fs::write(&path, journal + "{\"record\":\"in").unwrap();
    let done = stage
        .resume(&stage.run("r1"), stage.reopen(folder.path()))
        .await
        .unwrap();
    assert!(done.is_complete(), "{done:?}");
    assert_eq!(stage.destination().await, stage.source().await);
}
