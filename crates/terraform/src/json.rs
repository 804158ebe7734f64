//! JSON in files and output that others have touched: a byte order mark, UTF-16, lines of a wrapper around it.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::error::Category;

/// Text in which JSON was looked for in vain. It is never repeated: it may hold secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// There is nothing but white space.
    #[error("it is empty")]
    Empty,
    /// Something else that could be told from its first bytes.
    #[error("it is no JSON, but {0}")]
    Other(Found),
    /// JSON that breaks off, or breaks its rules.
    #[error("it is no JSON from line {line}, column {column} on: {reason}")]
    Syntax {
        /// From 1.
        line: usize,
        /// From 1; 0 where a line begins.
        column: usize,
        /// What the parser expected there.
        reason: String,
    },
    /// JSON of another shape than the one that is read.
    #[error("line {line}, column {column} has not the type that belongs there")]
    Shape {
        /// From 1.
        line: usize,
        /// From 1; 0 where a line begins.
        column: usize,
    },
    /// Its bytes could not be read to the end.
    #[error("it cannot be read to its end: {0}")]
    Io(std::io::ErrorKind),
    /// More JSON after the JSON: which of the two is meant cannot be told.
    #[error("a second JSON document begins at line {line}")]
    Second {
        /// From 1.
        line: usize,
    },
    /// Characters directly behind the JSON, on its last line.
    #[error("line {line}, column {column} goes on after the end of the JSON")]
    Trailing {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
}

/// What stands where JSON should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// A plan as `terraform plan -out` writes it: a zip archive.
    PlanFile,
    /// Something compressed with gzip.
    Gzip,
    /// HTML or XML, as a proxy or a login page answers.
    Markup,
    /// A warning or an error of terraform in its form for people.
    Message,
    /// JSON between quotation marks.
    Quoted,
    /// Bytes that are text in no encoding that is read (UTF-8, UTF-16).
    Binary,
    /// Other text.
    Text,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PlanFile => "a plan file, of which `terraform show -json FILE` writes the JSON",
            Self::Gzip => "compressed with gzip",
            Self::Markup => "HTML or XML",
            Self::Message => "a warning or an error of terraform, in its form for people",
            Self::Quoted => "text in quotation marks",
            Self::Binary => "neither UTF-8 nor UTF-16",
            Self::Text => "other text",
        })
    }
}

/// The text of `bytes`: UTF-8 or UTF-16, with or without a byte order mark, which is left out.
///
/// # Errors
/// When it is in neither encoding.
pub fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, JsonError> {
    match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => utf8(rest),
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        // JSON's first two characters are ASCII, so that a zero beside the first is half of a character.
        [first, 0, ..] if first.is_ascii() && *first != 0 => utf16(bytes, u16::from_le_bytes),
        [0, second, ..] if second.is_ascii() && *second != 0 => utf16(bytes, u16::from_be_bytes),
        _ => utf8(bytes),
    }
}

fn utf8(bytes: &[u8]) -> Result<Cow<'_, str>, JsonError> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(Cow::Borrowed(text)),
        Err(_) => Err(JsonError::Other(found_in_bytes(bytes))),
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<Cow<'_, str>, JsonError> {
    let (pairs, []) = bytes.as_chunks::<2>() else {
        return Err(JsonError::Other(Found::Binary));
    };
    char::decode_utf16(pairs.iter().map(|pair| unit(*pair)))
        .collect::<Result<String, _>>()
        .map(Cow::Owned)
        .map_err(|_| JsonError::Other(Found::Binary))
}

/// Reads the one JSON object in `bytes`. Lines before and after it are passed over: `terraform` under the wrapper of
/// hashicorp/setup-terraform writes some, and warnings end up there.
///
/// # Errors
/// When there is none, or more than one, or it is no `T`.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, JsonError> {
    let text = decode(bytes)?;
    let start = object_start(&text).ok_or_else(|| no_object(&text))?;
    let lines_before = lines(&text[..start]);
    let mut values = serde_json::Deserializer::from_str(&text[start..]).into_iter::<T>();
    let value = match values.next() {
        Some(Ok(value)) => value,
        Some(Err(error)) => return Err(place(&error, lines_before)),
        None => return Err(JsonError::Empty),
    };
    let end = start + values.byte_offset();
    nothing_else(&text, end)?;
    Ok(value)
}

