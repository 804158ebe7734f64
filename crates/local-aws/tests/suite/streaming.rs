//! Bodies pass piece by piece, unchanged. The base is a socket in the test: it sees every byte.

use std::io::ErrorKind;

use local_aws::{Base, Fault, FaultKind, LocalAws};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const MIB: usize = 1 << 20;

const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 Credential=test/20261122/us-east-1/s3/aws4_request, \
     SignedHeaders=host, Signature=0123";

/// A base in the test's own hands, and a connection of a client to the front.
async fn between() -> (LocalAws, TcpListener, TcpStream) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let base = Base::Url(format!("http://{}", listener.local_addr().unwrap()));
    let ready = async {
        // The question whether it is ready.
        let mut stream = listener.accept().await.unwrap().0;
        head(&mut stream).await;
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
            .await
            .unwrap();
    };
    let (aws, ()) = tokio::join!(LocalAws::builder().base(base).start(), ready);
    let aws = aws.unwrap();
    let client = TcpStream::connect(aws.endpoint().trim_start_matches("http://"))
        .await
        .unwrap();
    (aws, listener, client)
}

/// The next request to the base that is not a question for a bucket's home.
async fn accept(listener: &TcpListener) -> (TcpStream, String) {
    let mut stream = listener.accept().await.unwrap().0;
    loop {
        let head = head(&mut stream).await;
        if !head.starts_with("HEAD ") {
            return (stream, head);
        }
        stream
            .write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
            .await
            .unwrap();
    }
}

/// Reads up to the empty line.
async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

async fn read(stream: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await.unwrap();
    bytes
}

