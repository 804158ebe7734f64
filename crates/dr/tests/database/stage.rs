//! An instance in one region, and what is done with it in the other.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_env::{AwsEnv, Options, WaiterConfig};
use aws_sdk_rds::types::DbSnapshot;
use dr::database::{
    AsOf, Copied, CopyOptions, CopyOutcome, Instance, RdsClients, RecoveryPoints, Refusal,
    RestoreError, RestorePlan, RestoreRequest, Restored, Snapshot, copy, plan_copies, plan_restore,
    recovery_points, restore,
};
use jiff::{SignedDuration, Timestamp};
use local_aws::{LocalAws, LogEntry, Rds, RdsClock, RdsOptions};
use report::Silent;
use settings::{CopiesKept, Database, Objectives, Region, RestoreAs, RestoreOptions, Tags};

pub(crate) const PRIMARY: &str = "ca-central-1";
pub(crate) const DR: &str = "us-east-1";
pub(crate) const ID: &str = "app";
pub(crate) const TARGET: &str = "app-dr";

/// A minute passes with each look; the deadline is no part of any test.
pub(crate) const WAITER: WaiterConfig =
    WaiterConfig::every(Duration::from_millis(20), Duration::from_secs(3600));
/// One look and no wait: what a killed run has done.
pub(crate) const NONE: WaiterConfig = WaiterConfig::every(Duration::ZERO, Duration::ZERO);

pub(crate) struct Stage {
    pub(crate) aws: LocalAws,
    pub(crate) rds: Rds,
    pub(crate) env: AwsEnv,
    pub(crate) primary: RdsClients,
    pub(crate) dr: RdsClients,
    pub(crate) from: aws_sdk_rds::Client,
    pub(crate) to: aws_sdk_rds::Client,
    pub(crate) kms: aws_sdk_kms::Client,
    pub(crate) database: Database,
    pub(crate) quota: Option<usize>,
}

macro_rules! stage {
    () => {
        match crate::stage::Stage::open(false).await {
            Some(stage) => stage,
            None => return,
        }
    };
    (encrypted) => {
        match crate::stage::Stage::open(true).await {
            Some(stage) => stage,
            None => return,
        }
    };
}
pub(crate) use stage;

pub(crate) fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

