//! Read replicas: the freshest that there is, promoted once.

use std::time::Duration;

use dr::database::{
    AsOf, At, Kind, PromoteRequest, PromoteStep, Promoted, PromotionPlan, Refusal, RetireError,
    plan_enable, plan_promotion, promote,
};
use jiff::Timestamp;
use local_aws::{Fault, FaultKind, RegionState};
use report::Silent;
use settings::{Objectives, Tags};

use crate::stage::{DR, ID, NONE, PRIMARY, Stage, WAITER, minutes, stage};

pub(crate) const REPLICA: &str = "app-replica";

/// A replica in the DR region that follows the instance.
pub(crate) async fn follow(stage: &Stage, replica: &str) {
    let instance = stage.primary.instance(ID).await.unwrap().unwrap();
    let create = stage.to.create_db_instance_read_replica();
    create
        .source_db_instance_identifier(instance.arn)
        .db_instance_identifier(replica)
        .send()
        .await
        .unwrap();
    stage.rds.step(minutes(10)).await;
}

/// How far it is behind from now on; `None`: RDS tells CloudWatch nothing.
fn lags(stage: &Stage, replica: &str, lag: Option<Duration>) {
    assert!(stage.rds.set_replica_lag(DR, replica, lag));
}

pub(crate) async fn planned(stage: &Stage, replica: &str) -> Result<PromotionPlan, Refusal> {
    let as_of = stage.rds.now();
    let points = stage.points(as_of).await.points;
    let there = stage.dr.instance(replica).await.unwrap();
    let request = PromoteRequest {
        database: &stage.database,
        primary: stage.primary.region(),
        region: stage.dr.region(),
        replica,
        as_of: AsOf::Now(as_of),
        objectives: Objectives::default(),
        tags: &Tags::default(),
    };
    plan_promotion(&request, &points, there.as_ref())
}

pub(crate) async fn promoted(
    stage: &Stage,
    plan: &PromotionPlan,
    holds: Option<Timestamp>,
    waiter: aws_env::WaiterConfig,
) -> Result<Promoted, RetireError> {
    promote(&stage.dr, plan, holds, (waiter, stage.rds.now()), &Silent).await
}

