//! Every operation of RDS's service model: which the simulation answers, which it refuses, and which are the base's.

use std::sync::{Arc, Mutex};

use local_aws::{Base, LocalAws};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::stepped;
use crate::strangers::{address, ask};

/// The operations of the service model 2014-10-31, as in aws-sdk-rds 1.159, each with what becomes of it. The base has what is
/// of clusters, proxies and subscriptions; all else is of instances, snapshots, backups and their groups, which it does not know.
const OPERATIONS: &str = include_str!("operations.tsv");

/// Reads a request, remembers its body, and gives an answer that nobody takes for one of RDS.
async fn answer(mut stream: TcpStream, bodies: Arc<Mutex<Vec<String>>>) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).to_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"));
    let length = length.and_then(|length| length.trim().parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await?;
    bodies
        .lock()
        .unwrap()
        .push(String::from_utf8_lossy(&body).into_owned());
    let answer = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 4\r\n\r\nbase";
    stream.write_all(answer.as_bytes()).await
}

#[tokio::test]
async fn operations_are_answered_refused_or_the_bases_and_none_falls_through() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let base = Base::Url(format!("http://{}", listener.local_addr().unwrap()));
    let bodies = Arc::new(Mutex::new(Vec::new()));
    let serve = {
        let bodies = bodies.clone();
        async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, bodies.clone()));
            }
        }
    };
    let serving = tokio::spawn(serve);
    let aws = LocalAws::builder().base(base).rds(stepped()).start();
    let aws = aws.await.unwrap();
    // One that AWS may have by now is not the base's either.
    let later = "DescribeDBInstancesOfTomorrow\trefused";
    for line in OPERATIONS.lines().chain([later]) {
        let (operation, wanted) = line.split_once('\t').unwrap();
        bodies.lock().unwrap().clear();
        let scope = "authorization: AWS4-HMAC-SHA256 Credential=test/20261122/ca-central-1/rds/aws4_request";
        let form = "content-type: application/x-www-form-urlencoded";
        let body = format!("Action={operation}&Version=2014-10-31");
        let answer = ask(address(&aws), "POST /", &[scope, form], &body).await;
        let asked = bodies.lock().unwrap().contains(&body);
        let is_refused = answer.contains("<code>notsimulated</code>");
        let found = match (asked, is_refused) {
            (true, false) => "base",
            (false, true) => "refused",
            (false, false) => "answered",
            (true, true) => "both",
        };
        assert_eq!(found, wanted, "{operation}: {answer}");
        if found == "answered" {
            // A result, or a refusal in RDS's words for want of inputs.
            let is_of_rds = answer.contains(&format!("<{operation}result>").to_lowercase())
                || answer.contains(&format!("<{operation}response").to_lowercase())
                || answer.contains("<errorresponse");
            assert!(is_of_rds, "{operation}: {answer}");
        }
    }
    serving.abort();
}
