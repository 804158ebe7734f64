//! Which region the environment is in: the mark of a failover says it, and the outputs have to be of that side.

use local_aws::{Fault, FaultKind, RegionState};
use serde_json::json;

use crate::stage::{BUCKETS, Ran, Stage};

const PRIMARY: &str = "ca-central-1";
const DR: &str = "us-east-1";
const RECORDS: &str = "berthcare-terraform-state-dr";
const MARK: &str = ".dr-runs/berthcare-staging/failed-over.json";

impl Stage {
    /// The bucket of records, with a mark in it.
    async fn mark(&self, failed_over: bool, dr: &str) {
        let s3 = self.env.region(DR.parse().unwrap()).s3;
        // Made by an earlier mark, or now.
        let _ = s3.create_bucket().bucket(RECORDS).send().await;
        let mark = json!({"failed_over": failed_over, "run": "20261129T120000Z-0123456789abcdef", "epoch": 3,
            "primary": PRIMARY, "dr": dr, "declared": "2026-11-29T12:00:00Z"});
        let put = s3.put_object().bucket(RECORDS).key(MARK);
        let put = put.body(mark.to_string().into_bytes().into());
        put.send().await.unwrap();
    }

    /// What terraform says of the DR environment.
    fn outputs_of_dr(&mut self) {
        for (name, secret) in [
            ("db_credentials_secret_arn", "database-application"),
            ("redis_credentials_secret_arn", "redis"),
        ] {
            let arn = format!("arn:aws:secretsmanager:{DR}:000000000000:secret:{secret}-AbCdEf");
            self.output(name, arn);
        }
        self.output("db_address", format!("db.x1.{DR}.rds.amazonaws.com"));
        for (output, bucket) in BUCKETS {
            self.output(output, format!("{bucket}-dr"));
        }
    }

    /// The primary region is gone, and nothing was asked yet.
    fn lose_primary(&self) {
        self.aws.set_region(PRIMARY, RegionState::Refuse);
        self.aws.clear_log();
    }

    #[track_caller]
    fn assert_not_asked(&self, region: &str, ran: &Ran) {
        let log = self.aws.log();
        let asked = log
            .iter()
            .filter(|call| call.region.as_deref() == Some(region));
        let asked: Vec<_> = asked.collect();
        assert!(asked.is_empty(), "{asked:?}\n{ran:?}");
    }
}

#[tokio::test]
async fn env_after_a_failover_is_of_the_dr_region() {
    let Some(mut stage) = Stage::open().await else {
        return;
    };
    stage.mark(true, DR).await;
    stage.outputs_of_dr();
    stage.lose_primary();
    // As it is written for whoever fails over, who may have it run as a hook.
    let guide = include_str!("../../../../docs/runbooks/failover.md");
    let command = guide
        .lines()
        .find_map(|line| line.trim().strip_prefix("verify-staging env "));
    let command: Vec<&str> = command.unwrap().split(' ').collect();
    let ran = stage.run(&[&["env"][..], &command].concat()).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""), "{ran:?}");
    let file = stage.work().join(command.last().unwrap());
    let written = std::fs::read_to_string(&file).unwrap();
    for line in [
        "AWS_REGION=us-east-1\n",
        "POSTGRES_HOST=db.x1.us-east-1.rds.amazonaws.com\n",
    ] {
        assert!(written.contains(line), "{written}");
    }
    let mode = std::fs::metadata(&file).unwrap().permissions();
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777,
        0o600
    );
    stage.assert_not_asked(PRIMARY, &ran);
}

#[tokio::test]
async fn probe_after_a_failover_asks_the_dr_region_alone() {
    let Some(mut stage) = Stage::open().await else {
        return;
    };
    let s3 = stage.env.region(DR.parse().unwrap()).s3;
    for (_, bucket) in BUCKETS {
        let made = s3.create_bucket().bucket(format!("{bucket}-dr"));
        made.send().await.unwrap();
    }
    stage.mark(true, DR).await;
    stage.outputs_of_dr();
    stage.lose_primary();
    let ran = stage
        .run(&["probe", "--only", "buckets", "--output", "json"])
        .await;
    let read = ran.found("bucket-get");
    assert_eq!(read.len(), 4, "{ran:?}");
    assert!(read.iter().all(|(status, _)| status == "ok"), "{ran:?}");
    stage.assert_not_asked(PRIMARY, &ran);
}

