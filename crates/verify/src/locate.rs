//! Which resources of the account are the environment's.
//!
//! Each role that a resource has is looked up in turn in the settings, in terraform's state, in terraform's outputs and in
//! AWS, and what is found says how. The checks take what was found and know nothing of where it came from.

mod account;
mod clues;
mod names;
mod state;

use std::collections::{BTreeMap, BTreeSet};

use evidence::Outputs;
use report::finding::{Observation, Unobserved};
use serde::Serialize;
use serde_json::Value;
use settings::{NamedResource, Resources, Settings};

pub(crate) use account::ALARMS_ASTRAY;
pub use state::{StackState, StateAttributes};

use crate::clients::EnvironmentClients;
use crate::wanted::Wanted;

/// Where resources are looked up.
#[derive(Debug, Clone, Copy)]
pub struct Sources<'a> {
    /// Names of resources, databases and buckets.
    pub settings: &'a Settings,
    /// Terraform's state.
    pub state: Option<&'a StackState>,
    /// Terraform's outputs.
    pub outputs: Option<&'a Outputs>,
}

/// What said which resource is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// The settings.
    Settings,
    /// Terraform's state.
    State,
    /// Terraform's outputs.
    Outputs,
    /// AWS.
    Aws,
}

impl Origin {
    fn words(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::State => "terraform's state",
            Self::Outputs => "terraform's outputs",
            Self::Aws => "AWS",
        }
    }
}

/// A resource, and how it was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    /// Its ID, name or ARN; a list of them; or a property of it.
    pub value: Value,
    /// What said so.
    pub origin: Origin,
    /// By what it was told from others.
    pub how: String,
}

/// The resources of the environment, by their roles.
#[derive(Debug, Clone, Default)]
pub struct Located {
    found: BTreeMap<String, Found>,
    missing: BTreeMap<String, Unobserved>,
    /// Everything that terraform's outputs say, for those that ask terraform itself.
    outputs: Option<Outputs>,
}

impl Located {
    /// What settings, state and outputs say, without a call.
    pub fn without_aws(sources: Sources<'_>, wanted: &Wanted) -> Self {
        let Sources {
            settings,
            state,
            outputs,
        } = sources;
        let mut located = Self {
            outputs: outputs.cloned(),
            ..Self::default()
        };
        let is_dr = wanted.region == settings.regions.dr;
        located.take_named(&settings.resources, outputs, is_dr);
        if let Some(state) = state {
            state::look(state, settings, &mut located);
        }
        for (name, output) in outputs.into_iter().flat_map(Outputs::iter) {
            if !output.value.is_null() {
                let how = format!("output {name}");
                located.set(name, output.value.clone(), Origin::Outputs, how);
            }
        }
        located
    }

    /// What settings, state and outputs say, and what AWS says of the rest. What AWS does not say either is told with the
    /// reason: known to be absent, or not known.
    pub async fn find(
        clients: &EnvironmentClients,
        account: &str,
        sources: Sources<'_>,
        wanted: &Wanted,
    ) -> Self {
        let mut located = Self::without_aws(sources, wanted);
        account::look(clients, account, sources.settings, wanted, &mut located).await;
        located
    }

    /// Those that the settings name, themselves or by an output. Resources that they name themselves are those of the primary
    /// region.
    fn take_named(&mut self, named: &Resources, outputs: Option<&Outputs>, is_dr: bool) {
        for role in Resources::ROLES {
            let (value, how) = match named.get(role.name) {
                None => continue,
                Some(NamedResource::One(_) | NamedResource::Several(_)) if is_dr => continue,
                Some(NamedResource::One(name)) => (name.as_str().into(), "[resources]".to_owned()),
                Some(NamedResource::Several(names)) => {
                    (names.clone().into(), "[resources]".to_owned())
                }
                Some(NamedResource::Output { output }) => {
                    let lacks = || Unobserved::because("terraform's outputs were not given");
                    match outputs.ok_or_else(lacks).and_then(|all| all.value(output)) {
                        Ok(value) => (value.clone(), format!("output {output}, by [resources]")),
                        Err(unobserved) => {
                            self.lack(role.name, unobserved);
                            continue;
                        }
                    }
                }
            };
            self.set(role.name, value, Origin::Settings, how);
        }
    }

