//! The way back.

use std::rc::Rc;

use local_aws::{Fault, FaultKind, KillAt, Moment, RegionState};
use runbook::{Marker, RunReport, RunState, RunStatus, StepId, StepStatus, Watch};
use tokio::sync::Notify;

use crate::stage::{DR, Environment, PRIMARY, STATE_KEY, Stage, Unseen, stage, state};

impl Stage {
    /// What the application does in the DR region.
    pub(crate) async fn use_in_dr(&self, environment: &Environment) {
        let bucket = environment.data_bucket();
        self.put(&bucket, "b.jpg", "b of DR").await;
        self.put(&bucket, "new.jpg", "new of DR").await;
        self.delete(&bucket, "c.jpg").await;
        self.put(&environment.state_bucket(), STATE_KEY, &state(4))
            .await;
    }

    /// What the region had not delivered, or somebody wrote there since.
    pub(crate) async fn put_late(&self, environment: &Environment) {
        let bucket = environment.data_home();
        self.put_home(&bucket, "late.jpg", "late").await;
    }

    /// What a failback leaves, whatever happened on its way.
    pub(crate) async fn check_back(&self, environment: &Environment, of: &str) {
        let marker = Marker::read(&environment.store(self))
            .await
            .unwrap()
            .unwrap();
        assert!(!marker.failed_over, "{of}");
        let turned = aws_env::list_keys(&self.dr, &environment.marker_bucket(), "").await;
        assert_eq!(turned.unwrap(), [""; 0], "{of}");
        let objects = self.home_objects(environment).await;
        let objects: Vec<(&str, &str)> = objects
            .iter()
            .map(|(key, body)| (key.as_str(), body.as_str()))
            .collect();
        let wanted = [
            ("a.jpg", "a.jpg"),
            ("b.jpg", "b of DR"),
            ("late.jpg", "late"),
            ("new.jpg", "new of DR"),
        ];
        assert_eq!(objects, wanted, "{of}");
        let get = self
            .primary
            .s3
            .get_object()
            .bucket(environment.state_home());
        let body = get.key(STATE_KEY).send().await.unwrap().body;
        let body = body.collect().await.unwrap().to_vec();
        assert_eq!(String::from_utf8(body).unwrap(), state(4), "{of}");
        // One database can be written, and it is the primary region's.
        let home = self.status(&self.rds_primary, &environment.home()).await;
        assert_eq!(home.as_deref(), Some("available"), "{of}");
        assert_eq!(
            self.status(&self.rds, &environment.target()).await,
            None,
            "{of}"
        );
        let policy = self.dr.s3.get_bucket_policy();
        let policy = policy.bucket(environment.data_bucket()).send().await;
        assert!(policy.is_err(), "{of}: the fence is still there");
    }

    /// Of one run, whatever died on its way.
    fn check_restored_once(&self, environment: &Environment, of: &str) {
        let home = environment.home();
        let restores = self.accepted("RestoreDBInstanceFromDBSnapshot").into_iter();
        let restores = restores.filter(|entry| entry.resource.as_deref() == Some(&*home));
        let answered = restores.filter(|entry| entry.status.is_some());
        assert!(answered.count() <= 1, "{of}: restored twice");
    }
}

/// What of a run did not come to its end.
pub(crate) fn failed(state: &RunState) -> String {
    let steps = state.steps.iter();
    let steps = steps.filter(|(_, step)| step.status == StepStatus::Failed);
    let steps = steps.map(|(id, step)| format!("{id}: {:?}", step.outcome));
    steps.collect::<Vec<_>>().join("; ")
}

pub(crate) fn status(state: &RunState, step: &str) -> StepStatus {
    state.steps[&StepId::new(step)].status
}

