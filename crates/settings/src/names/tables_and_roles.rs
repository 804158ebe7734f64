//! Names in DynamoDB and IAM.

use super::{AccountId, NameError, forbidden, name};

name! {
    /// The name of a DynamoDB table.
    ///
    /// Rules: 3 to 255 of `a-z A-Z 0-9 _ - .`
    /// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html>).
    TableName, check_table
}

fn check_table(value: &str) -> Result<String, NameError> {
    let wrong =
        |problem: String, fix: &str| Err(NameError::new(value, "a table name", problem, fix));
    if let Some(problem) = forbidden(value, |c| c.is_ascii_alphanumeric() || "_-.".contains(c)) {
        return wrong(problem, "use letters, digits, \"_\", \"-\" and \".\" only");
    }
    if !(3..=255).contains(&value.len()) {
        return wrong(
            format!("its length is {}", value.len()),
            "use 3 to 255 characters",
        );
    }
    Ok(value.to_owned())
}

name! {
    /// The name of an IAM role, without path or ARN.
    ///
    /// Rules: 1 to 64 of `a-z A-Z 0-9 _ + = , . @ -`
    /// (<https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html>).
    RoleName, check_role
}

/// The ARN of an IAM role: `arn:PARTITION:iam::ACCOUNT:role/NAME`, a path before the name included.
///
/// Rules: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-arns>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleArn {
    arn: String,
    partition: String,
    account: AccountId,
    name: RoleName,
}

impl RoleArn {
    /// The ARN.
    pub fn as_str(&self) -> &str {
        &self.arn
    }

    /// `aws`, or that of China or of a government.
    pub fn partition(&self) -> &str {
        &self.partition
    }

    /// The account that the role is in.
    pub fn account(&self) -> &AccountId {
        &self.account
    }

    /// The role's name, without its path.
    pub fn name(&self) -> &RoleName {
        &self.name
    }
}

impl std::fmt::Display for RoleArn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.arn)
    }
}

impl std::str::FromStr for RoleArn {
    type Err = NameError;

    fn from_str(value: &str) -> Result<Self, NameError> {
        let wrong = |problem: &str| {
            let fix = "write arn:aws:iam::ACCOUNT:role/NAME, as `aws iam get-role` shows it";
            NameError::new(value, "the ARN of a role", problem, fix)
        };
        let parts: Vec<&str> = value.splitn(6, ':').collect();
        let ["arn", partition, "iam", "", account, resource] = parts[..] else {
            return Err(wrong("it does not have the six parts of one"));
        };
        let is_partition = partition == "aws" || partition.starts_with("aws-");
        if let Some(c) = forbidden(partition, |c| c.is_ascii_lowercase() || c == '-') {
            return Err(wrong(&c));
        }
        if !is_partition {
            return Err(wrong("it is of no partition of AWS"));
        }
        let Some(path) = resource.strip_prefix("role/") else {
            return Err(wrong("it is not that of a role"));
        };
        let account: AccountId = account
            .parse()
            .map_err(|error: NameError| wrong(&error.problem))?;
        let name = path.rsplit('/').next().unwrap_or_default();
        let name = name
            .parse()
            .map_err(|error: NameError| wrong(&error.problem))?;
        Ok(Self {
            arn: value.to_owned(),
            partition: partition.to_owned(),
            account,
            name,
        })
    }
}

fn check_role(value: &str) -> Result<String, NameError> {
    let wrong =
        |problem: String, fix: &str| Err(NameError::new(value, "a role name", problem, fix));
    if value.starts_with("arn:") {
        return wrong(
            "it is an ARN".to_owned(),
            "write the role's name alone, the part after the last \"/\"",
        );
    }
    if let Some(problem) = forbidden(value, |c| {
        c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)
    }) {
        return wrong(problem, "use letters, digits and \"_+=,.@-\" only");
    }
    if !(1..=64).contains(&value.len()) {
        return wrong(
            format!("its length is {}", value.len()),
            "use 1 to 64 characters",
        );
    }
    Ok(value.to_owned())
}
