//! Results in a form for another program, or for a page.

use std::path::Path;

use cli::{Exit, Failure, GlobalArgs, Secrecy};
use report::results::{SarifScope, ToResults};
use report::{Page, Report};
use verify::Checked;

use crate::args::form::{FormArgs, Format};

/// A result that has every form.
pub(super) trait InForms: Report + ToResults {
    /// The result as one self-contained page of HTML.
    fn to_page(&self) -> String {
        let results = self.results();
        let page = Page::new(format!("{}: {}", results.environment, results.command))
            .about("Looked at", results.at);
        self.document().to_html(&page)
    }
}

impl InForms for probe::Probed {}
impl InForms for verify::doctor::Diagnosed {}
impl InForms for verify::maintenance::Maintained {}

impl InForms for Checked {
    /// With a verdict and the checklist, which a table has no room for.
    fn to_page(&self) -> String {
        self.to_html()
    }
}

/// `result` as `format` says. `settings` is where the environment is described.
pub(super) fn render(
    format: Format,
    settings: &Path,
    result: &impl InForms,
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

/// To the file, if there is one, in one form; to standard output as `shown`, unless the form is already there.
pub(super) fn show(
    global: &GlobalArgs,
    form: &FormArgs,
    result: &impl InForms,
    shown: &impl Report,
) -> Result<(), Failure> {
    if let Some(format) = form.format {
        let text = render(format, &global.config, result)?;
        match &form.out {
            // Findings are a list of weaknesses.
            Some(path) => cli::write_file(path, text.as_bytes(), Secrecy::Secret)?,
            None => {
                cli::print_text(&text);
                return Ok(());
            }
        }
    }
    cli::print(global, shown)
}
