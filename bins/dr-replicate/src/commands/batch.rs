//! `sync --engine batch`, and `sync --job`.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use cli::{Exit, Failure, GlobalArgs, OutputFormat, Progress};
use dr::objects::{
    Approved, BatchError, BatchJob, BatchOptions, BatchPlan, Inventory, InventoryError, JobControl,
    Jobs, JournalError, JournalKey, Plan, Run, S3Location, Tally, follow, plan_batch,
    record_copies, replay, submit,
};
use report::{Document, Report};
use serde::Serialize;
use tokio::sync::watch;

use super::carry_out::{Route, exit, scratch};
use super::connect::{self, BucketClients};
use super::errors;
use crate::args::SyncArgs;

/// What `sync --engine batch` prints.
#[derive(Serialize)]
struct Outcome {
    #[serde(flatten)]
    route: Route,
    plan: Plan,
    batch: BatchPlan,
    /// For `undo`; null when nothing was done.
    run: Option<String>,
    /// Null when no job was made.
    jobs: Option<Jobs>,
    /// Copies that later runs know for the same; null when it is not sure what the jobs have copied.
    recorded: Option<Tally>,
}

impl Report for Outcome {
    const KIND: &'static str = "sync-batch";

    fn document(&self) -> Document {
        match (&self.jobs, &self.run) {
            (Some(jobs), Some(run)) => {
                let document = self.batch.describe(jobs.document());
                document.text(format!("Run {run}"))
            }
            _ => self.batch.describe(self.route.document(&self.plan)),
        }
    }
}

async fn options(args: &SyncArgs, pair: &BucketClients) -> Result<BatchOptions, Failure> {
    Ok(BatchOptions {
        control: connect::job_control(&pair.env, &pair.destination).await?,
        role: args.batch.role_arn.clone().unwrap_or_default(),
        priority: args.batch.priority,
        kms_key: args.kms_key.clone(),
        journals: pair.journals.clone(),
        journal_key: connect::journal_key(args.apply.written.journal_key.as_ref())?,
        inventory: args.batch.inventory.as_ref().map(|url| Inventory {
            // S3 publishes the inventory of a bucket in the bucket's region.
            bucket: pair.source.beside(S3Location::whole(url.bucket.clone())),
            manifest: url.key.clone(),
            lists: Some(pair.source.location().bucket.clone()),
        }),
    })
}

/// Makes jobs for what was approved, and follows them.
pub(super) async fn run(
    global: &GlobalArgs,
    args: &SyncArgs,
    pair: &BucketClients,
    (approved, route): (Approved, Route),
    folders: (&Path, &Path),
    stop: watch::Receiver<bool>,
) -> Result<Exit, Failure> {
    let mut outcome = Outcome {
        route,
        plan: approved.plan().clone(),
        batch: plan_batch(&approved).map_err(failure)?,
        run: None,
        jobs: None,
        recorded: None,
    };
    let nothing = outcome.batch.jobs.is_empty() || args.dry_run;
    if nothing || global.output == OutputFormat::Table {
        cli::print(global, &outcome)?;
    }
    if nothing {
        return Ok(rest(&outcome));
    }
    let options = options(args, pair).await?;
    confirm(global, &outcome.batch, pair, &options.role)?;
    let run = connect::new_run("sync --engine batch", &pair.source, &pair.destination);
    let made = |job: &BatchJob| {
        if let Some(id) = &job.id {
            cli::note(&format!("job {id} copies {} objects", job.copies.objects));
        }
    };
    outcome.batch = submit(approved, &run, folders, &options, &stop, made)
        .await
        .map_err(failure)?;
    let jobs = outcome.batch.jobs.iter();
    let ids: Vec<String> = jobs.filter_map(|job| job.id.clone()).collect();
    let jobs = watch_jobs(args, pair, &options.control, &ids, stop.clone()).await?;
    if have_ended(&jobs) {
        outcome.recorded =
            record(&run, pair, &options.control, &options.journal_key, folders).await;
    }
    outcome.jobs = Some(jobs);
    outcome.run = Some(run.run);
    cli::print(global, &outcome)?;
    Ok(if *stop.borrow() {
        Exit::Interrupted
    } else {
        rest(&outcome)
    })
}

fn confirm(
    global: &GlobalArgs,
    batch: &BatchPlan,
    pair: &BucketClients,
    role: &str,
) -> Result<(), Failure> {
    let copies: u64 = batch.jobs.iter().map(|job| job.copies.objects).sum();
    let question = format!(
        "Have S3 copy {copies} objects to {} by {} jobs, as {role}?",
        pair.destination.location(),
        batch.jobs.len(),
    );
    cli::confirm_name(global, &question, pair.destination.name())
}

/// Follows jobs of an earlier run.
pub(super) async fn resume(
    global: &GlobalArgs,
    args: &SyncArgs,
    pair: &BucketClients,
    stop: watch::Receiver<bool>,
) -> Result<Exit, Failure> {
    let control = connect::job_control(&pair.env, &pair.destination).await?;
    let jobs = watch_jobs(args, pair, &control, &args.batch.job, stop.clone()).await?;
    cli::print(global, &jobs)?;
    if have_ended(&jobs) {
        record_earlier(args, pair, &control, &jobs).await?;
    }
    Ok(if *stop.borrow() {
        Exit::Interrupted
    } else {
        end(&jobs)
    })
}

