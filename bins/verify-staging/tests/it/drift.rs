//! Drift between captures, since the newest, and of plans.

use std::fs;

use serde_json::{Value, json};

use crate::stage::{EVIDENCE, Stage, outputs};

fn differences(drift: &Value) -> Vec<String> {
    let all = drift["differences"].as_array().unwrap();
    let text = |one: &Value, key: &str| one[key].as_str().unwrap_or_default().to_owned();
    all.iter()
        .map(|one| {
            format!(
                "{} {}: {}",
                text(one, "kind"),
                text(one, "place"),
                text(one, "meaning")
            )
        })
        .collect()
}

fn changed() -> Value {
    let mut changed = outputs();
    changed["db_endpoint"]["value"] = json!("db.y2.ca-central-1.rds.amazonaws.com:5432");
    changed["redis_auth"]["value"] = json!("second-secret-of-redis");
    changed["s3_bucket_photos"]["value"] = json!("berthcare-photos-2");
    changed["private_subnet_ids"]["value"] = json!(["subnet-4"]);
    changed
}

const CHANGED: [&str; 4] = [
    "changed outputs.db_endpoint: endpoint changed",
    "removed outputs.private_subnet_ids[subnet-3]: subnet lost, and with it perhaps its zone",
    "changed outputs.redis_auth: secret rotated",
    "changed outputs.s3_bucket_photos: bucket replaced",
];

#[test]
fn drift_is_told_by_meaning_between_captures_and_since_the_newest() {
    let stage = Stage::new();
    let before = stage.capture(&outputs());
    // Another order, another form: no drift.
    let mut same = outputs();
    same["private_subnet_ids"]["value"] = json!(["subnet-4", "subnet-3"]);
    stage.file("now.json", &same.to_string());
    let live = ["drift", "--from", "now.json", "--no-check"];
    assert_eq!(differences(&stage.json(0, &live)), [""; 0]);
    stage.file("now.json", &changed().to_string());
    assert_eq!(differences(&stage.json(1, &live)), CHANGED);
    let after = stage.capture(&changed());
    assert_eq!(
        differences(&stage.json(1, &["drift", &before, &after])),
        CHANGED
    );
    // A name is enough for what is in the folder.
    let name = before.rsplit('/').next().unwrap();
    stage.text(1, &["drift", name, &after, "--markdown"]);
    stage.text(0, &["drift", &after, &after]);
    // What is compared is not written down.
    assert_eq!(stage.json(0, &["audit"])["captures"], 2);
}

#[test]
fn a_lost_salt_makes_secrets_unknown_and_nothing_else() {
    let stage = Stage::new();
    stage.capture(&outputs());
    fs::remove_file(stage.path(&format!("{EVIDENCE}/.verify-salt"))).unwrap();
    let live = ["drift", "--from", "outputs.json", "--no-check"];
    let drift = stage.json(3, &live);
    let told = differences(&drift);
    // The secret, and the three ARNs with an account id in them.
    assert_eq!(told.len(), 4, "{told:?}");
    assert!(
        told.iter().all(|one| one.starts_with("unknown ")),
        "{told:?}"
    );
    assert!(!stage.path(&format!("{EVIDENCE}/.verify-salt")).exists());
    // A salt that is kept elsewhere and shared.
    let shared = stage.path("shared-salt");
    let shared = shared.to_str().unwrap();
    let capture = [
        "capture",
        "--from",
        "outputs.json",
        "--no-check",
        "--salt",
        shared,
    ];
    stage.text(0, &capture);
    stage.text(0, &[&live[..], &["--salt", shared]].concat());
}

