//! Instances that are given up: a last snapshot, a stop, a deletion. Each can be begun again after a death at any moment, and
//! goes on from what RDS shows.

use std::time::Duration;

use aws_env::{DbInstanceState, Error, Waiter, WaiterConfig};
use jiff::Timestamp;
use report::{Observer, Outcome};
use serde::{Deserialize, Serialize};
use settings::{Region, Tags};

use super::clients::{STATE, is_any};
use super::name::legal_part;
use super::{
    Begun, Instance, RdsClients, Refusal, RunName, Snapshot, SnapshotState, provenance_tags,
};

/// Why an instance was not given up, or a replica not promoted.
#[derive(Debug, thiserror::Error)]
pub enum RetireError {
    /// Nothing was changed.
    #[error("{0}")]
    Refused(Refusal),
    /// AWS did not answer or refused.
    #[error(transparent)]
    Aws(#[from] Error),
    /// It ended in what it does not leave by itself.
    #[error("{what} in {region} ended {status}")]
    Ended {
        /// The instance or snapshot.
        what: String,
        /// Where it is.
        region: Region,
        /// How it ended.
        status: String,
    },
    /// It is still going on; the same call takes it up.
    #[error("{what} is {last} after {}", report::duration(*waited))]
    Deadline {
        /// The instance or snapshot.
        what: String,
        /// How long was waited.
        waited: Duration,
        /// What was last seen.
        last: String,
    },
}

/// What an instance has to be before it is stopped or deleted. An identifier alone proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Whose {
    /// Restored from this database here, as its tags say.
    Restored {
        /// Identifier of the database, as the settings have it.
        database: String,
    },
    /// The instance of this ARN and resource ID, which whoever planned it has looked at.
    Known {
        /// Its ARN, which names region and account.
        arn: String,
        /// Its resource ID, which no later instance of the same name has.
        resource_id: String,
    },
}

impl Whose {
    pub(super) fn check(&self, there: &Instance, region: Region) -> Result<(), RetireError> {
        let tag = |key: &str| there.tags.get(key).map(String::as_str);
        let (wanted, is_it) = match self {
            Self::Restored { database } => (
                format!("restored from {database} by dr-replicate"),
                provenance_tags::ours(&there.tags)
                    && tag(provenance_tags::DATABASE) == Some(database.as_str()),
            ),
            Self::Known { arn, resource_id } => (
                format!("{resource_id} ({arn})"),
                there.arn == *arn && there.resource_id.as_ref() == Some(resource_id),
            ),
        };
        if is_it {
            return Ok(());
        }
        let of = match tag(provenance_tags::DATABASE) {
            Some(database) if provenance_tags::ours(&there.tags) => {
                format!("restored from {database}, ")
            }
            _ => "not made by dr-replicate, ".to_owned(),
        };
        let resource = there.resource_id.as_deref().unwrap_or("without an ID");
        Err(RetireError::Refused(Refusal::NotThatInstance {
            instance: there.id.clone(),
            region,
            wanted,
            found: format!("{of}{resource}, {}", there.status),
        }))
    }
}

/// The identifier of the last snapshot that `run` takes of an instance.
pub fn last_snapshot_id(instance: &str, run: &RunName) -> String {
    let run = run.to_string();
    format!("{}-last-{}", legal_part(instance), legal_part(&run))
}

/// A last snapshot of an instance: of a planned failover, or before one is given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LastSnapshot {
    /// Identifier of the instance.
    pub instance: String,
    /// Its resource ID, which no later instance of the same name has.
    pub resource_id: String,
    /// Identifier of the snapshot ([`last_snapshot_id`]).
    pub snapshot: String,
    /// Tags that it gets, beside those that say of what it is.
    pub tags: Tags,
}

impl LastSnapshot {
    /// Whether `there` is this one, and not another of its name.
    fn check(&self, there: &Snapshot, region: Region) -> Result<(), RetireError> {
        let of = there.tags.get(provenance_tags::LAST_OF);
        if there.database == self.instance && of == Some(&self.resource_id) {
            return Ok(());
        }
        Err(RetireError::Refused(Refusal::SnapshotTaken {
            snapshot: self.snapshot.clone(),
            region,
            what: format!("of {}, {}", there.database, there.state),
        }))
    }

