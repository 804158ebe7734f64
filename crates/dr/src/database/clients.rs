//! RDS of one region, and the services that are asked together with it.

use std::collections::BTreeMap;
use std::fmt;

use aws_env::{Call, Error, RegionAccess, pages};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use settings::Region;

use super::as_of::{AsOf, ServiceClock, clock_difference};
use super::{Snapshot, provenance_tags, show};

/// RDS of one region, and what it is asked together with: KMS, CloudWatch, Service Quotas, and EC2 for
/// security groups.
#[derive(Debug, Clone)]
pub struct RdsClients {
    region: Region,
    pub(super) rds: aws_sdk_rds::Client,
    pub(super) kms: aws_sdk_kms::Client,
    pub(super) cloudwatch: aws_sdk_cloudwatch::Client,
    pub(super) quotas: aws_sdk_servicequotas::Client,
    pub(super) ec2: aws_sdk_ec2::Client,
    clock: ServiceClock,
}

/// A DB instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Instance {
    /// Its identifier, unique in region and account.
    pub id: String,
    /// Its ARN, which names region and account as well.
    pub arn: String,
    /// Its resource ID, which no later instance of the same name has.
    pub resource_id: Option<String>,
    /// The status that RDS gives.
    pub status: String,
    /// When RDS starts it again by itself, where it is stopped.
    pub restarts: Option<Timestamp>,
    /// `HOST:PORT`, once it has one.
    pub endpoint: Option<String>,
    /// Its class, such as `db.t4g.medium`.
    pub class: Option<String>,
    /// Whether it has a standby; one that is still to come does not count.
    pub multi_az: Option<bool>,
    /// Whether it has an address on the internet, when RDS says so.
    pub public: Option<bool>,
    /// The DB subnet group.
    pub subnet_group: Option<String>,
    /// DB parameter groups, each with its apply status.
    pub parameter_groups: Vec<(String, String)>,
    /// Security groups, each with its status.
    pub security_groups: Vec<(String, String)>,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// The key that it is encrypted with.
    pub key: Option<String>,
    /// What it runs.
    pub engine: Option<Engine>,
    /// Days for which automated backups are kept; 0 is none.
    pub retention_days: Option<i32>,
    /// The cluster that it is part of.
    pub cluster: Option<String>,
    /// What it is a read replica of: an ARN across regions.
    pub replica_of: Option<String>,
    /// To which time its own backups reach.
    pub latest_restorable: Option<Timestamp>,
    /// What the settings may want beyond the groups.
    pub options: InstanceOptions,
    #[serde(skip)]
    pub(super) tags: BTreeMap<String, String>,
}

/// What is in force of what [`settings::RestoreOptions`] names; `None` where RDS does not say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct InstanceOptions {
    /// Whether RDS keeps the master password in a secret, and the secret's ARN; `None` as well while it is being made.
    pub managed_password: Option<String>,
    /// Whether RDS has begun to keep the master password.
    pub password_pending: bool,
    /// Whether it cannot be deleted.
    pub deletion_protection: Option<bool>,
    /// The logs that go to CloudWatch, sorted.
    pub log_exports: Vec<String>,
    /// Whether users may log in with IAM.
    pub iam_authentication: Option<bool>,
    /// Whether its snapshots get its tags.
    pub copy_tags: Option<bool>,
    /// Days that Performance Insights keeps; 0 is without it.
    pub insights_days: Option<u32>,
    /// GiB that it has.
    pub storage_gb: Option<u32>,
    /// GiB that it may grow to.
    pub max_storage_gb: Option<u32>,
}

impl Instance {
    /// The name of its engine, as RDS has it: `postgres`.
    pub fn engine_name(&self) -> Option<&str> {
        self.engine.as_ref().map(|engine| engine.name.as_str())
    }

    /// The value of a tag.
    pub fn tag(&self, key: &str) -> Option<&str> {
        self.tags.get(key).map(String::as_str)
    }

    /// The time of the data that it was restored with here, of `database`, by RDS's clock and as its tags say; `None` where
    /// something else made it, or from something else, or they do not say.
    pub fn restored_data_time(&self, database: &str) -> Option<Timestamp> {
        let tag = |key: &str| self.tags.get(key);
        let is_ours = provenance_tags::ours(&self.tags)
            && tag(provenance_tags::DATABASE).is_some_and(|of| of == database);
        let time = tag(provenance_tags::DATA_TIME).filter(|_| is_ours)?;
        time.parse().ok()
    }
}

