//! A plan for those who review it: what is destroyed first, and why. Names of attributes and no values.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::plan::{Action, Plan, ResourceChange};
use crate::values::Keep;

/// What becomes of a resource. In the order in which a reviewer wants to see them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReviewedAction {
    /// It is deleted.
    Delete,
    /// It is deleted and made anew.
    Replace,
    /// It leaves the state, and stays where it is.
    Forget,
    /// It is changed in place.
    Update,
    /// It is taken into the state.
    Import,
    /// It is known by another address.
    Move,
    /// It is made.
    Create,
    /// Something else, which this release does not know.
    Other,
}

impl ReviewedAction {
    /// Whether something that is there will not be there any more.
    pub fn is_destructive(self) -> bool {
        matches!(self, Self::Delete | Self::Replace)
    }

    /// In one word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Replace => "replace",
            Self::Forget => "forget",
            Self::Update => "update",
            Self::Import => "import",
            Self::Move => "move",
            Self::Create => "create",
            Self::Other => "other",
        }
    }
}

/// A change for review.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewedChange {
    /// The address of the resource, as Terraform writes it.
    pub address: String,
    /// The address that it had before.
    pub previous_address: Option<String>,
    /// Its type.
    pub kind: String,
    /// What becomes of it.
    pub action: ReviewedAction,
    /// Why it is deleted or replaced: what terraform says, and the attributes that force it.
    pub reasons: Vec<String>,
    /// The attributes that an update changes.
    pub attributes: Vec<String>,
}

/// A plan for review.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanReview {
    /// What changes: destructive changes first, then by action and address.
    pub changes: Vec<ReviewedChange>,
    /// Outputs of the root module that change.
    pub outputs: Vec<String>,
    /// Resources that somebody has changed outside terraform.
    pub drifted: Vec<String>,
    /// What terraform has put off, or could not plan.
    pub incomplete: Vec<String>,
}

impl PlanReview {
    /// What a plan would do.
    pub fn new<K>(plan: &Plan<K>) -> Self
    where
        K: Keep<Values = Value, Marks = Value>,
    {
        let managed = |change: &&ResourceChange<K>| change.mode != "data";
        let mut changes: Vec<ReviewedChange> = plan
            .resource_changes
            .iter()
            .filter(managed)
            .filter_map(reviewed)
            .collect();
        changes
            .sort_by(|one, other| (one.action, &one.address).cmp(&(other.action, &other.address)));
        let outputs = plan.output_changes.iter();
        let outputs = outputs.filter(|(_, change)| !change.does(&Action::NoOp));
        let incomplete = [
            (plan.errored, "terraform failed while it planned".to_owned()),
            (
                plan.complete == Some(false),
                "terraform says that there is more to plan after this".to_owned(),
            ),
            (
                plan.deferred_changes > 0,
                format!("changes put off: {}", plan.deferred_changes),
            ),
        ];
        Self {
            changes,
            outputs: outputs.map(|(name, _)| name.clone()).collect(),
            drifted: plan
                .resource_drift
                .iter()
                .map(|change| change.address.clone())
                .collect(),
            incomplete: incomplete
                .into_iter()
                .filter_map(|(is, why)| is.then_some(why))
                .collect(),
        }
    }

    /// What will not be there any more.
    pub fn destructive(&self) -> impl Iterator<Item = &ReviewedChange> {
        let changes = self.changes.iter();
        changes.filter(|change| change.action.is_destructive())
    }

    /// Whether an apply would change nothing, the outputs neither.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.outputs.is_empty()
    }

    /// How many changes there are of each action.
    pub fn counts(&self) -> BTreeMap<ReviewedAction, usize> {
        let mut counts = BTreeMap::new();
        for change in &self.changes {
            *counts.entry(change.action).or_default() += 1;
        }
        counts
    }

    /// The counts in words, as in `1 delete, 3 create`.
    pub fn summary(&self) -> String {
        let counts = self.counts();
        if counts.is_empty() {
            return match self.outputs.is_empty() {
                true => "no changes".to_owned(),
                false => "outputs alone".to_owned(),
            };
        }
        let words = counts
            .iter()
            .map(|(action, count)| format!("{count} {}", action.word()));
        words.collect::<Vec<_>>().join(", ")
    }
}

