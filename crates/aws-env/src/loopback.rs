//! Requests to this machine go to no proxy, whatever `NO_PROXY` says: a proxy would get signed requests, and would ask its
//! own machine.

use std::fmt;
use std::net::IpAddr;
use std::sync::OnceLock;

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;

/// Makes a connector that goes through these proxies.
type Make = Box<dyn Fn(ProxyConfig) -> SharedHttpConnector + Send + Sync>;

/// Goes through the proxies of the environment, but not to this machine. Each connector is made when it is first needed.
pub(crate) struct PastProxies {
    make: Make,
    direct: OnceLock<SharedHttpConnector>,
    proxied: OnceLock<SharedHttpConnector>,
}

impl PastProxies {
    pub(crate) fn new(
        make: impl Fn(ProxyConfig) -> SharedHttpConnector + Send + Sync + 'static,
    ) -> Self {
        Self {
            make: Box::new(make),
            direct: OnceLock::new(),
            proxied: OnceLock::new(),
        }
    }
}

impl fmt::Debug for PastProxies {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PastProxies")
    }
}

impl HttpConnector for PastProxies {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let connector = if is_loopback(request.uri()) {
            self.direct
                .get_or_init(|| (self.make)(ProxyConfig::disabled()))
        } else {
            self.proxied
                .get_or_init(|| (self.make)(ProxyConfig::from_env()))
        };
        connector.call(request)
    }
}

/// Whether a URL leads to this machine: by address, or by a name that no name server is asked for (RFC 6761).
fn is_loopback(url: &str) -> bool {
    let Some((_, rest)) = url.split_once("://") else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost"
        || name.ends_with(".localhost")
        || address
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_loopback_knows_this_machine_by_every_name() {
        for (url, expected) in [
            ("http://127.0.0.1:4566/b?a=b", true),
            ("http://127.1.2.3", true),
            ("https://[::1]:443/", true),
            ("http://[::1]", true),
            ("http://LOCALHOST.:80/", true),
            ("http://b.s3.localhost/k", true),
            ("http://user@localhost/k", true),
            ("https://s3.ca-central-1.amazonaws.com/", false),
            ("http://localhost.example/", false),
            ("http://localhost@example/", false),
            ("http://127.0.0.1.example/", false),
            ("http://example/127.0.0.1", false),
            ("http://10.0.0.1/", false),
            ("127.0.0.1", false),
        ] {
            assert_eq!(is_loopback(url), expected, "{url}");
        }
    }
}
