//! Good and bad servers, each told apart.

mod buckets;

use std::path::PathBuf;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::certificates::{Authority, DATABASE, Pair, REDIS};
use crate::hunt::PASSWORD;
use crate::servers::{Server, free_port, postgres, redis};
use crate::stage::{Ran, Stage, text};

/// An authority that is trusted, and a pair of a server of it.
struct Signed {
    ca: PathBuf,
    pair: Pair,
    authority: Authority,
}

impl Signed {
    fn new(stage: &Stage, name: &str, expired: bool) -> Self {
        let folder = stage.folder("certificates");
        let authority = Authority::new();
        Self {
            ca: authority.file(&folder),
            pair: authority.issue(&folder, name, expired),
            authority,
        }
    }
}

async fn probe(stage: &Stage, target: &str, via: &str, ca: &std::path::Path) -> Ran {
    let via = format!("{target}={via}");
    let arguments = [
        "probe",
        "--only",
        target,
        "--via",
        &via,
        "--ca",
        text(ca),
        "--output",
        "json",
        "--count",
        "5",
    ];
    stage.run(&arguments).await
}

fn all(ran: &Ran, target: &str) -> Vec<(String, String)> {
    let json = ran.json();
    json["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["what"].as_str().unwrap().starts_with(target))
        .map(|finding| {
            let text = |name: &str| finding[name].as_str().unwrap().to_owned();
            (text("what"), text("status"))
        })
        .collect()
}

#[track_caller]
fn assert_all(ran: &Ran, target: &str, status: &str) {
    let found = all(ran, target);
    assert!(found.len() >= 4, "{ran:?}");
    assert!(found.iter().all(|(_, found)| found == status), "{found:?}");
}

#[tokio::test]
async fn a_database_as_it_should_be_is_ok_and_measured() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    let signed = Signed::new(&stage, DATABASE, false);
    let Some(server) = postgres::start(&signed.pair, postgres::How::default()) else {
        return;
    };
    let ran = probe(&stage, "database", &server.via(), &signed.ca).await;
    assert_all(&ran, "database", "ok");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    ran.assert("database-tls", "ok", "TLS 1.3");
    ran.assert("database-plain", "ok", "refused");
    ran.assert("database-query", "ok", "PostgreSQL ");
    ran.assert("database-role", "ok", "primary");
    let latency = &ran.json()["latencies"][0];
    assert_eq!(latency["count"], 5);
    let ms = |name: &str| latency[name].as_f64().unwrap();
    assert!(0.0 < ms("p50_ms") && ms("p50_ms") <= ms("p95_ms") && ms("p99_ms") <= ms("max_ms"));
}

#[tokio::test]
async fn a_secret_with_everything_in_it_is_understood() {
    let Some(mut stage) = Stage::open().await else {
        return;
    };
    let signed = Signed::new(&stage, DATABASE, false);
    let Some(server) = postgres::start(&signed.pair, postgres::How::default()) else {
        return;
    };
    let whole = serde_json::json!({"username": postgres::USER, "password": PASSWORD, "engine": "postgres",
        "host": DATABASE, "port": 5432, "dbname": "postgres"});
    let arn = stage.secret("whole", &whole.to_string()).await;
    for name in ["db_address", "db_port", "db_name", "db_username"] {
        stage.outputs.remove(name);
    }
    stage.output("db_credentials_secret_arn", arn);
    let ran = probe(&stage, "database", &server.via(), &signed.ca).await;
    assert_all(&ran, "database", "ok");

    // One of the master user is not used: the application would have to do with it.
    stage.output("db_master_username", postgres::USER);
    stage.output("db_address", DATABASE);
    stage.output("db_port", 5432);
    let ran = probe(&stage, "database", &server.via(), &signed.ca).await;
    ran.assert("database-login", "unknown", "master user");
}

