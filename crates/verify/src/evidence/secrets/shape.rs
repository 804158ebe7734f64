//! What secrets look like. Too much is hidden rather than too little: what is hidden still shows drift.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use percent_encoding::percent_decode_str;
use serde_json::Value;

/// Encodings within encodings, and JSON within JSON, are followed so far.
const DEEPEST: usize = 4;

/// Words of names under which secrets are kept.
const SECRET_WORDS: [&str; 14] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "credential",
    "credentials",
    "apikey",
    "api_key",
    "access_key",
    "private_key",
    "auth",
    "salt",
];

/// Ends of names that speak *about* a secret.
const ABOUT: [&str; 18] = [
    "_arn",
    "_arns",
    "_id",
    "_ids",
    "_name",
    "_names",
    "_version",
    "_length",
    "_enabled",
    "_path",
    "_ttl",
    "_days",
    "_count",
    "_required",
    "_rotation",
    "_type",
    "_url",
    "_endpoint",
];

/// Whether what is called `name` is a secret.
pub(in crate::evidence) fn speaks_of_secret(name: &str) -> bool {
    let name = snake(name);
    let words: Vec<&str> = name.split('_').collect();
    let spoken = SECRET_WORDS.iter().any(|word| {
        let parts: Vec<&str> = word.split('_').collect();
        words.windows(parts.len()).any(|window| {
            window == parts.as_slice() || window == [format!("{word}s").as_str()].as_slice()
        })
    });
    spoken && !ABOUT.iter().any(|end| name.ends_with(end))
}

/// `dbPassword`, `DB-PASSWORD` and `db_password` are the same name.
fn snake(name: &str) -> String {
    let mut out = String::new();
    let mut lower = false;
    for letter in name.chars() {
        if letter.is_ascii_alphanumeric() {
            if letter.is_ascii_uppercase() && lower {
                out.push('_');
            }
            lower = letter.is_ascii_lowercase() || letter.is_ascii_digit();
            out.push(letter.to_ascii_lowercase());
        } else {
            lower = false;
            out.push('_');
        }
    }
    out
}

/// Whether `text`, which is called `name`, is a secret or has one in it.
pub(in crate::evidence) fn looks_like_secret(name: &str, text: &str) -> bool {
    !secrets_in(name, text).is_empty()
}

/// Whether there is a secret in `text`, whatever it is called.
pub(super) fn has_secret(text: &str) -> bool {
    looks_like_secret("", text)
}

/// The secrets in `text`, which is called `name`: all of it, or what is a secret about it.
pub(super) fn secrets_in(name: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    in_text(name, text, 0, &mut found);
    found
}

/// A pointer to a secret is none.
fn is_reference(text: &str) -> bool {
    text.starts_with("arn:aws")
}

fn in_text(name: &str, text: &str, depth: usize, found: &mut Vec<String>) {
    if speaks_of_secret(name) && !text.is_empty() && !is_reference(text) {
        found.push(text.to_owned());
    }
    if text.contains("PRIVATE KEY-----") {
        found.push(text.to_owned());
    }
    found.extend(logins(text).map(str::to_owned));
    found.extend(assignments(text).map(str::to_owned));
    let words = text.split(|c: char| !is_token(c));
    found.extend(words.filter(|word| is_key(word)).map(str::to_owned));
    if depth == DEEPEST {
        return;
    }
    let trimmed = text.trim_start();
    if (trimmed.starts_with('{') || trimmed.starts_with('['))
        && let Ok(value) = serde_json::from_str::<Value>(text)
    {
        in_value("", &value, depth + 1, found);
    }
    let unescaped = percent_decode_str(text).decode_utf8_lossy();
    if unescaped != text {
        in_text("", &unescaped, depth + 1, found);
    }
    text.split(|c: char| !is_token(c) && c != '=')
        .filter(|part| part.len() >= 16)
        .filter_map(decoded)
        .for_each(|decoded| in_text("", &decoded, depth + 1, found));
}

