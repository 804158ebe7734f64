//! Names and ARNs.

use std::fmt;

use super::refusal::{Outcome, Refusal};

/// Account and region: what a request is signed for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) region: String,
    pub(crate) account: String,
}

impl Place {
    /// The ARN of something here.
    pub(crate) fn arn(&self, kind: &str, id: impl fmt::Display) -> String {
        format!("arn:aws:rds:{}:{}:{kind}:{id}", self.region, self.account)
    }

    /// The default VPC, where there is no EC2 to tell.
    pub(crate) const VPC: &str = "vpc-00000000000000000";

    /// The default security group of an instance's VPC, until that is known.
    pub(crate) const SECURITY_GROUP: &str = "sg-00000000000000000";
}

/// `arn:aws:rds:REGION:ACCOUNT:KIND:ID`; the id of an automated snapshot has a colon itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arn {
    pub(crate) place: Place,
    pub(crate) kind: String,
    pub(crate) id: String,
}

impl Arn {
    pub(crate) fn read(text: &str) -> Option<Self> {
        let mut parts = text.splitn(7, ':');
        let fixed = [parts.next()?, parts.next()?, parts.next()?];
        let (region, account) = (parts.next()?, parts.next()?);
        let (kind, id) = (parts.next()?, parts.next()?);
        let known = fixed[0] == "arn" && fixed[1].starts_with("aws") && fixed[2] == "rds";
        (known && !region.is_empty() && !id.is_empty()).then(|| Self {
            place: Place {
                region: region.to_owned(),
                account: account.to_owned(),
            },
            kind: kind.to_owned(),
            id: id.to_ascii_lowercase(),
        })
    }
}

/// An id, or the ARN of something in this place.
pub(crate) fn id_here(text: &str, kind: &str, place: &Place) -> Outcome<String> {
    if !text.starts_with("arn:") {
        return Ok(text.to_ascii_lowercase());
    }
    match Arn::read(text) {
        Some(arn) if arn.kind == kind && arn.place == *place => Ok(arn.id),
        _ => Err(Refusal::value(format!("Invalid ARN: {text}"))),
    }
}

/// A new instance's id, in lower case as RDS keeps it.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html>
pub(crate) fn instance_id(name: &str, text: &str) -> Outcome<String> {
    new_id(name, text, 63)
}

/// A new snapshot's id.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CopyDBSnapshot.html>
pub(crate) fn snapshot_id(name: &str, text: &str) -> Outcome<String> {
    new_id(name, text, 255)
}

fn new_id(name: &str, text: &str, longest: usize) -> Outcome<String> {
    let legal = text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !text.ends_with('-')
        && !text.contains("--");
    if !legal {
        return Err(Refusal::value(format!(
            "The parameter {name} is not a valid identifier. Identifiers must begin with a letter; must contain only \
             ASCII letters, digits, and hyphens; and must not end with a hyphen or contain two consecutive hyphens."
        )));
    }
    if text.len() > longest {
        return Err(Refusal::value(format!(
            "The parameter {name} must not be longer than {longest} characters."
        )));
    }
    Ok(text.to_ascii_lowercase())
}

/// Letters and digits that look drawn, and are the same in every run.
pub(crate) fn code(mut number: u64) -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut code = String::new();
    while code.len() < 26 {
        // SplitMix64.
        number = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = number;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        for shift in (0..60).step_by(5).take(26 - code.len()) {
            code.push(char::from(LETTERS[(mixed >> shift) as usize & 31]));
        }
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    // aws-behaviour: 27
    #[test]
    fn an_id_begins_with_a_letter_and_has_hyphens_only_inside() {
        for good in ["a", "Seed-1", "berthcare-staging-2026-11-22-03-00"] {
            assert_eq!(snapshot_id("T", good).unwrap(), good.to_ascii_lowercase());
        }
        for bad in ["", "rds:a-dr", "1a", "-a", "a-", "a--b", "a_b", "é", "a b"] {
            assert_eq!(
                snapshot_id("T", bad).unwrap_err().code,
                "InvalidParameterValue",
                "{bad}"
            );
        }
        instance_id("T", &"a".repeat(63)).unwrap();
        instance_id("T", &"a".repeat(64)).unwrap_err();
        snapshot_id("T", &"a".repeat(255)).unwrap();
        snapshot_id("T", &"a".repeat(256)).unwrap_err();
    }

    #[test]
    fn an_arn_may_have_a_colon_in_its_id() {
        let arn =
            Arn::read("arn:aws:rds:ca-central-1:000000000000:snapshot:rds:db-2026-11-22-03-00")
                .unwrap();
        assert_eq!(arn.id, "rds:db-2026-11-22-03-00");
        assert_eq!(arn.place.arn(&arn.kind, &arn.id).matches(':').count(), 7);
        for bad in [
            "",
            "db",
            "arn:aws:rds:ca-central-1:0:snapshot",
            "arn:aws:s3:::b:c:d",
        ] {
            assert_eq!(Arn::read(bad), None, "{bad}");
        }
    }

    #[test]
    fn codes_differ() {
        assert_ne!(code(1), code(2));
        assert_eq!(code(1).len(), 26);
    }
}
