//! Names in RDS.

use super::{NameError, forbidden, name};

name! {
    /// The identifier of an RDS instance, in lower case.
    ///
    /// Rules: 1 to 63 letters, digits and hyphens; a letter first; no hyphen last, no two in a row
    /// (<https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html>). RDS stores it
    /// in lower case and answers with that, so parsing lowers it: an identifier from here equals the one
    /// that RDS reports.
    DbIdentifier, check_db_identifier
}

fn check_db_identifier(value: &str) -> Result<String, NameError> {
    let wrong = |problem: String, fix: &str| {
        Err(NameError::new(value, "a database identifier", problem, fix))
    };
    if let Some(problem) = forbidden(value, |c| c.is_ascii_alphanumeric() || c == '-') {
        return wrong(problem, "use letters, digits and hyphens only");
    }
    if !(1..=63).contains(&value.len()) {
        return wrong(
            format!("its length is {}", value.len()),
            "use 1 to 63 characters",
        );
    }
    if !value.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return wrong(
            "it does not start with a letter".to_owned(),
            "start with a letter",
        );
    }
    if value.ends_with('-') || value.contains("--") {
        let problem = "it ends with a hyphen or holds two in a row".to_owned();
        return wrong(problem, "use single hyphens between letters and digits");
    }
    Ok(value.to_ascii_lowercase())
}
