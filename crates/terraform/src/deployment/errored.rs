//! The state that terraform could not write to the backend (`errored.tfstate`), beside the one that is there.

use serde::Serialize;

use super::StateVersion;

/// What becomes of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "verdict")]
pub enum ErroredState {
    /// It goes on from what the backend has, and nothing else was written since: it may be pushed.
    Push {
        /// Of the file.
        serial: u64,
    },
    /// The backend has the very same.
    There,
    /// Pushing it could lose what somebody else has written, or is about something else.
    Refused {
        /// What would be lost, or what does not fit, in words.
        why: String,
    },
}

/// Judges the file `errored` beside what the backend has. `planned` is the state that the apply began with; `is_locked` says
/// that the lock which the apply took is still held, so that nobody else can have written.
pub fn judge_errored_state(
    errored: &[u8],
    backend: Option<&[u8]>,
    planned: Option<&StateVersion>,
    is_locked: bool,
) -> ErroredState {
    let refused = |why: String| ErroredState::Refused { why };
    let Some(file) = StateVersion::of(errored) else {
        return refused("it is no state that terraform can read".to_owned());
    };
    let push = ErroredState::Push {
        serial: file.serial,
    };
    let Some(backend) = backend else {
        return match planned {
            None => push,
            Some(planned) => refused(format!(
                "the backend has no state, and the apply began with serial {}: bring that back first",
                planned.serial
            )),
        };
    };
    if backend == errored {
        return ErroredState::There;
    }
    let Some(there) = StateVersion::of(backend) else {
        return refused("what the backend has is no state that terraform can read".to_owned());
    };
    if there.lineage != file.lineage {
        return refused(format!(
            "its lineage is {}, and the backend's {}: they are of different histories",
            file.lineage, there.lineage
        ));
    }
    if there.serial >= file.serial {
        return refused(format!(
            "the backend has serial {}, and the file {}: somebody has written since",
            there.serial, file.serial
        ));
    }
    let is_beginning = planned.is_some_and(|planned| *planned == there);
    match is_beginning || is_locked {
        true => push,
        // Terraform writes states while it applies, and so may others have, when the lock was gone.
        false => refused(format!(
            "the backend has serial {}, which is not the one that the apply began with, and its lock is not held any more: \
             somebody else may have written it",
            there.serial
        )),
    }
}
