//! Why RDS does not make an instance: names that are taken, what it does not offer, where it has no room.

use aws_sdk_rds::types::OrderableDbInstanceOption;
use report::ShellCommand;
use report::finding::{Finding, Observation, Unobserved};

use super::{Context, Diagnosis, unseen};
use crate::{EnvironmentClients, named};

/// More of them than fit into a line help nobody.
const MOST_NAMED: usize = 12;

/// What an instance was to be made of, as far as the error names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) class: Option<String>,
    pub(super) engine: Option<String>,
    pub(super) version: Option<String>,
}

/// The name of an instance or of its last snapshot is taken.
pub(super) async fn exists(
    context: Context<'_>,
    named: Option<String>,
    snapshot: Option<String>,
) -> Diagnosis {
    let id = named.unwrap_or_else(|| context.database());
    // An instance of the DR region is asked for there.
    let is_dr = context
        .settings
        .databases
        .iter()
        .any(|of| of.dr_id.as_str() == id && of.id.as_str() != id);
    let of_dr = is_dr.then(|| context.dr_clients());
    let clients = of_dr.as_ref().unwrap_or(context.clients);
    let region = clients.home.region;
    let findings = vec![
        instance(clients, &id, region.as_str()).await,
        last_snapshot(clients, &id, snapshot.as_deref()).await,
    ];
    let show = ShellCommand::new("aws rds describe-db-instances")
        .option("--db-instance-identifier", &id)
        .option("--region", region.as_str());
    let import = context
        .terraform()
        .words("import")
        .word("module.database.aws_db_instance.this[0]")
        .word(&id)
        .comment("only when it is the one that this configuration means");
    Diagnosis {
        trouble: "name-taken",
        meaning: "RDS has something of this name in this region already: an instance, or the last snapshot that a deletion leaves. Neither is overwritten.",
        findings,
        next: vec![show.into(), import.into()],
    }
}

async fn instance(clients: &EnvironmentClients, id: &str, region: &str) -> Finding {
    let seen = match named::database(clients, id).await {
        Ok(of) => {
            let status = of.db_instance_status().unwrap_or("of an unknown status");
            let since = of.instance_create_time();
            let since = since.map_or_else(String::new, |time| format!(", made {time}"));
            Ok((false, format!("there is one, {status}{since}")))
        }
        Err(unobserved) if unobserved.absent => Ok((true, "there is none now".to_owned())),
        Err(unobserved) => Err(unobserved),
    };
    Finding::new("db-instance", format!("{id} in {region}"), "no instance of this name", seen)
        .fix("take it into the state with an import when it is the wanted one; else give the new one another name. Nothing is deleted to make room")
}

async fn last_snapshot(clients: &EnvironmentClients, id: &str, named: Option<&str>) -> Finding {
    let expected = "no last snapshot whose name a deletion would take again";
    let call = clients.call("RDS", "DescribeDBSnapshots", id);
    let asked = clients.rds.describe_db_snapshots();
    let asked = match named {
        Some(snapshot) => asked.db_snapshot_identifier(snapshot),
        None => asked.db_instance_identifier(id).snapshot_type("manual"),
    };
    let found: Result<Vec<_>, _> = asked.into_paginator().items().send().collect().await;
    let seen = match found.map_err(|error| call.failed(error)) {
        Ok(found) => {
            let names: Vec<&str> = found
                .iter()
                .filter_map(|of| of.db_snapshot_identifier())
                .filter(|name| named.is_some() || name.contains("final"))
                .take(MOST_NAMED)
                .collect();
            Ok((
                names.is_empty(),
                match names.is_empty() {
                    true => "there is none".to_owned(),
                    false => format!("there are: {}", names.join(", ")),
                },
            ))
        }
        Err(error) if error.class == aws_env::ErrorClass::Absent => {
            Ok((true, "there is none".to_owned()))
        }
        Err(error) => Err(error.into()),
    };
    Finding::new("final-snapshot", named.unwrap_or(id), expected, seen)
        .fix("set another final_snapshot_identifier; the snapshot that is there stays")
}

