//! JSON without its secrets: by names, by names beside values, by what terraform marks, and by what is in texts.

use serde_json::{Map, Value};

use super::names::{
    is_beside, is_count, is_harmless, is_name_key, is_telling, is_telling_beneath,
    is_telling_label, is_value_key,
};
use super::scan::{self, DEEPEST, Search, Span, Work};
use super::secrets::Secrets;
use super::{Hidden, Mark};

/// Why something is hidden, for people.
const MARKED: &str = "terraform says it is sensitive";
const NAMED: &str = "its name speaks of a secret";
const BESIDE: &str = "the name beside it speaks of a secret";
const LOOKS: &str = "it looks like a secret";
const ELSEWHERE: &str = "another output's secret is in it";
const PART: &str = "a secret is in it";
const UNREAD: &str = "it has more encodings in it than are looked through";

/// A walk through a document.
pub(super) struct Walk<'a> {
    search: Search<'a>,
    /// What takes the place of a secret.
    pub(super) mark: &'a Mark<'a>,
    /// What was hidden.
    pub(super) hidden: Vec<Hidden>,
    /// The secrets that were hidden.
    pub(super) secrets: Vec<String>,
}

/// Where a value is.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) place: &'a str,
    /// What it is called.
    pub(super) name: &'a str,
    /// Whether a name beside it, or around it, says that it is a secret, whatever it is called.
    pub(super) telling: Option<&'static str>,
}

/// The secrets of a value that stands within a text.
pub(super) fn secrets_in(value: &Value, search: Search<'_>) -> Vec<String> {
    let mut walk = Walk::within(search, &Mark::PLAIN);
    walk.value(At::new("", ""), value, &Value::Null);
    walk.secrets
}

impl<'a> At<'a> {
    pub(super) fn new(place: &'a str, name: &'a str) -> Self {
        Self {
            place,
            name,
            telling: None,
        }
    }

    /// Why the value is a secret, by names alone.
    fn why(self) -> Option<&'static str> {
        self.telling
            .or_else(|| is_telling(self.name).then_some(NAMED))
    }
}

impl<'a> Walk<'a> {
    /// Through a value that stands within nothing. `known` are secrets of the same document.
    pub(super) fn new(known: &'a Secrets, work: &'a Work, mark: &'a Mark<'a>) -> Self {
        let search = Search {
            known,
            work,
            depth: 0,
        };
        Self::within(search, mark)
    }

    fn within(search: Search<'a>, mark: &'a Mark<'a>) -> Self {
        Self {
            search,
            mark,
            hidden: Vec::new(),
            secrets: Vec::new(),
        }
    }

    /// `value` without its secrets. `marks` has the same shape and is true where terraform says that one is.
    pub(super) fn value(&mut self, at: At<'_>, value: &Value, marks: &Value) -> Value {
        if *marks == Value::Bool(true) {
            return self.whole(at.place, value, MARKED);
        }
        match value {
            Value::Null | Value::Bool(_) => value.clone(),
            Value::Number(number) => {
                let text = number.to_string();
                if let Some(why) = at.why().filter(|_| !is_count(at.name)) {
                    return self.whole(at.place, value, why);
                }
                if !self.search.known.ranges(&text).is_empty() {
                    return self.whole(at.place, value, ELSEWHERE);
                }
                let shown = self.mark.names(&text);
                if shown == text {
                    value.clone()
                } else {
                    shown.into()
                }
            }
            Value::String(text) => self.string(at, text),
            Value::Array(values) => self.array(at, values, marks),
            Value::Object(members) => self.object(at, members, marks),
        }
    }

    fn string(&mut self, at: At<'_>, text: &str) -> Value {
        match at.why() {
            Some(why) if !is_harmless(at.name, text) => {
                self.whole(at.place, &Value::from(text), why)
            }
            _ => self.text(at.place, at.name, text).into(),
        }
    }

    /// `text` without its secrets; everything else of it stays.
    pub(super) fn text(&mut self, place: &str, name: &str, text: &str) -> String {
        self.begin(text);
        let shown = self.looked_through(place, name, text);
        if self.search.depth == 0 && self.search.work.is_spent() {
            // It may be seen elsewhere, with all that was not found in it.
            self.secrets.push(text.to_owned());
            return self.whole_text(place, text, UNREAD);
        }
        shown
    }

    /// What is within a text is a part of the work on that one.
    fn begin(&self, text: &str) {
        if self.search.depth == 0 {
            self.search.work.begin(text.len());
        }
    }

