//! A database brought back in the DR region.

mod plan;
mod target;
mod verify;

use std::time::Duration;

use aws_env::{DbInstanceState, Error, Waiter, WaiterConfig};
use aws_sdk_rds::types::Tag;
use jiff::Timestamp;
use report::{Document, Mark, Observer, Outcome, Report, ShellCommand};
use serde::Serialize;
use settings::{Region, Tags};

pub use plan::{At, AtError, Choice, RestorePlan, RestoreRequest, RestoreStep, plan_restore};
pub use target::{TargetCheck, TargetProblem, check_restore_target};
pub use verify::Difference;

use super::clients::is_any;
use super::{Instance, Kind, RdsClients, Refusal, check_key, provenance_tags, show};

/// Why a restore did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// It was not begun, and nothing was changed.
    #[error("{0}")]
    Refused(Refusal),
    /// AWS did not answer or refused.
    #[error(transparent)]
    Aws(#[from] Error),
    /// It ended in a status that it does not leave by itself.
    #[error("{target} in {region} ended {status}")]
    Ended {
        /// Identifier of the instance.
        target: String,
        /// The DR region.
        region: Region,
        /// The status in which it stays.
        status: String,
    },
    /// It is still going on; the next run takes it up.
    #[error(
        "{target} is not available after {}: it is {last}",
        report::duration(*waited)
    )]
    Deadline {
        /// Identifier of the instance.
        target: String,
        /// How long was waited.
        waited: Duration,
        /// What was last seen.
        last: String,
    },
}

impl RestoreError {
    /// What to do about it, where AWS's own error says nothing.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Refused(refusal) => Some(refusal.hint()),
            Self::Aws(_) => None,
            Self::Ended {
                target,
                region,
                status,
            } => Some(next_step(target, *region, status)),
            Self::Deadline { .. } => Some(
                "it goes on by itself; the same command takes it up, --deadline waits longer"
                    .to_owned(),
            ),
        }
    }
}

/// What AWS says to do about a status
/// (<https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/accessing-monitoring.html>).
fn next_step(target: &str, region: Region, status: &str) -> String {
    let aws = |command| {
        ShellCommand::new(command)
            .option("--region", region.as_str())
            .option("--db-instance-identifier", target)
    };
    let why = match status {
        "stopping" | "stopped" => {
            let start = aws("aws rds start-db-instance");
            return format!("something stopped it: {start}, and run the same command again");
        }
        "deleting" | "deleted" => {
            return "something deletes it; once it is gone, run the same command again".to_owned();
        }
        "storage-full" => {
            let enlarge = aws("aws rds modify-db-instance")
                .words("--allocated-storage … --apply-immediately");
            return format!("its storage is full: {enlarge}");
        }
        "incompatible-parameters" => {
            "a parameter does not go with its class or engine: correct the parameter group, or \
             name another one in [databases.restore]"
        }
        "incompatible-network" => {
            "its subnets have no free address or are gone: check the subnet group"
        }
        "incompatible-option-group" => "an option does not go with its engine: check the group",
        "inaccessible-encryption-credentials"
        | "inaccessible-encryption-credentials-recoverable" => {
            "its KMS key cannot be used: enable the key"
        }
        "insufficient-capacity" => "AWS has no such instance to give: choose another class",
        _ => "`aws rds describe-events` says why",
    };
    format!(
        "{why}; then {}, and run the same command again",
        aws("aws rds delete-db-instance").words("--skip-final-snapshot")
    )
}

/// A database that is back.
#[derive(Debug, Clone, Serialize)]
pub struct Restored {
    /// The instance in the DR region.
    pub target: String,
    /// The DR region.
    pub region: Region,
    /// Its endpoint as `HOST:PORT`.
    pub endpoint: Option<String>,
    /// What it was restored from.
    pub choice: Choice,
    /// What is lost: from the data's time to the moment of the loss, in seconds. At most this: a backup
    /// that is restored to its latest time may have grown since it was looked at.
    pub rpo_seconds: u64,
    /// What may be lost by the settings, in seconds.
    pub rpo_objective_seconds: u64,
    /// From the beginning of the restore until the instance was available, in seconds; `None` when that
    /// was in an earlier run.
    pub rto_seconds: Option<u64>,
    /// How long it may take by the settings, in seconds.
    pub rto_objective_seconds: u64,
    /// What is not as the settings want it.
    pub differences: Vec<Difference>,
    /// Whether it was begun by an earlier run.
    pub resumed: bool,
}

impl Restored {
    /// Whether it is as the settings want it, and within both objectives.
    pub fn is_as_wanted(&self) -> bool {
        self.differences.is_empty()
            && self.rpo_seconds <= self.rpo_objective_seconds
            && self
                .rto_seconds
                .is_none_or(|rto| rto <= self.rto_objective_seconds)
    }
}

impl Report for Restored {
    const KIND: &'static str = "restore";

