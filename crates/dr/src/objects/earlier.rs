//! What a run did before it was killed, for the run that goes on.

use std::collections::HashMap;

use futures::StreamExt as _;
use sha2::{Digest as _, Sha256};

use super::bucket::Bucket;
use super::execute::ExecuteError;
use super::journal::{Action, Change, CopiedFrom, Journal, Outcome, Record};
use super::location::S3Location;
use super::spool::Spool;
use super::undo::decision::{Found, decide};
use super::undo::origin::{Origin, whose};
use super::versions::versions;

/// Keys that are looked at at once.
const AT_ONCE: usize = 32;

const NOT_COMPARED: &str = "the run was killed, and what is there now was not compared";

/// What is known of a step that was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It was taken.
    Made,
    /// Nothing tells whether it was, and why.
    Unknown(&'static str),
}

/// The beginning of a key's SHA-256: of a million keys, whatever their length, some 40 MB.
type Fingerprint = u128;

/// The steps that need no doing.
#[derive(Debug, Default)]
pub(super) struct Earlier(HashMap<Fingerprint, Taken>);

impl Earlier {
    /// Finds out, where the run was killed before it could tell, whether it has taken a step: by what is there now, as an undo
    /// does. What it has taken is written to the journal as it would have been.
    pub(super) async fn settle(
        changes: &Spool<Change>,
        journal: &Journal,
        source: &Bucket,
        destination: &Bucket,
    ) -> Result<Self, ExecuteError> {
        let origin = Origin::between(source, destination);
        let whole = destination.beside(S3Location::whole(destination.location().bucket.clone()));
        let (origin, whole) = (&origin, &whole);
        let mut taken = HashMap::new();
        let mut begun = futures::stream::iter(changes.read()?)
            .map(|change| async move {
                let change = change?;
                let settled = match &change.outcome {
                    Outcome::Made { .. } => Settled::Before,
                    Outcome::NotMade => Settled::Not,
                    Outcome::Unknown => settle(&change, whole, origin).await?,
                };
                Ok::<_, ExecuteError>((change, settled))
            })
            .buffered(AT_ONCE);
        while let Some(settled) = begun.next().await {
            let (change, settled) = settled?;
            let of_key = match settled {
                Settled::Not => continue,
                Settled::Before => Taken::Made,
                Settled::Now(record) => {
                    journal.append_outcome(&record)?;
                    Taken::Made
                }
                Settled::Unknown(why) => Taken::Unknown(why),
            };
            taken.insert(fingerprint(&change.intent.key), of_key);
        }
        Ok(Self(taken))
    }

    /// What is known of the step for a whole key; nothing of one that has still to be taken.
    pub(super) fn of(&self, key: &str) -> Option<Taken> {
        if self.0.is_empty() {
            return None;
        }
        self.0.get(&fingerprint(key)).copied()
    }
}

enum Settled {
    /// The journal has its outcome.
    Before,
    /// It was taken, with this outcome.
    Now(Record),
    /// It was not taken, or somebody else has written there: the step itself finds out which.
    Not,
    Unknown(&'static str),
}

async fn settle(
    change: &Change,
    bucket: &Bucket,
    origin: &Origin,
) -> Result<Settled, ExecuteError> {
    let intent = &change.intent;
    let versions = versions(bucket, &intent.key).await?;
    let found = whose(change, decide(change, &versions), bucket, Some(origin)).await?;
    Ok(match found {
        Found::Step(step) => {
            let current = versions.iter().find(|version| version.id == step.current);
            let from = intent.etag.clone().zip(intent.size);
            Settled::Now(Record::Done {
                key: step.key,
                after: Some(step.current),
                etag: current.and_then(|version| version.etag.clone()),
                from: from
                    .filter(|_| intent.action != Action::Delete)
                    .map(|(etag, size)| CopiedFrom {
                        size,
                        etag,
                        version: None,
                    }),
            })
        }
        Found::Nothing | Found::Conflict | Found::IfAsBefore { .. } => Settled::Not,
        Found::IfContent(_) => Settled::Unknown(NOT_COMPARED),
        Found::Impossible(why) => Settled::Unknown(why),
    })
}

fn fingerprint(key: &str) -> Fingerprint {
    let hash: [u8; 32] = Sha256::digest(key).into();
    let mut first = [0; 16];
    first.copy_from_slice(&hash[..16]);
    u128::from_le_bytes(first)
}
