//! Reads that are made once, however many ask.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use tokio::sync::OnceCell;

/// Answers to reads, for as long as one look at AWS takes: what one part of a program has asked, another part that asks
/// the same gets from here, also while the first still waits.
///
/// Only what was found or is absent is kept (HTTP 2xx and 404): a failed read goes to AWS again. Calls that may change
/// something are passed on.
#[derive(Debug, Clone, Default)]
pub struct ReadOnce(Arc<Mutex<HashMap<Question, Arc<OnceCell<Kept>>>>>);

/// What makes two reads the same. When it was signed, and with what, does not.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Question {
    method: String,
    uri: String,
    operation: String,
    body: Vec<u8>,
}

/// An answer that was read to its end.
#[derive(Debug)]
struct Kept {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// What is not kept.
enum Passed {
    Failed(ConnectorError),
    Answered(HttpResponse),
}

impl ReadOnce {
    /// Calls through `inner`, but for what has been answered.
    pub fn over(&self, inner: SharedHttpClient) -> SharedHttpClient {
        SharedHttpClient::new(OnceClient {
            memory: self.clone(),
            inner,
        })
    }

    fn cell(&self, question: Question) -> Arc<OnceCell<Kept>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(question).or_default().clone()
    }
}

#[derive(Debug)]
struct OnceClient {
    memory: ReadOnce,
    inner: SharedHttpClient,
}

impl HttpClient for OnceClient {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(OnceConnector {
            memory: self.memory.clone(),
            inner: self.inner.http_connector(settings, components),
        })
    }
}

struct OnceConnector {
    memory: ReadOnce,
    inner: SharedHttpConnector,
}

impl fmt::Debug for OnceConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnceConnector")
    }
}

impl HttpConnector for OnceConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Some(question) = Question::of(&request) else {
            return self.inner.call(request);
        };
        let (cell, inner) = (self.memory.cell(question), self.inner.clone());
        HttpConnectorFuture::new(async move {
            let asked = cell.get_or_try_init(|| async {
                let answer = inner.call(request).await.map_err(Passed::Failed)?;
                if answer.status().is_success() || answer.status().as_u16() == 404 {
                    Kept::read(answer).await.map_err(Passed::Failed)
                } else {
                    Err(Passed::Answered(answer))
                }
            });
            match asked.await {
                Ok(kept) => kept.response(),
                Err(Passed::Answered(answer)) => Ok(answer),
                Err(Passed::Failed(error)) => Err(error),
            }
        })
    }
}

impl Question {
    /// `None` where the call may change something, or sends a body that is not in memory.
    fn of(request: &HttpRequest) -> Option<Self> {
        let body = request.body().bytes()?;
        let operation = operation(request, body);
        let reads = ["Describe", "Get", "Head", "List", "Lookup"];
        let reads = reads.iter().any(|verb| operation.starts_with(verb));
        // A password stays in memory no longer than whoever asked for it keeps it.
        (reads && operation != "GetSecretValue").then(|| Self {
            method: request.method().to_owned(),
            uri: request.uri().to_owned(),
            operation,
            body: body.to_vec(),
        })
    }
}

/// The name of the operation as each of AWS's protocols sends it; of REST the method, whose GET and HEAD only read.
/// <https://smithy.io/2.0/aws/protocols/index.html>
fn operation(request: &HttpRequest, body: &[u8]) -> String {
    // AWS JSON.
    if let Some(target) = request.headers().get("x-amz-target") {
        return target.rsplit('.').next().unwrap_or_default().to_owned();
    }
    // RPC with CBOR.
    if let Some((_, operation)) = request.uri().rsplit_once("/operation/") {
        return operation.to_owned();
    }
    // Query.
    if let Some(fields) = body.strip_prefix(b"Action=") {
        let end = fields.iter().position(|byte| *byte == b'&');
        let action = &fields[..end.unwrap_or(fields.len())];
        return String::from_utf8_lossy(action).into_owned();
    }
    match request.method() {
        "GET" => "Get".to_owned(),
        "HEAD" => "Head".to_owned(),
        other => other.to_owned(),
    }
}

