//! Locks released: exactly those that somebody has looked at.

use std::fmt;
use std::time::Duration;

use aws_env::{Error, ErrorClass, RegionClients};
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;

use super::{Lock, Locks, UnknownLocks, Witness};
use crate::backend::Backend;
use crate::side::SideAccess;
use crate::spec::{Side, SideName};
use crate::table::LOCK_ID;

/// A lock that was released.
#[derive(Debug, Clone, Serialize)]
pub struct Release {
    /// The lock as it was held.
    pub lock: Lock,
}

/// What a lock is asked for by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockName {
    /// The ID that Terraform gave it.
    Id(String),
    /// The row's `LockID`, or the object's key: of a lock that has no ID.
    Place(String),
}

impl Lock {
    /// Whether this is how the lock is asked for.
    pub fn has(&self, name: &LockName) -> bool {
        match name {
            LockName::Id(id) => self.info.as_ref().is_some_and(|info| info.id == *id),
            LockName::Place(place) => self.place == *place,
        }
    }
}

impl fmt::Display for LockName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "the ID {id}"),
            Self::Place(place) => write!(f, "the place {place}"),
        }
    }
}

/// Why a lock was not released.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// No lock of this side has this name.
    #[error("no lock has {name}")]
    NoSuchLock {
        /// The ID or the place that was asked for.
        name: LockName,
    },
    /// The lock changed between listing and releasing.
    #[error("the lock at {place} has changed hands since it was listed")]
    ChangedHands {
        /// The row's `LockID`, or the object's key.
        place: String,
    },
    /// Somebody else released it first.
    #[error("the lock at {place} is gone: somebody else has released it")]
    Gone {
        /// The row's `LockID`, or the object's key.
        place: String,
    },
    /// It came by replication, and is not this side's to release: that of a row would release the other side's.
    #[error("the lock at {place} is a copy of the other side's, which replication brought here")]
    Replica {
        /// The row's `LockID`, or the object's key.
        place: String,
    },
    /// The settings have no such side.
    #[error("the settings have no {side} side")]
    NoSide {
        /// The side that was asked for.
        side: SideName,
    },
    /// One lock with this ID was released, the next one was not.
    #[error("released {}, and not the next lock with this ID", released.join(", "))]
    Partly {
        /// The rows and objects that are released.
        released: Vec<String>,
        /// Why the next one was not.
        source: Box<ReleaseError>,
    },
    /// None that could be read has this name, and not all could be read.
    #[error("no lock that could be read has {name}; not all could be read: {}", unknown.problem)]
    Unlisted {
        /// The ID or the place that was asked for.
        name: LockName,
        /// The first of those that could not.
        unknown: Box<UnknownLocks>,
    },
    /// AWS was asked and did not do it.
    #[error(transparent)]
    Call(#[from] Error),
}

impl Backend {
    /// Releases the lock whose ID is `id`, on one side. The ID proves that somebody looked at this
    /// very lock, and AWS removes it only if it is still the one that was looked at. Age is no
    /// argument: an apply can take longer than any limit.
    ///
    /// # Errors
    /// When there is no such lock, it has changed hands meanwhile, or the region cannot be asked, be it only for one of
    /// the two kinds of lock.
    pub async fn release(&self, side: SideName, id: &str) -> Result<Vec<Release>, ReleaseError> {
        if self.spec().side(side).is_none() {
            return Err(ReleaseError::NoSide { side });
        }
        let locks = self.locks(side).await;
        self.release_listed(locks, LockName::Id(id.to_owned()))
            .await
    }

    /// Releases what has this name among the locks that [`Backend::locks`] has listed and somebody has looked at, as
    /// [`Backend::release`] does.
    ///
    /// # Errors
    /// As there.
    pub async fn release_listed(
        &self,
        locks: Locks,
        name: LockName,
    ) -> Result<Vec<Release>, ReleaseError> {
        let Locks { held, unknown } = locks;
        // The same run may hold one of each kind; a place is that of one.
        let is_one = matches!(name, LockName::Place(_));
        let most = if is_one { 1 } else { held.len() };
        let mut released = Vec::new();
        for lock in held.into_iter().filter(|lock| lock.has(&name)).take(most) {
            match self.release_exactly(&lock).await {
                Ok(()) => released.push(Release { lock }),
                Err(error) => return Err(after(released, error)),
            }
        }
        match (released.is_empty(), unknown.into_iter().next()) {
            (true, None) => Err(ReleaseError::NoSuchLock { name }),
            (false, None) => Ok(released),
            (false, Some(_)) if is_one => Ok(released),
            (_, Some(unknown)) => {
                let unknown = Box::new(unknown);
                Err(after(released, ReleaseError::Unlisted { name, unknown }))
            }
        }
    }

