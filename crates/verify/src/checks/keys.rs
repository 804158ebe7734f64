//! Item 9: the key that encrypts data at rest.

use std::collections::BTreeSet;

use aws_sdk_kms::types::{KeyManagerType, KeyMetadata, KeyState};
use report::finding::{Observation, Severity, Unobserved};

use super::Context;
use crate::check::{Answer, Check};
use crate::policy::{Policy, nobody_or};

static EXISTS: Check = Check {
    id: "kms-exists",
    item: Some(9),
    severity: Severity::Critical,
    title: "the key is there",
    why: "without it nothing that it encrypted can be read, backups included",
    fix: "terraform apply makes another; what the lost one encrypted stays lost",
};
static ENABLED: Check = Check {
    id: "kms-enabled",
    item: Some(9),
    severity: Severity::Critical,
    title: "the key is enabled, and no deletion is scheduled",
    why: "database, buckets and secrets cannot be read; after a deletion never again",
    fix: "aws kms cancel-key-deletion --key-id KEY, then aws kms enable-key --key-id KEY",
};
static MANAGED: Check = Check {
    id: "kms-customer-managed",
    item: Some(9),
    severity: Severity::High,
    title: "the key is managed by this account, not by AWS",
    why: "who may use a key of AWS cannot be decided, and backups under it cannot be shared",
    fix: "look at kms_key_arn of the outputs, then terraform apply",
};
static ROTATION: Check = Check {
    id: "kms-rotation",
    item: Some(9),
    severity: Severity::Medium,
    title: "the key is rotated every year",
    why: "one key material encrypts ever more, and a leak of it ever more",
    fix: "aws kms enable-key-rotation --key-id KEY, or terraform apply",
};
static ALIAS: Check = Check {
    id: "kms-alias",
    item: Some(9),
    severity: Severity::Low,
    title: "the environment's alias names the key",
    why: "people and scripts that go by the alias use another key, or none",
    fix: "terraform apply",
};
static POLICY: Check = Check {
    id: "kms-policy",
    item: Some(9),
    severity: Severity::Critical,
    title: "the key's policy lets nobody of other accounts in",
    why: "others can decrypt what they get hold of",
    fix: "terraform apply; look at who changed the policy in CloudTrail",
};

static GRANTS: Check = Check {
    id: "kms-grants",
    item: Some(9),
    severity: Severity::Critical,
    title: "the key is granted to nobody of other accounts",
    why: "others can decrypt what they get hold of, whatever the key's policy says",
    fix: "aws kms list-grants --key-id KEY, then aws kms revoke-grant --key-id KEY --grant-id GRANT",
};

pub(super) static CHECKS: &[&Check] = &[
    &EXISTS, &ENABLED, &MANAGED, &ROTATION, &ALIAS, &POLICY, &GRANTS,
];

/// The longest time between two rotations: KMS's own default, in days.
const ROTATION_DAYS: i32 = 365;

struct Picture {
    key: Observation<KeyMetadata>,
    /// Whether it is rotated, and after how many days.
    rotation: Observation<(bool, Option<i32>)>,
    aliases: Observation<Vec<String>>,
    policy: Observation<Policy>,
    /// To whom: an ARN, or the name of a service.
    grantees: Observation<BTreeSet<String>>,
}

pub(super) async fn answers(context: Context<'_>) -> Vec<Answer> {
    match context.located.text("kms_key_arn") {
        Ok(arn) => judge(context, arn, &observe(context, arn).await),
        Err(unobserved) => super::unseen(CHECKS, "key", &unobserved),
    }
}

