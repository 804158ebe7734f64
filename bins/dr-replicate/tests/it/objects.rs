//! Sync, parity, undo, the guard, and failback.

use std::time::{Duration, Instant};

use aws_env::RegionClients;
use aws_sdk_s3::primitives::ByteStream;
use local_aws::RegionState;

use crate::stage::{DR, FROM, PRIMARY, Stage, TO, keep_versions};

#[tokio::test(flavor = "multi_thread")]
async fn sync_parity_and_undo_of_a_bucket_of_the_settings_put_it_back() {
    let stage = stage!();
    stage.put(&stage.from, FROM, &["a", "b/c", "b/d"]).await;
    stage.put(&stage.to, TO, &["a", "stray"]).await;

    let parity = stage.json(1, &["parity", "--bucket", FROM]);
    assert_eq!(parity["finding"], "different");
    assert_eq!(parity["only_source"]["objects"], 2);
    assert_eq!(parity["folders"]["b/"]["different"], 2);

    let plan = stage.json(0, &["sync", "--bucket", FROM, "--dry-run"]);
    assert_eq!(plan["plan"]["create"]["objects"], 2);
    assert_eq!(plan["from"]["url"], format!("s3://{FROM}/"));
    assert_eq!(plan["to"]["region"], DR);
    assert_eq!(plan["to"]["account"], "000000000000");
    let output = stage.run(&["sync", "--bucket", FROM, "--dry-run"]);
    let text = String::from_utf8_lossy(&output.stdout);
    for end in [
        format!("s3://{FROM}/ in {PRIMARY}, account 000000000000"),
        format!("s3://{TO}/ in {DR}, account 000000000000"),
    ] {
        assert!(text.contains(&end), "{end}: {text}");
    }
    assert!(!text.contains("keeps no versions"), "{text}");
    assert_eq!(plan["plan"]["kept"]["objects"], 1);
    assert_eq!(stage.keys().await, ["a", "stray"]);

    // Nobody is there to confirm.
    let output = stage.run(&["sync", "--bucket", FROM]);
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    assert_eq!(stage.keys().await, ["a", "stray"]);

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
    assert_eq!(done["done"]["copied"]["objects"], 2);
    assert_eq!(done["done"]["deleted"]["objects"], 1);
    assert_eq!(stage.keys().await, ["a", "b/c", "b/d"]);
    let parity = stage.json(0, &["parity", "--bucket", FROM, "--sample", "2"]);
    assert_eq!(parity["finding"], "same");
    assert_eq!(parity["source"]["digest"], parity["destination"]["digest"]);
    assert_eq!(parity["sample"]["same"]["objects"], 2);

    let run = done["done"]["run"].as_str().unwrap();
    // From another machine: only the bucket has the journal.
    std::fs::remove_dir_all(stage.folder.path().join("runs")).unwrap();
    let undo = [
        "undo",
        run,
        "--bucket",
        FROM,
        "--yes",
        "--trust-bucket-journal",
    ];
    let undone = stage.json(0, &undo);
    assert_eq!(undone["undone"]["objects"], 3);
    assert_eq!(stage.keys().await, ["a", "stray"]);
    let output = stage.run(&["undo", "never", "--bucket", FROM]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");

    let output = stage.run(&["parity", "--bucket", FROM, "--markdown"]);
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("## Object parity: DIFFERENT"));
}

// aws-behaviour: 10
#[tokio::test(flavor = "multi_thread")]
async fn sync_that_the_guard_refuses_ends_with_exit_4_and_changes_nothing() {
    let stage = stage!();
    let from = format!("s3://{FROM}");
    let to = format!("s3://{TO}");
    stage.put(&stage.to, TO, &["a", "b", "c"]).await;
    stage.aws.clear_log();
    let delete = ["--delete", "--max-delete", "100%", "--yes"];
    let refused: [&[&str]; 4] = [
        // The source is empty.
        &["sync", "--bucket", FROM],
        // Swapped against the settings.
        &["sync", "--from", &to, "--to", &from],
        // The same.
        &["sync", "--from", &to, "--to", &to],
        // An empty folder of the source.
        &[
            "sync",
            "--from",
            "s3://berthcare-photos-staging/typo",
            "--to",
            &to,
        ],
    ];
    for arguments in refused {
        let output = stage.run(&[arguments, &delete].concat());
        assert_eq!(output.status.code(), Some(4), "{arguments:?} {output:?}");
    }
    stage.put(&stage.from, FROM, &["a"]).await;
    let output = stage.run(&["sync", "--bucket", FROM, "--delete", "--yes"]);
    assert_eq!(output.status.code(), Some(4), "more than 10 %: {output:?}");
    let changes = stage.aws.log();
    let changes: Vec<_> = changes
        .iter()
        .filter(|entry| entry.is_mutation() && entry.region.as_deref() == Some(DR))
        .collect();
    assert!(changes.is_empty(), "{changes:?}");
    assert_eq!(stage.keys().await, ["a", "b", "c"]);
}

