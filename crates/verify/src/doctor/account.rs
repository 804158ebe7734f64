//! What concerns the account: who calls, what is allowed, quotas, keys, regions.

use aws_env::ErrorClass;
use aws_sdk_iam::types::PolicyEvaluationDecisionType;
use aws_sdk_kms::types::KeyState;
use report::ShellCommand;
use report::finding::{Finding, Observation, Unobserved};

use super::{Context, Diagnosis, unseen};
use crate::clients::EnvironmentClients;
use crate::named::key_state;

/// Whether AWS takes our credentials now.
async fn caller(context: Context<'_>) -> Finding {
    let seen = match context.clients.home.account_id().await {
        Ok(account) => Ok((true, format!("account {account}"))),
        Err(error) if error.class == ErrorClass::Credentials => Ok((false, error.to_string())),
        Err(error) => Err(error.into()),
    };
    Finding::new("credentials", context.region(), "AWS takes them", seen).fix(format!(
        "log in again (aws sso login, or new keys), then: {}",
        ShellCommand::new("aws sts get-caller-identity").option("--region", context.region())
    ))
}

pub(super) async fn credentials(context: Context<'_>) -> Diagnosis {
    Diagnosis {
        trouble: "credentials",
        meaning: "AWS does not take the caller's credentials: they are missing, expired, of another account or \
                  partition, or the clock of this machine is wrong.",
        findings: vec![caller(context).await],
        next: Vec::new(),
    }
}

pub(super) async fn throttled(context: Context<'_>) -> Diagnosis {
    Diagnosis {
        trouble: "throttled",
        meaning: "AWS asked to slow down. Calls are counted for the whole account: another program may be calling.",
        findings: vec![caller(context).await],
        next: vec![context.terraform().words("apply -parallelism=3").into()],
    }
}

pub(super) async fn denied(
    context: Context<'_>,
    action: Option<String>,
    who: Option<String>,
    resource: Option<String>,
    encoded: bool,
) -> Diagnosis {
    let mut findings = vec![caller(context).await];
    let what = action
        .clone()
        .unwrap_or_else(|| "an action that the error does not name".to_owned());
    match (&action, who.as_deref().and_then(principal)) {
        (Some(action), Some(principal)) => {
            let seen = simulate(context, &principal, action, resource.as_deref()).await;
            findings.push(
                Finding::new(
                    "permission",
                    format!("{action} by {principal}"),
                    "allowed",
                    seen,
                )
                .fix(format!(
                    "allow {action} in a policy of {principal}, or use a role that has it"
                )),
            );
        }
        _ => {
            let why = Unobserved::because("the error names no action together with a user or role");
            findings.push(unseen("permission", what, why));
        }
    }
    let mut next = Vec::new();
    if encoded {
        next.push(
            "aws sts decode-authorization-message --query DecodedMessage --output text --encoded-message MESSAGE"
                .to_owned(),
        );
    }
    Diagnosis {
        trouble: "access-denied",
        meaning: "The caller may not do this. Beside its own policies, a policy of the resource, a boundary, or one \
                  of the organisation may deny it.",
        findings,
        next,
    }
}

/// The user or role whose policies count: a session is of its role.
fn principal(arn: &str) -> Option<String> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let [_, partition, service, _, account, rest] = parts.as_slice() else {
        return None;
    };
    match (*service, rest.split('/').collect::<Vec<_>>().as_slice()) {
        // The path of the role is not in the session's ARN.
        ("sts", ["assumed-role", role, _]) => {
            Some(format!("arn:{partition}:iam::{account}:role/{role}"))
        }
        ("iam", [kind, ..]) if ["user", "role"].contains(kind) => Some(arn.to_owned()),
        _ => None,
    }
}

