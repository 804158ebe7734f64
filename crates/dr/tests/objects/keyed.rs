//! Buckets whose objects are under KMS keys: their ETags match nothing of the other side.

use std::collections::BTreeMap;

use aws_env::RegionClients;
use aws_sdk_s3::config::RequestChecksumCalculation;
use aws_sdk_s3::types::{
    DeleteMarkerReplication, DeleteMarkerReplicationStatus, Destination, ReplicationConfiguration,
    ReplicationRule, ReplicationRuleFilter, ReplicationRuleStatus, ServerSideEncryption,
    ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration, ServerSideEncryptionRule,
};
use dr::objects::{
    Finding, Mode, PlanOptions, Planned, Reconciliation, Resolutions, capture, reconcile,
};

use crate::stage::Stage;

/// Both buckets encrypt with keys of their regions unless a request says otherwise.
pub(crate) async fn encrypt_both(stage: &Stage) {
    for (clients, bucket) in [(&stage.from, "photos"), (&stage.to, "photos-dr")] {
        let key = format!(
            "arn:aws:kms:{}:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab",
            clients.region
        );
        let default = ServerSideEncryptionByDefault::builder()
            .sse_algorithm(ServerSideEncryption::AwsKms)
            .kms_master_key_id(key)
            .build()
            .unwrap();
        let rule = ServerSideEncryptionRule::builder()
            .apply_server_side_encryption_by_default(default)
            .build();
        let configuration = ServerSideEncryptionConfiguration::builder()
            .rules(rule)
            .build()
            .unwrap();
        let put = clients.s3.put_bucket_encryption().bucket(bucket);
        put.server_side_encryption_configuration(configuration)
            .send()
            .await
            .unwrap();
    }
}

/// Whatever is written to the primary bucket goes to the DR bucket, delete markers too.
pub(crate) async fn replicate(stage: &Stage) {
    let markers = DeleteMarkerReplication::builder()
        .status(DeleteMarkerReplicationStatus::Enabled)
        .build();
    let destination = Destination::builder().bucket("arn:aws:s3:::photos-dr");
    let rule = ReplicationRule::builder()
        .id("all")
        .priority(1)
        .status(ReplicationRuleStatus::Enabled)
        .filter(ReplicationRuleFilter::builder().prefix("").build())
        .delete_marker_replication(markers)
        .destination(destination.build().unwrap())
        .build()
        .unwrap();
    let configuration = ReplicationConfiguration::builder()
        .role("arn:aws:iam::000000000000:role/replication")
        .rules(rule)
        .build()
        .unwrap();
    let put = stage.from.s3.put_bucket_replication().bucket("photos");
    put.replication_configuration(configuration)
        .send()
        .await
        .unwrap();
}

/// Puts an object without a checksum: under a key nothing then tells its content but reading it.
pub(crate) async fn put_bare(clients: &RegionClients, bucket: &str, key: &str, body: &[u8]) {
    let config = clients.s3.config().to_builder();
    let config = config.request_checksum_calculation(RequestChecksumCalculation::WhenRequired);
    let put = aws_sdk_s3::Client::from_conf(config.build()).put_object();
    let put = put.bucket(bucket).key(key).body(body.to_vec().into());
    put.send().await.unwrap();
}

async fn versions(clients: &RegionClients, bucket: &str) -> usize {
    let list = clients.s3.list_object_versions().bucket(bucket);
    let versions = list.send().await.unwrap().versions.unwrap_or_default();
    let ours = |version: &&aws_sdk_s3::types::ObjectVersion| {
        !version
            .key()
            .unwrap_or_default()
            .starts_with(".dr-journal/")
    };
    versions.iter().filter(ours).count()
}

fn heads(stage: &Stage) -> usize {
    let log = stage.aws.log();
    let heads = log.iter().filter(|entry| entry.operation == "HeadObject");
    heads.count()
}

