//! The role that S3 replicates with, and the one that it takes on for jobs of S3 Batch Replication.

use std::collections::BTreeMap;

use aws_env::{Call, Error, ErrorClass, GlobalClients, pages};
use aws_sdk_iam::types::Tag;
use serde_json::{Value, json};
use settings::RoleName;

use crate::backfill::report_folder;
use crate::spec::{Aspect, Facet, Kind, Resource, Side, SideName, Spec};

/// The inline policy of these roles; the guide's name for that of the replication role.
const ROLE_POLICY: &str = "ReplicationPolicy";
/// What runs the jobs of S3 Batch Operations.
pub(crate) const BATCH_SERVICE: &str = "batchoperations.s3.amazonaws.com";

/// What the replication role has to be.
pub(crate) fn wanted(spec: &Spec, role: &RoleName, dr: &Side) -> Vec<Facet> {
    facets(spec, role, trust_policy(spec), permissions(spec, dr))
}

/// What the role for jobs of S3 Batch Replication has to be.
pub(crate) fn wanted_of_batch(spec: &Spec, role: &RoleName) -> Vec<Facet> {
    facets(spec, role, batch_trust_policy(), batch_permissions(spec))
}

fn facets(spec: &Spec, role: &RoleName, trust: Value, permissions: Value) -> Vec<Facet> {
    let resource = Resource {
        kind: Kind::Role,
        name: role.to_string(),
        side: SideName::Primary,
        region: aws_env::iam_region(spec.primary.region),
    };
    [
        (
            Aspect::Exists,
            json!({"arn": spec.role_arn(role), "trust": trust}),
        ),
        (Aspect::Permissions, permissions),
        (Aspect::Tags, json!(spec.tags)),
    ]
    .into_iter()
    .map(|(aspect, wanted)| Facet {
        resource: resource.clone(),
        aspect,
        wanted,
    })
    .collect()
}

/// Who may assume the replication role: S3, on behalf of this bucket of this account only
/// (the [confused deputy](https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html) guard).
fn trust_policy(spec: &Spec) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Sid": "S3ReplicatesTheStateBucket",
            "Effect": "Allow",
            "Principal": {"Service": "s3.amazonaws.com"},
            "Action": "sts:AssumeRole",
            "Condition": {
                "StringEquals": {"aws:SourceAccount": spec.account},
                "ArnLike": {"aws:SourceArn": spec.bucket_arn(&spec.primary)},
            },
        }],
    })
}

/// What the replication role may do, no more: see
/// [replication permissions](https://docs.aws.amazon.com/AmazonS3/latest/userguide/setting-repl-config-perm-overview.html).
fn permissions(spec: &Spec, dr: &Side) -> Value {
    let source = spec.bucket_arn(&spec.primary);
    let target = spec.bucket_arn(dr);
    let mut statements = vec![
        json!({
            "Sid": "ReadConfiguration",
            "Effect": "Allow",
            "Action": ["s3:GetReplicationConfiguration", "s3:ListBucket"],
            "Resource": source,
        }),
        json!({
            "Sid": "ReadVersions",
            "Effect": "Allow",
            "Action": [
                "s3:GetObjectVersionForReplication",
                "s3:GetObjectVersionAcl",
                "s3:GetObjectVersionTagging",
            ],
            "Resource": format!("{source}/*"),
        }),
        json!({
            "Sid": "WriteReplicas",
            "Effect": "Allow",
            "Action": ["s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags"],
            "Resource": format!("{target}/*"),
        }),
    ];
    let grants = [
        ("DecryptSource", "kms:Decrypt", &spec.primary, source),
        ("EncryptReplicas", "kms:Encrypt", dr, target),
    ];
    for (sid, action, side, bucket) in grants {
        if let Some(key) = side.encryption.kms_key() {
            statements.push(json!({
                "Sid": sid,
                "Effect": "Allow",
                "Action": [action],
                "Resource": key.as_str(),
                "Condition": {"StringLike": {
                    "kms:ViaService": format!("s3.{}.{}", side.region, side.region.dns_suffix()),
                    // With an S3 Bucket Key the context names the bucket, without one the object:
                    // https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-key.html
                    "kms:EncryptionContext:aws:s3:arn": [bucket, format!("{bucket}/*")],
                }},
            }));
        }
    }
    json!({"Version": "2012-10-17", "Statement": statements})
}

/// Who may assume the role of jobs: S3 Batch Operations. Which of its jobs may name the role, `iam:PassRole` decides, in
/// this account alone; AWS documents no condition for it:
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-batch-replication-policies.html>.
fn batch_trust_policy() -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Sid": "S3RunsBatchJobs",
            "Effect": "Allow",
            "Principal": {"Service": BATCH_SERVICE},
            "Action": "sts:AssumeRole",
        }],
    })
}

/// What a job of S3 Batch Replication may do whose manifest S3 makes, and whose report lies in the primary bucket: the
/// objects themselves are read and written with the replication role.
fn batch_permissions(spec: &Spec) -> Value {
    let source = spec.bucket_arn(&spec.primary);
    let report = format!("{source}/{}/*", report_folder());
    let mut statements = vec![
        json!({
            "Sid": "StartReplication",
            "Effect": "Allow",
            "Action": "s3:InitiateReplication",
            "Resource": format!("{source}/*"),
        }),
        json!({
            "Sid": "MakeManifest",
            "Effect": "Allow",
            "Action": ["s3:GetReplicationConfiguration", "s3:PutInventoryConfiguration"],
            "Resource": source,
        }),
        json!({
            "Sid": "WriteReport",
            "Effect": "Allow",
            "Action": "s3:PutObject",
            "Resource": report,
        }),
    ];
    if let Some(key) = spec.primary.encryption.kms_key() {
        let region = spec.primary.region;
        statements.push(json!({
            "Sid": "EncryptReport",
            "Effect": "Allow",
            "Action": "kms:GenerateDataKey",
            "Resource": key.as_str(),
            "Condition": {"StringLike": {
                "kms:ViaService": format!("s3.{region}.{}", region.dns_suffix()),
                "kms:EncryptionContext:aws:s3:arn": [source, report],
            }},
        }));
    }
    json!({"Version": "2012-10-17", "Statement": statements})
}

