use aws_env::{RegionAccess, RegionClients};

/// The clients of the environment's region that probes take.
#[derive(Debug, Clone)]
pub struct ProbeClients {
    /// S3, for the buckets.
    pub region: RegionClients,
    /// Secrets Manager, for credentials.
    pub secrets: aws_sdk_secretsmanager::Client,
}

impl ProbeClients {
    /// The clients of an environment in the region of `access`.
    pub fn new(access: &RegionAccess) -> Self {
        Self {
            region: access.clients(),
            secrets: aws_env::client!(aws_sdk_secretsmanager, access),
        }
    }
}
