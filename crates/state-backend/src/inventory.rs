//! Every state of the bucket, on both sides, and how the copies stand to each other.

pub(crate) mod history;
mod id;
pub(crate) mod read;
mod relation;
mod scope;

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use futures::stream::{StreamExt as _, iter};
use jiff::Timestamp;
use report::{Document, Mark, Report, counted};
use serde::{Serialize, Serializer};
use terraform::StateFile;

pub use history::LostWrite;
pub use id::{StateId, WORKSPACE_KEY_PREFIX, Workspace};
pub use relation::{Divergence, Relation};
pub use scope::{NotAState, StateScope, WhyNotAState};

use crate::backend::Backend;
use crate::health::Health;
use crate::metrics::LATE;
use crate::problem::{Observation, Problem};
use crate::reading::{Listed, Readings, SideReading};
use crate::side::SideAccess;
use crate::spec::SideName;

/// What the lock table's digest row says of the state.
///
/// Terraform compares it at every read; a row that does not match makes it wait and then give up
/// with "state data in S3 does not have the expected content".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Digest {
    /// The row holds the MD5 of the object.
    Matches,
    /// The row holds another one.
    Differs,
    /// There is no row: Terraform reads without comparing.
    Absent,
    /// DynamoDB is not used for locking.
    NotUsed,
    /// The lock table or the object could not be asked.
    Unknown,
}

/// A state's object on one side. Its content is never kept: states hold secrets.
#[derive(Debug, Clone, Serialize)]
pub struct StateObject {
    /// The object's version. A replica has that of the object it was made of.
    pub version: Option<String>,
    /// What a conditional write compares with.
    #[serde(skip)]
    pub(crate) etag: Option<String>,
    /// When S3 wrote it here.
    pub modified: Option<Timestamp>,
    /// Whether replication wrote it.
    pub is_replica: bool,
    /// Its size in bytes.
    pub bytes: u64,
    /// SHA-256 of its content in hex, which tells whether two copies are the same; null of what is too large for a state,
    /// and was not read.
    pub sha256: Option<String>,
    /// MD5 of its content in hex, as Terraform keeps it in the lock table.
    pub md5: Option<String>,
    /// What it holds, or why Terraform does not read it.
    #[serde(serialize_with = "content")]
    pub content: Result<StateFile, String>,
}

/// A version that can be brought back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LastVersion {
    /// The ID by which `restore` asks for it.
    pub version: String,
    /// When S3 wrote it.
    pub modified: Option<Timestamp>,
}

/// What one side has of a state.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "found", rename_all = "kebab-case")]
pub enum Presence {
    /// The object that is current under its key.
    Present(StateObject),
    /// A delete marker, with the version below it.
    Deleted(LastVersion),
    /// Nothing, and no version either.
    Absent,
    /// It could not be asked.
    Unknown {
        /// The error of the list or of the object, whichever could not be had.
        problem: Problem,
    },
}

/// A state on one side.
#[derive(Debug, Clone, Serialize)]
pub struct SideState {
    /// Whose bucket and lock table were asked.
    pub side: SideName,
    /// What its bucket has under the key of the state.
    #[serde(flatten)]
    pub found: Presence,
    /// Whether the lock table agrees with it.
    pub digest: Digest,
}

/// A state on both sides.
#[derive(Debug, Clone, Serialize)]
pub struct StateCopies {
    /// Key and workspace, by which both sides have it.
    pub state: StateId,
    /// The primary side's copy, then the DR side's if there is one.
    pub copies: Vec<SideState>,
    /// How they stand to each other; none without a DR side.
    #[serde(flatten)]
    pub relation: Option<Relation>,
    /// A write of the DR side that replication has written over, and that the primary side never had; null where there is
    /// none.
    pub overwritten: Observation<Option<LostWrite>>,
    /// Whether a person has to look at it.
    pub health: Health,
    #[serde(skip)]
    condition: Health,
}

/// Every state of the backend.
#[derive(Debug, Clone, Serialize)]
pub struct Inventory {
    /// When it was asked for.
    pub time: Timestamp,
    /// The states, worst first, then by key.
    pub states: Vec<StateCopies>,
    /// What is in the buckets beside the keys of the settings.
    pub other_objects: OtherObjects,
}

/// Objects that may be states, and whose keys are not among those that the settings name (`state.keys`): nothing else is
/// said of them, and nothing is done to them.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(transparent)]
pub struct OtherObjects(pub BTreeSet<String>);

