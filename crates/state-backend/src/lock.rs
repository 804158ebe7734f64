//! Terraform's locks, in DynamoDB and in S3.

use std::fmt;
use std::time::Duration;

use aws_env::{Error, ErrorClass, RegionClients, list_keys, pages};
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_s3::types::ReplicationStatus;
use aws_smithy_types::DateTime;
use aws_smithy_types::byte_stream::ByteStream;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::backend::Backend;
use crate::inventory::{StateId, StateScope};
use crate::problem::Problem;
use crate::side::SideAccess;
use crate::spec::{Side, SideName};
use crate::table::{LOCK_ID, Row, row};

/// Terraform adds this to a state's path for the row that holds its digest, which is no lock.
pub(crate) const DIGEST_SUFFIX: &str = "-md5";
/// Terraform's lock object stands beside the state, with this ending.
pub(crate) const LOCK_OBJECT_SUFFIX: &str = ".tflock";

/// What Terraform writes into a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct LockInfo {
    /// The ID that `terraform force-unlock` asks for.
    #[serde(rename = "ID")]
    pub id: String,
    /// What is being done, such as `OperationTypeApply`.
    #[serde(default)]
    pub operation: String,
    /// What the caller added; Terraform itself leaves it empty.
    #[serde(default)]
    pub info: String,
    /// Who holds it, as `user@host`.
    #[serde(default)]
    pub who: String,
    /// Terraform's version.
    #[serde(default)]
    pub version: String,
    /// When it was taken, by the clock of the holder.
    #[serde(default)]
    pub created: Option<Timestamp>,
    /// The state: bucket and key.
    #[serde(default)]
    pub path: String,
}

impl LockInfo {
    /// Whether Terraform made the ID: it takes a random UUID. What has another one was written by something else, and
    /// says of itself whatever that wanted to say.
    pub fn has_terraforms_id(&self) -> bool {
        let groups: Vec<&str> = self.id.split('-').collect();
        let hexadecimal = |group: &&str| group.bytes().all(|byte| byte.is_ascii_hexdigit());
        groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
            && groups.iter().all(hexadecimal)
    }
}

/// Where a lock is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LockKind {
    /// A row of the lock table.
    DynamoDb,
    /// An object beside the state.
    S3,
}

impl fmt::Display for LockKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DynamoDb => "DynamoDB",
            Self::S3 => "S3",
        })
    }
}

/// A lock that is held.
#[derive(Debug, Clone, Serialize)]
pub struct Lock {
    /// Whose bucket or table holds it.
    pub side: SideName,
    /// In which of the two it is kept.
    pub kind: LockKind,
    /// The row's `LockID`, or the object's key.
    pub place: String,
    /// Whether it came from the other side's bucket or table by replication: Terraform on this side never reads a row
    /// that names the other side's bucket, and the run that took the lock works on the other side.
    pub is_replica: bool,
    /// The version of the object; null for a row, or where the bucket keeps no versions.
    pub version: Option<String>,
    /// When it was taken: of an object by S3's clock, of a row by its holder's.
    pub taken: Option<Timestamp>,
    /// Who holds it; `None` when the content is not Terraform's.
    pub info: Option<LockInfo>,
    /// What a release compares with.
    #[serde(skip)]
    witness: Witness,
}

/// What is still to be there when a lock is released.
#[derive(Debug, Clone)]
enum Witness {
    /// The row's attribute `Info`, if it has one.
    Info(Option<AttributeValue>),
    /// The object's ETag.
    ETag(String),
}

/// The locks of one side. Each place where locks are kept answers for itself: what one does not tell hides nothing of
/// what the other does.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Locks {
    /// Those that could be read, rows of the table first.
    #[serde(rename = "locks")]
    pub held: Vec<Lock>,
    /// What could not: none is held beside [`Locks::held`] only if nothing is here.
    pub unknown: Vec<UnknownLocks>,
}

/// Locks of which nobody can tell whether they are held, or by whom.
#[derive(Debug, Clone, Serialize)]
pub struct UnknownLocks {
    /// Where they are kept.
    pub kind: LockKind,
    /// The key of a lock that is there and cannot be read; null where not even a list could be had.
    pub place: Option<String>,
    /// Why.
    pub problem: Problem,
}

