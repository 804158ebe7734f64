//! A state's locks held for a terraform that takes none itself.
//!
//! Terraform's own lock says neither which run took it nor that its process is gone. What is taken here names the run, so that
//! the run can take it away again when it has been killed, and knows that it takes nobody else's.

use report::ShellCommand;
use terraform::Terraform;

use super::RootPlan;
use super::probe::{release_all, take};
use super::turn::TurnError;
use crate::acquire::{LockHolder, Purpose, path, place, unlock_command};
use crate::dr_backend::DrBackend;
use crate::lock::{Lock, ReleaseError};

/// The locks that were taken of a root's state.
#[derive(Debug)]
#[must_use = "what is not released keeps every terraform from the state"]
pub struct HeldRoot(Vec<Lock>);

impl DrBackend {
    /// Takes the locks of a root's state as its backend locks: for a terraform that is told to take none. The backend has to
    /// be the one of this side.
    ///
    /// # Errors
    /// When somebody holds it, a process of the same failover too; nothing stays taken then.
    pub async fn hold_root(
        &self,
        root: &RootPlan,
        terraform: &Terraform,
        holder: &LockHolder,
    ) -> Result<HeldRoot, TurnError> {
        let (access, object) = (self.access(), root.state.object());
        let kinds = access.lock_kinds(root, terraform)?;
        let info = holder.info(Purpose::Failover, path(access, &object));
        let nothing = |_: &Lock| false;
        let taking = take(access, &object, &kinds, (&info, &holder.held), nothing);
        let (taken, outcome) = taking.await;
        match outcome {
            Ok(()) => Ok(HeldRoot(taken)),
            Err(error) => {
                release_all(access, &taken, &holder.held).await?;
                Err(error)
            }
        }
    }

    /// Releases what [`DrBackend::hold_root`] took.
    ///
    /// # Errors
    /// When one is still there.
    pub async fn release_root(
        &self,
        HeldRoot(taken): HeldRoot,
        holder: &LockHolder,
    ) -> Result<(), TurnError> {
        release_all(self.access(), &taken, &holder.held).await
    }

    /// The locks of a root's state that a process of the holder's failover took.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn locks_of_failover(
        &self,
        root: &RootPlan,
        terraform: &Terraform,
        holder: &LockHolder,
    ) -> Result<Vec<Lock>, TurnError> {
        let (access, object) = (self.access(), root.state.object());
        let mut own = Vec::new();
        for kind in access.lock_kinds(root, terraform)? {
            let there = access.lock_at(kind, &place(access, kind, &object)).await?;
            own.extend(there.filter(|lock| holder.is_of_failover(lock)));
        }
        Ok(own)
    }

    /// Removes locks that [`DrBackend::locks_of_failover`] has found, exactly as they were. That what they protected has ended
    /// has to be known.
    ///
    /// # Errors
    /// When AWS does not do it. One that has gone meanwhile is none.
    pub async fn remove_locks(&self, locks: &[Lock]) -> Result<(), TurnError> {
        for lock in locks {
            match self.access().remove_lock(lock).await {
                Ok(()) | Err(ReleaseError::Gone { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

impl Lock {
    /// The command that releases it, for whoever knows that its holder is gone.
    pub fn unlock_command(&self) -> Option<ShellCommand> {
        let info = self.info.as_ref()?;
        Some(unlock_command(self.side, &info.id))
    }
}
