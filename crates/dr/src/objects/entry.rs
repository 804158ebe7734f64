//! What a listing says about an object, in as little memory as possible.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An ETag, without its quotes.
///
/// Sixteen hexadecimal bytes are the MD5 of the content only when the object was put in one piece and is not
/// encrypted with SSE-KMS or SSE-C:
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html>.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ETag {
    /// Put in one piece: the MD5, or sixteen bytes that say nothing about the content.
    Single([u8; 16]),
    /// Put in parts: a digest over the digests of the parts.
    Multipart {
        /// MD5 of the MD5s of all parts.
        digest: [u8; 16],
        /// How many parts.
        parts: u32,
    },
    /// In no form that AWS documents.
    Other(Box<str>),
}

impl ETag {
    /// Reads an ETag with or without quotes.
    pub fn parse(text: &str) -> Self {
        let text = text.trim_matches('"');
        let (hex, parts) = match text.split_once('-') {
            Some((hex, parts)) => (hex, Some(parts)),
            None => (text, None),
        };
        match (digest(hex.as_bytes()), parts.map(str::parse)) {
            (Some(digest), None) => Self::Single(digest),
            (Some(digest), Some(Ok(parts))) if canonical(parts, text) => {
                Self::Multipart { digest, parts }
            }
            _ => Self::Other(text.into()),
        }
    }

    /// The form that request headers want.
    pub fn quoted(&self) -> String {
        format!("\"{self}\"")
    }
}

/// Whether the digits behind the hyphen are what `parts` prints as; `-01` is kept as text.
fn canonical(parts: u32, text: &str) -> bool {
    text.get(33..)
        .is_some_and(|digits| digits == parts.to_string())
}

fn digest(hex: &[u8]) -> Option<[u8; 16]> {
    if hex.len() != 32 {
        return None;
    }
    let mut bytes = [0; 16];
    for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = nibble(*high)? << 4 | nibble(*low)?;
    }
    Some(bytes)
}

/// Lower case only, so that an ETag is printed as it was read.
fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (digest, parts) = match self {
            Self::Single(digest) => (digest, None),
            Self::Multipart { digest, parts } => (digest, Some(parts)),
            Self::Other(text) => return f.write_str(text),
        };
        f.write_str(&hex::encode(digest))?;
        match parts {
            Some(parts) => write!(f, "-{parts}"),
            None => Ok(()),
        }
    }
}

impl Serialize for ETag {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ETag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self::parse(&text))
    }
}

/// When an object was last written, to the millisecond, UTC: the digits of the date and time in one number,
/// which orders as time does and costs nothing to read from a listing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Modified(u64);

impl Modified {
    /// Reads `2026-11-22T18:57:19.000Z`; fractions of a second may be missing.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let shape = b"0000-00-00T00:00:00";
        if bytes.len() < shape.len() {
            return None;
        }
        let mut number = 0;
        for (byte, shape) in bytes.iter().zip(shape) {
            match shape {
                b'0' if byte.is_ascii_digit() => number = number * 10 + u64::from(byte - b'0'),
                b'0' => return None,
                separator if separator == byte => {}
                _ => return None,
            }
        }
        let fraction = match bytes.get(shape.len()) {
            Some(b'.') => bytes.get(shape.len() + 1..).unwrap_or_default(),
            _ => &[],
        };
        for position in 0..3 {
            let digit = fraction.get(position).filter(|byte| byte.is_ascii_digit());
            number = number * 10 + u64::from(digit.map_or(0, |byte| byte - b'0'));
        }
        Some(Self(number))
    }

    /// The same time as `seconds` since 1970, where it is one.
    pub fn from_timestamp(time: jiff::Timestamp) -> Option<Self> {
        Self::parse(&format!("{time:.3}"))
    }
}

impl fmt::Display for Modified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |divisor: u64, modulus: u64| self.0 / divisor % modulus;
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            part(10_000_000_000_000, 10_000),
            part(100_000_000_000, 100),
            part(1_000_000_000, 100),
            part(10_000_000, 100),
            part(100_000, 100),
            part(1_000, 100),
            part(1, 1_000),
        )
    }
}

impl Serialize for Modified {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Modified {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not a time of S3"))
    }
}

/// A storage class: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html>.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StorageClass {
    /// STANDARD; also what a listing means that names none.
    #[default]
    Standard,
    /// GLACIER, which is called Flexible Retrieval: not readable before it is restored.
    Glacier,
    /// DEEP_ARCHIVE: not readable before it is restored.
    DeepArchive,
    /// Any other, all readable at once.
    Other(Box<str>),
}

impl StorageClass {
    /// Its name in the API.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Standard => "STANDARD",
            Self::Glacier => "GLACIER",
            Self::DeepArchive => "DEEP_ARCHIVE",
            Self::Other(name) => name,
        }
    }

    /// Whether an object in it cannot be read or copied before a restore.
    pub fn is_archive(&self) -> bool {
        matches!(self, Self::Glacier | Self::DeepArchive)
    }
}

impl FromStr for StorageClass {
    type Err = std::convert::Infallible;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Ok(Self::from(name))
    }
}

impl From<&str> for StorageClass {
    fn from(name: &str) -> Self {
        match name {
            "" | "STANDARD" => Self::Standard,
            "GLACIER" => Self::Glacier,
            "DEEP_ARCHIVE" => Self::DeepArchive,
            other => Self::Other(other.into()),
        }
    }
}

