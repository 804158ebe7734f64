use browser::{Browser, View};
use serde_json::{Value as Json, json};

use super::*;
use crate::Record;

const RUN: &str = "20261130T031610Z-0123456789abcdef";

pub(in crate::view) fn at(time: &str) -> String {
    format!("2026-11-30T{time}Z")
}

fn answers(answered: bool) -> Json {
    let services = ["STS", "S3", "DynamoDB"];
    json!(
        services.map(|service| json!({"service": service, "answered": answered, "problem": null}))
    )
}

fn plan(mode: &str, steps: &[(&str, &str, &[&str], Json)], residency: Json) -> Json {
    let steps: Vec<Json> = steps
        .iter()
        .map(|(id, title, after, inputs)| {
            json!({"id": id, "title": title, "after": after, "inputs": inputs})
        })
        .collect();
    let lost: &[&str] = match mode {
        "failback" => &[],
        _ => &["ca-central-1"],
    };
    json!({
        "run": RUN, "mode": mode, "environment": "berthcare-staging", "account": "123456789012",
        "primary": "ca-central-1", "dr": "us-east-1",
        "declared": {
            "lost": lost, "declaration": null, "declared": at("03:16:10"),
            "evidence": [{"region": "ca-central-1", "rounds": [
                {"at": at("03:15:09"), "answers": answers(mode == "failback")},
                {"at": at("03:16:09"), "answers": answers(mode == "failback")},
            ]}],
        },
        "residency": residency,
        "fault": if mode == "failback" { Json::Null } else { json!(at("03:12:00")) },
        "planned": at("03:16:10"), "operator": "kim@laptop",
        "settings": "00".repeat(32), "versions": {"dr-runbook": "0.1.0"},
        "objectives": {"rto_seconds": 2700, "rpo_database_seconds": 900, "rpo_objects_seconds": 900},
        "steps": steps,
    })
}

fn restore(class: Option<&str>) -> Json {
    json!({"arn": "arn:aws:rds:us-east-1:123456789012:auto-backup:ab-1", "plan": {
        "database": "berthcare-staging-postgres", "target": "berthcare-staging-postgres-dr", "region": "us-east-1",
        "step": "begin",
        "choice": {"kind": "replicated-backup", "point": "ab-1", "at": at("03:08:30"), "data_time": at("03:08:30")},
        "wanted": {"class": class, "multi_az": true, "subnet_group": "dr", "parameter_group": "dr-postgres",
            "security_groups": ["sg-0f1e2d3c4b5a69788"]},
        "tags": {}, "key": null, "engine": {"name": "postgres", "version": "15.8"}, "begun": null, "newer": null,
        "rpo_seconds": 210, "rpo_objective_seconds": 900, "rto_objective_seconds": 2700,
    }})
}

fn exceptions() -> Json {
    json!({"exceptions": ["DR region in us-east-1 (US) by exception: no second Canadian region has all services, approved by \
                           Privacy Officer, expires 2027-06-30"],
        "countries": ["CA"]})
}

/// The records of a run that has gone through these events.
fn state(plan: Json, events: &[(&str, Json)]) -> RunState {
    let opened = json!({"event": "opened", "holder": {"operator": "kim@laptop", "machine": "m", "pid": 4711,
        "started_ticks": 1}});
    let first = [
        (at("03:16:10"), json!({"event": "planned", "plan": plan})),
        (at("03:16:10"), opened),
    ];
    let events = events.iter().map(|(time, event)| (at(time), event.clone()));
    let records = first.into_iter().chain(events).enumerate();
    let records: Vec<Record> = records
        .map(|(seq, (time, event))| {
            serde_json::from_value(json!({
                "run": RUN, "seq": seq, "epoch": 1, "nonce": seq, "time": time, "previous": null, "event": event,
                "calls": {"ca-central-1": 6, "us-east-1": 40 + 7 * seq},
            }))
            .unwrap()
        })
        .collect();
    RunState::replay(&records).unwrap()
}

