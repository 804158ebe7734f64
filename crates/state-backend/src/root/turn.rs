//! A root turned to one side, step by step, each shown to have worked.

use std::collections::BTreeSet;
use std::error::Error as _;
use std::fmt;
use std::future::pending;
use std::path::PathBuf;
use std::time::Instant;

use files::{FileError, Secrecy, keep_beside, write_file, write_new_file};
use report::{Document, Lines, Mark, Observer, Outcome, Report, ShellCommand, counted};
use serde::{Serialize, Serializer};
use serde_json::Value;
use terraform::{
    Argument, BackendConfig, InitOptions, RootModule, RootModuleError, StateFile, Terraform,
};

use super::{ApprovedRoot, FoundFile, NotReady, RootPlan, look, probe};
use crate::acquire::LockHolder;
use crate::backend::Backend;
use crate::dr_backend::DrBackend;
use crate::handover::{alternatives, restore_command, texts};
use crate::inventory::{Digest, Presence, SideState, StateId, WORKSPACE_KEY_PREFIX};
use crate::lock::{LockKind, ReleaseError};
use crate::problem::Problem;
use crate::side::SideAccess;
use crate::spec::SideName;

/// The steps of turning a root, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RootStep {
    /// Its state is ready on the side; before that nothing of the root is touched.
    State,
    /// The side's configuration is written into the folder.
    Configure,
    /// `terraform init -reconfigure` with it.
    Init,
    /// `terraform state list` shows what the state holds.
    List,
    /// The state's lock is taken and released.
    Lock,
}

/// How turning a root ended.
#[derive(Debug, Serialize)]
pub struct TurnedRoot {
    /// The root module's folder.
    #[serde(serialize_with = "super::path")]
    pub folder: PathBuf,
    /// The side that it was turned to.
    pub side: SideName,
    /// The state of the workspace that is selected.
    pub state: StateId,
    /// The configuration file's name.
    pub file: String,
    /// The name under which somebody's own file is kept that had that name; null where there was none.
    pub kept: Option<String>,
    /// The serial of the state that terraform listed; null when it has not.
    pub serial: Option<u64>,
    /// How many resources it listed; null when it has not.
    pub resources: Option<usize>,
    /// The locks that were taken and released.
    pub locks: Vec<LockKind>,
    /// The step that failed, if one did; the later ones were not tried.
    pub failed: Option<RootFailure>,
}

