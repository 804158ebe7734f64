//! One object from one bucket to another, by S3 itself: no byte passes through this machine.

use std::sync::Arc;
use std::time::Duration;

use aws_env::Error;
use aws_sdk_s3::types::{ServerSideEncryption, StorageClass as SdkClass};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use settings::KmsKeyArn;
use tokio::sync::Semaphore;

use super::bucket::{Bucket, detail};
use super::compare::Detail;
use super::content::{SameContent, VersionOf, same_content};
use super::entry::{ETag, StorageClass};
use super::intercept::Unanswered;
use super::journal::{CopiedFrom, Journal, JournalError};
use super::versions::versions;

mod parts;

pub(super) use parts::{PART, abort};

/// CopyObject takes no more: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html>.
pub(super) const LARGEST_COPY: u64 = 5 << 30;
/// A source that changes more often than this while it is copied is left to the next run.
const CHANGES: usize = 5;
/// S3 copies faster than this within a region and across an ocean; slower means that it hangs.
const SLOWEST_BYTES_PER_SECOND: u64 = 4 << 20;
/// The time of a small copy with all its retries.
const COPY_TIMEOUT: Duration = Duration::from_secs(40);
/// Above this a copy gets more time.
const LARGE: u64 = 64 << 20;

/// What to copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Order {
    /// Key below the source's prefix.
    pub(super) key: String,
    /// Key below the destination's prefix.
    pub(super) to: String,
    /// An old version instead of the current one.
    pub(super) version: Option<String>,
    /// The ETag that was listed; an object that has another by now is looked at again.
    pub(super) etag: ETag,
    /// Length in bytes.
    pub(super) size: u64,
    /// Storage class to keep.
    pub(super) class: StorageClass,
}

/// What must be in the destination's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// No object of this key.
    Absent,
    /// An object with this ETag, and its version where that is known.
    Object(ETag, Option<String>),
}

/// A copy that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Copied {
    /// The new version in the destination.
    pub(super) version: Option<String>,
    pub(super) etag: Option<ETag>,
    pub(super) size: u64,
    /// What was copied.
    pub(super) from: CopiedFrom,
}

/// Why a copy was not made.
#[derive(Debug, thiserror::Error)]
pub(super) enum CopyError {
    /// A call failed.
    #[error("cannot copy the object")]
    Call(#[from] Error),
    /// The journal does not take it.
    #[error("cannot copy the object")]
    Journal(#[from] JournalError),
    /// The source object is gone.
    #[error("the source was deleted meanwhile")]
    SourceGone,
    /// The source object changes all the time.
    #[error("the source was overwritten {CHANGES} times meanwhile")]
    SourceChanges,
    /// Somebody else has written to the destination since it was listed.
    #[error("the destination was written by somebody else meanwhile")]
    DestinationChanged,
    /// Somebody else has written the same content there since it was listed: S3's replication, another run.
    #[error("somebody else has written the same content there meanwhile")]
    AlreadyThere,
    /// S3's answer was lost, and what is there now does not tell whether the copy was made.
    #[error(
        "whether it was copied is not known: S3's answer was lost, and nothing proves whose object is there"
    )]
    Undetermined,
    /// The source object must be restored first.
    #[error("the source is archived, and cannot be copied before a restore")]
    Archived,
    /// S3 refused it.
    #[error("S3 did not delete it: {0}")]
    Refused(String),
    /// It is the object of a folder itself, and the destination is a whole bucket.
    #[error("the key would be empty")]
    NoKey,
    /// S3 answered something that cannot be used.
    #[error("S3's answer cannot be used: {0}")]
    Answer(&'static str),
}

/// Copies between two buckets.
#[derive(Debug, Clone)]
pub(super) struct Copier {
    source: Bucket,
    destination: Bucket,
    kms_key: Option<KmsKeyArn>,
    /// Copy requests that may be under way: an object in parts has several.
    requests: Arc<Semaphore>,
}

/// Everything but what RFC 3986 leaves unreserved, and slashes.
pub(super) const KEY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

enum Try {
    Done(Copied),
    /// A condition on source or destination did not hold.
    Precondition,
}

impl Copier {
    /// A copier that has `most` copy requests under way at most; `kms_key` encrypts the copies, else the destination
    /// bucket's default does.
    pub(super) fn new(
        source: Bucket,
        destination: Bucket,
        kms_key: Option<KmsKeyArn>,
        most: usize,
    ) -> Self {
        Self {
            requests: Arc::new(Semaphore::new(most.max(1))),
            source,
            destination,
            kms_key,
        }
    }

