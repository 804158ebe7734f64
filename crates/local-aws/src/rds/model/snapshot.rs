//! Snapshots.

use jiff::Timestamp;

use super::backup::Stored;
use super::{Phase, Settings, Tags};
use crate::rds::name::Place;

/// Who made a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Maker {
    Manual,
    Automated,
}

impl Maker {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Automated => "automated",
        }
    }
}

/// A snapshot.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) status: String,
    pub(crate) maker: Maker,
    pub(crate) instance_id: String,
    pub(crate) resource_id: String,
    pub(crate) instance_created: Timestamp,
    /// When this snapshot, or copy, was made.
    pub(crate) created: Timestamp,
    /// The state of the database that it holds.
    pub(crate) taken: Timestamp,
    /// Those of the instance when it was taken; the key is this snapshot's own.
    pub(crate) settings: Settings,
    pub(crate) tags: Tags,
    /// For a copy: where it comes from, and the ARN there.
    pub(crate) source: Option<(Place, String)>,
    pub(crate) phase: Option<Phase<()>>,
    pub(crate) files: Stored,
}

impl Snapshot {
    /// Whether it is a copy out of another region that is not there yet.
    pub(crate) fn arrives_from(&self, here: &Place) -> Option<&Place> {
        let (place, _) = self.source.as_ref()?;
        (self.phase.is_some() && place.region != here.region).then_some(place)
    }

    /// 0 to 100.
    pub(crate) fn percent(&self, now: Timestamp) -> u8 {
        match &self.phase {
            Some(phase) => phase.percent(now),
            None if self.status == "available" => 100,
            None => 0,
        }
    }
}
