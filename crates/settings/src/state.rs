//! The Terraform state backend, and its copy in the DR region.

use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use toml::de::DeValue;

use crate::document::{Field, Section};
use crate::pairs::{Used, unique};
use crate::{
    BucketName, KmsKeyArn, Region, Regions, RoleName, StateKey, TableName, TopicArn,
    WorkspaceKeyPrefix,
};

/// The Terraform state backend in the primary region, and its copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct State {
    /// The bucket that holds the state.
    pub bucket: BucketName,
    /// The lock table; there exactly when [`Locking::dynamodb`] is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock_table: Option<TableName>,
    /// The lock table that Terraform used before it locked in S3 alone. It is looked at for locks of clients that use it
    /// still, and neither made nor changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_lock_table: Option<TableName>,
    /// The key of the state object, the same in both buckets.
    pub key: StateKey,
    /// The keys of all states, [`State::key`] among them; `None` where every state of the bucket is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<Vec<StateKey>>,
    /// What the states of workspaces have before their names.
    pub workspace_key_prefix: WorkspaceKeyPrefix,
    /// How Terraform locks the state.
    pub locking: Locking,
    /// How the bucket encrypts; a KMS key lies in the primary region.
    pub encryption: Encryption,
    /// Days for which an overwritten or deleted version of the state is kept; at least 1.
    pub noncurrent_days: u32,
    /// The copy in the DR region.
    pub dr: StateDr,
}

/// How Terraform locks the state; at least one of the two. Both together serve a migration from one to the
/// other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Locking {
    /// By a row in a DynamoDB table (`dynamodb_table`; deprecated since Terraform 1.11, and works).
    pub dynamodb: bool,
    /// By a lock object beside the state (`use_lockfile`; Terraform 1.10 and later).
    pub s3: bool,
}

impl Serialize for Locking {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut seq = serializer.serialize_seq(None)?;
        for name in [self.dynamodb.then_some("dynamodb"), self.s3.then_some("s3")]
            .into_iter()
            .flatten()
        {
            seq.serialize_element(name)?;
        }
        seq.end()
    }
}

/// How a bucket encrypts what is put into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// SSE-S3: keys that S3 manages.
    Aes256,
    /// SSE-KMS with this key.
    Kms(KmsKeyArn),
    /// DSSE-KMS, two layers of encryption, with this key.
    Dsse(KmsKeyArn),
}

impl Encryption {
    /// The key of KMS that it encrypts with.
    pub fn kms_key(&self) -> Option<&KmsKeyArn> {
        match self {
            Encryption::Aes256 => None,
            Encryption::Kms(key) | Encryption::Dsse(key) => Some(key),
        }
    }
}

impl Serialize for Encryption {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (mode, key) = match self {
            Encryption::Aes256 => return serializer.serialize_str("AES256"),
            Encryption::Kms(key) => ("kms", key),
            Encryption::Dsse(key) => ("dsse", key),
        };
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(mode, key)?;
        map.end()
    }
}

/// The copy of the state in the DR region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateDr {
    /// There is none: losing the primary region loses the state.
    None,
    /// S3 replicates the state.
    Replicated(Box<StateReplica>),
}

/// What the DR region holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateReplica {
    /// The DR region.
    pub region: Region,
    /// The bucket that S3 replicates to.
    pub bucket: BucketName,
    /// The lock table in the DR region.
    pub locks: ReplicaLocks,
    /// The role that S3 replicates with.
    pub role: RoleName,
    /// The role that S3 takes on for jobs of S3 Batch Replication; without it none is made.
    pub batch_role: Option<RoleName>,
    /// How the replica's bucket encrypts: as the primary bucket does, a KMS key lying in the DR region.
    pub encryption: Encryption,
    /// Whom the alarms of the replication tell; without it there are no alarms.
    pub alarms: Option<AlarmTopics>,
}

/// Topics for alarms. CloudWatch publishes to topics of the alarm's own region, and an alarm lies where its metric is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AlarmTopics {
    /// In the primary region, which counts the failures.
    pub topic: TopicArn,
    /// In the DR region, which measures the lag.
    pub dr_topic: TopicArn,
}

/// The lock table in the DR region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplicaLocks {
    /// A table of its own, which is empty until a failover.
    OwnTable(TableName),
    /// The primary table is a global table with a replica in the DR region, under the same name. Replication
    /// is asynchronous and the last writer wins, so it is no mutex across regions.
    GlobalTable,
    /// None: the state is locked in S3 only.
    None,
}

