//! A plan that one process makes and another carries out.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use files::{FileError, Secrecy};
use serde::{Deserialize, Serialize};

use super::super::bucket::{Bucket, BucketIdentity};
use super::super::spool::{Spool, SpoolError};
use super::{Direction, Plan, Planned};

/// The files of a plan.
pub(in super::super) const COPIES: &str = "copies.jsonl";
pub(in super::super) const DELETIONS: &str = "deletions.jsonl";
const PLAN: &str = "plan.json";
/// Counts, twenty keys of each kind, and what is said of them.
const LARGEST: u64 = 4 << 20;

/// A plan beside the files of its steps.
#[derive(Debug, Serialize, Deserialize)]
struct Saved {
    plan: Plan,
    from: BucketIdentity,
    to: BucketIdentity,
    direction: Direction,
    keeps_versions: bool,
    /// SHA-256 of the files.
    copies: String,
    deletions: String,
}

/// A plan cannot be kept, or not taken up again.
#[derive(Debug, thiserror::Error)]
pub enum ReopenError {
    /// A file of it cannot be written or read.
    #[error("cannot use the plan {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system or the parser says.
        #[source]
        source: io::Error,
    },
    /// Its steps cannot be read.
    #[error("cannot use the steps of the plan")]
    Steps(#[from] SpoolError),
    /// A file of steps is not the one that was planned.
    #[error("{} is not what was planned: it has been changed since", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// It is a plan for other buckets.
    #[error("the plan is for {planned}, and not for {given}")]
    OtherBuckets {
        /// What it was made for.
        planned: String,
        /// What it was to be carried out on.
        given: String,
    },
}

impl Planned {
    /// Keeps the plan beside the files of its steps, on the disk, for another process. The plan of a sync or of a
    /// reconciliation: with it the directory holds all that [`Planned::reopen`] needs.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn save(&self) -> Result<(), ReopenError> {
        let saved = Saved {
            plan: self.plan.clone(),
            from: self.source.identity(),
            to: self.destination.identity(),
            direction: self.direction,
            keeps_versions: self.keeps_versions,
            copies: self.copies.close()?,
            deletions: self.deletions.close()?,
        };
        let path = self.copies.path().with_file_name(PLAN);
        let failed = |source| ReopenError::File {
            path: path.clone(),
            source,
        };
        let text = serde_json::to_vec(&saved).map_err(|error| failed(error.into()))?;
        let written = files::write_file(&path, &text, Secrecy::Secret);
        written.map_err(|error| failed(error.into()))
    }

    /// Takes up a plan that [`Planned::save`] has kept in `directory`, to the letter, for the buckets that it was made for.
    /// It has to be approved as it had to be before, and each step looks again at what it changes.
    ///
    /// # Errors
    /// When it is not there or not whole, its steps are not those that were planned, or the buckets are others.
    pub fn reopen(
        directory: &Path,
        source: &Bucket,
        destination: &Bucket,
    ) -> Result<Self, ReopenError> {
        let path = directory.join(PLAN);
        let failed = |source| ReopenError::File {
            path: path.clone(),
            source,
        };
        let text =
            files::read_limited(&path, LARGEST).map_err(|error: FileError| failed(error.into()))?;
        let saved: Saved = serde_json::from_slice(&text).map_err(|error| failed(error.into()))?;
        for (planned, given) in [(&saved.from, source), (&saved.to, destination)] {
            let given = given.identity();
            if !is_the_same(planned, &given) {
                return Err(ReopenError::OtherBuckets {
                    planned: planned.to_string(),
                    given: given.to_string(),
                });
            }
        }
        let steps = |name: &str, sha256: &str| {
            let path = directory.join(name);
            let spool = Spool::reopen(path.clone(), sha256)?;
            spool.map(Arc::new).ok_or(ReopenError::Changed { path })
        };
        Ok(Self {
            copies: steps(COPIES, &saved.copies)?,
            deletions: steps(DELETIONS, &saved.deletions)?,
            plan: saved.plan,
            source: source.clone(),
            destination: destination.clone(),
            direction: saved.direction,
            keeps_versions: saved.keeps_versions,
        })
    }
}

/// An account that is not known yet is asked for before the first call, and compared by S3.
fn is_the_same(planned: &BucketIdentity, given: &BucketIdentity) -> bool {
    let accounts = planned.account.as_ref().zip(given.account.as_ref());
    planned.url == given.url
        && planned.region == given.region
        && accounts.is_none_or(|(planned, given)| planned == given)
}
