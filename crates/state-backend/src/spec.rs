//! The words of this crate, and the names and ARNs of the backend that settings describe.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use settings::{
    AccountId, AlarmTopics, BucketName, Encryption, Region, ReplicaLocks, RoleName, Settings,
    StateDr, StateKey, TableName,
};

use crate::backend::ConnectError;
use crate::inventory::StateScope;

/// The id of the replication rule. Explicit, because metrics are published under it.
pub const RULE_ID: &str = "terraform-state-to-dr";
/// The same of a bucket of application data.
const DATA_RULE_ID: &str = "data-to-dr";

/// What a pair of buckets holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// Terraform's states.
    States,
    /// Data of the application. How long old versions are kept is not decided here, and the primary bucket is its owner's but for
    /// the versions and the replication: the copy alone is made.
    Data,
}

/// Which of the two regions a resource belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SideName {
    /// Where Terraform works every day.
    Primary,
    /// Where it goes on when the primary region is lost.
    Dr,
}

impl fmt::Display for SideName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Primary => "primary",
            Self::Dr => "dr",
        })
    }
}

/// The backend in one region.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Side {
    /// Which of the two.
    pub name: SideName,
    /// Where its bucket and table are.
    pub region: Region,
    /// The bucket that holds the state.
    pub bucket: BucketName,
    /// The lock table, if DynamoDB locks.
    pub table: Option<TableName>,
    /// The table that DynamoDB locked with before, which clients of old may use still.
    pub old_table: Option<TableName>,
    /// How the bucket and the table are encrypted.
    pub encryption: Encryption,
}

impl Side {
    /// A side whose bucket encrypts with keys of S3, and without a table: Terraform locks in S3.
    pub fn new(name: SideName, region: Region, bucket: BucketName) -> Self {
        Self {
            name,
            region,
            bucket,
            table: None,
            old_table: None,
            encryption: Encryption::Aes256,
        }
    }

    /// With a lock table.
    #[must_use]
    pub fn with_table(mut self, table: TableName) -> Self {
        self.table = Some(table);
        self
    }

    /// Encrypted in another way.
    #[must_use]
    pub fn with_encryption(mut self, encryption: Encryption) -> Self {
        self.encryption = encryption;
        self
    }

    /// The table in which locks may be held, whether the settings lock with it or did so before.
    pub(crate) fn table_with_locks(&self) -> Option<&TableName> {
        self.table.as_ref().or(self.old_table.as_ref())
    }
}

/// The backend that settings ask for, in an account.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Spec {
    /// The account id, twelve digits. Empty: that of the credentials, which is filled in when they are known.
    pub account: String,
    /// The side that Terraform works with every day.
    pub primary: Side,
    /// The DR side, unless the strategy is `none`.
    pub dr: Option<Side>,
    /// The role that S3 replicates with.
    pub role: Option<RoleName>,
    /// The role that S3 takes on for jobs of S3 Batch Replication, if it is to be made here.
    pub batch_role: Option<RoleName>,
    /// Whom the alarms of the replication tell, if there are to be any.
    pub alarms: Option<AlarmTopics>,
    /// Whether the lock table is one global table instead of one table per region.
    pub global_table: bool,
    /// What its buckets hold.
    pub holds: Holds,
    /// Days that old versions of the state are kept.
    pub noncurrent_days: u32,
    /// The key of the state object.
    pub key: String,
    /// Which objects of the buckets are states.
    pub states: StateScope,
    /// Tags for everything.
    pub tags: BTreeMap<String, String>,
}

/// What kind of thing a [`Resource`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Kind {
    /// An S3 bucket.
    Bucket,
    /// A DynamoDB table with Terraform's locks.
    Table,
    /// An IAM role that S3 assumes.
    Role,
    /// A KMS key, which is looked at and never made.
    Key,
    /// A CloudWatch alarm.
    Alarm,
}

/// One bucket, table or role.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Resource {
    /// Bucket, table or role.
    pub kind: Kind,
    /// Its name, without region or account.
    pub name: String,
    /// The side whose credentials and region are used.
    pub side: SideName,
    /// Its region; for a role, that of IAM's control plane.
    pub region: Region,
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Bucket => "bucket",
            Kind::Table => "table",
            Kind::Role => "role",
            Kind::Key => "key",
            Kind::Alarm => "alarm",
        };
        write!(f, "{kind} {}", self.name)
    }
}