/// Where the first line begins whose first character opens an object. A list at the top would be
/// indistinguishable from a wrapper's "[command]/usr/bin/terraform", and terraform writes none.
fn object_start(text: &str) -> Option<usize> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if line.trim_start().starts_with('{') {
            return Some(start);
        }
        start += line.len();
    }
    None
}

pub(crate) fn no_object(text: &str) -> JsonError {
    let trimmed = text.trim_start();
    if trimmed.is_empty() {
        return JsonError::Empty;
    }
    if serde_json::from_str::<IgnoredAny>(text).is_ok() {
        // A list, a string, a number.
        let line = lines(&text[..text.len() - trimmed.len()]) + 1;
        return JsonError::Shape { line, column: 1 };
    }
    JsonError::Other(found(text))
}

/// What follows the JSON that ends at `end` may be lines of a wrapper, and no more JSON.
fn nothing_else(text: &str, end: usize) -> Result<(), JsonError> {
    let rest = &text[end..];
    let (same_line, others) = rest.split_once('\n').unwrap_or((rest, ""));
    if !same_line.trim().is_empty() {
        let line_start = text[..end].rfind('\n').map_or(0, |at| at + 1);
        return Err(JsonError::Trailing {
            line: lines(&text[..end]) + 1,
            column: text[line_start..end].chars().count() + 1,
        });
    }
    let mut from = end + rest.len() - others.len();
    for line in others.split_inclusive('\n') {
        if line.trim_start().starts_with('{') {
            let mut values =
                serde_json::Deserializer::from_str(&text[from..]).into_iter::<IgnoredAny>();
            if matches!(values.next(), Some(Ok(_))) {
                return Err(JsonError::Second {
                    line: lines(&text[..from]) + 1,
                });
            }
        }
        from += line.len();
    }
    Ok(())
}

fn lines(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}

/// The parser's own words quote what it read when a type is wrong, and only then.
pub(crate) fn place(error: &serde_json::Error, lines_before: usize) -> JsonError {
    if let Some(kind) = error.io_error_kind() {
        return JsonError::Io(kind);
    }
    let (line, column) = (error.line() + lines_before, error.column());
    if error.classify() == Category::Data {
        return JsonError::Shape { line, column };
    }
    let text = error.to_string();
    let reason = text.split(" at line ").next().unwrap_or_default();
    JsonError::Syntax {
        line,
        column,
        reason: reason.to_owned(),
    }
}

fn found_in_bytes(bytes: &[u8]) -> Found {
    match bytes {
        [b'P', b'K', 3, 4, ..] => Found::PlanFile,
        [0x1f, 0x8b, ..] => Found::Gzip,
        _ => Found::Binary,
    }
}

fn found(text: &str) -> Found {
    let text = without_colours(text);
    let mut lines = text
        .lines()
        .map(|line| line.trim_start_matches(['│', ' ', '\t']));
    if found_in_bytes(text.as_bytes()) != Found::Binary {
        return found_in_bytes(text.as_bytes());
    }
    match text.trim_start().chars().next() {
        Some('<') => Found::Markup,
        Some('\'' | '"' | '`') => Found::Quoted,
        _ if lines.any(|line| line.starts_with("Warning: ") || line.starts_with("Error: ")) => {
            Found::Message
        }
        _ => Found::Text,
    }
}

