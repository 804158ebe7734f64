//! Two captures.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde_json::Value;

use super::compare::{Raw, Sides};
use super::meaning::explained;
use super::{Difference, Drift, Kind, Rules};
use crate::check::Status;
use crate::evidence::{Capture, CheckResult, CheckResults};

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
            same_hiding: before.hiding == after.hiding,
        };
        let mut found = Vec::new();
        let mut compare = |place: &str, before: Option<Value>, after: Option<Value>| {
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
            Some(said) => format!("{}: {said}", one.status.word()),
            None => one.status.word().to_owned(),
        })
    };
    for now in &after.answers {
        let key = (now.id.as_str(), now.resource.as_str());
        let was = old.get(&key).copied();
        let told = match (was.map(|was| was.status), now.status) {
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
        let place = format!("checks.{}[{}]", now.id, now.resource);
        let was = was.and_then(shown);
        differences.push(difference(place, told.0, told.1, was, shown(now)));
    }
    for was in &before.answers {
        let gone = !after.answers.iter().any(|now| now.id == was.id);
        if gone && matches!(was.status, Status::Ok | Status::Wrong) {
            let place = format!("checks.{}[{}]", was.id, was.resource);
            let meaning = "was answered, is not asked now";
            differences.push(difference(place, Kind::Unknown, meaning, shown(was), None));
        }
    }
}
