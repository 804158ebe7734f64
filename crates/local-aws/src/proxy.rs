//! The proxy on the loopback port: each request passes region state and faults, then goes to the base.

use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, IF_MATCH, IF_NONE_MATCH};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::answer::{self, Problem};
use crate::bucket::{self, Home, Rules};
use crate::condition::{Condition, Turns};
use crate::control::{PREFIX, is_page, routes};
use crate::dashboard;
use crate::emulator::Running;
use crate::fault::{ErrorAnswer, FaultKind};
use crate::listing::{self, Keys};
use crate::log::Record;
use crate::pagination;
use crate::region::{Cut, Gate, RegionState};
use crate::request::{Call, EXPECTED_OWNER, EXPECTED_SOURCE_OWNER, Read};
use crate::state::State;
use crate::stranger;

mod body;
mod connection;
mod quotas;
mod rds;
mod upstream;

use body::Gated;
use connection::Stream;
use upstream::Upstream;

/// JSON, CBOR and Query requests are read whole, up to this size. AWS's own limits are lower: a DynamoDB batch
/// may have 16 MB. S3 and REST services are never read whole.
const KEPT_IN_MEMORY: usize = 32 * 1024 * 1024;

/// Answers up to this size go out in one piece, as AWS sends them. The emulators send head and body apart, and a client in Go
/// that gets them so within the same moment at times closes the connection in between and asks again, which a write on a
/// condition does not survive: terraform is then refused by its own lock.
const ONE_PIECE: u64 = 16 * 1024;

/// A fault, a change of a region: control requests have a line each.
const CONTROL_BODY: usize = 64 * 1024;

/// How long the head of a request may take. Longer than clients keep an idle connection (the SDK: 90 s), which counts
/// too.
const HEAD_WITHIN: Duration = Duration::from_secs(120);

pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;
pub(crate) type Body = UnsyncBoxBody<Bytes, Error>;

/// Takes requests, and hands them on to the emulator where nothing speaks against it.
pub(crate) struct Proxy {
    state: Arc<State>,
    turns: Turns,
    rules: Rules,
    upstream: Upstream,
}

