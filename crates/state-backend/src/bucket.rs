//! State buckets: what is wanted of them, what they are, and how one becomes the other.

use std::collections::BTreeMap;

use aws_env::{Error, ErrorClass, RegionClients};
use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, BucketLifecycleConfiguration, BucketLocationConstraint,
    BucketNamespace, BucketVersioningStatus, CreateBucketConfiguration, DeleteMarkerReplication,
    DeleteMarkerReplicationStatus, Destination, EncryptionConfiguration, ExpirationStatus,
    LifecycleExpiration, LifecycleRule, LifecycleRuleFilter, Metrics, MetricsStatus,
    NoncurrentVersionExpiration, ObjectOwnership, OwnershipControls, OwnershipControlsRule,
    PublicAccessBlockConfiguration, ReplicationConfiguration, ReplicationRule,
    ReplicationRuleFilter, ReplicationRuleStatus, ReplicationTime, ReplicationTimeStatus,
    ReplicationTimeValue, ServerSideEncryption, ServerSideEncryptionByDefault,
    ServerSideEncryptionConfiguration, ServerSideEncryptionRule, SourceSelectionCriteria,
    SseKmsEncryptedObjects, SseKmsEncryptedObjectsStatus, Tag, Tagging, VersioningConfiguration,
};
use serde_json::{Value, json};
use settings::{Encryption, RoleName};

use crate::policy;
use crate::spec::{
    ABORT_UPLOAD_DAYS, Aspect, Facet, Kind, LIFECYCLE_ID, RULE_ID, Resource, Side, Spec,
};

/// The only threshold that S3 offers for replication time control:
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ReplicationTimeValue.html>.
const REPLICATION_MINUTES: i32 = 15;
/// us-east-1 takes no location constraint, every other region requires it:
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html>.
const REGION_WITHOUT_CONSTRAINT: &str = "us-east-1";
/// Names in an account's own namespace end so:
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/gpbucketnamespaces.html>.
const ACCOUNT_NAMESPACE_SUFFIX: &str = "-an";

fn resource(side: &Side) -> Resource {
    Resource {
        kind: Kind::Bucket,
        name: side.bucket.to_string(),
        side: side.name,
        region: side.region,
    }
}

/// What every state bucket has to be; the DR bucket is hardened like the primary one.
pub(crate) fn facets(spec: &Spec, side: &Side) -> Vec<Facet> {
    let wanted = [
        (Aspect::Exists, json!({"region": side.region})),
        (Aspect::Versioning, json!("Enabled")),
        (Aspect::Encryption, encryption(&side.encryption)),
        (Aspect::PublicAccess, public_access(&all_blocked())),
        (
            Aspect::Ownership,
            json!(ObjectOwnership::BucketOwnerEnforced.as_str()),
        ),
        (Aspect::TlsOnly, spec.tls_statement(side)),
        (
            Aspect::NoncurrentExpiry,
            json!({"rule": lifecycle_rule(&expiry_rule(spec)), "conflicting": []}),
        ),
        (Aspect::Tags, json!(spec.tags)),
    ];
    wanted
        .into_iter()
        .map(|(aspect, wanted)| Facet {
            resource: resource(side),
            aspect,
            wanted,
        })
        .collect()
}

/// The replication of the primary bucket, which needs everything else.
pub(crate) fn replication_facet(spec: &Spec, role: &RoleName, dr: &Side) -> Facet {
    Facet {
        resource: resource(&spec.primary),
        aspect: Aspect::Replication,
        wanted: json!({
            "role": spec.role_arn(role),
            "rule": replication_rule(&wanted_rule(spec, dr)),
            "others": [],
        }),
    }
}

// ---- what AWS has, and what is wanted, in one form --------------------------------------------

fn encryption(encryption: &Encryption) -> Value {
    match encryption {
        Encryption::Aes256 => json!({"algorithm": ServerSideEncryption::Aes256.as_str()}),
        Encryption::Kms(key) => {
            json!({"algorithm": ServerSideEncryption::AwsKms.as_str(), "key": key.as_str()})
        }
    }
}

fn all_blocked() -> PublicAccessBlockConfiguration {
    PublicAccessBlockConfiguration::builder()
        .block_public_acls(true)
        .ignore_public_acls(true)
        .block_public_policy(true)
        .restrict_public_buckets(true)
        .build()
}

fn public_access(block: &PublicAccessBlockConfiguration) -> Value {
    json!({
        "blockPublicAcls": block.block_public_acls.unwrap_or_default(),
        "ignorePublicAcls": block.ignore_public_acls.unwrap_or_default(),
        "blockPublicPolicy": block.block_public_policy.unwrap_or_default(),
        "restrictPublicBuckets": block.restrict_public_buckets.unwrap_or_default(),
    })
}

