//! Texts within texts: percent encoding, escapes of JSON, base64, and JSON within a longer text.

use std::collections::HashSet;
use std::ops::Range;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use serde_json::Value;

use super::super::value;
use super::{DEEPEST, Search, Span, spans, tokens};

/// Shorter ones decode to nothing in which a secret could be told.
const SHORTEST_BASE64: usize = 12;

/// Braces that are looked at for JSON; a text with more of them is code.
const MOST_BRACES: usize = 512;

pub(super) fn find(text: &str, search: Search<'_>, found: &mut Vec<Span>) {
    let deepest = search.depth >= DEEPEST;
    for run in tokens::runs(text, |c| {
        !c.is_whitespace() && !matches!(c, '"' | '\'' | '`')
    }) {
        let part = &text[run.clone()];
        if let Some(plain) = Decoded::percent(part) {
            plain.find(part, run.start, search, found);
        }
    }
    if let Some(plain) = Decoded::escapes(text) {
        plain.find(text, 0, search, found);
    }
    json(text, search, found);
    let mut base64 = |range: Range<usize>, part: &str| {
        let secrets = if is_compressed(part) {
            Vec::new()
        } else {
            let Some(plain) = decoded(part) else { return };
            let inner = spans("", &plain, search.deeper());
            if inner.is_empty() && !deepest {
                return;
            }
            inner.into_iter().flat_map(|span| span.secrets).collect()
        };
        // What is encoded cannot be shown in part.
        found.push(Span {
            range,
            secrets,
            known: false,
        });
    };
    let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '_' | '-');
    if deepest && !text.contains(|c| !letter(c)) {
        return;
    }
    for run in tokens::runs(text, letter) {
        let part = &text[run.clone()];
        if part.len() >= SHORTEST_BASE64 {
            let rest = &text[run.end..];
            let padding = rest.len() - rest.trim_start_matches('=').len();
            base64(run.start..run.end + padding, part);
        }
    }
    // Lines of 64 or 76 characters, as `base64` and MIME write them.
    let whole = text.trim();
    if whole.contains('\n')
        && whole
            .chars()
            .all(|c| letter(c) || c == '=' || c.is_whitespace())
    {
        let joined: String = whole.split_whitespace().collect();
        base64(0..text.len(), &joined);
    }
}

/// A text without its encoding, and from where each of its bytes comes.
struct Decoded {
    text: String,
    /// The place in the encoded text of each byte, and of the end.
    from: Vec<usize>,
}

impl Decoded {
    /// `%41` is `A`.
    fn percent(text: &str) -> Option<Self> {
        let (mut bytes, mut from) = (Vec::new(), Vec::new());
        let raw = text.as_bytes();
        let mut at = 0;
        let mut any = false;
        while at < raw.len() {
            from.push(at);
            let digits = (raw[at] == b'%')
                .then(|| text.get(at + 1..at + 3))
                .flatten();
            let byte = digits
                .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
                .and_then(|digits| u8::from_str_radix(digits, 16).ok());
            if let Some(byte) = byte {
                bytes.push(byte);
                any = true;
                at += 3;
            } else {
                bytes.push(raw[at]);
                at += 1;
            }
        }
        from.push(raw.len());
        let text = any.then(|| String::from_utf8(bytes).ok()).flatten()?;
        Some(Self { text, from })
    }

    /// `\"`, `\n` and `\u0041` as JSON and most languages write them.
    fn escapes(text: &str) -> Option<Self> {
        if !text.contains('\\') {
            return None;
        }
        let (mut out, mut from) = (String::new(), Vec::new());
        let mut letters = text.char_indices().peekable();
        let mut any = false;
        while let Some((at, c)) = letters.next() {
            let mut plain = c;
            if c == '\\'
                && let Some((next_at, next)) = letters.peek().copied()
            {
                let code = || u32::from_str_radix(text.get(next_at + 1..next_at + 5)?, 16).ok();
                let read = match next {
                    'n' => Some('\n'),
                    't' => Some('\t'),
                    'r' => Some('\r'),
                    'u' => code().and_then(char::from_u32),
                    '"' | '\'' | '\\' | '/' => Some(next),
                    _ => None,
                };
                if let Some(read) = read {
                    plain = read;
                    any = true;
                    letters.nth(if next == 'u' { 4 } else { 0 });
                }
            }
            from.extend(std::iter::repeat_n(at, plain.len_utf8()));
            out.push(plain);
        }
        from.push(text.len());
        any.then_some(Self { text: out, from })
    }

    fn find(&self, encoded: &str, begin: usize, search: Search<'_>, found: &mut Vec<Span>) {
        if search.depth >= DEEPEST {
            found.push(Span::unread(begin..begin + encoded.len()));
            return;
        }
        for mut span in spans("", &self.text, search.deeper()) {
            let at = |byte: usize| self.from.get(byte).copied().unwrap_or(encoded.len());
            span.range = begin + at(span.range.start)..begin + at(span.range.end);
            found.push(span);
        }
    }
}

