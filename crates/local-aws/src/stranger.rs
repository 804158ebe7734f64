//! Requests that no client of AWS sends, and a page in somebody's browser does.
//!
//! Pages can send requests to every port of the machine. They cannot leave out these headers, and a name that was made
//! to lead here (DNS rebinding) is in `Host`.

use http::HeaderMap;
use http::header::{HOST, HeaderName, ORIGIN};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Why a request is refused before anybody looks at what it asks for.
pub(crate) fn refusal(headers: &HeaderMap) -> Option<&'static str> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if headers.contains_key(ORIGIN) {
        return Some("not for browsers: the request has an Origin");
    }
    if text(SEC_FETCH_SITE).is_some_and(|site| site != "none") {
        return Some("not for browsers: another page made this request");
    }
    if text(HOST).is_some_and(|host| !is_loopback(host)) {
        return Some("Host is no name of this machine");
    }
    None
}

/// `127.0.0.1`, `[::1]`, `localhost` and what is below it, which no name server is asked for (RFC 6761).
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost"
        || name.ends_with(".localhost")
        || name == "[::1]"
        || name
            .parse::<std::net::Ipv4Addr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusal_meets_pages_and_names_that_lead_here() {
        for (name, value, refused) in [
            ("host", "127.0.0.1:4566", false),
            ("host", "localhost", false),
            ("host", "bucket.s3.localhost:80", false),
            ("host", "[::1]:80", false),
            ("host", "evil.example", true),
            ("host", "evil.example:4566", true),
            ("host", "127.0.0.1.evil.example", true),
            ("host", "localhost.evil.example", true),
            ("host", "192.168.1.7", true),
            ("origin", "http://127.0.0.1:4566", true),
            ("origin", "null", true),
            ("sec-fetch-site", "cross-site", true),
            ("sec-fetch-site", "same-site", true),
            ("sec-fetch-site", "none", false),
        ] {
            let name = HeaderName::from_static(name);
            let mut headers = HeaderMap::new();
            headers.insert(name.clone(), http::HeaderValue::from_static(value));
            assert_eq!(refusal(&headers).is_some(), refused, "{name}: {value}");
        }
        assert_eq!(refusal(&HeaderMap::new()), None);
    }
}
