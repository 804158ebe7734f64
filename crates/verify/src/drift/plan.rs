//! A plan of terraform, as `terraform show -json` writes it: what an apply would change, and what has changed
//! outside terraform.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::compare::{Raw, Sides};
use super::meaning::explained;
use super::{Difference, Drift, Kind, Rules};
use crate::evidence::{Hider, Hiding, Salt, Secrets, Treatment};

/// A plan that cannot be used. Its text is not repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// It is no JSON, or no plan.
    #[error("it is not what `terraform show -json PLAN` writes: line {line}, column {column}")]
    Malformed {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// Its format is not 1.x.
    #[error("its format_version is not 1.x")]
    Format,
}

#[derive(Debug, Deserialize)]
struct Plan {
    format_version: String,
    // Both are there in every plan, and tell one from a state.
    terraform_version: String,
    planned_values: serde::de::IgnoredAny,
    #[serde(default)]
    resource_changes: Vec<Change>,
    #[serde(default)]
    resource_drift: Vec<Change>,
    #[serde(default)]
    deferred_changes: Vec<serde::de::IgnoredAny>,
    #[serde(default)]
    output_changes: BTreeMap<String, Delta>,
    #[serde(default)]
    errored: bool,
    // Since terraform 1.8.
    complete: Option<bool>,
}

#[derive(Debug, Deserialize)]
struct Change {
    address: String,
    #[serde(rename = "type", default)]
    kind: String,
    change: Delta,
}

#[derive(Debug, Deserialize)]
struct Delta {
    actions: Vec<String>,
    #[serde(default)]
    before: Value,
    #[serde(default)]
    after: Value,
    #[serde(default)]
    after_unknown: Value,
    #[serde(default)]
    before_sensitive: Value,
    #[serde(default)]
    after_sensitive: Value,
}

impl Drift {
    /// More than this is no plan.
    pub const MOST_PLAN_BYTES: u64 = 64 << 20;

    /// What a plan, called `name`, would change, and what terraform has found changed.
    ///
    /// # Errors
    /// When it is something else.
    pub fn of_plan(name: &str, json: &[u8], rules: &Rules, today: Date) -> Result<Self, PlanError> {
        let plan: Plan = serde_json::from_slice(json).map_err(|error| PlanError::Malformed {
            line: error.line(),
            column: error.column(),
        })?;
        if !plan.format_version.starts_with("1.") {
            return Err(PlanError::Format);
        }
        let _ = plan.planned_values;
        let mut differences = Vec::new();
        // Both sides are hidden here, so that a salt for this once will do.
        let salt = Salt::random();
        let mut secrets = Secrets::default();
        for delta in plan.deltas() {
            secrets.learn_marked(&delta.before, &delta.before_sensitive);
            secrets.learn_marked(&delta.after, &delta.after_sensitive);
        }
        // Whoever reads a plan sees these anyway.
        let hiding = Hiding {
            account_ids: Treatment::Keep,
            endpoints: Treatment::Keep,
        };
        let teller = Teller {
            hider: Hider::knowing(&salt, hiding, secrets),
        };
        for change in &plan.resource_drift {
            teller.outside(change, &mut differences);
        }
        for change in &plan.resource_changes {
            teller.planned(change, &mut differences);
        }
        for (output, delta) in &plan.output_changes {
            teller.output(output, delta, &mut differences);
        }
        let incomplete = [
            (plan.errored, "terraform failed while it planned"),
            (
                plan.complete == Some(false),
                "terraform says that there is more to plan",
            ),
            (
                !plan.deferred_changes.is_empty(),
                "terraform has put changes off",
            ),
        ];
        for (_, meaning) in incomplete.into_iter().filter(|(is, _)| *is) {
            differences.push(whole("plan", Kind::Unknown, meaning));
        }
        let version = &plan.terraform_version;
        let plain = |c: char| c.is_ascii_alphanumeric() || ".-+".contains(c);
        let notes = if version.len() < 32 && version.chars().all(plain) {
            vec![format!("{name}: terraform {version}")]
        } else {
            Vec::new()
        };
        Ok(Self::new(
            "what there is".to_owned(),
            name.to_owned(),
            notes,
            differences,
            rules,
            today,
        ))
    }
}

impl Plan {
    fn deltas(&self) -> impl Iterator<Item = &Delta> {
        let changes = self.resource_changes.iter().chain(&self.resource_drift);
        changes
            .map(|change| &change.change)
            .chain(self.output_changes.values())
    }
}

impl Delta {
    fn does(&self, action: &str) -> bool {
        self.actions.iter().any(|one| one == action)
    }
}

struct Teller<'a> {
    hider: Hider<'a>,
}

