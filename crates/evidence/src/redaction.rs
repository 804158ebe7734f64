//! Values as they may be shown and written down: secrets, account ids and endpoints replaced by marks in braces.
//!
//! [`names`] says what a name tells about the value beside it, [`scan`] finds secrets in texts, [`value`] goes
//! through JSON with both. None of them knows what the values are for.

mod names;
#[cfg(test)]
pub(crate) mod planted;
mod redacted;
mod scan;
mod secrets;
#[cfg(test)]
mod tests;
mod value;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::salt::Salt;
use crate::outputs::Outputs;

pub use redacted::{Redact, Redacted};
use scan::Work;
pub(crate) use secrets::Secrets;
use value::{At, Walk};

/// Digits of the fingerprint of a secret, and of an id or name: 128 and 64 bits.
const SECRET_DIGITS: usize = 32;
const NAME_DIGITS: usize = 16;

/// What is done with what is no secret and yet may not be for everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Redaction {
    /// It stays.
    Keep,
    /// It goes; whether it changed does not show.
    Mask,
    /// A fingerprint takes its place, so that a change shows.
    Fingerprint,
}

/// What is done with what. Secrets are always redacted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedactionPolicy {
    /// Account ids: any twelve digits that stand alone.
    pub account_ids: Redaction,
    /// Host names of AWS, IPv4 addresses, and outputs whose name says that they are such.
    pub endpoints: Redaction,
}

impl RedactionPolicy {
    /// Secrets alone are redacted.
    pub(crate) const SECRETS: Self = Self {
        account_ids: Redaction::Keep,
        endpoints: Redaction::Keep,
    };
}

impl Default for RedactionPolicy {
    /// Endpoints are what the log records, and private ones lead nowhere from outside.
    fn default() -> Self {
        Self {
            account_ids: Redaction::Fingerprint,
            endpoints: Redaction::Keep,
        }
    }
}

/// A part of a value that was hidden because it is a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hidden {
    /// Where: the name of the output, then keys; `[]` is a place in a list.
    pub at: String,
    /// Why it is taken for a secret.
    pub why: String,
}

/// Replaces what may not be written down.
#[derive(Debug)]
pub struct Redactor<'a> {
    salt: Option<&'a Salt>,
    policy: RedactionPolicy,
    secrets: Secrets,
}

impl<'a> Redactor<'a> {
    /// For outputs and what is said about them, with fingerprints made with `salt`.
    pub fn new(salt: &'a Salt, policy: RedactionPolicy, outputs: &Outputs) -> Self {
        let mut redactor = Self::salted(salt, policy);
        redactor.learn_outputs(outputs);
        redactor
    }

    /// For what is shown and not kept, about `outputs`: no fingerprints, and nothing but secrets goes.
    pub fn for_display(outputs: Option<&Outputs>) -> Self {
        let mut redactor = Self {
            salt: None,
            policy: RedactionPolicy::SECRETS,
            secrets: Secrets::default(),
        };
        if let Some(outputs) = outputs {
            redactor.learn_outputs(outputs);
        }
        redactor
    }

    /// One that knows no secrets yet.
    pub(crate) fn salted(salt: &'a Salt, policy: RedactionPolicy) -> Self {
        Self {
            salt: Some(salt),
            policy,
            secrets: Secrets::default(),
        }
    }

    fn learn_outputs(&mut self, outputs: &Outputs) {
        for (name, output) in outputs.iter() {
            self.learn(name, &output.value, &Value::Bool(output.sensitive));
        }
    }

    /// Takes note of the secrets of `value`, to find them elsewhere. `marks` is true where terraform marks one.
    pub(crate) fn learn(&mut self, name: &str, value: &Value, marks: &Value) {
        let nothing = Secrets::default();
        let work = Work::new();
        let mut walk = Walk::new(&nothing, &work, &Mark::PLAIN);
        walk.value(At::new("", name), value, marks);
        self.secrets.add(walk.secrets);
    }

