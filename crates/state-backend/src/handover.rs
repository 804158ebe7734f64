//! What a failover or a failback does to each state, and how it ended.

pub(crate) mod reasons;
pub(crate) mod steps;

use std::fmt;

use jiff::Timestamp;
use report::{Document, Lines, Mark, ShellCommand, counted};
use serde::{Serialize, Serializer};
use settings::Region;

use crate::failback::Resolution;
use crate::inventory::{LostWrite, Presence, Relation, SideState, StateId, StateObject};
use crate::lock::{Lock, UnknownLocks};
use crate::problem::Problem;
use crate::repair::{DigestRemoval, DigestRepair};
use crate::spec::SideName;

/// One thing that is done to a state. Each is conditional on what was seen, and can be repeated.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum HandoverStep {
    /// The digest row becomes that of the state that is there.
    WriteDigest(DigestRepair),
    /// The digest row goes, since nothing keeps it that of the state from now on.
    RemoveDigest(DigestRemoval),
    /// A lock object that replication brought goes. Below its delete marker it stays a version.
    ClearLock(Lock),
    /// The lock that an earlier failback left, which was killed, goes.
    ReleaseLock(Lock),
    /// A side's object becomes the other side's. What it replaces stays a version.
    CopyState(StateCopy),
    /// A side's object goes. Below its delete marker it stays a version.
    DeleteState(StateDeletion),
}

/// A state's object that is to become the other side's.
#[derive(Debug, Clone, Serialize)]
pub struct StateCopy {
    /// The side that gets it.
    pub to: SideName,
    /// The version that it gets.
    pub version: Option<String>,
    /// The serial of that version.
    pub serial: u64,
    /// The version that is there now; null where there is none.
    pub replaces: Option<String>,
    /// The serial of what is there now.
    pub replaces_serial: Option<u64>,
    /// The command that brings back what is there now; null where there is nothing.
    #[serde(serialize_with = "command")]
    pub undo: Option<ShellCommand>,
    #[serde(skip)]
    pub(crate) from: Box<StateObject>,
    #[serde(skip)]
    pub(crate) over: Option<Box<StateObject>>,
}

impl StateCopy {
    pub(crate) fn new(
        to: SideName,
        state: &StateId,
        (from, serial): (&StateObject, u64),
        over: Option<&StateObject>,
    ) -> Self {
        let serial_of = |object: &StateObject| Some(object.content.as_ref().ok()?.serial());
        Self {
            to,
            version: from.version.clone(),
            serial,
            replaces: over.and_then(|over| over.version.clone()),
            replaces_serial: over.and_then(serial_of),
            undo: over.map(|over| restore_command(state, version_of(over), to)),
            from: Box::new(from.clone()),
            over: over.cloned().map(Box::new),
        }
    }
}

/// A state's object that is to be deleted, since the other region's was.
#[derive(Debug, Clone, Serialize)]
pub struct StateDeletion {
    /// The side that still has it.
    pub side: SideName,
    /// The version that is there now.
    pub version: String,
    /// Its serial; null where it is no state that Terraform reads.
    pub serial: Option<u64>,
    /// The command that brings it back.
    #[serde(serialize_with = "text")]
    pub undo: ShellCommand,
    #[serde(skip)]
    pub(crate) state: StateId,
    #[serde(skip)]
    pub(crate) etag: Option<String>,
}

impl StateDeletion {
    pub(crate) fn new(side: SideName, state: &StateId, object: &StateObject) -> Self {
        let content = object.content.as_ref();
        Self {
            side,
            version: version_of(object).to_owned(),
            serial: content.ok().map(|content| content.serial()),
            undo: restore_command(state, version_of(object), side),
            state: state.clone(),
            etag: object.etag.clone(),
        }
    }
}

/// What S3 calls the version of an object that was there before its bucket kept versions.
pub(crate) fn version_of(object: &StateObject) -> &str {
    object.version.as_deref().unwrap_or("null")
}

/// Why nothing is done to a state, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum LeftKind {
    /// It was deleted, on the side that is asked or on every side.
    Deleted,
    /// It is not where it has to be.
    NotThere,
    /// Its object is no state that Terraform reads.
    Unreadable,
    /// Somebody holds its lock.
    Locked,
    /// The side that it would be brought to was written meanwhile.
    Moved,
    /// DR wrote nothing, and has not yet what the primary side wrote last.
    Behind,
    /// Neither copy comes from the other.
    Diverged,
    /// It was deleted on one side, and the other still has it.
    DeletedIn,
    /// It changed while it was looked at, again and again or so that nothing was planned for it.
    Changed,
    /// What would be written over or deleted is in a bucket that keeps no versions.
    Unversioned,
    /// The run was interrupted before it came to it.
    Interrupted,
}

