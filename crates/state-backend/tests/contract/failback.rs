//! What DR wrote, brought back.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_env::{RegionClients, list_versions};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use jiff::Timestamp;
use local_aws::{Fault, FaultKind};
use report::Silent;
use state_backend::{
    Backend, Digest, FailbackError, FailbackPlan, FailbackRun, FailedBack, HandoverStep, Health,
    HeldLocks, LockHolder, Presence, Relation, Resolution, Resolutions, Side, SideName, Standing,
    StateId,
};

use crate::Stage;
use crate::failover::{KEY, standings, table};
use crate::fixtures::{apply, info};
use crate::inventory::{Two, delete, digest, put, state, version};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

/// Another run each time.
pub(crate) fn holder() -> LockHolder {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    LockHolder {
        held: HeldLocks::default(),
        who: "jo@laptop".to_owned(),
        time: NOW,
        token: RUNS.fetch_add(1, Ordering::Relaxed).to_string(),
    }
}

/// A run of which nobody knows whether earlier ones have ended.
pub(crate) fn run(holder: &LockHolder) -> FailbackRun<'_> {
    FailbackRun {
        holder,
        has_ended: &|_| false,
        is_stopped: &|| false,
    }
}

/// A run that knows that all earlier ones have ended.
pub(crate) fn run_after_others(holder: &LockHolder) -> FailbackRun<'_> {
    FailbackRun {
        holder,
        has_ended: &|_| true,
        is_stopped: &|| false,
    }
}

async fn plan(
    backend: &Backend,
    choices: &[(&str, Resolution)],
) -> Result<FailbackPlan, FailbackError> {
    let mut resolutions = Resolutions::default();
    for (state, resolution) in choices {
        resolutions.choose(state, *resolution)?;
    }
    let holder = holder();
    backend.failback_plan(&resolutions, run(&holder), NOW).await
}

async fn fail_back(backend: &Backend) -> FailedBack {
    fail_back_with(backend, &[]).await
}

async fn fail_back_with(backend: &Backend, choices: &[(&str, Resolution)]) -> FailedBack {
    let plan = plan(backend, choices).await.expect("it can be planned");
    let holder = holder();
    backend
        .failback(&plan.approve(), run(&holder), &Silent)
        .await
}

async fn fail_over(stage: &Stage) {
    let dr = stage.dr_backend().await;
    let plan = dr.failover_plan(NOW).await;
    let done = dr.failover(&plan.approve(), &Silent).await;
    assert!(done.handover().left().next().is_none(), "{done:?}");
}

/// Serial, digest row and version of a copy.
async fn copy(backend: &Backend, side: SideName, key: &str) -> (u64, Digest) {
    let copy = backend
        .state(side, &StateId::new(key))
        .await
        .expect("a side");
    let serial = match &copy.found {
        Presence::Present(object) => object.content.as_ref().map(|content| content.serial()),
        _ => Ok(0),
    };
    (serial.expect("a state"), copy.digest)
}

/// As Terraform writes: the object, and then the row.
async fn write(stage: &Stage, side: &(RegionClients, Side), key: &str, content: &str) {
    put(side, key, content).await;
    let found = stage
        .backend()
        .await
        .state(side.1.name, &StateId::new(key))
        .await;
    let md5 = match found.expect("a side").found {
        Presence::Present(object) => object.md5,
        _ => None,
    };
    digest(side, key, &md5.expect("read")).await;
}

