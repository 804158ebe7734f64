//! `terraform show -json` of a plan or a state.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use settings::Region;
use terraform::{
    Action, Configuration, ConfiguredModule, Document, Expression, Keep, Module, PriorState,
    ResourceChange, Variable,
};

use super::attributes::HIDDEN;
use super::{Attributes, Inventory, InventoryError, Resource, Source, with_keys};

/// Of a plan or a state only the attributes that prices depend on are kept.
#[derive(Debug, Clone)]
struct Priced;

impl Keep for Priced {
    type Values = Attributes;
    type Marks = Sensitive;
    type Output = IgnoredAny;

    /// What becomes of the others stands in the planned values.
    fn keeps(change: &ResourceChange<Self>) -> bool {
        change.change.does(&Action::Forget)
    }
}

/// What of a resource is marked as sensitive: true, or objects and lists of it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
struct Sensitive(Value);

impl Sensitive {
    fn of(&self, name: &str) -> bool {
        fn any(mark: &Value) -> bool {
            match mark {
                Value::Bool(is) => *is,
                Value::Array(marks) => marks.iter().any(any),
                Value::Object(marks) => marks.values().any(any),
                Value::Null | Value::Number(_) | Value::String(_) => false,
            }
        }
        match &self.0 {
            Value::Object(marks) => marks.get(name).is_some_and(any),
            whole => any(whole),
        }
    }
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
        let (source, values, providers, forgotten, complete) =
            match Document::<Priced>::parse(json)? {
                Document::Plan(plan) if plan.errored => return Err(InventoryError::Errored),
                Document::Plan(plan) => {
                    let providers = Providers::new(plan.configuration, &plan.variables);
                    let forgotten = plan.resource_changes;
                    let (values, complete) = (plan.planned_values, plan.complete);
                    (Source::Plan, values, providers, forgotten, complete)
                }
                Document::State(state) => {
                    let providers = Providers::default();
                    (Source::State, state.values, providers, Vec::new(), None)
                }
            };
        let region = match (region, providers.of_key("aws")) {
            (Some(region), _) => Some(region),
            (None, Some(name)) => Some(parse(name, "provider aws")?),
            (None, None) => None,
        };
        let mut inventory = Self::empty(source, region, dr_region);
        inventory.add(values.root_module, &providers)?;
        // A plan may have an entry without values for what it forgets.
        let gone: BTreeSet<&str> = forgotten.iter().filter_map(left_alone).collect();
        let planned = &mut inventory.resources;
        planned.retain(|of| !gone.contains(of.address.as_str()));
        for change in forgotten {
            inventory.keep_forgotten(change, &providers)?;
        }
        if inventory.region.is_none() {
            inventory.region = most_common(&inventory.resources);
        }
        if complete == Some(false) {
            inventory.incomplete = true;
            inventory
                .notes
                .push("Terraform put parts of the plan off: they are not in it".to_owned());
        }
        Ok(inventory)
    }

    /// What is there before a plan is applied: the state that it was made from, which its JSON holds. Before the first apply
    /// there is nothing. `after` is what the plan would leave behind, whose region counts where the state does not tell.
    ///
    /// # Errors
    /// As [`Inventory::from_terraform`].
    pub fn before_plan(json: &[u8], after: &Self) -> Result<Self, InventoryError> {
        let mut prior = PriorState::<Priced>::parse(json)?;
        let values = prior.take_values();
        // A state does not say which provider a resource has.
        let providers = Providers::new(prior.configuration, &prior.variables);
        let mut before = Self::empty(Source::State, after.region, after.dr_region);
        before.add(values.root_module, &providers)?;
        Ok(before)
    }

    fn empty(source: Source, region: Option<Region>, dr_region: Option<Region>) -> Self {
        Self {
            source,
            region,
            dr_region,
            resources: Vec::new(),
            notes: Vec::new(),
            incomplete: false,
        }
    }

    fn add(&mut self, module: Module<Priced>, providers: &Providers) -> Result<(), InventoryError> {
        let (path, _) = with_keys(&module.address, "");
        let managed = module.resources.into_iter();
        for instance in managed.filter(terraform::Resource::is_managed) {
            let provider = providers.of(&path, &format!("{}.{}", instance.kind, instance.name));
            let resource = self.resource(
                (instance.address, instance.kind),
                instance.values.unwrap_or_default(),
                &instance.sensitive_values,
                provider,
            )?;
            self.resources.push(resource);
        }
        for child in module.child_modules {
            self.add(child, providers)?;
        }
        Ok(())
    }

    /// What Terraform forgets is still there, and costs what it did.
    fn keep_forgotten(
        &mut self,
        forgotten: ResourceChange<Priced>,
        providers: &Providers,
    ) -> Result<(), InventoryError> {
        let ResourceChange {
            address,
            kind,
            name,
            mode,
            change,
            ..
        } = forgotten;
        let is_made_anew = change.does(&Action::Create);
        let Some(before) = change.before.filter(|_| mode != "data") else {
            return Ok(());
        };
        self.notes.push(format!(
            "Terraform forgets {address} and leaves it where it is: it goes on costing what it does"
        ));
        let (plain, _) = with_keys(&address, "");
        let own = format!("{kind}.{name}");
        let path = plain.strip_suffix(&own).unwrap_or_default();
        let provider = providers.of(path.trim_end_matches('.'), &own);
        let mut resource =
            self.resource((address, kind), before, &change.before_sensitive, provider)?;
        if is_made_anew {
            resource.address.push_str(FORGOTTEN);
        }
        self.resources.push(resource);
        Ok(())
    }

    /// A resource in its region, without what is sensitive.
    fn resource(
        &mut self,
        (address, kind): (String, String),
        mut attributes: Attributes,
        sensitive: &Sensitive,
        provider: Option<&str>,
    ) -> Result<Resource, InventoryError> {
        let hidden = attributes.hide(|name| sensitive.of(name));
        for name in hidden {
            self.incomplete = true;
            self.notes.push(format!(
                "{name} of {address} is marked as sensitive: what depends on it has no price"
            ));
        }
        let named = attributes
            .text("region")
            .filter(|region| *region != HIDDEN)
            .or_else(|| attributes.text("arn").and_then(region_of_arn))
            .or(provider);
        let region = match named {
            Some(name) => Some(parse(name, &address)?),
            None => self.region,
        };
        Ok(Resource {
            address,
            kind,
            region,
            attributes,
        })
    }
}

/// The address of what is forgotten, unless Terraform makes it anew.
fn left_alone(forgotten: &ResourceChange<Priced>) -> Option<&str> {
    let change = &forgotten.change;
    let is_kept = forgotten.mode != "data" && change.before.is_some();
    (is_kept && !change.does(&Action::Create)).then_some(&forgotten.address)
}

/// What stands for a resource that Terraform makes anew while it leaves the one before it where it is.
const FORGOTTEN: &str = " (forgotten)";

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
#[derive(Default)]
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
