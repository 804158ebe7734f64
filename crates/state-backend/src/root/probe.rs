//! A state's lock taken and released, in the way in which terraform locks.

use aws_env::ErrorClass;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_s3::types::ServerSideEncryption;
use jiff::Timestamp;
use settings::Encryption;
use sha2::{Digest as _, Sha256};

use super::turn::TurnError;
use crate::lock::{LOCK_OBJECT_SUFFIX, Lock, LockInfo, LockKind, ReleaseError};
use crate::side::SideAccess;
use crate::table::LOCK_ID;

/// What the lock is taken for. A lock that says this protects nothing, so that one which an interrupted run left may be
/// removed by the next.
const OPERATION: &str = "LockProbe";

/// How the lock that proves locking says who took it.
#[derive(Debug, Clone)]
pub struct LockProbe {
    /// Who takes it, as `user@host`.
    pub who: String,
    /// When.
    pub time: Timestamp,
    /// Different in every run; the lock's ID is made of it.
    pub token: String,
}

impl LockProbe {
    fn info(&self, path: String) -> LockInfo {
        LockInfo {
            id: id(&self.token, &path),
            operation: OPERATION.to_owned(),
            info: "init-backend takes and releases this lock to show that locking works".to_owned(),
            who: self.who.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            created: Some(self.time),
            path,
        }
    }
}

/// As Terraform's: a UUID, so that every tool takes it for a lock's ID.
fn id(token: &str, path: &str) -> String {
    let digest = Sha256::digest(format!("{token}\n{path}").as_bytes());
    let hex: String = digest[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ]
    .join("-")
}

/// Takes the locks of `kinds` for the state of `object`, and releases them. What an earlier run left is removed first;
/// a lock of anybody else is an error and stays.
pub(crate) async fn run(
    access: SideAccess<'_>,
    object: &str,
    kinds: &[LockKind],
    probe: &LockProbe,
) -> Result<(), TurnError> {
    let path = format!("{}/{object}", access.side.bucket);
    let info = probe.info(path.clone());
    let place = |kind: &LockKind| match kind {
        LockKind::DynamoDb => path.clone(),
        LockKind::S3 => format!("{object}{LOCK_OBJECT_SUFFIX}"),
    };
    let mut taken = Vec::new();
    let mut outcome = Ok(());
    for kind in kinds {
        match take(access, *kind, &place(kind), &info).await {
            Ok(lock) => taken.push(lock),
            Err(error) => {
                outcome = Err(error);
                break;
            }
        }
    }
    for lock in taken.iter().rev() {
        let released = release(access, lock, &info.id).await;
        outcome = outcome.and(released);
    }
    outcome
}

/// Whether a lock was taken to show that locking works, and protects nothing.
pub(crate) fn is_probe(lock: &Lock) -> bool {
    let info = lock.info.as_ref();
    info.is_some_and(|info| info.operation == OPERATION)
}

async fn take(
    access: SideAccess<'_>,
    kind: LockKind,
    place: &str,
    info: &LockInfo,
) -> Result<Lock, TurnError> {
    if let Some(left) = access.lock_at(kind, place).await? {
        if !is_probe(&left) || left.is_replica {
            return Err(locked(left));
        }
        match access.remove_lock(&left).await {
            Ok(()) | Err(ReleaseError::Gone { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let put = match kind {
        LockKind::DynamoDb => put_row(access, place, info).await,
        LockKind::S3 => put_object(access, place, info).await,
    };
    // An answer that was lost, or a refusal of the repetition of a call that had come through: what is there tells.
    let there = access.lock_at(kind, place).await;
    match (put, there) {
        (_, Ok(Some(lock))) if lock.info.as_ref().is_some_and(|found| found.id == info.id) => {
            Ok(lock)
        }
        (Err(error), Ok(Some(lock))) if error.class == ErrorClass::Conflict => Err(locked(lock)),
        (Err(error), _) => Err(error.into()),
        (Ok(()), Err(error)) => Err(error.into()),
        (Ok(()), Ok(_)) => Err(TurnError::LockLost {
            place: place.to_owned(),
        }),
    }
}

fn locked(lock: Lock) -> TurnError {
    TurnError::Locked {
        kind: lock.kind,
        place: lock.place,
        who: lock.info.as_ref().map(|info| info.who.clone()),
        is_replica: lock.is_replica,
    }
}

async fn put_row(
    access: SideAccess<'_>,
    place: &str,
    info: &LockInfo,
) -> Result<(), aws_env::Error> {
    let SideAccess { side, clients, .. } = access;
    let Some(table) = &side.table else {
        return Ok(());
    };
    let call = clients.call("DynamoDB", "PutItem", format!("{table} {place}"));
    let put = clients
        .dynamodb
        .put_item()
        .table_name(table.as_str())
        .item(LOCK_ID, AttributeValue::S(place.to_owned()))
        .item("Info", AttributeValue::S(json(info)))
        .condition_expression("attribute_not_exists(LockID)");
    put.send()
        .await
        .map(drop)
        .map_err(|error| call.failed(error))
}

async fn put_object(
    access: SideAccess<'_>,
    place: &str,
    info: &LockInfo,
) -> Result<(), aws_env::Error> {
    let SideAccess { side, clients, .. } = access;
    let bucket = side.bucket.as_str();
    let call = clients.call("S3", "PutObject", format!("{bucket}/{place}"));
    // Encrypted as terraform asks for it with `encrypt = true`: a bucket's policy may want the header.
    let (algorithm, key) = match &side.encryption {
        Encryption::Aes256 => (Some(ServerSideEncryption::Aes256), None),
        Encryption::Kms(key) => (Some(ServerSideEncryption::AwsKms), Some(key.to_string())),
        // Terraform cannot ask for two layers: the bucket's own default encrypts.
        Encryption::Dsse(_) => (None, None),
    };
    let put = clients
        .s3
        .put_object()
        .bucket(bucket)
        .key(place)
        .content_type("application/json")
        .set_server_side_encryption(algorithm)
        .set_ssekms_key_id(key)
        .if_none_match("*")
        .body(json(info).into_bytes().into());
    put.send()
        .await
        .map(drop)
        .map_err(|error| call.failed(error))
}

fn json(info: &LockInfo) -> String {
    // Of texts and a time: it cannot fail.
    serde_json::to_string(info).unwrap_or_default()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probe_has_an_id_as_terraform_makes_it_and_another_one_for_each_run_and_place() {
        let probe = |token: &str, path: &str| {
            let probe = LockProbe {
                who: "jo@laptop".to_owned(),
                time: Timestamp::UNIX_EPOCH,
                token: token.to_owned(),
            };
            probe.info(path.to_owned())
        };
        let info = probe("1", "b/k");
        assert!(info.has_terraforms_id(), "{}", info.id);
        assert_ne!(info.id, probe("2", "b/k").id);
        assert_ne!(info.id, probe("1", "b/l").id);
    }
}
