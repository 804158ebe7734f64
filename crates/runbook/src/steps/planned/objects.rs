//! Objects on their way. Back: what was written in the DR region goes to the primary one, what the primary region has written
//! meanwhile stays, and what both have written is decided by a person. Over, in a switchover: the primary region is what counts,
//! and the DR region becomes equal to it.

use std::path::{Path, PathBuf};

use aws_env::Both;
use dr::objects::{
    ApplyOptions, Bucket, BucketPair, ChangeLimit, Mode, OwnCopies, Pairing, PlanOptions, Planned,
    Policy, Reconciliation, Refusal, Run, fetch_manifest, plan, reconcile, resume,
};
use futures::FutureExt as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use settings::{BucketName, Settings};

use super::{ObjectRuns, PlannedMove};
use crate::failback::{CONFLICTS, Decisions, ObjectsInputs, names};
use crate::lease::causes;
use crate::record::Digest;
use crate::steps::inputs;
use crate::{Check, Host, PlannedStep, StepContext, StepError, StepErrorKind, Store};

/// Ranges of a bucket that are listed at once.
const LISTINGS: usize = 4;

/// What is on record of a run that copies.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "objects")]
enum Note {
    /// It is about to begin.
    Begun { run: String },
    /// It is over, and this came of it.
    Ended {
        run: String,
        copied: u64,
        bytes: u64,
        deleted: u64,
    },
}

/// The run that was begun and has no end on record.
fn unfinished(context: &StepContext<'_>) -> Option<String> {
    match notes(context).pop() {
        Some(Note::Begun { run }) => Some(run),
        _ => None,
    }
}

fn notes(context: &StepContext<'_>) -> Vec<Note> {
    let notes = context.notes().into_iter();
    notes
        .filter_map(|note| Note::deserialize(note).ok())
        .collect()
}

/// A bucket, and which way its objects go. Without what the failover wrote down none goes back.
pub(super) enum Way {
    Back(ObjectsInputs),
    Over(BucketPair),
}

impl Way {
    fn of<S, H>(of: &PlannedMove<'_, S, H>, step: &PlannedStep) -> Result<Self, StepError> {
        match of.mode {
            crate::Mode::Failback => inputs(step).map(Self::Back),
            _ => inputs(step).map(Self::Over),
        }
    }

    pub(super) fn pair(&self) -> &BucketPair {
        match self {
            Self::Back(inputs) => &inputs.pair,
            Self::Over(pair) => pair,
        }
    }

    /// The name of the bucket that is copied from.
    fn source(&self) -> &BucketName {
        match self {
            Self::Back(inputs) => &inputs.pair.dr.name,
            Self::Over(pair) => &pair.primary.name,
        }
    }

    fn target(&self) -> &BucketName {
        match self {
            Self::Back(inputs) => &inputs.pair.primary.name,
            Self::Over(pair) => &pair.dr.name,
        }
    }

    /// The buckets, the one that is copied from first.
    fn open(&self, both: &Both) -> (Bucket, Bucket) {
        let (primary, dr) = self.pair().open(both);
        match self {
            Self::Back(_) => (dr, primary),
            Self::Over(_) => (primary, dr),
        }
    }
}

/// Where the plan of a step lies, for whoever goes on with it on this machine.
fn folder(objects: &ObjectRuns, pair: &BucketPair, purpose: &str) -> PathBuf {
    let name = format!("plan-{purpose}-{}", pair.primary.name);
    objects.folder.join(name)
}

fn plan_options(
    pairing: &Pairing,
    both: &Both,
    objects: &ObjectRuns,
    delete: bool,
    leave_unproven: bool,
) -> PlanOptions {
    PlanOptions {
        mode: Mode::Auto,
        headers: false,
        // Below its delete marker it stays a version.
        delete,
        leave_unproven,
        listings: LISTINGS,
        own_copies: OwnCopies::new(
            objects.folder.clone(),
            Some(objects.key.clone()),
            pairing.open_journals(&both.dr_only()).into_iter().collect(),
        ),
    }
}