impl Stage {
    /// An instance that is available in the primary region, and groups for a restore in the other.
    pub(crate) async fn open(encrypted: bool) -> Option<Self> {
        // Time that passes by itself would be at another point of each test on each machine.
        let clock = RdsClock::Asked { seconds: 60 };
        let builder = LocalAws::builder().rds(RdsOptions {
            clock,
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
        let region = |name: &str| name.parse::<Region>().unwrap();
        let access = env.access(region(DR));
        let mut stage = Self {
            rds: aws.rds().unwrap().clone(),
            primary: RdsClients::new(&env.access(region(PRIMARY))),
            dr: RdsClients::new(&env.access(region(DR))),
            from: aws_env::client!(aws_sdk_rds, &env.access(region(PRIMARY))),
            to: aws_env::client!(aws_sdk_rds, &access),
            kms: aws_env::client!(aws_sdk_kms, &access),
            database: database(),
            quota: None,
            aws,
            env,
        };
        let mut create = stage
            .from
            .create_db_instance()
            .db_instance_identifier(ID)
            .engine("postgres")
            .db_instance_class("db.t4g.medium")
            .allocated_storage(20)
            .master_username("app")
            .master_user_password("correct-horse")
            .backup_retention_period(7)
            .preferred_backup_window(quiet_window(stage.rds.now()));
        if encrypted {
            let at_home = aws_env::client!(aws_sdk_kms, &stage.env.access(region(PRIMARY)));
            let key = at_home.create_key().send().await.unwrap();
            let key = key.key_metadata().unwrap().arn().unwrap().to_owned();
            create = create.storage_encrypted(true).kms_key_id(key);
            stage.database.kms = Some(stage.key().await.parse().unwrap());
        }
        create.send().await.unwrap();
        stage.rds.step(minutes(6)).await;
        stage
            .to
            .create_db_subnet_group()
            .db_subnet_group_name("dr")
            .db_subnet_group_description("dr")
            .subnet_ids("subnet-00000001")
            .subnet_ids("subnet-00000002")
            .send()
            .await
            .unwrap();
        stage
            .to
            .create_db_parameter_group()
            .db_parameter_group_name("dr-postgres")
            .db_parameter_group_family("postgres18")
            .description("dr")
            .send()
            .await
            .unwrap();
        Some(stage)
    }

    /// A new key of the DR region.
    pub(crate) async fn key(&self) -> String {
        let key = self.kms.create_key().send().await.unwrap();
        key.key_metadata().unwrap().arn().unwrap().to_owned()
    }

    pub(crate) fn regions(&self) -> (Region, Region) {
        (self.primary.region(), self.dr.region())
    }

    /// A manual snapshot of the instance, available.
    pub(crate) async fn take(&self, id: &str) -> DbSnapshot {
        self.from
            .create_db_snapshot()
            .db_instance_identifier(ID)
            .db_snapshot_identifier(id)
            .send()
            .await
            .unwrap();
        self.rds.step(minutes(3)).await;
        let found = self.from.describe_db_snapshots().db_snapshot_identifier(id);
        let found = found.send().await.unwrap();
        let found = found.db_snapshots()[0].clone();
        assert_eq!(found.status(), Some("available"));
        found
    }

    pub(crate) async fn copies(&self) -> Vec<Snapshot> {
        self.dr.snapshots(Some(ID)).await.unwrap()
    }

    /// Plans and copies the newest `last`.
    pub(crate) async fn copy(
        &self,
        last: usize,
        waiter: WaiterConfig,
    ) -> Result<Result<Copied, Refusal>, aws_env::Error> {
        let sources = self.primary.snapshots(Some(ID)).await?;
        let present = self.dr.snapshots(Some(ID)).await?;
        let plan = match plan_copies(&sources, &present, ID, self.regions(), last, None) {
            Ok(plan) => plan,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let options = CopyOptions {
            key: self.database.kms.as_ref().map(ToString::to_string),
            tags: Tags::default(),
            quota: self.quota,
            waiter,
        };
        copy(&self.dr, &plan, &options, &Silent).await
    }

    /// The same, where nothing is refused.
    pub(crate) async fn copied(&self, last: usize, waiter: WaiterConfig) -> Copied {
        self.copy(last, waiter).await.unwrap().unwrap()
    }

    pub(crate) async fn points(&self, as_of: Timestamp) -> RecoveryPoints {
        let objective = Duration::from_secs(24 * 3600);
        recovery_points(
            &self.dr,
            &self.database,
            self.primary.region(),
            objective,
            AsOf::Moment(as_of),
        )
        .await
        .unwrap()
    }

    pub(crate) async fn plan(&self, from: Option<&str>) -> Result<RestorePlan, Refusal> {
        let as_of = self.rds.now();
        let points = self.points(as_of).await.points;
        let there = self.dr.instance(TARGET).await.unwrap();
        let request = RestoreRequest {
            database: &self.database,
            target: TARGET,
            region: self.dr.region(),
            at: dr::database::At::Latest,
            from,
            as_of: AsOf::Now(as_of),
            objectives: Objectives::default(),
            tags: &Tags::default(),
        };
        plan_restore(&request, &points, there.as_ref())
    }

    pub(crate) async fn restore(
        &self,
        plan: &RestorePlan,
        waiter: WaiterConfig,
    ) -> Result<Restored, RestoreError> {
        let now = self.rds.now();
        restore(&self.dr, plan, waiter, now, connected, &Silent).await
    }

    /// The log's entries of an operation.
    pub(crate) fn calls(&self, operation: &str) -> Vec<LogEntry> {
        let log = self.aws.log().into_iter();
        log.filter(|entry| entry.operation == operation).collect()
    }

    /// How often an operation was carried out. One that came while RDS was making the instance's first backup is refused, and
    /// made again.
    pub(crate) fn accepted(&self, operation: &str) -> usize {
        let calls = self.calls(operation).into_iter();
        // One whose answer was lost has no status.
        calls
            .filter(|entry| match entry.status {
                Some(status) => status < 300,
                None => entry.fault.as_deref() == Some("response-lost"),
            })
            .count()
    }

    /// Asserts that nothing was asked of the primary region since the log was cleared.
    pub(crate) fn primary_was_left_alone(&self) {
        let log = self.aws.log();
        assert!(!log.is_empty());
        let called: Vec<_> = log
            .iter()
            .filter(|entry| entry.region.as_deref() == Some(PRIMARY))
            .collect();
        assert!(called.is_empty(), "{called:?}");
    }
}

/// Of an instance that nobody tries to connect to.
pub(crate) async fn connected(_: &Instance) -> Result<(), String> {
    Ok(())
}

pub(crate) fn outcomes(copied: &Copied) -> Vec<CopyOutcome> {
    copied
        .snapshots
        .iter()
        .map(|one| one.outcome.clone())
        .collect()
}

pub(crate) fn database() -> Database {
    Database {
        id: ID.parse().unwrap(),
        dr_id: TARGET.parse().unwrap(),
        kms: None,
        retention_days: 7,
        copies: CopiesKept::default(),
        restore: Some(RestoreAs {
            class: Some("db.t4g.large".parse().unwrap()),
            multi_az: true,
            subnet_group: "dr".parse().unwrap(),
            parameter_group: "dr-postgres".parse().unwrap(),
            security_groups: vec!["sg-00000001".parse().unwrap()],
            options: RestoreOptions::default(),
        }),
        failback: None,
        secrets: Vec::new(),
        integrity: None,
    }
}

/// Half a day ahead, so that no automated snapshot comes in the middle of a test, whatever the time.
fn quiet_window(now: Timestamp) -> String {
    let start = now + SignedDuration::from_hours(12);
    let end = start + SignedDuration::from_mins(30);
    format!("{}-{}", start.strftime("%H:%M"), end.strftime("%H:%M"))
}
