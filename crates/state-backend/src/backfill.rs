//! Objects that replication has not brought to the DR side, since they were there before it, copied there.
//!
//! S3 replicates what is written after a rule is in force, and nothing else:
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-what-is-isnot-replicated.html>.

use std::collections::BTreeSet;
use std::time::Instant;

use aws_env::{Error, ErrorClass, list_keys};
use aws_sdk_s3::types::{ReplicationStatus, StorageClass};
use futures::stream::{StreamExt as _, iter};
use jiff::Timestamp;
use report::{Document, Mark, Observer, Outcome, Report, ShellCommand};
use serde::{Serialize, Serializer};
use settings::{JOURNAL, Region};

use crate::backend::Backend;
use crate::canary;
use crate::inventory::read::{self, AT_ONCE};
use crate::inventory::{StateId, StateObject};
use crate::problem::Problem;
use crate::repair::RepairError;
use crate::side::SideAccess;
use crate::spec::{SideName, Spec};

/// Objects of more bytes than this are left to S3 itself. A state of 1,000 resources has 4 MB, and one copy has to end
/// within the time that a call may take.
const MOST_BYTES: u64 = 64 << 20;
/// More objects than this are left to S3 itself, all of them.
const MOST_OBJECTS: usize = 10_000;

/// Why an object is not in the DR bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BackfillReason {
    /// It has no replication status: it was written before the rule was in force, or the rule did not cover it.
    NeverReplicated,
    /// S3 says FAILED, and does not try again by itself.
    Failed,
    /// S3 says that replication has not delivered it yet.
    Pending,
    /// S3 says that it was delivered.
    Delivered,
    /// It came by replication itself, and is not replicated on.
    Replica,
}

/// Why an object is not copied, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum NotCopied {
    /// The DR side has another object under that key.
    Differs,
    /// It was deleted there.
    Deleted,
    /// Replication is about to bring it.
    Pending,
    /// It is archived, and cannot be read before it is restored.
    Archived,
    /// It is too large, or one of too many: for S3 Batch Replication.
    ForBatch,
    /// Somebody holds its lock on the DR side, and is about to write it there.
    Locked,
    /// It changed while it was looked at.
    Changed,
}

/// Where an object stands.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum BackfillOutcome {
    /// It is to be copied.
    Planned,
    /// It was copied, and read back.
    Copied,
    /// It is not copied.
    Left {
        /// Why not.
        left: LeftObject,
    },
    /// It could not be asked for, or copied.
    Unknown {
        /// The error.
        problem: Problem,
    },
}

/// Why an object is not copied.
#[derive(Debug, Clone, Serialize)]
pub struct LeftObject {
    /// In a word.
    pub kind: NotCopied,
    /// In a sentence.
    pub text: String,
}

/// An object of the primary bucket that the DR bucket does not have as it is.
#[derive(Debug, Clone, Serialize)]
pub struct BackfillObject {
    /// Its key.
    pub key: String,
    /// The state that it is; null of another object.
    pub state: Option<StateId>,
    /// The version that is copied; null in a bucket without versions.
    pub version: Option<String>,
    /// Its size in bytes; null where it could not be asked.
    pub bytes: Option<u64>,
    /// Why it is not there; null where it could not be asked.
    pub reason: Option<BackfillReason>,
    /// Where it stands.
    #[serde(flatten)]
    pub outcome: BackfillOutcome,
}

/// What a backfill would do, or did.
#[derive(Debug, Clone, Serialize)]
pub struct Backfill {
    /// When it was asked for.
    pub time: Timestamp,
    /// The primary region.
    pub from: Region,
    /// Its bucket.
    pub from_bucket: String,
    /// The DR region.
    pub to: Region,
    /// Its bucket.
    pub to_bucket: String,
    /// Objects that both sides have alike.
    pub replicated: usize,
    /// The others, states first, then by key.
    pub objects: Vec<BackfillObject>,
    /// The command that has S3 replicate what is not copied here; null where there is nothing of that.
    #[serde(serialize_with = "text")]
    pub batch: Option<ShellCommand>,
}

fn text<S: Serializer>(command: &Option<ShellCommand>, serializer: S) -> Result<S::Ok, S::Error> {
    match command {
        Some(command) => serializer.collect_str(command),
        None => serializer.serialize_none(),
    }
}

