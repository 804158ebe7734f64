use std::time::Duration;

use cli::{Exit, Failure, GlobalArgs};
use jiff::Timestamp;
use report::escape::quoted;
use report::{Document, Mark, Report, ShellCommand, duration};
use serde::Serialize;
use settings::Region;
use state_backend::{Backend, Lock, LockName, Locks, Presence, ReleaseError, SideName, StateId};

use crate::args::{SideArg, UnlockArgs};

/// What `locks` prints.
#[derive(Serialize)]
struct Held {
    /// What ages are counted to.
    time: Timestamp,
    sides: Vec<HeldOn>,
}

#[derive(Serialize)]
struct HeldOn {
    side: SideName,
    region: Region,
    #[serde(flatten)]
    locks: Locks,
}

impl Report for Held {
    const KIND: &'static str = "locks";

    fn document(&self) -> Document {
        let mut rows = Vec::new();
        for HeldOn { region, locks, .. } in &self.sides {
            let held = locks.held.iter();
            rows.extend(held.map(|lock| (Mark::Plain, cells(*region, lock, self.time))));
            rows.extend(locks.unknown.iter().map(|unknown| {
                let mut cells = vec![
                    region.to_string(),
                    unknown.kind.to_string(),
                    unknown.place.clone().unwrap_or_default(),
                    "unknown".to_owned(),
                ];
                cells.resize(HEADINGS.len(), String::new());
                (Mark::Unknown, cells)
            }));
        }
        let empty = rows.is_empty();
        let mut document = Document::new().heading("Locks").table(HEADINGS, rows);
        if empty {
            document = document.text("None is held.");
        }
        // Below the table, which error texts would make wider than any terminal.
        for HeldOn { region, locks, .. } in &self.sides {
            for unknown in &locks.unknown {
                document = document.text(format!("{region}: {}", unknown.describe()));
            }
        }
        document
    }
}

const HEADINGS: [&str; 7] = [
    "Region",
    "Kept in",
    "Place",
    "ID",
    "Who",
    "Operation",
    "Age",
];

fn cells(region: Region, lock: &Lock, now: Timestamp) -> Vec<String> {
    let holder = match &lock.info {
        Some(info) => [info.id.clone(), info.who.clone(), info.operation.clone()],
        None => ["not Terraform's", "", ""].map(str::to_owned),
    };
    let held = lock.taken.map(|taken| age(taken, now)).unwrap_or_default();
    let kept = match lock.is_replica {
        true => format!("{}, replica", lock.kind),
        false => lock.kind.to_string(),
    };
    let place = [region.to_string(), kept, lock.place.clone()];
    place.into_iter().chain(holder).chain([held]).collect()
}

fn age(then: Timestamp, now: Timestamp) -> String {
    match Duration::try_from(now.duration_since(then)) {
        Ok(age) => duration(age),
        Err(_) => "less than nothing (a clock is wrong)".to_owned(),
    }
}

pub(crate) async fn list(global: &GlobalArgs) -> Result<Exit, Failure> {
    let backend = super::connect(global).await?;
    let mut sides = Vec::new();
    for side in backend.spec().sides() {
        let locks = backend.locks(side.name).await;
        sides.push(HeldOn {
            side: side.name,
            region: side.region,
            locks,
        });
    }
    let unknown = sides.iter().any(|side| !side.locks.unknown.is_empty());
    cli::print(
        global,
        &Held {
            time: cli::now(),
            sides,
        },
    )?;
    Ok(if unknown { Exit::Unchecked } else { Exit::Fine })
}

/// What `unlock` prints.
#[derive(Serialize)]
struct Released {
    released: Vec<state_backend::Release>,
}

impl Report for Released {
    const KIND: &'static str = "unlock";

    fn document(&self) -> Document {
        self.released
            .iter()
            .fold(Document::new(), |document, release| {
                document.text(format!(
                    "Released {} ({}).",
                    release.lock.place, release.lock.kind
                ))
            })
    }
}

pub(crate) async fn release(global: &GlobalArgs, args: &UnlockArgs) -> Result<Exit, Failure> {
    let backend = super::connect(global).await?;
    let side = SideName::from(args.side);
    if backend.spec().side(side).is_none() {
        return Err(not_released(args, ReleaseError::NoSide { side }));
    }
    if let Some(problem) = backend.lost(side) {
        return Err(Failure::new(
            Exit::Unchecked,
            anyhow::anyhow!("failed to release the lock: {problem}"),
        )
        .hint("`init-backend status` shows which regions answer"));
    }
    let locks = backend.locks(side).await;
    // The arguments are one of the two.
    let name = match (&args.id, &args.place) {
        (Some(id), _) => LockName::Id(id.clone()),
        (None, place) => LockName::Place(place.clone().unwrap_or_default()),
    };
    let asked = locks.held.iter().find(|lock| lock.has(&name));
    if let Some(lock) = asked {
        ask(global, args, &name, &backend, lock).await?;
    }
    let released = backend.release_listed(locks, name).await;
    let released = released.map_err(|error| {
        let is_none = matches!(error, ReleaseError::NoSuchLock { .. });
        let failure = not_released(args, error);
        match is_none && backend.spec().states.is_complete() {
            true => failure.hint(
                "locks of keys that `[state] keys` does not name are looked for nowhere: add the key, or leave `keys` out",
            ),
            false => failure,
        }
    })?;
    cli::print(global, &Released { released })?;
    Ok(Exit::Fine)
}

