//! Looks for a secret in whatever form it may have got out.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// The password and the token that are planted: with characters that are written otherwise in URLs and JSON.
pub(crate) const PASSWORD: &str = "pw/q7Hunter2x+K@:% é'$\"9";
pub(crate) const TOKEN: &str = "tk/w4Hunter5y+M@:%9";

/// Panics when `text` holds a planted secret in plain, as base64 or as part of a URL.
pub(crate) fn assert_clean(place: &str, text: &[u8]) {
    for secret in [PASSWORD, TOKEN] {
        for needle in forms(secret) {
            let found = text
                .windows(needle.len())
                .position(|window| window == needle.as_bytes());
            if let Some(found) = found {
                let from = found.saturating_sub(200);
                let before = String::from_utf8_lossy(&text[from..found]).into_owned();
                panic!("{place} has the secret as {needle:?} after {before:?}");
            }
        }
    }
}

fn forms(secret: &str) -> Vec<String> {
    // The middle survives any quoting.
    let core: String = secret
        .chars()
        .skip_while(|char| *char != '/')
        .skip(1)
        .take_while(char::is_ascii_alphanumeric)
        .collect();
    let mut forms = vec![
        secret.to_owned(),
        core,
        utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string(),
    ];
    // Wherever it begins in what was encoded: three bytes give four characters.
    for shift in 0..3 {
        let padded = [&vec![0; shift][..], secret.as_bytes()].concat();
        let whole = padded.len() / 3 * 4;
        let skip = if shift == 0 { 0 } else { 4 };
        for engine in [&BASE64_STANDARD_NO_PAD, &BASE64_URL_SAFE_NO_PAD] {
            forms.push(engine.encode(&padded)[skip..whole].to_owned());
        }
    }
    forms
}

#[test]
fn every_form_is_found() {
    let encoded = BASE64_STANDARD_NO_PAD.encode(format!("user:{PASSWORD}@host"));
    let quoted = format!("{PASSWORD:?}");
    let url = utf8_percent_encode(TOKEN, NON_ALPHANUMERIC).to_string();
    for text in [PASSWORD, &encoded, &quoted, &url] {
        let found = std::panic::catch_unwind(|| assert_clean("x", text.as_bytes()));
        assert!(found.is_err(), "{text}");
    }
    assert_clean("x", b"nothing of it");
}
