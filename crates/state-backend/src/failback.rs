//! What DR wrote brought back to the primary region, where that has not moved meanwhile.

use std::sync::OnceLock;

use futures::stream::{StreamExt as _, iter};
use jiff::Timestamp;
use report::{Document, Observer, Report, ShellCommand};
use serde::Serialize;

use crate::backend::Backend;
use crate::handover::reasons::{deleted, gone, left, locked, readable, unknown};
use crate::handover::steps::{ObservedState, Stop, carry_out, of_state};
use crate::handover::{
    Handover, HandoverStep, Left, LeftKind, Standing, StateCopy, StateHandover, holder,
    restore_command,
};
use crate::inventory::history::{self, Descent, LostWrite};
use crate::inventory::{LastVersion, Presence, Relation, SideState, StateId, StateObject, read};
use crate::problem::{Observation, Problem};
use crate::reading::SideReading;
use crate::repair::{DigestRemoval, DigestRepair};
use crate::root::probe::is_probe;
use crate::side::SideAccess;
use crate::spec::{Side, SideName};

/// What a failback would do, decided without changing anything.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct FailbackPlan(Handover);

/// A plan that somebody has agreed to: all that [`Backend::failback`] takes.
///
/// ```compile_fail,E0308
/// # async fn f(backend: &state_backend::Backend, plan: state_backend::FailbackPlan) {
/// backend.failback(&plan, &report::Silent).await;
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
    /// again. Changes nothing. `None` where the settings have no DR side.
    pub async fn failback_plan(&self, now: Timestamp) -> Option<FailbackPlan> {
        let sides = self.both()?;
        let Sides { primary, dr } = sides;
        let (reading, reading_of_dr) = (SideReading::new(primary), SideReading::new(dr));
        let (listed, of_dr) = tokio::join!(reading.listed(), reading_of_dr.listed());
        let (locks, locks_of_dr) = tokio::join!(reading.locks(), reading_of_dr.locks());
        let scope = &self.spec().states;
        let objects = scope.objects(listed.found().chain(of_dr.found()));
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
        let states = iter(pairs).map(|(primary, dr)| sides.relate(primary, dr));
        let states = states.buffered(read::AT_ONCE);
        let states = states.filter_map(async |pair| sides.plan_state(pair));
        let states = states.collect().await;
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
        Some(FailbackPlan(handover))
    }

    /// Carries the plan out, several states at a time: each is looked at again before, changed on condition of what was
    /// seen, and read back after. Nothing is kept between runs.
    pub async fn failback(
        &self,
        approved: &ApprovedFailback,
        observer: &dyn Observer,
    ) -> FailedBack {
        let ApprovedFailback(FailbackPlan(plan)) = approved;
        let Some(sides) = self.both() else {
            return FailedBack(plan.clone());
        };
        let silent = OnceLock::new();
        let states = iter(&plan.states).map(|planned| {
            let look = async || {
                let state = &planned.state;
                let (primary, dr) =
                    tokio::join!(sides.primary.observe(state), sides.dr.observe(state));
                sides.plan_state(sides.relate(primary, dr).await)
            };
            let take = async |step: &HandoverStep| sides.take(&planned.state, step).await;
            carry_out(planned, &silent, observer, look, take)
        });
        let states = states.buffer_unordered(read::AT_ONCE).map(overtaken);
        let states = states.collect().await;
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
    /// Asks the versions what the copies alone do not tell.
    async fn relate(&self, primary: ObservedState, dr: ObservedState) -> ObservedPair {
        let relation = Relation::of(&primary.copy.found, &dr.copy.found);
        let state = &primary.state;
        let descent = async {
            match (&relation, &primary.copy.found, &dr.copy.found) {
                (Relation::DrAhead { .. }, Presence::Present(ours), Presence::Present(theirs)) => {
                    Some(history::descent(self.dr, state, ours, theirs).await.into())
                }
                (
                    Relation::PrimaryAhead { .. },
                    Presence::Present(ours),
                    Presence::Present(theirs),
                ) => Some(
                    history::descent(self.primary, state, theirs, ours)
                        .await
                        .into(),
                ),
                _ => None,
            }
        };
        let (ours, theirs) = (&primary.copy.found, &dr.copy.found);
        let overwritten = history::overwritten(self.primary, self.dr, state, ours, theirs);
        let (descent, overwritten) = tokio::join!(descent, overwritten);
        ObservedPair {
            primary,
            dr,
            relation,
            descent,
            overwritten,
        }
    }

    /// What a failback does to a state; `None` of what is none on either side.
    fn plan_state(&self, pair: ObservedPair) -> Option<StateHandover> {
        let (steps, standing) = match self.steps(&pair)? {
            Ok(steps) if steps.is_empty() => (steps, Standing::Ready),
            Ok(steps) => (steps, Standing::Planned),
            Err(standing) => (Vec::new(), standing),
        };
        let ObservedPair {
            primary,
            dr,
            relation,
            overwritten,
            ..
        } = pair;
        let locks = primary.locks.held.into_iter().chain(dr.locks.held);
        let held: Vec<_> = locks.filter(|lock| !lock.is_replica).collect();
        // One that a killed run left behind its probe of the lock protects nothing.
        let guarding = held.iter().find(|lock| !is_probe(lock));
        let (steps, standing) = match (standing, guarding) {
            (Standing::Planned, Some(lock)) => (Vec::new(), left(locked(lock))),
            (standing, _) => (steps, standing),
        };
        Some(StateHandover {
            copies: vec![
                SideState::new(SideName::Primary, primary.copy),
                SideState::new(SideName::Dr, dr.copy),
            ],
            state: primary.state,
            relation: Some(relation),
            overwritten: match overwritten {
                Observation::Known(lost) => lost,
                Observation::Unknown { .. } => None,
            },
            held,
            steps,
            standing,
        })
    }

    /// The steps, or why there are none.
    fn steps(&self, pair: &ObservedPair) -> Option<Result<Vec<HandoverStep>, Standing>> {
        let ObservedPair { primary, dr, .. } = pair;
        let (ours, theirs) = (&primary.copy, &dr.copy);
        let problem = problem_of(primary).or_else(|| problem_of(dr));
        let problem = problem.or(match (&pair.descent, &pair.overwritten) {
            (Some(Observation::Unknown { problem }), _) | (_, Observation::Unknown { problem }) => {
                Some(problem)
            }
            _ => None,
        });
        if let Some(problem) = problem {
            return Some(Err(unknown(problem)));
        }
        let (state, relation) = (&primary.state, &pair.relation);
        let planned = match (&ours.found, &theirs.found) {
            (Presence::Present(ours), Presence::Present(theirs)) => match relation {
                Relation::Same => self.digests(pair, theirs),
                Relation::DrAhead { .. } => match &pair.descent {
                    Some(Observation::Known(Descent::Proven)) => {
                        self.bring_back(pair, Some(ours), theirs)
                    }
                    _ => Err(left(self.moved(state, ours, theirs, LeftKind::Moved))),
                },
                Relation::PrimaryAhead { .. } => Err(left(match &pair.descent {
                    Some(Observation::Known(Descent::Proven)) => self.behind(state, ours, theirs),
                    _ => self.moved(state, ours, theirs, LeftKind::Moved),
                })),
                Relation::Unreadable { .. } => readable(state, self.primary.side, ours)
                    .and_then(|_| readable(state, self.dr.side, theirs))
                    .map(|_| Vec::new()),
                _ => Err(left(self.moved(state, ours, theirs, LeftKind::Diverged))),
            },
            (Presence::Absent, Presence::Present(theirs)) => self.bring_back(pair, None, theirs),
            (Presence::Present(_), Presence::Absent) => {
                let text = "it is only in the primary region: replication never brought it to DR";
                let backfill = ShellCommand::new("init-backend backfill");
                Err(left(Left::new(LeftKind::NotThere, text).command(backfill)))
            }
            (Presence::Deleted(last), Presence::Present(_)) => Err(left(self.deleted_in(
                state,
                self.primary.side,
                &last.version,
            ))),
            (Presence::Present(_), Presence::Deleted(last)) => {
                Err(left(self.deleted_in(state, self.dr.side, &last.version)))
            }
            // A replica has the version ID of its source: with another one, DR had a write of its own below the marker.
            (Presence::Deleted(ours), Presence::Deleted(theirs))
                if ours.version != theirs.version =>
            {
                Err(left(self.deleted_apart(state, ours, theirs)))
            }
            (ours_found, theirs_found) => {
                let of = |side: &Side, found: &Presence, row: &Result<Option<String>, Problem>| {
                    let has_row = matches!(row, Ok(Some(_)));
                    match found {
                        Presence::Deleted(last) if has_row => {
                            Some(deleted(state, side, &last.version, true))
                        }
                        _ if has_row => Some(gone(side)),
                        _ => None,
                    }
                };
                let reason = of(self.primary.side, ours_found, &ours.row)
                    .or_else(|| of(self.dr.side, theirs_found, &theirs.row));
                match reason {
                    Some(reason) => Err(left(reason)),
                    None if matches!(relation, Relation::Deleted) => Ok(Vec::new()),
                    None => return None,
                }
            }
        };
        Some(planned)
    }

    /// DR's object becomes the primary side's, and the digest rows follow.
    fn bring_back(
        &self,
        pair: &ObservedPair,
        over: Option<&StateObject>,
        from: &StateObject,
    ) -> Result<Vec<HandoverStep>, Standing> {
        let (serial, _) = readable(&pair.dr.state, self.dr.side, from)?;
        let serial_of = |object: &StateObject| Some(object.content.as_ref().ok()?.serial());
        let copy = StateCopy {
            to: SideName::Primary,
            version: from.version.clone(),
            serial,
            replaces: over.and_then(|over| over.version.clone()),
            replaces_serial: over.and_then(serial_of),
            from: Box::new(from.clone()),
            over: over.cloned().map(Box::new),
        };
        let mut steps = vec![HandoverStep::CopyState(copy)];
        steps.extend(self.digests(pair, from)?);
        Ok(steps)
    }

    /// The digest rows, once the primary side has `object`. Its own becomes that of it, where DynamoDB locks this state
    /// at all: a row that nobody keeps would be stale after the next write. DR's goes for the same reason: replication
    /// writes DR's objects from now on, and no rows. Without one Terraform reads there, as before the first failover.
    fn digests(
        &self,
        pair: &ObservedPair,
        object: &StateObject,
    ) -> Result<Vec<HandoverStep>, Standing> {
        let state = &pair.primary.state;
        let (serial, md5) = readable(state, self.dr.side, object)?;
        let row = |row: &Result<Option<String>, Problem>| row.as_ref().ok().cloned().flatten();
        let (ours, theirs) = (row(&pair.primary.copy.row), row(&pair.dr.copy.row));
        let is_stale = ours.as_ref() != Some(&md5) && (ours.is_some() || theirs.is_some());
        let write = is_stale
            .then(|| DigestRepair::new(self.primary.side, state, ours, md5, serial))
            .flatten();
        let remove = theirs.and_then(|was| DigestRemoval::new(self.dr.side, state, was));
        let write = write.map(HandoverStep::WriteDigest).into_iter();
        Ok(write
            .chain(remove.map(HandoverStep::RemoveDigest))
            .collect())
    }

    /// Serial and version of both, in a sentence.
    fn both_named(&self, ours: &StateObject, theirs: &StateObject) -> String {
        let of = |side: &Side, object: &StateObject| {
            let content = object.content.as_ref();
            let serial = content.map_or(0, |content| content.serial());
            let version = object.version.as_deref().unwrap_or("null");
            format!("{} has serial {serial} (version {version})", side.region)
        };
        let (primary, dr) = (of(self.primary.side, ours), of(self.dr.side, theirs));
        format!("{primary}, {dr}")
    }

    /// DR has an earlier version of the primary side's, and wrote nothing upon it.
    fn behind(&self, state: &StateId, ours: &StateObject, theirs: &StateObject) -> Left {
        let both = self.both_named(ours, theirs);
        let text = format!(
            "{both}: DR has nothing upon it that the primary region has not, and replication has not brought the newer one"
        );
        let copy = copy_command(state, self.primary.side, ours, self.dr.side);
        let why = "where replication does not bring it any more; then failback once more";
        Left::new(LeftKind::Behind, text)
            .command(ShellCommand::new("init-backend metrics"))
            .command(copy.comment(why))
    }

    /// Both sides were written, or may have been: a person has to choose.
    fn moved(
        &self,
        state: &StateId,
        ours: &StateObject,
        theirs: &StateObject,
        kind: LeftKind,
    ) -> Left {
        let why = match kind {
            LeftKind::Diverged => "neither comes from the other",
            _ => "the one that is ahead does not come from the other",
        };
        let copy = |from, object, to| copy_command(state, from, object, to);
        let (primary, dr) = (self.primary.side, self.dr.side);
        let keep = |side: &Side| format!("to keep that of {}", side.region);
        Left::new(kind, format!("{}: {why}", self.both_named(ours, theirs)))
            .command(copy(primary, ours, dr).comment(keep(primary)))
            .command(copy(dr, theirs, primary).comment(keep(dr)))
    }

    /// Deleted on both sides, which had gone apart before.
    fn deleted_apart(&self, state: &StateId, ours: &LastVersion, theirs: &LastVersion) -> Left {
        let of = |side: &Side, last: &LastVersion| {
            let written = last.modified.map(|time| format!(" of {time}"));
            let written = written.unwrap_or_default();
            format!("{} had the version {}{written}", side.region, last.version)
        };
        let text = format!(
            "it is deleted in both regions, which had gone apart: {}, {}",
            of(self.primary.side, ours),
            of(self.dr.side, theirs)
        );
        let restore = |side: &Side, last: &LastVersion| {
            let keep = format!("to keep that of {}", side.region);
            restore_command(state, &last.version, side.name).comment(keep)
        };
        Left::new(LeftKind::Deleted, text)
            .command(restore(self.primary.side, ours))
            .command(restore(self.dr.side, theirs))
    }

    fn deleted_in(&self, state: &StateId, side: &Side, version: &str) -> Left {
        let text = format!(
            "it is deleted in {}, and the other region has it; the version {version} can be brought back",
            side.region
        );
        let restore = restore_command(state, version, side.name);
        Left::new(LeftKind::DeletedIn, text).command(restore)
    }

    async fn take(&self, state: &StateId, step: &HandoverStep) -> Result<(), Stop> {
        let side = match step {
            HandoverStep::CopyState(copy) => {
                let (from, over) = (&copy.from, copy.over.as_deref());
                let bucket = &self.dr.side.bucket;
                return Ok(self.primary.bring(state, bucket, from, over).await?);
            }
            HandoverStep::WriteDigest(repair) => repair.side,
            HandoverStep::RemoveDigest(removal) => removal.side,
            HandoverStep::ClearLock(lock) => lock.side,
        };
        match side {
            SideName::Primary => self.primary.take(step).await,
            SideName::Dr => self.dr.take(step).await,
        }
    }
}

