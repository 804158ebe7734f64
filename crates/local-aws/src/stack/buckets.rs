//! The buckets.

use super::Stack;
use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, BucketLifecycleConfiguration, BucketLocationConstraint,
    BucketLoggingStatus, BucketVersioningStatus, CreateBucketConfiguration, LifecycleExpiration,
    LifecycleRule, LifecycleRuleFilter, LoggingEnabled, NoncurrentVersionExpiration,
    ObjectOwnership, OwnershipControls, OwnershipControlsRule, PublicAccessBlockConfiguration,
    ServerSideEncryption, ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration,
    ServerSideEncryptionRule, Tag, Tagging, Transition, VersioningConfiguration,
};
use serde_json::Value;

pub(crate) async fn build(stack: &mut Stack) {
    let s3 = stack.clients.s3.clone();
    for bucket in stack.state.of("aws_s3_bucket") {
        let name = bucket.text("bucket").to_owned();
        let place = BucketLocationConstraint::from(bucket.text("region"));
        let place = CreateBucketConfiguration::builder().location_constraint(place);
        let made = s3.create_bucket().bucket(&name);
        let made = made.create_bucket_configuration(place.build()).send().await;
        made.expect("a bucket");
        let tags = bucket.tags().into_iter().map(|(key, value)| {
            let tag = Tag::builder().key(key).value(value);
            tag.build().expect("a tag")
        });
        let tags = Tagging::builder().set_tag_set(Some(tags.collect()));
        let tagged = s3.put_bucket_tagging().bucket(&name);
        let tagged = tagged.tagging(tags.build().expect("tags")).send().await;
        tagged.expect("tags");
        let host = format!("{name}.s3.{}.amazonaws.com", bucket.text("region"));
        stack
            .state
            .became(&bucket, "bucket_regional_domain_name", host);
        stack
            .state
            .became(&bucket, "arn", format!("arn:aws:s3:::{name}"));
        stack.state.became(&bucket, "id", name);
    }
    for ownership in stack.state.of("aws_s3_bucket_ownership_controls") {
        let rule = ownership.block("rule")["object_ownership"].as_str();
        own(
            stack,
            ownership.text("bucket"),
            rule.expect("a rule").into(),
        )
        .await;
    }
    for block in stack.state.of("aws_s3_bucket_public_access_block") {
        let settings = PublicAccessBlockConfiguration::builder()
            .block_public_acls(block.flag("block_public_acls"))
            .block_public_policy(block.flag("block_public_policy"))
            .ignore_public_acls(block.flag("ignore_public_acls"))
            .restrict_public_buckets(block.flag("restrict_public_buckets"))
            .build();
        let put = s3.put_public_access_block().bucket(block.text("bucket"));
        let put = put.public_access_block_configuration(settings).send().await;
        put.expect("a block");
    }
    for versioning in stack.state.of("aws_s3_bucket_versioning") {
        let status = versioning.block("versioning_configuration")["status"].as_str();
        let status = BucketVersioningStatus::from(status.expect("a status"));
        keep_versions(stack, versioning.text("bucket"), status).await;
    }
    for encryption in stack
        .state
        .of("aws_s3_bucket_server_side_encryption_configuration")
    {
        let default = &encryption.block("rule")["apply_server_side_encryption_by_default"][0];
        let algorithm = default["sse_algorithm"].as_str().expect("an algorithm");
        let key = default["kms_master_key_id"].as_str();
        encrypt(stack, encryption.text("bucket"), algorithm.into(), key).await;
    }
    for lifecycle in stack.state.of("aws_s3_bucket_lifecycle_configuration") {
        let rules = lifecycle.values["rule"].as_array().expect("rules");
        let rules = rules.iter().map(rule).collect();
        put_rules(stack, lifecycle.text("bucket"), rules).await;
    }
    for logging in stack.state.of("aws_s3_bucket_logging") {
        let target = logging.text("target_bucket");
        log_to(
            stack,
            logging.text("bucket"),
            target,
            logging.text("target_prefix"),
        )
        .await;
    }
}

/// The buckets of the DR region that the example's settings name, empty.
pub(crate) async fn build_of_dr(stack: &Stack) {
    for bucket in stack.state.of("aws_s3_bucket") {
        let name = bucket.text("bucket");
        if !name.contains("-logs-") {
            let made = stack.clients.dr_s3.create_bucket();
            let made = made.bucket(format!("{name}-dr")).send().await;
            made.expect("a bucket");
        }
    }
}

/// The policies name the distribution, so they come after it.
pub(crate) async fn policies(stack: &mut Stack) {
    for policy in stack.state.of("aws_s3_bucket_policy") {
        put_policy(stack, policy.text("bucket"), policy.text("policy")).await;
    }
}

