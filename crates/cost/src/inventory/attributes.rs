use rust_decimal::Decimal;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use crate::estimate::{is_known, looked_at};
use crate::quantity::parse_number;

/// Those that name something: no price depends on them, and only they and what rules look at is kept of a plan, so that a
/// large one takes little memory, and values that may be secret are never kept.
const NAMES: &[&str] = &[
    "arn",
    "arn_suffix",
    "bucket",
    "db_instance_identifier",
    "function_name",
    "id",
    "identifier",
    "kms_key_id",
    "log_destination",
    "name",
    "region",
    "replicate_source_db",
    "source_db_instance_arn",
    "subnet_ids",
    "subnets",
    "tags_all",
];

/// What stands for a text that is marked as sensitive. No price is found for it.
pub(super) const HIDDEN: &str = "(sensitive value)";

/// The name as it is kept; `None` for an attribute that is not.
fn kept(name: &str) -> Option<&'static str> {
    // What tips ask for, though nothing costs by it.
    const RETENTION: &str = "retention_in_days";
    if name == RETENTION {
        return Some(RETENTION);
    }
    let named = NAMES.binary_search(&name).ok();
    let named = named.and_then(|at| NAMES.get(at));
    named.or_else(|| looked_at().get(name)).copied()
}

/// What a resource is set to, as far as it is known and prices depend on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// In order of their names. Few of each resource are kept, and there are many resources.
    values: Vec<(&'static str, Value)>,
    /// Names that no type with a rule has as far as it is known here, and that are set.
    strangers: Vec<Box<str>>,
}

impl Attributes {
    /// From names and values; null counts as not known.
    pub fn new(values: impl IntoIterator<Item = (&'static str, Value)>) -> Self {
        let values = values.into_iter().filter(|(_, value)| !value.is_null());
        values.fold(Self::default(), |all, (name, value)| all.with(name, value))
    }

    /// Names of what is set, and of which it is not known here whether it costs anything.
    pub(crate) fn strangers(&self) -> impl Iterator<Item = &str> {
        self.strangers.iter().map(AsRef::as_ref)
    }

    /// As it is set.
    pub(crate) fn value(&self, name: &str) -> Option<&Value> {
        let at = self.place(name).ok()?;
        self.values.get(at).map(|(_, value)| value)
    }

    /// Where a value is, or where it would be.
    fn place(&self, name: &str) -> Result<usize, usize> {
        self.values.binary_search_by(|(of, _)| (*of).cmp(name))
    }

    fn set(&mut self, name: &'static str, value: Value) {
        match self.place(name) {
            Ok(at) => {
                if let Some(slot) = self.values.get_mut(at) {
                    slot.1 = value;
                }
            }
            Err(at) => self.values.insert(at, (name, value)),
        }
    }

    /// A text that is not empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.value(name)?.as_str().filter(|text| !text.is_empty())
    }

    /// A number that is not negative, also when written as text.
    pub fn number(&self, name: &str) -> Option<Decimal> {
        number(self.value(name)?)
    }

    /// True or false, also when written as text.
    pub fn flag(&self, name: &str) -> Option<bool> {
        match self.value(name)? {
            Value::Bool(flag) => Some(*flag),
            Value::String(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// The value of a tag, the resource's own or its provider's.
    pub fn tag(&self, key: &str) -> Option<&str> {
        self.value("tags_all")?.get(key)?.as_str()
    }

    /// The blocks or entries of a list.
    pub fn list(&self, name: &str) -> &[Value] {
        self.value(name)
            .and_then(Value::as_array)
            .map_or(&[], Vec::as_slice)
    }

    /// Puts [`HIDDEN`] in the place of every text of the attributes that are sensitive; numbers and flags stay, since a
    /// price without them would be another. Returns the names of those that prices depend on.
    pub(super) fn hide(&mut self, is_sensitive: impl Fn(&str) -> bool) -> Vec<String> {
        fn hide(value: &mut Value, counts: bool) -> bool {
            // As with `text`: what says a number or a flag is one, but in a name.
            let number = |text: &str| text.parse::<bool>().is_ok() || parse_number(text).is_ok();
            match value {
                Value::String(text) if counts && number(text) => false,
                Value::String(text) => {
                    HIDDEN.clone_into(text);
                    true
                }
                Value::Array(values) => {
                    let hidden = values.iter_mut().map(|value| hide(value, counts));
                    hidden.fold(false, |any, hidden| any | hidden)
                }
                Value::Object(values) => {
                    let hidden = values.values_mut().map(|value| hide(value, counts));
                    hidden.fold(false, |any, hidden| any | hidden)
                }
                Value::Null | Value::Bool(_) | Value::Number(_) => false,
            }
        }
        let mut priced = Vec::new();
        for (name, value) in self
            .values
            .iter_mut()
            .filter(|(name, _)| is_sensitive(name))
        {
            let counts = NAMES.binary_search(name).is_err();
            if hide(value, counts) && counts {
                priced.push((*name).to_owned());
            }
        }
        priced
    }

    /// Sets a value.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.set(name, value.into());
        self
    }
}

pub(crate) fn number(value: &Value) -> Option<Decimal> {
    match value {
        Value::Number(number) => parse_number(&number.to_string()).ok(),
        Value::String(text) => parse_number(text).ok(),
        _ => None,
    }
}

impl<'de> Deserialize<'de> for Attributes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Kept;

        impl<'de> Visitor<'de> for Kept {
            type Value = Attributes;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("the values of a resource")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Attributes, A::Error> {
                let mut kept = Attributes::default();
                while let Some(name) = map.next_key::<std::borrow::Cow<'de, str>>()? {
                    if let Some(name) = self::kept(&name) {
                        let value = map.next_value::<Value>()?;
                        if !value.is_null() {
                            kept.set(name, value);
                        }
                    } else if is_known(&name) {
                        map.next_value::<IgnoredAny>()?;
                    } else if map.next_value::<Set>()?.0 {
                        kept.strangers.push(name.into());
                    }
                }
                kept.values.shrink_to_fit();
                Ok(kept)
            }
        }

        deserializer.deserialize_map(Kept)
    }
}

/// Whether a value is more than null, false, empty or 0.
struct Set(bool);

impl<'de> Deserialize<'de> for Set {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let is_set = match Value::deserialize(deserializer)? {
            Value::Null => false,
            Value::Bool(is) => is,
            Value::Number(number) => number.as_f64() != Some(0.0),
            Value::String(text) => !text.is_empty(),
            Value::Array(values) => !values.is_empty(),
            Value::Object(values) => !values.is_empty(),
        };
        Ok(Self(is_set))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_keep_only_what_is_needed() {
        assert!(NAMES.is_sorted());
        let attributes: Attributes = serde_json::from_str(
            r#"{"password": "secret", "multi_az": "true", "iops": null, "allocated_storage": 100}"#,
        )
        .unwrap();
        assert_eq!(attributes.values.len(), 2);
        assert_eq!(attributes.flag("multi_az"), Some(true));
        assert_eq!(
            attributes.number("allocated_storage"),
            Some(Decimal::ONE_HUNDRED)
        );
    }
}
