//! What other tools fall into, each over real HTTP.

use std::time::Duration;

use aws_sdk_s3::config::RequestChecksumCalculation;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    BucketVersioningStatus, CompletedMultipartUpload, CompletedPart, RestoreRequest,
    ServerSideEncryption, StorageClass,
};
use dr::objects::{
    ApplyOptions, Bucket, Finding, JournalTrust, Mode, PlanOptions, UndoError, UndoRefusal,
    abort_open_uploads, apply, undo,
};
use local_aws::{Base, Fault, FaultKind};
use tokio::sync::watch;

use crate::stage::{Stage, approve, deleting, options, see_one};

// aws-behaviour: 11
#[tokio::test]
async fn sync_of_the_same_size_with_other_content_repairs_it() {
    let stage = stage!();
    stage.put_source("a", b"good").await;
    // Newer, and of the same size: what sync by size and time takes for done.
    stage.put_destination("a", b"evil").await;
    let parity = stage.parity(Mode::Auto).await;
    assert_eq!(parity.finding, Finding::Different);
    assert_eq!(parity.different.tally.objects, 1);
    assert_eq!((parity.source.objects, parity.source.bytes), (1, 4));
    assert_ne!(parity.source.digest, parity.destination.digest);
    let (plan, done) = stage.sync("r1", &options()).await;
    assert_eq!((plan.replace.tally.objects, done.copied.objects), (1, 1));
    assert_eq!(stage.destination().await, stage.source().await);
    let parity = stage.parity(Mode::Auto).await;
    assert_eq!(parity.finding, Finding::Same, "{parity:?}");
    assert_eq!(parity.source.digest, parity.destination.digest);
    assert_eq!(parity.sample.unwrap().same.objects, 1);
}

pub(crate) async fn put_in_parts(stage: &Stage, key: &str, parts: &[Vec<u8>]) {
    let s3 = &stage.from.s3;
    let upload = s3
        .create_multipart_upload()
        .bucket("photos")
        .key(key)
        .content_type("image/png")
        .metadata("camera", "x1")
        .tagging("case=a%20b")
        .send()
        .await
        .unwrap();
    let id = upload.upload_id().unwrap();
    let mut done = Vec::new();
    for (number, part) in (1..).zip(parts) {
        let answer = s3
            .upload_part()
            .bucket("photos")
            .key(key)
            .upload_id(id)
            .part_number(number)
            .body(ByteStream::from(part.clone()))
            .send()
            .await
            .unwrap();
        done.push(
            CompletedPart::builder()
                .part_number(number)
                .set_e_tag(answer.e_tag().map(str::to_owned))
                .build(),
        );
    }
    s3.complete_multipart_upload()
        .bucket("photos")
        .key(key)
        .upload_id(id)
        .multipart_upload(
            CompletedMultipartUpload::builder()
                .set_parts(Some(done))
                .build(),
        )
        .send()
        .await
        .unwrap();
}

// aws-behaviour: 12
#[tokio::test]
async fn parity_of_a_multipart_object_is_not_different_for_its_etag() {
    // It tells the sizes of parts, which ministack does not.
    let Some(stage) = Stage::on(Base::Moto).await else {
        return;
    };
    let parts = [vec![1; 5 << 20], vec![2; 1_000]];
    put_in_parts(&stage, "big", &parts).await;
    // The same bytes in one piece: another ETag.
    stage.put_destination("big", &parts.concat()).await;
    let parity = stage.parity(Mode::Etag).await;
    assert_eq!(parity.finding, Finding::Unknown, "{parity:?}");
    assert_eq!(parity.different.tally.objects, 0);
    let parity = stage.parity(Mode::Auto).await;
    assert_ne!(parity.finding, Finding::Different, "{parity:?}");

    // A copy keeps everything, whether in parts or not.
    stage.sync("r1", &options()).await;
    let source = see_one(&stage.from, "photos", "big").await;
    let destination = see_one(&stage.to, "photos-dr", "big").await;
    assert_eq!(source, destination);
    assert_eq!(destination.metadata["camera"], "x1");
    assert_eq!(destination.tags["case"], "a b");
    let parts = |entry: &local_aws::LogEntry| entry.operation == "UploadPartCopy";
    assert_eq!(stage.aws.log().into_iter().filter(parts).count(), 2);
    // In the same parts, so that the listing alone proves it from now on.
    assert_eq!(stage.parity(Mode::Etag).await.finding, Finding::Same);
    let uploads = stage
        .to
        .s3
        .list_multipart_uploads()
        .bucket("photos-dr")
        .send()
        .await
        .unwrap();
    assert_eq!(uploads.uploads().len(), 0);
}

