//! States that were there before replication was.

use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use local_aws::{Fault, FaultKind};
use serde_json::Value;

use crate::failover::{BUCKET, DR_BUCKET, KEY, put, state};
use crate::stage::{DR, PRIMARY, Stage};

const STATES: [&str; 4] = [
    "env:/prod/net work/terraform.tfstate",
    "net/terraform.tfstate",
    "plans/2026-11.json",
    KEY,
];

/// A bucket as a team has it that begins with this: states without versions, and nothing that replicates.
async fn existing(stage: &Stage) {
    let place = BucketLocationConstraint::from(PRIMARY);
    let place = CreateBucketConfiguration::builder().location_constraint(place);
    let s3 = stage.clients(PRIMARY).await.s3;
    let made = s3.create_bucket().bucket(BUCKET);
    let made = made.create_bucket_configuration(place.build()).send();
    made.await.expect("a bucket");
    for (number, key) in STATES.into_iter().enumerate() {
        put(stage, PRIMARY, BUCKET, key, state(number as u64 + 1, key)).await;
    }
    put(stage, PRIMARY, BUCKET, "old.tflock", b"{}".to_vec()).await;
}

async fn in_dr(stage: &Stage) -> Vec<String> {
    let s3 = stage.clients(DR).await.s3;
    let listed = s3.list_objects_v2().bucket(DR_BUCKET).send();
    let listed = listed.await.expect("a list");
    let keys = listed.contents().iter().filter_map(|object| object.key());
    keys.map(str::to_owned).collect()
}

fn outcomes(found: &Value) -> Vec<(&str, &str)> {
    let objects = found["objects"].as_array().map(Vec::as_slice);
    let objects = objects.unwrap_or_default().iter();
    objects
        .map(|object| {
            let text = |name: &str| object[name].as_str().unwrap_or_default();
            (text("key"), text("outcome"))
        })
        .collect()
}

const NOW: [&str; 4] = ["backfill", "--yes", "--output", "json"];

// aws-behaviour: 13
#[tokio::test(flavor = "multi_thread")]
async fn backfill_of_states_that_replication_never_saw_makes_verify_ok() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    existing(&stage).await;
    stage.apply().await.exits(0);
    assert!(in_dr(&stage).await.is_empty());
    // Every setting is right and replication works, and no state would survive the region.
    let verified = stage.run(&["verify", "--canary"]).await.exits(1);
    let verified = verified.stdout();
    assert!(verified.contains("only in primary"), "{verified}");
    assert!(verified.contains("`init-backend backfill`"), "{verified}");

    stage.aws.clear_log();
    let planned = stage.run(&["backfill", "--dry-run"]).await.exits(0);
    let planned = planned.stdout();
    for part in [
        "written before replication",
        "env:/prod/net work/terraform.tfstate",
        "4 objects to be copied",
    ] {
        assert!(planned.contains(part), "{part}: {planned}");
    }
    assert!(!planned.contains(".tflock"), "a lock is held: {planned}");
    let unasked = stage.run(&["backfill"]).await.exits(4);
    let unasked = unasked.stderr();
    assert!(unasked.contains("Copy these 4 objects"), "{unasked}");
    assert_eq!(stage.mutations(), Vec::<String>::new());

    let lost = Fault::new(FaultKind::ResponseLost).operation("CopyObject");
    stage.aws.add_fault(lost.times(1));
    let done = stage.run(&NOW).await.exits(0).json();
    assert_eq!(
        (&done["kind"], &done["version"]),
        (&"backfill".into(), &1.into())
    );
    let copied = STATES.map(|key| (key, "copied"));
    assert_eq!(outcomes(&done), copied, "{done:#}");
    assert_eq!(in_dr(&stage).await, STATES);
    stage.run(&["verify", "--canary"]).await.exits(0);
    let integrity = stage.run(&["integrity", "--output", "json"]).await.json();
    let states = integrity["states"].as_array().expect("states");
    let same = states.iter().filter(|state| state["relation"] == "same");
    assert_eq!(same.count(), 4, "{integrity:#}");

    stage.aws.clear_log();
    let again = stage.run(&NOW).await.exits(0).json();
    assert_eq!(outcomes(&again), []);
    assert_eq!(again["replicated"], 4, "{again:#}");
    assert_eq!(stage.mutations(), Vec::<String>::new());

    // What was copied is no write of DR's own that the next replica buries.
    put(&stage, PRIMARY, BUCKET, KEY, state(9, "next")).await;
    let verified = stage.run(&["verify"]).await.exits(0);
    assert!(
        !verified.stdout().contains("States"),
        "{}",
        verified.stdout()
    );
    stage.run(&["failback", "--yes"]).await.exits(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn backfill_leaves_what_the_dr_region_has_or_has_deleted_and_says_why() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    existing(&stage).await;
    stage.apply().await.exits(0);
    put(&stage, DR, DR_BUCKET, STATES[0], state(9, "drill")).await;
    put(&stage, DR, DR_BUCKET, STATES[1], state(9, "drill")).await;
    let s3 = stage.clients(DR).await.s3;
    let delete = s3.delete_object().bucket(DR_BUCKET).key(STATES[1]);
    delete.send().await.expect("deleted");
    // Somebody is about to write this one for the first time.
    put(
        &stage,
        DR,
        DR_BUCKET,
        &format!("{KEY}.tflock"),
        b"{}".to_vec(),
    )
    .await;

    let done = stage.run(&NOW).await.exits(4).json();
    let left = |key: &str| {
        let objects = done["objects"].as_array().expect("objects").iter();
        let mut found = objects.filter(|object| object["key"] == key);
        let object = found.next().expect("it is told");
        assert_eq!(object["outcome"], "left", "{object:#}");
        object["left"]["kind"].as_str().expect("a kind").to_owned()
    };
    assert_eq!(left(STATES[0]), "differs");
    assert_eq!(left(STATES[1]), "deleted");
    assert_eq!(left(KEY), "locked");
    let table = stage.run(&["backfill", "--dry-run"]).await.exits(4);
    let table = table.stdout();
    assert!(
        table.contains("another object is in the DR region"),
        "{table}"
    );
    let there = stage.clients(DR).await.s3;
    let there = there.get_object().bucket(DR_BUCKET).key(STATES[0]).send();
    let there = there.await.expect("DR's own").body.collect().await;
    assert_eq!(there.expect("a body").to_vec(), state(9, "drill"));
    assert!(
        in_dr(&stage).await.contains(&STATES[2].to_owned()),
        "{done:#}"
    );
}

