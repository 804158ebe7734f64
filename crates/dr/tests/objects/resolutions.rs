//! Failbacks with something in doubt: nothing of it is done silently, and lists of keys decide it.

use std::path::Path;

use dr::objects::{
    PlanOptions, Planned, Reconciliation, Resolution, Resolutions, capture, reconcile,
};

use crate::keyed::{encrypt_both, put_bare, replicate};
use crate::stage::Stage;

async fn manifest(stage: &Stage, directory: &Path) {
    let path = directory.join("manifest");
    let captured = capture(&stage.destination, jiff::Timestamp::UNIX_EPOCH, &path);
    captured.await.unwrap();
}

async fn failback(
    stage: &Stage,
    directory: &Path,
    resolutions: &Resolutions,
) -> (Reconciliation, Planned) {
    let options = PlanOptions {
        delete: true,
        ..stage.keyed_options()
    };
    let (dr, primary) = (&stage.destination, &stage.source);
    let path = directory.join("manifest");
    let runs = stage.runs.path();
    let planned = reconcile(dr, primary, &path, &options, resolutions, runs);
    planned.await.unwrap()
}

#[tokio::test]
async fn reconcile_of_what_nothing_proves_is_neither_fine_nor_a_conflict() {
    let stage = stage!();
    encrypt_both(&stage).await;
    let directory = tempfile::tempdir().unwrap();
    // Brought to DR by somebody else's tool: no replica, no checksum, no journal.
    for key in ["same", "edited", "gone"] {
        put_bare(&stage.from, "photos", key, key.as_bytes()).await;
        put_bare(&stage.to, "photos-dr", key, key.as_bytes()).await;
    }
    manifest(&stage, directory.path()).await;
    put_bare(&stage.to, "photos-dr", "edited", b"in DR!").await;
    let delete = stage.to.s3.delete_object().bucket("photos-dr").key("gone");
    delete.send().await.unwrap();
    let (found, planned) = failback(&stage, directory.path(), &Resolutions::default()).await;
    assert!(found.plan.is_empty(), "{found:?}");
    assert_eq!(found.plan.unproven.tally.objects, 3, "{found:?}");
    assert_eq!(found.plan.left_unproven.objects, 3);
    assert!(!found.has_conflicts(), "{found:?}");
    drop(planned);
    let mut undecided: Vec<_> = found
        .undecided()
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    undecided.sort();
    assert_eq!(undecided, [r#""edited""#, r#""gone""#, r#""same""#]);

    // Lists decide, as they were written, and say what they name in vain.
    let list = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let mut resolutions = Resolutions::default();
    let keep_dr = list("keep-dr", "\"edited\"\n\"gone\"\nnever\n");
    let keep_primary = list("keep-primary", "same\n");
    resolutions.add_list(&keep_dr, Resolution::KeepDr).unwrap();
    resolutions
        .add_list(&keep_primary, Resolution::KeepPrimary)
        .unwrap();
    let (found, planned) = failback(&stage, directory.path(), &resolutions).await;
    let plan = &found.plan;
    let numbers = [&plan.replace, &plan.delete, &plan.create].map(|list| list.tally.objects);
    assert_eq!(numbers, [1, 1, 0], "{found:?}");
    assert_eq!(found.resolved.tally.objects, 3);
    assert_eq!(found.named_in_vain.examples[0].key, "never");
    assert_eq!(found.undecided().unwrap(), "");
    let done = stage.apply_back("r1", planned).await;
    assert!(done.is_complete(), "{done:?}");
    let primary = stage.source().await;
    assert_eq!(primary.keys().collect::<Vec<_>>(), ["edited", "same"]);
    assert_eq!(primary["edited"].body, b"in DR!");
}

#[tokio::test]
async fn reconcile_of_what_the_primary_deleted_does_not_restore_it_silently() {
    let stage = stage!();
    encrypt_both(&stage).await;
    replicate(&stage).await;
    let directory = tempfile::tempdir().unwrap();
    for key in ["deleted", "kept", "other"] {
        put_bare(&stage.from, "photos", key, key.as_bytes()).await;
    }
    let stop = stage.from.s3.delete_bucket_replication().bucket("photos");
    stop.send().await.unwrap();
    manifest(&stage, directory.path()).await;
    for key in ["deleted", "other"] {
        let delete = stage.from.s3.delete_object().bucket("photos").key(key);
        delete.send().await.unwrap();
    }
    let (found, _) = failback(&stage, directory.path(), &Resolutions::default()).await;
    assert!(found.plan.is_empty(), "{found:?}");
    assert_eq!(found.primary_deleted.tally.objects, 2, "{found:?}");
    assert!(found.has_conflicts());
    // One by one, or all of a primary that was rebuilt.
    let mut one = Resolutions::default();
    one.add("deleted".to_owned(), Resolution::KeepDr).unwrap();
    let (found, _) = failback(&stage, directory.path(), &one).await;
    assert_eq!(found.plan.create.examples[0].key, "deleted");
    assert_eq!(found.primary_deleted.examples[0].key, "other");
    let all = Resolutions::default().restoring_deleted(true);
    let (found, planned) = failback(&stage, directory.path(), &all).await;
    assert_eq!(found.plan.create.tally.objects, 2, "{found:?}");
    assert!(!found.has_conflicts());
    stage.apply_back("r1", planned).await;
    assert_eq!(stage.source().await.len(), 3);
}

#[tokio::test]
async fn reconcile_of_writes_in_both_regions_under_keys_is_a_conflict_until_decided() {
    let stage = stage!();
    encrypt_both(&stage).await;
    replicate(&stage).await;
    let directory = tempfile::tempdir().unwrap();
    for key in ["a", "b"] {
        stage.put_source(key, b"old").await;
    }
    let stop = stage.from.s3.delete_bucket_replication().bucket("photos");
    stop.send().await.unwrap();
    manifest(&stage, directory.path()).await;
    for key in ["a", "b"] {
        stage.put_source(key, b"primary").await;
        stage.put_destination(key, b"written in DR").await;
    }
    let mut resolutions = Resolutions::default();
    resolutions.add("a".to_owned(), Resolution::KeepDr).unwrap();
    let (found, planned) = failback(&stage, directory.path(), &resolutions).await;
    assert_eq!(found.conflicts.examples[0].key, "b", "{found:?}");
    assert_eq!(found.plan.replace.examples[0].key, "a");
    let done = stage.apply_back("r1", planned).await;
    assert!(done.is_complete(), "{done:?}");
    let primary = stage.source().await;
    assert_eq!(primary["a"].body, b"written in DR");
    assert_eq!(primary["b"].body, b"primary");
}
