//! Failover and failback cut off at each of their requests in turn, before it arrives and after AWS has acted, and taken
//! up by the next run.

use std::future::Future;
use std::time::Duration;

use aws_env::{RegionClients, delete_versions, list_versions};
use jiff::Timestamp;
use local_aws::{Fault, FaultKind};
use report::Silent;
use state_backend::{Digest, Handover, Presence, Side, Standing, StateId};

use crate::Stage;
use crate::fixtures::{apply, info};
use crate::inventory::{Two, digest, put, state};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

/// Runs until its request number `nth`, and no further; `false` when it has fewer.
async fn cut_off<T>(
    stage: &Stage,
    kind: FaultKind,
    nth: u64,
    run: impl Future<Output = T>,
) -> bool {
    let fault = stage.aws.add_fault(Fault::new(kind).nth(nth));
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
async fn empty((clients, side): &(RegionClients, Side)) {
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
        if !cut_off(stage, kind.clone(), nth, dr.failover(&approved, &Silent)).await {
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
    let plan = async || {
        let plan = backend.failback_plan(NOW).await;
        plan.expect("a DR side").approve()
    };
    let mut cuts = 0;
    for nth in 1.. {
        for side in [&two.primary, &two.dr] {
            empty(side).await;
        }
        // Written in DR upon the primary's, and made in DR alone. Rows are stale.
        put(&two.primary, KEYS[0], &state("a", 7)).await;
        put(&two.dr, KEYS[0], &state("a", 8)).await;
        digest(&two.primary, KEYS[0], "0123").await;
        put(&two.dr, KEYS[1], &state("a", 8)).await;
        for key in &KEYS[..2] {
            digest(&two.dr, key, "0123").await;
        }
        stage.aws.clear_log();
        let approved = plan().await;
        assert_only_read(stage);
        if !cut_off(
            stage,
            kind.clone(),
            nth,
            backend.failback(&approved, &Silent),
        )
        .await
        {
            break;
        }
        cuts += 1;
        let done = backend.failback(&plan().await, &Silent).await;
        assert!(is_ready(done.handover()), "{nth}: {done:#?}");
        // Copied once, and never again.
        let primary = found(stage, &two.primary, &KEYS[..2]).await;
        let row = Digest::Matches;
        assert_eq!(primary, (vec![(8, row, 2), (8, row, 1)], 0), "{nth}");
        let dr = found(stage, &two.dr, &KEYS[..2]).await;
        let row = Digest::Absent;
        assert_eq!(dr, (vec![(8, row, 3), (8, row, 2)], 0), "{nth}");
    }
    assert!(cuts > 30, "{cuts}");
}
