//! Secrets as people keep them, for tests: in each form, under each name, wrapped as often as one likes.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use serde_json::{Value, json};

/// What a URL's query leaves as it is.
const QUERY: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'&')
    .add(b'+')
    .add(b'/')
    .add(b':')
    .add(b';')
    .add(b'<')
    .add(b'=')
    .add(b'>')
    .add(b'?')
    .add(b'@')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'{')
    .add(b'}')
    .add(b'\'');

const NAMES: [&str; 24] = [
    "PGPASSWORD",
    "POSTGRES_PASSWORD",
    "masterpassword",
    "MasterUserPassword",
    "DB_PASS",
    "dbPassword",
    "SPRING_DATASOURCE_PASSWORD",
    "spring.datasource.password",
    "x-api-key",
    "apiKey",
    "authToken",
    "AUTH_TOKEN",
    "client_secret",
    "clientSecret",
    "connectionString",
    "AWS_SECRET_ACCESS_KEY",
    "aws_session_token",
    "passwd",
    "db-passphrase",
    "GITHUB_TOKEN",
    "jwt",
    "private_key",
    "Credential",
    "rootPwd",
];

/// Ways to write a secret down.
#[derive(Debug, Clone, Copy)]
enum Form {
    Member,
    NameValue(usize),
    Pairs,
    PairsTurned,
    Arguments,
    Beneath,
    Shell,
    ShellDouble,
    Word,
    Inline,
    Yaml,
    YamlQuoted,
    YamlPair,
    YamlPairTurned,
    YamlBlock,
    Ini,
    Flag,
    FlagEquals,
    DockerEnv,
    Login,
    Query,
    Bearer,
    Basic,
    Header,
    ConnectionString,
    Element,
    Pem,
    Hcl,
    JsonInText,
    JsonPairInText,
    Dockerfile,
    ShellJson,
}

fn form() -> impl Strategy<Value = Form> {
    use Form::*;
    prop_oneof![
        (0..KEYS.len()).prop_map(NameValue),
        prop::sample::select(vec![
            Member,
            Pairs,
            PairsTurned,
            Arguments,
            Beneath,
            Shell,
            ShellDouble,
            Word,
            Inline,
            Yaml,
            YamlQuoted,
            YamlPair,
            YamlPairTurned,
            YamlBlock,
            Ini,
            Flag,
            FlagEquals,
            DockerEnv,
            Login,
            Query,
            Bearer,
            Basic,
            Header,
            ConnectionString,
            Element,
            Pem,
            Hcl,
            JsonInText,
            JsonPairInText,
            Dockerfile,
            ShellJson,
        ]),
    ]
}

/// Keys of a name and of its value.
const KEYS: [(&str, &str); 7] = [
    ("name", "value"),
    ("Name", "Value"),
    ("key", "value"),
    ("ParameterKey", "ParameterValue"),
    ("option_name", "value"),
    ("name", "default"),
    ("variable", "val"),
];

/// What is wrapped around.
#[derive(Debug, Clone, Copy)]
enum Wrap {
    Object,
    List,
    Json,
    JsonPretty,
    Base64,
    Percent,
    Script,
}

/// A secret in a document.
#[derive(Debug, Clone)]
pub(crate) struct Planted {
    /// What nobody may see: a part of the secret of six letters or more.
    pub(crate) secret: String,
    /// Another one of the same form.
    pub(crate) other: String,
    name: String,
    form: Form,
    wraps: Vec<Wrap>,
}

pub(crate) fn planted() -> impl Strategy<Value = Planted> {
    use Wrap::*;
    let wrap = prop::sample::select(vec![
        Object, List, Json, JsonPretty, Base64, Percent, Script,
    ]);
    let secret = || "[A-Za-z0-9!#$%&()*+,./:;<=>?@^_`{|}~\"'\\\\\\[\\]-]{3}[a-z]{3}[A-Z0-9!#$%*+,./:;=?@^_~\"'éß ]{4,16}[A-Za-z0-9]{3}";
    (
        secret(),
        secret(),
        prop::sample::select(NAMES.to_vec()),
        0..3_u8,
        form(),
        prop::collection::vec(wrap, 0..5),
    )
        .prop_map(|(secret, other, name, case, form, wraps)| Planted {
            secret: fit(form, &secret),
            other: fit(form, &other),
            name: match case {
                0 => name.to_owned(),
                1 => name.to_uppercase(),
                _ => name.to_lowercase(),
            },
            form,
            wraps,
        })
}