fn noncurrent_days(spec: &Spec) -> i32 {
    i32::try_from(spec.noncurrent_days).unwrap_or(i32::MAX)
}

fn expiry_rule(spec: &Spec) -> Option<LifecycleRule> {
    LifecycleRule::builder()
        .id(LIFECYCLE_ID)
        .status(ExpirationStatus::Enabled)
        .filter(LifecycleRuleFilter::builder().prefix("").build())
        .noncurrent_version_expiration(
            NoncurrentVersionExpiration::builder()
                .noncurrent_days(noncurrent_days(spec))
                .build(),
        )
        .expiration(
            LifecycleExpiration::builder()
                .expired_object_delete_marker(true)
                .build(),
        )
        .abort_incomplete_multipart_upload(
            AbortIncompleteMultipartUpload::builder()
                .days_after_initiation(ABORT_UPLOAD_DAYS)
                .build(),
        )
        .build()
        .ok()
}

fn rule_prefix(rule: &LifecycleRule) -> &str {
    #[expect(
        deprecated,
        reason = "rules written with the first API carry their prefix here"
    )]
    let plain = rule.prefix();
    rule.filter()
        .and_then(LifecycleRuleFilter::prefix)
        .or(plain)
        .unwrap_or_default()
}

fn lifecycle_rule(rule: &Option<LifecycleRule>) -> Value {
    let Some(rule) = rule else { return Value::Null };
    let noncurrent = rule.noncurrent_version_expiration();
    json!({
        "id": rule.id(),
        "status": rule.status().as_str(),
        "prefix": rule_prefix(rule),
        "noncurrentDays": noncurrent.and_then(NoncurrentVersionExpiration::noncurrent_days),
        "newerVersionsKept": noncurrent.and_then(|expiry| expiry.newer_noncurrent_versions()),
        "expireDeleteMarkers": rule.expiration().and_then(|expiry| expiry.expired_object_delete_marker()),
        "abortUploadDays": rule
            .abort_incomplete_multipart_upload()
            .and_then(|abort| abort.days_after_initiation()),
    })
}

/// Whether `rule` removes the state, or its old versions earlier than promised.
fn endangers_state(rule: &LifecycleRule, spec: &Spec) -> bool {
    let covers = rule.status() == &ExpirationStatus::Enabled
        && spec.key.starts_with(rule_prefix(rule))
        && rule.id() != Some(LIFECYCLE_ID);
    let removes_current = rule
        .expiration()
        .is_some_and(|expiry| expiry.days().is_some() || expiry.date().is_some());
    let too_early = rule
        .noncurrent_version_expiration()
        .and_then(NoncurrentVersionExpiration::noncurrent_days)
        .is_some_and(|days| days < noncurrent_days(spec));
    covers && (removes_current || too_early)
}

fn wanted_rule(spec: &Spec, dr: &Side) -> Option<ReplicationRule> {
    let minutes = ReplicationTimeValue::builder()
        .minutes(REPLICATION_MINUTES)
        .build();
    let mut destination = Destination::builder()
        .bucket(spec.bucket_arn(dr))
        .replication_time(
            ReplicationTime::builder()
                .status(ReplicationTimeStatus::Enabled)
                .time(minutes.clone())
                .build()
                .ok()?,
        )
        .metrics(
            Metrics::builder()
                .status(MetricsStatus::Enabled)
                .event_threshold(minutes)
                .build()
                .ok()?,
        );
    let mut rule = ReplicationRule::builder()
        .id(RULE_ID)
        .priority(1)
        .status(ReplicationRuleStatus::Enabled)
        .filter(ReplicationRuleFilter::builder().prefix("").build())
        .delete_marker_replication(
            DeleteMarkerReplication::builder()
                .status(DeleteMarkerReplicationStatus::Enabled)
                .build(),
        );
    if let Encryption::Kms(key) = &dr.encryption {
        destination = destination.encryption_configuration(
            EncryptionConfiguration::builder()
                .replica_kms_key_id(key.as_str())
                .build(),
        );
        rule = rule.source_selection_criteria(
            SourceSelectionCriteria::builder()
                .sse_kms_encrypted_objects(
                    SseKmsEncryptedObjects::builder()
                        .status(SseKmsEncryptedObjectsStatus::Enabled)
                        .build()
                        .ok()?,
                )
                .build(),
        );
    }
    rule.destination(destination.build().ok()?).build().ok()
}

