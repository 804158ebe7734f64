//! The documents say what is true of the code.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

type Shown = BTreeMap<u32, BTreeSet<String>>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() && !path.ends_with("target") && !path.ends_with(".terraform") {
            sources(&path, found)?;
        } else if path
            .extension()
            .is_some_and(|extension| extension == "rs" || extension == "hcl")
        {
            found.push(path);
        }
    }
    Ok(())
}

/// The comments in the code: fact → files.
fn in_code() -> Result<Shown> {
    let root = root();
    let mut files = Vec::new();
    for folder in ["crates", "bins", "tests", "terraform"] {
        sources(&root.join(folder), &mut files)?;
    }
    let mut shown = Shown::new();
    for file in files {
        let name = file.strip_prefix(&root)?.to_string_lossy().into_owned();
        for line in std::fs::read_to_string(&file)?.lines() {
            let line = line.trim();
            let comment = ["// aws-behaviour: ", "# aws-behaviour: "]
                .into_iter()
                .find_map(|mark| line.strip_prefix(mark));
            let Some(number) = comment else {
                continue;
            };
            let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
            let number = digits.parse().with_context(|| format!("{name}: {line}"))?;
            shown.entry(number).or_default().insert(name.clone());
        }
    }
    Ok(shown)
}

/// The rows of the table: fact → files.
fn in_table() -> Result<Shown> {
    let text = std::fs::read_to_string(root().join("docs/aws-behaviour.md"))?;
    let mut shown = Shown::new();
    for line in text.lines() {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [number, _, _, files] = cells.as_slice() else {
            continue;
        };
        let Ok(number) = number.parse() else { continue };
        let files = files
            .split(", ")
            .map(|file| file.trim_matches('`').to_owned())
            .collect();
        assert!(
            shown.insert(number, files).is_none(),
            "fact {number} has two rows"
        );
    }
    Ok(shown)
}

#[test]
fn every_fact_about_aws_names_tests_that_show_it() -> Result<()> {
    let (table, code) = (in_table()?, in_code()?);
    let facts = |shown: &Shown| shown.keys().copied().collect::<Vec<_>>();
    assert_eq!(
        facts(&table),
        facts(&code),
        "left: docs/aws-behaviour.md, right: comments in the code"
    );
    for (number, files) in table {
        let missing: Vec<_> = files.difference(&code[&number]).collect();
        assert!(
            missing.is_empty(),
            "fact {number}: no `// aws-behaviour: {number}` in {missing:?}"
        );
    }
    Ok(())
}

#[test]
fn the_readme_gives_commands_that_exist() -> Result<()> {
    let readme = std::fs::read_to_string(root().join("README.md"))?;
    let commands: Vec<&str> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("    cargo "))
        .collect();
    assert_eq!(commands, ["drill --quick", "test --workspace"]);
    let aliases = std::fs::read_to_string(root().join(".cargo/config.toml"))?;
    assert!(aliases.contains("drill = "), "{aliases}");
    Ok(())
}
