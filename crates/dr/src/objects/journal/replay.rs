//! Journals read back, line by line, in memory that does not grow with them.
//!
//! A run is undone by the journal of the machine that ran it, which wrote every line there first. What the bucket has is
//! what anybody has put there who may write to it, and counts only where there is no other, and it has the digests of
//! the key at hand or somebody says so.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{BufReader, Read as _, Seek as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::super::bucket::Bucket;
use super::super::entry::ETag;
use super::super::location::JOURNAL;
use super::super::spool::Spool;
use super::super::spool::SpoolError;
use super::key::JournalKey;
use super::{Action, FILE, Intent, JournalError, LINE, LOCK, Record, Run};

mod copies;
mod parts;
mod resume;
mod verification;

pub(in super::super) use copies::believed_copies;
pub(super) use parts::names;
use parts::{Piece, parts};
use verification::{Vouched, verified};

/// Intents that may be without an outcome yet. A run writes some hundred steps ahead of those that are queued and
/// under way, at most 4,096 each, so that an outcome comes before so many more intents.
const WINDOW: usize = 10_000;
/// Changes that are written at once.
const BATCH: usize = 1_000;
/// Batch jobs of one run: one for each storage class and manifest.
const JOBS: usize = 10_000;

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

/// Takes the lines of a journal as they come.
trait RecordSink {
    fn take(&mut self, place: &str, record: Record) -> Result<(), JournalError>;

    /// Takes the next bytes of a journal.
    fn feed(&mut self, text: &mut Text, mut bytes: &[u8]) -> Result<(), JournalError> {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = bytes.split_at(end);
            text.extend(line)?;
            self.line(text)?;
            bytes = rest.get(1..).unwrap_or_default();
        }
        text.extend(bytes)
    }

    /// Takes the line that `text` has come to, and makes room for the next.
    fn line(&mut self, text: &mut Text) -> Result<(), JournalError> {
        let record = serde_json::from_slice(&text.rest);
        text.rest.clear();
        text.line += 1;
        match record {
            Ok(record) => self.take(&text.place, record),
            // A run that was killed may leave half a line.
            Err(_) if !text.whole => Ok(()),
            Err(source) => Err(JournalError::Line {
                place: text.place.clone(),
                line: text.line,
                source,
            }),
        }
    }

    /// Takes the last line, which may lack its end.
    fn end(&mut self, text: &mut Text) -> Result<(), JournalError> {
        match text.rest.is_empty() {
            true => Ok(()),
            false => self.line(text),
        }
    }
}

/// Puts lines together as they come.
struct Collector {
    begun: Option<Run>,
    jobs: Vec<ReplayedJob>,
    has_ended: bool,
    changes: Spool<Change>,
    /// Intents without an outcome, each with its number.
    open: HashMap<String, (usize, Intent)>,
    /// The numbers and keys of the last intents. A run that goes on after a kill may have two for one key.
    window: VecDeque<(usize, String)>,
    ready: Vec<Change>,
    lines: usize,
}

impl Collector {
    fn new(changes: PathBuf) -> Result<Self, JournalError> {
        Ok(Self {
            begun: None,
            jobs: Vec::new(),
            has_ended: false,
            changes: Spool::create(changes)?,
            open: HashMap::new(),
            window: VecDeque::new(),
            ready: Vec::new(),
            lines: 0,
        })
    }

    fn give_up_oldest(&mut self) -> Result<(), JournalError> {
        let Some((number, key)) = self.window.pop_front() else {
            return Ok(());
        };
        match self.open.entry(key) {
            Entry::Occupied(open) if open.get().0 == number => {
                let (_, intent) = open.remove();
                self.known(intent, Outcome::Unknown)
            }
            _ => Ok(()),
        }
    }

    fn ended(&mut self, place: &str, key: String, outcome: Outcome) -> Result<(), JournalError> {
        match self.open.remove(&key) {
            Some((_, intent)) => self.known(intent, outcome),
            None => Err(JournalError::Stray {
                place: place.to_owned(),
                key,
            }),
        }
    }

    fn known(&mut self, intent: Intent, outcome: Outcome) -> Result<(), JournalError> {
        self.ready.push(Change { intent, outcome });
        if self.ready.len() >= BATCH {
            self.changes.write(&self.ready)?;
            self.ready.clear();
        }
        Ok(())
    }

    /// Writes what is left: nothing more will be told about it.
    fn finish(&mut self) -> Result<(), JournalError> {
        while !self.window.is_empty() {
            self.give_up_oldest()?;
        }
        self.changes.write(&self.ready)?;
        self.ready.clear();
        Ok(())
    }
}