/// Class and version that RDS does not offer together.
pub(super) async fn not_offered(context: Context<'_>, wanted: Wanted) -> Diagnosis {
    let engine = wanted.engine.as_deref().unwrap_or("postgres");
    let mut findings = Vec::new();
    let class = wanted.class.as_deref();
    let version = wanted.version.as_deref();
    let all = offers(context, engine, None, class).await;
    let versions = all.map(|all| {
        let mut names = distinct(&all, |of| of.engine_version());
        names.sort_by_key(|name| crate::version::numbers(name));
        let there = version.is_some_and(|of| names.contains(&of.to_owned()));
        (there, format!("it is offered with: {}", listed(&names)))
    });
    findings.push(
        Finding::new(
            "db-class",
            class.unwrap_or("the class"),
            match version {
                Some(version) => format!("offered with {engine} {version}"),
                None => format!("offered with this version of {engine}"),
            },
            versions,
        )
        .fix("take one of these versions, or one of the classes below"),
    );
    if let Some(version) = version {
        let all = offers(context, engine, Some(version), None).await;
        let classes = all.map(|all| {
            let names = distinct(&all, |of| of.db_instance_class());
            let there = class.is_none_or(|of| names.contains(&of.to_owned()));
            match names.is_empty() {
                true => (
                    false,
                    "RDS offers it with no class: it is retired".to_owned(),
                ),
                false => (there, format!("it is offered with: {}", listed(&names))),
            }
        });
        findings.push(
            Finding::new(
                "db-version",
                format!("{engine} {version}"),
                "offered with this class",
                classes,
            )
            .fix("take one of these classes, or one of the versions above"),
        );
    }
    let show = ShellCommand::new("aws rds describe-orderable-db-instance-options")
        .option("--engine", engine)
        .option("--region", context.region());
    Diagnosis {
        trouble: "not-offered-together",
        meaning: "RDS does not offer this class with this version of the engine in this region.",
        findings,
        next: vec![show.into()],
    }
}

/// No zone has room for an instance of a class.
pub(super) async fn no_capacity(context: Context<'_>, class: Option<String>) -> Diagnosis {
    let finding = match &class {
        None => unseen(
            "db-capacity",
            "a class",
            Unobserved::because("the error names no class"),
        ),
        Some(class) => {
            let all = offers(context, "postgres", None, Some(class)).await;
            let seen = all.map(|all| {
                let zones = all.iter().flat_map(|of| of.availability_zones());
                let mut zones: Vec<String> = zones
                    .filter_map(|zone| zone.name().map(str::to_owned))
                    .collect();
                zones.sort_unstable();
                zones.dedup();
                // That there is room only an attempt tells.
                (
                    false,
                    match zones.is_empty() {
                        true => "RDS offers it in no zone of this region".to_owned(),
                        false => format!(
                            "RDS had no room in the zones asked for; it offers the class in {}",
                            zones.join(", ")
                        ),
                    },
                )
            });
            Finding::new("db-capacity", class, "room in a zone of the subnet group", seen)
                .fix("take another class of the same size (a generation before or after), or subnets in another of these zones; the same may work later")
        }
    };
    Diagnosis {
        trouble: "no-capacity",
        meaning: "AWS has no machines left for this class in the zones that were asked for. It is no quota: more cannot be asked for.",
        findings: vec![finding],
        next: Vec::new(),
    }
}

async fn offers(
    context: Context<'_>,
    engine: &str,
    version: Option<&str>,
    class: Option<&str>,
) -> Observation<Vec<OrderableDbInstanceOption>> {
    let call = context
        .clients
        .call("RDS", "DescribeOrderableDBInstanceOptions", engine);
    let asked = context
        .clients
        .rds
        .describe_orderable_db_instance_options()
        .engine(engine)
        .set_engine_version(version.map(str::to_owned))
        .set_db_instance_class(class.map(str::to_owned));
    let found: Result<Vec<_>, _> = asked.into_paginator().items().send().collect().await;
    found.map_err(|error| Unobserved::from(call.failed(error)))
}

fn distinct(
    all: &[OrderableDbInstanceOption],
    of: fn(&OrderableDbInstanceOption) -> Option<&str>,
) -> Vec<String> {
    let mut names: Vec<String> = all
        .iter()
        .filter_map(|one| of(one).map(str::to_owned))
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The last of them, which are the newest.
fn listed(names: &[String]) -> String {
    let from = names.len().saturating_sub(MOST_NAMED);
    match names {
        [] => "nothing".to_owned(),
        _ if from == 0 => names.join(", "),
        _ => format!("{}, and {from} more", names[from..].join(", ")),
    }
}
