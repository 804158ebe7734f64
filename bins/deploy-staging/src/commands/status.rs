//! Where a deployment is, from its records, the state and what terraform left behind.

use std::collections::BTreeSet;

use cli::{Exit, Failure, GlobalArgs};
use evidence::Redacted;
use jiff::Timestamp;
use report::{Document, Mark, Report, ShellCommand};
use serde::Serialize;
use serde_json::Value;
use state_backend::{Lock, SideName, StateId, Workspace};
use terraform::{
    Argument, Deployment, DeploymentState, Ended, ErroredState, PlannedDeployment,
    ResourceStanding, ReviewedAction, ReviewedChange, Standing, StateVersion, judge_errored_state,
};
use verify::EnvironmentClients;
use verify::doctor::{self, Diagnosed};

use super::context::{Context, shown};
use super::failure;
use crate::args::apply::StatusArgs;

/// `errored.tfstate` is never larger, in bytes.
const MOST_STATE: u64 = 256 << 20;

pub(super) async fn run(global: &GlobalArgs, args: &StatusArgs) -> Result<Exit, Failure> {
    let context = Context::open(global, &args.folder, &args.runs).await?;
    let (deployment, planned) = context.deployment(args.deployment.as_deref())?;
    let happened = Happened::look(&context, &deployment, planned).await?;
    cli::print(global, &happened)?;
    Ok(happened.exit())
}

/// What became of a planned change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Became {
    Done,
    Failed,
    /// It began, and whether it ended is not known.
    UnderWay,
    NotBegun,
    Unknown,
}

/// A planned change, and what became of it.
#[derive(Debug, Serialize)]
pub(super) struct ChangeRow {
    pub(super) address: String,
    pub(super) action: ReviewedAction,
    pub(super) became: Became,
    seconds: Option<u64>,
}

/// A lock of the state.
#[derive(Debug, Serialize)]
pub(super) struct HeldLock {
    pub(super) id: Option<String>,
    pub(super) who: String,
    operation: String,
    taken: Option<Timestamp>,
    /// It is known to be the one that this apply took.
    pub(super) is_own: bool,
    #[serde(skip)]
    pub(super) lock: Lock,
}

/// Where a deployment is.
#[derive(Debug, Serialize)]
pub(super) struct Happened {
    deployment: String,
    environment: String,
    root: String,
    summary: String,
    planned_at: Timestamp,
    planned_by: String,
    #[serde(flatten)]
    pub(super) state: DeploymentState,
    pub(super) changes: Vec<ChangeRow>,
    /// The serial that it was planned from; null where there was no state.
    serial_before: Option<u64>,
    /// The serial of the backend's state; null where there is none, or it is not known.
    pub(super) serial_now: Option<u64>,
    pub(super) locks: Vec<HeldLock>,
    /// The state that terraform could not write; null where there is none.
    pub(super) errored: Option<ErroredState>,
    diagnosis: Option<Redacted<Diagnosed>>,
    /// What could not be looked at.
    pub(super) unknown: Vec<String>,
    next: Vec<String>,
}

impl Happened {
    pub(super) async fn look(
        context: &Context,
        deployment: &Deployment,
        planned: PlannedDeployment,
    ) -> Result<Self, Failure> {
        let state = deployment
            .state(&context.machine)
            .map_err(failure::record)?;
        let mut unknown = Vec::new();
        let pulled = match context.terraform.state_pull().await {
            Ok(pulled) => Some(pulled),
            Err(error) => {
                unknown.push(format!("the state: {error}"));
                None
            }
        };
        let locks = locks(context, &state, &mut unknown).await;
        let is_locked = locks.iter().any(|lock| lock.is_own);
        let path = context.root.join(terraform::ERRORED_STATE);
        let errored = match path.exists() {
            false => None,
            true => match (files::read_limited(&path, MOST_STATE), &pulled) {
                (Ok(errored), Some(pulled)) => Some(judge_errored_state(
                    &errored,
                    pulled.as_deref(),
                    planned.state.as_ref(),
                    is_locked,
                )),
                (Ok(_), None) => Some(ErroredState::Refused {
                    why: "what the backend has is not known".to_owned(),
                }),
                (Err(error), _) => Some(ErroredState::Refused {
                    why: error.to_string(),
                }),
            },
        };
        let there = addresses(context, pulled.as_ref(), &mut unknown).await;
        let changes = planned.review.changes.iter();
        let changes = changes
            .map(|change| became(change, &state, there.as_ref()))
            .collect();
        let version = pulled.flatten().as_deref().and_then(StateVersion::of);
        let diagnosis = diagnosis(context, deployment).await?;
        let mut happened = Self {
            deployment: planned.id.clone(),
            environment: planned.environment.clone(),
            root: shown(&planned.root),
            summary: planned.review.summary(),
            planned_at: planned.at,
            planned_by: planned.by.clone(),
            changes,
            serial_before: planned.state.as_ref().map(|state| state.serial),
            serial_now: version.map(|version| version.serial),
            locks,
            errored,
            diagnosis,
            unknown,
            next: Vec::new(),
            state,
        };
        happened.next = happened.commands(&planned);
        Ok(happened)
    }

