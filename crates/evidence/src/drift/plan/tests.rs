use super::*;
use serde_json::json;

fn drift(plan: &Value) -> Drift {
    let mut full =
        json!({"format_version": "1.2", "terraform_version": "1.11.4", "planned_values": {}});
    for (key, value) in plan.as_object().unwrap() {
        full[key] = value.clone();
    }
    let today = "2026-11-26".parse().unwrap();
    let json = full.to_string();
    Drift::of_plan("tfplan", json.as_bytes(), &Rules::default(), today).unwrap()
}

fn change(kind: &str, actions: &[&str], before: Value, after: Value) -> Value {
    json!({"address": format!("{kind}.x"), "type": kind,
        "change": {"actions": actions, "before": before, "after": after}})
}

#[test]
fn actions_say_what_they_do_to_the_environment() {
    let found = drift(&json!({
        "resource_changes": [
            change("aws_s3_bucket", &["delete", "create"], json!({}), json!({})),
            change("aws_db_instance", &["delete"], json!({}), json!(null)),
            change("aws_subnet", &["create"], json!(null), json!({})),
            change("aws_vpc", &["no-op"], json!({"a": 1}), json!({"a": 1})),
            change("aws_sns_topic", &["read"], json!(null), json!({"a": 1})),
            change("aws_kms_key", &["update"], json!({"d": 7, "p": "{\"a\":1}"}), json!({"d": 30, "p": "{ \"a\": 1.0 }"})),
        ],
        "resource_drift": [
            change("aws_security_group", &["update"], json!({"ports": [1, 2]}), json!({"ports": [2, 1]})),
            change("aws_nat_gateway", &["delete"], json!({}), json!(null)),
            change("aws_db_instance", &["update"], json!({"engine_version": "15.5"}), json!({"engine_version": "15.7"})),
        ],
    }));
    let told: Vec<String> = found
        .differences
        .iter()
        .map(|one| format!("{} {}: {}", one.kind.word(), one.place, one.meaning))
        .collect();
    assert_eq!(
        told,
        [
            "changed outside.aws_db_instance.x.engine_version: version raised, outside terraform",
            "removed outside.aws_nat_gateway.x: NAT gateway deleted outside terraform",
            "removed plan.aws_db_instance.x: database would be deleted: its data and its endpoint are lost",
            "changed plan.aws_kms_key.x.d: value changed",
            "changed plan.aws_s3_bucket.x: bucket replaced: its objects are lost",
            "added plan.aws_subnet.x: subnet is not there: an apply would create it",
        ]
    );
}

#[test]
fn no_secret_of_a_plan_is_shown() {
    let mut update = change(
        "aws_db_instance",
        &["update"],
        json!({"password": "hunter2-old", "tags": {"a": "s3cretive-old"}, "url": "x://u:pw-old@h"}),
        json!({"password": "hunter2-new", "tags": {"a": "s3cretive-new"}, "url": "x://u:pw-new@h"}),
    );
    update["change"]["before_sensitive"] = json!({"tags": {"a": true}});
    update["change"]["after_sensitive"] = json!({"tags": {"a": true}});
    let outputs = json!({
        "p": {"actions": ["update"], "before": "s3cretive-old", "after": "hunter3-new",
            "before_sensitive": true, "after_sensitive": true},
        "copy": {"actions": ["create"], "before": null, "after": "has s3cretive-new in it"},
        "later": {"actions": ["update"], "before": "s3cretive-old", "after": null, "after_unknown": true,
            "before_sensitive": true},
        "same": {"actions": ["no-op"], "before": 1, "after": 1},
    });
    let found = drift(&json!({"resource_changes": [update], "output_changes": outputs}));
    let shown = format!("{found:?} {}", serde_json::to_string(&found).unwrap());
    for secret in ["hunter2", "s3cretive", "pw-", "hunter3", "{hidden"] {
        assert!(!shown.contains(secret), "{secret}: {shown}");
    }
    assert_eq!(found.found(), 6, "{found:#?}");
    assert!(shown.contains("secret rotated"));
}

#[test]
fn a_plan_that_is_not_whole_is_unknown() {
    for plan in [
        json!({"errored": true}),
        json!({"complete": false}),
        json!({"deferred_changes": [{}]}),
    ] {
        assert_eq!(drift(&plan).unknown(), 1, "{plan}");
    }
    assert_eq!(drift(&json!({"complete": true})).unknown(), 0);
}

#[test]
fn what_is_no_plan_is_refused_without_repeating_it() {
    let of = |text: &str| {
        let today = "2026-11-26".parse().unwrap();
        Drift::of_plan("p", text.as_bytes(), &Rules::default(), today).unwrap_err()
    };
    for text in [
        "hunter2",
        r#"{"format_version": "1.0", "values": {"x": "hunter2"}}"#,
        r#"{"format_version": "hunter2", "terraform_version": "1", "planned_values": {}}"#,
    ] {
        let error = of(text);
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}

#[test]
fn of_plan_takes_an_empty_list_or_map_outside_terraform_for_nothing() {
    let found = drift(&json!({
        "resource_changes": [change("aws_vpc", &["update"], json!({"tags": null}), json!({"tags": {}}))],
        "resource_drift": [
            change("aws_security_group", &["update"],
                json!({"tags": null, "ingress": null, "egress": [], "rules": ["a"], "names": [], "on": null, "deep": {"a": null}}),
                json!({"tags": {}, "ingress": [], "rules": [], "names": ["b"], "on": false, "deep": {"a": []}})),
        ],
    }));
    let told: Vec<String> = found
        .differences
        .iter()
        .map(|one| format!("{} {}", one.kind.word(), one.place))
        .collect();
    assert_eq!(
        told,
        [
            "added outside.aws_security_group.x.names[b]",
            "added outside.aws_security_group.x.on",
            "removed outside.aws_security_group.x.rules[a]",
            // What an apply would do is told.
            "added plan.aws_vpc.x.tags",
        ]
    );
}

#[test]
fn of_plan_reads_what_windows_and_wrappers_have_touched() {
    let plan =
        json!({"format_version": "1.2", "terraform_version": "1.11.4", "planned_values": {}});
    let of = |bytes: &[u8]| {
        Drift::of_plan(
            "tfplan",
            bytes,
            &Rules::default(),
            "2026-11-26".parse().unwrap(),
        )
    };
    let utf16: Vec<u8> = format!("\u{feff}{plan}")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    for bytes in [
        format!("\u{feff}{plan}").into_bytes(),
        format!("[command]/usr/bin/terraform show -json\r\n{plan}\r\n::debug::exit 0\r\n")
            .into_bytes(),
        utf16,
    ] {
        assert!(of(&bytes).unwrap().differences.is_empty());
    }
    let told = of(format!("\"{plan}\"").as_bytes())
        .unwrap_err()
        .to_string();
    assert!(!told.is_empty(), "{told}");
    let zip = of(b"PK\x03\x04tfplan").unwrap_err().to_string();
    assert!(zip.contains("a plan file"), "{zip}");
}
