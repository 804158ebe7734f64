//! Moves the model through time, and does with the servers what the model says.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;

use super::action::Work;
use super::clock::RdsClock;
use super::data::{DataError, Directory, Servers, Start, ship};
use super::model::backup::Recovery;
use super::model::time::{Event, RESETTING};
use super::model::{Birth, Key, Then};
use super::{Rds, lock};

/// How often a running clock is looked at.
const LOOK: Duration = Duration::from_millis(20);

impl Rds {
    /// Follows the clock and the regions until dropped.
    pub(crate) async fn run(self) {
        let runs = matches!(self.0.kind, RdsClock::Running { .. });
        loop {
            if runs {
                tokio::time::sleep(LOOK).await;
            } else {
                self.0.regions.notified().await;
            }
            let _order = self.0.order.lock().await;
            self.follow_regions().await;
            let until = lock(&self.0.clock).at(Timestamp::now());
            self.advance(until).await;
        }
    }

    /// Lets everything happen that is due until then.
    pub(super) async fn advance(&self, until: Timestamp) {
        loop {
            let event = {
                let mut model = self.model();
                let event = model.next_event(until);
                let reached = event.as_ref().map_or(until, |(due, _)| *due);
                model.now = model.now.max(reached);
                event
            };
            match event {
                Some((at, event)) => self.happen(at, event).await,
                None => return,
            }
        }
    }

    /// Stops the servers of regions that are off, starts those of regions that are back.
    pub(super) async fn follow_regions(&self) {
        let Some(servers) = &self.0.servers else {
            return;
        };
        let started = servers.follow(|region| self.model().is_down(region)).await;
        for (resource_id, result) in started {
            match result {
                Ok(port) => self.set_port(&resource_id, port),
                Err(error) => {
                    tracing::warn!(
                        error = chain(&error),
                        "a server did not come back with its region"
                    );
                }
            }
        }
    }

    async fn happen(&self, at: Timestamp, event: Event) {
        tracing::trace!(%at, ?event, "RDS");
        match event {
            Event::Instance(key) => self.end_phase(&key).await,
            Event::Snapshot(key) => self.model().finish_snapshot(&key),
            Event::Arrival(arn) => self.receive(&arn, at).await,
            Event::Daily(key) => {
                let backs_up = self.model().backs_up_now(&key).is_some();
                if backs_up {
                    self.back_up(&key).await;
                }
                self.model().end_daily(&key, backs_up);
            }
            Event::Maintenance(key) => self.model().maintain(&key),
            Event::Tick => self.upload(at).await,
        }
    }

    /// Uploads the logs of all instances.
    async fn upload(&self, at: Timestamp) {
        let mut uploaded = Vec::new();
        let logging = self.model().logging();
        for (key, resource_id) in logging {
            let through = match &self.0.servers {
                None => Ok(None),
                Some(servers) => servers.archive(&resource_id).await,
            };
            match through {
                Ok(through) => uploaded.push((resource_id, through)),
                // It can be restored to where it could be restored before, no further.
                Err(error) => tracing::warn!(
                    error = chain(&error),
                    instance = key.1,
                    "a log is not uploaded"
                ),
            }
        }
        self.model().tick(at, uploaded);
    }

    /// Something arrives in a replicated backup.
    async fn receive(&self, arn: &str, at: Timestamp) {
        let shipment = self.model().shipment(arn);
        if let (Some((from, to, through)), Some(servers)) = (shipment, &self.0.servers) {
            let shipped = match to {
                Some(to) => Ok(to),
                None => self.archive_of(arn, servers),
            }
            .and_then(|to| ship(from.path(), to.path(), &through));
            if let Err(error) = shipped {
                tracing::warn!(error = chain(&error), arn, "a log does not arrive");
            }
        }
        self.model().arrive(arn, at);
    }

    /// Gives a replicated backup an archive of its own, in its region.
    fn archive_of(&self, arn: &str, servers: &Servers) -> Result<Arc<Directory>, DataError> {
        let region = match self.model().backups.get(arn) {
            Some(backup) => backup.place.region.clone(),
            None => return Err(DataError::Absent(arn.to_owned())),
        };
        let archive = servers.directory(&region, "replicated")?;
        if let Some(backup) = self.model().backups.get_mut(arn) {
            backup.history.segments = Some(archive.clone());
        }
        Ok(archive)
    }

    async fn end_phase(&self, key: &Key) {
        let done = self.carry_out(key).await;
        if let Err(error) = done {
            let why = chain(&error);
            tracing::warn!(error = why, instance = key.1, "an instance fails");
            return self.model().fail_phase(key, &why);
        }
        let begins_backups = {
            let mut model = self.model();
            let then = model
                .instances
                .get(key)
                .and_then(|instance| Some(instance.phase.as_ref()?.then));
            model.finish_phase(key);
            let backing_up = model
                .instances
                .get(key)
                .is_some_and(|instance| instance.status == "backing-up");
            backing_up && matches!(then, Some(Then::BackUp | Then::Promote))
        };
        if begins_backups {
            self.back_up(key).await;
        }
    }

