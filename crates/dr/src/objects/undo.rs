//! Puts a destination back as a run found it.
//!
//! Nothing is removed for good: what the run created gets a delete marker, what it overwrote is copied
//! forward from the old version, and a delete marker that it left is taken away. What somebody else has
//! written since stays as it is.
//!
//! An undo is a plan that has to be approved, as a sync is. A run that may still write is not undone at all: what
//! is put back would be overwritten again.

pub(super) mod decision;
pub(super) mod origin;

use std::path::Path;

use aws_env::Error;
use futures::StreamExt as _;
use report::{Document, Mark, Observer, Report};
use serde::{Deserialize, Serialize};

use decision::{Found, Step, Work, decide};
use origin::{Origin, whose};

use super::batch::{JobControl, JobState, unfinished_jobs};
use super::bucket::Bucket;
use super::compare::Detail;
use super::content::VersionOf;
use super::copy::{Copier, CopyError, Expected, Order};
use super::deletion::{Deleted, Deletion, Target, delete};
use super::entry::ETag;
use super::execute::applied;
use super::intercept::Unanswered;
use super::journal::{
    Action, Intent, Journal, JournalError, JournalSource, Record, ReplayedRun, Run,
};
use super::location::JOURNAL;
use super::plan::{Listed, Tally, examples};
use super::spool::{Spool, SpoolError};
use super::sync::ApplyOptions;
use super::versions::versions;

/// Keys that are looked at at once.
const AT_ONCE: usize = 32;
/// Steps that are written down at once.
const BATCH: usize = 1_000;

/// What undoing a run would do, in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndoPlan {
    /// Name of the run that is to be undone.
    pub run: String,
    /// Where its journal was read.
    pub journal: JournalSource,
    /// Whether the journal has its last line. That of a run that was killed has none; nor has one in the bucket whose
    /// last objects somebody has removed.
    pub journal_ended: bool,
    /// Deleted objects that come back.
    pub revive: Tally,
    /// Overwritten objects that come back.
    pub restore: Tally,
    /// Created objects that get a delete marker.
    pub remove: Tally,
    /// Changes that the run did not get to, or that are undone already.
    pub nothing: Tally,
    /// Written by somebody else since; left as they are.
    pub conflicts: Listed,
    /// The old version is gone, or the bucket keeps none.
    pub impossible: Listed,
}

/// A plan, and the file with its steps. [`PlannedUndo::approve`] makes it one that can be carried out.
#[derive(Debug)]
pub struct PlannedUndo {
    plan: UndoPlan,
    bucket: Bucket,
    /// Name of the bucket that has the journal.
    journals: String,
    other_key: Option<String>,
    keeps_versions: bool,
    origin: Option<Origin>,
    steps: Spool<Step>,
}

impl PlannedUndo {
    /// What was planned, in numbers and some examples.
    pub fn plan(&self) -> &UndoPlan {
        &self.plan
    }

    /// Lets the plan pass.
    ///
    /// # Errors
    /// When its journal is in the bucket alone, no digest vouches for it and `trust` is not for such a one, or the bucket
    /// keeps no versions: what is put back would remove something else for good.
    pub fn approve(self, trust: JournalTrust) -> Result<ApprovedUndo, UndoRefusal> {
        if self.plan.journal == JournalSource::Bucket && trust == JournalTrust::Own {
            return Err(UndoRefusal::Untrusted {
                place: format!("s3://{}/{JOURNAL}{}/", self.journals, self.plan.run),
                run: self.plan.run,
                other_key: self.other_key,
            });
        }
        if self.keeps_versions {
            Ok(ApprovedUndo(self))
        } else {
            Err(UndoRefusal::Unversioned {
                bucket: self.bucket.name().to_owned(),
            })
        }
    }
}

