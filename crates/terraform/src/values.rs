//! Resources and outputs with their values, as a plan foresees them and a state has them.

use std::collections::BTreeMap;
use std::fmt::Debug;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::outputs::Output;
use crate::plan::ResourceChange;

/// What a reader keeps of a document. A large plan is read in little memory, and secrets never stay in it, when only
/// what is needed is kept; `serde::de::IgnoredAny` keeps nothing.
pub trait Keep: Debug + Clone {
    /// Of the attributes of a resource, which are a JSON object.
    type Values: Debug + Clone + DeserializeOwned;
    /// Of the marks of what is sensitive or known only after the apply: true, or objects and lists of it.
    type Marks: Debug + Clone + Default + DeserializeOwned;
    /// Of the value of an output or a variable: any JSON.
    type Output: Debug + Clone + Default + DeserializeOwned;

    /// Whether a change is kept; one that is not is dropped as soon as it is read.
    fn keeps(_change: &ResourceChange<Self>) -> bool
    where
        Self: Sized,
    {
        true
    }
}

/// Keeps everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct All;

impl Keep for All {
    type Values = Value;
    type Marks = Value;
    type Output = Value;
}

/// All that a state has, or that will be there after an apply.
#[derive(Debug, Clone, Deserialize)]
#[serde(bound = "", default)]
pub struct Values<K: Keep = All> {
    /// Of the root module.
    pub outputs: BTreeMap<String, Output<K::Output>>,
    /// The resources.
    pub root_module: Module<K>,
}

/// The resources of a module, and the modules in it.
#[derive(Debug, Clone, Deserialize)]
#[serde(bound = "", default)]
pub struct Module<K: Keep = All> {
    /// As in `module.network["a"]`; empty for the root module.
    pub address: String,
    /// Those of this module itself.
    pub resources: Vec<Resource<K>>,
    /// Those within.
    pub child_modules: Vec<Module<K>>,
}

impl<K: Keep> Default for Values<K> {
    fn default() -> Self {
        Self {
            outputs: BTreeMap::new(),
            root_module: Module::default(),
        }
    }
}

impl<K: Keep> Default for Module<K> {
    fn default() -> Self {
        Self {
            address: String::new(),
            resources: Vec::new(),
            child_modules: Vec::new(),
        }
    }
}

/// One instance of a resource.
#[derive(Debug, Clone, Deserialize)]
#[serde(bound = "")]
pub struct Resource<K: Keep = All> {
    /// As in `module.network["a"].aws_eip.this[0]`.
    pub address: String,
    /// `managed`, or `data` for what is only read.
    pub mode: String,
    /// As in `aws_eip`.
    #[serde(rename = "type")]
    pub kind: String,
    /// As in `this`.
    pub name: String,
    /// The key of `count` or `for_each`.
    #[serde(default)]
    pub index: Option<Value>,
    /// As in `registry.terraform.io/hashicorp/aws`.
    #[serde(default)]
    pub provider_name: String,
    /// Its attributes, as far as they are known.
    #[serde(default)]
    pub values: Option<K::Values>,
    /// Which of them are sensitive.
    #[serde(default)]
    pub sensitive_values: K::Marks,
    /// The next apply replaces it.
    #[serde(default)]
    pub tainted: bool,
}

impl<K: Keep> Resource<K> {
    /// Whether terraform makes it, and does not only read it.
    pub fn is_managed(&self) -> bool {
        self.mode == "managed"
    }
}

/// A state, as `terraform show -json` writes it.
#[derive(Debug, Clone)]
pub struct State<K: Keep = All> {
    /// The terraform that wrote it; an empty state does not say.
    pub terraform_version: Option<String>,
    /// What is there.
    pub values: Values<K>,
}
