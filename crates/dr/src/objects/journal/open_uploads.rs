//! What killed runs of this machine left open.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use super::replay::is_locked;
use super::{FILE, JournalError, LINE, LOCK, Record};

/// Multipart uploads to `bucket` that runs of this machine left open when they were killed: key and id. A
/// run that is still alive holds its lock and is passed over.
///
/// # Errors
/// When a journal cannot be read.
pub(in super::super) fn open_uploads(
    runs: &Path,
    bucket: &str,
) -> Result<Vec<(String, String)>, JournalError> {
    let mut uploads = Vec::new();
    let Ok(directories) = std::fs::read_dir(runs) else {
        return Ok(uploads);
    };
    let destination = format!("s3://{bucket}/");
    for directory in directories.flatten().map(|entry| entry.path()) {
        let alive = is_locked(&directory.join(LOCK));
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
        for line in files::lines(BufReader::new(file), LINE as u64) {
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

fn ends_a_line(file: &mut File) -> io::Result<bool> {
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

/// Notes in every journal of this machine that `upload` is no more.
///
/// # Errors
/// When the journal does not take the line.
pub(in super::super) fn note_aborted(runs: &Path, upload: &str) -> Result<(), JournalError> {
    let Ok(directories) = std::fs::read_dir(runs) else {
        return Ok(());
    };
    for path in directories.flatten().map(|entry| entry.path().join(FILE)) {
        let Ok(mut file) = File::open(&path) else {
            continue;
        };
        let failed = |source| JournalError::File {
            path: path.clone(),
            source,
        };
        // Of a journal that cannot be read nothing is known, and nothing is noted.
        let names_it = files::lines(BufReader::new(&file), LINE as u64)
            .any(|line| line.is_ok_and(|line| line.contains(upload)));
        if !names_it {
            continue;
        }
        let ends_a_line = ends_a_line(&mut file).map_err(failed)?;
        let record = Record::UploadEnd {
            upload: upload.to_owned(),
        };
        let mut line = serde_json::to_vec(&record)
            .map_err(io::Error::from)
            .map_err(failed)?;
        line.push(b'\n');
        // A killed run may have left half a line.
        if !ends_a_line {
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
        assert_eq!(left, [("k".to_owned(), "dead-open".to_owned())]);
        note_aborted(runs.path(), "dead-open").unwrap();
        assert_eq!(open_uploads(runs.path(), "b").unwrap(), []);
    }
}
