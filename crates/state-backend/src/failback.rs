//! What DR wrote brought back to the primary region, where that has not moved meanwhile.

mod judge;
mod locks;
mod resolution;

use std::sync::OnceLock;

use futures::stream::{StreamExt as _, iter};
use jiff::Timestamp;
use report::{Document, Observer, Report};
use serde::Serialize;

pub use locks::FailbackRun;
pub use resolution::{FailbackError, Resolution, Resolutions};

use crate::backend::Backend;
use crate::handover::reasons::left;
use crate::handover::steps::{ObservedState, Stop, carry_out, of_state};
use crate::handover::{Handover, HandoverStep, Left, LeftKind, StateHandover};
use crate::inventory::history::{Descent, LostWrite};
use crate::inventory::{Relation, StateId, read};
use crate::problem::{Observation, Problem};
use crate::reading::SideReading;
use crate::side::SideAccess;
use crate::spec::SideName;
use judge::Choice;
use locks::{OwnLocks, writes_state};
use resolution::Versioning;

/// What a failback would do, decided without changing anything.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct FailbackPlan(Handover);

/// A plan that somebody has agreed to: all that [`Backend::failback`] takes.
///
/// ```compile_fail,E0308
/// # async fn f(backend: &state_backend::Backend, plan: state_backend::FailbackPlan, run: state_backend::FailbackRun<'_>) {
/// backend.failback(&plan, run, &report::Silent).await;
/// # }
/// ```
///
/// ```
/// # async fn f(backend: &state_backend::Backend, plan: state_backend::FailbackPlan, run: state_backend::FailbackRun<'_>) {
/// backend.failback(&plan.approve(), run, &report::Silent).await;
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ApprovedFailback(FailbackPlan);

/// What a failback did.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct FailedBack(Handover);

impl FailbackPlan {
    /// State by state.
    pub fn handover(&self) -> &Handover {
        &self.0
    }

    /// What is left and what is not known stays as it is; the rest may be done.
    pub fn approve(self) -> ApprovedFailback {
        ApprovedFailback(self)
    }
}

impl FailedBack {
    /// State by state.
    pub fn handover(&self) -> &Handover {
        &self.0
    }
}

/// Both sides of the backend.
#[derive(Debug, Clone, Copy)]
struct Sides<'a> {
    primary: SideAccess<'a>,
    dr: SideAccess<'a>,
}

/// A state on both sides, with what its versions tell.
struct ObservedPair {
    primary: ObservedState,
    dr: ObservedState,
    relation: Relation,
    /// Whether the copy that is ahead comes from the other; asked for where one is.
    descent: Option<Observation<Descent>>,
    overwritten: Observation<Option<LostWrite>>,
}

impl Backend {
    /// Looks at every state on both sides, and what has to be done to it before Terraform works in the primary region
    /// again. Changes nothing.
    ///
    /// # Errors
    /// When the settings have no DR side, or a choice is for a state of which nothing is to be chosen.
    pub async fn failback_plan(
        &self,
        resolutions: &Resolutions,
        run: FailbackRun<'_>,
        now: Timestamp,
    ) -> Result<FailbackPlan, FailbackError> {
        let sides = self.both().ok_or(FailbackError::NoDrSide)?;
        let Sides { primary, dr } = sides;
        let (reading, reading_of_dr) = (SideReading::new(primary), SideReading::new(dr));
        let (listed, of_dr) = tokio::join!(reading.listed(), reading_of_dr.listed());
        let (locks, locks_of_dr) = tokio::join!(reading.locks(), reading_of_dr.locks());
        let scope = &self.spec().states;
        // What stays deleted is listed nowhere.
        let found = listed.found().chain(of_dr.found());
        let objects = scope.objects(found.chain(resolutions.objects()));
        let (mut copies, mut copies_of_dr) =
            tokio::join!(primary.states(listed, &objects), dr.states(of_dr, &objects));
        let pairs = objects.iter().filter_map(|object| {
            let state = scope.state(object)?;
            let observed = |copy, locks| ObservedState {
                state: state.clone(),
                copy,
                locks: of_state(locks, object),
            };
            let primary = observed(copies.remove(object)?, &locks);
            Some((
                primary,
                observed(copies_of_dr.remove(object)?, &locks_of_dr),
            ))
        });
        let pairs: Vec<_> = pairs.collect();
        let known = pairs.iter().map(|(primary, _)| &primary.state);
        let is_listed = listed.objects.is_ok() && of_dr.objects.is_ok();
        if let Some((state, resolution)) = resolutions.missing(known)
            && is_listed
        {
            scope.find(state)?;
            return Err(FailbackError::NoConflict {
                state: state.to_owned(),
                resolution,
                why: "there is no such state".to_owned(),
            });
        }
        let versioning = Versioning::default();
        let states = iter(pairs).map(|(primary, dr)| {
            let choice = Choice::new(resolutions.of(&primary.state), true);
            sides.handover(primary, dr, choice, run, &versioning)
        });
        let planned: Vec<_> = states.buffered(read::AT_ONCE).collect().await;
        let planned: Result<Vec<_>, _> = planned.into_iter().collect();
        let states = planned?.into_iter().flatten().collect();
        let spec = self.spec();
        let side = primary.side;
        let mut unknown_locks = locks.unknown;
        unknown_locks.extend(locks_of_dr.unknown);
        let mut handover = Handover {
            time: now,
            from: dr.side.region,
            to: side.region,
            bucket: side.bucket.to_string(),
            table: side.table.as_ref().map(ToString::to_string),
            account: spec.account.clone(),
            account_unproven: None,
            applied: false,
            states,
            foreign_rows: Vec::new(),
            unknown_locks,
        };
        handover.sort();
        Ok(FailbackPlan(handover))
    }

