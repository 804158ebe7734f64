//! A state with its values, in either of the forms in which terraform gives one.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::document::{Document, DocumentError};
use crate::json::parse;
use crate::outputs::Output;
use crate::values::{Keep, Module, Resource, State, Values};

/// Text that is no state with values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateValuesError {
    /// It is neither form, or some value in it has another type.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// It is a plan, which tells what will be, and not what is.
    #[error("it is a plan, and a state is what is read")]
    Plan,
    /// A state of another format, or one that OpenTofu has encrypted.
    #[error("it is a state of format {found}, and 4 is what is read")]
    Version {
        /// What it says.
        found: String,
    },
}

#[derive(Deserialize)]
#[serde(bound = "")]
struct Kept<K: Keep> {
    version: Option<u64>,
    terraform_version: Option<String>,
    #[serde(default = "BTreeMap::new")]
    outputs: BTreeMap<String, Output<K::Output>>,
    #[serde(default = "Vec::new")]
    resources: Vec<Block<K>>,
}

/// A resource with its instances.
#[derive(Deserialize)]
#[serde(bound = "")]
struct Block<K: Keep> {
    module: Option<String>,
    mode: String,
    #[serde(rename = "type")]
    kind: String,
    name: String,
    #[serde(default = "Vec::new")]
    instances: Vec<Instance<K>>,
}

#[derive(Deserialize)]
#[serde(bound = "")]
struct Instance<K: Keep> {
    index_key: Option<Value>,
    attributes: Option<K::Values>,
    status: Option<String>,
    deposed: Option<String>,
}

impl<K: Keep> State<K> {
    /// From the object that a backend keeps, or from what `terraform show -json` writes.
    ///
    /// # Errors
    /// When it is neither.
    pub fn parse(json: &[u8]) -> Result<Self, StateValuesError> {
        match Document::parse(json) {
            Ok(Document::State(state)) => return Ok(state),
            Ok(Document::Plan(_)) => return Err(StateValuesError::Plan),
            Err(DocumentError::StateFile) => {}
            Err(error) => return Err(error.into()),
        }
        let kept: Kept<K> = parse(json).map_err(DocumentError::from)?;
        if kept.version != Some(4) {
            let found = kept.version.map_or("none".to_owned(), |v| v.to_string());
            return Err(StateValuesError::Version { found });
        }
        let resources = kept.resources.into_iter().flat_map(instances).collect();
        Ok(Self {
            terraform_version: kept.terraform_version,
            values: Values {
                outputs: kept.outputs,
                root_module: Module {
                    resources,
                    ..Module::default()
                },
            },
        })
    }

    /// Every resource that terraform makes, of all modules.
    pub fn managed(&self) -> Vec<&Resource<K>> {
        let mut modules = vec![&self.values.root_module];
        let mut found = Vec::new();
        while let Some(module) = modules.pop() {
            found.extend(module.resources.iter().filter(|one| one.is_managed()));
            modules.extend(&module.child_modules);
        }
        found
    }
}

fn instances<K: Keep>(block: Block<K>) -> impl Iterator<Item = Resource<K>> {
    let Block {
        module,
        mode,
        kind,
        name,
        instances,
    } = block;
    // What an apply was about to delete is not what is meant.
    let there = instances.into_iter().filter(|one| one.deposed.is_none());
    there.map(move |instance| {
        let module = module.as_deref();
        let module = module.map_or(String::new(), |module| format!("{module}."));
        let data = if mode == "data" { "data." } else { "" };
        let index = instance.index_key.as_ref();
        let index = index.map_or(String::new(), |index| format!("[{index}]"));
        Resource {
            address: format!("{module}{data}{kind}.{name}{index}"),
            mode: mode.clone(),
            kind: kind.clone(),
            name: name.clone(),
            index: instance.index_key,
            provider_name: String::new(),
            values: instance.attributes,
            sensitive_values: K::Marks::default(),
            tainted: instance.status.as_deref() == Some("tainted"),
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::values::All;

    fn read(json: &Value) -> Result<State<All>, StateValuesError> {
        State::parse(json.to_string().as_bytes())
    }

    #[test]
    fn state_parse_reads_the_form_of_a_backend_and_that_of_show_alike() {
        let kept = json!({
            "version": 4, "terraform_version": "1.11.4", "serial": 3, "lineage": "l",
            "outputs": {"net": {"value": "vpc-1", "type": "string"}},
            "resources": [
                {"module": "module.a[0]", "mode": "managed", "type": "aws_vpc", "name": "this", "provider": "p",
                 "instances": [{"index_key": "x", "attributes": {"id": "vpc-1"}},
                               {"deposed": "0a", "attributes": {"id": "vpc-0"}}]},
                {"mode": "data", "type": "aws_region", "name": "here", "instances": [{"attributes": {}}]},
            ],
        });
        let shown = json!({
            "format_version": "1.0", "terraform_version": "1.11.4",
            "values": {
                "outputs": {"net": {"value": "vpc-1", "sensitive": false}},
                "root_module": {"child_modules": [{"address": "module.a[0]", "resources": [
                    {"address": "module.a[0].aws_vpc.this[\"x\"]", "mode": "managed", "type": "aws_vpc",
                     "name": "this", "index": "x", "values": {"id": "vpc-1"}}]}]},
            },
        });
        for form in [kept, shown] {
            let state = read(&form).unwrap();
            assert_eq!(state.values.outputs["net"].value, "vpc-1");
            let [vpc] = state.managed()[..] else {
                panic!("{state:?}")
            };
            assert_eq!(vpc.address, "module.a[0].aws_vpc.this[\"x\"]");
            assert_eq!(vpc.values, Some(json!({"id": "vpc-1"})));
        }
    }

    #[test]
    fn state_parse_refuses_what_is_no_state_with_values() {
        let old = json!({"version": 3, "lineage": "l", "modules": []});
        let found = "3".to_owned();
        assert_eq!(read(&old).unwrap_err(), StateValuesError::Version { found });
        let plan = json!({"format_version": "1.2", "planned_values": {}});
        assert_eq!(read(&plan).unwrap_err(), StateValuesError::Plan);
        assert!(read(&json!({"a": 1})).is_err());
    }
}
