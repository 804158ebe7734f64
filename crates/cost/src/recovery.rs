//! What it costs to be able to go on in another region, and what each choice does to RTO and RPO.

mod blocks;
mod document;
mod measured;

use rust_decimal::Decimal;
use serde::Serialize;
use settings::Region;
use thiserror::Error;

pub use measured::{Given, MeasuredRun};

use crate::estimate::{Demands, Estimate, Heading, Line, Options};
use crate::inventory::Inventory;
use crate::money::UsdRange;
use crate::prices::PriceBook;
use crate::quantity::{HOURS_PER_MONTH, as_text};
use crate::usage::Usage;

/// Hours that a drill takes, unless the caller says otherwise.
pub const DRILL_HOURS: Decimal = Decimal::from_parts(4, 0, 0, false, 0);

const DAY: Decimal = Decimal::from_parts(24, 0, 0, false, 0);

/// Why recovery cannot be priced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RecoveryError {
    /// The inventory does not say where it is.
    #[error("price recovery: the region of the stack is not known")]
    Primary,
    /// The inventory does not say where to recover.
    #[error("price recovery: the DR region is not known")]
    Dr,
    /// There is nothing to tell apart.
    #[error("price recovery: the DR region {0} is the region of the stack")]
    Same(Region),
}

/// One way to be ready, what it adds to the cost, and what it does to RPO and RTO.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Choice {
    /// What a reader calls it, as in `Pilot light`.
    pub name: String,
    /// Whether the inventory has it; null for what only a number of parts makes up.
    pub present: Option<bool>,
    /// What it adds.
    pub usd: UsdRange,
    /// Something of it has no price.
    pub lower_bound: bool,
    /// How much of the latest changes is lost with the region.
    pub rpo: String,
    /// How long it takes to go on.
    pub rto: String,
    /// What the last run of a failover measured of it; null where none did.
    pub measured: Option<Given>,
    /// How the amount comes about.
    pub lines: Vec<Line>,
}

/// Choices that a run of a failover measures.
const BACKUP_AND_RESTORE: &str = "Backup and restore";
const REPLICATED_BACKUPS: &str = "Replicated automated backups";
const REPLICATION: &str = "Object replication";
const REPLICATION_WITH_RTC: &str = "Object replication with Replication Time Control";

/// What recovery costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Recovery {
    /// The region of the stack.
    pub primary: Region,
    /// The region to recover in.
    pub dr: Region,
    /// A month of the stack without any of this.
    pub stack: UsdRange,
    /// Single choices, by the month.
    pub parts: Vec<Choice>,
    /// What is made of them, by the month.
    pub strategies: Vec<Choice>,
    /// One time: a day in the DR region after the loss of the primary, and a drill.
    pub events: Vec<Choice>,
    /// Failovers whose measurements are beside the choices, oldest first.
    pub runs: Vec<MeasuredRun>,
    /// How long the drill takes, in hours.
    #[serde(serialize_with = "as_text")]
    pub drill_hours: Decimal,
}

impl Recovery {
    /// Prices what can be done for an inventory.
    ///
    /// # Errors
    /// When the inventory does not name two regions.
    pub fn new(
        inventory: &Inventory,
        usage: &Usage,
        book: &PriceBook,
        options: Options,
        drill_hours: Decimal,
    ) -> Result<Self, RecoveryError> {
        let primary = inventory.region.ok_or(RecoveryError::Primary)?;
        let dr = inventory.dr_region.ok_or(RecoveryError::Dr)?;
        if primary == dr {
            return Err(RecoveryError::Same(dr));
        }
        let context = Context {
            inventory,
            usage,
            book,
            options,
            primary,
            dr,
        };
        let whole = Estimate::new(inventory, usage, book, options);
        let stack = whole
            .lines
            .iter()
            .filter(|line| line.heading != Heading::Recovery)
            .filter_map(|line| line.usd)
            .sum();
        Ok(Self {
            primary,
            dr,
            stack,
            parts: context.parts(),
            strategies: context.strategies(),
            events: context.events(drill_hours),
            runs: Vec::new(),
            drill_hours,
        })
    }
}

/// What every choice is priced with.
struct Context<'a> {
    inventory: &'a Inventory,
    usage: &'a Usage,
    book: &'a PriceBook,
    options: Options,
    primary: Region,
    dr: Region,
}

