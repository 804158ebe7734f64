use proptest::prelude::*;

use super::*;

const A: &str = "d41d8cd98f00b204e9800998ecf8427e";
const B: &str = "00000000000000000000000000000000";

fn meta(size: u64, etag: &str, modified: &str, class: &str) -> ObjectMeta {
    ObjectMeta {
        size,
        etag: ETag::parse(etag),
        modified: Modified::parse(modified).unwrap(),
        class: StorageClass::from(class),
        version: None,
    }
}

fn detail(size: u64, etag: &str) -> Detail {
    Detail {
        size,
        etag: ETag::parse(etag),
        modified: Modified::default(),
        class: StorageClass::Standard,
        version: None,
        encryption: Encryption::Plain,
        checksums: Vec::new(),
        first_part: None,
        archived: false,
        headers: Vec::new(),
    }
}

fn crc(value: &str, full: bool) -> Checksum {
    Checksum {
        algorithm: "CRC64NVME",
        value: value.to_owned(),
        full,
    }
}

const OLD: &str = "2026-01-01T00:00:00Z";
const NEW: &str = "2026-02-01T00:00:00Z";

// aws-behaviour: 11
#[test]
fn compare_details_of_equal_sizes_alone_proves_nothing() {
    for mode in [Mode::Auto, Mode::Checksum] {
        let verdict = compare_listed(mode, &meta(5, A, OLD, ""), &meta(5, B, NEW, ""));
        assert_eq!(verdict, None, "{mode:?}");
    }
    let verdict = compare_listed(Mode::Etag, &meta(5, A, OLD, ""), &meta(5, B, NEW, ""));
    assert_eq!(verdict, Some(Verdict::Differs(Difference::Content)));
    assert_eq!(
        compare_details(Mode::Auto, &detail(5, A), &detail(5, B)),
        Verdict::Differs(Difference::Content)
    );
}

// aws-behaviour: 12
#[test]
fn compare_details_of_etags_that_mean_nothing_ignores_them() {
    let (multi, other) = (format!("{A}-2"), format!("{B}-2"));
    let plain = detail(5, A);
    // Under a key: no word about the content.
    let mut keyed = detail(5, B);
    keyed.encryption = Encryption::Keyed;
    assert_eq!(
        compare_details(Mode::Auto, &plain, &keyed),
        Verdict::NotProvable(Unprovable::Keyed)
    );
    // In parts on one side.
    assert_eq!(
        compare_details(Mode::Auto, &plain, &detail(5, &multi)),
        Verdict::NotProvable(Unprovable::Parts)
    );
    // In parts on both: only when the parts are known to be the same.
    let (mut a, mut b) = (detail(5, &multi), detail(5, &other));
    let verdict = compare_details(Mode::Auto, &a, &b);
    assert_eq!(verdict, Verdict::NotProvable(Unprovable::Parts));
    assert!(wants_parts(verdict, &a, &b));
    a.first_part = Some(3);
    b.first_part = Some(4);
    assert_eq!(compare_details(Mode::Auto, &a, &b), verdict);
    assert!(!wants_parts(verdict, &a, &b));
    b.first_part = Some(3);
    assert_eq!(
        compare_details(Mode::Auto, &a, &b),
        Verdict::Differs(Difference::Content)
    );
}

// aws-behaviour: 12
#[test]
fn compare_details_of_useless_etags_goes_by_checksums() {
    let mut keyed = detail(5, B);
    keyed.encryption = Encryption::Keyed;
    keyed.checksums = vec![crc("x", true)];
    let mut plain = detail(5, &format!("{A}-3"));
    plain.checksums = vec![crc("x", true)];
    assert_eq!(
        compare_details(Mode::Auto, &plain, &keyed),
        Verdict::Equal(Proof::Checksum)
    );
    plain.checksums = vec![crc("y", true)];
    assert_eq!(
        compare_details(Mode::Auto, &plain, &keyed),
        Verdict::Differs(Difference::Content)
    );
    // Composites over other parts differ although the content may be the same.
    plain.checksums = vec![crc("y-3", false)];
    keyed.checksums = vec![crc("x-2", false)];
    assert_eq!(
        compare_details(Mode::Auto, &plain, &keyed),
        Verdict::NotProvable(Unprovable::Keyed)
    );
    assert_eq!(
        compare_details(Mode::Checksum, &detail(5, A), &detail(5, A)),
        Verdict::NotProvable(Unprovable::NoChecksum)
    );
}

