//! A drill next to the environment: its failover, by names of the drill's own, over copies of its own, in the DR region alone.
//!
//! Of the environment recovery points, states and objects in the DR region are read, and nothing is changed. What the drill
//! makes is called `drill-ID-N`, and carries the drill's ID, the environment and the time from which anybody may take it away.
//! Nothing else is ever taken away: a name alone proves nothing.

mod cost;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use aws_env::{
    BodyError, DrOnly, Error, RegionClients, delete_objects, list_keys, list_versions, pages,
    read_body,
};
use aws_sdk_s3::error::BuildError;
use aws_sdk_s3::types::{
    BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration,
    PublicAccessBlockConfiguration, Tag, Tagging, VersioningConfiguration,
};
use dr::database::{Deletion, LastCopy, RdsClients, RetireError, Whose, delete_instance};
use dr::objects::{
    ApplyOptions, Bucket, Mode as Proof, OwnCopies, PlanOptions, Policy, Run, S3Location, apply,
    plan,
};
use futures::FutureExt as _;
use jiff::Timestamp;
use report::{Document, Mark, Observer, Report};
use serde::{Deserialize, Deserializer, Serialize};
use settings::{
    BucketName, DbIdentifier, JOURNAL, Locking, NameError, RUNS, Region, ReplicaLocks,
    RestoreOptions, Settings, StateDr, TagsError,
};
use tokio::sync::watch;

use crate::failover::look_and_plan;
use crate::lease::causes;
use crate::record::Digest;
use crate::steps::planned::WAITER;
use crate::{Declared, FailoverRequest, Host, ObjectRuns, Plan};

pub use self::cost::DrillCost;

/// The tag with the ID of the drill.
pub const DRILL: &str = "dr-drill";
/// The tag with the project and environment next to which it is held.
const ENVIRONMENT: &str = "dr-drill:environment";
/// The tag with the time from which anybody may take it away.
const EXPIRES: &str = "dr-drill:expires";
/// What every name begins with.
const PREFIX: &str = "drill-";
/// Ranges of a bucket that are listed at once.
const LISTINGS: usize = 4;
/// Bytes of a state: far more than Terraform writes.
const MOST_STATE: u64 = 256 << 20;
/// The region whose buckets have no constraint
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html>).
const WITHOUT_CONSTRAINT: &str = "us-east-1";