fn began(step: &str) -> Json {
    json!({"event": "began", "step": step, "attempt": 1})
}

fn done(step: &str) -> Json {
    json!({"event": "ended", "step": step, "outcome": "done", "changed": true, "result": {}})
}

fn steps() -> Vec<(&'static str, &'static str, &'static [&'static str], Json)> {
    vec![
        (
            "declare",
            "Declare the failover: mark the environment as failed over",
            &[],
            Json::Null,
        ),
        (
            "fence",
            "Keep replicas of the lost region out of the DR buckets",
            &["declare"],
            Json::Null,
        ),
        (
            "restore/berthcare-staging-postgres",
            "Restore berthcare-staging-postgres as berthcare-staging-postgres-dr",
            &["declare"],
            restore(Some("db.t4g.medium")),
        ),
        (
            "state",
            "Make every Terraform state ready in the DR region",
            &["fence"],
            Json::Null,
        ),
        (
            "terraform",
            "Bring the DR environment up with Terraform",
            &["state"],
            Json::Null,
        ),
        (
            "manifest/photos-dr",
            "Write down what photos-dr holds",
            &["fence"],
            Json::Null,
        ),
        (
            "hook/after-terraform",
            "Run the command after-terraform",
            &["terraform"],
            Json::Null,
        ),
        (
            "verify",
            "Verify that what was brought up serves",
            &["terraform"],
            Json::Null,
        ),
        (
            "report",
            "Report what was lost, and how long it took",
            &["verify"],
            Json::Null,
        ),
    ]
}

/// In the middle: the database comes back, Terraform waits for a person.
pub(in crate::view) fn in_the_middle() -> RunState {
    let question = "it would destroy something: destroy aws_elasticache_replication_group.this, which holds sessions";
    state(
        plan("region-loss", &steps(), exceptions()),
        &[
            ("03:16:11", began("declare")),
            ("03:16:12", done("declare")),
            ("03:16:12", began("fence")),
            ("03:16:13", began("restore/berthcare-staging-postgres")),
            ("03:16:15", done("fence")),
            (
                "03:16:15",
                json!({"event": "ended", "step": "manifest/photos-dr", "outcome": "failed", "kind": "unchecked",
                "problem": "S3 ListObjectVersions of s3://photos-dr in us-east-1: 403 AccessDenied (request 7a1c)",
                "hint": "let the role list versions"}),
            ),
            ("03:16:20", began("state")),
            ("03:16:44", done("state")),
            (
                "03:17:02",
                json!({"event": "asked", "step": "terraform", "question": question}),
            ),
        ],
    )
}

pub(in crate::view) fn finished() -> RunState {
    let question = "destroy aws_elasticache_replication_group.this, which holds sessions";
    let digest = crate::Digest::of(question.as_bytes());
    state(
        plan("region-loss", &steps(), exceptions()),
        &[
            ("03:16:11", began("declare")),
            ("03:16:12", done("declare")),
            ("03:16:12", began("fence")),
            ("03:16:13", began("restore/berthcare-staging-postgres")),
            ("03:16:15", done("fence")),
            ("03:16:16", began("manifest/photos-dr")),
            ("03:16:20", began("state")),
            ("03:16:44", done("state")),
            (
                "03:17:02",
                json!({"event": "asked", "step": "terraform", "question": question}),
            ),
            ("03:18:20", done("manifest/photos-dr")),
            (
                "03:21:40",
                json!({"event": "approved", "step": "terraform", "question": digest, "text": question,
                "by": "Sam Tremblay", "reason": "the cache is empty anyway"}),
            ),
            ("03:21:40", began("terraform")),
            ("03:33:05", done("restore/berthcare-staging-postgres")),
            ("03:36:10", done("terraform")),
            (
                "03:36:10",
                json!({"event": "ended", "step": "hook/after-terraform", "outcome": "skipped", "reason": "not needed",
                "by": "kim@laptop"}),
            ),
            ("03:36:10", began("verify")),
            ("03:36:31", done("verify")),
            ("03:36:31", began("report")),
            ("03:36:32", done("report")),
            ("03:36:32", json!({"event": "finished"})),
        ],
    )
}