/// Writes down what the jobs of a run have copied. That it cannot be takes nothing from what they did.
async fn record(
    run: &Run,
    pair: &BucketClients,
    control: &JobControl,
    key: &JournalKey,
    folders: (&Path, &Path),
) -> Option<Tally> {
    let between = (&pair.source, &pair.destination);
    let journals = (pair.journals.as_ref(), key);
    match record_copies(run, between, folders, journals, control).await {
        Ok(Some(recorded)) => Some(recorded),
        Ok(None) => not_written_down(run, "not all of its jobs have come to all of their objects"),
        Err(error) => not_written_down(run, &format!("{:#}", anyhow::Error::new(error))),
    }
}

fn not_written_down(run: &Run, why: &str) -> Option<Tally> {
    cli::note(&format!(
        "what the jobs of run {} have copied is not written down, and what neither ETags nor checksums prove will be copied \
         again: {why}",
        run.run
    ));
    None
}

/// The same for jobs that earlier runs have made.
async fn record_earlier(
    args: &SyncArgs,
    pair: &BucketClients,
    control: &JobControl,
    jobs: &Jobs,
) -> Result<(), Failure> {
    let runs = connect::runs(args.apply.written.runs.as_ref())?;
    let key = connect::journal_key(args.apply.written.journal_key.as_ref())?;
    let names: BTreeSet<&String> = jobs.0.iter().filter_map(|job| job.run.as_ref()).collect();
    for name in names {
        let directory = scratch(&runs)?;
        let (journals, bucket) = (pair.journals.as_ref(), &pair.destination);
        let replayed = replay(&runs, bucket, journals, name, &key, directory.path()).await;
        let begun = match replayed {
            Ok(replayed) => replayed.begun().cloned(),
            Err(JournalError::Absent { .. }) => None,
            Err(error) => return Err(errors::journal("read the journal", error)),
        };
        let Some(begun) = begun else {
            cli::note(&format!(
                "there is no journal of run {name}, which made the jobs"
            ));
            continue;
        };
        if begun.source != pair.source.location().to_string() {
            continue;
        }
        let folders = (runs.as_path(), directory.path());
        if let Some(recorded) = record(&begun, pair, control, &key, folders).await {
            let objects = recorded.objects;
            cli::note(&format!(
                "{objects} copies of run {name} are known for the same"
            ));
        }
    }
    Ok(())
}

async fn watch_jobs(
    args: &SyncArgs,
    pair: &BucketClients,
    control: &JobControl,
    ids: &[String],
    stop: watch::Receiver<bool>,
) -> Result<Jobs, Failure> {
    let deadline = Duration::from_secs(u64::from(args.batch.wait) * 60);
    let progress = Progress::new();
    let again = errors::sync_of_jobs(ids);
    let jobs = follow(&pair.destination, ids, control, deadline, stop, &progress)
        .await
        .map_err(|error| {
            Failure::aws("follow the jobs", error)
                .hint(format!("they run on; follow them again with `{again}`"))
        })?;
    if jobs.0.iter().any(|job| !job.ended) {
        cli::note(&format!("jobs run on; follow them again with `{again}`"));
    }
    Ok(jobs)
}

fn have_ended(jobs: &Jobs) -> bool {
    jobs.0.iter().all(|job| job.ended)
}

/// What a job could not copy, or has not copied yet, is not known to be equal.
fn end(jobs: &Jobs) -> Exit {
    if jobs.0.iter().all(dr::objects::JobState::is_complete) {
        Exit::Fine
    } else {
        Exit::Unchecked
    }
}

fn rest(outcome: &Outcome) -> Exit {
    let jobs = outcome.jobs.as_ref().map_or(Exit::Fine, end);
    let left = match outcome.batch.left.tally.objects {
        0 => Exit::Fine,
        _ => Exit::Wrong,
    };
    [jobs, left, exit(&outcome.plan, None)]
        .into_iter()
        .collect()
}

fn failure(error: BatchError) -> Failure {
    match error {
        BatchError::Call(error) => Failure::aws("run a batch job", error),
        BatchError::Journal(error) => errors::journal("keep the journal", error),
        error @ (BatchError::Classes { .. }
        | BatchError::Inventory(
            InventoryError::NotPlanned { .. } | InventoryError::Unusable { .. },
        )) => Failure::new(
            Exit::Usage,
            anyhow::Error::new(error).context("failed to make a job by the inventory"),
        )
        .hint("leave --inventory out: manifests are then written from the plan"),
        error @ BatchError::Folders { .. } => Failure::new(
            Exit::Usage,
            anyhow::Error::new(error).context("failed to plan"),
        )
        .hint("use --engine own, or folders of the same name"),
        error @ BatchError::Unversioned { .. } => Failure::new(
            Exit::Refused,
            anyhow::Error::new(error).context("failed to run a batch job"),
        )
        .hint("switch versioning on again: without it nothing can be put back"),
        error => errors::unchecked("run a batch job", error),
    }
}
