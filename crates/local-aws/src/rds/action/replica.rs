//! Read replicas.

use super::{Newborn, Reply, Request, one_instance};
use crate::rds::model::{Birth, Key, Model, Phase, Settings, Then, time};
use crate::rds::name::{Arn, instance_id};
use crate::rds::refusal::{Outcome, Refusal};

pub(super) fn create(model: &mut Model, request: &Request<'_>) -> Outcome<Reply> {
    let fields = request.fields;
    let named = fields.required("SourceDBInstanceIdentifier")?;
    let id = instance_id(
        "DBInstanceIdentifier",
        fields.required("DBInstanceIdentifier")?,
    )?;
    let source: Key = match Arn::read(named) {
        Some(arn) if arn.kind == "db" => (arn.place, arn.id),
        Some(_) => return Err(Refusal::value(format!("Invalid ARN: {named}"))),
        None => request.at(named.to_ascii_lowercase()),
    };
    if source.0.account != request.place.account {
        return Err(Refusal::no_instance(named));
    }
    model.reach(&source.0)?;
    let far = source.0.region != request.place.region;
    let instance = model
        .instances
        .get(&source)
        .ok_or_else(|| Refusal::no_instance(named))?;
    if instance.settings.retention_days == 0 {
        return Err(Refusal::instance_state(
            "Automated backups are not enabled for this database instance. To enable automated backups, use \
             ModifyDBInstance to set the backup retention period to a non-zero value.",
        ));
    }
    if instance.status != "available" {
        return Err(Refusal::instance_state(format!(
            "The DB instance {named} is not in the available state: {}",
            instance.status
        )));
    }
    // <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-secrets-manager.html>
    if instance.secret.is_some() {
        return Err(Refusal::instance_state(format!(
            "A read replica can't be created of {named}: its master user password is managed in AWS Secrets Manager."
        )));
    }
    if instance.is_replica() {
        return Err(Refusal::instance_state(
            "This simulation has no replicas of replicas.",
        ));
    }
    let mut settings = Settings {
        // A replica writes no backups unless it is told to, and keeps the groups only in its own region.
        retention_days: 0,
        ..instance.settings.clone()
    };
    if far {
        let key = settings.key.take();
        settings = settings.restored(request.place);
        settings.key = match (key, request.key()?) {
            (Some(_), None) => {
                return Err(Refusal::combination(
                    "KmsKeyId of the destination region must be specified for a replica of an encrypted instance.",
                ));
            }
            (Some(_), key) => key,
            (None, Some(_)) => {
                return Err(Refusal::combination(
                    "You can't create an encrypted replica of an unencrypted instance.",
                ));
            }
            (None, None) => None,
        };
    } else {
        settings.deletion_protection = false;
    }
    settings.take(fields)?;
    let resource_id = instance.resource_id.clone();
    let key = request.at(id);
    let newborn = Newborn {
        key: key.clone(),
        settings,
        birth: Birth::Replica(source, resource_id),
        tags: fields.tags()?,
        secret: None,
    };
    newborn.create(model, request, time::RESTORE)?;
    one_instance(model, &key)
}

pub(super) fn promote(model: &mut Model, request: &Request<'_>) -> Outcome<Reply> {
    let fields = request.fields;
    let key = request.instance("DBInstanceIdentifier")?;
    let now = model.now;
    let instance = model.find(&key)?;
    if !instance.is_replica() {
        return Err(Refusal::instance_state(
            "DB Instance is not a read replica.",
        ));
    }
    if instance.status != "available" {
        return Err(Refusal::instance_state(format!(
            "The DB instance {} is not in the available state: {}",
            key.1, instance.status
        )));
    }
    let mut settings = instance.settings.clone();
    settings.retention_days = 1;
    settings.take(fields)?;
    let backs_up = settings.retention_days > 0;
    let instance = model.find_mut(&key)?;
    instance.settings = settings;
    instance.begin("modifying", Phase::new(now, time::CHANGE, Then::Promote));
    if backs_up {
        super::instance::begin_backup(model, &key);
    }
    one_instance(model, &key)
}