    /// Releases `lock` if it is still as it was when it was listed.
    ///
    /// # Errors
    /// When it has changed hands meanwhile, is the other side's, or the region cannot be asked.
    pub async fn release_exactly(&self, lock: &Lock) -> Result<(), ReleaseError> {
        if lock.is_replica {
            let place = lock.place.clone();
            return Err(ReleaseError::Replica { place });
        }
        match self.at(lock.side) {
            Some(access) => access.remove_lock(lock).await,
            None => Err(ReleaseError::NoSide { side: lock.side }),
        }
    }
}

impl SideAccess<'_> {
    /// Removes a lock of this side if it is still as it was when it was listed, whoever's it is.
    pub(crate) async fn remove_lock(&self, lock: &Lock) -> Result<(), ReleaseError> {
        let removed = remove(*self, lock).await;
        tracing::info!(
            region = %self.clients.region,
            resource = lock.place,
            step = "release lock",
            outcome = if removed.is_ok() { "done" } else { "failed" },
            "applied"
        );
        removed
    }
}

/// Why a release ended with `error`, and what of it is done.
fn after(released: Vec<Release>, error: ReleaseError) -> ReleaseError {
    if released.is_empty() {
        return error;
    }
    let places = released.into_iter().map(|release| release.lock.place);
    ReleaseError::Partly {
        released: places.collect(),
        source: Box::new(error),
    }
}

/// Attempts to remove a lock.
const ATTEMPTS: u32 = 4;
/// The wait before the second one; each further one waits twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// Removes exactly what was seen. The SDK's own retries are off: when the answer to a removal is lost, its repetition is
/// refused as if somebody else had taken the lock, and only who knows that there was a first one can tell.
async fn remove(access: SideAccess<'_>, lock: &Lock) -> Result<(), ReleaseError> {
    let SideAccess { side, clients, .. } = access;
    let mut wait = FIRST_WAIT;
    let mut may_have_acted = false;
    for attempt in 1.. {
        let removed = match &lock.witness {
            Witness::Info(seen) => remove_row(clients, side, lock, seen.as_ref()).await,
            Witness::ETag(seen) => remove_object(clients, side, lock, seen).await,
        };
        match removed {
            Ok(()) => break,
            Err(error) if error.class == ErrorClass::Conflict => {
                let there = access.lock_at(lock.kind, &lock.place).await?.is_some();
                if may_have_acted && !there {
                    break;
                }
                let place = lock.place.clone();
                return Err(match there {
                    true => ReleaseError::ChangedHands { place },
                    false => ReleaseError::Gone { place },
                });
            }
            Err(error) if error.is_transient() && attempt < ATTEMPTS => {
                may_have_acted |= error.class == ErrorClass::Unreachable;
                tokio::time::sleep(wait).await;
                wait *= 2;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

async fn remove_row(
    clients: &RegionClients,
    side: &Side,
    lock: &Lock,
    seen: Option<&AttributeValue>,
) -> Result<(), Error> {
    let Some(table) = side.table_with_locks() else {
        return Ok(());
    };
    let call = clients.call("DynamoDB", "DeleteItem", format!("{table} {}", lock.place));
    let delete = clients
        .dynamodb
        .delete_item()
        .table_name(table.as_str())
        .key(LOCK_ID, AttributeValue::S(lock.place.clone()));
    let delete = match seen {
        Some(seen) => delete
            .condition_expression("Info = :seen")
            .expression_attribute_values(":seen", seen.clone()),
        // A row that is a lock to Terraform, whatever is in it, and still without Info and Digest.
        None => delete.condition_expression(
            "attribute_exists(LockID) AND attribute_not_exists(Info) AND attribute_not_exists(Digest)",
        ),
    };
    let once = aws_sdk_dynamodb::config::Builder::new().retry_config(RetryConfig::disabled());
    let deleted = delete.customize().config_override(once).send().await;
    deleted.map(drop).map_err(|error| call.failed(error))
}

async fn remove_object(
    clients: &RegionClients,
    side: &Side,
    lock: &Lock,
    seen: &str,
) -> Result<(), Error> {
    let call = clients.call(
        "S3",
        "DeleteObject",
        format!("{}/{}", side.bucket, lock.place),
    );
    let delete = clients.s3.delete_object().bucket(side.bucket.as_str());
    let delete = delete.key(&lock.place).if_match(seen);
    let once = aws_sdk_s3::config::Builder::new().retry_config(RetryConfig::disabled());
    let deleted = delete.customize().config_override(once).send().await;
    deleted.map(drop).map_err(|error| match call.failed(error) {
        // If-Match on an object that is not there is 404, and no other lock stands there.
        mut error if error.class == ErrorClass::Absent => {
            error.class = ErrorClass::Conflict;
            error
        }
        error => error,
    })
}
