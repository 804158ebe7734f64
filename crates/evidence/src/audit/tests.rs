//! A chain of three captures and two reviews, and everything that may be done to it.

use std::fs;

use jiff::{Timestamp, ToSpan as _};
use proptest::prelude::*;
use tempfile::TempDir;

use super::super::{Draft, Kept, Origin, RedactionPolicy, Signature};
use super::*;
use crate::outputs::Outputs;

struct Chain {
    folder: Folder,
    kept: Vec<Kept>,
    _dir: TempDir,
}

fn at(minutes: i64) -> Timestamp {
    "2026-11-26T17:30:00.123Z".parse::<Timestamp>().unwrap() + minutes.minutes()
}

fn draft(folder: &Folder, minutes: i64, endpoint: &str) -> Draft {
    let salt = Folder::salt_or_new(&folder.salt_path()).unwrap();
    let json = format!(
        r#"{{"vpc_id": {{"value": "vpc-1"}}, "db_endpoint": {{"value": "{endpoint}"}},
            "master": {{"sensitive": true, "value": "hunter2-hunter2"}}, "ratio": {{"value": 0.1234567890123456789}}}}"#
    );
    let outputs = Outputs::parse(json.as_bytes()).unwrap();
    Draft::new(
        "berthcare-staging",
        "ca-central-1",
        at(minutes),
        "verify-staging 0.1.0",
        Origin::default(),
        &outputs,
        None,
        (&salt, RedactionPolicy::default()),
    )
}

fn sign(folder: &Folder, item: &str, minutes: i64) {
    let signature = Signature::new("Ada", Some("looked"), at(minutes)).unwrap();
    folder.sign(Item::find(item).unwrap(), signature).unwrap();
}

impl Chain {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let folder = Folder::new(dir.path().join("evidence"));
        let mut kept = Vec::new();
        for (minutes, endpoint) in [(0, "a:5432"), (1, "a:5432"), (2, "b:5432")] {
            let draft = draft(&folder, minutes, endpoint);
            kept.push(folder.keep(draft).unwrap());
            if minutes < 2 {
                sign(&folder, "RDS endpoint", minutes);
            }
        }
        Self {
            folder,
            kept,
            _dir: dir,
        }
    }

    fn name(&self, at: usize) -> &str {
        &self.kept[at].link.file
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.folder.path().join(name)).unwrap()
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.folder.path().join(name), bytes).unwrap();
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.folder.path().join(name)).unwrap();
    }

    fn findings(&self) -> Vec<Finding> {
        self.folder.audit(None).unwrap().findings
    }

    /// The places of the findings, once each.
    fn places(&self) -> Vec<String> {
        let places: BTreeSet<String> = self.findings().into_iter().map(|one| one.place).collect();
        places.into_iter().collect()
    }
}

#[test]
fn an_untouched_chain_is_whole_and_shows_its_head() {
    let chain = Chain::new();
    let audit = chain
        .folder
        .audit(Some(&chain.kept[0].link.sha256))
        .unwrap();
    assert_eq!(audit.findings, []);
    assert_eq!((audit.captures, audit.reviews), (3, 2));
    assert_eq!(
        audit.head.as_deref(),
        Some(chain.kept[2].link.sha256.as_str())
    );
    let numbers: Vec<u64> = chain.kept.iter().map(|kept| kept.capture.number).collect();
    assert_eq!(numbers, [1, 2, 3]);
}

#[test]
fn nothing_to_audit_is_not_fine() {
    let dir = TempDir::new().unwrap();
    for folder in [dir.path().to_owned(), dir.path().join("nowhere")] {
        let error = Folder::new(folder).audit(None).unwrap_err();
        assert!(matches!(error, EvidenceError::Empty { .. }), "{error}");
    }
}

#[test]
fn a_capture_that_was_edited_or_removed_is_named() {
    for at in 0..3 {
        let chain = Chain::new();
        let name = chain.name(at).to_owned();
        let text = String::from_utf8(chain.read(&name)).unwrap();
        chain.write(&name, text.replace("vpc-1", "vpc-2").as_bytes());
        assert!(chain.places().contains(&name), "{:?}", chain.findings());
        chain.write(&name, text.as_bytes());
        assert_eq!(chain.findings(), []);
        chain.remove(&name);
        let removed = chain.findings();
        let told = removed.iter().find(|one| one.place == name);
        assert_eq!(told.map(|one| one.what), Some("removed"), "{removed:?}");
    }
}

