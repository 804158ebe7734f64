//! Proof that replication works: an object goes in on one side and comes out on the other.

use std::time::Duration;

use aws_env::{Call, Error, ErrorClass, RegionClients};
use aws_sdk_s3::types::ReplicationStatus;
use report::{Document, Observer, Outcome, Report};
use serde::Serialize;
use tokio::time::{Instant, sleep};

use crate::backend::Backend;
use crate::spec::{Side, SideName};

/// One key for all canaries, so that a run finds what an interrupted one left behind.
const KEY: &str = "init-backend/replication-canary";
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
}

/// A canary that came through.
#[derive(Debug, Clone, Serialize)]
pub struct Canary {
    /// The object's key.
    pub key: String,
    /// The version in the primary bucket.
    pub version: Option<String>,
    /// Milliseconds from the end of the write until S3 said COMPLETED and the DR copy was read.
    pub replicated_ms: u128,
    /// Bytes compared.
    pub bytes: usize,
}

/// Why a canary did not come through.
#[derive(Debug, thiserror::Error)]
pub enum CanaryError {
    /// There is no DR side, or it does not answer.
    #[error("run the canary: there is no DR region that answers")]
    NoDrRegion,
    /// The state has the canary's own key, and the canary removes every version of it.
    #[error("run the canary: {KEY} is the key of the state itself")]
    KeyOfState,
    /// A call failed.
    #[error("run the canary")]
    Call(#[from] Error),
    /// S3 says that it failed to replicate the object.
    #[error(
        "replicate the canary: S3 answers FAILED; check the role's permissions and the DR bucket"
    )]
    Failed,
    /// It took longer than allowed.
    #[error("see the canary in the DR region within {} s, last status {last}", timeout.as_secs())]
    TimedOut {
        /// The time allowed.
        timeout: Duration,
        /// The last replication status seen.
        last: String,
    },
    /// What came out is not what went in.
    #[error("find the canary's bytes unchanged in the DR region")]
    Altered,
}

impl Backend {
    /// Writes an object into the primary bucket, waits until S3 says that it is replicated, reads
    /// it back in the DR region, and removes every version of it in both.
    ///
    /// # Errors
    /// When it does not arrive in time or unchanged, or a call fails. The object then stays, as a
    /// sign that replication is not proven ([`Backend::canary_pending`]); the next run removes it.
    pub async fn canary(
        &self,
        options: &CanaryOptions,
        observer: &dyn Observer,
    ) -> Result<Canary, CanaryError> {
        let Some(dr) = self.spec().dr.as_ref() else {
            return Err(CanaryError::NoDrRegion);
        };
        if self
            .lost(SideName::Primary)
            .or(self.lost(SideName::Dr))
            .is_some()
        {
            return Err(CanaryError::NoDrRegion);
        }
        if self.spec().key == KEY {
            return Err(CanaryError::KeyOfState);
        }
        let label = format!("canary {} → {}", self.spec().primary.bucket, dr.bucket);
        let begun = Instant::now();
        observer.started(&label);
        let result = match self.fly(options, &label, observer).await {
            Ok(canary) => self
                .sweep()
                .await
                .map(|()| canary)
                .map_err(CanaryError::from),
            Err(error) => Err(error),
        };
        let outcome = if result.is_ok() {
            Outcome::Done
        } else {
            Outcome::Failed
        };
        observer.finished(&label, outcome, begun.elapsed());
        result
    }

    /// Whether an earlier canary was begun and never came through. Only reads.
    ///
    /// # Errors
    /// When the primary region cannot be asked.
    pub async fn canary_pending(&self) -> Result<bool, Error> {
        let side = &self.spec().primary;
        if self.spec().key == KEY {
            return Ok(false);
        }
        let left = self.versions(side).await?;
        Ok(!left.is_empty())
    }

