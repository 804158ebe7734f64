//! Inventories as S3 publishes them: a manifest, its checksum, and gzip files of CSV.

use std::fmt::Write as _;
use std::io::Write as _;

use aws_env::RegionClients;
use aws_sdk_s3::types::{
    InventoryConfiguration, InventoryDestination, InventoryFilter, InventoryFormat,
    InventoryFrequency, InventoryIncludedObjectVersions, InventoryS3BucketDestination,
    InventorySchedule,
};
use dr::objects::{
    Bucket, Covers, Finding, Inventory, InventoryError, Parity, Side, parity_of_inventories,
};
use flate2::Compression;
use flate2::write::GzEncoder;
use md5::{Digest as _, Md5};

use local_aws::{Base, Fault, FaultKind};
use report::Report as _;

use crate::stage::Stage;

const SCHEMA: &str = "Bucket, Key, Size, LastModifiedDate, ETag, EncryptionStatus";
/// 2026-11-20T00:00:00Z.
const CREATED: &str = "1795132800000";

pub(crate) fn md5(bytes: &[u8]) -> String {
    Md5::digest(bytes)
        .iter()
        .fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

fn gzip(rows: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(rows.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn rows(bucket: &str, objects: &[(&str, &[u8])]) -> String {
    let row = |(key, body): &(&str, &[u8])| {
        let etag = md5(body);
        let size = body.len();
        format!(
            "\"{bucket}\",\"{key}\",\"{size}\",\"2026-11-01T00:00:00.000Z\",\"{etag}\",\"SSE-S3\"\n"
        )
    };
    objects.iter().map(row).collect()
}

/// What may be wrong with an inventory.
#[derive(Default)]
pub(crate) struct Defect {
    pub(crate) schema: Option<&'static str>,
    pub(crate) format: Option<&'static str>,
    /// Bytes that are missing at the end of each file, which then has the checksum of what is left.
    pub(crate) cut: usize,
    pub(crate) wrong_md5: bool,
    pub(crate) wrong_checksum: bool,
}

/// Publishes an inventory of `bucket` in that bucket.
pub(crate) async fn publish(
    clients: &RegionClients,
    bucket: &str,
    files: &[String],
    defect: &Defect,
) -> Inventory {
    let put = async |key: &str, bytes: Vec<u8>| {
        let put = clients.s3.put_object().bucket(bucket).key(key);
        put.body(bytes.into()).send().await.unwrap();
    };
    let mut listed = Vec::new();
    for (number, rows) in files.iter().enumerate() {
        let mut bytes = gzip(rows);
        bytes.truncate(bytes.len() - defect.cut);
        let checksum = if defect.wrong_md5 {
            "0".repeat(32)
        } else {
            md5(&bytes)
        };
        let key = format!("inventory/data/{number}.csv.gz");
        listed.push(serde_json::json!({"key": key, "size": bytes.len(), "MD5checksum": checksum}));
        put(&key, bytes).await;
    }
    let manifest = serde_json::json!({
        "sourceBucket": bucket,
        "destinationBucket": format!("arn:aws:s3:::{bucket}"),
        "version": "2016-11-30",
        "creationTimestamp": CREATED,
        "fileFormat": defect.format.unwrap_or("CSV"),
        "fileSchema": defect.schema.unwrap_or(SCHEMA),
        "files": listed,
    });
    let manifest = manifest.to_string().into_bytes();
    let checksum = if defect.wrong_checksum {
        "0".repeat(32)
    } else {
        md5(&manifest)
    };
    let folder = format!("inventory/{bucket}/daily/2026-11-20T00-00Z");
    let key = format!("{folder}/manifest.json");
    put(&key, manifest).await;
    let beside = format!("{folder}/manifest.checksum");
    put(&beside, format!("{checksum}\n").into_bytes()).await;
    Inventory {
        bucket: Bucket::new(clients, format!("s3://{bucket}").parse().unwrap()),
        manifest: key,
        lists: Some(bucket.parse().unwrap()),
    }
}

/// The configuration by which S3 made it.
async fn configure(clients: &RegionClients, bucket: &str, prefix: Option<&str>) {
    let destination = InventoryS3BucketDestination::builder()
        .bucket(format!("arn:aws:s3:::{bucket}"))
        .format(InventoryFormat::Csv)
        .prefix("inventory")
        .build()
        .unwrap();
    let schedule = InventorySchedule::builder()
        .frequency(InventoryFrequency::Daily)
        .build()
        .unwrap();
    let filter = prefix.map(|prefix| InventoryFilter::builder().prefix(prefix).build().unwrap());
    let configuration = InventoryConfiguration::builder()
        .id("daily")
        .is_enabled(true)
        .included_object_versions(InventoryIncludedObjectVersions::Current)
        .schedule(schedule)
        .set_filter(filter)
        .destination(
            InventoryDestination::builder()
                .s3_bucket_destination(destination)
                .build(),
        )
        .build()
        .unwrap();
    let put = clients.s3.put_bucket_inventory_configuration();
    let put = put.bucket(bucket).id("daily");
    put.inventory_configuration(configuration)
        .send()
        .await
        .unwrap();
}

/// Configurations of inventories are kept by moto, not by ministack.
async fn open() -> Option<Stage> {
    let stage = Stage::on(Base::Moto).await?;
    configure(&stage.from, "photos", None).await;
    configure(&stage.to, "photos-dr", None).await;
    Some(stage)
}

async fn compare(a: &Inventory, b: &Inventory) -> Result<Parity, (Side, InventoryError)> {
    let directory = tempfile::tempdir().unwrap();
    parity_of_inventories(a, b, directory.path()).await
}

// aws-behaviour: 11
#[tokio::test]
async fn parity_of_inventories_in_any_order_of_rows_is_the_same() {
    let Some(stage) = open().await else {
        return;
    };
    let source = [
        rows("photos", &[("z%2By", b"1"), ("a/b", b"22")]),
        rows("photos", &[("m+n", b"same"), ("a/a", b"x")]),
    ];
    let none = Defect::default();
    let ours = publish(&stage.from, "photos", &source, &none).await;
    let same = [
        rows("photos-dr", &[("a/a", b"x"), ("z%2By", b"1")]),
        // A space can be written in two ways.
        rows("photos-dr", &[("m%20n", b"same")]),
        rows("photos-dr", &[("a/b", b"22")]),
    ];
    let theirs = publish(&stage.to, "photos-dr", &same, &none).await;
    let parity = compare(&ours, &theirs).await.unwrap();
    assert_eq!(parity.finding, Finding::Same, "{parity:?}");
    assert_eq!((parity.equal.objects, parity.equal.bytes), (4, 8));
    assert_eq!((parity.source.objects, parity.source.bytes), (4, 8));
    assert_eq!(parity.source.digest, parity.destination.digest);
    assert_eq!(parity.folders.unwrap()["a/"].source.objects, 2);
    assert_eq!(
        parity.as_of.unwrap().source.to_string(),
        "2026-11-20T00:00:00Z"
    );

    // As many objects, as many bytes.
    let other = [rows(
        "photos-dr",
        &[
            ("a/a", b"y"),
            ("z%2By", b"1"),
            ("m+n", b"same"),
            ("a/c", b"22"),
        ],
    )];
    let theirs = publish(&stage.to, "photos-dr", &other, &none).await;
    let parity = compare(&ours, &theirs).await.unwrap();
    assert_eq!(parity.finding, Finding::Different);
    assert_eq!(parity.source.bytes, parity.destination.bytes);
    assert_eq!(parity.different.examples[0].key, "a/a");
    assert_eq!(parity.only_source.examples[0].key, "a/b");
    assert_eq!(parity.only_destination.examples[0].key, "a/c");
}

#[tokio::test]
async fn parity_of_inventories_of_a_part_is_never_the_whole() {
    let Some(stage) = open().await else {
        return;
    };
    let none = Defect::default();
    let ours = publish(
        &stage.from,
        "photos",
        &[rows("photos", &[("a/b", b"1")])],
        &none,
    )
    .await;
    let files = [rows("photos-dr", &[("a/b", b"1")])];
    let theirs = publish(&stage.to, "photos-dr", &files, &none).await;
    let text = |parity: &Parity| parity.document().to_markdown();
    let parity = compare(&ours, &theirs).await.unwrap();
    assert_eq!(parity.finding, Finding::Same);
    let report = text(&parity);
    assert!(
        report.contains("source's inventory lists: all keys"),
        "{report}"
    );

    // The rows are the same, and nobody knows what is not in them.
    configure(&stage.from, "photos", Some("a/")).await;
    let (_, error) = compare(&ours, &theirs).await.unwrap_err();
    assert!(
        matches!(error, InventoryError::OtherParts { .. }),
        "{error}"
    );
    assert!(error.to_string().contains("s3://photos/a/*"), "{error}");

    configure(&stage.to, "photos-dr", Some("a/")).await;
    let parity = compare(&ours, &theirs).await.unwrap();
    assert_eq!(parity.finding, Finding::Same);
    assert_eq!(parity.from, "s3://photos/a/");
    let report = text(&parity);
    assert!(
        report.contains("ONLY keys that begin with \"a/\""),
        "{report}"
    );

    // The configuration was changed since.
    configure(&stage.from, "photos", Some("b/")).await;
    configure(&stage.to, "photos-dr", Some("b/")).await;
    let (_, error) = compare(&ours, &theirs).await.unwrap_err();
    assert!(matches!(error, InventoryError::OutOfPart { .. }), "{error}");

    // It may not be seen.
    configure(&stage.from, "photos", None).await;
    configure(&stage.to, "photos-dr", None).await;
    let denied = Fault::new(FaultKind::Denied).operation("GetBucketInventoryConfiguration");
    stage
        .aws
        .add_fault(denied.region(stage.from.region.as_str()));
    let parity = compare(&ours, &theirs).await.unwrap();
    assert_eq!(parity.finding, Finding::Unknown, "{parity:?}");
    let covers = parity.inventories.clone().unwrap();
    assert!(
        matches!(covers.source, Covers::Unknown { .. }),
        "{covers:?}"
    );
    let report = text(&parity);
    assert!(
        report.contains("source's inventory lists: not known"),
        "{report}"
    );

    // A copy of it elsewhere does not say of which configuration it is.
    stage.aws.clear_faults();
    let copy = stage
        .from
        .s3
        .copy_object()
        .bucket("photos")
        .key("manifest.json");
    let copy = copy.copy_source(format!("photos/{}", ours.manifest));
    copy.send().await.unwrap();
    let ours = Inventory {
        manifest: "manifest.json".to_owned(),
        ..ours
    };
    let parity = compare(&ours, &theirs).await.unwrap();
    assert_eq!(parity.finding, Finding::Unknown, "{parity:?}");
}

#[tokio::test]
async fn parity_of_an_inventory_that_cannot_be_trusted_fails() {
    let Some(stage) = open().await else {
        return;
    };
    let none = Defect::default();
    let good = [rows("photos", &[("a", b"1")])];
    let ours = publish(&stage.from, "photos", &good, &none).await;
    let refused = async |defect: Defect, files: &[String]| {
        let theirs = publish(&stage.to, "photos-dr", files, &defect).await;
        let (side, error) = compare(&ours, &theirs).await.unwrap_err();
        assert_eq!(side, Side::Destination);
        error
    };
    let files = [rows("photos-dr", &[("a", b"1")])];
    let error = refused(
        Defect {
            schema: Some("Bucket, Key, Size, LastModifiedDate, StorageClass, EncryptionStatus"),
            ..Defect::default()
        },
        &files,
    )
    .await;
    assert!(error.to_string().contains("no column ETag"), "{error}");
    for format in ["Parquet", "ORC"] {
        let format = Some(format);
        let error = refused(
            Defect {
                format,
                ..Defect::default()
            },
            &files,
        )
        .await;
        assert!(error.to_string().contains("only CSV"), "{error}");
    }
    let wrong_md5 = true;
    let error = refused(
        Defect {
            wrong_md5,
            ..Defect::default()
        },
        &files,
    )
    .await;
    assert!(matches!(error, InventoryError::Checksum { .. }), "{error}");
    let wrong_checksum = true;
    let error = refused(
        Defect {
            wrong_checksum,
            ..Defect::default()
        },
        &files,
    )
    .await;
    assert!(matches!(error, InventoryError::Checksum { .. }), "{error}");
    let error = refused(
        Defect {
            cut: 6,
            ..Defect::default()
        },
        &files,
    )
    .await;
    assert!(matches!(error, InventoryError::Unpack { .. }), "{error}");
    let foreign = [rows("somebodys", &[("a", b"1")])];
    let error = refused(Defect::default(), &foreign).await;
    assert!(
        matches!(error, InventoryError::Row { row: 1, .. }),
        "{error}"
    );

    let mut theirs = publish(&stage.to, "photos-dr", &files, &none).await;
    theirs.lists = Some("another".parse().unwrap());
    let (_, error) = compare(&ours, &theirs).await.unwrap_err();
    assert!(
        error.to_string().contains("lists photos-dr, not another"),
        "{error}"
    );
    let (_, error) = compare(&ours, &ours).await.unwrap_err();
    assert!(matches!(error, InventoryError::OneBucket { .. }), "{error}");
    theirs.lists = None;
    theirs.manifest = "inventory/never/manifest.json".to_owned();
    let (_, error) = compare(&ours, &theirs).await.unwrap_err();
    assert!(matches!(error, InventoryError::Call(_)), "{error}");
}
