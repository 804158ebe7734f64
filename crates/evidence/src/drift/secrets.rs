//! No secret of a document is in what comes out, whatever is made of it: a capture, or a drift in any rendering.

use jiff::Timestamp;
use proptest::prelude::*;
use report::Report as _;
use serde_json::{Value, json};

use super::{Drift, Rules};
use crate::outputs::Outputs;
use crate::planted::{planted, visible};
use crate::{Capture, Draft, Origin, Recorded, RedactionPolicy, Salt};

/// Everything that is printed or kept of a drift.
fn rendered(drift: &Drift) -> String {
    let document = drift.document();
    format!(
        "{}\n{}\n{}\n{}\n{drift:?}",
        document.to_terminal(None, false),
        document.to_terminal(Some(60), false),
        document.to_markdown(),
        serde_json::to_string_pretty(drift).unwrap(),
    )
}

fn capture(salt: &Salt, document: &Value) -> Capture {
    let outputs =
        json!({"app": {"sensitive": false, "value": document}, "vpc_id": {"value": "vpc-1"}});
    let outputs = Outputs::parse(outputs.to_string().as_bytes()).unwrap();
    let at = Timestamp::UNIX_EPOCH;
    let parts = (salt, RedactionPolicy::default());
    let draft = Draft::new(
        "e",
        "ca-central-1",
        at,
        "t",
        Origin::default(),
        &outputs,
        None,
        parts,
    );
    draft.capture().clone()
}

fn plan(before: &Value, after: &Value, marks: &Value) -> Vec<u8> {
    let change = |kind: &str| {
        json!({"address": format!("{kind}.x"), "type": kind, "change": {"actions": ["update"],
            "before": {"settings": before, "size": 1}, "after": {"settings": after, "size": 2},
            "before_sensitive": {"settings": marks}, "after_sensitive": {"settings": marks}}})
    };
    json!({"format_version": "1.2", "terraform_version": "1.11.4", "planned_values": {},
        "resource_changes": [change("a")], "resource_drift": [change("b")],
        "output_changes": {"app": {"actions": ["update"], "before": before, "after": after}}})
    .to_string()
    .into_bytes()
}

fn today() -> jiff::civil::Date {
    jiff::civil::date(2026, 11, 26)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn no_planted_secret_is_in_a_capture_or_in_a_drift(planted in planted(), marked in any::<bool>()) {
        let (before, after) = (planted.document(&planted.secret), planted.document(&planted.other));
        let salt = Salt::random();
        let (old, new) = (capture(&salt, &before), capture(&salt, &after));
        let rules = Rules::default();
        let between = Drift::between(("A", &old), ("B", &new), true, &rules, today());
        let marks = Value::Bool(marked);
        let of_plan = Drift::of_plan("p", &plan(&before, &after, &marks), &rules, today()).unwrap();
        // What an older program has kept in clear.
        let clear = |capture: &Capture, value: &Value| {
            let mut capture = capture.clone();
            let recorded = Recorded { sensitive: false, value: value.clone(), hidden: Vec::new() };
            capture.outputs.insert("app".to_owned(), recorded);
            capture
        };
        let (old_clear, new_clear) = (clear(&old, &before), clear(&new, &after));
        let of_clear = Drift::between(("A", &old_clear), ("B", &new_clear), true, &rules, today());
        let of_mixed = Drift::between(("A", &old_clear), ("B", &new), true, &rules, today());
        let files = [&old, &new].map(|capture| serde_json::to_string_pretty(capture).unwrap());
        let shown = [
            ("captures", files.concat()),
            ("drift of captures", rendered(&between)),
            ("drift of a plan", rendered(&of_plan)),
            ("drift of captures in clear", rendered(&of_clear)),
            ("drift of one in clear", rendered(&of_mixed)),
        ];
        for (what, text) in shown {
            for form in visible(&planted.secret).iter().chain(&visible(&planted.other)) {
                prop_assert!(!text.contains(form), "{form} in {what}: {text}\n{before}");
            }
            prop_assert!(!text.contains("{hidden:") || what == "captures", "{what}: {text}");
        }
        // That it changed is seen all the same.
        let seen = |drift: &Drift| drift.found() + drift.unknown();
        prop_assert!(seen(&between) > 0, "{}", rendered(&between));
        prop_assert!(of_plan.found() > 2, "{}", rendered(&of_plan));
        prop_assert!(seen(&of_clear) > 0, "{}", rendered(&of_clear));
        prop_assert_eq!(of_mixed.found(), 0, "{}", rendered(&of_mixed));
    }
}
