//! Instances.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

use super::backup::Recovery;
use super::{Key, Phase, Tags, time};
use crate::rds::action::MasterSecret;
use crate::rds::catalog;
use crate::rds::clock::later;
use crate::rds::fields::Fields;
use crate::rds::name::Place;
use crate::rds::refusal::{Outcome, Refusal};

/// What an instance is set to; snapshots and backups remember it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Settings {
    pub(crate) class: String,
    pub(crate) engine: String,
    pub(crate) version: String,
    pub(crate) storage_gib: u32,
    pub(crate) max_storage_gib: Option<u32>,
    pub(crate) storage_type: String,
    pub(crate) iops: Option<u32>,
    /// MiB in a second, of gp3.
    pub(crate) throughput: Option<u32>,
    pub(crate) multi_az: bool,
    pub(crate) zone: String,
    pub(crate) subnet_group: String,
    /// That of the subnet group.
    pub(crate) vpc: String,
    pub(crate) security_groups: Vec<String>,
    pub(crate) parameter_group: String,
    pub(crate) port: u32,
    pub(crate) user: String,
    pub(crate) database: Option<String>,
    /// ARN of the KMS key; `None`: not encrypted.
    pub(crate) key: Option<String>,
    pub(crate) retention_days: u32,
    pub(crate) backup_window: String,
    pub(crate) maintenance_window: String,
    pub(crate) deletion_protection: bool,
    pub(crate) public: bool,
    pub(crate) copy_tags: bool,
    pub(crate) minor_upgrades: bool,
    pub(crate) iam_authentication: bool,
    pub(crate) insights: bool,
    pub(crate) insights_days: u32,
    /// ARN of the KMS key of Performance Insights.
    pub(crate) insights_key: Option<String>,
    pub(crate) monitoring_seconds: u32,
    pub(crate) monitoring_role: Option<String>,
    pub(crate) log_exports: Vec<String>,
}

impl Settings {
    /// AWS's defaults for a new instance.
    pub(crate) fn new(place: &Place) -> Self {
        Self {
            class: String::new(),
            engine: String::new(),
            version: String::new(),
            storage_gib: 20,
            max_storage_gib: None,
            storage_type: "gp2".into(),
            iops: None,
            throughput: None,
            multi_az: false,
            zone: format!("{}a", place.region),
            subnet_group: "default".into(),
            vpc: Place::VPC.into(),
            security_groups: vec![Place::SECURITY_GROUP.into()],
            parameter_group: String::new(),
            port: 5432,
            user: String::new(),
            database: None,
            key: None,
            retention_days: 1,
            backup_window: "03:00-03:30".into(),
            maintenance_window: "sun:06:00-sun:06:30".into(),
            deletion_protection: false,
            public: false,
            copy_tags: false,
            minor_upgrades: true,
            iam_authentication: false,
            insights: false,
            insights_days: 7,
            insights_key: None,
            monitoring_seconds: 0,
            monitoring_role: None,
            log_exports: Vec::new(),
        }
    }

    /// What a restore does not take over from its source: it is Single-AZ, with the default security
    /// group, subnet group and parameter group, and not protected, unless told otherwise.
    /// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_RestoreDBInstanceFromDBSnapshot.html>
    pub(crate) fn restored(mut self, place: &Place) -> Self {
        let new = Self::new(place);
        self.multi_az = new.multi_az;
        self.zone = new.zone;
        self.subnet_group = new.subnet_group;
        self.vpc = new.vpc;
        self.security_groups = new.security_groups;
        self.parameter_group = catalog::default_parameter_group(&self.engine, &self.version);
        self.deletion_protection = new.deletion_protection;
        self.public = new.public;
        self.max_storage_gib = None;
        self.insights = new.insights;
        self.insights_key = None;
        self.monitoring_seconds = new.monitoring_seconds;
        self.monitoring_role = None;
        self.log_exports = Vec::new();
        self
    }

