//! Two JSON values by what they mean: lists without order, numbers whatever their form, JSON within text.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::Kind;
use super::rules::matches_with;
use crate::{Redacted, canonical, has_name_mark, is_hidden, secret_kinds, skeleton, veiled};

/// Longer values are cut in reports.
const LONGEST: usize = 160;

/// What tells the objects of a list apart, the first that all of them have.
const NAMES: [&str; 7] = [
    "id",
    "arn",
    "identifier",
    "name",
    "key",
    "Sid",
    "cidr_block",
];

/// What stands for a secret; not even its fingerprint is shown.
pub(super) const VEIL: &str = "(a secret)";

/// A difference without its meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Raw {
    pub(super) place: String,
    /// The last key on the way to it.
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
    /// Whether a secret is in it, on one side at least.
    pub(super) secret: bool,
    /// Whether something beside the secrets differs.
    pub(super) around: bool,
}

/// How two sides were written down.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sides {
    /// Whether their fingerprints were made with the same salt.
    pub(super) same_salt: bool,
    /// Whether the same things were redacted in the same way.
    pub(super) same_policy: bool,
    /// Whether one redactor made both from values with the same marks: then equal values look equal.
    pub(super) one_redactor: bool,
    /// Whether an empty list or object is the same as nothing.
    pub(super) nothing_is_empty: bool,
}

impl Sides {
    pub(super) const ALIKE: Self = Self {
        same_salt: true,
        same_policy: true,
        one_redactor: false,
        nothing_is_empty: false,
    };

    /// Two sides of one document, of which terraform marks the same as sensitive or not.
    pub(super) fn of_one_document(same_marks: bool) -> Self {
        Self {
            one_redactor: same_marks,
            ..Self::ALIKE
        }
    }

    /// The same, where an empty list or object is the same as nothing.
    pub(super) fn with_nothing_as_empty(self) -> Self {
        Self {
            nothing_is_empty: true,
            ..self
        }
    }

    /// Adds what differs between `before` and `after` at `place` to `found`.
    pub(super) fn compare(
        self,
        place: &str,
        name: &str,
        before: Option<&Redacted<Value>>,
        after: Option<&Redacted<Value>>,
        found: &mut Vec<Raw>,
    ) {
        let mut walk = Walk { sides: self, found };
        let (before, after) = (before.map(|one| &**one), after.map(|one| &**one));
        walk.values(place, name, before, after, false);
    }
}

struct Walk<'a> {
    sides: Sides,
    found: &'a mut Vec<Raw>,
}

enum Verdict {
    Same,
    Different,
    Unknown,
}

