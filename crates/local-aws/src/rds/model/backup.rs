//! Automated backups: base backups and the log after them, here or replicated from another region.

use std::collections::VecDeque;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::{Settings, Tags};
use crate::rds::clock::later;
use crate::rds::data::Directory;
use crate::rds::name::Place;
use crate::rds::refusal::{Outcome, Refusal};

/// A directory with data, where there are real servers.
pub(crate) type Stored = Option<Arc<Directory>>;

/// An instance's files at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Base {
    pub(crate) at: Timestamp,
    pub(crate) files: Stored,
}

/// The log is complete up to `until`; nothing was written between `at` and `until`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) at: Timestamp,
    pub(crate) until: Timestamp,
    /// Last segment of the log, where there are real servers.
    pub(crate) through: Option<String>,
}

/// What can be restored.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    pub(crate) bases: Vec<Base>,
    pub(crate) marks: Vec<Mark>,
    /// Directory with the log's segments.
    pub(crate) segments: Stored,
}

/// What a restore takes.
#[derive(Clone, Debug)]
pub(crate) struct Recovery {
    pub(crate) base: Stored,
    pub(crate) segments: Stored,
    /// Up to this segment.
    pub(crate) through: Option<String>,
    /// Not past this simulated time; `None`: all of the segments.
    pub(crate) until: Option<Timestamp>,
}

impl History {
    pub(crate) fn earliest(&self) -> Option<Timestamp> {
        self.bases.first().map(|base| base.at)
    }

    pub(crate) fn latest(&self) -> Option<Timestamp> {
        let mark = self.marks.last().map(|mark| mark.until);
        mark.max(self.bases.last().map(|base| base.at))
    }

    pub(crate) fn mark(&mut self, mark: Mark) {
        match self.marks.last_mut() {
            // Without servers nobody knows whether something was written.
            Some(last) if last.through == mark.through => last.until = mark.until,
            _ => self.marks.push(mark),
        }
    }

    /// Forgets what is only needed for times before `oldest`.
    pub(crate) fn forget(&mut self, oldest: Timestamp) {
        let needed = self.bases.partition_point(|base| base.at <= oldest);
        self.bases.drain(..needed.saturating_sub(1));
        if let Some(first) = self.earliest() {
            self.marks.retain(|mark| mark.until >= first);
        }
    }

    /// How to get back to `time`.
    pub(crate) fn recovery(&self, time: Option<Timestamp>) -> Outcome<Recovery> {
        let (Some(earliest), Some(latest)) = (self.earliest(), self.latest()) else {
            return Err(Refusal::new(
                "InvalidRestoreFault",
                "There is no backup to restore from yet.",
            ));
        };
        // "Must be before the latest restorable time":
        // <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_RestoreDBInstanceToPointInTime.html>
        if let Some(time) = time
            && !(earliest..latest).contains(&time)
        {
            return Err(Refusal::value(format!(
                "The specified time {time} is not within the restore window from {earliest} to {latest}."
            )));
        }
        let time = time.unwrap_or(latest);
        let base = self.bases.iter().rev().find(|base| base.at <= time);
        let recovery = |through: Option<String>, until| Recovery {
            base: base.and_then(|base| base.files.clone()),
            segments: self.segments.clone(),
            through,
            until,
        };
        let after = self.marks.iter().position(|mark| mark.until >= time);
        Ok(match after.map(|at| &self.marks[at]) {
            // Between two marks: into the second one's segments, not to their end.
            Some(mark) if time < mark.at => recovery(mark.through.clone(), Some(time)),
            Some(mark) => recovery(mark.through.clone(), None),
            None => recovery(None, Some(time)),
        })
    }
}

/// Something on its way to another region.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    Base(Base),
    Mark(Mark),
}

/// From where a replicated backup comes.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) place: Place,
    /// The log's segments there.
    pub(crate) segments: Stored,
    /// What has not arrived, and when it will.
    pub(crate) arriving: VecDeque<(Timestamp, Item)>,
}

