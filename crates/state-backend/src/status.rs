//! The backend at a glance: tables, locks, state, replication.

use jiff::Timestamp;
use report::{Document, Mark, Report};
use serde::Serialize;
use settings::Region;

use crate::backend::Backend;
use crate::health::Health;
use crate::inventory::{Inventory, OtherObjects, StateCopies};
use crate::lock::{Locks, UnknownLocks};
use crate::metrics::{Metric, ReplicationMetrics};
use crate::plan::{Change, Plan, Verdict, Verification};
use crate::reading::SideReading;
use crate::spec::{Aspect, Kind, SideName};

/// One side of the backend.
#[derive(Debug, Clone, Serialize)]
pub struct SideStatus {
    /// Which of the two.
    pub side: SideName,
    /// Where its bucket and table are.
    pub region: Region,
    /// The bucket with the state.
    pub bucket: String,
    /// The lock table; null when DynamoDB does not lock.
    pub table: Option<String>,
    /// Whether bucket and table are as wanted.
    pub health: Health,
    /// The locks that are held now, and which are not known.
    #[serde(flatten)]
    pub locks: Locks,
}

/// The backend at a glance.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// The end of the hour whose metrics are shown.
    pub time: Timestamp,
    /// The primary side, then the DR side if there is one.
    pub sides: Vec<SideStatus>,
    /// Whether the replication rule is as wanted; null without a DR side.
    pub rule: Option<Health>,
    /// The replication metrics; null without a DR side.
    pub replication: Option<ReplicationMetrics>,
    /// Every state of the backend, worst first.
    pub states: Vec<StateCopies>,
    /// What is in the buckets beside the keys of the settings.
    pub other_objects: OtherObjects,
}

impl Backend {
    /// Reads everything back: every facet, and every state.
    pub async fn verify(&self, now: Timestamp) -> Verification {
        let readings = self.readings();
        let (plan, inventory) =
            tokio::join!(self.plan_of(&readings), self.inventory_of(&readings, now));
        plan.into_verification().with_states(inventory)
    }

    /// Asks both regions. What one does not answer is unknown; the rest is told all the same.
    pub async fn status(&self, now: Timestamp) -> Status {
        let readings = self.readings();
        let (plan, inventory) =
            tokio::join!(self.plan_of(&readings), self.inventory_of(&readings, now));
        let mut sides = Vec::new();
        for side in readings.sides() {
            sides.push(SideStatus::new(side, &plan).await);
        }
        let rule = self.spec().dr.as_ref().map(|_| {
            health(&plan, |item| {
                item.facet.aspect == Aspect::Replication || item.facet.resource.kind == Kind::Role
            })
        });
        let replication = self.replication_metrics_of(&readings, now).await;
        Status {
            time: now,
            sides,
            rule,
            replication,
            states: inventory.states,
            other_objects: inventory.other_objects,
        }
    }
}

impl SideStatus {
    async fn new(reading: &SideReading<'_>, plan: &Plan) -> Self {
        let side = reading.access.side;
        Self {
            side: side.name,
            region: side.region,
            bucket: side.bucket.to_string(),
            table: side.table.as_ref().map(ToString::to_string),
            // The role and the replication belong to both sides, and are told of once.
            health: health(plan, |item| {
                item.facet.resource.side == side.name
                    && item.facet.resource.kind != Kind::Role
                    && item.facet.aspect != Aspect::Replication
            }),
            locks: reading.locks().await,
        }
    }

    /// Of the resources and the locks together.
    fn overall(&self) -> Health {
        let locks = match self.locks.unknown.is_empty() {
            true => Health::Ok,
            false => Health::Unknown,
        };
        self.health.worst(locks)
    }
}

impl Status {
    /// Whether something is known to be wrong, or not known.
    pub fn health(&self) -> Health {
        let sides = self.sides.iter().map(SideStatus::overall);
        let states = self.states.iter().map(|state| state.health);
        // Metrics appear only after traffic, so that their absence alone is no fault of the backend;
        // a question that was not answered is.
        let metrics = self
            .replication
            .iter()
            .flat_map(|replication| &replication.metrics)
            .filter(|metric| metric.health == Health::Degraded || metric.problem.is_some())
            .map(|metric| metric.health);
        sides
            .chain(self.rule)
            .chain(states)
            .chain(metrics)
            .collect()
    }
}

/// Of the items of a plan that belong together.
fn health(plan: &Plan, of: impl Fn(&Change) -> bool) -> Health {
    let items = plan.items().iter().filter(|item| of(item));
    items
        .map(|item| match item.verdict {
            Verdict::Ok => Health::Ok,
            Verdict::Unknown => Health::Unknown,
            Verdict::Missing | Verdict::Differs | Verdict::Refused(_) => Health::Degraded,
        })
        .collect()
}

impl Report for Status {
    const KIND: &'static str = "backend-status";

    fn document(&self) -> Document {
        let mut document = Document::new().heading("Backend").table(
            ["", "Region", "Bucket", "Lock table", "Locks"],
            self.sides.iter().map(SideStatus::row).collect(),
        );
        if let (Some(rule), Some(replication)) = (self.rule, &self.replication) {
            let (mark, word) = rule.shown();
            let cells = [word, "", "rule and role", "", ""].map(str::to_owned);
            let mut rows = vec![(mark, cells.to_vec())];
            rows.extend(replication.metrics.iter().map(Metric::row));
            document = document
                .heading("Replication")
                .table(["", "Rule", "What", "Region", "Last hour"], rows);
        }
        let document = Inventory::append_to(document, &self.states);
        self.other_objects.append_to(document)
    }
}

impl SideStatus {
    fn row(&self) -> (Mark, Vec<String>) {
        let (mark, word) = self.health.shown();
        let cells = vec![
            word.to_owned(),
            self.region.to_string(),
            self.bucket.clone(),
            self.table.clone().unwrap_or_else(|| "-".to_owned()),
            self.locks.count(),
        ];
        (mark, cells)
    }
}

impl Locks {
    fn count(&self) -> String {
        let unknown: Vec<String> = self.unknown.iter().map(UnknownLocks::describe).collect();
        match (self.held.len(), unknown.is_empty()) {
            (held, true) => held.to_string(),
            (0, false) => unknown.join("; "),
            (held, false) => format!("{held}; {}", unknown.join("; ")),
        }
    }
}
