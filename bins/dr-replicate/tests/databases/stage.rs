//! The example's database in its region, and the program.

use std::process::{Command, Output};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_env::{AwsEnv, Options};
use local_aws::{LocalAws, REMOVED_VARIABLES, Rds, RdsData, RdsOptions};
use serde_json::Value;

pub(crate) const PRIMARY: &str = "ca-central-1";
pub(crate) const DR: &str = "us-east-1";
pub(crate) const ID: &str = "berthcare-staging-postgres";
pub(crate) const TARGET: &str = "berthcare-staging-postgres-dr";
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_dr-replicate");
pub(crate) const PASSWORD: &str = "correct-horse";
const EXAMPLE: &str = include_str!("../../../../examples/berthcare-staging/infra.toml");

pub(crate) struct Stage {
    pub(crate) aws: LocalAws,
    pub(crate) rds: Rds,
    pub(crate) from: aws_sdk_rds::Client,
    pub(crate) to: aws_sdk_rds::Client,
    /// Of the DR region.
    pub(crate) kms: aws_sdk_kms::Client,
    folder: tempfile::TempDir,
}

pub(crate) fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

/// What environments make for an instance.
async fn make_groups(rds: &aws_sdk_rds::Client, name: &str, version: &str) {
    let subnets = rds.create_db_subnet_group().db_subnet_group_name(name);
    let subnets = subnets.db_subnet_group_description("private");
    let subnets = subnets
        .subnet_ids("subnet-00000001")
        .subnet_ids("subnet-00000002");
    subnets.send().await.unwrap();
    let major = version.split('.').next().unwrap();
    let parameters = rds.create_db_parameter_group().description("parameters");
    let parameters = parameters.db_parameter_group_name(format!("{name}-pg15"));
    let parameters = parameters.db_parameter_group_family(format!("postgres{major}"));
    parameters.send().await.unwrap();
}

impl Stage {
    /// The instance, available; with a key of each region if `encrypted`. The clock stands still until it is
    /// stepped, or until [`Stage::run`] waits for the program.
    pub(crate) async fn open(data: RdsData, encrypted: bool) -> Option<Self> {
        let builder = LocalAws::builder().rds(RdsOptions {
            clock: local_aws::RdsClock::Stepped,
            data,
            ..RdsOptions::default()
        });
        let aws = builder.start_or_skip().await.unwrap()?;
        let env = AwsEnv::load(Options {
            endpoint_url: Some(aws.endpoint().to_owned()),
            credentials: Some(Credentials::new("test", "test", None, None, "tests")),
            ..Options::default()
        })
        .await
        .unwrap();
        let access = |region: &str| env.access(region.parse().unwrap());
        let key = async |region: &str| {
            let kms = aws_env::client!(aws_sdk_kms, &access(region));
            let key = kms.create_key().send().await.unwrap();
            key.key_metadata().unwrap().arn().unwrap().to_owned()
        };
        let stage = Self {
            rds: aws.rds().unwrap().clone(),
            from: aws_env::client!(aws_sdk_rds, &access(PRIMARY)),
            to: aws_env::client!(aws_sdk_rds, &access(DR)),
            kms: aws_env::client!(aws_sdk_kms, &access(DR)),
            folder: tempfile::tempdir().unwrap(),
            aws,
        };
        // Rows are read with the password that the source had.
        let mut settings = EXAMPLE.replace("managed_password = true\n", "");
        // The security group that each region of the local AWS has.
        for group in ["sg-0a1b2c3d4e5f60718", "sg-0f1e2d3c4b5a69788"] {
            assert!(settings.contains(group));
            settings = settings.replace(group, "sg-00000001");
        }
        // No automated snapshot comes in the middle of a test, whatever the time.
        let window = stage.rds.now() + Duration::from_secs(12 * 3_600);
        let mut create = stage
            .from
            .create_db_instance()
            .db_instance_identifier(ID)
            .engine("postgres")
            .db_instance_class("db.t4g.medium")
            .allocated_storage(20)
            .master_username("app")
            .master_user_password(PASSWORD)
            .db_name("staging")
            .preferred_backup_window(window.strftime("%H:00-%H:30").to_string())
            .backup_retention_period(7);
        if encrypted {
            create = create
                .storage_encrypted(true)
                .kms_key_id(key(PRIMARY).await);
            let line = format!("kms = {:?}\nretention_days = 7", key(DR).await);
            assert!(settings.contains("\nretention_days = 7"));
            settings = settings.replacen("retention_days = 7", &line, 1);
        }
        std::fs::write(stage.folder.path().join("infra.toml"), settings).unwrap();
        create.send().await.unwrap();
        stage.rds.step(minutes(6)).await;
        let made = stage.from.describe_db_instances().send().await.unwrap();
        let version = made.db_instances()[0].engine_version().unwrap().to_owned();
        make_groups(&stage.to, TARGET, &version).await;
        make_groups(&stage.from, ID, &version).await;
        Some(stage)
    }

