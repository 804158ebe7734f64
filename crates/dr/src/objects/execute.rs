//! Does what was planned: copies first, then deletions, each written down before.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_env::Error;
use report::{Amount, Document, Mark, Observer, Report};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};

use super::bucket::Bucket;
use super::concurrency::ConcurrencyLimiter;
use super::copy::{Copied, Copier, CopyError, Expected, Order};
use super::deletion::{Deleted, Deletion, MOST, Target, delete};
use super::earlier::{Earlier, Taken};
use super::intercept::Unanswered;
use super::journal::{Action, Journal, JournalError, Record};
use super::plan::{Listed, Step, Tally, examples};
use super::recheck::{Rechecked, recheck};
use super::spool::SpoolError;
use super::under_way::UnderWay;

/// Copies that are written down at once. While they are made, the next ones are looked at.
const COPIES: usize = 250;
/// Rounds in which a copy that failed for want of an answer is tried again, beside the SDK's retries.
const ROUNDS: u32 = 4;
const BETWEEN_ROUNDS: Duration = Duration::from_millis(500);

/// Why a run ended before its steps.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    /// The journal cannot be kept; nothing that it does not hold was done.
    #[error("cannot keep the journal")]
    Journal(#[from] JournalError),
    /// The steps cannot be read.
    #[error("cannot read the plan")]
    Spool(#[from] SpoolError),
    /// A call failed.
    #[error("cannot read the destination")]
    Call(#[from] Error),
    /// The destination kept versions when the plan was approved and keeps none now.
    #[error("{bucket} keeps no versions any more")]
    Unversioned {
        /// The destination bucket.
        bucket: String,
    },
    /// A task ended without an answer.
    #[error("a copy ended without an answer")]
    Task(#[from] tokio::task::JoinError),
}

/// What a run did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// The run's name, for `undo`.
    pub run: String,
    /// Objects that were copied, new ones and overwritten ones.
    pub copied: Tally,
    /// Objects that got a delete marker.
    pub deleted: Tally,
    /// Not done, because somebody else has written there since it was listed.
    pub conflicts: Listed,
    /// Not done, because somebody else has written the same content there since it was listed: S3's replication,
    /// another run. It is not this run's, and its undo leaves it alone.
    pub already_there: Listed,
    /// Archived in the source.
    pub archived: Listed,
    /// Gone from the source since it was listed.
    pub source_deleted: Listed,
    /// Not done, because a call failed.
    pub failed: Listed,
    /// Deletions that were left out because something else failed.
    pub skipped_deletions: u64,
    /// The run was interrupted; the rest is for the next run.
    pub interrupted: bool,
}

impl Done {
    /// Whether everything was done that was planned.
    pub fn is_complete(&self) -> bool {
        let left = [&self.conflicts, &self.archived, &self.failed];
        !self.interrupted
            && self.skipped_deletions == 0
            && left.iter().all(|list| list.tally.objects == 0)
    }
}

impl Report for Done {
    const KIND: &'static str = "objects-run";

    fn document(&self) -> Document {
        let row = |mark, name: &str, objects: u64, bytes: u64| {
            (
                mark,
                vec![name.to_owned(), objects.to_string(), bytes.to_string()],
            )
        };
        let mut rows = vec![
            row(Mark::Ok, "copied", self.copied.objects, self.copied.bytes),
            row(
                Mark::Ok,
                "deleted",
                self.deleted.objects,
                self.deleted.bytes,
            ),
        ];
        let lists = [
            (Mark::Wrong, "failed", &self.failed),
            (
                Mark::Unknown,
                "written by somebody else meanwhile",
                &self.conflicts,
            ),
            (Mark::Unknown, "archived, not copyable", &self.archived),
            (
                Mark::Plain,
                "written by somebody else with the same content",
                &self.already_there,
            ),
            (
                Mark::Plain,
                "gone from the source meanwhile",
                &self.source_deleted,
            ),
        ];
        for (mark, name, listed) in lists {
            let tally = listed.tally;
            if tally.objects > 0 {
                rows.push(row(mark, name, tally.objects, tally.bytes));
            }
        }
        if self.skipped_deletions > 0 {
            rows.push(row(
                Mark::Unknown,
                "deletions left out",
                self.skipped_deletions,
                0,
            ));
        }
        let mut document = Document::new()
            .heading("Done")
            .table(["Objects", "Number", "Bytes"], rows);
        for (heading, listed) in [
            ("Failed", &self.failed),
            ("Written by somebody else meanwhile", &self.conflicts),
            ("Archived: restore these first", &self.archived),
        ] {
            document = examples(document, heading, listed);
        }
        if self.interrupted {
            document = document.text("Interrupted: run the same command again to finish.");
        }
        if self.copied.objects + self.deleted.objects > 0 {
            document = document.text(format!("Run {}", self.run));
        }
        document
    }
}

/// Everything that doing needs.
pub(super) struct Execution<'a> {
    pub(super) copier: Arc<Copier>,
    /// What is changed.
    pub(super) destination: &'a Bucket,
    /// Where changes are written down.
    pub(super) journal: Arc<Journal>,
    /// What the run has done before, where it goes on after a kill.
    pub(super) earlier: Earlier,
    /// Copies under way at once, at most.
    pub(super) concurrency: usize,
    /// Becomes true when the run is to end soon.
    pub(super) stop: watch::Receiver<bool>,
    pub(super) observer: &'a dyn Observer,
}

/// A step that has been looked at and written down.
struct Ready {
    step: Step,
    order: Order,
    expected: Expected,
    unanswered: Unanswered,
}

/// Steps that are not taken.
#[derive(Default)]
struct Left {
    /// Taken before the run was killed.
    copied: Tally,
    deleted: Tally,
    /// Somebody else has changed the destination since the plan was made.
    changed: Vec<Step>,
    /// S3 does not tell what is there.
    unreadable: Vec<(Step, String)>,
}

impl Left {
    fn record(self, done: &mut Done) {
        done.copied.merge(self.copied);
        done.deleted.merge(self.deleted);
        let size = |step: &Step| step.source.as_ref().map_or(0, |meta| meta.size);
        for step in self.changed {
            done.conflicts.add(&step.key, size(&step), None);
        }
        for (step, why) in self.unreadable {
            done.failed.add(&step.key, size(&step), Some(&why));
        }
    }
}

impl Execution<'_> {
    /// One event for each step that was taken.
    fn applied(&self, step: &'static str, key: &str) {
        applied(self.destination, step, key);
    }

    fn stopping(&self) -> bool {
        *self.stop.borrow()
    }

    /// Makes copies; `total` is for the progress only.
    ///
    /// # Errors
    /// When the journal, the plan or the destination fail. A copy that fails is in the result.
    pub(super) async fn copy(
        &self,
        steps: impl Iterator<Item = Result<Step, SpoolError>> + Send,
        total: Tally,
        done: &mut Done,
    ) -> Result<(), ExecuteError> {
        let (sender, receiver) = mpsc::channel::<Ready>(self.concurrency.max(COPIES));
        let (left, copied) = tokio::join!(
            self.prepare(steps, sender),
            self.make(receiver, total, done)
        );
        copied?;
        left?.record(done);
        done.interrupted |= self.stopping();
        Ok(())
    }

    /// Looks at what will be overwritten, writes it down, and hands it on. Returns what is left as it is.
    async fn prepare(
        &self,
        steps: impl Iterator<Item = Result<Step, SpoolError>> + Send,
        sender: mpsc::Sender<Ready>,
    ) -> Result<Left, ExecuteError> {
        let mut left = Left::default();
        let mut steps = steps;
        loop {
            let batch: Vec<Step> = steps.by_ref().take(COPIES).collect::<Result<_, _>>()?;
            if batch.is_empty() || self.stopping() {
                return Ok(left);
            }
            let batch = self.not_taken(batch, &mut left);
            let batch = self.recheck(batch, &mut left).await?;
            if batch.is_empty() {
                continue;
            }
            let records: Vec<Record> = batch
                .iter()
                .map(|step| step.intent(self.destination))
                .collect();
            self.journal.append_intents(&records).await?;
            for step in batch {
                let Some(source) = step.source.clone() else {
                    continue;
                };
                let ready = Ready {
                    order: Order {
                        key: step.key.clone(),
                        to: step.key.clone(),
                        version: None,
                        etag: source.etag,
                        size: source.size,
                        class: source.class,
                    },
                    expected: match &step.destination {
                        Some(meta) => Expected::Object(meta.etag.clone(), step.version.clone()),
                        None => Expected::Absent,
                    },
                    step,
                    unanswered: Unanswered::default(),
                };
                if sender.send(ready).await.is_err() {
                    return Ok(left);
                }
            }
        }
    }

    /// Takes out what the run has done before.
    fn not_taken(&self, batch: Vec<Step>, left: &mut Left) -> Vec<Step> {
        let mut rest = Vec::with_capacity(batch.len());
        for step in batch {
            match self.earlier.of(&self.destination.key(&step.key)) {
                None => rest.push(step),
                Some(Taken::Unknown(why)) => left.unreadable.push((step, why.to_owned())),
                Some(Taken::Made) => {
                    let (tally, meta) = match step.action {
                        Action::Delete => (&mut left.deleted, &step.destination),
                        Action::Create | Action::Replace => (&mut left.copied, &step.source),
                    };
                    tally.add(meta.as_ref().map_or(0, |meta| meta.size));
                }
            }
        }
        rest
    }

    /// Takes out what is not any more as it was listed. A copy to an empty place is looked at by S3, on the
    /// condition that comes with it.
    async fn recheck(&self, batch: Vec<Step>, left: &mut Left) -> Result<Vec<Step>, Error> {
        let rechecked = recheck(self.destination, batch, |step| {
            step.destination.is_some() && !step.observed
        })
        .await?;
        let mut same = Vec::with_capacity(rechecked.len());
        for (step, rechecked) in rechecked {
            match rechecked {
                Rechecked::Same => same.push(step),
                Rechecked::Changed => left.changed.push(step),
                Rechecked::Unreadable(why) => left.unreadable.push((step, why)),
            }
        }
        Ok(same)
    }

    async fn make(
        &self,
        mut receiver: mpsc::Receiver<Ready>,
        total: Tally,
        done: &mut Done,
    ) -> Result<(), ExecuteError> {
        let started = Instant::now();
        let mut limiter = ConcurrencyLimiter::new(self.concurrency);
        let mut copies = UnderWay::new();
        loop {
            // What still comes then is let go, however much is under way.
            let limit = match self.stopping() {
                true => usize::MAX,
                false => limiter.limit(),
            };
            let begin = |ready| {
                (!self.stopping())
                    .then(|| copy_one(self.copier.clone(), self.journal.clone(), ready))
            };
            let Some(ended) = copies.next(&mut receiver, limit, begin).await else {
                return Ok(());
            };
            let (ready, outcome) = ended?;
            limiter.ended(started.elapsed(), self.destination.refusals());
            self.ended(&ready, outcome, done)?;
            self.observer.advanced(
                "copy",
                Amount {
                    objects: done.copied.objects,
                    bytes: done.copied.bytes,
                },
                Amount {
                    objects: total.objects,
                    bytes: total.bytes,
                },
            );
        }
    }

    fn ended(
        &self,
        Ready {
            step, unanswered, ..
        }: &Ready,
        outcome: Result<Copied, CopyError>,
        done: &mut Done,
    ) -> Result<(), JournalError> {
        let key = self.destination.key(&step.key);
        let size = step.source.as_ref().map_or(0, |meta| meta.size);
        let error = match outcome {
            Ok(copied) => {
                done.copied.add(copied.size);
                self.applied("copy", &key);
                return self.journal.append_outcome(&Record::Done {
                    key,
                    after: copied.version,
                    etag: copied.etag,
                    from: Some(copied.from),
                });
            }
            Err(CopyError::Journal(error)) => return Err(error),
            Err(error) => error,
        };
        let problem = cause(&error);
        let list = match &error {
            CopyError::SourceGone => &mut done.source_deleted,
            CopyError::DestinationChanged => &mut done.conflicts,
            CopyError::AlreadyThere => &mut done.already_there,
            CopyError::Archived => &mut done.archived,
            _ => &mut done.failed,
        };
        list.add(&step.key, size, Some(&problem));
        // Without an answer it is not known whether the object was copied.
        let not_known = match &error {
            CopyError::Call(error) => error.is_transient() || unanswered.any(),
            CopyError::Undetermined => true,
            _ => false,
        };
        if not_known {
            return Ok(());
        }
        self.journal
            .append_outcome(&Record::Failed { key, problem })
    }

    /// Puts delete markers on what only the destination has.
    ///
    /// # Errors
    /// When the journal, the plan or the destination fail.
    pub(super) async fn delete(
        &self,
        steps: impl Iterator<Item = Result<Step, SpoolError>> + Send,
        done: &mut Done,
    ) -> Result<(), ExecuteError> {
        let mut steps = steps;
        loop {
            let batch: Vec<Step> = steps.by_ref().take(MOST).collect::<Result<_, _>>()?;
            if batch.is_empty() {
                return Ok(());
            }
            if self.stopping() {
                done.interrupted = true;
                return Ok(());
            }
            let mut left = Left::default();
            let batch = self.not_taken(batch, &mut left);
            let batch = self.recheck(batch, &mut left).await?;
            left.record(done);
            if batch.is_empty() {
                continue;
            }
            let records: Vec<Record> = batch
                .iter()
                .map(|step| step.intent(self.destination))
                .collect();
            self.journal.append_intents(&records).await?;
            self.delete_batch(&batch, done).await?;
        }
    }

    async fn delete_batch(&self, batch: &[Step], done: &mut Done) -> Result<(), ExecuteError> {
        let targets: Vec<Target> = batch
            .iter()
            .filter_map(|step| {
                Some(Target {
                    key: self.destination.key(&step.key),
                    source_key: Some(self.copier.source().key(&step.key)),
                    etag: step.destination.as_ref()?.etag.clone(),
                    version: step.version.clone(),
                })
            })
            .collect();
        let of = Deletion {
            bucket: self.destination,
            source: Some(self.copier.source()),
        };
        let outcomes = delete(of, &targets).await?;
        for ((step, target), outcome) in batch.iter().zip(targets).zip(outcomes) {
            let size = step.destination.as_ref().map_or(0, |meta| meta.size);
            let key = target.key;
            let (list, problem) = match outcome {
                Deleted::Made(after) => {
                    done.deleted.add(size);
                    self.applied("delete", &key);
                    self.journal.append_outcome(&Record::Done {
                        key,
                        after,
                        etag: None,
                        from: None,
                    })?;
                    continue;
                }
                Deleted::Conflict => (&mut done.conflicts, "PreconditionFailed".to_owned()),
                Deleted::Refused(code) => (&mut done.failed, code),
            };
            list.add(&step.key, size, Some(&problem));
            self.journal
                .append_outcome(&Record::Failed { key, problem })?;
        }
        Ok(())
    }
}

/// Tells that a step was taken for an object of `bucket`.
pub(super) fn applied(bucket: &Bucket, step: &'static str, key: &str) {
    let region = bucket.region().as_str();
    tracing::info!(
        region,
        resource = format!("s3://{}/{key}", bucket.name()),
        step,
        "applied"
    );
}

/// The cause that says something.
fn cause(error: &CopyError) -> String {
    match error {
        CopyError::Call(error) => error.to_string(),
        error => error.to_string(),
    }
}

async fn copy_one(
    copier: Arc<Copier>,
    journal: Arc<Journal>,
    ready: Ready,
) -> (Ready, Result<Copied, CopyError>) {
    let mut round = 1;
    loop {
        let outcome = copier
            .copy(&ready.order, &ready.expected, &journal, &ready.unanswered)
            .await;
        let again = matches!(&outcome, Err(CopyError::Call(error)) if error.is_transient());
        if !again || round >= ROUNDS {
            return (ready, outcome);
        }
        tokio::time::sleep(BETWEEN_ROUNDS * round).await;
        round += 1;
    }
}