    pub(super) fn exit(&self) -> Exit {
        let left = self.errored.is_some() || self.state.needs_settling();
        let left = match left {
            true => Exit::Wrong,
            false => Exit::Fine,
        };
        let unknown = match self.unknown.is_empty() && self.state.standing != Standing::Unknown {
            true => Exit::Fine,
            false => Exit::Unchecked,
        };
        left.worst(unknown)
    }

    /// What to run.
    fn commands(&self, planned: &PlannedDeployment) -> Vec<String> {
        let of = |command| with_folder(ShellCommand::new(command), &self.root);
        let command = match self.state.standing {
            _ if self.errored.is_some() => of("deploy-staging resume"),
            Standing::Planned => {
                of("deploy-staging apply").option("--digest", planned.digest.as_str())
            }
            Standing::Applying => return Vec::new(),
            Standing::Ended(Ended::Done) => of("deploy-staging next"),
            _ if self.state.settled.is_some() => of("deploy-staging plan"),
            _ => of("deploy-staging resume"),
        };
        vec![command.into()]
    }
}

/// A command for the folder, where it is not the one that it would take anyway.
pub(super) fn with_folder(command: ShellCommand, root: &str) -> ShellCommand {
    match root {
        "terraform/environments/staging" => command,
        root => command.option("--chdir", root),
    }
}

/// The object of the root module's state.
fn state_object(context: &Context) -> Result<String, Failure> {
    let module = context.module()?;
    let state = &context.settings.state;
    let of_code = |argument| match module.code.as_ref().map(|code| code.argument(argument)) {
        Some(Argument::Value(Value::String(text))) => Some(text.clone()),
        _ => None,
    };
    let id = StateId {
        key: of_code("key").unwrap_or_else(|| state.key.to_string()),
        workspace: module.workspace.map(|name| Workspace {
            prefix: of_code("workspace_key_prefix")
                .unwrap_or_else(|| state.workspace_key_prefix.to_string()),
            name,
        }),
    };
    Ok(id.object())
}

async fn locks(
    context: &Context,
    state: &DeploymentState,
    unknown: &mut Vec<String>,
) -> Vec<HeldLock> {
    let looked = async {
        let object = state_object(context)?;
        let backend = context.backend().await?;
        Ok::<_, Failure>((object, backend.locks(SideName::Primary).await))
    };
    let (object, locks) = match looked.await {
        Ok(looked) => looked,
        Err(failure) => {
            unknown.push(format!("locks: {}", failure.lines().join(" ")));
            return Vec::new();
        }
    };
    unknown.extend(locks.unknown.iter().map(|of| of.describe()));
    let held = locks.held.into_iter();
    held.filter(|lock| lock.state() == object && !lock.is_replica)
        .map(|lock| {
            let info = lock.info.as_ref();
            let created = info.and_then(|info| info.created);
            HeldLock {
                id: info.map(|info| info.id.clone()),
                who: info.map_or_else(|| "unknown".to_owned(), |info| info.who.clone()),
                operation: info.map_or_else(String::new, |info| info.operation.clone()),
                taken: created.or(lock.taken),
                is_own: created.is_some_and(|at| state.owns_lock(at, &context.machine)),
                lock,
            }
        })
        .collect()
}

/// Addresses in the state; `None` where they are not known.
async fn addresses(
    context: &Context,
    pulled: Option<&Option<Vec<u8>>>,
    unknown: &mut Vec<String>,
) -> Option<BTreeSet<String>> {
    match pulled {
        None => None,
        Some(None) => Some(BTreeSet::new()),
        Some(Some(_)) => match context.terraform.state_list().await {
            Ok(list) => Some(list.into_iter().collect()),
            Err(error) => {
                unknown.push(format!("resources: {error}"));
                None
            }
        },
    }
}

/// By the records, and where those end, by the state.
fn became(
    change: &ReviewedChange,
    state: &DeploymentState,
    there: Option<&BTreeSet<String>>,
) -> ChangeRow {
    let progress = state
        .resources
        .iter()
        .find(|of| of.address == change.address);
    let has_begun = state.intent.is_some();
    let is_there = there.map(|there| there.contains(&change.address));
    let by_state = match (change.action, is_there) {
        (ReviewedAction::Create | ReviewedAction::Import, Some(true)) => Some(true),
        (ReviewedAction::Create | ReviewedAction::Import, Some(false)) => Some(false),
        (ReviewedAction::Delete | ReviewedAction::Forget, Some(is)) => Some(!is),
        _ => None,
    };
    let became = match (progress.map(|of| of.standing), by_state) {
        _ if !has_begun => Became::NotBegun,
        (Some(ResourceStanding::Done), _) => Became::Done,
        (Some(ResourceStanding::Failed), _) => Became::Failed,
        (_, Some(true)) => Became::Done,
        (Some(ResourceStanding::Began), _) => Became::UnderWay,
        (None, _) if state.standing == Standing::Ended(Ended::Done) => Became::Done,
        (None, Some(false)) => Became::NotBegun,
        // Records go up to the death: what is not in them may have been done in the moments after it.
        (None, None) if matches!(state.standing, Standing::Ended(_)) => Became::NotBegun,
        (None, None) => Became::Unknown,
    };
    ChangeRow {
        address: change.address.clone(),
        action: change.action,
        became,
        seconds: progress.and_then(|of| of.seconds),
    }
}

