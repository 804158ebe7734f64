//! Proof that replication works: an object goes in on one side and comes out on the other.

use std::time::Duration;

use aws_env::{
    BodyError, Call, Error, ErrorClass, ObjectVersion, Poll, RegionClients, Waiter, WaiterConfig,
    delete_versions, list_versions, read_body,
};
use aws_sdk_s3::types::{ObjectLockLegalHoldStatus, ReplicationStatus};
use jiff::Timestamp;
use report::{Document, Mark, Observer, Outcome, Report, duration};
use serde::Serialize;
use settings::Region;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use crate::backend::Backend;
use crate::problem::Problem;
use crate::spec::{Side, SideName};

/// What the keys of all canaries begin with, so that a run finds what an interrupted one left behind. At the key itself is
/// the sign of one that failed, and the canary of older releases.
const KEY: &str = "init-backend/replication-canary";
/// Everything below it in a bucket is a canary's.
pub(crate) const FOLDER: &str = "init-backend/";
/// S3 gives no status to an object that came before the rule was in force everywhere; such a
/// canary is written anew.
const WRITE_AGAIN: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(250);
const LONGEST_POLL: Duration = Duration::from_secs(5);

/// How [`Backend::canary`] runs.
#[derive(Debug, Clone)]
pub struct CanaryOptions {
    /// How long replication may take. S3 promises 99.9 % within 15 minutes with replication time
    /// control: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-time-control.html>.
    pub timeout: Duration,
    /// What is written; different every time, so that an old canary cannot pass for this one.
    pub token: String,
    /// The time now. A canary whose run has ended by then is what an interrupted one left behind.
    pub now: Timestamp,
}

impl CanaryOptions {
    /// A key that no other run has, and that says when this one ends at the latest.
    fn key(&self) -> String {
        let timeout = i64::try_from(self.timeout.as_secs()).unwrap_or(i64::MAX);
        let until = self.now.as_second().saturating_add(timeout);
        let digest = Sha256::digest(self.token.as_bytes());
        let id = hex::encode(&digest[..8]);
        format!("{KEY}/{until}-{id}")
    }
}

/// When the run of the canary at `key` ends at the latest; long ago for one of an older release, `None` for a key that is
/// no canary's.
fn ends(key: &str) -> Option<i64> {
    if key == KEY {
        return Some(i64::MIN);
    }
    let (until, id) = key.strip_prefix(KEY)?.strip_prefix('/')?.split_once('-')?;
    let is_id = id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    until.parse().ok().filter(|_| is_id)
}

/// A canary that came through.
#[derive(Debug, Clone, Serialize)]
pub struct Canary {
    /// The object's key, the same in both buckets.
    pub key: String,
    /// The version in the primary bucket.
    pub version: Option<String>,
    /// Milliseconds from the end of the write until S3 said COMPLETED and the DR copy was read.
    pub replicated_ms: u128,
    /// How many bytes were compared, all of them.
    pub bytes: usize,
    /// Canaries that could not be removed, as where Object Lock holds them: replication is proven all the same.
    pub left: Vec<LeftCanary>,
}

/// A canary that stays where it is.
#[derive(Debug, Clone, Serialize)]
pub struct LeftCanary {
    /// Where it lies, `s3://BUCKET/KEY`.
    pub url: String,
    /// The version that could not be removed; null in a bucket without versions.
    pub version: Option<String>,
    /// Why it stays.
    pub problem: Problem,
}

/// The canary's last write.
struct Written {
    key: String,
    version: Option<String>,
    at: Instant,
}

/// What S3 says of a canary.
struct Head {
    status: Option<ReplicationStatus>,
    /// By Object Lock.
    held: bool,
}

