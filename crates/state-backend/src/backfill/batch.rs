//! What is too large or too many to be copied here, replicated by S3 itself: a job of S3 Batch Replication.
//!
//! S3 makes the manifest, of what has not been replicated, and the replicas have the version IDs of their sources:
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-batch-replication-batch.html>.

use std::time::Duration;

use aws_env::{Error, ErrorClass, list_keys, pages};
use aws_sdk_s3control::Client;
use aws_sdk_s3control::error::BuildError;
use aws_sdk_s3control::types::{
    JobDescriptor, JobListDescriptor, JobManifestGenerator, JobManifestGeneratorFilter,
    JobOperation, JobReport, JobReportFormat, JobReportScope, JobStatus, ReplicationStatus,
    S3JobManifestGenerator, S3ReplicateObjectOperation,
};
use percent_encoding::percent_decode_str;
use report::{Amount, Observer, ShellCommand};
use serde::{Serialize, Serializer};
use settings::RoleArn;
use sha2::{Digest as _, Sha256};
use tokio::time::{Instant, sleep};

use super::{Backfill, BackfillError, BackfillObject, BackfillOutcome, BackfillReason, NotCopied};
use crate::backend::Backend;
use crate::canary::FOLDER;
use crate::side::SideAccess;
use crate::spec::Spec;

/// A job takes minutes to be prepared, a short one less: the time between two looks doubles up to this.
const LONGEST_BETWEEN: Duration = Duration::from_secs(10);
/// The first of them.
const FIRST_BETWEEN: Duration = Duration::from_millis(250);
/// A report that is longer says that nearly everything failed.
const MOST_FAILURES: usize = 1_000;

/// What a job of S3 Batch Replication is to bring to the DR bucket, and how far one has come.
#[derive(Debug, Clone, Serialize)]
pub struct BatchReplication {
    /// Objects that it is for. S3 replicates older versions of them as well.
    pub objects: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Only objects of more bytes than this are taken; null for all that were never replicated, or failed.
    pub larger_than: Option<u64>,
    /// The ARN of the role that a job is to run with; null where nobody has named one.
    #[serde(serialize_with = "text")]
    pub role: Option<RoleArn>,
    /// Why no job may be made; null where one may.
    pub refused: Option<String>,
    /// The job; null before it is made.
    pub job: Option<BatchJob>,
    #[serde(skip)]
    token: String,
}

/// A job, as far as it has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BatchJob {
    /// S3's ID of it.
    pub id: String,
    /// `New`, `Active`, `Complete` …; <https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-job-status.html>.
    pub status: String,
    /// Whether nothing will change any more.
    pub ended: bool,
    /// Whether it was under way already when it was asked for.
    pub found: bool,
    /// Versions in its manifest.
    pub objects: u64,
    /// Versions that it replicated.
    pub succeeded: u64,
    /// Versions that it did not.
    pub failed: u64,
    /// Why it failed or waits, in S3's words.
    pub reasons: Vec<String>,
    /// Those that failed, by its report: at most 1,000.
    pub failures: Vec<BatchFailure>,
}

/// A version that a job did not replicate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BatchFailure {
    /// Its key.
    pub key: String,
    /// Its version ID; null in a bucket that keeps none.
    pub version: Option<String>,
    /// S3's code and message.
    pub why: String,
}

/// A job that somebody has agreed to: all that [`Backend::replicate_in_batch`] takes.
#[derive(Debug, Clone)]
pub struct ApprovedBatch(pub(super) BatchReplication);

impl BatchJob {
    /// Whether everything in its manifest was replicated.
    pub fn is_complete(&self) -> bool {
        self.status == JobStatus::Complete.as_str() && self.failed == 0
    }

    fn of(id: &str, found: bool, job: &JobDescriptor) -> Self {
        let number = |number: Option<i64>| u64::try_from(number.unwrap_or_default()).unwrap_or(0);
        let progress = job.progress_summary();
        let failures = job.failure_reasons().iter().map(|failure| {
            let parts = [failure.failure_code(), failure.failure_reason()];
            parts.into_iter().flatten().collect::<Vec<_>>().join(": ")
        });
        let waits = [job.suspended_cause(), job.status_update_reason()];
        let waits = waits.into_iter().flatten().map(str::to_owned);
        Self {
            id: id.to_owned(),
            status: job
                .status()
                .map_or("not known", JobStatus::as_str)
                .to_owned(),
            ended: has_ended(job.status()),
            found,
            objects: number(progress.and_then(|progress| progress.total_number_of_tasks)),
            succeeded: number(progress.and_then(|progress| progress.number_of_tasks_succeeded)),
            failed: number(progress.and_then(|progress| progress.number_of_tasks_failed)),
            reasons: waits.chain(failures).collect(),
            failures: Vec::new(),
        }
    }

