//! Terraform's locks, in DynamoDB and in S3.

use std::fmt;

use aws_env::{Error, ErrorClass, RegionClients, pages};
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::backend::Backend;
use crate::spec::SideName;
use crate::table::LOCK_ID;

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
    /// The version of the object; null for a row, or where the bucket keeps no versions.
    pub version: Option<String>,
    /// Who holds it; `None` when the content is not Terraform's.
    pub info: Option<LockInfo>,
    /// The content, or the object's ETag: what a release compares with.
    #[serde(skip)]
    witness: String,
}

/// A lock that was released.
#[derive(Debug, Clone, Serialize)]
pub struct Release {
    /// The lock as it was held.
    pub lock: Lock,
}

/// Why a lock was not released.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// No lock of this side has this ID.
    #[error("no lock has the ID {id}")]
    NoSuchLock {
        /// The ID that was asked for.
        id: String,
    },
    /// The lock changed between listing and releasing.
    #[error("the lock at {place} has changed hands since it was listed")]
    ChangedHands {
        /// The row's `LockID`, or the object's key.
        place: String,
    },
    /// One lock with this ID was released, the next one was not.
    #[error("released {}, and not the next lock with this ID", released.join(", "))]
    Partly {
        /// The rows and objects that are released.
        released: Vec<String>,
        /// Why the next one was not.
        source: Box<ReleaseError>,
    },
    /// AWS was asked and did not do it.
    #[error(transparent)]
    Call(#[from] Error),
}

impl Backend {
    /// The locks held on one side, in the table and in the bucket, whichever the settings use.
    ///
    /// # Errors
    /// When the region cannot be asked.
    pub async fn locks(&self, side: SideName) -> Result<Vec<Lock>, Error> {
        let clients = self.clients(side);
        let mut locks = Vec::new();
        let spec = self.spec().side(side);
        if let Some(table) = &spec.table {
            locks.extend(rows(clients, side, table.as_str()).await?);
        }
        locks.extend(objects(clients, side, spec.bucket.as_str()).await?);
        Ok(locks)
    }

    /// Releases the lock whose ID is `id`, on one side. The ID proves that somebody looked at this
    /// very lock, and AWS removes it only if it is still the one that was looked at. Age is no
    /// argument: an apply can take longer than any limit.
    ///
    /// # Errors
    /// When there is no such lock, it has changed hands meanwhile, or the region cannot be asked.
    pub async fn release(&self, side: SideName, id: &str) -> Result<Vec<Release>, ReleaseError> {
        let held = self.locks(side).await?;
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
        if released.is_empty() {
            return Err(ReleaseError::NoSuchLock { id: id.to_owned() });
        }
        Ok(released)
    }

    /// Releases `lock` if it is still as it was when it was listed.
    ///
    /// # Errors
    /// When it has changed hands meanwhile, or the region cannot be asked.
    pub async fn release_exactly(&self, lock: &Lock) -> Result<(), ReleaseError> {
        let clients = self.clients(lock.side);
        let released = match lock.kind {
            LockKind::DynamoDb => self.release_row(clients, lock).await,
            LockKind::S3 => self.release_object(clients, lock).await,
        };
        tracing::info!(
            region = %clients.region,
            resource = lock.place,
            step = "release lock",
            outcome = if released.is_ok() { "done" } else { "failed" },
            "applied"
        );
        released
    }

    async fn release_row(&self, clients: &RegionClients, lock: &Lock) -> Result<(), ReleaseError> {
        let Some(table) = &self.spec().side(lock.side).table else {
            return Ok(());
        };
        let call = clients.call("DynamoDB", "DeleteItem", format!("{table} {}", lock.place));
        clients
            .dynamodb
            .delete_item()
            .table_name(table.as_str())
            .key(LOCK_ID, AttributeValue::S(lock.place.clone()))
            .condition_expression("Info = :seen")
            .expression_attribute_values(":seen", AttributeValue::S(lock.witness.clone()))
            .send()
            .await
            .map(drop)
            .map_err(|error| changed_hands(call.failed(error), lock))
    }

    async fn release_object(
        &self,
        clients: &RegionClients,
        lock: &Lock,
    ) -> Result<(), ReleaseError> {
        let bucket = self.spec().side(lock.side).bucket.as_str();
        let call = clients.call("S3", "DeleteObject", format!("{bucket}/{}", lock.place));
        clients
            .s3
            .delete_object()
            .bucket(bucket)
            .key(&lock.place)
            .if_match(&lock.witness)
            .send()
            .await
            .map(drop)
            .map_err(|error| changed_hands(call.failed(error), lock))
    }
}

fn changed_hands(error: Error, lock: &Lock) -> ReleaseError {
    if error.class == ErrorClass::Conflict {
        ReleaseError::ChangedHands {
            place: lock.place.clone(),
        }
    } else {
        error.into()
    }
}

async fn rows(clients: &RegionClients, side: SideName, table: &str) -> Result<Vec<Lock>, Error> {
    let call = clients.call("DynamoDB", "Scan", format!("table {table}"));
    let scan = clients
        .dynamodb
        .scan()
        .table_name(table)
        .consistent_read(true);
    let rows = pages(call, scan.into_paginator().items().send()).await?;
    Ok(rows
        .iter()
        .filter_map(|row| {
            let text = |name: &str| row.get(name).and_then(|value| value.as_s().ok()).cloned();
            // A digest row has no Info; a path may itself end in -md5, so the name alone says nothing.
            let (place, witness) = (text(LOCK_ID)?, text("Info")?);
            Some(Lock {
                side,
                kind: LockKind::DynamoDb,
                place,
                version: None,
                info: serde_json::from_str(&witness).ok(),
                witness,
            })
        })
        .collect())
}

async fn objects(
    clients: &RegionClients,
    side: SideName,
    bucket: &str,
) -> Result<Vec<Lock>, Error> {
    let call = clients.call("S3", "ListObjectsV2", format!("bucket {bucket}"));
    let list = clients.s3.list_objects_v2().bucket(bucket);
    let mut locks = Vec::new();
    for page in pages(call, list.into_paginator().send()).await? {
        let keys = page.contents.into_iter().flatten().filter_map(|at| at.key);
        for key in keys.filter(|key| key.ends_with(LOCK_OBJECT_SUFFIX)) {
            locks.extend(object(clients, side, bucket, key).await?);
        }
    }
    Ok(locks)
}

/// `None` when the lock was released while it was listed.
async fn object(
    clients: &RegionClients,
    side: SideName,
    bucket: &str,
    key: String,
) -> Result<Option<Lock>, Error> {
    let call = clients.call("S3", "GetObject", format!("{bucket}/{key}"));
    let get = clients.s3.get_object().bucket(bucket).key(&key).send();
    let answer = match get.await {
        Ok(answer) => answer,
        Err(error) => match call.failed(error) {
            error if error.class == ErrorClass::Absent => return Ok(None),
            error => return Err(error),
        },
    };
    // Without an ETag a release would not be conditional.
    let Some(witness) = answer.e_tag else {
        return Err(Error::unexpected(call, "the answer has no ETag"));
    };
    let version = answer.version_id;
    let body = answer
        .body
        .collect()
        .await
        .map_err(|error| Error::unexpected(call, format!("the body broke off: {error}")))?;
    Ok(Some(Lock {
        side,
        kind: LockKind::S3,
        place: key,
        version,
        info: serde_json::from_slice(&body.into_bytes()).ok(),
        witness,
    }))
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