fn replication_rule(rule: &Option<ReplicationRule>) -> Value {
    let Some(rule) = rule else { return Value::Null };
    let target = rule.destination();
    let minutes =
        |time: Option<&ReplicationTimeValue>| time.and_then(ReplicationTimeValue::minutes);
    json!({
        "id": rule.id(),
        "status": rule.status().as_str(),
        "prefix": rule.filter().and_then(ReplicationRuleFilter::prefix).unwrap_or_default(),
        "deleteMarkers": rule
            .delete_marker_replication()
            .and_then(|markers| markers.status())
            .map(DeleteMarkerReplicationStatus::as_str),
        "destination": target.map(Destination::bucket),
        "replicationTimeMinutes": target
            .and_then(Destination::replication_time)
            .filter(|time| time.status() == &ReplicationTimeStatus::Enabled)
            .and_then(|time| minutes(time.time())),
        "metricsMinutes": target
            .and_then(Destination::metrics)
            .filter(|metrics| metrics.status() == &MetricsStatus::Enabled)
            .and_then(|metrics| minutes(metrics.event_threshold())),
        "kmsObjects": rule
            .source_selection_criteria()
            .and_then(SourceSelectionCriteria::sse_kms_encrypted_objects)
            .map(|objects| objects.status().as_str()),
        "replicaKey": target
            .and_then(Destination::encryption_configuration)
            .and_then(EncryptionConfiguration::replica_kms_key_id),
    })
}

fn is_ours(rule: &ReplicationRule, destination: &str) -> bool {
    rule.id() == Some(RULE_ID)
        || rule
            .destination()
            .is_some_and(|target| target.bucket() == destination)
}

