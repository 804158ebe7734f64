use proptest::prelude::*;
use serde_json::json;

use super::planted::{harmless, planted, visible};
use super::*;

fn outputs(json: &str) -> Outputs {
    Outputs::parse(json.as_bytes()).unwrap()
}

struct Observation {
    value: Value,
    hidden: Vec<Hidden>,
}

fn redacted(salt: &Salt, policy: RedactionPolicy, json: &str) -> BTreeMap<String, Observation> {
    let outputs = outputs(json);
    Redactor::new(salt, policy, &outputs)
        .outputs(&outputs)
        .into_iter()
        .map(|(name, (_, value, hidden))| {
            let value = value.into_inner();
            (name, Observation { value, hidden })
        })
        .collect()
}

/// What is shown of a text that stands alone.
fn shown(text: &str) -> String {
    Redactor::for_display(None).sentence(text)
}

// aws-behaviour: 34
#[test]
fn a_sensitive_value_becomes_a_fingerprint_that_shows_a_change() {
    let salt = Salt::random();
    let of = |secret: &str| {
        let json = format!(r#"{{"p": {{"sensitive": true, "value": {{"a": "{secret}"}}}}}}"#);
        redacted(&salt, RedactionPolicy::default(), &json)["p"]
            .value
            .clone()
    };
    let print = of("hunter2");
    assert_eq!(print, of("hunter2"));
    assert_ne!(print, of("hunter3"));
    assert!(!print.to_string().contains("hunter"), "{print}");
    let other = Salt::random();
    let json = r#"{"p": {"sensitive": true, "value": {"a": "hunter2"}}}"#;
    assert_ne!(
        print,
        redacted(&other, RedactionPolicy::default(), json)["p"].value
    );
}

#[test]
fn what_is_not_marked_and_yet_a_secret_goes_too() {
    let json = r#"{
        "admin_password": {"sensitive": true, "value": "s3cretive"},
        "motd": {"value": "welcome, s3cretive"},
        "url": {"value": ["postgres://u:pw@h/d"]},
        "config": {"value": {"token": "abc", "size": 3, "pin_secret": 42}},
        "odd": {"value": {"password=hunter2": 1}},
        "vpc_id": {"value": "vpc-1"}}"#;
    let seen = redacted(&Salt::random(), RedactionPolicy::default(), json);
    let text = format!(
        "{:?}",
        seen.values().map(|one| &one.value).collect::<Vec<_>>()
    );
    for secret in ["s3cretive", "pw@", "abc", "42", "hunter2"] {
        // A fingerprint may hold these digits.
        let plain = format!("\"{secret}\"");
        assert!(!text.contains(&plain), "{secret}: {text}");
    }
    for secret in ["s3cretive", "pw@", "hunter2"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    assert_eq!(seen["vpc_id"].value, "vpc-1");
    assert_eq!(seen["config"].value["size"], 3);
    assert_eq!(
        seen["motd"].hidden[0].why,
        "another output's secret is in it"
    );
    // What is around a secret stays.
    assert!(
        seen["motd"]
            .value
            .as_str()
            .unwrap()
            .starts_with("welcome, {hidden:")
    );
    let url = seen["url"].value[0].as_str().unwrap();
    assert!(
        url.starts_with("postgres://u:{hidden:") && url.ends_with("}@h/d"),
        "{url}"
    );
}

#[test]
fn account_ids_and_endpoints_go_by_policy() {
    let salt = Salt::random();
    let json = r#"{"topic_arn": {"value": "arn:aws:sns:ca-central-1:123456789012:alerts"},
        "db_endpoint": {"value": "db.x1.ca-central-1.rds.amazonaws.com:5432"},
        "ip": {"value": "10.0.1.7"}, "site_domain": {"value": "example.org"}}"#;
    let with = |account_ids, endpoints| {
        let policy = RedactionPolicy {
            account_ids,
            endpoints,
        };
        let seen = redacted(&salt, policy, json);
        ["topic_arn", "db_endpoint", "ip", "site_domain"]
            .map(|name| seen[name].value.as_str().unwrap().to_owned())
    };
    let [arn, endpoint, ip, site] = with(Redaction::Keep, Redaction::Keep);
    assert!(arn.contains("123456789012") && endpoint.contains("rds") && ip == "10.0.1.7");
    assert_eq!(site, "example.org");
    let masked = with(Redaction::Mask, Redaction::Mask);
    let expected = [
        "arn:aws:sns:ca-central-1:{account}:alerts",
        "{endpoint}:5432",
        "{endpoint}",
        "{endpoint}",
    ];
    assert_eq!(masked, expected);
    let printed = with(Redaction::Fingerprint, Redaction::Fingerprint);
    assert!(!printed[0].contains("123456789012"), "{printed:?}");
    assert!(printed[1].starts_with("{endpoint:") && printed[1].ends_with("}:5432"));
    // Hidden in one way or another, the rest is the same.
    for (one, other) in printed.iter().zip([arn, endpoint, ip, site]).take(3) {
        assert_eq!(skeleton(one), skeleton(&other));
    }
    assert_ne!(skeleton("{account}:a"), skeleton("{account}:b"));
}

