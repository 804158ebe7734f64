//! Buckets that somebody else has made: strengthened, never weakened, and with what others have put there.

use aws_sdk_s3::types::{
    BucketLifecycleConfiguration, BucketLocationConstraint, CreateBucketConfiguration,
    ExpirationStatus, LifecycleExpiration, LifecycleRule, LifecycleRuleFilter, ObjectLockEnabled,
    ServerSideEncryption, ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration,
    ServerSideEncryptionRule, Tag,
};
use state_backend::{Aspect, RefusalKind};

use crate::fixtures::{BUCKET, DR_BUCKET, apply, bare};
use crate::{EXAMPLE, Stage};

pub(crate) async fn a_weaker_bucket_is_strengthened(stage: &Stage) {
    let backend = stage.backend().await;
    let s3 = stage
        .env
        .region(backend.spec().dr.as_ref().expect("a DR side").region)
        .s3;
    s3.create_bucket()
        .bucket(DR_BUCKET)
        .send()
        .await
        .expect("created");
    s3.put_object()
        .bucket(DR_BUCKET)
        .key("kept")
        .body(b"x".to_vec().into())
        .send()
        .await
        .expect("put");
    let applied = apply(&backend).await;
    assert!(applied.is_complete(), "{:#?}", applied.first_problem());
    s3.head_object()
        .bucket(DR_BUCKET)
        .key("kept")
        .send()
        .await
        .expect("still there");
}

pub(crate) async fn a_stricter_bucket_is_not_weakened(stage: &Stage) {
    let backend = stage.backend().await;
    let s3 = stage
        .env
        .region(backend.spec().dr.as_ref().expect("a DR side").region)
        .s3;
    s3.create_bucket()
        .bucket(DR_BUCKET)
        .send()
        .await
        .expect("created");
    let default = ServerSideEncryptionByDefault::builder()
        .sse_algorithm(ServerSideEncryption::AwsKms)
        .kms_master_key_id(
            "arn:aws:kms:us-east-1:000000000000:key/22222222-2222-2222-2222-222222222222",
        )
        .build()
        .expect("complete");
    let rule = ServerSideEncryptionRule::builder()
        .apply_server_side_encryption_by_default(default)
        .build();
    let config = ServerSideEncryptionConfiguration::builder()
        .rules(rule)
        .build()
        .expect("complete");
    s3.put_bucket_encryption()
        .bucket(DR_BUCKET)
        .server_side_encryption_configuration(config)
        .send()
        .await
        .expect("set");
    let plan = backend.plan().await;
    let refused: Vec<_> = plan
        .refused()
        .map(|(item, refusal)| (item.facet.aspect, refusal.kind))
        .collect();
    assert_eq!(refused, [(Aspect::Encryption, RefusalKind::Stricter)]);
    stage.aws.clear_log();
    assert!(plan.approve().is_err());
    assert!(stage.aws.log().iter().all(|entry| !entry.is_mutation()));
}