impl Walk<'_> {
    /// `inside` text, a list of one and its element are the same, as in policies.
    fn values(
        &mut self,
        place: &str,
        name: &str,
        before: Option<&Value>,
        after: Option<&Value>,
        inside: bool,
    ) {
        // Terraform writes null where there is nothing.
        let some = |value: Option<&Value>| value.filter(|value| !value.is_null()).cloned();
        let is_empty = |value: &Value| match value {
            Value::Array(values) => values.is_empty(),
            Value::Object(members) => members.is_empty(),
            _ => false,
        };
        let (before, after) = match (some(before), some(after)) {
            (None, None) => return,
            (Some(one), None) | (None, Some(one))
                if self.sides.nothing_is_empty && is_empty(&one) =>
            {
                return;
            }
            (before @ Some(_), None) => return self.tell(place, name, Kind::Removed, before, None),
            (None, after @ Some(_)) => return self.tell(place, name, Kind::Added, None, after),
            (Some(before), Some(after)) => (before, after),
        };
        let (before, after, inside) = match (parsed(&before), parsed(&after)) {
            (Some(before), Some(after)) => (before, after, true),
            _ => (before, after, inside),
        };
        match (before, after) {
            (Value::Object(before), Value::Object(after)) => {
                self.objects(place, &before, &after, inside);
            }
            (Value::Array(before), Value::Array(after)) => {
                self.lists(place, name, &before, &after, inside);
            }
            (Value::Array(before), after) if inside => {
                self.lists(place, name, &before, &[after], inside);
            }
            (before, Value::Array(after)) if inside => {
                self.lists(place, name, &[before], &after, inside);
            }
            (before, after) => match self.texts(&text(&before), &text(&after)) {
                Verdict::Same => {}
                Verdict::Different => {
                    self.tell(place, name, Kind::Changed, Some(before), Some(after));
                }
                Verdict::Unknown => {
                    self.tell(place, name, Kind::Unknown, Some(before), Some(after));
                }
            },
        }
    }

    fn objects(
        &mut self,
        place: &str,
        before: &Map<String, Value>,
        after: &Map<String, Value>,
        inside: bool,
    ) {
        let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for key in keys {
            let place = format!("{place}.{key}");
            self.values(&place, key, before.get(key), after.get(key), inside);
        }
    }

    fn lists(&mut self, place: &str, name: &str, before: &[Value], after: &[Value], inside: bool) {
        if let Some((before, after)) = by_name(before).zip(by_name(after))
            && before.0 == after.0
        {
            let names: BTreeSet<&String> = before.1.keys().chain(after.1.keys()).collect();
            for one in names {
                let (before, after) = (before.1.get(one), after.1.get(one));
                let place = format!("{place}[{one}]");
                self.values(&place, name, before.copied(), after.copied(), inside);
            }
            return;
        }
        // What is in both is taken out, as often as it is.
        let mut left: Vec<&Value> = Vec::new();
        let mut right: Vec<&Value> = after.iter().collect();
        for value in before {
            match right
                .iter()
                .position(|other| self.same(value, other, inside))
            {
                Some(at) => {
                    right.swap_remove(at);
                }
                None => left.push(value),
            }
        }
        let scalar = |value: &&Value| !value.is_array() && !value.is_object();
        if left.iter().chain(&right).all(scalar) {
            // What may be the same, though nobody can tell.
            left.retain(|value| {
                let at = right.iter().position(|other| {
                    matches!(self.texts(&text(value), &text(other)), Verdict::Unknown)
                });
                let Some(at) = at else { return true };
                let other = right.swap_remove(at);
                let (before, after) = (Some((*value).clone()), Some(other.clone()));
                self.tell(&format!("{place}[]"), name, Kind::Unknown, before, after);
                false
            });
        } else if left.len() == right.len() {
            for (at, (before, after)) in left.iter().zip(&right).enumerate() {
                let place = format!("{place}[{at}]");
                self.values(&place, name, Some(before), Some(after), inside);
            }
            return;
        }
        for value in left {
            let place = format!("{place}[{}]", short(&veiled(&text(value), VEIL)));
            self.tell(&place, name, Kind::Removed, Some(value.clone()), None);
        }
        for value in right {
            let place = format!("{place}[{}]", short(&veiled(&text(value), VEIL)));
            self.tell(&place, name, Kind::Added, None, Some(value.clone()));
        }
    }

    fn same(&self, one: &Value, other: &Value, inside: bool) -> bool {
        let mut found = Vec::new();
        let mut walk = Walk {
            sides: self.sides,
            found: &mut found,
        };
        walk.values("", "", Some(one), Some(other), inside);
        found.is_empty()
    }

    fn texts(&self, before: &str, after: &str) -> Verdict {
        if before != after && self.sides.one_redactor {
            return Verdict::Different;
        }
        let hides = [before, after].map(is_hidden);
        if hides[0] != hides[1] {
            // Whether what was shown is what is hidden now, nobody can tell.
            return Verdict::Unknown;
        }
        if before == after {
            return Verdict::Same;
        }
        let secrets = [before, after].map(secret_kinds);
        if secrets[0] != secrets[1] {
            // What is a secret on one side may stand in clear on the other, where nothing told that it is one.
            let [before, after] = [before, after].map(skeleton);
            let may_be = match (secrets[0].is_empty(), secrets[1].is_empty()) {
                (true, false) => fits(&after, &before),
                (false, true) => fits(&before, &after),
                _ => true,
            };
            return if may_be {
                Verdict::Unknown
            } else {
                Verdict::Different
            };
        }
        let names = [before, after].map(has_name_mark).contains(&true);
        if (names || !secrets[0].is_empty()) && skeleton(before) == skeleton(after) {
            // Fingerprints alone differ: with one salt, those of secrets say it whatever else is redacted.
            let clear = secrets[0].iter().all(|kind| kind.ends_with("unredacted"));
            let secrets_tell = self.sides.same_salt || clear;
            let names_tell = !names || (self.sides.same_salt && self.sides.same_policy);
            if !(secrets_tell && names_tell) {
                return Verdict::Unknown;
            }
        }
        Verdict::Different
    }

    fn tell(
        &mut self,
        place: &str,
        name: &str,
        kind: Kind,
        before: Option<Value>,
        after: Option<Value>,
    ) {
        let [before, after] = [before, after].map(|value| value.map(|value| text(&value)));
        let secret = [&before, &after]
            .into_iter()
            .flatten()
            .any(|text| !secret_kinds(text).is_empty());
        let around = match (&before, &after) {
            (Some(before), Some(after)) => skeleton(before) != skeleton(after),
            _ => false,
        };
        let shown = |text: Option<String>| text.map(|text| short(&text));
        self.found.push(Raw {
            place: veiled(place, VEIL),
            name: name.to_owned(),
            kind,
            before: shown(before),
            after: shown(after),
            secret,
            around,
        });
    }
}