// aws-behaviour: 10
#[tokio::test(flavor = "multi_thread")]
async fn sync_of_a_source_that_was_overwritten_with_junk_is_refused_with_exit_4() {
    let stage = stage!();
    let keys = ["a", "b", "c"];
    stage.put(&stage.to, TO, &keys).await;
    for key in keys {
        let put = stage.from.s3.put_object().bucket(FROM).key(key);
        let junk = ByteStream::from_static(b"junk");
        put.body(junk).send().await.unwrap();
    }
    stage.aws.clear_log();
    let sync = ["sync", "--bucket", FROM, "--yes"];
    let refused: [&[&str]; 4] = [
        &[],
        &["--max-replace", "2"],
        &["--max-replace", "99%"],
        &[
            "--engine",
            "batch",
            "--role-arn",
            "arn:aws:iam::123456789012:role/batch",
        ],
    ];
    for arguments in refused {
        let output = stage.run(&[&sync[..], arguments].concat());
        assert_eq!(output.status.code(), Some(4), "{arguments:?} {output:?}");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains("3 objects would be overwritten"), "{text}");
        assert!(text.contains("--max-replace"), "{text}");
    }
    let log = stage.aws.log();
    assert!(!log.iter().any(local_aws::LogEntry::is_mutation), "{log:?}");
    // A dry run says the same, and one that is right can be allowed.
    let output = stage.run(&["sync", "--bucket", FROM, "--dry-run"]);
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let done = stage.json(0, &[&sync[..], &["--max-replace", "3"]].concat());
    assert_eq!(done["done"]["copied"]["objects"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn reconcile_of_a_copy_that_was_overwritten_with_junk_is_refused_with_exit_4() {
    let stage = stage!();
    keep_versions(&stage.from, FROM).await;
    let keys = ["a", "b", "c"];
    stage.put(&stage.from, FROM, &keys).await;
    stage.put(&stage.to, TO, &keys).await;
    stage.json(0, &["manifest", "--bucket", FROM, "--out", "manifest"]);
    for key in keys {
        let put = stage.to.s3.put_object().bucket(TO).key(key);
        let junk = ByteStream::from_static(b"junk");
        put.body(junk).send().await.unwrap();
    }
    let reconcile = [
        "reconcile",
        "--bucket",
        FROM,
        "--manifest",
        "manifest",
        "--yes",
    ];
    let output = stage.run(&reconcile);
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let done = stage.json(0, &[&reconcile[..], &["--max-replace", "100%"]].concat());
    assert_eq!(done["done"]["copied"]["objects"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn sync_with_a_lost_source_region_ends_within_ten_seconds_and_deletes_nothing() {
    let stage = stage!();
    stage.put(&stage.from, FROM, &["a"]).await;
    stage.put(&stage.to, TO, &["a", "b"]).await;
    for state in [RegionState::Refuse, RegionState::BlackHole] {
        stage.aws.set_region(PRIMARY, state);
        stage.aws.clear_log();
        let delete: &[&str] = &[
            "sync",
            "--bucket",
            FROM,
            "--delete",
            "--max-delete",
            "100%",
            "--yes",
        ];
        for arguments in [delete, &["parity", "--bucket", FROM]] {
            let begin = Instant::now();
            let output = stage.run(arguments);
            let took = begin.elapsed();
            assert_eq!(output.status.code(), Some(3), "{output:?}");
            // The promise itself, not a measurement.
            assert!(took < Duration::from_secs(10), "{took:?}");
            let text = String::from_utf8_lossy(&output.stderr);
            assert!(
                text.contains("cannot be reached") && text.contains(PRIMARY),
                "{text}"
            );
        }
        let log = stage.aws.log();
        assert!(!log.iter().any(local_aws::LogEntry::is_mutation), "{log:?}");
    }
    stage.aws.set_region(PRIMARY, RegionState::Up);
    assert_eq!(stage.keys().await, ["a", "b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn sync_to_a_bucket_without_versions_is_refused_with_exit_4() {
    let stage = stage!();
    stage.put(&stage.from, FROM, &["a"]).await;
    // A bucket that never had versions.
    stage
        .to
        .s3
        .create_bucket()
        .bucket("plain-bucket")
        .send()
        .await
        .unwrap();
    // Nothing is lost by a first sync, and it cannot be undone.
    let from = format!("s3://{FROM}");
    let to = ["--from", &from, "--to", "s3://plain-bucket"];
    let first = [&["sync", "--dry-run"][..], &to].concat();
    let output = stage.run(&first);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    let warning = "not possible: the destination keeps no versions";
    assert!(text.contains(warning), "{text}");
    assert_eq!(stage.json(0, &first)["keeps_versions"], false);
    stage
        .to
        .s3
        .put_object()
        .bucket("plain-bucket")
        .key("a")
        .send()
        .await
        .unwrap();
    let sync = [&["sync", "--yes"][..], &to].concat();
    let output = stage.run(&sync);
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let output = stage.run(&[&sync[..], &["--overwrite-unversioned"]].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

// aws-behaviour: 10
#[tokio::test(flavor = "multi_thread")]
async fn reconcile_of_writes_on_both_sides_loses_none() {
    let stage = stage!();
    keep_versions(&stage.from, FROM).await;
    let old = [
        "same",
        "changed-in-dr",
        "changed-in-both",
        "deleted-in-dr",
        "deleted-and-changed",
    ];
    stage.put(&stage.from, FROM, &old).await;
    stage.put(&stage.from, FROM, &["never-replicated"]).await;
    stage.put(&stage.to, TO, &old).await;
    let manifest = ["manifest", "--bucket", FROM, "--out", "photos.manifest"];
    assert_eq!(stage.json(0, &manifest)["objects"], 5);
    let again = stage.run(&manifest);
    assert_eq!(again.status.code(), Some(4), "{again:?}");

    let write = async |clients: &RegionClients, bucket: &str, key: &str, body: &'static [u8]| {
        let put = clients.s3.put_object().bucket(bucket).key(key);
        put.body(ByteStream::from_static(body))
            .send()
            .await
            .unwrap();
    };
    write(&stage.to, TO, "changed-in-dr", b"dr").await;
    write(&stage.to, TO, "changed-in-both", b"dr").await;
    write(&stage.to, TO, "new-in-dr", b"dr").await;
    write(&stage.from, FROM, "changed-in-both", b"primary").await;
    write(&stage.from, FROM, "deleted-and-changed", b"primary").await;
    for key in ["deleted-in-dr", "deleted-and-changed"] {
        stage
            .to
            .s3
            .delete_object()
            .bucket(TO)
            .key(key)
            .send()
            .await
            .unwrap();
    }
    let reconcile = [
        "reconcile",
        "--bucket",
        FROM,
        "--manifest",
        "photos.manifest",
        "--delete",
        "--max-delete",
        "1",
        "--yes",
    ];
    // Exit 1: there are conflicts.
    let outcome = stage.json(1, &reconcile);
    assert_eq!(
        outcome["found"]["create"]["examples"][0]["key"],
        "new-in-dr"
    );
    assert_eq!(
        outcome["found"]["replace"]["examples"][0]["key"],
        "changed-in-dr"
    );
    assert_eq!(
        outcome["found"]["delete"]["examples"][0]["key"],
        "deleted-in-dr"
    );
    assert_eq!(
        outcome["found"]["primary_only"]["examples"][0]["key"],
        "never-replicated"
    );
    assert_eq!(outcome["found"]["conflicts"]["objects"], 2);

    let mut primary = std::collections::BTreeMap::new();
    let page = stage
        .from
        .s3
        .list_objects_v2()
        .bucket(FROM)
        .send()
        .await
        .unwrap();
    for key in page.contents().iter().filter_map(|object| object.key()) {
        let object = stage
            .from
            .s3
            .get_object()
            .bucket(FROM)
            .key(key)
            .send()
            .await
            .unwrap();
        let body = object.body.collect().await.unwrap().to_vec();
        primary.insert(key.to_owned(), String::from_utf8(body).unwrap());
    }
    primary.retain(|key, _| !key.starts_with(".dr-journal/"));
    let expected = [
        ("changed-in-both", "primary"),
        ("changed-in-dr", "dr"),
        ("deleted-and-changed", "primary"),
        ("never-replicated", "never-replicated"),
        ("new-in-dr", "dr"),
        ("same", "same"),
    ];
    let expected = expected.map(|(key, body)| (key.to_owned(), body.to_owned()));
    assert_eq!(primary, expected.into());
}
