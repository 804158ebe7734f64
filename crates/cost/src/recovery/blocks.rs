//! The parts that strategies are made of.

use settings::Region;

use super::Context;
use crate::estimate::{Basis, Demand, Demands, Heading, demands};
use crate::inventory::{Inventory, Resource};
use crate::prices::{PriceKey, Scope, Service};
use crate::quantity::{HOURS_PER_MONTH, QuantityRange, Unit};
use crate::usage::UsageSource;
use rust_decimal::Decimal;

const DATABASE: &str = "aws_db_instance";
const BUCKET: &str = "aws_s3_bucket";
const TABLE: &str = "aws_dynamodb_table";
/// The types whose usage says how much is copied.
const BACKUPS: &str = "aws_db_instance_automated_backups_replication";
const REPLICATION: &str = "aws_s3_bucket_replication_configuration";

impl Context<'_> {
    /// The resources of a type in the region of the stack.
    fn here<'p>(&'p self, kind: &'p str) -> impl Iterator<Item = &'p Resource> {
        self.inventory
            .of_kind(kind)
            .filter(|resource| resource.region == Some(self.primary))
    }

    /// Buckets whose content is worth copying: access logs are not.
    fn data_buckets(&self) -> impl Iterator<Item = &Resource> {
        self.here(BUCKET)
            .filter(|bucket| !bucket.address.contains("logs"))
    }

    fn demand(
        &self,
        of: &Resource,
        (region, service, item): (Region, Service, String),
        unit: Unit,
        basis: Basis,
        (quantity, usage_source): (QuantityRange, UsageSource),
    ) -> Demand {
        Demand {
            address: of.address.clone(),
            heading: Heading::Recovery,
            key: PriceKey {
                scope: Scope::Region(region),
                service,
                item,
            },
            unit,
            basis,
            quantity,
            usage_source,
        }
    }

    fn transfer(
        &self,
        of: &Resource,
        from: Region,
        to: Region,
        amount: (QuantityRange, UsageSource),
    ) -> Demand {
        let key = self.book.transfer(from, to);
        let key = (from, key.service, key.item);
        self.demand(of, key, Unit::Gb, Basis::Usage, amount)
    }

    fn of(&self, resource: &Resource, kind: &str, name: &str) -> (QuantityRange, UsageSource) {
        self.usage.of(&resource.address, kind, name)
    }

    /// Backup storage in the DR region, and the traffic to it.
    pub(super) fn backups(&self) -> Demands {
        let mut demands = Demands::default();
        for database in self.here(DATABASE) {
            let kept = self.of(database, BACKUPS, "storage_gb");
            let moved = self.of(database, BACKUPS, "monthly_data_transferred_gb");
            demands.list.push(self.demand(
                database,
                (self.dr, Service::Rds, "backup storage".to_owned()),
                Unit::GbMonth,
                Basis::Usage,
                kept,
            ));
            demands
                .list
                .push(self.transfer(database, self.primary, self.dr, moved));
        }
        demands
    }

    /// Copies of one KMS key are incremental, so that a copied snapshot a day moves and keeps what the
    /// automated backups do.
    pub(super) fn snapshots(&self) -> Demands {
        self.backups()
    }

    /// Single-AZ instances of the same class and size in the DR region.
    pub(super) fn replicas(&self) -> Demands {
        let mut inventory = self.inventory.clone();
        inventory.resources = self.here(DATABASE).cloned().collect();
        for database in &mut inventory.resources {
            database.region = Some(self.dr);
            // It is reached and named through the stack that is built around it.
            database.attributes = database
                .attributes
                .clone()
                .with("multi_az", false)
                .with("manage_master_user_password", false)
                .with("publicly_accessible", false);
        }
        let mut demands = self.fixed_of(&inventory);
        demands.list.extend(self.changes());
        demands
    }

    /// What a replica of the databases has to be sent.
    fn changes(&self) -> Vec<Demand> {
        self.here(DATABASE)
            .map(|database| {
                let moved = self.of(database, BACKUPS, "monthly_data_transferred_gb");
                self.transfer(database, self.primary, self.dr, moved)
            })
            .collect()
    }

    /// Traffic, requests and, with Replication Time Control, its price by the GB.
    pub(super) fn objects(&self, rtc: bool) -> Demands {
        let mut demands = Demands::default();
        for bucket in self.data_buckets() {
            let bytes = self.of(bucket, REPLICATION, "monthly_replicated_gb");
            let objects = self.of(bucket, REPLICATION, "monthly_replicated_objects");
            demands
                .list
                .push(self.transfer(bucket, self.primary, self.dr, bytes));
            demands.list.push(self.demand(
                bucket,
                (self.dr, Service::S3, "requests tier 1 standard".to_owned()),
                Unit::Request,
                Basis::Usage,
                objects,
            ));
            if rtc {
                demands.list.push(self.demand(
                    bucket,
                    (self.primary, Service::S3, format!("rtc {}", self.dr)),
                    Unit::Gb,
                    Basis::Usage,
                    bytes,
                ));
            }
        }
        demands
    }

    /// What the source buckets hold in STANDARD, once more in `class`.
    pub(super) fn copies(&self, class: &str) -> Demands {
        let mut demands = Demands::default();
        for bucket in self.data_buckets() {
            demands.list.push(self.demand(
                bucket,
                (self.dr, Service::S3, format!("storage {class}")),
                Unit::GbMonth,
                Basis::Usage,
                self.of(bucket, BUCKET, "standard.storage_gb"),
            ));
        }
        demands
    }

    /// Every write once more in the DR region, and what the table holds.
    pub(super) fn global_table(&self) -> Demands {
        let mut demands = Demands::default();
        for table in self.here(TABLE) {
            for (item, unit, name) in [
                (
                    "replicated write",
                    Unit::RequestUnit,
                    "monthly_write_request_units",
                ),
                ("storage standard", Unit::GbMonth, "storage_gb"),
            ] {
                demands.list.push(self.demand(
                    table,
                    (self.dr, Service::DynamoDb, item.to_owned()),
                    unit,
                    Basis::Usage,
                    self.of(table, TABLE, name),
                ));
            }
        }
        demands
    }

    /// A key for the copies, and every secret once more.
    pub(super) fn key_and_secrets(&self) -> Demands {
        let mut demands = Demands::default();
        let one = (QuantityRange::fixed(Decimal::ONE), UsageSource::Default);
        if let Some(key) = self.here("aws_kms_key").next() {
            let of = (self.dr, Service::Kms, "key".to_owned());
            demands
                .list
                .push(self.demand(key, of, Unit::KeyMonth, Basis::Fixed, one));
        }
        for secret in self.here("aws_secretsmanager_secret") {
            let of = (self.dr, Service::Secrets, "replica secret".to_owned());
            let mut demand = self.demand(secret, of, Unit::SecretMonth, Basis::Fixed, one);
            demand.key.scope = Scope::Global;
            demands.list.push(demand);
        }
        demands
    }

    /// One NAT gateway with its address, and one node of every cache.
    pub(super) fn half_network_and_cache(&self) -> Demands {
        let mut demands = Demands::default();
        let hours = (QuantityRange::fixed(HOURS_PER_MONTH), UsageSource::Default);
        let mut add = |of: &Resource, service, item: String, unit| {
            let demand = self.demand(of, (self.dr, service, item), unit, Basis::Fixed, hours);
            demands.list.push(demand);
        };
        if let Some(nat) = self.here("aws_nat_gateway").next() {
            add(nat, Service::Ec2, "nat gateway".to_owned(), Unit::Hour);
            add(
                nat,
                Service::Vpc,
                "public ipv4".to_owned(),
                Unit::AddressHour,
            );
        }
        for kind in [
            "aws_elasticache_replication_group",
            "aws_elasticache_cluster",
        ] {
            for cache in self.here(kind) {
                let engine = cache.attributes.text("engine").unwrap_or("redis");
                let class = cache
                    .attributes
                    .text("node_type")
                    .unwrap_or("of unknown type");
                add(
                    cache,
                    Service::ElastiCache,
                    format!("node {engine} {class}"),
                    Unit::NodeHour,
                );
            }
        }
        demands
    }

    /// Everything of the stack once more in the DR region, without usage.
    pub(super) fn duplicate(&self) -> Demands {
        self.fixed_of(&self.moved())
    }

    /// The same, with its databases replicating.
    pub(super) fn replicating_duplicate(&self) -> Demands {
        let mut demands = self.duplicate();
        demands.list.extend(self.changes());
        demands
    }

    /// Everything of the stack in the DR region, with its usage.
    pub(super) fn running(&self) -> Demands {
        let mut demands = demands(&self.moved(), self.usage, self.book, self.options);
        demands.list.retain(|demand| {
            demand.key.scope == Scope::Region(self.dr) && demand.heading != Heading::Recovery
        });
        for demand in &mut demands.list {
            demand.heading = Heading::Recovery;
        }
        demands
    }

    /// After a failover: the database as a whole, and the objects of a day, back to the primary region.
    pub(super) fn coming_back(&self) -> Demands {
        let mut demands = Demands::default();
        for database in self.here(DATABASE) {
            let size = self.of(database, BACKUPS, "storage_gb");
            demands
                .list
                .push(self.transfer(database, self.dr, self.primary, size));
        }
        for bucket in self.data_buckets() {
            let (month, usage_source) = self.of(bucket, REPLICATION, "monthly_replicated_gb");
            let day = month.times(super::DAY / HOURS_PER_MONTH);
            demands
                .list
                .push(self.transfer(bucket, self.dr, self.primary, (day, usage_source)));
        }
        demands
    }

    /// The stack's own resources, in the DR region.
    fn moved(&self) -> Inventory {
        let mut moved = self.inventory.clone();
        moved
            .resources
            .retain(|resource| resource.region == Some(self.primary));
        moved.moved(self.primary, self.dr)
    }

    fn fixed_of(&self, inventory: &Inventory) -> Demands {
        let mut demands = demands(inventory, self.usage, self.book, self.options);
        demands.list.retain(|demand| {
            demand.basis == Basis::Fixed
                && demand.key.scope == Scope::Region(self.dr)
                && demand.heading != Heading::Recovery
        });
        for demand in &mut demands.list {
            demand.heading = Heading::Recovery;
        }
        demands
    }
}
