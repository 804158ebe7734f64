use aws_sdk_s3::types::{
    BucketVersioningStatus, DeleteMarkerReplicationStatus, LifecycleRule, MetricsStatus,
    ObjectOwnership, PublicAccessBlockConfiguration, ReplicationRule, ReplicationRuleStatus,
    ServerSideEncryption, ServerSideEncryptionByDefault, TransitionStorageClass,
};
use report::finding::{Observation, Unobserved};
use settings::BucketEncryption;

use super::super::Context;
use super::catalog::*;
use super::observe::{FailureAlarm, Picture};
use super::{Buckets, Kind, LOGS, lifecycle};
use crate::check::{Answer, Check};
use crate::policy::{Condition, is_denied_to_all, nobody_or};

type Account = Observation<Option<aws_sdk_s3control::types::PublicAccessBlockConfiguration>>;

/// Whether a check is asked of a bucket of this kind.
pub(super) fn applies(check: &Check, kind: Kind) -> bool {
    let of_logs = check == &LOG_DELIVERY;
    let of_data = [&LOGGING, &REPLICATION, &REPLICATION_FAILURES].contains(&check);
    if kind == LOGS { !of_data } else { !of_logs }
}

pub(super) fn bucket(
    context: Context<'_>,
    kind: Kind,
    picture: &Picture,
    account: &Account,
    alarms: &Observation<Vec<FailureAlarm>>,
) -> Vec<Answer> {
    let name = picture.name.as_str();
    let region = context.wanted.region.as_str();
    let found = picture.region.clone().map(|found| (found == region, found));
    let gone = match &found {
        Err(unobserved) => unobserved.absent.then_some("the bucket does not exist"),
        Ok((here, _)) => (!here).then_some("the bucket is in another region, which is not asked"),
    };
    let exists = EXISTS.answer(name, region, Some(name.to_owned()), found);
    if let Some(reason) = gone {
        let others = CHECKS
            .iter()
            .filter(|check| applies(check, kind) && **check != &EXISTS && **check != &LOG_DELIVERY)
            .map(|check| check.skipped(name, reason));
        return std::iter::once(exists).chain(others).collect();
    }
    let mut answers = vec![
        exists,
        versioning(picture),
        encryption(context, kind, picture),
    ];
    answers.extend(rules(context, kind, picture));
    answers.extend(access(context, picture, account));
    if kind != LOGS {
        answers.push(logging(context, picture));
        answers.extend(replication(context, kind, picture, alarms));
    }
    answers
}

fn versioning(picture: &Picture) -> Answer {
    let found = picture.versioning.clone().map(|status| {
        let shown = status
            .as_ref()
            .map_or("never turned on", BucketVersioningStatus::as_str);
        (
            status == Some(BucketVersioningStatus::Enabled),
            shown.to_owned(),
        )
    });
    VERSIONING.answer(&picture.name, "Enabled", None, found)
}

fn encryption(context: Context<'_>, kind: Kind, picture: &Picture) -> Answer {
    let name = picture.name.as_str();
    if kind == LOGS {
        let found = picture.encryption.clone().map(|found| {
            let fine = found.sse_algorithm == ServerSideEncryption::Aes256;
            (fine, algorithm_and_key(&found))
        });
        return ENCRYPTION.answer(name, "AES256", None, found);
    }
    let key = context.located.text("kms_key_arn");
    let terraform = context.located.terraform("kms_key_arn");
    let wanted = context.wanted.expect.bucket_encryption;
    let expected = match wanted {
        BucketEncryption::Kms => "aws:kms with the stack's key",
        BucketEncryption::Aes256 => "AES256, or aws:kms with the stack's key",
    };
    let found = picture.encryption.clone().and_then(|found| {
        let aes = found.sse_algorithm == ServerSideEncryption::Aes256;
        if aes && wanted == BucketEncryption::Aes256 {
            return Ok((true, algorithm_and_key(&found)));
        }
        // The second layer of DSSE is under the same key.
        let with_key = [
            ServerSideEncryption::AwsKms,
            ServerSideEncryption::AwsKmsDsse,
        ];
        if !with_key.contains(&found.sse_algorithm) {
            return Ok((false, algorithm_and_key(&found)));
        }
        let key = key?;
        let shown = algorithm_and_key(&found);
        match found.kms_master_key_id.as_deref() {
            // S3 takes its own aws/s3 key then.
            None => Ok((false, shown)),
            Some(alias) if alias.contains("alias/") => Err(Unobserved::because(format!(
                "{alias} may be any key: S3 looks it up with each object"
            ))),
            Some(id) => {
                let same = id == key || key.rsplit('/').next() == Some(id);
                Ok((same, shown))
            }
        }
    });
    ENCRYPTION.answer(name, expected, terraform, found)
}

