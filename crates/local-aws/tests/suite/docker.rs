//! The emulator in a container.

use std::collections::HashMap;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use aws_sdk_s3::primitives::ByteStream;
use local_aws::{Base, RegionState};
use testcontainers::bollard::models::ContainerSummary;
use testcontainers::bollard::query_parameters::ListContainersOptionsBuilder;
use testcontainers::core::client::docker_client_instance;

use crate::clients::{create_bucket, s3, start_or_return};
use crate::strangers::ask;

/// The containers that belong to the instance at `url`; `None` while the engine lists one in a state between running and
/// gone that its client does not know.
async fn listed(url: &str) -> Option<Vec<ContainerSummary>> {
    let port = url.rsplit(':').next().unwrap();
    let filter = HashMap::from([("label", vec![format!("local-aws.proxy-port={port}")])]);
    let options = ListContainersOptionsBuilder::new()
        .all(true)
        .filters(&filter)
        .build();
    let engine = docker_client_instance().await.unwrap();
    engine.list_containers(Some(options)).await.ok()
}

/// How many they are.
async fn containers(url: &str) -> Option<usize> {
    Some(listed(url).await?.len())
}

async fn until_none(url: &str) {
    let start = Instant::now();
    while containers(url).await != Some(0) {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "a container is left"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_container_serves_and_is_removed() {
    let aws = start_or_return!(Base::Docker);
    let client = s3(&aws, "ca-central-1");
    create_bucket(&client, "ca-central-1", "objects").await;
    let body = ByteStream::from_static(b"1");
    client
        .put_object()
        .bucket("objects")
        .key("k")
        .body(body)
        .send()
        .await
        .unwrap();
    aws.set_region("ca-central-1", RegionState::Refuse);
    client
        .head_bucket()
        .bucket("objects")
        .send()
        .await
        .unwrap_err();
    let url = aws.endpoint().to_owned();
    assert_eq!(containers(&url).await, Some(1));
    aws.stop().await;
    until_none(&url).await;
}

#[tokio::test]
async fn a_container_ends_with_a_program_that_was_killed() {
    // Says whether there is an engine.
    start_or_return!(Base::Docker).stop().await;
    let mut program = Command::new(env!("CARGO_BIN_EXE_local-aws"));
    let mut program = program
        .args(["up", "--base", "docker"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let control = crate::program::control(program.stdout.take().unwrap());
    assert_eq!(control.status().await.unwrap().base, "docker");
    assert_eq!(containers(control.url()).await, Some(1));
    program.kill().unwrap();
    program.wait().unwrap();
    until_none(control.url()).await;
}

/// Its ports are published on this machine: one answers only the proxy, the other only who started it.
#[tokio::test]
async fn a_container_answers_nobody_else() {
    let aws = start_or_return!(Base::Docker);
    let client = s3(&aws, "us-east-1");
    create_bucket(&client, "us-east-1", "objects").await;
    let listed = listed(aws.endpoint()).await.unwrap();
    let ports = listed[0].ports.clone().unwrap();
    assert_eq!(ports.len(), 2, "{ports:?}");
    for port in ports {
        assert_eq!(port.ip.as_deref(), Some("127.0.0.1"));
        let address = format!("127.0.0.1:{}", port.public_port.unwrap());
        for header in ["x-local-aws-secret: guessed", "accept: */*"] {
            if port.private_port == 4566 {
                let answer = ask(&address, "GET /objects", &[header], "").await;
                assert!(answer.starts_with("http/1.1 403 "), "{answer}");
            } else {
                // Whoever comes and goes here ends nothing.
                drop(tokio::net::TcpStream::connect(&address).await.unwrap());
            }
        }
    }
    client.head_bucket().bucket("objects").send().await.unwrap();
    aws.stop().await;
}