// ---- observe ------------------------------------------------------------------------------------

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
        Aspect::NoncurrentExpiry => Ok(lifecycle(clients, bucket).await?.map(|rules| {
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
        Aspect::Replication => {
            let Some(dr) = &spec.dr else { return Ok(None) };
            let destination = spec.bucket_arn(dr);
            Ok(replication(clients, side.bucket.as_str()).await?.map(|config| {
                let ours = config.rules().iter().find(|rule| is_ours(rule, &destination)).cloned();
                let others: Vec<Value> = config
                    .rules()
                    .iter()
                    .filter(|rule| !is_ours(rule, &destination))
                    .map(|rule| json!(rule.id()))
                    .collect();
                json!({"role": config.role(), "rule": replication_rule(&ours), "others": others})
            }))
        }
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
    let mut pages = clients
        .s3
        .list_buckets()
        .prefix(bucket)
        .into_paginator()
        .send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| call.clone().failed(error))?;
        if let Some(ours) = page
            .buckets()
            .iter()
            .find(|ours| ours.name() == Some(bucket))
        {
            return match ours.bucket_region() {
                // In this region and ours, and still denied: nothing more can be said about it.
                Some(region) if region == clients.region.as_str() => Err(error),
                Some(region) => Ok(Some(json!({"region": region}))),
                None => Ok(Some(json!({"region": location(clients, bucket).await?}))),
            };
        }
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

async fn bucket_policy(clients: &RegionClients, bucket: &str) -> Result<Option<Value>, Error> {
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

async fn lifecycle(
    clients: &RegionClients,
    bucket: &str,
) -> Result<Option<Vec<LifecycleRule>>, Error> {
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
    Ok(answer.and_then(|answer| answer.rules))
}

async fn tags(
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

async fn replication(
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

// ---- apply --------------------------------------------------------------------------------------

/// Makes one aspect as wanted, keeping what others have put there: policy statements, lifecycle
/// rules and tags are added to, never replaced as a whole.
pub(crate) async fn apply(
    clients: &RegionClients,
    spec: &Spec,
    facet: &Facet,
) -> Result<(), Error> {
    let bucket = facet.resource.name.as_str();
    let s3 = &clients.s3;
    let side = spec.side(facet.resource.side);
    let call = |operation| clients.call("S3", operation, format!("bucket {bucket}"));
    match facet.aspect {
        Aspect::Exists => {
            let mut request = s3
                .create_bucket()
                .bucket(bucket)
                .object_ownership(ObjectOwnership::BucketOwnerEnforced);
            if side.region.as_str() != REGION_WITHOUT_CONSTRAINT {
                request = request.create_bucket_configuration(
                    CreateBucketConfiguration::builder()
                        .location_constraint(BucketLocationConstraint::from(side.region.as_str()))
                        .build(),
                );
            }
            if bucket.ends_with(ACCOUNT_NAMESPACE_SUFFIX) {
                request = request.bucket_namespace(BucketNamespace::AccountRegional);
            }
            match request.send().await {
                Ok(_) => Ok(()),
                Err(error) => match call("CreateBucket").failed(error) {
                    // An earlier try got through, and only its answer was lost.
                    error if error.is_code("BucketAlreadyOwnedByYou") => Ok(()),
                    error => Err(error),
                },
            }
        }
        Aspect::Versioning => s3
            .put_bucket_versioning()
            .bucket(bucket)
            .versioning_configuration(
                VersioningConfiguration::builder()
                    .status(BucketVersioningStatus::Enabled)
                    .build(),
            )
            .send()
            .await
            .map(drop)
            .map_err(|error| call("PutBucketVersioning").failed(error)),
        Aspect::Encryption => {
            let call = call("PutBucketEncryption");
            let (algorithm, key) = match &side.encryption {
                Encryption::Aes256 => (ServerSideEncryption::Aes256, None),
                Encryption::Kms(key) => (ServerSideEncryption::AwsKms, Some(key.to_string())),
            };
            let default = ServerSideEncryptionByDefault::builder()
                .sse_algorithm(algorithm)
                .set_kms_master_key_id(key);
            let rule = ServerSideEncryptionRule::builder()
                .apply_server_side_encryption_by_default(built(default.build(), &call)?)
                .bucket_key_enabled(false)
                .build();
            let config = ServerSideEncryptionConfiguration::builder().rules(rule);
            s3.put_bucket_encryption()
                .bucket(bucket)
                .server_side_encryption_configuration(built(config.build(), &call)?)
                .send()
                .await
                .map(drop)
                .map_err(|error| call.failed(error))
        }
        Aspect::PublicAccess => s3
            .put_public_access_block()
            .bucket(bucket)
            .public_access_block_configuration(all_blocked())
            .send()
            .await
            .map(drop)
            .map_err(|error| call("PutPublicAccessBlock").failed(error)),
        Aspect::Ownership => {
            let call = call("PutBucketOwnershipControls");
            let rule = OwnershipControlsRule::builder()
                .object_ownership(ObjectOwnership::BucketOwnerEnforced)
                .build();
            let controls = OwnershipControls::builder()
                .rules(built(rule, &call)?)
                .build();
            s3.put_bucket_ownership_controls()
                .bucket(bucket)
                .ownership_controls(built(controls, &call)?)
                .send()
                .await
                .map(drop)
                .map_err(|error| call.failed(error))
        }
        Aspect::TlsOnly => {
            let current = bucket_policy(clients, bucket).await?;
            let merged = policy::with_statement(current, &spec.tls_statement(side));
            s3.put_bucket_policy()
                .bucket(bucket)
                .policy(merged.to_string())
                .send()
                .await
                .map(drop)
                .map_err(|error| call("PutBucketPolicy").failed(error))
        }
        Aspect::NoncurrentExpiry => {
            let call = call("PutBucketLifecycleConfiguration");
            let mut rules = lifecycle(clients, bucket).await?.unwrap_or_default();
            rules.retain(|rule| rule.id() != Some(LIFECYCLE_ID));
            rules.extend(expiry_rule(spec));
            let config = BucketLifecycleConfiguration::builder().set_rules(Some(rules));
            s3.put_bucket_lifecycle_configuration()
                .bucket(bucket)
                .lifecycle_configuration(built(config.build(), &call)?)
                .send()
                .await
                .map(drop)
                .map_err(|error| call.failed(error))
        }
        Aspect::Tags => {
            let call = call("PutBucketTagging");
            let mut merged = tags(clients, bucket).await?.unwrap_or_default();
            merged.extend(spec.tags.clone());
            let tags: Result<Vec<Tag>, _> = merged
                .into_iter()
                .map(|(key, value)| Tag::builder().key(key).value(value).build())
                .collect();
            let tagging = Tagging::builder().set_tag_set(Some(built(tags, &call)?));
            s3.put_bucket_tagging()
                .bucket(bucket)
                .tagging(built(tagging.build(), &call)?)
                .send()
                .await
                .map(drop)
                .map_err(|error| call.failed(error))
        }
        Aspect::Replication => {
            let call = call("PutBucketReplication");
            let (Some(dr), Some(role)) = (&spec.dr, &spec.role) else {
                return Ok(());
            };
            let destination = spec.bucket_arn(dr);
            let mut rules = replication(clients, bucket)
                .await?
                .map(|config| config.rules)
                .unwrap_or_default();
            rules.retain(|rule| !is_ours(rule, &destination));
            rules.extend(wanted_rule(spec, dr));
            let config = ReplicationConfiguration::builder()
                .role(spec.role_arn(role))
                .set_rules(Some(rules));
            s3.put_bucket_replication()
                .bucket(bucket)
                .replication_configuration(built(config.build(), &call)?)
                .send()
                .await
                .map(drop)
                .map_err(|error| call.failed(error))
        }
        other => Err(not_of_a_bucket(clients, bucket, other)),
    }
}

fn not_of_a_bucket(clients: &RegionClients, bucket: &str, aspect: Aspect) -> Error {
    let call = clients.call("S3", "(none)", format!("bucket {bucket}"));
    Error::unexpected(call, format!("a bucket has no {aspect}"))
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

/// The SDK's builders refuse what lacks a required member; everything required is given here.
fn built<T>(
    built: Result<T, aws_sdk_s3::error::BuildError>,
    call: &aws_env::Call,
) -> Result<T, Error> {
    built.map_err(|error| Error::unexpected(call.clone(), error.to_string()))
}
