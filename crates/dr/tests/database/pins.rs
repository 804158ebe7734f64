//! What a run keeps, and what stops deletions.

use dr::database::{
    Kept, PrunePlan, Refusal, RunName, failovers, hold_deletions, pin, plan_prune, prune,
    release_deletions, unpin,
};
use local_aws::{Fault, FaultKind};
use settings::CopiesKept;

use crate::stage::{DR, ID, Stage, WAITER, stage};

/// Three copies, of which the policy keeps one.
async fn with_copies() -> Option<Stage> {
    let stage = Stage::open(false).await?;
    for id in ["one", "two", "three"] {
        stage.take(id).await;
    }
    assert!(stage.copied(3, WAITER).await.is_complete());
    Some(stage)
}

async fn planned(stage: &Stage) -> PrunePlan {
    let policy = CopiesKept {
        keep_last: 1,
        keep_days: 0,
    };
    let copies = stage.copies().await;
    plan_prune(&copies, ID, stage.regions(), policy, stage.rds.now())
}

fn kept(plan: &PrunePlan) -> Vec<Kept> {
    plan.kept().iter().map(|(_, kept)| *kept).collect()
}

#[tokio::test]
async fn prune_leaves_what_runs_have_pinned_until_each_has_unpinned_it() {
    let Some(stage) = with_copies().await else {
        return;
    };
    let (first, second): (RunName, RunName) = ("first".parse().unwrap(), "second".parse().unwrap());
    let oldest = planned(&stage).await.deletions()[1].clone();
    let now = stage.rds.now();
    // Its answer is lost, and it is there all the same.
    let lost = Fault::new(FaultKind::ResponseLost).operation("AddTagsToResource");
    stage.aws.add_fault(lost.times(1));
    for run in [&first, &second, &first] {
        pin(&stage.dr, &oldest.arn, run, now).await.unwrap();
    }
    let plan = planned(&stage).await;
    assert_eq!(plan.deletions().len(), 1);
    assert_eq!(kept(&plan), [Kept::Last, Kept::Pinned]);
    assert!(unpin(&stage.dr, &oldest.arn, &first).await.unwrap());
    assert!(!unpin(&stage.dr, &oldest.arn, &first).await.unwrap());
    assert_eq!(planned(&stage).await.deletions().len(), 1);
    assert!(unpin(&stage.dr, &oldest.arn, &second).await.unwrap());
    let plan = planned(&stage).await;
    assert_eq!(plan.deletions().len(), 2);
    // A pin that comes between the plan and the deletion counts.
    let approved = plan.approve().unwrap();
    pin(&stage.dr, &oldest.arn, &first, now).await.unwrap();
    let pruned = prune(&stage.dr, &approved, now).await.unwrap();
    let left: Vec<_> = pruned
        .snapshots
        .iter()
        .map(|one| one.left.as_deref())
        .collect();
    assert_eq!(left, [None, Some("pinned by a run")]);
    // What is gone has no pin to take away, and cannot be pinned.
    let gone = oldest.arn.replace(&oldest.id, "nope");
    assert!(!unpin(&stage.dr, &gone, &first).await.unwrap());
    assert!(pin(&stage.dr, &gone, &first, now).await.is_err());
}

#[tokio::test]
async fn prune_deletes_nothing_while_a_failover_is_on() {
    let Some(stage) = with_copies().await else {
        return;
    };
    let (run, other): (RunName, RunName) = ("run".parse().unwrap(), "other".parse().unwrap());
    let (primary, now) = (stage.regions().0, stage.rds.now());
    let approved = planned(&stage).await.approve().unwrap();
    for run in [&run, &other, &run] {
        let held = hold_deletions(&stage.dr, &stage.database, primary, run, now).await;
        assert_eq!(held.unwrap().resources.len(), 3);
    }
    // A copy that arrives later has no marker of its own.
    stage.take("four").await;
    assert!(stage.copied(1, WAITER).await.is_complete());
    let plan = planned(&stage).await;
    assert_eq!(plan.held_by(), ["other", "run"]);
    assert!(plan.deletions().is_empty());
    assert_eq!(kept(&plan)[1..], [Kept::Failover; 3]);
    // A plan from before deletes nothing either.
    let pruned = prune(&stage.dr, &approved, now).await.unwrap();
    assert!(!pruned.is_complete());
    assert!(stage.calls("DeleteDBSnapshot").is_empty());
    let release = async |run| {
        let released = release_deletions(&stage.dr, &stage.database, primary, run).await;
        released.unwrap()
    };
    assert_eq!(release(&run).await, 3);
    assert_eq!(release(&run).await, 0);
    let on = failovers(&stage.dr, &stage.database, primary).await;
    assert_eq!(on.unwrap(), ["other"]);
    assert_eq!(release(&other).await, 3);
    assert_eq!(planned(&stage).await.deletions().len(), 3);
}

#[tokio::test]
async fn hold_that_rds_refuses_is_no_hold() {
    let stage = stage!();
    stage.take("one").await;
    assert!(stage.copied(1, WAITER).await.is_complete());
    let denied = Fault::new(FaultKind::Denied).operation("AddTagsToResource");
    stage.aws.add_fault(denied.region(DR));
    let run = "run".parse().unwrap();
    let (primary, now) = (stage.regions().0, stage.rds.now());
    let held = hold_deletions(&stage.dr, &stage.database, primary, &run, now).await;
    assert!(held.unwrap_err().to_string().contains("AddTagsToResource"));
    let on = failovers(&stage.dr, &stage.database, primary).await;
    assert!(on.unwrap().is_empty());
    let refusal = Refusal::Held {
        database: ID.to_owned(),
        region: stage.regions().1,
        runs: vec!["run".to_owned()],
    };
    assert_eq!(
        refusal.to_string(),
        "what there is of app in us-east-1 is kept for a failover (run)"
    );
}
