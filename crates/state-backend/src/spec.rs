//! What is wanted: the backend as settings describe it, with every name and ARN in place.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use settings::{
    BucketName, Encryption, Region, ReplicaLocks, RoleName, Settings, StateDr, TableName,
};

/// The id of the replication rule. Explicit, because metrics are published under it.
pub const RULE_ID: &str = "terraform-state-to-dr";
/// The lifecycle rule that expires old versions of the state.
pub(crate) const LIFECYCLE_ID: &str = "expire-noncurrent-state";
/// The statement that refuses requests without TLS.
pub(crate) const TLS_SID: &str = "DenyInsecureTransport";
/// The inline policy of the replication role; the guide's name for it.
pub(crate) const ROLE_POLICY: &str = "ReplicationPolicy";
/// Days after which an upload that was never completed is removed.
pub(crate) const ABORT_UPLOAD_DAYS: i32 = 7;

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
pub struct Side {
    /// Primary or DR.
    pub name: SideName,
    /// The region.
    pub region: Region,
    /// The state bucket.
    pub bucket: BucketName,
    /// The lock table, if DynamoDB locks.
    pub table: Option<TableName>,
    /// How the bucket and the table are encrypted.
    pub encryption: Encryption,
}

/// The backend that settings ask for, in an account.
#[derive(Debug, Clone)]
pub struct Spec {
    /// The account id, twelve digits.
    pub account: String,
    /// The primary side.
    pub primary: Side,
    /// The DR side, unless the strategy is `none`.
    pub dr: Option<Side>,
    /// The role that S3 replicates with.
    pub role: Option<RoleName>,
    /// Whether the lock table is one global table instead of one table per region.
    pub global_table: bool,
    /// Days that old versions of the state are kept.
    pub noncurrent_days: u32,
    /// The key of the state object.
    pub key: String,
    /// Tags for everything.
    pub tags: BTreeMap<String, String>,
}

/// What kind of thing a [`Resource`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// An S3 bucket.
    Bucket,
    /// A DynamoDB table.
    Table,
    /// An IAM role.
    Role,
}

/// One bucket, table or role.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Resource {
    /// What it is.
    pub kind: Kind,
    /// Its name.
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
        };
        write!(f, "{kind} {}", self.name)
    }
}

/// One setting of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
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
            Self::Replication => "replication",
            Self::Billing => "billing",
            Self::PointInTimeRecovery => "point-in-time recovery",
            Self::DeletionProtection => "deletion protection",
            Self::Stream => "stream",
            Self::Replica => "global replica",
            Self::Permissions => "permissions",
            Self::Tags => "tags",
        })
    }
}

/// A setting of a resource that is to have a value.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Facet {
    /// Of what.
    #[serde(flatten)]
    pub resource: Resource,
    /// Which setting.
    pub aspect: Aspect,
    /// Its wanted value, in the form in which it is compared and shown.
    pub wanted: Value,
}

impl Spec {
    /// The backend that `settings` describe, in the account with the id `account`.
    pub fn new(settings: &Settings, account: impl Into<String>) -> Self {
        let state = &settings.state;
        let primary = Side {
            name: SideName::Primary,
            region: settings.regions.primary,
            bucket: state.bucket.clone(),
            table: state.lock_table.clone(),
            encryption: state.encryption.clone(),
        };
        let (dr, role, global_table) = match &state.dr {
            StateDr::None => (None, None, false),
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
                    encryption: replica.encryption.clone(),
                };
                (Some(dr), Some(replica.role.clone()), global)
            }
        };
        Self {
            account: account.into(),
            primary,
            dr,
            role,
            global_table,
            noncurrent_days: state.noncurrent_days,
            key: state.key.as_str().to_owned(),
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

    /// The side called `name`; the primary one if there is no DR side.
    pub fn side(&self, name: SideName) -> &Side {
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

    /// The ARN of the replication role.
    pub fn role_arn(&self, role: &RoleName) -> String {
        format!(
            "arn:{}:iam::{}:role/{role}",
            self.primary.region.partition(),
            self.account
        )
    }

    /// Who may assume the replication role: S3, on behalf of this bucket of this account only
    /// (the [confused deputy](https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html) guard).
    pub fn trust_policy(&self) -> Value {
        json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Sid": "S3ReplicatesTheStateBucket",
                "Effect": "Allow",
                "Principal": {"Service": "s3.amazonaws.com"},
                "Action": "sts:AssumeRole",
                "Condition": {
                    "StringEquals": {"aws:SourceAccount": self.account},
                    "ArnLike": {"aws:SourceArn": self.bucket_arn(&self.primary)},
                },
            }],
        })
    }

    /// What the replication role may do, no more: see
    /// [replication permissions](https://docs.aws.amazon.com/AmazonS3/latest/userguide/setting-repl-config-perm-overview.html).
    pub fn role_policy(&self, dr: &Side) -> Value {
        let source = self.bucket_arn(&self.primary);
        let target = self.bucket_arn(dr);
        let mut statements = vec![
            json!({
                "Sid": "ReadConfiguration",
                "Effect": "Allow",
                "Action": ["s3:GetReplicationConfiguration", "s3:ListBucket"],
                "Resource": source,
            }),
            json!({
                "Sid": "ReadVersions",
                "Effect": "Allow",
                "Action": [
                    "s3:GetObjectVersionForReplication",
                    "s3:GetObjectVersionAcl",
                    "s3:GetObjectVersionTagging",
                ],
                "Resource": format!("{source}/*"),
            }),
            json!({
                "Sid": "WriteReplicas",
                "Effect": "Allow",
                "Action": ["s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags"],
                "Resource": format!("{target}/*"),
            }),
        ];
        let grants = [
            ("DecryptSource", "kms:Decrypt", &self.primary, source),
            ("EncryptReplicas", "kms:Encrypt", dr, target),
        ];
        for (sid, action, side, bucket) in grants {
            if let Encryption::Kms(key) = &side.encryption {
                statements.push(json!({
                    "Sid": sid,
                    "Effect": "Allow",
                    "Action": [action],
                    "Resource": key.as_str(),
                    "Condition": {"StringLike": {
                        "kms:ViaService": format!("s3.{}.amazonaws.com", side.region),
                        "kms:EncryptionContext:aws:s3:arn": [format!("{bucket}/*")],
                    }},
                }));
            }
        }
        json!({"Version": "2012-10-17", "Statement": statements})
    }

    /// The bucket policy statement that refuses plain HTTP.
    pub fn tls_statement(&self, side: &Side) -> Value {
        let bucket = self.bucket_arn(side);
        json!({
            "Sid": TLS_SID,
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [bucket, format!("{bucket}/*")],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        })
    }

    /// Every facet, in the order in which it can be made true: replication last, since it needs
    /// both buckets, versioned, and the role.
    pub fn facets(&self) -> Vec<Facet> {
        let mut facets = Vec::new();
        for side in self.sides() {
            facets.extend(crate::bucket::facets(self, side));
            if let Some(table) = &side.table {
                facets.extend(crate::table::facets(self, side, table));
            }
        }
        if let (Some(role), Some(dr)) = (&self.role, &self.dr) {
            facets.extend(crate::role::facets(self, role, dr));
            facets.push(crate::bucket::replication_facet(self, role, dr));
        }
        facets
    }
}
