//! Old copies that the policy does not keep.

use std::cmp::Reverse;

use aws_env::Error;
use jiff::{SignedDuration, Timestamp};
use report::{Document, Mark, Report};
use serde::Serialize;
use settings::{CopiesKept, Region};

use super::clients::is_any;
use super::pin::{held_by, pinned_by};
use super::{RdsClients, Refusal, Snapshot, SnapshotState, show};

/// Why a snapshot stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kept {
    /// It is one of the newest good ones.
    Last,
    /// It is young enough.
    Young,
    /// A run relies on it.
    Pinned,
    /// A failover is on.
    Failover,
    /// Something else made it.
    NotOurs,
    /// It is being made, copied or deleted.
    InProgress,
    /// It is not known of when it is, or what its status means.
    Unknown,
}

impl Kept {
    fn phrase(self) -> &'static str {
        match self {
            Self::Last => "one of the newest",
            Self::Young => "young enough",
            Self::Pinned => "pinned by a run",
            Self::Failover => "a failover is on",
            Self::NotOurs => "made by something else",
            Self::InProgress => "in progress",
            Self::Unknown => "time or status unknown",
        }
    }
}

/// What would be deleted and what stays, of one database in the DR region. [`PrunePlan::approve`] makes it one
/// that can be carried out.
#[derive(Debug, Clone, Serialize)]
pub struct PrunePlan {
    database: String,
    region: Region,
    #[serde(skip)]
    primary: Region,
    #[serde(skip)]
    policy: CopiesKept,
    /// The runs whose failover stops deletions.
    held_by: Vec<String>,
    delete: Vec<Snapshot>,
    keep: Vec<(Snapshot, Kept)>,
}

impl PrunePlan {
    /// Identifier of the database, as the settings have it.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// To be deleted, oldest last.
    pub fn deletions(&self) -> &[Snapshot] {
        &self.delete
    }

    /// To stay, and why.
    pub fn kept(&self) -> &[(Snapshot, Kept)] {
        &self.keep
    }

    /// The runs whose failover stops deletions; all is kept while there are any.
    pub fn held_by(&self) -> &[String] {
        &self.held_by
    }

    /// Lets the plan pass.
    ///
    /// # Errors
    /// When it would delete what was not made here, what a run relies on, or the last good copy.
    pub fn approve(self) -> Result<ApprovedPrune, Refusal> {
        let region = self.region;
        let held = self.held_by.iter().filter(|_| !self.delete.is_empty());
        let pins = self.delete.iter().flat_map(|copy| pinned_by(&copy.tags));
        let runs: Vec<String> = held.cloned().chain(pins).collect();
        if !runs.is_empty() {
            let database = self.database;
            return Err(Refusal::Held {
                database,
                region,
                runs,
            });
        }
        if let Some(other) = self.delete.iter().find(|copy| !copy.is_ours()) {
            return Err(Refusal::NotMadeHere {
                snapshot: other.id.clone(),
                region,
            });
        }
        let is_good = |copy: &Snapshot| copy.state == SnapshotState::Available;
        let deletes_good = self.delete.iter().any(is_good);
        if deletes_good && !self.keep.iter().any(|(copy, _)| is_good(copy)) {
            let database = self.database;
            return Err(Refusal::LastCopy { database, region });
        }
        Ok(ApprovedPrune(self))
    }
}

/// A plan to delete snapshots that the guard has let pass. Nothing else can be carried out:
///
/// ```no_run
/// # use dr::database::{PrunePlan, RdsClients, prune};
/// # async fn f(site: &RdsClients, plan: PrunePlan, now: jiff::Timestamp) {
/// let approved = plan.approve().expect("refused");
/// let pruned = prune(site, &approved, now).await;
/// # }
/// ```
///
/// ```compile_fail,E0308
/// # use dr::database::{PrunePlan, RdsClients, prune};
/// # async fn f(site: &RdsClients, plan: PrunePlan, now: jiff::Timestamp) {
/// let pruned = prune(site, &plan, now).await;
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ApprovedPrune(PrunePlan);