/// Why nothing is done to a state.
#[derive(Debug, Clone, Serialize)]
pub struct Left {
    /// In a word.
    pub kind: LeftKind,
    /// In a sentence, with versions and serials.
    pub text: String,
    /// What to run: one of these, where there is a choice.
    #[serde(serialize_with = "texts")]
    pub commands: Vec<ShellCommand>,
}

fn text<S: Serializer>(command: &ShellCommand, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(command)
}

fn command<S: Serializer>(
    command: &Option<ShellCommand>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match command {
        Some(command) => serializer.collect_str(command),
        None => serializer.serialize_none(),
    }
}

pub(crate) fn texts<S: Serializer>(
    commands: &[ShellCommand],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(commands.iter().map(ToString::to_string))
}

/// Where a state stands in a failover or failback.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Standing {
    /// It is as it has to be: there is nothing to do.
    Ready,
    /// Its steps are to be done.
    Planned,
    /// Its steps were done, and it was read back.
    Done,
    /// Nothing is done to it, and why.
    Left {
        /// Why not.
        left: Left,
    },
    /// It could not be asked, or one of its steps failed. What was done stays done; a repetition goes on.
    Unknown {
        /// The error.
        problem: Problem,
    },
}

/// A state in a failover or failback.
#[derive(Debug, Clone, Serialize)]
pub struct StateHandover {
    /// Which state.
    pub state: StateId,
    /// What the sides that were asked have of it.
    pub copies: Vec<SideState>,
    /// How they stand to each other, where both were asked.
    #[serde(flatten)]
    pub relation: Option<Relation>,
    /// A write of the DR side that replication has written over, and that the primary side never had.
    pub overwritten: Option<LostWrite>,
    /// Locks of it that are held on the sides that were asked, and are no replicas.
    pub held: Vec<Lock>,
    /// What was chosen for it; null where nothing was.
    pub resolution: Option<Resolution>,
    /// What is to be done, or was done, in this order.
    pub steps: Vec<HandoverStep>,
    /// Where it stands.
    #[serde(flatten)]
    pub standing: Standing,
}

/// All states of a failover or failback: a plan, or what was done.
#[derive(Debug, Clone, Serialize)]
pub struct Handover {
    /// When it was asked for.
    pub time: Timestamp,
    /// The region that Terraform leaves.
    pub from: Region,
    /// The region that it works in from now on.
    pub to: Region,
    /// The bucket there.
    pub bucket: String,
    /// The lock table there; null when DynamoDB does not lock.
    pub table: Option<String>,
    /// The account.
    pub account: String,
    /// Why nobody has proven that the credentials are of that account; null where STS has.
    pub account_unproven: Option<Problem>,
    /// Whether the steps were done.
    pub applied: bool,
    /// The states, first those that a person has to look at.
    pub states: Vec<StateHandover>,
    /// Rows of a global table that name the other side's bucket: Terraform here never reads them, and they are left.
    pub foreign_rows: Vec<Lock>,
    /// Locks that could not be read.
    pub unknown_locks: Vec<UnknownLocks>,
}

impl Left {
    pub(crate) fn new(kind: LeftKind, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
            commands: Vec::new(),
        }
    }

    #[must_use]
    pub(crate) fn command(mut self, command: ShellCommand) -> Self {
        self.commands.push(command);
        self
    }
}

/// Commands of which one is to be chosen, in a sentence.
pub(crate) fn alternatives(commands: &[ShellCommand]) -> Option<String> {
    let commands = commands.iter().map(|command| format!("`{command}`"));
    let commands = commands.collect::<Vec<_>>().join(", or ");
    (!commands.is_empty()).then_some(commands)
}

/// The command that brings a version of a state back.
pub(crate) fn restore_command(state: &StateId, version: &str, side: SideName) -> ShellCommand {
    let command = ShellCommand::new("init-backend restore");
    let options = |command: ShellCommand| {
        let command = command.option("--version", version);
        match side {
            SideName::Primary => command,
            SideName::Dr => command.words("--side dr"),
        }
    };
    let object = state.object();
    // Behind a name that begins with a hyphen there are no options any more.
    match object.starts_with('-') {
        true => options(command).word(object),
        false => options(command.word(object)),
    }
}

impl StateHandover {
    /// Whether the steps are to be done.
    pub fn is_planned(&self) -> bool {
        matches!(self.standing, Standing::Planned)
    }