#[cfg(test)]
impl Lock {
    /// One of an object, taken for an operation.
    pub(crate) fn of_object(state: &str, operation: &str, is_replica: bool) -> Self {
        let info = serde_json::json!({"ID": "1111", "Operation": operation, "Who": "jo@laptop"});
        Self {
            side: SideName::Dr,
            kind: LockKind::S3,
            place: format!("{state}{LOCK_OBJECT_SUFFIX}"),
            is_replica,
            version: None,
            taken: None,
            info: serde_json::from_value(info).ok(),
            witness: Witness::ETag("e".to_owned()),
        }
    }
}

impl Lock {
    /// The key of the object of the state that it locks, by where it is kept: what its Info says of that is anybody's
    /// word.
    pub fn state(&self) -> &str {
        match self.kind {
            // A bucket's name has no slash.
            LockKind::DynamoDb => self.place.split_once('/').map_or("", |(_, key)| key),
            LockKind::S3 => {
                let place = self.place.as_str();
                place.strip_suffix(LOCK_OBJECT_SUFFIX).unwrap_or(place)
            }
        }
    }
}

impl UnknownLocks {
    /// Whether a lock of the state with this object may be among them.
    pub(crate) fn may_be_of(&self, object: &str) -> bool {
        match (&self.place, self.kind) {
            (Some(place), LockKind::S3) => place.strip_suffix(LOCK_OBJECT_SUFFIX) == Some(object),
            _ => true,
        }
    }

    /// Which they are, and why.
    pub fn describe(&self) -> String {
        let Self { kind, problem, .. } = self;
        match &self.place {
            Some(place) => format!("the lock {place} in {kind} is unknown: {problem}"),
            None => format!("locks in {kind} are unknown: {problem}"),
        }
    }
}

impl Locks {
    fn add(&mut self, kind: LockKind, listed: Result<Vec<Lock>, Error>) {
        match listed {
            Ok(locks) => self.held.extend(locks),
            Err(error) => self.add_unknown(kind, None, error),
        }
    }

