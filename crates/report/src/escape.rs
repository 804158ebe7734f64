//! Text from anywhere, so that it can be shown: what would steer a terminal, turn text around or hide in it is shown as
//! what it is (`\u{1b}`).
//!
//! Names, tags, keys, lock holders and error texts are written by whoever may write them, and end up in questions that
//! somebody answers. Everything that shows text takes it through here: documents when they are rendered
//! ([`crate::Document`]), JSON in [`json`], lines and questions of the programs in `cli`.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};

use serde::Serialize;

/// Whether a character acts on what is around it, or cannot be seen at all: controls (C0, DEL, C1), marks, embeddings
/// and isolates of the bidirectional algorithm, line separators, and what takes no room.
///
/// <https://www.unicode.org/reports/tr36/> and <https://trojansource.codes> show what they are good for. Joiners are
/// among them: in names of infrastructure they tell two things apart that look alike.
fn acts(character: char) -> bool {
    character.is_control()
        || matches!(character,
            // Soft hyphen, combining grapheme joiner, Arabic letter mark, Hangul fillers, Mongolian vowel separator.
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{3164}' | '\u{ffa0}'
            // Zero width, and left-to-right and right-to-left marks.
            | '\u{200b}'..='\u{200f}'
            // Line and paragraph separator, embeddings and overrides.
            | '\u{2028}'..='\u{202e}'
            // Word joiner, invisible operators, isolates, deprecated format characters.
            | '\u{2060}'..='\u{206f}'
            // Byte order mark, interlinear annotation, tags.
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

fn escaped(text: &str, acts: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(&acts) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            other if !acts(other) => out.push(other),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // Writing to a string does not fail.
            other => drop(write!(out, "\\u{{{:x}}}", u32::from(other))),
        }
    }
    Cow::Owned(out)
}

/// Text on one line, in which nothing acts: a line break in it is shown, not made.
pub fn one_line(text: &str) -> Cow<'_, str> {
    escaped(text, acts)
}

/// Text whose line breaks and tabs are our own, and in which nothing else acts. Of a line break with a carriage return
/// the latter is shown.
pub fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, |character| {
        acts(character) && !matches!(character, '\n' | '\t')
    })
}

/// As [`lines`], for text that has our own colours in it: bold, dim, italic, underlined, and the colours that can be
/// seen. Other sequences, which move, hide or rename, are shown.
pub fn styled_lines(text: &str) -> Cow<'_, str> {
    if !text.contains('\u{1b}') {
        return lines(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\u{1b}') {
        out.push_str(&lines(&rest[..at]));
        let length = style(&rest[at..]).unwrap_or_default();
        match length {
            0 => out.push_str("\\u{1b}"),
            length => out.push_str(&rest[at..at + length]),
        }
        rest = &rest[at + length.max(1)..];
    }
    out.push_str(&lines(rest));
    Cow::Owned(out)
}

/// The length of the style that `text` begins with.
fn style(text: &str) -> Option<usize> {
    let inside = text.strip_prefix("\u{1b}[")?;
    let end = inside.find('m')?;
    let own = match inside[..end].split(';').collect::<Vec<_>>().as_slice() {
        // comfy-table's colours: dark grey, red, green, yellow.
        ["38", "5", colour] => matches!(*colour, "8" | "9" | "10" | "11"),
        // Neither black, nor concealed, nor a background.
        codes => codes.iter().all(|code| {
            matches!(
                *code,
                "" | "0" | "1" | "2" | "3" | "4" | "22" | "23" | "24" | "39"
            ) || matches!(code.as_bytes(), [b'3', b'1'..=b'7'] | [b'9', b'1'..=b'7'])
        }),
    };
    own.then_some("\u{1b}[".len() + end + 1)
}

/// A value from elsewhere within a sentence of ours: in quotation marks, on one line, and not so long that the rest of
/// the sentence is out of sight.
pub fn quoted(text: &str) -> String {
    const MOST: usize = 120;
    let shown = one_line(text).replace('"', "\\\"");
    match shown.char_indices().nth(MOST) {
        None => format!("\"{shown}\""),
        Some((at, _)) => format!("\"{}…\"", &shown[..at]),
    }
}

/// A value as JSON over several lines, in which nothing acts: C1 controls, marks of direction and what cannot be seen
/// are escaped too, which says the same to every reader of JSON.
///
/// # Errors
/// When the value cannot be serialised.
pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(value).map(|text| escape_json(&text))
}

/// As [`json`], on one line.
///
/// # Errors
/// When the value cannot be serialised.
pub fn json_line<T: Serialize + ?Sized>(value: &T) -> Result<String, serde_json::Error> {
    serde_json::to_string(value).map(|text| escape_json(&text))
}

/// Of JSON as serde writes it: outside of strings there are line breaks alone, and in strings C0 is escaped already.
fn escape_json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if acts(character) && character != '\n' {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(character);
        }
    }
    out
}

/// One event of a log, with our own colours: a line break in it came with a value, and is shown.
pub fn event(text: &str) -> String {
    let event = text.strip_suffix('\n').unwrap_or(text);
    format!("{}\n", styled_lines(&event.replace('\n', "\\n")))
}

/// The writer of a log, to which each event comes as a whole: nothing in it acts.
#[derive(Debug)]
pub struct EventWriter<W> {
    to: W,
    json: bool,
}

impl<W: Write> EventWriter<W> {
    /// For events that are lines of text.
    pub fn text(to: W) -> Self {
        Self { to, json: false }
    }

    /// For events that are JSON.
    pub fn json(to: W) -> Self {
        Self { to, json: true }
    }
}

