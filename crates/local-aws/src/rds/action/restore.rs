//! New instances from snapshots and from a point in time.

use jiff::Timestamp;

use super::{Newborn, Reply, Request, one_instance};
use crate::rds::model::backup::{Recovery, Stored};
use crate::rds::model::{Backup, Birth, Key, Model, Settings, Tags, time};
use crate::rds::name::{Arn, instance_id};
use crate::rds::refusal::{Outcome, Refusal};

pub(super) fn from_snapshot(model: &mut Model, request: &Request<'_>) -> Outcome<Reply> {
    let named = request.fields.required("DBSnapshotIdentifier")?;
    let source: Key = match Arn::read(named) {
        // A snapshot of another region must be copied first.
        Some(arn) if arn.kind == "snapshot" && arn.place == *request.place => (arn.place, arn.id),
        Some(_) => return Err(Refusal::no_snapshot(named)),
        None => request.at(named.to_ascii_lowercase()),
    };
    let snapshot = model
        .snapshots
        .get(&source)
        .ok_or_else(|| Refusal::no_snapshot(named))?;
    if snapshot.status != "available" {
        return Err(Refusal::snapshot_state(format!(
            "Cannot restore from the snapshot {named} because it is not in the available state: {}",
            snapshot.status
        )));
    }
    let settings = snapshot.settings.clone();
    let recovery = recovery_from(snapshot.files.clone());
    let tags = request.fields.tags()?;
    let tags = if tags.is_empty() {
        snapshot.tags.clone()
    } else {
        tags
    };
    restore(
        model,
        request,
        "DBInstanceIdentifier",
        settings,
        recovery,
        tags,
    )
}

fn recovery_from(base: Stored) -> Recovery {
    Recovery {
        base,
        segments: None,
        through: None,
        until: None,
    }
}

pub(super) fn to_point_in_time(model: &mut Model, request: &Request<'_>) -> Outcome<Reply> {
    let fields = request.fields;
    let latest = fields.flag("UseLatestRestorableTime")? == Some(true);
    let time: Option<Timestamp> = match (fields.time("RestoreTime")?, latest) {
        (Some(_), true) => {
            return Err(Refusal::combination(
                "You can't specify both RestoreTime and UseLatestRestorableTime.",
            ));
        }
        (None, false) => {
            return Err(Refusal::combination(
                "Either RestoreTime or UseLatestRestorableTime must be specified.",
            ));
        }
        (time, _) => time,
    };
    let backup = source_backup(model, request)?;
    let settings = backup.settings.clone();
    let recovery = backup.history.recovery(time)?;
    let tags = fields.tags()?;
    restore(
        model,
        request,
        "TargetDBInstanceIdentifier",
        settings,
        recovery,
        tags,
    )
}

/// The automated backup that the request names in one of three ways.
fn source_backup<'model>(model: &'model Model, request: &Request<'_>) -> Outcome<&'model Backup> {
    let fields = request.fields;
    let by_arn = fields.text("SourceDBInstanceAutomatedBackupsArn");
    let by_id = fields.text("SourceDBInstanceIdentifier");
    let by_resource = fields.text("SourceDbiResourceId");
    match (by_arn, by_id, by_resource) {
        (Some(arn), None, None) => model
            .backups
            .get(arn)
            .filter(|backup| backup.place == *request.place)
            .ok_or_else(|| Refusal::no_backup(arn)),
        (None, Some(_), None) => {
            let key = request.instance("SourceDBInstanceIdentifier")?;
            let instance = model.find(&key)?;
            model.own_backup(&instance.resource_id).ok_or_else(|| {
                Refusal::new(
                    "PointInTimeRestoreNotEnabled",
                    format!(
                        "Point in time restore is not enabled for DB instance {}",
                        key.1
                    ),
                )
            })
        }
        (None, None, Some(resource)) => model
            .backups
            .values()
            .find(|backup| {
                backup.place == *request.place
                    && backup.is_own()
                    && backup.resource_id.eq_ignore_ascii_case(resource)
            })
            .ok_or_else(|| Refusal::no_backup(resource)),
        _ => Err(Refusal::combination(
            "Exactly one of SourceDBInstanceIdentifier, SourceDbiResourceId and \
             SourceDBInstanceAutomatedBackupsArn must be specified.",
        )),
    }
}

fn restore(
    model: &mut Model,
    request: &Request<'_>,
    target: &str,
    source: Settings,
    recovery: Recovery,
    tags: Tags,
) -> Outcome<Reply> {
    let id = instance_id(target, request.fields.required(target)?)?;
    // <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_RestoreDBInstanceToPointInTime.html>
    if request.fields.flag("ManageMasterUserPassword")? == Some(true) {
        return Err(Refusal::combination(
            "ManageMasterUserPassword can be specified for a restore of RDS for Oracle only.",
        ));
    }
    let smallest = source.storage_gib;
    let mut settings = source.restored(request.place);
    // The key stays the snapshot's or backup's own.
    settings.take(request.fields)?;
    if settings.storage_gib < smallest {
        return Err(Refusal::combination(
            "The allocated storage can't be less than the source's.",
        ));
    }
    super::check_no_zone_of_multi_az(&settings, request)?;
    let key = request.at(id);
    let newborn = Newborn {
        key: key.clone(),
        settings,
        birth: Birth::Restored(recovery),
        tags,
        secret: None,
    };
    newborn.create(model, request, time::RESTORE)?;
    one_instance(model, &key)
}
