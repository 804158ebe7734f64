//! How much the resources do, in the format that people already have: `infracost-usage.yml`.

mod keys;
mod measure;
mod measured;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use rust_decimal::Decimal;
use serde::Serialize;
use thiserror::Error;

pub use keys::{UsageKey, usage_keys};
pub use measure::{Measure, Statistic, Unmeasured, measures};
pub use measured::{Measured, Measurement, Period};

use crate::inventory::{Inventory, with_keys};
use crate::quantity::{QuantityRange, parse_number};
use keys::{Choice, key};
use yaml::{Node, Position, Value};

/// Why a usage file cannot be used, and where.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}, column {column}: {problem}")]
pub struct UsageError {
    /// The line, counted from 1.
    pub line: usize,
    /// The column, counted from 1.
    pub column: usize,
    /// What is wrong there, and what is right.
    pub problem: String,
}

impl UsageError {
    fn new(at: Position, problem: impl Into<String>) -> Self {
        Self {
            line: at.line,
            column: at.column,
            problem: problem.into(),
        }
    }
}

/// Everything that is wrong with a usage file, in its order; never empty. `Display` gives one line each.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct UsageErrors(Vec<UsageError>);

impl UsageErrors {
    /// In the order of the file.
    pub fn iter(&self) -> std::slice::Iter<'_, UsageError> {
        self.0.iter()
    }
}

impl From<UsageError> for UsageErrors {
    fn from(error: UsageError) -> Self {
        Self(vec![error])
    }
}

impl fmt::Display for UsageErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, error) in self.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

/// Where a quantity is from.
///
/// In order: what is made of several quantities is as good as the last of theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum UsageSource {
    /// The usage file.
    File,
    /// The default for the type of resource.
    Default,
    /// Nobody says it, and defaults are off: how much it is, is not known.
    Unknown,
}

/// How much the resources do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// By what the addresses have in common besides their keys.
    resources: BTreeMap<String, Vec<Named>>,
    /// By type, for every resource that has no entry of its own for a key.
    kinds: BTreeMap<String, Entry>,
    /// Nothing is taken for what nobody says.
    without_defaults: bool,
}

/// What the file says under an address.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Named {
    address: String,
    /// Those of count and for_each; `*` for any.
    keys: Vec<String>,
    entry: Entry,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Entry {
    numbers: BTreeMap<String, Decimal>,
    texts: BTreeMap<String, String>,
    /// What no rule asks for: whether it is used.
    without_rule: BTreeMap<String, bool>,
}

/// What of a usage file is for something that has no rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WithoutRule<'u> {
    /// An address or a type.
    pub(crate) of: &'u str,
    pub(crate) names: Vec<&'u str>,
    /// One of them is not 0, so that it costs something.
    pub(crate) costs: bool,
}

impl Usage {
    /// Reads an `infracost-usage.yml`, version 0.1: `resource_usage` by address and
    /// `resource_type_default_usage` by type. Without a file: [`Usage::default`]. A key without a number says nothing;
    /// one that nothing here has a price for is kept to be told.
    ///
    /// # Errors
    /// All at once: when it is not such a file, has a slip of a key that is priced, or a number below zero.
    pub fn parse(text: &str) -> Result<Self, UsageErrors> {
        let mut usage = Self::default();
        let mut errors = Vec::new();
        let Some(root) = yaml::parse(text)? else {
            return Ok(usage);
        };
        let mut version = None;
        let start = root.at;
        for (name, at, node) in root.entries("version and resource_usage")? {
            match name.as_str() {
                "version" => version = Some(node),
                "resource_usage" => {
                    for (address, at, node) in entries(node, "addresses of resources", &mut errors) {
                        let Some(kind) = kind_of(&address) else {
                            let problem = format!("{address:?} is no address of a resource; what is said of a whole type stands under resource_type_default_usage");
                            errors.push(UsageError::new(at, problem));
                            continue;
                        };
                        let entry = Entry::read(&kind, at, node, &mut errors);
                        usage.name(address, entry);
                    }
                }
                "resource_type_default_usage" => {
                    for (kind, at, node) in entries(node, "types of resources", &mut errors) {
                        let entry = Entry::read(&kind, at, node, &mut errors);
                        usage.kinds.insert(kind, entry);
                    }
                }
                other => errors.push(UsageError::new(
                    at,
                    format!(
                        "unknown key {other:?}; valid here: version, resource_usage, resource_type_default_usage"
                    ),
                )),
            }
        }
        match version {
            Some(node) if matches!(node.text(), Some("0.1" | "v0.1")) => {}
            Some(node) => errors.push(UsageError::new(
                node.at,
                "another version than 0.1, the one that is known",
            )),
            None => errors.push(UsageError::new(
                start,
                "the version is missing; write `version: 0.1`",
            )),
        }
        if errors.is_empty() {
            Ok(usage)
        } else {
            errors.sort_by_key(|error| (error.line, error.column));
            Err(UsageErrors(errors))
        }
    }