/// An automated backup.
#[derive(Clone, Debug)]
pub(crate) struct Backup {
    pub(crate) arn: String,
    /// Where it is kept.
    pub(crate) place: Place,
    /// `active`, `retained`, `pending`, `replicating`.
    pub(crate) status: String,
    pub(crate) instance_arn: String,
    pub(crate) instance_id: String,
    pub(crate) resource_id: String,
    pub(crate) instance_created: Timestamp,
    pub(crate) settings: Settings,
    pub(crate) retention_days: u32,
    pub(crate) tags: Tags,
    pub(crate) history: History,
    /// For one that is replicated from another region.
    pub(crate) origin: Option<Origin>,
}

impl Backup {
    /// Whether it belongs to an instance in its own region.
    pub(crate) fn is_own(&self) -> bool {
        self.origin.is_none()
    }

    /// Whether it is a copy that goes on being written.
    pub(crate) fn follows(&self) -> bool {
        self.origin.is_some() && matches!(self.status.as_str(), "pending" | "replicating")
    }

    /// Sends something on its way.
    pub(crate) fn send(&mut self, arrives: Timestamp, item: Item) {
        if let Some(origin) = &mut self.origin {
            // The log is in order: nothing overtakes.
            let last = origin.arriving.back().map_or(arrives, |(last, _)| *last);
            origin.arriving.push_back((arrives.max(last), item));
        }
    }

    /// Nothing more will arrive.
    pub(crate) fn retain(&mut self) {
        self.status = "retained".into();
        if let Some(origin) = &mut self.origin {
            origin.arriving.clear();
        }
    }

    /// Oldest time that has to be kept.
    pub(crate) fn oldest(&self, now: Timestamp) -> Timestamp {
        later(
            now,
            SignedDuration::from_hours(-24 * i64::from(self.retention_days)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(minute: i64) -> Timestamp {
        Timestamp::from_second(minute * 60).unwrap()
    }

    fn history() -> History {
        let mut history = History::default();
        for at in [1, 100] {
            history.bases.push(Base {
                at: minute(at),
                files: None,
            });
        }
        for (at, through) in [(5, "A"), (10, "A"), (15, "B"), (105, "C")] {
            history.mark(Mark {
                at: minute(at),
                until: minute(at),
                through: Some(through.into()),
            });
        }
        history
    }

    #[test]
    fn a_recovery_stops_inside_a_segment_only_where_something_was_written() {
        let history = history();
        assert_eq!(history.latest(), Some(minute(105)));
        for (time, through, until) in [
            (None, Some("C"), None),
            (Some(104), Some("C"), Some(104)),
            (Some(15), Some("B"), None),
            (Some(12), Some("B"), Some(12)),
            // Nothing was written between 5 and 10.
            (Some(7), Some("A"), None),
            (Some(3), Some("A"), Some(3)),
        ] {
            let recovery = history.recovery(time.map(minute)).unwrap();
            assert_eq!(
                (recovery.through.as_deref(), recovery.until),
                (through, until.map(minute)),
                "{time:?}"
            );
        }
    }

    #[test]
    fn times_outside_the_window_are_refused() {
        for time in [0, 105, 106] {
            let refused = history().recovery(Some(minute(time))).unwrap_err();
            assert_eq!(refused.code, "InvalidParameterValue");
        }
        let empty = History::default().recovery(None).unwrap_err();
        assert_eq!(empty.code, "InvalidRestoreFault");
    }

    #[test]
    fn what_is_needed_for_the_window_is_kept() {
        let mut history = history();
        history.forget(minute(99));
        assert_eq!(history.earliest(), Some(minute(1)));
        history.forget(minute(100));
        assert_eq!(history.earliest(), Some(minute(100)));
        assert_eq!(history.marks.len(), 1);
    }
}