    fn provenance(&self) -> Vec<aws_sdk_rds::types::Tag> {
        let own = [(provenance_tags::LAST_OF, self.resource_id.clone())];
        provenance_tags::tags(&own, &self.tags)
    }
}

/// Begins the snapshot, and does not wait for it.
///
/// # Errors
/// [`RetireError::Refused`] when the instance is another one, or another snapshot has the name. RDS takes snapshots of an
/// instance that is `available` alone: its refusal is an error of AWS that the next call may not meet.
pub async fn begin_last_snapshot(
    site: &RdsClients,
    plan: &LastSnapshot,
) -> Result<Begun, RetireError> {
    if let Some(there) = site.snapshot(&plan.snapshot).await? {
        return plan.check(&there, site.region()).map(|()| Begun::Found);
    }
    let Some(instance) = site.instance(&plan.instance).await? else {
        return Err(RetireError::Refused(Refusal::NoInstance {
            database: plan.instance.clone(),
            region: site.region(),
        }));
    };
    let whose = Whose::Known {
        arn: instance.arn.clone(),
        resource_id: plan.resource_id.clone(),
    };
    whose.check(&instance, site.region())?;
    let request = site
        .rds
        .create_db_snapshot()
        .db_instance_identifier(&plan.instance)
        .db_snapshot_identifier(&plan.snapshot)
        .set_tags(Some(plan.provenance()));
    let call = site.call("CreateDBSnapshot", &plan.snapshot);
    let Err(error) = request.send().await.map_err(|error| call.failed(error)) else {
        site.applied("begin last snapshot", &plan.snapshot);
        return Ok(Begun::Accepted);
    };
    // Where its answer was lost, the SDK has asked again: of an instance that makes this very snapshot.
    let may_be_there = ["DBSnapshotAlreadyExists", STATE];
    if !error.is_transient() && !is_any(&error, &may_be_there) {
        return Err(error.into());
    }
    // Its answer was lost, or another run was faster.
    match site.snapshot(&plan.snapshot).await? {
        Some(there) => plan.check(&there, site.region()).map(|()| Begun::Found),
        None => Err(error.into()),
    }
}

/// Begins the snapshot, unless it is begun, and waits until it is good: until then nothing that it is the last copy of may be
/// given up.
///
/// # Errors
/// See [`RetireError`]. Nothing that was begun is undone; the same call takes it up.
pub async fn wait_last_snapshot(
    site: &RdsClients,
    plan: &LastSnapshot,
    waiter: WaiterConfig,
    observer: &dyn Observer,
) -> Result<Snapshot, RetireError> {
    let wait = Wait::begin(site, "last snapshot", &plan.snapshot, waiter, observer);
    wait.until(async || {
        let pending = |status: String| Ok(Look::Pending(status));
        match begin_last_snapshot(site, plan).await {
            Ok(_) => {}
            Err(RetireError::Aws(error)) if may_pass(&error) => return pending(said(&error)),
            Err(error) => return Err(error),
        }
        let there = match site.snapshot(&plan.snapshot).await {
            Ok(Some(there)) => there,
            Ok(None) => return pending("not shown yet".to_owned()),
            Err(error) if error.is_transient() => return pending(said(&error)),
            Err(error) => return Err(error.into()),
        };
        match &there.state {
            SnapshotState::Available => Ok(Look::Done(there)),
            SnapshotState::InProgress => pending(there.progress()),
            SnapshotState::Other(status) => pending(status.clone()),
            SnapshotState::Failed | SnapshotState::Deleting => Err(RetireError::Ended {
                what: plan.snapshot.clone(),
                region: site.region(),
                status: there.state.to_string(),
            }),
        }
    })
    .await
}

/// An instance that takes no connections any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fenced {
    /// Identifier of the instance.
    pub instance: String,
    /// When RDS starts it again by itself: it keeps an instance stopped for seven days at most
    /// (<https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_StopInstance.html>).
    pub restarts: Option<Timestamp>,
}

