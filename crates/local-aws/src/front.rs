//! The proxy on the loopback port: each request passes region state and faults, then goes to the base.

use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, EXPECT};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Response, Uri, Version};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::answer::Problem;
use crate::fault::{FaultKind, Faults};
use crate::log::{Log, Record};
use crate::region::{Cut, Gate, RegionState, Regions};
use crate::request::{Call, Read};

mod body;
mod connection;

use body::Gated;
use connection::Stream;

/// JSON and Query requests are read whole, up to this size. AWS's own limits are lower: a DynamoDB batch
/// may have 16 MB. S3 and REST services are never read whole.
const KEPT_IN_MEMORY: usize = 32 * 1024 * 1024;

pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;
pub(crate) type Body = UnsyncBoxBody<Bytes, Error>;

/// All that the requests of one instance share.
pub(crate) struct Front {
    pub(crate) regions: Regions,
    pub(crate) log: Log,
    faults: Mutex<Faults>,
    base: Authority,
    client: Client<HttpConnector, Body>,
}

impl Front {
    pub(crate) fn new(base: Authority, seed: u64, log: Log) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            // Shorter than the time after which the bases close an idle connection.
            .pool_idle_timeout(Duration::from_secs(30))
            .build(connector);
        Self {
            regions: Regions::new(),
            log,
            faults: Mutex::new(Faults::new(seed)),
            base,
            client,
        }
    }

    pub(crate) fn faults<R>(&self, work: impl FnOnce(&mut Faults) -> R) -> R {
        work(&mut self.faults.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Serves `listener` until the returned future is dropped.
    pub(crate) async fn serve(self: Arc<Self>, listener: TcpListener) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => drop(connections.spawn(self.clone().connection(stream))),
                    // Out of file descriptors: others will be closed.
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a connection");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                },
                Some(_) = connections.join_next() => {}
            }
        }
    }

    async fn connection(self: Arc<Self>, stream: TcpStream) {
        // Latency only: without it small answers wait for acknowledgements.
        let _ = stream.set_nodelay(true);
        let reset = Arc::new(AtomicBool::new(false));
        let io = TokioIo::new(Stream::new(stream, reset.clone()));
        let service = hyper::service::service_fn(|request| {
            let front = self.clone();
            let reset = reset.clone();
            async move { front.answer(request, &reset).await }
        });
        // An error here is a client that went away, or a connection that was to be cut.
        if let Err(error) = http1::Builder::new().serve_connection(io, service).await {
            tracing::debug!(%error, "connection ended");
        }
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
        reset: &Arc<AtomicBool>,
    ) -> Result<Response<Body>, Cut> {
        let (parts, incoming) = request.into_parts();
        let (mut call, whole) = match Call::read(&parts) {
            Read::Complete(call) => (call, false),
            Read::Body(call) => (call, true),
        };
        let gate = self.regions.gate(call.region.as_deref(), reset);
        let mut record = self.log.record(&call);
        let body = if whole {
            match Limited::new(incoming, KEPT_IN_MEMORY).collect().await {
                Ok(collected) => {
                    let bytes = collected.to_bytes();
                    call.read_body(&bytes);
                    record.describe(&call);
                    full(bytes)
                }
                Err(error) => {
                    tracing::debug!(%error, "request body not read");
                    return Ok(finish(&mut record, Problem::TooLarge.answer(&call)));
                }
            }
        } else {
            Gated::new(incoming, gate.clone()).boxed_unsync()
        };
        self.through(
            &mut record,
            &call,
            gate,
            Request::from_parts(parts, body),
            reset,
        )
        .await
    }

    /// Region state, faults, base: in this order.
    async fn through(
        &self,
        record: &mut Record<'_>,
        call: &Call,
        mut gate: Gate,
        request: Request<Body>,
        reset: &AtomicBool,
    ) -> Result<Response<Body>, Cut> {
        match call
            .region
            .as_deref()
            .map(|region| self.regions.state(region))
        {
            Some(RegionState::Refuse) => record.fault("region-refused"),
            Some(RegionState::BlackHole) => record.fault("region-black-hole"),
            Some(RegionState::Up) | None => {}
        }
        gate.open().await?;
        let mut lose_answer = false;
        for fault in self.faults(|faults| faults.draw(call)) {
            record.fault(fault.name());
            let problem = match fault {
                FaultKind::Latency(duration) => {
                    gate.during(tokio::time::sleep(duration)).await?;
                    continue;
                }
                FaultKind::ResetAfter => {
                    lose_answer = true;
                    continue;
                }
                FaultKind::Reset => {
                    reset.store(true, Ordering::Release);
                    return Err(Cut);
                }
                FaultKind::SlowDown => Problem::Throttled,
                FaultKind::InternalError => Problem::Internal,
                FaultKind::Denied => Problem::Denied,
            };
            return Ok(finish(record, problem.answer(call)));
        }
        let answer = gate.during(self.forward(request)).await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(cut) => {
                record.fault("region-refused");
                return Err(cut);
            }
        };
        match answer {
            Err(error) => {
                tracing::warn!(%error, "the base does not answer");
                record.fault("base-unreachable");
                Ok(finish(record, Problem::BaseUnreachable.answer(call)))
            }
            Ok(_) if lose_answer => {
                reset.store(true, Ordering::Release);
                Err(Cut)
            }
            Ok(answer) => {
                record.status(answer.status());
                Ok(answer.map(|body| Gated::new(body, gate).boxed_unsync()))
            }
        }
    }

    async fn forward(&self, request: Request<Body>) -> Result<Response<Incoming>, Error> {
        let (mut parts, body) = request.into_parts();
        let path = parts
            .uri
            .path_and_query()
            .cloned()
            .unwrap_or_else(|| PathAndQuery::from_static("/"));
        let mut uri = http::uri::Parts::default();
        uri.scheme = Some(Scheme::HTTP);
        uri.authority = Some(self.base.clone());
        uri.path_and_query = Some(path);
        parts.uri = Uri::from_parts(uri)?;
        parts.version = Version::HTTP_11;
        // These are between two neighbours. The front has asked for the body itself.
        parts.headers.remove(CONNECTION);
        parts.headers.remove(EXPECT);
        let mut answer = self
            .client
            .request(Request::from_parts(parts, body))
            .await?;
        answer.headers_mut().remove(CONNECTION);
        *answer.version_mut() = Version::HTTP_11;
        Ok(answer)
    }
}

fn full(bytes: Bytes) -> Body {
    Full::new(bytes)
        .map_err(|never| match never {})
        .boxed_unsync()
}

fn finish(record: &mut Record<'_>, answer: Response<Full<Bytes>>) -> Response<Body> {
    record.status(answer.status());
    answer.map(|body| body.map_err(|never| match never {}).boxed_unsync())
}

/// Binds the loopback port; 0 takes any that is free.
pub(crate) fn bind(port: u16) -> std::io::Result<(TcpListener, SocketAddr)> {
    let listener = StdListener::bind(("127.0.0.1", port))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((TcpListener::from_std(listener)?, address))
}
