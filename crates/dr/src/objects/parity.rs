//! Whether two buckets hold the same objects, and what proves it.

use std::collections::BTreeMap;

use aws_env::Error;
use jiff::Timestamp;
use serde::Serialize;

use super::bucket::Bucket;
use super::compare::Mode;
use super::comparison::{Terms, compare};
use super::coverage::CoversBoth;
use super::digest::TreeDigest;
use super::journal::JournalError;
use super::own_copies::OwnCopies;
use super::plan::{Listed, Tally};
use super::walk::WalkError;

mod sample;
mod tally;
mod view;

use sample::read_sample;
pub(super) use tally::Tallies;

/// How parity is checked.
#[derive(Clone, Debug)]
pub struct ParityOptions {
    /// What counts as proof.
    pub mode: Mode,
    /// Compare metadata, content headers and tags as well.
    pub headers: bool,
    /// Ranges that are listed at once.
    pub listings: usize,
    /// Objects that are read on both sides, byte for byte.
    pub sample: usize,
    /// Chooses the sample.
    pub seed: u64,
    /// What runs have copied before.
    pub own_copies: OwnCopies,
}

/// Why two buckets could not be compared.
#[derive(Debug, thiserror::Error)]
pub enum ParityError {
    /// HeadObject failed.
    #[error("cannot compare an object")]
    Ask(#[from] Error),
    /// What earlier runs copied cannot be read.
    #[error("cannot read the journals of earlier runs")]
    Journal(#[from] JournalError),
}

/// One side, or one folder of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sum {
    /// Number of objects.
    pub objects: u64,
    /// Sum of their lengths in bytes.
    pub bytes: u64,
    /// Over key, size and content of every object.
    pub digest: TreeDigest,
}

impl Sum {
    fn one(key: &str, size: u64, identity: &str) -> Self {
        let mut sum = Self {
            objects: 1,
            bytes: size,
            digest: TreeDigest::default(),
        };
        sum.digest.add(key, size, identity);
        sum
    }

    fn add(&mut self, key: &str, size: u64, identity: &str) {
        self.merge(Self::one(key, size, identity));
    }

    fn merge(&mut self, other: Self) {
        self.objects += other.objects;
        self.bytes += other.bytes;
        self.digest.merge(other.digest);
    }
}

/// Both sides of a folder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Folder {
    /// What the source holds.
    pub source: Sum,
    /// What the destination holds.
    pub destination: Sum,
    /// Objects that differ or are on one side only.
    pub different: u64,
    /// Objects of which neither is provable.
    pub unproven: u64,
}

/// What reading some objects has shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sample {
    /// Objects that were read on both sides and are the same, byte for byte.
    pub same: Tally,
    /// Objects whose bytes differ.
    pub different: Listed,
    /// Objects that could not be read.
    pub unread: Listed,
}

/// Whether two buckets are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Finding {
    /// Every object is proven equal.
    Same,
    /// At least one differs or is on one side only.
    Different,
    /// No difference was found, and not everything could be checked.
    Unknown,
}

/// When two inventories were taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct AsOf {
    /// Of the source.
    pub source: Timestamp,
    /// Of the destination.
    pub destination: Timestamp,
}

/// Two buckets side by side.
#[derive(Clone, Debug, Serialize)]
pub struct Parity {
    /// What came out.
    pub finding: Finding,
    /// The times of which it speaks; null when both buckets were listed now.
    pub as_of: Option<AsOf>,
    /// What the inventories list; null when both buckets were listed now.
    pub inventories: Option<CoversBoth>,
    /// Where the source is.
    pub from: String,
    /// Where the destination is.
    pub to: String,
    /// What the source holds.
    pub source: Sum,
    /// What the destination holds.
    pub destination: Sum,
    /// Objects that are proven equal.
    pub equal: Tally,
    /// Objects that are proven different; in what is the reason.
    pub different: Listed,
    /// Not in the destination.
    pub only_source: Listed,
    /// Not in the source.
    pub only_destination: Listed,
    /// Neither equality nor difference is provable.
    pub unproven: Listed,
    /// Archived in the source: not copyable before a restore. Part of the lists above.
    pub archived: Listed,
    /// By first folder; null when there are more than a thousand.
    pub folders: Option<BTreeMap<String, Folder>>,
    /// Null when none was asked for.
    pub sample: Option<Sample>,
}

/// Compares two buckets and changes nothing.
///
/// # Errors
/// When a listing or a question fails.
pub async fn parity(
    source: &Bucket,
    destination: &Bucket,
    options: &ParityOptions,
) -> Result<Parity, WalkError<Error, ParityError>> {
    let terms = Terms {
        mode: options.mode,
        headers: options.headers,
        listings: options.listings,
        own_copies: options.own_copies.clone(),
    };
    let tallies = compare(source, destination, terms, || {
        Tallies::new(options.sample, options.seed)
    })
    .await?;
    let mut found = Tallies::new(options.sample, options.seed);
    for tallies in tallies {
        found.merge(tallies);
    }
    let sample = if options.sample > 0 {
        Some(read_sample(source, destination, &found.drawn).await)
    } else {
        None
    };
    Ok(found.conclude(
        source.location().to_string(),
        destination.location().to_string(),
        sample,
    ))
}