/// Why a canary did not come through.
#[derive(Debug, thiserror::Error)]
pub enum CanaryError {
    /// There is no DR side.
    #[error("the settings name no DR region")]
    NoDrRegion,
    /// The state has the canary's own key, and the canary removes every version of it.
    #[error("{KEY}, where canaries are, is the key of the state itself")]
    KeyOfState,
    /// A region did not answer when the backend was connected, and is not asked again.
    #[error("no service of {region} answers: {problem}")]
    RegionLost {
        /// The region that is silent.
        region: Region,
        /// The first service's error.
        problem: Problem,
    },
    /// AWS refused a call, or did not answer it until the time was over.
    #[error(transparent)]
    Call(#[from] Error),
    /// S3 says that it failed to replicate the object.
    #[error("S3 answers FAILED for the replication of the canary")]
    Failed,
    /// It took longer than allowed.
    #[error(
        "the canary is not in the DR region after {}, last replication status {last}",
        duration(*timeout)
    )]
    TimedOut {
        /// The time that was allowed ([`CanaryOptions::timeout`]).
        timeout: Duration,
        /// The last replication status seen.
        last: String,
    },
    /// What came out is not what went in.
    #[error("the canary's bytes in the DR region are not those that were written")]
    Altered,
}

impl Backend {
    /// Writes an object into the primary bucket, waits until S3 says that it is replicated, reads
    /// it back in the DR region, and removes every version of it in both.
    ///
    /// # Errors
    /// When it does not arrive in time or unchanged, or a call fails. An object then stays, as a
    /// sign that replication is not proven ([`Backend::canary_pending`]); the next run removes it.
    pub async fn canary(
        &self,
        options: &CanaryOptions,
        observer: &dyn Observer,
    ) -> Result<Canary, CanaryError> {
        let Some(dr) = self.spec().dr.as_ref() else {
            return Err(CanaryError::NoDrRegion);
        };
        for side in [SideName::Primary, SideName::Dr] {
            if let Some(problem) = self.lost(side) {
                return Err(CanaryError::RegionLost {
                    region: self.spec().own_side(side).region,
                    problem: problem.clone(),
                });
            }
        }
        if self.spec().states.is_named(KEY) {
            return Err(CanaryError::KeyOfState);
        }
        let label = format!("canary {} → {}", self.spec().primary.bucket, dr.bucket);
        let begun = Instant::now();
        observer.started(&label);
        let result = match self.run_canary(options, &label, observer).await {
            Ok(canary) => {
                let swept = self.sweep(options.now, Some(&canary.key)).await;
                swept
                    .map(|left| Canary { left, ..canary })
                    .map_err(CanaryError::from)
            }
            Err(error) => {
                self.leave_sign(options, &error).await;
                Err(error)
            }
        };
        let outcome = if result.is_ok() {
            Outcome::Done
        } else {
            Outcome::Failed
        };
        let took = begun.elapsed();
        observer.finished(&label, outcome, took);
        tracing::info!(
            region = %dr.region,
            resource = format!("bucket {}", dr.bucket),
            step = "canary",
            outcome = if result.is_ok() { "done" } else { "failed" },
            ms = took.as_millis(),
            "applied"
        );
        result
    }

