use settings::{CopiesKept, RestoreOptions};

use super::*;
use crate::database::recovery_point::tests::{backup, instance};
use crate::database::snapshot::tests::{PRIMARY, at, copy_of, snapshot};
use crate::database::{judge, order};

fn database() -> Database {
    Database {
        id: "db".parse().unwrap(),
        dr_id: "db-dr".parse().unwrap(),
        kms: None,
        retention_days: 7,
        copies: CopiesKept::default(),
        restore: Some(RestoreAs {
            class: Some("db.t4g.medium".parse().unwrap()),
            multi_az: true,
            subnet_group: "dr".parse().unwrap(),
            parameter_group: "dr-postgres15".parse().unwrap(),
            security_groups: vec!["sg-0a1b2c3d".parse().unwrap()],
            options: RestoreOptions::default(),
        }),
        failback: None,
        secrets: Vec::new(),
        integrity: None,
    }
}

fn points() -> Vec<RecoveryPoint> {
    let copies = ["2026-11-21T03:00:00Z", "2026-11-22T03:00:00Z"];
    let copies: Vec<_> = copies
        .iter()
        .map(|taken| {
            copy_of(
                &snapshot(taken, at(taken)),
                &format!("copy-{}", &taken[8..10]),
            )
        })
        .collect();
    let backups = [backup("replicating", Some("2026-11-22T11:55:00Z"))];
    let found = judge(&backups, &copies, &[], "db", PRIMARY.parse().unwrap());
    order(found, AsOf::Now(at("2026-11-22T12:00:00Z")))
}

#[derive(Clone, Copy)]
struct Ask<'a> {
    at: At,
    from: Option<&'a str>,
    there: Option<&'a Instance>,
}

const LATEST: Ask<'static> = Ask {
    at: At::Latest,
    from: None,
    there: None,
};

fn plan(ask: &Ask<'_>, points: &[RecoveryPoint]) -> Result<RestorePlan, Refusal> {
    let database = database();
    let request = RestoreRequest {
        database: &database,
        target: "db-dr",
        region: "us-east-1".parse().unwrap(),
        at: ask.at,
        from: ask.from,
        as_of: AsOf::Now(at("2026-11-22T12:00:00Z")),
        objectives: Objectives::default(),
        tags: &Tags::default(),
    };
    plan_restore(&request, points, ask.there)
}

// aws-behaviour: 6
#[test]
fn plan_restore_without_a_wish_takes_the_freshest() {
    let chosen = plan(&LATEST, &points()).unwrap();
    assert_eq!(chosen.choice.kind, Kind::ReplicatedBackup);
    assert_eq!(
        (chosen.step, chosen.rpo_seconds),
        (RestoreStep::Begin, Some(300))
    );
    let requested = Ask {
        from: Some("copy-21"),
        ..LATEST
    };
    let chosen = plan(&requested, &points()).unwrap();
    assert_eq!(
        (chosen.choice.kind, chosen.rpo_seconds),
        (Kind::CopiedSnapshot, Some(33 * 3600))
    );
    let unknown = Ask {
        from: Some("copy-23"),
        ..LATEST
    };
    let refused = plan(&unknown, &points()).unwrap_err();
    assert!(matches!(&refused, Refusal::PointUnknown { known, .. } if known.len() == 3));
}

#[test]
fn plan_restore_of_a_time_needs_a_backup_that_reaches_it() {
    let time = |text: &str| Ask {
        at: At::Time(at(text)),
        ..LATEST
    };
    let chosen = plan(&time("2026-11-20T10:00:00Z"), &points()).unwrap();
    assert_eq!(chosen.choice.kind, Kind::ReplicatedBackup);
    assert_eq!(chosen.choice.data_time, at("2026-11-20T10:00:00Z"));
    let refused = plan(&time("2026-11-22T11:56:00Z"), &points()).unwrap_err();
    assert!(matches!(&refused, Refusal::TimeOutside { windows, .. } if windows.len() == 1));
    // RDS takes a time before the latest one only: the one that is printed as such is not among them.
    let refused = plan(&time("2026-11-22T11:55:00Z"), &points()).unwrap_err();
    assert!(matches!(&refused, Refusal::TimeOutside { .. }), "{refused}");
    let hint = refused.hint();
    assert!(
        hint.contains("--at 2026-11-22T11:54:59Z") && hint.contains("--at latest"),
        "{hint}"
    );
    assert!(plan(&time("2026-11-22T11:54:59Z"), &points()).is_ok());
    let snapshots: Vec<_> = points()
        .into_iter()
        .filter(|point| point.kind == Kind::CopiedSnapshot)
        .collect();
    let refused = plan(&time("2026-11-22T03:00:00Z"), &snapshots).unwrap_err();
    assert!(matches!(&refused, Refusal::TimeOutside { windows, .. } if windows.is_empty()));
}

