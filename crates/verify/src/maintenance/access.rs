//! IAM: which roles of the environment are used, and what is attached to them.

use aws_sdk_iam::types::Role;

use super::{Care, time};
use crate::check::{Blind, Seen};
use crate::finding::Finding;

/// A role that was not used for this long is not needed, or only for recovery.
const DAYS: i64 = 90;

pub(super) async fn review(care: Care<'_>) -> Vec<Finding> {
    let name = care.name();
    let roles = match roles(care, &name).await {
        Ok(roles) if roles.is_empty() => {
            let why = Blind::absent(format!("IAM has no role whose name begins with {name}"));
            return vec![Finding::new("role-used", name, "roles", Err(why))];
        }
        Ok(roles) => roles,
        Err(blind) => return vec![Finding::new("role-used", name, "roles", Err(blind))],
    };
    let mut findings = Vec::new();
    for role in roles {
        let used = used(care, &role).await;
        findings.push(
            Finding::new("role-used", &role, format!("used within {DAYS} days"), used)
                .fix(format!("aws iam generate-service-last-accessed-details --arn ARN of {role}; remove what is not needed")),
        );
        let policies = policies(care, &role).await;
        findings.push(
            Finding::new(
                "role-policies",
                &role,
                "no policy of an administrator",
                policies,
            )
            .fix(format!(
                "aws iam list-attached-role-policies --role-name {role}, then detach it"
            )),
        );
    }
    findings
}

async fn roles(care: Care<'_>, name: &str) -> Seen<Vec<String>> {
    let sites = &care.sites;
    let call = sites.iam_call("ListRoles", format!("{name}*"));
    let mut pages = sites.iam.list_roles().into_paginator().items().send();
    let mut found = Vec::new();
    while let Some(role) = pages.next().await {
        let role = role.map_err(|error| Blind::from(call.clone().failed(error)))?;
        if role.role_name().starts_with(name) {
            found.push(role.role_name);
        }
    }
    Ok(found)
}

/// The list of roles does not tell when they were used.
async fn used(care: Care<'_>, name: &str) -> Seen<(bool, String)> {
    let sites = &care.sites;
    let call = sites.iam_call("GetRole", name);
    let answer = sites.iam.get_role().role_name(name).send().await;
    let answer = answer.map_err(|error| Blind::from(call.failed(error)))?;
    let role = answer
        .role
        .ok_or_else(|| Blind::because("IAM shows no role"))?;
    judge(care, &role)
}

fn judge(care: Care<'_>, role: &Role) -> Seen<(bool, String)> {
    let last = role
        .role_last_used()
        .and_then(|used| used.last_used_date())
        .and_then(time);
    let since = care.ago(DAYS);
    Ok(match (last, time(role.create_date())) {
        (Some(last), _) => (last >= since, format!("last on {last}")),
        // IAM remembers 400 days.
        (None, Some(made)) if made >= since => (true, format!("never, but it is new: of {made}")),
        (None, _) => (false, "never, as far as IAM remembers".to_owned()),
    })
}

async fn policies(care: Care<'_>, name: &str) -> Seen<(bool, String)> {
    let sites = &care.sites;
    let call = sites.iam_call("ListAttachedRolePolicies", name);
    let pages = sites.iam.list_attached_role_policies().role_name(name);
    let found: Result<Vec<_>, _> = pages.into_paginator().items().send().collect().await;
    let found = found.map_err(|error| Blind::from(call.failed(error)))?;
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
