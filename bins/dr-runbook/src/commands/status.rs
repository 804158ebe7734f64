use cli::{Exit, Failure, GlobalArgs};
use report::Report as _;
use runbook::{Goals, RunbookStatus, read_ledger_file};

use super::records::{Context, Places};
use crate::args::{ReportFormat, StatusArgs};

pub(crate) async fn run(global: &GlobalArgs, args: &StatusArgs) -> Result<Exit, Failure> {
    let context = Context::open(global).await?;
    let records = Places::of(&context, &args.records)?.records;
    let now = cli::now();
    let mut status = RunbookStatus::read(&context.settings, &records, now).await;
    if let Some(path) = &args.ledger {
        let goals = Goals::from(context.settings.objectives);
        let read = read_ledger_file(path, goals, now);
        status.ledger = Ok(Some(
            read.map_err(|error| Failure::new(Exit::Unchecked, error))?,
        ));
    }
    let text = |format| match format {
        ReportFormat::Markdown => status.document().to_markdown(),
        ReportFormat::Html => status.page(),
    };
    super::report::print(global, &args.form, &status, text)?;
    Ok(match (status.is_known(), status.is_protected()) {
        (false, _) => Exit::Unchecked,
        (true, false) => Exit::Wrong,
        (true, true) => Exit::Fine,
    })
}
