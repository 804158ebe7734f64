mod carry;
mod commit;
mod drill;
mod failback;
mod failover;
mod looks;
mod preflight;
mod records;
mod report;
mod runs;
mod status;
mod switchover;
mod watch;

use ::report::ShellCommand;
use cli::{Exit, Failure, GlobalArgs, OutputFormat};
use runbook::{
    EngineError, FolderStore, JournalError, LeaseError, LeaseTimes, OpenError, OpenRun, Plan,
    RunId, StepId, StoreError,
};
use tokio::sync::watch as channel;

use self::records::Records;
use crate::machine::Machine;
use crate::{Cli, Command, RunsCommand};

pub(crate) async fn run(cli: Cli, stop: channel::Receiver<bool>) -> Result<Exit, Failure> {
    let Cli { global, command } = cli;
    match command {
        Command::Failover(args) => failover::run(&global, &args, stop).await,
        Command::Preflight(args) => preflight::run(&global, &args).await,
        Command::Failback(args) => failback::run(&global, &args, stop).await,
        Command::Commit(args) => commit::run(&global, &args, stop).await,
        Command::Drill(args) => Box::pin(drill::run(&global, &args, stop)).await,
        Command::Status(args) => status::run(&global, &args).await,
        Command::Watch(args) => watch::run(&global, &args, stop).await,
        Command::Report(args) => report::run(&global, &args).await,
        Command::Runs(RunsCommand::List(args)) => runs::list(&global, &args).await,
        Command::Runs(RunsCommand::Show(args)) => runs::show(&global, &args).await,
        Command::Runs(RunsCommand::Resume(args)) => runs::resume(&global, &args, stop).await,
        Command::Runs(RunsCommand::Approve(args)) => runs::approve(&global, &args).await,
        Command::Runs(RunsCommand::Abandon(args)) => runs::abandon(&global, &args, stop).await,
        Command::Completion(args) => cli::print_completion(&global, &args, crate::command()),
        Command::Man(args) => cli::print_man(&global, &args, crate::command()),
    }
}

/// What goes on with a run.
fn resume_command(run: &RunId) -> ShellCommand {
    ShellCommand::new("dr-runbook runs resume").word(run.as_str())
}

/// What gives a run up.
fn abandon_command(run: &RunId) -> ShellCommand {
    let command = ShellCommand::new("dr-runbook runs abandon");
    command.words("--by NAME --reason TEXT").word(run.as_str())
}

/// What agrees to what a step asks.
fn approve_command(run: &RunId, step: &StepId) -> ShellCommand {
    let command = ShellCommand::new("dr-runbook runs approve").words("--by NAME");
    command.word(run.as_str()).word(&step.0)
}

/// What makes the bucket with the records, where there is none.
fn bucket_hint(error: &StoreError) -> Option<String> {
    error.is_without_bucket().then(|| {
        "`init-backend apply` makes the state's copy, where records lie unless journal_bucket names another bucket"
            .to_owned()
    })
}

/// Records that could not be read.
fn not_read(error: StoreError) -> Failure {
    let hint = bucket_hint(&error);
    told(Exit::Unchecked, error, hint)
}

fn lease_exit(error: &LeaseError) -> (Exit, Option<String>) {
    match error {
        LeaseError::Held(lease) => (
            Exit::Refused,
            Some(format!(
                "once its process is gone, `{}` goes on with it",
                resume_command(&lease.run)
            )),
        ),
        LeaseError::NotOver(lease) => (
            Exit::Refused,
            Some(format!(
                "`{}` goes on with it, `{}` gives it up",
                resume_command(&lease.run),
                abandon_command(&lease.run)
            )),
        ),
        LeaseError::Lost(_) => (Exit::Refused, None),
        LeaseError::Store { source, .. } => (Exit::Unchecked, bucket_hint(source)),
        LeaseError::Lapsed { .. } => (Exit::Unchecked, None),
        LeaseError::Broken { .. } => (Exit::Wrong, None),
    }
}

fn journal_exit(error: &JournalError) -> (Exit, Option<String>) {
    match error {
        JournalError::Fenced { .. } => (Exit::Refused, None),
        JournalError::Store {
            source: StoreError::File(_) | StoreError::Folder { .. },
            ..
        } => (
            Exit::Unchecked,
            Some(
                "the run is where its last record says; make room on this machine, name another folder with --runs-dir DIR, or \
                 go on from another machine"
                    .to_owned(),
            ),
        ),
        JournalError::Store { .. } => (
            Exit::Unchecked,
            Some(
                "the run is where its last record says; where the bucket cannot be used at all, `--journal local` records \
                 a new run on this machine alone"
                    .to_owned(),
            ),
        ),
        JournalError::Broken { .. } => (Exit::Wrong, None),
    }
}

/// Shows what would be done; the answer of a program that writes JSON is the run that comes of it.
fn show(global: &GlobalArgs, plan: &Plan) -> Result<(), Failure> {
    match global.output {
        OutputFormat::Table => cli::print(global, plan)?,
        OutputFormat::Json => cli::tell(plan),
    }
    Ok(())
}

/// Asks, and puts the plan on record.
async fn begin(
    global: &GlobalArgs,
    question: &str,
    records: Records,
    copy: Option<FolderStore>,
    plan: Plan,
) -> Result<OpenRun<Records, Machine>, Failure> {
    cli::confirm(global, question)?;
    let open = OpenRun::begin(records, copy, Machine::new(), LeaseTimes::default(), plan);
    open.await.map_err(not_opened)
}

/// A run that could not be opened.
fn not_opened(error: OpenError) -> Failure {
    let (exit, hint) = match &error {
        OpenError::Lease(error) => lease_exit(error),
        OpenError::Journal(error) => journal_exit(error),
        OpenError::NoSuchRun { .. } => (
            Exit::Usage,
            Some("`dr-runbook runs list` lists them".to_owned()),
        ),
        OpenError::Over { .. } | OpenError::NothingToApprove { .. } => (Exit::Refused, None),
        OpenError::Approval { .. } | OpenError::Record { .. } => (Exit::Unchecked, None),
    };
    told(exit, error, hint)
}

/// A run that ended before its steps did.
fn not_carried(error: EngineError) -> Failure {
    let (exit, hint) = match &error {
        EngineError::Lease(error) => lease_exit(error),
        EngineError::Journal(error) => journal_exit(error),
    };
    told(exit, error, hint)
}

fn told(
    exit: Exit,
    error: impl std::error::Error + Send + Sync + 'static,
    hint: Option<String>,
) -> Failure {
    let failure = Failure::new(exit, error);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
