//! Inventories as S3 publishes them: a manifest, its checksum, and gzip files of CSV.

use std::fmt::Write as _;
use std::io::Write as _;

use aws_env::RegionClients;
use dr::objects::{
    Bucket, Finding, Inventory, InventoryError, Parity, Side, parity_of_inventories,
};
use flate2::Compression;
use flate2::write::GzEncoder;
use md5::{Digest as _, Md5};

use crate::stage::Stage;

const SCHEMA: &str = "Bucket, Key, Size, LastModifiedDate, ETag, EncryptionStatus";
/// 2026-11-20T00:00:00Z.
const CREATED: &str = "1795132800000";

fn md5(bytes: &[u8]) -> String {
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

fn rows(bucket: &str, objects: &[(&str, &[u8])]) -> String {
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
struct Defect {
    schema: Option<&'static str>,
    format: Option<&'static str>,
    /// Bytes that are missing at the end of each file, which then has the checksum of what is left.
    cut: usize,
    wrong_md5: bool,
    wrong_checksum: bool,
}

/// Publishes an inventory of `bucket` in that bucket.
async fn publish(
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
    let key = "inventory/2026-11-20T00-00Z/manifest.json";
    put(key, manifest).await;
    let beside = "inventory/2026-11-20T00-00Z/manifest.checksum";
    put(beside, format!("{checksum}\n").into_bytes()).await;
    Inventory {
        bucket: Bucket::new(clients, format!("s3://{bucket}").parse().unwrap()),
        manifest: key.to_owned(),
        lists: Some(bucket.parse().unwrap()),
    }
}

async fn compare(a: &Inventory, b: &Inventory) -> Result<Parity, (Side, InventoryError)> {
    let directory = tempfile::tempdir().unwrap();
    parity_of_inventories(a, b, directory.path()).await
}

// aws-behaviour: 11
#[tokio::test]
async fn two_inventories_are_compared_whatever_the_order_of_their_rows() {
    let Some(stage) = Stage::open().await else {
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
async fn an_inventory_that_cannot_be_trusted_is_refused() {
    let Some(stage) = Stage::open().await else {
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
