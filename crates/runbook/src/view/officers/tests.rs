use report::Report as _;
use report::finding::Status;
use serde_json::{Value, json};

use super::super::run::tests::{at, came_home, finished, has, in_the_middle, now};
use crate::record::{Digest, Event, Record};
use crate::{JournalSeal, Mode, OfficersReport, RecordCheck, RecordsAccount, RunState, Survey};

fn records(record: RecordCheck) -> RecordsAccount {
    RecordsAccount {
        journal_place: "s3://records/.dr-runs/berthcare-staging/runs/RUN/".to_owned(),
        journal: JournalSeal {
            records: 23,
            digest: Some(Digest::of(b"last")),
        },
        record_place: "s3://records/.dr-runs/berthcare-staging/reports/RUN.json".to_owned(),
        record,
    }
}

fn report(state: &RunState, failbacks: Result<Vec<RunState>, String>) -> OfficersReport {
    OfficersReport::of(
        state,
        &failbacks,
        None,
        records(RecordCheck::BornOut),
        now(),
    )
}

/// A failback that saw what never came over.
fn looked(survey: &Value) -> RunState {
    let mut home = came_home();
    home.plan.steps[0].inputs = survey.clone();
    home
}

fn survey() -> Value {
    json!(Survey {
        buckets: serde_json::from_value(json!([
            {"bucket": "photos", "to_copy": 1, "to_delete": 0, "written_in_primary": 3, "undecided": 1, "examples": [],
             "written_by_prefix": {"objects": {"": 1, "visits/": 2}, "others": 0}, "problem": null},
            {"bucket": "documents", "to_copy": 0, "to_delete": 0, "written_in_primary": 2, "undecided": 0,
             "examples": [], "problem": null},
            {"bucket": "exports", "to_copy": 0, "to_delete": 0, "written_in_primary": 0, "undecided": 0,
             "examples": [], "problem": "AccessDenied"},
        ]))
        .unwrap(),
        databases: serde_json::from_value(json!([
            {"database": "app", "status": "available", "latest": null, "beyond_seconds": 90, "problem": null},
            {"database": "old", "status": null, "latest": null, "beyond_seconds": null, "problem": null},
        ]))
        .unwrap(),
        ..Survey::default()
    })
}

#[test]
fn report_of_a_failover_says_what_is_known_and_what_is_not() {
    let told = report(&finished(), Ok(Vec::new())).document().to_markdown();
    has(
        &told,
        &[
            "- **from:** 2026-11-30T03:12:00Z",
            "- **until:** 2026-11-30T03:36:31Z",
            "- **for:** 24m 31s",
            "| berthcare-staging-postgres | 2026-11-30T03:08:30Z | 3m 30s | not known | what was written after",
            "| photos-dr | not known | which objects were not replicated yet only the lost region knows |",
            "**Terraform states:** not known",
            "No failback has looked yet.",
            "in us-east-1 (US):** 4h 20m so far",
            "approved by Privacy Officer",
            "| 2026-11-30T03:16:10Z | kim@laptop | declared ca-central-1 lost | ca-central-1: answers at looks: STS 0 of 2",
            "| 2026-11-30T03:21:40Z | Sam Tremblay | agreed to terraform: destroy",
            "| 2026-11-30T03:36:10Z | kim@laptop | left hook/after-terraform out | not needed |",
            "23, each with the digest of the one before",
            "its journal says the same",
            "in account 123456789012",
            "what follows from them is for those to say whose task that is",
        ],
    );
}

#[test]
fn report_of_a_run_that_is_not_over_or_was_given_up_has_no_end() {
    let mut state = in_the_middle();
    let told = report(&state, Ok(Vec::new())).document().to_markdown();
    has(
        &told,
        &[
            "under way",
            "- **until:** not known: the run has not come so far (unknown)",
            "| berthcare-staging-postgres | not known | not known | not known | it was not brought over by this run |",
        ],
    );
    state.take(&record(Event::Abandoned {
        by: "Kim Roy".to_owned(),
        reason: "it is back".to_owned(),
    }));
    let told = report(&state, Ok(Vec::new())).document().to_markdown();
    has(
        &told,
        &[
            "given up by Kim Roy: it is back",
            "the run was given up before the environment served again",
            "| Kim Roy | gave the run up | it is back |",
        ],
    );
}

