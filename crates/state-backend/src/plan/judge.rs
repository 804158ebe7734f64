//! What a facet comes to. Nothing is called here.

use report::ShellCommand;
use serde_json::Value;

use super::difference::brief;
use super::{Found, Refusal, RefusalKind, Verdict};
use crate::spec::{Aspect, Facet, Kind, SideName};
use crate::{alarm, policy};

fn refuse(kind: RefusalKind, why: impl Into<String>, fix: impl Into<String>) -> Verdict {
    Verdict::Refused(Refusal {
        kind,
        why: why.into(),
        fix: fix.into(),
    })
}

pub(crate) fn judge(facet: &Facet, found: &Found) -> Verdict {
    let found = match found {
        Found::Unknown(_) => return Verdict::Unknown,
        Found::Absent if facet.resource.kind == Kind::Key => {
            return judge_key(facet, &Value::Null);
        }
        Found::Absent => return Verdict::Missing,
        Found::Value(value) => value,
    };
    let wanted = &facet.wanted;
    let by_equality = |equal: bool| if equal { Verdict::Ok } else { Verdict::Differs };
    match (facet.resource.kind, facet.aspect) {
        (Kind::Bucket, Aspect::Exists) => judge_place(facet, found),
        (Kind::Table, Aspect::Exists) => judge_table(facet, found),
        (Kind::Table, Aspect::NoLocks) if found != wanted => refuse(
            RefusalKind::InTheWay,
            format!(
                "{} has locks of clients that use it still: {}",
                facet.resource,
                brief(found)
            ),
            "lock with both kinds, locking = [\"dynamodb\", \"s3\"], until every client does; `init-backend locks` shows who \
             holds them",
        ),
        (Kind::Role, Aspect::Exists) => judge_trust(facet, found),
        (Kind::Key, _) => judge_key(facet, found),
        (Kind::Alarm, _) if alarm::is_of_another_metric(facet, found) => refuse(
            RefusalKind::InTheWay,
            format!(
                "{} is about {} of {}",
                facet.resource,
                brief(&found["metric"]),
                brief(&found["dimensions"])
            ),
            "rename that alarm: this name is that of the state's replication",
        ),
        (Kind::Alarm, _) => by_equality(alarm::is_as_wanted(facet, found)),
        (Kind::Bucket, Aspect::Encryption) => {
            if strength(found) > strength(wanted) {
                refuse(
                    RefusalKind::Stricter,
                    format!(
                        "{} is encrypted with {found}, more than infra.toml asks for",
                        facet.resource
                    ),
                    "set state.encryption to the mode and the key that are in use (and state.dr.kms)",
                )
            } else {
                // A Bucket Key saves calls of KMS, and is its owner's choice.
                by_equality(contains(found, wanted))
            }
        }
        (Kind::Table, Aspect::Encryption) => by_equality(contains(found, wanted)),
        (_, Aspect::TlsOnly) => by_equality(
            policy::statements(found)
                .into_iter()
                .any(|statement| same_but_sid(statement, wanted)),
        ),
        (_, Aspect::Permissions) => judge_permissions(facet, found),
        (_, Aspect::NoncurrentExpiry) => match found["conflicting"].as_array() {
            Some(rules) if !rules.is_empty() => refuse(
                RefusalKind::InTheWay,
                format!(
                    "lifecycle rules {} expire the state too early",
                    found["conflicting"]
                ),
                "remove these rules, or shorten state.noncurrent_days",
            ),
            _ => by_equality(found["rule"] == wanted["rule"]),
        },
        // One that has it and need not is stricter, and takes replicas of a bucket without it.
        (_, Aspect::ObjectLock) => {
            by_equality(found == wanted || found["primary"] == false || found["dr"] == true)
        }
        (_, Aspect::Replication) => judge_replication(facet, found),
        (_, Aspect::Tags) => by_equality(contains(found, wanted)),
        (_, Aspect::Replica) => by_equality(contains(found, wanted)),
        _ => by_equality(found == wanted),
    }
}

fn judge_place(facet: &Facet, found: &Value) -> Verdict {
    if found.get("owner").is_some() {
        return refuse(
            RefusalKind::TakenBySomebodyElse,
            format!(
                "the name {} belongs to another account",
                facet.resource.name
            ),
            "bucket names are global: choose another in infra.toml, for example with the account id as suffix",
        );
    }
    if found["region"] == facet.wanted["region"] {
        return Verdict::Ok;
    }
    refuse(
        RefusalKind::InAnotherRegion,
        format!(
            "{} is yours, but in {}",
            facet.resource,
            found["region"].as_str().unwrap_or("?")
        ),
        format!(
            "a bucket cannot move: choose another name for {}, or set the region to the bucket's",
            facet.resource.region
        ),
    )
}