#[test]
fn an_edit_with_a_new_digest_breaks_the_link_after_it() {
    for at in 0..3 {
        let chain = Chain::new();
        let mut forged = chain.kept[at].capture.clone();
        forged.outputs.remove("vpc_id");
        let text = Layout::File.seal(&forged).unwrap();
        let name = chain.name(at).to_owned();
        chain.write(&name, text.as_bytes());
        assert_eq!(chain.places(), [name], "{:?}", chain.findings());
        let noted = chain
            .folder
            .audit(Some(&chain.kept[at].link.sha256))
            .unwrap();
        assert!(noted.findings.iter().any(|one| one.what.contains("noted")));
    }
}

#[test]
fn two_captures_that_changed_places_are_both_named() {
    for (one, other) in [(0, 1), (0, 2), (1, 2)] {
        let chain = Chain::new();
        let (one, other) = (chain.name(one), chain.name(other));
        let (first, second) = (chain.read(one), chain.read(other));
        chain.write(one, &second);
        chain.write(other, &first);
        let places = chain.places();
        for name in [one, other] {
            assert!(places.contains(&name.to_owned()), "{name}: {places:?}");
        }
    }
}

#[test]
fn a_capture_from_elsewhere_is_named() {
    let chain = Chain::new();
    let other = Folder::new(chain.folder.path().with_file_name("other"));
    let stray = other.keep(draft(&other, 5, "a")).unwrap();
    chain.write(&stray.link.file, &stray.bytes);
    assert!(
        chain.places().contains(&stray.link.file),
        "{:?}",
        chain.findings()
    );
    chain.remove(&stray.link.file);
    // What `terraform output -json` writes by itself.
    chain.write(
        "staging-20261126-173000.json",
        br#"{"p": {"sensitive": true, "value": "hunter2"}}"#,
    );
    let found = chain.findings();
    assert_eq!(found[0].place, "staging-20261126-173000.json");
    assert!(!format!("{found:?}").contains("hunter2"));
}

#[test]
fn reviews_that_were_altered_removed_or_moved_are_named() {
    let chain = Chain::new();
    let whole = String::from_utf8(chain.read(REVIEWS)).unwrap();
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    let altered = lines[0].replace("Ada", "Eve");
    for (text, place) in [
        (format!("{altered}{}", lines[1]), "reviews.jsonl line 1"),
        (
            format!("{}{}", lines[0], lines[1].replace("looked", "loooked")),
            "reviews.jsonl line 2",
        ),
        (lines[1].to_owned(), "reviews.jsonl line 1"),
        (lines[0].to_owned(), "reviews.jsonl"),
        (format!("{}{}", lines[1], lines[0]), "reviews.jsonl line 1"),
        (format!("{whole}{}", lines[1]), "reviews.jsonl line 3"),
        (String::new(), "reviews.jsonl"),
    ] {
        chain.write(REVIEWS, text.as_bytes());
        let places = chain.places();
        assert!(places.contains(&place.to_owned()), "{place}: {places:?}");
    }
    // Sealed anew, it does not fit the capture that it names.
    let mut forged = parse_line(lines[1].as_bytes()).unwrap();
    forged.value = "b:5432".to_owned();
    let forged = Layout::Line.seal(&forged).unwrap();
    chain.write(REVIEWS, format!("{}{forged}", lines[0]).as_bytes());
    let told = chain.findings();
    assert!(
        told.iter().any(|one| one.what.contains("value")),
        "{told:?}"
    );
}

#[test]
fn a_log_that_says_something_else_is_named_with_the_line() {
    let chain = Chain::new();
    let text = String::from_utf8(chain.read(LOG)).unwrap();
    assert!(
        text.contains("outdated: Ada reviewed another value"),
        "{text}"
    );
    chain.write(LOG, text.replace("vpc-1", "vpc-hunter2").as_bytes());
    let found = chain.findings();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].place, LOG);
    assert!(found[0].expected.contains("vpc-1"), "{found:?}");
    assert!(!format!("{found:?}").contains("hunter2"));
    // What people write around it is theirs.
    chain.write(LOG, format!("# Ours\n\n{text}\nand more\n").as_bytes());
    assert_eq!(chain.findings(), []);
    let log = chain.folder.log().unwrap();
    assert!(!log.is_signed());
    sign(&chain.folder, "vpc_id", 9);
    let text = String::from_utf8(chain.read(LOG)).unwrap();
    assert!(
        text.starts_with("# Ours\n") && text.ends_with("and more\n"),
        "{text}"
    );
    assert!(text.contains(
        "| VPC ID | terraform output -raw vpc_id | vpc-1 | Ada | 2026-11-26T17:39:00.123Z |"
    ));
}

#[test]
fn the_log_is_written_only_when_it_says_something_new() {
    let chain = Chain::new();
    let path = chain.folder.path().join(LOG);
    let before = fs::metadata(&path).unwrap();
    chain.folder.log().unwrap();
    let after = fs::metadata(&path).unwrap();
    // A file that was replaced is another one.
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        assert_eq!(before.ino(), after.ino());
    }
    assert_eq!(before.len(), after.len());
}

