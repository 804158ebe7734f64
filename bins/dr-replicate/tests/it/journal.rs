//! Whose journal an undo believes, and who may read it.

use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::stage::{FROM, JOURNALS, Stage, TO};

impl Stage {
    async fn put_text(&self, key: &str, text: &str) {
        let put = self.to.s3.put_object().bucket(JOURNALS).key(key);
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
        &format!("s3://{JOURNALS}/.dr-journal/evil/"),
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

/// The objects of a run's journal in the bucket: keys, contents and digests, by name.
async fn parts(
    stage: &Stage,
    run: &str,
) -> Vec<(String, Vec<u8>, Option<HashMap<String, String>>)> {
    let list = stage.to.s3.list_objects_v2().bucket(JOURNALS);
    let page = list.prefix(format!(".dr-journal/{run}/")).send().await;
    let mut parts = Vec::new();
    for object in page.unwrap().contents() {
        let key = object.key().unwrap().to_owned();
        let object = stage
            .to
            .s3
            .get_object()
            .bucket(JOURNALS)
            .key(&key)
            .send()
            .await;
        let object = object.unwrap();
        let metadata = object.metadata.clone();
        let body = object.body.collect().await.unwrap().to_vec();
        parts.push((key, body, metadata));
    }
    parts
}

impl Stage {
    async fn put_part(&self, key: &str, body: &[u8], metadata: Option<HashMap<String, String>>) {
        let put = self.to.s3.put_object().bucket(JOURNALS).key(key);
        let put = put.set_metadata(metadata).body(body.to_vec().into());
        put.send().await.unwrap();
    }

    /// The program on a machine that has run nothing yet, with the key of the first.
    fn elsewhere(&self, arguments: &[&str]) -> (Option<i32>, Value, String) {
        let folder = tempfile::tempdir().unwrap();
        let mut command = self.command(arguments);
        command.env("DR_REPLICATE_RUNS", folder.path().join("runs"));
        let output = command.args(["--output", "json"]).output().unwrap();
        (
            output.status.code(),
            serde_json::from_slice(&output.stdout).unwrap_or_default(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn undo_on_another_machine_with_the_key_wants_no_trust() {
    let stage = stage!();
    stage.put(&stage.from, FROM, &["a", "b"]).await;
    let done = stage.json(0, &["sync", "--bucket", FROM, "--yes"]);
    let run = done["done"]["run"].as_str().unwrap();
    let (code, plan, stderr) = stage.elsewhere(&["undo", run, "--bucket", FROM, "--dry-run"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(plan["journal"], "verified", "{plan}");
    let (code, undone, stderr) = stage.elsewhere(&["undo", run, "--bucket", FROM, "--yes"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(undone["undone"]["objects"], 2);
    assert_eq!(stage.keys().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn undo_on_another_machine_with_another_key_wants_trust_and_names_both_keys() {
    let stage = stage!();
    stage.put(&stage.from, FROM, &["a"]).await;
    let done = stage.json(0, &["sync", "--bucket", FROM, "--yes"]);
    let run = done["done"]["run"].as_str().unwrap();
    let other = stage.folder.path().join("other.key");
    let mut key = std::fs::read(stage.folder.path().join("journal.key")).unwrap();
    key[0] = if key[0] == b'0' { b'1' } else { b'0' };
    files::write_new_file(&other, &key, files::Secrecy::Secret).unwrap();
    let arguments = ["undo", run, "--bucket", FROM, "--journal-key"];
    let arguments = [&arguments[..], &[other.to_str().unwrap(), "--yes"]].concat();
    let (code, _, stderr) = stage.elsewhere(&arguments);
    assert_eq!(code, Some(4), "{stderr}");
    for part in ["another key", "--journal-key", "--trust-bucket-journal"] {
        assert!(stderr.contains(part), "{part}: {stderr}");
    }
    let trusted = [&arguments[..], &["--trust-bucket-journal"]].concat();
    let (code, undone, stderr) = stage.elsewhere(&trusted);
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(undone["undone"]["objects"], 1);
}

/// Whoever may write to the bucket may do this with a journal; no trust in the bucket makes up for it.
#[tokio::test(flavor = "multi_thread")]
async fn undo_by_a_journal_that_was_changed_in_the_bucket_is_refused_and_named() {
    let stage = stage!();
    // Two parts of intents and the end.
    let keys: Vec<String> = (0..300).map(|n| format!("k{n:03}")).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    stage.put(&stage.from, FROM, &keys).await;
    let done = stage.json(0, &["sync", "--bucket", FROM, "--yes"]);
    let run = done["done"]["run"].as_str().unwrap();
    let original = parts(&stage, run).await;
    assert_eq!(original.len(), 3, "{original:?}");
    let (key, body, metadata) = original[1].clone();
    let text = String::from_utf8(body.clone()).unwrap();
    let planted = stage.planted(run, "k000").await;
    let cut = body[..body.len() - 40].to_vec();
    let edited = text.replace("\"action\":\"create\"", "\"action\":\"delete\"");
    assert_ne!(edited, text);
    let added = format!(".dr-journal/{run}/000003.jsonl");
    let gap = format!(".dr-journal/{run}/000001.jsonl");
    let attacks = [
        ("edited", &key, edited.into_bytes(), metadata.clone()),
        ("cut", &key, cut, metadata.clone()),
        (
            "another part",
            &key,
            original[2].1.clone(),
            original[2].2.clone(),
        ),
        ("no digest", &key, body.clone(), None),
        ("planted", &added, planted.clone().into_bytes(), None),
        ("repeated", &added, body.clone(), metadata.clone()),
    ];
    let undo = [
        "undo",
        run,
        "--bucket",
        FROM,
        "--yes",
        "--trust-bucket-journal",
    ];
    for (attack, key, body, metadata) in attacks {
        stage.put_part(key, &body, metadata).await;
        let (code, _, stderr) = stage.elsewhere(&undo);
        assert_eq!(code, Some(4), "{attack}: {stderr}");
        assert!(stderr.contains(key.as_str()), "{attack}: {stderr}");
        assert_eq!(stage.keys().await.len(), 300, "{attack}");
        for (key, body, metadata) in &original {
            stage.put_part(key, body, metadata.clone()).await;
        }
        let delete = stage.to.s3.delete_object();
        let delete = delete.bucket(JOURNALS).key(&added);
        delete.send().await.unwrap();
    }
    let delete = stage.to.s3.delete_object();
    let delete = delete.bucket(JOURNALS).key(&gap);
    delete.send().await.unwrap();
    let (code, _, stderr) = stage.elsewhere(&undo);
    assert_eq!(code, Some(4), "gap: {stderr}");
    assert!(stderr.contains("000002.jsonl"), "gap: {stderr}");
    // One of another run, whole and with its digests.
    for (key, body, metadata) in &original {
        let key = key.replace(run, "20260101T000000Z-00000000");
        stage.put_part(&key, body, metadata.clone()).await;
    }
    let other = [&["undo", "20260101T000000Z-00000000"], &undo[2..]].concat();
    let (code, _, stderr) = stage.elsewhere(&other);
    assert_eq!(code, Some(4), "renamed: {stderr}");
    assert_eq!(stage.keys().await.len(), 300);

    for (key, body, metadata) in &original {
        stage.put_part(key, body, metadata.clone()).await;
    }
    let (code, undone, stderr) = stage.elsewhere(&undo[..5]);
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(undone["undone"]["objects"], 300);
}

#[tokio::test(flavor = "multi_thread")]
async fn undo_on_another_machine_of_a_run_that_was_killed_takes_back_what_it_wrote_down() {
    let stage = stage!();
    let keys: Vec<String> = (0..300).map(|n| format!("k{n:03}")).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    stage.put(&stage.from, FROM, &keys).await;
    let mut command = stage.command(&["sync", "--bucket", FROM, "--yes"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    stage.until("CopyObject", 260, &mut child).await;
    child.kill().unwrap();
    child.wait().unwrap();
    let mut runs = std::fs::read_dir(stage.folder.path().join("runs"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let run = runs.find(|name| !name.starts_with("plan-")).unwrap();
    let copied = stage.keys().await.len();
    assert!(copied > 0);
    let (code, undone, stderr) = stage.elsewhere(&["undo", &run, "--bucket", FROM, "--yes"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(undone["undone"]["objects"], copied, "{stderr}");
    assert!(stderr.contains("has no end"), "{stderr}");
    assert_eq!(stage.keys().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn journal_key_that_others_may_read_is_refused() {
    let stage = stage!();
    stage.put(&stage.from, FROM, &["a"]).await;
    let key = stage.folder.path().join("journal.key");
    std::fs::write(&key, "00".repeat(32) + "\n").unwrap();
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o644)).unwrap();
    let output = stage.run(&["sync", "--bucket", FROM, "--yes"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("chmod 600"), "{stderr}");
    assert_eq!(stage.keys().await, [""; 0]);
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
    stage.json(0, &["sync", "--bucket", FROM, "--yes"]);
    // What is in the file may be most of a key.
    std::fs::write(&key, "not a key\n").unwrap();
    let output = stage.run(&["sync", "--bucket", FROM, "--yes"]);
    assert_eq!(output.status.code(), Some(0), "nothing to copy: {output:?}");
    stage.put(&stage.from, FROM, &["b"]).await;
    let output = stage.run(&["sync", "--bucket", FROM, "--yes"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(!stderr.contains("not a key"), "{stderr}");
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