/// A backfill that somebody has agreed to: all that [`Backend::backfill`] takes.
///
/// ```compile_fail,E0308
/// # async fn f(backend: &state_backend::Backend, plan: state_backend::Backfill) {
/// backend.backfill(&plan, &report::Silent).await;
/// # }
/// ```
///
/// ```
/// # async fn f(backend: &state_backend::Backend, plan: state_backend::Backfill) {
/// backend.backfill(&plan.approve(), &report::Silent).await;
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ApprovedBackfill(Backfill);

/// Why nothing can be said of what is to be copied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackfillError {
    /// There is no DR side.
    #[error("the settings name no DR region")]
    NoDrSide,
    /// A region did not answer when the backend was connected, and is not asked again.
    #[error("{0}")]
    RegionLost(Problem),
    /// A bucket cannot be listed.
    #[error(transparent)]
    Call(#[from] Error),
}

/// What S3 says of an object of the primary bucket.
struct Head {
    version: Option<String>,
    bytes: u64,
    reason: BackfillReason,
    is_archived: bool,
}

impl Backfill {
    /// How many objects are to be copied.
    pub fn planned(&self) -> usize {
        self.count(|outcome| matches!(outcome, BackfillOutcome::Planned))
    }

    fn count(&self, of: fn(&BackfillOutcome) -> bool) -> usize {
        let objects = self.objects.iter();
        objects.filter(|object| of(&object.outcome)).count()
    }

    /// What is left and what is not known stays as it is; the rest may be copied.
    pub fn approve(self) -> ApprovedBackfill {
        ApprovedBackfill(self)
    }

    fn settle(&mut self, spec: &Spec) {
        if self.planned() > MOST_OBJECTS {
            let planned =
                |object: &&mut BackfillObject| matches!(object.outcome, BackfillOutcome::Planned);
            for object in self.objects.iter_mut().filter(planned) {
                object.outcome = left(
                    NotCopied::ForBatch,
                    format!("it is one of more than {MOST_OBJECTS}"),
                );
            }
        }
        let is_for_batch = |object: &BackfillObject| matches!(&object.outcome, BackfillOutcome::Left { left } if left.kind == NotCopied::ForBatch);
        self.batch = self
            .objects
            .iter()
            .any(is_for_batch)
            .then(|| batch_command(spec));
        self.objects
            .sort_by(|a, b| (a.state.is_none(), &a.key).cmp(&(b.state.is_none(), &b.key)));
    }
}

