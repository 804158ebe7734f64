//! What is restored from what, decided before anything is called.

use std::fmt;
use std::time::Duration;

use aws_env::DbInstanceState;
use jiff::Timestamp;
use report::{Document, Mark, Report, ShellCommand};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use settings::{Database, Objectives, Region, RestoreAs, Tags};

use crate::database::as_of::{AsOf, CLOCKS};
use crate::database::{Engine, Instance, Kind, RecoveryPoint, Refusal, provenance_tags, show};

/// Which time is restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// The latest that there is.
    Latest,
    /// A point in time.
    Time(Timestamp),
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str("latest"),
            Self::Time(time) => time.fmt(f),
        }
    }
}

/// Neither `latest` nor a time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is neither \"latest\" nor a time such as 2026-11-22T11:50:00Z: {problem}")]
pub struct AtError {
    text: String,
    problem: String,
}

impl std::str::FromStr for At {
    type Err = AtError;

    fn from_str(text: &str) -> Result<Self, AtError> {
        match text {
            "latest" => Ok(Self::Latest),
            time => time
                .parse()
                .map(Self::Time)
                .map_err(|error: jiff::Error| AtError {
                    text: text.to_owned(),
                    problem: error.to_string(),
                }),
        }
    }
}

impl Serialize for At {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for At {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// What a restore is made from. Kept in the instance's tags, so that a run that takes it up does not choose
/// again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// What sort of recovery point.
    pub kind: Kind,
    /// Its name: a snapshot's identifier, a backup's ARN.
    pub point: String,
    /// The time that is restored.
    pub at: At,
    /// The time of the data, as far as it is known beforehand.
    pub data_time: Timestamp,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct RestoreRequest<'a> {
    /// Identifier of the database, as the settings have it.
    pub database: &'a Database,
    /// The instance to restore it as.
    pub target: &'a str,
    /// The DR region.
    pub region: Region,
    /// The time that is restored.
    pub at: At,
    /// Only from this recovery point.
    pub from: Option<&'a str>,
    /// The moment that the RPO is counted to: of the loss, or now.
    pub as_of: AsOf,
    /// What has to be achieved.
    pub objectives: Objectives,
    /// Tags that the instance gets, beside those that say what it was restored from.
    pub tags: &'a Tags,
}

/// What has to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestoreStep {
    /// The restore is begun.
    Begin,
    /// It was begun before and goes on.
    Resume,
    /// It was made before; what it got is checked.
    Verify,
}

/// What a restore would do. It holds all that a restore is made of, and nothing else is asked for: another process, on
/// another machine, that reads it back from its JSON makes the same restore, or takes up the one that was begun by it. One
/// that another version wrote, with a setting that is not known here, is not read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestorePlan {
    /// Identifier of the database, as the settings have it.
    pub database: String,
    /// The instance that it is restored as.
    pub target: String,
    /// The DR region.
    pub region: Region,
    /// What has to be done.
    pub step: RestoreStep,
    /// What it is restored from.
    pub choice: Choice,
    /// What it gets.
    pub wanted: RestoreAs,
    /// Tags that it gets, beside those that say what it was restored from.
    pub tags: Tags,
    /// The key of the recovery point, which is that of the instance.
    pub key: Option<String>,
    /// What the database of the recovery point ran, where RDS says so.
    pub engine: Option<Engine>,
    /// GiB of storage that the instance gets, where RDS says how much the recovery point takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_gb: Option<u32>,
    /// When it was begun, if it was.
    pub begun: Option<Timestamp>,
    /// It is restored, and there is data by now that was written after that was begun: what was restored is
    /// not what would be restored today.
    pub newer: Option<Timestamp>,
    /// A replica whose data are newer than what is restored: promoting it loses less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fresher_replica: Option<FresherReplica>,
    /// What would be lost, in seconds; `None` where the clocks differ.
    pub rpo_seconds: Option<u64>,
    /// What may be lost by the settings, in seconds.
    pub rpo_objective_seconds: u64,
    /// How long it may take by the settings, in seconds.
    pub rto_objective_seconds: u64,
}

/// A replica that is ahead of every recovery point that can be restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FresherReplica {
    /// Its identifier.
    pub id: String,
    /// The time of its data.
    pub data_time: Timestamp,
    /// What would be lost, in seconds; `None` where the clocks differ.
    pub rpo_seconds: Option<u64>,
}