fn record(event: Event) -> Record {
    serde_json::from_value(json!({
        "run": "20261130T031610Z-0123456789abcdef", "seq": 99, "epoch": 1, "nonce": 1, "time": at("03:40:00"),
        "previous": null, "event": event,
    }))
    .unwrap()
}

#[test]
fn what_a_failback_found_is_told_by_prefix_and_unknown_stays_unknown() {
    let failover = finished();
    let told = report(&failover, Ok(vec![looked(&survey())]));
    let told = told.document().to_markdown();
    has(
        &told,
        &[
            "| photos | visits/ | 2 | never came over",
            "| photos | (keys without /) | 1 | never came over",
            "| photos |  | 1 | written or deleted in both regions",
            "| documents | not known | 2 | never came over",
            "| exports |  | not known | AccessDenied |",
            "| app | 1m 30s at most |",
            "| old | not known: it was gone |",
            // The failback has cut over.
            "until 2026-11-30T04:40:00Z",
        ],
    );
    let told = report(&failover, Err("AccessDenied".to_owned()));
    has(
        &told.document().to_markdown(),
        &[
            "**whether a failback has looked:** AccessDenied (unknown)",
            "if it is there still, which is not known: AccessDenied",
        ],
    );
}

#[test]
fn report_of_a_failback_knows_when_writers_stood_still_and_that_nothing_is_lost() {
    let back = report(&looked(&survey()), Ok(Vec::new()));
    let told = back.document().to_markdown();
    has(
        &told,
        &[
            "Failback of berthcare-staging",
            "- **from:** 2026-11-30T04:10:00Z",
            "- **for:** 30m",
            "| photos | 0 | it was made equal after writers stood still",
            "**Terraform states:** nothing: all of it was brought over",
            "| photos | visits/ | 2 | never came over",
        ],
    );
    // Of a move that was given up before its cut-over nobody may say that nothing is lost.
    let mut left = came_home();
    left.plan.mode = Mode::Planned;
    let steps = left.steps.iter_mut();
    for (id, step) in steps {
        if id.0 == "cut-over" {
            step.outcome = None;
            step.status = crate::StepStatus::Failed;
        }
    }
    let told = report(&left, Ok(Vec::new())).document().to_markdown();
    has(
        &told,
        &["| photos | not known | it was not brought over to the end by this run |"],
    );
}

#[test]
fn digest_is_that_of_the_other_fields_sorted_and_names_what_was_changed() {
    let told = report(&finished(), Ok(Vec::new()));
    let mut fields = json!(told);
    let digest = fields.as_object_mut().unwrap().remove("digest").unwrap();
    fields.sort_all_objects();
    assert_eq!(
        digest,
        json!(Digest::of(fields.to_string().as_bytes()).to_string())
    );
    let page = told.page();
    assert!(page.contains(digest.as_str().unwrap()), "{page}");
    let other = report(&in_the_middle(), Ok(Vec::new()));
    assert_ne!(json!(other)["digest"], digest);
}

#[test]
fn verdict_is_fine_only_where_the_record_is_borne_out_or_rightly_absent() {
    let why = || "why".to_owned();
    let rows = [
        (
            RecordCheck::BornOut,
            Status::Ok,
            "its journal says the same",
        ),
        (
            RecordCheck::NotLeft { why: why() },
            Status::Ok,
            "there is none: why",
        ),
        (
            RecordCheck::NotBornOut { why: why() },
            Status::Wrong,
            "not borne out by its journal: why",
        ),
        (RecordCheck::Missing, Status::Unknown, "is missing"),
        (
            RecordCheck::Unread { why: why() },
            Status::Unknown,
            "cannot be read: why",
        ),
    ];
    for (check, verdict, text) in rows {
        let told = OfficersReport::of(&finished(), &Ok(Vec::new()), None, records(check), now());
        assert_eq!(told.verdict(), verdict, "{text}");
        has(&told.document().to_markdown(), &[text]);
    }
}