impl<W: Write> Write for EventWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let shown = match self.json {
            true => escape_json(&text),
            false => event(&text),
        };
        self.to.write_all(shown.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ESCAPE: char = '\u{1b}';

    fn hostile() -> impl Strategy<Value = String> {
        let words = prop::sample::select(vec![
            "a",
            "é",
            "👍",
            "\u{1b}[8m",
            "\u{1b}[31m",
            "\u{1b}[0m",
            "\u{1b}]0;x\u{7}",
            "\u{1b}c",
            "\u{1b}",
            "[2J",
            "\u{9b}2J",
            "\u{202e}",
            "\u{2066}",
            "\u{200b}",
            "\u{feff}",
            "\u{e0041}",
            "\n",
            "\r",
            "\r\n",
            "\t",
            "\u{7f}",
            "\\",
            "\"",
            "m",
            "38;5;10m",
            "\u{1b}[38;5;10m",
            "\u{1b}[30;40m",
        ]);
        prop::collection::vec(words, 0..12).prop_map(|words| words.concat())
    }

    #[test]
    fn one_line_has_no_character_that_acts() {
        for character in [
            '\u{1b}',
            '\u{7}',
            '\u{7f}',
            '\u{9b}',
            '\u{85}',
            '\r',
            '\n',
            '\u{202a}',
            '\u{202e}',
            '\u{2066}',
            '\u{2069}',
            '\u{200e}',
            '\u{200f}',
            '\u{61c}',
            '\u{200b}',
            '\u{200d}',
            '\u{feff}',
            '\u{2028}',
            '\u{ad}',
            '\u{e0001}',
        ] {
            assert!(acts(character), "{character:?}");
            let shown = one_line(&format!("a{character}b")).into_owned();
            assert!(shown.starts_with("a\\") && shown.ends_with('b'), "{shown}");
            assert!(!shown.contains(character), "{shown}");
        }
        assert_eq!(one_line("a\u{1b}[2Jb\r\nc"), "a\\u{1b}[2Jb\\r\\nc");
        // What people write in.
        for text in ["Zoë", "日本語", "شبكة", "a b", "⚠️", "ok – 1 µs"] {
            assert_eq!(one_line(text), text);
        }
    }

    #[test]
    fn event_writer_shows_what_acts_and_ends_each_event_with_one_line() {
        let hostile = "\u{1b}[32m INFO\u{1b}[0m name=a\u{1b}[2Jb\n INFO forged \u{202e}c\n";
        let mut text = Vec::new();
        EventWriter::text(&mut text)
            .write_all(hostile.as_bytes())
            .unwrap();
        let shown = "\u{1b}[32m INFO\u{1b}[0m name=a\\u{1b}[2Jb\\n INFO forged \\u{202e}c\n";
        assert_eq!(String::from_utf8(text).unwrap(), shown);
        let mut json = Vec::new();
        let event = "{\"name\":\"a\u{9b}2J\u{202e}\"}\n";
        EventWriter::json(&mut json)
            .write_all(event.as_bytes())
            .unwrap();
        let shown = "{\"name\":\"a\\u009b2J\\u202e\"}\n";
        assert_eq!(String::from_utf8(json).unwrap(), shown);
    }

    #[test]
    fn styled_lines_keep_our_own_colours_and_nothing_else() {
        for own in [
            "\u{1b}[38;5;10mok\u{1b}[39m",
            "\u{1b}[2mx\u{1b}[0m",
            "\u{1b}[1m\u{1b}[31merror\u{1b}[0m",
        ] {
            assert_eq!(styled_lines(own), own);
        }
        for foreign in [
            "\u{1b}[8mhidden",
            "\u{1b}[30mblack",
            "\u{1b}[40m",
            "\u{1b}[2J",
            "\u{1b}[1A",
            "\u{1b}]0;title\u{7}",
            "\u{1b}c",
            "\u{1b}[38;5;0m",
            "\u{1b}[38;2;0;0;0m",
            "\u{1b}[1;8m",
            "\u{1b}",
            "\u{1b}[",
            "\u{9b}8m",
        ] {
            let shown = styled_lines(foreign).into_owned();
            assert!(!shown.chars().any(acts), "{shown:?}");
        }
    }

    #[test]
    fn quoted_ends_its_quotation_where_the_value_ends() {
        assert_eq!(quoted("jo@laptop"), "\"jo@laptop\"");
        assert_eq!(quoted("x\" has ended\n"), "\"x\\\" has ended\\n\"");
        assert_eq!(quoted(&"x".repeat(500)).chars().count(), 123);
    }

    proptest! {
        #[test]
        fn escaped_text_has_nothing_that_acts(text in hostile()) {
            prop_assert!(!one_line(&text).chars().any(acts));
            let kept = |c: char| matches!(c, '\n' | '\t');
            prop_assert!(!lines(&text).chars().any(|c| acts(c) && !kept(c)));
            prop_assert_eq!(lines(&text).matches('\n').count(), text.matches('\n').count());
            let styled = styled_lines(&text).into_owned();
            let unstyled = styled.replace(ESCAPE, "");
            prop_assert!(!unstyled.chars().any(|c| acts(c) && !kept(c)));
            prop_assert!(styled.match_indices(ESCAPE).all(|(at, _)| style(&styled[at..]).is_some()));
        }

        #[test]
        fn json_is_valid_lossless_and_has_nothing_that_acts(text in hostile(), any in any::<String>()) {
            let value = serde_json::json!({ &text: [text, any] });
            for shown in [json(&value).unwrap(), json_line(&value).unwrap()] {
                prop_assert!(!shown.chars().any(|c| acts(c) && c != '\n'), "{}", shown);
                let read: serde_json::Value = serde_json::from_str(&shown).unwrap();
                prop_assert_eq!(&read, &value);
            }
        }
    }
}
