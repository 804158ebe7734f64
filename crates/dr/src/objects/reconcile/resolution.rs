//! Which side wins where somebody has to decide: lists of keys.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Which side's object the primary has in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// The primary gets what the DR bucket has: its object, or its deletion.
    KeepDr,
    /// The primary keeps what it has.
    KeepPrimary,
}

/// What was decided about keys that are in doubt. Others are not touched by it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolutions {
    keys: BTreeMap<String, Resolution>,
    restore_deleted: bool,
}

/// A list of keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ResolutionError {
    /// It cannot be read.
    #[error("cannot read the list of keys")]
    File(#[from] files::FileError),
    /// A line is no key.
    #[error("line {line} of {} is no key: neither text nor a JSON string", path.display())]
    Line {
        /// Path of the list.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
    /// A key is in two lists that contradict one another.
    #[error("{key:?} is to be kept in both regions")]
    Contradiction {
        /// The key.
        key: String,
    },
}

/// Bytes of a list: two million keys of 128 bytes.
const LARGEST_LIST: u64 = 256 << 20;

impl Resolutions {
    /// Decides what the list at `path` names: a key a line, or a JSON string where the key has a newline, begins with a
    /// quotation mark, or has spaces at an end. Empty lines do not count.
    ///
    /// # Errors
    /// When the list cannot be read, a line is no key, or another list decides otherwise.
    pub fn add_list(&mut self, path: &Path, resolution: Resolution) -> Result<(), ResolutionError> {
        let text = files::read_limited(path, LARGEST_LIST)?;
        for (line, bytes) in (1..).zip(text.split(|byte| *byte == b'\n')) {
            let wrong = || ResolutionError::Line {
                path: path.to_owned(),
                line,
            };
            let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
            let key = match bytes {
                [] => continue,
                [b'"', ..] => serde_json::from_slice(bytes).map_err(|_| wrong())?,
                bytes => String::from_utf8(bytes.to_vec()).map_err(|_| wrong())?,
            };
            self.add(key, resolution)?;
        }
        Ok(())
    }

    /// Decides about one key below the bucket's prefix.
    ///
    /// # Errors
    /// When it was decided otherwise.
    pub fn add(&mut self, key: String, resolution: Resolution) -> Result<(), ResolutionError> {
        match self.keys.get(&key) {
            Some(other) if *other != resolution => Err(ResolutionError::Contradiction { key }),
            _ => {
                self.keys.insert(key, resolution);
                Ok(())
            }
        }
    }

    /// Brings back everything that the primary lacks and the DR bucket has as it was at the failover: where the primary
    /// was rebuilt.
    #[must_use]
    pub fn restoring_deleted(mut self, all: bool) -> Self {
        self.restore_deleted = all;
        self
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &String> {
        self.keys.keys()
    }

    pub(super) fn of(&self, key: &str) -> Option<Resolution> {
        self.keys.get(key).copied()
    }

    pub(super) fn restores_deleted(&self) -> bool {
        self.restore_deleted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn add_list_takes_keys_of_every_kind() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "a b\r\n\n\"line\\nbreak\"\nc,d\n").unwrap();
        let mut resolutions = Resolutions::default();
        resolutions
            .add_list(file.path(), Resolution::KeepDr)
            .unwrap();
        let keys: Vec<_> = resolutions.keys().collect();
        assert_eq!(keys, ["a b", "c,d", "line\nbreak"]);
        assert_eq!(resolutions.of("c,d"), Some(Resolution::KeepDr));
        let again = resolutions.add_list(file.path(), Resolution::KeepPrimary);
        assert!(matches!(again, Err(ResolutionError::Contradiction { key }) if key == "a b"));
        std::fs::write(file.path(), "a\n\"b\n").unwrap();
        let wrong = Resolutions::default().add_list(file.path(), Resolution::KeepDr);
        assert!(matches!(wrong, Err(ResolutionError::Line { line: 2, .. })));
    }
}
