//! What a region holds to restore a database from, freshest first.

use aws_env::{DbInstanceState, Error, pages};
use aws_sdk_rds::types::DbClusterSnapshot;
use jiff::Timestamp;
use report::{Document, Mark, Report};
use serde::{Deserialize, Serialize};
use settings::{Database, Region};

use super::as_of::{AsOf, CLOCKS};
use super::lag::replica_data_time;
use super::snapshot::arn_region;
use super::{Backup, Engine, Instance, RdsClients, Snapshot, SnapshotState, show};

/// What sort of recovery point it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A replicated automated backup: any time in its window, to minutes.
    ReplicatedBackup,
    /// A copied snapshot: the one time it was taken at.
    CopiedSnapshot,
    /// A read replica from the other region, to be promoted rather than restored.
    Replica,
    /// A snapshot of a cluster, Aurora's or a Multi-AZ one: none of the calls for instances takes it.
    ClusterSnapshot,
}

impl Kind {
    /// Its name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::ReplicatedBackup => "replicated-backup",
            Self::CopiedSnapshot => "copied-snapshot",
            Self::Replica => "replica",
            Self::ClusterSnapshot => "cluster-snapshot",
        }
    }
}

/// Something to restore a database from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecoveryPoint {
    /// Its name for `--from`: the identifier of a snapshot or replica, the ARN of a backup.
    pub id: String,
    /// What sort it is.
    pub kind: Kind,
    /// The ARN to restore from.
    pub arn: String,
    /// The status that RDS gives.
    pub status: String,
    /// The time of the freshest data in it.
    pub latest: Option<Timestamp>,
    /// The oldest time that it can be restored to; a backup has a window, a snapshot does not.
    pub earliest: Option<Timestamp>,
    /// The key that it is encrypted with.
    pub key: Option<String>,
    /// What its database ran.
    pub engine: Option<Engine>,
    /// GiB of storage that a restore of it takes, where RDS says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_gb: Option<u32>,
    /// Why it cannot be used as it is.
    pub problem: Option<String>,
    /// What would be lost: from its latest time to the moment of the loss, in seconds. Not known where the clocks differ.
    pub rpo_seconds: Option<u64>,
}

impl RecoveryPoint {
    /// Whether the database can be brought back from it: by a restore, or where it is a replica by promoting it.
    pub fn is_usable(&self) -> bool {
        self.problem.is_none()
    }

    /// Whether a restore can be made from it.
    pub fn is_restorable(&self) -> bool {
        self.is_usable() && matches!(self.kind, Kind::ReplicatedBackup | Kind::CopiedSnapshot)
    }
}

/// The recovery points of one database in one region.
#[derive(Debug, Clone, Serialize)]
pub struct RecoveryPoints {
    /// Identifier of the database, as the settings have it.
    pub database: String,
    /// Where they are.
    pub region: Region,
    /// The moment that the RPO is counted to; now is that of RDS.
    pub as_of: AsOf,
    /// How far this machine's clock is from that of RDS, in words, where they differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clocks: Option<String>,
    /// What may be lost by the settings, in seconds.
    pub objective_seconds: u64,
    /// Usable ones first, freshest first.
    pub points: Vec<RecoveryPoint>,
}

impl RecoveryPoints {
    /// The freshest that can be used.
    pub fn freshest(&self) -> Option<&RecoveryPoint> {
        self.points.iter().find(|point| point.is_usable())
    }

    /// Whether the freshest meets the objective; `None` when there is none, or its age is not known.
    pub fn meets_objective(&self) -> Option<bool> {
        let rpo = self.freshest()?.rpo_seconds?;
        Some(rpo <= self.objective_seconds)
    }
}

impl Report for RecoveryPoints {
    const KIND: &'static str = "recovery-points";