/// Compares a bucket with its copy and with what the failover wrote down of that. Changes nothing. The plan lies in a folder
/// of its own by `purpose`.
pub(crate) async fn look_at_bucket(
    settings: &Settings,
    both: &Both,
    inputs: &ObjectsInputs,
    objects: &ObjectRuns,
    decisions: &Decisions,
    purpose: &str,
) -> Result<(Reconciliation, Planned), StepError> {
    let pairing = Pairing::from(settings);
    let journals = pairing
        .journals()
        .ok_or_else(|| StepError::refused("the settings have no bucket for journals"))?;
    let (primary, dr) = inputs.pair.open(both);
    let folder = folder(objects, &inputs.pair, purpose);
    empty(&folder)?;
    let manifest = objects.folder.join(format!(
        "manifest-{}-{}.jsonl",
        inputs.failover, inputs.pair.dr.name
    ));
    let dr_only = both.dr_only();
    let fetched = fetch_manifest(
        &dr_only,
        &inputs.pair.dr,
        journals,
        &inputs.failover,
        &inputs.manifest,
        &manifest,
    );
    fetched.boxed_local().await.map_err(StepError::unchecked)?;
    let options = plan_options(&pairing, both, objects, true, true);
    let resolutions = decisions.of_bucket(&inputs.pair.primary.name);
    let found = reconcile(&dr, &primary, &manifest, &options, &resolutions, &folder);
    found
        .boxed_local()
        .await
        .map_err(|error| StepError::unchecked(causes(&error)))
}

/// Takes away what a look left on the disk: keys may be those of patients.
pub(crate) fn forget_look(
    objects: &ObjectRuns,
    pair: &BucketPair,
    purpose: &str,
) -> Result<(), StepError> {
    let folder = folder(objects, pair, purpose);
    std::fs::remove_dir_all(folder).map_err(StepError::unchecked)
}

fn empty(folder: &Path) -> Result<(), StepError> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).map_err(StepError::unchecked)?;
    }
    files::create_secret_folder(folder).map_err(StepError::unchecked)
}

/// What waits for a person's decision, or cannot be copied.
fn doubts(found: &Reconciliation) -> u64 {
    found.conflicts.tally.objects
        + found.primary_deleted.tally.objects
        + found.plan.left_unproven.objects
}

/// Why nothing may be done before somebody has decided or helped.
fn in_doubt<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    way: &Way,
    found: &Reconciliation,
) -> Result<(), StepError> {
    let bucket = &way.pair().primary.name;
    let archived = found.plan.archived.tally.objects;
    if archived > 0 {
        let objects = report::counted(archived, "object");
        return Err(
            StepError::wrong(format!("{objects} of {} are archived", way.source()))
                .hint("restore them in S3 first; then resume"),
        );
    }
    if found.plan.unreadable.tally.objects > 0 {
        let objects = report::counted(found.plan.unreadable.tally.objects, "object");
        return Err(StepError::unchecked(format!(
            "S3 tells nothing of {objects} of {bucket}"
        )));
    }
    if doubts(found) == 0 {
        return Ok(());
    }
    let keys = found.undecided().map_err(StepError::unchecked)?;
    let keys = keys
        .lines()
        .filter_map(|key| serde_json::from_str(key).ok());
    let lines: Vec<String> = keys
        .map(|key| crate::failback::undecided_object(bucket, key))
        .collect();
    let path = of.target.folder.join(format!("undecided-{bucket}.jsonl"));
    files::create_secret_folder(&of.target.folder).map_err(StepError::unchecked)?;
    let text = lines.join("\n") + "\n";
    // Keys may be those of patients.
    files::write_file(&path, text.as_bytes(), files::Secrecy::Secret)
        .map_err(StepError::unchecked)?;
    let examples = found.conflicts.examples.iter();
    let examples = examples.chain(&found.primary_deleted.examples);
    let examples: Vec<String> = examples
        .chain(&found.plan.unproven.examples)
        .map(|example| match &example.reason {
            Some(reason) => format!("{} ({reason})", example.key.escape_debug()),
            None => example.key.escape_debug().to_string(),
        })
        .take(5)
        .collect();
    let objects = report::counted(lines.len(), "object");
    Err(StepError::new(
        StepErrorKind::Wrong,
        format!(
            "{objects} of {bucket} to be decided about: {}",
            examples.join(", ")
        ),
    )
    .hint(format!(
        "{} has all of them: put dr or primary behind `keep`, and resume with {CONFLICTS}",
        path.display()
    )))
}

fn policy(planned: &Planned) -> Policy<'static> {
    let plan = planned.plan();
    Policy {
        max_delete: ChangeLimit::objects(plan.delete.tally.objects),
        max_replace: ChangeLimit::objects(plan.replace.tally.objects),
        ..Policy::default()
    }
}

