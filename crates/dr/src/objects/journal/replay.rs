//! Journals read back, line by line, in memory that does not grow with them.
//!
//! A run is undone by the journal of the machine that ran it, which wrote every line there first. What the bucket has is
//! what anybody has put there who may write to it, and counts only where there is no other, and it has the digests of
//! the key at hand or somebody says so.

use std::fs::File;
use std::io::{BufReader, Read as _, Seek as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::super::bucket::Bucket;
use super::super::entry::ETag;
use super::super::location::JOURNAL;
use super::super::spool::Spool;
use super::super::spool::SpoolError;
use super::key::JournalKey;
use super::{Action, FILE, Intent, JournalError, LINE, LOCK, Record, Run};

mod collector;
mod copies;
mod lines;
mod parts;
mod resume;
mod verification;

use collector::Collector;
pub(in super::super) use copies::believed_copies;
use lines::{RecordSink, Text, read_file};
pub(super) use parts::names;
use parts::{Piece, parts};
use verification::{Vouched, verified};

/// Where the journal of a run was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JournalSource {
    /// On this machine, which ran it.
    Own,
    /// In the bucket alone, with the digests that the key at hand gives: who has the key wrote it.
    Verified,
    /// In the bucket alone: whoever may write there can have written it.
    #[default]
    Bucket,
}

/// What a run did to one object, as far as its journal tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct Change {
    /// What it meant to do.
    pub(in super::super) intent: Intent,
    /// What is known about the outcome.
    pub(in super::super) outcome: Outcome,
}

/// How a change ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) enum Outcome {
    /// Made; it left this version and ETag.
    Made {
        /// Version of the object or delete marker.
        after: Option<String>,
        /// ETag, without its quotation marks.
        etag: Option<ETag>,
    },
    /// It was tried and not made.
    NotMade,
    /// The run ended before it could tell.
    Unknown,
}

/// A batch job that a run has asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayedJob {
    /// What the run called it; its description ends with it.
    pub token: String,
    /// S3's id of it; `None` when the run ended before it could tell.
    pub id: Option<String>,
}

/// A run whose journal was read back.
#[derive(Debug)]
pub struct ReplayedRun {
    name: String,
    bucket: Bucket,
    journals: String,
    begun: Option<Run>,
    jobs: Vec<ReplayedJob>,
    ended: bool,
    alive: bool,
    source: JournalSource,
    other_key: Option<String>,
    bucket_differs: bool,
    /// Its changes, on disk.
    pub(in super::super) changes: Spool<Change>,
}

/// How the changes of one kind ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Ended {
    /// Made.
    pub made: u64,
    /// Tried, and not made.
    pub not_made: u64,
    /// The run ended before it could tell, or a batch job made it.
    pub unknown: u64,
}

/// What a run did, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RunSummary {
    /// Objects that were not there before.
    pub created: Ended,
    /// Objects that were.
    pub overwritten: Ended,
    /// Objects that got a delete marker.
    pub deleted: Ended,
}

impl ReplayedRun {
    /// Its name, as `sync` printed it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole bucket that it changed.
    pub fn bucket(&self) -> &Bucket {
        &self.bucket
    }

    /// Name of the bucket that has its journal, or would.
    pub fn journals(&self) -> &str {
        &self.journals
    }

    /// What it wrote down about itself; `None` when its first line is missing.
    pub fn begun(&self) -> Option<&Run> {
        self.begun.as_ref()
    }

    /// Where its journal was read.
    pub fn source(&self) -> JournalSource {
        self.source
    }

    /// The ID of the key by which a journal in the bucket has its digests, if that is not the key at hand.
    pub fn other_key(&self) -> Option<&str> {
        self.other_key.as_deref()
    }

    /// Whether the bucket has another journal of this run than the one of this machine, which was read.
    pub fn bucket_differs(&self) -> bool {
        self.bucket_differs
    }

    /// What it did, in numbers.
    ///
    /// # Errors
    /// When its changes cannot be read back from the disk.
    pub fn summary(&self) -> Result<RunSummary, SpoolError> {
        let mut summary = RunSummary::default();
        for change in self.changes.read()? {
            let Change { intent, outcome } = change?;
            let of = match intent.action {
                Action::Create => &mut summary.created,
                Action::Replace => &mut summary.overwritten,
                Action::Delete => &mut summary.deleted,
            };
            match outcome {
                Outcome::Made { .. } => of.made += 1,
                Outcome::NotMade => of.not_made += 1,
                Outcome::Unknown => of.unknown += 1,
            }
        }
        Ok(summary)
    }

    /// Batch jobs that it has asked for.
    pub fn jobs(&self) -> &[ReplayedJob] {
        &self.jobs
    }

    /// Whether it wrote its last line.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether it was under way on this machine when its journal was read.
    pub fn is_alive(&self) -> bool {
        self.alive
    }
}

/// Reads a journal, wherever it comes from.
#[cfg(feature = "fuzz")]
pub(in super::super) fn read_any(bytes: &[u8], directory: &Path) {
    let Ok(mut collector) = Collector::new(directory.join("changes.jsonl")) else {
        return;
    };
    let mut text = Text::new("any".to_owned(), false);
    let mut pieces = bytes.chunks(512);
    let fed = pieces.try_for_each(|piece| collector.feed(&mut text, piece));
    if fed.and_then(|()| collector.end(&mut text)).is_ok() {
        let _ = collector.finish();
    }
}