#[tokio::test]
async fn undo_of_what_was_undone_finds_nothing_to_do() {
    let stage = stage!();
    for keyed in [false, true] {
        if keyed {
            encrypt_both(&stage).await;
        }
        let (run, other) = (format!("r-{keyed}"), format!("other-{keyed}"));
        for key in [&run, &other] {
            put_bare(&stage.from, "photos", key, b"new").await;
            put_bare(&stage.to, "photos-dr", key, b"old").await;
        }
        let (_, done) = stage.sync(&run, &stage.keyed_options()).await;
        assert_eq!(done.copied.objects, 2);
        assert_eq!(stage.undo(&run, &format!("u-{keyed}")).await, 2);
        put_bare(&stage.to, "photos-dr", &other, b"of somebody else").await;
        let again = stage.plan_undo(&run).await.unwrap();
        let plan = again.plan();
        assert!(plan.is_empty(), "{plan:?}");
        assert_eq!(
            (plan.nothing.objects, plan.conflicts.tally.objects),
            (1, 1),
            "{plan:?}"
        );
        assert_eq!(plan.conflicts.examples[0].key, other);
        stage.put_source(&run, b"old").await;
        stage.put_source(&other, b"of somebody else").await;
    }
}

// aws-behaviour: 12
#[tokio::test]
async fn sync_of_unprovable_objects_run_three_times_copies_each_once() {
    let stage = stage!();
    encrypt_both(&stage).await;
    for key in ["a", "b", "c"] {
        put_bare(&stage.from, "photos", key, key.as_bytes()).await;
    }
    for run in ["r1", "r2", "r3"] {
        let (_, done) = stage.sync(run, &stage.keyed_options()).await;
        assert!(done.is_complete(), "{done:?}");
    }
    assert_eq!(versions(&stage.to, "photos-dr").await, 3);
    // What is written again is copied again.
    put_bare(&stage.from, "photos", "b", b"B").await;
    let (plan, _) = stage.sync("r4", &stage.keyed_options()).await;
    assert_eq!((plan.equal.objects, plan.replace.tally.objects), (2, 1));
    assert_eq!(versions(&stage.to, "photos-dr").await, 4);
    let (plan, _) = stage.sync("r5", &stage.keyed_options()).await;
    assert_eq!(plan.equal.objects, 3);
}

// aws-behaviour: 38
#[tokio::test]
async fn parity_of_replicas_under_keys_is_the_same_by_their_versions() {
    let stage = stage!();
    encrypt_both(&stage).await;
    replicate(&stage).await;
    for number in 0..40 {
        put_bare(&stage.from, "photos", &format!("k{number:02}"), b"x").await;
    }
    stage.aws.clear_log();
    let parity = stage.parity(Mode::Auto).await;
    assert_eq!(parity.finding, Finding::Same, "{parity:?}");
    assert_eq!(parity.equal.objects, 40);
    assert_eq!(parity.source.digest, parity.destination.digest);
    assert_eq!(heads(&stage), 0, "the versions' lists are enough");
    // Few are asked about one by one.
    for number in 3..40 {
        let delete = stage.from.s3.delete_object().bucket("photos");
        let delete = delete.key(format!("k{number:02}"));
        delete.send().await.unwrap();
    }
    let parity = stage.parity(Mode::Auto).await;
    assert_eq!((parity.finding, parity.equal.objects), (Finding::Same, 3));
    // An overwritten replica is none.
    put_bare(&stage.to, "photos-dr", "k01", b"y").await;
    let parity = stage.parity(Mode::Auto).await;
    assert_eq!(parity.finding, Finding::Different, "{parity:?}");
    assert_eq!(parity.equal.objects, 2);
}

/// As after a failover: `same`, `edited` and `gone` were replicated, then the rule was taken away.
async fn failed_over(stage: &Stage, directory: &std::path::Path) {
    encrypt_both(stage).await;
    replicate(stage).await;
    for key in ["edited", "gone", "same"] {
        put_bare(&stage.from, "photos", key, key.as_bytes()).await;
    }
    let stop = stage.from.s3.delete_bucket_replication().bucket("photos");
    stop.send().await.unwrap();
    let path = directory.join("manifest");
    capture(&stage.destination, jiff::Timestamp::UNIX_EPOCH, &path)
        .await
        .unwrap();
    put_bare(&stage.to, "photos-dr", "edited", b"in DR").await;
    put_bare(&stage.to, "photos-dr", "new", b"in DR").await;
    let delete = stage.to.s3.delete_object().bucket("photos-dr").key("gone");
    delete.send().await.unwrap();
}

