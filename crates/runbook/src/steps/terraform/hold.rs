//! The lock of the DR environment's state, which the run holds for its terraform.

use std::path::Path;
use std::time::Duration;

use state_backend::{DrBackend, HeldRoot, LockHolder, RootPlan, SideName, TurnError};
use terraform::{RootModule, Transcript};
use tokio::time::{Instant, sleep};

use super::super::{EnvironmentRoot, RegionLoss};
use super::attempts::{Attempt, Attempts};
use crate::{Host, StepContext, StepError, Store};

/// How often it is looked whether the terraform of a dead process has ended, or a lock is free.
const EVERY: Duration = Duration::from_secs(1);
/// A lock that somebody else holds is waited for.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// The watchdog of a terraform looks for its end ten times in a second.
const WATCHDOG: Duration = Duration::from_secs(3);

/// The lock, held.
pub(super) struct Hold {
    backend: DrBackend,
    held: HeldRoot,
    holder: LockHolder,
}

impl Hold {
    /// Takes it, and waits for a while where somebody else has it.
    pub(super) async fn take<S: Store, H: Host>(
        of: &RegionLoss<'_, S, H>,
        root: &EnvironmentRoot,
        context: &StepContext<'_>,
    ) -> Result<Self, StepError> {
        let (backend, plan) = (of.backend().await?, plan(of, root)?);
        let holder = holder(of);
        let begun = Instant::now();
        loop {
            match backend.hold_root(&plan, &root.terraform, &holder).await {
                Ok(held) => {
                    return Ok(Self {
                        backend,
                        held,
                        holder,
                    });
                }
                Err(locked @ TurnError::Locked { .. }) if begun.elapsed() >= PATIENCE => {
                    return Err(StepError::refused(locked).hint(
                        "`init-backend locks` shows who holds it; once that is known to be gone, `init-backend unlock` \
                         releases it",
                    ));
                }
                Err(locked @ TurnError::Locked { .. }) => {
                    of.observer
                        .waiting("the lock of the state", &locked.to_string());
                    pause(context).await?;
                }
                Err(error) => return Err(StepError::unchecked(error)),
            }
        }
    }

    pub(super) async fn release(self) -> Result<(), StepError> {
        let Self {
            backend,
            held,
            holder,
        } = self;
        let released = backend.release_root(held, &holder).await;
        released.map_err(StepError::unchecked)
    }
}

/// Sees to it that nothing of earlier applies runs any more, and that nothing is locked by them. Their states are made
/// readable where they were cut off.
pub(super) async fn settle_earlier<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
    root: &EnvironmentRoot,
    attempts: &Attempts,
    context: &StepContext<'_>,
) -> Result<(), StepError> {
    let mut unproven = None;
    for attempt in attempts.without_end() {
        match has_ended(of, attempt, context).await? {
            true => await_transcript(&of.folder.join(&attempt.transcript), context).await?,
            false => unproven = Some(attempt),
        }
    }
    let (backend, plan, holder) = (of.backend().await?, plan(of, root)?, holder(of));
    let own = backend
        .locks_of_failover(&plan, &root.terraform, &holder)
        .await
        .map_err(StepError::unchecked)?;
    // A process of the run releases its locks when its terraform has ended, and dies before that or after.
    if let (Some(attempt), Some(lock)) = (unproven, own.first()) {
        let error = StepError::refused(format!(
            "terraform, process {} of another machine, may still work with the state: the lock {} of this run is there",
            attempt.child.pid, lock.place
        ));
        return Err(match lock.unlock_command() {
            Some(unlock) => error.hint(format!(
                "once that machine is known to be gone, `{unlock}` releases it; then resume the run"
            )),
            None => error,
        });
    }
    let removed = backend.remove_locks(&own).await;
    removed.map_err(StepError::unchecked)?;
    if attempts.was_cut_off() {
        // One that was killed between the state and its digest has left a state that no terraform reads.
        let states = backend.failover_plan(of.host.now()).await;
        if states.handover().planned() > 0 {
            backend.failover(&states.approve(), of.observer).await;
        }
    }
    Ok(())
}

/// Whether the terraform has certainly ended. One of this machine is waited for: it writes its state. What it had begun and
/// has left behind is ended.
async fn has_ended<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
    attempt: &Attempt,
    context: &StepContext<'_>,
) -> Result<bool, StepError> {
    if attempt.machine != of.host.holder().machine {
        return Ok(false);
    }
    loop {
        match attempt.child.end_group() {
            Some(true) => return Ok(true),
            None => return Ok(false),
            Some(false) => {
                let label = "terraform of the attempt before";
                let what = format!("process {} ends", attempt.child.pid);
                of.observer.waiting(label, &what);
                pause(context).await?;
            }
        }
    }
}

/// Waits until all that a terraform told is in its transcript: its watchdog ends a moment after it. One that was killed as
/// well adds nothing.
async fn await_transcript(path: &Path, context: &StepContext<'_>) -> Result<(), StepError> {
    let begun = Instant::now();
    loop {
        let there = Transcript::read(path).map_err(StepError::unchecked)?;
        if there.is_none_or(|there| there.is_whole) || begun.elapsed() >= WATCHDOG {
            return Ok(());
        }
        pause(context).await?;
    }
}

async fn pause(context: &StepContext<'_>) -> Result<(), StepError> {
    tokio::select! {
        () = sleep(EVERY) => Ok(()),
        () = context.stopped() => Err(StepError::interrupted()),
    }
}

fn holder<S, H: Host>(of: &RegionLoss<'_, S, H>) -> LockHolder {
    LockHolder {
        // A time of its own for each: what an earlier one has left is told apart by it.
        time: of.host.now(),
        ..of.holder.clone()
    }
}

pub(super) fn plan<S, H>(
    of: &RegionLoss<'_, S, H>,
    root: &EnvironmentRoot,
) -> Result<RootPlan, StepError> {
    let environment = root.terraform.environment();
    let module = RootModule::read(&root.folder, environment).map_err(StepError::wrong)?;
    let side = SideName::Dr;
    let plans = RootPlan::all(of.settings, &root.endpoints, side, &[module], environment);
    let mut plans = plans.map_err(StepError::refused)?;
    plans
        .pop()
        .ok_or_else(|| StepError::wrong(format!("{} is no root module", root.folder.display())))
}