#[tokio::test]
async fn sync_of_an_object_keeps_metadata_tags_and_headers() {
    let stage = stage!();
    stage
        .from
        .s3
        .put_object()
        .bucket("photos")
        .key("a.bin")
        .content_type("application/x-thing")
        .cache_control("max-age=60")
        .metadata("patient", "42")
        .tagging("retention=7y&kind=x%26y")
        .body(ByteStream::from_static(b"x"))
        .send()
        .await
        .unwrap();
    stage.sync("r1", &options()).await;
    assert_eq!(stage.destination().await, stage.source().await);
    let seen = see_one(&stage.to, "photos-dr", "a.bin").await;
    assert_eq!(seen.metadata["patient"], "42");
    assert_eq!(seen.tags["kind"], "x&y");

    // The same bytes without them: equal by ETag, different when asked for headers.
    stage.put_destination("a.bin", b"x").await;
    let (plan, _) = stage.sync("r2", &options()).await;
    assert_eq!(plan.equal.objects, 1);
    let headers = PlanOptions {
        headers: true,
        ..options()
    };
    let (plan, _) = stage.sync("r3", &headers).await;
    assert_eq!(plan.replace.tally.objects, 1);
    assert_eq!(stage.destination().await, stage.source().await);
    let (plan, _) = stage.sync("r4", &headers).await;
    assert_eq!(plan.equal.objects, 1);
}

// aws-behaviour: 13
#[tokio::test]
async fn sync_of_an_archived_object_names_it() {
    let stage = stage!();
    stage
        .from
        .s3
        .put_object()
        .bucket("photos")
        .key("cold")
        .storage_class(StorageClass::DeepArchive)
        .body(ByteStream::from_static(b"x"))
        .send()
        .await
        .unwrap();
    stage.put_source("warm", b"x").await;
    let (plan, done) = stage.sync("r1", &options()).await;
    assert_eq!(plan.archived.examples[0].key, "cold");
    assert_eq!(done.copied.objects, 1);
    assert_eq!(
        stage.destination().await.keys().collect::<Vec<_>>(),
        ["warm"]
    );
    let parity = stage.parity(Mode::Auto).await;
    assert_eq!(parity.finding, Finding::Different);
    assert_eq!(parity.archived.examples[0].key, "cold");
}

