//! Reading buckets; nothing here changes one.

use std::collections::BTreeMap;

use aws_env::{Error, ErrorClass, RegionClients, pages};
use aws_sdk_s3::types::{
    LifecycleRule, ReplicationConfiguration, TransitionDefaultMinimumObjectSize,
};
use serde_json::{Value, json};

use super::wanted::{
    LIFECYCLE_ID, REGION_WITHOUT_CONSTRAINT, endangers_state, is_ours, lifecycle_rule,
    public_access, replication_rule,
};
use crate::spec::{Aspect, Facet, Spec};

/// The value of one aspect of a bucket; `None` when it is not set, or the bucket does not exist.
pub(crate) async fn observe(
    clients: &RegionClients,
    spec: &Spec,
    facet: &Facet,
) -> Result<Option<Value>, Error> {
    let bucket = facet.resource.name.as_str();
    let s3 = &clients.s3;
    let side = spec.side(facet.resource.side);
    let call = |operation| clients.call("S3", operation, format!("bucket {bucket}"));
    match facet.aspect {
        Aspect::Exists => locate(clients, spec, bucket).await,
        Aspect::Versioning => {
            let call = call("GetBucketVersioning");
            let answer = optional(s3.get_bucket_versioning().bucket(bucket).send().await, call)?;
            Ok(answer
                .and_then(|versioning| versioning.status)
                .map(|status| json!(status.as_str())))
        }
        Aspect::Encryption => {
            let call = call("GetBucketEncryption");
            let answer = optional(s3.get_bucket_encryption().bucket(bucket).send().await, call)?;
            Ok(answer.and_then(|answer| {
                let rule = answer
                    .server_side_encryption_configuration?
                    .rules
                    .into_iter()
                    .next()?;
                let default = rule.apply_server_side_encryption_by_default?;
                let mut found = json!({"algorithm": default.sse_algorithm.as_str()});
                if let Some(key) = default.kms_master_key_id {
                    found["key"] = json!(key);
                    if rule.bucket_key_enabled == Some(true) {
                        found["bucketKey"] = json!(true);
                    }
                }
                Some(found)
            }))
        }
        Aspect::PublicAccess => {
            let call = call("GetPublicAccessBlock");
            let answer = optional(
                s3.get_public_access_block().bucket(bucket).send().await,
                call,
            )?;
            Ok(answer
                .and_then(|answer| answer.public_access_block_configuration)
                .map(|block| public_access(&block)))
        }
        Aspect::Ownership => {
            let call = call("GetBucketOwnershipControls");
            let answer = optional(
                s3.get_bucket_ownership_controls()
                    .bucket(bucket)
                    .send()
                    .await,
                call,
            )?;
            Ok(answer
                .and_then(|answer| answer.ownership_controls)
                .and_then(|controls| controls.rules.into_iter().next())
                .map(|rule| json!(rule.object_ownership.as_str())))
        }
        Aspect::TlsOnly => bucket_policy(clients, bucket).await,
        Aspect::NoncurrentExpiry => Ok(lifecycle(clients, bucket).await?.map(|(rules, _)| {
            let ours = rules
                .iter()
                .find(|rule| rule.id() == Some(LIFECYCLE_ID))
                .cloned();
            let conflicting: Vec<&str> = rules
                .iter()
                .filter(|rule| endangers_state(rule, spec))
                .map(|rule| rule.id().unwrap_or("(without id)"))
                .collect();
            json!({"rule": lifecycle_rule(&ours), "conflicting": conflicting})
        })),
        Aspect::Tags => Ok(tags(clients, bucket).await?.map(|tags| json!(tags))),
        Aspect::Replication => Ok(replication(clients, side.bucket.as_str()).await?.map(
            |config| {
                let ours = config.rules().iter().find(|rule| is_ours(rule)).cloned();
                let others: Vec<Value> = config
                    .rules()
                    .iter()
                    .filter(|rule| !is_ours(rule))
                    .map(|rule| json!(rule.id()))
                    .collect();
                json!({"role": config.role(), "rule": replication_rule(&ours), "others": others})
            },
        )),
        other => Err(not_of_a_bucket(clients, bucket, other)),
    }
}

