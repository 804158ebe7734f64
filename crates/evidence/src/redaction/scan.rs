//! Where in a text the secrets are. Too much is found rather than too little: what is hidden still shows drift.

mod assignments;
mod encodings;
mod tokens;
mod work;

use std::ops::Range;

use super::secrets::Secrets;

pub(super) use assignments::is_flag_of_secret;
pub(super) use work::Work;

/// Encodings within encodings are followed so far; what is deeper counts as a secret.
pub(super) const DEEPEST: usize = 12;

/// How a text is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Search<'a> {
    /// The secrets of the same document that were recognised elsewhere.
    pub(super) known: &'a Secrets,
    /// What may be read.
    pub(super) work: &'a Work,
    /// Within how many encodings the text stands.
    pub(super) depth: usize,
}

impl Search<'_> {
    /// Of what stands within an encoding.
    pub(super) fn deeper(self) -> Self {
        Self {
            depth: self.depth + 1,
            ..self
        }
    }
}

/// A part of a text that is a secret, or an encoded text with secrets in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    /// Which bytes.
    pub(super) range: Range<usize>,
    /// The secrets as they are without any encoding.
    pub(super) secrets: Vec<String>,
    /// Whether it was recognised here, or is a secret that was recognised elsewhere.
    pub(super) known: bool,
}

impl Span {
    fn plain(text: &str, range: Range<usize>) -> Self {
        Self {
            secrets: unquoted(&text[range.clone()]),
            range,
            known: false,
        }
    }

    /// What is a secret because nobody has looked into it.
    fn unread(range: Range<usize>) -> Self {
        Self {
            range,
            secrets: Vec::new(),
            known: false,
        }
    }
}

/// A secret as it is written, and as it is once a shell, YAML, a URL's server or a program has read it.
fn unquoted(written: &str) -> Vec<String> {
    let mut all = vec![written.to_owned()];
    let mut add = |read: String| {
        if read != written {
            all.push(read);
        }
    };
    add(written.replace("'\\''", "'").replace("'\"'\"'", "'"));
    add(written.replace("''", "'"));
    if let Ok(decoded) = percent_encoding::percent_decode_str(written).decode_utf8() {
        add(decoded.into_owned());
    }
    if written.contains('\\') {
        let mut letters = written.chars();
        let mut read = String::new();
        while let Some(letter) = letters.next() {
            let next = (letter == '\\').then(|| letters.next()).flatten();
            read.push(next.unwrap_or(letter));
        }
        add(read);
    }
    all
}

/// The secrets in `text`, which is called `name`, in order and apart from one another. All of it counts as one when
/// there is no work left to look into it.
pub(super) fn spans(name: &str, text: &str, search: Search<'_>) -> Vec<Span> {
    if !search.work.read(text.len() + 1) {
        return vec![Span::unread(0..text.len())];
    }
    let mut found = Vec::new();
    tokens::private_keys(text, &mut found);
    tokens::logins(text, &mut found);
    tokens::webhooks(text, &mut found);
    tokens::schemes(text, &mut found);
    assignments::find(text, &mut found);
    if !super::names::is_digest(name) {
        tokens::keys(text, &mut found);
    }
    for range in search.known.ranges(text) {
        let mut span = Span::plain(text, range);
        span.known = true;
        found.push(span);
    }
    encodings::find(text, search, &mut found);
    if search.work.is_spent() {
        found.push(Span::unread(0..text.len()));
    }
    found.retain(|span| !super::is_marks(&text[span.range.clone()]));
    merged(found)
}

/// In order; those that overlap are one.
fn merged(mut found: Vec<Span>) -> Vec<Span> {
    found.retain(|span| !span.range.is_empty());
    found.sort_by_key(|span| (span.range.start, std::cmp::Reverse(span.range.end)));
    let mut out: Vec<Span> = Vec::new();
    for span in found {
        match out.last_mut() {
            Some(last) if span.range.start < last.range.end => {
                last.range.end = last.range.end.max(span.range.end);
                last.secrets.extend(span.secrets);
                last.known &= span.known;
            }
            _ => out.push(span),
        }
    }
    out
}
