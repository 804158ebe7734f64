//! Changing buckets, one setting at a time.

use std::collections::BTreeMap;

use aws_env::{Call, Error, RegionClients};
use aws_sdk_s3::types::{
    BucketLifecycleConfiguration, BucketLocationConstraint, BucketNamespace,
    BucketVersioningStatus, CreateBucketConfiguration, LifecycleRule, LifecycleRuleFilter,
    ObjectLockConfiguration, ObjectLockEnabled, ObjectOwnership, OwnershipControls,
    OwnershipControlsRule, ReplicationConfiguration, ServerSideEncryptionByDefault,
    ServerSideEncryptionConfiguration, ServerSideEncryptionRule, Tag, Tagging,
    VersioningConfiguration,
};
use serde_json::Value;
use settings::{Encryption, RoleName};

use super::observe::Target;
use super::wanted::{
    LIFECYCLE_ID, REGION_WITHOUT_CONSTRAINT, algorithm, all_blocked, expiry_rule, tls_statement,
    with_our_rule,
};
use crate::policy;
use crate::spec::{Aspect, Facet, Side, Spec};

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
    let target = Target {
        clients,
        bucket: facet.resource.name.as_str(),
    };
    let side = spec.own_side(facet.resource.side);
    match facet.aspect {
        Aspect::Exists => target.create(side).await,
        Aspect::Versioning => target.enable_versioning().await,
        Aspect::Encryption => target.encrypt(&side.encryption).await,
        Aspect::PublicAccess => target.block_public_access().await,
        Aspect::Ownership => target.disable_acls().await,
        Aspect::TlsOnly => target.require_tls(&tls_statement(spec, side)).await,
        Aspect::NoncurrentExpiry => target.expire_noncurrent(spec).await,
        Aspect::Tags => target.add_tags(&spec.tags).await,
        Aspect::ObjectLock => target.enable_object_lock().await,
        Aspect::Replication => match (&spec.dr, &spec.role) {
            (Some(dr), Some(role)) => target.replicate(spec, role, dr).await,
            _ => Ok(()),
        },
        other => Err(target.has_no(other)),
    }
}

