use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::json::{JsonError, parse};
use crate::plan::{Change, Configuration, Plan, ResourceChange, Variable};
use crate::values::{All, Keep, State, Values};

/// What `terraform show -json` writes: of a plan file, or of a state.
#[derive(Debug, Clone)]
pub enum Document<K: Keep = All> {
    /// Of a plan.
    Plan(Box<Plan<K>>),
    /// Of a state, which may be empty.
    State(State<K>),
}

/// Text that is neither a plan nor a state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// It is no JSON, or some value in it has another type.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// Of a terraform that came later, or long before.
    #[error("its format_version is {found:?}, and 1.x is what is known")]
    Format {
        /// What it says.
        found: String,
    },
    /// A state as a backend keeps it.
    #[error(
        "it is a state as a backend keeps it, of which `terraform show -json FILE` writes the form that is read"
    )]
    StateFile,
    /// JSON of something else.
    #[error("it has neither planned_values nor values, as the JSON of `terraform show -json` has")]
    Neither,
}

#[derive(Deserialize)]
#[serde(bound = "")]
struct Root<K: Keep> {
    format_version: Option<String>,
    terraform_version: Option<String>,
    planned_values: Option<Values<K>>,
    values: Option<Values<K>>,
    #[serde(default)]
    variables: BTreeMap<String, Variable>,
    #[serde(default = "Vec::new", deserialize_with = "kept")]
    resource_changes: Vec<ResourceChange<K>>,
    #[serde(default = "Vec::new", deserialize_with = "kept")]
    resource_drift: Vec<ResourceChange<K>>,
    #[serde(default)]
    deferred_changes: Vec<IgnoredAny>,
    #[serde(default = "BTreeMap::new")]
    output_changes: BTreeMap<String, Change<K::Output, K::Marks>>,
    #[serde(default)]
    configuration: Configuration,
    #[serde(default)]
    errored: bool,
    complete: Option<bool>,
    // Of a state file.
    version: Option<IgnoredAny>,
    lineage: Option<IgnoredAny>,
}

/// The changes that the reader keeps: a large plan has one for every resource.
fn kept<'de, K: Keep, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<ResourceChange<K>>, D::Error> {
    struct Kept<K>(PhantomData<K>);

    impl<'de, K: Keep> Visitor<'de> for Kept<K> {
        type Value = Vec<ResourceChange<K>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the changes of a plan")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut changes: A) -> Result<Self::Value, A::Error> {
            let mut kept = Vec::new();
            while let Some(change) = changes.next_element()? {
                if K::keeps(&change) {
                    kept.push(change);
                }
            }
            Ok(kept)
        }
    }

    deserializer.deserialize_seq(Kept(PhantomData))
}

/// The state that a plan was made from, which its JSON holds, beside the code that says where its resources are.
#[derive(Debug, Clone, Deserialize)]
#[serde(bound = "")]
pub struct PriorState<K: Keep = All> {
    /// Null before the first apply.
    #[serde(default = "Option::default")]
    prior_state: Option<Prior<K>>,
    /// The variables of the root module.
    #[serde(default)]
    pub variables: BTreeMap<String, Variable>,
    /// The code, as far as it says which provider a resource has.
    #[serde(default)]
    pub configuration: Configuration,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(bound = "")]
struct Prior<K: Keep> {
    #[serde(default)]
    values: Values<K>,
}

impl<K: Keep> PriorState<K> {
    /// From the JSON of a plan, as `terraform show -json` writes it.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parse(json: &[u8]) -> Result<Self, DocumentError> {
        Ok(parse(json)?)
    }

    /// Takes out what was there; nothing before the first apply.
    pub fn take_values(&mut self) -> Values<K> {
        let prior = self.prior_state.take();
        prior.map(|of| of.values).unwrap_or_default()
    }
}

/// What the JSON of an empty state has, and nothing else.
const EMPTY_STATE: [&str; 3] = ["format_version", "terraform_version", "checks"];

