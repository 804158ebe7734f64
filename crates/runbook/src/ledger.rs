//! How much would be lost with the primary region, looked at again and again: a line for each look, in a file of this machine
//! and in an object for each day beside the records of runs. Lines are only ever added.
//!
//! A line says for how long it speaks; what no line speaks for is not known. A quarter of looks every five minutes is some
//! hundred kilobytes per bucket, database and state.

mod achieved;
mod alarms;
mod file;
mod look;
mod metrics;

use std::collections::HashMap;
use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::achieved::{
    Achieved, Day, LedgerSummary, SeriesDays, WindowAchieved, Worst, read_ledger, read_ledger_file,
};
pub use self::alarms::{AlarmRequest, AlarmsError, keep_alarms};
pub use self::file::{LedgerError, append_to_file, bring_to_store};
pub use self::look::{LookRequest, Measured, measure};
pub use self::metrics::{Overdue, publish};
use crate::plan::Goals;
use crate::record::Digest;

/// What a number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// How old the oldest object is that has not arrived in the DR bucket, in seconds; 0 where none waits.
    OldestUnreplicated,
    /// How many objects wait.
    Backlog,
    /// How old the data of the freshest recovery point in the DR region are, in seconds.
    RecoveryPointAge,
    /// How far the database's LatestRestorableTime in the primary region lies back, in seconds.
    LatestRestorableAge,
    /// How many writes of a Terraform state have not arrived in the DR region.
    SerialsBehind,
}

impl Measure {
    /// As people read it.
    pub fn name(self) -> &'static str {
        match self {
            Self::OldestUnreplicated => "oldest unreplicated object",
            Self::Backlog => "objects that wait",
            Self::RecoveryPointAge => "freshest recovery point in DR",
            Self::LatestRestorableAge => "LatestRestorableTime",
            Self::SerialsBehind => "serials behind",
        }
    }

    /// Whether it counts seconds.
    pub fn is_age(self) -> bool {
        match self {
            Self::OldestUnreplicated | Self::RecoveryPointAge | Self::LatestRestorableAge => true,
            Self::Backlog | Self::SerialsBehind => false,
        }
    }

    /// What it may be at most, by the settings' objectives.
    pub fn objective(self, goals: Goals) -> Option<u64> {
        match self {
            Self::OldestUnreplicated => Some(goals.rpo_objects_seconds),
            Self::RecoveryPointAge => Some(goals.rpo_database_seconds),
            Self::Backlog | Self::LatestRestorableAge | Self::SerialsBehind => None,
        }
    }
}

/// What is looked at again and again.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Series {
    /// What its numbers are.
    pub measure: Measure,
    /// The bucket, database or state.
    pub of: String,
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.of, self.measure.name())
    }
}

/// One look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sample {
    /// When it was looked, by the clock of the machine.
    pub at: Timestamp,
    /// For how many seconds it speaks, unless another one comes before.
    pub holds: u32,
    /// What was measured at each look, in the order of its numbers.
    pub series: Arc<[Series]>,
    /// What was seen of each; null where that is not known.
    pub values: Vec<Option<u64>>,
}

impl Sample {
    /// What was seen of each.
    pub fn pairs(&self) -> impl Iterator<Item = (&Series, Option<u64>)> {
        self.series.iter().zip(self.values.iter().copied())
    }

    /// The line that says what its numbers are of, and the line with the numbers.
    fn lines(&self) -> (String, String) {
        let pairs: Vec<(Measure, &str)> = self
            .series
            .iter()
            .map(|series| (series.measure, series.of.as_str()))
            .collect();
        // Texts are always written.
        let named = serde_json::to_string(&pairs).unwrap_or_default();
        let name = &Digest::of(named.as_bytes()).to_string()[..NAME];
        let mut line = format!("{name} {} {}", self.at.as_second(), self.holds);
        for value in &self.values {
            let _ = match value {
                Some(value) => write!(line, " {value}"),
                None => write!(line, " -"),
            };
        }
        line.push_str(END);
        (format!("={name} {named}"), line)
    }
}

/// Digits of the name that a list of series has.
const NAME: usize = 6;
/// What no line ends with that was cut off.
const END: &str = " .";

/// Reads lines in their order.
#[derive(Debug, Default)]
struct Lines {
    lists: HashMap<String, Arc<[Series]>>,
    /// Lines that say nothing: cut off, changed, or of another version.
    unreadable: u64,
}

impl Lines {
    fn read(&mut self, line: &str) -> Option<Sample> {
        let line = line.trim_end_matches(['\r', '\n']);
        if line.is_empty() {
            return None;
        }
        if let Some(list) = line.strip_prefix('=') {
            match Self::list(list) {
                Some((name, series)) => drop(self.lists.insert(name, series)),
                None => self.unreadable += 1,
            }
            return None;
        }
        let sample = self.sample(line);
        if sample.is_none() {
            self.unreadable += 1;
        }
        sample
    }

    fn list(line: &str) -> Option<(String, Arc<[Series]>)> {
        let (name, named) = line.split_once(' ')?;
        let is_whole = Digest::of(named.as_bytes()).to_string().starts_with(name);
        let pairs: Vec<(Measure, String)> = serde_json::from_str(named).ok()?;
        let series = pairs
            .into_iter()
            .map(|(measure, of)| Series { measure, of });
        (is_whole && name.len() == NAME).then(|| (name.to_owned(), series.collect()))
    }

    fn sample(&self, line: &str) -> Option<Sample> {
        let mut words = line.strip_suffix(END)?.split(' ');
        let series = self.lists.get(words.next()?)?.clone();
        let at = Timestamp::from_second(words.next()?.parse().ok()?).ok()?;
        let holds = words.next()?.parse().ok()?;
        let values = words.map(|word| match word {
            "-" => Some(None),
            value => value.parse().ok().map(Some),
        });
        let values: Vec<Option<u64>> = values.collect::<Option<_>>()?;
        (values.len() == series.len()).then_some(Sample {
            at,
            holds,
            series,
            values,
        })
    }
}

#[cfg(test)]
mod tests;
