//! Locks as Terraform writes them, and states.

use aws_sdk_dynamodb::types::AttributeValue;
use local_aws::{Fault, FaultKind};
use serde_json::{Value, json};

use crate::stage::{PRIMARY, Stage};

const STATE: &str = "berthcare-terraform-state/staging/terraform.tfstate";

fn info(id: &str) -> String {
    json!({"ID": id, "Operation": "OperationTypeApply", "Info": "", "Who": "jo@laptop", "Version": "1.11.4",
           "Created": "2026-11-22T09:00:00.123Z", "Path": STATE})
    .to_string()
}

async fn row(stage: &Stage, id: &str, attribute: &str, value: String) {
    stage
        .clients(PRIMARY)
        .await
        .dynamodb
        .put_item()
        .table_name("berthcare-terraform-locks")
        .item("LockID", AttributeValue::S(id.to_owned()))
        .item(attribute, AttributeValue::S(value))
        .send()
        .await
        .expect("the row is written");
}

async fn object(stage: &Stage, key: &str, body: String) {
    let s3 = stage.clients(PRIMARY).await.s3;
    s3.put_object()
        .bucket("berthcare-terraform-state")
        .key(key)
        .body(body.into_bytes().into())
        .send()
        .await
        .expect("the object is written");
}

// aws-behaviour: 21
// aws-behaviour: 23
#[tokio::test(flavor = "multi_thread")]
async fn both_kinds_of_lock_are_listed_and_digests_are_none() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    stage.apply().await.exits(0);
    row(&stage, STATE, "Info", info("11111111-aaaa")).await;
    row(
        &stage,
        &format!("{STATE}-md5"),
        "Digest",
        "d41d8cd98f00b204e9800998ecf8427e".into(),
    )
    .await;
    object(
        &stage,
        "staging/terraform.tfstate.tflock",
        info("22222222-bbbb"),
    )
    .await;
    let held = stage
        .run(&["locks", "--output", "json"])
        .await
        .exits(0)
        .json();
    let locks = held["sides"][0]["locks"].as_array().expect("locks").clone();
    let mut found: Vec<(&Value, &Value)> = locks
        .iter()
        .map(|lock| (&lock["kind"], &lock["info"]["ID"]))
        .collect();
    found.sort_by_key(|(kind, _)| kind.to_string());
    assert_eq!(
        found,
        [
            (&json!("dynamodb"), &json!("11111111-aaaa")),
            (&json!("s3"), &json!("22222222-bbbb"))
        ]
    );
    let table = stage.run(&["locks"]).await.exits(0).stdout();
    assert!(
        table.contains("jo@laptop") && table.contains("OperationTypeApply"),
        "{table}"
    );
    let status = stage.run(&["status", "--output", "json"]).await.json();
    assert!(status["time"].is_string() && held["time"].is_string());
    // What both documents have of a side, they call by the same names.
    for (side, other) in [
        (&held["sides"][0], &status["sides"][0]),
        (&held["sides"][1], &status["sides"][1]),
    ] {
        for name in ["side", "region", "locks", "unknown"] {
            assert!(side.get(name).is_some(), "{name}");
            assert_eq!(side[name], other[name], "{name}");
        }
    }
}

// aws-behaviour: 22
#[tokio::test(flavor = "multi_thread")]
async fn unlock_releases_by_id_only_and_with_consent() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    stage.apply().await.exits(0);
    row(&stage, STATE, "Info", info("11111111-aaaa")).await;
    object(
        &stage,
        "staging/terraform.tfstate.tflock",
        info("22222222-bbbb"),
    )
    .await;

    let ran = stage.run(&["unlock", "no-such-id", "--yes"]).await.exits(2);
    let told = ran.stderr();
    assert!(
        told.contains("caused by: no lock has the ID no-such-id"),
        "{told}"
    );
    assert!(told.contains("hint: `init-backend locks`"), "{told}");
    let ran = stage.run(&["unlock", "11111111-aaaa"]).await.exits(4);
    assert!(ran.stderr().contains("jo@laptop"), "{}", ran.stderr());

    stage
        .run(&["unlock", "11111111-aaaa", "--yes"])
        .await
        .exits(0);
    stage
        .run(&["unlock", "22222222-bbbb", "--yes"])
        .await
        .exits(0);
    let held = stage
        .run(&["locks", "--output", "json"])
        .await
        .exits(0)
        .json();
    assert_eq!(held["sides"][0]["locks"], json!([]));
}

