//! Lambda's runtime API, as far as a function calls it
//! (<https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>).

use std::convert::Infallible;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use local_aws::{LocalAws, REMOVED_VARIABLES};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;

/// The running function.
pub(crate) struct Lambda {
    child: Child,
    log: tempfile::NamedTempFile,
    server: JoinHandle<()>,
    events: mpsc::UnboundedSender<Value>,
    answers: mpsc::UnboundedReceiver<Result<Value, Value>>,
}

struct Api {
    events: Mutex<mpsc::UnboundedReceiver<Value>>,
    answers: mpsc::UnboundedSender<Result<Value, Value>>,
}

impl Lambda {
    pub(crate) async fn start(aws: &LocalAws, settings: &[(&str, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (events, coming) = mpsc::unbounded_channel();
        let (sent, answers) = mpsc::unbounded_channel();
        let api = Arc::new(Api {
            events: Mutex::new(coming),
            answers: sent,
        });
        let server = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let api = api.clone();
                tokio::spawn(async move {
                    let serve = service_fn(|request| answer(&api, request));
                    // A function that ends closes its connection in the middle of a poll.
                    let _ = http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), serve)
                        .await;
                });
            }
        });
        let log = tempfile::NamedTempFile::new().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_snapshot-copier"));
        for name in REMOVED_VARIABLES.iter().chain(&["AWS_CA_BUNDLE"]) {
            command.env_remove(name);
        }
        let child = command
            .envs(aws.environment())
            .envs(settings.iter().copied())
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "snapshot-copier")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .stdout(Stdio::from(log.reopen().unwrap()))
            .spawn()
            .unwrap();
        Self {
            child,
            log,
            server,
            events,
            answers,
        }
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.log.path()).unwrap()
    }

    /// What the function answers to the event; `Err` is its error.
    pub(crate) async fn invoke(&mut self, event: &Value) -> Result<Value, Value> {
        self.events.send(event.clone()).unwrap();
        self.answers.recv().await.unwrap()
    }
}

impl Drop for Lambda {
    fn drop(&mut self) {
        self.server.abort();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn answer(
    api: &Api,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let reply = Response::builder();
    if path.ends_with("/invocation/next") {
        let Some(event) = api.events.lock().await.recv().await else {
            return Ok(reply.status(500).body(Full::default()).unwrap());
        };
        let deadline = SystemTime::now() + Duration::from_secs(900);
        let deadline = deadline.duration_since(UNIX_EPOCH).unwrap().as_millis();
        return Ok(reply
            .header(
                "lambda-runtime-aws-request-id",
                "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
            )
            .header("lambda-runtime-deadline-ms", deadline.to_string())
            .header(
                "lambda-runtime-invoked-function-arn",
                "arn:aws:lambda:ca-central-1:123456789012:function:snapshot-copier",
            )
            .header(
                "lambda-runtime-trace-id",
                "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700",
            )
            .body(Full::from(event.to_string()))
            .unwrap());
    }
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap();
    let result = if path.ends_with("/response") {
        Ok(body)
    } else {
        Err(body)
    };
    let _ = api.answers.send(result);
    Ok(reply.status(202).body(Full::default()).unwrap())
}