/// The value of one aspect of a role; `None` when it is not set, or the role does not exist.
pub(crate) async fn observe(
    clients: &GlobalClients,
    facet: &Facet,
) -> Result<Option<Value>, Error> {
    let role = facet.resource.name.as_str();
    let call = |operation| clients.iam_call(operation, format!("role {role}"));
    match facet.aspect {
        Aspect::Exists => {
            let call = call("GetRole");
            let answer = match clients.iam.get_role().role_name(role).send().await {
                Ok(answer) => answer,
                Err(error) => return absent(call.failed(error)),
            };
            let Some(found) = answer.role else {
                return Ok(None);
            };
            let trust = decode(found.assume_role_policy_document.as_deref(), call)?;
            Ok(Some(json!({"arn": found.arn, "trust": trust})))
        }
        Aspect::Permissions => {
            let call = call("GetRolePolicy");
            let request = clients
                .iam
                .get_role_policy()
                .role_name(role)
                .policy_name(ROLE_POLICY);
            match request.send().await {
                Ok(answer) => decode(Some(&answer.policy_document), call).map(Some),
                Err(error) => absent(call.failed(error)),
            }
        }
        Aspect::Tags => {
            let list = clients.iam.list_role_tags().role_name(role);
            match pages(call("ListRoleTags"), list.into_paginator().items().send()).await {
                Ok(tags) => {
                    let tags = tags.into_iter().map(|tag| (tag.key, tag.value));
                    Ok(Some(json!(tags.collect::<BTreeMap<_, _>>())))
                }
                Err(error) => absent(error),
            }
        }
        other => Err(Error::unexpected(
            call("(none)"),
            format!("a role has no {other}"),
        )),
    }
}

fn absent(error: Error) -> Result<Option<Value>, Error> {
    if error.class == ErrorClass::Absent {
        Ok(None)
    } else {
        Err(error)
    }
}

/// IAM answers policy documents URL-encoded (RFC 3986).
pub(crate) fn decode(document: Option<&str>, call: Call) -> Result<Value, Error> {
    let encoded = document.unwrap_or_default();
    let text = percent_encoding::percent_decode_str(encoded).decode_utf8_lossy();
    serde_json::from_str(&text)
        .map_err(|error| Error::unexpected(call, format!("the policy is not JSON: {error}")))
}

/// Makes one aspect as wanted; other inline policies and tags of the role are left alone.
pub(crate) async fn apply(
    clients: &GlobalClients,
    spec: &Spec,
    facet: &Facet,
    exists: bool,
) -> Result<(), Error> {
    let role = facet.resource.name.as_str();
    let (iam, trust) = (&clients.iam, &facet.wanted["trust"]);
    let call = |operation| clients.iam_call(operation, format!("role {role}"));
    match facet.aspect {
        Aspect::Exists if exists => iam
            .update_assume_role_policy()
            .role_name(role)
            .policy_document(trust.to_string())
            .send()
            .await
            .map(drop)
            .map_err(|error| call("UpdateAssumeRolePolicy").failed(error)),
        Aspect::Exists => create(clients, spec, role, trust, call("CreateRole")).await,
        Aspect::Permissions => iam
            .put_role_policy()
            .role_name(role)
            .policy_name(ROLE_POLICY)
            .policy_document(facet.wanted.to_string())
            .send()
            .await
            .map(drop)
            .map_err(|error| call("PutRolePolicy").failed(error)),
        Aspect::Tags => {
            let call = call("TagRole");
            iam.tag_role()
                .role_name(role)
                .set_tags(Some(tags(spec, &call)?))
                .send()
                .await
                .map(drop)
                .map_err(|error| call.failed(error))
        }
        other => Err(Error::unexpected(
            call("(none)"),
            format!("a role has no {other}"),
        )),
    }
}

async fn create(
    clients: &GlobalClients,
    spec: &Spec,
    role: &str,
    trust: &Value,
    call: Call,
) -> Result<(), Error> {
    let is_for_batch = spec
        .batch_role
        .as_ref()
        .is_some_and(|batch| batch.as_str() == role);
    let description = match is_for_batch {
        true => "S3 runs jobs of Batch Replication for the Terraform state with this role",
        false => "S3 replicates the Terraform state to the DR region with this role",
    };
    let request = clients
        .iam
        .create_role()
        .role_name(role)
        .description(description)
        .assume_role_policy_document(trust.to_string())
        .set_tags(Some(tags(spec, &call)?));
    match request.send().await {
        Ok(_) => Ok(()),
        Err(error) => match call.failed(error) {
            // An earlier try got through; what it made is read back.
            error if error.is_code("EntityAlreadyExists") => Ok(()),
            error => Err(error),
        },
    }
}

fn tags(spec: &Spec, call: &Call) -> Result<Vec<Tag>, Error> {
    spec.tags
        .iter()
        .map(|(key, value)| Tag::builder().key(key).value(value).build())
        .collect::<Result<_, _>>()
        .map_err(|error| Error::unexpected(call.clone(), error.to_string()))
}
