//! The locks that are held, in the table and in the bucket.

use aws_env::{Error, ErrorClass};
use aws_sdk_s3::types::ReplicationStatus;
use aws_smithy_types::byte_stream::ByteStream;
use settings::BucketName;

use super::{LOCK_OBJECT_SUFFIX, Lock, LockInfo, LockKind, Locks, Witness, timestamp};
use crate::backend::Backend;
use crate::inventory::StateId;
use crate::problem::Problem;
use crate::reading::SideReading;
use crate::side::SideAccess;
use crate::spec::SideName;
use crate::table::{LOCK_ID, Row, row};

impl Backend {
    /// The locks held on one side, in the table and in the bucket, whichever the settings use. Of a side that is lost
    /// they are unknown, and it is not asked.
    pub async fn locks(&self, side: SideName) -> Locks {
        match self.at(side) {
            Some(access) => SideReading::new(access).locks().await,
            None => Locks::default(),
        }
    }
}

impl SideReading<'_> {
    /// See [`Backend::locks`].
    pub(crate) async fn locks(&self) -> Locks {
        let SideAccess {
            side, lost, states, ..
        } = self.access;
        let mut locks = Locks::default();
        if let Some(problem) = lost {
            let kinds = side.table_with_locks().map(|_| LockKind::DynamoDb);
            for kind in kinds.into_iter().chain([LockKind::S3]) {
                locks.add_unknown(kind, None, problem.clone());
            }
            return locks;
        }
        match self.locks_of_table().await {
            Some(Ok(rows)) => locks.held.extend_from_slice(rows),
            Some(Err(problem)) => locks.add_unknown(LockKind::DynamoDb, None, problem.clone()),
            None => {}
        }
        match self.keys().await {
            Ok(keys) => self.read_objects(&keys.locks, &mut locks).await,
            Err(problem) => locks.add_unknown(LockKind::S3, None, problem.clone()),
        }
        locks.held.retain(|lock| states.may_lock(lock.state()));
        locks
    }

    async fn read_objects(&self, keys: &[String], locks: &mut Locks) {
        for key in keys {
            match self.access.lock_object(key).await {
                Ok(lock) => locks.held.extend(lock),
                Err(error) => locks.add_unknown(LockKind::S3, Some(key.clone()), error),
            }
        }
    }

    /// The places of the locks that the side's old table has of its states.
    pub(crate) async fn places_in_old_table(&self) -> Result<Vec<String>, Problem> {
        let locks = match self.locks_of_table().await {
            Some(Ok(locks)) => locks,
            // Where there is no table any more, it locks nothing.
            Some(Err(problem)) if problem.error().class == ErrorClass::Absent => &[],
            Some(Err(problem)) => return Err(problem.clone()),
            None => &[],
        };
        let bucket = format!("{}/", self.access.side.bucket);
        let places = locks.iter().map(|lock| &lock.place);
        let places = places.filter(|place| place.starts_with(&bucket));
        let mut places: Vec<String> = places.cloned().collect();
        places.sort_unstable();
        Ok(places)
    }
}

impl SideAccess<'_> {
    /// The locks of one state alone.
    pub(crate) async fn locks_of(&self, state: &StateId) -> Locks {
        let mut locks = Locks::default();
        let row = format!("{}/{}", self.side.bucket, state.object());
        let object = format!("{}{LOCK_OBJECT_SUFFIX}", state.object());
        for (kind, place) in [(LockKind::DynamoDb, row), (LockKind::S3, object)] {
            match self.lock_at(kind, &place).await {
                Ok(lock) => locks.held.extend(lock),
                // Where there is no table, it locks nothing.
                Err(error) if kind == LockKind::DynamoDb && error.class == ErrorClass::Absent => {}
                Err(error) => locks.add_unknown(kind, Some(place), error),
            }
        }
        locks
    }

    /// The lock that one place of this side has; `None` where it has none.
    pub(crate) async fn lock_at(&self, kind: LockKind, place: &str) -> Result<Option<Lock>, Error> {
        match (kind, self.side.table_with_locks()) {
            (LockKind::S3, _) => self.lock_object(place).await,
            (LockKind::DynamoDb, None) => Ok(None),
            (LockKind::DynamoDb, Some(table)) => {
                let row = row(self.clients, table, place).await?;
                Ok(row.and_then(|row| self.lock_of_row(row)))
            }
        }
    }

    /// `None` of a digest row.
    pub(crate) fn lock_of_row(&self, mut row: Row) -> Option<Lock> {
        let place = row.get(LOCK_ID)?.as_s().ok()?.clone();
        let seen = row.remove("Info");
        // A path may itself end in -md5, so the name alone says nothing. Terraform takes no lock where there is any row,
        // so that one with neither is a lock too.
        if seen.is_none() && row.contains_key("Digest") {
            return None;
        }
        let text = seen.as_ref().and_then(|seen| seen.as_s().ok());
        let info: Option<LockInfo> = text.and_then(|text| serde_json::from_str(text).ok());
        // A global table has the rows of both sides, and a row names its bucket, which has no slash.
        let bucket = place.split_once('/').map(|(bucket, _)| bucket);
        Some(Lock {
            side: self.side.name,
            kind: LockKind::DynamoDb,
            is_replica: bucket.is_some() && bucket == self.other.map(BucketName::as_str),
            place,
            version: None,
            taken: info.as_ref().and_then(|info| info.created),
            info,
            witness: Witness::Info(seen),
        })
    }

    /// `None` when the lock was released while it was listed.
    async fn lock_object(&self, key: &str) -> Result<Option<Lock>, Error> {
        let Self { side, clients, .. } = *self;
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
