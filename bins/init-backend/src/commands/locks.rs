use std::time::Duration;

use cli::{Exit, Failure, GlobalArgs};
use jiff::Timestamp;
use report::escape::quoted;
use report::{Document, Mark, Report, ShellCommand, duration};
use serde::Serialize;
use settings::Region;
use state_backend::{Backend, Lock, LockInfo, Locks, ReleaseError, SideName};

use crate::args::UnlockArgs;

/// What `locks` prints.
#[derive(Serialize)]
struct Held {
    #[serde(skip)]
    now: Timestamp,
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
            rows.extend(held.map(|lock| (Mark::Plain, cells(*region, lock, self.now))));
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
    "State",
    "ID",
    "Who",
    "Operation",
    "Age",
];

fn cells(region: Region, lock: &Lock, now: Timestamp) -> Vec<String> {
    let holder = match &lock.info {
        Some(info) => [
            info.id.clone(),
            info.who.clone(),
            info.operation.clone(),
            info.created
                .map(|created| age(created, now))
                .unwrap_or_default(),
        ],
        None => ["not Terraform's", "", "", ""].map(str::to_owned),
    };
    let kept = match lock.is_replica {
        true => format!("{}, replica", lock.kind),
        false => lock.kind.to_string(),
    };
    let place = [region.to_string(), kept, lock.place.clone()];
    place.into_iter().chain(holder).collect()
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
            now: cli::now(),
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
    if side == SideName::Dr && backend.spec().dr.is_none() {
        return Err(Failure::new(
            Exit::Usage,
            anyhow::anyhow!("failed to release the lock: the settings name no DR region"),
        )
        .hint("`init-backend locks` shows what is held, and where"));
    }
    if let Some(problem) = backend.lost(side) {
        return Err(Failure::new(
            Exit::Unchecked,
            anyhow::anyhow!("failed to release the lock: {problem}"),
        )
        .hint("`init-backend status` shows which regions answer"));
    }
    let locks = backend.locks(side).await;
    let asked = locks
        .held
        .iter()
        .filter_map(|lock| lock.info.as_ref())
        .find(|info| info.id == args.id);
    if let Some(info) = asked {
        // Age alone never unlocks: the guide's own apply takes longer than its 15 minutes.
        cli::confirm(global, &question(&backend, side, info).await)?;
    }
    let released = backend
        .release(side, &args.id)
        .await
        .map_err(|error| not_released(&args.id, error))?;
    cli::print(global, &Released { released })?;
    Ok(Exit::Fine)
}

/// What somebody has to know before releasing a lock that another holds.
async fn question(backend: &Backend, side: SideName, info: &LockInfo) -> String {
    let now = cli::now();
    let held = match info.created {
        Some(created) => age(created, now),
        None => "an unknown time".to_owned(),
    };
    let written = match backend.state(side).await {
        Ok(Some(state)) => match state.modified {
            Some(time) => format!("the state was last written {} ago", age(time, now)),
            None => "when the state was last written is not known".to_owned(),
        },
        Ok(None) => "the state was never written".to_owned(),
        Err(error) => format!("the state could not be read ({error})"),
    };
    format!(
        "{} has held this lock for {held}, for {}; {written}. If that Terraform still runs, releasing it can corrupt the state. Release it?",
        quoted(&info.who),
        quoted(&info.operation),
    )
}

fn not_released(id: &str, error: ReleaseError) -> Failure {
    let unlock = ShellCommand::new("init-backend unlock").word(id);
    let (exit, hint) = match &error {
        ReleaseError::NoSuchLock { .. } => (
            Exit::Usage,
            "`init-backend locks` shows the IDs that are held; `--side dr` is for those of the DR region"
                .to_owned(),
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
            format!("`{unlock}` again releases the rest"),
        ),
        ReleaseError::Call(_) => (
            Exit::Unchecked,
            format!("`{}` shows what AWS answers to each call", unlock.words("-vv")),
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
