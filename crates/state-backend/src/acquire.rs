//! A state's lock taken as Terraform takes it, so that no Terraform works with the state meanwhile.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_env::{Error, ErrorClass};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_s3::types::ServerSideEncryption;
use jiff::Timestamp;
use report::ShellCommand;
use settings::Encryption;
use sha2::{Digest as _, Sha256};

use crate::lock::{LOCK_OBJECT_SUFFIX, Lock, LockInfo, LockKind, ReleaseError};
use crate::side::SideAccess;
use crate::spec::SideName;
use crate::table::LOCK_ID;

/// How a lock that is taken here says who took it.
#[derive(Debug, Clone)]
pub struct LockHolder {
    /// Who takes it, as `user@host`.
    pub who: String,
    /// When.
    pub time: Timestamp,
    /// Different in every run; the lock's ID is made of it.
    pub token: String,
    /// What it holds.
    pub held: HeldLocks,
}

/// The locks that a run holds at this moment, or may hold: for whoever has to name them when it is cut off. All clones
/// are one.
#[derive(Debug, Clone, Default)]
pub struct HeldLocks(Arc<Mutex<Vec<HeldLock>>>);

/// A lock of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
struct HeldLock {
    side: SideName,
    kind: LockKind,
    id: String,
}

impl HeldLocks {
    fn locks(&self) -> MutexGuard<'_, Vec<HeldLock>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The commands that release them: one for the locks of both kinds that a state has on one side.
    pub fn unlock_commands(&self) -> Vec<ShellCommand> {
        let mut named: Vec<(SideName, String)> = Vec::new();
        for lock in self.locks().iter() {
            let name = (lock.side, lock.id.clone());
            if !named.contains(&name) {
                named.push(name);
            }
        }
        let commands = named.iter().map(|(side, id)| unlock_command(*side, id));
        commands.collect()
    }

    /// What is held no more, as somebody has looked.
    pub(crate) fn remove(&self, side: SideName, kind: LockKind, id: &str) {
        let held = |lock: &HeldLock| lock.side == side && lock.kind == kind && lock.id == id;
        self.locks().retain(|lock| !held(lock));
    }
}

/// The command that releases the locks of a run on one side.
pub(crate) fn unlock_command(side: SideName, id: &str) -> ShellCommand {
    let unlock = ShellCommand::new("init-backend unlock").word(id);
    match side {
        SideName::Primary => unlock,
        SideName::Dr => unlock.words("--side dr"),
    }
}

/// What a lock is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To show that locking works. Such a lock protects nothing, so that one which an interrupted run left may be removed
    /// by the next.
    Probe,
    /// To keep every Terraform from a state while it is brought back.
    Failback,
    /// To keep every other Terraform from a state while a run of a failover has its own work with it.
    Failover,
}

/// What the Info of a failback's lock begins with, before the name of its run.
const RUN: &str = "run ";

impl Purpose {
    fn operation(self) -> &'static str {
        match self {
            Self::Probe => "LockProbe",
            Self::Failback => "Failback",
            Self::Failover => "Failover",
        }
    }

    /// Whether a lock was taken for this.
    pub(crate) fn is_of(self, lock: &Lock) -> bool {
        let info = lock.info.as_ref();
        info.is_some_and(|info| info.operation == self.operation())
    }
}

impl LockHolder {
    /// The run's name, which its locks carry: fit for the name of a file.
    pub fn run(&self) -> String {
        digits(&self.token)[..16].to_owned()
    }

    pub(crate) fn info(&self, purpose: Purpose, path: String) -> LockInfo {
        let info = match purpose {
            Purpose::Probe => {
                "init-backend takes and releases this lock to show that locking works".to_owned()
            }
            Purpose::Failback => format!("{RUN}{} of init-backend failback", self.run()),
            Purpose::Failover => format!("{RUN}{} of dr-runbook", self.token),
        };
        // Two processes of one run are two holders: each knows what it has taken itself by the ID.
        let id = match purpose {
            Purpose::Probe | Purpose::Failback => id(&self.token, &path),
            Purpose::Failover => id(&format!("{} at {}", self.token, self.time), &path),
        };
        LockInfo {
            id,
            operation: purpose.operation().to_owned(),
            info,
            who: self.who.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            created: Some(self.time),
            path,
        }
    }
}

impl LockInfo {
    /// The name of the failback that took it ([`LockHolder::run`]); `None` of every other lock.
    pub fn failback_run(&self) -> Option<&str> {
        let is_failback = self.operation == Purpose::Failback.operation();
        let run = self.info.strip_prefix(RUN)?.split(' ').next()?;
        let is_name = run.len() == 16 && run.bytes().all(|byte| byte.is_ascii_hexdigit());
        (is_failback && is_name).then_some(run)
    }
}