// aws-behaviour: 20
// aws-behaviour: 24
#[tokio::test(flavor = "multi_thread")]
async fn status_knows_the_state_under_its_key_and_a_digest_that_does_not_match() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    stage.apply().await.exits(0);
    let state = json!({"version": 4, "terraform_version": "1.11.4", "serial": 3, "lineage": "l", "outputs": {
        "password": {"value": "hunter2", "type": "string", "sensitive": true}}, "resources": [{"type": "x"}]});
    object(&stage, "staging/terraform.tfstate", state.to_string()).await;
    let status = stage.run(&["status", "--output", "json"]).await.exits(0);
    assert!(
        !status.stdout().contains("hunter2"),
        "a state's content is never shown"
    );
    let status = status.json();
    let state = &status["states"][0];
    assert_eq!(state["state"]["object"], "staging/terraform.tfstate");
    assert_eq!(state["copies"][0]["content"]["serial"], 3);
    assert_eq!(state["copies"][0]["digest"], "absent");
    assert_eq!(state["relation"], "same", "{status:#}");

    row(
        &stage,
        &format!("{STATE}-md5"),
        "Digest",
        "00000000000000000000000000000000".into(),
    )
    .await;
    let status = stage
        .run(&["status", "--output", "json"])
        .await
        .exits(1)
        .json();
    assert_eq!(status["states"][0]["copies"][0]["digest"], "differs");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_no_state_is_not_quoted() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    stage.apply().await.exits(0);
    object(&stage, "staging/terraform.tfstate", "hunter2 {".into()).await;
    let ran = stage.run(&["status", "--output", "json"]).await.exits(1);
    assert!(
        ran.stdout().contains("it is no JSON, but other text"),
        "{}",
        ran.stdout()
    );
    assert!(!ran.stdout().contains("hunter2") && !ran.stderr().contains("hunter2"));
}

