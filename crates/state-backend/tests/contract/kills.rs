//! Failover and failback cut off at each of their requests in turn, before it arrives and after AWS has acted, and taken
//! up by the next run.

use std::future::Future;
use std::time::Duration;

use aws_env::{RegionClients, delete_versions, list_versions};
use jiff::Timestamp;
use local_aws::{Fault, FaultKind};
use report::Silent;
use state_backend::{
    Backend, Digest, Handover, Presence, Resolution, Resolutions, Side, Standing, StateId,
};

use crate::Stage;
use crate::failback::{holder, run, run_after_others};
use crate::fixtures::{apply, info};
use crate::inventory::{Two, delete, digest, put, state};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

/// Runs until a fault hits, and no further; `false` when it has not.
pub(crate) async fn cut_off<T>(stage: &Stage, fault: Fault, run: impl Future<Output = T>) -> bool {
    let fault = stage.aws.add_fault(fault);
    let was_hit = || {
        let mut faults = stage.aws.faults().into_iter();
        faults.any(|(id, listed)| id == fault && listed.times == Some(0))
    };
    let hit = async {
        while !was_hit() {
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
    };
    tokio::select! {
        biased;
        () = hit => {}
        _ = run => {}
    }
    let hit = was_hit();
    stage.aws.remove_fault(fault);
    hit
}

/// The bucket and the table without anything in them.
pub(crate) async fn empty((clients, side): &(RegionClients, Side)) {
    let bucket = side.bucket.as_str();
    let versions = list_versions(clients, bucket, "").await.expect("listed");
    delete_versions(clients, bucket, &versions)
        .await
        .expect("deleted");
    let table = side.table.as_ref().expect("a table").as_str();
    let rows = clients.dynamodb.scan().table_name(table).send().await;
    for row in rows.expect("listed").items() {
        let delete = clients.dynamodb.delete_item().table_name(table);
        let delete = delete.key("LockID", row["LockID"].clone());
        delete.send().await.expect("deleted");
    }
}

/// What a side has of some states: of each the serial, the digest row, and how many versions. And how many locks.
async fn found(
    stage: &Stage,
    (clients, side): &(RegionClients, Side),
    keys: &[&str],
) -> (Vec<(u64, Digest, usize)>, usize) {
    let backend = stage.backend().await;
    let mut found = Vec::new();
    for key in keys {
        let copy = backend.state(side.name, &StateId::new(*key)).await;
        let copy = copy.expect("a side");
        let serial = match copy.found {
            Presence::Present(object) => object.content.map_or(0, |content| content.serial()),
            _ => 0,
        };
        let versions = list_versions(clients, side.bucket.as_str(), key).await;
        let versions = versions.expect("listed").into_iter();
        let versions = versions.filter(|version| version.key == *key).count();
        found.push((serial, copy.digest, versions));
    }
    (found, backend.locks(side.name).await.held.len())
}

fn is_ready(handover: &Handover) -> bool {
    let states = handover.states.iter();
    let ready = |standing: &Standing| matches!(standing, Standing::Ready | Standing::Done);
    states.map(|state| &state.standing).all(ready)
}

const KEYS: [&str; 3] = ["staging/terraform.tfstate", "env:/prod/net", "other"];

/// Before this it only looks.
fn assert_only_read(stage: &Stage) {
    let log = stage.aws.log();
    assert!(log.iter().all(|entry| !entry.is_mutation()), "{log:#?}");
}

pub(crate) async fn failover_cut_off_before_a_request_arrives_is_taken_up(stage: &Stage) {
    failover_cut_off(stage, FaultKind::RequestLost).await;
}

pub(crate) async fn failover_cut_off_after_aws_has_acted_is_taken_up(stage: &Stage) {
    failover_cut_off(stage, FaultKind::ResponseLost).await;
}

async fn failover_cut_off(stage: &Stage, kind: FaultKind) {
    apply(&stage.backend().await).await;
    let two = Two::of(stage).await;
    let dr = stage.dr_backend().await;
    let plan = async || dr.failover_plan(NOW).await.approve();
    let mut cuts = 0;
    for nth in 1.. {
        for side in [&two.primary, &two.dr] {
            empty(side).await;
        }
        for key in KEYS {
            put(&two.primary, key, &state("a", 7)).await;
        }
        digest(&two.dr, KEYS[1], "0123").await;
        put(&two.primary, &format!("{}.tflock", KEYS[1]), &info("1111")).await;
        put(&two.primary, &format!("{}.tflock", KEYS[2]), &info("2222")).await;
        stage.aws.clear_log();
        let approved = plan().await;
        assert_only_read(stage);
        let fault = Fault::new(kind.clone()).nth(nth);
        if !cut_off(stage, fault, dr.failover(&approved, &Silent)).await {
            break;
        }
        cuts += 1;
        let done = dr.failover(&plan().await, &Silent).await;
        assert!(is_ready(done.handover()), "{nth}: {done:#?}");
        let made = (7, Digest::Matches, 1);
        let found = found(stage, &two.dr, &KEYS).await;
        assert_eq!(found, (vec![made; 3], 0), "{nth}");
    }
    assert!(cuts > 20, "{cuts}");
}

pub(crate) async fn failback_cut_off_before_a_request_arrives_is_taken_up(stage: &Stage) {
    failback_cut_off(stage, FaultKind::RequestLost).await;
}

pub(crate) async fn failback_cut_off_after_aws_has_acted_is_taken_up(stage: &Stage) {
    failback_cut_off(stage, FaultKind::ResponseLost).await;
}

async fn failback_cut_off(stage: &Stage, kind: FaultKind) {
    let backend = stage.backend().await;
    apply(&backend).await;
    let two = Two::of(stage).await;
    let none = Resolutions::default();
    let key = KEYS[0];
    let mut cuts = 0;
    for nth in 1.. {
        for side in [&two.primary, &two.dr] {
            empty(side).await;
        }
        // Written in DR upon the primary's. Rows are stale.
        put(&two.primary, key, &state("a", 7)).await;
        put(&two.dr, key, &state("a", 8)).await;
        for side in [&two.primary, &two.dr] {
            digest(side, key, "0123").await;
        }
        let fault = Fault::new(kind.clone()).nth(nth);
        if !cut_off_and_repeat(stage, &backend, fault, &none).await {
            break;
        }
        cuts += 1;
        // Copied once, and never again.
        let primary = found(stage, &two.primary, &[key]).await;
        assert_eq!(primary, (vec![(8, Digest::Matches, 2)], 0), "{nth}");
        let dr = found(stage, &two.dr, &[key]).await;
        assert_eq!(dr, (vec![(8, Digest::Absent, 3)], 0), "{nth}");
    }
    assert!(cuts > 40, "{cuts}");
}

/// A failback that is killed by a fault, and the next one with the same choices, which ends it. `false` when the fault has
/// not hit.
async fn cut_off_and_repeat(
    stage: &Stage,
    backend: &Backend,
    fault: Fault,
    choices: &Resolutions,
) -> bool {
    let plan = async |run| {
        let plan = backend.failback_plan(choices, run, NOW).await;
        plan.expect("every choice fits").approve()
    };
    let killed = holder();
    stage.aws.clear_log();
    let approved = plan(run(&killed)).await;
    assert_only_read(stage);
    let failback = backend.failback(&approved, run(&killed), &Silent);
    if !cut_off(stage, fault.clone(), failback).await {
        return false;
    }
    let holder = holder();
    let run = run_after_others(&holder);
    let done = backend.failback(&plan(run).await, run, &Silent).await;
    assert!(is_ready(done.handover()), "{fault:?}: {done:#?}");
    true
}

pub(crate) async fn failback_with_choices_cut_off_before_a_request_arrives_is_taken_up(
    stage: &Stage,
) {
    failback_with_choices_cut_off(stage, FaultKind::RequestLost).await;
}

pub(crate) async fn failback_with_choices_cut_off_after_aws_has_acted_is_taken_up(stage: &Stage) {
    failback_with_choices_cut_off(stage, FaultKind::ResponseLost).await;
}

/// What a killed failback had of a state, and what it was to be.
struct Case {
    choice: Option<Resolution>,
    in_primary: bool,
    /// What both regions have in the end; 0 is nothing.
    serial: u64,
}

const CASES: [Case; 5] = [
    // Made in DR alone.
    Case {
        choice: None,
        in_primary: false,
        serial: 8,
    },
    Case {
        choice: Some(Resolution::KeepDr),
        in_primary: true,
        serial: 8,
    },
    Case {
        choice: Some(Resolution::KeepPrimary),
        in_primary: true,
        serial: 7,
    },
    Case {
        choice: Some(Resolution::BringBack),
        in_primary: false,
        serial: 8,
    },
    Case {
        choice: Some(Resolution::StayDeleted),
        in_primary: false,
        serial: 0,
    },
];

/// Between two changes, nothing that is left behind differs: each change is cut off.
async fn failback_with_choices_cut_off(stage: &Stage, kind: FaultKind) {
    let backend = stage.backend().await;
    apply(&backend).await;
    let two = Two::of(stage).await;
    let key = KEYS[0];
    for case in CASES {
        let mut choices = Resolutions::default();
        if let Some(resolution) = case.choice {
            choices.choose(key, resolution).expect("one");
        }
        let arrange = async || {
            for side in [&two.primary, &two.dr] {
                empty(side).await;
            }
            if case.choice.is_some() {
                put(&two.primary, key, &state("a", 7)).await;
            }
            if case.choice.is_some() && !case.in_primary {
                delete(&two.primary, key).await;
            }
            put(&two.dr, key, &state("b", 8)).await;
            for side in [&two.primary, &two.dr] {
                digest(side, key, "0123").await;
            }
        };
        arrange().await;
        // Whole, for its changes.
        let holder = holder();
        let run = run(&holder);
        let plan = backend.failback_plan(&choices, run, NOW).await;
        let approved = plan.expect("the choice fits").approve();
        stage.aws.clear_log();
        backend.failback(&approved, run, &Silent).await;
        let log = stage.aws.log().into_iter();
        let changes = log.filter(local_aws::LogEntry::is_mutation);
        let changes: Vec<String> = changes.map(|change| change.operation).collect();
        assert!(changes.len() > 9, "{changes:?}");
        for (at, operation) in changes.iter().enumerate() {
            let before = changes[..at].iter().filter(|before| *before == operation);
            let nth = before.count() as u64 + 1;
            arrange().await;
            let fault = Fault::new(kind.clone()).operation(operation).nth(nth);
            let is_hit = cut_off_and_repeat(stage, &backend, fault, &choices).await;
            let cut = format!("{:?} {operation} {nth}", case.choice);
            assert!(is_hit, "{cut}");
            for (side, row) in [(&two.primary, Digest::Matches), (&two.dr, Digest::Absent)] {
                let row = match case.serial {
                    0 => Digest::Absent,
                    _ => row,
                };
                let (found, locks) = found(stage, side, &[key]).await;
                let found: Vec<_> = found.iter().map(|found| (found.0, found.1)).collect();
                assert_eq!((found, locks), (vec![(case.serial, row)], 0), "{cut}");
            }
        }
    }
}
