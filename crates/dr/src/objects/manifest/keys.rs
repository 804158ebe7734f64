//! The keys of a manifest, one after the other.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use super::{End, Entry, LINE, Manifest, ManifestError};

/// Reads a manifest from its first key to its last, in the order of their bytes.
#[derive(Debug)]
pub struct ManifestKeys {
    path: PathBuf,
    reader: BufReader<File>,
    text: String,
    /// Lines that were read.
    lines: usize,
    is_over: bool,
}

impl ManifestKeys {
    /// Begins with the manifest at `path`.
    ///
    /// # Errors
    /// When it cannot be read, or is no manifest.
    pub fn open(path: &Path) -> Result<Self, ManifestError> {
        let file = File::open(path).map_err(|source| failed(path, source))?;
        let mut keys = Self {
            path: path.to_owned(),
            reader: BufReader::new(file),
            text: String::new(),
            lines: 0,
            is_over: false,
        };
        keys.read()?;
        match serde_json::from_str::<Manifest>(&keys.text) {
            Ok(_) => Ok(keys),
            Err(_) => Err(keys.wrong()),
        }
    }

    /// The next key; none after the last.
    ///
    /// # Errors
    /// When the file cannot be read, or was cut short.
    pub fn next_key(&mut self) -> Result<Option<String>, ManifestError> {
        if self.is_over {
            return Ok(None);
        }
        self.read()?;
        if let Ok(entry) = serde_json::from_str::<Entry>(&self.text) {
            return Ok(Some(entry.key));
        }
        // All lines but the first and this one are of an object each.
        let entries = u64::try_from(self.lines).unwrap_or(u64::MAX) - 2;
        match serde_json::from_str::<End>(&self.text) {
            Ok(end) if end.end == entries => {
                self.is_over = true;
                Ok(None)
            }
            _ => Err(self.wrong()),
        }
    }

    fn read(&mut self) -> Result<(), ManifestError> {
        let read = files::read_line(&mut self.reader, &mut self.text, LINE);
        read.map_err(|source| failed(&self.path, source))?;
        self.lines += 1;
        Ok(())
    }

    fn wrong(&self) -> ManifestError {
        ManifestError::Line {
            path: self.path.clone(),
            line: self.lines,
        }
    }
}

fn failed(path: &Path, source: io::Error) -> ManifestError {
    ManifestError::File {
        path: path.to_owned(),
        source,
    }
}