pub(super) async fn check<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    step: &PlannedStep,
    context: &StepContext<'_>,
) -> Result<Check, StepError> {
    let way = Way::of(of, step)?;
    let purpose = purpose(step, context);
    if let Some(run) = unfinished(context)
        && folder(&of.objects, way.pair(), &purpose)
            .join("plan.json")
            .exists()
    {
        return Ok(Check::Todo {
            what: format!("go on with the copies of run {run}"),
            needs_approval: false,
        });
    }
    let (found, planned) = look_at(of, &way, step.id.kind(), &purpose).await?;
    in_doubt(of, &way, &found)?;
    let plan = planned.plan();
    if plan.is_empty() {
        forget_look(&of.objects, way.pair(), &purpose)?;
        return Ok(Check::Done(result(&found, context)));
    }
    planned.save().map_err(StepError::unchecked)?;
    let what = format!(
        "copy {} ({} bytes) to {}, overwriting {} and deleting {} there",
        report::counted(plan.copies().objects, "object"),
        plan.copies().bytes,
        way.target(),
        plan.replace.tally.objects,
        plan.delete.tally.objects,
    );
    let mut needs_approval = plan.delete.tally.objects > 0;
    let reopened = reopen(of, &way, &purpose)?;
    if let Err(refusals) = reopened.approve(&Policy::default()) {
        let is_limit = |refusal: &Refusal| {
            matches!(
                refusal,
                Refusal::TooManyDeletions { .. } | Refusal::TooManyReplacements { .. }
            )
        };
        if !refusals.iter().all(is_limit) {
            return Err(StepError::refused(refusals.to_string()));
        }
        needs_approval = true;
    }
    Ok(Check::Todo {
        what,
        needs_approval,
    })
}

/// Plans of one run and step lie apart from those of another.
fn purpose(step: &PlannedStep, context: &StepContext<'_>) -> String {
    format!("{}-{}", context.state().plan.run, step.id.kind())
}

async fn look_at<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    way: &Way,
    kind: &str,
    purpose: &str,
) -> Result<(Reconciliation, Planned), StepError> {
    match way {
        Way::Back(inputs) => {
            let (objects, decisions) = (&of.objects, &of.decisions);
            let looked = look_at_bucket(of.settings, &of.both, inputs, objects, decisions, purpose);
            looked.boxed_local().await
        }
        // While the application writes, what it has deleted has not come over yet: it goes when nobody writes.
        Way::Over(pair) => {
            let looked = look_over(of, pair, kind != names::OBJECTS, purpose);
            looked.boxed_local().await
        }
    }
}

/// Compares a bucket with its copy in the DR region. Changes nothing.
async fn look_over<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    pair: &BucketPair,
    delete: bool,
    purpose: &str,
) -> Result<(Reconciliation, Planned), StepError> {
    let (primary, dr) = pair.open(&of.both);
    let folder = folder(&of.objects, pair, purpose);
    empty(&folder)?;
    let options = plan_options(&of.pairing(), &of.both, &of.objects, delete, false);
    let planned = plan(&primary, &dr, &options, &folder);
    let planned = planned
        .boxed_local()
        .await
        .map_err(|error| StepError::unchecked(causes(&error)))?;
    let mut found = Reconciliation::default();
    found.plan = planned.plan().clone();
    Ok((found, planned))
}

fn reopen<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    way: &Way,
    purpose: &str,
) -> Result<Planned, StepError> {
    let (source, target) = way.open(&of.both);
    let folder = folder(&of.objects, way.pair(), purpose);
    let planned = Planned::reopen(&folder, &source, &target);
    planned.map_err(|error| StepError::unchecked(causes(&error)))
}

