use std::path::Path;

use anyhow::anyhow;
use cli::{Exit, Failure, GlobalArgs, OutputFormat};
use dr::objects::{
    ApplyOptions, Approved, Bucket, Done, Plan, PlanOptions, Policy, Refusal, Refusals,
    abort_open_uploads, check_locations, plan,
};
use report::{Document, Report};
use serde::Serialize;
use settings::BucketName;
use tokio::sync::watch;

use super::carry_out::{Route, carry_out, exit, scratch};
use super::connect::{self, BucketClients};
use super::each::Each;
use super::errors;
use crate::args::SyncArgs;
use crate::args::batch::EngineArg;

/// What `sync` prints.
#[derive(Serialize)]
struct Outcome {
    #[serde(flatten)]
    route: Route,
    plan: Plan,
    /// Null when nothing was to be done, or with --dry-run.
    done: Option<Done>,
    refused: Vec<Refusal>,
}

impl Report for Outcome {
    const KIND: &'static str = "sync";

    fn document(&self) -> Document {
        match &self.done {
            Some(done) => done.document(),
            None => self.route.document(&self.plan),
        }
    }
}

pub(crate) async fn run(
    global: &GlobalArgs,
    args: &SyncArgs,
    stop: watch::Receiver<bool>,
) -> Result<Exit, Failure> {
    if args.batch.engine == EngineArg::Batch || !args.batch.job.is_empty() {
        let bucket = connect::one_bucket(&args.locations)?;
        return by_jobs(global, args, bucket, stop).await;
    }
    let buckets = connect::buckets(global, &args.locations)?;
    if let [bucket] = buckets.as_slice() {
        let (exit, outcome) = one(global, args, bucket.as_ref(), stop).await?;
        // In a table the plan was printed, and is all where nothing was done.
        if global.output != OutputFormat::Table || outcome.done.is_some() {
            cli::print(global, &outcome)?;
        }
        return Ok(exit);
    }
    let mut each = Each::default();
    for bucket in &buckets {
        if *stop.borrow() {
            break;
        }
        each.add(
            bucket.as_ref(),
            one(global, args, bucket.as_ref(), stop.clone()).await,
        );
    }
    cli::print(global, &each)?;
    Ok(match *stop.borrow() {
        true => each.exit().worst(Exit::Interrupted),
        false => each.exit(),
    })
}

/// Plans and approves; nothing has been changed then.
async fn prepare(
    args: &SyncArgs,
    pair: &BucketClients,
    directory: &Path,
) -> Result<(Plan, Route, Result<Approved, Refusals>), Failure> {
    let options = PlanOptions {
        mode: args.compare.compare.into(),
        headers: args.compare.headers,
        delete: args.delete,
        leave_unproven: args.leave_unproven,
        listings: usize::from(args.compare.listings),
        own_copies: connect::own_copies(&args.apply.written, pair)?,
    };
    let planned = plan(&pair.source, &pair.destination, &options, directory)
        .await
        .map_err(|error| errors::walk("compare the buckets", error))?;
    let (plan, route) = (planned.plan().clone(), Route::of(&planned));
    Ok((plan, route, planned.approve(&policy(args, pair))))
}

async fn by_jobs(
    global: &GlobalArgs,
    args: &SyncArgs,
    bucket: Option<&BucketName>,
    stop: watch::Receiver<bool>,
) -> Result<Exit, Failure> {
    let pair = connect::pair(global, &args.locations, bucket).await?;
    check_arguments(args, &pair)?;
    pair.reach().await?;
    if !args.dry_run && args.batch.job.is_empty() {
        pair.reach_journals().await?;
    }
    if !args.batch.job.is_empty() {
        return super::batch::resume(global, args, &pair, stop).await;
    }
    let runs = connect::runs(args.apply.written.runs.as_ref())?;
    if !args.dry_run {
        abort_uploads(&runs, &pair.destination).await?;
    }
    let directory = scratch(&runs)?;
    let (_, route, approved) = prepare(args, &pair, directory.path()).await?;
    let approved = approved.map_err(|refusals| errors::refused(&refusals))?;
    let folders = (runs.as_path(), directory.path());
    super::batch::run(global, args, &pair, (approved, route), folders, stop).await
}

