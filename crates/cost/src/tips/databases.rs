use std::fmt;

use rust_decimal::Decimal;
use settings::Region;

use super::{Finder, Saving, Tip, Trust, addresses, percent};
use crate::estimate::Heading;
use crate::inventory::Resource;
use crate::money::{Usd, UsdRange};
use crate::prices::{PriceKey, Scope, Service};
use crate::quantity::{HOURS_PER_MONTH, HOURS_PER_WEEK};

const DATABASE: &str = "aws_db_instance";

/// The default of the Terraform module off-hours: Monday to Friday from 7 to 20.
const OPEN_HOURS: Decimal = Decimal::from_parts(65, 0, 0, false, 0);

/// From Friday 20:00 to Monday 7:00.
const LONGEST_STOP: u32 = 59;

/// RDS starts a stopped instance after seven days.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_StopInstance.html>
const RESTART_DAYS: u32 = 7;

/// What the price of an instance depends on; as text what the price book calls it.
struct Instance<'a> {
    region: Region,
    engine: &'a str,
    class: &'a str,
    zones: &'static str,
}

impl<'a> Instance<'a> {
    fn of(database: &'a Resource) -> Option<Self> {
        let attributes = &database.attributes;
        let engine = match attributes.text("engine")? {
            "postgres" => "postgresql",
            engine => engine,
        };
        Some(Self {
            region: database.region?,
            engine,
            class: attributes.text("instance_class")?,
            zones: if attributes.flag("multi_az") == Some(true) {
                "multi-az"
            } else {
                "single-az"
            },
        })
    }
}

impl fmt::Display for Instance<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.engine, self.class, self.zones)
    }
}

