use anyhow::anyhow;
use cli::{Exit, Failure, GlobalArgs, OutputFormat};
use dr::objects::{
    ApplyOptions, Approved, Bucket, Done, Plan, PlanOptions, Policy, Refusal, Refusals,
    abort_open_uploads, check_locations, plan,
};
use report::{Document, Report};
use serde::Serialize;
use tokio::sync::watch;

use super::carry_out::{Route, carry_out, exit, scratch};
use super::connect::{self, BucketClients};
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
    let pair = connect::pair(global, &args.locations).await?;
    check_arguments(args, &pair)?;
    pair.reach().await?;
    if !args.batch.job.is_empty() {
        return super::batch::resume(global, args, &pair, stop).await;
    }
    let runs = connect::runs(args.apply.written.runs.as_ref())?;
    abort_uploads(&runs, &pair.destination).await?;
    let directory = scratch(&runs)?;
    let options = PlanOptions {
        mode: args.compare.compare.into(),
        headers: args.compare.headers,
        delete: args.delete,
        leave_unproven: args.leave_unproven,
        listings: usize::from(args.compare.listings),
        own_copies: connect::own_copies(&args.apply.written, [&pair.source, &pair.destination])?,
    };
    let planned = plan(&pair.source, &pair.destination, &options, directory.path())
        .await
        .map_err(|error| errors::walk("compare the buckets", error))?;
    let (plan, route) = (planned.plan().clone(), Route::of(&planned));
    let approved = planned.approve(&policy(args, &pair));
    if args.batch.engine == EngineArg::Batch {
        let approved = approved.map_err(|refusals| errors::refused(&refusals))?;
        let folders = (runs.as_path(), directory.path());
        return super::batch::run(global, args, &pair, (approved, route), folders, stop).await;
    }
    let Some(approved) = go_on(global, args.dry_run, (&plan, &route), approved)? else {
        return Ok(exit(&plan, None));
    };
    let options = ApplyOptions {
        runs,
        journal_key: connect::journal_key(args.apply.written.journal_key.as_ref())?,
        kms_key: args.kms_key.clone(),
        concurrency: usize::from(args.apply.concurrency),
    };
    let done = carry_out(global, approved, "sync", &options, stop).await?;
    let exit = exit(&plan, Some(&done));
    let outcome = Outcome {
        route,
        plan,
        done: Some(done),
        refused: Vec::new(),
    };
    cli::print(global, &outcome)?;
    Ok(exit)
}

/// Prints the plan; `None` when it ends there.
fn go_on(
    global: &GlobalArgs,
    dry_run: bool,
    (plan, route): (&Plan, &Route),
    approved: Result<Approved, Refusals>,
) -> Result<Option<Approved>, Failure> {
    let refused = approved.as_ref().err();
    let ends = plan.is_empty() || dry_run;
    // Of JSON there is one document: the result, the plan where nothing is done, or the error.
    if global.output == OutputFormat::Table || (ends && refused.is_none()) {
        let outcome = Outcome {
            route: route.clone(),
            plan: plan.clone(),
            done: None,
            refused: refused
                .into_iter()
                .flat_map(Refusals::iter)
                .cloned()
                .collect(),
        };
        cli::print(global, &outcome)?;
    }
    let approved = approved.map_err(|refusals| errors::refused(&refusals))?;
    Ok((!ends).then_some(approved))
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
    check_locations(source.location(), destination.location(), &pair.pairs)
        .map_err(|refusals| errors::refused(&refusals))
}

fn policy<'a>(args: &SyncArgs, pair: &'a BucketClients) -> Policy<'a> {
    let default = Policy::default();
    Policy {
        pairs: &pair.pairs,
        max_delete: args.max_delete.unwrap_or(default.max_delete),
        max_replace: args.max_replace.unwrap_or(default.max_replace),
        overwrite_unversioned: args.overwrite_unversioned,
    }
}

async fn abort_uploads(runs: &std::path::Path, destination: &Bucket) -> Result<(), Failure> {
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
