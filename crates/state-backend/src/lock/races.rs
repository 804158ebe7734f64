//! Many releases of one lock, and somebody who takes it as soon as it is free, interleaved request by request as a seed
//! says. One thread, a paused clock and a place that is kept in memory: a seed gives the same race each time.

use std::fmt;
use std::sync::{Arc, Mutex};

use aws_credential_types::Credentials;
use aws_sdk_s3::config::{BehaviorVersion, Region};
use aws_smithy_mocks::{RuleMode, mock_client};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use futures::future::join_all;
use serde_json::{Value, json};

use super::{LockKind, ReleaseError};
use crate::backend::Backend;
use crate::backend::test_support::backend;
use crate::side::SideAccess;
use crate::spec::SideName;

const RACES: u64 = 100;
const RELEASES: usize = 20;
/// Turns that an actor waits for at most before it goes on: enough for each to overtake each.
const LONGEST_WAIT: u64 = 12;
/// Looks at the place by whoever waits for it. A race is over long before.
const LOOKS: usize = 10_000;

/// The place of one lock, as AWS keeps it.
#[derive(Clone)]
struct Place(Arc<Mutex<State>>);

struct State {
    /// What decides everything that could go otherwise.
    seed: u64,
    /// Whether requests and answers may be lost.
    is_lossy: bool,
    /// The Info of whoever holds it.
    held: Option<String>,
    /// What has happened, in its order.
    events: Vec<String>,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Place")
    }
}

fn info(id: &str) -> String {
    json!({"ID": id, "Operation": "OperationTypeApply", "Who": "jo@laptop"}).to_string()
}

impl Place {
    fn with<T>(&self, then: impl FnOnce(&mut State) -> T) -> T {
        then(&mut self.0.lock().unwrap())
    }

    /// A number below `limit`, by splitmix64.
    fn draw(&self, limit: u64) -> u64 {
        self.with(|state| {
            state.seed = state.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state.seed;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (z ^ (z >> 31)) % limit
        })
    }

    /// Lets others go first.
    async fn wait(&self) {
        for _ in 0..self.draw(LONGEST_WAIT) {
            tokio::task::yield_now().await;
        }
    }

    /// Of removals one request in five is lost on its way, and one answer in five.
    fn lose(&self, what: &str, is_removal: bool) -> Result<(), ConnectorError> {
        if is_removal && self.with(|state| state.is_lossy) && self.draw(5) == 0 {
            self.with(|state| state.events.push(format!("{what} is lost")));
            return Err(ConnectorError::io("the connection is reset".into()));
        }
        Ok(())
    }

    /// Takes the lock for somebody else when it is free, as Terraform does: on condition that there is none.
    async fn take(&self, id: &str) {
        for _ in 0..LOOKS {
            self.wait().await;
            let taken = self.with(|state| match state.held {
                Some(_) => false,
                None => {
                    state.held = Some(info(id));
                    state.events.push(format!("{id} takes it"));
                    true
                }
            });
            if taken {
                return;
            }
        }
    }

    /// Removes what is there if `seen` is given and is it, or anything if nothing is given.
    fn remove(&self, seen: Option<&str>) -> Removed {
        self.with(|state| {
            let removed = match (&state.held, seen) {
                (None, _) => Removed::Absent,
                (Some(held), Some(seen)) if held != seen => Removed::Other,
                (Some(_), _) => Removed::Done,
            };
            state.events.push(format!("{removed:?}: {:?}", state.held));
            if removed == Removed::Done {
                state.held = None;
            }
            removed
        })
    }

    /// What DynamoDB answers.
    fn item(&self, operation: &str, request: &Value) -> (u16, String) {
        if operation.ends_with("GetItem") {
            let item = self.with(|state| {
                let held = state.held.as_ref();
                held.map(|held| json!({"LockID": {"S": "b/k"}, "Info": {"S": held}}))
            });
            let answer = item.map_or_else(|| json!({}), |item| json!({"Item": item}));
            return (200, answer.to_string());
        }
        assert!(operation.ends_with("DeleteItem"), "{operation}");
        let seen = match request["ConditionExpression"].as_str() {
            Some("Info = :seen") => request["ExpressionAttributeValues"][":seen"]["S"].as_str(),
            None => None,
            Some(other) => panic!("{other}"),
        };
        match self.remove(seen) {
            Removed::Done => (200, "{}".to_owned()),
            _ => {
                let code = "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException";
                let answer = json!({"__type": code, "message": "The conditional request failed"});
                (400, answer.to_string())
            }
        }
    }

    /// What S3 answers: its status, and the object.
    fn object(&self, method: &str, seen: Option<&str>) -> (u16, String) {
        let error = |status, code: &str| {
            let text = format!("<Error><Code>{code}</Code><Message>none</Message></Error>");
            (status, text)
        };
        match method {
            "GET" => match self.with(|state| state.held.clone()) {
                Some(held) => (200, held),
                None => error(404, "NoSuchKey"),
            },
            "DELETE" => match self.remove(seen) {
                Removed::Done => (204, String::new()),
                Removed::Other => error(412, "PreconditionFailed"),
                Removed::Absent => error(404, "NoSuchKey"),
            },
            other => panic!("{other}"),
        }
    }

