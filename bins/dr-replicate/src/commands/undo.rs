use cli::{Exit, Failure, GlobalArgs, OutputFormat, Progress};
use dr::objects::{ApplyOptions, JournalError, plan_undo, recall, undo};

use super::connect;
use super::sync::journal_failure;
use crate::args::UndoArgs;

pub(crate) async fn run(global: &GlobalArgs, args: &UndoArgs) -> Result<Exit, Failure> {
    let bucket = connect::destination(
        global,
        args.bucket.as_ref(),
        args.to.as_ref(),
        args.to_region,
    )
    .await?;
    let runs = connect::runs(args.runs.as_ref())?;
    let past = recall(&runs, &bucket, &args.run)
        .await
        .map_err(|error| match error {
            JournalError::Absent { .. } => Failure::new(
                Exit::Usage,
                anyhow::Error::new(error).context("failed to undo"),
            )
            .hint("`aws s3 ls s3://BUCKET/.dr-journal/` lists the runs that are known"),
            error => journal_failure("read the journal", error),
        })?;
    let plan = plan_undo(&bucket, &args.run, &past)
        .await
        .map_err(|error| Failure::aws("look at the versions", error))?;
    let left = plan.overtaken.tally.objects + plan.impossible.tally.objects;
    let rest = if left > 0 { Exit::Wrong } else { Exit::Fine };
    if plan.is_empty() || args.dry_run {
        cli::print(global, &plan)?;
        return Ok(rest);
    }
    if global.output == OutputFormat::Table {
        cli::print(global, &plan)?;
    }
    cli::confirm_name(global, "Put these objects back?", bucket.name())?;
    let run = connect::new_run(&format!("undo {}", args.run), &bucket, &bucket);
    let options = ApplyOptions {
        runs,
        kms_key: None,
        concurrency: 32,
    };
    let undone = undo(&plan, &bucket, &run, &options, &Progress::new())
        .await
        .map_err(|error| journal_failure("keep the journal", error))?;
    cli::print(global, &undone)?;
    Ok(if undone.failed.tally.objects > 0 {
        Exit::Unchecked
    } else {
        rest
    })
}
