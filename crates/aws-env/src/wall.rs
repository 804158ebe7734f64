//! The wall around a region: an HTTP client that sends nothing to any other.

use std::fmt;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use settings::Region;

use crate::CallCount;

/// A request for another region than the one that its client may call. It was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the request is signed for {signed_for}, and only {allowed} may be called here")]
pub struct OutsideRegion {
    /// The region that the client may call.
    pub allowed: Region,
    /// The region that the request was signed for.
    pub signed_for: String,
}

/// Sends what is signed for one region, and refuses all else before it leaves.
#[derive(Debug)]
pub(crate) struct RegionWall {
    pub(crate) allowed: Region,
    pub(crate) calls: CallCount,
    pub(crate) inner: SharedHttpClient,
}

impl HttpClient for RegionWall {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(WalledConnector {
            allowed: self.allowed,
            calls: self.calls.clone(),
            inner: self.inner.http_connector(settings, components),
        })
    }
}

struct WalledConnector {
    allowed: Region,
    calls: CallCount,
    inner: SharedHttpConnector,
}

impl fmt::Debug for WalledConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WalledConnector({})", self.allowed)
    }
}

impl HttpConnector for WalledConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let signed_for = signing_region(&request).unwrap_or("no region");
        if signed_for == self.allowed.as_str() {
            self.calls.add(self.allowed);
            return self.inner.call(request);
        }
        HttpConnectorFuture::ready(Err(ConnectorError::user(Box::new(OutsideRegion {
            allowed: self.allowed,
            signed_for: signed_for.to_owned(),
        }))))
    }
}

/// The region in the credential scope of Signature Version 4, `…/20261129/us-east-1/s3/aws4_request`:
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>. Version 4a signs
/// for a set of regions, which is none.
fn signing_region(request: &HttpRequest) -> Option<&str> {
    let header = request.headers().get("authorization")?;
    let scope = header
        .strip_prefix("AWS4-HMAC-SHA256 ")?
        .split(", ")
        .find_map(|part| part.trim().strip_prefix("Credential="))?;
    scope.rsplit('/').nth(2)
}