/// The objects of a list by what tells them apart, if something does.
fn by_name(values: &[Value]) -> Option<(&'static str, BTreeMap<String, &Value>)> {
    NAMES.iter().find_map(|name| {
        let mut named = BTreeMap::new();
        for value in values {
            let id = value.as_object()?.get(*name)?.as_str()?;
            if named.insert(id.to_owned(), value).is_some() {
                return None;
            }
        }
        (!named.is_empty()).then_some((*name, named))
    })
}

/// JSON within text; numbers and words are left as they are.
fn parsed(value: &Value) -> Option<Value> {
    let text = match value {
        Value::String(text) => text.trim(),
        Value::Object(_) | Value::Array(_) => return Some(value.clone()),
        _ => return None,
    };
    if is_hidden(text) || !(text.starts_with('{') || text.starts_with('[')) {
        return None;
    }
    serde_json::from_str(text).ok()
}

/// One text for all ways to write a value.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => match number.as_f64() {
            // Exact up to 2^53; beyond it, whole numbers are no floats in the first place.
            Some(float)
                if number.is_f64()
                    && float.fract() == 0.0
                    && float.abs() < 9_007_199_254_740_992.0 =>
            {
                format!("{float:.0}")
            }
            _ => number.to_string(),
        },
        other => canonical(other),
    }
}

/// Whether `text` can be what `redacted` was before its secrets went.
fn fits(redacted: &str, text: &str) -> bool {
    matches_with('\0', &veiled(redacted, "\0"), text)
}