/// What the policy says about `present`, the snapshots of `database` in the DR region. Only copies from
/// `primary` that were made here are ever deleted: good ones that neither rule keeps, and failed ones. At
/// least the newest good one stays, whatever the policy.
pub fn plan_prune(
    present: &[Snapshot],
    database: &str,
    (primary, dr): (Region, Region),
    policy: CopiesKept,
    now: Timestamp,
) -> PrunePlan {
    let mut copies: Vec<&Snapshot> = present
        .iter()
        .filter(|copy| copy.database == database && copy.is_copy_from(primary))
        .collect();
    // The identifier decides between equal times, so that every run decides alike.
    copies.sort_by_key(|copy| Reverse((copy.taken, &copy.id)));
    let least = usize::try_from(policy.keep_last.max(1)).unwrap_or(usize::MAX);
    let young = SignedDuration::from_hours(i64::from(policy.keep_days) * 24);
    let mut plan = PrunePlan {
        database: database.to_owned(),
        region: dr,
        primary,
        policy,
        held_by: Vec::new(),
        delete: Vec::new(),
        keep: Vec::new(),
    };
    plan.held_by = held_by(copies.iter().map(|copy| &copy.tags));
    let mut good = 0;
    for copy in copies {
        let kept = match (&copy.state, copy.taken) {
            _ if !copy.is_ours() => Some(Kept::NotOurs),
            (SnapshotState::Failed, _) => None,
            (SnapshotState::InProgress | SnapshotState::Deleting, _) => Some(Kept::InProgress),
            (SnapshotState::Other(_), _) | (_, None) => Some(Kept::Unknown),
            (SnapshotState::Available, Some(taken)) => {
                good += 1;
                if good <= least {
                    Some(Kept::Last)
                } else if policy.keep_days > 0 && now.duration_since(taken) < young {
                    Some(Kept::Young)
                } else {
                    None
                }
            }
        };
        let kept = match kept {
            None if !plan.held_by.is_empty() => Some(Kept::Failover),
            None if !pinned_by(&copy.tags).is_empty() => Some(Kept::Pinned),
            kept => kept,
        };
        match kept {
            Some(kept) => plan.keep.push((copy.clone(), kept)),
            None => plan.delete.push(copy.clone()),
        }
    }
    plan
}

impl Report for PrunePlan {
    const KIND: &'static str = "prune-plan";

    fn document(&self) -> Document {
        let time = |copy: &Snapshot| copy.taken.map_or("unknown".to_owned(), show::time);
        let deleted = self.delete.iter().map(|copy| {
            let why = match copy.state {
                SnapshotState::Failed => "failed",
                _ => "not kept by the policy",
            };
            (
                Mark::Wrong,
                vec!["delete".into(), time(copy), why.into(), copy.id.clone()],
            )
        });
        let kept = self.keep.iter().map(|(copy, kept)| {
            let why = kept.phrase().to_owned();
            (
                Mark::Ok,
                vec!["keep".into(), time(copy), why, copy.id.clone()],
            )
        });
        let document = Document::new()
            .heading(format!("Copies of {} in {}", self.database, self.region))
            .table(
                ["", "Taken", "Why", "Snapshot"],
                deleted.chain(kept).collect(),
            );
        let document = document.text(format!(
            "{} to delete, {} to keep",
            self.delete.len(),
            self.keep.len()
        ));
        match &self.held_by[..] {
            [] => document,
            runs => document.text(format!(
                "Nothing is deleted while a failover is on: {}",
                runs.join(", ")
            )),
        }
    }
}

/// What became of one.
#[derive(Debug, Clone, Serialize)]
pub struct PrunedOne {
    /// Identifier of the snapshot.
    pub snapshot: String,
    /// Why it is still there; none when it was deleted.
    pub left: Option<String>,
}

/// What was deleted.
#[derive(Debug, Clone, Serialize)]
pub struct Pruned {
    /// Identifier of the database, as the settings have it.
    pub database: String,
    /// Each that was to be deleted.
    pub snapshots: Vec<PrunedOne>,
}

impl Pruned {
    /// Whether all that was to be deleted is.
    pub fn is_complete(&self) -> bool {
        self.snapshots.iter().all(|one| one.left.is_none())
    }
}

impl Report for Pruned {
    const KIND: &'static str = "prune";

    fn document(&self) -> Document {
        let rows = self.snapshots.iter().map(|one| match &one.left {
            None => (
                Mark::Ok,
                vec!["deleted".to_owned(), one.snapshot.clone(), String::new()],
            ),
            Some(why) => {
                let cells = vec!["left".to_owned(), one.snapshot.clone(), why.clone()];
                (Mark::Unknown, cells)
            }
        });
        Document::new()
            .heading(format!("Pruned copies of {}", self.database))
            .table(["", "Snapshot", "Why"], rows.collect())
    }
}