/// The manifest is made by S3 itself, of what has not been replicated.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-batch-replication-batch.html>
fn batch_command(spec: &Spec) -> ShellCommand {
    let bucket = spec.bucket_arn(&spec.primary);
    let manifest = serde_json::json!({"S3JobManifestGenerator": {
        "SourceBucket": bucket,
        "EnableManifestOutput": false,
        "Filter": {
            "EligibleForReplication": true,
            "ObjectReplicationStatuses": ["NONE", "FAILED"],
        },
    }});
    ShellCommand::new("aws s3control create-job")
        .option("--region", spec.primary.region.as_str())
        .option("--account-id", &spec.account)
        .option("--operation", r#"{"S3ReplicateObject":{}}"#)
        .option("--manifest-generator", manifest.to_string())
        .option("--report", r#"{"Enabled":false}"#)
        .words("--priority 1 --confirmation-required --role-arn ROLE")
        .comment("ROLE is one that batchoperations.s3.amazonaws.com may assume")
}

fn left(kind: NotCopied, text: impl Into<String>) -> BackfillOutcome {
    let text = text.into();
    BackfillOutcome::Left {
        left: LeftObject { kind, text },
    }
}

impl Backend {
    /// Looks for the objects of the primary bucket that the DR bucket does not have, and why not. Changes nothing.
    ///
    /// # Errors
    /// When there is no DR side, or one of the two buckets cannot be listed.
    pub async fn backfill_plan(&self, now: Timestamp) -> Result<Backfill, BackfillError> {
        let (primary, dr) = self.pair()?;
        let listed = async |side: SideAccess<'_>| {
            list_keys(side.clients, side.side.bucket.as_str(), "").await
        };
        let (keys, there) = tokio::join!(listed(primary), listed(dr));
        let there: BTreeSet<String> = there?.into_iter().collect();
        let keys = keys?.into_iter().filter(|key| self.is_wanted(key));
        let looked = iter(keys).map(|key| {
            let is_there = there.contains(&key);
            self.compare(primary, dr, key, is_there)
        });
        let looked: Vec<Compared> = looked.buffer_unordered(AT_ONCE).collect().await;
        let mut plan = Backfill {
            time: now,
            from: primary.side.region,
            from_bucket: primary.side.bucket.to_string(),
            to: dr.side.region,
            to_bucket: dr.side.bucket.to_string(),
            replicated: 0,
            objects: Vec::new(),
            batch: None,
        };
        for compared in looked {
            match compared {
                Compared::Gone => {}
                Compared::Same => plan.replicated += 1,
                Compared::Missing(object) => plan.objects.push(*object),
            }
        }
        plan.settle(self.spec());
        Ok(plan)
    }

    /// Copies the objects of the plan, several at a time: the very version that was looked at, only where nothing is, and
    /// read back. Nothing is kept between runs, so that a run that was killed is taken up by the next.
    pub async fn backfill(
        &self,
        ApprovedBackfill(plan): &ApprovedBackfill,
        observer: &dyn Observer,
    ) -> Backfill {
        let mut done = plan.clone();
        let objects = std::mem::take(&mut done.objects);
        let objects = iter(objects).map(|mut object| async move {
            if matches!(object.outcome, BackfillOutcome::Planned) {
                let begun = Instant::now();
                observer.started(&object.key);
                object.outcome = self.copy(&object).await;
                let outcome = match object.outcome {
                    BackfillOutcome::Copied => Outcome::Done,
                    BackfillOutcome::Unknown { .. } => Outcome::Failed,
                    _ => Outcome::Skipped,
                };
                observer.finished(&object.key, outcome, begun.elapsed());
            }
            object
        });
        done.objects = objects.buffered(AT_ONCE).collect().await;
        done
    }

    fn pair(&self) -> Result<(SideAccess<'_>, SideAccess<'_>), BackfillError> {
        let sides = self.at(SideName::Primary).zip(self.at(SideName::Dr));
        let (primary, dr) = sides.ok_or(BackfillError::NoDrSide)?;
        match primary.lost.or(dr.lost) {
            Some(problem) => Err(BackfillError::RegionLost(problem.clone())),
            None => Ok((primary, dr)),
        }
    }

    /// Whether an object has to be in the DR bucket. A lock is of a run in one region, and what this project itself writes
    /// is of one run.
    fn is_wanted(&self, key: &str) -> bool {
        let states = &self.spec().states;
        states.is_named(key)
            || !(states.is_lock(key) || key.starts_with(canary::FOLDER) || key.starts_with(JOURNAL))
    }

    async fn compare(
        &self,
        primary: SideAccess<'_>,
        dr: SideAccess<'_>,
        key: String,
        is_there: bool,
    ) -> Compared {
        let mut object = BackfillObject {
            state: self.spec().states.state(&key),
            key,
            version: None,
            bytes: None,
            reason: None,
            outcome: BackfillOutcome::Planned,
        };
        let head = match head(primary, &object.key).await {
            Ok(Some(head)) => head,
            Ok(None) => return Compared::Gone,
            Err(error) => {
                object.outcome = BackfillOutcome::Unknown {
                    problem: error.into(),
                };
                return Compared::Missing(Box::new(object));
            }
        };
        if is_there && head.reason == BackfillReason::Delivered {
            return Compared::Same;
        }
        object.version.clone_from(&head.version);
        object.bytes = Some(head.bytes);
        object.reason = Some(head.reason);
        match self
            .judge_object(primary, dr, &object, &head, is_there)
            .await
        {
            Ok(None) => return Compared::Same,
            Ok(Some(outcome)) => object.outcome = outcome,
            Err(problem) => object.outcome = BackfillOutcome::Unknown { problem },
        }
        Compared::Missing(Box::new(object))
    }

    /// What becomes of an object; `None` where the DR bucket has it as it is.
    async fn judge_object(
        &self,
        primary: SideAccess<'_>,
        dr: SideAccess<'_>,
        object: &BackfillObject,
        head: &Head,
        is_there: bool,
    ) -> Result<Option<BackfillOutcome>, Problem> {
        if is_there {
            return Ok(same(primary, dr, object)
                .await?
                .then_some(())
                .map_or_else(|| Some(left(NotCopied::Differs, differs(dr))), |()| None));
        }
        if head.reason == BackfillReason::Pending {
            let text = "replication is about to bring it";
            return Ok(Some(left(NotCopied::Pending, text)));
        }
        if head.is_archived {
            let text = "it is archived, and cannot be copied before it is restored";
            return Ok(Some(left(NotCopied::Archived, text)));
        }
        if head.bytes > MOST_BYTES {
            let text = format!("it has {} bytes", head.bytes);
            return Ok(Some(left(NotCopied::ForBatch, text)));
        }
        let id = StateId::new(&object.key);
        let newest = dr.versions(&id).await?.into_iter().next();
        if let Some(version) = newest {
            let id = version.version_id.unwrap_or_default();
            let region = dr.side.region;
            let text = format!("it is deleted in {region}, where its last version is {id}");
            return Ok(Some(left(NotCopied::Deleted, text)));
        }
        Ok(Some(match self.locked(dr, object).await? {
            Some(outcome) => outcome,
            None => BackfillOutcome::Planned,
        }))
    }

    /// Why a state is not copied that somebody is about to write on the DR side.
    async fn locked(
        &self,
        dr: SideAccess<'_>,
        object: &BackfillObject,
    ) -> Result<Option<BackfillOutcome>, Problem> {
        let Some(state) = &object.state else {
            return Ok(None);
        };
        match dr.unlocked(state).await {
            Ok(()) => Ok(None),
            Err(RepairError::Unknown(problem)) => Err(problem),
            Err(error) => Ok(Some(left(NotCopied::Locked, error.to_string()))),
        }
    }

    async fn copy(&self, object: &BackfillObject) -> BackfillOutcome {
        let Ok((primary, dr)) = self.pair() else {
            return left(NotCopied::Changed, "a region does not answer any more");
        };
        match self.try_copy(primary, dr, object).await {
            Ok(outcome) => outcome,
            Err(problem) => BackfillOutcome::Unknown { problem },
        }
    }

    async fn try_copy(
        &self,
        primary: SideAccess<'_>,
        dr: SideAccess<'_>,
        object: &BackfillObject,
    ) -> Result<BackfillOutcome, Problem> {
        if let Some(outcome) = self.locked(dr, object).await? {
            return Ok(outcome);
        }
        let id = StateId::new(&object.key);
        let source = source(primary, object).await?;
        // A newer one replicates by itself, and what is deleted is to stay so.
        let (Some(source), Some(current)) = source else {
            let text = "it is another version since it was looked at, or deleted";
            return Ok(left(NotCopied::Changed, text));
        };
        if current.version != object.version {
            let text = "it was written since it was looked at, and replicates by itself";
            return Ok(left(NotCopied::Changed, text));
        }
        match dr.bring(&id, &primary.side.bucket, &source, None).await {
            Ok(()) => {}
            Err(RepairError::Changed { .. }) => return Ok(left(NotCopied::Differs, differs(dr))),
            Err(RepairError::Call(error)) => return Err(error.into()),
            Err(RepairError::Unknown(problem)) => return Err(problem),
            Err(error) => return Ok(left(NotCopied::Changed, error.to_string())),
        }
        let there = read::get(dr.clients, dr.side, &object.key, None).await?;
        Ok(
            match there.and_then(|there| there.sha256) == source.sha256 {
                true => BackfillOutcome::Copied,
                false => left(NotCopied::Differs, differs(dr)),
            },
        )
    }
}

fn differs(dr: SideAccess<'_>) -> String {
    format!("another object is in the DR region ({})", dr.side.region)
}

enum Compared {
    /// It was deleted since it was listed.
    Gone,
    /// Both sides have it.
    Same,
    /// The DR side has it not, or another one.
    Missing(Box<BackfillObject>),
}

async fn head(access: SideAccess<'_>, key: &str) -> Result<Option<Head>, Error> {
    let bucket = access.side.bucket.as_str();
    let call = access
        .clients
        .call("S3", "HeadObject", format!("{bucket}/{key}"));
    let head = access.clients.s3.head_object().bucket(bucket).key(key);
    let head = match head.send().await {
        Ok(head) => head,
        Err(error) => match call.failed(error) {
            error if error.class == ErrorClass::Absent => return Ok(None),
            error => return Err(error),
        },
    };
    let is_archived = matches!(
        head.storage_class,
        Some(StorageClass::Glacier | StorageClass::DeepArchive)
    ) || head.archive_status.is_some();
    let is_restored = head
        .restore
        .as_deref()
        .is_some_and(|restore| restore.contains("ongoing-request=\"false\""));
    Ok(Some(Head {
        version: head.version_id,
        bytes: head
            .content_length
            .and_then(|bytes| u64::try_from(bytes).ok())
            .unwrap_or_default(),
        reason: reason(head.replication_status.as_ref()),
        is_archived: is_archived && !is_restored,
    }))
}

fn reason(status: Option<&ReplicationStatus>) -> BackfillReason {
    match status.map(ReplicationStatus::as_str) {
        None => BackfillReason::NeverReplicated,
        // S3 has answered both words over time.
        Some("COMPLETE" | "COMPLETED") => BackfillReason::Delivered,
        Some("REPLICA") => BackfillReason::Replica,
        Some("PENDING") => BackfillReason::Pending,
        Some(_) => BackfillReason::Failed,
    }
}

/// The version that was looked at, and the one that is there now.
async fn source(
    primary: SideAccess<'_>,
    object: &BackfillObject,
) -> Result<(Option<StateObject>, Option<Head>), Problem> {
    let version = object.version.as_deref();
    let source = read::get(primary.clients, primary.side, &object.key, version).await?;
    Ok((source, head(primary, &object.key).await?))
}

/// Whether both buckets have the same content under a key. An object that is too large to be read is told apart by its
/// version alone, which a replica has of its source.
async fn same(
    primary: SideAccess<'_>,
    dr: SideAccess<'_>,
    object: &BackfillObject,
) -> Result<bool, Problem> {
    let there = head(dr, &object.key).await?;
    let Some(there) = there else {
        return Ok(false);
    };
    let is_version =
        |version: &Option<String>| version.as_deref().is_some_and(|version| version != "null");
    if is_version(&there.version) && there.version == object.version {
        return Ok(true);
    }
    if Some(there.bytes) != object.bytes || there.bytes > MOST_BYTES {
        return Ok(false);
    }
    let version = object.version.as_deref();
    let (ours, theirs) = tokio::join!(
        read::get(primary.clients, primary.side, &object.key, version),
        read::get(dr.clients, dr.side, &object.key, None),
    );
    let digest = |object: Option<StateObject>| object.and_then(|object| object.sha256);
    let (ours, theirs) = (digest(ours?), digest(theirs?));
    Ok(ours.is_some() && ours == theirs)
}

// ---- views --------------------------------------------------------------------------------------

impl BackfillReason {
    fn text(self) -> &'static str {
        match self {
            Self::NeverReplicated => "written before replication",
            Self::Failed => "S3 says FAILED",
            Self::Pending => "S3 says PENDING",
            Self::Delivered => "delivered once, and gone there",
            Self::Replica => "a replica itself",
        }
    }
}

