//! What a person has to agree to.

use serde::{Deserialize, Serialize};

use crate::failback::names;
use crate::journal::folder;
use crate::record::Digest;
use crate::store::{Created, Store, StoreError};
use crate::{RunId, StepId};

/// Before which steps a person is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// Before none: whoever began the run has agreed to all of it.
    Auto,
    /// Where a step wants it.
    #[default]
    Gates,
    /// Before each step that changes something.
    Each,
}

/// A question of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    /// Whose.
    pub step: StepId,
    /// What is about to happen.
    pub question: String,
}

impl Gate {
    /// Names the question: who agreed to one has not agreed to another.
    pub fn digest(&self) -> Digest {
        Digest::of(self.question.as_bytes())
    }

    /// What is deleted when the answer is yes: a person types its name, where a yes could be one by habit.
    pub fn deletes(&self) -> Option<&str> {
        let (kind, name) = self.step.0.split_once('/')?;
        matches!(kind, names::RETIRE | names::RETIRE_DR).then_some(name)
    }

    fn key(&self, run: &RunId) -> String {
        let step = self.step.0.replace('/', "-");
        format!(
            "{}approvals/{step}-{}.json",
            folder(run),
            self.digest().short()
        )
    }
}

/// What a person says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Go on.
    Yes {
        /// The name of whoever did it.
        by: String,
        /// Why, if they said.
        reason: Option<String>,
    },
    /// Do not; the run stops there.
    No,
    /// Nobody answered; the run stops there.
    Nobody,
}

/// Asks a person.
pub trait Approver {
    /// Asks, and waits for the answer as long as it sees fit. An approval that comes from elsewhere meanwhile ends it.
    fn ask(&self, gate: &Gate) -> impl Future<Output = Answer>;
}

/// An approval from another terminal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Approval {
    step: StepId,
    question: Digest,
    pub(crate) by: String,
    pub(crate) reason: Option<String>,
}

/// Agrees to what a run asks. Whoever carries the run finds it there.
pub(crate) async fn approve(
    store: &impl Store,
    run: &RunId,
    gate: &Gate,
    by: &str,
    reason: Option<&str>,
) -> Result<Created, StoreError> {
    let approval = Approval {
        step: gate.step.clone(),
        question: gate.digest(),
        by: by.to_owned(),
        reason: reason.map(str::to_owned),
    };
    // Texts alone are always written.
    let bytes = serde_json::to_vec_pretty(&approval).unwrap_or_default();
    store.create(&gate.key(run), &bytes).await
}

/// The approval of this very question, if there is one.
pub(crate) async fn approval(
    store: &impl Store,
    run: &RunId,
    gate: &Gate,
) -> Result<Option<Approval>, StoreError> {
    let Some(there) = store.read(&gate.key(run)).await? else {
        return Ok(None);
    };
    let approval: Option<Approval> = serde_json::from_slice(&there.bytes).ok();
    Ok(
        approval
            .filter(|approval| approval.question == gate.digest() && approval.step == gate.step),
    )
}
