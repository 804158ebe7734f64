//! Names that this project gives: what is built, and which copy of it.

use super::{NameError, forbidden, name};

name! {
    /// The name of the project: 1 to 32 lower-case letters, digits and hyphens, a letter first, no hyphen
    /// last, no two in a row. Narrow enough to be part of any AWS resource's name and of a tag.
    ProjectName, check_project
}

name! {
    /// The name of the environment, as in `staging`: the same rule as [`ProjectName`].
    EnvironmentName, check_environment
}

fn check_project(value: &str) -> Result<String, NameError> {
    check(value, "a project name")
}

fn check_environment(value: &str) -> Result<String, NameError> {
    check(value, "an environment name")
}

fn check(value: &str, what: &str) -> Result<String, NameError> {
    let wrong = |problem: String, fix: &str| Err(NameError::new(value, what, problem, fix));
    if let Some(problem) = forbidden(value, |c| {
        c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'
    }) {
        return wrong(problem, "use lower-case letters, digits and hyphens only");
    }
    if !(1..=32).contains(&value.len()) {
        return wrong(
            format!("its length is {}", value.len()),
            "use 1 to 32 characters",
        );
    }
    if !value.starts_with(|c: char| c.is_ascii_lowercase()) {
        return wrong(
            "it does not start with a letter".to_owned(),
            "start with a letter",
        );
    }
    if value.ends_with('-') || value.contains("--") {
        let problem = "it ends with a hyphen or holds two in a row".to_owned();
        return wrong(problem, "use single hyphens between letters and digits");
    }
    Ok(value.to_owned())
}