/// `text` without the escape sequences that colour it (`ESC [ … m`).
pub(crate) fn without_colours(text: &str) -> Cow<'_, str> {
    if !text.contains('\u{1b}') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        out.push_str(before);
        rest = after
            .split_once(|c: char| c.is_ascii_alphabetic())
            .map_or("", |(_, rest)| rest);
    }
    out.push_str(rest);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn read(bytes: &[u8]) -> Result<Value, JsonError> {
        parse(bytes)
    }

    fn utf16le(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    fn utf16be(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_be_bytes).collect()
    }

    const DOCUMENT: &str = "{\"a\": \"Ä𝕏\",\n \"b\": 1}";

    #[test]
    fn parse_in_every_encoding_gives_the_same() {
        let wanted = json!({"a": "Ä𝕏", "b": 1});
        for bytes in [
            DOCUMENT.as_bytes().to_vec(),
            [&[0xef, 0xbb, 0xbf], DOCUMENT.as_bytes()].concat(),
            [vec![0xff, 0xfe], utf16le(DOCUMENT)].concat(),
            [vec![0xfe, 0xff], utf16be(DOCUMENT)].concat(),
            utf16le(DOCUMENT),
            utf16be(DOCUMENT),
        ] {
            assert_eq!(read(&bytes), Ok(wanted.clone()), "{bytes:x?}");
        }
    }

    #[test]
    fn parse_passes_over_lines_of_a_wrapper() {
        for (before, after) in [
            ("[command]/opt/terraform-bin show -json tfplan\n", ""),
            ("", "\n\n::debug::Terraform exited with code 0.\n"),
            (
                "╷\n│ Warning: Unable to open CLI configuration file\n╵\r\n\r\n",
                "\r\n::debug::stdout: x\n",
            ),
            ("\u{1b}[33mnote\u{1b}[0m\n  ", "  \n{ not JSON"),
        ] {
            let text = format!("{before}{DOCUMENT}{after}");
            assert_eq!(read(text.as_bytes()).unwrap()["b"], 1, "{text}");
        }
    }

    #[test]
    fn parse_of_something_else_says_what_it_is() {
        let told = |bytes: &[u8]| read(bytes).unwrap_err().to_string();
        let other = |bytes: &[u8]| match read(bytes) {
            Err(JsonError::Other(found)) => found,
            other => panic!("{other:?}"),
        };
        assert_eq!(told(b" \r\n"), "it is empty");
        assert_eq!(told(&[0xef, 0xbb, 0xbf]), "it is empty");
        assert_eq!(other(b"PK\x03\x04\x14\0"), Found::PlanFile);
        assert_eq!(other(b"PK\x03\x04\xff\xff"), Found::PlanFile);
        assert_eq!(other(b"\x1f\x8b\x08\0"), Found::Gzip);
        assert_eq!(other(b"<html><body>502</body></html>"), Found::Markup);
        assert_eq!(other(b"'{\"a\": 1}'"), Found::Quoted);
        assert_eq!(other(b"\xff\xfe\x41"), Found::Binary);
        assert_eq!(other(b"[command]/opt/terraform-bin"), Found::Text);
        let (line, column) = (2, 1);
        assert_eq!(read(b"\n[1, 2]"), Err(JsonError::Shape { line, column }));
        let warning = "\n\u{1b}[33m╷\u{1b}[0m\n\u{1b}[33m│\u{1b}[0m \u{1b}[1mWarning: No outputs";
        assert_eq!(other(warning.as_bytes()), Found::Message);
    }

    #[test]
    fn parse_of_broken_json_tells_its_place_in_the_whole_text() {
        let told = |text: &str| read(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(
            told("wrapped\n{\"a\": 1,\n"),
            "it is no JSON from line 3, column 0 on: EOF while parsing a value"
        );
        assert_eq!(
            told("{\"a\": 1} {\"b\": 2}"),
            "line 1, column 9 goes on after the end of the JSON"
        );
        assert_eq!(
            told("{\"a\": 1}\nnote\n{\"b\": 2}"),
            "a second JSON document begins at line 3"
        );
    }

    #[test]
    fn parse_never_repeats_a_value() {
        #[derive(Debug, serde::Deserialize)]
        struct Wanted {
            #[serde(rename = "a")]
            _a: u64,
        }
        let error = parse::<Wanted>(b"x\n{\"a\": \"hunter2\"}").unwrap_err();
        let (line, column) = (2, 15);
        assert_eq!(error, JsonError::Shape { line, column });
    }

    proptest! {
        #[test]
        fn parse_never_panics(bytes: Vec<u8>) {
            let _ = read(&bytes);
        }

        #[test]
        fn parse_finds_an_object_between_any_lines(before in "[^{]{0,20}", after in "[^{]{0,20}", value: String) {
            let object = json!({"value": value});
            let text = format!("{before}\n{object}\n{after}");
            prop_assume!(!text.starts_with('\u{feff}') && !text.contains('\0'));
            prop_assert_eq!(read(text.as_bytes()), Ok(object));
        }
    }
}
