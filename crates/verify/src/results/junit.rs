//! Answers as JUnit XML.

use quick_junit::{NonSuccessKind, Report, TestCaseStatus, XmlString};
use report::results::ToResults as _;

use crate::sample::sample;

#[test]
fn only_ok_passes() {
    let checked = sample();
    let report = Report::deserialize_from_str(&checked.results().to_junit().unwrap()).unwrap();
    let counts = (report.tests, report.failures, report.errors, report.skipped);
    assert_eq!(counts, (4, 1, 1, 1));
    let shown: Vec<(&str, &str, &str)> = report
        .test_suites
        .iter()
        .flat_map(|suite| &suite.test_cases)
        .map(|case| {
            let (status, message) = match &case.status {
                TestCaseStatus::Success { .. } => ("success", None),
                TestCaseStatus::NonSuccess { kind, message, .. } => match kind {
                    NonSuccessKind::Failure => ("failure", message.as_ref()),
                    NonSuccessKind::Error => ("error", message.as_ref()),
                },
                TestCaseStatus::Skipped { message, .. } => ("skipped", message.as_ref()),
            };
            let class = case.classname.as_ref().map_or("", XmlString::as_str);
            (class, status, message.map_or("", XmlString::as_str))
        })
        .collect();
    assert_eq!(
        shown,
        [
            (
                "rds-multi-az",
                "failure",
                "expected a standby, AWS shows <none> & \"no\""
            ),
            ("rds-multi-az", "success", ""),
            ("rds-multi-az", "error", "unknown: denied"),
            ("sg-open", "skipped", "skipped: no VPC"),
        ]
    );
}

#[test]
fn suites_are_the_items_of_the_checklist_and_carry_when_and_where() {
    let report = Report::deserialize_from_str(&sample().results().to_junit().unwrap()).unwrap();
    let names: Vec<&str> = report
        .test_suites
        .iter()
        .map(|suite| suite.name.as_str())
        .collect();
    assert_eq!(names, ["item 3", "security practices"]);
    assert_eq!(
        report.name.unwrap().as_str(),
        "berthcare-staging in ca-central-1"
    );
    assert_eq!(
        report.timestamp.unwrap().timestamp(),
        sample().at.as_second()
    );
    let properties: Vec<(&str, &str)> = report.test_suites[0]
        .properties
        .iter()
        .map(|property| (property.name.as_str(), property.value.as_str()))
        .collect();
    assert_eq!(
        properties,
        [
            ("environment", "berthcare-staging"),
            ("region", "ca-central-1"),
            ("residency exception", "us-east-1: certificates"),
        ]
    );
}

#[test]
fn a_failure_says_what_to_do_and_a_pass_what_was_seen() {
    let xml = sample().results().to_junit().unwrap();
    assert!(
        xml.contains("why: an outage of a zone is one of the database"),
        "{xml}"
    );
    assert!(xml.contains("fix: set multi_az"), "{xml}");
    assert!(
        xml.contains("<system-out>expected: a standby\nterraform: true\nAWS: true</system-out>"),
        "{xml}"
    );
}

#[test]
fn what_comes_from_aws_cannot_break_the_xml() {
    let mut checked = sample();
    checked.answers[0].aws = Some("]]></failure>\u{1b}[31m\u{0}\u{b}".to_owned());
    checked.answers[0].resource = "\"/><x>".to_owned();
    let report = Report::deserialize_from_str(&checked.results().to_junit().unwrap()).unwrap();
    assert_eq!(report.tests, 4);
    let case = &report.test_suites[0].test_cases[0];
    assert!(
        case.name.as_str().starts_with("\"/><x>: "),
        "{}",
        case.name.as_str()
    );
}