    /// Does what the end of an instance's phase stands for.
    async fn carry_out(&self, key: &Key) -> Result<(), DataError> {
        let Some(instance) = self.model().instances.get(key).cloned() else {
            return Ok(());
        };
        let id = instance.resource_id.as_str();
        let then = instance.phase.as_ref().map(|phase| phase.then);
        let Some(servers) = &self.0.servers else {
            if instance.status == "creating" {
                let (place, name) = key;
                let address = format!("{name}.local.{}.rds.amazonaws.com", place.region);
                self.set_endpoint(key, address, instance.settings.port);
            }
            return Ok(());
        };
        if let Some(password) = &instance.password
            && matches!(instance.status.as_str(), "modifying" | RESETTING)
        {
            let user = &instance.settings.user;
            servers.set_password(id, user, &password.0).await?;
        }
        match (instance.status.as_str(), then) {
            ("creating", _) => {
                let port = match &instance.birth {
                    Some(birth) => self.create(servers, key, id, birth, &instance).await?,
                    None => return Ok(()),
                };
                self.set_endpoint(key, "127.0.0.1".into(), u32::from(port));
            }
            ("starting", _) => self.set_port(id, servers.start(id).await?),
            ("rebooting", _) => {
                servers.stop(id).await;
                self.set_port(id, servers.start(id).await?);
            }
            (_, Some(Then::Stop)) => servers.stop(id).await,
            (_, Some(Then::Promote)) => servers.promote(id).await?,
            (_, Some(Then::Vanish)) => {
                // What follows it goes on by itself.
                for replica in self.replicas(key) {
                    servers.promote(&replica).await?;
                }
                servers.remove(id).await;
            }
            _ => {}
        }
        Ok(())
    }

    /// Resource ids of an instance's replicas that are there.
    fn replicas(&self, key: &Key) -> Vec<String> {
        let model = self.model();
        let replicas = model.instances.values().filter(|instance| {
            instance.replica_of.as_ref() == Some(key) && instance.endpoint.is_some()
        });
        replicas
            .map(|replica| replica.resource_id.clone())
            .collect()
    }

    async fn create(
        &self,
        servers: &Servers,
        key: &Key,
        id: &str,
        birth: &Birth,
        instance: &super::model::Instance,
    ) -> Result<u16, DataError> {
        let region = key.0.region.as_str();
        match birth {
            Birth::New(password) => {
                let start = Start::New {
                    user: &instance.settings.user,
                    password: &password.0,
                    database: instance.settings.database.as_deref(),
                };
                servers.create(id, region, start).await
            }
            Birth::Restored(Recovery {
                base,
                segments,
                through,
                until,
            }) => {
                let base = base
                    .as_ref()
                    .ok_or_else(|| DataError::Absent("the backup".into()))?;
                let segments = match (segments, through) {
                    (Some(segments), Some(through)) => Some((segments.path(), through.as_str())),
                    _ => None,
                };
                // Commits carry real time.
                let until = until.and_then(|until| lock(&self.0.clock).left(until));
                let start = Start::Restored {
                    base: base.path(),
                    segments,
                    until,
                };
                servers.create(id, region, start).await
            }
            Birth::Replica(_, source) => servers.create(id, region, Start::Replica(source)).await,
        }
    }

    fn set_endpoint(&self, key: &Key, address: String, port: u32) {
        let mut model = self.model();
        let now = model.now;
        if let Some(instance) = model.instances.get_mut(key) {
            instance.endpoint = Some((address, port));
            instance.measured = now;
        }
    }

    /// A server may have to take another port than it had.
    fn set_port(&self, resource_id: &str, port: u16) {
        let mut model = self.model();
        let found = model
            .instances
            .values_mut()
            .find(|instance| instance.resource_id == resource_id);
        if let Some((_, known)) = found.and_then(|instance| instance.endpoint.as_mut()) {
            *known = u32::from(port);
        }
    }

    /// An automated backup.
    async fn back_up(&self, key: &Key) {
        let Some(id) = self
            .model()
            .instances
            .get(key)
            .map(|instance| instance.resource_id.clone())
        else {
            return;
        };
        let Some(servers) = &self.0.servers else {
            let mut model = self.model();
            let now = model.now;
            return model.backed_up(key, now, None);
        };
        match servers.capture(&id).await {
            Ok(files) => {
                let segments = servers.segments(&id).await;
                let reached = lock(&self.0.clock).at(Timestamp::now());
                let mut model = self.model();
                let at = if self.0.stepping.load(Ordering::Relaxed) {
                    // The clock is at the end of the step already.
                    model.now
                } else {
                    // It holds what was committed until now, not only until it began.
                    reached.max(model.now)
                };
                if let Some(backup) = model.own_backup_mut(&id) {
                    backup.history.segments = segments;
                }
                model.backed_up(key, at, Some(files));
            }
            Err(error) => tracing::warn!(
                error = chain(&error),
                instance = key.1,
                "an instance is not backed up"
            ),
        }
    }

    /// What a request asked the servers to do.
    pub(super) async fn work(&self, work: &[Work]) {
        let Some(servers) = &self.0.servers else {
            return;
        };
        for work in work {
            let done = match work {
                Work::Capture {
                    resource_id,
                    snapshot,
                } => {
                    let files = servers.capture(resource_id).await;
                    let mut model = self.model();
                    let found = model.snapshots.get_mut(snapshot);
                    match (files, found) {
                        (Ok(files), Some(found)) => {
                            found.files = Some(files);
                            Ok(())
                        }
                        (Ok(_), None) => Ok(()),
                        (Err(error), found) => {
                            if let Some(found) = found {
                                found.status = "failed".into();
                                found.phase = None;
                            }
                            Err(error)
                        }
                    }
                }
            };
            if let Err(error) = done {
                tracing::warn!(error = chain(&error), "a server did not do what was asked");
            }
        }
    }
}

/// An error and its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = format!("failed to {error}");
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(&format!(": {error}"));
        source = error.source();
    }
    text
}
