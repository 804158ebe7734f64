//! Every state made ready in the DR region, as the program does it.

use aws_sdk_dynamodb::types::AttributeValue;
use local_aws::RegionState;
use serde_json::Value;

use crate::stage::{DR, EXAMPLE, PRIMARY, Stage};

pub(crate) const BUCKET: &str = "berthcare-terraform-state";
pub(crate) const DR_BUCKET: &str = "berthcare-terraform-state-dr";
pub(crate) const DR_TABLE: &str = "berthcare-terraform-locks-dr";
pub(crate) const KEY: &str = "staging/terraform.tfstate";
const CA_WEST: &str = include_str!("../../../../examples/berthcare-ca-west/infra.toml");

pub(crate) async fn put(stage: &Stage, region: &str, bucket: &str, key: &str, body: Vec<u8>) {
    let s3 = stage.clients(region).await.s3;
    let put = s3.put_object().bucket(bucket).key(key).body(body.into());
    put.send().await.expect("the object is written");
}

pub(crate) fn state(serial: u64, what: &str) -> Vec<u8> {
    format!(r#"{{"version":4,"terraform_version":"1.11.4","serial":{serial},"lineage":"l","outputs":{{"what":{{"value":"{what}","type":"string"}}}},"resources":[]}}"#).into()
}

pub(crate) fn lock(id: &str) -> Vec<u8> {
    format!(r#"{{"ID":"{id}","Operation":"OperationTypeApply","Info":"","Who":"jo@laptop","Version":"1.11.4","Created":"2026-11-22T09:00:00Z","Path":""}}"#).into()
}

pub(crate) async fn row(stage: &Stage, region: &str, table: &str, key: &str, md5: &str) {
    let dynamodb = stage.clients(region).await.dynamodb;
    let put = dynamodb.put_item().table_name(table);
    let put = put.item("LockID", AttributeValue::S(key.to_owned()));
    let put = put.item("Digest", AttributeValue::S(md5.to_owned()));
    put.send().await.expect("the row is written");
}

/// What the program has asked of a region.
fn calls(stage: &Stage, region: &str) -> Vec<String> {
    let log = stage.aws.log().into_iter();
    log.filter(|entry| entry.region.as_deref() == Some(region))
        .map(|entry| entry.operation)
        .collect()
}

pub(crate) const NOW: [&str; 4] = ["failover", "--yes", "--output", "json"];

pub(crate) fn outcome<'a>(handover: &'a Value, key: &str) -> &'a str {
    let states = handover["states"].as_array().map(Vec::as_slice);
    let mut states = states.unwrap_or_default().iter();
    let state = states.find(|state| state["state"]["object"] == key);
    state.map_or("", |state| state["outcome"].as_str().unwrap_or_default())
}

// aws-behaviour: 5
#[tokio::test(flavor = "multi_thread")]
async fn failover_of_fifty_states_asks_the_lost_region_nothing_and_does_nothing_twice() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    stage.apply().await.exits(0);
    for number in 0..49 {
        let key = format!("env:/team-{number:02}/net/terraform.tfstate");
        put(&stage, PRIMARY, BUCKET, &key, state(3, "")).await;
        if number % 7 == 0 {
            put(
                &stage,
                PRIMARY,
                BUCKET,
                &format!("{key}.tflock"),
                lock("1111"),
            )
            .await;
        }
    }
    put(&stage, PRIMARY, BUCKET, KEY, state(7, "")).await;
    stage.aws.set_region(PRIMARY, RegionState::BlackHole);
    stage.aws.clear_log();

    let planned = stage.run(&["failover", "--dry-run"]).await.exits(0);
    let planned = planned.stdout();
    for part in [
        "Failover: ca-central-1 to us-east-1",
        "Account 000000000000, bucket berthcare-terraform-state-dr, lock table berthcare-terraform-locks-dr.",
        "serial 7, 0 resources, Terraform 1.11.4; no digest row; replica, ",
        "dr: digest row written",
        "dr: replicated lock of jo@laptop (ID 1111, OperationTypeApply) cleared",
        "50 states: 0 ready, 50 to be made ready, 0 left, 0 unknown.",
    ] {
        assert!(planned.contains(part), "{part}: {planned}");
    }
    let unasked = stage.run(&["failover"]).await.exits(4);
    assert!(
        unasked.stderr().contains("Make these 50 states ready?"),
        "{}",
        unasked.stderr()
    );
    assert_eq!(stage.mutations(), Vec::<String>::new());

    let done = stage.run(&NOW).await.exits(0).json();
    assert_eq!(
        (&done["kind"], &done["version"]),
        (&"failover".into(), &1.into())
    );
    let head = ["from", "to", "account", "bucket", "applied"].map(|key| done[key].clone());
    let expected: [Value; 5] = [
        PRIMARY.into(),
        DR.into(),
        "000000000000".into(),
        DR_BUCKET.into(),
        true.into(),
    ];
    assert_eq!(head, expected);
    let states = done["states"].as_array().expect("states");
    assert_eq!(states.len(), 50);
    assert!(
        states.iter().all(|state| state["outcome"] == "done"),
        "{done:#}"
    );
    let copy = &states[0]["copies"][0];
    assert_eq!(
        (&copy["is_replica"], &copy["digest"]),
        (&true.into(), &"matches".into())
    );
    assert_eq!(stage.mutations().len(), 50 + 7);

    stage.aws.clear_log();
    let again = stage.run(&NOW).await.exits(0).json();
    let states = again["states"].as_array().expect("states");
    assert!(
        states.iter().all(|state| state["outcome"] == "ready"),
        "{again:#}"
    );
    assert_eq!(stage.mutations(), Vec::<String>::new());
    assert_eq!(calls(&stage, PRIMARY), Vec::<String>::new());
}

