//! Instances: create, describe, modify, delete, stop, start, reboot.

use std::collections::VecDeque;

use jiff::SignedDuration;

use super::list::{Filters, Page};
use super::{
    Newborn, Reply, Request, Work, check_class, check_groups, one_instance, put_into_network,
    storage, view,
};
use crate::rds::catalog;
use crate::rds::model::backup::History;
use crate::rds::model::instance::Password;
use crate::rds::model::snapshot::Maker;
use crate::rds::model::{
    Backup, Birth, Instance, Key, Model, Phase, Settings, Snapshot, Then, time,
};
use crate::rds::name::{id_here, instance_id, snapshot_id};
use crate::rds::refusal::{Outcome, Refusal};
use crate::rds::xml::Xml;

pub(super) fn create(model: &mut Model, request: &Request<'_>) -> Outcome<Reply> {
    let fields = request.fields;
    let id = instance_id(
        "DBInstanceIdentifier",
        fields.required("DBInstanceIdentifier")?,
    )?;
    let engine = fields.required("Engine")?;
    if engine != "postgres" {
        return Err(Refusal::value(format!(
            "Invalid DB engine: {engine}: this simulation has postgres only"
        )));
    }
    fields.required("DBInstanceClass")?;
    fields.required("AllocatedStorage")?;
    let mut settings = Settings::new(request.place);
    settings.engine = engine.to_owned();
    settings.version = catalog::version(fields.text("EngineVersion"), &model.retired)?.to_owned();
    settings.parameter_group =
        catalog::default_parameter_group(&settings.engine, &settings.version);
    settings.choose_windows(fields);
    settings.take(fields)?;
    super::check_no_zone_of_multi_az(&settings, request)?;
    settings.user = fields.required("MasterUsername")?.to_owned();
    // "Must be 1 to 16 letters, numbers, or underscores":
    // <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html>
    if settings.user.len() > 16 {
        return Err(Refusal::value(format!(
            "Invalid master user name: {}: 1 to 16 letters, numbers, or underscores.",
            settings.user
        )));
    }
    if matches!(settings.user.as_str(), "rdsadmin" | "rdsrepladmin") {
        return Err(Refusal::value(format!(
            "MasterUsername {} cannot be used as it is a reserved word used by the engine",
            settings.user
        )));
    }
    settings.database = fields.text("DBName").map(str::to_owned);
    for name in [Some(&settings.user), settings.database.as_ref()]
        .into_iter()
        .flatten()
    {
        plain_name(name)?;
    }
    check_managed(request, false)?;
    let password = match fields.flag("ManageMasterUserPassword")? {
        Some(true) => match &request.asked.secret {
            Some(secret) => secret.password.0.clone(),
            // Nobody is told it: there is no Secrets Manager.
            None => model.draw(),
        },
        _ => checked_password(fields.required("MasterUserPassword")?)?.to_owned(),
    };
    let key = request.key()?;
    settings.key = match fields.flag("StorageEncrypted")? {
        Some(true) => Some(key.unwrap_or_else(|| default_key(request))),
        _ if key.is_some() => {
            return Err(Refusal::combination(
                "KmsKeyId can only be specified when StorageEncrypted is true",
            ));
        }
        _ => None,
    };
    take_insights_key(&mut settings, request)?;
    let key = request.at(id);
    let newborn = Newborn {
        key: key.clone(),
        settings,
        birth: Birth::New(Password(password)),
        tags: fields.tags()?,
        secret: request.asked.secret.clone(),
    };
    newborn.create(model, request, time::CREATE)?;
    one_instance(model, &key)
}