#[test]
fn rules_let_differences_pass_with_their_reason() {
    let stage = Stage::new();
    stage.capture(&outputs());
    stage.file("now.json", &changed().to_string());
    let rule = |path: &str, more: &str| {
        format!("[[ignore]]\npath = \"{path}\"\nreason = \"moved on purpose\"\n{more}\n")
    };
    let rules = format!("{EVIDENCE}/drift.toml");
    let live = ["drift", "--from", "now.json", "--no-check"];
    stage.file(&rules, &rule("outputs.*", "until = 2999-01-01"));
    let drift = stage.json(0, &live);
    assert_eq!(drift["differences"].as_array().unwrap().len(), 4);
    assert_eq!(
        drift["differences"][0]["ignored"],
        "moved on purpose, until 2999-01-01"
    );
    assert!(stage.text(0, &live).contains("4 ignored"));
    stage.file(&rules, &rule("outputs.*", "until = 2020-01-01"));
    assert!(stage.text(1, &live).contains("no longer counts"));
    stage.file(&rules, &rule("outputs.db_endpoint", ""));
    let drift = stage.json(1, &live);
    assert_eq!(differences(&drift)[3], CHANGED[0]);
    stage.file(&rules, "[[ignore]]\npath = \"outputs.*\"\n");
    let output = stage.run(&live);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[test]
fn a_plan_is_drift_when_it_would_change_something() {
    let stage = Stage::new();
    let plan = |changes: Value| {
        json!({"format_version": "1.2", "terraform_version": "1.11.4", "planned_values": {}, "resource_changes": changes})
            .to_string()
    };
    let change = |actions: Value| json!([{"address": "aws_s3_bucket.x", "type": "aws_s3_bucket", "change": {"actions": actions}}]);
    let run = |exit, changes| {
        stage.file("plan.json", &plan(changes));
        differences(&stage.json(exit, &["drift", "--plan", "plan.json"]))
    };
    assert_eq!(run(0, change(json!(["no-op"]))), [""; 0]);
    assert_eq!(
        run(1, change(json!(["delete", "create"]))),
        ["changed plan.aws_s3_bucket.x: bucket replaced: its objects are lost"]
    );
    stage.file(
        "plan.json",
        &plan(json!([])).replace("\"resource_changes\"", "\"errored\": true, \"x\""),
    );
    stage.text(3, &["drift", "--plan", "plan.json"]);
    stage.file("plan.json", "{}");
    let output = stage.run(&["drift", "--plan", "plan.json"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[test]
fn what_was_never_captured_cannot_be_compared() {
    let stage = Stage::new();
    stage.file("now.json", &outputs().to_string());
    let output = stage.run(&["drift", "--from", "now.json", "--no-check"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
}

/// What terraform itself writes: outputs, the state's head, a plan.
#[test]
fn terraforms_own_outputs_state_and_plan_are_understood() {
    let mut stage = Stage::new();
    let home = stage.path("home").to_str().unwrap().to_owned();
    fs::create_dir(&home).unwrap();
    stage.set("HOME", &home);
    stage.file(
        "env/main.tf",
        r#"variable "size" {
          type    = number
          default = 1
        }
        variable "password" {
          default   = "planted-in-terraform"
          sensitive = true
        }
        resource "terraform_data" "database" { input = { size = var.size, password = var.password } }
        output "db_size" { value = terraform_data.database.output.size }
        output "db_password" {
          value     = terraform_data.database.output.password
          sensitive = true
        }"#,
    );
    let terraform = |arguments: &[&str]| {
        let mut terraform = std::process::Command::new("terraform");
        terraform.current_dir(stage.path("env")).env("HOME", &home);
        terraform
            .env_remove("TF_CLI_CONFIG_FILE")
            .args(arguments)
            .output()
    };
    match terraform(&["init", "-no-color"]) {
        Ok(done) if done.status.success() => {}
        _ => {
            eprintln!("skipped: terraform does not run here");
            return;
        }
    }
    let done = |arguments: &[&str]| {
        let output = terraform(arguments).unwrap();
        assert!(output.status.success(), "{output:?}");
        output.stdout
    };
    done(&["apply", "-auto-approve", "-no-color"]);
    let told = stage.json(0, &["capture", "--chdir", "env", "--no-check"]);
    let capture = stage.read(told["file"].as_str().unwrap());
    assert!(capture["origin"]["state"]["serial"].as_u64().unwrap() > 0);
    assert!(
        capture["origin"]["terraform"]
            .as_str()
            .unwrap()
            .contains('.')
    );
    assert_eq!(capture["outputs"]["db_size"]["value"], 1);
    assert!(!capture.to_string().contains("planted-in-terraform"));
    stage.text(0, &["drift", "--chdir", "env", "--no-check"]);

    let plan = |size: &str| {
        done(&["plan", "-no-color", "-out=tfplan", "-var", size]);
        let json = done(&["show", "-json", "tfplan"]);
        stage.file("plan.json", &String::from_utf8(json).unwrap());
    };
    plan("size=1");
    assert_eq!(
        differences(&stage.json(0, &["drift", "--plan", "plan.json"])),
        [""; 0]
    );
    plan("size=2");
    let drift = stage.json(1, &["drift", "--plan", "plan.json"]);
    let told = differences(&drift);
    let place = "changed plan.terraform_data.database.input.size: value changed";
    assert!(told.contains(&place.to_owned()), "{told:?}");
    assert!(!drift.to_string().contains("planted-in-terraform"));
    done(&["apply", "-auto-approve", "-no-color", "-var", "size=2"]);
    let drift = stage.json(1, &["drift", "--chdir", "env", "--no-check"]);
    assert_eq!(
        differences(&drift),
        ["changed outputs.db_size: value changed"]
    );
}
