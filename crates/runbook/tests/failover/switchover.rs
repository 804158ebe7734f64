//! A move while both regions serve.

use std::rc::Rc;

use local_aws::{Fault, FaultKind, KillAt, Moment, RegionState};
use runbook::{Marker, RunReport, RunState, RunStatus, StepId, StepStatus};
use settings::HookPoint;
use tokio::sync::Notify;

use crate::failback::{Dies, Seen, every, failed, status};
use crate::hooks::LONG;
use crate::stage::{DR, Environment, PRIMARY, STATE_KEY, Stage, Unseen, stage};

const UNSEEN: (&dyn runbook::Watch, &[&str]) = (&Unseen, &[]);

impl Stage {
    /// What the DR region lacks: written before replication was there, and deleted since.
    async fn use_at_home(&self, environment: &Environment) {
        let bucket = environment.data_home();
        self.put(&environment.data_bucket(), "left.jpg", "left")
            .await;
        self.delete(&environment.data_bucket(), "c.jpg").await;
        self.put_home(&bucket, "new.jpg", "new").await;
    }

    /// What a switchover leaves, whatever happened on its way.
    async fn check_over(&self, environment: &Environment, of: &str) {
        let marker = Marker::read(&environment.store(self)).await;
        let marker = marker.unwrap().unwrap();
        assert!(marker.failed_over, "{of}");
        let turned = aws_env::list_keys(&self.dr, &environment.marker_bucket(), "").await;
        assert_eq!(turned.unwrap(), ["failed-over"], "{of}");
        let home = self.home_objects(environment).await;
        assert_eq!(self.dr_objects(environment).await, home, "{of}");
        assert_eq!(home.len(), 4, "{of}: {home:?}");
        // One database can be written, and it is the DR region's.
        let old = self.status(&self.rds_primary, &environment.home()).await;
        assert_eq!(old.as_deref(), Some("stopped"), "{of}");
        let new = self.status(&self.rds, &environment.target()).await;
        assert_eq!(new.as_deref(), Some("available"), "{of}");
        let (host, _) = self.address(&self.rds, &environment.target()).await;
        let (says, replica_of) = self.secret(DR, &environment.secret()).await;
        assert_eq!(says["host"], host, "{of}");
        assert_eq!(replica_of, None, "{of}");
        for bucket in [environment.data_bucket(), environment.state_bucket()] {
            let policy = self.dr.s3.get_bucket_policy().bucket(bucket);
            let policy = policy.send().await.unwrap().policy.unwrap();
            assert_eq!(policy.matches("DrFence").count(), 1, "{of}: {policy}");
        }
        let keys = aws_env::list_keys(&self.dr, &environment.state_bucket(), "").await;
        let keys = keys.unwrap();
        let manifests = keys.iter().filter(|key| key.contains("/manifest-"));
        assert_eq!(manifests.count(), 1, "{of}: {keys:?}");
    }

    /// Of one run, whatever died on its way.
    fn check_moved_once(&self, environment: &Environment, of: &str) {
        let target = environment.target();
        let restores = self.accepted("RestoreDBInstanceFromDBSnapshot").into_iter();
        let restores = restores.filter(|entry| entry.resource.as_deref() == Some(&*target));
        let answered = restores.filter(|entry| entry.status.is_some());
        assert!(answered.count() <= 1, "{of}: restored twice");
    }

    /// That the environment is in the primary region, as if nothing had been.
    async fn check_home(&self, environment: &Environment, of: &str) {
        let marker = Marker::read(&environment.store(self)).await.unwrap();
        assert!(marker.is_none_or(|marker| !marker.failed_over), "{of}");
        let turned = aws_env::list_keys(&self.dr, &environment.marker_bucket(), "").await;
        assert_eq!(turned.unwrap(), [""; 0], "{of}");
        let home = self.status(&self.rds_primary, &environment.home()).await;
        assert_eq!(home.as_deref(), Some("available"), "{of}");
        let dr = self.status(&self.rds, &environment.target()).await;
        assert_eq!(dr, None, "{of}");
        let (_, replica_of) = self.secret(DR, &environment.secret()).await;
        assert_eq!(replica_of.as_deref(), Some(PRIMARY), "{of}");
        for bucket in [environment.data_bucket(), environment.state_bucket()] {
            let policy = self.dr.s3.get_bucket_policy().bucket(bucket);
            assert!(policy.send().await.is_err(), "{of}: a fence is there");
        }
    }
}

