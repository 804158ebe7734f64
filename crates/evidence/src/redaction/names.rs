//! Names that say that a secret is beside them, and the values that are none although such a name is beside them.

/// Words of a name under which secrets are kept.
const WORDS: [&str; 18] = [
    "auth",
    "authorisation",
    "authorization",
    "bearer",
    "cookie",
    "cookies",
    "cred",
    "creds",
    "dsn",
    "jwt",
    "otp",
    "pass",
    "pat",
    "psk",
    "pw",
    "salt",
    "token",
    "tokens",
];

/// What a word of such a name may end with, when people have written words together: `PGPASS`, `dbpwd`.
const WORD_ENDS: [&str; 5] = ["pass", "pwd", "pw", "token", "tokens"];

/// Words of English that only look so.
const PLAIN_WORDS: [&str; 7] = [
    "bypass",
    "compass",
    "encompass",
    "overpass",
    "surpass",
    "trespass",
    "underpass",
];

/// What such a name has in it when its letters alone are looked at: `SPRING_DATASOURCE_PASSWORD`,
/// `masterpassword`, `x-api-key`, `connectionString`.
const PARTS: [&str; 28] = [
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "passwort",
    "motdepasse",
    "secret",
    "credential",
    "apikey",
    "accesskey",
    "privatekey",
    "signingkey",
    "encryptionkey",
    "masterkey",
    "accountkey",
    "sharedkey",
    "authkey",
    "hmackey",
    "sshkey",
    // PagerDuty's.
    "routingkey",
    "integrationkey",
    "licensekey",
    "keymaterial",
    "masterauth",
    "connectionstring",
    "connstring",
    "connstr",
    "requirepass",
];

/// What has one of these in it and no secret: the service's name stands before every action of it.
const NO_PARTS: [&str; 3] = ["secretsmanager", "passwordless", "secretless"];

/// Directives of nginx.
const NO_NAMES: [&str; 3] = ["proxy_pass", "fastcgi_pass", "uwsgi_pass"];

/// Last words of names that speak *about* a secret: where it lies, how long it is, whether there is one.
const ABOUT: [&str; 78] = [
    "age",
    "alg",
    "algorithm",
    "arn",
    "arns",
    "at",
    "attempts",
    "aud",
    "changed",
    "count",
    "created",
    "date",
    "days",
    "description",
    "dir",
    "directory",
    "enabled",
    "endpoint",
    "expiration",
    "expires",
    "expiry",
    "file",
    "format",
    "from",
    "generation",
    "host",
    "hours",
    "id",
    "ids",
    "iss",
    "label",
    "length",
    "len",
    "lifetime",
    "limit",
    "managed",
    "max",
    "method",
    "min",
    "minutes",
    "mode",
    "name",
    "names",
    "path",
    "period",
    "port",
    "prefix",
    "present",
    "prevention",
    "provider",
    "ref",
    "reference",
    "region",
    "required",
    "retention",
    "rotated",
    "rotation",
    "scheme",
    "scope",
    "scopes",
    "seconds",
    "size",
    "spec",
    "stage",
    "stages",
    "status",
    "stdin",
    "strategy",
    "sub",
    "through",
    "time",
    "timeout",
    "ttl",
    "type",
    "units",
    "updated",
    "url",
    "validity",
];
const ABOUT_MORE: [&str; 7] = [
    "user",
    "username",
    "usernames",
    "users",
    "version",
    "versions",
    "window",
];

/// First words of names that count.
const COUNTS: [&str; 7] = ["max", "maximum", "min", "minimum", "num", "number", "total"];

/// Ends of names of things that have settings of their own in them, each with its own name.
const SETTINGS: [&str; 7] = [
    "policy",
    "policies",
    "config",
    "configuration",
    "options",
    "requirements",
    "settings",
];

/// Keys beside a secret that are none, whatever is around them.
const BESIDE: [&str; 12] = [
    "database", "dbname", "engine", "host", "hostname", "port", "region", "status", "type", "user",
    "username", "version",
];

