//! Copies, restores, promotions and deletions that are killed at each of their requests, before it arrives and after RDS has
//! acted: the next run ends as one that was never killed, and nothing is made twice.
//!
//! A few of the moments unless `DATABASE_EVERY` says which: 1 is all of them, 3 every third.

use dr::database::{
    Deletion, LastCopy, RestoreStep, Whose, delete_instance, disable, enable, plan_disable,
    plan_enable,
};
use local_aws::{KillAt, Moment};
use report::Silent;
use settings::{RestoreOptions, Tags};

use crate::replicas::{follow, planned, promoted};
use crate::restores::replicate;
use crate::stage::{ID, Stage, TARGET, WAITER, minutes, stage};

/// Every how many requests a run is killed.
fn every() -> usize {
    let set = std::env::var("DATABASE_EVERY").ok();
    set.map_or(5, |every| every.parse().unwrap())
}

/// Kills `run` at each moment, lets it run again until its end, and then checks and clears away by `check`.
async fn kill_at_every_request(
    stage: &Stage,
    what: &str,
    run: impl AsyncFn(),
    check: impl AsyncFn(&str),
) {
    let mut kills = 0_u32;
    for moment in Moment::ALL {
        for nth in (1..).step_by(every()) {
            stage.aws.clear_log();
            let killed = KillAt::new(&stage.aws, nth, moment);
            let whole = killed.run(&stage.aws, run()).await.is_some();
            if !whole {
                kills += 1;
                run().await;
            }
            check(&format!("{what}, {moment:?} request {nth}")).await;
            if whole {
                break;
            }
        }
    }
    assert!(kills > 1, "{what}");
    told(&format!("{what}: killed {kills} times"));
}

#[expect(
    clippy::print_stderr,
    reason = "how much was shown is part of the result"
)]
fn told(text: &str) {
    eprintln!("{text}");
}

async fn delete(stage: &Stage, instance: &str) {
    // It may be backed up as yet.
    stage.rds.step(minutes(5)).await;
    let modify = stage
        .to
        .modify_db_instance()
        .db_instance_identifier(instance);
    let modify = modify.deletion_protection(false).apply_immediately(true);
    modify.send().await.unwrap();
    let delete = stage
        .to
        .delete_db_instance()
        .db_instance_identifier(instance);
    delete.skip_final_snapshot(true).send().await.unwrap();
    stage.rds.step(minutes(5)).await;
    // Its own backups are gone with it, those that are replicated stay.
    assert!(stage.dr.instance(instance).await.unwrap().is_none());
}

#[tokio::test]
async fn copy_that_is_killed_at_any_request_is_made_once() {
    let stage = stage!(encrypted);
    stage.take("seed").await;
    let run = async || {
        assert!(stage.copied(1, WAITER).await.is_complete());
    };
    let check = async |at: &str| {
        let copies = stage.copies().await;
        assert_eq!(copies.len(), 1, "{at}: {copies:?}");
        assert_eq!(stage.accepted("CopyDBSnapshot"), 1, "{at}");
        let delete = stage.to.delete_db_snapshot();
        let delete = delete.db_snapshot_identifier(&copies[0].id).send().await;
        delete.unwrap();
    };
    kill_at_every_request(&stage, "copy", run, check).await;
}

/// With all that is set after the restore.
fn options() -> RestoreOptions {
    RestoreOptions {
        deletion_protection: Some(true),
        copy_tags: Some(true),
        max_storage_gb: Some(100),
        ..RestoreOptions::default()
    }
}

async fn restore_killed(stage: &Stage, what: &str, call: &str) {
    let run = async || {
        let plan = stage.plan(None).await.unwrap();
        let restored = stage.restore(&plan, WAITER).await.unwrap();
        // Data of later than the restore is a difference, and no matter of this.
        let differences = restored.differences.iter().map(|one| one.setting);
        let others: Vec<_> = differences.filter(|setting| *setting != "data").collect();
        assert!(others.is_empty(), "{others:?}");
    };
    let check = async |at: &str| {
        let instances = stage.dr.instances().await.unwrap();
        assert_eq!(instances.len(), 1, "{at}");
        let there = &instances[0];
        assert_eq!(there.options.deletion_protection, Some(true), "{at}");
        assert_eq!(there.options.max_storage_gb, Some(100), "{at}");
        assert_eq!(there.class.as_deref(), Some("db.t4g.large"), "{at}");
        assert_eq!(stage.accepted(call), 1, "{at}");
        assert_eq!(stage.plan(None).await.unwrap().step, RestoreStep::Verify);
        delete(stage, TARGET).await;
    };
    kill_at_every_request(stage, what, run, check).await;
}

