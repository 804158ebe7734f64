//! Puts in order what an apply has left, and plans anew.

use std::time::Duration;

use anyhow::anyhow;
use cli::{Exit, Failure, GlobalArgs, Progress};
use files::Secrecy;
use report::{Observer as _, ShellCommand};
use terraform::{Deployment, ErroredState, PlannedDeployment, Settled, Standing, StateVersion};
use tokio::sync::watch;
use tokio::time::sleep;

use super::context::{Context, stopped};
use super::failure;
use super::plan::{self, Request, cost::Pricing};
use super::status::Happened;
use crate::args::apply::StatusArgs;
use crate::args::plan::LimitArgs;
use crate::args::root::RootArgs;

/// How often it is looked whether terraform has ended.
const EVERY: Duration = Duration::from_millis(500);
/// What an observer is told.
const LABEL: &str = "the terraform of this apply";
/// A state that is never larger, in bytes.
const MOST_STATE: u64 = 256 << 20;

pub(super) async fn run(
    global: &GlobalArgs,
    args: &StatusArgs,
    stop: watch::Receiver<bool>,
) -> Result<Exit, Failure> {
    let context = Context::open(global, &args.folder, &args.runs).await?;
    is_on_record(&context)?;
    let (deployment, planned) = chosen(&context, args.deployment.as_deref())?;
    wait_for_end(&context, &deployment, stop.clone()).await?;
    let happened = Happened::look(&context, &deployment, planned.clone()).await?;
    if !happened.state.needs_settling() && happened.errored.is_none() {
        cli::print(global, &happened)?;
        return Ok(happened.exit());
    }
    cli::tell(&happened);
    if let Some(unknown) = happened.unknown.first() {
        let error = anyhow!("{unknown}").context("failed to look at what is left");
        return Err(Failure::new(Exit::Unchecked, error)
            .hint("nothing was changed; `deploy-staging check` shows what does not answer"));
    }
    let mut steps = Vec::new();
    // That the lock was held counts for what was judged while it was.
    release(global, &context, &happened, &mut steps).await?;
    push(global, &context, &deployment, &happened, &mut steps).await?;
    if happened.state.needs_settling() {
        let settled = Settled {
            at: cli::now(),
            by: cli::operator(),
            steps: steps.clone(),
        };
        deployment.settle(&settled).map_err(failure::record)?;
    }
    for step in &steps {
        cli::note(step);
    }
    again(global, &context, args, &planned, stop).await
}

/// A state of an apply that this program did not carry: nothing says from which state it began.
fn is_on_record(context: &Context) -> Result<(), Failure> {
    let path = context.root.join(terraform::ERRORED_STATE);
    if !path.exists() || !context.deployments()?.is_empty() {
        return Ok(());
    }
    let error = anyhow!(
        "{} is of an apply that is not on record here, so that nothing says what it began with",
        path.display()
    );
    let push = ShellCommand::new("terraform")
        .joined("-chdir=", context.root.display().to_string())
        .words("state push")
        .word(terraform::ERRORED_STATE);
    Err(Failure::new(Exit::Refused, error).hint(format!(
        "nothing was changed; compare its lineage and serial with `terraform state pull`, then `{push}`"
    )))
}

/// The deployment that is named, else the newest that has left something, else the newest.
fn chosen(context: &Context, id: Option<&str>) -> Result<(Deployment, PlannedDeployment), Failure> {
    if id.is_some() {
        return context.deployment(id);
    }
    for (deployment, planned) in context.deployments()? {
        let state = deployment
            .state(&context.machine)
            .map_err(failure::record)?;
        if state.needs_settling() {
            return Ok((deployment, planned));
        }
    }
    context.deployment(None)
}

/// A terraform that lives on ends what is under way, writes its state and gives its lock back.
async fn wait_for_end(
    context: &Context,
    deployment: &Deployment,
    stop: watch::Receiver<bool>,
) -> Result<(), Failure> {
    let progress = Progress::new();
    let begun = std::time::Instant::now();
    let mut stop = std::pin::pin!(stopped(stop));
    loop {
        let state = deployment
            .state(&context.machine)
            .map_err(failure::record)?;
        if state.standing != Standing::Applying {
            return Ok(());
        }
        if begun.elapsed() < EVERY {
            progress.started(LABEL);
        }
        progress.waiting(LABEL, &report::duration(begun.elapsed()));
        tokio::select! {
            () = sleep(EVERY) => {}
            () = &mut stop => {
                let error = anyhow!("interrupted while terraform was waited for");
                return Err(Failure::new(Exit::Interrupted, error)
                    .hint("it goes on by itself; `deploy-staging status` shows where it is"));
            }
        }
    }
}

