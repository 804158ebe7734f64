//! A state's lock taken and released, to show that a root can lock on the side that it is turned to.

use super::turn::TurnError;
use crate::acquire::{AcquireError, LockHolder, Purpose, acquire, path, place};
use crate::lock::{Lock, LockKind, ReleaseError};
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
    let mut taken = Vec::new();
    let mut outcome = Ok(());
    for kind in kinds {
        let place = place(access, *kind, object);
        match acquire(access, *kind, &place, (&info, &holder.held), may_go).await {
            Ok(lock) => taken.push(lock),
            Err(error) => {
                outcome = Err(error.into());
                break;
            }
        }
    }
    for lock in taken.iter().rev() {
        let released = release(access, lock, &info.id).await;
        if released.is_ok() {
            holder.held.remove(access.name(), lock.kind, &info.id);
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
