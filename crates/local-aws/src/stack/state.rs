//! What terraform has in its state after an apply against the schemas alone (`staging.json`): every value as
//! the code has it, and made-up ids. Building the stack replaces each made-up id by the real one.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde::Deserialize;
use serde_json::{Map, Value, json};

/// A resource of the state.
#[derive(Debug, Clone, Deserialize)]
pub struct Resource {
    /// As terraform prints it.
    pub address: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its attributes.
    pub values: Map<String, Value>,
}

#[derive(Deserialize)]
struct File {
    resources: Vec<Resource>,
    outputs: Value,
}

/// The state, and which made-up id became which real one.
#[derive(Debug)]
pub struct State {
    resources: Vec<Resource>,
    outputs: Value,
    became: BTreeMap<String, String>,
    /// Outputs that are not what the schemas make of them.
    named: Mutex<BTreeMap<String, String>>,
    conventions: Conventions,
}

/// By what conventions a stack is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conventions {
    /// Those of this repository.
    Own,
    /// Those of somebody else: other names, one NAT gateway, S3's own keys for the data, no owner in the tags.
    Other,
}

/// The account that terraform was told of when it made the file.
const MADE_FOR: &str = "123456789012";

/// What somebody else calls things; the first that fits.
const OTHER_NAMES: [(&str, &str); 28] = [
    ("berthcare-staging-ecs-execution", "clinic-uat-exec"),
    ("berthcare-staging-ecs-task", "clinic-uat-runtime-app"),
    ("berthcare-staging-flow-logs", "network-flow-writer"),
    (
        "berthcare-staging-postgres-monitoring",
        "enhanced-monitoring",
    ),
    ("berthcare-staging-postgres", "clinicdb"),
    ("berthcare-staging-redis-cpu-001", "Sessions 1 processor"),
    ("berthcare-staging-redis-cpu-002", "Sessions 2 processor"),
    ("berthcare-staging-redis-memory-001", "Sessions 1 memory"),
    ("berthcare-staging-redis-memory-002", "Sessions 2 memory"),
    ("berthcare-staging-redis-evictions-001", "Sessions 1 evicts"),
    ("berthcare-staging-redis-evictions-002", "Sessions 2 evicts"),
    ("berthcare-staging-redis", "sessions"),
    ("berthcare-staging-rds-no-snapshot", "clinic-no-backup"),
    ("berthcare-staging-rds-cpu", "Database processor"),
    ("berthcare-staging-rds-free-memory", "Database memory"),
    ("berthcare-staging-rds-free-storage", "Database space"),
    ("berthcare-staging-rds-connections", "Database connections"),
    ("berthcare-staging-rds", "data-sql"),
    ("berthcare-staging-alb", "front-lb"),
    ("berthcare-staging-ecs-tasks", "workload"),
    ("berthcare-photos-staging", "clinic.uat.images"),
    ("berthcare-documents-staging", "clinic.uat.paperwork"),
    ("berthcare-signatures-staging", "clinic.uat.signed"),
    ("berthcare-logs-staging", "clinic.uat.access"),
    ("/vpc/berthcare-staging/flow-logs", "/network/flows"),
    ("alias/berthcare-staging", "alias/clinic/main"),
    ("berthcare", "clinic"),
    ("staging", "uat"),
];

impl State {
    /// By these conventions, in this account.
    pub(crate) fn load(conventions: Conventions, account: &str) -> Self {
        let text = include_str!("staging.json").replace(MADE_FOR, account);
        let mut file: Value = serde_json::from_str(&text).expect("the state");
        if conventions == Conventions::Other {
            otherwise(&mut file);
        }
        let File { resources, outputs } = serde_json::from_value(file).expect("the state");
        Self {
            conventions,
            resources,
            outputs,
            became: BTreeMap::new(),
            named: Mutex::default(),
        }
    }

