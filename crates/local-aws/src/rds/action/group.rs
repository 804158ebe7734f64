//! Subnet groups and parameter groups.

use std::collections::BTreeMap;

use super::list::{Filters, Page};
use super::{Reply, Request, view};
use crate::rds::catalog;
use crate::rds::model::{Key, Model, ParameterGroup, SubnetGroup};
use crate::rds::name::{Place, snapshot_id};
use crate::rds::network::Subnet;
use crate::rds::refusal::{Outcome, Refusal};
use crate::rds::xml::Xml;

pub(super) fn create_subnet_group(model: &mut Model, request: &Request<'_>) -> Outcome<Reply> {
    let fields = request.fields;
    let name = fields.required("DBSubnetGroupName")?.to_ascii_lowercase();
    let description = fields.required("DBSubnetGroupDescription")?.to_owned();
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b" ._-".contains(&byte);
    if name == "default" || name.len() > 255 || !name.bytes().all(legal) {
        return Err(Refusal::value(format!(
            "The parameter DBSubnetGroupName is not valid: {name}"
        )));
    }
    let group = SubnetGroup {
        description,
        subnets: subnets(request)?,
        tags: fields.tags()?,
    };
    let key = request.at(name.clone());
    if model.subnet_groups.contains_key(&key) {
        return Err(Refusal::new(
            "DBSubnetGroupAlreadyExists",
            format!("The DB subnet group '{name}' already exists."),
        ));
    }
    let mut xml = Xml::default();
    xml.within("DBSubnetGroup", |xml| {
        view::subnet_group(xml, request.place, &name, Some(&group), &[]);
    });
    model.subnet_groups.insert(key, group);
    Ok(xml.into())
}

pub(super) fn modify_subnet_group(model: &mut Model, request: &Request<'_>) -> Outcome<Reply> {
    let fields = request.fields;
    let name = fields.required("DBSubnetGroupName")?.to_ascii_lowercase();
    let subnets = subnets(request)?;
    let description = fields.text("DBSubnetGroupDescription");
    let group = model
        .subnet_groups
        .get_mut(&request.at(name.clone()))
        .ok_or_else(|| Refusal::no_subnet_group(&name))?;
    group.subnets = subnets;
    if let Some(description) = description {
        description.clone_into(&mut group.description);
    }
    let mut xml = Xml::default();
    xml.within("DBSubnetGroup", |xml| {
        view::subnet_group(xml, request.place, &name, Some(group), &[]);
    });
    Ok(xml.into())
}

fn subnets(request: &Request<'_>) -> Outcome<Vec<Subnet>> {
    let ids = request
        .fields
        .list("SubnetIds")
        .ok_or_else(|| Refusal::missing("SubnetIds"))?;
    if let Some(network) = &request.asked.network {
        return network.subnets(&ids);
    }
    if ids.len() < 2 {
        return Err(Refusal::few_zones(&[]));
    }
    // Without an EC2 to tell they are in zones by turns.
    let zones = ['a', 'b', 'd'].into_iter().cycle();
    let subnets = ids.into_iter().zip(zones).map(|(id, zone)| Subnet {
        id,
        vpc: Place::VPC.to_owned(),
        zone: format!("{}{zone}", request.place.region),
    });
    Ok(subnets.collect())
}

pub(super) fn describe_subnet_groups(model: &mut Model, request: &Request<'_>) -> Outcome<Reply> {
    let fields = request.fields;
    let one = fields
        .text("DBSubnetGroupName")
        .map(str::to_ascii_lowercase);
    Filters::read(fields, &[])?;
    let default = ("default".to_owned(), None);
    let subnets = model.default_subnets.get(request.place);
    let subnets = subnets.map(Vec::as_slice).unwrap_or_default();
    let made = model
        .subnet_groups
        .iter()
        .filter(|((place, _), _)| place == request.place)
        .map(|((_, name), group)| (name.clone(), Some(group)));
    let mut items: Vec<_> = made
        .chain([default])
        .filter(|(name, _)| one.as_ref().is_none_or(|one| one == name))
        .map(|(name, group)| (name.clone(), (name, group)))
        .collect();
    items.sort_by(|(one, _), (other, _)| one.cmp(other));
    if let Some(one) = one
        && items.is_empty()
    {
        return Err(Refusal::no_subnet_group(&one));
    }
    let page = Page::of(fields, items)?;
    let content = |xml: &mut Xml, (name, group): (String, Option<&SubnetGroup>)| {
        view::subnet_group(xml, request.place, &name, group, subnets);
    };
    Ok(page.xml("DBSubnetGroups", "DBSubnetGroup", content).into())
}

