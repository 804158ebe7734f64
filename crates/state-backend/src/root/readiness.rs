//! Whether the state of a root is ready for it, as a failover or failback says of that state.

use std::fmt;

use report::ShellCommand;
use serde::Serialize;
use settings::Region;

use crate::handover::{Handover, Left, Standing};
use crate::inventory::StateId;
use crate::problem::Problem;

/// Why the state of a root is not ready, so that the root stays where it is.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum NotReady {
    /// It was left.
    Left {
        /// Why.
        left: Left,
    },
    /// It could not be asked, or one of its steps failed.
    Unknown {
        /// The error.
        problem: Problem,
    },
    /// There is none.
    NoState {
        /// The region that the root would be turned to.
        region: Region,
    },
    /// What had to be done to it was only planned.
    NotDone,
}

impl NotReady {
    /// Why a state is not ready, or will not be when the plan was carried out; `None` where it is, or will be.
    pub(super) fn of(handover: &Handover, state: &StateId) -> Option<Self> {
        let object = state.object();
        let mut states = handover.states.iter();
        match states.find(|found| found.state.object() == object) {
            Some(found) => match &found.standing {
                Standing::Ready | Standing::Done => None,
                Standing::Planned => handover.applied.then_some(Self::NotDone),
                Standing::Left { left } => Some(Self::Left { left: left.clone() }),
                Standing::Unknown { problem } => Some(Self::Unknown {
                    problem: problem.clone(),
                }),
            },
            None => Some(Self::of_none(handover)),
        }
    }

    /// Of a state that nobody has seen. Where the list of all of them is not known, it may be there.
    fn of_none(handover: &Handover) -> Self {
        let is_list = |problem: &&Problem| problem.error().call.operation.starts_with("List");
        match handover.problems().find(is_list) {
            Some(problem) => Self::Unknown {
                problem: problem.clone(),
            },
            None => Self::NoState {
                region: handover.to,
            },
        }
    }

    /// What to run: one of these, where there is a choice.
    pub(super) fn commands(&self) -> Vec<ShellCommand> {
        match self {
            Self::Left { left } => left.commands.clone(),
            Self::Unknown { .. } | Self::NoState { .. } | Self::NotDone => Vec::new(),
        }
    }
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Left { left } => f.write_str(&left.text),
            Self::Unknown { problem } => write!(f, "it is unknown: {problem}"),
            Self::NoState { region } => write!(f, "it has no state in {region}"),
            Self::NotDone => f.write_str("what has to be done to it was not done"),
        }
    }
}