// aws-behaviour: 13
#[tokio::test]
async fn sync_of_an_archived_object_copies_it_once_restored() {
    let stage = stage!();
    let put = stage.from.s3.put_object().bucket("photos").key("cold");
    let put = put.storage_class(StorageClass::DeepArchive);
    put.body(ByteStream::from_static(b"x"))
        .send()
        .await
        .unwrap();
    let (plan, done) = stage.sync("r1", &options()).await;
    assert_eq!((plan.archived.tally.objects, done.copied.objects), (1, 0));
    let restore = stage.from.s3.restore_object().bucket("photos").key("cold");
    let request = RestoreRequest::builder().days(1).build();
    restore.restore_request(request).send().await.unwrap();
    while !stage.is_restored("cold").await {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let parity = stage.parity(Mode::Auto).await;
    assert_eq!(parity.only_source.tally.objects, 1);
    assert_eq!(parity.archived.tally.objects, 0, "{parity:?}");
    let (plan, done) = stage.sync("r2", &options()).await;
    assert_eq!((plan.archived.tally.objects, done.copied.objects), (0, 1));
    // In the class that the source has.
    let head = stage.to.s3.head_object().bucket("photos-dr").key("cold");
    let class = head.send().await.unwrap().storage_class;
    assert_eq!(class, Some(StorageClass::DeepArchive));
    let parity = stage.parity(Mode::Etag).await;
    assert_eq!(parity.equal.objects, 1, "{parity:?}");
    // Equal, but the copy is archived in its turn, so that the sample cannot be read.
    assert_eq!(parity.finding, Finding::Unknown);
}

/// Puts an object under a KMS key of the DR side, without a checksum of the SDK's.
async fn put_keyed(stage: &Stage, key: &str, body: &[u8]) {
    let config = stage.to.s3.config().to_builder();
    let config = config.request_checksum_calculation(RequestChecksumCalculation::WhenRequired);
    let put = aws_sdk_s3::Client::from_conf(config.build()).put_object();
    let put = put.bucket("photos-dr").key(key).body(body.to_vec().into());
    let put = put.server_side_encryption(ServerSideEncryption::AwsKms);
    put.ssekms_key_id(KMS_KEY).send().await.unwrap();
}

const KMS_KEY: &str = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";

// aws-behaviour: 12
#[tokio::test]
async fn sync_with_a_kms_key_encrypts_the_copies_with_it() {
    // In one piece, and in parts on the base that tells their sizes.
    for base in [Base::Ministack, Base::Moto] {
        let Some(stage) = Stage::on(base).await else {
            return;
        };
        stage.put_source("a", b"plain").await;
        put_in_parts(&stage, "big", &[vec![1; 5 << 20], vec![2; 9]]).await;
        let planned = stage.plan(&options()).await;
        let options = ApplyOptions {
            kms_key: Some(KMS_KEY.parse().unwrap()),
            ..stage.options()
        };
        let (_keep, stop) = watch::channel(false);
        let (approved, run) = (approve(planned), stage.run("r1"));
        let done = apply(approved, &run, &options, stop, &report::Silent).await;
        let done = done.unwrap();
        assert_eq!(done.copied.objects, 2);
        for key in ["a", "big"] {
            let head = stage.to.s3.head_object().bucket("photos-dr").key(key);
            let head = head.send().await.unwrap();
            let keyed = Some(&ServerSideEncryption::AwsKms);
            assert_eq!(head.server_side_encryption(), keyed, "{key}");
            assert_eq!(head.ssekms_key_id(), Some(KMS_KEY), "{key}");
        }
        assert_eq!(stage.destination().await, stage.source().await);
    }
}

// aws-behaviour: 12
#[tokio::test]
async fn parity_of_etags_under_a_kms_key_proves_no_difference() {
    let stage = stage!();
    stage.put_source("a", b"good").await;
    put_keyed(&stage, "a", b"evil").await;
    // The ETags differ, as they would for the same bytes: only a checksum may decide.
    let head = |clients: &aws_env::RegionClients, bucket: &str| {
        let head = clients.s3.head_object().bucket(bucket).key("a");
        head.checksum_mode(aws_sdk_s3::types::ChecksumMode::Enabled)
            .send()
    };
    let (ours, theirs) = tokio::join!(head(&stage.from, "photos"), head(&stage.to, "photos-dr"));
    let (ours, theirs) = (ours.unwrap(), theirs.unwrap());
    let common = ours.checksum_crc32().is_some() && theirs.checksum_crc32().is_some();
    assert!(!common, "{theirs:?}");
    let parity = stage.parity(Mode::Auto).await;
    assert_eq!(parity.different.tally.objects, 0, "{parity:?}");
    let why = parity.unproven.examples[0].reason.as_deref().unwrap();
    assert!(why.contains("encrypted with a key"), "{why}");
    // Reading both is the proof that is left.
    assert_eq!(parity.sample.unwrap().different.tally.objects, 1);
    assert_eq!(parity.finding, Finding::Different);
    // Not provably equal: it is copied again, and then it is.
    let (plan, done) = stage.sync("r1", &options()).await;
    assert_eq!((plan.unproven.tally.objects, done.copied.objects), (1, 1));
    assert_eq!(stage.destination().await, stage.source().await);
}

#[tokio::test]
async fn sync_of_keys_of_every_kind_copies_them() {
    let stage = stage!();
    let long = "k".repeat(1_024);
    let keys = [
        "a b",
        "a+b",
        "a%2Bb",
        "a%b",
        "line\nbreak",
        "tab\there",
        "\u{1f600}/\u{e9}",
        "//",
        "a//b",
        "/a",
        "q?x=1&y#z",
        "<&>\"'",
        "./x",
        long.as_str(),
    ];
    for (number, key) in (0_u8..).zip(keys) {
        stage.put_source(key, &[number]).await;
    }
    let (plan, done) = stage.sync("r1", &options()).await;
    assert_eq!(plan.create.tally.objects, keys.len() as u64);
    assert_eq!(done.copied.objects, keys.len() as u64, "{done:?}");
    assert_eq!(stage.destination().await, stage.source().await);
    let parity = stage.parity(Mode::Auto).await;
    assert_eq!(parity.finding, Finding::Same, "{parity:?}");
    assert_eq!(stage.undo("r1", "r2").await, keys.len() as u64);
    assert_eq!(stage.destination().await.len(), 0);
}

#[tokio::test]
async fn sync_of_keys_that_xml_cannot_name_copies_and_deletes_them() {
    let stage = stage!();
    let keys = ["a\u{1}b", "\u{1b}[31m", "plain", "\u{ffff}"];
    for key in keys {
        stage.put_source(key, key.as_bytes()).await;
        stage.put_destination(&format!("old {key}"), b"x").await;
    }
    let (plan, done) = stage.sync("r1", &deleting()).await;
    assert_eq!(plan.delete.tally.objects, 4);
    assert!(done.is_complete(), "{done:?}");
    assert_eq!((done.copied.objects, done.deleted.objects), (4, 4));
    assert_eq!(stage.parity(Mode::Auto).await.finding, Finding::Same);
    let one_by_one = |entry: &local_aws::LogEntry| entry.operation == "DeleteObject";
    assert_eq!(stage.aws.log().into_iter().filter(one_by_one).count(), 3);
}

#[tokio::test]
async fn sync_of_an_object_whose_key_is_the_prefix_copies_it() {
    let mut stage = stage!();
    stage.put_source("2026/", b"what the folder is about").await;
    stage.put_source("2026/a", b"a").await;
    stage.put_source("2026", b"beside it").await;
    stage.source = Bucket::new(&stage.from, "s3://photos/2026".parse().unwrap());
    stage.destination = Bucket::new(&stage.to, "s3://photos-dr/old/2026".parse().unwrap());
    let parity = stage.parity(Mode::Auto).await;
    assert_eq!(parity.only_source.tally.objects, 2, "{parity:?}");
    let (_, done) = stage.sync("r1", &options()).await;
    assert_eq!(done.copied.objects, 2, "{done:?}");
    assert_eq!(stage.keys().await, ["old/2026/", "old/2026/a"]);
    assert_eq!(stage.parity(Mode::Auto).await.finding, Finding::Same);
    // It is deleted like any other.
    let gone = stage.from.s3.delete_object().bucket("photos").key("2026/");
    gone.send().await.unwrap();
    let (plan, done) = stage.sync("r2", &deleting()).await;
    assert_eq!((plan.delete.tally.objects, done.deleted.objects), (1, 1));
    assert_eq!(stage.keys().await, ["old/2026/a"]);
    // Empty, it marks the folder, and between two folders there is a place for that.
    stage.put_source("2026/", b"").await;
    let (_, done) = stage.sync("r3", &options()).await;
    assert_eq!(done.copied.objects, 1, "{done:?}");
    assert_eq!(stage.keys().await, ["old/2026/", "old/2026/a"]);
}

#[tokio::test]
async fn sync_of_a_folders_mark_to_a_whole_bucket_loses_no_content_silently() {
    let mut stage = stage!();
    stage.put_source("2026/", b"").await;
    stage.put_source("2026/a", b"a").await;
    stage.source = Bucket::new(&stage.from, "s3://photos/2026".parse().unwrap());
    let (_, done) = stage.sync("r1", &options()).await;
    assert!(done.is_complete() && done.copied.objects == 1, "{done:?}");
    assert_eq!(stage.parity(Mode::Auto).await.finding, Finding::Same);
    stage.put_source("2026/", b"content").await;
    assert_eq!(stage.parity(Mode::Auto).await.finding, Finding::Different);
    let (_, done) = stage.sync("r2", &options()).await;
    assert_eq!(done.failed.tally.objects, 1, "{done:?}");
    let reason = done.failed.examples[0].reason.as_deref().unwrap();
    assert!(reason.contains("key would be empty"), "{reason}");
}

#[tokio::test]
async fn undo_in_a_bucket_whose_versions_are_suspended_is_refused() {
    let stage = stage!();
    stage.put_source("a", b"new").await;
    stage.put_destination("a", b"old").await;
    stage.sync("r1", &options()).await;
    let approved = stage
        .plan_undo("r1")
        .await
        .unwrap()
        .approve(JournalTrust::Own)
        .unwrap();
    stage.versioning(BucketVersioningStatus::Suspended).await;
    let after = stage.destination().await;
    let planned = stage.plan_undo("r1").await.unwrap();
    assert_eq!(planned.plan().restore.objects, 1);
    let refused = planned.approve(JournalTrust::Own);
    assert!(
        matches!(refused, Err(UndoRefusal::Unversioned { .. })),
        "{refused:?}"
    );
    // Suspended since it was approved.
    let run = stage.run("r2");
    let undone = undo(approved, &run, &stage.options(), &report::Silent).await;
    assert!(
        matches!(
            undone,
            Err(UndoError::Refused(UndoRefusal::Unversioned { .. }))
        ),
        "{undone:?}"
    );
    assert_eq!(stage.destination().await, after);
    stage.versioning(BucketVersioningStatus::Enabled).await;
    assert_eq!(stage.undo("r1", "r3").await, 1);
    assert_eq!(stage.destination().await["a"].body, b"old");
}

#[tokio::test]
async fn undo_of_what_was_written_while_versions_were_suspended_is_called_impossible() {
    let stage = stage!();
    stage.versioning(BucketVersioningStatus::Suspended).await;
    stage.put_source("a", b"new").await;
    stage.put_destination("a", b"old").await;
    stage.put_destination("stray", b"x").await;
    let (_, done) = stage.sync("r1", &options()).await;
    assert_eq!(done.copied.objects, 1);
    // Deletions are not let pass there; a run in whose middle versions were suspended has made one.
    let stray = stage.to.s3.delete_object().bucket("photos-dr").key("stray");
    let marker = stray.send().await.unwrap().version_id;
    let lines = [
        serde_json::json!({"record": "intent", "key": "stray", "action": "delete", "before": "null"}),
        serde_json::json!({"record": "done", "key": "stray", "after": marker.as_deref().unwrap_or("null")}),
    ];
    let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let path = stage.runs.path().join("r1/journal.jsonl");
    let journal = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, journal + &lines).unwrap();
    stage.versioning(BucketVersioningStatus::Enabled).await;
    let planned = stage.plan_undo("r1").await.unwrap();
    let plan = planned.plan();
    assert_eq!(plan.impossible.tally.objects, 2, "{plan:?}");
    assert_eq!(plan.nothing.objects, 0);
}

