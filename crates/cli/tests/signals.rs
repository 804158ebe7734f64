//! A program that computes, and hears nothing, is interrupted all the same.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a check that fails ends its test")]

use std::hint::spin_loop;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;
use cli::{Exit, Failure, GlobalArgs};

#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    global: GlobalArgs,
}

/// Longer than anybody waits, and not for ever.
const BUSY: Duration = Duration::from_secs(20);

fn compute() -> Result<Exit, Failure> {
    cli::note("computing");
    let begun = Instant::now();
    while begun.elapsed() < BUSY {
        spin_loop();
    }
    Ok(Exit::Fine)
}

/// The program, when the tests below have started it.
#[test]
fn program() {
    let Ok(kind) = std::env::var("PROGRAM") else {
        return;
    };
    let arguments = std::env::var("PROGRAM_ARGUMENTS").unwrap_or_default();
    let arguments = ["program"]
        .into_iter()
        .chain(arguments.split_whitespace())
        .map(Into::into);
    let exit = match kind.as_str() {
        "plain" => cli::run(
            arguments,
            |a: &Arguments| &a.global,
            |_| async { compute() },
        ),
        "draining" => cli::run_draining(
            arguments,
            |a: &Arguments| &a.global,
            |_, _stop| async { compute() },
        ),
        "heeding" => cli::run_heeding(
            arguments,
            |a: &Arguments| &a.global,
            |_, interrupts| async move {
                interrupts.leave(|| vec!["a lock is left".to_owned()]);
                let _heeded = interrupts.heed();
                compute()
            },
        ),
        "not heeding" => cli::run_heeding(
            arguments,
            |a: &Arguments| &a.global,
            |_, interrupts| async move {
                // What was to be ended has ended.
                drop(interrupts.heed());
                compute()
            },
        ),
        _ => cli::run_repeating(
            arguments,
            |a: &Arguments| &a.global,
            |_, so_far| async move {
                let _ = so_far.send(Some(Exit::Wrong));
                compute()
            },
        ),
    };
    std::process::exit(if exit == Exit::Fine.into() { 99 } else { 98 });
}

struct Program {
    child: Child,
    stderr: BufReader<std::process::ChildStderr>,
}

impl Program {
    fn start(kind: &str, arguments: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "program", "--nocapture"])
            .env("PROGRAM", kind)
            .env("PROGRAM_ARGUMENTS", arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let mut program = Self { child, stderr };
        program.until("computing");
        program
    }

    /// Reads until it says so.
    fn until(&mut self, text: &str) {
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            assert!(self.stderr.read_line(&mut line).unwrap() > 0, "no {text}");
        }
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([name, &id]).status().unwrap();
        assert!(sent.success());
    }

    /// Exit code, standard output and the rest of standard error.
    fn end(mut self) -> (Option<i32>, String, String) {
        let mut stderr = String::new();
        self.stderr.read_to_string(&mut stderr).unwrap();
        let output = self.child.wait_with_output().unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        (output.status.code(), stdout, stderr)
    }
}

#[test]
fn run_of_a_program_that_computes_is_interrupted() {
    for (signal, name) in [("-INT", "Ctrl-C"), ("-TERM", "SIGTERM")] {
        let program = Program::start("plain", "--output json");
        program.signal(signal);
        let (code, stdout, stderr) = program.end();
        assert_eq!(code, Some(130), "{stderr}");
        assert!(
            stderr.contains(&format!("interrupted by {name}")),
            "{stderr}"
        );
        assert!(
            stdout.contains("\"exit\":130") || stdout.contains("interrupted by"),
            "{stdout}"
        );
    }
}

#[test]
fn run_draining_of_a_program_that_computes_says_so_at_once_and_ends_at_the_second() {
    let mut program = Program::start("draining", "");
    program.signal("-INT");
    program.until("once more to stop at once");
    program.signal("-INT");
    let (code, _, stderr) = program.end();
    assert_eq!(code, Some(130), "{stderr}");
    assert!(stderr.contains("interrupted by Ctrl-C"), "{stderr}");
}

#[test]
fn run_heeding_ends_at_the_first_interrupt_unless_it_is_heeded() {
    let mut program = Program::start("heeding", "");
    program.signal("-TERM");
    program.until("once more to stop at once");
    program.signal("-TERM");
    let (code, _, stderr) = program.end();
    assert_eq!(code, Some(130), "{stderr}");
    assert!(stderr.contains("hint: a lock is left"), "{stderr}");
    let program = Program::start("not heeding", "");
    program.signal("-INT");
    let (code, _, stderr) = program.end();
    assert_eq!(code, Some(130), "{stderr}");
    assert!(!stderr.contains("once more"), "{stderr}");
}

#[test]
fn run_repeating_of_a_program_that_computes_ends_as_its_last_round_did() {
    let program = Program::start("repeating", "");
    program.signal("-TERM");
    let (code, _, stderr) = program.end();
    assert_eq!(code, Some(1), "{stderr}");
}