// aws-behaviour: 46
pub(crate) async fn failback_copies_what_dr_wrote_where_the_primary_has_not_moved(stage: &Stage) {
    let two = Two::make(stage).await;
    for key in [KEY, "ahead", "deleted", "gone"] {
        two.both(key, &state("a", 7)).await;
    }
    write(stage, &two.dr, "ahead", &state("a", 8)).await;
    write(stage, &two.dr, "ahead", &state("a", 9)).await;
    digest(&two.primary, "ahead", "0123").await;
    // Made in DR, in a region that had no state of it.
    write(stage, &two.dr, "new", &state("b", 2)).await;
    put(&two.primary, "alone", &state("c", 1)).await;
    delete(&two.primary, "deleted").await;
    for side in [&two.primary, &two.dr] {
        delete(side, "gone").await;
        digest(side, "gone", "0123").await;
    }
    digest(&two.primary, KEY, "0123").await;
    digest(&two.dr, KEY, "4567").await;
    let backend = stage.backend().await;
    let done = fail_back(&backend).await;
    assert_eq!(
        standings(done.handover()),
        table([
            (KEY, "done"),
            ("ahead", "done"),
            ("new", "done"),
            ("alone", "NotThere"),
            ("deleted", "DeletedIn"),
            ("gone", "Deleted"),
        ])
    );
    for (key, serial) in [(KEY, 7), ("ahead", 9), ("new", 2)] {
        let (primary, dr) = (SideName::Primary, SideName::Dr);
        assert_eq!(
            copy(&backend, primary, key).await,
            (serial, Digest::Matches),
            "{key}"
        );
        assert_eq!(
            copy(&backend, dr, key).await,
            (serial, Digest::Absent),
            "{key}"
        );
    }
    stage.aws.clear_log();
    assert_eq!(fail_back(&backend).await.handover().planned(), 0);
    assert!(stage.aws.log().iter().all(|entry| !entry.is_mutation()));
}

pub(crate) async fn failback_over_a_primary_that_was_written_copies_nothing(stage: &Stage) {
    let two = Two::make(stage).await;
    for key in [
        "serial",
        "unreplicated",
        "ahead",
        "lineage",
        "lagging",
        "behind",
    ] {
        two.both(key, &state("a", 6)).await;
    }
    // Both wrote the next serial.
    put(&two.primary, "serial", &state("a", 7)).await;
    put(
        &two.dr,
        "serial",
        &state("a", 7).replace("1.11.4", "1.11.3"),
    )
    .await;
    // The primary's last write never reached DR, which has gone on from the one before: its serial is higher all the same.
    put(&two.primary, "unreplicated", &state("a", 7)).await;
    for serial in [7, 8] {
        let ours = state("a", serial).replace("1.11.4", "1.11.3");
        put(&two.dr, "unreplicated", &ours).await;
    }
    put(&two.primary, "ahead", &state("a", 9)).await;
    put(&two.dr, "ahead", &state("a", 7)).await;
    put(&two.dr, "lineage", &state("b", 8)).await;
    // DR has what the primary had before, and wrote nothing.
    put(&two.primary, "lagging", &state("a", 7)).await;
    // It did reach DR, but late: below DR's own write of the same serial.
    put(&two.primary, "behind", &state("a", 7)).await;
    put(&two.dr, "behind", &state("a", 7)).await;
    put(
        &two.dr,
        "behind",
        &state("a", 7).replace("1.11.4", "1.11.3"),
    )
    .await;
    put(&two.dr, "behind", &state("a", 8)).await;
    let backend = stage.backend().await;
    stage.aws.clear_log();
    let plan = plan(&backend, &[]).await.expect("a DR side");
    assert_eq!(
        standings(plan.handover()),
        table([
            ("serial", "Diverged"),
            ("unreplicated", "Moved"),
            ("ahead", "Moved"),
            ("lineage", "Diverged"),
            ("lagging", "Behind"),
            ("behind", "Moved"),
        ])
    );
    let mut states = plan.handover().states.iter();
    let unreplicated = states.find(|state| state.state.key == "unreplicated");
    let unreplicated = match unreplicated.map(|state| &state.standing) {
        Some(Standing::Left { left }) => left,
        other => panic!("{other:?}"),
    };
    for part in [
        "ca-central-1 has serial 7 (version ",
        ", us-east-1 has serial 8 (version ",
    ] {
        assert!(unreplicated.text.contains(part), "{}", unreplicated.text);
    }
    let commands: Vec<String> = unreplicated
        .commands
        .iter()
        .map(ToString::to_string)
        .collect();
    let wanted = [
        "init-backend failback --keep-primary unreplicated  # to keep that of ca-central-1",
        "init-backend failback --keep-dr unreplicated  # to keep that of us-east-1",
    ];
    assert_eq!(commands, wanted);
    let holder = holder();
    backend
        .failback(&plan.approve(), run(&holder), &Silent)
        .await;
    assert!(stage.aws.log().iter().all(|entry| !entry.is_mutation()));
}

