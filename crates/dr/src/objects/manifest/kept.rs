//! The manifest of a DR bucket, on this machine and in the bucket for journals: a failback may begin on another machine.

use std::io::{self, Write as _};
use std::path::Path;

use aws_env::{DrOnly, Error};
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use files::{FileError, SecretPart};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::super::bucket::{Bucket, absent_is_none};
use super::super::location::JOURNAL;
use super::super::pairing::PairedBucket;
use super::super::run_id::RunId;
use super::{ManifestError, ManifestSummary, capture, read};

/// What PutObject takes: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/upload-objects.html>. As a manifest some
/// 25 million objects.
const LARGEST_PUT: u64 = 5 << 30;

/// A manifest that a run keeps in two places.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptManifest {
    /// What it says as a whole. A run writes it down, and so knows the manifest again.
    #[serde(flatten)]
    pub summary: ManifestSummary,
    /// URL of its copy in the bucket for journals.
    pub url: String,
}

/// Writes down what `bucket` holds, as `run`, to the file `path` and to the bucket for journals. What of it was done before is
/// not done again: a run that was killed, wherever, or goes on on another machine, comes to the manifest that was written
/// first, since what the bucket holds later is not what it held at the failover.
///
/// # Errors
/// When a bucket or the disk fails, or something else lies in one of the two places.
pub async fn keep_manifest(
    dr: &DrOnly,
    bucket: &PairedBucket,
    journals: &PairedBucket,
    run: &RunId,
    captured: Timestamp,
    path: &Path,
) -> Result<KeptManifest, ManifestError> {
    let clients = dr.region().clients();
    let (bucket, journals) = (bucket.open(&clients), journals.open(&clients));
    let place = Place::new(&journals, run, &bucket);
    let summary = match place.sha256().await? {
        Some(sha256) => place.fetched(path, &bucket, &sha256).await?,
        None => {
            let summary = match capture(&bucket, captured, path).await {
                Err(ManifestError::Exists { .. }) => of_bucket(path, &bucket)?,
                captured => captured?,
            };
            place.put(path, &summary).await?;
            // An answer that was lost, or another machine that was first: what lies there counts.
            let sha256 = place
                .sha256()
                .await?
                .ok_or_else(|| place.other("it is gone"))?;
            place.fetched(path, &bucket, &sha256).await?
        }
    };
    Ok(KeptManifest {
        summary,
        url: place.url(),
    })
}

/// Brings a manifest that a run has kept to the file `path`, where it is not there yet.
///
/// # Errors
/// When it is gone, or is another one: `kept` is what the run has written down of it.
pub async fn fetch_manifest(
    dr: &DrOnly,
    bucket: &PairedBucket,
    journals: &PairedBucket,
    run: &RunId,
    kept: &ManifestSummary,
    path: &Path,
) -> Result<(), ManifestError> {
    let clients = dr.region().clients();
    let (bucket, journals) = (bucket.open(&clients), journals.open(&clients));
    let place = Place::new(&journals, run, &bucket);
    if !path.exists() {
        place.download(path).await?;
    }
    match of_bucket(path, &bucket)? == *kept {
        true => Ok(()),
        false => Err(ManifestError::Other {
            place: path.display().to_string(),
            why: "it has another content than the run has written down",
        }),
    }
}

/// Reads the manifest at `path`, which has to be of `bucket`.
fn of_bucket(path: &Path, bucket: &Bucket) -> Result<ManifestSummary, ManifestError> {
    let (summary, _) = read(path)?;
    match summary.manifest.manifest == bucket.location().to_string() {
        true => Ok(summary),
        false => Err(ManifestError::Other {
            place: path.display().to_string(),
            why: "it is of another bucket",
        }),
    }
}

/// The metadata of the copy that has its digest.
const SHA256: &str = "dr-manifest-sha256";

/// Where the manifest lies among journals: beside that of the run, of which it is no part.
struct Place<'a> {
    journals: &'a Bucket,
    key: String,
}

impl<'a> Place<'a> {
    fn new(journals: &'a Bucket, run: &RunId, bucket: &Bucket) -> Self {
        Self {
            journals,
            key: format!("{JOURNAL}{run}/manifest-{}.jsonl", bucket.name()),
        }
    }

