//! Automated backups replicated to the DR region.

use std::time::Duration;

use dr::database::{
    AsOf, EnableStep, Health, Refusal, disable, enable, pin, plan_disable, plan_enable, status,
    unpin,
};
use local_aws::{ErrorAnswer, Fault, FaultKind};
use settings::Tags;

use crate::restores::replicate;
use crate::stage::{DR, ID, NONE, PRIMARY, WAITER, minutes, stage};

#[tokio::test]
async fn enable_status_and_disable_follow_each_other() {
    let stage = stage!(encrypted);
    let health = async || {
        let backups = stage.dr.backups().await.unwrap();
        let objective = Duration::from_secs(900);
        status(
            ID,
            &backups,
            stage.regions().0,
            objective,
            AsOf::Now(stage.rds.now()),
        )
    };
    assert_eq!(health().await.health, Health::Wrong);
    replicate(&stage).await;
    let call = "StartDBInstanceAutomatedBackupsReplication";
    assert_eq!(stage.accepted(call), 1);
    let calls = stage.calls(call);
    assert_eq!(calls[0].region.as_deref(), Some(DR));
    let good = health().await;
    assert_eq!(good.health, Health::Ok, "{good:?}");
    assert_eq!(
        good.key,
        stage.database.kms.as_ref().map(ToString::to_string)
    );
    // Again: nothing is begun.
    let instance = stage.primary.instance(ID).await.unwrap();
    let backups = stage.dr.backups().await.unwrap();
    let plan = plan_enable(
        &stage.database,
        instance.as_ref(),
        &backups,
        stage.regions(),
    )
    .unwrap();
    assert_eq!(plan.step, EnableStep::Unchanged);
    stage.aws.clear_log();
    // Not while a run relies on it.
    let run = "one".parse().unwrap();
    let arn = &backups[0].arn;
    pin(&stage.dr, arn, &run, stage.rds.now()).await.unwrap();
    let pinned = stage.dr.backups().await.unwrap();
    let refused = plan_disable(ID, &pinned, stage.regions()).unwrap_err();
    assert!(
        matches!(&refused, Refusal::Held { runs, .. } if runs[..] == ["one"]),
        "{refused}"
    );
    assert!(unpin(&stage.dr, arn, &run).await.unwrap());
    let plan = plan_disable(ID, &backups, stage.regions())
        .unwrap()
        .unwrap();
    assert!(plan.latest.is_some());
    disable(&stage.dr, &plan).await.unwrap();
    stage.primary_was_left_alone();
    let backups = stage.dr.backups().await.unwrap();
    assert!(
        plan_disable(ID, &backups, stage.regions())
            .unwrap()
            .is_none(),
        "{backups:?}"
    );
    assert_eq!(health().await.health, Health::Wrong);
    assert_eq!(stage.rds.unread_inputs(), []);
}

// aws-behaviour: 31
#[tokio::test]
async fn enable_beyond_the_quota_is_refused_by_what_aws_says_and_not_before() {
    let stage = stage!();
    let instance = stage.primary.instance(ID).await.unwrap();
    let plan = plan_enable(&stage.database, instance.as_ref(), &[], stage.regions()).unwrap();
    let quotas = stage.rds.quotas();
    stage.rds.set_quotas(local_aws::RdsQuotas {
        replicated_backups: 0,
        ..quotas
    });
    let refused = enable(&stage.dr, &plan, &Tags::default(), WAITER).await;
    let refused = refused.unwrap().unwrap_err();
    let Refusal::BackupQuota { there, why, .. } = &refused else {
        panic!("{refused}");
    };
    assert_eq!(*there, 0);
    assert!(why.contains("more than 0 automated backups"), "{why}");
    // An account that was given more than the usual 20 uses them.
    stage.rds.set_quotas(quotas);
    let enabled = enable(&stage.dr, &plan, &Tags::default(), WAITER).await;
    enabled.unwrap().unwrap();
}

#[tokio::test]
async fn enable_while_the_instance_is_backed_up_waits_for_the_end_of_that() {
    let stage = stage!();
    let instance = stage.primary.instance(ID).await.unwrap();
    let plan = plan_enable(&stage.database, instance.as_ref(), &[], stage.regions()).unwrap();
    let call = "StartDBInstanceAutomatedBackupsReplication";
    let backing_up = || {
        let state = FaultKind::Error(ErrorAnswer {
            code: "InvalidDBInstanceState".to_owned(),
            status: 400,
            message: "it is backing-up".to_owned(),
        });
        stage
            .aws
            .add_fault(Fault::new(state).operation(call).times(3));
    };
    backing_up();
    let at_once = enable(&stage.dr, &plan, &Tags::default(), NONE).await;
    let refused = at_once.unwrap_err();
    assert!(
        refused.to_string().contains("InvalidDBInstanceState"),
        "{refused}"
    );
    backing_up();
    let enabled = enable(&stage.dr, &plan, &Tags::default(), WAITER).await;
    enabled.unwrap().unwrap();
    assert_eq!(stage.accepted(call), 1);
}

// aws-behaviour: 28
#[tokio::test]
async fn enable_with_a_disabled_key_is_refused_before_it_begins() {
    let stage = stage!(encrypted);
    let key = stage.database.kms.as_ref().unwrap().to_string();
    stage.kms.disable_key().key_id(&key).send().await.unwrap();
    let instance = stage.primary.instance(ID).await.unwrap();
    let plan = plan_enable(&stage.database, instance.as_ref(), &[], stage.regions()).unwrap();
    let refused = enable(&stage.dr, &plan, &Tags::default(), WAITER)
        .await
        .unwrap();
    assert!(matches!(refused, Err(Refusal::Key { .. })), "{refused:?}");
    assert!(
        stage
            .calls("StartDBInstanceAutomatedBackupsReplication")
            .is_empty()
    );
}

#[tokio::test]
async fn plan_enable_of_an_instance_without_backups_is_refused() {
    let stage = stage!();
    let modify = stage.from.modify_db_instance().db_instance_identifier(ID);
    let modify = modify.backup_retention_period(0).apply_immediately(true);
    modify.send().await.unwrap();
    stage.rds.step(minutes(10)).await;
    let instance = stage.primary.instance(ID).await.unwrap();
    let refused = plan_enable(&stage.database, instance.as_ref(), &[], stage.regions());
    assert!(matches!(refused, Err(Refusal::NoBackups { .. })));
    assert_eq!(
        instance.unwrap().arn,
        format!("arn:aws:rds:{PRIMARY}:000000000000:db:{ID}")
    );
}