/// Keys that are listed in a text.
const OTHERS_SHOWN: usize = 5;

impl OtherObjects {
    pub(crate) fn append_to(&self, document: Document) -> Document {
        let Self(keys) = self;
        let shown: Vec<&str> = keys.iter().take(OTHERS_SHOWN).map(String::as_str).collect();
        let objects = match keys.len() {
            0 => return document,
            1 => "1 other object is".to_owned(),
            more => format!("{more} other objects are"),
        };
        let more = match keys.len() - shown.len() {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        document.text(format!(
            "{objects} in the buckets and not among the settings' `keys`, whatever state that may be: {}{more}.",
            shown.join(", ")
        ))
    }
}

impl Backend {
    /// Reads every state on both sides, each object once. What a side does not answer is unknown.
    ///
    /// The states are the objects of the buckets that [`Spec::states`](crate::Spec::states) has, those that only a digest
    /// row remembers, and those that the settings name.
    pub async fn inventory(&self, now: Timestamp) -> Inventory {
        self.inventory_of(&self.readings(), now).await
    }

    pub(crate) async fn inventory_of(&self, readings: &Readings<'_>, now: Timestamp) -> Inventory {
        let sides: Vec<&SideReading<'_>> = readings.sides().collect();
        let listed = join_all(sides.iter().map(|side| side.listed())).await;
        let scope = &self.spec().states;
        let objects = scope.objects(listed.iter().flat_map(Listed::found));
        let read = sides.iter().zip(&listed);
        let read = read.map(|(side, listed)| side.access.states(*listed, &objects));
        let mut read = join_all(read).await;
        let copies = objects.iter().filter_map(|object| {
            let copies = sides.iter().zip(&mut read).filter_map(|(side, read)| {
                let copy = read.remove(object)?;
                Some(SideState::new(side.access.name(), copy))
            });
            Some((scope.state(object)?, copies.collect::<Vec<_>>()))
        });
        let copies: Vec<_> = copies.collect();
        let states = iter(copies).map(|(state, copies)| self.related(state, copies, now));
        let mut states: Vec<StateCopies> = states.buffered(read::AT_ONCE).collect().await;
        states.sort_by_key(|state| state.rank());
        let mut others = BTreeSet::new();
        for side in sides.iter().filter(|side| side.access.lost.is_none()) {
            // Listed already; what could not be listed is unknown above.
            if let Ok(keys) = side.keys().await {
                others.extend(keys.others.iter().cloned());
            }
        }
        Inventory {
            time: now,
            states,
            other_objects: OtherObjects(others),
        }
    }

    async fn related(&self, state: StateId, copies: Vec<SideState>, now: Timestamp) -> StateCopies {
        let sides = self.at(SideName::Primary).zip(self.at(SideName::Dr));
        let overwritten = match (sides, copies.as_slice()) {
            (Some((primary, dr)), [ours, theirs]) => {
                history::overwritten(primary, dr, &state, &ours.found, &theirs.found).await
            }
            _ => Observation::Known(None),
        };
        StateCopies::new(state, copies, overwritten, now)
    }

    /// Reads one state on one side; `None` where the settings have no such side.
    pub async fn state(&self, side: SideName, state: &StateId) -> Option<SideState> {
        let copy = self.at(side)?.state(state).await;
        Some(SideState::new(side, copy))
    }
}

impl SideAccess<'_> {
    /// Reads `objects`, each once.
    pub(crate) async fn states(
        &self,
        listed: Listed<'_>,
        objects: &BTreeSet<String>,
    ) -> BTreeMap<String, read::SideCopy> {
        read::states(self.clients, self.side, listed, objects).await
    }

    /// Reads one state.
    pub(crate) async fn state(&self, state: &StateId) -> read::SideCopy {
        match self.lost {
            Some(problem) => read::SideCopy::unknown(problem),
            None => read::state(self.clients, self.side, &state.object()).await,
        }
    }
}

impl SideState {
    pub(crate) fn new(side: SideName, copy: read::SideCopy) -> Self {
        let read::SideCopy { found, digest, .. } = copy;
        Self {
            side,
            found,
            digest,
        }
    }
}

