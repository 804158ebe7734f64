use rust_decimal::Decimal;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

use crate::quantity::parse_number;

/// The attributes that prices depend on. Everything else is passed over while reading, so that a large plan
/// takes little memory, and values that may be secret are never kept.
const KEPT: &[&str] = &[
    "allocated_storage",
    "architectures",
    "arn",
    "arn_suffix",
    "billing_mode",
    "bucket",
    "connectivity_type",
    "cpu",
    "database_insights_mode",
    "db_cluster_instance_class",
    "desired_count",
    "engine",
    "function_name",
    "id",
    "identifier",
    "instance_class",
    "internal",
    "iops",
    "kms_key_id",
    "launch_type",
    "load_balancer_type",
    "log_destination",
    "log_destination_type",
    "manage_master_user_password",
    "max_capacity",
    "memory",
    "memory_size",
    "metric_query",
    "multi_az",
    "name",
    "node_type",
    "num_cache_clusters",
    "num_cache_nodes",
    "num_node_groups",
    "performance_insights_enabled",
    "performance_insights_retention_period",
    "period",
    "point_in_time_recovery",
    "price_class",
    "protocol",
    "publicly_accessible",
    "read_capacity",
    "region",
    "replica",
    "replicas_per_node_group",
    "replicate_source_db",
    "retention_in_days",
    "rule",
    "runtime_platform",
    "setting",
    "source_db_instance_arn",
    "storage_type",
    "subnet_ids",
    "subnet_mapping",
    "subnets",
    "transit_encryption_enabled",
    "type",
    "vpc_endpoint_type",
    "write_capacity",
];

/// Those that name something: no price depends on them.
const NAMES: &[&str] = &[
    "arn",
    "arn_suffix",
    "bucket",
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
];

/// What stands for a text that is marked as sensitive. No price is found for it.
pub(super) const HIDDEN: &str = "(sensitive value)";

/// What a resource is set to, as far as it is known and prices depend on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes(Map<String, Value>);

impl Attributes {
    /// From names and values; null counts as not known.
    pub fn new(values: impl IntoIterator<Item = (&'static str, Value)>) -> Self {
        Self(
            values
                .into_iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        )
    }

    /// A text that is not empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str().filter(|text| !text.is_empty())
    }

    /// A number that is not negative, also when written as text.
    pub fn number(&self, name: &str) -> Option<Decimal> {
        number(self.0.get(name)?)
    }

    /// True or false, also when written as text.
    pub fn flag(&self, name: &str) -> Option<bool> {
        match self.0.get(name)? {
            Value::Bool(flag) => Some(*flag),
            Value::String(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// The blocks or entries of a list.
    pub fn list(&self, name: &str) -> &[Value] {
        self.0
            .get(name)
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
        for (name, value) in self.0.iter_mut().filter(|(name, _)| is_sensitive(name)) {
            let counts = NAMES.binary_search(&name.as_str()).is_err();
            if hide(value, counts) && counts {
                priced.push(name.clone());
            }
        }
        priced
    }

    /// Sets a value.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into());
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
                let mut kept = Map::new();
                while let Some(name) = map.next_key::<std::borrow::Cow<'de, str>>()? {
                    if KEPT.binary_search(&name.as_ref()).is_ok() {
                        let value = map.next_value::<Value>()?;
                        if !value.is_null() {
                            kept.insert(name.into_owned(), value);
                        }
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(Attributes(kept))
            }
        }

        deserializer.deserialize_map(Kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_keep_only_what_is_needed() {
        assert!(KEPT.is_sorted() && NAMES.is_sorted());
        let attributes: Attributes = serde_json::from_str(
            r#"{"password": "secret", "multi_az": "true", "iops": null, "allocated_storage": 100}"#,
        )
        .unwrap();
        assert_eq!(attributes.0.len(), 2);
        assert_eq!(attributes.flag("multi_az"), Some(true));
        assert_eq!(
            attributes.number("allocated_storage"),
            Some(Decimal::ONE_HUNDRED)
        );
    }
}
