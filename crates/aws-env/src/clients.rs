use std::sync::Arc;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_smithy_http_client::tls::TlsContext;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use settings::Region;
use tokio::time::timeout;

use crate::environment::http_client;
use crate::permit::Permitted;
use crate::wall::RegionWall;
use crate::{AwsEnv, Call, CallCount, CallPermit, Error, ErrorClass, RegionAccess};

/// The whole time given to the first call to a region. A command must say within ten seconds that
/// it has no credentials or that nobody answers.
const PROBE_TIMEOUT: Duration = Duration::from_secs(8);
const PROBE_ATTEMPTS: u32 = 6;

/// The clients of one region, and of no other.
#[derive(Debug, Clone)]
pub struct RegionClients {
    /// The region.
    pub region: Region,
    /// S3; path-style addresses where the endpoint is not AWS's own.
    pub s3: aws_sdk_s3::Client,
    /// DynamoDB.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// CloudWatch.
    pub cloudwatch: aws_sdk_cloudwatch::Client,
    /// STS, in this region.
    pub sts: aws_sdk_sts::Client,
    access: RegionAccess,
}

/// The clients of the global services of a partition. Their control plane is in one region, whatever the region that
/// their users are in: when that one is lost, what exists goes on working, and nothing can be read or changed
/// ([AWS fault isolation boundaries](https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/global-services.html)).
#[derive(Debug, Clone)]
pub struct GlobalClients {
    /// The region of the control plane.
    pub region: Region,
    /// IAM.
    pub iam: aws_sdk_iam::Client,
}

impl GlobalClients {
    /// The clients of the global services, with access to the region of their control plane ([`iam_region`]).
    pub fn new(global: &RegionAccess) -> Self {
        Self {
            region: global.region(),
            iam: crate::client!(aws_sdk_iam, global),
        }
    }

    /// A name for errors of IAM.
    pub fn iam_call(&self, operation: &'static str, resource: impl Into<String>) -> Call {
        Call {
            region: self.region,
            service: "IAM",
            operation,
            resource: resource.into(),
        }
    }
}

impl AwsEnv {
    /// The clients of one region.
    pub fn region(&self, region: Region) -> RegionClients {
        self.access(region).clients()
    }
}

/// Which services of a region answer. That one of them is silent does not mean that the region is lost.
#[derive(Debug)]
pub struct Reachability {
    /// The account ID, from STS; none when STS cannot be reached. A refusal means that the credentials are not good.
    pub account: Result<Option<String>, Error>,
    /// For each service that cannot be reached, the error that says so. A refusal is an answer.
    pub silent: Vec<Error>,
}

impl Reachability {
    /// Whether none of the services that were asked can be reached.
    pub fn is_lost(&self) -> bool {
        self.silent.len() == ASKED
    }

    /// The error of `service`, spelt as in [`Call::service`], if it cannot be reached.
    pub fn silent(&self, service: &str) -> Option<&Error> {
        self.silent
            .iter()
            .find(|error| error.call.service == service)
    }
}

/// How many services [`RegionClients::reachability`] asks.
const ASKED: usize = 3;
/// STS answers within milliseconds. Only when it does not are others asked as well, beside it.
const HEAD_START: Duration = Duration::from_secs(1);

impl RegionClients {
    pub(crate) fn new(access: &RegionAccess) -> Self {
        let path_style = access.path_style();
        Self {
            region: access.region(),
            s3: crate::client!(aws_sdk_s3, access, |config| config
                .force_path_style(path_style)),
            dynamodb: crate::client!(aws_sdk_dynamodb, access),
            cloudwatch: crate::client!(aws_sdk_cloudwatch, access),
            sts: crate::client!(aws_sdk_sts, access),
            access: access.clone(),
        }
    }

    /// What these clients were made from.
    pub fn access(&self) -> &RegionAccess {
        &self.access
    }

    /// A name for errors of this region.
    pub fn call(
        &self,
        service: &'static str,
        operation: &'static str,
        resource: impl Into<String>,
    ) -> Call {
        self.access.call(service, operation, resource)
    }

    /// Asks the region who we are: the account id. Answers within eight seconds whether the region
    /// can be reached and the credentials are good.
    ///
    /// # Errors
    /// When nobody answers, or the credentials are missing, expired or not accepted.
    pub async fn account_id(&self) -> Result<String, Error> {
        let account = account_id(&self.sts, self.region).await?;
        self.access.owner_guard().learn(&account);
        Ok(account)
    }

    /// Asks STS who we are and, when it is silent, S3 and DynamoDB whether they answer. Takes ten seconds at most.
    pub async fn reachability(&self) -> Reachability {
        let mut account = std::pin::pin!(self.account_id());
        let (account, s3, dynamodb) = match timeout(HEAD_START, &mut account).await {
            Ok(account) if !is_silent(&account) => (account, Ok(()), Ok(())),
            Ok(account) => {
                let (s3, dynamodb) = tokio::join!(self.list_a_bucket(), self.list_a_table());
                (account, s3, dynamodb)
            }
            Err(_) => tokio::join!(account, self.list_a_bucket(), self.list_a_table()),
        };
        let mut silent: Vec<Error> = [s3, dynamodb]
            .into_iter()
            .filter(is_silent)
            .filter_map(Result::err)
            .collect();
        let account = match account {
            Err(error) if error.class == ErrorClass::Unreachable => {
                silent.insert(0, error);
                Ok(None)
            }
            account => account.map(Some),
        };
        Reachability { account, silent }
    }

