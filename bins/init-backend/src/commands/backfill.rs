use cli::{Exit, Failure, GlobalArgs, OutputFormat, Progress};
use state_backend::{Backfill, BackfillError, BackfillOutcome, NotCopied};

use crate::args::BackfillArgs;

pub(crate) async fn run(global: &GlobalArgs, args: &BackfillArgs) -> Result<Exit, Failure> {
    let backend = super::connect(global).await?;
    let plan = backend.backfill_plan(cli::now()).await;
    let plan = plan.map_err(not_planned)?;
    let planned = plan.planned();
    if args.dry_run || planned == 0 {
        cli::print(global, &plan)?;
        return Ok(exit_of(&plan));
    }
    match global.output {
        OutputFormat::Table => cli::print(global, &plan)?,
        OutputFormat::Json => cli::tell(&plan),
    }
    let objects = match planned {
        1 => "this object".to_owned(),
        more => format!("these {more} objects"),
    };
    let bucket = &plan.to_bucket;
    cli::confirm(global, &format!("Copy {objects} to {bucket}?"))?;
    let done = backend.backfill(&plan.approve(), &Progress::new()).await;
    cli::print(global, &done)?;
    Ok(exit_of(&done))
}

/// What is locked is a guard's matter, what replication is about to bring is not known yet, and what else is left is
/// wrong: it would not survive its region.
fn exit_of(backfill: &Backfill) -> Exit {
    let objects = backfill.objects.iter();
    objects
        .map(|object| match &object.outcome {
            BackfillOutcome::Planned | BackfillOutcome::Copied => Exit::Fine,
            BackfillOutcome::Left { left } => match left.kind {
                NotCopied::Locked => Exit::Refused,
                NotCopied::Pending => Exit::Unchecked,
                _ => Exit::Wrong,
            },
            _ => Exit::Unchecked,
        })
        .collect()
}

fn not_planned(error: BackfillError) -> Failure {
    let (exit, hint) = match &error {
        BackfillError::NoDrSide => (Exit::Usage, "set [state.dr] in the configuration"),
        BackfillError::Call(error) if error.class == aws_env::ErrorClass::Absent => (
            Exit::Wrong,
            "`init-backend apply` makes both buckets and the replication between them",
        ),
        _ => (Exit::Unchecked, "`init-backend status` shows what answers"),
    };
    let error = anyhow::Error::new(error).context("failed to compare the two buckets");
    Failure::new(exit, error).hint(hint)
}
