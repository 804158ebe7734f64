//! Plans and verifications as JSON and as tables.

use report::{Document, Mark, Report};
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::difference::{Difference, summary};
use super::{Change, Found, Plan, Verdict, Verification};
use crate::inventory::Inventory;
use crate::policy;
use crate::spec::Aspect;

impl Serialize for Change {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap as _;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("status", self.verdict.word())?;
        map.serialize_entry("region", &self.facet.resource.region)?;
        map.serialize_entry("side", &self.facet.resource.side)?;
        map.serialize_entry("kind", &self.facet.resource.kind)?;
        map.serialize_entry("name", &self.facet.resource.name)?;
        map.serialize_entry("aspect", &self.facet.aspect)?;
        map.serialize_entry("wanted", &self.facet.wanted)?;
        match &self.found {
            Found::Value(value) => map.serialize_entry("found", &self.shown(value))?,
            Found::Absent => map.serialize_entry("found", &Value::Null)?,
            Found::Unknown(problem) => map.serialize_entry("problem", problem)?,
        }
        if let Verdict::Refused(refusal) = &self.verdict {
            map.serialize_entry("refusal", refusal)?;
        }
        map.end()
    }
}

impl Change {
    /// What was found as it may be printed. A bucket has the tags and policy statements of others too, and these may
    /// hold what only they are to know.
    fn shown(&self, found: &Value) -> Value {
        match self.facet.aspect {
            Aspect::Tags => {
                let mut tags = found.clone();
                if let (Some(tags), Some(ours)) =
                    (tags.as_object_mut(), self.facet.wanted.as_object())
                {
                    tags.retain(|key, _| ours.contains_key(key));
                }
                tags
            }
            _ => policy::without_secrets(found),
        }
    }
}

impl Verdict {
    fn word(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Missing => "missing",
            Self::Differs => "differs",
            Self::Refused(_) => "refused",
            Self::Unknown => "unknown",
        }
    }
}

impl Serialize for Plan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap as _;
        let changes: Vec<&Change> = self
            .items
            .iter()
            .filter(|item| item.verdict != Verdict::Ok)
            .collect();
        let mut map = serializer.serialize_map(Some(5))?;
        map.serialize_entry("pending", &self.pending().count())?;
        map.serialize_entry("refused", &self.refused().count())?;
        map.serialize_entry("unknown", &self.unknown().count())?;
        map.serialize_entry("unchanged", &(self.items.len() - changes.len()))?;
        map.serialize_entry("changes", &changes)?;
        map.end()
    }
}

impl Serialize for Verification {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap as _;
        let (ok, wrong, unknown) = self.counts();
        let mut map = serializer.serialize_map(Some(6))?;
        map.serialize_entry("ok", &ok)?;
        map.serialize_entry("wrong", &wrong)?;
        map.serialize_entry("unknown", &unknown)?;
        map.serialize_entry("items", &self.items)?;
        map.serialize_entry("states", &self.states)?;
        map.serialize_entry("other_objects", &self.other_objects)?;
        map.end()
    }
}

fn row(item: &Change, word: &str, mark: Mark) -> (Mark, Vec<String>) {
    let detail = match (&item.verdict, &item.found) {
        (Verdict::Refused(refusal), _) => format!("{}; {}", refusal.why, refusal.fix),
        (_, Found::Unknown(problem)) => problem.to_string(),
        (Verdict::Ok, _) => String::new(),
        (Verdict::Missing, _) => summary(&item.facet.wanted),
        (_, Found::Value(found)) => Difference::of(&item.facet, &item.shown(found)).to_string(),
        _ => String::new(),
    };
    (
        mark,
        vec![
            word.to_owned(),
            item.facet.resource.region.to_string(),
            item.facet.resource.to_string(),
            item.facet.aspect.to_string(),
            detail,
        ],
    )
}

impl Report for Plan {
    const KIND: &'static str = "backend-plan";

    fn document(&self) -> Document {
        let rows = self
            .items
            .iter()
            .filter_map(|item| match item.verdict {
                Verdict::Ok => None,
                Verdict::Missing if item.facet.aspect == Aspect::Exists => {
                    Some(row(item, "+ create", Mark::Ok))
                }
                Verdict::Missing => Some(row(item, "+ set", Mark::Ok)),
                Verdict::Differs => Some(row(item, "~ change", Mark::Unknown)),
                Verdict::Refused(_) => Some(row(item, "! refused", Mark::Wrong)),
                Verdict::Unknown => Some(row(item, "? unknown", Mark::Unknown)),
            })
            .collect();
        let (pending, refused, unknown) = (
            self.pending().count(),
            self.refused().count(),
            self.unknown().count(),
        );
        let unchanged = self.items.len() - pending - refused - unknown;
        let mut document = Document::new()
            .heading("Plan")
            .table(["", "Region", "Resource", "Setting", "Found → wanted"], rows)
            .text(format!(
                "{pending} to change, {unchanged} as wanted, {refused} refused, {unknown} could not be read."
            ));
        if self
            .items
            .iter()
            .any(|item| item.facet.aspect == Aspect::Replica)
        {
            document = document.text(
                "Note: a global table replicates asynchronously and the last writer wins: it is no mutex across \
                 regions. Its lock rows name the primary region's bucket, so Terraform in the DR region reads none of \
                 them: never run it in both.",
            );
        }
        for item in self
            .items
            .iter()
            .filter(|item| self.has_needless_replica(item))
        {
            document = document.text(format!(
                "Note: {} is replicated to other regions still, which this strategy does not use. When no lock is held, \
                 `aws dynamodb update-table --replica-updates` with Delete takes a replica away; here nothing is deleted.",
                item.facet.resource
            ));
        }
        document
    }
}

impl Report for Verification {
    const KIND: &'static str = "backend-verification";

    fn document(&self) -> Document {
        let rows = self
            .items
            .iter()
            .map(|item| match item.verdict {
                Verdict::Ok => row(item, "ok", Mark::Ok),
                Verdict::Unknown => row(item, "unknown", Mark::Unknown),
                _ => row(item, "wrong", Mark::Wrong),
            })
            .collect();
        let (ok, wrong, unknown) = self.counts();
        let document = Document::new()
            .heading("Verification")
            .table(
                ["", "Region", "Resource", "Setting", "Found → wanted"],
                rows,
            )
            .text(format!(
                "{ok} ok, {wrong} wrong, {unknown} could not be checked."
            ));
        let document = match self.states.as_slice() {
            [] => document,
            states => Inventory::append_to(document, states),
        };
        self.other_objects.append_to(document)
    }
}
