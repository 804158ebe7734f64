//! `next`: the steps after an apply.

use serde_json::Value;

use crate::stage::{Stage, stage};

fn word<'a>(next: &'a Value, step: &str) -> &'a str {
    let steps = next["steps"].as_array().unwrap();
    let found = steps.iter().find(|of| of["id"] == step);
    found.unwrap()["status"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn next_tells_what_is_open_and_takes_what_was_done_by_hand() {
    let stage = stage!(Stage::open());
    stage.ends(0, &["plan"]).await;
    let next = ["next", "--output", "json"];
    let before = stage.ends(1, &next).await.json();
    assert_eq!(word(&before, "applied"), "wrong");
    stage.ends(0, &["apply", "--auto-approve"]).await;
    let after = stage.ends(1, &next).await.json();
    for (step, status) in [
        ("evidence", "wrong"),
        ("environment", "wrong"),
        ("migrations", "unknown"),
        ("alarms", "unknown"),
    ] {
        assert_eq!(word(&after, step), status, "{step}: {after:#}");
    }
    stage.ends(2, &["next", "--done", "migrations"]).await;
    stage
        .ends(2, &["next", "--done", "alarms", "--by", "Kim"])
        .await;
    let marked = [&next[..], &["--done", "migrations", "--by", "Kim"]].concat();
    assert_eq!(
        word(&stage.ends(1, &marked).await.json(), "migrations"),
        "ok"
    );
    let told = stage.ends(1, &["next"]).await.stdout;
    assert!(told.contains("Kim says so"), "{told}");
}
