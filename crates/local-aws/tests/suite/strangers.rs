//! Who is no client of AWS: pages in a browser, other processes, code in functions.

use std::fs;

use local_aws::{Base, LocalAws};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::clients::{create_bucket, s3, start_or_return};

/// Sends a request as it is to a port of this machine; returns the whole answer.
pub(crate) async fn ask(address: &str, request: &str, headers: &[&str], body: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let host = if headers.iter().any(|header| header.starts_with("host:")) {
        String::new()
    } else {
        format!("host: {address}\r\n")
    };
    let more: String = headers
        .iter()
        .map(|header| format!("{header}\r\n"))
        .collect();
    let length = body.len();
    let text = format!(
        "{request} HTTP/1.1\r\n{host}{more}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).to_lowercase()
}

pub(crate) fn address(aws: &LocalAws) -> &str {
    aws.endpoint().trim_start_matches("http://")
}

#[tokio::test]
async fn requests_of_pages_and_of_names_that_lead_here_are_refused() {
    let aws = start_or_return!();
    for header in [
        "origin: http://evil.example",
        "origin: null",
        "sec-fetch-site: cross-site",
        "host: evil.example",
        "host: 127.0.0.1.evil.example:80",
    ] {
        for request in [
            "GET /",
            "PUT /bucket",
            "OPTIONS /bucket",
            "POST /2015-03-31/functions",
            "GET /_local-aws/status",
            "DELETE /_local-aws/log",
            "POST /_local-aws/stop",
        ] {
            let answer = ask(address(&aws), request, &[header], "").await;
            assert!(
                answer.starts_with("http/1.1 403 "),
                "{header} {request}: {answer}"
            );
            assert!(!answer.contains("access-control-"), "{answer}");
        }
    }
    assert_eq!(aws.log(), [], "nothing has reached AWS");
    for host in ["localhost", "bucket.s3.localhost:80", "[::1]"] {
        let host = format!("host: {host}");
        let answer = ask(address(&aws), "GET /_local-aws/status", &[&host], "").await;
        assert!(answer.starts_with("http/1.1 200 "), "{host}: {answer}");
    }
}

/// The port on which a process listens, from what Linux shows of it.
fn port_of(process: u32) -> Option<u16> {
    let mut sockets = Vec::new();
    for entry in fs::read_dir(format!("/proc/{process}/fd")).ok()?.flatten() {
        let target = fs::read_link(entry.path()).unwrap_or_default();
        let target = target.to_string_lossy().into_owned();
        let inode = target
            .strip_prefix("socket:[")
            .and_then(|rest| rest.strip_suffix(']'));
        sockets.extend(inode.map(str::to_owned));
    }
    let table = fs::read_to_string("/proc/net/tcp").ok()?;
    table.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let listens = fields.get(3) == Some(&"0A");
        let own = fields
            .get(9)
            .is_some_and(|inode| sockets.iter().any(|socket| socket == inode));
        let (_, port) = fields.get(1)?.rsplit_once(':')?;
        (listens && own)
            .then(|| u16::from_str_radix(port, 16).ok())
            .flatten()
    })
}

#[expect(clippy::print_stderr, reason = "the reason why a test is skipped")]
async fn emulator_answers_nobody_else(base: Base) {
    let aws = start_or_return!(base);
    let client = s3(&aws, "us-east-1");
    create_bucket(&client, "us-east-1", "objects").await;
    let Some(port) = port_of(aws.process_id().unwrap()) else {
        eprintln!("skipped: this system does not show which ports a process has");
        return;
    };
    let emulator = format!("127.0.0.1:{port}");
    for headers in [&[][..], &["x-local-aws-secret: guessed"]] {
        for request in [
            "GET /",
            "GET /objects",
            "PUT /objects/k",
            "GET /_ministack/health",
            "GET /_localstack/health",
        ] {
            let answer = ask(&emulator, request, headers, "").await;
            assert!(answer.starts_with("http/1.1 403 "), "{request}: {answer}");
        }
    }
    let list = client
        .list_objects_v2()
        .bucket("objects")
        .send()
        .await
        .unwrap();
    assert!(list.contents().is_empty());
    // What it would tell pages does not get through.
    let scope =
        "authorization: AWS4-HMAC-SHA256 Credential=test/20261122/us-east-1/s3/aws4_request";
    let answer = ask(address(&aws), "GET /objects", &[scope], "").await;
    assert!(answer.starts_with("http/1.1 200 "), "{answer}");
    assert!(!answer.contains("access-control-"), "{answer}");
}

#[tokio::test]
async fn emulator_answers_nobody_else_with_ministack() {
    emulator_answers_nobody_else(Base::Ministack).await;
}

#[tokio::test]
async fn emulator_answers_nobody_else_with_moto() {
    emulator_answers_nobody_else(Base::Moto).await;
}

#[tokio::test]
async fn emulator_answers_nobody_else_with_localstack() {
    emulator_answers_nobody_else(Base::Localstack).await;
}

/// `f.py`: `def h(event, context): return "it ran"`, as a ZIP file in Base64.
const CODE: &str = "UEsDBBQAAAAAAAAAIQA9UoVEKwAAACsAAAAEAAAAZi5weWRlZiBoKGV2ZW50LCBjb250ZXh0KToKICAgIHJldHVybiAiaXQgcmFuIgpQSwECFAMUAAAAAAAAACEAPVKFRCsAAAArAAAABAAAAAAAAAAAAAAApAEAAAAAZi5weVBLBQYAAAAAAQABADIAAABNAAAAAAA=";

/// What an invocation of a new function answers.
async fn invoked(aws: &LocalAws) -> String {
    let scope =
        "authorization: AWS4-HMAC-SHA256 Credential=test/20261122/us-east-1/lambda/aws4_request";
    let create = serde_json::json!({
        "FunctionName": "f", "Runtime": "python3.12", "Handler": "f.h", "Code": { "ZipFile": CODE },
        "Role": "arn:aws:iam::000000000000:role/f",
    });
    let functions = "POST /2015-03-31/functions";
    let made = ask(address(aws), functions, &[scope], &create.to_string()).await;
    assert!(made.starts_with("http/1.1 201 "), "{made}");
    let invoke = format!("{functions}/f/invocations");
    ask(address(aws), &invoke, &[scope], "{}").await
}

#[tokio::test]
async fn code_of_functions_runs_only_where_it_is_asked_for() {
    let aws = start_or_return!();
    let answer = invoked(&aws).await;
    assert!(!answer.contains("it ran"), "{answer}");
    assert!(answer.contains("--executors"), "it is said why: {answer}");
    aws.stop().await;

    let mut builder = LocalAws::builder().executors();
    if let Some(path) = std::env::var_os("LOCAL_AWS_CACHE") {
        builder = builder.cache_dir(path);
    }
    let Some(aws) = builder.start_or_skip().await.unwrap() else {
        return;
    };
    let answer = invoked(&aws).await;
    assert!(answer.contains("it ran"), "{answer}");
}