#[test]
fn a_secret_is_found_in_every_form() {
    let outputs = outputs(
        r#"{"a": {"sensitive": true, "value": {"user": "someone", "key": "hunter2/+\"x"}},
            "url": {"value": "amqp://app:in-a-url@host"}, "text": {"value": "{\"token\": \"in-json\"}"},
            "b": {"value": {"db_password": "plain-word", "list": [{"token": 1234567}]}},
            "vpc_id": {"value": "vpc-0a1b2c3d"}}"#,
    );
    let redactor = Redactor::for_display(Some(&outputs));
    let secret = "hunter2/+\"x";
    for text in [
        "see hunter2/+\"x there".to_owned(),
        format!("{}", json!({ "k": secret })),
        "a=hunter2%2F%2B%22x&b".to_owned(),
        "a=hunter2%2f%2b%22x&b".to_owned(),
        "plain-word!".to_owned(),
        "pin 1234567".to_owned(),
        "the in-a-url of it".to_owned(),
        "the in-json of it".to_owned(),
    ] {
        assert!(redactor.has_secret(&text), "{text}");
    }
    for before in ["", "x", "xy", "xyz"] {
        for after in ["", "1", "12"] {
            let all = format!("{before}{secret}{after}");
            use base64::Engine as _;
            use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
            for text in [
                BASE64_STANDARD_NO_PAD.encode(&all),
                BASE64_URL_SAFE_NO_PAD.encode(&all),
            ] {
                assert_eq!(
                    redactor.sentence(&format!("a {text} b")),
                    "a {hidden} b",
                    "{before} {after}"
                );
            }
        }
    }
    assert!(!redactor.has_secret("vpc-0a1b2c3d"));
    assert!(!format!("{redactor:?}").contains("hunter2"));
    assert_eq!(redactor.sentence("is plain-word"), "is {hidden}");
    assert_eq!(
        redactor.sentence("redis://u:pw@host"),
        "redis://u:{hidden}@host"
    );
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
        "https://hooks.slack.com/services/T00000000/B00000000/abcdefghijklmnop",
        "https://hooks.slack.com/workflows/T1/A1/1/abcdefghijklmnop",
        "HTTPS://Discord.com/API/webhooks/1/abc",
        "https://discordapp.com/api/webhooks/1/abc",
        "https://berthcare.webhook.office.com/webhookb2/a@b/IncomingWebhook/c/d",
        "https://outlook.office.com/webhook/a@b/IncomingWebhook/c/d",
        "https://prod-1.canadacentral.logic.azure.com:443/workflows/0123/triggers/manual/paths/invoke?sig=x",
        "https://default1.environment.api.powerplatform.com/workflows/1?sig=x",
        "https://events.pagerduty.com/integration/abcdefghijklmnopqrst/enqueue",
        "https://events.eu.pagerduty.com/integration/abcdefghijklmnopqrst/enqueue",
        "https://chat.example.org/hooks/xyzxyzxyzxyzxyzxyzxyzxyzxy",
        "https://ci.example.org/webhooks/deploy/abcdefghijklmnop",
        "4f9c1b7e02a84d5d9e61b3a7c8f0d215",
        "key 4f9c1b7e02a84d5d9e61b3a7c8f0d2154f9c1b7e02a84d5d!",
        "a1b9c3x7q2m8k4z6w5t0r9v3n1",
        jwt,
    ] {
        assert_ne!(shown(text), text, "{text}");
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
        "jdbc:postgresql://postgres:5432/mydb",
        "the Bearer token is absent",
        "Basic monitoring, every 5 minutes",
        "the password of the database is rotated every 30 days",
        "rotation of the secret staging/db-AbCdEf: every 30 days, last on 2026-11-26T17:30:00Z",
        "postgres:16.4, db.t4g.medium, 100 GiB gp3",
        "ERROR: could not open /etc/ssl/certs: 13",
        "#!/bin/bash\nset -eu\nexport PATH=/usr/local/bin:$PATH\nsystemctl start api --now\n",
        r#"{"Condition":{"StringEquals":{"token.actions.githubusercontent.com:sub":"repo:org/app:ref:refs/heads/main"}}}"#,
        r#"{"Bool":{"aws:SecureTransport":"false"},"NumericLessThan":{"aws:MultiFactorAuthAge":"3600"}}"#,
        "https://sqs.ca-central-1.amazonaws.com/123456789012/queue",
        "https://user@example.org/a:b@c",
        "https://example.org/webhooks/alerts",
        "https://docs.example.org/hooks/",
        "sha256:4f9c1b7e02a84d5d9e61b3a7c8f0d2154f9c1b7e02a84d5d9e61b3a7c8f0d215",
        "app@sha256:4f9c1b7e02a84d5d9e61b3a7c8f0d2154f9c1b7e02a84d5d9e61b3a7c8f0d215",
        r#"{"LockID":{"S":"b/k-md5"},"Digest":{"S":"4f9c1b7e02a84d5d9e61b3a7c8f0d215"}}"#,
        "version 4f9c1b7e02a84d5d9e61b3a7c8f0d215",
        "terraform-20261126173100123400000001",
        "berthcare2026staging01photos02documents",
        "eni-0a1b2c3d4e5f67890",
    ] {
        assert_eq!(shown(text), text);
    }
}

