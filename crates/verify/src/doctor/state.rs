//! The lock and the digest of Terraform's state.

use jiff::{SignedDuration, Timestamp};
use report::finding::{Finding, Observation, Unobserved};
use report::{ShellCommand, escape};
use serde_json::json;
use state_backend::{
    Backend, ConnectError, Digest, Lock, LockKind, Locks, Presence, SideName, SideState, Spec,
    StateId, StateObject,
};

use super::{Context, Diagnosis, Reach, unseen};

pub(super) async fn lock(context: Context<'_>, id: Option<&str>) -> Diagnosis {
    let mut findings = Vec::new();
    let mut next = Vec::new();
    match backend(context).await {
        Ok(backend) => {
            let Locks { held, unknown } = backend.locks(SideName::Primary).await;
            findings.extend(held.iter().map(|lock| self::held(context, lock)));
            next.extend(held.iter().map(|lock| unlock(backend.spec(), lock)));
            for unknown in &unknown {
                let place = unknown.place.as_deref().unwrap_or("the state");
                let why = Unobserved::because(unknown.describe());
                findings.push(unseen("lock", place, why));
            }
            match id {
                _ if held.is_empty() && unknown.is_empty() => {
                    let seen = Ok((true, "none is held now: run the command again".to_owned()));
                    findings.push(Finding::new("lock", "the state", "no lock", seen));
                }
                // That a lock is gone is known only of all of them.
                Some(id) if unknown.is_empty() || named(&held, id) => {
                    findings.push(same(&held, id));
                }
                _ => {}
            }
            // Each state that is locked, for itself: what another one has seen proves nothing.
            let mut states: Vec<&str> = held.iter().map(Lock::state).collect();
            states.sort_unstable();
            states.dedup();
            if states.is_empty() {
                states.push(&backend.spec().key);
            }
            for state in states {
                let seen = object(&backend, state).await;
                findings.push(activity(state, &held, seen));
            }
        }
        Err(unobserved) => {
            next.extend(of_dr(context));
            findings.push(unseen("lock", "the state", unobserved));
        }
    }
    Diagnosis {
        trouble: "state-lock",
        meaning: "Another run holds the state's lock, or one died while it held it. An apply may take 20 minutes \
                  and more, so that age alone proves nothing: ask who holds it.",
        findings,
        next,
    }
}

fn held(context: Context<'_>, lock: &Lock) -> Finding {
    let seen = match &lock.info {
        Some(info) => {
            let since = info.created.map_or_else(
                || "an unknown time".to_owned(),
                |created| format!("{created} ({})", age(context.at, created)),
            );
            let operation = info.operation.trim_start_matches("OperationType");
            format!(
                "held by {} since {since} for {}, in {}, id {}",
                escape::quoted(&info.who),
                escape::quoted(operation),
                lock.kind,
                escape::quoted(&info.id)
            )
        }
        None => format!("held in {}, by something that is not Terraform", lock.kind),
    };
    Finding::new("lock", &lock.place, "no lock", Ok((false, seen)))
        .fix("wait for the holder; only when that run is certainly dead, release it as shown below")
}

/// In minutes, which is what a lock's age is judged by.
fn age(now: Timestamp, then: Timestamp) -> String {
    let age = now.duration_since(then);
    if age < SignedDuration::ZERO {
        return "in the future: one clock is wrong".to_owned();
    }
    match (age.as_hours(), age.as_mins() % 60) {
        (0, minutes) => format!("{minutes} min ago"),
        (hours, minutes) => format!("{hours} h {minutes} min ago"),
    }
}

/// How the lock is released. What is not from Terraform gets no command: its ID is whatever somebody wrote there.
/// `terraform force-unlock` would do it only in the folder and the workspace of that state.
fn unlock(spec: &Spec, lock: &Lock) -> String {
    if let Some(info) = lock.info.as_ref().filter(|info| info.has_terraforms_id()) {
        return ShellCommand::new("init-backend unlock")
            .word(&info.id)
            .into();
    }
    let side = &spec.primary;
    let place = match (lock.kind, &side.table) {
        (LockKind::DynamoDb, Some(table)) => {
            let row = escape::quoted(&lock.place);
            format!("the row whose LockID is {row} of the table {table}")
        }
        _ => {
            let object = escape::quoted(&format!("s3://{}/{}", side.bucket, lock.place));
            match &lock.version {
                Some(version) => format!("the version {} of {object}", escape::quoted(version)),
                None => format!("the object {object}"),
            }
        }
    };
    format!(
        "no Terraform made this lock's ID: find out who wrote {place} in {}, and remove it there when nothing writes \
         the state",
        side.region
    )
}

