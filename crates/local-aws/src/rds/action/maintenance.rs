//! Maintenance that RDS has announced.

use super::list::{Filters, Page};
use super::{Reply, Request};
use crate::rds::model::{Key, Model, Planned};
use crate::rds::name::id_here;
use crate::rds::refusal::Outcome;
use crate::rds::xml::Xml;

pub(super) fn describe(model: &mut Model, request: &Request<'_>) -> Outcome<Reply> {
    let fields = request.fields;
    let one = match fields.text("ResourceIdentifier") {
        Some(arn) => Some(id_here(arn, "db", request.place)?),
        None => None,
    };
    let filters = Filters::read(fields, &["db-instance-id", "db-cluster-id"])?;
    let items = model
        .maintenance
        .iter()
        .filter(|((place, id), _)| {
            place == request.place
                && one.as_ref().is_none_or(|one| one == id)
                && filters.pass(|name| match name {
                    "db-instance-id" => vec![id.clone(), place.arn("db", id)],
                    _ => vec![],
                })
        })
        .map(|(key, planned)| (key.1.clone(), (key, planned)))
        .collect();
    let page = Page::of(fields, items)?;
    let content = |xml: &mut Xml, ((place, id), planned): (&Key, &Vec<Planned>)| {
        xml.text("ResourceIdentifier", place.arn("db", id));
        xml.list(
            "PendingMaintenanceActionDetails",
            "PendingMaintenanceAction",
            planned,
            |xml, planned| {
                xml.text("Action", &planned.action)
                    .text("Description", "Announced by whoever runs this simulation");
                if let Some(at) = planned.at {
                    xml.time("AutoAppliedAfterDate", at)
                        .time("ForcedApplyDate", at)
                        .time("CurrentApplyDate", at);
                }
            },
        );
    };
    let (actions, resource) = (
        "PendingMaintenanceActions",
        "ResourcePendingMaintenanceActions",
    );
    Ok(page.xml(actions, resource, content).into())
}