/// Which journals may decide what is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalTrust {
    /// That of this machine, which ran the run, and one in the bucket with the digests of the key at hand.
    Own,
    /// Also one that is in the bucket alone, without them. Whoever may write there can have planted it, and with it choose what an
    /// undo removes and overwrites: somebody has looked at the plan.
    Bucket,
}

/// An undo that the guard has let pass. Nothing else can be carried out:
///
/// ```no_run
/// # use dr::objects::{ApplyOptions, JournalTrust, PlannedUndo, Run, undo};
/// # async fn f(planned: PlannedUndo, run: Run, options: ApplyOptions) {
/// let approved = planned.approve(JournalTrust::Own).expect("refused");
/// let undone = undo(approved, &run, &options, &report::Silent).await;
/// # }
/// ```
///
/// ```compile_fail,E0308
/// # use dr::objects::{ApplyOptions, PlannedUndo, Run, undo};
/// # async fn f(planned: PlannedUndo, run: Run, options: ApplyOptions) {
/// let undone = undo(planned, &run, &options, &report::Silent).await;
/// # }
/// ```
#[derive(Debug)]
pub struct ApprovedUndo(PlannedUndo);

/// Why a run is not undone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UndoRefusal {
    /// It is under way on this machine.
    #[error("run {run} is under way on this machine")]
    UnderWay {
        /// Name of the run that is to be undone.
        run: String,
    },
    /// Some of its batch jobs may still write.
    #[error("batch jobs of run {run} have not ended: {}", states(jobs))]
    JobsUnfinished {
        /// Name of the run that is to be undone.
        run: String,
        /// Those jobs, as far as S3 tells about them.
        jobs: Vec<JobState>,
    },
    /// Its journal is in the bucket alone.
    #[error(
        "the journal of run {run} is in {place} alone, where whoever may write to the bucket can have put it"
    )]
    Untrusted {
        /// Name of the run that is to be undone.
        run: String,
        /// Where its journal is.
        place: String,
        /// ID of the key by which it has digests, if it has any.
        other_key: Option<String>,
    },
    /// Putting something back would remove what is there for good.
    #[error("{bucket} keeps no versions now")]
    Unversioned {
        /// Name of the bucket.
        bucket: String,
    },
}

fn states(jobs: &[JobState]) -> String {
    let states: Vec<String> = jobs
        .iter()
        .map(|job| format!("{} is {}", job.id, job.status))
        .collect();
    states.join(", ")
}

