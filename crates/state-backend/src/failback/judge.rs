//! What a failback does to a state, by what both sides have of it.

use report::ShellCommand;

use super::locks::FailbackRun;
use super::resolution::{FailbackError, Resolution, Versioning};
use super::{ObservedPair, Sides};
use crate::handover::reasons::{deleted, gone, left, locked, readable, unknown};
use crate::handover::steps::ObservedState;
use crate::handover::{
    HandoverStep, Left, LeftKind, Standing, StateCopy, StateDeletion, StateHandover,
    restore_command,
};
use crate::inventory::history::{self, Descent};
use crate::inventory::{LastVersion, Presence, Relation, SideState, StateId, StateObject};
use crate::problem::{Observation, Problem};
use crate::repair::{DigestRemoval, DigestRepair};
use crate::root::probe::is_probe;
use crate::side::SideAccess;
use crate::spec::{Side, SideName};

impl Sides<'_> {
    /// Asks the versions what the copies alone do not tell.
    async fn relate(&self, primary: ObservedState, dr: ObservedState) -> ObservedPair {
        let relation = Relation::of(&primary.copy.found, &dr.copy.found);
        let state = &primary.state;
        let descent = async {
            let (Presence::Present(ours), Presence::Present(theirs)) =
                (&primary.copy.found, &dr.copy.found)
            else {
                return None;
            };
            let (ours, theirs) = ((self.primary, ours), (self.dr, theirs));
            let descent = match relation {
                Relation::DrAhead { .. } => history::descent(state, theirs, ours).await,
                Relation::PrimaryAhead { .. } => history::descent(state, ours, theirs).await,
                _ => return None,
            };
            Some(descent.into())
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
    pub(super) async fn handover(
        &self,
        primary: ObservedState,
        dr: ObservedState,
        choice: Choice,
        run: FailbackRun<'_>,
        versioning: &Versioning,
    ) -> Result<Option<StateHandover>, FailbackError> {
        let pair = self.relate(primary, dr).await;
        let judged = match self.steps(&pair) {
            Some(judged) => judged,
            None => match choice.resolution {
                Some(resolution) => {
                    return Err(no_conflict(&pair, resolution, "no region has it"));
                }
                None => return Ok(None),
            },
        };
        let judged = match choice.resolution {
            Some(resolution) => {
                self.resolved(&pair, judged, resolution, choice.is_new)
                    .await?
            }
            None => judged,
        };
        let judged = match judged {
            Ok(steps) => {
                self.nothing_lost(&pair.primary.state, steps, versioning)
                    .await
            }
            left => left,
        };
        Ok(Some(guarded(pair, judged, choice, run)))
    }

    /// What was chosen, where something was to be chosen.
    async fn resolved(
        &self,
        pair: &ObservedPair,
        judged: Result<Vec<HandoverStep>, Standing>,
        resolution: Resolution,
        is_new: bool,
    ) -> Result<Result<Vec<HandoverStep>, Standing>, FailbackError> {
        let (ours, theirs) = (&pair.primary.copy.found, &pair.dr.copy.found);
        let kind = match &judged {
            Err(Standing::Left { left }) => Some(left.kind),
            // What is not known cannot be chosen from.
            Err(_) => return Ok(judged),
            Ok(_) => None,
        };
        let both_written = matches!(kind, Some(LeftKind::Moved | LeftKind::Diverged));
        let is_deleted = kind == Some(LeftKind::DeletedIn);
        Ok(match (resolution, ours, theirs) {
            (Resolution::KeepDr, Presence::Present(ours), Presence::Present(theirs))
                if both_written =>
            {
                self.bring_back(pair, Some(ours), theirs)
            }
            (Resolution::KeepPrimary, Presence::Present(ours), Presence::Present(theirs))
                if both_written =>
            {
                self.copy(pair, SideName::Dr, Some(theirs), ours)
            }
            (Resolution::BringBack, Presence::Deleted(_), Presence::Present(theirs))
                if is_deleted =>
            {
                self.bring_back(pair, None, theirs)
            }
            (Resolution::BringBack, Presence::Present(ours), Presence::Deleted(_))
                if is_deleted =>
            {
                self.copy(pair, SideName::Dr, None, ours)
            }
            (Resolution::StayDeleted, Presence::Deleted(_), Presence::Present(object))
                if is_deleted =>
            {
                Ok(self.stay_deleted(pair, Some((self.dr.side, object))))
            }
            (Resolution::StayDeleted, Presence::Present(object), Presence::Deleted(_))
                if is_deleted =>
            {
                Ok(self.stay_deleted(pair, Some((self.primary.side, object))))
            }
            (Resolution::StayDeleted, Presence::Deleted(_), Presence::Deleted(_)) => {
                Ok(self.stay_deleted(pair, None))
            }
            _ => {
                let state = &pair.primary.state;
                let settled = match judged.is_ok() && pair.relation == Relation::Same {
                    // What this run itself has brought about a moment ago needs no proof.
                    true if !is_new => Ok(true),
                    true => self.is_settled(state, resolution, ours, theirs).await,
                    false => Ok(false),
                };
                match settled {
                    Ok(true) => judged,
                    Ok(false) => {
                        let why = match &judged {
                            Err(Standing::Left { left }) => left.text.clone(),
                            _ => pair.relation.to_string(),
                        };
                        return Err(no_conflict(pair, resolution, why));
                    }
                    Err(error) => Err(unknown(&error.into())),
                }
            }
        })
    }

    /// The steps, if what they write over or delete stays a version.
    async fn nothing_lost(
        &self,
        state: &StateId,
        steps: Vec<HandoverStep>,
        versioning: &Versioning,
    ) -> Result<Vec<HandoverStep>, Standing> {
        for step in &steps {
            let side = match step {
                HandoverStep::CopyState(copy) if copy.over.is_some() => copy.to,
                HandoverStep::DeleteState(deletion) => deletion.side,
                _ => continue,
            };
            let access = match side {
                SideName::Primary => self.primary,
                SideName::Dr => self.dr,
            };
            match versioning.is_kept(access).await {
                Ok(true) => {}
                Ok(false) => {
                    let text = format!(
                        "{} keeps no versions, so that its copy of {state} would be lost",
                        access.side.bucket
                    );
                    let apply = ShellCommand::new("init-backend apply");
                    return Err(left(Left::new(LeftKind::Unversioned, text).command(apply)));
                }
                Err(problem) => return Err(unknown(&problem)),
            }
        }
        Ok(steps)
    }

    /// The state is deleted where it still is, and no digest row has Terraform refuse to begin anew.
    fn stay_deleted(
        &self,
        pair: &ObservedPair,
        copy: Option<(&Side, &StateObject)>,
    ) -> Vec<HandoverStep> {
        let state = &pair.primary.state;
        let deletion = copy.map(|(side, object)| {
            HandoverStep::DeleteState(StateDeletion::new(side.name, state, object))
        });
        let removal = |access: SideAccess<'_>, row: &Result<Option<String>, Problem>| {
            let was = row.as_ref().ok().cloned().flatten()?;
            DigestRemoval::new(access.side, state, was)
        };
        let rows = [
            removal(self.primary, &pair.primary.copy.row),
            removal(self.dr, &pair.dr.copy.row),
        ];
        let rows = rows.into_iter().flatten().map(HandoverStep::RemoveDigest);
        deletion.into_iter().chain(rows).collect()
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
                    descent => Err(left(self.moved(state, ours, theirs, why_moved(descent)))),
                },
                Relation::PrimaryAhead { .. } => Err(left(match &pair.descent {
                    Some(Observation::Known(Descent::Proven)) => self.behind(state, ours, theirs),
                    descent => self.moved(state, ours, theirs, why_moved(descent)),
                })),
                Relation::Unreadable { .. } => readable(state, self.primary.side, ours)
                    .and_then(|_| readable(state, self.dr.side, theirs))
                    .map(|_| Vec::new()),
                _ => {
                    let why = (LeftKind::Diverged, "neither comes from the other");
                    Err(left(self.moved(state, ours, theirs, why)))
                }
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
        self.copy(pair, SideName::Primary, over, from)
    }

    fn copy(
        &self,
        pair: &ObservedPair,
        to: SideName,
        over: Option<&StateObject>,
        from: &StateObject,
    ) -> Result<Vec<HandoverStep>, Standing> {
        let state = &pair.primary.state;
        let source = match to {
            SideName::Primary => self.dr.side,
            SideName::Dr => self.primary.side,
        };
        let (serial, _) = readable(state, source, from)?;
        let copy = StateCopy::new(to, state, (from, serial), over);
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
        (kind, why): (LeftKind, &str),
    ) -> Left {
        let keep = |resolution, side: &Side| {
            choose(state, resolution).comment(format!("to keep that of {}", side.region))
        };
        Left::new(kind, format!("{}: {why}", self.both_named(ours, theirs)))
            .command(keep(Resolution::KeepPrimary, self.primary.side))
            .command(keep(Resolution::KeepDr, self.dr.side))
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
            "it is deleted in {}, whose last version is {version}, and the other region has it",
            side.region
        );
        Left::new(LeftKind::DeletedIn, text)
            .command(choose(state, Resolution::BringBack).comment("to have it in both"))
            .command(choose(state, Resolution::StayDeleted).comment("to delete it in both"))
    }
}