/// A step that failed.
#[derive(Debug, Serialize)]
pub struct RootFailure {
    /// Which.
    pub step: RootStep,
    /// Why.
    #[serde(serialize_with = "chain")]
    pub error: TurnError,
    /// The last lines of what terraform said of it, without secrets of its environment; empty where it was not
    /// terraform that failed, or it said nothing.
    pub terraform: Vec<String>,
    /// What to run: one of these, where there is a choice.
    #[serde(serialize_with = "texts")]
    pub commands: Vec<ShellCommand>,
}

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TurnError {
    /// What the root is turned with has no such side.
    #[error("there is no access to the {side} side")]
    OtherSide {
        /// The side.
        side: SideName,
    },
    /// The failover or failback has left its state.
    #[error("its state {state} was not made ready, so that the root stays where it is: {why}")]
    NotReady {
        /// The state.
        state: StateId,
        /// Why not.
        why: NotReady,
    },
    /// The run was interrupted before it came to this root.
    #[error("the run was interrupted before it came to it")]
    Interrupted,
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// Somebody has written the file since it was looked at.
    #[error("{} has changed since it was looked at", file.display())]
    FileChanged {
        /// The file.
        file: PathBuf,
    },
    /// Terraform failed, or is not there.
    #[error(transparent)]
    Terraform(#[from] terraform::Error),
    /// The folder cannot be read any more.
    #[error(transparent)]
    Folder(#[from] RootModuleError),
    /// Init has set up something else than what the configuration says.
    #[error("after init the backend has {argument} {found}, and not {wanted}")]
    NotTurned {
        /// The argument.
        argument: &'static str,
        /// What it has, as JSON.
        found: String,
        /// What it was to have, as JSON.
        wanted: String,
    },
    /// The side has no such state: terraform would begin with an empty one.
    #[error("there is no state {state} on the {side} side{}", bring_back(version.as_ref()))]
    NoState {
        /// The state.
        state: StateId,
        /// The side.
        side: SideName,
        /// The version that can be brought back, if it is deleted.
        version: Option<String>,
    },
    /// The object is no state.
    #[error("the object {state} is no state that Terraform reads: {why}")]
    Unreadable {
        /// The state.
        state: StateId,
        /// Why not.
        why: String,
    },
    /// Terraform would refuse to read it.
    #[error("the digest row of {state} is that of another content")]
    StaleDigest {
        /// The state.
        state: StateId,
    },
    /// Terraform lists other resources than the state holds.
    #[error(
        "`terraform state list` shows {}, and the state has {held}{}",
        counted(*listed, "resource"),
        example(missing, unexpected)
    )]
    OtherResources {
        /// How many terraform lists.
        listed: usize,
        /// How many the state has.
        held: usize,
        /// Those that are not listed.
        missing: Vec<String>,
        /// Those that are listed alone.
        unexpected: Vec<String>,
    },
    /// It was written again and again while it was read.
    #[error("the state {state} is being written: it was another one after each listing")]
    Written {
        /// The state.
        state: StateId,
    },
    /// Somebody holds the lock.
    #[error("{} is held{}{}", lock(*kind, place), by(who.as_ref()), replica(*is_replica))]
    Locked {
        /// Where it is kept.
        kind: LockKind,
        /// The row's `LockID`, or the object's key.
        place: String,
        /// Who, as the lock says.
        who: Option<String>,
        /// Whether replication brought it from the other side.
        is_replica: bool,
    },
    /// The lock was taken, and was not there a moment later.
    #[error("the lock {place} was taken, and is not there")]
    LockLost {
        /// The row's `LockID`, or the object's key.
        place: String,
    },
    /// The lock was released, and is there still.
    #[error("the lock {place} was released, and is still there")]
    LockLeft {
        /// The row's `LockID`, or the object's key.
        place: String,
    },
    /// The backend of the root takes no lock.
    #[error("the backend has neither dynamodb_table nor use_lockfile, so that nothing locks")]
    NoLocking,
    /// The lock was not released.
    #[error(transparent)]
    Release(#[from] ReleaseError),
    /// What has to be known first is not.
    #[error("{0}")]
    Unknown(Problem),
    /// AWS was asked and did not do it.
    #[error(transparent)]
    Call(#[from] aws_env::Error),
}

fn bring_back(version: Option<&String>) -> String {
    version.map_or_else(String::new, |version| {
        format!("; its version {version} can be brought back")
    })
}

fn example(missing: &[String], unexpected: &[String]) -> String {
    match (missing.first(), unexpected.first()) {
        (Some(one), _) => format!("; {one} is not listed"),
        (None, Some(one)) => format!("; {one} is not in it"),
        (None, None) => String::new(),
    }
}

fn lock(kind: LockKind, place: &str) -> String {
    format!("the lock {place} in {kind}")
}

fn by(who: Option<&String>) -> String {
    who.map_or_else(
        || " by nobody knows whom".to_owned(),
        |who| format!(" by {who}"),
    )
}

fn replica(is_replica: bool) -> &'static str {
    match is_replica {
        true => ", and is a copy that replication brought",
        false => "",
    }
}

/// How often a state that changes while it is listed is read again.
const READS: usize = 3;

impl Backend {
    /// Turns a root to a side: writes the configuration, has terraform take it up without looking at the old one,
    /// compares what it lists with what the state holds, and takes and releases the state's lock. Done again, it ends
    /// alike; what an interrupted run left is made right.
    pub async fn turn_root(
        &self,
        root: &ApprovedRoot,
        terraform: &Terraform,
        holder: &LockHolder,
        observer: &dyn Observer,
    ) -> TurnedRoot {
        turn_root(self.at(root.0.side), root, terraform, holder, observer).await
    }
}

impl DrBackend {
    /// As [`Backend::turn_root`], of a root that is turned to the DR side.
    pub async fn turn_root(
        &self,
        root: &ApprovedRoot,
        terraform: &Terraform,
        holder: &LockHolder,
        observer: &dyn Observer,
    ) -> TurnedRoot {
        let access = Some(self.access()).filter(|access| access.name() == root.0.side);
        turn_root(access, root, terraform, holder, observer).await
    }
}

impl ApprovedRoot {
    /// Not turned, since the run was interrupted before.
    pub fn interrupted(self) -> TurnedRoot {
        TurnedRoot::not_begun(&self.0, RootStep::Configure, TurnError::Interrupted)
    }
}

async fn turn_root(
    access: Option<SideAccess<'_>>,
    ApprovedRoot(plan): &ApprovedRoot,
    terraform: &Terraform,
    holder: &LockHolder,
    observer: &dyn Observer,
) -> TurnedRoot {
    let Some(access) = access else {
        let error = TurnError::OtherSide { side: plan.side };
        return TurnedRoot::not_begun(plan, RootStep::State, error);
    };
    let mut turned = TurnedRoot::new(plan);
    let terraform = terraform.in_folder(&plan.folder);
    for step in [
        RootStep::Configure,
        RootStep::Init,
        RootStep::List,
        RootStep::Lock,
    ] {
        let label = format!("{}: {step}", plan.folder.display());
        let begun = Instant::now();
        observer.started(&label);
        let ended = match step {
            // Seen to before the root was approved.
            RootStep::State => Ok(()),
            RootStep::Configure => write(plan, &mut turned),
            RootStep::Init => init(plan, &terraform).await,
            RootStep::List => access.list_root(plan, &terraform, &mut turned).await,
            RootStep::Lock => {
                access
                    .lock_root(plan, &terraform, holder, &mut turned)
                    .await
            }
        };
        let outcome = match &ended {
            Ok(()) => Outcome::Done,
            Err(_) => Outcome::Failed,
        };
        observer.finished(&label, outcome, begun.elapsed());
        tracing::info!(
            resource = %plan.folder.display(),
            step = %step,
            outcome = if ended.is_ok() { "done" } else { "failed" },
            "applied"
        );
        if let Err(error) = ended {
            let environment = terraform.environment();
            let lines = match &error {
                TurnError::Terraform(error) => error.last_lines(),
                _ => Vec::new(),
            };
            turned.failed = Some(RootFailure {
                commands: next(plan, step, &error),
                step,
                terraform: lines.iter().map(|line| environment.redact(line)).collect(),
                error,
            });
            break;
        }
    }
    turned
}

impl SideAccess<'_> {
    async fn list_root(
        &self,
        plan: &RootPlan,
        terraform: &Terraform,
        turned: &mut TurnedRoot,
    ) -> Result<(), TurnError> {
        // A writer between our reading and terraform's would look like a difference.
        let mut held = self.held(plan).await?;
        for _ in 0..READS {
            let listed = terraform.state_list().await?;
            let after = self.held(plan).await?;
            if after.1 != held.1 {
                held = after;
                continue;
            }
            let (state, _) = held;
            turned.serial = Some(state.serial());
            turned.resources = Some(compare(&state, &listed)?);
            return Ok(());
        }
        Err(TurnError::Written {
            state: plan.state.clone(),
        })
    }

    /// The state on the side, and the digest of its object.
    async fn held(&self, plan: &RootPlan) -> Result<(StateFile, Option<String>), TurnError> {
        let (side, state) = (plan.side, plan.state.clone());
        let SideState { found, digest, .. } = SideState::new(side, self.state(&state).await);
        match (found, digest) {
            (Presence::Unknown { problem }, _) => Err(TurnError::Unknown(problem)),
            (Presence::Absent, _) => Err(TurnError::NoState {
                state,
                side,
                version: None,
            }),
            (Presence::Deleted(last), _) => Err(TurnError::NoState {
                state,
                side,
                version: Some(last.version),
            }),
            (Presence::Present(_), Digest::Differs) => Err(TurnError::StaleDigest { state }),
            (Presence::Present(object), _) => match object.content {
                Ok(content) => Ok((content, object.sha256)),
                Err(why) => Err(TurnError::Unreadable { state, why }),
            },
        }
    }

    async fn lock_root(
        &self,
        plan: &RootPlan,
        terraform: &Terraform,
        holder: &LockHolder,
        turned: &mut TurnedRoot,
    ) -> Result<(), TurnError> {
        let kinds = self.lock_kinds(plan, terraform)?;
        let object = plan.state.object();
        probe::run(*self, &object, &kinds, holder).await?;
        turned.locks = kinds;
        Ok(())
    }

    /// Where terraform locks the state of a root that is turned to this side.
    pub(super) fn lock_kinds(
        &self,
        plan: &RootPlan,
        terraform: &Terraform,
    ) -> Result<Vec<LockKind>, TurnError> {
        if let Some(problem) = self.lost {
            return Err(TurnError::Unknown(problem.clone()));
        }
        // What the root does, and not what the settings say of it.
        let backend = turned_backend(plan, terraform)?;
        let is_set = |argument| match backend.argument(argument) {
            Argument::Unset | Argument::NotConstant => false,
            Argument::Value(value) => *value != Value::Bool(false),
        };
        let kinds: Vec<LockKind> = [
            ("use_lockfile", LockKind::S3),
            ("dynamodb_table", LockKind::DynamoDb),
        ]
        .into_iter()
        .filter(|(argument, _)| is_set(argument))
        .map(|(_, kind)| kind)
        .collect();
        match kinds.is_empty() {
            true => Err(TurnError::NoLocking),
            false => Ok(kinds),
        }
    }
}

