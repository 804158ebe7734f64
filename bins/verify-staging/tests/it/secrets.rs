//! Secrets are planted wherever the program looks, and then looked for wherever it writes.

use std::fs;
use std::process::Output;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};
use local_aws::LocalAws;
use serde_json::{Value, json};

use crate::stage::{EVIDENCE, Stage, files, outputs};

/// With what base64, URLs and JSON write in another way.
const SENSITIVE: &str = "Sens+itive/9f&\"Qü?=x";
const NESTED: &str = "nested?sensitive>one";
const NAMED: &str = "plain-word-beneath-a-name";
const LOGIN: &str = "login-in-a-url";
const INNER: &str = "within-json-within-text";
const TOKEN: &str = "q7JxZb2Kw9Vt4Rm8Lc3Hd6Ns1Pf5Gy0T";
const STATE: &str = "of-the-state-8812";
const ERROR: &str = "of-an-error-4711";
const LOG: &str = "of-the-log-0815";
const KEY: &str = "AwsSecretKey+of/the7environment0000000000";
const SESSION: &str = "SessionToken+of/the7environment";
const PLANNED: &str = "planned-secret-1234";

const ALL: [&str; 12] = [
    SENSITIVE, NESTED, NAMED, LOGIN, INNER, TOKEN, STATE, ERROR, LOG, KEY, SESSION, PLANNED,
];

/// Plain, as JSON writes it, in URLs, and in base64 wherever it may begin.
fn forms(secret: &str) -> Vec<String> {
    let percent = |plain: &dyn Fn(u8) -> bool, upper: bool| -> String {
        secret
            .bytes()
            .map(|byte| match (plain(byte), upper) {
                (true, _) => char::from(byte).to_string(),
                (false, true) => format!("%{byte:02X}"),
                (false, false) => format!("%{byte:02x}"),
            })
            .collect()
    };
    let alphanumeric = |byte: u8| byte.is_ascii_alphanumeric();
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let mut forms = vec![
        secret.to_owned(),
        Value::from(secret).to_string().trim_matches('"').to_owned(),
        percent(&alphanumeric, true),
        percent(&alphanumeric, false),
        percent(&unreserved, true),
        percent(&unreserved, false),
    ];
    for shift in 0..3 {
        // Whole groups of three bytes alone: what is beside a secret changes none of their digits.
        let bytes = secret.as_bytes();
        let from = (3 - shift) % 3;
        let whole = &bytes[from..];
        let whole = &whole[..whole.len() / 3 * 3];
        forms.push(BASE64_STANDARD.encode(whole));
        forms.push(BASE64_URL_SAFE.encode(whole));
    }
    forms
}

fn search(what: &str, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for secret in ALL {
        for form in forms(secret) {
            assert!(
                !text.contains(&form),
                "{secret} as {form} in {what}:\n{text}"
            );
        }
    }
}

fn search_output(what: &str, output: &Output) {
    search(&format!("standard output of {what}"), &output.stdout);
    search(&format!("standard error of {what}"), &output.stderr);
}

/// Everything but what the test itself has planted, which lies under `in`, and the program of that name.
fn search_files(stage: &Stage) {
    let mut seen = 0;
    for path in files(stage.dir.path()) {
        let inside = path.strip_prefix(stage.dir.path()).unwrap();
        if !inside.starts_with("in") && !inside.starts_with("bin") {
            search(&inside.display().to_string(), &fs::read(&path).unwrap());
            seen += 1;
        }
    }
    assert!(seen > 3, "{seen} files");
}

