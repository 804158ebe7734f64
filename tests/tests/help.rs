//! What the help of the programs shows can be run.

use anyhow::{Context as _, Result};
use clap::Command;

/// The programs for people.
fn programs() -> [Command; 5] {
    [
        deploy_staging::command(),
        dr_replicate::command(),
        dr_runbook::command(),
        init_backend::command(),
        verify_staging::command(),
    ]
}

/// The help of a command and of those below it, with their names.
fn helps(command: &Command, of: &str, found: &mut Vec<(String, String)>) {
    let name = format!("{of} {}", command.get_name()).trim().to_owned();
    let texts = [command.get_after_long_help(), command.get_after_help()];
    let texts = texts.into_iter().flatten().map(ToString::to_string);
    found.push((name.clone(), texts.collect()));
    for below in command.get_subcommands() {
        helps(below, &name, found);
    }
}

/// The words of a command line: what a shell makes of it, up to a remark that stands apart, or a redirection.
fn words(line: &str) -> Vec<String> {
    let line = line.trim();
    let quoted = line.split('\'').enumerate();
    let mut words = Vec::new();
    for (at, part) in quoted {
        if at % 2 == 1 {
            words.push(part.to_owned());
            continue;
        }
        let end = ["  ", " >", " | "]
            .iter()
            .filter_map(|mark| part.trim_end().find(mark))
            .min();
        words.extend(
            part[..end.unwrap_or(part.len())]
                .split_whitespace()
                .map(str::to_owned),
        );
        if end.is_some() {
            break;
        }
    }
    words
}

#[test]
fn examples_of_every_help_are_taken_as_they_stand() -> Result<()> {
    for program in programs() {
        let name = program.get_name().to_owned();
        let mut all = Vec::new();
        helps(&program, "", &mut all);
        for (command, help) in all {
            let help = help.replace("\\\n", " ");
            let examples = help
                .lines()
                .filter(|line| line.starts_with(&format!("  {name} ")));
            for example in examples {
                // Names of runs have a form.
                let words = words(example).into_iter().map(|word| match word.as_str() {
                    "RUN" => "20261130T031500Z-0123456789abcdef".to_owned(),
                    _ => word,
                });
                let taken = program.clone().try_get_matches_from(words);
                taken.with_context(|| format!("help of {command}: {}", example.trim()))?;
            }
        }
    }
    Ok(())
}

/// The commands of a workflow that are of these programs.
fn commands<'t>(workflow: &'t str, name: &str) -> Vec<&'t str> {
    let lines = workflow.lines().map(str::trim);
    let lines = lines.filter(|line| !line.starts_with('#'));
    let lines = lines.map(|line| line.strip_prefix("run: ").unwrap_or(line));
    let parts = lines.flat_map(|line| line.split("&&").flat_map(|part| part.split(';')));
    let parts = parts.map(str::trim);
    parts
        .filter(|part| {
            let rest = part.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with(' '))
        })
        .collect()
}

#[test]
fn commands_of_every_workflow_are_taken_as_they_stand() -> Result<()> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/workflows");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let workflow = std::fs::read_to_string(&path)?;
        let before = found.len();
        for program in programs() {
            for command in commands(&workflow, program.get_name()) {
                let taken = program.clone().try_get_matches_from(words(command));
                taken.with_context(|| format!("{}: {command}", path.display()))?;
                found.push(command.to_owned());
            }
        }
        // Each is there for a command.
        anyhow::ensure!(found.len() > before, "{}: none", path.display());
        // What is named is installed by its folder, or run: nothing is overlooked by its place in a line.
        let named = workflow.matches("dr-runbook ").count();
        let run = found[before..].iter();
        let run = run
            .filter(|command| command.starts_with("dr-runbook "))
            .count();
        anyhow::ensure!(
            named == run,
            "{}: {named} named, {run} found",
            path.display()
        );
    }
    Ok(())
}

#[test]
fn every_command_that_does_something_has_examples() {
    let mut without = Vec::new();
    for program in programs() {
        let mut all = Vec::new();
        helps(&program, "", &mut all);
        for (command, help) in &all {
            let is_group = all
                .iter()
                .any(|(other, _)| other.starts_with(&format!("{command} ")));
            // They take no more than the name of a shell, or of a folder.
            let is_plain = command.ends_with(" completion") || command.ends_with(" man");
            if !is_group
                && !is_plain
                && !help.contains(&format!("Examples:\n  {}", program.get_name()))
            {
                without.push(command.clone());
            }
        }
    }
    assert!(without.is_empty(), "{without:#?}");
}