/// Syncs one pair. A table of its plan is printed before anything is asked; a refusal is an error.
async fn one(
    global: &GlobalArgs,
    args: &SyncArgs,
    bucket: Option<&BucketName>,
    stop: watch::Receiver<bool>,
) -> Result<(Exit, Outcome), Failure> {
    let pair = connect::pair(global, &args.locations, bucket).await?;
    check_arguments(args, &pair)?;
    pair.reach().await?;
    if !args.dry_run {
        pair.reach_journals().await?;
    }
    let runs = connect::runs(args.apply.written.runs.as_ref())?;
    if !args.dry_run {
        abort_uploads(&runs, &pair.destination).await?;
    }
    let directory = scratch(&runs)?;
    let (plan, route, approved) = prepare(args, &pair, directory.path()).await?;
    let refused = approved.as_ref().err();
    let mut outcome = Outcome {
        route,
        plan,
        done: None,
        refused: refused
            .into_iter()
            .flat_map(Refusals::iter)
            .cloned()
            .collect(),
    };
    if global.output == OutputFormat::Table {
        cli::print(global, &outcome)?;
    }
    let approved = approved.map_err(|refusals| errors::refused(&refusals))?;
    if outcome.plan.is_empty() || args.dry_run {
        return Ok((exit(&outcome.plan, None), outcome));
    }
    let options = ApplyOptions {
        runs,
        journals: pair.journals.clone(),
        journal_key: connect::journal_key(args.apply.written.journal_key.as_ref())?,
        kms_key: args.kms_key.clone(),
        concurrency: connect::concurrency(args.apply.concurrency),
    };
    let done = carry_out(global, approved, "sync", &options, stop).await?;
    let exit = exit(&outcome.plan, Some(&done));
    outcome.done = Some(done);
    Ok((exit, outcome))
}

/// What can be refused before anything is listed.
fn check_arguments(args: &SyncArgs, pair: &BucketClients) -> Result<(), Failure> {
    let (source, destination) = (&pair.source, &pair.destination);
    check_key(args, destination.region())?;
    if args.delete && args.batch.engine == EngineArg::Batch {
        let error = anyhow!("failed to delete by a batch job");
        return Err(Failure::new(Exit::Usage, error)
            .hint("let the job copy, then run `sync --delete` without --engine batch"));
    }
    if args.batch.inventory.is_some() && args.batch.engine != EngineArg::Batch {
        let error = anyhow!("failed to copy by an inventory without a batch job");
        return Err(Failure::new(Exit::Usage, error).hint("give --engine batch"));
    }
    check_locations(
        source.location(),
        destination.location(),
        &policy(args, pair),
    )
    .map_err(|refusals| errors::refused(&refusals))
}

fn policy<'a>(args: &SyncArgs, pair: &'a BucketClients) -> Policy<'a> {
    let default = Policy::default();
    Policy {
        pairs: pair.pairing.pairs(),
        journals: pair.journals(),
        max_delete: args.max_delete.unwrap_or(default.max_delete),
        max_replace: args.max_replace.unwrap_or(default.max_replace),
        overwrite_unversioned: args.overwrite_unversioned,
    }
}

async fn abort_uploads(runs: &Path, destination: &Bucket) -> Result<(), Failure> {
    let aborted = abort_open_uploads(runs, destination)
        .await
        .map_err(|error| errors::journal("abort what an earlier run left open", error))?;
    if aborted > 0 {
        cli::note(&format!(
            "aborted {aborted} multipart uploads of an earlier run"
        ));
    }
    Ok(())
}

fn check_key(args: &SyncArgs, region: settings::Region) -> Result<(), Failure> {
    match &args.kms_key {
        Some(key) if key.region() != region => Err(Failure::new(
            Exit::Usage,
            anyhow!(
                "failed to use {}: it lies in {}",
                key.as_str(),
                key.region()
            ),
        )
        .hint(format!(
            "the copies are encrypted in {region}: give a key of that region"
        ))),
        _ => Ok(()),
    }
}
