//! The client's side.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{
    BucketChange, ListedFault, LogPage, PREFIX, RegionChange, ReplicaLag, Retired, Status, Step,
    TOKEN, parse,
};
use crate::fault::{Fault, FaultId};
use crate::rds::{RdsEnding, RdsQuotas, RdsStatus};
use crate::region::RegionState;

/// More than the server takes to answer a follower that there is nothing new.
const PATIENCE: Duration = Duration::from_secs(40);

/// Why an instance could not be asked or told something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// The URL is not one.
    #[error("read the URL {url:?}")]
    Url {
        /// What was given for one.
        url: String,
        /// What about it is no URL.
        source: http::Error,
    },
    /// Nothing answers there.
    #[error("reach a local AWS at {url}")]
    Unreachable {
        /// Where the instance was expected.
        url: String,
        /// How the attempt to reach it ended.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It answered, but not with what was asked for.
    #[error("{what}: {answer} ({status})")]
    Refused {
        /// What was asked.
        what: &'static str,
        /// HTTP status.
        status: u16,
        /// The answer's text.
        answer: String,
    },
}

/// A running instance, in this process or another.
#[derive(Clone)]
pub struct Control {
    url: String,
    token: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl std::fmt::Debug for Control {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Control")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl Control {
    /// For the instance at `http://127.0.0.1:PORT`, with the token that it handed over: `LOCAL_AWS_TOKEN` in
    /// [`crate::LocalAws::environment`].
    pub fn new(url: impl Into<String>, token: impl Into<String>) -> Self {
        let url = url.into().trim_end_matches('/').to_owned();
        Self {
            url,
            token: token.into(),
            client: Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    /// The instance's URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What it says of itself.
    ///
    /// # Errors
    /// When nothing answers there, or something else does.
    pub async fn status(&self) -> Result<Status, ControlError> {
        self.ask("read the status", Method::GET, "status", &())
            .await
    }

    /// See [`crate::LocalAws::set_region`].
    ///
    /// # Errors
    /// As [`Self::status`].
    pub async fn set_region(&self, region: &str, state: RegionState) -> Result<(), ControlError> {
        let path = format!("regions/{}", utf8_percent_encode(region, NON_ALPHANUMERIC));
        let down: serde_json::Value = self
            .ask(
                "switch the region",
                Method::PUT,
                &path,
                &RegionChange { state },
            )
            .await?;
        tracing::debug!(%down, "regions that are not up");
        Ok(())
    }

    /// See [`crate::LocalAws::set_bucket_owner`].
    ///
    /// # Errors
    /// As [`Self::status`], and when `account` is not the number of one.
    pub async fn set_bucket_owner(&self, bucket: &str, account: &str) -> Result<(), ControlError> {
        let path = format!("buckets/{}", utf8_percent_encode(bucket, NON_ALPHANUMERIC));
        let owner = account.to_owned();
        let change = BucketChange { owner };
        self.ask("change the bucket's owner", Method::PUT, &path, &change)
            .await
    }

    /// Adds a fault.
    ///
    /// # Errors
    /// As [`Self::status`].
    pub async fn add_fault(&self, fault: &Fault) -> Result<FaultId, ControlError> {
        self.ask("add the fault", Method::POST, "faults", fault)
            .await
    }

    /// The faults, `times` counted down.
    ///
    /// # Errors
    /// As [`Self::status`].
    pub async fn faults(&self) -> Result<Vec<ListedFault>, ControlError> {
        self.ask("list the faults", Method::GET, "faults", &())
            .await
    }

    /// Removes a fault; returns those that are left.
    ///
    /// # Errors
    /// As [`Self::status`], and when there is none of this id.
    pub async fn remove_fault(&self, id: FaultId) -> Result<Vec<ListedFault>, ControlError> {
        self.ask(
            "remove the fault",
            Method::DELETE,
            &format!("faults/{}", id.0),
            &(),
        )
        .await
    }

    /// Removes all faults.
    ///
    /// # Errors
    /// As [`Self::status`].
    pub async fn clear_faults(&self) -> Result<(), ControlError> {
        let _: Vec<ListedFault> = self
            .ask("clear the faults", Method::DELETE, "faults", &())
            .await?;
        Ok(())
    }

    /// The log from entry number `from` on. With `wait` it may take up to 20 s until there is a new
    /// entry; the page is empty when none came.
    ///
    /// # Errors
    /// As [`Self::status`].
    pub async fn log(&self, from: u64, wait: bool) -> Result<LogPage, ControlError> {
        let path = format!("log?from={from}{}", if wait { "&wait" } else { "" });
        self.ask("read the log", Method::GET, &path, &()).await
    }

    /// Forgets the log so far.
    ///
    /// # Errors
    /// As [`Self::status`].
    pub async fn clear_log(&self) -> Result<(), ControlError> {
        let _: LogPage = self
            .ask("clear the log", Method::DELETE, "log", &())
            .await?;
        Ok(())
    }

    /// What the simulated RDS says of itself.
    ///
    /// # Errors
    /// As [`Self::status`], and when RDS is the base's.
    pub async fn rds(&self) -> Result<RdsStatus, ControlError> {
        self.ask("read the status of RDS", Method::GET, "rds", &())
            .await
    }

    /// See [`crate::Rds::step`]; whole seconds. A step with many restores in it may take longer than
    /// this waits for an answer (40 s).
    ///
    /// # Errors
    /// As [`Self::rds`].
    pub async fn rds_step(&self, by: Duration) -> Result<RdsStatus, ControlError> {
        let step = Step {
            seconds: by.as_secs(),
        };
        self.ask("step the clock of RDS", Method::POST, "rds/step", &step)
            .await
    }

    /// See [`crate::Rds::set_quotas`].
    ///
    /// # Errors
    /// As [`Self::rds`].
    pub async fn rds_set_quotas(&self, quotas: &RdsQuotas) -> Result<RdsStatus, ControlError> {
        self.ask("set the quotas of RDS", Method::PUT, "rds/quotas", quotas)
            .await
    }

    /// See [`crate::Rds::end_as`].
    ///
    /// # Errors
    /// As [`Self::rds`].
    pub async fn rds_end_as(&self, ending: &RdsEnding) -> Result<RdsStatus, ControlError> {
        self.ask("choose an ending", Method::POST, "rds/end-as", ending)
            .await
    }

    /// See [`crate::Rds::set_replica_lag`]; whole seconds count.
    ///
    /// # Errors
    /// As [`Self::rds`], and when there is no replica of this id.
    pub async fn rds_replica_lag(
        &self,
        region: &str,
        id: &str,
        lag: Option<Duration>,
    ) -> Result<RdsStatus, ControlError> {
        let lag = ReplicaLag {
            region: region.to_owned(),
            id: id.to_owned(),
            seconds: lag.map(|lag| lag.as_secs()),
        };
        let path = "rds/replica-lag";
        self.ask("set the lag of the replica", Method::POST, path, &lag)
            .await
    }

    /// See [`crate::Rds::retire_version`].
    ///
    /// # Errors
    /// As [`Self::rds`].
    pub async fn rds_retire(&self, version: &str) -> Result<RdsStatus, ControlError> {
        let retired = Retired {
            version: version.to_owned(),
        };
        self.ask("retire the version", Method::POST, "rds/retire", &retired)
            .await
    }

    /// Asks it to stop; returns its last words.
    ///
    /// # Errors
    /// As [`Self::status`].
    pub async fn stop(&self) -> Result<Status, ControlError> {
        self.ask("stop the local AWS", Method::POST, "stop", &())
            .await
    }

    async fn ask<B: Serialize, T: DeserializeOwned>(
        &self,
        what: &'static str,
        method: Method,
        path: &str,
        body: &B,
    ) -> Result<T, ControlError> {
        let url = format!("{}{}{path}", self.url, PREFIX);
        let bad = |source: http::Error| ControlError::Url {
            url: self.url.clone(),
            source,
        };
        let unreachable = |source| ControlError::Unreachable {
            url: self.url.clone(),
            source,
        };
        let uri: Uri = url
            .parse()
            .map_err(|error: http::uri::InvalidUri| bad(error.into()))?;
        let body = serde_json::to_vec(body).map_err(|error| unreachable(error.into()))?;
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header(TOKEN, &self.token)
            .body(Full::new(Bytes::from(body)))
            .map_err(bad)?;
        let exchange = async {
            let answer = self.client.request(request).await?;
            let status = answer.status();
            let body = answer.into_body().collect().await?.to_bytes();
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>((status, body))
        };
        let (status, body) = match tokio::time::timeout(PATIENCE, exchange).await {
            Ok(answer) => answer.map_err(unreachable)?,
            Err(elapsed) => return Err(unreachable(elapsed.into())),
        };
        let refused = |answer: String| ControlError::Refused {
            what,
            status: status.as_u16(),
            answer,
        };
        if status != StatusCode::OK {
            return Err(refused(
                String::from_utf8_lossy(&body).chars().take(200).collect(),
            ));
        }
        parse(&body).map_err(|error| refused(format!("this is no answer of local-aws: {error}")))
    }
}
