//! What a bucket held at one moment, as a file that can be asked about any key.

use std::fs::File;
use std::io::{self, BufReader, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_env::Error;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use sha2::{Digest as _, Sha256};

use super::entry::{NULL, ObjectMeta};

/// Bytes of a line: a key of 1,024, each written as `\u0001`, an ETag, and what else is said of an object.
const LINE: u64 = 16 << 10;
/// Entries between two that are found without reading.
const BLOCK: usize = 1_000;

mod capture;
mod kept;
mod keys;

pub use capture::capture;
pub use kept::{KeptManifest, fetch_manifest, keep_manifest};
pub use keys::ManifestKeys;

/// The first line of a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The bucket that it lists.
    pub manifest: String,
    /// When the bucket was listed.
    pub captured: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    key: String,
    #[serde(flatten)]
    meta: ObjectMeta,
}

/// A manifest as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestSummary {
    /// What it is of.
    #[serde(flatten)]
    pub manifest: Manifest,
    /// How many objects it has.
    pub objects: u64,
    /// Sum of their lengths in bytes.
    pub bytes: u64,
    /// Of those, how many it has without the ID of their version: a failback cannot tell by it what was written since.
    pub without_version: u64,
    /// Why versions could not be listed, where that was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unlisted_versions: Option<String>,
    /// SHA-256 of the file, in hexadecimal digits.
    pub sha256: String,
}

impl ManifestSummary {
    fn new(manifest: Manifest) -> Self {
        Self {
            manifest,
            objects: 0,
            bytes: 0,
            without_version: 0,
            unlisted_versions: None,
            sha256: String::new(),
        }
    }

    fn add(&mut self, meta: &ObjectMeta) {
        self.objects += 1;
        self.bytes += meta.size;
        let version = meta.version.as_deref();
        if version.is_none_or(|version| version == NULL) {
            self.without_version += 1;
        }
    }
}