fn algorithm_and_key(found: &ServerSideEncryptionByDefault) -> String {
    let algorithm = found.sse_algorithm.as_str();
    match found.kms_master_key_id.as_deref() {
        Some(key) => format!("{algorithm} with {key}"),
        None => algorithm.to_owned(),
    }
}

fn rules(context: Context<'_>, kind: Kind, picture: &Picture) -> Vec<Answer> {
    let wanted = context.wanted;
    let name = picture.name.as_str();
    let of = |judge: &dyn Fn(&[LifecycleRule]) -> (bool, String)| match &picture.lifecycle {
        Ok(lifecycle) => Ok(judge(&lifecycle.rules)),
        Err(unobserved) => Err(unobserved.clone()),
    };
    let small = match &picture.lifecycle {
        Ok(lifecycle) if lifecycle.small_stay => "; objects below 128 KB stay where they are",
        _ => "",
    };
    let archives = |class: TransitionStorageClass, days: i32| {
        of(&|rules| {
            let (fine, shown) = lifecycle::archives(rules, &class, days);
            (fine, format!("{shown}{small}"))
        })
    };
    let after = |days: i32| format!("after {days} days");
    // Who read what is looked up for a year at least; data stays.
    let (expire, kept) = match kind == LOGS {
        true => (
            Some(wanted.expect.glacier_days),
            format!("none before {} days", wanted.expect.glacier_days),
        ),
        false => (None, "none".to_owned()),
    };
    // Without rules nothing is deleted.
    let current = match of(&|rules| lifecycle::keeps_objects(rules, expire)) {
        Err(unobserved) if unobserved.absent => Ok((true, "no rules".to_owned())),
        found => found,
    };
    let expire = match &picture.lifecycle {
        Ok(lifecycle) if kind == LOGS => lifecycle::expires_after(&lifecycle.rules),
        _ => None,
    };
    let archived = |check: &'static Check, class, days| match expire {
        // Nothing is left to be archived. Logs that are deleted too early are another check's.
        Some(expire) if (wanted.expect.glacier_days..=days).contains(&expire) => {
            check.skipped(name, format!("access logs are deleted after {expire} days"))
        }
        _ => check.answer(name, after(days), None, archives(class, days)),
    };
    vec![
        archived(
            &GLACIER,
            TransitionStorageClass::Glacier,
            wanted.expect.glacier_days,
        ),
        archived(
            &DEEP_ARCHIVE,
            TransitionStorageClass::DeepArchive,
            wanted.expect.deep_archive_days,
        ),
        NONCURRENT.answer(
            name,
            format!("after {} days or more", wanted.expect.noncurrent_days),
            None,
            of(&|rules| lifecycle::keeps_versions(rules, wanted.expect.noncurrent_days)),
        ),
        MULTIPART.answer(
            name,
            "after some days",
            None,
            of(&|rules| lifecycle::aborts_uploads(rules)),
        ),
        CURRENT.answer(name, kept, None, current),
    ]
}

fn access(context: Context<'_>, picture: &Picture, account: &Account) -> Vec<Answer> {
    let name = picture.name.as_str();
    let arn = arn(context, name);
    let block = picture.block.clone().and_then(|found| {
        let off = blocks_off(&found)?;
        let shown = if off.is_empty() {
            "all on".to_owned()
        } else {
            format!("off: {off}")
        };
        Ok((
            off.is_empty(),
            format!("{shown}; {}", account_note(account)),
        ))
    });
    let public = picture.public.clone().map(|public| match public {
        Some(true) => (false, "public".to_owned()),
        Some(false) => (true, "not public".to_owned()),
        None => (true, "no policy".to_owned()),
    });
    let outsiders = match &picture.policy {
        Ok(policy) => policy.outsiders(context.account).map(|mut found| {
            // AWS itself judges what is public.
            found.retain(|outsider| !outsider.is_public());
            nobody_or(&found)
        }),
        Err(unobserved) if unobserved.absent => Ok((true, "no policy".to_owned())),
        Err(unobserved) => Err(unobserved.clone()),
    };
    let ownership = picture.ownership.clone().and_then(|found| {
        let fine = found == ObjectOwnership::BucketOwnerEnforced;
        // Taking ACLs away ends that delivery.
        Ok(match picture.takes_legacy_logs.clone()? {
            true => (true, format!("{}, for CloudFront's logs", found.as_str())),
            false => (fine, found.as_str().to_owned()),
        })
    });
    let denies = |when: fn(&Condition) -> bool| {
        picture.policy.clone().map(|policy| {
            let denied = is_denied_to_all(&policy, &arn, when);
            let shown = if denied {
                "denied"
            } else {
                "not denied, or not for all"
            };
            (denied, shown.to_owned())
        })
    };
    vec![
        BLOCK.answer(name, "all on", None, block),
        NOT_PUBLIC.answer(name, "not public", None, public),
        OUTSIDERS.answer(name, "nobody", None, outsiders),
        OWNERSHIP.answer(name, "BucketOwnerEnforced", None, ownership),
        TLS.answer(name, "denied", None, denies(is_without_tls)),
        TLS_VERSION.answer(name, "denied", None, denies(is_old_tls)),
    ]
}

