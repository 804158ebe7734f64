//! Which runs there have been.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

use aws_env::{Error, ErrorClass, read_body};
use futures::{StreamExt as _, TryStreamExt as _};
use report::{Document, Mark, Report};
use serde::Serialize;

use super::super::bucket::Bucket;
use super::super::location::JOURNAL;
use super::open_uploads::last_record;
use super::replay::{is_locked, names};
use super::{FILE, JournalError, LINE, LOCK, Record, Run};

/// Journals that are looked at at once.
const AT_ONCE: usize = 16;

/// How a run ended, as its journal says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunEnd {
    /// It did everything that it meant to do.
    Complete,
    /// It came to its end, and something is left.
    Incomplete,
    /// It has written no end: it was killed, or goes on on another machine.
    None,
    /// It goes on on this machine.
    UnderWay,
}

impl RunEnd {
    fn phrase(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Incomplete => "incomplete",
            Self::None => "no end",
            Self::UnderWay => "under way",
        }
    }
}

/// A run whose journal is kept somewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunEntry {
    /// Its name.
    pub run: String,
    /// What it wrote down about itself; null when its first line is missing or none of a journal.
    pub begun: Option<Run>,
    /// How it ended.
    pub end: RunEnd,
    /// This machine has its journal.
    pub here: bool,
    /// Names of the buckets that have its journal.
    pub buckets: Vec<String>,
}

/// Runs in the order of their names, which begin with their times.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Runs {
    /// All of them.
    pub runs: Vec<RunEntry>,
    /// Buckets that do not tell which runs they have journals of, and why: that of a region that is lost.
    pub unread: BTreeMap<String, String>,
}

impl Report for Runs {
    const KIND: &'static str = "runs";

    fn document(&self) -> Document {
        let rows = self.runs.iter().map(|run| {
            let begun = |of: fn(&Run) -> String| run.begun.as_ref().map(of).unwrap_or_default();
            let mark = match run.end {
                RunEnd::Complete => Mark::Ok,
                RunEnd::UnderWay => Mark::Plain,
                RunEnd::Incomplete | RunEnd::None => Mark::Unknown,
            };
            let here = run.here.then(|| "this machine".to_owned());
            let places: Vec<String> = here.into_iter().chain(run.buckets.clone()).collect();
            let cells = vec![
                run.run.clone(),
                begun(|run| run.command.clone()),
                begun(|run| run.started.to_string()),
                begun(|run| format!("{} → {}", run.source, run.destination)),
                run.end.phrase().to_owned(),
                places.join(", "),
            ];
            (mark, cells)
        });
        let document = Document::new().table(
            ["Run", "Command", "Started", "From → to", "End", "Journal"],
            rows.collect(),
        );
        self.unread
            .iter()
            .fold(document, |document, (bucket, why)| {
                document.fact(Mark::Unknown, "not read", format!("{bucket}: {why}"))
            })
    }
}

/// The runs whose journals this machine has, in `runs`, or one of `journals`.
///
/// # Errors
/// When a journal of this machine cannot be read.
pub async fn list_runs(runs: &Path, journals: &[Bucket]) -> Result<Runs, JournalError> {
    let mut found = BTreeMap::new();
    for directory in std::fs::read_dir(runs).into_iter().flatten().flatten() {
        let path = directory.path();
        let Ok(file) = File::open(path.join(FILE)) else {
            continue;
        };
        let run = directory.file_name().to_string_lossy().into_owned();
        let entry = of_machine(&run, &file, is_locked(&path.join(LOCK)))
            .map_err(|source| JournalError::File { path, source })?;
        found.insert(run, entry);
    }
    let mut unread = BTreeMap::new();
    for bucket in journals {
        let entries = match in_bucket(bucket).await {
            Ok(entries) => entries,
            // A bucket that is not there has none.
            Err(error) if error.class == ErrorClass::Absent => continue,
            Err(error) => {
                unread.insert(bucket.name().to_owned(), error.to_string());
                continue;
            }
        };
        for entry in entries {
            match found.get_mut(&entry.run) {
                Some(known) => known.buckets.extend(entry.buckets),
                None => {
                    found.insert(entry.run.clone(), entry);
                }
            }
        }
    }
    Ok(Runs {
        runs: found.into_values().collect(),
        unread,
    })
}

async fn in_bucket(bucket: &Bucket) -> Result<Vec<RunEntry>, Error> {
    // Soon, where its region is lost.
    bucket.reach().await?;
    futures::stream::iter(names(bucket).await?)
        .map(|(run, last)| of_bucket(bucket, run, last))
        .buffered(AT_ONCE)
        .try_collect()
        .await
}

fn of_machine(run: &str, file: &File, is_alive: bool) -> io::Result<RunEntry> {
    let mut first = String::new();
    files::read_line(&mut BufReader::new(file), &mut first, LINE as u64)?;
    let end = match last_record(file)? {
        _ if is_alive => RunEnd::UnderWay,
        last => end(last),
    };
    Ok(RunEntry {
        run: run.to_owned(),
        begun: begun(first.as_bytes()),
        end,
        here: true,
        buckets: Vec::new(),
    })
}

fn begun(line: &[u8]) -> Option<Run> {
    match serde_json::from_slice(line) {
        Ok(Record::Run(run)) => Some(run),
        _ => None,
    }
}

fn end(last: Option<Record>) -> RunEnd {
    match last {
        Some(Record::End { complete: true }) => RunEnd::Complete,
        Some(Record::End { complete: false }) => RunEnd::Incomplete,
        _ => RunEnd::None,
    }
}

async fn of_bucket(bucket: &Bucket, run: String, last: String) -> Result<RunEntry, Error> {
    let part = |name: &str| format!("{JOURNAL}{run}/{name}");
    let first = piece(bucket, &part("000000.jsonl"), "bytes=0-16383").await?;
    let tail = piece(bucket, &part(&last), "bytes=-256").await?;
    let line = first.split(|byte| *byte == b'\n').next();
    let last = tail
        .split(|byte| *byte == b'\n')
        .rfind(|line| !line.is_empty())
        .and_then(|line| serde_json::from_slice(line).ok());
    Ok(RunEntry {
        begun: begun(line.unwrap_or_default()),
        end: end(last),
        here: false,
        buckets: vec![bucket.name().to_owned()],
        run,
    })
}

/// Some bytes of an object; none where it is gone.
async fn piece(bucket: &Bucket, key: &str, range: &str) -> Result<Vec<u8>, Error> {
    let call = || bucket.call("GetObject", key);
    let get = bucket.s3.get_object().bucket(bucket.name()).key(key);
    let answer = get.range(range).send().await;
    let answer =
        super::super::bucket::absent_is_none(answer.map_err(|error| call().failed(error)))?;
    match answer {
        Some(object) => {
            let read = read_body(object.body, LINE as u64).await;
            read.map_err(|error| error.of(call()))
        }
        None => Ok(Vec::new()),
    }
}