#[tokio::test]
async fn no_command_asks_a_lost_region_after_a_failover() {
    let Some(mut stage) = Stage::open().await else {
        return;
    };
    stage.mark(true, DR).await;
    stage.outputs_of_dr();
    stage.lose_primary();
    // Troubles of the state, of names, keys, credentials and regions, all in one log.
    let log = "Error acquiring the state lock\nstate data in S3 does not have the expected content\n\
               InvalidClientTokenId\nBucketAlreadyExists: creating S3 Bucket (berthcare-photos-staging)\n\
               KMSKeyNotAccessibleFault\nThrottling: Rate exceeded\nOptInRequired\n";
    for command in [
        vec!["check"],
        vec!["maintenance", "quarterly"],
        vec!["doctor", log],
    ] {
        stage.aws.clear_log();
        let ran = stage.run(&command).await;
        assert!(matches!(ran.code, Some(1 | 3)), "{command:?} {ran:?}");
        stage.assert_not_asked(PRIMARY, &ran);
        let asked = stage.aws.log();
        assert!(asked.len() > 1, "{command:?} {ran:?}");
    }
}

#[tokio::test]
async fn outputs_of_the_other_side_are_refused() {
    let Some(mut stage) = Stage::open().await else {
        return;
    };
    let commands: [&[&str]; 6] = [
        &["env"],
        &["probe", "--only", "buckets"],
        &["check"],
        &["capture"],
        &["maintenance", "weekly"],
        &["doctor", "Throttling: Rate exceeded"],
    ];
    stage.mark(true, DR).await;
    for command in commands {
        let ran = stage.run(command).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(4), ""), "{ran:?}");
        for part in [PRIMARY, DR, "db_credentials_secret_arn"] {
            assert!(ran.stderr.contains(part), "{part} {ran:?}");
        }
    }
    stage.mark(false, DR).await;
    stage.outputs_of_dr();
    for command in commands {
        let ran = stage.run(command).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(4), ""), "{ran:?}");
    }
}

#[tokio::test]
async fn a_mark_that_cannot_be_read_makes_the_side_unknown() {
    let Some(mut stage) = Stage::open().await else {
        return;
    };
    stage.mark(true, DR).await;
    stage.outputs_of_dr();
    let denied = Fault::new(FaultKind::Denied).operation("GetObject");
    stage.aws.add_fault(denied);
    let ran = stage.run(&["env"]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(3), ""), "{ran:?}");
    for part in [MARK, "--side"] {
        assert!(ran.stderr.contains(part), "{part} {ran:?}");
    }
    stage.aws.clear_faults();
    // A region that nobody has.
    stage.mark(true, "ca-west-1").await;
    let ran = stage.run(&["env"]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(4), ""), "{ran:?}");
    assert!(ran.stderr.contains("ca-west-1"), "{ran:?}");
    stage.aws.set_region(DR, RegionState::Refuse);
    let ran = stage.run(&["env"]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(3), ""), "{ran:?}");
    // Who knows it says so, and nobody is asked.
    stage.aws.clear_log();
    let ran = stage.run(&["env", "--side", "dr"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains("AWS_REGION=us-east-1\n"), "{ran:?}");
    let ran = stage.run(&["env", "--side", "primary"]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(4), ""), "{ran:?}");
    assert!(stage.aws.log().is_empty(), "{:?}", stage.aws.log());
}

/// Terraform's state of the primary environment lies in the lost region.
#[tokio::test]
async fn terraform_is_asked_in_the_folder_of_the_side() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    stage.mark(true, DR).await;
    let asked = stage.run_alone(&["env"]).await;
    assert_eq!(asked.code, Some(2), "{asked:?}");
    let of_settings = "examples/berthcare-staging/../../terraform/environments/dr";
    assert!(asked.stderr.contains(of_settings), "{asked:?}");
    let asked = stage.run_alone(&["env", "--side", "primary"]).await;
    assert_eq!(asked.code, Some(2), "{asked:?}");
    let usual = "terraform in terraform/environments/staging";
    assert!(asked.stderr.contains(usual), "{asked:?}");
}

#[tokio::test]
async fn capture_that_asks_nothing_is_of_the_side_of_its_outputs() {
    let Some(mut stage) = Stage::open().await else {
        return;
    };
    stage.aws.clear_log();
    stage.outputs_of_dr();
    for (arguments, code) in [
        (vec!["capture", "--no-check"], 0),
        (vec!["capture", "--no-check", "--side", "dr"], 0),
        (vec!["capture", "--no-check", "--side", "primary"], 4),
    ] {
        let ran = stage.run(&arguments).await;
        assert_eq!(ran.code, Some(code), "{arguments:?} {ran:?}");
    }
    let folder = stage.work().join("docs/infra-verification");
    let captures = std::fs::read_dir(folder).unwrap().flatten();
    let texts = captures.filter_map(|file| std::fs::read_to_string(file.path()).ok());
    assert_eq!(
        texts
            .filter(|text| text.contains("\"region\": \"us-east-1\""))
            .count(),
        2
    );
    assert!(stage.aws.log().is_empty(), "{:?}", stage.aws.log());
}
