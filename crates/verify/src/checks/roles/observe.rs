use futures::future::join_all;
use report::finding::{Observation, Unobserved};

use super::super::Context;
use crate::policy::Policy;

/// What AWS shows of a role.
pub(super) struct Picture {
    pub(super) name: String,
    /// Whether IAM knows the role, whatever its trust policy is.
    pub(super) exists: Observation<()>,
    pub(super) trust: Observation<Policy>,
    pub(super) grants: Observation<Vec<Grant>>,
}

/// A policy of a role, inline or attached.
pub(super) struct Grant {
    /// An attached one's ARN, an inline one's name.
    pub(super) name: String,
    pub(super) policy: Observation<Policy>,
}

impl Grant {
    /// AWS's own policies that no application needs; what is in them is known.
    pub(super) fn is_for_administrators(&self) -> bool {
        let own = self.name.split_once(":iam::aws:policy/");
        let name = own.and_then(|(_, path)| path.rsplit('/').next());
        name.is_some_and(|name| {
            name == "AdministratorAccess"
                || name == "PowerUserAccess"
                || name.ends_with("FullAccess")
        })
    }

    /// Of those, the ones that are not of one service.
    pub(super) fn allows_every_service(&self) -> bool {
        ["/AdministratorAccess", "/PowerUserAccess"]
            .iter()
            .any(|name| self.is_for_administrators() && self.name.ends_with(name))
    }

    /// What is wrong with the policy; those for administrators are told once, by name.
    pub(super) fn judged(&self, of: fn(&Policy) -> Vec<String>) -> Observation<Vec<String>> {
        if self.is_for_administrators() {
            return Ok(Vec::new());
        }
        let policy = self.policy.as_ref().map_err(Clone::clone)?;
        let found = of(policy).into_iter();
        Ok(found
            .map(|found| format!("{}, {found}", self.name))
            .collect())
    }
}

impl Picture {
    /// Whether nothing is wrong with any policy. What is wrong is wrong, even if another policy cannot be read.
    pub(super) fn none(
        &self,
        judge: impl Fn(&Grant) -> Observation<Vec<String>>,
    ) -> Observation<(bool, String)> {
        // An answer with nothing in it may be that of a role without policies, or no answer at all.
        self.exists.clone()?;
        let grants = self.grants.as_ref().map_err(Clone::clone)?;
        let (mut found, mut unread) = (Vec::new(), None);
        for grant in grants {
            match judge(grant) {
                Ok(wrong) => found.extend(wrong),
                Err(unobserved) => unread = Some(unobserved),
            }
        }
        match unread {
            _ if !found.is_empty() => Ok((false, found.join("; "))),
            Some(unobserved) => Err(Unobserved::because(unobserved.reason)),
            None => Ok((true, "none".to_owned())),
        }
    }
}

pub(super) async fn role(context: Context<'_>, name: &str) -> Picture {
    let iam = &context.clients.iam;
    let call = |operation| context.clients.iam_call(operation, format!("role {name}"));
    let trust = async {
        let answer = iam.get_role().role_name(name).send().await;
        let answer = answer.map_err(|error| Unobserved::from(call("GetRole").failed(error)))?;
        let role = answer
            .role
            .filter(|role| role.role_name == name)
            .ok_or_else(|| Unobserved::because("IAM answered without a role"))?;
        Ok(role
            .assume_role_policy_document
            .ok_or_else(|| Unobserved::because("IAM answered without the trust policy"))
            .and_then(|document| Policy::parse_encoded(&document)))
    };
    let (trust, inline, attached) =
        tokio::join!(trust, inline(context, name), attached(context, name));
    let exists = trust.as_ref().map(drop).map_err(Clone::clone);
    let grants = inline.and_then(|mut inline| {
        inline.extend(attached?);
        Ok(inline)
    });
    Picture {
        name: name.to_owned(),
        exists,
        trust: trust.and_then(|trust| trust),
        grants,
    }
}

async fn inline(context: Context<'_>, role: &str) -> Observation<Vec<Grant>> {
    let iam = &context.clients.iam;
    let call = |operation, of: &str| context.clients.iam_call(operation, of);
    let pages = iam.list_role_policies().role_name(role).into_paginator();
    let names: Result<Vec<String>, _> = pages.items().send().collect().await;
    let names = names.map_err(|error| {
        Unobserved::from(call("ListRolePolicies", &format!("role {role}")).failed(error))
    })?;
    // IAM allows 10 kB of them: few.
    let each = names.into_iter().map(async |name| {
        let request = iam.get_role_policy().role_name(role).policy_name(&name);
        let policy = match request.send().await {
            Ok(answer) => Policy::parse_encoded(&answer.policy_document),
            Err(error) => {
                let of = format!("policy {name} of role {role}");
                // One that has gone meanwhile is not known to be harmless.
                Err(unseen(call("GetRolePolicy", &of).failed(error)))
            }
        };
        Grant { name, policy }
    });
    Ok(join_all(each).await)
}

async fn attached(context: Context<'_>, role: &str) -> Observation<Vec<Grant>> {
    let iam = &context.clients.iam;
    let call = context
        .clients
        .iam_call("ListAttachedRolePolicies", format!("role {role}"));
    let pages = iam.list_attached_role_policies().role_name(role);
    let found: Result<Vec<_>, _> = pages.into_paginator().items().send().collect().await;
    let found = found.map_err(|error| Unobserved::from(call.failed(error)))?;
    // At most 25 (a quota of IAM).
    let each = found.into_iter().map(async |policy| {
        let Some(arn) = policy.policy_arn else {
            let policy = Err(Unobserved::because("IAM answered without a policy's ARN"));
            let name = "?".to_owned();
            return Grant { name, policy };
        };
        let unread = Grant {
            name: arn,
            policy: Err(Unobserved::because("not read: its name says what it is")),
        };
        if unread.is_for_administrators() {
            return unread;
        }
        Grant {
            policy: document(context, &unread.name).await,
            name: unread.name,
        }
    });
    Ok(join_all(each).await)
}

/// The default version of a managed policy.
async fn document(context: Context<'_>, arn: &str) -> Observation<Policy> {
    let iam = &context.clients.iam;
    let call = |operation| context.clients.iam_call(operation, format!("policy {arn}"));
    let answer = iam.get_policy().policy_arn(arn).send().await;
    let answer = answer.map_err(|error| unseen(call("GetPolicy").failed(error)))?;
    let version = answer
        .policy
        .and_then(|policy| policy.default_version_id)
        .ok_or_else(|| Unobserved::because(format!("IAM answered without a version of {arn}")))?;
    let request = iam.get_policy_version().policy_arn(arn).version_id(version);
    let answer = request.send().await;
    let answer = answer.map_err(|error| unseen(call("GetPolicyVersion").failed(error)))?;
    let document = answer.policy_version.and_then(|version| version.document);
    let document = document
        .ok_or_else(|| Unobserved::because(format!("IAM answered without {arn} itself")))?;
    Policy::parse_encoded(&document)
}

fn unseen(error: aws_env::Error) -> Unobserved {
    Unobserved::because(Unobserved::from(error).reason)
}
