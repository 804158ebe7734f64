//! Failback: what was written in the DR bucket goes to the primary, and nothing that was written in the
//! primary meanwhile is overwritten or deleted.
//!
//! Three listings side by side: the DR bucket at the moment of the failover (a manifest), the DR bucket now,
//! the primary bucket now. Only the manifest can tell an object that was deleted during the outage from one
//! that never replicated.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use aws_env::Error;
use futures::{StreamExt as _, TryStreamExt as _};
use report::{Document, Mark, Report};
use serde::{Deserialize, Serialize};

use super::bucket::Bucket;
use super::caveats::{caveats, unlisted_versions};
use super::entry::ObjectMeta;
use super::examine::{AT_ONCE, Examiner};
use super::journal::{Action, JournalError};
use super::manifest::{ManifestError, Reader, open};
use super::plan::{
    COPIES, DELETIONS, Direction, Listed, Plan, PlanOptions, Planned, Step, examples,
};
use super::spool::{Spool, SpoolError};
use super::walk::{Visitor, WalkError, walk};

mod decision;
mod judge;
mod prefixes;
mod resolution;

use decision::{Doubt, Fate};
use judge::{Case, Judge};
pub use prefixes::PrefixCounts;
pub use resolution::{Resolution, ResolutionError, Resolutions};

/// What a failback would do, in numbers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Reconciliation {
    /// What is copied to the primary and deleted there. What is neither provably the same nor provably written is in its
    /// `unproven`, and left as it is.
    #[serde(flatten)]
    pub plan: Plan,
    /// Written in the primary and never replicated; kept.
    pub primary_only: Listed,
    /// The same by prefix.
    #[serde(default)]
    pub primary_only_by_prefix: PrefixCounts,
    /// Written on both sides; both are kept where they are.
    pub conflicts: Listed,
    /// Gone from the primary, and in the DR bucket as it was at the failover: neither restored nor deleted.
    pub primary_deleted: Listed,
    /// Decided by a list of keys.
    pub resolved: Listed,
    /// Named in a list of keys, and in no doubt.
    pub named_in_vain: Listed,
    /// The keys that wait for a decision, in a file.
    #[serde(skip)]
    undecided: Option<Arc<Spool<String>>>,
}

impl Reconciliation {
    /// Every key that waits for a decision, a line each, as [`Resolutions::add_list`] reads them.
    ///
    /// # Errors
    /// When the file that keeps them cannot be read.
    pub fn undecided(&self) -> Result<String, SpoolError> {
        let mut text = String::new();
        if let Some(keys) = &self.undecided {
            for key in keys.read()? {
                text.push_str(&serde_json::Value::String(key?).to_string());
                text.push('\n');
            }
        }
        Ok(text)
    }

    /// Whether something differs that nobody has decided about.
    pub fn has_conflicts(&self) -> bool {
        self.conflicts.tally.objects + self.primary_deleted.tally.objects > 0
    }

    fn merge(&mut self, other: Self) {
        self.plan.merge(other.plan);
        self.primary_only.merge(other.primary_only);
        self.primary_only_by_prefix
            .merge(other.primary_only_by_prefix);
        self.conflicts.merge(other.conflicts);
        self.primary_deleted.merge(other.primary_deleted);
        self.resolved.merge(other.resolved);
    }
}

impl Report for Reconciliation {
    const KIND: &'static str = "reconcile-plan";

    fn document(&self) -> Document {
        let row = |mark, name: &str, listed: &Listed| {
            let tally = listed.tally;
            let numbers = [tally.objects.to_string(), tally.bytes.to_string()];
            let cells = std::iter::once(name.to_owned()).chain(numbers);
            (mark, cells.collect::<Vec<_>>())
        };
        let rows = [
            (
                Mark::Plain,
                "written in the primary, kept",
                &self.primary_only,
            ),
            (Mark::Wrong, "conflicts, both kept", &self.conflicts),
            (
                Mark::Wrong,
                "primary deleted, DR kept",
                &self.primary_deleted,
            ),
            (Mark::Plain, "decided by a list", &self.resolved),
            (
                Mark::Unknown,
                "in a list, and in no doubt",
                &self.named_in_vain,
            ),
        ];
        let rows: Vec<_> = rows
            .into_iter()
            .filter(|(_, _, listed)| listed.tally.objects > 0)
            .map(|(mark, name, listed)| row(mark, name, listed))
            .collect();
        let mut document = self.plan.document();
        if !rows.is_empty() {
            document = document
                .heading("Between the regions")
                .table(["Objects", "Number", "Bytes"], rows);
        }
        for (heading, listed) in [
            (
                "Written in the primary and not in the DR region: kept",
                &self.primary_only,
            ),
            ("Conflicts: both are kept", &self.conflicts),
            (
                "Deleted in the primary, unchanged in the DR region: neither restored nor deleted",
                &self.primary_deleted,
            ),
            ("Decided by a list", &self.resolved),
            ("In a list, and in no doubt", &self.named_in_vain),
        ] {
            document = examples(document, heading, listed);
        }
        document
    }
}

