//! How jobs go on.

use std::time::Duration;

use aws_env::{Error, ErrorClass, pages};
use aws_sdk_s3control::types::{JobDescriptor, JobListDescriptor, JobStatus};
use report::{Amount, Document, Mark, Observer, Report};
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::super::bucket::Bucket;
use super::super::journal::ReplayedJob;
use super::{JobControl, call};

/// A job takes minutes to be prepared; asking more often only costs calls.
const BETWEEN: Duration = Duration::from_secs(10);

/// What is known about a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JobState {
    /// S3's id of it.
    pub id: String,
    /// Name of the run that made it, where the job tells.
    pub run: Option<String>,
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

    /// Whether each object in its manifest was copied or has failed. A job that was cancelled, or ended as failed, may not have
    /// come to all of them.
    pub(super) fn has_tried_all(&self) -> bool {
        self.is_complete()
            || (self.ended && self.objects > 0 && self.succeeded + self.failed == self.objects)
    }

    fn unknown(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            run: None,
            status: "not known".to_owned(),
            ended: false,
            objects: 0,
            succeeded: 0,
            failed: 0,
            reasons: Vec::new(),
        }
    }

    pub(super) fn of(id: &str, job: &JobDescriptor) -> Self {
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
            run: job.description().and_then(run_of).map(str::to_owned),
            status: status.map_or("not known", JobStatus::as_str).to_owned(),
            ended: has_ended(status),
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
    const KIND: &'static str = "batch-jobs";

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
    control: &JobControl,
    deadline: Duration,
    mut stop: watch::Receiver<bool>,
    observer: &dyn Observer,
) -> Result<Jobs, Error> {
    let until = Instant::now() + deadline;
    let mut states: Vec<JobState> = ids.iter().map(|id| JobState::unknown(id)).collect();
    loop {
        for state in states.iter_mut().filter(|state| !state.ended) {
            if let Some(job) = describe(destination, &state.id, control).await? {
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
    control: &JobControl,
) -> Result<Option<JobDescriptor>, Error> {
    match ask(destination, id, control).await {
        Ok(job) => Ok(job),
        Err(error) if error.is_transient() => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) async fn ask(
    destination: &Bucket,
    id: &str,
    control: &JobControl,
) -> Result<Option<JobDescriptor>, Error> {
    let answer = control
        .client
        .describe_job()
        .account_id(&control.account)
        .job_id(id)
        .send()
        .await
        .map_err(|error| call(destination, "DescribeJob", id).failed(error))?;
    Ok(answer.job)
}

const DESCRIPTION: &str = "dr-replicate ";

/// What a job says about itself, so that it is found without its id.
pub(super) fn description(token: &str) -> String {
    format!("{DESCRIPTION}{token}")
}

/// The run of a job that says this about itself.
fn run_of(description: &str) -> Option<&str> {
    let (run, number) = description.strip_prefix(DESCRIPTION)?.rsplit_once('-')?;
    number
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then_some(run)
}

/// Those of a run's jobs that may still write to the destination. A job whose id the run did not come to tell
/// is looked for by its description.
///
/// # Errors
/// When S3 does not tell about a job; nothing is known about the destination then.
pub async fn unfinished_jobs(
    destination: &Bucket,
    jobs: &[ReplayedJob],
    control: &JobControl,
) -> Result<Vec<JobState>, Error> {
    let mut unfinished = Vec::new();
    let mut nameless = Vec::new();
    for job in jobs {
        let Some(id) = &job.id else {
            nameless.push(description(&job.token));
            continue;
        };
        let state = match ask(destination, id, control).await {
            Ok(Some(job)) => JobState::of(id, &job),
            Ok(None) => JobState::unknown(id),
            // S3 forgets a job some months after its end.
            Err(error) if error.class == ErrorClass::Absent => continue,
            Err(error) => return Err(error),
        };
        if !state.ended {
            unfinished.push(state);
        }
    }
    if !nameless.is_empty() {
        for job in jobs_under_way(destination, control).await? {
            if job
                .description()
                .is_some_and(|text| nameless.iter().any(|name| name == text))
            {
                unfinished.push(JobState {
                    status: job
                        .status()
                        .map_or("not known", JobStatus::as_str)
                        .to_owned(),
                    ..JobState::unknown(job.job_id().unwrap_or_default())
                });
            }
        }
    }
    Ok(unfinished)
}

async fn jobs_under_way(
    destination: &Bucket,
    control: &JobControl,
) -> Result<Vec<JobListDescriptor>, Error> {
    let request = control
        .client
        .list_jobs()
        .account_id(&control.account)
        .set_job_statuses(Some(
            JobStatus::values()
                .iter()
                .map(|status| JobStatus::from(*status))
                .filter(|status| !has_ended(Some(status)))
                .collect(),
        ))
        .into_paginator();
    let found = pages(call(destination, "ListJobs", ""), request.send()).await?;
    Ok(found
        .into_iter()
        .flat_map(|page| page.jobs.unwrap_or_default())
        .collect())
}

fn has_ended(status: Option<&JobStatus>) -> bool {
    matches!(
        status,
        Some(JobStatus::Complete | JobStatus::Failed | JobStatus::Cancelled)
    )
}
