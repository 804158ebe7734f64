use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_smithy_http_client::tls::TlsContext;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use settings::Region;

use crate::environment::http_client;
use crate::{AwsEnv, Call, Error};

/// The whole time given to the first call to a region. A command must say within ten seconds that
/// it has no credentials or that nobody answers.
const PROBE_TIMEOUT: Duration = Duration::from_secs(8);
const PROBE_ATTEMPTS: u32 = 6;

/// The clients of one region.
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
    /// IAM. A global service whose control plane is in one region of the partition
    /// ([AWS fault isolation boundaries](https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/global-services.html)),
    /// so this client does not call [`RegionClients::region`].
    pub iam: aws_sdk_iam::Client,
    tls: TlsContext,
}

impl RegionClients {
    pub(crate) fn new(env: &AwsEnv, region: Region) -> Self {
        let config = env.sdk_config(region);
        let s3 = aws_sdk_s3::config::Builder::from(&config)
            .force_path_style(env.endpoint("S3").is_some())
            .build();
        Self {
            region,
            s3: aws_sdk_s3::Client::from_conf(s3),
            dynamodb: aws_sdk_dynamodb::Client::new(&config),
            cloudwatch: aws_sdk_cloudwatch::Client::new(&config),
            sts: aws_sdk_sts::Client::new(&config),
            iam: aws_sdk_iam::Client::new(&env.sdk_config(iam_region(region))),
            tls: env.tls().clone(),
        }
    }

    /// What makes connections that no other client uses, and that are closed when they are not needed any more.
    pub fn connections(&self) -> Connections {
        Connections(self.tls.clone())
    }

    /// A name for errors of this region.
    pub fn call(
        &self,
        service: &'static str,
        operation: &'static str,
        resource: impl Into<String>,
    ) -> Call {
        Call {
            region: self.region,
            service,
            operation,
            resource: resource.into(),
        }
    }

    /// A name for errors of IAM, which is not in this region.
    pub fn iam_call(&self, operation: &'static str, resource: impl Into<String>) -> Call {
        let region = iam_region(self.region);
        Call {
            region,
            service: "IAM",
            operation,
            resource: resource.into(),
        }
    }

    /// Asks the region who we are: the account id. Answers within eight seconds whether the region
    /// can be reached and the credentials are good.
    ///
    /// # Errors
    /// When nobody answers, or the credentials are missing, expired or not accepted.
    pub async fn account_id(&self) -> Result<String, Error> {
        let call = self.call("STS", "GetCallerIdentity", "this account");
        let identity = self
            .sts
            .get_caller_identity()
            .customize()
            .config_override(
                aws_sdk_sts::config::Builder::new()
                    .timeout_config(
                        TimeoutConfig::builder()
                            .operation_timeout(PROBE_TIMEOUT)
                            .build(),
                    )
                    .retry_config(
                        RetryConfig::standard()
                            .with_max_attempts(PROBE_ATTEMPTS)
                            .with_initial_backoff(Duration::from_millis(200)),
                    ),
            )
            .send()
            .await
            .map_err(|error| call.clone().failed(error))?;
        identity
            .account
            .ok_or_else(|| Error::unexpected(call, "the answer names no account"))
    }
}

/// Makes connections of its own. The connections of [`RegionClients`] live as long as the program.
#[derive(Debug, Clone)]
pub struct Connections(TlsContext);

impl Connections {
    /// An HTTP client that closes its connections when its last clone is dropped.
    pub fn http_client(&self) -> SharedHttpClient {
        http_client(self.0.clone())
    }
}

/// The region of IAM's control plane in the partition of `region`:
/// [IAM endpoints](https://docs.aws.amazon.com/general/latest/gr/iam-service.html).
pub fn iam_region(region: Region) -> Region {
    let home = match region.partition() {
        "aws-cn" => "cn-north-1",
        "aws-us-gov" => "us-gov-west-1",
        _ => "us-east-1",
    };
    // Every partition's home is a region that settings know.
    home.parse().unwrap_or(region)
}
