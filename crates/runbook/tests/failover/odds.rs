//! Recovery points that are missing or too old, and clocks that are wrong.

use std::time::Duration;

use jiff::SignedDuration;
use local_aws::{Fault, FaultKind, KillAt, Moment};
use runbook::{Outcome, Policy, RunReport, RunStatus, StepErrorKind, StepId, StepStatus};

use crate::stage::stage;

#[tokio::test]
async fn failover_without_a_recovery_point_refuses_the_restore_and_takes_the_steps_beside_it() {
    let stage = stage!();
    let mut environment = stage.environment(1).await;
    environment.settings.databases[0].id = "other".parse().unwrap();
    let process = environment.process(1);
    let state = environment.carry(&stage, &process).await.unwrap();
    let step = |id: &str| &state.steps[&StepId::new(id)];
    assert_eq!(
        state.status,
        RunStatus::Stopped {
            why: "restore/other did not come to an end".to_owned()
        }
    );
    let Some(Outcome::Failed {
        kind,
        problem,
        hint,
    }) = &step("restore/other").outcome
    else {
        panic!("{:#?}", step("restore/other"));
    };
    assert_eq!(*kind, StepErrorKind::Refused);
    assert!(
        problem.contains("has nothing that other can be restored from"),
        "{problem}"
    );
    assert!(hint.is_some(), "{problem}");
    for done in ["fence", "state", "manifest/photos-1-dr"] {
        assert!(step(done).is_settled(), "{done}: {:?}", step(done));
    }
    for waits in ["terraform", "verify", "traffic"] {
        assert_eq!(step(waits).status, StepStatus::Pending, "{waits}");
    }
    assert_eq!(RunReport::of(&state).meets_objectives, None, "{state:#?}");
    assert!(stage.accepted("RestoreDBInstanceToPointInTime").is_empty());
}

#[tokio::test]
async fn restore_that_could_not_be_planned_is_made_by_the_failover_that_follows_one_given_up() {
    let stage = stage!();
    let environment = stage.environment(1).await;
    let denied = Fault::new(FaultKind::Denied).operation("DescribeDBInstances");
    stage.aws.add_fault(denied.times(1));
    let process = environment.process(1);
    let state = environment.carry(&stage, &process).await.unwrap();
    let restore = &state.steps[&StepId::new("restore/app")];
    let Some(Outcome::Failed { kind, hint, .. }) = &restore.outcome else {
        panic!("{state:#?}");
    };
    assert_eq!(*kind, StepErrorKind::Unchecked);
    assert!(
        hint.as_ref().unwrap().contains("begin another one"),
        "{hint:?}"
    );
    // It is finished by nobody: what was planned stays so.
    environment.died(&process);
    let second = environment.process(2);
    let state = environment.carry(&stage, &second).await.unwrap();
    assert_ne!(state.status, RunStatus::Finished);
    environment.give_up(&stage, &second).await;
    let state = environment.carry(&stage, &environment.process(4)).await;
    let state = state.unwrap();
    assert_eq!(state.status, RunStatus::Finished, "{state:#?}");
    stage.check_end(&environment, "given up").await;
}

#[tokio::test]
async fn restore_that_loses_more_than_the_objective_waits_for_a_person() {
    let stage = stage!();
    let mut environment = stage.environment(1).await;
    environment.settings.objectives.rpo_database = Duration::from_secs(1);
    environment.policy = Policy::Gates;
    let process = environment.process(1);
    let state = environment.carry(&stage, &process).await.unwrap();
    let restore = &state.steps[&StepId::new("restore/app")];
    assert_eq!(restore.status, StepStatus::WaitsForApproval, "{state:#?}");
    let question = restore.question.as_deref().unwrap();
    assert!(
        question.contains("of its latest changes are lost"),
        "{question}"
    );
    assert!(stage.accepted("RestoreDBInstanceToPointInTime").is_empty());
    environment.died(&process);
    environment.policy = Policy::Auto;
    let state = environment.carry(&stage, &environment.process(2)).await;
    let state = state.unwrap();
    assert_eq!(state.status, RunStatus::Finished, "{state:#?}");
    let approvals = &state.steps[&StepId::new("restore/app")].approvals;
    assert_eq!(approvals.len(), 1, "{approvals:?}");
    assert_eq!(RunReport::of(&state).meets_objectives, Some(false));
    stage.check_end(&environment, "too old").await;
}

/// The machine that begins has a clock that is `ahead`; the one that goes on with it has the right one.
async fn killed_and_gone_on_with(ahead: SignedDuration) -> Option<RunReport> {
    let stage = crate::stage::Stage::open().await?;
    let environment = stage.environment(1).await;
    let mut first = environment.process(1);
    first.skew = ahead;
    // Somewhere behind the declaration.
    let kill = KillAt::new(&stage.aws, 40, Moment::After);
    let ended = kill
        .run(&stage.aws, environment.carry(&stage, &first))
        .await;
    assert!(ended.is_none(), "it was not killed");
    environment.died(&first);
    let state = environment.carry(&stage, &environment.process(2)).await;
    let state = state.unwrap();
    assert_eq!(state.status, RunStatus::Finished, "{state:#?}");
    stage.check_end(&environment, "a wrong clock").await;
    let report = RunReport::of(&state);
    // What is lost goes by the clock of RDS.
    assert!(report.databases["app"].is_restored, "{report:#?}");
    Some(report)
}

#[tokio::test]
async fn time_that_a_failover_took_is_unknown_where_a_clock_was_ten_minutes_behind_another() {
    let minutes = SignedDuration::from_mins(10);
    let Some(report) = killed_and_gone_on_with(minutes).await else {
        return;
    };
    assert!(
        report.clocks_differ_seconds.unwrap() > 500,
        "{:?}",
        report.clocks_differ_seconds
    );
    assert_eq!(report.rto_from_fault_seconds, None);
    assert_eq!(report.rto_from_detection_seconds, None);
    assert_eq!(report.rto_from_declaration_seconds, None);
    assert_eq!(report.meets_objectives, None, "{report:#?}");
}

#[tokio::test]
async fn clock_that_jumps_forward_makes_no_failover_shorter() {
    let minutes = SignedDuration::from_mins(-10);
    let Some(report) = killed_and_gone_on_with(minutes).await else {
        return;
    };
    assert_eq!(report.clocks_differ_seconds, None);
    assert!(
        report.rto_from_declaration_seconds.unwrap() >= 600,
        "{report:#?}"
    );
}
