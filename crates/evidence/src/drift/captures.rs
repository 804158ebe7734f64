//! Two captures.

use std::collections::BTreeMap;

use jiff::civil::Date;
use report::finding::Status;
use serde_json::Value;

use super::compare::{Raw, Sides};
use super::meaning::explained;
use super::{Difference, Drift, Kind, Rules};
use crate::{Capture, CheckResult, CheckResults, RedactionPolicy, Redactor, Salt};

impl Drift {
    /// From one capture to a later one, each with a name for people. `checks`: whether the answers of AWS are
    /// compared too.
    pub fn between(
        (before_name, before): (&str, &Capture),
        (after_name, after): (&str, &Capture),
        checks: bool,
        rules: &Rules,
        today: Date,
    ) -> Self {
        let sides = Sides {
            same_salt: before.salt == after.salt,
            same_policy: before.redaction == after.redaction,
            ..Sides::ALIKE
        };
        // An older program may have written down in clear what is known to be a secret now.
        let salt = Salt::random();
        let mut redactor = Redactor::salted(&salt, RedactionPolicy::SECRETS);
        for capture in [before, after] {
            for (name, output) in &capture.outputs {
                redactor.learn(name, &output.value, &Value::Null);
            }
        }
        let mut found = Vec::new();
        let mut compare = |place: &str, before: Option<Value>, after: Option<Value>| {
            let [before, after] =
                [before, after].map(|side| side.map(|side| redactor.again(place, "", &side)));
            sides.compare(place, place, before.as_ref(), after.as_ref(), &mut found);
        };
        let text = |text: &str| Some(Value::from(text));
        compare(
            "environment",
            text(&before.environment),
            text(&after.environment),
        );
        compare("region", text(&before.region), text(&after.region));
        let outputs = |capture: &Capture| {
            let values = capture.outputs.iter();
            Value::Object(
                values
                    .map(|(name, one)| (name.clone(), one.value.clone()))
                    .collect(),
            )
        };
        compare("outputs", Some(outputs(before)), Some(outputs(after)));
        let mut differences: Vec<Difference> = found.into_iter().map(told).collect();
        state(before, after, &mut differences);
        if checks {
            answers(
                before.checks.as_ref(),
                after.checks.as_ref(),
                &redactor,
                &mut differences,
            );
        }
        let notes = vec![note(before_name, before), note(after_name, after)];
        Self::new(
            before_name.to_owned(),
            after_name.to_owned(),
            notes,
            differences,
            rules,
            today,
        )
    }
}

fn told(raw: Raw) -> Difference {
    let kind = raw.kind;
    let (environment, region) = (raw.place == "environment", raw.place == "region");
    let mut difference = explained(raw);
    if kind == Kind::Changed && environment {
        difference.meaning = "another environment".to_owned();
    } else if kind == Kind::Changed && region {
        difference.meaning = "it runs in another region".to_owned();
    }
    difference
}

/// Where a side comes from: no drift, and what explains one.
fn note(name: &str, capture: &Capture) -> String {
    let origin = &capture.origin;
    let commit = origin.commit.as_ref().map(|commit| {
        let dirty = if commit.dirty { " with changes" } else { "" };
        format!("commit {}{dirty}", commit.id)
    });
    let state = origin
        .state
        .as_ref()
        .map(|state| format!("state serial {}", state.serial));
    let terraform = origin
        .terraform
        .as_ref()
        .map(|version| format!("terraform {version}"));
    let parts: Vec<String> = [commit, state, terraform].into_iter().flatten().collect();
    let at = capture.captured_at;
    match parts.is_empty() {
        true => format!("{name}: {at}"),
        false => format!("{name}: {at}, {}", parts.join(", ")),
    }
}

fn state(before: &Capture, after: &Capture, differences: &mut Vec<Difference>) {
    let (Some(before), Some(after)) = (&before.origin.state, &after.origin.state) else {
        return;
    };
    let mut differs = |place: &str, meaning: &str, before: String, after: String| {
        differences.push(Difference {
            place: place.to_owned(),
            kind: Kind::Changed,
            meaning: meaning.to_owned(),
            before: Some(before),
            after: Some(after),
            ignored: None,
        });
    };
    if before.lineage != after.lineage {
        let (before, after) = (before.lineage.clone(), after.lineage.clone());
        differs(
            "state.lineage",
            "another state: it was made anew",
            before,
            after,
        );
    } else if after.serial < before.serial {
        let (before, after) = (before.serial.to_string(), after.serial.to_string());
        differs(
            "state.serial",
            "an older state: it was set back",
            before,
            after,
        );
    }
}