/// Where the bucket is and whose, without changing anything: HeadBucket first, then the list of
/// our own buckets, since HeadBucket answers for everybody's.
async fn locate(
    clients: &RegionClients,
    spec: &Spec,
    bucket: &str,
) -> Result<Option<Value>, Error> {
    let call = clients.call("S3", "HeadBucket", format!("bucket {bucket}"));
    let head = clients
        .s3
        .head_bucket()
        .bucket(bucket)
        .expected_bucket_owner(&spec.account)
        .send()
        .await;
    let error = match head {
        Ok(head) => {
            let region = head
                .bucket_region
                .unwrap_or_else(|| clients.region.as_str().to_owned());
            return Ok(Some(json!({"region": region})));
        }
        Err(error) => call.failed(error),
    };
    match (error.class, error.status) {
        (ErrorClass::Absent, _) => return Ok(None),
        (ErrorClass::Denied, _) | (_, Some(301 | 307 | 400)) => {}
        _ => return Err(error),
    }
    let call = clients.call("S3", "ListBuckets", "this account");
    let list = clients.s3.list_buckets().prefix(bucket);
    let listed = pages(call, list.into_paginator().send()).await?;
    let ours = listed
        .iter()
        .flat_map(|page| page.buckets())
        .find(|ours| ours.name() == Some(bucket));
    if let Some(ours) = ours {
        return match ours.bucket_region() {
            // In this region and ours, and still denied: nothing more can be said about it.
            Some(region) if region == clients.region.as_str() => Err(error),
            Some(region) => Ok(Some(json!({"region": region}))),
            None => Ok(Some(json!({"region": location(clients, bucket).await?}))),
        };
    }
    Ok(Some(json!({"owner": "another account"})))
}

async fn location(clients: &RegionClients, bucket: &str) -> Result<String, Error> {
    let call = clients.call("S3", "GetBucketLocation", format!("bucket {bucket}"));
    let answer = clients
        .s3
        .get_bucket_location()
        .bucket(bucket)
        .send()
        .await
        .map_err(|error| call.failed(error))?;
    Ok(match answer.location_constraint {
        None => REGION_WITHOUT_CONSTRAINT.to_owned(),
        Some(constraint) if constraint.as_str().is_empty() => REGION_WITHOUT_CONSTRAINT.to_owned(),
        Some(constraint) => constraint.as_str().to_owned(),
    })
}

pub(super) async fn bucket_policy(
    clients: &RegionClients,
    bucket: &str,
) -> Result<Option<Value>, Error> {
    let call = clients.call("S3", "GetBucketPolicy", format!("bucket {bucket}"));
    let answer = optional(
        clients.s3.get_bucket_policy().bucket(bucket).send().await,
        call.clone(),
    )?;
    answer
        .and_then(|answer| answer.policy)
        .map(|text| {
            serde_json::from_str(&text).map_err(|error| {
                Error::unexpected(call, format!("the policy is not JSON: {error}"))
            })
        })
        .transpose()
}

/// The rules, and the smallest size that transitions apply to, which a PUT would reset.
pub(super) async fn lifecycle(
    clients: &RegionClients,
    bucket: &str,
) -> Result<
    Option<(
        Vec<LifecycleRule>,
        Option<TransitionDefaultMinimumObjectSize>,
    )>,
    Error,
> {
    let call = clients.call(
        "S3",
        "GetBucketLifecycleConfiguration",
        format!("bucket {bucket}"),
    );
    let answer = optional(
        clients
            .s3
            .get_bucket_lifecycle_configuration()
            .bucket(bucket)
            .send()
            .await,
        call,
    )?;
    Ok(answer.map(|answer| {
        (
            answer.rules.unwrap_or_default(),
            answer.transition_default_minimum_object_size,
        )
    }))
}

pub(super) async fn tags(
    clients: &RegionClients,
    bucket: &str,
) -> Result<Option<BTreeMap<String, String>>, Error> {
    let call = clients.call("S3", "GetBucketTagging", format!("bucket {bucket}"));
    let answer = optional(
        clients.s3.get_bucket_tagging().bucket(bucket).send().await,
        call,
    )?;
    Ok(answer.map(|answer| {
        answer
            .tag_set
            .into_iter()
            .map(|tag| (tag.key, tag.value))
            .collect()
    }))
}

pub(super) async fn replication(
    clients: &RegionClients,
    bucket: &str,
) -> Result<Option<ReplicationConfiguration>, Error> {
    let call = clients.call("S3", "GetBucketReplication", format!("bucket {bucket}"));
    let answer = optional(
        clients
            .s3
            .get_bucket_replication()
            .bucket(bucket)
            .send()
            .await,
        call,
    )?;
    Ok(answer.and_then(|answer| answer.replication_configuration))
}

/// `None` where AWS answers that the setting, or the bucket, is not there.
fn optional<T, E>(
    answer: Result<T, aws_sdk_s3::error::SdkError<E>>,
    call: aws_env::Call,
) -> Result<Option<T>, Error>
where
    E: aws_sdk_s3::error::ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    match answer.map_err(|error| call.failed(error)) {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.class == ErrorClass::Absent => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) fn not_of_a_bucket(clients: &RegionClients, bucket: &str, aspect: Aspect) -> Error {
    let call = clients.call("S3", "(none)", format!("bucket {bucket}"));
    Error::unexpected(call, format!("a bucket has no {aspect}"))
}