/// The names of those of a bucket's four blocks of public access that are off.
pub(in super::super) fn blocks_off(found: &PublicAccessBlockConfiguration) -> Observation<String> {
    off(&[
        ("BlockPublicAcls", found.block_public_acls),
        ("IgnorePublicAcls", found.ignore_public_acls),
        ("BlockPublicPolicy", found.block_public_policy),
        ("RestrictPublicBuckets", found.restrict_public_buckets),
    ])
}

/// The names of settings that are off; one that is not told is unknown.
fn off(settings: &[(&str, Option<bool>)]) -> Observation<String> {
    let mut off = Vec::new();
    for (name, on) in settings {
        match on {
            Some(true) => {}
            Some(false) => off.push(*name),
            None => return Err(Unobserved::because(format!("S3 answered without {name}"))),
        }
    }
    Ok(off.join(", "))
}

/// The account's own block counts too, but it is not this stack's: said, not judged.
fn account_note(account: &Account) -> String {
    let found = match account {
        Err(unobserved) => return format!("of the account not seen ({})", unobserved.reason),
        Ok(None) => return "of the account none".to_owned(),
        Ok(Some(found)) => found,
    };
    // This API says false by saying nothing.
    let on = |setting: Option<bool>| Some(setting.unwrap_or_default());
    let settings = [
        ("BlockPublicAcls", on(found.block_public_acls)),
        ("IgnorePublicAcls", on(found.ignore_public_acls)),
        ("BlockPublicPolicy", on(found.block_public_policy)),
        ("RestrictPublicBuckets", on(found.restrict_public_buckets)),
    ];
    match off(&settings) {
        Ok(off) if off.is_empty() => "of the account all on".to_owned(),
        Ok(off) => format!("of the account off: {off}"),
        Err(unobserved) => unobserved.reason,
    }
}

fn is_without_tls(condition: &Condition) -> bool {
    matches!(condition.operator.as_str(), "Bool" | "BoolIfExists")
        && condition.key == "aws:securetransport"
        && condition.values == ["false"]
}

fn is_old_tls(condition: &Condition) -> bool {
    matches!(
        condition.operator.as_str(),
        "NumericLessThan" | "NumericLessThanIfExists"
    ) && condition.key == "s3:tlsversion"
        && condition
            .values
            .iter()
            .any(|version| version.parse::<f64>().is_ok_and(|version| version >= 1.2))
}

fn logging(context: Context<'_>, picture: &Picture) -> Answer {
    let target = context.located.text(LOGS.output);
    let terraform = target.as_ref().ok().map(|target| (*target).to_owned());
    let found = target.and_then(|target| {
        Ok(match picture.logging.clone()? {
            None => (false, "not logged".to_owned()),
            Some(found) => (
                found.target_bucket == target,
                format!("{}/{}", found.target_bucket, found.target_prefix),
            ),
        })
    });
    LOGGING.answer(&picture.name, "to the log bucket", terraform, found)
}

/// Whether the log bucket's policy lets in what the data buckets send.
pub(super) fn log_delivery(context: Context<'_>, buckets: &Buckets) -> Vec<Answer> {
    let logs = buckets.iter().find(|(kind, _)| *kind == LOGS);
    let Some((_, Ok(logs))) = logs else {
        return Vec::new();
    };
    let account = context.account;
    let each = buckets.iter().filter(|(kind, _)| *kind != LOGS);
    each.filter_map(|(_, picture)| picture.as_ref().ok())
        .map(|picture| {
            let name = picture.name.as_str();
            // What is wrong here already is told once, by the other checks.
            match &picture.region {
                Ok(region) if region == context.wanted.region.as_str() => {}
                Err(unobserved) if !unobserved.absent => {
                    let aws = Err(unobserved.clone());
                    return LOG_DELIVERY.answer(name, "may write", None, aws);
                }
                _ => return LOG_DELIVERY.skipped(name, "the bucket is not there"),
            }
            let target = match &picture.logging {
                Ok(Some(found)) if found.target_bucket == logs.name => found,
                Ok(_) => {
                    return LOG_DELIVERY.skipped(name, "it does not log to the log bucket");
                }
                Err(unobserved) => {
                    let aws = Err(unobserved.clone());
                    return LOG_DELIVERY.answer(name, "may write", None, aws);
                }
            };
            let object = format!("{}/{}x", arn(context, &logs.name), target.target_prefix);
            let source = arn(context, name);
            let found = logs.policy.clone().map(|policy| {
                let may = policy.may_deliver("logging.s3.amazonaws.com", &object, account, &source);
                (
                    may,
                    if may { "may write" } else { "may not write" }.to_owned(),
                )
            });
            LOG_DELIVERY.answer(name, "may write", None, found)
        })
        .collect()
}