#[tokio::test]
async fn failback_brings_everything_home_and_a_second_failover_begins_anew() {
    let stage = stage!();
    stage.make_home().await;
    let environment = Box::pin(stage.failed_over(1)).await;
    stage.use_in_dr(&environment).await;
    stage.put_late(&environment).await;
    assert_eq!(stage.dr_objects(&environment).await.len(), 3);
    let process = environment.process(1);
    let plan = Box::pin(environment.plan_back(&stage, &process, &Default::default()))
        .await
        .unwrap();
    let survey = plan.survey().unwrap();
    assert_eq!(survey.buckets[0].written_in_primary, 1, "{survey:#?}");
    assert_eq!(
        (survey.buckets[0].to_copy, survey.buckets[0].to_delete),
        (2, 1)
    );
    assert_eq!(survey.states[0].left, None, "{survey:#?}");
    let state = Box::pin(environment.fail_back(&stage, &process, ""))
        .await
        .unwrap();
    assert_eq!(state.status, RunStatus::Finished, "{}", failed(&state));
    stage.check_back(&environment, "undisturbed").await;
    let report = RunReport::of(&state);
    assert_eq!(
        report.databases["home-1"].rpo_seconds,
        Some(0),
        "{report:#?}"
    );
    assert_eq!(report.meets_objectives, Some(true), "{report:#?}");
    assert!(report.writers_stood_still_seconds.is_some());
    assert_eq!(status(&state, "terraform"), StepStatus::NotApplicable);
    assert_eq!(status(&state, "backups/home-1"), StepStatus::Done);
    // Replication delivers again, and a second loss finds an environment that can be failed over.
    stage
        .put_home(&environment.data_home(), "after.jpg", "after")
        .await;
    assert!(
        stage
            .dr_objects(&environment)
            .await
            .contains_key("after.jpg")
    );
    let rds = stage.aws.rds().unwrap();
    rds.step(std::time::Duration::from_secs(3600)).await;
    stage.fail_over(&environment, 2).await;
    let dr = stage.status(&stage.rds, &environment.target()).await;
    assert_eq!(dr.as_deref(), Some("available"));
    stage.aws.set_region(DR, RegionState::Up);
}

#[tokio::test]
async fn conflicts_are_named_and_decided_by_a_list() {
    let stage = stage!();
    stage.make_home().await;
    let environment = Box::pin(stage.failed_over(1)).await;
    stage.use_in_dr(&environment).await;
    stage.put_late(&environment).await;
    stage
        .put_home(&environment.data_home(), "b.jpg", "b of the primary")
        .await;
    let process = environment.process(1);
    let stopped = Box::pin(environment.fail_back(&stage, &process, ""))
        .await
        .unwrap();
    let step = &stopped.steps[&StepId::new("objects/photos-1")];
    assert_eq!(step.status, StepStatus::Failed, "{step:#?}");
    let told = format!("{step:?}");
    assert!(told.contains("b.jpg (written in both regions)"), "{told}");
    assert!(told.contains("--conflicts FILE"), "{told}");
    // Nothing came home before somebody decided.
    assert_eq!(
        stage.home_objects(&environment).await["b.jpg"],
        "b of the primary"
    );
    let list = environment
        .folder
        .path()
        .join("primary/undecided-photos-1.jsonl");
    let list = std::fs::read_to_string(list).unwrap();
    assert_eq!(
        list,
        "{\"bucket\":\"photos-1\",\"key\":\"b.jpg\",\"keep\":\"\"}\n"
    );
    let decided = list.replace("\"\"", "\"dr\"");
    let process = environment.process(2);
    let state = Box::pin(environment.fail_back(&stage, &process, &decided))
        .await
        .unwrap();
    assert_eq!(state.status, RunStatus::Finished, "{}", failed(&state));
    stage.check_back(&environment, "decided").await;
    let result = state.result(&StepId::new("last-objects/photos-1")).unwrap();
    assert_eq!(result["kept_of_primary"], 1, "{result}");
}

