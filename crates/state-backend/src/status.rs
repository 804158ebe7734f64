//! The backend at a glance: tables, locks, state, replication.

use jiff::Timestamp;
use report::{Document, Mark, Report};
use serde::Serialize;
use settings::Region;

use crate::backend::Backend;
use crate::integrity::{Digest, StateCopy};
use crate::lock::Lock;
use crate::metrics::{Health, ReplicationMetrics};
use crate::plan::{Change, Plan, Verdict};
use crate::problem::Problem;
use crate::spec::{Aspect, Kind, SideName};

/// An answer, or why there is none.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Answer<T> {
    /// The answer.
    Known(T),
    /// Why there is none.
    Unknown {
        /// The error.
        problem: Problem,
    },
}

/// One side of the backend.
#[derive(Debug, Clone, Serialize)]
pub struct SideStatus {
    /// Primary or DR.
    pub side: SideName,
    /// The region.
    pub region: Region,
    /// The state bucket.
    pub bucket: String,
    /// The lock table.
    pub table: Option<String>,
    /// Whether bucket and table are as wanted.
    pub health: Health,
    /// The locks held.
    pub locks: Answer<Vec<Lock>>,
    /// The state; null when nothing was written yet.
    pub state: Answer<Option<StateCopy>>,
}

/// The backend at a glance.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// When it was asked.
    pub time: Timestamp,
    /// Each side.
    pub sides: Vec<SideStatus>,
    /// Whether the replication rule is as wanted; null without a DR side.
    pub rule: Option<Health>,
    /// The replication metrics; null without a DR side.
    pub replication: Option<ReplicationMetrics>,
    /// Whether the DR side has the very state that the primary side has; null when either is not
    /// known or there is no DR side.
    pub in_sync: Option<bool>,
}

impl Backend {
    /// Asks both regions. What one does not answer is unknown; the rest is told all the same.
    pub async fn status(&self, now: Timestamp) -> Status {
        let plan = self.plan().await;
        let mut sides = Vec::new();
        for side in self.spec().sides() {
            let name = side.name;
            let (locks, state) = match self.lost(name) {
                Some(problem) => (
                    Answer::Unknown {
                        problem: problem.clone(),
                    },
                    Answer::Unknown {
                        problem: problem.clone(),
                    },
                ),
                None => {
                    let (locks, state) = tokio::join!(self.locks(name), self.state(name));
                    (answer(locks), answer(state))
                }
            };
            sides.push(SideStatus {
                side: name,
                region: side.region,
                bucket: side.bucket.to_string(),
                table: side.table.as_ref().map(ToString::to_string),
                health: health(&plan, |item| {
                    item.facet.resource.side == name
                        && item.facet.resource.kind != Kind::Role
                        && item.facet.aspect != Aspect::Replication
                }),
                locks,
                state,
            });
        }
        let rule = self.spec().dr.as_ref().map(|_| {
            health(&plan, |item| {
                item.facet.aspect == Aspect::Replication || item.facet.resource.kind == Kind::Role
            })
        });
        let in_sync = match sides.as_slice() {
            [primary, dr] => match (&primary.state, &dr.state) {
                (Answer::Known(Some(a)), Answer::Known(Some(b))) => {
                    Some(a.md5 == b.md5 && a.lineage == b.lineage && a.serial == b.serial)
                }
                (Answer::Known(None), Answer::Known(None)) => Some(true),
                (Answer::Known(_), Answer::Known(_)) => Some(false),
                _ => None,
            },
            _ => None,
        };
        let replication = self.replication_metrics(now).await;
        Status {
            time: now,
            sides,
            rule,
            replication,
            in_sync,
        }
    }
}