fn named(locks: &[Lock], id: &str) -> bool {
    let mut infos = locks.iter().filter_map(|lock| lock.info.as_ref());
    infos.any(|info| info.id == id)
}

fn same(locks: &[Lock], id: &str) -> Finding {
    let seen = if named(locks, id) {
        "it is held still"
    } else {
        "it is gone; the lock above is another one"
    };
    Finding::new(
        "lock-of-error",
        id,
        "the lock that the error names",
        Ok((true, seen.to_owned())),
    )
}

/// The state's object in the primary region.
async fn object(backend: &Backend, state: &str) -> Observation<Option<StateObject>> {
    let found = backend.state(SideName::Primary, &StateId::new(state)).await;
    match found.map(|state| state.found) {
        Some(Presence::Present(object)) => Ok(Some(object)),
        Some(Presence::Unknown { problem }) => Err(Unobserved::because(problem.to_string())),
        Some(Presence::Deleted(_) | Presence::Absent) | None => Ok(None),
    }
}

/// Whether the holder has written since it took the lock.
fn activity(state: &str, locks: &[Lock], object: Observation<Option<StateObject>>) -> Finding {
    let locks = locks.iter().filter(|lock| lock.state() == state);
    let taken = locks.filter_map(|lock| lock.taken).min();
    let seen = object.map(|object| {
        let Some(object) = object else {
            return (true, "nothing was written yet".to_owned());
        };
        let written = object
            .modified
            .map_or_else(|| "at an unknown time".to_owned(), |time| time.to_string());
        let since = match (object.modified, taken) {
            (Some(modified), Some(taken)) if modified > taken => ": since the lock was taken",
            (Some(_), Some(_)) => {
                ": nothing since the lock was taken, which an apply need not do until its end"
            }
            _ => "",
        };
        let serial = match &object.content {
            Ok(content) => format!("serial {}", content.serial()),
            Err(why) => format!("no state ({why})"),
        };
        (true, format!("{serial}, written {written}{since}"))
    });
    Finding::new("state-activity", state, "when it was written last", seen)
}

pub(super) async fn digest(context: Context<'_>) -> Diagnosis {
    let mut findings = Vec::new();
    let mut next = Vec::new();
    match backend(context).await {
        Ok(backend) => {
            let states = backend.inventory(context.at).await.states;
            // The error does not say which state it is about: all whose row is of other content, and the settings' own.
            for state in &states {
                let copies = state.copies.iter();
                let primary = copies.filter(|copy| copy.side == SideName::Primary);
                for copy in primary {
                    let id = &state.state;
                    if copy.digest == Digest::Differs || id.object() == backend.spec().key {
                        findings.push(row(backend.spec(), id, copy));
                        next.extend(correction(backend.spec(), id, copy));
                    }
                }
            }
        }
        Err(unobserved) => {
            next.extend(of_dr(context));
            findings.push(unseen("state-digest", "the state", unobserved));
        }
    }
    Diagnosis {
        trouble: "state-digest",
        meaning: "The state that S3 has is not the one whose digest Terraform noted: a write was cut off between the \
                  two, or one of them was replaced by hand or by a failover.",
        findings,
        next,
    }
}

/// Both sides of the state, which are looked at while the primary one is the environment's own.
async fn backend(context: Context<'_>) -> Observation<Backend> {
    match context.regions {
        Reach::Both(both) => Backend::connect(context.settings, both)
            .await
            .map_err(unreached),
        Reach::DrOnly(_) => Err(Unobserved::because(
            "the environment is in its DR region, whose states `init-backend` looks at without the primary one",
        )),
    }
}

