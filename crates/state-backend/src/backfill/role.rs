//! Whether S3 can take on a role for a job, as far as that can be seen before it is made.

use aws_env::{Error, ErrorClass};
use serde_json::Value;
use settings::RoleArn;

use super::batch::ApprovedBatch;
use crate::backend::Backend;
use crate::policy;
use crate::problem::{Observation, Problem};
use crate::role::{BATCH_SERVICE, decode};
use crate::spec::Spec;

/// Why a role is none that a job could run with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BatchRoleError {
    /// S3 passes no role of another account to a job.
    #[error("the role {role} is of another account than the backend, {account}")]
    OtherAccount {
        /// The role.
        role: String,
        /// The backend's account.
        account: String,
    },
    /// Its ARN is of another part of AWS than the bucket.
    #[error("the role {role} is of another partition than the backend, {partition}")]
    OtherPartition {
        /// The role.
        role: String,
        /// The backend's partition.
        partition: &'static str,
    },
    /// There is none.
    #[error("there is no role {role}")]
    NotThere {
        /// The role.
        role: String,
    },
    /// The role of that name has another path.
    #[error("there is no role {role}: that of its name is {found}")]
    OtherPath {
        /// The role that was named.
        role: String,
        /// The ARN of the one that is there.
        found: String,
    },
    /// S3 Batch Operations may not assume it.
    #[error("the role {role} lets {BATCH_SERVICE} not assume it")]
    NotTrusted {
        /// The role.
        role: String,
    },
}

/// What the name of a role itself tells.
pub(super) fn check(spec: &Spec, role: &RoleArn) -> Result<(), BatchRoleError> {
    let partition = spec.primary.region.partition();
    if role.partition() != partition {
        let role = role.to_string();
        return Err(BatchRoleError::OtherPartition { role, partition });
    }
    if role.account().as_str() != spec.account {
        return Err(BatchRoleError::OtherAccount {
            role: role.to_string(),
            account: spec.account.clone(),
        });
    }
    Ok(())
}

impl Backend {
    /// Looks whether the role of a job is there, and lets S3 Batch Operations assume it. Unknown where IAM does not tell:
    /// whoever makes the job need not be allowed to read roles, and S3 looks itself.
    ///
    /// # Errors
    /// When it is certain that no job can run with it.
    pub async fn check_batch_role(
        &self,
        ApprovedBatch(batch): &ApprovedBatch,
    ) -> Result<Observation<()>, BatchRoleError> {
        let Some(arn) = &batch.role else {
            return Ok(Observation::Known(()));
        };
        let role = || arn.to_string();
        let found = match self.trust_of(arn).await {
            Ok(Some(found)) => found,
            Ok(None) => return Err(BatchRoleError::NotThere { role: role() }),
            Err(error) => return Ok(Problem::from(error).into()),
        };
        let (found, trust) = found;
        if found != arn.as_str() {
            let role = role();
            return Err(BatchRoleError::OtherPath { role, found });
        }
        let mut statements = policy::statements(&trust).into_iter();
        match statements.any(lets_assume) {
            true => Ok(Observation::Known(())),
            false => Err(BatchRoleError::NotTrusted { role: role() }),
        }
    }

    /// The ARN of the role of that name, and who may assume it.
    async fn trust_of(&self, arn: &RoleArn) -> Result<Option<(String, Value)>, Error> {
        let (clients, name) = (self.global(), arn.name().as_str());
        let call = clients.iam_call("GetRole", format!("role {name}"));
        let found = match clients.iam.get_role().role_name(name).send().await {
            Ok(answer) => answer.role,
            Err(error) => match call.failed(error) {
                error if error.class == ErrorClass::Absent => None,
                error => return Err(error),
            },
        };
        let Some(role) = found else { return Ok(None) };
        let call = clients.iam_call("GetRole", format!("role {name}"));
        let trust = decode(role.assume_role_policy_document.as_deref(), call)?;
        Ok(Some((role.arn, trust)))
    }
}

/// Whether a statement allows S3 Batch Operations to assume the role. Its conditions are S3's to meet.
fn lets_assume(statement: &Value) -> bool {
    let has = |value: &Value, wanted: &[&str]| match value {
        Value::String(one) => wanted.contains(&one.as_str()),
        Value::Array(several) => {
            let mut several = several.iter().filter_map(Value::as_str);
            several.any(|one| wanted.contains(&one))
        }
        _ => false,
    };
    statement["Effect"] == "Allow"
        && has(&statement["Principal"]["Service"], &[BATCH_SERVICE])
        && has(&statement["Action"], &["sts:AssumeRole", "sts:*", "*"])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn role_is_assumed_by_batch_operations_where_a_statement_allows_it() {
        let of = |effect: &str, service: Value, action: Value| {
            let principal = json!({"Service": service});
            let statement = json!({"Effect": effect, "Principal": principal, "Action": action});
            lets_assume(&statement)
        };
        let batch = || json!(BATCH_SERVICE);
        assert!(of("Allow", batch(), json!("sts:AssumeRole")));
        let several = json!(["s3.amazonaws.com", BATCH_SERVICE]);
        assert!(of("Allow", several, json!(["sts:TagSession", "sts:*"])));
        assert!(!of("Deny", batch(), json!("sts:AssumeRole")));
        assert!(!of(
            "Allow",
            json!("s3.amazonaws.com"),
            json!("sts:AssumeRole")
        ));
        assert!(!of("Allow", batch(), json!("sts:TagSession")));
        assert!(!lets_assume(&json!({})));
    }
}