    fn looked_through(&mut self, place: &str, name: &str, text: &str) -> String {
        if let Some(inner) = container(text) {
            if self.search.depth >= DEEPEST {
                return self.whole_text(place, text, PART);
            }
            let mut walk = Walk::within(self.search.deeper(), self.mark);
            let shown = walk.value(At::new(place, name), &inner, &Value::Null);
            let changed = !walk.secrets.is_empty() || !walk.hidden.is_empty();
            self.secrets.append(&mut walk.secrets);
            for hidden in walk.hidden {
                self.note(&hidden.at, &hidden.why);
            }
            if !changed {
                return self.mark.text(name, text);
            }
            return shown.to_string();
        }
        let spans = scan::spans(name, text, self.search);
        if spans.is_empty() {
            return self.mark.text(name, text);
        }
        if self.search.work.is_spent() {
            self.secrets
                .extend(spans.into_iter().flat_map(|span| span.secrets));
            return self.whole_text(place, text, UNREAD);
        }
        let why = |span: &Span| if span.known { ELSEWHERE } else { LOOKS };
        let mut out = String::with_capacity(text.len());
        let mut from = 0;
        for span in &spans {
            out.push_str(&text[from..span.range.start]);
            let hidden = &text[span.range.clone()];
            out.push_str(&self.mark.secret(place, &Value::from(hidden)));
            self.note(place, why(span));
            from = span.range.end;
        }
        out.push_str(&text[from..]);
        self.secrets
            .extend(spans.into_iter().flat_map(|span| span.secrets));
        // What is left may be a secret only now, as a part of one would be.
        self.begin(&out);
        if !scan::spans(name, &out, self.search).is_empty() {
            return self.whole_text(place, text, LOOKS);
        }
        self.mark.text(name, &out)
    }

    fn whole_text(&mut self, place: &str, text: &str, why: &str) -> String {
        self.note(place, why);
        self.mark.secret(place, &Value::from(text))
    }

    fn array(&mut self, at: At<'_>, values: &[Value], marks: &Value) -> Value {
        // Without the place in the list: its order means nothing.
        let place = format!("{}[]", at.place);
        let marks = |index: usize| marks.get(index).unwrap_or(&Value::Null);
        let pairs = values.len() > 1 && values.iter().all(|value| pair(value).is_some());
        let own = pair_of(values);
        let mut out = Vec::with_capacity(values.len());
        for (index, value) in values.iter().enumerate() {
            let inner = At {
                place: &place,
                name: at.name,
                telling: self.beside(at, values, index, own),
            };
            let shown = match value {
                // In a list of pairs either may come first.
                Value::Array(both) if pairs => self.pair(inner, both, marks(index)),
                _ => self.value(inner, value, marks(index)),
            };
            out.push(shown);
        }
        Value::Array(out)
    }

