//! Where lines are kept.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::{Lines, Sample};
use crate::store::{Created, Store, StoreError};

/// The folder of days, beside that of the runs.
pub(super) const FOLDER: &str = "ledger/";
/// How often the object of a day is tried that others write to.
const ATTEMPTS: u32 = 5;

/// Why a look could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The file of this machine.
    #[error("cannot keep the ledger {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The object of a day.
    #[error("cannot keep {place}")]
    Store {
        /// The object of the ledger, by its address.
        place: String,
        /// What S3 or the system says.
        #[source]
        source: StoreError,
    },
    /// Others wrote to the object of the day each time.
    #[error("{place} was written by others at each of {ATTEMPTS} attempts")]
    Busy {
        /// The object of the ledger, by its address.
        place: String,
    },
}

/// The object of the day that `at` is in, by UTC.
fn key(at: Timestamp) -> String {
    let day = at.to_zoned(TimeZone::UTC).date();
    format!("{FOLDER}{day}.txt")
}

/// Adds a look to the file. What is there stays as it is; the line is on the disk when this returns.
///
/// # Errors
/// When it cannot be read or written.
pub fn append_to_file(path: &Path, sample: &Sample) -> Result<(), LedgerError> {
    append(path, sample).map_err(|source| LedgerError::File {
        path: path.to_owned(),
        source,
    })
}

fn append(path: &Path, sample: &Sample) -> io::Result<()> {
    // Keys of states and names of buckets are nobody else's business.
    let mut file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)?;
    let (list, line) = sample.lines();
    let mut text = String::new();
    // After a line that was cut off a new one begins.
    if !ends_with_a_line(&mut file)? {
        text.push('\n');
    }
    file.seek(SeekFrom::Start(0))?;
    if !has_line(BufReader::new(&file), &list)? {
        text.push_str(&list);
        text.push('\n');
    }
    text.push_str(&line);
    text.push('\n');
    file.write_all(text.as_bytes())?;
    file.sync_data()
}

fn ends_with_a_line(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

fn has_line(reader: BufReader<&File>, wanted: &str) -> io::Result<bool> {
    for line in reader.split(b'\n') {
        if line? == wanted.as_bytes() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Brings what the file has of yesterday and today, by `now`, to the objects of these days: also what could not be brought
/// there before.
///
/// # Errors
/// When the file cannot be read, or an object cannot be written.
pub async fn bring_to_store(
    store: &impl Store,
    path: &Path,
    now: Timestamp,
) -> Result<(), LedgerError> {
    let unread = |source| LedgerError::File {
        path: path.to_owned(),
        source,
    };
    let yesterday = now
        .saturating_sub(SignedDuration::from_hours(24))
        .unwrap_or(now);
    let days = [key(yesterday), key(now)];
    let mut found: [Vec<(String, String)>; 2] = Default::default();
    let mut lines = Lines::default();
    for line in BufReader::new(File::open(path).map_err(unread)?).split(b'\n') {
        let line = String::from_utf8_lossy(&line.map_err(unread)?).into_owned();
        let Some(sample) = lines.read(&line) else {
            continue;
        };
        let of = key(sample.at);
        if let Some(day) = days.iter().position(|day| *day == of) {
            found[day].push((sample.lines().0, line));
        }
    }
    for (day, found) in days
        .iter()
        .zip(found)
        .filter(|(_, found)| !found.is_empty())
    {
        add(store, day, &found).await?;
    }
    Ok(())
}

/// Adds what the object lacks.
async fn add(store: &impl Store, key: &str, found: &[(String, String)]) -> Result<(), LedgerError> {
    let place = || store.place(key);
    let failed = |source| LedgerError::Store {
        place: store.place(key),
        source,
    };
    for _ in 0..ATTEMPTS {
        let there = store.read(key).await.map_err(failed)?;
        let text = there
            .as_ref()
            .map(|there| String::from_utf8_lossy(&there.bytes));
        let mut new = text.as_deref().unwrap_or_default().to_owned();
        let mut has: HashSet<&str> = text.as_deref().unwrap_or_default().lines().collect();
        for (list, line) in found {
            for line in [list, line] {
                if has.insert(line) {
                    new.push_str(line);
                    new.push('\n');
                }
            }
        }
        let is_written = match &there {
            Some(there) if there.bytes == new.as_bytes() => true,
            Some(there) => store
                .replace(key, new.as_bytes(), &there.etag)
                .await
                .map_err(failed)?
                .is_some(),
            None => matches!(
                store.create(key, new.as_bytes()).await.map_err(failed)?,
                Created::Written(_)
            ),
        };
        if is_written {
            return Ok(());
        }
    }
    Err(LedgerError::Busy { place: place() })
}