fn rule(of: &Value) -> LifecycleRule {
    let days = |value: &Value| {
        value
            .as_i64()
            .map(|days| i32::try_from(days).expect("days"))
    };
    let transitions = of["transition"].as_array().into_iter().flatten();
    let transitions = transitions.map(|transition| {
        let class = transition["storage_class"].as_str().expect("a class");
        Transition::builder()
            .set_days(days(&transition["days"]))
            .storage_class(class.into())
            .build()
    });
    let noncurrent = of["noncurrent_version_expiration"]
        .get(0)
        .map(|expiration| {
            NoncurrentVersionExpiration::builder()
                .set_noncurrent_days(days(&expiration["noncurrent_days"]))
                .build()
        });
    let abort = of["abort_incomplete_multipart_upload"].get(0).map(|abort| {
        AbortIncompleteMultipartUpload::builder()
            .set_days_after_initiation(days(&abort["days_after_initiation"]))
            .build()
    });
    let expiration = of["expiration"].get(0).map(|expiration| {
        let marker = expiration["expired_object_delete_marker"].as_bool();
        LifecycleExpiration::builder()
            .set_days(days(&expiration["days"]).filter(|days| *days > 0))
            .set_expired_object_delete_marker(marker.filter(|marker| *marker))
            .build()
    });
    let transitions: Vec<Transition> = transitions.collect();
    LifecycleRule::builder()
        .id(of["id"].as_str().expect("an id"))
        .status(of["status"].as_str().expect("a status").into())
        .filter(LifecycleRuleFilter::builder().prefix("").build())
        .set_transitions((!transitions.is_empty()).then_some(transitions))
        .set_noncurrent_version_expiration(noncurrent)
        .set_abort_incomplete_multipart_upload(abort)
        .set_expiration(expiration)
        .build()
        .expect("a rule")
}

/// Puts a bucket's lifecycle rules.
pub async fn put_rules(stack: &Stack, bucket: &str, rules: Vec<LifecycleRule>) {
    let rules = BucketLifecycleConfiguration::builder().set_rules(Some(rules));
    let put = stack.clients.s3.put_bucket_lifecycle_configuration();
    let put = put.bucket(stack.state.called(bucket));
    let put = put.lifecycle_configuration(rules.build().expect("rules"));
    put.send().await.expect("lifecycle rules");
}

/// Says who owns objects that others write into a bucket.
pub async fn own(stack: &Stack, bucket: &str, ownership: ObjectOwnership) {
    let rule = OwnershipControlsRule::builder().object_ownership(ownership);
    let controls = OwnershipControls::builder().rules(rule.build().expect("a rule"));
    let put = stack.clients.s3.put_bucket_ownership_controls();
    let put = put.bucket(stack.state.called(bucket));
    let put = put.ownership_controls(controls.build().expect("controls"));
    put.send().await.expect("ownership");
}

/// Whether a bucket keeps versions.
pub async fn keep_versions(stack: &Stack, bucket: &str, status: BucketVersioningStatus) {
    let versioning = VersioningConfiguration::builder().status(status).build();
    let put = stack
        .clients
        .s3
        .put_bucket_versioning()
        .bucket(stack.state.called(bucket));
    let put = put.versioning_configuration(versioning).send().await;
    put.expect("versioning");
}

/// How a bucket encrypts what is written into it.
pub async fn encrypt(
    stack: &Stack,
    bucket: &str,
    algorithm: ServerSideEncryption,
    key: Option<&str>,
) {
    let default = ServerSideEncryptionByDefault::builder()
        .sse_algorithm(algorithm)
        .set_kms_master_key_id(key.map(str::to_owned))
        .build()
        .expect("an encryption");
    let rule = ServerSideEncryptionRule::builder()
        .apply_server_side_encryption_by_default(default)
        .bucket_key_enabled(false);
    let rules = ServerSideEncryptionConfiguration::builder().rules(rule.build());
    let put = stack
        .clients
        .s3
        .put_bucket_encryption()
        .bucket(stack.state.called(bucket));
    let put = put.server_side_encryption_configuration(rules.build().expect("rules"));
    put.send().await.expect("an encryption");
}

/// Where the accesses to a bucket are logged.
pub async fn log_to(stack: &Stack, bucket: &str, target: &str, prefix: &str) {
    let enabled = LoggingEnabled::builder()
        .target_bucket(stack.state.called(target))
        .target_prefix(prefix);
    let status = BucketLoggingStatus::builder();
    let status = status.logging_enabled(enabled.build().expect("logging"));
    let put = stack
        .clients
        .s3
        .put_bucket_logging()
        .bucket(stack.state.called(bucket));
    let put = put.bucket_logging_status(status.build()).send().await;
    put.expect("logging");
}

/// Puts a bucket's policy.
pub async fn put_policy(stack: &Stack, bucket: &str, policy: &str) {
    let put = stack
        .clients
        .s3
        .put_bucket_policy()
        .bucket(stack.state.called(bucket));
    let policy = stack.state.called(policy);
    put.policy(policy).send().await.expect("a policy");
}
