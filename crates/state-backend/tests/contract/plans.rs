//! What a plan finds, and what is true after it is applied.

use state_backend::{Aspect, RefusalKind, Verdict, wanted};

use crate::fixtures::{TABLE, apply, create_table, global_table};
use crate::{EXAMPLE, Stage};

pub(crate) async fn a_plan_changes_nothing(stage: &Stage) {
    let plan = stage.backend().await.plan().await;
    assert!(
        plan.items()
            .iter()
            .all(|item| item.verdict == Verdict::Missing),
        "{plan:#?}"
    );
    assert!(stage.aws.log().iter().all(|entry| !entry.is_mutation()));
}

pub(crate) async fn apply_makes_everything_true(stage: &Stage) {
    let backend = stage.backend().await;
    let applied = apply(&backend).await;
    assert!(applied.is_complete(), "{:#?}", applied.first_problem());
    let (ok, wrong, unknown) = backend.plan().await.into_verification().counts();
    assert_eq!((ok, wrong, unknown), (wanted(backend.spec()).len(), 0, 0));
}

pub(crate) async fn a_second_apply_has_nothing_to_do(stage: &Stage) {
    let backend = stage.backend().await;
    apply(&backend).await;
    stage.aws.clear_log();
    let again = apply(&backend).await;
    assert!(again.steps.is_empty(), "{again:#?}");
    assert!(stage.aws.log().iter().all(|entry| !entry.is_mutation()));
}

pub(crate) async fn without_a_dr_side_everything_is_made_true_once(stage: &Stage) {
    let alone = EXAMPLE
        .split("[state.dr]")
        .next()
        .expect("the part before it");
    let backend = stage.backend_of(alone).await;
    let applied = apply(&backend).await;
    assert!(applied.is_complete(), "{:#?}", applied.first_problem());
    let (ok, wrong, unknown) = backend.plan().await.into_verification().counts();
    assert_eq!((ok, wrong, unknown), (14, 0, 0));
    stage.aws.clear_log();
    assert!(apply(&backend).await.steps.is_empty());
    assert!(stage.aws.log().iter().all(|entry| !entry.is_mutation()));
}

/// Buckets, replication and its role, without any table.
pub(crate) async fn a_backend_that_locks_in_s3_is_made_true(stage: &Stage) {
    let config: String = EXAMPLE
        .lines()
        .filter(|line| !line.starts_with("lock_table"))
        .map(|line| line.replace("[\"dynamodb\", \"s3\"]", "[\"s3\"]") + "\n")
        .collect();
    let backend = stage.backend_of(&config).await;
    let applied = apply(&backend).await;
    assert!(applied.is_complete(), "{:#?}", applied.first_problem());
    let (ok, wrong, unknown) = backend.plan().await.into_verification().counts();
    assert_eq!((ok, wrong, unknown), (wanted(backend.spec()).len(), 0, 0));
    let log = stage.aws.log();
    let tables: Vec<_> = log
        .iter()
        // Whether DynamoDB answers at all is asked where STS takes its time.
        .filter(|entry| entry.service == "dynamodb" && entry.operation != "ListTables")
        .collect();
    assert!(tables.is_empty(), "{tables:#?}");
}

pub(crate) async fn a_table_that_is_no_lock_table_is_refused(stage: &Stage) {
    let backend = stage.backend().await;
    create_table(stage, "Id").await;
    let plan = backend.plan().await;
    let refused: Vec<_> = plan
        .refused()
        .map(|(item, refusal)| (item.facet.aspect, refusal.kind))
        .collect();
    assert_eq!(refused, [(Aspect::Exists, RefusalKind::OtherKeySchema)]);
}

// aws-behaviour: 25
pub(crate) async fn a_global_table_has_its_replica(stage: &Stage) {
    let backend = stage.backend_of(&global_table()).await;
    let applied = apply(&backend).await;
    assert!(applied.is_complete(), "{:#?}", applied.first_problem());
    let dr = stage
        .env
        .region(backend.spec().dr.as_ref().expect("a DR side").region);
    dr.dynamodb
        .describe_table()
        .table_name(TABLE)
        .send()
        .await
        .expect("the replica is there");
}

/// The strategy is changed after the tables were made, both under one name.
pub(crate) async fn a_change_of_the_strategy_names_what_is_in_the_way(stage: &Stage) {
    let one_name = EXAMPLE.replace(
        "lock_table = \"berthcare-terraform-locks-dr\"",
        "lock_table = \"berthcare-terraform-locks\"",
    );
    let applied = apply(&stage.backend_of(&one_name).await).await;
    assert!(applied.is_complete(), "{:#?}", applied.first_problem());
    stage.aws.clear_log();
    let plan = stage.backend_of(&global_table()).await.plan().await;
    let refused: Vec<_> = plan
        .refused()
        .map(|(item, refusal)| (item.facet.resource.region.as_str(), refusal.kind))
        .collect();
    assert_eq!(refused, [("us-east-1", RefusalKind::InTheWay)]);
    assert!(plan.approve().is_err());
    assert!(stage.aws.log().iter().all(|entry| !entry.is_mutation()));
}
