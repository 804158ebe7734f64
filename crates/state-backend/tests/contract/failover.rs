//! Every state made ready in the DR region, by itself.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use local_aws::{Fault, FaultKind, RegionState};
use report::Silent;
use state_backend::{
    ConnectError, Digest, DrBackend, FailedOver, Handover, LeftKind, Presence, SideName, Standing,
    StateId,
};

use crate::fixtures::{apply, global_table, info};
use crate::inventory::{Two, delete, digest, put, state};
use crate::{EXAMPLE, Stage};

pub(crate) const KEY: &str = "staging/terraform.tfstate";

async fn fail_over(dr: &DrBackend) -> FailedOver {
    let plan = dr.failover_plan(Timestamp::UNIX_EPOCH).await;
    dr.failover(&plan.approve(), &Silent).await
}

/// Where each state stands, in a word.
pub(crate) fn standings(handover: &Handover) -> BTreeMap<String, String> {
    let states = handover.states.iter();
    let word = |state: &state_backend::StateHandover| match &state.standing {
        Standing::Ready => "ready".to_owned(),
        Standing::Planned => "planned".to_owned(),
        Standing::Done => "done".to_owned(),
        Standing::Left { left } => format!("{:?}", left.kind),
        other => format!("{other:?}"),
    };
    states
        .map(|state| (state.state.object(), word(state)))
        .collect()
}

pub(crate) fn table<'a>(
    rows: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> BTreeMap<String, String> {
    let rows = rows.into_iter();
    rows.map(|(key, word)| (key.to_owned(), word.to_owned()))
        .collect()
}

/// Calls that reached for a region.
pub(crate) fn calls(stage: &Stage, region: &str) -> Vec<String> {
    let log = stage.aws.log().into_iter();
    log.filter(|entry| entry.region.as_deref() == Some(region))
        .map(|entry| format!("{} {:?}", entry.operation, entry.resource))
        .collect()
}

fn mutations(stage: &Stage) -> Vec<String> {
    let log = stage.aws.log().into_iter();
    log.filter(local_aws::LogEntry::is_mutation)
        .map(|entry| format!("{} {:?}", entry.operation, entry.resource))
        .collect()
}

// aws-behaviour: 5
// aws-behaviour: 24
// aws-behaviour: 46
pub(crate) async fn failover_makes_every_state_readable_once_and_leaves_what_it_cannot(
    stage: &Stage,
) {
    let two = Two::make(stage).await;
    for key in [KEY, "env:/prod/stale", "right", "deleted", "locked", "busy"] {
        put(&two.dr, key, &state("a", 7)).await;
    }
    put(&two.dr, "html", "<html>").await;
    digest(&two.dr, "env:/prod/stale", "0123").await;
    delete(&two.dr, "deleted").await;
    digest(&two.dr, "deleted", "0123").await;
    // What DR's own runs hold: of one the row is still to be written, the other's is right.
    put(&two.dr, "locked.tflock", &info("1111")).await;
    let dr = stage.dr_backend().await;
    let right = async |key: &str| {
        let found = stage.backend().await;
        let copy = found.state(SideName::Dr, &StateId::new(key)).await;
        let md5 = match copy.expect("a DR side").found {
            Presence::Present(object) => object.md5,
            _ => None,
        };
        md5.expect("read")
    };
    for key in ["right", "busy"] {
        digest(&two.dr, key, &right(key).await).await;
    }
    put(&two.dr, "busy.tflock", &info("2222")).await;

    stage
        .aws
        .set_region(two.primary.1.region.as_str(), RegionState::Refuse);
    stage.aws.clear_log();
    let plan = dr.failover_plan(Timestamp::UNIX_EPOCH).await;
    let left = [
        ("deleted", "Deleted"),
        ("html", "Unreadable"),
        ("locked", "Locked"),
        ("right", "ready"),
        ("busy", "Locked"),
    ];
    let planned = left
        .into_iter()
        .chain([(KEY, "planned"), ("env:/prod/stale", "planned")]);
    assert_eq!(standings(plan.handover()), table(planned));
    assert_eq!(mutations(stage), Vec::<String>::new());
    let done = dr.failover(&plan.approve(), &Silent).await;
    let made = left
        .into_iter()
        .chain([(KEY, "done"), ("env:/prod/stale", "done")]);
    assert_eq!(standings(done.handover()), table(made));
    let left: Vec<String> = done
        .handover()
        .left()
        .map(|left| left.text.clone())
        .collect();
    for part in [
        "can be brought back",
        "jo@laptop (ID 1111",
        "jo@laptop (ID 2222",
    ] {
        assert!(left.iter().any(|left| left.contains(part)), "{left:?}");
    }

    stage.aws.clear_log();
    let again = fail_over(&dr).await;
    assert_eq!(again.handover().planned(), 0);
    assert_eq!(mutations(stage), Vec::<String>::new());
    assert_eq!(
        calls(stage, two.primary.1.region.as_str()),
        Vec::<String>::new()
    );

    stage
        .aws
        .set_region(two.primary.1.region.as_str(), RegionState::Up);
    let backend = stage.backend().await;
    for (key, expected) in [
        (KEY, Digest::Matches),
        ("env:/prod/stale", Digest::Matches),
        ("locked", Digest::Absent),
        ("deleted", Digest::Differs),
    ] {
        let copy = backend.state(SideName::Dr, &StateId::new(key)).await;
        assert_eq!(copy.expect("a DR side").digest, expected, "{key}");
    }
    // Nothing was written on the other side.
    let copy = backend.state(SideName::Primary, &StateId::new(KEY)).await;
    assert_eq!(copy.expect("a primary side").digest, Digest::Absent);
}

