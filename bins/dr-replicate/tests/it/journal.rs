//! Whose journal an undo believes, and who may read it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::stage::{FROM, Stage, TO};

impl Stage {
    async fn put_text(&self, key: &str, text: &str) {
        let put = self.to.s3.put_object().bucket(TO).key(key);
        put.body(text.as_bytes().to_vec().into())
            .send()
            .await
            .unwrap();
    }

    /// What a run would write that had created `key`, whose current version an undo of it removes.
    async fn planted(&self, run: &str, key: &str) -> String {
        let head = self.to.s3.head_object().bucket(TO).key(key);
        let head = head.send().await.unwrap();
        let etag = head.e_tag().unwrap().trim_matches('"');
        let version = head.version_id().unwrap();
        [
            format!(
                r#"{{"record":"run","run":"{run}","command":"sync","started":"2026-11-22T18:57:19Z","source":"s3://{FROM}/","destination":"s3://{TO}/"}}"#
            ),
            format!(r#"{{"record":"intent","key":"{key}","action":"create","etag":"{etag}"}}"#),
            format!(r#"{{"record":"done","key":"{key}","after":"{version}","etag":"{etag}"}}"#),
            r#"{"record":"end","complete":true}"#.to_owned(),
            String::new(),
        ]
        .join("\n")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn undo_by_a_journal_that_is_in_the_bucket_alone_wants_more_than_yes() {
    let stage = stage!();
    stage.put(&stage.to, TO, &["patient"]).await;
    let planted = stage.planted("evil", "patient").await;
    stage
        .put_text(".dr-journal/evil/000000.jsonl", &planted)
        .await;

    let output = stage.run(&["undo", "evil", "--bucket", FROM, "--yes"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(stage.keys().await, ["patient"], "{stderr}");
    assert_eq!(output.status.code(), Some(4), "{stderr}");
    for part in [
        &format!("s3://{TO}/.dr-journal/evil/"),
        "--trust-bucket-journal",
        "--dry-run",
    ] {
        assert!(stderr.contains(part), "{part}: {stderr}");
    }
    // Its plan may be looked at.
    let plan = stage.json(0, &["undo", "evil", "--bucket", FROM, "--dry-run"]);
    assert_eq!(plan["journal"], "bucket");
    assert_eq!(plan["remove"]["objects"], 1);
    assert_eq!(stage.keys().await, ["patient"]);

    let trusted = [
        "undo",
        "evil",
        "--bucket",
        FROM,
        "--yes",
        "--trust-bucket-journal",
    ];
    let undone = stage.json(0, &trusted);
    assert_eq!(undone["undone"]["objects"], 1);
    assert_eq!(stage.keys().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn undo_on_the_machine_that_ran_it_believes_nothing_that_the_bucket_adds() {
    let stage = stage!();
    stage.put(&stage.to, TO, &["patient"]).await;
    stage.put(&stage.from, FROM, &["a", "patient"]).await;
    let done = stage.json(0, &["sync", "--bucket", FROM, "--yes"]);
    let run = done["done"]["run"].as_str().unwrap();
    let planted = stage.planted(run, "patient").await;
    stage
        .put_text(&format!(".dr-journal/{run}/000009.jsonl"), &planted)
        .await;

    let output = stage.run(&["undo", run, "--bucket", FROM, "--yes"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(stage.keys().await, ["patient"], "{stderr}");
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    let note = "note: the bucket has another journal of this run";
    assert!(stderr.contains(note), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn undo_with_an_odd_key_beside_the_journal_puts_back() {
    let stage = stage!();
    stage.put(&stage.from, FROM, &["a"]).await;
    let done = stage.json(0, &["sync", "--bucket", FROM, "--yes"]);
    let run = done["done"]["run"].as_str().unwrap();
    stage
        .put_text(&format!(".dr-journal/{run}/\u{1b}[2J"), "odd")
        .await;
    let undone = stage.json(0, &["undo", run, "--bucket", FROM, "--yes"]);
    assert_eq!(undone["undone"]["objects"], 1);
    assert_eq!(stage.keys().await, [""; 0]);
}

fn readable_by_others(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let metadata = std::fs::metadata(&path).unwrap();
        if metadata.permissions().mode() & 0o077 != 0 {
            found.push(path.display().to_string());
        }
        if metadata.is_dir() {
            readable_by_others(&path, found);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_commands_write_are_for_their_owner_alone() {
    let stage = stage!();
    stage.put(&stage.from, FROM, &["a", "b"]).await;
    let written = stage.folder.path().join("written");
    std::fs::create_dir(&written).unwrap();
    let manifest = written.join("photos.manifest");
    let manifest = manifest.to_str().unwrap();
    let commands: [&[&str]; 3] = [
        &["sync", "--bucket", FROM, "--yes"],
        &["manifest", "--bucket", FROM, "--out", manifest],
        &[
            "reconcile",
            "--bucket",
            FROM,
            "--manifest",
            manifest,
            "--yes",
        ],
    ];
    for arguments in commands {
        let inner = stage.command(arguments);
        let mut command = Command::new("sh");
        command.args(["-c", "umask 022; exec \"$0\" \"$@\""]);
        command.arg(inner.get_program()).args(inner.get_args());
        for (name, value) in inner.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.env("DR_REPLICATE_RUNS", written.join("state/runs"));
        let output = command.current_dir(&written).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }
    let mut found = Vec::new();
    readable_by_others(&written, &mut found);
    assert_eq!(found, [""; 0]);
    assert!(written.join("state/runs").read_dir().unwrap().count() > 0);
}
