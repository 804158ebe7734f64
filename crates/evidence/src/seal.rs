//! JSON that ends with the SHA-256 of every byte before that digest.
//!
//! The digest is of bytes, not of values: nothing has to be written again in the same way to be checked, and
//! `head -n -2 FILE | sha256sum` does it for a file.

use report::escape;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// How sealed JSON is laid out.
#[derive(Debug, Clone, Copy)]
pub(super) enum Layout {
    /// A file: one member a line.
    File,
    /// A line of a file.
    Line,
}

/// What is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Broken {
    /// The end is not the one of sealed JSON.
    End,
    /// The digest is another one.
    Digest { found: String },
}

impl Layout {
    fn parts(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::File => ("\n}", ",\n", "  \"sha256\": \""),
            Self::Line => ("}", "", ",\"sha256\":\""),
        }
    }

    fn end(self) -> &'static str {
        match self {
            Self::File => "\"\n}\n",
            Self::Line => "\"}\n",
        }
    }

    /// `value`, which has to be an object with members, as sealed text.
    pub(super) fn seal<T: Serialize>(self, value: &T) -> Result<String, serde_json::Error> {
        let text = match self {
            Self::File => escape::json(value)?,
            Self::Line => escape::json_line(value)?,
        };
        let (close, comma, mark) = self.parts();
        let body = text.strip_suffix(close).unwrap_or(&text);
        let body = format!("{body}{comma}");
        let digest = sha256(body.as_bytes());
        Ok(format!("{body}{mark}{digest}{}", self.end()))
    }

    /// Whether `text` is what [`Layout::seal`] wrote.
    pub(super) fn check(self, text: &[u8]) -> Result<(), Broken> {
        let (_, _, mark) = self.parts();
        let rest = text
            .strip_suffix(self.end().as_bytes())
            .ok_or(Broken::End)?;
        let (rest, told) = rest.split_last_chunk::<64>().ok_or(Broken::End)?;
        let body = rest.strip_suffix(mark.as_bytes()).ok_or(Broken::End)?;
        let found = sha256(body);
        if found.as_bytes() == told {
            return Ok(());
        }
        Err(Broken::Digest { found })
    }
}

/// SHA-256 in lower-case hexadecimal, as `sha256sum` prints it.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn sealed_text_is_json_and_every_other_byte_breaks_it() {
        for layout in [Layout::File, Layout::Line] {
            let sealed = layout.seal(&json!({"b": [1.0, {}], "a": "x"})).unwrap();
            assert_eq!(layout.check(sealed.as_bytes()), Ok(()));
            let value: Value = serde_json::from_str(&sealed).unwrap();
            assert_eq!(value["a"], "x");
            for at in 0..sealed.len() {
                for bit in 0..8 {
                    let mut edited = sealed.clone().into_bytes();
                    edited[at] ^= 1 << bit;
                    assert!(layout.check(&edited).is_err(), "{layout:?} {at} {bit}");
                }
            }
            assert!(layout.check(&sealed.as_bytes()[1..]).is_err());
            assert!(layout.check(format!("{sealed}\n").as_bytes()).is_err());
        }
    }

    #[test]
    fn two_tools_that_everybody_has_find_the_same_digest() {
        let sealed = Layout::File.seal(&json!({"a": 1, "b": 2})).unwrap();
        let lines: Vec<&str> = sealed.lines().collect();
        let before: String = lines[..lines.len() - 2]
            .iter()
            .map(|line| format!("{line}\n"))
            .collect();
        assert!(sealed.contains(&sha256(before.as_bytes())));
    }
}
