//! Snapshots: create, describe, copy, delete.

use super::list::{Filters, Page};
use super::{Reply, Request, view};
use crate::rds::model::snapshot::Maker;
use crate::rds::model::{Key, Model, Phase, Snapshot, Then, time};
use crate::rds::name::{Arn, id_here, snapshot_id};
use crate::rds::refusal::{Outcome, Refusal};
use crate::rds::xml::Xml;

fn shown(model: &Model, key: &Key, snapshot: &Snapshot) -> Reply {
    let mut xml = Xml::default();
    xml.within("DBSnapshot", |xml| {
        view::snapshot(xml, model, key, snapshot);
    });
    xml.into()
}

/// There must be room for one more manual snapshot of this id.
pub(super) fn check_new(model: &Model, key: &Key) -> Outcome<()> {
    if model.snapshots.contains_key(key) {
        return Err(Refusal::snapshot_exists(&key.1));
    }
    let manual = model
        .snapshots
        .iter()
        .filter(|((place, _), snapshot)| *place == key.0 && snapshot.maker == Maker::Manual);
    let most = model.quotas.manual_snapshots;
    if manual.count() >= most {
        return Err(Refusal::snapshot_quota(format!(
            "Cannot create more than {most} manual snapshots"
        )));
    }
    Ok(())
}

pub(super) fn create(model: &mut Model, request: &Request<'_>) -> Outcome<Reply> {
    let fields = request.fields;
    let key = request.instance("DBInstanceIdentifier")?;
    let id = snapshot_id(
        "DBSnapshotIdentifier",
        fields.required("DBSnapshotIdentifier")?,
    )?;
    let instance = model.find(&key)?;
    if !matches!(
        instance.status.as_str(),
        "available" | "storage-optimization"
    ) {
        return Err(Refusal::instance_state(format!(
            "Cannot create a snapshot because the database instance {} is not currently in the available state.",
            key.1
        )));
    }
    let tags = fields.tags()?;
    let work = super::instance::take_snapshot(model, &key, id.clone(), Some(tags))?;
    // Until that is taken there is no other.
    let now = model.now;
    let instance = model.find_mut(&key)?;
    if instance.status == "available" {
        let takes = Phase::new(now, time::SNAPSHOT, Then::Available);
        instance.begin("backing-up", takes);
    }
    let key = request.at(id);
    let mut reply = shown(model, &key, model.find_snapshot(&key)?);
    reply.work.push(work);
    Ok(reply)
}

pub(super) fn describe(model: &mut Model, request: &Request<'_>) -> Outcome<Reply> {
    let fields = request.fields;
    let one = match fields.text("DBSnapshotIdentifier") {
        Some(id) => {
            let id = id_here(id, "snapshot", request.place)?;
            model.find_snapshot(&request.at(id.clone()))?;
            Some(id)
        }
        None => None,
    };
    let instance = fields
        .text("DBInstanceIdentifier")
        .map(|id| id_here(id, "db", request.place))
        .transpose()?;
    let kind = fields.text("SnapshotType");
    if kind.is_some_and(|kind| {
        !["automated", "manual", "shared", "public", "awsbackup"].contains(&kind)
    }) {
        return Err(Refusal::value(format!(
            "Invalid snapshot type: {}",
            kind.unwrap_or_default()
        )));
    }
    let resource = fields.text("DbiResourceId");
    let known = [
        "db-instance-id",
        "db-snapshot-id",
        "dbi-resource-id",
        "snapshot-type",
        "engine",
    ];
    let filters = Filters::read(fields, &known)?;
    let items = model
        .snapshots
        .iter()
        .filter(|((place, id), snapshot)| {
            place == request.place
                && one.as_ref().is_none_or(|one| one == id)
                && instance
                    .as_ref()
                    .is_none_or(|instance| *instance == snapshot.instance_id)
                && kind.is_none_or(|kind| kind == snapshot.maker.name())
                && resource.is_none_or(|id| id.eq_ignore_ascii_case(&snapshot.resource_id))
                && filters.pass(|name| match name {
                    "db-instance-id" => vec![
                        snapshot.instance_id.clone(),
                        place.arn("db", &snapshot.instance_id),
                    ],
                    "db-snapshot-id" => vec![id.clone(), place.arn("snapshot", id)],
                    "dbi-resource-id" => vec![snapshot.resource_id.clone()],
                    "snapshot-type" => vec![snapshot.maker.name().to_owned()],
                    "engine" => vec![snapshot.settings.engine.clone()],
                    _ => vec![],
                })
        })
        .map(|(key, snapshot)| (key.1.clone(), (key, snapshot)))
        .collect();
    let page = Page::of(fields, items)?;
    let content = |xml: &mut Xml, (key, snapshot): (&Key, &Snapshot)| {
        view::snapshot(xml, model, key, snapshot);
    };
    Ok(page.xml("DBSnapshots", "DBSnapshot", content).into())
}

