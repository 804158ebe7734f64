//! Objects of a bucket and of its copy in another region.
//!
//! Pure modules know nothing of the SDK: [`ListingReader`], [`compare_details`], [`ConcurrencyLimiter`], the rules of
//! [`Planned::approve`]. Around them: [`walk`] lists two buckets side by side, [`plan`] compares them and writes
//! down the steps, the guard makes the plan an [`Approved`] one, and [`apply`] takes its steps, each in the journal
//! before it is done, so that [`undo`] can take it back. Nothing else here changes an object.

mod backlog;
mod batch;
mod bucket;
mod caveats;
mod compare;
mod comparison;
mod concurrency;
mod content;
mod copy;
mod coverage;
mod deletion;
mod digest;
mod earlier;
mod entry;
mod examine;
mod execute;
mod fence;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod guard;
mod intercept;
mod inventory;
mod journal;
mod list_xml;
mod location;
mod manifest;
mod own_copies;
mod pairing;
mod parity;
mod plan;
mod recheck;
mod reconcile;
mod run_id;
mod split;
mod spool;
mod sync;
mod under_way;
mod undo;
mod version_ids;
mod versions;
mod walk;

pub use backlog::{
    Backlog, BacklogBy, BacklogOptions, Oldest, Reading, backlog_by_metrics, backlog_by_statuses,
};
pub use batch::{
    BatchError, BatchJob, BatchOptions, BatchPlan, JobControl, JobState, Jobs, follow, plan_batch,
    record_copies, submit, unfinished_jobs,
};
pub use bucket::{Bucket, BucketIdentity, Pages};
pub use compare::{
    Checksum, Detail, Difference, Encryption, Mode, Proof, Unprovable, Verdict, compare_details,
    compare_listed,
};
pub use concurrency::ConcurrencyLimiter;
pub use coverage::{Covers, CoversBoth};
pub use digest::TreeDigest;
pub use entry::{ETag, Modified, ObjectMeta, Page, StorageClass};
pub use execute::{Done, ExecuteError};
pub use fence::{BucketFence, FencePlan, FenceStep, FenceWanted, apply_fence, plan_fence};
pub use guard::{Approved, ChangeLimit, Policy, Refusal, Refusals, check_locations};
pub use inventory::{Inventory, InventoryError, ManifestUrl, parity_of_inventories};
pub use journal::{
    Ended, JournalError, JournalKey, JournalSource, KeptRun, NoJournalKey, PrunePlan, PruneSources,
    ReplayedJob, ReplayedRun, Run, RunEnd, RunEntry, RunSummary, Runs, list_runs, plan_prune,
    prune, replay,
};
pub use list_xml::{ListingError, ListingReader};
pub use location::{JOURNAL, S3Location, S3LocationError};
pub use manifest::{
    KeptManifest, Manifest, ManifestError, ManifestKeys, ManifestSummary, capture, fetch_manifest,
    keep_manifest,
};
pub use own_copies::OwnCopies;
pub use pairing::{BucketPair, PairedBucket, Pairing};
pub use parity::{AsOf, Finding, Folder, Parity, ParityError, ParityOptions, Sample, Sum, parity};
pub use plan::{
    Example, Listed, Plan, PlanError, PlanOptions, Planned, PlannedCopy, ReopenError, Tally, plan,
};
pub use reconcile::{
    PrefixCounts, ReconcileError, Reconciliation, Resolution, ResolutionError, Resolutions,
    reconcile,
};
pub use run_id::{RunId, RunIdError};
pub use spool::SpoolError;
pub use sync::{ApplyOptions, abort_open_uploads, apply, resume};
pub use undo::{
    ApprovedUndo, JournalTrust, PlannedUndo, UndoError, UndoPlan, UndoRefusal, Undone, plan_undo,
    undo,
};
pub use walk::{Lister, Side, Visitor, WalkError, walk};
