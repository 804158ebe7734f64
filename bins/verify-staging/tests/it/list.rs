//! The list of checks, and its document.

use std::fs;

use assert_cmd::Command;
use serde_json::Value;

use crate::cost::json_of;

/// Rows of a Markdown table under this heading: their cells.
fn table(document: &str, heading: &str) -> Vec<Vec<String>> {
    let (_, rest) = document.split_once(heading).unwrap();
    rest.lines()
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'))
        .skip(2)
        .map(|line| {
            let cells = line.trim_matches('|').split('|');
            cells
                .map(|cell| cell.trim().trim_matches('`').to_owned())
                .collect()
        })
        .collect()
}

#[test]
fn every_check_is_listed_and_the_document_has_the_same_list() {
    let listed = |more: &[&str]| -> Vec<Value> {
        let output = Command::new(env!("CARGO_BIN_EXE_verify-staging"))
            .env_clear()
            .args(["--output", "json", "check", "--list"])
            .args(more)
            .output()
            .unwrap();
        serde_json::from_value(json_of(&output)).unwrap()
    };
    let cells = |check: &Value| -> Vec<String> {
        let text = |field: &str| check[field].as_str().unwrap_or_default().to_owned();
        let item = check["item"].as_u64().map(|item| item.to_string());
        vec![
            item.unwrap_or_default(),
            text("id"),
            text("severity"),
            text("title"),
        ]
    };
    let all: Vec<Vec<String>> = listed(&[]).iter().map(cells).collect();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/verification.md");
    let document = fs::read_to_string(path).unwrap();
    if std::env::var_os("WRITE_DOCS").is_some() {
        let row = |cells: &Vec<String>| {
            let [item, id, severity, title] = [0, 1, 2, 3].map(|at| &cells[at]);
            format!("| {item} | `{id}` | {severity} | {title} |\n")
        };
        let rows = all.iter().map(row);
        let (before, rest) = document.split_once("## What is asked").unwrap();
        let after = rest.find("\n## ").map_or("", |at| &rest[at..]);
        let head = "| Item | Check | Severity | What has to hold |\n| --- | --- | --- | --- |\n";
        let rows: String = rows.collect();
        let written = format!("{before}## What is asked\n\n{head}{rows}{after}");
        fs::write(path, written).unwrap();
        return;
    }
    assert_eq!(
        table(&document, "## What is asked"),
        all,
        "run this test with WRITE_DOCS=1"
    );
    for check in listed(&["--only", "nat"]) {
        assert!(check["id"].as_str().unwrap().starts_with("nat-"), "{check}");
    }
}
