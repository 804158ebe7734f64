use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::capture::Link;
use super::log::Item;
use super::redaction::Redactor;

/// Longer ones are no names, and no notes.
const LONGEST_NAME: usize = 100;
const LONGEST_NOTE: usize = 1000;

/// What somebody signs with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    by: String,
    note: Option<String>,
    at: Timestamp,
}

/// A signature that cannot be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadReview {
    /// It is empty, too long, or has line breaks or other control characters.
    #[error("a name has 1 to {LONGEST_NAME} characters, without line breaks")]
    Name,
    /// It is too long, or has line breaks or other control characters.
    #[error("a note has at most {LONGEST_NOTE} characters, without line breaks")]
    Note,
    /// It would be kept for ever.
    #[error("it looks like a secret; it was not kept")]
    Secret,
}

impl Signature {
    /// A signature of `by` at `at`.
    ///
    /// # Errors
    /// When one of the texts cannot be kept.
    pub fn new(by: &str, note: Option<&str>, at: Timestamp) -> Result<Self, BadReview> {
        let (by, note) = (
            by.trim(),
            note.map(str::trim).filter(|note| !note.is_empty()),
        );
        let fits = |text: &str, longest| {
            text.chars().count() <= longest && !text.chars().any(char::is_control)
        };
        if by.is_empty() || !fits(by, LONGEST_NAME) {
            return Err(BadReview::Name);
        }
        if note.is_some_and(|note| !fits(note, LONGEST_NOTE)) {
            return Err(BadReview::Note);
        }
        let redactor = Redactor::for_display(None);
        if [Some(by), note]
            .into_iter()
            .flatten()
            .any(|text| redactor.has_secret(text))
        {
            return Err(BadReview::Secret);
        }
        Ok(Self {
            by: by.to_owned(),
            note: note.map(str::to_owned),
            at: Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at),
        })
    }

    pub(super) fn of(
        self,
        item: &Item,
        value: String,
        capture: Link,
        number: u64,
        previous: Option<String>,
    ) -> Review {
        Review {
            format: super::FORMAT,
            number,
            previous,
            item: item.title.to_owned(),
            output: item.output.to_owned(),
            value,
            capture,
            by: self.by,
            at: self.at,
            note: self.note,
        }
    }
}

/// Somebody has looked at a recorded value. It counts for that value and for no other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Review {
    /// As that of captures.
    pub format: u32,
    /// Its place, from 1.
    pub number: u64,
    /// SHA-256 of the line before, with its line break.
    pub previous: Option<String>,
    /// The item's title.
    pub item: String,
    /// The output that has the value.
    pub output: String,
    /// The value that was looked at.
    pub value: String,
    /// The capture that recorded it.
    pub capture: Link,
    /// Who looked.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// What they said.
    pub note: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_one_line_and_holds_no_secret() {
        let sign = |by: &str, note| Signature::new(by, note, Timestamp::UNIX_EPOCH);
        assert!(sign("Zoë Q. <zoe@example.org>", Some("looked at it: fine")).is_ok());
        assert_eq!(sign(" ", None), Err(BadReview::Name));
        assert_eq!(sign("a\nb", None), Err(BadReview::Name));
        assert_eq!(sign("a", Some("b\u{1b}[2J")), Err(BadReview::Note));
        assert_eq!(sign("a", Some("password=hunter2")), Err(BadReview::Secret));
        assert!(!format!("{}", BadReview::Secret).contains("hunter2"));
    }
}