/// The replication rule that terraform says a bucket has; `None` without DR.
pub(super) fn rule_id(context: Context<'_>, kind: Kind) -> Observation<Option<&str>> {
    let rules = context.located.value("s3_replication_rule_ids")?;
    match rules.as_object().map(|rules| rules.get(kind.name)) {
        None => Err(Unobserved::because(
            "terraform's output s3_replication_rule_ids is no map",
        )),
        Some(None) => Ok(None),
        Some(Some(id)) => id.as_str().map(Some).ok_or_else(|| {
            Unobserved::because(
                "terraform's output s3_replication_rule_ids has something else than texts",
            )
        }),
    }
}

fn replication(
    context: Context<'_>,
    kind: Kind,
    picture: &Picture,
    alarms: &Observation<Vec<FailureAlarm>>,
) -> [Answer; 2] {
    let name = picture.name.as_str();
    let id = match rule_id(context, kind) {
        Ok(Some(id)) => id,
        Ok(None) => {
            return [&REPLICATION, &REPLICATION_FAILURES]
                .map(|check| check.skipped(name, "terraform says that there is no DR"));
        }
        Err(unobserved) => {
            return [&REPLICATION, &REPLICATION_FAILURES]
                .map(|check| check.answer(name, check.title, None, Err(unobserved.clone())));
        }
    };
    let wanted = context.wanted.replicas.get(name);
    let expected = match wanted {
        Some(wanted) => format!("all objects and deletions to {wanted}, with metrics"),
        None => "all objects and deletions, with metrics".to_owned(),
    };
    let rule = picture.replication.clone().map(|rules| {
        match rules.iter().find(|rule| rule.id.as_deref() == Some(id)) {
            None => (false, format!("no rule {id}")),
            Some(rule) => {
                let flaws = flaws(context, rule, wanted.map(String::as_str));
                let shown = if flaws.is_empty() {
                    "as expected".to_owned()
                } else {
                    flaws.join(", ")
                };
                (flaws.is_empty(), shown)
            }
        }
    });
    let failures = alarms.clone().and_then(|alarms| {
        let none = || Unobserved::absent(format!("no alarm watches {name} for failed replication"));
        let alarm = alarms
            .into_iter()
            .find(|alarm| alarm.is_of(name))
            .ok_or_else(none)?;
        let FailureAlarm { name, state, .. } = alarm;
        match state.as_str() {
            // No requests, no failures: S3 publishes nothing of a bucket to which nothing is written.
            "INSUFFICIENT_DATA" => Err(Unobserved::because(format!(
                "S3 has published nothing of late: {name} has no data"
            ))),
            _ => Ok((state == "OK", format!("{name}: {state}"))),
        }
    });
    [
        REPLICATION.answer(name, expected, Some(id.to_owned()), rule),
        REPLICATION_FAILURES.answer(name, "an alarm, and it is OK", None, failures),
    ]
}

fn flaws(context: Context<'_>, rule: &ReplicationRule, wanted: Option<&str>) -> Vec<String> {
    let mut flaws = Vec::new();
    if rule.status != ReplicationRuleStatus::Enabled {
        flaws.push("disabled".to_owned());
    }
    let filter = rule.filter.as_ref();
    let part = filter.is_some_and(|filter| {
        !filter.prefix.as_deref().unwrap_or_default().is_empty()
            || filter.tag.is_some()
            || filter.and.is_some()
    });
    if part {
        flaws.push("only a part of the bucket".to_owned());
    }
    let markers = rule.delete_marker_replication.as_ref();
    if markers.and_then(|markers| markers.status.as_ref())
        != Some(&DeleteMarkerReplicationStatus::Enabled)
    {
        flaws.push("not deletions".to_owned());
    }
    match &rule.destination {
        None => flaws.push("to nowhere".to_owned()),
        Some(destination) => {
            let bucket = &destination.bucket;
            if wanted.is_some_and(|wanted| *bucket != arn(context, wanted)) {
                flaws.push(format!("to {bucket}"));
            }
            let metrics = destination.metrics.as_ref();
            if metrics.map(|metrics| &metrics.status) != Some(&MetricsStatus::Enabled) {
                flaws.push("without metrics".to_owned());
            }
        }
    }
    flaws
}

/// A bucket's ARN: it names neither region nor account.
fn arn(context: Context<'_>, bucket: &str) -> String {
    format!("arn:{}:s3:::{bucket}", context.wanted.region.partition())
}

#[cfg(test)]
mod tests;
