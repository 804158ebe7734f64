//! A server with a certificate of its own, as a private endpoint has.

use std::sync::Arc;

use aws_env::{AwsEnv, ErrorClass, Options};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

const ANSWER: &str = "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
    <GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/jo</Arn><UserId>u</UserId>\
    <Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>";

/// Answers every connection with one caller's identity. Gives its port and its certificate.
async fn serve() -> anyhow::Result<(u16, String)> {
    let certified = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()])?;
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der())
        .map_err(anyhow::Error::msg)?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let mut request = [0; 8192];
            let _ = stream.read(&mut request).await;
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                ANSWER.len()
            );
            let _ = stream.write_all(head.as_bytes()).await;
            let _ = stream.write_all(ANSWER.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    Ok((port, certified.cert.pem()))
}

#[tokio::test]
async fn a_private_endpoint_is_trusted_with_its_bundle_only() -> anyhow::Result<()> {
    let (port, pem) = serve().await?;
    let bundle = tempfile::NamedTempFile::new()?;
    std::fs::write(&bundle, pem)?;
    let options = Options {
        endpoint_url: Some(format!("https://127.0.0.1:{port}")),
        credentials: Some(aws_credential_types::Credentials::new(
            "test", "test", None, None, "test",
        )),
        ..Options::default()
    };
    let with = Options {
        ca_bundle: Some(bundle.path().to_owned()),
        ..options.clone()
    };
    let region = "ca-central-1".parse()?;
    assert_eq!(
        AwsEnv::load(with)
            .await?
            .region(region)
            .account_id()
            .await?,
        "123456789012"
    );

    let error = AwsEnv::load(options)
        .await?
        .region(region)
        .account_id()
        .await
        .expect_err("not trusted");
    assert_eq!(error.class, ErrorClass::Unreachable, "{error}");
    Ok(())
}