fn in_value(name: &str, value: &Value, depth: usize, found: &mut Vec<String>) {
    match value {
        Value::Null | Value::Bool(_) => {}
        Value::Number(number) => {
            if speaks_of_secret(name) {
                found.push(number.to_string());
            }
        }
        Value::String(text) => in_text(name, text, depth, found),
        Value::Array(values) => {
            for value in values {
                in_value(name, value, depth, found);
            }
        }
        Value::Object(members) => {
            for (key, value) in members {
                // What is under a name that speaks of secrets is one, however deep.
                let inner = if speaks_of_secret(name) { name } else { key };
                in_text("", key, depth, found);
                in_value(inner, value, depth, found);
            }
        }
    }
}

/// Base64 of text.
fn decoded(text: &str) -> Option<String> {
    let text = text.trim_end_matches('=');
    let bytes = BASE64_STANDARD_NO_PAD
        .decode(text)
        .or_else(|_| BASE64_URL_SAFE_NO_PAD.decode(text))
        .ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let readable = |c: char| !c.is_control() || c.is_ascii_whitespace();
    text.chars().all(readable).then_some(text)
}

/// The passwords of `scheme://user:password@host`.
fn logins(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices("://").filter_map(|(at, mark)| {
        let rest = &text[at + mark.len()..];
        let end = rest
            .find(|c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '\''))
            .unwrap_or(rest.len());
        // A password may hold a slash that nobody has encoded: then an at sign comes later.
        let (login, _) = rest[..end].rsplit_once('@').or_else(|| {
            let word = rest.split_whitespace().next().unwrap_or_default();
            word.rsplit_once('@')
        })?;
        let (_, password) = login.split_once(':')?;
        (!password.is_empty()).then_some(password)
    })
}

/// The values of `password=…`, `"token": "…"`; not of `token: required`, which is a sentence.
fn assignments(text: &str) -> impl Iterator<Item = &str> {
    let signs = text.char_indices().filter(|(_, c)| matches!(c, '=' | ':'));
    signs.filter_map(|(at, sign)| {
        let name = text[..at].trim_end_matches(['"', '\'', '\\', ' ']);
        let begin = name
            .rfind(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')))
            .map_or(0, |at| {
                at + name[at..].chars().next().map_or(1, char::len_utf8)
            });
        let rest = &text[at + sign.len_utf8()..];
        let quoted = rest
            .trim_start_matches([' ', '\\'])
            .starts_with(['"', '\'']);
        let value = rest.trim_start_matches([' ', '\\', '"', '\'']);
        let value = value
            .split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '&' | ';' | ','))
            .next()
            .unwrap_or_default();
        let given = sign == '=' || quoted || !rest.starts_with(' ');
        let secret = given
            && value.len() >= 4
            && !is_reference(value)
            // An ARN has `secret:NAME`.
            && !text[..at].contains("arn:aws")
            && speaks_of_secret(&name[begin..]);
        secret.then_some(value)
    })
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '_' | '-' | '.')
}

