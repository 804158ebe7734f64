//! The locks that are held, in the table and in the bucket.

use aws_env::{Error, ErrorClass, RegionClients, list_keys, pages};
use aws_sdk_s3::types::ReplicationStatus;
use aws_smithy_types::byte_stream::ByteStream;

use super::{
    LOCK_OBJECT_SUFFIX, Lock, LockInfo, LockKind, Locks, UnknownLocks, Witness, timestamp,
};
use crate::backend::Backend;
use crate::inventory::{StateId, StateScope};
use crate::side::SideAccess;
use crate::spec::{Side, SideName};
use crate::table::{LOCK_ID, Row, row};

impl Backend {
    /// The locks held on one side, in the table and in the bucket, whichever the settings use. Of a side that is lost
    /// they are unknown, and it is not asked.
    pub async fn locks(&self, side: SideName) -> Locks {
        match self.at(side) {
            Some(access) => access.locks().await,
            None => Locks::default(),
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
pub(super) async fn object(
    clients: &RegionClients,
    side: &Side,
    key: &str,
) -> Result<Option<Lock>, Error> {
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
