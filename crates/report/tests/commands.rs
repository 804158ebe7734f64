//! No command that is printed is put together from text: values go in as words of a `ShellCommand`.
#![expect(clippy::unwrap_used, reason = "a check that fails ends its test")]

use std::path::{Path, PathBuf};

/// Programs that appear in printed commands, as a command begins with them.
const PROGRAMS: [&str; 14] = [
    "aws ",
    "terraform -",
    "terraform force-unlock ",
    "terraform import ",
    "init-backend ",
    "deploy-staging ",
    "dr-replicate ",
    "dr-runbook ",
    "verify-staging ",
    "psql ",
    "redis-cli ",
    "export ",
    "curl ",
    "docker ",
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.extension() {
            _ if path.is_dir() => sources(&path, found),
            Some(extension) if extension == "rs" => found.push(path),
            _ => {}
        }
    }
}

/// The arguments of format strings that stand within a command: `aws kms enable-key --key-id {id}`.
fn composed(line: &str) -> bool {
    let line = line.trim_start();
    if line.starts_with("//") {
        return false;
    }
    PROGRAMS.iter().any(|program| {
        line.match_indices(program).any(|(at, _)| {
            // Not the end of another word, nor the middle of a sentence about the program.
            let apart = line[..at].ends_with(['"', '`', ' ', '(']);
            let command = &line[at..];
            let end = command.find(['`', '"', ';']).unwrap_or(command.len());
            let words = command[..end].split(' ').skip(1);
            let option = words
                .clone()
                .any(|word| word.starts_with('-') || word.starts_with("un"));
            apart && option && words.into_iter().any(|word| word.contains('{'))
        })
    })
}

#[test]
fn printed_commands_have_no_value_but_as_a_word() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = Vec::new();
    for folder in ["crates", "bins"] {
        for member in std::fs::read_dir(root.join(folder)).unwrap() {
            sources(&member.unwrap().path().join("src"), &mut files);
        }
    }
    assert!(files.len() > 200, "{}", files.len());
    let mut found = Vec::new();
    for file in files {
        // Texts with secrets in them, for tests.
        if file.ends_with("redaction/planted.rs") {
            continue;
        }
        let text = std::fs::read_to_string(&file).unwrap();
        // Tests stand at the end of a file.
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let lines = code.lines().enumerate().filter(|(_, line)| composed(line));
        found.extend(lines.map(|(at, line)| format!("{}:{}: {line}", file.display(), at + 1)));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn commands_put_together_from_text_are_recognised() {
    for line in [
        r#"format!("aws kms enable-key --key-id {id}")"#,
        r#""promoted: aws rds promote-read-replica --db-instance-identifier {}; \"#,
        r#""terraform -chdir={} force-unlock {}","#,
        r#"format!("`init-backend unlock {id}` again releases the rest")"#,
    ] {
        assert!(composed(line), "{line}");
    }
    for line in [
        r#"ShellCommand::new("aws kms enable-key").option("--key-id", id)"#,
        r#""{snapshot} in {region} does not have the tag of what dr-replicate makes""#,
        r#"format!("terraform {version}")"#,
    ] {
        assert!(!composed(line), "{line}");
    }
}
