//! Clients of the services that the environment consists of.

use aws_credential_types::Credentials;

/// Clients of one account: those of the environment's region, and those of us-east-1.
#[derive(Debug)]
pub struct Clients {
    pub(crate) s3: aws_sdk_s3::Client,
    pub(crate) dr_s3: aws_sdk_s3::Client,
    pub(crate) cloudwatch: aws_sdk_cloudwatch::Client,
    pub(crate) dynamodb: aws_sdk_dynamodb::Client,
    pub(crate) ec2: aws_sdk_ec2::Client,
    pub(crate) rds: aws_sdk_rds::Client,
    pub(crate) elasticache: aws_sdk_elasticache::Client,
    pub(crate) kms: aws_sdk_kms::Client,
    pub(crate) cloudtrail: aws_sdk_cloudtrail::Client,
    pub(crate) secrets: aws_sdk_secretsmanager::Client,
    pub(crate) logs: aws_sdk_cloudwatchlogs::Client,
    pub(crate) sns: aws_sdk_sns::Client,
    pub(crate) iam: aws_sdk_iam::Client,
    pub(crate) cloudfront: aws_sdk_cloudfront::Client,
    pub(crate) global_cloudwatch: aws_sdk_cloudwatch::Client,
    pub(crate) global_sns: aws_sdk_sns::Client,
    pub(crate) global_logs: aws_sdk_cloudwatchlogs::Client,
}

impl Clients {
    pub(crate) fn new(endpoint: &str, key: &str) -> Self {
        macro_rules! client {
            ($sdk:ident, $region:expr) => {
                $sdk::Client::from_conf(
                    $sdk::Config::builder()
                        .behavior_version($sdk::config::BehaviorVersion::latest())
                        .region($sdk::config::Region::new($region))
                        .endpoint_url(endpoint)
                        .credentials_provider(Credentials::new(
                            key,
                            "test",
                            None,
                            None,
                            "local-aws",
                        ))
                        .http_client(aws_smithy_http_client::Builder::new().build_http())
                        .build(),
                )
            };
        }
        // CloudFront's own region, and that of the global services.
        let (home, global) = (super::REGION, "us-east-1");
        Self {
            s3: path_style(&client!(aws_sdk_s3, home)),
            dr_s3: path_style(&client!(aws_sdk_s3, super::DR_REGION)),
            cloudwatch: client!(aws_sdk_cloudwatch, home),
            dynamodb: client!(aws_sdk_dynamodb, home),
            ec2: client!(aws_sdk_ec2, home),
            rds: client!(aws_sdk_rds, home),
            elasticache: client!(aws_sdk_elasticache, home),
            kms: client!(aws_sdk_kms, home),
            cloudtrail: client!(aws_sdk_cloudtrail, home),
            secrets: client!(aws_sdk_secretsmanager, home),
            logs: client!(aws_sdk_cloudwatchlogs, home),
            sns: client!(aws_sdk_sns, home),
            iam: client!(aws_sdk_iam, global),
            cloudfront: client!(aws_sdk_cloudfront, global),
            global_cloudwatch: client!(aws_sdk_cloudwatch, global),
            global_sns: client!(aws_sdk_sns, global),
            global_logs: client!(aws_sdk_cloudwatchlogs, global),
        }
    }
}

/// A bucket's name in the path: one with dots in it would make another host of 127.0.0.1.
fn path_style(client: &aws_sdk_s3::Client) -> aws_sdk_s3::Client {
    let config = client.config().to_builder().force_path_style(true);
    aws_sdk_s3::Client::from_conf(config.build())
}
