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
    /// How Object Lock has to hold it, at least.
    pub lock_mode: LockMode,
}

/// How Object Lock holds an object: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html>. The later one
/// is the stronger.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum LockMode {
    /// Whoever has `s3:BypassGovernanceRetention` can delete it before its time.
    #[default]
    Governance,
    /// Nobody can, the account's root user and AWS included; the mode cannot be changed and the time not be shortened.
    Compliance,
}

impl LockMode {
    /// As S3 writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Governance => "GOVERNANCE",
            Self::Compliance => "COMPLIANCE",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let modes = [Self::Governance, Self::Compliance];
        modes.into_iter().find(|mode| mode.as_str() == text)
    }
}

/// How a capture will be held, before it is put: what [`store`] takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    lock: Option<Lock>,
    wanted: LockMode,
    /// What the request says; without it the bucket's default holds.
    explicit: Option<(LockMode, Timestamp)>,
}

impl Hold {
    /// In which mode, as far as that is known; `None` in a bucket without Object Lock.
    pub fn mode(&self) -> Option<LockMode> {
        match (self.explicit, self.lock) {
            (Some((mode, _)), _) => Some(mode),
            (None, Some(Lock::WithDefault { mode, .. })) => mode,
            (None, Some(Lock::WithoutDefault) | None) => None,
        }
    }

    /// Until when at least; `None` where the bucket's default tells.
    pub fn until(&self) -> Option<Timestamp> {
        self.explicit.map(|(_, until)| until)
    }

    /// What the bucket does, compared with what is wanted: its own default is never made weaker.
    fn new(
        lock: Option<Lock>,
        location: S3Location<'_>,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let wanted = location.lock_mode;
        let days = |days: i64| {
            let seconds = now
                .as_second()
                .saturating_add(days.saturating_mul(24 * 60 * 60));
            Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
        };
        let retain = i64::from(location.retain_days);
        let explicit = match lock {
            None if wanted == LockMode::Compliance => {
                return Err(StoreError::NoObjectLock {
                    bucket: location.bucket.to_owned(),
                });
            }
            None => None,
            Some(Lock::WithoutDefault) => Some((wanted, days(retain))),
            // One of an unknown mode is not replaced, but judged afterwards.
            Some(Lock::WithDefault { mode, .. }) if mode.is_none_or(|mode| mode >= wanted) => None,
            // What the request says takes the place of the default, and must not be for a shorter time.
            Some(Lock::WithDefault { days: default, .. }) => {
                Some((wanted, days(retain.max(default))))
            }
        };
        Ok(Self {
            lock,
            wanted,
            explicit,
        })
    }
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
    /// Object Lock was asked for, and the bucket has none.
    #[error("hold a capture in COMPLIANCE mode: bucket {bucket} has no Object Lock")]
    NoObjectLock {
        /// The bucket.
        bucket: String,
    },
    /// The object is held in a weaker mode.
    #[error("find {url} held in {wanted} mode: it is held in {found} mode", wanted = wanted.as_str())]
    Weaker {
        /// Where.
        url: String,
        /// What was wanted.
        wanted: LockMode,
        /// What S3 says.
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

/// Asks the bucket how it would hold a capture; puts nothing.
///
/// # Errors
/// When the bucket does not tell, or has no Object Lock and COMPLIANCE is wanted.
pub async fn plan_hold(
    clients: &RegionClients,
    location: S3Location<'_>,
    now: Timestamp,
) -> Result<Hold, StoreError> {
    let lock = lock(clients, location.bucket).await?;
    Hold::new(lock, location, now)
}

/// Puts a capture in S3 unless an object of its name is there, reads it back, and sees that it is locked
/// as was planned where the bucket has Object Lock.
///
/// # Errors
/// When a call fails, another object is there, or the lock does not hold or is weaker than wanted.
pub async fn store(
    clients: &RegionClients,
    location: S3Location<'_>,
    kept: &Kept,
    hold: &Hold,
    now: Timestamp,
) -> Result<Stored, StoreError> {
    let key = format!("{}{}", location.prefix, kept.link.file);
    let url = format!("s3://{}/{key}", location.bucket);
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
    if let Some((mode, until)) = hold.explicit {
        put = put
            .object_lock_mode(ObjectLockMode::from(mode.as_str()))
            .object_lock_retain_until_date(DateTime::from_secs(until.as_second()));
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
    let locked = match hold.lock {
        None => None,
        Some(_) => {
            let retention = retention(clients, location.bucket, &key, &url).await?;
            let lasting = retention.filter(|retention| retention.until > now);
            let held = lasting.ok_or_else(|| StoreError::Unlocked { url: url.clone() })?;
            // As one is that was there before.
            if LockMode::parse(&held.mode) < Some(hold.wanted) {
                return Err(StoreError::Weaker {
                    url,
                    wanted: hold.wanted,
                    found: held.mode,
                });
            }
            Some(held)
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
    WithDefault {
        /// `None` for one that S3 has made since.
        mode: Option<LockMode>,
        /// For how long, or longer by a leap day a year.
        days: i64,
    },
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
        Some(default) => Lock::WithDefault {
            mode: default.mode.and_then(|mode| LockMode::parse(mode.as_str())),
            days: i64::from(default.days.unwrap_or(0))
                .max(i64::from(default.years.unwrap_or(0)).saturating_mul(366)),
        },
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
