//! Captures, the log, signatures and the audit, on files.

use std::fs;
use std::process::Command;

use serde_json::json;

use crate::stage::{EVIDENCE, Stage, outputs};

// aws-behaviour: 34
#[test]
fn a_capture_has_no_secret_and_says_where_it_comes_from() {
    let stage = Stage::new();
    let state = r#"{"version": 4, "terraform_version": "1.11.4", "serial": 7, "lineage": "0a1b-2c", "resources": []}"#;
    stage.file("state.json", state);
    stage.file("outputs.json", &outputs().to_string());
    let arguments = [
        "capture",
        "--from",
        "outputs.json",
        "--state",
        "state.json",
        "--no-check",
    ];
    let told = stage.json(0, &arguments);
    assert_eq!(
        told["hidden"],
        json!([["redis_auth", "terraform says it is sensitive"]])
    );
    let capture = stage.read(told["file"].as_str().unwrap());
    assert_eq!(capture["environment"], "berthcare-staging");
    assert_eq!(capture["region"], "ca-central-1");
    assert_eq!(capture["origin"]["state"]["serial"], 7);
    assert_eq!(capture["origin"]["terraform"], "1.11.4");
    assert_eq!(capture["origin"]["commit"], json!(null));
    let value = |name: &str| {
        capture["outputs"][name]["value"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert!(
        value("redis_auth").starts_with("{hidden:"),
        "{}",
        value("redis_auth")
    );
    assert!(value("db_endpoint").contains("rds.amazonaws.com"));
    let topic = value("sns_alerts_topic_arn");
    assert!(
        topic.starts_with("arn:aws:sns:ca-central-1:{account:"),
        "{topic}"
    );
}

#[test]
fn account_ids_and_endpoints_go_as_told() {
    let stage = Stage::new();
    stage.file("outputs.json", &outputs().to_string());
    let arguments = [
        "capture",
        "--from",
        "outputs.json",
        "--no-check",
        "--account-ids",
        "keep",
        "--endpoints",
        "mask",
    ];
    let file = stage.json(0, &arguments)["file"]
        .as_str()
        .unwrap()
        .to_owned();
    let capture = stage.read(&file);
    let value = |name: &str| capture["outputs"][name]["value"].clone();
    assert_eq!(
        value("sns_alerts_topic_arn"),
        "arn:aws:sns:ca-central-1:123456789012:alerts"
    );
    assert_eq!(value("db_endpoint"), "{endpoint}:5432");
}

/// Outputs, state and version come from terraform itself, the commit from git.
#[test]
fn terraform_and_git_are_asked_in_the_environments_folder() {
    let stage = Stage::new();
    let folder = stage.file("env/main.tf", "").parent().unwrap().to_owned();
    stage.file("env/outputs.json", &outputs().to_string());
    stage.script(
        "terraform",
        r#"case "$1 $2" in
            "output -json") cat outputs.json ;;
            "state pull") echo '{"version": 4, "terraform_version": "1.11.3", "serial": 9, "lineage": "abc"}' ;;
            "version -json") echo '{"terraform_version": "1.11.4"}' ;;
            *) exit 1 ;;
        esac"#,
    );
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        git.current_dir(&folder)
            .args(["-c", "user.name=t", "-c", "user.email=t@example.org"]);
        let done = git
            .args(arguments)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output();
        done.is_ok_and(|done| done.status.success())
    };
    if !(git(&["init", "-q"]) && git(&["add", "."]) && git(&["commit", "-q", "-m", "x"])) {
        eprintln!("skipped: git cannot make a repository here");
        return;
    }
    let capture = || {
        let told = stage.json(0, &["capture", "--chdir", "env", "--no-check"]);
        stage.read(told["file"].as_str().unwrap())
    };
    let origin = capture()["origin"].clone();
    assert_eq!(origin["terraform"], "1.11.4");
    assert_eq!(
        origin["state"],
        json!({"serial": 9, "lineage": "abc", "terraform_version": "1.11.3"})
    );
    assert_eq!(origin["commit"]["dirty"], false, "{origin}");
    assert_eq!(origin["unknown"], json!([]));
    stage.file("env/new.tf", "");
    assert_eq!(capture()["origin"]["commit"]["dirty"], true);
}