/// A run that was killed while it proved that locking works leaves a lock that protects nothing.
pub(crate) async fn failover_past_a_left_probe_of_the_lock_is_done(stage: &Stage) {
    let two = Two::make(stage).await;
    put(&two.dr, KEY, &state("a", 7)).await;
    let probe = info("1111").replace("OperationTypeApply", "LockProbe");
    put(&two.dr, &format!("{KEY}.tflock"), &probe).await;
    let done = fail_over(&stage.dr_backend().await).await;
    assert_eq!(standings(done.handover()), table([(KEY, "done")]));
}

pub(crate) async fn failover_whose_answers_are_lost_is_done(stage: &Stage) {
    let two = Two::make(stage).await;
    put(&two.dr, KEY, &state("a", 7)).await;
    digest(&two.dr, KEY, "0123").await;
    let dr = stage.dr_backend().await;
    let lost = Fault::new(FaultKind::ResponseLost).operation("PutItem");
    stage.aws.add_fault(lost.times(1));
    let done = fail_over(&dr).await;
    assert_eq!(standings(done.handover()), table([(KEY, "done")]));
    stage.aws.clear_faults();
    assert_eq!(fail_over(&dr).await.handover().planned(), 0);
}

pub(crate) async fn failover_goes_on_when_only_sts_is_ill_and_the_account_is_named(stage: &Stage) {
    let two = Two::make(stage).await;
    put(&two.dr, KEY, &state("a", 7)).await;
    let account = stage.backend().await.spec().account.clone();
    let named = EXAMPLE.replace(
        "# account = \"111122223333\"",
        &format!("account = \"{account}\""),
    );
    stage
        .aws
        .add_fault(Fault::new(FaultKind::InternalError).service("sts"));
    let unnamed = stage.dr_backend_of(EXAMPLE).await;
    assert!(matches!(unnamed, Err(ConnectError::Call(_))), "{unnamed:?}");
    let dr = stage.dr_backend_of(&named).await.expect("DR answers");
    let done = fail_over(&dr).await;
    assert_eq!(standings(done.handover()), table([(KEY, "done")]));
    let unproven = done.handover().account_unproven.as_ref();
    let unproven = unproven.map(|problem| problem.error().call.service);
    assert_eq!(unproven, Some("STS"));
}

// aws-behaviour: 15
// aws-behaviour: 61
pub(crate) async fn failover_clears_replicated_locks_and_no_lock_of_dr(stage: &Stage) {
    apply(&stage.backend().await).await;
    let two = Two::of(stage).await;
    let lock = format!("{KEY}.tflock");
    put(&two.primary, KEY, &state("a", 7)).await;
    put(&two.primary, &lock, &info("1111")).await;
    // An apply that was killed before its first write: a lock, and no state.
    put(&two.primary, "new.tflock", &info("2222")).await;
    put(&two.dr, "own", &state("b", 1)).await;
    put(&two.dr, "own.tflock", &info("3333")).await;
    let region = two.primary.1.region.as_str();
    stage.aws.set_region(region, RegionState::Refuse);
    stage.aws.clear_log();
    let dr = stage.dr_backend().await;
    let lost = Fault::new(FaultKind::ResponseLost).operation("DeleteObject");
    stage.aws.add_fault(lost.times(1));
    let done = fail_over(&dr).await;
    assert_eq!(
        standings(done.handover()),
        table([(KEY, "done"), ("new", "done"), ("own", "Locked")])
    );
    let again = fail_over(&dr).await;
    assert_eq!(
        standings(again.handover()),
        table([(KEY, "ready"), ("own", "Locked")])
    );
    assert_eq!(calls(stage, region), Vec::<String>::new());
    stage.aws.set_region(region, RegionState::Up);
    let locks = stage.backend().await.locks(SideName::Dr).await;
    let places: Vec<&str> = locks.held.iter().map(|lock| lock.place.as_str()).collect();
    assert_eq!(places, ["own.tflock"]);
    // The primary's own lock is there as it was.
    let locks = stage.backend().await.locks(SideName::Primary).await;
    assert_eq!(locks.held.len(), 2);
}

// aws-behaviour: 47
pub(crate) async fn failover_leaves_rows_of_a_global_table_that_name_the_primary(stage: &Stage) {
    let config = global_table();
    apply(&stage.backend_of(&config).await).await;
    let two = Two::of(stage).await;
    put(&two.primary, KEY, &state("a", 7)).await;
    let row = format!("{}/{KEY}", two.primary.1.bucket);
    let table_name = two.primary.1.table.as_ref().expect("a table").as_str();
    let locked = two.primary.0.dynamodb.put_item().table_name(table_name);
    let locked = locked.item("LockID", AttributeValue::S(row.clone()));
    let locked = locked.item("Info", AttributeValue::S(info("1111")));
    locked.send().await.expect("the row is written");
    stage
        .aws
        .set_region(two.primary.1.region.as_str(), RegionState::Refuse);
    let dr = stage.dr_backend_of(&config).await.expect("DR answers");
    let done = fail_over(&dr).await;
    assert_eq!(standings(done.handover()), table([(KEY, "done")]));
    let rows = &done.handover().foreign_rows;
    let rows: Vec<&str> = rows.iter().map(|lock| lock.place.as_str()).collect();
    assert_eq!(rows, [row.as_str()]);
    assert!(
        done.handover()
            .left()
            .all(|left| left.kind != LeftKind::Locked)
    );
}