impl Serialize for StateDr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self {
            StateDr::None => map.serialize_entry("strategy", "none")?,
            StateDr::Replicated(replica) => {
                let StateReplica {
                    region: _,
                    bucket,
                    locks,
                    role,
                    batch_role,
                    encryption,
                    alarms,
                } = replica.as_ref();
                let strategy = if *locks == ReplicaLocks::GlobalTable {
                    "global-table"
                } else {
                    "replication"
                };
                map.serialize_entry("strategy", strategy)?;
                map.serialize_entry("bucket", bucket)?;
                if let ReplicaLocks::OwnTable(table) = locks {
                    map.serialize_entry("lock_table", table)?;
                }
                map.serialize_entry("role", role)?;
                if let Some(role) = batch_role {
                    map.serialize_entry("batch_role", role)?;
                }
                if let Some(key) = encryption.kms_key() {
                    map.serialize_entry("kms", key)?;
                }
                if let Some(alarms) = alarms {
                    map.serialize_entry("alarms", alarms)?;
                }
            }
        }
        map.end()
    }
}

/// The default of `noncurrent_days`: what was deleted can be had back for a quarter.
const NONCURRENT_DAYS: u32 = 90;
/// `NoncurrentDays` is a positive 32-bit integer in S3's API:
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_NoncurrentVersionExpiration.html>.
const MOST_NONCURRENT_DAYS: i128 = i32::MAX as i128;

impl State {
    /// The table that Terraform locks with in the DR region.
    pub fn lock_table_in_dr(&self) -> Option<&TableName> {
        match &self.dr {
            StateDr::None => None,
            StateDr::Replicated(replica) => match &replica.locks {
                ReplicaLocks::OwnTable(table) => Some(table),
                ReplicaLocks::GlobalTable => self.lock_table.as_ref(),
                ReplicaLocks::None => None,
            },
        }
    }

    /// `regions` is `None` when they could not be read; then only what does not depend on them is checked.
    pub(crate) fn read(
        section: Section<'_>,
        regions: Option<&Regions>,
        buckets: &mut Used<BucketName>,
    ) -> Option<State> {
        let bucket = section.required("bucket", "\"berthcare-terraform-state\"");
        let table = section.optional("lock_table", "\"berthcare-terraform-locks\"");
        let old_table = section.optional("old_lock_table", "\"berthcare-terraform-locks\"");
        let key = section.required("key", "\"staging/terraform.tfstate\"");
        let keys = section.optional("keys", "[\"staging/terraform.tfstate\"]");
        let prefix = section.optional("workspace_key_prefix", "\"env:\"");
        let locking = section.required("locking", "[\"dynamodb\", \"s3\"]");
        let encryption = section.optional("encryption", "\"AES256\"");
        let noncurrent_days = section.optional("noncurrent_days", "90");
        let dr = section.optional("dr", "{ bucket = \"…\", lock_table = \"…\", role = \"…\" }");

        let bucket = unique(bucket, buckets);
        let key: Option<StateKey> = key.and_then(|field| field.parse());
        let prefix = match prefix {
            Some(field) => field.parse(),
            None => Some(WorkspaceKeyPrefix::default()),
        };
        let locking = locking.and_then(|field| Some((read_locking(&field)?, field)));
        let lock_table = read_lock_table(table, locking.as_ref());
        let old_lock_table = read_old_lock_table(old_table, locking.as_ref());
        let locking = locking.map(|(locking, _)| locking);
        let keys = match keys {
            Some(field) => read_keys(&field, key.as_ref(), locking).map(Some),
            None => Some(None),
        };
        let encryption = match encryption {
            Some(field) => read_encryption(&field, regions.map(|regions| regions.primary)),
            None => Some(Encryption::Aes256),
        };
        let noncurrent_days = match noncurrent_days {
            Some(field) => read_days(&field),
            None => Some(NONCURRENT_DAYS),
        };
        let dr = match dr {
            Some(field) => field.section().and_then(|section| {
                let primary = Primary {
                    regions,
                    locking,
                    lock_table: lock_table.as_ref().and_then(Option::as_ref),
                    encryption: encryption.as_ref(),
                };
                read_dr(section, &primary, buckets)
            }),
            None => Some(StateDr::None),
        };
        section.close();
        Some(State {
            bucket: bucket?,
            lock_table: lock_table?,
            old_lock_table: old_lock_table?,
            key: key?,
            keys: keys?,
            workspace_key_prefix: prefix?,
            locking: locking?,
            encryption: encryption?,
            noncurrent_days: noncurrent_days?,
            dr: dr?,
        })
    }
}

