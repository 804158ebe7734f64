//! The answer of ListObjectsV2 or ListObjectVersions, read while it arrives.
//!
//! The SDK first reads the whole answer, then builds a tree of strings: of the processor time of a listing
//! that is the larger part. Here each `Contents` goes into the [`Page`] as soon as it is complete, and what
//! has been read is dropped. Of versions only the current ones are taken: those that a list of objects would have.

use super::entry::{ETag, Modified, ObjectMeta, Page, StorageClass};

/// The answer is not a listing.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ListingError {
    /// A tag or an entity is not as XML wants it, or the text is not UTF-8.
    #[error("the listing is malformed at {near:?}")]
    Malformed {
        /// What stands there, up to 80 bytes.
        near: String,
    },
    /// An object lacks a key, size or time.
    #[error("in the listing {key:?} lacks {field}")]
    Missing {
        /// The key so far.
        key: String,
        /// What is not there.
        field: &'static str,
    },
    /// Keys do not ascend in the order of their UTF-8 bytes.
    #[error("in the listing {key:?} is out of order")]
    OutOfOrder {
        /// The key that comes too late.
        key: String,
    },
    /// An element is longer than any that S3 writes.
    #[error("in the listing an element has more than {ELEMENT} bytes")]
    TooLong,
    /// There are more objects than a page has.
    #[error("the listing has more than {OBJECTS} objects")]
    TooMany,
    /// It ends before its last tag.
    #[error("the listing ends early")]
    Truncated,
}

/// Reads one answer, chunk by chunk.
#[derive(Debug)]
pub struct ListingReader<'a> {
    /// What every key begins with; not part of the page's keys.
    prefix: &'a str,
    /// Keys that begin with this are left out.
    hidden: &'a str,
    /// Bytes that do not make up a complete element yet.
    rest: Vec<u8>,
    page: Page,
    last_key: Option<String>,
    /// Where S3 says that a list of versions goes on.
    next_key: Option<String>,
    truncated: bool,
    complete: bool,
}

/// Bytes of an element. A key has 1,024, three times as many in URL encoding, and little is said beside it.
const ELEMENT: usize = 64 << 10;
/// Objects of a page: S3 lists a thousand, other servers may list more.
const OBJECTS: usize = 10_000;

const CONTENTS: &[u8] = b"Contents";
const VERSION: &[u8] = b"Version";
const DELETE_MARKER: &[u8] = b"DeleteMarker";
/// Bytes of a chunk that are added to an unfinished element at once; most elements are shorter.
const PIECE: usize = 512;

