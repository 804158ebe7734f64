//! Secrets by their own form: private keys, logins of URLs, keys of known makers, words of chance.

use std::ops::Range;

use super::Span;

pub(super) fn private_keys(text: &str, found: &mut Vec<Span>) {
    const MARK: &str = "PRIVATE KEY-----";
    const BEGIN: &str = "-----BEGIN";
    let mut from = 0;
    while let Some(at) = text[from..].find(MARK).map(|at| at + from) {
        let start = text[from..at]
            .rfind(BEGIN)
            .map_or(from, |begin| begin + from);
        let after = at + MARK.len();
        // Without its end, the rest of the text is the key.
        let end = text[after..]
            .find(MARK)
            .map_or(text.len(), |end| after + end + MARK.len());
        let mut span = Span::plain(text, start..end);
        let lines = text[start..end].split(['\n', '\r']).map(str::trim);
        let lines = lines.filter(|line| !line.starts_with('-') && !line.is_empty());
        span.secrets.extend(lines.map(str::to_owned));
        found.push(span);
        from = end;
    }
}

/// The passwords of `scheme://user:password@host`.
pub(super) fn logins(text: &str, found: &mut Vec<Span>) {
    let mut hidden = 0;
    for (at, mark) in text.match_indices("://") {
        let begin = at + mark.len();
        // Within a password that is hidden already.
        if at < hidden {
            continue;
        }
        // No password is longer.
        let rest = &text[begin..text.floor_char_boundary(begin + 4096)];
        let whole = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let end = rest
            .find(|c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '\''))
            .unwrap_or(rest.len());
        // A password may hold a slash that nobody has encoded: then an at sign comes later.
        let Some(login) = rest[..end].rfind('@').or_else(|| rest[..whole].rfind('@')) else {
            continue;
        };
        let Some(colon) = rest[..login].find(':') else {
            continue;
        };
        // A port, and a path with an at sign in it.
        let host_first = rest[..colon].contains(['/', '?', '#']);
        let password = begin + colon + 1..begin + login;
        if !host_first && !password.is_empty() && !super::super::is_marks(&text[password.clone()]) {
            hidden = password.end;
            found.push(Span::plain(text, password));
        }
    }
}

/// What stands before the secret part of an address that posts for whoever knows it.
const WEBHOOKS: [&str; 21] = [
    "hooks.slack.com/services/",
    "hooks.slack.com/workflows/",
    "hooks.slack.com/triggers/",
    "discord.com/api/webhooks/",
    "discordapp.com/api/webhooks/",
    "webhook.office.com/",
    "outlook.office.com/webhook/",
    "outlook.office365.com/webhook/",
    "logic.azure.com/workflows/",
    "logic.azure.com:443/workflows/",
    "powerplatform.com/",
    "powerplatform.com:443/",
    "pagerduty.com/integration/",
    "pagerduty.com/x-ere/",
    "chat.googleapis.com/v1/spaces/",
    "hooks.chime.aws/incomingwebhooks/",
    "api.telegram.org/bot",
    "hooks.zapier.com/hooks/catch/",
    "maker.ifttt.com/trigger/",
    "alert.victorops.com/integrations/",
    "webhook.site/",
];
/// Parts of a path that say the same of a server of one's own.
const HOOK_PATHS: [&str; 3] = ["/hooks/", "/webhook/", "/webhooks/"];

/// The secret part of the address of a webhook: the address is the whole login.
pub(super) fn webhooks(text: &str, found: &mut Vec<Span>) {
    let lower = text.to_ascii_lowercase();
    if !lower.contains("://") && !WEBHOOKS.iter().any(|place| lower.contains(place)) {
        return;
    }
    let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>' | '\\');
    // Address by address, and of each the longest secret, which has those of addresses within it: a text of nothing but
    // addresses would be copied as often as it has some.
    for range in runs(text, |c| !ends(c)) {
        let address = &lower[range.clone()];
        let known = WEBHOOKS.iter().filter_map(|place| {
            let begin = address.find(place)? + place.len();
            (begin < address.len()).then_some((begin, 0))
        });
        let scheme = address.find("://");
        let own = HOOK_PATHS.iter().filter_map(|path| {
            let from = scheme?;
            // Shorter ones are words: /webhooks/alerts.
            Some((from + address[from..].find(path)? + path.len(), 15))
        });
        let secret = |begin: usize| {
            text[range.start + begin..range.end].trim_end_matches(['.', ',', ';', ')'])
        };
        let longest = known
            .chain(own)
            .filter(|(begin, least)| secret(*begin).len() > *least)
            .min();
        if let Some((begin, _)) = longest
            && !super::super::is_marks(secret(begin))
        {
            let begin = range.start + begin;
            let end = begin + secret(begin - range.start).len();
            found.push(Span::plain(text, begin..end));
        }
    }
}