fn reviewed<K>(of: &ResourceChange<K>) -> Option<ReviewedChange>
where
    K: Keep<Values = Value, Marks = Value>,
{
    let change = &of.change;
    let moved = of
        .previous_address
        .as_ref()
        .filter(|old| **old != of.address);
    let action = if change.is_replacement() {
        ReviewedAction::Replace
    } else if change.does(&Action::Delete) {
        ReviewedAction::Delete
    } else if change.does(&Action::Create) {
        ReviewedAction::Create
    } else if change.does(&Action::Forget) {
        ReviewedAction::Forget
    } else if change.does(&Action::Update) {
        ReviewedAction::Update
    } else if change.importing.is_some() {
        ReviewedAction::Import
    } else if moved.is_some() {
        ReviewedAction::Move
    } else if change.does(&Action::NoOp) || change.does(&Action::Read) {
        return None;
    } else {
        ReviewedAction::Other
    };
    let attributes = match action {
        ReviewedAction::Update => differing(
            change.before.as_ref(),
            change.after.as_ref(),
            &change.after_unknown,
        ),
        _ => Vec::new(),
    };
    let mut reasons: Vec<String> = of
        .action_reason
        .iter()
        .map(|reason| in_words(reason))
        .collect();
    if action == ReviewedAction::Replace {
        let paths = change.replace_paths.iter().map(|path| attribute(path));
        reasons.extend(paths.map(|path| format!("{path} changes")));
        if reasons.is_empty() {
            reasons.push("terraform names no attribute".to_owned());
        }
    }
    Some(ReviewedChange {
        address: of.address.clone(),
        previous_address: moved.cloned(),
        kind: of.kind.clone(),
        action,
        reasons,
        attributes,
    })
}

/// Attributes whose values differ, or will be known only then.
fn differing(before: Option<&Value>, after: Option<&Value>, unknown: &Value) -> Vec<String> {
    let members = |value: Option<&Value>| {
        value
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default()
    };
    let (before, after) = (members(before), members(after));
    let mut names: Vec<String> = before.keys().chain(after.keys()).cloned().collect();
    if let Some(unknown) = unknown.as_object() {
        names.extend(unknown.keys().cloned());
    }
    names.sort();
    names.dedup();
    let is_unknown = |name: &str| has_true(&unknown[name]);
    names.retain(|name| before.get(name) != after.get(name) || is_unknown(name));
    names
}

fn has_true(value: &Value) -> bool {
    match value {
        Value::Bool(is) => *is,
        Value::Array(values) => values.iter().any(has_true),
        Value::Object(members) => members.values().any(has_true),
        _ => false,
    }
}

/// A path as in `ingress[0].cidr_blocks`.
fn attribute(path: &[Value]) -> String {
    let mut shown = String::new();
    for step in path {
        // Writing to a `String` does not fail.
        let _ = match step {
            Value::String(name) if shown.is_empty() => write!(shown, "{name}"),
            Value::String(name) => write!(shown, ".{name}"),
            other => write!(shown, "[{other}]"),
        };
    }
    shown
}

