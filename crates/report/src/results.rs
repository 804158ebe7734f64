//! The one form in which every kind of check hands its results to other programs: JUnit XML for CI systems, SARIF for
//! code scanning. Checks of AWS, probes, diagnoses and maintenance all become [`Results`].

mod junit;
mod sarif;

pub use junit::JunitError;
pub use sarif::SarifScope;

use crate::document::shown;
use crate::finding::{Finding, Severity, Status};
use crate::{Page, Report};

/// A result that other programs can read as [`Results`].
pub trait ToResults {
    /// The result, case by case.
    fn results(&self) -> Results;

    /// The result as one self-contained page of HTML.
    fn to_page(&self) -> String
    where
        Self: Report,
    {
        let results = self.results();
        let page = Page::new(format!("{}: {}", results.environment, results.command))
            .about("Looked at", results.at);
        self.document().to_html(&page)
    }
}

/// What one run found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Results {
    /// The program: `verify-staging`.
    pub program: &'static str,
    /// Which command: `check`, `probe`. Results of one do not take the place of another's.
    pub command: &'static str,
    /// The environment that was looked at.
    pub environment: String,
    /// Where it runs, where that is known.
    pub region: Option<String>,
    /// When, as RFC 3339 writes it.
    pub at: String,
    /// Who shows what there is.
    pub source: Source,
    /// Exceptions from the residency policy that are in use.
    pub residency: Vec<String>,
    /// The cases, by what they belong to.
    pub suites: Vec<Suite>,
}

/// Who shows what there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// AWS, beside what terraform says.
    Aws,
    /// The program itself has looked, in whatever way.
    Looked,
}

/// Cases that belong together, such as those of one item of a checklist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suite {
    /// What they belong to.
    pub name: String,
    /// In the order in which they are shown.
    pub cases: Vec<Case>,
}

/// One rule, looked at for one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// What has to hold.
    pub rule: Rule,
    /// For which resource.
    pub resource: String,
    /// What came out.
    pub status: Status,
    /// What should be.
    pub expected: String,
    /// What terraform says, where it was asked.
    pub terraform: Option<String>,
    /// What is there, where it could be seen.
    pub observed: Option<String>,
    /// Why it is unknown or was skipped.
    pub reason: Option<String>,
}

/// What has to hold, whatever the resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its name: `rds-multi-az`.
    pub id: String,
    /// What has to hold, in a few words.
    pub title: String,
    /// What happens when it does not.
    pub why: String,
    /// What to do then.
    pub fix: String,
    /// How bad it is when it does not.
    pub severity: Severity,
    /// Words by which rules are found.
    pub tags: Vec<String>,
}

impl Results {
    /// The same with all text escaped ([`crate::escape`]): what its renderings are made of.
    fn escaped(&self) -> Self {
        Self {
            program: self.program,
            command: self.command,
            environment: shown(&self.environment),
            region: self.region.as_ref().map(shown),
            at: shown(&self.at),
            source: self.source,
            residency: self.residency.iter().map(shown).collect(),
            suites: self.suites.iter().map(Suite::escaped).collect(),
        }
    }

    fn cases(&self) -> impl Iterator<Item = &Case> {
        self.suites.iter().flat_map(|suite| &suite.cases)
    }

    fn count(&self, status: Status) -> usize {
        self.cases().filter(|case| case.status == status).count()
    }
}

impl Suite {
    fn escaped(&self) -> Self {
        Self {
            name: shown(&self.name),
            cases: self.cases.iter().map(Case::escaped).collect(),
        }
    }

    /// Findings that belong together; `why` says what it means when one of them is wrong.
    pub fn of_findings(name: impl Into<String>, why: &str, findings: &[Finding]) -> Self {
        let case = |finding: &Finding| Case {
            rule: Rule {
                id: finding.what.to_owned(),
                title: finding.what.replace('-', " "),
                why: why.to_owned(),
                fix: finding
                    .fix
                    .clone()
                    .unwrap_or_else(|| "see what was expected and what was seen".to_owned()),
                severity: Severity::High,
                tags: Vec::new(),
            },
            resource: finding.resource.clone(),
            status: finding.status,
            expected: finding.expected.clone(),
            terraform: None,
            observed: finding.seen.clone(),
            reason: finding.reason.clone(),
        };
        Self {
            name: name.into(),
            cases: findings.iter().map(case).collect(),
        }
    }
}

impl Case {
    fn escaped(&self) -> Self {
        let rule = &self.rule;
        Self {
            rule: Rule {
                id: shown(&rule.id),
                title: shown(&rule.title),
                why: shown(&rule.why),
                fix: shown(&rule.fix),
                severity: rule.severity,
                tags: rule.tags.iter().map(shown).collect(),
            },
            resource: shown(&self.resource),
            status: self.status,
            expected: shown(&self.expected),
            terraform: self.terraform.as_ref().map(shown),
            observed: self.observed.as_ref().map(shown),
            reason: self.reason.as_ref().map(shown),
        }
    }