impl Teller<'_> {
    fn outside(&self, change: &Change, differences: &mut Vec<Difference>) {
        let place = format!("outside.{}", change.address);
        if change.change.does("delete") {
            let meaning = format!("{} deleted outside terraform", thing(&change.kind));
            differences.push(whole(&place, Kind::Removed, &meaning));
            return;
        }
        // What differs in its form alone has not been changed by anybody.
        differences.extend(
            self.attributes(&place, &change.change)
                .into_iter()
                .map(|mut one| {
                    one.meaning = format!("{}, outside terraform", one.meaning);
                    one
                }),
        );
    }

    fn planned(&self, change: &Change, differences: &mut Vec<Difference>) {
        let (delta, place) = (&change.change, format!("plan.{}", change.address));
        let thing = thing(&change.kind);
        let (kind, meaning) = if delta.does("create") && delta.does("delete") {
            (
                Kind::Changed,
                format!("{thing} replaced: {}", lost(&change.kind)),
            )
        } else if delta.does("create") {
            (
                Kind::Added,
                format!("{thing} is not there: an apply would create it"),
            )
        } else if delta.does("delete") {
            let lost = lost(&change.kind);
            (Kind::Removed, format!("{thing} would be deleted: {lost}"))
        } else if delta.does("forget") {
            let meaning = format!("{thing} would be forgotten, and stay in AWS");
            (Kind::Removed, meaning)
        } else if delta.does("update") {
            let mut found = self.attributes(&place, delta);
            if found.is_empty() {
                let meaning = format!("{thing} would be updated, with what is known after that");
                found.push(whole(&place, Kind::Changed, &meaning));
            }
            differences.extend(found);
            return;
        } else {
            return;
        };
        differences.push(whole(&place, kind, &meaning));
    }

    fn output(&self, name: &str, delta: &Delta, differences: &mut Vec<Difference>) {
        if delta.does("no-op") {
            return;
        }
        let place = format!("plan.output.{name}");
        let before = self.hidden(&place, name, &delta.before, &delta.before_sensitive);
        if delta.after_unknown == Value::Bool(true) {
            let meaning = "known after an apply";
            differences.push(Difference {
                before: explained(raw(&place, name, Some(text(&before)))).before,
                ..whole(&place, Kind::Changed, meaning)
            });
            return;
        }
        let after = self.hidden(&place, name, &delta.after, &delta.after_sensitive);
        let mut found = Vec::new();
        Sides::ALIKE.compare(&place, name, Some(&before), Some(&after), &mut found);
        differences.extend(found.into_iter().map(explained));
    }

    /// What differs between the two sides of an update, as far as it is known.
    fn attributes(&self, place: &str, delta: &Delta) -> Vec<Difference> {
        let mut before = self.hidden(place, "", &delta.before, &delta.before_sensitive);
        let mut after = self.hidden(place, "", &delta.after, &delta.after_sensitive);
        if let (Value::Object(before), Some(unknown)) =
            (&mut before, delta.after_unknown.as_object())
        {
            for name in unknown
                .iter()
                .filter(|(_, is)| has_true(is))
                .map(|(name, _)| name)
            {
                before.remove(name);
                if let Value::Object(after) = &mut after {
                    after.remove(name);
                }
            }
        }
        let mut found = Vec::new();
        Sides::ALIKE.compare(place, "", Some(&before), Some(&after), &mut found);
        found.into_iter().map(explained).collect()
    }

    /// `value` without what terraform marks as sensitive, and what looks like a secret.
    fn hidden(&self, place: &str, name: &str, value: &Value, sensitive: &Value) -> Value {
        let mut notes = Vec::new();
        match (value, sensitive) {
            (_, Value::Bool(true)) => self.hider.secret(place, value, "", &mut notes),
            (Value::Object(members), Value::Object(marks))
                if !members.keys().any(|key| self.hider.has_secret(key)) =>
            {
                let mut out = Map::new();
                for (key, value) in members {
                    let mark = marks.get(key).unwrap_or(&Value::Null);
                    let value = self.hidden(&format!("{place}.{key}"), key, value, mark);
                    out.insert(key.clone(), value);
                }
                Value::Object(out)
            }
            (Value::Array(values), Value::Array(marks)) => {
                let place = format!("{place}[]");
                let values = values.iter().enumerate().map(|(at, value)| {
                    let mark = marks.get(at).unwrap_or(&Value::Null);
                    self.hidden(&place, name, value, mark)
                });
                Value::Array(values.collect())
            }
            _ => self.hider.value(place, name, value, &mut notes),
        }
    }
}

fn raw(place: &str, name: &str, before: Option<String>) -> Raw {
    Raw {
        place: place.to_owned(),
        name: name.to_owned(),
        kind: Kind::Changed,
        before,
        after: None,
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn whole(place: &str, kind: Kind, meaning: &str) -> Difference {
    Difference {
        place: place.to_owned(),
        kind,
        meaning: meaning.to_owned(),
        before: None,
        after: None,
        ignored: None,
    }
}

fn has_true(value: &Value) -> bool {
    match value {
        Value::Bool(is) => *is,
        Value::Array(values) => values.iter().any(has_true),
        Value::Object(members) => members.values().any(has_true),
        _ => false,
    }
}

/// A resource type in words.
fn thing(kind: &str) -> &str {
    match kind {
        "aws_s3_bucket" => "bucket",
        "aws_db_instance" => "database",
        "aws_elasticache_replication_group" => "cache",
        "aws_subnet" => "subnet",
        "aws_vpc" => "network",
        "aws_nat_gateway" => "NAT gateway",
        "aws_kms_key" => "key",
        "aws_security_group" => "security group",
        "aws_secretsmanager_secret" => "secret",
        "aws_secretsmanager_secret_version" => "value of a secret",
        "aws_cloudfront_distribution" => "distribution",
        "" => "resource",
        other => other,
    }
}

/// What goes when a resource goes.
fn lost(kind: &str) -> &'static str {
    match kind {
        "aws_s3_bucket" => "its objects are lost",
        "aws_db_instance" => "its data and its endpoint are lost",
        "aws_elasticache_replication_group" => "its data and its endpoint are lost",
        "aws_kms_key" => "what it encrypted can no longer be read",
        "aws_secretsmanager_secret" | "aws_secretsmanager_secret_version" => {
            "the secret's value is lost"
        }
        "aws_subnet" | "aws_vpc" | "aws_nat_gateway" => "connections through it break",
        _ => "what depends on its id has to follow",
    }
}
