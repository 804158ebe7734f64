//! Copies by S3 Batch Operations: where one machine ends.
//!
//! A job runs `S3PutObjectCopy` over a manifest that is written from the plan, so it copies what the plan
//! found and nothing else, with or without a replication rule. What such a job cannot do:
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-copy-object.html>. It must be created in
//! the destination's region, copies up to 5 GB, checks no ETags, and has one storage class.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_env::{Call, Error, OwnerUnknown};
use aws_sdk_s3::primitives::{ByteStream, ByteStreamError};
use aws_sdk_s3::types::ServerSideEncryption;
use aws_sdk_s3control::Client;
use aws_sdk_s3control::types::{
    JobManifest, JobManifestFieldName, JobManifestFormat, JobManifestLocation, JobManifestSpec,
    JobOperation, JobReport, JobReportFormat, JobReportScope, S3CopyObjectOperation,
    S3StorageClass,
};
use report::{Document, Mark};
use settings::KmsKeyArn;
use tokio::sync::{mpsc, watch};

use super::bucket::Bucket;
use super::copy::{LARGEST_COPY, timeout_override};
use super::entry::StorageClass;
use super::guard::Approved;
use super::inventory::{Inventory, InventoryError, JobInventory, PlannedRows, as_manifest};
use super::journal::{Journal, JournalError, JournalKey, Record, Run};
use super::location::{JOURNAL, S3Location};
use super::plan::{Listed, Step, Tally, examples};
use super::spool::SpoolError;

mod failed_tasks;
mod follow;
mod manifests;
mod record;

pub use record::record_copies;

pub use follow::{JobState, Jobs, follow, unfinished_jobs};
use manifests::{Manifest, Manifests};

/// Objects that are handled at once.
const BATCH: usize = 1_000;

/// Bytes of one manifest: PutObject takes 5 GB at once.
const LARGEST_MANIFEST: u64 = 4 << 30;

/// The time of a small upload with all its retries.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(40);
/// Bytes a second; an upload that is slower hangs.
const SLOWEST_UPLOAD: u64 = 256 << 10;

/// Where jobs are.
#[derive(Clone, Debug)]
pub struct JobControl {
    /// S3 Control in the destination's region.
    pub client: Client,
    /// The account in which jobs run: 12 digits.
    pub account: String,
}

/// Who runs jobs, and how.
#[derive(Clone, Debug)]
pub struct BatchOptions {
    /// Where jobs are made.
    pub control: JobControl,
    /// The role that S3 takes on: it reads the source and the manifest, and writes the destination.
    pub role: String,
    /// Higher runs first.
    pub priority: i32,
    /// Encrypts the copies, instead of what the destination bucket does by default.
    pub kms_key: Option<KmsKeyArn>,
    /// Where journals lie; in the destination unless given. Manifests and reports lie there too where it is in the
    /// destination's region, as S3 wants it.
    pub journals: Option<Bucket>,
    /// Makes the digests of the journal in the bucket.
    pub journal_key: JournalKey,
    /// The manifest of the one job, instead of those that are written from the plan.
    pub inventory: Option<Inventory>,
}

