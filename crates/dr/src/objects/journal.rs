//! What a run is about to do, written down before it does it, in two places: on this machine, and in the
//! destination bucket, where a run can be undone from any machine.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_env::Error;
use aws_sdk_s3::primitives::ByteStream;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::bucket::Bucket;
use super::entry::ETag;
use super::place::JOURNAL;

/// What happens to one object of the destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// It was not there, and is copied.
    Create,
    /// It is overwritten.
    Replace,
    /// It gets a delete marker.
    Delete,
}

/// One run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its name, unique in time.
    pub run: String,
    /// What it does: `sync`, `reconcile`, `undo RUN`.
    pub command: String,
    /// When it began.
    pub started: Timestamp,
    /// What it copies from.
    pub source: String,
    /// What it copies to.
    pub destination: String,
}

/// A change that is about to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// The whole key in the destination bucket.
    pub key: String,
    /// What.
    pub action: Action,
    /// ETag of what is copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<ETag>,
    /// The current version before; `None` when there is none, or the bucket keeps no versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
}

/// A line of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "record")]
pub enum Record {
    /// The first line.
    Run(Run),
    /// Written before the change.
    Intent(Intent),
    /// The change was made.
    Done {
        /// The whole key.
        key: String,
        /// The version that it left: of the object, or of the delete marker.
        after: Option<String>,
        /// The ETag that it left.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        etag: Option<ETag>,
    },
    /// The change was not made.
    Failed {
        /// The whole key.
        key: String,
        /// Why.
        problem: String,
    },
    /// A multipart upload was begun.
    Upload {
        /// The whole key.
        key: String,
        /// S3's id of it.
        upload: String,
    },
    /// A multipart upload was completed or aborted.
    UploadEnd {
        /// S3's id of it.
        upload: String,
    },
    /// The last line.
    End {
        /// Whether everything intended was done.
        complete: bool,
    },
}

/// The journal cannot be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// On this machine.
    #[error("use the journal {}", path.display())]
    File {
        /// File or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// In the destination bucket.
    #[error("use the journal in the bucket")]
    Bucket(#[from] Error),
    /// A line is not one of a journal.
    #[error("read the journal: line {line} of {place}")]
    Line {
        /// File or key.
        place: String,
        /// Counted from 1.
        line: usize,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// There is no journal of this run.
    #[error("find run {run} in {place}")]
    Absent {
        /// The run.
        run: String,
        /// Where it was looked for.
        place: String,
    },
}

/// The journal of a run that is under way. While it lives, its directory is locked.
#[derive(Debug)]
pub struct Journal {
    directory: PathBuf,
    run: String,
    bucket: Bucket,
    file: Mutex<Local>,
    part: AtomicU32,
    _lock: File,
}

#[derive(Debug)]
struct Local {
    file: File,
    /// Lines that are not in the bucket yet.
    pending: Vec<u8>,
}

const FILE: &str = "journal.jsonl";
const LOCK: &str = "lock";

impl Journal {
    /// Begins the journal of `run` below `runs` and in the bucket of `destination`.
    ///
    /// # Errors
    /// When it cannot be written in both places: without a journal nothing may be changed.
    pub async fn begin(runs: &Path, destination: &Bucket, run: &Run) -> Result<Self, JournalError> {
        let directory = runs.join(&run.run);
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| JournalError::File { path, source }
        };
        std::fs::create_dir_all(&directory).map_err(failed(&directory))?;
        let path = directory.join(LOCK);
        let lock = File::create(&path).map_err(failed(&path))?;
        lock.try_lock()
            .map_err(|error| failed(&path)(lock_error(error)))?;
        let path = directory.join(FILE);
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(failed(&path))?;
        let journal = Self {
            directory,
            run: run.run.clone(),
            bucket: destination.clone(),
            file: Mutex::new(Local {
                file,
                pending: Vec::new(),
            }),
            part: AtomicU32::new(0),
            _lock: lock,
        };
        journal.ahead(&[Record::Run(run.clone())]).await?;
        Ok(journal)
    }

    /// Where the run keeps its files.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    fn local(&self) -> MutexGuard<'_, Local> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes lines on this machine; they go to the bucket with the next [`Journal::ahead`].
    ///
    /// # Errors
    /// When the disk does not take them.
    pub fn note(&self, record: &Record) -> Result<(), JournalError> {
        self.write(std::slice::from_ref(record), false)
    }

    fn write(&self, records: &[Record], sync: bool) -> Result<(), JournalError> {
        let mut lines = Vec::new();
        let failed = |source| JournalError::File {
            path: self.directory.join(FILE),
            source,
        };
        for record in records {
            serde_json::to_writer(&mut lines, record)
                .map_err(io::Error::from)
                .map_err(failed)?;
            lines.push(b'\n');
        }
        let mut local = self.local();
        local.file.write_all(&lines).map_err(failed)?;
        if sync {
            local.file.sync_data().map_err(failed)?;
        }
        local.pending.extend_from_slice(&lines);
        Ok(())
    }

    /// Writes lines on disk and into the bucket; only then may be done what they say.
    ///
    /// # Errors
    /// When one of the two does not take them.
    pub async fn ahead(&self, records: &[Record]) -> Result<(), JournalError> {
        self.write(records, true)?;
        let lines = std::mem::take(&mut self.local().pending);
        let part = self.part.fetch_add(1, Ordering::Relaxed);
        let key = format!("{JOURNAL}{}/{part:06}.jsonl", self.run);
        self.bucket
            .s3
            .put_object()
            .bucket(self.bucket.name())
            .key(&key)
            .content_type("application/x-ndjson")
            .body(ByteStream::from(lines))
            .send()
            .await
            .map_err(|error| self.bucket.call("PutObject", &key).failed(error))?;
        Ok(())
    }
}

fn lock_error(error: TryLockError) -> io::Error {
    match error {
        TryLockError::Error(error) => error,
        TryLockError::WouldBlock => io::ErrorKind::WouldBlock.into(),
    }
}

/// What a run did to one object, as far as its journal tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What it meant to do.
    pub intent: Intent,
    /// What is known about the outcome.
    pub outcome: Outcome,
}

