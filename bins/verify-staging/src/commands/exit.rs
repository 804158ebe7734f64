use cli::Exit;
use verify::Status;

/// How the program ends after these: what is wrong counts before what is not known.
pub(super) fn of(statuses: impl IntoIterator<Item = Status>) -> Exit {
    let (mut wrong, mut unknown) = (false, false);
    for status in statuses {
        wrong |= status == Status::Wrong;
        unknown |= status == Status::Unknown;
    }
    match (wrong, unknown) {
        (true, _) => Exit::Wrong,
        (false, true) => Exit::Unchecked,
        (false, false) => Exit::Fine,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_counts_before_unknown_and_unknown_before_fine() {
        use Status::{Ok, Skipped, Unknown, Wrong};
        assert_eq!(of([Ok, Skipped]), Exit::Fine);
        assert_eq!(of([Ok, Unknown, Skipped]), Exit::Unchecked);
        assert_eq!(of([Unknown, Wrong, Ok]), Exit::Wrong);
    }
}
