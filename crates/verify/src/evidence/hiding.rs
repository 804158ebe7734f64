//! Values as they may be written down: secrets, account ids and endpoints replaced by marks in braces.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::capture::{Hidden, Recorded};
use super::salt::Salt;
use super::secrets::{Secrets, looks_like_secret, speaks_of_secret};
use crate::outputs::Outputs;

/// Digits of the fingerprint of a secret, and of an id or name: 128 and 64 bits.
const SECRET_DIGITS: usize = 32;
const NAME_DIGITS: usize = 16;

/// What is done with what is no secret and yet may not be for everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Treatment {
    /// It stays.
    Keep,
    /// It goes; whether it changed does not show.
    Mask,
    /// A fingerprint takes its place, so that a change shows.
    Fingerprint,
}

/// What is done with what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hiding {
    /// Account ids: any twelve digits that stand alone.
    pub account_ids: Treatment,
    /// Host names of AWS, IPv4 addresses, and outputs whose name says that they are such.
    pub endpoints: Treatment,
}

impl Default for Hiding {
    /// Endpoints are what the log records, and private ones lead nowhere from outside.
    fn default() -> Self {
        Self {
            account_ids: Treatment::Fingerprint,
            endpoints: Treatment::Keep,
        }
    }
}

/// Replaces what may not be written down.
#[derive(Debug)]
pub struct Hider<'a> {
    salt: &'a Salt,
    hiding: Hiding,
    secrets: Secrets,
}

impl<'a> Hider<'a> {
    /// For outputs and what is said about them.
    pub fn new(salt: &'a Salt, hiding: Hiding, outputs: &Outputs) -> Self {
        Self::knowing(salt, hiding, Secrets::of(outputs))
    }

    pub(crate) fn knowing(salt: &'a Salt, hiding: Hiding, secrets: Secrets) -> Self {
        Self {
            salt,
            hiding,
            secrets,
        }
    }

    /// The outputs as they may be written down.
    pub fn outputs(&self, outputs: &Outputs) -> BTreeMap<String, Recorded> {
        outputs
            .iter()
            .map(|(name, output)| {
                let mut hidden = Vec::new();
                let value = if output.sensitive {
                    self.secret(
                        name,
                        &output.value,
                        "terraform says it is sensitive",
                        &mut hidden,
                    )
                } else {
                    self.value(name, name, &output.value, &mut hidden)
                };
                let recorded = Recorded {
                    sensitive: output.sensitive,
                    value,
                    hidden,
                };
                (name.to_owned(), recorded)
            })
            .collect()
    }

    /// `value`, which is found at `place` and called `name`.
    pub(crate) fn value(
        &self,
        place: &str,
        name: &str,
        value: &Value,
        hidden: &mut Vec<Hidden>,
    ) -> Value {
        match value {
            Value::Null | Value::Bool(_) => value.clone(),
            Value::Number(number) => {
                let text = number.to_string();
                if speaks_of_secret(name) || self.secrets.found_in(&text) {
                    return self.secret(place, value, "its name speaks of a secret", hidden);
                }
                let shown = self.names(&text);
                if shown == text {
                    value.clone()
                } else {
                    shown.into()
                }
            }
            Value::String(text) => {
                if looks_like_secret(name, text) {
                    return self.secret(place, value, "it looks like a secret", hidden);
                }
                if self.secrets.found_in(text) {
                    return self.secret(place, value, "another output's secret is in it", hidden);
                }
                self.text(name, text).into()
            }
            Value::Array(values) => {
                // Without the place in the list: its order means nothing.
                let place = format!("{place}[]");
                let values = values
                    .iter()
                    .map(|value| self.value(&place, name, value, hidden));
                Value::Array(values.collect())
            }
            Value::Object(members) => {
                if members.keys().any(|key| self.has_secret(key)) {
                    return self.secret(place, value, "a key of it looks like a secret", hidden);
                }
                let mut out = Map::new();
                for (key, value) in members {
                    let inner = if speaks_of_secret(name) { name } else { key };
                    let value = self.value(&format!("{place}.{key}"), inner, value, hidden);
                    out.insert(self.names(key), value);
                }
                Value::Object(out)
            }
        }
    }

    pub(crate) fn has_secret(&self, text: &str) -> bool {
        looks_like_secret("", text) || self.secrets.found_in(text)
    }

