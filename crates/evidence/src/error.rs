use std::io;
use std::path::{Path, PathBuf};

use super::salt::SaltError;

/// Why evidence cannot be kept or read. No message repeats what a file holds.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// A file cannot be read.
    #[error("read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("write {}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is not one capture.
    #[error("find a capture in {}", path.display())]
    Empty {
        /// Where.
        path: PathBuf,
    },
    /// A file is not as it was written, or was not written by this program.
    #[error("use {}: {what}", path.display())]
    Edited {
        /// Which.
        path: PathBuf,
        /// What is not as it was written.
        what: String,
    },
    /// A capture or review would continue a chain that is not whole.
    #[error("continue the chain in {}: {what}", path.display())]
    Chain {
        /// Where.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The salt's file holds something else.
    #[error("use the salt in {}", path.display())]
    Salt {
        /// Which.
        path: PathBuf,
        /// Why.
        source: SaltError,
    },
    /// The item has no value that could be reviewed.
    #[error("sign {item}: the newest capture has no value for it")]
    NoValue {
        /// The item's title.
        item: &'static str,
    },
    /// Something cannot be written as JSON.
    #[error("write JSON")]
    Json(#[source] serde_json::Error),
}

impl EvidenceError {
    /// Whether a file is not there.
    pub(super) fn is_absence(&self) -> bool {
        matches!(self, Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

pub(super) fn read_failed(path: &Path, source: io::Error) -> EvidenceError {
    EvidenceError::Read {
        path: path.to_owned(),
        source,
    }
}

pub(super) fn write_failed(path: &Path, source: io::Error) -> EvidenceError {
    EvidenceError::Write {
        path: path.to_owned(),
        source,
    }
}
