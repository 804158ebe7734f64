//! The control routes under `/_local-aws/`, and a client for them.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::fault::{Fault, FaultId};
use crate::log::LogEntry;
use crate::rds::RdsStatus;
use crate::region::RegionState;

mod client;
mod page;
pub(crate) mod routes;

pub use client::{Control, ControlError};
pub(crate) use page::is_page;

/// What an instance says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// `http://127.0.0.1:PORT`.
    pub endpoint: String,
    /// The emulator behind it.
    pub base: String,
    /// Id of the process that serves the port.
    pub process: u32,
    /// Id of the emulator's process, if it is a child of that one.
    pub emulator: Option<u32>,
    /// Regions that are not up.
    pub regions: BTreeMap<String, RegionState>,
    /// Faults, `times` counted down.
    pub faults: Vec<ListedFault>,
    /// Requests answered or cut so far.
    pub requests: u64,
    /// The simulated RDS; `None` when RDS is the base's.
    #[serde(default)]
    pub rds: Option<RdsStatus>,
}

/// A fault with its id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ListedFault {
    /// For removing it.
    pub id: FaultId,
    /// What it does and to which requests, `times` counted down.
    #[serde(flatten)]
    pub fault: Fault,
}

/// A piece of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogPage {
    /// The requests that were asked for, oldest first.
    pub entries: Vec<LogEntry>,
    /// Where to go on.
    pub next: u64,
}

/// The header with the token that control pages want.
pub(crate) const TOKEN: &str = "x-local-aws-token";

/// What the paths of all routes begin with: `_` begins no bucket's name.
pub(crate) const PREFIX: &str = "/_local-aws/";

#[derive(Debug, Serialize, Deserialize)]
struct RegionChange {
    state: RegionState,
}

#[derive(Debug, Serialize, Deserialize)]
struct BucketChange {
    owner: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Step {
    seconds: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct ReplicaLag {
    region: String,
    id: String,
    /// `None`: nothing is published.
    seconds: Option<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Retired {
    version: String,
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, serde_json::Error> {
    serde_json::from_slice(body)
}
