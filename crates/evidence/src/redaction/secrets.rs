//! The secrets of a document, in every form in which one may turn up elsewhere in it.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

/// Shorter ones are found in other text by chance.
const SHORTEST: usize = 6;

/// So many bytes of a form find it.
const INDEXED: usize = 4;

/// A text by which a secret shows.
#[derive(Clone)]
struct Form {
    text: String,
    /// Whether it is base64, which hides as a run or not at all.
    encoded: bool,
}

/// The secrets that a document holds: what terraform marks, and what was recognised.
#[derive(Clone, Default)]
pub(crate) struct Secrets {
    plain: BTreeSet<String>,
    /// Their forms by how they begin: a document has thousands of texts, each of which is gone through once.
    forms: HashMap<[u8; INDEXED], Vec<Form>>,
}

impl Secrets {
    /// Adds `secrets`, unless they are so short that they would be found everywhere.
    pub(super) fn add(&mut self, secrets: impl IntoIterator<Item = String>) {
        for secret in secrets {
            if secret.len() < SHORTEST || self.plain.contains(&secret) {
                continue;
            }
            for text in as_text(&secret) {
                self.insert(text, false);
            }
            for text in in_base64(&secret) {
                self.insert(text, true);
            }
            self.plain.insert(secret);
        }
    }

    fn insert(&mut self, text: String, encoded: bool) {
        if let Some(begin) = text.as_bytes().first_chunk::<INDEXED>() {
            let forms = self.forms.entry(*begin).or_default();
            if forms.iter().all(|form| form.text != text) {
                forms.push(Form { text, encoded });
            }
        }
    }

    /// Where they are in `text`.
    pub(super) fn ranges(&self, text: &str) -> Vec<Range<usize>> {
        if self.forms.is_empty() {
            return Vec::new();
        }
        let letter =
            |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '_' | '-' | '=');
        let mut ranges = Vec::new();
        for (at, begin) in text.as_bytes().windows(INDEXED).enumerate() {
            let Some(rest) = text.get(at..) else { continue };
            let candidates = <[u8; INDEXED]>::try_from(begin)
                .ok()
                .and_then(|begin| self.forms.get(&begin));
            for form in candidates.into_iter().flatten() {
                if !rest.starts_with(&form.text) {
                    continue;
                }
                let end = at + form.text.len();
                ranges.push(if form.encoded {
                    // The digits at both ends have bits of the secret, too.
                    let after = text[end..].trim_start_matches(letter).len();
                    text[..at].trim_end_matches(letter).len()..text.len() - after
                } else {
                    at..end
                });
            }
        }
        ranges
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Secrets")
    }
}

fn as_text(secret: &str) -> [String; 6] {
    let quoted = Value::from(secret).to_string();
    let inner = quoted[1..quoted.len() - 1].to_owned();
    let encoded = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
    [
        secret.to_owned(),
        inner,
        encoded.to_lowercase(),
        encoded,
        hex::encode(secret),
        hex::encode_upper(secret),
    ]
}

/// At each of the three places at which it can begin in a longer text.
fn in_base64(secret: &str) -> Vec<String> {
    let mut forms = Vec::new();
    for shift in 0..3 {
        let mut shifted = vec![0; shift];
        shifted.extend(secret.as_bytes());
        for engine in [&BASE64_STANDARD_NO_PAD, &BASE64_URL_SAFE_NO_PAD] {
            let text = engine.encode(&shifted);
            // Digits that bits of a neighbour are mixed into are left out, at either end.
            let from = (8 * shift).div_ceil(6);
            let to = 8 * shifted.len() / 6;
            forms.extend(text.get(from..to).map(str::to_owned));
        }
    }
    forms
}