    /// The resources of a type, by address, with the ids that are known by now.
    pub fn of(&self, kind: &str) -> Vec<Resource> {
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
    pub fn one(&self, kind: &str, part: &str) -> Resource {
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

    /// A name, or a text with names, as the stack has it.
    pub fn called(&self, text: &str) -> String {
        match self.conventions {
            Conventions::Own => text.to_owned(),
            Conventions::Other => other_names(text),
        }
    }

    /// What `terraform show -json` would say of the stack that was built.
    pub fn shown(&self) -> Vec<u8> {
        let resources = self.resources.iter().map(|resource| {
            let mut values = Value::Object(resource.values.clone());
            self.replace(&mut values);
            if resource.kind == "aws_db_instance" {
                let named = self.named.lock().expect("outputs");
                let secret = named.get("db_master_secret_arn");
                values["master_user_secret"] = json!([{"secret_arn": secret}]);
            }
            json!({"address": resource.address, "mode": "managed", "type": resource.kind, "name": "this",
                "values": values})
        });
        let resources: Vec<Value> = resources.collect();
        let state =
            json!({"format_version": "1.0", "values": {"root_module": {"resources": resources}}});
        serde_json::to_vec(&state).expect("JSON")
    }

    /// What `terraform output -json` would say of the stack that was built.
    pub fn outputs(&self) -> Vec<u8> {
        let mut outputs = self.outputs.clone();
        self.replace(&mut outputs);
        for (name, value) in self.named.lock().expect("outputs").iter() {
            outputs[name]["value"] = value.as_str().into();
        }
        serde_json::to_vec(&outputs).expect("JSON")
    }

    /// The state's file, as terraform would have written it.
    pub fn file(&self) -> Vec<u8> {
        let instance = |resource: &Resource| {
            let mut attributes = Value::Object(resource.values.clone());
            self.replace(&mut attributes);
            let (module, name, index) = resource.place();
            let mut instance = json!({"schema_version": 0, "attributes": attributes});
            if let Some(index) = index {
                instance["index_key"] = index;
            }
            let mut of = json!({"mode": "managed", "type": resource.kind, "name": name, "provider": PROVIDER,
                "instances": [instance]});
            if let Some(module) = module {
                of["module"] = module.into();
            }
            of
        };
        let resources: Vec<Value> = self.resources.iter().map(instance).collect();
        let outputs: Value = serde_json::from_slice(&self.outputs()).expect("outputs");
        let state = json!({"version": 4, "terraform_version": "1.12.0", "serial": 1, "lineage": LINEAGE,
            "outputs": outputs, "resources": resources, "check_results": null});
        serde_json::to_vec_pretty(&state).expect("JSON")
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

/// A text with the names that somebody else would give.
pub fn other_names(text: &str) -> String {
    let mut text = text.to_owned();
    for (own, other) in OTHER_NAMES {
        text = text.replace(own, other);
    }
    text
}

/// Turns this repository's stack into somebody else's.
fn otherwise(file: &mut Value) {
    fn rename(value: &mut Value) {
        match value {
            Value::String(text) => *text = other_names(text),
            Value::Array(values) => values.iter_mut().for_each(rename),
            Value::Object(fields) => {
                fields.remove("Owner");
                fields.values_mut().for_each(rename);
            }
            _ => {}
        }
    }
    let resources = file["resources"].as_array_mut().expect("resources");
    for resource in resources.iter_mut() {
        rename(&mut resource["values"]);
        if resource["type"] == "aws_s3_bucket_server_side_encryption_configuration" {
            let default =
                &mut resource["values"]["rule"][0]["apply_server_side_encryption_by_default"][0];
            *default = json!({"sse_algorithm": "AES256"});
        }
    }
    // One NAT gateway serves both zones.
    let of = |resource: &Value, kind: &str| {
        let address = resource["address"].as_str().unwrap_or_default();
        resource["type"] == kind && address.ends_with("[\"1\"]")
    };
    let ids: Vec<String> = resources
        .iter()
        .filter(|resource| resource["type"] == "aws_nat_gateway")
        .filter_map(|resource| resource["values"]["id"].as_str().map(str::to_owned))
        .collect();
    resources.retain(|resource| !of(resource, "aws_nat_gateway") && !of(resource, "aws_eip"));
    for resource in resources
        .iter_mut()
        .filter(|resource| resource["type"] == "aws_route")
    {
        let nat = &mut resource["values"]["nat_gateway_id"];
        if nat
            .as_str()
            .is_some_and(|nat| ids.iter().any(|id| id == nat))
        {
            *nat = ids[0].as_str().into();
        }
    }
    rename(&mut file["outputs"]);
}

/// Of the state's file.
const PROVIDER: &str = "provider[\"registry.terraform.io/hashicorp/aws\"]";
const LINEAGE: &str = "5f2c7d0e-3b1a-4c8e-9d6f-a1b2c3d4e5f6";

impl Resource {
    /// The parts of the address: module, name and key.
    fn place(&self) -> (Option<&str>, &str, Option<Value>) {
        let kind = format!("{}.", self.kind);
        let (module, rest) = self.address.rsplit_once(&kind).expect("an address");
        let (name, index) = match rest.split_once('[') {
            Some((name, index)) => (name, serde_json::from_str(index.trim_end_matches(']')).ok()),
            None => (rest, None),
        };
        let module = module.strip_suffix('.');
        (module, name, index)
    }

    /// An attribute that is a string.
    pub fn text(&self, attribute: &str) -> &str {
        self.maybe(attribute)
            .unwrap_or_else(|| panic!("{} has no text {attribute}", self.address))
    }

    /// An attribute that is a string, if there is one.
    pub fn maybe(&self, attribute: &str) -> Option<&str> {
        self.values.get(attribute).and_then(Value::as_str)
    }

    /// An attribute that is a whole number.
    pub fn number(&self, attribute: &str) -> i32 {
        self.values
            .get(attribute)
            .and_then(Value::as_i64)
            .and_then(|number| i32::try_from(number).ok())
            .unwrap_or_else(|| panic!("{} has no number {attribute}", self.address))
    }

    /// An attribute that is true or false; absent is false.
    pub fn flag(&self, attribute: &str) -> bool {
        self.values
            .get(attribute)
            .and_then(Value::as_bool)
            .unwrap_or_default()
    }

    /// An attribute that is a list of strings; absent is empty.
    pub fn texts(&self, attribute: &str) -> Vec<String> {
        self.values
            .get(attribute)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|value| value.as_str().map(str::to_owned))
            .collect()
    }

    /// The only block of a name, as blocks are lists.
    pub fn block(&self, name: &str) -> &Value {
        self.values
            .get(name)
            .and_then(|value| value.get(0))
            .unwrap_or_else(|| panic!("{} has no block {name}", self.address))
    }

    /// All tags, those of the provider included.
    pub fn tags(&self) -> Vec<(String, String)> {
        self.values
            .get("tags_all")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect()
    }
}
