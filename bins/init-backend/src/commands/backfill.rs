use std::time::Duration;

use cli::{Exit, Failure, GlobalArgs, OutputFormat, Progress};
use report::counted;
use settings::RoleArn;
use state_backend::{
    ApprovedBatch, Backend, Backfill, BackfillError, BackfillLimits, BackfillOutcome,
    BatchRoleError, NotCopied, Observation,
};

use crate::args::BackfillArgs;

pub(crate) async fn run(global: &GlobalArgs, args: &BackfillArgs) -> Result<Exit, Failure> {
    let limits = BackfillLimits {
        bytes: args.batch_above,
        ..BackfillLimits::default()
    };
    let backend = super::connect(global).await?;
    let role = args.role_arn.as_ref();
    let plan = backend.backfill_plan(limits, role, cli::now()).await;
    let plan = plan.map_err(not_planned)?;
    let planned = plan.planned();
    let job = plan.approve_batch();
    if let Some(job) = &job {
        look_at_role(&backend, job).await?;
    }
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
    if let Some(batch) = job {
        let wait = match args.no_wait {
            true => Duration::ZERO,
            false => args.wait,
        };
        replicate(&backend, &mut done, (&batch, role), wait, &progress).await?;
    }
    cli::print(global, &done)?;
    Ok(exit_of(&done))
}

/// A role that no job could run with is none that anybody should agree to.
async fn look_at_role(backend: &Backend, job: &ApprovedBatch) -> Result<(), Failure> {
    let seen = backend.check_batch_role(job).await;
    match seen.map_err(|error| not_planned(error.into()))? {
        Observation::Known(()) => {}
        Observation::Unknown { problem } => cli::note(&format!(
            "whether S3 can run a job with the role is not known: {problem}"
        )),
    }
    Ok(())
}

/// What is to be agreed to.
fn question(plan: &Backfill, job: Option<&ApprovedBatch>) -> String {
    let copies = match plan.planned() {
        1 => "this object".to_owned(),
        count => format!("these {count} objects"),
    };
    let bucket = &plan.to_bucket;
    let batch = plan.replication.as_ref().filter(|_| job.is_some());
    let role = batch.and_then(|batch| batch.role.as_ref());
    let Some((batch, role)) = batch.zip(role) else {
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
    (batch, role): (&ApprovedBatch, Option<&RoleArn>),
    wait: Duration,
    progress: &Progress,
) -> Result<(), Failure> {
    let job = backend.replicate_in_batch(batch, wait, progress).await;
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
    let after = backend.backfill_plan(done.limits, role, cli::now()).await;
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

/// What helps where no job can run with a role.
fn not_taken_on(error: &BatchRoleError) -> &'static str {
    match error {
        BatchRoleError::NotThere { .. } => {
            "`init-backend apply` makes the one that `batch_role` in [state.dr] names; `aws iam list-roles` shows those that are \
             there"
        }
        BatchRoleError::NotTrusted { .. } => {
            "its trust policy has to allow batchoperations.s3.amazonaws.com sts:AssumeRole; or leave --role-arn out, and have \
             `init-backend apply` make the one that `batch_role` in [state.dr] names"
        }
        BatchRoleError::OtherPath { .. } => "name the role by the ARN that it has",
        _ => "name a role of the account that the backend is in",
    }
}

fn not_planned(error: BackfillError) -> Failure {
    let (exit, hint) = match &error {
        BackfillError::Role(error) => (Exit::Usage, not_taken_on(error)),
        BackfillError::NoDrSide => (Exit::Usage, "set [state.dr] in the configuration"),
        BackfillError::Call(error) if error.class == aws_env::ErrorClass::Absent => (
            Exit::Unchecked,
            "`init-backend apply` makes both buckets and the replication between them",
        ),
        _ => (Exit::Unchecked, "`init-backend status` shows what answers"),
    };
    let what = match &error {
        BackfillError::Role(_) => "failed to plan a job of S3 Batch Replication",
        _ => "failed to compare the two buckets",
    };
    let error = anyhow::Error::new(error).context(what);
    Failure::new(exit, error).hint(hint)
}