/// Why a reconciliation could not be planned.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// HeadObject failed, or the primary does not tell whether it keeps versions.
    #[error("cannot compare an object")]
    Ask(#[from] Error),
    /// The file of steps failed.
    #[error("cannot keep the plan")]
    Spool(#[from] SpoolError),
    /// The manifest failed.
    #[error("cannot use the manifest")]
    Manifest(#[from] ManifestError),
    /// What earlier runs copied cannot be read.
    #[error("cannot read the journals of earlier runs")]
    Journal(#[from] JournalError),
    /// The manifest is of another bucket.
    #[error("the manifest lists {manifest}, not {dr}")]
    OtherBucket {
        /// The bucket in the manifest.
        manifest: String,
        /// The DR bucket.
        dr: String,
    },
}

/// Plans the failback from `dr` to `primary`: the only plan that may go that way. What is in doubt stays as it is unless
/// `resolutions` decide it.
///
/// # Errors
/// When a listing, a question or a file fails, or the manifest is incomplete; nothing has been changed then.
pub async fn reconcile(
    dr: &Bucket,
    primary: &Bucket,
    manifest: &Path,
    options: &PlanOptions,
    resolutions: &Resolutions,
    directory: &Path,
) -> Result<(Reconciliation, Planned), WalkError<Error, ReconcileError>> {
    let (head, index) = open(manifest).map_err(|error| WalkError::Visit(error.into()))?;
    if head.manifest != dr.location().to_string() {
        return Err(WalkError::Visit(ReconcileError::OtherBucket {
            manifest: head.manifest,
            dr: dr.location().to_string(),
        }));
    }
    let spool = |name: &str| Spool::create(directory.join(name)).map(Arc::new);
    let spools = || Ok((spool(COPIES)?, spool(DELETIONS)?));
    let visit = |error: ReconcileError| WalkError::Visit(error);
    let (copies, deletions) = spools().map_err(|error: SpoolError| visit(error.into()))?;
    let undecided = Spool::create(directory.join("undecided.jsonl"));
    let undecided = Arc::new(undecided.map_err(|error| visit(error.into()))?);
    let own_copies = options.own_copies.clone();
    let read = own_copies.read().await;
    read.map_err(|error| visit(error.into()))?;
    let resolutions = Arc::new(resolutions.clone());
    let judge = Arc::new(Judge::new(Examiner {
        source: dr.clone(),
        destination: primary.clone(),
        mode: options.mode,
        headers: false,
        own_copies,
    }));
    let pages = dr.pages();
    let beside = primary.pages_beside(&pages);
    // Version IDs say which objects are as they were, and which are replicas.
    pages.by().versions();
    beside.by().versions();
    let planners = walk(Arc::new(pages), Arc::new(beside), options.listings, || {
        Reconciler {
            base: Reader::new(index.clone()),
            judge: judge.clone(),
            delete: options.delete,
            resolutions: resolutions.clone(),
            copies: copies.clone(),
            deletions: deletions.clone(),
            undecided: undecided.clone(),
            found: Reconciliation::default(),
            named: BTreeSet::new(),
            pending: Vec::new(),
        }
    });
    let versions = async {
        let keeps_versions = primary.keeps_versions().await;
        keeps_versions.map_err(|error| WalkError::Visit(error.into()))
    };
    let caveats = async { Ok(caveats(dr, primary).await) };
    let (planners, keeps_versions, caveats) = tokio::try_join!(planners, versions, caveats)?;
    let (mut found, mut named) = (Reconciliation::default(), BTreeSet::new());
    for planner in planners {
        found.merge(planner.found);
        named.extend(planner.named);
    }
    for key in resolutions.keys().filter(|key| !named.contains(*key)) {
        found.named_in_vain.add(key, 0, None);
    }
    if found.plan.copies().objects > 0 {
        found.plan.caveats = caveats;
        found.plan.caveats.extend(unlisted_versions(dr, primary));
    }
    found.undecided = Some(undecided);
    let planned = Planned {
        plan: found.plan.clone(),
        source: dr.clone(),
        destination: primary.clone(),
        direction: Direction::Failback,
        keeps_versions,
        copies,
        deletions,
    };
    Ok((found, planned))
}

/// A key, and what stands on both sides.
type Pair = (String, Option<ObjectMeta>, Option<ObjectMeta>);

struct Reconciler {
    base: Reader,
    judge: Arc<Judge>,
    delete: bool,
    resolutions: Arc<Resolutions>,
    copies: Arc<Spool<Step>>,
    deletions: Arc<Spool<Step>>,
    undecided: Arc<Spool<String>>,
    found: Reconciliation,
    /// Keys in doubt that a list names.
    named: BTreeSet<String>,
    pending: Vec<Pair>,
}

/// What one flush writes.
#[derive(Default)]
struct Written {
    copies: Vec<Step>,
    deletions: Vec<Step>,
    undecided: Vec<String>,
}

impl Reconciler {
    fn add(&mut self, case: Case, fate: Fate, written: &mut Written) {
        let Case {
            key, dr, primary, ..
        } = case;
        let size = dr.as_ref().or(primary.as_ref()).map_or(0, |meta| meta.size);
        let fate = match fate {
            Fate::Undecided(doubt) => self.resolve(&key, &dr, &primary, size, doubt),
            fate => fate,
        };
        let plan = &mut self.found.plan;
        let step = |action| Step {
            key: key.clone(),
            action,
            source: dr.clone(),
            destination: primary.clone(),
            observed: false,
            version: None,
        };
        match fate {
            Fate::InSync if dr.is_some() => plan.equal.add(size),
            Fate::InSync => {}
            Fate::Copy(action) => {
                let list = match action {
                    Action::Create => &mut plan.create,
                    _ => &mut plan.replace,
                };
                list.add(&key, size, Some("written in the DR region"));
                written.copies.push(step(action));
            }
            Fate::Delete if self.delete => {
                plan.delete
                    .add(&key, size, Some("deleted in the DR region"));
                written.deletions.push(step(Action::Delete));
            }
            Fate::Delete => plan.kept.add(&key, size, Some("deleted in the DR region")),
            Fate::Kept => {
                self.found.primary_only.add(&key, size, None);
                self.found.primary_only_by_prefix.add(&key);
            }
            Fate::Archived => plan.archived.add(&key, size, None),
            Fate::Undecided(doubt) => {
                match doubt {
                    Doubt::Conflict(why) => self.found.conflicts.add(&key, size, Some(why)),
                    Doubt::PrimaryDeleted => self.found.primary_deleted.add(&key, size, None),
                    Doubt::Unproven(why) => {
                        plan.unproven.add(&key, size, Some(why));
                        plan.left_unproven.add(size);
                    }
                }
                written.undecided.push(key);
            }
        }
    }

    /// What a list of keys decides about a doubt.
    fn resolve(
        &mut self,
        key: &str,
        dr: &Option<ObjectMeta>,
        primary: &Option<ObjectMeta>,
        size: u64,
        doubt: Doubt,
    ) -> Fate {
        let resolution = self.resolutions.of(key);
        let resolution = match (resolution, doubt) {
            (None, Doubt::PrimaryDeleted) if self.resolutions.restores_deleted() => {
                Some(Resolution::KeepDr)
            }
            (resolution, _) => resolution,
        };
        let Some(resolution) = resolution else {
            return Fate::Undecided(doubt);
        };
        self.named.insert(key.to_owned());
        let (fate, how) = match (resolution, dr, primary) {
            (Resolution::KeepPrimary, ..) => (Fate::InSync, "the primary's is kept"),
            (Resolution::KeepDr, Some(_), Some(_)) => {
                (Fate::Copy(Action::Replace), "DR's replaces the primary's")
            }
            (Resolution::KeepDr, Some(_), None) => (Fate::Copy(Action::Create), "DR's comes back"),
            (Resolution::KeepDr, None, _) => (Fate::Delete, "DR's deletion is brought home"),
        };
        self.found.resolved.add(key, size, Some(how));
        fate
    }
}

impl Visitor for Reconciler {
    type Error = ReconcileError;

    fn visit(&mut self, key: &str, source: Option<&ObjectMeta>, destination: Option<&ObjectMeta>) {
        if let Some(meta) = source {
            self.found.plan.source.add(meta.size);
        }
        if let Some(meta) = destination {
            self.found.plan.destination.add(meta.size);
        }
        let pair = (key.to_owned(), source.cloned(), destination.cloned());
        self.pending.push(pair);
    }

    async fn flush(&mut self) -> Result<(), ReconcileError> {
        let pending = std::mem::take(&mut self.pending);
        let mut cases = Vec::with_capacity(pending.len());
        for (key, dr, primary) in pending {
            cases.push(Case {
                base: self.base.find(&key)?,
                key,
                dr,
                primary,
            });
        }
        let judge = self.judge.clone();
        let judged: Vec<(Case, Fate)> = futures::stream::iter(cases)
            .map(|case| async {
                let fate = judge.fate(&case).await?;
                Ok::<_, Error>((case, fate))
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let mut written = Written::default();
        for (case, fate) in judged {
            self.add(case, fate, &mut written);
        }
        self.copies.write(&written.copies)?;
        self.deletions.write(&written.deletions)?;
        self.undecided.write(&written.undecided)?;
        Ok(())
    }
}