pub(super) fn copy(model: &mut Model, request: &Request<'_>) -> Outcome<Reply> {
    let fields = request.fields;
    let named = fields.required("SourceDBSnapshotIdentifier")?;
    let target = fields.required("TargetDBSnapshotIdentifier")?;
    let target = request.at(snapshot_id("TargetDBSnapshotIdentifier", target)?);
    let source: Key = match Arn::read(named) {
        Some(arn) if arn.kind == "snapshot" => (arn.place, arn.id),
        Some(_) => return Err(Refusal::value(format!("Invalid snapshot ARN: {named}"))),
        // The SDK signs a call to the source region when it is told of one.
        None if fields.text("PreSignedUrl").is_some() || named.starts_with("arn:") => {
            return Err(Refusal::value(format!(
                "Invalid snapshot identifier: {named}"
            )));
        }
        None => request.at(named.to_ascii_lowercase()),
    };
    if source.0.account != request.place.account {
        return Err(Refusal::no_snapshot(named));
    }
    let far = source.0.region != request.place.region;
    model.reach(&source.0)?;
    let snapshot = model
        .snapshots
        .get(&source)
        .ok_or_else(|| Refusal::no_snapshot(named))?;
    if snapshot.status != "available" {
        return Err(Refusal::snapshot_state(format!(
            "The DB snapshot {named} is not in the available state: {}",
            snapshot.status
        )));
    }
    let key = match (request.key()?, &snapshot.settings.key) {
        (Some(key), _) => Some(key),
        (None, Some(_)) if far => {
            // <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_CopySnapshot.html>: a key of the
            // destination region must be named.
            return Err(Refusal::combination(
                "KmsKeyId should be explicitly specified for the target region.",
            ));
        }
        (None, key) => key.clone(),
    };
    check_new(model, &target)?;
    let under_way = model.snapshots.iter().filter(|((place, _), other)| {
        place == request.place && other.arrives_from(place).is_some()
    });
    let most = model.quotas.copies_in_progress;
    if far && under_way.count() >= most {
        return Err(Refusal::snapshot_quota(format!(
            "Cannot copy more than {most} snapshots across regions"
        )));
    }
    // Tags that are given are the only ones, whatever CopyTags says.
    let mut tags = fields.tags()?;
    if fields.flag("CopyTags")? == Some(true) && tags.is_empty() {
        tags.clone_from(&snapshot.tags);
    }
    let now = model.now;
    let mut copy = snapshot.clone();
    copy.status = if far { "copying" } else { "creating" }.into();
    copy.maker = Maker::Manual;
    copy.created = now;
    copy.settings.key = key;
    copy.settings.zone = format!("{}a", request.place.region);
    copy.tags = tags;
    copy.phase = Some(Phase::new(
        now,
        if far { time::COPY_FAR } else { time::COPY_NEAR },
        (),
    ));
    copy.source = Some((source.0.clone(), source.0.arn("snapshot", &source.1)));
    let reply = shown(model, &target, &copy);
    model.snapshots.insert(target, copy);
    Ok(reply)
}

pub(super) fn delete(model: &mut Model, request: &Request<'_>) -> Outcome<Reply> {
    let named = request.fields.required("DBSnapshotIdentifier")?;
    let key = request.at(id_here(named, "snapshot", request.place)?);
    let snapshot = model.find_snapshot(&key)?;
    if snapshot.maker == Maker::Automated {
        return Err(Refusal::snapshot_state(
            "Only manual snapshots may be deleted.",
        ));
    }
    // A copy out of another region may be given up.
    if !matches!(snapshot.status.as_str(), "available" | "failed" | "copying") {
        return Err(Refusal::snapshot_state(format!(
            "Cannot delete the snapshot because it is not currently in the available state: {}",
            snapshot.status
        )));
    }
    // A copy under way to another region still reads it.
    let arn = key.0.arn("snapshot", &key.1);
    let read = model.snapshots.values().any(|copy| {
        copy.phase.is_some()
            && copy
                .source
                .as_ref()
                .is_some_and(|(_, source)| *source == arn)
    });
    if read {
        return Err(Refusal::snapshot_state(
            "Cannot delete the snapshot because it is currently being copied.",
        ));
    }
    let gone = Snapshot {
        status: "deleted".into(),
        phase: None,
        ..snapshot.clone()
    };
    let reply = shown(model, &key, &gone);
    model.snapshots.remove(&key);
    model.report(&key, "db-snapshot", "deletion", "Deleted manual snapshot");
    Ok(reply)
}

/// Snapshots are shared with nobody here.
pub(super) fn attributes(model: &mut Model, request: &Request<'_>) -> Outcome<Reply> {
    let named = request.fields.required("DBSnapshotIdentifier")?;
    let key = request.at(id_here(named, "snapshot", request.place)?);
    model.find_snapshot(&key)?;
    let mut xml = Xml::default();
    xml.within("DBSnapshotAttributesResult", |xml| {
        xml.text("DBSnapshotIdentifier", &key.1);
        xml.list(
            "DBSnapshotAttributes",
            "DBSnapshotAttribute",
            [()],
            |xml, ()| {
                xml.text("AttributeName", "restore")
                    .text("AttributeValues", "");
            },
        );
    });
    Ok(xml.into())
}
