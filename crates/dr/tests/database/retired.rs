//! Instances that are given up.

use dr::database::{
    Begun, Deletion, LastCopy, LastSnapshot, Refusal, RetireError, RunName, SnapshotState, Whose,
    allow_deletion, begin_last_snapshot, delete_instance, fence, last_snapshot_id,
    wait_last_snapshot,
};
use local_aws::{Fault, FaultKind, RegionState};
use report::Silent;
use settings::{RestoreOptions, Tags};

use crate::stage::{DR, ID, NONE, PRIMARY, Stage, TARGET, WAITER, minutes, stage};

/// A database that was restored, with deletion protection.
async fn restored() -> Option<Stage> {
    let mut stage = Stage::open(false).await?;
    stage.take("seed").await;
    assert!(stage.copied(1, WAITER).await.is_complete());
    let restore = stage.database.restore.as_mut().unwrap();
    restore.options = RestoreOptions {
        deletion_protection: Some(true),
        ..RestoreOptions::default()
    };
    let plan = stage.plan(None).await.unwrap();
    let restored = stage.restore(&plan, WAITER).await.unwrap();
    assert_eq!(restored.differences, []);
    Some(stage)
}

fn run() -> RunName {
    "20261122T1200Z.1F".parse().unwrap()
}

fn ours() -> Whose {
    Whose::Restored {
        database: ID.to_owned(),
    }
}

fn deletion(last_copy: LastCopy) -> Deletion {
    Deletion {
        instance: TARGET.to_owned(),
        whose: ours(),
        last_copy,
    }
}