/// Why a drill cannot be held next to an environment, or its things cannot be taken away.
#[derive(Debug, thiserror::Error)]
pub enum IsolatedError {
    /// There is no copy of the state, and so nowhere for records.
    #[error("the settings have no copy of the state in the DR region")]
    NoCopy,
    /// A name that comes of the settings is none.
    #[error("the drill's name for {what} is none")]
    Name {
        /// What it would be of.
        what: String,
        /// What is wrong with it.
        #[source]
        source: NameError,
    },
    /// The settings leave no room for the drill's tags.
    #[error(transparent)]
    Tags(#[from] TagsError),
    /// AWS did not answer, or refused.
    #[error(transparent)]
    Aws(Box<Error>),
    /// Objects were not copied.
    #[error("{bucket} was not copied: {problem}")]
    Objects {
        /// The bucket in the DR region.
        bucket: BucketName,
        /// What went wrong, or how many objects were not copied.
        problem: String,
    },
    /// An instance was not deleted.
    #[error(transparent)]
    Instance(#[from] RetireError),
    /// It is not what it was, or was never the drill's.
    #[error("{0} is not proven to be of the drill")]
    NotProven(String),
}

impl From<Error> for IsolatedError {
    fn from(error: Error) -> Self {
        Self::Aws(Box::new(error))
    }
}

/// What a drill is called: 64 random bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DrillId(pub u64);

/// A text is no ID of a drill.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no ID of a drill: it has 16 digits of 0-9 and a-f")]
pub struct DrillIdError(String);

impl<'de> Deserialize<'de> for DrillId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for DrillId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for DrillId {
    type Err = DrillIdError;

    fn from_str(text: &str) -> Result<Self, DrillIdError> {
        let error = || DrillIdError(text.to_owned());
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        match text.len() == 16 && text.bytes().all(is_digit) {
            true => u64::from_str_radix(text, 16).map(Self).map_err(|_| error()),
            false => Err(error()),
        }
    }
}

impl Serialize for DrillId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The drill that a name is of.
fn drill_of(name: &str) -> Option<DrillId> {
    let (id, number) = name.strip_prefix(PREFIX)?.split_once('-')?;
    number.parse::<u32>().ok()?;
    id.parse().ok()
}

/// A drill, and the environment as it has it.
#[derive(Debug)]
pub struct Isolated {
    /// What it is called.
    pub id: DrillId,
    /// From when anybody may take it away.
    pub expires: Timestamp,
    /// The environment with the drill's names: a failover by these changes nothing else.
    pub settings: Settings,
    /// What is copied, and where to. The first is of the states, and has the records of the run as well.
    copies: Vec<(BucketName, BucketName)>,
}

impl Isolated {
    /// The drill of an environment.
    ///
    /// # Errors
    /// When the environment has no copy of its state in the DR region, or its names leave no room.
    pub fn of(settings: &Settings, id: DrillId, expires: Timestamp) -> Result<Self, IsolatedError> {
        let named = |what: &str, number: usize| {
            let name: Result<BucketName, NameError> = format!("{PREFIX}{id}-{number}").parse();
            name.map_err(|source| IsolatedError::Name {
                what: what.to_owned(),
                source,
            })
        };
        let mut own = settings.clone();
        let StateDr::Replicated(replica) = &mut own.state.dr else {
            return Err(IsolatedError::NoCopy);
        };
        let states = named("the states", 0)?;
        let mut copies = vec![(replica.bucket.clone(), states.clone())];
        replica.bucket = states;
        replica.locks = ReplicaLocks::None;
        own.state.lock_table = None;
        own.state.old_lock_table = None;
        own.state.locking = Locking {
            dynamodb: false,
            s3: true,
        };
        own.journal_bucket = None;
        for (number, bucket) in (1..).zip(&mut own.buckets) {
            let copy = named(bucket.dr.as_str(), number)?;
            copies.push((bucket.dr.clone(), copy.clone()));
            bucket.dr = copy;
            bucket.dr_owner = None;
        }
        for (number, database) in (1..).zip(&mut own.databases) {
            let name: Result<DbIdentifier, NameError> = format!("{PREFIX}{id}-{number}").parse();
            database.dr_id = name.map_err(|source| IsolatedError::Name {
                what: database.id.to_string(),
                source,
            })?;
            // A secret is the environment's. A tunnel leads to its database, and not to the drill's.
            database.secrets.clear();
            if let Some(integrity) = &mut database.integrity {
                integrity.via = None;
            }
            // Nothing that would be left behind: groups of logs, protection from deletion, secrets.
            if let Some(restore) = &mut database.restore {
                restore.options = RestoreOptions::default();
            }
        }
        own.failover.terraform = None;
        own.failover.variables.clear();
        own.failover.restored_database = None;
        own.failover.marker_bucket = None;
        own.hooks.clear();
        let environment = settings.name();
        let name = format!("{}-drill", settings.environment).parse();
        own.environment = name.map_err(|source| IsolatedError::Name {
            what: environment.clone(),
            source,
        })?;
        own.tags = own
            .tags
            .with(DRILL, &id.to_string())?
            .with(ENVIRONMENT, &environment)?
            .with(EXPIRES, &format!("{expires:.0}"))?;
        Ok(Self {
            id,
            expires,
            settings: own,
            copies,
        })
    }

    /// Plans the failover of the drill. Looks at the DR region alone and changes nothing.
    pub async fn plan(&self, account: Option<String>, dr: &DrOnly, host: &impl Host) -> Plan {
        let digest = Digest::of_settings(&self.settings);
        let request = FailoverRequest {
            settings: &self.settings,
            settings_digest: digest.unwrap_or_else(|_| Digest::of(&[])),
            account,
            declared: Declared {
                lost: vec![self.settings.regions.primary],
                evidence: Vec::new(),
                declaration: None,
                declared: host.now(),
                exercise: true,
            },
            despite_residency: None,
            fault: None,
            at: dr::database::At::Latest,
            versions: std::collections::BTreeMap::new(),
        };
        Plan {
            drill: Some(self.id),
            ..look_and_plan(request, dr, host).await.0
        }
    }

    /// Makes the drill's buckets and copies what they are copies of, so that the environment is only read.
    ///
    /// # Errors
    /// When a bucket cannot be made, or not everything could be copied. What was made stays: [`find_drills`] finds it.
    pub async fn prepare(
        &self,
        dr: &DrOnly,
        objects: &ObjectRuns,
        plan: &Plan,
        stop: &watch::Receiver<bool>,
        observer: &dyn Observer,
    ) -> Result<(), IsolatedError> {
        let clients = dr.region().clients();
        for (source, copy) in &self.copies {
            self.make(&clients, source, copy).await?;
        }
        let mut copies = self.copies.iter();
        if let Some((source, copy)) = copies.next() {
            copy_states(&clients, source, copy).await?;
        }
        for (number, (source, copy)) in copies.enumerate() {
            let run = format!("{}-copy-{number}", plan.run);
            let of = (source, copy);
            let copied = copy_objects(&clients, of, objects, (&run, plan.planned), stop, observer);
            copied.boxed_local().await?;
        }
        Ok(())
    }

    /// A bucket that is encrypted as what it is a copy of. Whose it is comes first.
    async fn make(
        &self,
        clients: &RegionClients,
        source: &BucketName,
        copy: &BucketName,
    ) -> Result<(), IsolatedError> {
        let call = |operation| clients.call("S3", operation, format!("bucket {copy}"));
        let mut create = clients.s3.create_bucket().bucket(copy.as_str());
        if clients.region.as_str() != WITHOUT_CONSTRAINT {
            let location = BucketLocationConstraint::from(clients.region.as_str());
            let location = CreateBucketConfiguration::builder().location_constraint(location);
            create = create.create_bucket_configuration(location.build());
        }
        let created = create.send().await;
        created.map_err(|error| call("CreateBucket").failed(error))?;
        let unbuilt =
            |error: BuildError| Error::unexpected(call("PutBucketTagging"), error.to_string());
        let tags = self.settings.tags.iter();
        let tags: Result<Vec<Tag>, BuildError> = tags
            .map(|(key, value)| Tag::builder().key(key).value(value).build())
            .collect();
        let tagging = Tagging::builder().set_tag_set(Some(tags.map_err(unbuilt)?));
        let tagging = tagging.build().map_err(unbuilt)?;
        let put = clients.s3.put_bucket_tagging().bucket(copy.as_str());
        let put = put.tagging(tagging).send().await;
        put.map_err(|error| call("PutBucketTagging").failed(error))?;
        let block = PublicAccessBlockConfiguration::builder()
            .block_public_acls(true)
            .ignore_public_acls(true)
            .block_public_policy(true)
            .restrict_public_buckets(true);
        let put = clients.s3.put_public_access_block().bucket(copy.as_str());
        let put = put.public_access_block_configuration(block.build());
        let put = put.send().await;
        put.map_err(|error| call("PutPublicAccessBlock").failed(error))?;
        let versioning = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled);
        let put = clients.s3.put_bucket_versioning().bucket(copy.as_str());
        let put = put.versioning_configuration(versioning.build());
        let put = put.send().await;
        put.map_err(|error| call("PutBucketVersioning").failed(error))?;
        let get = clients.s3.get_bucket_encryption().bucket(source.as_str());
        let of_source = clients.call("S3", "GetBucketEncryption", format!("bucket {source}"));
        let encryption = match get.send().await.map_err(|error| of_source.failed(error)) {
            Ok(found) => found.server_side_encryption_configuration,
            Err(error)
                if error.code.as_deref()
                    == Some("ServerSideEncryptionConfigurationNotFoundError") =>
            {
                None
            }
            Err(error) => return Err(error.into()),
        };
        if let Some(encryption) = encryption {
            let put = clients.s3.put_bucket_encryption().bucket(copy.as_str());
            let put = put.server_side_encryption_configuration(encryption);
            let put = put.send().await;
            put.map_err(|error| call("PutBucketEncryption").failed(error))?;
        }
        Ok(())
    }
}

/// Whether a key is of a state, and not of a lock, a record of a run or a journal: a lock of somebody is none of the drill.
fn is_state(key: &str) -> bool {
    !key.starts_with(JOURNAL) && !key.starts_with(RUNS) && !key.ends_with(".tflock")
}

async fn copy_states(
    clients: &RegionClients,
    source: &BucketName,
    copy: &BucketName,
) -> Result<(), IsolatedError> {
    let keys = list_keys(clients, source.as_str(), "").await?;
    for key in keys.iter().filter(|key| is_state(key)) {
        let call = clients.call("S3", "GetObject", format!("{source}/{key}"));
        let get = clients.s3.get_object().bucket(source.as_str()).key(key);
        let got = get
            .send()
            .await
            .map_err(|error| call.clone().failed(error))?;
        let bytes = read_body(got.body, MOST_STATE).await;
        let bytes = bytes.map_err(|error: BodyError| error.of(call))?;
        let call = clients.call("S3", "PutObject", format!("{copy}/{key}"));
        let put = clients.s3.put_object().bucket(copy.as_str()).key(key);
        let put = put.body(bytes.into()).send().await;
        put.map_err(|error| call.failed(error))?;
    }
    Ok(())
}

async fn copy_objects(
    clients: &RegionClients,
    (source, copy): (&BucketName, &BucketName),
    objects: &ObjectRuns,
    (run, started): (&str, Timestamp),
    stop: &watch::Receiver<bool>,
    observer: &dyn Observer,
) -> Result<(), IsolatedError> {
    let failed = |problem: String| IsolatedError::Objects {
        bucket: source.clone(),
        problem,
    };
    let open = |name: &BucketName| Bucket::new(clients, S3Location::whole(name.clone()));
    let (from, to) = (open(source), open(copy));
    let folder: PathBuf = objects.folder.join(format!("plan-{run}"));
    files::create_secret_folder(&folder).map_err(|error| failed(causes(&error)))?;
    let options = PlanOptions {
        mode: Proof::Auto,
        headers: false,
        delete: false,
        leave_unproven: false,
        listings: LISTINGS,
        own_copies: OwnCopies::default(),
    };
    let planned = plan(&from, &to, &options, &folder).boxed_local().await;
    let planned = planned.map_err(|error| failed(causes(&error)))?;
    let journal = Run {
        run: run.to_owned(),
        command: "drill".to_owned(),
        started,
        source: from.location().to_string(),
        destination: to.location().to_string(),
    };
    let options = ApplyOptions {
        runs: objects.folder.clone(),
        journals: None,
        journal_key: objects.key.clone(),
        kms_key: None,
        concurrency: objects.concurrency,
    };
    let approved = planned.approve(&Policy::default());
    let approved = approved.map_err(|refusals| failed(refusals.to_string()))?;
    let done = apply(approved, &journal, &options, stop.clone(), observer);
    let done = done.boxed_local().await;
    let done = done.map_err(|error| failed(causes(&error)))?;
    // Keys may be those of patients.
    std::fs::remove_dir_all(&folder).map_err(|error| failed(error.to_string()))?;
    match (done.interrupted, done.failed.tally.objects) {
        (true, _) => Err(failed("interrupted".to_owned())),
        (false, 0) => Ok(()),
        (false, left) => Err(failed(format!("{left} objects failed"))),
    }
}

/// What proves that something is the drill's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum DrillThing {
    /// A bucket that carries the drill's tags.
    Bucket,
    /// A bucket of the drill's name without any tag: who made it died before. It is taken away only if it holds nothing.
    UntaggedBucket,
    /// An instance that carries the drill's tags, as it was seen.
    Instance {
        /// Its ARN, which names region and account.
        arn: String,
        /// Its resource ID, which no later instance of the same name has.
        resource_id: String,
    },
}