    fn rank(&self) -> u8 {
        match self.standing {
            Standing::Left { .. } => 0,
            Standing::Unknown { .. } => 1,
            Standing::Planned | Standing::Done => 2,
            Standing::Ready => 3,
        }
    }

    fn row(&self) -> (Mark, Vec<Lines>) {
        let (mark, word) = match &self.standing {
            Standing::Ready => (Mark::Ok, "ready"),
            Standing::Planned => (Mark::Plain, "planned"),
            Standing::Done => (Mark::Ok, "done"),
            Standing::Left { .. } => (Mark::Wrong, "left"),
            Standing::Unknown { .. } => (Mark::Unknown, "unknown"),
        };
        let copies = self.copies.iter().map(|copy| match self.copies.len() {
            1 => copy_text(copy),
            _ => format!("{}: {}", copy.side, copy_text(copy)),
        });
        let relation = self.relation.iter().map(ToString::to_string);
        let held = self
            .held
            .iter()
            .map(|lock| format!("locked by {}", holder(lock)));
        let steps = self.steps.iter().map(ToString::to_string);
        let cells = vec![
            word.into(),
            self.state.to_string().into(),
            Lines::of(copies.chain(relation)),
            Lines::of(steps.chain(held)),
        ];
        (mark, cells)
    }

    /// Whether a version is replaced without having been chosen: it is one that the other side has gone on from.
    fn replaces(&self) -> bool {
        self.resolution.is_none()
            && self
                .steps
                .iter()
                .any(|step| matches!(step, HandoverStep::CopyState(copy) if copy.undo.is_some()))
    }

    /// What has to be said below the table, which it would make too wide.
    fn remarks(&self) -> impl Iterator<Item = String> {
        let lost = self.overwritten.as_ref();
        let lost = lost.map(|lost| lost.remark(&self.state));
        let standing = match &self.standing {
            Standing::Left { left } => Some(match alternatives(&left.commands) {
                None => format!("{}: {}.", self.state, left.text),
                Some(commands) => format!("{}: {}: {commands}.", self.state, left.text),
            }),
            Standing::Unknown { problem } => Some(format!("{}: {problem}.", self.state)),
            _ => None,
        };
        // Of the others one line is said for all.
        let chosen = self.steps.iter().filter(|_| self.resolution.is_some());
        let kept = chosen.filter_map(|step| match step {
            HandoverStep::CopyState(copy) => {
                let (undo, version) = (copy.undo.as_ref()?, copy.replaces.as_deref());
                Some((copy.to, version.unwrap_or("null").to_owned(), undo))
            }
            HandoverStep::DeleteState(deletion) => {
                Some((deletion.side, deletion.version.clone(), &deletion.undo))
            }
            _ => None,
        });
        let kept = kept.map(|(side, version, undo)| {
            let state = &self.state;
            format!(
                "{state}: the {side} side's version {version} is kept: `{undo}` brings it back."
            )
        });
        lost.into_iter().chain(standing).chain(kept)
    }
}

fn copy_text(copy: &SideState) -> String {
    let text = copy.describe();
    let Presence::Present(object) = &copy.found else {
        return text;
    };
    let origin = match object.is_replica {
        true => "replica",
        false => "written here",
    };
    match object.modified {
        Some(time) => format!("{text}; {origin}, {time}"),
        None => format!("{text}; {origin}"),
    }
}

/// Who holds a lock, as far as it says.
pub(crate) fn holder(lock: &Lock) -> String {
    match &lock.info {
        Some(info) => format!("{} (ID {}, {})", info.who, info.id, info.operation),
        None => "nobody knows whom".to_owned(),
    }
}

impl fmt::Display for HandoverStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WriteDigest(DigestRepair { side, was, .. }) => match was {
                Some(_) => write!(f, "{side}: digest row written anew"),
                None => write!(f, "{side}: digest row written"),
            },
            Self::RemoveDigest(DigestRemoval { side, .. }) => {
                write!(f, "{side}: digest row taken away")
            }
            Self::ClearLock(lock) => {
                write!(
                    f,
                    "{}: replicated lock of {} cleared",
                    lock.side,
                    holder(lock)
                )
            }
            Self::ReleaseLock(lock) => {
                write!(
                    f,
                    "{}: lock of {} released, whose run was killed",
                    lock.side,
                    holder(lock)
                )
            }
            Self::DeleteState(deletion) => {
                write!(f, "{}: ", deletion.side)?;
                match deletion.serial {
                    Some(serial) => write!(f, "serial {serial} deleted"),
                    None => write!(f, "version {} deleted", deletion.version),
                }
            }
            Self::CopyState(copy) => {
                write!(f, "serial {} copied to {}", copy.serial, copy.to)?;
                match copy.replaces_serial {
                    Some(serial) => write!(f, ", over serial {serial}"),
                    None => Ok(()),
                }
            }
        }
    }
}