impl Context<'_> {
    fn choice(
        &self,
        name: &str,
        present: Option<bool>,
        rpo: &str,
        rto: &str,
        demands: Demands,
    ) -> Choice {
        let estimate = Estimate::of_demands(demands, self.book, self.options);
        Choice {
            name: name.to_owned(),
            present,
            usd: estimate.total,
            lower_bound: estimate.lower_bound,
            rpo: rpo.to_owned(),
            rto: rto.to_owned(),
            measured: None,
            lines: estimate.lines,
        }
    }

    fn parts(&self) -> Vec<Choice> {
        let mut parts = self.database_parts();
        parts.extend(self.object_parts());
        parts.extend(self.state_parts());
        parts
    }

    /// Ways to have the database's data in the DR region.
    fn database_parts(&self) -> Vec<Choice> {
        let backups = "aws_db_instance_automated_backups_replication";
        let backups = Some(self.inventory.of_kind(backups).next().is_some());
        vec![
            self.choice(
                REPLICATED_BACKUPS,
                backups,
                "minutes: logs are uploaded every 5 minutes, then copied",
                "a restore to the latest restorable time; blocks load lazily after it",
                self.backups(),
            ),
            self.choice(
                "A copied snapshot a day",
                None,
                "up to 24 hours",
                "a restore; blocks load lazily after it",
                self.snapshots(),
            ),
            self.choice(
                "A read replica of the database",
                None,
                "seconds to minutes of replication lag",
                "a promotion, minutes; Single-AZ until it is modified",
                self.replicas(),
            ),
        ]
    }

    /// Ways to have the objects in the DR region, and classes to keep them in.
    fn object_parts(&self) -> Vec<Choice> {
        let replication = "aws_s3_bucket_replication_configuration";
        let replicated = self.inventory.of_kind(replication).next().is_some();
        let with_rtc =
            self.inventory.of_kind(replication).any(|resource| {
                resource.attributes.list("rule").iter().any(|rule| {
                    rule["destination"][0]["replication_time"][0]["status"] == "Enabled"
                })
            });
        vec![
            self.choice(
                REPLICATION,
                Some(replicated && !with_rtc),
                "usually minutes, nothing is promised",
                "none: the copies are there",
                self.objects(false),
            ),
            self.choice(
                REPLICATION_WITH_RTC,
                Some(replicated && with_rtc),
                "15 minutes, promised and measured",
                "none: the copies are there",
                self.objects(true),
            ),
            self.choice(
                "Second copies in STANDARD",
                None,
                "–",
                "none",
                self.copies("standard"),
            ),
            self.choice(
                "Second copies in STANDARD_IA",
                None,
                "–",
                "none; reading costs by the GB, 30 days and 128 KB are billed at least",
                self.copies("standard-ia"),
            ),
            self.choice(
                "Second copies in GLACIER_IR",
                None,
                "–",
                "none; reading costs more by the GB, 90 days and 128 KB are billed at least",
                self.copies("glacier-ir"),
            ),
        ]
    }

    /// What the state and all that is encrypted need in the DR region.
    fn state_parts(&self) -> Vec<Choice> {
        let global = self
            .inventory
            .of_kind("aws_dynamodb_table")
            .any(|table| !table.attributes.list("replica").is_empty());
        vec![
            self.choice(
                "The lock table as a global table",
                Some(global),
                "about a second; the last writer wins, so it is no lock across regions",
                "none: the table is there",
                self.global_table(),
            ),
            self.choice(
                "Key and secrets in the DR region",
                None,
                "none: secrets are replicated as they change",
                "without them nothing encrypted can be restored",
                self.key_and_secrets(),
            ),
        ]
    }

    fn strategies(&self) -> Vec<Choice> {
        let cold = || {
            join([
                self.backups(),
                self.objects(true),
                self.copies("standard"),
                self.key_and_secrets(),
            ])
        };
        let pilot = || {
            join([
                self.replicas(),
                self.objects(true),
                self.copies("standard"),
                self.key_and_secrets(),
            ])
        };
        vec![
            self.choice(
                "None",
                None,
                "all of it: backups lie in the lost region",
                "until the region is back",
                Demands::default(),
            ),
            self.choice(
                BACKUP_AND_RESTORE,
                None,
                "database: minutes; objects: 15 minutes",
                "the guide's 15 to 20 minutes of apply, and the restore",
                cold(),
            ),
            self.choice(
                "Pilot light",
                None,
                "database: seconds to minutes; objects: 15 minutes",
                "the apply without the database, and a promotion",
                pilot(),
            ),
            self.choice(
                "Warm standby",
                None,
                "database: seconds to minutes; objects: 15 minutes",
                "a promotion, then growing to full size",
                join([pilot(), self.half_network_and_cache()]),
            ),
            self.choice(
                "Full duplicate",
                None,
                "database: seconds to minutes; objects: 15 minutes",
                "a promotion",
                join([
                    self.replicating_duplicate(),
                    self.objects(true),
                    self.copies("standard"),
                ]),
            ),
        ]
    }

    fn events(&self, drill_hours: Decimal) -> Vec<Choice> {
        vec![
            self.choice(
                "A day in the DR region",
                None,
                "–",
                "the stack for 24 hours with its usage, and what has to come back",
                join([
                    scaled(self.running(), DAY / HOURS_PER_MONTH),
                    self.coming_back(),
                ]),
            ),
            self.choice(
                &format!("A drill of {} hours", drill_hours.normalize()),
                None,
                "–",
                "the stack without usage, thrown away afterwards",
                scaled(self.duplicate(), drill_hours / HOURS_PER_MONTH),
            ),
        ]
    }
}

fn join<const N: usize>(all: [Demands; N]) -> Demands {
    let mut joined = Demands::default();
    for demands in all {
        joined.list.extend(demands.list);
        joined.problems.extend(demands.problems);
        joined.unpriced.extend(demands.unpriced);
    }
    joined
}

fn scaled(mut demands: Demands, factor: Decimal) -> Demands {
    for demand in &mut demands.list {
        demand.quantity = demand.quantity.times(factor);
    }
    demands
}

#[cfg(test)]
mod tests;
