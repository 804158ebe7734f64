//! Every state made ready for Terraform in the DR region, without one call to the primary one.

use std::sync::OnceLock;

use futures::stream::{StreamExt as _, iter};
use jiff::Timestamp;
use report::{Document, Observer, Report};
use serde::Serialize;

use crate::dr_backend::DrBackend;
use crate::handover::reasons::{deleted, gone, left, locked, readable, unknown};
use crate::handover::steps::{ObservedState, carry_out, is_here, of_state};
use crate::handover::{Handover, HandoverStep, Left, LeftKind, Standing, StateHandover};
use crate::inventory::{Presence, SideState, StateScope, read};
use crate::lock::Locks;
use crate::reading::SideReading;
use crate::repair::DigestRepair;
use crate::root::probe::is_probe;
use crate::spec::Side;

/// What a failover would do, decided without calling anything.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct FailoverPlan(Handover);

/// A plan that somebody has agreed to: all that [`DrBackend::failover`] takes.
///
/// ```compile_fail,E0308
/// # async fn f(dr: &state_backend::DrBackend, plan: state_backend::FailoverPlan) {
/// dr.failover(&plan, &report::Silent).await;
/// # }
/// ```
///
/// ```
/// # async fn f(dr: &state_backend::DrBackend, plan: state_backend::FailoverPlan) {
/// dr.failover(&plan.approve(), &report::Silent).await;
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ApprovedFailover(FailoverPlan);

/// What a failover did.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct FailedOver(Handover);

impl FailoverPlan {
    /// State by state.
    pub fn handover(&self) -> &Handover {
        &self.0
    }

    /// What is left and what is not known stays as it is; the rest may be done.
    pub fn approve(self) -> ApprovedFailover {
        ApprovedFailover(self)
    }
}

impl FailedOver {
    /// State by state.
    pub fn handover(&self) -> &Handover {
        &self.0
    }
}

impl DrBackend {
    /// Looks at every state of the DR side, and what has to be done to it before Terraform works with it. Changes
    /// nothing.
    pub async fn failover_plan(&self, now: Timestamp) -> FailoverPlan {
        let access = self.access();
        let reading = SideReading::new(access);
        let (listed, locks) = tokio::join!(reading.listed(), reading.locks());
        // A lock is taken before the first write: there may be one of a state that does not exist.
        let locks_here = locks.held.iter().filter(|lock| is_here(lock));
        let locked = locks_here.map(|lock| lock.state().to_owned());
        let scope = &self.spec().states;
        let objects = scope.objects(listed.found().chain(locked));
        let mut copies = access.states(listed, &objects).await;
        let states = objects.iter().filter_map(|object| {
            Some(ObservedState {
                state: scope.state(object)?,
                copy: copies.remove(object)?,
                locks: of_state(&locks, object),
            })
        });
        let states: Vec<_> = states.collect();
        self.plan(states, locks, now)
    }

    fn plan(&self, states: Vec<ObservedState>, locks: Locks, now: Timestamp) -> FailoverPlan {
        let spec = self.spec();
        let side = self.side();
        let states = states.into_iter();
        let states = states.filter_map(|observed| plan_state(side, &spec.states, observed));
        let mut handover = Handover {
            time: now,
            from: spec.primary.region,
            to: side.region,
            bucket: side.bucket.to_string(),
            table: side.table.as_ref().map(ToString::to_string),
            account: spec.account.clone(),
            account_unproven: self.account_unproven().cloned(),
            applied: false,
            states: states.collect(),
            foreign_rows: locks
                .held
                .into_iter()
                .filter(|lock| !is_here(lock))
                .collect(),
            unknown_locks: locks.unknown,
        };
        handover.sort();
        FailoverPlan(handover)
    }

