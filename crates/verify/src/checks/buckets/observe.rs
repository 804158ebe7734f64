use aws_env::{Call, ErrorClass};
use aws_sdk_s3::types::{
    BucketVersioningStatus, LifecycleRule, LoggingEnabled, ObjectOwnership,
    PublicAccessBlockConfiguration, ReplicationRule, ServerSideEncryptionByDefault,
    TransitionDefaultMinimumObjectSize,
};
use report::finding::{Observation, Unobserved};

use super::super::Context;
use super::DATA;
use crate::policy::Policy;

/// What AWS shows of a bucket.
pub(super) struct Picture {
    pub(super) name: String,
    pub(super) region: Observation<String>,
    /// `None`: never turned on, which S3 says by saying nothing.
    pub(super) versioning: Observation<Option<BucketVersioningStatus>>,
    pub(super) encryption: Observation<ServerSideEncryptionByDefault>,
    pub(super) lifecycle: Observation<Lifecycle>,
    pub(super) block: Observation<PublicAccessBlockConfiguration>,
    pub(super) policy: Observation<Policy>,
    pub(super) public: Observation<Option<bool>>,
    pub(super) ownership: Observation<ObjectOwnership>,
    /// Whether CloudFront's access logs of the old kind come by its ACL; asked where ACLs count.
    pub(super) takes_legacy_logs: Observation<bool>,
    /// `None`: not logged, which S3 says by saying nothing.
    pub(super) logging: Observation<Option<LoggingEnabled>>,
    pub(super) replication: Observation<Vec<ReplicationRule>>,
}

/// The error of a call, or that an answer lacks what it should have.
fn said<T>(answer: Result<Option<T>, aws_env::Error>, what: &str) -> Observation<T> {
    answer?.ok_or_else(|| Unobserved::because(format!("S3 answered without {what}")))
}

pub(super) async fn bucket(context: Context<'_>, name: &str) -> Picture {
    let s3 = &context.clients.home.s3;
    let call = |operation| {
        context
            .clients
            .call("S3", operation, format!("bucket {name}"))
    };
    let region = async {
        let request = s3.get_bucket_location().bucket(name);
        let answer = request.send().await;
        let answer = match answer.map_err(|error| call("GetBucketLocation").failed(error)) {
            Ok(answer) => answer,
            Err(error) if is_elsewhere(&error) => return Ok("another region".to_owned()),
            Err(error) => return Err(error.into()),
        };
        Ok(match answer.location_constraint() {
            // Names from before there were regions.
            None => "us-east-1".to_owned(),
            Some(place) if place.as_str().is_empty() => "us-east-1".to_owned(),
            Some(place) if place.as_str() == "EU" => "eu-west-1".to_owned(),
            Some(place) => place.as_str().to_owned(),
        })
    };
    let versioning = async {
        let request = s3.get_bucket_versioning().bucket(name);
        let answer = request.send().await;
        let answer = answer.map_err(|error| call("GetBucketVersioning").failed(error))?;
        Ok(answer.status)
    };
    let encryption = async {
        let request = s3.get_bucket_encryption().bucket(name);
        let answer = request.send().await;
        let found = answer
            .map(|answer| {
                let rules = answer.server_side_encryption_configuration?.rules;
                rules
                    .into_iter()
                    .next()?
                    .apply_server_side_encryption_by_default
            })
            .map_err(|error| call("GetBucketEncryption").failed(error));
        said(found, "a default encryption")
    };
    let lifecycle = async {
        let request = s3.get_bucket_lifecycle_configuration().bucket(name);
        let answer = request.send().await;
        let found = answer
            .map(|answer| {
                let small_stay = answer.transition_default_minimum_object_size
                    != Some(TransitionDefaultMinimumObjectSize::VariesByStorageClass);
                let rules = answer.rules?;
                Some(Lifecycle { rules, small_stay })
            })
            .map_err(|error| call("GetBucketLifecycleConfiguration").failed(error));
        said(found, "lifecycle rules")
    };
    let block = async {
        let request = s3.get_public_access_block().bucket(name);
        let answer = request.send().await;
        let found = answer
            .map(|answer| answer.public_access_block_configuration)
            .map_err(|error| call("GetPublicAccessBlock").failed(error));
        said(found, "the settings")
    };
    let public = async {
        let request = s3.get_bucket_policy_status().bucket(name);
        let answer = request.send().await;
        match answer.map_err(|error| call("GetBucketPolicyStatus").failed(error)) {
            Ok(answer) => {
                let status = answer.policy_status.and_then(|status| status.is_public);
                said(Ok(status), "whether the policy is public").map(Some)
            }
            // No policy opens nothing.
            Err(error) if error.is_code("NoSuchBucketPolicy") => Ok(None),
            Err(error) => Err(error.into()),
        }
    };
    let ownership = async {
        let request = s3.get_bucket_ownership_controls().bucket(name);
        let answer = request.send().await;
        let found = answer
            .map(|answer| {
                let rules = answer.ownership_controls?.rules;
                rules.into_iter().next().map(|rule| rule.object_ownership)
            })
            .map_err(|error| call("GetBucketOwnershipControls").failed(error));
        said(found, "a rule")
    };
    let ownership = async {
        let ownership: Observation<ObjectOwnership> = ownership.await;
        let legacy = match &ownership {
            Ok(owner) if *owner != ObjectOwnership::BucketOwnerEnforced => {
                let acl = s3.get_bucket_acl().bucket(name).send().await;
                let acl = acl.map_err(|error| call("GetBucketAcl").failed(error));
                said(acl.map(|acl| acl.grants), "grants").map(|grants| {
                    let mut grantees = grants.iter().filter_map(|grant| grant.grantee()?.id());
                    grantees.any(|id| id == CLOUDFRONT_LOGS)
                })
            }
            _ => Ok(false),
        };
        (ownership, legacy)
    };
    let logging = async {
        let request = s3.get_bucket_logging().bucket(name);
        let answer = request.send().await;
        let answer = answer.map_err(|error| call("GetBucketLogging").failed(error))?;
        Ok(answer.logging_enabled)
    };
    let replication = async {
        let request = s3.get_bucket_replication().bucket(name);
        let answer = request.send().await;
        let found = answer
            .map(|answer| Some(answer.replication_configuration?.rules))
            .map_err(|error| call("GetBucketReplication").failed(error));
        said(found, "rules")
    };
    // One half after the other: with four buckets, two dozen calls at once are enough.
    let first = tokio::join!(region, versioning, encryption, lifecycle, block);
    let second = tokio::join!(
        policy(context, name),
        public,
        ownership,
        logging,
        replication
    );
    let (region, versioning, encryption, lifecycle, block) = first;
    let (policy, public, (ownership, takes_legacy_logs), logging, replication) = second;
    Picture {
        name: name.to_owned(),
        region,
        versioning,
        encryption,
        lifecycle,
        block,
        policy,
        public,
        ownership,
        takes_legacy_logs,
        logging,
        replication,
    }
}