/// What was chosen for a state, and whether this is the first look: a choice that does not fit is an error then.
#[derive(Debug, Clone, Copy)]
pub(super) struct Choice {
    resolution: Option<Resolution>,
    is_new: bool,
}

impl Choice {
    pub(super) fn new(resolution: Option<Resolution>, is_new: bool) -> Self {
        Self { resolution, is_new }
    }
}

fn no_conflict(
    pair: &ObservedPair,
    resolution: Resolution,
    why: impl Into<String>,
) -> FailbackError {
    FailbackError::NoConflict {
        state: pair.primary.state.object(),
        resolution,
        why: why.into(),
    }
}

/// Why a copy that is ahead is none that the other side could take over.
fn why_moved(descent: &Option<Observation<Descent>>) -> (LeftKind, &'static str) {
    let why = match descent {
        Some(Observation::Known(Descent::Undone)) => {
            "one of them had been written over and was brought back, so that it has to be chosen anew"
        }
        _ => "the one that is ahead does not come from the other",
    };
    (LeftKind::Moved, why)
}

/// The command that chooses for a state.
fn choose(state: &StateId, resolution: Resolution) -> ShellCommand {
    let flag = match resolution {
        Resolution::KeepDr => "--keep-dr",
        Resolution::KeepPrimary => "--keep-primary",
        Resolution::BringBack => "--bring-back",
        Resolution::StayDeleted => "--stay-deleted",
    };
    ShellCommand::new("init-backend failback").option(flag, state.object())
}