/// Why no job was made or followed.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// A call failed.
    #[error("cannot run a batch job")]
    Call(#[from] Error),
    /// Whose the destination has to be is not known.
    #[error(transparent)]
    Owner(#[from] OwnerUnknown),
    /// The journal cannot be kept.
    #[error("cannot keep the journal")]
    Journal(#[from] JournalError),
    /// The plan cannot be read.
    #[error("cannot read the plan")]
    Spool(#[from] SpoolError),
    /// A manifest cannot be written on this machine.
    #[error("cannot write the manifest {}", path.display())]
    Manifest {
        /// The manifest on this machine.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: csv::Error,
    },
    /// A manifest that was written cannot be read.
    #[error("cannot read the manifest {}", path.display())]
    Upload {
        /// The manifest on this machine.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: ByteStreamError,
    },
    /// No job can be made by the inventory.
    #[error("cannot make a job by the inventory")]
    Inventory(#[from] InventoryError),
    /// A job has one storage class.
    #[error("a job by an inventory writes one storage class, and the plan has {classes}")]
    Classes {
        /// Their names.
        classes: String,
    },
    /// A job can put something in front of keys, and take nothing away.
    #[error(
        "a batch job cannot copy {from} to {to}: it can put a folder in front of keys but take none away"
    )]
    Folders {
        /// URL of the source.
        from: String,
        /// URL of the destination.
        to: String,
    },
    /// The destination kept versions when the plan was approved and keeps none now.
    #[error("{bucket} keeps no versions any more")]
    Unversioned {
        /// The destination bucket.
        bucket: String,
    },
    /// A job has failed at objects, and its report does not tell which they are.
    #[error("the report {key} cannot be used: {problem}")]
    Report {
        /// Key of the report.
        key: String,
        /// What cannot be used, in words.
        problem: String,
    },
    /// S3 names no job.
    #[error("S3 answered without the job's {0}")]
    Answer(&'static str),
}

/// A job to be made.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct BatchJob {
    /// Storage class of all its copies.
    pub class: String,
    /// What it copies.
    #[serde(flatten)]
    pub copies: Tally,
    /// S3's id of it; null before it is made.
    pub id: Option<String>,
}

/// What goes by jobs, and what does not.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct BatchPlan {
    /// One for each storage class.
    pub jobs: Vec<BatchJob>,
    /// Not for a job: too large, or of a class that jobs do not write. A sync by the own engine copies these.
    pub left: Listed,
    /// The run was interrupted before all jobs were made.
    pub interrupted: bool,
}

impl BatchPlan {
    /// Adds the jobs, and what is left, to a report.
    pub fn describe(&self, document: Document) -> Document {
        let rows = self.jobs.iter().map(|job| {
            let cells = vec![
                job.class.clone(),
                job.copies.objects.to_string(),
                job.copies.bytes.to_string(),
                job.id.clone().unwrap_or_default(),
            ];
            (Mark::Plain, cells)
        });
        let document = document
            .heading("Copies by jobs")
            .table(["Storage class", "Objects", "Bytes", "Job"], rows.collect());
        let document = examples(
            document,
            "Not for a job: sync these with the own engine",
            &self.left,
        );
        if self.interrupted {
            document.text(
                "Interrupted before all jobs were made: run the same command again for the rest.",
            )
        } else {
            document
        }
    }

    fn add(&mut self, class: &str, bytes: u64) {
        if let Some(job) = self.jobs.iter_mut().find(|job| job.class == class) {
            return job.copies.add(bytes);
        }
        let mut copies = Tally::default();
        copies.add(bytes);
        self.jobs.push(BatchJob {
            class: class.to_owned(),
            copies,
            id: None,
        });
    }
}

/// The class of the job that copies this, or why none can.
fn assign(step: &Step) -> Result<S3StorageClass, &'static str> {
    let Some(source) = &step.source else {
        return Err("not a copy");
    };
    if source.size > LARGEST_COPY {
        return Err("larger than 5 GB");
    }
    let class = match &source.class {
        StorageClass::Standard => S3StorageClass::Standard,
        StorageClass::Glacier => S3StorageClass::Glacier,
        StorageClass::DeepArchive => S3StorageClass::DeepArchive,
        StorageClass::Other(name) => S3StorageClass::from(&**name),
    };
    if S3StorageClass::values().contains(&class.as_str()) {
        Ok(class)
    } else {
        Err("of a storage class that a job does not write")
    }
}

/// The folder that a job puts in front of keys.
fn target_prefix(
    source: &S3Location,
    destination: &S3Location,
) -> Result<Option<String>, BatchError> {
    match destination.prefix.strip_suffix(&source.prefix) {
        // S3 puts a slash behind it.
        Some(front) if front.is_empty() || front.ends_with('/') => {
            Ok(front.strip_suffix('/').map(str::to_owned))
        }
        _ => Err(BatchError::Folders {
            from: source.to_string(),
            to: destination.to_string(),
        }),
    }
}

/// Writes down that the objects with these keys of the source are not copied, since no job gets them: what is at their place
/// later, another run has copied.
async fn give_up(
    mut lacks: mpsc::Receiver<String>,
    (source, destination): (&Bucket, &Bucket),
    journal: &Journal,
) -> Result<(), BatchError> {
    let mut keys = Vec::new();
    while lacks.recv_many(&mut keys, BATCH).await > 0 {
        let relative = |key: &String| {
            key.strip_prefix(&source.location().prefix)
                .map(str::to_owned)
        };
        let records = keys
            .iter()
            .filter_map(relative)
            .map(|key| Record::NotCopied {
                key: destination.key(&key),
            });
        journal.append_intents(&records.collect::<Vec<_>>()).await?;
        keys.clear();
    }
    Ok(())
}

