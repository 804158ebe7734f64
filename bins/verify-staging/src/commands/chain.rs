//! What the commands of evidence share.

use cli::{Exit, Failure, GlobalArgs};
use evidence::EvidenceError;
use report::Report;

/// As a table, JSON, or Markdown.
pub(super) fn show<R: Report>(
    global: &GlobalArgs,
    result: &R,
    markdown: bool,
) -> Result<(), Failure> {
    if markdown {
        cli::print_text(&result.document().to_markdown());
        return Ok(());
    }
    cli::print(global, result)
}

/// How an error of evidence ends the program.
pub(super) fn failed(error: EvidenceError) -> Failure {
    let (exit, hint) = match &error {
        EvidenceError::Empty { .. } => (
            Exit::Unchecked,
            "make one with `verify-staging capture`, or name the folder with --dir",
        ),
        EvidenceError::Read { .. } | EvidenceError::Write { .. } | EvidenceError::Json(_) => {
            (Exit::Unchecked, "check the folder's place and permissions")
        }
        EvidenceError::Edited { .. } => (
            Exit::Unchecked,
            "`verify-staging audit` tells what is not as it was written",
        ),
        EvidenceError::Chain { .. } => (
            Exit::Refused,
            "nothing was added; `verify-staging audit` tells what is not as it was written",
        ),
        EvidenceError::Salt { .. } => (
            Exit::Usage,
            "restore it; with a new one (remove the file) older fingerprints cannot be compared",
        ),
        EvidenceError::NoValue { .. } => (Exit::Usage, "capture outputs that have it first"),
    };
    let told = format!("failed to {error}");
    let error = match error {
        EvidenceError::Read { source, .. } | EvidenceError::Write { source, .. } => {
            anyhow::Error::new(source).context(told)
        }
        EvidenceError::Salt { source, .. } => anyhow::Error::new(source).context(told),
        EvidenceError::Json(source) => anyhow::Error::new(source).context(told),
        _ => anyhow::anyhow!(told),
    };
    Failure::new(exit, error).hint(hint)
}
