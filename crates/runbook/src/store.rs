//! Where records lie: places that take an object only where none is, and replace one only where it still is what was
//! read.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use aws_env::{Error, ErrorClass, RegionClients, list_versions, read_body};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ReplicationStatus;
use files::{FileError, Secrecy, write_file, write_new_file};

use crate::record::Digest;

/// Bytes of a record: a plan of some thousand steps is far below.
const MOST: u64 = 4 << 20;

/// What an object was when it was read or written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ETag(pub String);

/// What [`Store::create`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created {
    /// Nothing, and wrote.
    Written(ETag),
    /// An object, and wrote nothing.
    Taken,
}

/// An object as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its content.
    pub bytes: Vec<u8>,
    /// What it was: of what lies on top, which [`Store::replace`] replaces.
    pub etag: ETag,
    /// Whether S3 replication brought it, and nobody has written one here.
    pub is_replica: bool,
}

/// A place for records. Keys are relative to it.
pub trait Store {
    /// Writes an object where none is.
    fn create(&self, key: &str, bytes: &[u8]) -> impl Future<Output = Result<Created, StoreError>>;

    /// Writes an object where `seen` is; `None` where another one is, or none.
    fn replace(
        &self,
        key: &str,
        bytes: &[u8],
        seen: &ETag,
    ) -> impl Future<Output = Result<Option<ETag>, StoreError>>;

    /// Reads an object, if there is one.
    fn read(&self, key: &str) -> impl Future<Output = Result<Option<Stored>, StoreError>>;

    /// The keys that begin with `prefix`, sorted.
    fn list(&self, prefix: &str) -> impl Future<Output = Result<Vec<String>, StoreError>>;

    /// What the object is called outside: a URL, a path.
    fn place(&self, key: &str) -> String;
}

/// Writes an object, whatever is there. `false` when somebody else wrote it in the same moment: theirs is there.
pub(crate) async fn overwrite(
    store: &impl Store,
    key: &str,
    bytes: &[u8],
) -> Result<bool, StoreError> {
    match store.read(key).await? {
        // A replica gives way to an older one that arrives late; what was written here does not.
        Some(there) if there.bytes == bytes && !there.is_replica => Ok(true),
        Some(there) => Ok(store.replace(key, bytes, &there.etag).await?.is_some()),
        None => Ok(store.create(key, bytes).await? != Created::Taken),
    }
}

/// A place for records cannot be used. Whether a write took effect is not known.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// In S3.
    #[error(transparent)]
    Aws(Box<Error>),
    /// On this machine.
    #[error(transparent)]
    File(#[from] FileError),
    /// A folder of this machine.
    #[error("cannot use {}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl StoreError {
    /// Whether there is no such bucket: nothing was ever kept there.
    pub fn is_without_bucket(&self) -> bool {
        matches!(self, Self::Aws(error) if error.code.as_deref() == Some("NoSuchBucket"))
    }
}

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        Self::Aws(Box::new(error))
    }
}

/// A folder of a bucket.
#[derive(Clone)]
pub struct S3Store {
    clients: RegionClients,
    bucket: String,
    prefix: String,
}

impl fmt::Debug for S3Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S3Store({})", self.place(""))
    }
}

impl S3Store {
    /// The objects of `bucket`, in the region of `clients`, whose keys begin with `prefix`.
    pub fn new(
        clients: RegionClients,
        bucket: impl Into<String>,
        prefix: impl Into<String>,
    ) -> Self {
        Self {
            clients,
            bucket: bucket.into(),
            prefix: prefix.into(),
        }
    }

    fn key(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// The newest version that was written here, below replicas; `None` where all are replicas.
    async fn newest_own(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let key = self.key(key);
        let versions = list_versions(&self.clients, &self.bucket, &key).await?;
        let versions = versions.into_iter().filter(|version| version.key == key);
        for version in versions.filter(|version| !version.is_delete_marker) {
            let place = format!("s3://{}/{key}", self.bucket);
            let call = self.clients.call("S3", "GetObject", place);
            let get = self.clients.s3.get_object().bucket(&self.bucket).key(&key);
            let got = get.set_version_id(version.version_id).send().await;
            let got = got.map_err(|error| call.clone().failed(error))?;
            if got.replication_status != Some(ReplicationStatus::Replica) {
                let bytes = read_body(got.body, MOST).await;
                return Ok(Some(bytes.map_err(|error| error.of(call))?));
            }
        }
        Ok(None)
    }
}

/// Another one was there: the condition did not hold (412), or a write to it was under way
/// (409, <https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html>).
fn is_precondition(error: &Error) -> bool {
    matches!(error.status, Some(409 | 412))
}

impl Store for S3Store {
    async fn create(&self, key: &str, bytes: &[u8]) -> Result<Created, StoreError> {
        let call = self.clients.call("S3", "PutObject", self.place(key));
        let put = self.clients.s3.put_object().bucket(&self.bucket);
        let put = put
            .key(self.key(key))
            .content_type("application/json")
            .if_none_match("*")
            .body(ByteStream::from(bytes.to_vec()));
        match put.send().await.map_err(|error| call.failed(error)) {
            Ok(written) => Ok(Created::Written(ETag(written.e_tag.unwrap_or_default()))),
            Err(error) if is_precondition(&error) => Ok(Created::Taken),
            Err(error) => Err(error.into()),
        }
    }