#[tokio::test]
async fn sync_of_an_object_that_changes_copies_it_as_it_is_then() {
    let stage = stage!();
    stage.put_source("a", b"old").await;
    let planned = stage.plan(&options()).await;
    stage.put_source("a", b"newer").await;
    let done = stage.apply("r1", planned).await.unwrap();
    assert_eq!(done.copied.bytes, 5, "{done:?}");
    assert_eq!(see_one(&stage.to, "photos-dr", "a").await.body, b"newer");
}

#[tokio::test]
async fn sync_beside_anothers_writes_neither_overwrites_nor_deletes_them() {
    let stage = stage!();
    stage.put_source("both", b"source").await;
    stage.put_source("keep", b"same").await;
    stage.put_destination("both", b"old").await;
    stage.put_destination("stray", b"old").await;
    let planned = stage.plan(&deleting()).await;
    assert_eq!(planned.plan().delete.tally.objects, 1);
    stage.put_destination("both", b"written in DR").await;
    stage.put_destination("stray", b"written in DR").await;
    let done = stage.apply("r1", planned).await.unwrap();
    assert_eq!(done.conflicts.tally.objects, 1, "{done:?}");
    // One thing was not as planned, so nothing is deleted.
    assert_eq!((done.skipped_deletions, done.deleted.objects), (1, 0));
    let there = stage.destination().await;
    assert_eq!(there["both"].body, b"written in DR");
    assert_eq!(there["stray"].body, b"written in DR");
    assert_eq!(there["keep"].body, b"same");
}

