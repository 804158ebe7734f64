//! A failback by the program, as an operator makes it.

use aws_env::RegionClients;
use aws_sdk_s3::config::RequestChecksumCalculation;
use aws_sdk_s3::types::{
    DeleteMarkerReplication, DeleteMarkerReplicationStatus, Destination, ReplicationConfiguration,
    ReplicationRule, ReplicationRuleFilter, ReplicationRuleStatus, ServerSideEncryption,
    ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration, ServerSideEncryptionRule,
};

use crate::stage::{FROM, PRIMARY, Stage, TO, keep_versions};

/// As Terraform makes a data bucket: with versions, under a key of its region.
async fn harden(clients: &RegionClients, bucket: &str) {
    keep_versions(clients, bucket).await;
    let key = format!(
        "arn:aws:kms:{}:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        clients.region
    );
    let default = ServerSideEncryptionByDefault::builder()
        .sse_algorithm(ServerSideEncryption::AwsKms)
        .kms_master_key_id(key)
        .build()
        .unwrap();
    let rule = ServerSideEncryptionRule::builder();
    let rule = rule.apply_server_side_encryption_by_default(default);
    let encryption = ServerSideEncryptionConfiguration::builder()
        .rules(rule.build())
        .build()
        .unwrap();
    let put = clients.s3.put_bucket_encryption().bucket(bucket);
    let put = put.server_side_encryption_configuration(encryption);
    put.send().await.unwrap();
}

async fn replicate(stage: &Stage) {
    let markers = DeleteMarkerReplication::builder();
    let markers = markers.status(DeleteMarkerReplicationStatus::Enabled);
    let destination = Destination::builder().bucket(format!("arn:aws:s3:::{TO}"));
    let rule = ReplicationRule::builder()
        .id("all")
        .priority(1)
        .status(ReplicationRuleStatus::Enabled)
        .filter(ReplicationRuleFilter::builder().prefix("").build())
        .delete_marker_replication(markers.build())
        .destination(destination.build().unwrap())
        .build()
        .unwrap();
    let replication = ReplicationConfiguration::builder()
        .role("arn:aws:iam::000000000000:role/replication")
        .rules(rule)
        .build()
        .unwrap();
    let put = stage.from.s3.put_bucket_replication().bucket(FROM);
    let put = put.replication_configuration(replication);
    put.send().await.unwrap();
}

/// Without a checksum, so that nothing but versions, journals and the bytes themselves tells the content.
async fn put(clients: &RegionClients, bucket: &str, key: &str, body: &str) {
    let config = clients.s3.config().to_builder();
    let config = config.request_checksum_calculation(RequestChecksumCalculation::WhenRequired);
    let put = aws_sdk_s3::Client::from_conf(config.build()).put_object();
    let put = put.bucket(bucket).key(key);
    let put = put.body(body.as_bytes().to_vec().into());
    put.send().await.unwrap();
}

async fn read(clients: &RegionClients, key: &str) -> Option<Vec<u8>> {
    let get = clients.s3.get_object().bucket(FROM).key(key);
    let object = get.send().await.ok()?;
    Some(object.body.collect().await.unwrap().to_vec())
}

// aws-behaviour: 38
#[tokio::test(flavor = "multi_thread")]
async fn failback_under_keys_of_an_edit_a_deletion_and_a_new_object_takes_three_commands() {
    let stage = stage!();
    harden(&stage.from, FROM).await;
    harden(&stage.to, TO).await;
    replicate(&stage).await;
    for key in ["edited", "gone", "same"] {
        put(&stage.from, FROM, key, key).await;
    }
    // First command, when the DR region takes over.
    let manifest = ["manifest", "--bucket", FROM, "--out", "photos.manifest"];
    assert_eq!(stage.json(0, &manifest)["objects"], 3);
    // What the primary region would have replicated is fenced off then.
    let stop = stage.from.s3.delete_bucket_replication().bucket(FROM);
    stop.send().await.unwrap();
    put(&stage.to, TO, "edited", "in DR").await;
    put(&stage.to, TO, "new", "in DR").await;
    let delete = stage.to.s3.delete_object().bucket(TO).key("gone");
    delete.send().await.unwrap();
    // Second command, when the primary region is back.
    let reconcile = [
        "reconcile",
        "--bucket",
        FROM,
        "--manifest",
        "photos.manifest",
        "--delete",
        "--max-delete",
        "1",
        "--yes",
    ];
    let outcome = stage.json(0, &reconcile);
    let found = |list: &str| outcome["found"][list]["examples"][0]["key"].clone();
    assert_eq!(found("replace"), "edited", "{outcome}");
    assert_eq!(found("delete"), "gone", "{outcome}");
    assert_eq!(found("create"), "new", "{outcome}");
    assert_eq!(outcome["found"]["conflicts"]["objects"], 0, "{outcome}");
    // Third command: both hold the same, and all of it is proven.
    let parity = stage.json(0, &["parity", "--bucket", FROM]);
    assert_eq!(parity["finding"], "same", "{parity}");
    assert_eq!(parity["equal"]["objects"], 3, "{parity}");
    assert_eq!(read(&stage.from, "edited").await.unwrap(), b"in DR");
    assert_eq!(read(&stage.from, "new").await.unwrap(), b"in DR");
    assert_eq!(read(&stage.from, "gone").await, None);

    // It can be undone, where it has changed something.
    let run = outcome["done"]["run"].as_str().unwrap();
    let output = stage.run(&["undo", run, "--bucket", FROM, "--dry-run"]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{text}");
    let to = format!("s3://{FROM}/");
    let undo = format!("undo {run} --to {to} --to-region {PRIMARY}`");
    assert!(text.contains(&undo), "{text}");
    let undo = ["undo", run, "--to", &to, "--to-region", PRIMARY];
    let planned = stage.json(0, &[&undo[..], &["--dry-run"]].concat());
    assert_eq!(planned["bucket"]["url"], to.as_str(), "{planned}");
    assert_eq!(planned["bucket"]["region"], PRIMARY);
    for work in ["revive", "restore", "remove"] {
        assert_eq!(planned[work]["objects"], 1, "{planned}");
    }
}