fn short(text: &str) -> String {
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    let begin: String = text.chars().take(LONGEST).collect();
    format!("{begin}…")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Redactor;
    use serde_json::json;

    fn differ(before: &Value, after: &Value) -> Vec<String> {
        with(Sides::ALIKE, before, after)
    }

    fn with(sides: Sides, before: &Value, after: &Value) -> Vec<String> {
        let mut found = Vec::new();
        let [before, after] =
            [before, after].map(|value| Redactor::for_display(None).trusted(value));
        sides.compare("v", "v", Some(&before), Some(&after), &mut found);
        found
            .iter()
            .map(|raw| format!("{} {}", raw.kind.word(), raw.place))
            .collect()
    }

    #[test]
    fn what_means_the_same_is_the_same() {
        let policy = |action: Value, effect: &str| {
            json!({"Version": "2012-10-17", "Statement": [{"Effect": effect, "Action": action}]})
                .to_string()
        };
        for (before, after) in [
            (json!(["a", "b", "b"]), json!(["b", "a", "b"])),
            (json!(5432), json!(5432.0)),
            (json!(1e3), json!(1000)),
            (json!(5432), json!("5432")),
            (json!(true), json!("true")),
            (json!({"a": null, "b": 1}), json!({"b": 1})),
            (json!({"a": 1, "b": 2}), json!({"b": 2, "a": 1})),
            (
                json!(r#"{"a": 1, "b": [1,2]}"#),
                json!(r#"{"b":[2,1],"a":1.0}"#),
            ),
            (json!(r#"{"a":1}"#), json!({"a": 1})),
            (
                json!(policy(json!("s3:Get*"), "Allow")),
                json!(policy(json!(["s3:Get*"]), "Allow")),
            ),
            (
                json!([{"id": "a", "n": [1, 2]}, {"id": "b"}]),
                json!([{"id": "b"}, {"n": [2, 1], "id": "a"}]),
            ),
            (json!([[1, 2], [3]]), json!([[3], [2, 1]])),
        ] {
            assert_eq!(differ(&before, &after), [""; 0], "{before} {after}");
        }
    }

    #[test]
    fn what_means_something_else_is_told_by_its_place() {
        for (before, after, told) in [
            (json!(1), json!(2), vec!["changed v"]),
            (json!("1.10"), json!("1.1"), vec!["changed v"]),
            (json!(["a", "b"]), json!(["a"]), vec!["removed v[b]"]),
            (json!(["a"]), json!(["a", "a"]), vec!["added v[a]"]),
            (
                json!({"a": {"b": 1}}),
                json!({"a": {"b": 2, "c": 3}}),
                vec!["changed v.a.b", "added v.a.c"],
            ),
            (
                json!([{"id": "a", "n": 1}, {"id": "b"}]),
                json!([{"id": "c"}, {"id": "a", "n": 2}]),
                vec!["changed v[a].n", "removed v[b]", "added v[c]"],
            ),
            (json!([{"x": 1}]), json!([{"x": 2}]), vec!["changed v[0].x"]),
            (
                json!(r#"{"a":1}"#),
                json!(r#"{"a":2}"#),
                vec!["changed v.a"],
            ),
            (json!({"a": 1}), json!("a"), vec!["changed v"]),
            (json!(["a"]), json!("a"), vec!["changed v"]),
            (json!(null), json!("a"), vec!["added v"]),
            (
                json!(9_007_199_254_740_993_u64),
                json!(9_007_199_254_740_992_u64),
                vec!["changed v"],
            ),
        ] {
            assert_eq!(differ(&before, &after), told, "{before} {after}");
        }
    }

    #[test]
    fn fingerprints_of_another_salt_are_unknown_and_never_changed() {
        let other_salt = Sides {
            same_salt: false,
            ..Sides::ALIKE
        };
        let other_policy = Sides {
            same_policy: false,
            ..Sides::ALIKE
        };
        let (a, b) = (json!("{hidden:aa}"), json!("{hidden:bb}"));
        assert_eq!(differ(&a, &b), ["changed v"]);
        assert_eq!(with(other_policy, &a, &b), ["changed v"]);
        assert_eq!(with(other_salt, &a, &b), ["unknown v"]);
        let (a, b) = (json!("arn:{account:aa}:x"), json!("arn:{account:bb}:x"));
        assert_eq!(differ(&a, &b), ["changed v"]);
        assert_eq!(with(other_salt, &a, &b), ["unknown v"]);
        assert_eq!(
            with(other_salt, &a, &json!("arn:{account:bb}:y")),
            ["changed v"]
        );
        assert_eq!(
            with(other_salt, &json!([a.clone()]), &json!([b])),
            ["unknown v[]"]
        );
        let plain = json!("arn:123456789012:x");
        assert_eq!(with(other_policy, &a, &plain), ["unknown v"]);
        assert_eq!(with(other_salt, &plain, &plain), [""; 0]);
        // Hidden since, or no longer.
        assert_eq!(differ(&json!("{hidden:aa}"), &json!("x")), ["unknown v"]);
        // In clear on one side, hidden on the other; in clear on both.
        let clear = json!("{unredacted:cc}");
        assert_eq!(differ(&a_secret(), &clear), ["unknown v"]);
        assert_eq!(with(other_salt, &clear, &clear), [""; 0]);
        assert_eq!(
            with(other_salt, &clear, &json!("{unredacted:dd}")),
            ["changed v"]
        );
    }

    fn a_secret() -> Value {
        json!("{hidden:aa}")
    }

    #[test]
    fn secrets_within_text_are_compared_as_far_as_their_fingerprints_can_be() {
        let other_salt = Sides {
            same_salt: false,
            ..Sides::ALIKE
        };
        let of =
            |host: &str, print: &str| json!(format!("host={host} password={{hidden:{print}}}"));
        assert_eq!(differ(&of("a", "aa"), &of("a", "bb")), ["changed v"]);
        assert_eq!(
            with(other_salt, &of("a", "aa"), &of("a", "bb")),
            ["unknown v"]
        );
        assert_eq!(
            with(other_salt, &of("a", "aa"), &of("b", "bb")),
            ["changed v"]
        );
        // A secret on one side that nothing told to be one on the other.
        let shown = json!("host=a password=x");
        assert_eq!(differ(&shown, &of("a", "aa")), ["unknown v"]);
        assert_eq!(differ(&of("a", "aa"), &shown), ["unknown v"]);
        assert_eq!(differ(&shown, &of("b", "aa")), ["changed v"]);
        assert_eq!(
            differ(&json!(["x-{hidden:aa}", "y"]), &json!(["x-z", "y"])),
            ["unknown v[]"]
        );
    }
}
