//! Names in DynamoDB and IAM.

use super::{NameError, forbidden, name};

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
