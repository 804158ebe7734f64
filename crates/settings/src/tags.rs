//! Tags for everything that is created.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::document::{Field, Section};
use crate::{EnvironmentName, ProjectName};

/// At most this many tags on a resource:
/// <https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html>.
const MOST_TAGS: usize = 50;
/// Longest key and value in characters, from the same page.
const MOST_KEY_CHARS: usize = 128;
const MOST_VALUE_CHARS: usize = 256;

/// Tags by AWS's rules: at most 50; keys of 1 to 128 characters that do not start with `aws:`, values of up
/// to 256; letters, digits, spaces and `_ . : / = + - @`. Keys that differ only in case are refused, since
/// IAM takes them as one
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html>).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Tags(BTreeMap<String, String>);

impl Tags {
    /// The tags in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The value of a tag.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none; a [`Settings`](crate::Settings) has at least `Project` and `Environment`.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds `Project` and `Environment`, unless the file gives a tag of that key in any case.
    pub(crate) fn with_defaults(
        mut self,
        project: &ProjectName,
        environment: &EnvironmentName,
    ) -> Tags {
        for (key, value) in [
            ("Project", project.as_str()),
            ("Environment", environment.as_str()),
        ] {
            if !self.0.keys().any(|given| given.eq_ignore_ascii_case(key)) {
                self.0.insert(key.to_owned(), value.to_owned());
            }
        }
        self
    }

    pub(crate) fn read(section: &Section<'_>) -> Option<Tags> {
        let mut tags = Tags::default();
        let mut complete = true;
        for (key, field) in section.entries() {
            let Some(value) = read_tag(key, &field) else {
                complete = false;
                continue;
            };
            if let Some(other) = tags
                .0
                .keys()
                .find(|other| other.to_lowercase() == key.to_lowercase())
            {
                complete = false;
                let problem =
                    format!("it differs from {other:?} only in case, and IAM takes both as one");
                field.conflict::<()>(problem, "keep one of the two");
            }
            tags.0.insert(key.to_owned(), value.to_owned());
        }
        let given = tags.0.len();
        let added = ["project", "environment"]
            .iter()
            .filter(|key| !tags.0.keys().any(|k| k.eq_ignore_ascii_case(key)));
        if given + added.count() > MOST_TAGS {
            section.invalid::<()>(
                format!("{given} tags with Project and Environment pass AWS's limit of {MOST_TAGS} on a resource"),
                "remove some",
            );
            complete = false;
        }
        complete.then_some(tags)
    }
}

fn read_tag<'d>(key: &str, field: &Field<'d>) -> Option<&'d str> {
    let value = field.string()?;
    if !(1..=MOST_KEY_CHARS).contains(&key.chars().count()) {
        let problem = format!("the length of the key is {}", key.chars().count());
        return field.invalid(problem, format!("use 1 to {MOST_KEY_CHARS} characters"));
    }
    if key
        .get(..4)
        .is_some_and(|prefix| prefix.eq_ignore_ascii_case("aws:"))
    {
        return field.invalid(
            "AWS keeps keys that start with \"aws:\" for itself",
            "choose another key",
        );
    }
    if value.chars().count() > MOST_VALUE_CHARS {
        let problem = format!("the length of the value is {}", value.chars().count());
        return field.invalid(
            problem,
            format!("use at most {MOST_VALUE_CHARS} characters"),
        );
    }
    for (what, text) in [("key", key), ("value", value)] {
        if let Some(c) = text.chars().find(|&c| !allowed(c)) {
            let fix = "use letters, digits, spaces and \"_.:/=+-@\" only";
            return field.invalid(format!("the {what} holds the character {c:?}"), fix);
        }
    }
    Some(value)
}

/// IAM's pattern for tags, `[\p{L}\p{Z}\p{N}_.:/=+\-@]`, the strictest of the services that are tagged.
fn allowed(c: char) -> bool {
    c.is_alphanumeric() || "_.:/=+-@".contains(c) || (c.is_whitespace() && !c.is_control())
}
