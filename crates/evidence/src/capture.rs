use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use report::finding::{Severity, Status};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::redaction::{Hidden, Redact, Redacted, RedactionPolicy, Redactor};
use super::salt::Salt;
use crate::outputs::Outputs;

/// The version of captures that this release writes, and reads.
pub const FORMAT: u32 = 1;

/// What was seen at one time, as it may be written down.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capture {
    /// [`FORMAT`].
    pub format: u32,
    /// Its place in the chain, from 1.
    pub number: u64,
    /// The capture before; the first has none.
    pub previous: Option<Link>,
    /// Project and environment, with a hyphen between.
    pub environment: String,
    /// Where it runs.
    pub region: String,
    /// When, to the millisecond.
    pub captured_at: Timestamp,
    /// The program and its version.
    pub tool: String,
    /// Where it comes from.
    pub origin: Origin,
    /// What was redacted beside secrets, and how. It was called `hiding` once.
    #[serde(alias = "hiding")]
    pub redaction: RedactionPolicy,
    /// Name of the salt of its fingerprints: those of another salt cannot be compared.
    pub salt: String,
    /// Terraform's outputs.
    pub outputs: BTreeMap<String, Recorded>,
    /// What AWS answered, when it was asked.
    pub checks: Option<CheckResults>,
}

/// A file, by its name in the folder and the SHA-256 of its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// Its name.
    pub file: String,
    /// As `sha256sum` prints it.
    pub sha256: String,
}

/// Where a capture comes from. What could not be found out is `None`, and `unknown` says why.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// Version of terraform.
    pub terraform: Option<String>,
    /// Commit of the environment's folder.
    pub commit: Option<Commit>,
    /// Which state the outputs are of.
    pub state: Option<StateHead>,
    /// Why something is not there.
    pub unknown: Vec<String>,
}

/// A commit of a git repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commit {
    /// Its hash.
    pub id: String,
    /// Whether something in the folder was not committed.
    pub dirty: bool,
}

/// The head of a terraform state; everything else in a state is left unread.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateHead {
    /// Counts the changes of the state.
    pub serial: u64,
    /// Stays the same as long as it is the same state.
    pub lineage: String,
    /// The terraform that wrote it.
    pub terraform_version: String,
}

impl StateHead {
    /// Of a state.
    ///
    /// # Errors
    /// When the state is encrypted, or its lineage or version is not what terraform writes there.
    pub fn new(state: &terraform::StateFile) -> Result<Self, StateHeadError> {
        let terraform::StateFile::Plain(state) = state else {
            return Err(StateHeadError::Encrypted);
        };
        // They are written down and shown, so that nothing else may hide in them.
        let plain = |text: &str| {
            text.len() <= 64
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-.+".contains(&byte))
        };
        if !(plain(&state.lineage) && plain(&state.terraform_version)) {
            return Err(StateHeadError::Strange);
        }
        Ok(Self {
            serial: state.serial,
            lineage: state.lineage.clone(),
            terraform_version: state.terraform_version.clone(),
        })
    }
}

/// A state whose head cannot be written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StateHeadError {
    /// OpenTofu encrypted it.
    #[error("the state is encrypted by OpenTofu")]
    Encrypted,
    /// The text itself is not repeated.
    #[error("the lineage or version in the state is not what terraform writes there")]
    Strange,
}

/// An output, as it may be written down.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recorded {
    /// Whether terraform hides it.
    pub sensitive: bool,
    /// Its value, with marks in place of what is hidden.
    pub value: Value,
    /// Which parts of it are secrets, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hidden: Vec<Hidden>,
}

/// What AWS answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckResults {
    /// When it was asked.
    pub at: Timestamp,
    /// The account that answered.
    pub account: Option<String>,
    /// By item, then by id, then by resource.
    pub answers: Vec<CheckResult>,
}

/// The answer to a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckResult {
    /// The check.
    pub id: String,
    /// The item of the guide's checklist.
    pub item: Option<u8>,
    /// How bad it is when it is wrong.
    pub severity: Severity,
    /// What came out.
    pub status: Status,
    /// Which resource.
    pub resource: String,
    /// What should be.
    pub expected: String,
    /// What terraform says.
    pub terraform: Option<String>,
    /// What AWS says.
    pub aws: Option<String>,
    /// Why it is unknown or was skipped.
    pub reason: Option<String>,
    /// The last day until which somebody has accepted that it is wrong; it is skipped then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_until: Option<Date>,
}

