//! One look at buckets, databases and states.

use aws_env::{Both, DrOnly};
use dr::database::{AsOf, RdsClients, recovery_points};
use dr::objects::{
    Backlog, BacklogOptions, Pairing, Reading, backlog_by_metrics, backlog_by_statuses,
};
use futures::FutureExt as _;
use jiff::Timestamp;
use serde::Serialize;
use settings::{Settings, StateDr};
use state_backend::{Backend, Relation};

use super::{Measure, Sample, Series};
use crate::lease::causes;
use crate::plan::Goals;

/// More objects than these are not alike only where replication does not work.
const OPTIONS: BacklogOptions = BacklogOptions {
    listings: 8,
    most_heads: 10_000,
};
/// What S3 has published before that says how it was, and not how it is.
const STALE_SECONDS: u64 = 15 * 60;

/// What is looked at.
#[derive(Debug)]
pub struct LookRequest<'a> {
    /// The environment.
    pub settings: &'a Settings,
    /// The DR region.
    pub dr: &'a DrOnly,
    /// Both regions, where the primary one may be called; what it alone tells is not known without.
    pub both: Option<&'a Both>,
    /// The moment to which lags and ages are counted.
    pub now: Timestamp,
    /// For how many seconds the look speaks.
    pub holds: u32,
}

/// What was seen.
#[derive(Debug, Clone, Serialize)]
pub struct Measured {
    /// Project and environment.
    pub environment: String,
    /// The line of the ledger.
    #[serde(flatten)]
    pub sample: Sample,
    /// Why a number is not known, in the order of the series; null where it is.
    pub problems: Vec<Option<String>>,
    /// What has to be achieved.
    pub objectives: Goals,
}

impl Measured {
    /// Whether every number is known.
    pub fn is_known(&self) -> bool {
        self.problems.iter().all(Option::is_none)
    }

    /// Whether a number is beyond its objective.
    pub fn is_beyond(&self) -> bool {
        self.sample.pairs().any(|(series, value)| {
            let objective = series.measure.objective(self.objectives);
            value
                .zip(objective)
                .is_some_and(|(value, objective)| value > objective)
        })
    }
}

/// Numbers with what they are of, in any order.
type Found = Vec<(Series, Result<u64, String>)>;

/// Looks once. What cannot be asked is not known; the rest is told all the same.
pub async fn measure(request: &LookRequest<'_>) -> Measured {
    let settings = request.settings;
    let (objects, databases, states) = tokio::join!(
        objects(request).boxed_local(),
        databases(request).boxed_local(),
        states(request).boxed_local()
    );
    let mut found: Found = objects.into_iter().chain(databases).chain(states).collect();
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    Measured {
        environment: settings.name(),
        sample: Sample {
            at: request.now,
            holds: request.holds,
            series: found.iter().map(|(series, _)| series.clone()).collect(),
            values: found
                .iter()
                .map(|(_, value)| value.as_ref().ok().copied())
                .collect(),
        },
        problems: found.into_iter().map(|(_, value)| value.err()).collect(),
        objectives: Goals::from(settings.objectives),
    }
}

fn series(measure: Measure, of: impl ToString) -> Series {
    Series {
        measure,
        of: of.to_string(),
    }
}

fn primary_not_asked<T>() -> Result<T, String> {
    Err("the primary region was not asked".to_owned())
}

async fn objects(request: &LookRequest<'_>) -> Found {
    let pairing = Pairing::from(request.settings);
    let mut found = Found::new();
    for pair in pairing.pairs() {
        let by_metrics = backlog_by_metrics(request.dr, pair, request.now).boxed_local();
        let mut backlog = by_metrics.await;
        // Lists are dear: they are made where S3 publishes nothing.
        if (age(&backlog).is_err() || waiting(&backlog).is_err())
            && let Some(both) = request.both
        {
            let by_statuses = backlog_by_statuses(both, pair, OPTIONS, request.now).boxed_local();
            backlog = by_statuses.await;
        }
        let bucket = &pair.primary.name;
        found.push((series(Measure::OldestUnreplicated, bucket), age(&backlog)));
        found.push((series(Measure::Backlog, bucket), waiting(&backlog)));
    }
    found
}

