use std::path::PathBuf;

use anyhow::anyhow;
use cli::{Exit, Failure, GlobalArgs, OutputFormat};
use dr::objects::{
    Bucket, Ended, JobControl, JournalSource, PruneSources, ReplayedRun, Run, RunSummary, Runs,
    S3Location, list_runs, plan_prune, prune, replay,
};
use report::{Document, Mark, Report};
use serde::Serialize;

use super::carry_out::scratch;
use super::connect::{self, JournalClients};
use super::errors;
use crate::args::runs::{JournalsArgs, RunsCommand, RunsPruneArgs, RunsShowArgs};

pub(crate) async fn run(global: &GlobalArgs, command: &RunsCommand) -> Result<Exit, Failure> {
    match command {
        RunsCommand::List(args) => {
            let (_, _, found) = find(global, &args.journals).await?;
            cli::print(global, &found)?;
            Ok(match found.unread.is_empty() {
                true => Exit::Fine,
                false => Exit::Unchecked,
            })
        }
        RunsCommand::Show(args) => show(global, args).await,
        RunsCommand::Prune(args) => remove(global, args).await,
    }
}

async fn find(
    global: &GlobalArgs,
    args: &JournalsArgs,
) -> Result<(PathBuf, JournalClients, Runs), Failure> {
    let runs = connect::runs(args.written.runs.as_ref())?;
    let clients = connect::with_journals(global, args).await?;
    let found = list_runs(&runs, &clients.buckets)
        .await
        .map_err(|error| errors::journal("list the runs", error))?;
    Ok((runs, clients, found))
}

/// What `runs show` prints.
#[derive(Serialize)]
struct Shown {
    run: String,
    begun: Option<Run>,
    /// Where its journal was read.
    journal: JournalSource,
    ended: bool,
    under_way: bool,
    did: RunSummary,
}

impl Shown {
    fn of(run: &ReplayedRun) -> Result<Self, Failure> {
        Ok(Self {
            run: run.name().to_owned(),
            begun: run.begun().cloned(),
            journal: run.source(),
            ended: run.has_ended(),
            under_way: run.is_alive(),
            did: run
                .summary()
                .map_err(|error| errors::unchecked("count the changes", error))?,
        })
    }
}

impl Report for Shown {
    const KIND: &'static str = "run";

    fn document(&self) -> Document {
        let mut document = Document::new().heading(format!("Run {}", self.run));
        if let Some(begun) = &self.begun {
            document = document
                .fact(Mark::Plain, "command", begun.command.clone())
                .fact(Mark::Plain, "started", begun.started.to_string())
                .fact(Mark::Plain, "from", begun.source.clone())
                .fact(Mark::Plain, "to", begun.destination.clone());
        }
        let (mark, end) = match (self.under_way, self.ended) {
            (true, _) => (Mark::Plain, "under way"),
            (false, true) => (Mark::Ok, "written"),
            (false, false) => (Mark::Unknown, "none: it was killed, or goes on elsewhere"),
        };
        let row = |name: &str, ended: Ended| {
            let numbers = [ended.made, ended.not_made, ended.unknown];
            let cells = std::iter::once(name.to_owned());
            let cells = cells.chain(numbers.map(|number| number.to_string()));
            (Mark::Plain, cells.collect())
        };
        document.fact(mark, "end", end).table(
            ["Objects", "Made", "Not made", "Not known"],
            vec![
                row("created", self.did.created),
                row("overwritten", self.did.overwritten),
                row("deleted", self.did.deleted),
            ],
        )
    }
}

async fn show(global: &GlobalArgs, args: &RunsShowArgs) -> Result<Exit, Failure> {
    let (runs, clients, found) = find(global, &args.journals).await?;
    let buckets = clients.buckets;
    let absent = || {
        let error = anyhow!("failed to find run {}", args.run);
        Failure::new(Exit::Usage, error).hint(errors::runs_list(args.journals.bucket.as_ref()))
    };
    let entry = found.runs.iter().find(|entry| entry.run == args.run);
    let entry = entry.ok_or_else(absent)?;
    let begun = entry.begun.as_ref().ok_or_else(absent)?;
    let changed: S3Location = begun.destination.parse().map_err(|_| absent())?;
    // Its journal names whole keys of the bucket that it changed, which is not asked for here.
    let journals = buckets
        .iter()
        .find(|bucket| entry.buckets.iter().any(|name| name == bucket.name()));
    let Some(any) = journals.or(buckets.first()) else {
        return Err(absent());
    };
    let destination = any.beside(S3Location::whole(changed.bucket));
    let directory = scratch(&runs)?;
    let key = connect::journal_key(args.journals.written.journal_key.as_ref())?;
    let replayed = replay(
        &runs,
        &destination,
        Some(any),
        &args.run,
        &key,
        directory.path(),
    )
    .await
    .map_err(|error| errors::journal("read the journal", error))?;
    cli::print(global, &Shown::of(&replayed)?)?;
    Ok(Exit::Fine)
}

async fn remove(global: &GlobalArgs, args: &RunsPruneArgs) -> Result<Exit, Failure> {
    let (runs, clients, found) = find(global, &args.journals).await?;
    let time = cli::now()
        .checked_sub(args.older_than)
        .map_err(|error| Failure::new(Exit::Usage, error))?;
    let directory = scratch(&runs)?;
    let key = connect::journal_key(args.journals.written.journal_key.as_ref())?;
    let sources = PruneSources {
        runs: &runs,
        journals: &clients.buckets,
        key: &key,
        directory: directory.path(),
    };
    let plan = plan_prune(found, time, sources, async |run: &Run| {
        changed(run, args, &clients).await
    })
    .await;
    let ends = plan.remove().is_empty() || args.dry_run;
    if ends || global.output == OutputFormat::Table {
        cli::print(global, &plan)?;
    }
    if ends {
        return Ok(Exit::Fine);
    }
    let question = format!("Remove {} journals for good?", plan.remove().len());
    cli::confirm_name(global, &question, "prune")?;
    prune(&plan, &runs, &clients.buckets)
        .await
        .map_err(|error| errors::journal("remove the journals", error))?;
    if global.output != OutputFormat::Table {
        cli::print(global, &plan)?;
    }
    Ok(Exit::Fine)
}

/// The bucket that a run changed, and where jobs that write to it are.
async fn changed(
    run: &Run,
    args: &RunsPruneArgs,
    clients: &JournalClients,
) -> Result<(Bucket, JobControl), String> {
    let given = args.journals.changed.to_region;
    let settings = clients.settings.as_ref();
    let bucket = connect::side_of(&run.destination, given, settings, &clients.env);
    let bucket = bucket.ok_or_else(|| format!("the region of {} is not known", run.destination))?;
    // Journals have whole keys.
    let bucket = bucket.beside(S3Location::whole(bucket.location().bucket.clone()));
    let control = connect::job_control(&clients.env, &bucket).await;
    let control = control.map_err(|failure| failure.lines().join("; "))?;
    Ok((bucket, control))
}
