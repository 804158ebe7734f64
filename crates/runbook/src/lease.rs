//! Who carries a run of this environment, for those who would like to.
//!
//! Nobody's wall clock counts. Whoever finds a lease of a process that it cannot look at watches it for as long as it
//! lasts: a lease that was not renewed meanwhile may be taken. Its holder stops by its own clock, which goes on while
//! the process is stopped, before that: calls that come later are not sent ([`CallPermit`]).

use std::cell::RefCell;
use std::time::Duration;

use aws_env::CallPermit;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use crate::store::{Created, ETag, Store, StoreError};
use crate::{Holder, Host, RunId};

/// The object, beside the folder of the runs.
pub(crate) const KEY: &str = "lease.json";

/// How long a lease lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseTimes {
    /// How long a lease must not have been renewed before another process takes it.
    pub lasts: Duration,
    /// How long after its last renewal its holder calls AWS; shorter than `lasts` by more than a call can take to be
    /// acted upon.
    pub calls_for: Duration,
    /// How often its holder renews it.
    pub renewed_every: Duration,
}

impl Default for LeaseTimes {
    fn default() -> Self {
        Self {
            lasts: Duration::from_secs(60),
            calls_for: Duration::from_secs(40),
            renewed_every: Duration::from_secs(10),
        }
    }
}

/// What a lease says of its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeaseState {
    /// Its holder carries it.
    Held,
    /// Its holder has left it, to be resumed.
    Left,
    /// It is over.
    Over,
}

/// The lease as it lies in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenLease {
    /// The run that it is about.
    pub run: RunId,
    /// Rises whenever somebody takes the lease.
    pub epoch: u64,
    /// Who has it, or had.
    pub holder: Holder,
    /// Random, new at every write.
    nonce: u64,
    /// What it says of the run.
    pub state: LeaseState,
    /// When it was taken, by its holder's clock.
    pub taken: Timestamp,
    /// When it was last renewed, by its holder's clock.
    pub renewed: Timestamp,
}

/// Why a lease was not taken, or is not held any more.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// Another process carries a run.
    #[error("{} carries run {}, since {:.0}; the lease was renewed at {:.0}", .0.holder, .0.run, .0.taken, .0.renewed)]
    Held(Box<SeenLease>),
    /// A run of the environment is not over.
    #[error("run {} of {} is not over", .0.run, .0.holder.operator)]
    NotOver(Box<SeenLease>),
    /// Another process took it from this one.
    #[error("{} has taken over run {}", .0.holder, .0.run)]
    Lost(Box<SeenLease>),
    /// It could not be renewed in time. Another process may have taken it.
    #[error("the lease {place} could not be renewed for {}", report::duration(*.silent))]
    Lapsed {
        /// The object that holds it.
        place: String,
        /// For how long.
        silent: Duration,
    },
    /// It cannot be read or written.
    #[error("cannot use the lease {place}")]
    Store {
        /// The object that holds it.
        place: String,
        /// What S3 or the system says.
        #[source]
        source: StoreError,
    },
    /// It is none.
    #[error("{place} is not a lease: {problem}")]
    Broken {
        /// The object that holds it.
        place: String,
        /// What is wrong.
        problem: String,
    },
}

/// The lease of the environment, held by this process.
#[derive(Debug)]
pub struct Lease<S> {
    store: S,
    times: LeaseTimes,
    permit: CallPermit,
    held: RefCell<(SeenLease, ETag)>,
}

fn store_error(store: &impl Store, source: StoreError) -> LeaseError {
    LeaseError::Store {
        place: store.place(KEY),
        source,
    }
}

/// The lease, if there has been one.
pub(crate) async fn read(store: &impl Store) -> Result<Option<(SeenLease, ETag)>, LeaseError> {
    let stored = store.read(KEY).await;
    let Some(stored) = stored.map_err(|error| store_error(store, error))? else {
        return Ok(None);
    };
    let seen = serde_json::from_slice(&stored.bytes).map_err(|error| LeaseError::Broken {
        place: store.place(KEY),
        problem: error.to_string(),
    })?;
    Ok(Some((seen, stored.etag)))
}

/// Writes the lease where `seen` is. `None` when somebody else was faster.
async fn write(
    store: &impl Store,
    lease: &SeenLease,
    seen: Option<&ETag>,
) -> Result<Option<ETag>, LeaseError> {
    let bytes = serde_json::to_vec_pretty(lease).map_err(|error| LeaseError::Broken {
        place: store.place(KEY),
        problem: error.to_string(),
    })?;
    let written = match seen {
        Some(seen) => store.replace(KEY, &bytes, seen).await,
        None => match store.create(KEY, &bytes).await {
            Ok(Created::Written(etag)) => Ok(Some(etag)),
            Ok(Created::Taken) => Ok(None),
            Err(error) => Err(error),
        },
    };
    match written {
        Ok(Some(etag)) => Ok(Some(etag)),
        // The answer to an attempt may have been lost, and this one found what that one wrote.
        Ok(None) | Err(_) => match (read(store).await?, written) {
            (Some((there, etag)), _) if there.nonce == lease.nonce => Ok(Some(etag)),
            (_, Err(error)) => Err(store_error(store, error)),
            _ => Ok(None),
        },
    }
}