async fn plan_failback(
    stage: &Stage,
    options: &PlanOptions,
    directory: &std::path::Path,
) -> (Reconciliation, Planned) {
    let manifest = directory.join("manifest");
    reconcile(
        &stage.destination,
        &stage.source,
        &manifest,
        options,
        &Resolutions::default(),
        stage.runs.path(),
    )
    .await
    .unwrap()
}

fn bodies(seen: &BTreeMap<String, crate::stage::Seen>) -> BTreeMap<&str, &[u8]> {
    let pairs = seen.iter();
    pairs
        .map(|(key, seen)| (key.as_str(), seen.body.as_slice()))
        .collect()
}

// aws-behaviour: 38
#[tokio::test]
async fn reconcile_under_keys_brings_home_an_edit_a_deletion_and_a_new_object() {
    let stage = stage!();
    let directory = tempfile::tempdir().unwrap();
    failed_over(&stage, directory.path()).await;
    let options = PlanOptions {
        delete: true,
        ..stage.keyed_options()
    };
    let (found, planned) = plan_failback(&stage, &options, directory.path()).await;
    assert_eq!(found.conflicts.tally.objects, 0, "{found:?}");
    let plan = &found.plan;
    let numbers = [&plan.replace, &plan.delete, &plan.create].map(|list| list.tally.objects);
    assert_eq!(numbers, [1, 1, 1], "{found:?}");
    assert_eq!(plan.equal.objects, 1);
    let done = stage.apply_back("r1", planned).await;
    assert!(done.is_complete(), "{done:?}");
    let (primary, dr) = (stage.source().await, stage.destination().await);
    assert_eq!(bodies(&primary), bodies(&dr));
    // Once more there is nothing left, and nothing in doubt: the run's journal says what it copied.
    let options = PlanOptions {
        delete: true,
        ..stage.keyed_options()
    };
    let (found, _) = plan_failback(&stage, &options, directory.path()).await;
    assert!(found.plan.is_empty(), "{found:?}");
    assert_eq!(found.conflicts.tally.objects, 0, "{found:?}");
    assert_eq!(found.plan.equal.objects, 3);
    assert_eq!(stage.parity(Mode::Auto).await.finding, Finding::Same);
}

/// The journal of a run as it is when the process dies before any outcome is written.
pub(crate) fn forget_outcomes(stage: &Stage, run: &str) {
    let path = stage.runs.path().join(run).join("journal.jsonl");
    let journal = std::fs::read_to_string(&path).unwrap();
    let kept = journal.lines().filter(|line| {
        !["\"done\"", "\"failed\"", "\"end\""]
            .iter()
            .any(|record| line.contains(&format!("\"record\":{record}")))
    });
    let kept: String = kept.map(|line| format!("{line}\n")).collect();
    std::fs::write(&path, kept).unwrap();
}

#[tokio::test]
async fn undo_of_a_killed_run_under_keys_restores_what_it_overwrote() {
    let stage = stage!();
    encrypt_both(&stage).await;
    for number in 0..20 {
        let key = format!("k{number:02}");
        put_bare(&stage.from, "photos", &key, b"new").await;
        put_bare(&stage.to, "photos-dr", &key, b"old").await;
    }
    put_bare(&stage.from, "photos", "created", b"new").await;
    let before = stage.destination().await;
    let (_, done) = stage.sync("r1", &stage.keyed_options()).await;
    assert_eq!(done.copied.objects, 21);
    forget_outcomes(&stage, "r1");
    // Somebody else has written one of them since.
    put_bare(&stage.to, "photos-dr", "k07", b"theirs").await;
    let planned = stage.plan_undo("r1").await.unwrap();
    let plan = planned.plan();
    assert_eq!(plan.conflicts.tally.objects, 1, "{plan:?}");
    assert_eq!(plan.conflicts.examples[0].key, "k07");
    assert_eq!(plan.impossible.tally.objects, 0, "{plan:?}");
    assert_eq!((plan.restore.objects, plan.remove.objects), (19, 1));
    stage.carry_out_undo(planned, "r2").await;
    let mut after = stage.destination().await;
    assert_eq!(after.remove("k07").unwrap().body, b"theirs");
    let mut before = before;
    before.remove("k07");
    assert_eq!(bodies(&after), bodies(&before));
}
