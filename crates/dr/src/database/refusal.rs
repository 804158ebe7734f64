//! Why something is not begun.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use report::ShellCommand;
use settings::Region;

use super::{Engine, KeyProblem, TargetProblem, show};

/// Why something is not begun. Nothing was changed. `Display` is a sentence without its full stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// No snapshot can be copied.
    NoSnapshot {
        /// Identifier of the database, as the settings have it.
        database: String,
        /// Where it was looked for.
        region: Region,
        /// What is there, and why it does not do.
        seen: Vec<String>,
    },
    /// The snapshot that was asked for is not there.
    SnapshotUnknown {
        /// What was asked for.
        snapshot: String,
        /// Identifier of the database, as the settings have it.
        database: String,
        /// Where it was looked for.
        region: Region,
        /// Those that there are, newest first.
        known: Vec<String>,
    },
    /// There is no such instance.
    NoInstance {
        /// Identifier of the instance.
        database: String,
        /// Where it was looked for.
        region: Region,
    },
    /// The source is encrypted and settings name no key.
    KeyMissing {
        /// Identifier of the database, as the settings have it.
        database: String,
        /// Where a key is needed.
        region: Region,
    },
    /// The key cannot be used.
    Key {
        /// ARN of the key, from the settings.
        key: String,
        /// Where it is needed.
        region: Region,
        /// What KMS or RDS has against it.
        problem: KeyProblem,
    },
    /// AWS wants a request that is signed for the other region as well.
    PreSignedUrl {
        /// Name of the partition, such as `aws-us-gov`.
        partition: &'static str,
    },
    /// A cluster, or part of one.
    Cluster {
        /// Identifier of the database, as the settings have it.
        database: String,
        /// Where it is.
        region: Region,
        /// Identifier of the cluster.
        cluster: String,
        /// What it runs.
        engine: Option<Engine>,
    },
    /// RDS replicates no automated backups between these regions.
    NoReplication {
        /// Where the database is.
        from: Region,
        /// Where its backups were to go.
        to: Region,
        /// What RDS says.
        why: String,
    },
    /// Nothing to restore from.
    NoRecoveryPoint {
        /// Identifier of the database, as the settings have it.
        database: String,
        /// Where it was looked for.
        region: Region,
        /// What is there, and why it does not do.
        seen: Vec<String>,
    },
    /// No recovery point of this name.
    PointUnknown {
        /// What was asked for.
        point: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// The recovery point that was asked for does not do.
    PointUnusable {
        /// What was asked for.
        point: String,
        /// What KMS or RDS has against it.
        problem: String,
    },
    /// No backup covers the time.
    TimeOutside {
        /// The time asked for.
        at: Timestamp,
        /// From when to when each backup can be restored to.
        windows: Vec<(Timestamp, Timestamp)>,
    },
    /// An instance has the name already.
    TargetTaken {
        /// Identifier that was to be given to the restored instance.
        target: String,
        /// The DR region.
        region: Region,
        /// What it is.
        what: String,
    },
    /// The instance cannot be made as the settings want it.
    Target {
        /// Identifier that was to be given to the restored instance.
        target: String,
        /// The DR region.
        region: Region,
        /// All that is in the way.
        problems: Vec<TargetProblem>,
    },
    /// Settings do not say how to restore it.
    NoRestoreSettings {
        /// Identifier of the database, as the settings have it.
        database: String,
    },
    /// The instance makes no automated backups.
    NoBackups {
        /// Identifier of the database, as the settings have it.
        database: String,
    },
    /// The last good copy would be deleted.
    LastCopy {
        /// Identifier of the database, as the settings have it.
        database: String,
        /// Where the copy is.
        region: Region,
    },
    /// An instance would be stopped or deleted that is not what it has to be.
    NotThatInstance {
        /// Identifier of the instance.
        instance: String,
        /// Where it is.
        region: Region,
        /// What it has to be.
        wanted: String,
        /// What it is.
        found: String,
    },
    /// A snapshot has the name already.
    SnapshotTaken {
        /// Identifier of the snapshot.
        snapshot: String,
        /// Where it is.
        region: Region,
        /// What it is.
        what: String,
    },
    /// A run relies on what would be deleted or stopped.
    Held {
        /// Identifier of the database, as the settings have it.
        database: String,
        /// Where it is.
        region: Region,
        /// The runs, by their names.
        runs: Vec<String>,
    },
    /// A snapshot would be deleted that something else made.
    NotMadeHere {
        /// Identifier of the snapshot.
        snapshot: String,
        /// Where it is.
        region: Region,
    },
    /// As many backups are replicated as AWS allows this account.
    BackupQuota {
        /// The region that receives them.
        region: Region,
        /// How many there are.
        there: usize,
        /// What RDS says.
        why: String,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, seen: &[String]| {
            if seen.is_empty() {
                return Ok(());
            }
            write!(f, " ({})", seen.join("; "))
        };
        match self {
            Self::NoSnapshot {
                database,
                region,
                seen,
            } => {
                write!(
                    f,
                    "{region} has no snapshot of {database} that can be copied"
                )?;
                list(f, seen)
            }
            Self::SnapshotUnknown {
                snapshot,
                database,
                region,
                ..
            } => write!(f, "{region} has no snapshot {snapshot} of {database}"),
            Self::NoInstance { database, region } => {
                write!(f, "there is no instance {database} in {region}")
            }
            Self::KeyMissing { database, region } => write!(
                f,
                "{database} is encrypted, and settings name no key of {region} for it"
            ),
            Self::Key {
                key,
                region,
                problem,
            } => write!(f, "the key {key} cannot be used in {region}: {problem}"),
            Self::PreSignedUrl { partition } => write!(
                f,
                "the partition {partition} wants a pre-signed URL, which this program does not make"
            ),
            Self::Cluster {
                database,
                region,
                cluster,
                engine,
            } => {
                let what = if database == cluster {
                    "a cluster".to_owned()
                } else {
                    format!("part of the cluster {cluster}")
                };
                write!(f, "{database} in {region} is {what}")?;
                if let Some(engine) = engine {
                    write!(f, " ({engine})")?;
                }
                f.write_str(", and clusters are not copied or restored here")
            }
            Self::NoReplication { from, to, why } => write!(
                f,
                "RDS replicates no automated backups from {from} to {to}: {why}"
            ),
            Self::NoRecoveryPoint {
                database,
                region,
                seen,
            } => {
                write!(
                    f,
                    "{region} has nothing that {database} can be restored from"
                )?;
                list(f, seen)
            }
            Self::PointUnknown { point, known } => {
                write!(f, "there is no recovery point {point}")?;
                list(f, known)
            }
            Self::PointUnusable { point, problem } => {
                write!(f, "{point} cannot be restored from: {problem}")
            }
            Self::TimeOutside { at, windows } => {
                write!(f, "no backup reaches {}", show::time(*at))?;
                let windows: Vec<String> = windows
                    .iter()
                    .map(|(from, to)| format!("{} to {}", show::time(*from), show::time(*to)))
                    .collect();
                list(f, &windows)
            }
            Self::TargetTaken {
                target,
                region,
                what,
            } => write!(f, "{region} has an instance {target} already: {what}"),
            Self::Target {
                target,
                region,
                problems,
            } => {
                let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
                let problems = problems.join("; ");
                write!(f, "{target} cannot be made in {region}: {problems}")
            }
            Self::NoRestoreSettings { database } => {
                write!(f, "settings do not say how {database} is restored")
            }
            Self::NoBackups { database } => {
                write!(f, "{database} makes no automated backups (retention 0)")
            }
            Self::LastCopy { database, region } => {
                write!(f, "no good copy of {database} would be left in {region}")
            }
            Self::NotThatInstance {
                instance,
                region,
                wanted,
                found,
            } => write!(f, "{instance} in {region} is not {wanted}: {found}"),
            Self::SnapshotTaken {
                snapshot,
                region,
                what,
            } => write!(f, "{region} has a snapshot {snapshot} already: {what}"),
            Self::Held {
                database,
                region,
                runs,
            } => {
                write!(
                    f,
                    "what there is of {database} in {region} is kept for a failover"
                )?;
                list(f, runs)
            }
            Self::NotMadeHere { snapshot, region } => write!(
                f,
                "{snapshot} in {region} does not have the tag of what dr-replicate makes"
            ),
            Self::BackupQuota { region, there, why } => write!(
                f,
                "{there} automated backups are replicated to {region}, as many as AWS allows: {why}"
            ),
        }
    }
}

