//! Proof that replication works: an object goes in on one side and comes out on the other.

use std::time::Duration;

use aws_env::{
    BodyError, Call, Error, ErrorClass, ObjectVersion, Poll, RegionClients, Waiter, WaiterConfig,
    delete_versions, list_versions, read_body,
};
use aws_sdk_s3::types::ReplicationStatus;
use report::{Document, Observer, Outcome, Report, duration};
use serde::Serialize;
use settings::Region;
use tokio::time::Instant;

use crate::backend::Backend;
use crate::problem::Problem;
use crate::spec::{Side, SideName};

/// One key for all canaries, so that a run finds what an interrupted one left behind.
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
}

/// The canary's last write.
struct Written {
    version: Option<String>,
    at: Instant,
}

/// Why a canary did not come through.
#[derive(Debug, thiserror::Error)]
pub enum CanaryError {
    /// There is no DR side.
    #[error("the settings name no DR region")]
    NoDrRegion,
    /// The state has the canary's own key, and the canary removes every version of it.
    #[error("{KEY}, the canary's key, is the key of the state itself")]
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
        let left = self.versions(side).await?;
        Ok(!left.is_empty())
    }

    async fn run_canary(
        &self,
        options: &CanaryOptions,
        label: &str,
        observer: &dyn Observer,
    ) -> Result<Canary, CanaryError> {
        self.sweep().await?;
        let mut waiter = Waiter::begin(WaiterConfig {
            deadline: options.timeout,
            interval: POLL,
            max_interval: LONGEST_POLL,
        });
        let body = options.token.as_bytes();
        let mut written = self.write(body).await?;
        let first_written = written.at;
        loop {
            let last = match self.check_canary(&mut written, body).await {
                Ok(Poll::Ready(())) => {
                    return Ok(Canary {
                        key: KEY.to_owned(),
                        version: written.version,
                        replicated_ms: first_written.elapsed().as_millis(),
                        bytes: body.len(),
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
        let status = self.replication_status(written.version.as_deref()).await?;
        Ok(match status {
            Some(ReplicationStatus::Completed) if self.arrived(body).await? => Poll::Ready(()),
            Some(ReplicationStatus::Completed) => {
                Poll::Pending("COMPLETED, not yet readable in the DR region".to_owned())
            }
            // S3 never tries again by itself; the role may just not be known everywhere yet.
            Some(ReplicationStatus::Failed) | None if written.at.elapsed() >= WRITE_AGAIN => {
                *written = self.write(body).await?;
                Poll::Pending("none, written again".to_owned())
            }
            Some(other) => Poll::Pending(other.as_str().to_owned()),
            None => Poll::Pending("none".to_owned()),
        })
    }

    async fn write(&self, body: &[u8]) -> Result<Written, Error> {
        let clients = self.clients(SideName::Primary);
        let bucket = self.spec().primary.bucket.as_str();
        let answer = clients
            .s3
            .put_object()
            .bucket(bucket)
            .key(KEY)
            .body(body.to_vec().into())
            .send()
            .await
            .map_err(|error| call(clients, "PutObject", bucket).failed(error))?;
        Ok(Written {
            version: answer.version_id,
            at: Instant::now(),
        })
    }

    async fn replication_status(
        &self,
        version: Option<&str>,
    ) -> Result<Option<ReplicationStatus>, Error> {
        let clients = self.clients(SideName::Primary);
        let bucket = self.spec().primary.bucket.as_str();
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

    /// Reads the object back in the DR region. Only this run can have written it: what was there
    /// before is removed first.
    async fn arrived(&self, body: &[u8]) -> Result<bool, CanaryError> {
        let clients = self.clients(SideName::Dr);
        let bucket = self.spec().own_side(SideName::Dr).bucket.as_str();
        let call = call(clients, "GetObject", bucket);
        let answer = match clients.s3.get_object().bucket(bucket).key(KEY).send().await {
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

    /// Removes every version of the canary on both sides. Only this one key: deleting a version
    /// is not replicated, and the key is nobody else's.
    async fn sweep(&self) -> Result<(), Error> {
        for side in self.spec().sides() {
            let versions = self.versions(side).await?;
            let clients = self.clients(side.name);
            delete_versions(clients, side.bucket.as_str(), &versions).await?;
        }
        Ok(())
    }

    /// The versions and delete markers of the canary, and of no key that merely begins like it.
    async fn versions(&self, side: &Side) -> Result<Vec<ObjectVersion>, Error> {
        let clients = self.clients(side.name);
        let mut versions = list_versions(clients, side.bucket.as_str(), KEY).await?;
        versions.retain(|version| version.key == KEY);
        Ok(versions)
    }
}

fn call(clients: &RegionClients, operation: &'static str, bucket: &str) -> Call {
    clients.call("S3", operation, format!("{bucket}/{KEY}"))
}

impl Report for Canary {
    const KIND: &'static str = "canary";

    fn document(&self) -> Document {
        Document::new().text(format!(
            "Canary: {} bytes replicated, read back byte for byte in the DR region after {} ms, and removed.",
            self.bytes, self.replicated_ms
        ))
    }
}

#[cfg(test)]
mod tests;