impl RecordSink for Collector {
    fn take(&mut self, place: &str, record: Record) -> Result<(), JournalError> {
        self.lines += 1;
        match record {
            Record::Run(run) => self.begun = Some(run),
            Record::Intent(intent) => {
                if self.window.len() >= WINDOW {
                    self.give_up_oldest()?;
                }
                self.window.push_back((self.lines, intent.key.clone()));
                self.open.insert(intent.key.clone(), (self.lines, intent));
            }
            Record::Done {
                key, after, etag, ..
            } => {
                self.ended(place, key, Outcome::Made { after, etag })?;
            }
            Record::Failed { key, .. } => self.ended(place, key, Outcome::NotMade)?,
            Record::JobRequested { .. } if self.jobs.len() >= JOBS => {
                return Err(JournalError::TooManyJobs {
                    place: place.to_owned(),
                    limit: JOBS,
                });
            }
            Record::JobRequested { token } => self.jobs.push(ReplayedJob { token, id: None }),
            Record::Job { token, id } => {
                let mut jobs = self.jobs.iter_mut();
                if let Some(job) = jobs.find(|job| job.token == token) {
                    job.id = Some(id);
                }
            }
            // About these only the next run on the same machine wants to know.
            Record::Upload { .. } | Record::UploadEnd { .. } => {}
            Record::End { .. } => self.has_ended = true,
        }
        Ok(())
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

/// A journal, or an object of it, on its way to lines.
struct Text {
    /// File or key.
    place: String,
    /// Whether every line has to be one of a journal.
    whole: bool,
    /// Lines so far.
    line: usize,
    /// The beginning of the next one.
    rest: Vec<u8>,
}

impl Text {
    fn new(place: String, whole: bool) -> Self {
        Self {
            place,
            whole,
            line: 0,
            rest: Vec::new(),
        }
    }

    fn extend(&mut self, bytes: &[u8]) -> Result<(), JournalError> {
        if self.rest.len() + bytes.len() > LINE {
            return Err(JournalError::TooLong {
                place: self.place.clone(),
                line: self.line + 1,
                limit: LINE,
            });
        }
        self.rest.extend_from_slice(bytes);
        Ok(())
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

/// Reads a journal of this machine.
fn read_file(file: &mut File, path: &Path, sink: &mut impl RecordSink) -> Result<(), JournalError> {
    let mut text = Text::new(path.display().to_string(), false);
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = file
            .read(&mut buffer)
            .map_err(|source| JournalError::File {
                path: path.to_owned(),
                source,
            })?;
        match buffer.get(..read) {
            Some([]) | None => return sink.end(&mut text),
            Some(bytes) => sink.feed(&mut text, bytes)?,
        }
    }
}

/// Whether a run that is alive holds this lock.
pub(super) fn is_locked(lock: &Path) -> bool {
    File::open(lock).is_ok_and(|lock| lock.try_lock().is_err())
}

#[cfg(test)]
mod tests {
    use super::super::Action;
    use super::*;

    fn intent(key: &str) -> Record {
        Record::Intent(Intent {
            key: key.to_owned(),
            action: Action::Replace,
            etag: None,
            size: None,
            before: Some("v1".to_owned()),
        })
    }

    fn done(key: &str) -> Record {
        Record::Done {
            key: key.to_owned(),
            after: Some("v2".to_owned()),
            etag: None,
            from: None,
        }
    }

    fn collect(
        records: impl IntoIterator<Item = Record>,
    ) -> Result<(Collector, usize), JournalError> {
        let directory = tempfile::tempdir().unwrap();
        let mut collector = Collector::new(directory.path().join("changes.jsonl"))?;
        let mut most = 0;
        for record in records {
            collector.take("here", record)?;
            most = most.max(collector.open.len() + collector.window.len() + collector.ready.len());
        }
        collector.finish()?;
        Ok((collector, most))
    }

    fn outcomes(replayed: &Collector) -> Vec<(String, Outcome)> {
        let changes = replayed.changes.read().unwrap();
        let changes = changes.map(|change| change.unwrap());
        changes
            .map(|change| (change.intent.key, change.outcome))
            .collect()
    }

    #[test]
    fn collector_of_a_run_that_was_killed_leaves_its_last_outcomes_unknown() {
        let failed = Record::Failed {
            key: "b".into(),
            problem: "x".into(),
        };
        let directory = tempfile::tempdir().unwrap();
        let mut collector = Collector::new(directory.path().join("changes.jsonl")).unwrap();
        for record in [intent("a"), intent("b"), intent("c"), done("a"), failed] {
            collector.take("here", record).unwrap();
        }
        collector.finish().unwrap();
        let made = Outcome::Made {
            after: Some("v2".into()),
            etag: None,
        };
        let expected = [
            ("a".to_owned(), made),
            ("b".to_owned(), Outcome::NotMade),
            ("c".to_owned(), Outcome::Unknown),
        ];
        assert_eq!(outcomes(&collector), expected);
        assert!(!collector.has_ended);
    }

    // A run that went on after it was killed, or after it had failed.
    #[test]
    fn collector_of_a_second_intent_of_a_key_is_not_confused_by_the_first() {
        let mut records = vec![intent("again")];
        records.push(Record::Failed {
            key: "again".into(),
            problem: "x".into(),
        });
        let both = |n: usize| [intent(&n.to_string()), done(&n.to_string())];
        records.extend((0..WINDOW - 2).flat_map(both));
        records.push(intent("again"));
        records.extend((WINDOW..WINDOW + 10).flat_map(both));
        records.push(done("again"));
        let directory = tempfile::tempdir().unwrap();
        let mut collector = Collector::new(directory.path().join("changes.jsonl")).unwrap();
        for record in records {
            collector.take("here", record).unwrap();
        }
        collector.finish().unwrap();
        let outcomes = outcomes(&collector);
        let again = outcomes.iter().filter(|(key, _)| key == "again");
        let again: Vec<&Outcome> = again.map(|(_, outcome)| outcome).collect();
        assert!(matches!(
            again[..],
            [Outcome::NotMade, Outcome::Made { .. }]
        ));
    }

    #[test]
    fn collector_of_an_outcome_without_an_intent_fails() {
        let ended = collect([intent("a"), done("b")]);
        assert!(matches!(ended, Err(JournalError::Stray { key, .. }) if key == "b"));
    }

    // A batch job tells no outcomes, so that every change of its run stays open to the end.
    #[test]
    fn collector_of_many_changes_keeps_few_in_memory() {
        let number = 5 * WINDOW;
        let (_, most) = collect((0..number).map(|n| intent(&n.to_string()))).unwrap();
        assert!(most <= 2 * WINDOW + BATCH, "{most}");
        let both = |n: usize| [intent(&n.to_string()), done(&n.to_string())];
        let (_, most) = collect((0..number).flat_map(both)).unwrap();
        assert!(most <= WINDOW + BATCH + 1, "{most}");
    }

    #[test]
    fn collector_of_jobs_knows_them_by_their_tokens() {
        let requested = |token: &str| Record::JobRequested {
            token: token.to_owned(),
        };
        let made = Record::Job {
            token: "r-0".to_owned(),
            id: "job".to_owned(),
        };
        let (replayed, _) = collect([requested("r-0"), made, requested("r-1")]).unwrap();
        let ids: Vec<_> = replayed.jobs.iter().map(|job| job.id.as_deref()).collect();
        assert_eq!(ids, [Some("job"), None]);
    }

    fn read(text: &str, whole: bool) -> Result<usize, JournalError> {
        let directory = tempfile::tempdir().unwrap();
        let mut collector = Collector::new(directory.path().join("changes.jsonl")).unwrap();
        let mut of = Text::new("f".to_owned(), whole);
        // In pieces, as they come over a network.
        for bytes in text.as_bytes().chunks(7) {
            collector.feed(&mut of, bytes)?;
        }
        collector.end(&mut of)?;
        Ok(collector.lines)
    }

    #[test]
    fn feed_of_half_a_line_passes_over_it_on_disk_only() {
        let line = serde_json::to_string(&intent("a")).unwrap();
        let text = format!("{line}\n{{\"record\":\"int");
        assert_eq!(read(&text, false).unwrap(), 1);
        let error = read(&text, true).unwrap_err();
        assert!(matches!(error, JournalError::Line { line: 2, .. }));
        assert_eq!(read(&format!("{line}\n{line}"), true).unwrap(), 2);
    }

    #[test]
    fn feed_of_a_line_without_end_keeps_no_more_than_the_limit() {
        let line = serde_json::to_string(&intent("a")).unwrap();
        let error = read(&format!("{line}\n{}", "x".repeat(LINE + 1)), false).unwrap_err();
        assert_eq!(
            error.to_string(),
            "line 2 of f has more than 16384 bytes, and at most 16384 are read"
        );
    }

    #[test]
    fn longest_line_of_a_run_is_read_back() {
        let worst = "\u{1}".repeat(1_024);
        let failed = Record::Failed {
            key: worst.clone(),
            problem: "\u{1}".repeat(1 << 20),
        };
        for record in [intent(&worst), failed] {
            let line = serde_json::to_string(&record).unwrap();
            assert!(line.len() <= LINE, "{}", line.len());
        }
    }

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