impl BackfillObject {
    fn row(&self) -> (Mark, Vec<String>) {
        let (mark, word) = match self.outcome {
            BackfillOutcome::Planned => (Mark::Plain, "copy"),
            BackfillOutcome::Copied => (Mark::Ok, "copied"),
            BackfillOutcome::Left { .. } => (Mark::Wrong, "left"),
            BackfillOutcome::Unknown { .. } => (Mark::Unknown, "unknown"),
        };
        let kind = match self.state {
            Some(_) => "state",
            None => "object",
        };
        let cells = vec![
            word.to_owned(),
            kind.to_owned(),
            self.key.clone(),
            self.bytes
                .map(|bytes| bytes.to_string())
                .unwrap_or_default(),
            self.reason
                .map(BackfillReason::text)
                .unwrap_or_default()
                .to_owned(),
        ];
        (mark, cells)
    }

    /// What is said below the table, which it would make too wide.
    fn remark(&self) -> Option<String> {
        match &self.outcome {
            BackfillOutcome::Left { left } => Some(format!("{}: {}.", self.key, left.text)),
            BackfillOutcome::Unknown { problem } => Some(format!("{}: {problem}.", self.key)),
            BackfillOutcome::Planned | BackfillOutcome::Copied => None,
        }
    }
}

impl Report for Backfill {
    const KIND: &'static str = "backfill";

