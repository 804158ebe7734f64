//! The server's side: the routes below `/_local-aws/`.

use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use percent_encoding::percent_decode_str;
use serde::Serialize;

use super::{
    BucketChange, ListedFault, LogPage, PREFIX, RegionChange, ReplicaLag, Retired, Status, Step,
    TOKEN, parse,
};
use crate::fault::{Fault, FaultId, Faults};
use crate::log::Log;
use crate::rds::Rds;
use crate::region::known_region;
use crate::state::State;

const STOP: &str = "stop";

/// To whoever asks for a control page without the token.
pub(crate) const WITHOUT_TOKEN: &str =
    "control pages want the token that `up` and `exec` hand over in LOCAL_AWS_TOKEN";

/// Whether somebody who sends these headers may ask for control pages.
pub(crate) fn may_ask(state: &State, headers: &HeaderMap) -> bool {
    let given = headers.get(TOKEN);
    given.is_some_and(|given| state.token.is(given.as_bytes()))
}

/// How long a follower of the log waits at most before it asks again.
const FOLLOW: Duration = Duration::from_secs(20);

/// Answers a request below [`PREFIX`].
pub(crate) async fn answer(state: &State, parts: &Parts, body: &[u8]) -> Response<Full<Bytes>> {
    let path: Vec<String> = parts
        .uri
        .path()
        .trim_start_matches(PREFIX)
        .split('/')
        .map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned())
        .collect();
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match (parts.method.as_str(), &path[..]) {
        ("GET", ["status"]) => json(&status(state)),
        ("PUT", ["regions", region]) => match (known_region(region), parse::<RegionChange>(body)) {
            (Ok(()), Ok(change)) => {
                state.set_region(region, change.state);
                json(&state.regions.down().regions)
            }
            (Err(unknown), _) => text(StatusCode::BAD_REQUEST, &unknown.to_string()),
            (_, Err(error)) => text(StatusCode::BAD_REQUEST, &error.to_string()),
        },
        ("PUT", ["buckets", bucket]) => match parse::<BucketChange>(body) {
            Ok(change) => match state.buckets.give(bucket, &change.owner) {
                Ok(()) => json(&()),
                Err(unknown) => text(StatusCode::BAD_REQUEST, &unknown.to_string()),
            },
            Err(error) => text(StatusCode::BAD_REQUEST, &error.to_string()),
        },
        ("GET", ["faults"]) => json(&faults(state)),
        ("POST", ["faults"]) => match parse::<Fault>(body) {
            Ok(fault) => match fault.check() {
                Ok(()) => json(&state.faults(|faults| faults.add(fault))),
                Err(unfit) => text(StatusCode::BAD_REQUEST, &unfit.to_string()),
            },
            Err(error) => text(StatusCode::BAD_REQUEST, &error.to_string()),
        },
        ("DELETE", ["faults"]) => {
            state.faults(Faults::clear);
            json(&faults(state))
        }
        ("DELETE", ["faults", id]) => match id.parse() {
            Ok(id) if state.faults(|faults| faults.remove(FaultId(id))) => json(&faults(state)),
            _ => text(StatusCode::NOT_FOUND, "there is no fault of this id"),
        },
        ("GET", ["log"]) => log(state, parts.uri.query().unwrap_or_default()).await,
        ("DELETE", ["log"]) => {
            state.log.clear();
            json(&state.log.page(u64::MAX))
        }
        (method, ["rds", page @ ..]) => match &state.rds {
            Some(rds) => rds_route(rds, method, page, body).await,
            None => text(StatusCode::NOT_FOUND, "RDS is the base's here"),
        },
        // The proxy stops once this answer has been sent.
        ("POST", [STOP]) => json(&status(state)),
        _ => text(StatusCode::NOT_FOUND, "there is no such route"),
    }
}

async fn rds_route(rds: &Rds, method: &str, page: &[&str], body: &[u8]) -> Response<Full<Bytes>> {
    let done = match (method, page) {
        ("GET", []) => Ok(()),
        ("POST", ["step"]) => match parse::<Step>(body) {
            Ok(step) => {
                rds.step(Duration::from_secs(step.seconds)).await;
                Ok(())
            }
            Err(error) => Err(error),
        },
        ("PUT", ["quotas"]) => parse(body).map(|quotas| rds.set_quotas(quotas)),
        ("POST", ["end-as"]) => parse(body).map(|ending| rds.end_as(ending)),
        ("POST", ["replica-lag"]) => match parse::<ReplicaLag>(body) {
            Ok(ReplicaLag {
                region,
                id,
                seconds,
            }) => match rds.set_replica_lag(&region, &id, seconds.map(Duration::from_secs)) {
                true => Ok(()),
                false => {
                    let none = format!("there is no replica {id} in {region}");
                    return text(StatusCode::NOT_FOUND, &none);
                }
            },
            Err(error) => Err(error),
        },
        ("POST", ["retire"]) => {
            parse::<Retired>(body).map(|retired| rds.retire_version(&retired.version))
        }
        _ => return text(StatusCode::NOT_FOUND, "there is no such route"),
    };
    match done {
        Ok(()) => json(&rds.status()),
        Err(error) => text(StatusCode::BAD_REQUEST, &error.to_string()),
    }
}

/// Whether the instance shall end once this request has been answered with `status`.
pub(crate) fn asks_to_stop(parts: &Parts, status: StatusCode) -> bool {
    parts.uri.path().strip_prefix(PREFIX) == Some(STOP) && status == StatusCode::OK
}

async fn log(state: &State, query: &str) -> Response<Full<Bytes>> {
    let first = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("from="))
        .and_then(|number| number.parse().ok())
        .unwrap_or(0);
    if query.split('&').any(|pair| pair == "wait") {
        // Nothing new is an answer too.
        let _ = tokio::time::timeout(FOLLOW, state.log.reach(first)).await;
    }
    json(&state.log.page(first))
}

fn faults(state: &State) -> Vec<ListedFault> {
    let list = state.faults(|faults| faults.list());
    list.into_iter()
        .map(|(id, fault)| ListedFault { id, fault })
        .collect()
}

fn status(state: &State) -> Status {
    Status {
        endpoint: state.endpoint.clone(),
        base: state.base.clone(),
        process: std::process::id(),
        emulator: state.emulator,
        regions: state.regions.down().regions,
        faults: faults(state),
        requests: state.log.page(u64::MAX).next,
        rds: state.rds.as_ref().map(Rds::status),
    }
}

fn json<T: Serialize>(value: &T) -> Response<Full<Bytes>> {
    match serde_json::to_vec(value) {
        Ok(body) => response(StatusCode::OK, "application/json", body),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

fn text(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    response(
        status,
        "text/plain; charset=utf-8",
        text.as_bytes().to_vec(),
    )
}

fn response(status: StatusCode, kind: &'static str, body: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

impl Log {
    fn page(&self, first: u64) -> LogPage {
        let (entries, next) = self.since(first);
        LogPage { entries, next }
    }
}