/// One setting of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Aspect {
    /// That the resource exists, and is what it has to be.
    Exists,
    /// Bucket: every version is kept.
    Versioning,
    /// Bucket or table: encryption at rest.
    Encryption,
    /// Bucket: all four public access blocks.
    PublicAccess,
    /// Bucket: ACLs are off.
    Ownership,
    /// Bucket: requests without TLS are denied.
    TlsOnly,
    /// Bucket: old versions expire.
    NoncurrentExpiry,
    /// DR bucket: Object Lock, where the primary bucket has it.
    ObjectLock,
    /// Bucket: objects and delete markers are replicated.
    Replication,
    /// Table: on-demand capacity.
    Billing,
    /// Table: it can be restored to any second of the last 35 days.
    PointInTimeRecovery,
    /// Table: it cannot be deleted by a single call.
    DeletionProtection,
    /// Table: the stream that a global table needs.
    Stream,
    /// Table: the replica in the DR region.
    Replica,
    /// Table that is no longer used: no lock is held in it.
    NoLocks,
    /// Role: what it may do.
    Permissions,
    /// Any: tags.
    Tags,
}

impl fmt::Display for Aspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exists => "exists",
            Self::Versioning => "versioning",
            Self::Encryption => "encryption",
            Self::PublicAccess => "public access",
            Self::Ownership => "ownership",
            Self::TlsOnly => "TLS only",
            Self::NoncurrentExpiry => "noncurrent expiry",
            Self::ObjectLock => "Object Lock",
            Self::Replication => "replication",
            Self::Billing => "billing",
            Self::PointInTimeRecovery => "point-in-time recovery",
            Self::DeletionProtection => "deletion protection",
            Self::Stream => "stream",
            Self::Replica => "global replica",
            Self::NoLocks => "no locks",
            Self::Permissions => "permissions",
            Self::Tags => "tags",
        })
    }
}

/// A setting of a resource that is to have a value.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Facet {
    /// The resource whose setting it is.
    #[serde(flatten)]
    pub resource: Resource,
    /// Which of the resource's settings.
    pub aspect: Aspect,
    /// Its wanted value, in the form in which it is compared and shown.
    pub wanted: Value,
}

/// How long S3 keeps what was overwritten or deleted, unless another time is asked for.
const NONCURRENT_DAYS: u32 = 90;

impl Spec {
    /// A backend of the primary side alone, whose states are all that its bucket holds, and in any case that of `key`.
    pub fn of(primary: Side, key: &StateKey) -> Self {
        Self {
            account: String::new(),
            primary,
            dr: None,
            role: None,
            batch_role: None,
            alarms: None,
            global_table: false,
            holds: Holds::States,
            noncurrent_days: NONCURRENT_DAYS,
            key: key.as_str().to_owned(),
            states: StateScope::of_bucket(key),
            tags: BTreeMap::new(),
        }
    }

    /// Replicated to a side in another region, with this role.
    #[must_use]
    pub fn replicated_to(mut self, dr: Side, role: RoleName) -> Self {
        self.dr = Some(dr);
        self.role = Some(role);
        self
    }

    /// Of buckets with data of the application.
    #[must_use]
    pub fn of_data(mut self) -> Self {
        self.holds = Holds::Data;
        self
    }