// aws-behaviour: 6
#[tokio::test]
async fn replica_that_is_the_freshest_is_promoted_without_the_primary_region() {
    let stage = stage!();
    stage.take("seed").await;
    assert!(stage.copied(1, WAITER).await.is_complete());
    follow(&stage, REPLICA).await;
    lags(&stage, REPLICA, None);
    // Nobody knows how far it is behind: it is no recovery point as long as that is so.
    let points = stage.points(stage.rds.now()).await;
    let last = points.points.last().unwrap();
    assert_eq!((last.kind, last.latest), (Kind::Replica, None));
    assert!(last.problem.as_ref().unwrap().contains("no ReplicaLag"));
    assert_eq!(points.freshest().unwrap().kind, Kind::CopiedSnapshot);
    lags(&stage, REPLICA, Some(Duration::from_secs(3)));
    stage.rds.step(minutes(3)).await;
    let at = stage.rds.now();
    stage.aws.set_region(PRIMARY, RegionState::Refuse);
    stage.aws.clear_log();
    let points = stage.points(at).await;
    let freshest = points.freshest().unwrap();
    assert_eq!(freshest.kind, Kind::Replica);
    // A figure has the time at which its minute began, and comes when that is over.
    let rpo = freshest.rpo_seconds.unwrap();
    assert!(rpo <= 123, "{freshest:?}");
    // A restore takes what can be restored, and says what would lose less.
    let plan = stage.plan(None).await.unwrap();
    assert_eq!(plan.choice.kind, Kind::CopiedSnapshot);
    let fresher = plan.fresher_replica.as_ref().unwrap();
    assert_eq!(fresher.id, REPLICA);
    let text = report::Report::document(&plan).to_terminal(None, false);
    assert!(
        text.contains("dr-replicate promote --replica app-replica"),
        "{text}"
    );
    let refused = stage.plan(Some(REPLICA)).await.unwrap_err();
    assert!(
        refused.to_string().contains("promoted and not restored"),
        "{refused}"
    );

    let plan = planned(&stage, REPLICA).await.unwrap();
    assert_eq!(plan.step, PromoteStep::Begin);
    let json = serde_json::to_string(&plan).unwrap();
    let plan: PromotionPlan = serde_json::from_str(&json).unwrap();
    let done = promoted(&stage, &plan, None, WAITER).await.unwrap();
    assert!(done.endpoint.is_some() && done.data_time.is_some());
    let there = stage.dr.instance(REPLICA).await.unwrap().unwrap();
    assert_eq!((there.replica_of, there.retention_days), (None, Some(7)));
    // Once more: it is promoted, and nothing is called.
    let again = planned(&stage, REPLICA).await.unwrap();
    assert_eq!(again.step, PromoteStep::Verify);
    promoted(&stage, &again, None, WAITER).await.unwrap();
    promoted(&stage, &plan, None, WAITER).await.unwrap();
    assert_eq!(stage.accepted("PromoteReadReplica"), 1);
    stage.primary_was_left_alone();
    // Restored from nothing, it is in the way of a restore of that name.
    let mut other = stage.database.clone();
    other.dr_id = REPLICA.parse().unwrap();
    let points = stage.points(at).await.points;
    let request = dr::database::RestoreRequest {
        database: &other,
        target: REPLICA,
        region: stage.dr.region(),
        at: At::Latest,
        from: None,
        as_of: AsOf::Now(at),
        objectives: Objectives::default(),
        tags: &Tags::default(),
    };
    let there = stage.dr.instance(REPLICA).await.unwrap();
    let refused = dr::database::plan_restore(&request, &points, there.as_ref()).unwrap_err();
    assert!(matches!(refused, Refusal::TargetTaken { .. }), "{refused}");
}

#[tokio::test]
async fn promotion_waits_until_the_replica_holds_all_that_was_written() {
    let stage = stage!();
    follow(&stage, REPLICA).await;
    lags(&stage, REPLICA, None);
    let plan = planned(&stage, REPLICA).await.unwrap();
    assert_eq!((plan.data_time, plan.rpo_seconds), (None, None));
    let stopped = stage.rds.now();
    let last = async || {
        let ended = promoted(&stage, &plan, Some(stopped), NONE).await;
        match ended.unwrap_err() {
            RetireError::Deadline { last, .. } => last,
            other => panic!("{other}"),
        }
    };
    assert_eq!(last().await, "its lag is not known");
    // So far that the clock does not reach it while this test runs.
    lags(&stage, REPLICA, Some(minutes(60 * 24 * 10)));
    stage.rds.step(minutes(3)).await;
    assert!(last().await.contains("not yet of"));
    let denied = Fault::new(FaultKind::Denied).service("monitoring");
    stage.aws.add_fault(denied);
    let ended = promoted(&stage, &plan, Some(stopped), NONE).await;
    assert!(matches!(ended, Err(RetireError::Aws(_))), "{ended:?}");
    stage.aws.clear_faults();
    assert!(stage.calls("PromoteReadReplica").is_empty());
    // It has caught up, and RDS says so a minute later.
    lags(&stage, REPLICA, Some(Duration::ZERO));
    let done = promoted(&stage, &plan, Some(stopped), WAITER)
        .await
        .unwrap();
    assert!(done.data_time.unwrap() >= stopped);
}

