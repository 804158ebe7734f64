//! The application's environment: references, and values where they are asked for.

use std::os::unix::fs::PermissionsExt as _;

use crate::hunt::{PASSWORD, TOKEN};
use crate::stage::{Stage, text};

#[tokio::test]
async fn references_need_no_aws_and_hold_no_secret() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    stage.aws.clear_log();
    for format in ["dotenv", "json", "ecs"] {
        let ran = stage.run(&["env", "--format", format]).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(ran.stdout.contains("secretsmanager"), "{ran:?}");
        let ran = stage
            .run(&["env", "--format", format, "--out", "environment"])
            .await;
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""), "{ran:?}");
    }
    assert!(stage.aws.log().is_empty(), "{:?}", stage.aws.log());
}

#[tokio::test]
async fn values_are_written_for_the_owner_alone() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    // A file that others may read becomes one that they may not.
    let file = stage.folder("revealed").join("environment.json");
    std::fs::write(&file, "old").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let arguments = ["env", "--format", "json", "--reveal", "--out", text(&file)];
    let ran = stage.run(&arguments).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""), "{ran:?}");
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let written: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(written["POSTGRES_PASSWORD"], PASSWORD);
    assert_eq!(written["REDIS_PASSWORD"], TOKEN);
    let left = std::fs::read_dir(file.parent().unwrap()).unwrap().count();
    assert_eq!(left, 1, "no temporary file stays");

    let ran = stage.run_revealing(&["env", "--reveal"]).await;
    assert!(ran.stdout.contains("rediss://"), "{ran:?}");
    crate::hunt::assert_clean("standard error", ran.stderr.as_bytes());
}

#[tokio::test]
async fn what_cannot_be_written_leaves_the_old_file() {
    let Some(mut stage) = Stage::open().await else {
        return;
    };
    let file = stage.work().join("environment");
    std::fs::write(&file, "old").unwrap();
    let ran = stage
        .run(&["env", "--format", "ecs", "--reveal", "--out", text(&file)])
        .await;
    assert_eq!(ran.code, Some(2), "{ran:?}");
    let denied = local_aws::Fault::new(local_aws::FaultKind::Denied).service("secretsmanager");
    stage.aws.add_fault(denied);
    let ran = stage.run(&["env", "--reveal", "--out", text(&file)]).await;
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(ran.stderr.contains("access denied"), "{ran:?}");
    stage.outputs.remove("s3_bucket_photos");
    let ran = stage.run(&["env", "--out", text(&file)]).await;
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("s3_bucket_photos"), "{ran:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "old");
}