/// Terraform's reasons:
/// <https://developer.hashicorp.com/terraform/internals/json-format#plan-representation>.
fn in_words(reason: &str) -> String {
    let words = match reason {
        "replace_because_tainted" => "it is marked as tainted",
        "replace_because_cannot_update" => "it cannot be changed in place",
        "replace_by_request" => "-replace asks for it",
        "replace_by_triggers" => "replace_triggered_by of its code asks for it",
        "delete_because_no_resource_config" => "the code has no such resource",
        "delete_because_no_module" => "the code has no such module",
        "delete_because_wrong_repetition" => "the code has it with other keys, or without",
        "delete_because_count_index" => "count is less than its number",
        "delete_because_each_key" => "for_each has no such key",
        "delete_because_no_move_target" => "it was moved to what is not there",
        other => return other.replace('_', " "),
    };
    words.to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{All, Document};

    fn review(plan: &Value) -> PlanReview {
        match Document::<All>::parse(plan.to_string().as_bytes()).unwrap() {
            Document::Plan(plan) => PlanReview::new(&plan),
            Document::State(_) => panic!("a state"),
        }
    }

    fn change(address: &str, change: Value) -> Value {
        let mut whole = json!({"address": address, "mode": "managed", "type": "x_y"});
        whole["change"] = change;
        whole
    }

    #[test]
    fn plan_review_puts_what_is_destroyed_first_and_says_why() {
        let mut deleted = change(
            "x_y.gone",
            json!({"actions": ["delete"], "before": {}, "after": null}),
        );
        deleted["action_reason"] = "delete_because_no_resource_config".into();
        let mut replaced = change(
            "x_y.other",
            json!({"actions": ["delete", "create"], "replace_paths": [["cidr"], ["rules", 0, "port"]]}),
        );
        replaced["action_reason"] = "replace_because_cannot_update".into();
        let mut moved = change("x_y.b", json!({"actions": ["no-op"]}));
        moved["previous_address"] = "x_y.a".into();
        let mut data = change("data.x_y.z", json!({"actions": ["read"]}));
        data["mode"] = "data".into();
        let plan = json!({
            "format_version": "1.2", "planned_values": {}, "complete": false, "deferred_changes": [{}],
            "resource_changes": [
                change("x_y.new", json!({"actions": ["create"], "before": null, "after": {"p": "hunter2"}})),
                change("x_y.same", json!({"actions": ["no-op"]})),
                data, replaced, deleted, moved,
                change("x_y.up", json!({"actions": ["update"], "before": {"a": 1, "b": 2, "c": {"d": 1}},
                    "after": {"a": 1, "b": 3}, "after_unknown": {"c": {"d": true}}})),
                change("x_y.in", json!({"actions": ["no-op"], "importing": {"id": "i-1"}})),
                change("x_y.left", json!({"actions": ["forget"]})),
            ],
            "resource_drift": [change("x_y.up", json!({"actions": ["update"]}))],
            "output_changes": {"same": {"actions": ["no-op"]}, "new": {"actions": ["create"]}},
        });
        let review = review(&plan);
        let rows: Vec<_> = review
            .changes
            .iter()
            .map(|of| (of.action.word(), of.address.as_str()))
            .collect();
        assert_eq!(
            rows,
            [
                ("delete", "x_y.gone"),
                ("replace", "x_y.other"),
                ("forget", "x_y.left"),
                ("update", "x_y.up"),
                ("import", "x_y.in"),
                ("move", "x_y.b"),
                ("create", "x_y.new"),
            ]
        );
        assert_eq!(review.changes[0].reasons, ["the code has no such resource"]);
        assert_eq!(
            review.changes[1].reasons,
            [
                "it cannot be changed in place",
                "cidr changes",
                "rules[0].port changes"
            ]
        );
        assert_eq!(review.changes[3].attributes, ["b", "c"]);
        assert_eq!(review.destructive().count(), 2);
        assert_eq!(review.outputs, ["new"]);
        assert_eq!(review.drifted, ["x_y.up"]);
        assert_eq!(review.incomplete.len(), 2);
        assert!(
            review.summary().starts_with("1 delete, 1 replace"),
            "{}",
            review.summary()
        );
        assert!(!format!("{review:?}").contains("hunter2"));
        let written = serde_json::to_string(&review).unwrap();
        assert_eq!(
            serde_json::from_str::<PlanReview>(&written).unwrap(),
            review
        );
    }

    #[test]
    fn plan_review_of_changed_outputs_alone_is_not_empty() {
        let mut plan = json!({"format_version": "1.2", "planned_values": {},
            "resource_changes": [change("x_y.same", json!({"actions": ["no-op"]}))]});
        assert!(review(&plan).is_empty());
        assert_eq!(review(&plan).summary(), "no changes");
        plan["output_changes"] = json!({"o": {"actions": ["update"]}});
        assert!(!review(&plan).is_empty());
        assert_eq!(review(&plan).summary(), "outputs alone");
    }
}