impl<'a> ListingReader<'a> {
    /// A reader for a listing of `prefix`, which is left off the keys. Keys that begin with `hidden` are left
    /// out.
    pub fn new(prefix: &'a str, hidden: &'a str) -> Self {
        Self {
            prefix,
            hidden,
            rest: Vec::new(),
            page: Page::default(),
            last_key: None,
            next_key: None,
            truncated: false,
            complete: false,
        }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// When they do not go on as a listing does.
    pub fn feed(&mut self, mut chunk: &[u8]) -> Result<(), ListingError> {
        let mut rest = std::mem::take(&mut self.rest);
        // An element that is cut in two is put together piece by piece; all others are read where they are,
        // since a copy of every chunk would be a good part of the memory of a listing.
        while !rest.is_empty() && !chunk.is_empty() {
            let before = rest.len();
            let (piece, _) = chunk.split_at(chunk.len().min(PIECE));
            rest.extend_from_slice(piece);
            let read = self.read(&rest)?;
            match read.checked_sub(before) {
                Some(of_piece) => {
                    rest.clear();
                    chunk = &chunk[of_piece..];
                }
                None => {
                    rest.drain(..read);
                    chunk = &chunk[piece.len()..];
                    if rest.len() > ELEMENT {
                        return Err(ListingError::TooLong);
                    }
                }
            }
        }
        if !chunk.is_empty() {
            let read = self.read(chunk)?;
            rest.extend_from_slice(&chunk[read..]);
        }
        if rest.len() > ELEMENT {
            return Err(ListingError::TooLong);
        }
        self.rest = rest;
        Ok(())
    }

    /// The page, after the last bytes.
    ///
    /// # Errors
    /// When the answer was not complete.
    pub fn finish(mut self) -> Result<Page, ListingError> {
        if !self.complete {
            return Err(ListingError::Truncated);
        }
        if self.truncated {
            match self.next_key.or(self.last_key) {
                Some(key) => self.page.resume_after = Some(key),
                // More is promised, and there is no key to go on after.
                None => return Err(ListingError::Truncated),
            }
        }
        Ok(self.page)
    }

    /// Reads complete elements; returns how many bytes they had.
    fn read(&mut self, bytes: &[u8]) -> Result<usize, ListingError> {
        let mut at = 0;
        loop {
            let Some(open) = position(bytes, at, b'<') else {
                return Ok(at);
            };
            let Some(close) = position(bytes, open, b'>') else {
                return Ok(at);
            };
            let tag = &bytes[open + 1..close];
            match name(tag) {
                CONTENTS => {
                    let Some((inner_end, end)) = find_end(bytes, close + 1, CONTENTS) else {
                        return Ok(at);
                    };
                    self.object(&bytes[close + 1..inner_end])?;
                    at = end;
                }
                b"IsTruncated" => {
                    let Some((inner_end, end)) = find_end(bytes, close + 1, b"IsTruncated") else {
                        return Ok(at);
                    };
                    self.truncated = &bytes[close + 1..inner_end] == b"true";
                    at = end;
                }
                VERSION => {
                    let Some((inner_end, end)) = find_end(bytes, close + 1, VERSION) else {
                        return Ok(at);
                    };
                    self.version(&bytes[close + 1..inner_end])?;
                    at = end;
                }
                DELETE_MARKER => {
                    let Some((inner_end, end)) = find_end(bytes, close + 1, DELETE_MARKER) else {
                        return Ok(at);
                    };
                    self.delete_marker(&bytes[close + 1..inner_end])?;
                    at = end;
                }
                b"NextKeyMarker" if tag.last() != Some(&b'/') => {
                    let Some((inner_end, end)) = find_end(bytes, close + 1, b"NextKeyMarker")
                    else {
                        return Ok(at);
                    };
                    self.next_key = Some(self.marker(&bytes[close + 1..inner_end])?);
                    at = end;
                }
                b"/ListBucketResult" | b"/ListVersionsResult" => {
                    self.complete = true;
                    at = close + 1;
                }
                // An empty result may be written as one tag.
                b"ListBucketResult" | b"ListVersionsResult" if tag.last() == Some(&b'/') => {
                    self.complete = true;
                    at = close + 1;
                }
                _ => at = close + 1,
            }
        }
    }

    fn object(&mut self, xml: &[u8]) -> Result<(), ListingError> {
        if xml.len() > ELEMENT {
            return Err(ListingError::TooLong);
        }
        let mut entry = read_entry(xml)?;
        let key = std::mem::take(&mut entry.key);
        self.follows(&key, |last, relative| last < relative)?;
        let meta = entry.meta(&key)?;
        self.take(&key, Some(meta))
    }

    /// A version, of which one comes after another of the same key.
    fn version(&mut self, xml: &[u8]) -> Result<(), ListingError> {
        if xml.len() > ELEMENT {
            return Err(ListingError::TooLong);
        }
        let mut entry = read_entry(xml)?;
        let key = std::mem::take(&mut entry.key);
        self.follows(&key, |last, relative| last <= relative)?;
        let meta = match entry.latest {
            true => Some(entry.meta(&key)?),
            false => None,
        };
        self.take(&key, meta)
    }

    /// A delete marker says where the list has come to. Some servers list all of them behind the versions.
    fn delete_marker(&mut self, xml: &[u8]) -> Result<(), ListingError> {
        let entry = read_entry(xml)?;
        let relative = self.relative(&entry.key)?;
        if self.last_key.as_deref().is_none_or(|last| last < relative) {
            self.last_key = Some(relative.to_owned());
        }
        Ok(())
    }

    fn marker(&self, text: &[u8]) -> Result<String, ListingError> {
        let text = std::str::from_utf8(text).map_err(|_| malformed(text))?;
        let key = decode_key(&unescape(text)?)?;
        Ok(self.relative(&key)?.to_owned())
    }

    /// That the list has come to `key` in its order.
    fn follows(&self, key: &str, order: fn(&str, &str) -> bool) -> Result<(), ListingError> {
        let relative = self.relative(key)?;
        match &self.last_key {
            Some(last) if !order(last, relative) => Err(ListingError::OutOfOrder {
                key: key.to_owned(),
            }),
            _ => Ok(()),
        }
    }

    fn relative<'k>(&self, key: &'k str) -> Result<&'k str, ListingError> {
        key.strip_prefix(self.prefix)
            .ok_or_else(|| ListingError::OutOfOrder {
                key: key.to_owned(),
            })
    }

    /// Takes what is said of a whole key, if anything.
    fn take(&mut self, key: &str, meta: Option<ObjectMeta>) -> Result<(), ListingError> {
        let relative = self.relative(key)?;
        let hidden = !self.hidden.is_empty() && key.starts_with(self.hidden);
        if let Some(meta) = meta.filter(|_| !hidden) {
            if self.page.len() >= OBJECTS {
                return Err(ListingError::TooMany);
            }
            if !self.page.push(relative, meta) {
                return Err(ListingError::OutOfOrder {
                    key: key.to_owned(),
                });
            }
        }
        match &mut self.last_key {
            Some(last) => {
                last.clear();
                last.push_str(relative);
            }
            None => self.last_key = Some(relative.to_owned()),
        }
        Ok(())
    }
}

