//! Whether the rows of a database that was restored and the objects of the buckets belong together, as a run found it.

use dr::objects::PrefixCounts;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::failover::names;
use crate::record::Outcome;
use crate::{RunState, StepState};

/// What was looked for, or why it is not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Looked<T> {
    /// It is known.
    Found(T),
    /// It is not known.
    Unknown {
        /// Why.
        unknown: String,
    },
}

impl<T> Looked<T> {
    /// It is not known, for this reason.
    pub(crate) fn unknown(why: impl Into<String>) -> Self {
        Self::Unknown {
            unknown: why.into(),
        }
    }
}

/// What a database said when it was restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consistency {
    /// The instance that was asked.
    pub instance: String,
    /// When.
    pub at: Timestamp,
    /// Its rows beside the objects, by bucket.
    pub objects: Vec<ObjectsOfRows>,
    /// What became of its sequences; none where they stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequences: Option<Looked<SequencesAdvanced>>,
    /// The version of its schema; none where nobody asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Looked<SchemaFound>>,
}

/// Rows beside the objects of a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectsOfRows {
    /// The bucket, in the region that receives.
    pub bucket: String,
    /// What was found.
    #[serde(flatten)]
    pub found: Looked<RowsAndObjects>,
}

/// How rows and objects fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowsAndObjects {
    /// Rows that name an object.
    pub rows: u64,
    /// Objects that the bucket holds.
    pub objects: u64,
    /// Rows whose object is not there, by the first part of its key.
    pub rows_without_object: PrefixCounts,
    /// Objects that no row names, in the same way; none where that was not looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objects_without_row: Option<PrefixCounts>,
    /// The file in the run's folder, on the machine that carried the step, with the key of each; none where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<String>,
}

/// What became of sequences.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SequencesAdvanced {
    /// Values beyond the highest one in use.
    pub margin: u64,
    /// Those that were advanced.
    pub advanced: Vec<SequenceAdvanced>,
    /// Those that were not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<SequenceLeft>,
}

/// A sequence that was advanced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SequenceAdvanced {
    /// Its name, with its schema.
    pub sequence: String,
    /// The last value that it gave before; none where it had given none.
    pub from: Option<i64>,
    /// Where it is now, at least.
    pub to: i64,
}

/// A sequence that was not advanced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SequenceLeft {
    /// Its name, with its schema.
    pub sequence: String,
    /// Why not.
    pub why: String,
}

/// The version of a schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaFound {
    /// As the database says; none where it says none.
    pub version: Option<String>,
    /// As the settings want it, if they say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
}

/// What is known of a database's rows and objects after a run, or why it is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseConsistency {
    /// The database, as the settings name it.
    pub database: String,
    /// What was found.
    #[serde(flatten)]
    pub found: Looked<Consistency>,
}

/// Of all databases that the run was to ask.
pub(crate) fn consistency(state: &RunState) -> Vec<DatabaseConsistency> {
    let steps = state.steps.iter();
    let steps = steps.filter(|(id, _)| id.kind() == names::CONSISTENCY);
    let found = steps.map(|(id, step)| DatabaseConsistency {
        database: id.0.split_once('/').map_or("", |(_, of)| of).to_owned(),
        found: match state.result(id).map(Consistency::deserialize) {
            Some(Ok(found)) => Looked::Found(found),
            Some(Err(error)) => Looked::unknown(format!("its record cannot be read: {error}")),
            None => Looked::unknown(why_not(step)),
        },
    });
    found.collect()
}

/// Why a step has left nothing.
fn why_not(step: &StepState) -> String {
    match &step.outcome {
        Some(Outcome::Skipped { reason, by }) => format!("{by} left it out: {reason}"),
        Some(Outcome::Failed { problem, .. }) => problem.clone(),
        Some(Outcome::NotApplicable { why }) => why.clone(),
        Some(Outcome::Done { .. }) | None => "nobody has looked yet".to_owned(),
    }
}