#[tokio::test]
async fn a_database_that_refuses_us_is_wrong() {
    let Some(mut stage) = Stage::open().await else {
        return;
    };
    let signed = Signed::new(&stage, DATABASE, false);
    let Some(server) = postgres::start(&signed.pair, postgres::How::default()) else {
        return;
    };
    stage.output("db_name", "nothing");
    let ran = probe(&stage, "database", &server.via(), &signed.ca).await;
    ran.assert("database-login", "wrong", "3D000");
    assert_eq!(ran.code, Some(1));

    stage.output("db_name", "postgres");
    let other = serde_json::json!({"username": postgres::USER, "password": format!("{PASSWORD}x")});
    let arn = stage.secret("other", &other.to_string()).await;
    stage.output("db_credentials_secret_arn", arn);
    let ran = probe(&stage, "database", &server.via(), &signed.ca).await;
    ran.assert("database-login", "wrong", "28P01");
    ran.assert("database-tls", "ok", "TLS");
    ran.assert("database-query", "unknown", "not tried");
    assert_eq!(ran.code, Some(1));
}

#[tokio::test]
async fn a_certificate_that_is_not_to_be_trusted_is_wrong_and_gets_no_password() {
    let Some(mut stage) = Stage::open().await else {
        return;
    };
    let signed = Signed::new(&stage, DATABASE, false);
    let Some(server) = postgres::start(&signed.pair, postgres::How::default()) else {
        return;
    };
    stage.output("db_address", "other.staging.invalid");
    let ran = probe(&stage, "database", &server.via(), &signed.ca).await;
    assert_refused(&ran, "another name");
    stage.output("db_address", DATABASE);
    let stranger = Authority::new().file(&stage.folder("stranger"));
    let ran = probe(&stage, "database", &server.via(), &stranger).await;
    assert_refused(&ran, "issuer is not known");
    let told = ran.json().to_string();
    assert!(told.contains("global-bundle.pem"), "{told}");
    drop(server);
    let pair = signed
        .authority
        .issue(&stage.folder("expired"), DATABASE, true);
    let server = postgres::start(&pair, postgres::How::default()).unwrap();
    let ran = probe(&stage, "database", &server.via(), &signed.ca).await;
    assert_refused(&ran, "expired");
}

#[track_caller]
fn assert_refused(ran: &Ran, why: &str) {
    ran.assert("database-tls", "wrong", why);
    ran.assert("database-login", "unknown", "not tried");
    assert_eq!(ran.code, Some(1), "{ran:?}");
}

#[tokio::test]
async fn a_database_without_tls_is_wrong_and_gets_no_password() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    let signed = Signed::new(&stage, DATABASE, false);
    let how = postgres::How {
        without_tls: true,
        ..postgres::How::default()
    };
    let Some(server) = postgres::start(&signed.pair, how) else {
        return;
    };
    let ran = probe(&stage, "database", &server.via(), &signed.ca).await;
    ran.assert("database-plain", "wrong", "accepted");
    ran.assert("database-tls", "wrong", "not offered");
    ran.assert("database-login", "unknown", "not tried");
    drop(server);
    let how = postgres::How {
        plain_accepted: true,
        ..postgres::How::default()
    };
    let server = postgres::start(&signed.pair, how).unwrap();
    let ran = probe(&stage, "database", &server.via(), &signed.ca).await;
    ran.assert("database-plain", "wrong", "accepted");
    ran.assert("database-login", "ok", "");
    assert_eq!(ran.code, Some(1));
}

#[tokio::test]
async fn a_database_that_takes_no_writes_is_wrong() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    let signed = Signed::new(&stage, DATABASE, false);
    let how = postgres::How {
        replica: true,
        ..postgres::How::default()
    };
    let Some(server) = postgres::start(&signed.pair, how) else {
        return;
    };
    let ran = probe(&stage, "database", &server.via(), &signed.ca).await;
    ran.assert("database-role", "wrong", "a replica");
    drop(server);
    let how = postgres::How {
        read_only: true,
        ..postgres::How::default()
    };
    let server = postgres::start(&signed.pair, how).unwrap();
    let ran = probe(&stage, "database", &server.via(), &signed.ca).await;
    ran.assert("database-role", "wrong", "takes no writes");
    assert_eq!(ran.code, Some(1));
}

#[tokio::test]
async fn credentials_that_cannot_be_read_leave_the_rest_to_be_seen() {
    let Some(mut stage) = Stage::open().await else {
        return;
    };
    let signed = Signed::new(&stage, DATABASE, false);
    let Some(server) = postgres::start(&signed.pair, postgres::How::default()) else {
        return;
    };
    let broken = stage.secret("broken", &format!("no json {PASSWORD}")).await;
    stage.output("db_credentials_secret_arn", broken);
    let ran = probe(&stage, "database", &server.via(), &signed.ca).await;
    ran.assert("database-tls", "ok", "TLS");
    ran.assert("database-login", "unknown", "no JSON object");
    let denied = local_aws::Fault::new(local_aws::FaultKind::Denied).service("secretsmanager");
    stage.aws.add_fault(denied);
    let ran = probe(&stage, "database", &server.via(), &signed.ca).await;
    ran.assert("database-login", "unknown", "access denied");
    assert_eq!(ran.code, Some(3));
}

