//! An authority as RDS has them, and the certificate of its servers.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use super::{DataError, Tools, at};

/// Where the servers are, by what a certificate names.
const HOST: &str = "127.0.0.1";

/// One for all servers, which have one address.
#[derive(Debug)]
pub(super) struct Authority {
    /// Its own certificate, in PEM.
    pub(super) pem: String,
    certificate: PathBuf,
    key: PathBuf,
}

impl Authority {
    /// Makes it, with the servers' certificate in the folder `root`.
    pub(super) fn new(tools: &Tools, root: &Path) -> Result<Self, DataError> {
        let certify = || -> Result<(String, String, String), rcgen::Error> {
            let mut params = CertificateParams::new(Vec::new())?;
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let name = "Local AWS RDS Root CA";
            params.distinguished_name.push(DnType::CommonName, name);
            let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
            let key = KeyPair::generate()?;
            let params = CertificateParams::new(vec![HOST.to_owned()])?;
            let certificate = params.signed_by(&key, &authority)?;
            let pem = authority.as_ref().pem();
            Ok((pem, certificate.pem(), key.serialize_pem()))
        };
        let (pem, certificate, key) = certify().map_err(DataError::Certificate)?;
        let write = |name: &str, text: &str| {
            let path = root.join(name);
            fs::write(&path, text).map_err(at(&path))?;
            // PostgreSQL refuses a key that others may read.
            tools.give_alone(&path)?;
            Ok::<_, DataError>(path)
        };
        Ok(Self {
            pem,
            certificate: write("server.pem", &certificate)?,
            key: write("server.key", &key)?,
        })
    }

    /// What a server is told of it. Sessions without TLS stay possible.
    pub(super) fn settings(&self) -> Vec<String> {
        vec![
            "ssl=on".to_owned(),
            format!("ssl_cert_file={}", self.certificate.display()),
            format!("ssl_key_file={}", self.key.display()),
        ]
    }
}