#[tokio::test]
async fn switchover_moves_everything_and_a_failback_brings_it_home() {
    let stage = stage!();
    stage.make_home().await;
    let environment = Box::pin(stage.at_home(1)).await;
    stage.use_at_home(&environment).await;
    let process = environment.process(1);
    let state = Box::pin(environment.switch_over(&stage, &process, UNSEEN)).await;
    let state = state.unwrap();
    assert_eq!(state.status, RunStatus::Finished, "{}", failed(&state));
    stage.check_over(&environment, "undisturbed").await;
    let report = RunReport::of(&state);
    let lost = &report.databases["home-1"];
    assert!(lost.is_restored, "{report:#?}");
    assert_eq!(lost.rpo_seconds, Some(0), "{report:#?}");
    assert_eq!(report.meets_objectives, Some(true), "{report:#?}");
    assert!(report.writers_stood_still_seconds.is_some());
    // What is written in the primary region by mistake does not come over what the DR region writes.
    stage
        .put_home(&environment.data_home(), "late.jpg", "late")
        .await;
    let there = stage.dr_objects(&environment).await;
    assert!(!there.contains_key("late.jpg"), "{there:?}");
    stage.use_in_dr(&environment).await;
    stage.delete(&environment.data_bucket(), "left.jpg").await;
    let process = environment.process(2);
    let back = Box::pin(environment.fail_back(&stage, &process, "")).await;
    let back = back.unwrap();
    assert_eq!(back.status, RunStatus::Finished, "{}", failed(&back));
    stage.check_back(&environment, "after a switchover").await;
    assert_eq!(
        RunReport::of(&back).databases["home-1"].rpo_seconds,
        Some(0)
    );
}

#[tokio::test]
async fn move_that_was_planned_before_another_one_ended_copies_nothing() {
    let stage = stage!();
    stage.make_home().await;
    let environment = Box::pin(stage.at_home(1)).await;
    stage.use_at_home(&environment).await;
    let late = environment.process(9);
    let plan = Box::pin(environment.plan_over(&stage, &late))
        .await
        .unwrap();
    let process = environment.process(1);
    let run = environment.switch_over(&stage, &process, UNSEEN);
    let state = Box::pin(run).await.unwrap();
    assert_eq!(state.status, RunStatus::Finished, "{}", failed(&state));
    environment.died(&process);
    let bucket = environment.data_bucket();
    stage.put(&bucket, "a.jpg", "a of DR").await;
    let begun = environment.begin_planned(&stage, &late, plan);
    let stopped = Box::pin(begun).await.unwrap();
    let told = failed(&stopped);
    assert!(told.contains("was brought to ca-west-1 by run"), "{told}");
    let there = stage.dr_objects(&environment).await;
    assert_eq!(there["a.jpg"], "a of DR");
}

#[tokio::test]
async fn switchover_that_is_given_up_is_undone() {
    let stage = stage!();
    stage.make_home().await;
    let steps = ["regions", "drain", "restore/home-1", "cut-over"];
    for (number, step) in (1..).zip(steps) {
        let environment = Box::pin(stage.at_home(number)).await;
        stage.use_at_home(&environment).await;
        let step = step.replace("-1", &format!("-{number}"));
        let of = format!("given up at {step}");
        let process = environment.process(1);
        let dies = Dies(&stage, &step);
        let run = environment.switch_over(&stage, &process, (&dies, &[]));
        let stopped = Box::pin(run).await.unwrap();
        assert!(
            matches!(stopped.status, RunStatus::Stopped { .. }),
            "{of}: {}",
            failed(&stopped)
        );
        environment.died(&process);
        stage.aws.set_region(PRIMARY, RegionState::Up);
        let process = environment.process(2);
        let undone = Box::pin(environment.undo(&stage, &process, &Unseen)).await;
        let undone = undone.unwrap();
        if let Some(undone) = &undone {
            assert_eq!(
                undone.status,
                RunStatus::Finished,
                "{of}: {}",
                failed(undone)
            );
        }
        let has_writers = undone.is_some_and(|undone| {
            undone
                .steps
                .get(&StepId::new("writers"))
                .is_some_and(|step| step.status == StepStatus::Done)
        });
        assert_eq!(has_writers, step != "regions", "{of}");
        stage.check_home(&environment, &of).await;
        // Replication delivers, and another one comes to its end.
        let bucket = environment.data_home();
        stage.put_home(&bucket, "after.jpg", "after").await;
        let there = stage.dr_objects(&environment).await;
        assert!(there.contains_key("after.jpg"), "{of}");
        if step != "cut-over" {
            continue;
        }
        let process = environment.process(3);
        let run = environment.switch_over(&stage, &process, UNSEEN);
        let state = Box::pin(run).await.unwrap();
        assert_eq!(
            state.status,
            RunStatus::Finished,
            "{of}: {}",
            failed(&state)
        );
    }
}