// aws-behaviour: 42
#[tokio::test(flavor = "multi_thread")]
async fn failover_into_ca_west_1_needs_no_us_east_1() {
    let Some(stage) = Stage::with(CA_WEST).await else {
        return;
    };
    stage.apply().await.exits(0);
    let bucket = "berthcare-terraform-state-ca";
    put(&stage, PRIMARY, bucket, KEY, state(7, "")).await;
    put(
        &stage,
        PRIMARY,
        bucket,
        &format!("{KEY}.tflock"),
        lock("1111"),
    )
    .await;
    for region in [PRIMARY, DR] {
        stage.aws.set_region(region, RegionState::BlackHole);
    }
    stage.aws.clear_log();
    let done = stage.run(&NOW).await.exits(0).json();
    assert_eq!(outcome(&done, KEY), "done");
    assert_eq!(done["to"], "ca-west-1");
    // S3 locks alone: there is no table, and so no digest.
    assert_eq!(done["states"][0]["copies"][0]["digest"], "not-used");
    for region in [PRIMARY, DR] {
        assert_eq!(calls(&stage, region), Vec::<String>::new());
    }
}

/// A drill leaves a digest row in DR. The primary's next write puts its object over DR's, and the row stays.
// aws-behaviour: 46
#[tokio::test(flavor = "multi_thread")]
async fn failover_after_a_drill_writes_the_digest_row_anew() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    stage.apply().await.exits(0);
    put(&stage, PRIMARY, BUCKET, KEY, state(1, "")).await;
    stage.run(&NOW).await.exits(0);
    put(&stage, DR, DR_BUCKET, KEY, state(2, "drill")).await;
    // As Terraform writes it, after the object.
    stage.run(&NOW).await.exits(0);
    put(&stage, PRIMARY, BUCKET, KEY, state(2, "primary")).await;
    let copy = |found: Value| found["states"][0]["copies"][1]["digest"].clone();
    let found = stage.run(&["integrity", "--output", "json"]).await;
    let found = found.exits(1).json();
    let lost = &found["states"][0]["overwritten"];
    assert_eq!(
        (&found["states"][0]["relation"], &lost["serial"]),
        (&"same".into(), &2.into())
    );
    assert_eq!(copy(found), "differs");
    let verified = stage.run(&["verify"]).await.exits(1).stdout();
    for part in [
        "33 ok, 0 wrong, 0 could not be checked.",
        "digest row of other content",
        "staging/terraform.tfstate: DR's write of serial 2 was overwritten by replication; the primary region never had it.",
        "`init-backend restore staging/terraform.tfstate --version ",
    ] {
        assert!(verified.contains(part), "{part}: {verified}");
    }

    let done = stage.run(&NOW).await.exits(0).json();
    assert_eq!(outcome(&done, KEY), "done");
    let step = &done["states"][0]["steps"][0];
    assert_eq!(
        (&step["step"], &step["serial"]),
        (&"write-digest".into(), &2.into())
    );
    let found = stage.run(&["integrity", "--output", "json"]).await.json();
    assert_eq!(copy(found), "matches");
}

