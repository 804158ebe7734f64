//! From a plan to what was done.

use std::path::Path;
use std::sync::Arc;

use report::Observer;
use settings::KmsKeyArn;
use tokio::sync::watch;

use super::bucket::Bucket;
use super::copy::{Copier, abort};
use super::execute::{Done, ExecuteError, Execution};
use super::guard::Approved;
use super::journal::{Journal, JournalError, JournalKey, Run, note_aborted, open_uploads};

/// How a plan is carried out.
#[derive(Clone, Debug)]
pub struct ApplyOptions {
    /// Where runs keep their files on this machine.
    pub runs: std::path::PathBuf,
    /// Makes the digests of the journal in the bucket.
    pub journal_key: JournalKey,
    /// Encrypts the copies, instead of what the destination bucket does by default.
    pub kms_key: Option<KmsKeyArn>,
    /// Copies under way at once, at most.
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
    let (planned, destination) = (approved.planned(), approved.destination());
    let recheck = async || match approved.still_holds().await? {
        true => Ok(()),
        false => Err(ExecuteError::Unversioned {
            bucket: destination.name().to_owned(),
        }),
    };
    // Before the journal begins: a run that changes nothing leaves nothing.
    recheck().await?;
    let journal = Arc::new(Journal::begin(
        &options.runs,
        destination,
        run,
        &options.journal_key,
    )?);
    let execution = Execution {
        copier: Arc::new(Copier::new(
            approved.source().clone(),
            destination.clone(),
            options.kms_key.clone(),
        )),
        destination,
        journal: journal.clone(),
        concurrency: options.concurrency,
        stop,
        observer,
    };
    let mut done = Done {
        run: run.run.clone(),
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
            recheck().await?;
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
    let uploads = open_uploads(runs, destination.name())?;
    for (key, upload) in &uploads {
        abort(destination, key, upload).await?;
        note_aborted(runs, upload)?;
    }
    Ok(uploads.len())
}