/// The command that writes one side's version over the other side's.
fn copy_command(state: &StateId, from: &Side, object: &StateObject, to: &Side) -> ShellCommand {
    let version = object.version.as_deref().unwrap_or("null");
    let source = format!("{}/{}?versionId={version}", from.bucket, state.object());
    ShellCommand::new("aws s3api copy-object")
        .option("--region", to.region.as_str())
        .option("--bucket", to.bucket.as_str())
        .option("--key", state.object())
        .option("--copy-source", source)
}

/// A run that took the primary side's lock between the look at the locks and the copy has read what was there before, and
/// may write over the copy.
fn overtaken(done: StateHandover) -> StateHandover {
    let copied = done.steps.iter().find_map(|step| match step {
        HandoverStep::CopyState(copy) => Some(copy.serial),
        _ => None,
    });
    let written = done.copies.iter().find_map(|copy| match &copy.found {
        Presence::Present(object) if copy.side == SideName::Primary => object.modified,
        _ => None,
    });
    let mut held = done.held.iter();
    // S3 tells seconds.
    let before = held.find(|lock| {
        lock.side == SideName::Primary
            && !is_probe(lock)
            && lock
                .taken
                .zip(written)
                .is_none_or(|(taken, written)| taken <= written)
    });
    let (Some(serial), Some(lock)) = (copied, before) else {
        return done;
    };
    let text = format!(
        "serial {serial} was copied while {} took its lock: that run may have read the state before, and write over it",
        holder(lock)
    );
    let command =
        ShellCommand::new("init-backend integrity").option("--state", done.state.object());
    let reason = Left::new(LeftKind::Locked, text);
    let reason = reason.command(command.comment("when that run has ended"));
    StateHandover {
        standing: left(reason),
        ..done
    }
}

/// What of a state on one side could not be asked.
fn problem_of(observed: &ObservedState) -> Option<&Problem> {
    match (&observed.copy.found, &observed.copy.row) {
        (Presence::Unknown { problem }, _) | (_, Err(problem)) => Some(problem),
        _ => observed.locks.unknown.first().map(|locks| &locks.problem),
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
