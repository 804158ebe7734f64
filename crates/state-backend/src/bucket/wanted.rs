//! What is wanted of buckets, and the form in which it is compared with what they are.

use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, DeleteMarkerReplication, DeleteMarkerReplicationStatus,
    Destination, EncryptionConfiguration, ExpirationStatus, LifecycleExpiration, LifecycleRule,
    LifecycleRuleFilter, Metrics, MetricsStatus, NoncurrentVersionExpiration, ObjectOwnership,
    PublicAccessBlockConfiguration, ReplicationRule, ReplicationRuleFilter, ReplicationRuleStatus,
    ReplicationTime, ReplicationTimeStatus, ReplicationTimeValue, ServerSideEncryption,
    SourceSelectionCriteria, SseKmsEncryptedObjects, SseKmsEncryptedObjectsStatus,
    TransitionStorageClass,
};
use serde_json::{Value, json};
use settings::{Encryption, RoleName};

use crate::spec::{Aspect, Facet, Kind, Resource, Side, Spec};

/// The lifecycle rule that expires old versions of the state.
pub(super) const LIFECYCLE_ID: &str = "expire-noncurrent-state";
/// The statement that refuses requests without TLS.
const TLS_SID: &str = "DenyInsecureTransport";
/// Days after which an upload that was never completed is removed.
const ABORT_UPLOAD_DAYS: i32 = 7;

/// The only threshold that S3 offers for replication time control:
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ReplicationTimeValue.html>.
const REPLICATION_MINUTES: i32 = 15;
/// us-east-1 takes no location constraint, every other region requires it:
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html>.
pub(super) const REGION_WITHOUT_CONSTRAINT: &str = "us-east-1";

fn resource(side: &Side) -> Resource {
    Resource {
        kind: Kind::Bucket,
        name: side.bucket.to_string(),
        side: side.name,
        region: side.region,
    }
}