    fn document(&self) -> Document {
        let length = |seconds: u64| report::duration(Duration::from_secs(seconds));
        let met = |found: u64, objective: u64| {
            let mark = if found <= objective {
                Mark::Ok
            } else {
                Mark::Wrong
            };
            (mark, length(found), length(objective))
        };
        let mut rows = Vec::new();
        let (mark, found, objective) = met(self.rpo_seconds, self.rpo_objective_seconds);
        rows.push((mark, vec!["RPO".to_owned(), found, objective]));
        rows.push(match self.rto_seconds {
            Some(rto) => {
                let (mark, found, objective) = met(rto, self.rto_objective_seconds);
                (mark, vec!["RTO".to_owned(), found, objective])
            }
            None => {
                let cells = ["RTO", "in an earlier run", ""].map(str::to_owned);
                (Mark::Plain, cells.to_vec())
            }
        });
        let differences = self.differences.iter().map(|difference| {
            let cells = [
                difference.setting.to_owned(),
                difference.found.clone(),
                difference.wanted.clone(),
            ];
            (Mark::Wrong, cells.to_vec())
        });
        let endpoint = self
            .endpoint
            .clone()
            .unwrap_or_else(|| "no endpoint".to_owned());
        let document = Document::new()
            .heading(format!("{} in {}", self.target, self.region))
            .text(format!(
                "{endpoint}, from {} {}, data of {}",
                self.choice.kind.name(),
                self.choice.point,
                show::time(self.choice.data_time)
            ))
            .table(["Objective", "Found", "Wanted"], rows)
            .table(["Setting", "Found", "Wanted"], differences.collect());
        if self.differences.is_empty() {
            document.text("Subnet group, security groups, parameter group, Multi-AZ, class, key and private access are as wanted.")
        } else {
            document
        }
    }
}

/// Carries `plan` out: begins the restore or takes up the one that is under way, waits until the instance
/// serves, and reads back what it got. `now` is the time at which this is called.
///
/// # Errors
/// See [`RestoreError`]. Nothing that was begun is undone; the same plan takes it up again.
pub async fn restore(
    site: &RdsClients,
    plan: &RestorePlan,
    tags: &Tags,
    waiter: WaiterConfig,
    now: Timestamp,
    observer: &dyn Observer,
) -> Result<Restored, RestoreError> {
    let mut waiting = Waiter::begin(waiter);
    let label = format!("restore {} in {}", plan.target, plan.region);
    observer.started(&label);
    let ended = async {
        let mut resumed = plan.step != RestoreStep::Begin;
        if plan.step == RestoreStep::Begin {
            resumed = begin(site, plan, tags, now).await?;
        }
        let instance = wait(site, plan, &mut waiting, &label, observer).await?;
        Ok((resumed, instance))
    }
    .await;
    let outcome = match &ended {
        Ok((_, instance)) if !verify::differences(plan, instance).is_empty() => Outcome::Failed,
        Ok(_) if plan.step == RestoreStep::Verify => Outcome::Unchanged,
        Ok(_) => Outcome::Done,
        Err(RestoreError::Deadline { .. }) => Outcome::Skipped,
        Err(_) => Outcome::Failed,
    };
    observer.finished(&label, outcome, waiting.elapsed());
    let (resumed, instance) = ended?;
    let before = match plan.step {
        RestoreStep::Begin => Some(Duration::ZERO),
        // Begun by a run that did not see its end.
        RestoreStep::Resume => plan.begun.map(|begun| show::age(begun, now)),
        RestoreStep::Verify => None,
    };
    Ok(Restored {
        target: plan.target.clone(),
        region: plan.region,
        endpoint: instance.endpoint.clone(),
        choice: plan.choice.clone(),
        rpo_seconds: plan.rpo_seconds,
        rpo_objective_seconds: plan.rpo_objective_seconds,
        rto_seconds: before.map(|before| (before + waiting.elapsed()).as_secs()),
        rto_objective_seconds: plan.rto_objective_seconds,
        differences: verify::differences(plan, &instance),
        resumed,
    })
}

/// Begins the restore; whether it had been begun already, by a call whose answer was lost or a run at the
/// same time.
async fn begin(
    site: &RdsClients,
    plan: &RestorePlan,
    tags: &Tags,
    now: Timestamp,
) -> Result<bool, RestoreError> {
    if let Some(key) = &plan.key
        && let Err(problem) = check_key(site, key).await?
    {
        return Err(RestoreError::Refused(Refusal::Key {
            key: key.clone(),
            region: site.region(),
            problem,
        }));
    }
    let tags = provenance(plan, tags, now);
    let sent = match plan.choice.kind {
        Kind::CopiedSnapshot => from_snapshot(site, plan, tags).await,
        // Replicas are promoted; a plan never chooses one.
        Kind::ReplicatedBackup | Kind::Replica => from_backup(site, plan, tags).await,
    };
    let Err(error) = sent else {
        site.applied("begin restore", &plan.target);
        return Ok(false);
    };
    if !is_any(&error, &["DBInstanceAlreadyExists"]) {
        return Err(error.into());
    }
    let Some(there) = site.instance(&plan.target).await? else {
        return Err(Error::unexpected(error.call, "it exists and is not shown").into());
    };
    match plan::begun_choice(&there, &plan.database) {
        Some(begun) if begun == plan.choice => Ok(true),
        _ => Err(RestoreError::Refused(plan::taken(plan.region, &there))),
    }
}

