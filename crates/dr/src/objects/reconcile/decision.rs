//! The three-way decision about one key. Nothing is called here.

use super::super::journal::Action;

/// How an object stands to what was there at the failover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Since {
    /// It is what was there.
    Same,
    /// It was written since; so was what the failover did not see.
    Written,
    /// Nothing proves the one or the other.
    Unknown,
}

/// What happens to one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    InSync,
    Copy(Action),
    Delete,
    /// Written in the primary only.
    Kept,
    /// Somebody has to decide.
    Undecided(Doubt),
    /// It would be copied, and is archived in the DR bucket.
    Archived,
}

/// What there is to decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    /// Both sides have changed it.
    Conflict(&'static str),
    /// The primary has deleted it, and DR has it as it was.
    PrimaryDeleted,
    /// It is not provable which side has changed it.
    Unproven(&'static str),
}

const BOTH_WRITTEN: &str = "written in both regions";
const DELETED_AND_WRITTEN: &str = "deleted in the DR region, written in the primary";
const EQUAL_UNPROVEN: &str =
    "written in both regions, and not provable whether with the same content";
const PRIMARY_UNPROVEN: &str =
    "not written in the DR region, and not provable whether the primary has the same";
const WRITTEN_UNPROVEN: &str =
    "written in the DR region, and not provable whether the primary was written too";
const DELETED_UNPROVEN: &str =
    "deleted in the DR region, and not provable whether the primary was written";

/// What is known of two that are both there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pair {
    Equal,
    Different,
    Unknown,
}

/// Decides about a key that is on both sides.
pub(super) fn of_both(dr: Since, primary: Since, pair: Pair) -> Fate {
    let unproven = |why| Fate::Undecided(Doubt::Unproven(why));
    match (dr, primary, pair) {
        (_, _, Pair::Equal) | (Since::Same, Since::Same, _) => Fate::InSync,
        (Since::Same, Since::Written, _) => Fate::Kept,
        (Since::Same, Since::Unknown, _) => unproven(PRIMARY_UNPROVEN),
        (Since::Written, Since::Same, _) => Fate::Copy(Action::Replace),
        (Since::Written, Since::Written, Pair::Different) => {
            Fate::Undecided(Doubt::Conflict(BOTH_WRITTEN))
        }
        (Since::Written, Since::Written, Pair::Unknown) => unproven(EQUAL_UNPROVEN),
        (Since::Written, Since::Unknown, _) | (Since::Unknown, _, _) => unproven(WRITTEN_UNPROVEN),
    }
}

/// Decides about a key that is in the DR bucket only. The primary may have been rebuilt, and copying loses nothing; but
/// what DR has only kept comes back by a decision, and never silently.
pub(super) fn of_dr_only(dr: Since) -> Fate {
    match dr {
        Since::Written => Fate::Copy(Action::Create),
        Since::Same | Since::Unknown => Fate::Undecided(Doubt::PrimaryDeleted),
    }
}

/// Decides about a key that is in the primary only; `was_in_dr` at the failover.
pub(super) fn of_primary_only(was_in_dr: bool, primary: Since) -> Fate {
    match (was_in_dr, primary) {
        (false, _) => Fate::Kept,
        (true, Since::Same) => Fate::Delete,
        (true, Since::Written) => Fate::Undecided(Doubt::Conflict(DELETED_AND_WRITTEN)),
        (true, Since::Unknown) => Fate::Undecided(Doubt::Unproven(DELETED_UNPROVEN)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// How `now` stands to `base`, of which it may be that nothing proves it.
    fn since(now: u8, base: Option<u8>, provable: bool) -> Since {
        match base {
            None => Since::Written,
            Some(_) if !provable => Since::Unknown,
            Some(base) if base == now => Since::Same,
            Some(_) => Since::Written,
        }
    }

    proptest! {
        #[test]
        fn decision_of_any_three_states_loses_nothing_of_the_primary(
            base in proptest::option::of(0_u8..3),
            dr in proptest::option::of(0_u8..3),
            primary in proptest::option::of(0_u8..3),
            provable in any::<bool>(),
            pair_provable in any::<bool>(),
        ) {
            let fate = match (dr, primary) {
                (None, None) => Fate::InSync,
                (Some(dr), None) => of_dr_only(since(dr, base, true)),
                (None, Some(primary)) => of_primary_only(base.is_some(), since(primary, base, provable)),
                (Some(dr), Some(primary)) => {
                    let pair = match (pair_provable, dr == primary) {
                        (false, _) => Pair::Unknown,
                        (true, true) => Pair::Equal,
                        (true, false) => Pair::Different,
                    };
                    of_both(since(dr, base, true), since(primary, base, provable), pair)
                }
            };
            match fate {
                Fate::Delete | Fate::Copy(Action::Replace) => prop_assert_eq!(primary, base),
                Fate::Copy(Action::Create) => prop_assert!(primary.is_none() && dr != base),
                Fate::Copy(Action::Delete) | Fate::Archived => prop_assert!(false),
                Fate::InSync => prop_assert_eq!(primary, dr),
                Fate::Kept => prop_assert!(primary.is_some() && primary != base),
                Fate::Undecided(Doubt::Conflict(_)) => prop_assert!(primary != base && dr != base),
                Fate::Undecided(Doubt::PrimaryDeleted) => prop_assert!(primary.is_none() && dr == base),
                Fate::Undecided(Doubt::Unproven(_)) => prop_assert!(!provable || !pair_provable),
            }
            // What was written in the DR region only comes back.
            if provable && pair_provable && dr.is_some() && dr != base
                && (primary == base || primary.is_none()) && dr != primary
            {
                prop_assert!(matches!(fate, Fate::Copy(_)));
            }
        }
    }
}