pub(super) fn delete_subnet_group(model: &mut Model, request: &Request<'_>) -> Outcome<Reply> {
    let key = request.at(request
        .fields
        .required("DBSubnetGroupName")?
        .to_ascii_lowercase());
    let used = |(place, _): &Key, group: &str| *place == key.0 && group == key.1;
    if model
        .instances
        .iter()
        .any(|(at, instance)| used(at, &instance.settings.subnet_group))
    {
        return Err(Refusal::new(
            "InvalidDBSubnetGroupStateFault",
            format!(
                "Cannot delete the subnet group '{}' because at least one database instance is still using it.",
                key.1
            ),
        ));
    }
    match model.subnet_groups.remove(&key) {
        Some(_) => Ok(Reply::default()),
        None => Err(Refusal::no_subnet_group(&key.1)),
    }
}

fn parameter_group(xml: &mut Xml, place: &Place, name: &str, family: &str, description: &str) {
    xml.text("DBParameterGroupName", name)
        .text("DBParameterGroupFamily", family)
        .text("Description", description)
        .text("DBParameterGroupArn", place.arn("pg", name));
}

pub(super) fn create_parameter_group(model: &mut Model, request: &Request<'_>) -> Outcome<Reply> {
    let fields = request.fields;
    let name = snapshot_id(
        "DBParameterGroupName",
        fields.required("DBParameterGroupName")?,
    )?;
    let family = fields.required("DBParameterGroupFamily")?.to_owned();
    if !catalog::families().any(|known| known == family) {
        return Err(Refusal::value(format!(
            "ParameterGroupFamily {family} is not a valid parameter group family"
        )));
    }
    let group = ParameterGroup {
        description: fields.required("Description")?.to_owned(),
        family,
        tags: fields.tags()?,
        set: BTreeMap::new(),
    };
    let key = request.at(name.clone());
    if model.parameter_groups.contains_key(&key) {
        return Err(Refusal::new(
            "DBParameterGroupAlreadyExists",
            format!("Parameter group {name} already exists"),
        ));
    }
    let mut xml = Xml::default();
    xml.within("DBParameterGroup", |xml| {
        parameter_group(xml, request.place, &name, &group.family, &group.description);
    });
    model.parameter_groups.insert(key, group);
    Ok(xml.into())
}

pub(super) fn describe_parameter_groups(
    model: &mut Model,
    request: &Request<'_>,
) -> Outcome<Reply> {
    let fields = request.fields;
    let one = fields
        .text("DBParameterGroupName")
        .map(str::to_ascii_lowercase);
    Filters::read(fields, &[])?;
    let made = model
        .parameter_groups
        .iter()
        .filter(|((place, _), _)| place == request.place)
        .map(|((_, name), group)| {
            (
                name.clone(),
                group.family.clone(),
                group.description.clone(),
            )
        });
    let defaults = catalog::families().map(|family| {
        let description = format!("Default parameter group for {family}");
        (format!("default.{family}"), family, description)
    });
    let mut items: Vec<_> = made
        .chain(defaults)
        .filter(|(name, ..)| one.as_ref().is_none_or(|one| one == name))
        .map(|group| (group.0.clone(), group))
        .collect();
    items.sort_by(|(one, _), (other, _)| one.cmp(other));
    if let Some(one) = one
        && items.is_empty()
    {
        return Err(Refusal::no_parameter_group(&one));
    }
    let page = Page::of(fields, items)?;
    let content = |xml: &mut Xml, (name, family, description): (String, String, String)| {
        parameter_group(xml, request.place, &name, &family, &description);
    };
    Ok(page
        .xml("DBParameterGroups", "DBParameterGroup", content)
        .into())
}

pub(super) fn delete_parameter_group(model: &mut Model, request: &Request<'_>) -> Outcome<Reply> {
    let name = request.fields.required("DBParameterGroupName")?;
    let key = request.at(name.to_ascii_lowercase());
    let used = model.instances.iter().any(|((place, _), instance)| {
        *place == key.0 && instance.settings.parameter_group == key.1
    });
    if used {
        return Err(Refusal::new(
            "InvalidDBParameterGroupState",
            "One or more database instances are still members of this parameter group, so the group cannot be deleted",
        ));
    }
    match model.parameter_groups.remove(&key) {
        Some(_) => Ok(Reply::default()),
        None => Err(Refusal::no_parameter_group(&key.1)),
    }
}