pub(super) async fn apply<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    step: &PlannedStep,
    context: &StepContext<'_>,
) -> Result<(), StepError> {
    let way = Way::of(of, step)?;
    let purpose = purpose(step, context);
    // The plan that was agreed to, or that of the attempt before, to the letter.
    let planned = reopen(of, &way, &purpose)?;
    let run = match unfinished(context) {
        Some(run) => run,
        None => {
            let digest = Digest::of(step.id.0.as_bytes()).short();
            let run = format!(
                "{}-{digest}-{}",
                context.state().plan.run,
                notes(context).len()
            );
            context
                .note(json!(Note::Begun { run: run.clone() }))
                .await?;
            run
        }
    };
    let (source, target) = way.open(&of.both);
    let command = match way {
        Way::Back(_) => "failback",
        Way::Over(_) => "failover",
    };
    let journal = Run {
        run: run.clone(),
        command: command.to_owned(),
        started: context.state().plan.planned,
        source: source.location().to_string(),
        destination: target.location().to_string(),
    };
    let options = ApplyOptions {
        runs: of.objects.folder.clone(),
        journals: of.pairing().open_journals(&of.both.dr_only()),
        journal_key: of.objects.key.clone(),
        kms_key: None,
        concurrency: of.objects.concurrency,
    };
    let policy = policy(&planned);
    let approved = planned
        .approve(&policy)
        .map_err(|refusals| StepError::refused(refusals.to_string()))?;
    let done = resume(
        approved,
        &journal,
        &options,
        context.stop(),
        of.target.observer,
    );
    let done = done
        .boxed_local()
        .await
        .map_err(|error| StepError::unchecked(causes(&error)))?;
    if done.interrupted {
        return Err(StepError::interrupted());
    }
    context
        .note(json!(Note::Ended {
            run,
            copied: done.copied.objects,
            bytes: done.copied.bytes,
            deleted: done.deleted.objects,
        }))
        .await?;
    match done.failed.tally.objects {
        0 => Ok(()),
        failed => {
            let examples = done.failed.examples.iter();
            let examples: Vec<String> = examples
                .take(3)
                .map(|example| {
                    let reason = example.reason.as_deref().unwrap_or("failed");
                    format!("{}: {reason}", example.key.escape_debug())
                })
                .collect();
            let objects = report::counted(failed, "object");
            Err(StepError::unchecked(format!(
                "{objects} could not be copied: {}",
                examples.join("; ")
            )))
        }
    }
}

pub(super) async fn verify<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    step: &PlannedStep,
    context: &StepContext<'_>,
) -> Result<Value, StepError> {
    let way = Way::of(of, step)?;
    let purpose = purpose(step, context);
    let (found, _) = look_at(of, &way, step.id.kind(), &purpose).await?;
    in_doubt(of, &way, &found)?;
    forget_look(&of.objects, way.pair(), &purpose)?;
    // While the application writes, something new may always be there; when nobody does, nothing may.
    if step.id.kind() == names::LAST_OBJECTS && !found.plan.is_empty() {
        return Err(still_written(of, &way, &found));
    }
    Ok(result(&found, context))
}

fn still_written<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    way: &Way,
    found: &Reconciliation,
) -> StepError {
    let plan = &found.plan;
    let changes = plan.copies().objects + plan.delete.tally.objects;
    let examples = plan.create.examples.iter().chain(&plan.replace.examples);
    let examples = examples.chain(&plan.delete.examples).take(3);
    let keys: Vec<String> = examples
        .map(|example| example.key.escape_debug().to_string())
        .collect();
    StepError::wrong(format!(
        "{} in {} since they were copied: {}",
        report::counted(changes, "change"),
        way.source(),
        keys.join(", ")
    ))
    .hint(format!(
        "stop what writes in {}, and resume: what has come since is copied then",
        of.source().region()
    ))
}

/// That nothing was written in a bucket of the region that is left since its objects were copied.
pub(super) async fn prove_drained<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    way: &Way,
    context: &StepContext<'_>,
) -> Result<(), StepError> {
    let purpose = format!("{}-{}", context.state().plan.run, names::CUT_OVER);
    let (found, _) = look_at(of, way, names::CUT_OVER, &purpose).await?;
    in_doubt(of, way, &found)?;
    forget_look(&of.objects, way.pair(), &purpose)?;
    match found.plan.is_empty() {
        true => Ok(()),
        false => Err(still_written(of, way, &found)),
    }
}

fn result(found: &Reconciliation, context: &StepContext<'_>) -> Value {
    let (mut copied, mut bytes, mut deleted) = (0, 0, 0);
    for note in notes(context) {
        if let Note::Ended {
            copied: objects,
            bytes: of_objects,
            deleted: removed,
            ..
        } = note
        {
            copied += objects;
            bytes += of_objects;
            deleted += removed;
        }
    }
    json!({
        "copied": copied,
        "bytes": bytes,
        "deleted": deleted,
        "kept_of_primary": found.primary_only.tally.objects,
        "decided": found.resolved.tally.objects,
        "equal": found.plan.equal.objects,
    })
}
