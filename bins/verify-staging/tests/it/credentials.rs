//! Without usable credentials nothing is asked: one error, one hint, exit 3.

use serde_json::json;

use crate::stage::{EVIDENCE, Stage, files};

/// A stage whose outputs are at hand, with neither keys nor a place from which they could come.
fn stage() -> Stage {
    let mut stage = Stage::new();
    stage.set("AWS_EC2_METADATA_DISABLED", "true");
    // Nobody listens there: a program that asks all the same fails in another way.
    stage.set("AWS_ENDPOINT_URL", "http://127.0.0.1:9");
    let home = stage.dir.path().display().to_string();
    stage.set("HOME", &home);
    stage.file(
        "outputs.json",
        &json!({"vpc_id": {"value": "vpc-1"}}).to_string(),
    );
    stage
}

#[test]
fn each_command_without_credentials_ends_with_one_error_and_one_hint() {
    let stage = stage();
    let commands: [&[&str]; 5] = [
        &["check", "--outputs", "outputs.json"],
        &["probe", "--outputs", "outputs.json"],
        &["doctor", "--outputs", "outputs.json", "Rate exceeded"],
        &["maintenance", "weekly", "--outputs", "outputs.json"],
        &["capture", "--from", "outputs.json"],
    ];
    for command in commands {
        let output = stage.run(command);
        let (stdout, stderr) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        let told = format!("{command:?}: {stdout}\n{stderr}");
        assert_eq!(output.status.code(), Some(3), "{told}");
        assert!(stdout.is_empty(), "{told}");
        assert_eq!(stderr.matches("no usable credentials").count(), 1, "{told}");
        assert_eq!(stderr.matches("hint: ").count(), 1, "{told}");
        assert!(stderr.lines().count() < 6, "{told}");
    }
    let captures = files(&stage.path(EVIDENCE)).into_iter();
    let captures: Vec<_> = captures
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
        .collect();
    assert!(captures.is_empty(), "{captures:?}");
}

#[test]
fn what_asks_aws_nothing_needs_no_credentials() {
    let stage = stage();
    stage.text(0, &["check", "--list"]);
    stage.text(0, &["capture", "--from", "outputs.json", "--no-check"]);
}
