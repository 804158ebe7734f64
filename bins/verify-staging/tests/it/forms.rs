//! `probe`, `doctor` and `maintenance` have the forms that `check` has: JUnit XML, SARIF, Markdown, a page.

use serde_json::{Value, json};

use crate::stage::Stage;

/// Credentials, and an AWS that nobody reaches.
fn stage() -> Stage {
    let mut stage = Stage::new();
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9"),
        ("AWS_MAX_ATTEMPTS", "1"),
    ] {
        stage.set(name, value);
    }
    let outputs = json!({"vpc_id": {"value": "vpc-1"}});
    stage.file("outputs.json", &outputs.to_string());
    stage
}

/// Where nobody is reached the side has to be named.
const COMMANDS: [&[&str]; 3] = [
    &[
        "probe",
        "--side",
        "primary",
        "--outputs",
        "outputs.json",
        "--only",
        "dns,http",
    ],
    &[
        "doctor",
        "--side",
        "primary",
        "--outputs",
        "outputs.json",
        "Rate exceeded",
    ],
    &[
        "maintenance",
        "--side",
        "primary",
        "quarterly",
        "--outputs",
        "outputs.json",
    ],
];

#[test]
fn each_command_as_junit_tells_of_what_is_unknown() {
    let stage = stage();
    for command in COMMANDS {
        let xml = stage.text(3, &[command, &["--format", "junit"]].concat());
        assert!(xml.starts_with("<?xml"), "{command:?}: {xml}");
        assert!(
            xml.contains("<error") && !xml.contains("<failure"),
            "{command:?}: {xml}"
        );
    }
}

#[test]
fn each_command_as_sarif_is_a_file_beside_what_is_printed() {
    let stage = stage();
    for command in COMMANDS {
        let form = ["--format", "sarif", "--out", "found.sarif"];
        let printed = stage.json(3, &[command, &form].concat());
        assert_eq!(printed["environment"], "berthcare-staging");
        let sarif: Value = stage.read("found.sarif");
        let run = &sarif["runs"][0];
        let id = format!("verify-staging/berthcare-staging/{}/", command[0]);
        assert_eq!(run["automationDetails"]["id"], id);
        let results = run["results"].as_array().unwrap();
        assert!(!results.is_empty(), "{sarif}");
        for result in results {
            assert_eq!(result["level"], "warning", "{result}");
        }
        assert_eq!(run["invocations"][0]["executionSuccessful"], false);
    }
}

#[test]
fn each_command_as_a_page_names_the_environment() {
    let stage = stage();
    for command in COMMANDS {
        let page = stage.text(3, &[command, &["--format", "html"]].concat());
        assert!(
            page.contains("berthcare-staging") && page.contains("</html>"),
            "{page}"
        );
        let text = stage.text(3, &[command, &["--format", "markdown"]].concat());
        assert!(text.contains("| --- |") || text.contains("|---|"), "{text}");
    }
}
