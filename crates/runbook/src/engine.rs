//! Takes the steps of a run.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use futures::future::LocalBoxFuture;
use futures::stream::{FuturesUnordered, StreamExt as _};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::approval::{self, Answer, Approver, Gate, Policy};
use crate::journal::JournalSeal;
use crate::lease::{LeaseState, causes};
use crate::record::{Event, Outcome};
use crate::{Host, JournalError, LeaseError, OpenRun, PlannedStep, RunState, StepId, Store};

/// How often it is looked whether somebody has agreed from elsewhere.
const APPROVAL_EVERY: Duration = Duration::from_secs(2);

/// What a look at a step finds.
#[derive(Debug, Clone, PartialEq)]
pub enum Check {
    /// It is so already.
    Done(Value),
    /// Something has to be changed.
    Todo {
        /// What, in words.
        what: String,
        /// Whether a person has to agree to it.
        needs_approval: bool,
    },
    /// The project has nothing that it would act on.
    NotApplicable(String),
}

/// What kind of end a step had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepErrorKind {
    /// What it found or made is wrong.
    Wrong,
    /// It could not be known or done: somebody did not answer.
    Unchecked,
    /// A guard refuses it.
    Refused,
    /// The run is to stop.
    Interrupted,
}

/// A step did not come to its end.
#[derive(Debug)]
pub struct StepError {
    /// What kind of end.
    pub kind: StepErrorKind,
    /// Why.
    pub source: Box<dyn StdError>,
    /// What to do about it.
    pub hint: Option<String>,
    /// Steps that had ended, and are to be taken again when the run goes on.
    pub again: Vec<StepId>,
}

impl StepError {
    /// An end of a kind.
    pub fn new(kind: StepErrorKind, source: impl Into<Box<dyn StdError>>) -> Self {
        Self {
            kind,
            source: source.into(),
            hint: None,
            again: Vec::new(),
        }
    }

    /// Something is wrong.
    pub fn wrong(source: impl Into<Box<dyn StdError>>) -> Self {
        Self::new(StepErrorKind::Wrong, source)
    }

    /// A guard refuses it.
    pub fn refused(source: impl Into<Box<dyn StdError>>) -> Self {
        Self::new(StepErrorKind::Refused, source)
    }

    /// Somebody did not answer.
    pub fn unchecked(source: impl Into<Box<dyn StdError>>) -> Self {
        Self::new(StepErrorKind::Unchecked, source)
    }

    /// The run is to stop.
    pub fn interrupted() -> Self {
        Self::new(StepErrorKind::Interrupted, "interrupted")
    }

    /// With what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With a step before it that is to be taken again, since what it did is not so any more.
    #[must_use]
    pub(crate) fn take_again(mut self, step: StepId) -> Self {
        self.again.push(step);
        self
    }
}

impl From<aws_env::Error> for StepError {
    fn from(error: aws_env::Error) -> Self {
        Self::unchecked(error)
    }
}

/// A record could not be written: the run ends at once, and the step with it.
impl From<JournalError> for StepError {
    fn from(error: JournalError) -> Self {
        Self::unchecked(error)
    }
}

/// Knows how the steps of a plan are taken.
pub trait Steps {
    /// Looks whether something has to be done. Changes nothing.
    fn check(
        &self,
        step: &PlannedStep,
        context: &StepContext<'_>,
    ) -> impl Future<Output = Result<Check, StepError>>;

    /// Does it. An earlier attempt may have died at any call, before AWS acted or after.
    fn apply(
        &self,
        step: &PlannedStep,
        context: &StepContext<'_>,
    ) -> impl Future<Output = Result<(), StepError>>;

    /// Looks that it is so, and tells what others need of it.
    fn verify(
        &self,
        step: &PlannedStep,
        context: &StepContext<'_>,
    ) -> impl Future<Output = Result<Value, StepError>>;
}

/// Sees each record.
pub trait Watch {
    /// The run, after one more record.
    fn recorded(&self, state: &RunState);
}

/// Writes what a step wants to be known.
trait Noting {
    fn note(&self, event: Event) -> LocalBoxFuture<'_, Result<(), JournalError>>;