fn read_locking(field: &Field<'_>) -> Option<Locking> {
    let mut locking = Locking {
        dynamodb: false,
        s3: false,
    };
    let choices: Vec<Option<bool>> = field
        .array()?
        .iter()
        .map(|field| field.choice(&[("dynamodb", true), ("s3", false)]))
        .collect();
    for choice in choices.into_iter().collect::<Option<Vec<bool>>>()? {
        if choice {
            locking.dynamodb = true;
        } else {
            locking.s3 = true;
        }
    }
    if !locking.dynamodb && !locking.s3 {
        return field.invalid(
            "the state would not be locked at all",
            "name \"s3\", \"dynamodb\" or both",
        );
    }
    Some(locking)
}

/// The keys of all states: each once, the one of `state.key` too, and none that Terraform would take for the lock or the
/// digest of another.
fn read_keys(
    field: &Field<'_>,
    key: Option<&StateKey>,
    locking: Option<Locking>,
) -> Option<Vec<StateKey>> {
    let fields = field.array()?;
    let keys: Vec<Option<StateKey>> = fields.iter().map(Field::parse).collect();
    let keys = keys.into_iter().collect::<Option<Vec<StateKey>>>()?;
    if keys.is_empty() {
        return field.invalid(
            "no state would be looked at",
            "name the keys, or leave it out for every state of the bucket",
        );
    }
    let Locking { dynamodb, s3 } = locking.unwrap_or(Locking {
        dynamodb: false,
        s3: false,
    });
    for (index, (key, field)) in keys.iter().zip(&fields).enumerate() {
        if keys[..index].contains(key) {
            return field.conflict(format!("{key} is named twice"), "name each key once");
        }
        let is_key = |other: &str| keys.iter().any(|key| key.as_str() == other);
        let of = |suffix: &str| {
            key.as_str()
                .strip_suffix(suffix)
                .filter(|other| is_key(other))
        };
        if let (true, Some(other)) = (s3, of(".tflock")) {
            return field.conflict(
                format!("{key} is the key of the lock of the state {other}"),
                "give one of the two states another key",
            );
        }
        if let (true, Some(other)) = (dynamodb, of("-md5")) {
            return field.conflict(
                format!("the lock of {key} has the row of the digest of the state {other}"),
                "give one of the two states another key",
            );
        }
    }
    match key {
        Some(key) if !keys.contains(key) => field.conflict(
            format!("{key}, which is state.key, is not among them"),
            format!("add {:?}", key.as_str()),
        ),
        _ => Some(keys),
    }
}