impl Kept {
    async fn read(answer: HttpResponse) -> Result<Self, ConnectorError> {
        let status = answer.status().as_u16();
        let headers = answer.headers().iter();
        let headers = headers
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let body = ByteStream::new(answer.into_body()).collect().await;
        let body = body.map_err(|error| ConnectorError::io(error.into()))?;
        Ok(Self {
            status,
            headers,
            body: body.to_vec(),
        })
    }

    fn response(&self) -> Result<HttpResponse, ConnectorError> {
        let odd = |error| ConnectorError::other(error, None);
        let status = self.status.try_into();
        let status = status.map_err(|error| odd(Box::new(error) as _))?;
        let mut answer = HttpResponse::new(status, SdkBody::from(self.body.clone()));
        for (name, value) in &self.headers {
            let added = answer.headers_mut().try_append(name.clone(), value.clone());
            added.map_err(|error| odd(Box::new(error) as _))?;
        }
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
    use aws_smithy_runtime_api::client::http::http_client_fn;
    use aws_smithy_runtime_api::http::StatusCode;

    use super::*;

    #[derive(Debug, Clone)]
    struct Server {
        calls: Arc<AtomicUsize>,
        status: u16,
        body: &'static str,
    }

    impl HttpConnector for Server {
        fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
            self.calls.fetch_add(1, Ordering::Relaxed);
            let status = StatusCode::try_from(self.status).unwrap();
            let mut answer = HttpResponse::new(status, SdkBody::from(self.body));
            answer.headers_mut().insert("etag", "\"e\"");
            HttpConnectorFuture::ready(Ok(answer))
        }
    }

    fn client(status: u16, body: &'static str) -> (aws_sdk_s3::Client, Arc<AtomicUsize>) {
        let calls = Arc::new(AtomicUsize::new(0));
        let server = Server {
            calls: Arc::clone(&calls),
            status,
            body,
        };
        let plain = http_client_fn(move |_, _| SharedHttpConnector::new(server.clone()));
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("ca-central-1"))
            .credentials_provider(Credentials::new("k", "s", None, None, "test"))
            .retry_config(aws_sdk_s3::config::retry::RetryConfig::disabled())
            .http_client(ReadOnce::default().over(plain))
            .build();
        (aws_sdk_s3::Client::from_conf(config), calls)
    }

    #[tokio::test]
    async fn what_was_read_is_not_asked_again() {
        let (s3, calls) = client(200, "body");
        for key in ["a", "a", "b", "a"] {
            let got = s3.get_object().bucket("bucket").key(key).send();
            let got = got.await.unwrap();
            assert_eq!(got.e_tag(), Some("\"e\""));
            let body = got.body.collect().await.unwrap().into_bytes();
            assert_eq!(&body[..], b"body");
        }
        assert_eq!(calls.load(Ordering::Relaxed), 2);
        let asks = (0..9).map(|_| s3.get_bucket_location().bucket("bucket").send());
        for asked in asks {
            assert!(asked.await.is_err(), "the body is no XML");
        }
        assert_eq!(calls.load(Ordering::Relaxed), 3);
    }

    #[tokio::test]
    async fn absence_is_kept_and_a_failure_or_a_change_is_not() {
        for (status, made) in [(404, 1), (403, 3), (500, 3)] {
            let (s3, calls) = client(status, "");
            for _ in 0..3 {
                let got = s3.get_bucket_policy().bucket("bucket").send().await;
                assert!(got.is_err());
            }
            assert_eq!(calls.load(Ordering::Relaxed), made, "{status}");
        }
        let (s3, calls) = client(204, "");
        for _ in 0..3 {
            let gone = s3.delete_object().bucket("bucket").key("key").send();
            gone.await.unwrap();
        }
        assert_eq!(calls.load(Ordering::Relaxed), 3);
    }
}