/// Texts, and what of them is a secret: nothing else goes.
#[test]
fn only_the_secrets_characters_are_replaced() {
    let mut amiss = Vec::new();
    const S: &str = "r!7$kQ#x9_pZ(2vLm|Wq)4n";
    for text in [
        "export PGPASSWORD='S'",
        "export PGPASSWORD=\"S\"",
        "PGPASSWORD=S psql -h db",
        "export PGPASSWORD=S\nexport PGHOST=db\n",
        "docker run -e MYSQL_PASSWORD=S -e A=b api",
        "docker run -e 'MYSQL_PASSWORD=S' api",
        "api --db-password S --port 80",
        "api --db-password=S --port 80",
        "api --password 'S' --port 80",
        "db:\n  user: app\n  password: S\n  port: 5432\n",
        "db:\n  password: 'S'\n",
        "- name: DB_PASSWORD\n  value: S\n- name: A\n  value: b\n",
        "- value: S\n  name: DB_PASSWORD\n",
        "- key: \"DB_PASSWORD\"\n  value: \"S\"\n",
        "environment {\n  name  = \"DB_PASSWORD\"\n  value = \"S\"\n}\n",
        "<add key=\"DB_PASSWORD\" value=\"S\"/>",
        "<DB_PASSWORD>S</DB_PASSWORD>",
        "[db]\nuser = app\npassword = S\n",
        "spring.datasource.username=app\nspring.datasource.password=S\n",
        "ParameterKey=DbPassword,ParameterValue=S",
        "Server=db;Database=d;User ID=app;Password=S;Encrypt=True;",
        "host=db port=5432 user=app password=S dbname=x",
        "curl -H 'x-api-key: S' https://example.org/",
        "curl -H \"Authorization: Bearer S\" https://example.org/",
        "curl -u app:S https://example.org/",
        "mysql -u root -pS app",
        "redis-cli -h h -a S ping",
        "sshpass -p S ssh h",
        "ENV DB_PASSWORD S\nENV A b\n",
        "setenv PGPASSWORD S",
        "requirepass S\nport 6379\n",
        "ALTER USER app WITH PASSWORD 'S';",
        "CREATE USER app IDENTIFIED BY 'S';",
        "machine h login app password S\n",
        "os.environ[\"DB_PASSWORD\"] = \"S\"",
        "{\"a\": 1} and {\"name\":\"DB_PASSWORD\",\"value\":\"S\"} end",
        "postgresql://app:S@db:5432/app?sslmode=require",
        "the initial password is S, change it",
        "Admin password: S",
        "password: |\n  S\nuser: app\n",
        "credentials:\n  user: app\n  admin: S\nregion: ca-central-1\n",
        "password => \"S\", user => \"app\"",
        "{user: app, password: S}",
        "# password: S",
        "$env:PGPASSWORD = \"S\"",
    ] {
        let secret = match text {
            // Where a space or a bracket would end it.
            text if text.contains("://") && text.contains("@db") => "r!7$kQx9_pZ(2vLm|Wq)4n",
            text if text.contains("Bearer") => "r7kQx9_pZ-2vLm.Wq~4n",
            _ => S,
        };
        // The letter that stands alone.
        let alone = |at: &usize| {
            let apart = |c: Option<char>| c.is_none_or(|c| !c.is_ascii_alphanumeric() && c != '_');
            let begins = apart(text[..*at].chars().next_back()) || text[..*at].ends_with(" -p");
            begins && apart(text[at + 1..].chars().next())
        };
        let at = text
            .match_indices('S')
            .map(|(at, _)| at)
            .find(alone)
            .unwrap();
        let (before, after) = (&text[..at], &text[at + 1..]);
        let planted = format!("{before}{secret}{after}");
        let seen = shown(&planted);
        if seen != format!("{before}{{hidden}}{after}") {
            amiss.push(format!("{text:?}: {seen:?}"));
        }
    }
    assert!(amiss.is_empty(), "{}", amiss.join("\n"));
}