fn refusal(error: RetireError) -> Refusal {
    match error {
        RetireError::Refused(refusal) => refusal,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn last_snapshot_is_made_once_whatever_dies_and_never_taken_for_an_older_one() {
    let stage = stage!();
    let instance = stage.primary.instance(ID).await.unwrap().unwrap();
    let plan = LastSnapshot {
        instance: ID.to_owned(),
        resource_id: instance.resource_id.unwrap(),
        snapshot: last_snapshot_id(ID, &run()),
        tags: Tags::default(),
    };
    assert_eq!(plan.snapshot, "app-last-20261122t1200z-1f");
    let plan: LastSnapshot = serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap();
    let lost = Fault::new(FaultKind::ResponseLost).operation("CreateDBSnapshot");
    stage.aws.add_fault(lost.times(1));
    let begun = begin_last_snapshot(&stage.primary, &plan).await.unwrap();
    assert_eq!(begun, Begun::Found);
    let made = wait_last_snapshot(&stage.primary, &plan, WAITER, &Silent).await;
    assert_eq!(made.unwrap().state, SnapshotState::Available);
    let found = stage.primary.snapshots(Some(ID)).await.unwrap();
    let named = found.iter().filter(|one| one.id == plan.snapshot);
    assert_eq!(named.count(), 1);
    // The same name, of an instance that has the name now.
    let mut later = plan.clone();
    later.resource_id = "db-LATER".to_owned();
    let refused = begin_last_snapshot(&stage.primary, &later)
        .await
        .unwrap_err();
    assert!(matches!(refusal(refused), Refusal::SnapshotTaken { .. }));
    later.snapshot.push('x');
    let refused = begin_last_snapshot(&stage.primary, &later)
        .await
        .unwrap_err();
    assert!(matches!(refusal(refused), Refusal::NotThatInstance { .. }));
    // One that failed is nothing to go on with.
    assert!(
        stage
            .rds
            .set_snapshot_status(PRIMARY, &plan.snapshot, "failed")
    );
    let ended = wait_last_snapshot(&stage.primary, &plan, WAITER, &Silent).await;
    assert!(matches!(ended, Err(RetireError::Ended { .. })), "{ended:?}");
}

#[tokio::test]
async fn fence_stops_what_it_was_told_to_and_nothing_else() {
    let Some(stage) = restored().await else {
        return;
    };
    // The instance of the DR region is not the primary's, nor is the primary's ours.
    let refused = fence(&stage.primary, ID, &ours(), WAITER, &Silent).await;
    let refused = refusal(refused.unwrap_err()).to_string();
    assert!(
        refused.starts_with("app in ca-central-1 is not restored from app by dr-replicate: not made by dr-replicate, db-"),
        "{refused}"
    );
    let another = Whose::Restored {
        database: "another".to_owned(),
    };
    let refused = fence(&stage.dr, TARGET, &another, WAITER, &Silent).await;
    assert!(matches!(
        refusal(refused.unwrap_err()),
        Refusal::NotThatInstance { .. }
    ));
    assert!(stage.calls("StopDBInstance").is_empty());
    stage.aws.set_region(PRIMARY, RegionState::Refuse);
    stage.aws.clear_log();
    let lost = Fault::new(FaultKind::ResponseLost).operation("StopDBInstance");
    stage.aws.add_fault(lost.times(1));
    let waiting = fence(&stage.dr, TARGET, &ours(), NONE, &Silent).await;
    assert!(
        matches!(waiting, Err(RetireError::Deadline { .. })),
        "{waiting:?}"
    );
    let fenced = fence(&stage.dr, TARGET, &ours(), WAITER, &Silent)
        .await
        .unwrap();
    assert!(fenced.restarts.unwrap() > stage.rds.now());
    let again = fence(&stage.dr, TARGET, &ours(), NONE, &Silent)
        .await
        .unwrap();
    assert_eq!(again, fenced);
    stage.primary_was_left_alone();
    stage.aws.set_region(PRIMARY, RegionState::Up);
    let instance = stage.primary.instance(ID).await.unwrap().unwrap();
    let mut known = (instance.arn, "db-OLDER".to_owned());
    for resource_id in [None, instance.resource_id] {
        let is_that = resource_id.is_some();
        known.1 = resource_id.unwrap_or(known.1);
        let whose = Whose::Known {
            arn: known.0.clone(),
            resource_id: known.1.clone(),
        };
        let fenced = fence(&stage.primary, ID, &whose, WAITER, &Silent).await;
        assert_eq!(fenced.is_ok(), is_that, "{fenced:?}");
    }
}

// aws-behaviour: 66
#[tokio::test]
async fn delete_instance_leaves_a_last_copy_and_goes_on_after_a_death() {
    let Some(stage) = restored().await else {
        return;
    };
    // It may be stopped by then: RDS deletes what is stopped, and changes nothing of it.
    allow_deletion(&stage.dr, TARGET, &ours(), WAITER, &Silent)
        .await
        .unwrap();
    fence(&stage.dr, TARGET, &ours(), WAITER, &Silent)
        .await
        .unwrap();
    let plan = deletion(LastCopy::Snapshot("last".to_owned()));
    let waiting = delete_instance(&stage.dr, &plan, NONE, &Silent).await;
    assert!(
        matches!(waiting, Err(RetireError::Deadline { .. })),
        "{waiting:?}"
    );
    delete_instance(&stage.dr, &plan, WAITER, &Silent)
        .await
        .unwrap();
    assert!(stage.dr.instance(TARGET).await.unwrap().is_none());
    assert_eq!(stage.accepted("DeleteDBInstance"), 1);
    delete_instance(&stage.dr, &plan, NONE, &Silent)
        .await
        .unwrap();
    let last = stage.dr.snapshot("last").await.unwrap().unwrap();
    assert_eq!(last.state, SnapshotState::Available);
    // Gone, and no copy of that name: nobody may take it for deleted in good order.
    let other = deletion(LastCopy::Snapshot("other".to_owned()));
    let refused = delete_instance(&stage.dr, &other, NONE, &Silent).await;
    assert!(matches!(
        refusal(refused.unwrap_err()),
        Refusal::NoSnapshot { .. }
    ));
}

#[tokio::test]
async fn delete_instance_that_was_looked_at_leaves_a_later_one_of_its_name() {
    let stage = stage!();
    let instance = stage.primary.instance(ID).await.unwrap().unwrap();
    let known = |resource_id: String| Deletion {
        instance: ID.to_owned(),
        whose: Whose::Known {
            arn: instance.arn.clone(),
            resource_id,
        },
        last_copy: LastCopy::Snapshot("left".to_owned()),
    };
    let later = known("db-LATER".to_owned());
    let refused = delete_instance(&stage.primary, &later, WAITER, &Silent).await;
    assert!(matches!(
        refusal(refused.unwrap_err()),
        Refusal::NotThatInstance { .. }
    ));
    let known = known(instance.resource_id.clone().unwrap());
    delete_instance(&stage.primary, &known, WAITER, &Silent)
        .await
        .unwrap();
    let left = stage.primary.snapshot("left").await.unwrap().unwrap();
    assert_eq!(left.state, SnapshotState::Available);
}

#[tokio::test]
async fn delete_instance_of_the_only_copy_or_of_what_is_not_ours_is_refused() {
    let Some(stage) = restored().await else {
        return;
    };
    let mut of_another = deletion(LastCopy::Snapshot("last".to_owned()));
    of_another.whose = Whose::Restored {
        database: "another".to_owned(),
    };
    let mut the_primary = of_another.clone();
    the_primary.instance = ID.to_owned();
    for (site, plan) in [(&stage.dr, &of_another), (&stage.primary, &the_primary)] {
        let refused = delete_instance(site, plan, WAITER, &Silent).await;
        assert!(matches!(
            refusal(refused.unwrap_err()),
            Refusal::NotThatInstance { .. }
        ));
    }
    let copy = stage.copies().await[0].id.clone();
    let taken = deletion(LastCopy::Snapshot(copy.clone()));
    let refused = delete_instance(&stage.dr, &taken, WAITER, &Silent).await;
    assert!(matches!(
        refusal(refused.unwrap_err()),
        Refusal::SnapshotTaken { .. }
    ));
    let drill = deletion(LastCopy::RecoveryPoint);
    assert!(stage.rds.set_snapshot_status(DR, &copy, "failed"));
    let refused = delete_instance(&stage.dr, &drill, WAITER, &Silent).await;
    assert!(matches!(
        refusal(refused.unwrap_err()),
        Refusal::PointUnusable { .. }
    ));
    assert!(stage.calls("DeleteDBInstance").is_empty());
    let there = stage.dr.instance(TARGET).await.unwrap().unwrap();
    assert_eq!(there.options.deletion_protection, Some(true));
    assert!(stage.rds.set_snapshot_status(DR, &copy, "available"));
    delete_instance(&stage.dr, &drill, WAITER, &Silent)
        .await
        .unwrap();
    stage.rds.step(minutes(1)).await;
    assert!(stage.dr.instance(TARGET).await.unwrap().is_none());
    assert_eq!(stage.rds.unread_inputs(), []);
}
