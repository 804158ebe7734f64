//! Names by AWS's own rules, each a type of its own so that they cannot be mixed up.

mod account;
mod arn;
mod kms;
mod project;
mod rds;
mod s3;
mod secret;
mod sns;
mod tables_and_roles;

pub use account::AccountId;
pub use kms::KmsKeyArn;
pub use project::{EnvironmentName, ProjectName};
pub use rds::{DbIdentifier, InstanceClass, ParameterGroupName, SecurityGroupId, SubnetGroupName};
pub use s3::{BucketName, StateKey, WorkspaceKeyPrefix};
pub use secret::SecretName;
pub use sns::TopicArn;
pub use tables_and_roles::{RoleArn, RoleName, TableName};

/// A value that AWS would refuse as a name. `Display` gives the value, what is wrong with it, and the fix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}; {fix}")]
pub struct NameError {
    pub(crate) problem: String,
    pub(crate) fix: String,
}

impl NameError {
    /// `value` is quoted and escaped, so that the message stays on one line.
    pub(crate) fn new(
        value: &str,
        what: &str,
        problem: impl std::fmt::Display,
        fix: impl Into<String>,
    ) -> NameError {
        NameError {
            problem: format!("{value:?} is not {what}: {problem}"),
            fix: fix.into(),
        }
    }
}

/// The first character that is not `allowed`, as the text of a problem.
fn forbidden(value: &str, allowed: impl Fn(char) -> bool) -> Option<String> {
    value
        .chars()
        .find(|&c| !allowed(c))
        .map(|c| format!("it holds the character {c:?}"))
}

/// Defines a newtype over a checked string. `$check` is `fn(&str) -> Result<String, NameError>`.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as AWS knows it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = crate::NameError;

            fn from_str(value: &str) -> Result<$name, crate::NameError> {
                $check(value).map($name)
            }
        }

        impl TryFrom<String> for $name {
            type Error = crate::NameError;

            fn try_from(value: String) -> Result<$name, crate::NameError> {
                value.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }
    };
}
use name;