#[tokio::test]
async fn database_that_was_left_out_keeps_its_instance_in_the_dr_region() {
    let stage = stage!();
    stage.make_home().await;
    let environment = Box::pin(stage.failed_over(1)).await;
    let process = environment.process(1);
    let skip = [
        "snapshot/home-1",
        "copy/home-1",
        "retire/home-1",
        "restore/home-1",
    ];
    let run = environment.fail_back_seen(&stage, &process, "", &Unseen, &skip);
    let state = Box::pin(run).await.unwrap();
    let step = &state.steps[&StepId::new("retire-dr/home-1")];
    let told = format!("{:?}", step.outcome);
    assert!(told.contains("app-1-dr was not brought back"), "{told}");
    let kept = stage.status(&stage.rds, &environment.target()).await;
    assert_eq!(kept.as_deref(), Some("stopped"));
    // Nobody has to guess what is lost of it.
    assert_eq!(RunReport::of(&state).meets_objectives, Some(false));
}

/// Turns the primary region off when a step begins.
pub(crate) struct Dies<'a>(pub(crate) &'a Stage, pub(crate) &'a str);

impl Watch for Dies<'_> {
    fn recorded(&self, state: &RunState) {
        let step = state.last_step();
        let begins = step.is_some_and(|(planned, step)| {
            planned.id.0 == self.1 && step.status == StepStatus::Began
        });
        if begins {
            self.0.aws.set_region(PRIMARY, RegionState::Refuse);
        }
    }
}

#[tokio::test]
async fn object_that_is_written_after_the_last_copy_comes_home_when_the_run_goes_on() {
    let stage = stage!();
    stage.make_home().await;
    let environment = Box::pin(stage.failed_over(1)).await;
    stage.use_in_dr(&environment).await;
    stage.put_late(&environment).await;
    let process = environment.process(1);
    let dies = Dies(&stage, "cut-over");
    let run = environment.fail_back_seen(&stage, &process, "", &dies, &[]);
    let cut = Box::pin(run).await.unwrap();
    assert_eq!(status(&cut, "last-objects/photos-1"), StepStatus::Done);
    assert_eq!(status(&cut, "cut-over"), StepStatus::Failed, "{cut:#?}");
    stage.aws.set_region(PRIMARY, RegionState::Up);
    let bucket = environment.data_bucket();
    stage.put(&bucket, "after.jpg", "after the drain").await;
    environment.died(&process);
    let process = environment.process(2);
    let run = environment.fail_back(&stage, &process, "");
    let stopped = Box::pin(run).await.unwrap();
    let ended = status(&stopped, "cut-over");
    assert_eq!(ended, StepStatus::Failed, "{stopped:#?}");
    let told = format!("{:?}", stopped.steps[&StepId::new("cut-over")]);
    let wanted = format!("1 change in {bucket} since they were copied: after.jpg");
    assert!(told.contains(&wanted), "{told}");
    // It is copied as the others were, with records of its own.
    let attempts = |state: &RunState| state.steps[&StepId::new("last-objects/photos-1")].attempts;
    assert_eq!(attempts(&stopped), attempts(&cut) + 1);
    environment.died(&process);
    let process = environment.process(3);
    let run = environment.fail_back(&stage, &process, "");
    let state = Box::pin(run).await.unwrap();
    assert_eq!(state.status, RunStatus::Finished, "{}", failed(&state));
    let home = stage.home_objects(&environment).await;
    assert_eq!(home["after.jpg"], "after the drain");
}