    /// Carries the plan out, several states at a time: each is looked at again before, changed on condition of what was
    /// seen, and read back after. While a state itself is written, its locks are held on both sides, from before the last
    /// look until its digest row is right. Nothing else is kept between runs. A run that is stopped begins with no further
    /// state, and ends those that it has begun.
    pub async fn failback(
        &self,
        approved: &ApprovedFailback,
        run: FailbackRun<'_>,
        observer: &dyn Observer,
    ) -> FailedBack {
        let ApprovedFailback(FailbackPlan(plan)) = approved;
        let Some(sides) = self.both() else {
            return FailedBack(plan.clone());
        };
        let silent = OnceLock::new();
        let versioning = Versioning::default();
        let states = iter(&plan.states)
            .map(|planned| sides.carry_out(planned, run, &versioning, &silent, observer));
        let states = states.buffer_unordered(read::AT_ONCE).collect().await;
        let mut done = Handover {
            states,
            applied: true,
            ..plan.clone()
        };
        done.sort();
        FailedBack(done)
    }

    fn both(&self) -> Option<Sides<'_>> {
        Some(Sides {
            primary: self.at(SideName::Primary)?,
            dr: self.at(SideName::Dr)?,
        })
    }
}

impl Sides<'_> {
    async fn carry_out(
        self,
        planned: &StateHandover,
        run: FailbackRun<'_>,
        versioning: &Versioning,
        silent: &OnceLock<Problem>,
        observer: &dyn Observer,
    ) -> StateHandover {
        let state = &planned.state;
        if let (true, Err(stopped)) = (planned.is_planned(), run.go_on()) {
            return StateHandover {
                standing: left(stopped),
                steps: Vec::new(),
                ..planned.clone()
            };
        }
        let own = OwnLocks::new(self, state, run.holder);
        let look = async || {
            let (mut primary, mut dr) =
                tokio::join!(self.primary.observe(state), self.dr.observe(state));
            let is_taken_away = own.leave_out(&mut primary, &mut dr);
            let choice = Choice::new(planned.resolution, false);
            let seen = self.handover(primary, dr, choice, run, versioning).await;
            let mut seen = match seen {
                Ok(seen) => seen?,
                // It was chosen for what is no conflict any more.
                Err(error) => StateHandover {
                    standing: left(Left::new(LeftKind::Changed, error.to_string())),
                    steps: Vec::new(),
                    ..planned.clone()
                },
            };
            if is_taken_away && seen.is_planned() {
                let text = "somebody has released the lock that this run held on it";
                seen.standing = left(Left::new(LeftKind::Changed, text));
            }
            Some(seen)
        };
        let take = async |step: &HandoverStep| {
            // The plan was made without the locks: what is there with them is what counts.
            if writes_state(step) && own.take().await? {
                return Err(Stop::LookAgain);
            }
            self.take(state, step).await
        };
        let done = carry_out(planned, silent, observer, look, take).await;
        own.release(done).await
    }

    async fn take(&self, state: &StateId, step: &HandoverStep) -> Result<(), Stop> {
        let side = match step {
            HandoverStep::CopyState(copy) => {
                let (from, over) = (&copy.from, copy.over.as_deref());
                let (to, source) = match copy.to {
                    SideName::Primary => (self.primary, self.dr),
                    SideName::Dr => (self.dr, self.primary),
                };
                return Ok(to.bring(state, &source.side.bucket, from, over).await?);
            }
            HandoverStep::WriteDigest(repair) => repair.side,
            HandoverStep::RemoveDigest(removal) => removal.side,
            HandoverStep::ClearLock(lock) | HandoverStep::ReleaseLock(lock) => lock.side,
            HandoverStep::DeleteState(deletion) => deletion.side,
        };
        match side {
            SideName::Primary => self.primary.take(step).await,
            SideName::Dr => self.dr.take(step).await,
        }
    }
}

impl Report for FailbackPlan {
    const KIND: &'static str = "failback";

    fn document(&self) -> Document {
        self.0.append_to(Document::new(), "Failback")
    }
}

impl Report for FailedBack {
    const KIND: &'static str = FailbackPlan::KIND;

    fn document(&self) -> Document {
        self.0.append_to(Document::new(), "Failback")
    }
}