    /// The outputs as they may be written down.
    pub(crate) fn outputs(
        &self,
        outputs: &Outputs,
    ) -> BTreeMap<String, (bool, Redacted<Value>, Vec<Hidden>)> {
        outputs
            .iter()
            .map(|(name, output)| {
                let mut hidden = Vec::new();
                let marks = Value::Bool(output.sensitive);
                let value = self.value(name, name, &output.value, &marks, &mut hidden);
                (name.to_owned(), (output.sensitive, value, hidden))
            })
            .collect()
    }

    /// `value`, which is found at `place` and called `name`; `marks` is true where terraform marks a secret.
    pub(crate) fn value(
        &self,
        place: &str,
        name: &str,
        value: &Value,
        marks: &Value,
        hidden: &mut Vec<Hidden>,
    ) -> Redacted<Value> {
        self.walk(
            self.mark(SecretMark::Fingerprint),
            place,
            name,
            value,
            marks,
            hidden,
        )
    }

    /// Like [`Redactor::value`], of what was redacted when it was written down. What is a secret all the same gets
    /// a mark of its own, by which nobody can compare it with one that was hidden then.
    pub(crate) fn again(&self, place: &str, name: &str, value: &Value) -> Redacted<Value> {
        let mark = self.mark(SecretMark::Clear);
        self.walk(mark, place, name, value, &Value::Null, &mut Vec::new())
    }

    fn walk(
        &self,
        mark: Mark<'_>,
        place: &str,
        name: &str,
        value: &Value,
        marks: &Value,
        hidden: &mut Vec<Hidden>,
    ) -> Redacted<Value> {
        let work = Work::new();
        let mut walk = Walk::new(&self.secrets, &work, &mark);
        let shown = walk.value(At::new(place, name), value, marks);
        hidden.append(&mut walk.hidden);
        Redacted::new(shown)
    }

    /// What is said about outputs, such as the result of a check. Secrets in it leave no fingerprint.
    pub fn sentence(&self, text: &str) -> String {
        let mark = self.mark(SecretMark::Plain);
        let work = Work::new();
        Walk::new(&self.secrets, &work, &mark).text("", "", text)
    }

    /// Whether a secret is in `text`.
    pub fn has_secret(&self, text: &str) -> bool {
        let work = Work::new();
        let mut walk = Walk::new(&self.secrets, &work, &Mark::PLAIN);
        walk.text("", "", text);
        !walk.hidden.is_empty()
    }

    /// `what` without its secrets, and with a type that says so.
    pub fn apply<T: Redact>(&self, what: T) -> Redacted<T> {
        Redacted::new(what.redact(self))
    }

    /// A value that a test has written as it would be redacted.
    #[cfg(test)]
    pub(crate) fn trusted(&self, value: &Value) -> Redacted<Value> {
        Redacted::new(value.clone())
    }

    fn mark(&self, secrets: SecretMark) -> Mark<'a> {
        Mark {
            salt: self.salt,
            policy: self.policy,
            secrets,
        }
    }
}

/// How a secret shows that it is not there.
#[derive(Debug, Clone, Copy)]
enum SecretMark {
    Plain,
    Fingerprint,
    Clear,
}

/// What takes the place of what is replaced.
#[derive(Debug, Clone, Copy)]
struct Mark<'a> {
    salt: Option<&'a Salt>,
    policy: RedactionPolicy,
    secrets: SecretMark,
}

