//! How jobs go on.

use std::time::Duration;

use aws_env::{Error, ErrorClass};
use aws_sdk_s3control::types::{JobDescriptor, JobStatus};
use report::{Amount, Document, Mark, Observer, Report};
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::super::bucket::Bucket;
use super::{BatchOptions, call};

/// A job takes minutes to be prepared; asking more often only costs calls.
const BETWEEN: Duration = Duration::from_secs(10);

/// What is known about a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JobState {
    /// S3's id of it.
    pub id: String,
    /// `Active`, `Complete`, `Failed` …; <https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-job-status.html>.
    pub status: String,
    /// Nothing will change any more.
    pub ended: bool,
    /// Objects in its manifest.
    pub objects: u64,
    /// Objects that it copied.
    pub succeeded: u64,
    /// Objects that it could not copy; its report in the journal names them.
    pub failed: u64,
    /// Why it failed or waits, in S3's words.
    pub reasons: Vec<String>,
}

impl JobState {
    /// Whether everything in its manifest was copied.
    pub fn is_complete(&self) -> bool {
        self.status == JobStatus::Complete.as_str() && self.failed == 0
    }

    fn unknown(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            status: "not known".to_owned(),
            ended: false,
            objects: 0,
            succeeded: 0,
            failed: 0,
            reasons: Vec::new(),
        }
    }

    fn of(id: &str, job: &JobDescriptor) -> Self {
        let status = job.status();
        let number = |number: Option<i64>| {
            number
                .and_then(|number| u64::try_from(number).ok())
                .unwrap_or_default()
        };
        let progress = job.progress_summary();
        let failures = job.failure_reasons().iter().map(|failure| {
            let parts = [failure.failure_code(), failure.failure_reason()];
            parts.into_iter().flatten().collect::<Vec<_>>().join(": ")
        });
        let waits = [job.suspended_cause(), job.status_update_reason()];
        Self {
            id: id.to_owned(),
            status: status.map_or("not known", JobStatus::as_str).to_owned(),
            ended: matches!(
                status,
                Some(JobStatus::Complete | JobStatus::Failed | JobStatus::Cancelled)
            ),
            objects: number(progress.and_then(|progress| progress.total_number_of_tasks)),
            succeeded: number(progress.and_then(|progress| progress.number_of_tasks_succeeded)),
            failed: number(progress.and_then(|progress| progress.number_of_tasks_failed)),
            reasons: waits
                .into_iter()
                .flatten()
                .map(str::to_owned)
                .chain(failures)
                .collect(),
        }
    }
}

/// Jobs, as far as they have come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Jobs(pub Vec<JobState>);

impl Report for Jobs {
    fn document(&self) -> Document {
        let rows = self.0.iter().map(|job| {
            let mark = match (job.ended, job.is_complete()) {
                (_, true) => Mark::Ok,
                (true, false) => Mark::Wrong,
                (false, false) => Mark::Unknown,
            };
            let cells = vec![
                job.id.clone(),
                job.status.clone(),
                job.objects.to_string(),
                job.succeeded.to_string(),
                job.failed.to_string(),
                job.reasons.join("; "),
            ];
            (mark, cells)
        });
        Document::new().heading("Batch jobs").table(
            ["Job", "Status", "Objects", "Copied", "Failed", "Why"],
            rows.collect(),
        )
    }
}

/// Waits until all jobs have ended, `deadline` has passed, or `stop` becomes true; jobs run on then, and can
/// be followed again by their ids. A region that does not answer for a while is asked again.
///
/// # Errors
/// When S3 does not know a job, or may not tell.
pub async fn follow(
    destination: &Bucket,
    ids: &[String],
    options: &BatchOptions,
    deadline: Duration,
    mut stop: watch::Receiver<bool>,
    observer: &dyn Observer,
) -> Result<Jobs, Error> {
    let until = Instant::now() + deadline;
    let mut states: Vec<JobState> = ids.iter().map(|id| JobState::unknown(id)).collect();
    loop {
        for state in states.iter_mut().filter(|state| !state.ended) {
            if let Some(job) = describe(destination, &state.id, options).await? {
                *state = JobState::of(&state.id, &job);
            }
        }
        let sum = |of: fn(&JobState) -> u64| states.iter().map(of).sum();
        let amount = |objects| Amount { objects, bytes: 0 };
        observer.advanced(
            "batch",
            amount(sum(|state| state.succeeded + state.failed)),
            amount(sum(|state| state.objects)),
        );
        let now = Instant::now();
        if states.iter().all(|state| state.ended) || *stop.borrow() || now >= until {
            return Ok(Jobs(states));
        }
        let next = until.min(now + BETWEEN);
        tokio::select! {
            () = sleep_until(next) => {}
            changed = stop.wait_for(|stop| *stop) => {
                // Without a sender nobody can interrupt.
                if changed.is_err() {
                    sleep_until(next).await;
                }
            }
        }
    }
}

/// `None` when nobody answers.
async fn describe(
    destination: &Bucket,
    id: &str,
    options: &BatchOptions,
) -> Result<Option<JobDescriptor>, Error> {
    let answer = options
        .control
        .describe_job()
        .account_id(&options.account)
        .job_id(id)
        .send()
        .await
        .map_err(|error| call(destination, "DescribeJob", id).failed(error));
    match answer {
        Ok(answer) => Ok(answer.job),
        Err(error) if matches!(error.class, ErrorClass::Unreachable | ErrorClass::Throttled) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