pub(in crate::view) fn came_home() -> RunState {
    let home: [(&str, &str, &[&str], Json); 5] = [
        (
            "primary",
            "Look whether the primary region serves",
            &[],
            json!({"buckets": [], "states": [],
            "states_problem": null, "databases": []}),
        ),
        (
            "drain",
            "Stop what writes in the DR region",
            &["primary"],
            Json::Null,
        ),
        (
            "last-objects/photos",
            "Bring the last objects of photos-dr back",
            &["drain"],
            Json::Null,
        ),
        (
            "state",
            "Bring every Terraform state back to the primary region",
            &["drain"],
            Json::Null,
        ),
        (
            "cut-over",
            "Cut over to the primary region",
            &["state"],
            Json::Null,
        ),
    ];
    let mut residency = exceptions();
    residency["since"] = json!("2026-11-28T03:16:10Z");
    let at_once = |step: &str, time: &'static str| {
        (
            time,
            json!({"event": "ended", "step": step, "outcome": "done", "changed": true, "result": {"at": at(time)}}),
        )
    };
    state(
        plan("failback", &home, residency),
        &[
            ("04:00:00", began("primary")),
            ("04:00:05", done("primary")),
            at_once("drain", "04:10:00"),
            at_once("last-objects/photos", "04:12:00"),
            at_once("state", "04:13:00"),
            at_once("cut-over", "04:40:00"),
            ("04:40:00", json!({"event": "finished"})),
        ],
    )
}

pub(in crate::view) fn now() -> Timestamp {
    at("07:36:32").parse().unwrap()
}

fn markdown(state: &RunState) -> String {
    let facts = RunFacts::of(state, now(), Ok(None));
    state.document_of(&facts, Some(now())).to_markdown()
}

