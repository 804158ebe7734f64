//! Parity from two S3 Inventory lists, for buckets that are too large to list.
//!
//! An inventory is a picture of a bucket at a time: what was written after the older of the two is never
//! called equal, and what only one of them can know is "not provable". S3 promises no order of rows, neither
//! within a file nor among files, so rows are sorted on disk:
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory.html>.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use aws_env::Error;
use jiff::Timestamp;
use settings::BucketName;

use super::bucket::Bucket;
use super::compare::{Detail, Encryption, Mode, Unprovable, Verdict, compare_details};
use super::comparison::{Outcome, OutcomeSink as _};
use super::coverage::{Covers, CoversBoth};
use super::entry::Modified;
use super::location::{S3LocationError, split_url};
use super::parity::{AsOf, Finding, Parity, Tallies};
use super::walk::Side;

mod covers;
mod job;
mod manifest;
mod rows;

pub(super) use job::{JobInventory, PlannedRows, as_manifest};
#[cfg(feature = "fuzz")]
pub(super) use rows::read_any;
use rows::{Row, Rows};

/// URL of an inventory: `s3://BUCKET/…/manifest.json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestUrl {
    /// The bucket in which the inventory was published.
    pub bucket: BucketName,
    /// The manifest's key.
    pub key: String,
}

impl FromStr for ManifestUrl {
    type Err = S3LocationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (bucket, key) = split_url(text)?;
        if key.is_empty() || key.ends_with('/') {
            return Err(S3LocationError::NoKey {
                text: text.to_owned(),
            });
        }
        let key = key.to_owned();
        Ok(Self { bucket, key })
    }
}

impl fmt::Display for ManifestUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}

/// An S3 Inventory list that was published in a bucket.
#[derive(Clone, Debug)]
pub struct Inventory {
    /// The bucket in which it was published, as a whole.
    pub bucket: Bucket,
    /// Key of its `manifest.json`.
    pub manifest: String,
    /// The bucket that it has to list; any, when `None`.
    pub lists: Option<BucketName>,
}

/// Why an inventory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    /// A call failed.
    #[error("cannot read the inventory")]
    Call(#[from] Error),
    /// The manifest is not one.
    #[error("{key} is not an inventory's manifest")]
    Manifest {
        /// Key of the `manifest.json`.
        key: String,
        /// What the parser or the system says.
        #[source]
        source: serde_json::Error,
    },
    /// The manifest says something that cannot be used.
    #[error("the inventory's manifest {key} cannot be used: {problem}")]
    Unusable {
        /// Key of the `manifest.json`.
        key: String,
        /// What cannot be used, in words.
        problem: String,
    },
    /// Bytes do not have the checksum that was published with them.
    #[error("the MD5 of {key} is {found}, and {expected} was published")]
    Checksum {
        /// Key of the file.
        key: String,
        /// From the manifest.
        expected: String,
        /// Of the bytes.
        found: String,
    },
    /// A file of rows breaks off or is not gzip.
    #[error("cannot unpack {key}")]
    Unpack {
        /// Key of the file.
        key: String,
        /// What the parser or the system says.
        #[source]
        source: io::Error,
    },
    /// A row cannot be used.
    #[error("row {row} of {key} cannot be used: {problem}")]
    Row {
        /// Key of the file.
        key: String,
        /// Counted from 1.
        row: u64,
        /// What cannot be used, in words.
        problem: String,
    },
    /// They list other parts of their buckets.
    #[error("the inventories list other parts: {source_part} and {destination_part}")]
    OtherParts {
        /// What the source's lists.
        source_part: String,
        /// What the destination's lists.
        destination_part: String,
    },
    /// A row is none of what the inventory's configuration names.
    #[error(
        "the inventory lists {key:?}, and by its configuration only keys that begin with {prefix:?}"
    )]
    OutOfPart {
        /// The key in the row.
        key: String,
        /// The configuration's prefix.
        prefix: String,
    },
    /// A job by this inventory would copy what is not planned.
    #[error(
        "the inventory lists {key:?}, which the plan does not copy: a job copies whatever its manifest lists"
    )]
    NotPlanned {
        /// The first such key.
        key: String,
    },
    /// Both list the same bucket.
    #[error("both inventories list the same bucket, {bucket}")]
    OneBucket {
        /// Name of the bucket that both list.
        bucket: String,
    },
    /// Rows cannot be kept on this machine.
    #[error("cannot keep rows in {}", path.display())]
    Keep {
        /// File or directory.
        path: PathBuf,
        /// What the parser or the system says.
        #[source]
        source: io::Error,
    },
    /// A task ended without an answer.
    #[error("sorting ended without an answer")]
    Task(#[from] tokio::task::JoinError),
}

impl InventoryError {
    fn keep(path: &Path) -> impl Fn(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Keep {
            path: path.clone(),
            source,
        }
    }
}

