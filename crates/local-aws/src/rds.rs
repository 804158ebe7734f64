//! RDS that takes time: states that move with a clock, AWS's refusals, and real servers where there are any.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

mod action;
mod catalog;
mod clock;
mod data;
mod fields;
mod model;
mod name;
mod network;
mod refusal;
mod scheduler;
mod xml;

pub use clock::RdsClock;
pub use model::{RdsEnding, RdsKind, RdsQuotas};

pub(crate) use action::{Asked, KmsKey, MasterSecret};
pub(crate) use fields::Fields;
pub(crate) use model::instance::Password;
pub(crate) use name::Place;
pub(crate) use network::Network;

use action::{Reply, Request};
use clock::Clock;
use data::{Servers, Tools};
use model::{Model, Planned};
use refusal::{Outcome, Refusal};

/// Whether instances are real servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RdsData {
    /// States only: endpoints lead nowhere.
    #[default]
    Off,
    /// Each instance is a PostgreSQL server on a loopback port, if PostgreSQL is installed here.
    WhereInstalled,
}

/// How RDS is simulated.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RdsOptions {
    /// 60 simulated seconds in a real one, unless told otherwise.
    pub clock: RdsClock,
    /// Off unless told otherwise.
    pub data: RdsData,
    /// AWS's defaults unless told otherwise.
    pub quotas: RdsQuotas,
}

/// What the simulated RDS says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RdsStatus {
    /// The simulated time, which the states of instances follow.
    pub now: Timestamp,
    /// How it passes.
    pub clock: RdsClock,
    /// Why there are no real servers; `None` where there are.
    pub data_missing: Option<String>,
    /// What may be had of each thing in an account and region.
    pub quotas: RdsQuotas,
    /// Instances in all regions.
    pub instances: usize,
    /// Snapshots in all regions.
    pub snapshots: usize,
    /// Inputs that requests had and the simulation did not look at.
    #[serde(default)]
    pub unread: Vec<UnreadInput>,
}

/// A handle on the simulated RDS of one local AWS.
#[derive(Clone)]
pub struct Rds(Arc<Inner>);

struct Inner {
    kind: RdsClock,
    clock: Mutex<Clock>,
    model: Mutex<Model>,
    /// Held while something changes, so that changes do not overlap.
    order: tokio::sync::Mutex<()>,
    /// A step is under way, under `order`.
    stepping: AtomicBool,
    servers: Option<Servers>,
    /// Why there are no servers.
    data_missing: Option<String>,
    /// A region went off or came back.
    regions: tokio::sync::Notify,
    requests: AtomicU64,
    /// Inputs that nobody has looked at.
    unread: Mutex<BTreeSet<UnreadInput>>,
}

/// An input of a request that the simulation did not look at: AWS would have done or refused something for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UnreadInput {
    /// The action, such as `CreateDBInstance`.
    pub action: String,
    /// The input, such as `LicenseModel`; of a list or structure its own name.
    pub input: String,
}

impl std::fmt::Display for UnreadInput {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} of {}", self.input, self.action)
    }
}

impl std::fmt::Debug for Rds {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Rds")
            .field("now", &self.now())
            .finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Rds {
    pub(crate) fn new(options: RdsOptions) -> Self {
        let start = Timestamp::now();
        let servers = match options.data {
            RdsData::Off => Err("switched off".to_owned()),
            RdsData::WhereInstalled => Tools::find().and_then(|tools| {
                Servers::new(tools).map_err(|error| format!("failed to {error}"))
            }),
        };
        let (servers, data_missing) = match servers {
            Ok(servers) => (Some(servers), None),
            Err(why) => (None, Some(why)),
        };
        Self(Arc::new(Inner {
            kind: options.clock,
            clock: Mutex::new(Clock::new(options.clock, start)),
            model: Mutex::new(Model::new(start, options.quotas)),
            order: tokio::sync::Mutex::new(()),
            stepping: AtomicBool::new(false),
            servers,
            data_missing,
            regions: tokio::sync::Notify::new(),
            requests: AtomicU64::new(0),
            unread: Mutex::default(),
        }))
    }

    fn model(&self) -> MutexGuard<'_, Model> {
        lock(&self.0.model)
    }

    /// Simulated time up to which everything has happened.
    pub fn now(&self) -> Timestamp {
        self.model().now
    }

    /// Moves simulated time on, whatever the clock; returns the new time, once all that fell due until
    /// then has happened.
    pub async fn step(&self, by: Duration) -> Timestamp {
        let _order = self.0.order.lock().await;
        self.follow_regions().await;
        let until = lock(&self.0.clock).step(by, Timestamp::now());
        self.0.stepping.store(true, Ordering::Relaxed);
        self.advance(until).await;
        self.0.stepping.store(false, Ordering::Relaxed);
        until
    }

    /// Why there are no real servers; `None` where there are.
    pub fn data_missing(&self) -> Option<&str> {
        self.0.data_missing.as_deref()
    }

