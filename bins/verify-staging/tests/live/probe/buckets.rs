//! Probes of buckets.

use crate::stage::{BUCKETS, Stage};

use super::all;

async fn make_buckets(stage: &Stage, versioned: bool) {
    use aws_sdk_s3::types::{
        BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration,
        ServerSideEncryption, ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration,
        ServerSideEncryptionRule, VersioningConfiguration,
    };
    let aes = ServerSideEncryptionByDefault::builder()
        .sse_algorithm(ServerSideEncryption::Aes256)
        .build()
        .unwrap();
    let rule = ServerSideEncryptionRule::builder()
        .apply_server_side_encryption_by_default(aes)
        .build();
    let encrypted = ServerSideEncryptionConfiguration::builder()
        .rules(rule)
        .build()
        .unwrap();
    let here = CreateBucketConfiguration::builder()
        .location_constraint(BucketLocationConstraint::CaCentral1)
        .build();
    let there = stage.env.region("us-east-1".parse().unwrap());
    for (_, bucket) in BUCKETS {
        let s3 = &stage.clients.home.s3;
        let make = s3.create_bucket().bucket(bucket);
        make.create_bucket_configuration(here.clone())
            .send()
            .await
            .unwrap();
        let put = s3.put_bucket_encryption().bucket(bucket);
        put.server_side_encryption_configuration(encrypted.clone())
            .send()
            .await
            .unwrap();
        let dr = format!("{bucket}-dr");
        there.s3.create_bucket().bucket(&dr).send().await.unwrap();
        if versioned {
            let enabled = VersioningConfiguration::builder()
                .status(BucketVersioningStatus::Enabled)
                .build();
            for (s3, bucket) in [(s3, bucket), (&there.s3, dr.as_str())] {
                let put = s3.put_bucket_versioning().bucket(bucket);
                put.versioning_configuration(enabled.clone())
                    .send()
                    .await
                    .unwrap();
            }
        }
    }
}

/// Every version and delete marker in both regions.
async fn versions(stage: &Stage) -> usize {
    let there = stage.env.region("us-east-1".parse().unwrap());
    let mut count = 0;
    for (_, bucket) in BUCKETS {
        for (s3, bucket) in [
            (&stage.clients.home.s3, bucket.to_owned()),
            (&there.s3, format!("{bucket}-dr")),
        ] {
            let list = s3
                .list_object_versions()
                .bucket(bucket)
                .send()
                .await
                .unwrap();
            count += list.versions().len() + list.delete_markers().len();
        }
    }
    count
}

/// What S3 refuses is not to hide which side is meant.
const PROBE_BUCKETS: [&str; 9] = [
    "probe", "--side", "primary", "--only", "buckets", "--output", "json", "--count", "3",
];

#[tokio::test]
async fn buckets_are_written_read_and_left_as_they_were() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    make_buckets(&stage, true).await;
    // What a run left that was killed: old enough to be nobody's.
    stage
        .clients
        .home
        .s3
        .put_object()
        .bucket(BUCKETS[0].1)
        .key(".probe/other")
        .send()
        .await
        .unwrap();
    let ran = stage.run(&PROBE_BUCKETS).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(all(&ran, "bucket-delete").len(), 4);
    // Three of the four have a copy in the DR region.
    assert_eq!(all(&ran, "bucket-clean").len(), 7);
    assert_eq!(
        versions(&stage).await,
        1,
        "what is not ours stays, and nothing else"
    );
    assert_eq!(ran.json()["latencies"][0]["count"], 3);
}

#[tokio::test]
async fn a_bucket_without_versions_is_left_as_it_was_too() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    make_buckets(&stage, false).await;
    let ran = stage.run(&PROBE_BUCKETS).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(versions(&stage).await, 0);
}

#[tokio::test]
async fn a_canary_whose_removal_was_lost_is_swept_up() {
    use local_aws::{Fault, FaultKind};
    let Some(stage) = Stage::open().await else {
        return;
    };
    make_buckets(&stage, true).await;
    let photos = format!("{}/*", BUCKETS[0].1);
    // The put arrives, its answer does not: the retry writes a second version, or none.
    let lost = Fault::new(FaultKind::ResponseLost)
        .operation("PutObject")
        .times(1);
    stage.aws.add_fault(lost.resource(photos));
    let ran = stage.run(&PROBE_BUCKETS).await;
    assert_eq!(versions(&stage).await, 0, "{ran:?}");
}

#[tokio::test]
async fn what_a_bucket_does_not_answer_is_unknown() {
    use local_aws::{Fault, FaultKind};
    let Some(stage) = Stage::open().await else {
        return;
    };
    make_buckets(&stage, true).await;
    for (operation, what, rest) in [
        ("PutObject", "bucket-put", "unknown"),
        ("GetObject", "bucket-get", "ok"),
        ("ListObjectVersions", "bucket-clean", "ok"),
    ] {
        stage.aws.clear_faults();
        let denied = Fault::new(FaultKind::Denied)
            .service("s3")
            .operation(operation);
        stage.aws.add_fault(denied);
        let ran = stage.run(&PROBE_BUCKETS).await;
        assert_eq!(ran.code, Some(3), "{operation}: {ran:?}");
        for (status, why) in ran.found(what) {
            assert!(
                status == "unknown" && why.contains("access denied"),
                "{operation}: {status} {why}"
            );
        }
        assert!(
            all(&ran, "bucket-delete")
                .iter()
                .all(|(_, status)| status == rest),
            "{operation}"
        );
    }
    let ran = stage
        .run(&["probe", "--only", "buckets", "--output", "json"])
        .await;
    assert_eq!(ran.code, Some(3), "{ran:?}");
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_wrong() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    let ran = stage.run(&PROBE_BUCKETS).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(
        ran.found("bucket-put")
            .iter()
            .all(|(status, _)| status == "wrong")
    );
}

#[tokio::test]
async fn probe_of_a_bucket_of_another_account_writes_nothing_to_it() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    make_buckets(&stage, true).await;
    let bucket = BUCKETS[0].1;
    stage.aws.set_bucket_owner(bucket, "999999999999").unwrap();
    let ran = stage.run(&PROBE_BUCKETS).await;
    assert_ne!(ran.code, Some(0), "{ran:?}");
    let list = stage.clients.home.s3.list_object_versions().bucket(bucket);
    let theirs = list.expected_bucket_owner("999999999999").send();
    let theirs = theirs.await.unwrap();
    assert!(theirs.versions().is_empty(), "{theirs:?}");
    let put = all(&ran, "bucket-put");
    let refused = put.iter().filter(|finding| finding.1 == "unknown");
    assert_eq!(refused.count(), 1, "{put:?}");
}
