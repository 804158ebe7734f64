//! Databases of a region and what of them survives in another one.
//!
//! *Observe* is [`RdsClients`] and [`recovery_points`]; *plan* is pure: [`plan_copies`], [`plan_prune`],
//! [`plan_restore`], [`plan_enable`], [`plan_disable`]; *apply* makes a plan true and can be repeated: what
//! was begun is found again by its identifier and tags, so that nothing is kept outside AWS and a run may
//! be killed at any moment.
//!
//! Everything after the loss of a region ([`recovery_points`], [`plan_restore`], [`restore`]) calls the DR
//! region only.

mod as_of;
mod backups;
mod clients;
mod cluster;
mod copy;
mod key;
mod lag;
mod limits;
mod name;
mod pin;
mod promote;
mod protect;
mod provenance_tags;
mod prune;
mod recovery_point;
mod refusal;
mod restore;
mod retire;
mod show;
mod snapshot;

pub use as_of::AsOf;
pub use backups::{
    BackupStatus, BackupsReport, DisablePlan, EnablePlan, EnableStep, Health, disable, enable,
    plan_disable, plan_enable, refuse_enable, status,
};
pub use clients::{Backup, Engine, Instance, InstanceOptions, RdsClients};
pub use copy::{
    Copied, CopiedOne, CopyOptions, CopyOutcome, CopyPlan, CopyState, CopyStep, LeftOut, copy,
    plan_copies, refuse_copies,
};
pub use key::{KeyProblem, check_key};
pub use limits::{
    Quota, SourceRegion, compare_quotas, judge_source_region, quotas, source_regions,
};
pub use name::{copy_id, is_legal_snapshot_id};
pub use pin::{
    Held, RunName, RunNameError, failovers, hold_deletions, pin, release_deletions, unpin,
};
pub use promote::{PromoteRequest, PromoteStep, Promoted, PromotionPlan, plan_promotion, promote};
pub use protect::{lacks_protection, protect};
pub use provenance_tags::MADE_BY;
pub use prune::{ApprovedPrune, Kept, PrunePlan, Pruned, PrunedOne, plan_prune, prune};
pub use recovery_point::{Kind, RecoveryPoint, RecoveryPoints, judge, order, recovery_points};
pub use refusal::Refusal;
pub use restore::{
    At, AtError, Begun, Choice, Difference, FresherReplica, RestoreError, RestorePlan,
    RestoreProgress, RestoreRequest, RestoreStep, RestoreWatch, Restored, TargetCheck,
    TargetProblem, TerraformImport, begin_restore, check_restore_target, plan_restore, restore,
    wait_restore,
};
pub use retire::{
    Deletion, Fenced, LastCopy, LastSnapshot, RetireError, Whose, allow_deletion,
    begin_last_snapshot, delete_instance, fence, last_snapshot_id, start, wait_last_snapshot,
};
pub use snapshot::{Snapshot, SnapshotList, SnapshotState};
