//! The one place that writes on standard output and standard error, and that asks.
//!
//! Names, tags, keys and error texts are written by whoever may write them. What reaches a terminal from here has
//! nothing in it that steers it, turns text around or hides (`report::escape`), whichever way it came; clippy lets
//! nothing else in this workspace take hold of the streams (`clippy.toml`).
#![expect(
    clippy::disallowed_methods,
    reason = "the one place that has the streams, the questions and the bars"
)]

use std::borrow::Cow;
use std::io::{self, IsTerminal as _, Write};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use report::escape;

use crate::question::{self, Echo};
use crate::terminal::{self, Kept};

/// Where text goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    pub(crate) fn is_terminal(self) -> bool {
        match self {
            Self::Stdout => io::stdout().is_terminal(),
            Self::Stderr => io::stderr().is_terminal(),
        }
    }

    /// Writes text, in which line breaks are our own.
    pub(crate) fn lines(self, text: &str) {
        self.write(&escape::lines(text));
    }

    /// As [`Stream::lines`], with colours of our own.
    pub(crate) fn styled_lines(self, text: &str) {
        self.write(&escape::styled_lines(text));
    }

    /// Writes what a program reads: as it is into a file or a pipe, and as text on a terminal.
    pub(crate) fn data(self, text: &str) {
        match self.is_terminal() {
            true => self.lines(text),
            false => self.write(text),
        }
    }

    /// A reader that has gone away is no error.
    fn write(self, text: &str) {
        fn whole(mut to: impl Write, text: &str) {
            let _ = to.write_all(text.as_bytes()).and_then(|()| to.flush());
        }
        match self {
            Self::Stdout => whole(io::stdout().lock(), text),
            Self::Stderr => whole(io::stderr().lock(), text),
        }
    }
}

/// One line on standard error.
pub(crate) fn line(text: &str) {
    Stream::Stderr.lines(&format!("{}\n", escape::one_line(text)));
}

/// Standard error, for one event of the log, which is written as a whole.
pub(crate) struct LogLine<F>(pub(crate) F);

impl<F: Fn(&str) -> Option<String>> Write for LogLine<F> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let text = self.0(&text).map_or(text, Cow::Owned);
        io::stderr()
            .lock()
            .write_all(escape::event(&text).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Whether there is somebody to ask.
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal() && Stream::Stderr.is_terminal()
}

/// Asks for yes or no, with Enter; no is what an empty line means, and whatever else ends the input.
///
/// # Errors
/// Of kind `Interrupted` at Ctrl-C.
pub(crate) fn ask(question: &str) -> io::Result<bool> {
    let answer = ask_text(&format!("{question} [y/N]"))?;
    let answer = answer.map(|answer| answer.trim().to_lowercase());
    Ok(answer.is_some_and(|answer| answer == "y" || answer == "yes"))
}

/// Asks for a line of text; `None` where nobody gives one.
///
/// # Errors
/// Of kind `Interrupted` at Ctrl-C.
pub(crate) fn ask_text(question: &str) -> io::Result<Option<String>> {
    let term = console::Term::stderr();
    terminal::forget_typed();
    Stream::Stderr.write(&format!("{}: ", escape::one_line(question)));
    let _kept = Kept::now();
    let shown = |character: char| escape::one_line(character.encode_utf8(&mut [0; 4])).into_owned();
    let answer = question::line(
        || term.read_key_raw(),
        |echo| match echo {
            Echo::Added(character) => Stream::Stderr.write(&shown(character)),
            Echo::Removed(character) => {
                // What stays on the screen is still not part of the answer.
                let _ = term.clear_chars(console::measure_text_width(&shown(character)));
            }
        },
    );
    Stream::Stderr.write("\n");
    answer
}

/// Lines of standard error that are drawn anew.
pub(crate) struct Bars(MultiProgress);

impl Bars {
    /// `None` where there is no terminal to draw on.
    pub(crate) fn new() -> Option<Self> {
        let draws = Stream::Stderr.is_terminal() && !crate::output::is_dumb();
        draws.then(|| Self(MultiProgress::new()))
    }

    /// Something whose end is not known.
    pub(crate) fn spinner(&self, label: &str) -> Bar {
        let bar = self.0.add(ProgressBar::new_spinner());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed:.dim}") {
            bar.set_style(style);
        }
        let bar = Bar(bar);
        bar.message(label);
        bar.0.enable_steady_tick(Duration::from_millis(120));
        bar
    }

    /// So many objects.
    pub(crate) fn bar(&self, label: &str, objects: u64) -> Bar {
        let bar = self.0.add(ProgressBar::new(objects));
        let template = "{prefix} [{bar:24}] {pos}/{len} objects, {msg}, {per_sec}, {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(escape::one_line(label).into_owned());
        Bar(bar)
    }

    pub(crate) fn remove(&self, bar: &Bar) {
        bar.0.finish_and_clear();
        self.0.remove(&bar.0);
    }

    /// A line above them, which stays.
    pub(crate) fn line(&self, text: &str) {
        let _ = self.0.println(escape::one_line(text));
    }
}

/// One of them.
pub(crate) struct Bar(ProgressBar);

impl Bar {
    pub(crate) fn message(&self, text: &str) {
        self.0.set_message(escape::one_line(text).into_owned());
    }

    pub(crate) fn position(&self, objects: u64) {
        self.0.set_position(objects);
    }
}
