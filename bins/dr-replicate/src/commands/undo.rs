use anyhow::anyhow;
use aws_env::AwsEnv;
use cli::{Exit, Failure, GlobalArgs, OutputFormat, Progress};
use dr::objects::{
    ApplyOptions, Bucket, JournalError, Past, UndoError, plan_undo, recall, undo, unfinished_jobs,
};

use super::sync::journal_failure;
use super::{batch, connect};
use crate::args::UndoArgs;

pub(crate) async fn run(global: &GlobalArgs, args: &UndoArgs) -> Result<Exit, Failure> {
    let (bucket, env) = connect::destination(
        global,
        args.bucket.as_ref(),
        args.to.as_ref(),
        args.to_region,
    )
    .await?;
    let runs = connect::runs(args.runs.as_ref())?;
    // Changes may be many; they are kept on disk, not in memory.
    let directory = super::sync::scratch(&runs)?;
    let past = recall(&runs, &bucket, &args.run, directory.path())
        .await
        .map_err(|error| match error {
            JournalError::Absent { .. } => Failure::new(
                Exit::Usage,
                anyhow::Error::new(error).context("failed to undo"),
            )
            .hint("`aws s3 ls s3://BUCKET/.dr-journal/` lists the runs that are known"),
            error => journal_failure("read the journal", error),
        })?;
    refuse_while_it_writes(&env, &bucket, &args.run, &past).await?;
    let planned = plan_undo(&bucket, &args.run, &past, directory.path())
        .await
        .map_err(failure)?;
    let plan = &planned.plan;
    let left = plan.overtaken.tally.objects + plan.impossible.tally.objects;
    let rest = if left > 0 { Exit::Wrong } else { Exit::Fine };
    if plan.is_empty() || args.dry_run {
        cli::print(global, plan)?;
        return Ok(rest);
    }
    if global.output == OutputFormat::Table {
        cli::print(global, plan)?;
    }
    cli::confirm_name(global, "Put these objects back?", bucket.name())?;
    let run = connect::new_run(&format!("undo {}", args.run), &bucket, &bucket);
    let options = ApplyOptions {
        runs,
        kms_key: None,
        concurrency: 32,
    };
    let undone = undo(&planned, &bucket, &run, &options, &Progress::new())
        .await
        .map_err(failure)?;
    cli::print(global, &undone)?;
    Ok(if undone.failed.tally.objects > 0 {
        Exit::Unchecked
    } else {
        rest
    })
}

/// What is put back while the run goes on would be overwritten again.
async fn refuse_while_it_writes(
    env: &AwsEnv,
    bucket: &Bucket,
    run: &str,
    past: &Past,
) -> Result<(), Failure> {
    if past.alive {
        let error = anyhow!("failed to undo: run {run} is under way on this machine");
        return Err(Failure::new(Exit::Refused, error).hint("interrupt it, or wait for its end"));
    }
    if past.jobs.is_empty() {
        return Ok(());
    }
    let control = batch::control(env, bucket).await?;
    let jobs = unfinished_jobs(bucket, &past.jobs, &control)
        .await
        .map_err(|error| Failure::aws("ask whether the run's batch jobs have ended", error))?;
    if jobs.is_empty() {
        return Ok(());
    }
    let states: Vec<String> = jobs
        .iter()
        .map(|job| format!("{} is {}", job.id, job.status))
        .collect();
    let error = anyhow!(
        "failed to undo: batch jobs of run {run} have not ended: {}",
        states.join(", ")
    );
    let ids: String = jobs
        .iter()
        .map(|job| format!(" --job {}", job.id))
        .collect();
    Err(Failure::new(Exit::Refused, error)
        .hint(format!("wait for their end with `sync{ids}`"))
        .hint(
            "or end them with `aws s3control update-job-status --requested-job-status Cancelled`",
        ))
}

fn failure(error: UndoError) -> Failure {
    match error {
        UndoError::Call(error) => Failure::aws("look at the versions", error),
        UndoError::Journal(error) => journal_failure("keep the journal", error),
        error @ UndoError::Unversioned { .. } => Failure::new(
            Exit::Refused,
            anyhow::Error::new(error).context("refused, and nothing was changed"),
        )
        .hint("switch versioning on again: undo removes nothing for good"),
        error @ UndoError::Spool(_) => Failure::new(
            Exit::Unchecked,
            anyhow::Error::new(error).context("failed to undo"),
        ),
    }
}
