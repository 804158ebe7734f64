//! Changing buckets, one setting at a time.

use aws_env::{Error, RegionClients};
use aws_sdk_s3::types::{
    BucketLifecycleConfiguration, BucketLocationConstraint, BucketNamespace,
    BucketVersioningStatus, CreateBucketConfiguration, LifecycleRule, LifecycleRuleFilter,
    ObjectOwnership, OwnershipControls, OwnershipControlsRule, ReplicationConfiguration,
    ServerSideEncryption, ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration,
    ServerSideEncryptionRule, Tag, Tagging, VersioningConfiguration,
};
use settings::Encryption;

use super::observe::{bucket_policy, lifecycle, not_of_a_bucket, replication, tags};
use super::wanted::{
    LIFECYCLE_ID, REGION_WITHOUT_CONSTRAINT, all_blocked, expiry_rule, is_ours, our_rule,
    tls_statement,
};
use crate::policy;
use crate::spec::{Aspect, Facet, Spec};

/// Names in an account's own namespace end so:
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/gpbucketnamespaces.html>.
const ACCOUNT_NAMESPACE_SUFFIX: &str = "-an";

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
            let merged = policy::with_statement(current, &tls_statement(spec, side));
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
            let (mut rules, smallest) = lifecycle(clients, bucket).await?.unwrap_or_default();
            rules.retain(|rule| rule.id() != Some(LIFECYCLE_ID));
            rules.iter_mut().for_each(prefix_as_filter);
            rules.extend(expiry_rule(spec));
            let config = BucketLifecycleConfiguration::builder().set_rules(Some(rules));
            s3.put_bucket_lifecycle_configuration()
                .bucket(bucket)
                .lifecycle_configuration(built(config.build(), &call)?)
                .set_transition_default_minimum_object_size(smallest)
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
            let mut rules = replication(clients, bucket)
                .await?
                .map(|config| config.rules)
                .unwrap_or_default();
            rules.retain(|rule| !is_ours(rule));
            let highest = rules.iter().filter_map(|rule| rule.priority()).max();
            let priority = highest.map_or(1, |highest| highest.saturating_add(1));
            rules.extend(our_rule(spec, dr, priority));
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

/// S3 takes no rule of the first kind, with a plain prefix, beside one with a filter.
fn prefix_as_filter(rule: &mut LifecycleRule) {
    #[expect(
        deprecated,
        reason = "rules written with the first API carry their prefix here"
    )]
    let plain = rule.prefix.take();
    if rule.filter.is_none() {
        rule.filter = plain.map(|prefix| LifecycleRuleFilter::builder().prefix(prefix).build());
    }
}

/// The SDK's builders refuse what lacks a required member; everything required is given here.
fn built<T>(
    built: Result<T, aws_sdk_s3::error::BuildError>,
    call: &aws_env::Call,
) -> Result<T, Error> {
    built.map_err(|error| Error::unexpected(call.clone(), error.to_string()))
}