/// What an entry of a list says.
struct Entry {
    /// The whole key.
    key: String,
    size: Option<u64>,
    etag: Option<ETag>,
    modified: Option<Modified>,
    class: StorageClass,
    version: Option<Box<str>>,
    /// Of a version: whether it is the current one.
    latest: bool,
}

impl Entry {
    fn meta(self, key: &str) -> Result<ObjectMeta, ListingError> {
        let Self {
            size,
            etag,
            modified,
            class,
            version,
            ..
        } = self;
        let missing = |field| ListingError::Missing {
            key: key.to_owned(),
            field,
        };
        Ok(ObjectMeta {
            size: size.ok_or_else(|| missing("a size"))?,
            etag: etag.ok_or_else(|| missing("an ETag"))?,
            modified: modified.ok_or_else(|| missing("a time"))?,
            class,
            version,
        })
    }
}

/// What stands between the tags of an entry.
fn read_entry(xml: &[u8]) -> Result<Entry, ListingError> {
    let xml = std::str::from_utf8(xml).map_err(|_| malformed(xml))?;
    let (mut key, mut size, mut etag, mut modified) = (None, None, None, None);
    let (mut version, mut latest) = (None, false);
    let mut class = StorageClass::default();
    let mut at = 0;
    while let Some(open) = position(xml.as_bytes(), at, b'<') {
        let close =
            position(xml.as_bytes(), open, b'>').ok_or_else(|| malformed(xml.as_bytes()))?;
        let tag = &xml.as_bytes()[open + 1..close];
        at = close + 1;
        if tag.last() == Some(&b'/') {
            continue;
        }
        let text = || {
            let end = position(xml.as_bytes(), close, b'<').unwrap_or(xml.len());
            xml.get(close + 1..end).unwrap_or_default()
        };
        match name(tag) {
            b"Key" => key = Some(decode_key(&unescape(text())?)?),
            b"Size" => size = text().trim().parse().ok(),
            b"ETag" => etag = Some(read_etag(text())?),
            b"LastModified" => modified = Modified::parse(text().trim()),
            b"StorageClass" => class = StorageClass::from(text().trim()),
            b"VersionId" => version = Some(unescape(text().trim())?.into()),
            b"IsLatest" => latest = text().trim() == "true",
            // Their children bear names that are also those of an object.
            b"Owner" | b"RestoreStatus" => {
                at = find_end(xml.as_bytes(), at, name(tag))
                    .ok_or_else(|| malformed(xml.as_bytes()))?
                    .1;
            }
            _ => {}
        }
    }
    Ok(Entry {
        key: key.ok_or_else(|| malformed(xml.as_bytes()))?,
        size,
        etag,
        modified,
        class,
        version,
        latest,
    })
}

