use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::diagnostic::Diagnostic;
use crate::document::DocumentError;
use crate::json::JsonError;
use crate::lock::LockInfo;
use crate::state_file::StateFileError;
use crate::version::Version;

/// Why terraform did not do what it was asked.
///
/// Terraform's own words may quote sensitive values. They are in `diagnostics`, for who can redact them, and in the text
/// of an error only where they are fixed ([`Diagnostic::fixed_words`]).
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No folder of `PATH` has the program.
    #[error("terraform is not installed: no folder of PATH has it")]
    NotInstalled,
    /// Older than [`Terraform::OLDEST`](crate::Terraform::OLDEST).
    #[error("{} is terraform {found}, and {oldest} is the oldest that this works with", program.display())]
    TooOld {
        /// The program.
        program: PathBuf,
        /// What it says that it is.
        found: Version,
        /// What is needed.
        oldest: Version,
    },
    /// The program says no version that is understood.
    #[error("{} does not say which terraform it is", program.display())]
    NoVersion {
        /// The program.
        program: PathBuf,
    },
    /// The folder in which it was to run.
    #[error("{} is no folder", folder.display())]
    NoFolder {
        /// The folder.
        folder: PathBuf,
    },
    /// The system could not run it.
    #[error("`terraform {command}` cannot be run")]
    Run {
        /// Its command.
        command: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// Another run holds the lock of the state.
    #[error("`terraform {command}` found the state locked: {} by {} since {}, lock ID {}",
        lock.operation, lock.who, since(lock), lock.id)]
    Locked {
        /// Its command.
        command: &'static str,
        /// Who holds it.
        lock: Box<LockInfo>,
    },
    /// It was interrupted, and ended before it was done. What it had done is in the state.
    #[error("`terraform {command}` was interrupted")]
    Interrupted {
        /// Its command.
        command: &'static str,
        /// How it ended, as in `exit status: 1`.
        status: String,
        /// What it complained of.
        diagnostics: Vec<Diagnostic>,
    },
    /// It was interrupted, went on for all of its time of grace, and was killed. What it had made may not be in the state.
    #[error("`terraform {command}` did not end within {} of its interrupt, and was killed", report::duration(*grace))]
    Deaf {
        /// Its command.
        command: &'static str,
        /// How long it had.
        grace: Duration,
        /// What it complained of.
        diagnostics: Vec<Diagnostic>,
    },
    /// It failed.
    #[error("`terraform {command}` failed ({status}){}", words(diagnostics))]
    Failed {
        /// Its command.
        command: &'static str,
        /// How it ended, as in `exit status: 1`.
        status: String,
        /// What it complained of.
        diagnostics: Vec<Diagnostic>,
    },
    /// It wrote more than is read.
    #[error("`terraform {command}` wrote more than {max_bytes} bytes")]
    TooLong {
        /// Its command.
        command: &'static str,
        /// How many are read.
        max_bytes: u64,
    },
    /// It wrote something else than JSON.
    #[error("what `terraform {command}` wrote cannot be read")]
    Json {
        /// Its command.
        command: &'static str,
        /// What is wrong with it.
        source: JsonError,
    },
    /// It wrote something else than a plan or a state.
    #[error("what `terraform {command}` wrote cannot be read")]
    Document {
        /// Its command.
        command: &'static str,
        /// What is wrong with it.
        source: DocumentError,
    },
    /// It wrote something else than a state.
    #[error("what `terraform {command}` wrote cannot be read")]
    StateFile {
        /// Its command.
        command: &'static str,
        /// What is wrong with it.
        source: StateFileError,
    },
}

/// As many lines of terraform's own words are shown beside an error.
const SHOWN_LINES: usize = 12;

/// So many of them are of the head of an error that is longer.
const HEAD_LINES: usize = 4;
/// As many characters of each.
const SHOWN_CHARACTERS: usize = 400;

impl Error {
    /// Whether terraform was killed: then what it has made may not be in its state.
    pub fn was_killed(&self) -> bool {
        match self {
            Self::Interrupted { status, .. } | Self::Failed { status, .. } => {
                !status.starts_with("exit ")
            }
            Self::Deaf { .. } => true,
            _ => false,
        }
    }

