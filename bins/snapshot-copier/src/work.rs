use std::time::Duration;

use aws_env::{AwsEnv, WaiterConfig};
use dr::database::{
    AsOf, Copied, CopyOptions, Pruned, RdsClients, RecoveryPoint, Refusal, Snapshot, SnapshotState,
    copy, judge, order, plan_copies, plan_prune, prune,
};
use jiff::Timestamp;
use report::Silent;
use serde::Serialize;
use serde_json::Value;
use settings::Region;

use crate::{Configuration, Event};

/// One look: what is begun goes on without the function, and the next invocation sees how it ended.
const NO_WAIT: WaiterConfig = WaiterConfig::every(Duration::ZERO, Duration::ZERO);

/// The regions, and what is done in them.
#[derive(Debug)]
pub struct Work {
    configuration: Configuration,
    source: RdsClients,
    target: RdsClients,
}

/// What an invocation did.
#[derive(Debug, Serialize)]
pub struct Done {
    /// What asked for it: `snapshot`, `tick` or `nothing`.
    pub event: &'static str,
    /// Why nothing was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignored: Option<String>,
    /// One entry for each database that was asked about.
    pub databases: Vec<DatabaseDone>,
}

/// What an invocation did for one database.
#[derive(Debug, Serialize)]
pub struct DatabaseDone {
    /// Identifier of the database, as the settings have it.
    pub database: String,
    /// The copies, begun or under way or there before.
    pub copied: Option<Copied>,
    /// How old the freshest data is that the target region could restore, in seconds; at a tick only, and missing where there
    /// is nothing to restore from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery_point_age_seconds: Option<u64>,
    /// What was pruned; at a tick only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pruned: Option<Pruned>,
    /// The runs whose failover stops all deletions; at a tick only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub held_by: Vec<String>,
    /// What went wrong.
    pub errors: Vec<String>,
}

impl Done {
    fn nothing(why: String) -> Self {
        Self {
            event: "nothing",
            ignored: Some(why),
            databases: Vec::new(),
        }
    }

    /// Whether nothing went wrong.
    pub fn is_good(&self) -> bool {
        self.databases.iter().all(|one| one.errors.is_empty())
    }
}

impl Work {
    /// With the clients of both regions.
    pub fn new(env: &AwsEnv, configuration: Configuration) -> Self {
        Self {
            source: RdsClients::new(&env.access(configuration.source)),
            target: RdsClients::new(&env.access(configuration.target)),
            configuration,
        }
    }

    /// Does what `event` asks for. An event that comes twice finds the copy that it asks for.
    pub async fn invoke(&self, event: &Value, now: Timestamp) -> Done {
        match Event::read(event) {
            Event::Nothing(why) => Done::nothing(why),
            Event::Snapshot(named) => self.one(&named).await,
            Event::Tick => {
                let mut databases = Vec::new();
                for database in &self.configuration.databases {
                    databases.push(self.tick(database.as_str(), now).await);
                }
                Done {
                    event: "tick",
                    ignored: None,
                    databases,
                }
            }
        }
    }

    /// Copies the snapshot of an event, which has its ARN or its identifier alone.
    async fn one(&self, named: &str) -> Done {
        let region = self.configuration.source;
        let parts: Vec<&str> = named.splitn(7, ':').collect();
        let id = match parts[..] {
            ["arn", _, "rds", from, _, "snapshot", id] => {
                if from != region.as_str() {
                    return Done::nothing(format!("{named} does not lie in {region}"));
                }
                id
            }
            ["arn", ..] => return Done::nothing(format!("{named:?} is not the ARN of a snapshot")),
            _ => named,
        };
        let mut errors = Vec::new();
        let found = self.source.snapshot(id).await;
        let source = match found {
            Ok(Some(source)) => Some(source),
            Ok(None) => return Done::nothing(format!("{named} is not there any more")),
            Err(error) => {
                errors.push(reported(&error));
                None
            }
        };
        let database = source
            .as_ref()
            .map_or(id, |source| &source.database)
            .to_owned();
        let wanted = |source: &Snapshot| {
            let mut ids = self.configuration.databases.iter();
            ids.any(|id| id.as_str() == source.database)
        };
        if source.as_ref().is_some_and(|source| !wanted(source)) {
            return Done::nothing(format!("{database} is not one of DATABASES"));
        }
        let mut done = DatabaseDone {
            database,
            copied: None,
            recovery_point_age_seconds: None,
            pruned: None,
            held_by: Vec::new(),
            errors,
        };
        if let Some(source) = source {
            self.copy(&mut done, &[source]).await;
        }
        Done {
            event: "snapshot",
            ignored: None,
            databases: vec![done],
        }
    }

