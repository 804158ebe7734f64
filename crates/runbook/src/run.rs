//! Runs in a store: begun, resumed, looked at, given up.

use std::cell::RefCell;

use crate::approval::{self, Gate};
use crate::journal::{self, Tail};
use crate::lease::{self, LeaseState};
use crate::record::{Event, Record};
use crate::steps::{keep_record, record_key};
use crate::store::{Created, FolderStore, StoreError};
use crate::{
    Host, Journal, JournalError, Lease, LeaseError, LeaseTimes, Plan, RunId, RunState, RunStatus,
    SeenLease, StepId, Store,
};

/// Why a run could not be begun, resumed or given up.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Somebody else has it, or a run is not over.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// Its records.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// There is none of this name.
    #[error("{place} has no run {run}")]
    NoSuchRun {
        /// The run that it is about.
        run: RunId,
        /// Where it was looked for.
        place: String,
    },
    /// It is over.
    #[error("run {run} is over: it was {how}")]
    Over {
        /// The run that it is about.
        run: RunId,
        /// How it ended.
        how: &'static str,
    },
    /// It waits for nothing of that name.
    #[error("step {step} of run {run} waits for no approval")]
    NothingToApprove {
        /// The run that it is about.
        run: RunId,
        /// The step.
        step: StepId,
    },
    /// It was given up, and its record could not be written.
    #[error("run {run} was given up, and its record {place} cannot be kept")]
    Record {
        /// The run that it is about.
        run: RunId,
        /// The object.
        place: String,
        /// What S3 or the system says.
        #[source]
        source: StoreError,
    },
    /// An approval could not be written.
    #[error("cannot keep the approval of {step}")]
    Approval {
        /// The step.
        step: StepId,
        /// What S3 or the system says.
        #[source]
        source: StoreError,
    },
}

/// A run that this process carries.
#[derive(Debug)]
pub struct OpenRun<S, H> {
    pub(crate) store: S,
    pub(crate) host: H,
    pub(crate) journal: Journal<S>,
    pub(crate) lease: Lease<S>,
    pub(crate) state: RefCell<RunState>,
}

impl<S: Store + Clone, H: Host> OpenRun<S, H> {
    /// Begins the run of a plan.
    ///
    /// # Errors
    /// When another run of the environment is not over, or the records cannot be written.
    pub async fn begin(
        store: S,
        copy: Option<FolderStore>,
        host: H,
        times: LeaseTimes,
        plan: Plan,
    ) -> Result<Self, OpenError> {
        let run = plan.run.clone();
        // What this machine cannot keep is not begun: a lease would be left of a run that nobody finds.
        if let Some(copy) = &copy {
            let first = journal::slot(&run, 0);
            copy.prepare(&first).map_err(|source| JournalError::Store {
                place: copy.place(&first),
                source,
            })?;
        }
        let is_void = async |run: &RunId| is_void(&store, run).await;
        let lease = Lease::take(&store, &host, &run, times, is_void).await?;
        let journal = Journal::new(store.clone(), copy, run, lease.epoch(), Tail::NEW);
        let planned = Event::Planned {
            plan: Box::new(plan.clone()),
        };
        let first = journal.append(&host, planned).await?;
        let state = RunState::replay([&first]).ok_or_else(|| JournalError::Broken {
            run: plan.run.clone(),
            place: store.place(&journal::folder(&plan.run)),
            problem: "its first record is no plan".to_owned(),
        })?;
        let open = Self {
            store,
            host,
            journal,
            lease,
            state: RefCell::new(state),
        };
        open.open().await?;
        // A process that was stopped after it took the lease may have lost it to another run before its first record:
        // the slots of its own run do not tell.
        if let Err(lost) = open.lease.renew(&open.host, LeaseState::Held).await {
            if matches!(lost, LeaseError::Lost(_)) {
                let operator = open.host.holder().operator.clone();
                open.append(Event::Abandoned {
                    by: operator,
                    reason: format!("nothing of it was begun: {lost}"),
                })
                .await?;
            }
            return Err(lost.into());
        }
        Ok(open)
    }

    /// Goes on with a run that was left or whose process died.
    ///
    /// # Errors
    /// When somebody carries it, it is over, or its records cannot be read.
    pub async fn resume(
        store: S,
        copy: Option<FolderStore>,
        host: H,
        times: LeaseTimes,
        run: &RunId,
    ) -> Result<Self, OpenError> {
        // Before the lease: what is no run, or is over, needs none.
        let (_, before) = read_state(&store, run).await?;
        over(&before)?;
        let lease = Lease::take(&store, &host, run, times, async |_| false).await?;
        // After it: whoever had it may have written more.
        let (tail, state) = read_state(&store, run).await?;
        over(&state)?;
        let journal = Journal::new(store.clone(), copy, run.clone(), lease.epoch(), tail);
        let open = Self {
            store,
            host,
            journal,
            lease,
            state: RefCell::new(state),
        };
        open.open().await?;
        Ok(open)
    }

