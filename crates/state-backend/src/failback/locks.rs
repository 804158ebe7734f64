//! The locks that a failback holds on a state while it brings it back.

use std::sync::Mutex;
use std::sync::PoisonError;

use aws_env::ErrorClass;

use super::Sides;
use crate::acquire::{
    AcquireError, HeldLocks, LockHolder, Purpose, acquire, path, place, unlock_command,
};
use crate::handover::reasons::{left, locked, unknown};
use crate::handover::steps::{ObservedState, Stop};
use crate::handover::{HandoverStep, Left, LeftKind, Standing, StateHandover};
use crate::inventory::StateId;
use crate::lock::{Lock, LockInfo, LockKind, ReleaseError};
use crate::problem::Problem;
use crate::root::probe::is_probe;
use crate::side::SideAccess;
use crate::spec::SideName;

/// A failback as its locks tell of it, and what is known of earlier ones.
#[derive(Clone, Copy)]
pub struct FailbackRun<'a> {
    /// Who holds the locks.
    pub holder: &'a LockHolder,
    /// Whether the failback that took a lock has certainly ended, so that its lock protects nothing any more. Its age
    /// proves nothing.
    pub has_ended: &'a (dyn Fn(&LockInfo) -> bool + Sync),
    /// Whether it is to begin nothing more. What it has begun it ends, down to the release of the locks.
    pub is_stopped: &'a (dyn Fn() -> bool + Sync),
}

impl std::fmt::Debug for FailbackRun<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FailbackRun")
            .field("holder", self.holder)
            .finish_non_exhaustive()
    }
}

impl FailbackRun<'_> {
    /// Nothing, unless it was stopped before it began with a state.
    pub(super) fn go_on(&self) -> Result<(), Left> {
        match (self.is_stopped)() {
            true => Err(Left::new(
                LeftKind::Interrupted,
                "the failback was interrupted before it came to it",
            )),
            false => Ok(()),
        }
    }

    /// Whether a lock is of an earlier failback that was killed.
    pub(super) fn was_left(&self, lock: &Lock) -> bool {
        let info = lock.info.as_ref();
        info.is_some_and(|info| info.failback_run().is_some() && (self.has_ended)(info))
    }
}

/// The locks of one state: those that were taken, or may have been.
pub(super) struct OwnLocks<'a> {
    sides: Sides<'a>,
    object: String,
    infos: [LockInfo; 2],
    held: HeldLocks,
    tried: Mutex<Vec<(SideName, LockKind)>>,
}

/// How often a lock is looked at that changes while it is released: the replica of the primary side's comes over DR's.
const LOOKS: usize = 4;

impl<'a> OwnLocks<'a> {
    pub(super) fn new(sides: Sides<'a>, state: &StateId, holder: &LockHolder) -> Self {
        let object = state.object();
        let info = |access| holder.info(Purpose::Failback, path(access, &object));
        Self {
            infos: [info(sides.primary), info(sides.dr)],
            held: holder.held.clone(),
            sides,
            object,
            tried: Mutex::default(),
        }
    }

    fn tried(&self) -> Vec<(SideName, LockKind)> {
        let tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        tried.clone()
    }

    /// Whether this run took a lock. The primary side's has a replica in the DR bucket.
    fn is_own(&self, lock: &Lock) -> bool {
        let id = lock.info.as_ref().map(|info| info.id.as_str());
        self.infos.iter().any(|info| Some(info.id.as_str()) == id)
    }

    /// Leaves out what this run holds. Whether something is missing of it: then nothing keeps others away any more.
    pub(super) fn leave_out(&self, primary: &mut ObservedState, dr: &mut ObservedState) -> bool {
        let own = primary.locks.held.iter().filter(|lock| self.is_own(lock));
        let found: Vec<LockKind> = own.map(|lock| lock.kind).collect();
        for observed in [primary, dr] {
            observed.locks.held.retain(|lock| !self.is_own(lock));
        }
        let mut tried = self.tried().into_iter();
        tried.any(|(side, kind)| side == SideName::Primary && !found.contains(&kind))
    }

    fn info(&self, side: SideName) -> &LockInfo {
        match side {
            SideName::Primary => &self.infos[0],
            SideName::Dr => &self.infos[1],
        }
    }

    fn id(&self, side: SideName) -> &str {
        &self.info(side).id
    }

