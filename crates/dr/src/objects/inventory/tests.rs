use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::parity::Finding;
use super::manifest::columns;
use super::rows::{Runs, row};
use super::*;

const SCHEMA: &str = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag, \
                      StorageClass, EncryptionStatus";
const A: &str = "11111111111111111111111111111111";
const B: &str = "22222222222222222222222222222222";

fn read(fields: &[&str]) -> Result<Option<Row>, String> {
    let record = csv::StringRecord::from(fields.to_vec());
    row(&record, "photos", &columns(SCHEMA).unwrap())
}

/// A row with a day of November as its time.
fn listed(key: &str, size: &str, etag: &str, day: u8, encryption: &str) -> Row {
    let time = format!("2026-11-{day:02}T00:00:00.000Z");
    let fields = [
        "photos", key, "v", "true", "false", size, &time, etag, "STANDARD", encryption,
    ];
    read(&fields).unwrap().unwrap()
}

#[test]
fn read_of_a_row_takes_what_s3_writes() {
    let row = listed("a+b%2Bc%0A%C3%A9", "3", A, 1, "SSE-S3");
    assert_eq!(row.key, "a b+c\n\u{e9}");
    assert!(row.plain && row.meta.size == 3);
    assert!(!listed("a", "3", A, 1, "SSE-KMS").plain);
    let time = "2026-11-01T00:00:00.000Z";
    for (latest, marker) in [("false", "false"), ("true", "true")] {
        let fields = ["photos", "k", "v", latest, marker, "", time, A, "", ""];
        assert_eq!(read(&fields), Ok(None));
    }
}

#[test]
fn read_of_a_wrong_row_tells_why() {
    let good = [
        "photos",
        "k",
        "v",
        "true",
        "false",
        "1",
        "2026-11-01T00:00:00Z",
        A,
        "",
        "",
    ];
    assert!(read(&good).unwrap().is_some());
    let with = |column: usize, text: &'static str| {
        let mut fields = good;
        fields[column] = text;
        read(&fields).unwrap_err()
    };
    assert!(with(0, "other").contains("of bucket \"other\""));
    assert!(with(1, "%ff").contains("UTF-8"));
    assert!(with(5, "").contains("size"));
    assert!(with(6, "today").contains("time"));
    assert!(read(&good[..9]).unwrap_err().contains("9 fields"));
}

#[test]
fn columns_of_a_schema_that_lacks_one_names_it() {
    for wanted in ["Size", "ETag", "LastModifiedDate"] {
        let schema = SCHEMA.replace(wanted, "Other");
        let problem = columns(&schema).unwrap_err();
        assert!(problem.contains(wanted), "{problem}");
    }
    // Old versions could not be told from objects.
    assert!(columns(&SCHEMA.replace("IsLatest, ", "")).is_err());
    assert!(columns("Bucket, Key, Size, LastModifiedDate, ETag").is_ok());
}

/// Both inventories were taken on the tenth, unless said otherwise.
fn judge(source: Option<Row>, destination: Option<Row>, days: (u8, u8)) -> Parity {
    let day = |day: u8| format!("2026-11-{day:02}T00:00:00Z").parse().unwrap();
    let as_of = AsOf {
        source: day(days.0),
        destination: day(days.1),
    };
    let mut tallies = Tallies::new(0, 0);
    tally(&mut tallies, source.as_ref(), destination.as_ref(), as_of);
    tallies.conclude(String::new(), String::new(), None)
}

// aws-behaviour: 12
#[test]
fn tally_of_etags_under_a_key_proves_no_difference() {
    let finding = |a: &str, b: &str, encryption: &str| {
        let (a, b) = (
            listed("k", "1", a, 1, encryption),
            listed("k", "1", b, 1, "SSE-S3"),
        );
        judge(Some(a), Some(b), (10, 10)).finding
    };
    assert_eq!(finding(A, A, "SSE-KMS"), Finding::Same);
    assert_eq!(finding(A, B, "SSE-S3"), Finding::Different);
    assert_eq!(finding(A, B, "SSE-KMS"), Finding::Unknown);
    // Not in the inventory: it may be a key.
    assert_eq!(finding(A, B, ""), Finding::Unknown);
    let parts = format!("{A}-2");
    assert_eq!(finding(&parts, B, "SSE-S3"), Finding::Unknown);
}

#[test]
fn tally_of_what_is_newer_than_an_inventory_is_not_provable() {
    let row = |day| Some(listed("k", "1", A, day, "SSE-S3"));
    let other = |day| Some(listed("k", "2", B, day, "SSE-S3"));
    let cases = [
        (row(5), None, (10, 10), Finding::Different),
        (row(8), None, (10, 7), Finding::Unknown),
        (None, row(8), (7, 10), Finding::Unknown),
        (None, row(6), (7, 10), Finding::Different),
        (row(8), other(5), (10, 7), Finding::Unknown),
        (row(5), other(6), (10, 7), Finding::Different),
    ];
    for (source, destination, days, expected) in cases {
        let parity = judge(source, destination, days);
        assert_eq!(parity.finding, expected, "{parity:?}");
    }
}

proptest! {
    // However many runs there are, and in whatever order rows come, the newest row of each key comes once.
    #[test]
    fn rows_in_any_order_come_sorted_and_once(
        keys in proptest::collection::vec(("[ab/]{1,3}", 1_u8..28), 0..300),
        limit in 1_usize..3_000,
    ) {
        let directory = tempfile::tempdir().unwrap();
        let mut runs = Runs::new(directory.path(), limit);
        let mut expected = BTreeMap::new();
        for (key, day) in &keys {
            let row = listed(key, "1", A, *day, "SSE-S3");
            let newest = expected.entry(key.clone()).or_insert(row.meta.modified);
            *newest = (*newest).max(row.meta.modified);
            runs.push(row).unwrap();
        }
        let found: Vec<_> = runs
            .finish()
            .unwrap()
            .map(|row| row.map(|row| (row.key, row.meta.modified)).unwrap())
            .collect();
        prop_assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
    }
}
