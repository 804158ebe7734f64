use std::io::{IsTerminal as _, Write as _};

use report::Report;
use serde_json::{Map, Value};
use settings::Settings;

use crate::{Exit, Failure, GlobalArgs, OutputFormat};

/// Prints a result on standard output, in the format asked for.
///
/// # Errors
/// When the result cannot be serialised.
pub fn print<R: Report>(args: &GlobalArgs, result: &R) -> Result<(), Failure> {
    match args.output {
        OutputFormat::Json => {
            let text = json(result).map_err(|error| Failure::new(Exit::Unchecked, error))?;
            print_text(&format!("{text}\n"));
        }
        OutputFormat::Table => {
            let (width, colour) = screen();
            print_text(&result.document().to_terminal(width, colour));
        }
    }
    Ok(())
}

/// The result with what it is in front: `kind` and `version`. A list is in `items`.
fn json<R: Report>(result: &R) -> Result<String, serde_json::Error> {
    let mut document = Map::new();
    document.insert("kind".to_owned(), R::KIND.into());
    document.insert("version".to_owned(), report::JSON_VERSION.into());
    match serde_json::to_value(result)? {
        Value::Object(fields) => document.extend(fields),
        list => {
            document.insert("items".to_owned(), list);
        }
    }
    serde_json::to_string_pretty(&document)
}

/// How wide standard output is, and whether it shows colours. `COLUMNS` counts before the terminal's own width, also
/// where there is no terminal; `NO_COLOR` and `TERM=dumb` mean no colours.
fn screen() -> (Option<u16>, bool) {
    let named = std::env::var("COLUMNS")
        .ok()
        .and_then(|columns| columns.parse().ok())
        .filter(|columns| *columns > 0);
    if !std::io::stdout().is_terminal() {
        return (named, false);
    }
    let own = console::Term::stdout().size_checked();
    let colour = std::env::var_os("NO_COLOR").is_none() && !is_dumb();
    (named.or(own.map(|(_, columns)| columns)), colour)
}

/// Whether the terminal knows nothing but lines of text: no colours, and no line that is written anew.
pub(crate) fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// Shows a result on standard error: what a question is about, when standard output is for JSON.
pub fn tell<R: Report>(result: &R) {
    let _ = write!(
        std::io::stderr(),
        "{}",
        result.document().to_terminal(None, false)
    );
}

/// Prints text as it is. A reader that has gone away is no error.
pub fn print_text(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
}

/// Says on standard error under which exceptions personal data leaves the allowed countries.
pub fn residency_notes(settings: &Settings) {
    for exception in settings.exceptions_in_use() {
        let _ = writeln!(std::io::stderr(), "note: {exception}");
    }
}

/// Asks for `name` to be typed, unless `--yes` was given: for what must not be confirmed by habit.
///
/// # Errors
/// Exit 4 when something else is typed, or nobody is there to ask.
pub fn confirm_name(args: &GlobalArgs, question: &str, name: &str) -> Result<(), Failure> {
    if args.yes {
        return Ok(());
    }
    refuse_without_terminal(question)?;
    let answer: Result<String, _> = dialoguer::Input::new()
        .with_prompt(format!("{question} Type {name} to go ahead"))
        .allow_empty(true)
        .interact_text();
    match answer {
        Ok(answer) if answer.trim() == name => Ok(()),
        Ok(_) => Err(stopped()),
        Err(error) => Err(Failure::new(Exit::Interrupted, error)),
    }
}

fn stopped() -> Failure {
    Failure::new(
        Exit::Refused,
        anyhow::anyhow!("stopped: nothing was changed"),
    )
}

fn refuse_without_terminal(question: &str) -> Result<(), Failure> {
    if std::io::stdin().is_terminal() && std::io::stderr().is_terminal() {
        return Ok(());
    }
    Err(
        Failure::new(Exit::Refused, anyhow::anyhow!("failed to ask: {question}"))
            .hint("there is no terminal to ask on; nothing was changed; give --yes to go ahead"),
    )
}

/// Asks, unless `--yes` was given.
///
/// # Errors
/// Exit 4 when the answer is no, or nobody is there to ask.
pub fn confirm(args: &GlobalArgs, question: &str) -> Result<(), Failure> {
    if args.yes {
        return Ok(());
    }
    refuse_without_terminal(question)?;
    let answer = dialoguer::Confirm::new()
        .with_prompt(question)
        .default(false)
        .interact();
    match answer {
        Ok(true) => Ok(()),
        Ok(false) => Err(stopped()),
        Err(error) => Err(Failure::new(Exit::Interrupted, error)),
    }
}