/// A key or token by its form.
fn is_key(word: &str) -> bool {
    let word = word.trim_matches(['.', '-']);
    const PREFIXES: [&str; 12] = [
        "ghp_",
        "gho_",
        "ghs_",
        "github_pat_",
        "glpat-",
        "xoxb-",
        "xoxp-",
        "xoxa-",
        "sk_live_",
        "rk_live_",
        "SG.",
        "hvs.",
    ];
    if word.len() >= 20 && PREFIXES.iter().any(|prefix| word.starts_with(prefix)) {
        return true;
    }
    let aws = ["AKIA", "ASIA"];
    if word.len() == 20
        && aws.iter().any(|prefix| word.starts_with(prefix))
        && word
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
    {
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

/// 20 characters or more that change between capitals, small letters and digits as often as chance makes them;
/// words in camel case do so half as often, and the ids of AWS have no capitals, or nothing else.
fn is_random(word: &str) -> bool {
    if word.len() < 20 || word.contains('.') {
        return false;
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_told_from_names_about_them() {
        for name in [
            "password",
            "db_password",
            "dbPassword",
            "DB-PASSWORD",
            "redis_auth_token",
            "api_key",
            "client_secrets",
            "credentials",
            "TOKENS",
            "pwd",
        ] {
            assert!(speaks_of_secret(name), "{name}");
        }
        for name in [
            "db_credentials_secret_arn",
            "secret_name",
            "password_length",
            "author",
            "key",
            "monkey",
            "kms_key_arn",
            "tokenizer",
            "vpc_id",
        ] {
            assert!(!speaks_of_secret(name), "{name}");
        }
    }

    #[test]
    fn secrets_are_known_by_their_looks() {
        let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJlLWhlcmU";
        for text in [
            "-----BEGIN RSA PRIVATE KEY-----\nMIIE",
            "postgres://app:hunter2@db.example.com:5432/app",
            "rediss://:p%40ss@cache:6379",
            "amqp://u:a/b@host",
            "host=db user=app password=hunter2",
            "Server=db;Pwd=hunter2;",
            r#"{"username": "app", "password": "hunter2"}"#,
            r#"[{"deep": {"auth_token": ["hunter2"]}}]"#,
            r#"{"pin_secret": 12345}"#,
            r#"{\"password\":\"hunter2\"}"#,
            "https://example.com/?access_token=abcdef",
            "https%3A%2F%2Fu%3Ahunter2%40host%2F",
            "cG9zdGdyZXM6Ly9hcHA6aHVudGVyMkBkYi9hcHA=",
            "AKIAIOSFODNN7EXAMPLE",
            "wJ4lrXUtnFEMI/K7MDENG/bPxRfiCY2XAMPLEKEY",
            "q7Jx-Zb2Kw9Vt4Rm8Lc3_Hd6Ns",
            "key wJ4lrXUtnFEMI1K7MDENGabPxRfiCY2XAMPLEKEY!",
            "ghp_abcdefghijklmnopqrstuvwxyz",
            jwt,
        ] {
            assert!(has_secret(text), "{text}");
        }
    }

    #[test]
    fn what_a_stack_puts_out_is_no_secret() {
        for text in [
            "vpc-0a1b2c3d4e5f60718",
            "arn:aws:secretsmanager:ca-central-1:123456789012:secret:staging/db-AbCdEf",
            "arn:aws:secretsmanager:ca-central-1:123456789012:secret:rds!db-0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9-Ab1CdE",
            "arn:aws:kms:ca-central-1:123456789012:key/0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9",
            "arn:aws:sns:ca-central-1:123456789012:berthcare-staging-alerts",
            "arn:aws:rds:us-east-1:123456789012:auto-backup:ab-abcdefghijklmnopqrstuvwxyz",
            "berthcare-staging-postgres.c1x2y3z4w5v6.ca-central-1.rds.amazonaws.com:5432",
            "master.berthcare-staging-redis.ab12cd.cac1.cache.amazonaws.com",
            "https://ca-central-1.console.aws.amazon.com/cloudwatch/home?region=ca-central-1#dashboards:name=berthcare-staging",
            "d111111abcdef8.cloudfront.net",
            "E2QWRUHAPOMQZL",
            "/aws/vpc/berthcare-staging-flow-logs",
            "berthcare-staging-rds-cpu-high",
            "BerthcareStagingRdsCpuUtilizationHigh",
            "auth token: required",
            "the token: enabled, rotation: 30 days",
            "2026-11-26T17:30:00Z",
            "9b3f8c2e-4a5d-4e6f-8a7b-1c2d3e4f5a6b",
            r#"{"Version":"2012-10-17","Statement":[{"Action":"secretsmanager:GetSecretValue"}]}"#,
            "secretsmanager:GetSecretValue",
        ] {
            assert!(!has_secret(text), "{text}");
        }
    }
}