#[tokio::test]
async fn primary_that_is_lost_in_a_switchover_is_failed_over_without_losing_what_was_drained() {
    let stage = stage!();
    stage.make_home().await;
    for (number, step) in (1..).zip(["drain", "cut-over"]) {
        let environment = Box::pin(stage.at_home(number)).await;
        stage.use_at_home(&environment).await;
        let of = format!("lost at {step}");
        let process = environment.process(1);
        let dies = Dies(&stage, step);
        let run = environment.switch_over(&stage, &process, (&dies, &[]));
        let stopped = Box::pin(run).await.unwrap();
        assert!(matches!(stopped.status, RunStatus::Stopped { .. }), "{of}");
        let told = failed(&stopped);
        assert!(told.contains("Unchecked"), "{of}: {told}");
        let open = runbook::OpenRun::resume(
            environment.store(&stage),
            None,
            environment.process(2),
            runbook::LeaseTimes::default(),
            &stopped.plan.run,
        );
        let open = Box::pin(open).await.unwrap();
        Box::pin(open.abandon("Kim", "it is lost")).await.unwrap();
        let restored = status(&stopped, &format!("restore/home-{number}"));
        let state = Box::pin(environment.begin(&stage, &environment.process(3))).await;
        assert_eq!(
            state.status,
            RunStatus::Finished,
            "{of}: {}",
            failed(&state)
        );
        if restored == StepStatus::Done {
            let lost = &RunReport::of(&state).databases[&format!("home-{number}")];
            let copied = stopped.result(&StepId::new(&format!("copy/home-{number}")));
            let drained = copied.unwrap()["data_time"].as_str().unwrap();
            assert_eq!(lost.data_time.to_string(), drained, "{of}");
        }
        stage.check_end_after_loss(&environment, &of).await;
        stage.aws.set_region(PRIMARY, RegionState::Up);
    }
}

impl Stage {
    async fn check_end_after_loss(&self, environment: &Environment, of: &str) {
        let marker = Marker::read(&environment.store(self)).await;
        assert!(marker.unwrap().unwrap().failed_over, "{of}");
        let dr = self.status(&self.rds, &environment.target()).await;
        assert_eq!(dr.as_deref(), Some("available"), "{of}");
    }
}

#[tokio::test]
async fn primary_that_is_lost_behind_the_cut_over_is_not_needed() {
    let stage = stage!();
    stage.make_home().await;
    let environment = Box::pin(stage.at_home(1)).await;
    stage.use_at_home(&environment).await;
    let process = environment.process(1);
    let dies = Dies(&stage, "state");
    let gone = Dies(&stage, "manifest/photos-1-dr");
    let both = Either(&dies, &gone);
    let run = environment.switch_over(&stage, &process, (&both, &[]));
    let state = Box::pin(run).await.unwrap();
    assert_eq!(state.status, RunStatus::Finished, "{}", failed(&state));
    stage.aws.set_region(PRIMARY, RegionState::Up);
    stage
        .check_over(&environment, "lost behind the cut-over")
        .await;
}

struct Either<'a>(&'a dyn runbook::Watch, &'a dyn runbook::Watch);

impl runbook::Watch for Either<'_> {
    fn recorded(&self, state: &RunState) {
        self.0.recorded(state);
        self.1.recorded(state);
    }
}

#[tokio::test]
async fn writer_that_was_not_stopped_is_found_out_by_the_command_of_the_proof() {
    let stage = stage!();
    stage.make_home().await;
    let mut environment = Box::pin(stage.at_home(1)).await;
    stage.use_at_home(&environment).await;
    let script = "echo $DR_HOOK $AWS_REGION >>order; cat rows";
    environment.hook(HookPoint::Drained, script, LONG);
    for point in [HookPoint::StopWriters, HookPoint::StartWriters] {
        let script = "echo $DR_HOOK $AWS_REGION >>order";
        environment.hook(point, script, LONG);
    }
    let rows = environment.folder.path().join("rows");
    std::fs::write(&rows, "7").unwrap();
    let process = environment.process(1);
    let writes = Writes(&rows);
    let run = environment.switch_over(&stage, &process, (&writes, &[]));
    let stopped = Box::pin(run).await.unwrap();
    let told = failed(&stopped);
    assert!(
        told.contains("something has written in ca-central-1"),
        "{told}"
    );
    let old = stage.status(&stage.rds_primary, &environment.home()).await;
    assert_eq!(old.as_deref(), Some("available"));
    environment.died(&process);
    let process = environment.process(2);
    let undone = Box::pin(environment.undo(&stage, &process, &Unseen)).await;
    let undone = undone.unwrap().unwrap();
    assert_eq!(undone.status, RunStatus::Finished, "{}", failed(&undone));
    stage.check_home(&environment, "somebody wrote").await;
    assert_eq!(
        environment.read("order").lines().collect::<Vec<_>>(),
        [
            "stop-writers ca-central-1",
            "drained ca-central-1",
            "drained ca-central-1",
            "start-writers ca-central-1"
        ]
    );
    let process = environment.process(3);
    let state = Box::pin(environment.switch_over(&stage, &process, UNSEEN)).await;
    let state = state.unwrap();
    assert_eq!(state.status, RunStatus::Finished, "{}", failed(&state));
    stage
        .check_over(&environment, "after the writer was stopped")
        .await;
}

