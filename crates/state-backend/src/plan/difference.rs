//! How a setting is and how it is to be, in words.

use std::fmt;

use serde_json::{Map, Value, json};

use crate::policy;
use crate::spec::{Aspect, Facet, Kind};

/// What is there, and what is wanted instead. Neither is ever empty, and they are never alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Difference {
    found: String,
    wanted: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} → {}", self.found, self.wanted)
    }
}

impl Difference {
    /// Of a setting that was found otherwise than wanted.
    pub(super) fn of(facet: &Facet, found: &Value) -> Self {
        let (found, wanted) = compared(facet, found);
        Self::between(&found, &wanted)
    }

    /// Of two values; of objects only the entries that differ, since the rest is noise.
    pub(super) fn between(found: &Value, wanted: &Value) -> Self {
        let shortened = match (found, wanted) {
            (Value::Object(a), Value::Object(b)) if !is_policy(a) && !is_policy(b) => entries(a, b),
            (Value::Null, _) => Self::new(NONE, summary(wanted)),
            (_, Value::Null) => Self::new(brief(found), NONE),
            _ => Self::new(brief(found), brief(wanted)),
        };
        match shortened.found == shortened.wanted {
            // It is what a short form leaves out that differs.
            true => Self::new(found.to_string(), wanted.to_string()),
            false => shortened,
        }
    }

    fn new(found: impl Into<String>, wanted: impl Into<String>) -> Self {
        let said = |text: String| match text.is_empty() {
            true => NONE.to_owned(),
            false => text,
        };
        Self {
            found: said(found.into()),
            wanted: said(wanted.into()),
        }
    }
}

/// What is not there.
const NONE: &str = "none";

/// Found and wanted without what is no difference: of what several share, that of others stays.
fn compared(facet: &Facet, found: &Value) -> (Value, Value) {
    let wanted = &facet.wanted;
    let of = |part: &str| (found[part].clone(), wanted[part].clone());
    match (facet.resource.kind, facet.aspect) {
        (Kind::Table, Aspect::Exists) => {
            // Of a table with another key nothing is changed, so that only its status can differ.
            let status = |status: &Value| json!({"status": status});
            (status(&found["status"]), status(&json!("ACTIVE")))
        }
        (Kind::Role, Aspect::Exists) => of("trust"),
        (_, Aspect::TlsOnly) => {
            let mut theirs = policy::statements(found).into_iter();
            let ours = theirs.find(|statement| statement["Sid"] == wanted["Sid"]);
            (ours.cloned().unwrap_or_default(), wanted.clone())
        }
        (_, Aspect::Permissions) => {
            let other = |of: &Value, than: &Value| {
                let than = policy::statements(than);
                let mut statements = policy::statements(of);
                statements.retain(|of| !than.iter().any(|than| policy::same(of, than)));
                json!(statements)
            };
            (other(found, wanted), other(wanted, found))
        }
        (_, Aspect::NoncurrentExpiry) => of("rule"),
        (_, Aspect::ObjectLock) => {
            let as_primary = format!("on, as {} has it", brief(&wanted["as"]));
            (json!("off"), json!(as_primary))
        }
        (_, Aspect::Replication) => {
            let (role, rule) = (of("role"), of("rule"));
            let both = |role, rule| json!({"role": role, "rule": rule});
            (both(role.0, rule.0), both(role.1, rule.1))
        }
        (Kind::Alarm, _) => {
            let mut found = found.clone();
            for (name, ours) in wanted.as_object().into_iter().flatten() {
                // Whom it tells besides is no matter of ours.
                let has = |action| {
                    found[name]
                        .as_array()
                        .is_some_and(|has| has.contains(action))
                };
                if ours.as_array().is_some_and(|ours| ours.iter().all(has)) {
                    found[name] = ours.clone();
                }
            }
            (found, wanted.clone())
        }
        _ => (found.clone(), wanted.clone()),
    }
}

fn entries(found: &Map<String, Value>, wanted: &Map<String, Value>) -> Difference {
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for (key, value) in wanted {
        let there = found.get(key).unwrap_or(&Value::Null);
        if there == value {
            continue;
        }
        let Difference { found, wanted } = Difference::between(there, value);
        let entry = |text: String| match there.is_object() && value.is_object() {
            true => format!("{key}({text})"),
            false => format!("{key}={text}"),
        };
        left.push(entry(found));
        right.push(entry(wanted));
    }
    if left.is_empty() {
        // Everything that is wanted is there, and something besides.
        let more = found.iter().filter(|(key, _)| !wanted.contains_key(*key));
        let more = more.map(|(key, value)| format!("{key}={}", brief(value)));
        return Difference::new(more.collect::<Vec<_>>().join(" "), "nothing more");
    }
    Difference::new(left.join(" "), right.join(" "))
}

/// A policy or a statement of one, which goes by its name.
fn is_policy(map: &Map<String, Value>) -> bool {
    map.contains_key("Statement") || map.contains_key("Sid")
}

/// A value on one line; policies and rules are shortened to what tells them apart.
pub(super) fn brief(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Object(map) if map.contains_key("Statement") => brief(&map["Statement"]),
        Value::Object(map) if map.contains_key("Sid") => brief(&map["Sid"]),
        Value::Object(map) => map
            .iter()
            .filter(|(_, value)| !value.is_null() && value.as_array().is_none_or(|a| !a.is_empty()))
            .map(|(key, value)| match value {
                Value::Object(_) => format!("{key}({})", brief(value)),
                _ => format!("{key}={}", brief(value)),
            })
            .collect::<Vec<_>>()
            .join(" "),
        Value::Array(items) => items.iter().map(brief).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// What is to be made, on one line: without what it is not to be, and without the ID and the status that every rule has.
pub(super) fn summary(value: &Value) -> String {
    let Value::Object(map) = value else {
        return brief(value);
    };
    if is_policy(map) {
        return brief(value);
    }
    let says_something = |key: &str, value: &Value| match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty() && !["id", "status"].contains(&key),
        Value::Array(items) => !items.is_empty(),
        _ => true,
    };
    let shown = map.iter().filter(|(key, value)| says_something(key, value));
    let shown = shown.map(|(key, value)| match value {
        Value::Bool(_) => key.clone(),
        Value::Object(_) => summary(value),
        // Partition, region and account are those of the whole plan.
        Value::String(arn) if arn.starts_with("arn:") => {
            format!("{key}={}", arn.splitn(6, ':').last().unwrap_or(arn))
        }
        _ => format!("{key}={}", brief(value)),
    });
    shown.collect::<Vec<_>>().join(" ")
}
