//! What `sync` and `reconcile` do with a plan that was approved.

use std::path::Path;

use cli::{Exit, Failure, GlobalArgs, Progress};
use dr::objects::{ApplyOptions, Approved, BucketIdentity, Done, Plan, Planned, apply};
use report::{Document, Mark, Report};
use serde::Serialize;
use tokio::sync::watch;

use super::{connect, errors};

/// What a plan is about: both buckets, and whether the destination lets it be undone.
#[derive(Clone, Serialize)]
pub(super) struct Route {
    from: BucketIdentity,
    to: BucketIdentity,
    keeps_versions: bool,
}

impl Route {
    pub(super) fn of(planned: &Planned) -> Self {
        Self {
            from: planned.source().identity(),
            to: planned.destination().identity(),
            keeps_versions: planned.keeps_versions(),
        }
    }

    /// Begins with both buckets what `plan` goes on with.
    pub(super) fn document(&self, plan: &impl Report) -> Document {
        let mut document = Document::new()
            .fact(Mark::Plain, "from", self.from.to_string())
            .fact(Mark::Plain, "to", self.to.to_string());
        if !self.keeps_versions {
            let warning = "not possible: the destination keeps no versions";
            document = document.fact(Mark::Plain, "undo", warning);
        }
        document.append(plan.document())
    }
}

/// Asks, and does what was approved.
pub(super) async fn carry_out(
    global: &GlobalArgs,
    approved: Approved,
    command: &str,
    options: &ApplyOptions,
    stop: watch::Receiver<bool>,
) -> Result<Done, Failure> {
    let (plan, destination) = (approved.plan(), approved.destination());
    let copies = plan.copies();
    let question = format!(
        "Copy {} objects ({} bytes, overwriting {}) to {} and delete {} there?",
        copies.objects,
        copies.bytes,
        plan.replace.tally.objects,
        destination.location(),
        plan.delete.tally.objects,
    );
    cli::confirm_name(global, &question, destination.name())?;
    let run = connect::new_run(command, approved.source(), destination);
    apply(approved, &run, options, stop, &Progress::new())
        .await
        .map_err(|error| errors::execute(&run.run, error))
}

/// How it ends: what is archived or left unproven was not made equal.
pub(super) fn exit(plan: &Plan, done: Option<&Done>) -> Exit {
    let when = |is: bool, exit: Exit| if is { exit } else { Exit::Fine };
    let planned = [
        when(plan.archived.tally.objects > 0, Exit::Wrong),
        when(plan.left_unproven.objects > 0, Exit::Unchecked),
        when(plan.unreadable.tally.objects > 0, Exit::Unchecked),
    ];
    let done = done.map(|done| {
        let not_done = done.failed.tally.objects + done.skipped_deletions;
        let otherwise = done.conflicts.tally.objects + done.archived.tally.objects;
        [
            when(done.interrupted, Exit::Interrupted),
            when(not_done > 0, Exit::Unchecked),
            when(otherwise > 0, Exit::Wrong),
        ]
    });
    planned
        .into_iter()
        .chain(done.into_iter().flatten())
        .collect()
}

/// A directory for the steps of a plan: many of them are kept beside the journal, not in memory.
pub(super) fn scratch(runs: &Path) -> Result<tempfile::TempDir, Failure> {
    files::create_secret_folder(runs)
        .map_err(std::io::Error::from)
        .and_then(|()| tempfile::Builder::new().prefix("plan-").tempdir_in(runs))
        .map_err(|error| {
            let context = format!("failed to write below {}", runs.display());
            Failure::new(Exit::Usage, anyhow::Error::new(error).context(context))
                .hint("give another directory with --runs")
        })
}
