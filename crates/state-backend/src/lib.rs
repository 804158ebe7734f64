//! The Terraform state backend in two regions.
//!
//! One bucket and one lock table per region, hardened alike, with the state replicated from the
//! primary to the DR region. Every setting of every resource is a [`Facet`]: [`wanted`] says what
//! each has to be, [`Backend::observe`] reads what it is, [`Plan::new`] decides without calling
//! anything what has to change, [`Backend::apply`] does it step by step, each read back, and the
//! same facets observed once more are the verification.
//!
//! Nothing is deleted and nothing is weakened: what cannot be made right without either is
//! refused, with the reason.

mod acquire;
mod alarm;
mod apply;
mod backend;
mod backfill;
mod bucket;
mod canary;
mod dr_backend;
mod failback;
mod failover;
mod handover;
mod health;
mod inventory;
mod key;
mod lock;
mod metrics;
mod plan;
mod policy;
mod problem;
mod reading;
mod render;
mod repair;
mod restore;
mod role;
mod root;
mod side;
mod spec;
mod status;
mod table;
mod wanted;

pub use acquire::{HeldLocks, LockHolder};
pub use apply::{Applied, Step, StepOutcome};
pub use backend::{Backend, ConnectError};
pub use backfill::{
    ApprovedBackfill, ApprovedBatch, Backfill, BackfillError, BackfillLimits, BackfillObject,
    BackfillOutcome, BackfillReason, BatchFailure, BatchJob, BatchReplication, BatchRoleError,
    LeftObject, NotCopied,
};
pub use canary::{Canary, CanaryError, CanaryOptions, LeftCanary};
pub use dr_backend::DrBackend;
pub use failback::{
    ApprovedFailback, FailbackError, FailbackPlan, FailbackRun, FailedBack, Resolution, Resolutions,
};
pub use failover::{ApprovedFailover, FailedOver, FailoverPlan};
pub use handover::{
    Handover, HandoverStep, Left, LeftKind, Standing, StateCopy, StateDeletion, StateHandover,
};
pub use health::Health;
pub use inventory::{
    Digest, Divergence, Inventory, LastVersion, LostWrite, NotAState, OtherObjects, Presence,
    Relation, SideState, StateCopies, StateId, StateObject, StateScope, WORKSPACE_KEY_PREFIX,
    WhyNotAState, Workspace,
};
pub use lock::{Lock, LockInfo, LockKind, LockName, Locks, Release, ReleaseError, UnknownLocks};
pub use metrics::{Metric, ReplicationMetrics};
pub use plan::{
    Approved, Change, Found, Observed, Plan, Refusal, RefusalKind, Verdict, Verification,
};
pub use problem::{Observation, Problem};
pub use render::BackendFile;
pub use repair::{DigestRemoval, DigestRepair, RepairError};
pub use restore::StateRestore;
pub use root::{
    ApprovedRoot, FoundFile, HeldRoot, KeyFrom, NotReady, RootError, RootFailure, RootPlan,
    RootPlans, RootStep, TurnError, TurnedRoot, TurnedRoots,
};
pub use spec::{Aspect, Facet, Holds, Kind, RULE_ID, Resource, Side, SideName, Spec};
pub use status::{SideStatus, Status};
pub use wanted::wanted;
