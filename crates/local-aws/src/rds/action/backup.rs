//! Automated backups and their replication into this region.

use std::collections::VecDeque;

use super::list::{Filters, Page};
use super::{Reply, Request, view};
use crate::rds::clock::later;
use crate::rds::model::backup::{History, Item, Origin};
use crate::rds::model::{Backup, Model, time};
use crate::rds::name::{Arn, id_here};
use crate::rds::refusal::{Outcome, Refusal};
use crate::rds::xml::Xml;

fn shown(model: &Model, backup: &Backup) -> Reply {
    let mut xml = Xml::default();
    xml.within("DBInstanceAutomatedBackup", |xml| {
        view::backup(xml, model, backup);
    });
    xml.into()
}

/// The ARN of an instance in another region that answers.
fn source(model: &Model, request: &Request<'_>) -> Outcome<Arn> {
    let arn = request.arn("SourceDBInstanceArn", "db")?;
    if arn.place.region == request.place.region {
        return Err(Refusal::value(
            "The source instance must be in another region than the replicated backups.",
        ));
    }
    if arn.place.account != request.place.account {
        return Err(Refusal::no_instance(&arn.id));
    }
    model.reach(&arn.place)?;
    Ok(arn)
}

pub(super) fn start(model: &mut Model, request: &Request<'_>) -> Outcome<Reply> {
    let fields = request.fields;
    let arn = source(model, request)?;
    let days = fields.number("BackupRetentionPeriod")?.unwrap_or(7);
    if !(1..=35).contains(&days) {
        return Err(Refusal::value(format!(
            "Invalid backup retention period: {days}. Retention period must be between 1 and 35."
        )));
    }
    let instance = model.find(&(arn.place.clone(), arn.id.clone()))?;
    if instance.is_replica() || instance.settings.retention_days == 0 {
        return Err(Refusal::instance_state(format!(
            "Automated backups are not enabled for the DB instance {}.",
            arn.id
        )));
    }
    if instance.status != "available" {
        return Err(Refusal::instance_state(format!(
            "The DB instance {} is not in the available state: {}",
            arn.id, instance.status
        )));
    }
    let key = match (&instance.settings.key, request.key()?) {
        // <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/AutomatedBackups.Replicating.Enable.html>
        (Some(_), None) => {
            return Err(Refusal::combination(
                "KmsKeyId of the destination region must be specified to replicate the encrypted automated \
                 backups of this instance.",
            ));
        }
        (Some(_), key) => key,
        (None, Some(_)) => {
            return Err(Refusal::combination(
                "KmsKeyId can't be specified for the automated backups of an unencrypted instance.",
            ));
        }
        (None, None) => None,
    };
    let resource_id = instance.resource_id.clone();
    if model
        .backups
        .values()
        .any(|backup| backup.follows() && backup.resource_id == resource_id)
    {
        return Err(Refusal::new(
            "InvalidDBInstanceAutomatedBackupState",
            format!(
                "The automated backups of {} are replicated already.",
                arn.id
            ),
        ));
    }
    let replicated = model
        .backups
        .values()
        .filter(|backup| backup.place == *request.place && !backup.is_own());
    let most = model.quotas.replicated_backups;
    if replicated.count() >= most {
        return Err(Refusal::new(
            "DBInstanceAutomatedBackupQuotaExceeded",
            format!("Cannot replicate more than {most} automated backups to this region"),
        ));
    }
    let Some(own) = model.own_backup(&resource_id).cloned() else {
        return Err(Refusal::instance_state(format!(
            "Automated backups are not enabled for the DB instance {}.",
            arn.id
        )));
    };
    // What there is already: the newest base backup and the log since.
    let arrives = later(model.now, time::FIRST_REPLICATION);
    let mut arriving = VecDeque::new();
    if let Some(base) = own.history.bases.last() {
        arriving.push_back((arrives, Item::Base(base.clone())));
        let since = own
            .history
            .marks
            .iter()
            .filter(|mark| mark.until >= base.at);
        arriving.extend(since.map(|mark| (arrives, Item::Mark(mark.clone()))));
    }
    let mut settings = own.settings.clone();
    settings.key = key;
    let replicated = Backup {
        arn: request
            .place
            .arn("auto-backup", format!("ab-{}", model.draw())),
        place: request.place.clone(),
        status: "pending".into(),
        retention_days: days,
        settings,
        tags: fields.tags()?,
        history: History::default(),
        origin: Some(Origin {
            place: arn.place,
            segments: own.history.segments.clone(),
            arriving,
        }),
        ..own
    };
    let reply = shown(model, &replicated);
    model.backups.insert(replicated.arn.clone(), replicated);
    Ok(reply)
}

