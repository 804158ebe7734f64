//! Killed at each of its requests, and each of them refused or its answer lost.

use local_aws::{Fault, FaultKind, KillAt, Moment};
use runbook::RunStatus;

use crate::stage::{Environment, Stage, stage};

/// How many requests lie between two that are tried; `RUNBOOK_EVERY` sets another number, 1 for all of them.
const EVERY: u64 = 17;

fn every() -> u64 {
    let set = std::env::var("RUNBOOK_EVERY").ok();
    set.and_then(|every| every.parse().ok()).unwrap_or(EVERY)
}

async fn finish(stage: &Stage, environment: &Environment, of: &str) {
    // A step that gave up after the retries of the SDK is tried again by the next process.
    let second = environment.process(2);
    let mut ended = environment.carry(stage, &second).await;
    // What was not known when the run was planned stays so: it is given up, and another one begun.
    if let Ok(state) = &ended
        && state
            .plan
            .steps
            .iter()
            .any(|step| step.inputs.get("is_unknown").is_some())
    {
        environment.give_up(stage, &second).await;
        ended = environment.carry(stage, &environment.process(4)).await;
    }
    match ended {
        Ok(state) => assert_eq!(state.status, RunStatus::Finished, "{of}: {state:#?}"),
        Err(error) => assert!(error.contains("is over: it was finished"), "{of}: {error}"),
    }
    stage.check_end(environment, of).await;
    let target = environment.target();
    let restores = stage.accepted("RestoreDBInstanceToPointInTime").into_iter();
    let made = restores.filter(|entry| entry.resource.as_deref() == Some(&*target));
    let made: Vec<_> = made.filter(|entry| entry.status.is_some()).collect();
    assert!(made.len() <= 1, "{of}: restored twice: {made:?}");
}

#[tokio::test]
async fn failover_killed_at_its_requests_ends_the_same() {
    let stage = stage!();
    let mut number = 0;
    let mut kills = 0;
    for moment in Moment::ALL {
        for nth in (1..).step_by(usize::try_from(every()).unwrap()) {
            number += 1;
            let environment = stage.environment(number).await;
            let of = format!("{moment:?} {nth}");
            let process = environment.process(1);
            let kill = KillAt::new(&stage.aws, nth, moment);
            if kill
                .run(&stage.aws, environment.carry(&stage, &process))
                .await
                .is_some()
            {
                break;
            }
            kills += 1;
            environment.died(&process);
            finish(&stage, &environment, &of).await;
        }
    }
    assert!(kills > 5, "{kills}");
    println!("{kills} kills");
}

#[tokio::test]
async fn failover_with_requests_refused_or_lost_ends_or_can_be_resumed() {
    let stage = stage!();
    let mut number = 0;
    let (mut hit, mut resumed) = (0, 0);
    for kind in [
        FaultKind::Denied,
        FaultKind::ResponseLost,
        FaultKind::SlowDown,
    ] {
        for nth in (1..).step_by(usize::try_from(every()).unwrap()) {
            number += 1;
            let environment = stage.environment(number).await;
            let of = format!("{kind:?} {nth}");
            let process = environment.process(1);
            let fault = stage.aws.add_fault(Fault::new(kind.clone()).nth(nth));
            let ended = environment.carry(&stage, &process).await;
            let was_hit = stage
                .aws
                .faults()
                .iter()
                .any(|(id, fault_)| *id == fault && fault_.times == Some(0));
            stage.aws.remove_fault(fault);
            environment.died(&process);
            if !matches!(&ended, Ok(state) if state.status == RunStatus::Finished) {
                resumed += 1;
                finish(&stage, &environment, &of).await;
            }
            stage.check_end(&environment, &of).await;
            if !was_hit {
                break;
            }
            hit += 1;
        }
        println!("{hit} until {kind:?}, {resumed} of them had to be resumed");
    }
    assert!(hit > 5, "{hit}");
    println!("{hit} requests refused, throttled or lost; {resumed} runs had to be resumed");
}