/// Says what jobs would do with an approved plan; changes nothing.
///
/// # Errors
/// When the plan cannot be read, or keys would have to change.
pub fn plan_batch(approved: &Approved) -> Result<BatchPlan, BatchError> {
    let planned = approved.planned();
    target_prefix(
        planned.source().location(),
        planned.destination().location(),
    )?;
    let mut plan = BatchPlan::default();
    for step in planned.copies.read()? {
        let step = step?;
        let size = step.source.as_ref().map_or(0, |meta| meta.size);
        match assign(&step) {
            Ok(class) => plan.add(class.as_str(), size),
            Err(reason) => plan.left.add(&step.key, size, Some(reason)),
        }
    }
    Ok(plan)
}

/// Writes manifests beside the journal and makes the jobs, which begin at once. Every copy is in
/// the journal of `run` before, so that `undo` knows what was there. What somebody else has written to the
/// destination since it was listed is left. Deletions are left out: a job cannot make any.
///
/// # Errors
/// When the destination keeps no versions any more, and when a call, the journal or a file fails. Jobs that were
/// made already run on; `made` is told each id.
pub async fn submit(
    approved: Approved,
    run: &Run,
    (runs, directory): (&Path, &Path),
    options: &BatchOptions,
    stop: &watch::Receiver<bool>,
    mut made: impl FnMut(&BatchJob),
) -> Result<BatchPlan, BatchError> {
    let (planned, destination) = (approved.planned(), approved.destination());
    let prefix = target_prefix(approved.source().location(), destination.location())?;
    if !approved.still_holds().await? {
        return Err(BatchError::Unversioned {
            bucket: destination.name().to_owned(),
        });
    }
    let journals = options.journals.as_ref().unwrap_or(destination);
    let journal = Journal::begin(runs, journals, run, &options.journal_key)?;
    let files = files_beside(journals, destination);
    let rows = options.inventory.is_some().then_some(directory);
    let rows = rows.map(|directory| PlannedRows::new(&directory.join("planned")));
    let rows = rows.transpose()?;
    let mut manifests = Manifests::write(planned, &journal, directory, rows, stop).await?;
    let mut plan = BatchPlan {
        left: std::mem::take(&mut manifests.left),
        interrupted: *stop.borrow(),
        jobs: Vec::new(),
    };
    let folder = format!("{JOURNAL}{}/", run.run);
    let rows = manifests.rows.take();
    let mut by_inventory = match (&options.inventory, rows) {
        (Some(inventory), Some(rows)) if !plan.interrupted && !manifests.files.is_empty() => {
            one_class(&manifests.files)?;
            let folder = format!("{folder}inventory/");
            let (lacking, lacks) = mpsc::channel(BATCH);
            let between = (approved.source(), destination);
            let (made, ()) = tokio::try_join!(
                async {
                    let made = as_manifest(inventory, rows, (files, &folder), directory, lacking);
                    made.await.map_err(BatchError::from)
                },
                give_up(lacks, between, &journal),
            )?;
            plan.left.merge(made.left.clone());
            Some(made)
        }
        _ => None,
    };
    for (number, manifest) in manifests.files.into_iter().enumerate() {
        if *stop.borrow() {
            plan.interrupted = true;
            break;
        }
        // Whoever undoes the run has to know of the job, also when its id never arrives.
        let token = format!("{}-{number}", run.run);
        let key = format!("{folder}batch-{number}.csv");
        let (format, copies, key, etag) = match by_inventory.take() {
            Some(JobInventory {
                manifest,
                etag,
                copies,
                ..
            }) => (INVENTORY, copies, manifest, etag),
            // All of one class: what the first job copies is all of them.
            None if options.inventory.is_some() => break,
            None => {
                let etag = upload(files, &key, &manifest.path).await?;
                (CSV, manifest.copies, key, etag)
            }
        };
        journal
            .append_intents(&[Record::JobRequested {
                token: token.clone(),
            }])
            .await?;
        let request = JobRequest {
            destination,
            files,
            run,
            token: &token,
            prefix: prefix.as_deref(),
            class: &manifest.class,
            manifest: (format, &key, etag),
        };
        let id = request.create(options).await?;
        let job = BatchJob {
            class: manifest.class.as_str().to_owned(),
            copies,
            id: Some(id.clone()),
        };
        let region = destination.region().as_str();
        tracing::info!(region, resource = id, step = "create job", "applied");
        made(&job);
        plan.jobs.push(job);
        journal.append_intents(&[Record::Job { token, id }]).await?;
    }
    // Nothing of the run is left on this machine, so that no later one needs to look for it.
    journal.end(false).await?;
    Ok(plan)
}

