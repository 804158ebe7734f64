use std::fmt;

use rust_decimal::Decimal;
use serde::{Serialize, Serializer};

use crate::money::Usd;

/// Where a line is shown: the rows of the staging guide's cost table, then what that table leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Heading {
    /// Instances, storage and backups of databases.
    Rds,
    /// Nodes and backups of caches.
    ElastiCache,
    /// Gateways and what passes through them.
    Nat,
    /// Objects and requests.
    S3,
    /// CloudFront: traffic to viewers, and their requests.
    CloudFront,
    /// Traffic between zones and out to the internet.
    DataTransfer,
    /// Logs, metrics, alarms, dashboards.
    CloudWatch,
    /// Public IPv4 addresses.
    PublicIpv4,
    /// KMS: keys and the requests that use them.
    Keys,
    /// Secrets Manager: secrets, and requests for them.
    Secrets,
    /// Tables, such as that of the locks.
    Tables,
    /// Notifications, queues, schedules.
    Messages,
    /// Functions and state machines.
    Compute,
    /// Load balancers and endpoints.
    Network,
    /// Trails and the recorded configuration of the account.
    Account,
    /// What keeps the DR region ready.
    Recovery,
}

impl Heading {
    /// All of them, in order.
    pub const ALL: [Self; 16] = [
        Self::Rds,
        Self::ElastiCache,
        Self::Nat,
        Self::S3,
        Self::CloudFront,
        Self::DataTransfer,
        Self::CloudWatch,
        Self::PublicIpv4,
        Self::Keys,
        Self::Secrets,
        Self::Tables,
        Self::Messages,
        Self::Compute,
        Self::Network,
        Self::Account,
        Self::Recovery,
    ];

    /// As the guide's table has it, where it has it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Rds => "RDS PostgreSQL",
            Self::ElastiCache => "ElastiCache Redis",
            Self::Nat => "NAT Gateways",
            Self::S3 => "S3 Storage",
            Self::CloudFront => "CloudFront",
            Self::DataTransfer => "Data Transfer",
            Self::CloudWatch => "CloudWatch",
            Self::PublicIpv4 => "Public IPv4",
            Self::Keys => "KMS",
            Self::Secrets => "Secrets Manager",
            Self::Tables => "DynamoDB",
            Self::Messages => "SNS, SQS, schedules",
            Self::Compute => "Lambda, Step Functions",
            Self::Network => "Load balancers, endpoints",
            Self::Account => "CloudTrail, Config",
            Self::Recovery => "Disaster recovery",
        }
    }

    /// As a command line names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rds => "rds",
            Self::ElastiCache => "elasticache",
            Self::Nat => "nat",
            Self::S3 => "s3",
            Self::CloudFront => "cloudfront",
            Self::DataTransfer => "data-transfer",
            Self::CloudWatch => "cloudwatch",
            Self::PublicIpv4 => "public-ipv4",
            Self::Keys => "kms",
            Self::Secrets => "secrets-manager",
            Self::Tables => "dynamodb",
            Self::Messages => "messages",
            Self::Compute => "compute",
            Self::Network => "network",
            Self::Account => "account",
            Self::Recovery => "recovery",
        }
    }

    /// What the guide's table says, in whole dollars a month.
    pub fn guide(self) -> Option<Usd> {
        let dollars: i64 = match self {
            Self::Rds => 120,
            Self::ElastiCache => 30,
            Self::Nat => 65,
            Self::S3 => 5,
            Self::CloudFront | Self::DataTransfer => 10,
            Self::CloudWatch => 5,
            _ => return None,
        };
        Some(Usd::new(Decimal::from(dollars)))
    }
}

impl fmt::Display for Heading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.title())
    }
}

impl Serialize for Heading {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.title())
    }
}
