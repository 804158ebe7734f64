//! What happens as time passes.

use std::sync::Arc;

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::backup::{Base, Item, Mark, Stored};
use super::snapshot::Maker;
use super::{Birth, Instance, Key, Model, RdsKind, Snapshot, Then};
use crate::rds::clock::later;
use crate::rds::data::Directory;

/// How long things take here. AWS promises none of these; the order of magnitude is that of a small
/// instance, and that a copy takes longer than a snapshot is what matters.
pub(crate) const CREATE: SignedDuration = SignedDuration::from_mins(4);
/// The first backup of a new instance.
pub(crate) const FIRST_BACKUP: SignedDuration = SignedDuration::from_mins(1);
pub(crate) const RESTORE: SignedDuration = SignedDuration::from_mins(5);
pub(crate) const SNAPSHOT: SignedDuration = SignedDuration::from_mins(2);
pub(crate) const COPY_NEAR: SignedDuration = SignedDuration::from_mins(2);
pub(crate) const COPY_FAR: SignedDuration = SignedDuration::from_mins(10);
/// Modify, stop, start, delete, reboot, promote.
pub(crate) const CHANGE: SignedDuration = SignedDuration::from_mins(2);
/// How far a replica is behind.
pub(crate) const LAG: SignedDuration = SignedDuration::from_secs(1);
/// How far back figures are taken.
const MEASURED: SignedDuration = SignedDuration::from_hours(12);
/// Until other security groups and another parameter group are on an instance.
pub(crate) const REGROUP: SignedDuration = SignedDuration::from_secs(30);
/// The daily backup.
const DAILY: SignedDuration = SignedDuration::from_mins(1);
/// What an instance is while its server gets a master password, and it serves meanwhile.
pub(crate) const RESETTING: &str = "resetting-master-credentials";
/// Storage that has grown is optimized; AWS speaks of hours.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PIOPS.ModifyingExisting.html>
pub(crate) const OPTIMIZATION: SignedDuration = SignedDuration::from_hours(6);
/// Until a replication has sent the first base backup.
pub(crate) const FIRST_REPLICATION: SignedDuration = SignedDuration::from_mins(3);
/// Until what is in the log here is in the other region.
const ARRIVAL: SignedDuration = SignedDuration::from_mins(2);
/// A stopped instance starts by itself.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_StopInstance.html>
const STOPPED_AT_MOST: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How often logs are uploaded.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PIT.html>
const LOG_INTERVAL_SECONDS: i64 = 300;

/// The next moment at which logs are uploaded: the same for all instances.
pub(crate) fn next_tick(now: Timestamp) -> Timestamp {
    let next = (now.as_second().div_euclid(LOG_INTERVAL_SECONDS) + 1) * LOG_INTERVAL_SECONDS;
    Timestamp::from_second(next).unwrap_or(Timestamp::MAX)
}

/// Something that takes time.
#[derive(Clone, Debug)]
pub(crate) struct Phase<T> {
    begun: Timestamp,
    pub(crate) due: Timestamp,
    /// Set while it cannot go on.
    held: Option<Timestamp>,
    pub(crate) then: T,
}

impl<T> Phase<T> {
    pub(crate) fn new(begun: Timestamp, takes: SignedDuration, then: T) -> Self {
        Self {
            begun,
            due: later(begun, takes),
            held: None,
            then,
        }
    }

    /// How much of it is over, 0 to 99: it is not over yet.
    pub(crate) fn percent(&self, now: Timestamp) -> u8 {
        let now = self.held.unwrap_or(now);
        let whole = self.due.duration_since(self.begun).as_millis().max(1);
        let over = now.duration_since(self.begun).as_millis();
        u8::try_from((over * 100 / whole).clamp(0, 99)).unwrap_or(99)
    }

    fn hold(&mut self, now: Timestamp) {
        self.held.get_or_insert(now);
    }

    fn go_on(&mut self, now: Timestamp) {
        if let Some(held) = self.held.take() {
            let lost = now.duration_since(held);
            self.begun = later(self.begun, lost);
            self.due = later(self.due, lost);
        }
    }
}

/// Start of a daily window `03:00-03:30`, in minutes after midnight UTC.
pub(crate) fn window_start(window: &str) -> Option<i64> {
    let (start, end) = window.split_once('-')?;
    minutes(end)?;
    minutes(start)
}