    fn answer(&self, request: &HttpRequest) -> HttpResponse {
        let header = |name| request.headers().get(name);
        let target = header("x-amz-target").map(str::to_owned);
        let (status, body) = match target {
            Some(operation) => {
                let body = request.body().bytes().unwrap_or_default();
                self.item(&operation, &serde_json::from_slice(body).unwrap())
            }
            // The ETag stands for the content, in hex so that it fits into a header.
            None => {
                let seen = header("if-match").map(|etag| hex::decode(etag.trim_matches('"')));
                let seen = seen.map(|seen| String::from_utf8(seen.unwrap()).unwrap());
                self.object(request.method(), seen.as_deref())
            }
        };
        let etag = format!("\"{}\"", hex::encode(&body));
        let mut answer = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body));
        answer.headers_mut().insert("etag", etag);
        answer
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Removed {
    Done,
    Other,
    Absent,
}

impl HttpConnector for Place {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let place = self.clone();
        HttpConnectorFuture::new(async move {
            let is_read = match request.headers().get("x-amz-target") {
                Some(operation) => operation.ends_with("GetItem"),
                None => request.method() == "GET",
            };
            place.wait().await;
            place.lose("a request", !is_read)?;
            let answer = place.answer(&request);
            place.wait().await;
            place.lose("an answer", !is_read)?;
            Ok(answer)
        })
    }
}

impl HttpClient for Place {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// How a race ended.
struct Race {
    ended: Vec<Result<(), ReleaseError>>,
    held: Option<String>,
    events: Vec<String>,
}

async fn race(backend: &Backend, seed: u64, kind: LockKind, is_lossy: bool) -> Race {
    let place = Place(Arc::new(Mutex::new(State {
        seed,
        is_lossy: false,
        held: Some(info("first")),
        events: Vec::new(),
    })));
    macro_rules! client {
        ($sdk:ident, $($more:tt)*) => {
            $sdk::Client::from_conf(
                $sdk::Config::builder()
                    .behavior_version(BehaviorVersion::latest())
                    .region(Region::new("ca-central-1"))
                    .credentials_provider(Credentials::new("test", "test", None, None, "test"))
                    .http_client(place.clone())
                    $($more)*
                    .build(),
            )
        };
    }
    let mut clients = backend.clients(SideName::Primary).clone();
    clients.s3 = client!(aws_sdk_s3, .force_path_style(true));
    clients.dynamodb = client!(aws_sdk_dynamodb,);
    let side = SideAccess {
        clients: &clients,
        ..backend.at(SideName::Primary).unwrap()
    };
    let lock = side.lock_at(kind, "k.tflock").await.unwrap().unwrap();
    place.with(|state| state.is_lossy = is_lossy);
    let releases = join_all((0..RELEASES).map(|_| side.remove_lock(&lock)));
    let (ended, ()) = tokio::join!(releases, place.take("second"));
    let (held, events) = place.with(|state| (state.held.clone(), state.events.clone()));
    Race {
        ended,
        held,
        events,
    }
}

/// Clients for what no race is about.
async fn bystander() -> Backend {
    let nobody = || mock_client!(aws_sdk_s3, RuleMode::MatchAny, []);
    backend(nobody(), nobody()).await
}

/// Of the 20, one has released what all have seen, and the others say that it is not theirs to release.
async fn exactly_one_releases(kind: LockKind) {
    let backend = bystander().await;
    for seed in 0..RACES {
        let Race {
            ended,
            held,
            events,
        } = race(&backend, seed, kind, false).await;
        let told = format!("seed {seed}: {ended:?}, {events:#?}");
        assert_eq!(held, Some(info("second")), "{told}");
        let done = ended.iter().filter(|ended| ended.is_ok()).count();
        assert_eq!(done, 1, "{told}");
        let late = ended.iter().filter(|ended| {
            use ReleaseError::{ChangedHands, Gone};
            matches!(ended, Err(Gone { .. } | ChangedHands { .. }))
        });
        assert_eq!(late.count(), RELEASES - 1, "{told}");
    }
}

/// Where requests and answers are lost, nobody can always say who has released it, but it is never the next lock.
async fn the_next_lock_stays(kind: LockKind) {
    let backend = bystander().await;
    for seed in 0..RACES / 2 {
        let Race {
            ended,
            held,
            events,
        } = race(&backend, seed, kind, true).await;
        let told = format!("seed {seed}: {ended:?}, {events:#?}");
        assert!(events.iter().any(|event| event.ends_with("lost")), "{told}");
        assert_eq!(held, Some(info("second")), "{told}");
    }
}

// aws-behaviour: 22
#[tokio::test(start_paused = true)]
async fn release_of_a_row_by_many_at_once_is_one_and_never_of_the_next_lock() {
    exactly_one_releases(LockKind::DynamoDb).await;
}

// aws-behaviour: 22
#[tokio::test(start_paused = true)]
async fn release_of_an_object_by_many_at_once_is_one_and_never_of_the_next_lock() {
    exactly_one_releases(LockKind::S3).await;
}

#[tokio::test(start_paused = true)]
async fn release_of_a_row_whose_requests_and_answers_are_lost_is_never_of_the_next_lock() {
    the_next_lock_stays(LockKind::DynamoDb).await;
}

#[tokio::test(start_paused = true)]
async fn release_of_an_object_whose_requests_and_answers_are_lost_is_never_of_the_next_lock() {
    the_next_lock_stays(LockKind::S3).await;
}

#[tokio::test(start_paused = true)]
async fn race_of_one_seed_is_the_same_each_time_and_of_another_seed_another() {
    let backend = bystander().await;
    for kind in [LockKind::DynamoDb, LockKind::S3] {
        let first = race(&backend, 7, kind, true).await;
        assert_eq!(first.events, race(&backend, 7, kind, true).await.events);
        assert_ne!(first.events, race(&backend, 8, kind, true).await.events);
    }
}
