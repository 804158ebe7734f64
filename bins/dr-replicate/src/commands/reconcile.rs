use std::path::Path;

use cli::{Exit, Failure, GlobalArgs, OutputFormat};
use dr::objects::{
    ApplyOptions, Done, ManifestError, ManifestSummary, Mode, Plan, PlanOptions, Policy,
    Reconciliation, Refusal, Refusals, Resolution, Resolutions, abort_open_uploads, reconcile,
};
use files::Secrecy;
use report::{Document, Mark, Report};
use serde::Serialize;
use settings::BucketName;
use tokio::sync::watch;

use super::carry_out::{Route, carry_out, exit, scratch};
use super::connect::{BucketClients, Destination};
use super::{connect, errors};
use crate::args::{LISTINGS, LocationArgs, ManifestArgs, ReconcileArgs};

/// What `manifest` prints.
#[derive(Serialize)]
struct Captured {
    bucket: String,
    #[serde(flatten)]
    summary: ManifestSummary,
    file: String,
}

impl Report for Captured {
    const KIND: &'static str = "manifest";

    fn document(&self) -> Document {
        let document = Document::new().text(format!(
            "{} holds {} objects; written down in {}",
            self.bucket, self.summary.objects, self.file
        ));
        let document = document.fact(Mark::Plain, "SHA-256", self.summary.sha256.clone());
        let document = match self.summary.without_version {
            0 => document,
            objects => document.fact(Mark::Unknown, "without a version ID", objects.to_string()),
        };
        match &self.summary.unlisted_versions {
            Some(why) => document.fact(Mark::Unknown, "versions cannot be listed", why.clone()),
            None => document,
        }
    }
}

pub(crate) async fn capture(global: &GlobalArgs, args: &ManifestArgs) -> Result<Exit, Failure> {
    let Destination { bucket: dr, .. } =
        connect::destination(global, Some(&args.bucket), None, None, None).await?;
    let summary = dr::objects::capture(&dr, cli::now(), &args.out)
        .await
        .map_err(|error| match error {
            ManifestError::List(error) => Failure::aws("list the bucket", error),
            error @ ManifestError::Exists { .. } => Failure::new(Exit::Refused, error)
                .hint("the manifest of the failover cannot be made again later; give another name"),
            other => errors::unchecked("write the manifest", other),
        })?;
    let captured = Captured {
        bucket: dr.location().to_string(),
        summary,
        file: args.out.display().to_string(),
    };
    cli::print(global, &captured)?;
    Ok(Exit::Fine)
}

/// What `reconcile` prints.
#[derive(Serialize)]
struct Outcome {
    #[serde(flatten)]
    route: Route,
    found: Reconciliation,
    /// Null when nothing was to be done, or with --dry-run.
    done: Option<Done>,
    refused: Vec<Refusal>,
}

impl Report for Outcome {
    const KIND: &'static str = "reconcile";

    fn document(&self) -> Document {
        match &self.done {
            Some(done) => done.document(),
            None => self.route.document(&self.found),
        }
    }
}

/// The two buckets. The DR bucket is the source here, the other way round than everywhere else.
async fn pair(global: &GlobalArgs, bucket: &BucketName) -> Result<BucketClients, Failure> {
    let places = LocationArgs {
        bucket: Vec::new(),
        from: None,
        to: None,
        from_region: None,
        to_region: None,
        from_owner: None,
        to_owner: None,
    };
    let pair = connect::pair(global, &places, Some(bucket)).await?;
    pair.reach().await?;
    Ok(pair)
}

fn policy(args: &ReconcileArgs) -> Policy<'static> {
    let default = Policy::default();
    Policy {
        max_delete: args.max_delete.unwrap_or(default.max_delete),
        max_replace: args.max_replace.unwrap_or(default.max_replace),
        ..default
    }
}