#[tokio::test]
async fn primary_that_dies_again_leaves_the_dr_region_as_it_was() {
    let stage = stage!();
    stage.make_home().await;
    let environment = Box::pin(stage.failed_over(1)).await;
    stage.use_in_dr(&environment).await;
    stage.put_late(&environment).await;
    let before = stage.dr_objects(&environment).await;
    // Before anything, in the middle, and at the last moment.
    for (number, step) in (0..).zip([
        "primary",
        "objects/photos-1",
        "state",
        "restore/home-1",
        "cut-over",
    ]) {
        let process = environment.process(10 + number);
        let dies = Dies(&stage, step);
        let state = environment.fail_back_seen(&stage, &process, "", &dies, &[]);
        let state = Box::pin(state).await.unwrap();
        assert!(
            matches!(state.status, RunStatus::Stopped { .. }),
            "{step}: {}",
            failed(&state)
        );
        let marker = Marker::read(&environment.store(&stage))
            .await
            .unwrap()
            .unwrap();
        assert!(marker.failed_over, "{step}");
        assert_eq!(stage.dr_objects(&environment).await, before, "{step}");
        let turned = aws_env::list_keys(&stage.dr, &environment.marker_bucket(), "").await;
        assert_eq!(turned.unwrap(), ["failed-over"], "{step}");
        let serving = stage.status(&stage.rds, &environment.target()).await;
        let serving = serving.unwrap();
        if step == "cut-over" {
            // Nothing was written anywhere since: it is started again, as the run that is given up says.
            assert_eq!(serving, "stopped");
            let start = stage.rds.start_db_instance();
            let start = start.db_instance_identifier(environment.target());
            start.send().await.unwrap();
            let rds = stage.aws.rds().unwrap();
            rds.step(std::time::Duration::from_secs(600)).await;
        } else {
            assert_eq!(serving, "available", "{step}");
        }
        let open = runbook::OpenRun::resume(
            environment.store(&stage),
            None,
            environment.process(20 + number),
            runbook::LeaseTimes::default(),
            &state.plan.run,
        );
        let open = Box::pin(open).await.unwrap();
        let given_up = Box::pin(open.abandon("Kim", "it died again"))
            .await
            .unwrap();
        let left = runbook::leftovers(&given_up, false).join("; ");
        let has_drained = step != "primary" && !step.starts_with("objects");
        assert_eq!(
            left.contains("start what writes"),
            has_drained,
            "{step}: {left}"
        );
        stage.aws.set_region(PRIMARY, RegionState::Up);
        if step == "restore/home-1" {
            assert!(
                left.contains("home-1 of before the outage is gone"),
                "{left}"
            );
        }
    }
    // The instance that an earlier one restored holds nothing that never came over, and is not asked about as if it did.
    let process = environment.process(4);
    let none = Default::default();
    let plan = Box::pin(environment.plan_back(&stage, &process, &none));
    let survey = plan.await.unwrap().survey().unwrap();
    let home = &survey.databases[0];
    assert!(
        home.came_home.is_some() && home.status.is_some(),
        "{home:?}"
    );
    assert_eq!(home.beyond_seconds, None);
    let findings = survey.findings().join("; ");
    assert!(!findings.contains("home-1"), "{findings}");
    // Later another one comes to its end.
    let state = Box::pin(environment.fail_back(&stage, &process, ""))
        .await
        .unwrap();
    assert_eq!(state.status, RunStatus::Finished, "{}", failed(&state));
    stage.check_back(&environment, "after other deaths").await;
}

/// How many requests lie between two that are tried; `RUNBOOK_EVERY` sets another number, 1 for all of them.
const EVERY: u64 = 149;

pub(crate) fn every() -> u64 {
    let set = std::env::var("RUNBOOK_EVERY").ok();
    set.and_then(|every| every.parse().ok()).unwrap_or(EVERY)
}