#[test]
fn a_review_counts_for_its_value_and_again_when_that_comes_back() {
    let chain = Chain::new();
    let standing = |chain: &Chain| {
        let log = chain.folder.log().unwrap();
        let row = log.rows.into_iter().find(|row| row.item == "RDS endpoint");
        row.unwrap().standing
    };
    use super::super::Standing;
    assert_eq!(standing(&chain), Standing::Outdated);
    chain
        .folder
        .keep(draft(&chain.folder, 3, "a:5432"))
        .unwrap();
    assert_eq!(standing(&chain), Standing::Signed);
    assert_eq!(chain.findings(), []);
}

#[test]
fn a_chain_that_is_not_whole_at_its_end_is_not_continued() {
    let edit = |chain: &Chain, name: &str| {
        let mut bytes = chain.read(name);
        bytes[5] ^= 1;
        chain.write(name, &bytes);
    };
    for what in [HEAD, REVIEWS, "newest"] {
        let chain = Chain::new();
        let name = if what == "newest" {
            chain.name(2).to_owned()
        } else {
            what.to_owned()
        };
        edit(&chain, &name);
        let signature = Signature::new("Ada", None, at(9)).unwrap();
        let item = Item::find("vpc_id").unwrap();
        assert!(chain.folder.sign(item, signature).is_err(), "{what}");
        if what != REVIEWS {
            assert!(
                chain.folder.keep(draft(&chain.folder, 9, "a")).is_err(),
                "{what}"
            );
        }
    }
    let chain = Chain::new();
    chain.remove(HEAD);
    assert!(chain.folder.keep(draft(&chain.folder, 9, "a")).is_err());
    let chain = Chain::new();
    // The clock went back.
    assert!(chain.folder.keep(draft(&chain.folder, -1, "a")).is_err());
    assert_eq!(chain.findings(), []);
}

#[test]
fn a_capture_that_was_interrupted_before_its_head_is_taken_up() {
    let chain = Chain::new();
    let (head, log) = (chain.read(HEAD), chain.read(LOG));
    let kept = chain.folder.keep(draft(&chain.folder, 3, "c")).unwrap();
    chain.write(HEAD, &head);
    chain.write(LOG, &log);
    assert!(chain.places().contains(&kept.link.file));
    chain.folder.keep(draft(&chain.folder, 4, "c")).unwrap();
    assert_eq!(chain.findings(), []);
    // The very first.
    let other = Folder::new(chain.folder.path().with_file_name("other"));
    other.keep(draft(&other, 5, "a")).unwrap();
    fs::remove_file(other.path().join(HEAD)).unwrap();
    assert_eq!(other.keep(draft(&other, 6, "a")).unwrap().capture.number, 2);
    assert_eq!(other.audit(None).unwrap().findings, []);
}

#[cfg(unix)]
#[test]
fn files_are_for_their_owner_and_the_salt_stays_out_of_git() {
    use std::os::unix::fs::PermissionsExt as _;
    let chain = Chain::new();
    for name in [chain.name(0), HEAD, REVIEWS, LOG, ".verify-salt"] {
        let mode = fs::metadata(chain.folder.path().join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    assert_eq!(chain.read(".gitignore"), b".verify-salt\n");
    let names: Vec<_> = fs::read_dir(chain.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names.len(), 9, "{names:?}");
}

/// Whatever byte of whatever file of the chain is changed, taken out or put in: it is found, in that file.
#[test]
fn any_edit_is_found() {
    let chain = Chain::new();
    let files = [
        chain.name(0),
        chain.name(1),
        chain.name(2),
        HEAD,
        REVIEWS,
        LOG,
    ];
    let config = ProptestConfig::with_cases(1000);
    proptest!(config, |(file in 0..6_usize, place in any::<prop::sample::Index>(), byte: u8, way in 0..3)| {
        let name = files[file];
        let whole = chain.read(name);
        let mut bytes = whole.clone();
        let at = place.index(bytes.len());
        match way {
            0 => {
                prop_assume!(bytes[at] != byte);
                bytes[at] = byte;
            }
            1 => {
                bytes.remove(at);
            }
            _ => {
                // Before the log's section anything may stand.
                prop_assume!(name != LOG || at > 0);
                bytes.insert(at, byte);
            }
        }
        chain.write(name, &bytes);
        let found = chain.findings();
        chain.write(name, &whole);
        prop_assert!(found.iter().any(|one| one.place.starts_with(name)), "{name} {at}: {found:?}");
    });
    assert_eq!(chain.findings(), []);
}
