//! Every way in which text leaves the programs, on a terminal and off it, fed with what would act on who reads it.
//!
//! The exits are functions of this crate, since clippy lets nothing else have the streams (`clippy.toml`). Each runs in
//! a process of its own: this binary runs itself, with the name of the exit in the environment.
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a check that fails ends its test, and one that cannot run says so"
)]

use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use clap::Parser;
use cli::{Exit, Failure, GlobalArgs, OutputFormat, Progress};
use report::{Amount, Chart, Document, Mark, Observer as _, Outcome, Page, Report, Value};
use serde::Serialize;

/// Which exit to take.
const EXIT: &str = "TEST_EXIT";

/// Characters that act, each between two letters, and sequences that hide, move, rename or forge.
static HOSTILE: LazyLock<String> = LazyLock::new(|| {
    let acting = ('\u{1}'..='\u{1f}')
        .chain('\u{7f}'..='\u{9f}')
        .chain("\u{ad}\u{61c}\u{200b}\u{200c}\u{200d}\u{200e}\u{200f}\u{2028}\u{2029}".chars())
        .chain('\u{202a}'..='\u{202e}')
        .chain('\u{2060}'..='\u{2069}')
        .chain("\u{feff}\u{e0041}".chars());
    let each: String = acting.map(|character| format!("q{character}")).collect();
    format!(
        "{each}q \u{1b}[8mhidden\u{1b}[0m \u{1b}[2K\u{1b}[1A \u{1b}]0;title\u{7} \u{9b}8m\r\nhint: forged\nwrong forged"
    )
});

#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    global: GlobalArgs,
    #[arg(long, value_parser = ["one"])]
    one_of: Option<String>,
}

#[derive(Serialize)]
struct Hostile {
    text: String,
}

impl Report for Hostile {
    const KIND: &'static str = "hostile";

    fn document(&self) -> Document {
        let text = || self.text.clone();
        Document::new()
            .heading(text())
            .text(text())
            .fact(Mark::Wrong, text(), text())
            .table([text()], vec![(Mark::Ok, vec![text()])])
            .chart(
                Chart::bars(text(), vec![Value::new(Mark::Ok, text(), 1.0, text())])
                    .limit(2.0, text()),
            )
    }
}

fn hostile() -> Hostile {
    Hostile {
        text: HOSTILE.clone(),
    }
}

fn global(format: OutputFormat) -> GlobalArgs {
    GlobalArgs {
        config: "infra.toml".into(),
        output: format,
        yes: false,
        verbose: 0,
    }
}

fn failure() -> Failure {
    let cause = anyhow::anyhow!(HOSTILE.clone()).context(HOSTILE.clone());
    Failure::new(Exit::Wrong, cause).hint(HOSTILE.clone())
}

fn run(arguments: &[&str], program: impl FnOnce() -> Result<Exit, Failure>) {
    let _ = cli::run(
        ["program"].iter().chain(arguments).map(Into::into),
        |arguments: &Arguments| &arguments.global,
        |_| async { program() },
    );
}

/// Shows the failure of a question that could not be asked.
fn end(asked: Result<(), Failure>) {
    if let Err(failure) = asked {
        run(&[], || Err(failure));
    }
}

const EXITS: &[(&str, fn())] = &[
    ("table", || {
        end(cli::print(&global(OutputFormat::Table), &hostile()));
    }),
    ("json", || {
        end(cli::print(&global(OutputFormat::Json), &hostile()));
    }),
    ("tell", || cli::tell(&hostile())),
    ("text", || cli::print_text(&HOSTILE)),
    ("data", || cli::print_data(&HOSTILE)),
    ("markdown", || {
        cli::print_text(&hostile().document().to_markdown());
    }),
    ("html", || {
        let text = HOSTILE.as_str();
        let page = Page::new(text).about(text, text).note(text);
        cli::print_text(&hostile().document().to_html(&page));
    }),
    ("note", || cli::note(&HOSTILE)),
    ("confirm", || {
        end(cli::confirm(&global(OutputFormat::Table), &HOSTILE));
    }),
    ("confirm-name", || {
        end(cli::confirm_name(
            &global(OutputFormat::Table),
            &HOSTILE,
            &HOSTILE,
        ));
    }),
    ("failure", || run(&[], || Err(failure()))),
    ("failure-json", || {
        run(&["--output", "json"], || Err(failure()));
    }),
    ("usage", || run(&["--one-of", &HOSTILE], || Ok(Exit::Fine))),
    ("usage-json", || {
        run(&["--output=json", "--one-of", &HOSTILE], || Ok(Exit::Fine));
    }),
    ("log", || {
        run(&["-vv"], || {
            let text = HOSTILE.as_str();
            tracing::warn!(target: "cli", shown = %text, quoted = ?text, "{text}");
            Ok(Exit::Fine)
        });
    }),
    ("log-redacted", || {
        cli::redact_log(|line| format!("{}{}", *HOSTILE, line.trim_end()));
        run(&["-vv"], || {
            tracing::warn!(target: "cli", "x");
            Ok(Exit::Fine)
        });
    }),
    ("log-of-two-environments", || {
        cli::redact_log(|line| line.replace("first", "[one]"));
        cli::redact_log(|line| line.replace("second", "[two]"));
        run(&["-vv"], || {
            tracing::warn!(target: "cli", "first second third {}", *HOSTILE);
            Ok(Exit::Fine)
        });
    }),
    ("progress", || {
        for progress in [Progress::new(), Progress::on_terminal()] {
            let label = HOSTILE.as_str();
            let amount = |objects| Amount { objects, bytes: 1 };
            progress.started(label);
            progress.waiting(label, label);
            progress.finished(label, Outcome::Failed, Duration::from_secs(1));
            progress.advanced(label, amount(1), amount(2));
            progress.advanced(label, amount(2), amount(2));
        }
    }),
];

