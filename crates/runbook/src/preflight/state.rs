//! The Terraform states: fresh, readable, not locked, and what a failover would do to each.

use std::time::Duration;

use aws_env::DrOnly;
use jiff::Timestamp;
use report::ShellCommand;
use report::finding::{Finding, Unobserved};
use state_backend::{
    Backend, DrBackend, Handover, Health, Lock, Presence, Relation, SideName, Standing,
    StateHandover, UnknownLocks,
};

use super::{Area, PreflightRequest, advise, told};
use crate::lease::causes;
use crate::{Host, Store};

/// A run of terraform that is still under way after this is one that somebody has to look at.
const LONG: Duration = Duration::from_secs(60 * 60);

const STATE: &str = "state";
const COPIES: &str = "state-copies";
const LOCKS: &str = "state-locks";

pub(super) async fn look<S: Store, H: Host>(
    request: &PreflightRequest<'_, S, H>,
    dr: &DrOnly,
) -> Area {
    let now = request.host.now();
    let mut findings = match DrBackend::connect(request.settings, dr).await {
        Ok(backend) => of_dr(backend.failover_plan(now).await.handover()),
        Err(error) => vec![not_connected(STATE, &error)],
    };
    match request.reach.both() {
        None => {
            findings.push(super::primary_not_asked(COPIES, "all"));
            findings.push(super::primary_not_asked(
                LOCKS,
                SideName::Primary.to_string(),
            ));
        }
        Some(both) => match Backend::connect(request.settings, both).await {
            Ok(backend) => {
                let primary = SideName::Primary;
                let (inventory, locks) =
                    tokio::join!(backend.inventory(now), backend.locks(primary));
                let copies = inventory.states.iter().map(|state| {
                    let relation = state.relation.as_ref();
                    judge_copies(
                        state.state.to_string(),
                        relation,
                        state.condition(),
                        state.health,
                    )
                });
                findings.extend(copies);
                // A copy of the DR side's would be told there.
                let held = locks.held.iter().filter(|lock| !lock.is_replica);
                let held: Vec<Held> = held.map(Held::from).collect();
                findings.push(judge_locks(
                    primary,
                    &held,
                    first_problem(&locks.unknown),
                    Some(now),
                ));
            }
            Err(error) => findings.push(not_connected(COPIES, &error)),
        },
    }
    Area::new(
        "Terraform states",
        "Terraform begins from an old state in the DR region, or from none, and makes again what is there",
        findings,
    )
}

fn not_connected(what: &'static str, error: &state_backend::ConnectError) -> Finding {
    let finding = match error {
        state_backend::ConnectError::NoDrSide => Finding::new(
            what,
            "all",
            "a copy in the DR region",
            Ok((
                false,
                "the settings name no DR side of the state".to_owned(),
            )),
        ),
        state_backend::ConnectError::Call(error) => Finding::new(
            what,
            "all",
            "readable",
            Err(Unobserved::because(told(error))),
        ),
        other => Finding::new(what, "all", "readable", Ok((false, causes(other)))),
    };
    advise(finding, ShellCommand::new("init-backend status"))
}

/// What the DR side has, and what a failover would do to it.
fn of_dr(handover: &Handover) -> Vec<Finding> {
    let states = handover.states.iter().map(|state| {
        let steps: Vec<String> = state.steps.iter().map(ToString::to_string).collect();
        judge_state(
            state.state.to_string(),
            here(state),
            &state.standing,
            &steps,
        )
    });
    let mut findings: Vec<Finding> = states.collect();
    if findings.is_empty() {
        let finding = Finding::new(
            STATE,
            handover.bucket.clone(),
            "the states of the environment",
            Ok((false, "it has none".to_owned())),
        );
        findings.push(advise(finding, ShellCommand::new("init-backend status")));
    }
    let held = handover.states.iter().flat_map(|state| &state.held);
    let held: Vec<Held> = held.map(Held::from).collect();
    let unknown = first_problem(&handover.unknown_locks);
    findings.push(judge_locks(SideName::Dr, &held, unknown, None));
    findings
}