#[tokio::test(flavor = "multi_thread")]
async fn failover_names_what_it_leaves_and_ends_by_the_worst_of_it() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    stage.apply().await.exits(0);
    // The settings' state was never written.
    let nothing = stage.run(&NOW).await.exits(1).json();
    assert_eq!(nothing["states"][0]["outcome"], "left");
    assert_eq!(nothing["states"][0]["left"]["kind"], "not-there");

    put(&stage, PRIMARY, BUCKET, KEY, state(7, "")).await;
    put(&stage, PRIMARY, BUCKET, "gone", state(2, "")).await;
    let s3 = stage.clients(PRIMARY).await.s3;
    let gone = s3.delete_object().bucket(BUCKET).key("gone");
    gone.send().await.expect("deleted");
    row(
        &stage,
        DR,
        DR_TABLE,
        &format!("{DR_BUCKET}/gone-md5"),
        "0123",
    )
    .await;
    let deleted = stage.run(&["failover", "--yes"]).await.exits(1);
    let deleted = deleted.stdout();
    assert!(
        deleted.contains("gone: it is deleted in us-east-1; its digest row is left"),
        "{deleted}"
    );
    assert!(
        deleted.contains("`init-backend restore gone --version "),
        "{deleted}"
    );
    assert!(deleted.contains(" --side dr`"), "{deleted}");

    // A run of DR's own, before its first write of the digest.
    put(&stage, DR, DR_BUCKET, "own", state(1, "")).await;
    put(&stage, DR, DR_BUCKET, "own.tflock", lock("3333")).await;
    let locked = stage.run(&NOW).await.exits(4).json();
    assert_eq!(locked["states"][1]["state"]["object"], "own");
    assert_eq!(locked["states"][1]["left"]["kind"], "locked");
    let command = &locked["states"][1]["left"]["commands"][0];
    assert_eq!(
        command,
        "init-backend unlock 3333 --side dr  # once its run is certainly dead"
    );

    stage.aws.set_region(DR, RegionState::Refuse);
    let silent = stage.run(&["failover", "--yes"]).await.exits(3);
    assert!(
        silent.stderr().contains("cannot be reached"),
        "{}",
        silent.stderr()
    );
    let alone = EXAMPLE
        .split("[state.dr]")
        .next()
        .expect("the part before it");
    stage.configure(alone);
    let alone = stage.run(&["failover", "--yes"]).await.exits(2);
    assert!(alone.stderr().contains("no DR side"), "{}", alone.stderr());
}

#[tokio::test(flavor = "multi_thread")]
async fn failover_without_the_lock_table_hints_at_apply_which_needs_no_primary_region() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    stage.apply().await.exits(0);
    put(&stage, DR, DR_BUCKET, KEY, state(3, "")).await;
    let dynamodb = stage.clients(DR).await.dynamodb;
    let table = || dynamodb.update_table().table_name(DR_TABLE);
    let free = table().deletion_protection_enabled(false).send();
    free.await.expect("unprotected");
    let gone = dynamodb.delete_table().table_name(DR_TABLE).send();
    gone.await.expect("deleted");
    stage.aws.set_region(PRIMARY, RegionState::BlackHole);

    let text = stage
        .run(&["failover", "--dry-run"])
        .await
        .exits(3)
        .stdout();
    let hint = format!(
        "table {DR_TABLE} is missing in us-east-1: `init-backend apply --yes` makes what is missing there, without the \
         primary region"
    );
    assert!(text.replace('\n', " ").contains(&hint), "{text}");
    let json = stage.run(&NOW).await.exits(3).json();
    let hints = json["hints"].as_array().expect("hints");
    assert!(
        hints[0].as_str().expect("a text").contains(&hint),
        "{json:#}"
    );
    assert_eq!(hints.len(), 1, "{json:#}");

    stage.run(&["apply", "--yes", "--skip-canary"]).await;
    let json = stage.run(&NOW).await.exits(0).json();
    assert_eq!(json["hints"].as_array().map(Vec::len), Some(0), "{json:#}");
}
