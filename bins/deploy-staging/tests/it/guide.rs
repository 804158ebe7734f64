//! docs/guide.md has a row for each heading and code block of the staging guide, with a command that there is, or a reason.

use std::fs;
use std::path::{Path, PathBuf};

use crate::stage::skipped;

/// The guide's headings, and the first lines of its code blocks, in their order: number, `code` or the heading's marks, text.
const FACTS: &str = include_str!("guide.tsv");

/// The programs of this project.
const PROGRAMS: [&str; 6] = [
    "deploy-staging",
    "dr-replicate",
    "dr-runbook",
    "init-backend",
    "local-aws",
    "verify-staging",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Number, part of the guide, and what is done for it.
type Row = (usize, String, String);

/// The rows of the table. A bar within a cell is escaped.
fn rows() -> Vec<Row> {
    let text = fs::read_to_string(root().join("docs/guide.md")).unwrap();
    text.lines()
        .filter_map(|line| {
            let line = line.replace("\\|", "\u{1}");
            let mut cells = line.trim_matches('|').split('|').map(str::trim);
            let number = cells.next()?.parse().ok()?;
            let [part, done] =
                [cells.next()?, cells.next()?].map(|cell| cell.replace('\u{1}', "|"));
            assert_eq!(cells.next(), None, "{line}");
            Some((number, part, done))
        })
        .collect()
}

/// A part as the table shows it.
fn shown(kind: &str, text: &str) -> String {
    match (kind, text.contains('`')) {
        ("code", true) => format!("code: ``{text}``"),
        ("code", false) => format!("code: `{text}`"),
        (marks, _) => format!("{marks} {text}"),
    }
}

/// Headings and first lines of code blocks, numbered.
fn parts(guide: &str) -> Vec<String> {
    let (mut parts, mut code) = (Vec::new(), None);
    for line in guide.lines() {
        let trimmed = line.trim();
        if trimmed.starts_with("```") {
            match code.take() {
                None => code = Some(None),
                Some(first) => parts.push(format!("code\t{}", first.unwrap_or_default())),
            }
        } else if let Some(first) = &mut code {
            if first.is_none() && !trimmed.is_empty() {
                *first = Some(trimmed.to_owned());
            }
        } else if line.starts_with('#') {
            let (marks, text) = line.split_once(' ').unwrap();
            parts.push(format!("{marks}\t{}", text.trim()));
        }
    }
    let numbered = parts.iter().enumerate();
    numbered
        .map(|(at, part)| format!("{}\t{part}", at + 1))
        .collect()
}

#[test]
fn guide_table_has_a_row_for_each_heading_and_code_block() {
    let rows = rows();
    let facts: Vec<Vec<&str>> = FACTS
        .lines()
        .map(|line| line.splitn(3, '\t').collect())
        .collect();
    assert!(facts.len() > 100, "{}", facts.len());
    for (at, fact) in facts.iter().enumerate() {
        let [number, kind, text] = fact.as_slice() else {
            panic!("{fact:?}");
        };
        let found = rows
            .get(at)
            .map(|(number, part, _)| (*number, part.clone()));
        assert_eq!(
            found,
            Some((number.parse().unwrap(), shown(kind, text))),
            "row {}",
            at + 1
        );
    }
    assert_eq!(rows.len(), facts.len(), "rows of nothing in the guide");
}

#[test]
fn guide_facts_are_those_of_the_guide() {
    let guide = root().join("../shared/guide-e5-aws-infrastructure.md");
    let Ok(guide) = fs::read_to_string(guide) else {
        skipped("the guide is not beside the project");
        return;
    };
    let facts: Vec<&str> = FACTS.lines().collect();
    assert_eq!(facts, parts(&guide));
}

/// The pieces of a text that stand in backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// A subcommand as its variant is called: `recovery-points` is `RecoveryPoints`.
fn variant(name: &str) -> String {
    let words = name.split('-').map(|word| {
        let (first, rest) = word.split_at(1);
        first.to_uppercase() + rest
    });
    words.collect()
}

#[test]
fn guide_rows_give_commands_that_there_are_or_a_reason() {
    let mut commands = 0;
    for (number, _, done) in rows() {
        let mut given = 0;
        for command in quoted(&done) {
            let words: Vec<&str> = command.split(' ').collect();
            let Some(program) = PROGRAMS.into_iter().find(|program| words[0] == *program) else {
                continue;
            };
            given += 1;
            let subcommand = words
                .get(1)
                .unwrap_or_else(|| panic!("row {number}: {command}"));
            let args = root().join("bins").join(program).join("src/args.rs");
            let args = fs::read_to_string(args).unwrap();
            let variant = variant(subcommand);
            let is_there = args.contains(&format!("    {variant}("))
                || args.contains(&format!("    {variant},"));
            assert!(is_there, "row {number}: {program} has no {subcommand}");
            let only = words.iter().position(|word| *word == "--only");
            for pattern in only
                .map(|at| words[at + 1])
                .into_iter()
                .flat_map(|of| of.split(','))
            {
                let pattern: Result<verify::Pattern, _> = pattern.parse();
                assert!(pattern.is_ok(), "row {number}: {command}: {pattern:?}");
            }
        }
        let has_reason = done
            .strip_prefix("none")
            .is_some_and(|reason| reason.len() > 20);
        assert!(
            given > 0 || has_reason,
            "row {number}: neither a command nor a reason: {done}"
        );
        commands += given;
    }
    assert!(commands > 90, "{commands}");
}