    async fn fly(
        &self,
        options: &CanaryOptions,
        label: &str,
        observer: &dyn Observer,
    ) -> Result<Canary, CanaryError> {
        self.sweep().await?;
        let primary = self.clients(SideName::Primary);
        let source = self.spec().primary.bucket.as_str();
        let body = options.token.as_bytes();
        let begun = Instant::now();
        let mut version = write(primary, source, body).await?;
        let mut written = Instant::now();
        let first_written = written;
        let mut pause = POLL;
        loop {
            let status = replication_status(primary, source, version.as_deref()).await?;
            let last = match status {
                Some(ReplicationStatus::Completed) => {
                    if self.arrived(body).await? {
                        return Ok(Canary {
                            key: KEY.to_owned(),
                            version,
                            replicated_ms: first_written.elapsed().as_millis(),
                            bytes: body.len(),
                        });
                    }
                    "COMPLETED, not yet readable in the DR region".to_owned()
                }
                // S3 never tries again by itself; the role may just not be known everywhere yet.
                Some(ReplicationStatus::Failed) | None if written.elapsed() >= WRITE_AGAIN => {
                    version = write(primary, source, body).await?;
                    written = Instant::now();
                    "none, written again".to_owned()
                }
                Some(other) => other.as_str().to_owned(),
                None => "none".to_owned(),
            };
            if begun.elapsed() + pause > options.timeout {
                return Err(if last == ReplicationStatus::Failed.as_str() {
                    CanaryError::Failed
                } else {
                    CanaryError::TimedOut {
                        timeout: options.timeout,
                        last,
                    }
                });
            }
            observer.waiting(label, &format!("replication status {last}"));
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_POLL);
        }
    }

    /// Reads the object back in the DR region. Only this run can have written it: what was there
    /// before is removed first.
    async fn arrived(&self, body: &[u8]) -> Result<bool, CanaryError> {
        let clients = self.clients(SideName::Dr);
        let bucket = self.spec().side(SideName::Dr).bucket.as_str();
        let call = call(clients, "GetObject", bucket);
        let answer = match clients.s3.get_object().bucket(bucket).key(KEY).send().await {
            Ok(answer) => answer,
            Err(error) => match call.failed(error) {
                error if error.class == ErrorClass::Absent => return Ok(false),
                error => return Err(error.into()),
            },
        };
        let bytes = answer
            .body
            .collect()
            .await
            .map_err(|error| Error::unexpected(call, format!("the body broke off: {error}")))?
            .into_bytes();
        if bytes == body {
            Ok(true)
        } else {
            Err(CanaryError::Altered)
        }
    }

    /// Removes every version of the canary on both sides. Only this one key: deleting a version
    /// is not replicated, and the key is nobody else's.
    async fn sweep(&self) -> Result<(), Error> {
        for side in self.spec().sides() {
            let clients = self.clients(side.name);
            let bucket = side.bucket.as_str();
            for version in self.versions(side).await? {
                clients
                    .s3
                    .delete_object()
                    .bucket(bucket)
                    .key(KEY)
                    .set_version_id(version)
                    .send()
                    .await
                    .map_err(|error| call(clients, "DeleteObject", bucket).failed(error))?;
            }
        }
        Ok(())
    }

    /// The versions and delete markers of the canary.
    async fn versions(&self, side: &Side) -> Result<Vec<Option<String>>, Error> {
        let clients = self.clients(side.name);
        let bucket = side.bucket.as_str();
        let listed = clients
            .s3
            .list_object_versions()
            .bucket(bucket)
            .prefix(KEY)
            .send()
            .await
            .map_err(|error| call(clients, "ListObjectVersions", bucket).failed(error))?;
        let versions = listed.versions().iter().map(|v| (v.key(), v.version_id()));
        let markers = listed
            .delete_markers()
            .iter()
            .map(|m| (m.key(), m.version_id()));
        Ok(versions
            .chain(markers)
            .filter(|(key, _)| *key == Some(KEY))
            .map(|(_, version)| version.map(str::to_owned))
            .collect())
    }
}

fn call(clients: &RegionClients, operation: &'static str, bucket: &str) -> Call {
    clients.call("S3", operation, format!("{bucket}/{KEY}"))
}

async fn write(
    clients: &RegionClients,
    bucket: &str,
    body: &[u8],
) -> Result<Option<String>, Error> {
    let answer = clients
        .s3
        .put_object()
        .bucket(bucket)
        .key(KEY)
        .body(body.to_vec().into())
        .send()
        .await
        .map_err(|error| call(clients, "PutObject", bucket).failed(error))?;
    Ok(answer.version_id)
}

async fn replication_status(
    clients: &RegionClients,
    bucket: &str,
    version: Option<&str>,
) -> Result<Option<ReplicationStatus>, Error> {
    let answer = clients
        .s3
        .head_object()
        .bucket(bucket)
        .key(KEY)
        .set_version_id(version.map(str::to_owned))
        .send()
        .await
        .map_err(|error| call(clients, "HeadObject", bucket).failed(error))?;
    // S3 has answered both COMPLETE and COMPLETED over time; they mean the same.
    Ok(answer
        .replication_status
        .map(|status| match status.as_str() {
            "COMPLETE" => ReplicationStatus::Completed,
            _ => status,
        }))
}

impl Report for Canary {
    fn document(&self) -> Document {
        Document::new().text(format!(
            "Canary: {} bytes replicated, read back byte for byte in the DR region after {} ms, and removed.",
            self.bytes, self.replicated_ms
        ))
    }
}

#[cfg(test)]
mod tests;