impl InstanceOptions {
    fn read(instance: &aws_sdk_rds::types::DbInstance) -> Self {
        let secret = instance.master_user_secret();
        let is_active = secret.is_some_and(|secret| secret.secret_status() == Some("active"));
        let mut log_exports = instance.enabled_cloudwatch_logs_exports().to_vec();
        log_exports.sort();
        let insights_days = match instance.performance_insights_enabled() {
            Some(true) => show::whole(instance.performance_insights_retention_period()),
            Some(false) => Some(0),
            None => None,
        };
        Self {
            managed_password: secret
                .filter(|_| is_active)
                .and_then(|secret| text(secret.secret_arn())),
            password_pending: secret.is_some() && !is_active,
            deletion_protection: instance.deletion_protection(),
            log_exports,
            iam_authentication: instance.iam_database_authentication_enabled(),
            copy_tags: instance.copy_tags_to_snapshot(),
            insights_days,
            storage_gb: show::whole(instance.allocated_storage()),
            max_storage_gb: show::whole(instance.max_allocated_storage()),
        }
    }
}

/// What a database runs, such as `postgres 15.15`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Engine {
    /// Its name, as RDS has it.
    pub name: String,
    /// Its version, minor one included.
    pub version: String,
}

impl Engine {
    /// `None` where RDS says only half of it.
    pub(super) fn read(name: Option<&str>, version: Option<&str>) -> Option<Self> {
        let text = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
        Some(Self {
            name: text(name)?,
            version: text(version)?,
        })
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

/// An automated backup that lies in a region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Backup {
    /// Its own ARN, to restore from.
    pub arn: String,
    /// The ARN of the instance that it is of.
    pub instance_arn: String,
    /// The identifier of that instance.
    pub database: String,
    /// The region of that instance.
    pub source_region: String,
    /// The status that RDS gives.
    pub status: String,
    /// From when on it can be restored to.
    pub earliest: Option<Timestamp>,
    /// Up to when.
    pub latest: Option<Timestamp>,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// The key that it is encrypted with.
    pub key: Option<String>,
    /// Days for which it is kept.
    pub retention_days: Option<i32>,
    /// What its database ran.
    pub engine: Option<Engine>,
    /// GiB of storage that a restore of it takes, where RDS says so.
    pub storage_gb: Option<u32>,
    #[serde(skip)]
    pub(super) tags: BTreeMap<String, String>,
}

impl RdsClients {
    /// The clients of one region.
    pub fn new(access: &RegionAccess) -> Self {
        let clock = ServiceClock::default();
        Self {
            region: access.region(),
            rds: aws_env::client!(aws_sdk_rds, access, |config| config
                .interceptor(clock.clone())),
            kms: aws_env::client!(aws_sdk_kms, access),
            cloudwatch: aws_env::client!(aws_sdk_cloudwatch, access),
            quotas: aws_env::client!(aws_sdk_servicequotas, access),
            ec2: aws_env::client!(aws_sdk_ec2, access),
            clock,
        }
    }

    /// What time it is by the clock of RDS, as its answers have told; `local` as long as none has.
    pub fn time(&self, local: Timestamp) -> Timestamp {
        self.clock.now().unwrap_or(local)
    }

    /// The same moment, now being that of RDS.
    pub fn at(&self, as_of: AsOf) -> AsOf {
        match as_of {
            AsOf::Now(local) => AsOf::Now(self.time(local)),
            AsOf::Moment(_) => as_of,
        }
    }

    /// How far a machine's clock is from that of RDS, in words; `None` where they agree, or RDS has not answered yet.
    pub fn clock_difference(&self, local: Timestamp) -> Option<String> {
        clock_difference(local, self.clock.now()?)
    }

