//! Requests to this machine go to no proxy of the environment.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_env::{AwsEnv, Options};

const ANSWER: &str = "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
    <GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/jo</Arn><UserId>u</UserId>\
    <Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>";

/// Where the test, run anew with a proxy in its environment, shall send its request.
const ENDPOINT: &str = "PROXY_TEST_ENDPOINT";

/// Answers every request; counts them.
fn serve() -> std::io::Result<(String, Arc<AtomicUsize>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            count.fetch_add(1, Ordering::SeqCst);
            // Whoever goes away early has been counted.
            let _ = answer(stream);
        }
    });
    Ok((url, asked))
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut request = [0; 8192];
    let _ = stream.read(&mut request)?;
    let length = ANSWER.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(ANSWER.as_bytes())
}

#[tokio::test]
async fn identity_through_the_environment() -> anyhow::Result<()> {
    let Ok(endpoint) = std::env::var(ENDPOINT) else {
        // Only as a child of the test below.
        return Ok(());
    };
    let options = Options {
        endpoint_url: Some(endpoint),
        credentials: Some(aws_credential_types::Credentials::new(
            "test", "test", None, None, "test",
        )),
        ..Options::default()
    };
    let env = AwsEnv::load(options).await?;
    let clients = env.region("us-east-1".parse()?);
    clients.account_id().await?;
    Ok(())
}

#[test]
fn requests_to_this_machine_go_to_no_proxy() -> anyhow::Result<()> {
    let (proxy, proxied) = serve()?;
    let (server, asked) = serve()?;
    let run = |endpoint: &str| -> anyhow::Result<()> {
        let output = Command::new(std::env::current_exe()?)
            .args(["--exact", "identity_through_the_environment", "--nocapture"])
            .env(ENDPOINT, endpoint)
            .envs(["HTTP_PROXY", "http_proxy", "ALL_PROXY"].map(|name| (name, &proxy)))
            .env_remove("NO_PROXY")
            .env_remove("no_proxy")
            .output()?;
        anyhow::ensure!(output.status.success(), "{output:?}");
        Ok(())
    };
    run(&server)?;
    let counts = || (asked.load(Ordering::SeqCst), proxied.load(Ordering::SeqCst));
    assert_eq!(counts(), (1, 0));
    // All else does, as the environment wants it.
    run("http://sts.example")?;
    assert_eq!(counts(), (1, 1));
    Ok(())
}
