//! `terraform show -json` of a plan or a state.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use settings::Region;

use super::{Attributes, Inventory, InventoryError, Resource, Source, with_keys};

/// Terraform raises the major version when a reader of the old one would misunderstand it.
/// <https://developer.hashicorp.com/terraform/internals/json-format>
const KNOWN: &str = "1.x";

#[derive(Deserialize)]
struct Root {
    format_version: Option<String>,
    planned_values: Option<Values>,
    values: Option<Values>,
    configuration: Option<Configuration>,
    #[serde(default)]
    variables: BTreeMap<String, Variable>,
    #[serde(default)]
    errored: bool,
    complete: Option<bool>,
}

#[derive(Deserialize)]
struct Variable {
    #[serde(default)]
    value: Value,
}

#[derive(Deserialize, Default)]
struct Values {
    #[serde(default)]
    root_module: Module,
}

#[derive(Deserialize, Default)]
struct Module {
    #[serde(default)]
    address: String,
    #[serde(default)]
    resources: Vec<Instance>,
    #[serde(default)]
    child_modules: Vec<Module>,
}

#[derive(Deserialize)]
struct Instance {
    address: String,
    mode: String,
    #[serde(rename = "type")]
    kind: String,
    name: String,
    #[serde(default)]
    values: Option<Attributes>,
}

#[derive(Deserialize, Default)]
struct Configuration {
    #[serde(default)]
    provider_config: BTreeMap<String, Provider>,
    #[serde(default)]
    root_module: ConfiguredModule,
}

#[derive(Deserialize)]
struct Provider {
    #[serde(default)]
    expressions: ProviderExpressions,
}

#[derive(Deserialize, Default)]
struct ProviderExpressions {
    region: Option<Expression>,
}

#[derive(Deserialize)]
struct Expression {
    constant_value: Option<Value>,
    #[serde(default)]
    references: Vec<String>,
}

#[derive(Deserialize, Default)]
struct ConfiguredModule {
    #[serde(default)]
    resources: Vec<ConfiguredResource>,
    #[serde(default)]
    module_calls: BTreeMap<String, Call>,
}

#[derive(Deserialize)]
struct ConfiguredResource {
    address: String,
    provider_config_key: Option<String>,
}

#[derive(Deserialize)]
struct Call {
    #[serde(default)]
    module: ConfiguredModule,
}

impl Inventory {
    /// Reads what `terraform show -json` wrote of a plan or a state. A resource that says nothing of its
    /// region is in that of its provider, and where that is not known either, in `region`.
    ///
    /// # Errors
    /// When it is not such JSON, of another format version, too large, or of a plan that failed.
    pub fn from_terraform(
        json: &[u8],
        region: Option<Region>,
        dr_region: Option<Region>,
    ) -> Result<Self, InventoryError> {
        let bytes = json.len() as u64;
        if bytes > Self::MOST_BYTES {
            return Err(InventoryError::TooLarge {
                bytes,
                most: Self::MOST_BYTES,
            });
        }
        let root: Root = serde_json::from_slice(json).map_err(|source| InventoryError::Json {
            line: source.line(),
            column: source.column(),
            source,
        })?;
        match root.format_version.as_deref() {
            Some(version) if version.starts_with("1.") => {}
            // JSON that is of something else altogether.
            None => return Err(InventoryError::Neither),
            Some(found) => {
                return Err(InventoryError::Format {
                    found: found.to_owned(),
                    known: KNOWN,
                });
            }
        }
        if root.errored {
            return Err(InventoryError::Errored);
        }
        let (source, values) = match (root.planned_values, root.values) {
            (Some(values), _) => (Source::Plan, values),
            (None, Some(values)) => (Source::State, values),
            (None, None) => return Err(InventoryError::Neither),
        };
        let providers = Providers::new(root.configuration.unwrap_or_default(), &root.variables);
        let region = match (region, providers.of_key("aws")) {
            (Some(region), _) => Some(region),
            (None, Some(name)) => Some(parse(name, "provider aws")?),
            (None, None) => None,
        };
        let mut inventory = Self {
            source,
            region,
            dr_region,
            resources: Vec::new(),
            notes: Vec::new(),
            incomplete: false,
        };
        inventory.add(values.root_module, &providers)?;
        if inventory.region.is_none() {
            inventory.region = most_common(&inventory.resources);
        }
        if root.complete == Some(false) {
            inventory.incomplete = true;
            inventory
                .notes
                .push("Terraform put parts of the plan off: they are not in it".to_owned());
        }
        Ok(inventory)
    }