/// Objects that are too large or too many, by a job of S3 Batch Replication.
#[tokio::test(flavor = "multi_thread")]
async fn backfill_by_a_job_is_planned_confirmed_made_once_and_followed() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    existing(&stage).await;
    stage.apply().await.exits(0);
    let jobs = || {
        let made = stage.mutations().into_iter();
        made.filter(|call| call.starts_with("POST /v20180820/jobs"))
            .count()
    };
    let role = "arn:aws:iam::000000000000:role/batch";
    let large = ["backfill", "--batch-above", "10"];
    // Nothing is small enough to be copied here, and nobody has said as whom S3 is to do it.
    let left = stage.run(&[&large[..], &["--yes"]].concat()).await.exits(1);
    let left = left.stdout();
    for part in [
        "with --role-arn ROLE or by `aws s3control create-job",
        "For a job: 4 objects, ",
    ] {
        assert!(left.contains(part), "{part}: {left}");
    }
    let all = [&large[..], &["--role-arn", role]].concat();
    stage
        .run(&[&all[..], &["--dry-run"]].concat())
        .await
        .exits(1);
    let unasked = stage.run(&all).await.exits(4).stderr();
    assert!(unasked.contains("Have S3 replicate 4 objects"), "{unasked}");
    assert_eq!(jobs(), 0);

    let yes = [&all[..], &["--yes", "--output", "json"]].concat();
    let begun = [&yes[..], &["--no-wait"]].concat();
    let begun = stage.run(&begun).await.exits(3);
    assert!(
        begun.stderr().contains("the same command follows it"),
        "{}",
        begun.stderr()
    );
    let begun = begun.json();
    let job = |found: &Value| found["replication"]["job"]["id"].clone();
    let done = stage.run(&yes).await.exits(0).json();
    assert_eq!(job(&done), job(&begun), "{done:#}");
    assert_eq!(done["replication"]["job"]["found"], true);
    assert_eq!(jobs(), 1);
    assert!(
        outcomes(&done)
            .iter()
            .all(|(_, outcome)| *outcome == "copied"),
        "{done:#}"
    );
    let there: Vec<String> = in_dr(&stage)
        .await
        .into_iter()
        .filter(|key| STATES.contains(&key.as_str()))
        .collect();
    assert_eq!(there, STATES);
    let again = stage.run(&yes).await.exits(0).json();
    assert_eq!(
        (again["replicated"].clone(), again["replication"].clone()),
        (4.into(), Value::Null)
    );
    assert_eq!(jobs(), 1);
    stage.run(&["verify"]).await.exits(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn restore_brings_back_what_was_there_before_the_bucket_kept_versions() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    existing(&stage).await;
    stage.apply().await.exits(0);
    put(&stage, PRIMARY, BUCKET, KEY, state(9, KEY)).await;
    let restore = ["restore", KEY, "--version", "null", "--yes"];
    stage.run(&restore).await.exits(0);
    let integrity = ["integrity", "--state", KEY, "--output", "json"];
    let found = stage.run(&integrity).await.json();
    let there = &found["states"][0]["copies"][0]["content"]["serial"];
    assert_eq!(*there, 4, "{found:#}");
}
