//! What killed runs of this machine left open.

use std::fs::File;
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use super::replay::is_locked;
use super::{FILE, JournalError, LINE, LOCK, Record};

/// A run that was killed, and what it left open.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) struct LeftOpen {
    /// Its directory.
    run: PathBuf,
    /// Keys and ids of its uploads.
    pub(in super::super) uploads: Vec<(String, String)>,
}

/// In the directory of a killed run: none of its uploads is open any more, and its journal need not be read for them again.
pub(super) const SETTLED: &str = "uploads-settled";

/// Multipart uploads to `bucket` that runs of this machine left open when they were killed. A run that is still alive holds
/// its lock and is passed over, and so is one that was settled before.
///
/// # Errors
/// When a journal cannot be read.
pub(in super::super) fn open_uploads(
    runs: &Path,
    bucket: &str,
) -> Result<Vec<LeftOpen>, JournalError> {
    let mut found = Vec::new();
    let Ok(directories) = std::fs::read_dir(runs) else {
        return Ok(found);
    };
    let destination = format!("s3://{bucket}/");
    for directory in directories.flatten().map(|entry| entry.path()) {
        let alive = is_locked(&directory.join(LOCK));
        let path = directory.join(FILE);
        let Ok(file) = File::open(&path) else {
            continue;
        };
        if alive || directory.join(SETTLED).exists() {
            continue;
        }
        let failed = |source| JournalError::File {
            path: path.clone(),
            source,
        };
        if has_ended(&file).map_err(failed)? {
            continue;
        }
        if let Some(uploads) = uploads_of(file, &destination).map_err(failed)? {
            found.push(LeftOpen {
                run: directory,
                uploads,
            });
        }
    }
    Ok(found)
}

/// The uploads that a journal leaves open; `None` for a run to another bucket. Line by line, and only what is about uploads:
/// a journal may have millions of lines.
fn uploads_of(file: File, destination: &str) -> io::Result<Option<Vec<(String, String)>>> {
    let mut open = Vec::new();
    for line in files::lines(BufReader::new(file), LINE as u64) {
        match serde_json::from_str(&line?) {
            Ok(Record::Run(run)) if !run.destination.starts_with(destination) => return Ok(None),
            Ok(Record::Upload { key, upload }) => open.push((key, upload)),
            Ok(Record::UploadEnd { upload }) => open.retain(|(_, id)| *id != upload),
            // Half a line is what a killed run leaves.
            Ok(_) | Err(_) => {}
        }
    }
    Ok(Some(open))
}

impl LeftOpen {
    /// Notes that none of its uploads is open any more.
    ///
    /// # Errors
    /// When the note cannot be written.
    pub(in super::super) fn settle(&self) -> Result<(), JournalError> {
        let path = self.run.join(SETTLED);
        files::create_secret(&path)
            .map(drop)
            .map_err(|error| JournalError::File {
                path,
                source: error.into(),
            })
    }
}

/// Whether the last line says that the run has come to its end.
fn has_ended(file: &File) -> io::Result<bool> {
    Ok(matches!(last_record(file)?, Some(Record::End { .. })))
}

/// What the last line says, where it is as short as the last line of a run that has ended. The file is as at its beginning
/// then.
pub(super) fn last_record(mut file: &File) -> io::Result<Option<Record>> {
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(256)))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    file.rewind()?;
    let last = tail
        .split(|byte| *byte == b'\n')
        .rfind(|line| !line.is_empty());
    Ok(last.and_then(|line| serde_json::from_slice(line).ok()))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::super::Run;
    use super::*;

    #[test]
    fn open_uploads_of_this_machine_are_those_of_dead_runs_to_the_bucket() {
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
        let left = open_uploads(runs.path(), "b").unwrap();
        let uploads: Vec<_> = left.iter().flat_map(|run| run.uploads.clone()).collect();
        assert_eq!(uploads, [("k".to_owned(), "dead-open".to_owned())]);
        for run in &left {
            run.settle().unwrap();
        }
        assert_eq!(open_uploads(runs.path(), "b").unwrap(), []);
        // Its journal is not read again.
        let journal = runs.path().join("dead").join(FILE);
        std::fs::write(&journal, "x".repeat(2 * LINE)).unwrap();
        assert_eq!(open_uploads(runs.path(), "b").unwrap(), []);
    }
}
