//! Answers as SARIF.

use std::collections::BTreeSet;

use report::results::{SarifScope, ToResults as _};
use serde_json::Value;

use crate::check::Checked;
use crate::sample::sample;

/// What SARIF 2.1.0 demands of a log, beyond types.
fn violations(log: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut demand = |holds: bool, what: &str| {
        if !holds {
            found.push(what.to_owned());
        }
    };
    let text = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    demand(log["version"] == "2.1.0", "3.13.2 version");
    demand(text(&log["$schema"]), "3.13.3 $schema");
    for run in log["runs"].as_array().unwrap() {
        let driver = &run["tool"]["driver"];
        demand(text(&driver["name"]), "3.19.8 name of the driver");
        for invocation in run["invocations"].as_array().unwrap() {
            demand(
                invocation["executionSuccessful"].is_boolean(),
                "3.20.14 executionSuccessful",
            );
        }
        let rules = driver["rules"].as_array().unwrap();
        let ids: BTreeSet<&str> = rules
            .iter()
            .filter_map(|rule| rule["id"].as_str())
            .collect();
        demand(ids.len() == rules.len(), "3.49.3 ids of rules");
        for rule in rules {
            for message in ["shortDescription", "fullDescription", "help"] {
                demand(
                    text(&rule[message]["text"]),
                    "3.12.3 text of a message string",
                );
            }
            let tags = rule["properties"]["tags"].as_array().unwrap();
            let distinct: BTreeSet<&str> = tags.iter().filter_map(Value::as_str).collect();
            demand(distinct.len() == tags.len(), "3.8.2 tags are distinct");
        }
        for result in run["results"].as_array().unwrap() {
            let level = result["level"].as_str().unwrap();
            let kind = result["kind"].as_str().unwrap();
            demand(
                ["none", "note", "warning", "error"].contains(&level),
                "3.27.10 level",
            );
            let kinds = [
                "pass",
                "open",
                "informational",
                "notApplicable",
                "review",
                "fail",
            ];
            demand(kinds.contains(&kind), "3.27.9 kind");
            demand(
                kind == "fail" || level == "none",
                "3.27.10 only what fails has a level",
            );
            demand(text(&result["message"]["text"]), "3.11.8 text of a message");
            let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            demand(
                rules[index]["id"] == result["ruleId"],
                "3.27.6 ruleIndex is that of ruleId",
            );
            let locations = result["locations"].as_array().unwrap();
            demand(!locations.is_empty(), "code scanning wants a location");
            for location in locations {
                let physical = &location["physicalLocation"];
                demand(text(&physical["artifactLocation"]["uri"]), "3.4.3 uri");
                demand(
                    physical["region"]["startLine"].as_u64() >= Some(1),
                    "3.30.5 startLine",
                );
            }
        }
    }
    found
}

fn results(log: &Value) -> Vec<[&str; 4]> {
    log["runs"][0]["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| {
            [
                &result["ruleId"],
                &result["kind"],
                &result["level"],
                &result["message"]["text"],
            ]
            .map(|value| value.as_str().unwrap())
        })
        .collect()
}

#[test]
fn every_answer_is_a_result_and_unknown_is_seen() {
    let log = sample().results().to_sarif("infra.toml", SarifScope::All);
    assert_eq!(violations(&log), [""; 0]);
    assert_eq!(
        results(&log),
        [
            [
                "rds-multi-az",
                "fail",
                "error",
                "db-1: expected a standby, AWS shows <none> & \"no\""
            ],
            ["rds-multi-az", "pass", "none", "db-2: as expected: true"],
            ["rds-multi-az", "fail", "warning", "db-3: unknown: denied"],
            ["sg-open", "notApplicable", "none", "vpc: skipped: no VPC"],
        ]
    );
    assert_eq!(
        log["runs"][0]["invocations"][0]["executionSuccessful"],
        false
    );
}

#[test]
fn what_makes_no_alert_can_be_left_out() {
    let log = sample()
        .results()
        .to_sarif("infra.toml", SarifScope::Problems);
    assert_eq!(violations(&log), [""; 0]);
    let kinds: Vec<&str> = results(&log)
        .into_iter()
        .map(|[_, kind, ..]| kind)
        .collect();
    assert_eq!(kinds, ["fail", "fail"]);
    assert_eq!(
        log["runs"][0]["tool"]["driver"]["rules"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        log["runs"][0]["invocations"][0]["executionSuccessful"],
        false
    );
}

#[test]
fn a_path_becomes_a_uri() {
    let log = sample()
        .results()
        .to_sarif("my envs/staging#1.toml", SarifScope::All);
    let location = &log["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
    assert_eq!(
        location["artifactLocation"]["uri"],
        "my%20envs/staging%231.toml"
    );
}

#[test]
fn the_same_problem_has_the_same_fingerprint_in_the_next_run() {
    let prints = |checked: &Checked| -> Vec<String> {
        let log = checked.results().to_sarif("infra.toml", SarifScope::All);
        let results = log["runs"][0]["results"].as_array().unwrap();
        let print =
            |result: &Value| result["partialFingerprints"]["primaryLocationLineHash"].to_string();
        results.iter().map(print).collect()
    };
    let first = prints(&sample());
    assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 4);
    let mut next = sample();
    next.at = "2026-11-27T17:31:00Z".parse().unwrap();
    next.answers[0].aws = Some("something else".to_owned());
    assert_eq!(prints(&next), first);
}

#[test]
fn a_run_without_answers_did_not_succeed() {
    let mut checked = sample();
    checked.answers.clear();
    let log = checked.results().to_sarif("infra.toml", SarifScope::All);
    assert_eq!(violations(&log), [""; 0]);
    assert_eq!(
        log["runs"][0]["invocations"][0]["executionSuccessful"],
        false
    );
}
