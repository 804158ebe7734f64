//! How much the resources do, in the format that people already have: `infracost-usage.yml`.

mod keys;
mod measure;
mod measured;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;
use serde::Serialize;
use thiserror::Error;

pub use keys::{UsageKey, usage_keys};
pub use measure::{Measure, Statistic, Unmeasured, measures};
pub use measured::{Measured, Measurement, Period};

use crate::inventory::Inventory;
use crate::quantity::{QuantityRange, parse_number};
use keys::{Choice, key, knows};
use yaml::{Node, Position, Value};

/// Why a usage file cannot be used, and where.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("read the usage file at line {line}, column {column}: {problem}")]
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

/// Where a quantity is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum UsageSource {
    /// The usage file.
    File,
    /// The default for the type of resource.
    Default,
}

/// How much the resources do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// By the address of a resource, which may hold `[*]` for any key.
    resources: BTreeMap<String, Entry>,
    /// By type, for every resource that has no entry of its own for a key.
    kinds: BTreeMap<String, Entry>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Entry {
    numbers: BTreeMap<String, Decimal>,
    texts: BTreeMap<String, String>,
}

impl Usage {
    /// Reads an `infracost-usage.yml`, version 0.1: `resource_usage` by address and
    /// `resource_type_default_usage` by type. Without a file: [`Usage::default`].
    ///
    /// # Errors
    /// When it is not such a file, has a key that is not priced here, or a number below zero.
    pub fn parse(text: &str) -> Result<Self, UsageError> {
        let mut usage = Self::default();
        let Some(root) = yaml::parse(text)? else {
            return Ok(usage);
        };
        let mut version = None;
        let start = root.at;
        for (name, at, node) in root.entries("version and resource_usage")? {
            match name.as_str() {
                "version" => version = Some(node),
                "resource_usage" => {
                    for (address, at, node) in node.entries("addresses of resources")? {
                        let kind = kind_of(&address).ok_or_else(|| {
                            UsageError::new(at, format!("{address:?} is no address of a resource"))
                        })?;
                        let entry = Entry::read(&kind, at, node)?;
                        usage.resources.insert(address, entry);
                    }
                }
                "resource_type_default_usage" => {
                    for (kind, at, node) in node.entries("types of resources")? {
                        let entry = Entry::read(&kind, at, node)?;
                        usage.kinds.insert(kind, entry);
                    }
                }
                other => {
                    return Err(UsageError::new(
                        at,
                        format!(
                            "unknown key {other:?}; valid here: version, resource_usage, resource_type_default_usage"
                        ),
                    ));
                }
            }
        }
        match version {
            Some(node) if node.text() == Some("0.1") => Ok(usage),
            Some(node) => Err(UsageError::new(
                node.at,
                "another version than 0.1, the one that is known",
            )),
            None => Err(UsageError::new(
                start,
                "the version is missing; write `version: 0.1`",
            )),
        }
    }

    /// How much of `key` a resource uses, and who says so. Nothing for a key that does not exist.
    pub fn of(&self, address: &str, kind: &str, name: &str) -> (QuantityRange, UsageSource) {
        let given = self
            .entries(address, kind)
            .find_map(|entry| entry.numbers.get(name));
        match given {
            Some(amount) => (QuantityRange::fixed(*amount), UsageSource::File),
            None => (
                key(kind, name).map_or_else(QuantityRange::default, UsageKey::default_range),
                UsageSource::Default,
            ),
        }
    }

    /// What a key that takes a word says for a resource.
    pub fn word(&self, address: &str, kind: &str, name: &str) -> Option<&str> {
        self.entries(address, kind)
            .find_map(|entry| entry.texts.get(name))
            .map(String::as_str)
    }

    /// Addresses of a type that the file names.
    pub(crate) fn addresses(&self, kind: &str) -> impl Iterator<Item = &str> {
        self.resources
            .keys()
            .map(String::as_str)
            .filter(move |address| kind_of(address).as_deref() == Some(kind))
    }

    /// Addresses that the inventory does not have, such as misspelt ones.
    pub fn strangers(&self, inventory: &Inventory) -> Vec<&str> {
        let known: BTreeSet<String> = inventory
            .resources
            .iter()
            .flat_map(|resource| [resource.address.clone(), starred(&resource.address)])
            .collect();
        self.resources
            .keys()
            .map(String::as_str)
            // Traffic is no resource.
            .filter(|address| kind_of(address).as_deref() != Some("aws_data_transfer"))
            .filter(|address| !known.contains(*address))
            .collect()
    }

    fn entries(&self, address: &str, kind: &str) -> impl Iterator<Item = &Entry> {
        [
            self.resources.get(address),
            self.resources.get(&starred(address)),
            self.kinds.get(kind),
        ]
        .into_iter()
        .flatten()
    }
}

impl Entry {
    fn read(kind: &str, at: Position, node: Node) -> Result<Self, UsageError> {
        if !knows(kind) {
            return Err(UsageError::new(
                at,
                format!("nothing that {kind} uses is priced here"),
            ));
        }
        let mut entry = Self::default();
        entry.add(kind, "", node)?;
        Ok(entry)
    }

    fn add(&mut self, kind: &str, prefix: &str, node: Node) -> Result<(), UsageError> {
        for (name, at, node) in node.entries("numbers by name")? {
            let path = if prefix.is_empty() {
                name
            } else {
                format!("{prefix}.{name}")
            };
            if let Some(choice) = Choice::of(kind, &path) {
                let text = choice.read(&node).ok_or_else(|| {
                    UsageError::new(
                        node.at,
                        format!("{path} takes {}", choice.values().join(", ")),
                    )
                })?;
                self.texts.insert(path, text);
            } else if key(kind, &path).is_some() {
                let number = match &node.value {
                    Value::Null => Ok(Decimal::ZERO),
                    Value::Text(text) => parse_number(text).map_err(|error| error.to_string()),
                    Value::Map(_) | Value::List => Err("it must be a number".to_owned()),
                };
                let number = number
                    .map_err(|error| UsageError::new(node.at, format!("{kind} {path}: {error}")))?;
                self.numbers.insert(path, number);
            } else if matches!(node.value, Value::Map(_)) && keys::is_group(kind, &path) {
                self.add(kind, &path, node)?;
            } else {
                return Err(UsageError::new(
                    at,
                    format!(
                        "{path:?} of {kind} is not priced here; priced are: {}",
                        keys::names(kind).join(", ")
                    ),
                ));
            }
        }
        Ok(())
    }
}

/// The type in an address: `aws_eip` in `module.a["x"].aws_eip.nat[0]`.
fn kind_of(address: &str) -> Option<String> {
    let plain = starred(address).replace("[*]", "");
    let mut parts = plain.rsplit('.');
    let (_, kind) = (parts.next()?, parts.next()?);
    kind.contains('_').then(|| kind.to_owned())
}

/// The address with `[*]` for every key.
fn starred(address: &str) -> String {
    crate::inventory::with_keys(address, "[*]")
}

#[cfg(test)]
mod tests;
