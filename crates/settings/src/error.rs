//! What is wrong with an `infra.toml`, where, and how to fix it.

use std::fmt;

/// What sort of problem it is, so that a program can add its own hint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorKind {
    /// The text is not TOML.
    Syntax,
    /// A field that does not exist, most often a misspelt one.
    UnknownField,
    /// A required field is not there.
    Missing,
    /// A value of the wrong type or against AWS's rules for it.
    Invalid,
    /// Each value is fine, but two of them do not go together.
    Conflict,
    /// A region outside the data residency policy, without an exception in force.
    Residency,
}

/// A place in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

/// One problem. `Display` gives one line: file and position, field, what is wrong, the fix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct SettingsError {
    /// What sort of problem it is.
    pub kind: ErrorKind,
    /// The field, as in `state.dr.bucket` or `buckets[1].name`; empty when the problem is the file itself.
    pub path: String,
    /// The file of Terraform's outputs that it is in; `None` for `infra.toml` itself.
    pub file: Option<String>,
    /// Where in the file, unless the problem is something that is not there.
    pub position: Option<Position>,
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub fix: String,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file}: ")?;
        }
        if let Some(Position { line, column }) = self.position {
            write!(f, "line {line}, column {column}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "{}; {}", self.problem, self.fix)
    }
}

/// Every problem found in the file, in the file's order, then those of its outputs; never empty. `Display` gives one line each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct SettingsErrors(Vec<SettingsError>);

impl SettingsErrors {
    /// At least one problem. Those without a position come first.
    pub(crate) fn new(mut problems: Vec<SettingsError>) -> SettingsErrors {
        problems.sort_by_key(|problem| (problem.file.clone(), problem.position));
        SettingsErrors(problems)
    }

    /// The problems, in the file's order.
    pub fn iter(&self) -> std::slice::Iter<'_, SettingsError> {
        self.0.iter()
    }

    /// Whether any problem is of this kind.
    pub fn has(&self, kind: ErrorKind) -> bool {
        self.iter().any(|problem| problem.kind == kind)
    }
}

impl<'a> IntoIterator for &'a SettingsErrors {
    type Item = &'a SettingsError;
    type IntoIter = std::slice::Iter<'a, SettingsError>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for SettingsErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}