/// Writes the file, in the place of none or of the one that was looked at. Somebody's own is kept.
fn write(plan: &RootPlan, turned: &mut TurnedRoot) -> Result<(), TurnError> {
    let file = plan.path();
    let bare = plan.text.split_once('\n').map_or("", |(_, rest)| rest);
    match (plan.found, look(&file, &plan.text, bare)?) {
        (_, FoundFile::Current) => Ok(()),
        (_, FoundFile::Absent) => Ok(write_new_file(
            &file,
            plan.text.as_bytes(),
            Secrecy::Public,
        )?),
        (_, FoundFile::Own) => Ok(write_file(&file, plan.text.as_bytes(), Secrecy::Public)?),
        (FoundFile::Other, FoundFile::Other) => {
            let kept = keep_beside(&file)?;
            let name = kept.file_name().map(|name| name.to_string_lossy());
            turned.kept = name.map(|name| name.into_owned());
            Ok(write_file(&file, plan.text.as_bytes(), Secrecy::Public)?)
        }
        (_, FoundFile::Other) => Err(TurnError::FileChanged { file }),
    }
}

async fn init(plan: &RootPlan, terraform: &Terraform) -> Result<(), TurnError> {
    let options = InitOptions {
        backend_configs: vec![plan.file.clone().into()],
        // Migrating would read the backend that the root had, which may be lost.
        reconfigure: true,
        ..InitOptions::default()
    };
    let running = terraform.init(&options).await?;
    running.finish(pending(), |_| {}).await?;
    turned_backend(plan, terraform).map(drop)
}

