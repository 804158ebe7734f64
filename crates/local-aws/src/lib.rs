//! AWS on one loopback port, for drills and tests.
//!
//! An emulator runs as a child process. In front of it a proxy reads service and region from the
//! signature of each request, keeps a log, switches regions off and injects faults.
//!
//! ```no_run
//! # async fn show() -> Result<(), local_aws::StartError> {
//! use local_aws::{Fault, FaultKind, LocalAws, RegionState};
//!
//! let aws = LocalAws::start().await?;
//! // … point the programs under test at it: see LocalAws::environment
//! aws.add_fault(Fault::new(FaultKind::SlowDown).service("s3").share(0.3));
//! aws.set_region("ca-central-1", RegionState::Refuse);
//! assert!(aws.log().iter().all(|entry| !entry.is_mutation()));
//! # Ok(()) }
//! ```

mod answer;
mod bucket;
mod condition;
mod control;
mod dashboard;
mod emulator;
mod error;
mod fault;
mod filter;
mod instance;
mod kill;
mod listing;
mod log;
mod pagination;
mod proxy;
mod rds;
mod region;
mod request;
mod secret;
#[cfg(feature = "stack")]
pub mod stack;
mod state;
mod stranger;

pub use bucket::{UnknownAccount, known_account};
pub use control::{Control, ControlError, ListedFault, LogPage, Status};
pub use emulator::{Base, Execution, UnknownBase, UnknownExecution};
pub use error::StartError;
pub use fault::{ErrorAnswer, Fault, FaultId, FaultKind, UnfitFault};
pub use instance::{Builder, LocalAws, REMOVED_VARIABLES};
pub use kill::{KillAt, Moment};
pub use log::LogEntry;
pub use rds::{
    Rds, RdsClock, RdsData, RdsEnding, RdsKind, RdsOptions, RdsQuotas, RdsStatus, UnreadInput,
};
pub use region::{RegionState, UnknownRegion, known_region};