/// Something that a drill has made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Leftover {
    /// The drill.
    pub drill: DrillId,
    /// Its name.
    pub name: String,
    /// From when anybody may take it away; nobody knows it of a bucket without tags.
    pub expires: Option<Timestamp>,
    /// What it is.
    #[serde(flatten)]
    pub thing: DrillThing,
}

/// What drills next to an environment have made and not taken away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Leftovers {
    /// The region.
    pub region: Region,
    /// Each thing.
    pub things: Vec<Leftover>,
}

impl Report for Leftovers {
    const KIND: &'static str = "drill-leftovers";

    fn document(&self) -> Document {
        let rows = self.things.iter().map(|thing| {
            let what = match thing.thing {
                DrillThing::Bucket => "bucket",
                DrillThing::UntaggedBucket => "bucket without tags",
                DrillThing::Instance { .. } => "DB instance",
            };
            let expires = thing
                .expires
                .map_or_else(|| "not known".to_owned(), crate::view::time);
            let cells = vec![
                thing.name.clone(),
                what.to_owned(),
                thing.drill.to_string(),
                expires,
            ];
            (Mark::Unknown, cells)
        });
        let document = Document::new().heading(format!("What drills have left in {}", self.region));
        match self.things.is_empty() {
            true => document.text("Nothing."),
            false => document.table(["Name", "What", "Drill", "Expires"], rows.collect()),
        }
    }
}

