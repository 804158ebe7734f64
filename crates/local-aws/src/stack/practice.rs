//! The environment for practice, and a folder in which programs find what they need to look at it.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::{Conventions, Stack, StateNames, buckets};
use crate::{LocalAws, Rds};

/// Settings for the environment, with paths as they are from a folder of their own.
const SETTINGS: &str = include_str!("../../../../examples/berthcare-staging/infra.toml");
const INFRA: &str = "infra.toml";

/// The access key of [`LocalAws::environment`].
const KEY: &str = "test";

/// A folder that has no settings yet.
#[derive(Debug)]
pub struct Practice(PathBuf);

/// Why there is no environment to practise on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PracticeError {
    /// The folder has settings already.
    #[error("make an environment for {}: it has {INFRA} already", .0.display())]
    Taken(PathBuf),
    /// The base's own RDS has no states that pass.
    #[error("make the environment: this base has no simulated RDS")]
    NoRds,
    /// A call failed; which one has been printed.
    #[error("make the environment")]
    Failed {
        /// What the task ended with.
        source: tokio::task::JoinError,
    },
    /// A file could not be written.
    #[error("write {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the file system answered.
        source: io::Error,
    },
}

impl Practice {
    /// Takes a folder, which need not be there.
    ///
    /// # Errors
    /// When it has settings: those of somebody's environment are never written over.
    pub fn begin(folder: &Path) -> Result<Self, PracticeError> {
        if folder.join(INFRA).exists() {
            return Err(PracticeError::Taken(folder.to_owned()));
        }
        Ok(Self(folder.to_owned()))
    }

    /// Makes the environment, and the empty buckets of its DR region; writes `infra.toml`, `outputs.json`, as terraform would put
    /// them out, and, where PostgreSQL is installed, `rds-ca.pem`.
    ///
    /// # Errors
    /// When RDS is not simulated, a call fails or a file cannot be written.
    pub async fn build(self, aws: &LocalAws) -> Result<(), PracticeError> {
        let stack = Stack::empty(aws, KEY, Conventions::Own, StateNames::of_example());
        let mut stack = stack.ok_or(PracticeError::NoRds)?;
        // A call that fails ends its task, and not the program.
        let built = tokio::spawn(async move {
            stack.build().await;
            buckets::build_of_dr(&stack).await;
            stack.state.outputs()
        });
        let outputs = built
            .await
            .map_err(|source| PracticeError::Failed { source })?;
        self.write("outputs.json", &outputs)?;
        if let Some(authority) = aws.rds().and_then(Rds::authority) {
            self.write("rds-ca.pem", authority.as_bytes())?;
        }
        let settings = SETTINGS.replace("../../terraform/", "terraform/");
        self.write(INFRA, settings.as_bytes())
    }

    /// A file that is not there yet.
    fn write(&self, name: &str, content: &[u8]) -> Result<(), PracticeError> {
        let path = self.0.join(name);
        std::fs::create_dir_all(&self.0)
            .and_then(|()| File::create_new(&path))
            .and_then(|mut file| file.write_all(content))
            .map_err(|source| PracticeError::File { path, source })
    }
}
