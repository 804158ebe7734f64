//! The records of a run, each in a numbered slot that is written once.

use futures::stream::{StreamExt as _, TryStreamExt as _, iter};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::record::{Digest, Event, Record};
use crate::store::{Created, FolderStore, Store, StoreError};
use crate::{Holder, Host, RunId};

/// How many records are read at once.
const AT_ONCE: usize = 16;
/// How often a slot is asked for that is neither free nor taken: a write to it was under way.
const ATTEMPTS: u32 = 5;

/// Why a record could not be written, or the records could not be read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Somebody else carries the run. Nothing was done after the last record of this process.
    #[error("{}", fenced(run, holder.as_ref()))]
    Fenced {
        /// The run that it is about.
        run: RunId,
        /// Who, if their records tell.
        holder: Option<Holder>,
    },
    /// It cannot be known whether the record is there.
    #[error("cannot keep the record {place}")]
    Store {
        /// The object that holds it.
        place: String,
        /// What S3 or the system says.
        #[source]
        source: StoreError,
    },
    /// An object is none of the journal's.
    #[error("{place} is not a record of run {run}: {problem}")]
    Broken {
        /// The run that it is about.
        run: RunId,
        /// The object that holds it.
        place: String,
        /// What is wrong with it.
        problem: String,
    },
}

fn fenced(run: &RunId, holder: Option<&Holder>) -> String {
    match holder {
        Some(holder) => format!("run {run} was taken over by {holder}"),
        None => format!("run {run} was taken over by another process"),
    }
}

/// The key of a slot.
pub(crate) fn slot(run: &RunId, seq: u64) -> String {
    format!("{}{seq:06}.json", folder(run))
}

/// The folder of a run.
pub(crate) fn folder(run: &RunId) -> String {
    format!("runs/{run}/")
}

/// The end of a journal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tail {
    seq: u64,
    previous: Option<Digest>,
}

impl Tail {
    /// Of a journal without records.
    pub(crate) const NEW: Self = Self {
        seq: 0,
        previous: None,
    };
}

/// Names the records of a run until one of them: no other records have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalSeal {
    /// How many they are.
    pub records: u64,
    /// Of the last one as it lies in the store; each has that of the one before.
    pub digest: Option<Digest>,
}

impl JournalSeal {
    pub(crate) fn of(tail: Tail) -> Self {
        Self {
            records: tail.seq,
            digest: tail.previous,
        }
    }
}

/// The records that a seal names, if the journal has them.
///
/// # Errors
/// When one is missing, was changed, or cannot be read.
pub(crate) async fn read_sealed(
    store: &impl Store,
    run: &RunId,
    seal: JournalSeal,
) -> Result<Option<Vec<Record>>, JournalError> {
    let (mut records, tail) = read(store, run).await?;
    let Ok(count) = usize::try_from(seal.records) else {
        return Ok(None);
    };
    let digest = match records.get(count) {
        Some(next) => next.previous,
        None if tail.seq == seal.records => tail.previous,
        None => return Ok(None),
    };
    records.truncate(count);
    Ok((digest.is_some() && digest == seal.digest).then_some(records))
}

/// The journal of a run that this process carries.
#[derive(Debug)]
pub struct Journal<S> {
    store: S,
    copy: Option<FolderStore>,
    run: RunId,
    epoch: u64,
    tail: Mutex<Tail>,
}

impl<S: Store> Journal<S> {
    pub(crate) fn new(
        store: S,
        copy: Option<FolderStore>,
        run: RunId,
        epoch: u64,
        tail: Tail,
    ) -> Self {
        Self {
            store,
            copy,
            run,
            epoch,
            tail: Mutex::new(tail),
        }
    }