fn judge_table(facet: &Facet, found: &Value) -> Verdict {
    let (table, region) = (&facet.resource, facet.resource.region);
    if found["key"] != facet.wanted["key"] {
        return refuse(
            RefusalKind::OtherKeySchema,
            format!(
                "{table} has the key {}, not {}",
                found["key"], facet.wanted["key"]
            ),
            "name another table in infra.toml; this one is not changed",
        );
    }
    if found.get("status").is_some() {
        return Verdict::Differs;
    }
    let replicas = found["replicas"].as_array();
    let with = |other: &Value| replicas.is_some_and(|with| with.contains(other));
    let name = &table.name;
    match &facet.wanted["replicaOf"] {
        Value::Null => match replicas.and_then(|with| with.first()) {
            // The strategy's own DR table may have any name but that of a replica.
            Some(other) if table.side == SideName::Dr => refuse(
                RefusalKind::InTheWay,
                format!(
                    "{table} in {region} is a replica of the one in {}",
                    brief(other)
                ),
                format!(
                    "give [state.dr] a lock_table of another name; or, when no lock is held in either region, take the \
                     replica away: {}",
                    ShellCommand::new("aws dynamodb update-table")
                        .option("--region", brief(other))
                        .option("--table-name", name)
                        .option(
                            "--replica-updates",
                            format!("Delete={{RegionName={region}}}")
                        )
                ),
            ),
            _ => Verdict::Ok,
        },
        primary if with(primary) => Verdict::Ok,
        primary => {
            let of = |operation| {
                ShellCommand::new(operation)
                    .option("--region", region.as_str())
                    .option("--table-name", name)
            };
            refuse(
                RefusalKind::InTheWay,
                format!(
                    "{table} in {region} is a table of its own, and DynamoDB makes no replica of the one in {} over it",
                    brief(primary)
                ),
                format!(
                    "when no lock is held there, delete it: {}; {}; a failover writes the digest rows anew",
                    of("aws dynamodb update-table").words("--no-deletion-protection-enabled"),
                    of("aws dynamodb delete-table"),
                ),
            )
        }
    }
}

/// With a key that cannot encrypt, Terraform could write no state, and S3 no replica.
fn judge_key(facet: &Facet, found: &Value) -> Verdict {
    if found == &facet.wanted {
        return Verdict::Ok;
    }
    let why = match found {
        Value::Null => format!(
            "there is no {} in {}",
            facet.resource, facet.resource.region
        ),
        found => format!("{} is {}", facet.resource, brief(found)),
    };
    refuse(
        RefusalKind::KeyNotUsable,
        why,
        "name a symmetric key that is enabled; keys are not made here, nor enabled or taken back from deletion",
    )
}

/// An inline policy of our name that also serves other buckets is somebody else's.
fn judge_permissions(facet: &Facet, found: &Value) -> Verdict {
    if policy::same(found, &facet.wanted) {
        return Verdict::Ok;
    }
    let ours = policy::resources(&facet.wanted);
    let foreign: Vec<String> = policy::resources(found)
        .into_iter()
        .filter(|resource| !ours.contains(resource))
        .collect();
    if foreign.is_empty() {
        return Verdict::Differs;
    }
    refuse(
        RefusalKind::InTheWay,
        format!("{} also serves {}", facet.resource, foreign.join(", ")),
        "name a role of its own in [state.dr]",
    )
}

fn judge_trust(facet: &Facet, found: &Value) -> Verdict {
    if found["arn"] != facet.wanted["arn"] {
        return refuse(
            RefusalKind::InTheWay,
            format!(
                "{} has the ARN {}: another path or account",
                facet.resource, found["arn"]
            ),
            "name a role of its own in [state.dr]",
        );
    }
    if policy::same(&found["trust"], &facet.wanted["trust"]) {
        return Verdict::Ok;
    }
    let principals = |trust: &Value| -> Vec<Value> {
        let statements = policy::statements(trust).into_iter();
        statements
            .map(|statement| policy::normalise(&statement["Principal"]))
            .collect()
    };
    let ours = principals(&facet.wanted["trust"]);
    let others: Vec<String> = principals(&found["trust"])
        .into_iter()
        .filter(|principal| !ours.contains(principal))
        .map(|principal| principal.to_string())
        .chain(foreign_sources(facet, found))
        .collect();
    if others.is_empty() {
        return Verdict::Differs;
    }
    refuse(
        RefusalKind::InTheWay,
        format!("{} is assumed by {} too", facet.resource, others.join(", ")),
        "name a role of its own in [state.dr]",
    )
}

/// Buckets other than ours that a role's trust names: S3 replicates those with it.
fn foreign_sources(facet: &Facet, found: &Value) -> Vec<String> {
    let source = |trust: &Value| -> Vec<Value> {
        let conditions = policy::statements(trust)
            .into_iter()
            .filter_map(|s| s["Condition"].as_object());
        conditions
            .flat_map(|condition| condition.values())
            .filter_map(|operator| operator.get("aws:SourceArn"))
            .map(policy::normalise)
            .collect()
    };
    let ours = source(&facet.wanted["trust"]);
    source(&found["trust"])
        .into_iter()
        .filter(|source| !ours.contains(source))
        .map(|source| format!("S3 for {source}"))
        .collect()
}

fn judge_replication(facet: &Facet, found: &Value) -> Verdict {
    let wanted = &facet.wanted;
    let others = found["others"]
        .as_array()
        .is_some_and(|others| !others.is_empty());
    if others && found["role"] != wanted["role"] {
        return refuse(
            RefusalKind::InTheWay,
            format!(
                "{} has replication rules {} with the role {}",
                facet.resource, found["others"], found["role"]
            ),
            "all rules of a bucket share one role: take these rules away, or give the state a bucket of its own",
        );
    }
    if found["rule"] == wanted["rule"] && found["role"] == wanted["role"] {
        Verdict::Ok
    } else {
        Verdict::Differs
    }
}

/// S3's encryption modes, weakest first.
fn strength(encryption: &Value) -> u8 {
    match encryption["algorithm"].as_str() {
        Some("aws:kms:dsse") => 3,
        Some("aws:kms") => 2,
        Some("AES256") => 1,
        _ => 0,
    }
}

/// Whether every entry of the object `part` is in `whole`.
fn contains(whole: &Value, part: &Value) -> bool {
    part.as_object().is_some_and(|part| {
        part.iter()
            .all(|(key, value)| whole.get(key) == Some(value))
    })
}

fn same_but_sid(a: &Value, b: &Value) -> bool {
    let without = |value: &Value| {
        let mut value = value.clone();
        if let Some(map) = value.as_object_mut() {
            map.remove("Sid");
        }
        value
    };
    policy::same(&without(a), &without(b))
}