/// A password is managed or given, and a key is for a secret.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBInstance.html>
fn check_managed(request: &Request<'_>, is_managed: bool) -> Outcome<()> {
    request.check_secret_key()?;
    let fields = request.fields;
    let wanted = fields.flag("ManageMasterUserPassword")?;
    let given = fields.text("MasterUserPassword").is_some();
    if given && wanted.unwrap_or(is_managed) {
        return Err(Refusal::combination(
            "You can't specify MasterUserPassword for an instance with ManageMasterUserPassword enabled.",
        ));
    }
    if is_managed && wanted == Some(false) && !given {
        return Err(Refusal::combination(
            "MasterUserPassword must be specified when ManageMasterUserPassword is disabled.",
        ));
    }
    if fields.text("MasterUserSecretKmsKeyId").is_some() && !wanted.unwrap_or(is_managed) {
        return Err(Refusal::combination(
            "MasterUserSecretKmsKeyId can be specified with ManageMasterUserPassword only.",
        ));
    }
    Ok(())
}

/// Performance Insights is encrypted, with RDS's own key unless told otherwise, and keeps its key.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBInstance.html>
fn take_insights_key(settings: &mut Settings, request: &Request<'_>) -> Outcome<()> {
    let asked = request.insights_key()?;
    if settings.insights && settings.insights_key.is_none() {
        settings.insights_key = Some(asked.unwrap_or_else(|| default_key(request)));
    } else if asked.is_some() && asked != settings.insights_key {
        return Err(Refusal::combination(
            "You can't change the Performance Insights KMS key.",
        ));
    }
    Ok(())
}

/// Letters, digits and underscores, beginning with a letter.
fn plain_name(name: &str) -> Outcome<()> {
    let legal = name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.len() <= 63
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if legal {
        Ok(())
    } else {
        Err(Refusal::value(format!("Invalid name: {name}")))
    }
}

fn checked_password(password: &str) -> Outcome<&str> {
    let legal = (8..=128).contains(&password.len())
        && password
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'/' | b'@' | b'"'));
    if legal {
        Ok(password)
    } else {
        Err(Refusal::value(
            "The parameter MasterUserPassword is not a valid password. It must have 8 to 128 printable ASCII \
             characters besides '/', '@', '\"', ' '.",
        ))
    }
}

/// The region's own key for RDS, which AWS manages.
pub(super) fn default_key(request: &Request<'_>) -> String {
    format!(
        "arn:aws:kms:{}:{}:alias/aws/rds",
        request.place.region, request.place.account
    )
}

/// Puts a new instance into the model.
pub(super) fn insert(model: &mut Model, newborn: Newborn, takes: SignedDuration) {
    let Newborn {
        key,
        settings,
        birth,
        tags,
        secret,
    } = newborn;
    let now = model.now;
    let resource_id = format!("db-{}", model.draw().to_ascii_uppercase());
    let replica_of = match &birth {
        Birth::Replica(source, _) => Some(source.clone()),
        _ => None,
    };
    let instance = Instance {
        status: "creating".into(),
        resource_id,
        created: now,
        next_backup: time::next_daily(now, &settings.backup_window),
        next_maintenance: time::next_weekly(now, &settings.maintenance_window),
        settings,
        pending: None,
        tags,
        phase: Some(Phase::new(now, takes, Then::BackUp)),
        birth: Some(birth),
        endpoint: None,
        replica_of,
        secret,
        grown: None,
        awaits_reboot: false,
        password: None,
        lag: Some(time::LAG),
        lags: VecDeque::new(),
        measured: now,
        regrouped: None,
    };
    let writes_backups = instance.settings.retention_days > 0 && !instance.is_replica();
    model.instances.insert(key.clone(), instance);
    if writes_backups {
        begin_backup(model, &key);
    }
}

/// Gives an instance an automated backup, empty as yet, unless it has one.
pub(super) fn begin_backup(model: &mut Model, key: &Key) {
    let Some(instance) = model.instances.get(key).cloned() else {
        return;
    };
    if model.own_backup(&instance.resource_id).is_some() {
        return;
    }
    let arn = key.0.arn("auto-backup", format!("ab-{}", model.draw()));
    let backup = Backup {
        arn: arn.clone(),
        place: key.0.clone(),
        status: "active".into(),
        instance_arn: key.0.arn("db", &key.1),
        instance_id: key.1.clone(),
        resource_id: instance.resource_id,
        instance_created: instance.created,
        retention_days: instance.settings.retention_days,
        settings: instance.settings,
        tags: instance.tags,
        history: History::default(),
        origin: None,
    };
    model.backups.insert(arn, backup);
}

