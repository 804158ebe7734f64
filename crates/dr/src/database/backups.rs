//! Automated backups replicated to the DR region.

use std::time::Duration;

use aws_env::{Error, Waiter, WaiterConfig};
use jiff::Timestamp;
use report::finding::Status;
use report::{Document, Mark, Report};
use serde::Serialize;
use settings::{Database, Region, Tags};

use super::as_of::{AsOf, CLOCKS};
use super::clients::{STATE, is_any};
use super::pin::{held_by, pinned_by};
use super::{
    Backup, Instance, RdsClients, Refusal, check_key, judge_source_region, provenance_tags, show,
    source_regions,
};

/// What has to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EnableStep {
    /// Replication is begun.
    Start,
    /// It is as wanted.
    Unchanged,
    /// It is there with other settings, which cannot be changed: stopping and starting again would give up
    /// what has been replicated.
    Differs(Vec<String>),
}

/// What `enable` would do for one database.
#[derive(Debug, Clone, Serialize)]
pub struct EnablePlan {
    /// Identifier of the database, as the settings have it.
    pub database: String,
    /// The ARN of the instance.
    pub instance_arn: String,
    /// The region that receives it.
    pub region: Region,
    /// The key of the DR region.
    pub key: Option<String>,
    /// Days for which backups are kept there.
    pub retention_days: u32,
    /// What has to be done.
    pub step: EnableStep,
    /// Why there can be no read replica of it, where there can be none: backups and snapshots are all there is then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_replica: Option<&'static str>,
}

/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-secrets-manager.html>
const NO_REPLICA: &str =
    "RDS manages its master password, and makes no read replica of such an instance";

impl Report for EnablePlan {
    const KIND: &'static str = "backups-enable-plan";

    fn document(&self) -> Document {
        let (mark, word) = match &self.step {
            EnableStep::Start => (Mark::Wrong, "start".to_owned()),
            EnableStep::Unchanged => (Mark::Ok, "there".to_owned()),
            EnableStep::Differs(how) => (Mark::Wrong, format!("differs: {}", how.join(", "))),
        };
        let key = self.key.clone().unwrap_or_else(|| "none".to_owned());
        let cells = [
            word,
            self.database.clone(),
            self.region.to_string(),
            format!("{} days", self.retention_days),
            key,
        ];
        let document = Document::new()
            .heading("Replicated automated backups")
            .table(
                ["", "Database", "To", "Kept", "Key"],
                vec![(mark, cells.to_vec())],
            );
        match self.no_replica {
            Some(why) => document.text(format!("{}: {why}.", self.database)),
            None => document,
        }
    }
}

/// What has to be done so that the backups of `instance` are replicated. `backups` are those that lie in
/// the DR region.
///
/// # Errors
/// When AWS would refuse, or would accept and not replicate.
pub fn plan_enable(
    database: &Database,
    instance: Option<&Instance>,
    backups: &[Backup],
    (primary, dr): (Region, Region),
) -> Result<EnablePlan, Refusal> {
    let name = database.id.to_string();
    let Some(instance) = instance else {
        return Err(Refusal::NoInstance {
            database: name,
            region: primary,
        });
    };
    if let Some(cluster) = &instance.cluster {
        return Err(Refusal::Cluster {
            database: name,
            region: primary,
            cluster: cluster.clone(),
            engine: instance.engine.clone(),
        });
    }
    if instance.retention_days == Some(0) {
        return Err(Refusal::NoBackups { database: name });
    }
    // AWS refuses a key for the backups of an instance that is not encrypted.
    let key = database.kms.as_ref().filter(|_| instance.encrypted);
    let key = key.map(ToString::to_string);
    if instance.encrypted && key.is_none() {
        return Err(Refusal::KeyMissing {
            database: name,
            region: dr,
        });
    }
    let step = match backups.iter().find(|backup| is_live(backup, &instance.arn)) {
        None => {
            if dr.partition() == "aws-us-gov" {
                return Err(Refusal::PreSignedUrl {
                    partition: dr.partition(),
                });
            }
            EnableStep::Start
        }
        Some(backup) => match differences(backup, key.as_deref(), database.retention_days) {
            differences if differences.is_empty() => EnableStep::Unchanged,
            differences => EnableStep::Differs(differences),
        },
    };
    Ok(EnablePlan {
        database: name,
        instance_arn: instance.arn.clone(),
        region: dr,
        key,
        retention_days: database.retention_days,
        step,
        no_replica: (instance.options.managed_password.is_some()
            || instance.options.password_pending)
            .then_some(NO_REPLICA),
    })
}

