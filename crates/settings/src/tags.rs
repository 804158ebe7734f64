//! Tags for everything that is created.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    into = "BTreeMap<String, String>",
    try_from = "BTreeMap<String, String>"
)]
pub struct Tags(BTreeMap<String, String>);

impl From<Tags> for BTreeMap<String, String> {
    fn from(tags: Tags) -> Self {
        tags.0
    }
}

/// What AWS would refuse as a tag, or as so many of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct TagsError {
    what: String,
}

/// By the rules of the file.
impl TryFrom<BTreeMap<String, String>> for Tags {
    type Error = TagsError;

    fn try_from(tags: BTreeMap<String, String>) -> Result<Self, TagsError> {
        let wrong = |what: String| Err(TagsError { what });
        if tags.len() > MOST_TAGS {
            let given = tags.len();
            return wrong(format!(
                "{given} tags pass AWS's limit of {MOST_TAGS} on a resource"
            ));
        }
        let mut used = BTreeMap::new();
        for (key, value) in &tags {
            if let Err(problem) = check_tag(key, value) {
                return wrong(format!("the tag {key:?}: {}", problem.0));
            }
            if let Some(other) = used.insert(key.to_lowercase(), key) {
                return wrong(format!(
                    "the tags {other:?} and {key:?} differ only in case"
                ));
            }
        }
        Ok(Self(tags))
    }
}

impl Tags {
    /// The same with one more, or with another value of it.
    ///
    /// # Errors
    /// When AWS would refuse that.
    pub fn with(&self, key: &str, value: &str) -> Result<Self, TagsError> {
        let mut tags = self.0.clone();
        tags.insert(key.to_owned(), value.to_owned());
        Self::try_from(tags)
    }

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
    match check_tag(key, value) {
        Ok(()) => Some(value),
        Err((problem, fix)) => field.invalid(problem, fix),
    }
}

/// What is wrong with a tag, and what to do about it.
fn check_tag(key: &str, value: &str) -> Result<(), (String, String)> {
    let wrong = |problem: String, fix: String| Err((problem, fix));
    if !(1..=MOST_KEY_CHARS).contains(&key.chars().count()) {
        return wrong(
            format!("the length of the key is {}", key.chars().count()),
            format!("use 1 to {MOST_KEY_CHARS} characters"),
        );
    }
    if key
        .get(..4)
        .is_some_and(|prefix| prefix.eq_ignore_ascii_case("aws:"))
    {
        return wrong(
            "AWS keeps keys that start with \"aws:\" for itself".to_owned(),
            "choose another key".to_owned(),
        );
    }
    if value.chars().count() > MOST_VALUE_CHARS {
        return wrong(
            format!("the length of the value is {}", value.chars().count()),
            format!("use at most {MOST_VALUE_CHARS} characters"),
        );
    }
    for (what, text) in [("key", key), ("value", value)] {
        if let Some(c) = text.chars().find(|&c| !allowed(c)) {
            return wrong(
                format!("the {what} holds the character {c:?}"),
                "use letters, digits, spaces and \"_.:/=+-@\" only".to_owned(),
            );
        }
    }
    Ok(())
}

/// IAM's pattern for tags, `[\p{L}\p{Z}\p{N}_.:/=+\-@]`, the strictest of the services that are tagged.
fn allowed(c: char) -> bool {
    c.is_alphanumeric() || "_.:/=+-@".contains(c) || (c.is_whitespace() && !c.is_control())
}
