//! Answers as JUnit XML, which every CI system shows.

use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};
use report::finding::Status;

use crate::check::{Answer, Checked};

/// JUnit XML could not be written.
#[derive(Debug, thiserror::Error)]
#[error("write JUnit XML")]
pub struct JunitError(#[from] quick_junit::SerializeError);

impl Checked {
    /// The answers as JUnit XML: a suite for each item of the checklist, a case for each answer.
    ///
    /// Wrong is a failure, unknown an error: neither passes.
    ///
    /// # Errors
    /// When the XML cannot be written.
    pub fn to_junit(&self) -> Result<String, JunitError> {
        let mut report = Report::new(format!("{} in {}", self.environment, self.region));
        report.timestamp = self.at.to_string().parse().ok();
        for answers in self.answers.chunk_by(|a, b| a.check.item == b.check.item) {
            let name = match answers.first().and_then(|answer| answer.check.item) {
                Some(item) => format!("item {item}"),
                None => "security practices".to_owned(),
            };
            let mut suite = TestSuite::new(name);
            suite.timestamp = report.timestamp;
            suite.add_property(Property::new("environment", &self.environment));
            suite.add_property(Property::new("region", &self.region));
            for exception in &self.residency {
                suite.add_property(Property::new("residency exception", exception));
            }
            suite.add_test_cases(answers.iter().map(case));
            report.add_test_suite(suite);
        }
        Ok(report.to_string()?)
    }
}

fn case(answer: &Answer) -> TestCase {
    let check = answer.check;
    let mut status = match answer.status {
        Status::Ok => TestCaseStatus::success(),
        Status::Wrong => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Status::Unknown => TestCaseStatus::non_success(NonSuccessKind::Error),
        Status::Skipped => TestCaseStatus::skipped(),
    };
    let found = found(answer);
    let evidence = evidence(answer);
    match answer.status {
        Status::Ok => {}
        Status::Wrong => {
            status.set_type(check.severity.word());
            status.set_message(&found);
            status.set_description(format!(
                "{evidence}\nwhy: {}\nfix: {}",
                check.why, check.fix
            ));
        }
        Status::Unknown => {
            status.set_type("unknown");
            status.set_message(&found);
            status.set_description(&evidence);
        }
        Status::Skipped => {
            status.set_message(&found);
        }
    }
    let mut case = TestCase::new(format!("{}: {}", answer.resource, check.title), status);
    case.set_classname(check.id);
    if answer.status == Status::Ok {
        case.set_system_out(evidence);
    }
    case
}

/// What came out, in a sentence.
pub(crate) fn found(answer: &Answer) -> String {
    let reason = answer.reason.as_deref();
    match (answer.status, answer.aws.as_deref()) {
        (Status::Ok, Some(aws)) => format!("as expected: {aws}"),
        (Status::Ok, None) => "as expected".to_owned(),
        (Status::Wrong, aws) => {
            let aws: Vec<&str> = aws.into_iter().chain(reason).collect();
            format!("expected {}, AWS shows {}", answer.expected, aws.join(": "))
        }
        (Status::Unknown, _) => format!("unknown: {}", reason.unwrap_or("no answer")),
        (Status::Skipped, _) => format!("skipped: {}", reason.unwrap_or("nothing to ask")),
    }
}

fn evidence(answer: &Answer) -> String {
    [
        ("expected", Some(&answer.expected)),
        ("terraform", answer.terraform.as_ref()),
        ("AWS", answer.aws.as_ref()),
        ("reason", answer.reason.as_ref()),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some(format!("{name}: {}", value?)))
    .collect::<Vec<_>>()
    .join("\n")
}

#[cfg(test)]
mod tests {
    use quick_junit::XmlString;

    use super::*;
    use crate::sample::sample;

    #[test]
    fn only_ok_passes() {
        let checked = sample();
        let report = Report::deserialize_from_str(&checked.to_junit().unwrap()).unwrap();
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
        let report = Report::deserialize_from_str(&sample().to_junit().unwrap()).unwrap();
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
        let xml = sample().to_junit().unwrap();
        assert!(
            xml.contains("why: an outage of a zone is one of the database"),
            "{xml}"
        );
        assert!(xml.contains("fix: set multi_az"), "{xml}");
        assert!(
            xml.contains(
                "<system-out>expected: a standby\nterraform: true\nAWS: true</system-out>"
            ),
            "{xml}"
        );
    }

    #[test]
    fn what_comes_from_aws_cannot_break_the_xml() {
        let mut checked = sample();
        checked.answers[0].aws = Some("]]></failure>\u{1b}[31m\u{0}\u{b}".to_owned());
        checked.answers[0].resource = "\"/><x>".to_owned();
        let report = Report::deserialize_from_str(&checked.to_junit().unwrap()).unwrap();
        assert_eq!(report.tests, 4);
        let case = &report.test_suites[0].test_cases[0];
        assert!(
            case.name.as_str().starts_with("\"/><x>: "),
            "{}",
            case.name.as_str()
        );
    }
}