impl LockHolder {
    /// Whether a lock was taken by a process of this holder's failover.
    pub(crate) fn is_of_failover(&self, lock: &Lock) -> bool {
        let own = format!("{RUN}{} of dr-runbook", self.token);
        let info = lock.info.as_ref();
        Purpose::Failover.is_of(lock)
            && !lock.is_replica
            && info.is_some_and(|info| info.info == own)
    }
}

/// Why a lock was not taken.
#[derive(Debug)]
pub(crate) enum AcquireError {
    /// Somebody holds it.
    Locked(Box<Lock>),
    /// It was written, and was not there a moment later.
    Lost { place: String },
    /// What was in the way, and might go, was not removed.
    Release(ReleaseError),
    /// AWS was asked and did not do it.
    Call(Error),
}

impl From<Error> for AcquireError {
    fn from(error: Error) -> Self {
        Self::Call(error)
    }
}

/// As Terraform's: a UUID, so that every tool takes it for a lock's ID.
fn id(token: &str, path: &str) -> String {
    let hex = digits(&format!("{token}\n{path}"));
    [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ]
    .join("-")
}

/// 32 digits.
fn digits(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    hex::encode(&digest[..16])
}

/// Where a side keeps a lock of a state's object.
pub(crate) fn place(access: SideAccess<'_>, kind: LockKind, object: &str) -> String {
    match kind {
        LockKind::DynamoDb => path(access, object),
        LockKind::S3 => format!("{object}{LOCK_OBJECT_SUFFIX}"),
    }
}

/// What a lock's Info calls the state.
pub(crate) fn path(access: SideAccess<'_>, object: &str) -> String {
    format!("{}/{object}", access.side.bucket)
}

/// Takes one lock. What is there and `may_go` is removed first, exactly as it was seen; any other is an error and stays.
/// It is among `held` from before it may be there.
pub(crate) async fn acquire(
    access: SideAccess<'_>,
    kind: LockKind,
    place: &str,
    (info, held): (&LockInfo, &HeldLocks),
    may_go: impl Fn(&Lock) -> bool,
) -> Result<Lock, AcquireError> {
    if let Some(there) = access.lock_at(kind, place).await? {
        if !may_go(&there) {
            return Err(AcquireError::Locked(Box::new(there)));
        }
        match access.remove_lock(&there).await {
            Ok(()) | Err(ReleaseError::Gone { .. }) => {}
            Err(error) => return Err(AcquireError::Release(error)),
        }
    }
    let side = access.name();
    held.locks().push(HeldLock {
        side,
        kind,
        id: info.id.clone(),
    });
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
        (Err(error), Ok(Some(lock))) if error.class == ErrorClass::Conflict => {
            held.remove(side, kind, &info.id);
            Err(AcquireError::Locked(Box::new(lock)))
        }
        (Err(error), _) | (Ok(()), Err(error)) => Err(error.into()),
        (Ok(()), Ok(_)) => {
            held.remove(side, kind, &info.id);
            Err(AcquireError::Lost {
                place: place.to_owned(),
            })
        }
    }
}

async fn put_row(access: SideAccess<'_>, place: &str, info: &LockInfo) -> Result<(), Error> {
    let SideAccess { side, clients, .. } = access;
    let Some(table) = side.table_with_locks() else {
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

async fn put_object(access: SideAccess<'_>, place: &str, info: &LockInfo) -> Result<(), Error> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(token: &str) -> LockHolder {
        LockHolder {
            who: "jo@laptop".to_owned(),
            time: Timestamp::UNIX_EPOCH,
            token: token.to_owned(),
            held: HeldLocks::default(),
        }
    }

    #[test]
    fn lock_has_an_id_as_terraform_makes_it_and_another_one_for_each_run_and_place() {
        let of = |token: &str, path: &str| holder(token).info(Purpose::Probe, path.to_owned());
        let info = of("1", "b/k");
        assert!(info.has_terraforms_id(), "{}", info.id);
        assert_ne!(info.id, of("2", "b/k").id);
        assert_ne!(info.id, of("1", "b/l").id);
    }

    #[test]
    fn failback_run_is_that_of_a_failbacks_lock_alone() {
        let holder = holder("1");
        let mut info = holder.info(Purpose::Failback, "b/k".to_owned());
        assert_eq!(info.failback_run(), Some(holder.run().as_str()));
        for other in ["", "run ", "run ../../x", "run 0123456789abcdeg of x"] {
            info.info = other.to_owned();
            assert_eq!(info.failback_run(), None, "{other:?}");
        }
        let probe = holder.info(Purpose::Probe, "b/k".to_owned());
        assert_eq!(probe.failback_run(), None);
    }
}
