//! What is wrong with a file is said with its path, its place and the fix.

#![expect(clippy::panic, reason = "a test fails by panicking")]

mod data;
mod fields;
mod outputs;
mod residency;
mod state;

use jiff::civil::{Date, date};
use settings::{ErrorKind, Settings, SettingsError, SettingsErrors};

/// A file with nothing optional but the replica, to which each test does one thing.
const BASE: &str = r#"project = "berthcare"
environment = "staging"
[regions]
primary = "ca-central-1"
dr = "ca-west-1"
[state]
bucket = "state"
lock_table = "locks"
key = "terraform.tfstate"
locking = ["dynamodb"]
encryption = "AES256"
[state.dr]
bucket = "state-dr"
lock_table = "locks-dr"
role = "replication"
"#;

const TODAY: Date = date(2026, 11, 22);
const PRIMARY_KEY: &str =
    "arn:aws:kms:ca-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const DR_KEY: &str = "arn:aws:kms:ca-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

/// `BASE` with each text replaced; each must be there.
fn with(edits: &[(&str, &str)]) -> String {
    let mut text = BASE.to_owned();
    for (from, to) in edits {
        assert!(text.contains(from), "{from:?} is not in the base text");
        text = text.replacen(from, to, 1);
    }
    text
}

fn parse(text: &str) -> Result<Settings, SettingsErrors> {
    Settings::parse(text, TODAY)
}

fn accepted(text: &str) -> Settings {
    parse(text).unwrap_or_else(|errors| panic!("{errors}\n{text}"))
}

/// The only problem of the text.
fn problem(text: &str) -> SettingsError {
    let errors = parse(text)
        .map(|_| panic!("accepted:\n{text}"))
        .unwrap_err();
    let problems: Vec<_> = errors.iter().cloned().collect();
    let [problem] = &problems[..] else {
        panic!("{errors}\n{text}")
    };
    problem.clone()
}

/// Asserts the one problem: its kind, its path, its line, and a part of its message.
fn refused(text: &str, kind: ErrorKind, path: &str, line: usize, part: &str) {
    let problem = problem(text);
    let found = (
        problem.kind,
        problem.path.as_str(),
        problem.position.map(|position| position.line),
    );
    assert_eq!(found, (kind, path, Some(line)), "{problem}");
    assert!(problem.to_string().contains(part), "{problem}");
}