impl Status {
    /// Whether something is known to be wrong, or not known.
    pub fn health(&self) -> Health {
        let sides = self.sides.iter().map(|side| {
            let unknown = matches!(side.locks, Answer::Unknown { .. })
                || matches!(side.state, Answer::Unknown { .. });
            let stale_digest = matches!(
                &side.state,
                Answer::Known(Some(state)) if state.digest == Digest::Differs
            );
            if side.health == Health::Degraded || stale_digest {
                Health::Degraded
            } else if unknown {
                Health::Unknown
            } else {
                side.health
            }
        });
        let sync = self
            .in_sync
            .map(|same| if same { Health::Ok } else { Health::Degraded });
        // Metrics appear only after traffic, so that their absence alone is no fault of the backend;
        // a question that was not answered is.
        let metrics = self
            .replication
            .iter()
            .flat_map(|replication| &replication.metrics)
            .filter(|metric| metric.health == Health::Degraded || metric.problem.is_some())
            .map(|metric| metric.health);
        let all: Vec<Health> = sides.chain(self.rule).chain(sync).chain(metrics).collect();
        if all.contains(&Health::Degraded) {
            Health::Degraded
        } else if all.contains(&Health::Unknown) {
            Health::Unknown
        } else {
            Health::Ok
        }
    }
}

fn answer<T>(result: Result<T, aws_env::Error>) -> Answer<T> {
    match result {
        Ok(known) => Answer::Known(known),
        Err(error) => Answer::Unknown {
            problem: error.into(),
        },
    }
}

fn health(plan: &Plan, of: impl Fn(&Change) -> bool) -> Health {
    let mut health = Health::Ok;
    for item in plan.items().iter().filter(|item| of(item)) {
        match item.verdict {
            Verdict::Ok => {}
            Verdict::Unknown if health == Health::Ok => health = Health::Unknown,
            Verdict::Unknown => {}
            _ => health = Health::Degraded,
        }
    }
    health
}

fn mark(health: Health) -> (Mark, &'static str) {
    match health {
        Health::Ok => (Mark::Ok, "ok"),
        Health::Degraded => (Mark::Wrong, "degraded"),
        Health::Unknown => (Mark::Unknown, "unknown"),
    }
}

impl Report for Status {
    fn document(&self) -> Document {
        let mut document = Document::new().heading("Backend").table(
            ["", "Region", "Bucket", "Lock table", "Locks", "State"],
            self.sides
                .iter()
                .map(|side| {
                    let (mark, word) = mark(side.health);
                    let cells = vec![
                        word.to_owned(),
                        side.region.to_string(),
                        side.bucket.clone(),
                        side.table.clone().unwrap_or_else(|| "-".to_owned()),
                        match &side.locks {
                            Answer::Known(locks) => locks.len().to_string(),
                            Answer::Unknown { problem } => problem.to_string(),
                        },
                        match &side.state {
                            Answer::Known(None) => "none yet".to_owned(),
                            Answer::Known(Some(state)) => describe(state),
                            Answer::Unknown { .. } => "unknown".to_owned(),
                        },
                    ];
                    (mark, cells)
                })
                .collect(),
        );
        if let (Some(rule), Some(replication)) = (self.rule, &self.replication) {
            let mut rows = vec![{
                let (mark, word) = mark(rule);
                (
                    mark,
                    vec![
                        word.to_owned(),
                        "rule and role".to_owned(),
                        String::new(),
                        String::new(),
                    ],
                )
            }];
            rows.extend(replication.metrics.iter().map(|metric| {
                let (mark, word) = mark(metric.health);
                let value = match (metric.value, &metric.problem) {
                    (Some(value), _) => format!("{value} {}", metric.unit),
                    (None, Some(problem)) => problem.to_string(),
                    (None, None) => "no data in the last hour".to_owned(),
                };
                (
                    mark,
                    vec![
                        word.to_owned(),
                        metric.name.to_owned(),
                        metric.region.to_string(),
                        value,
                    ],
                )
            }));
            document = document
                .heading("Replication")
                .table(["", "What", "Region", "Value"], rows);
        }
        document.text(match self.in_sync {
            Some(true) => "The DR region has the same state as the primary region.",
            Some(false) => "The DR region does not have the primary region's latest state.",
            None => "Whether the DR region has the latest state is not known.",
        })
    }
}

fn describe(state: &StateCopy) -> String {
    let modified = state
        .modified
        .map(|time| time.to_string())
        .unwrap_or_default();
    let digest = match state.digest {
        Digest::Differs => "; the digest row does NOT match",
        Digest::Absent => "; no digest row",
        Digest::Matches | Digest::NotUsed => "",
    };
    format!(
        "serial {}, {} resources, {modified}{digest}",
        state.serial, state.resources
    )
}
