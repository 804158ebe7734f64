//! Journals have a bucket of their own, and commands that list, show and remove them.

use crate::stage::{DR, EXAMPLE, FROM, JOURNALS, Stage, TO};

/// Keys of journals in a bucket of the DR region.
async fn journals(stage: &Stage, bucket: &str) -> Vec<String> {
    let list = stage.to.s3.list_objects_v2().bucket(bucket);
    let page = list.prefix(".dr-journal/").send().await.unwrap();
    let keys = page.contents().iter().filter_map(|object| object.key());
    keys.map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_are_listed_shown_and_pruned_and_lie_beside_no_data() {
    let stage = stage!();
    stage.put(&stage.from, FROM, &["a", "b"]).await;
    stage.put(&stage.to, TO, &["stray"]).await;
    let sync = [
        "sync",
        "--bucket",
        FROM,
        "--delete",
        "--max-delete",
        "1",
        "--yes",
    ];
    let done = stage.json(0, &sync);
    let run = done["done"]["run"].as_str().unwrap();
    assert_eq!(journals(&stage, TO).await, [""; 0]);
    assert!(!journals(&stage, JOURNALS).await.is_empty());

    let listed = stage.json(0, &["runs", "list"]);
    assert_eq!(listed["runs"][0]["run"], run, "{listed}");
    assert_eq!(listed["runs"][0]["end"], "complete");
    assert_eq!(listed["runs"][0]["here"], true);
    assert_eq!(listed["runs"][0]["buckets"][0], JOURNALS);
    let to = format!("s3://{TO}/");
    assert_eq!(listed["runs"][0]["begun"]["destination"], to.as_str());
    // From another machine the bucket tells the same.
    std::fs::remove_dir_all(stage.folder.path().join("runs")).unwrap();
    for _ in 0..2 {
        let shown = stage.json(0, &["runs", "show", run]);
        assert_eq!(shown["journal"], "verified", "{shown}");
        assert_eq!(shown["did"]["created"]["made"], 2);
        assert_eq!(shown["did"]["deleted"]["made"], 1);
    }
    let output = stage.run(&["runs", "show", "never"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");

    let young = stage.json(0, &["runs", "prune"]);
    assert_eq!(young["remove"], serde_json::json!([]));
    let prune = ["runs", "prune", "--older-than", "0s"];
    let plan = stage.json(0, &[&prune[..], &["--dry-run"]].concat());
    assert_eq!(plan["remove"][0]["run"], run);
    // Nobody is there to confirm.
    let output = stage.run(&prune);
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    assert!(!journals(&stage, JOURNALS).await.is_empty());
    stage.json(0, &[&prune[..], &["--yes"]].concat());
    assert_eq!(journals(&stage, JOURNALS).await, [""; 0]);
    assert_eq!(stage.keys().await, ["a", "b"]);
    let output = stage.run(&["undo", run, "--bucket", FROM, "--yes"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("dr-replicate runs list"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sync_of_the_journals_bucket_is_refused_with_exit_4() {
    let stage = stage!();
    let journals = format!("s3://{JOURNALS}");
    let data = format!("s3://{TO}/x");
    for (from, to) in [(&journals, &data), (&data, &journals)] {
        let sync = ["sync", "--from", from, "--to", to, "--from-region", DR];
        let output = stage.run(&[&sync[..], &["--to-region", DR, "--yes"]].concat());
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{text}");
        assert!(text.contains("is the bucket of the journals"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sync_without_its_bucket_for_journals_ends_before_it_compares() {
    let stage = stage!();
    stage.put(&stage.from, FROM, &["a"]).await;
    let named = EXAMPLE.replacen(
        "\n[regions]",
        "\njournal_bucket = \"no-such-journals\"\n[regions]",
        1,
    );
    std::fs::write(stage.folder.path().join("infra.toml"), named).unwrap();
    stage.aws.clear_log();
    let output = stage.run(&["sync", "--bucket", FROM, "--yes"]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{text}");
    for part in ["no-such-journals", "journal_bucket"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let log = stage.aws.log();
    assert!(
        !log.iter().any(|entry| entry.operation == "ListObjectsV2"),
        "{log:?}"
    );
    assert_eq!(stage.keys().await, [""; 0]);
}
