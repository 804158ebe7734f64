//! Several buckets in one call.

use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};

use crate::stage::{FROM, PRIMARY, Stage, TO, keep_versions};

const OTHER: &str = "berthcare-documents-staging";
const OTHER_DR: &str = "berthcare-documents-staging-dr";

/// A second pair of the settings; the third is not there.
async fn second_pair(stage: &Stage) {
    let location = CreateBucketConfiguration::builder()
        .location_constraint(BucketLocationConstraint::from(PRIMARY))
        .build();
    let create = stage.from.s3.create_bucket().bucket(OTHER);
    let create = create.create_bucket_configuration(location);
    create.send().await.unwrap();
    let create = stage.to.s3.create_bucket().bucket(OTHER_DR);
    create.send().await.unwrap();
    keep_versions(&stage.to, OTHER_DR).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parity_and_sync_of_several_buckets_are_one_answer_and_the_worst_exit() {
    let stage = stage!();
    second_pair(&stage).await;
    stage.put(&stage.from, FROM, &["a"]).await;
    stage.put(&stage.to, TO, &["a"]).await;
    stage.put(&stage.from, OTHER, &["b"]).await;
    let both = ["--bucket", FROM, "--bucket", OTHER];
    let parity = stage.json(1, &[&["parity"][..], &both].concat());
    let findings = |parity: &serde_json::Value| {
        let buckets = parity["buckets"].as_array().unwrap().clone();
        let of = |entry: &serde_json::Value| entry["result"]["finding"].clone();
        buckets.iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(findings(&parity), ["same", "different"], "{parity}");
    let synced = stage.json(0, &[&["sync", "--yes"][..], &both].concat());
    assert_eq!(
        synced["buckets"][0]["result"]["done"],
        serde_json::Value::Null
    );
    let copied = &synced["buckets"][1]["result"]["done"]["copied"];
    assert_eq!(copied["objects"], 1, "{synced}");
    // Each bucket is a run of its own, which is undone by itself.
    for bucket in [FROM, OTHER] {
        stage.put(&stage.from, bucket, &["c"]).await;
    }
    let synced = stage.json(0, &[&["sync", "--yes"][..], &both].concat());
    let run = |at: usize| synced["buckets"][at]["result"]["done"]["run"].clone();
    assert!(run(0).is_string() && run(1).is_string(), "{synced}");
    assert_ne!(run(0), run(1));
    let (first, second) = (run(0), run(1));
    let wrong = stage.run(&["undo", first.as_str().unwrap(), "--bucket", OTHER, "--yes"]);
    assert_eq!(wrong.status.code(), Some(2), "{wrong:?}");
    let undone = stage.json(
        0,
        &["undo", second.as_str().unwrap(), "--bucket", OTHER, "--yes"],
    );
    assert_eq!(undone["undone"]["objects"], 1, "{undone}");
    assert_eq!(stage.keys().await, ["a", "c"]);
    stage.json(0, &["sync", "--yes", "--bucket", OTHER]);
    // All of the settings: one pair is not there, which stops no other.
    let parity = stage.json(3, &["parity"]);
    assert_eq!(parity["buckets"].as_array().unwrap().len(), 3, "{parity}");
    assert_eq!(
        findings(&parity)
            .iter()
            .filter(|finding| *finding == "same")
            .count(),
        2
    );
    let failed = parity["buckets"].as_array().unwrap().iter();
    let failed = failed.filter(|entry| entry["failure"] != serde_json::json!([]));
    assert_eq!(failed.count(), 1);
    // Jobs are made for one.
    let output = stage.run(&[&["sync", "--engine", "batch"][..], &both].concat());
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_of_a_source_with_object_lock_says_what_copies_do_not_keep() {
    let stage = stage!();
    let create = stage.to.s3.create_bucket().bucket("locked-photos");
    let create = create.object_lock_enabled_for_bucket(true);
    create.send().await.unwrap();
    stage.put(&stage.to, "locked-photos", &["a"]).await;
    let region = crate::stage::DR;
    let to = format!("s3://{TO}");
    let plan = [
        "sync",
        "--from",
        "s3://locked-photos",
        "--to",
        &to,
        "--from-region",
        region,
        "--to-region",
        region,
        "--dry-run",
    ];
    let planned = stage.json(0, &plan);
    let caveat = planned["plan"]["caveats"][0].as_str().unwrap();
    assert!(caveat.contains("retention and legal holds"), "{caveat}");
    let output = stage.run(&plan);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("not kept"), "{text}");
}
