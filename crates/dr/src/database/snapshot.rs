//! Snapshots as RDS shows them.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use report::{Document, Mark, Report};
use serde::Serialize;
use settings::Region;

use super::{Engine, provenance_tags, show};

/// What a snapshot is good for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SnapshotState {
    /// It can be copied and restored.
    Available,
    /// It is being made or copied.
    InProgress,
    /// It is being deleted.
    Deleting,
    /// It failed and will not become anything.
    Failed,
    /// A status that is not known here, and so is not relied on.
    Other(String),
}

impl SnapshotState {
    /// From the status that RDS gives.
    pub(super) fn of(status: &str) -> Self {
        match status {
            "available" => Self::Available,
            "creating" | "copying" | "pending" => Self::InProgress,
            "deleting" => Self::Deleting,
            "failed" => Self::Failed,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl fmt::Display for SnapshotState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Available => "available",
            Self::InProgress => "in progress",
            Self::Deleting => "being deleted",
            Self::Failed => "failed",
            Self::Other(status) => status,
        })
    }
}

/// A DB snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// Its identifier, `rds:…` for an automated one.
    pub id: String,
    /// Its ARN, by which a copy is asked for from another region.
    pub arn: String,
    /// The instance that it is of; a copy keeps that of its source.
    pub database: String,
    /// Whether it can be used.
    pub state: SnapshotState,
    /// `automated`, `manual`, `awsbackup` …
    pub kind: String,
    /// When it was taken: of a copy, when its source was. `SnapshotCreateTime` of a copy is the time of
    /// copying and says nothing about the data, so that a copy without its original time has none.
    pub taken: Option<Timestamp>,
    /// The last transaction in it, where RDS says so; [`Snapshot::taken`] otherwise.
    pub data_time: Option<Timestamp>,
    /// The ARN of the snapshot that it is a copy of.
    pub source: Option<String>,
    /// The region that it was copied from.
    pub source_region: Option<String>,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// The key that it is encrypted with.
    pub key: Option<String>,
    /// What its database ran.
    pub engine: Option<Engine>,
    /// GiB of storage that a restore of it takes, where RDS says so.
    pub storage_gb: Option<u32>,
    /// Percent copied, while that goes on.
    pub percent: Option<i32>,
    /// Its tags, which say what made it and of which snapshot it is a copy.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

impl Snapshot {
    pub(super) fn read(snapshot: &aws_sdk_rds::types::DbSnapshot) -> Option<Self> {
        let text = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
        let tags = provenance_tags::read(snapshot.tag_list());
        let source = text(snapshot.source_db_snapshot_identifier());
        let source_region = text(snapshot.source_region())
            .or_else(|| source.as_deref().and_then(arn_region).map(str::to_owned));
        let original = show::timestamp(snapshot.original_snapshot_create_time());
        let taken = if source.is_some() || source_region.is_some() {
            original.or_else(|| tags.get(provenance_tags::SOURCE_TIME)?.parse().ok())
        } else {
            original.or_else(|| show::timestamp(snapshot.snapshot_create_time()))
        };
        Some(Self {
            id: text(snapshot.db_snapshot_identifier())?,
            arn: text(snapshot.db_snapshot_arn())?,
            database: text(snapshot.db_instance_identifier())?,
            state: SnapshotState::of(snapshot.status().unwrap_or("without a status")),
            kind: text(snapshot.snapshot_type()).unwrap_or_default(),
            taken,
            data_time: show::timestamp(snapshot.snapshot_database_time()).or(taken),
            source,
            source_region,
            encrypted: snapshot.encrypted().unwrap_or_default(),
            key: text(snapshot.kms_key_id()),
            engine: Engine::read(snapshot.engine(), snapshot.engine_version()),
            storage_gb: show::whole(snapshot.allocated_storage()),
            percent: snapshot.percent_progress(),
            tags,
        })
    }

    /// Whether it was copied from `region`.
    pub fn is_copy_from(&self, region: Region) -> bool {
        self.source_region.as_deref() == Some(region.as_str())
    }

    /// Whether it is a copy of `source`: of its ARN and of its time, since the name of a snapshot can be
    /// used again for another one.
    pub fn is_copy_of(&self, source: &Snapshot) -> bool {
        self.source.as_deref() == Some(source.arn.as_str())
            && self.taken.is_some()
            && self.taken.map(Timestamp::as_second) == source.taken.map(Timestamp::as_second)
    }

    /// Whether it was made here, as its tags say. Tags can travel with a copy that somebody makes of one:
    /// the source that they name has to be its own.
    pub fn is_ours(&self) -> bool {
        provenance_tags::ours(&self.tags)
            && self.source.is_some()
            && self.source.as_ref() == self.tags.get(provenance_tags::SOURCE)
    }

    /// How it stands, for progress.
    pub(super) fn progress(&self) -> String {
        match (&self.state, self.percent) {
            (SnapshotState::InProgress, Some(percent)) => format!("{percent} %"),
            (state, _) => state.to_string(),
        }
    }
}

/// The region of an ARN.
pub(super) fn arn_region(arn: &str) -> Option<&str> {
    let region = arn.strip_prefix("arn:")?.split(':').nth(2)?;
    (!region.is_empty()).then_some(region)
}

/// Snapshots of the databases, in one region or two.
#[derive(Debug, Clone, Serialize)]
pub struct SnapshotList {
    /// Where the copies are.
    pub region: Region,
    /// Where they are copied from.
    pub source_region: Region,
    /// Snapshots where the copies are, newest first.
    pub copies: Vec<Snapshot>,
    /// Snapshots where they are copied from, newest first, if they were asked for.
    pub sources: Option<Vec<Snapshot>>,
}