    /// As terraform's outputs would say it, for tests of what is judged.
    #[cfg(test)]
    pub(crate) fn of(outputs: &[(&str, Value)]) -> Self {
        let json: serde_json::Map<String, Value> = outputs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), serde_json::json!({"value": value})))
            .collect();
        let json = Value::Object(json).to_string();
        let outputs = Outputs::parse(json.as_bytes()).ok();
        let mut located = Self::default();
        for (name, output) in outputs.iter().flat_map(Outputs::iter) {
            located.set(name, output.value.clone(), Origin::Outputs, name);
        }
        Self { outputs, ..located }
    }

    /// Keeps what was found first.
    fn set(&mut self, role: &str, value: impl Into<Value>, origin: Origin, how: impl Into<String>) {
        if self.is_open(role) {
            let (value, how) = (value.into(), how.into());
            let found = Found { value, origin, how };
            self.found.insert(role.to_owned(), found);
        }
    }

    /// Says why nothing was found.
    fn lack(&mut self, role: &str, why: Unobserved) {
        if self.is_open(role) {
            self.missing.insert(role.to_owned(), why);
        }
    }

    fn is_open(&self, role: &str) -> bool {
        !self.found.contains_key(role) && !self.missing.contains_key(role)
    }

    /// Whether one of these is still to be found.
    fn lacks(&self, roles: &[&str]) -> bool {
        roles.iter().any(|role| self.is_open(role))
    }

    /// A role that is one text.
    ///
    /// # Errors
    /// When it was not found, or is something else.
    pub fn text(&self, role: &str) -> Observation<&str> {
        let value = self.value(role)?;
        let wrong = || Unobserved::because(format!("{role} is no string: {}", self.whence(role)));
        value.as_str().ok_or_else(wrong)
    }

    /// A role that is a list of texts.
    ///
    /// # Errors
    /// When it was not found, or is something else.
    pub fn texts(&self, role: &str) -> Observation<Vec<&str>> {
        let wrong = || {
            let whence = self.whence(role);
            Unobserved::because(format!("{role} is no list of strings: {whence}"))
        };
        let values = self.value(role)?.as_array().ok_or_else(wrong)?.iter();
        values
            .map(|value| value.as_str().ok_or_else(wrong))
            .collect()
    }

    /// A role that is a whole number.
    ///
    /// # Errors
    /// When it was not found, or is something else.
    pub fn number(&self, role: &str) -> Observation<i64> {
        let value = self.value(role)?;
        value.as_i64().ok_or_else(|| {
            Unobserved::because(format!("{role} is no whole number: {}", self.whence(role)))
        })
    }

    /// A role, whatever it is.
    ///
    /// # Errors
    /// When it was not found.
    pub fn value(&self, role: &str) -> Observation<&Value> {
        if let Some(found) = self.found.get(role) {
            return Ok(&found.value);
        }
        let why = self.missing.get(role).cloned();
        Err(why.unwrap_or_else(|| Unobserved::because(format!("terraform has no output {role}"))))
    }

    /// What terraform says of a role, where it was terraform that said it.
    pub(crate) fn terraform(&self, role: &str) -> Option<String> {
        let found = self.found.get(role)?;
        if found.origin == Origin::Aws {
            return None;
        }
        Some(words(&found.value))
    }

    /// Everything that terraform's outputs say.
    pub(crate) fn outputs(&self) -> Option<&Outputs> {
        self.outputs.as_ref()
    }

    fn whence(&self, role: &str) -> String {
        match self.found.get(role) {
            Some(found) => format!("{}, {}", found.origin.words(), found.how),
            None => "nowhere".to_owned(),
        }
    }

    /// What was found, by role.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Found)> {
        let named: BTreeSet<&str> = Resources::ROLES.iter().map(|role| role.name).collect();
        self.found
            .iter()
            .map(|(role, found)| (role.as_str(), found))
            .filter(move |(role, _)| named.contains(role))
    }
}

/// A resource that was asked about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ResourceFound {
    /// Its part in the environment.
    pub role: String,
    /// Its ID, name or ARN, or a list of them; `None` where it was not found.
    pub value: Option<String>,
    /// What said so.
    pub origin: Option<Origin>,
    /// By what it was told from others, or why it was not found.
    pub how: String,
}

impl Located {
    /// What was found and what was not, by role.
    pub fn summary(&self) -> Vec<ResourceFound> {
        let found = self.iter().map(|(role, found)| ResourceFound {
            role: role.to_owned(),
            value: Some(words(&found.value)),
            origin: Some(found.origin),
            how: found.how.clone(),
        });
        let named = |role: &&str| Resources::ROLES.iter().any(|known| known.name == *role);
        let missing = self.missing.iter();
        let missing = missing.filter(|(role, _)| named(&role.as_str()));
        let missing = missing.map(|(role, why)| ResourceFound {
            role: role.clone(),
            value: None,
            origin: None,
            how: why.reason.clone(),
        });
        found.chain(missing).collect()
    }
}

fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => {
            let texts = values.iter().filter_map(Value::as_str);
            texts.collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