    fn add_unknown(&mut self, kind: LockKind, place: Option<String>, error: Error) {
        let problem = error.into();
        self.unknown.push(UnknownLocks {
            kind,
            place,
            problem,
        });
    }
}

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
    /// The locks held on one side, in the table and in the bucket, whichever the settings use. Of a side that is lost
    /// they are unknown, and it is not asked.
    pub async fn locks(&self, side: SideName) -> Locks {
        match self.at(side) {
            Some(access) => access.locks().await,
            None => Locks::default(),
        }
    }

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
        let Locks { held, unknown } = self.locks(side).await;
        let mut released = Vec::new();
        for lock in held {
            if lock.info.as_ref().is_none_or(|info| info.id != id) {
                continue;
            }
            match self.release_exactly(&lock).await {
                Ok(()) => released.push(Release { lock }),
                Err(error) if released.is_empty() => return Err(error),
                Err(error) => {
                    return Err(ReleaseError::Partly {
                        released: released
                            .into_iter()
                            .map(|release| release.lock.place)
                            .collect(),
                        source: Box::new(error),
                    });
                }
            }
        }
        let name = LockName::Id(id.to_owned());
        let missed = unknown.into_iter().next().map(|unknown| {
            let unknown = Box::new(unknown);
            ReleaseError::Unlisted {
                name: name.clone(),
                unknown,
            }
        });
        match (released.is_empty(), missed) {
            (false, None) => Ok(released),
            (true, None) => Err(ReleaseError::NoSuchLock { name }),
            (true, Some(missed)) => Err(missed),
            // The same run may hold one of each kind.
            (false, Some(missed)) => Err(ReleaseError::Partly {
                released: released
                    .into_iter()
                    .map(|release| release.lock.place)
                    .collect(),
                source: Box::new(missed),
            }),
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
    /// See [`Backend::locks`].
    pub(crate) async fn locks(&self) -> Locks {
        let Self { side, clients, .. } = *self;
        let mut locks = Locks::default();
        if let Some(problem) = self.lost {
            let kinds = side.table_with_locks().map(|_| LockKind::DynamoDb);
            locks.unknown = kinds
                .into_iter()
                .chain([LockKind::S3])
                .map(|kind| UnknownLocks {
                    kind,
                    place: None,
                    problem: problem.clone(),
                })
                .collect();
            return locks;
        }
        if let Some(table) = side.table_with_locks() {
            let other = self.other.map(|other| format!("{other}/"));
            let rows = rows(clients, side.name, table.as_str(), other).await;
            locks.add(LockKind::DynamoDb, rows);
        }
        objects(clients, side, self.states, &mut locks).await;
        locks.held.retain(|lock| self.states.may_lock(lock.state()));
        locks
    }

    /// The locks of one state alone.
    pub(crate) async fn locks_of(&self, state: &StateId) -> Locks {
        let Self { side, clients, .. } = *self;
        let mut locks = Locks::default();
        if let Some(table) = side.table_with_locks() {
            let place = format!("{}/{}", side.bucket, state.object());
            match row(clients, table, &place).await {
                Ok(row) => {
                    let lock = row.and_then(|row| lock_of_row(side.name, row, None));
                    locks.held.extend(lock);
                }
                // Where there is no table, it locks nothing.
                Err(error) if error.class == ErrorClass::Absent => {}
                Err(error) => locks.add_unknown(LockKind::DynamoDb, Some(place), error),
            }
        }
        let place = format!("{}{LOCK_OBJECT_SUFFIX}", state.object());
        match object(clients, side, &place).await {
            Ok(lock) => locks.held.extend(lock),
            Err(error) => locks.add_unknown(LockKind::S3, Some(place), error),
        }
        locks
    }

    /// The lock that one place of this side has; `None` where it has none.
    pub(crate) async fn lock_at(&self, kind: LockKind, place: &str) -> Result<Option<Lock>, Error> {
        let Self { side, clients, .. } = *self;
        match (kind, side.table_with_locks()) {
            (LockKind::S3, _) => object(clients, side, place).await,
            (LockKind::DynamoDb, None) => Ok(None),
            (LockKind::DynamoDb, Some(table)) => {
                let row = row(clients, table, place).await?;
                Ok(row.and_then(|row| lock_of_row(side.name, row, None)))
            }
        }
    }

    /// Removes a lock of this side if it is still as it was when it was listed, whoever's it is.
    pub(crate) async fn remove_lock(&self, lock: &Lock) -> Result<(), ReleaseError> {
        let removed = remove(self.clients, self.side, lock).await;
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

/// Attempts to remove a lock.
const ATTEMPTS: u32 = 4;
/// The wait before the second one; each further one waits twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// Removes exactly what was seen. The SDK's own retries are off: when the answer to a removal is lost, its repetition is
/// refused as if somebody else had taken the lock, and only who knows that there was a first one can tell.
async fn remove(clients: &RegionClients, side: &Side, lock: &Lock) -> Result<(), ReleaseError> {
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
                let there = match lock.kind {
                    LockKind::DynamoDb => row_is_there(clients, side, lock).await?,
                    LockKind::S3 => object(clients, side, &lock.place).await?.is_some(),
                };
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

async fn row_is_there(clients: &RegionClients, side: &Side, lock: &Lock) -> Result<bool, Error> {
    match side.table_with_locks() {
        Some(table) => Ok(row(clients, table, &lock.place).await?.is_some()),
        None => Ok(false),
    }
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

/// By S3's clock, to the second.
pub(crate) fn timestamp(time: DateTime) -> Option<Timestamp> {
    Timestamp::from_second(time.secs()).ok()
}

/// `other` is what a row of the other side begins with.
async fn rows(
    clients: &RegionClients,
    side: SideName,
    table: &str,
    other: Option<String>,
) -> Result<Vec<Lock>, Error> {
    let call = clients.call("DynamoDB", "Scan", format!("table {table}"));
    let scan = clients
        .dynamodb
        .scan()
        .table_name(table)
        .consistent_read(true);
    let rows = pages(call, scan.into_paginator().items().send()).await?;
    let rows = rows.into_iter();
    Ok(rows
        .filter_map(|row| lock_of_row(side, row, other.as_deref()))
        .collect())
}

/// The places of the locks that a side's old table has of its states.
pub(crate) async fn places_in_old_table(
    clients: &RegionClients,
    side: &Side,
    table: &str,
) -> Result<Vec<String>, Error> {
    let rows = match rows(clients, side.name, table, None).await {
        Ok(rows) => rows,
        // Where there is no table any more, it locks nothing.
        Err(error) if error.class == ErrorClass::Absent => Vec::new(),
        Err(error) => return Err(error),
    };
    let bucket = format!("{}/", side.bucket);
    let places = rows.into_iter().map(|lock| lock.place);
    let mut places: Vec<String> = places.filter(|place| place.starts_with(&bucket)).collect();
    places.sort_unstable();
    Ok(places)
}

/// `None` of a digest row.
fn lock_of_row(side: SideName, mut row: Row, other: Option<&str>) -> Option<Lock> {
    let place = row.get(LOCK_ID)?.as_s().ok()?.clone();
    let seen = row.remove("Info");
    // A path may itself end in -md5, so the name alone says nothing. Terraform takes no lock where there is any row, so
    // that one with neither is a lock too.
    if seen.is_none() && row.contains_key("Digest") {
        return None;
    }
    let text = seen.as_ref().and_then(|seen| seen.as_s().ok());
    let info: Option<LockInfo> = text.and_then(|text| serde_json::from_str(text).ok());
    Some(Lock {
        side,
        kind: LockKind::DynamoDb,
        // A global table has the rows of both sides, and a row names its bucket.
        is_replica: other.is_some_and(|other| place.starts_with(other)),
        place,
        version: None,
        taken: info.as_ref().and_then(|info| info.created),
        info,
        witness: Witness::Info(seen),
    })
}

async fn objects(clients: &RegionClients, side: &Side, scope: &StateScope, locks: &mut Locks) {
    let keys = match list_keys(clients, side.bucket.as_str(), "").await {
        Ok(keys) => keys,
        Err(error) => return locks.add(LockKind::S3, Err(error)),
    };
    for key in keys {
        if !scope.is_lock(&key) {
            continue;
        }
        match object(clients, side, &key).await {
            Ok(lock) => locks.held.extend(lock),
            Err(error) => locks.add_unknown(LockKind::S3, Some(key), error),
        }
    }
}

/// `None` when the lock was released while it was listed.
async fn object(clients: &RegionClients, side: &Side, key: &str) -> Result<Option<Lock>, Error> {
    let call = clients.call("S3", "GetObject", format!("{}/{key}", side.bucket));
    let get = clients.s3.get_object().bucket(side.bucket.as_str());
    let answer = match get.key(key).send().await {
        Ok(answer) => answer,
        Err(error) => match call.failed(error) {
            error if error.class == ErrorClass::Absent => return Ok(None),
            error => return Err(error),
        },
    };
    // Without an ETag a release would not be conditional.
    let Some(seen) = answer.e_tag else {
        return Err(Error::unexpected(call, "the answer has no ETag"));
    };
    let content = content(answer.body)
        .await
        .map_err(|error| Error::unexpected(call, format!("the body broke off: {error}")))?;
    Ok(Some(Lock {
        side: side.name,
        kind: LockKind::S3,
        place: key.to_owned(),
        is_replica: answer.replication_status == Some(ReplicationStatus::Replica),
        version: answer.version_id,
        taken: answer.last_modified.and_then(timestamp),
        info: content.and_then(|content| serde_json::from_slice(&content).ok()),
        witness: Witness::ETag(seen),
    }))
}

/// Terraform's locks have a few hundred bytes; of what has more, nothing is kept.
const MOST_BYTES: usize = 64 << 10;

async fn content(
    mut body: ByteStream,
) -> Result<Option<Vec<u8>>, aws_smithy_types::byte_stream::error::Error> {
    let mut content = Vec::new();
    while let Some(chunk) = body.try_next().await? {
        if content.len() + chunk.len() > MOST_BYTES {
            return Ok(None);
        }
        content.extend_from_slice(&chunk);
    }
    Ok(Some(content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_terraforms_id_is_of_uuids_alone() {
        let has = |id: &str| {
            let info = serde_json::json!({"ID": id}).to_string();
            serde_json::from_str::<LockInfo>(&info)
                .unwrap()
                .has_terraforms_id()
        };
        assert!(has("9db590f1-b6fe-c5f2-2678-8804f089deba"));
        for id in [
            "",
            "x; touch p #",
            "9db590f1b6fec5f226788804f089deba",
            "9db590f1-b6fe-c5f2-2678-8804f089deb$",
            "9db590f1-b6fe-c5f2-2678-8804f089deba-",
            "-db590f1-b6fe-c5f2-2678-8804f089deba",
            "9db590f1-b6fe-c5f2-2678-8804f089deba\n",
        ] {
            assert!(!has(id), "{id:?}");
        }
    }

    // aws-behaviour: 23
    #[test]
    fn a_lock_says_who_and_what() {
        let info: LockInfo = serde_json::from_str(
            r#"{"ID":"9db590f1-b6fe-c5f2-2678-8804f089deba","Operation":"OperationTypeApply","Info":"",
               "Who":"jo@host","Version":"1.11.4","Created":"2026-11-22T10:00:00.5Z","Path":"b/staging/terraform.tfstate"}"#,
        )
        .unwrap();
        assert_eq!(info.who, "jo@host");
        assert_eq!(
            info.created,
            Some("2026-11-22T10:00:00.5Z".parse().unwrap())
        );
        assert_eq!(info.path, "b/staging/terraform.tfstate");
    }
}