pub(super) fn describe(model: &mut Model, request: &Request<'_>) -> Outcome<Reply> {
    let fields = request.fields;
    let one = match fields.text("DBInstanceIdentifier") {
        Some(id) => {
            let id = id_here(id, "db", request.place)?;
            model.find(&request.at(id.clone()))?;
            Some(id)
        }
        None => None,
    };
    let known = [
        "db-instance-id",
        "dbi-resource-id",
        "engine",
        "db-cluster-id",
        "domain",
    ];
    let filters = Filters::read(fields, &known)?;
    let items = model
        .instances
        .iter()
        .filter(|((place, id), instance)| {
            place == request.place
                && one.as_ref().is_none_or(|one| one == id)
                && filters.pass(|name| match name {
                    "db-instance-id" => vec![id.clone(), place.arn("db", id)],
                    "dbi-resource-id" => vec![instance.resource_id.clone()],
                    "engine" => vec![instance.settings.engine.clone()],
                    _ => vec![],
                })
        })
        .map(|(key, instance)| (key.1.clone(), (key, instance)))
        .collect();
    let page = Page::of(fields, items)?;
    let content = |xml: &mut Xml, (key, instance): (&Key, &Instance)| {
        view::instance(xml, model, key, instance);
    };
    Ok(page.xml("DBInstances", "DBInstance", content).into())
}

/// What an instance must be to be changed.
fn available<'model>(
    instance: &'model Instance,
    key: &Key,
    what: &str,
) -> Outcome<&'model Instance> {
    if instance.status == "available" {
        Ok(instance)
    } else {
        Err(Refusal::instance_state(format!(
            "Instance {} cannot be {what} as it has status {}",
            key.1, instance.status
        )))
    }
}

pub(super) fn modify(model: &mut Model, request: &Request<'_>) -> Outcome<Reply> {
    let key = request.instance("DBInstanceIdentifier")?;
    let instance = model.find(&key)?;
    if !matches!(
        instance.status.as_str(),
        "available" | "storage-optimization" | "incompatible-parameters"
    ) {
        available(instance, &key, "modified")?;
    }
    let is_managed = model.find(&key)?.secret.is_some();
    check_managed(request, is_managed)?;
    // Seen in <https://github.com/terraform-aws-modules/terraform-aws-rds/issues/526>.
    if model.find(&key)?.is_replica() && request.fields.text("MasterUserPassword").is_some() {
        return Err(Refusal::combination(
            "Cannot change master user password on an RDS postgres Read Replica because it uses physical replication and \
             therefore cannot differ from its parent.",
        ));
    }
    let replicated = model
        .instances
        .values()
        .any(|other| other.replica_of.as_ref() == Some(&key));
    if replicated && request.fields.flag("ManageMasterUserPassword")? == Some(true) {
        return Err(Refusal::instance_state(
            "The master user password of a DB instance with read replicas can't be managed in AWS Secrets Manager.",
        ));
    }
    let wanted = wanted_settings(model, request, &key)?;
    let password = new_password(request)?;
    let at_once = request.fields.flag("ApplyImmediately")? == Some(true);
    let managed = request.fields.flag("ManageMasterUserPassword")?;
    change(model, &key, wanted, at_once)?;
    let instance = model.find_mut(&key)?;
    match (managed, &request.asked.secret) {
        (Some(true), Some(secret)) => instance.secret = Some(secret.clone()),
        (Some(false), _) => instance.secret = None,
        _ => {}
    }
    if let Some(password) = password {
        let now = model.now;
        let instance = model.find_mut(&key)?;
        instance.password = Some(password);
        if instance.phase.is_none() || instance.status == "storage-optimization" {
            let phase = Phase::new(now, time::CHANGE, Then::Available);
            instance.begin(time::RESETTING, phase);
        }
    }
    one_instance(model, &key)
}

