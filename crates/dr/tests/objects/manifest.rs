//! What a DR bucket held at the failover, kept where a failback finds it.

use std::path::{Path, PathBuf};

use dr::objects::{
    KeptManifest, ManifestError, PairedBucket, RunId, capture, fetch_manifest, keep_manifest,
};
use jiff::Timestamp;
use local_aws::Moment;
use sha2::{Digest as _, Sha256};

use crate::killed::runs_to_its_end;
use crate::stage::{DR, Stage, pair};

fn run(name: &str) -> RunId {
    name.parse().unwrap()
}

fn journals() -> PairedBucket {
    PairedBucket {
        name: "journals".parse().unwrap(),
        region: DR.parse().unwrap(),
        account: None,
    }
}

impl Stage {
    async fn keep(&self, run: &RunId, path: &Path) -> Result<KeptManifest, ManifestError> {
        let (dr, bucket) = (self.dr_only(), pair().dr);
        keep_manifest(&dr, &bucket, &journals(), run, Timestamp::UNIX_EPOCH, path).await
    }

    /// What lies in the bucket for journals.
    async fn kept(&self) -> Vec<String> {
        let list = self.to.s3.list_objects_v2().bucket("journals");
        let list = list.send().await.unwrap().contents.unwrap_or_default();
        list.into_iter().filter_map(|object| object.key).collect()
    }
}

fn file(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("photos.manifest")
}

async fn written() -> Option<Stage> {
    let stage = Stage::open().await?;
    stage.create(&stage.to, "journals").await;
    for key in ["a", "b/\u{fffe}", "c"] {
        stage.put_destination(key, key.as_bytes()).await;
    }
    Some(stage)
}

#[tokio::test]
async fn capture_tells_the_digest_of_the_file_and_every_version() {
    let Some(stage) = written().await else { return };
    let path = stage.runs.path().join("manifest");
    let summary = capture(&stage.destination, Timestamp::UNIX_EPOCH, &path).await;
    let summary = summary.unwrap();
    let content = std::fs::read(&path).unwrap();
    assert_eq!(summary.sha256, hex::encode(Sha256::digest(&content)));
    assert_eq!(
        (summary.objects, summary.bytes, summary.without_version),
        (3, 7, 0)
    );
    assert_eq!(
        String::from_utf8(content)
            .unwrap()
            .matches("\"version\":")
            .count(),
        3
    );
}

#[tokio::test]
async fn capture_that_is_killed_leaves_no_file_in_the_way() {
    let Some(stage) = written().await else { return };
    let path = stage.runs.path().join("manifest");
    for moment in Moment::ALL {
        let captured = capture(&stage.destination, Timestamp::UNIX_EPOCH, &path);
        assert!(!runs_to_its_end(&stage.aws, (1, moment), captured).await);
        assert!(!path.exists());
    }
    let captured = capture(&stage.destination, Timestamp::UNIX_EPOCH, &path).await;
    assert_eq!(captured.unwrap().objects, 3);
}

#[tokio::test]
async fn keep_that_is_killed_at_any_request_ends_with_one_manifest() {
    let Some(stage) = written().await else { return };
    let mut kills = 0;
    for moment in Moment::ALL {
        for nth in 1.. {
            let run = run(&format!("r-{moment:?}-{nth}"));
            let folder = tempfile::tempdir().unwrap();
            let path = file(&folder);
            let keep = stage.keep(&run, &path);
            let ended = runs_to_its_end(&stage.aws, (nth, moment), keep).await;
            let kept = stage.keep(&run, &path).await.unwrap();
            assert_eq!(kept.summary.objects, 3);
            // On another machine it is the same one, whatever the bucket holds by then.
            stage.put_destination("later", b"x").await;
            let other = tempfile::tempdir().unwrap();
            assert_eq!(stage.keep(&run, &file(&other)).await.unwrap(), kept);
            let (own, others) = (std::fs::read(file(&folder)), std::fs::read(file(&other)));
            assert_eq!(own.unwrap(), others.unwrap());
            stage.delete("later").await;
            if ended {
                break;
            }
            kills += 1;
        }
    }
    println!("{kills} kills");
    assert!(kills >= 8, "{kills}");
}

#[tokio::test]
async fn keep_of_a_machine_that_comes_second_takes_what_lies_there_and_keeps_its_own_beside() {
    let Some(stage) = written().await else { return };
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // It was killed before its own arrived.
    capture(&stage.destination, Timestamp::UNIX_EPOCH, &file(&second))
        .await
        .unwrap();
    let own = std::fs::read(file(&second)).unwrap();
    stage.put_destination("d", b"x").await;
    let kept = stage.keep(&run("r1"), &file(&first)).await.unwrap();
    assert_eq!(kept.summary.objects, 4);
    assert_eq!(stage.keep(&run("r1"), &file(&second)).await.unwrap(), kept);
    let beside = second.path().join("photos.manifest.kept-1");
    assert_eq!(std::fs::read(beside).unwrap(), own);
    assert_eq!(
        stage.kept().await,
        [".dr-journal/r1/manifest-photos-dr.jsonl"]
    );
    assert_eq!(
        kept.url,
        "s3://journals/.dr-journal/r1/manifest-photos-dr.jsonl"
    );
}

#[tokio::test]
async fn fetch_of_a_manifest_that_somebody_has_changed_is_refused() {
    let Some(stage) = written().await else { return };
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let kept = stage.keep(&run("r1"), &file(&here)).await.unwrap();
    let (dr, bucket) = (stage.dr_only(), pair().dr);
    let (journals, run) = (journals(), run("r1"));
    let fetch = |path: PathBuf| {
        let (dr, bucket, journals, run, kept) = (&dr, &bucket, &journals, &run, &kept);
        async move { fetch_manifest(dr, bucket, journals, run, &kept.summary, &path).await }
    };
    fetch(file(&there)).await.unwrap();
    assert_eq!(
        std::fs::read(file(&there)).unwrap(),
        std::fs::read(file(&here)).unwrap()
    );

    let content = std::fs::read_to_string(file(&here)).unwrap();
    let forged = content.replacen("\"size\":1", "\"size\":2", 1);
    let key = ".dr-journal/r1/manifest-photos-dr.jsonl";
    stage
        .put(&stage.to, "journals", key, forged.as_bytes())
        .await;
    std::fs::remove_file(file(&there)).unwrap();
    let refused = fetch(file(&there)).await;
    assert!(
        matches!(refused, Err(ManifestError::Other { .. })),
        "{refused:?}"
    );
    // A run that goes on does not take it either.
    let other = tempfile::tempdir().unwrap();
    let refused = stage.keep(&run, &file(&other)).await;
    assert!(
        matches!(refused, Err(ManifestError::Other { .. })),
        "{refused:?}"
    );
}