/// `secret` with such letters alone as the form can carry without quotes.
fn fit(form: Form, secret: &str) -> String {
    use Form::*;
    let allowed: &dyn Fn(char) -> bool = match form {
        Bearer => &|c| c.is_ascii_alphanumeric() || "-._~+/".contains(c),
        Word | Inline | Flag | FlagEquals | DockerEnv | Dockerfile | Header => {
            &|c| c.is_ascii_alphanumeric() || "!#$%*+./:@^_~?-=".contains(c)
        }
        Yaml | YamlBlock | YamlPair | YamlPairTurned | Ini => {
            &|c| c.is_ascii_alphanumeric() || "!$%*+./:@^_~?=()|".contains(c)
        }
        ConnectionString => &|c| c.is_ascii_alphanumeric() || "!#$%*+./:@^_~?-()|".contains(c),
        Element => &|c| c.is_alphanumeric() || "!#$%*+./:@^_~?-()|;,=".contains(c),
        Pem => &|c| c.is_ascii_alphanumeric() || "+/".contains(c),
        Arguments => &|c| !c.is_control(),
        _ => return format!("k{secret}"),
    };
    let mut letters: String = secret
        .chars()
        .map(|c| if allowed(c) { c } else { 'x' })
        .collect();
    letters.insert(0, 'k');
    letters
}

impl Planted {
    /// The document with the secret, or with the other one.
    pub(crate) fn document(&self, secret: &str) -> Value {
        let mut value = self.written(secret);
        for wrap in &self.wraps {
            value = wrapped(*wrap, value);
        }
        value
    }

    fn written(&self, s: &str) -> Value {
        use Form::*;
        let n = self.name.as_str();
        let identifier = n.replace(['-', '.'], "_");
        let json_string = Value::from(s).to_string();
        match self.form {
            Member => json!({"size": 3, n: s}),
            NameValue(keys) => {
                let (name, value) = KEYS[keys];
                match n.len() % 2 {
                    0 => json!([{name: n, value: s}, {name: "A", value: "b"}]),
                    _ => json!({value: s, name: n}),
                }
            }
            Pairs => json!([[n, s], ["A", "b"]]),
            PairsTurned => json!([[s, n], ["b", "A"]]),
            Arguments => json!([
                "--port",
                "80",
                format!("--{}", identifier.to_lowercase()),
                s
            ]),
            Beneath => json!({n: {"deep": [{"er": s}]}}),
            Shell => format!(
                "set -eu\nexport {identifier}='{}'\nexec app\n",
                s.replace('\'', "'\\''")
            )
            .into(),
            ShellDouble => {
                let escaped: String = s
                    .chars()
                    .flat_map(|c| "\\\"$`".contains(c).then_some('\\').into_iter().chain([c]))
                    .collect();
                format!("{identifier}=\"{escaped}\" app --port 80").into()
            }
            Word => format!("{identifier}={s}").into(),
            Inline => format!("cd /app && {identifier}={s} ./app --port 80").into(),
            Yaml => format!("app:\n  user: app\n  {n}: {s}\n  port: 80\n").into(),
            YamlQuoted => format!("app:\n  {n}: '{}'\n", s.replace('\'', "''")).into(),
            YamlPair => {
                format!("env:\n  - name: {n}\n    value: {s}\n  - name: A\n    value: b\n").into()
            }
            YamlPairTurned => {
                format!("- value: x\n  name: B\n- value: {s}\n  name: {n}\n- value: b\n  name: A\n")
                    .into()
            }
            YamlBlock => format!("app:\n  {n}: |\n    {s}\n  port: 80\n").into(),
            Ini => format!("[db]\nuser = app\n{n} = {s}\nport = 5432\n").into(),
            Flag => format!(
                "app --port 80 --{} {s} --verbose",
                identifier.to_lowercase()
            )
            .into(),
            FlagEquals => format!("app --{}={s} --verbose", identifier.to_lowercase()).into(),
            DockerEnv => format!("docker run -e {identifier}={s} -e A=b app").into(),
            Login => format!(
                "postgresql://app:{}@db:5432/app",
                utf8_percent_encode(s, QUERY)
            )
            .into(),
            Query => format!(
                "https://h.example.org/x?a=b&access_token={}&c=d",
                utf8_percent_encode(s, QUERY)
            )
            .into(),
            Bearer => format!("curl -H 'Authorization: Bearer {s}' https://h.example.org/").into(),
            Basic => format!(
                "Authorization: Basic {}",
                BASE64_STANDARD.encode(format!("app:{s}"))
            )
            .into(),
            Header => format!("{n}: {s}\r\nAccept: */*\r\n").into(),
            ConnectionString => {
                format!("Server=tcp:h,1433;Database=d;User ID=app;Password={s};Encrypt=True;")
                    .into()
            }
            Element => {
                format!("<settings><a>b</a><{identifier}>{s}</{identifier}></settings>").into()
            }
            Pem => format!("-----BEGIN PRIVATE KEY-----\n{s}\n-----END PRIVATE KEY-----\n").into(),
            Hcl => format!("variable \"a\" {{\n  name  = \"{n}\"\n  value = {json_string}\n}}\n")
                .into(),
            JsonInText => format!("config is {{\"a\": 1, \"{n}\": {json_string}}} and more").into(),
            JsonPairInText => {
                format!("[1] see [{{\"name\": \"{n}\", \"value\": {json_string}}}] there").into()
            }
            Dockerfile => format!("FROM x\nENV {identifier} {s}\nENV A b\n").into(),
            ShellJson => {
                let object = json!({n: s}).to_string();
                format!("export CONFIG={}\n", Value::from(object)).into()
            }
        }
    }
}