/// Stops an instance and waits until it is stopped, so that nothing is written to it: to the old one after a planned
/// failover, or to that of the DR region after a failback. Its data stay. RDS starts it again after seven days.
///
/// # Errors
/// [`RetireError::Refused`] when it is not `whose`, or not there; see [`RetireError`] otherwise.
pub async fn fence(
    site: &RdsClients,
    instance: &str,
    whose: &Whose,
    waiter: WaiterConfig,
    observer: &dyn Observer,
) -> Result<Fenced, RetireError> {
    let wait = Wait::begin(site, "stop", instance, waiter, observer);
    wait.until(async || {
        let there = match own(site, instance, whose).await? {
            Ok(there) => there,
            Err(pending) => return Ok(Look::Pending(pending)),
        };
        match there.status.as_str() {
            "stopped" => {
                return Ok(Look::Done(Fenced {
                    instance: there.id,
                    restarts: there.restarts,
                }));
            }
            "stopping" => return Ok(Look::Pending(there.status)),
            _ => {}
        }
        let request = site.rds.stop_db_instance().db_instance_identifier(instance);
        let call = site.call("StopDBInstance", instance);
        match request.send().await.map_err(|error| call.failed(error)) {
            Ok(_) => {
                site.applied("stop instance", instance);
                Ok(Look::Pending("stopping".to_owned()))
            }
            Err(error) if may_pass(&error) && !stays(&there) => Ok(Look::Pending(said(&error))),
            Err(error) => Err(error.into()),
        }
    })
    .await
}

/// Starts an instance that was stopped, and waits until it serves again: of a move that is given up before anybody writes
/// elsewhere. One that is being stopped is waited for first.
///
/// # Errors
/// [`RetireError::Refused`] when it is not `whose`, or not there; see [`RetireError`] otherwise.
pub async fn start(
    site: &RdsClients,
    instance: &str,
    whose: &Whose,
    waiter: WaiterConfig,
    observer: &dyn Observer,
) -> Result<(), RetireError> {
    let wait = Wait::begin(site, "start", instance, waiter, observer);
    wait.until(async || {
        let there = match own(site, instance, whose).await? {
            Ok(there) => there,
            Err(pending) => return Ok(Look::Pending(pending)),
        };
        if there.status != "stopped" {
            return Ok(match DbInstanceState::of(&there.status).serves() {
                true => Look::Done(()),
                false => Look::Pending(there.status),
            });
        }
        let request = site.rds.start_db_instance();
        let request = request.db_instance_identifier(instance);
        let call = site.call("StartDBInstance", instance);
        match request.send().await.map_err(|error| call.failed(error)) {
            Ok(_) => {
                site.applied("start instance", instance);
                Ok(Look::Pending("starting".to_owned()))
            }
            Err(error) if may_pass(&error) => Ok(Look::Pending(said(&error))),
            Err(error) => Err(error.into()),
        }
    })
    .await
}

/// The instance, which has to be `whose`; why nothing is known of it at this moment, else.
async fn own(
    site: &RdsClients,
    instance: &str,
    whose: &Whose,
) -> Result<Result<Instance, String>, RetireError> {
    match site.instance(instance).await {
        Ok(Some(there)) => {
            whose.check(&there, site.region())?;
            Ok(Ok(there))
        }
        Ok(None) => Err(RetireError::Refused(Refusal::NoInstance {
            database: instance.to_owned(),
            region: site.region(),
        })),
        Err(error) if error.is_transient() => Ok(Err(said(&error))),
        Err(error) => Err(error.into()),
    }
}

/// Takes the deletion protection off an instance, and waits until RDS shows that. RDS changes nothing of a stopped instance:
/// what is to be deleted after it was stopped has to go without before.
///
/// # Errors
/// [`RetireError::Refused`] when it is not `whose`, or not there; see [`RetireError`] otherwise.
pub async fn allow_deletion(
    site: &RdsClients,
    instance: &str,
    whose: &Whose,
    waiter: WaiterConfig,
    observer: &dyn Observer,
) -> Result<(), RetireError> {
    let wait = Wait::begin(site, "allow the deletion of", instance, waiter, observer);
    wait.until(async || {
        let there = match own(site, instance, whose).await? {
            Ok(there) => there,
            Err(pending) => return Ok(Look::Pending(pending)),
        };
        if there.options.deletion_protection == Some(false) {
            return Ok(Look::Done(()));
        }
        match unprotect(site, instance).await {
            Ok(()) => Ok(Look::Pending("protected".to_owned())),
            Err(error) if may_pass(&error) && !stays(&there) => Ok(Look::Pending(said(&error))),
            Err(error) => Err(error.into()),
        }
    })
    .await
}

