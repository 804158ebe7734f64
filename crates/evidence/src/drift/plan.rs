//! A plan of terraform, as `terraform show -json` writes it: what an apply would change, and what has changed
//! outside terraform.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::Deserialize;
use serde_json::Value;

use super::compare::Sides;
use super::meaning::explained;
use super::{Difference, Drift, Kind, Rules};
use crate::{Redacted, RedactionPolicy, Redactor, Salt};

/// A plan that cannot be used. Its text is not repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// It is no JSON, or no plan.
    #[error(transparent)]
    Json(#[from] terraform::JsonError),
    /// Its format is not 1.x.
    #[error("its format_version is not 1.x")]
    Format,
}

#[derive(Debug, Deserialize)]
struct Plan {
    format_version: String,
    // Both are there in every plan, and tell one from a state.
    terraform_version: String,
    planned_values: Value,
    // Data sources and variables have secrets that turn up in attributes without a mark.
    #[serde(default)]
    prior_state: Value,
    #[serde(default)]
    variables: Value,
    #[serde(default)]
    configuration: Value,
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
        let plan: Plan = terraform::parse_json(json)?;
        if !plan.format_version.starts_with("1.") {
            return Err(PlanError::Format);
        }
        let mut differences = Vec::new();
        // Both sides are redacted here, so that a salt for this once will do. Whoever reads a plan sees account ids
        // and endpoints anyway.
        let salt = Salt::random();
        let mut redactor = Redactor::salted(&salt, RedactionPolicy::SECRETS);
        plan.teach(&mut redactor);
        let teller = Teller { redactor };
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
    /// Shows `redactor` every secret of the plan, wherever it is recognised.
    fn teach(&self, redactor: &mut Redactor<'_>) {
        for delta in self.deltas() {
            redactor.learn("", &delta.before, &delta.before_sensitive);
            redactor.learn("", &delta.after, &delta.after_sensitive);
        }
        for (name, delta) in &self.output_changes {
            redactor.learn(name, &delta.before, &delta.before_sensitive);
            redactor.learn(name, &delta.after, &delta.after_sensitive);
        }
        for part in [&self.planned_values, &self.prior_state] {
            redactor.learn("", part, &Value::Null);
        }
        let declared = &self.configuration["root_module"]["variables"];
        for (name, variable) in self.variables.as_object().into_iter().flatten() {
            let sensitive = declared[name]["sensitive"].as_bool().unwrap_or_default();
            redactor.learn(name, &variable["value"], &Value::Bool(sensitive));
        }
    }

    fn deltas(&self) -> impl Iterator<Item = &Delta> {
        let changes = self.resource_changes.iter().chain(&self.resource_drift);
        changes
            .map(|change| &change.change)
            .chain(self.output_changes.values())
    }
}

impl Delta {
    fn sides(&self) -> Sides {
        Sides::of_one_document(self.before_sensitive == self.after_sensitive)
    }

    fn does(&self, action: &str) -> bool {
        self.actions.iter().any(|one| one == action)
    }
}

struct Teller<'a> {
    redactor: Redactor<'a>,
}

impl Teller<'_> {
    fn outside(&self, change: &Change, differences: &mut Vec<Difference>) {
        let place = format!("outside.{}", self.redactor.sentence(&change.address));
        if change.change.does("delete") {
            let meaning = format!("{} deleted outside terraform", thing(&change.kind));
            differences.push(whole(&place, Kind::Removed, &meaning));
            return;
        }
        // What differs in its form alone has not been changed by anybody: reading a resource, a provider puts an empty list or map
        // where there was nothing.
        let sides = change.change.sides().with_nothing_as_empty();
        differences.extend(
            self.attributes(&place, &change.change, sides)
                .into_iter()
                .map(|mut one| {
                    one.meaning = format!("{}, outside terraform", one.meaning);
                    one
                }),
        );
    }

    fn planned(&self, change: &Change, differences: &mut Vec<Difference>) {
        let address = self.redactor.sentence(&change.address);
        let (delta, place) = (&change.change, format!("plan.{address}"));
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
            let mut found = self.attributes(&place, delta, delta.sides());
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
        let before = self.redacted(&place, name, &delta.before, &delta.before_sensitive);
        let mut found = Vec::new();
        if delta.after_unknown == Value::Bool(true) {
            let meaning = "known after an apply";
            delta
                .sides()
                .compare(&place, name, Some(&before), None, &mut found);
            let before = found
                .into_iter()
                .next()
                .and_then(|raw| explained(raw).before);
            differences.push(Difference {
                before,
                ..whole(&place, Kind::Changed, meaning)
            });
            return;
        }
        let after = self.redacted(&place, name, &delta.after, &delta.after_sensitive);
        delta
            .sides()
            .compare(&place, name, Some(&before), Some(&after), &mut found);
        differences.extend(found.into_iter().map(explained));
    }

    /// What differs between the two sides of an update, as far as it is known.
    fn attributes(&self, place: &str, delta: &Delta, sides: Sides) -> Vec<Difference> {
        // What is not known yet is left out on both sides.
        let unknown = |name: &str| has_true(&delta.after_unknown[name]);
        let known = |value: &Value| match value {
            Value::Object(members) => members
                .iter()
                .filter(|(name, _)| !unknown(name))
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
            other => other.clone(),
        };
        let (before, after) = (known(&delta.before), known(&delta.after));
        let before = self.redacted(place, "", &before, &delta.before_sensitive);
        let after = self.redacted(place, "", &after, &delta.after_sensitive);
        let mut found = Vec::new();
        sides.compare(place, "", Some(&before), Some(&after), &mut found);
        found.into_iter().map(explained).collect()
    }

    /// `value` without what terraform marks as sensitive, and what looks like a secret.
    fn redacted(&self, place: &str, name: &str, value: &Value, marks: &Value) -> Redacted<Value> {
        self.redactor
            .value(place, name, value, marks, &mut Vec::new())
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