    fn unknown(id: &str, found: bool) -> Self {
        Self::of(id, found, &JobDescriptor::builder().build())
    }
}

fn has_ended(status: Option<&JobStatus>) -> bool {
    matches!(
        status,
        Some(JobStatus::Complete | JobStatus::Failed | JobStatus::Cancelled)
    )
}

fn is_for_batch(object: &BackfillObject) -> bool {
    matches!(&object.outcome, BackfillOutcome::Left { left } if left.kind == NotCopied::ForBatch)
}

impl BatchReplication {
    /// What a job would be for; `None` where everything else is copied here.
    pub(super) fn of(plan: &Backfill, by_number: bool, role: Option<&RoleArn>) -> Option<Self> {
        let chosen = || plan.objects.iter().filter(|object| is_for_batch(object));
        chosen().next()?;
        let larger_than = (!by_number).then_some(plan.limits.bytes);
        let is_taken = |object: &&BackfillObject| {
            let status = [BackfillReason::NeverReplicated, BackfillReason::Failed];
            let has_status = object.reason.is_none_or(|reason| status.contains(&reason));
            let size = object.bytes.zip(larger_than);
            has_status && size.is_none_or(|(bytes, least)| bytes > least)
        };
        // A replica becomes the current version, over whatever is there.
        let in_the_way = |object: &&BackfillObject| match &object.outcome {
            BackfillOutcome::Left { left } => {
                !matches!(left.kind, NotCopied::ForBatch | NotCopied::Archived)
            }
            BackfillOutcome::Unknown { .. } => true,
            BackfillOutcome::Planned | BackfillOutcome::Copied => false,
        };
        let mut in_the_way = plan.objects.iter().filter(is_taken).filter(in_the_way);
        let refused = in_the_way.next().map(|first| {
            let more = match in_the_way.count() {
                0 => String::new(),
                more => format!(", and {more} more"),
            };
            format!(
                "it would write over what the DR region has of {}{more}, or may have",
                first.key
            )
        });
        let mut digest = Sha256::new();
        for object in chosen() {
            let version = object.version.as_deref().unwrap_or_default();
            digest.update(format!("{}\n{version}\n", object.key).as_bytes());
        }
        Some(Self {
            objects: chosen().count(),
            bytes: chosen().filter_map(|object| object.bytes).sum(),
            larger_than,
            role: role.cloned(),
            refused,
            job: None,
            token: hex::encode(&digest.finalize()[..12]),
        })
    }
}

impl Backfill {
    /// A job that may be made; `None` where there is nothing for one, no role to run it with, or it is refused.
    pub fn approve_batch(&self) -> Option<ApprovedBatch> {
        let batch = self.replication.as_ref()?;
        let may_be_made = batch.refused.is_none() && batch.role.is_some();
        may_be_made.then(|| ApprovedBatch(batch.clone()))
    }

    /// Takes over what a job has come to, and what is in the DR bucket after it.
    pub fn settle_batch(&mut self, job: BatchJob, after: &Self) {
        for object in self
            .objects
            .iter_mut()
            .filter(|object| is_for_batch(object))
        {
            let mut left = after.objects.iter();
            if !left.any(|left| left.key == object.key) {
                object.outcome = BackfillOutcome::Copied;
            }
        }
        if let Some(batch) = &mut self.replication {
            batch.job = Some(job);
        }
    }
}

impl Backend {
    /// Has S3 replicate, by a job, what a plan leaves to one, and follows the job for as long as `wait`. One that is under way for this pair of
    /// buckets is followed instead, so that there are never two; it runs on when nobody follows it.
    ///
    /// # Errors
    /// When S3 makes no job, or does not tell of it.
    pub async fn replicate_in_batch(
        &self,
        ApprovedBatch(batch): &ApprovedBatch,
        wait: Duration,
        observer: &dyn Observer,
    ) -> Result<BatchJob, BackfillError> {
        let (primary, dr) = self.pair()?;
        let jobs = Jobs {
            client: aws_env::client!(aws_sdk_s3control, primary.clients.access()),
            access: primary,
            account: &self.spec().account,
            description: format!("init-backend backfill to {}", dr.side.bucket),
        };
        let known = jobs.known().await?;
        let under_way = known.iter().find(|job| !has_ended(job.status()));
        let (id, found) = match under_way.and_then(|job| job.job_id()) {
            Some(id) => (id.to_owned(), true),
            None => {
                // S3 makes one job of a token. One that has ended with failures is not the next one.
                let token = format!("{}-{}", batch.token, known.len());
                let id = jobs.create(self.spec(), batch, token).await?;
                (id, false)
            }
        };
        let mut job = jobs.follow(&id, found, wait, observer).await?;
        if job.failed > 0 {
            job.failures = jobs.failures(&id).await?;
        }
        Ok(job)
    }
}

