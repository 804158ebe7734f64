//! What has to change, decided without calling anything.

mod difference;
mod judge;
mod view;

use serde::Serialize;
use serde_json::Value;

pub(crate) use judge::judge;

use crate::health::Health;
use crate::inventory::{Inventory, OtherObjects, StateCopies};
use crate::problem::Problem;
use crate::spec::{Aspect, Facet, Kind};

/// What AWS has for a facet.
#[derive(Debug, Clone)]
pub enum Found {
    /// This value, in the form of [`Facet::wanted`].
    Value(Value),
    /// The setting is not set, or its resource does not exist.
    Absent,
    /// It could not be read.
    Unknown(Problem),
}

/// A facet and what AWS has for it.
#[derive(Debug, Clone)]
pub struct Observed {
    /// The setting, and its wanted value.
    pub facet: Facet,
    /// What AWS has for it.
    pub found: Found,
}

/// What kind of obstacle a [`Refusal`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RefusalKind {
    /// The bucket belongs to another account: AWS calls it BucketAlreadyExists.
    TakenBySomebodyElse,
    /// The bucket is ours, in another region.
    InAnotherRegion,
    /// The table has another key, so that it is no lock table.
    OtherKeySchema,
    /// Making it as wanted would weaken what is there.
    Stricter,
    /// Something of somebody else's is in the way, and would have to be deleted.
    InTheWay,
    /// The KMS key is not there, or cannot encrypt: it is its owner's to make and to enable.
    KeyNotUsable,
}

/// Why something is not changed, although it is not as wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// The kind of obstacle.
    pub kind: RefusalKind,
    /// What was found, and why that cannot stay as it is.
    pub why: String,
    /// What to do about it.
    pub fix: String,
}

/// What a facet comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Read, and as wanted.
    Ok,
    /// Read, and not set or not there.
    Missing,
    /// There, but otherwise than wanted.
    Differs,
    /// Otherwise than wanted, and not to be changed by us.
    Refused(Refusal),
    /// Could not be read: neither as wanted nor otherwise.
    Unknown,
}

/// One facet, what was found, and what that comes to.
#[derive(Debug, Clone)]
pub struct Change {
    /// The setting, and its wanted value.
    pub facet: Facet,
    /// What AWS had for it when it was observed.
    pub found: Found,
    /// What the comparison of the two comes to.
    pub verdict: Verdict,
}

/// The difference between the wanted and the observed backend.
#[derive(Debug, Clone)]
pub struct Plan {
    items: Vec<Change>,
}

/// A plan in which nothing is refused: all that [`Backend::apply`](crate::Backend::apply) takes.
///
/// ```compile_fail,E0308
/// # async fn f(backend: &state_backend::Backend, plan: state_backend::Plan) {
/// backend.apply(&plan, &report::Silent).await;
/// # }
/// ```
///
/// ```
/// # async fn f(backend: &state_backend::Backend, plan: state_backend::Plan) {
/// if let Ok(approved) = plan.approve() {
///     backend.apply(&approved, &report::Silent).await;
/// }
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Approved(Plan);

impl Approved {
    /// What was approved.
    pub fn plan(&self) -> &Plan {
        &self.0
    }
}

impl Plan {
    /// Compares; a pure function.
    pub fn new(observed: Vec<Observed>) -> Self {
        let items = observed
            .into_iter()
            .map(|Observed { facet, found }| {
                let verdict = judge(&facet, &found);
                Change {
                    facet,
                    found,
                    verdict,
                }
            })
            .collect();
        Self { items }
    }

    /// Every facet, in the order in which it can be made true.
    pub fn items(&self) -> &[Change] {
        &self.items
    }

    /// What [`crate::Backend::apply`] would change.
    pub fn pending(&self) -> impl Iterator<Item = &Change> {
        self.items
            .iter()
            .filter(|item| matches!(item.verdict, Verdict::Missing | Verdict::Differs))
    }

    /// What it refuses to change; with one of these it changes nothing at all.
    pub fn refused(&self) -> impl Iterator<Item = (&Change, &Refusal)> {
        self.items.iter().filter_map(|item| match &item.verdict {
            Verdict::Refused(refusal) => Some((item, refusal)),
            _ => None,
        })
    }

    /// Lets the plan pass, unless it refuses something.
    ///
    /// # Errors
    /// The plan as it was, whose [`Plan::refused`] says what and why.
    pub fn approve(self) -> Result<Approved, Self> {
        let refuses = self.refused().next().is_some();
        if refuses {
            Err(self)
        } else {
            Ok(Approved(self))
        }
    }

    /// Whether it is a table with replicas that no facet asks for, as after a change of the strategy.
    fn has_needless_replica(&self, item: &Change) -> bool {
        let Found::Value(found) = &item.found else {
            return false;
        };
        let resource = &item.facet.resource;
        let mut of_table = self
            .items
            .iter()
            .filter(|of| of.facet.resource == *resource);
        item.verdict == Verdict::Ok
            && (resource.kind, item.facet.aspect) == (Kind::Table, Aspect::Exists)
            && found.get("replicas").is_some()
            && item.facet.wanted.get("replicaOf").is_none()
            && of_table.all(|of| of.facet.aspect != Aspect::Replica)
    }

    /// What could not be read.
    pub fn unknown(&self) -> impl Iterator<Item = &Change> {
        self.items
            .iter()
            .filter(|item| item.verdict == Verdict::Unknown)
    }

    /// The same comparison as a statement about the backend, item by item.
    pub fn into_verification(self) -> Verification {
        Verification {
            items: self.items,
            states: Vec::new(),
            other_objects: OtherObjects::default(),
        }
    }
}

/// Whether the backend is as wanted, item by item.
#[derive(Debug, Clone)]
pub struct Verification {
    items: Vec<Change>,
    states: Vec<StateCopies>,
    other_objects: OtherObjects,
}

impl Verification {
    /// Every facet, in the order of the plan.
    pub fn items(&self) -> &[Change] {
        &self.items
    }

    /// Also says which states Terraform would not read where they are, and which writes of the DR side are lost below
    /// others.
    #[must_use]
    pub fn with_states(mut self, inventory: Inventory) -> Self {
        self.states = inventory.states;
        self.states.retain(|state| state.condition() != Health::Ok);
        self.other_objects = inventory.other_objects;
        self
    }

    /// The states that are not well, worst first.
    pub fn states(&self) -> &[StateCopies] {
        &self.states
    }

    /// Items as wanted, wrong, and not checked.
    pub fn counts(&self) -> (usize, usize, usize) {
        self.items
            .iter()
            .fold((0, 0, 0), |(ok, wrong, unknown), item| match item.verdict {
                Verdict::Ok => (ok + 1, wrong, unknown),
                Verdict::Unknown => (ok, wrong, unknown + 1),
                _ => (ok, wrong + 1, unknown),
            })
    }
}

#[cfg(test)]
mod tests;
