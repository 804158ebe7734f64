//! A local AWS, a configuration, and the program.

use std::path::PathBuf;
use std::process::{Command, Output};

use aws_env::{AwsEnv, GlobalClients, Options, RegionClients};
use local_aws::{LocalAws, REMOVED_VARIABLES};
use serde_json::Value;

pub(crate) const PRIMARY: &str = "ca-central-1";
pub(crate) const DR: &str = "us-east-1";

/// The example's configuration, with whatever a test changes in it.
pub(crate) const EXAMPLE: &str = include_str!("../../../../examples/berthcare-staging/infra.toml");

pub(crate) struct Stage {
    pub(crate) aws: LocalAws,
    folder: tempfile::TempDir,
}

impl Stage {
    /// `None` where this machine cannot run a local AWS; the reason has been printed.
    pub(crate) async fn open() -> Option<Self> {
        Self::with(EXAMPLE).await
    }

    pub(crate) async fn with(config: &str) -> Option<Self> {
        let aws = LocalAws::start_or_skip()
            .await
            .expect("the local AWS starts")?;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let stage = Self { aws, folder };
        stage.configure(config);
        Some(stage)
    }

    pub(crate) fn configure(&self, config: &str) {
        std::fs::write(self.config(), config).expect("the configuration is written");
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn config(&self) -> PathBuf {
        self.path("infra.toml")
    }

    /// The program with its environment, ready to run.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_init-backend"));
        for name in REMOVED_VARIABLES {
            command.env_remove(name);
        }
        command
            .envs(self.aws.environment())
            .env("INFRA_CONFIG", self.config())
            .env("XDG_STATE_HOME", self.folder.path().join("state"))
            .current_dir(self.folder.path())
            .args(arguments);
        command
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, |_| {}).await
    }

    pub(crate) async fn run_with(
        &self,
        arguments: &[&str],
        change: impl FnOnce(&mut Command),
    ) -> Ran {
        let mut command = self.command(arguments);
        change(&mut command);
        let shown = format!("{arguments:?}");
        let output = tokio::task::spawn_blocking(move || command.output())
            .await
            .expect("joined")
            .expect("the program starts");
        Ran { shown, output }
    }

    pub(crate) async fn apply(&self) -> Ran {
        self.run(&["apply", "--yes", "--output", "json"]).await
    }

    /// Clients of their own, to look past the program.
    pub(crate) async fn clients(&self, region: &str) -> RegionClients {
        self.clients_of("test", region).await
    }

    /// Clients with an access key of their own; twelve digits are another account.
    pub(crate) async fn clients_of(&self, key: &str, region: &str) -> RegionClients {
        let env = self.env_of(key).await;
        env.region(region.parse().expect("a region"))
    }

    /// IAM, to look past the program.
    pub(crate) async fn iam(&self) -> aws_sdk_iam::Client {
        let env = self.env_of("test").await;
        GlobalClients::new(&env.global(PRIMARY.parse().expect("a region"))).iam
    }

    async fn env_of(&self, key: &str) -> AwsEnv {
        AwsEnv::load(Options {
            endpoint_url: Some(self.aws.endpoint().to_owned()),
            credentials: Some(aws_credential_types::Credentials::new(
                key, "test", None, None, "test",
            )),
            ..Options::default()
        })
        .await
        .expect("an environment")
    }

    /// Requests that could have changed something since the log was cleared.
    pub(crate) fn mutations(&self) -> Vec<String> {
        self.aws
            .log()
            .into_iter()
            .filter(local_aws::LogEntry::is_mutation)
            .map(|entry| {
                format!(
                    "{} {:?} {:?}",
                    entry.operation, entry.region, entry.resource
                )
            })
            .collect()
    }
}

/// What a run of the program left.
pub(crate) struct Ran {
    shown: String,
    output: Output,
}

impl Ran {
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(
            self.output.status.code(),
            Some(code),
            "{}\n--- stdout\n{}\n--- stderr\n{}",
            self.shown,
            self.stdout(),
            self.stderr()
        );
        self
    }

    pub(crate) fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout())
            .unwrap_or_else(|error| panic!("{error}: {}\n{}", self.stdout(), self.stderr()))
    }
}
