//! Objects of a bucket and of its copy in another region.
//!
//! Pure modules know nothing of the SDK: [`ListingReader`], [`compare_details`], [`check`], [`Pace`]. Around
//! them: [`walk`] lists two buckets side by side, [`plan`] compares them and writes down the steps, and
//! [`apply`] takes the steps, each in the [`Journal`] before it is done, so that it can be undone.

mod batch;
mod bucket;
mod compare;
mod comparison;
mod copy;
mod deletion;
mod digest;
mod entry;
mod estimate;
mod examine;
mod execute;
mod guard;
mod intercept;
mod inventory;
mod journal;
mod list_xml;
mod look;
mod manifest;
mod pace;
mod parity;
mod place;
mod plan;
mod reconcile;
mod split;
mod spool;
mod sync;
mod under_way;
mod undo;
mod versions;
mod walk;

pub use batch::{
    BatchError, BatchJob, BatchOptions, BatchPlan, JobControl, JobState, Jobs, follow, plan_batch,
    submit, unfinished_jobs,
};
pub use bucket::{Bucket, Pages};
pub use compare::{
    Checksum, Detail, Difference, Encryption, Mode, Proof, Unprovable, Verdict, compare_details,
    compare_listed,
};
pub use copy::{Copied, Copier, CopyError, Expected, Order};
pub use digest::TreeDigest;
pub use entry::{ETag, Facts, Modified, Page, StorageClass};
pub use estimate::{Engine, Estimate, Line, Rates, Way, Workload, estimate};
pub use execute::{Done, ExecuteError};
pub use guard::{Intended, MaxDelete, Refusal, check, check_places};
pub use inventory::{
    Covers, CoversBoth, Inventory, InventoryError, ManifestUrl, parity_of_inventories,
};
pub use journal::{
    Action, Change, Intent, Journal, JournalError, Outcome, Past, PastJob, Record, Run, recall,
};
pub use list_xml::{ListingError, ListingReader};
pub use manifest::{Manifest, ManifestError, capture};
pub use pace::Pace;
pub use parity::{AsOf, Finding, Folder, Parity, ParityOptions, Sample, Sum, parity};
pub use place::{JOURNAL, Place, PlaceError};
pub use plan::{Example, Listed, Plan, PlanError, PlanOptions, Planned, Tally, plan};
pub use reconcile::{ReconcileError, Reconciliation, reconcile};
pub use spool::SpoolError;
pub use sync::{ApplyOptions, abort_leftovers, apply};
pub use undo::{PlannedUndo, UndoError, UndoPlan, Undone, plan_undo, undo};
pub use walk::{Lister, Side, Visitor, WalkError, walk};