/// What drills next to the environment of these settings have made in the DR region, by its tags.
///
/// # Errors
/// When AWS does not list it: then nobody knows.
pub async fn find_drills(settings: &Settings, dr: &DrOnly) -> Result<Leftovers, IsolatedError> {
    let environment = settings.name();
    let region = dr.region().region();
    let mut things = Vec::new();
    for instance in RdsClients::new(dr.region()).instances().await? {
        let Some(drill) = drill_of(&instance.id) else {
            continue;
        };
        let is_ours = instance.tag(DRILL) == Some(&drill.to_string())
            && instance.tag(ENVIRONMENT) == Some(&environment);
        if let (true, Some(resource_id)) = (is_ours, instance.resource_id.clone()) {
            things.push(Leftover {
                drill,
                expires: instance.tag(EXPIRES).and_then(|time| time.parse().ok()),
                name: instance.id.clone(),
                thing: DrillThing::Instance {
                    arn: instance.arn.clone(),
                    resource_id,
                },
            });
        }
    }
    let clients = dr.region().clients();
    let call = clients.call("S3", "ListBuckets", "this account");
    let list = clients.s3.list_buckets().prefix(PREFIX);
    let list = list.bucket_region(region.as_str()).into_paginator();
    let listed = pages(call, list.send()).await?;
    for bucket in listed.iter().flat_map(|page| page.buckets()) {
        let name = bucket.name().unwrap_or_default();
        let Some(drill) = drill_of(name) else {
            continue;
        };
        if let Some((thing, expires)) = look_at_bucket(&clients, name, drill, &environment).await? {
            things.push(Leftover {
                drill,
                name: name.to_owned(),
                expires,
                thing,
            });
        }
    }
    Ok(Leftovers { region, things })
}

