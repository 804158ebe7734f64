//! Instances that serve for good: with backups of their own, and kept from deletion.

use aws_env::{Error, WaiterConfig};
use report::Observer;

use super::retire::{Look, RetireError, Wait, may_pass, said, stays};
use super::{Instance, RdsClients, Refusal};

/// What an instance lacks that is to keep backups for `retention_days` and is not to be deleted, in words; empty where it is so.
/// One that keeps them for longer lacks nothing.
pub fn lacks_protection(instance: &Instance, retention_days: u32) -> Vec<String> {
    let mut lacks = Vec::new();
    if !keeps_backups(instance, retention_days) {
        let found = match instance.retention_days {
            Some(days) => format!("keeps them for {days}"),
            None => "does not say for how many".to_owned(),
        };
        lacks.push(format!("backups for {retention_days} days ({found})"));
    }
    if instance.options.deletion_protection != Some(true) {
        lacks.push("deletion protection".to_owned());
    }
    lacks
}

fn keeps_backups(instance: &Instance, wanted: u32) -> bool {
    let days = instance.retention_days;
    days.is_some_and(|days| i64::from(days) >= i64::from(wanted))
}

/// Has an instance keep automated backups for at least so many days, and keeps it from deletion; waits until RDS shows both.
/// Backups that begin make a first one, for which it is down for a moment.
///
/// # Errors
/// [`RetireError::Refused`] when it is not there; see [`RetireError`] otherwise.
pub async fn protect(
    site: &RdsClients,
    instance: &str,
    retention_days: u32,
    waiter: WaiterConfig,
    observer: &dyn Observer,
) -> Result<(), RetireError> {
    let wait = Wait::begin(site, "protect", instance, waiter, observer);
    wait.until(async || {
        let there = match site.instance(instance).await {
            Ok(Some(there)) => there,
            Ok(None) => {
                return Err(RetireError::Refused(Refusal::NoInstance {
                    database: instance.to_owned(),
                    region: site.region(),
                }));
            }
            Err(error) if error.is_transient() => return Ok(Look::Pending(said(&error))),
            Err(error) => return Err(error.into()),
        };
        if lacks_protection(&there, retention_days).is_empty() {
            return Ok(Look::Done(()));
        }
        match modify(site, &there, retention_days).await {
            Ok(()) => Ok(Look::Pending("being changed".to_owned())),
            Err(error) if may_pass(&error) && !stays(&there) => Ok(Look::Pending(said(&error))),
            Err(error) => Err(error.into()),
        }
    })
    .await
}

async fn modify(site: &RdsClients, there: &Instance, retention_days: u32) -> Result<(), Error> {
    let wanted = i32::try_from(retention_days).unwrap_or(i32::MAX);
    let days = (!keeps_backups(there, retention_days)).then_some(wanted);
    let request = site.rds.modify_db_instance();
    let request = request
        .db_instance_identifier(&there.id)
        .set_backup_retention_period(days)
        .deletion_protection(true)
        .apply_immediately(true);
    let call = site.call("ModifyDBInstance", &there.id);
    request.send().await.map_err(|error| call.failed(error))?;
    site.applied("keep backups, and from deletion", &there.id);
    Ok(())
}
