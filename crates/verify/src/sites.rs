use aws_env::{AwsEnv, Call, RegionClients};
use settings::Region;

/// The clients of an environment: those of its region, and those of us-east-1, where CloudFront keeps
/// its metrics, alarms and certificates whatever the region.
#[derive(Debug, Clone)]
pub struct Sites {
    /// S3, CloudWatch, IAM and STS of the environment's region.
    pub home: RegionClients,
    /// EC2.
    pub ec2: aws_sdk_ec2::Client,
    /// RDS.
    pub rds: aws_sdk_rds::Client,
    /// ElastiCache.
    pub elasticache: aws_sdk_elasticache::Client,
    /// KMS.
    pub kms: aws_sdk_kms::Client,
    /// Secrets Manager.
    pub secrets: aws_sdk_secretsmanager::Client,
    /// CloudWatch Logs.
    pub logs: aws_sdk_cloudwatchlogs::Client,
    /// SNS.
    pub sns: aws_sdk_sns::Client,
    /// CloudFront, a global service.
    pub cloudfront: aws_sdk_cloudfront::Client,
    /// CloudWatch of us-east-1.
    pub global_cloudwatch: aws_sdk_cloudwatch::Client,
    /// SNS of us-east-1.
    pub global_sns: aws_sdk_sns::Client,
    global: Region,
}

impl Sites {
    /// The clients of the environment in `region`.
    pub fn new(env: &AwsEnv, region: Region) -> Self {
        // CloudFront's home in a partition is IAM's.
        let global = aws_env::iam_region(region);
        let (here, there) = (env.sdk_config(region), env.sdk_config(global));
        Self {
            home: env.region(region),
            ec2: aws_sdk_ec2::Client::new(&here),
            rds: aws_sdk_rds::Client::new(&here),
            elasticache: aws_sdk_elasticache::Client::new(&here),
            kms: aws_sdk_kms::Client::new(&here),
            secrets: aws_sdk_secretsmanager::Client::new(&here),
            logs: aws_sdk_cloudwatchlogs::Client::new(&here),
            sns: aws_sdk_sns::Client::new(&here),
            cloudfront: aws_sdk_cloudfront::Client::new(&there),
            global_cloudwatch: aws_sdk_cloudwatch::Client::new(&there),
            global_sns: aws_sdk_sns::Client::new(&there),
            global,
        }
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