/// How a change ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Made; it left this version and ETag.
    Made {
        /// Version of the object or delete marker.
        after: Option<String>,
        /// ETag.
        etag: Option<ETag>,
    },
    /// Not made.
    NotMade,
    /// The run ended before it could tell.
    Unknown,
}

/// A journal as it was read back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// The run; `None` when its first line is missing.
    pub run: Option<Run>,
    /// Its changes, in the order in which they were begun.
    pub changes: Vec<Change>,
    /// Multipart uploads that were neither completed nor aborted: key and id.
    pub uploads: Vec<(String, String)>,
    /// It wrote its last line.
    pub ended: bool,
}

impl Past {
    /// Puts lines together. The same line may come twice.
    pub fn collect(records: impl IntoIterator<Item = Record>) -> Self {
        let mut past = Self::default();
        let mut index: HashMap<String, usize> = HashMap::new();
        for record in records {
            match record {
                Record::Run(run) => past.run = Some(run),
                Record::Intent(intent) => {
                    index.entry(intent.key.clone()).or_insert_with(|| {
                        past.changes.push(Change {
                            intent,
                            outcome: Outcome::Unknown,
                        });
                        past.changes.len() - 1
                    });
                }
                Record::Done { key, after, etag } => {
                    if let Some(change) = index.get(&key).and_then(|at| past.changes.get_mut(*at)) {
                        change.outcome = Outcome::Made { after, etag };
                    }
                }
                Record::Failed { key, .. } => {
                    if let Some(change) = index.get(&key).and_then(|at| past.changes.get_mut(*at))
                        && change.outcome == Outcome::Unknown
                    {
                        change.outcome = Outcome::NotMade;
                    }
                }
                Record::Upload { key, upload } => past.uploads.push((key, upload)),
                Record::UploadEnd { upload } => past.uploads.retain(|(_, id)| *id != upload),
                Record::End { .. } => past.ended = true,
            }
        }
        past
    }
}