    /// Whether an earlier canary was begun and never came through. Only reads.
    ///
    /// # Errors
    /// When the primary region cannot be asked.
    pub async fn canary_pending(&self) -> Result<bool, Error> {
        let side = &self.spec().primary;
        if self.spec().states.is_named(KEY) {
            return Ok(false);
        }
        for version in self.versions(side).await? {
            if version.is_delete_marker {
                continue;
            }
            let written = Written {
                key: version.key,
                version: version.version_id,
                at: Instant::now(),
            };
            let head = self.head(&written).await?;
            // It came through, and cannot be removed: each run would leave another.
            if !(head.held && head.status == Some(ReplicationStatus::Completed)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn run_canary(
        &self,
        options: &CanaryOptions,
        label: &str,
        observer: &dyn Observer,
    ) -> Result<Canary, CanaryError> {
        self.sweep(options.now, None).await?;
        let key = options.key();
        let mut waiter = Waiter::begin(WaiterConfig {
            deadline: options.timeout,
            interval: POLL,
            max_interval: LONGEST_POLL,
        });
        let body = options.token.as_bytes();
        let mut written = self.write(&key, body).await?;
        let first_written = written.at;
        loop {
            let last = match self.check_canary(&mut written, body).await {
                Ok(Poll::Ready(())) => {
                    return Ok(Canary {
                        key,
                        version: written.version,
                        replicated_ms: first_written.elapsed().as_millis(),
                        bytes: body.len(),
                        left: Vec::new(),
                    });
                }
                Ok(Poll::Pending(status)) => Ok(status),
                // Replication goes on while a region does not answer for a moment.
                Err(CanaryError::Call(error)) if error.is_transient() => Err(error),
                Err(error) => return Err(error),
            };
            observer.waiting(
                label,
                &match &last {
                    Ok(status) => format!("replication status {status}"),
                    Err(error) => error.to_string(),
                },
            );
            if !waiter.pause().await {
                return Err(match last {
                    Ok(last) if last == ReplicationStatus::Failed.as_str() => CanaryError::Failed,
                    Ok(last) => CanaryError::TimedOut {
                        timeout: options.timeout,
                        last,
                    },
                    Err(error) => error.into(),
                });
            }
        }
    }

    /// Whether the canary has come through; writes it anew where S3 will not try again.
    async fn check_canary(
        &self,
        written: &mut Written,
        body: &[u8],
    ) -> Result<Poll<()>, CanaryError> {
        let status = match self.head(written).await {
            Ok(head) => head.status,
            // A run with another clock took it for what an interrupted one left behind.
            Err(error) if error.class == ErrorClass::Absent => {
                *written = self.write(&written.key, body).await?;
                return Ok(Poll::Pending("gone, written again".to_owned()));
            }
            Err(error) => return Err(error.into()),
        };
        Ok(match status {
            Some(ReplicationStatus::Completed) if self.arrived(written, body).await? => {
                Poll::Ready(())
            }
            Some(ReplicationStatus::Completed) => {
                Poll::Pending("COMPLETED, not yet readable in the DR region".to_owned())
            }
            // S3 never tries again by itself; the role may just not be known everywhere yet.
            Some(ReplicationStatus::Failed) | None if written.at.elapsed() >= WRITE_AGAIN => {
                *written = self.write(&written.key, body).await?;
                Poll::Pending("none, written again".to_owned())
            }
            Some(other) => Poll::Pending(other.as_str().to_owned()),
            None => Poll::Pending("none".to_owned()),
        })
    }

    async fn write(&self, key: &str, body: &[u8]) -> Result<Written, Error> {
        let clients = self.clients(SideName::Primary);
        let bucket = self.spec().primary.bucket.as_str();
        let answer = clients
            .s3
            .put_object()
            .bucket(bucket)
            .key(key)
            .body(body.to_vec().into())
            .send()
            .await
            .map_err(|error| call(clients, "PutObject", bucket, key).failed(error))?;
        Ok(Written {
            key: key.to_owned(),
            version: answer.version_id,
            at: Instant::now(),
        })
    }

    async fn head(&self, written: &Written) -> Result<Head, Error> {
        let clients = self.clients(SideName::Primary);
        let bucket = self.spec().primary.bucket.as_str();
        let answer = clients
            .s3
            .head_object()
            .bucket(bucket)
            .key(&written.key)
            .set_version_id(written.version.clone())
            .send()
            .await
            .map_err(|error| call(clients, "HeadObject", bucket, &written.key).failed(error))?;
        let on_hold = answer.object_lock_legal_hold_status == Some(ObjectLockLegalHoldStatus::On);
        Ok(Head {
            // S3 has answered both COMPLETE and COMPLETED over time; they mean the same.
            status: answer
                .replication_status
                .map(|status| match status.as_str() {
                    "COMPLETE" => ReplicationStatus::Completed,
                    _ => status,
                }),
            held: on_hold || answer.object_lock_mode.is_some(),
        })
    }

    /// Reads the object back in the DR region: the version that was written, whose replica has the same ID.
    async fn arrived(&self, written: &Written, body: &[u8]) -> Result<bool, CanaryError> {
        let clients = self.clients(SideName::Dr);
        let bucket = self.spec().own_side(SideName::Dr).bucket.as_str();
        let call = call(clients, "GetObject", bucket, &written.key);
        let get = clients.s3.get_object().bucket(bucket).key(&written.key);
        let get = get.set_version_id(written.version.clone());
        let answer = match get.send().await {
            Ok(answer) => answer,
            Err(error) => match call.failed(error) {
                error if error.class == ErrorClass::Absent => return Ok(false),
                error => return Err(error.into()),
            },
        };
        match read_body(answer.body, body.len() as u64).await {
            Ok(bytes) if bytes == body => Ok(true),
            Ok(_) | Err(BodyError::TooLarge { .. }) => Err(CanaryError::Altered),
            Err(error) => Err(error.of(call).into()),
        }
    }

    /// Puts a sign that every later run may remove in the place of a canary that failed. Where that fails, too, the canary
    /// itself is the sign, and is removed when its time is over.
    async fn leave_sign(&self, options: &CanaryOptions, error: &CanaryError) {
        // Nobody waits once more for who does not answer.
        let answers = !matches!(error, CanaryError::Call(error) if error.is_transient());
        if !answers || self.write(KEY, options.token.as_bytes()).await.is_err() {
            return;
        }
        let own = options.key();
        for side in self.spec().sides() {
            let mut versions = self.versions(side).await.unwrap_or_default();
            versions.retain(|version| version.key == own);
            let clients = self.clients(side.name);
            let _ = delete_versions(clients, side.bucket.as_str(), &versions).await;
        }
    }

    /// Removes every version of the canary at `own` and of those whose runs have ended, on both sides: deleting a version
    /// is not replicated. Those of other runs stay. Returns what could not be removed.
    async fn sweep(&self, now: Timestamp, own: Option<&str>) -> Result<Vec<LeftCanary>, Error> {
        let mut left = Vec::new();
        for side in self.spec().sides() {
            let bucket = side.bucket.as_str();
            let clients = self.clients(side.name);
            for version in self.versions(side).await? {
                let ended = ends(&version.key).is_some_and(|end| end <= now.as_second());
                if !ended && own != Some(version.key.as_str()) {
                    continue;
                }
                match delete_versions(clients, bucket, std::slice::from_ref(&version)).await {
                    Ok(()) => {}
                    // Object Lock, or a right that is missing: it says nothing about replication.
                    Err(error) if error.class == ErrorClass::Denied => left.push(LeftCanary {
                        url: format!("s3://{bucket}/{}", version.key),
                        version: version.version_id,
                        problem: error.into(),
                    }),
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(left)
    }

    /// The versions and delete markers of canaries, and of no key that merely begins like theirs.
    async fn versions(&self, side: &Side) -> Result<Vec<ObjectVersion>, Error> {
        let clients = self.clients(side.name);
        let mut versions = list_versions(clients, side.bucket.as_str(), KEY).await?;
        versions.retain(|version| ends(&version.key).is_some());
        Ok(versions)
    }
}

fn call(clients: &RegionClients, operation: &'static str, bucket: &str, key: &str) -> Call {
    clients.call("S3", operation, format!("{bucket}/{key}"))
}

impl Report for Canary {
    const KIND: &'static str = "canary";

    fn document(&self) -> Document {
        let came = format!(
            "Canary: {} bytes replicated, read back byte for byte in the DR region after {} ms",
            self.bytes, self.replicated_ms
        );
        if self.left.is_empty() {
            return Document::new().text(format!("{came}, and removed."));
        }
        let rows = self.left.iter().map(|left| {
            let version = left.version.clone().unwrap_or_default();
            let cells = vec![left.url.clone(), version, left.problem.to_string()];
            (Mark::Plain, cells)
        });
        Document::new()
            .text(format!("{came}. These stay, since they cannot be removed:"))
            .table(["Canary", "Version", "Why"], rows.collect())
    }
}

#[cfg(test)]
mod tests;