impl std::error::Error for Refusal {}

/// The command that gives an instance another name, so that its own is free and nothing of it is lost.
pub(super) fn renamed(region: Region, instance: &str) -> ShellCommand {
    ShellCommand::new("aws rds modify-db-instance")
        .option("--region", region.as_str())
        .option("--db-instance-identifier", instance)
        .option("--new-db-instance-identifier", format!("{instance}-old"))
        .words("--apply-immediately")
}

impl Refusal {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::NoSnapshot { database, .. } => format!(
                "make one: {} …; or wait for the one in progress",
                ShellCommand::new("aws rds create-db-snapshot")
                    .option("--db-instance-identifier", database)
            ),
            Self::SnapshotUnknown { known, .. } if known.is_empty() => {
                "there is none of this database; without --snapshot the newest are copied".to_owned()
            }
            Self::SnapshotUnknown { known, .. } => format!("there are: {}", known.join(", ")),
            Self::NoInstance { .. } => {
                "check `id` in [[databases]] and the region in [regions]".to_owned()
            }
            Self::KeyMissing { region, .. } => format!(
                "add `kms = \"arn:aws:kms:{region}:ACCOUNT:key/ID\"` to its [[databases]], or to \
                 [databases.failback] for the way back: a key works in its own region only"
            ),
            Self::Key {
                key,
                region,
                problem,
            } => problem.fix(key, *region),
            Self::PreSignedUrl { .. } => {
                "use `aws rds` with --source-region, which makes one".to_owned()
            }
            Self::Cluster { .. } => {
                "Aurora replicates by a global database, and clusters have snapshots of their own (`aws rds \
                 copy-db-cluster-snapshot`); take it out of [[databases]]"
                    .to_owned()
            }
            Self::NoReplication { .. } => {
                "copy snapshots instead: dr-replicate snapshots copy".to_owned()
            }
            Self::NoRecoveryPoint { .. } => {
                "while the primary region answers: `dr-replicate backups enable` and \
                 `dr-replicate snapshots copy`; without it only what was copied elsewhere is left"
                    .to_owned()
            }
            Self::PointUnknown { .. } | Self::PointUnusable { .. } => {
                "`dr-replicate recovery-points` shows those that can be used; \
                 without --from the freshest is taken"
                    .to_owned()
            }
            Self::TimeOutside { at, windows } => {
                let second = SignedDuration::from_secs(1);
                let mut ends = windows.iter().filter(|(from, to)| from < to && to == at);
                match ends.find_map(|(_, to)| to.checked_sub(second).ok()) {
                    Some(before) => format!(
                        "RDS takes a time before the latest one: --at {before}, or --at latest for the freshest \
                         recovery point"
                    ),
                    None => "give a time within, before its end, or --at latest for the freshest recovery point"
                        .to_owned(),
                }
            }
            // Whose data it has is not known, so that it is kept.
            Self::TargetTaken { target, region, .. } => format!(
                "choose another --target, or give it another name, which keeps it: {}",
                renamed(*region, target)
            ),
            Self::Target {
                region, problems, ..
            } => {
                let mut fixes: Vec<String> = Vec::new();
                for fix in problems.iter().map(|problem| problem.fix(*region)) {
                    if !fixes.contains(&fix) {
                        fixes.push(fix);
                    }
                }
                fixes.join("; ")
            }
            Self::NoRestoreSettings { .. } => {
                "add a [databases.restore] ([databases.failback.restore] for the way back) with multi_az, \
                 subnet_group, parameter_group and security_groups: AWS's defaults are Single-AZ and the \
                 default groups"
                    .to_owned()
            }
            Self::NoBackups { database } => ShellCommand::new("aws rds modify-db-instance")
                .option("--db-instance-identifier", database)
                .words("--backup-retention-period 7 --apply-immediately")
                .into(),
            Self::LastCopy { .. } => {
                "copy a newer one first: dr-replicate snapshots copy".to_owned()
            }
            Self::NotThatInstance { instance, region, .. } => format!(
                "{} shows it; what else has its name is stopped and deleted by hand, if at all",
                ShellCommand::new("aws rds describe-db-instances")
                    .option("--region", region.as_str())
                    .option("--db-instance-identifier", instance)
            ),
            Self::SnapshotTaken { snapshot, region, .. } => format!(
                "choose another name; {} shows it",
                ShellCommand::new("aws rds describe-db-snapshots")
                    .option("--region", region.as_str())
                    .option("--db-snapshot-identifier", snapshot)
            ),
            Self::Held { .. } => {
                "end that run first: it takes its pins and its marker away".to_owned()
            }
            Self::NotMadeHere { snapshot, region } => format!(
                "what made it deletes it; {} shows it",
                ShellCommand::new("aws rds describe-db-snapshots")
                    .option("--region", region.as_str())
                    .option("--db-snapshot-identifier", snapshot)
            ),
            Self::BackupQuota { .. } => {
                "ask AWS for a higher quota, or disable one that is not needed".to_owned()
            }
        }
    }

    /// Whether what has to change is the configuration, or what was asked for.
    pub fn is_configuration(&self) -> bool {
        matches!(
            self,
            Self::KeyMissing { .. }
                | Self::Cluster { .. }
                | Self::NoRestoreSettings { .. }
                | Self::NoInstance { .. }
                | Self::SnapshotUnknown { .. }
        )
    }

    /// Whether something that should be there was looked for and not found.
    pub fn is_finding(&self) -> bool {
        matches!(
            self,
            Self::NoSnapshot { .. } | Self::NoRecoveryPoint { .. } | Self::NoBackups { .. }
        )
    }
}
