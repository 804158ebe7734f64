//! The plan of a state, which calls nothing.

use proptest::prelude::*;
use settings::Settings;
use terraform::StateFile;

use super::*;
use crate::inventory::read::SideCopy;
use crate::inventory::{Digest, LastVersion, StateId, StateObject};
use crate::lock::Lock;
use crate::spec::Spec;

const KEY: &str = "staging/terraform.tfstate";

fn spec() -> Spec {
    let example = include_str!("../../../../examples/berthcare-staging/infra.toml");
    let settings = Settings::parse(example, jiff::civil::date(2026, 11, 22)).unwrap();
    Spec::new(&settings, "000000000000")
}

/// What may be found of a state: an object of a state, one that is none, a delete marker, nothing.
fn found() -> impl Strategy<Value = Presence> {
    let object = |is_state: bool| {
        let content = StateFile::Encrypted {
            serial: 7,
            lineage: "l".to_owned(),
        };
        Presence::Present(StateObject {
            version: Some("v".to_owned()),
            etag: Some("e".to_owned()),
            modified: None,
            is_replica: true,
            bytes: 9,
            sha256: Some("s".to_owned()),
            md5: Some("right".to_owned()),
            content: is_state
                .then_some(content)
                .ok_or_else(|| "no JSON".to_owned()),
        })
    };
    let deleted = Presence::Deleted(LastVersion {
        version: "v".to_owned(),
        modified: None,
    });
    prop_oneof![
        4 => Just(object(true)),
        1 => Just(object(false)),
        1 => Just(deleted),
        1 => Just(Presence::Absent),
    ]
}

/// The digest row, and whose locks there are: `None` of no lock, else whether it is a replica and what for it was taken.
fn observed() -> impl Strategy<Value = ObservedState> {
    let row = prop_oneof![
        Just(None),
        Just(Some("right".to_owned())),
        Just(Some("stale".to_owned()))
    ];
    let lock = prop_oneof![
        Just(None),
        Just(Some((true, "OperationTypeApply"))),
        Just(Some((false, "OperationTypeApply"))),
        Just(Some((false, "LockProbe")))
    ];
    (found(), row, lock, any::<bool>()).prop_map(|(found, row, lock, is_named)| {
        let state = StateId::new(if is_named { KEY } else { "other" });
        let lock = lock
            .map(|(is_replica, operation)| Lock::of_object(&state.object(), operation, is_replica));
        ObservedState {
            copy: SideCopy {
                digest: Digest::Unknown,
                found,
                row: Ok(row),
            },
            locks: Locks {
                held: lock.into_iter().collect(),
                unknown: Vec::new(),
            },
            state,
        }
    })
}

/// What is there once a plan's steps are done.
fn done(mut observed: ObservedState, planned: &StateHandover) -> ObservedState {
    for step in &planned.steps {
        match step {
            HandoverStep::WriteDigest(repair) => {
                assert_eq!(observed.copy.row.as_ref().ok(), Some(&repair.was));
                observed.copy.row = Ok(Some(repair.becomes.clone()));
            }
            HandoverStep::ClearLock(lock) => {
                assert!(lock.is_replica);
                observed.locks.held.retain(|held| held.place != lock.place);
            }
            other => panic!("{other:?}"),
        }
    }
    observed
}

proptest! {
    #[test]
    fn plan_state_of_anything_is_done_at_once_and_leaves_what_is_not_its_own(observed in observed()) {
        let spec = spec();
        let side = spec.dr.as_ref().unwrap();
        let guarded = observed.locks.held.iter().any(|lock| !lock.is_replica && !is_probe(lock));
        let readable = matches!(&observed.copy.found, Presence::Present(object) if object.content.is_ok());
        let Some(planned) = plan_state(side, &spec.states, observed.clone()) else {
            // Nobody's: nothing is there, and the settings do not speak of it.
            prop_assert!(matches!(observed.copy.found, Presence::Absent) && observed.state.object() != KEY);
            return Ok(());
        };
        prop_assert_eq!(planned.is_planned(), !planned.steps.is_empty());
        if guarded {
            prop_assert!(planned.steps.is_empty());
            let is_left = matches!(planned.standing, Standing::Left { .. });
            prop_assert!(is_left, "{:?}", planned);
        }
        let after = plan_state(side, &spec.states, done(observed, &planned));
        let ready = after.as_ref().map(|after| matches!(after.standing, Standing::Ready));
        match readable && !guarded {
            true => prop_assert_eq!(ready, Some(true)),
            false => prop_assert!(after.is_none_or(|after| after.steps.is_empty())),
        }
    }
}
