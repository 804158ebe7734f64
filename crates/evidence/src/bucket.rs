//! A capture in S3, where nobody can put another in its location.

#[cfg(test)]
mod tests;

use aws_env::{BodyError, Error, RegionClients, read_body};
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{ObjectLockEnabled, ObjectLockMode};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::folder::Kept;
use super::seal::sha256;

/// Where captures go.
#[derive(Debug, Clone, Copy)]
pub struct S3Location<'a> {
    /// The bucket.
    pub bucket: &'a str,
    /// What keys begin with: empty, or with a slash at its end.
    pub prefix: &'a str,
    /// Days for which Object Lock keeps a capture, where the bucket has no default of its own.
    pub retain_days: u16,
}

/// A capture that is in S3, read back and compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stored {
    /// Where.
    pub url: String,
    /// Whether it was there before.
    pub already: bool,
    /// Until when it can be neither deleted nor written over, and in which mode; `None` in a bucket without
    /// Object Lock.
    pub locked: Option<Retention>,
}

/// What Object Lock does for an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Retention {
    /// `GOVERNANCE` or `COMPLIANCE`.
    pub mode: String,
    /// Its last moment.
    pub until: Timestamp,
}

/// Why a capture is not in S3 as it should be.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A call failed.
    #[error(transparent)]
    Aws(#[from] Error),
    /// Another object is there, or what was read back is not what was written.
    #[error("find the capture in {url}: it has the SHA-256 {found}, not {expected}")]
    Differs {
        /// Where.
        url: String,
        /// That of the capture.
        expected: String,
        /// That of the object.
        found: String,
    },
    /// The bucket has Object Lock, and the object is not held by it.
    #[error(
        "find {url} locked: the bucket has Object Lock, and the object no retention that lasts"
    )]
    Unlocked {
        /// Where.
        url: String,
    },
}

/// Puts a capture in S3 unless an object of its name is there, reads it back, and sees that it is locked
/// where the bucket has Object Lock.
///
/// # Errors
/// When a call fails, another object is there, or the lock does not hold.
pub async fn store(
    clients: &RegionClients,
    location: S3Location<'_>,
    kept: &Kept,
    now: Timestamp,
) -> Result<Stored, StoreError> {
    let key = format!("{}{}", location.prefix, kept.link.file);
    let url = format!("s3://{}/{key}", location.bucket);
    let lock = lock(clients, location.bucket).await?;
    let call = |operation| clients.call("S3", operation, format!("object {url}"));
    let mut put = clients
        .s3
        .put_object()
        .bucket(location.bucket)
        .key(&key)
        .if_none_match("*")
        .content_type("application/json")
        // S3 compares; with Object Lock it asks for a checksum.
        .checksum_sha256(BASE64_STANDARD.encode(Sha256::digest(&kept.bytes)))
        .body(ByteStream::from(kept.bytes.clone()));
    if lock == Some(Lock::WithoutDefault) {
        let until = now.as_second() + i64::from(location.retain_days) * 24 * 60 * 60;
        put = put
            .object_lock_mode(ObjectLockMode::Governance)
            .object_lock_retain_until_date(DateTime::from_secs(until));
    }
    let already = match put
        .send()
        .await
        .map_err(|error| call("PutObject").failed(error))
    {
        Ok(_) => false,
        Err(error) if error.is_code("PreconditionFailed") => true,
        Err(error) => return Err(error.into()),
    };
    let get = clients.s3.get_object().bucket(location.bucket).key(&key);
    let object = get
        .send()
        .await
        .map_err(|error| call("GetObject").failed(error))?;
    // More than was written is another object, of which the first bytes tell enough.
    let found = match read_body(object.body, kept.bytes.len() as u64).await {
        Ok(bytes) => sha256(&bytes),
        Err(BodyError::TooLarge { limit }) => format!("of something of more than {limit} bytes"),
        Err(error) => return Err(error.of(call("GetObject")).into()),
    };
    if found != kept.link.sha256 {
        return Err(StoreError::Differs {
            url,
            expected: kept.link.sha256.clone(),
            found,
        });
    }
    let locked = match lock {
        None => None,
        Some(_) => {
            let retention = retention(clients, location.bucket, &key, &url).await?;
            let lasting = retention.filter(|retention| retention.until > now);
            Some(lasting.ok_or_else(|| StoreError::Unlocked { url: url.clone() })?)
        }
    };
    Ok(Stored {
        url,
        already,
        locked,
    })
}

/// A bucket's Object Lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lock {
    WithDefault,
    WithoutDefault,
}

async fn lock(clients: &RegionClients, bucket: &str) -> Result<Option<Lock>, Error> {
    let call = clients.call(
        "S3",
        "GetObjectLockConfiguration",
        format!("bucket {bucket}"),
    );
    let get = clients.s3.get_object_lock_configuration().bucket(bucket);
    let answer = match get.send().await.map_err(|error| call.failed(error)) {
        Ok(answer) => answer,
        Err(error) if error.is_code("ObjectLockConfigurationNotFoundError") => return Ok(None),
        Err(error) => return Err(error),
    };
    let Some(configuration) = answer.object_lock_configuration else {
        return Ok(None);
    };
    if configuration.object_lock_enabled != Some(ObjectLockEnabled::Enabled) {
        return Ok(None);
    }
    let default = configuration.rule.and_then(|rule| rule.default_retention);
    Ok(Some(match default {
        Some(_) => Lock::WithDefault,
        None => Lock::WithoutDefault,
    }))
}

async fn retention(
    clients: &RegionClients,
    bucket: &str,
    key: &str,
    url: &str,
) -> Result<Option<Retention>, Error> {
    let call = clients.call("S3", "GetObjectRetention", format!("object {url}"));
    let get = clients.s3.get_object_retention().bucket(bucket).key(key);
    let answer = match get.send().await.map_err(|error| call.failed(error)) {
        Ok(answer) => answer,
        Err(error) if error.is_code("NoSuchObjectLockConfiguration") => return Ok(None),
        Err(error) => return Err(error),
    };
    let retention = answer.retention.and_then(|retention| {
        let until = Timestamp::from_second(retention.retain_until_date?.secs()).ok()?;
        Some(Retention {
            mode: retention.mode?.as_str().to_owned(),
            until,
        })
    });
    Ok(retention)
}