fn parse(place: &str, reader: impl io::BufRead, whole: bool) -> Result<Vec<Record>, JournalError> {
    let mut records = Vec::new();
    for (line, text) in reader.lines().enumerate() {
        let text = text.map_err(|source| JournalError::File {
            path: place.into(),
            source,
        })?;
        match serde_json::from_str(&text) {
            Ok(record) => records.push(record),
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
    Ok(records)
}

/// Reads the journal of `run` from the bucket, and what this machine knows beyond that.
///
/// # Errors
/// When there is none, or it cannot be read.
pub async fn recall(runs: &Path, bucket: &Bucket, run: &str) -> Result<Past, JournalError> {
    let mut records = Vec::new();
    let prefix = format!("{JOURNAL}{run}/");
    let mut after: Option<String> = None;
    loop {
        let page = bucket
            .s3
            .list_objects_v2()
            .bucket(bucket.name())
            .prefix(&prefix)
            .set_start_after(after.take())
            .send()
            .await
            .map_err(|error| bucket.call("ListObjectsV2", &prefix).failed(error))?;
        for key in page.contents().iter().filter_map(|object| object.key()) {
            let failed = |error| JournalError::Bucket(error);
            let object = bucket
                .s3
                .get_object()
                .bucket(bucket.name())
                .key(key)
                .send()
                .await
                .map_err(|error| failed(bucket.call("GetObject", key).failed(error)))?;
            let bytes = object.body.collect().await.map_err(|error| {
                failed(Error::unexpected(
                    bucket.call("GetObject", key),
                    error.to_string(),
                ))
            })?;
            records.extend(parse(key, io::Cursor::new(bytes.into_bytes()), true)?);
            after = Some(key.to_owned());
        }
        if page.is_truncated() != Some(true) || after.is_none() {
            break;
        }
    }
    let path = runs.join(run).join(FILE);
    if let Ok(file) = File::open(&path) {
        let place = path.display().to_string();
        records.extend(parse(&place, BufReader::new(file), false)?);
    }
    if records.is_empty() {
        return Err(JournalError::Absent {
            run: run.to_owned(),
            place: format!("s3://{}/{JOURNAL}", bucket.name()),
        });
    }
    Ok(Past::collect(records))
}

/// Multipart uploads to `bucket` that runs of this machine left open when they were killed: key and id. A
/// run that is still alive holds its lock and is passed over.
///
/// # Errors
/// When a journal cannot be read.
pub(super) fn leftovers(runs: &Path, bucket: &str) -> Result<Vec<(String, String)>, JournalError> {
    let mut uploads = Vec::new();
    let Ok(directories) = std::fs::read_dir(runs) else {
        return Ok(uploads);
    };
    let destination = format!("s3://{bucket}/");
    for directory in directories.flatten().map(|entry| entry.path()) {
        let alive = match File::open(directory.join(LOCK)) {
            Ok(lock) => lock.try_lock().is_err(),
            Err(_) => false,
        };
        let path = directory.join(FILE);
        let Ok(file) = File::open(&path) else {
            continue;
        };
        if alive {
            continue;
        }
        let failed = |source| JournalError::File {
            path: path.clone(),
            source,
        };
        if has_ended(&file).map_err(failed)? {
            continue;
        }
        // Line by line, and only what is about uploads: a journal may have millions of lines.
        let (mut ours, mut open) = (false, Vec::new());
        for line in BufReader::new(file).lines() {
            match serde_json::from_str(&line.map_err(failed)?) {
                Ok(Record::Run(run)) => ours = run.destination.starts_with(&destination),
                Ok(Record::Upload { key, upload }) => open.push((key, upload)),
                Ok(Record::UploadEnd { upload }) => open.retain(|(_, id)| *id != upload),
                // Half a line is what a killed run leaves.
                Ok(_) | Err(_) => {}
            }
        }
        if ours {
            uploads.extend(open);
        }
    }
    Ok(uploads)
}

/// Whether the last line says that the run has come to its end.
fn has_ended(mut file: &File) -> io::Result<bool> {
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(256)))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    file.rewind()?;
    let last = tail
        .split(|byte| *byte == b'\n')
        .rfind(|line| !line.is_empty());
    Ok(last.is_some_and(|line| matches!(serde_json::from_slice(line), Ok(Record::End { .. }))))
}

