//! Parity and estimate from inventories.

use aws_sdk_s3::types::{
    InventoryConfiguration, InventoryDestination, InventoryFormat, InventoryFrequency,
    InventoryIncludedObjectVersions, InventoryS3BucketDestination, InventorySchedule,
};
use local_aws::{Base, RegionState};

use crate::stage::{FROM, PRIMARY, Stage, TO};

/// An inventory of `bucket`, without the checksum of the manifest, as a copy of it may be.
async fn publish(stage: &Stage, bucket: &str, format: &str) -> String {
    // `gzip` of one row: \"BUCKET\",\"a\",\"1\",\"2026-11-01T00:00:00.000Z\",\"11…1\".
    let row = format!(
        "\"{bucket}\",\"a\",\"1\",\"2026-11-01T00:00:00.000Z\",\"{}\"\n",
        "1".repeat(32)
    );
    let packed = stored(row.as_bytes());
    let clients = if bucket == FROM {
        &stage.from
    } else {
        &stage.to
    };
    let put = async |key: &str, bytes: Vec<u8>| {
        let put = clients
            .s3
            .put_object()
            .bucket(bucket)
            .key(key)
            .body(bytes.into());
        let etag = put.send().await.unwrap().e_tag.unwrap();
        etag.trim_matches('"').to_owned()
    };
    // The ETag of an object in one piece is its MD5.
    let md5 = put("inventory/data/1.csv.gz", packed).await;
    let manifest = serde_json::json!({
        "sourceBucket": bucket,
        "creationTimestamp": "1795132800000",
        "fileFormat": format,
        "fileSchema": "Bucket, Key, Size, LastModifiedDate, ETag",
        "files": [{"key": "inventory/data/1.csv.gz", "size": 1, "MD5checksum": md5}],
    });
    let key = format!("inventory/{bucket}/daily/2026-11-20T00-00Z/manifest.json");
    put(&key, manifest.to_string().into_bytes()).await;
    format!("s3://{bucket}/{key}")
}

/// The configuration by which S3 made it: all keys, current versions.
async fn configure(stage: &Stage, bucket: &str) {
    let clients = if bucket == FROM {
        &stage.from
    } else {
        &stage.to
    };
    let destination = InventoryS3BucketDestination::builder()
        .bucket(format!("arn:aws:s3:::{bucket}"))
        .format(InventoryFormat::Csv)
        .build()
        .unwrap();
    let schedule = InventorySchedule::builder()
        .frequency(InventoryFrequency::Daily)
        .build()
        .unwrap();
    let destination = InventoryDestination::builder()
        .s3_bucket_destination(destination)
        .build();
    let configuration = InventoryConfiguration::builder()
        .id("daily")
        .is_enabled(true)
        .included_object_versions(InventoryIncludedObjectVersions::Current)
        .schedule(schedule)
        .destination(destination)
        .build()
        .unwrap();
    let put = clients.s3.put_bucket_inventory_configuration();
    let put = put.bucket(bucket).id("daily");
    put.inventory_configuration(configuration)
        .send()
        .await
        .unwrap();
}

/// gzip that stores, so that nothing is needed to make it.
pub(crate) fn stored(bytes: &[u8]) -> Vec<u8> {
    let mut crc = !0_u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    let length = u16::try_from(bytes.len()).unwrap();
    let mut packed = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1];
    packed.extend(length.to_le_bytes());
    packed.extend((!length).to_le_bytes());
    packed.extend(bytes);
    packed.extend((!crc).to_le_bytes());
    packed.extend(u32::from(length).to_le_bytes());
    packed
}

#[tokio::test(flavor = "multi_thread")]
async fn parity_and_estimate_of_inventories_list_nothing() {
    // It keeps configurations of inventories, which ministack does not.
    let Some(stage) = Stage::on(Base::Moto).await else {
        return;
    };
    let from = publish(&stage, FROM, "CSV").await;
    let to = publish(&stage, TO, "CSV").await;
    let inventories = ["--inventory-from", &from, "--inventory-to", &to];
    let parity = [&["parity", "--bucket", FROM], &inventories[..]].concat();
    let found = stage.json(3, &parity);
    assert_eq!(found["finding"], "unknown", "no configuration: {found}");
    configure(&stage, FROM).await;
    configure(&stage, TO).await;
    stage.aws.clear_log();
    let found = stage.json(0, &parity);
    assert_eq!(found["finding"], "same");
    assert_eq!(found["as_of"]["source"], "2026-11-20T00:00:00Z");
    assert_eq!(found["equal"]["objects"], 1);
    let estimate = [&["estimate", "--bucket", FROM], &inventories[..]].concat();
    let found = stage.json(0, &estimate);
    assert_eq!(found["workload"]["copies"]["objects"], 0);
    assert_eq!(found["take"], "own");
    let listed = |entry: &local_aws::LogEntry| entry.operation.starts_with("List");
    assert!(!stage.aws.log().iter().any(listed));

    // The manifests of each other's bucket.
    let swapped = ["--inventory-from", &to, "--inventory-to", &from];
    let output = stage.run(&[&["parity", "--bucket", FROM], &swapped[..]].concat());
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains(&format!("lists {TO}, not {FROM}")), "{text}");

    publish(&stage, TO, "Parquet").await;
    let output = stage.run(&parity);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    stage.aws.set_region(PRIMARY, RegionState::Refuse);
    let output = stage.run(&parity);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn estimate_of_a_sync_tells_what_it_would_copy_and_changes_nothing() {
    let stage = stage!();
    stage.put(&stage.from, FROM, &["a", "b", "same"]).await;
    stage.put(&stage.to, TO, &["same", "stray"]).await;
    stage.aws.clear_log();
    let found = stage.json(0, &["estimate", "--bucket", FROM]);
    assert_eq!(found["workload"]["copies"]["objects"], 2);
    assert_eq!(found["workload"]["source"]["objects"], 3);
    assert_eq!(found["take"], "own");
    assert_eq!(found["own"]["lower_bound"], false);
    // Two copies at $0.005 for 1,000, a page each listed, and two bytes.
    let requests = &found["own"]["lines"][2];
    assert_eq!(requests["usd"], "0.00001", "{found}");
    let log = stage.aws.log();
    assert!(!log.iter().any(local_aws::LogEntry::is_mutation), "{log:?}");
    let output = stage.run(&["estimate", "--bucket", FROM]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("Take the own engine") && text.contains("Assumed"),
        "{text}"
    );
}