/// What every target must say when nobody, or nobody who speaks, is there.
#[tokio::test]
async fn nobody_there_is_unknown() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    let signed = Signed::new(&stage, DATABASE, false);
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closing = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (slow, tunnel) = (silent.local_addr().unwrap(), closing.local_addr().unwrap());
    // A tunnel with nobody at its far end.
    tokio::spawn(async move {
        loop {
            drop(closing.accept().await);
        }
    });
    let down = format!("127.0.0.1:{}", free_port());
    for target in ["database", "redis"] {
        for (address, why) in [
            (down.as_str(), "refused"),
            (&tunnel.to_string(), "ended"),
            (&slow.to_string(), "no answer within 0.3 s"),
        ] {
            let via = format!("{target}={address}");
            let arguments = [
                "probe",
                "--only",
                target,
                "--via",
                &via,
                "--ca",
                text(&signed.ca),
                "--output",
                "json",
                "--timeout",
                "300ms",
            ];
            let ran = stage.run(&arguments).await;
            assert_all(&ran, target, "unknown");
            assert_eq!(ran.code, Some(3), "{ran:?}");
            let tls = ran.found(&format!("{target}-tls"));
            assert!(tls[0].1.contains(why), "{address}: {tls:?}");
        }
    }
}

fn redis_server(stage: &Stage, how: redis::How) -> Option<(Signed, Server)> {
    let signed = Signed::new(stage, REDIS, false);
    let server = redis::start(&signed.pair, how)?;
    Some((signed, server))
}

#[tokio::test]
async fn redis_as_it_should_be_is_ok_and_nothing_stays_in_it() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    let Some((signed, server)) = redis_server(&stage, redis::How::default()) else {
        return;
    };
    let ran = probe(&stage, "redis", &server.via(), &signed.ca).await;
    assert_all(&ran, "redis", "ok");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    ran.assert("redis-tls", "ok", "TLS 1.3");
    ran.assert("redis-canary", "ok", "removed");
    ran.assert("redis-role", "ok", "primary with 0 replicas");
    assert_eq!(ran.json()["latencies"][0]["count"], 5);
}

#[tokio::test]
async fn redis_with_another_token_or_none_is_wrong() {
    let Some(mut stage) = Stage::open().await else {
        return;
    };
    let Some((signed, server)) = redis_server(&stage, redis::How::default()) else {
        return;
    };
    let other = serde_json::json!({"auth_token": format!("{}x", crate::hunt::TOKEN)});
    let arn = stage.secret("other", &other.to_string()).await;
    stage.output("redis_credentials_secret_arn", arn);
    let ran = probe(&stage, "redis", &server.via(), &signed.ca).await;
    ran.assert("redis-guarded", "ok", "refused");
    ran.assert("redis-auth", "wrong", "not accepted");
    ran.assert("redis-canary", "unknown", "not tried");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    drop(server);
    let how = redis::How {
        open: true,
        ..redis::How::default()
    };
    let server = redis::start(&signed.pair, how).unwrap();
    let ran = probe(&stage, "redis", &server.via(), &signed.ca).await;
    ran.assert("redis-guarded", "wrong", "serves anybody");
    assert_eq!(ran.code, Some(1), "{ran:?}");
}

#[tokio::test]
async fn redis_without_tls_is_wrong_and_gets_no_token() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    let how = redis::How {
        without_tls: true,
        ..redis::How::default()
    };
    let Some((signed, server)) = redis_server(&stage, how) else {
        return;
    };
    let via = format!("redis={}", server.via());
    let arguments = [
        "probe",
        "--only",
        "redis",
        "--via",
        &via,
        "--ca",
        text(&signed.ca),
        "--output",
        "json",
        "--timeout",
        "1s",
    ];
    let ran = stage.run(&arguments).await;
    ran.assert("redis-plain", "wrong", "accepted");
    ran.assert("redis-tls", "wrong", "");
    ran.assert("redis-auth", "unknown", "not tried");
    assert_eq!(ran.code, Some(1), "{ran:?}");
}

