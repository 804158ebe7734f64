//! What RDS refuses, in its words and codes.
//!
//! Codes and statuses: the "Errors" sections of the RDS API reference and the API model of the SDK.

use http::StatusCode;

/// An error answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

pub(crate) type Outcome<T> = Result<T, Refusal>;

impl Refusal {
    /// 400 with a code.
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            code,
            message: message.into(),
        }
    }

    fn absent(code: &'static str, message: String) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            ..Self::new(code, message)
        }
    }

    pub(crate) fn value(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterValue", message)
    }

    pub(crate) fn combination(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterCombination", message)
    }

    pub(crate) fn missing(name: &str) -> Self {
        Self::new(
            "MissingParameter",
            format!("The request must contain the parameter {name}."),
        )
    }

    /// AWS would have done something here.
    pub(crate) fn not_simulated(what: &str) -> Self {
        Self {
            status: StatusCode::NOT_IMPLEMENTED,
            ..Self::new(
                "NotSimulated",
                format!("local-aws does not simulate {what}."),
            )
        }
    }

    pub(crate) fn few_zones(zones: &[&str]) -> Self {
        Self::new(
            "DBSubnetGroupDoesNotCoverEnoughAZs",
            format!(
                "The DB subnet group doesn't meet Availability Zone (AZ) coverage requirement. Current AZ coverage: {}. Add \
                 subnets to cover at least 2 AZs.",
                zones.join(", ")
            ),
        )
    }

    pub(crate) fn no_instance(id: &str) -> Self {
        Self::absent("DBInstanceNotFound", format!("DBInstance {id} not found."))
    }

    pub(crate) fn no_snapshot(id: &str) -> Self {
        Self::absent("DBSnapshotNotFound", format!("DBSnapshot {id} not found."))
    }

    pub(crate) fn no_backup(id: &str) -> Self {
        Self::absent(
            "DBInstanceAutomatedBackupNotFound",
            format!("Automated backup {id} not found."),
        )
    }

    pub(crate) fn no_subnet_group(name: &str) -> Self {
        Self::absent(
            "DBSubnetGroupNotFoundFault",
            format!("DB subnet group '{name}' does not exist."),
        )
    }

    pub(crate) fn no_parameter_group(name: &str) -> Self {
        Self::absent(
            "DBParameterGroupNotFound",
            format!("DBParameterGroup not found: {name}"),
        )
    }

    pub(crate) fn instance_exists() -> Self {
        Self::new("DBInstanceAlreadyExists", "DB instance already exists")
    }

    pub(crate) fn snapshot_exists(id: &str) -> Self {
        Self::new(
            "DBSnapshotAlreadyExists",
            format!(
                "Cannot create the snapshot because a snapshot with the identifier {id} already exists."
            ),
        )
    }

    pub(crate) fn instance_state(message: impl Into<String>) -> Self {
        Self::new("InvalidDBInstanceState", message)
    }

    pub(crate) fn snapshot_state(message: impl Into<String>) -> Self {
        Self::new("InvalidDBSnapshotState", message)
    }

    /// As seen in <https://github.com/pbudzon/aws-maintenance/issues/12> and `…/issues/19`.
    pub(crate) fn snapshot_quota(message: impl Into<String>) -> Self {
        Self::new("SnapshotQuotaExceeded", message)
    }

    /// As seen in <https://github.com/awslabs/rds-snapshot-tool/issues/70>.
    pub(crate) fn key(key: &str) -> Self {
        Self::new(
            "KMSKeyNotAccessibleFault",
            format!(
                "The target KMS key [{key}] does not exist, is not enabled or you do not have permissions to access it."
            ),
        )
    }

    /// Another region that the request needs does not answer.
    pub(crate) fn other_region() -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            code: "ServiceUnavailable",
            message: "A region that this request needs cannot be reached.".into(),
        }
    }
}