impl StateCopies {
    pub(crate) fn new(
        state: StateId,
        copies: Vec<SideState>,
        overwritten: Observation<Option<LostWrite>>,
        now: Timestamp,
    ) -> Self {
        let relation = match copies.as_slice() {
            [primary, dr] => Some(Relation::of(&primary.found, &dr.found)),
            _ => None,
        };
        let of_relation = relation.as_ref().map_or(Health::Ok, Relation::health);
        let mut related = Self {
            state,
            copies,
            relation,
            overwritten,
            health: Health::Ok,
            condition: Health::Ok,
        };
        related.condition = related.judge(now);
        related.health = related.condition.worst(of_relation);
        related
    }

    /// Whether Terraform can read it wherever it is, no write of it is lost, and a region that is lost leaves a copy that
    /// is not too old: all but which of two copies is ahead, as long as replication may be about to change that.
    pub fn condition(&self) -> Health {
        self.condition
    }

    fn judge(&self, now: Timestamp) -> Health {
        let of_copies = self.copies.iter();
        let dr = SideName::Dr;
        let is_alone = match self.relation {
            Some(Relation::OnlyIn { .. }) => true,
            Some(Relation::DeletedIn { side }) => side == dr,
            _ => false,
        };
        let alone = match is_alone || self.is_late(now) {
            true => Health::Degraded,
            false => Health::Ok,
        };
        of_copies
            .map(|copy| relation::health_of_copy(&copy.found, copy.digest))
            .chain([Health::from(&self.overwritten), alone])
            .collect()
    }

    /// Whether the primary side's last write should have been replicated by now: with replication time control S3 promises
    /// to do so within [`LATE`].
    fn is_late(&self, now: Timestamp) -> bool {
        let ahead = matches!(self.relation, Some(Relation::PrimaryAhead { .. }));
        let written = self.copies.first().and_then(|copy| match &copy.found {
            Presence::Present(object) => object.modified,
            _ => None,
        });
        ahead && written.is_some_and(|written| now.duration_since(written).unsigned_abs() > LATE)
    }

    /// Whether the primary side alone has it, so that its region takes it along.
    fn is_unprotected(&self) -> bool {
        let side = SideName::Primary;
        self.relation == Some(Relation::OnlyIn { side })
    }

    /// Whether no side has ever had it: only the settings know of it.
    fn was_never_written(&self) -> bool {
        let mut copies = self.copies.iter();
        copies.all(|copy| matches!(copy.found, Presence::Absent) && copy.digest != Digest::Differs)
    }

    fn rank(&self) -> u8 {
        match self.health {
            Health::Degraded => 0,
            Health::Unknown => 1,
            Health::Ok => 2,
        }
    }
}

/// Reasons that are listed below a table: one region's is the same for all states, and many are as good as a few.
const PROBLEMS_SHOWN: usize = 5;

impl Inventory {
    /// The worst of all states.
    pub fn health(&self) -> Health {
        self.states.iter().map(|state| state.health).collect()
    }

    /// Leaves only the states that `keep` wants.
    pub fn retain(&mut self, keep: impl Fn(&StateId) -> bool) {
        self.states.retain(|state| keep(&state.state));
    }
}

/// What is kept of a state's content: its head and how much it holds, or why it is none.
fn content<S: Serializer>(
    content: &Result<StateFile, String>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "snake_case")]
    struct Head<'a> {
        serial: Option<u64>,
        lineage: Option<&'a str>,
        terraform_version: Option<&'a str>,
        resources: Option<usize>,
        encrypted: bool,
        unreadable: Option<&'a str>,
    }
    let plain = match content {
        Ok(StateFile::Plain(state)) => Some(state),
        _ => None,
    };
    Head {
        serial: content.as_ref().ok().map(StateFile::serial),
        lineage: content.as_ref().ok().map(StateFile::lineage),
        terraform_version: plain.map(|state| state.terraform_version.as_str()),
        resources: plain.map(|state| state.instances),
        encrypted: matches!(content, Ok(StateFile::Encrypted { .. })),
        unreadable: content.as_ref().err().map(String::as_str),
    }
    .serialize(serializer)
}

impl Report for Inventory {
    const KIND: &'static str = "state-integrity";

    fn document(&self) -> Document {
        let document = Self::append_to(Document::new(), &self.states);
        self.other_objects.append_to(document)
    }
}