/// What looks at the DR side's states, locks and digests alone.
fn of_dr(context: Context<'_>) -> Option<String> {
    match context.regions {
        Reach::Both(_) => None,
        Reach::DrOnly(_) => Some(
            ShellCommand::new("init-backend failover")
                .words("--dry-run")
                .into(),
        ),
    }
}

fn unreached(error: ConnectError) -> Unobserved {
    match error {
        ConnectError::Call(error) => error.into(),
        other => Unobserved::because(other.to_string()),
    }
}

/// Whether a state's digest row is that of its object.
fn row(spec: &Spec, state: &StateId, copy: &SideState) -> Finding {
    let place = format!("{}/{state}", spec.primary.bucket);
    let seen = match (&copy.found, copy.digest) {
        (Presence::Unknown { problem }, _) => Err(Unobserved::because(problem.to_string())),
        (_, Digest::Unknown) => Err(Unobserved::because("the lock table could not be asked")),
        (Presence::Absent | Presence::Deleted(_), Digest::Differs) => {
            Ok((false, "there is a row, and no state".to_owned()))
        }
        (Presence::Absent | Presence::Deleted(_), _) => {
            Err(Unobserved::absent("there is no state in the bucket"))
        }
        (Presence::Present(_), digest) => Ok(match digest {
            Digest::Differs => (false, "they differ".to_owned()),
            Digest::Absent => (
                true,
                "there is none: Terraform reads without comparing".to_owned(),
            ),
            Digest::NotUsed => (true, "no lock table is used".to_owned()),
            Digest::Matches | Digest::Unknown => {
                (true, "they are the same: run the command again".to_owned())
            }
        }),
    };
    let expected = "the digest of the lock table is that of the state";
    let fix = match &copy.found {
        Presence::Absent | Presence::Deleted(_) => {
            "bring back the version that you want as shown below; only when this state is to be gone, drop the row of its digest"
        }
        Presence::Present(_) | Presence::Unknown { .. } => {
            "wait a minute and try again; then make sure which state is the right one, and only then write its digest"
        }
    };
    Finding::new("state-digest", place, expected, seen).fix(fix)
}

/// The key of the row that has the digest of a state.
fn digest_row(spec: &Spec, state: &StateId) -> String {
    format!("{}/{state}-md5", spec.primary.bucket)
}

/// How a person looks at the versions, and makes the row that of the object.
fn correction(spec: &Spec, state: &StateId, copy: &SideState) -> Vec<String> {
    let side = &spec.primary;
    let is_gone = matches!(copy.found, Presence::Absent | Presence::Deleted(_));
    let (true, Some(table)) = (copy.digest == Digest::Differs || is_gone, &side.table) else {
        return Vec::new();
    };
    let versions = ShellCommand::new("aws s3api list-object-versions")
        .option("--bucket", side.bucket.as_str())
        .option("--prefix", state.object())
        .option("--region", side.region.as_str());
    let Presence::Present(object) = &copy.found else {
        let restore = ShellCommand::new("init-backend restore")
            .words("--version VERSION")
            .word(state.object());
        let key = json!({"LockID": {"S": digest_row(spec, state)}});
        let drop = ShellCommand::new("aws dynamodb delete-item")
            .option("--table-name", table.as_str())
            .option("--region", side.region.as_str())
            .option("--key", key.to_string())
            .comment("only when this state is to be gone");
        return std::iter::once(versions.comment("is one of them the state you want?"))
            .chain([restore])
            .chain((copy.digest == Digest::Differs).then_some(drop))
            .map(Into::into)
            .collect();
    };
    let time = object
        .modified
        .map_or_else(|| "an unknown time".to_owned(), |time| time.to_string());
    let which = match &object.content {
        Ok(content) => format!(
            "is serial {} of {time} the state you want?",
            content.serial()
        ),
        Err(_) => format!("the newest, of {time}, is no state"),
    };
    let item = json!({
        "LockID": {"S": digest_row(spec, state)},
        "Digest": {"S": object.md5},
    });
    let put = ShellCommand::new("aws dynamodb put-item")
        .option("--table-name", table.as_str())
        .option("--region", side.region.as_str())
        .option("--item", item.to_string());
    let put = object.content.is_ok().then(|| put.into());
    std::iter::once(versions.comment(which).into())
        .chain(put)
        .collect()
}
