//! Terraform's locks, in DynamoDB and in S3.

mod list;
#[cfg(test)]
mod races;
mod release;

use std::fmt;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_types::DateTime;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use release::{LockName, Release, ReleaseError};

use crate::problem::Problem;
use crate::spec::SideName;

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
    /// The error of the list, or of that one lock.
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
    fn add_unknown(&mut self, kind: LockKind, place: Option<String>, problem: impl Into<Problem>) {
        self.unknown.push(UnknownLocks {
            kind,
            place,
            problem: problem.into(),
        });
    }
}

/// By S3's clock, to the second.
pub(crate) fn timestamp(time: DateTime) -> Option<Timestamp> {
    Timestamp::from_second(time.secs()).ok()
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