/// Whether what is called `name` is a secret.
pub(super) fn is_telling(name: &str) -> bool {
    let mut snake = snake(name);
    if NO_NAMES.contains(&snake.as_str()) {
        return false;
    }
    snake = snake.replace("secrets_manager", "secretsmanager");
    for part in NO_PARTS {
        snake = snake.replace(part, "");
    }
    let letters: String = snake.chars().filter(|c| *c != '_').collect();
    let words = || {
        snake
            .split('_')
            .map(|word| word.trim_end_matches(|c: char| c.is_ascii_digit()))
    };
    let telling = PARTS.iter().any(|part| letters.contains(part))
        || words().any(|word| {
            WORDS.contains(&word)
                || (WORD_ENDS.iter().any(|end| word.ends_with(end)) && !PLAIN_WORDS.contains(&word))
        });
    telling && !is_about(&snake, &letters)
}

/// Services whose actions speak of secrets: `secretsmanager:GetSecretValue`.
const ACTIONS: [&str; 6] = [
    "cognito-idp:",
    "elasticache:",
    "iam:",
    "rds:",
    "secretsmanager:",
    "sts:",
];

/// Whether `text`, which stands where a name does, names a secret: `DB_PASSWORD`, `Admin password`, and no sentence.
pub(super) fn is_telling_label(text: &str) -> bool {
    let short = text.len() <= 96 && text.split_whitespace().count() <= 4;
    let other = ["arn:", "://", "\""].iter().any(|part| text.contains(part))
        || ACTIONS.iter().any(|service| text.starts_with(service));
    short && !other && is_telling(text)
}

/// Whether the name ends with a word that speaks about a secret, also where it is written together with the secret's.
fn is_about(snake: &str, letters: &str) -> bool {
    let about = || ABOUT.iter().chain(&ABOUT_MORE);
    let last = snake.rsplit('_').next().unwrap_or_default();
    let ends_secret = |name: &str| {
        WORD_ENDS
            .iter()
            .chain(&PARTS)
            .any(|part| name.ends_with(part))
            || ["secrets", "credentials"]
                .iter()
                .any(|part| name.ends_with(part))
    };
    about().any(|word| last == *word)
        || about().any(|word| letters.strip_suffix(word).is_some_and(ends_secret))
}

/// Whether what is beneath `name` is a secret, however deep: settings about secrets have names of their own.
pub(super) fn is_telling_beneath(name: &str) -> bool {
    let snake = snake(name);
    is_telling(name) && !SETTINGS.iter().any(|end| snake.ends_with(end))
}

/// Whether what is called `key`, beneath a telling name, is none.
pub(super) fn is_beside(key: &str) -> bool {
    let snake = snake(key);
    let letters: String = snake.chars().filter(|c| *c != '_').collect();
    BESIDE.contains(&snake.as_str())
        || (snake.contains('_') && is_about(&snake, &letters))
        || ["arn", "id"].contains(&snake.as_str())
}

/// Whether `key` is one beside which a value of that name stands: `name`, `Key`, `ParameterKey`, `option_name`.
pub(super) fn is_name_key(key: &str) -> bool {
    let snake = snake(key);
    let last = snake.rsplit('_').next().unwrap_or_default();
    [
        "attribute",
        "env",
        "field",
        "header",
        "key",
        "label",
        "name",
        "option",
        "parameter",
        "path",
        "property",
        "setting",
        "var",
        "variable",
    ]
    .contains(&last)
        || letters_end(&snake, &["parameterkey", "parametername", "optionname"])
}

/// Whether `key` is one under which the value stands: `value`, `Value`, `ParameterValue`, `default`.
pub(super) fn is_value_key(key: &str) -> bool {
    let snake = snake(key);
    let last = snake.rsplit('_').next().unwrap_or_default();
    [
        "content",
        "contents",
        "data",
        "default",
        "plaintext",
        "payload",
        "string",
        "text",
        "val",
        "value",
        "values",
    ]
    .contains(&last)
        || letters_end(&snake, &["parametervalue"])
}