impl FresherReplica {
    /// The freshest of `points`, where that is a replica with data of after `time`.
    fn than(points: &[RecoveryPoint], time: Timestamp) -> Option<Self> {
        let mut usable = points.iter().filter(|point| point.is_usable());
        let first = usable.next().filter(|point| point.kind == Kind::Replica)?;
        let data_time = first.latest.filter(|latest| *latest > time)?;
        Some(Self {
            id: first.id.clone(),
            data_time,
            rpo_seconds: first.rpo_seconds,
        })
    }

    /// The command that promotes it.
    pub fn command(&self, database: &str) -> ShellCommand {
        ShellCommand::new("dr-replicate promote")
            .option("--replica", &self.id)
            .option("--database", database)
    }
}

impl RestorePlan {
    /// The same with its point in time fixed, where it takes the latest of a backup that is yet to be restored: whoever
    /// begins it, and when, it has the same data. RDS takes times before the latest one only, so that it is a second less.
    #[must_use]
    pub fn with_fixed_time(mut self) -> Self {
        let choice = &mut self.choice;
        let is_open = choice.kind == Kind::ReplicatedBackup && choice.at == At::Latest;
        if self.step == RestoreStep::Begin && is_open {
            let second = choice.data_time.as_second().saturating_sub(1);
            if let Ok(time) = Timestamp::from_second(second) {
                let lost = choice.data_time.as_second().saturating_sub(second);
                let lost = u64::try_from(lost).unwrap_or_default();
                self.rpo_seconds = self.rpo_seconds.map(|rpo| rpo.saturating_add(lost));
                choice.data_time = time;
                choice.at = At::Time(time);
            }
        }
        self
    }
}

impl Report for RestorePlan {
    const KIND: &'static str = "restore-plan";

    fn document(&self) -> Document {
        let word = match self.step {
            RestoreStep::Begin => "restore",
            RestoreStep::Resume => "go on with",
            RestoreStep::Verify => "check",
        };
        let row = |setting: &str, value: String| (Mark::Plain, vec![setting.to_owned(), value]);
        let class = self.wanted.class.as_ref().map(ToString::to_string);
        let groups: Vec<&str> = self
            .wanted
            .security_groups
            .iter()
            .map(AsRef::as_ref)
            .collect();
        let length = |seconds| report::duration(Duration::from_secs(seconds));
        let rows = vec![
            row(
                "from",
                format!("{} {}", self.choice.kind.name(), self.choice.point),
            ),
            row("to the time", self.choice.at.to_string()),
            row("data of", show::time(self.choice.data_time)),
            row(
                "RPO",
                format!(
                    "{} (objective {})",
                    self.rpo_seconds.map_or(CLOCKS.to_owned(), length),
                    length(self.rpo_objective_seconds)
                ),
            ),
            row("class", class.unwrap_or_else(|| "the source's".to_owned())),
            row("Multi-AZ", self.wanted.multi_az.to_string()),
            row("subnet group", self.wanted.subnet_group.to_string()),
            row("parameter group", self.wanted.parameter_group.to_string()),
            row("security groups", groups.join(", ")),
            row(
                "key",
                self.key
                    .clone()
                    .unwrap_or_else(|| "not encrypted".to_owned()),
            ),
        ];
        let document = Document::new()
            .heading(format!(
                "Plan: {word} {} as {} in {}",
                self.database, self.target, self.region
            ))
            .table(["", ""], rows);
        let Some(replica) = &self.fresher_replica else {
            return document;
        };
        document.text(format!(
            "The replica {} has data of {}, which this does not bring back: {} does",
            replica.id,
            show::time(replica.data_time),
            replica.command(&self.database)
        ))
    }
}

