//! One bucket, through the SDK.

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_env::{
    Call, ConnectionPool, Connections, Error, ErrorClass, OwnerGuard, OwnerUnknown, RegionClients,
};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::StalledStreamProtectionConfig;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    BucketVersioningStatus, ChecksumMode, ChecksumType, EncodingType, ServerSideEncryption,
};
use aws_smithy_types::date_time::Format;
use serde::{Deserialize, Serialize};
use settings::{AccountId, Region};

use super::compare::{Checksum, Detail, Encryption};
use super::entry::{ETag, Modified, Page, StorageClass};
use super::intercept::{Capture, Refusals};
use super::list_xml::ListingReader;
use super::location::{JOURNAL, S3Location};
use super::walk::Lister;

/// A region that is off must be known within ten seconds.
const REACH_TIMEOUT: Duration = Duration::from_secs(8);
/// The longest wait for a page to begin: S3 may have to pass over many delete markers.
const PAGE_WAIT: Duration = Duration::from_secs(25);
/// The longest silence in the middle of a page.
const PAGE_SILENCE: Duration = Duration::from_secs(15);
/// A page whose answer breaks off is asked for again.
const PAGE_ATTEMPTS: usize = 4;

/// A bucket or a folder of it, in its region.
#[derive(Debug, Clone)]
pub struct Bucket {
    place: S3Location,
    region: Region,
    pub(super) s3: Client,
    connections: Connections,
    owners: OwnerGuard,
    refusals: Refusals,
    /// Why its versions could not be listed, once that was refused.
    unlisted: Arc<OnceLock<String>>,
}

/// A bucket as a plan names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketIdentity {
    /// `s3://BUCKET/FOLDER/`.
    pub url: String,
    /// Where it is.
    pub region: Region,
    /// The account that it has to belong to; null while that is not known.
    pub account: Option<AccountId>,
}

impl fmt::Display for BucketIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.url, self.region)?;
        match &self.account {
            Some(account) => write!(f, ", account {account}"),
            None => Ok(()),
        }
    }
}

/// Lists a bucket.
#[derive(Debug, Clone)]
pub struct Pages {
    bucket: Bucket,
    client: Client,
    pool: ConnectionPool,
    by: Arc<ListBy>,
}

/// By which list the objects of a bucket are read. A list of versions tells their IDs, and takes longer: each version
/// has a place on its pages.
#[derive(Debug, Default)]
pub(super) struct ListBy(AtomicU8);

const BY_OBJECTS: u8 = 0;
const BY_VERSIONS: u8 = 1;
/// The list of versions is not to be had (`s3:ListBucketVersions`).
const NOT_BY_VERSIONS: u8 = 2;

impl ListBy {
    fn get(&self) -> u8 {
        self.0.load(Ordering::Relaxed)
    }

    /// Reads the versions' list from the next page on, where that is to be had.
    pub(super) fn versions(&self) {
        let _ = self.0.compare_exchange(
            BY_OBJECTS,
            BY_VERSIONS,
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
    }
}

impl Bucket {
    /// `place`, which lies in the region of `clients`.
    pub fn new(clients: &RegionClients, place: S3Location) -> Self {
        let refusals = Refusals::default();
        let config = clients
            .s3
            .config()
            .to_builder()
            .interceptor(refusals.clone())
            .build();
        Self {
            place,
            region: clients.region,
            s3: Client::from_conf(config),
            connections: clients.access().connections(),
            owners: clients.access().owner_guard(),
            refusals,
            unlisted: Arc::default(),
        }
    }

    /// Another place in the same region.
    #[must_use]
    pub fn beside(&self, place: S3Location) -> Self {
        Self {
            place,
            ..self.clone()
        }
    }

    /// Its pages, over connections that are closed when this and its clones are dropped: they come to have read
    /// buffers of the size of a page, which copies have no use for.
    pub fn pages(&self) -> Pages {
        self.pages_over(self.connections.pool())
    }

    /// Its pages, over the connections of another listing.
    pub(super) fn pages_beside(&self, other: &Pages) -> Pages {
        self.pages_over(other.pool.clone())
    }

    fn pages_over(&self, pool: ConnectionPool) -> Pages {
        let config = self.s3.config();
        let timeouts = config
            .timeout_config()
            .map_or_else(TimeoutConfig::builder, TimeoutConfig::to_builder)
            .read_timeout(PAGE_WAIT);
        let listing = config
            .to_builder()
            .http_client(self.connections.http_client(&pool))
            .timeout_config(timeouts.build())
            // Its bookkeeping costs more than reading a page; pages have a limit of their own.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        Pages {
            bucket: self.clone(),
            client: Client::from_conf(listing.build()),
            pool,
            by: Arc::default(),
        }
    }

