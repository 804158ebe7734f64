//! What a run is about to do, written down before it does it, in two places: on this machine, and in a bucket
//! for journals, or the destination itself, where a run can be undone from any machine.

use std::fs::{File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_env::{BodyError, Error, read_body};
use aws_sdk_s3::primitives::ByteStream;
use files::FileError;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::bucket::Bucket;
use super::entry::ETag;
use super::location::JOURNAL;
use super::spool::SpoolError;

mod key;
mod open_uploads;
mod prune;
mod replay;
mod runs;

pub use key::{JournalKey, NoJournalKey};
pub(super) use open_uploads::open_uploads;
pub use prune::{KeptRun, PrunePlan, PruneSources, plan_prune, prune};
#[cfg(feature = "fuzz")]
pub(super) use replay::read_any;
pub(super) use replay::{Change, Outcome, believed_copies};
pub use replay::{Ended, JournalSource, ReplayedJob, ReplayedRun, RunSummary, replay};
pub use runs::{RunEnd, RunEntry, Runs, list_runs};

/// What happens to one object of the destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Action {
    /// It was not there, and is copied.
    Create,
    /// It is overwritten.
    Replace,
    /// It gets a delete marker.
    Delete,
}

/// A run as its journal names it.
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
pub(super) struct Intent {
    /// The whole key in the destination bucket.
    pub(super) key: String,
    pub(super) action: Action,
    /// ETag of what is copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) etag: Option<ETag>,
    /// Length of what is copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) size: Option<u64>,
    /// The current version before; `None` when there is none, or the bucket keeps no versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) before: Option<String>,
}

/// What was copied, as its own bucket knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CopiedFrom {
    pub(super) size: u64,
    pub(super) etag: ETag,
    /// Where its bucket keeps versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<String>,
}