    /// With a mocked RDS.
    #[cfg(test)]
    pub(super) fn mocked(rds: aws_sdk_rds::Client) -> Self {
        use aws_smithy_mocks::{RuleMode, mock_client};

        let rules: [&aws_smithy_mocks::Rule; 0] = [];
        Self {
            region: "us-east-1".parse().unwrap(),
            rds,
            kms: mock_client!(aws_sdk_kms, RuleMode::MatchAny, rules),
            cloudwatch: mock_client!(aws_sdk_cloudwatch, RuleMode::MatchAny, rules),
            quotas: mock_client!(aws_sdk_servicequotas, RuleMode::MatchAny, rules),
            ec2: mock_client!(aws_sdk_ec2, RuleMode::MatchAny, rules),
            clock: ServiceClock::default(),
        }
    }

    /// Where these clients call.
    pub fn region(&self) -> Region {
        self.region
    }

    /// Tells that a step was taken.
    pub(super) fn applied(&self, step: &'static str, resource: &str) {
        let region = self.region.as_str();
        tracing::info!(region, resource, step, "applied");
    }

    pub(super) fn call(&self, operation: &'static str, resource: impl Into<String>) -> Call {
        Call {
            region: self.region,
            service: "RDS",
            operation,
            resource: resource.into(),
        }
    }

    /// Every snapshot of `database` in this region, or every manual one of all databases.
    ///
    /// # Errors
    /// When RDS does not answer or refuses.
    pub async fn snapshots(&self, database: Option<&str>) -> Result<Vec<Snapshot>, Error> {
        let request = self.rds.describe_db_snapshots();
        let request = match database {
            Some(database) => request.db_instance_identifier(database),
            None => request.snapshot_type("manual"),
        };
        let call = self.call("DescribeDBSnapshots", database.unwrap_or("all databases"));
        match pages(call, request.into_paginator().items().send()).await {
            Ok(found) => Ok(found.iter().filter_map(Snapshot::read).collect()),
            Err(error) => match database {
                // Where no such instance is, as in the DR region, its copies are still there.
                Some(database) if is_any(&error, &["DBInstanceNotFound"]) => {
                    let mut all = Box::pin(self.snapshots(None)).await?;
                    all.retain(|snapshot| snapshot.database == database);
                    Ok(all)
                }
                _ => absent(error, &["DBSnapshotNotFound"], Vec::new()),
            },
        }
    }

    /// The snapshot, if there is one.
    ///
    /// # Errors
    /// When RDS does not answer or refuses.
    pub async fn snapshot(&self, id: &str) -> Result<Option<Snapshot>, Error> {
        // RDS wants to be told the type of automated ones.
        let request = self
            .rds
            .describe_db_snapshots()
            .db_snapshot_identifier(id)
            .set_snapshot_type(id.starts_with("rds:").then(|| "automated".to_owned()));
        match request.send().await {
            Ok(answer) => Ok(answer.db_snapshots().iter().find_map(Snapshot::read)),
            Err(error) => {
                let error = self.call("DescribeDBSnapshots", id).failed(error);
                absent(error, &["DBSnapshotNotFound"], None)
            }
        }
    }

    /// The instance, if there is one.
    ///
    /// # Errors
    /// When RDS does not answer or refuses.
    pub async fn instance(&self, id: &str) -> Result<Option<Instance>, Error> {
        let request = self.rds.describe_db_instances().db_instance_identifier(id);
        match request.send().await {
            Ok(answer) => Ok(answer.db_instances().iter().find_map(Instance::read)),
            Err(error) => {
                let error = self.call("DescribeDBInstances", id).failed(error);
                absent(error, &["DBInstanceNotFound"], None)
            }
        }
    }

    /// Every instance of this region.
    ///
    /// # Errors
    /// When RDS does not answer or refuses.
    pub async fn instances(&self) -> Result<Vec<Instance>, Error> {
        let request = self.rds.describe_db_instances().into_paginator();
        let call = self.call("DescribeDBInstances", "all");
        let found = pages(call, request.items().send()).await?;
        Ok(found.iter().filter_map(Instance::read).collect())
    }