    /// What came out, in a sentence.
    fn sentence(&self, source: Source) -> String {
        let reason = self.reason.as_deref();
        match (self.status, self.observed.as_deref()) {
            (Status::Ok, Some(observed)) => format!("as expected: {observed}"),
            (Status::Ok, None) => "as expected".to_owned(),
            (Status::Wrong, observed) => {
                let observed: Vec<&str> = observed.into_iter().chain(reason).collect();
                let shows = match source {
                    Source::Aws => "AWS shows",
                    Source::Looked => "seen:",
                };
                format!(
                    "expected {}, {shows} {}",
                    self.expected,
                    observed.join(": ")
                )
            }
            (Status::Unknown, _) => format!("unknown: {}", reason.unwrap_or("no answer")),
            (Status::Skipped, _) => format!("skipped: {}", reason.unwrap_or("nothing to ask")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Unobserved;

    fn results() -> Results {
        let findings = [
            Finding::new(
                "database-tls",
                "db:5432",
                "TLS",
                Ok((false, "plain".to_owned())),
            )
            .fix("enforce it"),
            Finding::new(
                "database-tls",
                "replica:5432",
                "TLS",
                Ok((true, "TLS 1.3".to_owned())),
            ),
            Finding::new(
                "redis-auth",
                "redis:6379",
                "AUTH",
                Err(Unobserved::because("no answer")),
            ),
            Finding::skipped("http", "health page", "no URL is given"),
        ];
        Results {
            program: "verify-staging",
            command: "probe",
            environment: "berthcare-staging".to_owned(),
            region: None,
            at: "2026-11-26T17:31:00Z".to_owned(),
            source: Source::Looked,
            residency: Vec::new(),
            suites: vec![Suite::of_findings(
                "probe",
                "the application is refused",
                &findings,
            )],
        }
    }

    #[test]
    fn findings_as_junit_pass_only_when_they_are_ok() {
        let xml = results().to_junit().unwrap();
        let report = quick_junit::Report::deserialize_from_str(&xml).unwrap();
        let counts = (report.tests, report.failures, report.errors, report.skipped);
        assert_eq!(counts, (4, 1, 1, 1), "{xml}");
        for part in [
            "expected TLS, seen: plain",
            "fix: enforce it",
            "why: the application is refused",
            "unknown: no answer",
        ] {
            assert!(xml.contains(part), "{part}: {xml}");
        }
        assert!(
            !xml.contains("AWS") && !xml.contains("name=\"region\""),
            "{xml}"
        );
    }

    #[test]
    fn junit_and_sarif_show_what_would_act_on_a_reader() {
        let hostile = "a\u{1b}[8mb\u{9b}c\u{202e}d\u{200b}e\nf\rg\u{7f}";
        let escaped = "a\\u{1b}[8mb\\u{9b}c\\u{202e}d\\u{200b}e\\nf\\rg\\u{7f}";
        let mut results = results();
        results.environment = hostile.to_owned();
        results.region = Some(hostile.to_owned());
        results.residency = vec![hostile.to_owned()];
        let suite = &mut results.suites[0];
        suite.name = hostile.to_owned();
        for case in &mut suite.cases {
            let rule = &mut case.rule;
            for text in [
                &mut rule.title,
                &mut rule.why,
                &mut rule.fix,
                &mut case.resource,
                &mut case.expected,
            ] {
                *text = hostile.to_owned();
            }
            for text in [&mut case.terraform, &mut case.observed, &mut case.reason] {
                *text = Some(hostile.to_owned());
            }
        }
        let junit = results.to_junit().unwrap();
        let sarif = results.to_sarif("infra.toml", SarifScope::All);
        let texts = |value: &serde_json::Value| {
            let mut texts = Vec::new();
            let mut left = vec![value.clone()];
            while let Some(value) = left.pop() {
                match value {
                    serde_json::Value::String(text) => texts.push(text),
                    serde_json::Value::Array(values) => left.extend(values),
                    serde_json::Value::Object(values) => {
                        left.extend(values.into_iter().map(|(_, value)| value));
                    }
                    _ => {}
                }
            }
            texts
        };
        for text in texts(&sarif)
            .into_iter()
            .chain(junit.lines().map(str::to_owned))
        {
            assert_eq!(crate::escape::one_line(&text), text);
        }
        assert!(
            junit.contains(escaped) && sarif.to_string().contains(&escaped.replace('\\', "\\\\"))
        );
    }

    #[test]
    fn findings_as_sarif_are_in_a_category_of_their_command() {
        let log = results().to_sarif("infra.toml", SarifScope::Problems);
        let run = &log["runs"][0];
        assert_eq!(
            run["automationDetails"]["id"],
            "verify-staging/berthcare-staging/probe/"
        );
        let found = run["results"].as_array().unwrap();
        let ids: Vec<_> = found.iter().map(|one| &one["ruleId"]).collect();
        assert_eq!(ids, ["database-tls", "redis-auth"]);
        assert_eq!(found[0]["level"], "error");
        assert_eq!(found[1]["level"], "warning");
        assert_eq!(found[0]["properties"]["seen"], "plain");
        // A rule is there once, however many resources it is about.
        let all = results().to_sarif("infra.toml", SarifScope::All);
        let rules = all["runs"][0]["tool"]["driver"]["rules"]
            .as_array()
            .unwrap();
        assert_eq!(rules.len(), 3, "{rules:?}");
    }
}