impl Inventory {
    /// Adds the table of states to a document.
    pub(crate) fn append_to(document: Document, states: &[StateCopies]) -> Document {
        let rows = states.iter().map(StateCopies::row).collect();
        let document = document
            .heading("States")
            .table(["", "State", "Primary", "DR", "Relation"], rows);
        let document = states
            .iter()
            .filter_map(StateCopies::remark)
            .fold(document, Document::text);
        let unknown = states.iter().flat_map(|state| &state.copies);
        let problems: BTreeSet<String> = unknown
            .filter_map(|copy| match &copy.found {
                Presence::Unknown { problem } => Some(format!("{}: {problem}.", copy.side)),
                _ => None,
            })
            .collect();
        let more = problems.len().saturating_sub(PROBLEMS_SHOWN);
        let shown = problems.into_iter().take(PROBLEMS_SHOWN);
        let document = shown.fold(document, Document::text);
        let document = match more {
            0 => document,
            more => document.text(format!("And {more} more that could not be read.")),
        };
        let count = |health| states.iter().filter(|state| state.health == health).count();
        let (wrong, unknown) = (count(Health::Degraded), count(Health::Unknown));
        let missing = states.iter().filter(|state| state.was_never_written());
        let missing: Vec<String> = missing.map(|state| state.state.to_string()).collect();
        let document = match missing.is_empty() {
            true => document,
            false => document.text(format!(
                "Named in the settings, and never written: {}.",
                missing.join(", ")
            )),
        };
        let alone = states.iter().filter(|state| state.is_unprotected()).count();
        let document = match alone {
            0 => document,
            alone => document.text(format!(
                "{} only in primary, and gone with that region: `init-backend backfill` copies what replication never saw.",
                counted(alone, "state")
            )),
        };
        let all = counted(states.len(), "state");
        document.text(match (states.len(), wrong, unknown) {
            (1, 0, 0) => format!("{all}, well."),
            (_, 0, 0) => format!("{all}, all well."),
            (_, 1, unknown) => format!("{all}: 1 needs attention, {unknown} unknown."),
            (_, wrong, unknown) => format!("{all}: {wrong} need attention, {unknown} unknown."),
        })
    }
}

impl StateCopies {
    /// What has to be said below the table.
    fn remark(&self) -> Option<String> {
        match &self.overwritten {
            Observation::Known(Some(lost)) => Some(lost.remark(&self.state)),
            Observation::Unknown { problem } if self.relation != Some(Relation::Unknown) => {
                Some(format!("{}: {problem}.", self.state))
            }
            _ => None,
        }
    }

    fn row(&self) -> (Mark, Vec<String>) {
        let mark = match self.health {
            Health::Ok => Mark::Ok,
            Health::Degraded => Mark::Wrong,
            Health::Unknown => Mark::Unknown,
        };
        let copy = |side| {
            let copy = self.copies.iter().find(|copy| copy.side == side);
            copy.map_or_else(|| "-".to_owned(), SideState::describe)
        };
        let relation = self.relation.iter().map(ToString::to_string);
        let overwritten = match &self.overwritten {
            Observation::Known(lost) => lost.as_ref().map(ToString::to_string),
            // Of a side that does not answer, the relation says it already.
            Observation::Unknown { .. } if self.relation == Some(Relation::Unknown) => None,
            Observation::Unknown { .. } => Some("versions unknown".to_owned()),
        };
        let relation: Vec<String> = relation.chain(overwritten).collect();
        let word = match self.health {
            Health::Ok => "ok",
            Health::Degraded => "degraded",
            Health::Unknown => "unknown",
        };
        let cells = [
            word.to_owned(),
            self.state.to_string(),
            copy(SideName::Primary),
            copy(SideName::Dr),
            relation.join("; "),
        ];
        (mark, cells.to_vec())
    }
}

impl SideState {
    pub(crate) fn describe(&self) -> String {
        let found = match &self.found {
            Presence::Present(object) => match &object.content {
                Ok(content) => relation::describe(content),
                Err(why) => format!("no state: {why}"),
            },
            Presence::Deleted(last) => {
                format!("deleted; version {} can be brought back", last.version)
            }
            Presence::Absent => "none".to_owned(),
            Presence::Unknown { .. } => "unknown".to_owned(),
        };
        match (&self.found, self.digest) {
            (Presence::Present(_), Digest::Differs) => {
                format!("{found}; digest row of other content")
            }
            (_, Digest::Differs) => format!("{found}; a digest row is left"),
            (Presence::Present(_), Digest::Absent) => format!("{found}; no digest row"),
            (_, Digest::Unknown) => format!("{found}; digest unknown"),
            _ => found,
        }
    }
}

#[cfg(test)]
mod tests;
