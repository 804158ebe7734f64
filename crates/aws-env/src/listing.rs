//! The one way of listing buckets. XML cannot name every key: a control character in one makes the whole page
//! unreadable. So keys are asked for in URL encoding, and one odd key hides none of the others.

use aws_sdk_s3::Client;
use aws_sdk_s3::error::BuildError;
use aws_sdk_s3::types::{Delete, EncodingType, ObjectIdentifier};
use aws_smithy_types::DateTime;
use percent_encoding::percent_decode_str;

use crate::{Call, Error, RegionClients};

/// An object of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedObject {
    /// The object's key.
    pub key: String,
    /// Its ETag, with quotation marks.
    pub etag: Option<String>,
    /// Its length in bytes.
    pub size: Option<u64>,
}

/// The objects of a bucket whose keys begin with a prefix, page by page.
#[derive(Debug)]
pub struct ObjectPages {
    s3: Client,
    call: Call,
    bucket: String,
    prefix: String,
    next: Next<String>,
}

/// A version of an object, or a delete marker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectVersion {
    /// The object's key.
    pub key: String,
    /// `null` in S3's words, or none, in a bucket that is not versioned.
    pub version_id: Option<String>,
    /// When S3 wrote it.
    pub modified: Option<DateTime>,
    /// Whether it marks the object as deleted, and has no content.
    pub is_delete_marker: bool,
    /// With quotation marks; none of a delete marker.
    pub etag: Option<String>,
    /// Its length in bytes; none of a delete marker.
    pub size: Option<u64>,
    /// Whether it is the current one of its key.
    pub latest: bool,
}

/// The versions and delete markers of the keys that begin with a prefix, page by page.
#[derive(Debug)]
pub struct VersionPages {
    s3: Client,
    call: Call,
    bucket: String,
    prefix: String,
    page_size: Option<i32>,
    next: Next<(String, Option<String>)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Next<T> {
    First,
    After(T),
    None,
}

impl<T: Clone> Next<T> {
    fn marker(&self) -> Option<T> {
        match self {
            Self::After(marker) => Some(marker.clone()),
            Self::First | Self::None => None,
        }
    }
}

impl ObjectPages {
    /// Those of `bucket` that begin with `prefix`. `call` names the list in errors.
    pub fn new(s3: &Client, call: Call, bucket: &str, prefix: &str) -> Self {
        Self {
            s3: s3.clone(),
            call,
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            next: Next::First,
        }
    }

    /// The next page; none after the last.
    ///
    /// # Errors
    /// When it cannot be had, or S3 says that there is more and not where: what is missing from the list would count
    /// as not there.
    pub async fn next(&mut self) -> Result<Option<Vec<ListedObject>>, Error> {
        if self.next == Next::None {
            return Ok(None);
        }
        let page = self
            .s3
            .list_objects_v2()
            .bucket(&self.bucket)
            .set_prefix((!self.prefix.is_empty()).then(|| self.prefix.clone()))
            .encoding_type(EncodingType::Url)
            .set_continuation_token(self.next.marker())
            .send()
            .await
            .map_err(|error| self.call.clone().failed(error))?;
        let encoded = page.encoding_type == Some(EncodingType::Url);
        let next = match (page.is_truncated, page.next_continuation_token) {
            (Some(true), token) => Some(token),
            _ => None,
        };
        self.next = after(&self.call, &self.next, next)?;
        let objects = page.contents.into_iter().flatten();
        let objects = objects.filter_map(|object| Some((object.key?, object.e_tag, object.size)));
        objects
            .map(|(key, etag, size)| {
                Ok(ListedObject {
                    key: self.decoded(key, encoded)?,
                    etag,
                    size: size.and_then(|size| u64::try_from(size).ok()),
                })
            })
            .collect::<Result<_, _>>()
            .map(Some)
    }

    fn decoded(&self, key: String, encoded: bool) -> Result<String, Error> {
        decoded(&self.call, key, encoded)
    }
}

impl VersionPages {
    /// Those of `bucket` whose keys begin with `prefix`. `call` names the list in errors.
    pub fn new(s3: &Client, call: Call, bucket: &str, prefix: &str) -> Self {
        Self {
            s3: s3.clone(),
            call,
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            page_size: None,
            next: Next::First,
        }
    }