    /// Whether terraform found nothing there that it could have imported as `address`.
    pub fn says_absent(&self, address: &str) -> bool {
        const WORDS: &str = "no object exists with the given id";
        let Self::Failed { diagnostics, .. } = self else {
            return false;
        };
        let quoted = format!("{address:?}");
        let details = diagnostics.iter().map(|one| &one.detail);
        let mut details = details.filter(|detail| detail.contains(WORDS));
        details.any(|detail| detail.contains(&quoted))
    }

    /// The last lines of what terraform complained of, with the head of an error that is longer than that, each cut at some length;
    /// none where it said nothing.
    ///
    /// They may quote values. Of `init` and `state list`, which run no provider, these are of the code and the backend;
    /// [`Environment::redact`](crate::Environment::redact) hides the secrets of the environment.
    pub fn last_lines(&self) -> Vec<String> {
        let (Self::Interrupted { diagnostics, .. }
        | Self::Deaf { diagnostics, .. }
        | Self::Failed { diagnostics, .. }) = self
        else {
            return Vec::new();
        };
        let errors = diagnostics.iter().filter(|one| one.is_error());
        let said = |line: &&str| !line.trim().is_empty();
        let each = errors.map(|one| {
            let lines = std::iter::once(one.summary.as_str()).chain(one.detail.lines());
            lines.filter(said).collect::<Vec<_>>()
        });
        let each: Vec<Vec<&str>> = each.collect();
        let lines = each.concat();
        let mut last = lines[lines.len().saturating_sub(SHOWN_LINES)..].to_vec();
        // What went wrong stands at the head of an error, and at its end sometimes only advice.
        if let Some(long) = each.last().filter(|lines| lines.len() > SHOWN_LINES) {
            last.splice(
                ..=HEAD_LINES,
                long[..HEAD_LINES].iter().copied().chain(["…"]),
            );
        }
        last.iter()
            .map(|line| match line.char_indices().nth(SHOWN_CHARACTERS) {
                Some((end, _)) => format!("{}…", &line[..end]),
                None => (*line).to_owned(),
            })
            .collect()
    }
}

fn since(lock: &LockInfo) -> String {
    lock.created
        .map_or_else(|| "an unknown time".to_owned(), |time| time.to_string())
}

fn words(diagnostics: &[Diagnostic]) -> String {
    let errors = || diagnostics.iter().filter(|one| one.is_error());
    match errors().find_map(Diagnostic::fixed_words) {
        Some(words) => format!(": {words}"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Severity;

    #[test]
    fn says_absent_is_of_the_address_that_terraform_names() {
        let error = Error::Failed {
            command: "plan",
            status: "exit status: 1".to_owned(),
            diagnostics: vec![Diagnostic {
                severity: Severity::Error,
                summary: "Cannot import non-existent remote object".to_owned(),
                detail: r#"While attempting to import an existing object to "aws_eip.a[\"x\"]", the provider detected that no object exists with the given id. Only pre-existing objects can be imported"#.to_owned(),
                address: None,
                range: None,
            }],
        };
        assert!(error.says_absent(r#"aws_eip.a["x"]"#));
        assert!(!error.says_absent("aws_eip.a"));
        assert!(!error.was_killed());
    }

    #[test]
    fn last_lines_have_the_head_of_a_long_error() {
        let lines = |detail: &str| {
            let error = Error::Failed {
                command: "apply",
                status: "exit status: 1".to_owned(),
                diagnostics: vec![Diagnostic {
                    severity: Severity::Error,
                    summary: "Error releasing the state lock".to_owned(),
                    detail: detail.to_owned(),
                    address: None,
                    range: None,
                }],
            };
            error.last_lines()
        };
        let advice: Vec<String> = (0..20).map(|line| format!("advice {line}")).collect();
        let long = lines(&format!(
            "Error message: AccessDenied\n\n{}",
            advice.join("\n")
        ));
        assert_eq!(long.len(), SHOWN_LINES);
        assert_eq!(
            long[..2],
            [
                "Error releasing the state lock",
                "Error message: AccessDenied"
            ]
        );
        assert_eq!(
            (&*long[HEAD_LINES], &*long[SHOWN_LINES - 1]),
            ("…", "advice 19")
        );
        assert_eq!(
            lines("one\ntwo"),
            ["Error releasing the state lock", "one", "two"]
        );
    }
}
