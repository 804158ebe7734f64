//! A URL that answers with success.

use std::str::FromStr;

use bytes::Bytes;
use http::{Request, Uri, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use report::finding::{Finding, Observation, Unobserved};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::link::{Deadline, Handshake, Trust, Way};
use super::{Latency, Outcome};
use crate::connection::Endpoint;

/// A health page is small; more than this is not read.
const MOST_BYTES: usize = 1 << 20;

/// An address to ask by HTTP, of which only scheme, host and path are ever shown.
#[derive(Debug, Clone)]
pub struct HealthUrl {
    tls: bool,
    endpoint: Endpoint,
    path: String,
    query: Option<String>,
}

/// No address that can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HealthUrlError {
    /// It is not `http://HOST/…` or `https://HOST/…`.
    #[error("a URL begins with http:// or https:// and a host")]
    NotHttp,
    /// Arguments can be seen by everybody on the machine.
    #[error("a URL with a user and a password is not taken")]
    Credentials,
}

impl FromStr for HealthUrl {
    type Err = HealthUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let uri: Uri = text.parse().map_err(|_| HealthUrlError::NotHttp)?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(HealthUrlError::NotHttp),
        };
        let authority = uri.authority().ok_or(HealthUrlError::NotHttp)?;
        if authority.as_str().contains('@') {
            return Err(HealthUrlError::Credentials);
        }
        let host = authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']');
        if host.is_empty() {
            return Err(HealthUrlError::NotHttp);
        }
        Ok(Self {
            tls,
            endpoint: Endpoint {
                host: host.to_owned(),
                port: authority.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            },
            path: uri.path().to_owned(),
            query: uri.query().map(str::to_owned),
        })
    }
}

impl HealthUrl {
    fn shown(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}{}", self.endpoint, self.path)
    }
}

pub(super) async fn probe(
    url: &HealthUrl,
    trust: &Trust,
    deadline: Deadline,
    count: usize,
) -> Outcome {
    let shown = url.shown();
    let mut out = Outcome::default();
    let mut took = Vec::with_capacity(count);
    let way = Way {
        endpoint: &url.endpoint,
        via: None,
        deadline,
    };
    let begun = Instant::now();
    let answered = ask(way, url, trust).await;
    if matches!(answered, Ok(Answered::Status(_))) {
        took.push(begun.elapsed());
    }
    let (seen, fix) = match answered {
        Ok(Answered::Status(status)) => (
            Ok(((200..300).contains(&status), format!("HTTP {status}"))),
            "look at the targets of the load balancer and at the log of the task",
        ),
        Ok(Answered::Refused { why, fix }) => (Ok((false, why)), fix),
        Err(unobserved) => (Err(unobserved), ""),
    };
    let right = matches!(seen, Ok((true, _)));
    out.findings
        .push(Finding::new("http", &shown, "an answer of 200 to 299", seen).fix(fix));
    if right {
        for _ in 1..count {
            let begun = Instant::now();
            match ask(way, url, trust).await {
                Ok(Answered::Status(200..300)) => took.push(begun.elapsed()),
                _ => break,
            }
        }
        let what = "connection and answer";
        out.measured(
            "http",
            &shown,
            what,
            Latency::new(format!("{shown} {what}"), took),
            count,
        );
    }
    out
}

enum Answered {
    Status(u16),
    Refused { why: String, fix: &'static str },
}

async fn ask(way: Way<'_>, url: &HealthUrl, trust: &Trust) -> Observation<Answered> {
    let stream = way.connect().await?;
    if !url.tls {
        return Ok(Answered::Status(
            way.deadline.within(get(url, stream)).await??,
        ));
    }
    match Handshake::with(way, trust, stream).await? {
        Handshake::Trusted { stream, .. } => Ok(Answered::Status(
            way.deadline.within(get(url, stream)).await??,
        )),
        Handshake::Refused { why, fix } => Ok(Answered::Refused { why, fix }),
    }
}

/// One request on a connection of its own; the body is read to its end, so that the time is that of all.
async fn get<S>(url: &HealthUrl, stream: S) -> Observation<u16>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let failed = |_| Unobserved::because("what answers does not speak HTTP, or broke off");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(failed)?;
    tokio::spawn(connection);
    let target = match &url.query {
        Some(query) => format!("{}?{query}", url.path),
        None => url.path.clone(),
    };
    let default = if url.tls { 443 } else { 80 };
    let host = if url.endpoint.port == default {
        url.endpoint.host.clone()
    } else {
        url.endpoint.to_string()
    };
    let request = Request::get(target)
        .header(header::HOST, host)
        .header(header::USER_AGENT, "verify-staging")
        .body(Empty::<Bytes>::new())
        .map_err(|_| Unobserved::because("the path cannot be asked for"))?;
    let answer = sender.send_request(request).await.map_err(failed)?;
    let status = answer.status().as_u16();
    Limited::new(answer.into_body(), MOST_BYTES)
        .collect()
        .await
        .map_err(|_| Unobserved::because("the answer broke off, or has more than 1 MiB"))?;
    Ok(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_scheme_host_and_path_of_a_url_are_shown() {
        let url: HealthUrl = "https://app.example/health?token=hunter2".parse().unwrap();
        assert_eq!(url.shown(), "https://app.example:443/health");
        let url: HealthUrl = "http://[::1]:8080".parse().unwrap();
        assert_eq!(
            (url.endpoint.host.as_str(), url.endpoint.port),
            ("::1", 8080)
        );
    }

    #[test]
    fn what_cannot_or_must_not_be_asked_is_refused() {
        for (text, error) in [
            ("app.example/health", HealthUrlError::NotHttp),
            ("ftp://app.example/", HealthUrlError::NotHttp),
            ("https://", HealthUrlError::NotHttp),
            (
                "https://jo:hunter2@app.example/",
                HealthUrlError::Credentials,
            ),
        ] {
            assert_eq!(text.parse::<HealthUrl>().unwrap_err(), error, "{text}");
        }
    }
}
