//! A database brought back in the DR region.

mod begin;
mod configure;
mod import;
mod plan;
mod progress;
mod target;
mod verify;

use std::time::Duration;

use aws_env::Error;
use report::{Document, Mark, Report, ShellCommand};
use serde::Serialize;
use settings::Region;

pub use begin::{Begun, begin_restore};
pub use configure::Difference;
pub use import::TerraformImport;
pub use plan::{
    At, AtError, Choice, FresherReplica, RestorePlan, RestoreRequest, RestoreStep, plan_restore,
};
pub use progress::{RestoreProgress, RestoreWatch, restore, wait_restore};
pub use target::{TargetCheck, TargetProblem, check_restore_target};

use super::as_of::CLOCKS;
use super::{Refusal, show};

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
        "inaccessible-encryption-credentials-recoverable" => {
            let start = aws("aws rds start-db-instance");
            return format!(
                "its KMS key cannot be used: enable the key, then {start}, and run the same command again"
            );
        }
        "inaccessible-encryption-credentials" => "its KMS key cannot be used: enable the key",
        "insufficient-capacity" => "AWS has no such instance to give: choose another class",
        _ => "`aws rds describe-events` says why",
    };
    // Whether it has served meanwhile, and holds what is nowhere else, is not known: it is nothing to be deleted.
    format!(
        "{why}; then restore under another name with --target, and keep this one until it is known what it holds"
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
    /// `None` where the clocks differ.
    pub rpo_seconds: Option<u64>,
    /// What may be lost by the settings, in seconds.
    pub rpo_objective_seconds: u64,
    /// From the beginning of the restore until the instance served, in seconds; `None` when that
    /// was in an earlier run.
    pub rto_seconds: Option<u64>,
    /// How long it may take by the settings, in seconds.
    pub rto_objective_seconds: u64,
    /// What is not as the settings want it.
    pub differences: Vec<Difference>,
    /// Why RDS did not take what had to be set after the restore, in words; the same command tries again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Whether it was begun by an earlier run.
    pub resumed: bool,
}

impl Restored {
    /// Whether it is as the settings want it, and within both objectives; `None` where what is lost is not known.
    pub fn is_as_wanted(&self) -> Option<bool> {
        let rto_is_met = self
            .rto_seconds
            .is_none_or(|rto| rto <= self.rto_objective_seconds);
        if !self.differences.is_empty() || !rto_is_met {
            return Some(false);
        }
        self.rpo_seconds
            .map(|rpo| rpo <= self.rpo_objective_seconds)
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
        let objective = self.rpo_objective_seconds;
        let (mark, found, objective) = match self.rpo_seconds {
            Some(rpo) => met(rpo, objective),
            None => (Mark::Unknown, CLOCKS.to_owned(), length(objective)),
        };
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
        let document = match &self.problem {
            Some(problem) => document.text(format!("not set: {problem}")),
            None => document,
        };
        if self.differences.is_empty() {
            document.text("Subnet group, security groups, parameter group, Multi-AZ, class, key and private access are as wanted.")
        } else {
            document
        }
    }
}