    fn document(&self) -> Document {
        let freshest = self.freshest().map(|point| &point.id);
        let rows = self.points.iter().map(|point| {
            let mark = match (&point.problem, freshest == Some(&point.id)) {
                (Some(_), _) => Mark::Unknown,
                (None, true) => Mark::Ok,
                (None, false) => Mark::Plain,
            };
            let length = |seconds| report::duration(std::time::Duration::from_secs(seconds));
            let rpo = point.rpo_seconds.map_or("unknown".to_owned(), length);
            let latest = point.latest.map_or("unknown".to_owned(), show::time);
            let note = point.problem.clone().unwrap_or_default();
            let cells = [
                rpo,
                latest,
                point.kind.name().to_owned(),
                point.id.clone(),
                note,
            ];
            (mark, cells.to_vec())
        });
        let document = Document::new()
            .heading(format!(
                "Recovery points of {} in {}",
                self.database, self.region
            ))
            .table(
                ["RPO", "Data of", "Kind", "Recovery point", "Problem"],
                rows.collect(),
            );
        let objective = report::duration(std::time::Duration::from_secs(self.objective_seconds));
        let verdict = match self.meets_objective() {
            Some(true) => format!("the freshest meets the objective of {objective}"),
            Some(false) => format!("the freshest does not meet the objective of {objective}"),
            None if self.freshest().is_some() => {
                format!("what would be lost is not known: {CLOCKS}")
            }
            None => "there is nothing to restore from".to_owned(),
        };
        let document = document.text(format!(
            "As of {}: {verdict}",
            show::time(self.as_of.time())
        ));
        match &self.clocks {
            Some(clocks) => document.text(format!("Note: {clocks}.")),
            None => document,
        }
    }
}

/// Looks in the site's region, and nowhere else, for what `database` of `primary` can be restored from.
///
/// # Errors
/// When RDS does not answer or refuses: then nothing is known, also not that there is nothing.
pub async fn recovery_points(
    site: &RdsClients,
    database: &Database,
    primary: Region,
    objective: std::time::Duration,
    as_of: AsOf,
) -> Result<RecoveryPoints, Error> {
    let id = database.id.as_str();
    let (backups, snapshots, instances) =
        tokio::try_join!(site.backups(), site.snapshots(Some(id)), site.instances())?;
    let mut points = judge(&backups, &snapshots, &instances, id, primary);
    for replica in points
        .iter_mut()
        .filter(|point| point.kind == Kind::Replica)
    {
        read_lag(site, replica, site.time(as_of.time())).await;
    }
    if points.is_empty() {
        points = cluster_snapshots(site, id).await;
    }
    let clocks = match as_of {
        AsOf::Now(local) => site.clock_difference(local),
        AsOf::Moment(_) => None,
    };
    let as_of = site.at(as_of);
    Ok(RecoveryPoints {
        clocks,
        database: id.to_owned(),
        region: site.region(),
        as_of,
        objective_seconds: objective.as_secs(),
        points: order(points, as_of),
    })
}

/// Which of these come from `database` of `primary`, and which can be used.
pub fn judge(
    backups: &[Backup],
    snapshots: &[Snapshot],
    instances: &[Instance],
    database: &str,
    primary: Region,
) -> Vec<RecoveryPoint> {
    let backups = backups
        .iter()
        .filter(|backup| backup.database == database && backup.source_region == primary.as_str())
        .map(of_backup);
    let snapshots = snapshots
        .iter()
        .filter(|copy| copy.database == database && copy.is_copy_from(primary))
        .map(of_snapshot);
    let replicas = instances.iter().filter_map(|instance| {
        let source = instance.replica_of.as_deref()?;
        let is_of = source.rsplit(':').next() == Some(database)
            && arn_region(source) == Some(primary.as_str());
        is_of.then(|| of_replica(instance))
    });
    backups.chain(snapshots).chain(replicas).collect()
}

