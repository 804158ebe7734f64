use cli::{Exit, Failure, GlobalArgs};
use runbook::RunbookStatus;

use super::records::{Context, Places};
use crate::args::RecordsArgs;

pub(crate) async fn run(global: &GlobalArgs, args: &RecordsArgs) -> Result<Exit, Failure> {
    let context = Context::open(global).await?;
    let records = Places::of(&context, args)?.records;
    let status = RunbookStatus::read(&context.settings, &records, cli::now()).await;
    cli::print(global, &status)?;
    Ok(match (status.is_known(), status.is_protected()) {
        (false, _) => Exit::Unchecked,
        (true, false) => Exit::Wrong,
        (true, true) => Exit::Fine,
    })
}
