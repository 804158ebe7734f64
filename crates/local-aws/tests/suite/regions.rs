//! Regions that go away and come back.

use aws_sdk_s3::primitives::ByteStream;
use local_aws::{LocalAws, RegionState};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::clients::{create_bucket, dynamodb, iam, iam_in, s3, start_or_return};

#[tokio::test]
async fn a_refused_region_looks_like_a_network_failure() {
    let aws = start_or_return!();
    let primary = s3(&aws, "ca-central-1");
    let dr = s3(&aws, "us-east-1");
    create_bucket(&primary, "ca-central-1", "state").await;
    create_bucket(&dr, "us-east-1", "state-dr").await;
    let put = primary
        .put_object()
        .bucket("state")
        .key("k")
        .body(ByteStream::from_static(b"1"));
    put.send().await.unwrap();

    aws.set_region("ca-central-1", RegionState::Refuse);
    aws.clear_log();
    // On the connection that is open already, and on a new one.
    for client in [&primary, &s3(&aws, "ca-central-1")] {
        let error = client
            .get_object()
            .bucket("state")
            .key("k")
            .send()
            .await
            .unwrap_err();
        let failure = error.as_service_error();
        assert!(failure.is_none(), "no answer may come, but: {failure:?}");
        assert!(
            matches!(error, aws_sdk_s3::error::SdkError::DispatchFailure(_)),
            "{error:?}"
        );
    }
    dynamodb(&aws, "ca-central-1")
        .list_tables()
        .send()
        .await
        .unwrap_err();
    dr.head_bucket().bucket("state-dr").send().await.unwrap();

    let log = aws.log();
    let refused: Vec<_> = log
        .iter()
        .filter(|entry| entry.region.as_deref() == Some("ca-central-1"))
        .collect();
    assert!(refused.len() >= 3, "{log:#?}");
    for entry in refused {
        assert_eq!(
            (entry.status, entry.fault.as_deref()),
            (None, Some("region-refused"))
        );
    }

    aws.set_region("ca-central-1", RegionState::Up);
    let answer = primary
        .get_object()
        .bucket("state")
        .key("k")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.body.collect().await.unwrap().to_vec(), b"1");
    aws.stop().await;
}

