use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use settings::{NameError, Region};
use thiserror::Error;

macro_rules! services {
    ($($(#[$doc:meta])* $name:ident = $code:literal,)*) => {
        /// A service, by AWS's code for it in the Price List.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Service {
            $($(#[$doc])* $name,)*
        }

        impl Service {
            pub(super) const ALL: &'static [Self] = &[$(Self::$name),*];

            /// As in `AmazonRDS`.
            pub fn code(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)*
                }
            }
        }
    };
}

services! {
    /// Relational databases, their storage and backups.
    Rds = "AmazonRDS",
    /// Nodes of Redis, Valkey and Memcached.
    ElastiCache = "AmazonElastiCache",
    /// NAT gateways are billed with EC2.
    Ec2 = "AmazonEC2",
    /// Public addresses and endpoints.
    Vpc = "AmazonVPC",
    /// Storage of objects, requests, replication and batch jobs.
    S3 = "AmazonS3",
    /// Tables, their replicas and backups.
    DynamoDb = "AmazonDynamoDB",
    /// Traffic to viewers from the edges, and their requests.
    CloudFront = "AmazonCloudFront",
    /// Traffic between zones, regions and the internet.
    DataTransfer = "AWSDataTransfer",
    /// Keys of KMS, and requests that use them.
    Kms = "awskms",
    /// Secrets Manager.
    Secrets = "AWSSecretsManager",
    /// Logs, metrics, alarms, dashboards.
    CloudWatch = "AmazonCloudWatch",
    /// Topics, and deliveries to their subscribers.
    Sns = "AmazonSNS",
    /// Requests to queues.
    Sqs = "AWSQueueService",
    /// Step Functions, by the transition.
    States = "AmazonStates",
    /// Event buses and schedules.
    Events = "AWSEvents",
    /// Fargate, by virtual CPU and memory.
    Ecs = "AmazonECS",
    /// Hours of load balancers, and the capacity they use.
    Elb = "AWSELB",
    /// Requests to functions, and the memory that they hold.
    Lambda = "AWSLambda",
    /// Hosted zones, and queries of names.
    Route53 = "AmazonRoute53",
    /// Images of containers.
    Ecr = "AmazonECR",
    /// What trails record.
    CloudTrail = "AWSCloudTrail",
    /// Recorded configuration, and the evaluations of its rules.
    Config = "AWSConfig",
    /// Vaults of AWS Backup.
    Backup = "AWSBackup",
    /// Web application firewall.
    Waf = "awswaf",
    /// Private certificate authorities, and their certificates.
    PrivateCa = "AWSCertificateManager",
}

/// Not a code of a service that the price book has.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} is not a service of the price book; one is AmazonRDS")]
pub struct UnknownService(String);

impl FromStr for Service {
    type Err = UnknownService;

    fn from_str(text: &str) -> Result<Self, UnknownService> {
        Self::ALL
            .iter()
            .find(|service| service.code() == text)
            .copied()
            .ok_or_else(|| UnknownService(text.to_owned()))
    }
}

impl Serialize for Service {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

/// Where a price holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// The same in all regions.
    Global,
    /// In one region.
    Region(Region),
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Global => f.pad("global"),
            Self::Region(region) => f.pad(region.as_str()),
        }
    }
}

impl FromStr for Scope {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        match text {
            "global" => Ok(Self::Global),
            region => region.parse().map(Self::Region),
        }
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What a price is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct PriceKey {
    /// The region it holds in, or all.
    pub scope: Scope,
    /// The service that bills it.
    pub service: Service,
    /// The price book's name for it, as in `instance postgresql db.t4g.medium multi-az`.
    pub item: String,
}

impl PriceKey {
    /// Whether it is to or from a named region, so that another region has no such price.
    pub(super) fn is_of_a_pair(&self) -> bool {
        Region::all().any(|region| self.item.ends_with(region.as_str()))
    }
}

impl fmt::Display for PriceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} in {}", self.service.code(), self.item, self.scope)
    }
}
