//! What runs of a failover measured.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::Recovery;

/// A failover that was run to its end, as its record says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MeasuredRun {
    /// Its name.
    pub run: String,
    /// When it was verified, or else declared.
    pub at: Timestamp,
    /// Where it was made, as in `account 123456789012`.
    pub made_in: String,
    /// Something stood in for AWS: how long AWS takes was not measured.
    pub on_an_emulator: bool,
    /// From the fault until everything was verified, in seconds, else from the declaration; null where nobody knows.
    pub rto_seconds: Option<u64>,
    /// The most that was lost of a database, in seconds; null where it is not known of one, or where there was none.
    pub rpo_database_seconds: Option<u64>,
    /// The most that was lost of objects, in seconds; null where nobody knows.
    pub rpo_objects_seconds: Option<u64>,
    /// Whether that is within the objectives; null where something is not known.
    pub meets_objectives: Option<bool>,
}

/// What a choice was measured to give.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Given {
    /// The run that measured it.
    pub run: String,
    /// Something stood in for AWS.
    pub on_an_emulator: bool,
    /// In seconds; null where that was not measured, or hangs on another choice.
    pub rpo_seconds: Option<u64>,
    /// In the same way.
    pub rto_seconds: Option<u64>,
}

impl Given {
    /// As in `RPO 4m, RTO 31m in run 8f1c`.
    pub(super) fn told(&self) -> String {
        let parts = [("RPO", self.rpo_seconds), ("RTO", self.rto_seconds)];
        let parts = parts.into_iter().filter_map(|(name, seconds)| {
            let seconds = Duration::from_secs(seconds?);
            Some(format!("{name} {}", report::duration(seconds)))
        });
        let parts: Vec<String> = parts.collect();
        let place = match self.on_an_emulator {
            true => ", on an emulator",
            false => "",
        };
        match parts.is_empty() {
            true => "not measured".to_owned(),
            false => format!("{} in run {}{place}", parts.join(", "), self.run),
        }
    }
}

/// What a run can measure of a choice.
#[derive(Clone, Copy)]
enum Part {
    /// Databases and objects, and how long it takes.
    All,
    Database,
    Objects,
}

impl Recovery {
    /// Puts beside the choices what runs measured, and the runs in the order of their times. The runbook restores databases
    /// from their copied backups and finds objects where replication has put them: of other choices it measures nothing.
    ///
    /// The last run in an account of AWS counts; the last one on an emulator where there is no other.
    #[must_use]
    pub fn with_runs(mut self, mut runs: Vec<MeasuredRun>) -> Self {
        runs.sort_by_key(|run| run.at);
        let in_aws = runs.iter().rfind(|run| !run.on_an_emulator);
        if let Some(run) = in_aws.or(runs.last()) {
            let choices = self.parts.iter_mut().chain(&mut self.strategies);
            for choice in choices {
                let part = match choice.name.as_str() {
                    super::BACKUP_AND_RESTORE => Part::All,
                    super::REPLICATED_BACKUPS => Part::Database,
                    super::REPLICATION | super::REPLICATION_WITH_RTC
                        if choice.present == Some(true) =>
                    {
                        Part::Objects
                    }
                    _ => continue,
                };
                choice.measured = Some(run.given(part));
            }
        }
        self.runs = runs;
        self
    }
}

impl MeasuredRun {
    fn given(&self, part: Part) -> Given {
        let (rpo_seconds, rto_seconds) = match part {
            Part::All => {
                let both = self.rpo_database_seconds.zip(self.rpo_objects_seconds);
                (
                    both.map(|(rows, objects)| rows.max(objects)),
                    self.rto_seconds,
                )
            }
            Part::Database => (self.rpo_database_seconds, None),
            Part::Objects => (self.rpo_objects_seconds, None),
        };
        Given {
            run: self.run.clone(),
            on_an_emulator: self.on_an_emulator,
            rpo_seconds,
            rto_seconds,
        }
    }
}