/// Notes in every journal of this machine that `upload` is no more.
///
/// # Errors
/// When the journal does not take the line.
pub(super) fn forget(runs: &Path, upload: &str) -> Result<(), JournalError> {
    let Ok(directories) = std::fs::read_dir(runs) else {
        return Ok(());
    };
    for path in directories.flatten().map(|entry| entry.path().join(FILE)) {
        let Ok(text) = std::fs::read_to_string(&path) else {
            continue;
        };
        if !text.contains(upload) {
            continue;
        }
        let failed = |source| JournalError::File {
            path: path.clone(),
            source,
        };
        let record = Record::UploadEnd {
            upload: upload.to_owned(),
        };
        let mut line = serde_json::to_vec(&record)
            .map_err(io::Error::from)
            .map_err(failed)?;
        line.push(b'\n');
        // A killed run may have left half a line.
        if !text.ends_with('\n') {
            line.insert(0, b'\n');
        }
        let mut file = OpenOptions::new()
            .append(true)
            .open(&path)
            .map_err(failed)?;
        file.write_all(&line).map_err(failed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intent(key: &str) -> Record {
        Record::Intent(Intent {
            key: key.to_owned(),
            action: Action::Replace,
            etag: None,
            before: Some("v1".to_owned()),
        })
    }

    #[test]
    fn what_is_not_known_stays_unknown() {
        let done = Record::Done {
            key: "a".into(),
            after: Some("v2".into()),
            etag: None,
        };
        let failed = Record::Failed {
            key: "b".into(),
            problem: "x".into(),
        };
        let lines = [
            intent("a"),
            intent("b"),
            intent("c"),
            done,
            failed,
            intent("a"),
        ];
        let past = Past::collect(lines);
        let outcomes: Vec<_> = past
            .changes
            .iter()
            .map(|change| change.outcome.clone())
            .collect();
        let made = Outcome::Made {
            after: Some("v2".into()),
            etag: None,
        };
        assert_eq!(outcomes, [made, Outcome::NotMade, Outcome::Unknown]);
        assert!(!past.ended);
    }

    #[test]
    fn half_a_line_is_passed_over_on_disk_only() {
        let text = format!(
            "{}\n{{\"record\":\"int",
            serde_json::to_string(&intent("a")).unwrap()
        );
        assert_eq!(parse("f", text.as_bytes(), false).unwrap().len(), 1);
        assert!(matches!(
            parse("f", text.as_bytes(), true),
            Err(JournalError::Line { line: 2, .. })
        ));
    }

    #[test]
    fn only_uploads_of_dead_runs_to_this_bucket_are_leftovers() {
        let runs = tempfile::tempdir().unwrap();
        let write = |run: &str, destination: &str| {
            let directory = runs.path().join(run);
            std::fs::create_dir_all(&directory).unwrap();
            let lock = File::create(directory.join(LOCK)).unwrap();
            let lines = [
                Record::Run(Run {
                    run: run.to_owned(),
                    command: "sync".to_owned(),
                    started: Timestamp::UNIX_EPOCH,
                    source: "s3://a/".to_owned(),
                    destination: destination.to_owned(),
                }),
                Record::Upload {
                    key: "k".to_owned(),
                    upload: format!("{run}-open"),
                },
                Record::Upload {
                    key: "k".to_owned(),
                    upload: format!("{run}-closed"),
                },
                Record::UploadEnd {
                    upload: format!("{run}-closed"),
                },
            ];
            let lines: String = lines
                .iter()
                .map(|line| serde_json::to_string(line).unwrap() + "\n")
                .collect();
            std::fs::write(directory.join(FILE), lines + "{\"rec").unwrap();
            lock
        };
        drop(write("dead", "s3://b/x/"));
        drop(write("other", "s3://bb/"));
        let alive = write("alive", "s3://b/");
        alive.try_lock().unwrap();
        let left = leftovers(runs.path(), "b").unwrap();
        assert_eq!(left, [("k".to_owned(), "dead-open".to_owned())]);
        forget(runs.path(), "dead-open").unwrap();
        assert_eq!(leftovers(runs.path(), "b").unwrap(), []);
    }
}