// aws-behaviour: 13
#[test]
fn compare_details_of_an_archived_source_is_archived() {
    let archived = meta(5, A, OLD, "DEEP_ARCHIVE");
    assert_eq!(
        compare_listed(Mode::Auto, &archived, &meta(6, B, NEW, "")),
        None
    );
    assert_eq!(
        compare_listed(Mode::Auto, &archived, &meta(5, A, NEW, "")),
        Some(Verdict::Equal(Proof::ETag))
    );
    let mut source = detail(5, A);
    source.archived = true;
    assert_eq!(
        compare_details(Mode::Auto, &source, &detail(6, B)),
        Verdict::Archived
    );
    assert!(StorageClass::from("GLACIER").is_archive());
    assert!(!StorageClass::from("GLACIER_IR").is_archive());
}

#[test]
fn compare_listed_by_size_and_time_is_equal_only_when_requested() {
    let verdict =
        |from, to| compare_listed(Mode::SizeMtime, &meta(5, A, from, ""), &meta(5, B, to, ""));
    assert_eq!(verdict(OLD, NEW), Some(Verdict::Equal(Proof::SizeAndTime)));
    assert_eq!(verdict(NEW, OLD), Some(Verdict::Differs(Difference::Time)));
}

/// The content of an object, and how it was put.
#[derive(Clone, Debug)]
struct Stored {
    content: Vec<u8>,
    part: usize,
    keyed: bool,
    checksum: Option<bool>,
}

/// Stands in for MD5 and CRC: what matters here is only when it is equal.
fn hash(parts: &[&[u8]]) -> [u8; 16] {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    parts.hash(&mut hasher);
    let half = hasher.finish().to_be_bytes();
    let mut out = [0; 16];
    out[..8].copy_from_slice(&half);
    out
}

/// What S3 would say about it.
fn describe(stored: &Stored, salt: u8) -> Detail {
    let parts: Vec<&[u8]> = stored.content.chunks(stored.part).collect();
    let multipart = parts.len() > 1;
    let digest = if stored.keyed {
        [salt; 16]
    } else {
        hash(&parts)
    };
    let etag = if multipart {
        ETag::Multipart {
            digest,
            parts: parts.len().try_into().unwrap(),
        }
    } else {
        ETag::Single(digest)
    };
    let checksum = stored.checksum.map(|full| {
        let full = full || !multipart;
        let value = if full {
            format!("{:?}", hash(&[&stored.content]))
        } else {
            format!("{:?}-{}", hash(&parts), parts.len())
        };
        crc(&value, full)
    });
    Detail {
        size: stored.content.len() as u64,
        etag,
        encryption: if stored.keyed {
            Encryption::Keyed
        } else {
            Encryption::Plain
        },
        checksums: checksum.into_iter().collect(),
        first_part: multipart.then_some(stored.part as u64),
        ..detail(0, A)
    }
}

fn stored() -> impl Strategy<Value = Stored> {
    (
        proptest::collection::vec(0_u8..2, 0..6),
        1_usize..6,
        any::<bool>(),
        proptest::option::of(any::<bool>()),
    )
        .prop_map(|(content, part, keyed, checksum)| Stored {
            content,
            part,
            keyed,
            checksum,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]
    #[test]
    fn compare_details_of_any_two_objects_is_never_wrong(source in stored(), destination in stored(), checksum in any::<bool>()) {
        let mode = if checksum { Mode::Checksum } else { Mode::Auto };
        let (a, b) = (describe(&source, 1), describe(&destination, 2));
        let same = source.content == destination.content;
        match compare_details(mode, &a, &b) {
            Verdict::Equal(_) => prop_assert!(same, "{a:?} {b:?}"),
            Verdict::Differs(_) => prop_assert!(!same, "{a:?} {b:?}"),
            Verdict::NotProvable(_) => {}
            Verdict::Archived => prop_assert!(false),
        }
        // Both with a full checksum or in one piece and not keyed: always decided.
        let decidable = |stored: &Stored| stored.checksum == Some(true);
        if decidable(&source) && decidable(&destination) {
            prop_assert!(!matches!(compare_details(mode, &a, &b), Verdict::NotProvable(_)));
        }
    }
}