/// What was kept of an instance after replication ended is no replication.
fn is_live(backup: &Backup, instance_arn: &str) -> bool {
    backup.instance_arn == instance_arn && backup.status != "retained"
}

fn differences(backup: &Backup, key: Option<&str>, retention_days: u32) -> Vec<String> {
    let mut differences = Vec::new();
    if let Some(days) = backup.retention_days
        && i64::from(days) != i64::from(retention_days)
    {
        differences.push(format!("kept {days} days, not {retention_days}"));
    }
    if let (Some(wanted), Some(found)) = (key, backup.key.as_deref())
        && wanted != found
    {
        differences.push(format!("encrypted with {found}, not {wanted}"));
    }
    differences
}

/// Why [`enable`] would not begin what `plan` wants, although the plan could be made: asked before anything is begun, and for
/// a plan that is only shown.
///
/// # Errors
/// When KMS does not answer, or refuses to say.
pub async fn refuse_enable(site: &RdsClients, plan: &EnablePlan) -> Result<Option<Refusal>, Error> {
    if plan.step != EnableStep::Start {
        return Ok(None);
    }
    if let Some(key) = &plan.key
        && let Err(problem) = check_key(site, key).await?
    {
        return Ok(Some(Refusal::Key {
            key: key.clone(),
            region: site.region(),
            problem,
        }));
    }
    let from = super::snapshot::arn_region(&plan.instance_arn).and_then(|from| from.parse().ok());
    if let (Some(from), Ok(regions)) = (from, source_regions(site).await) {
        let to = site.region();
        // Where RDS does not say, it tells when it is called.
        let finding = judge_source_region((from, to), &Ok(regions));
        if finding.status == Status::Wrong {
            let why = finding.seen.unwrap_or_default();
            return Ok(Some(Refusal::NoReplication { from, to, why }));
        }
    }
    Ok(None)
}

/// Begins the replication that `plan` wants, in the DR region, and waits until it is shown there: first until the instance is
/// available, since RDS begins none while it backs one up or changes it. The first backup arrives later: see [`status`].
///
/// # Errors
/// A [`Refusal`] when the key does not do; an error of AWS otherwise.
pub async fn enable(
    site: &RdsClients,
    plan: &EnablePlan,
    tags: &Tags,
    waiter: WaiterConfig,
) -> Result<Result<(), Refusal>, Error> {
    if plan.step != EnableStep::Start {
        return Ok(Ok(()));
    }
    if let Some(refusal) = refuse_enable(site, plan).await? {
        return Ok(Err(refusal));
    }
    let retention = i32::try_from(plan.retention_days).unwrap_or(i32::MAX);
    let request = site
        .rds
        .start_db_instance_automated_backups_replication()
        .source_db_instance_arn(&plan.instance_arn)
        .backup_retention_period(retention)
        .set_kms_key_id(plan.key.clone())
        .set_tags(Some(provenance_tags::tags(&[], tags)));
    let call = site.call("StartDBInstanceAutomatedBackupsReplication", &plan.database);
    let start = async || match request.clone().send().await {
        Ok(_) => {
            site.applied("start replication of backups", &plan.database);
            None
        }
        Err(error) => Some(call.clone().failed(error)),
    };
    let mut waiting = Waiter::begin(waiter);
    let mut failed = start().await;
    loop {
        let backups = match site.backups().await {
            Ok(backups) => backups,
            Err(error) if error.is_transient() => Vec::new(),
            Err(error) => return Err(error),
        };
        // The answer to a call that was carried out may have been lost; then the backup is shown.
        if backups
            .iter()
            .any(|backup| is_live(backup, &plan.instance_arn))
        {
            return Ok(Ok(()));
        }
        match failed {
            None if waiting.pause().await => {}
            None => {
                let seen = "no replicated backup of it";
                return Err(Error::not_settled(call, waiting.elapsed(), seen));
            }
            // While it backs the instance up, or changes it, RDS begins none.
            Some(error) if is_any(&error, &[STATE]) => {
                if !waiting.pause().await {
                    return Err(error);
                }
                failed = start().await;
            }
            // How many an account may have is known to AWS alone: 20, unless it was given more.
            Some(error) if is_any(&error, &["DBInstanceAutomatedBackupQuotaExceeded"]) => {
                let region = site.region();
                let replicated = |backup: &&Backup| backup.source_region != region.as_str();
                return Ok(Err(Refusal::BackupQuota {
                    region,
                    there: backups.iter().filter(replicated).count(),
                    why: error.message.clone().unwrap_or_else(|| error.to_string()),
                }));
            }
            Some(error) => return Err(error),
        }
    }
}