impl Report for SnapshotList {
    const KIND: &'static str = "snapshots";

    fn document(&self) -> Document {
        let row = |snapshot: &Snapshot, third: String| {
            let mark = match snapshot.state {
                SnapshotState::Available => Mark::Ok,
                SnapshotState::Failed => Mark::Wrong,
                _ => Mark::Unknown,
            };
            let time = snapshot.taken.map_or("unknown".to_owned(), show::time);
            let cells = [snapshot.progress(), snapshot.database.clone(), time, third];
            (
                mark,
                [&cells[..], std::slice::from_ref(&snapshot.id)].concat(),
            )
        };
        let copies = self.copies.iter().map(|copy| {
            let by = if copy.is_ours() {
                "dr-replicate"
            } else {
                "other"
            };
            row(copy, by.to_owned())
        });
        let mut document = Document::new()
            .heading(format!("Snapshots in {}", self.region))
            .table(
                ["State", "Database", "Taken", "Made by", "Snapshot"],
                copies.collect(),
            );
        if self.copies.is_empty() {
            document = document.text("none");
        }
        let Some(sources) = &self.sources else {
            return document;
        };
        let sources = sources.iter().map(|source| {
            let copy = self.copies.iter().find(|copy| copy.is_copy_of(source));
            row(source, copy.map_or("none".to_owned(), Snapshot::progress))
        });
        let heading = format!("Snapshots in {}", self.source_region);
        document.heading(heading).table(
            ["State", "Database", "Taken", "Copy", "Snapshot"],
            sources.collect(),
        )
    }
}

#[cfg(test)]
pub(super) mod tests {
    use aws_sdk_rds::types::DbSnapshot;
    use aws_smithy_types::DateTime;

    use super::*;

    pub(crate) fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    pub(crate) const PRIMARY: &str = "ca-central-1";

    /// An available automated snapshot of `db` in the primary region.
    pub(crate) fn snapshot(id: &str, taken: Timestamp) -> Snapshot {
        Snapshot {
            id: id.to_owned(),
            arn: format!("arn:aws:rds:{PRIMARY}:000000000000:snapshot:{id}"),
            database: "db".to_owned(),
            state: SnapshotState::Available,
            kind: "automated".to_owned(),
            taken: Some(taken),
            data_time: Some(taken),
            source: None,
            source_region: None,
            encrypted: false,
            key: None,
            engine: None,
            storage_gb: None,
            percent: None,
            tags: BTreeMap::new(),
        }
    }

    /// Its copy in the DR region, made here.
    pub(crate) fn copy_of(source: &Snapshot, id: &str) -> Snapshot {
        Snapshot {
            id: id.to_owned(),
            arn: format!("arn:aws:rds:us-east-1:000000000000:snapshot:{id}"),
            kind: "manual".to_owned(),
            source: Some(source.arn.clone()),
            source_region: Some(PRIMARY.to_owned()),
            tags: BTreeMap::from([
                (
                    provenance_tags::MADE_BY.to_owned(),
                    provenance_tags::OURS.to_owned(),
                ),
                (provenance_tags::SOURCE.to_owned(), source.arn.clone()),
            ]),
            ..source.clone()
        }
    }

    fn answered() -> aws_sdk_rds::types::builders::DbSnapshotBuilder {
        DbSnapshot::builder()
            .db_snapshot_identifier("x")
            .db_snapshot_arn("arn:aws:rds:us-east-1:000000000000:snapshot:x")
            .db_instance_identifier("db")
            .status("available")
            .snapshot_create_time(DateTime::from_secs(2_000))
    }

    // aws-behaviour: 7
    #[test]
    fn read_of_a_copy_takes_the_time_of_the_data_and_not_of_copying() {
        let source = "arn:aws:rds:ca-central-1:000000000000:snapshot:s";
        let copy = answered().source_db_snapshot_identifier(source);
        let read = Snapshot::read(&copy.clone().build()).unwrap();
        assert_eq!((read.taken, read.data_time), (None, None));
        assert!(read.is_copy_from(PRIMARY.parse().unwrap()));
        let copy = copy.original_snapshot_create_time(DateTime::from_secs(1_000));
        let read = Snapshot::read(&copy.build()).unwrap();
        assert_eq!(read.taken.map(Timestamp::as_second), Some(1_000));
        let own = Snapshot::read(&answered().build()).unwrap();
        assert_eq!(own.taken.map(Timestamp::as_second), Some(2_000));
    }

    // aws-behaviour: 7
    #[test]
    fn is_copy_of_another_source_or_time_is_false() {
        let source = snapshot("nightly", at("2026-11-22T03:00:00Z"));
        let copy = copy_of(&source, "c");
        assert!(copy.is_copy_of(&source));
        // The name was used again for a newer snapshot.
        let newer = snapshot("nightly", at("2026-11-23T03:00:00Z"));
        assert!(!copy.is_copy_of(&newer));
        let mut unknown = copy.clone();
        unknown.taken = None;
        let mut also_unknown = source.clone();
        also_unknown.taken = None;
        assert!(!unknown.is_copy_of(&also_unknown));
    }

    #[test]
    fn of_an_unknown_status_is_not_available() {
        assert_eq!(SnapshotState::of("available"), SnapshotState::Available);
        let other = SnapshotState::of("incompatible-something");
        assert_eq!(
            other,
            SnapshotState::Other("incompatible-something".to_owned())
        );
    }
}