    /// The bucket, and the folder of it that is meant.
    pub fn location(&self) -> &S3Location {
        &self.place
    }

    /// The region that is called for it.
    pub fn region(&self) -> Region {
        self.region
    }

    /// How often S3 has asked to slow down.
    /// Why its versions are not listed, if that was asked for and refused.
    pub(super) fn unlisted_versions(&self) -> Option<&str> {
        self.unlisted.get().map(String::as_str)
    }

    pub(super) fn refusals(&self) -> u64 {
        self.refusals.count()
    }

    /// The bucket's name.
    pub fn name(&self) -> &str {
        self.place.bucket.as_str()
    }

    /// What it is called, where it is, and whose it has to be.
    pub fn identity(&self) -> BucketIdentity {
        BucketIdentity {
            url: self.place.to_string(),
            region: self.region,
            account: self.owner().ok(),
        }
    }

    /// The account that it has to belong to.
    pub(super) fn owner(&self) -> Result<AccountId, OwnerUnknown> {
        self.owners.owner(self.name())
    }

    /// The key of an object of the tree.
    pub(super) fn key(&self, relative: &str) -> String {
        format!("{}{relative}", self.place.prefix)
    }

    pub(super) fn call(&self, operation: &'static str, key: &str) -> Call {
        let resource = if key.is_empty() {
            self.name().to_owned()
        } else {
            format!("{}/{key}", self.name())
        };
        Call {
            region: self.region,
            service: "S3",
            operation,
            resource,
        }
    }

    /// Asks whether the bucket is there, and answers within eight seconds.
    ///
    /// # Errors
    /// When it is not, may not be seen, or its region does not answer.
    pub async fn reach(&self) -> Result<(), Error> {
        let config = aws_sdk_s3::config::Builder::new()
            .timeout_config(
                TimeoutConfig::builder()
                    .operation_timeout(REACH_TIMEOUT)
                    .build(),
            )
            .retry_config(RetryConfig::standard().with_max_attempts(5));
        self.s3
            .head_bucket()
            .bucket(self.name())
            .customize()
            .config_override(config)
            .send()
            .await
            .map_err(|error| self.call("HeadBucket", "").failed(error))?;
        Ok(())
    }

    /// Whether overwritten and deleted objects are kept as versions.
    ///
    /// # Errors
    /// When the bucket does not tell.
    pub async fn keeps_versions(&self) -> Result<bool, Error> {
        let versioning = self
            .s3
            .get_bucket_versioning()
            .bucket(self.name())
            .send()
            .await
            .map_err(|error| self.call("GetBucketVersioning", "").failed(error))?;
        Ok(versioning.status() == Some(&BucketVersioningStatus::Enabled))
    }

    /// What HeadObject says; `None` when there is no such object.
    ///
    /// # Errors
    /// When the bucket does not tell.
    pub async fn detail(&self, relative: &str) -> Result<Option<Detail>, Error> {
        Ok(self.head(relative, None).await?.map(|head| detail(&head)))
    }

    /// The whole answer of HeadObject, of one version or the current one.
    pub(super) async fn head(
        &self,
        relative: &str,
        version: Option<&str>,
    ) -> Result<Option<HeadObjectOutput>, Error> {
        let key = self.key(relative);
        let head = self
            .s3
            .head_object()
            .bucket(self.name())
            .key(&key)
            .set_version_id(version.map(str::to_owned))
            .checksum_mode(ChecksumMode::Enabled)
            .send()
            .await
            .map_err(|error| self.call("HeadObject", &key).failed(error));
        absent_is_none(head)
    }

    /// Number of parts and length of part `number`; `None` when it was not put in parts.
    pub(super) async fn part(
        &self,
        relative: &str,
        version: Option<&str>,
        number: i32,
    ) -> Result<Option<(u32, u64)>, Error> {
        let key = self.key(relative);
        let head = self
            .s3
            .head_object()
            .bucket(self.name())
            .key(&key)
            .set_version_id(version.map(str::to_owned))
            .part_number(number)
            .send()
            .await
            .map_err(|error| self.call("HeadObject", &key).failed(error))?;
        let count = head
            .parts_count()
            .and_then(|count| u32::try_from(count).ok());
        let size = head
            .content_length()
            .and_then(|size| u64::try_from(size).ok());
        Ok(count.zip(size))
    }