    /// Adds to the settings.
    pub(crate) fn add_settings(&self, text: &str) {
        let path = self.folder.path().join("infra.toml");
        let settings = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, format!("{settings}\n{text}")).unwrap();
    }

    /// Replaces a text wherever the settings have it.
    pub(crate) fn replace_settings(&self, from: &str, to: &str) {
        let path = self.folder.path().join("infra.toml");
        let settings = std::fs::read_to_string(&path).unwrap();
        assert!(settings.contains(from));
        std::fs::write(path, settings.replace(from, to)).unwrap();
    }

    /// Drops what lies from the last `from` on until the next `until`.
    pub(crate) fn drop_settings(&self, from: &str, until: &str) {
        let path = self.folder.path().join("infra.toml");
        let settings = std::fs::read_to_string(&path).unwrap();
        let (before, rest) = settings.rsplit_once(from).unwrap();
        let (_, after) = rest.split_once(until).unwrap();
        // What stands before the table is kept; comments may stand within it.
        std::fs::write(path, format!("{before}{until}{after}")).unwrap();
    }

    /// A manual snapshot, available; its ARN.
    pub(crate) async fn take(&self, id: &str) -> String {
        let create = self.from.create_db_snapshot().db_instance_identifier(ID);
        let made = create.db_snapshot_identifier(id).send().await.unwrap();
        self.rds.step(minutes(3)).await;
        made.db_snapshot()
            .unwrap()
            .db_snapshot_arn()
            .unwrap()
            .to_owned()
    }

    /// The program or another one, in the test's environment.
    pub(crate) fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        for name in REMOVED_VARIABLES.iter().chain(&["AWS_CA_BUNDLE"]) {
            command.env_remove(name);
        }
        command
            .envs(self.aws.environment())
            .env("INFRA_CONFIG", self.folder.path().join("infra.toml"))
            .current_dir(self.folder.path())
            .args(arguments);
        command
    }

    /// Runs a command to its end while time stands still.
    pub(crate) async fn output(&self, program: &str, arguments: &[&str]) -> Output {
        let mut command = self.command(program, arguments);
        // The local AWS answers on this thread.
        let running = tokio::task::spawn_blocking(move || command.output().unwrap());
        running.await.unwrap()
    }

    /// Runs the program to its end; each of its requests to RDS takes a simulated minute.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(PROGRAM, arguments);
        let running = tokio::task::spawn_blocking(move || command.output().unwrap());
        let mut seen = self.requests();
        while !running.is_finished() {
            let now = self.requests();
            if now > seen {
                seen = now;
                self.rds.step(minutes(1)).await;
            }
            tokio::task::yield_now().await;
        }
        running.await.unwrap()
    }

    fn requests(&self) -> usize {
        let log = self.aws.log();
        log.iter().filter(|entry| entry.service == "rds").count()
    }

    /// Its JSON, when it ends with `exit`.
    pub(crate) async fn json(&self, exit: i32, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--output", "json"]].concat()).await;
        assert_eq!(output.status.code(), Some(exit), "{output:?}");
        let text = String::from_utf8_lossy(&output.stdout);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// Its standard error, when it ends with `exit`.
    pub(crate) async fn stderr(&self, exit: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        assert_eq!(output.status.code(), Some(exit), "{output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    pub(crate) fn calls(&self, operation: &str) -> usize {
        let log = self.aws.log();
        log.iter()
            .filter(|entry| entry.operation == operation)
            .count()
    }
}