impl CheckResults {
    /// How many answers have `status`.
    pub fn count(&self, status: Status) -> usize {
        self.answers
            .iter()
            .filter(|answer| answer.status == status)
            .count()
    }
}

impl Redact for CheckResults {
    fn redact(self, redactor: &Redactor<'_>) -> Self {
        Self {
            account: self.account.redact(redactor),
            answers: self.answers.redact(redactor),
            ..self
        }
    }
}

impl Redact for CheckResult {
    fn redact(self, redactor: &Redactor<'_>) -> Self {
        Self {
            resource: self.resource.redact(redactor),
            expected: self.expected.redact(redactor),
            terraform: self.terraform.redact(redactor),
            aws: self.aws.redact(redactor),
            reason: self.reason.redact(redactor),
            ..self
        }
    }
}

/// A capture that has no place in a chain yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft(Capture);

impl Draft {
    /// From outputs and what AWS answered about them.
    #[expect(clippy::too_many_arguments, reason = "each is one line of the capture")]
    pub fn new(
        environment: &str,
        region: &str,
        at: Timestamp,
        tool: &str,
        origin: Origin,
        outputs: &Outputs,
        checks: Option<&Redacted<CheckResults>>,
        (salt, redaction): (&Salt, RedactionPolicy),
    ) -> Self {
        let redactor = Redactor::new(salt, redaction, outputs);
        let recorded = redactor.outputs(outputs).into_iter();
        let recorded = recorded.map(|(name, (sensitive, value, hidden))| {
            let value = value.into_inner();
            let recorded = Recorded {
                sensitive,
                value,
                hidden,
            };
            (name, recorded)
        });
        Self(Capture {
            format: FORMAT,
            number: 1,
            previous: None,
            environment: environment.to_owned(),
            region: region.to_owned(),
            captured_at: Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at),
            tool: tool.to_owned(),
            origin,
            redaction,
            salt: salt.id(),
            outputs: recorded.collect(),
            checks: checks.map(|checks| (**checks).clone().redact(&redactor)),
        })
    }

    /// What it says.
    pub fn capture(&self) -> &Capture {
        &self.0
    }

    /// It as the one after `previous`, whose number is given.
    pub(super) fn after(mut self, previous: Option<(u64, Link)>) -> Capture {
        if let Some((number, link)) = previous {
            self.0.number = number + 1;
            self.0.previous = Some(link);
        }
        self.0
    }
}

impl Capture {
    /// The name of its file: environment and time.
    pub fn file_name(&self) -> String {
        let at = self.captured_at.strftime("%Y%m%dT%H%M%S%.3fZ");
        format!("{}-{at}.json", self.environment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_state_only_its_head_is_read() {
        let state = br#"{"version": 4, "terraform_version": "1.11.4", "serial": 7, "lineage": "0a1b-2c",
            "outputs": {"p": {"value": "hunter2"}}, "resources": [{"instances": [{"a": "hunter2"}]}]}"#;
        let head = |json: &[u8]| StateHead::new(&terraform::StateFile::parse(json).unwrap());
        let of_state = head(state).unwrap();
        assert_eq!((of_state.serial, of_state.lineage.as_str()), (7, "0a1b-2c"));
        assert!(
            !serde_json::to_string(&of_state)
                .unwrap()
                .contains("hunter2")
        );
        let strange =
            br#"{"version": 4, "serial": 1, "lineage": "p=hunter2", "terraform_version": "1"}"#;
        assert_eq!(head(strange), Err(StateHeadError::Strange));
        let encrypted =
            br#"{"serial": 1, "lineage": "a", "encrypted_data": "AA", "encryption_version": "v0"}"#;
        assert_eq!(head(encrypted), Err(StateHeadError::Encrypted));
    }

    #[test]
    fn a_capture_of_an_older_release_is_read() {
        let outputs = Outputs::parse(br#"{"vpc_id": {"value": "vpc-1"}}"#).unwrap();
        let (salt, policy) = (Salt::random(), RedactionPolicy::default());
        let at = Timestamp::UNIX_EPOCH;
        let parts = (&salt, policy);
        let draft = Draft::new("e", "r", at, "t", Origin::default(), &outputs, None, parts);
        let text = serde_json::to_string(draft.capture()).unwrap();
        assert!(text.contains("\"redaction\":"), "{text}");
        let older = text.replace("\"redaction\":", "\"hiding\":");
        let read: Capture = serde_json::from_str(&older).unwrap();
        assert_eq!(&read, draft.capture());
    }
}
