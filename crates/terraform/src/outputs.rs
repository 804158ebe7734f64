use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use crate::json::{JsonError, parse};

/// An output.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct Output<V = Value> {
    /// Whether terraform hides it from people.
    #[serde(default)]
    pub sensitive: bool,
    /// Its value. A plan leaves out what only the apply shows.
    #[serde(default)]
    pub value: V,
}

/// A sensitive value does not show.
impl<V: fmt::Debug> fmt::Debug for Output<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.sensitive {
            true => f.write_str("Output(sensitive)"),
            false => write!(f, "Output({:?})", self.value),
        }
    }
}

/// What `terraform output -json` writes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outputs(pub BTreeMap<String, Output>);

impl Outputs {
    /// From the JSON of `terraform output -json`. There may be none: before the first apply it writes `{}`.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parse(json: &[u8]) -> Result<Self, JsonError> {
        #[derive(Deserialize)]
        struct Written {
            #[serde(default)]
            sensitive: bool,
            // Unlike in a plan it is always there, which tells outputs from other JSON.
            value: Value,
        }
        let outputs: BTreeMap<String, Written> = parse(json)?;
        let outputs = outputs.into_iter().map(|(name, output)| {
            let (sensitive, value) = (output.sensitive, output.value);
            (name, Output { sensitive, value })
        });
        Ok(Self(outputs.collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_parse_keeps_values_and_hides_sensitive_ones_from_debug() {
        let outputs = Outputs::parse(
            br#"{"a": {"sensitive": false, "type": "string", "value": "x"},
                 "b": {"sensitive": true, "type": "string", "value": "hunter2"}, "c": {"value": null}}"#,
        )
        .unwrap();
        assert_eq!(outputs.0["b"].value, "hunter2");
        assert_eq!(outputs.0["c"].value, Value::Null);
        let shown = format!("{outputs:?}");
        assert!(
            shown.contains("\"x\"") && !shown.contains("hunter2"),
            "{shown}"
        );
        assert_eq!(Outputs::parse(b"{}").unwrap(), Outputs::default());
        let plan = br#"{"format_version": "1.2", "planned_values": {}}"#;
        assert!(matches!(Outputs::parse(plan), Err(JsonError::Shape { .. })));
    }
}