impl Proxy {
    pub(crate) fn new(state: Arc<State>, running: &Running) -> Self {
        Self {
            state,
            turns: Turns::default(),
            rules: running.rules,
            upstream: Upstream::new(running),
        }
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
        let last = Arc::new(AtomicBool::new(false));
        let io = TokioIo::new(Stream::new(stream, reset.clone()));
        let service = hyper::service::service_fn(|request| {
            let proxy = self.clone();
            let (reset, last) = (reset.clone(), last.clone());
            async move {
                if let Some(why) = stranger::refusal(request.headers()) {
                    tracing::warn!(why, "a request is refused");
                    return Ok(forbidden(why));
                }
                let path = request.uri().path();
                if is_page(path) && !routes::may_ask(&proxy.state, request.headers()) {
                    tracing::warn!("a request for a control page without its token is refused");
                    return Ok(forbidden(routes::WITHOUT_TOKEN));
                }
                if path.starts_with(PREFIX) {
                    return Ok(proxy.control(request, &last).await);
                }
                proxy.answer(request, &reset).await
            }
        });
        // An error here is a client that went away, or a connection that was to be cut.
        let mut server = http1::Builder::new();
        server
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_WITHIN);
        if let Err(error) = server.serve_connection(io, service).await {
            tracing::debug!(%error, "connection ended");
        }
        // Whoever asked for the end has read the answer first.
        if last.load(Ordering::Acquire) {
            self.state.stop.notify_one();
        }
    }

    async fn control(&self, request: Request<Incoming>, last: &AtomicBool) -> Response<Body> {
        let (parts, incoming) = request.into_parts();
        let body = match Limited::new(incoming, CONTROL_BODY).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => {
                tracing::debug!(%error, "body of a control request not read");
                let mut answer = Response::new(full(Bytes::from_static(b"the body is too large")));
                *answer.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
                return answer;
            }
        };
        let mut answer = routes::answer(&self.state, &parts, &body).await;
        if routes::asks_to_stop(&parts, answer.status()) {
            answer
                .headers_mut()
                .insert(CONNECTION, HeaderValue::from_static("close"));
            last.store(true, Ordering::Release);
        }
        answer.map(|body| body.map_err(|never| match never {}).boxed_unsync())
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
        reset: &Arc<AtomicBool>,
    ) -> Result<Response<Body>, Cut> {
        let (mut parts, incoming) = request.into_parts();
        let (mut call, whole) = match Call::read(&parts) {
            Read::Complete(call) => (call, false),
            Read::Body(call) => (call, true),
        };
        if call.is_malformed {
            let mut record = self.state.log.record(&call);
            let answer = Problem::MalformedScope.answer(&call);
            discard(Request::from_parts(
                parts,
                incoming.map_err(Error::from).boxed_unsync(),
            ))
            .await;
            return Ok(finish(&mut record, answer));
        }
        let gate = self.state.regions.gate(call.needed_region(), reset);
        let mut record = self.state.log.record(&call);
        let body = if whole {
            match Limited::new(incoming, KEPT_IN_MEMORY).collect().await {
                Ok(collected) => {
                    let mut bytes = collected.to_bytes();
                    if let Some((page, rest)) = pagination::asked(call.protocol, &bytes) {
                        call.page = Some(page);
                        parts.headers.insert(CONTENT_LENGTH, rest.len().into());
                        bytes = rest;
                    }
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
        if let Some(home) = self.state.buckets.home(bucket) {
            return Some(home);
        }
        let access_key = call.access_key.as_deref()?;
        let region = self.upstream.bucket_region(bucket, access_key).await?;
        let home = Home::of_unknown_owner(region);
        self.state.buckets.learn(bucket, home.clone());
        Some(home)
    }

    /// A region that the request needs besides its own, and that is down.
    async fn other_region_down(&self, call: &Call) -> Option<String> {
        let needed = match (&call.source_bucket, &call.location) {
            (Some(bucket), _) => self.home(bucket, call).await?.region,
            (None, Some(location)) => location.clone(),
            (None, None) => return None,
        };
        (self.state.regions.state(&needed) != RegionState::Up).then_some(needed)
    }

    /// What AWS answers before it looks any further, or nothing.
    async fn refusal(&self, record: &mut Record<'_>, call: &Call) -> Option<Response<Full<Bytes>>> {
        if let Some(answer) = listing::refusal(call) {
            return Some(answer);
        }
        if let Some(region) = self.other_region_down(call).await {
            tracing::debug!(region, "another region that the request needs is down");
            record.fault(OTHER_REGION);
            return Some(Problem::OtherRegionDown.answer(call));
        }
        let buckets = &self.state.buckets;
        if let Some(answer) = buckets.name_refusal(call) {
            return Some(answer);
        }
        let looks = self.rules.redirects || self.rules.accounts || call.operation == "CreateBucket";
        if looks
            && let Some(bucket) = call.bucket()
            && let Some(home) = self.home(bucket, call).await
            && let Some(answer) = bucket::refusal(self.rules, call, &home)
        {
            return Some(answer);
        }
        if buckets.is_elsewhere(call) {
            return None;
        }
        bucket::owner_refusal(buckets, self.rules, call)
    }

    /// Sends a request to the base. One with a condition waits for its turn; that of a copy is looked at here where
    /// the base does not.
    async fn send(&self, call: &Call, mut request: Request<Body>) -> Result<Sent, Error> {
        // Decided here; a base that decides too does not know of owners that were chosen.
        if self.rules.default_account.is_some() {
            for name in [EXPECTED_OWNER, EXPECTED_SOURCE_OWNER] {
                request.headers_mut().remove(name);
            }
        }
        let mut turn = None;
        if self.rules.copy_conditions
            && ["CopyObject", "PutObject", "CompleteMultipartUpload"]
                .contains(&call.operation.as_str())
            && let Some(condition) = Condition::read(request.headers())
        {
            turn = self.turns.take(call).await;
            if call.operation == "CopyObject" {
                let (path, from) = (request.uri().path().to_owned(), request.headers().clone());
                let there = self.upstream.etag(&path, from).await?;
                if let Some(problem) = condition.refusal(there.as_deref()) {
                    return Ok(Sent::Refused(problem));
                }
                request.headers_mut().remove(IF_MATCH);
                request.headers_mut().remove(IF_NONE_MATCH);
            }
        }
        let answer = self
            .upstream
            .send(request, &self.state.regions.down())
            .await;
        drop(turn);
        answer.map(Sent::Answered)
    }

    /// Lets the faults hit, latencies first.
    async fn hit(&self, record: &mut Record<'_>, call: &Call, gate: &mut Gate) -> Result<Hit, Cut> {
        for drawn in self.state.faults(|faults| faults.draw(call)) {
            record.fault(drawn.kind.name());
            if let Some(problem) = drawn.problem {
                return Ok(Hit::Problem(problem));
            }
            return Ok(match drawn.kind {
                FaultKind::Latency(duration) => {
                    let wait = gate.during(tokio::time::sleep(duration)).await;
                    wait.inspect_err(|_| record.fault(REFUSED))?;
                    continue;
                }
                FaultKind::RequestLost => Hit::RequestLost,
                FaultKind::ResponseLost => Hit::ResponseLost,
                FaultKind::BadGateway => Hit::BadGateway,
                FaultKind::SlowDown => Hit::Problem(Problem::Throttled),
                FaultKind::InternalError => Hit::Problem(Problem::Internal),
                FaultKind::Denied => Hit::Problem(Problem::Denied),
                FaultKind::Empty => Hit::Empty,
                FaultKind::Pages => Hit::Pages,
                FaultKind::Error(error) => Hit::Error(error),
                // Drawn with its problem.
                FaultKind::Propagating(_) => continue,
            });
        }
        Ok(Hit::Nothing)
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
            .needed_region()
            .map(|region| self.state.regions.state(region))
        {
            Some(RegionState::Refuse) => record.fault(REFUSED),
            Some(RegionState::BlackHole) => record.fault("region-black-hole"),
            Some(RegionState::Up) | None => {}
        }
        gate.open().await?;
        let hit = self.hit(record, call, &mut gate).await?;
        let early = match hit {
            Hit::RequestLost => return Err(cut(reset)),
            Hit::Problem(problem) => Some(problem.answer(call)),
            Hit::Error(ref error) => {
                let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST);
                Some(answer::error(
                    call,
                    status,
                    &error.code,
                    &error.message,
                    &[],
                ))
            }
            Hit::Empty => Some(answer::empty(call)),
            Hit::ResponseLost | Hit::BadGateway | Hit::Pages | Hit::Nothing => {
                self.refusal(record, call).await
            }
        };
        if let Some(answer) = early {
            discard(request).await;
            return Ok(finish(record, answer));
        }
        let page = call
            .page
            .or((matches!(hit, Hit::Pages) && pagination::has(call)).then_some(0));
        if let Some((rds, place)) = self.own_rds(call) {
            let answer = gate
                .during(self.answer_rds(rds, place, call, request))
                .await;
            let answer = answer.inspect_err(|_| record.fault(REFUSED))?;
            if answer.status() == StatusCode::SERVICE_UNAVAILABLE {
                record.fault(OTHER_REGION);
            }
            return match lost(&hit, record, reset) {
                Some(instead) => instead,
                None => Ok(finish(record, paged(call, page, answer).await)),
            };
        }
        if let Some(rds) = self.own_quotas(call) {
            let answer = self.answer_quotas(&rds, call, request).await;
            return match lost(&hit, record, reset) {
                Some(instead) => instead,
                None => Ok(finish(record, paged(call, page, answer).await)),
            };
        }
        self.publish_lags(call).await;
        self.ask_base(record, call, gate, request, (hit, page), reset)
            .await
    }

    /// The base's answer, in the form in which AWS gives it.
    async fn ask_base(
        &self,
        record: &mut Record<'_>,
        call: &Call,
        mut gate: Gate,
        mut request: Request<Body>,
        (hit, page): (Hit, Option<usize>),
        reset: &AtomicBool,
    ) -> Result<Response<Body>, Cut> {
        let keys = listing::keys(call);
        if keys == Some(Keys::Encoded)
            && let Some(uri) = listing::request(request.uri())
        {
            *request.uri_mut() = uri;
        }
        let mut s3_page = None;
        if let Some(list) = pagination::s3_list(call) {
            let (uri, page) = list.request(request.uri(), matches!(hit, Hit::Pages));
            if let Some(uri) = uri {
                *request.uri_mut() = uri;
            }
            s3_page = page;
        }
        let answer = gate.during(self.send(call, request)).await;
        let answer = match answer.inspect_err(|_| record.fault(REFUSED))? {
            Ok(Sent::Answered(answer)) => answer,
            Ok(Sent::Refused(problem)) => return Ok(finish(record, problem.answer(call))),
            Err(error) => {
                tracing::warn!(%error, "the base does not answer");
                record.fault("base-unreachable");
                return Ok(finish(record, Problem::BaseUnreachable.answer(call)));
            }
        };
        self.state.buckets.observe(call, answer.status());
        self.state
            .faults(|faults| faults.observe(call, answer.status()));
        if let Some(instead) = lost(&hit, record, reset) {
            return instead;
        }
        let answer = answer.map(|body| Gated::new(body, gate));
        if keys.is_some() || s3_page.is_some() {
            let write = |whole: &[u8]| {
                let text = std::str::from_utf8(whole).ok()?;
                let text = keys.map_or_else(|| text.to_owned(), |keys| keys.write(text));
                let page = s3_page.and_then(|page| page.of(&text));
                Some(page.unwrap_or(text).into())
            };
            return Ok(finish(record, rewritten(call, answer, write).await));
        }
        if dashboard::lists(call) {
            let write = dashboard::without_texts_for_times;
            return Ok(finish(record, rewritten(call, answer, write).await));
        }
        if page.is_some() {
            return Ok(finish(record, paged(call, page, answer).await));
        }
        record.status(answer.status());
        let is_short = answer.body().size_hint().exact();
        if is_short.is_some_and(|bytes| bytes <= ONE_PIECE) {
            return in_one_piece(answer).await.map_err(|error| {
                tracing::debug!(%error, "the answer broke off");
                cut(reset)
            });
        }
        Ok(answer.map(|body| body.boxed_unsync()))
    }
}

/// The answer when all of it is there, so that head and body go out together.
async fn in_one_piece(answer: Response<Gated>) -> Result<Response<Body>, Error> {
    let (parts, body) = answer.into_parts();
    let whole = body.collect().await?.to_bytes();
    Ok(Response::from_parts(parts, full(whole)))
}

/// What came of a request to the base.
enum Sent {
    Answered(Response<Incoming>),
    Refused(Problem),
}

/// What faults do to a request.
enum Hit {
    Nothing,
    Problem(Problem),
    Error(ErrorAnswer),
    Empty,
    Pages,
    RequestLost,
    ResponseLost,
    BadGateway,
}

/// What comes in the place of an answer that does not arrive.
fn lost(
    hit: &Hit,
    record: &mut Record<'_>,
    reset: &AtomicBool,
) -> Option<Result<Response<Body>, Cut>> {
    match hit {
        Hit::ResponseLost => Some(Err(cut(reset))),
        Hit::BadGateway => Some(Ok(finish(record, answer::bad_gateway()))),
        _ => None,
    }
}

/// A page of the answer, where one is wanted and AWS would have pages.
async fn paged<B>(call: &Call, page: Option<usize>, answer: Response<B>) -> Response<Full<Bytes>>
where
    B: hyper::body::Body<Data = Bytes>,
{
    let cut = |whole: &[u8]| pagination::page(call.protocol, whole, page?);
    rewritten(call, answer, cut).await
}

/// The answer with another body, if it is a success and `change` makes one of it.
async fn rewritten<B>(
    call: &Call,
    answer: Response<B>,
    change: impl FnOnce(&[u8]) -> Option<Bytes>,
) -> Response<Full<Bytes>>
where
    B: hyper::body::Body<Data = Bytes>,
{
    let (mut parts, body) = answer.into_parts();
    let Ok(whole) = body.collect().await else {
        return Problem::BaseUnreachable.answer(call);
    };
    let whole = whole.to_bytes();
    let body = if parts.status.is_success() {
        change(&whole)
    } else {
        None
    };
    parts.headers.remove(CONTENT_LENGTH);
    Response::from_parts(parts, Full::new(body.unwrap_or(whole)))
}

/// In the log: another region that the request needs is down.
const OTHER_REGION: &str = "other-region-down";

/// In the log: the region refused the request, or went away under it.
const REFUSED: &str = "region-refused";

fn cut(reset: &AtomicBool) -> Cut {
    reset.store(true, Ordering::Release);
    Cut
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

/// To whoever is no client of AWS.
fn forbidden(why: &'static str) -> Response<Body> {
    let mut answer = Response::new(full(Bytes::from_static(why.as_bytes())));
    *answer.status_mut() = StatusCode::FORBIDDEN;
    answer
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