/// What the DR side has of a state, in words.
fn here(state: &StateHandover) -> String {
    let copy = state.copies.iter().find(|copy| copy.side == SideName::Dr);
    match copy.map(|copy| &copy.found) {
        Some(Presence::Present(object)) => match &object.content {
            Ok(content) => {
                let written = object
                    .modified
                    .map(|time| format!(", written at {time:.0}"));
                let (serial, lineage) = (content.serial(), content.lineage());
                format!(
                    "serial {serial} of lineage {lineage}{}",
                    written.unwrap_or_default()
                )
            }
            Err(why) => why.clone(),
        },
        Some(Presence::Deleted(_)) => "deleted".to_owned(),
        Some(Presence::Absent) | None => "not there".to_owned(),
        Some(Presence::Unknown { problem }) => problem.to_string(),
    }
}

fn judge_state(state: String, here: String, standing: &Standing, steps: &[String]) -> Finding {
    let mut fix = String::from(ShellCommand::new("init-backend failover --dry-run"));
    let seen = match standing {
        Standing::Ready | Standing::Done => Ok((true, here)),
        Standing::Planned => Ok((
            true,
            format!("{here}; a failover does: {}", steps.join(", ")),
        )),
        Standing::Left { left } => {
            if let Some(command) = left.commands.first() {
                fix = command.to_string();
            }
            Ok((
                false,
                format!("{here}; a failover would leave it: {}", left.text),
            ))
        }
        Standing::Unknown { problem } => Err(Unobserved::because(problem.to_string())),
        other => Err(Unobserved::because(format!("{other:?} is not known here"))),
    };
    let expected = "readable with these credentials, and ready after a failover";
    advise(Finding::new(STATE, state, expected, seen), fix)
}

/// A lock, as far as it is judged.
#[derive(Debug)]
struct Held {
    place: String,
    who: Option<String>,
    taken: Option<Timestamp>,
}

impl From<&Lock> for Held {
    fn from(lock: &Lock) -> Self {
        Self {
            place: lock.place.clone(),
            who: lock.info.as_ref().map(|info| info.who.clone()),
            taken: lock.taken,
        }
    }
}

fn first_problem(unknown: &[UnknownLocks]) -> Option<String> {
    unknown.first().map(|unknown| unknown.problem.to_string())
}

/// With `now` only locks count that are held for long: on the side where people work, one that is held says that they do.
fn judge_locks(
    side: SideName,
    held: &[Held],
    unknown: Option<String>,
    now: Option<Timestamp>,
) -> Finding {
    let is_long = |lock: &&Held| match (now, lock.taken) {
        (Some(now), Some(taken)) => now.duration_since(taken).unsigned_abs() > LONG,
        _ => true,
    };
    let mut long = held.iter().filter(is_long);
    let seen = match (long.next(), unknown) {
        (Some(lock), _) => {
            let who = lock.who.as_deref().unwrap_or("nobody knows whom");
            let since = lock.taken.map(|taken| format!(" since {taken:.0}"));
            let more = match long.count() {
                0 => String::new(),
                more => format!(", and {more} more"),
            };
            let since = since.unwrap_or_default();
            Ok((
                false,
                format!("{} is held by {who}{since}{more}", lock.place),
            ))
        }
        (None, Some(problem)) => Err(Unobserved::because(problem)),
        (None, None) if held.is_empty() => Ok((true, "none is held".to_owned())),
        (None, None) => Ok((true, "one of a run that is under way".to_owned())),
    };
    let expected = match now {
        Some(_) => format!("none is held for more than {}", report::duration(LONG)),
        None => "none is held".to_owned(),
    };
    let locks = ShellCommand::new("init-backend locks");
    advise(
        Finding::new(LOCKS, side.to_string(), expected, seen),
        format!("`{locks}` shows who holds it; release it once that run is certainly dead"),
    )
}

fn judge_copies(
    state: String,
    relation: Option<&Relation>,
    condition: Health,
    health: Health,
) -> Finding {
    let told = relation.map_or_else(|| "there is one copy".to_owned(), ToString::to_string);
    // What was written a moment ago is under way.
    let is_arriving = matches!(relation, Some(Relation::PrimaryAhead { .. }));
    let seen = match (health, condition) {
        (Health::Ok, _) => Ok((true, told)),
        (Health::Degraded, Health::Ok) if is_arriving => {
            Ok((true, format!("{told}, and not late")))
        }
        (Health::Degraded, _) if matches!(relation, Some(Relation::Same)) => Ok((
            false,
            format!("{told}, and Terraform reads neither, or a write is lost"),
        )),
        (Health::Degraded, _) => Ok((false, told)),
        (Health::Unknown, _) => Err(Unobserved::because(format!(
            "{told}: not all of it was read"
        ))),
    };
    let (status, backfill) = (
        ShellCommand::new("init-backend status"),
        ShellCommand::new("init-backend backfill"),
    );
    advise(
        Finding::new(
            COPIES,
            state,
            "the DR side has what the primary side wrote last",
            seen,
        ),
        format!("`{status}` says what is wrong; what replication never saw comes by `{backfill}`"),
    )
}

