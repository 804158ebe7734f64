use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::str::FromStr;

use files::FileError;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The SHA-256 of a plan file, by which a reviewer names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PlanDigest(String);

/// Text that is no digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a digest is 64 hexadecimal digits")]
pub struct PlanDigestError;

impl PlanDigest {
    /// Of a file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of_file(path: &Path) -> Result<Self, FileError> {
        let failed = |source| FileError::Read {
            path: path.to_owned(),
            source,
        };
        let mut file = File::open(path).map_err(failed)?;
        let mut hasher = Sha256::new();
        let mut bytes = vec![0; 64 << 10];
        loop {
            match file.read(&mut bytes).map_err(failed)? {
                0 => break,
                read => hasher.update(&bytes[..read]),
            }
        }
        Ok(Self(hex::encode(hasher.finalize())))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PlanDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for PlanDigest {
    type Err = PlanDigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_digest = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        match is_digest {
            true => Ok(Self(text.to_ascii_lowercase())),
            false => Err(PlanDigestError),
        }
    }
}

impl TryFrom<String> for PlanDigest {
    type Error = PlanDigestError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<PlanDigest> for String {
    fn from(digest: PlanDigest) -> Self {
        digest.0
    }
}