fn minutes(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':')?;
    let two = |text: &str| (text.len() == 2).then(|| text.parse::<u8>().ok()).flatten();
    match (two(hours)?, two(minutes)?) {
        (hours @ 0..24, minutes @ 0..60) => Some(i64::from(hours) * 60 + i64::from(minutes)),
        _ => None,
    }
}

/// Whether a daily window is one, of 30 minutes at least.
pub(crate) fn is_daily(window: &str) -> bool {
    let ends = || {
        let (start, end) = window.split_once('-')?;
        Some((minutes(start)?, minutes(end)?))
    };
    ends().is_some_and(|(start, end)| (end - start).rem_euclid(1440) >= 30)
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Minutes of a week: `sun:06:00`.
fn weekly(text: &str) -> Option<i64> {
    let (day, time) = text.split_once(':')?;
    let day = DAYS
        .iter()
        .position(|name| day.eq_ignore_ascii_case(name))?;
    Some(i64::try_from(day).ok()? * 1440 + minutes(time)?)
}

/// Begin and length of a weekly window, in minutes.
fn weekly_window(window: &str) -> Option<(i64, i64)> {
    let (start, end) = window.split_once('-')?;
    let (start, end) = (weekly(start)?, weekly(end)?);
    Some((start, (end - start).rem_euclid(7 * 1440)))
}

/// Why a weekly window is none: it has 30 minutes at least and a day at most.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_UpgradeDBInstance.Maintenance.html>
pub(crate) fn check_weekly(window: &str) -> Result<(), String> {
    let form = || window.len() == "sun:06:00-sun:06:30".len() && window.contains('-');
    match weekly_window(window) {
        None if !form() => Err(format!(
            "Invalid maintenance window format: {window}. Should be specified as a range ddd:hh24:mi-ddd:hh24:mi (24H Clock \
             UTC). Example: Sun:23:45-Mon:00:15"
        )),
        None => Err(format!("Invalid day:hour:minute value: {window}")),
        Some((_, ..30)) => Err("The maintenance window must be at least 30 minutes.".to_owned()),
        Some((_, 1441..)) => Err("Maintenance window must be less than 24 hours.".to_owned()),
        Some(_) => Ok(()),
    }
}

/// Whether a daily and a weekly window have a minute in common.
pub(crate) fn overlap(daily: &str, weekly: &str) -> bool {
    let windows = || {
        let (start, end) = daily.split_once('-')?;
        let (start, end) = (minutes(start)?, minutes(end)?);
        Some((
            (start, (end - start).rem_euclid(1440)),
            weekly_window(weekly)?,
        ))
    };
    windows().is_some_and(|((start, length), (begin, takes))| {
        // From the begin of the one on, the other begins before it is over, or is not over yet.
        (begin - start).rem_euclid(1440) < length || (start - begin).rem_euclid(1440) < takes
    })
}

/// The next daily window after `now`.
pub(crate) fn next_daily(now: Timestamp, window: &str) -> Timestamp {
    let start = window_start(window).unwrap_or(0) * 60;
    let midnight = now.as_second().div_euclid(86_400) * 86_400;
    let today = midnight + start;
    let next = if today > now.as_second() {
        today
    } else {
        today + 86_400
    };
    Timestamp::from_second(next).unwrap_or(Timestamp::MAX)
}

/// The next weekly window `sun:06:00-sun:06:30` after `now`; the week's first minute if it is not one.
pub(crate) fn next_weekly(now: Timestamp, window: &str) -> Timestamp {
    let start = window.split('-').next().unwrap_or_default();
    let start = weekly(start).unwrap_or(0);
    let today = now.to_zoned(TimeZone::UTC).weekday();
    let since_monday = i64::from(today.since(Weekday::Monday));
    let midnight = now.as_second().div_euclid(86_400) * 86_400;
    let this_week = midnight - since_monday * 86_400 + start * 60;
    let next = if this_week > now.as_second() {
        this_week
    } else {
        this_week + 7 * 86_400
    };
    Timestamp::from_second(next).unwrap_or(Timestamp::MAX)
}

/// Something whose time has come.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Event {
    /// An instance's phase is over.
    Instance(Key),
    /// A snapshot is ready.
    Snapshot(Key),
    /// Something arrives in the replicated backup with this ARN.
    Arrival(String),
    /// The daily backup.
    Daily(Key),
    /// The weekly maintenance window.
    Maintenance(Key),
    /// Logs are uploaded.
    Tick,
}