/// Writes once more when the last step before the cut-over is done.
struct Writes<'a>(&'a std::path::Path);

impl runbook::Watch for Writes<'_> {
    fn recorded(&self, state: &RunState) {
        let step = state.last_step();
        if step.is_some_and(|(planned, step)| {
            planned.id.0 == "verify" && step.status == StepStatus::Done
        }) {
            std::fs::write(self.0, "8").unwrap();
        }
    }
}

#[tokio::test]
async fn state_that_has_not_come_over_or_is_locked_is_waited_for_or_refused() {
    let stage = stage!();
    stage.make_home().await;
    let environment = Box::pin(stage.at_home(1)).await;
    stage.use_at_home(&environment).await;
    let lock = format!("{STATE_KEY}.tflock");
    let info =
        r#"{"ID":"8f1c","Operation":"OperationTypeApply","Who":"jo@laptop","Version":"1.11.4"}"#;
    stage.put_home(&environment.state_home(), &lock, info).await;
    let process = environment.process(1);
    let unlocks = Unlocks(&stage, &environment);
    let run = environment.switch_over(&stage, &process, (&unlocks, &[]));
    let state = Box::pin(run).await.unwrap();
    assert_eq!(state.status, RunStatus::Finished, "{}", failed(&state));
    let waited = &state.steps[&StepId::new("state-parity")];
    assert_eq!(waited.attempts, 1, "{waited:#?}");
    stage
        .check_over(&environment, "after the lock was released")
        .await;
}

/// Releases the lock when somebody waits for it.
struct Unlocks<'a>(&'a Stage, &'a Environment);

impl runbook::Watch for Unlocks<'_> {
    fn recorded(&self, state: &RunState) {
        let step = state.last_step();
        if step.is_some_and(|(planned, step)| {
            planned.id.0 == "state-parity" && step.status == StepStatus::Began
        }) {
            let lock = format!("{STATE_KEY}.tflock");
            let delete = self.0.primary.s3.delete_object();
            let delete = delete.bucket(self.1.state_home()).key(lock).send();
            tokio::spawn(delete);
        }
    }
}

#[tokio::test]
async fn switchover_killed_at_its_requests_ends_the_same() {
    let stage = stage!();
    stage.make_home().await;
    let (mut number, mut kills) = (0, 0);
    for moment in Moment::ALL {
        for nth in (1..).step_by(usize::try_from(every()).unwrap()) {
            number += 1;
            let of = format!("{moment:?} {nth}");
            let environment = Box::pin(stage.at_home(number)).await;
            stage.use_at_home(&environment).await;
            let process = environment.process(1);
            let kill = KillAt::new(&stage.aws, nth, moment);
            let run = Box::pin(environment.switch_over(&stage, &process, UNSEEN));
            if let Some(state) = kill.run(&stage.aws, run).await {
                assert_eq!(state.unwrap().status, RunStatus::Finished, "{of}");
                break;
            }
            kills += 1;
            environment.died(&process);
            let process = environment.process(2);
            let run = environment.switch_over(&stage, &process, UNSEEN);
            let state = Box::pin(run).await.unwrap();
            assert_eq!(
                state.status,
                RunStatus::Finished,
                "{of}: {}",
                failed(&state)
            );
            stage.check_over(&environment, &of).await;
            stage.check_moved_once(&environment, &of);
        }
    }
    assert!(kills > 3, "{kills}");
    println!("{kills} kills");
}

