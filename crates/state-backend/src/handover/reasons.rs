//! Why a state is left, and what to run.

use report::ShellCommand;

use super::{Left, LeftKind, Standing, holder, restore_command};
use crate::inventory::{StateId, StateObject};
use crate::lock::Lock;
use crate::problem::Problem;
use crate::spec::{Side, SideName};

pub(crate) fn left(left: Left) -> Standing {
    Standing::Left { left }
}

pub(crate) fn unknown(problem: &Problem) -> Standing {
    Standing::Unknown {
        problem: problem.clone(),
    }
}

/// Serial and MD5 of a state that Terraform reads.
pub(crate) fn readable(
    state: &StateId,
    side: &Side,
    object: &StateObject,
) -> Result<(u64, String), Standing> {
    let why = match (&object.content, &object.md5) {
        (Ok(content), Some(md5)) => return Ok((content.serial(), md5.clone())),
        (Err(why), _) => why.as_str(),
        (Ok(_), None) => "it was not read",
    };
    let versions = ShellCommand::new("aws s3api list-object-versions")
        .option("--region", side.region.as_str())
        .option("--bucket", side.bucket.as_str())
        .option("--prefix", state.object());
    let text = format!(
        "the object in {} is no state that Terraform reads ({why})",
        side.region
    );
    Err(left(
        Left::new(LeftKind::Unreadable, text).command(versions),
    ))
}

/// `has_row`: a digest row makes Terraform refuse to begin with an empty state, which here is a good thing.
pub(crate) fn deleted(state: &StateId, side: &Side, version: &str, has_row: bool) -> Left {
    let row = match has_row {
        true => "; its digest row is left, so that Terraform refuses",
        false => "; Terraform would begin with an empty one",
    };
    let text = format!(
        "it is deleted in {}{row}; its version {version} can be brought back",
        side.region
    );
    let restore = restore_command(state, version, side.name);
    Left::new(LeftKind::Deleted, text).command(restore)
}

/// Only a digest row is left of it.
pub(crate) fn gone(side: &Side) -> Left {
    let text = format!(
        "it is gone in {} with all its versions, and its digest row is left, so that Terraform refuses",
        side.region
    );
    Left::new(LeftKind::Deleted, text)
}

pub(crate) fn locked(lock: &Lock) -> Left {
    let since = lock.taken.map(|taken| format!(" since {taken}"));
    let text = format!(
        "its lock on the {} side is held by {}{}",
        lock.side,
        holder(lock),
        since.unwrap_or_default()
    );
    let unlock = ShellCommand::new("init-backend unlock");
    let unlock = match &lock.info {
        Some(info) => unlock.word(&info.id),
        None => unlock.option("--place", &lock.place),
    };
    let unlock = match lock.side {
        SideName::Primary => unlock,
        SideName::Dr => unlock.words("--side dr"),
    };
    Left::new(LeftKind::Locked, text).command(unlock.comment("once its run is certainly dead"))
}
