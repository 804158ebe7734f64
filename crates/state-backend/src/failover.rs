//! Every state made ready for Terraform in the DR region, without one call to the primary one.

use std::collections::BTreeSet;
use std::sync::OnceLock;
use std::time::Instant;

use aws_env::{Error, ErrorClass};
use futures::stream::{StreamExt as _, iter};
use jiff::Timestamp;
use report::{Document, Observer, Outcome, Report, ShellCommand};
use serde::Serialize;

use crate::dr_backend::DrBackend;
use crate::handover::{
    Handover, HandoverStep, Left, LeftKind, Standing, StateHandover, holder, restore_command,
};
use crate::inventory::read::SideCopy;
use crate::inventory::{Presence, SideState, StateId, StateObject, WORKSPACE_KEY_PREFIX};
use crate::lock::{Lock, LockKind, Locks, ReleaseError};
use crate::problem::Problem;
use crate::repair::{DigestRepair, RepairError};
use crate::side::SideAccess;
use crate::spec::{Side, SideName};

/// States that are made ready at a time: enough to hide the wait for AWS.
pub(crate) const AT_ONCE: usize = 16;
/// How often a state is looked at that changes while it is made ready.
pub(crate) const ROUNDS: usize = 4;

/// What a failover would do, decided without calling anything.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct FailoverPlan(Handover);

/// A plan that somebody has agreed to: all that [`DrBackend::failover`] takes.
///
/// ```compile_fail,E0308
/// # async fn f(dr: &state_backend::DrBackend, plan: state_backend::FailoverPlan) {
/// dr.failover(&plan, &report::Silent).await;
/// # }
/// ```
///
/// ```
/// # async fn f(dr: &state_backend::DrBackend, plan: state_backend::FailoverPlan) {
/// dr.failover(&plan.approve(), &report::Silent).await;
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ApprovedFailover(FailoverPlan);

/// What a failover did.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct FailedOver(Handover);

impl FailoverPlan {
    /// State by state.
    pub fn handover(&self) -> &Handover {
        &self.0
    }

    /// What is left and what is not known stays as it is; the rest may be done.
    pub fn approve(self) -> ApprovedFailover {
        ApprovedFailover(self)
    }
}

impl FailedOver {
    /// State by state.
    pub fn handover(&self) -> &Handover {
        &self.0
    }
}

/// A state on one side, with what is known of its locks.
#[derive(Debug, Clone)]
pub(crate) struct ObservedState {
    pub(crate) state: StateId,
    pub(crate) copy: SideCopy,
    pub(crate) locks: Locks,
}

impl DrBackend {
    /// Looks at every state of the DR side, and what has to be done to it before Terraform works with it. Changes
    /// nothing.
    pub async fn failover_plan(&self, now: Timestamp) -> FailoverPlan {
        let access = self.access();
        let (listed, locks) = tokio::join!(access.list(), access.locks());
        let mut objects = BTreeSet::from([self.spec().key.clone()]);
        objects.extend(listed.found());
        // A lock is taken before the first write: there may be one of a state that does not exist.
        let locks_here = locks.held.iter().filter(|lock| is_here(lock));
        objects.extend(locks_here.map(|lock| lock.state().to_owned()));
        let mut copies = access.states(&listed, &objects).await;
        let states = objects.iter().filter_map(|object| {
            Some(ObservedState {
                state: StateId::of_object(object, [WORKSPACE_KEY_PREFIX]),
                copy: copies.remove(object)?,
                locks: of_state(&locks, object),
            })
        });
        let states: Vec<_> = states.collect();
        self.plan(states, locks, now)
    }

    fn plan(&self, states: Vec<ObservedState>, locks: Locks, now: Timestamp) -> FailoverPlan {
        let spec = self.spec();
        let side = self.side();
        let states = states.into_iter();
        let states = states.filter_map(|observed| plan_state(side, &spec.key, observed));
        let mut handover = Handover {
            time: now,
            from: spec.primary.region,
            to: side.region,
            bucket: side.bucket.to_string(),
            table: side.table.as_ref().map(ToString::to_string),
            account: spec.account.clone(),
            account_unproven: self.account_unproven().cloned(),
            applied: false,
            states: states.collect(),
            foreign_rows: locks
                .held
                .into_iter()
                .filter(|lock| !is_here(lock))
                .collect(),
            unknown_locks: locks.unknown,
        };
        handover.sort();
        FailoverPlan(handover)
    }

    /// Makes the states of the plan ready, several at a time. Each is looked at again before, conditional on what was
    /// seen, and read back after; nothing is kept between runs, so that a run that was killed is taken up by the next.
    pub async fn failover(
        &self,
        approved: &ApprovedFailover,
        observer: &dyn Observer,
    ) -> FailedOver {
        let access = self.access();
        let ApprovedFailover(FailoverPlan(plan)) = approved;
        let silent = OnceLock::new();
        let states = iter(&plan.states).map(|planned| {
            let look = async || {
                let observed = access.observe(&planned.state).await;
                plan_state(access.side, &self.spec().key, observed)
            };
            carry_out(planned, &silent, observer, look, async |step| {
                access.take(step).await
            })
        });
        let states = states.buffer_unordered(AT_ONCE).collect().await;
        let mut done = Handover {
            states,
            applied: true,
            ..plan.clone()
        };
        done.sort();
        FailedOver(done)
    }
}

