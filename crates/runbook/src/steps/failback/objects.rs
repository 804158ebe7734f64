//! Objects brought back: what was written in the DR region goes to the primary one, what the primary region has written
//! meanwhile stays, and what both have written is decided by a person.

use std::path::{Path, PathBuf};

use aws_env::Both;
use dr::objects::{
    ApplyOptions, Bucket, ChangeLimit, Mode, OwnCopies, Pairing, PlanOptions, Planned, Policy,
    Reconciliation, Refusal, Run, fetch_manifest, reconcile, resume,
};
use futures::FutureExt as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use settings::Settings;

use super::{Failback, ObjectRuns};
use crate::failback::{Decisions, ObjectsInputs, names};
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

/// Where the plan of a step lies, for whoever goes on with it on this machine.
fn folder(objects: &ObjectRuns, inputs: &ObjectsInputs, purpose: &str) -> PathBuf {
    let name = format!("plan-{purpose}-{}", inputs.pair.primary.name);
    objects.folder.join(name)
}

/// The buckets of a pair, the DR region's first: it is copied from.
fn buckets(both: &Both, inputs: &ObjectsInputs) -> (Bucket, Bucket) {
    let (primary, dr) = inputs.pair.open(both);
    (dr, primary)
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
    let (dr, primary) = buckets(both, inputs);
    let folder = folder(objects, inputs, purpose);
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
    let own_copies = OwnCopies::new(
        objects.folder.clone(),
        Some(objects.key.clone()),
        pairing.open_journals(&dr_only).into_iter().collect(),
    );
    let options = PlanOptions {
        mode: Mode::Auto,
        headers: false,
        // Below its delete marker it stays a version.
        delete: true,
        leave_unproven: true,
        listings: LISTINGS,
        own_copies,
    };
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
    inputs: &ObjectsInputs,
    purpose: &str,
) -> Result<(), StepError> {
    let folder = folder(objects, inputs, purpose);
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
    of: &Failback<'_, S, H>,
    inputs: &ObjectsInputs,
    found: &Reconciliation,
) -> Result<(), StepError> {
    let bucket = &inputs.pair.primary.name;
    let archived = found.plan.archived.tally.objects;
    if archived > 0 {
        let objects = report::counted(archived, "object");
        return Err(
            StepError::wrong(format!("{objects} of {} are archived", inputs.pair.dr.name))
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
    let path = of.primary.folder.join(format!("undecided-{bucket}.jsonl"));
    files::create_secret_folder(&of.primary.folder).map_err(StepError::unchecked)?;
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
        "{} has all of them: put dr or primary behind `keep`, and resume with --conflicts FILE",
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
    of: &Failback<'_, S, H>,
    step: &PlannedStep,
    context: &StepContext<'_>,
) -> Result<Check, StepError> {
    let inputs: ObjectsInputs = inputs(step)?;
    let purpose = purpose(step, context);
    if let Some(run) = unfinished(context)
        && folder(&of.objects, &inputs, &purpose)
            .join("plan.json")
            .exists()
    {
        return Ok(Check::Todo {
            what: format!("go on with the copies of run {run}"),
            needs_approval: false,
        });
    }
    let (found, planned) = look_at(of, &inputs, &purpose).await?;
    in_doubt(of, &inputs, &found)?;
    let plan = planned.plan();
    if plan.is_empty() {
        forget_look(&of.objects, &inputs, &purpose)?;
        return Ok(Check::Done(result(&found, context)));
    }
    planned.save().map_err(StepError::unchecked)?;
    let what = format!(
        "copy {} ({} bytes) to {}, overwriting {} and deleting {} there",
        report::counted(plan.copies().objects, "object"),
        plan.copies().bytes,
        inputs.pair.primary.name,
        plan.replace.tally.objects,
        plan.delete.tally.objects,
    );
    let mut needs_approval = plan.delete.tally.objects > 0;
    let reopened = reopen(of, &inputs, &purpose)?;
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
    of: &Failback<'_, S, H>,
    inputs: &ObjectsInputs,
    purpose: &str,
) -> Result<(Reconciliation, Planned), StepError> {
    look_at_bucket(
        of.settings,
        &of.both,
        inputs,
        &of.objects,
        &of.decisions,
        purpose,
    )
    .await
}

fn reopen<S: Store, H: Host>(
    of: &Failback<'_, S, H>,
    inputs: &ObjectsInputs,
    purpose: &str,
) -> Result<Planned, StepError> {
    let (dr, primary) = buckets(&of.both, inputs);
    let folder = folder(&of.objects, inputs, purpose);
    Planned::reopen(&folder, &dr, &primary).map_err(|error| StepError::unchecked(causes(&error)))
}

pub(super) async fn apply<S: Store, H: Host>(
    of: &Failback<'_, S, H>,
    step: &PlannedStep,
    context: &StepContext<'_>,
) -> Result<(), StepError> {
    let inputs: ObjectsInputs = inputs(step)?;
    let purpose = purpose(step, context);
    // The plan that was agreed to, or that of the attempt before, to the letter.
    let planned = reopen(of, &inputs, &purpose)?;
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
    let (dr, primary) = buckets(&of.both, &inputs);
    let journal = Run {
        run: run.clone(),
        command: "failback".to_owned(),
        started: context.state().plan.planned,
        source: dr.location().to_string(),
        destination: primary.location().to_string(),
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
        of.primary.observer,
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
    of: &Failback<'_, S, H>,
    step: &PlannedStep,
    context: &StepContext<'_>,
) -> Result<Value, StepError> {
    let inputs: ObjectsInputs = inputs(step)?;
    let purpose = purpose(step, context);
    let (found, _) = look_at(of, &inputs, &purpose).await?;
    in_doubt(of, &inputs, &found)?;
    forget_look(&of.objects, &inputs, &purpose)?;
    // While the application writes, something new may always be there; when nobody does, nothing may.
    if step.id.kind() == names::LAST_OBJECTS && !found.plan.is_empty() {
        return Err(still_written(&inputs, &found));
    }
    Ok(result(&found, context))
}

fn still_written(inputs: &ObjectsInputs, found: &Reconciliation) -> StepError {
    let plan = &found.plan;
    let changes = plan.copies().objects + plan.delete.tally.objects;
    StepError::wrong(format!(
        "{} in {} since they were copied",
        report::counted(changes, "change"),
        inputs.pair.dr.name
    ))
    .hint("something writes in the DR region still: stop it, and resume")
}

/// That nothing was written in a DR bucket since its objects were brought back.
pub(super) async fn prove_drained<S: Store, H: Host>(
    of: &Failback<'_, S, H>,
    inputs: &ObjectsInputs,
    context: &StepContext<'_>,
) -> Result<(), StepError> {
    let purpose = format!("{}-{}", context.state().plan.run, names::CUT_OVER);
    let (found, _) = look_at(of, inputs, &purpose).await?;
    in_doubt(of, inputs, &found)?;
    forget_look(&of.objects, inputs, &purpose)?;
    match found.plan.is_empty() {
        true => Ok(()),
        false => Err(still_written(inputs, &found)),
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