    async fn replace(
        &self,
        key: &str,
        bytes: &[u8],
        seen: &ETag,
    ) -> Result<Option<ETag>, StoreError> {
        let call = self.clients.call("S3", "PutObject", self.place(key));
        let put = self.clients.s3.put_object().bucket(&self.bucket);
        let put = put
            .key(self.key(key))
            .content_type("application/json")
            .if_match(&seen.0)
            .body(ByteStream::from(bytes.to_vec()));
        match put.send().await.map_err(|error| call.failed(error)) {
            Ok(written) => Ok(Some(ETag(written.e_tag.unwrap_or_default()))),
            Err(error) if is_precondition(&error) || error.class == ErrorClass::Absent => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn read(&self, key: &str) -> Result<Option<Stored>, StoreError> {
        let call = self.clients.call("S3", "GetObject", self.place(key));
        let get = self.clients.s3.get_object().bucket(&self.bucket);
        let got = get.key(self.key(key)).send().await;
        let got = match got.map_err(|error| call.clone().failed(error)) {
            Ok(got) => got,
            Err(error) if error.code.as_deref() == Some("NoSuchKey") => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let etag = ETag(got.e_tag.unwrap_or_default());
        let is_replica = got.replication_status == Some(ReplicationStatus::Replica);
        // S3 delivers late, in no order, and on top of what was written since: what an environment was before it was committed
        // would take its place.
        if is_replica && let Some(bytes) = self.newest_own(key).await? {
            return Ok(Some(Stored {
                bytes,
                etag,
                is_replica: false,
            }));
        }
        let bytes = read_body(got.body, MOST).await;
        let bytes = bytes.map_err(|error| error.of(call))?;
        Ok(Some(Stored {
            bytes,
            etag,
            is_replica,
        }))
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let keys = aws_env::list_keys(&self.clients, &self.bucket, &self.key(prefix)).await?;
        let keys = keys.into_iter();
        let keys = keys.filter_map(|key| Some(key.strip_prefix(&self.prefix)?.to_owned()));
        Ok(keys.collect())
    }

    fn place(&self, key: &str) -> String {
        format!("s3://{}/{}{key}", self.bucket, self.prefix)
    }
}

/// A folder of this machine.
#[derive(Debug, Clone)]
pub struct FolderStore(PathBuf);

impl FolderStore {
    /// The files below `folder`, which is made when something is written.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    fn made(&self, key: &str) -> Result<PathBuf, StoreError> {
        let path = self.0.join(key);
        let folder = path.parent().unwrap_or(&self.0);
        files::create_secret_folder(folder)?;
        Ok(path)
    }

    /// Makes the folder for what is to be written as `key`.
    pub(crate) fn prepare(&self, key: &str) -> Result<(), StoreError> {
        self.made(key).map(drop)
    }

    /// Writes an object, whatever is there: for a copy of what another store decides.
    pub(crate) fn put(&self, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        write_file(&self.made(key)?, bytes, Secrecy::Secret)?;
        Ok(())
    }

    fn keys(&self, folder: &Path, keys: &mut Vec<String>) -> io::Result<()> {
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                self.keys(&path, keys)?;
            } else if let Ok(key) = path.strip_prefix(&self.0) {
                keys.push(key.to_string_lossy().into_owned());
            }
        }
        Ok(())
    }
}

fn etag(bytes: &[u8]) -> ETag {
    ETag(Digest::of(bytes).to_string())
}

/// One process at a time: that a file did not change between being compared and being replaced is not proven here.
impl Store for FolderStore {
    async fn create(&self, key: &str, bytes: &[u8]) -> Result<Created, StoreError> {
        match write_new_file(&self.made(key)?, bytes, Secrecy::Secret) {
            Ok(()) => Ok(Created::Written(etag(bytes))),
            Err(FileError::Exists { .. }) => Ok(Created::Taken),
            Err(error) => Err(error.into()),
        }
    }

    async fn replace(
        &self,
        key: &str,
        bytes: &[u8],
        seen: &ETag,
    ) -> Result<Option<ETag>, StoreError> {
        let there = self.read(key).await?;
        if there.is_none_or(|there| there.etag != *seen) {
            return Ok(None);
        }
        write_file(&self.made(key)?, bytes, Secrecy::Secret)?;
        Ok(Some(etag(bytes)))
    }

    async fn read(&self, key: &str) -> Result<Option<Stored>, StoreError> {
        match files::read_limited(&self.0.join(key), MOST) {
            Ok(bytes) => Ok(Some(Stored {
                etag: etag(&bytes),
                bytes,
                is_replica: false,
            })),
            Err(FileError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let mut keys = Vec::new();
        let failed = |source| StoreError::Folder {
            path: self.0.clone(),
            source,
        };
        self.keys(&self.0, &mut keys).map_err(failed)?;
        keys.retain(|key| key.starts_with(prefix));
        keys.sort();
        Ok(keys)
    }

    fn place(&self, key: &str) -> String {
        self.0.join(key).display().to_string()
    }
}