fn planted() -> Value {
    let mut outputs = outputs();
    let mut add = |name: &str, sensitive: bool, value: Value| {
        outputs[name] = json!({"sensitive": sensitive, "value": value});
    };
    add("auth", true, json!(SENSITIVE));
    add("accounts", true, json!({"a": [NESTED]}));
    add("admin_password", false, json!(NAMED));
    add(
        "settings",
        false,
        json!({"deep": {"token": [NAMED]}, "text": format!("{{\"password\": \"{INNER}\"}}")}),
    );
    add(
        "db_endpoint",
        false,
        json!(format!("postgres://app:{LOGIN}@db:5432/app")),
    );
    add("opaque", false, json!(TOKEN));
    add(
        "wrapped",
        false,
        json!(BASE64_STANDARD.encode(format!("see {SENSITIVE} there"))),
    );
    add("vpc_id", false, json!(format!("vpc-{NESTED}")));
    add(
        "private_subnet_ids",
        false,
        json!([format!("subnet-{NAMED}"), "subnet-2"]),
    );
    add(
        "nat_gateway_ids",
        false,
        json!([format!("nat-{LOGIN}:x"), format!("redis://x:{LOGIN}@h")]),
    );
    add("flow_log_id", false, json!(SENSITIVE));
    outputs
}

