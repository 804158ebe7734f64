//! What only happens on a terminal: a question, and a progress bar.

use std::process::{Command, Stdio};
use std::time::Duration;

use local_aws::{Fault, FaultKind, REMOVED_VARIABLES};

use crate::stage::{FROM, Stage, TO};

/// Runs the program on a terminal of its own and types `answer`. Returns exit code and what was to be seen.
fn typed(stage: &Stage, arguments: &[&str], answer: &str) -> (i32, String) {
    let program = stage.command(arguments);
    // Python is what the local AWS runs on. What is typed before the question is there would be no answer to it.
    let script = r#"
import os, pty, sys
def read(terminal):
    seen = os.read(terminal, 4096)
    if seen.endswith(b"go ahead: "):
        os.write(terminal, sys.argv[1].encode())
    return seen
sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[2:], read)))
"#;
    let mut command = Command::new("python3");
    command
        .args(["-c", script, answer])
        .arg(program.get_program())
        .args(program.get_args());
    for name in REMOVED_VARIABLES {
        command.env_remove(name);
    }
    for (name, value) in program.get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    let output = command
        .env("TERM", "xterm")
        .current_dir(stage.folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code().unwrap(), text)
}

#[tokio::test(flavor = "multi_thread")]
async fn sync_on_a_terminal_is_confirmed_by_the_buckets_name_alone() {
    let stage = stage!();
    stage.put(&stage.from, FROM, &["a", "b", "c"]).await;
    let sync = ["sync", "--bucket", FROM];
    for wrong in ["yes\n", "\n", "berthcare-photos-staging\n"] {
        let (exit, seen) = typed(&stage, &sync, wrong);
        assert_eq!(exit, 4, "{wrong:?}: {seen}");
        assert!(seen.contains(&format!("Type {TO} to go ahead")), "{seen}");
        assert!(seen.contains("nothing was changed"), "{seen}");
        assert!(stage.keys().await.is_empty());
    }
    let slow = FaultKind::Latency(Duration::from_millis(150));
    stage
        .aws
        .add_fault(Fault::new(slow).operation("CopyObject"));
    let (exit, seen) = typed(&stage, &sync, &format!("{TO}\n"));
    assert_eq!(exit, 0, "{seen}");
    assert_eq!(stage.keys().await, ["a", "b", "c"]);
    assert!(seen.contains("/3 objects, "), "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sync_of_a_key_with_escape_sequences_shows_them_in_errors_and_results() {
    let stage = stage!();
    let key = "a\u{85}[8mhidden\u{9b}2J\u{202e}\u{200b}b\u{7f}";
    stage.put(&stage.from, FROM, &[key]).await;
    let denied = Fault::new(FaultKind::Denied);
    stage.aws.add_fault(denied.operation("CopyObject"));
    for more in [&["-vv"][..], &["--output", "json"]] {
        let ran = stage.run(&[&["sync", "--bucket", FROM, "--yes"][..], more].concat());
        let texts = [ran.stdout, ran.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        for text in &texts {
            assert_eq!(&report::escape::lines(text), text);
        }
        assert_ne!(ran.status.code(), Some(0), "{texts:?}");
        assert!(texts.concat().contains("[8mhidden"), "{texts:?}");
    }
}