fn of_backup(backup: &Backup) -> RecoveryPoint {
    let problem = match backup.status.as_str() {
        // "replicating" is what a replicated one shows in its region while its source exists, "retained"
        // after replication was stopped or the source deleted.
        "active" | "replicating" | "retained" if backup.latest.is_some() => None,
        "active" | "replicating" | "retained" => {
            Some("it cannot be restored to any time yet".to_owned())
        }
        "pending" | "creating" => Some("the first backup has not arrived yet".to_owned()),
        status => Some(format!("its status is {status}")),
    };
    RecoveryPoint {
        id: backup.arn.clone(),
        kind: Kind::ReplicatedBackup,
        arn: backup.arn.clone(),
        status: backup.status.clone(),
        latest: backup.latest,
        earliest: backup.earliest,
        key: backup.key.clone(),
        engine: backup.engine.clone(),
        storage_gb: backup.storage_gb,
        problem,
        rpo_seconds: None,
    }
}

fn of_snapshot(copy: &Snapshot) -> RecoveryPoint {
    let problem = match (&copy.state, copy.data_time) {
        (SnapshotState::Available, Some(_)) => None,
        (SnapshotState::Available, None) => Some("it is not known of when it is".to_owned()),
        (SnapshotState::InProgress, _) => Some(format!("still being copied: {}", copy.progress())),
        (SnapshotState::Deleting | SnapshotState::Failed, _) => Some(copy.state.to_string()),
        (SnapshotState::Other(status), _) => Some(format!("its status is {status}")),
    };
    RecoveryPoint {
        id: copy.id.clone(),
        kind: Kind::CopiedSnapshot,
        arn: copy.arn.clone(),
        status: copy.state.to_string(),
        latest: copy.data_time,
        earliest: None,
        key: copy.key.clone(),
        engine: copy.engine.clone(),
        storage_gb: copy.storage_gb,
        problem,
        rpo_seconds: None,
    }
}

fn of_replica(replica: &Instance) -> RecoveryPoint {
    // What its data are of is told by CloudWatch: its own backups, if it has any, are behind what it holds.
    let problem = match DbInstanceState::of(&replica.status) {
        DbInstanceState::Serves => LAG_UNKNOWN.to_owned(),
        DbInstanceState::Comes | DbInstanceState::Stays => {
            format!("its status is {}", replica.status)
        }
    };
    RecoveryPoint {
        id: replica.id.clone(),
        kind: Kind::Replica,
        arn: replica.arn.clone(),
        status: replica.status.clone(),
        latest: None,
        earliest: None,
        key: replica.key.clone(),
        engine: replica.engine.clone(),
        storage_gb: replica.options.storage_gb,
        problem: Some(problem),
        rpo_seconds: None,
    }
}

/// Of a replica whose lag is not known nobody can say whether it is the freshest.
const LAG_UNKNOWN: &str = "how far it is behind is not known: CloudWatch shows no ReplicaLag of it";

/// Asks CloudWatch how far a replica is behind, and so of which time its data are.
async fn read_lag(site: &RdsClients, replica: &mut RecoveryPoint, now: Timestamp) {
    if replica.problem.as_deref() != Some(LAG_UNKNOWN) {
        return;
    }
    match replica_data_time(site, &replica.id, now).await {
        Ok(Some(latest)) => {
            replica.latest = Some(latest);
            replica.problem = None;
        }
        Ok(None) => {}
        Err(error) => {
            replica.problem = Some(format!("how far it is behind is not known: {error}"));
        }
    }
}