/// Why nothing more was undone.
#[derive(Debug, thiserror::Error)]
pub enum UndoError {
    /// It must not be.
    #[error("{0}")]
    Refused(UndoRefusal),
    /// The run has made batch jobs, and there is no way to ask about them.
    #[error("whether the batch jobs of run {run} have ended is not known")]
    JobsUnknown {
        /// Name of the run that is to be undone.
        run: String,
    },
    /// S3 does not tell whether the run's batch jobs have ended.
    #[error("whether the run's batch jobs have ended is not known")]
    Jobs(#[source] Error),
    /// A call failed.
    #[error("cannot read the versions")]
    Call(#[from] Error),
    /// The journal cannot be kept.
    #[error("cannot keep the journal")]
    Journal(#[from] JournalError),
    /// The steps cannot be kept or read.
    #[error("cannot keep the plan")]
    Spool(#[from] SpoolError),
}

impl UndoPlan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.revive.objects + self.restore.objects + self.remove.objects == 0
    }

    /// Counts what was found out about a key; returns what is to be done.
    fn add(&mut self, key: &str, found: Found) -> Option<Step> {
        match found {
            Found::Nothing => self.nothing.add(0),
            Found::Conflict | Found::IfAsBefore { .. } => self.conflicts.add(key, 0, None),
            Found::IfContent(_) => {
                let why = "its content was not compared";
                self.impossible.add(key, 0, Some(why));
            }
            Found::Impossible(why) => self.impossible.add(key, 0, Some(why)),
            Found::Step(step) => {
                let tally = match step.work {
                    Work::Revive => &mut self.revive,
                    Work::Restore { .. } => &mut self.restore,
                    Work::Remove { .. } => &mut self.remove,
                };
                tally.add(0);
                return Some(step);
            }
        }
        None
    }
}

impl Report for UndoPlan {
    const KIND: &'static str = "undo-plan";

    fn document(&self) -> Document {
        let row =
            |mark, name: &str, objects: u64| (mark, vec![name.to_owned(), objects.to_string()]);
        let mut rows = vec![
            row(Mark::Plain, "deleted, will be back", self.revive.objects),
            row(
                Mark::Plain,
                "overwritten, will be as before",
                self.restore.objects,
            ),
            row(Mark::Plain, "created, will be gone", self.remove.objects),
            row(Mark::Plain, "nothing to undo", self.nothing.objects),
        ];
        for (name, listed) in [
            (
                "written by somebody else since, left alone",
                &self.conflicts,
            ),
            ("cannot be undone", &self.impossible),
        ] {
            if listed.tally.objects > 0 {
                rows.push(row(Mark::Unknown, name, listed.tally.objects));
            }
        }
        let document = Document::new()
            .heading(format!("Undo of run {}", self.run))
            .table(["Objects", "Number"], rows);
        let document = match self.journal {
            JournalSource::Own => document,
            JournalSource::Verified if self.journal_ended => {
                document.text("The journal of the run is in the bucket alone, and its digests fit.")
            }
            JournalSource::Verified => document.text(
                "The journal of the run is in the bucket alone. Its digests fit, and it has no end: the run was killed, or somebody has removed the last objects of its journal.",
            ),
            JournalSource::Bucket => document.text(
                "The journal of the run is in the bucket alone, where whoever may write to it can have put it.",
            ),
        };
        let document = examples(document, "Written by somebody else since", &self.conflicts);
        examples(document, "Cannot be undone", &self.impossible)
    }
}

/// What undoing did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undone {
    /// The run that undid; it can be undone in turn.
    pub run: String,
    /// Objects that were put back.
    pub undone: Tally,
    /// Not put back.
    pub failed: Listed,
}

impl Undone {
    /// Counts how a step ended; returns what the journal says of it, which is nothing where that is not known.
    fn add(&mut self, step: &Step, outcome: Result<Left, CopyError>) -> Option<Record> {
        let key = step.key.clone();
        match outcome {
            Ok((after, etag)) => {
                self.undone.add(0);
                Some(Record::Done {
                    key,
                    after,
                    etag,
                    from: None,
                })
            }
            Err(error) => {
                let problem = error.to_string();
                self.failed.add(&key, 0, Some(&problem));
                let is_known = match &error {
                    CopyError::Call(error) => !error.is_transient(),
                    error => !matches!(error, CopyError::Undetermined),
                };
                is_known.then_some(Record::Failed { key, problem })
            }
        }
    }
}

/// The version that is current after a step, and its ETag.
type Left = (Option<String>, Option<ETag>);

impl Report for Undone {
    const KIND: &'static str = "undo";