/// Where the manifests and reports of jobs lie: beside the journal, or in the destination where that is in another region.
fn files_beside<'a>(journals: &'a Bucket, destination: &'a Bucket) -> &'a Bucket {
    match journals.region() == destination.region() {
        true => journals,
        false => destination,
    }
}

const CSV: JobManifestFormat = JobManifestFormat::S3BatchOperationsCsv20180820;
const INVENTORY: JobManifestFormat = JobManifestFormat::S3InventoryReportCsv20161130;

/// Large plans have several manifests of a class.
fn one_class(files: &[Manifest]) -> Result<(), BatchError> {
    let classes: BTreeSet<&str> = files.iter().map(|file| file.class.as_str()).collect();
    match classes.len() {
        0 | 1 => Ok(()),
        _ => Err(BatchError::Classes {
            classes: classes.into_iter().collect::<Vec<_>>().join(", "),
        }),
    }
}

/// The name of a bucket, or of an object in it, in the partition of its region.
fn arn(bucket: &Bucket, key: &str) -> String {
    let partition = bucket.region().partition();
    format!("arn:{partition}:s3:::{}{key}", bucket.name())
}

fn call(destination: &Bucket, operation: &'static str, resource: &str) -> Call {
    Call {
        region: destination.region(),
        service: "S3 Control",
        operation,
        resource: resource.to_owned(),
    }
}

async fn upload(destination: &Bucket, key: &str, path: &Path) -> Result<String, BatchError> {
    let body = ByteStream::from_path(path)
        .await
        .map_err(|source| BatchError::Upload {
            path: path.to_owned(),
            source,
        })?;
    let length = body.size_hint().1.unwrap_or(LARGEST_MANIFEST);
    let time = UPLOAD_TIMEOUT + Duration::from_secs(length / SLOWEST_UPLOAD);
    let answer = destination
        .s3
        .put_object()
        .bucket(destination.name())
        .key(key)
        .content_type("text/csv")
        // Jobs read no manifest that is encrypted with KMS, which may be the bucket's default.
        .server_side_encryption(ServerSideEncryption::Aes256)
        .body(body)
        .customize()
        .config_override(timeout_override(time))
        .send()
        .await
        .map_err(|error| destination.call("PutObject", key).failed(error))?;
    answer.e_tag.ok_or(BatchError::Answer("manifest's ETag"))
}

/// A job that S3 is asked for.
struct JobRequest<'a> {
    destination: &'a Bucket,
    /// Where its manifest lies, and its report will.
    files: &'a Bucket,
    run: &'a Run,
    /// S3 makes one job for it, however often it is asked.
    token: &'a str,
    /// The folder that is put in front of keys.
    prefix: Option<&'a str>,
    class: &'a S3StorageClass,
    /// Format, key and ETag.
    manifest: (JobManifestFormat, &'a str, String),
}

