//! What S3 has not replicated yet: how much, how old the oldest of it is, and how far the copy lags behind.
//!
//! Where only the DR region may be called, its CloudWatch tells what S3 has published there; where both regions answer, two
//! lists of versions tell, and the status of the objects that are not alike. What is not told is [`Reading::Unknown`], and
//! never nothing.

use std::time::Duration;

use jiff::Timestamp;
use report::finding::{Finding, Observation, Unobserved};
use report::{Document, Mark, Report, ShellCommand};
use serde::{Deserialize, Serialize};

use super::pairing::BucketPair;
use super::plan::Tally;

mod metrics;
mod statuses;

pub use metrics::backlog_by_metrics;
pub use statuses::{BacklogOptions, backlog_by_statuses};

/// S3 publishes a minute's figures within minutes: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/repl-metrics.html>.
/// What is older says how it was, and not how it is.
const STALE: Duration = Duration::from_secs(15 * 60);

/// What is known of something, or why nothing is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "reading")]
pub enum Reading<T> {
    /// It was told.
    Known {
        /// What was told.
        value: T,
        /// The moment that it is of.
        at: Timestamp,
    },
    /// It was not told, and is not taken for nothing.
    Unknown {
        /// Why.
        reason: String,
    },
}

impl<T> Reading<T> {
    fn unknown(reason: impl Into<String>) -> Self {
        Self::Unknown {
            reason: reason.into(),
        }
    }

    /// What is known.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known { value, .. } => Some(value),
            Self::Unknown { .. } => None,
        }
    }

    /// The moment that it is of.
    pub fn at(&self) -> Option<Timestamp> {
        match self {
            Self::Known { at, .. } => Some(*at),
            Self::Unknown { .. } => None,
        }
    }

    /// What is known as of about `now`: an older reading says nothing about it.
    fn current(&self, now: Timestamp) -> Observation<&T> {
        match self {
            Self::Unknown { reason } => Err(Unobserved::because(reason.clone())),
            Self::Known { value, at } if age(*at, now) <= STALE => Ok(value),
            Self::Known { at, .. } => Err(Unobserved::because(format!(
                "what was told last is of {at}"
            ))),
        }
    }

    fn shown(&self, text: impl FnOnce(&T) -> String) -> (Mark, String) {
        match self {
            Self::Known { value, at } => (Mark::Plain, format!("{} at {at}", text(value))),
            Self::Unknown { reason } => (Mark::Unknown, format!("unknown: {reason}")),
        }
    }
}

fn age(then: Timestamp, now: Timestamp) -> Duration {
    now.duration_since(then).unsigned_abs()
}

/// The oldest object that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Oldest {
    /// When it was written to the primary bucket: everything until then has arrived.
    pub written: Timestamp,
    /// Its key; CloudWatch tells none.
    pub key: Option<String>,
}

/// By what a backlog was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BacklogBy {
    /// What S3 has published in the DR region's CloudWatch.
    Metrics,
    /// Lists of both buckets, and the status of each object that is not alike in them.
    Statuses,
}

/// What the copy of one bucket lacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backlog {
    /// Which buckets.
    pub pair: BucketPair,
    /// By what it was found.
    pub by: BacklogBy,
    /// When it was asked.
    pub asked: Timestamp,
    /// What waits for replication.
    pub pending: Reading<Tally>,
    /// The oldest of it; none where nothing waits.
    pub oldest: Reading<Option<Oldest>>,
    /// How far the copy is behind, in seconds.
    pub lag_seconds: Reading<u64>,
    /// What S3 has given up on: it does not try again.
    pub failed: Reading<Tally>,
    /// What no rule replicates: written before there was one, or beside it.
    pub uncovered: Reading<Tally>,
}

impl Backlog {
    fn unknown(pair: &BucketPair, by: BacklogBy, asked: Timestamp, reason: &str) -> Self {
        Self {
            pair: pair.clone(),
            by,
            asked,
            pending: Reading::unknown(reason),
            oldest: Reading::unknown(reason),
            lag_seconds: Reading::unknown(reason),
            failed: Reading::unknown(reason),
            uncovered: Reading::unknown(reason),
        }
    }