impl Mark<'_> {
    const PLAIN: Mark<'static> = Mark {
        salt: None,
        policy: RedactionPolicy::SECRETS,
        secrets: SecretMark::Plain,
    };

    /// The mark of a secret: equal secrets at one place have equal ones.
    fn secret(&self, place: &str, value: &Value) -> String {
        let kind = match self.secrets {
            SecretMark::Plain => return "{hidden}".to_owned(),
            SecretMark::Fingerprint => "hidden",
            SecretMark::Clear => CLEAR,
        };
        let Some(salt) = self.salt else {
            return format!("{{{kind}}}");
        };
        let text = format!("{place}\0{}", canonical(value));
        let print = salt.fingerprint("secret", &text, SECRET_DIGITS);
        format!("{{{kind}:{print}}}")
    }

    fn text(&self, name: &str, text: &str) -> String {
        let shown = self.names(text);
        let named = ["_endpoint", "_address", "_host", "_domain", "_domain_name"]
            .iter()
            .any(|end| name.ends_with(end));
        if named && shown == text && !text.is_empty() && !is_marks(text) {
            return self.redaction(self.policy.endpoints, "endpoint", text);
        }
        shown
    }

    /// `text` with its account ids and endpoints replaced.
    fn names(&self, text: &str) -> String {
        let text = self.runs(text, is_host_letter, |run| {
            is_host(run).then(|| self.redaction(self.policy.endpoints, "endpoint", run))
        });
        self.runs(
            &text,
            |c| c.is_ascii_alphanumeric(),
            |run| {
                let account = run.len() == 12 && run.bytes().all(|byte| byte.is_ascii_digit());
                account.then(|| self.redaction(self.policy.account_ids, "account", run))
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

    fn redaction(&self, redaction: Redaction, kind: &str, text: &str) -> String {
        match (redaction, self.salt) {
            (Redaction::Keep, _) => text.to_owned(),
            (Redaction::Fingerprint, Some(salt)) => {
                let print = salt.fingerprint(kind, text, NAME_DIGITS);
                format!("{{{kind}:{print}}}")
            }
            (Redaction::Mask | Redaction::Fingerprint, _) => format!("{{{kind}}}"),
        }
    }
}

/// The kind of the mark of a secret that stands in clear where everything should be redacted.
const CLEAR: &str = "unredacted";

/// The mark with which `text` begins, and what comes after.
pub(crate) fn mark(text: &str) -> Option<(&str, &str)> {
    let rest = text.strip_prefix('{')?;
    // No mark is longer than its kind and its fingerprint.
    let near = rest.floor_char_boundary(2 * SECRET_DIGITS);
    let end = rest[..near].find('}')?;
    let inner = &rest[..end];
    let (mark, after) = text.split_at(end + 2);
    let (kind, print) = inner.split_once(':').unwrap_or((inner, ""));
    let known = ["hidden", CLEAR, "account", "endpoint"].contains(&kind);
    (known && print.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some((mark, after))
}

/// `text` with the same mark for every account id and every endpoint, hidden or not: what is left to compare
/// when two texts were hidden differently.
pub(crate) fn skeleton(text: &str) -> String {
    let masks = Mark {
        policy: RedactionPolicy {
            account_ids: Redaction::Mask,
            endpoints: Redaction::Mask,
        },
        ..Mark::PLAIN
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

/// The marks in `text`, in order.
fn marks(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            rest = &rest[rest.find('{')?..];
            if let Some((found, after)) = mark(rest) {
                rest = after;
                return Some(found);
            }
            rest = &rest[1..];
        }
    })
}

fn is_secret_mark(mark: &str) -> bool {
    [HIDDEN_BEGIN, CLEAR_BEGIN]
        .iter()
        .any(|begin| mark.starts_with(begin))
}

const HIDDEN_BEGIN: &str = "{hidden";
const CLEAR_BEGIN: &str = "{unredacted";

/// Whether nothing but marks is in `text`.
fn is_marks(text: &str) -> bool {
    let mut rest = text.trim();
    while let Some((_, after)) = mark(rest) {
        rest = after;
        if rest.is_empty() {
            return true;
        }
    }
    false
}

/// Whether `text` is the mark of a secret, and nothing else.
pub(crate) fn is_hidden(text: &str) -> bool {
    is_secret_mark(text) && mark(text).is_some_and(|(_, after)| after.is_empty())
}

/// The marks of secrets in `text`, without their fingerprints.
pub(crate) fn secret_kinds(text: &str) -> Vec<&str> {
    marks(text)
        .filter(|mark| is_secret_mark(mark))
        .map(|mark| mark.split([':', '}']).next().unwrap_or_default())
        .collect()
}

/// Whether `text` has a mark of another kind.
pub(crate) fn has_name_mark(text: &str) -> bool {
    marks(text).any(|mark| !is_secret_mark(mark))
}

/// `text` with `veil` in the place of every secret.
pub(crate) fn veiled(text: &str, veil: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some((found, after)) = mark(rest).filter(|(found, _)| is_secret_mark(found)) {
            let _ = found;
            out.push_str(veil);
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
