//! Errors and refusals of the library, as ends of the program.

use std::path::Path;

use anyhow::anyhow;
use cli::{Exit, Failure};
use dr::objects::{
    ExecuteError, JournalError, ParityError, PlanError, ReconcileError, Refusals, UndoError,
    UndoRefusal, WalkError,
};
use report::ShellCommand;
use settings::BucketName;

const NOTHING_CHANGED: &str = "refused, and nothing was changed";
const SWITCH_ON: &str = "switch versioning on again: without it nothing can be put back";

/// What the guard says.
pub(super) fn refused(refusals: &Refusals) -> Failure {
    let failure = Failure::new(Exit::Refused, anyhow!("{NOTHING_CHANGED}: {refusals}"));
    match refusals.iter().next() {
        Some(first) => failure.hint(first.hint()),
        None => failure,
    }
}

/// An error of AWS, wherever it is in the chain, ends the program with its class and hint.
pub(super) fn walk<V>(what: &str, error: WalkError<aws_env::Error, V>) -> Failure
where
    V: Into<Visit> + std::error::Error + Send + Sync + 'static,
{
    match error {
        WalkError::List { side, source } => Failure::aws(&format!("list the {side}"), source),
        WalkError::Visit(error) => match error.into() {
            Visit::Aws(error) => Failure::aws(what, error),
            Visit::Other(error) => {
                Failure::new(Exit::Unchecked, error.context(format!("failed to {what}")))
            }
        },
        other => unchecked(what, other),
    }
}

/// What went wrong while two listings were compared.
pub(super) enum Visit {
    Aws(aws_env::Error),
    Other(anyhow::Error),
}

impl From<aws_env::Error> for Visit {
    fn from(error: aws_env::Error) -> Self {
        Self::Aws(error)
    }
}

impl From<PlanError> for Visit {
    fn from(error: PlanError) -> Self {
        match error {
            PlanError::Ask(error) => Self::Aws(error),
            PlanError::Spool(error) => Self::Other(error.into()),
            PlanError::Journal(error) => error.into(),
        }
    }
}

impl From<ParityError> for Visit {
    fn from(error: ParityError) -> Self {
        match error {
            ParityError::Ask(error) => Self::Aws(error),
            ParityError::Journal(error) => error.into(),
        }
    }
}

impl From<JournalError> for Visit {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Bucket(error) => Self::Aws(error),
            error => Self::Other(error.into()),
        }
    }
}

impl From<ReconcileError> for Visit {
    fn from(error: ReconcileError) -> Self {
        match error {
            ReconcileError::Ask(error) => Self::Aws(error),
            ReconcileError::Journal(error) => error.into(),
            other => Self::Other(other.into()),
        }
    }
}

/// Of a bucket that does not answer for itself.
pub(super) fn reach(what: &str, error: aws_env::Error) -> Failure {
    // S3 tells so of a bucket that lies in another region.
    let elsewhere = error.status == Some(301);
    let absent = error.class == aws_env::ErrorClass::Absent;
    let region = error.call.region;
    let failure = Failure::aws(what, error);
    if elsewhere {
        return failure.hint(format!(
            "it does not lie in {region}: `aws s3api get-bucket-location` tells where; --from-region and --to-region, or \
             the settings, name it"
        ));
    }
    match absent {
        true => failure.hint(
            "there is no bucket of that name: check it in the settings, or in what was given on the command line",
        ),
        false => failure,
    }
}

/// An error that says nothing about usage: it could not be done.
pub(super) fn unchecked(
    what: &str,
    error: impl std::error::Error + Send + Sync + 'static,
) -> Failure {
    let error = anyhow::Error::new(error).context(format!("failed to {what}"));
    Failure::new(Exit::Unchecked, error)
}

pub(super) fn journal(what: &str, error: JournalError) -> Failure {
    match error {
        JournalError::Bucket(error) => Failure::aws(what, error),
        error @ JournalError::Forged { .. } => {
            Failure::new(Exit::Refused, anyhow!("{NOTHING_CHANGED}: {error}"))
                .hint("the machine that ran it has its own journal, which does not need the bucket's")
                .hint("where the bucket keeps versions, an older version of the object may be what the run wrote")
        }
        other => unchecked(what, other),
    }
}

/// Of a plan that was being carried out as `run`.
pub(super) fn execute(run: &str, error: ExecuteError) -> Failure {
    let failure = match error {
        ExecuteError::Journal(error) => journal("keep the journal", error),
        ExecuteError::Call(error) => Failure::aws("copy the objects", error),
        error @ ExecuteError::Unversioned { .. } => Failure::new(
            Exit::Refused,
            anyhow::Error::new(error).context("failed to copy the objects"),
        )
        .hint(SWITCH_ON),
        other => unchecked("copy the objects", other),
    };
    failure.hint(format!(
        "what was done stays done, and is in the journal of run {run}"
    ))
}

/// `runs` is where this machine keeps its journals.
pub(super) fn undo(error: UndoError, runs: &Path) -> Failure {
    match error {
        UndoError::Refused(refusal) => undo_refused(&refusal, runs),
        UndoError::Jobs(error) => {
            Failure::aws("ask whether the run's batch jobs have ended", error)
        }
        UndoError::Call(error) => Failure::aws("look at the versions", error),
        UndoError::Journal(error) => journal("keep the journal", error),
        error @ (UndoError::JobsUnknown { .. } | UndoError::Spool(_)) => unchecked("undo", error),
    }
}

/// Where runs are to be found.
pub(super) fn runs_list(bucket: Option<&BucketName>) -> String {
    let list = ShellCommand::new("dr-replicate runs list");
    let list = match bucket {
        Some(bucket) => list.option("--bucket", bucket),
        None => list,
    };
    format!("`{list}` lists the runs that are known")
}

/// The command that follows jobs to their end.
pub(super) fn sync_of_jobs(ids: impl IntoIterator<Item = impl AsRef<str>>) -> ShellCommand {
    let sync = ShellCommand::new("dr-replicate sync");
    ids.into_iter()
        .fold(sync, |sync, id| sync.option("--job", id))
}

pub(super) fn undo_refused(refusal: &UndoRefusal, runs: &Path) -> Failure {
    let failure = Failure::new(Exit::Refused, anyhow!("{NOTHING_CHANGED}: {refusal}"));
    match refusal {
        UndoRefusal::UnderWay { .. } => failure.hint("interrupt it, or wait for its end"),
        UndoRefusal::JobsUnfinished { jobs, .. } => {
            let sync = sync_of_jobs(jobs.iter().map(|job| &job.id));
            failure
                .hint(format!("wait for their end with `{sync}`"))
                .hint(
                    "or end them with `aws s3control update-job-status --requested-job-status Cancelled`",
                )
        }
        UndoRefusal::Untrusted { run, other_key, .. } => match other_key {
            Some(id) => failure.hint(format!(
                "it has digests by another key ({id}): give that key with --journal-key FILE"
            )),
            None => failure,
        }
            .hint(format!(
                "the machine that ran it has its own journal and asks for no trust; copied from there to {}, it serves here",
                runs.join(run).display()
            ))
            .hint(
                "where that machine is gone, look at the plan with --dry-run, and undo by it with --trust-bucket-journal",
            ),
        UndoRefusal::Unversioned { .. } => {
            failure.hint("switch versioning on again: undo removes nothing for good")
        }
    }
}