/// The snapshots of a cluster of this name: what nothing else is there of may be one. Where RDS does not say, nothing is
/// known of one.
async fn cluster_snapshots(site: &RdsClients, id: &str) -> Vec<RecoveryPoint> {
    let request = site
        .rds
        .describe_db_cluster_snapshots()
        .db_cluster_identifier(id);
    let call = site.call("DescribeDBClusterSnapshots", id);
    let found = match pages(call, request.into_paginator().items().send()).await {
        Ok(found) => found,
        Err(error) => {
            tracing::info!(%error, "whether there are snapshots of a cluster is not known");
            return Vec::new();
        }
    };
    let point = |snapshot: &DbClusterSnapshot| {
        let name = snapshot.db_cluster_snapshot_identifier()?.to_owned();
        let engine = Engine::read(snapshot.engine(), snapshot.engine_version());
        let of = engine
            .as_ref()
            .map_or(String::new(), |engine| format!(" ({engine})"));
        Some(RecoveryPoint {
            arn: snapshot.db_cluster_snapshot_arn()?.to_owned(),
            id: name,
            kind: Kind::ClusterSnapshot,
            status: snapshot.status().unwrap_or("without a status").to_owned(),
            latest: show::timestamp(snapshot.snapshot_create_time()),
            earliest: None,
            key: snapshot
                .kms_key_id()
                .filter(|key| !key.is_empty())
                .map(str::to_owned),
            engine,
            storage_gb: show::whole(snapshot.allocated_storage()),
            problem: Some(format!(
                "it is of a cluster{of}, and clusters are not restored here"
            )),
            rpo_seconds: None,
        })
    };
    found.iter().filter_map(point).collect()
}

