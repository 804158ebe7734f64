//! Real servers behind the instances.

use std::path::{Path, PathBuf};

/// A directory that goes when nobody needs it any more.
#[derive(Debug)]
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::debug!(%error, "a data directory stays until the end");
        }
    }
}
