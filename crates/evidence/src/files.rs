//! Files that are there whole or not at all, for their owner alone.

use std::fs;
use std::path::Path;

use ::files::{FileError, Secrecy};

use super::error::{EvidenceError, write_failed};

pub(super) fn make_parent(path: &Path) -> Result<(), EvidenceError> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => {
            fs::create_dir_all(parent).map_err(|source| write_failed(parent, source))
        }
        _ => Ok(()),
    }
}

/// A new file, for its owner alone, whole or not at all.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), EvidenceError> {
    ::files::write_new_file(path, bytes, Secrecy::Secret).map_err(|error| failed(path, error))
}

/// A file in the place of an older one, for its owner alone, whole or not at all.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), EvidenceError> {
    ::files::write_file(path, bytes, Secrecy::Secret).map_err(|error| failed(path, error))
}

fn failed(path: &Path, error: FileError) -> EvidenceError {
    write_failed(path, error.into())
}