    /// The certificate of the authority that signs those of the servers, in PEM; `None` where there are no real servers.
    pub fn authority(&self) -> Option<&str> {
        self.0.servers.as_ref().map(Servers::authority)
    }

    /// What may be had of each thing in an account and region, as last set.
    pub fn quotas(&self) -> RdsQuotas {
        self.model().quotas
    }

    /// Changes the limits, for new requests.
    pub fn set_quotas(&self, quotas: RdsQuotas) {
        self.model().quotas = quotas;
    }

    /// From now on an instance is `available` for so long after a ModifyDBInstance that is to be applied immediately, with its
    /// old settings, and `modifying` only then, as AWS's are for some seconds. At once unless told otherwise.
    pub fn set_linger(&self, lingers: Duration) {
        let lingers = jiff::SignedDuration::try_from(lingers).unwrap_or(jiff::SignedDuration::MAX);
        self.model().lingers = lingers;
    }

    /// From now on an instance that is made or restored is `backing-up` for so long. A minute unless told otherwise; AWS has
    /// taken hours.
    pub fn set_first_backup(&self, takes: Duration) {
        let takes = jiff::SignedDuration::try_from(takes).unwrap_or(jiff::SignedDuration::MAX);
        self.model().first_backup = takes;
    }

    /// From now on a replica is so far behind its source; `None`: RDS does not publish how far, and has not
    /// since CloudWatch was asked last. A second unless told otherwise;
    /// without its source's region it falls behind by itself. `false` when there is no replica of this id.
    pub fn set_replica_lag(&self, region: &str, id: &str, lag: Option<Duration>) -> bool {
        let lag =
            lag.map(|lag| jiff::SignedDuration::try_from(lag).unwrap_or(jiff::SignedDuration::MAX));
        let mut model = self.model();
        model.measure();
        let mut found = model
            .instances
            .iter_mut()
            .filter(|((place, at), instance)| {
                place.region == region && at.eq_ignore_ascii_case(id) && instance.is_replica()
            });
        match found.next() {
            Some((_, replica)) => {
                replica.lag = lag;
                if lag.is_none() {
                    replica.lags.clear();
                }
                true
            }
            None => false,
        }
    }

    /// Figures of ReplicaLag that are to be published, each once: of which replica, of which minute, how many seconds.
    pub(crate) fn take_lags(&self, place: &Place) -> Vec<(String, Timestamp, f64)> {
        let mut model = self.model();
        model.measure();
        let instances = model.instances.iter_mut();
        let here = instances.filter(|((at, _), _)| at == place);
        here.flat_map(|((_, id), replica)| {
            let figures = std::mem::take(&mut replica.lags).into_iter();
            figures.map(|(at, seconds)| (id.clone(), at, seconds))
        })
        .collect()
    }

    /// From now on an instance whose storage has grown is `storage-optimization` for so long, and serves meanwhile. Six hours
    /// unless told otherwise.
    pub fn set_storage_optimization(&self, takes: Duration) {
        let takes = jiff::SignedDuration::try_from(takes).unwrap_or(jiff::SignedDuration::MAX);
        self.model().optimization = takes;
    }

    /// The next time that this instance, existing or not yet, would become `available`, it ends in
    /// `status` instead. `id` may be `beginning*`.
    pub fn end_instance_as(&self, region: &str, id: &str, status: &str) {
        self.end_as(RdsEnding {
            kind: RdsKind::Instance,
            region: region.to_owned(),
            id: id.to_owned(),
            status: status.to_owned(),
        });
    }

    /// As [`Self::end_instance_as`], for a snapshot.
    pub fn end_snapshot_as(&self, region: &str, id: &str, status: &str) {
        self.end_as(RdsEnding {
            kind: RdsKind::Snapshot,
            region: region.to_owned(),
            id: id.to_owned(),
            status: status.to_owned(),
        });
    }

    /// As the two above.
    pub fn end_as(&self, ending: RdsEnding) {
        self.model().end_as(RdsEnding {
            // Ids are in lower case.
            id: ending.id.to_ascii_lowercase(),
            ..ending
        });
    }

    /// Gives an instance a status at once, which it keeps; `false` when there is none of this id.
    pub fn set_instance_status(&self, region: &str, id: &str, status: &str) -> bool {
        let mut model = self.model();
        let mut found = model
            .instances
            .iter_mut()
            .filter(|((place, at), _)| place.region == region && at.eq_ignore_ascii_case(id));
        match found.next() {
            Some((_, instance)) => {
                status.clone_into(&mut instance.status);
                instance.phase = None;
                true
            }
            None => false,
        }
    }

    /// Gives a snapshot a status at once, which it keeps; `false` when there is none of this id.
    pub fn set_snapshot_status(&self, region: &str, id: &str, status: &str) -> bool {
        let mut model = self.model();
        let mut found = model
            .snapshots
            .iter_mut()
            .filter(|((place, at), _)| place.region == region && at.eq_ignore_ascii_case(id));
        match found.next() {
            Some((_, snapshot)) => {
                status.clone_into(&mut snapshot.status);
                snapshot.phase = None;
                true
            }
            None => false,
        }
    }