/// Usable ones first, the freshest of them first, with the RPO of each as of the moment of the loss.
pub fn order(mut points: Vec<RecoveryPoint>, as_of: AsOf) -> Vec<RecoveryPoint> {
    for point in &mut points {
        point.rpo_seconds = point.latest.and_then(|latest| as_of.seconds(latest));
    }
    points.sort_by(|a, b| {
        let rank = |point: &RecoveryPoint| (point.is_usable(), point.latest);
        // The identifier decides between equals, so that every run decides alike.
        rank(b).cmp(&rank(a)).then_with(|| a.id.cmp(&b.id))
    });
    points
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::super::snapshot::tests::{PRIMARY, at, copy_of, snapshot};
    use super::*;

    pub(crate) fn backup(status: &str, latest: Option<&str>) -> Backup {
        Backup {
            arn: "arn:aws:rds:us-east-1:000000000000:auto-backup:ab-1".to_owned(),
            instance_arn: format!("arn:aws:rds:{PRIMARY}:000000000000:db:db"),
            database: "db".to_owned(),
            source_region: PRIMARY.to_owned(),
            status: status.to_owned(),
            earliest: latest.map(|_| at("2026-11-15T00:00:00Z")),
            latest: latest.map(at),
            encrypted: false,
            key: None,
            retention_days: Some(7),
            engine: None,
            storage_gb: None,
            tags: std::collections::BTreeMap::new(),
        }
    }

    pub(crate) fn instance(id: &str) -> Instance {
        Instance {
            id: id.to_owned(),
            arn: format!("arn:aws:rds:us-east-1:000000000000:db:{id}"),
            resource_id: Some("db-1".to_owned()),
            status: "available".to_owned(),
            restarts: None,
            endpoint: None,
            class: None,
            multi_az: None,
            public: None,
            subnet_group: None,
            parameter_groups: Vec::new(),
            security_groups: Vec::new(),
            encrypted: false,
            key: None,
            engine: None,
            retention_days: Some(0),
            cluster: None,
            replica_of: None,
            latest_restorable: None,
            options: crate::database::InstanceOptions::default(),
            tags: std::collections::BTreeMap::new(),
        }
    }

    fn primary() -> Region {
        PRIMARY.parse().unwrap()
    }

    #[test]
    fn point_that_is_newer_than_now_meets_no_objective() {
        let points = |as_of| RecoveryPoints {
            database: "db".to_owned(),
            region: "us-east-1".parse().unwrap(),
            as_of,
            clocks: None,
            objective_seconds: 3600,
            points: order(
                vec![of_backup(&backup(
                    "replicating",
                    Some("2026-11-22T11:55:00Z"),
                ))],
                as_of,
            ),
        };
        let now = points(AsOf::Now(at("2026-11-22T11:45:00Z")));
        assert_eq!(now.meets_objective(), None);
        let text = now.document().to_terminal(None, false);
        assert!(text.contains("not known: it is newer than now"), "{text}");
        // The database was lost then, and the backup has it all.
        let lost = points(AsOf::Moment(at("2026-11-22T11:45:00Z")));
        assert_eq!(lost.meets_objective(), Some(true));
    }

    // aws-behaviour: 6
    #[test]
    fn order_of_points_of_all_kinds_has_the_freshest_first() {
        let copy = copy_of(&snapshot("s", at("2026-11-22T03:00:00Z")), "copy");
        let backup = backup("replicating", Some("2026-11-22T11:55:00Z"));
        let mut replica = instance("replica");
        replica.replica_of = Some(format!("arn:aws:rds:{PRIMARY}:000000000000:db:db"));
        let points = judge(
            std::slice::from_ref(&backup),
            std::slice::from_ref(&copy),
            &[replica, instance("db")],
            "db",
            primary(),
        );
        let points = order(points, AsOf::Now(at("2026-11-22T12:00:00Z")));
        let shown: Vec<_> = points
            .iter()
            .map(|point| (point.kind, point.rpo_seconds))
            .collect();
        assert_eq!(
            shown,
            [
                (Kind::ReplicatedBackup, Some(300)),
                (Kind::CopiedSnapshot, Some(9 * 3600)),
                (Kind::Replica, None),
            ]
        );
        assert!(
            points[2]
                .problem
                .as_ref()
                .unwrap()
                .contains("no ReplicaLag")
        );
    }

    #[test]
    fn of_backup_and_of_snapshot_that_cannot_be_used_tell_why() {
        let problem = |point: RecoveryPoint| point.problem.unwrap_or_default();
        assert!(problem(of_backup(&backup("pending", None))).contains("not arrived"));
        assert!(problem(of_backup(&backup("replicating", None))).contains("any time yet"));
        let odd = backup("odd", Some("2026-11-22T11:55:00Z"));
        assert_eq!(problem(of_backup(&odd)), "its status is odd");
        let mut copy = copy_of(&snapshot("s", at("2026-11-22T03:00:00Z")), "copy");
        for (state, part) in [
            (SnapshotState::Failed, "failed"),
            (SnapshotState::Deleting, "being deleted"),
            (SnapshotState::InProgress, "still being copied"),
            (SnapshotState::Other("odd".to_owned()), "its status is odd"),
        ] {
            copy.state = state;
            assert!(problem(of_snapshot(&copy)).contains(part));
        }
        copy.state = SnapshotState::Available;
        copy.data_time = None;
        assert!(problem(of_snapshot(&copy)).contains("of when"));
    }

    #[test]
    fn judge_of_another_databases_points_leaves_them_out() {
        let mut here = backup("active", Some("2026-11-22T11:55:00Z"));
        here.source_region = "us-east-1".to_owned();
        let mut other = backup("active", Some("2026-11-22T11:55:00Z"));
        other.database = "db2".to_owned();
        let own = snapshot("made-here", at("2026-11-22T03:00:00Z"));
        let mut replica = instance("replica");
        replica.replica_of = Some("db".to_owned());
        assert!(judge(&[here, other], &[own], &[replica], "db", primary()).is_empty());
    }

    proptest! {
        #[test]
        fn order_of_any_points_is_by_their_rpo(times in prop::collection::vec((0i64..100_000, any::<bool>()), 0..20)) {
            let as_of = at("2026-11-22T12:00:00Z");
            let points = times.iter().enumerate().map(|(n, (seconds, usable))| {
                let taken = as_of - jiff::SignedDuration::from_secs(*seconds);
                let mut copy = copy_of(&snapshot(&format!("s{n}"), taken), &format!("c{n}"));
                if !usable { copy.state = SnapshotState::Failed; }
                of_snapshot(&copy)
            }).collect();
            let points = order(points, AsOf::Now(as_of));
            for pair in points.windows(2) {
                prop_assert!(pair[0].is_usable() >= pair[1].is_usable());
                if pair[0].is_usable() == pair[1].is_usable() {
                    prop_assert!(pair[0].rpo_seconds <= pair[1].rpo_seconds);
                }
            }
        }
    }
}
