use std::path::{Path, PathBuf};

use aws_smithy_http_client::tls::TrustStore;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// A certificate bundle (`AWS_CA_BUNDLE`) that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CaBundleError {
    /// The file cannot be read.
    #[error("read the certificate bundle {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file has no usable certificate in it.
    #[error("find a usable PEM certificate in {}", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

/// Trusts exactly the certificates in `path`, as the AWS CLI does with `AWS_CA_BUNDLE`.
///
/// The SDK's HTTP client panics on a certificate that it cannot parse, so that only those that
/// can serve as a trust anchor are handed on.
pub(crate) fn trust_bundle(path: &Path) -> Result<TrustStore, CaBundleError> {
    let pem = std::fs::read(path).map_err(|source| CaBundleError::Read {
        path: path.to_owned(),
        source,
    })?;
    let mut checked = RootCertStore::empty();
    let mut store = TrustStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem).flatten() {
        let encoded = BASE64_STANDARD.encode(certificate.as_ref());
        match checked.add(certificate) {
            Ok(()) => {
                // A bundle has some hundred of them, kept for as long as the program runs: nothing to spare.
                let (begin, end) = (
                    "-----BEGIN CERTIFICATE-----\n",
                    "\n-----END CERTIFICATE-----\n",
                );
                store.add_pem_certificate([begin, &encoded, end].concat());
            }
            Err(error) => tracing::warn!(bundle = %path.display(), %error, "certificate left out"),
        }
    }
    if checked.is_empty() {
        return Err(CaBundleError::Empty {
            path: path.to_owned(),
        });
    }
    Ok(store)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_without_certificates_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(
            &file,
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\nno certificate\n",
        )
        .unwrap();
        let error = trust_bundle(file.path()).unwrap_err();
        assert!(matches!(error, CaBundleError::Empty { .. }), "{error}");
        let error = trust_bundle(Path::new("no-such-file.pem")).unwrap_err();
        assert!(matches!(error, CaBundleError::Read { .. }), "{error}");
    }
}
