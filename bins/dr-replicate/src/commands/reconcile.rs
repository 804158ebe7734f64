use anyhow::anyhow;
use cli::{Exit, Failure, GlobalArgs, OutputFormat};
use dr::objects::{
    ApplyOptions, Bucket, Done, Intended, ManifestError, Mode, PlanOptions, Reconciliation,
    Refusal, abort_leftovers, check, reconcile,
};
use report::{Document, Report};
use serde::Serialize;
use settings::BucketName;
use tokio::sync::watch;

use super::connect;
use super::sync::{carry_out, journal_failure, refuse, rest, scratch, walk_failure};
use crate::args::{LISTINGS, ManifestArgs, PlaceArgs, ReconcileArgs};

/// What `manifest` prints.
#[derive(Serialize)]
struct Captured {
    bucket: String,
    objects: u64,
    file: String,
}

impl Report for Captured {
    fn document(&self) -> Document {
        Document::new().text(format!(
            "{} holds {} objects; written down in {}",
            self.bucket, self.objects, self.file
        ))
    }
}

pub(crate) async fn capture(global: &GlobalArgs, args: &ManifestArgs) -> Result<Exit, Failure> {
    if args.out.exists() {
        return Err(Failure::new(
            Exit::Refused,
            anyhow!("{} exists and is not overwritten", args.out.display()),
        )
        .hint("the manifest of the failover cannot be made again later; give another name"));
    }
    let (dr, _) = connect::destination(global, Some(&args.bucket), None, None).await?;
    let objects = dr::objects::capture(&dr, cli::now(), &args.out)
        .await
        .map_err(|error| match error {
            ManifestError::List(error) => Failure::aws("list the bucket", error),
            other => Failure::new(
                Exit::Unchecked,
                anyhow::Error::new(other).context("failed to write the manifest"),
            ),
        })?;
    let captured = Captured {
        bucket: dr.place().to_string(),
        objects,
        file: args.out.display().to_string(),
    };
    cli::print(global, &captured)?;
    Ok(Exit::Fine)
}

/// What `reconcile` prints.
#[derive(Serialize)]
struct Outcome {
    found: Reconciliation,
    /// Null when nothing was to be done, or with --dry-run.
    done: Option<Done>,
    refused: Vec<Refusal>,
}

impl Report for Outcome {
    fn document(&self) -> Document {
        match &self.done {
            Some(done) => done.document(),
            None => self.found.document(),
        }
    }
}

/// The DR bucket and the primary: the other way round than everywhere else.
async fn pair(global: &GlobalArgs, bucket: &BucketName) -> Result<(Bucket, Bucket), Failure> {
    let places = PlaceArgs {
        bucket: Some(bucket.clone()),
        from: None,
        to: None,
        from_region: None,
        to_region: None,
    };
    let pair = connect::pair(global, &places).await?;
    pair.reach().await?;
    Ok((pair.destination, pair.source))
}

pub(crate) async fn run(
    global: &GlobalArgs,
    args: &ReconcileArgs,
    stop: watch::Receiver<bool>,
) -> Result<Exit, Failure> {
    let (dr, primary) = pair(global, &args.bucket).await?;
    let runs = connect::runs(args.apply.runs.as_ref())?;
    abort_leftovers(&runs, &primary)
        .await
        .map_err(|error| journal_failure("abort what an earlier run left open", error))?;
    let directory = scratch(&runs)?;
    let options = PlanOptions {
        mode: Mode::Auto,
        headers: false,
        delete: args.delete,
        leave_unproven: true,
        listings: usize::from(LISTINGS),
    };
    let (found, planned) = reconcile(&dr, &primary, &args.manifest, &options, directory.path())
        .await
        .map_err(|error| walk_failure("compare the buckets", error))?;
    let keeps_versions = primary
        .keeps_versions()
        .await
        .map_err(|error| Failure::aws("look at the primary's versioning", error))?;
    let refused = check(&Intended {
        source: dr.place(),
        destination: primary.place(),
        // This is the one command that goes from DR to primary.
        pairs: &[],
        source_objects: planned.plan.source.objects,
        destination_objects: planned.plan.destination.objects,
        replaced: planned.plan.replace.tally.objects,
        deleted: planned.plan.delete.tally.objects,
        keeps_versions,
        overwrite_unversioned: false,
        max_delete: args.max_delete.unwrap_or_default(),
    });
    let conflicts = found.conflicts.tally.objects > 0;
    let mut outcome = Outcome {
        found,
        done: None,
        refused,
    };
    let exit = |exit: Exit| match exit {
        Exit::Fine if conflicts => Exit::Wrong,
        exit => exit,
    };
    if planned.plan.is_empty() || args.dry_run || !outcome.refused.is_empty() {
        if global.output == OutputFormat::Table || outcome.refused.is_empty() {
            cli::print(global, &outcome)?;
        }
        refuse(&outcome.refused)?;
        return Ok(exit(rest(&planned.plan, None)));
    }
    if global.output == OutputFormat::Table {
        cli::print(global, &outcome)?;
    }
    let options = ApplyOptions {
        runs,
        kms_key: None,
        concurrency: usize::from(args.apply.concurrency),
    };
    let done = carry_out(
        global,
        &planned,
        (&dr, &primary),
        "reconcile",
        &options,
        stop,
    )
    .await?;
    let ended = exit(rest(&planned.plan, Some(&done)));
    outcome.done = Some(done);
    cli::print(global, &outcome)?;
    Ok(ended)
}
