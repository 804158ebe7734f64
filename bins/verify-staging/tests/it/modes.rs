//! What the program writes is for its owner alone: findings are a list of weaknesses, captures one of everything.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::stage::{Stage, outputs};

fn readable_by_others(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let metadata = std::fs::metadata(&path).unwrap();
        if metadata.permissions().mode() & 0o077 != 0 {
            found.push(path.display().to_string());
        }
        if metadata.is_dir() {
            readable_by_others(&path, found);
        }
    }
}

#[test]
fn files_that_commands_write_are_for_their_owner_alone() {
    let mut stage = Stage::new();
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9"),
        ("AWS_MAX_ATTEMPTS", "1"),
    ] {
        stage.set(name, value);
    }
    let capture = stage.capture(&outputs());
    assert!(stage.path(&capture).exists());
    std::fs::create_dir(stage.path("written")).unwrap();
    for form in ["sarif", "junit", "html", "markdown"] {
        let out = format!("written/found.{form}");
        let outputs = ["--outputs", "outputs.json"];
        let doctor = ["doctor", "--side", "primary", "Rate exceeded"];
        stage.text(
            3,
            &[&doctor[..], &outputs, &["--format", form, "--out", &out]].concat(),
        );
    }
    let mut found = Vec::new();
    for folder in ["docs", "written"] {
        readable_by_others(&stage.path(folder), &mut found);
    }
    assert_eq!(found, [""; 0]);
    assert_eq!(std::fs::read_dir(stage.path("written")).unwrap().count(), 4);
}
