//! Results as SARIF 2.1.0, which code scanning shows.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Case, Results, Rule, Source};
use crate::finding::{Severity, Status};

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// What a path cannot keep in a URI; a colon in the first part would be a scheme.
const NOT_IN_PATHS: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b':')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Which results a SARIF log holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SarifScope {
    /// All of them.
    All,
    /// Those that are wrong or unknown: GitHub makes an alert of every result, also of one that passed.
    Problems,
}

impl Results {
    /// The results as a SARIF 2.1.0 log. `settings` is where the environment is described, a path relative to
    /// the repository; results are shown there, since a resource has no line of code.
    ///
    /// Wrong and unknown both fail; the level of unknown is always a warning. SARIF has the kind `open` for
    /// what could not be decided, but with it no level other than `none`, which is shown like a pass.
    pub fn to_sarif(&self, settings: &str, scope: SarifScope) -> Value {
        self.escaped().sarif(settings, scope)
    }

    fn sarif(&self, settings: &str, scope: SarifScope) -> Value {
        let settings = utf8_percent_encode(settings, NOT_IN_PATHS).to_string();
        let taken: Vec<&Case> = self
            .cases()
            .filter(|case| match scope {
                SarifScope::All => true,
                SarifScope::Problems => matches!(case.status, Status::Wrong | Status::Unknown),
            })
            .collect();
        // A rule is known by its id; what else it says may depend on the resource.
        let mut rules: Vec<&Rule> = Vec::new();
        for case in &taken {
            if !rules.iter().any(|rule| rule.id == case.rule.id) {
                rules.push(&case.rule);
            }
        }
        let results: Vec<Value> = taken
            .iter()
            .map(|case| {
                let index = rules.iter().position(|rule| rule.id == case.rule.id);
                self.result(case, index, &settings)
            })
            .collect();
        // Code scanning keeps what has another id: a probe does not end the alerts of a check.
        let id = match self.command {
            "check" => format!("{}/{}/", self.program, self.environment),
            command => format!("{}/{}/{command}/", self.program, self.environment),
        };
        json!({
            "$schema": SCHEMA,
            "version": "2.1.0",
            "runs": [{
                "tool": {
                    "driver": {
                        "name": self.program,
                        "semanticVersion": env!("CARGO_PKG_VERSION"),
                        "rules": rules.into_iter().map(rule).collect::<Vec<_>>(),
                    },
                },
                "automationDetails": { "id": id },
                "invocations": [{
                    "executionSuccessful": self.cases().next().is_some() && self.count(Status::Unknown) == 0,
                    "endTimeUtc": self.at.to_string(),
                }],
                "columnKind": "unicodeCodePoints",
                "results": results,
                "properties": {
                    "environment": self.environment,
                    "region": self.region,
                    "residency": self.residency,
                },
            }],
        })
    }

    fn result(&self, case: &Case, rule: Option<usize>, settings: &str) -> Value {
        let (kind, level) = match case.status {
            Status::Ok => ("pass", "none"),
            Status::Wrong => ("fail", level(case.rule.severity)),
            Status::Unknown => ("fail", "warning"),
            Status::Skipped => ("notApplicable", "none"),
        };
        let mut properties = json!({ "status": case.status, "expected": case.expected });
        let observed = match self.source {
            Source::Aws => {
                properties["terraform"] = json!(case.terraform);
                "aws"
            }
            Source::Looked => "seen",
        };
        properties[observed] = json!(case.observed);
        properties["reason"] = json!(case.reason);
        let place = [
            Some(self.environment.as_str()),
            self.region.as_deref(),
            Some(&case.resource),
        ];
        let place: Vec<&str> = place.into_iter().flatten().collect();
        json!({
            "ruleId": case.rule.id,
            "ruleIndex": rule,
            "kind": kind,
            "level": level,
            "message": { "text": format!("{}: {}", case.resource, case.sentence(self.source)) },
            "locations": [{
                "physicalLocation": {
                    "artifactLocation": { "uri": settings },
                    "region": { "startLine": 1 },
                },
                "logicalLocations": [{
                    "name": case.resource,
                    "fullyQualifiedName": place.join("/"),
                    "kind": "resource",
                }],
            }],
            // All results are on one line: this is what tells them apart from run to run.
            "partialFingerprints": { "primaryLocationLineHash": fingerprint(case) },
            "properties": properties,
        })
    }
}

fn rule(rule: &Rule) -> Value {
    let tags: Vec<&str> = ["infrastructure"]
        .into_iter()
        .chain(rule.tags.iter().map(String::as_str))
        .collect();
    json!({
        "id": rule.id,
        "shortDescription": { "text": rule.title },
        "fullDescription": { "text": rule.why },
        "help": { "text": rule.fix },
        "defaultConfiguration": { "level": level(rule.severity) },
        "properties": {
            "tags": tags,
            "severity": rule.severity,
            "security-severity": security_severity(rule.severity),
        },
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low => "note",
    }
}

/// GitHub's scale: over 9.0 critical, 7.0 to 8.9 high, 4.0 to 6.9 medium, 0.1 to 3.9 low.
fn security_severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.5",
        Severity::Low => "2.0",
    }
}

fn fingerprint(case: &Case) -> String {
    let digest = Sha256::new()
        .chain_update(&case.rule.id)
        .chain_update([0])
        .chain_update(&case.resource)
        .finalize();
    format!("{}:1", hex::encode(&digest[..8]))
}
