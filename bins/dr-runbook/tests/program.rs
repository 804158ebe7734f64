//! The program: what it refuses, and what it asks.
#![expect(clippy::unwrap_used, reason = "a check that fails ends its test")]

use std::process::Output;

use aws_credential_types::Credentials;
use aws_env::{AwsEnv, Options};
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use local_aws::{LocalAws, REMOVED_VARIABLES, RegionState};
use tempfile::TempDir;

const SETTINGS: &str = r#"
project = "berthcare"
environment = "staging"
regions = { primary = "ca-central-1", dr = "ca-west-1" }
[state]
bucket = "bc-state"
key = "staging/terraform.tfstate"
locking = ["s3"]
[state.dr]
bucket = "bc-state-dr"
role = "replicate-state"
"#;

struct Stage {
    aws: LocalAws,
    folder: TempDir,
}

impl Stage {
    /// An environment of one state bucket, whose primary region is lost.
    async fn open() -> Option<Self> {
        let mut builder = LocalAws::builder();
        if let Some(path) = std::env::var_os("LOCAL_AWS_CACHE") {
            builder = builder.cache_dir(path);
        }
        let aws = builder.start_or_skip().await.unwrap()?;
        let env = AwsEnv::load(Options {
            endpoint_url: Some(aws.endpoint().to_owned()),
            credentials: Some(Credentials::new("test", "test", None, None, "tests")),
            ..Options::default()
        });
        let dr = env.await.unwrap().region("ca-west-1".parse().unwrap());
        let location = BucketLocationConstraint::from("ca-west-1");
        let location = CreateBucketConfiguration::builder().location_constraint(location);
        let create = dr.s3.create_bucket().bucket("bc-state-dr");
        let create = create.create_bucket_configuration(location.build());
        create.send().await.unwrap();
        aws.set_region("ca-central-1", RegionState::Refuse);
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("infra.toml"), SETTINGS).unwrap();
        Some(Self { aws, folder })
    }

    /// Runs the program, which has no terminal to ask on, and checks how it ends.
    async fn run(&self, arguments: &[&str], code: i32) -> (String, String) {
        let mut command = assert_cmd::Command::cargo_bin("dr-runbook").unwrap();
        for name in REMOVED_VARIABLES.iter().copied().chain(["INFRA_CONFIG"]) {
            command.env_remove(name);
        }
        command
            .args(arguments)
            .envs(self.aws.environment())
            .env("XDG_STATE_HOME", self.folder.path().join("state"))
            .current_dir(self.folder.path());
        let ended = tokio::task::spawn_blocking(move || command.output().unwrap());
        let Output {
            status,
            stdout,
            stderr,
        } = ended.await.unwrap();
        let (stdout, stderr) = (
            String::from_utf8(stdout).unwrap(),
            String::from_utf8(stderr).unwrap(),
        );
        assert_eq!(
            status.code(),
            Some(code),
            "{arguments:?}\n{stdout}\n{stderr}"
        );
        (stdout, stderr)
    }
}

macro_rules! stage {
    () => {
        match Stage::open().await {
            Some(stage) => stage,
            None => return,
        }
    };
}

#[tokio::test(flavor = "multi_thread")]
async fn failover_is_refused_where_nothing_is_lost_or_the_dr_region_is() {
    let stage = stage!();
    let lost = ["failover", "--window", "0s", "--yes", "--lost"];
    let (_, told) = stage.run(&[&lost[..], &["ca-west-1"]].concat(), 4).await;
    assert!(
        told.contains("ca-west-1 is to take over and was named as lost"),
        "{told}"
    );
    let (_, told) = stage.run(&[&lost[..], &["us-east-1"]].concat(), 2).await;
    assert!(told.contains("is not among the lost regions"), "{told}");
    stage.aws.set_region("ca-central-1", RegionState::Up);
    let (_, told) = stage.run(&["failover", "--window", "0s", "--yes"], 4).await;
    assert!(
        told.contains("ca-central-1 answers: it is not lost"),
        "{told}"
    );
    stage.aws.set_region("ca-west-1", RegionState::Refuse);
    stage.run(&["failover", "--window", "0s", "--yes"], 3).await;
    stage.aws.set_region("ca-west-1", RegionState::Up);
    let (told, _) = stage.run(&["runs", "list"], 0).await;
    assert!(told.contains("There are none."), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn yes_answers_no_step_and_another_terminal_does() {
    let stage = stage!();
    let each = ["failover", "--window", "0s", "--approve", "each", "--yes"];
    let (_, told) = stage.run(&each, 4).await;
    assert!(told.contains("agrees to declare"), "{told}");
    // Another failover, meanwhile.
    let (_, told) = stage.run(&["failover", "--window", "0s", "--yes"], 4).await;
    assert!(told.contains("is not over"), "{told}");
    let (told, _) = stage.run(&["runs", "list"], 0).await;
    let run = told
        .lines()
        .find_map(|line| line.split_whitespace().find(|word| word.starts_with("20")));
    let run = run.unwrap().to_owned();
    stage
        .run(&["runs", "approve", &run, "nothing", "--by", "Kim"], 4)
        .await;
    stage
        .run(&["runs", "approve", &run, "declare", "--by", "Kim"], 0)
        .await;
    let (told, _) = stage.run(&["runs", "resume", "--approve", "each"], 4).await;
    assert!(told.contains(" declare "), "{told}");
    stage
        .run(
            &[
                "runs",
                "resume",
                "--approve",
                "auto",
                "--skip",
                "nothing",
                "--reason",
                "x",
            ],
            2,
        )
        .await;
    let (told, _) = stage.run(&["runs", "resume", "--approve", "auto"], 0).await;
    assert!(told.contains("finished"), "{told}");
    // It is there already.
    let (_, told) = stage.run(&["failover", "--window", "0s", "--yes"], 4).await;
    assert!(
        told.contains("the environment is failed over to ca-west-1 already"),
        "{told}"
    );
    stage.run(&["runs", "resume"], 4).await;
    std::fs::write(
        stage.folder.path().join("infra.toml"),
        format!("{SETTINGS}\n[objectives]\nrto = \"1h\"\n"),
    )
    .unwrap();
    stage
        .run(
            &[
                "runs", "abandon", &run, "--by", "Kim", "--reason", "x", "--yes",
            ],
            4,
        )
        .await;
}