impl Model {
    /// What happens next, not later than `until`.
    pub(crate) fn next_event(&self, until: Timestamp) -> Option<(Timestamp, Event)> {
        let up = |region: &str| !self.is_down(region);
        let instances = self
            .instances
            .iter()
            .filter(|((place, _), _)| up(&place.region));
        let phases = instances.clone().filter_map(|(key, instance)| {
            // A replica is made out of its source.
            if let Some(Birth::Replica((source, _), _)) = &instance.birth
                && !up(&source.region)
            {
                return None;
            }
            Some((instance.phase.as_ref()?.due, Event::Instance(key.clone())))
        });
        let backed_up = instances
            .clone()
            .filter(|(_, instance)| instance.settings.retention_days > 0 && !instance.is_replica());
        let daily =
            backed_up.map(|(key, instance)| (instance.next_backup, Event::Daily(key.clone())));
        let maintenance = instances
            .filter(|(_, instance)| instance.pending.is_some() && instance.phase.is_none())
            .map(|(key, instance)| (instance.next_maintenance, Event::Maintenance(key.clone())));
        let snapshots = self.snapshots.iter().filter_map(|(key, snapshot)| {
            let phase = snapshot.phase.as_ref()?;
            (phase.held.is_none() && up(&key.0.region))
                .then(|| (phase.due, Event::Snapshot(key.clone())))
        });
        let arrivals = self.backups.values().filter_map(|backup| {
            let origin = backup.origin.as_ref()?;
            let (due, _) = origin.arriving.front()?;
            (up(&backup.place.region) && up(&origin.place.region))
                .then(|| (*due, Event::Arrival(backup.arn.clone())))
        });
        phases
            .chain(daily)
            .chain(maintenance)
            .chain(snapshots)
            .chain(arrivals)
            .chain([(self.next_tick, Event::Tick)])
            .filter(|(due, _)| *due <= until)
            .min()
            // What a region that was down has missed happens now, not in the past.
            .map(|(due, event)| (due.max(self.now), event))
    }

    /// Switches a region off or on: nothing in it moves, nothing arrives from it.
    pub(crate) fn set_down(&mut self, region: &str, down: bool) {
        if self.is_down(region) == down {
            return;
        }
        self.measure();
        let now = self.now;
        if down {
            self.down.insert(region.to_owned(), now);
        } else {
            self.down.remove(region);
        }
        for ((place, _), instance) in &mut self.instances {
            if let Some(phase) = &mut instance.phase
                && place.region == region
            {
                if down {
                    phase.hold(now);
                } else {
                    phase.go_on(now);
                }
            }
        }
        for ((place, _), snapshot) in &mut self.snapshots {
            let far = snapshot.source.as_ref().map(|(place, _)| &place.region);
            let needs = [Some(&place.region), far];
            let still_down = needs
                .iter()
                .flatten()
                .any(|region| self.down.contains_key(region.as_str()));
            if let Some(phase) = &mut snapshot.phase {
                if still_down {
                    phase.hold(now);
                } else {
                    phase.go_on(now);
                }
            }
        }
    }

    /// Measures how far replicas are behind, in each minute that is over by now and was not measured yet. RDS goes on with it
    /// while the source is lost.
    /// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PostgreSQL.Replication.ReadReplicas.Monitor.html>
    pub(crate) fn measure(&mut self) {
        let (now, down) = (self.now, &self.down);
        for ((place, _), replica) in &mut self.instances {
            let Some((source, _)) = &replica.replica_of else {
                continue;
            };
            let lost = down.get(&source.region);
            // A replica that is there for longer than CloudWatch is asked about is measured from then on.
            let begin = replica.measured.max(later(now, -MEASURED));
            let mut minute = begin.as_second().div_euclid(60) * 60 + 60;
            while minute + 60 <= now.as_second() {
                let Ok(at) = Timestamp::from_second(minute) else {
                    break;
                };
                minute += 60;
                let behind =
                    lost.map_or(0.0, |lost| at.duration_since(*lost).as_secs_f64().max(0.0));
                if let Some(lag) = replica.lag
                    && replica.endpoint.is_some()
                    && !down.contains_key(&place.region)
                {
                    replica.lags.push_back((at, lag.as_secs_f64() + behind));
                }
                replica.measured = at;
            }
        }
    }

