//! States that were there before replication was.

use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use local_aws::{Fault, FaultKind};
use serde_json::Value;

use crate::failover::{BUCKET, DR_BUCKET, KEY, put, state};
use crate::stage::{DR, EXAMPLE, PRIMARY, Stage};

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
        "with --role-arn ROLE, with `batch_role` in [state.dr] or by `aws s3control create-job",
        "For a job: 4 objects, ",
    ] {
        assert!(left.contains(part), "{part}: {left}");
    }
    // Nobody is asked to agree to a role that no job can run with.
    let iam = stage.iam().await;
    let trust = |service: &str| {
        let principal = serde_json::json!({"Service": service});
        serde_json::json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": principal,
            "Action": "sts:AssumeRole"}]})
        .to_string()
    };
    let wrong = iam.create_role().role_name("replication");
    let wrong = wrong.assume_role_policy_document(trust("s3.amazonaws.com"));
    wrong.send().await.expect("a role");
    for (role, why) in [
        ("batch", "it does not have the six parts"),
        (
            "arn:aws:iam::000000000000:user/batch",
            "it is not that of a role",
        ),
        (
            "arn:aws:iam::111122223333:role/batch",
            "is of another account than the backend, 000000000000",
        ),
        (
            "arn:aws-cn:iam::000000000000:role/batch",
            "is of another partition than the backend, aws",
        ),
        (
            role,
            "there is no role arn:aws:iam::000000000000:role/batch",
        ),
        (
            "arn:aws:iam::000000000000:role/replication",
            "lets batchoperations.s3.amazonaws.com not assume it",
        ),
    ] {
        for how in ["--dry-run", "--yes"] {
            let refused = [&large[..], &["--role-arn", role, how]].concat();
            let refused = stage.run(&refused).await.exits(2).stderr();
            assert!(refused.contains(why), "{why}: {refused}");
        }
    }
    assert_eq!(jobs(), 0);
    let right = iam.create_role().role_name("batch");
    let right = right.assume_role_policy_document(trust("batchoperations.s3.amazonaws.com"));
    right.send().await.expect("a role");

    let all = [&large[..], &["--role-arn", role]].concat();
    let planned = stage.run(&[&all[..], &["--dry-run"]].concat()).await;
    let planned = planned.exits(1).stdout();
    assert!(
        !planned.contains("--role-arn ROLE"),
        "it is given: {planned}"
    );
    assert!(
        planned.contains(&format!("For a job as {role}: 4 objects, ")),
        "{planned}"
    );
    // Who may not read roles may make jobs all the same.
    let denied = Fault::new(FaultKind::Denied).operation("GetRole");
    stage.aws.add_fault(denied);
    let unread = stage.run(&[&all[..], &["--dry-run"]].concat()).await;
    let unread = unread.exits(1).stderr();
    assert!(
        unread.contains("whether S3 can run a job with the role is not known"),
        "{unread}"
    );
    stage.aws.clear_faults();
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

/// With a role in the settings nothing is to be done by hand.
#[tokio::test(flavor = "multi_thread")]
async fn backfill_by_a_job_runs_with_the_role_that_apply_has_made() {
    let role = "S3TerraformStateReplicationRole\"";
    let config = EXAMPLE.replace(role, &format!("{role}\nbatch_role = \"Batch\""));
    let Some(stage) = Stage::with(&config).await else {
        return;
    };
    existing(&stage).await;
    let large = ["backfill", "--batch-above", "10", "--yes"];
    let planned = stage.run(&["plan"]).await.exits(0).stdout();
    assert!(planned.contains("role Batch"), "{planned}");
    stage.apply().await.exits(0);
    stage.run(&["plan", "--check"]).await.exits(0);
    let verified = stage.run(&["verify", "--output", "json"]).await.exits(1);
    let verified = verified.json();
    let of_role = |aspect: &str| {
        let items = verified["items"].as_array().expect("items").iter();
        let mut of_role = items.filter(|item| item["name"] == "Batch" && item["aspect"] == aspect);
        of_role
            .next()
            .unwrap_or_else(|| panic!("{aspect}: {verified:#}"))["status"]
            .clone()
    };
    for aspect in ["exists", "permissions", "tags"] {
        assert_eq!(of_role(aspect), "ok", "{aspect}");
    }
    let done = stage.run(&large).await.exits(0).stdout();
    let told = "For a job as arn:aws:iam::000000000000:role/Batch: 4 objects, ";
    assert!(done.contains(told), "{done}");
    stage.run(&["verify"]).await.exits(0);

    // One that somebody else uses is left alone, and weaker permissions are made right.
    let iam = stage.iam().await;
    let weaker = iam.delete_role_policy().role_name("Batch");
    let weaker = weaker.policy_name("ReplicationPolicy").send().await;
    weaker.expect("deleted");
    stage.run(&["verify"]).await.exits(1);
    stage.apply().await.exits(0);
    stage.run(&["verify"]).await.exits(0);
    let trust = serde_json::json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
        "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
    let shared = iam.update_assume_role_policy().role_name("Batch");
    let shared = shared.policy_document(trust.to_string()).send().await;
    shared.expect("changed");
    let refused = stage.run(&["apply", "--yes"]).await.exits(4);
    assert!(
        refused.stdout().contains("ec2.amazonaws.com"),
        "{}",
        refused.stdout()
    );
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
