//! The proxy on the loopback port: each request passes region state and faults, then goes to the base.

use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::EXPECT;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::answer::Problem;
use crate::base::{Base, Running};
use crate::bucket::{self, Buckets, Home, Rules};
use crate::control;
use crate::fault::{FaultKind, Faults};
use crate::log::{Log, Record};
use crate::region::{Cut, Gate, RegionState, Regions};
use crate::request::{Call, Read};

mod body;
mod connection;
mod upstream;

use body::Gated;
use connection::Stream;
use upstream::Upstream;

/// JSON and Query requests are read whole, up to this size. AWS's own limits are lower: a DynamoDB batch
/// may have 16 MB. S3 and REST services are never read whole.
const KEPT_IN_MEMORY: usize = 32 * 1024 * 1024;

pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;
pub(crate) type Body = UnsyncBoxBody<Bytes, Error>;

/// All that the requests of one instance share.
pub(crate) struct Front {
    /// `http://127.0.0.1:PORT`.
    pub(crate) endpoint: String,
    /// Name of the base.
    pub(crate) base: String,
    /// Id of the base's process.
    pub(crate) emulator: Option<u32>,
    pub(crate) regions: Regions,
    pub(crate) log: Log,
    /// Somebody asked for the end.
    pub(crate) stop: Notify,
    faults: Mutex<Faults>,
    buckets: Buckets,
    rules: Rules,
    upstream: Upstream,
}

impl Front {
    pub(crate) fn new(
        endpoint: String,
        base: &Base,
        running: &Running,
        seed: u64,
        log: Log,
    ) -> Self {
        Self {
            endpoint,
            base: base.to_string(),
            emulator: running.process_id(),
            stop: Notify::new(),
            regions: Regions::default(),
            log,
            faults: Mutex::new(Faults::new(seed)),
            buckets: Buckets::default(),
            rules: running.rules,
            upstream: Upstream::new(running),
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
        if parts.uri.path().starts_with(control::PREFIX) {
            let body = Limited::new(incoming, KEPT_IN_MEMORY).collect().await;
            let body = body
                .map(http_body_util::Collected::to_bytes)
                .unwrap_or_default();
            let answer = control::answer(self, &parts, &body).await;
            return Ok(answer.map(|body| body.map_err(|never| match never {}).boxed_unsync()));
        }
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

    /// Where a bucket is: known, or asked for once.
    async fn home(&self, bucket: &str, call: &Call) -> Option<Home> {
        if let Some(home) = self.buckets.home(bucket) {
            return Some(home);
        }
        let access_key = call.access_key.as_deref()?;
        let region = self.upstream.bucket_region(bucket, access_key).await?;
        let home = Home::of_unknown_owner(region);
        self.buckets.learn(bucket, home.clone());
        Some(home)
    }

    /// A region that the request needs besides its own, and that is down.
    async fn other_region_down(&self, call: &Call) -> Option<String> {
        let needed = match (&call.source_bucket, &call.location) {
            (Some(bucket), _) => self.home(bucket, call).await?.region,
            (None, Some(location)) => location.clone(),
            (None, None) => return None,
        };
        (self.regions.state(&needed) != RegionState::Up).then_some(needed)
    }

    /// What AWS answers before it looks any further, or nothing.
    async fn refusal(&self, call: &Call) -> Option<Response<Full<Bytes>>> {
        let known = self.rules != Rules::default() || call.operation == "CreateBucket";
        let home = if known {
            self.home(call.bucket()?, call).await?
        } else {
            return None;
        };
        bucket::refusal(self.rules, call, &home)
    }

    /// Region state, faults, AWS's rules for buckets, base: in this order.
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
            discard(request).await;
            return Ok(finish(record, problem.answer(call)));
        }
        if let Some(region) = self.other_region_down(call).await {
            tracing::debug!(region, "another region that the request needs is down");
            record.fault("other-region-down");
            discard(request).await;
            return Ok(finish(record, Problem::OtherRegionDown.answer(call)));
        }
        if let Some(answer) = self.refusal(call).await {
            discard(request).await;
            return Ok(finish(record, answer));
        }
        let answer = gate
            .during(self.upstream.send(request, &self.regions.down()))
            .await;
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
            Ok(answer) if lose_answer => {
                self.buckets.observe(call, answer.status());
                reset.store(true, Ordering::Release);
                Err(Cut)
            }
            Ok(answer) => {
                record.status(answer.status());
                self.buckets.observe(call, answer.status());
                Ok(answer.map(|body| Gated::new(body, gate).boxed_unsync()))
            }
        }
    }
}

/// Reads what a client is still sending, so that it gets to read the answer. A client that waits for
/// `100 Continue` has sent nothing yet.
async fn discard(request: Request<Body>) {
    if !request.headers().contains_key(EXPECT) {
        let mut body = request.into_body();
        while let Some(Ok(_)) = body.frame().await {}
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