    /// Asks STS, S3 and DynamoDB, each whether or not the others answer. Takes eight seconds at most.
    pub async fn ask_services(&self) -> [(&'static str, Result<(), Error>); ASKED] {
        let (sts, s3, dynamodb) =
            tokio::join!(self.account_id(), self.list_a_bucket(), self.list_a_table());
        [("STS", sts.map(|_| ())), ("S3", s3), ("DynamoDB", dynamodb)]
    }

    async fn list_a_bucket(&self) -> Result<(), Error> {
        let config = aws_sdk_s3::config::Builder::new()
            .timeout_config(probe_timeout())
            .retry_config(probe_retries());
        let request = self.s3.list_buckets().max_buckets(1).customize();
        let answer = request.config_override(config).send().await;
        answer
            .map(|_| ())
            .map_err(|error| self.call("S3", "ListBuckets", "one bucket").failed(error))
    }

    async fn list_a_table(&self) -> Result<(), Error> {
        let config = aws_sdk_dynamodb::config::Builder::new()
            .timeout_config(probe_timeout())
            .retry_config(probe_retries());
        let request = self.dynamodb.list_tables().limit(1).customize();
        let answer = request.config_override(config).send().await;
        answer.map(|_| ()).map_err(|error| {
            self.call("DynamoDB", "ListTables", "one table")
                .failed(error)
        })
    }
}

pub(crate) fn account_call(region: Region) -> Call {
    Call {
        region,
        service: "STS",
        operation: "GetCallerIdentity",
        resource: "this account".to_owned(),
    }
}

pub(crate) async fn account_id(sts: &aws_sdk_sts::Client, region: Region) -> Result<String, Error> {
    let call = account_call(region);
    let config = aws_sdk_sts::config::Builder::new()
        .timeout_config(probe_timeout())
        .retry_config(probe_retries());
    let request = sts.get_caller_identity().customize();
    let identity = request.config_override(config).send().await;
    let identity = identity.map_err(|error| call.clone().failed(error))?;
    identity
        .account
        .ok_or_else(|| Error::unexpected(call, "the answer names no account"))
}

fn is_silent<T>(answer: &Result<T, Error>) -> bool {
    matches!(answer, Err(error) if error.class == ErrorClass::Unreachable)
}

fn probe_timeout() -> TimeoutConfig {
    TimeoutConfig::builder()
        .operation_timeout(PROBE_TIMEOUT)
        .build()
}

fn probe_retries() -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(PROBE_ATTEMPTS)
        .with_initial_backoff(Duration::from_millis(200))
}

/// Makes connections of its own. The connections of [`RegionClients`] live as long as the program.
#[derive(Debug, Clone)]
pub struct Connections {
    region: Region,
    tls: Arc<TlsContext>,
    permit: Option<CallPermit>,
    calls: CallCount,
}

/// Connections that are closed when the last clone and the last HTTP client over them are dropped. Only what
/// [`Connections`] makes of them calls anything.
#[derive(Debug, Clone)]
pub struct ConnectionPool(SharedHttpClient);

impl Connections {
    pub(crate) fn new(access: &RegionAccess) -> Self {
        Self {
            region: access.allowed(),
            tls: access.tls().clone(),
            permit: access.permit().cloned(),
            calls: access.calls().clone(),
        }
    }

    /// A new pool.
    pub fn pool(&self) -> ConnectionPool {
        ConnectionPool(http_client(self.tls.clone()))
    }

    /// An HTTP client over `pool`, which other regions may share, that calls this region alone.
    pub fn http_client(&self, pool: &ConnectionPool) -> SharedHttpClient {
        let client = SharedHttpClient::new(RegionWall {
            allowed: self.region,
            calls: self.calls.clone(),
            inner: pool.0.clone(),
        });
        match self.permit.clone() {
            Some(permit) => SharedHttpClient::new(Permitted {
                permit,
                inner: client,
            }),
            None => client,
        }
    }
}

/// The region of IAM's control plane in the partition of `region`:
/// [IAM endpoints](https://docs.aws.amazon.com/general/latest/gr/iam-service.html).
pub fn iam_region(region: Region) -> Region {
    let home = match region.partition() {
        "aws-cn" => "cn-north-1",
        "aws-us-gov" => "us-gov-west-1",
        "aws-eusc" => "eusc-de-east-1",
        _ => "us-east-1",
    };
    // Every partition's home is a region that settings know.
    home.parse().unwrap_or(region)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iam_region_is_in_the_partition_that_asks() {
        for region in Region::all() {
            assert_eq!(iam_region(region).partition(), region.partition());
        }
    }
}
