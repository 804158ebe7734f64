//! What terraform has in its state after an apply against the schemas alone (`staging.json`): every value as
//! the code has it, and made-up ids. Building the stack replaces each made-up id by the real one.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde::Deserialize;
use serde_json::{Map, Value};

/// A resource of the state.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Resource {
    pub(crate) address: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) values: Map<String, Value>,
}

#[derive(Deserialize)]
struct File {
    resources: Vec<Resource>,
    outputs: Value,
}

/// The state, and which made-up id became which real one.
pub(crate) struct State {
    resources: Vec<Resource>,
    outputs: Value,
    became: BTreeMap<String, String>,
    /// Outputs that are not what the schemas make of them.
    named: Mutex<BTreeMap<String, String>>,
}

impl State {
    pub(crate) fn load() -> Self {
        let File { resources, outputs } =
            serde_json::from_str(include_str!("staging.json")).expect("the state");
        Self {
            resources,
            outputs,
            became: BTreeMap::new(),
            named: Mutex::default(),
        }
    }

    /// The resources of a type, by address, with the ids that are known by now.
    pub(crate) fn of(&self, kind: &str) -> Vec<Resource> {
        let found: Vec<Resource> = self
            .resources
            .iter()
            .filter(|resource| resource.kind == kind)
            .cloned()
            .map(|mut resource| {
                for value in resource.values.values_mut() {
                    self.replace(value);
                }
                resource
            })
            .collect();
        assert!(!found.is_empty(), "the state has no {kind}");
        found
    }

    /// The only resource of a type whose address has `part` in it.
    pub(crate) fn one(&self, kind: &str, part: &str) -> Resource {
        let mut found = self.of(kind);
        found.retain(|resource| resource.address.contains(part));
        assert_eq!(found.len(), 1, "{kind} {part}");
        found.remove(0)
    }

    /// An attribute of `resource` has become `real`: from here on everywhere.
    pub(crate) fn became(&mut self, resource: &Resource, attribute: &str, real: impl Into<String>) {
        let stub = resource.text(attribute).to_owned();
        self.became.insert(stub, real.into());
    }

    /// From here on an output is this.
    pub(crate) fn set_output(&self, name: &str, value: &str) {
        let mut named = self.named.lock().expect("outputs");
        named.insert(name.to_owned(), value.to_owned());
    }

    /// What `terraform output -json` would say of the stack that was built.
    pub(crate) fn outputs(&self) -> Vec<u8> {
        let mut outputs = self.outputs.clone();
        self.replace(&mut outputs);
        for (name, value) in self.named.lock().expect("outputs").iter() {
            outputs[name]["value"] = value.as_str().into();
        }
        serde_json::to_vec(&outputs).expect("JSON")
    }

    /// Longer ids first: one may begin another.
    fn replace(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                for (stub, real) in self.became.iter().rev() {
                    if text.contains(stub.as_str()) {
                        *text = text.replace(stub.as_str(), real);
                    }
                }
            }
            Value::Array(values) => values.iter_mut().for_each(|value| self.replace(value)),
            Value::Object(fields) => fields.values_mut().for_each(|value| self.replace(value)),
            _ => {}
        }
    }
}

impl Resource {
    /// An attribute that is a string.
    pub(crate) fn text(&self, attribute: &str) -> &str {
        self.maybe(attribute)
            .unwrap_or_else(|| panic!("{} has no text {attribute}", self.address))
    }

    /// An attribute that is a string, if there is one.
    pub(crate) fn maybe(&self, attribute: &str) -> Option<&str> {
        self.values.get(attribute).and_then(Value::as_str)
    }

    /// An attribute that is a whole number.
    pub(crate) fn number(&self, attribute: &str) -> i32 {
        self.values
            .get(attribute)
            .and_then(Value::as_i64)
            .and_then(|number| i32::try_from(number).ok())
            .unwrap_or_else(|| panic!("{} has no number {attribute}", self.address))
    }

    /// An attribute that is true or false; absent is false.
    pub(crate) fn flag(&self, attribute: &str) -> bool {
        self.values
            .get(attribute)
            .and_then(Value::as_bool)
            .unwrap_or_default()
    }

    /// An attribute that is a list of strings; absent is empty.
    pub(crate) fn texts(&self, attribute: &str) -> Vec<String> {
        self.values
            .get(attribute)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|value| value.as_str().map(str::to_owned))
            .collect()
    }

    /// The only block of a name, as blocks are lists.
    pub(crate) fn block(&self, name: &str) -> &Value {
        self.values
            .get(name)
            .and_then(|value| value.get(0))
            .unwrap_or_else(|| panic!("{} has no block {name}", self.address))
    }

    /// All tags, those of the provider included.
    pub(crate) fn tags(&self) -> Vec<(String, String)> {
        self.values
            .get("tags_all")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect()
    }
}