async fn simulate(
    context: Context<'_>,
    principal: &str,
    action: &str,
    resource: Option<&str>,
) -> Observation<(bool, String)> {
    let call = context
        .clients
        .iam_call("SimulatePrincipalPolicy", principal);
    let answer = context
        .clients
        .iam
        .simulate_principal_policy()
        .policy_source_arn(principal)
        .action_names(action)
        .set_resource_arns(resource.map(|arn| vec![arn.to_owned()]))
        .send()
        .await
        .map_err(|error| Unobserved::because(call.failed(error).to_string()))?;
    let result = answer
        .evaluation_results()
        .first()
        .ok_or_else(|| Unobserved::because("IAM gave no decision"))?;
    Ok(match result.eval_decision() {
        PolicyEvaluationDecisionType::Allowed => (
            true,
            "its policies allow it: a policy of the resource or of the organisation denies"
                .to_owned(),
        ),
        PolicyEvaluationDecisionType::ExplicitDeny => (false, "a policy denies it".to_owned()),
        PolicyEvaluationDecisionType::ImplicitDeny => (false, "no policy allows it".to_owned()),
        other => {
            return Err(Unobserved::because(format!(
                "IAM decided {}",
                other.as_str()
            )));
        }
    })
}

/// Service and code of a quota for the console and for a request of more:
/// <https://docs.aws.amazon.com/general/latest/gr/aws-service-information.html>.
fn quota_code(code: &str) -> Option<(&'static str, &'static str)> {
    Some(match code {
        "AddressLimitExceeded" => ("ec2", "L-0263D0A3"),
        "VpcLimitExceeded" => ("vpc", "L-F678F1CE"),
        "NatGatewayLimitExceeded" => ("vpc", "L-FE5A380F"),
        "InternetGatewayLimitExceeded" => ("vpc", "L-A4707A72"),
        "SecurityGroupLimitExceeded" => ("vpc", "L-E79EC296"),
        "RulesPerSecurityGroupLimitExceeded" => ("vpc", "L-0EA8095F"),
        "NetworkInterfaceLimitExceeded" => ("vpc", "L-DF5E4CA3"),
        "InstanceQuotaExceeded" => ("rds", "L-7B6409FD"),
        "StorageQuotaExceeded" => ("rds", "L-7ADDB58A"),
        "SnapshotQuotaExceeded" => ("rds", "L-272F1212"),
        "DBSubnetGroupQuotaExceeded" => ("rds", "L-48C6BF61"),
        "TooManyBuckets" => ("s3", "L-DC2B2D3D"),
        _ => return None,
    })
}

pub(super) async fn quota(context: Context<'_>, code: &'static str) -> Diagnosis {
    let seen = match code {
        "AddressLimitExceeded" => addresses(context).await,
        "InstanceQuotaExceeded" => rds(context, "DBInstances").await,
        "StorageQuotaExceeded" => rds(context, "AllocatedStorage").await,
        "SnapshotQuotaExceeded" => rds(context, "ManualSnapshots").await,
        "DBSubnetGroupQuotaExceeded" => rds(context, "DBSubnetGroups").await,
        _ => Err(Unobserved::because(
            "how much of it is used is not looked at",
        )),
    };
    let region = context.region();
    let of_quota = |command, service: &str, quota: &str| {
        ShellCommand::new(command)
            .option("--service-code", service)
            .option("--quota-code", quota)
            .option("--region", region)
    };
    let next = match quota_code(code) {
        Some((service, quota)) => vec![
            of_quota("aws service-quotas get-service-quota", service, quota).into(),
            of_quota(
                "aws service-quotas request-service-quota-increase",
                service,
                quota,
            )
            .words("--desired-value N")
            .into(),
        ],
        None => vec![
            ShellCommand::new("aws service-quotas list-service-quotas --service-code elasticache")
                .option("--region", region)
                .into(),
        ],
    };
    Diagnosis {
        trouble: "quota",
        meaning: "The account has as many of these in this region as it may. Give back what nobody uses, or ask for more.",
        findings: vec![
            Finding::new("quota", code, "room for one more", seen)
                .fix("give back what nobody uses, or ask for more as shown below"),
        ],
        next,
    }
}

/// EC2 tells no limit of addresses that holds for VPCs; those that nobody uses are what can be given back.
async fn addresses(context: Context<'_>) -> Observation<(bool, String)> {
    let call = context
        .clients
        .call("EC2", "DescribeAddresses", "elastic addresses");
    let answer = context.clients.ec2.describe_addresses().send().await;
    let answer = answer.map_err(|error| Unobserved::from(call.failed(error)))?;
    let all = answer.addresses();
    let idle: Vec<&str> = all
        .iter()
        .filter(|address| address.association_id().is_none())
        .filter_map(|address| address.allocation_id())
        .collect();
    Ok((
        false,
        match idle.is_empty() {
            true => format!("{} addresses, all in use", all.len()),
            false => format!("{} addresses, unused: {}", all.len(), idle.join(", ")),
        },
    ))
}