#[test]
fn the_log_is_kept_signed_and_goes_out_of_date() {
    let stage = Stage::new();
    let output = stage.run(&["log"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    stage.capture(&outputs());
    let log = stage.text(1, &["log", "--markdown"]);
    assert!(log.contains("| Item | Command / Source | Recorded Value | Verified By | Timestamp |"));
    assert!(log.contains("0 signed, 10 unsigned"), "{log}");
    let items = [
        "VPC ID",
        "public_subnet_ids",
        "private subnet ids",
        "RDS endpoint",
        "redis_endpoint",
        "CloudFront domain",
        "DB credentials secret ARN",
        "Redis credentials secret ARN",
        "CloudWatch dashboard URL",
        "SNS alerts topic ARN",
    ];
    for item in items {
        stage.text(
            0,
            &[
                "sign",
                item,
                "--by",
                "Ada | Lovelace",
                "--note",
                "seen in the console",
            ],
        );
    }
    let log = stage.text(0, &["log", "--markdown"]);
    assert!(
        log.contains("10 signed") && log.contains(r"Ada \| Lovelace"),
        "{log}"
    );
    let file = fs::read_to_string(stage.path(&format!("{EVIDENCE}/log.md"))).unwrap();
    assert!(file.contains(log.trim()), "{file}");
    stage.text(0, &["audit"]);

    let mut other = outputs();
    other["db_endpoint"]["value"] = json!("db.y2.ca-central-1.rds.amazonaws.com:5432");
    other["public_subnet_ids"] = json!({"value": null});
    stage.capture(&other);
    let log = stage.json(1, &["log"]);
    let standing = |item: &str| {
        let rows = log["rows"].as_array().unwrap();
        rows.iter().find(|row| row["item"] == item).unwrap()["standing"].clone()
    };
    assert_eq!(standing("RDS endpoint"), "outdated");
    assert_eq!(standing("Public subnet IDs"), "missing");
    assert_eq!(standing("VPC ID"), "signed");
    let output = stage.run(&["sign", "Public subnet IDs", "--by", "Ada"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let output = stage.run(&["sign", "Dashboard", "--by", "Ada"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    stage.text(0, &["audit"]);
}

#[test]
fn an_audit_names_the_place_and_ends_with_one() {
    let stage = Stage::new();
    let output = stage.run(&["audit"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let names: Vec<String> = (0..3).map(|_| stage.capture(&outputs())).collect();
    stage.text(0, &["sign", "VPC ID", "--by", "Ada"]);
    let audit = stage.json(0, &["audit"]);
    assert_eq!(
        (&audit["captures"], &audit["reviews"]),
        (&json!(3), &json!(1))
    );
    let head = audit["head"].as_str().unwrap();
    stage.text(0, &["audit", "--noted", head]);
    stage.text(1, &["audit", "--noted", &"0".repeat(64)]);

    let place = |name: &str| name.rsplit('/').next().unwrap().to_owned();
    let path = stage.path(&names[1]);
    let whole = fs::read(&path).unwrap();
    let mut edited = whole.clone();
    edited[100] ^= 1;
    fs::write(&path, &edited).unwrap();
    let told = stage.text(1, &["audit", "--markdown"]);
    assert!(
        told.contains(&place(&names[1])) && told.contains("edited"),
        "{told}"
    );
    // Where the chain is continued it is not looked at as a whole.
    fs::write(&path, &whole).unwrap();
    fs::remove_file(&path).unwrap();
    let told = stage.json(1, &["audit"]);
    assert_eq!(told["findings"][0]["place"], place(&names[1]));
    assert_eq!(told["findings"][0]["what"], "removed");
    fs::write(&path, &whole).unwrap();
    stage.text(0, &["audit"]);
}

#[test]
fn a_chain_that_is_not_whole_at_its_end_is_not_continued() {
    let stage = Stage::new();
    let name = stage.capture(&outputs());
    let path = stage.path(&name);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("vpc-0a1b2c3d", "vpc-0a1b2c3e")).unwrap();
    for command in [
        &["capture", "--from", "outputs.json", "--no-check"][..],
        &["sign", "VPC ID", "--by", "Ada"],
    ] {
        let output = stage.run(command);
        assert_eq!(output.status.code(), Some(4), "{output:?}");
    }
    let output = stage.run(&["drift", "--from", "outputs.json", "--no-check"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    fs::write(&path, &text).unwrap();
    fs::remove_file(stage.path(&format!("{EVIDENCE}/head.json"))).unwrap();
    stage.capture(&outputs());
    let settings = fs::read_to_string(stage.path("infra.toml")).unwrap();
    let settings = settings.replace("environment = \"staging\"", "environment = \"other\"");
    stage.file("infra.toml", &settings);
    let output = stage.run(&["capture", "--from", "outputs.json", "--no-check"]);
    assert_eq!(output.status.code(), Some(4), "{output:?}");
}
