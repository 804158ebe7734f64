//! Reading buckets; nothing here changes one.

use std::collections::BTreeMap;

use aws_env::{Call, Error, ErrorClass, RegionClients, pages};
use aws_sdk_s3::types::{
    LifecycleRule, ObjectLockEnabled, ReplicationConfiguration, ReplicationRuleStatus,
    ServerSideEncryptionRule, TransitionDefaultMinimumObjectSize,
};
use serde_json::{Value, json};

use super::wanted::{
    LIFECYCLE_ID, REGION_WITHOUT_CONSTRAINT, covers_state, is_dangerous, is_ours, lifecycle_rule,
    public_access, replication_rule, rule_prefix,
};
use crate::problem::Problem;
use crate::reading::SideReading;
use crate::spec::{Aspect, Facet, Side, Spec};

/// The value of one aspect of a bucket; `None` when it is not set, or the bucket does not exist.
pub(crate) async fn observe(
    reading: &SideReading<'_>,
    spec: &Spec,
    facet: &Facet,
) -> Result<Option<Value>, Problem> {
    let target = Target {
        clients: reading.access.clients,
        bucket: facet.resource.name.as_str(),
    };
    Ok(match facet.aspect {
        Aspect::Exists => target.locate().await?,
        Aspect::Versioning => target.versioning().await?,
        Aspect::Encryption => target.encryption().await?,
        Aspect::PublicAccess => target.public_access().await?,
        Aspect::Ownership => target.ownership().await?,
        Aspect::TlsOnly => target.policy().await?,
        Aspect::NoncurrentExpiry => {
            let Some((rules, _)) = target.lifecycle().await? else {
                return Ok(None);
            };
            let conflicting = conflicting(reading, &rules, spec).await?;
            Some(expiry_of(&rules, &conflicting))
        }
        Aspect::Tags => target.tags().await?.map(|tags| json!(tags)),
        Aspect::Replication => {
            let replication = reading.replication().await.map_err(Problem::clone)?;
            replication.map(|config| replication_of(config, spec))
        }
        other => return Err(target.has_no(other).into()),
    })
}

/// Whether a bucket has Object Lock.
pub(crate) async fn has_object_lock(clients: &RegionClients, bucket: &str) -> Result<bool, Error> {
    let target = Target { clients, bucket };
    let get = target.s3().get_object_lock_configuration().bucket(bucket);
    let answer = optional(get.send().await, target.call("GetObjectLockConfiguration"))?;
    Ok(answer
        .and_then(|answer| answer.object_lock_configuration)
        .and_then(|config| config.object_lock_enabled)
        .is_some_and(|enabled| enabled == ObjectLockEnabled::Enabled))
}

/// The replication of a bucket; `None` where it has none.
pub(crate) async fn replication(
    clients: &RegionClients,
    bucket: &str,
) -> Result<Option<ReplicationConfiguration>, Error> {
    Target { clients, bucket }.replication().await
}

/// The IDs of the primary bucket's rules that are enabled and replicate to the DR bucket.
pub(crate) fn rules_to(
    replication: Option<&ReplicationConfiguration>,
    spec: &Spec,
    dr: &Side,
) -> Vec<String> {
    let to_dr = spec.bucket_arn(dr);
    let rules = replication.into_iter().flat_map(|config| config.rules());
    rules
        .filter(|rule| {
            rule.status() == &ReplicationRuleStatus::Enabled
                && rule.destination().is_some_and(|to| to.bucket() == to_dr)
        })
        .filter_map(|rule| rule.id.clone())
        .collect()
}

/// The rules that endanger a state: that of the settings, a workspace's, or one that the bucket has now.
async fn conflicting<'r>(
    reading: &SideReading<'_>,
    rules: &'r [LifecycleRule],
    spec: &Spec,
) -> Result<Vec<&'r str>, Problem> {
    let mut conflicting = Vec::new();
    for rule in rules.iter().filter(|rule| is_dangerous(rule, spec)) {
        let prefix = rule_prefix(rule);
        let endangers = match covers_state(prefix, spec) {
            true => true,
            false => {
                let keys = reading.keys().await.map_err(Problem::clone)?;
                let mut may_be_states = keys.states.iter().chain(&keys.others);
                may_be_states.any(|key| key.starts_with(prefix))
            }
        };
        if endangers {
            conflicting.push(rule.id().unwrap_or("(without id)"));
        }
    }
    Ok(conflicting)
}

fn expiry_of(rules: &[LifecycleRule], conflicting: &[&str]) -> Value {
    let ours = rules
        .iter()
        .find(|rule| rule.id() == Some(LIFECYCLE_ID))
        .cloned();
    json!({"rule": lifecycle_rule(&ours), "conflicting": conflicting})
}

fn replication_of(config: &ReplicationConfiguration, spec: &Spec) -> Value {
    let ours = config
        .rules()
        .iter()
        .find(|rule| is_ours(rule, spec))
        .cloned();
    let others: Vec<Value> = config
        .rules()
        .iter()
        .filter(|rule| !is_ours(rule, spec))
        .map(|rule| json!(rule.id()))
        .collect();
    json!({"role": config.role(), "rule": replication_rule(&ours), "others": others})
}

/// The bucket that is read or changed.
pub(super) struct Target<'a> {
    pub(super) clients: &'a RegionClients,
    pub(super) bucket: &'a str,
}