    /// Instances whose log is uploaded at a tick.
    pub(crate) fn logging(&self) -> Vec<(Key, String)> {
        self.instances
            .iter()
            .filter(|((place, _), instance)| !self.is_down(&place.region) && instance.runs())
            .filter(|(_, instance)| {
                self.own_backup(&instance.resource_id)
                    .is_some_and(|backup| !backup.history.bases.is_empty())
            })
            .map(|(key, instance)| (key.clone(), instance.resource_id.clone()))
            .collect()
    }

    /// Logs have been uploaded: of these instances, up to these segments.
    pub(crate) fn tick(&mut self, at: Timestamp, uploaded: Vec<(String, Option<String>)>) {
        self.next_tick = next_tick(at);
        for (resource_id, through) in uploaded {
            let mark = Mark {
                at,
                until: at,
                through,
            };
            if let Some(backup) = self.own_backup_mut(&resource_id) {
                let oldest = backup.oldest(at);
                backup.history.mark(mark.clone());
                backup.history.forget(oldest);
            }
            for follower in self.followers(&resource_id) {
                follower.send(later(at, ARRIVAL), Item::Mark(mark.clone()));
            }
        }
    }

    /// Which segments have to come before the next item of this backup counts: from which archive, into
    /// which, up to which.
    pub(crate) fn shipment(&self, arn: &str) -> Option<(Arc<Directory>, Stored, String)> {
        let backup = self.backups.get(arn)?;
        let origin = backup.origin.as_ref()?;
        match origin.arriving.front()? {
            (_, Item::Mark(mark)) => Some((
                origin.segments.clone()?,
                backup.history.segments.clone(),
                mark.through.clone()?,
            )),
            _ => None,
        }
    }

    /// The next item of a replicated backup is there.
    pub(crate) fn arrive(&mut self, arn: &str, at: Timestamp) {
        let Some(backup) = self.backups.get_mut(arn) else {
            return;
        };
        let item = backup
            .origin
            .as_mut()
            .and_then(|origin| origin.arriving.pop_front());
        match item {
            Some((_, Item::Base(base))) => {
                backup.history.bases.push(base);
                backup.status = "replicating".into();
            }
            Some((_, Item::Mark(mark))) => backup.history.mark(mark),
            None => return,
        }
        let oldest = backup.oldest(at);
        backup.history.forget(oldest);
    }

    /// A snapshot is ready, or ends as it was told to.
    pub(crate) fn finish_snapshot(&mut self, key: &Key) {
        let ending = self.ending(RdsKind::Snapshot, key);
        let Some(snapshot) = self.snapshots.get_mut(key) else {
            return;
        };
        snapshot.phase = None;
        snapshot.status = ending.unwrap_or_else(|| "available".into());
        let (category, message) = match (snapshot.status.as_str(), snapshot.maker) {
            ("available", Maker::Manual) => ("creation", "Manual snapshot created"),
            ("available", Maker::Automated) => ("creation", "Automated snapshot created"),
            _ => ("notification", "Snapshot failed"),
        };
        self.report(key, "db-snapshot", category, message);
    }

    /// The instance's phase is over, and what it stood for has been done.
    pub(crate) fn finish_phase(&mut self, key: &Key) {
        // Up to here as a replica, where it is promoted.
        self.measure();
        let (now, first_backup, optimization) = (self.now, self.first_backup, self.optimization);
        let Some(instance) = self.instances.get_mut(key) else {
            return;
        };
        let Some(phase) = instance.phase.take() else {
            return;
        };
        match phase.then {
            Then::Vanish => return self.vanish(key),
            Then::Stop => {
                instance.begin("stopped", Phase::new(now, STOPPED_AT_MOST, Then::Start));
                return self.report(key, "db-instance", "notification", "DB instance stopped");
            }
            Then::Start => {
                instance.begin("starting", Phase::new(now, CHANGE, Then::Available));
                let message = "DB instance is being started due to it exceeding the maximum allowed time being stopped.";
                return self.report(key, "db-instance", "notification", message);
            }
            Then::Modify => {
                return instance.begin("modifying", Phase::new(now, CHANGE, Then::Available));
            }
            Then::Promote => instance.replica_of = None,
            Then::BackUp | Then::Available => {}
        }
        if matches!(instance.status.as_str(), "modifying" | RESETTING) {
            instance.password = None;
        }
        let starts = matches!(instance.status.as_str(), "starting");
        let born = matches!(instance.status.as_str(), "creating");
        instance.birth = None;
        let mut grows = false;
        if let Some(pending) = instance.pending.take_if(|_| instance.status == "modifying") {
            grows = pending.storage_gib > instance.settings.storage_gib;
            instance.take(pending, now);
        }
        if grows {
            instance.grown = Some(now);
        }
        let backs_up = instance.settings.retention_days > 0
            && !instance.is_replica()
            && matches!(phase.then, Then::BackUp | Then::Promote);
        // One that comes up ill never served, and a backup is of one that serves.
        let ending = self.ending(RdsKind::Instance, key);
        if let Some(instance) = self.instances.get_mut(key) {
            match ending {
                Some(status) => instance.status = status,
                None if backs_up => {
                    instance.begin("backing-up", Phase::new(now, first_backup, Then::Available));
                }
                None if grows && optimization.is_positive() => {
                    let phase = Phase::new(now, optimization, Then::Available);
                    instance.begin("storage-optimization", phase);
                }
                None => instance.status = "available".into(),
            }
        }
        match (born, starts) {
            (true, _) => self.report(key, "db-instance", "creation", "DB instance created"),
            (_, true) => self.report(key, "db-instance", "notification", "DB instance started"),
            _ => {}
        }
    }