async fn observe(context: Context<'_>, arn: &str) -> Picture {
    let kms = &context.clients.kms;
    let call = |operation| context.clients.call("KMS", operation, arn);
    let key = async {
        let answer = kms.describe_key().key_id(arn).send().await;
        let answer = answer.map_err(|error| Unobserved::from(call("DescribeKey").failed(error)))?;
        let key = answer.key_metadata;
        key.ok_or_else(|| Unobserved::because("KMS's answer has no key in it"))
    };
    let rotation = async {
        let answer = kms.get_key_rotation_status().key_id(arn).send().await;
        let answer =
            answer.map_err(|error| Unobserved::from(call("GetKeyRotationStatus").failed(error)))?;
        Ok((answer.key_rotation_enabled, answer.rotation_period_in_days))
    };
    let aliases = async {
        let pages = kms
            .list_aliases()
            .key_id(arn)
            .into_paginator()
            .items()
            .send();
        let found: Result<Vec<_>, _> = pages.collect().await;
        let found = found.map_err(|error| Unobserved::from(call("ListAliases").failed(error)))?;
        let names = found.into_iter().filter_map(|alias| alias.alias_name);
        Ok(names.collect())
    };
    let policy = async {
        let answer = kms.get_key_policy().key_id(arn).send().await;
        let answer =
            answer.map_err(|error| Unobserved::from(call("GetKeyPolicy").failed(error)))?;
        let policy = answer.policy;
        let lacks = || Unobserved::because("KMS's answer has no policy in it");
        Policy::parse(&policy.ok_or_else(lacks)?)
    };
    let grantees = async {
        let mut pages = kms.list_grants().key_id(arn).into_paginator().send();
        let mut grantees = BTreeSet::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| Unobserved::from(call("ListGrants").failed(error)))?;
            // A list that is not in the answer is not an empty one.
            let grants = page
                .grants
                .ok_or_else(|| Unobserved::missing("KMS", "Grants"))?;
            for grant in grants {
                let grantee = grant.grantee_principal;
                let lacks = || Unobserved::missing("KMS", "GranteePrincipal");
                grantees.insert(grantee.ok_or_else(lacks)?);
            }
        }
        Ok(grantees)
    };
    let (key, rotation, aliases, policy, grantees) =
        tokio::join!(key, rotation, aliases, policy, grantees);
    Picture {
        key,
        rotation,
        aliases,
        policy,
        grantees,
    }
}

fn judge(context: Context<'_>, arn: &str, picture: &Picture) -> Vec<Answer> {
    let key = picture.key.as_ref().map_err(Clone::clone);
    let there = key
        .clone()
        .map(|key| (key.arn() == Some(arn), shown(key.arn())));
    let exists = EXISTS.answer(arn, "there", Some(arn.to_owned()), there);
    if let Err(unobserved) = &key
        && unobserved.absent
    {
        let others = CHECKS.iter().filter(|check| check.id != EXISTS.id);
        let skipped = others.map(|check| check.skipped(arn, "the key does not exist"));
        return std::iter::once(exists).chain(skipped).collect();
    }
    let lacks = |what: &str| Unobserved::because(format!("KMS's answer has no {what} in it"));
    let state = key.clone().and_then(|key| {
        let state = key.key_state().ok_or_else(|| lacks("state"))?;
        let until = key
            .deletion_date()
            .map(|date| format!(", deleted on {date}"));
        let shown = format!("{state}{}", until.unwrap_or_default());
        Ok((*state == KeyState::Enabled, shown))
    });
    let managed = key.clone().and_then(|key| {
        let manager = key.key_manager().ok_or_else(|| lacks("manager"))?;
        Ok((*manager == KeyManagerType::Customer, manager.to_string()))
    });
    // AWS does not rotate a key that waits for its deletion, whatever was set.
    let waits = key.is_ok_and(|key| key.deletion_date().is_some());
    let rotation = if waits {
        ROTATION.skipped(arn, "the key waits for its deletion")
    } else {
        let rotation = picture.rotation.clone().and_then(|(on, days)| {
            if !on {
                return Ok((false, "not rotated".to_owned()));
            }
            let days = days.ok_or_else(|| lacks("rotation period"))?;
            Ok((days <= ROTATION_DAYS, format!("every {days} days")))
        });
        let expected = format!("every {ROTATION_DAYS} days or more often");
        ROTATION.answer(arn, expected, None, rotation)
    };
    let alias = context.wanted.key_alias();
    let aliases = picture.aliases.clone().map(|found| {
        let shown = if found.is_empty() {
            "no alias".to_owned()
        } else {
            found.join(", ")
        };
        (found.contains(&alias), shown)
    });
    let policy = picture.policy.clone().and_then(|policy| {
        let mut found = policy.outsiders(context.account)?;
        // Services use a key on behalf of whoever may use them, and name no account in most of AWS's own examples.
        found.retain(|outsider| !outsider.is_service());
        Ok(nobody_or(&found))
    });
    let grants = picture.grantees.clone().map(|all| {
        // KMS shows a service by its name; whoever is by ARN has the account in it.
        let is_own = |grantee: &String| {
            !grantee.starts_with("arn:") && grantee.contains('.')
                || grantee.split(':').nth(4) == Some(context.account)
        };
        let strangers: Vec<String> = all.into_iter().filter(|one| !is_own(one)).collect();
        match strangers.is_empty() {
            true => (true, "nobody".to_owned()),
            false => (false, strangers.join(", ")),
        }
    });
    vec![
        exists,
        ENABLED.answer(arn, "Enabled", None, state),
        MANAGED.answer(arn, "CUSTOMER", None, managed),
        rotation,
        ALIAS.answer(arn, &alias, None, aliases),
        POLICY.answer(arn, "nobody of other accounts", None, policy),
        GRANTS.answer(arn, "nobody of other accounts", None, grants),
    ]
}