    /// The mark of a secret: equal secrets at one place have equal ones.
    pub(crate) fn secret(
        &self,
        place: &str,
        value: &Value,
        why: &str,
        hidden: &mut Vec<Hidden>,
    ) -> Value {
        // Whether there is a value is no secret.
        if value.is_null() {
            return Value::Null;
        }
        let note = Hidden {
            at: place.to_owned(),
            why: why.to_owned(),
        };
        if !hidden.contains(&note) {
            hidden.push(note);
        }
        let text = format!("{place}\0{}", canonical(value));
        let print = self.salt.fingerprint("secret", &text, SECRET_DIGITS);
        Value::String(format!("{{hidden:{print}}}"))
    }

    /// What is said about outputs, such as the result of a check.
    pub fn sentence(&self, text: &str) -> String {
        self.names(&self.secrets.hide(text))
    }

    fn text(&self, name: &str, text: &str) -> String {
        let shown = self.names(text);
        let named = ["_endpoint", "_address", "_host", "_domain", "_domain_name"]
            .iter()
            .any(|end| name.ends_with(end));
        if named && shown == text && !text.is_empty() {
            return self.treat(self.hiding.endpoints, "endpoint", text);
        }
        shown
    }

    /// `text` with its account ids and endpoints replaced.
    fn names(&self, text: &str) -> String {
        let text = self.runs(text, is_host_letter, |run| {
            is_host(run).then(|| self.treat(self.hiding.endpoints, "endpoint", run))
        });
        self.runs(
            &text,
            |c| c.is_ascii_alphanumeric(),
            |run| {
                let account = run.len() == 12 && run.bytes().all(|byte| byte.is_ascii_digit());
                account.then(|| self.treat(self.hiding.account_ids, "account", run))
            },
        )
    }

    /// `text` with some of its longest runs of letters that `belongs` takes replaced; marks stay.
    fn runs(
        &self,
        text: &str,
        belongs: impl Fn(char) -> bool,
        replaced: impl Fn(&str) -> Option<String>,
    ) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if let Some((mark, after)) = mark(rest) {
                out.push_str(mark);
                rest = after;
                continue;
            }
            if !belongs(first) {
                out.push(first);
                rest = &rest[first.len_utf8()..];
                continue;
            }
            let end = rest.find(|c| !belongs(c)).unwrap_or(rest.len());
            let (run, after) = rest.split_at(end);
            out.push_str(&replaced(run).unwrap_or_else(|| run.to_owned()));
            rest = after;
        }
        out
    }

    fn treat(&self, treatment: Treatment, kind: &str, text: &str) -> String {
        match treatment {
            Treatment::Keep => text.to_owned(),
            Treatment::Mask => format!("{{{kind}}}"),
            Treatment::Fingerprint => {
                let print = self.salt.fingerprint(kind, text, NAME_DIGITS);
                format!("{{{kind}:{print}}}")
            }
        }
    }
}

