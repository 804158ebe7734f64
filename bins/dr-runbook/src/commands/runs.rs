use anyhow::anyhow;
use cli::{Exit, Failure, GlobalArgs};
use files::Secrecy;
use report::{Report as _, ShellCommand};
use runbook::{
    FolderStore, Host as _, LeaseState, LeaseTimes, Marker, Mode, OpenError, OpenRun, RunAndLease,
    RunEntry, RunFacts, RunId, RunList, RunState, RunStatus, SeenLease, StepId, approve_step,
    leftovers, list_runs, read_lease, read_run, resume_command, returned,
};
use tokio::sync::watch;

use super::carry::carry;
use super::failover::settings_digest;
use super::records::{Context, Places, Records, marker};
use super::switchover::{is_to_be_undone, undo};
use crate::args::{AbandonArgs, ApproveArgs, RecordsArgs, ResumeArgs, ShowArgs};
use crate::machine::Machine;

pub(crate) async fn list(global: &GlobalArgs, args: &RecordsArgs) -> Result<Exit, Failure> {
    let context = Context::open(global).await?;
    let records = Places::of(&context, args)?.records;
    let runs = list_runs(&records).await;
    let runs = runs.map_err(super::not_read)?;
    let mut entries = Vec::new();
    for run in runs {
        let state = read_run(&records, &run).await;
        entries.push(RunEntry {
            run: run.to_string(),
            state: state
                .map(|(state, _)| state)
                .map_err(|error| error.to_string()),
        });
    }
    let is_read = entries.iter().all(|entry| entry.state.is_ok());
    cli::print(global, &RunList(entries))?;
    Ok(if is_read { Exit::Fine } else { Exit::Unchecked })
}

/// The run that is named, else the one that is not over.
async fn chosen(records: &Records, run: Option<&RunId>) -> Result<RunId, Failure> {
    if let Some(run) = run {
        return Ok(run.clone());
    }
    let lease = read_lease(records).await;
    let lease = lease.map_err(|error| super::not_opened(error.into()))?;
    lease.map(|lease| lease.run).ok_or_else(|| {
        Failure::new(Exit::Usage, anyhow!("the environment has had no run"))
            .hint("`dr-runbook failover --dry-run` plans one")
    })
}

pub(crate) async fn show(global: &GlobalArgs, args: &ShowArgs) -> Result<Exit, Failure> {
    let context = Context::open(global).await?;
    let records = Places::of(&context, &args.records)?.records;
    let run = chosen(&records, args.run.as_ref()).await?;
    let (run, lease) = read_run(&records, &run).await.map_err(super::not_opened)?;
    let home = match run.plan.mode {
        Mode::Failback | Mode::Commit => Ok(None),
        _ => match returned(&records, &run).await {
            Ok(home) => Ok(home.map(|(_, at)| at)),
            Err(error) => Err(error.to_string()),
        },
    };
    let now = cli::now();
    let facts = RunFacts::of(&run, now, home);
    if let Some(path) = &args.html {
        let page = run.page_of(&facts, now);
        let written = files::write_file(path, page.as_bytes(), Secrecy::Secret);
        written.map_err(|error| Failure::new(Exit::Unchecked, error))?;
    }
    let shown = RunAndLease { run, lease, facts };
    match args.markdown {
        true => cli::print_text(&shown.document().to_markdown()),
        false => cli::print(global, &shown)?,
    }
    Ok(Exit::Fine)
}

pub(crate) async fn resume(
    global: &GlobalArgs,
    args: &ResumeArgs,
    stop: watch::Receiver<bool>,
) -> Result<Exit, Failure> {
    let context = Context::open(global).await?;
    let places = Places::of(&context, &args.carry.records)?;
    let run = chosen(&places.records, args.run.as_ref()).await?;
    let (state, lease) = read_run(&places.records, &run)
        .await
        .map_err(super::not_opened)?;
    if state.plan.settings != settings_digest(&context)? {
        return Err(Failure::new(
            Exit::Refused,
            anyhow!("the settings are not those that run {run} was planned with"),
        )
        .hint(format!(
            "bring them back, or give the run up with `{}` and begin another",
            super::abandon_command(&run)
        )));
    }
    let open = take_up(places.records, places.copy, &run, lease.as_ref()).await?;
    let args = (&args.carry, args.decisions.conflicts.as_deref());
    carry(global, &context, open, &places.folder, args, stop).await
}

/// Takes a run up, and says why that takes a minute where somebody may carry it.
async fn take_up(
    records: Records,
    copy: Option<FolderStore>,
    run: &RunId,
    lease: Option<&SeenLease>,
) -> Result<OpenRun<Records, Machine>, Failure> {
    let (machine, times) = (Machine::new(), LeaseTimes::default());
    let held = lease.filter(|lease| lease.state == LeaseState::Held);
    if let Some(held) = held
        && machine.is_alive(&held.holder) != Some(false)
    {
        cli::note(&format!(
            "{} may carry run {run}: its lease is watched for {}",
            held.holder,
            report::duration(times.lasts)
        ));
    }
    let open = OpenRun::resume(records, copy, machine, times, run);
    open.await.map_err(super::not_opened)
}