/// The search finds what it is for.
#[test]
fn a_secret_is_found_in_each_form() {
    for secret in ALL {
        for before in ["", "x", "xy"] {
            let all = format!("{before}{secret}{}", "and more");
            for text in [
                BASE64_STANDARD.encode(&all),
                BASE64_URL_SAFE.encode(&all),
                all,
            ] {
                let found = forms(secret).iter().any(|form| text.contains(form));
                assert!(found, "{secret} in {text}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_reaches_a_file_a_stream_or_a_trace() {
    let Some(aws) = LocalAws::start_or_skip().await.unwrap() else {
        return;
    };
    let mut stage = Stage::on(&aws);
    stage.set("AWS_SECRET_ACCESS_KEY", KEY);
    stage.set("AWS_SESSION_TOKEN", SESSION);
    stage.file("in/outputs.json", &planted().to_string());
    let state = json!({"version": 4, "terraform_version": "1.11.4", "serial": 3, "lineage": "abc",
        "outputs": {"a": {"value": STATE}}, "resources": [{"instances": [{"attributes": {"p": STATE}}]}]});
    stage.file("in/state.json", &state.to_string());
    let bad_state = json!({"version": 4, "terraform_version": STATE, "serial": 3, "lineage": format!("p={STATE}")});
    stage.file("in/bad-state.json", &bad_state.to_string());
    stage.file("in/not-a-state.json", STATE);
    stage.file("env/main.tf", "");
    stage.script(
        "terraform",
        &format!(
            "echo 'Error: {ERROR}' >&2\ncase \"$1 $2\" in\n\
            'output -json') cat ../in/outputs.json ;;\n'state pull') cat ../in/state.json ;;\n\
            *) echo '{{\"terraform_version\": \"1.11.4\", \"password\": \"{ERROR}\"}}' ;;\nesac"
        ),
    );
    let run = |arguments: &[&str]| {
        let output = stage.run(arguments);
        search_output(&format!("{arguments:?}"), &output);
        output.status.code()
    };
    let all = |arguments: &[&str]| {
        for format in ["table", "json"] {
            run(&[arguments, &["-vv", "--output", format]].concat());
        }
    };

    let traced = stage.run(&["check", "--outputs", "in/outputs.json", "-vv"]);
    assert!(
        String::from_utf8_lossy(&traced.stderr).contains("DEBUG"),
        "{traced:?}"
    );
    all(&["check", "--outputs", "in/outputs.json"]);
    all(&["check", "--chdir", "env"]);
    // AWS is asked, and answers that there is nothing: evidence of that.
    assert_eq!(run(&["capture", "--chdir", "env", "-vv"]), Some(1));
    all(&[
        "capture",
        "--from",
        "in/outputs.json",
        "--state",
        "in/bad-state.json",
    ]);
    all(&[
        "capture",
        "--from",
        "in/outputs.json",
        "--state",
        "in/not-a-state.json",
        "--no-check",
    ]);
    all(&["drift", "--chdir", "env"]);
    let mut other = planted();
    for name in [
        "auth",
        "accounts",
        "admin_password",
        "settings",
        "db_endpoint",
        "opaque",
    ] {
        let rotated = other[name]["value"].to_string().replace(['e', 'x'], "E");
        other[name]["value"] = serde_json::from_str(&rotated).unwrap_or(json!("rotated"));
    }
    stage.file("in/other.json", &other.to_string());
    all(&["drift", "--from", "in/other.json"]);
    all(&["log"]);
    run(&["log", "--markdown", "-vv"]);
    all(&["sign", "RDS endpoint", "--by", "Ada"]);
    assert_eq!(
        run(&[
            "sign",
            "VPC ID",
            "--by",
            "Ada",
            "--note",
            &format!("password={LOG}")
        ]),
        Some(2)
    );
    assert_eq!(run(&["audit", "-vv"]), Some(0));
    search_files(&stage);

    // Errors: what terraform complains of, and text that is not what it should be.
    for words in [
        format!("echo '{ERROR}'; exit 1"),
        format!("echo '{{\"terraform_version\": \"password={ERROR}\"}}'"),
        // It says which version it is, and fails at everything else.
        format!(
            "[ \"$1\" = version ] && echo '{{\"terraform_version\": \"1.11.4\"}}' && exit; echo '{ERROR}'; exit 1"
        ),
        format!(
            "[ \"$1\" = version ] && echo '{{\"terraform_version\": \"1.11.4\"}}' && exit; echo '{ERROR}'"
        ),
    ] {
        stage.script("terraform", &format!("echo 'Error: {ERROR}' >&2\n{words}"));
        all(&["capture", "--chdir", "env"]);
        all(&["check", "--chdir", "env"]);
    }
    stage.file(
        "in/bad.json",
        &format!("{{\"a\": {{\"value\": \"{ERROR}\"}}, \"{ERROR}\": [}}"),
    );
    for command in ["capture", "drift"] {
        assert_eq!(run(&[command, "--from", "in/bad.json", "-vv"]), Some(2));
    }
    let plan = json!({"format_version": "1.2", "terraform_version": "1.11.4", "planned_values": {"x": PLANNED},
        "resource_drift": [{"address": "a.b", "type": "a", "change": {"actions": ["update"],
            "before": {"password": "x", "tags": {"t": PLANNED}}, "after": {"password": PLANNED, "tags": {"t": "o"}},
            "before_sensitive": {"tags": {"t": true}}, "after_sensitive": {"tags": {"t": true}}}}],
        "output_changes": {"o": {"actions": ["update"], "before": 1, "after": PLANNED, "after_sensitive": true},
            "p": {"actions": ["create"], "before": null, "after": format!("has {PLANNED}")}}});
    stage.file("in/plan.json", &plan.to_string());
    stage.file("in/cut.json", &plan.to_string()[..400]);
    for plan in ["in/plan.json", "in/cut.json", "in/bad.json"] {
        all(&["drift", "--plan", plan]);
    }
    stage.file(
        "in/rules.toml",
        &format!("[[ignore]]\npath = \"a\"\nreason = {LOG}\n"),
    );
    assert_eq!(
        run(&[
            "drift",
            "--plan",
            "in/plan.json",
            "--rules",
            "in/rules.toml"
        ]),
        Some(2)
    );
    search_files(&stage);

    // What others have written into the evidence.
    let evidence = stage.path(EVIDENCE);
    for name in ["log.md", "reviews.jsonl", "head.json"] {
        let path = evidence.join(name);
        let whole = fs::read_to_string(&path).unwrap();
        for edited in [
            whole.replacen("Ada", LOG, 1),
            whole.replacen('2', LOG, 1),
            LOG.to_owned(),
        ] {
            fs::write(&path, edited).unwrap();
            for arguments in [&["audit"][..], &["log"], &["sign", "VPC ID", "--by", "Ada"]] {
                all(arguments);
            }
            fs::write(&path, &whole).unwrap();
        }
    }
    fs::write(
        evidence.join("staging-20260101-000000.json"),
        planted().to_string(),
    )
    .unwrap();
    all(&["audit"]);
}