pub(super) fn stop(model: &mut Model, request: &Request<'_>) -> Outcome<Reply> {
    // This is said to the region that keeps the copy: the source need not answer.
    let arn = request.arn("SourceDBInstanceArn", "db")?;
    let named = request
        .fields
        .text("SourceDBInstanceArn")
        .unwrap_or_default();
    let found = model.backups.values_mut().find(|backup| {
        backup.place == *request.place && backup.follows() && backup.instance_arn == named
    });
    let Some(backup) = found else {
        return Err(Refusal::instance_state(format!(
            "The automated backups of {} are not replicated to this region.",
            arn.id
        )));
    };
    backup.retain();
    let backup = backup.clone();
    Ok(shown(model, &backup))
}

pub(super) fn describe(model: &mut Model, request: &Request<'_>) -> Outcome<Reply> {
    let fields = request.fields;
    let instance = fields
        .text("DBInstanceIdentifier")
        .map(|id| id_here(id, "db", request.place))
        .transpose()?;
    let resource = fields.text("DbiResourceId");
    let arn = fields.text("DBInstanceAutomatedBackupsArn");
    let filters = Filters::read(fields, &["status", "db-instance-id", "dbi-resource-id"])?;
    let items: Vec<(String, &Backup)> = model
        .backups
        .values()
        .filter(|backup| {
            backup.place == *request.place
                && instance
                    .as_ref()
                    .is_none_or(|instance| *instance == backup.instance_id)
                && resource.is_none_or(|id| id.eq_ignore_ascii_case(&backup.resource_id))
                && arn.is_none_or(|arn| arn == backup.arn)
                && filters.pass(|name| match name {
                    "status" => vec![backup.status.clone()],
                    "db-instance-id" => {
                        vec![backup.instance_id.clone(), backup.instance_arn.clone()]
                    }
                    "dbi-resource-id" => vec![backup.resource_id.clone()],
                    _ => vec![],
                })
        })
        .map(|backup| (backup.arn.clone(), backup))
        .collect();
    if let Some(named) = arn.or(resource).or(instance.as_deref())
        && items.is_empty()
    {
        return Err(Refusal::no_backup(named));
    }
    let page = Page::of(fields, items)?;
    let content = |xml: &mut Xml, backup: &Backup| view::backup(xml, model, backup);
    Ok(page
        .xml(
            "DBInstanceAutomatedBackups",
            "DBInstanceAutomatedBackup",
            content,
        )
        .into())
}

pub(super) fn delete(model: &mut Model, request: &Request<'_>) -> Outcome<Reply> {
    let fields = request.fields;
    let named = match (
        fields.text("DBInstanceAutomatedBackupsArn"),
        fields.text("DbiResourceId"),
    ) {
        (Some(arn), None) => arn,
        (None, Some(resource)) => resource,
        _ => {
            return Err(Refusal::combination(
                "One of DBInstanceAutomatedBackupsArn and DbiResourceId must be specified.",
            ));
        }
    };
    let backup = model
        .backups
        .values()
        .find(|backup| {
            backup.place == *request.place
                && (backup.arn == named || backup.resource_id.eq_ignore_ascii_case(named))
        })
        .ok_or_else(|| Refusal::no_backup(named))?
        .clone();
    if backup.status != "retained" {
        return Err(Refusal::new(
            "InvalidDBInstanceAutomatedBackupState",
            format!(
                "The automated backup {named} cannot be deleted: it is {}",
                backup.status
            ),
        ));
    }
    model.backups.remove(&backup.arn);
    Ok(shown(
        model,
        &Backup {
            status: "deleting".into(),
            ..backup
        },
    ))
}