#[tokio::test]
async fn restore_of_a_copy_that_is_killed_at_any_request_is_made_once() {
    let mut stage = stage!(encrypted);
    stage.database.restore.as_mut().unwrap().options = options();
    stage.take("seed").await;
    assert!(stage.copied(1, WAITER).await.is_complete());
    restore_killed(
        &stage,
        "restore of a copy",
        "RestoreDBInstanceFromDBSnapshot",
    )
    .await;
}

#[tokio::test]
async fn restore_of_a_backup_that_is_killed_at_any_request_is_made_once() {
    let mut stage = stage!(encrypted);
    stage.database.restore.as_mut().unwrap().options = options();
    replicate(&stage).await;
    restore_killed(
        &stage,
        "restore of a backup",
        "RestoreDBInstanceToPointInTime",
    )
    .await;
}

#[tokio::test]
async fn replication_that_is_killed_at_any_request_is_begun_once() {
    let stage = stage!(encrypted);
    let run = async || {
        let instance = stage.primary.instance(ID).await.unwrap();
        let backups = stage.dr.backups().await.unwrap();
        let plan = plan_enable(
            &stage.database,
            instance.as_ref(),
            &backups,
            stage.regions(),
        );
        let ended = enable(&stage.dr, &plan.unwrap(), &Tags::default(), WAITER).await;
        ended.unwrap().unwrap();
    };
    let check = async |at: &str| {
        let live = stage.dr.backups().await.unwrap();
        let live = live.iter().filter(|one| one.status != "retained");
        assert_eq!(live.count(), 1, "{at}");
        let call = "StartDBInstanceAutomatedBackupsReplication";
        assert_eq!(stage.accepted(call), 1, "{at}");
        let backups = stage.dr.backups().await.unwrap();
        let plan = plan_disable(ID, &backups, stage.regions()).unwrap();
        disable(&stage.dr, &plan.unwrap()).await.unwrap();
        for backup in stage.dr.backups().await.unwrap() {
            let delete = stage.to.delete_db_instance_automated_backup();
            let delete = delete.db_instance_automated_backups_arn(backup.arn);
            delete.send().await.unwrap();
        }
    };
    kill_at_every_request(&stage, "replication", run, check).await;
}

#[tokio::test]
async fn promotion_that_is_killed_at_any_request_is_made_once() {
    let stage = stage!();
    let replica = "app-replica";
    follow(&stage, replica).await;
    let run = async || {
        let plan = planned(&stage, replica).await.unwrap();
        promoted(&stage, &plan, None, WAITER).await.unwrap();
    };
    let check = async |at: &str| {
        let there = stage.dr.instance(replica).await.unwrap().unwrap();
        assert_eq!(there.replica_of, None, "{at}");
        assert_eq!(stage.accepted("PromoteReadReplica"), 1, "{at}");
        delete(&stage, replica).await;
        follow(&stage, replica).await;
    };
    kill_at_every_request(&stage, "promotion", run, check).await;
}

#[tokio::test]
async fn deletion_that_is_killed_at_any_request_leaves_one_last_snapshot() {
    let mut stage = stage!();
    stage.database.restore.as_mut().unwrap().options = options();
    stage.take("seed").await;
    assert!(stage.copied(1, WAITER).await.is_complete());
    let restore = async || {
        let plan = stage.plan(None).await.unwrap();
        stage.restore(&plan, WAITER).await.unwrap();
    };
    restore().await;
    let run = async || {
        let plan = Deletion {
            instance: TARGET.to_owned(),
            whose: Whose::Restored {
                database: ID.to_owned(),
            },
            last_copy: LastCopy::Snapshot("last".to_owned()),
        };
        let ended = delete_instance(&stage.dr, &plan, WAITER, &Silent).await;
        ended.unwrap();
    };
    let check = async |at: &str| {
        assert!(stage.dr.instance(TARGET).await.unwrap().is_none(), "{at}");
        let last = stage.dr.snapshot("last").await.unwrap();
        assert!(last.is_some(), "{at}");
        assert_eq!(stage.accepted("DeleteDBInstance"), 1, "{at}");
        let delete = stage.to.delete_db_snapshot();
        delete.db_snapshot_identifier("last").send().await.unwrap();
        restore().await;
    };
    kill_at_every_request(&stage, "deletion", run, check).await;
}
