//! One object from one bucket to another, by S3 itself: no byte passes through this machine.

use std::sync::Arc;
use std::time::Duration;

use aws_env::{Error, ErrorClass};
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::types::{
    ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart, ServerSideEncryption,
    StorageClass as SdkClass,
};
use futures::{StreamExt as _, TryStreamExt as _};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use settings::KmsKeyArn;
use tokio::sync::Semaphore;

use super::bucket::{Bucket, detail};
use super::compare::Detail;
use super::content::{SameContent, VersionOf, same_content};
use super::entry::{ETag, StorageClass};
use super::intercept::Unanswered;
use super::journal::{CopiedFrom, Journal, JournalError, Record};
use super::versions::versions;

/// CopyObject takes no more: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html>.
pub(super) const LARGEST_COPY: u64 = 5 << 30;
/// An upload has at most this many parts: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>.
const MOST_PARTS: u64 = 10_000;
/// A part for objects whose own parts are not known; 10,000 of them are 640 GB, beyond that parts grow.
pub(super) const PART: u64 = 64 << 20;
/// Parts of one object that are copied at once.
const PARTS_AT_ONCE: usize = 16;
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
        let on_top = unanswered.any() && !is_replica && self.lies_on(order, &now, expected).await?;
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

    /// Lengths of the parts in which the object has to be copied; `None` for one piece.
    async fn parts(&self, order: &Order) -> Result<Option<Vec<u64>>, CopyError> {
        let own = match &order.etag {
            ETag::Multipart { parts, .. } => *parts,
            _ if order.size > LARGEST_COPY => {
                return Ok(Some(even_parts(order.size, part_size(order.size))));
            }
            _ => return Ok(None),
        };
        let version = order.version.as_deref();
        let first = match self.source.part(&order.key, version, 1).await {
            Ok(first) => first.filter(|(count, _)| *count == own),
            // Overwritten by something that has no parts: the copy's own condition finds out.
            Err(error) if error.class == ErrorClass::Invalid || error.status == Some(416) => None,
            Err(error) if error.class == ErrorClass::Absent => return Err(CopyError::SourceGone),
            Err(error) => return Err(error.into()),
        };
        let Some((_, first)) = first else {
            // The server does not tell. In one piece the ETag changes, and a checksum has to prove equality.
            let large = order.size > LARGEST_COPY;
            return Ok(large.then(|| even_parts(order.size, part_size(order.size))));
        };
        let even = even_parts(order.size, first);
        if even.len() == own as usize {
            return Ok(Some(even));
        }
        let sizes: Vec<u64> = futures::stream::iter(1..=own)
            .map(|number| async move {
                let number = i32::try_from(number).unwrap_or(i32::MAX);
                let part = self.source.part(&order.key, version, number).await?;
                part.map(|(_, size)| size)
                    .ok_or(CopyError::Answer("it does not tell the size of a part"))
            })
            .buffered(PARTS_AT_ONCE)
            .try_collect()
            .await?;
        Ok(Some(sizes))
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

    async fn in_parts(
        &self,
        order: &Order,
        parts: &[u64],
        expected: &Expected,
        (journal, unanswered): (&Journal, &Unanswered),
    ) -> Result<Try, CopyError> {
        let version = order.version.as_deref();
        let Some(head) = self.source.head(&order.key, version).await? else {
            return Err(CopyError::SourceGone);
        };
        let source = detail(&head);
        if source.etag != order.etag {
            return Ok(Try::Precondition);
        }
        if source.archived {
            return Err(CopyError::Archived);
        }
        let key = self.destination.key(&order.to);
        let upload = self.begin(order, &key, &head).await?;
        let noted = journal.append_outcome(&Record::Upload {
            key: key.clone(),
            upload: upload.clone(),
        });
        let tried = match noted {
            Ok(()) => {
                let to = (key.as_str(), upload.as_str());
                self.transfer(order, parts, (expected, unanswered), to, &head)
                    .await
            }
            Err(error) => Err(error.into()),
        };
        if !matches!(tried, Ok(Try::Done(_))) {
            abort(&self.destination, &key, &upload).await?;
        }
        journal.append_outcome(&Record::UploadEnd { upload })?;
        tried
    }

    async fn begin(
        &self,
        order: &Order,
        key: &str,
        head: &HeadObjectOutput,
    ) -> Result<String, CopyError> {
        let tags = self
            .source
            .tags(&order.key, order.version.as_deref())
            .await?;
        let owned = |value: Option<&str>| value.map(str::to_owned);
        let upload = self
            .destination
            .s3
            .create_multipart_upload()
            .bucket(self.destination.name())
            .key(key)
            .set_metadata(head.metadata().cloned())
            .set_cache_control(owned(head.cache_control()))
            .set_content_disposition(owned(head.content_disposition()))
            .set_content_encoding(owned(head.content_encoding()))
            .set_content_language(owned(head.content_language()))
            .set_content_type(owned(head.content_type()))
            .set_expires(head.expires_string().and_then(|text| {
                aws_sdk_s3::primitives::DateTime::from_str(
                    text,
                    aws_smithy_types::date_time::Format::HttpDate,
                )
                .ok()
            }))
            .set_website_redirect_location(owned(head.website_redirect_location()))
            .set_tagging((!tags.is_empty()).then(|| query(&tags)))
            .set_storage_class(sdk_class(&order.class))
            .set_checksum_algorithm(algorithm(head))
            .set_checksum_type(algorithm(head).and(head.checksum_type().cloned()))
            .set_server_side_encryption(self.kms_key.as_ref().map(|_| ServerSideEncryption::AwsKms))
            .set_ssekms_key_id(self.kms_key.as_ref().map(ToString::to_string))
            .send()
            .await
            .map_err(|error| self.call("CreateMultipartUpload", key).failed(error))?;
        upload
            .upload_id
            .ok_or(CopyError::Answer("S3 names no upload"))
    }

    async fn transfer(
        &self,
        order: &Order,
        parts: &[u64],
        (expected, unanswered): (&Expected, &Unanswered),
        (key, upload): (&str, &str),
        head: &HeadObjectOutput,
    ) -> Result<Try, CopyError> {
        let copied: Result<Vec<Option<CompletedPart>>, CopyError> =
            futures::stream::iter(ranges(parts))
                .map(|(number, range, size)| self.part(order, key, upload, number, range, size))
                .buffered(PARTS_AT_ONCE)
                .try_collect()
                .await;
        let Some(done) = copied?.into_iter().collect::<Option<Vec<_>>>() else {
            return Ok(Try::Precondition);
        };
        let (if_match, if_none_match) = conditions(expected);
        let answer = self
            .destination
            .s3
            .complete_multipart_upload()
            .bucket(self.destination.name())
            .key(key)
            .upload_id(upload)
            .set_if_match(if_match)
            .set_if_none_match(if_none_match)
            .set_checksum_type(algorithm(head).and(head.checksum_type().cloned()))
            .multipart_upload(
                CompletedMultipartUpload::builder()
                    .set_parts(Some(done))
                    .build(),
            )
            .customize()
            .interceptor(unanswered.clone())
            .config_override(timeout_override(Duration::from_secs(600)))
            .send()
            .await
            .map_err(|error| self.call("CompleteMultipartUpload", key).failed(error));
        match answer {
            Ok(answer) => Ok(Try::Done(Copied {
                version: answer.version_id().map(str::to_owned),
                etag: answer.e_tag().map(ETag::parse),
                size: order.size,
                from: copied_from(&detail(head)),
            })),
            // An upload that is complete is none any more: the second attempt of a completion finds none.
            Err(error) if error.code.as_deref() == Some("NoSuchUpload") && unanswered.any() => {
                Ok(Try::Precondition)
            }
            Err(error) => classify(error),
        }
    }

    async fn part(
        &self,
        order: &Order,
        key: &str,
        upload: &str,
        number: i32,
        range: String,
        size: u64,
    ) -> Result<Option<CompletedPart>, CopyError> {
        let more = Duration::from_secs(size / SLOWEST_BYTES_PER_SECOND);
        let _turn = self.requests.acquire().await;
        let answer = self
            .destination
            .s3
            .upload_part_copy()
            .bucket(self.destination.name())
            .key(key)
            .upload_id(upload)
            .part_number(number)
            .copy_source(self.source_header(order))
            .copy_source_if_match(order.etag.quoted())
            .copy_source_range(range)
            .customize()
            .config_override(timeout_override(COPY_TIMEOUT + more))
            .send()
            .await
            .map_err(|error| self.call("UploadPartCopy", key).failed(error));
        let part = match answer {
            Ok(answer) => answer
                .copy_part_result
                .ok_or(CopyError::Answer("S3 does not describe a part"))?,
            Err(error) => {
                return match classify(error)? {
                    Try::Precondition => Ok(None),
                    Try::Done(_) => Err(CopyError::Answer("S3 does not describe a part")),
                };
            }
        };
        Ok(Some(
            CompletedPart::builder()
                .part_number(number)
                .set_e_tag(part.e_tag)
                .set_checksum_crc32(part.checksum_crc32)
                .set_checksum_crc32_c(part.checksum_crc32_c)
                .set_checksum_crc64_nvme(part.checksum_crc64_nvme)
                .set_checksum_sha1(part.checksum_sha1)
                .set_checksum_sha256(part.checksum_sha256)
                .build(),
        ))
    }
}