#[test]
fn plan_restore_from_nothing_is_refused_with_what_there_is() {
    let none = plan(&LATEST, &[]).unwrap_err();
    assert_eq!(
        none.to_string(),
        "us-east-1 has nothing that db can be restored from"
    );
    assert!(none.hint().contains("backups enable"));
    let mut failed = points();
    for point in &mut failed {
        point.problem = Some("failed".to_owned());
    }
    let seen = plan(&LATEST, &failed).unwrap_err().to_string();
    assert!(seen.contains("copy-22: failed"), "{seen}");
    let requested = Ask {
        from: Some("copy-22"),
        ..LATEST
    };
    assert!(matches!(
        plan(&requested, &failed).unwrap_err(),
        Refusal::PointUnusable { .. }
    ));
}

#[test]
fn plan_restore_to_a_taken_name_is_refused_unless_it_is_this_restore() {
    let mut there = instance("db-dr");
    let taken = |there: &Instance, ask: Ask<'_>| {
        let ask = Ask {
            there: Some(there),
            ..ask
        };
        plan(&ask, &points())
    };
    let refused = taken(&there, LATEST).unwrap_err();
    assert!(
        refused.to_string().contains("not restored by this program"),
        "{refused}"
    );
    // What nobody knows the data of is not what is proposed for deletion.
    let hint = refused.hint();
    assert!(
        !hint.contains("delete") && hint.contains("--new-db-instance-identifier"),
        "{hint}"
    );
    let tags = [
        (provenance_tags::MADE_BY, provenance_tags::OURS),
        (provenance_tags::DATABASE, "db"),
        (provenance_tags::POINT, "copy-21"),
        (provenance_tags::POINT_KIND, "copied-snapshot"),
        (provenance_tags::AT, "latest"),
        (provenance_tags::DATA_TIME, "2026-11-21T03:00:00Z"),
        (provenance_tags::BEGUN, "2026-11-22T11:50:00Z"),
    ];
    there.tags = tags
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
    there.status = "creating".to_owned();
    // A fresher point does not make a restore that has begun another one.
    let resumed = taken(&there, LATEST).unwrap();
    assert_eq!(
        (resumed.step, resumed.choice.point.as_str()),
        (RestoreStep::Resume, "copy-21")
    );
    assert_eq!(resumed.begun, Some(at("2026-11-22T11:50:00Z")));
    let same = Ask {
        from: Some("copy-21"),
        ..LATEST
    };
    assert!(taken(&there, same).is_ok());
    let other = Ask {
        from: Some("copy-22"),
        ..LATEST
    };
    let refused = taken(&there, other).unwrap_err().to_string();
    assert!(
        refused.contains("restored from copy-21 (latest), creating"),
        "{refused}"
    );
    let time = Ask {
        at: At::Time(at("2026-11-20T10:00:00Z")),
        ..LATEST
    };
    assert!(taken(&there, time).is_err());
    there.status = "available".to_owned();
    let again = taken(&there, LATEST).unwrap();
    assert_eq!(again.step, RestoreStep::Verify);
    // There is data of 11:55, written since: that restore is an old one.
    assert_eq!(again.newer, Some(at("2026-11-22T11:55:00Z")));
    assert_eq!(again.rpo_seconds, Some(33 * 60 * 60));
    assert_eq!(taken(&there, same).unwrap().newer, None);
    // Of a time that was asked for nothing newer is wanted.
    let (tag, time) = (provenance_tags::AT.to_owned(), "2026-11-21T03:00:00Z");
    let latest = there.tags.insert(tag.clone(), time.to_owned());
    let fixed = Ask {
        at: At::Time(at(time)),
        ..LATEST
    };
    let again = taken(&there, fixed).unwrap();
    assert_eq!((again.step, again.newer), (RestoreStep::Verify, None));
    there.tags.insert(tag, latest.unwrap());
    // Nothing was: from the data to the begin of the restore, not to the time of asking again.
    let begun = "2026-11-22T11:56:00Z".to_owned();
    there.tags.insert(provenance_tags::BEGUN.to_owned(), begun);
    let again = taken(&there, LATEST).unwrap();
    assert_eq!(
        (again.newer, again.rpo_seconds),
        (None, Some((32 * 60 + 56) * 60))
    );
    // Begun by a clock that was ten minutes behind RDS's: nothing is newer than what it has, and nobody knows what was lost.
    for (tag, time) in [
        (provenance_tags::BEGUN, "2026-11-22T11:45:00Z"),
        (provenance_tags::DATA_TIME, "2026-11-22T11:55:00Z"),
    ] {
        there.tags.insert(tag.to_owned(), time.to_owned());
    }
    let again = taken(&there, LATEST).unwrap();
    assert_eq!((again.newer, again.rpo_seconds), (None, None));
    there
        .tags
        .insert(provenance_tags::DATABASE.to_owned(), "db2".to_owned());
    assert!(taken(&there, LATEST).is_err());
}