/// The journal of this machine beside what the bucket has, which ought to be its beginning.
struct Beside {
    own: BufReader<File>,
    differs: bool,
}

impl Beside {
    fn feed(&mut self, bytes: &[u8]) {
        if !self.differs {
            let mut own = vec![0; bytes.len()];
            self.differs = self.own.read_exact(&mut own).is_err() || own != bytes;
        }
    }
}

/// Reads the journal of `run`, which changed `bucket`: the one of this machine, else what `journals` has or, of an earlier
/// version, `bucket` itself, which is compared with the digests that `key` gives, if it has any. Its changes are kept in
/// `directory`.
///
/// # Errors
/// When there is none, it cannot be read, or something in the bucket does not fit its digest.
pub async fn replay(
    runs: &Path,
    bucket: &Bucket,
    journals: Option<&Bucket>,
    run: &str,
    key: &JournalKey,
    directory: &Path,
) -> Result<ReplayedRun, JournalError> {
    let mut journals = journals.unwrap_or(bucket);
    let place = format!("s3://{}/{JOURNAL}", journals.name());
    let absent = || JournalError::Absent {
        run: run.to_owned(),
        place: place.clone(),
    };
    // A name is no path to somewhere else.
    if run.is_empty() || run == "." || run == ".." || run.contains(['/', '\\']) {
        return Err(absent());
    }
    // Asked first: a run that ends while its journal is read has written lines that were not read.
    let alive = is_locked(&runs.join(run).join(LOCK));
    let mut collector = Collector::new(directory.join("changes.jsonl"))?;
    let path = runs.join(run).join(FILE);
    let mut other_key = None;
    let (source, bucket_differs) = match own(&path, bucket, &mut collector)? {
        Some(file) => {
            let mut beside = Beside {
                own: BufReader::new(file),
                differs: false,
            };
            parts(journals, run, |_, piece| {
                if let Piece::Bytes(bytes) = piece {
                    beside.feed(bytes);
                }
                Ok(())
            })
            .await?;
            (JournalSource::Own, beside.differs)
        }
        None => {
            let mut vouched = verified(journals, run, key, &mut collector).await?;
            if collector.lines == 0 && journals.name() != bucket.name() {
                journals = bucket;
                vouched = verified(journals, run, key, &mut collector).await?;
            }
            let source = match vouched {
                Some(Vouched::Key) => JournalSource::Verified,
                Some(Vouched::OtherKey(id)) => {
                    other_key = Some(id);
                    JournalSource::Bucket
                }
                Some(Vouched::Nobody) | None => JournalSource::Bucket,
            };
            (source, false)
        }
    };
    let of_bucket = format!("s3://{}/", bucket.name());
    let is_of_bucket = |run: &Run| run.destination.starts_with(&of_bucket);
    // One bucket may have the journals of runs that changed others.
    if collector.lines == 0 || !collector.begun.as_ref().is_none_or(is_of_bucket) {
        return Err(absent());
    }
    collector.finish()?;
    Ok(ReplayedRun {
        name: run.to_owned(),
        bucket: bucket.clone(),
        journals: journals.name().to_owned(),
        begun: collector.begun,
        jobs: collector.jobs,
        ended: collector.has_ended,
        alive,
        source,
        other_key,
        bucket_differs,
        changes: collector.changes,
    })
}

/// Reads the journal of this machine, if it has one of a run that changed `bucket`, and gives it back to be read
/// again.
fn own(
    path: &Path,
    bucket: &Bucket,
    collector: &mut Collector,
) -> Result<Option<File>, JournalError> {
    let failed = |source| JournalError::File {
        path: path.to_owned(),
        source,
    };
    let Ok(mut file) = File::open(path) else {
        return Ok(None);
    };
    let mut first = String::new();
    let read = files::read_line(&mut BufReader::new(&file), &mut first, LINE as u64);
    let of_bucket = format!("s3://{}/", bucket.name());
    match (read, serde_json::from_str(&first)) {
        (Ok(_), Ok(Record::Run(run))) if run.destination.starts_with(&of_bucket) => {}
        _ => return Ok(None),
    }
    file.rewind().map_err(failed)?;
    read_file(&mut file, path, collector)?;
    file.rewind().map_err(failed)?;
    Ok(Some(file))
}

/// Whether a run that is alive holds this lock.
pub(super) fn is_locked(lock: &Path) -> bool {
    File::open(lock).is_ok_and(|lock| lock.try_lock().is_err())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beside_differs_where_the_bucket_has_something_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE);
        std::fs::write(&path, "one\ntwo\nthree\n").unwrap();
        for (parts, differs) in [
            (&["one\n", "two\n"][..], false),
            (&["one\ntwo\nthree\n"], false),
            (&[], false),
            (&["uno\n"], true),
            (&["one\ntwo\nthree\n", "four\n"], true),
        ] {
            let mut beside = Beside {
                own: BufReader::new(File::open(&path).unwrap()),
                differs: false,
            };
            for part in parts {
                beside.feed(part.as_bytes());
            }
            assert_eq!(beside.differs, differs, "{parts:?}");
        }
    }
}