/// What `disable` would do, and give up.
#[derive(Debug, Clone, Serialize)]
pub struct DisablePlan {
    /// Identifier of the database, as the settings have it.
    pub database: String,
    /// The ARN of the instance.
    pub instance_arn: String,
    /// Where the backups are.
    pub region: Region,
    /// From when on it can be restored there.
    pub earliest: Option<Timestamp>,
    /// Up to when.
    pub latest: Option<Timestamp>,
    /// Days for which what is there is kept.
    pub retention_days: Option<i32>,
}

impl Report for DisablePlan {
    const KIND: &'static str = "backups-disable-plan";

    fn document(&self) -> Document {
        let lost = match (self.earliest, self.latest) {
            (Some(earliest), Some(latest)) => format!(
                "What is there, {} to {}, is kept {} and then gone. Nothing newer arrives: \
                 the RPO in {} grows from now on, unless snapshots are copied.",
                show::time(earliest),
                show::time(latest),
                self.retention_days
                    .map_or("for its retention".to_owned(), |days| format!(
                        "{days} days"
                    )),
                self.region
            ),
            _ => format!(
                "Nothing has arrived yet. Without it the RPO in {} is that of copied snapshots.",
                self.region
            ),
        };
        Document::new()
            .heading(format!(
                "Stop replicating the backups of {} to {}",
                self.database, self.region
            ))
            .text(lost)
    }
}

/// What stopping the replication would give up; `None` when none is going on. Only the DR region is asked.
///
/// # Errors
/// When a run has pinned the backup, or its failover is on.
pub fn plan_disable(
    database: &str,
    backups: &[Backup],
    (primary, dr): (Region, Region),
) -> Result<Option<DisablePlan>, Refusal> {
    let found = find(database, backups, primary).filter(|backup| backup.status != "retained");
    let Some(backup) = found else {
        return Ok(None);
    };
    let mut runs = held_by([&backup.tags]);
    runs.extend(pinned_by(&backup.tags));
    if !runs.is_empty() {
        return Err(Refusal::Held {
            database: database.to_owned(),
            region: dr,
            runs,
        });
    }
    Ok(Some(DisablePlan {
        database: database.to_owned(),
        instance_arn: backup.instance_arn.clone(),
        region: dr,
        earliest: backup.earliest,
        latest: backup.latest,
        retention_days: backup.retention_days,
    }))
}

fn find<'a>(database: &str, backups: &'a [Backup], primary: Region) -> Option<&'a Backup> {
    let mut of = backups
        .iter()
        .filter(|backup| backup.database == database && backup.source_region == primary.as_str())
        .collect::<Vec<_>>();
    // One that goes on before one that was kept.
    of.sort_by_key(|backup| backup.status == "retained");
    of.first().copied()
}

/// Stops the replication.
///
/// # Errors
/// When AWS does not answer or refuses.
pub async fn disable(site: &RdsClients, plan: &DisablePlan) -> Result<(), Error> {
    let request = site
        .rds
        .stop_db_instance_automated_backups_replication()
        .source_db_instance_arn(&plan.instance_arn);
    let call = site.call("StopDBInstanceAutomatedBackupsReplication", &plan.database);
    request.send().await.map_err(|error| call.failed(error))?;
    site.applied("stop replication of backups", &plan.database);
    Ok(())
}

