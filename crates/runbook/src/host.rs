use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use settings::Region;

/// What a machine gives to a run: the time, random bits, and whether a process still lives.
pub trait Host {
    /// The time of the machine's clock, for records that people read. Nothing is decided by it.
    fn now(&self) -> Timestamp;

    /// Random bits, different at each call.
    fn random(&self) -> u64;

    /// This process.
    fn holder(&self) -> &Holder;

    /// Whether the process lives; `None` where this machine cannot know, since it ran on another one.
    fn is_alive(&self, holder: &Holder) -> Option<bool>;

    /// The endpoint that stands in for AWS's own, if one does: an emulator answers there, and no account.
    fn stand_in(&self) -> Option<String> {
        None
    }

    /// How many requests this process has sent to each region until now; empty where nobody counts.
    fn calls(&self) -> BTreeMap<Region, u64> {
        BTreeMap::new()
    }
}

/// A process that carries a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Who began it, as `user@host`.
    pub operator: String,
    /// The machine since its last start, and the process namespace in it. Process IDs mean the same process only where
    /// these are equal.
    pub machine: String,
    /// Process ID.
    pub pid: u32,
    /// When the process began, in clock ticks since the system started (proc(5), field 22 of `stat`).
    pub started_ticks: Option<u64>,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, process {}", self.operator, self.pid)
    }
}
