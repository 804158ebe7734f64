//! The scripts that are usually written for this, by the `aws` command, and the program in the same state.

use local_aws::RdsData;
use serde_json::Value;

use crate::stage::{DR, ID, PRIMARY, Stage, TARGET};

/// Standard output, or standard error of a command that failed.
async fn aws(stage: &Stage, arguments: &[&str]) -> Result<String, String> {
    // Older versions do not read AWS_ENDPOINT_URL.
    let endpoint = ["--endpoint-url", stage.aws.endpoint(), "rds"];
    let arguments = [&endpoint[..], arguments].concat();
    let output = stage.output("aws", &arguments).await;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stderr))
    }
}

#[expect(clippy::print_stderr, reason = "a test that cannot run says so")]
fn aws_is_missing(stage: &Stage) -> bool {
    let found = stage.command("aws", &["--version"]).output();
    let missing = !found.is_ok_and(|output| output.status.success());
    if missing {
        eprintln!("skipped: the aws command is not installed");
    }
    missing
}

// aws-behaviour: 26
// aws-behaviour: 27
// aws-behaviour: 28
#[tokio::test]
async fn snapshots_copy_where_the_scripts_fail_copies() {
    let Some(stage) = Stage::open(RdsData::Off, true).await else {
        return;
    };
    if aws_is_missing(&stage) {
        return;
    }
    let latest = async |field: &str, region: &str, more: &[&str]| {
        let query = format!("DBSnapshots | sort_by(@, &SnapshotCreateTime)[-1].{field}");
        let arguments = [
            "describe-db-snapshots",
            "--db-instance-identifier",
            ID,
            "--query",
            &query,
            "--output",
            "text",
            "--region",
            region,
        ];
        aws(&stage, &[&arguments[..], more].concat()).await.unwrap()
    };
    let id = latest(
        "DBSnapshotIdentifier",
        PRIMARY,
        &["--snapshot-type", "automated"],
    )
    .await;
    let arn = latest("DBSnapshotArn", PRIMARY, &[]).await;
    assert!(id.starts_with("rds:") && arn.ends_with(&id), "{id} {arn}");
    let copy = async |source: &str, target: &str| {
        let arguments = [
            "copy-db-snapshot",
            "--source-db-snapshot-identifier",
            source,
            "--target-db-snapshot-identifier",
            target,
            "--source-region",
            PRIMARY,
            "--region",
            DR,
        ];
        aws(&stage, &arguments).await
    };
    // As the script has it; then each defect alone.
    copy(&id, &format!("{id}-dr")).await.unwrap_err();
    let by_identifier = copy(&id, "seed").await.unwrap_err();
    assert!(
        by_identifier.contains("Invalid snapshot identifier"),
        "{by_identifier}"
    );
    let with_colon = copy(&arn, &format!("{id}-dr")).await.unwrap_err();
    assert!(
        with_colon.contains("TargetDBSnapshotIdentifier"),
        "{with_colon}"
    );
    let without_key = copy(&arn, &format!("{TARGET}-seed")).await.unwrap_err();
    assert!(without_key.contains("KmsKeyId"), "{without_key}");

    let done = stage
        .json(0, &["snapshots", "copy", "--yes", "--poll", "50ms"])
        .await;
    let copied = &done["databases"][0]["done"]["snapshots"][0];
    assert_eq!(
        (&copied["source"], &copied["outcome"]),
        (&Value::from(id), &"copied".into())
    );
    let there = stage.to.describe_db_snapshots().send().await.unwrap();
    let [there] = there.db_snapshots() else {
        panic!("{there:?}")
    };
    assert_eq!(there.status(), Some("available"));
    assert_eq!(there.source_db_snapshot_identifier(), Some(arn.as_str()));
    let key = there.kms_key_id().unwrap();
    assert!(there.encrypted() == Some(true) && key.contains(DR), "{key}");
}

// aws-behaviour: 7
#[tokio::test]
async fn restore_of_stale_data_is_silent_by_the_script_and_not_by_the_program() {
    let Some(stage) = Stage::open(RdsData::Off, false).await else {
        return;
    };
    if aws_is_missing(&stage) {
        return;
    }
    let seed = format!("{TARGET}-seed");
    let old = stage.take("yesterday").await;
    let arguments = ["copy-db-snapshot", "--source-db-snapshot-identifier", &old];
    let target = [
        "--target-db-snapshot-identifier",
        &seed,
        "--source-region",
        PRIMARY,
    ];
    aws(
        &stage,
        &[&arguments[..], &target, &["--region", DR]].concat(),
    )
    .await
    .unwrap();
    stage.rds.step(crate::stage::minutes(11)).await;
    let fresh = stage.take("today").await;
    // "if ! aws rds describe-db-snapshots …": it is there, so the script copies nothing.
    let describe = [
        "describe-db-snapshots",
        "--db-snapshot-identifier",
        &seed,
        "--region",
        DR,
    ];
    aws(&stage, &describe).await.unwrap();
    let done = stage
        .json(0, &["snapshots", "copy", "--yes", "--poll", "50ms"])
        .await;
    let copied = &done["databases"][0]["done"]["snapshots"][0];
    assert_eq!(
        (&copied["source"], &copied["outcome"]),
        (&"today".into(), &"copied".into())
    );
    let found = stage.json(0, &["recovery-points"]).await;
    assert_eq!(found["databases"][0]["points"][0]["id"], copied["target"]);
    assert_eq!(found["databases"][0]["points"][1]["id"], Value::from(seed));
    assert!(fresh.ends_with("today"));
}
