//! Connections: through a tunnel or not, in plain or by TLS, within a time.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use report::finding::{Observation, Unobserved};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::connection::Endpoint;

/// Whose certificates are trusted.
#[derive(Debug, Clone)]
pub struct Trust(Arc<ClientConfig>);

/// No certificate that can be trusted.
#[derive(Debug, thiserror::Error)]
#[error("no certificate that can serve as an authority")]
pub struct TrustError;

impl Trust {
    /// Trusts the authorities of a file in PEM and no others.
    ///
    /// # Errors
    /// When it is no PEM, or none of them can serve as one.
    pub fn of_pem(pem: &[u8]) -> Result<Self, TrustError> {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        Self::new(certificates.map_err(|_| TrustError)?)
    }

    /// Trusts these authorities and no others.
    ///
    /// # Errors
    /// When none of them can serve as one.
    pub fn new(
        authorities: impl IntoIterator<Item = CertificateDer<'static>>,
    ) -> Result<Self, TrustError> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(authorities);
        if roots.is_empty() {
            return Err(TrustError);
        }
        // Named here: no default of the process is relied on.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|_| TrustError)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }
}

/// When a probe gives up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    at: Instant,
    timeout: Duration,
}

impl Deadline {
    pub(super) fn new(timeout: Duration) -> Self {
        Self {
            at: Instant::now() + timeout,
            timeout,
        }
    }

    /// What `work` gives, unless it is still not done then.
    pub(super) async fn within<T>(self, work: impl Future<Output = T>) -> Observation<T> {
        tokio::time::timeout_at(self.at, work).await.map_err(|_| {
            Unobserved::because(format!("no answer within {} s", self.timeout.as_secs_f64()))
        })
    }
}

/// Where a server is, and how it is reached.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Way<'a> {
    pub(super) endpoint: &'a Endpoint,
    /// The near end of a tunnel.
    pub(super) via: Option<&'a str>,
    pub(super) deadline: Deadline,
}

impl Way<'_> {
    pub(super) async fn connect(&self) -> Observation<TcpStream> {
        let connected = match self.via {
            Some(via) => self.deadline.within(TcpStream::connect(via)).await?,
            None => {
                let Endpoint { host, port } = self.endpoint;
                self.deadline
                    .within(TcpStream::connect((host.as_str(), *port)))
                    .await?
            }
        };
        let through = match self.via {
            Some(via) => format!("{via} for {}", self.endpoint),
            None => self.endpoint.to_string(),
        };
        let stream = connected.map_err(|error| {
            Unobserved::because(format!("cannot connect to {through}: {}", kind(&error)))
        })?;
        // Latency is measured: no waiting for more to send.
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }
}

/// How a TLS handshake ended.
pub(crate) enum Handshake {
    /// The certificate is for the real host, whatever way was taken to it.
    Trusted {
        stream: Box<TlsStream<TcpStream>>,
        version: String,
    },
    /// The server is not to be spoken to.
    Refused { why: String, fix: &'static str },
}

/// What to do about a certificate that nobody known has signed.
const UNKNOWN_ISSUER: &str = "if the server is RDS, fetch its authorities: curl -O https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem, then add --ca global-bundle.pem";
const BAD_CERTIFICATE: &str = "find out who answers at this address before any password is sent there; the way may lead to another server";
const NO_TLS: &str =
    "enforce TLS on the server: rds.force_ssl = 1, transit_encryption_mode = \"required\"";

impl Handshake {
    pub(super) async fn with(
        way: Way<'_>,
        trust: &Trust,
        stream: TcpStream,
    ) -> Observation<Handshake> {
        let host = way.endpoint.host.as_str();
        let name = ServerName::try_from(host.to_owned()).map_err(|_| {
            Unobserved::because(format!("{host} is no name that a certificate can have"))
        })?;
        let connector = TlsConnector::from(trust.0.clone());
        match way.deadline.within(connector.connect(name, stream)).await? {
            Ok(stream) => {
                let (_, session) = stream.get_ref();
                let version = session
                    .protocol_version()
                    .and_then(|version| version.as_str())
                    .unwrap_or("TLS of an unknown version")
                    .replace("TLSv1_", "TLS 1.");
                Ok(Self::Trusted {
                    stream: Box::new(stream),
                    version,
                })
            }
            Err(error) => Self::failed(&error),
        }
    }

    /// A server that answers something else than TLS is wrong; one that goes away is unknown: so does a
    /// tunnel with nobody at its far end.
    fn failed(error: &io::Error) -> Observation<Self> {
        let tls = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match tls {
            Some(rustls::Error::InvalidCertificate(why)) => {
                let fix = match why {
                    CertificateError::UnknownIssuer => UNKNOWN_ISSUER,
                    _ => BAD_CERTIFICATE,
                };
                let why = format!("the certificate is not to be trusted: {}", certificate(why));
                Ok(Self::Refused { why, fix })
            }
            Some(error) => Ok(Self::not_offered(format!("no TLS handshake: {error}"))),
            None => Err(Unobserved::because(format!(
                "the connection ended during the TLS handshake: {}",
                kind(error)
            ))),
        }
    }

    pub(super) fn not_offered(why: impl Into<String>) -> Self {
        Self::Refused {
            why: why.into(),
            fix: NO_TLS,
        }
    }
}

fn certificate(why: &CertificateError) -> String {
    match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "it has expired".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for another name".to_owned()
        }
        CertificateError::UnknownIssuer => "its issuer is not known".to_owned(),
        other => other.to_string(),
    }
}

/// An input or output error in a word; its own text may name paths.
pub(super) fn kind(error: &io::Error) -> String {
    error.kind().to_string()
}