    /// What an instance's phase stood for could not be done.
    pub(crate) fn fail_phase(&mut self, key: &Key, why: &str) {
        if let Some(instance) = self.instances.get_mut(key) {
            let status = match (instance.status.as_str(), &instance.birth) {
                ("creating", Some(Birth::Restored(_))) => "incompatible-restore",
                _ => "failed",
            };
            instance.status = status.into();
            instance.phase = None;
            self.report(
                key,
                "db-instance",
                "failure",
                format!("DB instance failed: {why}"),
            );
        }
    }

    /// The instance is gone; its own backups stay only if they were to be kept.
    fn vanish(&mut self, key: &Key) {
        let Some(instance) = self.instances.remove(key) else {
            return;
        };
        self.maintenance.remove(key);
        let kept = self
            .own_backup(&instance.resource_id)
            .is_some_and(|backup| backup.status == "retained");
        if !kept {
            self.snapshots.retain(|(place, _), snapshot| {
                *place != key.0
                    || snapshot.maker == Maker::Manual
                    || snapshot.resource_id != instance.resource_id
            });
        }
        self.backups.retain(|_, backup| {
            kept || !backup.is_own() || backup.resource_id != instance.resource_id
        });
        // Copies in other regions stay until they expire or are deleted.
        for follower in self.followers(&instance.resource_id) {
            follower.retain();
        }
        for replica in self.instances.values_mut() {
            replica.replica_of.take_if(|source| source == key);
        }
        self.report(key, "db-instance", "deletion", "DB instance deleted");
    }

    /// Whether the daily backup is taken now: not while an instance is stopped.
    pub(crate) fn backs_up_now(&self, key: &Key) -> Option<&Instance> {
        let instance = self.instances.get(key)?;
        (instance.runs() && instance.status == "available").then_some(instance)
    }

    /// An automated backup has been taken: it can be restored from now on.
    pub(crate) fn backed_up(&mut self, key: &Key, at: Timestamp, files: Stored) {
        let now = self.now;
        let Some(instance) = self.instances.get(key).cloned() else {
            return;
        };
        let base = Base { at, files };
        let stamp = now.strftime("%Y-%m-%d-%H-%M");
        let id = (key.0.clone(), format!("rds:{}-{stamp}", key.1));
        let snapshot = Snapshot::of(key, &instance, Maker::Automated, now, base.files.clone());
        self.snapshots.insert(id, snapshot);
        if let Some(backup) = self.own_backup_mut(&instance.resource_id) {
            backup.history.bases.push(base.clone());
        }
        for follower in self.followers(&instance.resource_id) {
            follower.send(later(now, ARRIVAL), Item::Base(base.clone()));
        }
        self.expire(key, &instance);
    }

    /// The daily window has come; a backup that was due has been taken.
    pub(crate) fn end_daily(&mut self, key: &Key, backed_up: bool) {
        let now = self.now;
        if let Some(instance) = self.instances.get_mut(key) {
            if backed_up && instance.status == "available" && instance.phase.is_none() {
                instance.begin("backing-up", Phase::new(now, DAILY, Then::Available));
            }
            instance.next_backup = next_daily(now, &instance.settings.backup_window);
        }
    }

    fn expire(&mut self, key: &Key, instance: &Instance) {
        let days = i64::from(instance.settings.retention_days);
        let oldest = later(self.now, SignedDuration::from_hours(-24 * days));
        self.snapshots.retain(|(place, _), snapshot| {
            *place != key.0
                || snapshot.maker == Maker::Manual
                || snapshot.resource_id != instance.resource_id
                || snapshot.created >= oldest
        });
    }