    /// How it stands to the objective for data loss: what waits, how far the copy is behind, what was given up on, and what is
    /// not replicated at all.
    pub fn findings(&self, objective: Duration) -> Vec<Finding> {
        let resource = || self.pair.dr.name.to_string();
        let seconds = objective.as_secs();
        let of = |tally: &Tally| (tally.objects == 0, phrase(tally));
        let oldest = self.oldest.current(self.asked).map(|oldest| match oldest {
            None => (true, "nothing waits".to_owned()),
            Some(oldest) => {
                let age = age(oldest.written, self.asked);
                let text = format!("the oldest was written at {}", oldest.written);
                (age <= objective, text)
            }
        });
        let lag = self.lag_seconds.current(self.asked);
        let lag = lag.map(|lag| (*lag <= seconds, format!("{lag} s behind")));
        let sync = ShellCommand::new("dr-replicate sync");
        let sync = sync.option("--bucket", self.pair.primary.name.as_ref());
        let sync = format!("copy them with `{sync}`");
        vec![
            Finding::new(
                "replication-backlog",
                resource(),
                format!("nothing waits for more than {seconds} s"),
                oldest,
            ),
            Finding::new(
                "replication-lag",
                resource(),
                format!("at most {seconds} s behind"),
                lag,
            ),
            Finding::new(
                "replication-failures",
                resource(),
                "S3 has given up on nothing",
                self.failed.current(self.asked).map(of),
            )
            .fix(sync.clone()),
            Finding::new(
                "replication-coverage",
                resource(),
                "a rule replicates everything",
                self.uncovered.current(self.asked).map(of),
            )
            .fix(sync),
        ]
    }
}

fn phrase(tally: &Tally) -> String {
    format!("{} objects, {} bytes", tally.objects, tally.bytes)
}

impl Report for Backlog {
    const KIND: &'static str = "replication-backlog";

    fn document(&self) -> Document {
        let oldest = |oldest: &Option<Oldest>| match oldest {
            None => "none".to_owned(),
            Some(Oldest { written, key: None }) => format!("written at {written}"),
            Some(Oldest {
                written,
                key: Some(key),
            }) => format!("{key:?}, written at {written}"),
        };
        let facts = [
            ("waiting", self.pending.shown(phrase)),
            ("oldest of it", self.oldest.shown(oldest)),
            ("behind", self.lag_seconds.shown(|lag| format!("{lag} s"))),
            ("given up on", self.failed.shown(phrase)),
            ("not replicated", self.uncovered.shown(phrase)),
        ];
        let heading = format!("{} → {}", self.pair.primary.name, self.pair.dr.name);
        let document = Document::new().heading(heading);
        facts
            .into_iter()
            .fold(document, |document, (label, (mark, text))| {
                document.fact(mark, label, text)
            })
    }
}

#[cfg(test)]
mod tests {
    use report::finding::Status;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn statuses(backlog: &Backlog) -> Vec<Status> {
        let findings = backlog.findings(Duration::from_secs(300));
        findings.iter().map(|finding| finding.status).collect()
    }

    #[test]
    fn findings_without_a_reading_or_with_an_old_one_are_unknown() {
        let pair = BucketPair::of("photos", "photos-dr");
        let now = at("2026-11-30T03:00:00Z");
        let mut backlog = Backlog::unknown(&pair, BacklogBy::Metrics, now, "no data");
        assert_eq!(statuses(&backlog), [Status::Unknown; 4]);
        let known = |value, time: &str| Reading::Known {
            value,
            at: at(time),
        };
        backlog.lag_seconds = known(300, "2026-11-30T02:50:00Z");
        assert_eq!(statuses(&backlog)[1], Status::Ok);
        backlog.lag_seconds = known(301, "2026-11-30T02:50:00Z");
        assert_eq!(statuses(&backlog)[1], Status::Wrong);
        backlog.lag_seconds = known(0, "2026-11-30T02:44:59Z");
        assert_eq!(statuses(&backlog)[1], Status::Unknown);
    }

    #[test]
    fn findings_of_what_waits_go_by_the_age_of_the_oldest() {
        let pair = BucketPair::of("photos", "photos-dr");
        let now = at("2026-11-30T03:00:00Z");
        let known = |value| Reading::Known { value, at: now };
        let mut backlog = Backlog::unknown(&pair, BacklogBy::Statuses, now, "x");
        backlog.oldest = Reading::Known {
            value: None,
            at: now,
        };
        backlog.failed = known(Tally::default());
        backlog.uncovered = known(Tally {
            objects: 1,
            bytes: 0,
        });
        let of = |backlog: &Backlog| {
            let statuses = statuses(backlog);
            (statuses[0], statuses[2], statuses[3])
        };
        assert_eq!(of(&backlog), (Status::Ok, Status::Ok, Status::Wrong));
        for (written, status) in [
            ("2026-11-30T02:55:00Z", Status::Ok),
            ("2026-11-30T02:54:59Z", Status::Wrong),
        ] {
            let oldest = Some(Oldest {
                written: at(written),
                key: None,
            });
            backlog.oldest = Reading::Known {
                value: oldest,
                at: now,
            };
            assert_eq!(of(&backlog).0, status);
        }
        let text = serde_json::to_string(&backlog).unwrap();
        assert_eq!(serde_json::from_str::<Backlog>(&text).unwrap(), backlog);
    }
}