/// What every state bucket has to be; the DR bucket is hardened like the primary one.
pub(crate) fn wanted(spec: &Spec, side: &Side) -> Vec<Facet> {
    let wanted = [
        (Aspect::Exists, json!({"region": side.region})),
        (Aspect::Versioning, json!("Enabled")),
        (Aspect::Encryption, encryption(&side.encryption)),
        (Aspect::PublicAccess, public_access(&all_blocked())),
        (
            Aspect::Ownership,
            json!(ObjectOwnership::BucketOwnerEnforced.as_str()),
        ),
        (Aspect::TlsOnly, tls_statement(spec, side)),
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

/// That the DR bucket has Object Lock if the primary one has: S3 replicates nothing of a bucket with it to one without
/// (DstBucketObjectLockConfigMissing,
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-managing.html#object-lock-managing-replication>).
pub(crate) fn wanted_object_lock(spec: &Spec, dr: &Side) -> Facet {
    Facet {
        resource: resource(dr),
        aspect: Aspect::ObjectLock,
        wanted: json!({"as": spec.primary.bucket}),
    }
}

/// The replication of the primary bucket, which needs everything else.
pub(crate) fn wanted_replication(spec: &Spec, role: &RoleName, dr: &Side) -> Facet {
    Facet {
        resource: resource(&spec.primary),
        aspect: Aspect::Replication,
        wanted: json!({
            "role": spec.role_arn(role),
            "rule": replication_rule(&our_rule(spec, dr, 1)),
            "others": [],
        }),
    }
}

fn encryption(encryption: &Encryption) -> Value {
    let algorithm = algorithm(encryption).as_str().to_owned();
    match encryption.kms_key() {
        None => json!({"algorithm": algorithm}),
        Some(key) => json!({"algorithm": algorithm, "key": key.as_str()}),
    }
}

pub(super) fn algorithm(encryption: &Encryption) -> ServerSideEncryption {
    match encryption {
        Encryption::Aes256 => ServerSideEncryption::Aes256,
        Encryption::Kms(_) => ServerSideEncryption::AwsKms,
        Encryption::Dsse(_) => ServerSideEncryption::AwsKmsDsse,
    }
}

/// The bucket policy statement that refuses plain HTTP.
pub(super) fn tls_statement(spec: &Spec, side: &Side) -> Value {
    let bucket = spec.bucket_arn(side);
    json!({
        "Sid": TLS_SID,
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [bucket, format!("{bucket}/*")],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    })
}

pub(super) fn all_blocked() -> PublicAccessBlockConfiguration {
    PublicAccessBlockConfiguration::builder()
        .block_public_acls(true)
        .ignore_public_acls(true)
        .block_public_policy(true)
        .restrict_public_buckets(true)
        .build()
}

pub(super) fn public_access(block: &PublicAccessBlockConfiguration) -> Value {
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

pub(super) fn expiry_rule(spec: &Spec) -> Option<LifecycleRule> {
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

pub(super) fn rule_prefix(rule: &LifecycleRule) -> &str {
    #[expect(
        deprecated,
        reason = "rules written with the first API carry their prefix here"
    )]
    let plain = rule.prefix();
    let filter = rule.filter();
    filter
        .and_then(LifecycleRuleFilter::prefix)
        .or(filter.and_then(|filter| filter.and()?.prefix()))
        .or(plain)
        .unwrap_or_default()
}

pub(super) fn lifecycle_rule(rule: &Option<LifecycleRule>) -> Value {
    let Some(rule) = rule else { return Value::Null };
    let noncurrent = rule.noncurrent_version_expiration();
    json!({
        "id": rule.id(),
        "status": rule.status().as_str(),
        "prefix": rule_prefix(rule),
        "otherFilters": rule.filter().is_some_and(|filter| {
            filter.tag().is_some()
                || filter.and().is_some()
                || filter.object_size_greater_than().is_some()
                || filter.object_size_less_than().is_some()
        }),
        "noncurrentDays": noncurrent.and_then(NoncurrentVersionExpiration::noncurrent_days),
        "newerVersionsKept": noncurrent.and_then(|expiry| expiry.newer_noncurrent_versions()),
        "expireDeleteMarkers": rule.expiration().and_then(|expiry| expiry.expired_object_delete_marker()),
        "abortUploadDays": rule
            .abort_incomplete_multipart_upload()
            .and_then(|abort| abort.days_after_initiation()),
    })
}

/// Whether `rule` removes or archives what its prefix covers, or removes old versions earlier than promised. A rule for a
/// tag never meets a state: Terraform tags none.
pub(super) fn is_dangerous(rule: &LifecycleRule, spec: &Spec) -> bool {
    let of_a_tag = rule.filter().is_some_and(|filter| {
        filter.tag().is_some() || filter.and().is_some_and(|and| !and.tags().is_empty())
    });
    let applies =
        rule.status() == &ExpirationStatus::Enabled && rule.id() != Some(LIFECYCLE_ID) && !of_a_tag;
    let removes_current = rule
        .expiration()
        .is_some_and(|expiry| expiry.days().is_some() || expiry.date().is_some());
    let too_early = rule
        .noncurrent_version_expiration()
        .and_then(NoncurrentVersionExpiration::noncurrent_days)
        .is_some_and(|days| days < noncurrent_days(spec));
    let frozen = |class: Option<&TransitionStorageClass>| {
        matches!(
            class,
            Some(TransitionStorageClass::Glacier | TransitionStorageClass::DeepArchive)
        )
    };
    // Terraform cannot read an archived state, and S3 replicates none.
    let archives = rule
        .transitions()
        .iter()
        .any(|to| frozen(to.storage_class()))
        || rule
            .noncurrent_version_transitions()
            .iter()
            .any(|to| frozen(to.storage_class()));
    applies && (removes_current || too_early || archives)
}

/// Whether a rule of this prefix covers a state of the settings, or one of a workspace, whose names nobody knows
/// beforehand.
pub(super) fn covers_state(prefix: &str, spec: &Spec) -> bool {
    let workspaces = format!("{}/", spec.states.workspace_key_prefix());
    spec.states.named().any(|key| key.starts_with(prefix))
        || workspaces.starts_with(prefix)
        || prefix.starts_with(&workspaces)
}

/// The rules of others with ours above them all, so that none of theirs decides for the state.
pub(super) fn with_our_rule(
    mut rules: Vec<ReplicationRule>,
    spec: &Spec,
    dr: &Side,
) -> Vec<ReplicationRule> {
    rules.retain(|rule| !is_ours(rule, spec));
    for (rule, priority) in rules.iter_mut().zip(1..) {
        as_second_version(rule, priority);
    }
    let highest = rules.iter().filter_map(ReplicationRule::priority).max();
    let priority = highest.map_or(1, |highest| highest.saturating_add(1));
    rules.extend(our_rule(spec, dr, priority));
    rules
}

/// S3 takes no replication rule of the first version, which has a plain prefix and no priority, beside one with a filter.
/// The first version replicates delete markers unasked, the second does when it is told to:
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-add-config.html#replication-backward-compat-considerations>.
fn as_second_version(rule: &mut ReplicationRule, priority: i32) {
    if rule.filter.is_some() {
        return;
    }
    #[expect(
        deprecated,
        reason = "rules written with the first version carry their prefix here"
    )]
    let prefix = rule.prefix.take().unwrap_or_default();
    rule.filter = Some(ReplicationRuleFilter::builder().prefix(prefix).build());
    rule.priority.get_or_insert(priority);
    rule.delete_marker_replication.get_or_insert(
        DeleteMarkerReplication::builder()
            .status(DeleteMarkerReplicationStatus::Enabled)
            .build(),
    );
}

/// Our replication rule, with a priority that no other one has, as S3 requires.
fn our_rule(spec: &Spec, dr: &Side, priority: i32) -> Option<ReplicationRule> {
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
        .id(spec.rule_id())
        .priority(priority)
        .status(ReplicationRuleStatus::Enabled)
        .filter(ReplicationRuleFilter::builder().prefix("").build())
        .delete_marker_replication(
            DeleteMarkerReplication::builder()
                .status(DeleteMarkerReplicationStatus::Enabled)
                .build(),
        );
    if let Some(key) = dr.encryption.kms_key() {
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

pub(super) fn replication_rule(rule: &Option<ReplicationRule>) -> Value {
    let Some(rule) = rule else { return Value::Null };
    let target = rule.destination();
    let minutes =
        |time: Option<&ReplicationTimeValue>| time.and_then(ReplicationTimeValue::minutes);
    json!({
        "id": rule.id(),
        "status": rule.status().as_str(),
        "prefix": rule.filter().and_then(ReplicationRuleFilter::prefix).unwrap_or_default(),
        "otherFilters": rule
            .filter()
            .is_some_and(|filter| filter.tag().is_some() || filter.and().is_some()),
        "storageClass": target.and_then(Destination::storage_class).map(|class| class.as_str()),
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

pub(super) fn is_ours(rule: &ReplicationRule, spec: &Spec) -> bool {
    rule.id() == Some(spec.rule_id())
}

#[cfg(test)]
mod tests;