    /// Writes the next record: on this machine, and in the store. What the record announces may be done when this
    /// returns.
    ///
    /// # Errors
    /// When somebody else took the slot, or neither is known.
    pub async fn append(&self, host: &impl Host, event: Event) -> Result<Record, JournalError> {
        let mut tail = self.tail.lock().await;
        let record = Record {
            run: self.run.clone(),
            seq: tail.seq,
            epoch: self.epoch,
            nonce: host.random(),
            time: host.now(),
            previous: tail.previous,
            stand_in: host.stand_in(),
            calls: host.calls(),
            event,
        };
        let key = slot(&self.run, tail.seq);
        let failed = |source| JournalError::Store {
            place: self.store.place(&key),
            source,
        };
        // Keys and values that serde_json cannot write do not occur in records.
        let bytes = serde_json::to_vec_pretty(&record)
            .map_err(|error| self.broken(&key, &error.to_string()))?;
        if let Some(copy) = &self.copy {
            copy.put(&key, &bytes)
                .map_err(|source| JournalError::Store {
                    place: copy.place(&key),
                    source,
                })?;
        }
        let mut attempts = 0..ATTEMPTS;
        loop {
            let created = self.store.create(&key, &bytes).await;
            match created {
                Ok(Created::Written(_)) => break,
                // Its answer may be the one to an attempt that had been lost.
                Ok(Created::Taken) | Err(_) => {}
            }
            let there = self.store.read(&key).await.map_err(failed)?;
            match (there, created) {
                (Some(there), _) => {
                    let other = self.parse(&key, &there.bytes)?;
                    if other.nonce == record.nonce && other.epoch == record.epoch {
                        break;
                    }
                    return Err(self.fenced(other));
                }
                (None, Err(error)) => return Err(failed(error)),
                (None, Ok(_)) if attempts.next().is_some() => {}
                (None, Ok(_)) => return Err(self.broken(&key, "it is neither free nor taken")),
            }
        }
        *tail = Tail {
            seq: tail.seq + 1,
            previous: Some(Digest::of(&bytes)),
        };
        Ok(record)
    }

    /// Names what was written until now.
    pub(crate) async fn seal(&self) -> JournalSeal {
        JournalSeal::of(*self.tail.lock().await)
    }

    fn fenced(&self, other: Record) -> JournalError {
        JournalError::Fenced {
            run: self.run.clone(),
            // The first record of whoever takes a run over says who.
            holder: match other.event {
                Event::Opened { holder } => Some(holder),
                _ => None,
            },
        }
    }

    fn broken(&self, key: &str, problem: &str) -> JournalError {
        broken(&self.store, &self.run, key, problem)
    }

    fn parse(&self, key: &str, bytes: &[u8]) -> Result<Record, JournalError> {
        parse(&self.store, &self.run, key, bytes)
    }
}

fn broken(store: &impl Store, run: &RunId, key: &str, problem: &str) -> JournalError {
    JournalError::Broken {
        run: run.clone(),
        place: store.place(key),
        problem: problem.to_owned(),
    }
}

fn parse(store: &impl Store, run: &RunId, key: &str, bytes: &[u8]) -> Result<Record, JournalError> {
    serde_json::from_slice(bytes).map_err(|error| broken(store, run, key, &error.to_string()))
}

/// The records of a run, in order; none where there is no such run.
///
/// # Errors
/// When one is missing, was changed, or cannot be read.
pub async fn read_records(store: &impl Store, run: &RunId) -> Result<Vec<Record>, JournalError> {
    Ok(read(store, run).await?.0)
}

pub(crate) async fn read(
    store: &impl Store,
    run: &RunId,
) -> Result<(Vec<Record>, Tail), JournalError> {
    let failed = |key: &str, source| JournalError::Store {
        place: store.place(key),
        source,
    };
    let folder = folder(run);
    let keys = store.list(&folder).await;
    let keys = keys.map_err(|error| failed(&folder, error))?;
    let slots = keys.into_iter().filter(|key| {
        let name = key.strip_prefix(&folder);
        let number = name.and_then(|name| name.strip_suffix(".json"));
        number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
    });
    let objects = iter(slots).map(async |key| match store.read(&key).await {
        Ok(Some(there)) => Ok((key, there.bytes)),
        Ok(None) => Err(broken(store, run, &key, "it was listed and is gone")),
        Err(error) => Err(failed(&key, error)),
    });
    let objects: Vec<_> = objects.buffered(AT_ONCE).try_collect().await?;
    let mut tail = Tail::NEW;
    let mut records = Vec::with_capacity(objects.len());
    for (key, bytes) in objects {
        let record = parse(store, run, &key, &bytes)?;
        let expected = (run, tail.seq, tail.previous);
        if (&record.run, record.seq, record.previous) != expected || key != slot(run, tail.seq) {
            let problem = format!(
                "it does not follow record {} of it",
                tail.seq.wrapping_sub(1)
            );
            return Err(broken(store, run, &key, &problem));
        }
        tail = Tail {
            seq: tail.seq + 1,
            previous: Some(Digest::of(&bytes)),
        };
        records.push(record);
    }
    Ok((records, tail))
}