impl RootPlan {
    /// Has Terraform take up, on this machine, a state that the root was turned to on another one: writes the configuration
    /// and initializes, unless the folder is so already.
    ///
    /// # Errors
    /// When the configuration cannot be written, or Terraform does not take it up.
    pub async fn take_up(&self, terraform: &Terraform) -> Result<(), TurnError> {
        let terraform = terraform.in_folder(&self.folder);
        if turned_backend(self, &terraform).is_ok() {
            return Ok(());
        }
        write(self, &mut TurnedRoot::new(self))?;
        init(self, &terraform).await
    }
}

/// The backend that the root has now, which has to be the one that was planned.
fn turned_backend(plan: &RootPlan, terraform: &Terraform) -> Result<BackendConfig, TurnError> {
    let root = RootModule::read(&plan.folder, terraform.environment())?;
    let wanted = &plan.wanted;
    let text = |text: &str| Value::from(text).to_string();
    let different = |argument, found: String, wanted: &str| TurnError::NotTurned {
        argument,
        found,
        wanted: text(wanted),
    };
    let Some(backend) = root.remembered else {
        return Err(different("bucket", "null".to_owned(), &wanted.bucket));
    };
    let prefix = Some(wanted.prefix.as_str()).filter(|prefix| *prefix != WORKSPACE_KEY_PREFIX);
    for (argument, wanted, default) in [
        ("bucket", Some(wanted.bucket.as_str()), None),
        ("key", Some(plan.state.key.as_str()), None),
        ("region", Some(wanted.region.as_str()), None),
        ("workspace_key_prefix", prefix, Some(WORKSPACE_KEY_PREFIX)),
        ("dynamodb_table", wanted.table.as_deref(), None),
    ] {
        let found = match backend.argument(argument) {
            Argument::Value(value) => Some(value),
            Argument::Unset | Argument::NotConstant => None,
        };
        let is_same = found.and_then(Value::as_str) == wanted
            || (wanted.is_none() && found.and_then(Value::as_str) == default);
        if !is_same {
            let found = found.map_or_else(|| "null".to_owned(), Value::to_string);
            return Err(different(argument, found, wanted.unwrap_or_default()));
        }
    }
    let workspace = plan.state.workspace.as_ref();
    let workspace = workspace.map(|workspace| workspace.name.as_str());
    if root.workspace.as_deref() != workspace {
        let found = root
            .workspace
            .map_or_else(|| text("default"), |name| text(&name));
        let wanted = workspace.unwrap_or("default");
        return Err(different("the workspace", found, wanted));
    }
    Ok(backend)
}