    fn document(&self) -> Document {
        let Self {
            from,
            from_bucket,
            to,
            to_bucket,
            replicated,
            ..
        } = self;
        let rows = self.objects.iter().map(BackfillObject::row).collect();
        let mut document = Document::new()
            .heading(format!("Backfill: {from} to {to}"))
            .text(format!("Bucket {from_bucket}, to bucket {to_bucket}."))
            .table(["", "What", "Key", "Bytes", "Why it is not there"], rows);
        for remark in self.objects.iter().filter_map(BackfillObject::remark) {
            document = document.text(remark);
        }
        if let Some(batch) = &self.batch {
            document = document.text(format!(
                "S3 Batch Replication brings what is not copied here: `{batch}`."
            ));
        }
        let planned = self.planned();
        let copied = self.count(|outcome| matches!(outcome, BackfillOutcome::Copied));
        let left = self.count(|outcome| matches!(outcome, BackfillOutcome::Left { .. }));
        let unknown = self.count(|outcome| matches!(outcome, BackfillOutcome::Unknown { .. }));
        let objects = |count: usize| match count {
            1 => "1 object".to_owned(),
            count => format!("{count} objects"),
        };
        let changed = match copied {
            0 => format!("{} to be copied", objects(planned)),
            copied => format!("{} copied", objects(copied)),
        };
        document.text(format!(
            "{replicated} in both regions, {changed}, {left} left, {unknown} unknown."
        ))
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use settings::Settings;

    use super::*;

    const EXAMPLE: &str = include_str!("../../../examples/berthcare-staging/infra.toml");

    #[test]
    fn reason_of_every_replication_status_is_known_and_of_another_one_failed() {
        let rows = [
            (None, BackfillReason::NeverReplicated),
            (Some("COMPLETE"), BackfillReason::Delivered),
            (Some("COMPLETED"), BackfillReason::Delivered),
            (Some("PENDING"), BackfillReason::Pending),
            (Some("FAILED"), BackfillReason::Failed),
            (Some("REPLICA"), BackfillReason::Replica),
            (Some("OF_TOMORROW"), BackfillReason::Failed),
        ];
        for (status, wanted) in rows {
            let status = status.map(ReplicationStatus::from);
            assert_eq!(reason(status.as_ref()), wanted, "{status:?}");
        }
    }

    fn plan(count: usize) -> Backfill {
        let settings = Settings::parse(EXAMPLE, date(2026, 11, 22)).unwrap();
        let spec = Spec::new(&settings, "111122223333");
        let object = |number: usize| BackfillObject {
            key: format!("{number:05}"),
            state: (number == 7).then(|| StateId::new("7")),
            version: None,
            bytes: Some(1),
            reason: Some(BackfillReason::NeverReplicated),
            outcome: BackfillOutcome::Planned,
        };
        let mut plan = Backfill {
            time: Timestamp::UNIX_EPOCH,
            from: spec.primary.region,
            from_bucket: spec.primary.bucket.to_string(),
            to: spec.primary.region,
            to_bucket: String::new(),
            replicated: 0,
            objects: (0..count).map(object).collect(),
            batch: None,
        };
        plan.settle(&spec);
        plan
    }

    #[test]
    fn plan_of_more_than_is_copied_here_copies_nothing_and_names_the_batch_job() {
        let most = plan(MOST_OBJECTS);
        assert_eq!(most.planned(), MOST_OBJECTS);
        assert!(most.batch.is_none());
        assert!(most.objects[0].state.is_some(), "states come first");

        let more = plan(MOST_OBJECTS + 1);
        assert_eq!(more.planned(), 0);
        let command = more.batch.unwrap().to_string();
        for part in [
            "aws s3control create-job --region ca-central-1 --account-id 111122223333",
            r#"'{"S3ReplicateObject":{}}'"#,
            r#""SourceBucket":"arn:aws:s3:::berthcare-terraform-state""#,
            r#""ObjectReplicationStatuses":["NONE","FAILED"]"#,
        ] {
            assert!(command.contains(part), "{part}: {command}");
        }
    }
}
