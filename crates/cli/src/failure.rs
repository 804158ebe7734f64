use std::process::ExitCode;

use aws_env::ErrorClass;
use report::{ShellCommand, escape};
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

impl Exit {
    /// The one order in which ends are combined, in every program: interrupted, then what must be put right by the
    /// user first (usage, refused), then what is known to be wrong, then what is not known. That something is wrong is
    /// certain, whatever else could not be checked; and what could not be checked is never fine.
    fn rank(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::Unchecked => 1,
            Self::Wrong => 2,
            Self::Refused => 3,
            Self::Usage => 4,
            Self::Interrupted => 5,
        }
    }

    /// The worse of two ends.
    #[must_use]
    pub fn worst(self, other: Self) -> Self {
        std::cmp::max_by_key(self, other, |exit| exit.rank())
    }
}

/// The worst of all; [`Exit::Fine`] of none.
impl FromIterator<Self> for Exit {
    fn from_iter<I: IntoIterator<Item = Self>>(ends: I) -> Self {
        ends.into_iter().fold(Self::Fine, Self::worst)
    }
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
        let chain = self.chain();
        let causes = chain.iter().enumerate().map(|(index, cause)| match index {
            0 => ("error: ", cause),
            _ => ("caused by: ", cause),
        });
        let hints = self.hints.iter().map(|hint| ("hint: ", hint));
        let lines = causes.chain(hints).flat_map(|(what, text)| {
            // A line of a text that has several stands below its first, so that none can pass for a hint of ours.
            let below = " ".repeat(what.len());
            let texts = text.split('\n').enumerate();
            texts
                .map(move |(line, text)| {
                    let before = if line == 0 { what } else { &below };
                    format!("{before}{}", escape::one_line(text))
                })
                .collect::<Vec<_>>()
        });
        lines.collect()
    }

    /// The failure for `--output json`.
    pub fn to_json(&self) -> Value {
        json!({"kind": "error", "version": report::JSON_VERSION, "error": self.chain(), "hint": self.hints, "exit": self.exit as u8})
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

/// The next step for a cause that AWS names, else for the class of the error.
fn aws_hint(error: &aws_env::Error) -> String {
    let region = error.call.region;
    match error.code.as_deref().unwrap_or_default() {
        "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" => {
            return "the session has ended: log in again, with `aws sso login` or as your company does".to_owned();
        }
        "InvalidClientTokenId" | "UnrecognizedClientException" | "InvalidAccessKeyId" => {
            let ask = ShellCommand::new("aws account get-region-opt-status")
                .option("--region-name", region.as_str());
            return format!(
                "the access key is unknown in {region}: check AWS_PROFILE, and whether the account has enabled {region} \
                 with `{ask}`"
            );
        }
        "SignatureDoesNotMatch" | "InvalidSignatureException" => {
            return "the secret access key does not belong to the access key; enter both again"
                .to_owned();
        }
        "RequestTimeTooSkewed" | "RequestExpired" | "RequestInTheFuture" => {
            return "this machine's clock is wrong: compare `date -u` with another machine's"
                .to_owned();
        }
        "OptInRequired" | "RegionDisabledException" => {
            let enable = ShellCommand::new("aws account enable-region")
                .option("--region-name", region.as_str());
            return format!("enable {region} for the account: `{enable}`");
        }
        "KMS.DisabledException" | "KMSInvalidStateException" | "DisabledException" => {
            return "a KMS key is disabled or scheduled for deletion: `aws kms describe-key --key-id KEY` tells, \
                    `aws kms enable-key` or `cancel-key-deletion` brings it back"
                .to_owned();
        }
        _ => {}
    }
    match error.class {
        ErrorClass::Unreachable | ErrorClass::Throttled if error.is_owner_unknown() => {
            "`account` in the settings says whose the buckets are, without STS".to_owned()
        }
        ErrorClass::Credentials => format!(
            "check them with `{}`; set AWS_PROFILE or log in again; \
             if only {region} refuses them, enable that region for the account",
            ShellCommand::new("aws sts get-caller-identity").option("--region", region.as_str())
        ),
        ErrorClass::Unreachable => "check the network and, if set, AWS_ENDPOINT_URL".to_owned(),
        ErrorClass::Throttled => "AWS asks to slow down; try again in a minute".to_owned(),
        ErrorClass::Denied if error.expected_owner.is_some() => format!(
            "either the caller may not call S3 {} (`aws sts get-caller-identity` tells who it is), or the bucket is \
             another account's: choose a name that nobody has, or, where it is rightly theirs, name that account in \
             the settings (`account`, `owner`, `dr_owner`)",
            error.call.operation
        ),
        ErrorClass::Denied => format!(
            "the caller may not call {} {}: `aws sts get-caller-identity` tells who it is",
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

#[cfg(test)]
mod tests {
    use super::*;

    fn aws(class: ErrorClass, message: Option<&str>, status: Option<u16>) -> aws_env::Error {
        let region = "ca-central-1".parse().unwrap();
        let call = aws_env::Call {
            region,
            service: "S3",
            operation: "PutBucketPolicy",
            resource: "bucket b".to_owned(),
        };
        let mut error = aws_env::Error::unexpected(call, "the layers below");
        error.class = class;
        error.message = message.map(str::to_owned);
        error.status = status;
        error
    }

    #[test]
    fn a_failure_is_told_as_error_causes_and_next_step() {
        let failure = Failure::aws("apply", aws(ErrorClass::Denied, Some("no way"), Some(403)));
        assert_eq!(failure.exit(), Exit::Unchecked);
        assert_eq!(
            failure.lines(),
            [
                "error: failed to apply",
                "caused by: S3 PutBucketPolicy of bucket b in ca-central-1: access denied (needs s3:PutBucketPolicy)",
                "caused by: no way",
                "hint: the caller may not call S3 PutBucketPolicy: `aws sts get-caller-identity` tells who it is",
            ]
        );
        assert_eq!(failure.to_json()["exit"], 3);
        assert_eq!(failure.to_json()["error"][2], "no way");
    }

    #[test]
    fn hint_of_a_named_cause_is_more_than_that_of_its_class() {
        let hint = |code: &str| {
            let mut error = aws(ErrorClass::Credentials, None, Some(403));
            error.code = Some(code.to_owned());
            aws_hint(&error)
        };
        assert!(hint("ExpiredToken").contains("aws sso login"));
        assert!(hint("RequestTimeTooSkewed").contains("clock"));
        assert!(hint("OptInRequired").contains("enable-region --region-name ca-central-1"));
        assert!(hint("SignatureDoesNotMatch").contains("secret access key"));
        assert!(hint("unheard-of").contains("get-caller-identity"));
    }

    #[test]
    fn the_layers_below_are_told_only_when_aws_said_nothing_itself() {
        let causes = |error| Failure::aws("apply", error).lines().len() - 2;
        assert_eq!(causes(aws(ErrorClass::Unreachable, None, None)), 2);
        assert_eq!(causes(aws(ErrorClass::Unreachable, None, Some(500))), 1);
        assert_eq!(causes(aws(ErrorClass::Credentials, None, None)), 1);
    }

    #[test]
    fn worst_of_several_ends_is_wrong_before_unknown_and_never_fine() {
        use Exit::{Fine, Interrupted, Refused, Unchecked, Usage, Wrong};
        let worst = |ends: &[Exit]| ends.iter().copied().collect::<Exit>();
        assert_eq!(worst(&[]), Fine);
        assert_eq!(worst(&[Fine, Unchecked]), Unchecked);
        assert_eq!(worst(&[Wrong, Unchecked, Fine]), Wrong);
        assert_eq!(worst(&[Wrong, Refused]), Refused);
        assert_eq!(worst(&[Usage, Refused]), Usage);
        assert_eq!(worst(&[Interrupted, Usage]), Interrupted);
    }

    #[test]
    fn exit_codes_are_the_documented_ones() {
        let codes = [
            Exit::Fine,
            Exit::Wrong,
            Exit::Usage,
            Exit::Unchecked,
            Exit::Refused,
            Exit::Interrupted,
        ];
        assert_eq!(codes.map(|exit| exit as u8), [0, 1, 2, 3, 4, 130]);
    }
}