/// Compares what two inventories list. Rows are kept in `directory` meanwhile.
///
/// # Errors
/// The side, and why its inventory cannot be used; nothing is said about the buckets then.
pub async fn parity_of_inventories(
    source: &Inventory,
    destination: &Inventory,
    directory: &Path,
) -> Result<Parity, (Side, InventoryError)> {
    // Both to their ends, so that of two problems the same one is told every time.
    let (ours, theirs) = tokio::join!(
        open(source, directory, Side::Source),
        open(destination, directory, Side::Destination),
    );
    let (ours, theirs) = (ours?, theirs?);
    if ours.bucket == theirs.bucket {
        let bucket = ours.bucket;
        return Err((Side::Destination, InventoryError::OneBucket { bucket }));
    }
    if let (Some(source), Some(destination)) = (ours.covers.prefix(), theirs.covers.prefix())
        && source != destination
    {
        let part = |bucket: &str, prefix: &str| format!("s3://{bucket}/{prefix}*");
        let error = InventoryError::OtherParts {
            source_part: part(&ours.bucket, source),
            destination_part: part(&theirs.bucket, destination),
        };
        return Err((Side::Destination, error));
    }
    let as_of = AsOf {
        source: ours.created,
        destination: theirs.created,
    };
    let covers = CoversBoth {
        source: ours.covers.clone(),
        destination: theirs.covers.clone(),
    };
    let place = |of: &Opened| {
        format!(
            "s3://{}/{}",
            of.bucket,
            of.covers.prefix().unwrap_or_default()
        )
    };
    let (from, to) = (place(&ours), place(&theirs));
    let tallies = tokio::task::spawn_blocking(move || compare(ours, theirs, as_of))
        .await
        .map_err(|error| (Side::Source, error.into()))??;
    let mut parity = tallies.conclude(from, to, None);
    parity.as_of = Some(as_of);
    // What an inventory leaves out may be different.
    if parity.finding == Finding::Same && !covers.are_known() {
        parity.finding = Finding::Unknown;
    }
    parity.inventories = Some(covers);
    Ok(parity)
}

struct Opened {
    bucket: String,
    created: Timestamp,
    covers: Covers,
    rows: Rows,
}

impl Opened {
    fn next(&mut self) -> Result<Option<Row>, InventoryError> {
        let row = self.rows.next().transpose()?;
        match (&row, self.covers.prefix()) {
            (Some(row), Some(prefix)) if !row.key.starts_with(prefix) => {
                Err(InventoryError::OutOfPart {
                    key: row.key.clone(),
                    prefix: prefix.to_owned(),
                })
            }
            _ => Ok(row),
        }
    }
}

async fn open(
    inventory: &Inventory,
    directory: &Path,
    side: Side,
) -> Result<Opened, (Side, InventoryError)> {
    let directory = directory.join(side.to_string());
    let read = async {
        let manifest = manifest::read(inventory).await?;
        let covers = covers::ask(inventory, &manifest.bucket).await?;
        let keep = InventoryError::keep(&directory);
        files::create_secret_folder(&directory).map_err(|error| keep(error.into()))?;
        let rows = rows::sort(inventory, &manifest, &directory).await?;
        Ok(Opened {
            bucket: manifest.bucket,
            created: manifest.created,
            covers,
            rows,
        })
    };
    read.await.map_err(|error| (side, error))
}

fn compare(ours: Opened, theirs: Opened, as_of: AsOf) -> Result<Tallies, (Side, InventoryError)> {
    let mut tallies = Tallies::new(0, 0);
    let (mut ours, mut theirs) = (ours, theirs);
    let mut next = |side: Side| match side {
        Side::Source => ours.next().map_err(|error| (side, error)),
        Side::Destination => theirs.next().map_err(|error| (side, error)),
    };
    let (mut a, mut b) = (next(Side::Source)?, next(Side::Destination)?);
    loop {
        let order = match (&a, &b) {
            (None, None) => return Ok(tallies),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(a), Some(b)) => a.key.cmp(&b.key),
        };
        let source = if order.is_le() { a.take() } else { None };
        let destination = if order.is_ge() { b.take() } else { None };
        tally(&mut tallies, source.as_ref(), destination.as_ref(), as_of);
        if source.is_some() {
            a = next(Side::Source)?;
        }
        if destination.is_some() {
            b = next(Side::Destination)?;
        }
    }
}

fn tally(tallies: &mut Tallies, source: Option<&Row>, destination: Option<&Row>, as_of: AsOf) {
    let newer = |row: &Row, other: Timestamp| {
        Modified::from_timestamp(other).is_none_or(|other| row.meta.modified >= other)
    };
    match (source, destination) {
        (Some(source), Some(destination)) => {
            let verdict = compare_details(Mode::Auto, &detail(source), &detail(destination));
            let meanwhile = newer(source, as_of.destination) || newer(destination, as_of.source);
            let verdict = match verdict {
                Verdict::Equal(_) => verdict,
                _ if meanwhile => Verdict::NotProvable(Unprovable::Newer),
                _ => verdict,
            };
            tallies.record(
                &source.key,
                Outcome::Both {
                    source: &source.meta,
                    destination: &destination.meta,
                    verdict,
                    version: None,
                    identities: None,
                },
            );
        }
        (Some(row), None) if newer(row, as_of.destination) => {
            tallies.newer(Side::Source, &row.key, &row.meta);
        }
        (Some(row), None) => tallies.record(
            &row.key,
            Outcome::SourceOnly {
                source: &row.meta,
                archived: row.meta.class.is_archive(),
            },
        ),
        (None, Some(row)) if newer(row, as_of.source) => {
            tallies.newer(Side::Destination, &row.key, &row.meta);
        }
        (None, Some(row)) => tallies.record(
            &row.key,
            Outcome::DestinationOnly {
                destination: &row.meta,
                source_deleted: false,
            },
        ),
        (None, None) => {}
    }
}

/// A row as HeadObject would say it: an inventory names the algorithm of a checksum, not its value.
fn detail(row: &Row) -> Detail {
    let meta = row.meta.clone();
    Detail {
        size: meta.size,
        etag: meta.etag,
        modified: meta.modified,
        archived: meta.class.is_archive(),
        class: meta.class,
        version: None,
        encryption: if row.plain {
            Encryption::Plain
        } else {
            Encryption::Keyed
        },
        checksums: Vec::new(),
        first_part: None,
        headers: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