/// What a ModifyDBInstance asks for, over what is pending already; refuses what AWS refuses.
fn wanted_settings(model: &Model, request: &Request<'_>, key: &Key) -> Outcome<Settings> {
    let fields = request.fields;
    if fields.text("NewDBInstanceIdentifier").is_some() {
        return Err(Refusal::not_simulated(
            "NewDBInstanceIdentifier of ModifyDBInstance",
        ));
    }
    let allowed = fields.flag("AllowMajorVersionUpgrade")? == Some(true);
    let instance = model.find(key)?;
    let before = &instance.settings;
    let mut wanted = instance.pending.clone().unwrap_or_else(|| before.clone());
    wanted.take(fields)?;
    take_insights_key(&mut wanted, request)?;
    storage::check(&wanted)?;
    storage::check_change((before, &wanted), instance.grown, model.now)?;
    if let Some(asked) = fields.text("EngineVersion")
        && asked != before.version
    {
        let version = catalog::version(Some(asked), &model.retired)?;
        if !catalog::upgrade_targets(&before.version, &model.retired).contains(&version) {
            return Err(Refusal::combination(format!(
                "Cannot upgrade postgres from {} to {version}",
                before.version
            )));
        }
        if catalog::major(version) != catalog::major(&before.version) && !allowed {
            return Err(Refusal::combination(
                "The AllowMajorVersionUpgrade flag must be present when upgrading to a new major version.",
            ));
        }
        version.clone_into(&mut wanted.version);
        let is_default = before.parameter_group
            == catalog::default_parameter_group(&before.engine, &before.version);
        if catalog::major(version) != catalog::major(&before.version)
            && fields.text("DBParameterGroupName").is_none()
        {
            // <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_UpgradeDBInstance.PostgreSQL.MajorVersion.html>
            if !is_default {
                return Err(Refusal::combination(format!(
                    "Current Parameter Group ({}) is non-default. You need to explicitly specify a new Parameter Group in \
                     this case (default or custom)",
                    before.parameter_group
                )));
            }
            wanted.parameter_group = catalog::default_parameter_group(&wanted.engine, version);
        }
    }
    check_class(&wanted)?;
    check_groups(model, &key.0, &wanted)?;
    put_into_network(model, request, &mut wanted)?;
    // Seen in <https://github.com/hashicorp/terraform-provider-aws/issues/512>.
    if wanted.subnet_group != before.subnet_group && wanted.vpc == before.vpc {
        return Err(Refusal::new(
            "InvalidVPCNetworkStateFault",
            format!(
                "You cannot move DB instance {} to subnet group {}. The specified DB subnet group and DB instance are in the \
                 same VPC. Choose a DB subnet group in different VPC than the specified DB instance and try again.",
                key.1, wanted.subnet_group
            ),
        ));
    }
    let replicated = || {
        model
            .instances
            .values()
            .any(|other| other.replica_of.as_ref() == Some(key))
    };
    if wanted.retention_days == 0 && before.retention_days > 0 && replicated() {
        return Err(Refusal::combination(
            "The backup retention period of a DB instance with read replicas can't be 0.",
        ));
    }
    Ok(wanted)
}

/// The new master password: one that is given, or that of the secret that was made. It never waits for the maintenance window,
/// and is pending until the server has it.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBInstance.html>
fn new_password(request: &Request<'_>) -> Outcome<Option<Password>> {
    if let Some(secret) = &request.asked.secret {
        return Ok(Some(secret.password.clone()));
    }
    let given = request.fields.text("MasterUserPassword");
    let given = given.map(checked_password).transpose()?;
    Ok(given.map(|password| Password(password.to_owned())))
}