/// What to restore from, or the restore that is under way. `there` is the instance that has the target's
/// name in the DR region, if any.
///
/// # Errors
/// When there is nothing to restore from, or the name is taken by something else.
pub fn plan_restore(
    request: &RestoreRequest<'_>,
    points: &[RecoveryPoint],
    there: Option<&Instance>,
) -> Result<RestorePlan, Refusal> {
    let database = request.database.id.to_string();
    let Some(wanted) = request.database.restore.clone() else {
        return Err(Refusal::NoRestoreSettings { database });
    };
    let found = match there {
        Some(there) => take_up(request, &database, points, there)?,
        None => Found::new(request, &database, points)?,
    };
    let Found {
        step,
        choice,
        key,
        engine,
        storage_gb,
        begun,
        newer,
    } = found;
    // What is written after a restore has begun is written elsewhere: the loss does not grow with the time
    // at which one looks again.
    let as_of = match begun.filter(|_| newer.is_none()) {
        Some(begun) if begun < request.as_of.time() => AsOf::Now(begun),
        Some(_) => request.as_of,
        None => request.as_of,
    };
    let may_choose =
        step == RestoreStep::Begin && request.from.is_none() && request.at == At::Latest;
    let fresher_replica = FresherReplica::than(points, choice.data_time).filter(|_| may_choose);
    Ok(RestorePlan {
        fresher_replica,
        database,
        target: request.target.to_owned(),
        region: request.region,
        step,
        rpo_seconds: as_of.seconds(choice.data_time),
        choice,
        wanted,
        tags: request.tags.clone(),
        key,
        engine,
        storage_gb,
        begun,
        newer,
        rpo_objective_seconds: request.objectives.rpo_database.as_secs(),
        rto_objective_seconds: request.objectives.rto.as_secs(),
    })
}

/// What a plan is made of, beside what is asked for.
struct Found {
    step: RestoreStep,
    choice: Choice,
    key: Option<String>,
    engine: Option<Engine>,
    storage_gb: Option<u32>,
    begun: Option<Timestamp>,
    newer: Option<Timestamp>,
}

impl Found {
    /// A restore that is yet to begin.
    fn new(
        request: &RestoreRequest<'_>,
        database: &str,
        points: &[RecoveryPoint],
    ) -> Result<Self, Refusal> {
        let (point, data_time) = choose(request, database, points)?;
        Ok(Self {
            step: RestoreStep::Begin,
            choice: Choice {
                kind: point.kind,
                point: point.id.clone(),
                at: request.at,
                data_time,
            },
            key: point.key.clone(),
            engine: point.engine.clone(),
            storage_gb: point.storage_gb,
            begun: None,
            newer: None,
        })
    }
}

/// The restore that `there` comes from, if it is the one that is asked for.
fn take_up(
    request: &RestoreRequest<'_>,
    database: &str,
    points: &[RecoveryPoint],
    there: &Instance,
) -> Result<Found, Refusal> {
    if let Some(cluster) = &there.cluster {
        return Err(Refusal::Cluster {
            database: there.id.clone(),
            region: request.region,
            cluster: cluster.clone(),
            engine: there.engine.clone(),
        });
    }
    let Some(choice) = begun_choice(there, database) else {
        return Err(taken(request.region, there));
    };
    let requests_another = request.from.is_some_and(|from| from != choice.point)
        || matches!(request.at, At::Time(_)) && request.at != choice.at;
    if requests_another {
        return Err(taken(request.region, there));
    }
    let step = if DbInstanceState::of(&there.status).serves() {
        RestoreStep::Verify
    } else {
        RestoreStep::Resume
    };
    let begun = there.tags.get(provenance_tags::BEGUN);
    let begun = begun.and_then(|time| time.parse().ok());
    // An instance that a drill left is no recovery from today's loss.
    let written_since = |point: &RecoveryPoint| {
        let latest = point.latest?;
        // Begun is told by the clock of that run, and the data's time by RDS: what it has is not newer than itself.
        (Some(latest) > begun && latest > choice.data_time).then_some(latest)
    };
    // Of the point, or the time, that was asked for nothing newer is wanted.
    let may_be_newer =
        step == RestoreStep::Verify && request.from.is_none() && request.at == At::Latest;
    let newer = points
        .iter()
        .filter(|point| may_be_newer && point.is_restorable())
        .find_map(written_since);
    Ok(Found {
        step,
        choice,
        key: there.key.clone(),
        engine: there.engine.clone(),
        storage_gb: there.options.storage_gb,
        begun,
        newer,
    })
}