#[tokio::test]
async fn failback_killed_at_its_requests_ends_the_same() {
    let stage = stage!();
    stage.make_home().await;
    let (mut number, mut kills) = (0, 0);
    for moment in Moment::ALL {
        for nth in (1..).step_by(usize::try_from(every()).unwrap()) {
            number += 1;
            let of = format!("{moment:?} {nth}");
            let environment = Box::pin(stage.failed_over(number)).await;
            stage.use_in_dr(&environment).await;
            stage.put_late(&environment).await;
            let process = environment.process(1);
            let kill = KillAt::new(&stage.aws, nth, moment);
            let run = Box::pin(environment.fail_back(&stage, &process, ""));
            if let Some(state) = kill.run(&stage.aws, run).await {
                assert_eq!(state.unwrap().status, RunStatus::Finished, "{of}");
                break;
            }
            kills += 1;
            environment.died(&process);
            let process = environment.process(2);
            let state = Box::pin(environment.fail_back(&stage, &process, "")).await;
            let state = state.unwrap();
            assert_eq!(
                state.status,
                RunStatus::Finished,
                "{of}: {}",
                failed(&state)
            );
            stage.check_back(&environment, &of).await;
            stage.check_restored_once(&environment, &of);
        }
    }
    assert!(kills > 3, "{kills}");
    println!("{kills} kills");
}

#[tokio::test]
async fn failback_killed_after_its_records_ends_the_same() {
    let stage = stage!();
    stage.make_home().await;
    let every = std::env::var("RUNBOOK_EVERY").ok();
    let every: usize = every.and_then(|every| every.parse().ok()).unwrap_or(17);
    let mut number = 0;
    for last in (3..).step_by(every) {
        number += 1;
        let of = format!("after record {last}");
        let environment = Box::pin(stage.failed_over(number)).await;
        stage.use_in_dr(&environment).await;
        stage.put_late(&environment).await;
        let process = environment.process(1);
        let death = Rc::new(Notify::new());
        let seen = Seen(last, death.clone());
        let ended = tokio::select! {
            biased;
            () = death.notified() => None,
            ended = Box::pin(environment.fail_back_seen(&stage, &process, "", &seen, &[])) => Some(ended),
        };
        if let Some(state) = ended {
            assert_eq!(state.unwrap().status, RunStatus::Finished, "{of}");
            break;
        }
        environment.died(&process);
        let process = environment.process(2);
        let state = Box::pin(environment.fail_back(&stage, &process, "")).await;
        let state = state.unwrap();
        assert_eq!(
            state.status,
            RunStatus::Finished,
            "{of}: {}",
            failed(&state)
        );
        stage.check_back(&environment, &of).await;
        stage.check_restored_once(&environment, &of);
    }
    assert!(number > 2, "{number}");
}

#[tokio::test]
async fn failback_with_requests_refused_or_lost_ends_or_can_be_resumed() {
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
            let environment = Box::pin(stage.failed_over(number)).await;
            stage.use_in_dr(&environment).await;
            stage.put_late(&environment).await;
            let process = environment.process(1);
            let fault = stage.aws.add_fault(Fault::new(kind.clone()).nth(nth));
            let ended = Box::pin(environment.fail_back(&stage, &process, "")).await;
            let faults = stage.aws.faults().into_iter();
            let mut faults = faults.filter(|(id, _)| *id == fault);
            let was_hit = faults.any(|(_, fault)| fault.times == Some(0));
            stage.aws.remove_fault(fault);
            environment.died(&process);
            if !matches!(&ended, Ok(state) if state.status == RunStatus::Finished) {
                // What could not be planned is planned anew: nothing of that run was begun.
                let process = environment.process(2);
                let state = Box::pin(environment.fail_back(&stage, &process, "")).await;
                let state = state.unwrap();
                assert_eq!(
                    state.status,
                    RunStatus::Finished,
                    "{of}: {}",
                    failed(&state)
                );
            }
            stage.check_back(&environment, &of).await;
            if !was_hit {
                break;
            }
            hits += 1;
        }
    }
    assert!(hits > 5, "{hits}");
}

/// Tells when a run has so many records.
pub(crate) struct Seen(pub(crate) u64, pub(crate) Rc<Notify>);

impl Watch for Seen {
    fn recorded(&self, state: &RunState) {
        if state.records >= self.0 {
            self.1.notify_one();
        }
    }
}