/// A manifest cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The bucket cannot be listed.
    #[error("cannot list the bucket")]
    List(#[from] Error),
    /// The file cannot be used.
    #[error("cannot use the manifest {}", path.display())]
    File {
        /// Path of the manifest.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// There is a file of this name, and the manifest of a failover cannot be made again later.
    #[error("{} exists and is not overwritten", path.display())]
    Exists {
        /// Path of the manifest.
        path: PathBuf,
    },
    /// In the bucket for journals.
    #[error("cannot use the manifest in the bucket for journals")]
    Bucket(#[source] Error),
    /// It is there, and is not the one that is meant.
    #[error("{place} is not the manifest that is meant: {why}")]
    Other {
        /// File or URL.
        place: String,
        /// What is different.
        why: &'static str,
    },
    /// It has more bytes than S3 takes in one piece.
    #[error("{} has {bytes} bytes, and S3 takes {limit} in one piece", path.display())]
    TooLarge {
        /// Path of the manifest.
        path: PathBuf,
        /// How many it has.
        bytes: u64,
        /// How many S3 takes.
        limit: u64,
    },
    /// It is not a manifest, or it was cut short or reordered.
    #[error("line {line} of the manifest {} is wrong", path.display())]
    Line {
        /// Path of the manifest.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
}

/// The last line: without it the manifest is not complete.
#[derive(Debug, Serialize, Deserialize)]
struct End {
    end: u64,
    /// Why versions could not be listed: with the file alone nobody would know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unlisted_versions: Option<String>,
}

/// Where keys stand in a manifest: every thousandth is known, so that any is found by reading a thousand.
#[derive(Debug)]
pub(super) struct Index {
    path: PathBuf,
    /// First key, and offset of its line.
    blocks: Vec<(String, u64)>,
}

/// Reads a manifest from end to end, which shows that it is whole and in order.
pub(super) fn open(path: &Path) -> Result<(Manifest, Arc<Index>), ManifestError> {
    read(path).map(|(summary, index)| (summary.manifest, index))
}

fn read(path: &Path) -> Result<(ManifestSummary, Arc<Index>), ManifestError> {
    let failed = |source| ManifestError::File {
        path: path.to_owned(),
        source,
    };
    let wrong = |line| ManifestError::Line {
        path: path.to_owned(),
        line,
    };
    let mut reader = BufReader::new(File::open(path).map_err(failed)?);
    let mut text = String::new();
    let mut offset = files::read_line(&mut reader, &mut text, LINE).map_err(failed)? as u64;
    let mut digest = Sha256::new_with_prefix(&text);
    let manifest = serde_json::from_str(&text).map_err(|_| wrong(1))?;
    let mut summary = ManifestSummary::new(manifest);
    let mut blocks = Vec::new();
    let mut last: Option<String> = None;
    let mut entries = 0;
    loop {
        let line = entries + 2;
        let length = files::read_line(&mut reader, &mut text, LINE).map_err(failed)?;
        digest.update(&text);
        let Ok(entry) = serde_json::from_str::<Entry>(&text) else {
            // Anything else than the last line, or none, is what a file has that was cut short.
            let end: End = serde_json::from_str(&text).map_err(|_| wrong(line))?;
            if usize::try_from(end.end) != Ok(entries) {
                return Err(wrong(line));
            }
            if files::read_line(&mut reader, &mut text, LINE).map_err(failed)? > 0 {
                return Err(wrong(line + 1));
            }
            summary.unlisted_versions = end.unlisted_versions;
            summary.sha256 = hex::encode(digest.finalize());
            let path = path.to_owned();
            return Ok((summary, Arc::new(Index { path, blocks })));
        };
        if last.as_ref().is_some_and(|last| *last >= entry.key) {
            return Err(wrong(line));
        }
        if entries % BLOCK == 0 {
            blocks.push((entry.key.clone(), offset));
        }
        summary.add(&entry.meta);
        last = Some(entry.key);
        entries += 1;
        offset += length as u64;
    }
}

/// Answers about keys; quickest in ascending order.
#[derive(Debug)]
pub(super) struct Reader {
    index: Arc<Index>,
    lines: Option<BufReader<File>>,
    block: usize,
    /// The entry that was read last and not asked for yet.
    ahead: Option<Entry>,
    last: String,
}

impl Reader {
    pub(super) fn new(index: Arc<Index>) -> Self {
        Self {
            index,
            lines: None,
            block: 0,
            ahead: None,
            last: String::new(),
        }
    }

    fn failed(&self, source: io::Error) -> ManifestError {
        ManifestError::File {
            path: self.index.path.clone(),
            source,
        }
    }

    /// What the manifest says about `key`.
    pub(super) fn find(&mut self, key: &str) -> Result<Option<ObjectMeta>, ManifestError> {
        let after = self
            .index
            .blocks
            .partition_point(|(first, _)| first.as_str() <= key);
        // Before the first.
        let Some(block) = after.checked_sub(1) else {
            return Ok(None);
        };
        if self.lines.is_none() || block != self.block || *key < *self.last {
            self.seek(block)?;
        }
        key.clone_into(&mut self.last);
        loop {
            let entry = match self.ahead.take() {
                Some(entry) => entry,
                None => match self.read()? {
                    Some(entry) => entry,
                    None => return Ok(None),
                },
            };
            match entry.key.as_str().cmp(key) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => {
                    let meta = entry.meta.clone();
                    // The same key may be asked for again.
                    self.ahead = Some(entry);
                    return Ok(Some(meta));
                }
                std::cmp::Ordering::Greater => {
                    self.ahead = Some(entry);
                    return Ok(None);
                }
            }
        }
    }

    fn seek(&mut self, block: usize) -> Result<(), ManifestError> {
        let mut lines = match self.lines.take() {
            Some(lines) => lines,
            None => {
                let file = File::open(&self.index.path).map_err(|error| self.failed(error))?;
                BufReader::new(file)
            }
        };
        let offset = self
            .index
            .blocks
            .get(block)
            .map_or(0, |(_, offset)| *offset);
        lines
            .seek(SeekFrom::Start(offset))
            .map_err(|error| self.failed(error))?;
        self.lines = Some(lines);
        self.block = block;
        self.ahead = None;
        Ok(())
    }

    /// The next entry; `None` at the end of the manifest.
    fn read(&mut self) -> Result<Option<Entry>, ManifestError> {
        let mut text = String::new();
        if let Some(lines) = &mut self.lines {
            let read = files::read_line(lines, &mut text, LINE);
            read.map_err(|error| self.failed(error))?;
        }
        Ok(serde_json::from_str(&text).ok())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::entry::{ETag, Modified, StorageClass};
    use super::*;

    const HEAD: &str = r#"{"manifest":"s3://dr/","captured":"2026-11-22T18:57:19Z"}"#;

    fn meta(size: u64) -> ObjectMeta {
        ObjectMeta {
            size,
            etag: ETag::Single([1; 16]),
            modified: Modified::default(),
            class: StorageClass::Standard,
            version: None,
        }
    }

    fn entry(key: &str, size: u64) -> String {
        let (key, meta) = (key.to_owned(), meta(size));
        serde_json::to_string(&Entry { key, meta }).unwrap()
    }

    #[test]
    fn open_of_a_manifest_that_is_cut_short_fails() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let read = |lines: &[&str]| {
            std::fs::write(file.path(), lines.join("\n")).unwrap();
            open(file.path()).map(|(_, index)| index.blocks.len())
        };
        let (a, c) = (entry("a", 1), entry("c", 1));
        assert_eq!(read(&[HEAD, &a, &c, r#"{"end":2}"#]).unwrap(), 1);
        assert_eq!(read(&[HEAD, r#"{"end":0}"#]).unwrap(), 0);
        assert!(read(&[HEAD, &a, &c]).is_err());
        assert!(read(&[HEAD, &a, r#"{"end":2}"#]).is_err());
        assert!(read(&[HEAD, &c, &a, r#"{"end":2}"#]).is_err());
        assert!(read(&[HEAD, &a, r#"{"end":1}"#, &c]).is_err());
        assert!(read(&["{}"]).is_err());
    }

    #[test]
    fn keys_of_a_manifest_are_all_of_it_or_an_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let keys = |lines: &[&str]| {
            std::fs::write(file.path(), lines.join("\n")).unwrap();
            let mut keys = ManifestKeys::open(file.path())?;
            let mut found = Vec::new();
            while let Some(key) = keys.next_key()? {
                found.push(key);
            }
            assert_eq!(keys.next_key()?, None);
            Ok::<_, ManifestError>(found)
        };
        let (a, c) = (entry("a", 1), entry("c", 1));
        assert_eq!(
            keys(&[HEAD, &a, &c, r#"{"end":2,"unlisted_versions":"denied"}"#]).unwrap(),
            ["a", "c"]
        );
        assert!(keys(&[HEAD, r#"{"end":0}"#]).unwrap().is_empty());
        for cut in [
            &[HEAD, &a, &c][..],
            &[HEAD, &a, r#"{"end":2}"#],
            &[HEAD],
            &["{}"],
        ] {
            assert!(keys(cut).is_err(), "{cut:?}");
        }
    }

    #[test]
    fn manifest_says_why_versions_are_not_listed_when_it_is_read_again() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let end = r#"{"end":0,"unlisted_versions":"AccessDenied"}"#;
        std::fs::write(file.path(), [HEAD, end].join("\n")).unwrap();
        let (summary, _) = read(file.path()).unwrap();
        assert_eq!(summary.unlisted_versions.as_deref(), Some("AccessDenied"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        // Ranges are asked for in any order, each in ascending order.
        #[test]
        fn find_of_any_key_finds_it_wherever_one_begins(
            numbers in proptest::collection::btree_set(0_u64..6_000, 0..3_500),
            starts in proptest::collection::vec(0_u64..6_000, 1..8),
        ) {
            let entries: BTreeMap<String, u64> =
                numbers.into_iter().map(|n| (format!("{n:05}"), n)).collect();
            let mut lines = vec![HEAD.to_owned()];
            lines.extend(entries.iter().map(|(key, size)| entry(key, *size)));
            lines.push(format!("{{\"end\":{}}}", entries.len()));
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), lines.join("\n")).unwrap();
            let (_, index) = open(file.path()).unwrap();
            let mut reader = Reader::new(index);
            for start in starts {
                for number in (start..start + 1_500).step_by(7) {
                    let key = format!("{number:05}");
                    let found = reader.find(&key).unwrap().map(|meta| meta.size);
                    prop_assert_eq!(found, entries.get(&key).copied(), "{}", key);
                }
            }
        }
    }
}
