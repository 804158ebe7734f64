//! Which text is a secret: because terraform says so, because it contains what terraform says is one, or
//! because it looks like one.

mod shape;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::outputs::Outputs;

pub(super) use shape::{looks_like_secret, speaks_of_secret};

/// Shorter ones are found in other text by chance.
const SHORTEST: usize = 6;

/// The secrets that outputs hold, in every form in which one may turn up elsewhere.
#[derive(Clone, Default)]
pub struct Secrets {
    forms: Vec<String>,
}

impl Secrets {
    /// The secrets of `outputs`: values that terraform hides, and those that look like secrets.
    pub fn of(outputs: &Outputs) -> Self {
        let mut secrets = Self::default();
        for (name, output) in outputs.iter() {
            secrets.learn(name, output.sensitive, &output.value);
        }
        secrets.forms.sort_unstable();
        secrets.forms.dedup();
        secrets
    }

    fn learn(&mut self, name: &str, sensitive: bool, value: &Value) {
        match value {
            Value::Null | Value::Bool(_) => {}
            Value::Number(number) => {
                if sensitive || speaks_of_secret(name) {
                    self.add(&number.to_string());
                }
            }
            Value::String(text) => {
                if sensitive {
                    self.add(text);
                }
                for secret in shape::secrets_in(name, text) {
                    self.add(&secret);
                }
            }
            Value::Array(values) => {
                for value in values {
                    self.learn(name, sensitive, value);
                }
            }
            Value::Object(members) => {
                for (key, value) in members {
                    // What is under a name that speaks of secrets is one, however deep.
                    let name = if speaks_of_secret(name) { name } else { key };
                    self.learn(name, sensitive, value);
                }
            }
        }
    }

    /// The secrets of a value, as the marks beside it say which parts are some.
    pub(crate) fn learn_marked(&mut self, value: &Value, marks: &Value) {
        match (value, marks) {
            (_, Value::Bool(true)) => self.learn("", true, value),
            (Value::Array(values), Value::Array(marks)) => {
                for (value, mark) in values.iter().zip(marks) {
                    self.learn_marked(value, mark);
                }
            }
            (Value::Object(members), Value::Object(marks)) => {
                for (key, value) in members {
                    self.learn_marked(value, marks.get(key).unwrap_or(&Value::Null));
                }
            }
            _ => {}
        }
    }

    fn add(&mut self, secret: &str) {
        if secret.len() >= SHORTEST {
            self.forms.extend(forms(secret));
        }
    }

    /// Whether one of them is in `text`.
    pub fn found_in(&self, text: &str) -> bool {
        self.forms.iter().any(|form| text.contains(form.as_str()))
    }

    /// `text`, or, when one of them is in it or it looks like one itself, a note instead.
    pub fn hide(&self, text: &str) -> String {
        if self.found_in(text) || shape::has_secret(text) {
            "(not shown: a secret is in it)".to_owned()
        } else {
            text.to_owned()
        }
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Secrets")
    }
}

/// Plain, in JSON, in URLs, in hexadecimal, and in base64 at each of the three places at which it can begin
/// in a longer text.
fn forms(secret: &str) -> Vec<String> {
    let bytes = secret.as_bytes();
    let quoted = Value::from(secret).to_string();
    let encoded = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
    let mut forms = vec![
        secret.to_owned(),
        quoted.trim_matches('"').to_owned(),
        encoded.to_lowercase(),
        encoded,
        super::seal::hex(bytes),
    ];
    for shift in 0..3 {
        let mut shifted = vec![0; shift];
        shifted.extend(bytes);
        for engine in [&BASE64_STANDARD_NO_PAD, &BASE64_URL_SAFE_NO_PAD] {
            let text = engine.encode(&shifted);
            // Digits that bits of a neighbour are mixed into are left out, at either end.
            let from = (8 * shift).div_ceil(6);
            let to = 8 * shifted.len() / 6;
            if let Some(form) = text.get(from..to) {
                forms.push(form.to_owned());
            }
        }
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outputs() -> Outputs {
        Outputs::parse(
            br#"{"a": {"sensitive": true, "value": {"user": "someone", "key": "hunter2/+\"x"}},
                "url": {"value": "amqp://app:in-a-url@host"}, "text": {"value": "{\"token\": \"in-json\"}"},
                "b": {"value": {"db_password": "plain-word", "list": [{"token": 1234567}]}},
                "vpc_id": {"value": "vpc-0a1b2c3d"}}"#,
        )
        .unwrap()
    }

    #[test]
    fn a_secret_is_found_in_every_form() {
        let secrets = Secrets::of(&outputs());
        let secret = "hunter2/+\"x";
        for text in [
            "see hunter2/+\"x there".to_owned(),
            format!("{}", serde_json::json!({ "k": secret })),
            "a=hunter2%2F%2B%22x&b".to_owned(),
            "a=hunter2%2f%2b%22x&b".to_owned(),
            "plain-word!".to_owned(),
            "pin 1234567".to_owned(),
            "the in-a-url of it".to_owned(),
            "the in-json of it".to_owned(),
        ] {
            assert!(secrets.found_in(&text), "{text}");
        }
        for before in ["", "x", "xy", "xyz"] {
            for after in ["", "1", "12"] {
                let all = format!("{before}{secret}{after}");
                for text in [
                    BASE64_STANDARD_NO_PAD.encode(&all),
                    BASE64_URL_SAFE_NO_PAD.encode(&all),
                ] {
                    assert!(secrets.found_in(&text), "{before} {after} {text}");
                }
            }
        }
        assert!(!secrets.found_in("vpc-0a1b2c3d"));
        assert!(!format!("{secrets:?}").contains("hunter2"));
    }

    #[test]
    fn text_with_a_secret_is_not_shown() {
        let secrets = Secrets::of(&outputs());
        assert_eq!(secrets.hide("vpc-0a1b2c3d"), "vpc-0a1b2c3d");
        assert!(!secrets.hide("is plain-word").contains("plain-word"));
        assert!(!secrets.hide("redis://u:pw@host").contains("pw"));
    }
}