/// What the tags of a bucket make it; `None` where it is another environment's, or gone.
async fn look_at_bucket(
    clients: &RegionClients,
    name: &str,
    drill: DrillId,
    environment: &str,
) -> Result<Option<(DrillThing, Option<Timestamp>)>, Error> {
    let call = clients.call("S3", "GetBucketTagging", format!("bucket {name}"));
    let get = clients.s3.get_bucket_tagging().bucket(name).send().await;
    let tags = match get.map_err(|error| call.failed(error)) {
        Ok(found) => found.tag_set,
        Err(error) if error.code.as_deref() == Some("NoSuchTagSet") => Vec::new(),
        Err(error) if error.code.as_deref() == Some("NoSuchBucket") => return Ok(None),
        Err(error) => return Err(error),
    };
    if tags.is_empty() {
        return Ok(Some((DrillThing::UntaggedBucket, None)));
    }
    let tag = |key: &str| {
        let mut tags = tags.iter();
        tags.find(|tag| tag.key == key)
            .map(|tag| tag.value.as_str())
    };
    let is_ours = tag(DRILL) == Some(&*drill.to_string()) && tag(ENVIRONMENT) == Some(environment);
    let expires = tag(EXPIRES).and_then(|time| time.parse().ok());
    Ok(is_ours.then_some((DrillThing::Bucket, expires)))
}

