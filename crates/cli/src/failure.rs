use std::process::ExitCode;

use aws_env::ErrorClass;
use serde_json::{Value, json};

/// How a program ends. The same in every program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All is as it should be.
    Fine = 0,
    /// Checked and found wrong: a difference, a failed check.
    Wrong = 1,
    /// Wrong usage or configuration.
    Usage = 2,
    /// Could not be checked or done: unreachable, denied.
    Unchecked = 3,
    /// Refused by a guard; nothing was changed.
    Refused = 4,
    /// Interrupted.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An error on its way to the user: what happened, how the program ends, what to do next.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    error: anyhow::Error,
    hints: Vec<String>,
}

impl Failure {
    /// A failure that ends the program with `exit`.
    pub fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self {
            exit,
            error: error.into(),
            hints: Vec::new(),
        }
    }

    /// Adds a next step.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// An error of AWS while trying to do `what`: exit 3, with the next step for its class.
    pub fn aws(what: &str, error: aws_env::Error) -> Self {
        let hint = aws_hint(&error);
        let failure = Self::new(
            Exit::Unchecked,
            anyhow::Error::new(error).context(format!("failed to {what}")),
        );
        failure.hint(hint)
    }

    /// How the program ends.
    pub fn exit(&self) -> Exit {
        self.exit
    }

    /// `error:`, `caused by:` and `hint:` lines.
    pub fn lines(&self) -> Vec<String> {
        let mut chain = self.chain().into_iter();
        let mut lines: Vec<String> = chain
            .next()
            .map(|first| format!("error: {first}"))
            .into_iter()
            .collect();
        lines.extend(chain.map(|cause| format!("caused by: {cause}")));
        lines.extend(self.hints.iter().map(|hint| format!("hint: {hint}")));
        lines
    }

    /// The failure for `--output json`.
    pub fn to_json(&self) -> Value {
        json!({"error": self.chain(), "hint": self.hints, "exit": self.exit as u8})
    }

    /// The error and its causes. Below an error of AWS only AWS's own words count: the SDK's
    /// layers ("service error", "unhandled error") say nothing to a user.
    fn chain(&self) -> Vec<String> {
        let mut chain: Vec<String> = Vec::new();
        let mut add = |text: String| {
            if !text.is_empty() && chain.last() != Some(&text) {
                chain.push(text);
            }
        };
        for cause in self.error.chain() {
            add(cause.to_string());
            if let Some(error) = cause.downcast_ref::<aws_env::Error>() {
                match &error.message {
                    Some(message) => add(message.clone()),
                    // Of an answer without words the layers below know nothing, and of credentials
                    // only which of many places has none.
                    None if error.status.is_some() || error.class == ErrorClass::Credentials => {}
                    None => {
                        if let Some(root) = self.error.chain().last() {
                            add(root.to_string());
                        }
                    }
                }
                break;
            }
        }
        chain
    }
}

fn aws_hint(error: &aws_env::Error) -> String {
    let region = error.call.region;
    match error.class {
        ErrorClass::Credentials => {
            format!(
                "check them with `aws sts get-caller-identity --region {region}`; set AWS_PROFILE or log in again; \
                 if only {region} refuses them, enable that region for the account"
            )
        }
        ErrorClass::Unreachable => "check the network and, if set, AWS_ENDPOINT_URL".to_owned(),
        ErrorClass::Throttled => "AWS asks to slow down; try again in a minute".to_owned(),
        ErrorClass::Denied => format!(
            "the caller may not call {} {}",
            error.call.service, error.call.operation
        ),
        ErrorClass::Conflict => {
            "another change is under way; try again when it has ended".to_owned()
        }
        ErrorClass::Absent | ErrorClass::Invalid | ErrorClass::Other => {
            "run again with -vv to see every call".to_owned()
        }
    }
}