/// The outer `None` says that a problem was reported.
fn read_lock_table(
    table: Option<Field<'_>>,
    locking: Option<&(Locking, Field<'_>)>,
) -> Option<Option<TableName>> {
    let name = match &table {
        Some(field) => Some(field.parse::<TableName>()?),
        None => None,
    };
    let (locking, locking_field) = locking?;
    match (&table, locking.dynamodb) {
        (Some(field), false) => field.conflict(
            "a lock table is named, but locking does not use it",
            "add \"dynamodb\" to locking, or call it old_lock_table: it is then looked at for locks of clients that use it still",
        ),
        (None, true) => {
            let fix = "add `lock_table = \"…\"` to [state], or take \"dynamodb\" out";
            locking_field.conflict("\"dynamodb\" needs a lock table", fix)
        }
        _ => Some(name),
    }
}

/// The outer `None` says that a problem was reported.
fn read_old_lock_table(
    table: Option<Field<'_>>,
    locking: Option<&(Locking, Field<'_>)>,
) -> Option<Option<TableName>> {
    let Some(field) = table else {
        return Some(None);
    };
    let name = field.parse()?;
    match locking?.0.dynamodb {
        true => field.conflict(
            "an old lock table is named, and locking uses DynamoDB",
            "name the table in lock_table, or take \"dynamodb\" out of locking",
        ),
        false => Some(Some(name)),
    }
}

fn read_encryption(field: &Field<'_>, region: Option<Region>) -> Option<Encryption> {
    if let DeValue::Table(_) = field.value() {
        let section = field.section()?;
        let example = "\"arn:aws:kms:REGION:ACCOUNT:key/ID\"";
        let dsse = section.optional("dsse", example);
        let kms = match &dsse {
            Some(_) => section.optional("kms", example),
            None => section.required("kms", example),
        };
        section.close();
        return match (kms, dsse) {
            (Some(_), Some(dsse)) => dsse.conflict(
                "both kms and dsse are set",
                "keep one: dsse encrypts twice with its key, kms once",
            ),
            (None, Some(dsse)) => read_key(&dsse, region, "primary").map(Encryption::Dsse),
            (kms, None) => read_key(&kms?, region, "primary").map(Encryption::Kms),
        };
    }
    if !field.value().is_str() {
        return field.wrong_type("a string or a table");
    }
    match field.string()? {
        "AES256" => Some(Encryption::Aes256),
        other => {
            let fix =
                "write \"AES256\", { kms = \"arn:aws:kms:REGION:ACCOUNT:key/ID\" } or { dsse = … }";
            field.invalid(format!("{other:?} is not a choice here"), fix)
        }
    }
}

/// A key that lies in `region`.
fn read_key(field: &Field<'_>, region: Option<Region>, role: &str) -> Option<KmsKeyArn> {
    let key: KmsKeyArn = field.parse()?;
    match region {
        Some(region) if key.region() != region => field.conflict(
            format!(
                "the key is in {}, and the {role} region is {region}",
                key.region()
            ),
            format!("a bucket encrypts with a key of its own region: name one in {region}"),
        ),
        _ => Some(key),
    }
}

fn read_days(field: &Field<'_>) -> Option<u32> {
    let days = field.integer()?;
    match u32::try_from(days) {
        Ok(whole) if (1..=MOST_NONCURRENT_DAYS).contains(&days) => Some(whole),
        _ => field.invalid(
            format!("{days} days cannot be set"),
            format!("write how many days to keep old versions of the state, from 1 to {MOST_NONCURRENT_DAYS}"),
        ),
    }
}

/// What the primary side of the state says, as far as it could be read.
struct Primary<'a> {
    regions: Option<&'a Regions>,
    locking: Option<Locking>,
    lock_table: Option<&'a TableName>,
    encryption: Option<&'a Encryption>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Strategy {
    Replication,
    GlobalTable,
    None,
}

fn read_dr(
    section: Section<'_>,
    primary: &Primary<'_>,
    buckets: &mut Used<BucketName>,
) -> Option<StateDr> {
    let strategy = section.optional("strategy", "\"replication\"");
    let strategy = match strategy {
        Some(field) => field.choice(&[
            ("replication", Strategy::Replication),
            ("global-table", Strategy::GlobalTable),
            ("none", Strategy::None),
        ]),
        None => Some(Strategy::Replication),
    };
    let examples = [
        ("bucket", "\"berthcare-terraform-state-dr\""),
        ("role", "\"S3TerraformStateReplicationRole\""),
    ];
    let lock_table = section.optional("lock_table", "\"berthcare-terraform-locks-dr\"");
    let batch_role = section.optional("batch_role", "\"S3TerraformStateBatchRole\"");
    let kms = section.optional("kms", "\"arn:aws:kms:REGION:ACCOUNT:key/ID\"");
    let alarms = section.optional("alarms", "{ topic = \"…\", dr_topic = \"…\" }");

    if strategy == Some(Strategy::None) {
        let [bucket, role] = examples.map(|(name, example)| section.optional(name, example));
        section.close();
        let unused: Vec<Field<'_>> = [bucket, lock_table, role, batch_role, kms, alarms]
            .into_iter()
            .flatten()
            .collect();
        for field in &unused {
            field.conflict::<()>(
                "it is set, but strategy is \"none\"",
                "remove it, or choose \"replication\" or \"global-table\"",
            );
        }
        return unused.is_empty().then_some(StateDr::None);
    }
    let [bucket, role] = examples.map(|(name, example)| section.required(name, example));
    let locks =
        strategy.and_then(|strategy| read_replica_locks(&section, strategy, lock_table, primary));
    let encryption = read_replica_encryption(&section, kms, primary);
    let alarms = match alarms {
        Some(field) => field
            .section()
            .and_then(|section| read_alarms(section, primary.regions))
            .map(Some),
        None => Some(None),
    };
    section.close();
    let bucket = unique(bucket, buckets);
    let role: Option<RoleName> = role.and_then(|field| field.parse());
    let batch_role = match batch_role {
        Some(field) => read_batch_role(&field, role.as_ref()).map(Some),
        None => Some(None),
    };
    Some(StateDr::Replicated(Box::new(StateReplica {
        region: primary.regions?.dr,
        bucket: bucket?,
        locks: locks?,
        role: role?,
        batch_role: batch_role?,
        encryption: encryption?,
        alarms: alarms?,
    })))
}

/// Each of the two is assumed by another service of S3's, and by that one alone.
fn read_batch_role(field: &Field<'_>, replication: Option<&RoleName>) -> Option<RoleName> {
    let role = field.parse()?;
    if replication == Some(&role) {
        return field.conflict(
            "it is the role that S3 replicates with",
            "name another one: jobs have a role of their own",
        );
    }
    Some(role)
}

fn read_alarms(section: Section<'_>, regions: Option<&Regions>) -> Option<AlarmTopics> {
    let example = "\"arn:aws:sns:REGION:ACCOUNT:NAME\"";
    let [topic, dr_topic] = ["topic", "dr_topic"].map(|name| section.required(name, example));
    section.close();
    let topic = topic.and_then(|field| read_topic(&field, regions.map(|of| of.primary), "primary"));
    let dr_topic = dr_topic.and_then(|field| read_topic(&field, regions.map(|of| of.dr), "DR"));
    Some(AlarmTopics {
        topic: topic?,
        dr_topic: dr_topic?,
    })
}

fn read_topic(field: &Field<'_>, region: Option<Region>, role: &str) -> Option<TopicArn> {
    let topic: TopicArn = field.parse()?;
    match region {
        Some(region) if topic.region() != region => field.conflict(
            format!(
                "the topic is in {}, and the {role} region is {region}",
                topic.region()
            ),
            format!("an alarm publishes to topics of its own region: name one in {region}"),
        ),
        _ => Some(topic),
    }
}

fn read_replica_locks(
    section: &Section<'_>,
    strategy: Strategy,
    table: Option<Field<'_>>,
    primary: &Primary<'_>,
) -> Option<ReplicaLocks> {
    let name = match &table {
        Some(field) => Some(field.parse::<TableName>()?),
        None => None,
    };
    let locking = primary.locking?;
    match (strategy, table.zip(name)) {
        (Strategy::GlobalTable, _) if !locking.dynamodb => section.conflict(
            "strategy \"global-table\" needs a DynamoDB lock table, and locking does not use one",
            "add \"dynamodb\" to locking, or choose strategy \"replication\"",
        ),
        (Strategy::GlobalTable, Some((field, name))) if primary.lock_table.is_some_and(|table| *table != name) => field.conflict(
            format!("{name} is not the lock table of [state], and a global table has one name in every region"),
            "remove it, or choose strategy \"replication\"",
        ),
        (Strategy::GlobalTable, _) => Some(ReplicaLocks::GlobalTable),
        (_, Some((field, _))) if !locking.dynamodb => {
            field.conflict("a lock table is named, but locking does not use it", "add \"dynamodb\" to locking, or remove this")
        }
        (_, Some((_, name))) => Some(ReplicaLocks::OwnTable(name)),
        (_, None) if locking.dynamodb => section.conflict(
            "locking uses DynamoDB, and there is no lock table for the DR region",
            "add `lock_table = \"…\"` to [state.dr], or choose strategy \"global-table\"",
        ),
        (_, None) => Some(ReplicaLocks::None),
    }
}

fn read_replica_encryption(
    section: &Section<'_>,
    kms: Option<Field<'_>>,
    primary: &Primary<'_>,
) -> Option<Encryption> {
    let key = match &kms {
        Some(field) => Some(read_key(
            field,
            primary.regions.map(|regions| regions.dr),
            "DR",
        )?),
        None => None,
    };
    match (primary.encryption?, kms.zip(key)) {
        (Encryption::Aes256, None) => Some(Encryption::Aes256),
        (Encryption::Aes256, Some((field, _))) => field.conflict(
            "a key is named for the DR region, but the state's own encryption is AES256",
            "encrypt both alike: give [state] an encryption = { kms = … }, or remove this",
        ),
        (Encryption::Kms(_), Some((_, key))) => Some(Encryption::Kms(key)),
        (Encryption::Dsse(_), Some((_, key))) => Some(Encryption::Dsse(key)),
        (Encryption::Kms(_) | Encryption::Dsse(_), None) => section.conflict(
            "the state is encrypted with KMS, and there is no key for the DR region",
            "add `kms = \"arn:aws:kms:REGION:ACCOUNT:key/ID\"`, a key of the DR region: KMS keys are regional",
        ),
    }
}
