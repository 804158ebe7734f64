//! How the two copies of a state stand to each other. Nothing is called here.

use std::fmt;

use report::counted;
use serde::Serialize;
use terraform::StateFile;

use super::{Digest, Presence, StateObject};
use crate::health::Health;
use crate::spec::SideName;

/// How the two copies of a state stand to each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "relation", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Relation {
    /// Byte for byte the same.
    Same,
    /// One state, and the primary side has written since.
    PrimaryAhead {
        /// By how many writes.
        serials: u64,
    },
    /// One state, and the DR side has written since.
    DrAhead {
        /// By how many writes.
        serials: u64,
    },
    /// Neither comes from the other.
    Diverged {
        /// What says so.
        why: Divergence,
    },
    /// The other side never had it.
    OnlyIn {
        /// The side that has it.
        side: SideName,
    },
    /// It was deleted on every side that had it.
    Deleted,
    /// It was deleted on one side, and the other still has it.
    DeletedIn {
        /// The side that no longer has it.
        side: SideName,
    },
    /// No side ever had it.
    NeverWritten,
    /// A side's object is no state that Terraform reads, so that nothing can be said of its writes.
    Unreadable {
        /// Whose copy Terraform could not read.
        side: SideName,
        /// What it is instead.
        why: String,
    },
    /// A side was not asked, or did not answer.
    Unknown,
}

/// Why neither copy comes from the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Divergence {
    /// Their lineages differ: two states began under one key.
    Lineage,
    /// Both were written for the same number of times, with other content.
    SameSerial,
}

impl Relation {
    /// Of what each side has.
    pub(crate) fn of(primary: &Presence, dr: &Presence) -> Self {
        use SideName::{Dr, Primary};
        match (primary, dr) {
            (Presence::Unknown { .. }, _) | (_, Presence::Unknown { .. }) => Self::Unknown,
            (Presence::Present(primary), Presence::Present(dr)) => Self::of_objects(primary, dr),
            (Presence::Present(_), Presence::Absent) => Self::OnlyIn { side: Primary },
            (Presence::Absent, Presence::Present(_)) => Self::OnlyIn { side: Dr },
            (Presence::Deleted(_), Presence::Present(_)) => Self::DeletedIn { side: Primary },
            (Presence::Present(_), Presence::Deleted(_)) => Self::DeletedIn { side: Dr },
            (Presence::Deleted(_), _) | (_, Presence::Deleted(_)) => Self::Deleted,
            (Presence::Absent, Presence::Absent) => Self::NeverWritten,
        }
    }

    fn of_objects(primary: &StateObject, dr: &StateObject) -> Self {
        let unreadable = |side, object: &StateObject| {
            let why = object.content.as_ref().err()?.clone();
            Some(Self::Unreadable { side, why })
        };
        if let Some(relation) = unreadable(SideName::Primary, primary) {
            return relation;
        }
        if primary.sha256.is_some() && primary.sha256 == dr.sha256 {
            return Self::Same;
        }
        if let Some(relation) = unreadable(SideName::Dr, dr) {
            return relation;
        }
        let (Ok(primary), Ok(dr)) = (&primary.content, &dr.content) else {
            return Self::Unknown;
        };
        if primary.lineage() != dr.lineage() {
            let why = Divergence::Lineage;
            return Self::Diverged { why };
        }
        let (primary, dr) = (primary.serial(), dr.serial());
        match (primary.checked_sub(dr), dr.checked_sub(primary)) {
            (Some(0), _) | (None, None) => Self::Diverged {
                why: Divergence::SameSerial,
            },
            (Some(serials), _) => Self::PrimaryAhead { serials },
            (None, Some(serials)) => Self::DrAhead { serials },
        }
    }

    /// Whether a person has to look at it.
    pub fn health(&self) -> Health {
        match self {
            Self::Same | Self::NeverWritten | Self::Deleted => Health::Ok,
            Self::PrimaryAhead { .. }
            | Self::DrAhead { .. }
            | Self::Diverged { .. }
            | Self::OnlyIn { .. }
            | Self::DeletedIn { .. }
            | Self::Unreadable { .. } => Health::Degraded,
            Self::Unknown => Health::Unknown,
        }
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let writes = |serials: u64| counted(serials, "write");
        match self {
            Self::Same => f.write_str("the same"),
            Self::PrimaryAhead { serials } => write!(f, "primary is {} ahead", writes(*serials)),
            Self::DrAhead { serials } => write!(f, "DR is {} ahead", writes(*serials)),
            Self::Diverged { why } => f.write_str(match why {
                Divergence::Lineage => "diverged: two lineages under one key",
                Divergence::SameSerial => "diverged: both wrote the same serial",
            }),
            Self::OnlyIn { side } => write!(f, "only in {side}"),
            Self::Deleted => f.write_str("deleted"),
            Self::DeletedIn { side } => write!(f, "deleted in {side}, and not in the other"),
            Self::NeverWritten => f.write_str("none yet"),
            Self::Unreadable { side, why } => write!(f, "no state in {side}: {why}"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

/// What Terraform would meet if it read this copy.
pub(crate) fn health_of_copy(found: &Presence, digest: Digest) -> Health {
    match (found, digest) {
        (Presence::Unknown { .. }, _) | (_, Digest::Unknown) => Health::Unknown,
        // A digest of other content, or of a state that is gone, makes Terraform refuse.
        (Presence::Present(_), Digest::Differs) => Health::Degraded,
        (Presence::Absent | Presence::Deleted(_), Digest::Matches | Digest::Differs) => {
            Health::Degraded
        }
        (Presence::Present(object), _) if object.content.is_err() => Health::Degraded,
        _ => Health::Ok,
    }
}

/// A state in a few words: serial, resources, the Terraform that wrote it.
pub(crate) fn describe(content: &StateFile) -> String {
    match content {
        StateFile::Plain(state) => format!(
            "serial {}, {}, Terraform {}",
            state.serial,
            counted(state.instances, "resource"),
            state.terraform_version
        ),
        StateFile::Encrypted { serial, .. } => format!("serial {serial}, encrypted by OpenTofu"),
    }
}