async fn unprotect(site: &RdsClients, instance: &str) -> Result<(), Error> {
    let modify = site.rds.modify_db_instance();
    let modify = modify
        .db_instance_identifier(instance)
        .deletion_protection(false)
        .apply_immediately(true);
    let call = site.call("ModifyDBInstance", instance);
    modify.send().await.map_err(|error| call.failed(error))?;
    site.applied("take deletion protection off", instance);
    Ok(())
}

/// What is left of the data of an instance that is deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LastCopy {
    /// A snapshot that RDS takes when it deletes the instance.
    Snapshot(String),
    /// What the instance was restored from, which has to be there and good: what was written since is lost, so that this is
    /// for drills.
    RecoveryPoint,
}

/// An instance that is to be deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deletion {
    /// Identifier of the instance.
    pub instance: String,
    /// What it has to be.
    pub whose: Whose,
    /// What is left of its data.
    pub last_copy: LastCopy,
}

/// Deletes an instance that was restored here, or that whoever planned it has looked at, and waits until it is gone. Its own
/// automated backups stay for their retention, but those of a drill. Deletion protection is taken off first, since who calls this has
/// been asked.
///
/// # Errors
/// [`RetireError::Refused`] when the instance is another one, when another snapshot has the name of the last one, or when
/// the instance or what it was restored from is gone and no copy is left.
pub async fn delete_instance(
    site: &RdsClients,
    plan: &Deletion,
    waiter: WaiterConfig,
    observer: &dyn Observer,
) -> Result<(), RetireError> {
    let wait = Wait::begin(site, "delete", &plan.instance, waiter, observer);
    wait.until(async || {
        let there = match site.instance(&plan.instance).await {
            Ok(Some(there)) => there,
            Ok(None) => return gone(site, plan).await,
            Err(error) if error.is_transient() => return Ok(Look::Pending(said(&error))),
            Err(error) => return Err(error.into()),
        };
        plan.whose.check(&there, site.region())?;
        if there.status == "deleting" {
            return Ok(Look::Pending(there.status));
        }
        match delete(site, plan, &there).await {
            Ok(()) => Ok(Look::Pending("deleting".to_owned())),
            Err(RetireError::Aws(error)) if may_pass(&error) && !stays(&there) => {
                Ok(Look::Pending(said(&error)))
            }
            Err(error) => Err(error),
        }
    })
    .await
}

/// An instance that is not there any more is deleted if its last copy is there.
async fn gone(site: &RdsClients, plan: &Deletion) -> Result<Look<()>, RetireError> {
    let LastCopy::Snapshot(id) = &plan.last_copy else {
        return Ok(Look::Done(()));
    };
    match site.snapshot(id).await? {
        Some(there) if there.database == plan.instance => match there.state {
            SnapshotState::Available => Ok(Look::Done(())),
            SnapshotState::Failed | SnapshotState::Deleting => Err(RetireError::Ended {
                what: id.clone(),
                region: site.region(),
                status: there.state.to_string(),
            }),
            _ => Ok(Look::Pending(format!(
                "gone, its snapshot {}",
                there.progress()
            ))),
        },
        _ => Err(RetireError::Refused(Refusal::NoSnapshot {
            database: plan.instance.clone(),
            region: site.region(),
            seen: vec![format!(
                "{id} is not there, nor the instance that it would be of"
            )],
        })),
    }
}

