//! RDS as the `aws` command line sees it.

use std::process::{Command, Output};

use local_aws::{LocalAws, REMOVED_VARIABLES};
use serde_json::Value;

use super::{DR, PRIMARY, client, create, created, minutes, skipped, start_or_return, taken};

fn aws_command(aws: &LocalAws, region: &str, arguments: &[&str]) -> Option<Output> {
    let mut command = Command::new("aws");
    for name in REMOVED_VARIABLES {
        command.env_remove(name);
    }
    command
        .env_remove("AWS_CA_BUNDLE")
        .envs(aws.environment())
        // Version 1 does not heed AWS_ENDPOINT_URL for RDS in us-east-1.
        .args(["--endpoint-url", aws.endpoint(), "--region", region])
        .args(["--output", "json", "rds"])
        .args(arguments);
    command.output().ok()
}

/// The answer, or what went wrong.
fn run(aws: &LocalAws, region: &str, arguments: &[&str]) -> Result<Value, String> {
    let output = aws_command(aws, region, arguments).unwrap();
    if output.status.success() {
        Ok(serde_json::from_slice(&output.stdout).unwrap_or(Value::Null))
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

fn installed() -> bool {
    let found = Command::new("aws")
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success());
    if !found {
        skipped("the aws command is not installed");
    }
    found
}

// aws-behaviour: 26
// aws-behaviour: 27
#[tokio::test(flavor = "multi_thread")]
async fn it_copies_by_arn_and_to_a_legal_id_only() {
    let (aws, rds) = start_or_return!();
    if !installed() {
        return;
    }
    let primary = client(&aws, PRIMARY);
    created(&primary, &rds, "app").await;
    let seed = taken(&primary, &rds, "app", "seed").await;
    let arn = seed.db_snapshot_arn().unwrap();
    let copy = |source: &str, target: &str| {
        let arguments = [
            "copy-db-snapshot",
            "--source-db-snapshot-identifier",
            source,
            "--target-db-snapshot-identifier",
            target,
            "--source-region",
            PRIMARY,
        ];
        run(&aws, DR, &arguments)
    };
    let refused = copy("seed", "seed-dr").unwrap_err();
    assert!(refused.contains("(InvalidParameterValue)"), "{refused}");
    let refused = copy(arn, "rds:seed-dr").unwrap_err();
    assert!(refused.contains("(InvalidParameterValue)"), "{refused}");
    let copied = copy(arn, "seed-dr").unwrap();
    assert_eq!(copied["DBSnapshot"]["Status"], "copying");
    assert_eq!(copied["DBSnapshot"]["SourceRegion"], PRIMARY);
    rds.step(minutes(10)).await;
    run(
        &aws,
        DR,
        &[
            "wait",
            "db-snapshot-available",
            "--db-snapshot-identifier",
            "seed-dr",
        ],
    )
    .unwrap();
    let shown = run(&aws, PRIMARY, &["describe-db-instances"]).unwrap();
    let shown = &shown["DBInstances"][0];
    assert_eq!(shown["DBInstanceStatus"], "available");
    assert_eq!(shown["Endpoint"]["Port"], 5432);
    assert_eq!(
        shown["DBSubnetGroup"]["Subnets"].as_array().unwrap().len(),
        3
    );
    assert_eq!(shown["StorageEncrypted"], false);
}

// aws-behaviour: 28
#[tokio::test(flavor = "multi_thread")]
async fn it_is_refused_an_encrypted_copy_without_a_key() {
    let (aws, rds) = start_or_return!();
    if !installed() {
        return;
    }
    let primary = client(&aws, PRIMARY);
    create(&primary, "app")
        .storage_encrypted(true)
        .send()
        .await
        .unwrap();
    rds.step(minutes(5)).await;
    let seed = taken(&primary, &rds, "app", "seed").await;
    let refused = run(
        &aws,
        DR,
        &[
            "copy-db-snapshot",
            "--source-db-snapshot-identifier",
            seed.db_snapshot_arn().unwrap(),
            "--target-db-snapshot-identifier",
            "seed-dr",
        ],
    )
    .unwrap_err();
    assert!(refused.contains("KmsKeyId"), "{refused}");
}