impl JobRequest<'_> {
    async fn create(self, options: &BatchOptions) -> Result<String, BatchError> {
        let BatchOptions { control, .. } = options;
        let operation = JobOperation::builder().s3_put_object_copy(self.copies(options));
        let answer = control
            .client
            .create_job()
            .account_id(&control.account)
            // It was confirmed here.
            .confirmation_required(false)
            .operation(operation.build())
            .manifest(self.manifest()?)
            .report(self.report()?)
            .priority(options.priority)
            .role_arn(&options.role)
            // A request that is sent twice makes one job.
            .client_request_token(self.token)
            // At most 256 characters, which the names of two places may pass.
            .description(follow::description(self.token))
            .send()
            .await
            .map_err(|error| self.call().failed(error))?;
        answer.job_id.ok_or(BatchError::Answer("id"))
    }

    fn call(&self) -> Call {
        call(self.destination, "CreateJob", &self.run.run)
    }

    fn copies(&self, options: &BatchOptions) -> S3CopyObjectOperation {
        S3CopyObjectOperation::builder()
            .target_resource(arn(self.destination, ""))
            .set_target_key_prefix(self.prefix.map(str::to_owned))
            .storage_class(self.class.clone())
            .set_sse_aws_kms_key_id(options.kms_key.as_ref().map(ToString::to_string))
            .build()
    }

    fn manifest(&self) -> Result<JobManifest, Error> {
        let unexpected = |error: aws_sdk_s3control::error::BuildError| {
            Error::unexpected(self.call(), error.to_string())
        };
        let (format, key, etag) = &self.manifest;
        let fields = [JobManifestFieldName::Bucket, JobManifestFieldName::Key];
        let spec = JobManifestSpec::builder()
            .format(format.clone())
            // An inventory's manifest names its columns itself.
            .set_fields((*format == CSV).then(|| fields.to_vec()))
            .build()
            .map_err(unexpected)?;
        let location = JobManifestLocation::builder()
            .object_arn(arn(self.files, &format!("/{key}")))
            .e_tag(etag)
            .build()
            .map_err(unexpected)?;
        Ok(JobManifest::builder().spec(spec).location(location).build())
    }

    fn report(&self) -> Result<JobReport, BatchError> {
        let owner = self.files.owner()?;
        let report = JobReport::builder()
            .bucket(arn(self.files, ""))
            .prefix(format!("{JOURNAL}{}", self.run.run))
            .format(JobReportFormat::ReportCsv20180820)
            .report_scope(JobReportScope::FailedTasksOnly)
            .enabled(true)
            // The report has the keys of what could not be copied.
            .expected_bucket_owner(owner.as_str())
            .build();
        Ok(report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(size: u64, class: &str) -> Step {
        let time = "2026-11-22T00:00:00Z";
        serde_json::from_value(serde_json::json!({
            "key": "k",
            "action": "create",
            "source": {"size": size, "etag": "x", "modified": time, "class": class},
        }))
        .unwrap()
    }

    #[test]
    fn assign_of_what_a_job_cannot_copy_tells_why() {
        let class = |size, class: &str| assign(&step(size, class)).map(|class| class.to_string());
        assert_eq!(class(5 << 30, ""), Ok("STANDARD".to_owned()));
        assert_eq!(class(1, "GLACIER_IR"), Ok("GLACIER_IR".to_owned()));
        assert_eq!(class((5 << 30) + 1, ""), Err("larger than 5 GB"));
        for other in ["REDUCED_REDUNDANCY", "EXPRESS_ONEZONE"] {
            assert!(class(1, other).is_err(), "{other}");
        }
    }

    #[tokio::test]
    async fn arn_of_a_bucket_is_in_the_partition_of_its_region() {
        let env = aws_env::AwsEnv::load(aws_env::Options::default()).await;
        let env = env.unwrap();
        let of = |region: &str| {
            let clients = env.region(region.parse().unwrap());
            let bucket = Bucket::new(&clients, "s3://photos-dr/x".parse().unwrap());
            (arn(&bucket, ""), arn(&bucket, "/a"))
        };
        let both = |partition| {
            let bucket = format!("arn:{partition}:s3:::photos-dr");
            (bucket.clone(), bucket + "/a")
        };
        assert_eq!(of("ca-central-1"), both("aws"));
        assert_eq!(of("cn-north-1"), both("aws-cn"));
        assert_eq!(of("us-gov-west-1"), both("aws-us-gov"));
    }

    #[test]
    fn target_prefix_of_a_folder_may_be_added_and_not_taken_away() {
        let prefix = |from: &str, to: &str| {
            let (from, to) = (from.parse().unwrap(), to.parse().unwrap());
            target_prefix(&from, &to).ok()
        };
        assert_eq!(prefix("s3://aaa", "s3://bbb"), Some(None));
        assert_eq!(prefix("s3://aaa/x", "s3://bbb/x"), Some(None));
        let front = Some(Some("old".to_owned()));
        assert_eq!(prefix("s3://aaa", "s3://bbb/old"), front);
        assert_eq!(prefix("s3://aaa/x", "s3://bbb/old/x"), front);
        assert_eq!(prefix("s3://aaa/x", "s3://bbb"), None);
        // `old-x/` ends with `x/`, but no slash stands before.
        assert_eq!(prefix("s3://aaa/x", "s3://bbb/old-x"), None);
    }
}
