//! What RDS offers and reports: engine versions, regions, quotas, events.

use jiff::SignedDuration;

use super::list::{Filters, Page};
use super::{Reply, Request};
use crate::rds::catalog;
use crate::rds::clock::later;
use crate::rds::model::instance::LOGS;
use crate::rds::model::{Happening, Model};
use crate::rds::refusal::{Outcome, Refusal};
use crate::rds::xml::Xml;

pub(super) fn engine_versions(model: &mut Model, request: &Request<'_>) -> Outcome<Reply> {
    let fields = request.fields;
    let filters = Filters::read(
        fields,
        &[
            "engine",
            "engine-version",
            "db-parameter-group-family",
            "status",
            "engine-mode",
        ],
    )?;
    let asked = fields.text("EngineVersion");
    let family = fields.text("DBParameterGroupFamily");
    let newest = fields.flag("DefaultOnly")? == Some(true);
    let all = fields.flag("IncludeAll")? == Some(true)
        || filters.pass(|name| match name {
            "status" => vec!["deprecated".to_owned()],
            _ => vec![],
        }) && !fields.filters()?.is_empty();
    let offered = catalog::offered(&model.retired).map(|version| (version, "available"));
    let withdrawn = catalog::withdrawn(&model.retired)
        .filter(|_| all)
        .map(|version| (version, "deprecated"));
    let mut versions: Vec<_> = offered
        .chain(withdrawn)
        .filter(|_| {
            fields
                .text("Engine")
                .is_none_or(|engine| engine == "postgres")
        })
        .filter(|(version, status)| {
            asked.is_none_or(|asked| asked == *version || asked == catalog::major(version))
                && family.is_none_or(|family| family == catalog::family("postgres", version))
                && filters.pass(|name| match name {
                    "engine" => vec!["postgres".to_owned()],
                    "engine-version" => vec![(*version).to_owned()],
                    "db-parameter-group-family" => vec![catalog::family("postgres", version)],
                    "status" => vec![(*status).to_owned()],
                    _ => vec!["provisioned".to_owned()],
                })
        })
        .map(|(version, status)| (catalog::sortable(version), (version, status)))
        .collect();
    versions.sort();
    if newest {
        versions = versions.pop().into_iter().collect();
    }
    let page = Page::of(fields, versions)?;
    let retired = model.retired.clone();
    let content = |xml: &mut Xml, (version, status): (&str, &str)| {
        xml.text("Engine", "postgres")
            .text("EngineVersion", version)
            .text(
                "DBParameterGroupFamily",
                catalog::family("postgres", version),
            )
            .text("DBEngineDescription", "PostgreSQL")
            .text(
                "DBEngineVersionDescription",
                format!("PostgreSQL {version}"),
            )
            .text("Status", status)
            .text("SupportsReadReplica", true)
            .text("SupportsLogExportsToCloudwatchLogs", true)
            .within("ExportableLogTypes", |xml| {
                for name in LOGS {
                    xml.text("member", name);
                }
            });
        let targets = catalog::upgrade_targets(version, &retired);
        let of = catalog::major(version);
        let newest = targets.iter().rfind(|to| catalog::major(to) == of);
        xml.list(
            "ValidUpgradeTarget",
            "UpgradeTarget",
            &targets,
            |xml, to| {
                xml.text("Engine", "postgres")
                    .text("EngineVersion", to)
                    .text("Description", format!("PostgreSQL {to}"))
                    .text("AutoUpgrade", Some(to) == newest)
                    .text("IsMajorVersionUpgrade", catalog::major(to) != of);
            },
        );
    };
    Ok(page
        .xml("DBEngineVersions", "DBEngineVersion", content)
        .into())
}

pub(super) fn instance_options(model: &mut Model, request: &Request<'_>) -> Outcome<Reply> {
    let fields = request.fields;
    Filters::read(fields, &[])?;
    let engine = fields.required("Engine")?;
    let (version, class) = (fields.text("EngineVersion"), fields.text("DBInstanceClass"));
    let is_asked = |asked: Option<&str>, one: &str| asked.is_none_or(|asked| asked == one);
    // What is withdrawn for new instances can still be run, and so is listed.
    let known = catalog::offered(&model.retired).chain(catalog::withdrawn(&model.retired));
    let mut options = Vec::new();
    for version in known.filter(|one| engine == "postgres" && is_asked(version, one)) {
        for class in catalog::classes().filter(|one| is_asked(class, one)) {
            options.push((
                format!("{} {class}", catalog::sortable(version)),
                (version, class),
            ));
        }
    }
    options.sort();
    let page = Page::of(fields, options)?;
    let region = &request.place.region;
    let content = |xml: &mut Xml, (version, class): (&str, String)| {
        xml.text("Engine", "postgres")
            .text("EngineVersion", version)
            .text("DBInstanceClass", class)
            .text("LicenseModel", "postgresql-license")
            .within("AvailabilityZones", |xml| {
                for zone in ["a", "b", "c"] {
                    xml.within("AvailabilityZone", |xml| {
                        xml.text("Name", format!("{region}{zone}"));
                    });
                }
            })
            .text("MultiAZCapable", true)
            .text("ReadReplicaCapable", true)
            .text("Vpc", true)
            .text("SupportsStorageEncryption", true);
    };
    Ok(page
        .xml(
            "OrderableDBInstanceOptions",
            "OrderableDBInstanceOption",
            content,
        )
        .into())
}