/// What the lists of keys decide.
fn resolutions(args: &ReconcileArgs) -> Result<Resolutions, Failure> {
    let lists = [
        (&args.keep_dr, Resolution::KeepDr),
        (&args.keep_primary, Resolution::KeepPrimary),
    ];
    let mut resolutions = Resolutions::default().restoring_deleted(args.restore_deleted);
    for (paths, resolution) in lists {
        for path in paths {
            resolutions.add_list(path, resolution).map_err(|error| {
                let error = anyhow::Error::new(error).context("failed to decide by a list of keys");
                Failure::new(Exit::Usage, error)
            })?;
        }
    }
    Ok(resolutions)
}

/// Writes the keys that wait for a decision, as lists of keys are read.
fn write_undecided(found: &Reconciliation, path: &Path) -> Result<(), Failure> {
    let text = found
        .undecided()
        .map_err(|error| errors::unchecked("read the keys in doubt", error))?;
    // They may be those of patients.
    files::write_new_file(path, text.as_bytes(), Secrecy::Secret).map_err(|error| {
        let error = anyhow::Error::new(error).context("failed to write the keys in doubt");
        Failure::new(Exit::Usage, error).hint("give another file with --undecided")
    })
}

/// Before millions of objects are compared.
fn is_there(manifest: &Path) -> Result<(), Failure> {
    std::fs::File::open(manifest).map(drop).map_err(|error| {
        let error = anyhow::Error::new(error)
            .context(format!("failed to read the manifest {}", manifest.display()));
        Failure::new(Exit::Usage, error).hint(
            "`dr-replicate manifest` has written it at the failover; one of a later moment does not tell what was written \
             in the DR region before it",
        )
    })
}

pub(crate) async fn run(
    global: &GlobalArgs,
    args: &ReconcileArgs,
    stop: watch::Receiver<bool>,
) -> Result<Exit, Failure> {
    let resolutions = resolutions(args)?;
    let pair = pair(global, &args.bucket).await?;
    is_there(&args.manifest)?;
    let (dr, primary) = (&pair.destination, &pair.source);
    let runs = connect::runs(args.apply.written.runs.as_ref())?;
    if !args.dry_run {
        pair.reach_journals().await?;
        abort_open_uploads(&runs, primary)
            .await
            .map_err(|error| errors::journal("abort what an earlier run left open", error))?;
    }
    let directory = scratch(&runs)?;
    let options = PlanOptions {
        mode: Mode::Auto,
        headers: false,
        delete: args.delete,
        leave_unproven: true,
        listings: usize::from(LISTINGS),
        own_copies: connect::own_copies(&args.apply.written, &pair)?,
    };
    let (found, planned) = reconcile(
        dr,
        primary,
        &args.manifest,
        &options,
        &resolutions,
        directory.path(),
    )
    .await
    .map_err(|error| errors::walk("compare the buckets", error))?;
    if let Some(path) = &args.undecided {
        write_undecided(&found, path)?;
    }
    let conflicts = match found.has_conflicts() || found.named_in_vain.tally.objects > 0 {
        false => Exit::Fine,
        true => Exit::Wrong,
    };
    let ended = |plan: &Plan, done: Option<&Done>| conflicts.worst(exit(plan, done));
    let route = Route::of(&planned);
    let approved = planned.approve(&policy(args));
    let refused = approved.as_ref().err();
    let mut outcome = Outcome {
        route,
        refused: refused
            .into_iter()
            .flat_map(Refusals::iter)
            .cloned()
            .collect(),
        found,
        done: None,
    };
    let ends = outcome.found.plan.is_empty() || args.dry_run;
    // Of JSON there is one document: the result, the plan where nothing is done, or the error.
    if global.output == OutputFormat::Table || (ends && refused.is_none()) {
        cli::print(global, &outcome)?;
    }
    let approved = approved.map_err(|refusals| errors::refused(&refusals))?;
    if ends {
        return Ok(ended(&outcome.found.plan, None));
    }
    let options = ApplyOptions {
        runs,
        journals: pair.journals.clone(),
        journal_key: connect::journal_key(args.apply.written.journal_key.as_ref())?,
        kms_key: None,
        concurrency: connect::concurrency(args.apply.concurrency),
    };
    let done = carry_out(global, approved, "reconcile", &options, stop).await?;
    let exit = ended(&outcome.found.plan, Some(&done));
    outcome.done = Some(done);
    cli::print(global, &outcome)?;
    Ok(exit)
}
