use report::{Report, escape};
use serde_json::{Map, Value};
use settings::Settings;

use crate::screen::{self, Stream};
use crate::{Exit, Failure, GlobalArgs, OutputFormat};

/// Prints a result on standard output, in the format asked for.
///
/// # Errors
/// When the result cannot be serialised.
pub fn print<R: Report>(args: &GlobalArgs, result: &R) -> Result<(), Failure> {
    match args.output {
        OutputFormat::Json => {
            let text = json(result).map_err(|error| Failure::new(Exit::Unchecked, error))?;
            Stream::Stdout.lines(&format!("{text}\n"));
        }
        OutputFormat::Table => {
            let (width, colour) = width_and_colour();
            let text = result.document().to_terminal(width, colour);
            match colour {
                true => Stream::Stdout.styled_lines(&text),
                false => Stream::Stdout.lines(&text),
            }
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
    escape::json(&document)
}

/// How wide standard output is, and whether it shows colours. `COLUMNS` counts before the terminal's own width, also
/// where there is no terminal; `NO_COLOR` and `TERM=dumb` mean no colours.
fn width_and_colour() -> (Option<u16>, bool) {
    let named = std::env::var("COLUMNS")
        .ok()
        .and_then(|columns| columns.parse().ok())
        .filter(|columns| *columns > 0);
    if !Stream::Stdout.is_terminal() {
        return (named, false);
    }
    let own = console::Term::stdout().size_checked();
    (named.or(own.map(|(_, columns)| columns)), has_colours())
}

/// Whether a terminal may show colours.
pub(crate) fn has_colours() -> bool {
    std::env::var_os("NO_COLOR").is_none() && !is_dumb()
}

/// Whether the terminal knows nothing but lines of text: no colours, and no line that is written anew.
pub(crate) fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// Shows a result on standard error: what a question is about, when standard output is for JSON.
pub fn tell<R: Report>(result: &R) {
    Stream::Stderr.lines(&result.document().to_terminal(None, false));
}

/// Prints text for people: lines, Markdown, HTML. A reader that has gone away is no error.
pub fn print_text(text: &str) {
    Stream::Stdout.lines(text);
}

/// Prints what a program reads, such as a script, settings or a price book. Into a file or a pipe it goes byte for byte:
/// a password has to arrive as it is. On a terminal it is text like any other.
pub fn print_data(text: &str) {
    Stream::Stdout.data(text);
}

/// Tells something beside the result.
pub fn note(text: &str) {
    screen::line(&format!("note: {text}"));
}

/// Says on standard error under which exceptions personal data leaves the allowed countries.
pub fn residency_notes(settings: &Settings) {
    for exception in settings.exceptions_in_use() {
        note(&exception.to_string());
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
    match screen::ask_text(&format!("{question} Type {name} to go ahead")) {
        Ok(Some(answer)) if answer.trim() == name => Ok(()),
        Ok(_) => Err(stopped()),
        Err(error) => Err(not_answered(error)),
    }
}

fn stopped() -> Failure {
    Failure::new(
        Exit::Refused,
        anyhow::anyhow!("stopped: nothing was changed"),
    )
}

fn not_answered(error: std::io::Error) -> Failure {
    match error.kind() {
        std::io::ErrorKind::Interrupted => Failure::new(
            Exit::Interrupted,
            anyhow::anyhow!("interrupted: nothing was changed"),
        ),
        _ => {
            let error = anyhow::Error::new(error).context("failed to ask: nothing was changed");
            Failure::new(Exit::Refused, error)
        }
    }
}

fn refuse_without_terminal(question: &str) -> Result<(), Failure> {
    if screen::can_ask() {
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
    match screen::ask(question) {
        Ok(true) => Ok(()),
        Ok(false) => Err(stopped()),
        Err(error) => Err(not_answered(error)),
    }
}
