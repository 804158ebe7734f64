//! Policies of identities and of resources (buckets, keys, secrets, topics), read and judged without AWS: what a policy allows too widely, whom a role
//! trusts, what is denied to everybody.
//!
//! Grammar: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html>.

mod glob;
mod grant;
mod reach;
mod trust;

use report::finding::{Observation, Unobserved};
use serde_json::{Map, Value};

pub(crate) use glob::covers;
pub(crate) use reach::{is_denied_to_all, nobody_or};
pub(crate) use trust::Trust;

/// A policy document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(crate) statements: Vec<Statement>,
}

/// A statement of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Statement {
    /// Its name, where it has one.
    pub(crate) sid: Option<String>,
    /// Whether it allows; else it denies.
    pub(crate) allows: bool,
    /// For whom; policies of identities have none.
    pub(crate) principals: Option<Terms<Principal>>,
    /// What may be done, in lower case: IAM does not tell cases of actions apart.
    pub(crate) actions: Terms<String>,
    /// On what; trust policies have none.
    pub(crate) resources: Option<Terms<String>>,
    /// Under which conditions; all of them hold at once.
    pub(crate) conditions: Vec<Condition>,
}

/// What a statement names: these, or all but these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Terms<T> {
    Only(Vec<T>),
    AllBut(Vec<T>),
}

/// Somebody who may do something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Principal {
    /// `AWS`, `Service`, `Federated` or `CanonicalUser`.
    pub(crate) kind: String,
    pub(crate) name: String,
}

/// A condition: `operator` compares the key with each of the values, one of which has to fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) operator: String,
    /// In lower case: IAM does not tell cases of keys apart.
    pub(crate) key: String,
    pub(crate) values: Vec<String>,
}

impl Policy {
    /// Reads a document. What is not understood makes the whole of it unknown.
    pub(crate) fn parse(text: &str) -> Observation<Self> {
        let document: Value =
            serde_json::from_str(text).map_err(|_| Unobserved::because("the policy is no JSON"))?;
        let fields = document.as_object().ok_or_else(|| odd("it is no object"))?;
        known(fields, &["Version", "Id", "Statement"])?;
        let statements = match fields.get("Statement") {
            Some(Value::Array(statements)) => statements.iter().map(statement).collect(),
            Some(one @ Value::Object(_)) => statement(one).map(|one| vec![one]),
            _ => Err(odd("it has no Statement")),
        }?;
        Ok(Self { statements })
    }

    /// As IAM answers it: URL-encoded (RFC 3986).
    pub(crate) fn parse_encoded(text: &str) -> Observation<Self> {
        let text = percent_encoding::percent_decode_str(text)
            .decode_utf8()
            .map_err(|_| odd("it is no UTF-8"))?;
        Self::parse(&text)
    }

    /// The statements that allow something.
    pub(crate) fn allowing(&self) -> impl Iterator<Item = &Statement> {
        self.statements.iter().filter(|statement| statement.allows)
    }
}

impl Statement {
    /// Its name, or what stands for it in texts.
    pub(crate) fn name(&self) -> &str {
        self.sid.as_deref().unwrap_or("a statement without Sid")
    }
}

impl Condition {
    /// Whether it demands that `key`, given in lower case, is there and has a value for which `fits`.
    ///
    /// `…IfExists`, `Null`, negations and `ForAllValues` hold without the key: they demand nothing.
    pub(crate) fn demands(&self, key: &str, fits: impl Fn(&str) -> bool) -> bool {
        const DEMANDING: [&str; 6] = [
            "StringEquals",
            "StringEqualsIgnoreCase",
            "StringLike",
            "ArnEquals",
            "ArnLike",
            "Bool",
        ];
        let operator = self.operator.strip_prefix("ForAnyValue:");
        DEMANDING.contains(&operator.unwrap_or(&self.operator))
            && self.key == key
            && !self.values.is_empty()
            && self.values.iter().all(|value| fits(value))
    }
}

