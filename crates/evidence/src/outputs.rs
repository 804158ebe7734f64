use report::finding::{Observation, Unobserved};
use serde_json::Value;

pub use terraform::Output;

/// What `terraform output -json` says.
#[derive(Debug, Clone, Default)]
pub struct Outputs(terraform::Outputs);

/// Outputs that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OutputsError {
    /// It is no JSON, or not what `terraform output -json` writes. The text itself is not repeated.
    #[error("outputs are not what `terraform output -json` writes")]
    Malformed(#[from] terraform::JsonError),
    /// There is not one output.
    #[error("there are no outputs: nothing has been applied, or this is another folder")]
    Empty,
}

impl Outputs {
    /// More than this is no list of outputs.
    pub const MOST_BYTES: u64 = 16 << 20;

    /// Outputs that terraform gave.
    ///
    /// # Errors
    /// When there are none.
    pub fn new(outputs: terraform::Outputs) -> Result<Self, OutputsError> {
        match outputs.0.is_empty() {
            true => Err(OutputsError::Empty),
            false => Ok(Self(outputs)),
        }
    }

    /// From the JSON of `terraform output -json`.
    ///
    /// # Errors
    /// When it is something else, or empty.
    pub fn parse(json: &[u8]) -> Result<Self, OutputsError> {
        Self::new(terraform::Outputs::parse(json)?)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Output)> {
        self.0
            .0
            .iter()
            .map(|(name, output)| (name.as_str(), output))
    }

    /// An output that is a string.
    ///
    /// # Errors
    /// When it is not there, null, or something else.
    pub fn text(&self, name: &str) -> Observation<&str> {
        self.value(name)?
            .as_str()
            .ok_or_else(|| Unobserved::because(format!("terraform's output {name} is no string")))
    }

    /// An output that is a list of strings.
    ///
    /// # Errors
    /// When it is not there, null, or something else.
    pub fn texts(&self, name: &str) -> Observation<Vec<&str>> {
        let wrong =
            || Unobserved::because(format!("terraform's output {name} is no list of strings"));
        self.value(name)?
            .as_array()
            .ok_or_else(wrong)?
            .iter()
            .map(|value| value.as_str().ok_or_else(wrong))
            .collect()
    }

    /// An output that is a whole number.
    ///
    /// # Errors
    /// When it is not there, null, or something else.
    pub fn number(&self, name: &str) -> Observation<i64> {
        self.value(name)?.as_i64().ok_or_else(|| {
            Unobserved::because(format!("terraform's output {name} is no whole number"))
        })
    }

    /// An output that is not null.
    ///
    /// # Errors
    /// When it is not there, or null.
    pub fn value(&self, name: &str) -> Observation<&Value> {
        match self.0.0.get(name).map(|output| &output.value) {
            None => Err(Unobserved::because(format!(
                "terraform has no output {name}"
            ))),
            Some(Value::Null) => Err(Unobserved::because(format!(
                "terraform's output {name} is null"
            ))),
            Some(value) => Ok(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_terraform_does_not_say_is_not_made_up() {
        let outputs = Outputs::parse(
            br#"{"vpc_id": {"sensitive": false, "type": "string", "value": "vpc-1"},
                "nat": {"sensitive": false, "type": ["list", "string"], "value": ["a", "b"]},
                "port": {"value": 5432}, "none": {"value": null}}"#,
        )
        .unwrap();
        assert_eq!(outputs.text("vpc_id").unwrap(), "vpc-1");
        assert_eq!(outputs.texts("nat").unwrap(), ["a", "b"]);
        assert_eq!(outputs.number("port").unwrap(), 5432);
        for name in ["none", "other", "nat"] {
            assert!(outputs.text(name).is_err(), "{name}");
        }
    }

    #[test]
    fn bad_text_is_told_by_its_place_without_repeating_it() {
        let error = Outputs::parse(b"{\"a\": {\"value\": \"hunter2\"\n").unwrap_err();
        let source = std::error::Error::source(&error).unwrap();
        let text = format!("{error} {error:?} {source}");
        assert!(text.contains("line") && !text.contains("hunter2"), "{text}");
        assert!(matches!(Outputs::parse(b"{}"), Err(OutputsError::Empty)));
    }
}