fn letters_end(snake: &str, ends: &[&str]) -> bool {
    ends.iter().any(|end| snake.ends_with(end))
}

/// Whether a word of chance is to be expected under `name`: digests are no secrets.
pub(super) fn is_digest(name: &str) -> bool {
    let snake = snake(name);
    let last = snake.rsplit('_').next().unwrap_or_default();
    [
        "checksum",
        "digest",
        "etag",
        "fingerprint",
        "md",
        "sha",
        "thumbprint",
    ]
    .contains(&last.trim_end_matches(|c: char| c.is_ascii_digit()))
        || [
            "code_hash",
            "content_hash",
            "base64sha256",
            "filebase64sha256",
        ]
        .iter()
        .any(|end| snake.ends_with(end))
}

/// Whether `name` is of a number that is no secret.
pub(super) fn is_count(name: &str) -> bool {
    let snake = snake(name);
    COUNTS.contains(&snake.split('_').next().unwrap_or_default())
}

/// Values that say whether there is a secret, or what kind.
const HARMLESS: [&str; 40] = [
    "absent",
    "active",
    "api_key",
    "aws_iam",
    "aud",
    "changed",
    "cognito_user_pools",
    "custom",
    "disabled",
    "enabled",
    "expired",
    "false",
    "iam",
    "inactive",
    "iss",
    "jwt",
    "managed",
    "missing",
    "nil",
    "no",
    "none",
    "null",
    "off",
    "on",
    "optional",
    "present",
    "redacted",
    "required",
    "rotate",
    "rotated",
    "scram",
    "secrets",
    "sensitive",
    "set",
    "sub",
    "true",
    "undefined",
    "unknown",
    "unset",
    "yes",
];

/// Whether `text`, which is called `name`, is known to be no secret although the name is telling.
pub(super) fn is_harmless(name: &str, text: &str) -> bool {
    let text = text.trim();
    let bare = text.trim_matches(['<', '>', '(', ')', '[', ']', '.', ',', ';']);
    if bare.is_empty() {
        return text.is_empty();
    }
    let lower = bare.to_ascii_lowercase();
    if HARMLESS.contains(&lower.as_str())
        || ["sensitive value", "known after apply"].contains(&lower.as_str())
    {
        return true;
    }
    text.chars().all(|c| c == '*')
        || is_arn(text)
        || is_reference(text)
        || super::is_marks(text)
        || (names_key(name) && is_key_id(text))
        || (is_count(name) && text.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A pointer to a secret, or to anything else, is none.
fn is_arn(text: &str) -> bool {
    let partition = |part: &str| part == "aws" || part.starts_with("aws-");
    let mut parts = text.splitn(6, ':');
    parts.next() == Some("arn")
        && parts.next().is_some_and(partition)
        && parts.count() == 4
        && !text.contains(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '=' | '?' | '&'))
}

/// What is filled in later: `${DB_PASSWORD}`, `${{ secrets.TOKEN }}`, `{{resolve:secretsmanager:…}}`.
fn is_reference(text: &str) -> bool {
    let inner = [("${{", "}}"), ("{{resolve:", "}}"), ("${", "}")]
        .iter()
        .find_map(|(begin, end)| text.strip_prefix(begin)?.strip_suffix(end));
    inner.is_some_and(|inner| {
        let plain = |c: char| c.is_ascii_alphanumeric() || " _.:/-".contains(c);
        !inner.is_empty() && inner.chars().all(plain)
    })
}

/// Whether `name` may be that of a key of KMS.
fn names_key(name: &str) -> bool {
    let letters: String = snake(name).chars().filter(|c| *c != '_').collect();
    ["encryptionkey", "masterkey", "signingkey", "kmskey"]
        .iter()
        .any(|end| letters.ends_with(end))
}

/// The id or the alias of a key of KMS, by which nobody can use it who may not anyway:
/// <https://docs.aws.amazon.com/kms/latest/developerguide/concepts-key-id.html>.
fn is_key_id(text: &str) -> bool {
    let hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let groups: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    let uuid = lengths == [8, 4, 4, 4, 12] && groups.iter().all(|group| hex(group));
    let many = text
        .strip_prefix("mrk-")
        .is_some_and(|rest| rest.len() == 32 && hex(rest));
    let alias = text.strip_prefix("alias/").is_some_and(|rest| {
        !rest.is_empty()
            && rest
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "/_-".contains(c))
    });
    uuid || many || alias
}