/// Asks before a lock is released that somebody may hold. Age alone never unlocks: the guide's own apply takes longer
/// than its 15 minutes. A state that was written since the lock was taken is work going on, or work that was cut off: it
/// takes more than a yes, and so does one of which that is not known.
async fn ask(
    global: &GlobalArgs,
    args: &UnlockArgs,
    name: &LockName,
    backend: &Backend,
    lock: &Lock,
) -> Result<(), Failure> {
    let state = backend.state(lock.side, &StateId::new(lock.state())).await;
    let written = match state.map(|state| state.found) {
        Some(Presence::Present(object)) => Written::At(object.modified),
        Some(Presence::Absent | Presence::Deleted(_)) | None => Written::Never,
        Some(Presence::Unknown { problem }) => Written::Unknown(problem.to_string()),
    };
    let question = question(lock, &written);
    let at_work = match (&written, lock.taken) {
        (Written::Never, _) => None,
        (Written::At(Some(written)), Some(taken)) => (*written > taken)
            .then_some("the state was written after this lock was taken: somebody may be at work"),
        (Written::At(_) | Written::Unknown(_), _) => Some(
            "whether the state was written after this lock was taken is not known: somebody may be at work",
        ),
    };
    let (LockName::Id(name) | LockName::Place(name)) = name;
    let Some(at_work) = at_work else {
        return match &args.confirm {
            Some(again) if again != name => Err(not_confirmed(name)),
            _ => cli::confirm(global, &question),
        };
    };
    match &args.confirm {
        Some(again) if again == name => Ok(()),
        Some(_) => Err(not_confirmed(name)),
        None if global.yes => {
            let again = unlock(args, |command| command.option("--confirm", name));
            Err(
                Failure::new(Exit::Refused, anyhow::anyhow!("{at_work}")).hint(format!(
                    "ask the holder; if that run is certainly dead, `{again}`"
                )),
            )
        }
        None => cli::confirm_name(global, &question, name),
    }
}

fn not_confirmed(name: &str) -> Failure {
    let error = anyhow::anyhow!("--confirm is not {}", quoted(name));
    Failure::new(Exit::Usage, error)
}

/// When a state was last written.
enum Written {
    At(Option<Timestamp>),
    Never,
    Unknown(String),
}

/// What somebody has to know before releasing a lock that another holds.
fn question(lock: &Lock, written: &Written) -> String {
    let now = cli::now();
    let held = match lock.taken {
        Some(taken) => age(taken, now),
        None => "an unknown time".to_owned(),
    };
    let state = quoted(lock.state());
    let written = match written {
        Written::At(Some(time)) => {
            format!("the state {state} was last written {} ago", age(*time, now))
        }
        Written::At(None) => format!("when the state {state} was last written is not known"),
        Written::Never => format!("the state {state} was never written"),
        Written::Unknown(problem) => format!("the state {state} could not be read ({problem})"),
    };
    let (who, operation) = match &lock.info {
        Some(info) => (quoted(&info.who), quoted(&info.operation)),
        None => (
            "Something that is not Terraform".to_owned(),
            "an unknown purpose".to_owned(),
        ),
    };
    format!(
        "{who} has held this lock for {held}, for {operation}; {written}. If that Terraform still runs, releasing it can corrupt the state. Release it?",
    )
}

/// The command that asks for the same lock with other options, which stand before an ID that may begin with a hyphen.
fn unlock(args: &UnlockArgs, options: impl FnOnce(ShellCommand) -> ShellCommand) -> ShellCommand {
    let command = options(ShellCommand::new("init-backend unlock"));
    let command = match args.side {
        SideArg::Primary => command,
        SideArg::Dr => command.words("--side dr"),
    };
    match (&args.id, &args.place) {
        (Some(id), _) => command.word(id),
        (None, Some(place)) => command.option("--place", place),
        (None, None) => command,
    }
}

fn not_released(args: &UnlockArgs, error: ReleaseError) -> Failure {
    let (exit, hint) = match &error {
        ReleaseError::NoSuchLock { .. } => (
            Exit::Usage,
            "`init-backend locks` shows the locks that are held, with IDs and places; `--side dr` is for those of the DR region"
                .to_owned(),
        ),
        ReleaseError::Gone { .. } => (
            Exit::Refused,
            "`init-backend locks` shows what is held now".to_owned(),
        ),
        ReleaseError::Replica { .. } => (
            Exit::Refused,
            "it ends with the lock that it is a copy of; after the loss of that region nothing on this side waits for it"
                .to_owned(),
        ),
        ReleaseError::NoSide { .. } => (
            Exit::Usage,
            "`init-backend locks` shows what is held, and where".to_owned(),
        ),
        ReleaseError::ChangedHands { .. } => (
            Exit::Refused,
            "`init-backend locks` shows who holds it now".to_owned(),
        ),
        ReleaseError::Unlisted { unknown, .. } => (
            Exit::Unchecked,
            format!("`init-backend locks` shows what {} tells", unknown.kind),
        ),
        ReleaseError::Partly { .. } => (
            Exit::Unchecked,
            format!("`{}` again releases the rest", unlock(args, |command| command)),
        ),
        ReleaseError::Call(_) => (
            Exit::Unchecked,
            format!("`{}` shows what AWS answers to each call", unlock(args, |command| command.words("-vv"))),
        ),
    };
    let error = anyhow::Error::new(error).context("failed to release the lock");
    Failure::new(exit, error).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn age_of_a_time_to_come_says_that_a_clock_is_wrong() {
        let taken: Timestamp = "2026-11-22T09:00:00Z".parse().unwrap();
        let later: Timestamp = "2026-11-22T11:05:00Z".parse().unwrap();
        assert_eq!(age(taken, later), "2h 5m");
        assert!(age(later, taken).contains("a clock is wrong"));
    }
}
