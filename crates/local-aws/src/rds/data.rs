//! Real servers behind the instances: PostgreSQL on loopback ports.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

mod authority;
mod server;
mod servers;
mod tools;
mod watchdog;

pub(crate) use servers::{Servers, Start};
pub(crate) use tools::Tools;

/// Why a server did not do what it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataError {
    #[error("run {program}")]
    Run {
        program: &'static str,
        source: io::Error,
    },
    #[error("run {program}: {output}")]
    Failed {
        program: &'static str,
        output: String,
    },
    #[error("use {}", path.display())]
    Files { path: PathBuf, source: io::Error },
    #[error("get an answer from PostgreSQL: {output}")]
    NotReady { output: String },
    #[error("have PostgreSQL do it")]
    Sql(#[from] tokio_postgres::Error),
    #[error("see segment {segment} archived")]
    NotArchived { segment: String },
    #[error("make a certificate of the servers")]
    Certificate(#[source] rcgen::Error),
    #[error("find the server of {0}")]
    Absent(String),
}

/// Adds the path to an error about it.
pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> DataError {
    |source| DataError::Files {
        path: path.to_owned(),
        source,
    }
}

/// A directory that goes when nobody needs it any more.
#[derive(Debug)]
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::debug!(%error, "a data directory stays until the end");
        }
    }
}

/// Whether a file of an archive is a whole segment: 24 hexadecimal digits.
fn is_segment(name: &str) -> bool {
    name.len() == 24 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Puts the segments up to `through` that are not there yet from one archive into another. A segment is
/// never written again, so that a link is as good as a copy.
pub(super) fn ship(from: &Path, to: &Path, through: &str) -> Result<(), DataError> {
    for entry in fs::read_dir(from).map_err(at(from))? {
        let entry = entry.map_err(at(from))?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        // Names of one timeline are in the order of the log.
        if !is_segment(name) || name > through {
            continue;
        }
        let target = to.join(name);
        match fs::hard_link(entry.path(), &target) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(at(&target)(error));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_segments_up_to_the_last_one_are_shipped() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let names = [
            "000000010000000000000001",
            "000000010000000000000002",
            "000000010000000000000003",
            "000000010000000000000002.part",
            "00000002.history",
        ];
        for name in names {
            fs::write(from.path().join(name), name).unwrap();
        }
        for _ in 0..2 {
            ship(from.path(), to.path(), names[1]).unwrap();
        }
        let mut there: Vec<_> = fs::read_dir(to.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        there.sort();
        assert_eq!(there, names[..2]);
    }
}
