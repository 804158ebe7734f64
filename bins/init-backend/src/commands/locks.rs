use cli::{Exit, Failure, GlobalArgs};
use jiff::Timestamp;
use report::{Document, Mark, Report};
use serde::Serialize;
use state_backend::{Answer, Lock, ReleaseError, SideName};

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
    region: settings::Region,
    locks: Answer<Vec<Lock>>,
}

impl Report for Held {
    fn document(&self) -> Document {
        let mut rows = Vec::new();
        for side in &self.sides {
            match &side.locks {
                Answer::Known(locks) => rows.extend(
                    locks
                        .iter()
                        .map(|lock| (Mark::Plain, cells(side.region.to_string(), lock, self.now))),
                ),
                Answer::Unknown { problem } => rows.push((
                    Mark::Unknown,
                    vec![
                        side.region.to_string(),
                        "unknown".into(),
                        problem.to_string(),
                        String::new(),
                        String::new(),
                        String::new(),
                        String::new(),
                    ],
                )),
            }
        }
        let empty = rows.is_empty();
        let document = Document::new().heading("Locks").table(
            [
                "Region",
                "Kept in",
                "State",
                "ID",
                "Who",
                "Operation",
                "Age",
            ],
            rows,
        );
        if empty {
            document.text("None is held.")
        } else {
            document
        }
    }
}

fn cells(region: String, lock: &Lock, now: Timestamp) -> Vec<String> {
    let (id, who, operation, age) = match &lock.info {
        None => (
            "not Terraform's",
            String::new(),
            String::new(),
            String::new(),
        ),
        Some(info) => (
            info.id.as_str(),
            info.who.clone(),
            info.operation.clone(),
            info.created
                .map(|created| age(created, now))
                .unwrap_or_default(),
        ),
    };
    vec![
        region,
        lock.kind.to_string(),
        lock.place.clone(),
        id.to_owned(),
        who,
        operation,
        age,
    ]
}

fn age(created: Timestamp, now: Timestamp) -> String {
    let minutes = now.duration_since(created).as_mins();
    if minutes < 60 {
        format!("{minutes} min")
    } else {
        format!("{} h {} min", minutes / 60, minutes % 60)
    }
}

pub(crate) async fn list(global: &GlobalArgs) -> Result<Exit, Failure> {
    let backend = super::connect(global).await?;
    let mut sides = Vec::new();
    for side in backend.spec().sides() {
        let locks = match backend.lost(side.name) {
            Some(problem) => Answer::Unknown {
                problem: problem.clone(),
            },
            None => match backend.locks(side.name).await {
                Ok(locks) => Answer::Known(locks),
                Err(error) => Answer::Unknown {
                    problem: error.into(),
                },
            },
        };
        sides.push(HeldOn {
            side: side.name,
            region: side.region,
            locks,
        });
    }
    let unknown = sides
        .iter()
        .any(|side| matches!(side.locks, Answer::Unknown { .. }));
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
            anyhow::anyhow!("failed to release the lock: there is no DR side"),
        ));
    }
    if let Some(problem) = backend.lost(side) {
        return Err(Failure::new(
            Exit::Unchecked,
            anyhow::anyhow!("failed to release the lock: {problem}"),
        ));
    }
    let held = backend
        .locks(side)
        .await
        .map_err(|error| Failure::aws("list the locks", error))?;
    if let Some(info) = held
        .iter()
        .filter_map(|lock| lock.info.as_ref())
        .find(|info| info.id == args.id)
    {
        let age = info
            .created
            .map(|created| age(created, cli::now()))
            .unwrap_or_default();
        let written = match backend.state(side).await {
            Ok(Some(state)) => state.modified.map_or_else(
                || "when the state was last written is not known".to_owned(),
                |time| {
                    format!(
                        "the state was last written {} ago",
                        self::age(time, cli::now())
                    )
                },
            ),
            Ok(None) => "the state was never written".to_owned(),
            Err(error) => format!("the state could not be read ({error})"),
        };
        // Age alone never unlocks: the guide's own apply takes longer than its 15 minutes.
        cli::confirm(
            global,
            &format!(
                "{} holds this lock for {} since {age}; {written}. If that Terraform still runs, releasing it can corrupt the state. Release it?",
                info.who, info.operation,
            ),
        )?;
    }
    let released = backend.release(side, &args.id).await.map_err(|error| {
        let exit = match &error {
            ReleaseError::NoSuchLock { .. } => Exit::Usage,
            ReleaseError::ChangedHands { .. } => Exit::Refused,
            ReleaseError::Partly { .. } | ReleaseError::Call(_) => Exit::Unchecked,
        };
        Failure::new(exit, anyhow::Error::new(error))
            .hint("`init-backend locks` shows what is held")
    })?;
    cli::print(global, &Released { released })?;
    Ok(Exit::Fine)
}