/// What follows `Bearer` and `Basic` in a header.
pub(super) fn schemes(text: &str, found: &mut Vec<Span>) {
    /// No login of a header is longer: one that is is hidden unread.
    const LONGEST: usize = 8 << 10;
    let lower = text.to_ascii_lowercase();
    for scheme in ["bearer", "basic"] {
        let mut hidden = 0;
        for (at, _) in lower.match_indices(scheme) {
            // Within what is hidden already.
            if at < hidden {
                continue;
            }
            let begins = text[..at]
                .chars()
                .next_back()
                .is_none_or(|c| !c.is_alphanumeric());
            let after = at + scheme.len();
            let rest = &text[after..];
            let gap = rest.len() - rest.trim_start_matches([' ', '\t', '+']).len();
            if !begins || gap == 0 {
                continue;
            }
            let begin = after + gap;
            let letter = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
            let end = text[begin..]
                .find(|c| !letter(c))
                .map_or(text.len(), |end| begin + end);
            let word = text[begin..end].trim_end_matches('.');
            let end = begin + word.len();
            // `Basic` is a word of English: what follows has to be a login.
            let long = word.len() > LONGEST;
            let login = (!long).then(|| super::encodings::decoded(word)).flatten();
            let login = login.filter(|login| login.contains(':'));
            let secret = if scheme == "basic" {
                long || login.is_some()
            } else {
                is_bearer(word)
            };
            if secret {
                hidden = end;
                let mut span = Span::plain(text, begin..end);
                let password = login.as_deref().and_then(|login| login.split_once(':'));
                span.secrets
                    .extend(password.map(|(_, password)| password.to_owned()));
                found.push(span);
            }
        }
    }
}

/// A sentence goes on with such words.
fn is_bearer(word: &str) -> bool {
    const WORDS: [&str; 9] = [
        "auth",
        "authentication",
        "authorization",
        "format",
        "of",
        "scheme",
        "token",
        "tokens",
        "type",
    ];
    word.len() >= 6 && !WORDS.contains(&word.to_ascii_lowercase().as_str())
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '_' | '-' | '.')
}

/// Keys and tokens by their form, and words of chance.
pub(super) fn keys(text: &str, found: &mut Vec<Span>) {
    for range in runs(text, is_token) {
        let word = &text[range.clone()];
        // Base64 of a text is judged by that text.
        let encodes_text = || {
            super::encodings::decoded(word).is_some_and(|text| text.contains(char::is_whitespace))
        };
        let by_chance = || is_of_small_letters(word) && !is_said_to_be_public(text, range.start);
        if (is_key(word) && !encodes_text()) || by_chance() {
            found.push(Span::plain(text, range));
        }
    }
}

/// The longest runs of characters that `belongs` takes.
pub(super) fn runs(text: &str, belongs: impl Fn(char) -> bool) -> Vec<Range<usize>> {
    let mut runs = Vec::new();
    let mut begin = None;
    for (at, c) in text.char_indices() {
        match (belongs(c), begin) {
            (true, None) => begin = Some(at),
            (false, Some(from)) => {
                runs.push(from..at);
                begin = None;
            }
            _ => {}
        }
    }
    if let Some(from) = begin {
        runs.push(from..text.len());
    }
    runs
}

/// What keys of known makers begin with, where they say so.
const PREFIXES: [&str; 24] = [
    "AIza",
    "SG.",
    "dop_v1_",
    "gho_",
    "ghp_",
    "ghr_",
    "ghs_",
    "ghu_",
    "github_pat_",
    "glpat-",
    "hvb.",
    "hvs.",
    "npm_",
    "rk_live_",
    "rk_test_",
    "shpat_",
    "sk-ant-",
    "sk-proj-",
    "sk_live_",
    "sk_test_",
    "xapp-",
    "xoxa-",
    "xoxb-",
    "xoxp-",
];

/// A key or token by its form.
fn is_key(word: &str) -> bool {
    let word = word.trim_matches(['.', '-']);
    if word.len() >= 20 && PREFIXES.iter().any(|prefix| word.starts_with(prefix)) {
        return true;
    }
    // Also within a credential scope: KEY/20261126/ca-central-1/s3/aws4_request.
    if word.split('/').any(is_access_key) {
        return true;
    }
    // A JSON Web Token: three parts, of which the first begins as `{"` does in base64.
    let parts: Vec<&str> = word.split('.').collect();
    if parts.len() == 3 && parts[0].starts_with("eyJ") && parts.iter().all(|part| part.len() > 8) {
        return true;
    }
    // Ids of AWS have many hyphens, the alphabet of base64 for URLs has one.
    let whole = (word.matches('-').count() < 3).then_some(word);
    word.split(['.', '-']).chain(whole).any(is_random)
}