#[tokio::test]
async fn sync_whose_deletion_loses_its_answer_can_be_undone() {
    let stage = stage!();
    stage.put_source("new", b"x").await;
    stage.put_source("keep", b"x").await;
    stage.put_destination("keep", b"x").await;
    stage.put_destination("stray", b"x").await;
    let before = stage.destination().await;
    let lost = || {
        let fault = Fault::new(FaultKind::ResponseLost).operation("DeleteObjects");
        stage.aws.add_fault(fault.times(1));
    };
    lost();
    let (_, done) = stage.sync("r1", &deleting()).await;
    assert!(done.is_complete(), "{done:?}");
    assert_eq!(done.deleted.objects, 1);
    assert_eq!(stage.destination().await, stage.source().await);
    // The undo deletes what was created; its answer is lost as well.
    lost();
    assert_eq!(stage.undo("r1", "r2").await, 2);
    assert_eq!(stage.destination().await, before);
    let hit = |entry: &local_aws::LogEntry| entry.fault.as_deref() == Some("response-lost");
    assert_eq!(stage.aws.log().into_iter().filter(hit).count(), 2);
}

#[tokio::test]
async fn sync_that_is_interrupted_drains_and_the_next_finishes() {
    let stage = stage!();
    for n in 0..40 {
        stage.put_source(&format!("k{n:02}"), b"x").await;
    }
    stage.put_destination("stray", b"x").await;
    let planned = stage.plan(&deleting()).await;
    stage.aws.add_fault(
        Fault::new(FaultKind::Latency(Duration::from_millis(50))).operation("CopyObject"),
    );
    let (interrupt, stop) = watch::channel(false);
    let wait = async {
        // After the first copy.
        while !stage
            .aws
            .log()
            .iter()
            .any(|entry| entry.operation == "CopyObject")
        {
            tokio::task::yield_now().await;
        }
        interrupt.send(true).unwrap();
    };
    let (done, ()) = tokio::join!(stage.apply_until("r1", approve(planned), stop), wait);
    let done = done.unwrap();
    assert!(done.interrupted && done.copied.objects < 40, "{done:?}");
    assert_eq!((done.skipped_deletions, done.deleted.objects), (1, 0));
    assert_eq!(
        stage.destination().await.len() as u64,
        done.copied.objects + 1
    );
    stage.aws.clear_faults();
    let (_, done) = stage.sync("r2", &deleting()).await;
    assert!(done.is_complete());
    assert_eq!(stage.destination().await, stage.source().await);
}

