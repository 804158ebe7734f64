//! Copies: how many at once, by which key, and what becomes of them when a run dies.

use dr::database::{CopyOutcome, KeyProblem, Refusal, is_legal_snapshot_id, plan_prune, prune};
use local_aws::{Fault, FaultKind, RdsQuotas};
use settings::CopiesKept;

use crate::stage::{DR, ID, NONE, WAITER, minutes, outcomes, stage};

// aws-behaviour: 31
#[tokio::test]
async fn copy_of_fifty_snapshots_has_twenty_in_progress_at_most() {
    let mut stage = stage!();
    stage.quota = Some(20);
    for n in 0..49 {
        stage.take(&format!("manual-{n}")).await;
    }
    stage.aws.clear_log();
    let copied = stage.copied(50, WAITER).await;
    assert_eq!(copied.snapshots.len(), 50);
    assert!(copied.is_complete(), "{copied:?}");
    assert_eq!(copied.most_in_progress, 20);
    // RDS would have refused the 21st.
    let calls = stage.calls("CopyDBSnapshot");
    assert!(calls.iter().all(|entry| entry.status == Some(200)));
    assert_eq!(stage.accepted("CopyDBSnapshot"), 50);
    let copies = stage.copies().await;
    assert_eq!(copies.len(), 50);
    assert!(
        copies
            .iter()
            .all(|copy| is_legal_snapshot_id(&copy.id) && copy.is_ours())
    );
    // Again: nothing to do, and nothing is called that changes anything.
    stage.aws.clear_log();
    let again = stage.copied(50, WAITER).await;
    assert!(
        outcomes(&again)
            .iter()
            .all(|outcome| *outcome == CopyOutcome::Unchanged)
    );
    assert!(stage.calls("CopyDBSnapshot").is_empty());
    // Pruned to what the policy keeps.
    let policy = CopiesKept {
        keep_last: 7,
        keep_days: 0,
    };
    let plan = plan_prune(&copies, ID, stage.regions(), policy, stage.rds.now());
    let approved = plan.approve().unwrap();
    let pruned = prune(&stage.dr, &approved, stage.rds.now()).await;
    assert!(pruned.unwrap().is_complete());
    let mut left: Vec<_> = stage.copies().await.iter().map(|copy| copy.taken).collect();
    left.sort();
    let mut taken: Vec<_> = copies.iter().map(|copy| copy.taken).collect();
    taken.sort();
    assert_eq!(left, taken[43..]);
}

// aws-behaviour: 31
#[tokio::test]
async fn copy_beyond_the_quota_of_aws_waits() {
    let stage = stage!();
    for n in 0..4 {
        stage.take(&format!("manual-{n}")).await;
    }
    stage.rds.set_quotas(RdsQuotas {
        copies_in_progress: 2,
        ..stage.rds.quotas()
    });
    let copied = stage.copied(5, WAITER).await;
    assert!(copied.is_complete(), "{copied:?}");
    let calls = stage.calls("CopyDBSnapshot");
    assert!(
        calls.iter().any(|entry| entry.status == Some(400)),
        "{calls:?}"
    );
}

// aws-behaviour: 31
#[tokio::test]
async fn copy_to_a_full_region_ends_at_once() {
    let stage = stage!();
    stage.take("first").await;
    assert!(stage.copied(1, WAITER).await.is_complete());
    stage.take("second").await;
    stage.rds.set_quotas(RdsQuotas {
        manual_snapshots: 1,
        ..stage.rds.quotas()
    });
    let copied = stage.copied(1, WAITER).await;
    assert_eq!(outcomes(&copied), [CopyOutcome::Queued]);
    assert!(copied.blocked.is_some(), "{copied:?}");
}

#[tokio::test]
async fn copy_after_a_run_that_died_takes_it_up() {
    let stage = stage!();
    stage.take("seed").await;
    let begun = stage.copied(1, NONE).await;
    assert_eq!(outcomes(&begun), [CopyOutcome::InProgress]);
    let copied = stage.copied(1, WAITER).await;
    assert_eq!(outcomes(&copied), [CopyOutcome::Copied]);
    assert_eq!(stage.accepted("CopyDBSnapshot"), 1);
    assert_eq!(stage.copies().await.len(), 1);
}

#[tokio::test]
async fn copy_whose_answer_is_lost_is_not_made_twice() {
    let stage = stage!();
    stage.take("seed").await;
    let lost = Fault::new(FaultKind::ResponseLost)
        .service("rds")
        .operation("CopyDBSnapshot");
    stage.aws.add_fault(lost.times(1));
    assert_eq!(
        outcomes(&stage.copied(1, WAITER).await),
        [CopyOutcome::Copied]
    );
    assert_eq!(stage.copies().await.len(), 1);
}

#[tokio::test]
async fn copy_under_throttling_for_its_whole_wait_survives() {
    let stage = stage!();
    stage.take("seed").await;
    let begun = stage.copied(1, NONE).await;
    assert_eq!(outcomes(&begun), [CopyOutcome::InProgress]);
    let throttled = Fault::new(FaultKind::SlowDown).service("rds").region(DR);
    stage.aws.add_fault(throttled.share(0.5));
    assert_eq!(
        outcomes(&stage.copied(1, WAITER).await),
        [CopyOutcome::Copied]
    );
    let log = stage.calls("DescribeDBSnapshots");
    assert!(log.iter().any(|entry| entry.fault.is_some()));
}