fn is_access_key(word: &str) -> bool {
    word.len() == 20
        && ["AKIA", "ASIA"]
            .iter()
            .any(|prefix| word.starts_with(prefix))
        && word
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

/// 20 characters or more that change between capitals, small letters and digits as often as chance makes them;
/// words in camel case do so half as often, and the ids of AWS have no capitals, or nothing else.
fn is_random(word: &str) -> bool {
    word.len() >= 20 && !word.contains('.') && changes_by_chance(word)
}

/// A part of `word` is a key of hexadecimal digits, or of small letters and digits: as long as none of AWS's ids, and
/// changing between letters and digits nearly as often as chance makes them.
fn is_of_small_letters(word: &str) -> bool {
    let by_chance = |part: &str| {
        let hexadecimal = part.bytes().all(|byte| byte.is_ascii_hexdigit());
        let small = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let least = if hexadecimal { 32 } else { 24 };
        let digits: Vec<bool> = part.bytes().map(|byte| byte.is_ascii_digit()).collect();
        let changes = digits.windows(2).filter(|pair| pair[0] != pair[1]).count();
        part.len() >= least && (hexadecimal || part.bytes().all(small)) && 4 * changes >= part.len()
    };
    word.split(|c: char| !c.is_ascii_alphanumeric())
        .any(by_chance)
}

/// Whether the text right before `at` says that what follows is the digest or the name of something, or the
/// fingerprint of a secret that is hidden already.
fn is_said_to_be_public(text: &str, at: usize) -> bool {
    const NEAR: usize = 24;
    const WORDS: [&str; 13] = [
        "checksum",
        "commit",
        "digest",
        "etag",
        "fingerprint",
        "hash",
        "lineage",
        "md5",
        "request id",
        "requestid",
        "sha",
        "thumbprint",
        "version",
    ];
    let near = text[text.floor_char_boundary(at.saturating_sub(NEAR))..at].to_ascii_lowercase();
    near.ends_with("{hidden:")
        || near.ends_with("{unredacted:")
        || WORDS.iter().any(|word| near.contains(word))
}

fn changes_by_chance(word: &str) -> bool {
    let class = |byte: u8| match byte {
        b'A'..=b'Z' => 0,
        b'a'..=b'z' => 1,
        b'0'..=b'9' => 2,
        _ => 3,
    };
    let classes: Vec<u8> = word.bytes().map(class).collect();
    let all = (0..3).all(|wanted| classes.contains(&wanted));
    let changes = classes.windows(2).filter(|pair| pair[0] != pair[1]).count();
    all && 5 * changes >= 2 * word.len()
}

/// Whether `word` is made up as passwords are: three kinds of characters in eight or more, none of them as in a name,
/// a path, a time or an address.
pub(super) fn is_made_up(word: &str) -> bool {
    let kinds = [
        word.bytes().any(|b| b.is_ascii_uppercase()),
        word.bytes().any(|b| b.is_ascii_lowercase()),
        word.bytes().any(|b| b.is_ascii_digit()),
        word.contains(|c: char| "!#$%^&*+?~|<>(){}".contains(c)),
    ];
    let kinds = kinds.into_iter().filter(|has| *has).count();
    let symbols = word.contains(|c: char| "!#$%^&*?~|".contains(c));
    let place = word.contains("://") || word.starts_with("arn:") || word.contains("{hidden");
    word.len() >= 8 && kinds >= 3 && !place && (symbols || changes_by_chance(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    // A span copies what it has: so many bytes are copied as all spans have together.
    #[test]
    fn spans_of_a_text_of_nothing_but_marks_have_no_more_bytes_than_it() {
        type Find = fn(&str, &mut Vec<Span>);
        let finders: [(&str, Find); 3] = [
            ("logins", logins),
            ("webhooks", webhooks),
            ("schemes", schemes),
        ];
        for mark in [
            "hooks.slack.com/services/",
            "webhook.office.com/webhook.site/",
            "https://hooks.example.org/hooks/aaaaaaaaaaaaaaaa/webhook/",
            "://a/hooks/",
            "bearer+",
            "basic+",
            "basic bearer ",
            "://a:b@",
        ] {
            for (name, find) in finders {
                let text = mark.repeat(4_096 / mark.len() * 16);
                let mut found = Vec::new();
                find(&text, &mut found);
                let bytes: usize = found.iter().map(|span| span.range.len()).sum();
                assert!(
                    bytes <= text.len(),
                    "{name} of {mark:?}: {bytes} of {}",
                    text.len()
                );
            }
        }
    }

    #[test]
    fn webhooks_of_one_address_within_another_hides_the_longer_secret() {
        let text =
            "see https://hooks.example.org/hooks/hooks.slack.com/services/T0/B0/abc, and more";
        let mut found = Vec::new();
        webhooks(text, &mut found);
        let hidden: Vec<&str> = found.iter().map(|span| &text[span.range.clone()]).collect();
        assert_eq!(hidden, ["hooks.slack.com/services/T0/B0/abc"]);
    }
}
