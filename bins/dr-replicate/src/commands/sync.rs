use anyhow::anyhow;
use cli::{Exit, Failure, GlobalArgs, OutputFormat, Progress};
use dr::objects::{
    ApplyOptions, Bucket, Done, ExecuteError, Intended, JournalError, Plan, PlanError, PlanOptions,
    Planned, ReconcileError, Refusal, WalkError, abort_leftovers, apply, check, check_places, plan,
};
use report::{Document, Report};
use serde::Serialize;
use tokio::sync::watch;

use super::connect;
use crate::args::SyncArgs;
use crate::args::batch::EngineArg;

/// What `sync` prints.
#[derive(Serialize)]
struct Outcome {
    plan: Plan,
    /// Null when nothing was to be done, or with --dry-run.
    done: Option<Done>,
    refused: Vec<Refusal>,
}

impl Report for Outcome {
    fn document(&self) -> Document {
        match &self.done {
            Some(done) => done.document(),
            None => self.plan.document(),
        }
    }
}

pub(crate) async fn run(
    global: &GlobalArgs,
    args: &SyncArgs,
    stop: watch::Receiver<bool>,
) -> Result<Exit, Failure> {
    let pair = connect::pair(global, &args.places).await?;
    let (source, destination) = (&pair.source, &pair.destination);
    check_key(args, destination.region())?;
    if args.delete && args.batch.engine == EngineArg::Batch {
        let error = anyhow!("failed to delete by a batch job");
        return Err(Failure::new(Exit::Usage, error)
            .hint("let the job copy, then run `sync --delete` without --engine batch"));
    }
    refuse(&check_places(
        source.place(),
        destination.place(),
        &pair.pairs,
    ))?;
    pair.reach().await?;
    if !args.batch.job.is_empty() {
        return super::batch::resume(global, args, &pair, stop).await;
    }
    let runs = connect::runs(args.apply.runs.as_ref())?;
    let aborted = abort_leftovers(&runs, destination)
        .await
        .map_err(|error| journal_failure("abort what an earlier run left open", error))?;
    if aborted > 0 {
        note(&format!(
            "aborted {aborted} multipart uploads of an earlier run"
        ));
    }
    // Steps may be many; they are kept beside the journal, not in memory.
    let directory = scratch(&runs)?;
    let options = PlanOptions {
        mode: args.compare.compare.into(),
        headers: args.compare.headers,
        delete: args.delete,
        leave_unproven: args.leave_unproven,
        listings: usize::from(args.compare.listings),
    };
    let (planned, keeps_versions) = tokio::join!(
        plan(source, destination, &options, directory.path()),
        destination.keeps_versions()
    );
    let planned = planned.map_err(|error| walk_failure("compare the buckets", error))?;
    let keeps_versions = keeps_versions
        .map_err(|error| Failure::aws("look at the destination's versioning", error))?;
    let refused = check(&Intended {
        source: source.place(),
        destination: destination.place(),
        pairs: &pair.pairs,
        source_objects: planned.plan.source.objects,
        destination_objects: planned.plan.destination.objects,
        replaced: planned.plan.replace.tally.objects,
        deleted: planned.plan.delete.tally.objects,
        keeps_versions,
        overwrite_unversioned: args.overwrite_unversioned,
        max_delete: args.max_delete.unwrap_or_default(),
    });
    if args.batch.engine == EngineArg::Batch {
        refuse(&refused)?;
        let folders = (runs.as_path(), directory.path());
        return super::batch::run(global, args, &pair, &planned, folders, stop).await;
    }
    let mut outcome = Outcome {
        plan: planned.plan.clone(),
        done: None,
        refused,
    };
    if planned.plan.is_empty() || args.dry_run || !outcome.refused.is_empty() {
        if global.output == OutputFormat::Table || outcome.refused.is_empty() {
            cli::print(global, &outcome)?;
        }
        refuse(&outcome.refused)?;
        return Ok(rest(&planned.plan, None));
    }
    if global.output == OutputFormat::Table {
        cli::print(global, &outcome)?;
    }
    let options = ApplyOptions {
        runs,
        kms_key: args.kms_key.clone(),
        concurrency: usize::from(args.apply.concurrency),
    };
    let done = carry_out(
        global,
        &planned,
        (source, destination),
        "sync",
        &options,
        stop,
    )
    .await?;
    let exit = rest(&planned.plan, Some(&done));
    outcome.done = Some(done);
    cli::print(global, &outcome)?;
    Ok(exit)
}