#[test]
fn names_beside_values_are_seen_in_json_of_any_shape() {
    let hidden = |value: Value, place: &str| {
        let shown = shown(&value.to_string());
        let shown: Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(shown.pointer(place).unwrap(), "{hidden}", "{value} {shown}");
        shown
    };
    let seen = hidden(
        json!({"environment": [{"name": "DB_PASSWORD", "value": "x"}, {"name": "A", "value": "b"}]}),
        "/environment/0/value",
    );
    assert_eq!(seen["environment"][0]["name"], "DB_PASSWORD");
    assert_eq!(seen["environment"][1]["value"], "b");
    hidden(json!([{"value": "x", "name": "pgpassword"}]), "/0/value");
    hidden(
        json!({"ParameterKey": "DbPassword", "ParameterValue": "x"}),
        "/ParameterValue",
    );
    hidden(json!([{"Key": "x-api-key", "Value": 12}]), "/0/Value");
    hidden(
        json!({"name": "DB_PASS", "value": {"deep": ["x"]}}),
        "/value/deep/0",
    );
    hidden(json!([["DB_PASS", "x"], ["A", "b"]]), "/0/1");
    hidden(json!([["x", "DB_PASS"], ["b", "A"]]), "/0/0");
    hidden(json!(["--password", "x"]), "/1");
    hidden(
        json!({"name": "/x/plain", "type": "SecureString", "value": "x"}),
        "/value",
    );
    hidden(
        json!({"values": {"a": "x"}, "sensitive_values": {"a": true}}),
        "/values/a",
    );
    hidden(json!({"o": {"sensitive": true, "value": "x"}}), "/o/value");
    let kept = [
        json!({"secrets": [{"name": "DB_PASSWORD", "valueFrom": "arn:aws:ssm:ca-central-1:123456789012:parameter/db"}]}),
        json!({"secrets": [{"name": "DB_PASSWORD", "valueFrom": "/staging/db/password"}]}),
        json!({"password_policy": {"minimum_length": 12, "require_symbols": true}}),
        json!({"master_user_secret": [{"kms_key_id": "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9", "secret_status": "active"}]}),
        json!({"auth": [{"auth_scheme": "SECRETS", "iam_auth": "DISABLED"}]}),
        json!(["secretsmanager:GetSecretValue", "kms:Decrypt"]),
        json!({"ignore_changes": ["password", "tags"]}),
        json!({"name": "token-refresher", "image": "x:1", "cpu": 256}),
        json!({"manage_master_user_password": true, "password": null, "auth_token": ""}),
        json!({"max_password_age": 90, "max_tokens": 4096, "minimumPasswordLength": "14"}),
        json!({"encryption_key": "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"}),
        json!({"source_code_hash": "wJ4lrXUtnFEMI1K7MDENGabPxRfiCY2XAMPLEKEY="}),
    ];
    for value in kept {
        assert_eq!(shown(&value.to_string()), value.to_string());
    }
}

/// Encodings that are each read in two ways, with `within` among them, before brackets that are never closed.
fn entangled(within: &str, brackets: usize) -> String {
    format!(
        "%{}41{}{within}{}{}x",
        "25".repeat(12),
        "\\".repeat(64),
        "[".repeat(brackets),
        "1".repeat(60)
    )
}

/// What is shown of `text`, and how many bytes were read for that.
fn shown_by_work(text: &str) -> (String, Vec<String>, usize) {
    let (known, work) = (Secrets::default(), Work::new());
    let mut walk = Walk::new(&known, &work, &Mark::PLAIN);
    let shown = walk.text("", "", text);
    let secrets = std::mem::take(&mut walk.secrets);
    (shown, secrets, work.done())
}