pub(in crate::view) fn has(text: &str, wanted: &[&str]) {
    for wanted in wanted {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
}

#[test]
fn page_of_a_run_that_waits_says_for_whom_and_what_is_next() {
    has(
        &markdown(&in_the_middle()),
        &[
            "- **steps settled:** 3 of 9",
            "- **since the declaration:** 4h 20m of 45m (wrong)",
            "Under way: Restore berthcare-staging-postgres as",
            "Next: Run the command after-terraform; Verify that",
            "| dr-runbook runs approve --by NAME 20261130T031610Z-0123456789abcdef terraform",
            "| RTO, from the fault | not known | 45m |",
            "Nothing was agreed to yet.",
        ],
    );
}

#[test]
fn page_of_a_run_that_stopped_says_what_goes_on_and_not_what_is_far() {
    let failed = |step: &str, problem: &str, hint: Json| json!({"event": "ended", "step": step, "outcome": "failed", "kind": "wrong", "problem": problem, "hint": hint});
    let stopped = |hint: Json| {
        state(
            plan("region-loss", &steps(), json!({})),
            &[
                ("03:16:12", began("declare")),
                ("03:16:13", done("declare")),
                ("03:16:14", began("fence")),
                (
                    "03:16:15",
                    failed("fence", "it failed:\nError: one\n  of two", hint),
                ),
                (
                    "03:16:16",
                    json!({"event": "stopped", "why": "fence failed"}),
                ),
            ],
        )
    };
    let told = markdown(&stopped(Json::Null));
    has(
        &told,
        &[
            "`dr-runbook runs resume 20261130T031610Z-0123456789abcdef` takes: Keep replicas of the lost region out of the DR \
             buckets; Restore berthcare-staging-postgres as berthcare-staging-postgres-dr",
            "After that: ",
            "| it failed: Error: one of two |",
        ],
    );
    assert!(!told.contains("Next: "), "{told}");
    let told = markdown(&stopped(json!("resume with --conflicts FILE")));
    has(
        &told,
        &["runs resume 20261130T031610Z-0123456789abcdef --conflicts FILE` takes: Keep"],
    );
}

#[test]
fn page_of_a_failover_has_every_clock_and_who_agreed() {
    let told = markdown(&finished());
    has(
        &told,
        &[
            "| RTO, from the fault | 24m 31s | 45m |",
            "| RTO, from when it was seen | 21m 22s | 45m |",
            "| RTO, from the declaration | 20m 21s | 45m |",
            "| RPO of berthcare-staging-postgres | 3m 30s | 15m |",
            "| RPO of objects | not known | 15m |",
            "| RPO of Terraform states | not known |  |",
            "| 2026-11-30T03:21:40Z | Sam Tremblay | terraform |",
            "| restore/berthcare-staging-postgres | 16m 52s |",
            "in us-east-1 (US):** 4h 20m so far",
            "no second Canadian region has all services, approved by Privacy Officer",
            "at least $0.",
            "berthcare-staging-postgres-dr: postgres db.t4g.medium, two zones",
            "| ca-central-1 | 6 |",
            "| us-east-1 | 187 |",
        ],
    );
}

#[test]
fn page_of_a_failback_counts_the_hours_abroad_to_the_cut_over() {
    let told = markdown(&came_home());
    has(
        &told,
        &[
            "| writers stood still | 30m | 45m |",
            "| RPO of objects | 0ms | 15m |",
            "in us-east-1 (US):** 2d 1h, until 2026-11-30T04:40:00Z",
        ],
    );
    assert!(!told.contains("an hour in the DR region costs"), "{told}");
}

#[test]
fn hours_abroad_are_none_where_the_policy_allows_the_region_and_unknown_where_nobody_knows_the_end()
{
    let at_home = state(plan("region-loss", &steps(), json!({})), &[]);
    assert_eq!(
        RunFacts::of(&at_home, now(), Ok(None)).outside_country,
        None
    );
    let mut primary = exceptions();
    primary["countries"] = json!(["US"]);
    let primary = state(plan("region-loss", &steps(), primary), &[]);
    assert_eq!(
        RunFacts::of(&primary, now(), Ok(None)).outside_country,
        None
    );
    let facts = RunFacts::of(&finished(), now(), Err("denied".to_owned()));
    let told = finished().document_of(&facts, None).to_markdown();
    has(&told, &["if it is there still, which is not known: denied"]);
    let returned = Ok(Some(at("05:16:10").parse().unwrap()));
    let facts = RunFacts::of(&finished(), now(), returned);
    assert_eq!(facts.outside_country.unwrap().seconds, 2 * 3600);
}

#[test]
fn hour_in_the_dr_region_is_not_known_without_a_class() {
    let mut steps = steps();
    steps[2].3 = restore(None);
    let run = state(plan("region-loss", &steps, json!({})), &[]);
    let hour = RunFacts::of(&run, now(), Ok(None)).dr_hour.unwrap();
    assert_eq!(hour.usd_at_least, None);
    let why =
        "restore/berthcare-staging-postgres: the settings leave its class to that of the source";
    assert_eq!(hour.not_counted[0], why);
    has(
        &markdown(&run),
        &["**an hour in the DR region costs:** not known"],
    );
}

/// Elements that reach out of the window, unless something around them scrolls.
const OUTSIDE: &str = "
    const width = page.document.documentElement.clientWidth;
    const out = [...page.document.querySelectorAll('body *')].filter(one =>
        one.getBoundingClientRect().right > width + 0.5 && !one.closest('.scroll, .spoken, svg'));
    return page.document.documentElement.scrollWidth + ' of ' + width + ' ' + out.map(one => one.className).join(' ');";

#[test]
fn page_of_a_run_fits_a_desktop_and_a_telephone() {
    let Some(browser) = Browser::or_skip() else {
        return;
    };
    for state in [in_the_middle(), finished(), came_home()] {
        let page = state.page(now());
        for width in [1280, 420] {
            let view = View {
                width,
                ..View::PHONE
            };
            let told = browser.ask(&page, view, OUTSIDE).unwrap();
            assert_eq!(told, format!("{width} of {width} "));
        }
    }
}
