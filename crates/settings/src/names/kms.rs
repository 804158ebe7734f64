//! KMS keys.

use super::NameError;
use super::arn::RegionalArn;
use crate::Region;

/// The ARN of a KMS key: `arn:PARTITION:kms:REGION:ACCOUNT:key/ID`.
///
/// An alias ARN is refused, although S3 would take one for a bucket's default encryption and for
/// `ReplicaKmsKeyID`: IAM matches a KMS key in a policy's `Resource` only by its key ARN
/// (<https://docs.aws.amazon.com/kms/latest/developerguide/cmks-in-iam-policies.html>), so the replication
/// role could not use the key; and S3 resolves an alias in the account of the requester, not of the bucket
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_EncryptionConfiguration.html>).
///
/// The ID is a UUID, or `mrk-` and 32 hexadecimal digits for a multi-region key
/// (<https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html>).
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct KmsKeyArn {
    arn: String,
    region: Region,
    account_id: String,
}

impl KmsKeyArn {
    /// The ARN.
    pub fn as_str(&self) -> &str {
        &self.arn
    }

    /// The region that holds the key.
    pub fn region(&self) -> Region {
        self.region
    }

    /// The account that owns the key: 12 digits.
    pub fn account_id(&self) -> &str {
        &self.account_id
    }
}

impl std::fmt::Display for KmsKeyArn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.arn)
    }
}

impl std::str::FromStr for KmsKeyArn {
    type Err = NameError;

    fn from_str(value: &str) -> Result<KmsKeyArn, NameError> {
        let wrong =
            |problem: &str, fix: &str| Err(NameError::new(value, "a KMS key ARN", problem, fix));
        let form = "arn:aws:kms:REGION:ACCOUNT:key/ID";
        let arn = RegionalArn::parse(value, "a KMS key ARN", "kms", form)?;
        let RegionalArn {
            region,
            account_id,
            resource,
        } = arn;
        if resource.starts_with("alias/") {
            return wrong(
                "it is the ARN of an alias, which IAM does not match in the replication role's policy",
                "write the key's own ARN: aws kms describe-key --key-id ALIAS_ARN --query KeyMetadata.Arn",
            );
        }
        if !resource.strip_prefix("key/").is_some_and(is_key_id) {
            return wrong(
                "it does not end in key/ and a key ID",
                "copy the ARN from aws kms describe-key",
            );
        }
        Ok(KmsKeyArn {
            arn: value.to_owned(),
            region,
            account_id: account_id.to_owned(),
        })
    }
}

/// A UUID, or `mrk-` and 32 hexadecimal digits; in lower case, since IAM compares ARNs with case.
fn is_key_id(id: &str) -> bool {
    let hex = |s: &str, len: usize| {
        s.len() == len && s.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    match id.strip_prefix("mrk-") {
        Some(digits) => hex(digits, 32),
        None => {
            let groups: Vec<&str> = id.split('-').collect();
            groups.len() == 5
                && groups
                    .iter()
                    .zip([8, 4, 4, 4, 12])
                    .all(|(group, len)| hex(group, len))
        }
    }
}

impl TryFrom<String> for KmsKeyArn {
    type Error = NameError;

    fn try_from(value: String) -> Result<KmsKeyArn, NameError> {
        value.parse()
    }
}

impl From<KmsKeyArn> for String {
    fn from(key: KmsKeyArn) -> String {
        key.arn
    }
}