pub(crate) async fn approve(global: &GlobalArgs, args: &ApproveArgs) -> Result<Exit, Failure> {
    let context = Context::open(global).await?;
    let records = Places::of(&context, &args.records)?.records;
    let step = StepId(args.step.clone());
    let gate = approve_step(&records, &args.run, &step, &args.by, args.reason.as_deref()).await;
    let gate = match gate {
        Ok(gate) => gate,
        Err(error) => return Err(useless(&records, error).await),
    };
    match gate {
        Some(gate) => cli::note(&format!(
            "{} agreed to {}: {}",
            args.by, gate.step, gate.question
        )),
        None => cli::note("somebody has agreed to it already"),
    }
    let (run, lease) = read_run(&records, &args.run)
        .await
        .map_err(super::not_opened)?;
    if lease.is_none_or(|lease| lease.state != LeaseState::Held)
        && let Some(resume) = resume_command(&run)
    {
        cli::note(&format!(
            "nobody carries the run: `{resume}` goes on with it"
        ));
    }
    Ok(Exit::Fine)
}

/// An approval that was not given. To a run that is over none is of use: the one that came after it may be meant.
async fn useless(records: &Records, error: OpenError) -> Failure {
    let is_over = matches!(error, OpenError::Over { .. });
    let failure = super::not_opened(error);
    match read_lease(records).await {
        Ok(Some(lease)) if is_over && lease.state != LeaseState::Over => {
            let show = ShellCommand::new("dr-runbook runs show").word(lease.run.as_str());
            failure.hint(format!(
                "run {} came after it and is not over: `{show}` says what it asks",
                lease.run
            ))
        }
        _ if is_over => {
            failure.hint("no approval is of use to it; `dr-runbook runs list` lists the runs")
        }
        _ => failure,
    }
}

/// What a run leaves that is given up, in words: before the mark is turned the region serves that is left.
fn left(run: &RunState, marker: Option<&Marker>) -> Vec<String> {
    let is_moved = match run.plan.mode {
        Mode::Failback => {
            marker.is_some_and(|marker| !marker.failed_over && marker.run == run.plan.run)
        }
        Mode::Planned => {
            marker.is_some_and(|marker| marker.failed_over && marker.run == run.plan.run)
        }
        Mode::RegionLoss | Mode::Undo | Mode::Commit => return Vec::new(),
    };
    if run.status.is_over() {
        return Vec::new();
    }
    let (from, to) = run.plan.way();
    let serves = if is_moved { to } else { from };
    cli::note(&format!("the environment is in {serves}"));
    match run.plan.mode {
        Mode::Planned if !is_moved => Vec::new(),
        _ => leftovers(run, is_moved),
    }
}

pub(crate) async fn abandon(
    global: &GlobalArgs,
    args: &AbandonArgs,
    stop: watch::Receiver<bool>,
) -> Result<Exit, Failure> {
    let context = Context::open(global).await?;
    let places = Places::of(&context, &args.records)?;
    let before = read_run(&places.records, &args.run).await;
    let (before, lease) = before.map_err(super::not_opened)?;
    let marker = marker(&places.records).await?;
    let is_undone = is_to_be_undone(&before, marker.as_ref());
    if is_undone && matches!(before.status, RunStatus::Abandoned { .. }) {
        // Of a switchover that was given up while the primary region was gone.
        last(&places.records, &args.run).await?;
        return undo(global, &args.records, &before, stop).await;
    }
    for left in &left(&before, marker.as_ref()) {
        cli::note(&format!("stays: {left}"));
    }
    let question = match is_undone {
        true => "Nobody can go on with it, and what it changed is put back.",
        false => "What it made stays, and nobody can go on with it.",
    };
    cli::confirm(global, &format!("Give run {} up? {question}", args.run))?;
    let open = take_up(places.records, places.copy, &args.run, lease.as_ref()).await?;
    let state = open.abandon(&args.by, &args.reason).await;
    let state = state.map_err(super::not_opened)?;
    match is_undone {
        true => {
            cli::note(&format!("run {} was abandoned by {}", args.run, args.by));
            undo(global, &args.records, &state, stop).await
        }
        false => {
            cli::print(global, &state)?;
            Ok(Exit::Fine)
        }
    }
}

/// Refuses to put back what another run may have changed since.
async fn last(records: &Records, run: &RunId) -> Result<(), Failure> {
    let lease = read_lease(records).await;
    let lease = lease.map_err(|error| super::not_opened(error.into()))?;
    match lease {
        Some(lease) if lease.run != *run => Err(Failure::new(
            Exit::Refused,
            anyhow!(
                "run {run} is over: it was abandoned, and run {} came after it",
                lease.run
            ),
        )),
        _ => Ok(()),
    }
}