    /// Makes the states of the plan ready, several at a time. Each is looked at again before, conditional on what was
    /// seen, and read back after; nothing is kept between runs, so that a run that was killed is taken up by the next.
    pub async fn failover(
        &self,
        approved: &ApprovedFailover,
        observer: &dyn Observer,
    ) -> FailedOver {
        let access = self.access();
        let ApprovedFailover(FailoverPlan(plan)) = approved;
        let silent = OnceLock::new();
        let states = iter(&plan.states).map(|planned| {
            let look = async || {
                let observed = access.observe(&planned.state).await;
                plan_state(access.side, access.states, observed)
            };
            carry_out(planned, &silent, observer, look, async |step| {
                access.take(step).await
            })
        });
        let states = states.buffer_unordered(read::AT_ONCE).collect().await;
        let mut done = Handover {
            states,
            applied: true,
            ..plan.clone()
        };
        done.sort();
        FailedOver(done)
    }
}

/// What a failover does to a state of the DR side; `None` of what is no state and has no lock.
pub(crate) fn plan_state(
    side: &Side,
    scope: &StateScope,
    observed: ObservedState,
) -> Option<StateHandover> {
    let ObservedState { state, copy, locks } = observed;
    let (replicas, held): (Vec<_>, Vec<_>) =
        locks.held.into_iter().partition(|lock| lock.is_replica);
    let clear = replicas.into_iter().map(HandoverStep::ClearLock);
    // One that a killed run left behind its probe of the lock protects nothing.
    let guarding = held.iter().find(|lock| !is_probe(lock)).cloned();
    let is_free = guarding.is_none();
    let planned = match (&copy.found, &copy.row, locks.unknown.into_iter().next()) {
        (Presence::Unknown { problem }, ..) | (_, Err(problem), _) => Err(unknown(problem)),
        (.., Some(locks)) => Err(unknown(&locks.problem)),
        (Presence::Deleted(last), row, None) => Err(left(deleted(
            &state,
            side,
            &last.version,
            matches!(row, Ok(Some(_))),
        ))),
        (Presence::Absent, Ok(Some(_)), None) => Err(left(gone(side))),
        (Presence::Absent, Ok(None), None) => match (clear.collect::<Vec<_>>(), is_free) {
            (steps, true) if steps.is_empty() && scope.is_named(&state.object()) => {
                Err(left(Left::new(
                    LeftKind::NotThere,
                    format!(
                        "it is not in {}: it was never written, or replication never brought it",
                        side.bucket
                    ),
                )))
            }
            (steps, true) if steps.is_empty() => return None,
            (steps, _) => Ok(steps),
        },
        (Presence::Present(object), Ok(row), None) => {
            readable(&state, side, object).map(|(serial, md5)| {
                let stale = row.as_ref() != Some(&md5);
                let digest = stale
                    .then(|| DigestRepair::new(side, &state, row.clone(), md5, serial))
                    .flatten();
                // The lock keeps Terraform out until the row is right.
                let digest = digest.map(HandoverStep::WriteDigest);
                digest.into_iter().chain(clear).collect()
            })
        }
    };
    let (steps, standing) = match planned {
        Ok(steps) => match guarding {
            Some(lock) => (Vec::new(), left(locked(&lock))),
            None if steps.is_empty() => (steps, Standing::Ready),
            None => (steps, Standing::Planned),
        },
        Err(standing) => (Vec::new(), standing),
    };
    Some(StateHandover {
        copies: vec![SideState::new(side.name, copy)],
        state,
        relation: None,
        overwritten: None,
        held,
        resolution: None,
        steps,
        standing,
    })
}

impl Report for FailoverPlan {
    const KIND: &'static str = "failover";

    fn document(&self) -> Document {
        self.0.append_to(Document::new(), "Failover")
    }
}

impl Report for FailedOver {
    const KIND: &'static str = FailoverPlan::KIND;

    fn document(&self) -> Document {
        self.0.append_to(Document::new(), "Failover")
    }
}

#[cfg(test)]
mod tests;