impl Serialize for StorageClass {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for StorageClass {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|name| Self::from(name.as_str()))
    }
}

/// What a listing says about one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectMeta {
    /// Length in bytes.
    pub size: u64,
    /// ETag, without its quotation marks.
    pub etag: ETag,
    /// When it was written.
    pub modified: Modified,
    /// Storage class, STANDARD where S3 names none.
    #[serde(default)]
    pub class: StorageClass,
    /// Its version, where that was listed; lists of objects do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Box<str>>,
}

/// The ID of every version that was written while its bucket kept none: it names no content.
pub(super) const NULL: &str = "null";

impl ObjectMeta {
    /// Whether both are one version. S3 makes an ID for each version and gives it to replicas, so that two buckets have
    /// the same one only where one of them replicated it:
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-what-is-isnot-replicated.html>.
    pub(super) fn is_version_of(&self, other: &Self) -> bool {
        self.size == other.size && same_version(self.version.as_deref(), other.version.as_deref())
    }
}

/// Whether both IDs are there and name one version.
pub(super) fn same_version(one: Option<&str>, other: Option<&str>) -> bool {
    one.is_some_and(|one| one != NULL && !one.is_empty() && other == Some(one))
}

/// Part of a listing: keys in ascending order of their UTF-8 bytes, all in one allocation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    keys: String,
    rows: Vec<(u32, ObjectMeta)>,
    /// The key to go on after; `None` at the end of the listing. Not the last key of the page when keys were
    /// left out of it.
    pub resume_after: Option<String>,
}

impl Page {
    /// Adds an object. `false`, and nothing added, when `key` does not come after the last one.
    #[must_use]
    pub fn push(&mut self, key: &str, meta: ObjectMeta) -> bool {
        if self.last().is_some_and(|(last, _)| last >= key) {
            return false;
        }
        self.keys.push_str(key);
        match u32::try_from(self.keys.len()) {
            Ok(end) => self.rows.push((end, meta)),
            Err(_) => return false,
        }
        true
    }

    /// The object at `index`.
    pub fn get(&self, index: usize) -> Option<(&str, &ObjectMeta)> {
        let (end, meta) = self.rows.get(index)?;
        let start = match index.checked_sub(1) {
            Some(before) => self.rows.get(before)?.0,
            None => 0,
        };
        Some((self.keys.get(start as usize..*end as usize)?, meta))
    }

    /// How many objects.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The last object.
    pub fn last(&self) -> Option<(&str, &ObjectMeta)> {
        self.get(self.rows.len().checked_sub(1)?)
    }

    /// Keys and what is known of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &ObjectMeta)> {
        (0..self.len()).filter_map(|index| self.get(index))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parse_of_an_etag_is_printed_as_it_was_read() {
        for text in [
            "d41d8cd98f00b204e9800998ecf8427e",
            "d41d8cd98f00b204e9800998ecf8427e-17",
            "d41d8cd98f00b204e9800998ecf8427e-01",
            "D41D8CD98F00B204E9800998ECF8427E",
            "d41d8cd98f00b204e9800998ecf8427e-",
            "",
        ] {
            assert_eq!(ETag::parse(text).to_string(), text);
        }
        assert!(matches!(
            ETag::parse("\"d41d8cd98f00b204e9800998ecf8427e-17\""),
            ETag::Multipart { parts: 17, .. }
        ));
        assert!(matches!(
            ETag::parse("D41D8CD98F00B204E9800998ECF8427E"),
            ETag::Other(_)
        ));
    }

    #[test]
    fn parse_of_times_keeps_their_order_and_text() {
        let text = "2026-11-22T18:57:19.042Z";
        let time = Modified::parse(text).unwrap();
        assert_eq!(time.to_string(), text);
        assert_eq!(Modified::from_timestamp(text.parse().unwrap()), Some(time));
        assert!(Modified::parse("2026-11-22T18:57:19Z").unwrap() < time);
        assert!(Modified::parse("2026-12-01T00:00:00Z").unwrap() > time);
        assert_eq!(Modified::parse("yesterday"), None);
        assert_eq!(Modified::parse("2026-11-22 18:57:19Z"), None);
    }

    #[test]
    fn push_of_a_key_that_is_out_of_order_is_refused() {
        let meta = ObjectMeta {
            size: 1,
            etag: ETag::parse("x"),
            modified: Modified::default(),
            class: StorageClass::default(),
            version: None,
        };
        let mut page = Page::default();
        assert!(page.push("b", meta.clone()));
        assert!(!page.push("b", meta.clone()));
        assert!(!page.push("a", meta.clone()));
        // U+FF61 sorts before U+1F600 in UTF-8 and after it in UTF-16.
        assert!(page.push("\u{ff61}", meta.clone()));
        assert!(page.push("\u{1f600}", meta));
        assert_eq!(
            page.iter().map(|(key, _)| key).collect::<Vec<_>>(),
            ["b", "\u{ff61}", "\u{1f600}"]
        );
    }

    proptest! {
        #[test]
        fn parse_of_any_text_is_an_etag(text in "[^\"]*") {
            prop_assert_eq!(ETag::parse(&text).to_string(), text);
        }
    }
}