/// What a failback has written over is brought back by hand: the next one asks, whichever side has the higher serial.
pub(crate) async fn failback_after_its_copy_was_undone_asks_and_copies_nothing(stage: &Stage) {
    let two = Two::make(stage).await;
    let (primary, dr) = (SideName::Primary, SideName::Dr);
    for key in ["keep-primary", "keep-dr", "on-it", "copied"] {
        two.both(key, &state("a", 6)).await;
    }
    for key in ["keep-primary", "on-it"] {
        put(&two.primary, key, &state("a", 7)).await;
        put(&two.dr, key, &state("a", 8)).await;
    }
    put(&two.primary, "keep-dr", &state("a", 8)).await;
    put(&two.dr, "keep-dr", &state("a", 7)).await;
    put(&two.dr, "copied", &state("a", 7)).await;
    let backend = stage.backend().await;
    let undo = [
        (dr, "keep-primary", version(&two.dr, "keep-primary").await),
        (dr, "on-it", version(&two.dr, "on-it").await),
        (primary, "keep-dr", version(&two.primary, "keep-dr").await),
        (primary, "copied", version(&two.primary, "copied").await),
    ];
    let choices = [
        ("keep-primary", Resolution::KeepPrimary),
        ("on-it", Resolution::KeepPrimary),
        ("keep-dr", Resolution::KeepDr),
    ];
    let done = fail_back_with(&backend, &choices).await;
    let all = |standing| {
        let keys = ["keep-primary", "keep-dr", "on-it", "copied"];
        table(keys.map(|key| (key, standing)))
    };
    assert_eq!(standings(done.handover()), all("done"));
    for (side, key, version) in undo {
        let state = StateId::new(key);
        let restore = backend.plan_restore(side, &state, &version).await;
        let restore = restore.expect("it can be undone");
        backend.restore_state(&restore).await.expect("it is undone");
    }
    // And Terraform has gone on from what was brought back.
    write(stage, &two.dr, "on-it", &state("a", 9)).await;
    stage.aws.clear_log();
    let plan = plan(&backend, &[]).await.expect("a DR side");
    assert_eq!(standings(plan.handover()), all("Moved"));
    for state in &plan.handover().states {
        let Standing::Left { left } = &state.standing else {
            panic!("{state:?}");
        };
        let commands: Vec<String> = left.commands.iter().map(ToString::to_string).collect();
        let has = |flag: &str| commands.iter().any(|command| command.contains(flag));
        assert!(has("--keep-primary") && has("--keep-dr"), "{left:?}");
        assert!(left.text.contains("brought back"), "{left:?}");
    }
    let holder = holder();
    backend
        .failback(&plan.approve(), run(&holder), &Silent)
        .await;
    assert!(stage.aws.log().iter().all(|entry| !entry.is_mutation()));

    // The choice counts when it is made once more.
    let done = fail_back_with(&backend, &[("on-it", Resolution::KeepDr)]).await;
    assert_eq!(standings(done.handover())["on-it"], "done", "{done:?}");
    assert_eq!(copy(&backend, primary, "on-it").await.0, 9);
}

pub(crate) async fn failback_of_a_locked_state_is_refused(stage: &Stage) {
    let two = Two::make(stage).await;
    for (key, side) in [("ours", &two.primary), ("theirs", &two.dr)] {
        two.both(key, &state("a", 7)).await;
        put(&two.dr, key, &state("a", 8)).await;
        put(side, &format!("{key}.tflock"), &info("1111")).await;
    }
    two.both(KEY, &state("a", 7)).await;
    put(&two.dr, KEY, &state("a", 8)).await;
    let backend = stage.backend().await;
    let done = fail_back(&backend).await;
    assert_eq!(
        standings(done.handover()),
        table([(KEY, "done"), ("ours", "Locked"), ("theirs", "Locked")])
    );
    assert_eq!(copy(&backend, SideName::Primary, "ours").await.0, 7);
    assert_eq!(copy(&backend, SideName::Primary, "theirs").await.0, 7);
}

/// As Terraform takes the locks of a state: only where nothing is.
async fn terraform_locks((clients, side): &(RegionClients, Side), key: &str) -> Vec<&'static str> {
    let object = clients.s3.put_object().bucket(side.bucket.as_str());
    let object = object.key(format!("{key}.tflock")).if_none_match("*");
    let object = object.body(info("1111").into_bytes().into()).send().await;
    let table = side.table.as_ref().expect("a table").as_str();
    let row = clients.dynamodb.put_item().table_name(table);
    let place = format!("{}/{key}", side.bucket);
    let row = row.item("LockID", AttributeValue::S(place));
    let row = row.item("Info", AttributeValue::S(info("1111")));
    let row = row.condition_expression("attribute_not_exists(LockID)");
    let row = row.send().await;
    let taken = [("S3", object.is_ok()), ("DynamoDB", row.is_ok())];
    let taken = taken.into_iter().filter(|(_, taken)| *taken);
    taken.map(|(kind, _)| kind).collect()
}