/// What is behind the errors that terraform told.
async fn diagnosis(
    context: &Context,
    deployment: &Deployment,
) -> Result<Option<Redacted<Diagnosed>>, Failure> {
    let Some(text) = deployment.diagnostics().map_err(failure::record)? else {
        return Ok(None);
    };
    let both = context.both();
    let clients = EnvironmentClients::new(&both.primary, &both.global);
    let outputs = context.terraform.output().await.ok();
    let outputs = outputs.and_then(|outputs| evidence::Outputs::new(outputs).ok());
    let folder = shown(&context.root);
    let look = doctor::Context {
        clients: &clients,
        regions: doctor::Reach::Both(&both),
        settings: &context.settings,
        outputs: outputs.as_ref(),
        folder: &folder,
        at: cli::now(),
    };
    Ok(Some(Box::pin(doctor::diagnose(look, &text)).await))
}

impl Became {
    fn shown(self) -> (Mark, &'static str) {
        match self {
            Self::Done => (Mark::Ok, "done"),
            Self::Failed => (Mark::Wrong, "failed"),
            Self::UnderWay => (Mark::Unknown, "begun, and the end is not known"),
            Self::NotBegun => (Mark::Plain, "not begun"),
            Self::Unknown => (Mark::Unknown, "not known"),
        }
    }
}

impl Happened {
    fn standing(&self) -> (Mark, String) {
        let settled = match &self.state.settled {
            Some(settled) => format!(", put in order by {} at {}", settled.by, settled.at),
            None => String::new(),
        };
        let (mark, words) = match &self.state.standing {
            Standing::Planned => (Mark::Plain, "planned, and not applied"),
            Standing::Applying => (Mark::Plain, "being applied: terraform runs"),
            Standing::Unknown => (
                Mark::Unknown,
                "an apply began on another machine, and nothing says how it ended",
            ),
            Standing::Died => (
                Mark::Wrong,
                "the process that applied it died, and its terraform has ended",
            ),
            Standing::Ended(Ended::Done) => (Mark::Ok, "applied"),
            Standing::Ended(Ended::Failed) => (Mark::Wrong, "the apply failed"),
            Standing::Ended(Ended::Interrupted) => (Mark::Wrong, "the apply was interrupted"),
        };
        (mark, format!("{words}{settled}"))
    }
}

impl Report for Happened {
    const KIND: &'static str = "deployment-status";

    fn document(&self) -> Document {
        let (mark, standing) = self.standing();
        let mut document = Document::new()
            .heading(format!(
                "Deployment {} of {}",
                self.deployment, self.environment
            ))
            .fact(mark, "It is", standing)
            .fact(
                Mark::Plain,
                "Plan",
                format!(
                    "{}, by {} at {}",
                    self.summary, self.planned_by, self.planned_at
                ),
            );
        if let Some(intent) = &self.state.intent {
            document = document.fact(
                Mark::Plain,
                "Apply",
                format!("by {} at {}", intent.by, intent.at),
            );
        }
        let serial =
            |serial: Option<u64>| serial.map_or("none".to_owned(), |serial| serial.to_string());
        document = document.fact(
            Mark::Plain,
            "Serial of the state",
            format!(
                "{} when it was planned, {} now",
                serial(self.serial_before),
                serial(self.serial_now)
            ),
        );
        for lock in &self.locks {
            let whose = match lock.is_own {
                true => "this apply's",
                false => "not known to be this apply's",
            };
            let id = lock.id.as_deref().unwrap_or("unknown");
            document = document.fact(
                Mark::Wrong,
                "Lock",
                format!("{id} by {}, {}: {whose}", lock.who, lock.operation),
            );
        }
        if let Some(errored) = &self.errored {
            let told = match errored {
                ErroredState::Push { serial } => {
                    format!("serial {serial} goes on from what the backend has")
                }
                ErroredState::There => "the backend has the same".to_owned(),
                ErroredState::Refused { why } => format!("not to be pushed: {why}"),
            };
            document = document.fact(Mark::Wrong, terraform::ERRORED_STATE, told);
        }
        for unknown in &self.unknown {
            document = document.fact(Mark::Unknown, "Not known", unknown.as_str());
        }
        let rows = self.changes.iter().map(|change| {
            let (mark, became) = change.became.shown();
            let took = change.seconds.map(|seconds| format!("{seconds} s"));
            let cells = vec![
                became.to_owned(),
                change.action.word().to_owned(),
                change.address.clone(),
                took.unwrap_or_default(),
            ];
            (mark, cells)
        });
        document = document.table(["", "Action", "Resource", "Took"], rows.collect());
        if let Some(diagnosis) = &self.diagnosis {
            document = document.append(diagnosis.document());
        }
        for command in &self.next {
            document = document.text(format!("next: `{command}`"));
        }
        document
    }
}
