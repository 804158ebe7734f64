use std::path::Path;

use cli::{Exit, Failure};
use report::Report as _;
use verify::{Checked, SarifScope};

use crate::args::check::Format;

/// The result in a form for another program, or for a page. `settings` is where the environment is described.
pub(super) fn render(
    format: Format,
    settings: &Path,
    checked: &Checked,
) -> Result<String, Failure> {
    let unwritten = |error: anyhow::Error| Failure::new(Exit::Unchecked, error);
    match format {
        Format::Markdown => Ok(checked.document().to_markdown()),
        Format::Html => Ok(checked.to_html()),
        Format::Junit => checked.to_junit().map_err(|error| unwritten(error.into())),
        Format::Sarif => {
            let settings = settings.display().to_string();
            let sarif = checked.to_sarif(&settings, SarifScope::Problems);
            serde_json::to_string_pretty(&sarif)
                .map(|text| text + "\n")
                .map_err(|error| unwritten(error.into()))
        }
    }
}