    /// Of a new instance's windows, the one that a request does not give does not overlap the other.
    pub(crate) fn choose_windows(&mut self, fields: &Fields) {
        let (backup, maintenance) = (
            fields.text("PreferredBackupWindow"),
            fields.text("PreferredMaintenanceWindow"),
        );
        let hours = || (0..24).map(|hour| format!("{hour:02}:00-{hour:02}:30"));
        match (backup, maintenance) {
            (Some(backup), None) if time::overlap(backup, &self.maintenance_window) => {
                let free = hours().find(|window| !time::overlap(backup, &on_sunday(window)));
                if let Some(free) = free {
                    self.maintenance_window = on_sunday(&free);
                }
            }
            (None, Some(maintenance)) if time::overlap(&self.backup_window, maintenance) => {
                if let Some(free) = hours().find(|window| !time::overlap(window, maintenance)) {
                    self.backup_window = free;
                }
            }
            _ => {}
        }
    }

    /// Takes what a request gives.
    pub(crate) fn take(&mut self, fields: &Fields) -> Outcome<()> {
        let text = |name: &str, value: &mut String| {
            if let Some(text) = fields.text(name) {
                text.clone_into(value);
            }
        };
        text("DBInstanceClass", &mut self.class);
        text("AvailabilityZone", &mut self.zone);
        if let Some(kind) = fields.text("StorageType") {
            if kind != self.storage_type {
                (self.iops, self.throughput) = (None, None);
            }
            kind.clone_into(&mut self.storage_type);
        }
        if let Some(window) = fields.text("PreferredMaintenanceWindow") {
            time::check_weekly(window).map_err(Refusal::value)?;
            self.maintenance_window = window.to_ascii_lowercase();
        }
        if let Some(name) = fields.text("DBSubnetGroupName") {
            self.subnet_group = name.to_ascii_lowercase();
        }
        if let Some(name) = fields.text("DBParameterGroupName") {
            self.parameter_group = name.to_ascii_lowercase();
        }
        if let Some(role) = fields.text("MonitoringRoleArn") {
            self.monitoring_role = Some(role.to_owned());
        }
        if let Some(groups) = fields.list("VpcSecurityGroupIds") {
            self.security_groups = groups;
        }
        if let Some(window) = fields.text("PreferredBackupWindow") {
            if !time::is_daily(window) {
                return Err(Refusal::value(format!(
                    "Invalid backup window: {window}. It must be hh24:mi-hh24:mi and 30 minutes at least."
                )));
            }
            window.clone_into(&mut self.backup_window);
        }
        if time::overlap(&self.backup_window, &self.maintenance_window) {
            return Err(Refusal::value(
                "The backup window and maintenance window must not overlap.",
            ));
        }
        if let Some(days) = fields.number("BackupRetentionPeriod")? {
            if days > 35 {
                return Err(Refusal::value(format!(
                    "Invalid backup retention period: {days}. Retention period must be between 0 and 35."
                )));
            }
            self.retention_days = days;
        }
        if let Some(size) = fields.number("AllocatedStorage")? {
            if !(20..=65_536).contains(&size) {
                return Err(Refusal::value(format!(
                    "Invalid storage size for engine name {} and storage type {}: {size}",
                    self.engine, self.storage_type
                )));
            }
            self.storage_gib = size;
        }
        for (name, value) in [
            ("MultiAZ", &mut self.multi_az),
            ("DeletionProtection", &mut self.deletion_protection),
            ("PubliclyAccessible", &mut self.public),
            ("CopyTagsToSnapshot", &mut self.copy_tags),
            ("AutoMinorVersionUpgrade", &mut self.minor_upgrades),
            (
                "EnableIAMDatabaseAuthentication",
                &mut self.iam_authentication,
            ),
            ("EnablePerformanceInsights", &mut self.insights),
        ] {
            if let Some(flag) = fields.flag(name)? {
                *value = flag;
            }
        }
        for (name, value) in [
            (
                "PerformanceInsightsRetentionPeriod",
                &mut self.insights_days,
            ),
            ("MonitoringInterval", &mut self.monitoring_seconds),
        ] {
            if let Some(number) = fields.number(name)? {
                *value = number;
            }
        }
        for name in ["Port", "DBPortNumber"] {
            if let Some(port) = fields.number(name)? {
                if !(1150..=65_535).contains(&port) {
                    return Err(Refusal::value(format!("Invalid port: {port}")));
                }
                self.port = port;
            }
        }
        self.iops = fields.number("Iops")?.or(self.iops);
        self.throughput = fields.number("StorageThroughput")?.or(self.throughput);
        if let Some(most) = fields.number("MaxAllocatedStorage")? {
            // The size that it has switches its growth off.
            self.max_storage_gib = (most != self.storage_gib).then_some(most);
        }
        if let Some(license) = fields.text("LicenseModel")
            && license != "postgresql-license"
        {
            return Err(Refusal::value(format!(
                "Invalid license model '{license}' for engine 'postgres'"
            )));
        }
        if let Some(types) = fields.list("EnableCloudwatchLogsExports") {
            self.log_exports = types;
        }
        for name in fields
            .list("CloudwatchLogsExportConfiguration.EnableLogTypes")
            .unwrap_or_default()
        {
            if !self.log_exports.contains(&name) {
                self.log_exports.push(name);
            }
        }
        let disabled = fields
            .list("CloudwatchLogsExportConfiguration.DisableLogTypes")
            .unwrap_or_default();
        for name in self.log_exports.iter().chain(&disabled) {
            if !LOGS.contains(&name.as_str()) {
                return Err(Refusal::combination(format!(
                    "You cannot use the log types '{name}' with engine version postgres {}.",
                    self.version
                )));
            }
        }
        self.log_exports.retain(|name| !disabled.contains(name));
        self.check_monitoring()
    }