    /// Automated backups that lie in this region: its own and those replicated to it.
    ///
    /// # Errors
    /// When RDS does not answer or refuses.
    pub async fn backups(&self) -> Result<Vec<Backup>, Error> {
        let request = self.rds.describe_db_instance_automated_backups();
        let call = self.call("DescribeDBInstanceAutomatedBackups", "all");
        match pages(call, request.into_paginator().items().send()).await {
            Ok(found) => Ok(found.iter().filter_map(Backup::read).collect()),
            Err(error) => absent(error, &["DBInstanceAutomatedBackupNotFound"], Vec::new()),
        }
    }
}

/// An error that only says that there is none, as what there is.
fn absent<T>(error: Error, codes: &[&str], nothing: T) -> Result<T, Error> {
    if is_any(&error, codes) {
        Ok(nothing)
    } else {
        Err(error)
    }
}

/// RDS's code for what it does in another status only.
pub(super) const STATE: &str = "InvalidDBInstanceState";

/// RDS's model ends some codes in `Fault` and its answers do not, or the other way round.
pub(super) fn is_any(error: &Error, codes: &[&str]) -> bool {
    let bare = |code: &str| code.strip_suffix("Fault").unwrap_or(code).to_owned();
    error
        .code
        .as_deref()
        .is_some_and(|code| codes.iter().any(|known| bare(known) == bare(code)))
}

fn text(text: Option<&str>) -> Option<String> {
    text.filter(|text| !text.is_empty()).map(str::to_owned)
}

impl Instance {
    fn read(instance: &aws_sdk_rds::types::DbInstance) -> Option<Self> {
        let endpoint = instance.endpoint().and_then(|endpoint| {
            let port = endpoint.port()?;
            Some(format!("{}:{port}", text(endpoint.address())?))
        });
        let groups = instance.db_parameter_groups().iter().map(|group| {
            let status = group.parameter_apply_status().unwrap_or("unknown");
            (
                group
                    .db_parameter_group_name()
                    .unwrap_or_default()
                    .to_owned(),
                status.to_owned(),
            )
        });
        let security = instance.vpc_security_groups().iter().map(|group| {
            (
                group.vpc_security_group_id().unwrap_or_default().to_owned(),
                group.status().unwrap_or("unknown").to_owned(),
            )
        });
        Some(Self {
            id: text(instance.db_instance_identifier())?,
            arn: text(instance.db_instance_arn())?,
            resource_id: text(instance.dbi_resource_id()),
            restarts: show::timestamp(instance.automatic_restart_time()),
            status: text(instance.db_instance_status())
                .unwrap_or_else(|| "without a status".to_owned()),
            endpoint,
            class: text(instance.db_instance_class()),
            multi_az: instance.multi_az(),
            public: instance.publicly_accessible(),
            subnet_group: instance
                .db_subnet_group()
                .and_then(|group| text(group.db_subnet_group_name())),
            parameter_groups: groups.collect(),
            security_groups: security.collect(),
            encrypted: instance.storage_encrypted().unwrap_or_default(),
            key: text(instance.kms_key_id()),
            engine: Engine::read(instance.engine(), instance.engine_version()),
            retention_days: instance.backup_retention_period(),
            cluster: text(instance.db_cluster_identifier()),
            replica_of: text(instance.read_replica_source_db_instance_identifier()),
            latest_restorable: show::timestamp(instance.latest_restorable_time()),
            options: InstanceOptions::read(instance),
            tags: provenance_tags::read(instance.tag_list()),
        })
    }
}

impl Backup {
    fn read(backup: &aws_sdk_rds::types::DbInstanceAutomatedBackup) -> Option<Self> {
        let instance_arn = text(backup.db_instance_arn())?;
        let of_arn = super::snapshot::arn_region(&instance_arn);
        let window = backup.restore_window();
        Some(Self {
            arn: text(backup.db_instance_automated_backups_arn())?,
            database: text(backup.db_instance_identifier())?,
            source_region: text(backup.region()).or_else(|| text(of_arn))?,
            instance_arn,
            status: text(backup.status()).unwrap_or_else(|| "without a status".to_owned()),
            earliest: show::timestamp(window.and_then(|window| window.earliest_time())),
            latest: show::timestamp(window.and_then(|window| window.latest_time())),
            encrypted: backup.encrypted().unwrap_or_default(),
            key: text(backup.kms_key_id()),
            retention_days: backup.backup_retention_period(),
            engine: Engine::read(backup.engine(), backup.engine_version()),
            storage_gb: show::whole(backup.allocated_storage()),
            tags: provenance_tags::read(backup.tag_list()),
        })
    }
}