    fn seal(&self) -> LocalBoxFuture<'_, JournalSeal>;
}

impl<S: Store + Clone, H: Host> Noting for OpenRun<S, H> {
    fn note(&self, event: Event) -> LocalBoxFuture<'_, Result<(), JournalError>> {
        Box::pin(async move { self.append(event).await.map(|_| ()) })
    }

    fn seal(&self) -> LocalBoxFuture<'_, JournalSeal> {
        Box::pin(self.journal.seal())
    }
}

/// What a step knows of its run.
pub struct StepContext<'a> {
    step: &'a StepId,
    state: &'a RefCell<RunState>,
    stop: watch::Receiver<bool>,
    noting: &'a dyn Noting,
}

impl fmt::Debug for StepContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StepContext({})", self.step)
    }
}

impl StepContext<'_> {
    /// Where the run is.
    pub fn state(&self) -> RunState {
        self.state.borrow().clone()
    }

    /// The epoch under which the run is carried now.
    pub fn epoch(&self) -> u64 {
        self.state.borrow().epoch
    }

    /// Which attempt this is, from 1; 0 while nothing of the step was begun.
    pub fn attempt(&self) -> u32 {
        let state = self.state.borrow();
        state.steps.get(self.step).map_or(0, |step| step.attempts)
    }

    /// What another step that is done has left.
    pub fn result(&self, step: &StepId) -> Option<Value> {
        self.state.borrow().result(step).cloned()
    }

    /// What this step has noted, in earlier attempts as well.
    pub fn notes(&self) -> Vec<Value> {
        let state = self.state.borrow();
        state
            .steps
            .get(self.step)
            .map_or_else(Vec::new, |step| step.notes.clone())
    }

    /// Writes down what has to be known should the process die. It is on record when this returns.
    ///
    /// # Errors
    /// When the record cannot be written: what it announces must not be done.
    pub async fn note(&self, note: Value) -> Result<(), StepError> {
        let step = self.step.clone();
        Ok(self.noting.note(Event::Noted { step, note }).await?)
    }

    /// Names the records of the run until now.
    pub(crate) async fn seal(&self) -> JournalSeal {
        self.noting.seal().await
    }

    /// Becomes true when the run is to stop, for what looks at it by itself.
    pub(crate) fn stop(&self) -> watch::Receiver<bool> {
        self.stop.clone()
    }

    /// Waits until the run is to stop: what waits for AWS ends then, with [`StepError::interrupted`].
    pub async fn stopped(&self) {
        stopped(self.stop.clone()).await;
    }
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        // Nobody is left who could stop it.
        std::future::pending::<()>().await;
    }
}

/// Why a run ended before its steps did.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The records cannot be written, or somebody else writes them.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The lease is not held any more.
    #[error(transparent)]
    Lease(#[from] LeaseError),
}

/// How steps are taken.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// Before which steps a person is asked.
    pub policy: Policy,
    /// Steps that are left out, with the reason for each.
    pub skip: BTreeMap<StepId, String>,
    /// Where not empty, the only steps that are taken now.
    pub only: BTreeSet<StepId>,
    /// Whoever began the process, for what is agreed to by its options.
    pub operator: String,
}

/// How one step went.
enum Went {
    Settled,
    /// It failed, or was not agreed to: what comes after it waits.
    Failed,
    /// The run is to stop.
    Stopped,
}

/// Takes the steps that are not settled, each as soon as those before it are, several at a time. A step that fails
/// holds up what comes after it and nothing else. The run is finished when all are settled, else it is left to be
/// resumed.
///
/// # Errors
/// When somebody else carries the run, or its records cannot be written. Nothing is done after that.
pub async fn carry_on<S: Store + Clone, H: Host>(
    run: &OpenRun<S, H>,
    steps: &impl Steps,
    approver: &impl Approver,
    options: &RunOptions,
    watch: &dyn Watch,
    stop: watch::Receiver<bool>,
) -> Result<RunState, EngineError> {
    let taker = Taker {
        run,
        steps,
        approver,
        options,
        watch,
        stop,
    };
    let ended = tokio::select! {
        // A lease that is lost stops everything at once.
        biased;
        lost = run.lease.keep(&run.host) => return Err(lost.into()),
        ended = taker.take_all() => ended?,
    };
    let last = match ended {
        None => Event::Finished,
        Some(why) => Event::Stopped { why },
    };
    let is_over = last.is_last();
    taker.append(last).await?;
    let state = if is_over {
        LeaseState::Over
    } else {
        LeaseState::Left
    };
    run.lease.give_back(&run.host, state).await?;
    Ok(run.state())
}