    /// The maintenance window has come: what was put off until then begins.
    pub(crate) fn maintain(&mut self, key: &Key) {
        let now = self.now;
        if let Some(instance) = self.instances.get_mut(key) {
            instance.next_maintenance = next_weekly(now, &instance.settings.maintenance_window);
            if instance.status == "available" {
                instance.begin("modifying", Phase::new(now, CHANGE, Then::Available));
            }
        }
    }
}

impl Snapshot {
    /// A snapshot of an instance that begins now.
    pub(crate) fn of(
        key: &Key,
        instance: &Instance,
        maker: Maker,
        now: Timestamp,
        files: Stored,
    ) -> Self {
        Self {
            status: "creating".into(),
            maker,
            instance_id: key.1.clone(),
            resource_id: instance.resource_id.clone(),
            instance_created: instance.created,
            created: now,
            taken: now,
            settings: instance.settings.clone(),
            tags: if instance.settings.copy_tags {
                instance.tags.clone()
            } else {
                super::Tags::new()
            },
            source: None,
            phase: Some(Phase::new(
                now,
                match maker {
                    Maker::Manual => SNAPSHOT,
                    Maker::Automated => FIRST_BACKUP,
                },
                (),
            )),
            files,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn windows_come_again() {
        let now = time("2026-11-22T03:00:00Z");
        assert_eq!(next_daily(now, "03:00-03:30"), time("2026-11-23T03:00:00Z"));
        assert_eq!(next_daily(now, "23:10-23:40"), time("2026-11-22T23:10:00Z"));
        // 22 November 2026 is a Sunday.
        assert_eq!(
            next_weekly(now, "sun:06:00-sun:06:30"),
            time("2026-11-22T06:00:00Z")
        );
        assert_eq!(
            next_weekly(now, "sat:06:00-sat:06:30"),
            time("2026-11-28T06:00:00Z")
        );
        assert_eq!(next_tick(now), time("2026-11-22T03:05:00Z"));
        for bad in ["3:00-03:30", "24:00-03:30", "03:00", "03:00-03:29", ""] {
            assert!(!is_daily(bad), "{bad}");
        }
        assert!(is_daily("23:45-00:15"));
        for bad in [
            "sun:06:00",
            "sun:06:00-sun:06:20",
            "day:06:00-day:07:00",
            "06:00-07:00",
        ] {
            assert!(check_weekly(bad).is_err(), "{bad}");
        }
        for (bad, said) in [
            ("mon:16tue:17:00", "ddd:hh24:mi-ddd:hh24:mi"),
            ("sim:16:00-mon:16:30", "Invalid day:hour:minute"),
            ("sun:16:00-mon:16:05", "less than 24 hours"),
            ("sun:16:00-sun:16:29", "at least 30 minutes"),
        ] {
            let error = check_weekly(bad).unwrap_err();
            assert!(error.contains(said), "{bad}: {error}");
        }
        assert_eq!(check_weekly("Sun:23:45-mon:00:15"), Ok(()));
        for (daily, weekly, common) in [
            ("03:00-03:30", "sun:03:30-sun:04:00", false),
            ("03:00-03:30", "sun:03:29-sun:04:00", true),
            ("03:00-04:00", "sat:02:00-sat:03:01", true),
            ("03:00-04:00", "sat:02:00-sat:03:00", false),
            ("23:45-00:15", "sun:00:00-sun:00:30", true),
            ("23:30-00:00", "sat:23:45-sun:00:15", true),
            ("12:00-12:30", "sat:23:45-sun:23:45", true),
        ] {
            assert_eq!(overlap(daily, weekly), common, "{daily} {weekly}");
        }
    }

    #[test]
    fn a_held_phase_keeps_its_percent() {
        let start = time("2026-11-22T00:00:00Z");
        let minute = |minutes| later(start, SignedDuration::from_mins(minutes));
        let mut phase = Phase::new(start, COPY_FAR, ());
        assert_eq!(phase.percent(minute(4)), 40);
        phase.hold(minute(4));
        assert_eq!(phase.percent(minute(9)), 40);
        phase.go_on(minute(9));
        assert_eq!((phase.percent(minute(9)), phase.due), (40, minute(15)));
        assert_eq!(phase.percent(minute(30)), 99, "not yet over");
    }
}