async fn rds(context: Context<'_>, name: &str) -> Observation<(bool, String)> {
    let call = context
        .clients
        .call("RDS", "DescribeAccountAttributes", name);
    let answer = context
        .clients
        .rds
        .describe_account_attributes()
        .send()
        .await;
    let answer = answer.map_err(|error| Unobserved::from(call.failed(error)))?;
    let quota = answer
        .account_quotas()
        .iter()
        .find(|quota| quota.account_quota_name() == Some(name));
    match quota.map(|quota| (quota.used(), quota.max())) {
        Some((Some(used), Some(most))) => Ok((used < most, format!("{used} of {most} used"))),
        _ => Err(Unobserved::because(format!("RDS tells no quota of {name}"))),
    }
}

pub(super) async fn key(context: Context<'_>, named: Option<String>) -> Diagnosis {
    let id = named.or_else(|| context.output("kms_key_arn").map(str::to_owned));
    let mut next = Vec::new();
    let finding = match &id {
        Some(id) => {
            let seen = key_state(context.clients, id).await;
            let seen = seen.map(|(state, deleted)| {
                let until = deleted.map(|date| format!(", deleted on {date}"));
                next = revive(context, id, &state);
                let shown = format!("{}{}", state.as_str(), until.unwrap_or_default());
                (state == KeyState::Enabled, shown)
            });
            Finding::new("key", id, "Enabled", seen).fix("see below, before its last day")
        }
        None => unseen(
            "key",
            "a key",
            Unobserved::because("neither the error nor terraform names a key"),
        ),
    };
    Diagnosis {
        trouble: "kms-key",
        meaning: "What is encrypted with this key cannot be read while it is disabled, and never again once it is deleted.",
        findings: vec![finding],
        next,
    }
}

fn revive(context: Context<'_>, id: &str, state: &KeyState) -> Vec<String> {
    let of_key = |command| {
        ShellCommand::new(command)
            .option("--key-id", id)
            .option("--region", context.region())
    };
    let enable = of_key("aws kms enable-key").into();
    match state {
        // A key that is saved from deletion is disabled.
        KeyState::PendingDeletion => vec![of_key("aws kms cancel-key-deletion").into(), enable],
        KeyState::Disabled => vec![enable],
        _ => Vec::new(),
    }
}

/// Whether a region is enabled for the account, as EC2 of the environment's region says.
pub async fn region_enabled(clients: &EnvironmentClients, name: &str) -> Finding {
    let call = clients.call("EC2", "DescribeRegions", name);
    let answer = clients
        .ec2
        .describe_regions()
        .all_regions(true)
        .region_names(name)
        .send()
        .await;
    let seen = answer
        .map_err(|error| Unobserved::from(call.failed(error)))
        .and_then(|answer| {
            let region = answer.regions().first();
            let status = region.and_then(|region| region.opt_in_status());
            let status =
                status.ok_or_else(|| Unobserved::because("EC2 tells nothing of this region"))?;
            Ok((status != "not-opted-in", status.to_owned()))
        });
    Finding::new("region", name, "enabled for this account", seen).fix(format!(
        "{}, which takes minutes to hours",
        ShellCommand::new("aws account enable-region").option("--region-name", name)
    ))
}

pub(super) async fn region(context: Context<'_>, named: Option<String>) -> Diagnosis {
    let name = named.unwrap_or_else(|| context.region().to_owned());
    Diagnosis {
        trouble: "region",
        meaning: "Newer regions, ca-west-1 among them, have to be enabled for an account before anything can be made there.",
        findings: vec![region_enabled(context.clients, &name).await],
        next: vec![
            ShellCommand::new("aws account get-region-opt-status")
                .option("--region-name", &name)
                .into(),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_of_its_role() {
        for (arn, of) in [
            (
                "arn:aws:sts::1:assumed-role/ci/run-7",
                Some("arn:aws:iam::1:role/ci"),
            ),
            ("arn:aws:iam::1:user/jo", Some("arn:aws:iam::1:user/jo")),
            ("arn:aws:iam::1:root", None),
            ("arn:aws:s3:::b", None),
            ("jo", None),
        ] {
            assert_eq!(principal(arn).as_deref(), of, "{arn}");
        }
    }
}