fn copied_from(source: &Detail) -> CopiedFrom {
    CopiedFrom {
        size: source.size,
        etag: source.etag.clone(),
        version: source.version.clone(),
    }
}

/// Aborts an upload; one that is not there any more is no error.
pub(super) async fn abort(bucket: &Bucket, key: &str, upload: &str) -> Result<(), Error> {
    let answer = bucket
        .s3
        .abort_multipart_upload()
        .bucket(bucket.name())
        .key(key)
        .upload_id(upload)
        .send()
        .await
        .map_err(|error| bucket.call("AbortMultipartUpload", key).failed(error));
    match answer {
        Ok(_) => Ok(()),
        Err(error) if error.class == ErrorClass::Absent => Ok(()),
        Err(error) => Err(error),
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

/// The algorithm of the source's checksum, for the copy to have the same.
fn algorithm(head: &HeadObjectOutput) -> Option<ChecksumAlgorithm> {
    [
        (head.checksum_crc64_nvme(), ChecksumAlgorithm::Crc64Nvme),
        (head.checksum_sha256(), ChecksumAlgorithm::Sha256),
        (head.checksum_sha1(), ChecksumAlgorithm::Sha1),
        (head.checksum_crc32_c(), ChecksumAlgorithm::Crc32C),
        (head.checksum_crc32(), ChecksumAlgorithm::Crc32),
    ]
    .into_iter()
    .find_map(|(value, algorithm)| value.map(|_| algorithm))
}

fn query(tags: &[(String, String)]) -> String {
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let pairs: Vec<String> = tags
        .iter()
        .map(|(key, value)| format!("{}={}", encode(key), encode(value)))
        .collect();
    pairs.join("&")
}

/// Parts of `PART`, or larger where the number of parts would not do.
fn part_size(size: u64) -> u64 {
    PART.max(size.div_ceil(MOST_PARTS))
}

fn even_parts(size: u64, part: u64) -> Vec<u64> {
    if part == 0 {
        return vec![size];
    }
    let whole = size / part;
    let rest = size % part;
    let mut parts: Vec<u64> = (0..whole).map(|_| part).collect();
    if rest > 0 || parts.is_empty() {
        parts.push(rest);
    }
    parts
}

/// Part number, byte range as the header wants it, length.
fn ranges(parts: &[u64]) -> Vec<(i32, String, u64)> {
    let mut start = 0;
    (1..)
        .zip(parts)
        .map(|(number, size)| {
            let end = start + size;
            let range = format!("bytes={start}-{}", end.saturating_sub(1));
            start = end;
            (number, range, *size)
        })
        .collect()
}

#[cfg(test)]
mod overwritten;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn even_parts_of_the_largest_object_fit_into_the_number_of_parts() {
        let size = 5 << 40;
        let parts = even_parts(size, part_size(size));
        assert!(parts.len() as u64 <= MOST_PARTS);
        assert!(parts.iter().all(|part| *part <= LARGEST_COPY));
        assert_eq!(parts.iter().sum::<u64>(), size);
    }

    #[test]
    fn query_of_tags_is_percent_encoded() {
        let tags = [("a b".to_owned(), "x&y=z".to_owned())];
        assert_eq!(query(&tags), "a%20b=x%26y%3Dz");
    }

    proptest! {
        #[test]
        fn ranges_of_any_parts_cover_every_byte_once(size in 1_u64..5_000, part in 1_u64..700) {
            let mut next = 0;
            for (_, range, length) in ranges(&even_parts(size, part)) {
                let (start, end) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
                prop_assert_eq!(start.parse::<u64>().unwrap(), next);
                next = end.parse::<u64>().unwrap() + 1;
                prop_assert_eq!(next - start.parse::<u64>().unwrap(), length);
            }
            prop_assert_eq!(next, size);
        }
    }
}
