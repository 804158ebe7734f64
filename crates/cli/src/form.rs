//! Results in a form for another program, or for a page.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use files::Secrecy;
use report::Report;
use report::results::{SarifScope, ToResults};

use crate::{Exit, Failure, GlobalArgs};

/// In which form a result is given, besides a table and JSON.
#[derive(Debug, Clone, Args)]
pub struct FormArgs {
    /// Another form than --output has: for a pull request, a browser, a CI system, code scanning
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Option<Format>,

    /// Write what --format says to FILE, and print as --output says
    #[arg(long, value_name = "FILE", requires = "format")]
    pub out: Option<PathBuf>,
}

/// Forms of the result besides a table and JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// GitHub-flavoured Markdown
    Markdown,
    /// One page that needs nothing else
    Html,
    /// JUnit XML: wrong is a failure, unknown an error
    Junit,
    /// SARIF 2.1.0, of what is wrong or unknown
    Sarif,
}

/// `result` as `format` says. `settings` is where the environment is described.
///
/// # Errors
/// When it cannot be written in that form.
pub fn in_form<R: Report + ToResults>(
    format: Format,
    settings: &Path,
    result: &R,
) -> Result<String, Failure> {
    let unwritten = |error: anyhow::Error| Failure::new(Exit::Unchecked, error);
    match format {
        Format::Markdown => Ok(result.document().to_markdown()),
        Format::Html => Ok(result.to_page()),
        Format::Junit => {
            let junit = result.results().to_junit();
            junit.map_err(|error| unwritten(error.into()))
        }
        Format::Sarif => {
            let settings = settings.display().to_string();
            let sarif = result.results().to_sarif(&settings, SarifScope::Problems);
            report::escape::json(&sarif)
                .map(|text| text + "\n")
                .map_err(|error| unwritten(error.into()))
        }
    }
}

/// Prints a result: to the file, if there is one, in one form, and to standard output as `shown`, unless the form is
/// already there.
///
/// # Errors
/// As [`in_form`] and [`print`](crate::print), and when the file cannot be written.
pub fn print_in_form<R: Report + ToResults>(
    global: &GlobalArgs,
    form: &FormArgs,
    result: &R,
    shown: &impl Report,
) -> Result<(), Failure> {
    if let Some(format) = form.format {
        let text = in_form(format, &global.config, result)?;
        match &form.out {
            // Findings are a list of weaknesses.
            Some(path) => crate::write_file(path, text.as_bytes(), Secrecy::Secret)?,
            None => {
                crate::print_text(&text);
                return Ok(());
            }
        }
    }
    crate::print(global, shown)
}