/// The canonical ID of the account that delivers CloudFront's standard logs of the old kind, outside China; the
/// provider's data source `aws_cloudfront_log_delivery_canonical_user_id` has it.
const CLOUDFRONT_LOGS: &str = "c4c1ede66af53448b93c283ce9448c4ba468c9432aa01d700d3878632f77d2d0";

/// What a bucket's lifecycle configuration says.
#[derive(Debug, Clone)]
pub(super) struct Lifecycle {
    pub(super) rules: Vec<LifecycleRule>,
    /// Objects below 128 KB are in no transition without a size of its own.
    pub(super) small_stay: bool,
}

/// The policy of a bucket.
pub(crate) async fn policy(context: Context<'_>, bucket: &str) -> Observation<Policy> {
    let call = context
        .clients
        .call("S3", "GetBucketPolicy", format!("bucket {bucket}"));
    let request = context.clients.home.s3.get_bucket_policy().bucket(bucket);
    let answer = request.send().await;
    match answer.map_err(|error| call.failed(error)) {
        Ok(answer) => Policy::parse(&said(Ok(answer.policy), "a policy")?),
        Err(error) if is_elsewhere(&error) => Err(Unobserved::absent(error.to_string())),
        Err(error) => Err(error.into()),
    }
}

/// S3 says so of a bucket of another region, and no call follows it there.
fn is_elsewhere(error: &aws_env::Error) -> bool {
    error.is_code("PermanentRedirect")
}

/// The account's own block of public access, which counts for all its buckets; `None`: it is not set.
pub(super) async fn account_block(
    context: Context<'_>,
) -> Observation<Option<aws_sdk_s3control::types::PublicAccessBlockConfiguration>> {
    let clients = context.clients;
    let call = clients.call("S3Control", "GetPublicAccessBlock", "this account");
    let request = clients.s3control.get_public_access_block();
    match request.account_id(context.account).send().await {
        Ok(answer) => said(Ok(answer.public_access_block_configuration), "the settings").map(Some),
        Err(error) => absent(call, error),
    }
}

fn absent<T, E>(
    call: Call,
    error: aws_sdk_s3control::error::SdkError<E, aws_sdk_s3control::config::http::HttpResponse>,
) -> Observation<Option<T>>
where
    E: aws_smithy_types::error::metadata::ProvideErrorMetadata
        + std::error::Error
        + Send
        + Sync
        + 'static,
{
    let error = call.failed(error);
    if error.class == ErrorClass::Absent {
        return Ok(None);
    }
    Err(error.into())
}

/// An alarm on failed replication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FailureAlarm {
    pub(super) name: String,
    /// The bucket that it watches, where it watches one.
    pub(super) bucket: Option<String>,
    pub(super) state: String,
}

impl FailureAlarm {
    /// Whether it is the alarm of a bucket: by what it watches, or by its name where that is left out.
    pub(super) fn is_of(&self, bucket: &str) -> bool {
        match &self.bucket {
            Some(watched) => watched == bucket,
            None => self.name.contains(bucket),
        }
    }
}

/// The alarms on failed replication; asks nothing when no bucket replicates.
pub(super) async fn failure_alarms(context: Context<'_>) -> Observation<Vec<FailureAlarm>> {
    let replicates = DATA
        .iter()
        .any(|kind| matches!(super::judge::rule_id(context, *kind), Ok(Some(_))));
    if !replicates {
        return Ok(Vec::new());
    }
    let call = context.clients.call(
        "CloudWatch",
        "DescribeAlarms",
        "the alarms on failed replication",
    );
    let request = context.clients.home.cloudwatch.describe_alarms();
    let mut pages = request.into_paginator().send();
    let mut alarms = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| call.clone().failed(error))?;
        alarms.extend(page.metric_alarms.unwrap_or_default());
    }
    let failed = alarms
        .into_iter()
        .filter(|alarm| alarm.metric_name() == Some("OperationsFailedReplication"));
    let failed = failed.filter_map(|alarm| {
        let mut dimensions = alarm.dimensions().iter();
        let source = dimensions.find(|one| one.name() == Some("SourceBucket"));
        Some(FailureAlarm {
            bucket: source.and_then(|one| one.value()).map(str::to_owned),
            state: alarm.state_value()?.as_str().to_owned(),
            name: alarm.alarm_name?,
        })
    });
    Ok(failed.collect())
}