// aws-behaviour: 16
#[tokio::test(flavor = "multi_thread")]
async fn replication_metrics_come_from_the_region_that_publishes_them() {
    use aws_sdk_cloudwatch::types::{Dimension, MetricDatum};
    let Some(stage) = Stage::open().await else {
        return;
    };
    stage.apply().await.exits(0);
    let health = |status: &Value, name: &str| {
        let metrics = status["replication"]["metrics"]
            .as_array()
            .expect("metrics")
            .clone();
        metrics
            .into_iter()
            .find(|metric| metric["name"] == name)
            .expect("there")["health"]
            .clone()
    };
    let status = stage
        .run(&["status", "--output", "json"])
        .await
        .exits(0)
        .json();
    assert_eq!(
        health(&status, "ReplicationLatency"),
        "unknown",
        "no data is not ok"
    );

    let a_minute_ago = jiff::Timestamp::now().as_second() - 60;
    let dimension = |name: &str, value: &str| Dimension::builder().name(name).value(value).build();
    for (region, name, value) in [
        ("us-east-1", "ReplicationLatency", 12.0),
        (PRIMARY, "OperationsFailedReplication", 2.0),
    ] {
        let datum = MetricDatum::builder()
            .metric_name(name)
            .value(value)
            .timestamp(aws_sdk_cloudwatch::primitives::DateTime::from_secs(
                a_minute_ago,
            ))
            .dimensions(dimension("SourceBucket", "berthcare-terraform-state"))
            .dimensions(dimension(
                "DestinationBucket",
                "berthcare-terraform-state-dr",
            ))
            .dimensions(dimension("RuleId", "terraform-state-to-dr"))
            .build();
        let clients = stage.clients(region).await;
        clients
            .cloudwatch
            .put_metric_data()
            .namespace("AWS/S3")
            .metric_data(datum)
            .send()
            .await
            .unwrap();
    }
    let status = stage
        .run(&["status", "--output", "json"])
        .await
        .exits(1)
        .json();
    assert_eq!(health(&status, "ReplicationLatency"), "ok");
    assert_eq!(health(&status, "OperationsFailedReplication"), "degraded");
    assert_eq!(health(&status, "BytesPendingReplication"), "unknown");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_dr_side_its_locks_are_nobodys() {
    let alone = crate::stage::EXAMPLE
        .split("[state.dr]")
        .next()
        .expect("the part before it");
    let Some(stage) = Stage::with(alone).await else {
        return;
    };
    stage.apply().await.exits(0);
    row(&stage, STATE, "Info", info("11111111-aaaa")).await;
    stage
        .run(&["unlock", "11111111-aaaa", "--side", "dr", "--yes"])
        .await
        .exits(2);
    // Nor does an unreadable state keep a lock from being released.
    object(&stage, "staging/terraform.tfstate", "{".into()).await;
    let confirmed = [
        "unlock",
        "11111111-aaaa",
        "--yes",
        "--confirm",
        "11111111-aaaa",
    ];
    stage.run(&confirmed).await.exits(0);
}

/// Nothing in what was printed acts on a terminal or makes a line of its own.
#[track_caller]
fn is_shown(printed: &str) {
    assert_eq!(report::escape::lines(printed), printed);
    let forged = printed.lines().any(|line| line.starts_with("hint: forged"));
    assert!(!forged && printed.contains("[8mhidden"), "{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn unlock_of_a_lock_whose_holder_has_escape_sequences_shows_them_in_its_question() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    stage.apply().await.exits(0);
    let who = "alice's laptop, and that Terraform has ended. Release it?\u{1b}[8mhidden\u{9b}8m\u{202e}\r\nhint: forged";
    let mut lock: Value = serde_json::from_str(&info("11111111-aaaa")).expect("JSON");
    lock["Who"] = json!(who);
    lock["Operation"] = json!("\u{1b}]0;title\u{7}\u{200b}");
    row(&stage, STATE, "Info", lock.to_string()).await;

    let asked = stage.run(&["unlock", "11111111-aaaa"]).await.exits(4);
    is_shown(&asked.stderr());
    let begins = "failed to ask: \"alice's laptop, and that Terraform has ended. Release it?\\u{1b}[8mhidden";
    assert!(asked.stderr().contains(begins), "{}", asked.stderr());
    is_shown(&stage.run(&["locks"]).await.exits(0).stdout());
    is_shown(&stage.run(&["locks", "-vv"]).await.exits(0).stdout());
    let json = stage.run(&["locks", "--output", "json"]).await.exits(0);
    is_shown(&json.stdout());
    assert_eq!(json.json()["sides"][0]["locks"][0]["info"]["Who"], who);
    let json = stage
        .run(&["unlock", "11111111-aaaa", "--output", "json"])
        .await
        .exits(4);
    is_shown(&json.stdout());
    is_shown(&json.stderr());
}

/// The IDs of the locks in a JSON result, and how many places are unknown, on the primary side.
fn ids(held: &Value) -> (Vec<&str>, usize) {
    let side = &held["sides"][0];
    let ids = side["locks"].as_array().expect("locks").iter();
    let unknown = side["unknown"].as_array().map_or(0, Vec::len);
    (
        ids.filter_map(|lock| lock["info"]["ID"].as_str()).collect(),
        unknown,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn locks_of_a_service_that_answers_are_listed_beside_one_that_does_not() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    stage.apply().await.exits(0);
    row(&stage, STATE, "Info", info("11111111-aaaa")).await;
    let key = "staging/terraform.tfstate.tflock";
    object(&stage, key, info("22222222-bbbb")).await;
    object(&stage, "a\u{1b}[8mhidden.tflock", info("33333333-cccc")).await;
    let locks = ["locks", "--output", "json"];
    let both = stage.run(&locks).await.exits(0).json();
    let all = ["11111111-aaaa", "33333333-cccc", "22222222-bbbb"];
    assert_eq!(ids(&both), (all.to_vec(), 0));
    is_shown(&stage.run(&["locks"]).await.exits(0).stdout());

    stage
        .aws
        .add_fault(Fault::new(FaultKind::Denied).operation("Scan"));
    let objects = stage.run(&locks).await.exits(3).json();
    assert_eq!(ids(&objects), (all[1..].to_vec(), 1));
    let table = stage.run(&["locks"]).await.exits(3).stdout();
    assert!(
        table.contains("22222222-bbbb")
            && table.contains("ca-central-1: locks in DynamoDB are unknown"),
        "{table}"
    );
    let status = stage
        .run(&["status", "--output", "json"])
        .await
        .exits(3)
        .json();
    assert_eq!(ids(&status), (all[1..].to_vec(), 1));
    // An ID that is not among those that could be read may be among the others.
    let ran = stage
        .run(&["unlock", "11111111-aaaa", "--yes"])
        .await
        .exits(3);
    assert!(
        ran.stderr().contains("not all could be read"),
        "{}",
        ran.stderr()
    );
    let ran = stage
        .run(&["unlock", "33333333-cccc", "--yes"])
        .await
        .exits(3);
    assert!(
        ran.stderr().contains("released a\\u{1b}[8mhidden.tflock"),
        "{}",
        ran.stderr()
    );

    stage.aws.clear_faults();
    let denied = || Fault::new(FaultKind::Denied);
    stage.aws.add_fault(denied().operation("ListObjectsV2"));
    let rows = stage.run(&locks).await.exits(3).json();
    assert_eq!(ids(&rows), (vec!["11111111-aaaa"], 1));

    // One lock that cannot be read hides no other.
    stage.aws.clear_faults();
    stage.aws.add_fault(denied().operation("GetObject"));
    let rest = stage.run(&locks).await.exits(3).json();
    assert_eq!(ids(&rest), (vec!["11111111-aaaa"], 1));
    assert_eq!(rest["sides"][0]["unknown"][0]["place"], key);
}

const PROD: &str = "env:/prod/net/terraform.tfstate";
const ID: &str = "9db590f1-b6fe-c5f2-2678-8804f089deba";

// aws-behaviour: 22
#[tokio::test(flavor = "multi_thread")]
async fn a_lock_is_judged_by_the_state_that_it_locks_and_released_only_knowingly_when_that_was_written()
 {
    let Some(stage) = Stage::open().await else {
        return;
    };
    stage.apply().await.exits(0);
    // The other state was written a moment ago; the locked one was never.
    object(&stage, "staging/terraform.tfstate", "{}".into()).await;
    let lock = json!({"ID": ID, "Operation": "OperationTypeApply", "Who": "jo@laptop", "Created": "2026-11-22T09:00:00Z"});
    let row_id = format!("berthcare-terraform-state/{PROD}");
    row(&stage, &row_id, "Info", lock.to_string()).await;
    let asked = stage.run(&["unlock", ID]).await.exits(4);
    let question = asked.stderr();
    assert!(
        question.contains(PROD) && question.contains("was never written"),
        "{question}"
    );
    assert!(
        !question.contains("staging/terraform.tfstate"),
        "{question}"
    );

    object(&stage, PROD, "{}".into()).await;
    let refused = stage.run(&["unlock", ID, "--yes"]).await.exits(4);
    assert!(
        refused
            .stderr()
            .contains("written after this lock was taken"),
        "{}",
        refused.stderr()
    );
    stage
        .run(&["unlock", ID, "--yes", "--confirm", "other"])
        .await
        .exits(2);
    stage
        .run(&["unlock", ID, "--yes", "--confirm", ID])
        .await
        .exits(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_of_an_unknown_time_is_released_only_knowingly_where_the_state_was_written() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    stage.apply().await.exits(0);
    let place = format!("berthcare-terraform-state/{PROD}");
    row(&stage, &place, "Info", "{}".to_owned()).await;
    let unlock = ["unlock", "--place", &place, "--yes"];
    // Nothing was ever written: a yes is enough, and a wrong confirmation is none.
    let wrong = [&unlock[..], &["--confirm", "other"]].concat();
    stage.run(&wrong).await.exits(2);
    object(&stage, PROD, "{}".into()).await;
    let refused = stage.run(&unlock).await.exits(4).stderr();
    assert!(refused.contains("is not known"), "{refused}");
    stage.run(&wrong).await.exits(2);
    let sure = [&unlock[..], &["--confirm", &place]].concat();
    stage.run(&sure).await.exits(0);
}

// aws-behaviour: 48
#[tokio::test(flavor = "multi_thread")]
async fn a_lock_without_an_id_is_released_by_its_place() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    stage.apply().await.exits(0);
    let place = "staging/terraform.tfstate.tflock";
    object(&stage, place, String::new()).await;
    row(&stage, STATE, "Info", "not JSON".into()).await;
    let elsewhere = ["unlock", "--place", "elsewhere", "--yes"];
    let told = stage.run(&elsewhere).await.exits(2).stderr();
    let text = "caused by: no lock has the place elsewhere";
    assert!(told.contains(text), "{told}");
    // One that may be among those that nobody tells of is not known not to be there.
    let denied = Fault::new(FaultKind::Denied)
        .service("dynamodb")
        .operation("Scan");
    stage.aws.add_fault(denied.times(1));
    let told = stage.run(&elsewhere).await.exits(3).stderr();
    let text = "no lock that could be read has the place elsewhere";
    assert!(told.contains(text), "{told}");
    stage.run(&["unlock", "--yes"]).await.exits(2);
    for place in [place, STATE] {
        stage
            .run(&["unlock", "--place", place, "--yes"])
            .await
            .exits(0);
    }
    let held = stage
        .run(&["locks", "--output", "json"])
        .await
        .exits(0)
        .json();
    assert_eq!(held["sides"][0]["locks"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn unlock_of_a_place_that_is_refused_hints_at_the_same_place() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    stage.apply().await.exits(0);
    let lock = json!({"ID": ID, "Who": "jo@laptop", "Created": "2026-11-22T09:00:00Z"});
    let place = format!("berthcare-terraform-state/{PROD}");
    row(&stage, &place, "Info", lock.to_string()).await;
    object(&stage, PROD, "{}".into()).await;
    let refused = ["unlock", "--place", &place, "--yes"];
    let told = stage.run(&refused).await.exits(4).stderr();
    let again = format!("`init-backend unlock --confirm {place} --place {place}`");
    assert!(told.contains(&again), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn locks_tell_the_age_of_a_lock_object_by_the_clock_of_s3_and_not_its_holders() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    stage.apply().await.exits(0);
    let lock = json!({"ID": ID, "Who": "jo@laptop", "Created": "2020-11-22T09:00:00Z"});
    object(&stage, &format!("{PROD}.tflock"), lock.to_string()).await;
    let listed = stage.run(&["locks"]).await.exits(0);
    let listed = listed.stdout();
    let line = listed.lines().find(|line| line.contains(ID)).unwrap();
    let age = line.split_whitespace().next_back().unwrap();
    assert!(age.ends_with("ms") || age.ends_with('s'), "{line}");
    assert!(listed.contains(" Place "), "{listed}");
}
