//! Answers of every status, for tests of what is made of them.

use report::finding::{Severity, Unobserved};

use crate::check::{Answer, Check, Checked};

static STANDBY: Check = Check {
    id: "rds-multi-az",
    item: Some(3),
    severity: Severity::High,
    title: "the database has a standby",
    why: "an outage of a zone is one of the database",
    fix: "set multi_az",
};

static OPEN: Check = Check {
    id: "sg-open",
    item: None,
    severity: Severity::Critical,
    title: "nothing but HTTPS is open to the world",
    why: "anybody can try passwords",
    fix: "close it",
};

pub(crate) fn sample() -> Checked {
    let standby =
        |resource: &str, seen| STANDBY.answer(resource, "a standby", Some("true".to_owned()), seen);
    let answers: Vec<Answer> = vec![
        standby("db-1", Ok((false, "<none> & \"no\"".to_owned()))),
        standby("db-2", Ok((true, "true".to_owned()))),
        standby("db-3", Err(Unobserved::because("denied"))),
        OPEN.skipped("vpc", "no VPC"),
    ];
    Checked {
        environment: "berthcare-staging".to_owned(),
        region: "ca-central-1".to_owned(),
        account: Some("123456789012".to_owned()),
        at: "2026-11-26T17:31:00Z".parse().unwrap(),
        residency: vec!["us-east-1: certificates".to_owned()],
        resources: Vec::new(),
        answers,
    }
}
