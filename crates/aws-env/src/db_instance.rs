//! What the statuses of an RDS instance mean for whoever wants to connect.

/// What an RDS instance does in a status: the one table that waits, checks and diagnoses go by.
///
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Overview.DBInstance.Status.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DbInstanceState {
    /// It accepts connections, whatever RDS does beside that: a restored instance backs itself up for hours.
    Serves,
    /// It does not yet, or for a while, and comes by itself. A status that is not in the table counts as this: nothing is
    /// healthy that is not known to be, and RDS adds statuses.
    Comes,
    /// It does not come by itself.
    Stays,
}

impl DbInstanceState {
    /// What an instance with this `DBInstanceStatus` does.
    pub fn of(status: &str) -> Self {
        match status {
            "available"
            | "backing-up"
            | "configuring-enhanced-monitoring"
            | "configuring-iam-database-auth"
            | "configuring-log-exports"
            | "resetting-master-credentials"
            | "storage-config-upgrade"
            | "storage-initialization"
            | "storage-optimization" => Self::Serves,
            "deleted"
            | "deleting"
            | "failed"
            | "inaccessible-encryption-credentials"
            | "inaccessible-encryption-credentials-recoverable"
            | "incompatible-create"
            | "incompatible-credentials"
            | "incompatible-network"
            | "incompatible-option-group"
            | "incompatible-parameters"
            | "incompatible-restore"
            | "insufficient-capacity"
            | "restore-error"
            | "stopped"
            | "stopping"
            | "storage-full" => Self::Stays,
            _ => Self::Comes,
        }
    }

    /// Whether it accepts connections.
    pub fn serves(self) -> bool {
        self == Self::Serves
    }
}