    /// The same without defaults: what the file does not say is unknown, where a default would be more than nothing.
    #[must_use]
    pub fn without_defaults(mut self) -> Self {
        self.without_defaults = true;
        self
    }

    /// Under what the addresses have in common, those with the fewest `*` first.
    fn name(&mut self, address: String, entry: Entry) {
        let (shape, keys) = with_keys(&address, "[*]");
        let keys: Vec<String> = keys.into_iter().map(str::to_owned).collect();
        let all = self.resources.entry(shape).or_default();
        all.push(Named {
            address,
            keys,
            entry,
        });
        all.sort_by_cached_key(|named| {
            let any = named.keys.iter().filter(|key| *key == ANY).count();
            (any, named.address.clone())
        });
    }

    /// How much of `key` a resource uses, and who says so. Nothing for a key that does not exist.
    pub fn of(&self, address: &str, kind: &str, name: &str) -> (QuantityRange, UsageSource) {
        let given = self
            .entries(address, kind)
            .find_map(|entry| entry.numbers.get(name));
        if let Some(amount) = given {
            return (QuantityRange::fixed(*amount), UsageSource::File);
        }
        let default = key(kind, name).map_or_else(QuantityRange::default, UsageKey::default_range);
        match self.without_defaults && !default.is_zero() {
            true => (QuantityRange::default(), UsageSource::Unknown),
            false => (default, UsageSource::Default),
        }
    }

    /// What a key that takes a word says for a resource.
    pub fn word(&self, address: &str, kind: &str, name: &str) -> Option<&str> {
        self.entries(address, kind)
            .find_map(|entry| entry.texts.get(name))
            .map(String::as_str)
    }

    /// Addresses of a type that the file names.
    pub(crate) fn addresses<'u>(&'u self, kind: &str) -> impl Iterator<Item = &'u str> {
        self.named()
            .map(|named| named.address.as_str())
            .filter(move |address| kind_of(address).as_deref() == Some(kind))
    }

    /// Addresses that the inventory does not have, such as misspelt ones.
    pub fn strangers(&self, inventory: &Inventory) -> Vec<&str> {
        let mut strangers: BTreeSet<&str> = self
            .named()
            .map(|named| named.address.as_str())
            // Traffic is no resource.
            .filter(|address| kind_of(address).as_deref() != Some("aws_data_transfer"))
            .collect();
        for resource in &inventory.resources {
            for named in self.matching(&resource.address) {
                strangers.remove(named.address.as_str());
            }
        }
        strangers.into_iter().collect()
    }

    /// What the file says that no rule asks for, by address, then by type.
    pub(crate) fn without_rule(&self) -> Vec<WithoutRule<'_>> {
        let named = self
            .named()
            .map(|named| (named.address.as_str(), &named.entry));
        let kinds = self
            .kinds
            .iter()
            .map(|(kind, entry)| (kind.as_str(), entry));
        let all = named.chain(kinds);
        all.filter(|(_, entry)| !entry.without_rule.is_empty())
            .map(|(of, entry)| WithoutRule {
                of,
                names: entry.without_rule.keys().map(String::as_str).collect(),
                costs: entry.without_rule.values().any(|is_used| *is_used),
            })
            .collect()
    }

    fn named(&self) -> impl Iterator<Item = &Named> {
        self.resources.values().flatten()
    }

    /// What the file says of an address, the most exact first.
    fn matching<'u>(&'u self, address: &str) -> impl Iterator<Item = &'u Named> {
        let (shape, keys) = match self.resources.is_empty() {
            true => (String::new(), Vec::new()),
            false => with_keys(address, "[*]"),
        };
        let all = self.resources.get(&shape).into_iter().flatten();
        all.filter(move |named| {
            let pairs = named.keys.iter().zip(&keys);
            named.keys.len() == keys.len()
                && pairs.into_iter().all(|(of, key)| of == ANY || of == key)
        })
    }

    fn entries<'u>(&'u self, address: &str, kind: &str) -> impl Iterator<Item = &'u Entry> {
        self.matching(address)
            .map(|named| &named.entry)
            .chain(self.kinds.get(kind))
    }
}

