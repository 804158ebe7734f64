//! Captures in S3.

use aws_credential_types::Credentials;
use aws_env::{AwsEnv, Options};
use aws_sdk_s3::Client;
use aws_sdk_s3::types::{
    BucketLocationConstraint, CreateBucketConfiguration, DefaultRetention, ObjectLockConfiguration,
    ObjectLockEnabled, ObjectLockRetentionMode, ObjectLockRule,
};
use local_aws::{Fault, FaultKind, LocalAws};
use serde_json::Value;

use crate::stage::{Stage, outputs};

const BUCKET: &str = "berthcare-evidence";

async fn open(locked: bool) -> Option<(LocalAws, Client, Stage)> {
    let aws = LocalAws::start_or_skip().await.unwrap()?;
    let env = AwsEnv::load(Options {
        endpoint_url: Some(aws.endpoint().to_owned()),
        credentials: Some(Credentials::new("test", "test", None, None, "tests")),
        ..Options::default()
    });
    let s3 = env
        .await
        .unwrap()
        .region("ca-central-1".parse().unwrap())
        .s3;
    let place = CreateBucketConfiguration::builder()
        .location_constraint(BucketLocationConstraint::CaCentral1)
        .build();
    s3.create_bucket()
        .bucket(BUCKET)
        .create_bucket_configuration(place)
        .object_lock_enabled_for_bucket(locked)
        .send()
        .await
        .unwrap();
    let stage = Stage::on(&aws);
    stage.file("outputs.json", &outputs().to_string());
    Some((aws, s3, stage))
}

const CAPTURE: [&str; 6] = [
    "capture",
    "--from",
    "outputs.json",
    "--no-check",
    "--to",
    "s3://berthcare-evidence/staging/",
];

fn key(told: &Value) -> String {
    let url = told["stored"]["url"].as_str().unwrap();
    url.strip_prefix("s3://berthcare-evidence/")
        .unwrap()
        .to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capture_is_put_read_back_and_never_over_another() {
    let Some((aws, s3, stage)) = open(false).await else {
        return;
    };
    let told = stage.json(0, &CAPTURE);
    assert_eq!(told["stored"]["locked"], Value::Null);
    let key = key(&told);
    assert!(key.starts_with("staging/berthcare-staging-"), "{key}");
    let object = s3
        .get_object()
        .bucket(BUCKET)
        .key(&key)
        .send()
        .await
        .unwrap();
    let bytes = object.body.collect().await.unwrap().into_bytes();
    assert_eq!(
        bytes,
        std::fs::read(stage.path(told["file"].as_str().unwrap())).unwrap()
    );
    let put = aws
        .log()
        .into_iter()
        .filter(|entry| entry.operation == "PutObject")
        .count();
    assert_eq!(put, 1);

    // S3 cannot be written: the capture is kept here, and the end is not fine.
    aws.add_fault(Fault::new(FaultKind::Denied).operation("PutObject"));
    let output = stage.run(&CAPTURE);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("the capture is kept in"));
    aws.clear_faults();
    // Whether the bucket has Object Lock cannot be told: nothing is put.
    aws.clear_log();
    aws.add_fault(Fault::new(FaultKind::Denied).operation("GetObjectLockConfiguration"));
    let output = stage.run(&CAPTURE);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(!aws.log().iter().any(|entry| entry.operation == "PutObject"));
    aws.clear_faults();
    assert_eq!(stage.json(0, &["audit"])["captures"], 3);
    let output = stage.run(&[&CAPTURE[..5], &["s3://berthcare-nowhere"]].concat());
    assert_eq!(output.status.code(), Some(3), "{output:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn object_lock_holds_a_capture_by_the_buckets_default_or_by_days() {
    let Some((_aws, s3, stage)) = open(true).await else {
        return;
    };
    let told = stage.json(0, &[&CAPTURE[..], &["--retain-days", "10"]].concat());
    assert_eq!(told["stored"]["locked"]["mode"], "GOVERNANCE");
    let listed = s3
        .list_object_versions()
        .bucket(BUCKET)
        .prefix(key(&told))
        .send()
        .await
        .unwrap();
    let version = listed.versions()[0].version_id().unwrap();
    let deleted = s3
        .delete_object()
        .bucket(BUCKET)
        .key(key(&told))
        .version_id(version)
        .send()
        .await;
    assert!(deleted.is_err(), "a locked version was deleted");

    let default = DefaultRetention::builder()
        .mode(ObjectLockRetentionMode::Compliance)
        .days(1)
        .build();
    let rule = ObjectLockRule::builder().default_retention(default).build();
    let lock = ObjectLockConfiguration::builder()
        .object_lock_enabled(ObjectLockEnabled::Enabled)
        .rule(rule)
        .build();
    s3.put_object_lock_configuration()
        .bucket(BUCKET)
        .object_lock_configuration(lock)
        .send()
        .await
        .unwrap();
    let told = stage.json(0, &CAPTURE);
    assert_eq!(told["stored"]["locked"]["mode"], "COMPLIANCE");
}

#[tokio::test(flavor = "multi_thread")]
async fn capture_in_compliance_mode_is_asked_and_says_that_nobody_can_undo_it() {
    let Some((aws, _s3, stage)) = open(true).await else {
        return;
    };
    let compliance = [
        &CAPTURE[..],
        &["--lock-mode", "compliance", "--retain-days", "10"],
    ]
    .concat();
    let output = stage.run(&compliance);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{stderr}");
    for part in [
        "COMPLIANCE",
        "nobody can delete it",
        "the capture is kept in",
    ] {
        assert!(stderr.contains(part), "{part}: {stderr}");
    }
    assert!(!aws.log().iter().any(|entry| entry.operation == "PutObject"));
    let told = stage.json(0, &[&compliance[..], &["--yes"]].concat());
    assert_eq!(told["stored"]["locked"]["mode"], "COMPLIANCE");
}

#[tokio::test(flavor = "multi_thread")]
async fn capture_in_compliance_mode_to_a_bucket_without_object_lock_is_refused() {
    let Some((aws, _s3, stage)) = open(false).await else {
        return;
    };
    let output = stage.run(&[&CAPTURE[..], &["--lock-mode", "compliance", "--yes"]].concat());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{stderr}");
    assert!(!aws.log().iter().any(|entry| entry.operation == "PutObject"));
}

#[tokio::test(flavor = "multi_thread")]
async fn capture_to_a_bucket_of_another_account_is_kept_here_alone() {
    let Some((aws, s3, stage)) = open(false).await else {
        return;
    };
    aws.set_bucket_owner(BUCKET, "999999999999").unwrap();
    let output = stage.run(&CAPTURE);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    for part in [
        BUCKET,
        "expected owner 000000000000",
        "another account's",
        "the capture is kept in",
    ] {
        assert!(stderr.contains(part), "{part}: {stderr}");
    }
    let list = s3.list_objects_v2().bucket(BUCKET);
    let theirs = list.expected_bucket_owner("999999999999").send();
    assert_eq!(theirs.await.unwrap().contents().len(), 0);
}