/// What is done to a state, if nobody's lock speaks against it.
fn guarded(
    pair: ObservedPair,
    judged: Result<Vec<HandoverStep>, Standing>,
    choice: Choice,
    run: FailbackRun<'_>,
) -> StateHandover {
    let ObservedPair {
        primary,
        dr,
        relation,
        overwritten,
        ..
    } = pair;
    let locks = primary.locks.held.into_iter().chain(dr.locks.held);
    let held: Vec<_> = locks.filter(|lock| !lock.is_replica).collect();
    // One that a killed run left behind its probe of the lock protects nothing, nor does that of a failback which has
    // ended: every step of it is seen by what is there.
    let left_behind = held.iter().filter(|lock| run.was_left(lock));
    let released: Vec<_> = left_behind
        .cloned()
        .map(HandoverStep::ReleaseLock)
        .collect();
    let mut guarding = held.iter();
    let guarding = guarding.find(|lock| !is_probe(lock) && !run.was_left(lock));
    let judged = judged.map(|steps| [released, steps].concat());
    let (steps, standing) = match (judged, guarding) {
        (Ok(steps), _) if steps.is_empty() => (steps, Standing::Ready),
        (Ok(_), Some(lock)) => (Vec::new(), left(locked(lock))),
        (Ok(steps), None) => (steps, Standing::Planned),
        (Err(standing), _) => (Vec::new(), standing),
    };
    StateHandover {
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
        resolution: choice.resolution,
        steps,
        standing,
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

/// What of a state on one side could not be asked.
fn problem_of(observed: &ObservedState) -> Option<&Problem> {
    match (&observed.copy.found, &observed.copy.row) {
        (Presence::Unknown { problem }, _) | (_, Err(problem)) => Some(problem),
        _ => observed.locks.unknown.first().map(|locks| &locks.problem),
    }
}
