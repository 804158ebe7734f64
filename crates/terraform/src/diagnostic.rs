//! What terraform complains of.

use serde::Deserialize;

use crate::json::without_colours;
use crate::lock::LockInfo;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The command failed.
    Error,
    /// It went on. Also what a later terraform may call otherwise.
    #[serde(other)]
    Warning,
}

/// A warning or an error. `summary` and `detail` may quote sensitive values: providers put whole answers there.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// One line.
    pub summary: String,
    /// More lines, often none.
    #[serde(default)]
    pub detail: String,
    /// The resource that it is about.
    #[serde(default)]
    pub address: Option<String>,
    /// The code that it is about.
    #[serde(default)]
    pub range: Option<SourceRange>,
}

/// A place in the code.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SourceRange {
    /// Relative to the folder in which terraform ran.
    pub filename: String,
    /// Where it begins.
    pub start: Position,
    /// Where it ends.
    pub end: Position,
}

/// A position in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Position {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

/// Summaries that terraform itself writes, and that quote nothing.
const FIXED_SUMMARIES: [&str; 13] = [
    "Backend configuration changed",
    "Backend initialization required",
    "Error acquiring the state lock",
    "Error loading the state",
    "Failed to load state",
    "Failed to persist state to backend",
    "Failed to read plan from plan file",
    "Inconsistent dependency lock file",
    "Module not installed",
    "No valid credential sources found",
    "Required plugins are not installed",
    "Saved plan is stale",
    "Unsupported Terraform Core version",
];

/// Sentences of terraform that tell the cause, wherever they stand, and that quote nothing.
const FIXED_CAUSES: [&str; 3] = [
    "No valid credential sources found",
    "state data in S3 does not have the expected content",
    "Unable to access object",
];

impl Diagnostic {
    /// Whether it made the command fail.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// The lock that another run holds, when that is what this is about. One that terraform could not give back is its own.
    pub fn lock(&self) -> Option<LockInfo> {
        let found = self.summary.starts_with("Error acquiring the state lock");
        found.then(|| LockInfo::from_message(&self.detail))?
    }

    /// Words of terraform itself about the cause, which quote no value and so may be shown; `None` when there are none
    /// among those that are known.
    pub fn fixed_words(&self) -> Option<&'static str> {
        let of_detail = FIXED_CAUSES
            .iter()
            .find(|words| self.detail.contains(**words) || self.summary.contains(**words));
        let of_summary = FIXED_SUMMARIES
            .iter()
            .find(|words| self.summary.starts_with(**words));
        of_detail.or(of_summary).copied()
    }

    /// The end of what a program wrote that failed without an error in terraform's form; `None` when it wrote nothing.
    pub(crate) fn of_words(text: &str) -> Option<Self> {
        const LINES: usize = 20;
        let text = without_colours(text);
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let lines: Vec<&str> = lines.collect();
        let last = &lines[lines.len().saturating_sub(LINES)..];
        let (summary, detail) = last.split_first()?;
        Some(Self {
            severity: Severity::Error,
            summary: (*summary).to_owned(),
            detail: detail.join("\n"),
            address: None,
            range: None,
        })
    }

    /// Those in what a command without JSON wrote for people.
    pub(crate) fn from_text(text: &str) -> Vec<Self> {
        let text = without_colours(text);
        let mut found: Vec<Self> = Vec::new();
        for line in text.lines() {
            let line = line.trim_start_matches(['│', '╷', '╵']).trim();
            let begun = [
                ("Error: ", Severity::Error),
                ("Warning: ", Severity::Warning),
            ]
            .into_iter()
            .find_map(|(word, severity)| Some((severity, line.strip_prefix(word)?)));
            if let Some((severity, summary)) = begun {
                found.push(Self {
                    severity,
                    summary: summary.to_owned(),
                    detail: String::new(),
                    address: None,
                    range: None,
                });
            } else if let Some(last) = found.last_mut() {
                let gap = if last.detail.is_empty() { "" } else { "\n" };
                if !(line.is_empty() && last.detail.is_empty()) {
                    last.detail.push_str(gap);
                    last.detail.push_str(line);
                }
            }
        }
        for diagnostic in &mut found {
            diagnostic
                .detail
                .truncate(diagnostic.detail.trim_end().len());
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn diagnostics_of_a_text_for_people_are_told_apart() {
        let text = "\n\u{1b}[33m╷\u{1b}[0m\n\u{1b}[33m│\u{1b}[0m \u{1b}[1mWarning: \u{1b}[0mDeprecated\n│ \n│ Use the \
                    other.\n╵\n\nError: Error acquiring the state lock\n\nError message: busy\nLock Info:\n  ID:        \
                    a-1\n  Path:      s\n\n\nTerraform acquires a state lock\n";
        let found = Diagnostic::from_text(text);
        let [warning, error] = found.as_slice() else {
            panic!("{found:?}");
        };
        assert_eq!(
            (warning.severity, warning.summary.as_str()),
            (Severity::Warning, "Deprecated")
        );
        assert_eq!(warning.detail, "Use the other.");
        assert!(error.is_error());
        assert_eq!(error.lock().unwrap().id.as_str(), "a-1");
        assert_eq!(error.fixed_words(), Some("Error acquiring the state lock"));
    }

    #[test]
    fn lock_that_terraform_could_not_give_back_is_nobody_elses() {
        let text = |summary: &str| {
            format!(
                "Error: {summary}\n\nError message: denied\nLock Info:\n  ID:        a-1\n  Path:      s\n"
            )
        };
        let lock = |summary: &str| Diagnostic::from_text(&text(summary))[0].lock();
        assert!(lock("Error acquiring the state lock").is_some());
        assert_eq!(lock("Error releasing the state lock"), None);
    }

    #[test]
    fn fixed_words_of_a_summary_that_quotes_a_value_are_none() {
        let text = "Error: creating RDS DB Instance (x): password hunter2 is not valid\n";
        assert_eq!(Diagnostic::from_text(text)[0].fixed_words(), None);
        let text = "Error: Failed to load state: 2 problems:\n\n- Unable to access object \"a\" in bucket \"b\"\n";
        let words = Diagnostic::from_text(text)[0].fixed_words();
        assert_eq!(words, Some("Unable to access object"));
    }
}