/// How many resources terraform lists, if they are those of the state.
fn compare(state: &StateFile, listed: &[String]) -> Result<usize, TurnError> {
    let StateFile::Plain(state) = state else {
        // Terraform, or OpenTofu, has read it; what it holds, nobody else can tell.
        return Ok(listed.len());
    };
    let shown: BTreeSet<&str> = listed
        .iter()
        .filter_map(|address| terraform::resource_of(address))
        .collect();
    let held: BTreeSet<&str> = state.addresses.iter().map(String::as_str).collect();
    let of = |some: &BTreeSet<&str>, others: &BTreeSet<&str>| -> Vec<String> {
        some.difference(others)
            .map(|one| (*one).to_owned())
            .collect()
    };
    let (missing, unexpected) = (of(&held, &shown), of(&shown, &held));
    match missing.is_empty() && unexpected.is_empty() {
        true => Ok(shown.len()),
        false => Err(TurnError::OtherResources {
            listed: shown.len(),
            held: held.len(),
            missing,
            unexpected,
        }),
    }
}

/// What to run after a failure.
fn next(plan: &RootPlan, step: RootStep, error: &TurnError) -> Vec<ShellCommand> {
    let side = plan.side;
    let of_side = |command: ShellCommand| match side {
        SideName::Primary => command,
        SideName::Dr => command.words("--side dr"),
    };
    let folder = plan.folder.display().to_string();
    let terraform = ShellCommand::new("terraform").joined("-chdir=", folder);
    let command = match (step, error) {
        (_, TurnError::NotReady { why, .. }) => return why.commands(),
        (_, TurnError::StaleDigest { state }) => Some(of_side(
            ShellCommand::new("init-backend repair digest").word(state.object()),
        )),
        (_, TurnError::NoState { version, .. }) => version
            .as_ref()
            .map(|version| restore_command(&plan.state, version, side)),
        (_, TurnError::Locked { .. }) => Some(ShellCommand::new("init-backend locks")),
        (RootStep::Init, TurnError::Terraform(_)) => Some(
            terraform
                .words("init -reconfigure")
                .joined("-backend-config=", &plan.file),
        ),
        (RootStep::List, TurnError::Terraform(_)) => Some(terraform.words("state list")),
        _ => None,
    };
    command.into_iter().collect()
}