fn malformed(near: &[u8]) -> ListingError {
    let near = near.get(..80).unwrap_or(near);
    ListingError::Malformed {
        near: String::from_utf8_lossy(near).into_owned(),
    }
}

fn position(bytes: &[u8], from: usize, byte: u8) -> Option<usize> {
    let at = bytes.get(from..)?.iter().position(|b| *b == byte)?;
    Some(from + at)
}

/// A tag's name, without attributes.
fn name(tag: &[u8]) -> &[u8] {
    let tag = tag.strip_suffix(b"/").unwrap_or(tag);
    match tag.iter().position(u8::is_ascii_whitespace) {
        Some(end) => &tag[..end],
        None => tag,
    }
}

/// Where the text of an element ends, and where its end tag does.
fn find_end(bytes: &[u8], from: usize, element: &[u8]) -> Option<(usize, usize)> {
    let mut at = from;
    loop {
        let open = position(bytes, at, b'<')?;
        let close = position(bytes, open, b'>')?;
        if bytes.get(open + 1) == Some(&b'/') && name(&bytes[open + 2..close]) == element {
            return Some((open, close + 1));
        }
        at = close + 1;
    }
}

fn read_etag(text: &str) -> Result<ETag, ListingError> {
    // Nearly every ETag comes as &quot;…&quot;; that needs no allocation.
    let bare = text
        .strip_prefix("&quot;")
        .and_then(|text| text.strip_suffix("&quot;"))
        .unwrap_or(text);
    Ok(ETag::parse(&unescape(bare)?))
}

