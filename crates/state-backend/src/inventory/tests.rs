use terraform::StateFile;

use super::*;

fn object(serial: u64, modified: Timestamp) -> Presence {
    Presence::Present(StateObject {
        version: Some(format!("v{serial}")),
        etag: Some("e".to_owned()),
        modified: Some(modified),
        is_replica: false,
        bytes: 9,
        sha256: Some(format!("s{serial}")),
        md5: Some("m".to_owned()),
        content: Ok(StateFile::Encrypted {
            serial,
            lineage: "l".to_owned(),
        }),
    })
}

fn condition(primary: Presence, dr: Presence, now: Timestamp) -> Health {
    let copy = |side, found| SideState {
        side,
        found,
        digest: Digest::NotUsed,
    };
    let copies = vec![copy(SideName::Primary, primary), copy(SideName::Dr, dr)];
    let nothing = Observation::Known(None);
    StateCopies::new(StateId::new("net"), copies, nothing, now).condition()
}

fn deleted() -> Presence {
    Presence::Deleted(LastVersion {
        version: "v1".to_owned(),
        modified: None,
    })
}

#[test]
fn condition_of_a_copy_that_is_behind_is_fine_until_it_should_have_come() {
    let written: Timestamp = "2026-11-22T09:00:00Z".parse().unwrap();
    let after = |elapsed| {
        let now = written.checked_add(elapsed).unwrap();
        condition(object(2, written), object(1, written), now)
    };
    assert_eq!(after(LATE), Health::Ok);
    assert_eq!(
        after(LATE + std::time::Duration::from_secs(1)),
        Health::Degraded
    );
    // DR has gone on, as in a failover: nothing is late.
    let long_after = written.checked_add(LATE * 10).unwrap();
    let ahead = condition(object(1, written), object(2, written), long_after);
    assert_eq!(ahead, Health::Ok);
}

#[test]
fn condition_of_a_state_that_is_deleted_in_the_dr_region_alone_is_degraded() {
    let now: Timestamp = "2026-11-22T09:00:00Z".parse().unwrap();
    let there = || object(1, now);
    assert_eq!(condition(there(), deleted(), now), Health::Degraded);
    // As after `terraform workspace delete`, whose marker is on its way.
    assert_eq!(condition(deleted(), there(), now), Health::Ok);
    assert_eq!(condition(deleted(), deleted(), now), Health::Ok);
}
