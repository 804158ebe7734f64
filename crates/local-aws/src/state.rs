//! What an instance is set to and has seen: regions, faults, log, RDS. The proxy acts by it, the control routes and the
//! library change and show it.

use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use crate::bucket::Buckets;
use crate::emulator::{Base, Running};
use crate::fault::Faults;
use crate::log::Log;
use crate::rds::Rds;
use crate::region::{RegionState, Regions};
use crate::secret::Secret;

pub(crate) struct State {
    /// `http://127.0.0.1:PORT`.
    pub(crate) endpoint: String,
    /// What control pages want to hear.
    pub(crate) token: Secret,
    /// Name of the emulator.
    pub(crate) base: String,
    /// Id of the emulator's process.
    pub(crate) emulator: Option<u32>,
    pub(crate) regions: Regions,
    pub(crate) buckets: Buckets,
    pub(crate) log: Log,
    /// RDS, unless it is the emulator's.
    pub(crate) rds: Option<Rds>,
    /// Notified when the instance shall end.
    pub(crate) stop: Notify,
    faults: Mutex<Faults>,
}

impl State {
    pub(crate) fn new(
        endpoint: String,
        token: Secret,
        base: &Base,
        running: &Running,
        seed: u64,
        log: Log,
        rds: Option<Rds>,
    ) -> Self {
        Self {
            endpoint,
            token,
            base: base.to_string(),
            emulator: running.process_id(),
            stop: Notify::new(),
            regions: Regions::default(),
            buckets: Buckets::default(),
            log,
            rds,
            faults: Mutex::new(Faults::new(seed)),
        }
    }

    pub(crate) fn faults<R>(&self, work: impl FnOnce(&mut Faults) -> R) -> R {
        work(&mut self.faults.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn set_region(&self, region: &str, state: RegionState) {
        self.regions.set(region, state);
        if let Some(rds) = &self.rds {
            rds.set_region(region, state != RegionState::Up);
        }
    }
}