/// Releases a lock that is proven to be this apply's, whose process is gone. Any other is somebody's.
async fn release(
    global: &GlobalArgs,
    context: &Context,
    happened: &Happened,
    steps: &mut Vec<String>,
) -> Result<(), Failure> {
    if happened.locks.is_empty() {
        return Ok(());
    }
    let backend = context.backend().await?;
    for held in &happened.locks {
        let id = held.id.as_deref().unwrap_or("without an ID");
        if !held.is_own || happened.state.standing == Standing::Unknown {
            let error = anyhow!(
                "the state is locked by {} ({id}), which is not known to be this apply's lock",
                held.who
            );
            let unlock = ShellCommand::new("init-backend unlock").word(id);
            return Err(Failure::new(Exit::Refused, error).hint(format!(
                "nothing was changed; when that run is known to be gone, `{unlock}` takes the lock away"
            )));
        }
        cli::confirm(
            global,
            &format!("The lock {id} is this apply's, and its terraform has ended. Release it?"),
        )?;
        backend.release_exactly(&held.lock).await.map_err(|error| {
            Failure::new(Exit::Unchecked, error)
                .hint("`deploy-staging resume` again looks at it anew")
        })?;
        steps.push(format!("released the lock {id}"));
    }
    Ok(())
}

/// Pushes the state that terraform could not write, where that loses nothing of anybody's.
async fn push(
    global: &GlobalArgs,
    context: &Context,
    deployment: &Deployment,
    happened: &Happened,
    steps: &mut Vec<String>,
) -> Result<(), Failure> {
    let path = context.root.join(terraform::ERRORED_STATE);
    match &happened.errored {
        None => return Ok(()),
        Some(ErroredState::There) => steps.push("the backend has the state already".to_owned()),
        Some(ErroredState::Refused { why }) => {
            let error = anyhow!("{why}").context(format!("failed to push {}", path.display()));
            return Err(Failure::new(Exit::Refused, error).hint(
                "nothing was pushed; `init-backend restore` brings back versions of the state, and `terraform state push` \
                 is for who has compared both by hand",
            ));
        }
        Some(ErroredState::Push { serial }) => {
            cli::confirm(
                global,
                &format!("Push the state of serial {serial} that this apply could not write?"),
            )?;
            let pushed = context.terraform.state_push(&path, Duration::ZERO).await;
            pushed.map_err(|error| context.failed("push the state", error))?;
            let there = context.terraform.state_pull().await;
            let there = there.map_err(|error| context.failed("read the state back", error))?;
            let there = there.as_deref().and_then(StateVersion::of);
            let found = there.map(|version| version.serial);
            if found != Some(*serial) {
                let error =
                    anyhow!("the backend shows serial {found:?} after the push of {serial}");
                return Err(Failure::new(Exit::Unchecked, error)
                    .hint("`deploy-staging status` looks at it again"));
            }
            steps.push(format!("pushed the state of serial {serial}"));
        }
    }
    keep(deployment, &path).map_err(|error| failure::record(error.into()))
}

/// The file goes beside the records: it is a state with its secrets, and must not be pushed a second time.
fn keep(deployment: &Deployment, path: &std::path::Path) -> Result<(), files::FileError> {
    let bytes = files::read_limited(path, MOST_STATE)?;
    let kept = deployment.folder().join(terraform::ERRORED_STATE);
    files::write_file(&kept, &bytes, Secrecy::Secret)?;
    std::fs::remove_file(path).map_err(|source| files::FileError::Write {
        path: path.to_owned(),
        source,
    })
}

/// What is still to be done: a plan of what is there now, with the same values.
async fn again(
    global: &GlobalArgs,
    context: &Context,
    args: &StatusArgs,
    planned: &PlannedDeployment,
    stop: watch::Receiver<bool>,
) -> Result<Exit, Failure> {
    let root = RootArgs {
        folder: args.folder.clone(),
        var_file: planned.var_files.clone(),
    };
    let request = Request {
        root: &root,
        runs: &args.runs,
        destroys_all: planned.destroys_all,
    };
    let pricing = Pricing::new(&LimitArgs::default())?;
    let planned = plan::make(context, request, &pricing, stop).await?;
    cli::print(global, &planned)?;
    Ok(planned.exit())
}
