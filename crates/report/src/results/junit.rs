//! Results as JUnit XML, which every CI system shows.

use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};

use super::{Case, Results, Source};
use crate::finding::Status;

/// JUnit XML could not be written.
#[derive(Debug, thiserror::Error)]
#[error("write JUnit XML")]
pub struct JunitError(#[from] quick_junit::SerializeError);

impl Results {
    /// The results as JUnit XML. Wrong is a failure, unknown an error: neither passes.
    ///
    /// # Errors
    /// When the XML cannot be written.
    pub fn to_junit(&self) -> Result<String, JunitError> {
        let results = self.escaped();
        let name = match &results.region {
            Some(region) => format!("{} in {region}", results.environment),
            None => results.environment.clone(),
        };
        let mut report = Report::new(name);
        report.timestamp = results.at.parse().ok();
        for group in &results.suites {
            let mut suite = TestSuite::new(group.name.as_str());
            suite.timestamp = report.timestamp;
            suite.add_property(Property::new("environment", &results.environment));
            if let Some(region) = &results.region {
                suite.add_property(Property::new("region", region));
            }
            for exception in &results.residency {
                suite.add_property(Property::new("residency exception", exception));
            }
            let cases = group.cases.iter();
            suite.add_test_cases(cases.map(|case| case.to_junit(results.source)));
            report.add_test_suite(suite);
        }
        Ok(report.to_string()?)
    }
}

impl Case {
    fn to_junit(&self, source: Source) -> TestCase {
        let rule = &self.rule;
        let mut status = match self.status {
            Status::Ok => TestCaseStatus::success(),
            Status::Wrong => TestCaseStatus::non_success(NonSuccessKind::Failure),
            Status::Unknown => TestCaseStatus::non_success(NonSuccessKind::Error),
            Status::Skipped => TestCaseStatus::skipped(),
        };
        let sentence = self.sentence(source);
        let details = self.details(source);
        match self.status {
            Status::Ok => {}
            Status::Wrong => {
                status.set_type(rule.severity.word());
                status.set_message(&sentence);
                status.set_description(format!("{details}\nwhy: {}\nfix: {}", rule.why, rule.fix));
            }
            Status::Unknown => {
                status.set_type("unknown");
                status.set_message(&sentence);
                status.set_description(&details);
            }
            Status::Skipped => {
                status.set_message(&sentence);
            }
        }
        let mut case = TestCase::new(format!("{}: {}", self.resource, rule.title), status);
        case.set_classname(rule.id.as_str());
        if self.status == Status::Ok {
            case.set_system_out(details);
        }
        case
    }

    fn details(&self, source: Source) -> String {
        let observed = match source {
            Source::Aws => "AWS",
            Source::Looked => "seen",
        };
        [
            ("expected", Some(&self.expected)),
            ("terraform", self.terraform.as_ref()),
            (observed, self.observed.as_ref()),
            ("reason", self.reason.as_ref()),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name}: {}", value?)))
        .collect::<Vec<_>>()
        .join("\n")
    }
}
