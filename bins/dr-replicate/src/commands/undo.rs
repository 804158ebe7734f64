use std::path::Path;

use cli::{Exit, Failure, GlobalArgs, OutputFormat, Progress};
use dr::objects::{
    ApplyOptions, Bucket, BucketIdentity, JournalError, JournalSource, JournalTrust, UndoPlan,
    list_runs, plan_undo, replay, undo,
};
use report::{Document, Mark, Report, ShellCommand};
use serde::Serialize;

use super::carry_out::scratch;
use super::connect::Destination;
use super::{connect, errors};
use crate::args::UndoArgs;

/// What an undo would do, and to which bucket.
#[derive(Serialize)]
struct Planned {
    bucket: BucketIdentity,
    #[serde(flatten)]
    plan: UndoPlan,
}

impl Report for Planned {
    const KIND: &'static str = UndoPlan::KIND;

    fn document(&self) -> Document {
        Document::new()
            .fact(Mark::Plain, "in", self.bucket.to_string())
            .append(self.plan.document())
    }
}

/// The command for a run that has changed another bucket than the one that was asked about, as a failback has.
async fn of_another_bucket(
    args: &UndoArgs,
    runs: &Path,
    journals: &[Bucket],
    side: impl FnOnce(&str) -> Option<Bucket>,
) -> Option<String> {
    let found = list_runs(runs, journals).await.ok()?;
    let entry = found.runs.into_iter().find(|entry| entry.run == args.run)?;
    let changed = side(&entry.begun?.destination)?;
    let undo = ShellCommand::new("dr-replicate undo")
        .word(&args.run)
        .option("--to", changed.location().to_string())
        .option("--to-region", changed.region().as_str());
    Some(format!(
        "it has changed {}: undo it with `{undo}`",
        changed.location()
    ))
}

pub(crate) async fn run(global: &GlobalArgs, args: &UndoArgs) -> Result<Exit, Failure> {
    let Destination {
        bucket,
        journals,
        env,
        settings,
    } = connect::destination(
        global,
        args.bucket.as_ref(),
        args.changed.to.as_ref(),
        args.changed.to_region,
        args.changed.to_owner.as_ref(),
    )
    .await?;
    let runs = connect::runs(args.written.runs.as_ref())?;
    let journal_key = connect::journal_key(args.written.journal_key.as_ref())?;
    // Changes may be many; they are kept on disk, not in memory.
    let directory = scratch(&runs)?;
    let replayed = replay(
        &runs,
        &bucket,
        journals.as_ref(),
        &args.run,
        &journal_key,
        directory.path(),
    )
    .await;
    let replayed = match replayed {
        Ok(replayed) => replayed,
        Err(error @ JournalError::Absent { .. }) => {
            let failure = Failure::new(
                Exit::Usage,
                anyhow::Error::new(error).context("failed to undo"),
            );
            let journals: Vec<Bucket> = journals.into_iter().collect();
            let elsewhere = of_another_bucket(args, &runs, &journals, |place| {
                connect::side_of(place, None, settings.as_ref(), &env)
            });
            return Err(match elsewhere.await {
                Some(hint) => failure.hint(hint),
                None => failure.hint(errors::runs_list(args.bucket.as_ref())),
            });
        }
        Err(error) => return Err(errors::journal("read the journal", error)),
    };
    if replayed.source() == JournalSource::Verified && !replayed.has_ended() {
        cli::note(
            "the journal has no end: the run was killed, or somebody has removed the last objects of its journal",
        );
    }
    if replayed.bucket_differs() {
        cli::note(
            "the bucket has another journal of this run than this machine, which ran it: what it adds is left aside",
        );
    }
    let control = match replayed.jobs() {
        [] => None,
        _ => Some(connect::job_control(&env, &bucket).await?),
    };
    let source = replayed
        .begun()
        .and_then(|run| connect::side_of(&run.source, args.from_region, settings.as_ref(), &env));
    let (control, source) = (control.as_ref(), source.as_ref());
    let planned = plan_undo(&replayed, control, source, directory.path())
        .await
        .map_err(|error| errors::undo(error, &runs))?;
    let plan = planned.plan();
    let left = plan.conflicts.tally.objects + plan.impossible.tally.objects;
    let rest = if left > 0 { Exit::Wrong } else { Exit::Fine };
    let ends = plan.is_empty() || args.dry_run;
    if ends || global.output == OutputFormat::Table {
        let planned = Planned {
            bucket: bucket.identity(),
            plan: plan.clone(),
        };
        cli::print(global, &planned)?;
    }
    if ends {
        return Ok(rest);
    }
    let trust = match args.trust_bucket_journal {
        true => JournalTrust::Bucket,
        false => JournalTrust::Own,
    };
    let approved = planned
        .approve(trust)
        .map_err(|refusal| errors::undo_refused(&refusal, &runs))?;
    cli::confirm_name(global, "Put these objects back?", bucket.name())?;
    let run = connect::new_run(&format!("undo {}", args.run), &bucket, &bucket);
    let options = ApplyOptions {
        runs: runs.clone(),
        journals,
        journal_key,
        kms_key: None,
        concurrency: 32,
    };
    let undone = undo(approved, &run, &options, &Progress::new())
        .await
        .map_err(|error| errors::undo(error, &runs))?;
    cli::print(global, &undone)?;
    Ok(match undone.failed.tally.objects {
        0 => rest,
        _ => rest.worst(Exit::Unchecked),
    })
}