/// Asks, and does what was planned.
pub(super) async fn carry_out(
    global: &GlobalArgs,
    planned: &Planned,
    (source, destination): (&Bucket, &Bucket),
    command: &str,
    options: &ApplyOptions,
    stop: watch::Receiver<bool>,
) -> Result<Done, Failure> {
    let copies = planned.plan.copies();
    let question = format!(
        "Copy {} objects ({} bytes, overwriting {}) to {} and delete {} there?",
        copies.objects,
        copies.bytes,
        planned.plan.replace.tally.objects,
        destination.place(),
        planned.plan.delete.tally.objects,
    );
    cli::confirm_name(global, &question, destination.name())?;
    let run = connect::new_run(command, source, destination);
    let progress = Progress::new();
    apply(planned, source, destination, &run, options, stop, &progress)
        .await
        .map_err(|error| execute_failure(&run.run, error))
}

/// How it ends: what is archived or left unproven was not made equal.
pub(super) fn rest(plan: &Plan, done: Option<&Done>) -> Exit {
    match done {
        Some(done) if done.interrupted => Exit::Interrupted,
        Some(done) if done.failed.tally.objects > 0 || done.withheld > 0 => Exit::Unchecked,
        Some(done) if !done.is_complete() => Exit::Wrong,
        _ if plan.archived.tally.objects > 0 => Exit::Wrong,
        // Those that were copied are part of what is replaced.
        _ if plan.unproven.tally.objects > plan.replace.tally.objects => Exit::Unchecked,
        _ => Exit::Fine,
    }
}

pub(super) fn refuse(refusals: &[Refusal]) -> Result<(), Failure> {
    let Some(first) = refusals.first() else {
        return Ok(());
    };
    let reasons: Vec<String> = refusals.iter().map(ToString::to_string).collect();
    Err(Failure::new(
        Exit::Refused,
        anyhow!("refused, and nothing was changed: {}", reasons.join("; ")),
    )
    .hint(first.hint()))
}

fn check_key(args: &SyncArgs, region: settings::Region) -> Result<(), Failure> {
    match &args.kms_key {
        Some(key) if key.region() != region => Err(Failure::new(
            Exit::Usage,
            anyhow!(
                "failed to use {}: it lies in {}",
                key.as_str(),
                key.region()
            ),
        )
        .hint(format!(
            "the copies are encrypted in {region}: give a key of that region"
        ))),
        _ => Ok(()),
    }
}

pub(super) fn note(text: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "note: {text}");
}

pub(super) fn scratch(runs: &std::path::Path) -> Result<tempfile::TempDir, Failure> {
    std::fs::create_dir_all(runs)
        .and_then(|()| tempfile::Builder::new().prefix("plan-").tempdir_in(runs))
        .map_err(|error| {
            let context = format!("failed to write below {}", runs.display());
            Failure::new(Exit::Usage, anyhow::Error::new(error).context(context))
                .hint("give another directory with --runs")
        })
}

/// An error of AWS, wherever it is in the chain, ends the program with its class and hint.
pub(super) fn walk_failure<V>(what: &str, error: WalkError<aws_env::Error, V>) -> Failure
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
        other => Failure::new(
            Exit::Unchecked,
            anyhow::Error::new(other).context(format!("failed to {what}")),
        ),
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
        }
    }
}

impl From<ReconcileError> for Visit {
    fn from(error: ReconcileError) -> Self {
        match error {
            ReconcileError::Ask(error) => Self::Aws(error),
            other => Self::Other(other.into()),
        }
    }
}

pub(super) fn journal_failure(what: &str, error: JournalError) -> Failure {
    match error {
        JournalError::Bucket(error) => Failure::aws(what, error),
        other => Failure::new(
            Exit::Unchecked,
            anyhow::Error::new(other).context(format!("failed to {what}")),
        ),
    }
}

fn execute_failure(run: &str, error: ExecuteError) -> Failure {
    let failure = match error {
        ExecuteError::Journal(error) => journal_failure("keep the journal", error),
        ExecuteError::Call(error) => Failure::aws("copy the objects", error),
        other => Failure::new(
            Exit::Unchecked,
            anyhow::Error::new(other).context("failed to copy the objects"),
        ),
    };
    failure.hint(format!(
        "what was done stays done, and is in the journal of run {run}"
    ))
}
