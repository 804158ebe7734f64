//! What RDS knows: pure state, moved by requests and by time.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::name::{Place, code};
use super::network::Subnet;

pub(crate) mod backup;
pub(crate) mod instance;
pub(crate) mod snapshot;
pub(crate) mod time;

pub(crate) use backup::Backup;
pub(crate) use instance::{Birth, Instance, Settings, Then};
pub(crate) use snapshot::Snapshot;
pub(crate) use time::Phase;

/// Limits of an account in one region.
///
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Limits.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RdsQuotas {
    /// Manual snapshots, copies included.
    pub manual_snapshots: usize,
    /// Cross-region snapshot copies under way to one region.
    pub copies_in_progress: usize,
    /// Automated backups replicated into one region.
    pub replicated_backups: usize,
    /// Instances of an account in one region, replicas among them.
    pub instances: usize,
    /// Storage of all instances, in GiB.
    pub storage_gib: u64,
}

impl Default for RdsQuotas {
    fn default() -> Self {
        Self {
            manual_snapshots: 100,
            copies_in_progress: 20,
            replicated_backups: 20,
            instances: 40,
            storage_gib: 100_000,
        }
    }
}

/// Where something is, and its id in lower case.
pub(crate) type Key = (Place, String);

/// Tags, by key.
pub(crate) type Tags = BTreeMap<String, String>;

/// A subnet group.
#[derive(Clone, Debug)]
pub(crate) struct SubnetGroup {
    pub(crate) description: String,
    pub(crate) subnets: Vec<Subnet>,
    pub(crate) tags: Tags,
}

/// A parameter group.
#[derive(Clone, Debug)]
pub(crate) struct ParameterGroup {
    pub(crate) family: String,
    pub(crate) description: String,
    pub(crate) tags: Tags,
    /// What was set, by name.
    pub(crate) set: BTreeMap<&'static str, String>,
}

/// A maintenance that was announced.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    /// `system-update`, `db-upgrade`, …
    pub(crate) action: String,
    /// When RDS does it whatever anybody says; `None`: never by itself.
    pub(crate) at: Option<Timestamp>,
}

/// Something that RDS reports as an event.
#[derive(Clone, Debug)]
pub(crate) struct Happening {
    pub(crate) at: Timestamp,
    pub(crate) place: Place,
    /// `db-instance` or `db-snapshot`.
    pub(crate) source: &'static str,
    pub(crate) id: String,
    pub(crate) category: &'static str,
    pub(crate) message: String,
}

/// Two kinds of thing that can be made to end badly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RdsKind {
    /// A DB instance.
    Instance,
    /// A DB snapshot.
    Snapshot,
}

/// In which status something ends instead of `available`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RdsEnding {
    /// Instance or snapshot.
    pub kind: RdsKind,
    /// The region that the instance or snapshot is in.
    pub region: String,
    /// Its identifier, or `beginning*`.
    pub id: String,
    /// `failed`, `incompatible-parameters`, …
    pub status: String,
}

/// Everything in all regions.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    /// Simulated time up to which everything has happened.
    pub(crate) now: Timestamp,
    pub(crate) quotas: RdsQuotas,
    pub(crate) instances: BTreeMap<Key, Instance>,
    pub(crate) snapshots: BTreeMap<Key, Snapshot>,
    /// Automated backups by ARN.
    pub(crate) backups: BTreeMap<String, Backup>,
    pub(crate) subnet_groups: BTreeMap<Key, SubnetGroup>,
    /// Those of the default VPC, where EC2 has told.
    pub(crate) default_subnets: BTreeMap<Place, Vec<Subnet>>,
    pub(crate) parameter_groups: BTreeMap<Key, ParameterGroup>,
    /// Announced maintenance of instances.
    pub(crate) maintenance: BTreeMap<Key, Vec<Planned>>,
    pub(crate) happenings: Vec<Happening>,
    /// Engine versions that are no longer offered, besides those of the catalog.
    pub(crate) retired: BTreeSet<String>,
    endings: Vec<RdsEnding>,
    /// Regions that are off, and since when.
    down: BTreeMap<String, Timestamp>,
    /// How long an instance stays as it is after a change was accepted.
    pub(crate) lingers: jiff::SignedDuration,
    /// How long a new instance is `backing-up`.
    pub(crate) first_backup: jiff::SignedDuration,
    /// How long an instance whose storage has grown is `storage-optimization`.
    pub(crate) optimization: jiff::SignedDuration,
    next_tick: Timestamp,
    drawn: u64,
}

impl Model {
    pub(crate) fn new(now: Timestamp, quotas: RdsQuotas) -> Self {
        Self {
            now,
            quotas,
            instances: BTreeMap::new(),
            snapshots: BTreeMap::new(),
            backups: BTreeMap::new(),
            subnet_groups: BTreeMap::new(),
            default_subnets: BTreeMap::new(),
            parameter_groups: BTreeMap::new(),
            maintenance: BTreeMap::new(),
            happenings: Vec::new(),
            retired: BTreeSet::new(),
            endings: Vec::new(),
            down: BTreeMap::new(),
            lingers: jiff::SignedDuration::ZERO,
            first_backup: time::FIRST_BACKUP,
            optimization: time::OPTIMIZATION,
            next_tick: time::next_tick(now),
            drawn: 0,
        }
    }

    /// A new code of 26 letters and digits.
    pub(crate) fn draw(&mut self) -> String {
        self.drawn += 1;
        code(self.drawn)
    }

    pub(crate) fn end_as(&mut self, ending: RdsEnding) {
        self.endings.push(ending);
    }

    /// The ending for something that is about to become available, once.
    fn ending(&mut self, kind: RdsKind, (place, id): &Key) -> Option<String> {
        let at = self.endings.iter().position(|ending| {
            let named = match ending.id.strip_suffix('*') {
                Some(start) => id.starts_with(start),
                None => *id == ending.id,
            };
            ending.kind == kind && ending.region == place.region && named
        })?;
        Some(self.endings.remove(at).status)
    }

    pub(crate) fn is_down(&self, region: &str) -> bool {
        self.down.contains_key(region)
    }

    pub(crate) fn report(
        &mut self,
        (place, id): &Key,
        source: &'static str,
        category: &'static str,
        message: impl Into<String>,
    ) {
        self.happenings.push(Happening {
            at: self.now,
            place: place.clone(),
            source,
            id: id.clone(),
            category,
            message: message.into(),
        });
    }

    /// The automated backup that an instance writes.
    pub(crate) fn own_backup(&self, resource_id: &str) -> Option<&Backup> {
        self.backups
            .values()
            .find(|backup| backup.is_own() && backup.resource_id == resource_id)
    }

    pub(crate) fn own_backup_mut(&mut self, resource_id: &str) -> Option<&mut Backup> {
        self.backups
            .values_mut()
            .find(|backup| backup.is_own() && backup.resource_id == resource_id)
    }

    /// Copies of an automated backup in other regions that still follow it.
    pub(crate) fn followers(&mut self, resource_id: &str) -> impl Iterator<Item = &mut Backup> {
        self.backups
            .values_mut()
            .filter(move |backup| backup.follows() && backup.resource_id == resource_id)
    }
}
