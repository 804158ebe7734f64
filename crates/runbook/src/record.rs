//! A line of a run's journal.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use settings::{Region, Settings};
use sha2::{Digest as _, Sha256};

use crate::{Holder, Plan, RunId, StepErrorKind, StepId};

/// SHA-256 of some bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The digest of settings, by which a run knows those that it was planned with, whatever their file looks like. How a machine
    /// reaches a database is left out: who goes on with a run from another one has a tunnel of their own.
    ///
    /// # Errors
    /// When they cannot be written as JSON.
    pub fn of_settings(settings: &Settings) -> Result<Self, serde_json::Error> {
        let mut settings = settings.clone();
        let asked = settings.databases.iter_mut();
        for integrity in asked.filter_map(|database| database.integrity.as_mut()) {
            integrity.via = None;
        }
        serde_json::to_vec(&settings).map(|text| Self::of(&text))
    }

    /// Its first eight hexadecimal digits, for names that people compare.
    pub fn short(&self) -> String {
        hex::encode(&self.0[..4])
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = hex::FromHexError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes)?;
        Ok(Self(bytes))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What is written into one slot of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Which run it is of.
    pub run: RunId,
    /// The slot, from 0.
    pub seq: u64,
    /// Counts who carried runs of this environment: it rises whenever somebody takes the lease.
    pub epoch: u64,
    /// Random: who finds the slot taken knows its own record by it.
    pub nonce: u64,
    /// By the clock of the machine that wrote it.
    pub time: Timestamp,
    /// Of the record before, as its bytes lie in the store; null of the first.
    pub previous: Option<Digest>,
    /// The endpoint that stood in for AWS's own, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stand_in: Option<String>,
    /// How many requests the process had sent to each region by then.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub calls: BTreeMap<Region, u64>,
    /// What happened or is about to.
    pub event: Event,
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub enum Outcome {
    /// It was so already, or was made so and verified.
    Done {
        /// Whether anything had to be changed for it.
        changed: bool,
        /// What later steps, people and reports need of it.
        result: Value,
    },
    /// The project has nothing that it would act on.
    NotApplicable {
        /// What there is not.
        why: String,
    },
    /// The operator left it out.
    Skipped {
        /// What they gave as the reason.
        reason: String,
        /// The name of whoever did it.
        by: String,
    },
    /// It did not come to its end; a resumed run tries again.
    Failed {
        /// What kind of end it was.
        kind: StepErrorKind,
        /// The error with its causes.
        problem: String,
        /// What to do about it.
        hint: Option<String>,
    },
}

impl Outcome {
    /// Whether steps that come after it may begin.
    pub fn is_settled(&self) -> bool {
        !matches!(self, Self::Failed { .. })
    }
}

/// What happened to a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum Event {
    /// The first record.
    Planned {
        /// What the run does, fixed from here on.
        plan: Box<Plan>,
    },
    /// Somebody carries the run from here on.
    Opened {
        /// The process.
        holder: Holder,
    },
    /// A step is about to change something.
    Began {
        /// The step that it is about.
        step: StepId,
        /// From 1; each resumed run that comes to it tries once more.
        attempt: u32,
    },
    /// What a step wants to be known should it die: a process that it started, a name that it chose.
    Noted {
        /// The step that it is about.
        step: StepId,
        /// The note.
        note: Value,
    },
    /// A person has to agree before a step goes on.
    Asked {
        /// The step that it is about.
        step: StepId,
        /// What is about to happen.
        question: String,
    },
    /// A person has agreed, or the policy of the run did.
    Approved {
        /// The step that it is about.
        step: StepId,
        /// To what: the question's digest.
        question: Digest,
        /// The question.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        /// The name of whoever did it.
        by: String,
        /// Why, if it was said.
        reason: Option<String>,
    },
    /// A step came to its end.
    Ended {
        /// The step that it is about.
        step: StepId,
        /// How.
        #[serde(flatten)]
        outcome: Outcome,
    },
    /// The run is left where it is, to be resumed.
    Stopped {
        /// What keeps it from going on.
        why: String,
    },
    /// Every step is settled.
    Finished,
    /// The run is given up.
    Abandoned {
        /// The name of whoever did it.
        by: String,
        /// What they gave as the reason.
        reason: String,
    },
}

impl Event {
    /// Whether nothing comes after it.
    pub fn is_last(&self) -> bool {
        matches!(self, Self::Finished | Self::Abandoned { .. })
    }
}