    /// Whether an element is a secret by the one before it: `["--password", "x"]`, `["DB_PASSWORD", "x"]`.
    fn beside(
        &self,
        at: At<'_>,
        values: &[Value],
        index: usize,
        own: Option<usize>,
    ) -> Option<&'static str> {
        let before = index
            .checked_sub(1)
            .and_then(|before| values[before].as_str());
        let flag = before
            .and_then(|before| before.strip_prefix('-'))
            .map(|flag| flag.trim_start_matches('-'))
            .is_some_and(|flag| !flag.contains(['=', ' ']) && scan::is_flag_of_secret(flag));
        let follows = values[index]
            .as_str()
            .is_none_or(|text| !text.starts_with('-'));
        if (flag && follows) || own == Some(index) {
            return Some(BESIDE);
        }
        at.telling
    }

    /// A pair of a name and a value in a list of such.
    fn pair(&mut self, at: At<'_>, both: &[Value], marks: &Value) -> Value {
        let place = format!("{}[]", at.place);
        let named = |index: usize| {
            both[index]
                .as_str()
                .is_some_and(|text| is_identifier(text) && is_telling(text))
        };
        let secret = match (named(0), named(1)) {
            (true, _) => Some(1),
            (false, true) => Some(0),
            _ => None,
        };
        let shown = both.iter().enumerate().map(|(index, value)| {
            let inner = At {
                place: &place,
                name: at.name,
                telling: if secret == Some(index) {
                    Some(BESIDE)
                } else {
                    at.telling
                },
            };
            let inner = match (index, both[0].as_str()) {
                // The second of a pair is called as the first says.
                (1, Some(name)) if is_identifier(name) && inner.telling.is_none() => {
                    At { name, ..inner }
                }
                _ => inner,
            };
            self.value(inner, value, marks.get(index).unwrap_or(&Value::Null))
        });
        Value::Array(shown.collect())
    }

    fn object(&mut self, at: At<'_>, members: &Map<String, Value>, marks: &Value) -> Value {
        let named = members
            .iter()
            .filter(|(key, _)| is_name_key(key))
            .filter_map(|(_, value)| value.as_str())
            .find(|name| is_telling_label(name))
            // A parameter of Systems Manager says what it is.
            .or_else(|| {
                members
                    .values()
                    .filter_map(Value::as_str)
                    .find(|text| *text == "SecureString")
            });
        let sensitive = members.get("sensitive") == Some(&Value::Bool(true));
        let beneath = at
            .telling
            .or_else(|| is_telling_beneath(at.name).then_some(NAMED));
        let mut out = Map::new();
        for (key, value) in members {
            let shown_key = self.text(at.place, "", key);
            let place = format!("{}.{shown_key}", at.place);
            let pointer = is_name_key(key) && members.keys().any(|key| is_pointer(key));
            let (name, telling) = match named {
                Some(name) if is_value_key(key) => (name, Some(BESIDE)),
                _ if is_beside(key) || is_pointer(key) || pointer => (key.as_str(), None),
                // DynamoDB writes an attribute as its type and its value: {"Digest": {"S": "…"}}.
                _ if members.len() == 1 && ["S", "N", "B"].contains(&key.as_str()) => {
                    (at.name, beneath)
                }
                _ => (key.as_str(), beneath),
            };
            let inner = At {
                place: &place,
                name,
                telling,
            };
            let own = own_marks(members, key);
            let mark = if sensitive && is_value_key(key) {
                &Value::Bool(true)
            } else {
                own.or_else(|| marks.get(key)).unwrap_or(&Value::Null)
            };
            let value = self.value(inner, value, mark);
            if out.insert(shown_key, value).is_some() {
                // Two keys that are told apart by their secrets alone.
                return self.whole(at.place, &Value::Object(members.clone()), LOOKS);
            }
        }
        Value::Object(out)
    }

    fn note(&mut self, place: &str, why: &str) {
        let note = Hidden {
            at: place.to_owned(),
            why: why.to_owned(),
        };
        if !self.hidden.contains(&note) {
            self.hidden.push(note);
        }
    }

    /// The mark of a value that is a secret as a whole.
    fn whole(&mut self, place: &str, value: &Value, why: &str) -> Value {
        // Whether there is a value is no secret.
        if value.is_null() || value.as_str().is_some_and(super::is_marks) {
            return value.clone();
        }
        self.note(place, why);
        self.learn(value);
        self.mark.secret(place, value).into()
    }

    /// Every part of a value that is a secret.
    fn learn(&mut self, value: &Value) {
        match value {
            Value::Null | Value::Bool(_) => {}
            Value::Number(number) => self.secrets.push(number.to_string()),
            Value::String(text) => {
                if !is_harmless("", text) {
                    self.secrets.push(text.clone());
                }
                self.begin(text);
                let inner = match container(text) {
                    Some(inner) if self.search.depth < DEEPEST => {
                        secrets_in(&inner, self.search.deeper())
                    }
                    _ => {
                        let spans = scan::spans("", text, self.search);
                        spans.into_iter().flat_map(|span| span.secrets).collect()
                    }
                };
                self.secrets.extend(inner);
            }
            Value::Array(values) => values.iter().for_each(|value| self.learn(value)),
            Value::Object(members) => members.values().for_each(|value| self.learn(value)),
        }
    }
}

/// JSON that a text is as a whole.
fn container(text: &str) -> Option<Value> {
    text.trim_start()
        .starts_with(['{', '['])
        .then(|| serde_json::from_str(text).ok())
        .flatten()
}

/// What terraform's JSON says beside `key` about what is under it.
fn own_marks<'v>(members: &'v Map<String, Value>, key: &str) -> Option<&'v Value> {
    let beside = match key {
        "values" => "sensitive_values",
        "before" => "before_sensitive",
        "after" => "after_sensitive",
        _ => return None,
    };
    members.get(beside)
}

/// Keys under which ECS and others say where a secret lies.
fn is_pointer(key: &str) -> bool {
    ["valueFrom", "value_from", "ValueFrom", "secretKeyRef"].contains(&key)
}

fn pair(value: &Value) -> Option<()> {
    let both = value.as_array().filter(|both| both.len() == 2)?;
    both.iter().any(Value::is_string).then_some(())
}

/// Which element of a list of two is a secret, when the first names it.
fn pair_of(values: &[Value]) -> Option<usize> {
    let [Value::String(name), second] = values else {
        return None;
    };
    let scalar = !second.is_array() && !second.is_object();
    // Two names of attributes, such as those of `ignore_changes`.
    let attribute = |text: &str| text.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    let names = attribute(name) && second.as_str().is_some_and(attribute);
    (scalar && !names && is_identifier(name) && is_telling(name)).then_some(1)
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 128
        && text
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/'))
}