#[tokio::test]
async fn a_certificate_of_redis_is_checked_for_its_host() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    let signed = Signed::new(&stage, "other.staging.invalid", false);
    let Some(server) = redis::start(&signed.pair, redis::How::default()) else {
        return;
    };
    let ran = probe(&stage, "redis", &server.via(), &signed.ca).await;
    ran.assert("redis-tls", "wrong", "another name");
    ran.assert("redis-auth", "unknown", "not tried");
    // Who refused the plain connection is not known, either.
    ran.assert("redis-plain", "unknown", "");
}

#[tokio::test]
async fn a_replica_of_redis_is_wrong() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    let how = redis::How {
        replica: true,
        ..redis::How::default()
    };
    let Some((signed, server)) = redis_server(&stage, how) else {
        return;
    };
    let ran = probe(&stage, "redis", &server.via(), &signed.ca).await;
    ran.assert("redis-role", "wrong", "a replica");
    ran.assert("redis-canary", "wrong", "no writes");
    assert_eq!(ran.code, Some(1), "{ran:?}");
}

/// Answers every request with `status`.
async fn page(status: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let answer =
                format!("HTTP/1.1 {status} X\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi");
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    port
}

#[tokio::test]
async fn a_health_page_is_judged_by_its_status() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    let ran = stage
        .run(&["probe", "--only", "http", "--output", "json"])
        .await;
    ran.assert("http", "skipped", "--http");
    let token = percent_encoding::utf8_percent_encode(
        crate::hunt::TOKEN,
        percent_encoding::NON_ALPHANUMERIC,
    );
    for (status, found, code) in [
        (200, "ok", 0),
        (204, "ok", 0),
        (301, "wrong", 1),
        (503, "wrong", 1),
    ] {
        let url = format!(
            "http://127.0.0.1:{}/health?token={token}",
            page(status).await
        );
        let arguments = [
            "probe", "--only", "http", "--http", &url, "--output", "json", "--count", "3",
        ];
        let ran = stage.run(&arguments).await;
        ran.assert("http", found, &status.to_string());
        assert_eq!(ran.code, Some(code), "{ran:?}");
    }
    let url = format!("http://127.0.0.1:{}/", free_port());
    let ran = stage
        .run(&[
            "probe", "--only", "http", "--http", &url, "--output", "json",
        ])
        .await;
    ran.assert("http", "unknown", "refused");
    // Speaks something else than TLS.
    let url = format!("https://127.0.0.1:{}/", page(200).await);
    let ran = stage
        .run(&[
            "probe", "--only", "http", "--http", &url, "--output", "json",
        ])
        .await;
    ran.assert("http", "wrong", "TLS");
}

#[tokio::test]
async fn names_lead_into_the_vpc_or_are_unknown() {
    let Some(mut stage) = Stage::open().await else {
        return;
    };
    // Names that no resolver is asked for.
    for (name, value) in [
        ("db_address", "localhost"),
        ("redis_endpoint", "192.0.2.1"),
        ("redis_reader_endpoint", "no..name"),
        ("cloudfront_domain_name", "192.0.2.2"),
    ] {
        stage.output(name, value);
    }
    let ran = stage
        .run(&["probe", "--only", "dns", "--output", "json"])
        .await;
    let found: Vec<String> = ran
        .found("dns")
        .into_iter()
        .map(|(status, _)| status)
        .collect();
    assert_eq!(found, ["ok", "wrong", "unknown", "ok"], "{ran:?}");
    assert_eq!(ran.code, Some(1));
}

#[tokio::test]
async fn what_a_bundle_and_a_tunnel_must_be_is_told() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    let empty = stage.folder("certificates").join("empty.pem");
    std::fs::write(&empty, "no certificate").unwrap();
    for arguments in [
        ["--ca", text(&empty)],
        ["--ca", "no-such-file"],
        ["--via", "buckets=127.0.0.1:1"],
        ["--via", "database=127.0.0.1"],
        ["--timeout", "0s"],
        ["--only", "everything"],
        ["--http", "https://jo:x@app.example/"],
    ] {
        let ran = stage.run(&["probe", arguments[0], arguments[1]]).await;
        assert_eq!(ran.code, Some(2), "{arguments:?}: {ran:?}");
    }
}