    /// The tags of an object, in a fixed order. A server that knows no tags has none.
    pub(super) async fn tags(
        &self,
        relative: &str,
        version: Option<&str>,
    ) -> Result<Vec<(String, String)>, Error> {
        let key = self.key(relative);
        let tagging = self
            .s3
            .get_object_tagging()
            .bucket(self.name())
            .key(&key)
            .set_version_id(version.map(str::to_owned))
            .send()
            .await
            .map_err(|error| self.call("GetObjectTagging", &key).failed(error));
        let tagging = match tagging {
            Ok(tagging) => tagging,
            Err(error) if error.status == Some(501) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut tags: Vec<_> = tagging
            .tag_set
            .into_iter()
            .map(|tag| (tag.key, tag.value))
            .collect();
        tags.sort();
        Ok(tags)
    }

    /// The bytes of an object, of one version or the current one.
    pub(super) async fn read(
        &self,
        relative: &str,
        version: Option<&str>,
    ) -> Result<ByteStream, Error> {
        let key = self.key(relative);
        let object = self
            .s3
            .get_object()
            .bucket(self.name())
            .key(&key)
            .set_version_id(version.map(str::to_owned))
            .send()
            .await
            .map_err(|error| self.call("GetObject", &key).failed(error))?;
        Ok(object.body)
    }
}

/// The list that a page is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PageOf {
    Objects,
    Versions,
}

impl Pages {
    /// By which list it reads.
    pub(super) fn by(&self) -> &ListBy {
        &self.by
    }

    /// Whether versions can be listed, as far as that is known.
    pub(super) fn has_versions(&self) -> bool {
        self.by.get() != NOT_BY_VERSIONS
    }

