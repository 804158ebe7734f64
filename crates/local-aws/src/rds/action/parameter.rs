//! Parameters of parameter groups.

use super::list::{Filters, Page};
use super::{Reply, Request};
use crate::rds::catalog::{self, Parameter};
use crate::rds::model::{Key, Model, ParameterGroup};
use crate::rds::refusal::{Outcome, Refusal};
use crate::rds::xml::Xml;

/// At most so many in one request.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBParameterGroup.html>
const MOST: usize = 20;

/// Family of a group, made or default.
fn family(model: &Model, key: &Key) -> Outcome<String> {
    if let Some(group) = model.parameter_groups.get(key) {
        return Ok(group.family.clone());
    }
    catalog::families()
        .find(|family| key.1 == format!("default.{family}"))
        .ok_or_else(|| Refusal::no_parameter_group(&key.1))
}

fn group(request: &Request<'_>) -> Outcome<Key> {
    let name = request.fields.required("DBParameterGroupName")?;
    Ok(request.at(name.to_ascii_lowercase()))
}

pub(super) fn describe(model: &mut Model, request: &Request<'_>) -> Outcome<Reply> {
    let fields = request.fields;
    let key = group(request)?;
    let family = family(model, &key)?;
    let set = model.parameter_groups.get(&key).map(|group| &group.set);
    let source = fields.text("Source");
    let filters = Filters::read(fields, &["parameter-name"])?;
    let items = catalog::parameters(&family)
        .map(|parameter| {
            let set = set.and_then(|set| set.get(parameter.name));
            let (value, from) = match (set, parameter.default(&family)) {
                (Some(value), _) => (Some(value.as_str()), "user"),
                (None, Some(value)) => (Some(value), "system"),
                (None, None) => (None, "engine-default"),
            };
            (parameter, value, from)
        })
        .filter(|(parameter, _, from)| {
            source.is_none_or(|source| source == *from)
                && filters.pass(|_| vec![parameter.name.to_owned()])
        })
        .map(|item| (item.0.name.to_owned(), item))
        .collect();
    let page = Page::of(fields, items)?;
    let content = |xml: &mut Xml, (parameter, value, from): (Parameter, Option<&str>, &str)| {
        xml.text("ParameterName", parameter.name)
            .maybe("ParameterValue", value)
            .text("Source", from)
            .text(
                "ApplyType",
                if parameter.waits { "static" } else { "dynamic" },
            )
            .text("DataType", parameter.kind)
            .maybe("AllowedValues", parameter.allowed())
            .text("IsModifiable", parameter.is_modifiable)
            .text(
                "ApplyMethod",
                if parameter.waits {
                    "pending-reboot"
                } else {
                    "immediate"
                },
            );
    };
    Ok(page.xml("Parameters", "Parameter", content).into())
}

pub(super) fn modify(model: &mut Model, request: &Request<'_>) -> Outcome<Reply> {
    let key = group(request)?;
    let family = family(model, &key)?;
    let asked = request.fields.members("Parameters");
    if asked.is_empty() || asked.len() > MOST {
        return Err(Refusal::value(format!(
            "Parameters must have 1 to {MOST} members"
        )));
    }
    let mut waits = false;
    let mut new = Vec::new();
    for parameter in asked.into_values() {
        let name = parameter.required("ParameterName")?;
        let value = parameter.required("ParameterValue")?.to_owned();
        let is_immediate = parameter.text("ApplyMethod") == Some("immediate");
        let known = named(&family, name)?;
        if !known.is_modifiable {
            return Err(Refusal::value(format!(
                "The parameter {name} cannot be modified."
            )));
        }
        if !known.takes(&value) {
            return Err(Refusal::value(format!(
                "Invalid parameter value: {value} for: {name} allowed values are: {}",
                known.allowed().unwrap_or_default()
            )));
        }
        if known.waits && is_immediate {
            return Err(immediate());
        }
        waits |= known.waits;
        new.push((known.name, value));
    }
    own(model, &key)?.set.extend(new);
    changed(model, &key, waits);
    Ok(named_group(&key))
}

/// Back to what RDS or the engine has: all of a group, or the parameters that are named.
pub(super) fn reset(model: &mut Model, request: &Request<'_>) -> Outcome<Reply> {
    let key = group(request)?;
    let family = family(model, &key)?;
    let all = request.fields.flag("ResetAllParameters")? == Some(true);
    let asked = request.fields.members("Parameters");
    if all != asked.is_empty() || asked.len() > MOST {
        return Err(Refusal::combination(format!(
            "Either ResetAllParameters or 1 to {MOST} Parameters must be given."
        )));
    }
    let mut names = Vec::new();
    for parameter in asked.into_values() {
        let known = named(&family, parameter.required("ParameterName")?)?;
        let is_immediate = parameter.text("ApplyMethod") == Some("immediate");
        if known.waits && is_immediate {
            return Err(immediate());
        }
        names.push(known);
    }
    let set = &mut own(model, &key)?.set;
    if all {
        let set = set.keys();
        names = set
            .map(|name| named(&family, name))
            .collect::<Outcome<Vec<_>>>()?;
    }
    let mut waits = false;
    for parameter in names {
        let was_set = own(model, &key)?.set.remove(parameter.name).is_some();
        waits |= was_set && parameter.waits;
    }
    changed(model, &key, waits);
    Ok(named_group(&key))
}

fn named(family: &str, name: &str) -> Outcome<Parameter> {
    catalog::parameters(family)
        .find(|known| known.name == name)
        .ok_or_else(|| Refusal::value(format!("Could not find parameter with name: {name}")))
}

fn immediate() -> Refusal {
    Refusal::combination("cannot use immediate apply method for static parameter")
}

/// A group that is no default one.
fn own<'model>(model: &'model mut Model, key: &Key) -> Outcome<&'model mut ParameterGroup> {
    model.parameter_groups.get_mut(key).ok_or_else(|| {
        Refusal::new(
            "InvalidDBParameterGroupState",
            format!(
                "The parameter group {} is a default group and cannot be modified",
                key.1
            ),
        )
    })
}

/// Instances with the group wait for a reboot, where it is needed.
fn changed(model: &mut Model, key: &Key, waits: bool) {
    if !waits {
        return;
    }
    let members = model.instances.iter_mut().filter(|((place, _), instance)| {
        *place == key.0 && instance.settings.parameter_group == key.1
    });
    for (_, instance) in members {
        instance.awaits_reboot = true;
    }
}

fn named_group(key: &Key) -> Reply {
    let mut xml = Xml::default();
    xml.text("DBParameterGroupName", &key.1);
    xml.into()
}