/// Changes what does not wait, keeps the rest for the maintenance window unless it is to be applied at once, and begins
/// or ends the automated backups.
fn change(model: &mut Model, key: &Key, wanted: Settings, at_once: bool) -> Outcome<()> {
    let (now, lingers) = (model.now, model.lingers);
    let instance = model.find_mut(key)?;
    let before = instance.settings.clone();
    let keeps_backups = (before.retention_days == 0) == (wanted.retention_days == 0);
    if at_once && lingers.is_positive() && keeps_backups && instance.status == "available" {
        instance.pending = Some(wanted);
        instance.begin("available", Phase::new(now, lingers, Then::Modify));
        return Ok(());
    }
    let resource_id = instance.resource_id.clone();
    // These wait; the rest never does.
    let soft = Settings {
        class: before.class.clone(),
        version: before.version.clone(),
        storage_gib: before.storage_gib,
        storage_type: before.storage_type.clone(),
        iops: before.iops,
        throughput: before.throughput,
        multi_az: before.multi_az,
        // That of another major version comes with it.
        parameter_group: match catalog::major(&wanted.version) == catalog::major(&before.version) {
            true => wanted.parameter_group.clone(),
            false => before.parameter_group.clone(),
        },
        ..wanted.clone()
    };
    let waits = soft != wanted;
    let retention = soft.retention_days;
    if soft.backup_window != before.backup_window {
        instance.next_backup = time::next_daily(now, &soft.backup_window);
    }
    instance.take(soft, now);
    instance.pending = waits.then_some(wanted);
    let backups_begin = before.retention_days == 0 && retention > 0 && !instance.is_replica();
    if backups_begin {
        instance.begin("modifying", Phase::new(now, time::CHANGE, Then::BackUp));
        begin_backup(model, key);
    } else if waits && at_once {
        instance.begin("modifying", Phase::new(now, time::CHANGE, Then::Available));
    }
    if before.retention_days > 0 && retention == 0 {
        // It is down for a moment, as when backups begin.
        if let Some(instance) = model.instances.get_mut(key) {
            instance.begin("modifying", Phase::new(now, time::CHANGE, Then::Available));
        }
        drop_backups(model, key, &resource_id);
    } else if let Some(backup) = model.own_backup_mut(&resource_id) {
        backup.retention_days = retention;
    }
    Ok(())
}

/// A retention of 0 deletes the automated backups, and ends their replication.
fn drop_backups(model: &mut Model, key: &Key, resource_id: &str) {
    model
        .backups
        .retain(|_, backup| !backup.is_own() || backup.resource_id != resource_id);
    for follower in model.followers(resource_id) {
        follower.retain();
    }
    model.snapshots.retain(|(place, _), snapshot| {
        *place != key.0 || snapshot.maker == Maker::Manual || snapshot.resource_id != resource_id
    });
}

/// A manual snapshot of an instance, with the work of taking it.
pub(super) fn take_snapshot(
    model: &mut Model,
    key: &Key,
    id: String,
    tags: Option<super::super::model::Tags>,
) -> Outcome<Work> {
    let instance = model.find(key)?.clone();
    let at = (key.0.clone(), id);
    super::snapshot::check_new(model, &at)?;
    let mut snapshot = Snapshot::of(key, &instance, Maker::Manual, model.now, None);
    if let Some(tags) = tags.filter(|tags| !tags.is_empty()) {
        snapshot.tags.extend(tags);
    }
    model.snapshots.insert(at.clone(), snapshot);
    model.report(&at, "db-snapshot", "creation", "Creating manual snapshot");
    Ok(Work::Capture {
        resource_id: instance.resource_id,
        snapshot: at,
    })
}