impl Finder<'_> {
    /// Databases stopped at night and at weekends.
    pub(super) fn off_hours(&mut self) {
        let name = "Stop databases at night and at weekends";
        let stopped_already = self.options.database_hours_a_week < HOURS_PER_WEEK;
        let scheduled = self
            .inventory
            .of_kind("aws_scheduler_schedule")
            .any(|schedule| schedule.address.contains("off_hours"));
        if scheduled && !stopped_already {
            self.notes.push(format!(
                "{name}: the stack has schedules for it; price it with the hours that databases run"
            ));
        }
        if scheduled || stopped_already {
            return;
        }
        let mut options = self.options;
        options.database_hours_a_week = OPEN_HOURS;
        let same = self.inventory.clone();
        let Some(Saving { saves, trust }) = self.saving(name, &same, options) else {
            return;
        };
        let all = self
            .base
            .under(Heading::Rds)
            .map_or(Usd::ZERO, |(usd, _)| usd.expected);
        self.tip(Tip {
            name: name.to_owned(),
            resources: addresses(self.inventory.of_kind(DATABASE)),
            saves,
            trust,
            how: format!(
                "{} of {HOURS_PER_WEEK} hours a week stopped save {} of instance hours, {} % of the databases' {all}: storage and backups are paid for all the same",
                HOURS_PER_WEEK - OPEN_HOURS,
                saves.expected,
                percent(saves.expected, all),
            ),
            risk: format!(
                "no automated backups while it is stopped, for up to {LONGEST_STOP} hours at a weekend: what replicates to the DR region ends with the stop; RDS starts it again by itself after {RESTART_DAYS} days, so that a longer stop has to be repeated; nobody can work outside the hours",
            ),
            change: "off_hours = {} in terraform.tfvars".to_owned(),
            expect: Some("off_hours = true".to_owned()),
        });
    }

    /// A year's reservation, where its price is known.
    pub(super) fn reservations(&mut self) {
        let databases: Vec<Resource> = self.inventory.of_kind(DATABASE).cloned().collect();
        for database in databases {
            let Some(instance) = Instance::of(&database) else {
                continue;
            };
            let on_demand = self.hour(instance.region, format!("instance {instance}"));
            let reserved = format!("reserved {instance} 1yr no-upfront");
            let reserved = self.hour(instance.region, reserved);
            let (Some(on_demand), Some(reserved)) = (on_demand, reserved) else {
                self.notes.push(format!(
                    "Reserve {}: the price of a reservation of {} {} in {} is not known; the guide says about 30 % less for a year",
                    database.address, instance.class, instance.zones, instance.region
                ));
                continue;
            };
            if let Some(tip) = self.reservation(&database, on_demand, reserved) {
                self.tip(tip);
            }
        }
    }

    /// What an item costs by the hour, and whether that is in doubt.
    fn hour(&self, region: Region, item: String) -> Option<(Usd, bool)> {
        let price = self.book.price(&PriceKey {
            scope: Scope::Region(region),
            service: Service::Rds,
            item,
        })?;
        let tier = price.tiers().first()?;
        Some((tier.usd, tier.caveat(self.options.oldest).is_some()))
    }

    /// None when it would save nothing in the hours that the database runs.
    fn reservation(
        &self,
        database: &Resource,
        (on_demand, doubt): (Usd, bool),
        (reserved, more_doubt): (Usd, bool),
    ) -> Option<Tip> {
        let running = HOURS_PER_MONTH * self.options.database_hours_a_week / HOURS_PER_WEEK;
        let saves = on_demand.times(running) - reserved.times(HOURS_PER_MONTH);
        if saves <= Usd::ZERO {
            return None;
        }
        let even = if on_demand == Usd::ZERO {
            HOURS_PER_MONTH
        } else {
            reserved.dollars() / on_demand.dollars() * HOURS_PER_MONTH
        };
        let saves = saves.rounded();
        Some(Tip {
            name: "Reserve the database for a year, nothing up front".to_owned(),
            resources: vec![database.address.clone()],
            saves: UsdRange {
                low: saves,
                expected: saves,
                high: saves,
            },
            trust: if doubt || more_doubt {
                Trust::Medium
            } else {
                Trust::High
            },
            how: format!(
                "{HOURS_PER_MONTH} × ${} instead of {} × ${}; worth it from {} hours a month on",
                reserved.exact(),
                running.round_dp(0),
                on_demand.exact(),
                even.round_dp(0),
            ),
            risk: "it is paid for a year whether the instance runs or not, so that it does not go with stopping at night; it holds in one region and is worth nothing in the DR region"
                .to_owned(),
            change: "none: a reservation is bought in the account (aws_rds_reserved_instance)"
                .to_owned(),
            expect: None,
        })
    }

    /// gp3 instead of older kinds of storage.
    pub(super) fn gp3(&mut self) {
        let name = "Use gp3 storage";
        let old = |resource: &Resource| {
            let kind = resource.attributes.text("storage_type");
            resource.kind == DATABASE && kind != Some("gp3")
        };
        if !self.inventory.resources.iter().any(old) {
            return;
        }
        let changed = self.with(|resource| {
            if old(resource) {
                resource.attributes = resource.attributes.clone().with("storage_type", "gp3");
            }
        });
        let options = self.options;
        if let Some(Saving { saves, trust }) = self.saving(name, &changed, options) {
            self.tip(Tip {
                name: name.to_owned(),
                resources: addresses(self.inventory.resources.iter().filter(|r| old(r))),
                saves,
                trust,
                how: "gp3 includes 3,000 operations a second, 12,000 from 400 GB on".to_owned(),
                risk: "performance drops while the volume is converted, which can take hours"
                    .to_owned(),
                change: "storage_type = \"gp3\"".to_owned(),
                expect: None,
            });
        }
    }

    /// One node of each cache instead of several.
    pub(super) fn idle_nodes(&mut self) {
        let name = "Run one cache node";
        let several = |resource: &Resource| {
            resource.kind == "aws_elasticache_replication_group"
                && resource
                    .attributes
                    .number("num_cache_clusters")
                    .is_some_and(|nodes| nodes > Decimal::ONE)
        };
        let changed = self.with(|resource| {
            if several(resource) {
                resource.attributes = resource.attributes.clone().with("num_cache_clusters", 1);
            }
        });
        let options = self.options;
        if let Some(Saving { saves, trust }) = self.saving(name, &changed, options) {
            self.tip(Tip {
                name: name.to_owned(),
                resources: addresses(self.inventory.resources.iter().filter(|r| several(r))),
                saves,
                trust,
                how: "a cache cannot be stopped; the second node only stands by".to_owned(),
                risk: "no failover: when the node or its zone fails the cache is empty and gone for minutes; staging no longer has what production has"
                    .to_owned(),
                change: "redis_node_count = 1".to_owned(),
                expect: Some("redis_nodes = 1".to_owned()),
            });
        }
    }

    /// Valkey instead of Redis OSS.
    pub(super) fn valkey(&mut self) {
        let name = "Run Valkey instead of Redis OSS";
        let redis = |resource: &Resource| {
            matches!(
                resource.kind.as_str(),
                "aws_elasticache_replication_group" | "aws_elasticache_cluster"
            ) && matches!(resource.attributes.text("engine"), None | Some("redis"))
        };
        let changed = self.with(|resource| {
            if redis(resource) {
                resource.attributes = resource.attributes.clone().with("engine", "valkey");
            }
        });
        let options = self.options;
        if let Some(Saving { saves, trust }) = self.saving(name, &changed, options) {
            self.tip(Tip {
                name: name.to_owned(),
                resources: addresses(self.inventory.resources.iter().filter(|r| redis(r))),
                saves,
                trust,
                how: "nodes of Valkey cost a fifth less".to_owned(),
                risk: "Valkey 7.2 and later speak the protocol of Redis 7.1, but it is another engine: test the application with it; there is no way back in place"
                    .to_owned(),
                change: "engine = \"valkey\" and its parameter group in the cache module".to_owned(),
                expect: None,
            });
        }
    }
}
