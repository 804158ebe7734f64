//! Secrets that say where the database is, there and back.

use local_aws::{Fault, FaultKind, RegionState};
use runbook::{RunStatus, StepId, StepStatus};

use crate::stage::{DR, PASSWORD, PRIMARY, stage};

#[tokio::test]
async fn secret_whose_promotion_or_version_is_refused_or_lost_is_right_in_the_end() {
    let stage = stage!();
    let mut number = 0;
    for operation in ["StopReplicationToReplica", "PutSecretValue"] {
        for kind in [FaultKind::Denied, FaultKind::ResponseLost] {
            number += 1;
            let environment = stage.environment(number).await;
            let of = format!("{kind:?} {operation}");
            let fault = Fault::new(kind).service("secretsmanager");
            let fault = stage.aws.add_fault(fault.operation(operation).times(1));
            let process = environment.process(1);
            let ended = environment.carry(&stage, &process).await.unwrap();
            stage.aws.remove_fault(fault);
            environment.died(&process);
            if ended.status != RunStatus::Finished {
                let again = environment.carry(&stage, &environment.process(2)).await;
                assert_eq!(again.unwrap().status, RunStatus::Finished, "{of}");
            }
            stage.check_end(&environment, &of).await;
            // That of before and one more, however often it was sent.
            let versions = stage.secrets(DR).list_secret_version_ids();
            let versions = versions.secret_id(environment.secret()).send().await;
            assert!(versions.unwrap().versions().len() <= 2, "{of}");
        }
    }
}

#[tokio::test]
async fn secret_that_is_not_there_stops_what_would_read_it() {
    let stage = stage!();
    let environment = stage.environment(1).await;
    // Never replicated.
    stage.aws.set_region(PRIMARY, RegionState::Up);
    let delete = stage.secrets(PRIMARY).delete_secret();
    let delete = delete.secret_id(environment.secret());
    delete
        .force_delete_without_recovery(true)
        .send()
        .await
        .unwrap();
    stage.aws.set_region(PRIMARY, RegionState::Refuse);
    let state = environment.carry(&stage, &environment.process(1)).await;
    let state = state.unwrap();
    let status = |step: &str| state.steps[&StepId::new(step)].status;
    assert_eq!(status("secret/e1/database"), StepStatus::Failed);
    assert_eq!(status("terraform"), StepStatus::Pending);
    let told = format!("{state:?}");
    assert!(
        told.contains("ca-west-1 has no secret e1/database"),
        "{told}"
    );
}

#[tokio::test]
async fn failback_takes_the_secret_home_with_the_password_of_the_dr_region() {
    let stage = stage!();
    stage.make_home().await;
    let environment = stage.failed_over(1).await;
    let name = environment.secret();
    let (says, _) = stage.secret(DR, &name).await;
    assert_eq!(
        says["host"],
        stage.address(&stage.rds, &environment.target()).await.0
    );
    // The password was changed while the DR region served.
    let mut changed = says.clone();
    changed["password"] = "another-password".into();
    let put = stage.secrets(DR).put_secret_value().secret_id(&name);
    put.secret_string(changed.to_string()).send().await.unwrap();
    let process = environment.process(1);
    let state = environment.fail_back(&stage, &process, "").await.unwrap();
    assert_eq!(state.status, RunStatus::Finished, "{state:#?}");
    let home = stage
        .address(&stage.rds_primary, &environment.home())
        .await
        .0;
    let (says, _) = stage.secret(PRIMARY, &name).await;
    assert_eq!(
        (&says["host"], &says["password"]),
        (&home.into(), &"another-password".into())
    );
    let (copy, replica_of) = stage.secret(DR, &name).await;
    assert_eq!((copy, replica_of.as_deref()), (says, Some(PRIMARY)));
    assert!(!format!("{state:?}").contains(PASSWORD));
}