/// AWS sends a short answer in one piece. A client in Go that reads head and body apart at times gives up in between, and
/// asks again what has been done.
#[tokio::test]
async fn short_answer_comes_in_one_piece_however_the_base_sends_it() {
    let (aws, listener, mut client) = between().await;
    let get =
        format!("GET /b/k HTTP/1.1\r\nhost: b.localhost\r\nauthorization: {AUTHORIZATION}\r\n\r\n");
    client.write_all(get.as_bytes()).await.unwrap();
    let (mut base, _) = accept(&listener).await;
    base.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n")
        .await
        .unwrap();
    // The proxy has it by now: it has answered others since.
    for _ in 0..10 {
        let other = TcpStream::connect(aws.endpoint().trim_start_matches("http://"));
        let mut other = other.await.unwrap();
        other
            .write_all(b"GET / HTTP/1.1\r\nhost: a-stranger\r\n\r\n")
            .await
            .unwrap();
        assert!(head(&mut other).await.contains("403"));
    }
    let early = client.try_read(&mut [0; 1]).map_err(|error| error.kind());
    assert_eq!(early, Err(ErrorKind::WouldBlock), "the head came alone");
    base.write_all(b"{}").await.unwrap();
    let mut answer = vec![0; 4096];
    let length = client.read(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
    assert!(answer.ends_with("\r\n\r\n{}"), "{answer}");
}

#[tokio::test]
async fn sixty_four_mib_go_up_and_down_in_pieces() {
    let (aws, listener, mut client) = between().await;
    let put = format!(
        "PUT /b/k HTTP/1.1\r\nhost: b.localhost\r\nauthorization: {AUTHORIZATION}\r\ncontent-length: {}\r\n\r\n",
        64 * MIB
    );
    client.write_all(put.as_bytes()).await.unwrap();
    let (mut base, head_seen) = accept(&listener).await;
    assert!(
        head_seen.contains("host: b.localhost\r\n") && head_seen.contains(AUTHORIZATION),
        "{head_seen}"
    );
    // Each piece is only sent once the one before has come out at the other end.
    let piece = vec![42; MIB];
    for _ in 0..64 {
        client.write_all(&piece).await.unwrap();
        assert_eq!(read(&mut base, MIB).await, piece);
    }
    let answer = format!(
        "HTTP/1.1 200 OK\r\netag: \"x\"\r\ncontent-length: {}\r\n\r\n",
        64 * MIB
    );
    base.write_all(answer.as_bytes()).await.unwrap();
    let answer = head(&mut client).await;
    assert!(
        answer.starts_with("HTTP/1.1 200 OK") && answer.contains("etag: \"x\""),
        "{answer}"
    );
    for _ in 0..64 {
        base.write_all(&piece).await.unwrap();
        assert_eq!(read(&mut client, MIB).await, piece);
    }
    assert_eq!(aws.log()[0].status, Some(200));
}

#[tokio::test]
async fn a_signed_chunked_body_passes_unchanged() {
    let (_aws, listener, mut client) = between().await;
    let body = "5;chunk-signature=0123\r\nhello\r\n0;chunk-signature=4567\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n";
    let put = format!(
        "PUT /b/k?x-id=PutObject HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: {AUTHORIZATION}\r\n\
         content-encoding: aws-chunked\r\nx-amz-trailer: x-amz-checksum-crc32\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    client.write_all(put.as_bytes()).await.unwrap();
    let (mut base, head) = accept(&listener).await;
    assert!(
        head.starts_with("PUT /b/k?x-id=PutObject HTTP/1.1\r\n"),
        "{head}"
    );
    for header in [
        "content-encoding: aws-chunked",
        "x-amz-trailer: x-amz-checksum-crc32",
    ] {
        assert!(head.contains(header), "{head}");
    }
    assert_eq!(read(&mut base, body.len()).await, body.as_bytes());
}

#[tokio::test]
async fn trailers_of_a_chunked_transfer_pass() {
    let (_aws, listener, mut client) = between().await;
    let body = "5\r\nhello\r\n0\r\nx-amz-checksum-crc32: NhCmhg==\r\n\r\n";
    let put = format!(
        "PUT /b/k HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: {AUTHORIZATION}\r\ntrailer: x-amz-checksum-crc32\r\n\
         transfer-encoding: chunked\r\n\r\n{body}"
    );
    client.write_all(put.as_bytes()).await.unwrap();
    let (mut base, _) = accept(&listener).await;
    assert_eq!(
        head(&mut base).await,
        body.replace(": ", ":").replace(':', ": ")
    );
}

#[tokio::test]
async fn a_client_that_waits_for_100_continue_is_asked_for_its_body() {
    let (_aws, listener, mut client) = between().await;
    let put = format!(
        "PUT /b/k HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: {AUTHORIZATION}\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n"
    );
    client.write_all(put.as_bytes()).await.unwrap();
    let (mut base, seen) = accept(&listener).await;
    assert!(!seen.contains("expect"), "{seen}");
    assert!(head(&mut client).await.starts_with("HTTP/1.1 100 Continue"));
    client.write_all(b"hello").await.unwrap();
    assert_eq!(read(&mut base, 5).await, b"hello");
    base.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        .await
        .unwrap();
    assert!(head(&mut client).await.starts_with("HTTP/1.1 200 OK"));
}

#[tokio::test]
async fn an_answer_that_needs_no_body_is_read_by_a_client_that_sends_one() {
    let (aws, _listener, mut client) = between().await;
    aws.add_fault(Fault::new(FaultKind::Denied));
    let put = format!(
        "PUT /b/k HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: {AUTHORIZATION}\r\ncontent-length: {}\r\n\r\n",
        32 * MIB
    );
    client.write_all(put.as_bytes()).await.unwrap();
    for _ in 0..32 {
        client.write_all(&vec![42; MIB]).await.unwrap();
    }
    assert!(head(&mut client).await.starts_with("HTTP/1.1 403"));
}

#[tokio::test]
async fn a_base_that_goes_away_is_said_so() {
    let (aws, listener, mut client) = between().await;
    drop(listener);
    let get =
        format!("GET /b/k HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: {AUTHORIZATION}\r\n\r\n");
    client.write_all(get.as_bytes()).await.unwrap();
    assert!(head(&mut client).await.starts_with("HTTP/1.1 502"));
    assert_eq!(aws.log()[0].fault.as_deref(), Some("base-unreachable"));
}
