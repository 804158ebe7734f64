//! Carrying a run: its page, its questions, its end.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::anyhow;
use cli::{Exit, Failure, GlobalArgs, Progress};
use files::Secrecy;
use report::{Observer as _, Outcome as Ended};
use runbook::{
    Answer, Approver, EnvironmentRoot, Gate, HookPlace, Mode, OpenRun, Outcome, Plan, RegionLoss,
    RunId, RunOptions, RunState, RunStatus, StepErrorKind, StepId, StepStatus, TurnedSettings,
    Watch, carry_on, resume_command, waiting,
};
use state_backend::{HeldLocks, LockHolder};
use terraform::{Environment, Terraform};
use tokio::sync::watch;

use super::failback::Way;
use super::records::{Context, Records};
use crate::args::CarryArgs;
use crate::machine::Machine;

/// Carries a run as far as it goes, and prints where it is then.
pub(super) async fn carry(
    global: &GlobalArgs,
    context: &Context,
    open: OpenRun<Records, Machine>,
    folder: &Path,
    (args, conflicts): (&CarryArgs, Option<&Path>),
    stop: watch::Receiver<bool>,
) -> Result<Exit, Failure> {
    open.host().works_with(&context.env);
    let state = open.state();
    let run = state.plan.run.clone();
    let options = options(&state.plan, args)?;
    let progress = Progress::new();
    let folder = folder.join("runs").join(run.as_str());
    let page = Page {
        path: folder.join("run.html"),
        progress: &progress,
    };
    page.recorded(&state);
    cli::note(&format!("run {run}; its page is {}", page.path.display()));
    let settings = &context.settings;
    let holder = LockHolder {
        who: cli::operator(),
        time: cli::now(),
        token: run.to_string(),
        held: HeldLocks::default(),
    };
    let grace = args.terraform_grace;
    let with_grace = |root: Option<EnvironmentRoot>| {
        root.map(|root| EnvironmentRoot {
            terraform: root.terraform.with_grace(grace),
            ..root
        })
    };
    let over = RegionLoss {
        settings,
        dr: context.dr.under(&open.lease().permit()),
        store: open.store().clone(),
        host: open.host().clone(),
        root: dr_root(global, context).await.map(with_grace),
        hooks: HookPlace {
            folder: beside(global)?,
            environment: std::env::vars_os().collect(),
        },
        holder,
        folder: folder.clone(),
        observer: &progress,
    };
    let approver = Person {
        // Whoever agreed to begin has not agreed to what a step asks: that is --approve auto.
        global: GlobalArgs {
            yes: false,
            ..global.clone()
        },
        run: run.clone(),
        wait: args.wait_for_approval,
    };
    let was_stopped = stop.clone();
    let ended = match state.plan.mode {
        Mode::RegionLoss => carry_on(&open, &over, &approver, &options, &page, stop).await,
        mode @ (Mode::Failback | Mode::Planned | Mode::Undo) => {
            let turned = TurnedSettings::of(settings);
            let root = match mode {
                Mode::Failback => root(global, context, &settings.failback.terraform, "failback")
                    .await
                    .map(with_grace),
                _ => Ok(None),
            };
            let way = Way {
                context,
                turned: &turned,
                folder: &folder,
                root,
            };
            let steps = way.steps(over, &open, conflicts).await?;
            carry_on(&open, &steps, &approver, &options, &page, stop).await
        }
        Mode::Commit => {
            let (_, means) = super::commit::means(global, &state)?;
            let steps = super::commit::steps(context, over, &means, &open, &folder)?;
            carry_on(&open, &steps, &approver, &options, &page, stop).await
        }
    };
    let state = ended.map_err(super::not_carried)?;
    page.recorded(&state);
    cli::print(global, &state)?;
    let exit = exit(&state);
    if exit == Exit::Fine && state.plan.mode == Mode::Commit {
        let records = &args.records;
        return Box::pin(super::commit::finish(global, context, records, &state)).await;
    }
    if exit != Exit::Fine {
        for (step, _) in waiting(&state) {
            let approve = super::approve_command(&run, step);
            cli::note(&format!("`{approve}` agrees to {step}"));
        }
        if let Some(resume) = resume_command(&state) {
            cli::note(&format!("`{resume}` goes on"));
        }
        if state.plan.mode == Mode::Planned && !cut_over(&state) {
            super::switchover::advise(context, &state).await;
        }
    }
    Ok(if *was_stopped.borrow() && exit != Exit::Fine {
        Exit::Interrupted
    } else {
        exit
    })
}

/// Whether a switchover can not be taken back any more, by its records.
fn cut_over(state: &RunState) -> bool {
    state.result(&StepId::new("cut-over")).is_some()
}

fn exit(state: &RunState) -> Exit {
    if state.status == RunStatus::Finished {
        return Exit::Fine;
    }
    let steps = state
        .steps
        .values()
        .map(|step| match (&step.outcome, step.status) {
            (_, StepStatus::WaitsForApproval) => Exit::Refused,
            (Some(Outcome::Failed { kind, .. }), StepStatus::Failed) => match kind {
                StepErrorKind::Wrong => Exit::Wrong,
                StepErrorKind::Unchecked => Exit::Unchecked,
                StepErrorKind::Refused => Exit::Refused,
                StepErrorKind::Interrupted => Exit::Interrupted,
            },
            _ => Exit::Fine,
        });
    // What is not finished is never fine.
    steps.fold(Exit::Unchecked, Exit::worst)
}