    /// The id of the replication rule.
    pub fn rule_id(&self) -> &'static str {
        match self.holds {
            Holds::States => RULE_ID,
            Holds::Data => DATA_RULE_ID,
        }
    }

    /// Whether a setting is for this backend to make.
    pub(crate) fn wants(&self, facet: &Facet) -> bool {
        let of_copy = facet.resource.side == SideName::Dr;
        match (self.holds, facet.resource.kind) {
            (Holds::Data, Kind::Bucket) => match facet.aspect {
                Aspect::Exists | Aspect::Versioning | Aspect::Replication => true,
                Aspect::NoncurrentExpiry => false,
                _ => of_copy,
            },
            _ => true,
        }
    }

    /// With a role for jobs of S3 Batch Replication.
    #[must_use]
    pub fn with_batch_role(mut self, role: RoleName) -> Self {
        self.batch_role = Some(role);
        self
    }

    /// In this account and in no other.
    #[must_use]
    pub fn in_account(mut self, account: &AccountId) -> Self {
        self.account = account.to_string();
        self
    }

    /// With a tag on everything.
    #[must_use]
    pub fn tagged(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.insert(key.into(), value.into());
        self
    }

    /// The account that credentials are of.
    ///
    /// # Errors
    /// When everything would be made, or looked for, in somebody else's.
    pub(crate) fn settle_account(&mut self, account: String) -> Result<(), ConnectError> {
        if !self.account.is_empty() && self.account != account {
            return Err(ConnectError::OtherAccount {
                credentials: account,
                settings: self.account.clone(),
            });
        }
        self.account = account;
        Ok(())
    }

    /// The backend that `settings` describe, in the account that they name or, without one, in that of the credentials.
    pub fn of_settings(settings: &Settings) -> Self {
        let account = settings.account.as_ref();
        Self::new(settings, account.map_or("", AccountId::as_str))
    }

    /// The backend that `settings` describe, in the account with the id `account`.
    pub fn new(settings: &Settings, account: impl Into<String>) -> Self {
        let state = &settings.state;
        let primary = Side {
            name: SideName::Primary,
            region: settings.regions.primary,
            bucket: state.bucket.clone(),
            table: state.lock_table.clone(),
            old_table: state.old_lock_table.clone(),
            encryption: state.encryption.clone(),
        };
        let (dr, role, batch_role, alarms, global_table) = match &state.dr {
            StateDr::None => (None, None, None, None, false),
            StateDr::Replicated(replica) => {
                let global = matches!(replica.locks, ReplicaLocks::GlobalTable);
                let dr = Side {
                    name: SideName::Dr,
                    region: replica.region,
                    bucket: replica.bucket.clone(),
                    table: match &replica.locks {
                        ReplicaLocks::OwnTable(table) => Some(table.clone()),
                        ReplicaLocks::GlobalTable => primary.table.clone(),
                        ReplicaLocks::None => None,
                    },
                    old_table: None,
                    encryption: replica.encryption.clone(),
                };
                (
                    Some(dr),
                    Some(replica.role.clone()),
                    replica.batch_role.clone(),
                    replica.alarms.clone(),
                    global,
                )
            }
        };
        Self {
            account: account.into(),
            primary,
            dr,
            role,
            batch_role,
            alarms,
            global_table,
            holds: Holds::States,
            noncurrent_days: state.noncurrent_days,
            key: state.key.as_str().to_owned(),
            states: StateScope::new(state),
            tags: settings
                .tags
                .iter()
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
        }
    }

    /// The sides there are.
    pub fn sides(&self) -> impl Iterator<Item = &Side> {
        std::iter::once(&self.primary).chain(&self.dr)
    }

    /// The side called `name`; `None` where the settings have no DR side.
    pub fn side(&self, name: SideName) -> Option<&Side> {
        self.sides().find(|side| side.name == name)
    }

    /// The side of a resource, a metric or a lock of this spec, which has it.
    pub(crate) fn own_side(&self, name: SideName) -> &Side {
        match (name, &self.dr) {
            (SideName::Dr, Some(dr)) => dr,
            _ => &self.primary,
        }
    }

    /// `arn:aws:s3:::bucket` of a side.
    pub fn bucket_arn(&self, side: &Side) -> String {
        format!("arn:{}:s3:::{}", side.region.partition(), side.bucket)
    }

    /// The ARN of a side's lock table.
    pub fn table_arn(&self, side: &Side, table: &TableName) -> String {
        let Side { region, .. } = side;
        format!(
            "arn:{}:dynamodb:{region}:{}:table/{table}",
            region.partition(),
            self.account
        )
    }

    /// The ARN of a role of this backend.
    pub fn role_arn(&self, role: &RoleName) -> String {
        format!(
            "arn:{}:iam::{}:role/{role}",
            self.primary.region.partition(),
            self.account
        )
    }
}
