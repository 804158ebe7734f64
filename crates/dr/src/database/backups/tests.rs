use settings::CopiesKept;

use super::super::recovery_point::tests::{backup, instance};
use super::super::snapshot::tests::{PRIMARY, at};
use super::*;

fn regions() -> (Region, Region) {
    (PRIMARY.parse().unwrap(), "us-east-1".parse().unwrap())
}

const KEY: &str = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

fn database(kms: bool) -> Database {
    Database {
        id: "db".parse().unwrap(),
        dr_id: "db-dr".parse().unwrap(),
        kms: kms.then(|| KEY.parse().unwrap()),
        retention_days: 7,
        copies: CopiesKept::default(),
        restore: None,
        failback: None,
        secrets: Vec::new(),
        integrity: None,
    }
}

fn source() -> Instance {
    let mut source = instance("db");
    source.arn = format!("arn:aws:rds:{PRIMARY}:000000000000:db:db");
    source.retention_days = Some(7);
    source
}

#[test]
fn plan_enable_of_a_replication_that_goes_on_changes_nothing() {
    let plan = |backups: &[Backup]| {
        plan_enable(&database(false), Some(&source()), backups, regions())
            .unwrap()
            .step
    };
    assert_eq!(plan(&[]), EnableStep::Start);
    assert_eq!(plan(&[backup("pending", None)]), EnableStep::Unchanged);
    assert_eq!(
        plan(&[backup("retained", Some("2026-11-22T11:55:00Z"))]),
        EnableStep::Start
    );
    let mut other = backup("replicating", None);
    other.retention_days = Some(3);
    assert!(matches!(plan(&[other]), EnableStep::Differs(how) if how == ["kept 3 days, not 7"]));
}

#[test]
fn plan_enable_of_what_aws_would_refuse_is_refused() {
    let refused = |database: Database, source: Option<&Instance>, backups: &[Backup]| {
        plan_enable(&database, source, backups, regions()).unwrap_err()
    };
    assert!(matches!(
        refused(database(false), None, &[]),
        Refusal::NoInstance { .. }
    ));
    let mut none = source();
    none.retention_days = Some(0);
    assert!(matches!(
        refused(database(false), Some(&none), &[]),
        Refusal::NoBackups { .. }
    ));
    // aws-behaviour: 28
    let mut encrypted = source();
    encrypted.encrypted = true;
    let missing = refused(database(false), Some(&encrypted), &[]);
    assert!(matches!(missing, Refusal::KeyMissing { .. }));
    assert!(plan_enable(&database(true), Some(&encrypted), &[], regions()).is_ok());
    let mut member = source();
    member.cluster = Some("three".to_owned());
    let refused = refused(database(false), Some(&member), &[]);
    assert!(matches!(refused, Refusal::Cluster { .. }), "{refused}");
}

#[test]
fn status_without_data_is_unknown_and_without_replication_wrong() {
    let objective = Duration::from_secs(600);
    let as_of = AsOf::Now(at("2026-11-22T12:00:00Z"));
    let health = |backups: &[Backup]| status("db", backups, regions().0, objective, as_of).health;
    assert_eq!(health(&[]), Health::Wrong);
    assert_eq!(health(&[backup("pending", None)]), Health::Unknown);
    assert_eq!(health(&[backup("replicating", None)]), Health::Unknown);
    assert_eq!(
        health(&[backup("odd", Some("2026-11-22T11:59:00Z"))]),
        Health::Unknown
    );
    assert_eq!(
        health(&[backup("replicating", Some("2026-11-22T11:55:00Z"))]),
        Health::Ok
    );
    assert_eq!(
        health(&[backup("replicating", Some("2026-11-22T11:45:00Z"))]),
        Health::Wrong
    );
    assert_eq!(
        health(&[backup("retained", Some("2026-11-22T11:59:00Z"))]),
        Health::Wrong
    );
}

#[test]
fn plan_disable_of_a_replication_tells_what_it_gives_up() {
    assert!(plan_disable("db", &[], regions()).unwrap().is_none());
    let kept = backup("retained", Some("2026-11-22T11:55:00Z"));
    assert!(plan_disable("db", &[kept], regions()).unwrap().is_none());
    let live = backup("replicating", Some("2026-11-22T11:55:00Z"));
    let plan = plan_disable("db", &[live], regions()).unwrap().unwrap();
    let text = plan.document().to_terminal(None, false);
    assert!(
        text.contains("2026-11-15 00:00:00Z to 2026-11-22 11:55:00Z, is kept 7 days"),
        "{text}"
    );
}
