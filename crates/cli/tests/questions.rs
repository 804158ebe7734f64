//! What keys do at a question, on a terminal.
#![cfg(unix)]

use std::process::Command;

use clap::Parser;
use cli::{Exit, GlobalArgs};

#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    global: GlobalArgs,
}

/// The program, when the test below has started it.
#[test]
fn program() {
    let Ok(kind) = std::env::var("QUESTION") else {
        return;
    };
    let exit = cli::run(
        ["program".into()],
        |a: &Arguments| &a.global,
        |arguments| async move {
            match kind.as_str() {
                "name" => cli::confirm_name(&arguments.global, "Go on?", "it")?,
                _ => cli::confirm(&arguments.global, "Go on?")?,
            }
            Ok(Exit::Fine)
        },
    );
    let codes = [Exit::Fine, Exit::Refused, Exit::Interrupted];
    let code = codes.into_iter().find(|code| exit == (*code).into());
    std::process::exit(code.map_or(99, |code| code as i32));
}

/// Types the keys when the question stands there, and what is before `|` ahead of it; the exit code is the program's.
const TERMINAL: &str = r#"
import os, pty, signal, sys, termios
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[2], sys.argv[2:])
ahead, keys = sys.argv[1].split("|")
if ahead:
    os.write(terminal, ahead.encode())
seen = b""
typed = False
while True:
    try:
        read = os.read(terminal, 4096)
    except OSError:
        read = b""
    if not read:
        break
    seen += read
    if not typed and (b"[y/N]: " in seen or b"go ahead: " in seen):
        typed = True
        # Until the program reads single keys, the terminal makes signals and ends of files of them.
        while termios.tcgetattr(terminal)[3] & termios.ICANON:
            os.sched_yield()
        if keys == "SIGTERM":
            os.kill(pid, signal.SIGTERM)
        else:
            os.write(terminal, keys.encode())
if not termios.tcgetattr(terminal)[3] & termios.ECHO:
    seen += b"(without echo)"
sys.stdout.buffer.write(seen)
sys.stdout.flush()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"#;

#[test]
fn keys_at_a_question_answer_refuse_or_interrupt_and_leave_the_cursor() {
    if Command::new("python3").arg("--version").output().is_err() {
        eprintln!("skipped: no python3 on the path, which makes the terminal");
        return;
    }
    for (question, keys, wanted, said) in [
        ("yes", "y\r", 0, "y"),
        ("yes", "Yes\r", 0, "Yes"),
        ("yes", "yn\r", 4, "stopped: nothing was changed"),
        ("yes", "\r", 4, "stopped: nothing was changed"),
        ("yes", "\u{1b}", 4, "stopped: nothing was changed"),
        ("yes", "\u{4}", 4, "stopped: nothing was changed"),
        (
            "yes",
            "\u{3}",
            130,
            "error: interrupted: nothing was changed",
        ),
        ("yes", "SIGTERM", 130, "error: interrupted by SIGTERM"),
        // What was typed before the question was there is no answer to it.
        ("yes", "y\r|\r", 4, "stopped: nothing was changed"),
        ("name", "it\r|\r", 4, "stopped: nothing was changed"),
        ("name", "x|it\r", 0, "it"),
        ("name", "SIGTERM", 130, "error: interrupted by SIGTERM"),
        ("name", "it\r", 0, "it"),
        ("name", "ix\u{7f}t\r", 0, "it"),
        ("name", "i\u{1b}", 4, "stopped: nothing was changed"),
        ("name", "\u{4}", 4, "stopped: nothing was changed"),
        (
            "name",
            "i\u{3}",
            130,
            "error: interrupted: nothing was changed",
        ),
    ] {
        let (ahead, keys) = keys.split_once('|').unwrap_or(("", keys));
        let output = Command::new("python3")
            .args(["-c", TERMINAL, &format!("{ahead}|{keys}")])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "program", "--nocapture"])
            .env("QUESTION", question)
            .env("TERM", "xterm")
            .output()
            .unwrap();
        let seen = String::from_utf8_lossy(&output.stdout);
        let case = format!("{question} {ahead:?} {keys:?}: {seen}");
        assert_eq!(output.status.code(), Some(wanted), "{case}");
        assert!(seen.contains(said), "{case}");
        assert!(
            !seen.contains("\u{1b}[?25l"),
            "the cursor is hidden: {case}"
        );
        assert!(!seen.contains("read interrupted"), "{case}");
        assert!(!seen.contains("(without echo)"), "{case}");
    }
}