impl Handover {
    /// Whether a state is ready for Terraform: nothing was to be done to it, or all of it was.
    pub fn is_ready(&self, state: &StateId) -> bool {
        let object = state.object();
        let mut states = self.states.iter();
        states.any(|found| {
            found.state.object() == object
                && matches!(found.standing, Standing::Ready | Standing::Done)
        })
    }

    /// How many states are to be changed.
    pub fn planned(&self) -> usize {
        let states = self.states.iter();
        states.filter(|state| state.is_planned()).count()
    }

    /// What was left, and is not only not known.
    pub fn left(&self) -> impl Iterator<Item = &Left> {
        self.states
            .iter()
            .filter_map(|state| match &state.standing {
                Standing::Left { left } => Some(left),
                _ => None,
            })
    }

    /// Writes of the DR side that replication has written over.
    pub fn lost_writes(&self) -> impl Iterator<Item = &LostWrite> {
        self.states
            .iter()
            .filter_map(|state| state.overwritten.as_ref())
    }

    /// What could not be asked or done.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        let states = self
            .states
            .iter()
            .filter_map(|state| match &state.standing {
                Standing::Unknown { problem } => Some(problem),
                _ => None,
            });
        states.chain(self.unknown_locks.iter().map(|unknown| &unknown.problem))
    }

    pub(crate) fn sort(&mut self) {
        self.states
            .sort_by(|a, b| (a.rank(), &a.state).cmp(&(b.rank(), &b.state)));
    }

    pub(crate) fn append_to(&self, document: Document, what: &str) -> Document {
        let Self {
            from,
            to,
            bucket,
            account,
            ..
        } = self;
        let table = self.table.as_ref();
        let table = table.map_or_else(String::new, |table| format!(", lock table {table}"));
        let mut document = document
            .heading(format!("{what}: {from} to {to}"))
            .text(format!("Account {account}, bucket {bucket}{table}."));
        if let Some(problem) = &self.account_unproven {
            document = document.text(format!(
                "That the credentials are of that account is the settings' word: {problem}."
            ));
        }
        let rows = self.states.iter().map(StateHandover::row).collect();
        document = document.table_of_lines(["", "State", "What is there", "What is done"], rows);
        for remark in self.states.iter().flat_map(StateHandover::remarks) {
            document = document.text(remark);
        }
        let replaced = self.states.iter().filter(|state| state.replaces()).count();
        if replaced > 0 {
            document = document.text(format!(
                "What is replaced stays as a version in {replaced} of these states: `--output json` has the command that brings it \
                 back (undo)."
            ));
        }
        for lock in &self.foreign_rows {
            document = document.text(format!(
                "The row {} of {} is a lock of the other side, which no Terraform on this side reads: it is left.",
                lock.place,
                holder(lock),
            ));
        }
        for unknown in &self.unknown_locks {
            document = document.text(format!("{}.", unknown.describe()));
        }
        document.text(self.summary())
    }

    fn summary(&self) -> String {
        let count = |of: fn(&Standing) -> bool| {
            let states = self.states.iter();
            states.filter(|state| of(&state.standing)).count()
        };
        let all = self.states.len();
        let ready = count(|standing| matches!(standing, Standing::Ready));
        let planned = count(|standing| matches!(standing, Standing::Planned));
        let done = count(|standing| matches!(standing, Standing::Done));
        let left = count(|standing| matches!(standing, Standing::Left { .. }));
        let unknown = count(|standing| matches!(standing, Standing::Unknown { .. }));
        let states = counted(all, "state");
        let changed = match self.applied {
            true => format!("{done} made ready"),
            false => format!("{planned} to be made ready"),
        };
        format!("{states}: {ready} ready, {changed}, {left} left, {unknown} unknown.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restore_command_of_a_name_with_a_hyphen_first_has_its_options_before_it() {
        let of = |key: &str| restore_command(&StateId::new(key), "v1", SideName::Dr).to_string();
        assert_eq!(of("a"), "init-backend restore a --version v1 --side dr");
        assert_eq!(
            of("-a"),
            "init-backend restore --version v1 --side dr -- -a"
        );
    }
}
