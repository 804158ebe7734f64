//! The end of what old runs have written down.
//!
//! A run is not over as long as a batch job of its own still copies: without its journal nobody could undo that, or would know
//! that the job is there. The program that made the job has ended long before, so S3 is asked.

use std::collections::BTreeMap;
use std::path::Path;

use aws_env::Error;
use jiff::Timestamp;
use report::{Document, Mark, Report};
use serde::Serialize;

use super::super::batch::{JobControl, unfinished_jobs};
use super::super::bucket::Bucket;
use super::super::location::JOURNAL;
use super::replay::replay;
use super::runs::{RunEnd, RunEntry, Runs};
use super::{JournalError, JournalKey, Run};

/// Journals that are old enough to go, and those that stay although they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PrunePlan {
    /// To be removed: they have ended, and so have their jobs.
    remove: Vec<RunEntry>,
    kept: Vec<KeptRun>,
}

/// A run whose journal is old and stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeptRun {
    /// The run.
    #[serde(flatten)]
    pub run: RunEntry,
    /// Why it stays.
    pub why: String,
}

impl PrunePlan {
    /// The runs whose journals are to be removed.
    pub fn remove(&self) -> &[RunEntry] {
        &self.remove
    }

    /// The runs whose journals are as old, and stay.
    pub fn kept(&self) -> &[KeptRun] {
        &self.kept
    }
}

impl Report for PrunePlan {
    const KIND: &'static str = "prune-plan";

    fn document(&self) -> Document {
        let document = Document::new().fact(
            Mark::Plain,
            "journals to be removed",
            self.remove.len().to_string(),
        );
        let document = match self.remove.as_slice() {
            [] => document,
            runs => {
                let runs = Runs {
                    runs: runs.to_vec(),
                    unread: BTreeMap::new(),
                };
                document
                    .heading("To be removed")
                    .append(runs.document())
                    .text("Without its journal a run cannot be undone, and what it copied under KMS keys is not known to be the same any more.")
            }
        };
        let kept = self.kept.iter().map(|KeptRun { run, why }| {
            let started = run.begun.as_ref().map(|run| run.started.to_string());
            let cells = vec![run.run.clone(), started.unwrap_or_default(), why.clone()];
            (Mark::Unknown, cells)
        });
        match self.kept.is_empty() {
            true => document,
            false => document
                .heading("Old, and kept")
                .table(["Run", "Started", "Why"], kept.collect()),
        }
    }
}

/// What [`plan_prune`] reads journals with.
#[derive(Clone, Copy, Debug)]
pub struct PruneSources<'a> {
    /// Where this machine keeps runs.
    pub runs: &'a Path,
    /// Buckets that may have journals.
    pub journals: &'a [Bucket],
    /// Makes the digests of journals in buckets.
    pub key: &'a JournalKey,
    /// For what journals tell meanwhile.
    pub directory: &'a Path,
}

/// The journals of those of `found` that began before `time`. Of runs that left something undone, whether batch jobs of theirs
/// go on is asked where `destination` says: the bucket that the run changed, and where jobs that write to it are. What cannot be
/// told stays.
pub async fn plan_prune(
    found: Runs,
    time: Timestamp,
    sources: PruneSources<'_>,
    destination: impl AsyncFn(&Run) -> Result<(Bucket, JobControl), String>,
) -> PrunePlan {
    let mut plan = PrunePlan::default();
    for run in found.runs {
        let Some(begun) = run.begun.as_ref().filter(|run| run.started < time) else {
            continue;
        };
        let may_go = match run.end {
            // That all jobs have ended was seen, and is written down.
            RunEnd::Complete => Ok(()),
            RunEnd::Incomplete => jobs_have_ended(&run, begun, sources, &destination).await,
            RunEnd::UnderWay => Err("it is under way".to_owned()),
            RunEnd::None => Err("it has no end: it was killed, or goes on elsewhere".to_owned()),
        };
        match may_go {
            Ok(()) => plan.remove.push(run),
            Err(why) => plan.kept.push(KeptRun { run, why }),
        }
    }
    plan
}

async fn jobs_have_ended(
    entry: &RunEntry,
    begun: &Run,
    sources: PruneSources<'_>,
    destination: &impl AsyncFn(&Run) -> Result<(Bucket, JobControl), String>,
) -> Result<(), String> {
    let PruneSources {
        runs,
        journals,
        key,
        directory,
    } = sources;
    let has_it = |bucket: &&Bucket| entry.buckets.iter().any(|name| name == bucket.name());
    let (bucket, control) = destination(begun).await?;
    let journals = journals.iter().find(has_it);
    let replayed = replay(runs, &bucket, journals, &entry.run, key, directory)
        .await
        .map_err(|error| error.to_string())?;
    if replayed.jobs().is_empty() {
        return Ok(());
    }
    let untold = |error: Error| format!("whether its jobs have ended is not known: {error}");
    // In another region than the bucket's no job of it would be found.
    bucket.reach().await.map_err(untold)?;
    let jobs = unfinished_jobs(&bucket, replayed.jobs(), &control)
        .await
        .map_err(untold)?;
    match jobs.as_slice() {
        [] => Ok(()),
        jobs => {
            let jobs = jobs
                .iter()
                .map(|job| format!("{} is {}", job.id, job.status));
            Err(format!("job {}", jobs.collect::<Vec<_>>().join(", job ")))
        }
    }
}

/// Removes the journals of `plan`, from this machine and from `journals`, where versions of them stay as long as the bucket
/// keeps them.
///
/// # Errors
/// When one cannot be removed; others may have been.
pub async fn prune(plan: &PrunePlan, runs: &Path, journals: &[Bucket]) -> Result<(), JournalError> {
    for run in &plan.remove {
        for bucket in journals
            .iter()
            .filter(|bucket| run.buckets.iter().any(|name| name == bucket.name()))
        {
            remove_from(bucket, &run.run).await?;
        }
        // Last: as long as it is here, the next attempt finds the rest.
        if run.here {
            let path = runs.join(&run.run);
            std::fs::remove_dir_all(&path).map_err(|source| JournalError::File { path, source })?;
        }
    }
    Ok(())
}

async fn remove_from(bucket: &Bucket, run: &str) -> Result<(), Error> {
    let prefix = format!("{JOURNAL}{run}/");
    let call = |operation| bucket.call(operation, &prefix);
    let mut pages =
        aws_env::ObjectPages::new(&bucket.s3, call("ListObjectsV2"), bucket.name(), &prefix);
    let mut keys = Vec::new();
    while let Some(page) = pages.next().await? {
        keys.extend(page.into_iter().map(|object| (object.key, None)));
    }
    // The first part, which says what run it is, goes last.
    keys.reverse();
    aws_env::delete_objects(&bucket.s3, &call("DeleteObjects"), bucket.name(), &keys).await
}