/// Waits until a fault has hit.
async fn hit(stage: &Stage, fault: Fault) {
    let id = stage.aws.add_fault(fault.times(1));
    let is_hit = || {
        let mut faults = stage.aws.faults().into_iter();
        faults.any(|(found, fault)| found == id && fault.times == Some(0))
    };
    while !is_hit() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Whoever comes between the last look and the copy, in whichever region and with whichever kind of lock, is kept away
/// until the digest row is right.
pub(crate) async fn failback_holds_the_locks_of_a_state_while_it_is_written(stage: &Stage) {
    for operation in ["CopyObject", "PutItem"] {
        let two = match operation {
            "CopyObject" => Two::make(stage).await,
            _ => Two::of(stage).await,
        };
        let key = operation;
        two.both(key, &state("a", 7)).await;
        digest(&two.primary, key, "0123").await;
        put(&two.dr, key, &state("a", 8)).await;
        let backend = stage.backend().await;
        let slow = Fault::new(FaultKind::Latency(Duration::from_millis(700)));
        let slow = slow.operation(operation);
        let writer = async {
            match operation {
                "CopyObject" => hit(stage, slow).await,
                // The rows of the locks come before that of the digest.
                _ => hit(stage, slow.nth(3)).await,
            }
            let primary = terraform_locks(&two.primary, key).await;
            (primary, terraform_locks(&two.dr, key).await)
        };
        let (done, (primary, dr)) = tokio::join!(fail_back(&backend), writer);
        assert_eq!((primary, dr), (vec![], vec![]), "{operation}");
        assert_eq!(standings(done.handover())[key], "done", "{done:?}");
        let found = copy(&backend, SideName::Primary, key).await;
        assert_eq!(found, (8, Digest::Matches));
        // And now it is Terraform's.
        for side in [&two.primary, &two.dr] {
            assert_eq!(terraform_locks(side, key).await, ["S3", "DynamoDB"]);
        }
    }
}

/// What was free when the plan was made, and is not any more.
pub(crate) async fn failback_of_a_state_that_is_locked_meanwhile_copies_nothing(stage: &Stage) {
    let two = Two::make(stage).await;
    for (key, side) in [("ours", &two.primary), ("theirs", &two.dr)] {
        two.both(key, &state("a", 7)).await;
        put(&two.dr, key, &state("a", 8)).await;
        let backend = stage.backend().await;
        let plan = plan(&backend, &[]).await.expect("a DR side").approve();
        // After the first look, which is before the locks.
        let slow = Fault::new(FaultKind::Latency(Duration::from_millis(300)));
        let run_of_terraform = async {
            hit(stage, slow.operation("PutObject")).await;
            let (clients, side) = side;
            let table = side.table.as_ref().expect("a table").as_str();
            let put = clients.dynamodb.put_item().table_name(table);
            let place = format!("{}/{key}", side.bucket);
            let put = put.item("LockID", AttributeValue::S(place));
            let put = put.item("Info", AttributeValue::S(info("1111"))).send();
            put.await.expect("locked");
        };
        let holder = holder();
        let failback = backend.failback(&plan, run(&holder), &Silent);
        let (done, ()) = tokio::join!(failback, run_of_terraform);
        assert_eq!(standings(done.handover())[key], "Locked", "{done:?}");
        assert_eq!(copy(&backend, SideName::Primary, key).await.0, 7);
        // What it had taken already is given back.
        let held = [SideName::Primary, SideName::Dr].map(|side| backend.locks(side));
        let held = futures::future::join_all(held).await.into_iter();
        let held = held.flat_map(|locks| locks.held);
        let held: Vec<_> = held.filter(|lock| lock.state() == key).collect();
        assert_eq!(held.len(), 1, "{held:?}");
        assert_eq!(held[0].info.as_ref().expect("whole").id, "1111");
    }
}

pub(crate) async fn failback_whose_copy_fails_releases_its_locks(stage: &Stage) {
    let two = Two::make(stage).await;
    two.both(KEY, &state("a", 7)).await;
    put(&two.dr, KEY, &state("a", 8)).await;
    let backend = stage.backend().await;
    let denied = Fault::new(FaultKind::Denied).operation("CopyObject");
    stage.aws.add_fault(denied);
    let done = fail_back(&backend).await;
    assert_eq!(done.handover().problems().count(), 1, "{done:?}");
    for side in [SideName::Primary, SideName::Dr] {
        let locks = backend.locks(side).await;
        assert!(locks.held.is_empty(), "{locks:?}");
    }
}

/// The lock of a killed run is told, and released only where that run has certainly ended.
pub(crate) async fn failback_releases_the_lock_of_a_run_that_has_ended_and_of_no_other(
    stage: &Stage,
) {
    let two = Two::make(stage).await;
    two.both(KEY, &state("a", 7)).await;
    put(&two.dr, KEY, &state("a", 8)).await;
    let backend = stage.backend().await;
    let approved = plan(&backend, &[]).await.expect("a DR side").approve();
    let killed = holder();
    let slow = Fault::new(FaultKind::Latency(Duration::from_secs(60)));
    tokio::select! {
        _ = backend.failback(&approved, run(&killed), &Silent) => {}
        () = hit(stage, slow.operation("CopyObject")) => {}
    }
    let refused = fail_back(&backend).await;
    assert_eq!(standings(refused.handover()), table([(KEY, "Locked")]));
    let left = refused.handover().left().next().expect("left");
    assert!(left.text.contains("jo@laptop (ID "), "{}", left.text);
    assert!(left.text.contains("Failback"), "{}", left.text);

    let holder = holder();
    let run = run_after_others(&holder);
    let none = Resolutions::default();
    let plan = backend.failback_plan(&none, run, NOW).await;
    let plan = plan.expect("a DR side");
    let steps = &plan.handover().states[0].steps;
    let releases = steps
        .iter()
        .take_while(|step| matches!(step, HandoverStep::ReleaseLock(_)));
    assert_eq!(releases.count(), 4, "{steps:?}");
    let done = backend.failback(&plan.approve(), run, &Silent).await;
    assert_eq!(standings(done.handover()), table([(KEY, "done")]));
    assert_eq!(copy(&backend, SideName::Primary, KEY).await.0, 8);
    for side in [SideName::Primary, SideName::Dr] {
        let locks = backend.locks(side).await;
        assert!(locks.held.is_empty(), "{locks:?}");
    }
}

/// Both regions wrote it, or one has deleted it: as a person chooses, and what goes stays a version.
pub(crate) async fn failback_with_choices_does_what_was_chosen_and_loses_nothing(stage: &Stage) {
    let two = Two::make(stage).await;
    let ours = |serial| state("a", serial);
    let theirs = |serial| state("a", serial).replace("1.11.4", "1.11.3");
    for key in [
        "dr",
        "primary",
        "undecided",
        "back",
        "back-dr",
        "gone",
        "gone-dr",
    ] {
        two.both(key, &state("a", 6)).await;
    }
    for key in ["dr", "primary", "undecided"] {
        write(stage, &two.primary, key, &ours(7)).await;
        write(stage, &two.dr, key, &theirs(7)).await;
        write(stage, &two.dr, key, &theirs(8)).await;
    }
    for key in ["back", "gone"] {
        write(stage, &two.dr, key, &state("a", 7)).await;
        delete(&two.primary, key).await;
        digest(&two.primary, key, "0123").await;
    }
    for key in ["back-dr", "gone-dr"] {
        delete(&two.dr, key).await;
        digest(&two.dr, key, "0123").await;
    }
    let backend = stage.backend().await;
    let choices = [
        ("dr", Resolution::KeepDr),
        ("primary", Resolution::KeepPrimary),
        ("back", Resolution::BringBack),
        ("back-dr", Resolution::BringBack),
        ("gone", Resolution::StayDeleted),
        ("gone-dr", Resolution::StayDeleted),
    ];
    stage.aws.clear_log();
    let planned = plan(&backend, &choices).await.expect("all fit");
    assert_eq!(planned.handover().planned(), 6, "{planned:?}");
    assert!(stage.aws.log().iter().all(|entry| !entry.is_mutation()));
    let done = fail_back_with(&backend, &choices).await;
    assert_eq!(
        standings(done.handover()),
        table([
            (KEY, "NotThere"),
            ("dr", "done"),
            ("primary", "done"),
            ("back", "done"),
            ("back-dr", "done"),
            ("gone", "done"),
            ("gone-dr", "done"),
            ("undecided", "Moved"),
        ])
        .into_iter()
        .filter(|(key, _)| key != KEY)
        .collect()
    );
    for (key, serial) in [("dr", 8), ("primary", 7), ("back", 7), ("back-dr", 6)] {
        for side in [SideName::Primary, SideName::Dr] {
            let (found, digest) = copy(&backend, side, key).await;
            assert_eq!(found, serial, "{key} {side}");
            assert_ne!(digest, Digest::Differs, "{key} {side}");
        }
    }
    for key in ["gone", "gone-dr"] {
        for side in [SideName::Primary, SideName::Dr] {
            let found = backend
                .state(side, &StateId::new(key))
                .await
                .expect("a side");
            assert!(matches!(found.found, Presence::Deleted(_)), "{found:?}");
            assert_eq!(found.digest, Digest::Absent, "{key} {side}");
        }
    }
    // Each version that was written over or deleted is named with the command that brings it back, and is there.
    let mut undone = 0;
    for state in &done.handover().states {
        for step in &state.steps {
            let (side, version, undo) = match step {
                HandoverStep::CopyState(copy) => match &copy.undo {
                    Some(undo) => (copy.to, copy.replaces.clone().expect("a version"), undo),
                    None => continue,
                },
                HandoverStep::DeleteState(gone) => (gone.side, gone.version.clone(), &gone.undo),
                _ => continue,
            };
            let undo = undo.to_string();
            assert!(undo.contains(&version), "{undo}");
            let (clients, of) = match side {
                SideName::Primary => &two.primary,
                SideName::Dr => &two.dr,
            };
            let key = state.state.object();
            let versions = list_versions(clients, of.bucket.as_str(), &key).await;
            let versions = versions.expect("listed");
            let mut versions = versions.iter();
            assert!(
                versions.any(|found| found.version_id.as_deref() == Some(version.as_str())),
                "{undo}"
            );
            undone += 1;
        }
    }
    assert_eq!(undone, 4, "{done:#?}");
    // Repeated, with what is done already among it, nothing is changed any more.
    stage.aws.clear_log();
    let again = fail_back_with(&backend, &choices).await;
    assert_eq!(again.handover().planned(), 0);
    assert!(stage.aws.log().iter().all(|entry| !entry.is_mutation()));
}

pub(crate) async fn failback_with_a_choice_that_does_not_fit_is_an_error(stage: &Stage) {
    let two = Two::make(stage).await;
    for key in ["same", "ahead", "deleted", "moved"] {
        two.both(key, &state("a", 7)).await;
    }
    put(&two.dr, "ahead", &state("a", 8)).await;
    delete(&two.primary, "deleted").await;
    put(&two.primary, "moved", &state("a", 8)).await;
    let theirs = state("a", 8).replace("1.11.4", "1.11.3");
    put(&two.dr, "moved", &theirs).await;
    let backend = stage.backend().await;
    for (key, resolution) in [
        ("same", Resolution::KeepDr),
        ("same", Resolution::KeepPrimary),
        ("same", Resolution::BringBack),
        ("same", Resolution::StayDeleted),
        ("ahead", Resolution::KeepDr),
        ("ahead", Resolution::KeepPrimary),
        ("deleted", Resolution::KeepDr),
        ("moved", Resolution::StayDeleted),
        ("moved", Resolution::BringBack),
        ("none", Resolution::KeepDr),
        (KEY, Resolution::KeepDr),
    ] {
        let planned = plan(&backend, &[(key, resolution)]).await;
        let error = planned.expect_err("it does not fit").to_string();
        assert!(
            error.contains(&format!("{resolution} does not fit {key}: ")),
            "{error}"
        );
    }
    let twice = [
        ("moved", Resolution::KeepDr),
        ("moved", Resolution::KeepPrimary),
    ];
    let error = plan(&backend, &twice)
        .await
        .expect_err("only one")
        .to_string();
    assert_eq!(error, "moved has two choices, keep-dr and keep-primary");
}

/// Nothing is written over in a bucket that keeps no versions.
pub(crate) async fn failback_over_a_bucket_without_versions_is_refused(stage: &Stage) {
    let two = Two::make(stage).await;
    let (clients, side) = &two.primary;
    let off = VersioningConfiguration::builder().status(BucketVersioningStatus::Suspended);
    let off = off.build();
    two.both("moved", &state("a", 7)).await;
    put(&two.primary, "moved", &state("a", 8)).await;
    let theirs = state("a", 8).replace("1.11.4", "1.11.3");
    put(&two.dr, "moved", &theirs).await;
    put(&two.dr, "new", &state("a", 1)).await;
    let suspended = clients.s3.put_bucket_versioning();
    let suspended = suspended.bucket(side.bucket.as_str());
    let suspended = suspended.versioning_configuration(off).send();
    suspended.await.expect("suspended");
    let backend = stage.backend().await;
    let done = fail_back_with(&backend, &[("moved", Resolution::KeepDr)]).await;
    let found = standings(done.handover());
    assert_eq!(
        (found["moved"].as_str(), found["new"].as_str()),
        ("Unversioned", "done")
    );
    assert_eq!(copy(&backend, SideName::Primary, "moved").await.0, 8);
}

pub(crate) async fn failback_whose_answers_are_lost_is_done(stage: &Stage) {
    let two = Two::make(stage).await;
    two.both(KEY, &state("a", 7)).await;
    write(stage, &two.dr, KEY, &state("a", 8)).await;
    let backend = stage.backend().await;
    for operation in ["CopyObject", "PutItem", "DeleteItem"] {
        let lost = Fault::new(FaultKind::ResponseLost).operation(operation);
        stage.aws.add_fault(lost.times(1));
    }
    let done = fail_back(&backend).await;
    assert_eq!(standings(done.handover()), table([(KEY, "done")]));
    let lost = stage.aws.log();
    let lost = lost.iter().filter(|entry| entry.fault.is_some()).count();
    assert_eq!(lost, 3, "every one of them was lost once");
    assert_eq!(
        copy(&backend, SideName::Primary, KEY).await,
        (8, Digest::Matches)
    );
}

/// What the guide's team does every quarter: fail over, apply in DR, fail back, apply in the primary region.
// aws-behaviour: 46
pub(crate) async fn ten_drills_and_failbacks_in_a_row(stage: &Stage) {
    let backend = stage.backend().await;
    apply(&backend).await;
    let two = Two::of(stage).await;
    let stands = async |relation: Relation| {
        let found = backend.inventory(NOW).await;
        let [found] = found.states.as_slice() else {
            return assert_eq!(found.states.len(), 1);
        };
        assert_eq!(found.relation, Some(relation));
        let well = found.relation == Some(Relation::Same);
        assert_eq!(found.health == Health::Ok, well, "{found:?}");
    };
    let mut serial = 1;
    write(stage, &two.primary, KEY, &state("a", serial)).await;
    for _ in 0..10 {
        fail_over(stage).await;
        stands(Relation::Same).await;
        for _ in 0..2 {
            serial += 1;
            write(stage, &two.dr, KEY, &state("a", serial)).await;
        }
        stands(Relation::DrAhead { serials: 2 }).await;
        let done = fail_back(&backend).await;
        assert_eq!(standings(done.handover()), table([(KEY, "done")]));
        assert_eq!(done.handover().lost_writes().count(), 0, "{done:?}");
        stands(Relation::Same).await;
        // DR's row would be stale from here on.
        serial += 1;
        write(stage, &two.primary, KEY, &state("a", serial)).await;
        stands(Relation::Same).await;
    }
}

pub(crate) async fn failback_knows_the_workspaces_of_the_settings_prefix(stage: &Stage) {
    let config = crate::EXAMPLE.replace("\"env:\"", "\"teams\"");
    let two = Two::make(stage).await;
    let key = "teams/prod/staging/terraform.tfstate";
    two.both(key, &state("a", 7)).await;
    put(&two.dr, key, &state("a", 8)).await;
    let done = fail_back(&stage.backend_of(&config).await).await;
    let [found] = done.handover().states.as_slice() else {
        return assert_eq!(done.handover().states.len(), 1);
    };
    let workspace = found.state.workspace.as_ref();
    let workspace = workspace.map(|workspace| workspace.name.as_str());
    assert_eq!((workspace, found.state.key.as_str()), (Some("prod"), KEY));
}