#[tokio::test]
async fn a_refused_request_is_answered_with_a_tcp_reset() {
    let aws = start_or_return!();
    aws.set_region("ca-central-1", RegionState::Refuse);
    let address = aws.endpoint().trim_start_matches("http://").to_owned();
    let mut client = TcpStream::connect(address).await.unwrap();
    let request = "GET /b/k HTTP/1.1\r\nhost: 127.0.0.1\r\n\
         authorization: AWS4-HMAC-SHA256 Credential=k/20261122/ca-central-1/s3/aws4_request\r\n\r\n";
    client.write_all(request.as_bytes()).await.unwrap();
    let error = client.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_black_hole_answers_when_the_region_is_back() {
    let aws = start_or_return!();
    let client = s3(&aws, "ca-central-1");
    aws.set_region("ca-central-1", RegionState::BlackHole);
    let request = tokio::spawn({
        let client = client.clone();
        async move { client.list_buckets().send().await }
    });
    // Held, not answered: other regions are served meanwhile, in whatever order things run.
    for _ in 0..20 {
        s3(&aws, "us-east-1").list_buckets().send().await.unwrap();
    }
    assert!(!request.is_finished());
    assert!(
        aws.log()
            .iter()
            .all(|entry| entry.region.as_deref() == Some("us-east-1"))
    );

    aws.set_region("ca-central-1", RegionState::Up);
    request.await.unwrap().unwrap();
    let entry = aws.log().pop().unwrap();
    assert_eq!(
        (entry.operation.as_str(), entry.status),
        ("ListBuckets", Some(200))
    );
    assert_eq!(entry.fault.as_deref(), Some("region-black-hole"));
}

#[tokio::test]
async fn a_client_that_gives_up_in_a_black_hole_leaves_a_line_in_the_log() {
    let aws = start_or_return!();
    aws.set_region("ca-central-1", RegionState::BlackHole);
    let address = aws.endpoint().trim_start_matches("http://").to_owned();
    let mut client = TcpStream::connect(address).await.unwrap();
    let body = r#"{"TableName":"locks"}"#;
    let request = format!(
        "POST / HTTP/1.1\r\nhost: 127.0.0.1\r\nx-amz-target: DynamoDB_20120810.DescribeTable\r\ncontent-length: {}\r\n\
         authorization: AWS4-HMAC-SHA256 Credential=k/20261122/ca-central-1/dynamodb/aws4_request\r\n\r\n{body}",
        body.len()
    );
    client.write_all(request.as_bytes()).await.unwrap();
    drop(client);
    let entry = loop {
        if let Some(entry) = aws.log().pop() {
            break entry;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(
        (entry.operation.as_str(), entry.resource.as_deref()),
        ("DescribeTable", Some("locks"))
    );
    assert_eq!(
        (entry.status, entry.fault.as_deref()),
        (None, Some("region-black-hole"))
    );
}

#[tokio::test]
async fn an_answer_on_its_way_is_cut_when_the_region_goes() {
    let aws = start_or_return!();
    let client = s3(&aws, "ca-central-1");
    create_bucket(&client, "ca-central-1", "objects").await;
    // More than what fits into the buffers of all the sockets on the way.
    let body = ByteStream::from(vec![7; 64 << 20]);
    client
        .put_object()
        .bucket("objects")
        .key("large")
        .body(body)
        .send()
        .await
        .unwrap();
    let mut answer = client
        .get_object()
        .bucket("objects")
        .key("large")
        .send()
        .await
        .unwrap();
    answer.body.next().await.unwrap().unwrap();
    aws.set_region("ca-central-1", RegionState::Refuse);
    let mut received = 0;
    let end = loop {
        match answer.body.next().await {
            Some(Ok(bytes)) => received += bytes.len(),
            other => break other,
        }
    };
    end.expect("an error, not an orderly end").unwrap_err();
    assert!(received < 64 << 20);
}

/// The status of an answer to a request without a body; 0 where the connection was reset.
async fn status(aws: &LocalAws, request: &str, scope: &str) -> u16 {
    let address = aws.endpoint().trim_start_matches("http://").to_owned();
    let mut client = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "{request} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 0\r\nconnection: close\r\n\
         authorization: AWS4-HMAC-SHA256 Credential=k/20261122/{scope}/aws4_request\r\n\r\n"
    );
    client.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    match client.read_to_end(&mut answer).await {
        Ok(_) => String::from_utf8_lossy(&answer)[9..12].parse().unwrap(),
        Err(error) => {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
            0
        }
    }
}

// aws-behaviour: 42
#[tokio::test]
async fn us_east_1_off_takes_the_apis_of_global_services_with_it_whatever_region_signed() {
    let aws = start_or_return!();
    let global = [
        ("GET /2020-05-31/distribution", "cloudfront"),
        ("GET /2013-04-01/hostedzone", "route53"),
        ("POST /?Action=ListRoles&Version=2010-05-08", "iam"),
    ];
    let identity = "POST /?Action=GetCallerIdentity&Version=2011-06-15";
    let primary = s3(&aws, "ca-central-1");
    create_bucket(&primary, "ca-central-1", "state").await;
    let role = |name: &str| {
        let role = iam_in(&aws, "ca-central-1").create_role().role_name(name);
        role.assume_role_policy_document("{}").send()
    };
    aws.set_region("ca-central-1", RegionState::Refuse);
    // A lost region takes none of them, though it is the one that was signed for.
    role("before").await.unwrap();
    for (request, service) in global {
        assert_eq!(
            status(&aws, request, &format!("ca-central-1/{service}")).await,
            200,
            "{service}"
        );
    }
    aws.set_region("ca-central-1", RegionState::Up);
    aws.set_region("us-east-1", RegionState::Refuse);
    for region in ["us-east-1", "ca-central-1", "ca-west-1"] {
        for (request, service) in global {
            let got = status(&aws, request, &format!("{region}/{service}")).await;
            assert_eq!(got, 0, "{service} of {region}");
        }
    }
    role("late").await.unwrap_err();
    // The data planes go on: signed requests, and STS in a region that is up. Its global endpoint does not.
    primary.head_bucket().bucket("state").send().await.unwrap();
    assert_eq!(status(&aws, identity, "ca-central-1/sts").await, 200);
    assert_eq!(status(&aws, identity, "us-east-1/sts").await, 0);
    aws.set_region("us-east-1", RegionState::Up);
    let roles = iam(&aws).list_roles().send().await.unwrap();
    let mut names = roles.roles().iter().map(|role| role.role_name());
    assert!(names.any(|name| name == "before") && !names.any(|name| name == "late"));
}
