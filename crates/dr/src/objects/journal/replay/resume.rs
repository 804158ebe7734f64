//! A journal taken up where a run that was killed has left it, on the machine that ran it or on another one.

use std::fs::File;
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::AtomicU32;

use super::verification::{Vouched, verified};
use super::{Change, Collector, RecordSink, ReplayedJob, Spool, Text, read_file};
use crate::objects::bucket::Bucket;
use crate::objects::journal::key::JournalKey;
use crate::objects::journal::open_uploads::SETTLED;
use crate::objects::journal::{FILE, Journal, JournalError, Local, Record, Run, lock};
use crate::objects::location::JOURNAL;

/// What a run has written down before.
pub(in super::super::super) struct Resumed {
    /// Its changes, on disk.
    pub(in super::super::super) changes: Spool<Change>,
    /// Batch jobs that it has asked for.
    pub(in super::super::super) jobs: Vec<ReplayedJob>,
}

impl Journal {
    /// Goes on with the journal of `run`, or begins it; also tells what the run has written down so far, which is kept in
    /// `directory`. What the bucket has and this machine does not is taken where it has the digests of `key`; what this machine
    /// has and the bucket does not comes there with the next [`Journal::append_intents`]. Nothing is overwritten.
    ///
    /// # Errors
    /// When it is under way on this machine, or is the journal of another run, or the two places do not fit together.
    pub(in super::super::super) async fn resume(
        runs: &Path,
        journals: &Bucket,
        run: &Run,
        key: &JournalKey,
        directory: &Path,
    ) -> Result<(Self, Resumed), JournalError> {
        let folder = runs.join(&run.run);
        let lock = lock(&folder)?;
        let path = folder.join(FILE);
        let failed = |source| JournalError::File {
            path: path.clone(),
            source,
        };
        let mut file = open(&path).map_err(failed)?;
        cut(&mut file).map_err(failed)?;
        let mut caught_up =
            CaughtUp::begin(&file, &directory.join("beyond.jsonl")).map_err(failed)?;
        let vouched = verified(journals, &run.run, key, &mut caught_up).await?;
        let taken = |place: String| JournalError::Taken {
            run: run.run.clone(),
            place,
        };
        let place = format!("s3://{}/{JOURNAL}{}/", journals.name(), run.run);
        if caught_up.differs || (caught_up.missing > 0 && vouched != Some(Vouched::Key)) {
            return Err(taken(place));
        }
        caught_up.fill(&mut file).map_err(failed)?;
        let mut earlier = Collector::new(directory.join("earlier.jsonl"))?;
        file.rewind().map_err(failed)?;
        read_file(&mut file, &path, &mut earlier)?;
        earlier.finish()?;
        let is_same = |begun: &Run| {
            (&begun.source, &begun.destination) == (&run.source, &run.destination)
                && begun.command == run.command
        };
        if earlier.lines > 0 && !earlier.begun.as_ref().is_some_and(is_same) {
            return Err(taken(path.display().to_string()));
        }
        // What it will leave open has to be looked for again.
        match std::fs::remove_file(folder.join(SETTLED)) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(failed(source)),
            _ => {}
        }
        let mut pending = Vec::new();
        file.seek(SeekFrom::Start(caught_up.in_bucket))
            .and_then(|_| file.read_to_end(&mut pending))
            .map_err(failed)?;
        let journal = Self {
            directory: folder,
            run: run.run.clone(),
            bucket: journals.clone(),
            key: key.clone(),
            file: Mutex::new(Local { file, pending }),
            part: AtomicU32::new(caught_up.parts),
            _lock: lock,
        };
        if earlier.lines == 0 {
            journal.append_outcome(&Record::Run(run.clone()))?;
        }
        let resumed = Resumed {
            changes: earlier.changes,
            jobs: earlier.jobs,
        };
        Ok((journal, resumed))
    }
}

/// The journal of this machine, an empty one where it has none.
fn open(path: &Path) -> io::Result<File> {
    match files::create_new_secret(path) {
        Ok(_) | Err(files::FileError::Exists { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    File::options().read(true).append(true).open(path)
}

/// Takes off what a killed run has written of a line.
fn cut(file: &mut File) -> io::Result<()> {
    let length = file.metadata()?.len();
    let mut end = length;
    let mut block = [0; 4 << 10];
    while end > 0 {
        let begin = end.saturating_sub(block.len() as u64);
        let Some(bytes) = block.get_mut(..usize::try_from(end - begin).unwrap_or(0)) else {
            break;
        };
        file.seek(SeekFrom::Start(begin))?;
        file.read_exact(bytes)?;
        if let Some(at) = bytes.iter().rposition(|byte| *byte == b'\n') {
            end = begin + at as u64 + 1;
            break;
        }
        end = begin;
    }
    if end < length {
        file.set_len(end)?;
    }
    Ok(())
}

/// The journal of this machine beside what the bucket has.
struct CaughtUp {
    own: BufReader<File>,
    /// One is not the beginning of the other.
    differs: bool,
    /// Objects of the journal in the bucket.
    parts: u32,
    /// Bytes that the bucket has.
    in_bucket: u64,
    /// Bytes of those that this machine has not: they are kept beside.
    missing: u64,
    beyond: (File, PathBuf),
}

impl CaughtUp {
    fn begin(own: &File, beyond: &Path) -> io::Result<Self> {
        let mut own = own.try_clone()?;
        own.rewind()?;
        Ok(Self {
            own: BufReader::new(own),
            differs: false,
            parts: 0,
            in_bucket: 0,
            missing: 0,
            beyond: (files::create_secret(beyond)?, beyond.to_owned()),
        })
    }

    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut own = Vec::with_capacity(bytes.len());
        if self.missing == 0 {
            let limit = bytes.len() as u64;
            self.own.by_ref().take(limit).read_to_end(&mut own)?;
        }
        let (there, beyond) = bytes.split_at(own.len());
        self.differs |= there != own;
        self.in_bucket += bytes.len() as u64;
        self.missing += beyond.len() as u64;
        self.beyond.0.write_all(beyond)
    }

    /// Adds to the journal of this machine what the bucket has beyond it.
    fn fill(&mut self, file: &mut File) -> io::Result<()> {
        if self.missing > 0 {
            io::copy(&mut File::open(&self.beyond.1)?, file)?;
            file.sync_all()?;
        }
        Ok(())
    }
}

impl RecordSink for CaughtUp {
    fn take(&mut self, _place: &str, _record: Record) -> Result<(), JournalError> {
        Ok(())
    }

    fn feed(&mut self, text: &mut Text, bytes: &[u8]) -> Result<(), JournalError> {
        CaughtUp::take(self, bytes).map_err(|source| JournalError::File {
            path: text.place.clone().into(),
            source,
        })
    }

    fn end(&mut self, _text: &mut Text) -> Result<(), JournalError> {
        self.parts += 1;
        Ok(())
    }
}
