//! What a preflight says of an environment that is ready, and of one whose regions do not answer.

use local_aws::RegionState;
use report::finding::Status;
use report::results::ToResults as _;
use runbook::{Export, Reach, RunbookStatus, kept_preflights};

use crate::stage::{DR, PRIMARY, RUN, answers, delete_object, stage};

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
        ok.iter().all(|what| [
            "sign-in",
            "residency",
            "state-locks",
            "secret-copy",
            "integrity-authorities"
        ]
        .contains(what)),
        "{ok:?}"
    );
}

#[tokio::test]
async fn status_and_export_have_the_last_preflight_and_what_to_do_with_these_names() {
    let stage = stage!();
    let (settings, store) = (stage.settings(), stage.store());
    let now = jiff::Timestamp::now();
    let before = RunbookStatus::read(&settings, &store, now).await;
    assert!(
        before.is_known() && before.preflight == Ok(None),
        "{before:#?}"
    );
    stage.preflight().await;
    // Of the same second, as far as it is.
    let found = stage.preflight().await;
    let status = RunbookStatus::read(&settings, &store, now).await;
    let kept = status.preflight.clone().unwrap().unwrap();
    assert_eq!(
        (kept.id.as_str(), kept.verdict),
        (found.id.as_str(), Status::Ok)
    );
    let verified = status.verified.unwrap().unwrap();
    assert_eq!(verified.measured.run.as_str(), RUN);
    // A record without the journal of its run counts for nothing, and is named.
    let journal = format!(".dr-runs/berthcare-staging/runs/{RUN}/000002.json");
    delete_object(&stage.dr, "state-dr", &journal).await;
    let without = stage.preflight().await;
    let mut items = without.items();
    let drill = items.find(|item| item.what == "last-drill").unwrap();
    assert_eq!(drill.status, Status::Unknown);
    let status = RunbookStatus::read(&settings, &store, now).await;
    assert_eq!(status.verified, Ok(None));
    let disputed = status.disputed.as_ref().unwrap();
    assert!(
        disputed.len() == 1 && disputed[0].contains("20261"),
        "{disputed:?}"
    );
    let export = Export {
        settings: &settings,
        root: Some(std::path::Path::new("terraform/environments/dr")),
        settings_text: "project = \"berthcare\"\n",
        preflight: &found,
        run: None,
        guides: &[("failover.md", "ca-central-1 is gone")],
        at: now,
    };
    let files = export.files().unwrap();
    let text = |name: &str| {
        let (_, bytes) = files.iter().find(|(file, _)| file == name).unwrap();
        String::from_utf8(bytes.clone()).unwrap()
    };
    let index = text("index.html");
    for part in [
        "dr-replicate restore --database app --target app-dr",
        "dr-replicate manifest --bucket photos",
        "terraform -chdir=terraform/environments/dr apply",
        "--bucket marker --key failed-over",
        "--bucket photos-dr",
    ] {
        assert!(index.contains(part), "{part}: {index}");
    }
    // It opens without a network.
    for page in ["index.html", "preflight.html"] {
        let page = text(page);
        assert!(
            !page.contains("src=\"http")
                && !page.contains("href=\"http")
                && !page.contains("<script"),
            "{page}"
        );
    }
    let read: runbook::Preflight = serde_json::from_str(&text("preflight.json")).unwrap();
    assert_eq!(read, found);
    // What cannot be read is said, and is not nothing.
    let denied = local_aws::Fault::new(local_aws::FaultKind::Denied)
        .service("s3")
        .region(DR);
    stage.aws.add_fault(denied);
    let silent = RunbookStatus::read(&settings, &store, now).await;
    assert!(!silent.is_known() && silent.marker.is_err() && silent.preflight.is_err());
}
