//! AWS accounts.

use super::{NameError, name};

name! {
    /// The ID of an AWS account: 12 digits
    /// (<https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-identifiers.html>).
    AccountId, check_account
}

fn check_account(value: &str) -> Result<String, NameError> {
    if value.len() == 12 && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(value.to_owned());
    }
    let problem = "it is not 12 digits";
    let fix = "write the 12 digits without hyphens, in quotes: aws sts get-caller-identity --query Account";
    Err(NameError::new(value, "an account ID", problem, fix))
}
