//! Steps on disk, between planning and doing: many of them take no memory.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Write as _};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

/// A file of lines, each a step.
#[derive(Debug)]
pub(super) struct Spool<T> {
    path: PathBuf,
    file: Mutex<BufWriter<File>>,
    of: PhantomData<fn(T) -> T>,
}

impl<T: Serialize + DeserializeOwned> Spool<T> {
    pub(super) fn create(path: PathBuf) -> Result<Self, SpoolError> {
        match files::create_secret(&path) {
            Ok(file) => Ok(Self {
                path,
                file: Mutex::new(BufWriter::new(file)),
                of: PhantomData,
            }),
            Err(error) => Err(SpoolError {
                path,
                source: error.into(),
            }),
        }
    }

    /// A file that an earlier process has written, as it was when it was closed: with this digest.
    pub(super) fn reopen(path: PathBuf, sha256: &str) -> Result<Option<Self>, SpoolError> {
        let failed = |source| SpoolError {
            path: path.clone(),
            source,
        };
        // Appended to by nobody, and never emptied.
        let file = File::options().read(true).append(true).open(&path);
        let file = file.map_err(failed)?;
        let spool = Self {
            file: Mutex::new(BufWriter::new(file)),
            path,
            of: PhantomData,
        };
        Ok((spool.close()? == sha256).then_some(spool))
    }

    /// Brings everything to the disk; tells the SHA-256 of it.
    pub(super) fn close(&self) -> Result<String, SpoolError> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let digest = file.flush().and_then(|()| {
            file.get_ref().sync_all()?;
            let mut digest = Sha256::new();
            let mut reader = BufReader::new(File::open(&self.path)?);
            loop {
                let bytes = reader.fill_buf()?;
                if bytes.is_empty() {
                    return Ok(hex::encode(digest.finalize()));
                }
                digest.update(bytes);
                let read = bytes.len();
                reader.consume(read);
            }
        });
        digest.map_err(|error| self.failed(error))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn failed(&self, source: io::Error) -> SpoolError {
        SpoolError {
            path: self.path.clone(),
            source,
        }
    }

    pub(super) fn write(&self, steps: &[T]) -> Result<(), SpoolError> {
        let mut lines = Vec::new();
        for step in steps {
            serde_json::to_writer(&mut lines, step).map_err(|error| self.failed(error.into()))?;
            lines.push(b'\n');
        }
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&lines).map_err(|error| self.failed(error))
    }

    /// Every step, in the order in which they were written.
    pub(super) fn read(
        &self,
    ) -> Result<impl Iterator<Item = Result<T, SpoolError>> + Send + use<T>, SpoolError> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.flush().map_err(|error| self.failed(error))?;
        let reader = File::open(&self.path).map_err(|error| self.failed(error))?;
        let path = self.path.clone();
        let failed = move |source| SpoolError {
            path: path.clone(),
            source,
        };
        Ok(BufReader::new(reader).lines().map(move |line| {
            let line = line.map_err(&failed)?;
            serde_json::from_str(&line).map_err(|error| failed(error.into()))
        }))
    }
}

/// The file of steps cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the file of steps {}", path.display())]
pub struct SpoolError {
    path: PathBuf,
    #[source]
    source: io::Error,
}
