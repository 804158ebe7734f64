//! Commands that cannot do what they were asked for: what they say leads on, and nothing is changed.

use std::process::Output;

use crate::stage::{DR, FROM, PRIMARY, Stage, TO};

fn told(output: &Output, exit: i32, parts: &[&str]) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(exit), "{text}");
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn buckets_that_are_not_meant_or_not_there_are_named_with_what_to_give() {
    let stage = stage!();
    let copy = stage.run(&["sync", "--bucket", TO, "--dry-run"]);
    told(&copy, 2, &[&format!("give --bucket {FROM}")]);
    let unknown = stage.run(&["sync", "--bucket", "photo", "--dry-run"]);
    told(&unknown, 2, &["settings have: ", FROM]);
    // A pair of the settings that nobody has made.
    let absent = ["--bucket", "berthcare-documents-staging"];
    let absent = stage.run(&[&["parity"], &absent[..]].concat());
    told(&absent, 3, &["there is no bucket of that name"]);
    let (from, to) = (format!("s3://{FROM}"), format!("s3://{TO}"));
    let urls = ["parity", "--from", &from, "--to", &to];
    let elsewhere = ["--from-region", DR, "--to-region", DR];
    let elsewhere = stage.run(&[&urls, &elsewhere[..]].concat());
    told(&elsewhere, 3, &[FROM, "it does not lie in us-east-1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_without_settings_say_what_does_without() {
    let stage = stage!();
    let bare = |arguments: &[&str]| {
        let mut command = stage.command(arguments);
        command.env("INFRA_CONFIG", stage.folder.path().join("none.toml"));
        command.output().unwrap()
    };
    let (from, to) = (format!("s3://{FROM}"), format!("s3://{TO}"));
    let urls = ["parity", "--from", &from, "--to", &to];
    told(&bare(&urls), 2, &["or give --from-region and --to-region"]);
    let regions = ["--from-region", PRIMARY, "--to-region", DR];
    told(&bare(&[&urls, &regions[..]].concat()), 0, &[]);
    told(&bare(&["sync"]), 2, &["or give --from and --to with"]);
    for command in [
        &["undo", "a-run", "--to", &to][..],
        &["runs", "list"],
        &["runs", "prune"],
    ] {
        told(&bare(command), 2, &["or give --to and --to-region"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reconcile_without_its_manifest_ends_before_it_compares() {
    let stage = stage!();
    stage.aws.clear_log();
    let reconcile = ["reconcile", "--bucket", FROM, "--manifest", "no-such-file"];
    let output = stage.run(&[&reconcile[..], &["--dry-run"]].concat());
    told(&output, 2, &["no-such-file", "at the failover"]);
    let log = stage.aws.log();
    let listed = log.iter().any(|entry| entry.operation.starts_with("List"));
    assert!(!listed, "{log:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn dry_runs_after_a_kill_change_nothing() {
    let stage = stage!();
    let upload = stage.to.s3.create_multipart_upload().bucket(TO).key("big");
    let upload = upload.send().await.unwrap().upload_id.unwrap();
    let killed = stage.folder.path().join("runs/killed");
    std::fs::create_dir_all(&killed).unwrap();
    std::fs::write(killed.join("lock"), "").unwrap();
    let lines = [
        serde_json::json!({"record": "run", "run": "killed", "command": "sync", "started": "2026-11-01T00:00:00Z",
            "source": format!("s3://{FROM}/"), "destination": format!("s3://{TO}/")}),
        serde_json::json!({"record": "upload", "key": "big", "upload": upload}),
    ];
    let lines = lines.map(|line| format!("{line}\n")).concat();
    std::fs::write(killed.join("journal.jsonl"), lines).unwrap();
    let manifest = ["manifest", "--bucket", FROM, "--out", "manifest"];
    stage.json(0, &manifest);
    stage.aws.clear_log();
    stage.json(0, &["sync", "--bucket", FROM, "--dry-run"]);
    let reconcile = ["reconcile", "--bucket", FROM, "--manifest", "manifest"];
    stage.json(0, &[&reconcile[..], &["--dry-run"]].concat());
    let log = stage.aws.log();
    assert!(!log.iter().any(local_aws::LogEntry::is_mutation), "{log:?}");
    assert_eq!(stage.uploads().await, [upload]);
    stage.json(0, &["sync", "--bucket", FROM, "--yes"]);
    assert_eq!(stage.uploads().await, [""; 0]);
}