fn shown(text: Option<&str>) -> String {
    text.unwrap_or("nothing").to_owned()
}

#[cfg(test)]
mod tests {
    use report::finding::Status;

    use super::super::asked::Asked;
    use super::*;

    const ARN: &str = "arn:aws:kms:ca-central-1:123456789012:key/1";

    fn picture() -> Picture {
        let key = KeyMetadata::builder()
            .key_id("1")
            .arn(ARN)
            .key_state(KeyState::Enabled)
            .key_manager(KeyManagerType::Customer);
        Picture {
            key: Ok(key.build().unwrap()),
            rotation: Ok((true, Some(365))),
            aliases: Ok(vec!["alias/berthcare-staging".to_owned()]),
            policy: Policy::parse(r#"{"Statement": []}"#),
            grantees: Ok(BTreeSet::from([
                "arn:aws:iam::123456789012:role/backup".to_owned(),
                "rds.ca-central-1.amazonaws.com".to_owned(),
            ])),
        }
    }

    async fn statuses(picture: &Picture) -> Vec<(&'static str, Status)> {
        let asked = Asked::new(&[("kms_key_arn", ARN.into())]).await;
        let answers = judge(asked.context(), ARN, picture).into_iter();
        answers
            .map(|answer| (answer.check.id, answer.status))
            .collect()
    }

    #[tokio::test]
    async fn a_key_that_is_gone_is_told_once() {
        let mut picture = picture();
        for (id, status) in statuses(&picture).await {
            assert_eq!(status, Status::Ok, "{id}");
        }
        picture.key = Err(Unobserved::absent("KMS DescribeKey: not found"));
        for (id, status) in statuses(&picture).await {
            let expected = if id == EXISTS.id {
                Status::Wrong
            } else {
                Status::Skipped
            };
            assert_eq!(status, expected, "{id}");
        }
    }

    #[tokio::test]
    async fn a_key_of_aws_is_not_ours() {
        let mut picture = picture();
        if let Ok(key) = &mut picture.key {
            key.key_manager = Some(KeyManagerType::Aws);
        }
        for (id, status) in statuses(&picture).await {
            let expected = if id == MANAGED.id {
                Status::Wrong
            } else {
                Status::Ok
            };
            assert_eq!(status, expected, "{id}");
        }
    }

    #[tokio::test]
    async fn what_kms_does_not_say_is_unknown() {
        let mut picture = picture();
        if let Ok(key) = &mut picture.key {
            (key.key_state, key.key_manager) = (None, None);
        }
        picture.rotation = Ok((true, None));
        picture.policy = Err(Unobserved::because("denied"));
        picture.grantees = Err(Unobserved::because("denied"));
        let unknown = [ENABLED.id, MANAGED.id, ROTATION.id, POLICY.id, GRANTS.id];
        for (id, status) in statuses(&picture).await {
            let expected = if unknown.contains(&id) {
                Status::Unknown
            } else {
                Status::Ok
            };
            assert_eq!(status, expected, "{id}");
        }
    }

    #[tokio::test]
    async fn services_use_a_key_on_behalf_of_others_and_are_no_strangers() {
        let mut picture = picture();
        for (principal, status) in [
            (
                r#"{"Service": "logs.ca-central-1.amazonaws.com"}"#,
                Status::Ok,
            ),
            (r#"{"AWS": "arn:aws:iam::123456789012:root"}"#, Status::Ok),
            (r#""*""#, Status::Wrong),
            (r#"{"AWS": "444455556666"}"#, Status::Wrong),
            (r#"{"AWS": "AROAEXAMPLE"}"#, Status::Unknown),
        ] {
            picture.policy = Policy::parse(&format!(
                r#"{{"Statement": {{"Effect": "Allow", "Principal": {principal}, "Action": "kms:*",
                "Resource": "*"}}}}"#
            ));
            let policy = statuses(&picture).await.into_iter();
            let found: Vec<Status> = policy
                .filter(|(id, _)| *id == POLICY.id)
                .map(|(_, status)| status)
                .collect();
            assert_eq!(found, [status], "{principal}");
        }
    }
}
