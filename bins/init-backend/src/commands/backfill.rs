use std::time::Duration;

use cli::{Exit, Failure, GlobalArgs, OutputFormat, Progress};
use report::counted;
use state_backend::{
    ApprovedBatch, Backend, Backfill, BackfillError, BackfillLimits, BackfillOutcome, BatchOptions,
    NotCopied,
};

use crate::args::BackfillArgs;

pub(crate) async fn run(global: &GlobalArgs, args: &BackfillArgs) -> Result<Exit, Failure> {
    let limits = BackfillLimits {
        bytes: args.batch_above,
        ..BackfillLimits::default()
    };
    let backend = super::connect(global).await?;
    let plan = backend.backfill_plan(limits, cli::now()).await;
    let plan = plan.map_err(not_planned)?;
    let planned = plan.planned();
    let role = args.role_arn.as_ref();
    let job = role.and_then(|role| Some((plan.approve_batch()?, role.clone())));
    if args.dry_run || (planned == 0 && job.is_none()) {
        cli::print(global, &plan)?;
        return Ok(exit_of(&plan));
    }
    match global.output {
        OutputFormat::Table => cli::print(global, &plan)?,
        OutputFormat::Json => cli::tell(&plan),
    }
    cli::confirm(global, &question(&plan, job.as_ref()))?;
    let progress = Progress::new();
    let mut done = backend.backfill(&plan.approve(), &progress).await;
    if let Some((batch, role)) = job {
        let wait = match args.no_wait {
            true => Duration::ZERO,
            false => args.wait,
        };
        let options = BatchOptions { role, wait };
        replicate(&backend, &mut done, &batch, &options, &progress).await?;
    }
    cli::print(global, &done)?;
    Ok(exit_of(&done))
}

/// What is to be agreed to.
fn question(plan: &Backfill, job: Option<&(ApprovedBatch, String)>) -> String {
    let copies = match plan.planned() {
        1 => "this object".to_owned(),
        count => format!("these {count} objects"),
    };
    let bucket = &plan.to_bucket;
    let batch = plan.replication.as_ref().zip(job);
    let Some((batch, (_, role))) = batch else {
        return format!("Copy {copies} to {bucket}?");
    };
    let batch = counted(batch.objects, "object");
    match plan.planned() {
        0 => format!("Have S3 replicate {batch} to {bucket}, as {role}?"),
        _ => format!("Copy {copies} to {bucket}, and have S3 replicate {batch}, as {role}?"),
    }
}

/// Has S3 replicate the rest, and looks what is there then.
async fn replicate(
    backend: &Backend,
    done: &mut Backfill,
    batch: &ApprovedBatch,
    options: &BatchOptions,
    progress: &Progress,
) -> Result<(), Failure> {
    let job = backend.replicate_in_batch(batch, options, progress).await;
    let job = job.map_err(|error| {
        let error = anyhow::Error::new(error).context("failed to run S3 Batch Replication");
        Failure::new(Exit::Unchecked, error).hint(
            "a job that was made runs on, and is followed by the same command; making one takes s3:CreateJob, and \
             iam:PassRole for the role",
        )
    })?;
    if !job.ended {
        cli::note("the job runs on; the same command follows it");
    }
    let after = backend.backfill_plan(done.limits, cli::now()).await;
    done.settle_batch(job, &after.map_err(not_planned)?);
    Ok(())
}

/// What is locked is a guard's matter, what replication is about to bring is not known yet, and what else is left is
/// wrong: it would not survive its region.
fn exit_of(backfill: &Backfill) -> Exit {
    let replication = backfill.replication.as_ref();
    let job = replication.and_then(|replication| replication.job.as_ref());
    let is_under_way = job.is_some_and(|job| !job.ended);
    let objects = backfill.objects.iter();
    objects
        .map(|object| match &object.outcome {
            BackfillOutcome::Planned | BackfillOutcome::Copied => Exit::Fine,
            BackfillOutcome::Left { left } => match left.kind {
                NotCopied::Locked => Exit::Refused,
                NotCopied::Pending => Exit::Unchecked,
                NotCopied::ForBatch if is_under_way => Exit::Unchecked,
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
            Exit::Unchecked,
            "`init-backend apply` makes both buckets and the replication between them",
        ),
        _ => (Exit::Unchecked, "`init-backend status` shows what answers"),
    };
    let error = anyhow::Error::new(error).context("failed to compare the two buckets");
    Failure::new(exit, error).hint(hint)
}