fn unescape(text: &str) -> Result<std::borrow::Cow<'_, str>, ListingError> {
    if !text.contains('&') {
        return Ok(text.into());
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let (entity, after) = after
            .split_once(';')
            .ok_or_else(|| malformed(text.as_bytes()))?;
        let character = match entity {
            "amp" => Some('&'),
            "lt" => Some('<'),
            "gt" => Some('>'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            _ => {
                let code = match entity.strip_prefix("#x") {
                    Some(hex) => u32::from_str_radix(hex, 16).ok(),
                    None => entity
                        .strip_prefix('#')
                        .and_then(|digits| digits.parse().ok()),
                };
                code.and_then(char::from_u32)
            }
        };
        out.push(character.ok_or_else(|| malformed(text.as_bytes()))?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out.into())
}

fn decode_key(text: &str) -> Result<String, ListingError> {
    aws_env::decode_key(text).ok_or_else(|| malformed(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    use super::*;

    fn object(key: &str, size: u64) -> String {
        let key = utf8_percent_encode(key, NON_ALPHANUMERIC)
            .to_string()
            .replace("%20", "+");
        format!(
            "<Contents><Key>{key}</Key><LastModified>2026-11-22T18:57:19.000Z</LastModified>\
             <ETag>&quot;d41d8cd98f00b204e9800998ecf8427e&quot;</ETag>\
             <ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><Size>{size}</Size>\
             <Owner><ID>x</ID><Key>no</Key></Owner><StorageClass>STANDARD_IA</StorageClass></Contents>"
        )
    }

    fn answer(objects: &str, truncated: bool) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             <Name>b</Name><Prefix/><KeyCount>1</KeyCount><MaxKeys>1000</MaxKeys>\
             <IsTruncated>{truncated}</IsTruncated>{objects}</ListBucketResult>"
        )
    }

    fn read(prefix: &str, text: &str, chunk: usize) -> Result<Page, ListingError> {
        let mut reader = ListingReader::new(prefix, ".dr-journal/");
        for chunk in text.as_bytes().chunks(chunk) {
            reader.feed(chunk)?;
        }
        reader.finish()
    }

    fn keys(page: &Page) -> Vec<&str> {
        page.iter().map(|(key, _)| key).collect()
    }

    proptest! {
        #[test]
        fn feed_of_any_key_in_any_chunks_takes_it(
            keys in proptest::collection::btree_set("\\PC{1,12}|[ -~\n\r\t+%/]{1,12}", 0..20),
            chunk in 1_usize..200,
        ) {
            let objects: String = keys.iter().map(|key| object(&format!("p/{key}"), 7)).collect();
            let page = read("p/", &answer(&objects, false), chunk).unwrap();
            prop_assert_eq!(page.iter().map(|(key, _)| key.to_owned()).collect::<Vec<_>>(), keys.into_iter().collect::<Vec<_>>());
            prop_assert!(page.iter().all(|(_, meta)| meta.size == 7 && meta.class.as_str() == "STANDARD_IA"));
        }

        #[test]
        fn feed_of_any_text_does_not_panic(text in "(<|>|/|&|;|Contents|Key|[a-z ]){0,40}", chunk in 1_usize..9) {
            let _ = read("", &text, chunk);
        }
    }

    #[test]
    fn feed_of_an_element_without_end_keeps_no_more_than_the_limit() {
        let text = answer(&object(&"x".repeat(ELEMENT), 1), false);
        for chunk in [100, 1_000_000] {
            assert_eq!(read("", &text, chunk), Err(ListingError::TooLong));
        }
        let tag = format!("<{}", "x".repeat(ELEMENT + 1));
        assert_eq!(read("", &tag, 100), Err(ListingError::TooLong));
        let longest = "\u{1}".repeat(1_024);
        let page = read("", &answer(&object(&longest, 1), false), 100).unwrap();
        assert_eq!(keys(&page), [longest]);
    }

    #[test]
    fn feed_of_a_page_without_end_keeps_no_more_than_the_limit() {
        let objects = |number: usize| -> String {
            (0..number).map(|n| object(&format!("{n:06}"), 1)).collect()
        };
        let most = read("", &answer(&objects(OBJECTS), false), 10_000).unwrap();
        assert_eq!(most.len(), OBJECTS);
        let more = read("", &answer(&objects(OBJECTS + 1), false), 10_000);
        assert_eq!(more, Err(ListingError::TooMany));
    }

    #[test]
    fn feed_of_an_owner_and_hidden_keys_takes_neither() {
        let objects = [".dr-journal/x", "a", "b"]
            .map(|key| object(key, 1))
            .concat();
        let page = read("", &answer(&objects, true), 64).unwrap();
        assert_eq!(keys(&page), ["a", "b"]);
        assert_eq!(page.resume_after.as_deref(), Some("b"));

        let page = read("", &answer(&object(".dr-journal/x", 1), true), 64).unwrap();
        assert_eq!(
            (page.len(), page.resume_after.as_deref()),
            (0, Some(".dr-journal/x"))
        );
    }

    #[test]
    fn feed_of_versions_takes_the_current_ones_and_their_ids() {
        let version = |key: &str, id: &str, latest: bool| {
            format!(
                "<Version><Key>{key}</Key><VersionId>{id}</VersionId><IsLatest>{latest}</IsLatest>\
                 <LastModified>2026-11-22T18:57:19.000Z</LastModified><ETag>&quot;x&quot;</ETag>\
                 <Size>1</Size><StorageClass>STANDARD</StorageClass>\
                 <Owner><ID>x</ID><DisplayName>no</DisplayName></Owner></Version>"
            )
        };
        let marker = |key: &str| {
            format!(
                "<DeleteMarker><Key>{key}</Key><VersionId>m</VersionId><IsLatest>true</IsLatest>\
                 <LastModified>2026-11-22T18:57:19.000Z</LastModified></DeleteMarker>"
            )
        };
        let answer = |entries: &str, next: &str| {
            format!(
                "<ListVersionsResult xmlns=\"x\"><Name>b</Name><KeyMarker/><VersionIdMarker/>{next}\
                 <IsTruncated>{}</IsTruncated>{entries}</ListVersionsResult>",
                !next.is_empty()
            )
        };
        let entries = [
            version("p/a", "v2", true),
            version("p/a", "v1", false),
            marker("p/b"),
            version("p/b", "v3", false),
            version("p/c%2Bd", "null", true),
        ];
        for chunk in [7, 64, 10_000] {
            let page = read("p/", &answer(&entries.concat(), ""), chunk).unwrap();
            let found: Vec<_> = page
                .iter()
                .map(|(key, meta)| (key, meta.version.as_deref().unwrap()))
                .collect();
            assert_eq!(found, [("a", "v2"), ("c+d", "null")]);
            assert_eq!(page.resume_after, None);
        }
        // Nothing but what was deleted: there is more behind it.
        let more = answer(&marker("p/b"), "<NextKeyMarker>p/b%20c</NextKeyMarker>");
        let page = read("p/", &more, 64).unwrap();
        assert_eq!((page.len(), page.resume_after.as_deref()), (0, Some("b c")));
        // Markers behind all versions, as other servers list them.
        let behind = [version("p/c", "v", true), marker("p/b")].concat();
        assert_eq!(keys(&read("p/", &answer(&behind, ""), 64).unwrap()), ["c"]);
        let wrong = [version("p/c", "v", true), version("p/b", "v", true)].concat();
        assert!(matches!(
            read("p/", &answer(&wrong, ""), 64),
            Err(ListingError::OutOfOrder { .. })
        ));
        assert_eq!(
            read("", &answer(&version("a", "v", true), ""), 9)
                .unwrap()
                .get(0)
                .unwrap()
                .1
                .version,
            Some("v".into())
        );
    }

    #[test]
    fn feed_of_an_object_whose_key_is_the_prefix_takes_it() {
        let objects = ["p/", "p/a"].map(|key| object(key, 1)).concat();
        let page = read("p/", &answer(&objects, false), 64).unwrap();
        assert_eq!(keys(&page), ["", "a"]);
        let page = read("p/", &answer(&object("p/", 1), true), 64).unwrap();
        assert_eq!(page.resume_after.as_deref(), Some(""));
    }

    #[test]
    fn finish_of_a_listing_that_is_cut_short_or_out_of_order_fails() {
        let text = answer(&object("a", 1), false);
        let short = text.strip_suffix("</ListBucketResult>").unwrap();
        assert_eq!(read("", short, 9), Err(ListingError::Truncated));
        assert_eq!(
            read("", "<Error><Code>x</Code></Error>", 9),
            Err(ListingError::Truncated)
        );
        let text = answer(&[object("b", 1), object("a", 1)].concat(), false);
        assert_eq!(
            read("", &text, 99),
            Err(ListingError::OutOfOrder { key: "a".into() })
        );
        assert_eq!(
            read("p/", &answer(&object("q/a", 1), false), 99),
            Err(ListingError::OutOfOrder { key: "q/a".into() })
        );
        assert_eq!(
            read("", &answer("", true), 99),
            Err(ListingError::Truncated)
        );
        assert_eq!(
            read("", &answer("<Contents><Key>a</Key></Contents>", false), 99),
            Err(ListingError::Missing {
                key: "a".into(),
                field: "a size"
            })
        );
    }

    #[test]
    fn finish_of_an_empty_bucket_is_an_empty_page() {
        assert_eq!(
            read("", "<ListBucketResult xmlns=\"x\"/>", 5)
                .unwrap()
                .len(),
            0
        );
        assert_eq!(read("", &answer("", false), 5).unwrap(), Page::default());
    }
}