impl Target<'_> {
    pub(super) fn s3(&self) -> &aws_sdk_s3::Client {
        &self.clients.s3
    }

    pub(super) fn call(&self, operation: &'static str) -> Call {
        self.clients
            .call("S3", operation, format!("bucket {}", self.bucket))
    }

    pub(super) fn has_no(&self, aspect: Aspect) -> Error {
        Error::unexpected(self.call("(none)"), format!("a bucket has no {aspect}"))
    }

    /// Where the bucket is and whose, without changing anything: HeadBucket first, then the list of
    /// our own buckets, since HeadBucket answers for everybody's.
    async fn locate(&self) -> Result<Option<Value>, Error> {
        let here = self.clients.region.as_str();
        let head = self.s3().head_bucket().bucket(self.bucket);
        let error = match head.send().await {
            Ok(head) => {
                let region = head.bucket_region.unwrap_or_else(|| here.to_owned());
                return Ok(Some(json!({"region": region})));
            }
            Err(error) => self.call("HeadBucket").failed(error),
        };
        match (error.class, error.status) {
            (ErrorClass::Absent, _) => return Ok(None),
            (ErrorClass::Denied, _) | (_, Some(301 | 307 | 400)) => {}
            _ => return Err(error),
        }
        let call = self.clients.call("S3", "ListBuckets", "this account");
        let list = self.s3().list_buckets().prefix(self.bucket);
        let listed = pages(call, list.into_paginator().send()).await?;
        let ours = listed
            .iter()
            .flat_map(|page| page.buckets())
            .find(|ours| ours.name() == Some(self.bucket));
        let Some(ours) = ours else {
            return Ok(Some(json!({"owner": "another account"})));
        };
        match ours.bucket_region() {
            // In this region and ours, and still denied: nothing more can be said about it.
            Some(region) if region == here => Err(error),
            Some(region) => Ok(Some(json!({"region": region}))),
            None => Ok(Some(json!({"region": self.location().await?}))),
        }
    }

    async fn location(&self) -> Result<String, Error> {
        let get = self.s3().get_bucket_location().bucket(self.bucket).send();
        let answer = get
            .await
            .map_err(|error| self.call("GetBucketLocation").failed(error))?;
        Ok(match answer.location_constraint {
            Some(constraint) if !constraint.as_str().is_empty() => constraint.as_str().to_owned(),
            _ => REGION_WITHOUT_CONSTRAINT.to_owned(),
        })
    }

    async fn versioning(&self) -> Result<Option<Value>, Error> {
        let get = self.s3().get_bucket_versioning().bucket(self.bucket);
        let answer = optional(get.send().await, self.call("GetBucketVersioning"))?;
        Ok(answer
            .and_then(|versioning| versioning.status)
            .map(|status| json!(status.as_str())))
    }

    async fn encryption(&self) -> Result<Option<Value>, Error> {
        Ok(self.encryption_rule().await?.and_then(|rule| {
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

    pub(super) async fn encryption_rule(&self) -> Result<Option<ServerSideEncryptionRule>, Error> {
        let get = self.s3().get_bucket_encryption().bucket(self.bucket);
        let answer = optional(get.send().await, self.call("GetBucketEncryption"))?;
        Ok(answer
            .and_then(|answer| answer.server_side_encryption_configuration)
            .and_then(|config| config.rules.into_iter().next()))
    }

    async fn public_access(&self) -> Result<Option<Value>, Error> {
        let get = self.s3().get_public_access_block().bucket(self.bucket);
        let answer = optional(get.send().await, self.call("GetPublicAccessBlock"))?;
        Ok(answer
            .and_then(|answer| answer.public_access_block_configuration)
            .map(|block| public_access(&block)))
    }

    async fn ownership(&self) -> Result<Option<Value>, Error> {
        let get = self
            .s3()
            .get_bucket_ownership_controls()
            .bucket(self.bucket);
        let answer = optional(get.send().await, self.call("GetBucketOwnershipControls"))?;
        Ok(answer
            .and_then(|answer| answer.ownership_controls)
            .and_then(|controls| controls.rules.into_iter().next())
            .map(|rule| json!(rule.object_ownership.as_str())))
    }

    pub(super) async fn policy(&self) -> Result<Option<Value>, Error> {
        let call = self.call("GetBucketPolicy");
        let get = self.s3().get_bucket_policy().bucket(self.bucket);
        let answer = optional(get.send().await, call.clone())?;
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
    pub(super) async fn lifecycle(&self) -> Result<Option<Lifecycle>, Error> {
        let get = self
            .s3()
            .get_bucket_lifecycle_configuration()
            .bucket(self.bucket);
        let call = self.call("GetBucketLifecycleConfiguration");
        let answer = optional(get.send().await, call)?;
        Ok(answer.map(|answer| {
            (
                answer.rules.unwrap_or_default(),
                answer.transition_default_minimum_object_size,
            )
        }))
    }

    pub(super) async fn tags(&self) -> Result<Option<BTreeMap<String, String>>, Error> {
        let get = self.s3().get_bucket_tagging().bucket(self.bucket);
        let answer = optional(get.send().await, self.call("GetBucketTagging"))?;
        Ok(answer.map(|answer| {
            let tags = answer.tag_set.into_iter();
            tags.map(|tag| (tag.key, tag.value)).collect()
        }))
    }

    pub(super) async fn replication(&self) -> Result<Option<ReplicationConfiguration>, Error> {
        let get = self.s3().get_bucket_replication().bucket(self.bucket);
        let answer = optional(get.send().await, self.call("GetBucketReplication"))?;
        Ok(answer.and_then(|answer| answer.replication_configuration))
    }
}

type Lifecycle = (
    Vec<LifecycleRule>,
    Option<TransitionDefaultMinimumObjectSize>,
);

/// `None` where AWS answers that the setting, or the bucket, is not there.
fn optional<T, E>(
    answer: Result<T, aws_sdk_s3::error::SdkError<E>>,
    call: Call,
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
