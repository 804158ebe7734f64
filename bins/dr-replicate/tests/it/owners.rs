//! Buckets that somebody else has.

use crate::stage::{FROM, Stage, TO};

const THEIRS: &str = "999999999999";

/// Keys in the bucket that is theirs, journals included.
async fn theirs(stage: &Stage, bucket: &str) -> Vec<String> {
    let clients = if bucket == TO { &stage.to } else { &stage.from };
    let list = clients.s3.list_objects_v2().bucket(bucket);
    let page = list.expected_bucket_owner(THEIRS).send().await.unwrap();
    let keys = page.contents().iter().filter_map(|object| object.key());
    keys.map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn command_on_a_dr_bucket_of_another_account_sends_it_nothing_and_says_why() {
    let stage = stage!();
    stage
        .put(&stage.from, FROM, &["patient-1", "patient-2"])
        .await;
    stage.aws.set_bucket_owner(TO, THEIRS).unwrap();
    let out = stage.folder.path().join("photos.manifest");
    let out = out.to_str().unwrap();
    let commands: [&[&str]; 6] = [
        &["sync", "--bucket", FROM, "--yes"],
        &["sync", "--bucket", FROM, "--dry-run"],
        &["parity", "--bucket", FROM],
        &["undo", "a-run", "--bucket", FROM, "--yes"],
        &["manifest", "--bucket", FROM, "--out", out],
        &["reconcile", "--bucket", FROM, "--manifest", out, "--yes"],
    ];
    for command in commands {
        let output = stage.run(command);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{command:?}: {stderr}");
        let named = format!("of {TO} in us-east-1: access denied");
        assert!(stderr.contains(&named), "{command:?}: {stderr}");
        assert!(stderr.contains("expected owner 000000000000"), "{stderr}");
        assert!(
            stderr.contains("hint: either the caller may not"),
            "{stderr}"
        );
        assert!(stderr.contains("`dr_owner`"), "{stderr}");
    }
    assert_eq!(theirs(&stage, TO).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn sync_from_a_bucket_of_another_account_reads_it_only_when_that_is_said() {
    let stage = stage!();
    stage.put(&stage.from, FROM, &["a"]).await;
    stage.aws.set_bucket_owner(FROM, THEIRS).unwrap();
    let output = stage.run(&["sync", "--bucket", FROM, "--yes"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert_eq!(stage.keys().await, [""; 0]);
    let sync = ["sync", "--bucket", FROM, "--from-owner", THEIRS, "--yes"];
    let done = stage.json(0, &sync);
    assert_eq!(done["done"]["copied"]["objects"], 1);
    assert_eq!(stage.keys().await, ["a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn sync_to_an_owner_of_the_settings_goes_there() {
    let stage = stage!();
    stage.put(&stage.from, FROM, &["a"]).await;
    stage.aws.set_bucket_owner(TO, THEIRS).unwrap();
    let dr = format!("dr = \"{TO}\"");
    let settings = crate::stage::EXAMPLE.replace(&dr, &format!("{dr}\ndr_owner = \"{THEIRS}\""));
    std::fs::write(stage.folder.path().join("infra.toml"), settings).unwrap();
    let done = stage.json(0, &["sync", "--bucket", FROM, "--yes"]);
    assert_eq!(done["done"]["copied"]["objects"], 1);
    assert!(theirs(&stage, TO).await.contains(&"a".to_owned()));
}
