//! Failback: what was written in the DR bucket goes to the primary, and nothing that was written in the
//! primary meanwhile is overwritten or deleted.
//!
//! Three listings side by side: the DR bucket at the moment of the failover (a manifest), the DR bucket now,
//! the primary bucket now. Only the manifest can tell an object that was deleted during the outage from one
//! that never replicated.

use std::path::Path;
use std::sync::Arc;

use aws_env::Error;
use report::{Document, Report};
use serde::Serialize;

use super::bucket::Bucket;
use super::compare::Verdict;
use super::entry::ObjectMeta;
use super::examine::{Examination, Examiner, Question};
use super::journal::Action;
use super::manifest::{ManifestError, Reader, open};
use super::plan::{Direction, Listed, Plan, PlanOptions, Planned, Step, examples};
use super::spool::{Spool, SpoolError};
use super::walk::{Visitor, WalkError, walk};

/// What happens to one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    InSync,
    Copy(Action),
    Delete,
    /// Written in the primary only.
    Kept,
    Conflict(&'static str),
}

fn unchanged(now: &ObjectMeta, base: Option<&ObjectMeta>) -> bool {
    base.is_some_and(|base| base.size == now.size && base.etag == now.etag)
}

/// The three-way decision. `equal` says whether the two that are there now are proven equal. Pure.
fn decide(
    base: Option<&ObjectMeta>,
    dr: Option<&ObjectMeta>,
    primary: Option<&ObjectMeta>,
    equal: bool,
) -> Fate {
    match (dr, primary) {
        (None, None) => Fate::InSync,
        (Some(_), Some(_)) if equal => Fate::InSync,
        (Some(dr), Some(primary)) => match (unchanged(dr, base), unchanged(primary, base)) {
            (false, true) => Fate::Copy(Action::Replace),
            (true, false) => Fate::Kept,
            _ => Fate::Conflict("written in both regions"),
        },
        // A primary that was rebuilt has nothing, and copying loses nothing.
        (Some(_), None) => Fate::Copy(Action::Create),
        (None, Some(_)) if base.is_none() => Fate::Kept,
        (None, Some(primary)) if unchanged(primary, base) => Fate::Delete,
        (None, Some(_)) => Fate::Conflict("deleted in the DR region, written in the primary"),
    }
}

/// What a failback would do, in numbers.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Reconciliation {
    /// What is copied to the primary and deleted there.
    #[serde(flatten)]
    pub plan: Plan,
    /// Written in the primary and never replicated; kept.
    pub primary_only: Listed,
    /// Written on both sides; both are kept where they are.
    pub conflicts: Listed,
}

impl Report for Reconciliation {
    const KIND: &'static str = "reconcile-plan";