    /// Copies the newest snapshot, if no event has, and prunes.
    async fn tick(&self, database: &str, now: Timestamp) -> DatabaseDone {
        let mut done = DatabaseDone {
            database: database.to_owned(),
            copied: None,
            recovery_point_age_seconds: None,
            pruned: None,
            held_by: Vec::new(),
            errors: Vec::new(),
        };
        match self.source.snapshots(Some(database)).await {
            Ok(sources) => self.copy(&mut done, &sources).await,
            Err(error) => done.errors.push(reported(&error)),
        }
        // Old copies take places of the quota also while nothing new can be copied.
        match self.prune(database, now).await {
            Ok(Ok((pruned, held_by))) => {
                done.held_by = held_by;
                let left = pruned.snapshots.iter().filter_map(|one| one.left.clone());
                done.errors.extend(left);
                done.pruned = Some(pruned);
            }
            Ok(Err(refusal)) => done.errors.push(refusal.to_string()),
            Err(error) => done.errors.push(reported(&error)),
        }
        match self.age(database, now).await {
            Ok(age) => done.recovery_point_age_seconds = age,
            Err(error) => done.errors.push(reported(&error)),
        }
        done
    }

    /// How old the freshest usable recovery point of the target region is: a replicated backup or a copy.
    async fn age(&self, database: &str, now: Timestamp) -> Result<Option<u64>, aws_env::Error> {
        let backups = self.target.backups().await?;
        let copies = self.target.snapshots(Some(database)).await?;
        let points = judge(&backups, &copies, &[], database, self.source.region());
        let freshest = order(points, self.target.at(AsOf::Now(now)))
            .into_iter()
            .find(RecoveryPoint::is_usable);
        Ok(freshest.and_then(|point| point.rpo_seconds))
    }

    /// Begins the copy of the newest of `sources`.
    async fn copy(&self, done: &mut DatabaseDone, sources: &[Snapshot]) {
        let database = done.database.clone();
        let present = match self.target.snapshots(Some(&database)).await {
            Ok(present) => present,
            Err(error) => return done.errors.push(reported(&error)),
        };
        let regions = (self.source.region(), self.target.region());
        // No invocation waits, so that only a later one can see that a copy failed; pruning removes the copy,
        // and with it the only sign.
        let ours = |copy: &&Snapshot| copy.is_ours() && copy.is_copy_from(regions.0);
        let failed = present.iter().filter(ours);
        let failed = failed.filter(|copy| copy.state == SnapshotState::Failed);
        done.errors
            .extend(failed.map(|copy| failure(copy, regions.1)));
        let plan = match plan_copies(sources, &present, &database, regions, 1, None) {
            Ok(plan) => plan,
            Err(refusal) => return done.errors.push(refusal.to_string()),
        };
        let options = CopyOptions {
            key: self.configuration.key.as_ref().map(ToString::to_string),
            tags: self.configuration.tags.clone(),
            quota: None,
            waiter: NO_WAIT,
        };
        match copy(&self.target, &plan, &options, &Silent).await {
            Ok(Ok(copied)) => {
                if copied.has_failed() {
                    done.errors.push("a copy failed".to_owned());
                }
                // Unlike a wait, an invocation has no next look that could make up for it.
                done.errors.extend(copied.last_error.clone());
                done.errors.extend(copied.blocked.clone());
                done.copied = Some(copied);
            }
            Ok(Err(refusal)) => done.errors.push(format!("{refusal}; {}", refusal.hint())),
            Err(error) => done.errors.push(reported(&error)),
        }
    }

    async fn prune(
        &self,
        database: &str,
        now: Timestamp,
    ) -> Result<Result<(Pruned, Vec<String>), Refusal>, aws_env::Error> {
        let present = self.target.snapshots(Some(database)).await?;
        let regions = (self.source.region(), self.target.region());
        let now = self.target.time(now);
        let plan = plan_prune(&present, database, regions, self.configuration.kept, now);
        let held_by = plan.held_by().to_vec();
        match plan.approve() {
            Ok(approved) => Ok(Ok((prune(&self.target, &approved, now).await?, held_by))),
            Err(refusal) => Ok(Err(refusal)),
        }
    }
}

/// Which copy failed, and where RDS says why: a snapshot itself has no reason.
fn failure(copy: &Snapshot, target: Region) -> String {
    format!(
        "{}, a copy of {}, failed: see its RDS events in {target}, and both keys if it is encrypted",
        copy.id,
        copy.source.as_deref().unwrap_or("an unknown snapshot"),
    )
}

/// An error with AWS's own words.
fn reported(error: &aws_env::Error) -> String {
    match &error.message {
        Some(message) => format!("{error}: {message}"),
        None => error.to_string(),
    }
}
