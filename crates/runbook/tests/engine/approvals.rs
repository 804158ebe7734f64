//! Steps that a person has to agree to.

use std::rc::Rc;

use runbook::{
    Created, ETag, OpenRun, Policy, RunId, RunOptions, RunState, RunStatus, StepId, StepStatus,
    Store, StoreError, Stored, approve_step, carry_on,
};
use tokio::sync::watch;

use crate::world::{ALL, Makes, Nobody, Process, Seat, Shared, TIMES, Unseen, World, made, plan};

async fn resume(process: &Shared, options: &RunOptions, begin: bool) -> RunState {
    let seat = Seat(process.clone());
    let mut plan = plan(&seat);
    plan.steps[5].gate = Some("the state is turned to ca-west-1".to_owned());
    let open = match begin {
        true => OpenRun::begin(seat.clone(), None, seat.clone(), TIMES(), plan).await,
        false => {
            let run = runbook::list_runs(&seat).await.unwrap().remove(0);
            OpenRun::resume(seat.clone(), None, seat.clone(), TIMES(), &run).await
        }
    };
    let open = open.unwrap();
    let steps = Makes {
        process: process.clone(),
        permit: open.lease().permit(),
    };
    let (_stop, stopped) = watch::channel(false);
    carry_on(&open, &steps, &Nobody, options, &Unseen, stopped)
        .await
        .unwrap()
}

fn gates() -> RunOptions {
    RunOptions {
        policy: Policy::Gates,
        operator: "jo@laptop".to_owned(),
        ..RunOptions::default()
    }
}

#[tokio::test(start_paused = true)]
async fn gate_that_nobody_opens_stops_the_run_and_another_terminal_opens_it() {
    let world = Rc::new(World::default());
    let process = Rc::new(Process::new(&world, 1, 3));
    let state = resume(&process, &gates(), true).await;
    let step = StepId::new("state");
    assert!(
        matches!(state.status, RunStatus::Stopped { .. }),
        "{state:?}"
    );
    assert_eq!(state.steps[&step].status, StepStatus::WaitsForApproval);
    // What does not come after it went on.
    let other = StepId::of("restore", "app");
    assert_eq!(state.steps[&other].status, StepStatus::Done);
    assert!(!made(&world).contains(&"state".to_owned()));
    // Once more, with nobody there still: it asks the same.
    let state = resume(&process, &gates(), false).await;
    assert_eq!(state.steps[&step].status, StepStatus::WaitsForApproval);
    let run = state.plan.run.clone();
    let elsewhere = Seat(Rc::new(Process::new(&world, 2, 4)));
    let refused = approve_step(&elsewhere, &run, &other, "sam", None).await;
    assert_eq!(
        refused.unwrap_err().to_string(),
        format!("step restore/app of run {run} waits for no approval")
    );
    let approved = approve_step(&elsewhere, &run, &step, "sam", Some("the owner agreed")).await;
    let gate = approved.unwrap().unwrap();
    assert_eq!(
        gate.question,
        "the state is turned to ca-west-1: make state"
    );
    assert_eq!(
        approve_step(&elsewhere, &run, &step, "kim", None)
            .await
            .unwrap(),
        None
    );
    let state = resume(&process, &gates(), false).await;
    assert_eq!(state.status, RunStatus::Finished, "{state:?}");
    assert_eq!(made(&world), ALL);
    let given = &state.steps[&step].approvals;
    let [given] = given.as_slice() else {
        panic!("{given:?}");
    };
    assert_eq!(
        (given.by.as_str(), given.reason.as_deref()),
        ("sam", Some("the owner agreed"))
    );
    assert_eq!(given.question, Some(gate.question));
    assert!(given.at >= state.plan.planned);
}

/// A terminal whose approval is overtaken: the run is given up before it is written.
struct Overtaken {
    seat: Seat,
    other: Seat,
    run: RunId,
}

