//! Tags of whatever has an ARN.

use super::{Reply, Request, view};
use crate::rds::fields::few_tags;
use crate::rds::model::{Model, Tags};
use crate::rds::name::Arn;
use crate::rds::refusal::{Outcome, Refusal};
use crate::rds::xml::Xml;

fn tags<'model>(model: &'model mut Model, request: &Request<'_>) -> Outcome<&'model mut Tags> {
    let name = request.fields.required("ResourceName")?;
    let arn = Arn::read(name)
        .filter(|arn| arn.place == *request.place)
        .ok_or_else(|| Refusal::value(format!("Invalid resource name: {name}")))?;
    let key = (arn.place, arn.id);
    match arn.kind.as_str() {
        "db" => model
            .instances
            .get_mut(&key)
            .map(|found| &mut found.tags)
            .ok_or_else(|| Refusal::no_instance(&key.1)),
        "snapshot" => model
            .snapshots
            .get_mut(&key)
            .map(|found| &mut found.tags)
            .ok_or_else(|| Refusal::no_snapshot(&key.1)),
        "auto-backup" => model
            .backups
            .get_mut(name)
            .map(|found| &mut found.tags)
            .ok_or_else(|| Refusal::no_backup(&key.1)),
        "subgrp" => model
            .subnet_groups
            .get_mut(&key)
            .map(|found| &mut found.tags)
            .ok_or_else(|| Refusal::no_subnet_group(&key.1)),
        "pg" => model
            .parameter_groups
            .get_mut(&key)
            .map(|found| &mut found.tags)
            .ok_or_else(|| Refusal::no_parameter_group(&key.1)),
        // What it may have on AWS, the base's too.
        "cev"
        | "cluster"
        | "cluster-auto-backup"
        | "cluster-endpoint"
        | "cluster-pg"
        | "cluster-snapshot"
        | "db-proxy"
        | "db-proxy-endpoint"
        | "deployment"
        | "es"
        | "global-cluster"
        | "integration"
        | "og"
        | "ri"
        | "secgrp"
        | "shard-group"
        | "snapshot-tenant-database"
        | "target-group"
        | "tenant-database" => Err(Refusal::not_simulated(&format!("tags of {name}"))),
        _ => Err(Refusal::value(format!("Invalid resource name: {name}"))),
    }
}

pub(super) fn add(model: &mut Model, request: &Request<'_>) -> Outcome<Reply> {
    let new = request.fields.tags()?;
    let tags = tags(model, request)?;
    let mut all = tags.clone();
    all.extend(new);
    few_tags(&all)?;
    *tags = all;
    Ok(Reply::default())
}

pub(super) fn remove(model: &mut Model, request: &Request<'_>) -> Outcome<Reply> {
    let keys = request.fields.list("TagKeys").unwrap_or_default();
    tags(model, request)?.retain(|key, _| !keys.contains(key));
    Ok(Reply::default())
}

pub(super) fn list(model: &mut Model, request: &Request<'_>) -> Outcome<Reply> {
    let mut xml = Xml::default();
    view::tags(&mut xml, tags(model, request)?);
    Ok(xml.into())
}
