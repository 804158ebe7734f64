//! Whether a KMS key can be used, asked before anything that needs it is begun.

use std::fmt;

use aws_env::{Call, Error};
use aws_sdk_kms::types::{KeySpec, KeyState, KeyUsageType};
use report::ShellCommand;
use serde::Serialize;
use settings::Region;

use super::RdsClients;
use super::clients::is_any;

/// Why a key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyProblem {
    /// There is none of this ARN.
    Absent,
    /// It lies in another region: keys are regional.
    Elsewhere(String),
    /// It is not enabled; its state as KMS gives it.
    State(String),
    /// It is not a symmetric key for encryption, the only kind that RDS takes.
    Kind(String),
}

impl fmt::Display for KeyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("there is no such key"),
            Self::Elsewhere(region) => write!(f, "it lies in {region}"),
            Self::State(state) => write!(f, "its state is {state}, not Enabled"),
            Self::Kind(kind) => write!(f, "it is {kind}, not a symmetric key for encryption"),
        }
    }
}

impl KeyProblem {
    /// What to do about it.
    pub(super) fn fix(&self, key: &str, region: Region) -> String {
        match self {
            Self::State(state) if state == "Disabled" => ShellCommand::new("aws kms enable-key")
                .option("--region", region.as_str())
                .option("--key-id", key)
                .into(),
            Self::State(state) if state == "PendingDeletion" => format!(
                "{}, then enable it",
                ShellCommand::new("aws kms cancel-key-deletion")
                    .option("--region", region.as_str())
                    .option("--key-id", key)
            ),
            _ => format!(
                "{} shows those that there are; `kms` in [[databases]] names the one to use",
                ShellCommand::new("aws kms list-keys").option("--region", region.as_str())
            ),
        }
    }
}

/// Whether the key of this ARN exists in the site's region, is enabled, and is of the kind that RDS takes.
/// RDS refuses the others too, but not all at once, and not by name.
///
/// # Errors
/// When KMS does not answer, or refuses to say.
pub async fn check_key(site: &RdsClients, arn: &str) -> Result<Result<(), KeyProblem>, Error> {
    if let Some(region) = super::snapshot::arn_region(arn)
        && region != site.region().as_str()
    {
        return Ok(Err(KeyProblem::Elsewhere(region.to_owned())));
    }
    let call = Call {
        region: site.region(),
        service: "KMS",
        operation: "DescribeKey",
        resource: arn.to_owned(),
    };
    let answer = match site.kms.describe_key().key_id(arn).send().await {
        Ok(answer) => answer,
        Err(error) => {
            let error = call.failed(error);
            return if is_any(&error, &["NotFoundException"]) {
                Ok(Err(KeyProblem::Absent))
            } else {
                Err(error)
            };
        }
    };
    let Some(key) = answer.key_metadata() else {
        return Err(Error::unexpected(call, "the answer has no key in it"));
    };
    if let Some(state) = key.key_state()
        && *state != KeyState::Enabled
    {
        return Ok(Err(KeyProblem::State(state.as_str().to_owned())));
    }
    // Nothing said is not enabled.
    if key.key_state().is_none() && !key.enabled() {
        return Ok(Err(KeyProblem::State("not given".to_owned())));
    }
    if let Some(usage) = key.key_usage()
        && *usage != KeyUsageType::EncryptDecrypt
    {
        return Ok(Err(KeyProblem::Kind(usage.as_str().to_owned())));
    }
    match key.key_spec() {
        Some(spec) if *spec != KeySpec::SymmetricDefault => {
            Ok(Err(KeyProblem::Kind(spec.as_str().to_owned())))
        }
        _ => Ok(Ok(())),
    }
}