struct Taker<'a, S, H, T, A> {
    run: &'a OpenRun<S, H>,
    steps: &'a T,
    approver: &'a A,
    options: &'a RunOptions,
    watch: &'a dyn Watch,
    stop: watch::Receiver<bool>,
}

impl<S: Store + Clone, H: Host, T: Steps, A: Approver> Taker<'_, S, H, T, A> {
    async fn append(&self, event: Event) -> Result<(), JournalError> {
        self.run.append(event).await?;
        self.watch.recorded(&self.run.state.borrow());
        Ok(())
    }

    /// Why the run has to be left, if it has.
    async fn take_all(&self) -> Result<Option<String>, JournalError> {
        let mut begun = BTreeSet::new();
        let mut going = FuturesUnordered::new();
        let mut failed = Vec::new();
        let mut is_stopped = false;
        loop {
            if !is_stopped && !*self.stop.borrow() {
                for step in self.ready(&begun) {
                    begun.insert(step.id.clone());
                    going.push(async move {
                        let went = self.take(&step).await;
                        (step.id, went)
                    });
                }
            }
            let Some((step, went)) = going.next().await else {
                break;
            };
            match went? {
                Went::Settled => {}
                Went::Failed => failed.push(step.to_string()),
                Went::Stopped => is_stopped = true,
            }
        }
        if self.run.state.borrow().is_settled() {
            return Ok(None);
        }
        Ok(Some(if !failed.is_empty() {
            format!("{} did not come to an end", failed.join(", "))
        } else if is_stopped || *self.stop.borrow() {
            "it was interrupted".to_owned()
        } else {
            "only some of its steps were to be taken".to_owned()
        }))
    }

    /// The steps that may begin.
    fn ready(&self, begun: &BTreeSet<StepId>) -> Vec<PlannedStep> {
        let state = self.run.state.borrow();
        let is_settled = |id: &StepId| state.steps.get(id).is_some_and(|step| step.is_settled());
        // With all that comes before them: a step may be taken again after those that follow it.
        let mut through = BTreeSet::new();
        loop {
            let before = through.len();
            let steps = state.plan.steps.iter();
            let more = steps.filter(|step| {
                is_settled(&step.id) && step.after.iter().all(|id| through.contains(id))
            });
            let more: Vec<&StepId> = more.map(|step| &step.id).collect();
            through.extend(more);
            if through.len() == before {
                break;
            }
        }
        let steps = state.plan.steps.iter();
        let ready = steps.filter(|step| {
            !begun.contains(&step.id)
                && !is_settled(&step.id)
                && (self.options.only.is_empty() || self.options.only.contains(&step.id))
                && step.after.iter().all(|id| through.contains(id))
        });
        ready.cloned().collect()
    }

    async fn take(&self, step: &PlannedStep) -> Result<Went, JournalError> {
        let id = &step.id;
        if let Some(reason) = self.options.skip.get(id) {
            let skipped = Outcome::Skipped {
                reason: reason.clone(),
                by: self.options.operator.clone(),
            };
            self.end(id, skipped).await?;
            return Ok(Went::Settled);
        }
        let context = StepContext {
            step: id,
            state: &self.run.state,
            stop: self.stop.clone(),
            noting: self.run,
        };
        let outcome = match self.steps.check(step, &context).await {
            Ok(Check::NotApplicable(why)) => Outcome::NotApplicable { why },
            Ok(Check::Done(result)) => Outcome::Done {
                // An earlier attempt may have made it so.
                changed: context.attempt() > 0,
                result,
            },
            Ok(Check::Todo {
                what,
                needs_approval,
            }) => {
                let gate = self.gate(step, what, needs_approval);
                if let Some(gate) = gate
                    && let Some(went) = self.agree(&gate).await?
                {
                    return Ok(went);
                }
                self.append(Event::Began {
                    step: id.clone(),
                    attempt: context.attempt() + 1,
                })
                .await?;
                match self.change(step, &context).await {
                    Ok(result) => Outcome::Done {
                        changed: true,
                        result,
                    },
                    Err(error) => return self.failed(id, error).await,
                }
            }
            Err(error) => return self.failed(id, error).await,
        };
        self.end(id, outcome).await?;
        Ok(Went::Settled)
    }

    async fn change(
        &self,
        step: &PlannedStep,
        context: &StepContext<'_>,
    ) -> Result<Value, StepError> {
        self.steps.apply(step, context).await?;
        self.steps.verify(step, context).await
    }

    async fn end(&self, step: &StepId, outcome: Outcome) -> Result<(), JournalError> {
        let step = step.clone();
        self.append(Event::Ended { step, outcome }).await
    }

    async fn failed(&self, step: &StepId, error: StepError) -> Result<Went, JournalError> {
        if error.kind == StepErrorKind::Interrupted {
            return Ok(Went::Stopped);
        }
        let failed = Outcome::Failed {
            kind: error.kind,
            problem: causes(&*error.source),
            hint: error.hint,
        };
        for again in &error.again {
            self.end(again, failed.clone()).await?;
        }
        self.end(step, failed).await?;
        Ok(Went::Failed)
    }

    /// What has to be agreed to before a step, if anything.
    fn gate(&self, step: &PlannedStep, what: String, needs_approval: bool) -> Option<Gate> {
        let is_asked = match self.options.policy {
            Policy::Each => true,
            Policy::Auto | Policy::Gates => needs_approval || step.gate.is_some(),
        };
        let question = match &step.gate {
            Some(gate) => format!("{gate}: {what}"),
            None => what,
        };
        is_asked.then(|| Gate {
            step: step.id.clone(),
            question,
        })
    }

    /// Goes on with `None` when somebody agrees.
    async fn agree(&self, gate: &Gate) -> Result<Option<Went>, JournalError> {
        let question = gate.digest();
        let step = gate.step.clone();
        let has_approval = |state: &RunState| {
            let step = state.steps.get(&gate.step);
            step.is_some_and(|step| step.approved.contains(&question))
        };
        if has_approval(&self.run.state.borrow()) {
            return Ok(None);
        }
        let answer = match self.options.policy {
            Policy::Auto => Answer::Yes {
                by: self.options.operator.clone(),
                reason: Some("agreed to beforehand".to_owned()),
            },
            Policy::Gates | Policy::Each => {
                self.append(Event::Asked {
                    step: step.clone(),
                    question: gate.question.clone(),
                })
                .await?;
                match self.approved_elsewhere(gate).await {
                    Some(answer) => answer,
                    None => tokio::select! {
                        biased;
                        answer = self.until_approved_elsewhere(gate) => answer,
                        answer = self.approver.ask(gate) => answer,
                        () = stopped(self.stop.clone()) => return Ok(Some(Went::Stopped)),
                    },
                }
            }
        };
        let Answer::Yes { by, reason } = answer else {
            return Ok(Some(Went::Failed));
        };
        self.append(Event::Approved {
            step,
            question,
            text: Some(gate.question.clone()),
            by,
            reason,
        })
        .await?;
        Ok(None)
    }

    async fn until_approved_elsewhere(&self, gate: &Gate) -> Answer {
        loop {
            sleep(APPROVAL_EVERY).await;
            if let Some(answer) = self.approved_elsewhere(gate).await {
                return answer;
            }
        }
    }

    async fn approved_elsewhere(&self, gate: &Gate) -> Option<Answer> {
        let run = self.run.state.borrow().plan.run.clone();
        match approval::approval(&self.run.store, &run, gate).await {
            Ok(approval) => approval.map(|approval| Answer::Yes {
                by: approval.by,
                reason: approval.reason,
            }),
            Err(error) => {
                tracing::warn!("approvals cannot be read: {}", causes(&error));
                None
            }
        }
    }
}
