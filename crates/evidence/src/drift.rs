//! What has changed between two captures, since a capture, or against a plan: by meaning, not by text.

mod captures;
mod compare;
mod meaning;
mod plan;
mod rules;
#[cfg(test)]
mod secrets;

use jiff::civil::Date;
use report::{Document, Mark, Report};
use serde::Serialize;

pub use plan::PlanError;
pub use rules::{Rules, RulesError};

/// In which way something differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It is there now, and was not.
    Added,
    /// It was there, and is not now.
    Removed,
    /// It is something else now.
    Changed,
    /// Nobody can tell; never the same as no difference.
    Unknown,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
            Self::Unknown => "unknown",
        }
    }
}

/// A difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Where: `outputs.db_endpoint`, `checks.rds-multi-az[db]`, `plan.aws_db_instance.main.engine_version`.
    pub place: String,
    /// In which way.
    pub kind: Kind,
    /// What it means.
    pub meaning: String,
    /// What was there, unless it is not for everybody.
    pub before: Option<String>,
    /// What is there.
    pub after: Option<String>,
    /// The reason of the rule that lets it pass.
    pub ignored: Option<String>,
}

/// Everything that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Drift {
    /// What is compared.
    pub before: String,
    /// With what.
    pub after: String,
    /// What is no drift and yet good to know.
    pub notes: Vec<String>,
    /// The differences, those that count first.
    pub differences: Vec<Difference>,
}

impl Drift {
    fn new(
        before: String,
        after: String,
        mut notes: Vec<String>,
        mut differences: Vec<Difference>,
        rules: &Rules,
        today: Date,
    ) -> Self {
        notes.extend(rules.apply(&mut differences, today));
        let place = |difference: &Difference| {
            let last = match (difference.kind, &difference.ignored) {
                (_, Some(_)) => 2,
                (Kind::Unknown, None) => 1,
                (_, None) => 0,
            };
            (last, difference.place.clone())
        };
        differences.sort_by_key(place);
        Self {
            before,
            after,
            notes,
            differences,
        }
    }

    /// Differences that count.
    pub fn found(&self) -> usize {
        self.count(|one| one.kind != Kind::Unknown && one.ignored.is_none())
    }

    /// What could not be compared.
    pub fn unknown(&self) -> usize {
        self.count(|one| one.kind == Kind::Unknown)
    }

    /// Differences that a rule lets pass.
    pub fn ignored(&self) -> usize {
        self.count(|one| one.ignored.is_some())
    }

    fn count(&self, of: impl Fn(&&Difference) -> bool) -> usize {
        self.differences.iter().filter(of).count()
    }
}

impl Report for Drift {
    const KIND: &'static str = "drift";

    fn document(&self) -> Document {
        let mut document = Document::new().heading(format!(
            "Drift from {} to {}: {} found, {} unknown, {} ignored",
            self.before,
            self.after,
            self.found(),
            self.unknown(),
            self.ignored()
        ));
        for note in &self.notes {
            document = document.text(note.clone());
        }
        let rows = self.differences.iter().map(|one| {
            let mark = match (one.kind, &one.ignored) {
                (_, Some(_)) => Mark::Plain,
                (Kind::Unknown, None) => Mark::Unknown,
                (_, None) => Mark::Wrong,
            };
            let meaning = match &one.ignored {
                Some(reason) => format!("{} (ignored: {reason})", one.meaning),
                None => one.meaning.clone(),
            };
            let text = |value: &Option<String>| value.clone().unwrap_or_default();
            let cells = vec![
                one.kind.word().to_owned(),
                one.place.clone(),
                meaning,
                text(&one.before),
                text(&one.after),
            ];
            (mark, cells)
        });
        document.table(
            ["Kind", "Where", "Meaning", "Before", "After"],
            rows.collect(),
        )
    }
}