impl Store for Overtaken {
    async fn create(&self, key: &str, bytes: &[u8]) -> Result<Created, StoreError> {
        let other = self.other.clone();
        let open = OpenRun::resume(other.clone(), None, other, TIMES(), &self.run).await;
        open.unwrap().abandon("kim", "not today").await.unwrap();
        self.seat.create(key, bytes).await
    }

    async fn replace(
        &self,
        key: &str,
        bytes: &[u8],
        seen: &ETag,
    ) -> Result<Option<ETag>, StoreError> {
        self.seat.replace(key, bytes, seen).await
    }

    async fn read(&self, key: &str) -> Result<Option<Stored>, StoreError> {
        self.seat.read(key).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        self.seat.list(prefix).await
    }

    fn place(&self, key: &str) -> String {
        self.seat.place(key)
    }
}

#[tokio::test(start_paused = true)]
async fn approval_of_a_run_that_is_given_up_meanwhile_is_told_as_useless() {
    let world = Rc::new(World::default());
    let process = Rc::new(Process::new(&world, 1, 3));
    let state = resume(&process, &gates(), true).await;
    let run = state.plan.run.clone();
    let overtaken = Overtaken {
        seat: Seat(Rc::new(Process::new(&world, 2, 4))),
        other: Seat(process.clone()),
        run: run.clone(),
    };
    let step = StepId::new("state");
    let approved = approve_step(&overtaken, &run, &step, "sam", None).await;
    assert_eq!(
        approved.unwrap_err().to_string(),
        format!("run {run} is over: it was abandoned")
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_agreed_to_beforehand_is_on_record_with_its_question() {
    let world = Rc::new(World::default());
    let process = Rc::new(Process::new(&world, 1, 3));
    let auto = RunOptions {
        policy: Policy::Auto,
        operator: "jo@laptop".to_owned(),
        ..RunOptions::default()
    };
    let state = resume(&process, &auto, true).await;
    let given = &state.steps[&StepId::new("state")].approvals;
    let told = serde_json::to_value(given).unwrap();
    assert_eq!(
        told[0]["question"],
        "the state is turned to ca-west-1: make state"
    );
    assert_eq!(told[0]["by"], "jo@laptop");
    assert_eq!(told[0]["reason"], "agreed to beforehand");
}

#[tokio::test(start_paused = true)]
async fn calls_of_all_processes_of_a_run_add_up() {
    let world = Rc::new(World::default());
    let first = Rc::new(Process::new(&world, 1, 3));
    let state = resume(&first, &gates(), true).await;
    let dr = "ca-west-1".parse().unwrap();
    let before = state.calls[&dr];
    // A process counts from its start, and what it does after its last record is not known to the run.
    assert!(before > 0 && before <= first.requests.get(), "{before}");
    let second = Rc::new(Process::new(&world, 2, 4));
    let state = resume(&second, &gates(), false).await;
    let after = state.calls[&dr];
    assert!(after > before && after <= before + second.requests.get());
}

#[tokio::test(start_paused = true)]
async fn skipped_and_chosen_steps_are_recorded_with_their_reason() {
    let world = Rc::new(World::default());
    let process = Rc::new(Process::new(&world, 1, 3));
    let fence = StepId::new("fence");
    let only = RunOptions {
        policy: Policy::Auto,
        only: [StepId::new("declare"), fence.clone()].into(),
        skip: [(fence.clone(), "nothing replicates".to_owned())].into(),
        operator: "jo@laptop".to_owned(),
    };
    let state = resume(&process, &only, true).await;
    assert_eq!(state.steps[&fence].status, StepStatus::Skipped);
    assert_eq!(
        state.steps[&StepId::new("state")].status,
        StepStatus::Pending
    );
    assert_eq!(made(&world), ["declare"]);
    let told = serde_json::to_value(&state.steps[&fence].outcome).unwrap();
    assert_eq!(told["reason"], "nothing replicates");
    assert_eq!(told["by"], "jo@laptop");
}
