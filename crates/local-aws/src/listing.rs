//! How lists of S3 write keys, the same on every base.
//!
//! A key may have characters that XML 1.0 cannot carry, not even as a reference. S3 writes the reference all the same,
//! which parsers refuse; with `encoding-type=url` it encodes what is a key or part of one. The base is asked for keys as
//! they are, and they are written here.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>, where CommonPrefixes are missing: S3 was
//! seen to encode them too, and a space as `+`.

use http::Uri;
use http::uri::PathAndQuery;
use http::{Response, StatusCode};
use http_body_util::Full;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::answer;
use crate::request::{Call, ENCODING};

/// The elements that hold a key or a part of one.
const KEYS: [&str; 8] = [
    "Key",
    "Prefix",
    "Delimiter",
    "Marker",
    "NextMarker",
    "KeyMarker",
    "NextKeyMarker",
    "StartAfter",
];

/// What S3 encodes in a key. A space, which it writes as `+`, comes after.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'*')
    .remove(b'/')
    .remove(b' ');

/// Answers of S3 that repeat keys, but lists.
const WITH_KEYS: [&str; 5] = [
    "CompleteMultipartUpload",
    "CreateMultipartUpload",
    "DeleteObjects",
    "ListParts",
    "PostObject",
];

const LISTS: [&str; 4] = [
    "ListObjects",
    "ListObjectsV2",
    "ListObjectVersions",
    "ListMultipartUploads",
];

/// How the keys of an answer are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keys {
    /// As they are, with references for what XML cannot carry.
    Plain,
    /// As in a URL.
    Encoded,
}

/// How the answer to a call writes keys; `None` for an answer without.
pub(crate) fn keys(call: &Call) -> Option<Keys> {
    let operation = call.operation.as_str();
    if call.service != "s3" {
        return None;
    }
    match (has_encoding(operation), &call.encoding) {
        (true, Some(_)) => Some(Keys::Encoded),
        (true, None) => Some(Keys::Plain),
        (false, _) => WITH_KEYS.contains(&operation).then_some(Keys::Plain),
    }
}

/// Whether an operation can be asked to encode keys.
pub(crate) fn has_encoding(operation: &str) -> bool {
    LISTS.contains(&operation)
}

/// The refusal of an encoding that S3 has not.
pub(crate) fn refusal(call: &Call) -> Option<Response<Full<bytes::Bytes>>> {
    let encoding = call.encoding.as_deref().filter(|name| *name != "url")?;
    Some(answer::error(
        call,
        StatusCode::BAD_REQUEST,
        "InvalidArgument",
        "Invalid Encoding Method specified in Request",
        &[("ArgumentName", ENCODING), ("ArgumentValue", encoding)],
    ))
}

/// The request for keys as they are.
pub(crate) fn request(uri: &Uri) -> Option<Uri> {
    let query = uri.query()?;
    let left: Vec<&str> = query
        .split('&')
        .filter(|pair| pair.split('=').next() != Some(ENCODING))
        .collect();
    let path = format!("{}?{}", uri.path(), left.join("&"));
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(path).ok()?);
    Uri::from_parts(parts).ok()
}

impl Keys {
    /// The answer of a base with its keys written in this way.
    pub(crate) fn write(self, answer: &str) -> String {
        match self {
            Self::Plain => with_references(answer),
            Self::Encoded => encoded(answer),
        }
    }
}

/// The answer with references for characters that XML 1.0 cannot carry, and for the carriage return, which parsers would
/// take for a line feed.
fn with_references(answer: &str) -> String {
    let mut text = String::with_capacity(answer.len());
    for character in answer.chars() {
        match character {
            '\r' => text.push_str("&#13;"),
            '\t' | '\n' => text.push(character),
            '\0'..'\u{20}' | '\u{fffe}' | '\u{ffff}' => {
                text.push_str(&format!("&#x{:x};", u32::from(character)));
            }
            _ => text.push(character),
        }
    }
    text
}

/// The answer with all keys encoded, and what says so. The base's answer need not be XML: its keys may be in it as they
/// are.
fn encoded(answer: &str) -> String {
    let mut text = String::with_capacity(answer.len() + answer.len() / 4);
    let mut rest = answer;
    let mut said = false;
    while let Some((before, tag, after)) = next_tag(rest) {
        text.push_str(before);
        let name = tag.split([' ', '/']).next().unwrap_or_default();
        let closes = tag.starts_with('/');
        let last = closes && !after.contains('<');
        if !said && (name == "IsTruncated" || last) {
            text.push_str("<EncodingType>url</EncodingType>");
            said = true;
        }
        text.push('<');
        text.push_str(tag);
        text.push('>');
        rest = after;
        if KEYS.contains(&name) && !tag.ends_with('/') {
            let end = rest.find('<').unwrap_or(rest.len());
            text.push_str(&encode(&unescape(&rest[..end])));
            rest = &rest[end..];
        }
    }
    text + rest
}

