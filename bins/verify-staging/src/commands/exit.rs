use cli::Exit;
use report::finding::Status;

/// How the program ends after these.
pub(super) fn of(statuses: impl IntoIterator<Item = Status>) -> Exit {
    let exit = |status| match status {
        Status::Ok | Status::Skipped => Exit::Fine,
        Status::Wrong => Exit::Wrong,
        Status::Unknown => Exit::Unchecked,
    };
    statuses.into_iter().map(exit).collect()
}