/// A bucket that another team's states lie in, and workspaces: a rule that expires those is in the way, one for a tag or
/// for logs is not.
pub(crate) async fn lifecycle_rules_are_judged_for_every_state(stage: &Stage) {
    let backend = bare(stage).await;
    let s3 = stage.env.region(backend.spec().primary.region).s3;
    for key in ["network/terraform.tfstate", "logs/a.tflock"] {
        let put = s3.put_object().bucket(BUCKET).key(key);
        put.body(b"{}".to_vec().into()).send().await.expect("put");
    }
    let expiring = |id: &str, filter: LifecycleRuleFilter| {
        LifecycleRule::builder()
            .id(id)
            .status(ExpirationStatus::Enabled)
            .filter(filter)
            .expiration(LifecycleExpiration::builder().days(7).build())
            .build()
            .expect("complete")
    };
    let prefix = |prefix: &str| LifecycleRuleFilter::builder().prefix(prefix).build();
    let tag = Tag::builder().key("class").value("log").build();
    let tag = LifecycleRuleFilter::builder().tag(tag.expect("complete"));
    let config = BucketLifecycleConfiguration::builder()
        .rules(expiring("logs", prefix("logs/")))
        .rules(expiring("network", prefix("network/")))
        .rules(expiring("tagged", tag.build()))
        .rules(expiring("workspaces", prefix("env:/")))
        .build()
        .expect("complete");
    let put = s3.put_bucket_lifecycle_configuration().bucket(BUCKET);
    put.lifecycle_configuration(config)
        .send()
        .await
        .expect("written");
    let plan = backend.plan().await;
    let refused: Vec<&str> = plan
        .refused()
        .map(|(_, refusal)| refusal.why.as_str())
        .collect();
    assert_eq!(
        refused,
        [r#"lifecycle rules ["network","workspaces"] expire the state too early"#]
    );
}

// aws-behaviour: 43
pub(crate) async fn a_dr_bucket_gets_the_object_lock_of_the_primary_one(stage: &Stage) {
    let backend = stage.backend().await;
    let s3 = stage.env.region(backend.spec().primary.region).s3;
    let canada = CreateBucketConfiguration::builder()
        .location_constraint(BucketLocationConstraint::CaCentral1)
        .build();
    let create = s3.create_bucket().bucket(BUCKET);
    let create = create.create_bucket_configuration(canada);
    let created = create.object_lock_enabled_for_bucket(true).send().await;
    created.expect("created");
    let applied = apply(&backend).await;
    assert!(applied.is_complete(), "{:#?}", applied.first_problem());
    let dr = stage.env.region("us-east-1".parse().expect("a region")).s3;
    let get = dr.get_object_lock_configuration().bucket(DR_BUCKET).send();
    let lock = get.await.expect("it has one").object_lock_configuration;
    let lock = lock.expect("it has one");
    assert_eq!(lock.object_lock_enabled, Some(ObjectLockEnabled::Enabled));
    assert!(lock.rule.is_none(), "{lock:?}");
}

/// Another key for a bucket whose owner has switched its Bucket Key on.
pub(crate) async fn a_bucket_key_outlives_a_change_of_the_key(stage: &Stage) {
    let mut keys = Vec::new();
    for region in ["ca-central-1", "ca-central-1", "us-east-1"] {
        let clients = stage.env.region(region.parse().expect("a region"));
        let kms = aws_env::client!(aws_sdk_kms, clients.access());
        let key = kms.create_key().send().await.expect("made");
        keys.push(key.key_metadata.and_then(|key| key.arn).expect("an ARN"));
    }
    let config = EXAMPLE
        .replace("\"AES256\"", &format!("{{ kms = {:?} }}", keys[1]))
        .replace("[state.dr]", &format!("[state.dr]\nkms = {:?}", keys[2]));
    bare(stage).await;
    let backend = stage.backend_of(&config).await;
    let s3 = stage.env.region(backend.spec().primary.region).s3;
    let default = ServerSideEncryptionByDefault::builder()
        .sse_algorithm(ServerSideEncryption::AwsKms)
        .kms_master_key_id(&keys[0])
        .build()
        .expect("complete");
    let rule = ServerSideEncryptionRule::builder()
        .apply_server_side_encryption_by_default(default)
        .bucket_key_enabled(true)
        .build();
    let encrypted = ServerSideEncryptionConfiguration::builder().rules(rule);
    s3.put_bucket_encryption()
        .bucket(BUCKET)
        .server_side_encryption_configuration(encrypted.build().expect("complete"))
        .send()
        .await
        .expect("set");
    let applied = apply(&backend).await;
    assert!(applied.is_complete(), "{:#?}", applied.first_problem());
    let rule = s3.get_bucket_encryption().bucket(BUCKET).send().await;
    let rule = rule.expect("read").server_side_encryption_configuration;
    let rule = rule.expect("there").rules.remove(0);
    let default = rule.apply_server_side_encryption_by_default.expect("there");
    assert_eq!(default.kms_master_key_id.as_ref(), Some(&keys[1]));
    assert_eq!(rule.bucket_key_enabled, Some(true));
}