/// As `RUNBOOK_EVERY`, of records.
fn every_record() -> usize {
    let every = std::env::var("RUNBOOK_EVERY").ok();
    every.and_then(|every| every.parse().ok()).unwrap_or(13)
}

#[tokio::test]
async fn switchover_killed_after_its_records_ends_the_same_or_is_undone() {
    let stage = stage!();
    stage.make_home().await;
    let mut number = 0;
    for last in (3..).step_by(every_record()) {
        number += 1;
        let of = format!("after record {last}");
        let environment = Box::pin(stage.at_home(number)).await;
        stage.use_at_home(&environment).await;
        let process = environment.process(1);
        let death = Rc::new(Notify::new());
        let seen = Seen(last, death.clone());
        let run = environment.switch_over(&stage, &process, (&seen, &[]));
        let ended = tokio::select! {
            biased;
            () = death.notified() => None,
            ended = Box::pin(run) => Some(ended),
        };
        if let Some(state) = ended {
            assert_eq!(state.unwrap().status, RunStatus::Finished, "{of}");
            break;
        }
        environment.died(&process);
        let process = environment.process(2);
        let marker = Marker::read(&environment.store(&stage)).await.unwrap();
        // Every other one is given up, as long as it can be.
        if number % 2 == 0 && marker.is_none() {
            let undone = Box::pin(environment.undo(&stage, &process, &Unseen)).await;
            if let Some(undone) = undone.unwrap() {
                assert_eq!(
                    undone.status,
                    RunStatus::Finished,
                    "{of}: {}",
                    failed(&undone)
                );
            }
            stage.check_home(&environment, &of).await;
            continue;
        }
        let run = environment.switch_over(&stage, &process, UNSEEN);
        let state = Box::pin(run).await.unwrap();
        assert_eq!(
            state.status,
            RunStatus::Finished,
            "{of}: {}",
            failed(&state)
        );
        stage.check_over(&environment, &of).await;
        stage.check_moved_once(&environment, &of);
    }
    assert!(number > 2, "{number}");
}

#[tokio::test]
async fn switchover_with_requests_refused_or_lost_ends_or_can_be_resumed() {
    let stage = stage!();
    stage.make_home().await;
    let (mut number, mut hits) = (0, 0);
    for kind in [
        FaultKind::SlowDown,
        FaultKind::Denied,
        FaultKind::ResponseLost,
    ] {
        for nth in (1..).step_by(usize::try_from(every()).unwrap()) {
            number += 1;
            let of = format!("{kind:?} {nth}");
            let environment = Box::pin(stage.at_home(number)).await;
            stage.use_at_home(&environment).await;
            let process = environment.process(1);
            let fault = stage.aws.add_fault(Fault::new(kind.clone()).nth(nth));
            let run = environment.switch_over(&stage, &process, UNSEEN);
            let ended = Box::pin(run).await;
            let faults = stage.aws.faults().into_iter();
            let mut faults = faults.filter(|(id, _)| *id == fault);
            let was_hit = faults.any(|(_, fault)| fault.times == Some(0));
            stage.aws.remove_fault(fault);
            environment.died(&process);
            if !matches!(&ended, Ok(state) if state.status == RunStatus::Finished) {
                let process = environment.process(2);
                let run = environment.switch_over(&stage, &process, UNSEEN);
                let state = Box::pin(run).await.unwrap();
                assert_eq!(
                    state.status,
                    RunStatus::Finished,
                    "{of}: {}",
                    failed(&state)
                );
            }
            stage.check_over(&environment, &of).await;
            stage.check_moved_once(&environment, &of);
            if !was_hit {
                break;
            }
            hits += 1;
        }
    }
    assert!(hits > 5, "{hits}");
}

#[tokio::test]
async fn switchover_is_not_planned_where_a_region_does_not_serve_or_a_name_is_taken() {
    let stage = stage!();
    stage.make_home().await;
    let environment = Box::pin(stage.at_home(1)).await;
    let process = environment.process(1);
    for region in [PRIMARY, DR] {
        stage.aws.set_region(region, RegionState::Refuse);
        let refused = Box::pin(environment.plan_over(&stage, &process)).await;
        let refused = refused.unwrap_err();
        assert!(
            refused.starts_with(&format!("{region} does not serve")),
            "{refused}"
        );
        stage.aws.set_region(region, RegionState::Up);
    }
    crate::stage::create_database(&stage.rds, &environment.target()).await;
    let refused = Box::pin(environment.plan_over(&stage, &process)).await;
    let refused = refused.unwrap_err();
    assert!(
        refused.contains("ca-west-1 has an instance app-1-dr already"),
        "{refused}"
    );
}