struct Jobs<'a> {
    client: Client,
    access: SideAccess<'a>,
    account: &'a str,
    /// What a job says of itself, so that it is found without its ID.
    description: String,
}

impl Jobs<'_> {
    fn call(&self, operation: &'static str, resource: &str) -> aws_env::Call {
        self.access.clients.call("S3 Control", operation, resource)
    }

    /// The jobs of this pair of buckets, as long as S3 remembers them.
    async fn known(&self) -> Result<Vec<JobListDescriptor>, Error> {
        let listed = self.client.list_jobs().account_id(self.account);
        let listed = listed.into_paginator().send();
        let found = pages(self.call("ListJobs", &self.description), listed).await?;
        let jobs = found
            .into_iter()
            .flat_map(|page| page.jobs.unwrap_or_default());
        Ok(jobs
            .filter(|job| job.description() == Some(self.description.as_str()))
            .collect())
    }

    async fn create(
        &self,
        spec: &Spec,
        batch: &BatchReplication,
        token: String,
    ) -> Result<String, Error> {
        let call = || self.call("CreateJob", &self.description);
        let wrong = |error: BuildError| Error::unexpected(call(), error.to_string());
        let bucket = spec.bucket_arn(self.access.side);
        let filter = JobManifestGeneratorFilter::builder()
            .eligible_for_replication(true)
            .object_replication_statuses(ReplicationStatus::None)
            .object_replication_statuses(ReplicationStatus::Failed)
            .set_object_size_greater_than_bytes(
                batch
                    .larger_than
                    .and_then(|bytes| i64::try_from(bytes).ok()),
            )
            .build();
        let manifest = S3JobManifestGenerator::builder()
            .source_bucket(&bucket)
            .enable_manifest_output(false)
            .filter(filter)
            .build()
            .map_err(wrong)?;
        let report = JobReport::builder()
            .enabled(true)
            .bucket(&bucket)
            .expected_bucket_owner(self.account)
            .prefix(report_folder())
            .format(JobReportFormat::ReportCsv20180820)
            .report_scope(JobReportScope::FailedTasksOnly)
            .build();
        let operation = JobOperation::builder()
            .s3_replicate_object(S3ReplicateObjectOperation::builder().build())
            .build();
        let made = self
            .client
            .create_job()
            .account_id(self.account)
            // It was confirmed here.
            .confirmation_required(false)
            .operation(operation)
            .manifest_generator(JobManifestGenerator::S3JobManifestGenerator(manifest))
            .report(report)
            .priority(10)
            .set_role_arn(batch.role.as_ref().map(RoleArn::to_string))
            .client_request_token(token)
            .description(&self.description)
            .send()
            .await
            .map_err(|error| call().failed(error));
        tracing::info!(
            region = %self.access.clients.region,
            resource = %self.access.side.bucket,
            step = "create batch replication job",
            outcome = if made.is_ok() { "done" } else { "failed" },
            "applied"
        );
        let id = made?.job_id;
        id.ok_or_else(|| Error::unexpected(call(), "the answer names no job"))
    }

    /// Until the job has ended or `wait` is over. Who does not answer for a while is asked again.
    async fn follow(
        &self,
        id: &str,
        found: bool,
        wait: Duration,
        observer: &dyn Observer,
    ) -> Result<BatchJob, Error> {
        let until = Instant::now() + wait;
        let mut job = BatchJob::unknown(id, found);
        let mut between = FIRST_BETWEEN;
        loop {
            let asked = self.client.describe_job().account_id(self.account);
            match asked.job_id(id).send().await {
                Ok(answer) => {
                    if let Some(seen) = &answer.job {
                        job = BatchJob::of(id, found, seen);
                    }
                }
                Err(error) => {
                    let error = self.call("DescribeJob", id).failed(error);
                    if !error.is_transient() {
                        return Err(error);
                    }
                }
            }
            let amount = |objects| Amount { objects, bytes: 0 };
            let (done, all) = (job.succeeded + job.failed, job.objects);
            observer.advanced("batch replication", amount(done), amount(all));
            let left = until.saturating_duration_since(Instant::now());
            if job.ended || left.is_zero() {
                return Ok(job);
            }
            sleep(between.min(left)).await;
            between = (between * 2).min(LONGEST_BETWEEN);
        }
    }

    /// What the report of a job says. One that is not there yet says nothing.
    async fn failures(&self, id: &str) -> Result<Vec<BatchFailure>, Error> {
        let (clients, bucket) = (self.access.clients, self.access.side.bucket.as_str());
        let folder = format!("{}/job-{id}/results/", report_folder());
        let mut failures = Vec::new();
        for key in list_keys(clients, bucket, &folder).await? {
            let call = || clients.call("S3", "GetObject", format!("{bucket}/{key}"));
            let part = clients.s3.get_object().bucket(bucket).key(&key).send();
            let part = match part.await.map_err(|error| call().failed(error)) {
                Err(error) if error.class == ErrorClass::Absent => continue,
                part => part?,
            };
            let text = part.body.collect().await;
            let text = text.map_err(|error| {
                Error::unexpected(call(), format!("the body broke off: {error}"))
            })?;
            let text = String::from_utf8_lossy(&text.into_bytes()).into_owned();
            let room = MOST_FAILURES.saturating_sub(failures.len());
            failures.extend(text.lines().filter_map(failure).take(room));
        }
        Ok(failures)
    }
}

