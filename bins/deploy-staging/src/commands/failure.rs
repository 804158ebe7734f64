//! How a failure of terraform ends the program.

use std::path::Path;

use anyhow::anyhow;
use cli::{Exit, Failure};
use evidence::Redactor;
use report::ShellCommand;
use terraform::{Environment, Error, LockInfo, RecordError, Terraform};

/// Terraform's words go through two redactions: values of the environment's secrets, and what looks like one.
pub(super) fn redacted(environment: &Environment, line: &str) -> String {
    Redactor::for_display(None).sentence(&environment.redact(line))
}

/// A terraform that did not do `what` in `folder`.
pub(super) fn terraform(
    what: &str,
    error: Error,
    folder: &Path,
    environment: &Environment,
) -> Failure {
    let context = format!("failed to {what} in {}", folder.display());
    let hint = match &error {
        Error::NotInstalled | Error::TooOld { .. } | Error::NoVersion { .. } => format!(
            "install terraform {} or later: https://developer.hashicorp.com/terraform/install",
            Terraform::OLDEST
        ),
        Error::NoFolder { .. } => "name the environment's folder with --chdir".to_owned(),
        Error::Locked { lock, .. } => lock_hint(lock),
        Error::Interrupted { .. } => {
            "what was done is in the state; `deploy-staging status` shows where it is".to_owned()
        }
        Error::Deaf { .. } => {
            "what it had made may not be in the state; `deploy-staging status` shows where it is"
                .to_owned()
        }
        _ => format!(
            "`{}` finds out what is behind an error of AWS",
            ShellCommand::new("verify-staging doctor")
        ),
    };
    let exit = match &error {
        Error::NotInstalled
        | Error::TooOld { .. }
        | Error::NoVersion { .. }
        | Error::NoFolder { .. } => Exit::Usage,
        Error::Locked { .. } => Exit::Refused,
        Error::Interrupted { .. } | Error::Deaf { .. } => Exit::Interrupted,
        _ => Exit::Unchecked,
    };
    let lines = error.last_lines();
    let lines: Vec<String> = lines
        .iter()
        .map(|line| redacted(environment, line))
        .collect();
    let told = match lines.is_empty() {
        true => anyhow::Error::new(error),
        false => anyhow!("{error}\n{}", lines.join("\n")),
    };
    Failure::new(exit, told.context(context)).hint(hint)
}

fn lock_hint(lock: &LockInfo) -> String {
    let list = ShellCommand::new("init-backend locks");
    let unlock = ShellCommand::new("init-backend unlock").word(lock.id.as_str());
    format!(
        "`{list}` shows who holds it; when that run is known to be gone, `{unlock}` takes it away"
    )
}

/// A record that cannot be read or written.
pub(super) fn record(error: RecordError) -> Failure {
    Failure::new(Exit::Unchecked, error).hint("--runs-dir names the folder of plans and records")
}
