//! What goes to stdout and stderr, and the exit status. Names and keys in it come from requests: it is escaped.
#![expect(
    clippy::disallowed_methods,
    reason = "the one place of this program that has the streams"
)]

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write};

use local_aws::stack::PracticeError;
use local_aws::{ControlError, StartError};
use report::escape::{self, EventWriter};

/// Wrong usage, the number that clap exits with.
pub(crate) const USAGE: u8 = 2;
/// Could not be done; the same number in every program of this workspace.
pub(crate) const FAILED: u8 = 3;
/// `exec` itself failed, as with env(1) and timeout(1).
pub(crate) const EXEC_FAILED: u8 = 125;
/// The command of `exec` is there but cannot be run.
pub(crate) const NOT_RUNNABLE: u8 = 126;
/// There is no such command.
pub(crate) const NOT_FOUND: u8 = 127;

/// Something to do about an error, for the last line.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub(crate) struct Hinted {
    what: String,
    hint: &'static str,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Hinted {
    pub(crate) fn new(what: impl Into<String>, hint: &'static str) -> Self {
        Self {
            what: what.into(),
            hint,
            source: None,
        }
    }
}

/// Prints a line, or several at once, and flushes. A reader that has gone away is not an error.
pub(crate) fn print(line: impl Display) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    // In one write: a reader may go once it has read what it wants.
    let text = format!("{}\n", escape::lines(&line.to_string()));
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Closed.into()),
        other => Ok(other?),
    }
}

/// Where the log of the program goes, and whether it shows colours.
pub(crate) fn log() -> (fn() -> EventWriter<io::Stderr>, bool) {
    (
        || EventWriter::text(io::stderr()),
        io::stderr().is_terminal(),
    )
}

/// The reader of stdout has gone away.
#[derive(Debug, thiserror::Error)]
#[error("write to stdout: nobody reads it")]
struct Closed;

/// Prints an error, and returns the exit status for it.
pub(crate) fn report(error: &anyhow::Error, status: u8) -> u8 {
    if error.is::<Closed>() {
        return 0;
    }
    let mut text = format!("error: failed to {error}\n");
    for cause in error.chain().skip(1) {
        text.push_str(&format!("caused by: {cause}\n"));
    }
    if let Some(hint) = error.chain().find_map(hint) {
        text.push_str(&format!("hint: {hint}\n"));
    }
    // Without stderr there is nobody to tell.
    let _ = io::stderr().write_all(escape::lines(&text).as_bytes());
    status
}

fn hint(error: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
    if let Some(hinted) = error.downcast_ref::<Hinted>() {
        return Some(hinted.hint);
    }
    if let Some(PracticeError::Taken(_)) = error.downcast_ref() {
        return Some("--stack wants a folder without settings");
    }
    if let Some(ControlError::Unreachable { .. }) = error.downcast_ref() {
        return Some("`local-aws up --detach` starts one; --url or LOCAL_AWS_URL name another");
    }
    error.downcast_ref::<StartError>()?.hint()
}