/// Stands for every key.
const ANY: &str = "*";

/// The entries of a mapping; none, and an error more, where it is something else.
fn entries(node: Node, what: &str, errors: &mut Vec<UsageError>) -> Vec<yaml::Pair> {
    node.entries(what).unwrap_or_else(|error| {
        errors.push(error);
        Vec::new()
    })
}

impl Entry {
    fn read(kind: &str, at: Position, node: Node, errors: &mut Vec<UsageError>) -> Self {
        let mut entry = Self::default();
        match keys::meant_type(kind) {
            Some(meant) => errors.push(UsageError::new(
                at,
                format!("nothing is known of {kind}; {meant} is a type"),
            )),
            None => entry.add(kind, "", node, errors),
        }
        entry
    }

    fn add(&mut self, kind: &str, prefix: &str, node: Node, errors: &mut Vec<UsageError>) {
        for (name, at, node) in entries(node, "numbers by name", errors) {
            let path = if prefix.is_empty() {
                name
            } else {
                format!("{prefix}.{name}")
            };
            let result = if let Some(choice) = Choice::of(kind, &path) {
                self.add_word(choice, path, &node)
            } else if key(kind, &path).is_some() {
                self.add_number(kind, path, &node)
            } else if let Some(meant) = keys::meant_key(kind, &path) {
                let problem = format!("{kind} has no {path:?}; it has {meant:?}");
                Err(UsageError::new(at, problem))
            } else if matches!(node.value, Value::Map(_)) {
                self.add(kind, &path, node, errors);
                Ok(())
            } else if keys::is_group(kind, &path) && !matches!(node.value, Value::Null) {
                let problem = format!("{path} of {kind} must be a mapping");
                Err(UsageError::new(at, problem))
            } else {
                let is_used = match &node.value {
                    Value::Null => false,
                    Value::Text(text) => parse_number(text) != Ok(Decimal::ZERO),
                    Value::Map(_) | Value::List => true,
                };
                self.without_rule.insert(path, is_used);
                Ok(())
            };
            errors.extend(result.err());
        }
    }

    fn add_word(&mut self, choice: Choice, path: String, node: &Node) -> Result<(), UsageError> {
        if matches!(node.value, Value::Null) {
            return Ok(());
        }
        let Some(text) = choice.read(node) else {
            let problem = format!("{path} takes {}", choice.values().join(", "));
            return Err(UsageError::new(node.at, problem));
        };
        self.texts.insert(path, text);
        Ok(())
    }

    fn add_number(&mut self, kind: &str, path: String, node: &Node) -> Result<(), UsageError> {
        let number = match &node.value {
            // The default then.
            Value::Null => return Ok(()),
            Value::Text(text) => parse_number(text).map_err(|error| error.to_string()),
            Value::Map(_) | Value::List => Err("it must be a number".to_owned()),
        };
        let number =
            number.map_err(|error| UsageError::new(node.at, format!("{kind} {path}: {error}")))?;
        self.numbers.insert(path, number);
        Ok(())
    }
}

/// The type in an address: `aws_eip` in `module.a["x"].aws_eip.nat[0]`.
fn kind_of(address: &str) -> Option<String> {
    let (plain, _) = with_keys(address, "");
    let mut parts = plain.split('.').peekable();
    while parts.next_if_eq(&"module").is_some() {
        parts.next()?;
    }
    // Whatever has a name, though Terraform allows no point in it.
    let (kind, _name) = (parts.next()?, parts.next()?);
    kind.contains('_').then(|| kind.to_owned())
}

#[cfg(test)]
mod tests;