fn wrapped(wrap: Wrap, value: Value) -> Value {
    let text = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    match wrap {
        Wrap::Object => json!({"kind": "x", "data": {"inner": value}}),
        Wrap::List => json!(["a", value, 3]),
        Wrap::Json => json!({"document": value}).to_string().into(),
        Wrap::JsonPretty => format!("{:#}", json!([value])).into(),
        Wrap::Base64 => BASE64_STANDARD.encode(text(&value)).into(),
        Wrap::Percent => format!(
            "https://h.example.org/?q={}",
            utf8_percent_encode(&text(&value), NON_ALPHANUMERIC)
        )
        .into(),
        Wrap::Script => {
            format!("#!/bin/sh\ncat <<'END' > /etc/app\n{}\nEND\n", text(&value)).into()
        }
    }
}

/// Forms in which `secret` would be seen, whole or in part.
pub(crate) fn visible(secret: &str) -> Vec<String> {
    let letters: Vec<char> = secret.chars().collect();
    let mut forms = Vec::new();
    for part in letters.windows(8.min(letters.len())) {
        let part: String = part.iter().collect();
        let quoted = Value::from(part.as_str()).to_string();
        forms.extend([
            quoted[1..quoted.len() - 1].to_owned(),
            utf8_percent_encode(&part, NON_ALPHANUMERIC).to_string(),
            part,
        ]);
    }
    for shift in 0..3 {
        let bytes = &secret.as_bytes()[(3 - shift) % 3..];
        for part in bytes.chunks(9).filter(|part| part.len() == 9) {
            forms.push(BASE64_STANDARD_NO_PAD.encode(part));
            forms.push(BASE64_URL_SAFE_NO_PAD.encode(part));
        }
    }
    forms
}

/// Values that are for everybody.
pub(crate) fn harmless() -> impl Strategy<Value = Value> {
    const TEXTS: [&str; 30] = [
        "vpc-0a1b2c3d4e5f60718",
        "subnet-0123456789abcdef0",
        "arn:aws:secretsmanager:ca-central-1:123456789012:secret:staging/db-AbCdEf",
        "arn:aws:kms:ca-central-1:123456789012:key/0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9",
        "arn:aws:iam::123456789012:role/berthcare-staging-ecs-task",
        "berthcare-staging-postgres.c1x2y3z4w5v6.ca-central-1.rds.amazonaws.com:5432",
        "https://ca-central-1.console.aws.amazon.com/cloudwatch/home?region=ca-central-1#dashboards:name=x",
        "d111111abcdef8.cloudfront.net",
        "10.0.0.0/16",
        "postgres",
        "15.5",
        "db.t4g.medium",
        "2026-11-26T17:30:00Z",
        "sun:05:00-sun:06:00",
        "Allow",
        "secretsmanager:GetSecretValue",
        "kms:Decrypt",
        "",
        " ",
        "#!/bin/bash\nset -eu\nexport PATH=/usr/local/bin:$PATH\nsystemctl start api --now\n",
        "app:\n  port: 80\n  user: app\n",
        "key=value, other: thing",
        "name: app\nvalue: 3\n",
        "postgresql://db:5432/app?sslmode=require",
        "the password is rotated every 30 days",
        "Zoë's café: 5 € [a] {b} (c)",
        "a\\b\"c",
        "100%",
        "/aws/vpc/flow-logs",
        "{not json",
    ];
    const KEYS: [&str; 18] = [
        "id",
        "name",
        "value",
        "arn",
        "key",
        "tags",
        "db_endpoint",
        "secret_arn",
        "password_length",
        "auth_token_enabled",
        "kms_key_id",
        "Environment",
        "description",
        "valueFrom",
        "image",
        "container_definitions",
        "user_data",
        "port",
    ];
    let leaf = prop_oneof![
        prop::sample::select(TEXTS.to_vec()).prop_map(Value::from),
        // Base64 of one word looks like a key; of a text it does not.
        prop::sample::select(TEXTS.to_vec())
            .prop_map(|text| BASE64_STANDARD.encode(format!("see {text}\n")).into()),
        any::<bool>().prop_map(Value::from),
        (-1000..100_000_i32).prop_map(Value::from),
        Just(Value::Null),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        let members =
            prop::collection::vec((prop::sample::select(KEYS.to_vec()), inner.clone()), 0..5);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            members.prop_map(|members| {
                let members = members
                    .into_iter()
                    .map(|(key, value)| (key.to_owned(), value));
                Value::Object(members.collect())
            }),
            inner.prop_map(|value| value.to_string().into()),
        ]
    })
}
