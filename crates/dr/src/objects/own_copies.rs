//! What runs have copied: pairs of objects with the same content although neither ETag nor checksum tells.
//!
//! An ETag under a KMS key says nothing about the content, but within one bucket two contents never share one. So an object
//! of the source and one of the destination are the same when a run has written down that it copied the one with this ETag
//! and that the copy has that ETag. Journals are believed as they are by an undo: those of this machine, and those in a
//! bucket with digests by the key at hand.

use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use tokio::sync::OnceCell;

use super::bucket::Bucket;
use super::entry::{ETag, ObjectMeta};
use super::journal::{CopiedFrom, JournalError, JournalKey, Run, believed_copies};
use super::location::S3Location;

/// Copies that runs have written down. Journals are read when the first object needs it, and not before.
#[derive(Clone, Debug, Default)]
pub struct OwnCopies(Option<Arc<Known>>);

#[derive(Debug)]
struct Known {
    runs: PathBuf,
    key: Option<JournalKey>,
    journals: Vec<Bucket>,
    pairs: OnceCell<Pairs>,
}

/// Sixteen bytes for each pair.
#[derive(Debug, Default)]
struct Pairs(Vec<Fingerprint>);

type Fingerprint = [u8; 16];

/// One side of a pair: bucket, whole key and ETag.
type End<'a> = (&'a str, &'a str, &'a ETag);

impl OwnCopies {
    /// Those in the journals of this machine, which lie in `runs`, and, with a `key`, in those of `journals` that have
    /// digests by it.
    pub fn new(runs: PathBuf, key: Option<JournalKey>, journals: Vec<Bucket>) -> Self {
        Self(Some(Arc::new(Known {
            runs,
            key,
            journals,
            pairs: OnceCell::new(),
        })))
    }

    /// Reads the journals, unless that was done.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(super) async fn read(&self) -> Result<(), JournalError> {
        if let Some(known) = &self.0 {
            known.pairs.get_or_try_init(|| known.read()).await?;
        }
        Ok(())
    }

    /// Whether one of the two was copied from the other and neither has been written since. Nothing is known before the
    /// journals have been read.
    pub(super) fn proves(
        &self,
        (source, source_meta): (&Bucket, &ObjectMeta),
        (destination, destination_meta): (&Bucket, &ObjectMeta),
        key: &str,
    ) -> bool {
        let pairs = self.0.as_ref().and_then(|known| known.pairs.get());
        let Some(Pairs(pairs)) = pairs.filter(|pairs| !pairs.0.is_empty()) else {
            return false;
        };
        if source_meta.size != destination_meta.size {
            return false;
        }
        let (from, to) = (source.key(key), destination.key(key));
        let pair = fingerprint(
            (source.name(), &from, &source_meta.etag),
            (destination.name(), &to, &destination_meta.etag),
            source_meta.size,
        );
        pairs.binary_search(&pair).is_ok()
    }
}

impl Known {
    async fn read(&self) -> Result<Pairs, JournalError> {
        let mut pairs =
            believed_copies(&self.runs, &self.journals, self.key.as_ref(), pair).await?;
        pairs.sort_unstable();
        pairs.dedup();
        pairs.shrink_to_fit();
        Ok(Pairs(pairs))
    }
}

/// The pair that a line of `run` tells of: it copied `from` to the whole key `key`.
fn pair(run: &Run, key: &str, etag: &ETag, from: &CopiedFrom) -> Option<Fingerprint> {
    let source: S3Location = run.source.parse().ok()?;
    let destination: S3Location = run.destination.parse().ok()?;
    let relative = key.strip_prefix(&destination.prefix)?;
    let source_key = format!("{}{relative}", source.prefix);
    Some(fingerprint(
        (source.bucket.as_str(), &source_key, &from.etag),
        (destination.bucket.as_str(), key, etag),
        from.size,
    ))
}

/// The same whichever of the two was the copy.
fn fingerprint(one: End<'_>, other: End<'_>, size: u64) -> Fingerprint {
    let text = |(bucket, key, etag): End<'_>| {
        // The key's length makes it unambiguous.
        format!("{bucket}/{}:{key}{etag}", key.len())
    };
    let mut ends = [text(one), text(other)];
    ends.sort_unstable();
    let mut hasher = Sha256::new();
    hasher.update(size.to_le_bytes());
    for end in ends {
        hasher.update((end.len() as u64).to_le_bytes());
        hasher.update(end);
    }
    let hash: [u8; 32] = hasher.finalize().into();
    let mut first = [0; 16];
    first.copy_from_slice(&hash[..16]);
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprint_of_a_pair_is_that_of_its_mirror_and_of_no_other() {
        let (a, b) = (ETag::parse("a"), ETag::parse("b"));
        let pair = fingerprint(("one", "k", &a), ("two", "k", &b), 1);
        assert_eq!(pair, fingerprint(("two", "k", &b), ("one", "k", &a), 1));
        for other in [
            fingerprint(("one", "k", &b), ("two", "k", &a), 1),
            fingerprint(("one", "k", &a), ("two", "k", &b), 2),
            fingerprint(("one", "ka", &ETag::parse("")), ("two", "k", &b), 1),
            fingerprint(("one", "k", &a), ("twok", "", &b), 1),
        ] {
            assert_ne!(pair, other);
        }
    }

    #[test]
    fn pair_of_a_run_between_folders_names_the_whole_keys() {
        let run = Run {
            run: "r".to_owned(),
            command: "sync".to_owned(),
            started: jiff::Timestamp::UNIX_EPOCH,
            source: "s3://photos/2026/".to_owned(),
            destination: "s3://photos-dr/old/".to_owned(),
        };
        let from = CopiedFrom {
            size: 3,
            etag: ETag::parse("a"),
            version: None,
        };
        let etag = ETag::parse("b");
        let expected = fingerprint(
            ("photos", "2026/x", &from.etag),
            ("photos-dr", "old/x", &etag),
            3,
        );
        assert_eq!(pair(&run, "old/x", &etag, &from), Some(expected));
        assert_eq!(pair(&run, "elsewhere/x", &etag, &from), None);
    }
}
