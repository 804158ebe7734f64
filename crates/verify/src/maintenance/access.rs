//! IAM: which roles of the environment are used, and what is attached to them.

use aws_sdk_iam::types::Role;
use report::ShellCommand;
use report::finding::{Finding, Observation, Unobserved};

use super::{Context, time};

/// A role that was not used for this long is not needed, or only for recovery.
const DAYS: i64 = 90;

pub(super) async fn review(context: Context<'_>) -> Vec<Finding> {
    let name = context.name();
    let roles = match roles(context, &name).await {
        Ok(roles) if roles.is_empty() => {
            let why = Unobserved::absent(format!("IAM has no role whose name begins with {name}"));
            return vec![Finding::new("role-used", name, "roles", Err(why))];
        }
        Ok(roles) => roles,
        Err(unobserved) => return vec![Finding::new("role-used", name, "roles", Err(unobserved))],
    };
    let mut findings = Vec::new();
    for role in roles {
        let used = used(context, &role).await;
        findings.push(
            Finding::new("role-used", &role, format!("used within {DAYS} days"), used)
                .fix("aws iam generate-service-last-accessed-details --arn ARN tells what it uses; remove what is not needed"),
        );
        let policies = policies(context, &role).await;
        findings.push(
            Finding::new(
                "role-policies",
                &role,
                "no policy of an administrator",
                policies,
            )
            .fix(format!(
                "{}, then detach it",
                ShellCommand::new("aws iam list-attached-role-policies")
                    .option("--role-name", &role)
            )),
        );
    }
    findings
}

async fn roles(context: Context<'_>, name: &str) -> Observation<Vec<String>> {
    let clients = &context.clients;
    let call = clients.iam_call("ListRoles", format!("{name}*"));
    let mut pages = clients.iam.list_roles().into_paginator().items().send();
    let mut found = Vec::new();
    while let Some(role) = pages.next().await {
        let role = role.map_err(|error| Unobserved::from(call.clone().failed(error)))?;
        if role.role_name().starts_with(name) {
            found.push(role.role_name);
        }
    }
    Ok(found)
}

/// The list of roles does not tell when they were used.
async fn used(context: Context<'_>, name: &str) -> Observation<(bool, String)> {
    let clients = &context.clients;
    let call = clients.iam_call("GetRole", name);
    let answer = clients.iam.get_role().role_name(name).send().await;
    let answer = answer.map_err(|error| Unobserved::from(call.failed(error)))?;
    let role = answer
        .role
        .ok_or_else(|| Unobserved::because("IAM shows no role"))?;
    judge(context, &role)
}

fn judge(context: Context<'_>, role: &Role) -> Observation<(bool, String)> {
    let last = role
        .role_last_used()
        .and_then(|used| used.last_used_date())
        .and_then(time);
    let since = context.ago(DAYS);
    Ok(match (last, time(role.create_date())) {
        (Some(last), _) => (last >= since, format!("last on {last}")),
        // IAM remembers 400 days.
        (None, Some(made)) if made >= since => (true, format!("never, but it is new: of {made}")),
        (None, _) => (false, "never, as far as IAM remembers".to_owned()),
    })
}

async fn policies(context: Context<'_>, name: &str) -> Observation<(bool, String)> {
    let clients = &context.clients;
    let call = clients.iam_call("ListAttachedRolePolicies", name);
    let pages = clients.iam.list_attached_role_policies().role_name(name);
    let found: Result<Vec<_>, _> = pages.into_paginator().items().send().collect().await;
    let found = found.map_err(|error| Unobserved::from(call.failed(error)))?;
    let names: Vec<&str> = found
        .iter()
        .filter_map(|policy| policy.policy_name())
        .collect();
    let wide = ["AdministratorAccess", "PowerUserAccess", "IAMFullAccess"];
    let right = !names.iter().any(|name| wide.contains(name));
    Ok((
        right,
        match names.is_empty() {
            true => "none attached".to_owned(),
            false => names.join(", "),
        },
    ))
}
