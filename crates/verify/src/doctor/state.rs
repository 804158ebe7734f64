//! The lock and the digest of Terraform's state.

use jiff::{SignedDuration, Timestamp};
use report::finding::{Finding, Observation, Unobserved};
use report::{ShellCommand, escape};
use serde_json::json;
use state_backend::{Backend, Digest, Lock, LockKind, Locks, SideName, Spec, StateCopy};

use super::{Context, Diagnosis, unseen};

pub(super) async fn lock(context: Context<'_>, id: Option<&str>) -> Diagnosis {
    let mut findings = Vec::new();
    let mut next = Vec::new();
    match Backend::connect(context.settings, context.regions).await {
        Ok(backend) => {
            let (locks, state) = tokio::join!(
                backend.locks(SideName::Primary),
                backend.state(SideName::Primary)
            );
            let state: Observation<Option<StateCopy>> = state.map_err(Unobserved::from);
            let Locks { held, unknown } = locks;
            findings.extend(held.iter().map(|lock| self::held(context, lock)));
            next.extend(
                held.iter()
                    .map(|lock| unlock(context, backend.spec(), lock)),
            );
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
            findings.push(activity(&held, state));
        }
        Err(error) => findings.push(unseen("lock", "the state", error)),
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
fn unlock(context: Context<'_>, spec: &Spec, lock: &Lock) -> String {
    if let Some(info) = lock.info.as_ref().filter(|info| info.has_terraforms_id()) {
        return context
            .terraform()
            .words("force-unlock")
            .word(&info.id)
            .into();
    }
    let side = spec.side(lock.side);
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

/// Whether the holder has written since it took the lock.
fn activity(locks: &[Lock], state: Observation<Option<StateCopy>>) -> Finding {
    let taken = locks
        .iter()
        .filter_map(|lock| lock.info.as_ref()?.created)
        .min();
    let seen = state.map(|state| {
        let Some(state) = state else {
            return (true, "nothing was written yet".to_owned());
        };
        let written = state
            .modified
            .map_or_else(|| "at an unknown time".to_owned(), |time| time.to_string());
        let since = match (state.modified, taken) {
            (Some(modified), Some(taken)) if modified > taken => ": since the lock was taken",
            (Some(_), Some(_)) => {
                ": nothing since the lock was taken, which an apply need not do until its end"
            }
            _ => "",
        };
        (
            true,
            format!("serial {}, written {written}{since}", state.serial),
        )
    });
    Finding::new(
        "state-activity",
        "the state",
        "when it was written last",
        seen,
    )
}

pub(super) async fn digest(context: Context<'_>) -> Diagnosis {
    let expected = "the digest of the lock table is that of the state";
    let mut next = Vec::new();
    let finding = match Backend::connect(context.settings, context.regions).await {
        Ok(backend) => match backend.state(SideName::Primary).await {
            Ok(Some(state)) => {
                let side = &backend.spec().primary;
                let place = format!("{}/{}", side.bucket, backend.spec().key);
                let (right, seen) = match state.digest {
                    Digest::Matches => (true, "they are the same: run the command again"),
                    Digest::Absent => (true, "there is none: Terraform reads without comparing"),
                    Digest::Unknown => (false, "it could not be asked"),
                    Digest::NotUsed => (true, "no lock table is used"),
                    Digest::Differs => (false, "they differ"),
                };
                if let (Digest::Differs, Some(table)) = (state.digest, &side.table) {
                    let time = state
                        .modified
                        .map_or_else(|| "an unknown time".to_owned(), |time| time.to_string());
                    let versions = ShellCommand::new("aws s3api list-object-versions")
                        .option("--bucket", side.bucket.as_str())
                        .option("--prefix", &backend.spec().key)
                        .option("--region", side.region.as_str())
                        .comment(format!(
                            "is serial {} of {time} the state you want?",
                            state.serial
                        ));
                    let item = json!({
                        "LockID": {"S": format!("{place}-md5")},
                        "Digest": {"S": state.md5},
                    });
                    let put = ShellCommand::new("aws dynamodb put-item")
                        .option("--table-name", table.as_str())
                        .option("--region", side.region.as_str())
                        .option("--item", item.to_string());
                    next.extend([versions.into(), put.into()]);
                }
                Finding::new("state-digest", place, expected, Ok((right, seen.to_owned())))
                    .fix("wait a minute and try again; then make sure which state is the right one, and only then write its digest")
            }
            Ok(None) => {
                let seen = Err(Unobserved::absent("there is no state in the bucket"));
                Finding::new("state-digest", "the state", expected, seen)
            }
            Err(error) => unseen("state-digest", "the state", error),
        },
        Err(error) => unseen("state-digest", "the state", error),
    };
    Diagnosis {
        trouble: "state-digest",
        meaning: "The state that S3 has is not the one whose digest Terraform noted: a write was cut off between the \
                  two, or one of them was replaced by hand or by a failover.",
        findings: vec![finding],
        next,
    }
}
