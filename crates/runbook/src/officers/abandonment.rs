//! A move that was given up: where the environment was left, and what put back what it had changed.

use jiff::Timestamp;
use serde::Serialize;
use settings::{HookPoint, Region};

use super::{ended, settled};
use crate::facts::{self, cut_over};
use crate::failback::{leftovers, names as back};
use crate::lease::causes;
use crate::{GivenUp, Marker, Mode, RunId, RunState, RunStatus, StepId, Store};

/// Where things stand of a move that was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Abandonment {
    /// When, by the clock of the machine that recorded it.
    pub at: Timestamp,
    /// Who gave it up, and why.
    #[serde(flatten)]
    pub given_up: GivenUp,
    /// The region in which the environment was left; null where neither the records nor the mark tell.
    pub serves: Option<Region>,
    /// Whether what it had changed was put back.
    pub put_back: PutBack,
    /// What is left of it, as far as its records tell.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<String>,
}

/// Whether what a move had changed that was given up was put back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum PutBack {
    /// By this run.
    By {
        /// The run.
        run: RunId,
        /// When its last record was written.
        at: Timestamp,
        /// Where it is.
        end: RunStatus,
        /// When writers were told to go on; null where they had not been stopped, or were not told.
        writers: Option<Timestamp>,
    },
    /// No run has. Of a failback and of a move that had cut over none does.
    NotYet,
    /// The records of another run cannot be read.
    Unknown {
        /// Why.
        why: String,
    },
}

impl PutBack {
    async fn of(store: &impl Store, state: &RunState) -> Self {
        match facts::put_back(store, state).await {
            Err(error) => Self::Unknown {
                why: causes(&error),
            },
            Ok(None) => Self::NotYet,
            Ok(Some(undo)) => {
                let command = StepId::of(back::HOOK, HookPoint::StartWriters.name());
                let told = ended(&undo, back::WRITERS);
                Self::By {
                    run: undo.plan.run.clone(),
                    at: undo.updated,
                    writers: told.or_else(|| settled(&undo, &command)),
                    end: undo.status,
                }
            }
        }
    }
}

impl Abandonment {
    /// `None` of a run that was not given up, and of one that moves nothing.
    pub(super) async fn of(store: &impl Store, state: &RunState) -> Option<Self> {
        let RunStatus::Abandoned { by, reason } = &state.status else {
            return None;
        };
        let plan = &state.plan;
        if !matches!(plan.mode, Mode::Planned | Mode::Failback) {
            return None;
        }
        let turned = state.steps.get(&StepId::new(back::CUT_OVER));
        let is_moved = match (cut_over(state), turned) {
            (Some(_), _) => Some(true),
            (None, Some(step)) if step.attempts > 0 => match Marker::read(store).await {
                // It may have died after it had turned the mark. A mark of another run hides that.
                Ok(Some(marker)) if marker.run == plan.run => Some(true),
                Ok(Some(marker)) if marker.run > plan.run => None,
                Ok(_) => Some(false),
                Err(_) => None,
            },
            _ => Some(false),
        };
        let (from, to) = plan.way();
        let left = match (plan.mode, is_moved) {
            (_, Some(true)) | (Mode::Failback, _) => leftovers(state, is_moved == Some(true)),
            _ => Vec::new(),
        };
        Some(Self {
            at: state.updated,
            given_up: GivenUp {
                by: by.clone(),
                reason: reason.clone(),
            },
            serves: is_moved.map(|is_moved| if is_moved { to } else { from }),
            put_back: PutBack::of(store, state).await,
            left,
        })
    }

    /// When writers went on, where they were told to.
    pub(super) fn writers(&self) -> Option<Timestamp> {
        match &self.put_back {
            PutBack::By { writers, .. } => *writers,
            _ => None,
        }
    }
}