/// Whether a lock is one of this side's places. Rows of a global table that name the other side's bucket are not.
fn is_here(lock: &Lock) -> bool {
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

/// What a failover does to a state of the DR side; `None` of what is no state and has no lock.
pub(crate) fn plan_state(side: &Side, key: &str, observed: ObservedState) -> Option<StateHandover> {
    let ObservedState { state, copy, locks } = observed;
    let (replicas, held): (Vec<_>, Vec<_>) =
        locks.held.into_iter().partition(|lock| lock.is_replica);
    let clear = replicas.into_iter().map(HandoverStep::ClearLock);
    let is_free = held.is_empty();
    let planned = match (&copy.found, &copy.row, locks.unknown.into_iter().next()) {
        (Presence::Unknown { problem }, ..) | (_, Err(problem), _) => Err(unknown(problem)),
        (.., Some(locks)) => Err(unknown(&locks.problem)),
        (Presence::Deleted(last), row, None) => Err(left(deleted(
            &state,
            side,
            &last.version,
            matches!(row, Ok(Some(_))),
        ))),
        (Presence::Absent, Ok(Some(_)), None) => Err(left(Left::new(
            LeftKind::Deleted,
            "it is gone with all its versions, and its digest row is left, so that Terraform refuses",
        ))),
        (Presence::Absent, Ok(None), None) => match (clear.collect::<Vec<_>>(), is_free) {
            (steps, true) if steps.is_empty() && state.object() == key => Err(left(Left::new(
                LeftKind::NotThere,
                format!(
                    "it is not in {}: it was never written, or replication never brought it",
                    side.bucket
                ),
            ))),
            (steps, true) if steps.is_empty() => return None,
            (steps, _) => Ok(steps),
        },
        (Presence::Present(object), Ok(row), None) => {
            readable(&state, side, object).map(|(serial, md5)| {
                let stale = row.as_ref() != Some(&md5);
                let digest = stale
                    .then(|| DigestRepair::new(side, &state, row.clone(), md5, serial))
                    .flatten();
                // The lock keeps Terraform out until the row is right.
                let digest = digest.map(HandoverStep::WriteDigest);
                digest.into_iter().chain(clear).collect()
            })
        }
    };
    let (steps, standing) = match planned {
        Ok(steps) if steps.is_empty() => (steps, Standing::Ready),
        Ok(steps) => match held.first() {
            Some(lock) => (Vec::new(), left(locked(lock))),
            None => (steps, Standing::Planned),
        },
        Err(standing) => (Vec::new(), standing),
    };
    Some(StateHandover {
        copies: vec![SideState::new(side.name, copy)],
        state,
        relation: None,
        held,
        steps,
        standing,
    })
}

pub(crate) fn left(left: Left) -> Standing {
    Standing::Left { left }
}

pub(crate) fn unknown(problem: &Problem) -> Standing {
    Standing::Unknown {
        problem: problem.clone(),
    }
}

/// Serial and MD5 of a state that Terraform reads.
pub(crate) fn readable(
    state: &StateId,
    side: &Side,
    object: &StateObject,
) -> Result<(u64, String), Standing> {
    let why = match (&object.content, &object.md5) {
        (Ok(content), Some(md5)) => return Ok((content.serial(), md5.clone())),
        (Err(why), _) => why.as_str(),
        (Ok(_), None) => "it was not read",
    };
    let versions = ShellCommand::new("aws s3api list-object-versions")
        .option("--region", side.region.as_str())
        .option("--bucket", side.bucket.as_str())
        .option("--prefix", state.object());
    let text = format!(
        "the object in {} is no state that Terraform reads ({why})",
        side.region
    );
    Err(left(
        Left::new(LeftKind::Unreadable, text).command(versions),
    ))
}

/// `has_row`: a digest row makes Terraform refuse to begin with an empty state, which here is a good thing.
pub(crate) fn deleted(state: &StateId, side: &Side, version: &str, has_row: bool) -> Left {
    let row = match has_row {
        true => "; its digest row is left, so that Terraform refuses",
        false => "; Terraform would begin with an empty one",
    };
    let text = format!(
        "it is deleted in {}{row}; its version {version} can be brought back",
        side.region
    );
    let restore = restore_command(state, version, side.name);
    Left::new(LeftKind::Deleted, text).command(restore)
}

pub(crate) fn locked(lock: &Lock) -> Left {
    let since = lock.taken.map(|taken| format!(" since {taken}"));
    let text = format!(
        "its lock on the {} side is held by {}{}",
        lock.side,
        holder(lock),
        since.unwrap_or_default()
    );
    let unlock = ShellCommand::new("init-backend unlock");
    let unlock = match &lock.info {
        Some(info) => unlock.word(&info.id),
        None => unlock.option("--place", &lock.place),
    };
    let unlock = match lock.side {
        SideName::Primary => unlock,
        SideName::Dr => unlock.words("--side dr"),
    };
    Left::new(LeftKind::Locked, text).command(unlock.comment("once its run is certainly dead"))
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
            HandoverStep::ClearLock(lock) => Ok(self.remove_lock(lock).await?),
            // It takes both sides.
            HandoverStep::CopyState(_) => Err(Stop::Changed),
        }
    }
}

/// Why a step was not done.
#[derive(Debug)]
pub(crate) enum Stop {
    /// What it was planned for is not there any more: it has to be looked at again.
    Changed,
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

impl Report for FailoverPlan {
    const KIND: &'static str = "failover";

    fn document(&self) -> Document {
        self.0.append_to(Document::new(), "Failover")
    }
}

impl Report for FailedOver {
    const KIND: &'static str = FailoverPlan::KIND;

    fn document(&self) -> Document {
        self.0.append_to(Document::new(), "Failover")
    }
}