/// JSON that stands within a longer text: its names and values belong together wherever they are.
fn json(text: &str, search: Search<'_>, found: &mut Vec<Span>) {
    let mut from = 0;
    let mut braces = 0;
    let mut unclosed = HashSet::new();
    while let Some(at) = text[from..].find(['{', '[']).map(|at| at + from) {
        from = at + 1;
        if unclosed.remove(&at) {
            continue;
        }
        braces += 1;
        if braces > MOST_BRACES {
            return;
        }
        let rest = &text[at..];
        let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
        let parsed = match stream.next() {
            Some(Ok(parsed)) => parsed,
            Some(Err(error)) => {
                let read = read_until(rest, &error);
                if !search.work.read(read) {
                    return;
                }
                unclosed.extend(unclosed_in(&rest[..read]).map(|open| at + open));
                continue;
            }
            None => continue,
        };
        let end = at + stream.byte_offset();
        let whole = &text[at..end];
        if !search.work.read(whole.len()) {
            return;
        }
        let secrets = value::secrets_in(&parsed, search.deeper());
        let span = |place: Range<usize>, secrets: &[String]| Span {
            range: at + place.start..at + place.end,
            secrets: secrets.to_vec(),
            known: false,
        };
        let mut spans = Vec::new();
        for secret in &secrets {
            let mut places = Vec::new();
            // Looking for a known text is many times as fast as looking for secrets.
            let may_look = search.work.read(whole.len() / 16 + 1);
            if !may_look || located(whole, secret, &mut places).is_none() {
                spans = vec![span(0..whole.len(), &secrets)];
                break;
            }
            let secret = std::slice::from_ref(secret);
            spans.extend(places.into_iter().map(|place| span(place, secret)));
        }
        found.append(&mut spans);
        from = end;
    }
}

/// How much of `json` was read when `error` was found, up to a byte.
fn read_until(json: &str, error: &serde_json::Error) -> usize {
    let lines = json.split_inclusive('\n').map(str::len);
    let before: usize = lines.take(error.line().saturating_sub(1)).sum();
    json.floor_char_boundary(before.saturating_add(error.column()))
}

/// The brackets that are open at the end of `read`, which is JSON up to a fault at its end: read from any of them on,
/// the same fault is met. One within a string or one that is closed may be the beginning of JSON by itself.
fn unclosed_in(read: &str) -> impl Iterator<Item = usize> {
    /// So far back from where a fault is told it may be, as within an escape of six characters.
    const UNCERTAIN: usize = 8;
    /// With so many open brackets the fault may be that there are no more of them allowed.
    const MOST_NESTED: usize = 120;
    let mut open = Vec::new();
    let mut quoted = false;
    let mut bytes = read.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => quoted = !quoted,
            b'\\' if quoted => drop(bytes.next()),
            b'{' | b'[' if !quoted => open.push(at),
            b'}' | b']' if !quoted => drop(open.pop()),
            _ => {}
        }
    }
    let certain = match open.len() {
        ..MOST_NESTED => read.len().saturating_sub(UNCERTAIN),
        _ => 0,
    };
    open.into_iter().filter(move |at| *at < certain)
}

/// Where `secret` stands in JSON: as a whole string wherever there is one, else within a string.
fn located(json: &str, secret: &str, places: &mut Vec<Range<usize>>) -> Option<()> {
    let quoted = Value::from(secret).to_string();
    let before = places.len();
    places.extend(
        json.match_indices(&quoted)
            .map(|(at, quoted)| at + 1..at + quoted.len() - 1),
    );
    if places.len() == before && secret.len() >= 4 {
        let inner = quoted.trim_matches('"');
        places.extend(
            json.match_indices(inner)
                .map(|(at, inner)| at..at + inner.len()),
        );
    }
    (places.len() > before).then_some(())
}

/// Base64 of gzip or zip cannot be looked into, and what is packed into user data is often a script with secrets.
fn is_compressed(text: &str) -> bool {
    text.len() >= 24
        && ["H4sI", "UEsDB"]
            .iter()
            .any(|begin| text.starts_with(begin))
}

/// Base64 of text.
pub(super) fn decoded(text: &str) -> Option<String> {
    let text = text.trim_end_matches('=');
    let bytes = BASE64_STANDARD_NO_PAD
        .decode(text)
        .or_else(|_| BASE64_URL_SAFE_NO_PAD.decode(text))
        .ok()?;
    let text = match wide(&bytes) {
        Some(text) => text,
        None => String::from_utf8(bytes).ok()?,
    };
    let readable = |c: char| !c.is_control() || c.is_ascii_whitespace();
    text.chars().all(readable).then_some(text)
}

/// UTF-16 as PowerShell wants its commands.
fn wide(bytes: &[u8]) -> Option<String> {
    let (units, rest) = bytes.as_chunks::<2>();
    let zeros = units.iter().filter(|unit| unit[1] == 0).count();
    if !rest.is_empty() || units.is_empty() || 2 * zeros < units.len() {
        return None;
    }
    let units: Vec<u16> = units.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
    String::from_utf16(&units).ok()
}