pub(super) fn delete(model: &mut Model, request: &Request<'_>) -> Outcome<Reply> {
    let fields = request.fields;
    let key = request.instance("DBInstanceIdentifier")?;
    let instance = model.find(&key)?;
    if instance.status == "deleting" {
        return Err(Refusal::instance_state(format!(
            "Instance {} is already being deleted.",
            key.1
        )));
    }
    if instance.settings.deletion_protection {
        return Err(Refusal::combination(
            "Cannot delete protected DB Instance, please disable deletion protection and try again.",
        ));
    }
    let skip = fields.flag("SkipFinalSnapshot")? == Some(true);
    let last = fields.text("FinalDBSnapshotIdentifier");
    let mut work = Vec::new();
    match (skip, last) {
        (true, Some(_)) => {
            return Err(Refusal::combination(
                "FinalDBSnapshotIdentifier can not be specified when deleting an instance with SkipFinalSnapshot.",
            ));
        }
        (false, None) => {
            return Err(Refusal::combination(
                "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified.",
            ));
        }
        (true, None) => {}
        (false, Some(_)) if instance.is_replica() => {
            return Err(Refusal::combination(
                "FinalDBSnapshotIdentifier can not be specified when deleting a replica instance",
            ));
        }
        (false, Some(last)) => {
            let id = snapshot_id("FinalDBSnapshotIdentifier", last)?;
            if !matches!(instance.status.as_str(), "available" | "stopped") {
                available(instance, &key, "snapshotted")?;
            }
            work.push(take_snapshot(model, &key, id, None)?);
        }
    }
    let keep = fields.flag("DeleteAutomatedBackups")? == Some(false);
    let now = model.now;
    let instance = model.find_mut(&key)?;
    instance.begin("deleting", Phase::new(now, time::CHANGE, Then::Vanish));
    let resource_id = instance.resource_id.clone();
    if keep && let Some(backup) = model.own_backup_mut(&resource_id) {
        backup.retain();
    }
    let mut reply = one_instance(model, &key)?;
    reply.work = work;
    Ok(reply)
}

pub(super) fn stop(model: &mut Model, request: &Request<'_>) -> Outcome<Reply> {
    let key = request.instance("DBInstanceIdentifier")?;
    let instance = available(model.find(&key)?, &key, "stopped")?;
    let replicated = model
        .instances
        .values()
        .any(|other| other.replica_of.as_ref() == Some(&key));
    if instance.is_replica() || replicated {
        return Err(Refusal::instance_state(
            "Cannot stop an instance that is a read replica or has read replicas.",
        ));
    }
    let mut work = Vec::new();
    if let Some(id) = request.fields.text("DBSnapshotIdentifier") {
        let id = snapshot_id("DBSnapshotIdentifier", id)?;
        work.push(take_snapshot(model, &key, id, None)?);
    }
    let now = model.now;
    let instance = model.find_mut(&key)?;
    instance.begin("stopping", Phase::new(now, time::CHANGE, Then::Stop));
    let mut reply = one_instance(model, &key)?;
    reply.work = work;
    Ok(reply)
}

pub(super) fn start(model: &mut Model, request: &Request<'_>) -> Outcome<Reply> {
    let key = request.instance("DBInstanceIdentifier")?;
    let now = model.now;
    let instance = model.find_mut(&key)?;
    if instance.status != "stopped" {
        return Err(Refusal::instance_state(format!(
            "Instance {} is not in stopped state.",
            key.1
        )));
    }
    instance.begin("starting", Phase::new(now, time::CHANGE, Then::Available));
    one_instance(model, &key)
}

pub(super) fn reboot(model: &mut Model, request: &Request<'_>) -> Outcome<Reply> {
    let key = request.instance("DBInstanceIdentifier")?;
    let instance = available(model.find(&key)?, &key, "rebooted")?;
    if request.fields.flag("ForceFailover")? == Some(true) && !instance.settings.multi_az {
        return Err(Refusal::combination(
            "You can't specify ForceFailover for an instance that is not a Multi-AZ deployment.",
        ));
    }
    let now = model.now;
    let instance = model.find_mut(&key)?;
    instance.awaits_reboot = false;
    instance.begin("rebooting", Phase::new(now, time::CHANGE, Then::Available));
    one_instance(model, &key)
}