    fn document(&self) -> Document {
        let document = self.plan.document();
        let document = examples(
            document,
            "Written in the primary and not in the DR region: kept",
            &self.primary_only,
        );
        examples(document, "Conflicts: both are kept", &self.conflicts)
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
    /// The manifest is of another bucket.
    #[error("the manifest lists {manifest}, not {dr}")]
    OtherBucket {
        /// The bucket in the manifest.
        manifest: String,
        /// The DR bucket.
        dr: String,
    },
}

/// Plans the failback from `dr` to `primary`: the only plan that may go that way.
///
/// # Errors
/// When a listing, a question or a file fails, or the manifest is incomplete; nothing has been changed then.
pub async fn reconcile(
    dr: &Bucket,
    primary: &Bucket,
    manifest: &Path,
    options: &PlanOptions,
    directory: &Path,
) -> Result<(Reconciliation, Planned), WalkError<Error, ReconcileError>> {
    let (head, index) = open(manifest).map_err(|error| WalkError::Visit(error.into()))?;
    if head.manifest != dr.location().to_string() {
        return Err(WalkError::Visit(ReconcileError::OtherBucket {
            manifest: head.manifest,
            dr: dr.location().to_string(),
        }));
    }
    let spool = |name: &str| {
        Spool::create(directory.join(name))
            .map(Arc::new)
            .map_err(|error| WalkError::Visit(error.into()))
    };
    let (copies, deletions) = (spool("copies.jsonl")?, spool("deletions.jsonl")?);
    let pages = dr.pages();
    let beside = primary.pages_beside(&pages);
    let planners = walk(Arc::new(pages), Arc::new(beside), options.listings, || {
        Reconciler {
            base: Reader::new(index.clone()),
            examiner: Examiner {
                source: dr.clone(),
                destination: primary.clone(),
                mode: options.mode,
                headers: false,
            },
            delete: options.delete,
            copies: copies.clone(),
            deletions: deletions.clone(),
            found: Reconciliation::default(),
            pending: Vec::new(),
        }
    });
    let versions = async {
        let keeps_versions = primary.keeps_versions().await;
        keeps_versions.map_err(|error| WalkError::Visit(error.into()))
    };
    let (planners, keeps_versions) = tokio::try_join!(planners, versions)?;
    let mut found = Reconciliation::default();
    for planner in planners {
        found.plan.merge(planner.found.plan);
        found.primary_only.merge(planner.found.primary_only);
        found.conflicts.merge(planner.found.conflicts);
    }
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

struct Reconciler {
    base: Reader,
    examiner: Examiner,
    delete: bool,
    copies: Arc<Spool<Step>>,
    deletions: Arc<Spool<Step>>,
    found: Reconciliation,
    pending: Vec<(String, Option<ObjectMeta>, Option<ObjectMeta>)>,
}

impl Reconciler {
    fn add(
        &mut self,
        key: &str,
        base: Option<&ObjectMeta>,
        dr: Option<ObjectMeta>,
        primary: Option<ObjectMeta>,
        equal: bool,
        steps: &mut (Vec<Step>, Vec<Step>),
    ) {
        let size = dr.as_ref().or(primary.as_ref()).map_or(0, |meta| meta.size);
        let plan = &mut self.found.plan;
        let step = |action| Step {
            key: key.to_owned(),
            action,
            source: dr.clone(),
            destination: primary.clone(),
            observed: false,
            version: None,
        };
        match decide(base, dr.as_ref(), primary.as_ref(), equal) {
            Fate::InSync if dr.is_some() => plan.equal.add(size),
            Fate::InSync => {}
            Fate::Copy(action) => {
                let list = match action {
                    Action::Create => &mut plan.create,
                    _ => &mut plan.replace,
                };
                list.add(key, size, Some("written in the DR region"));
                steps.0.push(step(action));
            }
            Fate::Delete if self.delete => {
                plan.delete.add(key, size, Some("deleted in the DR region"));
                steps.1.push(step(Action::Delete));
            }
            Fate::Delete => plan.kept.add(key, size, Some("deleted in the DR region")),
            Fate::Kept => self.found.primary_only.add(key, size, None),
            Fate::Conflict(why) => self.found.conflicts.add(key, size, Some(why)),
        }
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
        let mut steps = (Vec::new(), Vec::new());
        let (mut questions, mut bases) = (Vec::new(), std::collections::HashMap::new());
        for (key, dr, primary) in pending {
            let base = self.base.find(&key)?;
            match (dr, primary) {
                (Some(source), Some(destination)) => {
                    match self.examiner.listed(&source, &destination) {
                        Some(Verdict::Equal(_)) => {
                            let both = (Some(source), Some(destination));
                            self.add(&key, base.as_ref(), both.0, both.1, true, &mut steps);
                        }
                        _ => {
                            bases.insert(key.clone(), base);
                            questions.push(Question {
                                key,
                                source,
                                destination: Some(destination),
                            });
                        }
                    }
                }
                (dr, primary) => {
                    self.add(&key, base.as_ref(), dr, primary, false, &mut steps);
                }
            }
        }
        for examined in self.examiner.ask(questions).await? {
            let base = bases.remove(&examined.key).flatten();
            let equal = matches!(examined.verdict, Examination::Both(Verdict::Equal(_)));
            if let Examination::Both(Verdict::Archived) = examined.verdict {
                let plan = &mut self.found.plan;
                plan.archived.add(&examined.key, examined.source.size, None);
                continue;
            }
            let dr = match examined.verdict {
                Examination::DestinationOnly | Examination::Gone => None,
                _ => Some(examined.source),
            };
            let key = examined.key;
            self.add(
                &key,
                base.as_ref(),
                dr,
                examined.destination,
                equal,
                &mut steps,
            );
        }
        self.copies.write(&steps.0)?;
        self.deletions.write(&steps.1)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::objects::entry::{ETag, Modified, StorageClass};

    fn meta(content: u8) -> ObjectMeta {
        ObjectMeta {
            size: 1,
            etag: ETag::Single([content; 16]),
            modified: Modified::default(),
            class: StorageClass::Standard,
        }
    }

    proptest! {
        #[test]
        fn decide_of_any_three_states_loses_nothing_of_the_primary(
            base in proptest::option::of(0_u8..3),
            dr in proptest::option::of(0_u8..3),
            primary in proptest::option::of(0_u8..3),
        ) {
            let equal = dr.is_some() && dr == primary;
            let [b, d, p] = [base, dr, primary].map(|content| content.map(meta));
            match decide(b.as_ref(), d.as_ref(), p.as_ref(), equal) {
                Fate::Delete | Fate::Copy(Action::Replace) => prop_assert_eq!(primary, base),
                Fate::Copy(Action::Create) => prop_assert_eq!(primary, None),
                Fate::Copy(Action::Delete) => prop_assert!(false),
                Fate::InSync => prop_assert_eq!(primary, dr),
                Fate::Kept => prop_assert!(primary.is_some() && primary != base),
                Fate::Conflict(_) => prop_assert!(primary != base && dr != base),
            }
            // What was written in the DR region only comes back.
            if dr.is_some() && dr != base && (primary == base || primary.is_none()) && dr != primary {
                prop_assert!(matches!(decide(b.as_ref(), d.as_ref(), p.as_ref(), equal), Fate::Copy(_)));
            }
        }
    }
}