/// Deletes what was approved and a plan of now, by the same policy, would delete as well: since it was made, a
/// newer copy may have failed or been deleted, which makes an older one the last. The snapshots are looked at again before
/// each deletion.
///
/// # Errors
/// When the snapshots cannot be looked at again. What cannot be deleted is told in the result.
pub async fn prune(
    site: &RdsClients,
    ApprovedPrune(plan): &ApprovedPrune,
    now: Timestamp,
) -> Result<Pruned, Error> {
    let regions = (plan.primary, site.region());
    let mut pruned = Pruned {
        database: plan.database.clone(),
        snapshots: Vec::new(),
    };
    for copy in &plan.delete {
        // Before each one: a run may have pinned it, or a failover have begun, since the last was deleted.
        let present = match site.snapshots(Some(&plan.database)).await {
            Ok(present) => present,
            Err(error) if pruned.snapshots.is_empty() => return Err(error),
            Err(error) => {
                pruned.snapshots.push(PrunedOne {
                    snapshot: copy.id.clone(),
                    left: Some(error.to_string()),
                });
                continue;
            }
        };
        let again = plan_prune(&present, &plan.database, regions, plan.policy, now);
        let left = if again.delete.iter().any(|now| now.id == copy.id) {
            delete(site, &copy.id).await
        } else {
            let kept = again.keep.iter().find(|(now, _)| now.id == copy.id);
            kept.map(|(_, kept)| match kept {
                Kept::Pinned | Kept::Failover => kept.phrase().to_owned(),
                _ => "the policy keeps it now".to_owned(),
            })
        };
        pruned.snapshots.push(PrunedOne {
            snapshot: copy.id.clone(),
            left,
        });
    }
    Ok(pruned)
}

