//! The answers in the form that JUnit XML and SARIF are made of.

use report::results::{Case, Results, Rule, Source, Suite, ToResults};

use crate::check::{Answer, Checked};

impl ToResults for Checked {
    /// A suite for each item of the checklist, a case for each answer.
    fn results(&self) -> Results {
        let suites = self.answers.chunk_by(|a, b| a.check.item == b.check.item);
        let suite = |answers: &[Answer]| Suite {
            name: match answers.first().and_then(|answer| answer.check.item) {
                Some(item) => format!("item {item}"),
                None => "security practices".to_owned(),
            },
            cases: answers.iter().map(case).collect(),
        };
        Results {
            program: "verify-staging",
            command: "check",
            environment: self.environment.clone(),
            region: Some(self.region.clone()),
            at: self.at.to_string(),
            source: Source::Aws,
            residency: self.residency.clone(),
            suites: suites.map(suite).collect(),
        }
    }

    /// With a verdict and the checklist, which a table has no room for.
    fn to_page(&self) -> String {
        self.to_html()
    }
}

fn case(answer: &Answer) -> Case {
    let check = answer.check;
    Case {
        rule: Rule {
            id: check.id.to_owned(),
            title: check.title.to_owned(),
            why: check.why.to_owned(),
            fix: check.fix.to_owned(),
            severity: check.severity,
            tags: check
                .item
                .map(|item| format!("item-{item}"))
                .into_iter()
                .collect(),
        },
        resource: answer.resource.clone(),
        status: answer.status,
        expected: answer.expected.clone(),
        terraform: answer.terraform.clone(),
        observed: answer.aws.clone(),
        reason: answer.reason.clone(),
    }
}

#[cfg(test)]
#[path = "results/junit.rs"]
mod junit;
#[cfg(test)]
#[path = "results/sarif.rs"]
mod sarif;