/// What the instance says of where it comes from, for a run that takes the restore up.
fn provenance(plan: &RestorePlan, tags: &Tags, now: Timestamp) -> Vec<Tag> {
    let choice = &plan.choice;
    let own = [
        (provenance_tags::DATABASE, plan.database.clone()),
        (provenance_tags::POINT, choice.point.clone()),
        (provenance_tags::POINT_KIND, choice.kind.name().to_owned()),
        (provenance_tags::AT, choice.at.to_string()),
        (provenance_tags::DATA_TIME, choice.data_time.to_string()),
        (provenance_tags::BEGUN, now.to_string()),
    ];
    provenance_tags::tags(&own, tags)
}

fn security_groups(plan: &RestorePlan) -> Vec<String> {
    let groups = plan.wanted.security_groups.iter();
    groups.map(ToString::to_string).collect()
}

async fn from_snapshot(site: &RdsClients, plan: &RestorePlan, tags: Vec<Tag>) -> Result<(), Error> {
    let wanted = &plan.wanted;
    let request = site
        .rds
        .restore_db_instance_from_db_snapshot()
        .db_instance_identifier(&plan.target)
        .db_snapshot_identifier(&plan.choice.point)
        .set_db_instance_class(wanted.class.as_ref().map(ToString::to_string))
        .db_subnet_group_name(wanted.subnet_group.as_str())
        .db_parameter_group_name(wanted.parameter_group.as_str())
        .set_vpc_security_group_ids(Some(security_groups(plan)))
        .multi_az(wanted.multi_az)
        // With a subnet group whose VPC has an internet gateway AWS may choose otherwise.
        .publicly_accessible(false)
        .set_tags(Some(tags));
    let call = site.call("RestoreDBInstanceFromDBSnapshot", &plan.target);
    request.send().await.map_err(|error| call.failed(error))?;
    Ok(())
}

async fn from_backup(site: &RdsClients, plan: &RestorePlan, tags: Vec<Tag>) -> Result<(), Error> {
    let wanted = &plan.wanted;
    let request = site
        .rds
        .restore_db_instance_to_point_in_time()
        .source_db_instance_automated_backups_arn(&plan.choice.point)
        .target_db_instance_identifier(&plan.target)
        .set_db_instance_class(wanted.class.as_ref().map(ToString::to_string))
        .db_subnet_group_name(wanted.subnet_group.as_str())
        .db_parameter_group_name(wanted.parameter_group.as_str())
        .set_vpc_security_group_ids(Some(security_groups(plan)))
        .multi_az(wanted.multi_az)
        // With a subnet group whose VPC has an internet gateway AWS may choose otherwise.
        .publicly_accessible(false)
        .set_tags(Some(tags));
    let request = match plan.choice.at {
        At::Latest => request.use_latest_restorable_time(true),
        At::Time(time) => request.restore_time(show::date_time(time)),
    };
    let call = site.call("RestoreDBInstanceToPointInTime", &plan.target);
    request.send().await.map_err(|error| call.failed(error))?;
    Ok(())
}

/// Waits until the instance serves.
async fn wait(
    site: &RdsClients,
    plan: &RestorePlan,
    waiting: &mut Waiter,
    label: &str,
    observer: &dyn Observer,
) -> Result<Instance, RestoreError> {
    let mut was_observed = false;
    loop {
        let last = match site.instance(&plan.target).await {
            Ok(Some(instance)) => match DbInstanceState::of(&instance.status) {
                DbInstanceState::Serves => return Ok(instance),
                DbInstanceState::Comes => {
                    was_observed = true;
                    instance.status
                }
                DbInstanceState::Stays => {
                    return Err(RestoreError::Ended {
                        target: plan.target.clone(),
                        region: plan.region,
                        status: instance.status,
                    });
                }
            },
            Ok(None) if was_observed => {
                return Err(RestoreError::Ended {
                    target: plan.target.clone(),
                    region: plan.region,
                    status: "deleted".to_owned(),
                });
            }
            // Right after the call it may not be shown yet.
            Ok(None) => "not shown yet".to_owned(),
            Err(error) if error.is_transient() => format!("not known: {error}"),
            Err(error) => return Err(error.into()),
        };
        observer.waiting(label, &last);
        if !waiting.pause().await {
            return Err(RestoreError::Deadline {
                target: plan.target.clone(),
                waited: waiting.elapsed(),
                last,
            });
        }
    }
}
