//! A state's lock taken and released, to show that a root can lock on the side that it is turned to.

use super::turn::TurnError;
use crate::acquire::{AcquireError, HeldLocks, LockHolder, Purpose, acquire, path, place};
use crate::lock::{Lock, LockInfo, LockKind, ReleaseError};
use crate::side::SideAccess;

/// Takes the locks of `kinds` for the state of `object`, and releases them. What an earlier run left is removed first;
/// a lock of anybody else is an error and stays.
pub(crate) async fn run(
    access: SideAccess<'_>,
    object: &str,
    kinds: &[LockKind],
    holder: &LockHolder,
) -> Result<(), TurnError> {
    let info = holder.info(Purpose::Probe, path(access, object));
    let may_go = |lock: &Lock| is_probe(lock) && !lock.is_replica;
    let (taken, outcome) = take(access, object, kinds, (&info, &holder.held), may_go).await;
    let released = release_all(access, &taken, &holder.held).await;
    outcome.and(released)
}

/// Takes the locks of `kinds` as far as it can: those that it has taken, and why it has not taken the next.
pub(super) async fn take(
    access: SideAccess<'_>,
    object: &str,
    kinds: &[LockKind],
    (info, held): (&LockInfo, &HeldLocks),
    may_go: impl Fn(&Lock) -> bool,
) -> (Vec<Lock>, Result<(), TurnError>) {
    let mut taken = Vec::new();
    for kind in kinds {
        let place = place(access, *kind, object);
        match acquire(access, *kind, &place, (info, held), &may_go).await {
            Ok(lock) => taken.push(lock),
            Err(error) => return (taken, Err(error.into())),
        }
    }
    (taken, Ok(()))
}

/// Releases locks that were taken, the last one first, each whether or not another could be.
pub(super) async fn release_all(
    access: SideAccess<'_>,
    taken: &[Lock],
    held: &HeldLocks,
) -> Result<(), TurnError> {
    let mut outcome = Ok(());
    for lock in taken.iter().rev() {
        let id = lock.info.as_ref().map_or("", |info| info.id.as_str());
        let released = release(access, lock, id).await;
        if released.is_ok() {
            held.remove(access.name(), lock.kind, id);
        }
        outcome = outcome.and(released);
    }
    outcome
}

/// Whether a lock was taken to show that locking works, and protects nothing.
pub(crate) fn is_probe(lock: &Lock) -> bool {
    Purpose::Probe.is_of(lock)
}

impl From<AcquireError> for TurnError {
    fn from(error: AcquireError) -> Self {
        match error {
            AcquireError::Locked(lock) => Self::Locked {
                kind: lock.kind,
                place: lock.place,
                who: lock.info.map(|info| info.who),
                is_replica: lock.is_replica,
            },
            AcquireError::Lost { place } => Self::LockLost { place },
            AcquireError::Release(error) => error.into(),
            AcquireError::Call(error) => error.into(),
        }
    }
}

/// Removes exactly the lock that was taken, and looks that it is gone. Whoever has another one there by now has got it
/// after this one was gone.
async fn release(access: SideAccess<'_>, lock: &Lock, id: &str) -> Result<(), TurnError> {
    match access.remove_lock(lock).await {
        Ok(()) | Err(ReleaseError::Gone { .. } | ReleaseError::ChangedHands { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let there = access.lock_at(lock.kind, &lock.place).await?;
    let info = there.and_then(|lock| lock.info);
    match info.is_some_and(|info| info.id == id) {
        true => Err(TurnError::LockLeft {
            place: lock.place.clone(),
        }),
        false => Ok(()),
    }
}