/// The mark with which `text` begins, and what comes after.
pub(crate) fn mark(text: &str) -> Option<(&str, &str)> {
    let end = text.find('}')? + 1;
    let (mark, after) = text.split_at(end);
    let inner = mark.strip_prefix('{')?.strip_suffix('}')?;
    let (kind, print) = inner.split_once(':').unwrap_or((inner, ""));
    let known = ["hidden", "account", "endpoint"].contains(&kind);
    (known && print.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some((mark, after))
}

/// `text` with the same mark for every account id and every endpoint, hidden or not: what is left to compare
/// when two texts were hidden differently.
pub(crate) fn skeleton(text: &str) -> String {
    let salt = Salt::random();
    let masks = Hider {
        salt: &salt,
        hiding: Hiding {
            account_ids: Treatment::Mask,
            endpoints: Treatment::Mask,
        },
        secrets: Secrets::default(),
    };
    let text = masks.names(text);
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some(first) = rest.chars().next() {
        if let Some((mark, after)) = mark(rest) {
            out.push_str(mark.split([':', '}']).next().unwrap_or_default());
            out.push('}');
            rest = after;
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}

fn is_host_letter(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_')
}

fn is_host(run: &str) -> bool {
    let run = run.to_ascii_lowercase();
    let run = run.trim_end_matches('.');
    let suffixes = [".amazonaws.com", ".amazonaws.com.cn", ".cloudfront.net"];
    suffixes.iter().any(|suffix| run.ends_with(suffix)) || run.parse::<Ipv4Addr>().is_ok()
}

/// JSON with its keys in order, and without spaces.
pub(crate) fn canonical(value: &Value) -> String {
    match value {
        Value::Array(values) => {
            let values: Vec<String> = values.iter().map(canonical).collect();
            format!("[{}]", values.join(","))
        }
        Value::Object(members) => {
            let members: BTreeMap<&String, &Value> = members.iter().collect();
            let members: Vec<String> = members
                .into_iter()
                .map(|(key, value)| format!("{}:{}", Value::from(key.as_str()), canonical(value)))
                .collect();
            format!("{{{}}}", members.join(","))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outputs(json: &str) -> Outputs {
        Outputs::parse(json.as_bytes()).unwrap()
    }

    fn hidden(salt: &Salt, hiding: Hiding, json: &str) -> BTreeMap<String, Recorded> {
        let outputs = outputs(json);
        Hider::new(salt, hiding, &outputs).outputs(&outputs)
    }

    // aws-behaviour: 34
    #[test]
    fn a_sensitive_value_becomes_a_fingerprint_that_shows_a_change() {
        let salt = Salt::random();
        let of = |secret: &str| {
            let json = format!(r#"{{"p": {{"sensitive": true, "value": {{"a": "{secret}"}}}}}}"#);
            hidden(&salt, Hiding::default(), &json)["p"].value.clone()
        };
        let print = of("hunter2");
        assert_eq!(print, of("hunter2"));
        assert_ne!(print, of("hunter3"));
        assert!(!print.to_string().contains("hunter"), "{print}");
        let other = Salt::random();
        let json = r#"{"p": {"sensitive": true, "value": {"a": "hunter2"}}}"#;
        assert_ne!(print, hidden(&other, Hiding::default(), json)["p"].value);
    }

    #[test]
    fn what_is_not_marked_and_yet_a_secret_goes_too() {
        let json = r#"{
            "admin_password": {"sensitive": true, "value": "s3cretive"},
            "motd": {"value": "welcome, s3cretive"},
            "url": {"value": ["postgres://u:pw@h/d"]},
            "config": {"value": {"token": "abc", "size": 3, "pin_secret": 42}},
            "odd": {"value": {"password=hunter2": 1}},
            "vpc_id": {"value": "vpc-1"}}"#;
        let recorded = hidden(&Salt::random(), Hiding::default(), json);
        let text = serde_json::to_string(&recorded).unwrap();
        for secret in ["s3cretive", "pw@", "abc", "42", "hunter2"] {
            // A fingerprint may hold these digits.
            let plain = format!("\"{secret}\"");
            assert!(!text.contains(&plain), "{secret}: {text}");
        }
        for secret in ["s3cretive", "pw@", "hunter2"] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
        assert_eq!(recorded["vpc_id"].value, "vpc-1");
        assert_eq!(recorded["config"].value["size"], 3);
        assert_eq!(
            recorded["motd"].hidden[0].why,
            "another output's secret is in it"
        );
    }

    #[test]
    fn account_ids_and_endpoints_go_by_policy() {
        let salt = Salt::random();
        let json = r#"{"topic_arn": {"value": "arn:aws:sns:ca-central-1:123456789012:alerts"},
            "db_endpoint": {"value": "db.x1.ca-central-1.rds.amazonaws.com:5432"},
            "ip": {"value": "10.0.1.7"}, "site_domain": {"value": "example.org"}}"#;
        let with = |account_ids, endpoints| {
            let hiding = Hiding {
                account_ids,
                endpoints,
            };
            let recorded = hidden(&salt, hiding, json);
            ["topic_arn", "db_endpoint", "ip", "site_domain"]
                .map(|name| recorded[name].value.as_str().unwrap().to_owned())
        };
        let [arn, endpoint, ip, site] = with(Treatment::Keep, Treatment::Keep);
        assert!(arn.contains("123456789012") && endpoint.contains("rds") && ip == "10.0.1.7");
        assert_eq!(site, "example.org");
        let masked = with(Treatment::Mask, Treatment::Mask);
        let expected = [
            "arn:aws:sns:ca-central-1:{account}:alerts",
            "{endpoint}:5432",
            "{endpoint}",
            "{endpoint}",
        ];
        assert_eq!(masked, expected);
        let printed = with(Treatment::Fingerprint, Treatment::Fingerprint);
        assert!(!printed[0].contains("123456789012"), "{printed:?}");
        assert!(printed[1].starts_with("{endpoint:") && printed[1].ends_with("}:5432"));
        // Hidden in one way or another, the rest is the same.
        for (one, other) in printed.iter().zip([arn, endpoint, ip, site]).take(3) {
            assert_eq!(skeleton(one), skeleton(&other));
        }
        assert_ne!(skeleton("{account}:a"), skeleton("{account}:b"));
    }
}