impl<S: Store + Clone> Lease<S> {
    /// Takes the lease for `run`, if no other run is under way, and nobody carries this one. `is_void` says of a run
    /// that is not over whether nothing was ever begun of it.
    pub(crate) async fn take(
        store: &S,
        host: &impl Host,
        run: &RunId,
        times: LeaseTimes,
        is_void: impl AsyncFnOnce(&RunId) -> bool,
    ) -> Result<Self, LeaseError> {
        let seen = read(store).await?;
        if let Some((there, etag)) = &seen {
            let is_free = match there.state {
                LeaseState::Over => true,
                LeaseState::Left => there.run == *run || is_void(&there.run).await,
                LeaseState::Held => {
                    let is_ours = there.run == *run || is_void(&there.run).await;
                    if !has_lapsed(store, host, there, etag, times, is_ours).await? {
                        return Err(LeaseError::Held(Box::new(there.clone())));
                    }
                    is_ours
                }
            };
            if !is_free {
                return Err(LeaseError::NotOver(Box::new(there.clone())));
            }
        }
        let now = host.now();
        let lease = SeenLease {
            run: run.clone(),
            epoch: seen.as_ref().map_or(0, |(there, _)| there.epoch) + 1,
            holder: host.holder().clone(),
            nonce: host.random(),
            state: LeaseState::Held,
            taken: now,
            renewed: now,
        };
        let asked = Instant::now();
        match write(store, &lease, seen.as_ref().map(|(_, etag)| etag)).await? {
            Some(etag) => {
                let permit = CallPermit::default();
                permit.extend(asked + times.calls_for);
                Ok(Self {
                    store: store.clone(),
                    times,
                    permit,
                    held: RefCell::new((lease, etag)),
                })
            }
            None => Err(match read(store).await? {
                Some((there, _)) => LeaseError::Held(Box::new(there)),
                None => LeaseError::Broken {
                    place: store.place(KEY),
                    problem: "it was taken and is gone".to_owned(),
                },
            }),
        }
    }

    /// What calls that this lease permits are made under.
    pub fn permit(&self) -> CallPermit {
        self.permit.clone()
    }

    /// The epoch of the lease.
    pub fn epoch(&self) -> u64 {
        self.held.borrow().0.epoch
    }

    /// Renews the lease for as long as this is polled; returns when it is held no more.
    pub(crate) async fn keep(&self, host: &impl Host) -> LeaseError {
        let mut renewed = Instant::now();
        loop {
            sleep(self.times.renewed_every).await;
            let asked = Instant::now();
            match self.renew(host, LeaseState::Held).await {
                Ok(()) => {
                    renewed = asked;
                    self.permit.extend(asked + self.times.calls_for);
                }
                Err(error @ (LeaseError::Store { .. } | LeaseError::Lapsed { .. })) => {
                    tracing::warn!("the lease was not renewed: {}", causes(&error));
                    let silent = renewed.elapsed();
                    if silent >= self.times.calls_for {
                        return LeaseError::Lapsed {
                            place: self.store.place(KEY),
                            silent,
                        };
                    }
                }
                Err(error) => {
                    self.permit.revoke();
                    return error;
                }
            }
        }
    }

    /// Prolongs the lease, or gives it another state.
    pub(crate) async fn renew(
        &self,
        host: &impl Host,
        state: LeaseState,
    ) -> Result<(), LeaseError> {
        let (mut lease, seen) = self.held.borrow().clone();
        lease.nonce = host.random();
        lease.renewed = host.now();
        lease.state = state;
        match write(&self.store, &lease, Some(&seen)).await? {
            Some(etag) => {
                *self.held.borrow_mut() = (lease, etag);
                Ok(())
            }
            None => match read(&self.store).await? {
                // An earlier write of ours, whose answer and whose reading back were lost.
                Some((there, etag))
                    if there.epoch == lease.epoch && there.holder == lease.holder =>
                {
                    *self.held.borrow_mut() = (there, etag);
                    Err(LeaseError::Lapsed {
                        place: self.store.place(KEY),
                        silent: Duration::ZERO,
                    })
                }
                Some((there, _)) => Err(LeaseError::Lost(Box::new(there))),
                None => Err(LeaseError::Broken {
                    place: self.store.place(KEY),
                    problem: "it is gone".to_owned(),
                }),
            },
        }
    }

    /// Gives the lease back.
    pub(crate) async fn give_back(
        &self,
        host: &impl Host,
        state: LeaseState,
    ) -> Result<(), LeaseError> {
        self.permit.revoke();
        match self.renew(host, state).await {
            // What was read back is ours: once more, on top of it.
            Err(LeaseError::Lapsed { .. }) => self.renew(host, state).await,
            ended => ended,
        }
    }
}

/// Whether the holder of a lease is gone: at once where this machine knows, else by watching the lease.
async fn has_lapsed(
    store: &impl Store,
    host: &impl Host,
    there: &SeenLease,
    etag: &ETag,
    times: LeaseTimes,
    worth_waiting: bool,
) -> Result<bool, LeaseError> {
    if there.holder == *host.holder() {
        return Ok(true);
    }
    match host.is_alive(&there.holder) {
        Some(false) => return Ok(true),
        // One that lives may be stopped, or hang: whether it renews its lease counts.
        Some(true) | None if !worth_waiting => return Ok(false),
        Some(true) | None => {}
    }
    let begun = Instant::now();
    tracing::info!(
        "{} may carry run {}: watching its lease for {}",
        there.holder,
        there.run,
        report::duration(times.lasts)
    );
    while begun.elapsed() < times.lasts {
        sleep(times.renewed_every.min(times.lasts - begun.elapsed())).await;
        match read(store).await? {
            Some((_, now)) if now == *etag => {}
            _ => return Ok(false),
        }
    }
    Ok(true)
}

pub(crate) fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let causes: Vec<String> = causes.map(ToString::to_string).collect();
    causes.join(": ")
}