    fn add(&mut self, module: Module, providers: &Providers) -> Result<(), InventoryError> {
        let path = with_keys(&module.address, "");
        for instance in module.resources {
            if instance.mode != "managed" {
                continue;
            }
            let attributes = instance.values.unwrap_or_default();
            let told = attributes
                .text("region")
                .or_else(|| attributes.text("arn").and_then(region_of_arn))
                .or_else(|| providers.of(&path, &format!("{}.{}", instance.kind, instance.name)));
            let region = match told {
                Some(name) => Some(parse(name, &instance.address)?),
                None => self.region,
            };
            self.resources.push(Resource {
                address: instance.address,
                kind: instance.kind,
                region,
                attributes,
            });
        }
        for child in module.child_modules {
            self.add(child, providers)?;
        }
        Ok(())
    }
}

fn parse(name: &str, address: &str) -> Result<Region, InventoryError> {
    name.parse().map_err(|source| InventoryError::Region {
        address: address.to_owned(),
        source,
    })
}

/// The region that most resources are in: a state does not say which is that of the stack.
fn most_common(resources: &[Resource]) -> Option<Region> {
    let mut counts: BTreeMap<Region, usize> = BTreeMap::new();
    for region in resources.iter().filter_map(|resource| resource.region) {
        *counts.entry(region).or_default() += 1;
    }
    let most = counts.into_iter().max_by_key(|(_, count)| *count);
    most.map(|(region, _)| region)
}

/// `arn:aws:rds:REGION:…`; global resources have an empty one.
fn region_of_arn(arn: &str) -> Option<&str> {
    arn.split(':').nth(3).filter(|region| !region.is_empty())
}

/// Which provider each resource is configured with, and its region.
struct Providers {
    regions: BTreeMap<String, String>,
    keys: BTreeMap<(String, String), String>,
}

impl Providers {
    fn new(configuration: Configuration, variables: &BTreeMap<String, Variable>) -> Self {
        let regions = configuration
            .provider_config
            .into_iter()
            .filter_map(|(key, provider)| {
                let region = resolve(provider.expressions.region?, variables)?;
                Some((key, region))
            })
            .collect();
        let mut keys = BTreeMap::new();
        collect(configuration.root_module, "", &mut keys);
        Self { regions, keys }
    }

    fn of(&self, module: &str, resource: &str) -> Option<&str> {
        let key = self.keys.get(&(module.to_owned(), resource.to_owned()))?;
        self.of_key(key)
    }

    fn of_key(&self, key: &str) -> Option<&str> {
        self.regions.get(key).map(String::as_str)
    }
}

fn collect(module: ConfiguredModule, path: &str, keys: &mut BTreeMap<(String, String), String>) {
    for resource in module.resources {
        if let Some(key) = resource.provider_config_key {
            keys.insert((path.to_owned(), resource.address), key);
        }
    }
    for (name, call) in module.module_calls {
        let path = if path.is_empty() {
            format!("module.{name}")
        } else {
            format!("{path}.module.{name}")
        };
        collect(call.module, &path, keys);
    }
}

/// A constant or a variable of the root module; anything else only Terraform can work out.
fn resolve(expression: Expression, variables: &BTreeMap<String, Variable>) -> Option<String> {
    if let Some(Value::String(region)) = expression.constant_value {
        return Some(region);
    }
    let [reference] = expression.references.as_slice() else {
        return None;
    };
    let variable = variables.get(reference.strip_prefix("var.")?)?;
    variable.value.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests;
