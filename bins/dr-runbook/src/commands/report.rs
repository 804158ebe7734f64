//! The report for officers.

use ::report::Report as _;
use ::report::finding::Status;
use anyhow::anyhow;
use cli::{Exit, Failure, GlobalArgs};
use files::Secrecy;
use runbook::{RunId, RunStatus, list_runs, read_officers_report, read_run};

use super::records::{Context, Places, Records};
use crate::args::{ReportArgs, ReportFormArgs, ReportFormat};

pub(crate) async fn run(global: &GlobalArgs, args: &ReportArgs) -> Result<Exit, Failure> {
    let context = Context::open(global).await?;
    let records = Places::of(&context, &args.records)?.records;
    let run = match &args.run {
        Some(run) => run.clone(),
        None => last_finished(&records).await?,
    };
    let report = read_officers_report(&records, &run, cli::now()).await;
    let report = report.map_err(super::not_opened)?;
    let exit = match report.verdict() {
        Status::Ok => Exit::Fine,
        Status::Wrong => Exit::Wrong,
        Status::Unknown | Status::Skipped => Exit::Unchecked,
    };
    let text = |format| match format {
        ReportFormat::Markdown => report.document().to_markdown(),
        ReportFormat::Html => report.page(),
    };
    print(global, &args.form, &report, text)?;
    Ok(exit)
}

/// Prints a result, `text` being its other forms.
pub(super) fn print<R: ::report::Report>(
    global: &GlobalArgs,
    form: &ReportFormArgs,
    result: &R,
    text: impl FnOnce(ReportFormat) -> String,
) -> Result<(), Failure> {
    let Some(format) = form.format else {
        return cli::print(global, result);
    };
    let text = text(format);
    let Some(path) = &form.out else {
        cli::print_text(&text);
        return Ok(());
    };
    // Prefixes of keys may name patients.
    cli::write_file(path, text.as_bytes(), Secrecy::Secret)?;
    cli::print(global, result)
}

/// The newest run that came to its end. One whose records cannot be read may be it.
async fn last_finished(records: &Records) -> Result<RunId, Failure> {
    let runs = list_runs(records).await;
    let runs = runs.map_err(|error| Failure::new(Exit::Unchecked, error))?;
    for run in runs {
        let (state, _) = read_run(records, &run).await.map_err(super::not_opened)?;
        if state.status == RunStatus::Finished {
            return Ok(run);
        }
    }
    Err(Failure::new(
        Exit::Usage,
        anyhow!("no run of the environment is finished"),
    )
    .hint("`dr-runbook runs list` lists them; `dr-runbook report RUN` tells of one that is not"))
}
