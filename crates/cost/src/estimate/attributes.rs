//! What the attributes of a type mean for its price: read by its rule, nothing, or more than is priced here.
//!
//! Every attribute of a type with a rule is in this table, so that none can change a price in silence.

mod types;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::Value;

use super::demand::DemandBuilder;
use crate::inventory::Inventory;
use types::TYPES;

/// A setting that costs what nothing here has a price for.
#[derive(Clone, Copy, Debug)]
struct Unpriced {
    /// The attribute, with dots into its blocks.
    path: &'static str,
    /// Values, besides none, false and 0, with which it costs nothing.
    without: &'static [&'static str],
    /// What is said of any other value.
    problem: &'static str,
}

/// The attributes of a type, as words between spaces.
#[derive(Clone, Copy, Debug)]
struct Type {
    kind: &'static str,
    /// Its rule reads them.
    priced: &'static str,
    /// No price depends on them. Also what is billed where it arrives: logs by their group, objects by their bucket.
    free: &'static str,
    unpriced: &'static [Unpriced],
}

/// Of every type.
const COMMON: &[&str] = &["arn", "id", "region", "tags", "tags_all", "timeouts"];

const fn unless(
    path: &'static str,
    without: &'static [&'static str],
    problem: &'static str,
) -> Unpriced {
    Unpriced {
        path,
        without,
        problem,
    }
}

const fn costs(path: &'static str, problem: &'static str) -> Unpriced {
    unless(path, &[], problem)
}

/// The top-level attributes that anything here looks at.
pub(crate) fn looked_at() -> &'static BTreeSet<&'static str> {
    static NAMES: LazyLock<BTreeSet<&'static str>> = LazyLock::new(|| {
        let priced = TYPES.iter().flat_map(|of| of.priced.split_whitespace());
        let unpriced = TYPES.iter().flat_map(|of| of.unpriced);
        let top = |path: &'static str| path.split_once('.').map_or(path, |(top, _)| top);
        priced.chain(unpriced.map(|of| top(of.path))).collect()
    });
    &NAMES
}

/// Whether the attribute of some type with a rule is called so.
pub(crate) fn is_known(name: &str) -> bool {
    static NAMES: LazyLock<BTreeSet<&'static str>> = LazyLock::new(|| {
        let free = TYPES.iter().flat_map(|of| of.free.split_whitespace());
        let all = free.chain(COMMON.iter().copied());
        all.chain(looked_at().iter().copied()).collect()
    });
    NAMES.contains(name)
}

/// Attributes of an inventory of which it is not known whether they cost anything, as of a later provider.
pub(super) fn strangers(inventory: &Inventory) -> BTreeSet<(&str, &str)> {
    let ruled = inventory
        .resources
        .iter()
        .filter(|resource| type_of(&resource.kind).is_some());
    ruled
        .flat_map(|resource| {
            let names = resource.attributes.strangers();
            names.map(|name| (resource.kind.as_str(), name))
        })
        .collect()
}

fn type_of(kind: &str) -> Option<&'static Type> {
    let at = TYPES.binary_search_by(|of| of.kind.cmp(kind)).ok()?;
    TYPES.get(at)
}

/// Says which settings of a resource cost more than its rule knows.
pub(super) fn note_unpriced(demand: &mut DemandBuilder<'_>, kind: &str) {
    let attributes = &demand.resource.attributes;
    for of in type_of(kind).map_or(&[][..], |of| of.unpriced) {
        let mut path = of.path.split('.');
        let value = path.next().and_then(|name| attributes.value(name));
        let Some(text) = value.and_then(|value| costly(value, path, of.without)) else {
            continue;
        };
        demand.problem(of.problem.replace("{}", &text));
    }
}

/// The first value at a path, through all blocks, that costs something.
fn costly<'p>(
    value: &Value,
    mut path: impl Iterator<Item = &'p str> + Clone,
    without: &[&str],
) -> Option<String> {
    if let Value::Array(values) = value {
        return values
            .iter()
            .find_map(|value| costly(value, path.clone(), without));
    }
    if let Some(name) = path.next() {
        return costly(value.get(name)?, path, without);
    }
    let text = match value {
        Value::Null => return None,
        Value::Bool(is) => is.then(|| "true".to_owned())?,
        Value::Number(number) if number.as_f64() == Some(0.0) => return None,
        Value::Number(number) => number.to_string(),
        Value::String(text) if matches!(text.as_str(), "" | "0" | "false") => return None,
        Value::String(text) => text.clone(),
        // A block that is there.
        Value::Object(_) | Value::Array(_) => "set".to_owned(),
    };
    (!without.contains(&text.as_str())).then_some(text)
}

#[cfg(test)]
mod tests;
