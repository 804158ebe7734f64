//! A plan: what an apply would change, and what has changed outside terraform.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::values::{All, Keep, Values};

/// A plan, as `terraform show -json` writes it.
#[derive(Debug, Clone)]
pub struct Plan<K: Keep = All> {
    /// The terraform that wrote it.
    pub terraform_version: Option<String>,
    /// The variables of the root module.
    pub variables: BTreeMap<String, Variable>,
    /// What will be there, as far as it is known.
    pub planned_values: Values<K>,
    /// What is done with each resource, also with one that stays as it is.
    pub resource_changes: Vec<ResourceChange<K>>,
    /// What terraform found changed.
    pub resource_drift: Vec<ResourceChange<K>>,
    /// Changes that are put off until another plan.
    pub deferred_changes: usize,
    /// What becomes of each output of the root module.
    pub output_changes: BTreeMap<String, Change<K::Output, K::Marks>>,
    /// The code, as far as it says which provider a resource has.
    pub configuration: Configuration,
    /// Terraform failed while it planned: changes are missing.
    pub errored: bool,
    /// Whether the plan holds everything; terraform tells since 1.8.
    pub complete: Option<bool>,
}

/// The value of a variable, which may be a secret.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Variable {
    /// Any JSON.
    #[serde(default)]
    pub value: Value,
}

/// What is done with a resource.
#[derive(Debug, Clone, Deserialize)]
#[serde(bound = "")]
pub struct ResourceChange<K: Keep = All> {
    /// As in `module.network["a"].aws_eip.this[0]`.
    pub address: String,
    /// The address that it had before a `moved` block.
    #[serde(default)]
    pub previous_address: Option<String>,
    /// `managed`, or `data` for what is only read.
    #[serde(default)]
    pub mode: String,
    /// As in `aws_eip`.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// As in `this`.
    #[serde(default)]
    pub name: String,
    /// The change itself.
    pub change: Change<K::Values, K::Marks>,
    /// Why it is deleted, replaced or read, as in `delete_because_no_resource_config`.
    #[serde(default)]
    pub action_reason: Option<String>,
}

impl<K: Keep> ResourceChange<K> {
    /// Whether it is made anew since an apply failed while it was made.
    pub fn is_tainted(&self) -> bool {
        self.action_reason.as_deref() == Some("replace_because_tainted")
    }
}

/// Something before and after.
#[derive(Debug, Clone, Deserialize)]
#[serde(bound = "V: serde::de::DeserializeOwned, M: Default + serde::de::DeserializeOwned")]
pub struct Change<V = Value, M = Value> {
    /// In their order: a replacement is a deletion and a creation, in either order.
    pub actions: Vec<Action>,
    /// `None` for what is not there yet.
    #[serde(default)]
    pub before: Option<V>,
    /// `None` for what is there no longer; without what only the apply shows.
    #[serde(default)]
    pub after: Option<V>,
    /// What only the apply shows.
    #[serde(default)]
    pub after_unknown: M,
    /// What of `before` is sensitive.
    #[serde(default)]
    pub before_sensitive: M,
    /// What of `after` is sensitive.
    #[serde(default)]
    pub after_sensitive: M,
    /// The attributes that can only be changed by a replacement: to each a path of names and numbers.
    #[serde(default)]
    pub replace_paths: Vec<Vec<Value>>,
    /// It is taken into the state, with this before or beside what else is done.
    #[serde(default)]
    pub importing: Option<IgnoredAny>,
}

impl<V, M> Change<V, M> {
    /// Whether `action` is among its actions.
    pub fn does(&self, action: &Action) -> bool {
        self.actions.contains(action)
    }

    /// Whether it is deleted and made anew.
    pub fn is_replacement(&self) -> bool {
        let both = self.does(&Action::Create) && self.does(&Action::Delete);
        both || self.does(&Action::Replace)
    }
}

/// What terraform does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    NoOp,
    /// Makes it.
    Create,
    /// Reads it, when it is applied.
    Read,
    /// Changes it in place.
    Update,
    /// Deletes it.
    Delete,
    /// Takes it out of the state, and leaves it where it is.
    Forget,
    /// Deletes it and makes it anew, as progress names it; in a plan these are two actions.
    Replace,
    /// What is not known here, as in `move` or `import`.
    Other(String),
}

impl<'de> Deserialize<'de> for Action {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Ok(match name.as_ref() {
            "no-op" | "noop" => Self::NoOp,
            "create" => Self::Create,
            "read" => Self::Read,
            "update" => Self::Update,
            "delete" => Self::Delete,
            "forget" | "remove" => Self::Forget,
            "replace" => Self::Replace,
            other => Self::Other(other.to_owned()),
        })
    }
}

/// The code of a plan, as far as it is read.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Configuration {
    /// By key, as in `aws.dr`; one within a module has its path before it.
    #[serde(default)]
    pub provider_config: BTreeMap<String, Provider>,
    /// The code's modules, without the keys of their instances.
    #[serde(default)]
    pub root_module: ConfiguredModule,
}

/// A `provider` block.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Provider {
    /// What it is set to.
    #[serde(default)]
    pub expressions: ProviderExpressions,
}

/// The arguments of a `provider` block that are read. Others may be credentials.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct ProviderExpressions {
    /// Of hashicorp/aws.
    pub region: Option<Expression>,
}

/// An expression: a constant, or what it refers to.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Expression {
    /// When it is one.
    pub constant_value: Option<Value>,
    /// As in `var.region`.
    #[serde(default)]
    pub references: Vec<String>,
}

/// A module of the code.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct ConfiguredModule {
    /// Its resources.
    #[serde(default)]
    pub resources: Vec<ConfiguredResource>,
    /// The modules that it calls, by name.
    #[serde(default)]
    pub module_calls: BTreeMap<String, ModuleCall>,
}

/// A `resource` block.
#[derive(Debug, Clone, Deserialize)]
pub struct ConfiguredResource {
    /// Within its module, without key.
    pub address: String,
    /// Key of [`Configuration::provider_config`].
    pub provider_config_key: Option<String>,
}

/// A `module` block.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct ModuleCall {
    /// What it calls.
    #[serde(default)]
    pub module: ConfiguredModule,
}