pub(super) fn source_regions(_: &mut Model, request: &Request<'_>) -> Outcome<Reply> {
    let fields = request.fields;
    Filters::read(fields, &[])?;
    let one = fields.text("RegionName");
    if let Some(one) = one.filter(|one| !catalog::REGIONS.contains(one)) {
        return Err(Refusal::value(format!("Invalid region name: {one}")));
    }
    let items = catalog::REGIONS
        .iter()
        .filter(|region| **region != request.place.region && one.is_none_or(|one| one == **region))
        .map(|region| ((*region).to_owned(), *region))
        .collect();
    let page = Page::of(fields, items)?;
    let content = |xml: &mut Xml, region: &str| {
        xml.text("RegionName", region)
            .text("Endpoint", format!("https://rds.{region}.amazonaws.com"))
            .text("Status", "available")
            .text("SupportsDBInstanceAutomatedBackupsReplication", true);
    };
    Ok(page.xml("SourceRegions", "SourceRegion", content).into())
}

pub(super) fn account_attributes(model: &mut Model, request: &Request<'_>) -> Outcome<Reply> {
    let here = |place| place == request.place;
    let instances = model.instances.iter().filter(|((place, _), _)| here(place));
    let storage: u64 = instances
        .clone()
        .map(|(_, instance)| u64::from(instance.settings.storage_gib))
        .sum();
    let snapshots = model.snapshots.iter().filter(|((place, _), snapshot)| {
        here(place) && snapshot.maker == crate::rds::model::snapshot::Maker::Manual
    });
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let quotas = &model.quotas;
    let rows = [
        (
            "DBInstances",
            count(instances.count()),
            count(quotas.instances),
        ),
        ("AllocatedStorage", storage, quotas.storage_gib),
        (
            "ManualSnapshots",
            count(snapshots.count()),
            count(quotas.manual_snapshots),
        ),
        (
            "DBSubnetGroups",
            count(
                model
                    .subnet_groups
                    .keys()
                    .filter(|(place, _)| here(place))
                    .count(),
            ),
            50,
        ),
        (
            "DBParameterGroups",
            count(
                model
                    .parameter_groups
                    .keys()
                    .filter(|(place, _)| here(place))
                    .count(),
            ),
            50,
        ),
    ];
    let mut xml = Xml::default();
    xml.list(
        "AccountQuotas",
        "AccountQuota",
        rows,
        |xml, (name, used, most)| {
            xml.text("AccountQuotaName", name)
                .text("Used", used)
                .text("Max", most);
        },
    );
    Ok(xml.into())
}

/// How long RDS remembers events.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(14 * 24);

pub(super) fn events(model: &mut Model, request: &Request<'_>) -> Outcome<Reply> {
    let fields = request.fields;
    Filters::read(fields, &[])?;
    let id = fields.text("SourceIdentifier").map(str::to_ascii_lowercase);
    let kind = fields.text("SourceType");
    if id.is_some() && kind.is_none() {
        return Err(Refusal::combination(
            "SourceType must be specified with SourceIdentifier.",
        ));
    }
    let end = fields.time("EndTime")?.unwrap_or(model.now);
    let minutes = i64::from(fields.number("Duration")?.unwrap_or(60));
    let begin = fields
        .time("StartTime")?
        .unwrap_or_else(|| later(end, SignedDuration::from_mins(-minutes)))
        .max(later(model.now, -REMEMBERED));
    let categories = fields.list("EventCategories");
    let items = model
        .happenings
        .iter()
        .enumerate()
        .filter(|(_, event)| {
            event.place == *request.place
                && (begin..=end).contains(&event.at)
                && kind.is_none_or(|kind| kind == event.source)
                && id.as_ref().is_none_or(|id| *id == event.id)
                && categories
                    .as_ref()
                    .is_none_or(|names| names.iter().any(|name| name == event.category))
        })
        .map(|(number, event)| (format!("{number:012}"), event))
        .collect();
    let page = Page::of(fields, items)?;
    let content = |xml: &mut Xml, event: &Happening| {
        let arn_kind = match event.source {
            "db-snapshot" => "snapshot",
            _ => "db",
        };
        xml.text("SourceIdentifier", &event.id)
            .text("SourceType", event.source)
            .text("SourceArn", event.place.arn(arn_kind, &event.id))
            .text("Message", &event.message)
            .time("Date", event.at);
        xml.within("EventCategories", |xml| {
            xml.text("EventCategory", event.category);
        });
    };
    Ok(page.xml("Events", "Event", content).into())
}