fn chain<S: Serializer>(error: &TurnError, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&described(error))
}

/// An error with what it comes from.
fn described(error: &TurnError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

impl fmt::Display for RootStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::State => "state",
            Self::Configure => "configure",
            Self::Init => "init",
            Self::List => "list",
            Self::Lock => "lock",
        })
    }
}

impl RootFailure {
    fn mark(&self) -> Mark {
        match &self.error {
            TurnError::NotReady {
                why: NotReady::Unknown { .. },
                ..
            } => Mark::Unknown,
            _ => Mark::Wrong,
        }
    }

    fn in_short(&self) -> String {
        match self.step {
            // Nothing was tried that could have failed.
            RootStep::State => "its state is not ready".to_owned(),
            step => format!("{step} failed"),
        }
    }
}

impl TurnedRoot {
    fn new(plan: &RootPlan) -> Self {
        Self {
            folder: plan.folder.clone(),
            side: plan.side,
            state: plan.state.clone(),
            file: plan.file.clone(),
            kept: None,
            serial: None,
            resources: None,
            locks: Vec::new(),
            failed: None,
        }
    }

    /// One of which nothing was done.
    pub(super) fn not_begun(plan: &RootPlan, step: RootStep, error: TurnError) -> Self {
        Self {
            failed: Some(RootFailure {
                commands: next(plan, step, &error),
                step,
                error,
                terraform: Vec::new(),
            }),
            ..Self::new(plan)
        }
    }

    fn row(&self) -> (Mark, Vec<String>) {
        let (mark, word, result) = match &self.failed {
            None => {
                let kinds: Vec<String> = self.locks.iter().map(ToString::to_string).collect();
                let result = format!(
                    "serial {}: {} listed; lock taken and released in {}",
                    self.serial.unwrap_or_default(),
                    counted(self.resources.unwrap_or_default(), "resource"),
                    kinds.join(" and ")
                );
                (Mark::Ok, "turned", result)
            }
            Some(failed) => (failed.mark(), "not turned", failed.in_short()),
        };
        let cells = vec![
            word.to_owned(),
            self.folder.display().to_string(),
            self.state.to_string(),
            result,
        ];
        (mark, cells)
    }

    /// What is said below the table, which it would make too wide.
    fn remark(&self) -> Option<Lines> {
        let kept = self.kept.as_ref().map(|kept| {
            let folder = self.folder.display();
            format!("{folder}: the {} that was there is {kept} now.", self.file)
        });
        let Some(failed) = &self.failed else {
            return kept.map(|kept| Lines::of([kept]));
        };
        let text = format!(
            "{}: {}: {}",
            self.folder.display(),
            failed.in_short(),
            described(&failed.error)
        );
        let text = match alternatives(&failed.commands) {
            Some(commands) => format!("{text}: {commands}."),
            None => format!("{text}."),
        };
        let lines = failed
            .terraform
            .iter()
            .map(|line| format!("terraform: {line}"));
        Some(Lines::of(kept.into_iter().chain([text]).chain(lines)))
    }
}

/// Roots that were turned, or not.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct TurnedRoots(pub Vec<TurnedRoot>);

impl Report for TurnedRoots {
    const KIND: &'static str = "turned-roots";

    fn document(&self) -> Document {
        if self.0.is_empty() {
            return Document::new();
        }
        let rows = self.0.iter().map(TurnedRoot::row).collect();
        let document = Document::new()
            .heading("Roots")
            .table(["", "Folder", "State", ""], rows);
        let remarks = self.0.iter().filter_map(TurnedRoot::remark);
        remarks.fold(document, Document::text)
    }
}