/// A line of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "record")]
pub(super) enum Record {
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
        /// Of a copy between two buckets: what the source was. The two are the same from then on, whatever their ETags.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<CopiedFrom>,
    },
    /// The change was not made.
    Failed {
        /// The whole key.
        key: String,
        /// S3's code, or the error in words.
        #[serde(serialize_with = "shortened")]
        problem: String,
    },
    /// A batch job has made a change that the run had meant it to make.
    Copied {
        /// The whole key.
        key: String,
        /// The version that it left.
        after: String,
        /// The ETag that it left.
        etag: ETag,
        /// What the source was.
        from: CopiedFrom,
    },
    /// A batch job could not make a change that the run had meant it to make.
    NotCopied {
        /// The whole key.
        key: String,
    },
    /// A batch job is about to be asked for.
    #[serde(rename = "job-asked")]
    JobRequested {
        /// S3 makes one job for it, however often it is asked.
        token: String,
    },
    /// The batch job was made.
    Job {
        /// As it was asked for.
        token: String,
        /// S3's id of it.
        id: String,
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

fn shortened<S: serde::Serializer>(problem: &str, serializer: S) -> Result<S::Ok, S::Error> {
    let end = problem.char_indices().nth(PROBLEM).map(|(at, _)| at);
    serializer.serialize_str(&problem[..end.unwrap_or(problem.len())])
}

/// The journal cannot be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// On this machine.
    #[error("cannot use the journal {}", path.display())]
    File {
        /// File or directory.
        path: PathBuf,
        /// What the system or the parser says.
        #[source]
        source: io::Error,
    },
    /// In its bucket.
    #[error("cannot use the journal in the bucket")]
    Bucket(#[from] Error),
    /// A line is not one of a journal.
    #[error("line {line} of {place} is none of a journal")]
    Line {
        /// File or key.
        place: String,
        /// Counted from 1.
        line: usize,
        /// What the system or the parser says.
        #[source]
        source: serde_json::Error,
    },
    /// A line is longer than any that a run writes.
    #[error("line {line} of {place} has more than {limit} bytes, and at most {limit} are read")]
    TooLong {
        /// File or key.
        place: String,
        /// Counted from 1.
        line: usize,
        /// How many are read at most.
        limit: usize,
    },
    /// There are more batch jobs than a run asks for.
    #[error("the journal {place} has more than {limit} batch jobs")]
    TooManyJobs {
        /// File or key.
        place: String,
        /// How many are read at most.
        limit: usize,
    },
    /// An outcome of something that was not begun.
    #[error("the journal {place} tells what became of {key:?}, which the run had not begun")]
    Stray {
        /// File or key.
        place: String,
        /// The whole key.
        key: String,
    },
    /// Changes cannot be kept on this machine.
    #[error("cannot keep what the journal tells")]
    Spool(#[from] SpoolError),
    /// An earlier run has this name, and its journal would be overwritten.
    #[error("there has been a run {run}, whose journal is kept in {}", directory.display())]
    RunExists {
        /// Name of the run.
        run: String,
        /// Where its files are.
        directory: PathBuf,
    },
    /// Another run writes its journal there.
    #[error("{place} is of another run with the name {run}")]
    Taken {
        /// Name of the run.
        run: String,
        /// URL of the object.
        place: String,
    },
    /// A journal in the bucket has digests by the key at hand, and one of its objects does not fit them.
    #[error("{place} {problem}: it is not what the run {run} wrote there")]
    Forged {
        /// Name of the run.
        run: String,
        /// URL of the object.
        place: String,
        /// What does not fit.
        problem: &'static str,
    },
    /// Its changes are made by S3, whatever this process does.
    #[error("run {run} has asked for batch jobs, which go on by themselves")]
    HasJobs {
        /// Name of the run.
        run: String,
    },
    /// There is no journal of this run.
    #[error("{place} has no journal of run {run}")]
    Absent {
        /// Name of the run.
        run: String,
        /// Where it was looked for.
        place: String,
    },
}

/// The journal of a run that is under way. While it lives, its directory is locked.
#[derive(Debug)]
pub(super) struct Journal {
    directory: PathBuf,
    run: String,
    /// Where it lies besides this machine.
    bucket: Bucket,
    key: JournalKey,
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

/// Bytes of a line: a key of 1,024 bytes, each written as `\u0001`, three version IDs and ETags, and what S3 says of a
/// failure, of which [`PROBLEM`] characters are kept.
const LINE: usize = 16 << 10;
const PROBLEM: usize = 1_000;

impl Journal {
    /// Begins the journal of `run` below `runs`; it comes to the bucket `journals` with the first
    /// [`Journal::append_intents`], and has digests by `key` there.
    ///
    /// # Errors
    /// When it cannot be written: without a journal nothing may be changed.
    pub(super) fn begin(
        runs: &Path,
        journals: &Bucket,
        run: &Run,
        key: &JournalKey,
    ) -> Result<Self, JournalError> {
        let directory = runs.join(&run.run);
        let lock = lock(&directory)?;
        let path = directory.join(FILE);
        // The parts in the bucket would be overwritten as well, and with them what undoes that run.
        let file = files::create_new_secret(&path).map_err(|error| match error {
            FileError::Exists { .. } => JournalError::RunExists {
                run: run.run.clone(),
                directory: directory.clone(),
            },
            error => JournalError::File {
                path: path.clone(),
                source: error.into(),
            },
        })?;
        let journal = Self {
            directory,
            run: run.run.clone(),
            bucket: journals.clone(),
            key: key.clone(),
            file: Mutex::new(Local {
                file,
                pending: Vec::new(),
            }),
            part: AtomicU32::new(0),
            _lock: lock,
        };
        journal.append_outcome(&Record::Run(run.clone()))?;
        Ok(journal)
    }

    /// The run's name.
    pub(super) fn run(&self) -> &str {
        &self.run
    }

    fn local(&self) -> MutexGuard<'_, Local> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes lines on this machine; they go to the bucket with the next [`Journal::append_intents`].
    ///
    /// # Errors
    /// When the disk does not take them.
    pub(super) fn append_outcome(&self, record: &Record) -> Result<(), JournalError> {
        self.write(std::slice::from_ref(record))
    }

    fn failed(&self, source: io::Error) -> JournalError {
        JournalError::File {
            path: self.directory.join(FILE),
            source,
        }
    }

    fn write(&self, records: &[Record]) -> Result<(), JournalError> {
        let mut lines = Vec::new();
        let failed = |source| self.failed(source);
        for record in records {
            let before = lines.len();
            serde_json::to_writer(&mut lines, record)
                .map_err(io::Error::from)
                .map_err(failed)?;
            // It could not be read back.
            if lines.len() - before > LINE {
                let text = format!("a line of {} bytes, more than {LINE}", lines.len() - before);
                return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, text)));
            }
            lines.push(b'\n');
        }
        let mut local = self.local();
        local.file.write_all(&lines).map_err(failed)?;
        local.pending.extend_from_slice(&lines);
        Ok(())
    }

    /// Writes lines on disk and into the bucket; only then may be done what they say.
    ///
    /// # Errors
    /// When one of the two does not take them.
    pub(super) async fn append_intents(&self, records: &[Record]) -> Result<(), JournalError> {
        self.write(records)?;
        let file = self.local().file.try_clone();
        let file = file.map_err(|error| self.failed(error))?;
        // A disk takes its time, and so does the bucket.
        let (synced, put) = tokio::join!(
            tokio::task::spawn_blocking(move || file.sync_data()),
            self.put()
        );
        synced
            .map_err(io::Error::from)
            .and_then(|synced| synced)
            .map_err(|error| self.failed(error))?;
        put
    }

    /// Writes the last line.
    ///
    /// # Errors
    /// When disk or bucket do not take it.
    pub(super) async fn end(&self, complete: bool) -> Result<(), JournalError> {
        self.write(&[Record::End { complete }])?;
        self.put().await
    }

    /// Brings to the bucket what is not there yet.
    async fn put(&self) -> Result<(), JournalError> {
        let lines = std::mem::take(&mut self.local().pending);
        let part = self.part.fetch_add(1, Ordering::Relaxed);
        let key = format!("{JOURNAL}{}/{}", self.run, part_name(part));
        let digest = self.key.digest(self.bucket.name(), &self.run, part, &lines);
        let put = self
            .bucket
            .s3
            .put_object()
            .bucket(self.bucket.name())
            .key(&key)
            // Another run of this name would have its journal overwritten.
            .if_none_match("*")
            .content_type("application/x-ndjson")
            .metadata(key::DIGEST, digest)
            .body(ByteStream::from(lines.clone()))
            .send()
            .await
            .map_err(|error| self.bucket.call("PutObject", &key).failed(error));
        match put {
            Ok(_) => Ok(()),
            Err(error) if error.status == Some(412) => self.is_ours(&key, &lines).await,
            Err(error) => Err(error.into()),
        }
    }

    /// Whether what lies at `key` is what was to be put there: a request whose answer was lost is sent again, and refused
    /// by its own success.
    async fn is_ours(&self, key: &str, lines: &[u8]) -> Result<(), JournalError> {
        let call = || self.bucket.call("GetObject", key);
        let get = self.bucket.s3.get_object().bucket(self.bucket.name());
        let object = get.key(key).send().await;
        let object = object.map_err(|error| call().failed(error))?;
        match read_body(object.body, lines.len() as u64).await {
            Ok(bytes) if bytes == lines => Ok(()),
            Ok(_) | Err(BodyError::TooLarge { .. }) => Err(JournalError::Taken {
                run: self.run.clone(),
                place: format!("s3://{}/{key}", self.bucket.name()),
            }),
            Err(error) => Err(error.of(call()).into()),
        }
    }
}

/// The name of an object of a journal, of which the names of all have the order in which they were written.
fn part_name(part: u32) -> String {
    format!("{part:06}.jsonl")
}

/// Makes the directory of a run, and locks it.
fn lock(directory: &Path) -> Result<File, JournalError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| JournalError::File { path, source }
    };
    // It has the keys of patients.
    files::create_secret_folder(directory).map_err(|error| failed(directory)(error.into()))?;
    let path = directory.join(LOCK);
    let lock = files::create_secret(&path).map_err(|error| failed(&path)(error.into()))?;
    lock.try_lock()
        .map_err(|error| failed(&path)(lock_error(error)))?;
    Ok(lock)
}

fn lock_error(error: TryLockError) -> io::Error {
    match error {
        TryLockError::Error(error) => error,
        TryLockError::WouldBlock => io::ErrorKind::WouldBlock.into(),
    }
}