// aws-behaviour: 28
#[tokio::test]
async fn copy_with_a_wrong_key_begins_nothing() {
    let mut stage = stage!(encrypted);
    stage.take("seed").await;
    let good = stage.database.kms.take();
    let refused = stage.copy(1, NONE).await.unwrap().unwrap_err();
    assert!(matches!(refused, Refusal::KeyMissing { .. }), "{refused}");
    let disabled = stage.key().await;
    stage
        .kms
        .disable_key()
        .key_id(&disabled)
        .send()
        .await
        .unwrap();
    let absent = format!("arn:aws:kms:{DR}:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab");
    let elsewhere = absent.replace(DR, "eu-west-1");
    for (key, problem) in [
        (disabled, KeyProblem::State("Disabled".to_owned())),
        (absent, KeyProblem::Absent),
        (elsewhere, KeyProblem::Elsewhere("eu-west-1".to_owned())),
    ] {
        stage.database.kms = Some(key.parse().unwrap());
        match stage.copy(1, NONE).await.unwrap().unwrap_err() {
            Refusal::Key { problem: found, .. } => assert_eq!(found, problem),
            other => panic!("{other}"),
        }
    }
    assert!(stage.calls("CopyDBSnapshot").is_empty());
    stage.database.kms = good.clone();
    assert!(stage.copied(1, WAITER).await.is_complete());
    let key = stage.copies().await[0].key.clone();
    assert_eq!(key, good.map(|key| key.to_string()));
}

#[tokio::test]
async fn copy_after_one_that_failed_takes_another_name() {
    let stage = stage!();
    stage.take("seed").await;
    stage.rds.end_snapshot_as(DR, "app-*", "failed");
    let failed = stage.copied(1, WAITER).await;
    assert!(failed.has_failed(), "{failed:?}");
    let again = stage.copied(1, WAITER).await;
    assert_eq!(outcomes(&again), [CopyOutcome::Copied]);
    assert_eq!(
        again.snapshots[0].target,
        format!("{}-2", failed.snapshots[0].target)
    );
    // Only the failed one goes.
    let policy = CopiesKept::default();
    let plan = plan_prune(
        &stage.copies().await,
        ID,
        stage.regions(),
        policy,
        stage.rds.now(),
    );
    let gone: Vec<_> = plan
        .deletions()
        .iter()
        .map(|copy| copy.id.clone())
        .collect();
    assert_eq!(gone, [failed.snapshots[0].target.clone()]);
}

#[tokio::test]
async fn copy_of_snapshots_takes_only_good_ones() {
    let stage = stage!();
    for id in ["good", "bad", "going"] {
        stage.take(id).await;
    }
    assert!(
        stage
            .rds
            .set_snapshot_status(crate::stage::PRIMARY, "bad", "failed")
    );
    assert!(
        stage
            .rds
            .set_snapshot_status(crate::stage::PRIMARY, "going", "deleting")
    );
    let copied = stage.copied(1, WAITER).await;
    assert_eq!(copied.snapshots[0].source, "good");
}

#[tokio::test]
async fn copy_of_a_source_that_is_deleted_before_its_turn_fails_alone() {
    let mut stage = stage!();
    for id in ["older", "newer"] {
        stage.take(id).await;
    }
    stage.quota = Some(1);
    let sources = stage.primary.snapshots(Some(ID)).await.unwrap();
    let plan = dr::database::plan_copies(&sources, &[], ID, stage.regions(), 2, None).unwrap();
    let gone = stage
        .from
        .delete_db_snapshot()
        .db_snapshot_identifier("newer");
    gone.send().await.unwrap();
    let options = dr::database::CopyOptions {
        key: None,
        tags: settings::Tags::default(),
        quota: Some(1),
        waiter: WAITER,
    };
    let copied = dr::database::copy(&stage.dr, &plan, &options, &report::Silent).await;
    let copied = copied.unwrap().unwrap();
    let ended = outcomes(&copied);
    assert!(
        matches!(&ended[0], CopyOutcome::Failed(why) if why.contains("source")),
        "{ended:?}"
    );
    assert_eq!(ended[1], CopyOutcome::Copied);
}

// aws-behaviour: 7
#[tokio::test]
async fn copy_beside_a_stale_one_of_the_same_name_is_made() {
    let stage = stage!();
    stage.take("seed").await;
    let first = stage.copied(1, WAITER).await;
    // The name is used again for a newer snapshot: the guide's script would restore the older one.
    let old = stage
        .from
        .delete_db_snapshot()
        .db_snapshot_identifier("seed");
    old.send().await.unwrap();
    stage.rds.step(minutes(60)).await;
    stage.take("seed").await;
    let second = stage.copied(1, WAITER).await;
    assert_eq!(outcomes(&second), [CopyOutcome::Copied]);
    assert_ne!(first.snapshots[0].target, second.snapshots[0].target);
    let freshest = stage.points(stage.rds.now()).await;
    assert_eq!(freshest.freshest().unwrap().id, second.snapshots[0].target);
}