/// Where the reports of jobs are: this project's own folder, of which nothing is a state.
pub(crate) fn report_folder() -> String {
    format!("{FOLDER}batch-replication")
}

/// A line of a report: bucket, key, version, task status, HTTP status, code, message.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-examples-reports.html>
fn failure(line: &str) -> Option<BatchFailure> {
    let mut fields = line.splitn(7, ',').map(|field| field.trim_matches('"'));
    let (_bucket, key, version, status) = (
        fields.next()?,
        fields.next()?,
        fields.next()?,
        fields.next()?,
    );
    let why: Vec<&str> = fields.filter(|field| !field.is_empty()).collect();
    let key = percent_decode_str(key).decode_utf8_lossy().into_owned();
    (status == "failed").then(|| BatchFailure {
        key,
        version: (!version.is_empty()).then(|| version.to_owned()),
        why: why.join(" "),
    })
}

fn text<S: Serializer>(role: &Option<RoleArn>, serializer: S) -> Result<S::Ok, S::Error> {
    match role {
        Some(role) => serializer.collect_str(role),
        None => serializer.serialize_none(),
    }
}

/// The same by hand.
pub(super) fn batch_command(spec: &Spec, batch: &BatchReplication) -> ShellCommand {
    let bucket = spec.bucket_arn(&spec.primary);
    let mut filter = serde_json::json!({
        "EligibleForReplication": true,
        "ObjectReplicationStatuses": ["NONE", "FAILED"],
    });
    if let Some(bytes) = batch.larger_than {
        filter["ObjectSizeGreaterThanBytes"] = bytes.into();
    }
    let manifest = serde_json::json!({"S3JobManifestGenerator": {
        "SourceBucket": bucket,
        "EnableManifestOutput": false,
        "Filter": filter,
    }});
    let command = ShellCommand::new("aws s3control create-job")
        .option("--region", spec.primary.region.as_str())
        .option("--account-id", &spec.account)
        .option("--operation", r#"{"S3ReplicateObject":{}}"#)
        .option("--manifest-generator", manifest.to_string())
        .option("--report", r#"{"Enabled":false}"#)
        .words("--priority 1 --confirmation-required");
    match &batch.role {
        Some(role) => command.option("--role-arn", role.as_str()),
        None => command
            .words("--role-arn ROLE")
            .comment("ROLE is one that batchoperations.s3.amazonaws.com may assume"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_is_read_from_lines_of_failed_tasks_alone() {
        let line = "bucket,a%2Fb%20c,v1,failed,403,AccessDenied,\"no, not this role\"";
        let found = failure(line).unwrap();
        assert_eq!(
            (found.key.as_str(), found.version.as_deref()),
            ("a/b c", Some("v1"))
        );
        assert_eq!(found.why, "403 AccessDenied no, not this role");
        for other in ["", "bucket,a", "bucket,a,v1,succeeded,200,,Successful"] {
            assert_eq!(failure(other), None, "{other}");
        }
    }
}
