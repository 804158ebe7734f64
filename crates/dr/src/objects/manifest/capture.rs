//! A bucket written down.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use files::{FileError, SecretPart};
use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::super::bucket::Bucket;
use super::super::walk::Lister as _;
use super::{End, Entry, Manifest, ManifestError, ManifestSummary};

/// Writes down what `bucket` holds, page by page, in a file that must not exist, and that is on the disk when this returns.
///
/// # Errors
/// When the bucket or the file fails; then there is no file either.
pub async fn capture(
    bucket: &Bucket,
    captured: Timestamp,
    path: &Path,
) -> Result<ManifestSummary, ManifestError> {
    let failed = |error| match error {
        FileError::Exists { path } => ManifestError::Exists { path },
        error => ManifestError::File {
            path: path.to_owned(),
            source: error.into(),
        },
    };
    let mut lines = Lines {
        path,
        file: BufWriter::new(SecretPart::create(path).map_err(failed)?),
        digest: Sha256::new(),
    };
    let manifest = Manifest {
        manifest: bucket.location().to_string(),
        captured,
    };
    lines.write(&manifest)?;
    let mut summary = ManifestSummary::new(manifest);
    let pages = bucket.pages();
    // A failback tells by them what was written since, and what is a replica.
    pages.by().versions();
    let mut after = None::<String>;
    loop {
        let page = pages.page(after.as_deref(), 1_000).await?;
        for (key, meta) in page.iter() {
            summary.add(meta);
            lines.write(&Entry {
                key: key.to_owned(),
                meta: meta.clone(),
            })?;
        }
        match page.resume_after {
            Some(key) => after = Some(key),
            None => break,
        }
    }
    summary.unlisted_versions = bucket.unlisted_versions().map(str::to_owned);
    lines.write(&End {
        end: summary.objects,
        unlisted_versions: summary.unlisted_versions.clone(),
    })?;
    summary.sha256 = hex::encode(lines.digest.finalize());
    let part = lines.file.into_inner();
    let part = part.map_err(|error| FileError::Write {
        path: path.to_owned(),
        source: error.into_error(),
    });
    // There is no second chance: it has to be on the disk.
    part.and_then(SecretPart::persist_new).map_err(failed)?;
    Ok(summary)
}

/// The file, and the digest of what was written to it.
struct Lines<'a> {
    path: &'a Path,
    file: BufWriter<SecretPart>,
    digest: Sha256,
}

impl Lines<'_> {
    fn write(&mut self, line: &impl Serialize) -> Result<(), ManifestError> {
        let written = serde_json::to_string(line).map_err(io::Error::from);
        let written = written.and_then(|mut line| {
            line.push('\n');
            self.digest.update(&line);
            self.file.write_all(line.as_bytes())
        });
        written.map_err(|source| ManifestError::File {
            path: self.path.to_owned(),
            source,
        })
    }
}
