use aws_env::{Call, GlobalClients, ReadOnce, RegionAccess, RegionClients};
use aws_sdk_s3control::config::endpoint::{Params, ResolveEndpoint};
use aws_smithy_runtime_api::client::endpoint::EndpointFuture;
use aws_smithy_types::endpoint::Endpoint;
use settings::Region;

/// The clients of an environment: those of its region, and those of us-east-1, where CloudFront keeps
/// its metrics, alarms and certificates whatever the region.
#[derive(Debug, Clone)]
pub struct EnvironmentClients {
    /// S3, CloudWatch and STS of the environment's region.
    pub home: RegionClients,
    /// IAM, a global service.
    pub iam: aws_sdk_iam::Client,
    /// EC2.
    pub ec2: aws_sdk_ec2::Client,
    /// RDS.
    pub rds: aws_sdk_rds::Client,
    /// ElastiCache.
    pub elasticache: aws_sdk_elasticache::Client,
    /// KMS.
    pub kms: aws_sdk_kms::Client,
    /// CloudTrail.
    pub cloudtrail: aws_sdk_cloudtrail::Client,
    /// Secrets Manager.
    pub secrets: aws_sdk_secretsmanager::Client,
    /// CloudWatch Logs.
    pub logs: aws_sdk_cloudwatchlogs::Client,
    /// SNS.
    pub sns: aws_sdk_sns::Client,
    /// What S3 keeps for accounts rather than for buckets.
    pub s3control: aws_sdk_s3control::Client,
    /// CloudFront, a global service.
    pub cloudfront: aws_sdk_cloudfront::Client,
    /// CloudWatch of us-east-1.
    pub global_cloudwatch: aws_sdk_cloudwatch::Client,
    /// SNS of us-east-1.
    pub global_sns: aws_sdk_sns::Client,
    /// CloudWatch Logs of us-east-1, which delivers CloudFront's access logs.
    pub global_logs: aws_sdk_cloudwatchlogs::Client,
    global: Region,
}

impl EnvironmentClients {
    /// The clients of an environment in the region of `here`, and of the global services in that of `global`.
    pub fn new(here: &RegionAccess, global: &RegionAccess) -> Self {
        Self {
            home: here.clients(),
            iam: GlobalClients::new(global).iam,
            ec2: aws_env::client!(aws_sdk_ec2, here),
            rds: aws_env::client!(aws_sdk_rds, here),
            elasticache: aws_env::client!(aws_sdk_elasticache, here),
            kms: aws_env::client!(aws_sdk_kms, here),
            cloudtrail: aws_env::client!(aws_sdk_cloudtrail, here),
            secrets: aws_env::client!(aws_sdk_secretsmanager, here),
            logs: aws_env::client!(aws_sdk_cloudwatchlogs, here),
            sns: aws_env::client!(aws_sdk_sns, here),
            s3control: s3control(here),
            cloudfront: aws_env::client!(aws_sdk_cloudfront, global),
            global_cloudwatch: aws_env::client!(aws_sdk_cloudwatch, global),
            global_sns: aws_env::client!(aws_sdk_sns, global),
            global_logs: aws_env::client!(aws_sdk_cloudwatchlogs, global),
            global: global.region(),
        }
    }

    /// The same clients, for one look at the environment: what several checks ask is asked of AWS once.
    pub(crate) fn reading_once(mut self) -> Self {
        // An endpoint that stands in for AWS's may be one for all regions.
        let (home, global) = (ReadOnce::default(), ReadOnce::default());
        macro_rules! remembering {
            ($($memory:ident $sdk:ident $client:expr;)*) => {$(
                let config = $client.config();
                if let Some(http) = config.http_client() {
                    let config = config.to_builder().http_client($memory.over(http));
                    $client = $sdk::Client::from_conf(config.build());
                }
            )*};
        }
        remembering!(
            home aws_sdk_s3 self.home.s3;
            home aws_sdk_cloudwatch self.home.cloudwatch;
            home aws_sdk_dynamodb self.home.dynamodb;
            global aws_sdk_iam self.iam;
            home aws_sdk_ec2 self.ec2;
            home aws_sdk_rds self.rds;
            home aws_sdk_elasticache self.elasticache;
            home aws_sdk_kms self.kms;
            home aws_sdk_cloudtrail self.cloudtrail;
            home aws_sdk_secretsmanager self.secrets;
            home aws_sdk_cloudwatchlogs self.logs;
            home aws_sdk_sns self.sns;
            home aws_sdk_s3control self.s3control;
            global aws_sdk_cloudfront self.cloudfront;
            global aws_sdk_cloudwatch self.global_cloudwatch;
            global aws_sdk_sns self.global_sns;
            global aws_sdk_cloudwatchlogs self.global_logs;
        );
        self
    }

    /// A name for errors of calls to the environment's region.
    pub(crate) fn call(
        &self,
        service: &'static str,
        operation: &'static str,
        resource: impl Into<String>,
    ) -> Call {
        self.home.call(service, operation, resource)
    }

    /// A name for errors of IAM.
    pub(crate) fn iam_call(&self, operation: &'static str, resource: impl Into<String>) -> Call {
        self.global_call("IAM", operation, resource)
    }

    /// The region of the global services.
    pub(crate) fn global(&self) -> Region {
        self.global
    }

    /// A name for errors of calls to the global services.
    pub(crate) fn global_call(
        &self,
        service: &'static str,
        operation: &'static str,
        resource: impl Into<String>,
    ) -> Call {
        Call {
            region: self.global,
            ..self.call(service, operation, resource)
        }
    }
}

/// AWS puts the account before the host's name. An address of an endpoint that stands in for AWS's own has no room
/// for that.
fn s3control(access: &RegionAccess) -> aws_sdk_s3control::Client {
    let address = access
        .sdk_config()
        .endpoint_url()
        .filter(|url| has_address(url));
    let Some(url) = address else {
        return aws_env::client!(aws_sdk_s3control, access);
    };
    let endpoint = Endpoint::builder().url(url.to_owned()).build();
    aws_env::client!(aws_sdk_s3control, access, |config| config
        .endpoint_resolver(As(endpoint)))
}

fn has_address(url: &str) -> bool {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = host.split(['/', ':']).next().unwrap_or_default();
    host.starts_with('[') || host.parse::<std::net::Ipv4Addr>().is_ok()
}

/// An endpoint as it is, whatever is asked of it.
#[derive(Debug)]
struct As(Endpoint);

impl ResolveEndpoint for As {
    fn resolve_endpoint<'a>(&'a self, _: &'a Params) -> EndpointFuture<'a> {
        EndpointFuture::ready(Ok(self.0.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_no_room_for_an_account() {
        assert!(has_address("http://127.0.0.1:4566") && has_address("https://[::1]:9/"));
        assert!(!has_address("http://localhost:4566") && !has_address("https://s3.example.org/a"));
    }
}
