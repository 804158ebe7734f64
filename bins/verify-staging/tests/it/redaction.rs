//! Secrets that nobody has marked, in the forms in which people really keep them, given to the program.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::stage::{EVIDENCE, Stage, files};

const OLD: &str = "k!4$Wb#u7_eX(9sTn|Hy)6c";
const NEW: &str = "k!4$Wb#u7_eX(9sTn|Hy)6cZ";

fn plan(kind: &str, before: &Value, after: &Value) -> Value {
    json!({"format_version": "1.2", "terraform_version": "1.11.4", "planned_values": {"root_module": {}},
        "resource_changes": [{"address": format!("{kind}.x"), "mode": "managed", "type": kind, "name": "x",
            "change": {"actions": ["update"], "before": before, "after": after, "after_unknown": {},
                "before_sensitive": {}, "after_sensitive": {}}}]})
}

/// An attribute of a resource, with a secret that nobody has marked.
fn attributes(secret: &str) -> Vec<(&'static str, &'static str, Value)> {
    let container = |environment: Value| json!({"container_definitions": json!([{"name": "api", "image": "api:3", "environment": environment}]).to_string()});
    let script = format!("#!/bin/sh\nexport PGPASSWORD='{secret}'\nexec api\n");
    vec![
        (
            "aws_ecs_task_definition",
            "container_definitions",
            container(
                json!([{"name": "DB_PASSWORD", "value": secret}, {"value": secret, "name": "PGPASSWORD"}]),
            ),
        ),
        (
            "aws_lambda_function",
            "environment",
            json!({"environment": [{"variables": {"SPRING_DATASOURCE_PASSWORD": secret, "DB_PASS": secret}}]}),
        ),
        (
            "aws_instance",
            "user_data",
            json!({"user_data": BASE64_STANDARD.encode(&script)}),
        ),
        (
            "aws_launch_template",
            "user_data",
            json!({"user_data": script}),
        ),
        (
            "aws_elastic_beanstalk_environment",
            "setting",
            json!({"setting": [{"namespace": "aws:elasticbeanstalk:application:environment", "name": "masterpassword", "value": secret}]}),
        ),
    ]
}

#[test]
fn drift_of_a_plan_names_what_changed_and_shows_no_value_of_a_secret() {
    let stage = Stage::new();
    for ((kind, name, before), (_, _, after)) in attributes(OLD).into_iter().zip(attributes(NEW)) {
        stage.file("plan.json", &plan(kind, &before, &after).to_string());
        for format in [&["--output", "json"][..], &[], &["--markdown"], &["-vv"]] {
            let shown = stage.text(1, &[&["drift", "--plan", "plan.json"], format].concat());
            // Without what wraps it, and without the last characters, which a cell may have cut.
            for part in ["k!4$Wb", "u7_eX", "9sTn"] {
                assert!(!shown.contains(part), "{kind}: {shown}");
            }
            assert!(
                !shown.contains(&BASE64_STANDARD.encode("export PGPASSWORD")[..12]),
                "{shown}"
            );
        }
        let drift = stage.json(1, &["drift", "--plan", "plan.json"]);
        let place = drift["differences"][0]["place"].as_str().unwrap();
        assert!(place.contains(name), "{drift}");
        let meaning = drift["differences"][0]["meaning"].as_str().unwrap();
        assert!(meaning.contains("secret"), "{drift}");
    }
}

#[test]
fn a_capture_of_outputs_that_nobody_has_marked_has_no_password_in_it() {
    let planted = [
        json!({"PGPASSWORD": OLD}),
        json!(format!("export PGPASSWORD='{OLD}'")),
        json!({"SPRING_DATASOURCE_PASSWORD": OLD}),
        json!([{"name": "DB_PASS", "value": OLD}]),
        json!([["masterpassword", OLD]]),
        json!({"items": [{"Key": "x-api-key", "Value": OLD}]}),
        json!(format!("api:\n  db:\n    password: {OLD}\n")),
        json!(format!("docker run -e 'MYSQL_PASSWORD={OLD}' api")),
        json!(["--password", OLD]),
    ];
    for value in planted {
        let stage = Stage::new();
        let outputs = json!({"app": {"sensitive": false, "value": value}, "vpc_id": {"value": "vpc-1"},
            "note": {"value": format!("seen: {OLD}")}});
        stage.file("in/outputs.json", &outputs.to_string());
        let arguments = ["capture", "--from", "in/outputs.json", "--no-check"];
        let told = stage.run(&arguments);
        assert_eq!(told.status.code(), Some(0), "{told:?}");
        for path in files(&stage.path(EVIDENCE)) {
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(!text.contains("k!4$Wb"), "{value}: {text}");
        }
        assert!(!format!("{told:?}").contains("k!4$Wb"), "{told:?}");
    }
}