// aws-behaviour: 29
#[test]
fn plan_restore_without_settings_is_refused() {
    let mut database = database();
    database.restore = None;
    let request = RestoreRequest {
        database: &database,
        target: "db-dr",
        region: "us-east-1".parse().unwrap(),
        at: At::Latest,
        from: None,
        as_of: AsOf::Now(at("2026-11-22T12:00:00Z")),
        objectives: Objectives::default(),
        tags: &Tags::default(),
    };
    let refused = plan_restore(&request, &points(), None).unwrap_err();
    assert!(refused.is_configuration() && refused.hint().contains("[databases.restore]"));
}

#[test]
fn from_str_of_what_is_no_time_tells_what_is_and_why() {
    let error = "yesterday".parse::<At>().unwrap_err().to_string();
    assert!(
        error.starts_with("\"yesterday\" is neither \"latest\" nor a time"),
        "{error}"
    );
    assert_eq!("latest".parse(), Ok(At::Latest));
}

#[test]
fn with_fixed_time_asks_for_one_before_the_latest_and_loses_a_second() {
    let open = plan(&LATEST, &points()).unwrap();
    let fixed = open.clone().with_fixed_time();
    let time = at("2026-11-22T11:54:59Z");
    assert_eq!(fixed.choice.at, At::Time(time));
    assert_eq!(fixed.choice.data_time, time);
    assert_eq!(fixed.rpo_seconds, open.rpo_seconds.map(|rpo| rpo + 1));
    // Once is enough, and a snapshot has one time only.
    assert_eq!(fixed.clone().with_fixed_time(), fixed);
    let ask = Ask {
        from: Some("copy-22"),
        ..LATEST
    };
    let snapshot = plan(&ask, &points()).unwrap();
    assert_eq!(snapshot.clone().with_fixed_time(), snapshot);
}

#[test]
fn restore_plan_read_back_from_json_is_the_same_and_of_another_version_none() {
    let mut made = plan(&LATEST, &points()).unwrap().with_fixed_time();
    made.tags = made.tags.with("Run", "20261122t1200z-1f").unwrap();
    made.wanted.options.log_exports = Some(vec!["postgresql".to_owned()]);
    let json = serde_json::to_value(&made).unwrap();
    assert_eq!(
        serde_json::from_value::<RestorePlan>(json.clone()).unwrap(),
        made
    );
    type Break = fn(&mut serde_json::Value);
    let breaks: [(&str, Break); 4] = [
        ("storage", |json| json["storage"] = 5.into()),
        ("faster", |json| {
            json["wanted"]["faster"] = true.into();
        }),
        ("neither", |json| json["choice"]["at"] = "lately".into()),
        ("aws:", |json| json["tags"]["aws:x"] = "y".into()),
    ];
    for (part, broken) in breaks {
        let mut json = json.clone();
        broken(&mut json);
        let error = serde_json::from_value::<RestorePlan>(json).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }
}