/// `dbPassword`, `DB-PASSWORD` and `db_password` are the same name.
pub(super) fn snake(name: &str) -> String {
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
            if !out.is_empty() && !out.ends_with('_') {
                out.push('_');
            }
        }
    }
    while out.ends_with('_') {
        out.pop();
    }
    out
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
            "PGPASSWORD",
            "masterpassword",
            "MasterUserPassword",
            "DB_PASS",
            "DBPASS",
            "rootpw",
            "SPRING_DATASOURCE_PASSWORD",
            "spring.datasource.password",
            "x-api-key",
            "X-API-KEY",
            "XApiKey",
            "authToken",
            "AUTHTOKEN",
            "GITHUB_TOKEN",
            "client_secret",
            "clientSecret",
            "connectionString",
            "ConnectionStrings__Default",
            "AWS_SECRET_ACCESS_KEY",
            "aws_session_token",
            "private_key_pem",
            "Authorization",
            "Set-Cookie",
            "password2",
            "/staging/db/password",
            "MOT_DE_PASSE",
            "password_hash",
        ] {
            assert!(is_telling(name), "{name}");
        }
        for name in [
            "db_credentials_secret_arn",
            "secret_name",
            "secretArn",
            "secretarn",
            "SECRETNAME",
            "password_length",
            "minimumPasswordLength",
            "max_password_age",
            "password_reuse_prevention",
            "author",
            "key",
            "monkey",
            "kms_key_arn",
            "tokenizer",
            "vpc_id",
            "bypass",
            "compass_url",
            "secretsmanager",
            "access_key_id",
            "POSTGRES_PASSWORD_FILE",
            "password-stdin",
            "auth_token_update_strategy",
            "auth_scheme",
            "secretKeyRef",
            "valueFrom",
            "token.actions.githubusercontent.com:sub",
            "customer_master_key_spec",
            "proxy_pass",
            "passenger",
        ] {
            assert!(!is_telling(name), "{name}");
        }
    }

    #[test]
    fn values_beside_a_telling_name_are_secrets_unless_known_to_be_none() {
        for (name, text) in [
            ("password", ""),
            ("password", " "),
            ("auth", "required"),
            ("auth_token", "true"),
            ("authorization", "AWS_IAM"),
            (
                "secret",
                "arn:aws:secretsmanager:ca-central-1:123456789012:secret:staging/db-AbCdEf",
            ),
            (
                "secret",
                "arn:aws-us-gov:ssm:us-gov-west-1:123456789012:parameter/x",
            ),
            ("password", "${DB_PASSWORD}"),
            (
                "password",
                "{{resolve:secretsmanager:staging/db:SecretString:password}}",
            ),
            ("token", "${{ secrets.TOKEN }}"),
            ("password", "********"),
            ("password", "(sensitive value)"),
            ("password", "{hidden:0a1b}"),
            ("encryption_key", "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"),
            ("master_key", "mrk-0a1b2c3d4e5f60718293a4b5c6d7e8f9"),
            ("encryption_key", "alias/staging"),
            ("max_tokens", "4096"),
        ] {
            assert!(is_harmless(name, text), "{name} {text}");
        }
        for (name, text) in [
            ("password", "a"),
            ("password", "changeme"),
            ("password", "12345678"),
            ("password", "arn:aws:x"),
            ("password", "arn:aws:s3:::b?password=x"),
            ("password", "$ecretWord"),
            ("password", "${DB:-hunter2!}"),
            ("password", "{hidden:0a1b}more"),
            ("api_key", "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"),
            ("encryption_key", "0a1b2c3d"),
            ("password", "()!"),
            ("password", "<<>>"),
        ] {
            assert!(!is_harmless(name, text), "{name} {text}");
        }
    }
}
