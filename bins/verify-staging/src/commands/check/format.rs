use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use cli::{Exit, Failure};
use report::{Page, Report as _};
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
        Format::Html => {
            let page = Page::new(format!("{} in {}", checked.environment, checked.region))
                .about("Checked", checked.at.to_string());
            let page = match &checked.account {
                Some(account) => page.about("Account", account),
                None => page,
            };
            Ok(checked.page().to_html(&page))
        }
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

/// Whoever reads the file meanwhile sees the old one or the new one, never a half.
pub(super) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let written = || -> anyhow::Result<()> {
        let name = path.file_name().context("it is no file name")?;
        let mut beside = name.to_owned();
        beside.push(format!(".{}", std::process::id()));
        let beside = path.with_file_name(beside);
        let mut file = fs::File::create(&beside)?;
        let moved = file
            .write_all(text.as_bytes())
            .and_then(|()| fs::rename(&beside, path));
        if moved.is_err() {
            let _ = fs::remove_file(&beside);
        }
        Ok(moved?)
    };
    written()
        .with_context(|| format!("failed to write {}", path.display()))
        .map_err(|error| Failure::new(Exit::Usage, error))
}
