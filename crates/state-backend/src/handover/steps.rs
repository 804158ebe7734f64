//! States looked at, and made as they have to be.

use std::sync::OnceLock;
use std::time::Instant;

use aws_env::{Error, ErrorClass};
use report::{Observer, Outcome};

use super::reasons::{left, unknown};
use super::{HandoverStep, Left, LeftKind, Standing, StateDeletion, StateHandover};
use crate::inventory::StateId;
use crate::inventory::read::SideCopy;
use crate::lock::{Lock, LockKind, Locks, ReleaseError};
use crate::problem::Problem;
use crate::repair::RepairError;
use crate::side::SideAccess;

/// How often a state is looked at that changes while it is made ready.
pub(crate) const ROUNDS: usize = 4;

/// A state on one side, with what is known of its locks.
#[derive(Debug, Clone)]
pub(crate) struct ObservedState {
    pub(crate) state: StateId,
    pub(crate) copy: SideCopy,
    pub(crate) locks: Locks,
}

/// Whether a lock is one of this side's places. Rows of a global table that name the other side's bucket are not.
pub(crate) fn is_here(lock: &Lock) -> bool {
    lock.kind == LockKind::S3 || !lock.is_replica
}

/// What is known of the locks of one state.
pub(crate) fn of_state(locks: &Locks, object: &str) -> Locks {
    let held = locks.held.iter();
    let held = held.filter(|lock| is_here(lock) && lock.state() == object);
    let unknown = locks.unknown.iter();
    let unknown = unknown.filter(|unknown| unknown.may_be_of(object));
    Locks {
        held: held.cloned().collect(),
        unknown: unknown.cloned().collect(),
    }
}

impl SideAccess<'_> {
    /// One state of this side, asked now.
    pub(crate) async fn observe(&self, state: &StateId) -> ObservedState {
        let (copy, locks) = tokio::join!(self.state(state), self.locks_of(state));
        ObservedState {
            state: state.clone(),
            copy,
            locks,
        }
    }

    /// Does one step of this side.
    pub(crate) async fn take(&self, step: &HandoverStep) -> Result<(), Stop> {
        match step {
            HandoverStep::WriteDigest(repair) => Ok(self.repair_digest(repair).await?),
            HandoverStep::RemoveDigest(removal) => Ok(self.remove_digest(removal).await?),
            HandoverStep::ClearLock(lock) | HandoverStep::ReleaseLock(lock) => {
                Ok(self.remove_lock(lock).await?)
            }
            HandoverStep::DeleteState(deletion) => Ok(self.delete_state(deletion).await?),
            // It takes both sides.
            HandoverStep::CopyState(_) => Err(Stop::Changed),
        }
    }
}

impl SideAccess<'_> {
    /// Deletes a state's object, if it still is the one that was seen. It stays a version below the delete marker.
    async fn delete_state(&self, deletion: &StateDeletion) -> Result<(), Error> {
        let (bucket, object) = (self.side.bucket.as_str(), deletion.state.object());
        let clients = self.clients;
        let call = clients.call("S3", "DeleteObject", format!("{bucket}/{object}"));
        let Some(etag) = &deletion.etag else {
            let what = "what is there has no ETag, so that it cannot be deleted for certain";
            return Err(Error::unexpected(call, what));
        };
        let delete = clients.s3.delete_object().bucket(bucket).key(&object);
        let deleted = delete.if_match(etag).send().await;
        let deleted = deleted.map_err(|error| call.failed(error));
        tracing::info!(
            region = %clients.region,
            resource = object,
            step = "delete state",
            outcome = if deleted.is_ok() { "done" } else { "failed" },
            "applied"
        );
        match deleted {
            // The repetition of a call that had come through, or somebody else's: the next look tells.
            Err(mut error) if error.class == ErrorClass::Absent => {
                error.class = ErrorClass::Conflict;
                Err(error)
            }
            deleted => deleted.map(drop),
        }
    }
}

/// Why a step was not done.
#[derive(Debug)]
pub(crate) enum Stop {
    /// What it was planned for is not there any more: it has to be looked at again.
    Changed,
    /// It is as it was, and what is done from now on is to be done by a look of now.
    LookAgain,
    /// Something that only shows when it is done speaks against it.
    Left(Box<Left>),
    Problem(Problem),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        match error.class {
            ErrorClass::Conflict => Self::Changed,
            _ => Self::Problem(error.into()),
        }
    }
}

impl From<RepairError> for Stop {
    fn from(error: RepairError) -> Self {
        match error {
            RepairError::Call(error) => error.into(),
            RepairError::Unknown(problem) => Self::Problem(problem),
            _ => Self::Changed,
        }
    }
}

impl From<ReleaseError> for Stop {
    fn from(error: ReleaseError) -> Self {
        match error {
            ReleaseError::Call(error) => error.into(),
            _ => Self::Changed,
        }
    }
}

/// Carries a planned state out: looks at it, takes the steps that it then wants, and looks again, until there is nothing
/// left to do. `silent` is set by the first region that does not answer, which is not called again.
pub(crate) async fn carry_out(
    planned: &StateHandover,
    silent: &OnceLock<Problem>,
    observer: &dyn Observer,
    look: impl AsyncFn() -> Option<StateHandover>,
    take: impl AsyncFn(&HandoverStep) -> Result<(), Stop>,
) -> StateHandover {
    if !planned.is_planned() {
        return planned.clone();
    }
    let label = planned.state.to_string();
    let begun = Instant::now();
    observer.started(&label);
    let mut last = planned.clone();
    let mut done = Vec::new();
    let mut rounds = 0;
    last.standing = 'rounds: loop {
        if let Some(problem) = silent.get() {
            break unknown(problem);
        }
        match look().await {
            Some(seen) => last = seen,
            // Of a state that does not exist, nothing is left with its lock.
            None => last.standing = Standing::Ready,
        }
        match &last.standing {
            Standing::Planned if rounds == ROUNDS => {
                let text = format!("it changed {ROUNDS} times while it was looked at");
                break left(Left::new(LeftKind::Changed, text));
            }
            Standing::Planned => {}
            Standing::Ready if !done.is_empty() => break Standing::Done,
            other => break other.clone(),
        }
        rounds += 1;
        for step in &last.steps {
            match take(step).await {
                Ok(()) => done.push(step.clone()),
                Err(Stop::Changed) => break,
                Err(Stop::LookAgain) => {
                    rounds -= 1;
                    break;
                }
                Err(Stop::Left(reason)) => break 'rounds left(*reason),
                Err(Stop::Problem(problem)) => break 'rounds unknown(&problem),
            }
        }
    };
    if let Standing::Unknown { problem } = &last.standing
        && problem.error().class == ErrorClass::Unreachable
    {
        let _ = silent.set(problem.clone());
    }
    last.steps = done;
    let outcome = match last.standing {
        Standing::Done => Outcome::Done,
        Standing::Unknown { .. } => Outcome::Failed,
        _ => Outcome::Unchanged,
    };
    observer.finished(&label, outcome, begun.elapsed());
    last
}
