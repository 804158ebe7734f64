//! What was decided about objects and states that both regions have written: a file of JSON lines.

use std::collections::BTreeMap;

use dr::objects::{Resolution, Resolutions};
use serde::{Deserialize, Serialize};
use settings::BucketName;
use state_backend::Resolution as StateResolution;

use crate::RunId;
use crate::store::{Store, StoreError, overwrite};

/// Decisions about objects and states. A list of what is undecided has its very form, with nothing after `keep`.
#[derive(Debug, Clone, Default)]
pub struct Decisions {
    objects: BTreeMap<String, Resolutions>,
    states: BTreeMap<String, StateResolution>,
}

/// What a run is gone on with that waits for decisions. The hint of a step that waits for them names it.
pub(crate) const CONFLICTS: &str = "--conflicts FILE";

/// A line of decisions cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("line {line} of the decisions {problem}")]
pub struct DecisionsError {
    line: usize,
    problem: String,
}

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Line {
    Object {
        bucket: BucketName,
        key: String,
        keep: String,
    },
    State {
        state: String,
        keep: String,
    },
}

impl Decisions {
    /// Reads decisions: a line `{"bucket": "photos", "key": "a.jpg", "keep": "dr"}` for an object of a primary bucket, or
    /// `{"state": "staging/terraform.tfstate", "keep": "primary"}`. Empty lines do not count.
    ///
    /// # Errors
    /// When a line is none, decides nothing, or contradicts another one.
    pub fn parse(text: &str) -> Result<Self, DecisionsError> {
        let mut decisions = Self::default();
        for (line, text) in (1..).zip(text.lines()) {
            if !text.trim().is_empty() {
                decisions
                    .add(text)
                    .map_err(|problem| DecisionsError { line, problem })?;
            }
        }
        Ok(decisions)
    }

    fn add(&mut self, text: &str) -> Result<(), String> {
        let line = serde_json::from_str(text).map_err(|_| {
            "is neither {\"bucket\": …, \"key\": …, \"keep\": …} nor {\"state\": …, \"keep\": …}"
                .to_owned()
        })?;
        match line {
            Line::Object { bucket, key, keep } => {
                let resolution = match keep.as_str() {
                    "dr" => Resolution::KeepDr,
                    "primary" => Resolution::KeepPrimary,
                    other => {
                        return Err(format!(
                            "keeps {other:?}: an object is kept from dr or primary"
                        ));
                    }
                };
                let of_bucket = self.objects.entry(bucket.to_string()).or_default();
                of_bucket
                    .add(key, resolution)
                    .map_err(|_| "contradicts another one".to_owned())
            }
            Line::State { state, keep } => {
                let resolution = match keep.as_str() {
                    "dr" => StateResolution::KeepDr,
                    "primary" => StateResolution::KeepPrimary,
                    "bring-back" => StateResolution::BringBack,
                    "stay-deleted" => StateResolution::StayDeleted,
                    other => {
                        return Err(format!(
                            "keeps {other:?}: of a state dr, primary, bring-back or stay-deleted"
                        ));
                    }
                };
                match self.states.insert(state, resolution) {
                    Some(other) if other != resolution => Err("contradicts another one".to_owned()),
                    _ => Ok(()),
                }
            }
        }
    }

    /// About the objects of a primary bucket.
    pub(crate) fn of_bucket(&self, bucket: &BucketName) -> Resolutions {
        self.objects
            .get(bucket.as_str())
            .cloned()
            .unwrap_or_default()
    }

    /// About states.
    pub(crate) fn of_states(&self) -> impl Iterator<Item = (&str, StateResolution)> {
        let states = self.states.iter();
        states.map(|(state, resolution)| (state.as_str(), *resolution))
    }
}

/// A line that decides nothing yet about an object.
pub(crate) fn undecided_object(bucket: &BucketName, key: String) -> String {
    line(&Line::Object {
        bucket: bucket.clone(),
        key,
        keep: String::new(),
    })
}

fn line(line: &Line) -> String {
    // Texts alone are always written.
    serde_json::to_string(line).unwrap_or_default()
}

fn key(run: &RunId) -> String {
    format!("decisions/{run}.jsonl")
}

/// Keeps the decisions of a run beside its records, for whoever goes on with it. Later ones take the place of earlier ones.
///
/// # Errors
/// When they cannot be written.
pub async fn keep_decisions(store: &impl Store, run: &RunId, text: &str) -> Result<(), StoreError> {
    overwrite(store, &key(run), text.as_bytes()).await.map(drop)
}

/// The decisions that were kept of a run, as text.
///
/// # Errors
/// When they cannot be read.
pub async fn read_decisions(store: &impl Store, run: &RunId) -> Result<String, StoreError> {
    let there = store.read(&key(run)).await?;
    Ok(there.map_or_else(String::new, |there| {
        String::from_utf8_lossy(&there.bytes).into_owned()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_takes_objects_and_states_and_refuses_what_decides_nothing() {
        let text = "{\"bucket\":\"photos\",\"key\":\"a b\",\"keep\":\"dr\"}\n\n\
                    {\"state\":\"x.tfstate\",\"keep\":\"stay-deleted\"}\n";
        let decisions = Decisions::parse(text).unwrap();
        let states: Vec<_> = decisions.of_states().collect();
        assert_eq!(states, [("x.tfstate", StateResolution::StayDeleted)]);
        let photos = "photos".parse().unwrap();
        let mut same = Resolutions::default();
        same.add("a b".to_owned(), Resolution::KeepDr).unwrap();
        assert_eq!(decisions.of_bucket(&photos), same);
        let undecided = undecided_object(&photos, "a\"b".to_owned());
        let error = Decisions::parse(&undecided).unwrap_err().to_string();
        assert_eq!(
            error,
            "line 1 of the decisions keeps \"\": an object is kept from dr or primary"
        );
        for wrong in [
            "a.jpg",
            "{\"bucket\":\"photos\",\"keep\":\"dr\"}",
            "{\"bucket\":\"photos\",\"key\":\"a\",\"keep\":\"dr\",\"x\":1}",
            "{\"state\":\"a\",\"keep\":\"both\"}",
        ] {
            assert!(Decisions::parse(wrong).is_err(), "{wrong}");
        }
        let twice = "{\"state\":\"a\",\"keep\":\"dr\"}\n{\"state\":\"a\",\"keep\":\"primary\"}";
        let error = Decisions::parse(twice).unwrap_err().to_string();
        assert_eq!(error, "line 2 of the decisions contradicts another one");
    }
}