/// Not a test of its own: what the tests below run.
#[test]
fn take_the_exit_that_is_named() {
    let Ok(name) = std::env::var(EXIT) else {
        return;
    };
    let (_, exit) = EXITS.iter().find(|(known, _)| *known == name).unwrap();
    exit();
}

/// Whether this machine can make a terminal.
fn has_terminal() -> bool {
    let has = Command::new("python3").arg("--version").output().is_ok();
    if !has {
        eprintln!("skipped on a terminal: no python3 on the path");
    }
    has
}

/// A terminal on which somebody answers whatever is asked, once it is.
const TERMINAL: &str = r#"
import os, pty, sys
def read(terminal):
    seen = os.read(terminal, 4096)
    if seen.endswith(b": "):
        os.write(terminal, b"n\n")
    return seen
pty.spawn(sys.argv[1:], read)
"#;

/// What was to be seen on standard output and standard error together.
fn seen(exit: &str, on_terminal: bool) -> String {
    let this = std::env::current_exe().unwrap();
    let mut command = Command::new(&this);
    if on_terminal {
        command = Command::new("python3");
        command.args(["-c", TERMINAL]).arg(&this);
    }
    let mut child = command
        .args(["--exact", "take_the_exit_that_is_named"])
        .args(["--nocapture", "--color", "never"])
        .env(EXIT, exit)
        .env("TERM", "xterm-256color")
        .env("COLUMNS", "80")
        .env_remove("NO_COLOR")
        .env_remove("RUST_LOG")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Off a terminal nobody is asked.
    drop(child.stdin.take());
    let output = child.wait_with_output().unwrap();
    [output.stdout, output.stderr]
        .map(|bytes| String::from_utf8(bytes).unwrap())
        .concat()
}

/// What is in `text` that must not be.
fn acting(text: &str) -> Vec<String> {
    // A terminal's driver puts a carriage return before a line break.
    let text = text.replace("\r\n", "\n");
    let characters = HOSTILE
        .chars()
        .filter(|c| !c.is_ascii_graphic() && !matches!(c, ' ' | '\n' | '\t'))
        // Bars and questions draw themselves anew with these two.
        .filter(|c| !matches!(c, '\r' | '\u{1b}') && text.contains(*c))
        .map(|c| format!("{c:?}"));
    let sequences = [
        "q\u{1b}",
        "q\r",
        "\u{1b}[8m",
        "\u{1b}]0;",
        "\nhint: forged",
        "\nwrong forged",
    ];
    let sequences = sequences.iter().filter(|part| text.contains(**part));
    characters
        .chain(sequences.map(|part| format!("{part:?}")))
        .collect()
}

#[test]
fn no_exit_lets_through_what_acts() {
    let has_terminal = has_terminal();
    for (name, _) in EXITS {
        for on_terminal in [false, true] {
            // What a program reads is in a file as it is.
            if (*name == "data" && !on_terminal) || (on_terminal && !has_terminal) {
                continue;
            }
            let shown = seen(name, on_terminal);
            let mut wrong = acting(&shown);
            if matches!(*name, "data" | "text" | "usage" | "usage-json") {
                // Here lines are our own: of a text, and of what clap says.
                wrong.retain(|part| !part.contains("forged"));
            }
            assert!(
                wrong.is_empty(),
                "{name}, terminal: {on_terminal}: {wrong:?}\n{shown}"
            );
            assert!(shown.contains("hidden"), "{name}: {shown}");
        }
    }
}

#[test]
fn data_in_a_file_is_byte_for_byte_what_it_was() {
    assert!(seen("data", false).contains(HOSTILE.as_str()));
}

#[test]
fn our_own_colours_reach_the_terminal() {
    if has_terminal() {
        let table = seen("table", true);
        assert!(table.contains("\u{1b}[38;5;10m"), "{table}");
    }
    assert!(!seen("table", false).contains('\u{1b}'));
}

#[test]
fn log_hides_what_each_redaction_knows() {
    let shown = seen("log-of-two-environments", false);
    assert!(shown.contains("[one] [two] third"), "{shown}");
    assert!(
        !shown.contains("first") && !shown.contains("second"),
        "{shown}"
    );
}