    /// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html>
    fn check_monitoring(&self) -> Outcome<()> {
        let seconds = self.monitoring_seconds;
        if ![0, 1, 5, 10, 15, 30, 60].contains(&seconds) {
            return Err(Refusal::value(format!(
                "Invalid value {seconds} for MonitoringInterval: 0, 1, 5, 10, 15, 30 or 60"
            )));
        }
        if seconds > 0 && self.monitoring_role.is_none() {
            return Err(Refusal::combination(
                "A MonitoringRoleARN value is required if you specify a MonitoringInterval value other than 0.",
            ));
        }
        let days = self.insights_days;
        let of_months = days.is_multiple_of(31) && (1..24).contains(&(days / 31));
        if days != 7 && days != 731 && !of_months {
            return Err(Refusal::value(format!(
                "Invalid Performance Insights retention period: {days}"
            )));
        }
        Ok(())
    }
}

/// A daily window as the weekly one of a Sunday.
fn on_sunday(window: &str) -> String {
    format!("sun:{}", window.replace('-', "-sun:"))
}

/// The logs of PostgreSQL that go to CloudWatch.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_LogAccess.Concepts.PostgreSQL.PublishtoCloudWatchLogs.html>
pub(crate) const LOGS: [&str; 3] = ["iam-db-auth-error", "postgresql", "upgrade"];

/// A password that no debug output shows.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Password(pub(crate) String);

impl std::fmt::Debug for Password {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("…")
    }
}

/// From what an instance that is being created will come.
#[derive(Clone, Debug)]
pub(crate) enum Birth {
    New(Password),
    Restored(Recovery),
    /// A replica of the instance with this key and resource id.
    Replica(Key, String),
}

/// What an instance does at the end of a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// It is there, and backs up if it has to.
    BackUp,
    Available,
    /// What was asked for begins.
    Modify,
    /// A replica becomes an instance of its own.
    Promote,
    Stop,
    /// A stopped one starts.
    Start,
    Vanish,
}