impl Target<'_> {
    async fn create(&self, side: &Side) -> Result<(), Error> {
        let mut request = self
            .s3()
            .create_bucket()
            .bucket(self.bucket)
            .object_ownership(ObjectOwnership::BucketOwnerEnforced);
        if side.region.as_str() != REGION_WITHOUT_CONSTRAINT {
            request = request.create_bucket_configuration(
                CreateBucketConfiguration::builder()
                    .location_constraint(BucketLocationConstraint::from(side.region.as_str()))
                    .build(),
            );
        }
        if self.bucket.ends_with(ACCOUNT_NAMESPACE_SUFFIX) {
            request = request.bucket_namespace(BucketNamespace::AccountRegional);
        }
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => match self.call("CreateBucket").failed(error) {
                // An earlier try got through, and only its answer was lost.
                error if error.is_code("BucketAlreadyOwnedByYou") => Ok(()),
                error => Err(error),
            },
        }
    }

    async fn enable_versioning(&self) -> Result<(), Error> {
        let enabled = VersioningConfiguration::builder()
            .status(BucketVersioningStatus::Enabled)
            .build();
        let put = self.s3().put_bucket_versioning().bucket(self.bucket);
        put.versioning_configuration(enabled)
            .send()
            .await
            .map(drop)
            .map_err(|error| self.call("PutBucketVersioning").failed(error))
    }

    /// Without a default retention: what replication brings has the retention of its source.
    async fn enable_object_lock(&self) -> Result<(), Error> {
        let enabled = ObjectLockConfiguration::builder()
            .object_lock_enabled(ObjectLockEnabled::Enabled)
            .build();
        let put = self
            .s3()
            .put_object_lock_configuration()
            .bucket(self.bucket);
        put.object_lock_configuration(enabled)
            .send()
            .await
            .map(drop)
            .map_err(|error| self.call("PutObjectLockConfiguration").failed(error))
    }

    async fn encrypt(&self, encryption: &Encryption) -> Result<(), Error> {
        let call = self.call("PutBucketEncryption");
        let default = ServerSideEncryptionByDefault::builder()
            .sse_algorithm(algorithm(encryption))
            .set_kms_master_key_id(encryption.kms_key().map(ToString::to_string));
        // A PUT replaces the rule: whether it has a Bucket Key, and what it refuses, is its owner's choice.
        let rule = self.encryption_rule().await?;
        let rule = ServerSideEncryptionRule::builder()
            .apply_server_side_encryption_by_default(built(default.build(), &call)?)
            .set_bucket_key_enabled(
                rule.as_ref()
                    .and_then(ServerSideEncryptionRule::bucket_key_enabled)
                    // DSSE-KMS has none.
                    .filter(|_| !matches!(encryption, Encryption::Dsse(_))),
            )
            .set_blocked_encryption_types(rule.and_then(|rule| rule.blocked_encryption_types))
            .build();
        let config = ServerSideEncryptionConfiguration::builder().rules(rule);
        let put = self.s3().put_bucket_encryption().bucket(self.bucket);
        put.server_side_encryption_configuration(built(config.build(), &call)?)
            .send()
            .await
            .map(drop)
            .map_err(|error| call.failed(error))
    }

    async fn block_public_access(&self) -> Result<(), Error> {
        let put = self.s3().put_public_access_block().bucket(self.bucket);
        put.public_access_block_configuration(all_blocked())
            .send()
            .await
            .map(drop)
            .map_err(|error| self.call("PutPublicAccessBlock").failed(error))
    }

    async fn disable_acls(&self) -> Result<(), Error> {
        let call = self.call("PutBucketOwnershipControls");
        let rule = OwnershipControlsRule::builder()
            .object_ownership(ObjectOwnership::BucketOwnerEnforced)
            .build();
        let controls = OwnershipControls::builder().rules(built(rule, &call)?);
        let put = self
            .s3()
            .put_bucket_ownership_controls()
            .bucket(self.bucket);
        put.ownership_controls(built(controls.build(), &call)?)
            .send()
            .await
            .map(drop)
            .map_err(|error| call.failed(error))
    }

    async fn require_tls(&self, statement: &Value) -> Result<(), Error> {
        // S3 takes a policy as a whole: read, added to, written.
        let current = self.policy().await?;
        let merged = policy::with_statement(current, statement);
        let put = self.s3().put_bucket_policy().bucket(self.bucket);
        put.policy(merged.to_string())
            .send()
            .await
            .map(drop)
            .map_err(|error| self.call("PutBucketPolicy").failed(error))
    }

    async fn expire_noncurrent(&self, spec: &Spec) -> Result<(), Error> {
        let call = self.call("PutBucketLifecycleConfiguration");
        let (mut rules, smallest) = self.lifecycle().await?.unwrap_or_default();
        rules.retain(|rule| rule.id() != Some(LIFECYCLE_ID));
        rules.iter_mut().for_each(prefix_as_filter);
        rules.extend(expiry_rule(spec));
        let config = BucketLifecycleConfiguration::builder().set_rules(Some(rules));
        let put = self
            .s3()
            .put_bucket_lifecycle_configuration()
            .bucket(self.bucket);
        put.lifecycle_configuration(built(config.build(), &call)?)
            // Without it the PUT would reset what somebody has chosen.
            .set_transition_default_minimum_object_size(smallest)
            .send()
            .await
            .map(drop)
            .map_err(|error| call.failed(error))
    }

    async fn add_tags(&self, wanted: &BTreeMap<String, String>) -> Result<(), Error> {
        let call = self.call("PutBucketTagging");
        let mut merged = self.tags().await?.unwrap_or_default();
        merged.extend(wanted.clone());
        let tags: Result<Vec<Tag>, _> = merged
            .into_iter()
            .map(|(key, value)| Tag::builder().key(key).value(value).build())
            .collect();
        let tagging = Tagging::builder().set_tag_set(Some(built(tags, &call)?));
        let put = self.s3().put_bucket_tagging().bucket(self.bucket);
        put.tagging(built(tagging.build(), &call)?)
            .send()
            .await
            .map(drop)
            .map_err(|error| call.failed(error))
    }

    async fn replicate(&self, spec: &Spec, role: &RoleName, dr: &Side) -> Result<(), Error> {
        let call = self.call("PutBucketReplication");
        let rules = self.replication().await?.map(|config| config.rules);
        let rules = with_our_rule(rules.unwrap_or_default(), spec, dr);
        let config = ReplicationConfiguration::builder()
            .role(spec.role_arn(role))
            .set_rules(Some(rules));
        let put = self.s3().put_bucket_replication().bucket(self.bucket);
        put.replication_configuration(built(config.build(), &call)?)
            .send()
            .await
            .map(drop)
            .map_err(|error| call.failed(error))
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
fn built<T>(built: Result<T, aws_sdk_s3::error::BuildError>, call: &Call) -> Result<T, Error> {
    built.map_err(|error| Error::unexpected(call.clone(), error.to_string()))
}