async fn delete(site: &RdsClients, plan: &Deletion, there: &Instance) -> Result<(), RetireError> {
    let request = site.rds.delete_db_instance();
    // Backups of a drill are of nothing that anybody would want back.
    let is_drill = plan.last_copy == LastCopy::RecoveryPoint;
    let request = request
        .db_instance_identifier(&plan.instance)
        .delete_automated_backups(is_drill);
    let request = match &plan.last_copy {
        LastCopy::Snapshot(id) => {
            // While the instance is there, and not being deleted, a snapshot of the name is an older one.
            if let Some(taken) = site.snapshot(id).await? {
                return Err(RetireError::Refused(Refusal::SnapshotTaken {
                    snapshot: id.clone(),
                    region: site.region(),
                    what: format!("of {}, {}", taken.database, taken.state),
                }));
            }
            request.final_db_snapshot_identifier(id)
        }
        LastCopy::RecoveryPoint => {
            check_origin(site, there).await?;
            request.skip_final_snapshot(true)
        }
    };
    if there.options.deletion_protection != Some(false) {
        unprotect(site, &plan.instance).await?;
    }
    let call = site.call("DeleteDBInstance", &plan.instance);
    request.send().await.map_err(|error| call.failed(error))?;
    site.applied("delete instance", &plan.instance);
    Ok(())
}

/// Whether what the instance was restored from is there and good.
async fn check_origin(site: &RdsClients, there: &Instance) -> Result<(), RetireError> {
    let point = there.tags.get(provenance_tags::POINT);
    let point = point.map_or("unknown", String::as_str);
    let is_there = if point.starts_with("arn:") {
        let backups = site.backups().await?;
        let found = backups.iter().find(|backup| backup.arn == point);
        found.is_some_and(|backup| {
            matches!(
                backup.status.as_str(),
                "active" | "replicating" | "retained"
            )
        })
    } else {
        let snapshot = site.snapshot(point).await?;
        snapshot.is_some_and(|snapshot| snapshot.state == SnapshotState::Available)
    };
    if is_there {
        return Ok(());
    }
    Err(RetireError::Refused(Refusal::PointUnusable {
        point: point.to_owned(),
        problem: "it is not there and good, so that the instance is the only copy".to_owned(),
    }))
}

/// Whether another try may meet something else.
pub(super) fn may_pass(error: &Error) -> bool {
    error.is_transient() || is_any(error, &[STATE])
}

pub(super) fn stays(there: &Instance) -> bool {
    DbInstanceState::of(&there.status) == DbInstanceState::Stays
}

pub(super) fn said(error: &Error) -> String {
    match &error.message {
        Some(message) => format!("not known: {error}: {message}"),
        None => format!("not known: {error}"),
    }
}

/// What one look shows.
pub(super) enum Look<T> {
    Done(T),
    Pending(String),
}

/// A wait for one thing.
pub(super) struct Wait<'a> {
    what: String,
    label: String,
    waiter: Waiter,
    observer: &'a dyn Observer,
}

impl<'a> Wait<'a> {
    pub(super) fn begin(
        site: &RdsClients,
        verb: &str,
        what: &str,
        waiter: WaiterConfig,
        observer: &'a dyn Observer,
    ) -> Self {
        let label = format!("{verb} {what} in {}", site.region());
        observer.started(&label);
        Self {
            what: what.to_owned(),
            label,
            waiter: Waiter::begin(waiter),
            observer,
        }
    }

    pub(super) async fn until<T>(
        mut self,
        mut look: impl AsyncFnMut() -> Result<Look<T>, RetireError>,
    ) -> Result<T, RetireError> {
        let ended = loop {
            let last = match look().await {
                Ok(Look::Done(done)) => break Ok(done),
                Ok(Look::Pending(last)) => last,
                Err(error) => break Err(error),
            };
            self.observer.waiting(&self.label, &last);
            if !self.waiter.pause().await {
                break Err(RetireError::Deadline {
                    what: self.what.clone(),
                    waited: self.waiter.elapsed(),
                    last,
                });
            }
        };
        let outcome = match &ended {
            Ok(_) => Outcome::Done,
            Err(RetireError::Deadline { .. }) => Outcome::Skipped,
            Err(_) => Outcome::Failed,
        };
        let elapsed = self.waiter.elapsed();
        self.observer.finished(&self.label, outcome, elapsed);
        ended
    }
}