    fn access(&self, side: SideName) -> SideAccess<'a> {
        match side {
            SideName::Primary => self.sides.primary,
            SideName::Dr => self.sides.dr,
        }
    }

    /// Takes the locks of both sides, of both kinds, as Terraform takes them: whoever works with either kind is kept
    /// away. `false` when they were taken before.
    pub(super) async fn take(&self) -> Result<bool, Stop> {
        if !self.tried().is_empty() {
            return Ok(false);
        }
        // DR's first: what the primary side's bucket gets is replicated, and a replica that is there would be in the way.
        for side in [SideName::Dr, SideName::Primary] {
            let access = self.access(side);
            for kind in [LockKind::S3, LockKind::DynamoDb] {
                let place = place(access, kind, &self.object);
                let is_state = kind == LockKind::S3 && access.states.is_named(&place);
                let has_none =
                    kind == LockKind::DynamoDb && access.side.table_with_locks().is_none();
                if is_state || has_none {
                    continue;
                }
                self.take_one(access, kind, &place).await?;
            }
        }
        Ok(true)
    }

    async fn take_one(
        &self,
        access: SideAccess<'a>,
        kind: LockKind,
        place: &str,
    ) -> Result<(), Stop> {
        let side = access.name();
        let info = self.info(side);
        let may_go = |lock: &Lock| {
            // The run that took the original works in the primary region, which has been looked at.
            let is_copy = side == SideName::Dr && lock.kind == LockKind::S3 && lock.is_replica;
            is_copy || (is_probe(lock) && !lock.is_replica)
        };
        let remember = || {
            let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
            tried.push((side, kind));
        };
        match acquire(access, kind, place, (info, &self.held), may_go).await {
            Ok(_) => {
                remember();
                Ok(())
            }
            // Where there is no table, it locks nothing.
            Err(AcquireError::Call(error))
                if kind == LockKind::DynamoDb && error.class == ErrorClass::Absent =>
            {
                Ok(())
            }
            Err(AcquireError::Locked(lock)) => Err(Stop::Left(Box::new(locked(&lock)))),
            Err(
                AcquireError::Lost { .. }
                | AcquireError::Release(ReleaseError::ChangedHands { .. }),
            ) => Err(Stop::Changed),
            Err(AcquireError::Release(error)) => Err(error.into()),
            Err(AcquireError::Call(error)) => {
                // It may be there all the same.
                remember();
                Err(Stop::Problem(error.into()))
            }
        }
    }

    /// Releases what was taken, or may have been, whatever became of the state.
    pub(super) async fn release(&self, mut done: StateHandover) -> StateHandover {
        let mut problem = None;
        for (side, kind) in self.tried().into_iter().rev() {
            let access = self.access(side);
            let place = place(access, kind, &self.object);
            match self.release_one(access, kind, &place).await {
                Ok(()) => self.held.remove(side, kind, self.id(side)),
                Err(why) => {
                    problem.get_or_insert((side, kind, place, why));
                }
            }
        }
        if let Some((side, kind, place, why)) = problem {
            done.standing = self.not_released(&done, side, (kind, &place), &why);
        }
        done
    }

    async fn release_one(
        &self,
        access: SideAccess<'_>,
        kind: LockKind,
        place: &str,
    ) -> Result<(), Problem> {
        for look in 1.. {
            let there = access.lock_at(kind, place).await?;
            let Some(lock) = there.filter(|lock| self.is_own(lock)) else {
                return Ok(());
            };
            match access.remove_lock(&lock).await {
                Ok(()) | Err(ReleaseError::Gone { .. }) => return Ok(()),
                Err(ReleaseError::ChangedHands { .. }) if look < LOOKS => {}
                Err(ReleaseError::Call(error)) => return Err(error.into()),
                // Somebody else has another one there by now.
                Err(_) => return Ok(()),
            }
        }
        Ok(())
    }

    fn not_released(
        &self,
        done: &StateHandover,
        side: SideName,
        (kind, place): (LockKind, &str),
        why: &Problem,
    ) -> Standing {
        // The first reason is the one that counts.
        if let Standing::Unknown { problem } = &done.standing {
            return unknown(problem);
        }
        let text = format!(
            "its lock at {place} in {kind} on the {side} side, which this run took, was not released: {why}"
        );
        let unlock = unlock_command(side, self.id(side));
        left(Left::new(LeftKind::Locked, text).command(unlock))
    }
}

/// Whether a step writes the state itself, so that nobody else may meanwhile.
pub(super) fn writes_state(step: &HandoverStep) -> bool {
    matches!(
        step,
        HandoverStep::CopyState(_) | HandoverStep::DeleteState(_)
    )
}
