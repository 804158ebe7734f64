//! What a run does, fixed before it begins.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use settings::{Country, Objectives, Region, Settings};

use crate::record::Digest;
use crate::{Declared, DrillId, Host};

/// The name of a run, of the form of [`dr::objects::RunId::new`] and no other. So names sort as their runs began.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunId(String);

/// A text names no run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no run: a run is called 20261130T031500Z-0123456789abcdef")]
pub struct RunIdError(String);

impl RunId {
    /// A new name.
    pub fn new(host: &impl Host) -> Self {
        Self(dr::objects::RunId::new(host.now(), host.random()).into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for RunId {
    type Err = RunIdError;

    fn from_str(text: &str) -> Result<Self, RunIdError> {
        let is_run = text.len() == 33
            && text.bytes().enumerate().all(|(at, byte)| match at {
                8 => byte == b'T',
                15 => byte == b'Z',
                16 => byte == b'-',
                0..15 => byte.is_ascii_digit(),
                _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            });
        match is_run {
            true => Ok(Self(text.to_owned())),
            false => Err(RunIdError(text.to_owned())),
        }
    }
}

impl TryFrom<String> for RunId {
    type Error = RunIdError;

    fn try_from(text: String) -> Result<Self, RunIdError> {
        text.parse()
    }
}

impl From<RunId> for String {
    fn from(run: RunId) -> Self {
        run.0
    }
}

/// The name of a step: `restore`, or `restore/app-db` where there are several of a kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepId(pub String);

impl StepId {
    /// A step of which there is one.
    pub fn new(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// A step for one thing of several.
    pub fn of(kind: &str, thing: &str) -> Self {
        Self(format!("{kind}/{thing}"))
    }

    /// What sort of step it is.
    pub fn kind(&self) -> &str {
        self.0.split_once('/').map_or(&self.0, |(kind, _)| kind)
    }
}

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a run is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// The primary region is lost.
    RegionLoss,
    /// Both regions serve, and the environment goes to the DR region without losing anything.
    Planned,
    /// What a planned failover has changed that was given up before its cut-over is put back.
    Undo,
    /// The primary region serves again, and takes the environment back.
    Failback,
    /// The environment stays where it was failed over to: `dr` is its primary region from then on, and `primary` is left.
    Commit,
}

impl Mode {
    /// As people write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::RegionLoss => "region-loss",
            Self::Planned => "planned",
            Self::Undo => "undo",
            Self::Failback => "failback",
            Self::Commit => "commit",
        }
    }
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedStep {
    /// Its name.
    pub id: StepId,
    /// What it does, in words.
    pub title: String,
    /// The steps that have to be settled before.
    pub after: Vec<StepId>,
    /// What a person has to agree to before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<String>,
    /// What was decided for it when the run was planned.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub inputs: Value,
}

/// What a run does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The run that it is about.
    pub run: RunId,
    /// What it is for.
    pub mode: Mode,
    /// Project and environment, as the settings name them.
    pub environment: String,
    /// The drill next to the environment whose run it is: its things and its records are taken away, and nobody goes on with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drill: Option<DrillId>,
    /// The run that was given up and is put back by this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<RunId>,
    /// The account.
    pub account: Option<String>,
    /// Where the environment was.
    pub primary: Region,
    /// Where it goes on.
    pub dr: Region,
    /// Which regions are lost, and how that is known.
    pub declared: Declared,
    /// Where data lies that may lie there by exception alone.
    #[serde(default, skip_serializing_if = "ResidencyNotes::is_empty")]
    pub residency: ResidencyNotes,
    /// When the primary region was lost, as far as anybody knows: what is lost and how long it took count from here.
    pub fault: Option<Timestamp>,
    /// When it was planned, by the clock of the machine.
    pub planned: Timestamp,
    /// Who planned it.
    pub operator: String,
    /// Of the settings: a run goes on by those that it was planned with.
    pub settings: Digest,
    /// The version of this software, and of the programs that it will call.
    pub versions: BTreeMap<String, String>,
    /// What has to be achieved.
    pub objectives: Goals,
    /// The steps, in an order in which they could be taken.
    pub steps: Vec<PlannedStep>,
}

/// What an officer for privacy asks of a run: by whose word data lies in another country.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResidencyNotes {
    /// The exceptions that the regions need, with reason, approver and last day.
    #[serde(default)]
    pub exceptions: Vec<String>,
    /// Why the run went on although one of them had run out.
    #[serde(default)]
    pub despite: Option<String>,
    /// The countries in which data may lie without an exception; left out where no region needs one.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub countries: BTreeSet<Country>,
    /// Of a failback: when the environment was declared to be in its DR region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

impl ResidencyNotes {
    /// What the settings say, and why a run goes on although it has run out.
    pub fn new(settings: &Settings, despite: Option<String>) -> Self {
        let used = settings.exceptions_in_use();
        let countries = match used.is_empty() {
            true => BTreeSet::new(),
            false => settings.residency.countries.clone(),
        };
        Self {
            exceptions: used.iter().map(ToString::to_string).collect(),
            despite,
            countries,
            since: None,
        }
    }