/// How it stands with the backups of one database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// Replicated, and within the objective.
    Ok,
    /// Not replicated, or further behind than the objective allows.
    Wrong,
    /// Nothing has arrived yet, or the status is not known.
    Unknown,
}

/// The replication of one database's backups.
#[derive(Debug, Clone, Serialize)]
pub struct BackupStatus {
    /// Identifier of the database, as the settings have it.
    pub database: String,
    /// How it stands.
    pub health: Health,
    /// Why, when it is not as it should be.
    pub why: Option<String>,
    /// The status that RDS gives.
    pub status: Option<String>,
    /// Up to when it can be restored.
    pub latest: Option<Timestamp>,
    /// How far that is behind, in seconds.
    pub lag_seconds: Option<u64>,
    /// Days for which it is kept.
    pub retention_days: Option<i32>,
    /// The key that it is encrypted with.
    pub key: Option<String>,
}

/// The replication of every database's backups.
#[derive(Debug, Clone, Serialize)]
pub struct BackupsReport {
    /// Where the backups are.
    pub region: Region,
    /// One entry for each database that was asked about.
    pub databases: Vec<BackupStatus>,
}

impl Report for BackupsReport {
    const KIND: &'static str = "backups";

    fn document(&self) -> Document {
        let rows = self.databases.iter().map(|one| {
            let (mark, word) = match one.health {
                Health::Ok => (Mark::Ok, "ok"),
                Health::Wrong => (Mark::Wrong, "wrong"),
                Health::Unknown => (Mark::Unknown, "unknown"),
            };
            let lag = |seconds| report::duration(Duration::from_secs(seconds));
            let cells = [
                word.to_owned(),
                one.database.clone(),
                one.status.clone().unwrap_or_else(|| "none".to_owned()),
                one.latest.map_or("unknown".to_owned(), show::time),
                one.lag_seconds.map_or("unknown".to_owned(), lag),
                one.why.clone().unwrap_or_default(),
            ];
            (mark, cells.to_vec())
        });
        Document::new()
            .heading(format!("Replicated automated backups in {}", self.region))
            .table(
                ["", "Database", "Status", "Restorable to", "Lag", "Why"],
                rows.collect(),
            )
    }
}

/// How the replication of `database` stands, from what lies in the DR region.
pub fn status(
    database: &str,
    backups: &[Backup],
    primary: Region,
    objective: Duration,
    as_of: AsOf,
) -> BackupStatus {
    let backup = find(database, backups, primary);
    let latest = backup.and_then(|backup| backup.latest);
    let lag = latest.and_then(|latest| as_of.age(latest));
    let (health, why) = match (backup.map(|backup| backup.status.as_str()), lag) {
        (None, _) => (Health::Wrong, Some("not replicated".to_owned())),
        (Some("retained"), _) => (
            Health::Wrong,
            Some("replication has stopped; what is there is kept for its retention".to_owned()),
        ),
        (Some("active" | "replicating"), Some(lag)) if lag <= objective => (Health::Ok, None),
        (Some("active" | "replicating"), Some(_)) => (
            Health::Wrong,
            Some(format!(
                "more than the objective of {}",
                report::duration(objective)
            )),
        ),
        (Some("active" | "replicating"), None) if latest.is_some() => {
            (Health::Unknown, Some(CLOCKS.to_owned()))
        }
        (Some("active" | "replicating" | "pending" | "creating"), None) => {
            (Health::Unknown, Some("nothing has arrived yet".to_owned()))
        }
        (Some(status), _) => (Health::Unknown, Some(format!("its status is {status}"))),
    };
    BackupStatus {
        database: database.to_owned(),
        health,
        why,
        status: backup.map(|backup| backup.status.clone()),
        latest,
        lag_seconds: lag.map(|lag| lag.as_secs()),
        retention_days: backup.and_then(|backup| backup.retention_days),
        key: backup.and_then(|backup| backup.key.clone()),
    }
}

#[cfg(test)]
mod tests;