/// By check and resource. A resource that is no longer asked about shows in the outputs; a check that is no
/// longer asked at all shows here.
fn answers(
    before: Option<&CheckResults>,
    after: Option<&CheckResults>,
    redactor: &Redactor<'_>,
    differences: &mut Vec<Difference>,
) {
    let difference = |place: String, kind, meaning: &str, before, after| Difference {
        place,
        kind,
        meaning: meaning.to_owned(),
        before,
        after,
        ignored: None,
    };
    let (before, after) = match (before, after) {
        (None, None) => return,
        (Some(before), Some(after)) => (before, after),
        _ => {
            let meaning = "AWS was asked on one side only";
            differences.push(difference(
                "checks".to_owned(),
                Kind::Unknown,
                meaning,
                None,
                None,
            ));
            return;
        }
    };
    let old: BTreeMap<(&str, &str), &CheckResult> = before
        .answers
        .iter()
        .map(|one| ((one.id.as_str(), one.resource.as_str()), one))
        .collect();
    let shown = |one: &CheckResult| {
        let said = one.aws.as_ref().or(one.reason.as_ref());
        Some(match said {
            Some(said) => format!("{}: {}", one.status.word(), redactor.sentence(said)),
            None => one.status.word().to_owned(),
        })
    };
    // What is accepted is wrong all the same.
    let status = |one: &CheckResult| match one.accepted_until {
        Some(_) => Status::Wrong,
        None => one.status,
    };
    for now in &after.answers {
        let key = (now.id.as_str(), now.resource.as_str());
        let was = old.get(&key).copied();
        let told = match (was.map(status), status(now)) {
            (Some(Status::Ok), Status::Wrong) => (Kind::Changed, "was ok, is wrong now"),
            (Some(Status::Wrong), Status::Ok) => (Kind::Changed, "was wrong, is ok now"),
            (Some(Status::Unknown | Status::Skipped) | None, Status::Wrong) => {
                (Kind::Changed, "is wrong, and was not known to be")
            }
            (_, Status::Unknown) => (Kind::Unknown, "cannot be told now"),
            (Some(Status::Ok | Status::Wrong), Status::Skipped) => {
                (Kind::Unknown, "was answered, is skipped now")
            }
            _ => continue,
        };
        let place = format!("checks.{}[{}]", now.id, redactor.sentence(&now.resource));
        let mut told = difference(place, told.0, told.1, was.and_then(shown), shown(now));
        if now.accepted_until.is_some() {
            told.ignored.clone_from(&now.reason);
        }
        differences.push(told);
    }
    for was in &before.answers {
        let gone = !after.answers.iter().any(|now| now.id == was.id);
        if gone && matches!(status(was), Status::Ok | Status::Wrong) {
            let place = format!("checks.{}[{}]", was.id, redactor.sentence(&was.resource));
            let meaning = "was answered, is not asked now";
            differences.push(difference(place, Kind::Unknown, meaning, shown(was), None));
        }
    }
}

#[cfg(test)]
mod tests {
    use report::finding::Severity;

    use super::*;
    use crate::outputs::Outputs;
    use crate::{Draft, Origin, Redaction, StateHead};

    fn capture(salt: &Salt, policy: RedactionPolicy, outputs: &str) -> Capture {
        let outputs = Outputs::parse(outputs.as_bytes()).unwrap();
        let at = "2026-11-26T17:30:00Z".parse().unwrap();
        Draft::new(
            "e",
            "ca-central-1",
            at,
            "t",
            Origin::default(),
            &outputs,
            None,
            (salt, policy),
        )
        .capture()
        .clone()
    }

    fn drift(before: &Capture, after: &Capture) -> Vec<String> {
        let today = "2026-11-26".parse().unwrap();
        let drift = Drift::between(("A", before), ("B", after), true, &Rules::default(), today);
        drift
            .differences
            .iter()
            .map(|one| format!("{} {}: {}", one.kind.word(), one.place, one.meaning))
            .collect()
    }

