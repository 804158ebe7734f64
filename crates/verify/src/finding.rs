use report::{Document, Mark};
use serde::Serialize;

use crate::check::{Seen, Status};
use crate::evidence::{Redact, Redactor};

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
    pub(crate) fn new(
        what: &'static str,
        resource: impl Into<String>,
        expected: impl Into<String>,
        seen: Seen<(bool, String)>,
    ) -> Self {
        let (status, seen, reason) = match seen {
            Ok((true, seen)) => (Status::Ok, Some(seen), None),
            Ok((false, seen)) => (Status::Wrong, Some(seen), None),
            Err(blind) if blind.absent => {
                (Status::Wrong, Some("absent".into()), Some(blind.reason))
            }
            Err(blind) => (Status::Unknown, None, Some(blind.reason)),
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
    pub(crate) fn skipped(
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
    pub(crate) fn fix(mut self, fix: impl Into<String>) -> Self {
        if self.status == Status::Wrong {
            self.fix = Some(fix.into());
        }
        self
    }

    /// A row of a table under [`Finding::COLUMNS`].
    pub(crate) fn row(&self) -> (Mark, Vec<String>) {
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
    pub(crate) const COLUMNS: [&str; 5] = ["Status", "What", "Resource", "Expected", "Seen"];
}

impl Redact for Finding {
    fn redact(self, redactor: &Redactor<'_>) -> Self {
        Self {
            resource: self.resource.redact(redactor),
            expected: self.expected.redact(redactor),
            seen: self.seen.redact(redactor),
            reason: self.reason.redact(redactor),
            fix: self.fix.redact(redactor),
            ..self
        }
    }
}

/// How many of `findings` have each status, in words.
pub(crate) fn counts(findings: &[Finding]) -> String {
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
pub(crate) fn fixes(document: Document, findings: &[Finding]) -> Document {
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