    /// What is copied from.
    pub(super) fn source(&self) -> &Bucket {
        &self.source
    }

    /// Copies one object as it is: content, metadata, content headers, tags, storage class, parts.
    ///
    /// # Errors
    /// When it could not be done, and when source or destination are not what they were.
    pub(super) async fn copy(
        &self,
        order: &Order,
        expected: &Expected,
        journal: &Journal,
        unanswered: &Unanswered,
    ) -> Result<Copied, CopyError> {
        if self.destination.key(&order.to).is_empty() {
            return Err(CopyError::NoKey);
        }
        let mut order = order.clone();
        for _ in 0..CHANGES {
            let parts = self.parts(&order).await?;
            let tried = match parts {
                None => self.in_one_piece(&order, expected, unanswered).await?,
                // Boxed, or else each small copy under way would have the room of a large one.
                Some(parts) => {
                    let sink = (journal, unanswered);
                    Box::pin(self.in_parts(&order, &parts, expected, sink)).await?
                }
            };
            if let Try::Done(copied) = tried {
                return Ok(copied);
            }
            // Which of the two conditions was it?
            let version = order.version.as_deref();
            let head = self.source.head(&order.key, version).await?;
            let source = detail(&head.ok_or(CopyError::SourceGone)?);
            if source.etag != order.etag {
                order.etag = source.etag;
                order.size = source.size;
                order.class = source.class;
                continue;
            }
            return self.whose(&order, &source, expected, unanswered).await;
        }
        Err(CopyError::SourceChanges)
    }

    /// Whose object it is that does not let this copy be made. It is the run's own only where an earlier attempt of this
    /// very copy got no answer, and what is there is no replica, has this content, and lies right on what was there.
    async fn whose(
        &self,
        order: &Order,
        source: &Detail,
        expected: &Expected,
        unanswered: &Unanswered,
    ) -> Result<Copied, CopyError> {
        let there = VersionOf::current(&self.destination, &order.to);
        let Some((now, is_replica)) = there.seen().await? else {
            return Err(CopyError::DestinationChanged);
        };
        let of_source = VersionOf {
            bucket: &self.source,
            key: &order.key,
            version: order.version.as_deref(),
        };
        let same = same_content((of_source, source), (there, &now)).await;
        let on_top =
            unanswered.silent() && !is_replica && self.lies_on(order, &now, expected).await?;
        match (same, on_top) {
            (SameContent::Yes, true) => Ok(Copied {
                version: now.version,
                etag: Some(now.etag),
                size: source.size,
                from: copied_from(source),
            }),
            (SameContent::Unknown, true) => Err(CopyError::Undetermined),
            (SameContent::Yes, false) => Err(CopyError::AlreadyThere),
            (SameContent::No, _) | (SameContent::Unknown, false) => {
                Err(CopyError::DestinationChanged)
            }
        }
    }

    /// Whether nothing but the current object was written over what the copy was to replace.
    async fn lies_on(
        &self,
        order: &Order,
        now: &Detail,
        expected: &Expected,
    ) -> Result<bool, CopyError> {
        // Without versions there is nothing below it.
        let Some(version) = &now.version else {
            return Ok(true);
        };
        let key = self.destination.key(&order.to);
        let versions = versions(&self.destination, &key).await?;
        let mut below = versions.iter().skip_while(|found| found.id != *version);
        let is_current = below.next().is_some_and(|found| found.latest);
        Ok(is_current
            && match (expected, below.next()) {
                (Expected::Absent, None) => true,
                (Expected::Absent, Some(below)) => below.etag.is_none(),
                (Expected::Object(_, Some(before)), Some(below)) => below.id == *before,
                (Expected::Object(etag, None), Some(below)) => below.etag.as_ref() == Some(etag),
                (Expected::Object(..), None) => false,
            })
    }