    #[test]
    fn outputs_differ_by_meaning() {
        let salt = Salt::random();
        let of = |json| capture(&salt, RedactionPolicy::default(), json);
        let before = of(
            r#"{"db_endpoint": {"value": "a:5432"}, "auth": {"sensitive": true, "value": "one-secret"},
            "s3_bucket_photos": {"value": "p1"}, "private_subnet_ids": {"value": ["subnet-1", "subnet-2"]},
            "gone": {"value": 1}, "null": {"value": null}, "port": {"value": 5432}}"#,
        );
        let after = of(
            r#"{"db_endpoint": {"value": "b:5432"}, "auth": {"sensitive": true, "value": "other-secret"},
            "s3_bucket_photos": {"value": "p2"}, "private_subnet_ids": {"value": ["subnet-2"]},
            "new": {"value": 1}, "port": {"value": 5432.0}}"#,
        );
        assert_eq!(
            drift(&before, &after),
            [
                "changed outputs.auth: secret rotated",
                "changed outputs.db_endpoint: endpoint changed",
                "removed outputs.gone: value removed",
                "added outputs.new: value added",
                "removed outputs.private_subnet_ids[subnet-1]: subnet lost, and with it perhaps its zone",
                "changed outputs.s3_bucket_photos: bucket replaced",
            ]
        );
        assert_eq!(drift(&before, &before), [""; 0]);
    }

    #[test]
    fn with_another_salt_secrets_are_unknown_and_the_rest_is_compared() {
        let json = r#"{"auth": {"sensitive": true, "value": "one-secret"}, "vpc_id": {"value": "vpc-1"},
            "topic_arn": {"value": "arn:aws:sns:r:123456789012:t"}}"#;
        let before = capture(&Salt::random(), RedactionPolicy::default(), json);
        let after = capture(
            &Salt::random(),
            RedactionPolicy::default(),
            &json.replace("vpc-1", "vpc-2"),
        );
        let found = drift(&before, &after);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].starts_with("changed outputs.vpc_id"));
        assert!(found[1].starts_with("unknown outputs.auth"));
        assert!(found[2].starts_with("unknown outputs.topic_arn"));
        // Hidden in another way, with the same salt.
        let salt = Salt::random();
        let keep = RedactionPolicy {
            account_ids: Redaction::Keep,
            endpoints: Redaction::Keep,
        };
        let found = drift(
            &capture(&salt, keep, json),
            &capture(&salt, RedactionPolicy::default(), json),
        );
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("unknown outputs.topic_arn"));
    }

    #[test]
    fn answers_of_aws_and_the_state_are_compared() {
        let salt = Salt::random();
        let answer = |id: &str, status| CheckResult {
            id: id.to_owned(),
            item: Some(1),
            severity: Severity::High,
            status,
            resource: "r".to_owned(),
            expected: String::new(),
            terraform: None,
            aws: None,
            reason: None,
            accepted_until: None,
        };
        use Status::{Ok, Skipped, Unknown, Wrong};
        let with = |answers: &[(&str, Status)], serial, lineage: &str| {
            let mut capture = capture(&salt, RedactionPolicy::default(), r#"{"a": {"value": 1}}"#);
            capture.checks = Some(CheckResults {
                at: capture.captured_at,
                account: None,
                answers: answers
                    .iter()
                    .map(|(id, status)| answer(id, *status))
                    .collect(),
            });
            capture.origin.state = Some(StateHead {
                serial,
                lineage: lineage.to_owned(),
                terraform_version: "1.11.4".to_owned(),
            });
            capture
        };
        let before = with(
            &[
                ("a", Ok),
                ("b", Ok),
                ("c", Wrong),
                ("d", Unknown),
                ("e", Ok),
                ("f", Ok),
                ("g", Ok),
            ],
            5,
            "x",
        );
        let after = with(
            &[
                ("a", Wrong),
                ("b", Unknown),
                ("c", Ok),
                ("d", Ok),
                ("e", Skipped),
                ("g", Ok),
                ("h", Wrong),
            ],
            4,
            "x",
        );
        assert_eq!(
            drift(&before, &after),
            [
                "changed checks.a[r]: was ok, is wrong now",
                "changed checks.c[r]: was wrong, is ok now",
                "changed checks.h[r]: is wrong, and was not known to be",
                "changed state.serial: an older state: it was set back",
                "unknown checks.b[r]: cannot be told now",
                "unknown checks.e[r]: was answered, is skipped now",
                "unknown checks.f[r]: was answered, is not asked now",
            ]
        );
        let mut accepted = with(&[("a", Skipped), ("c", Skipped)], 5, "x");
        for answer in &mut accepted.checks.as_mut().unwrap().answers {
            answer.accepted_until = Some(jiff::civil::date(2027, 6, 30));
            answer.reason = Some("accepted until 2027-06-30: one zone".to_owned());
        }
        let mut only = before.clone();
        let answers = &mut only.checks.as_mut().unwrap().answers;
        answers.retain(|one| ["a", "c"].contains(&one.id.as_str()));
        let today = "2026-11-26".parse().unwrap();
        let of = |before: &Capture, after: &Capture| {
            let sides = (("A", before), ("B", after));
            Drift::between(sides.0, sides.1, true, &Rules::default(), today)
        };
        let found = of(&only, &accepted);
        assert_eq!((found.found(), found.ignored()), (0, 1), "{found:?}");
        assert_eq!(found.differences[0].meaning, "was ok, is wrong now");
        let accepts = found.differences[0].ignored.as_deref();
        assert_eq!(accepts, Some("accepted until 2027-06-30: one zone"));
        // That a waiver is over is for `check` to tell: nothing is otherwise than it was.
        assert_eq!(
            of(&accepted, &with(&[("a", Wrong), ("c", Wrong)], 5, "x")).differences,
            []
        );
        let anew = with(&[], 9, "y");
        assert!(drift(&anew, &with(&[], 1, "z"))[0].starts_with("changed state.lineage"));
        let mut none = before.clone();
        none.checks = None;
        assert_eq!(
            drift(&before, &none),
            ["unknown checks: AWS was asked on one side only"]
        );
    }
}
