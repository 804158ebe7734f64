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

name! {
    /// The name of a DB subnet group, in lower case, as RDS stores it: 1 to 255 letters, digits, spaces and
    /// `. _ -` (<https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBSubnetGroup.html>).
    SubnetGroupName, check_subnet_group
}

name! {
    /// The name of a DB parameter group, in lower case, as RDS stores it: 1 to 255 letters, digits, hyphens
    /// and, in those that AWS makes (`default.postgres15`), dots; a letter first
    /// (<https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBParameterGroup.html>).
    ParameterGroupName, check_parameter_group
}

name! {
    /// The ID of a security group: `sg-` and 8 or 17 hexadecimal digits
    /// (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/resource-ids.html>).
    SecurityGroupId, check_security_group
}

name! {
    /// A DB instance class: `db.`, a family and a size, as in `db.t4g.medium`
    /// (<https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Concepts.DBInstanceClass.Types.html>).
    InstanceClass, check_instance_class
}

fn check_subnet_group(value: &str) -> Result<String, NameError> {
    check_group(value, "the name of a DB subnet group", |c| {
        c.is_ascii_alphanumeric() || ". _-".contains(c)
    })
}

fn check_parameter_group(value: &str) -> Result<String, NameError> {
    let what = "the name of a DB parameter group";
    if !value.starts_with(|c: char| c.is_ascii_alphabetic()) {
        let problem = "it does not start with a letter";
        return Err(NameError::new(value, what, problem, "start with a letter"));
    }
    check_group(value, what, |c| {
        c.is_ascii_alphanumeric() || c == '.' || c == '-'
    })
}

fn check_group(
    value: &str,
    what: &str,
    allowed: impl Fn(char) -> bool,
) -> Result<String, NameError> {
    if let Some(problem) = forbidden(value, allowed) {
        let fix = "write the group's name, not its ARN";
        return Err(NameError::new(value, what, problem, fix));
    }
    if !(1..=255).contains(&value.len()) {
        let problem = format!("its length is {}", value.len());
        return Err(NameError::new(
            value,
            what,
            problem,
            "use 1 to 255 characters",
        ));
    }
    Ok(value.to_ascii_lowercase())
}

fn check_security_group(value: &str) -> Result<String, NameError> {
    let is_id = value.strip_prefix("sg-").is_some_and(|digits| {
        matches!(digits.len(), 8 | 17)
            && digits
                .bytes()
                .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    });
    if is_id {
        return Ok(value.to_owned());
    }
    Err(NameError::new(
        value,
        "the ID of a security group",
        "it is not sg- and 8 or 17 hexadecimal digits",
        "copy the ID from aws ec2 describe-security-groups",
    ))
}

fn check_instance_class(value: &str) -> Result<String, NameError> {
    let part = |part: &str| {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        !part.is_empty() && part.bytes().all(allowed)
    };
    let parts: Vec<&str> = value.split('.').collect();
    match parts[..] {
        // A third part is for the classes with more memory, as in db.r5b.4xlarge.tpc2.mem2x.
        ["db", family, size, ..]
            if part(family) && part(size) && parts[3..].iter().all(|p| part(p)) =>
        {
            Ok(value.to_owned())
        }
        _ => Err(NameError::new(
            value,
            "a DB instance class",
            "it is not db., a family and a size",
            "write a class such as db.t4g.medium",
        )),
    }
}