#[test]
fn the_work_on_a_text_has_a_bound_by_its_length() {
    for (within, brackets) in [
        ("", 90),
        ("&DB_PASSWORD=hunter2&", 90),
        ("{\"db_password\":\"hunter2\"}", 90),
        ("&DB_PASSWORD=hunter2&", 18_000),
    ] {
        let text = entangled(within, brackets);
        let (shown, _, read) = shown_by_work(&text);
        // It is gone through, and then once more without its secrets.
        let bound = 2 * 64 * (text.len() + 1) + (1 << 16);
        assert!(read <= bound, "{read} bytes for {}", text.len());
        assert!(!shown.contains("hunter2"), "{within} {brackets}");
        let redactor = Redactor::for_display(None);
        assert!(!redactor.has_secret(&shown), "{within} {brackets}");
    }
}

#[test]
fn a_text_that_takes_too_much_work_is_hidden_whole() {
    let text = entangled("&see=hunter2&", 2_000);
    let (shown, secrets, _) = shown_by_work(&text);
    assert_eq!(shown, "{hidden}");
    assert!(
        secrets.contains(&text),
        "it is known where it is seen again"
    );
    // Those beside it are shown as ever, and so is a document that holds it as a text.
    let value = json!({"a": [text, text, text], "b": "plain", "c": "password=hunter2 a"});
    let seen = json!({"a": ["{hidden}", "{hidden}", "{hidden}"], "b": "plain", "c": "password={hidden} a"});
    let redactor = Redactor::for_display(None);
    let mut hidden = Vec::new();
    let shown = redactor.value("v", "v", &value, &Value::Null, &mut hidden);
    assert!(
        *shown == seen,
        "{} bytes are shown",
        shown.to_string().len()
    );
    assert_eq!(hidden.len(), 2, "{hidden:?}");
    assert!(hidden[0].why.contains("more encodings"), "{hidden:?}");
    assert_eq!(self::shown(&value.to_string()), "{hidden}");
}

#[test]
fn json_that_is_never_closed_is_read_once() {
    let text = format!("see {}1 x", "[\"a\",".repeat(100));
    let (shown, _, read) = shown_by_work(&text);
    assert_eq!(shown, text);
    assert!(read < 8 * text.len(), "{read} bytes for {}", text.len());
}

#[test]
fn json_within_json_that_is_broken_is_found() {
    let pair = r#"[["DB_PASS","hunter2"],["A","b"]]"#;
    for text in [
        format!("see [ {pair} and"),
        format!("see [ \"never closed, {pair} and"),
        format!("see {{ {pair} }}"),
        format!("see [[{pair}"),
        format!("see [[\n[{pair},\n é 1]"),
        format!("see [\"\\u\"{pair}"),
        format!("see {}{pair}{} x", "[".repeat(200), "]".repeat(200)),
    ] {
        let seen = text.replace("hunter2", "{hidden}");
        assert_eq!(shown(&text), seen);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_planted_secret_is_seen_in_any_form_at_any_depth(planted in planted()) {
        let document = planted.document(&planted.secret);
        let note = json!(format!("seen: {} there", planted.secret));
        let salt = Salt::random();
        let mut redactor = Redactor::salted(&salt, RedactionPolicy::default());
        redactor.learn("app", &document, &Value::Null);
        for (place, value) in [("app", &document), ("note", &note)] {
            let mut hidden = Vec::new();
            let shown = redactor.value(place, place, value, &Value::Null, &mut hidden);
            let text = shown.to_string();
            for form in visible(&planted.secret) {
                prop_assert!(!text.contains(&form), "{form} of {} in {text}\n{document}", planted.secret);
            }
            prop_assert!(!hidden.is_empty(), "{text}");
            // A second time there is nothing left to hide.
            let again = redactor.value(place, place, &shown, &Value::Null, &mut Vec::new());
            prop_assert_eq!(&again.to_string(), &text);
        }
        let sentence = redactor.sentence(&document.to_string());
        for form in visible(&planted.secret) {
            prop_assert!(!sentence.contains(&form), "{form} in {sentence}");
        }
    }

    #[test]
    fn what_is_harmless_is_left_as_it_is(value in harmless()) {
        let redactor = Redactor::for_display(None);
        let mut hidden = Vec::new();
        let shown = redactor.value("a", "a", &value, &Value::Null, &mut hidden);
        prop_assert_eq!(&*shown, &value, "{:?}", hidden);
    }
}