impl Leftover {
    /// Takes it away, after it has proven once more what it is. What an instance holds is gone with it: what it was restored
    /// from has to be there and good.
    ///
    /// # Errors
    /// When it is not what it was, or AWS refuses.
    pub async fn remove(
        &self,
        settings: &Settings,
        dr: &DrOnly,
        observer: &dyn Observer,
    ) -> Result<(), IsolatedError> {
        match &self.thing {
            DrillThing::Instance { arn, resource_id } => {
                let deletion = Deletion {
                    instance: self.name.clone(),
                    whose: Whose::Known {
                        arn: arn.clone(),
                        resource_id: resource_id.clone(),
                    },
                    last_copy: LastCopy::RecoveryPoint,
                };
                let site = RdsClients::new(dr.region());
                let deleted = delete_instance(&site, &deletion, WAITER, observer);
                Ok(deleted.boxed_local().await?)
            }
            DrillThing::Bucket | DrillThing::UntaggedBucket => {
                let clients = dr.region().clients();
                let environment = settings.name();
                let looked = look_at_bucket(&clients, &self.name, self.drill, &environment).await?;
                match looked {
                    None => return Err(IsolatedError::NotProven(self.name.clone())),
                    // It has to be empty: S3 deletes no other.
                    Some((DrillThing::UntaggedBucket, _)) => {}
                    Some(_) => empty(&clients, &self.name).await?,
                }
                let call = clients.call("S3", "DeleteBucket", format!("bucket {}", self.name));
                let delete = clients.s3.delete_bucket().bucket(&self.name).send().await;
                match delete.map_err(|error| call.failed(error)) {
                    // An answer that was lost is asked for once more.
                    Err(error) if error.code.as_deref() != Some("NoSuchBucket") => {
                        Err(error.into())
                    }
                    _ => Ok(()),
                }
            }
        }
    }
}

/// Every version that a bucket holds goes.
async fn empty(clients: &RegionClients, bucket: &str) -> Result<(), Error> {
    let versions = list_versions(clients, bucket, "").await?.into_iter();
    let all: Vec<_> = versions.map(|of| (of.key, of.version_id)).collect();
    let call = clients.call("S3", "DeleteObjects", format!("bucket {bucket}"));
    delete_objects(&clients.s3, &call, bucket, &all).await
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn settings() -> Settings {
        let text = include_str!("../../../examples/berthcare-staging/infra.toml");
        Settings::parse(text, date(2026, 11, 30)).unwrap()
    }

    #[test]
    fn isolated_has_no_name_of_the_environment_that_a_failover_would_change() {
        let settings = settings();
        let expires = "2026-12-01T03:15:00Z".parse().unwrap();
        let drill = Isolated::of(&settings, DrillId(7), expires).unwrap();
        let own = &drill.settings;
        let StateDr::Replicated(replica) = &own.state.dr else {
            panic!("{own:?}");
        };
        let databases = own.databases.iter().map(|database| database.dr_id.as_str());
        let buckets = own.buckets.iter().map(|bucket| bucket.dr.as_str());
        let mut names: Vec<&str> = buckets.chain(databases).collect();
        names.push(replica.bucket.as_str());
        for name in &names {
            assert_eq!(drill_of(name), Some(DrillId(7)), "{name}");
        }
        assert_eq!(names.len(), 5);
        assert_eq!(own.journals(), Some(&replica.bucket));
        assert_eq!(own.environment.as_str(), "staging-drill");
        assert!(own.hooks.is_empty() && own.failover.terraform.is_none());
        assert!(own.failover.marker_bucket.is_none() && own.state.lock_table.is_none());
        assert!(
            own.databases
                .iter()
                .all(|database| database.secrets.is_empty())
        );
        assert_eq!(own.tags.get(DRILL), Some("0000000000000007"));
        assert_eq!(own.tags.get(ENVIRONMENT), Some("berthcare-staging"));
        assert_eq!(own.tags.get(EXPIRES), Some("2026-12-01T03:15:00Z"));
        assert_eq!(own.tags.get("Owner"), Some("platform"));
    }

    #[test]
    fn drill_of_a_name_wants_all_of_it() {
        assert_eq!(drill_of("drill-00000000000000ff-1"), Some(DrillId(255)));
        for other in [
            "drill-00000000000000ff",
            "drill-00000000000000FF-1",
            "drill-0ff-1",
            "drill-00000000000000ff-photos",
            "berthcare-drill-00000000000000ff-1",
        ] {
            assert_eq!(drill_of(other), None, "{other}");
        }
    }
}