    /// With so many versions on a page at most, where only the first ones matter.
    #[must_use]
    pub fn page_size(mut self, versions: i32) -> Self {
        self.page_size = Some(versions);
        self
    }

    /// Those whose keys come after `key`, which need not be there.
    #[must_use]
    pub fn starting_after(mut self, key: &str) -> Self {
        self.next = Next::After((key.to_owned(), None));
        self
    }

    /// The next page, of each key the newest first; none after the last.
    ///
    /// # Errors
    /// When it cannot be had, or S3 says that there is more and not where.
    pub async fn next(&mut self) -> Result<Option<Vec<ObjectVersion>>, Error> {
        if self.next == Next::None {
            return Ok(None);
        }
        let (key, version) = self.next.marker().unzip();
        let page = self
            .s3
            .list_object_versions()
            .bucket(&self.bucket)
            .prefix(&self.prefix)
            .encoding_type(EncodingType::Url)
            .set_max_keys(self.page_size)
            .set_key_marker(key)
            .set_version_id_marker(version.flatten())
            .send()
            .await
            .map_err(|error| self.call.clone().failed(error))?;
        let encoded = page.encoding_type == Some(EncodingType::Url);
        let decode = |key: String| decoded(&self.call, key, encoded);
        // The marker is encoded as keys are, and goes back as it is meant.
        let next = match (page.is_truncated, page.next_key_marker) {
            (Some(true), Some(key)) => Some(Some((decode(key)?, page.next_version_id_marker))),
            (Some(true), None) => Some(None),
            _ => None,
        };
        let objects = page.versions.into_iter().flatten().map(|version| {
            let version_of = ObjectVersion {
                key: String::new(),
                version_id: version.version_id,
                is_delete_marker: false,
                etag: version.e_tag,
                size: version.size.and_then(|size| u64::try_from(size).ok()),
                modified: version.last_modified,
                latest: version.is_latest == Some(true),
            };
            (version.key, version_of)
        });
        let deletions = page.delete_markers.into_iter().flatten().map(|marker| {
            let version_of = ObjectVersion {
                key: String::new(),
                version_id: marker.version_id,
                is_delete_marker: true,
                etag: None,
                size: None,
                modified: marker.last_modified,
                latest: marker.is_latest == Some(true),
            };
            (marker.key, version_of)
        });
        let mut versions = Vec::new();
        for (key, version) in objects.chain(deletions) {
            if let Some(key) = key {
                let key = decode(key)?;
                versions.push(ObjectVersion { key, ..version });
            }
        }
        self.next = after(&self.call, &self.next, next)?;
        Ok(Some(versions))
    }
}

/// Where a list goes on: `None` at its end, `Some(None)` when S3 does not say where.
fn after<T: PartialEq + Clone>(
    call: &Call,
    before: &Next<T>,
    next: Option<Option<T>>,
) -> Result<Next<T>, Error> {
    match next {
        None => Ok(Next::None),
        Some(Some(marker)) if before.marker().as_ref() != Some(&marker) => Ok(Next::After(marker)),
        // A page that does not go forward would be asked for again for ever.
        Some(_) => Err(Error::unexpected(
            call.clone(),
            "the list is cut off, and the answer does not say where it goes on",
        )),
    }
}

fn decoded(call: &Call, key: String, encoded: bool) -> Result<String, Error> {
    match encoded {
        false => Ok(key),
        true => decode_key(&key)
            .ok_or_else(|| Error::unexpected(call.clone(), format!("{key:?} is no encoded key"))),
    }
}

/// A key in the URL encoding of listings and inventories: percent-encoded, a space as `+` (AWS) or `%20` (others), a
/// plus always as `%2B`. None when it is not UTF-8.
pub fn decode_key(text: &str) -> Option<String> {
    let decode = |text: &str| {
        let decoded = percent_decode_str(text).decode_utf8();
        decoded.ok().map(|key| key.into_owned())
    };
    match text.contains('+') {
        true => decode(&text.replace('+', " ")),
        false => decode(text),
    }
}

/// Lists the keys of a bucket that begin with `prefix`, whatever characters are in them.
///
/// # Errors
/// When any page cannot be had.
pub async fn list_keys(
    clients: &RegionClients,
    bucket: &str,
    prefix: &str,
) -> Result<Vec<String>, Error> {
    let resource = match prefix {
        "" => format!("bucket {bucket}"),
        prefix => format!("{bucket}/{prefix}*"),
    };
    let call = clients.call("S3", "ListObjectsV2", resource);
    let mut pages = ObjectPages::new(&clients.s3, call, bucket, prefix);
    let mut keys = Vec::new();
    while let Some(page) = pages.next().await? {
        keys.extend(page.into_iter().map(|object| object.key));
    }
    Ok(keys)
}

/// Lists every version and delete marker whose key begins with `prefix`.
///
/// # Errors
/// When any page cannot be had: what is missing from the list would count as not there.
pub async fn list_versions(
    clients: &RegionClients,
    bucket: &str,
    prefix: &str,
) -> Result<Vec<ObjectVersion>, Error> {
    let call = clients.call("S3", "ListObjectVersions", format!("{bucket}/{prefix}*"));
    let mut pages = VersionPages::new(&clients.s3, call, bucket, prefix);
    let mut found = Vec::new();
    while let Some(page) = pages.next().await? {
        found.extend(page);
    }
    Ok(found)
}

/// Deletes exactly `versions`, for good.
///
/// # Errors
/// At the first that cannot be deleted; a version that is gone already is none.
pub async fn delete_versions(
    clients: &RegionClients,
    bucket: &str,
    versions: &[ObjectVersion],
) -> Result<(), Error> {
    for ObjectVersion {
        key, version_id, ..
    } in versions
    {
        let deleted = clients
            .s3
            .delete_object()
            .bucket(bucket)
            .key(key)
            .set_version_id(version_id.clone())
            .send()
            .await;
        deleted.map_err(|error| {
            clients
                .call("S3", "DeleteObject", format!("{bucket}/{key}"))
                .failed(error)
        })?;
    }
    Ok(())
}

/// What one DeleteObjects takes: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html>.
const MOST_DELETED: usize = 1_000;

/// Deletes `objects`, keys with the version that goes for good, or without one, in their order and as many with one call as S3
/// takes. `call` names the DeleteObjects.
///
/// # Errors
/// At the first call that fails, or deletes not all.
pub async fn delete_objects(
    s3: &Client,
    call: &Call,
    bucket: &str,
    objects: &[(String, Option<String>)],
) -> Result<(), Error> {
    let unbuilt = |error: BuildError| Error::unexpected(call.clone(), error.to_string());
    for some in objects.chunks(MOST_DELETED) {
        let named: Result<Vec<_>, _> = some
            .iter()
            .map(|(key, version)| {
                let object = ObjectIdentifier::builder().key(key);
                object.set_version_id(version.clone()).build()
            })
            .collect();
        let delete = Delete::builder().quiet(true);
        let delete = delete.set_objects(Some(named.map_err(unbuilt)?));
        let delete = delete.build().map_err(unbuilt)?;
        let sent = s3.delete_objects().bucket(bucket).delete(delete);
        let deleted = sent.send().await;
        let deleted = deleted.map_err(|error| call.clone().failed(error))?;
        if let Some(refused) = deleted.errors().first() {
            let code = refused.code().unwrap_or("an error");
            return Err(Error::unexpected(
                call.clone(),
                format!("S3 answers {code}"),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::operation::list_object_versions::ListObjectVersionsOutput;
    use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
    use aws_sdk_s3::types::{DeleteMarkerEntry, Object, ObjectVersion as Version};
    use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};

    use super::*;

    fn call(operation: &'static str) -> Call {
        Call {
            region: "ca-central-1".parse().unwrap(),
            service: "S3",
            operation,
            resource: "state".to_owned(),
        }
    }

    async fn keys(rules: &[&Rule]) -> Result<Vec<String>, Error> {
        let s3 = mock_client!(aws_sdk_s3, RuleMode::Sequential, rules);
        let mut pages = ObjectPages::new(&s3, call("ListObjectsV2"), "state", "a");
        let mut keys = Vec::new();
        while let Some(page) = pages.next().await? {
            keys.extend(page.into_iter().map(|object| object.key));
        }
        Ok(keys)
    }

    fn page(token: Option<&'static str>, key: &'static str, next: Option<&'static str>) -> Rule {
        mock!(Client::list_objects_v2)
            .match_requests(move |request| {
                request.encoding_type() == Some(&EncodingType::Url)
                    && request.continuation_token() == token
            })
            .then_output(move || {
                ListObjectsV2Output::builder()
                    .encoding_type(EncodingType::Url)
                    .contents(Object::builder().key(key).build())
                    .is_truncated(next.is_some())
                    .set_next_continuation_token(next.map(str::to_owned))
                    .build()
            })
    }

    #[test]
    fn decode_key_is_what_it_was_before_it_was_encoded() {
        for (encoded, key) in [
            ("a/b.tfstate.tflock", "a/b.tfstate.tflock"),
            ("a+b%2Bc%20d", "a b+c d"),
            ("%1B%5B2J%00%C3%A9", "\u{1b}[2J\0é"),
        ] {
            assert_eq!(decode_key(encoded).as_deref(), Some(key));
        }
        assert_eq!(decode_key("%FF"), None);
    }

    #[tokio::test]
    async fn object_pages_are_asked_for_encoded_and_read_to_the_end() {
        let (first, second) = (
            page(None, "a%1B%5B2J", Some("t")),
            page(Some("t"), "a+b%2Bc", None),
        );
        assert_eq!(
            keys(&[&first, &second]).await.unwrap(),
            ["a\u{1b}[2J", "a b+c"]
        );
    }

    #[tokio::test]
    async fn object_pages_that_do_not_go_forward_are_an_error() {
        let (first, again) = (page(None, "a", Some("t")), page(Some("t"), "a", Some("t")));
        let error = keys(&[&first, &again]).await.unwrap_err();
        let message = error.message.unwrap_or_default();
        assert!(
            message.contains("does not say where it goes on"),
            "{message}"
        );
    }

    #[tokio::test]
    async fn object_pages_of_a_server_that_does_not_encode_keep_its_keys() {
        let plain = mock!(Client::list_objects_v2).then_output(|| {
            let object = Object::builder().key("a%41+").build();
            ListObjectsV2Output::builder().contents(object).build()
        });
        assert_eq!(keys(&[&plain]).await.unwrap(), ["a%41+"]);
    }

    #[tokio::test]
    async fn version_pages_go_on_after_the_key_that_the_marker_means() {
        let first = mock!(Client::list_object_versions)
            .match_requests(|request| {
                request.encoding_type() == Some(&EncodingType::Url)
                    && request.key_marker().is_none()
            })
            .then_output(|| {
                ListObjectVersionsOutput::builder()
                    .encoding_type(EncodingType::Url)
                    .versions(Version::builder().key("a%01").version_id("1").build())
                    .is_truncated(true)
                    .next_key_marker("a%01")
                    .next_version_id_marker("1")
                    .build()
            });
        let second = mock!(Client::list_object_versions)
            .match_requests(|request| {
                request.key_marker() == Some("a\u{1}") && request.version_id_marker() == Some("1")
            })
            .then_output(|| {
                let marker = DeleteMarkerEntry::builder().key("a%0D").version_id("2");
                ListObjectVersionsOutput::builder()
                    .encoding_type(EncodingType::Url)
                    .delete_markers(marker.is_latest(true).build())
                    .build()
            });
        let s3 = mock_client!(aws_sdk_s3, RuleMode::Sequential, &[&first, &second]);
        let mut pages = VersionPages::new(&s3, call("ListObjectVersions"), "state", "a");
        let mut found = Vec::new();
        while let Some(page) = pages.next().await.unwrap() {
            found.extend(
                page.into_iter()
                    .map(|version| (version.key, version.is_delete_marker, version.latest)),
            );
        }
        let expected = [
            ("a\u{1}".to_owned(), false, false),
            ("a\r".to_owned(), true, true),
        ];
        assert_eq!(found, expected);
    }
}
