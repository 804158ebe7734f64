//! Every state of the buckets, as the program shows them.

use crate::stage::{DR, PRIMARY, Stage};

const STATES: usize = 300;

async fn put(stage: &Stage, region: &str, bucket: &str, key: &str, body: Vec<u8>) {
    let s3 = stage.clients(region).await.s3;
    let put = s3.put_object().bucket(bucket).key(key).body(body.into());
    put.send().await.expect("the object is written");
}

fn state(serial: u64) -> Vec<u8> {
    format!(r#"{{"version":4,"terraform_version":"1.11.4","serial":{serial},"lineage":"l","resources":[]}}"#).into()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_state_is_read_once_on_each_side_and_the_worst_comes_first() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    stage.apply().await.exits(0);
    for number in 0..STATES {
        let key = format!("env:/team-{number:03}/net/terraform.tfstate");
        put(&stage, PRIMARY, "berthcare-terraform-state", &key, state(3)).await;
    }
    // Written in DR, as in a drill.
    let drilled = "env:/team-007/net/terraform.tfstate";
    put(
        &stage,
        DR,
        "berthcare-terraform-state-dr",
        drilled,
        state(5),
    )
    .await;
    stage.aws.clear_log();
    let found = stage
        .run(&["integrity", "--output", "json"])
        .await
        .exits(1)
        .json();
    let states = found["states"].as_array().expect("states");
    // And the one of the settings, which was never written.
    assert_eq!(states.len(), STATES + 1);
    assert_eq!(states[0]["state"]["object"], drilled);
    assert_eq!(states[0]["state"]["workspace"], "team-007");
    assert_eq!(states[0]["relation"], "dr-ahead");
    assert_eq!(states[0]["serials"], 2);
    let log = stage.aws.log();
    let reads = log
        .iter()
        .filter(|entry| entry.operation == "GetObject")
        .count();
    assert_eq!(reads, 2 * STATES);
    assert!(log.iter().all(|entry| !entry.is_mutation()));

    let table = stage.run(&["integrity", "--state", drilled]).await.exits(1);
    assert!(
        table.stdout().contains("DR is 2 writes ahead"),
        "{}",
        table.stdout()
    );
    let one = stage
        .run(&[
            "integrity",
            "--state",
            "env:/team-008/net/terraform.tfstate",
        ])
        .await
        .exits(0);
    assert!(one.stdout().contains("1 state, well."), "{}", one.stdout());
    let none = stage.run(&["integrity", "--state", "nope"]).await.exits(2);
    assert!(
        none.stderr().contains("neither region has it"),
        "{}",
        none.stderr()
    );
}
