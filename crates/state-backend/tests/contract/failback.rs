//! What DR wrote, brought back.

use std::time::Duration;

use aws_env::RegionClients;
use jiff::Timestamp;
use local_aws::{Fault, FaultKind};
use report::Silent;
use state_backend::{
    Backend, Digest, FailedBack, Health, Presence, Relation, Side, SideName, StateId,
};

use crate::Stage;
use crate::failover::{KEY, standings, table};
use crate::fixtures::{apply, info};
use crate::inventory::{Two, delete, digest, put, state};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

async fn fail_back(backend: &Backend) -> FailedBack {
    let plan = backend.failback_plan(NOW).await.expect("a DR side");
    backend.failback(&plan.approve(), &Silent).await
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
    let plan = backend.failback_plan(NOW).await.expect("a DR side");
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
    let left: Vec<_> = plan.handover().left().collect();
    let unreplicated = left
        .iter()
        .find(|left| left.text.contains("us-east-1 has serial 8"));
    let unreplicated = unreplicated.expect("named");
    assert!(
        unreplicated
            .text
            .starts_with("ca-central-1 has serial 7 (version "),
        "{}",
        unreplicated.text
    );
    let commands: Vec<String> = unreplicated
        .commands
        .iter()
        .map(ToString::to_string)
        .collect();
    assert!(
        commands[0].contains("--copy-source") && commands[1].contains("--region ca-central-1"),
        "{commands:?}"
    );
    backend.failback(&plan.approve(), &Silent).await;
    assert!(stage.aws.log().iter().all(|entry| !entry.is_mutation()));
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

/// Between the look at the locks and the copy.
pub(crate) async fn failback_overtaken_by_a_run_says_so(stage: &Stage) {
    let two = Two::make(stage).await;
    two.both(KEY, &state("a", 7)).await;
    write(stage, &two.dr, KEY, &state("a", 8)).await;
    let backend = stage.backend().await;
    let plan = backend.failback_plan(NOW).await.expect("a DR side");
    let slow = FaultKind::Latency(Duration::from_millis(500));
    let slow = stage
        .aws
        .add_fault(Fault::new(slow).operation("CopyObject").times(1));
    let is_hit = || {
        let mut faults = stage.aws.faults().into_iter();
        faults.any(|(id, fault)| id == slow && fault.times == Some(0))
    };
    let run = async {
        while !is_hit() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        put(&two.primary, &format!("{KEY}.tflock"), &info("1111")).await;
    };
    let approved = plan.approve();
    let (done, ()) = tokio::join!(backend.failback(&approved, &Silent), run);
    assert_eq!(standings(done.handover()), table([(KEY, "Locked")]));
    let left = done.handover().left().next().expect("left");
    assert!(
        left.text
            .contains("serial 8 was copied while jo@laptop (ID 1111"),
        "{}",
        left.text
    );
    assert_eq!(copy(&backend, SideName::Primary, KEY).await.0, 8);
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