/// What is before the next tag, the tag, and what follows it.
fn next_tag(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('<')?;
    let (tag, after) = rest.split_once('>')?;
    Some((before, tag, after))
}

fn encode(key: &str) -> String {
    utf8_percent_encode(key, ENCODED)
        .to_string()
        .replace(' ', "+")
}

/// Text as it was before it was written into XML.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, from)) = rest.split_once('&') {
        out.push_str(before);
        let found = from
            .split_once(';')
            .and_then(|(name, after)| Some((referred(name)?, after)));
        rest = match found {
            Some((character, after)) => {
                out.push(character);
                after
            }
            None => {
                out.push('&');
                from
            }
        };
    }
    out + rest
}

fn referred(name: &str) -> Option<char> {
    let number = |digits: &str, radix| char::from_u32(u32::from_str_radix(digits, radix).ok()?);
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => match name.strip_prefix('#')?.strip_prefix(['x', 'X']) {
            Some(digits) => number(digits, 16),
            None => number(&name[1..], 10),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_encoded_as_s3_does() {
        for (key, expected) in [
            ("a b.txt", "a+b.txt"),
            ("a+b.txt", "a%2Bb.txt"),
            ("100%.csv", "100%25.csv"),
            ("test_file(3).png", "test_file%283%29.png"),
            ("a/b-c_d.e*f~g", "a/b-c_d.e*f%7Eg"),
            ("\u{1b}[2J\u{1}\r\n", "%1B%5B2J%01%0D%0A"),
            ("\u{fffe}ü", "%EF%BF%BE%C3%BC"),
            ("<&>\"'", "%3C%26%3E%22%27"),
        ] {
            assert_eq!(encode(key), expected, "{key:?}");
        }
    }

    #[test]
    fn encoded_answers_say_so_and_leave_all_else() {
        let answer = "<?xml version=\"1.0\"?>\n<ListBucketResult xmlns=\"x\"><Name>a b</Name>\
                      <Prefix/><Delimiter>|</Delimiter><IsTruncated>false</IsTruncated>\
                      <Contents><Key>a &amp;amp; &#x1b;\u{1}</Key><Owner><ID>a b</ID></Owner></Contents>\
                      <CommonPrefixes><Prefix>run books/</Prefix></CommonPrefixes></ListBucketResult>";
        assert_eq!(
            Keys::Encoded.write(answer),
            "<?xml version=\"1.0\"?>\n<ListBucketResult xmlns=\"x\"><Name>a b</Name>\
             <Prefix/><Delimiter>%7C</Delimiter><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>\
             <Contents><Key>a+%26amp%3B+%1B%01</Key><Owner><ID>a b</ID></Owner></Contents>\
             <CommonPrefixes><Prefix>run+books/</Prefix></CommonPrefixes></ListBucketResult>"
        );
        let short = Keys::Encoded.write("<R><Key>a b</Key></R>\n");
        assert_eq!(
            short,
            "<R><Key>a+b</Key><EncodingType>url</EncodingType></R>\n"
        );
        for broken in ["", "<", "<R", "<R><Key>a", "text"] {
            assert_eq!(Keys::Encoded.write(broken), broken);
        }
    }

    #[test]
    fn plain_answers_refer_to_what_xml_cannot_carry() {
        let answer = "<Key>\u{1b}\u{1}\0\u{fffe}\u{ffff}\r\n\tü</Key>";
        let expected = "<Key>&#x1b;&#x1;&#x0;&#xfffe;&#xffff;&#13;\n\tü</Key>";
        assert_eq!(Keys::Plain.write(answer), expected);
    }

    #[test]
    fn request_leaves_the_encoding_out() {
        for (uri, expected) in [
            (
                "/b?list-type=2&encoding-type=url&prefix=a%20",
                "/b?list-type=2&prefix=a%20",
            ),
            ("/b?encoding-type=url", "/b?"),
            ("/b?versions&encoding-type=url", "/b?versions"),
        ] {
            let changed = request(&uri.parse().unwrap()).unwrap();
            assert_eq!(changed.to_string(), expected);
        }
    }
}
