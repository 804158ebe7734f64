//! Item 9: the key that encrypts data at rest.

use aws_sdk_kms::types::{KeyManagerType, KeyMetadata, KeyState};
use report::finding::{Observation, Severity, Unobserved};
use serde_json::Value;

use super::Context;
use crate::check::{Answer, Check};

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

pub(super) static CHECKS: &[&Check] = &[&EXISTS, &ENABLED, &MANAGED, &ROTATION, &ALIAS, &POLICY];

/// The longest time between two rotations: KMS's own default, in days.
const ROTATION_DAYS: i32 = 365;

struct Picture {
    key: Observation<KeyMetadata>,
    /// Whether it is rotated, and after how many days.
    rotation: Observation<(bool, Option<i32>)>,
    aliases: Observation<Vec<String>>,
    policy: Observation<String>,
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
        policy.ok_or_else(|| Unobserved::because("KMS's answer has no policy in it"))
    };
    let (key, rotation, aliases, policy) = tokio::join!(key, rotation, aliases, policy);
    Picture {
        key,
        rotation,
        aliases,
        policy,
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
        let account = arn.split(':').nth(4).unwrap_or_default();
        let foreign = foreign(&policy, account)?;
        Ok((foreign.is_empty(), join(&foreign)))
    });
    vec![
        exists,
        ENABLED.answer(arn, "Enabled", None, state),
        MANAGED.answer(arn, "CUSTOMER", None, managed),
        rotation,
        ALIAS.answer(arn, &alias, None, aliases),
        POLICY.answer(arn, "nobody of other accounts", None, policy),
    ]
}

fn shown(text: Option<&str>) -> String {
    text.unwrap_or("nothing").to_owned()
}

fn join(foreign: &[String]) -> String {
    if foreign.is_empty() {
        return "nobody".to_owned();
    }
    foreign.join(", ")
}

/// Principals of other accounts, and everybody, whom a statement lets in without asking for this account.
fn foreign(policy: &str, account: &str) -> Observation<Vec<String>> {
    let unreadable = || Unobserved::because("the key's policy is not what IAM policies are");
    let policy: Value = serde_json::from_str(policy).map_err(|_| unreadable())?;
    let statements = policy.get("Statement").ok_or_else(unreadable)?;
    let mut foreign = Vec::new();
    for statement in many(statements) {
        if statement.get("Effect").and_then(Value::as_str) == Some("Deny") {
            continue;
        }
        // With NotPrincipal, everybody else is let in.
        let Some(principal) = statement.get("Principal") else {
            foreign.push("everybody but some".to_owned());
            continue;
        };
        let people = match principal {
            Value::Object(kinds) => kinds.get("AWS").map(many).unwrap_or_default(),
            other => many(other),
        };
        for person in people {
            let person = person.as_str().ok_or_else(unreadable)?;
            let own = person == account || person.split(':').nth(4) == Some(account);
            if !own && !asks_for(statement, account) {
                foreign.push(if person == "*" { "everybody" } else { person }.to_owned());
            }
        }
    }
    Ok(foreign)
}

/// Whether a condition holds for callers or sources of this account only.
fn asks_for(statement: &Value, account: &str) -> bool {
    ["StringEquals", "ForAnyValue:StringEquals"]
        .into_iter()
        .filter_map(|operator| statement.get("Condition")?.get(operator)?.as_object())
        .flatten()
        .any(|(key, value)| {
            let key = key.to_ascii_lowercase();
            let accounts = [
                "kms:calleraccount",
                "aws:principalaccount",
                "aws:sourceaccount",
            ];
            accounts.contains(&key.as_str())
                && many(value)
                    .iter()
                    .all(|value| value.as_str() == Some(account))
        })
}

/// IAM writes one thing without a list around it.
fn many(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(values) => values.iter().collect(),
        one => vec![one],
    }
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
            policy: Ok(r#"{"Statement": []}"#.to_owned()),
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
        let unknown = [ENABLED.id, MANAGED.id, ROTATION.id, POLICY.id];
        for (id, status) in statuses(&picture).await {
            let expected = if unknown.contains(&id) {
                Status::Unknown
            } else {
                Status::Ok
            };
            assert_eq!(status, expected, "{id}");
        }
    }

    #[test]
    fn a_policy_that_lets_others_in_is_seen_in_every_form() {
        let policy = |principal: &str, more: &str| {
            format!(
                r#"{{"Statement": {{"Effect": "Allow", "Principal": {principal}, "Action": "kms:Decrypt" {more}}}}}"#
            )
        };
        let own = r#", "Condition": {"StringEquals": {"kms:CallerAccount": "111122223333"}}"#;
        let both =
            r#", "Condition": {"StringEquals": {"kms:CallerAccount": ["111122223333", "4"]}}"#;
        for (principal, more, found) in [
            (r#"{"AWS": "arn:aws:iam::111122223333:root"}"#, "", 0),
            (r#"{"AWS": "111122223333"}"#, "", 0),
            (r#"{"Service": "logs.ca-central-1.amazonaws.com"}"#, "", 0),
            (r#""*""#, "", 1),
            (r#"{"AWS": "*"}"#, "", 1),
            (r#"{"AWS": "*"}"#, own, 0),
            (r#"{"AWS": "*"}"#, both, 1),
            (
                r#"{"AWS": ["111122223333", "arn:aws:iam::444455556666:role/x"]}"#,
                "",
                1,
            ),
        ] {
            let foreign = foreign(&policy(principal, more), "111122223333").unwrap();
            assert_eq!(foreign.len(), found, "{principal} {more}: {foreign:?}");
        }
        let others = r#"{"Statement": [{"Effect": "Allow", "NotPrincipal": {"AWS": "4"}}]}"#;
        assert_eq!(foreign(others, "1").unwrap().len(), 1);
        let deny = r#"{"Statement": [{"Effect": "Deny", "Principal": "*"}]}"#;
        assert!(foreign(deny, "1").unwrap().is_empty());
        for bad in [
            "",
            "{}",
            r#"{"Statement": {"Effect": "Allow", "Principal": {"AWS": 4}}}"#,
        ] {
            assert!(foreign(bad, "1").is_err(), "{bad}");
        }
    }
}