/// Why it is left; none when it is gone.
async fn delete(site: &RdsClients, id: &str) -> Option<String> {
    let request = site.rds.delete_db_snapshot().db_snapshot_identifier(id);
    let Err(error) = request.send().await else {
        site.applied("delete snapshot", id);
        return None;
    };
    let error = site.call("DeleteDBSnapshot", id).failed(error);
    if is_any(&error, &["DBSnapshotNotFound"]) {
        return None;
    }
    Some(match &error.message {
        Some(message) => format!("{error}: {message}"),
        None => error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::snapshot::tests::{PRIMARY, at, copy_of, snapshot};
    use super::*;

    const NOW: &str = "2026-11-22T12:00:00Z";

    fn regions() -> (Region, Region) {
        (PRIMARY.parse().unwrap(), "us-east-1".parse().unwrap())
    }

    fn copy(hours: i64, id: &str) -> Snapshot {
        let taken = at(NOW) - SignedDuration::from_hours(hours);
        copy_of(&snapshot(id, taken), id)
    }

    fn deleted(copies: &[Snapshot], keep_last: u32, keep_days: u32) -> Vec<String> {
        let policy = CopiesKept {
            keep_last,
            keep_days,
        };
        let plan = plan_prune(copies, "db", regions(), policy, at(NOW));
        plan.delete.into_iter().map(|copy| copy.id).collect()
    }

    // aws-behaviour: 31
    #[test]
    fn plan_prune_of_copies_that_neither_rule_keeps_deletes_them() {
        let mut copies: Vec<Snapshot> =
            (0..6).map(|n| copy(n * 24 + 1, &format!("d{n}"))).collect();
        assert_eq!(deleted(&copies, 2, 4), ["d4", "d5"]);
        assert_eq!(deleted(&copies, 5, 0), ["d5"]);
        assert_eq!(deleted(&copies, 0, 0), ["d1", "d2", "d3", "d4", "d5"]);
        // The newest is no copy to rely on: the next one is the last good one.
        copies[0].state = SnapshotState::Failed;
        assert_eq!(deleted(&copies, 1, 0), ["d0", "d2", "d3", "d4", "d5"]);
        copies[1].state = SnapshotState::InProgress;
        assert_eq!(deleted(&copies, 1, 0), ["d0", "d3", "d4", "d5"]);
        copies[2].state = SnapshotState::Other("strange".to_owned());
        assert_eq!(deleted(&copies, 1, 0), ["d0", "d4", "d5"]);
    }

    #[test]
    fn plan_prune_beside_copies_of_others_leaves_and_does_not_count_them() {
        let mut others = copy(1, "theirs");
        others.tags.clear();
        // A copy of one of ours, with its tags: somebody wants to keep it.
        let mut kept = copy(900, "kept");
        kept.source = Some(copy(900, "ours").arn);
        let mut unknown = copy(900, "unknown");
        unknown.taken = None;
        let mut elsewhere = copy(900, "elsewhere");
        elsewhere.source_region = Some("eu-west-1".to_owned());
        let mut another = copy(900, "another");
        another.database = "db2".to_owned();
        let copies = [
            others,
            kept,
            unknown,
            elsewhere,
            another,
            copy(500, "a"),
            copy(600, "b"),
        ];
        assert_eq!(deleted(&copies, 1, 0), ["b"]);
    }

    #[test]
    fn approve_of_a_plan_that_deletes_the_last_good_copy_or_anothers_is_refused() {
        let policy = CopiesKept {
            keep_last: 1,
            keep_days: 0,
        };
        let copies = [copy(1, "new"), copy(2, "old")];
        let plan = plan_prune(&copies, "db", regions(), policy, at(NOW));
        assert!(plan.clone().approve().is_ok());
        let mut last = plan.clone();
        last.keep.clear();
        assert!(matches!(last.approve(), Err(Refusal::LastCopy { .. })));
        let mut theirs = plan;
        theirs.delete[0].tags.clear();
        assert!(matches!(theirs.approve(), Err(Refusal::NotMadeHere { .. })));
        // A failed copy is nothing that could be the last one.
        let mut failed = copy(1, "failed");
        failed.state = SnapshotState::Failed;
        let plan = plan_prune(&[failed], "db", regions(), policy, at(NOW));
        assert_eq!(plan.deletions().len(), 1);
        assert!(plan.approve().is_ok());
    }

    fn any_copy() -> impl Strategy<Value = (i64, u8, bool, bool)> {
        (0i64..2000, 0u8..6, any::<bool>(), any::<bool>())
    }

    proptest! {
        // aws-behaviour: 31
        #[test]
        fn plan_prune_of_any_copies_keeps_the_last_good_one_and_those_of_others(
            shapes in prop::collection::vec(any_copy(), 0..40),
            keep_last in 0u32..5,
            keep_days in 0u32..60,
        ) {
            let copies: Vec<Snapshot> = shapes.iter().enumerate().map(|(n, (hours, state, ours, timed))| {
                let mut copy = copy(*hours, &format!("c{n}"));
                copy.state = match state {
                    0 => SnapshotState::Failed,
                    1 => SnapshotState::InProgress,
                    2 => SnapshotState::Deleting,
                    3 => SnapshotState::Other("odd".to_owned()),
                    _ => SnapshotState::Available,
                };
                if !ours { copy.tags.clear(); }
                if !timed && hours % 3 == 0 { copy.taken = None; }
                copy
            }).collect();
            let policy = CopiesKept { keep_last, keep_days };
            let plan = plan_prune(&copies, "db", regions(), policy, at(NOW));
            prop_assert_eq!(plan.delete.len() + plan.keep.len(), copies.len());
            let good = |copy: &&Snapshot| copy.is_ours()
                && copy.state == SnapshotState::Available && copy.taken.is_some();
            let gone = |copy: &Snapshot| plan.delete.iter().any(|deleted| deleted.id == copy.id);
            for copy in &copies {
                if gone(copy) {
                    prop_assert!(copy.is_ours());
                    prop_assert!(good(&copy) || copy.state == SnapshotState::Failed);
                    if let (true, Some(taken)) = (good(&copy), copy.taken) {
                        let age = at(NOW).duration_since(taken);
                        prop_assert!(age >= SignedDuration::from_hours(i64::from(keep_days) * 24));
                    }
                }
            }
            let newest = copies.iter().filter(good).max_by_key(|copy| copy.taken);
            if let Some(newest) = newest {
                let left = copies.iter().filter(good).filter(|copy| !gone(copy));
                let left: Vec<_> = left.collect();
                prop_assert!(left.iter().any(|copy| copy.taken == newest.taken));
                let wanted = usize::try_from(keep_last.max(1)).unwrap();
                prop_assert!(left.len() >= wanted.min(copies.iter().filter(good).count()));
            }
        }
    }
}