    fn document(&self) -> Document {
        let mut rows = vec![(
            Mark::Ok,
            vec!["put back".to_owned(), self.undone.objects.to_string()],
        )];
        if self.failed.tally.objects > 0 {
            let number = self.failed.tally.objects.to_string();
            rows.push((Mark::Wrong, vec!["failed".to_owned(), number]));
        }
        let document = Document::new()
            .heading("Undone")
            .table(["Objects", "Number"], rows);
        examples(document, "Failed", &self.failed).text(format!("Run {}", self.run))
    }
}

/// Finds out what undoing a run would do; steps are kept in `directory`. `control` is where the run's batch jobs
/// are, and needed when it has made any. `source` is what the run copied from, where that can be reached: of what a killed
/// run may have written under a KMS key, only its content tells whose it is.
///
/// # Errors
/// When the run may still write, the bucket does not tell, or the steps cannot be kept.
pub async fn plan_undo(
    replayed: &ReplayedRun,
    control: Option<&JobControl>,
    source: Option<&Bucket>,
    directory: &Path,
) -> Result<PlannedUndo, UndoError> {
    // Before anything else: the versions of each key cost a call, and would be others a moment later.
    refuse_while_it_writes(replayed, control).await?;
    let bucket = replayed.bucket();
    let mut plan = UndoPlan {
        run: replayed.name().to_owned(),
        journal: replayed.source(),
        journal_ended: replayed.has_ended(),
        ..UndoPlan::default()
    };
    let keeps_versions = bucket.keeps_versions().await?;
    let origin = Origin::of(replayed, source).await;
    let from = origin.as_ref();
    let steps = Spool::create(directory.join("undo.jsonl"))?;
    let mut batch = Vec::new();
    let mut decided = futures::stream::iter(replayed.changes.read()?)
        .map(|change| async move {
            let change = change?;
            let versions = versions(bucket, &change.intent.key).await?;
            let found = whose(&change, decide(&change, &versions), bucket, from).await?;
            Ok::<_, UndoError>((change.intent.key, found))
        })
        .buffered(AT_ONCE);
    while let Some(decided) = decided.next().await {
        let (key, found) = decided?;
        batch.extend(plan.add(&key, found));
        if batch.len() >= BATCH {
            steps.write(&batch)?;
            batch.clear();
        }
    }
    steps.write(&batch)?;
    drop(decided);
    Ok(PlannedUndo {
        plan,
        bucket: bucket.clone(),
        journals: replayed.journals().to_owned(),
        other_key: replayed.other_key().map(str::to_owned),
        keeps_versions,
        origin,
        steps,
    })
}

/// What is put back while the run goes on would be overwritten again.
async fn refuse_while_it_writes(
    replayed: &ReplayedRun,
    control: Option<&JobControl>,
) -> Result<(), UndoError> {
    let run = replayed.name().to_owned();
    if replayed.is_alive() {
        return Err(UndoError::Refused(UndoRefusal::UnderWay { run }));
    }
    if replayed.jobs().is_empty() {
        return Ok(());
    }
    // Not known is not ended.
    let Some(control) = control else {
        return Err(UndoError::JobsUnknown { run });
    };
    let jobs = unfinished_jobs(replayed.bucket(), replayed.jobs(), control)
        .await
        .map_err(UndoError::Jobs)?;
    if jobs.is_empty() {
        Ok(())
    } else {
        Err(UndoError::Refused(UndoRefusal::JobsUnfinished {
            run,
            jobs,
        }))
    }
}

/// Undoes what was approved, with a journal of its own.
///
/// # Errors
/// When the bucket keeps no versions by now, and when the journal cannot be kept. A step that fails is in the
/// result.
pub async fn undo(
    approved: ApprovedUndo,
    run: &Run,
    options: &ApplyOptions,
    observer: &dyn Observer,
) -> Result<Undone, UndoError> {
    let ApprovedUndo(PlannedUndo {
        plan,
        bucket,
        origin,
        steps,
        ..
    }) = approved;
    if !bucket.keeps_versions().await? {
        return Err(UndoError::Refused(UndoRefusal::Unversioned {
            bucket: bucket.name().to_owned(),
        }));
    }
    let journals = options.journals.as_ref().unwrap_or(&bucket);
    let journal = Journal::begin(&options.runs, journals, run, &options.journal_key)?;
    let copier = Copier::new(
        bucket.clone(),
        bucket.clone(),
        options.kms_key.clone(),
        options.concurrency,
    );
    let mut undone = Undone {
        run: run.run.clone(),
        ..Undone::default()
    };
    let amount = |objects| report::Amount { objects, bytes: 0 };
    let total = plan.revive.objects + plan.restore.objects + plan.remove.objects;
    let mut steps = steps.read()?;
    loop {
        let batch: Vec<Step> = steps.by_ref().take(BATCH).collect::<Result<_, _>>()?;
        if batch.is_empty() {
            break;
        }
        let records: Vec<Record> = batch.iter().map(intent).collect();
        journal.append_intents(&records).await?;
        let (bucket, copier, journal) = (&bucket, &copier, &journal);
        let origin = origin.as_ref();
        let mut running = futures::stream::iter(&batch)
            .map(|step| async move {
                let outcome = perform(step, (bucket, origin), copier, journal).await;
                (step, outcome)
            })
            .buffer_unordered(AT_ONCE.min(options.concurrency.max(1)));
        while let Some((step, outcome)) = running.next().await {
            if outcome.is_ok() {
                applied(bucket, step.work.name(), &step.key);
            }
            if let Some(record) = undone.add(step, outcome) {
                journal.append_outcome(&record)?;
            }
            observer.advanced("undo", amount(undone.undone.objects), amount(total));
        }
    }
    let complete = undone.failed.tally.objects == 0;
    journal.end(complete).await?;
    Ok(undone)
}

fn intent(step: &Step) -> Record {
    let (action, etag, before) = match &step.work {
        Work::Revive => (Action::Create, None, None),
        Work::Restore { .. } => (Action::Replace, None, Some(step.current.clone())),
        Work::Remove { .. } => (Action::Delete, None, Some(step.current.clone())),
    };
    Record::Intent(Intent {
        key: step.key.clone(),
        action,
        etag,
        size: None,
        before,
    })
}

async fn perform(
    step: &Step,
    (bucket, origin): (&Bucket, Option<&Origin>),
    copier: &Copier,
    journal: &Journal,
) -> Result<Left, CopyError> {
    let key = &step.key;
    match &step.work {
        Work::Revive => {
            bucket
                .s3
                .delete_object()
                .bucket(bucket.name())
                .key(key)
                .version_id(&step.current)
                .send()
                .await
                .map_err(|error| bucket.call("DeleteObject", key).failed(error))?;
            let there = bucket.detail(key).await?.ok_or(CopyError::SourceGone)?;
            Ok((there.version, Some(there.etag)))
        }
        Work::Remove { etag } => {
            is_no_replica(bucket, key, &step.current).await?;
            let target = Target {
                key: key.clone(),
                source_key: origin.and_then(|origin| origin.source_key(key)),
                etag: etag.clone(),
                version: Some(step.current.clone()),
            };
            let of = Deletion {
                bucket,
                source: origin.map(|origin| &origin.source),
            };
            match delete(of, &[target]).await?.pop() {
                Some(Deleted::Made(marker)) => Ok((marker, None)),
                Some(Deleted::Refused(code)) => Err(CopyError::Refused(code)),
                Some(Deleted::Conflict) | None => Err(CopyError::DestinationChanged),
            }
        }
        Work::Restore { version } => {
            let head = bucket.head(key, Some(version)).await?;
            let old = super::bucket::detail(&head.ok_or(CopyError::SourceGone)?);
            let now = is_no_replica(bucket, key, &step.current).await?;
            let order = Order {
                key: key.clone(),
                to: key.clone(),
                version: Some(version.clone()),
                etag: old.etag,
                size: old.size,
                class: old.class,
            };
            let expected = Expected::Object(now.etag, Some(step.current.clone()));
            let copied = copier
                .copy(&order, &expected, journal, &Unanswered::default())
                .await?;
            Ok((copied.version, copied.etag))
        }
    }
}

/// That `version` is current, and was not written by S3's replication, whatever a journal says.
async fn is_no_replica(bucket: &Bucket, key: &str, version: &str) -> Result<Detail, CopyError> {
    let now = VersionOf::current(bucket, key).seen().await?;
    let (now, is_replica) = now.ok_or(CopyError::DestinationChanged)?;
    if is_replica || now.version.as_deref() != Some(version) {
        return Err(CopyError::DestinationChanged);
    }
    Ok(now)
}
