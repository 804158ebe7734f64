//! What results are made of: how a question was answered, about what, and why when nobody can tell.
//!
//! Every check, probe, diagnosis and maintenance task ends in one of four [`Status`]es. What was looked at is an
//! [`Observation`]: the thing itself, or why it was [`Unobserved`], which is never taken for a good answer.

use serde::{Deserialize, Serialize};

use crate::{Document, Mark};

/// How bad it is when a check fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Untidy.
    Low,
    /// Weakens the environment, or what is known of it.
    Medium,
    /// Something will not survive a fault, or a fault will not be noticed.
    High,
    /// Data can be read or lost.
    Critical,
}

impl Severity {
    /// The severity in a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// What came out of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As it should be.
    Ok,
    /// AWS shows something else than what should be.
    Wrong,
    /// Nobody could tell; never the same as [`Status::Ok`].
    Unknown,
    /// There was nothing to ask, for a reason.
    Skipped,
}

impl Status {
    /// The status in a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Wrong => "wrong",
            Self::Unknown => "unknown",
            Self::Skipped => "skipped",
        }
    }

    /// How it is shown in a document.
    pub fn mark(self) -> Mark {
        match self {
            Self::Ok => Mark::Ok,
            Self::Wrong => Mark::Wrong,
            Self::Unknown => Mark::Unknown,
            Self::Skipped => Mark::Skipped,
        }
    }
}

/// Why one cannot tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unobserved {
    /// Whether it is known that the resource does not exist.
    pub absent: bool,
    /// Why, in words.
    pub reason: String,
}

impl Unobserved {
    /// For a reason of our own.
    pub fn because(reason: impl Into<String>) -> Self {
        Self {
            absent: false,
            reason: reason.into(),
        }
    }

    /// The answer of `service` lacks a field that it should have.
    pub fn missing(service: &str, field: &str) -> Self {
        Self::because(format!("{service} shows no {field}"))
    }

    /// The resource is known not to exist.
    pub fn absent(reason: impl Into<String>) -> Self {
        Self {
            absent: true,
            reason: reason.into(),
        }
    }
}

/// What was seen, or why nothing was.
pub type Observation<T> = Result<T, Unobserved>;

/// Something that was looked at: what it should be, and what was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at, in a word or two: `database-tls`.
    pub what: &'static str,
    /// Of which resource.
    pub resource: String,
    /// What came out.
    pub status: Status,
    /// What should be.
    pub expected: String,
    /// What was seen, where something was.
    pub seen: Option<String>,
    /// Why it is unknown or was skipped.
    pub reason: Option<String>,
    /// What to do, as a command where there is one; nothing when all is well.
    pub fix: Option<String>,
}

impl Finding {
    /// From what was seen and whether that is as `expected`. What is known to be absent is wrong; what could
    /// not be seen is unknown.
    pub fn new(
        what: &'static str,
        resource: impl Into<String>,
        expected: impl Into<String>,
        seen: Observation<(bool, String)>,
    ) -> Self {
        let (status, seen, reason) = match seen {
            Ok((true, seen)) => (Status::Ok, Some(seen), None),
            Ok((false, seen)) => (Status::Wrong, Some(seen), None),
            Err(unobserved) if unobserved.absent => (
                Status::Wrong,
                Some("absent".into()),
                Some(unobserved.reason),
            ),
            Err(unobserved) => (Status::Unknown, None, Some(unobserved.reason)),
        };
        Self {
            what,
            resource: resource.into(),
            status,
            expected: expected.into(),
            seen,
            reason,
            fix: None,
        }
    }

    /// Nothing was looked at, because of `reason`.
    pub fn skipped(
        what: &'static str,
        resource: impl Into<String>,
        reason: impl Into<String>,
    ) -> Self {
        Self {
            what,
            resource: resource.into(),
            status: Status::Skipped,
            expected: String::new(),
            seen: None,
            reason: Some(reason.into()),
            fix: None,
        }
    }

    /// What to do when it is wrong.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        if self.status == Status::Wrong {
            self.fix = Some(fix.into());
        }
        self
    }

    /// A row of a table under [`Finding::COLUMNS`].
    pub fn row(&self) -> (Mark, Vec<String>) {
        let seen = [self.seen.clone(), self.reason.clone()];
        let cells = vec![
            self.status.word().to_owned(),
            self.what.to_owned(),
            self.resource.clone(),
            self.expected.clone(),
            seen.into_iter().flatten().collect::<Vec<_>>().join(": "),
        ];
        (self.status.mark(), cells)
    }

    /// The columns of [`Finding::row`].
    pub const COLUMNS: [&str; 5] = ["Status", "What", "Resource", "Expected", "Seen"];
}

/// How many of `findings` have each status, in words.
pub fn counts(findings: &[Finding]) -> String {
    [Status::Ok, Status::Wrong, Status::Unknown, Status::Skipped]
        .into_iter()
        .map(|status| {
            let count = findings
                .iter()
                .filter(|finding| finding.status == status)
                .count();
            format!("{count} {}", status.word())
        })
        .collect::<Vec<_>>()
        .join(", ")
}

/// Adds what to do about those of `findings` that have a fix.
pub fn fixes(document: Document, findings: &[Finding]) -> Document {
    let rows: Vec<_> = findings
        .iter()
        .filter_map(|finding| {
            let cells = vec![
                finding.what.to_owned(),
                finding.resource.clone(),
                finding.fix.clone()?,
            ];
            Some((finding.status.mark(), cells))
        })
        .collect();
    if rows.is_empty() {
        return document;
    }
    document
        .heading("What to do")
        .table(["What", "Resource", "Fix"], rows)
}