fn current<T>(reading: &Reading<T>, asked: Timestamp) -> Result<&T, String> {
    match reading {
        Reading::Unknown { reason } => Err(reason.clone()),
        Reading::Known { value, at } => match seconds(*at, asked) {
            0..=STALE_SECONDS => Ok(value),
            _ => Err(format!("what was told last is of {at}")),
        },
    }
}

/// Two clocks may differ: less than nothing is nothing.
fn seconds(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.duration_since(from).as_secs()).unwrap_or(0)
}

/// What never arrives by itself: S3 has given up on it, or no rule replicates it. Where both regions were listed, that is told.
fn stranded(backlog: &Backlog) -> u64 {
    let tallies = [&backlog.failed, &backlog.uncovered];
    let known = tallies.into_iter().filter_map(Reading::known);
    known.map(|tally| tally.objects).sum()
}

/// What is stranded grows older without an end, and its age is not told.
fn age(backlog: &Backlog) -> Result<u64, String> {
    let stranded = stranded(backlog);
    if stranded > 0 {
        let objects = report::counted(stranded, "object");
        return Err(format!(
            "S3 has given up on {objects}, or no rule replicates them, and nothing tells how old they are"
        ));
    }
    let oldest = current(&backlog.oldest, backlog.asked)?;
    Ok(oldest
        .as_ref()
        .map_or(0, |oldest| seconds(oldest.written, backlog.asked)))
}

fn waiting(backlog: &Backlog) -> Result<u64, String> {
    Ok(current(&backlog.pending, backlog.asked)?.objects + stranded(backlog))
}

async fn databases(request: &LookRequest<'_>) -> Found {
    let settings = request.settings;
    let here = RdsClients::new(request.dr.region());
    let there = request.both.map(|both| RdsClients::new(&both.primary));
    let now = AsOf::Now(request.now);
    let mut found = Found::new();
    for database in &settings.databases {
        let objective = settings.objectives.rpo_database;
        let primary = settings.regions.primary;
        let points = recovery_points(&here, database, primary, objective, now).boxed_local();
        let age = match points.await {
            Err(error) => Err(causes(&error)),
            Ok(points) => match points.freshest() {
                None => Err("there is nothing to restore from".to_owned()),
                Some(point) => point
                    .rpo_seconds
                    .ok_or_else(|| format!("the time of {} is not known", point.id)),
            },
        };
        found.push((series(Measure::RecoveryPointAge, &database.id), age));
        let restorable = match &there {
            None => primary_not_asked(),
            Some(there) => latest_restorable(there, database.id.as_ref(), request.now).await,
        };
        found.push((
            series(Measure::LatestRestorableAge, &database.id),
            restorable,
        ));
    }
    found
}

async fn latest_restorable(site: &RdsClients, id: &str, now: Timestamp) -> Result<u64, String> {
    let there = site.instance(id).await.map_err(|error| causes(&error))?;
    let there = there.ok_or("there is no such instance")?;
    let latest = there
        .latest_restorable
        .ok_or("RDS shows no LatestRestorableTime")?;
    let age = site.at(AsOf::Now(now)).age(latest);
    age.map(|age| age.as_secs())
        .ok_or_else(|| "it is newer than now: two clocks differ".to_owned())
}

async fn states(request: &LookRequest<'_>) -> Found {
    let settings = request.settings;
    let all = |problem: String| vec![(series(Measure::SerialsBehind, "all states"), Err(problem))];
    if settings.state.dr == StateDr::None {
        return Found::new();
    }
    let Some(both) = request.both else {
        return all("the primary region was not asked".to_owned());
    };
    let backend = match Backend::connect(settings, both).await {
        Ok(backend) => backend,
        Err(error) => return all(causes(&error)),
    };
    let inventory = backend.inventory(request.now).await;
    let states = inventory.states.iter();
    let behind = states.map(|state| {
        let behind = match &state.relation {
            Some(Relation::Same | Relation::NeverWritten | Relation::Deleted) => Ok(0),
            Some(Relation::PrimaryAhead { serials }) => Ok(*serials),
            Some(relation) => Err(format!("{relation}")),
            None => Err("the settings name no DR side".to_owned()),
        };
        (series(Measure::SerialsBehind, &state.state), behind)
    });
    behind.collect()
}