    /// Takes a minor version out of the offer for new instances, as AWS does over the years.
    pub fn retire_version(&self, version: &str) {
        self.model().retired.insert(version.to_owned());
    }

    /// Announces maintenance of an instance, which happens at a time, or when somebody wants it to; `false`
    /// when there is none of this id.
    pub fn plan_maintenance(
        &self,
        region: &str,
        id: &str,
        action: &str,
        at: Option<Timestamp>,
    ) -> bool {
        let mut model = self.model();
        let mut keys = model.instances.keys();
        let found = keys.find(|(place, at)| place.region == region && at.eq_ignore_ascii_case(id));
        let Some(key) = found.cloned() else {
            return false;
        };
        let planned = Planned {
            action: action.to_owned(),
            at,
        };
        model.maintenance.entry(key).or_default().push(planned);
        true
    }

    /// What it says of itself.
    pub fn status(&self) -> RdsStatus {
        let unread = self.unread_inputs();
        let model = self.model();
        RdsStatus {
            unread,
            now: model.now,
            clock: self.0.kind,
            data_missing: self.0.data_missing.clone(),
            quotas: model.quotas,
            instances: model.instances.len(),
            snapshots: model.snapshots.len(),
        }
    }

    /// Switches a region off or on.
    pub(crate) fn set_region(&self, region: &str, down: bool) {
        self.model().set_down(region, down);
        self.0.regions.notify_one();
    }

    /// Ends the servers.
    pub(crate) fn end(&self) {
        if let Some(servers) = &self.0.servers {
            servers.end();
        }
    }

    /// Whether an action is on what this simulation owns; others are the base's.
    pub(crate) fn owns(action: &str) -> bool {
        !action::is_of_the_base(action)
    }

    /// The secret of an instance's master user, if RDS keeps one.
    pub(crate) fn master_secret(&self, place: &Place, id: &str) -> Option<String> {
        let key = (place.clone(), id.to_ascii_lowercase());
        let model = self.model();
        Some(model.instances.get(&key)?.secret.as_ref()?.arn.clone())
    }

    /// For a secret about to be made: a password, and the user of an instance that is there.
    pub(crate) fn new_password(&self, place: &Place, id: &str) -> (Password, Option<String>) {
        let key = (place.clone(), id.to_ascii_lowercase());
        let mut model = self.model();
        let user = model
            .instances
            .get(&key)
            .map(|instance| instance.settings.user.clone());
        (Password(model.draw()), user)
    }

    /// Answers a request: status, code and message of a refusal, or the answer's body.
    pub(crate) async fn answer(
        &self,
        action: &str,
        place: &Place,
        fields: &Fields,
        asked: &Asked,
    ) -> Result<String, (StatusCode, &'static str, String)> {
        let outcome = self.outcome(action, place, fields, asked).await;
        let number = self.0.requests.fetch_add(1, Ordering::Relaxed);
        match outcome {
            Ok(reply) => Ok(reply.xml.document(action, number)),
            Err(refusal) => Err((refusal.status, refusal.code, refusal.message)),
        }
    }

    /// Remembers what an accepted request asked for and nobody looked at. A refused one may have ended before.
    fn note_unread(&self, action: &str, fields: &Fields) {
        for input in fields.unread() {
            let unread = UnreadInput {
                action: action.to_owned(),
                input,
            };
            let text = unread.to_string();
            if lock(&self.0.unread).insert(unread) {
                tracing::warn!("RDS: {text} is not simulated, and was ignored");
            }
        }
    }

    /// The inputs that accepted requests had and the simulation did not look at, each once. What a test proves of a call that
    /// is among them, it does not prove for AWS.
    pub fn unread_inputs(&self) -> Vec<UnreadInput> {
        lock(&self.0.unread).iter().cloned().collect()
    }

    async fn outcome(
        &self,
        action: &str,
        place: &Place,
        fields: &Fields,
        asked: &Asked,
    ) -> Outcome<Reply> {
        let request = Request {
            place,
            fields,
            asked,
        };
        let Some(act) = action::named(action) else {
            return Err(Refusal::not_simulated(action));
        };
        action::check_inputs(action, fields)?;
        if let Some(network) = &asked.network {
            let subnets = network.default_subnets();
            self.model().default_subnets.insert(place.clone(), subnets);
        }
        // What only looks need not wait for what is under way.
        if action.starts_with("Describe") || action.starts_with("List") {
            if let RdsClock::Asked { seconds } = self.0.kind {
                self.step(Duration::from_secs(seconds.into())).await;
            }
            let reply = act(&mut self.model(), &request)?;
            self.note_unread(action, fields);
            return Ok(reply);
        }
        let _order = self.0.order.lock().await;
        let reply = act(&mut self.model(), &request)?;
        self.note_unread(action, fields);
        self.work(&reply.work).await;
        Ok(reply)
    }
}