#[cfg(test)]
mod tests {
    use report::finding::Status;
    use state_backend::{Left, LeftKind, Problem};

    use super::*;

    fn problem() -> Problem {
        let call = aws_env::Call {
            region: "ca-west-1".parse().unwrap(),
            service: "S3",
            operation: "GetObject",
            resource: "state".to_owned(),
        };
        Problem::from(aws_env::Error::unexpected(call, "denied"))
    }

    #[test]
    fn judge_state_is_wrong_where_a_failover_would_leave_it() {
        let judged = |standing: &Standing| {
            judge_state(
                "a.tfstate".to_owned(),
                "serial 3".to_owned(),
                standing,
                &["clear".to_owned()],
            )
        };
        assert_eq!(judged(&Standing::Ready).status, Status::Ok);
        let planned = judged(&Standing::Planned);
        assert_eq!(
            (planned.status, planned.seen.unwrap().contains("clear")),
            (Status::Ok, true)
        );
        let left = Left {
            kind: LeftKind::NotThere,
            text: "it is not there".to_owned(),
            commands: vec![ShellCommand::new("init-backend restore")],
        };
        let left = judged(&Standing::Left { left });
        assert_eq!(left.status, Status::Wrong);
        assert_eq!(left.fix.unwrap(), "init-backend restore");
        let unknown = judged(&Standing::Unknown { problem: problem() });
        assert_eq!(unknown.status, Status::Unknown);
        assert!(unknown.fix.is_some());
    }

    #[test]
    fn judge_locks_lets_a_run_of_the_primary_side_work_for_an_hour() {
        let now: Timestamp = "2026-11-30T12:00:00Z".parse().unwrap();
        let lock = |taken: &str| Held {
            place: "a.tfstate.tflock".to_owned(),
            who: Some("kim@laptop".to_owned()),
            taken: Some(taken.parse().unwrap()),
        };
        let judged = |held: &[Held], unknown: Option<&str>, now| {
            judge_locks(SideName::Primary, held, unknown.map(str::to_owned), now).status
        };
        assert_eq!(judged(&[], None, None), Status::Ok);
        assert_eq!(
            judged(&[lock("2026-11-30T11:00:00Z")], None, Some(now)),
            Status::Ok
        );
        assert_eq!(
            judged(&[lock("2026-11-30T10:59:59Z")], None, Some(now)),
            Status::Wrong
        );
        assert_eq!(
            judged(&[lock("2026-11-30T11:59:59Z")], None, None),
            Status::Wrong
        );
        assert_eq!(judged(&[], Some("denied"), None), Status::Unknown);
        assert_eq!(
            judged(&[lock("2026-11-30T10:00:00Z")], Some("denied"), Some(now)),
            Status::Wrong
        );
    }

    #[test]
    fn judge_copies_takes_a_write_that_is_not_late_for_good_and_an_unread_side_for_unknown() {
        let judged = |relation: &Relation, condition, health| {
            judge_copies("a.tfstate".to_owned(), Some(relation), condition, health).status
        };
        let ahead = Relation::PrimaryAhead { serials: 1 };
        assert_eq!(judged(&Relation::Same, Health::Ok, Health::Ok), Status::Ok);
        assert_eq!(judged(&ahead, Health::Ok, Health::Degraded), Status::Ok);
        assert_eq!(
            judged(&ahead, Health::Degraded, Health::Degraded),
            Status::Wrong
        );
        let dr = Relation::DrAhead { serials: 1 };
        assert_eq!(judged(&dr, Health::Ok, Health::Degraded), Status::Wrong);
        assert_eq!(
            judged(&Relation::Same, Health::Degraded, Health::Degraded),
            Status::Wrong
        );
        assert_eq!(
            judged(&Relation::Unknown, Health::Ok, Health::Unknown),
            Status::Unknown
        );
    }
}