#[tokio::test]
async fn abort_open_uploads_of_a_killed_run_leaves_those_of_others() {
    let stage = stage!();
    let open = async |key: &str| {
        let upload = stage
            .to
            .s3
            .create_multipart_upload()
            .bucket("photos-dr")
            .key(key)
            .send()
            .await
            .unwrap();
        upload.upload_id().unwrap().to_owned()
    };
    let (ours, theirs) = (open("k").await, open("k").await);
    // As a run leaves it that was killed.
    let run = stage.runs.path().join("killed");
    std::fs::create_dir_all(&run).unwrap();
    std::fs::write(run.join("lock"), "").unwrap();
    let mut record = serde_json::to_value(stage.run("killed")).unwrap();
    record["record"] = "run".into();
    let upload = serde_json::json!({"record": "upload", "key": "k", "upload": ours});
    std::fs::write(
        run.join("journal.jsonl"),
        format!("{record}\n{upload}\n{{\"reco"),
    )
    .unwrap();
    let abort = abort_open_uploads(stage.runs.path(), &stage.destination);
    assert_eq!(abort.await.unwrap(), 1);
    // Its journal is settled then, and not read again.
    let upload = serde_json::json!({"record": "upload", "key": "k", "upload": theirs});
    std::fs::write(run.join("journal.jsonl"), format!("{record}\n{upload}\n")).unwrap();
    let abort = abort_open_uploads(stage.runs.path(), &stage.destination);
    assert_eq!(abort.await.unwrap(), 0);
    let left = stage
        .to
        .s3
        .list_multipart_uploads()
        .bucket("photos-dr")
        .send()
        .await
        .unwrap();
    let left: Vec<_> = left
        .uploads()
        .iter()
        .filter_map(|upload| upload.upload_id())
        .collect();
    assert_eq!(left, [theirs.as_str()]);
}
