//! docs/getting-started.md, followed literally: every command of it, in one shell.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::stage::{Stage, skipped, stage};

/// The commands of the page's console blocks; what is shown without a prompt is output, and counts for nothing.
fn commands(page: &str) -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    let (mut is_console, mut is_run) = (false, true);
    for line in page.lines() {
        if line.starts_with("<!-- not run: ") {
            is_run = false;
        } else if line == "```console" {
            is_console = true;
        } else if line == "```" {
            // The remark is about one block.
            is_run = is_run || is_console;
            is_console = false;
        } else if is_console && is_run {
            if let Some(command) = line.strip_prefix("$ ") {
                commands.push(command.to_owned());
            } else if let Some(more) = line.strip_prefix('>')
                && let Some(command) = commands.last_mut()
            {
                command.push('\n');
                command.push_str(more.strip_prefix(' ').unwrap_or(more));
            }
        }
    }
    commands
}

#[tokio::test(flavor = "multi_thread")]
async fn getting_started_followed_literally_ends_well() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = fs::read_to_string(root.join("docs/getting-started.md")).unwrap();
    let commands = commands(&page);
    assert!(commands.len() > 15, "{commands:#?}");
    let program = Path::new(env!("CARGO_BIN_EXE_deploy-staging"));
    let beside = program.with_file_name("init-backend");
    if !beside.is_file() {
        skipped("init-backend is not built: the whole workspace has it");
        return;
    }
    let stage = stage!(Stage::bare());
    fs::remove_file(stage.path("infra.toml")).unwrap();
    fs::remove_dir_all(stage.path("stack")).unwrap();
    fs::create_dir(stage.path("bin")).unwrap();
    symlink(program, stage.path("bin/deploy-staging")).unwrap();
    symlink(beside, stage.path("bin/init-backend")).unwrap();
    // Each command has to end well, as somebody would who follows the page stop where one does not.
    let script = commands.join("\n");
    stage.write("page.sh", &format!("set -e\n{script}\n"));
    let ended = stage.shell("page.sh").await;
    let told = [ended.stdout, ended.stderr].concat();
    assert_eq!(ended.code, Some(0), "{told}");
    for part in [
        "assumed: another region of the same country",
        "it is the address of an example",
        "Plan of staging: 1 create",
        "triggers_replace changes",
        "refused",
        "something is left",
        "something is open",
        "0 added, 0 changed, 2 destroyed",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn completion_of_each_shell_names_the_commands() {
    let stage = stage!(Stage::bare());
    for shell in ["bash", "zsh", "fish"] {
        let ended = stage.run(&["completion", shell]).await;
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        for command in [
            "init", "check", "plan", "apply", "status", "resume", "destroy", "next",
        ] {
            assert!(ended.stdout.contains(command), "{shell}: {command}");
        }
    }
}
