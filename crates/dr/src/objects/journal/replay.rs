//! Journals read back, in memory that does not grow with them.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{self, BufReader, Read as _};
use std::path::{Path, PathBuf};

use aws_env::{Error, pages};
use serde::{Deserialize, Serialize};

use super::super::bucket::Bucket;
use super::super::entry::ETag;
use super::super::location::JOURNAL;
use super::super::spool::Spool;
use super::{FILE, Intent, JournalError, LOCK, Record, Run};

/// Intents that may be without an outcome yet. A run writes some hundred steps ahead of those that are queued and
/// under way, at most 4,096 each, so that an outcome comes before so many more intents.
const WINDOW: usize = 10_000;
/// Changes that are written at once.
const BATCH: usize = 1_000;

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
    begun: Option<Run>,
    jobs: Vec<ReplayedJob>,
    ended: bool,
    alive: bool,
    /// Its changes, on disk.
    pub(in super::super) changes: Spool<Change>,
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

    /// What it wrote down about itself; `None` when its first line is missing.
    pub fn begun(&self) -> Option<&Run> {
        self.begun.as_ref()
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

/// Puts lines together as they come.
struct Collector {
    begun: Option<Run>,
    jobs: Vec<ReplayedJob>,
    has_ended: bool,
    changes: Spool<Change>,
    /// Intents without an outcome.
    open: HashMap<String, Intent>,
    /// The keys of the last intents.
    window: VecDeque<String>,
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

    fn take(&mut self, place: &str, record: Record) -> Result<(), JournalError> {
        self.lines += 1;
        match record {
            Record::Run(run) => self.begun = Some(run),
            Record::Intent(intent) => {
                if self.window.len() >= WINDOW {
                    self.give_up_oldest()?;
                }
                self.window.push_back(intent.key.clone());
                self.open.insert(intent.key.clone(), intent);
            }
            Record::Done { key, after, etag } => {
                self.ended(place, key, Outcome::Made { after, etag })?;
            }
            Record::Failed { key, .. } => self.ended(place, key, Outcome::NotMade)?,
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

    fn give_up_oldest(&mut self) -> Result<(), JournalError> {
        let oldest = self.window.pop_front();
        match oldest.and_then(|key| self.open.remove(&key)) {
            Some(intent) => self.known(intent, Outcome::Unknown),
            None => Ok(()),
        }
    }

    fn ended(&mut self, place: &str, key: String, outcome: Outcome) -> Result<(), JournalError> {
        match self.open.remove(&key) {
            Some(intent) => self.known(intent, outcome),
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

    fn read(
        &mut self,
        place: &str,
        reader: impl io::BufRead,
        whole: bool,
    ) -> Result<(), JournalError> {
        for (line, text) in reader.lines().enumerate() {
            let text = text.map_err(|source| JournalError::File {
                path: place.into(),
                source,
            })?;
            match serde_json::from_str(&text) {
                Ok(record) => self.take(place, record)?,
                // A run that was killed may leave half a line.
                Err(_) if !whole => {}
                Err(source) => {
                    return Err(JournalError::Line {
                        place: place.to_owned(),
                        line: line + 1,
                        source,
                    });
                }
            }
        }
        Ok(())
    }
}

/// The journal on this machine: what is in the bucket, byte for byte, and what had not come there yet.
struct Local(Option<BufReader<File>>);

impl Local {
    /// Passes over bytes that are in the bucket; a journal that says something else is left alone.
    fn pass(&mut self, bytes: &[u8]) {
        if let Some(file) = &mut self.0 {
            let mut own = vec![0; bytes.len()];
            if file.read_exact(&mut own).is_err() || own != bytes {
                self.0 = None;
            }
        }
    }
}

/// Reads the journal of `run` from the bucket, and what this machine knows beyond that. Its changes are kept in
/// `directory`.
///
/// # Errors
/// When there is none, or it cannot be read.
pub async fn replay(
    runs: &Path,
    bucket: &Bucket,
    run: &str,
    directory: &Path,
) -> Result<ReplayedRun, JournalError> {
    // Asked first: a run that ends while its journal is read has written lines that were not read.
    let alive = is_locked(&runs.join(run).join(LOCK));
    let mut collector = Collector::new(directory.join("changes.jsonl"))?;
    let path = runs.join(run).join(FILE);
    let mut local = Local(File::open(&path).ok().map(BufReader::new));
    let prefix = format!("{JOURNAL}{run}/");
    let list = bucket.s3.list_objects_v2().bucket(bucket.name());
    let list = list.prefix(&prefix).into_paginator();
    for page in pages(bucket.call("ListObjectsV2", &prefix), list.send()).await? {
        for key in page.contents().iter().filter_map(|object| object.key()) {
            // Manifests and reports of batch jobs lie beside the journal.
            if key.ends_with(".jsonl") {
                let bytes = part(bucket, key).await?;
                local.pass(&bytes);
                collector.read(key, io::Cursor::new(bytes), true)?;
            }
        }
    }
    if let Some(file) = local.0 {
        collector.read(&path.display().to_string(), file, false)?;
    }
    if collector.lines == 0 {
        return Err(JournalError::Absent {
            run: run.to_owned(),
            place: format!("s3://{}/{JOURNAL}", bucket.name()),
        });
    }
    collector.finish()?;
    Ok(ReplayedRun {
        name: run.to_owned(),
        bucket: bucket.clone(),
        begun: collector.begun,
        jobs: collector.jobs,
        ended: collector.has_ended,
        alive,
        changes: collector.changes,
    })
}

/// One object of a journal.
async fn part(bucket: &Bucket, key: &str) -> Result<Vec<u8>, Error> {
    let call = || bucket.call("GetObject", key);
    let object = bucket
        .s3
        .get_object()
        .bucket(bucket.name())
        .key(key)
        .send()
        .await
        .map_err(|error| call().failed(error))?;
    let bytes = object.body.collect().await;
    let bytes = bytes.map_err(|error| Error::unexpected(call(), error.to_string()))?;
    Ok(bytes.to_vec())
}

/// Whether a run that is alive holds this lock.
pub(super) fn is_locked(lock: &Path) -> bool {
    File::open(lock).is_ok_and(|lock| lock.try_lock().is_err())
}

#[cfg(test)]
mod tests {
    use std::io::BufRead as _;

    use super::super::Action;
    use super::*;

    fn intent(key: &str) -> Record {
        Record::Intent(Intent {
            key: key.to_owned(),
            action: Action::Replace,
            etag: None,
            before: Some("v1".to_owned()),
        })
    }

    fn done(key: &str) -> Record {
        Record::Done {
            key: key.to_owned(),
            after: Some("v2".to_owned()),
            etag: None,
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

    #[test]
    fn read_of_half_a_line_passes_over_it_on_disk_only() {
        let text = format!(
            "{}\n{{\"record\":\"int",
            serde_json::to_string(&intent("a")).unwrap()
        );
        let directory = tempfile::tempdir().unwrap();
        let mut collector = Collector::new(directory.path().join("changes.jsonl")).unwrap();
        collector.read("f", text.as_bytes(), false).unwrap();
        assert_eq!(collector.lines, 1);
        assert!(matches!(
            collector.read("f", text.as_bytes(), true),
            Err(JournalError::Line { line: 2, .. })
        ));
    }

    #[test]
    fn pass_of_what_the_bucket_has_leaves_the_rest_of_the_local_journal() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE);
        std::fs::write(&path, "one\ntwo\nthree\n").unwrap();
        let open = || Local(Some(BufReader::new(File::open(&path).unwrap())));
        let rest = |local: Local| {
            let lines = local.0.into_iter().flat_map(|file| file.lines());
            lines.map(Result::unwrap).collect::<Vec<_>>()
        };
        let mut local = open();
        local.pass(b"one\n");
        local.pass(b"two\n");
        assert_eq!(rest(local), ["three"]);
        // Another run's, or one that lost its end.
        for bytes in ["uno\n", "one\ntwo\nthree\nfour\n"] {
            let mut local = open();
            local.pass(bytes.as_bytes());
            assert!(rest(local).is_empty());
        }
    }
}