    fn source_header(&self, order: &Order) -> String {
        let key = self.source.key(&order.key);
        let key = utf8_percent_encode(&key, KEY);
        match &order.version {
            Some(version) => format!("{}/{key}?versionId={version}", self.source.name()),
            None => format!("{}/{key}", self.source.name()),
        }
    }

    async fn in_one_piece(
        &self,
        order: &Order,
        expected: &Expected,
        unanswered: &Unanswered,
    ) -> Result<Try, CopyError> {
        let key = self.destination.key(&order.to);
        let (if_match, if_none_match) = conditions(expected);
        let _turn = self.requests.acquire().await;
        let request = self
            .destination
            .s3
            .copy_object()
            .bucket(self.destination.name())
            .key(&key)
            .copy_source(self.source_header(order))
            .copy_source_if_match(order.etag.quoted())
            .set_if_match(if_match)
            .set_if_none_match(if_none_match)
            .set_storage_class(sdk_class(&order.class))
            .set_server_side_encryption(self.kms_key.as_ref().map(|_| ServerSideEncryption::AwsKms))
            .set_ssekms_key_id(self.kms_key.as_ref().map(ToString::to_string));
        let request = request.customize().interceptor(unanswered.clone());
        let sent = if order.size > LARGE {
            let more = Duration::from_secs(order.size / SLOWEST_BYTES_PER_SECOND);
            request
                .config_override(timeout_override(COPY_TIMEOUT + more))
                .send()
                .await
        } else {
            request.send().await
        };
        let answer = match sent.map_err(|error| self.call("CopyObject", &key).failed(error)) {
            Ok(answer) => answer,
            Err(error) => return classify(error),
        };
        let etag = answer
            .copy_object_result()
            .and_then(|result| result.e_tag())
            .map(ETag::parse);
        Ok(Try::Done(Copied {
            version: answer.version_id().map(str::to_owned),
            etag,
            size: order.size,
            from: CopiedFrom {
                size: order.size,
                etag: order.etag.clone(),
                version: answer.copy_source_version_id().map(str::to_owned),
            },
        }))
    }

    fn call(&self, operation: &'static str, key: &str) -> aws_env::Call {
        self.destination.call(operation, key)
    }
}

fn copied_from(source: &Detail) -> CopiedFrom {
    CopiedFrom {
        size: source.size,
        etag: source.etag.clone(),
        version: source.version.clone(),
    }
}

fn classify(error: Error) -> Result<Try, CopyError> {
    match error.code.as_deref() {
        Some("PreconditionFailed" | "ConditionalRequestConflict") => Ok(Try::Precondition),
        Some("InvalidObjectState" | "ObjectNotInActiveTierError") => Err(CopyError::Archived),
        Some("NoSuchKey") => Ok(Try::Precondition),
        _ if error.status == Some(412) => Ok(Try::Precondition),
        _ => Err(error.into()),
    }
}

fn conditions(expected: &Expected) -> (Option<String>, Option<String>) {
    match expected {
        Expected::Absent => (None, Some("*".to_owned())),
        Expected::Object(etag, _) => (Some(etag.quoted()), None),
    }
}

/// Time-outs of a call that takes long.
pub(super) fn timeout_override(time: Duration) -> aws_sdk_s3::config::Builder {
    let timeouts = aws_sdk_s3::config::timeout::TimeoutConfig::builder()
        .operation_timeout(time)
        .read_timeout(time)
        .build();
    aws_sdk_s3::config::Builder::new().timeout_config(timeouts)
}

fn sdk_class(class: &StorageClass) -> Option<SdkClass> {
    match class {
        StorageClass::Standard => None,
        class => Some(SdkClass::from(class.as_str())),
    }
}

#[cfg(test)]
mod overwritten;