/// A database instance as RDS knows it; its server, if it has one, is found by `resource_id`.
#[derive(Clone, Debug)]
pub(crate) struct Instance {
    pub(crate) status: String,
    pub(crate) resource_id: String,
    pub(crate) created: Timestamp,
    pub(crate) settings: Settings,
    /// What the next maintenance window, or the end of `modifying`, brings.
    pub(crate) pending: Option<Settings>,
    pub(crate) tags: Tags,
    pub(crate) phase: Option<Phase<Then>>,
    pub(crate) birth: Option<Birth>,
    /// When it has its address; with real servers the port they listen on.
    pub(crate) endpoint: Option<(String, u32)>,
    /// What it follows.
    pub(crate) replica_of: Option<Key>,
    pub(crate) next_backup: Timestamp,
    pub(crate) next_maintenance: Timestamp,
    /// The secret in which RDS keeps the master password.
    pub(crate) secret: Option<MasterSecret>,
    /// When its storage grew last.
    pub(crate) grown: Option<Timestamp>,
    /// Its parameter group has changed in a way that waits for a reboot.
    pub(crate) awaits_reboot: bool,
    /// The master password that its server gets at the end of what goes on.
    pub(crate) password: Option<Password>,
    /// How far a replica is behind while its source's region is up; `None`: nobody says.
    pub(crate) lag: Option<SignedDuration>,
    /// Figures of that that CloudWatch has not got yet: the minute, and seconds.
    pub(crate) lags: VecDeque<(Timestamp, f64)>,
    /// Up to when they have been taken.
    pub(crate) measured: Timestamp,
    /// The security groups that it had before they were changed, and until when that is going on; as long as that its
    /// parameter group is being applied.
    pub(crate) regrouped: Option<(Vec<String>, Timestamp)>,
}

impl Instance {
    pub(crate) fn is_replica(&self) -> bool {
        self.replica_of.is_some()
    }

    /// Whether its server runs, so that its log is written.
    pub(crate) fn runs(&self) -> bool {
        self.endpoint.is_some()
            && !matches!(
                self.status.as_str(),
                "stopped" | "starting" | "deleting" | "failed" | "creating"
            )
    }

    /// Is set to something else from now on. Another parameter group is in force after a reboot, which an upgrade to another
    /// major version is.
    pub(crate) fn take(&mut self, new: Settings, now: Timestamp) {
        let old = std::mem::replace(&mut self.settings, new);
        let upgraded = catalog::major(&old.version) != catalog::major(&self.settings.version);
        let other_parameters = old.parameter_group != self.settings.parameter_group;
        self.awaits_reboot |= other_parameters && !upgraded;
        if other_parameters || old.security_groups != self.settings.security_groups {
            self.regrouped = Some((old.security_groups, later(now, time::REGROUP)));
        }
    }

    /// Security groups, each with its status.
    pub(crate) fn security_groups(&self, now: Timestamp) -> Vec<(&str, &'static str)> {
        let old = self.regrouped.as_ref().filter(|(_, until)| now < *until);
        let old = old.map(|(old, _)| old);
        let new = &self.settings.security_groups;
        let there = new.iter().map(|id| {
            let is_new = old.is_some_and(|old| !old.contains(id));
            (id.as_str(), if is_new { "adding" } else { "active" })
        });
        let gone = old.into_iter().flatten().filter(|id| !new.contains(id));
        there
            .chain(gone.map(|id| (id.as_str(), "removing")))
            .collect()
    }

    /// How its parameter group stands.
    pub(crate) fn parameter_status(&self, now: Timestamp) -> &'static str {
        match &self.regrouped {
            Some((_, until)) if self.awaits_reboot && now < *until => "applying",
            _ if self.awaits_reboot => "pending-reboot",
            _ => "in-sync",
        }
    }

    /// Begins a phase.
    pub(crate) fn begin(&mut self, status: &str, phase: Phase<Then>) {
        self.status = status.into();
        self.phase = Some(phase);
    }
}