    /// A page of the versions' list, whatever the others are read by; `None` where that list is not to be had.
    pub(super) async fn version_page(
        &self,
        after: Option<&str>,
        limit: u16,
    ) -> Result<Option<Page>, Error> {
        match self.page_of(PageOf::Versions, after, limit).await {
            Ok(page) => Ok(Some(page)),
            Err(error) if matches!(error.class, ErrorClass::Denied | ErrorClass::Invalid) => {
                self.by.0.store(NOT_BY_VERSIONS, Ordering::Relaxed);
                // A second refusal says what the first one said.
                let _ = self.bucket.unlisted.set(error.to_string());
                Ok(None)
            }
            // A server that has no such list.
            Err(error) if error.status == Some(501) => {
                self.by.0.store(NOT_BY_VERSIONS, Ordering::Relaxed);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    async fn page_of(&self, of: PageOf, after: Option<&str>, limit: u16) -> Result<Page, Error> {
        let mut attempt = 1;
        loop {
            match self.page_once(of, after, limit).await {
                Ok(page) => return Ok(page),
                Err(PageError::Call(error)) => return Err(error),
                Err(error) if attempt >= PAGE_ATTEMPTS => {
                    let call = self.bucket.call(of.operation(), "");
                    return Err(Error::unexpected(call, error.to_string()));
                }
                Err(_) => attempt += 1,
            }
        }
    }

    async fn send(
        &self,
        of: PageOf,
        after: Option<&str>,
        limit: u16,
        capture: &Capture,
    ) -> Result<(), Error> {
        let bucket = &self.bucket;
        let prefix = &bucket.place.prefix;
        let prefix = (!prefix.is_empty()).then(|| prefix.clone());
        let after = after.map(|after| bucket.key(after));
        let call = || bucket.call(of.operation(), "");
        if of == PageOf::Versions {
            let sent = self
                .client
                .list_object_versions()
                .bucket(bucket.name())
                .set_prefix(prefix)
                .set_key_marker(after)
                .max_keys(i32::from(limit))
                .encoding_type(EncodingType::Url)
                .customize()
                .interceptor(capture.clone())
                .send()
                .await;
            return sent.map(drop).map_err(|error| call().failed(error));
        }
        let sent = self
            .client
            .list_objects_v2()
            .bucket(bucket.name())
            .set_prefix(prefix)
            .set_start_after(after)
            .max_keys(i32::from(limit))
            .encoding_type(EncodingType::Url)
            .customize()
            .interceptor(capture.clone())
            .send()
            .await;
        sent.map(drop).map_err(|error| call().failed(error))
    }

    async fn page_once(
        &self,
        of: PageOf,
        after: Option<&str>,
        limit: u16,
    ) -> Result<Page, PageError> {
        let capture = match of {
            PageOf::Objects => Capture::of_objects(),
            PageOf::Versions => Capture::of_versions(),
        };
        self.send(of, after, limit, &capture)
            .await
            .map_err(PageError::Call)?;
        let mut reader = ListingReader::new(&self.bucket.place.prefix, JOURNAL);
        let mut body = ByteStream::new(capture.take());
        loop {
            match tokio::time::timeout(PAGE_SILENCE, body.next()).await {
                Ok(Some(Ok(chunk))) => reader.feed(&chunk)?,
                Ok(None) => return Ok(reader.finish()?),
                Ok(Some(Err(error))) => return Err(PageError::Broken(error.to_string())),
                Err(_) => return Err(PageError::Broken("no data for 15 s".to_owned())),
            }
        }
    }
}

impl PageOf {
    fn operation(self) -> &'static str {
        match self {
            Self::Objects => "ListObjectsV2",
            Self::Versions => "ListObjectVersions",
        }
    }
}

/// Why a page was not read.
#[derive(Debug, thiserror::Error)]
enum PageError {
    #[error(transparent)]
    Call(Error),
    #[error("{0}")]
    Broken(String),
    #[error(transparent)]
    Listing(#[from] super::list_xml::ListingError),
}

impl Lister for Pages {
    type Error = Error;

    async fn page(&self, after: Option<&str>, limit: u16) -> Result<Page, Error> {
        // Of a single object only its key counts, which what was deleted would hide.
        if limit > 1
            && self.by.get() == BY_VERSIONS
            && let Some(page) = self.version_page(after, limit).await?
        {
            return Ok(page);
        }
        self.page_of(PageOf::Objects, after, limit).await
    }
}

pub(super) fn absent_is_none<T>(answer: Result<T, Error>) -> Result<Option<T>, Error> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        // HeadObject has no body, so that "no such bucket" looks the same; buckets are looked at first.
        Err(error) if error.class == ErrorClass::Absent => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) fn time(time: Option<&aws_sdk_s3::primitives::DateTime>) -> Modified {
    time.and_then(|time| time.fmt(Format::DateTime).ok())
        .and_then(|text| Modified::parse(&text))
        .unwrap_or_default()
}

pub(super) fn detail(head: &HeadObjectOutput) -> Detail {
    let class = head
        .storage_class()
        .map_or(StorageClass::Standard, |class| {
            StorageClass::from(class.as_str())
        });
    let restored = head
        .restore()
        .is_some_and(|restore| restore.contains("ongoing-request=\"false\""));
    let keyed = head.sse_customer_algorithm().is_some()
        || !matches!(
            head.server_side_encryption(),
            None | Some(ServerSideEncryption::Aes256)
        );
    Detail {
        size: head
            .content_length()
            .and_then(|size| u64::try_from(size).ok())
            .unwrap_or_default(),
        etag: ETag::parse(head.e_tag().unwrap_or_default()),
        modified: time(head.last_modified()),
        archived: (class.is_archive() || head.archive_status().is_some()) && !restored,
        class,
        version: head.version_id().map(str::to_owned),
        encryption: if keyed {
            Encryption::Keyed
        } else {
            Encryption::Plain
        },
        checksums: checksums(head),
        first_part: None,
        headers: headers(head),
    }
}

fn checksums(head: &HeadObjectOutput) -> Vec<Checksum> {
    let full = head.checksum_type() == Some(&ChecksumType::FullObject);
    [
        ("CRC64NVME", head.checksum_crc64_nvme()),
        ("SHA256", head.checksum_sha256()),
        ("SHA1", head.checksum_sha1()),
        ("CRC32C", head.checksum_crc32_c()),
        ("CRC32", head.checksum_crc32()),
    ]
    .into_iter()
    .filter_map(|(algorithm, value)| {
        let value = value.filter(|value| !value.is_empty())?;
        // A server that does not name the type: base64 has no hyphen, a composite ends in -N.
        let full = full || (head.checksum_type().is_none() && !value.contains('-'));
        Some(Checksum {
            algorithm,
            value: value.to_owned(),
            full,
        })
    })
    .collect()
}

/// Everything beside the content that a copy has to keep, in a fixed order.
fn headers(head: &HeadObjectOutput) -> Vec<(String, String)> {
    let named = [
        ("cache-control", head.cache_control()),
        ("content-disposition", head.content_disposition()),
        ("content-encoding", head.content_encoding()),
        ("content-language", head.content_language()),
        ("content-type", head.content_type()),
        ("expires", head.expires_string()),
        ("website-redirect", head.website_redirect_location()),
    ];
    let mut headers: Vec<(String, String)> = named
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
        .collect();
    headers.extend(
        head.metadata()
            .into_iter()
            .flatten()
            .map(|(name, value)| (format!("x-amz-meta-{name}"), value.clone())),
    );
    headers.sort();
    headers
}
