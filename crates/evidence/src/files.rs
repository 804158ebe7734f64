//! Files that are there whole or not at all, for their owner alone.

use std::path::Path;

use ::files::{FileError, Secrecy};

use super::error::{EvidenceError, read_failed, write_failed};

/// Bytes of a file of the folder. The capture of a large environment has some megabytes.
const MOST: u64 = 256 << 20;

pub(super) fn make_parent(path: &Path) -> Result<(), EvidenceError> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => make_folder(parent),
        _ => Ok(()),
    }
}

/// A folder, for its owner alone.
pub(super) fn make_folder(path: &Path) -> Result<(), EvidenceError> {
    ::files::create_secret_folder(path).map_err(|error| failed(path, error))
}

/// The bytes of a file.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, EvidenceError> {
    ::files::read_limited(path, MOST).map_err(|error| read_failed(path, error.into()))
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