/// Says which steps of a plan are to be left out, before anything of it begins.
///
/// # Errors
/// Exit 2 where it has no such step.
pub(super) fn tell_chosen(plan: &Plan, args: &CarryArgs) -> Result<(), Failure> {
    let options = options(plan, args)?;
    for (step, reason) in &options.skip {
        cli::note(&format!("{step} is left out: {reason}"));
    }
    if !options.only.is_empty() {
        let only: Vec<String> = options.only.iter().map(ToString::to_string).collect();
        cli::note(&format!("only {} of these steps", only.join(", ")));
    }
    Ok(())
}

fn options(plan: &Plan, args: &CarryArgs) -> Result<RunOptions, Failure> {
    let known = |names: &[String]| -> Result<Vec<StepId>, Failure> {
        let steps = names.iter().map(|name| {
            let id = StepId(name.clone());
            match plan.step(&id) {
                Some(_) => Ok(id),
                None => {
                    let known = plan.steps.iter().map(|step| step.id.to_string());
                    let known: Vec<String> = known.collect();
                    Err(
                        Failure::new(Exit::Usage, anyhow!("the run has no step {name}"))
                            .hint(format!("its steps are {}", known.join(", "))),
                    )
                }
            }
        });
        steps.collect()
    };
    let reason = args.reason.clone().unwrap_or_default();
    let skip = known(&args.skip)?.into_iter();
    let skip: BTreeMap<_, _> = skip.map(|step| (step, reason.clone())).collect();
    Ok(RunOptions {
        policy: args.approve.into(),
        skip,
        only: known(&args.only)?.into_iter().collect(),
        operator: cli::operator(),
    })
}

/// The root module of the DR environment.
pub(super) async fn dr_root(
    global: &GlobalArgs,
    context: &Context,
) -> Result<Option<EnvironmentRoot>, String> {
    let folder = &context.settings.failover.terraform;
    root(global, context, folder, "failover").await
}

/// The folder of the settings.
pub(super) fn beside(global: &GlobalArgs) -> Result<PathBuf, Failure> {
    let config = std::path::absolute(&global.config);
    let config = config.map_err(|error| Failure::new(Exit::Unchecked, error))?;
    Ok(config.parent().unwrap_or(Path::new("/")).to_owned())
}

/// Terraform, where the settings name a root module.
async fn root(
    global: &GlobalArgs,
    context: &Context,
    folder: &Option<PathBuf>,
    variables: &'static str,
) -> Result<Option<EnvironmentRoot>, String> {
    let Some(folder) = folder else {
        return Ok(None);
    };
    let beside = global.config.parent().unwrap_or(Path::new(""));
    let folder: PathBuf = beside.join(folder);
    let folder = folder
        .canonicalize()
        .map_err(|error| format!("cannot use the root module {}: {error}", folder.display()))?;
    let environment = Environment::new(std::env::vars_os());
    let terraform = Terraform::find(&folder, environment).await;
    Ok(Some(EnvironmentRoot {
        terraform: terraform.map_err(|error| error.to_string())?,
        folder,
        endpoints: context.env.endpoints(),
        variables,
    }))
}

/// The page of the run, written anew after each record, and steps on the terminal.
struct Page<'a> {
    path: PathBuf,
    progress: &'a Progress,
}

impl Watch for Page<'_> {
    fn recorded(&self, state: &RunState) {
        let written = self.path.parent().map(files::create_secret_folder);
        let page = state.page(cli::now());
        let written = written
            .transpose()
            .and_then(|_| files::write_file(&self.path, page.as_bytes(), Secrecy::Secret));
        // The records count; a page that cannot be written stops no failover.
        if let Err(error) = written {
            cli::note(&format!("the page of the run is out of date: {error}"));
        }
        let Some((planned, step)) = state.last_step() else {
            return;
        };
        match step.status {
            StepStatus::Began => self.progress.started(&planned.title),
            StepStatus::Pending => {}
            StepStatus::WaitsForApproval => {}
            status => {
                let took = match (step.began, step.ended) {
                    (Some(began), Some(ended)) => {
                        Duration::try_from(ended.duration_since(began)).unwrap_or_default()
                    }
                    _ => Duration::ZERO,
                };
                let ended = match status {
                    StepStatus::Failed => Ended::Failed,
                    StepStatus::Skipped | StepStatus::NotApplicable => Ended::Skipped,
                    _ if step.attempts == 0 => Ended::Unchanged,
                    _ => Ended::Done,
                };
                self.progress.finished(&planned.title, ended, took);
            }
        }
    }
}

/// The person at the terminal, if there is one.
struct Person {
    global: GlobalArgs,
    run: RunId,
    wait: Duration,
}

impl Approver for Person {
    async fn ask(&self, gate: &Gate) -> Answer {
        let question = format!("{} ({}).", gate.question, gate.step);
        let answer = match gate.deletes() {
            Some(name) => cli::confirm_name(&self.global, &question, name),
            None => cli::confirm(&self.global, &format!("{question} Go on?")),
        };
        match answer {
            Ok(()) => Answer::Yes {
                by: cli::operator(),
                reason: None,
            },
            Err(_) if self.wait.is_zero() => Answer::Nobody,
            Err(_) => {
                cli::note(&format!(
                    "waiting {} for `{}`: {}",
                    report::duration(self.wait),
                    super::approve_command(&self.run, &gate.step),
                    gate.question
                ));
                tokio::time::sleep(self.wait).await;
                Answer::Nobody
            }
        }
    }
}