/// The recovery point, and the time of its data. `points` are freshest first.
fn choose<'a>(
    request: &RestoreRequest<'_>,
    database: &str,
    points: &'a [RecoveryPoint],
) -> Result<(&'a RecoveryPoint, Timestamp), Refusal> {
    let none = || Refusal::NoRecoveryPoint {
        database: database.to_owned(),
        region: request.region,
        seen: described(points),
    };
    // Before anything else is said of it: the calls for instances fail late, and not by name.
    if request.from.is_none()
        && let Some(cluster) = points.first()
        && points
            .iter()
            .all(|point| point.kind == Kind::ClusterSnapshot)
    {
        return Err(Refusal::Cluster {
            database: database.to_owned(),
            region: request.region,
            cluster: database.to_owned(),
            engine: cluster.engine.clone(),
        });
    }
    let usable = usable(request, points)?;
    if usable.is_empty() {
        return Err(none());
    }
    let At::Time(at) = request.at else {
        let mut fresh = usable.iter();
        return fresh
            .find_map(|point| Some((*point, point.latest?)))
            .ok_or_else(none);
    };
    // A snapshot is of one time only: a point in time needs a backup and its logs.
    let windows: Vec<(&RecoveryPoint, Timestamp, Timestamp)> = usable
        .iter()
        .filter(|point| point.kind == Kind::ReplicatedBackup)
        .filter_map(|point| Some((*point, point.earliest?, point.latest?)))
        .collect();
    // "Must be before the latest restorable time for the DB instance":
    // https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_RestoreDBInstanceToPointInTime.html
    let covers =
        |(_, earliest, latest): &&(_, Timestamp, Timestamp)| (*earliest..*latest).contains(&at);
    match windows.iter().find(covers) {
        Some((point, _, _)) => Ok((point, at)),
        None => Err(Refusal::TimeOutside {
            at,
            windows: windows.iter().map(|(_, from, to)| (*from, *to)).collect(),
        }),
    }
}

/// Those that can be restored from: all of them, or the one that is asked for.
fn usable<'a>(
    request: &RestoreRequest<'_>,
    points: &'a [RecoveryPoint],
) -> Result<Vec<&'a RecoveryPoint>, Refusal> {
    let Some(from) = request.from else {
        let restorable = points.iter().filter(|point| point.is_restorable());
        return Ok(restorable.collect());
    };
    let Some(point) = points.iter().find(|point| point.id == from) else {
        return Err(Refusal::PointUnknown {
            point: from.to_owned(),
            known: described(points),
        });
    };
    let problem = match &point.problem {
        Some(problem) => problem.clone(),
        None if point.is_restorable() => return Ok(vec![point]),
        None => {
            let promote = ShellCommand::new("dr-replicate promote").option("--replica", from);
            format!("it is a replica, which is promoted and not restored: {promote}")
        }
    };
    Err(Refusal::PointUnusable {
        point: from.to_owned(),
        problem,
    })
}

/// What is there, and why it does not do.
fn described(points: &[RecoveryPoint]) -> Vec<String> {
    let say = |point: &RecoveryPoint| match &point.problem {
        Some(problem) => format!("{}: {problem}", point.id),
        None => point.id.clone(),
    };
    points.iter().map(say).collect()
}

/// What the instance was restored from, if it was restored from `database` here.
pub(super) fn begun_choice(there: &Instance, database: &str) -> Option<Choice> {
    let tag = |key: &str| there.tags.get(key).map(String::as_str);
    if !provenance_tags::ours(&there.tags) || tag(provenance_tags::DATABASE) != Some(database) {
        return None;
    }
    let kinds = [Kind::ReplicatedBackup, Kind::CopiedSnapshot];
    Some(Choice {
        kind: kinds
            .into_iter()
            .find(|kind| tag(provenance_tags::POINT_KIND) == Some(kind.name()))?,
        point: tag(provenance_tags::POINT)?.to_owned(),
        at: tag(provenance_tags::AT)?.parse().ok()?,
        data_time: tag(provenance_tags::DATA_TIME)?.parse().ok()?,
    })
}

/// The refusal for an instance that is in the way.
pub(super) fn taken(region: Region, there: &Instance) -> Refusal {
    let what = match there.tags.get(provenance_tags::POINT) {
        Some(point) if provenance_tags::ours(&there.tags) => {
            let at = there
                .tags
                .get(provenance_tags::AT)
                .map_or("latest", String::as_str);
            format!("restored from {point} ({at}), {}", there.status)
        }
        _ => format!("not restored by this program, {}", there.status),
    };
    Refusal::TargetTaken {
        target: there.id.clone(),
        region,
        what,
    }
}

#[cfg(test)]
mod tests;
