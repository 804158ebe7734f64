//! Files that are there whole or not at all, for their owner alone.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

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
    let failed = |source| write_failed(path, source);
    let part = written_beside(path, bytes)?;
    // A link, unlike a renaming, never takes the place of another file.
    let linked = fs::hard_link(&part, path);
    fs::remove_file(&part).map_err(failed)?;
    linked.map_err(failed)?;
    settle(path)
}

/// A file in the place of an older one, for its owner alone, whole or not at all.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), EvidenceError> {
    let part = written_beside(path, bytes)?;
    fs::rename(&part, path).map_err(|source| write_failed(path, source))?;
    settle(path)
}

fn written_beside(path: &Path, bytes: &[u8]) -> Result<PathBuf, EvidenceError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let part = path.with_file_name(format!(".{name}.part"));
    let write = || -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&part)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|source| write_failed(path, source))?;
    Ok(part)
}

/// The name is on the disk, too.
fn settle(path: &Path) -> Result<(), EvidenceError> {
    #[cfg(unix)]
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|source| write_failed(path, source))?;
    }
    Ok(())
}