impl<K: Keep> Document<K> {
    /// From the JSON of `terraform show -json`.
    ///
    /// # Errors
    /// When it is something else, or of another format than 1.x.
    pub fn parse(json: &[u8]) -> Result<Self, DocumentError> {
        let root: Root<K> = parse(json)?;
        // Terraform raises the major version when a reader of the old one would misunderstand it.
        // <https://developer.hashicorp.com/terraform/internals/json-format>
        match root.format_version {
            Some(version) if version.starts_with("1.") => {}
            Some(found) => return Err(DocumentError::Format { found }),
            None if root.version.is_some() && root.lineage.is_some() => {
                return Err(DocumentError::StateFile);
            }
            None => return Err(DocumentError::Neither),
        }
        let terraform_version = root.terraform_version;
        match (root.planned_values, root.values) {
            (Some(planned_values), _) => Ok(Self::Plan(Box::new(Plan {
                terraform_version,
                variables: root.variables,
                planned_values,
                resource_changes: root.resource_changes,
                resource_drift: root.resource_drift,
                deferred_changes: root.deferred_changes.len(),
                output_changes: root.output_changes,
                configuration: root.configuration,
                errored: root.errored,
                complete: root.complete,
            }))),
            (None, Some(values)) => Ok(Self::State(State {
                terraform_version,
                values,
            })),
            (None, None) => {
                let members: BTreeMap<String, IgnoredAny> = parse(json)?;
                let is_empty_state = members
                    .keys()
                    .all(|name| EMPTY_STATE.contains(&name.as_str()));
                match is_empty_state {
                    true => Ok(Self::State(State {
                        terraform_version,
                        values: Values::default(),
                    })),
                    false => Err(DocumentError::Neither),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::plan::Action;

    fn read(json: &Value) -> Result<Document, DocumentError> {
        Document::parse(json.to_string().as_bytes())
    }

    #[test]
    fn document_parse_reads_a_plan_and_passes_over_what_it_does_not_know() {
        let plan = json!({
            "format_version": "1.9", "terraform_version": "1.11.4", "from_the_future": [1],
            "planned_values": {
                "outputs": {"known": {"sensitive": false, "type": "string", "value": "x"}, "later": {"sensitive": true}},
                "root_module": {"child_modules": [{"address": "module.a[0]", "resources": [
                    {"address": "module.a[0].x_y.z", "mode": "managed", "type": "x_y", "name": "z", "values": {"b": 1},
                     "index": 0, "sensitive_values": {"b": true}, "new": null},
                ]}]},
            },
            "resource_changes": [{"address": "x.y", "change": {"actions": ["delete", "create"], "before": {}, "after": {},
                "after_unknown": {"id": true}, "replace_paths": [["a"]]}}],
            "output_changes": {"o": {"actions": ["sing"], "before": "a", "after": null}},
            "deferred_changes": [{}, {}],
            "complete": false,
        });
        let Document::Plan(plan) = read(&plan).unwrap() else {
            panic!("a state");
        };
        assert_eq!(plan.terraform_version.as_deref(), Some("1.11.4"));
        let module = &plan.planned_values.root_module.child_modules[0];
        assert_eq!(module.address, "module.a[0]");
        assert!(module.resources[0].is_managed());
        assert_eq!(module.resources[0].values, Some(json!({"b": 1})));
        assert_eq!(module.resources[0].sensitive_values, json!({"b": true}));
        assert!(plan.planned_values.outputs["later"].sensitive);
        let change = &plan.resource_changes[0].change;
        assert!(change.is_replacement());
        assert_eq!(change.after_unknown, json!({"id": true}));
        assert_eq!(change.before_sensitive, Value::Null);
        let output = &plan.output_changes["o"];
        assert!(output.does(&Action::Other("sing".to_owned())));
        assert_eq!((&output.before, &output.after), (&Some(json!("a")), &None));
        assert_eq!((plan.deferred_changes, plan.complete), (2, Some(false)));
    }

    #[test]
    fn document_parse_of_a_state_without_resources_is_an_empty_state() {
        for state in [
            json!({"format_version": "1.0"}),
            json!({"format_version": "1.0", "terraform_version": "1.11.4", "checks": []}),
            json!({"format_version": "1.0", "values": {"root_module": {}}}),
        ] {
            match read(&state) {
                Ok(Document::State(state)) => {
                    assert!(state.values.root_module.resources.is_empty());
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn document_parse_tells_other_json_apart() {
        let told = |json: Value| read(&json).unwrap_err();
        assert_eq!(told(json!({})), DocumentError::Neither);
        let validated = json!({"format_version": "1.0", "valid": true, "diagnostics": []});
        assert_eq!(told(validated), DocumentError::Neither);
        let file = json!({"version": 4, "serial": 1, "lineage": "a", "resources": []});
        assert_eq!(told(file), DocumentError::StateFile);
        for version in ["0.2", "2.0", "10.0", ""] {
            let found = version.to_owned();
            let later = json!({"format_version": version, "planned_values": {}});
            assert_eq!(told(later), DocumentError::Format { found });
        }
    }

    #[test]
    fn document_parse_keeps_what_the_reader_asks_for() {
        #[derive(Debug, Clone)]
        struct Sizes;

        #[derive(Debug, Clone, Deserialize)]
        struct Size {
            size: u64,
        }

        impl Keep for Sizes {
            type Values = Size;
            type Marks = IgnoredAny;
            type Output = IgnoredAny;
        }

        let plan = json!({"format_version": "1.2",
            "planned_values": {"outputs": {"o": {"value": ["hunter2"]}}, "root_module": {"resources": [
                {"address": "x.y", "mode": "managed", "type": "x", "name": "y", "values": {"size": 3, "password": "hunter2"}}]}},
            "resource_changes": [{"address": "x.y", "change": {"actions": ["create"], "after": {"size": 3}, "before": null}}],
            "output_changes": {"o": {"actions": ["create"], "after": "hunter2", "after_sensitive": true}}});
        let Document::Plan(plan) = Document::<Sizes>::parse(plan.to_string().as_bytes()).unwrap()
        else {
            panic!("a state");
        };
        let values = plan.planned_values.root_module.resources[0].values.as_ref();
        assert_eq!(values.unwrap().size, 3);
        assert!(!format!("{plan:?}").contains("hunter2"));
    }
}