fn statement(value: &Value) -> Observation<Statement> {
    let fields = value
        .as_object()
        .ok_or_else(|| odd("a statement is no object"))?;
    known(
        fields,
        &[
            "Sid",
            "Effect",
            "Principal",
            "NotPrincipal",
            "Action",
            "NotAction",
            "Resource",
            "NotResource",
            "Condition",
        ],
    )?;
    let allows = match fields.get("Effect").and_then(Value::as_str) {
        Some("Allow") => true,
        Some("Deny") => false,
        _ => return Err(odd("a statement neither allows nor denies")),
    };
    let lower = |terms: Vec<String>| terms.iter().map(|term| term.to_lowercase()).collect();
    let actions = match terms(fields, "Action", "NotAction", texts)? {
        Some(Terms::Only(actions)) => Terms::Only(lower(actions)),
        Some(Terms::AllBut(actions)) => Terms::AllBut(lower(actions)),
        None => return Err(odd("a statement has neither Action nor NotAction")),
    };
    Ok(Statement {
        sid: fields.get("Sid").and_then(Value::as_str).map(str::to_owned),
        allows,
        principals: terms(fields, "Principal", "NotPrincipal", principals)?,
        actions,
        resources: terms(fields, "Resource", "NotResource", texts)?,
        conditions: conditions(fields.get("Condition"))?,
    })
}

fn terms<T>(
    fields: &Map<String, Value>,
    only: &str,
    all_but: &str,
    read: impl Fn(&Value) -> Observation<Vec<T>>,
) -> Observation<Option<Terms<T>>> {
    match (fields.get(only), fields.get(all_but)) {
        (Some(_), Some(_)) => Err(odd(&format!("a statement has {only} and {all_but}"))),
        (Some(value), None) => read(value).map(|terms| Some(Terms::Only(terms))),
        (None, Some(value)) => read(value).map(|terms| Some(Terms::AllBut(terms))),
        (None, None) => Ok(None),
    }
}

fn texts(value: &Value) -> Observation<Vec<String>> {
    let text = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        _ => Err(odd("there is something else where texts belong")),
    };
    match value {
        Value::Array(values) => values.iter().map(text).collect(),
        one => text(one).map(|one| vec![one]),
    }
}

fn principals(value: &Value) -> Observation<Vec<Principal>> {
    match value {
        // `"*"` and `{"AWS": "*"}` are the same.
        Value::String(all) if all == "*" => Ok(vec![Principal {
            kind: "AWS".to_owned(),
            name: "*".to_owned(),
        }]),
        Value::Object(kinds) => {
            let mut found = Vec::new();
            for (kind, names) in kinds {
                known_principal(kind)?;
                found.extend(texts(names)?.into_iter().map(|name| Principal {
                    kind: kind.clone(),
                    name,
                }));
            }
            Ok(found)
        }
        _ => Err(odd("a principal is neither * nor an object")),
    }
}

fn conditions(value: Option<&Value>) -> Observation<Vec<Condition>> {
    let Some(value) = value else {
        return Ok(Vec::new());
    };
    let wrong = || odd("a condition is not an object of objects");
    let mut found = Vec::new();
    for (operator, keys) in value.as_object().ok_or_else(wrong)? {
        for (key, values) in keys.as_object().ok_or_else(wrong)? {
            found.push(Condition {
                operator: operator.clone(),
                key: key.to_lowercase(),
                values: texts(values)?,
            });
        }
    }
    Ok(found)
}

fn known_principal(kind: &str) -> Observation<()> {
    if ["AWS", "Service", "Federated", "CanonicalUser"].contains(&kind) {
        return Ok(());
    }
    Err(odd(&format!("it has a principal of the kind {kind}")))
}

fn known(fields: &Map<String, Value>, names: &[&str]) -> Observation<()> {
    match fields.keys().find(|key| !names.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => Err(odd(&format!("it has an element {key}"))),
    }
}

fn odd(what: &str) -> Unobserved {
    Unobserved::because(format!("the policy is not understood: {what}"))
}

#[cfg(test)]
mod tests;