    async fn open(&self) -> Result<(), JournalError> {
        let holder = self.host.holder().clone();
        self.append(Event::Opened { holder }).await?;
        Ok(())
    }

    /// The next record.
    pub(crate) async fn append(&self, event: Event) -> Result<Record, JournalError> {
        let record = self.journal.append(&self.host, event).await?;
        self.state.borrow_mut().take(&record);
        Ok(record)
    }

    /// Where its records lie.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// The machine that carries it.
    pub fn host(&self) -> &H {
        &self.host
    }

    /// The lease under which it is carried.
    pub fn lease(&self) -> &Lease<S> {
        &self.lease
    }

    /// Where the run is.
    pub fn state(&self) -> RunState {
        self.state.borrow().clone()
    }

    /// Gives the run up: nothing of it can be carried on afterwards. What it made stays, and it leaves the record that a
    /// finished run leaves.
    ///
    /// # Errors
    /// When that cannot be put on record. With [`OpenError::Record`] it is given up all the same.
    pub async fn abandon(self, by: &str, reason: &str) -> Result<RunState, OpenError> {
        let abandoned = Event::Abandoned {
            by: by.to_owned(),
            reason: reason.to_owned(),
        };
        self.append(abandoned).await?;
        let state = self.state();
        let kept = keep_record(&self.store, &state, self.journal.seal().await).await;
        self.lease.give_back(&self.host, LeaseState::Over).await?;
        kept.map_err(|source| OpenError::Record {
            run: state.plan.run.clone(),
            place: self.store.place(&record_key(&state.plan.run)),
            source,
        })?;
        Ok(state)
    }
}

fn over(state: &RunState) -> Result<(), OpenError> {
    let how = match &state.status {
        RunStatus::Finished => "finished",
        RunStatus::Abandoned { .. } => "abandoned",
        RunStatus::Open | RunStatus::Stopped { .. } => return Ok(()),
    };
    Err(OpenError::Over {
        run: state.plan.run.clone(),
        how,
    })
}

/// Whether nothing was ever begun of a run: its process died between taking the lease and its first record, or after
/// the last one. What cannot be read may be anything.
async fn is_void(store: &impl Store, run: &RunId) -> bool {
    match journal::read_records(store, run).await {
        Ok(records) => RunState::replay(&records).is_none_or(|state| state.status.is_over()),
        Err(_) => false,
    }
}

async fn read_state(store: &impl Store, run: &RunId) -> Result<(Tail, RunState), OpenError> {
    let (records, tail) = journal::read(store, run).await?;
    let state = RunState::replay(&records).ok_or_else(|| OpenError::NoSuchRun {
        run: run.clone(),
        place: store.place("runs/"),
    })?;
    Ok((tail, state))
}

/// Where a run is, and who has the lease of the environment.
///
/// # Errors
/// When there is no such run, or its records cannot be read.
pub async fn read_run(
    store: &impl Store,
    run: &RunId,
) -> Result<(RunState, Option<SeenLease>), OpenError> {
    let (_, state) = read_state(store, run).await?;
    let lease = read_lease(store).await?;
    Ok((state, lease.filter(|lease| lease.run == *run)))
}

/// The lease of the environment, if there has been one: which run is to be carried on, and who carries it.
///
/// # Errors
/// When it cannot be read.
pub async fn read_lease(store: &impl Store) -> Result<Option<SeenLease>, LeaseError> {
    Ok(lease::read(store).await?.map(|(lease, _)| lease))
}

/// The runs of a store, the newest first.
///
/// # Errors
/// When it cannot be listed.
pub async fn list_runs(store: &impl Store) -> Result<Vec<RunId>, StoreError> {
    let keys = store.list("runs/").await?;
    let mut runs: Vec<RunId> = keys
        .iter()
        .filter_map(|key| key.split('/').nth(1)?.parse().ok())
        .collect();
    runs.sort();
    runs.dedup();
    runs.reverse();
    Ok(runs)
}

/// Agrees, from outside, to what a step of a run waits for. `None` when somebody had agreed already.
///
/// # Errors
/// When it waits for nothing, is over, also since it was looked at, or the approval cannot be written.
pub async fn approve_step(
    store: &impl Store,
    run: &RunId,
    step: &StepId,
    by: &str,
    reason: Option<&str>,
) -> Result<Option<Gate>, OpenError> {
    let (_, state) = read_state(store, run).await?;
    over(&state)?;
    let question = state.steps.get(step).and_then(|step| step.question.clone());
    let question = question.ok_or_else(|| OpenError::NothingToApprove {
        run: run.clone(),
        step: step.clone(),
    })?;
    let gate = Gate {
        step: step.clone(),
        question,
    };
    let written = approval::approve(store, run, &gate, by, reason).await;
    let written = written.map_err(|source| OpenError::Approval {
        step: step.clone(),
        source,
    })?;
    // Whoever gave it up meanwhile reads no approval any more.
    let (_, state) = read_state(store, run).await?;
    over(&state)?;
    Ok((written != Created::Taken).then_some(gate))
}
