//! An object in parts, copied part by part: so its ETag stays comparable, and its size has no bound.

use std::time::Duration;

use aws_env::{Error, ErrorClass};
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::types::{
    ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart, ServerSideEncryption,
};
use futures::{StreamExt as _, TryStreamExt as _};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    COPY_TIMEOUT, Copied, Copier, CopyError, Expected, LARGEST_COPY, Order,
    SLOWEST_BYTES_PER_SECOND, Try, classify, conditions, copied_from, sdk_class, timeout_override,
};
use crate::objects::bucket::{Bucket, detail};
use crate::objects::entry::ETag;
use crate::objects::intercept::Unanswered;
use crate::objects::journal::{Journal, Record};

/// An upload has at most this many parts: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>.
const MOST_PARTS: u64 = 10_000;
/// A part for objects whose own parts are not known; 10,000 of them are 640 GB, beyond that parts grow.
pub(in super::super) const PART: u64 = 64 << 20;
/// Parts of one object that are copied at once.
const PARTS_AT_ONCE: usize = 16;
impl Copier {
    /// Lengths of the parts in which the object has to be copied; `None` for one piece.
    pub(super) async fn parts(&self, order: &Order) -> Result<Option<Vec<u64>>, CopyError> {
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

    pub(super) async fn in_parts(
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

/// Aborts an upload; one that is not there any more is no error.
pub(in super::super) async fn abort(bucket: &Bucket, key: &str, upload: &str) -> Result<(), Error> {
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
