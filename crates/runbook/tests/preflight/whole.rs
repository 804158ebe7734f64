//! What a preflight says of an environment that is ready, and of one whose regions do not answer.

use local_aws::RegionState;
use report::finding::Status;
use report::results::ToResults as _;
use runbook::{Reach, kept_preflights};

use crate::stage::{DR, PRIMARY, answers, stage};

#[tokio::test]
async fn preflight_of_an_environment_that_is_ready_has_nothing_wrong_or_unknown() {
    let stage = stage!();
    let found = stage.preflight().await;
    let bad: Vec<_> = found
        .items()
        .filter(|item| matches!(item.status, Status::Wrong | Status::Unknown))
        .collect();
    assert!(bad.is_empty(), "{bad:#?}");
    assert_eq!(found.verdict(), Status::Ok);
    // Nothing is left out without a reason, and nothing is fixed that is well.
    assert!(
        found
            .items()
            .all(|item| item.status == Status::Ok || item.reason.is_some())
    );
    assert!(found.items().all(|item| item.fix.is_none()), "{found:#?}");
    assert!(found.count(Status::Ok) > 25, "{found:#?}");
    assert_eq!(kept_preflights(&stage.store()).await.unwrap().len(), 1);
    // Nothing but its own records was changed.
    let changed = stage.aws.log();
    let changed = changed.iter().filter(|entry| entry.is_mutation());
    let of_preflight = changed.filter(|entry| {
        entry
            .resource
            .as_deref()
            .is_some_and(|resource| resource.contains("preflights/"))
    });
    assert!(of_preflight.count() >= 2);
    let page = found.to_page();
    assert!(page.contains("Preflight of berthcare-staging") && page.contains("recovery-point"));
    let junit = found.results().to_junit().unwrap();
    assert!(junit.contains("failures=\"0\" errors=\"0\""), "{junit}");
}

#[tokio::test]
async fn preflight_alone_calls_no_region_but_the_dr_one_and_says_what_it_leaves_out() {
    let stage = stage!();
    let with_both = answers(&stage.preflight().await);
    stage.aws.set_region(PRIMARY, RegionState::Refuse);
    stage.aws.clear_log();
    let dr = stage.both().dr_only();
    let found = stage
        .preflight_with(&stage.settings(), Reach::Alone(&dr), Ok(None))
        .await;
    assert!(found.alone);
    let log = stage.aws.log();
    assert!(log.len() > 20, "{}", log.len());
    let elsewhere: Vec<_> = log
        .iter()
        .filter(|entry| entry.region.as_deref() != Some(DR))
        .collect();
    assert!(elsewhere.is_empty(), "{elsewhere:#?}");
    // What the DR region tells is as it was; what S3 publishes there it has not published here.
    let metrics = ["replication-backlog", "replication-lag"];
    for item in found
        .items()
        .filter(|item| !metrics.contains(&item.what.as_str()))
    {
        let key = (item.what.clone(), item.resource.clone());
        match item.status {
            Status::Skipped => assert!(item.reason.is_some(), "{item:?}"),
            status => assert_eq!(Some(&status), with_both.get(&key), "{item:?}"),
        }
    }
    let left = |what: &str| found.items().find(|item| item.what == what).unwrap().status;
    for what in [
        "state-copies",
        "replication-coverage",
        "replication-failures",
        "secret-copy",
        "database-quota",
    ] {
        let skipped = found.items().filter(|item| item.what == what);
        let mut skipped = skipped.filter(|item| item.status == Status::Skipped);
        assert!(skipped.next().is_some(), "{what}: {:?}", left(what));
    }
}

#[tokio::test]
async fn preflight_while_a_region_does_not_answer_knows_nothing_of_it() {
    let stage = stage!();
    let ready = answers(&stage.preflight().await);
    stage.aws.set_region(PRIMARY, RegionState::Refuse);
    let found = stage.preflight().await;
    assert_eq!(found.verdict(), Status::Unknown, "{found:#?}");
    for (key, status) in answers(&found) {
        match ready.get(&key) {
            Some(before) if *before == status => {}
            _ => assert_eq!(status, Status::Unknown, "{key:?}"),
        }
    }
    stage.aws.set_region(PRIMARY, RegionState::Up);
    stage.aws.set_region(DR, RegionState::Refuse);
    let found = stage.preflight().await;
    assert_ne!(found.verdict(), Status::Ok);
    let ok: Vec<_> = found
        .items()
        .filter(|item| item.status == Status::Ok)
        .map(|item| item.what.as_str())
        .collect();
    // What does not need the DR region.
    assert!(
        ok.iter()
            .all(|what| ["sign-in", "residency", "state-locks", "secret-copy"].contains(what)),
        "{ok:?}"
    );
}
