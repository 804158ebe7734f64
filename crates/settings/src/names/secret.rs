//! Names in Secrets Manager.

use super::{NameError, forbidden, name};

name! {
    /// The name of a secret: 1 to 512 letters, digits and `/ _ + = . @ -`
    /// (<https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html>).
    SecretName, check_secret
}

fn check_secret(value: &str) -> Result<String, NameError> {
    let wrong =
        |problem: String, fix: &str| Err(NameError::new(value, "a secret's name", problem, fix));
    let allowed = |c: char| c.is_ascii_alphanumeric() || "/_+=.@-".contains(c);
    if let Some(problem) = forbidden(value, allowed) {
        return wrong(
            problem,
            "give its name, not its ARN: letters, digits and / _ + = . @ -",
        );
    }
    if !(1..=512).contains(&value.len()) {
        return wrong(
            format!("its length is {}", value.len()),
            "use 1 to 512 characters",
        );
    }
    Ok(value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_secret_takes_names_and_no_arns() {
        for name in ["a", "berthcare-staging/database", "a_b+c=d.e@f"] {
            assert!(check_secret(name).is_ok(), "{name}");
        }
        let long = "a".repeat(513);
        for name in [
            "",
            "arn:aws:secretsmanager:ca-central-1:1:secret:a",
            "a b",
            &long,
        ] {
            assert!(check_secret(name).is_err(), "{name}");
        }
    }
}