#[tokio::test]
async fn promotion_of_what_follows_nothing_or_something_else_is_refused() {
    let stage = stage!();
    follow(&stage, REPLICA).await;
    let plan = planned(&stage, REPLICA).await.unwrap();
    let missing = planned(&stage, "none").await.unwrap_err();
    assert!(matches!(missing, Refusal::NoInstance { .. }), "{missing}");
    let mut other = stage.database.clone();
    other.id = "other".parse().unwrap();
    let there = stage.dr.instance(REPLICA).await.unwrap();
    let request = PromoteRequest {
        database: &other,
        primary: stage.primary.region(),
        region: stage.dr.region(),
        replica: REPLICA,
        as_of: AsOf::Now(stage.rds.now()),
        objectives: Objectives::default(),
        tags: &Tags::default(),
    };
    let refused = plan_promotion(&request, &[], there.as_ref()).unwrap_err();
    assert!(
        matches!(refused, Refusal::NotThatInstance { .. }),
        "{refused}"
    );
    // Somebody else promotes it meanwhile: that is not this run's.
    let by_hand = stage.to.promote_read_replica();
    by_hand
        .db_instance_identifier(REPLICA)
        .send()
        .await
        .unwrap();
    stage.rds.step(minutes(10)).await;
    let ended = promoted(&stage, &plan, None, WAITER).await.unwrap_err();
    assert!(
        ended
            .to_string()
            .contains("was not promoted by dr-replicate"),
        "{ended}"
    );
    // A failed one ends.
    assert!(stage.rds.set_instance_status(DR, REPLICA, "failed"));
    let ended = promoted(&stage, &plan, None, WAITER).await.unwrap_err();
    assert!(matches!(ended, RetireError::Ended { .. }), "{ended}");
}

// aws-behaviour: 49
#[tokio::test]
async fn plan_of_an_instance_with_a_managed_password_says_that_no_replica_can_be() {
    let stage = stage!();
    let plan = async || {
        let instance = stage.primary.instance(ID).await.unwrap();
        plan_enable(&stage.database, instance.as_ref(), &[], stage.regions()).unwrap()
    };
    assert_eq!(plan().await.no_replica, None);
    let modify = stage.from.modify_db_instance().db_instance_identifier(ID);
    modify
        .manage_master_user_password(true)
        .send()
        .await
        .unwrap();
    let text = report::Report::document(&plan().await).to_terminal(None, false);
    assert!(text.contains("no read replica"), "{text}");
    // As RDS has it.
    let instance = stage.primary.instance(ID).await.unwrap().unwrap();
    let create = stage.to.create_db_instance_read_replica();
    let create = create
        .source_db_instance_identifier(instance.arn)
        .db_instance_identifier(REPLICA);
    assert!(create.send().await.is_err());
}

#[tokio::test]
async fn restore_of_a_cluster_is_refused_by_name_before_anything_else() {
    let stage = stage!();
    let create = stage.to.create_db_cluster().db_cluster_identifier(ID);
    create
        .engine("aurora-postgresql")
        .master_username("app")
        .master_user_password("correct-horse")
        .send()
        .await
        .unwrap();
    let take = stage.to.create_db_cluster_snapshot();
    take.db_cluster_identifier(ID)
        .db_cluster_snapshot_identifier("copy")
        .send()
        .await
        .unwrap();
    let points = stage.points(stage.rds.now()).await;
    assert_eq!(points.points[0].kind, Kind::ClusterSnapshot);
    assert_eq!(points.freshest(), None);
    let refused = stage.plan(None).await.unwrap_err();
    assert!(matches!(refused, Refusal::Cluster { .. }), "{refused}");
    let text = refused.to_string();
    assert!(
        text.starts_with("app in us-east-1 is a cluster (aurora-postgresql"),
        "{text}"
    );
    assert!(refused.hint().contains("copy-db-cluster-snapshot"));
    let refused = stage.plan(Some("copy")).await.unwrap_err().to_string();
    assert!(
        refused.contains("clusters are not restored here"),
        "{refused}"
    );
    // Where RDS does not say, there is nothing.
    let denied = Fault::new(FaultKind::Denied).operation("DescribeDBClusterSnapshots");
    stage.aws.add_fault(denied);
    let refused = stage.plan(None).await.unwrap_err();
    assert!(
        matches!(refused, Refusal::NoRecoveryPoint { .. }),
        "{refused}"
    );
}