    fn url(&self) -> String {
        format!("s3://{}/{}", self.journals.name(), self.key)
    }

    fn other(&self, why: &'static str) -> ManifestError {
        ManifestError::Other {
            place: self.url(),
            why,
        }
    }

    fn failed<E>(
        &self,
        operation: &'static str,
    ) -> impl FnOnce(SdkError<E, HttpResponse>) -> ManifestError
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        move |error| ManifestError::Bucket(self.journals.call(operation, &self.key).failed(error))
    }

    /// The digest of what lies there, if anything does.
    async fn sha256(&self) -> Result<Option<String>, ManifestError> {
        let head = self.journals.s3.head_object();
        let head = head
            .bucket(self.journals.name())
            .key(&self.key)
            .send()
            .await;
        let head = head.map_err(|error| self.journals.call("HeadObject", &self.key).failed(error));
        match absent_is_none(head).map_err(ManifestError::Bucket)? {
            None => Ok(None),
            Some(head) => {
                let sha256 = head
                    .metadata
                    .and_then(|mut metadata| metadata.remove(SHA256));
                let sha256 = sha256.ok_or_else(|| self.other("it has no digest"))?;
                Ok(Some(sha256))
            }
        }
    }

    /// Puts the manifest where nothing lies yet; what lies there stays.
    async fn put(&self, path: &Path, summary: &ManifestSummary) -> Result<(), ManifestError> {
        let failed = |source: io::Error| ManifestError::File {
            path: path.to_owned(),
            source,
        };
        let bytes = std::fs::metadata(path).map_err(failed)?.len();
        if bytes > LARGEST_PUT {
            return Err(ManifestError::TooLarge {
                path: path.to_owned(),
                bytes,
                limit: LARGEST_PUT,
            });
        }
        let body = ByteStream::from_path(path).await;
        let put = self.journals.s3.put_object().bucket(self.journals.name());
        let put = put
            .key(&self.key)
            .if_none_match("*")
            .content_type("application/x-ndjson")
            .metadata(SHA256, &summary.sha256)
            .body(body.map_err(|error| failed(io::Error::other(error)))?);
        match put.send().await.map_err(self.failed("PutObject")) {
            Ok(_) => Ok(()),
            Err(ManifestError::Bucket(error)) if error.status == Some(412) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Sees to it that the file `path` has what lies in the bucket.
    async fn fetched(
        &self,
        path: &Path,
        bucket: &Bucket,
        sha256: &str,
    ) -> Result<ManifestSummary, ManifestError> {
        if path.exists() {
            match of_bucket(path, bucket) {
                Ok(summary) if summary.sha256 == sha256 => return Ok(summary),
                // Written by a machine that came second, or no manifest: kept under another name.
                _ => {
                    let kept = files::keep_beside(path);
                    kept.map_err(io::Error::from)
                        .and_then(|_| std::fs::remove_file(path))
                        .map_err(|source| ManifestError::File {
                            path: path.to_owned(),
                            source,
                        })?;
                }
            }
        }
        self.download(path).await?;
        match of_bucket(path, bucket)? {
            summary if summary.sha256 == sha256 => Ok(summary),
            _ => Err(self.other("it does not fit its digest")),
        }
    }

    async fn download(&self, path: &Path) -> Result<(), ManifestError> {
        let failed = |error: FileError| ManifestError::File {
            path: path.to_owned(),
            source: error.into(),
        };
        let get = self.journals.s3.get_object().bucket(self.journals.name());
        let object = get.key(&self.key).send().await;
        let mut body = object.map_err(self.failed("GetObject"))?.body;
        let mut part = SecretPart::create(path).map_err(failed)?;
        while let Some(bytes) = body.try_next().await.map_err(|error| {
            let call = self.journals.call("GetObject", &self.key);
            ManifestError::Bucket(Error::unexpected(call, error.to_string()))
        })? {
            part.write_all(&bytes)
                .map_err(|source| ManifestError::File {
                    path: path.to_owned(),
                    source,
                })?;
        }
        part.persist_new().map_err(failed)
    }
}
