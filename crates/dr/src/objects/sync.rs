//! From a plan to what was done.

use std::path::Path;
use std::sync::Arc;

use report::Observer;
use settings::KmsKeyArn;
use tokio::sync::watch;

use super::bucket::Bucket;
use super::copy::{Copier, abort};
use super::earlier::Earlier;
use super::execute::{Done, ExecuteError, Execution};
use super::guard::Approved;
use super::journal::{Journal, JournalError, JournalKey, Run, open_uploads};

/// How a plan is carried out.
#[derive(Clone, Debug)]
pub struct ApplyOptions {
    /// Where runs keep their files on this machine.
    pub runs: std::path::PathBuf,
    /// Where journals lie; in the destination unless given.
    pub journals: Option<Bucket>,
    /// Makes the digests of the journal in the bucket.
    pub journal_key: JournalKey,
    /// Encrypts the copies, instead of what the destination bucket does by default.
    pub kms_key: Option<KmsKeyArn>,
    /// Copies under way at once, at most, each part of an object in parts counting as one: each has a connection.
    pub concurrency: usize,
}

/// Does what was approved. Copies come first; when one of them fails, or the run is interrupted, nothing is
/// deleted.
///
/// # Errors
/// When the destination keeps no versions any more although that is why the plan was approved, and when the
/// journal, the plan or the destination fail; what was done until then is in the journal.
pub async fn apply(
    approved: Approved,
    run: &Run,
    options: &ApplyOptions,
    stop: watch::Receiver<bool>,
    observer: &dyn Observer,
) -> Result<Done, ExecuteError> {
    // Before the journal begins: a run that changes nothing leaves nothing.
    still_holds(&approved).await?;
    let journals = options.journals.as_ref().unwrap_or(approved.destination());
    let journal = Journal::begin(&options.runs, journals, run, &options.journal_key)?;
    carry_out(
        &approved,
        journal,
        Earlier::default(),
        options,
        stop,
        observer,
    )
    .await
}

/// Does what was approved, as [`apply`] does, and goes on with `run` where that has been killed: on this machine, or on another
/// one, from its journal in the bucket. The plan has to be the same one ([`Planned::reopen`](super::Planned::reopen)). What the
/// run did before is counted and not done again; where it was killed before it could tell, what is there now tells, or else the
/// object is named as failed, with the reason.
///
/// # Errors
/// As [`apply`]; and when `run` is under way, is another run, or has asked for batch jobs.
pub async fn resume(
    approved: Approved,
    run: &Run,
    options: &ApplyOptions,
    stop: watch::Receiver<bool>,
    observer: &dyn Observer,
) -> Result<Done, ExecuteError> {
    still_holds(&approved).await?;
    let (source, destination) = (approved.source(), approved.destination());
    abort_open_uploads(&options.runs, destination).await?;
    let journals = options.journals.as_ref().unwrap_or(destination);
    let directory = approved.planned().directory();
    let (runs, key) = (&options.runs, &options.journal_key);
    let (journal, resumed) = Journal::resume(runs, journals, run, key, &directory).await?;
    if !resumed.jobs.is_empty() {
        let run = run.run.clone();
        return Err(JournalError::HasJobs { run }.into());
    }
    let earlier = Earlier::settle(&resumed.changes, &journal, source, destination).await?;
    carry_out(&approved, journal, earlier, options, stop, observer).await
}

async fn still_holds(approved: &Approved) -> Result<(), ExecuteError> {
    match approved.still_holds().await? {
        true => Ok(()),
        false => Err(ExecuteError::Unversioned {
            bucket: approved.destination().name().to_owned(),
        }),
    }
}

async fn carry_out(
    approved: &Approved,
    journal: Journal,
    earlier: Earlier,
    options: &ApplyOptions,
    stop: watch::Receiver<bool>,
    observer: &dyn Observer,
) -> Result<Done, ExecuteError> {
    let (planned, destination) = (approved.planned(), approved.destination());
    let run = journal.run().to_owned();
    let journal = Arc::new(journal);
    let execution = Execution {
        copier: Arc::new(Copier::new(
            approved.source().clone(),
            destination.clone(),
            options.kms_key.clone(),
            options.concurrency,
        )),
        destination,
        journal: journal.clone(),
        earlier,
        concurrency: options.concurrency,
        stop,
        observer,
    };
    let mut done = Done {
        run,
        ..Done::default()
    };
    let copies = planned.plan.copies();
    if copies.objects > 0 {
        execution
            .copy(planned.copies.read()?, copies, &mut done)
            .await?;
    }
    let deletions = planned.plan.delete.tally.objects;
    if deletions > 0 {
        if done.is_complete() {
            // Copies may have taken hours.
            still_holds(approved).await?;
            execution
                .delete(planned.deletions.read()?, &mut done)
                .await?;
        } else {
            done.skipped_deletions = deletions;
        }
    }
    let complete = done.is_complete();
    journal.end(complete).await?;
    Ok(done)
}

/// Aborts the multipart uploads that killed runs of this machine left open in `destination`, and no others.
/// Returns how many.
///
/// # Errors
/// When a journal or S3 fails.
pub async fn abort_open_uploads(runs: &Path, destination: &Bucket) -> Result<usize, JournalError> {
    let mut aborted = 0;
    for run in open_uploads(runs, destination.name())? {
        for (key, upload) in &run.uploads {
            abort(destination, key, upload).await?;
        }
        // Only then: killed in between, the next run aborts what is left.
        run.settle()?;
        aborted += run.uploads.len();
    }
    Ok(aborted)
}