    /// The same of a run that brings data home: a date is no reason to leave it where it is.
    pub fn homewards(settings: &Settings, planned: Timestamp) -> Self {
        let today = planned.to_zoned(TimeZone::UTC).date();
        let is_late = !settings.expired_exceptions(today).is_empty();
        Self::new(
            settings,
            is_late.then(|| "the run brings data home".to_owned()),
        )
    }

    /// The same for a failback of what was declared to be in its DR region at `declared`.
    #[must_use]
    pub fn since(self, declared: Timestamp) -> Self {
        Self {
            since: Some(declared),
            ..self
        }
    }

    /// Whether data lies in `region` by exception alone.
    pub fn is_outside(&self, region: Region, primary: Region) -> bool {
        if self.exceptions.is_empty() {
            return false;
        }
        match self.countries.is_empty() {
            // Of a plan that does not say which countries are allowed.
            true => region.country() != primary.country(),
            false => !self.countries.contains(&region.country()),
        }
    }

    /// Whether no region needs an exception.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The settings' objectives, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Goals {
    /// From the fault to everything usable.
    pub rto_seconds: u64,
    /// The rows that may be lost.
    pub rpo_database_seconds: u64,
    /// The objects that may be lost.
    pub rpo_objects_seconds: u64,
}

impl From<Objectives> for Goals {
    fn from(objectives: Objectives) -> Self {
        Self {
            rto_seconds: objectives.rto.as_secs(),
            rpo_database_seconds: objectives.rpo_database.as_secs(),
            rpo_objects_seconds: objectives.rpo_objects.as_secs(),
        }
    }
}

impl Plan {
    /// A step of it.
    pub fn step(&self, id: &StepId) -> Option<&PlannedStep> {
        self.steps.iter().find(|step| step.id == *id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Holder;

    /// A machine at a time.
    struct Machine(Timestamp, u64, Holder);

    impl Host for Machine {
        fn now(&self) -> Timestamp {
            self.0
        }

        fn random(&self) -> u64 {
            self.1
        }

        fn holder(&self) -> &Holder {
            &self.2
        }

        fn is_alive(&self, _: &Holder) -> Option<bool> {
            None
        }
    }

    #[test]
    fn names_of_runs_of_one_second_sort_as_the_runs_began() {
        let run = |time: &str, random| {
            let holder = Holder {
                operator: "kim@there".to_owned(),
                machine: "there".to_owned(),
                pid: 1,
                started_ticks: None,
            };
            RunId::new(&Machine(time.parse().unwrap(), random, holder))
        };
        let runs = [
            run("2026-11-30T12:57:40Z", u64::MAX),
            run("2026-11-30T12:57:40.000001Z", 7 << 40),
            run("2026-11-30T12:57:40.012Z", 0),
            run("2026-11-30T12:57:40.999999Z", 1),
            run("2026-11-30T12:57:41Z", 0),
        ];
        assert!(runs.is_sorted(), "{runs:?}");
        for run in &runs {
            assert_eq!(run.as_str().parse().as_ref(), Ok(run));
        }
        // Begun at once, they still differ.
        assert_ne!(
            run("2026-11-30T12:57:40Z", 1),
            run("2026-11-30T12:57:40Z", 2)
        );
    }
}
